"""The controls of the Train page: data, split and the model's main ones in sight, all others behind one expander."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from engine import pace
from engine.config import RunConfig, parse
from engine.datasets import DATASETS, listing
from engine.errors import InputError
from engine.experiment import check
from engine.models import MODELS
from engine.presets import presets, stamp
from engine.store import Run
from pages.components import draft, fields, model_form, titles, words
from pages.components.frame import say
from pages.components.hidden import SECTIONS, is_hidden

USUAL_SPLITS = ("random", "last", "time")
OWN = ""
IN_SIGHT = {"dataset.name", "split.kind"}
"""Fields that stand above the model's."""

SPEED = "speed"
HEADINGS = {
    "training": "Optimizer, stopping and seed",
    "objective": "Objective",
    "noise": "Noise on the input",
    "refeed": "Re-feeding",
    "model": "Model",
    "split": "Split",
    "preprocessing": "Before the split",
    "group": "Group of users",
    "evaluation": "Judging",
    SPEED: "Speed",
    "dataset": "Columns of a ratings file",
}
"""What stands behind the line, in this order: sections of the configuration under their headings."""
OF_OTHER_HEADINGS = {
    **dict.fromkeys(("training.device", "training.precision", "training.path", "training.row_steps"), SPEED),
    **dict.fromkeys(("training.monitor", "training.refit"), "evaluation"),
}
"""Fields that stand under another heading than their section's."""
ONLY_WITH = (
    ("noise.level", "noise.kind", ("gaussian", "gaussian-once", "dropout", "masking")),
    ("group.value", "group.by", ("features",)),
    ("group.clusters", "group.by", ("cluster",)),
    ("group.index", "group.by", ("cluster",)),
    ("model.default_rating", "model.default", ("constant",)),
    ("training.momentum", "training.optimizer", ("sgd",)),
    ("training.lbfgs_steps", "training.optimizer", ("lbfgs",)),
    ("training.batch_size", "training.optimizer", ("adam", "adamw", "sgd")),
    ("training.weight_decay", "training.optimizer", ("adam", "adamw", "sgd")),
)
"""Fields that have a meaning only while another field has one of these values."""


def form(shape: tuple[int, int] | None) -> RunConfig | None:
    """Draws the controls in sight and tells what is wrong with any.

    Args:
        shape: users and items of the chosen split, where they are known.

    Returns:
        The configuration, or None while it is not valid.
    """
    for name, control in (("preset", _presets), ("dataset", _dataset), ("split", _split)):
        if not is_hidden(name):
            control()
    model_form.model(shape)
    try:
        chosen = draft.config()
        check(chosen)
    except InputError as error:
        say("error", fields.with_titles(str(error)))
        return None
    return chosen


def rest() -> None:
    """All other controls, behind one line; they stand below the buttons, so that opening it pushes nothing out of reach."""
    if all(is_hidden(section) for section in HEADINGS if section in SECTIONS.values() and model_form.applies(section)):
        return
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


def expected(config: RunConfig, runs: list[Run]) -> str:
    """How long training will take by what earlier runs tell, in words: roughly, where none was of this network; "" where none tells it."""
    found = pace.expected(config, runs)
    if found is None:
        return ""
    said = words.duration(found.seconds)
    return f"about {said} on this machine" if found.alike else f"roughly {said}, going by {found.by.name}"


def _configurations() -> dict[str, RunConfig]:
    """Every preset as a configuration."""
    return _parsed(stamp())


@lru_cache(maxsize=4)
def _parsed(_stamp: object) -> dict[str, RunConfig]:
    found = {}
    for name, preset in presets().items():
        try:
            found[name] = parse(preset.values)
        except InputError:
            if not preset.saved:  # those that a person saved may be of an older version
                raise
    return found


def _preset_titles() -> dict[str, str]:
    """Every preset's title without its dataset, which stands right below, where that is enough to tell it from the others."""
    short = {name: presets()[name].title.partition(" on ")[0] for name in _configurations()}
    return {name: title if [*short.values()].count(title) == 1 else presets()[name].title for name, title in short.items()}


def _presets() -> None:
    """A menu of presets; it shows the one that the draft equals, or that the draft is the person's own."""
    try:
        now = draft.config()
    except InputError:
        now = None
    chosen = next((name for name, config in _configurations().items() if config == now), OWN)
    st.session_state["preset"] = chosen
    about = words.plain(presets()[chosen].shows) if chosen else "Ready configurations; the Start page says what each shows."
    names = {OWN: "own settings", **_preset_titles()}
    st.selectbox("Preset", [*names], key="preset", format_func=names.__getitem__, on_change=_take_preset, help=about)


def _take_preset() -> None:
    if name := st.session_state["preset"]:
        draft.replace(_configurations()[name])


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
        on_change=lambda: None if draft.is_gone(path) else draft.put(path, st.session_state[key]),
        help=f"{about}\n\nYour own ratings: upload them on the Data page.",
    )


def _split() -> None:
    share = {"test": draft.values().get("split.test", 0.1)}
    # Side by side there is room for one share; the line under the page's title has it for every split.
    fields.segments(
        "split.kind", USUAL_SPLITS, label="Split", naming=lambda kind: titles.split_title(kind, share if kind == "last" else None)
    )


def _everything_else() -> None:
    registered = draft.values()["dataset.name"] in {entry.name for entry in listing()}
    trains = MODELS[draft.values()["model.name"]].trains
    paths = [path for path in draft.values() if not hidden(path) and path not in IN_SIGHT and not model_form.in_sight(path)]
    for section, heading in HEADINGS.items():
        some = [path for path in paths if OF_OTHER_HEADINGS.get(path, path.partition(".")[0]) == section]
        if section in ("training", SPEED) and not trains:
            some = [path for path in some if path == "training.seed"]
        if is_hidden(section) or not some or not model_form.applies(section) or (section == "dataset" and registered):
            continue
        st.markdown(f"**{heading}**")
        for path in some:
            fields.field(path)


def hidden(path: str) -> bool:
    """Whether a field has no meaning as long as another one has its present value."""
    values = draft.values()
    return any(path == field and values.get(other) not in wanted for field, other, wanted in ONLY_WITH)
