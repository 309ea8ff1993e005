"""Speed: what `python -m engine bench` has measured, with the machine and the date, and how to measure it again."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from engine.bench import results
from engine.bench.figures import ANSWERS, MEMORY, RMSE, SHARE, about, best_known, counted, reached, seconds, slow_words, times, whole
from pages.components import linked, query, words
from pages.components.cards import card_title, chart_card
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.plots import Bars, bars
from pages.components.share import share_buttons

ALL = ".venv/bin/python -m engine bench"
PURPOSE = "Encore beside the dense loop that textbooks train autoencoders with: the same work, in turn, on the same machine."
RECORDED, HERE = "Published", "This machine"
ORIGINS = "Published: they came with Encore, from the machine named below. This machine: measured here."
STRETCH = dict.fromkeys(("batches", "seconds", "rmse", "trained"))
COLOURS = {True: "green", False: "orange", None: "gray"}
# Reads what the first time has kept; so long a bar would leave no room for the others.
CACHED = "text to CSR, again"
LEARNING = (
    "RMSE only shows that both learn, not which learns better: it is taken early, after so many batches in random orders, and swings by "
    "a hundredth or two. On generated ratings it may rise again: wide SELU layers at a rate of 1e-3 without regularisation diverge in the "
    "second epoch, the textbook's too."
)
# Published suites whose targets were missed: where the time goes, by a profile on that machine.
MISSED = {
    "ml1m-refeed": f"Why “{results.TITLES['ml1m-refeed'].words}” misses its targets: of about 33 ms per batch, the products take 15.6 "
    "(at 340 GFLOP/s), two fused Adam steps 5.4 (at the memory's bandwidth), casts 3.8, sparse parts 2.6, and activations and Python "
    "the rest."
}


def facts(some: results.Results) -> pd.DataFrame:
    """One row per measurement, numbers as numbers; results of another version of Encore that lack something are left out."""
    made = []
    for name, result in some.items():
        try:
            made += [_facts(name, result, one) for one in result["measurements"]]
        except (KeyError, TypeError, ValueError):
            continue
    return pd.DataFrame(made).convert_dtypes()


def _facts(name: str, result: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    textbook, encore, machine, once = one["textbook"] or {}, one["encore"], result["machine"], one["once"] or STRETCH
    value, projected = best_known(one)
    return {
        "suite": name,
        "data": _title(name, result),
        "generated": _title(name, result).startswith("Generated"),
        "measured": one["what"],
        "textbook_seconds": textbook.get("seconds"),
        "textbook_projected": textbook.get("projected"),
        "encore_seconds": value,
        "encore_projected": projected,
        "ratio": one["ratio"],
        "targets": "; ".join(f"{judged['target']}: {reached(judged)}, {ANSWERS[judged['met']]}" for judged in one["targets"]),
        "met": one["met"],
        "bf16_share": (one["share"] or {}).get("bf16"),
        "textbook_memory_gb": textbook.get("peak_memory_gb"),
        "encore_memory_gb": encore["peak_memory_gb"],
        "rmse_batches": one["notes"].get("batches"),
        "textbook_rmse": textbook.get("rmse"),
        "encore_rmse": encore["rmse"],
        **{f"stretch_{field}": once[field] for field in STRETCH},
        "rounds": result["rounds"],
        "bf16_gflops": result["peaks"]["bf16"]["gflops"],
        "fp32_gflops": result["peaks"]["fp32"]["gflops"],
        "machine": _machine(machine),
        "date": result["date"],
        "command": result["command"],
    }


def _title(name: str, result: dict[str, Any]) -> str:
    return str(results.TITLES.get(name, result["title"]))


def _short(name: str, what: str) -> str:
    """The line of a measurement: its data in words, and what was done with them."""
    title = results.TITLES[name].words if name in results.TITLES else name
    return f"{title}, {what}"


def _machine(machine: dict[str, Any]) -> str:
    gpu = f"{machine['gpu']}, " if machine["gpu"] else ""
    memory, versions = f"{machine['memory_gb']:.0f} GB", machine["versions"]
    return f"{gpu}{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, {memory}, torch {versions['torch']}"


def measured(some: results.Results, known: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Suite and measurement of each row of the facts."""
    return [(name, one) for name in known["suite"].unique() for one in some[name]["measurements"]]


