"""What one run is told about itself: metrics of its model on held-out ratings, with the baselines on the same pairs beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.errors import InputError
from engine.evaluation import Predictions, by_activity, evaluate, evaluate_ranking, evaluate_ratings, predict, rates
from engine.metrics import rating_metrics, rmse_difference
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
        return evaluate_ranking(model, self.split, "validation", ks=self.options.cutoffs, liked=self.liked, pairwise=pairwise)

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

    def conclude(self, model: Recommender, part: str) -> dict[str, Any]:
        """Metrics of the model and of each baseline on the same pairs of one part; to be called for the test part once."""
        return {"model": self._every(model, part), **{name: self._every(baseline, part) for name, baseline in self.baselines.items()}}

    def _every(self, model: Recommender, part: str) -> dict[str, float]:
        return evaluate(model, self.split, part, ks=self.options.cutoffs, liked=self.liked, pairwise=self.options.pairwise)

    def compare(self, model: Recommender) -> dict[str, Any]:
        """What the errors of a model that is judged by its ratings tell beyond the metrics.

        Returns:
            `difference` of the test RMSE to SVD's with the half-width of its interval; `by_activity` of the user; `reconstruction`: the
            errors on training ratings, and `reconstruction_mse` with every rating as input and as target: no predictions.
        """
        if not self.rates(model):
            return {}
        mine, svd = self.test_pairs(model), self.test_pairs(self.baselines["svd"])
        difference, interval = rmse_difference(mine.errors, svd.errors, mine.users)
        counts = {"pairs": len(mine.users), "users": len(np.unique(mine.users))}
        return {
            "difference": {"svd": [difference, interval], **counts},
            "reconstruction": self._reconstruction(model),
            "by_activity": by_activity(mine, np.diff(self.split.visible.indptr), scale=self.split.interactions.scale),
        }

    def test_pairs(self, model: Recommender) -> Predictions:
        return predict(model, self.split.visible, self.split.test)

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
