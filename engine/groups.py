"""One model for one group of users: those who share features, or those who rate alike.

After RaptorMai, "Deep Autoencoder Recommendation" (2019), section 7: "We can not have one autoencoder for every user but what if we can
have one autoencoder for every group of users." There, the men of 25 to 34 in ml-1m; clusters of similar users were left as future work.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.errors import InputError, unknown
from engine.splits import Split, drop_unpredictable

RANK = 20
"""Most singular vectors by which users are compared."""
SHRINKAGE = 5.0
"""Ratings' worth of pull of a bias towards 0."""
VALUES_TOLD = 12


class GroupConfig(BaseModel):
    """Whose ratings the model learns from and is judged by; the held-out pairs of these users are the same as without groups."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: Literal["none", "features", "cluster"] = Field(
        "none",
        title="One model for",
        description="none: all users. features: the users with the features below. cluster: one cluster of users who rate alike.",
    )
    value: str = Field(
        "",
        title="Features of the group",
        description="Like age=25-34,gender=male. The beginning of a value is enough where no other begins so; "
        "of one feature named twice, either value will do.",
    )
    clusters: int = Field(
        4, ge=2, le=1000, title="Clusters", description="By k-means on what the training ratings tell of each user's taste."
    )
    index: int = Field(0, ge=0, title="Cluster", description="Which cluster the model is for; 0 is the largest one.")

    @field_validator("value", mode="before")
    @classmethod
    def _one_text(cls, given: Any) -> Any:
        # A command line reads text with a comma as a list.
        return ",".join(map(str, given)) if isinstance(given, list | tuple) else given

    @field_validator("value")
    @classmethod
    def _names_and_values(cls, value: str) -> str:
        _features(value)
        return value

    @model_validator(mode="after")
    def _cluster_exists(self) -> Self:
        if self.index >= self.clusters:
            raise ValueError(
                f"index is {self.index}, but the {self.clusters} clusters count from 0 to {self.clusters - 1}: lower it, or raise clusters"
            )
        return self


def check_group(config: GroupConfig, name: str, has_features: bool) -> None:
    """Answers what would fail for sure on data called `name`, without reading any ratings.

    Raises:
        InputError: features are asked for, and none is named or the data has none.
    """
    if config.by == "features" and not has_features:
        raise InputError(f"{name} tells nothing about its users, so group.by=features is not possible: use 'cluster', or ml-1m or ml-100k.")
    if config.by == "features" and not config.value.strip():
        raise InputError("group.value is empty: name the features of the group, like age=25-34,gender=male.")


def restrict(split: Split, config: GroupConfig) -> Split:
    """The group's part of a split; `split` itself where there are no groups.

    The split is made before, so the group's held-out pairs are those on which a model of all users is judged too. But for pairs of
    items that nobody of the group rates in training: they are dropped, and `dropped` counts them alone.

    Raises:
        InputError: no user is like that, or too few to train and judge a model.
    """
    if config.by == "none":
        return split
    data = split.interactions
    members = group_of_users(split, config) == (config.index if config.by == "cluster" else 1)
    whose = f"cluster {config.index}" if config.by == "cluster" else config.value
    return drop_unpredictable(
        data.keep(users=members), split.labels[data.per_user(members)], f"The group '{whose}' of {data.name}", "choose a larger group"
    )


def group_of_users(split: Split, config: GroupConfig) -> np.ndarray:
    """The group of each user of the split, int64: by this a whole model's errors can be told apart as well.

    Returns:
        By cluster 0, 1, … from the largest cluster on; by features 1 for users who have them and 0 for the others; without groups 0.

    Raises:
        InputError: no user has the features, a name or value is unknown, or users are too alike for so many clusters.
    """
    data = split.interactions
    check_group(config, data.name, not data.users.columns.empty)
    if config.by == "cluster":
        return _clusters(split, config.clusters)
    if config.by == "features":
        return _with_features(data.users, config.value, data.name).astype(np.int64)
    return np.zeros(data.n_users, np.int64)


def _features(text: str) -> dict[str, list[str]]:
    """{"age": ["25-34"], "gender": ["male"]} from "age=25-34,gender=male"; a value may hold commas."""
    features: dict[str, list[str]] = {}
    for part in re.split(r",(?=[^,=]*=)", text) if text.strip() else []:
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or not value:
            raise ValueError("features are written like age=25-34,gender=male")
        features.setdefault(name, []).append(value)
    return features


def _with_features(users: pd.DataFrame, text: str, name: str) -> np.ndarray:
    """Which users have the features, bool."""
    chosen = np.ones(len(users), bool)
    for feature, values in _features(text).items():
        if feature not in users:
            raise unknown("user feature in group.value", feature, map(str, users.columns))
        own = users[feature].astype(str)
        known = sorted(own[users[feature].notna()].unique())
        chosen &= own.isin([_meant(value, known, feature) for value in values]).to_numpy()
    if not chosen.any():
        raise InputError(f"No user of {name} is {text}: leave one of the features of group.value out.")
    return chosen


def _meant(given: str, known: list[str], feature: str) -> str:
    """The known value that equals or, alone, begins with what was given; 1 is no beginning of 18-24."""
    if given in known:
        return given
    alike = re.compile(re.escape(given) + (r"(?!\d)" if given[-1].isdigit() else ""), re.IGNORECASE)
    fitting = [value for value in known if alike.fullmatch(value)] or [value for value in known if alike.match(value)]
    if len(fitting) == 1:
        return fitting[0]
    near = " or ".join(f"'{value}'" for value in fitting[:2] or difflib.get_close_matches(given, known, n=1))
    told = ", ".join(known[:VALUES_TOLD]) + (", …" if len(known) > VALUES_TOLD else "")
    raise InputError(f"Unknown {feature} in group.value '{given}'. " + (f"Did you mean {near}?" if near else f"Known: {told}."))


def _clusters(split: Split, count: int) -> np.ndarray:
    """Cluster of each user, int64, numbered by falling size: k-means on the directions of the users' codes.

    Codes and centres are learned from the training ratings alone; users held out whole join the nearest centre by their fold-in.
    Codes are scaled to length 1, as else k-means parts those who rate much from those who rate little.
    """
    # Pages read the configuration above, and these take a second to import.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    trains = np.diff(split.train.indptr) > 0
    with threadpool_limits(1):  # Several threads add up in any order, and a user between two clusters would change sides.
        codes = _codes(split, trains)
        distinct = len(np.unique(codes[trains], axis=0))
        if distinct < count:
            raise InputError(f"The users of {split.interactions.name} have {distinct} different tastes: lower group.clusters ({count}).")
        cluster = KMeans(count, n_init=4, random_state=0).fit(codes[trains]).predict(codes)
    by_size = np.argsort(-np.bincount(cluster[trains], minlength=count), kind="stable")
    return np.argsort(by_size)[cluster]


def _codes(split: Split, trains: np.ndarray) -> np.ndarray:
    """Taste of each user [users × at most RANK], float64, length 1: what is visible of him, less biases, on the largest singular vectors.

    Args:
        trains: which users have training ratings; the vectors are theirs.
    """
    from sklearn.preprocessing import normalize
    from sklearn.utils.extmath import randomized_svd

    centred = _residuals(split.train, split.visible)
    *_, right = randomized_svd(centred[trains], RANK, random_state=0)
    return normalize(centred @ right.T)


def _residuals(train: sp.csr_array, visible: sp.csr_array) -> sp.csr_array:
    """The visible ratings less the mean, item biases of the training ratings and then user biases; where ratings are all alike, ones."""
    if np.ptp(train.data) == 0:  # Binarised: which items were rated is all there is.
        return sp.csr_array((np.ones(visible.nnz), visible.indices, visible.indptr), shape=visible.shape)
    mean = train.data.mean(dtype=np.float64)
    sums, counts = (np.bincount(train.indices, weights, minlength=train.shape[1]) for weights in (train.data - mean, None))
    rest = visible.data - mean - (sums / (counts + SHRINKAGE))[visible.indices]
    n_visible = np.diff(visible.indptr)
    users = np.repeat(np.arange(len(n_visible)), n_visible)
    of_user = np.bincount(users, rest, minlength=len(n_visible)) / (n_visible + SHRINKAGE)
    return sp.csr_array((rest - of_user[users], visible.indices, visible.indptr), shape=visible.shape)