def comparison(some: results.Results, known: pd.DataFrame, notes: list[str]) -> None:
    """How long both take, and whether that is what was aimed at."""
    shown = [_compared(name, one) for name, one in measured(some, known)]
    with st.container(border=True):
        card_title("Measurements", known, key="speed-measurements")
        st.table(
            pd.DataFrame(shown),
            hide_index=True,
            border="horizontal",
            alt="Measurements: Encore's time, how many times as fast as the textbook's that is, the targets, and the textbook's time",
        )
        st.caption(
            "Times are medians over the rounds, or of a whole epoch that Encore ran; × compares the rounds alone. ≈: a slice of an epoch "
            "was timed, and the epoch follows from it. Textbook: the dense loop, or what a textbook does instead of Encore's way."
        )
        for note in notes:
            st.caption(words.plain(note))


def _compared(name: str, one: dict[str, Any]) -> dict[str, str]:
    textbook = one["textbook"]
    return {
        "measured": words.plain(_short(name, one["what"])),
        "Encore": _unbroken(about(*best_known(one))),
        "faster": f"**{_unbroken(times(one['ratio']))}**" if one["ratio"] else "–",
        "reached, of the target": "  \n".join(_reached(judged) for judged in one["targets"]) or "–",
        "textbook": _unbroken(about(textbook["seconds"], textbook["projected"])) if textbook else "–",
    }


def _reached(judged: dict[str, Any]) -> str:
    badge = f":{COLOURS[judged['met']]}-badge[{_unbroken(ANSWERS[judged['met']])}]"
    aim = re.sub(r"(?<=[≤\d]) ", "\u00a0", words.plain(judged["target"].removesuffix(" as fast as the dense loop")))
    return f"{badge} **{_unbroken(reached(judged))}** :gray[{aim}]"


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def details(some: results.Results, known: pd.DataFrame) -> None:
    """Memory, RMSE and the share of the matrix rate, where they were taken."""
    shown = [_detail(name, one) for name, one in measured(some, known) if one["encore"]["peak_memory_gb"]]
    if not shown:
        return
    meaning = f"Memory: {MEMORY} Share: {SHARE} RMSE: {RMSE}"
    with st.container(border=True):
        card_title("Memory, learning, use of the machine", known, key="speed-details", meaning=meaning)
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="Memory, RMSE and share of the matrix rate by measurement")
        st.caption(f"Two figures: textbook / Encore. {LEARNING}")


def _detail(name: str, one: dict[str, Any]) -> dict[str, str]:
    textbook, encore, once = one["textbook"] or {}, one["encore"], one["once"]
    batches = one["notes"].get("batches")
    stretch = "–"
    if once:
        extent = "whole epoch" if whole(one) else f"{once['batches']:,} batches"
        stretch = f"{extent}, {seconds(once['seconds'])}"
        if once["rmse"]:
            stretch += f"; RMSE {once['rmse']:.3f} after {once['trained']:,} batches"
    return {
        "measured": words.plain(_short(name, one["what"])),
        "memory, GB": _both(textbook.get("peak_memory_gb"), encore["peak_memory_gb"], ".2f"),
        "of bf16 rate": f"{one['share']['bf16']:.1%}".replace("%", "\u00a0%") if one["share"] else "–",
        "RMSE": _both(textbook.get("rmse"), encore["rmse"], ".3f") if encore["rmse"] else "–",
        "after": f"{batches:,} batches" if batches else "–",
        "Encore at a stretch": stretch,
    }


def _both(first: float | None, second: float | None, form: str) -> str:
    return "\u00a0/\u00a0".join("–" if value is None else f"{value:{form}}" for value in (first, second))


