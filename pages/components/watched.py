"""The pinned user: what the run would recommend now (or, finished, by the model that is kept), five epochs before, and what SVD would."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.store import ACTIVE, Run
from pages.components import titles, words
from pages.components.session import store

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
        kept = kept_epoch(run)
        lists = store().lists(run.id, str(user), last=AGO + 1 if kept is None else None)
        mine = [entry for entry in lists if entry["model"] == "run" and (kept is None or entry["epoch"] <= kept)][-AGO - 1 :]
        which = _which(run, kept) if mine and mine[-1]["epoch"] == kept else ""
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.markdown(f"**User {words.plain(str(user))} would get{which}**", width="stretch")
            if run.state in ACTIVE:
                _pin_another(run, facts, str(user))
        svd = [entry for entry in lists if entry["model"] == "svd"]
        if not mine:
            pinned_later = f"They were pinned after epoch {kept}, whose weights are kept: the Recommend page has their list."
            st.caption("The first list comes with the end of the first epoch." if kept is None else pinned_later)
        else:
            _now(mine[-1], mine[0], "now" if kept is None else f"epoch {mine[-1]['epoch']}" if titles.trains(run.config) else "title")
            if kept is not None and _refitted(run):
                st.caption("The model was then refitted on training and validation ratings: the Recommend page has its list.")
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
            st.caption("✓ held out (validation ratings)" + (f", rated ≥ {liked:g}" if liked is not None else "") + f" · {hits}")
            if svd and _hits(mine[-1]) < _hits(svd[-1]):
                st.caption("Fewer hits do not contradict a lower RMSE: RMSE judges every held-out rating, a list only its highest guesses.")


def kept_epoch(run: Run) -> int | None:
    """The epoch whose weights a finished run has kept; None of a run that may go on."""
    return (run.summary or {}).get("best_epoch") if run.state == "finished" else None


def _refitted(run: Run) -> bool:
    return bool(run.config.get("training", {}).get("refit"))


def _which(run: Run, epoch: int | None) -> str:
    """The end of the card's title: whose list it is."""
    if not titles.trains(run.config):
        return " · before the refit" if _refitted(run) else ""
    return f" · epoch {epoch}, before the refit" if _refitted(run) else f" · kept model, epoch {epoch}"


def _now(now: dict[str, Any], before: dict[str, Any], title: str) -> None:
    ago = now["epoch"] - before["epoch"]
    ranks = {item["item"]: rank for rank, item in enumerate(before["items"], start=1)}
    rows = {title: [_title(item) for item in now["items"][:SHOWN]]}
    if ago:
        heading = f"{words.number_of(ago, 'epoch')} {'ago' if title == 'now' else 'before'}"
        rows[heading] = [_move(rank, ranks.get(item["item"])) for rank, item in enumerate(now["items"][:SHOWN], start=1)]
    alt = f"Top list after epoch {now['epoch']} with ranks {ago} epochs before"
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt=alt)


def _title(item: dict[str, Any]) -> str:
    title = words.plain(str(item.get("title", "–")))
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
