"""The controls of the Train page: at most eight in sight, all others behind one expander."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from engine.config import RunConfig, parse
from engine.datasets import DATASETS, listing
from engine.errors import InputError
from engine.experiment import check
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, parameter_count
from engine.presets import presets
from engine.store import Run
from pages.components import draft, fields, titles, words
from pages.components.frame import say

USUAL_SPLITS = ("random", "last", "time")
USUAL_ACTIVATIONS = ("selu", "elu", "relu", "tanh")
REFEED_OFF = "off"
OWN = ""
BYTES_PER_WEIGHT = {"adam": 12, "adamw": 12, "sgd": 8}
"""A float32 weight and what the optimizer keeps beside it."""

IN_SIGHT = {
    *("dataset.name", "split.kind", "training.lr"),
    *("model.layers", "model.activation", "model.dropout", "refeed.steps", "refeed.target", "refeed.start_epoch"),
}
SECTIONS = {
    "training": "Optimizer and stopping",
    "objective": "Objective",
    "refeed": "Re-feeding",
    "model": "Model",
    "split": "Split",
    "preprocessing": "Before the split",
    "evaluation": "Judging",
    "dataset": "Columns of a ratings file",
}


DROPOUT = {"code": "Dropout on the code", "every": "Dropout after every layer"}
LABELS = {"model.name": "Model"}
"""For fields that say which kind of thing a section is, and have no title of their own."""

NAMES: dict[str, Callable[[str], str]] = {"model.name": lambda name: MODELS[name].title}
"""How menus show their options."""


def form(shape: tuple[int, int] | None) -> RunConfig | None:
    """Draws the controls in sight and tells what is wrong with any.

    Args:
        shape: users and items of the chosen split, where they are known.

    Returns:
        The configuration, or None while it is not valid.
    """
    _presets()
    _dataset()
    _split()
    if draft.values()["model.name"] == "autoencoder":
        _autoencoder(shape)
    else:
        st.caption(f"**{MODELS[draft.values()['model.name']].title}** has no layers to train; its options are behind the line below.")
    try:
        chosen = draft.config()
        check(chosen)
    except InputError as error:
        say("error", str(error))
        return None
    return chosen


def rest() -> None:
    """All other controls, behind one line; they stand below the buttons, so that opening it pushes nothing out of reach."""
    with st.expander("Optimizer, input, seed and all the rest", icon=":material/tune:"):
        _everything_else()


def describe(config: RunConfig | None, shape: tuple[int, int] | None, sizes: dict[str, int] | None) -> str:
    """Data and split in one line.

    Args:
        shape: users and items.
        sizes: of the split, where a run has made it.
    """
    if config is None:
        return ""
    parts = [words.plain(titles.dataset_title(config.dataset.name)), titles.split_title(config.split.kind, config.split.model_dump())]
    if sizes:
        parts.append(f"{sizes['users']:,} users × {sizes['items']:,} items")
        parts.append(f"{sizes['train']:,} train / {sizes['validation']:,} validation / {sizes['test']:,} test")
    elif shape:
        parts.append(f"{shape[0]:,} users × {shape[1]:,} items")
    return " · ".join(parts)


def expected_seconds(config: RunConfig, runs: list[Run]) -> float | None:
    """How long training will take, from an earlier run of the same network on the same data; None where there is none."""
    wanted = config.model_dump(mode="json")
    for run in runs:
        pace = (run.summary or {}).get("seconds_per_epoch")
        alike = all(run.config.get(section) == wanted[section] for section in ("dataset", "preprocessing", "split", "model", "refeed"))
        if pace and alike and run.config["training"]["batch_size"] == config.training.batch_size:
            return pace * (config.training.epochs if titles.trains(wanted) else 1)
    return None


def _presets() -> None:
    """A menu of presets; it shows the one that the draft equals, or that the draft is the person's own."""
    known = presets()
    try:
        now = draft.config()
    except InputError:
        now = None
    st.session_state["preset"] = next((name for name, preset in known.items() if parse(preset.values) == now), OWN)
    shows = "\n".join(f"- **{words.plain(preset.title)}** {words.plain(preset.shows)}" for preset in known.values())
    st.selectbox(
        "Preset",
        [OWN, *known],
        key="preset",
        # The dataset stands right below.
        format_func=lambda name: known[name].title.partition(" on ")[0] if name else "own settings",
        on_change=_take_preset,
        help=shows,
    )