def chart(known: pd.DataFrame) -> None:
    """How many times as fast, a bar for each measurement that has both sides."""
    both = known.dropna(subset=["ratio"])
    left_out = both[both["measured"] == CACHED]
    both = both.drop(left_out.index)
    if both.empty:
        return
    names = [_short(suite, what) for suite, what in zip(both["suite"], both["measured"], strict=True)]
    ratios = [float(ratio) for ratio in both["ratio"]]
    shown = Bars("times as fast", ratios, texts=[times(ratio) for ratio in ratios])
    option = bars(names, [shown], x_name="", y_name="textbook's time / Encore's (×)", number="%.2f ×", lying=True, line=1)
    caption = "Line at 1 ×: as fast as the textbook's way."
    if len(left_out):
        caption += f" Left out: {CACHED} ({times(float(left_out['ratio'].iloc[0]))}), which reads what the first time has kept."
    chart_card(
        "Times as fast as the textbook's way",
        option,
        both[["suite", "measured", "ratio"]],
        key="speed-ratios",
        alt="Bars: the textbook's time divided by Encore's, by measurement",
        caption=caption,
        height=60 + 38 * len(names),
    )


def footer(some: results.Results, known: pd.DataFrame) -> None:
    """How well-founded each suite's figures are: rounds, date, and the matrix rate that the machine gave."""
    shown = [_founded(name, some[name]) for name in known["suite"].unique()]
    with st.container(border=True):
        card_title("How they were measured", known, key="speed-founded")
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="Suites with their data, rounds, matrix rate and date")
        st.caption("Matrix rate: sought before the suites, in GFLOP/s as bf16 / fp32; when other work runs, it is low and times are long.")


def _founded(name: str, result: dict[str, Any]) -> dict[str, str]:
    bf16, fp32 = (result["peaks"][kind]["gflops"] for kind in ("bf16", "fp32"))
    changed = ", ".join(f"{field} = {value}" for field, value in result.get("settings", {}).items())
    return {
        "suite": f"`{name}`",
        "data": words.plain(_title(name, result) + (f"; with {changed}" if changed else "")),
        "rounds": str(result["rounds"]),
        "matrix rate": f"{':orange-badge[busy] ' if results.slowed(result) else ''}{_both(bf16, fp32, ',.0f')}",
        "date": result["date"][:10].replace("-", "\u2011"),
    }


def source(some: results.Results, known: pd.DataFrame, whose: str) -> None:
    """Whose machine the figures are of, and whether it was busy."""
    dates = sorted({date[:10] for date in known["date"]})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    rounds = sorted(set(known["rounds"]))
    made = counted(int(rounds[0])) if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]} rounds"
    lead = "Measured here" if whose == HERE else "Not measured here, but published with Encore: taken"
    st.caption(words.plain(f"{lead} on {'; '.join(known['machine'].unique())}. {span}, {made} per suite."))
    slow = {name: share for name in known["suite"].unique() if (share := results.slowed(some[name]))}
    if slow:
        say("warning", f"{', '.join(slow)}: {slow_words(min(slow.values()))}. Measure again when nothing else runs.", icon="warning")


def main() -> None:
    """The page from top to bottom."""
    place = header("Speed", PURPOSE)
    query.refuse_unknown(["speed_of"])
    with mistakes_as_sentences():
        figures()
    share_buttons(place, st.query_params.to_dict())
    with place.popover("Copy command", icon=":material/terminal:"):
        st.caption("Measures everything on this machine; with --suite NAME one suite.")
        st.code(f"{ALL} --json", language="bash", wrap_lines=True)


def figures() -> None:
    """The results, or how to get them."""
    whose = linked.segments("Figures", [RECORDED, HERE], "speed_of", meaning=ORIGINS)
    some = results.read(results.here() if whose == HERE else results.RECORDED)
    known = facts(some)
    if known.empty:
        if some:
            say("warning", "These results are of another version of Encore: measure again.")
        else:
            say("info", f"Nothing has been {'measured on this machine' if whose == HERE else 'published'} yet. To measure, in a terminal:")
        st.code(f"{ALL} --suite ml1m", language="bash")
        st.caption("About a minute with nothing else running; without --suite everything, for the better part of an hour.")
        return
    source(some, known, whose)
    notes = [MISSED[name] for name in known["suite"][known["met"].eq(False).fillna(False)] if whose == RECORDED and name in MISSED]
    comparison(some, known, notes)
    chart(known)
    details(some, known)
    footer(some, known)


through_dashboard()
with mistakes_as_sentences():
    main()
