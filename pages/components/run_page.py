"""One run in full: results beside the baselines', curves, facts, log, and how to repeat it."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import streamlit as st

from engine.config import RunConfig, parse, to_toml
from engine.endings import EXPECTED
from engine.errors import InputError
from engine.store import ACTIVE, Run
from pages.components import crowd, draft, item_factors, run_charts, run_export, run_results, series, status, titles, words
from pages.components.cards import chart_card
from pages.components.discreet import log_line, shareable
from pages.components.frame import mistakes_as_sentences, say, say_what_was_kept
from pages.components.run_table import DELETING
from pages.components.session import ask, look_at, store
from pages.components.share import command

SECONDS = 2.0
LOG_LINES = 200
LARGEST_CHECK = 2**29
"""Bytes of a run's artifacts that are compared with their checksums when its page is drawn."""


def buttons(run: Run, config: RunConfig | None) -> None:
    """What can be done with the run; `config` is None where this version cannot read its configuration."""
    with st.container(horizontal=True, gap="small"):
        if st.button("All runs", icon=":material/arrow_back:"):
            st.switch_page("pages/runs.py")
        if st.button("Open in Train", icon=":material/show_chart:"):
            st.switch_page("pages/train.py", query_params={"run": run.id})
        about = "The same settings, ready to be changed and started as another run."
        if st.button("Clone", icon=":material/content_copy:", disabled=config is None, help=about) and config is not None:
            # A link without any field would show what was configured last.
            st.switch_page("pages/train.py", query_params=draft.to_query(config) or {"dataset.name": config.dataset.name})
        if st.button("Compare", icon=":material/stacked_line_chart:", help="All runs, with this one chosen: tick others to compare them."):
            st.switch_page("pages/runs.py", query_params={"runs": run.id})
        if st.button("Recommend", icon=":material/recommend:"):
            st.switch_page("pages/recommend.py", query_params={"run": run.id})
        if item_factors.model_of(run) not in item_factors.WITHOUT and st.button("Items", icon=":material/bubble_chart:"):
            st.switch_page("pages/items.py", query_params={"run": run.id})
        if st.button("Pairwise", icon=":material/compare_arrows:"):
            st.switch_page("pages/pairwise.py", query_params={"run": run.id})
        run_export.export_button(run)
        if run.sweep and st.button("Sweep", icon=":material/travel_explore:", help="The sweep that this run is a trial of."):
            st.switch_page("pages/sweep.py", query_params={"sweep": run.sweep})
        if run.state in ACTIVE:
            st.button("Pause", icon=":material/pause:", disabled=run.want != "run", on_click=ask, args=([run.id], "pause"))
            st.button("Stop", icon=":material/stop:", disabled=run.want == "stop", on_click=ask, args=([run.id], "stop"))
        elif run.state != "finished":
            st.button("Resume", icon=":material/play_arrow:", on_click=ask, args=([run.id], "run"))
        if st.button("Delete", icon=":material/delete:", key="run-delete"):
            st.session_state[DELETING] = [run.id]
            st.rerun()
    say_what_was_kept()


def say_damage(run: Run) -> None:
    """Names what is damaged of the run's artifacts; very large ones are compared with their checksums when they are used."""
    stamps = tuple((name, store().changed(run.id, name)) for name in store().sizes(run.id))
    if sum(store().sizes(run.id).values()) <= LARGEST_CHECK:
        for sentence in _damage(store().url, run.id, stamps):
            say("error", sentence, icon="heart_broken")


@st.cache_data(max_entries=200, ttl=600, show_spinner=False)
def _damage(url: str, run_id: str, stamps: tuple[tuple[str, float], ...]) -> list[str]:
    return [*store().damage(run_id).values()]


def panel(run: Run) -> None:
    """Everything about the run; it looks again every two seconds while the run can move."""
    drawn = _outside(run)
    st.fragment(_turn, run_every=drawn[-1], key=f"run.{run.id}")(run.id, drawn)


def _outside(run: Run) -> tuple[str, str, float | None]:
    """What the buttons and the pace of looking again follow from."""
    return run.state, run.want, crowd.every(SECONDS) if run.state in ACTIVE else None


def _turn(run_id: str, drawn: tuple[str, str, float | None]) -> None:
    with mistakes_as_sentences(), crowd.look(SECONDS if drawn[-1] else None):
        run = look_at(run_id)
        if _outside(run) != drawn:
            st.rerun()
        frame = series.fetch(run.id)
        status.status_line(run, frame)
        run_results.table(run)
        _curves(run, frame)
        run_results.by_activity(run)
        left, right = st.columns(2, gap="small")
        with left:
            _configuration(run)
        with right:
            _facts(run)
        _log(run)


