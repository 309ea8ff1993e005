"""A model is never judged on what it is shown."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from engine import evaluation
from engine.evaluation import LeakError, Predictions, by_activity, choose_rank, evaluate_ranking, evaluate_ratings, judge, predict, rates
from engine.gathering import from_frame
from engine.models import MeanConfig, PopularityConfig, SVDConfig
from engine.models.baselines import Mean, Popularity
from engine.models.contract import ClosedForm
from engine.models.svd import SVD
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
    assert judge(copier, split, "test", ks=(5,), liked=4).metrics["rmse"] == pytest.approx(
        judge(mean, split, "test", ks=(5,), liked=4).metrics["rmse"]
    )


def test_svd_solves_the_checkerboard_with_one_singular_value(split):
    svd = choose_rank(split, 8)
    test = judge(svd, split, "test", ks=(5,), liked=4).metrics
    assert svd.config.rank == 1
    assert test["rmse"] < 1.6 < 1.9 < judge(fitted(Mean, MeanConfig(), split), split, "test", ks=(5,), liked=4).metrics["rmse"]
    popular = judge(fitted(Popularity, PopularityConfig(), split), split, "test", ks=(5,), liked=4).metrics
    assert test["ndcg@5"] > 1.5 * popular["ndcg@5"]


def test_known_items_leave_the_ranking():
    # Item 0 is everybody's favourite and known to user 0, who likes item 1 in the test: it must rank first for him.
    frame = pd.DataFrame({"user": [0, 0, 0, 1, 1, 1, 2, 2], "item": [0, 1, 2, 0, 1, 2, 0, 1], "rating": 5.0, "published_test": False})
    frame.loc[1, "published_test"] = True
    data = from_frame("favourite", frame, scale=(1, 5))
    labels = np.where(data.published_test, LABELS["test"], LABELS["train"]).astype(np.int8)
    split = Split(data, labels, {})
    model = fitted(Popularity, PopularityConfig(), split)
    assert evaluate_ranking(model, split, "test", ks=(1,), liked=4)["recall@1"] == 1


def test_a_known_zero_leaves_the_ranking_too():
    # User 0 has rated item 0, everybody's favourite, with 0 in validation; item 1 must come first in his test.
    labels = {(0, 0): "validation", (0, 1): "test"}
    pairs = [(0, 0, 0.0), (0, 1, 5.0), (0, 2, 5.0), (1, 0, 5.0), (1, 1, 5.0), (2, 0, 5.0)]
    data = from_frame("zero", pd.DataFrame(pairs, columns=["user", "item", "rating"]), scale=(0, 5))
    split = Split(data, np.array([LABELS[labels.get(pair[:2], "train")] for pair in pairs], np.int8), {})
    model = fitted(Popularity, PopularityConfig(), split)
    assert evaluate_ranking(model, split, "test", ks=(1,), liked=4)["recall@1"] == 1


PER_USER = ("recall", "precision", "ndcg", "map", "novelty")


def test_a_model_that_only_ranks_has_no_rating_metrics(split):
    metrics = judge(fitted(Popularity, PopularityConfig(), split), split, "test", ks=(5,), liked=4).metrics
    assert set(metrics) == {f"{name}@5{error}" for name in PER_USER for error in ("", "_se")} | {"coverage@5"}


@pytest.fixture
def small():
    """Four users, five items. Items 0 to 3 have 4, 3, 2 and 1 training ratings; item 4, which only user 3 rated, has one, too.

    Held out for the test are user 0's items 2 and 3 and user 1's item 3, and a disliked item 4 of user 1; validation is user 2's item 3.
    """
    labels = {(0, 2): "test", (0, 3): "test", (1, 3): "test", (1, 4): "test", (2, 3): "validation"}
    pairs = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 3), (3, 4)]
    frame = pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=[1.0 if pair == (1, 4) else 5.0 for pair in pairs])
    data = from_frame("small", frame, scale=(1, 5))
    return Split(data, np.array([LABELS[labels.get(pair, "train")] for pair in pairs], np.int8), {})


def test_ranking_at_several_cut_offs_by_hand(small):
    # By popularity and without what is known, user 0's list is 2, 3, 4 (hits at 1 and 2) and user 1's is 3, 4 (a hit at 1).
    model = fitted(Popularity, PopularityConfig(), small)
    metrics = evaluate_ranking(model, small, "test", ks=(3, 1, 3), liked=4)
    assert metrics["recall@1"] == metrics["recall@3"] == metrics["ndcg@3"] == metrics["map@3"] == 1
    assert metrics["precision@1"] == 1
    assert metrics["precision@3"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert metrics["precision@3_se"] == pytest.approx(abs(2 / 3 - 1 / 3) / 2)
    assert metrics["coverage@1"] == pytest.approx(2 / 5)
    assert metrics["coverage@3"] == pytest.approx(3 / 5)
    assert [name for name in metrics if name.startswith("recall")] == ["recall@1", "recall@1_se", "recall@3", "recall@3_se"]


def test_novelty_by_hand(small):
    # Of 4 training users 2 rated item 2 and 1 each rated 3 and 4: 1, 2 and 2 bits. User 1's list ends after two items.
    model = fitted(Popularity, PopularityConfig(), small)
    metrics = evaluate_ranking(model, small, "test", ks=(1, 3), liked=4)
    assert metrics["novelty@1"] == pytest.approx((1 + 2) / 2)
    assert metrics["novelty@3"] == pytest.approx(((1 + 2 + 2) / 3 + (2 + 2) / 2) / 2)


def test_each_cut_off_is_what_it_would_be_alone(split):
    model = fitted(Popularity, PopularityConfig(), split)
    together = evaluate_ranking(model, split, "test", ks=(1, 4, 7, 100), liked=4)
    for k in (1, 4, 7, 100):
        alone = evaluate_ranking(model, split, "test", ks=(k,), liked=4)
        assert alone == {name: value for name, value in together.items() if name.split("@")[1].removesuffix("_se") == str(k)}


def test_metrics_do_not_depend_on_how_users_are_cut_into_blocks(split, monkeypatch):
    model = fitted(Popularity, PopularityConfig(), split)
    whole = judge(model, split, "test", ks=(3, 10), liked=4, pairwise=True).metrics
    monkeypatch.setattr(evaluation, "chunks", lambda users, n_items: np.array_split(users, 7))
    assert judge(model, split, "test", ks=(3, 10), liked=4, pairwise=True).metrics == pytest.approx(whole)


def test_pairwise_by_hand(small):
    # Only user 0 has liked test items and an unwatched item: 4, with one training rating, as item 3; item 2 has two.
    model = fitted(Popularity, PopularityConfig(), small)
    metrics = evaluate_ranking(model, small, "test", ks=(1,), liked=4, pairwise=True)
    pairwise = {name: value for name, value in metrics.items() if name.startswith("pairwise")}
    assert pairwise == dict.fromkeys(["pairwise_random", "pairwise_softmax", "pairwise_popularity"], (1 + 0.5) / 2)


def test_the_popularity_test_is_harder_and_the_softmax_test_is_nearly_the_random_one(split):
    model = fitted(Popularity, PopularityConfig(), split)
    metrics = evaluate_ranking(model, split, "test", ks=(5,), liked=4, pairwise=True)
    assert metrics["pairwise_popularity"] < metrics["pairwise_softmax"] < metrics["pairwise_random"]
    assert 0 < metrics["pairwise_random_se"] < 0.1


def test_nobody_with_a_liked_item_means_no_ranking(split):
    assert evaluate_ranking(fitted(Popularity, PopularityConfig(), split), split, "test", ks=(5,), liked=6, pairwise=True) == {}


def test_error_by_activity_by_hand():
    # Users 0 and 1 have seen 3 and 19 ratings, user 2 has seen 20, user 3 none of the groups' least.
    pairs = Predictions(np.array([4.0, 2, 6, 3, 9]), np.array([3.0, 3, 4, 3, 1]), np.array([0, 1, 2, 2, 3]))
    first = {"from": 1, "to": 19, "users": 2, "pairs": 2, "rmse": 1.0}
    second = {"from": 20, "to": 49, "users": 1, "pairs": 2, "rmse": pytest.approx(np.sqrt(2))}
    assert by_activity(pairs, np.array([3, 19, 20, 0])) == [first, second]
    clipped = by_activity(pairs, np.array([3, 19, 20, 0]), edges=(0, 20), scale=(1, 5))
    assert [row["rmse_clipped"] for row in clipped] == [pytest.approx(np.sqrt(18 / 3)), pytest.approx(np.sqrt(1 / 2))]
    assert (clipped[1]["from"], clipped[1]["to"]) == (20, None)


def test_groups_of_activity_add_up_to_the_whole(split):
    pairs = predict(fitted(Mean, MeanConfig(), split), split.visible, split.test)
    groups = by_activity(pairs, np.diff(split.visible.indptr), edges=(1, 8, 12, 13, 100))
    assert sum(group["pairs"] for group in groups) == len(pairs.actual)
    assert sum(group["users"] for group in groups) == len(np.unique(pairs.users))
    whole = np.sqrt(sum(group["pairs"] * group["rmse"] ** 2 for group in groups) / len(pairs.actual))
    assert whole == pytest.approx(evaluate_ratings(fitted(Mean, MeanConfig(), split), split.visible, split.test, (1, 5))["rmse"])


def test_rank_is_chosen_by_ranking_where_all_ratings_are_alike():
    # Two halves of users, each of which rates its half of the items only: one singular value cannot tell them apart.
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 40)) < 0.5)
    frame = pd.DataFrame({"user": user, "item": item, "rating": 1.0})[user % 2 == item % 2]
    split = make_split(from_frame("halves", frame, scale=(0, 1)), RandomOptions(test=0.2, validation=0.2))
    svd = choose_rank(split, 20)
    assert svd.config.centring == "none"
    found = {rank: evaluate_ranking(svd_of(rank, split), split, "validation", ks=(10,), liked=1)["ndcg@10"] for rank in (1, 2, 4, 8, 16)}
    assert svd.config.rank == max(found, key=found.get)
    assert found[1] < 0.9 * found[2]
    assert choose_rank(split, 1).config.rank == 1


@pytest.mark.parametrize("value", [1.0, 3.0])
def test_where_all_ratings_are_alike_only_rankings_are_judged(value):
    user, item = np.nonzero(np.random.default_rng(0).random((30, 20)) < 0.5)
    data = from_frame("alike", pd.DataFrame({"user": user, "item": item, "rating": value}), scale=(1, 5))
    assert data.one_class
    split = make_split(data, RandomOptions(test=0.2, validation=0.2))
    mean = fitted(Mean, MeanConfig(), split)
    assert not rates(mean, data)
    found = judge(mean, split, "test", ks=(5,), liked=value).metrics
    assert "ndcg@5" in found
    assert not [name for name in found if "rmse" in name or "mae" in name]


def test_one_other_rating_makes_errors_mean_something(split):
    assert not split.interactions.one_class
    frame = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 1], "rating": [4.0, 4.0, 4.5]})
    assert not from_frame("two values", frame).one_class
    assert from_frame("one value", frame[:2]).one_class


def svd_of(rank, split):
    return fitted(SVD, SVDConfig(rank=rank, centring="none"), split)
