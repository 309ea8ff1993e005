"""Items as points of a chart: coloured by genre, rating or popularity, one of them and its neighbours marked, the outermost named."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pages.components import words
from pages.components.plots import Dots

MARKS = (("blue", "circle"), ("vermilion", "triangle"), ("green", "diamond"), ("purple", "rect"), ("ink", "pin"))
"""Colour and symbol of each of the commonest genres; the rest is grey."""
COLOURS = {"mean": "mean rating", "ratings": "popularity", "genre": "first genre"}
AT_THE_ENDS = 3
"""Items that are named in the map at each end of both axes."""


class Layer(NamedTuple):
    """One series of a map, and the items of its points by their positions in the data."""

    dots: Dots
    items: list[int]


def points(shown: pd.DataFrame, names: list[str], colour: str, faint: bool) -> list[Layer]:
    """The drawn items, as one series or one for each of the commonest genres.

    Args:
        shown: as `engine.item_map.described`, with the places on both axes in the columns `names`.
        colour: one of COLOURS.
        faint: drawn pale, because others are marked.
    """
    size = 12 if len(shown) <= 50 else 6
    if colour != "genre":
        values = shown["mean"].to_numpy() if colour == "mean" else np.log10(shown["ratings"].to_numpy())
        return [_dots(shown, names, "items", values=values, size=size, faint=faint)]
    common = shown["first_genre"].value_counts().index[: len(MARKS)].tolist()
    rest = shown[~shown["first_genre"].isin(common)]
    series = [] if rest.empty else [_dots(rest, names, "other", colour="grey", size=size - 2, faint=faint)]
    for genre, (paint, symbol) in zip(common, MARKS, strict=False):
        series.append(_dots(shown[shown["first_genre"] == genre], names, genre, colour=paint, symbol=symbol, size=size + 1, faint=faint))
    return series


def marked(shown: pd.DataFrame, names: list[str], chosen: int | None, near: list[tuple[int, float]]) -> list[Layer]:
    """The chosen item and its neighbours; without one, the names at the ends of the axes."""
    if chosen is None:
        ends = [*range(AT_THE_ENDS), *range(-AT_THE_ENDS, 0)]
        outer = shown
        if len(shown) > len(ends):
            outer = pd.concat([shown.sort_values(name, kind="stable").iloc[ends] for name in names])
            outer = outer[~outer.index.duplicated()]
        return [_dots(outer, names, "outermost", colour="grey", size=1, labelled=len(outer))]
    close = shown.loc[[position for position, _ in near]]
    return [
        _dots(close, names, "neighbours", colour="vermilion", size=10, ringed=True, labelled=AT_THE_ENDS),
        _dots(shown.loc[[chosen]], names, "chosen", colour="vermilion", symbol="diamond", size=16, labelled=1),
    ]


def _dots(rows: pd.DataFrame, names: list[str], name: str, labelled: int = 0, **look: Any) -> Layer:
    """Rows of the table as points, the first `labelled` of them with their titles."""
    x, y = (rows[one].to_numpy(float) for one in names)
    texts = [
        f"{title}: {words.number_of(count, 'rating')}, {names[0]} {_number(a)}, {names[1]} {_number(b)}"
        for title, count, a, b in zip(rows["title"], rows["ratings"], x, y, strict=True)
    ]
    labels = [_clipped(title) if place < labelled else "" for place, title in enumerate(rows["title"])]
    return Layer(Dots(name, x, y, texts, labels=labels if labelled else None, **look), rows.index.tolist())


def scale(shown: pd.DataFrame, colour: str) -> tuple[str, str] | None:
    """What stands at both ends of the colour scale; None where genres have colours and symbols of their own."""
    if colour == "genre":
        return None
    if colour == "mean":
        return f"mean rating {shown['mean'].min():.1f}", f"{shown['mean'].max():.1f}"
    return f"{shown['ratings'].min():,}", f"{words.number_of(shown['ratings'].max(), 'rating')} (logarithmic)"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _clipped(title: str) -> str:
    """A title as it fits into a map."""
    return title if len(title) <= 32 else f"{title[:31].rstrip()}…"
