"""The pinned user: what the run would recommend now, what it would have five epochs ago, and what SVD would."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.store import Run
from pages.components import words
from pages.components.session import ACTIVE, store

AGO = 5
SHOWN = 10


def watched_card(run: Run) -> None:
    """The card of the user whose list is written as the run trains."""
    facts = run.facts or {}
    user = facts.get("watch_user")
    with st.container(border=True):
        if user is None:
            st.markdown("**One user's list**")
            st.caption("The top list of one user appears here with the first epoch, and changes as training goes on.")
            return
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.markdown(f"**User {words.plain(str(user))} would get**", width="stretch")
            if run.state in ACTIVE:
                _pin_another(run, facts, str(user))
        lists = store().lists(run.id, str(user), last=AGO + 1)
        mine = [entry for entry in lists if entry["model"] == "run"]
        svd = [entry for entry in lists if entry["model"] == "svd"]
        if not mine:
            st.caption("The first list comes with the end of the first epoch.")
        else:
            _now(mine[-1], mine[0])
        if svd:
            rank = facts.get("baselines", {}).get("svd", {}).get("rank")
            st.markdown(f"**SVD{f' (rank {rank})' if rank else ''} would give**")
            st.table(
                pd.DataFrame({"title": [_title(item) for item in svd[-1]["items"][:SHOWN]]}),
                hide_index=True,
                hide_header=True,
                border="horizontal",
                alt=f"Top list of user {user} under SVD",
            )
        if mine:
            hits = f"hits in top {len(mine[-1]['items'])}: **{_hits(mine[-1])}**" + (f" (SVD {_hits(svd[-1])})" if svd else "")
            liked = facts.get("liked")
            st.caption("✓ held out" + (f", rated ≥ {liked:g}" if liked is not None else "") + f" · {hits}")
            if svd and _hits(mine[-1]) < _hits(svd[-1]):
                st.caption("Fewer hits do not contradict a lower RMSE: RMSE judges every held-out rating, a list only its highest guesses.")


def _now(now: dict[str, Any], before: dict[str, Any]) -> None:
    ago = now["epoch"] - before["epoch"]
    ranks = {item["item"]: rank for rank, item in enumerate(before["items"], start=1)}
    rows = {"now": [_title(item) for item in now["items"][:SHOWN]]}
    if ago:
        heading = f"{ago} epoch{'s' if ago > 1 else ''} ago"
        rows[heading] = [_move(rank, ranks.get(item["item"])) for rank, item in enumerate(now["items"][:SHOWN], start=1)]
    alt = f"Top list after epoch {now['epoch']} with ranks {ago} epochs before"
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt=alt)


def _title(item: dict[str, Any]) -> str:
    title = words.plain(item["title"])
    return f":green[**✓ {title}**]" if item.get("hit") else title


def _move(rank: int, before: int | None) -> str:
    if before is None:
        return ":gray[new]"
    if before == rank:
        return f":gray[{before}]"
    return f":blue[{before} ▲]" if before > rank else f":orange[{before} ▼]"


def _hits(entry: dict[str, Any]) -> int:
    return sum(bool(item.get("hit")) for item in entry["items"])


def _pin_another(run: Run, facts: dict[str, Any], user: str) -> None:
    offered = [str(one) for one in facts.get("watch_users", [])]
    with st.popover("pin another", type="tertiary"):
        wanted = run.watch_user if run.watch_user is not None else user
        names = offered if wanted in offered else [wanted, *offered]
        st.selectbox(
            "User",
            names,
            index=names.index(wanted),
            key=f"pin.{run.id}",
            on_change=_pin,
            args=(run.id,),
            help="These users liked the most films that are held out, so that hits can be seen.",
        )
        st.caption("The list changes with the next epoch.")


def _pin(run_id: str) -> None:
    store().watch(run_id, st.session_state[f"pin.{run_id}"])
