"""Speed: what `python -m engine bench` has measured, with the machine and the date, and how to measure it again."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.bench import results
from engine.bench.words import ANSWERS, seconds
from pages.components import linked, words
from pages.components.cards import card_title, chart_card
from pages.components.charts import palette
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.plots import Bars, bars
from pages.components.share import share_buttons

ALL = ".venv/bin/python -m engine bench"
PURPOSE = "Encore beside the dense loop that textbooks train autoencoders with: the same work, in turn, on the same machine."
RECORDED, HERE = "Published", "This machine"
LABEL = {"width": 140, "overflow": "break", "lineHeight": 12, "interval": 0}
CHIPS = {"met": "#00805C", "not met": "#C24D00", "not judged": "#6B7280"}


def found() -> dict[str, results.Results]:
    """Results by where they come from; only those that there are."""
    both = {RECORDED: results.read(results.RECORDED), HERE: results.read(results.here())}
    return {name: some for name, some in both.items() if some}


def rows(some: results.Results) -> list[dict[str, Any]]:
    """One row per measurement; results of another version of Encore that lack something are left out."""
    made = []
    for name, result in some.items():
        try:
            made += [_row(name, result, one) for one in result["measurements"]]
        except (KeyError, TypeError, ValueError):
            continue
    return made


def _row(name: str, result: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    textbook, encore, machine = one["textbook"] or {}, one["encore"], result["machine"]
    return {
        "suite": name,
        "measured": one["what"],
        "textbook": _time(one["textbook"]),
        "encore": _time(encore),
        "once": _stretch(one["once"]),
        "ratio": one["ratio"],
        "target": one["target"] or None,
        "met": [ANSWERS[one["met"]]] if one["target"] else None,
        "share": (one["share"] or {}).get("bf16"),
        "memory_textbook": textbook.get("peak_memory_gb"),
        "memory": encore["peak_memory_gb"],
        "rmse_textbook": textbook.get("rmse"),
        "rmse": encore["rmse"],
        "data": result["title"],
        "machine": f"{machine['cpu']}, {machine['threads']} threads" + (f", {machine['gpu']}" if machine["gpu"] else ""),
        "date": pd.Timestamp(result["date"]),
        "again": result["command"],
    }


def _time(timing: dict[str, Any] | None) -> str | None:
    return None if timing is None else f"{'≈ ' if timing['projected'] else ''}{seconds(timing['seconds'])}"


def _stretch(once: dict[str, Any] | None) -> str | None:
    return None if once is None else f"{once['batches']:,} batches in {seconds(once['seconds'])}"


def table(frame: pd.DataFrame) -> None:
    """Every measurement with all that is known of it."""
    with st.container(border=True):
        card_title("Measurements", frame, key="speed-measurements")
        st.dataframe(
            frame,
            hide_index=True,
            height="content",
            column_config=_columns(),
            column_order=[*_columns()],
            placeholder="–",
            alt="Measurements: the textbook's time, Encore's, their ratio, the target and whether it is met",
        )
        st.caption("Medians over the rounds. ≈: a slice of an epoch was timed, and the epoch follows from it.")


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "suite": column.TextColumn("suite", pinned=True, width=92),
        "measured": column.TextColumn("measured", width=176),
        "textbook": column.TextColumn("textbook", width=82, help="The dense loop, or what a textbook does instead of Encore's way."),
        "encore": column.TextColumn("Encore", width=82),
        "ratio": column.NumberColumn("faster", format="%.2f ×", width=70, help="The textbook's time divided by Encore's."),
        "met": column.MultiselectColumn("target is", options=[*CHIPS], color=[*CHIPS.values()], width=92),
        "target": column.TextColumn("target", width=330),
        "once": column.TextColumn("Encore at a stretch", width=156, help="A longer stretch that ran once, after the rounds."),
        "share": column.NumberColumn("of bf16 rate", format="percent", width=88, help=_SHARE),
        "memory_textbook": column.NumberColumn("textbook's memory", format="%.2f GB", width=128, help=_MEMORY),
        "memory": column.NumberColumn("Encore's memory", format="%.2f GB", width=118, help=_MEMORY),
        "rmse_textbook": column.NumberColumn("textbook's RMSE", format="%.4f", width=118, help=_RMSE),
        "rmse": column.NumberColumn("Encore's RMSE", format="%.4f", width=108, help=_RMSE),
        "data": column.TextColumn("data", width=260),
        "machine": column.TextColumn("machine", width=180),
        "date": column.DatetimeColumn("date", format="YYYY-MM-DD", width=92),
        "again": column.TextColumn("measured again by", width=460),
    }


_SHARE = "Operations of Encore's dense matrix products, as PyTorch dispatches them, by its seconds and the machine's bfloat16 matrix rate."
_MEMORY = "Largest resident memory of the contender's process, with Python, PyTorch and the ratings."
_RMSE = "On the same held-out ratings after the same number of batches, not clipped, in rating units."


def chart(frame: pd.DataFrame) -> None:
    """How many times as fast, a bar for each measurement that has both sides."""
    both = frame.dropna(subset=["ratio"])
    if both.empty:
        return
    names = [suite if what == "one epoch" else f"{suite}: {what}" for suite, what in zip(both["suite"], both["measured"], strict=True)]
    option = bars(names, [Bars("times as fast", both["ratio"].round(2).tolist())], x_name="", y_name="", number="%.2f ×")
    height = 60 + 30 * len(names)
    chart_card(
        "Times as fast as the textbook's way",
        _lying(option, "textbook's time / Encore's (×)"),
        both[["suite", "measured", "ratio"]],
        key="speed-ratios",
        alt="Bars: the textbook's time divided by Encore's, by measurement",
        height=height,
    )


def _lying(option: dict[str, Any], name: str) -> dict[str, Any]:
    """Bars that run to the right, with room for long names beside them."""
    along, names = option["yAxis"], option["xAxis"]
    title = {"name": name, "nameLocation": "middle", "nameGap": 24, "nameTextStyle": names["nameTextStyle"]}
    series = [{**one, "label": {"show": True, "position": "right", "fontSize": 11, "color": palette()["ink"]}} for one in option["series"]]
    return {
        **option,
        "grid": {**option["grid"], "top": 4, "right": 40},
        "xAxis": {**along, **title},
        "yAxis": {**names, "inverse": True, "axisLabel": {**names["axisLabel"], **LABEL}},
        "series": series,
    }


def machines(some: results.Results) -> None:
    """What the figures were taken on, and the rates that shares are of."""
    rates: dict[str, dict[str, list[float]]] = {}
    for result in some.values():
        machine = result["machine"]
        gpu = f"{machine['gpu']}, " if machine["gpu"] else ""
        line = f"{gpu}{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, torch {machine['versions']['torch']}"
        for name, peak in result["peaks"].items():
            rates.setdefault(line, {}).setdefault(name, []).append(peak["gflops"])
    for line, measured in rates.items():
        spans = [f"{name} {_span(values)}" for name, values in measured.items()]
        st.caption(f"{words.plain(line)}. Matrix rate, sought before each measurement: {', '.join(spans)} GFLOP/s.")


def _span(values: list[float]) -> str:
    low, high = (f"{value:,.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """The page from top to bottom."""
    place = header("Speed", PURPOSE)
    with mistakes_as_sentences():
        figures()
    share_buttons(place, st.query_params.to_dict())
    with place.popover("Copy command", icon=":material/terminal:"):
        st.caption("Measures everything on this machine; with --suite NAME one suite.")
        st.code(f"{ALL} --json", language="bash", wrap_lines=True)


def figures() -> None:
    """The results, or how to get them."""
    some = found()
    if not some:
        say("info", f"Nothing has been measured yet: run {ALL} in a terminal.")
        return
    whose = next(iter(some))
    if len(some) > 1:
        whose = linked.segments("Figures", [*some], "speed_of", meaning="Published: they came with Encore. This machine: measured here.")
    made = rows(some[whose])
    if not made:
        say("warning", f"These results are of another version of Encore: run {ALL} again.")
        return
    frame = pd.DataFrame(made)
    table(frame)
    chart(frame)
    machines(some[whose])


through_dashboard()
with mistakes_as_sentences():
    main()
