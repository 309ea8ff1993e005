"""Choosing a split scheme with its options, and what it makes of a dataset."""

from __future__ import annotations

from typing import Any, get_args

import pandas as pd
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import RunConfig
from engine.profile import later_training_share, over_time, split_parts
from engine.splits import Split
from pages.components import linked, titles
from pages.components.cards import card_title, chart_card
from pages.components.fields import FIRST_DAY, LAST_DAY
from pages.components.frame import say
from pages.components.loaded import configured, later_part, split_of
from pages.components.plots import Bars, bars

KINDS: dict[str, type[BaseModel]] = {
    str(kind.model_fields["kind"].default): kind for kind in get_args(RunConfig.model_fields["split"].annotation)
}
"""Name of each split scheme → the class of its options."""

PARTS = {"train": "train", "fold_in": "fold-in", "validation": "validation", "test": "test"}
COLOURS = {"train": "blue", "fold_in": "purple", "validation": "vermilion", "test": "green"}
USE = {
    "train": "models learn from it",
    "fold_in": "shown of held-out users, never learned from",
    "validation": "chooses epochs, ranks and settings",
    "test": "read once, at the end",
}


def choose(name: str, prefix: str) -> RunConfig:
    """Widgets for the scheme and each of its options, in the page's address under `prefix`.

    Returns:
        The configuration of this dataset and split. Raises InputError where the options do not fit.
    """
    kind = linked.select("Split", list(KINDS), f"{prefix}split", naming=titles.split_title)
    st.caption((KINDS[kind].__doc__ or "").strip())
    options: dict[str, Any] = {"kind": kind}
    for field, info in sorted(KINDS[kind].model_fields.items(), key=lambda pair: pair[0] == "seed"):
        if field != "kind":
            options[field] = _option(name, field, info, f"{prefix}{kind}_{field}")
    return configured(name, options)


def _option(name: str, field: str, info: FieldInfo, key: str) -> Any:
    """The widget of one option: a slider for a share, else a switch, a number or a day."""
    common: dict[str, Any] = {"key": key, "help": info.description}
    label = info.title or field
    if info.annotation is float:
        return linked.bound(st.slider, label, 0.01, 0.99, info.default, step=0.01, format="percent", **common)
    if info.annotation is bool:
        return linked.bound(st.toggle, label, info.default, **common)
    if info.annotation is int:
        # Without a bound, so that the configuration says in a sentence what is wrong with a number outside it.
        return linked.bound(st.number_input, label, value=info.default, step=1, **common)
    first = later_part(name) if field == "test_from" else None
    return linked.bound(st.date_input, label, first, min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD", **common)


def show(config: RunConfig) -> None:
    """What the split makes of the data. Raises InputError where it is impossible."""
    split = split_of(config)
    parts = split_parts(split).sort_values("part", key=lambda names: names.map([*PARTS].index), ignore_index=True)
    with st.container(border=True):
        card_title("Parts", parts, key="data-parts")
        st.table(_parts_shown(parts), hide_index=True, border="horizontal", alt="Sizes of the split's parts")
        st.caption(" · ".join(f"**{PARTS[part]}** {USE[part]}" for part in parts["part"]))
        st.caption(_kept(split))
    if config.split.kind in ("last", "leave-last"):
        say(
            "warning",
            "This split leaks time across users: while one user's latest ratings are held out, other users' still later ratings are "
            "in training. It measures less than the time split does how well the future is predicted.",
            icon="history_toggle_off",
        )
    if split.interactions.timestamps is not None:
        _in_time(split)
    else:
        st.caption("This copy of the data has no timestamps, so that the parts cannot be drawn over time.")


def _parts_shown(parts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "part": [f"**{PARTS[part]}**" for part in parts["part"]],
            "ratings": [f"{count:,}" for count in parts["ratings"]],
            "share": [f"{share:.1%}".replace("%", "\u00a0%") for share in parts["share"]],
            "users": [f"{count:,}" for count in parts["users"]],
            "items": [f"{count:,}" for count in parts["items"]],
            "left out": [
                f"{count:,}" if part in ("validation", "test") else "–" for part, count in zip(parts["part"], parts["dropped"], strict=True)
            ],
        }
    )


def _kept(split: Split) -> str:
    dropped = sum(split.dropped.values())
    size = f"A model knows {split.interactions.n_users:,} users and {split.interactions.n_items:,} items."
    if not dropped:
        return f"{size} Every held-out rating has a user and an item that a model knows, so none is left out."
    return (
        f"{size} Left out: {dropped:,} held-out ratings whose user or item has no rating that a model sees; nobody could predict them, "
        "and every model is judged without them."
    )


def _in_time(split: Split) -> None:
    labels, times = split.labels, split.interactions.timestamps
    assert times is not None
    frame = over_time(times, labels)
    series = [Bars(PARTS[part], frame[part].tolist(), COLOURS[part]) for part in PARTS if part in frame]
    later = later_training_share(split) or 0.0
    known = f"{later:.0%}".replace("%", " %") if later == 0 or later >= 0.01 else "less than 1 %"
    chart_card(
        "The parts over time",
        bars(frame["period"].tolist(), series, x_name=period_name(frame), y_name="ratings"),
        frame,
        key="data-parts-time",
        alt="Ratings of each part by period, stacked",
        caption=f"{known} of the training ratings are later than the typical (median) test rating"
        + (": no model here knows its tests' future." if later == 0 else ": so much of its tests' future a model is shown."),
    )


def period_name(frame: pd.DataFrame) -> str:
    """What one bar of a chart over time stands for."""
    text = str(frame["period"].iloc[0])
    return {4: "year", 6: "quarter", 7: "month", 10: "day"}.get(len(text), "period")
