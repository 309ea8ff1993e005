"""A page's settings in its address, so that its link shows the same page; for pages whose settings are a few short values."""

from __future__ import annotations

import time

import streamlit as st

_SETTLING = 2.0
"""Seconds after a change of the address in which the browser may still send the former one."""


def arrived(page: str) -> dict[str, str] | None:
    """The parameters of an address that came from elsewhere (a link, a bookmark, the browser's way back), else None."""
    query = st.query_params.to_dict()
    last, former, moment = st.session_state.get(f"address.{page}", ({}, None, 0.0))
    if query == last or (query == former and time.monotonic() - moment < _SETTLING):
        return None
    # The navigation leads to a page without the address that was left.
    return query or None


def written(page: str) -> dict[str, str]:
    """What `write` put into the address last."""
    return st.session_state.get(f"address.{page}", ({}, None, 0.0))[0]


def write(page: str, query: dict[str, str]) -> None:
    """Put settings into the address."""
    before, former, moment = st.session_state.get(f"address.{page}", ({}, None, 0.0))
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    if query != before:
        former, moment = before, time.monotonic()
    st.session_state[f"address.{page}"] = (query, former, moment)
