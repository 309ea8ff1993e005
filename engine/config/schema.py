"""What can be set, and what goes together: the sections of a configuration, each field with its range and its explanation."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.datasets import DatasetConfig
from engine.groups import GroupConfig
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, ModelConfig
from engine.preprocessing import PreprocessingConfig
from engine.splits import RandomOptions, SplitConfig

MOST_ITEMS, MOST_CUTOFFS = 10_000, 20


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RefeedConfig(_Section):
    """Dense re-feeding: f(x) is fed back in as a complete row (Kuchaiev & Ginsburg 2017, section 2.2)."""

    steps: int = Field(
        0, ge=0, le=10, title="Re-feeding steps", description="Extra optimizer steps per batch on the network's own output; 0 = off."
    )
    target: Literal["fixed-point", "ratings"] = Field(
        "fixed-point",
        title="Re-feeding target",
        description="fixed-point: f(f(x)) should equal f(x), every entry counts. ratings: f(f(x)) should equal the observed ratings.",
    )
    start_epoch: int = Field(1, ge=1, title="Re-feed from epoch", description="First epoch in which re-feeding is switched on.")
    noise: float = Field(
        0.0, ge=0, title="Re-feeding noise", description="Standard deviation of Gaussian noise added to the re-fed input, in rating units."
    )


class ObjectiveConfig(_Section):
    """The loss on observed ratings: masked MSE."""

    reduction: Literal["rating", "row", "sum"] = Field(
        "rating",
        title="Loss per",
        description="rating: mean over ratings. row: mean over users of their means. sum: over the batch. L2 and learning rate go by it.",
    )


class NoiseConfig(_Section):
    """Noise on the input, in training only; the target stays as it is. For models that predict ratings; the others have their own."""

    kind: Literal["none", "gaussian", "gaussian-once", "dropout", "masking"] = Field(
        "none",
        title="Noise",
        description="gaussian: on the ratings, anew each time. gaussian-once: drawn once, for unobserved entries too. "
        "dropout: inputs become 0, the others grow. masking: ratings are hidden from the input, and still a target.",
    )
    level: float = Field(
        0.1, ge=0, title="Noise level", description="Standard deviation in rating units (gaussian), or a share below 1 (dropout, masking)."
    )

    @model_validator(mode="after")
    def _shares_are_below_1(self) -> Self:
        if self.kind in ("dropout", "masking") and self.level >= 1:
            raise ValueError(f"noise.level is a share under noise.kind={self.kind}: give a number below 1, not {self.level:g}")
        return self


class TrainingConfig(_Section):
    """The optimizer and when to stop."""

    optimizer: Literal["adam", "adamw", "sgd", "lbfgs"] = Field(
        "adam",
        title="Optimizer",
        description="sgd uses the momentum below. lbfgs goes by the curvature of the loss over all rows at once, without a batch size.",
    )
    lr: float = Field(1e-3, gt=0, title="Learning rate", description="Step size of the optimizer.")
    momentum: float = Field(0.9, ge=0, lt=1, title="Momentum", description="Of sgd alone.")
    lbfgs_steps: int = Field(
        20, ge=1, title="Steps of L-BFGS", description="Of lbfgs alone: line searches per epoch. Its memory is empty at each epoch's start."
    )
    weight_decay: float = Field(
        0.0, ge=0, title="Weight decay", description="The optimizer's own decay of all parameters (decoupled in adamw)."
    )
    l2: float = Field(
        0.0,
        ge=0,
        title="L2 on weights",
        description="λ: λ/2 · Σ w² over the weight matrices, not the biases, is added to the loss of each batch.",
    )
    batch_size: int = Field(128, ge=1, title="Batch size", description="Rows (users, or items if item-based) per optimizer step.")
    epochs: int = Field(40, ge=1, title="Epochs", description="Passes over the training rows, at most.")
    patience: int = Field(
        0, ge=0, title="Patience", description="Stop after this many epochs without a better validation metric; 0 = never."
    )
    monitor: Literal[
        "auto",
        "rmse",
        "rmse_clipped",
        "rmse_user_mean",
        "mae",
        "ndcg",
        "recall",
        "pairwise_random",
        "pairwise_softmax",
        "pairwise_popularity",
    ] = Field(
        "auto",
        title="Chosen by",
        description="Validation metric that picks the best epoch, and that patience watches. auto: rmse of models that predict ratings, "
        "NDCG@k of the others.",
    )
    keep: Literal["best", "last"] = Field(
        "best", title="Keep", description="Weights that are tested: of the epoch with the best validation metric, or of the last epoch."
    )
    refit: bool = Field(
        False,
        title="Final refit",
        description="When the best epoch is known, a fresh model is trained on training and validation ratings together for that long, "
        "and that one is tested.",
    )
    seed: int = Field(0, ge=0, le=2**53 - 1, title="Seed", description="Of weights, batches, dropout and noise.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="auto: a CUDA GPU where there is one.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        title="Precision",
        description="Of dense matrix products in training; weights and evaluation are always float32. "
        "auto: bfloat16 where the chip has it and the products are large.",
    )
    path: Literal["auto", "sparse", "dense"] = Field(
        "auto",
        title="Path",
        description="sparse: the first and the last layer compute observed entries only. dense: every entry. Same losses; "
        "auto: the faster one.",
    )
    row_steps: Literal["auto", "on", "off"] = Field(
        "auto",
        title="Row steps",
        description="Adam steps on the rows of items in the batch, and makes up for the others' steps when they are next needed. "
        "auto: where a batch touches few items.",
    )


class EvaluationConfig(_Section):
    """How held-out ratings are judged."""

    k: int = Field(10, ge=1, le=MOST_ITEMS, title="List length", description="Cut-off k of Recall@k, Precision@k and NDCG@k.")
    more_k: tuple[int, ...] = Field((), title="Further list lengths", description="More cut-offs of the same metrics, like 20, 50, 100.")
    pairwise: bool = Field(
        False,
        title="Pairwise accuracy",
        description="How often a held-out liked item scores higher than an unwatched one, drawn uniformly or by popularity.",
    )
    liked: float | None = Field(
        None,
        title="Liked from",
        description="A held-out item counts as a hit from this rating up; empty = four fifths of the highest rating.",
    )
    max_rank: int = Field(
        40,
        ge=1,
        title="Highest SVD rank tried",
        description="The SVD beside each run gets the rank with the best validation RMSE up to this.",
    )

    @field_validator("more_k")
    @classmethod
    def _at_least_one(cls, cutoffs: tuple[int, ...]) -> tuple[int, ...]:
        if min(cutoffs, default=1) < 1:
            raise ValueError(f"a list has at least one item, not {min(cutoffs)}")
        if max(cutoffs, default=1) > MOST_ITEMS or len(cutoffs) > MOST_CUTOFFS:
            raise ValueError(f"at most {MOST_CUTOFFS} lists of at most {MOST_ITEMS:,} items are judged")
        return cutoffs

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Every k, ascending."""
        return tuple(sorted({self.k, *self.more_k}))


