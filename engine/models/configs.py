"""The options of every model, in one place.

They stand apart from the models because forms, links and stored rows need them at once, and the models need torch, which
takes seconds to import. A model's file names its source; here are its knobs, with the words that forms show.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST_LAYERS = 64
Activation = Literal["selu", "elu", "relu", "relu6", "lrelu", "tanh", "sigmoid", "swish", "linear"]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _units_of_layers(layers: tuple[int, ...]) -> tuple[int, ...]:
    if min(layers) < 1:
        raise ValueError(f"every layer needs at least one unit, not {min(layers)}")
    if len(layers) > MOST_LAYERS:
        raise ValueError(f"a model has at most {MOST_LAYERS} layers, not {len(layers):,}")
    return layers


class AutoencoderConfig(_Options):
    """x → encoder layers → code → mirrored decoder → ratings for every item."""

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
    default: Literal["zero", "constant", "mean"] = Field(
        "zero",
        title="Default rating",
        description="What stands in the input where there is no rating. constant: the value below. mean: the row's own mean rating.",
    )
    default_rating: float = Field(3.0, title="Constant default", description="The default rating, where it is a constant; in rating units.")
    user_features: bool = Field(
        False, title="User features", description="What is known of a user (gender, age, …) is joined to the input, one-hot."
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

    _units = field_validator("layers")(_units_of_layers)

    @model_validator(mode="after")
    def _features_are_of_users(self) -> Self:
        if self.user_features and self.orientation == "item":
            raise ValueError("user_features describe users, and a row of an item-based autoencoder is an item: use orientation=user")
        return self

    @field_validator("activation", "last_activation", mode="before")
    @classmethod
    def _identity_is_linear(cls, name: object) -> object:
        return "linear" if name == "identity" else name


class VAEConfig(AutoencoderConfig):
    """The deep autoencoder with a normal distribution of the code: a rating autoencoder and an annealed KL term."""

    name: Literal["vae"] = "vae"  # type: ignore[assignment]
    layers: tuple[int, ...] = Field(
        (256, 128), min_length=2, title="Encoder layers", description="Widths up to the code layer; the decoder mirrors them."
    )
    activation: Activation = Field("tanh", title="Activation", description="Of every hidden layer; the code is linear.")
    beta: float = Field(
        0.1, ge=0, title="β", description="Weight of the KL term, summed over the code, beside the loss; reached by annealing."
    )
    anneal_steps: int = Field(200, ge=0, title="Annealing", description="Batches over which β grows from 0 in a straight line.")


class SVDPPConfig(_Options):
    """mean + biases + item factors · (user factors + what the user rated at all)."""

    name: Literal["svdpp"] = "svdpp"
    rank: int = Field(32, ge=1, title="Rank", description="Factors of each user and item.")


class SVDConfig(_Options):
    """X ≈ U Σ Vᵀ with the `rank` largest singular values."""

    name: Literal["svd"] = "svd"
    rank: int = Field(20, ge=1, title="Rank", description="Number of singular values kept.")
    centring: Literal["bias", "none"] = Field(
        "bias",
        title="Centring",
        description="bias: user + item bias is removed first, so an unobserved cell means 'as expected'. none: an unobserved cell means 0.",
    )


class BiasConfig(_Options):
    """Global mean + item bias + user bias, each shrunk towards 0 where ratings are few (Koren 2009, section 2.1)."""

    name: Literal["bias"] = "bias"
    item_shrinkage: float = Field(5.0, ge=0, title="Item shrinkage", description="Ratings' worth of pull of an item's bias towards 0.")
    user_shrinkage: float = Field(5.0, ge=0, title="User shrinkage", description="Ratings' worth of pull of a user's bias towards 0.")


class MeanConfig(_Options):
    """The mean of all training ratings, for every pair."""

    name: Literal["mean"] = "mean"


class PopularityConfig(_Options):
    """Items by their number of training ratings, the same list for everybody."""

    name: Literal["popularity"] = "popularity"


class SparseFCConfig(_Options):
    """An item's ratings → sigmoid layers → its ratings by every user; a learned kernel thins out every weight matrix."""

    orientation: ClassVar[Literal["item"]] = "item"
    activation: ClassVar[Activation] = "sigmoid"
    last_activation: ClassVar[Activation] = "linear"
    default: ClassVar[Literal["zero"]] = "zero"
    user_features: ClassVar[bool] = False

    name: Literal["sparsefc"] = "sparsefc"
    layers: tuple[int, ...] = Field((500, 500), min_length=1, title="Hidden layers", description="Widths, from input to output.")
    dimensions: int = Field(5, ge=1, title="Kernel dimensions", description="Coordinates of each unit's place; near units are connected.")
    weight_penalty: float = Field(
        60.0,
        ge=0,
        title="Weight penalty λ₂",
        description="λ₂ · Σ w² over all weights, beside the squared errors: for objective.reduction=sum.",
    )
    kernel_penalty: float = Field(
        0.013, ge=0, title="Kernel penalty λₛ", description="λₛ · Σ k² over all connections, beside the squared errors, as λ₂."
    )
    output_start: Literal["mean", "zero"] = Field(
        "zero", title="Outputs start at", description="mean: each output's bias begins at its user's mean rating. zero: at 0."
    )

    _units = field_validator("layers")(_units_of_layers)


