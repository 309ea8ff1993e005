"""A model is never judged on what it is shown."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from engine.evaluation import LeakError, choose_rank, evaluate, evaluate_ranking, evaluate_ratings, predict
from engine.interactions import from_frame
from engine.models import MeanConfig, PopularityConfig
from engine.models.baselines import Mean, Popularity
from engine.models.contract import ClosedForm
from engine.splits import LABELS, RandomOptions, Split, make_split


class Copier(ClosedForm):
    """Puts out its input, and the training mean where it sees nothing: the best that reconstruction can do."""

    def fit(self, train):
        self.learned = {"mean": np.array([train.data.mean()], np.float32)}

    def score(self, visible, users):
        rows = visible[users]
        scores = np.full(rows.shape, self.learned["mean"][0], np.float32)
        scores[np.repeat(np.arange(len(users)), np.diff(rows.indptr)), rows.indices] = rows.data
        return scores


@pytest.fixture
def split():
    """A 40 × 30 block of checkerboard taste: user and item of one colour means 5, else 1; 60 % observed."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((40, 30)) < 0.6)
    frame = pd.DataFrame({"user": user, "item": item, "rating": np.where(user % 2 == item % 2, 5.0, 1.0)})
    return make_split(from_frame("checkerboard", frame), RandomOptions(test=0.2, validation=0.2))


def fitted(model_class, config, split):
    model = model_class(config, *split.train.shape)
    model.fit(split.train)
    return model


def test_a_planted_leak_is_caught(split):
    copier = fitted(Copier, MeanConfig(), split)
    leaky = split.visible + split.validation
    with pytest.raises(LeakError, match=f"{split.validation.nnz} of {split.validation.nnz} target ratings"):
        predict(copier, leaky, split.validation)
    with pytest.raises(LeakError):
        evaluate_ratings(copier, leaky, split.validation, (1, 5))


def test_one_leaked_rating_among_all_is_caught(split):
    leaky = split.visible.copy().tolil()
    row, column = next(zip(*split.test.nonzero(), strict=True))
    leaky[row, column] = 1
    with pytest.raises(LeakError, match=r"^1 of"):
        predict(fitted(Copier, MeanConfig(), split), sp.csr_array(leaky), split.test)


def test_a_leaked_zero_is_caught_too():
    visible = sp.csr_array((np.zeros(1, np.float32), [0], [0, 1]), shape=(1, 2))
    model = Mean(MeanConfig(), 1, 2)
    model.learned = {"mean": np.ones(1, np.float32)}
    with pytest.raises(LeakError):
        predict(model, visible, visible)


def test_reconstruction_is_possible_under_its_own_name_only(split):
    copier = fitted(Copier, MeanConfig(), split)
    metrics = evaluate_ratings(copier, split.visible, split.train, (1, 5), "reconstruction")
    assert metrics["reconstruction_rmse"] == 0
    assert all(name.startswith("reconstruction_") for name in metrics)


def test_copying_the_input_is_no_better_than_the_mean(split):
    copier, mean = fitted(Copier, MeanConfig(), split), fitted(Mean, MeanConfig(), split)
    assert evaluate(copier, split, "test", k=5, liked=4)["rmse"] == pytest.approx(evaluate(mean, split, "test", k=5, liked=4)["rmse"])


def test_svd_solves_the_checkerboard_with_one_singular_value(split):
    svd = choose_rank(split, 8)
    test = evaluate(svd, split, "test", k=5, liked=4)
    assert svd.config.rank == 1
    assert test["rmse"] < 1.6 < 1.9 < evaluate(fitted(Mean, MeanConfig(), split), split, "test", k=5, liked=4)["rmse"]
    popular = evaluate(fitted(Popularity, PopularityConfig(), split), split, "test", k=5, liked=4)
    assert test["ndcg@5"] > 1.5 * popular["ndcg@5"]


def test_known_items_leave_the_ranking():
    # Item 0 is everybody's favourite and known to user 0, who likes item 1 in the test: it must rank first for him.
    frame = pd.DataFrame({"user": [0, 0, 0, 1, 1, 1, 2, 2], "item": [0, 1, 2, 0, 1, 2, 0, 1], "rating": 5.0, "published_test": False})
    frame.loc[1, "published_test"] = True
    data = from_frame("favourite", frame, scale=(1, 5))
    labels = np.where(data.published_test, LABELS["test"], LABELS["train"]).astype(np.int8)
    split = Split(data, labels, {})
    model = fitted(Popularity, PopularityConfig(), split)
    assert evaluate_ranking(model, split, "test", k=1, liked=4)["recall@1"] == 1


def test_a_known_zero_leaves_the_ranking_too():
    # User 0 has rated item 0, everybody's favourite, with 0 in validation; item 1 must come first in his test.
    labels = {(0, 0): "validation", (0, 1): "test"}
    pairs = [(0, 0, 0.0), (0, 1, 5.0), (0, 2, 5.0), (1, 0, 5.0), (1, 1, 5.0), (2, 0, 5.0)]
    data = from_frame("zero", pd.DataFrame(pairs, columns=["user", "item", "rating"]), scale=(0, 5))
    split = Split(data, np.array([LABELS[labels.get(pair[:2], "train")] for pair in pairs], np.int8), {})
    model = fitted(Popularity, PopularityConfig(), split)
    assert evaluate_ranking(model, split, "test", k=1, liked=4)["recall@1"] == 1


def test_a_model_that_only_ranks_has_no_rating_metrics(split):
    metrics = evaluate(fitted(Popularity, PopularityConfig(), split), split, "test", k=5, liked=4)
    assert set(metrics) == {"recall@5", "precision@5", "ndcg@5", "coverage@5"}
