"""Settings in a page's address, so that its link shows the same page.

What a part of the page wrote is kept under a name: what comes from the browser and differs came from elsewhere.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from engine.errors import shortened
from pages.components.frame import say

MOST_SAID = 5
"""Sentences about one link; a link with more mistakes is none that a person has written."""
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


def refuse_unknown(known: Iterable[str], **meant: str) -> None:
    """Takes out of the address what the page does not know, and says so; a person may have mistyped a name.

    Args:
        known: names of the page's parameters; of one that ends in "*", how names begin.
        meant: names that people take for a known one.
    """
    strange = strangers(st.query_params.to_dict(), known, **meant)
    for name in strange:
        st.query_params.pop(name)
    say_some([*strange.values()])


def strangers(address: Mapping[str, str], known: Iterable[str], **meant: str) -> dict[str, str]:
    """The parameters of an address that a page does not know, each with a sentence; arguments as of `refuse_unknown`."""
    names, found = list(known), {}
    plain = [name for name in names if not name.endswith("*")]
    for name, value in address.items():
        if not any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in names):
            near = meant.get(name) or _nearest(name, plain)
            hint = f": did you mean “{near}”?" if near else "; the page is shown without it."
            found[name] = f"This page does not know “{shortened(name)}={shortened(value, 40)}” of the link{hint}"
    return found


def say_some(sentences: Sequence[str]) -> None:
    """Says what could not be used of a link: the first few, and how many more there are."""
    for sentence in sentences[:MOST_SAID]:
        say("warning", sentence)
    if len(sentences) > MOST_SAID:
        say("warning", f"{len(sentences) - MOST_SAID:,} more parts of the link could not be used.")


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """A known name that ends with this one, as “svd_rank” with “rank”, or that is spelt almost like it."""
    ends = [one for one in known if one.rpartition("_")[2] == name or one.rpartition(".")[2] == name]
    return next(iter(ends or difflib.get_close_matches(name[:80], known, n=1)), None)


def _record(name: str) -> tuple[Any, Any, float]:
    return st.session_state.get(f"address.{name}", (None, None, 0.0))
