"""The options of every model, on one screen.

They stand apart from the models because forms, links and stored rows need them at once, and the models need torch, which
takes seconds to import. A model's file names its source; here are its knobs, with the words that forms show.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Activation = Literal["selu", "elu", "relu", "relu6", "lrelu", "tanh", "sigmoid", "swish", "linear"]


class AutoencoderConfig(BaseModel):
    """x → encoder layers → code → mirrored decoder → ratings for every item."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["autoencoder"] = "autoencoder"
    layers: tuple[int, ...] = Field(
        (256, 128), min_length=1, title="Encoder layers", description="Widths up to the code layer; the decoder mirrors them."
    )
    activation: Activation = Field("selu", title="Activation", description="Of every hidden layer.")
    last_activation: Activation = Field("linear", title="Last activation", description="Of the output layer.")
    tied: bool = Field(False, title="Tied weights", description="The decoder uses the encoder's weights, transposed; half the parameters.")
    dropout: float = Field(0.0, ge=0, lt=1, title="Dropout", description="Share of units silenced at each training step.")
    dropout_place: Literal["code", "every"] = Field(
        "code", title="Dropout place", description="code: on the code layer only. every: after every hidden layer."
    )
    output_start: Literal["mean", "zero"] = Field(
        "mean",
        title="Outputs start at",
        description="mean: each output's bias begins at its column's mean rating, a sensible first guess. zero: at 0.",
    )
    orientation: Literal["user", "item"] = Field(
        "user",
        title="Orientation",
        description="user: a row is one user's ratings. item: a row is one item's ratings; new users cannot be scored.",
    )

    @field_validator("layers")
    @classmethod
    def _positive(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if min(layers) < 1:
            raise ValueError(f"every layer needs at least one unit, not {min(layers)}")
        return layers

    @field_validator("activation", "last_activation", mode="before")
    @classmethod
    def _identity_is_linear(cls, name: object) -> object:
        return "linear" if name == "identity" else name


class SVDConfig(BaseModel):
    """X ≈ U Σ Vᵀ with the `rank` largest singular values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Literal["svd"] = "svd"
    rank: int = Field(20, ge=1, title="Rank", description="Number of singular values kept.")
    centring: Literal["bias", "none"] = Field(
        "bias",
        title="Centring",
        description="bias: user + item bias is removed first, so an unobserved cell means 'as expected'. none: an unobserved cell means 0.",
    )


class BiasConfig(BaseModel):
    """Global mean + item bias + user bias, each shrunk towards 0 where ratings are few (Koren 2009, section 2.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Literal["bias"] = "bias"
    item_shrinkage: float = Field(5.0, ge=0, title="Item shrinkage", description="Ratings' worth of pull of an item's bias towards 0.")
    user_shrinkage: float = Field(5.0, ge=0, title="User shrinkage", description="Ratings' worth of pull of a user's bias towards 0.")


class MeanConfig(BaseModel):
    """The mean of all training ratings, for every pair."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Literal["mean"] = "mean"


class PopularityConfig(BaseModel):
    """Items by their number of training ratings, the same list for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Literal["popularity"] = "popularity"


ModelConfig = Annotated[AutoencoderConfig | SVDConfig | BiasConfig | MeanConfig | PopularityConfig, Field(discriminator="name")]


def parameter_count(config: AutoencoderConfig, n_columns: int) -> int:
    """Number of weights and biases of an autoencoder for rows of this width, without building it."""
    widths = [n_columns, *config.layers]
    matrices = sum(a * b for a, b in pairwise(widths))
    return matrices * (1 if config.tied else 2) + sum(widths[1:]) + sum(widths[:-1])