def _take_preset() -> None:
    if name := st.session_state["preset"]:
        draft.replace(parse(presets()[name].values))


def _dataset() -> None:
    path = "dataset.name"
    chosen, key = draft.values()[path], draft.widget_key("dataset.name")
    names = [entry.name for entry in listing()]
    if chosen not in names:
        names.append(chosen)
    st.session_state[key] = chosen
    about = "\n".join(f"- **{words.plain(entry.title)}**: {entry.description}" for entry in DATASETS.values())
    st.selectbox(
        "Dataset",
        names,
        key=key,
        format_func=titles.dataset_title,
        on_change=lambda: draft.put(path, st.session_state[key]),
        help=f"{about}\n\nYour own ratings: upload them on the Data page.",
    )


def _split() -> None:
    share = {"test": draft.values().get("split.test", 0.1)}
    # Side by side there is room for one share; the line under the page's title has it for every split.
    fields.segments(
        "split.kind", USUAL_SPLITS, label="Split", naming=lambda kind: titles.split_title(kind, share if kind == "last" else None)
    )


def _autoencoder(shape: tuple[int, int] | None) -> None:
    fields.widths("model.layers")
    st.caption(_size(shape))
    fields.segments("model.activation", USUAL_ACTIVATIONS)
    fields.fraction("model.dropout", DROPOUT[draft.values()["model.dropout_place"]])
    _refeeding()
    fields.field("training.lr", f"Learning rate ({draft.values()['training.optimizer']})")


def _size(shape: tuple[int, int] | None) -> str:
    mirror = "decoder mirrors it"
    try:
        model = draft.config().model
    except InputError:
        return mirror
    if shape is None or not isinstance(model, AutoencoderConfig):
        return mirror
    weights = parameter_count(model, shape[1] if model.orientation == "user" else shape[0])
    size = weights * BYTES_PER_WEIGHT[draft.values()["training.optimizer"]] / 1e6
    return f"{mirror} · {words.count(weights)} weights" + (f" · {size:,.0f} MB" if size >= 1 else "")


def _refeeding() -> None:
    steps, target = draft.values()["refeed.steps"], draft.values()["refeed.target"]
    key = draft.widget_key("refeed.target")
    if key not in st.session_state:
        st.session_state[key] = target if steps else REFEED_OFF
    st.segmented_control(
        "Dense re-feeding",
        [REFEED_OFF, *fields.options("refeed.target")],
        key=key,
        required=True,
        width="stretch",
        wrap=False,
        on_change=_take_refeeding,
        help=f"The output is a complete row; fed back in, it is trained on once more. {fields.about('refeed.target').description}",
    )
    if steps:
        left, right = st.columns(2)
        with left:
            fields.field("refeed.steps", "steps")
        with right:
            fields.field("refeed.start_epoch", "from epoch")


def _take_refeeding() -> None:
    choice = st.session_state[draft.widget_key("refeed.target")]
    st.session_state.pop(draft.widget_key("refeed.steps"), None)
    if choice == REFEED_OFF:
        draft.put("refeed.steps", 0)
    else:
        draft.put("refeed.target", choice)
        draft.put("refeed.steps", draft.values()["refeed.steps"] or 1)


def _everything_else() -> None:
    trains = draft.values()["model.name"] == "autoencoder"
    registered = draft.values()["dataset.name"] in {entry.name for entry in listing()}
    for section, heading in SECTIONS.items():
        if (section in ("objective", "refeed") and not trains) or (section == "dataset" and registered):
            continue
        st.markdown(f"**{heading}**")
        for path in draft.values():
            if path.startswith(f"{section}.") and path not in IN_SIGHT:
                fields.field(path, LABELS.get(path), NAMES.get(path, str))