class GLocalKConfig(SparseFCConfig):
    """SparseFC, then the same network on ratings that a learned 3 × 3 kernel has mixed with their neighbours'."""

    name: Literal["glocal-k"] = "glocal-k"  # type: ignore[assignment]
    pretrain_epochs: int = Field(
        30, ge=0, title="Pre-training epochs", description="As plain SparseFC; the 3 × 3 kernel comes in after them."
    )
    kernel_scale: float = Field(
        0.5, gt=0, title="Kernel scale", description="Factor of the 3 × 3 kernel: the larger, the faster it changes."
    )


class WeightedBCEConfig(_Options):
    """x → layers → mirrored layers → a logit for every item; rare items' positives weigh more."""

    name: Literal["weighted-bce"] = "weighted-bce"
    layers: tuple[int, ...] = Field(
        (50,), min_length=1, title="Encoder layers", description="Widths up to the code layer; the decoder mirrors them."
    )
    activation: Activation = Field("tanh", title="Activation", description="Of every hidden layer.")

    _units = field_validator("layers")(_units_of_layers)


class CDAEConfig(_Options):
    """x with entries dropped, and the user's own node → hidden layer → a logit for every item."""

    name: Literal["cdae"] = "cdae"
    hidden: int = Field(50, ge=1, title="Hidden units", description="Width of the hidden layer, and of each user's node.")
    activation: Activation = Field("sigmoid", title="Activation", description="Of the hidden layer.")
    corruption: float = Field(0.2, ge=0, lt=1, title="Corruption", description="Share of the input dropped at each training step.")
    negatives: int = Field(
        5,
        ge=0,
        le=100,
        title="Negatives per positive",
        description="Items that the user did not choose, drawn for each one chosen, anew for each batch; 0 = all other items.",
    )


class MultDAEConfig(_Options):
    """x of length 1 with entries dropped → layers → mirrored layers → a multinomial over all items."""

    name: Literal["mult-dae"] = "mult-dae"
    layers: tuple[int, ...] = Field(
        (600, 200), min_length=1, title="Encoder layers", description="Widths up to the code layer; the decoder mirrors them."
    )
    activation: Activation = Field("tanh", title="Activation", description="Of every hidden layer.")
    dropout: float = Field(0.5, ge=0, lt=1, title="Input dropout", description="Share of the input dropped at each training step.")

    _units = field_validator("layers")(_units_of_layers)


class MultVAEConfig(_Options):
    """x of length 1 with entries dropped → layers → a normal code → mirrored layers → a multinomial over all items."""

    name: Literal["mult-vae"] = "mult-vae"
    layers: tuple[int, ...] = Field(
        (600, 200), min_length=2, title="Encoder layers", description="Widths up to the code, two or more; the decoder mirrors them."
    )
    activation: Activation = Field("tanh", title="Activation", description="Of every hidden layer but the code.")
    dropout: float = Field(0.5, ge=0, lt=1, title="Input dropout", description="Share of the input dropped at each training step.")
    beta: float = Field(0.2, ge=0, title="Beta", description="Weight of the KL term once annealing has ended.")
    anneal_steps: int = Field(
        2000, ge=0, title="Annealing steps", description="Batches over which the weight of the KL term grows from 0 to beta."
    )

    _units = field_validator("layers")(_units_of_layers)


