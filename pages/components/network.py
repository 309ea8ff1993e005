"""The network as a picture: bars whose height grows with the root of their units, drawn as SVG for either theme."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import streamlit as st
from pydantic import BaseModel

from engine.config import RunConfig
from engine.models import MODELS
from engine.models.configs import SVDConfig
from pages.components import words

WIDTH = 240
TALLEST, SHORTEST = 100, 12
ARROW_ROOM, TOP = 34, 4
BLUE, AMBER, VERMILION = "#2A8FCB", "#E69F00", "#D55E00"


@dataclass(frozen=True)
class Drawn:
    """What of a model is to be seen in its picture.

    Attributes:
        layers: widths up to the code; the decoder mirrors them.
        place: where dropout silences units: "input", "code" or "every".
    """

    layers: tuple[int, ...]
    tied: bool = False
    dropout: float = 0.0
    place: str = "code"


def drawn(model: BaseModel) -> Drawn | None:
    """What can be drawn of a model's options; None for a model without layers."""
    if isinstance(model, SVDConfig):
        return Drawn((model.rank,), tied=True)
    layers = getattr(model, "layers", None)
    if not layers:
        return None
    place = getattr(model, "dropout_place", "input")
    return Drawn(tuple(layers), getattr(model, "tied", False), getattr(model, "dropout", 0.0), place)


def network_card(config: RunConfig, shape: tuple[int, int] | None) -> None:
    """A card with the picture of a configuration's model and what is to be seen in it.

    Args:
        shape: users and items, where known.
    """
    model, seen = config.model, drawn(config.model)
    with st.container(border=True):
        st.markdown("**The network**")
        network_image(config, shape)
        if isinstance(model, SVDConfig):
            st.caption(f"SVD is a linear network with one code layer of {model.rank} and tied weights, solved in closed form.")
        elif seen is not None:
            parts = ["height ∝ √units", "tied weights" if seen.tied else "decoder has its own weights"]
            if config.refeed.steps:
                parts.append("dashed: f(x) fed back in as a row")
            st.caption(" · ".join(parts))
        else:
            st.caption(f"{MODELS[model.name].title}: {words.plain(model.__doc__ or '')}")


def network_image(config: RunConfig, shape: tuple[int, int] | None) -> None:
    """The picture alone; nothing for a model without layers. `shape`: users and items, where known."""
    seen = drawn(config.model)
    if seen is None:
        return
    columns = shape[getattr(config.model, "orientation", "user") == "user"] if shape else None
    refeed = f"re-feed ×{config.refeed.steps}" if config.refeed.steps else ""
    st.image(picture(seen, columns, refeed, st.context.theme.type == "dark"), width="stretch", alt=_in_words(seen, columns, refeed))


