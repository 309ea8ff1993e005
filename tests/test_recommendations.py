"""Lists and figures about one user: what they hold, and that both models are judged on the same pairs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine import experiment, runs
from engine.config import merge, parse
from engine.errors import InputError
from engine.evaluation import evaluate_ratings
from engine.interactions import from_frame
from engine.metrics import rmse_difference
from engine.recommendations import for_new_user, for_user, held_out_pairs, read_ratings, serve
from engine.recommendations.service import _difference
from engine.settings import settings
from engine.splits import LABELS
from engine.store import RunStore

SMALL = {
    "preprocessing": {"sample_users": 120, "sample_items": 150},
    "model": {"layers": [12]},
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"max_rank": 3},
}


def trained(changes=None) -> experiment.TrainedRun:
    here = settings()
    store = RunStore(here.store_url, here.artifacts)
    made = store.create(parse(merge(SMALL, changes or {})).model_dump(mode="json"))
    runs.execute(made.id, store)
    return experiment.load_model(made.id, store)


@pytest.fixture
def one() -> experiment.TrainedRun:
    return trained()


@pytest.mark.parametrize("changes", [{}, {"model.orientation": "item"}, {"model.name": "popularity"}], ids=str)
def test_both_lists_leave_out_what_is_seen_and_count_what_they_share(changes):
    one = trained(changes)
    user = str(one.split.interactions.users.index[5])
    lists = for_user(one, user, 10)
    seen = {entry["item"] for entry in lists["history"]}
    names = {name: [entry["item"] for entry in lists[name]] for name in ("recommendations", "svd")}
    assert not seen & {*names["recommendations"], *names["svd"]}
    assert lists["overlap"] == len({*names["recommendations"]} & {*names["svd"]})
    counts = np.bincount(one.split.train.indices, minlength=one.split.interactions.n_items)
    for name, other in (("recommendations", "svd"), ("svd", "recommendations")):
        assert lists["hits"][name] == sum(entry["hit"] for entry in lists[name])
        popularity = [int(counts[one.split.interactions.item_position(item)]) for item in names[name]]
        assert [entry["popularity"] for entry in lists[name]] == popularity
        assert lists["popularity"][name] == pytest.approx(np.mean(popularity))
        for entry in lists[name]:
            inside = entry["item"] in names[other]
            assert (entry["other"] <= 10) == inside
            assert not inside or names[other][entry["other"] - 1] == entry["item"]


def test_taste_is_the_genres_mean_minus_the_users_mean(one):
    lists = for_user(one, str(one.split.interactions.users.index[0]), 3)
    ratings = [entry["rating"] for entry in lists["history"]]
    assert lists["mean"] == pytest.approx(np.mean(ratings)) and ratings == sorted(ratings, reverse=True)
    differences = [entry["difference"] for entry in lists["taste"]]
    assert differences == sorted(differences, reverse=True)
    for entry in lists["taste"]:
        some = [rated["rating"] for rated in lists["history"] if entry["genre"] in rated["genres"].split("|")]
        assert len(some) == entry["ratings"]
        assert entry["difference"] == pytest.approx(np.mean(some) - np.mean(ratings))


def test_the_pairs_of_all_users_together_give_the_runs_own_figures(one):
    service, split = serve(one), one.split
    squares = np.square(service.predicted - service.actual.data, dtype=np.float64)
    expected = 0.0
    for part in (split.validation, split.test):
        expected += evaluate_ratings(one.model, split.visible, part, split.interactions.scale)["rmse"] ** 2 * part.nnz
    assert squares.sum() == pytest.approx(expected, rel=1e-5)
    assert service.actual.nnz == split.validation.nnz + split.test.nnz


def test_best_served_has_the_lowest_rmse_among_those_with_enough_pairs(one):
    service, index = serve(one), one.split.interactions.users.index
    told = [held_out_pairs(one, service, str(index[row])) for row in service.order]
    errors = [user["rmse"] for user in told]
    np.testing.assert_allclose(errors, np.sort(errors), rtol=1e-5)
    assert [user["place"] for user in told] == [*range(1, len(told) + 1)]
    assert min(len(user["pairs"]) for user in told) >= service.least >= 1
    best = told[0]
    predicted, rated = (np.array([pair[name] for pair in best["pairs"]]) for name in ("predicted", "rating"))
    assert best["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - rated) ** 2)))
    assert best["difference"][0] == pytest.approx(best["rmse"] - best["svd_rmse"], abs=1e-6)
    assert best["liked"] == (rated >= 4).sum()


def test_a_user_without_held_out_ratings_has_no_figures(one):
    service = serve(one)
    bare = np.flatnonzero(service.counts == 0)
    assert len(bare), "the sample has such a user"
    told = held_out_pairs(one, service, str(one.split.interactions.users.index[bare[0]]))
    assert told == {"pairs": [], "liked": 0, "rmse": None, "svd_rmse": None, "difference": None, "place": None}


def test_a_model_that_only_ranks_has_no_rmse_but_users_in_order():
    one = trained({"model.name": "popularity"})
    service = serve(one)
    told = held_out_pairs(one, service, str(one.split.interactions.users.index[service.order[0]]))
    assert service.predicted is None and told["rmse"] is None and told["difference"] is None
    assert told["place"] == 1 and told["svd_rmse"] > 0 and all(pair["predicted"] is None for pair in told["pairs"])


def test_few_pairs_make_the_interval_wider_and_many_leave_it():
    draw = np.random.default_rng(0)
    for n, factor in ((2, 18.3), (4000, 1.0)):
        errors, other = draw.standard_normal(n), draw.standard_normal(n)
        plain, wide = rmse_difference(errors, other, np.arange(n)), _difference(errors, other)
        assert wide[0] == plain[0]
        assert wide[1] / plain[1] == pytest.approx(factor, rel=0.01) if n > 2 else wide[1] / plain[1] > 6


def test_written_ratings_are_read_by_title_or_id(one, tmp_path):
    data = one.split.interactions
    first, second = str(data.titles[0]), str(data.items.index[1])
    text = f'title,rating\n"{first}",4.5\n\n{second}\t2\n{data.titles[2]}; 3\n'
    ratings = read_ratings(text, data)
    assert ratings == {0: 4.5, 1: 2.0, 2: 3.0}
    lists = for_new_user(one, ratings, 4)
    assert lists["held_out"] == [] and lists["mean"] == pytest.approx(9.5 / 3)
    file = tmp_path / "mine.csv"
    file.write_text("\ufeff" + text, encoding="utf-8")
    assert read_ratings(file, data) == read_ratings(file.read_bytes(), data) == ratings


def test_the_first_line_of_a_file_without_header_counts(one):
    data = one.split.interactions
    assert read_ratings(f"{data.items.index[0]},4\n{data.items.index[1]},2\n", data) == {0: 4.0, 1: 2.0}


def test_a_header_says_which_of_many_columns_are_meant(one):
    data = one.split.interactions
    rows = "".join(f'7,{data.items.index[item]},{item + 2},"a, b"\n' for item in range(2))
    assert read_ratings(f"userId,movieId,rating,note\n{rows}", data) == {0: 2.0, 1: 3.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rating in it"),
        ("title,rating\n", "no rating in it"),
        ("a,1\nb,many", "No item 'a'"),
        ("{first},many\n{first},4", "Line 1, .* is not a title or id"),
        ("title,rating\n{first},many", "Line 2, .* is not a title or id"),
        ("{first},500", "Line 1: 500 is not on the scale"),
        ("{first},nan", "Line 1, .* is not a title or id"),
        ("{first},4\n5", "Line 2, '5', is not"),
        ("user,item,rating\n1,2", "Line 2, '1,2', is not"),
    ],
)
def test_bad_written_ratings_are_answered_in_a_sentence(one, text, words):
    data = one.split.interactions
    with pytest.raises(InputError, match=words):
        read_ratings(text.format(first=data.titles[0]), data)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "There is no file"), (b"", "no rating in it"), (b"\x00\x01PK", "UTF-8"), (b"\xff,4", "UTF-8")]
)
def test_a_file_that_cannot_be_read_is_answered_in_a_sentence(one, tmp_path, content, words):
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_ratings(file, one.split.interactions)
    with pytest.raises(InputError, match="cannot be read"):
        read_ratings(tmp_path, one.split.interactions)


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_the_test_part_is_not_read_before_the_run_has_finished(one, state):
    early = replace(one, run=replace(one.run, state=state))
    service, finished = serve(early), serve(one)
    assert (service.parts, finished.parts) == (("validation",), ("validation", "test"))
    assert service.actual.nnz == one.split.validation.nnz
    names = one.split.interactions.users.index
    row = int(np.flatnonzero(np.diff(one.split.test.indptr))[0])
    test = {str(one.split.interactions.items.index[item]) for item in one.split.test[[row]].indices}
    held_out = {entry["item"] for entry in for_user(early, str(names[row]), 5)["held_out"]}
    assert not held_out & test
    assert test <= {entry["item"] for entry in for_user(one, str(names[row]), 5)["held_out"]}
    assert not {pair["item"] for pair in held_out_pairs(early, service, str(names[row]))["pairs"]} & test


def test_a_user_without_visible_ratings_has_an_empty_history(one):
    split = one.split
    data = split.interactions
    bare = replace(one, split=replace(split, labels=np.where(data.rows == 3, LABELS["validation"], split.labels).astype(np.int8)))
    lists = for_user(bare, str(data.users.index[3]), 5)
    assert (lists["history"], lists["mean"], lists["taste"]) == ([], None, [])
    assert len(lists["recommendations"]) == 5


FILMS = from_frame(
    "films",
    pd.DataFrame({"user": 1, "item": [1, 2, 3, 4], "rating": [1.0, 2, 3, 5]}),
    items=pd.DataFrame({"title": ["Matrix, The (1999)", "Godfather, The (1972)", "Heat (1995)", "Heat (1986)"]}, index=[1, 2, 3, 4]),
)


@pytest.mark.parametrize(("said", "item"), [("The Matrix", 0), ("matrix", 0), ("godfather (1972)", 1), ("Heat (1986)", 3), ("3", 2)])
def test_titles_are_found_as_people_say_them(said, item):
    assert read_ratings(f"{said}, 4", FILMS) == {item: 4.0}


@pytest.mark.parametrize(
    ("said", "words"), [("Heat", "'Heat \\(1995\\)' or 'Heat \\(1986\\)'"), ("The Godfathr", "'Godfather, The \\(1972\\)'")]
)
def test_a_title_that_is_none_or_several_is_asked_back(said, words):
    with pytest.raises(InputError, match=words):
        read_ratings(f"{said}, 4", FILMS)