def _curves(run: Run, frame: pd.DataFrame) -> None:
    """The held-out metric beside the objective; for a model that is fitted in one step, a sentence."""
    if not titles.trains(run.config):
        status.fitted_card(run)
        return
    if frame.empty:
        return
    left, right = st.columns(2, gap="small")
    with left:
        chart_card(
            run_charts.held_out_title(run),
            run_charts.held_out(run, frame),
            run_charts.held_out_rows(run, frame),
            key=f"run-held-out-{run.name}",
            alt=run_charts.held_out_alt(run),
            caption=f"{run_charts.held_out_alt(run).partition(': ')[2].capitalize()}; the ring is the best epoch.",
        )
    with right:
        chart_card(
            "Training objective",
            run_charts.objective(run, frame),
            frame[frame["name"].isin(["train/loss", "train/refeed_loss"])],
            key=f"run-objective-{run.name}",
            alt=run_charts.OBJECTIVE_ALT,
            caption=status.MEANING["loss" if titles.rates(run.config) else "own loss"],
        )


def _configuration(run: Run) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown("**Configuration**")
        try:
            config = parse(run.config)
        except InputError as error:
            say("error", str(error))
            return
        st.caption("To repeat it in a terminal:")
        st.code(command(config), language="bash", wrap_lines=True)
        with st.expander("Every field, as TOML"):
            st.code(to_toml(shareable(config)), language="toml")


def _facts(run: Run) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown("**Facts**")
        table = pd.DataFrame([(name, words.plain(value)) for name, value in facts(run)], columns=["what", "value"])
        st.table(table, hide_index=True, hide_header=True, border="horizontal", alt="Facts about the run")


def facts(run: Run) -> list[tuple[str, str]]:
    """What is known of the run and stands in no chart, as names and values."""
    known, summary = run.facts or {}, run.summary or {}
    sizes, dropped = known.get("sizes"), known.get("dropped")
    rows = [
        ("run id", run.id),
        *_trial(run),
        ("created", _moment(run.created)),
        ("started", _moment(run.started)),
        ("ended", _moment(run.finished)),
    ]
    if sizes:
        rows.append(("data", f"{sizes['users']:,} users × {sizes['items']:,} items"))
        rows.append(("ratings", f"{sizes['train']:,} train / {sizes['validation']:,} validation / {sizes['test']:,} test"))
    if dropped:
        rows.append(
            ("left out", f"{dropped.get('validation', 0):,} validation / {dropped.get('test', 0):,} test ratings nobody could predict")
        )
    if known.get("duplicates") is not None:
        rows.append(("duplicates dropped", f"{known['duplicates']:,}"))
    rows.append(("split fingerprint", str(known.get("split_fingerprint") or "–")))
    training = run.config.get("training", {})
    rows.append(("seeds", f"training {training.get('seed', '–')}, split {run.config.get('split', {}).get('seed', '–')}"))
    if known.get("parameters"):
        rows.append(("parameters", words.count(int(known["parameters"]))))
    threads = known.get("threads")
    device = str(run.device or known.get("device") or "–") + (f" (slot {run.slot})" if run.slot else "")
    rows.append(("device", f"{device}, {threads} thread{'s' if threads != 1 else ''}" if threads else device))
    rows += [(name.upper(), str(known[name])) for name in ("cpu", "gpu") if known.get(name)]
    if plan := known.get("plan"):
        ways = {"path": f"{plan['path']} path"} if titles.rates(run.config) else {}
        ways |= {"precision": f"{plan['precision']} products", "row_steps": "row steps" if plan["row_steps"] else "no row steps"}
        rows.append(("computed by", ", ".join(f"{way} ({_whose(training, field)})" for field, way in ways.items())))
    if summary.get("seconds_per_epoch") is not None:
        rows.append(("pace", f"{words.duration(summary['seconds_per_epoch'])} per epoch"))
    if known.get(EXPECTED) is not None:
        rows.append(("expected memory", f"about {known[EXPECTED]:,.0f} MB, before it began"))
    if summary.get("peak_memory_mb") is not None:
        rows.append(("peak memory", f"{summary['peak_memory_mb']:,.0f} MB"))
    versions = known.get("versions")
    if versions:
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    rows.append(("attempts", str(run.attempts)))
    return rows


def _trial(run: Run) -> list[tuple[str, str]]:
    """Which trial of a sweep the run is, and where the sweep stopped it."""
    if run.sweep is None:
        return []
    pruned = (run.facts or {}).get("pruned")
    early = f", stopped early after epoch {pruned['epoch']}" if pruned and run.state == "stopped" else ""
    return [("sweep", f"setting {run.trial}, repetition {run.repeat}{early}")]


def _whose(training: dict[str, Any], field: str) -> str:
    """Who chose a way of computing: the engine, or the person."""
    return "auto" if training.get(field, "auto") == "auto" else "set"


def _moment(seconds: float | None) -> str:
    return "–" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _log(run: Run) -> None:
    lines = [f"{_moment(moment)}  {log_line(text)}" for moment, text in store().logs(run.id, last=LOG_LINES)]
    with st.container(border=True):
        st.markdown("**Log**")
        st.code("\n".join(lines) or "nothing yet", language=None, wrap_lines=True, height=260 if len(lines) > 10 else "content")
