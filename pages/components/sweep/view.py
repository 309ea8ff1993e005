"""One sweep, live: how far it is, what was best so far, every setting, and what the settings tell."""

from __future__ import annotations

import streamlit as st

from engine import background
from engine.errors import InputError
from engine.store import ACTIVE, Sweep
from engine.sweeps import SweepConfig, Trial, best_of, config_of, trials_of
from engine.sweeps.trials import OPEN
from pages.components import crowd, linked, monitored, titles, words
from pages.components.cards import tile
from pages.components.frame import mistakes_as_sentences, mistakes_said_later, say, say_what_was_kept
from pages.components.session import store
from pages.components.sweep import best, pair, plan, progress, surfaces, table
from pages.components.sweep.overview import sweep_badge

SECONDS = 2.0
LOOKS = {
    "parallel": "every setting as a line through its values to the metric",
    "importance": "which fields tell in the metric, measured on runs left out",
    "slice": "each field by itself against the metric",
    "contour": "the metric over two of the fields",
    "two settings": "whether two settings really differ, on the test ratings",
}


def describe(sweep: Sweep) -> str:
    """What the sweep is, in one line."""
    try:
        config = config_of(sweep)
    except InputError as error:
        return words.plain(str(error))
    base = config.base
    parts = [
        titles.dataset_title(base.dataset.name),
        titles.model_title(base.model_dump(mode="json")),
        f"{config.sampler} over {_names(config)}",
    ]
    parts.append(f"judged by validation {monitored.title(sweep.metric)}" if sweep.metric else "judged as its runs are")
    if config.pruner != "none":
        parts.append(f"stopped early by {config.pruner}")
    if config.repeats > 1:
        parts.append(f"{config.repeats} runs each")
    return words.plain(" · ".join(parts))


def buttons(sweep: Sweep) -> None:
    """What can be done with the sweep."""
    with st.container(horizontal=True, gap="small"):
        st.button("All sweeps", icon=":material/arrow_back:", key="sweep-all", on_click=_leave)
        about = "The same plan, ready to be changed and started as another sweep."
        st.button("Plan the same", icon=":material/content_copy:", key="sweep-same", help=about, on_click=_plan_the_same, args=(sweep,))
        if sweep.state == "running":
            st.button("Pause", icon=":material/pause:", key="sweep-pause", on_click=_ask, args=(sweep.id, "pause"))
        elif sweep.state in ("paused", "stopped"):
            st.button("Resume", icon=":material/play_arrow:", key="sweep-run", on_click=_ask, args=(sweep.id, "run"))
        if sweep.state in ("running", "paused"):
            st.button("Stop", icon=":material/stop:", key="sweep-stop", on_click=_ask, args=(sweep.id, "stop"))
    say_what_was_kept()


def panel(sweep: Sweep) -> None:
    """Everything about the sweep; it looks again every two seconds while anything of it can move."""
    drawn = _outside(sweep)
    st.fragment(_turn, run_every=drawn[-1], key=f"sweep.{sweep.id}")(sweep.id, drawn)


def _outside(sweep: Sweep) -> tuple[str, float | None]:
    """What the buttons and the pace of looking again follow from."""
    moves = sweep.state == "running" or any(run.state in ACTIVE for run in store().trial_runs(sweep, []))
    return sweep.state, crowd.every(SECONDS) if moves else None


def _turn(sweep_id: str, drawn: tuple[str, float | None]) -> None:
    with mistakes_as_sentences(), crowd.look(SECONDS if drawn[-1] else None):
        background.attend(store())
        sweep = store().get_sweep(sweep_id)
        if sweep.state == "running" and not background.daemon_alive():
            background.ensure_daemon()
        if _outside(sweep) != drawn:
            st.rerun()
        config = config_of(sweep)
        trials = trials_of(sweep, config, store())
        table.follow_click()
        _status(sweep, config, trials)
        if sweep.metric is None or not trials:
            say("info", "The first run is being prepared: its metric and the first settings appear in a moment.", icon="hourglass_empty")
            return
        _tiles(sweep, config, trials, sweep.metric)
        with st.container():
            best.card(sweep, config, trials, sweep.metric)
        progress.card(trials, sweep.metric)
        table.card(config, trials, sweep.metric)
        _looks(sweep, config, trials, sweep.metric)


