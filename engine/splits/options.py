"""What can be chosen of each split scheme. The docstring of a class stands beside the scheme on pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.errors import InputError


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(
        0, ge=0, le=2**53 - 1, title="Split seed", description="Draws the held-out ratings; the same seed holds out the same ones."
    )


class Fractions(_Options):
    """Schemes that hold out shares of something."""

    test: float = Field(0.1, gt=0, lt=1, title="Test share", description="Share of the ratings that is read once, at the end.")
    validation: float = Field(
        0.1, gt=0, lt=1, title="Validation share", description="Share of the remaining ratings by which epochs and settings are chosen."
    )


class RandomOptions(Fractions):
    """Ratings drawn uniformly from the whole dataset."""

    kind: Literal["random"] = "random"


class StratifiedOptions(Fractions):
    """Ratings drawn uniformly within each user, so that every user keeps the same share."""

    kind: Literal["stratified"] = "stratified"


class KFoldOptions(_Options):
    """Cross-validation: all ratings are dealt into folds of one size; one fold is the test. Runs of all folds test each rating once."""

    kind: Literal["kfold"] = "kfold"
    folds: int = Field(5, ge=2, le=1000, title="Folds", description="Parts of equal size that the ratings are dealt into, at random.")
    fold: int = Field(0, ge=0, title="Test fold", description="The fold that is read once, at the end; the first is 0.")
    validation: float = Field(
        0.1, gt=0, lt=1, title="Validation share", description="Share of the other folds' ratings by which epochs and settings are chosen."
    )
    stratified: bool = Field(
        False, title="Within each user", description="Deal each user's ratings by themselves, so that every fold has its part of them."
    )

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, but the {self.folds} folds count from 0 to {self.folds - 1}: lower it, or raise folds")
        return self


class TimeOptions(_Options):
    """Everything up to a moment is for training; what came later is halved at random into validation and test."""

    kind: Literal["time"] = "time"
    quantile: float = Field(0.8, gt=0, lt=1, title="Train up to quantile", description="Quantile of the timestamps at which training ends.")


class WindowsOptions(_Options):
    """Two windows of time: the first is for training, the second is halved at random into validation and test, the rest is left out."""

    kind: Literal["windows"] = "windows"
    train_from: date | None = Field(
        None, title="Train from", description="First day of the training window, like 1999-12-01; from the first rating when empty."
    )
    test_from: date | None = Field(
        None, title="Test from", description="First day of validation and test, like 2005-12-01; training ends the day before."
    )
    test_until: date | None = Field(
        None, title="Test until", description="Last day of validation and test, like 2005-12-31; to the last rating when empty."
    )

    @field_validator("train_from", "test_from", "test_until", mode="before")
    @classmethod
    def _written_as_a_day(cls, given: Any) -> Any:
        # pydantic alone would read 2015 as so many seconds since 1970.
        if given is None or given == "":
            return None
        if isinstance(given, date) and not isinstance(given, datetime):
            return given
        try:
            return date.fromisoformat(given)
        except (TypeError, ValueError):
            raise ValueError("a day is written like 2005-12-31") from None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = {name: getattr(self, name) for name in ("train_from", "test_from", "test_until")}
        if days["train_from"] and days["test_from"] and days["train_from"] >= days["test_from"]:
            raise ValueError(f"train_from ({days['train_from']}) must be before test_from ({days['test_from']})")
        if days["test_from"] and days["test_until"] and days["test_from"] > days["test_until"]:
            raise ValueError(f"test_until ({days['test_until']}) must not be before test_from ({days['test_from']})")
        return self


class LastOptions(Fractions):
    """Each user's latest ratings are held out. Other users' later ratings stay in training, so time leaks across users."""

    kind: Literal["last"] = "last"


class LeaveLastOptions(_Options):
    """Each user's latest k ratings are test, the k before validation. Others' later ones stay in training, so time leaks across users."""

    kind: Literal["leave-last"] = "leave-last"
    k: int = Field(
        1, ge=1, le=10_000, title="Test ratings per user", description="Of users with more than twice as many; all others only train."
    )


class UsersOptions(Fractions):
    """Strong generalisation: whole users are held out; a model sees the fold-in part of their ratings, never in training."""

    kind: Literal["users"] = "users"
    test: float = Field(0.1, gt=0, lt=1, title="Test users", description="Share of the users that is held out for the test.")
    validation: float = Field(
        0.1, gt=0, lt=1, title="Validation users", description="Share of the remaining users held out for validation."
    )
    fold_in: float = Field(
        0.8, gt=0, lt=1, title="Fold-in share", description="Share of a held-out user's ratings that the model is shown."
    )
    hidden_per_user: int = Field(
        0,
        ge=0,
        le=10_000,
        title="Hidden per held-out user",
        description="Exactly so many ratings of each held-out user are hidden, at random; 0 = by the fold-in share. "
        "Nothing is hidden of users who have no more than that.",
    )


class PredefinedOptions(_Options):
    """The test file that came with the dataset; validation is drawn uniformly from the rest."""

    kind: Literal["predefined"] = "predefined"
    validation: float = Field(0.1, gt=0, lt=1, title="Validation share", description="Share of the published training ratings.")


SplitConfig = Annotated[
    RandomOptions
    | StratifiedOptions
    | KFoldOptions
    | TimeOptions
    | WindowsOptions
    | LastOptions
    | LeaveLastOptions
    | UsersOptions
    | PredefinedOptions,
    Field(discriminator="kind"),
]

TIMED = ("time", "windows", "last", "leave-last")
"""Schemes that need timestamps."""


def check_options(options: SplitConfig, name: str, has_timestamps: bool) -> None:
    """Answers what would fail for sure on data called `name`, without reading any ratings.

    Raises:
        InputError: the scheme needs timestamps that the data lacks, or the windows lack the day that parts them.
    """
    if options.kind in TIMED and not has_timestamps:
        raise InputError(f"{name} has no timestamps, so split.kind={options.kind} is not possible: use 'random', 'stratified' or 'users'.")
    if options.kind == "windows" and options.test_from is None:
        raise InputError("split.test_from is missing: split.kind=windows needs the first day of validation and test, like 2005-12-01.")
