"""Settings in a page's address, so that its link shows the same page.

What a part of the page wrote is kept under a name: what comes from the browser and differs came from elsewhere.
"""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

_SETTLING = 2.0
"""Seconds after a change of the address in which the browser may still send the former one."""


def from_elsewhere(name: str, found: Any) -> bool:
    """Whether what the address holds now was not written under this name, but came by a link, a bookmark or the browser's way back."""
    last, former, moment = _record(name)
    return found != last and not (found == former and time.monotonic() - moment < _SETTLING)


def remember(name: str, value: Any) -> None:
    """Keep what was written into the address."""
    last, former, moment = _record(name)
    if value != last:
        former, moment = last, time.monotonic()
    st.session_state[f"address.{name}"] = (value, former, moment)


def written(name: str) -> Any:
    """What was written into the address last, None before that."""
    return _record(name)[0]


def arrived(page: str) -> dict[str, str] | None:
    """The parameters of an address that came from elsewhere, else None."""
    query = st.query_params.to_dict()
    # The navigation leads to a page without the address that was left.
    return query or None if from_elsewhere(page, query) else None


def write(page: str, query: dict[str, str]) -> None:
    """Put all settings of a page into the address."""
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    remember(page, query)


def _record(name: str) -> tuple[Any, Any, float]:
    return st.session_state.get(f"address.{name}", (None, None, 0.0))
