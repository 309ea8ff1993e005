"""Every model that Encore can train or fit. A new one is one file, its options in `configs.py` and one line here."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from engine.models.configs import AutoencoderConfig, BiasConfig, MeanConfig, ModelConfig, PopularityConfig, SVDConfig

if TYPE_CHECKING:
    from engine.models.contract import Recommender


class Entry(NamedTuple):
    """A model as the registry knows it; `model` is resolved when one is built, so that listing models needs no torch."""

    title: str
    config: type[BaseModel]
    model: str


MODELS: dict[str, Entry] = {
    "autoencoder": Entry("Deep autoencoder", AutoencoderConfig, "engine.models.autoencoder:Autoencoder"),
    "svd": Entry("Truncated SVD", SVDConfig, "engine.models.svd:SVD"),
    "bias": Entry("User + item bias", BiasConfig, "engine.models.baselines:Bias"),
    "mean": Entry("Global mean", MeanConfig, "engine.models.baselines:Mean"),
    "popularity": Entry("Popularity", PopularityConfig, "engine.models.baselines:Popularity"),
}


def build(config: ModelConfig, n_users: int, n_items: int) -> Recommender:
    """An untrained model for a catalogue of this size."""
    return resolve_name(MODELS[config.name].model)(config, n_users, n_items)