def _status(sweep: Sweep, config: SweepConfig, trials: list[Trial]) -> None:
    """State, how many settings are where, and the time that is left."""
    done, budget = sum(trial.state not in OPEN for trial in trials), config.budget
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        sweep_badge(sweep)
        st.markdown(f"**{words.plain(sweep.name)}**", width="content")
        states = [trial.state for trial in trials]
        counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states) if state != "finished"]
        of = "" if budget is None else f" of {budget:,}"
        parts = [f"{done:,}{of} settings", *counts, *_left(sweep, config, done)]
        st.caption(words.plain(" · ".join(parts)), width="content")
        share = min(1.0, done / budget) if budget else min(1.0, sweep.seconds / (60 * (config.minutes or 1)))
        st.progress(1.0 if sweep.state == "finished" else share, width=120)
    if sweep.error:
        say("error", sweep.error)
    paused = sum(trial.state == "paused" for trial in trials)
    if sweep.state == "running" and paused:
        say("info", f"{words.number_of(paused, 'setting')} with a paused run: the sweep ends once that run was resumed or stopped.")


def _left(sweep: Sweep, config: SweepConfig, done: int) -> list[str]:
    """Time left by the settings that have ended, or by the minutes that were given."""
    found = []
    if sweep.state == "running" and done and config.budget is not None and done < config.budget:
        found.append(sweep.seconds / done * (config.budget - done))
    if sweep.state == "running" and config.minutes is not None:
        found.append(max(0.0, 60 * config.minutes - sweep.seconds))
    return [f"about {words.duration(min(found))} left"] if found else []


def _tiles(sweep: Sweep, config: SweepConfig, trials: list[Trial], metric: str) -> None:
    first = best_of(trials, metric)
    with st.container(horizontal=True, gap="small"):
        spread = "" if first is None or first.sd is None else f"± {first.sd:.4f} over {len(first.values)} runs"
        label = f"best {monitored.title(metric)}"
        tile(label, words.measured(None if first is None else first.mean), spread, monitored.meaning(metric), fills=False)
        tile("best setting", "–" if first is None else f"{first.number}", "its number", fills=False)
        ended = [trial for trial in trials if trial.state not in OPEN]
        lost = sum(trial.state in ("failed", "stopped", "deleted") for trial in ended)
        pruned = sum(trial.state == "pruned" for trial in ended)
        tile("settings", f"{len(ended) - lost - pruned}", f"finished, {pruned} stopped early, {lost} lost", fills=False)
        tile("time", words.duration(sweep.seconds), "pauses not counted", fills=False)


def _looks(sweep: Sweep, config: SweepConfig, trials: list[Trial], metric: str) -> None:
    st.subheader("What the settings tell", anchor=False)
    with st.container(width=620):
        about = "\n".join(f"- **{name}**: {said}" for name, said in LOOKS.items())
        look = linked.segments("Look at", [*LOOKS], "sweep_look", meaning=about)
    if sum(trial.mean is not None for trial in trials) < 2:
        st.caption("As soon as two settings have finished, they are drawn here.")
        return
    with mistakes_as_sentences():
        if look == "parallel":
            progress.parallel(config, trials, metric)
        elif look == "importance":
            progress.importance(sweep, metric)
        elif look == "slice":
            surfaces.slices(config, trials, metric)
        elif look == "contour":
            surfaces.contours(config, trials, metric)
        else:
            pair.card(config, trials, metric)


def _names(config: SweepConfig) -> str:
    return ", ".join(path.partition(".")[2].replace("_", " ") for path in config.axes)


def _leave() -> None:
    plan.open_sweep(None)
    st.query_params.clear()


def _plan_the_same(sweep: Sweep) -> None:
    with mistakes_said_later():
        plan.take_over(config_of(sweep))
        _leave()


def _ask(sweep_id: str, want: str) -> None:
    with mistakes_said_later():
        store().ask_sweep(sweep_id, want)
        if want == "run":
            background.ensure_daemon()