class RecVAEConfig(_Options):
    """x of length 1 with entries dropped → five dense layers → a normal code → one layer → a multinomial over all items."""

    name: Literal["recvae"] = "recvae"
    hidden: int = Field(600, ge=1, title="Hidden units", description="Width of each of the encoder's five layers.")
    latent: int = Field(200, ge=1, title="Code units", description="Width of the code.")
    dropout: float = Field(0.5, ge=0, lt=1, title="Input dropout", description="Share of the input dropped while the encoder learns.")
    gamma: float = Field(
        0.0035, ge=0, title="Gamma", description="Weight of the KL term per chosen item: users who chose more are held closer."
    )
    encoder_epochs: int = Field(3, ge=1, title="Epochs for the encoder", description="Of each cycle; then the prior remembers it.")
    decoder_epochs: int = Field(1, ge=1, title="Epochs for the decoder", description="Of each cycle.")


class ELSAConfig(_Options):
    """x → x (A Aᵀ − I), with a vector of length 1 for each item."""

    name: Literal["elsa"] = "elsa"
    latent: int = Field(256, ge=1, title="Vector length", description="Numbers in each item's vector: the rank of A Aᵀ.")


class EaseConfig(_Options):
    """x → x B, where B is the ridge regression of every item on all others, in closed form."""

    name: Literal["ease"] = "ease"
    regularisation: float = Field(
        500.0, gt=0, title="Regularisation", description="λ, added to each item's sum of squares: more of it trusts the data less."
    )


class ItemKNNConfig(_Options):
    """A rating from the user's ratings of the most similar items."""

    name: Literal["itemknn"] = "itemknn"
    neighbours: int = Field(60, ge=1, title="Neighbours", description="Similar items kept for each item; the user's ratings of them count.")
    shrinkage: float = Field(
        100.0, ge=0, title="Shrinkage", description="Users' worth of pull of a similarity towards 0: few common users, little similarity."
    )
    damping: float = Field(
        0.1,
        ge=0,
        title="Damping",
        description="Similarity of one more neighbour that was rated as expected: few or distant neighbours move a prediction less.",
    )


class MFConfig(_Options):
    """Mean + user bias + item bias + the product of two short vectors, found by alternating least squares."""

    name: Literal["mf"] = "mf"
    rank: int = Field(32, ge=1, le=512, title="Rank", description="Numbers in each user's and each item's vector.")
    regularisation: float = Field(
        0.08, ge=0.001, title="Regularisation", description="λ, times the number of ratings of the user or item whose vector it holds back."
    )
    rounds: int = Field(15, ge=1, le=1000, title="Rounds", description="Times that all users' and then all items' vectors are solved for.")


ModelConfig = Annotated[
    AutoencoderConfig
    | VAEConfig
    | SparseFCConfig
    | GLocalKConfig
    | WeightedBCEConfig
    | CDAEConfig
    | MultDAEConfig
    | MultVAEConfig
    | RecVAEConfig
    | ELSAConfig
    | EaseConfig
    | ItemKNNConfig
    | MFConfig
    | SVDPPConfig
    | SVDConfig
    | BiasConfig
    | MeanConfig
    | PopularityConfig,
    Field(discriminator="name"),
]


def parameter_count(config: AutoencoderConfig, n_columns: int, n_features: int = 0) -> int:
    """Number of weights and biases of an autoencoder, variational or not, for rows of this width, without building it.

    Args:
        n_features: what is known of a user, one-hot; counts where the model reads it.
    """
    widths = [n_columns, *config.layers]
    matrices = sum(a * b for a, b in pairwise(widths))
    count = matrices * (1 if config.tied else 2) + sum(widths[1:]) + sum(widths[:-1])
    if config.user_features:
        count += n_features * config.layers[0]
    if isinstance(config, VAEConfig):  # the spread of the code has a matrix and biases of its own
        count += (config.layers[-2] + 1) * config.layers[-1]
    return count


SPARSE_COST = 8.0
"""What a multiplication costs at a stored entry, in multiplications inside a dense product, roughly."""


def epoch_work(config: AutoencoderConfig, shape: tuple[int, int], ratings: int, refeed_steps: int) -> float:
    """What an epoch of an autoencoder costs, in dense multiplications, to compare the times of two networks on one machine.

    The first and the last layer touch rated entries alone; a re-fed pass is dense.

    Args:
        shape: users and items.
        ratings: that it learns from.
    """
    rows, columns = shape if config.orientation == "user" else shape[::-1]
    inner = 2 * sum(a * b for a, b in pairwise(config.layers))
    return 2 * SPARSE_COST * ratings * config.layers[0] + rows * (inner + refeed_steps * (2 * columns * config.layers[0] + inner))