def picture(model: Drawn, columns: int | None, refeed: str, dark: bool) -> str:
    """The SVG.

    Args:
        columns: units of input and output; None if not known, then they are drawn widest and called n.
        refeed: the label of the re-feed arrow, "" for no arrow.
        dark: for a dark background.
    """
    ink, faint = ("#E6E9EE", "#2A8FCB44") if dark else ("#14171C", "#0072B222")
    base = TOP + TALLEST / 2 + (ARROW_ROOM if refeed else 0)
    told_below = bool(model.dropout) and model.place != "code"
    bottom = base + TALLEST / 2 + (14 if told_below else 0)
    code = len(model.layers)
    encoder = [columns, *model.layers]
    units = [*encoder, *encoder[-2::-1]]
    known = [unit for unit in units if unit]
    largest = max(known) if columns else max(known) * 4
    heights = [max(SHORTEST, TALLEST * math.sqrt((unit or largest) / largest)) for unit in units]
    gap = (WIDTH - 44) / (len(units) - 1)
    bar = min(14.0, gap * 0.5)
    centres = [22 + index * gap for index in range(len(units))]
    shapes = []
    for index in range(len(units) - 1):
        x1, x2 = centres[index] + bar / 2, centres[index + 1] - bar / 2
        y1, y2 = heights[index] / 2, heights[index + 1] / 2
        points = f"{x1:.1f},{base - y1:.1f} {x2:.1f},{base - y2:.1f} {x2:.1f},{base + y2:.1f} {x1:.1f},{base + y1:.1f}"
        shapes.append(f'<polygon points="{points}" fill="{faint}"/>')
    for index, (x, height) in enumerate(zip(centres, heights, strict=True)):
        silenced = model.dropout and index in _silenced(model, len(units))
        colour = AMBER if index == code else BLUE
        shapes.append(
            f'<rect x="{x - bar / 2:.1f}" y="{base - height / 2:.1f}" width="{bar:.1f}" height="{height:.1f}" rx="2.5" fill="{colour}"/>'
        )
        if silenced:  # gaps in the bar: the share of units that is silenced
            cut = min(height - 4, (height - 4) * model.dropout)
            dashes = _dashes(height - 4, cut)
            shapes.append(
                f'<line x1="{x:.1f}" y1="{base - height / 2 + 2:.1f}" x2="{x:.1f}" y2="{base + height / 2 - 2:.1f}" '
                f'stroke="{"#12161C" if dark else "#FFFFFF"}" stroke-width="{bar * 0.55:.1f}" stroke-dasharray="{dashes}"/>'
            )
    labels, lines = _unit_labels(units, centres, bottom + 14, ink)
    shapes += labels
    if model.dropout:
        place = {"every": " everywhere", "input": " on the input"}.get(model.place, "")
        y = bottom - 2 if told_below else base + heights[code] / 2 + 13
        shapes.append(_text(WIDTH / 2, y, f"dropout {model.dropout:g}{place}", "#F0B030" if dark else "#8A5D00", 11))
    if refeed:
        left, right, top = centres[0], centres[-1], base - TALLEST / 2 - 4
        shapes.append(
            f'<path d="M {right:.1f} {top} C {right - 20:.1f} {top - 26}, {left + 20:.1f} {top - 26}, {left:.1f} {top - 1}" fill="none" '
            f'stroke="{VERMILION}" stroke-width="1.8" stroke-dasharray="5 4"/>'
            f'<path d="M {left - 4:.1f} {top - 9} L {left - 0.5:.1f} {top + 1} L {left + 8:.1f} {top - 5} Z" fill="{VERMILION}"/>'
        )
        shapes.append(_text(WIDTH / 2, top - 24, refeed, "#F58A3C" if dark else "#B24E00", 11))
    if model.tied:
        half = (centres[0] + centres[1]) / 2, (centres[-2] + centres[-1]) / 2
        for x, label in zip(half, ("W", "Wᵀ"), strict=True):
            shapes.append(_text(x, base + 4, label, ink, 11))
    title = escape(_in_words(model, columns, refeed))
    font = "font-family=\"'Source Sans','Source Sans Pro',Helvetica,Arial,sans-serif\""
    height = round(bottom + 6 + 12 * lines)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}><title>{title}</title>{"".join(shapes)}</svg>'


def _silenced(model: Drawn, bars: int) -> range:
    """Places of the bars whose units dropout silences."""
    code = len(model.layers)
    return {"input": range(1), "code": range(code, code + 1)}.get(model.place, range(1, bars - 1))


def _unit_labels(units: list[int | None], centres: list[float], top: float, ink: str) -> tuple[list[str], int]:
    """Units under the bars, and the lines of text that they take. Where they would touch, every other one stands a line
    lower; of very many only the ends and the code are named."""
    texts = ["n" if unit is None else f"{unit:,}" for unit in units]
    room = centres[1] - centres[0]
    widest = max(len(text) for text in texts) * 5.8
    if widest > 2 * room:
        shown = {0, len(units) // 2, len(units) - 1}
        texts = [text if index in shown else "" for index, text in enumerate(texts)]
    lines = 2 if widest > room else 1
    placed = enumerate(zip(centres, texts, strict=True))
    return [_text(x, top + (index % lines) * 12, text, ink, 10.5) for index, (x, text) in placed if text], lines


def _dashes(length: float, silenced: float, pieces: int = 8) -> str:
    """A dash pattern in which `silenced` of `length` is drawn, in equal pieces."""
    drawn = silenced / pieces
    return f"{drawn:.2f} {max(0.01, (length - silenced) / pieces):.2f}"


def _text(x: float, y: float, text: str, colour: str, size: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="{size}" fill="{colour}">{escape(text)}</text>'


def _in_words(model: Drawn, columns: int | None, refeed: str) -> str:
    chain = " → ".join(str(unit) for unit in [columns or "n", *model.layers, *model.layers[-2::-1], columns or "n"])
    return f"Autoencoder {chain}" + (", tied weights" if model.tied else "") + (f", {refeed}" if refeed else "")
