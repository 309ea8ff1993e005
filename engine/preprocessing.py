"""What is done to the ratings before they are split: binarise, sample, minimum counts, rating scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import InputError
from engine.interactions import Interactions


class PreprocessingConfig(BaseModel):
    """Steps run in the order of the fields; each is off by default.

    Binarising comes first, so that samples and minimum counts are of what is left: "at least 5 ratings per user" then asks for 5 likes
    (as Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering", 4.1, prepare their data).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    binarise: float | None = Field(
        None, title="Binarise at", description="Ratings from this value up become 1 (liked); the others are forgotten."
    )
    sample_users: int | None = Field(None, ge=1, title="Sample of users", description="Keep this many users, drawn at random.")
    sample_items: int | None = Field(None, ge=1, title="Most rated items", description="Keep this many items, the most rated ones.")
    min_user_ratings: int = Field(0, ge=0, title="Ratings per user, at least", description="Users with fewer ratings are left out.")
    min_item_ratings: int = Field(0, ge=0, title="Ratings per item, at least", description="Items with fewer ratings are left out.")
    scale_low: float | None = Field(None, title="Lowest rating", description="Predictions are clipped to it; the data's own when empty.")
    scale_high: float | None = Field(None, title="Highest rating", description="Predictions are clipped to it; the data's own when empty.")
    seed: int = Field(0, ge=0, le=2**53 - 1, title="Seed of the sample", description="Draws the sample of users.")

    @model_validator(mode="after")
    def _scale_in_order(self) -> Self:
        if self.scale_low is not None and self.scale_high is not None and self.scale_low >= self.scale_high:
            raise ValueError(f"the lowest rating (scale_low={self.scale_low:g}) must be below the highest (scale_high={self.scale_high:g})")
        return self


def preprocess(interactions: Interactions, config: PreprocessingConfig) -> Interactions:
    """Interactions after every step of the configuration.

    Raises:
        InputError: nothing is left.
    """
    data = interactions if config.binarise is None else _binarise(interactions, config.binarise)
    data = _sample(data, config)
    data = _minimum_counts(data, config.min_user_ratings, config.min_item_ratings)
    low, high = data.scale
    scale = (low if config.scale_low is None else config.scale_low, high if config.scale_high is None else config.scale_high)
    if scale != data.scale and scale[0] >= scale[1]:
        named = "the lowest rating (preprocessing.scale_low) has to be below the highest (preprocessing.scale_high)"
        raise InputError(f"The rating scale {scale[0]:g} to {scale[1]:g} is none: {named}.")
    if data.n_ratings == 0:
        raise InputError(f"Preprocessing leaves no rating of {interactions.name}: lower the minimum counts or the binarise threshold.")
    return replace(data, scale=scale)


def _binarise(data: Interactions, threshold: float) -> Interactions:
    data = data.keep(ratings=data.ratings.data >= threshold)
    liked = (np.ones_like(data.ratings.data), data.ratings.indices, data.ratings.indptr)
    return replace(data, ratings=sp.csr_array(liked, shape=data.ratings.shape), scale=(0.0, 1.0), expected=None)


def _sample(data: Interactions, config: PreprocessingConfig) -> Interactions:
    if config.sample_users is not None and config.sample_users < data.n_users:
        chosen = np.zeros(data.n_users, bool)
        chosen[np.random.default_rng(config.seed).permutation(data.n_users)[: config.sample_users]] = True
        data = data.keep(users=chosen)
    if config.sample_items is not None and config.sample_items < data.n_items:
        chosen = np.zeros(data.n_items, bool)
        chosen[np.argsort(-data.item_counts, kind="stable")[: config.sample_items]] = True
        data = data.keep(items=chosen)
    return data


def _minimum_counts(data: Interactions, per_user: int, per_item: int) -> Interactions:
    """Leaves out rare users and items until both minima hold at once: each removal can make another one rare."""
    while per_user or per_item:
        users, items = data.user_counts >= per_user, data.item_counts >= per_item
        if users.all() and items.all():
            break
        data = data.keep(users=users, items=items)
    return data