class RunConfig(_Section):
    """One run. Sections nest one level deep, and every default is a sensible first try."""

    dataset: DatasetConfig = DatasetConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    split: SplitConfig = RandomOptions()
    group: GroupConfig = GroupConfig()
    model: ModelConfig = AutoencoderConfig()
    refeed: RefeedConfig = RefeedConfig()
    noise: NoiseConfig = NoiseConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _scores_whom_it_is_judged_on(self) -> Self:
        if self.split.kind != "users":
            return self
        if isinstance(self.model, AutoencoderConfig) and self.model.orientation == "item":
            raise ValueError("an item-based autoencoder cannot score held-out users: use another split.kind, or model.orientation=user")
        if not MODELS[self.model.name].folds_in:
            raise ValueError(f"{self.model.name} learns something for each user and cannot score held-out ones: use another split.kind")
        return self

    @model_validator(mode="after")
    def _is_chosen_by_what_it_does(self) -> Self:
        monitor = self.training.monitor
        if not MODELS[self.model.name].rates and monitor.startswith(("rmse", "mae")):
            raise ValueError(f"{self.model.name} predicts no ratings, which training.monitor={monitor} needs: use auto or ndcg")
        return self

    @model_validator(mode="after")
    def _feeds_back_what_can_go_in(self) -> Self:
        if (self.refeed.steps or self.noise.kind != "none") and not MODELS[self.model.name].refeeds:
            able = ", ".join(name for name, entry in MODELS.items() if entry.refeeds)
            raise ValueError(f"noise and re-feeding are for {able}, not for {self.model.name}: set noise.kind=none and refeed.steps=0")
        return self

    @model_validator(mode="after")
    def _lbfgs_sees_one_loss(self) -> Self:
        training = self.training
        if training.optimizer != "lbfgs":
            return self
        # A line search compares losses: each look must be at the same function.
        drawn = self.model.name == "vae" or bool(getattr(self.model, "dropout", False)) or self.noise.kind not in ("none", "gaussian-once")
        if not MODELS[self.model.name].rates or drawn or self.refeed.steps:
            raise ValueError(
                "training.optimizer=lbfgs needs a model that predicts ratings without anything drawn at random: no dropout, no re-feeding, "
                "no vae, and no noise but gaussian-once"
            )
        if training.weight_decay:
            raise ValueError("training.optimizer=lbfgs has no weight decay of its own: use training.l2")
        return self

    @model_validator(mode="after")
    def _row_steps_are_possible(self) -> Self:
        training = self.training
        every_row_moves = training.optimizer != "adam" or training.weight_decay or training.l2 or self.refeed.steps
        if training.row_steps == "on" and (every_row_moves or training.path == "dense"):
            raise ValueError(
                "training.row_steps=on needs adam and the sparse path, without weight decay, L2 and re-feeding: set it to auto"
            )
        return self
