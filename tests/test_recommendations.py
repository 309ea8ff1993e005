"""Lists and figures about one user: what they hold, and that both models are judged on the same pairs."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from engine import experiment, runs
from engine.config import merge, parse
from engine.errors import InputError
from engine.evaluation import evaluate_ratings, recommend
from engine.explain import explain
from engine.gathering import from_frame
from engine.metrics import rmse_difference
from engine.recommendations import (
    SVD,
    Advisor,
    compare,
    for_new_user,
    for_user,
    held_out_pairs,
    known,
    newcomer,
    read_changes,
    read_ratings,
    reasons,
    serve,
    write_changes,
)
from engine.recommendations.lists import places
from engine.recommendations.search import TitleSearch
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
    """Trained once for all tests: nothing changes it."""
    return _trained(json.dumps(changes or {}, sort_keys=True))


@cache
def _trained(changes: str) -> experiment.TrainedRun:
    here = settings()
    store = RunStore(here.store_url, here.artifacts)
    made = store.create(parse(merge(SMALL, json.loads(changes))).model_dump(mode="json"))
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


# --- several models, and what if ---


def advised(**changes) -> Advisor:
    one = trained(changes)
    return Advisor(one.run.id, one)


def person_of(advisor: Advisor, row: int, changes=None):
    return known(advisor.trained.split, str(advisor.data.users.index[row]), changes)


def test_three_models_are_compared_pair_by_pair(one):
    own = Advisor(one.run.id, one)
    ease = Advisor("ease", trained({"model.name": "ease"}))
    models = [own, ease, Advisor(SVD, one)]
    found = compare(models, person_of(own, 5), 10)
    items = {key: [entry["item"] for entry in listed.entries] for key, listed in found.lists.items()}
    assert [*found.lists] == [own.key, "ease", SVD] and not found.refused
    assert found.overlap == {(a, b): len({*items[a]} & {*items[b]}) for a, b in [(own.key, "ease"), (own.key, SVD), ("ease", SVD)]}
    for model in models:
        listed = found.lists[model.key]
        best, scores = recommend(model.model, one.split.visible, 5, 10)
        assert items[model.key] == [str(model.data.items.index[item]) for item in best]
        np.testing.assert_allclose([entry["score"] for entry in listed.entries], scores, rtol=1e-5)
        assert [entry["before"] for entry in listed.entries] == [*range(1, 11)] and not listed.left and not listed.note
        for entry in listed.entries:
            for key, place in entry["places"].items():
                assert key != model.key and (place <= 10) == (entry["item"] in items[key])
                assert place > 10 or items[key][place - 1] == entry["item"]


def test_novelty_is_the_mean_surprise_of_the_metrics(one):
    own = Advisor(one.run.id, one)
    listed = compare([own], person_of(own, 5), 7).lists[own.key]
    raters = np.diff(one.split.train.tocsc().indptr) / np.count_nonzero(np.diff(one.split.train.indptr))
    shares = raters[[own.data.item_position(entry["item"]) for entry in listed.entries]]
    assert listed.mean("novelty") == pytest.approx(np.mean(-np.log2(shares)))
    assert listed.mean("popularity") == pytest.approx(np.mean([entry["popularity"] for entry in listed.entries]))


def test_a_changed_rating_gives_the_list_of_the_changed_row_and_tells_who_moved(one):
    own = Advisor(one.run.id, one)
    former = person_of(own, 5)
    first, second, *_ = former.ratings
    unseen = own.data.item_position(compare([own], former, 3).lists[own.key].entries[1]["item"])
    person = person_of(own, 5, {first: 1.0, second: None, unseen: 5.0})
    assert person.changes == {second: None, first: 1.0, unseen: 5.0} and second not in person.ratings
    changed = one.split.visible.tolil()
    for item, rating in person.changes.items():
        changed[5, item] = rating or 0
    row = changed.tocsr()
    row.eliminate_zeros()
    listed = compare([own], person, 150).lists[own.key]
    _, scores = recommend(one.model, row, 5, 150)
    np.testing.assert_allclose([entry["score"] for entry in listed.entries], scores, atol=1e-4)
    before = {item: place for place, item in enumerate(recommend(one.model, one.split.visible, 5, 150)[0].tolist(), 1)}
    for entry in listed.entries:
        assert entry["before"] == before.get(own.data.item_position(entry["item"]))
    assert [entry["before"] for entry in listed.entries].count(None) == 1, "what was taken away may be recommended"
    short = compare([own], person, 5).lists[own.key]
    gone = {item for item, place in before.items() if place <= 5} - {own.data.item_position(entry["item"]) for entry in short.entries}
    assert {own.data.item_position(entry["item"]) for entry in short.left} == gone
    assert {entry["place"] for entry in short.left if own.data.item_position(entry["item"]) == unseen} == {None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"model.orientation": "item"}, "user-based model"), ({"model.name": "sparsefc", "model.layers": [5]}, "user-based model")],
    ids=str,
)
def test_a_model_that_cannot_fold_in_keeps_its_list_and_says_why(changes, words):
    own = advised(**changes)
    first = next(iter(person_of(own, 5).ratings))
    before, after = (compare([own], person_of(own, 5, change), 10).lists[own.key] for change in (None, {first: 1.0}))
    assert [entry["item"] for entry in before.entries] == [entry["item"] for entry in after.entries]
    assert not before.note and words in after.note and not after.left
    refused = compare([own, Advisor(SVD, own.trained)], newcomer({0: 5.0}), 10)
    assert "user-based" in refused.refused[own.key] and [*refused.lists] == [SVD]


def test_a_model_of_choices_says_that_it_reads_no_ratings():
    own = advised(**{"model.name": "mult-dae", "model.layers": [6]})
    first, rating = next(iter(person_of(own, 5).ratings.items()))
    assert "not how" in compare([own], person_of(own, 5, {first: 6 - rating + (rating == 3)}), 10).lists[own.key].note
    assert not compare([own], person_of(own, 5, {first: None}), 10).lists[own.key].note


def test_a_node_of_the_user_stays_when_ratings_change():
    own = advised(**{"model.name": "cdae", "model.hidden": 6})
    first = next(iter(person_of(own, 5).ratings))
    before, after = (compare([own], person_of(own, 5, change), 10).lists[own.key] for change in (None, {first: None}))
    assert [entry["score"] for entry in before.entries] != [entry["score"] for entry in after.entries]
    assert not before.note and "has learned of the user stays" in after.note


def test_models_of_other_samples_and_splits_find_items_by_their_ids(one):
    own, other = Advisor(one.run.id, one), advised(**{"preprocessing.sample_items": 100, "split.seed": 3, "model.name": "ease"})
    person = person_of(own, 5)
    found = compare([own, other], person, 10)
    listed = found.lists[other.key]
    catalogue = set(other.data.items.index)
    for entry in found.lists[own.key].entries:
        assert (entry["places"][other.key] is None) == (entry["item"] not in catalogue)
    seen = {str(own.data.items.index[item]) for item in person.ratings}
    assert not seen & {entry["item"] for entry in listed.entries}
    assert "another split" in listed.note and "titles held out here" in listed.note


def test_likes_are_made_of_ratings_but_not_the_other_way_round(one):
    own, liking = Advisor(one.run.id, one), advised(**{"preprocessing.binarise": 4, "model.name": "ease"})
    person = person_of(own, 5)
    row = np.zeros((1, liking.data.n_items), np.float32)
    for item, rating in person.ratings.items():
        identity = own.data.items.index[item]
        if rating >= 4 and identity in liking.data.items.index:
            row[0, liking.data.item_position(identity)] = 1
    best = compare([own, liking], person, 10).lists[liking.key].entries[0]
    scores = row @ liking.model.learned["weights"]
    assert best["score"] == pytest.approx(scores[0, liking.data.item_position(best["item"])], rel=1e-5)
    assert f"choose {one.run.name} first" in compare([liking, own], person_of(liking, 5), 10).refused[own.key]


def test_places_are_those_in_the_whole_order(one):
    own = Advisor(one.run.id, one)
    order, _ = recommend(one.model, one.split.visible, 7, 150)
    ids = own.data.items.index[order]
    assert places(own, person_of(own, 7), [ids[4], ids[0], ids[60], "nothing like it"]) == [5, 1, 61, None]


@pytest.mark.parametrize("key", ["own", SVD])
def test_reasons_come_largest_first_with_the_score_without_them(one, key):
    own = Advisor(one.run.id if key == "own" else key, one)
    person = person_of(own, 5)
    item = compare([own], person, 1).lists[own.key].entries[0]
    found = reasons(own, own, person, item["item"], 3)
    sizes = [abs(part["contribution"]) for part in found.parts]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == len(person.ratings)
    assert found.why.score == pytest.approx(item["score"], abs=1e-4)
    assert [("without" in part) for part in found.parts[:4]] == [True, True, True, False]
    for part in found.parts[:3]:
        lacking = known(one.split, str(person.user), {own.data.item_position(part["item"]): None})
        row = reasons(own, own, lacking, item["item"], 0)
        assert part["without"] == pytest.approx(row.why.score, abs=1e-4)
        against = (found.why.score - part["without"]) * part["contribution"] < 0
        assert not part["disagrees"] or against
    with pytest.raises(InputError, match="no item"):
        reasons(own, own, person, "no such item", 3)


def test_reasons_of_another_sample_are_of_what_the_model_knows(one):
    own, other = Advisor(one.run.id, one), advised(**{"preprocessing.sample_items": 100, "model.name": "ease"})
    person = person_of(own, 5)
    item = compare([own, other], person, 1).lists[other.key].entries[0]
    found = reasons(other, own, person, item["item"], 2)
    assert {part["item"] for part in found.parts} == {str(own.data.items.index[one]) for one in person.ratings} & set(
        other.data.items.index
    )
    assert found.why.base + sum(part["contribution"] for part in found.parts) == pytest.approx(item["score"], abs=1e-4)


def test_known_and_new_are_explained_alike_by_a_model_without_users(one):
    own = Advisor(one.run.id, one)
    row = one.split.visible[[5]]
    one_way, other = (explain(own.model, row, 3, user).contributions for user in (5, None))
    np.testing.assert_array_equal(one_way, other)


ODD = from_frame("odd", pd.DataFrame({"user": 1, "item": ["a,b", "c:d", "e-é", "100%"], "rating": [1.0, 2, 3, 5]}))


@pytest.mark.parametrize("changes", [{}, {0: 4.5, 1: None}, {3: 1.0, 2: 5.0}, {1: 2.0, 0: None, 3: None}], ids=str)
def test_changes_are_written_and_read_back(changes):
    text = write_changes(changes, ODD)
    assert read_changes(text, ODD) == changes and [*read_changes(text, ODD)] == [*changes]


@pytest.mark.parametrize(
    ("text", "words"),
    [("3", "no change"), ("e-é:x", "no change"), ("e-é:nan", "no change"), ("e-é:9", "not on the scale"), ("zzz:4", "no item 'zzz'")],
)
def test_changes_that_are_none_are_answered_in_a_sentence(text, words):
    with pytest.raises(InputError, match=words):
        read_changes(text, ODD)


def test_changes_that_change_nothing_are_left_out():
    person = newcomer({0: 4.0, 1: 3.0}, {0: 4.0, 2: None, 1: None, 3: 5.0})
    assert person.changes == {1: None, 3: 5.0} and person.ratings == {0: 4.0, 3: 5.0}


def test_titles_are_searched_by_words_in_any_order():
    search = TitleSearch(FILMS)
    assert search.find("the matrix") == [0] and search.find("HEAT") == [2, 3] and search.find("1972 god") == [1]
    assert search.find("heat", without=[2]) == [3] and search.find("heat", limit=1) == [2]
    assert search.find("") == search.find("zzz") == [] and search.find("(19") == [0, 1, 2, 3]


def test_titles_that_begin_with_a_word_come_first_then_the_most_rated():
    rows = [(user, item, 3.0) for item, raters in (("x", 1), ("y", 3), ("z", 2)) for user in range(raters)]
    titles = pd.DataFrame({"title": ["Star Trek", "A Star is Born", "Starman"]}, index=["x", "y", "z"])
    search = TitleSearch(from_frame("stars", pd.DataFrame(rows, columns=["user", "item", "rating"]), items=titles))
    assert [search.said[place] for place in search.find("star")] == ["starman", "star trek", "a star is born"]
