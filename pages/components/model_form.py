"""The Train page's controls of the model: a network's in sight, down to the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.config import RunConfig
from engine.errors import InputError
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, parameter_count
from pages.components import draft, fields, words
from pages.components.hidden import is_hidden

NAME = "model.name"
USUAL_ACTIVATIONS = ("selu", "elu", "relu", "tanh")
REFEED_OFF = "off"
BYTES_PER_WEIGHT = {"adam": 12, "adamw": 12, "sgd": 8, "lbfgs": 100}
"""A float32 weight and what the optimizer keeps beside it."""
DROPOUT = {"code": "Dropout on the code", "every": "Dropout after every layer"}
OF_RATINGS = ("objective", "noise", "refeed")
"""Sections that only the training of a model that predicts ratings reads; re-feeding, of an autoencoder."""

IN_SIGHT = {
    *(NAME, "model.layers", "model.activation", "model.dropout", "training.lr"),
    *("refeed.steps", "refeed.target", "refeed.start_epoch"),
}
"""Of an autoencoder for ratings; of another model, all options are."""


def model(shape: tuple[int, int] | None) -> None:
    """The menu of models and the options of the chosen one; `shape`: users and items, where known."""
    if not is_hidden("model"):
        _menu()
    if _is_autoencoder():
        _autoencoder(shape)
    else:
        _options([path for path in draft.values() if path.startswith("model.") and path != NAME])
    if MODELS[draft.values()[NAME]].trains and not is_hidden("lr"):
        fields.field("training.lr", f"Learning rate ({draft.values()['training.optimizer']})")


def in_sight(path: str) -> bool:
    """Whether `model` draws this field."""
    section, _, field = path.partition(".")
    return path in IN_SIGHT or (section == "model" and not (_is_autoencoder() and field in AutoencoderConfig.model_fields))


def applies(section: str) -> bool:
    """Whether a section of the configuration has a meaning for the chosen model."""
    entry = MODELS[draft.values()[NAME]]
    if section in ("noise", "refeed"):
        return entry.refeeds
    return section not in OF_RATINGS or (entry.trains and entry.rates)


def _is_autoencoder() -> bool:
    return issubclass(MODELS[draft.values()[NAME]].config, AutoencoderConfig)


def _menu() -> None:
    key = draft.widget_key(NAME)
    st.session_state[key] = draft.values()[NAME]
    about = "\n".join(f"- **{words.plain(entry.title)}** {words.plain(entry.config.__doc__ or '')}" for entry in MODELS.values())
    st.selectbox("Model", [*MODELS], key=key, format_func=lambda name: MODELS[name].title, on_change=_take, help=about)


def _take() -> None:
    if not draft.is_gone(NAME):
        draft.put(NAME, st.session_state[draft.widget_key(NAME)])
    for section in OF_RATINGS:
        if not applies(section):
            draft.reset(section)


def _options(paths: Sequence[str]) -> None:
    """Options of a model in this order, but numbers last, two on a line."""
    if not paths:
        st.caption("It has no options.")
    numbers: list[str] = []
    for path in paths:
        if fields.is_number(path):
            numbers.append(path)
        elif path == "model.layers":
            fields.widths(path)
        elif path == "model.activation":
            fields.segments(path, USUAL_ACTIVATIONS)
        elif fields.is_share(path):
            fields.fraction(path)
        else:
            fields.field(path)
    for start in range(0, len(numbers), 2):
        for place, path in zip(st.columns(2, vertical_alignment="bottom"), numbers[start : start + 2], strict=False):
            with place:
                fields.field(path)


def _autoencoder(shape: tuple[int, int] | None) -> None:
    if not is_hidden("layers"):
        fields.widths("model.layers")
        st.caption(_size(shape))
    if not is_hidden("activation"):
        fields.segments("model.activation", USUAL_ACTIVATIONS)
    if not is_hidden("dropout"):
        fields.fraction("model.dropout", DROPOUT[draft.values()["model.dropout_place"]])
    if own := [path for path in draft.values() if path.startswith("model.") and path not in IN_SIGHT and in_sight(path)]:
        _options(own)
    if not is_hidden("refeed"):
        _refeeding()


def _size(shape: tuple[int, int] | None) -> str:
    mirror = "decoder mirrors it"
    try:
        chosen: RunConfig = draft.config()
    except InputError:
        return mirror
    # What describes users makes the input wider, by how much is not known here.
    if shape is None or not isinstance(chosen.model, AutoencoderConfig) or chosen.model.user_features:
        return mirror
    weights = parameter_count(chosen.model, shape[1] if chosen.model.orientation == "user" else shape[0])
    size = weights * BYTES_PER_WEIGHT[chosen.training.optimizer] / 1e6
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
    if draft.is_gone("refeed.target"):
        return
    choice = st.session_state[draft.widget_key("refeed.target")]
    st.session_state.pop(draft.widget_key("refeed.steps"), None)
    if choice == REFEED_OFF:
        draft.put("refeed.steps", 0)
    else:
        draft.put("refeed.target", choice)
        draft.put("refeed.steps", draft.values()["refeed.steps"] or 1)
