"""Reproduce: a published table beside our own figures, which of the authors' conclusions hold on them, and how to fill it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine import background, experiment, pace, reproduce
from engine.config import RunConfig
from engine.datasets import listing
from engine.errors import InputError, unknown
from engine.reproduce import wording
from engine.reproduce.results import FOLDER
from engine.store import RESUMABLE, Run
from engine.tables import Table, tables
from engine.tables import table as table_named
from pages.components import linked, query, reproduced, reproduced_chart, reproduced_overview, titles, words
from pages.components.cards import card_title
from pages.components.frame import header, mistakes_as_sentences, say, say_later, say_what_was_kept, through_dashboard
from pages.components.session import ask, store, submit
from pages.components.share import ENGINE, share_buttons

PURPOSE = "What the source systems published, row by row, beside the same rows trained here, and which of their conclusions hold."
SYSTEM, TABLE, DATA, SEEDS = "reproduce_system", "reproduce_table", "reproduce_data", "reproduce_seeds"
CHANCE = (
    "▲ ours is higher, ▼ ours is lower than published. Of one seed, nothing is known of chance; of several, a difference within the "
    "95 % interval of our mean is not distinguishable."
)
STALE = "Figures measured under other settings than the rows have now: {}. They decide no conclusion, and go once the rows are run."
TICK = 2.0
MOST_SEEDS = 10
# The table that one sees first: it has published figures in every row.
FIRST = "5-table-5-architecture"


def choose() -> tuple[Table, str, int]:
    """Table, dataset and number of seeds, all of which stand in the address."""
    asked = st.query_params.get(TABLE)
    if asked in tables() and query.from_elsewhere(TABLE, asked):
        st.query_params[SYSTEM] = str(tables()[asked].system)  # a link may name the table alone
        st.session_state[reproduced_overview.OPEN] = False  # a link from the list of all tables is to show its own
    first, second, third, fourth = st.columns([1, 2, 1.2, 0.8])
    with first:
        system = linked.select(
            "System", [*reproduced.SYSTEMS], SYSTEM, default=str(table_named(FIRST).system), naming=reproduced.SYSTEMS.__getitem__
        )
    mine = [name for name, one in tables().items() if str(one.system) == system]
    with second:
        usual = FIRST if FIRST in mine else mine[0]
        chosen = linked.select("Table", mine, TABLE, default=usual, naming=lambda name: tables()[name].title, unknown=_no_such_table)
    table = table_named(chosen)
    known = titles.dataset_titles()
    # A table can be filled on any dataset; in the menu stand those that it knows, and the one that a link asks for.
    linked_to = [name for name in [st.query_params.get(DATA)] if name in known and not table.exact]
    offered = list(dict.fromkeys([table.dataset, *table.datasets, *linked_to]))
    with third:
        dataset = linked.select("Dataset", offered, DATA, naming=lambda name: titles.dataset_title(name, known), unknown=_no_such_data)
    with fourth:
        most = min(MOST_SEEDS, table.folds or MOST_SEEDS)
        about = "Repetitions of each row, with seeds 0, 1, …" + (f"; each tests another of {table.folds} folds." if table.folds else ".")
        seeds = 1
        if not table.exact:
            seeds = int(linked.bound(st.number_input, "Seeds", 1, most, 1, key=SEEDS, help=about))
    return table, dataset, seeds


def _no_such_table(name: str) -> None:
    if name not in tables():
        say("warning", str(unknown("table", name, tables())))


def _no_such_data(name: str) -> None:
    known = [entry.name for entry in listing()]
    if name not in known:
        say("warning", str(unknown("dataset", name, known)))


def about(table: Table, dataset: str) -> None:
    """What the table shows, where it is from, and what its figures are of."""
    st.markdown(f"#### {words.plain(table.title)}")
    st.markdown(words.plain(table.shows))
    st.caption(words.plain(f"Source: {table.source}. Their figure: {table.published_metric} Published on {table.published_on}."))
    if dataset in table.datasets:
        say("info", table.datasets[dataset].note)
    printed = any(row.published for row in table.rows)
    if printed and not wording.comparable(table, dataset):
        say("info", f"Published on {table.published_on}, filled on {dataset}: a difference would tell of the data, so none is shown.")


def runs_of(table: Table, dataset: str, seeds: int) -> dict[tuple[str, int], Run]:
    """Runs of the store by row and seed, with states that are true."""
    background.attend(store())
    return {(row.name, seed): run for row, seed, run in reproduce.of_store(table, dataset, store(), seeds)}


def kept_of(table: Table, dataset: str, seeds: int, runs: dict[tuple[str, int], Run]) -> reproduce.Kept:
    """What is known of the table; computed anew once a run has finished or the kept file has changed."""
    path = FOLDER / f"{table.name}.json"
    finished = tuple(sorted(run.id for run in runs.values() if run.state == "finished"))
    return _kept(table.name, dataset, seeds, finished, (str(path), path.stat().st_mtime if path.exists() else 0.0))


@st.cache_data(max_entries=32, show_spinner="Comparing the rows …")
def _kept(name: str, dataset: str, seeds: int, finished: tuple[str, ...], stamp: tuple[str, float]) -> reproduce.Kept:
    del finished, stamp  # what the answer depends on besides
    return reproduce.with_store(table_named(name), dataset, store(), seeds)


def filled(table: Table, dataset: str, seeds: int) -> None:
    """Rows, button and claims; looks again every two seconds while a run of the table is active."""
    busy = not table.exact and reproduced.active(runs_of(table, dataset, seeds))
    st.fragment(_turn, run_every=TICK if busy else None, key="reproduce-filled")(table.name, dataset, seeds, busy)


def _turn(name: str, dataset: str, seeds: int, busy: bool) -> None:
    with mistakes_as_sentences():
        table = table_named(name)
        runs = {} if table.exact else runs_of(table, dataset, seeds)
        if reproduced.active(runs) != busy:
            st.rerun()
        kept = kept_of(table, dataset, seeds, runs)
        found = reproduce.report(table, dataset, kept)
        lacking = reproduce.open_rows(table, dataset, seeds, kept)
        measured = {(one.row, one.seed) for one in kept.results if one.dataset == dataset}
        # Each part has a place of its own, so that one that comes or grows while runs end moves no other into its frame.
        lesson, rows, start, picture, claims = (st.container() for _ in range(5))
        with lesson:
            reproduced.lesson(table, found)
        with rows:
            _rows(table, dataset, seeds, found, lacking, runs, measured)
        if not table.exact:
            with start:
                _start_card(table, dataset, seeds, kept, _startable(lacking, runs))
        with picture:
            reproduced_chart.picture(table, found, dataset)
        with claims:
            _claims(found["claims"])


def _rows(
    table: Table,
    dataset: str,
    seeds: int,
    found: dict[str, Any],
    lacking: list[tuple[Any, int, RunConfig]],
    runs: dict[tuple[str, int], Run],
    measured: set[tuple[str, int]],
) -> None:
    lacks = {(row.name, seed) for row, seed, _ in lacking}
    states = {row.name: "computed" if table.exact else reproduced.state(row, seeds, lacks, measured, runs) for row in table.rows}
    if table.exact:
        frame, names = reproduced.of_sums(found), _sum_columns(table)
    else:
        frame = reproduced.shown(table, found, states, compared=wording.comparable(table, dataset))
        names = reproduced.columns(table, frame)
    with st.container(border=True):
        card_title("Published and ours", reproduced.tidy(table, found, states), key=f"reproduce-{table.name}")
        _draw(frame, names)
        if frame.filter(like=" difference").notna().any(axis=None):
            st.caption(CHANCE)
        if stale := len(lacks & measured):
            say("warning", STALE.format(stale), icon="history")
        if table.exact:
            same = int((frame["equal"] == "= equal").sum())
            st.caption(f"{same} of {len(frame)} rows are equal, computed just now: sums, without training and without chance.")


def _draw(frame: pd.DataFrame, names: dict[str, Any]) -> None:
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        column_config=names,
        column_order=[*names],
        placeholder="–",
        alt="Rows of the published table: the published figures, ours, and how far the runs are",
    )


def _sum_columns(table: Table) -> dict[str, Any]:
    column, about = st.column_config, table.published_metric
    return {
        "row": column.TextColumn("row", pinned=True, width="small"),
        "published": column.TextColumn("published", help=about),
        "ours": column.TextColumn("ours", help=about),
        "equal": column.TextColumn("ours is", width="small", help="Whether every figure of the row is equal."),
        "note": column.TextColumn("note", width="large"),
    }


def _startable(lacking: list[tuple[Any, int, RunConfig]], runs: dict[tuple[str, int], Run]) -> list[tuple[RunConfig, Run | None]]:
    """Configurations that nobody works on, with the run that can be resumed where there is one."""
    found = []
    for row, seed, config in lacking:
        run = runs.get((row.name, seed))
        if run is None or run.state in RESUMABLE:
            found.append((config, run if run is not None and run.state != "failed" else None))
    return found


def _start_card(table: Table, dataset: str, seeds: int, kept: reproduce.Kept, startable: list[tuple[RunConfig, Run | None]]) -> None:
    say_what_was_kept()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Start the open rows",
            type="primary",
            icon=":material/play_arrow:",
            key="reproduce-start",
            disabled=not startable,
            on_click=_start,
            args=(table.name, dataset, seeds),
        )
        st.caption(_outlook(table, kept, [config for config, _ in startable]), width="content")
        st.page_link("pages/runs.py", label="All runs", icon=":material/list_alt:")


def _outlook(table: Table, kept: reproduce.Kept, configs: list[RunConfig]) -> str:
    """How many runs there are to start, and how long they take, where earlier ones tell it."""
    if not configs:
        return "No row waits to be started."
    counted = f"{len(configs)} run{'s' * (len(configs) > 1)}"
    recent = store().list(("finished",), limit=100)
    known = [found.seconds for found in (pace.expected(config, recent, rough=False) for config in configs) if found]
    if not known:
        return f"{counted}; no earlier run tells how long they take."
    some = "" if len(known) == len(configs) else f" for {len(known)} of them"
    return f"{counted}, about {words.duration(sum(known))}{some} one after the other, by earlier runs on this machine."


def _start(name: str, dataset: str, seeds: int) -> None:
    """Queues or resumes what is open at this moment, so that a second click starts nothing twice; says what cannot run, each once."""
    refused: dict[str, int] = {}
    try:
        table = table_named(name)
        runs = runs_of(table, dataset, seeds)
        lacking = reproduce.open_rows(table, dataset, seeds, kept_of(table, dataset, seeds, runs))
    except InputError as error:
        say_later(str(error))
        return
    for config, run in _startable(lacking, runs):
        try:
            experiment.check(config)
            if run is None:
                submit(config)
            else:
                ask([run.id], "run")
        except InputError as error:
            refused[str(error)] = refused.get(str(error), 0) + 1
    for sentence in refused:
        say_later(sentence)


def _claims(judged: list[dict[str, Any]]) -> None:
    if not judged:
        return
    with st.container(border=True):
        st.markdown(
            "**Their conclusions on our figures**",
            help="A conclusion holds if every comparison behind it does. ± is the half-width of a 95 % interval: over the seeds by "
            "Student's t, and over the test users where the runs kept what happened to each; where it covers 0, nothing can be told.",
        )
        for one in judged:
            reproduced.claim(one)


def beside(table: Table, dataset: str, seeds: int) -> None:
    """How the protocols differ, and the same in a terminal."""
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown("**How their protocol differs**")
        st.markdown("\n".join(f"- {words.plain(sentence)}" for sentence in table.protocol))
    with right.container(border=True, height="stretch"):
        st.markdown("**The same in a terminal**")
        st.code(command(table, dataset, seeds), language="bash", wrap_lines=True)
        st.caption(
            "Computes the figures and prints them."
            if table.exact
            else "Runs the open rows and keeps their figures with Encore; --budget MINUTES begins no further row after so long."
        )


def command(table: Table, dataset: str, seeds: int) -> str:
    """The command line that fills the table."""
    where = f" --dataset {dataset}" if dataset != table.dataset else ""
    return f"{ENGINE} reproduce {table.name}{where}" + (f" --seeds {seeds}" if seeds > 1 else "")


def main() -> None:
    """The page from top to bottom."""
    place = header("Reproduce", PURPOSE)
    query.refuse_unknown([SYSTEM, TABLE, DATA, SEEDS, reproduced_chart.FIGURE], dataset=DATA)
    with mistakes_as_sentences():
        table, dataset, seeds = choose()
        reproduced_overview.all_tables("reproduce")
        about(table, dataset)
        filled(table, dataset, seeds)
        beside(table, dataset, seeds)
    share_buttons(place, st.query_params.to_dict())


through_dashboard()
with mistakes_as_sentences():
    main()
