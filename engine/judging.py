"""What one run is told about itself: metrics of its model on held-out ratings, with the baselines on the same pairs beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from engine.config import RunConfig
from engine.errors import InputError
from engine.evaluation import Judged, Predictions, by_activity, evaluate_ranking, evaluate_ratings, judge, predict, rates
from engine.metrics import bootstrap_rmse, rating_metrics, rmse_difference
from engine.models.contract import ClosedForm, Recommender
from engine.splits import Split

NOT_A_NUMBER = dict.fromkeys(("rmse", "rmse_clipped", "rmse_user_mean", "mae", "difference/svd", "difference/svd_interval"), math.nan)
OF_RATINGS = ("rmse", "mae")
"""How names of metrics begin that are errors of predicted ratings."""


class Judge:
    """Judges models on one split, under one configuration; where all ratings are alike, by their rankings alone.

    Args:
        baselines: fitted models by name, `svd` among them.

    Raises:
        InputError: all ratings are alike, and `training.monitor` names an error of ratings.
    """

    def __init__(self, split: Split, config: RunConfig, baselines: Mapping[str, ClosedForm]) -> None:
        if split.interactions.one_class:
            refuse_rating_errors(config)
        self.split, self.options, self.training, self.baselines = split, config.evaluation, config.training, baselines
        self.judged: dict[str, Judged] = {}

    @cached_property
    def liked(self) -> float:
        """The rating from which on a held-out item counts as a hit; by itself, all of ratings that are all alike."""
        if self.options.liked is None and self.split.interactions.one_class:
            return float(self.split.interactions.ratings.data[0])
        return 0.8 * self.split.interactions.scale[1] if self.options.liked is None else self.options.liked

    def monitor(self, model: Recommender) -> str:
        """Name of the validation metric that picks this model's best epoch."""
        chosen = self.training.monitor
        if chosen == "auto":
            chosen = "rmse" if self.rates(model) else "ndcg"
        return f"{chosen}@{self.options.k}" if chosen in ("ndcg", "recall") else chosen

    def validate(self, model: Recommender) -> dict[str, float]:
        """What is measured after every epoch: rating metrics and the difference to SVD's, and the ranking where it is what counts."""
        metrics = self._rating(model) if self.rates(model) else {}
        if self.ranks(model):
            metrics |= self._ranking(model)
        return metrics

    def ranks(self, model: Recommender) -> bool:
        """Whether this model's epochs are chosen by a ranking."""
        return not self.monitor(model).startswith(OF_RATINGS)

    def rates(self, model: Recommender) -> bool:
        """Whether this model is judged by the ratings that it predicts."""
        return rates(model, self.split.interactions)

    def _ranking(self, model: Recommender) -> dict[str, float]:
        pairwise = self.monitor(model).startswith("pairwise")
        found = evaluate_ranking(model, self.split, "validation", ks=self.options.cutoffs, liked=self.liked, pairwise=pairwise)
        if not found:
            raise InputError(f"No validation rating is {self.liked:g} or higher, so no ranking can pick an epoch: lower evaluation.liked.")
        return found

    def _rating(self, model: Recommender) -> dict[str, float]:
        pairs = predict(model, self.split.visible, self.split.validation)
        if not np.isfinite(pairs.predicted).all():
            return dict(NOT_A_NUMBER)
        difference, interval = rmse_difference(pairs.errors, self._svd_pairs.errors, pairs.users)
        return self._metrics(pairs) | {"difference/svd": difference, "difference/svd_interval": interval}

    @cached_property
    def _svd_pairs(self) -> Predictions:
        return predict(self.baselines["svd"], self.split.visible, self.split.validation)

    def _metrics(self, pairs: Predictions) -> dict[str, float]:
        return rating_metrics(pairs.predicted, pairs.actual, pairs.users, self.split.interactions.scale)

    def baselines_on_validation(self, model: Recommender) -> dict[str, dict[str, Any]]:
        """Validation metrics of each baseline, of the kinds by which `model` is judged."""
        found: dict[str, dict[str, Any]] = {}
        for name, baseline in self.baselines.items():
            metrics: dict[str, float] = {}
            if self.rates(baseline):
                pairs = self._svd_pairs if name == "svd" else predict(baseline, self.split.visible, self.split.validation)
                metrics = self._metrics(pairs)
            if self.ranks(model):
                metrics |= self._ranking(baseline)
            found[name] = {**rank_of(baseline), "validation": metrics}
        return found

    def conclude(self, model: Recommender, part: str) -> dict[str, dict[str, float]]:
        """Metrics of the model and of each baseline on the same pairs of one part; to be called for the test part once."""
        self.judged = {"model": self._judge(model, part), **{name: self._judge(other, part) for name, other in self.baselines.items()}}
        return {name: one.metrics for name, one in self.judged.items()}

    def _judge(self, model: Recommender, part: str) -> Judged:
        return judge(model, self.split, part, ks=self.options.cutoffs, liked=self.liked, pairwise=self.options.pairwise)

    def compare(self, model: Recommender) -> dict[str, Any]:
        """What the errors of a model that is judged by its ratings tell beyond the metrics, after the test part was concluded.

        Returns:
            `difference` of the test RMSE to SVD's with the half-width of its interval; `by_activity` of the user; `reconstruction`: the
            errors on training ratings, and `reconstruction_mse` with every rating as input and as target: no predictions; `held_out`
            where nothing was chosen on validation ratings: the errors on these and the test ratings together.
        """
        mine, svd = self.judged["model"].pairs, self.judged["svd"].pairs
        if mine is None or svd is None:
            return {}
        difference, interval = rmse_difference(mine.errors, svd.errors, mine.users)
        counts = {"pairs": len(mine.users), "users": len(np.unique(mine.users))}
        return {
            "difference": {"svd": [difference, interval], **counts},
            "reconstruction": self._reconstruction(model),
            "by_activity": by_activity(mine, np.diff(self.split.visible.indptr), scale=self.split.interactions.scale),
            "held_out": self._held_out(model, mine),
        }

    def _held_out(self, model: Recommender, test: Predictions) -> dict[str, float]:
        """Global RMSEs and the 95 % interval of the clipped one; nothing where an epoch was picked or the model was refitted."""
        if self.training.keep != "last" or self.training.refit or self.training.patience:
            return {}
        other = predict(model, self.split.visible, self.split.validation)
        pairs = Predictions(*(np.concatenate(both) for both in zip(vars(other).values(), vars(test).values(), strict=True)))
        value, low, high = bootstrap_rmse(self._clipped(pairs), pairs.users)
        sizes = {"held_out_pairs": len(pairs.users), "held_out_users": len(np.unique(pairs.users))}
        ends = {"held_out_rmse_clipped_low": low, "held_out_rmse_clipped_high": high}
        return {"held_out_rmse": self._metrics(pairs)["rmse"], "held_out_rmse_clipped": value, **ends, **sizes}

    def per_user(self) -> dict[str, dict[str, np.ndarray]]:
        """What was concluded of the model, so that it can be compared with others later.

        Returns:
            `errors` of a model that is judged by its ratings: of each test pair clipped and not, with the user's position and a
            number that the pair has in every split; `ranking`: of each user with a liked item, his number and every metric.
        """
        test, found = self.judged["model"], {}
        users, items = (
            pd.util.hash_array(table.index.to_numpy()) for table in (self.split.interactions.users, self.split.interactions.items)
        )
        if test.pairs is not None:
            of_pairs = users[test.pairs.users] ^ (items[self.split.test.indices] * np.uint64(3))
            errors = {"errors": self._clipped(test.pairs), "unclipped": test.pairs.errors}
            found["errors"] = {**errors, "users": test.pairs.users, "pairs": of_pairs.view(np.int64)}
        if test.ranked is not None:
            values = {name: each.astype(np.float32) for name, each in test.ranked.values.items()}
            found["ranking"] = {"users": users[test.ranked.users].view(np.int64), **values}
        return found

    def _clipped(self, pairs: Predictions) -> np.ndarray:
        return np.clip(pairs.predicted, *self.split.interactions.scale) - pairs.actual

    def _reconstruction(self, model: Recommender) -> dict[str, float]:
        visible, everything = self.split.visible, self.split.interactions
        shown = evaluate_ratings(model, visible, visible, everything.scale, "reconstruction")
        leaky = predict(model, everything.ratings, everything.ratings, "reconstruction").errors
        return shown | {"reconstruction_mse": float(np.mean(np.square(leaky, dtype=np.float64)))}


def refuse_rating_errors(config: RunConfig) -> None:
    """For data whose ratings are all alike. Raises InputError when an error of ratings is to pick the best epoch."""
    if config.training.monitor.startswith(OF_RATINGS):
        raise InputError(
            f"All ratings are alike here, so training.monitor={config.training.monitor} tells nothing: use auto, ndcg, recall or "
            "pairwise_random."
        )


def rank_of(baseline: Recommender) -> dict[str, int]:
    """{"rank": r} of an SVD, nothing of others."""
    rank = getattr(baseline.config, "rank", None)
    return {} if rank is None else {"rank": rank}
