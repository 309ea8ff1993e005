"""All runs in one table that keeps itself up to date, what can be done with the chosen rows, and below it their comparison."""

from __future__ import annotations

import hashlib

import pandas as pd
import streamlit as st

from engine import background
from engine.store import ACTIVE, RESUMABLE, Run
from pages.components import compare, crowd, run_filters, run_rows, selection, titles, waiting, words
from pages.components.frame import header, mistakes_as_sentences, mistakes_said_later, say_what_was_kept
from pages.components.session import ask, store
from pages.components.share import share_buttons

SECONDS = 2.0
SHOWN = 500
DELETING, ROWS = "runs.deleting", "runs.rows"


def runs_now() -> list[Run]:
    """The newest runs, with states that are true: a process that is gone is noticed."""
    background.attend(store())
    return store().list(limit=SHOWN)


def table(active: bool) -> None:
    """The page of all runs; looks again every two seconds while a run is active."""
    every = _every(active)
    st.fragment(_turn, run_every=every, key="runs-table")(every)


def _every(active: bool) -> float | None:
    return crowd.every(SECONDS) if active else None


def _turn(every: float | None) -> None:
    with mistakes_as_sentences(), crowd.look(SECONDS if every else None):
        runs = runs_now()
        if _every(any(run.state in ACTIVE for run in runs)) != every:
            st.rerun()
        _page(runs)


def _page(runs: list[Run]) -> None:
    place = header("Runs", "Everything that was trained, stopped or failed, with SVD's figures on the same test ratings.")
    waiting.waiting_card()
    known = titles.dataset_titles()
    shown = run_filters.filtered(runs, known)
    say_what_was_kept()
    selection.follow()
    chosen = selection.chosen(runs)
    ids = {run.id for run in shown}
    _actions([run for run in chosen if run.id in ids], len([run for run in chosen if run.id not in ids]))
    if shown:
        _rows(shown, [run.id for run in chosen], known)
        st.caption(
            f"{len(shown):,} of {len(runs):,} runs. Tick rows on the left to act on them and to compare them below. RMSEs are in rating "
            "units. “Against SVD” compares on the same test ratings; the run's own page gives pairs, users and interval."
        )
    else:
        st.caption("No run fits the filters.")
    selection.write()
    compare.panel(chosen, shown)
    share_buttons(place, st.query_params.to_dict())


def _rows(shown: list[Run], chosen: list[str], known: dict[str, str]) -> None:
    ids = [run.id for run in shown]
    # Rows are chosen by their place: a table with other rows is another widget.
    key = f"runs-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}"
    ticked = [place for place, run_id in enumerate(ids) if run_id in chosen]
    if sorted(st.session_state.get(key, {}).get("selection", {}).get("rows", [])) != ticked:
        st.session_state[key] = {"selection": {"rows": ticked}}
    # In the session and not in the callbacks: Streamlit keeps theirs of every table that a tab has shown.
    st.session_state[ROWS] = ids
    columns = run_rows.columns(_star)
    st.dataframe(
        pd.DataFrame([run_rows.row(run, known) for run in shown]),
        key=key,
        hide_index=True,
        on_select=lambda: _pick(key),
        selection_mode="multi-row",
        column_config=columns,
        column_order=[*columns],
        height=330 if len(shown) > 8 else "content",
        placeholder="–",
        alt="Runs, as filtered and sorted above",
    )


def _actions(picked: list[Run], hidden: int) -> None:
    """Buttons for the chosen runs that are shown: links for one, wishes for any number. `hidden`: chosen ones that filters hide."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        one = picked[0] if len(picked) == 1 else None
        for label, icon, page in (
            ("Details", "article", "runs"),
            ("Train", "show_chart", "train"),
            ("Recommend", "recommend", "recommend"),
        ):
            if st.button(label, icon=f":material/{icon}:", disabled=one is None, key=f"runs-open-{page}") and one is not None:
                st.switch_page(f"pages/{page}.py", query_params={"run": one.id})
        for label, icon, want, fits in (
            ("Pause", "pause", "pause", ACTIVE),
            ("Resume", "play_arrow", "run", RESUMABLE),
            ("Stop", "stop", "stop", (*ACTIVE, "paused", "crashed")),
        ):
            some = [run.id for run in picked if run.state in fits]
            st.button(label, icon=f":material/{icon}:", disabled=not some, key=f"runs-{want}", on_click=ask, args=(some, want))
        if st.button("Delete", icon=":material/delete:", disabled=not picked, key="runs-delete"):
            st.session_state[DELETING] = [run.id for run in picked]
            st.rerun()
        # Ids and not runs: Streamlit keeps what a callback is given for as long as the tab is open.
        picked_ids = [run.id for run in picked]
        with_star = bool(picked) and all(run.starred for run in picked)
        label, icon = ("Unstar", "star_outline") if with_star else ("Star", "star")
        st.button(label, icon=f":material/{icon}:", disabled=not picked, key="runs-star-chosen", on_click=star, args=(picked_ids,))
        if picked or hidden:
            st.button("Choose none", icon=":material/deselect:", key="runs-none", on_click=selection.keep, args=([],))
        besides = f", {hidden} of them hidden by the filters" if hidden else ""
        st.caption(f"{len(picked) + hidden} chosen{besides}" if picked or hidden else "none chosen", width="content")


def confirm_deletion() -> None:
    """The dialog before runs are deleted, if a person has just asked for it."""
    ids = st.session_state.pop(DELETING, None)
    if ids:
        _dialog(ids)


@st.dialog("Delete for good?", icon=":material/delete:")
def _dialog(ids: list[str]) -> None:
    runs = [run for run in (store().find(run_id) for run_id in ids) if run is not None]
    st.markdown("\n".join(f"- **{words.plain(run.name)}** ({run.state})" for run in runs))
    st.markdown("Their curves, lists, log and weights go too. This cannot be undone.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep", key="runs-keep"):
            st.rerun()
        gone = [run.id for run in runs]
        if st.button("Delete", type="primary", key="runs-delete-for-good", on_click=delete, args=(gone,)):
            st.rerun()  # closes the dialog


def delete(ids: list[str]) -> None:
    """Delete runs; what the engine refuses is kept for the page to show, and a page of a run that is gone becomes that of all runs."""
    for run_id in ids:
        with mistakes_said_later():
            store().delete(run_id)
    with mistakes_said_later():
        if store().find(st.query_params.get("run", "")) is None:
            st.query_params.pop("run", None)


def _pick(key: str) -> None:
    rows, ids = st.session_state[key]["selection"]["rows"], st.session_state[ROWS]
    selection.tick([ids[row] for row in rows if row < len(ids)], ids)


def _star() -> None:
    click, ids = st.session_state[run_rows.CLICKED], st.session_state[ROWS]
    if click is not None and click["row"] < len(ids):
        star([ids[click["row"]]])


def star(ids: list[str]) -> None:
    """Star these runs, or take the stars away where all of them have one; as a button's callback."""
    with mistakes_said_later():
        starred = not all(run.starred for run in map(store().find, ids) if run is not None)
        for run_id in ids:
            store().edit(run_id, starred=starred)
