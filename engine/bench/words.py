"""Results as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANSWERS = {True: "met", False: "not met", None: "not judged"}


def lines(name: str, result: Mapping[str, Any]) -> list[str]:
    """A few lines for each measurement of a suite."""
    return [line for one in result["measurements"] for line in [_first(name, one), *(f"{'':<13}{more}" for more in _more(one))]]


def seconds(value: float) -> str:
    """0.0042 → "4.2 ms", 0.61 → "0.61 s", 1234 → "1,234 s"."""
    if value < 0.1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def _first(name: str, one: Mapping[str, Any]) -> str:
    ratio = f"   {one['ratio']:.2f} ×" if one["ratio"] else ""
    return f"{name:<13}{one['what']:<32} {_timing('textbook', one)}   {_timing('encore', one)}{ratio}"


def _timing(who: str, one: Mapping[str, Any]) -> str:
    title = {"textbook": "textbook", "encore": "Encore"}[who]
    timing = one[who]
    return f"{title} {'≈ ' if timing['projected'] else ''}{seconds(timing['seconds'])}" if timing else f"{title} –"


def _more(one: Mapping[str, Any]) -> list[str]:
    found = []
    textbook, encore, notes = one["textbook"] or {}, one["encore"], one["notes"]
    slices = [f"{timing['batches']:,} of {timing['batches_per_epoch']:,}" for timing in (textbook, encore) if timing.get("projected")]
    if slices:
        found.append(f"projected from {' and '.join(slices)} batches")
    if encore["peak_memory_gb"]:
        found.append(f"peak memory {_both(textbook.get('peak_memory_gb'), encore['peak_memory_gb'], '.2f')} GB")
    if encore["rmse"] or textbook.get("rmse"):
        pairs = f"on {notes['pairs']:,} held-out pairs after {notes['batches']:,} batches"
        found.append(f"RMSE {_both(textbook.get('rmse'), encore['rmse'], '.4f')} {pairs}")
    if one["share"]:
        of = " and ".join(f"{share:.1%} of the {name} rate" for name, share in one["share"].items())
        found.append(f"dense products {one['gflop']['dense']:,.0f} GFLOP, {of}; sparse {one['gflop']['sparse']:,.1f} GFLOP")
    if once := one["once"]:
        epoch = "a whole epoch" if once["batches"] == encore["batches_per_epoch"] else f"an epoch ≈ {seconds(once['epoch_seconds'])}"
        rmse = f"; then RMSE {once['rmse']:.4f}" if once["rmse"] else ""
        found.append(f"{once['batches']:,} batches at a stretch: {seconds(once['seconds'])}, {epoch}{rmse}")
    if "encore_p95" in notes:
        found.append(f"p95 {seconds(notes['textbook_p95'])} / {seconds(notes['encore_p95'])} of {notes['calls']:,} calls")
    found += [f"target {target['target']}: {ANSWERS[target['met']]}" for target in one["targets"]]
    return found


def _both(first: float | None, second: float | None, form: str) -> str:
    return " / ".join("–" if value is None else f"{value:{form}}" for value in (first, second))
