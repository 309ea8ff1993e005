"""Every model that Encore can train or fit. A new one is one file, its options in `configs.py` and one line here."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel

from engine.errors import InputError
from engine.models.configs import (
    AutoencoderConfig,
    BiasConfig,
    CDAEConfig,
    EaseConfig,
    ELSAConfig,
    GLocalKConfig,
    ItemKNNConfig,
    MeanConfig,
    MFConfig,
    ModelConfig,
    MultDAEConfig,
    MultVAEConfig,
    PopularityConfig,
    RecVAEConfig,
    SparseFCConfig,
    SVDConfig,
    SVDPPConfig,
    VAEConfig,
    WeightedBCEConfig,
)

if TYPE_CHECKING:
    from engine.models.contract import Recommender


class Entry(NamedTuple):
    """A model as the registry knows it; `model` is resolved when one is built, so that listing models needs no torch.

    Attributes:
        rates: it predicts ratings; the others only rank.
        trains: it learns by gradient steps; the others are fitted at once.
        folds_in: it scores users outside the training data; the others learn something for each user. (An item-based autoencoder
            does not either: that is its orientation's doing.)
        logits: its scores are logits of having chosen an item, so that their sigmoid is a probability.
        refeeds: rows of ratings go in and come out, so that noise on the input and dense re-feeding have a meaning.
    """

    title: str
    config: type[BaseModel]
    model: str
    rates: bool = True
    trains: bool = True
    folds_in: bool = True
    logits: bool = False
    refeeds: bool = False


MODELS: dict[str, Entry] = {
    "autoencoder": Entry("Deep autoencoder", AutoencoderConfig, "engine.models.autoencoder:Autoencoder", refeeds=True),
    "vae": Entry("Variational autoencoder for ratings", VAEConfig, "engine.models.vae:VAE", refeeds=True),
    "sparsefc": Entry("SparseFC (kernel autoencoder)", SparseFCConfig, "engine.models.kernel:SparseFC", folds_in=False),
    "glocal-k": Entry("GLocal-K (local and global kernels)", GLocalKConfig, "engine.models.glocal_k:GLocalK", folds_in=False),
    "weighted-bce": Entry(
        "Autoencoder with weighted BCE", WeightedBCEConfig, "engine.models.weighted_bce:WeightedBCE", rates=False, logits=True
    ),
    "cdae": Entry("CDAE (a node per user)", CDAEConfig, "engine.models.cdae:CDAE", rates=False, folds_in=False, logits=True),
    "mult-dae": Entry("Mult-DAE", MultDAEConfig, "engine.models.mult_dae:MultDAE", rates=False),
    "mult-vae": Entry("Mult-VAE", MultVAEConfig, "engine.models.mult_vae:MultVAE", rates=False),
    "recvae": Entry("RecVAE", RecVAEConfig, "engine.models.recvae:RecVAE", rates=False),
    "elsa": Entry("ELSA (linear, shallow)", ELSAConfig, "engine.models.elsa:ELSA", rates=False),
    "ease": Entry("EASE (linear, closed form)", EaseConfig, "engine.models.ease:EASE", rates=False, trains=False),
    "itemknn": Entry("Nearest items (ItemKNN)", ItemKNNConfig, "engine.models.itemknn:ItemKNN", trains=False),
    "mf": Entry("Biased matrix factorisation", MFConfig, "engine.models.mf:MF", trains=False),
    "svdpp": Entry("SVD++", SVDPPConfig, "engine.models.svdpp:SVDPP", folds_in=False),
    "svd": Entry("Truncated SVD", SVDConfig, "engine.models.svd:SVD", trains=False),
    "bias": Entry("User + item bias", BiasConfig, "engine.models.baselines:Bias", trains=False),
    "mean": Entry("Global mean", MeanConfig, "engine.models.baselines:Mean", trains=False),
    "popularity": Entry("Popularity", PopularityConfig, "engine.models.baselines:Popularity", rates=False, trains=False),
}


def build(config: ModelConfig, n_users: int, n_items: int, users: pd.DataFrame | None = None) -> Recommender:
    """An untrained model for a catalogue of this size.

    Args:
        users: what is known of the users, one row each; read by models whose configuration has `user_features` switched on.

    Raises:
        InputError: user features are asked for, and there are none.
    """
    model = resolve_name(MODELS[config.name].model)
    if not getattr(config, "user_features", False):
        return model(config, n_users, n_items)
    if users is None or users.columns.empty:
        raise InputError("model.user_features is on, but this dataset tells nothing about its users: switch it off, or take ml-1m.")
    return model(config, n_users, n_items, pd.get_dummies(users.astype(str)).to_numpy(np.float32, copy=True))
