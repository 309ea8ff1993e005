"""What pages call things: one wording for each dataset, split, model, setting and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from engine.config import format_value
from engine.datasets import listing
from engine.models import MODELS
from engine.store import Run
from pages.components import words
from pages.components.discreet import dataset_name

SPLITS = {
    "random": ("random", "random {test}"),
    "stratified": ("stratified by user", "stratified by user, {test}"),
    "kfold": ("k-fold cross-validation", "{folds}-fold, fold {fold}"),
    "time": ("time", "time, first {quantile}"),
    "windows": ("windows of time", "window from {test_from}"),
    "last": ("last of each user", "last {test}"),
    "leave-last": ("leave last out", "last {k} of each user"),
    "users": ("held-out users", "held-out users, {test}"),
    "predefined": ("publisher's split", "publisher's split"),
}
"""Split scheme → its title without and with its options: shares of the ratings or users that are tested; by time, of the earlier
ratings, which are learned from."""

TIMES = {1: "one re-feed", 2: "two re-feeds"}
BETTER, NOT_BETTER, UNDECIDED = "better than {}", "{} is better", "not distinguishable"


def dataset_titles() -> dict[str, str]:
    """Title of every registered dataset and saved upload, by name."""
    return {entry.name: entry.title for entry in listing()}


def dataset_title(name: str, known: Mapping[str, str] | None = None) -> str:
    """What people call a dataset; of a file its last part.

    Args:
        known: `dataset_titles()`, where many are named.
    """
    return (dataset_titles() if known is None else known).get(name, Path(name).name)


def dataset_of(run: Run) -> str:
    """Name of the dataset in a run's configuration, "–" where an older version or damage has left none."""
    return str(_section(run.config, "dataset").get("name", "–"))


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def split_title(kind: str, options: Mapping[str, Any] | None = None) -> str:
    """A split scheme, with what matters most of its options where they are given, such as "last 10 %"."""
    if kind not in SPLITS:
        return kind
    bare, full = SPLITS[kind]
    given = {name: words.percent(value) if isinstance(value, float) else value for name, value in (options or {}).items()}
    needed = [name for _, name, _, _ in Formatter().parse(full) if name]
    return full.format(**given) if all(given.get(name) is not None for name in needed) else bare


def trains(config: Mapping[str, Any]) -> bool:
    """Whether the model of a stored configuration learns in epochs; the others are fitted in one step."""
    entry = MODELS.get(str(_section(config, "model").get("name")))
    return entry is not None and entry.trains


def rates(config: Mapping[str, Any]) -> bool:
    """Whether the model of a stored configuration predicts ratings; the others only rank."""
    entry = MODELS.get(str(_section(config, "model").get("name")))
    return entry is None or entry.rates


def model_title(config: Mapping[str, Any]) -> str:
    """The model of a stored configuration, such as "Deep autoencoder 512 · 256, one re-feed"."""
    model, steps = _section(config, "model"), _section(config, "refeed").get("steps", 0)
    name = str(model.get("name", "–"))
    title = MODELS[name].title if name in MODELS else name
    if "rank" in model:
        title += f" rank {model['rank']}"
    widths = model.get("layers") or [model[size] for size in ("hidden", "latent") if size in model]
    if widths:
        title += " " + " · ".join(map(str, widths))
    if model.get("orientation") == "item":
        title += ", item-based"
    return title + (f", {TIMES.get(steps, f'{steps} re-feeds')}" if steps and trains(config) and rates(config) else "")


def run_title(run: Run) -> str:
    """A run in a menu, with its state unless it has finished."""
    state = "" if run.state == "finished" else f" · {run.state}"
    return f"{run.name} · {dataset_title(dataset_of(run))} · {model_title(run.config)}{state}"


def setting(path: str, value: Any) -> str:
    """A field that is not at its default, in a few letters: "lr 0.0005"."""
    section, _, field = path.partition(".")
    return f"{section if field in ('name', 'kind') else field.replace('_', ' ')} {format_value(public(path, value))}"


def public(path: str, value: Any) -> Any:
    """A field's value as it may be shown: a ratings file without its folder."""
    return dataset_name(value) if path == "dataset.name" and isinstance(value, str) else value


def verdict(difference: float, interval: float, other: str = "SVD") -> tuple[str, Literal["green", "orange", "gray"]]:
    """What may be said of a difference of RMSEs, and its colour.

    Args:
        difference: negative where the model is better than the other one.
        interval: half-width of its 95 % interval.
        other: what the model is compared with.
    """
    if abs(difference) <= interval:
        return UNDECIDED, "gray"
    return (BETTER.format(other), "green") if difference < 0 else (NOT_BETTER.format(other), "orange")
