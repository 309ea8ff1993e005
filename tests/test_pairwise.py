"""Questions of the pairwise test: drawn, written, read back and answered."""

import gzip

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from engine import pairwise
from engine.errors import InputError
from engine.evaluation import evaluate_ranking
from engine.gathering import from_frame
from engine.models import MODELS, MeanConfig, PopularityConfig
from engine.models.baselines import Mean, Popularity
from engine.pairwise import pairwise_draws, read_pairs, right_difference, sampler_facts, score_pairs, share_right
from engine.splits import LABELS, RandomOptions, Split, make_split

SAMPLERS = ["random", "softmax", "popularity"]


@pytest.fixture(scope="module")
def split():
    """80 users, 50 items, the first items rated by most."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((80, 50)) < np.linspace(0.8, 0.1, 50))
    frame = pd.DataFrame({"user": [f"u{n}" for n in user], "item": [f"i{n}" for n in item], "rating": rng.integers(1, 6, len(user))})
    return make_split(from_frame("popular", frame), RandomOptions(test=0.2, validation=0.2))


def fitted(model_class, config, split):
    model = model_class(config, *split.train.shape)
    model.fit(split.train)
    return model


def cells(split, matrix):
    """Pairs of ids that are stored in a matrix."""
    data = split.interactions
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return set(zip(data.users.index[rows], data.items.index[matrix.indices], strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_item_is_hidden_and_the_other_was_never_rated(split, sampler):
    frame = pairwise_draws(split, "test", sampler, draws=5, seed=1, liked=4)
    liked = split.test.copy()
    liked.data = liked.data >= 4
    liked.eliminate_zeros()
    first = frame["watched"] == "a"
    watched = set(zip(frame["user"], frame["item_a"].where(first, frame["item_b"]), strict=True))
    other = set(zip(frame["user"], frame["item_b"].where(first, frame["item_a"]), strict=True))
    assert watched <= cells(split, liked)
    assert not other & cells(split, split.interactions.ratings)
    assert frame.groupby("user").size().eq(5).all()
    assert frame["user"].nunique() == np.count_nonzero(np.diff(liked.indptr))
    assert 0.4 < first.mean() < 0.6


def test_the_same_seed_draws_the_same_questions(split):
    assert pairwise_draws(split, "test", "random", seed=4).equals(pairwise_draws(split, "test", "random", seed=4))
    assert not pairwise_draws(split, "test", "random", seed=4).equals(pairwise_draws(split, "test", "random", seed=5))


def test_popularity_draws_what_is_popular(split):
    counts = dict(zip(split.interactions.items.index, np.bincount(split.train.indices, minlength=split.train.shape[1]), strict=True))
    means = {}
    for sampler in SAMPLERS:
        frame = pairwise_draws(split, "test", sampler)
        means[sampler] = frame["item_a"].where(frame["watched"] == "b", frame["item_b"]).map(counts).mean()
    assert means["random"] < means["softmax"] < means["popularity"]


def test_a_user_who_rated_everything_is_not_asked_about():
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 2), (2, 0)]
    labels = [LABELS["test"] if pair in ((0, 1), (1, 1)) else LABELS["train"] for pair in pairs]
    split = Split(from_frame("few", pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=1.0)), np.array(labels, np.int8), {})
    assert pairwise_draws(split, "test", "random", draws=3)["user"].tolist() == ["1"] * 3
    assert pairwise_draws(split, "validation", "random").empty


def test_an_unknown_sampler_is_refused(split):
    with pytest.raises(InputError, match=r"Unknown sampler 'popular'\. Did you mean 'popularity'"):
        pairwise_draws(split, "test", "popular")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_many_draws_come_to_the_exact_accuracy(split, sampler):
    model = fitted(Popularity, PopularityConfig(), split)
    exact = evaluate_ranking(model, split, "test", ks=(5,), liked=4, pairwise=True)[f"pairwise_{sampler}"]
    off = []
    for seed in range(8):
        answered = score_pairs(model, split, pairwise_draws(split, "test", sampler, draws=40, seed=seed, liked=4))
        right = (answered["predicted"] == answered["watched"]) + (answered["predicted"] == "tie") / 2
        spread = right.groupby(answered["user"]).agg(["mean", "sem"])
        drawn = share_right(answered)
        assert drawn["accuracy"] == pytest.approx(spread["mean"].mean())
        assert (drawn["pairs"], drawn["shown"]) == (len(answered), 0)
        off.append((drawn["accuracy"] - exact) / (np.sqrt((spread["sem"] ** 2).sum()) / len(spread)))
    # In units of the error of drawing, the users being the same.
    assert max(map(abs, off)) < 4
    assert abs(np.mean(off)) < 4 / np.sqrt(len(off))


def csv(text):
    return text.replace(" ", "").encode()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (csv("user,item_a,item_b\nu1,i3,i4\nu2,i5,i0\n"), "with.csv"),
        (csv("u1,i3,i4\nu2,i5,i0\n"), "without.csv"),
        (csv("u1;i3;i4\r\nu2;i5;i0\r\n"), "semicolons.csv"),
        (b"User ID,Item1,Item2\nu1, i3,i4 \nu2,i5,i0\n", "spelled.csv"),
        (csv("item_b,rank,item_a,user\ni4,1,i3,u1\ni0,2,i5,u2\n"), "order.csv"),
        (gzip.compress(csv("u1,i3,i4\nu2,i5,i0\n"), mtime=0), "packed.csv.gz"),
    ],
)
def test_files_are_read(split, content, name):
    frame = read_pairs(content, split.interactions, name)
    assert frame.to_dict("list") == {"user": ["u1", "u2"], "item_a": ["i3", "i5"], "item_b": ["i4", "i0"]}


def test_ids_that_look_like_names_of_columns_are_ids():
    data = from_frame("named", pd.DataFrame({"user": ["p", "p", "q"], "item": ["item1", "item2", "item1"], "rating": [1.0, 2, 3]}))
    assert read_pairs(b"p,item1,item2\nq,item1,item2\n", data, "f.csv")["user"].tolist() == ["p", "q"]


def test_what_was_drawn_is_read_back(split, tmp_path):
    drawn = pairwise_draws(split, "test", "popularity", draws=3)
    for path in (tmp_path / "PopularityTest.csv", tmp_path / "PopularityTest.parquet"):
        drawn.to_csv(path, index=False) if path.suffix == ".csv" else drawn.to_parquet(path, index=False)
        pd.testing.assert_frame_equal(read_pairs(path, split.interactions).astype(object), drawn.astype(object))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "user,item_a,item_b\nu1,i3,i4\n\nu999,i5,i0\n",
            "Line 4 of f.csv names user 'u999', which the training data of popular do not hold",
        ),
        ("u1,i3,i4\nu2,i5,x7\n", "Line 2 of f.csv names item 'x7'"),
        ("kunde,film,other\nu1,i3,i4\n", "Line 1 of f.csv names user 'kunde'"),
        ("u1,i3,i4\nu2,i5,i5\n", "Line 2 of f.csv names item 'i5' twice"),
        ("u1,i3\nu2,i5\n", "f.csv has no column item_b: it needs user,item_a,item_b"),
        ("user,first,second\nu1,i3,i4\n", "f.csv has no column item_a"),
        ("user,item_a,item_b\n", "f.csv has column names but no questions"),
        ("u1,i3,i4,a\nu2,i5,i0,c\n", "Line 2 of f.csv has 'c' as watched"),
        (
            "u1,i3,i4\nu2,x7,i0\nu999,i3,i4\n",
            "Line 2 of f.csv names item 'x7', which the training data of popular do not hold; correct or remove it.",
        ),
        (
            "u1,i3,i4\nu2,x7,i0\nu999,i3,i4\nu1,i3,x8\n",
            "Line 2 of f.csv names item 'x7', which the training data of popular do not hold (the first of 2 rows with an unknown item); ",
        ),
        (
            "u998,x7,i0\nu1,x7,i0\nu999,i3,i4\n",
            "Line 1 of f.csv names user 'u998', which the training data of popular do not hold (the first of 2 rows with an unknown user)",
        ),
        ("u1,i3,i4\nu2,i5\n", "Line 2 of f.csv has 2 fields"),
        ("", "f.csv is empty; it needs one line for each question."),
        ("u1\nu2\n", "f.csv has a single column; it needs user, item_a and item_b, separated by"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(split, content, sentence):
    with pytest.raises(InputError) as told:
        read_pairs(content.encode(), split.interactions, "f.csv")
    assert str(told.value).startswith(sentence)
    assert "\n" not in str(told.value)


def test_answers_by_hand():
    # Items 0 to 3 have 3, 2, 1 and 1 training ratings. User 0 is shown items 0 and 1.
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 3), (3, 2)]
    labels = [LABELS["test"] if pair == (0, 2) else LABELS["train"] for pair in pairs]
    split = Split(from_frame("few", pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=1.0)), np.array(labels, np.int8), {})
    frame = pd.DataFrame(
        [("0", "2", "3", "a"), ("1", "3", "1", "a"), ("2", "1", "3", "a"), ("1", "2", "3", "b")],
        columns=["user", "item_a", "item_b", "watched"],
    )
    answered = score_pairs(fitted(Popularity, PopularityConfig(), split), split, frame)
    assert answered["score_a"].tolist() == [1, 1, 2, 1]
    assert answered["score_b"].tolist() == [1, 2, 1, 1]
    assert answered["predicted"].tolist() == ["tie", "b", "a", "tie"]
    assert answered["shown"].tolist() == ["", "b", "b", ""]
    assert "probability_a" not in answered
    # Two questions are about items in the input and left out; user 0 and user 1 have one tie each.
    assert share_right(answered) == {"accuracy": 0.5, "accuracy_se": 0.0, "pairs": 2, "users": 2, "shown": 2}
    assert share_right(answered[:0])["users"] == 0


def test_differences_by_hand():
    columns = ["user", "watched", "predicted", "shown"]
    mine = pd.DataFrame([("u", "a", "a", ""), ("u", "b", "b", ""), ("v", "a", "b", ""), ("w", "a", "a", "a")], columns=columns)
    other = mine.assign(predicted=["a", "tie", "tie", "b"])
    # Per user 1 - 0.75 and 0 - 0.5; the third was asked about what the model has seen.
    assert right_difference(mine, other) == pytest.approx((-0.125, 12.7062 * 0.375), rel=1e-5)
    assert right_difference(mine[:2], other[:2]) is None


def test_what_samplers_draw_by_hand():
    pairs = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 2), (3, 3)]
    data = from_frame("few", pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=1.0))
    facts = sampler_facts(Split(data, np.full(8, LABELS["train"], np.int8), {}))
    softmax = np.exp([1, 0.5, 0.25, 0.25])
    softmax /= softmax.sum()
    assert facts["random"] == pytest.approx({"ratio": 1, "ratings": 2, "top_tenth": 0.25})
    assert facts["popularity"] == pytest.approx({"ratio": 4, "ratings": 22 / 8, "top_tenth": 0.5})
    assert facts["softmax"] == pytest.approx({"ratio": np.exp(0.75), "ratings": softmax @ [4, 2, 1, 1], "top_tenth": softmax[0]})


def test_logits_become_probabilities(split, monkeypatch):
    monkeypatch.setitem(MODELS, "mean", MODELS["mean"]._replace(logits=True))
    frame = pairwise_draws(split, "test", "random", draws=1)
    answered = score_pairs(fitted(Mean, MeanConfig(), split), split, frame)
    assert answered["probability_a"].to_numpy() == pytest.approx(1 / (1 + np.exp(-answered["score_a"].to_numpy())))


def test_answers_do_not_depend_on_order_or_blocks(split, monkeypatch):
    class Rows(Popularity):
        """Scores that tell users apart."""

        def score(self, visible, users):
            return super().score(visible, users) * np.asarray(visible[users].sum(axis=1), np.float32).reshape(-1, 1)

    model = fitted(Rows, PopularityConfig(), split)
    frame = pairwise_draws(split, "test", "random", draws=4)
    answered = score_pairs(model, split, frame)
    monkeypatch.setattr(pairwise, "chunks", lambda users, n_items: np.array_split(users, 9))
    shuffled = score_pairs(model, split, frame.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(shuffled.sort_index(), answered)
    sums = split.visible.sum(axis=1)
    counts = np.bincount(split.train.indices, minlength=split.train.shape[1])
    user, item = (
        index.get_indexer(pd.Index(frame[name]))
        for index, name in ((split.interactions.users.index, "user"), (split.interactions.items.index, "item_a"))
    )
    assert answered["score_a"].to_numpy() == pytest.approx(sums[user] * counts[item])


def test_zero_ratings_count_as_shown():
    data = from_frame("zeros", pd.DataFrame({"user": [0, 0, 1, 1], "item": [0, 1, 0, 1], "rating": [0.0, 5, 5, 5]}), scale=(0, 5))
    split = Split(data, np.array([LABELS["train"], LABELS["test"], LABELS["train"], LABELS["train"]], np.int8), {})
    assert sp.issparse(split.visible)
    frame = pd.DataFrame({"user": ["0"], "item_a": ["0"], "item_b": ["1"]})
    assert score_pairs(fitted(Popularity, PopularityConfig(), split), split, frame)["shown"].tolist() == ["a"]


def test_unknown_ids_in_a_frame_are_refused(split):
    with pytest.raises(InputError, match="Row 2 names item 'nothing'"):
        score_pairs(None, split, pd.DataFrame({"user": ["u1", "u2"], "item_a": ["i1", "i1"], "item_b": ["i2", "nothing"]}))
