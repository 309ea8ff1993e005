"""The Recommend page in a simulated browser: empty store, a trained run, and links that do not fit."""

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.config import parse
from engine.settings import settings
from engine.store import RunStore
from tests.visits import visited

SMALL = {
    "preprocessing": {"sample_users": 120, "sample_items": 150},
    "model": {"layers": [12]},
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"max_rank": 3},
}
ITEM_BASED = {**SMALL, "model": {"layers": [12], "orientation": "item"}}
LIKED = {**SMALL, "preprocessing": {**SMALL["preprocessing"], "binarise": 4}}
RANKER = {**LIKED, "model": {"name": "mult-dae", "layers": [12]}}
REFITTED = {**SMALL, "training": {**SMALL["training"], "refit": True}}
PER_USER = {**LIKED, "model": {"name": "cdae", "hidden": 12}}
LINEAR = {**SMALL, "model": {"name": "ease"}}
ELSEWHERE = {"dataset": {"name": "toy"}, "model": {"name": "popularity"}, "split": {"kind": "random"}, "evaluation": {"max_rank": 3}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with two user-based runs, one of them refitted, an item-based one, three that rank, and one on other data, trained once."""
    from engine import runs

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCORE_HOME", str(folder))
        for config in (REFITTED, ELSEWHERE, LINEAR, PER_USER, RANKER, ITEM_BASED, SMALL):
            runs.execute(here().create(parse(config).model_dump(mode="json")).id, here())
    return folder


def here() -> RunStore:
    return RunStore(settings().store_url, settings().artifacts)


pytestmark = pytest.mark.usefixtures("no_daemon")


def visit(**query: str) -> AppTest:
    return visited("pages/recommend.py", **query)


def said(page: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error])


def rated(page: AppTest) -> list[str]:
    """Titles of the page of ratings that is shown."""
    return [box.label.removeprefix("Rating of ") for box in page.selectbox if box.label.startswith("Rating of ")]


def rating(page: AppTest, title: str):
    return next(box for box in page.selectbox if box.label == f"Rating of {title}")


def button(page: AppTest, label: str, key: str = ""):
    return next(one for one in page.button if one.label == label and key in (one.key or ""))


def user(number: int) -> str:
    from engine import experiment

    return str(experiment.open_split(parse(SMALL)).interactions.users.index[number])


def newest(kind: str) -> str:
    """Id of the newest run of an orientation or model."""
    return next(run.id for run in here().list() if kind in (run.config["model"].get("orientation"), run.config["model"]["name"]))


@contextmanager
def state(run: str, now: str):
    """A finished run in another state."""
    with sqlite3.connect(settings().home / "encore.db") as database:
        database.execute("UPDATE runs SET state = ? WHERE id = ?", (now, run))
    try:
        yield
    finally:
        with sqlite3.connect(settings().home / "encore.db") as database:
            database.execute("UPDATE runs SET state = 'finished' WHERE id = ?", (run,))


def test_without_a_trained_run_it_says_so_and_leads_to_train():
    page = visit()
    assert "No run has a trained model yet" in said(page)
    assert not page.table and any("Train a model" in link.proto.label for link in page.get("page_link"))


@pytest.fixture
def filled(home, monkeypatch):
    monkeypatch.setenv("ENCORE_HOME", str(home))


@pytest.mark.usefixtures("filled")
def test_both_lists_of_a_user_come_with_titles_and_figures():
    page = visit(run=newest("user"), user=user(3), top="10")
    text = said(page)
    assert f"**{user(3)} has rated**" in text and "SVD rank" in text and "overlap: " in text and "Held out for this user" in text
    mine, svd = (table.value for table in page.table[:2])
    assert len(mine) == len(svd) == 10 and len(rated(page)) > 0
    assert "(19" in "".join(mine["title"]) or "(20" in "".join(mine["title"])
    assert [*mine.columns][:3] == ["#", "title", "score"] and "SVD" in [*mine.columns][3] and "A" in [*svd.columns][3]
    assert dict(page.query_params) == {"run": newest("user"), "user": user(3), "top": "10"}
    assert page.selectbox(key="recommend.user").value == user(3)


@pytest.mark.usefixtures("filled")
def test_the_controls_change_lists_and_address():
    page = visit()
    page.selectbox(key="recommend.user").select(user(7)).run()
    assert page.query_params["user"] == user(7) and f"**{user(7)} has rated**" in said(page)
    page.segmented_control(key="recommend.top").set_value(20).run()
    assert page.query_params["top"] == "20" and len(page.table[0].value) == 20
    pressed = {button.label: button for button in page.button}
    pressed["Best served"].click().run()
    assert not page.exception and "place 1 of" in said(page)
    next(button for button in page.button if button.label == "Best served").click().run()
    assert "place 2 of" in said(page)
    next(button for button in page.button if button.label == "Random").click().run()
    assert not page.exception


@pytest.mark.usefixtures("filled")
def test_a_link_that_does_not_fit_is_answered_in_sentences():
    page = visit(run="nobody-made-it", user="Nobody", top="7")
    told = " ".join(str(one.value) for one in page.warning)
    assert "There is no run 'nobody-made-it'" in told and "10 or 20 titles here, not '7'" in told
    page = visit(run=newest("user"), user="Nobody")
    assert "There is no user 'Nobody'" in said(page)
    assert len(page.table) >= 2, "another user is shown"


@pytest.mark.usefixtures("filled")
def test_a_run_that_has_not_learned_yet_is_named():
    waiting = here().create(parse(SMALL).model_dump(mode="json"), queue="foreground")
    page = visit(run=waiting.id)
    here().delete(waiting.id)
    assert r"has no trained model yet\: it is queued" in said(page) and len(page.table) >= 3


@pytest.mark.usefixtures("filled")
def test_the_test_part_stays_closed_until_the_run_has_finished():
    with state(newest("user"), "paused"):
        page = visit(run=newest("user"))
        assert "the test part is read when the run has finished" in said(page)
        helps = " ".join(button.help for button in page.button)
        assert "on their validation ratings" in helps and "held-out" not in helps
    assert "the test part is read" not in said(visit(run=newest("user")))


@pytest.mark.usefixtures("filled")
def test_a_run_that_goes_on_is_read_again_only_when_its_model_changes(monkeypatch):
    from engine import experiment
    from pages.components import scorer

    loads, splits = [], []
    load, split = experiment.load_model, experiment.open_split
    monkeypatch.setattr(experiment, "load_model", lambda *given: loads.append(1) or load(*given))
    monkeypatch.setattr(experiment, "open_split", lambda *given: splits.append(1) or split(*given))
    st.cache_resource.clear()
    run = here().get(newest("user"))
    scorer.opened(run)
    scorer.opened(replace(run, epoch=99))
    scorer.opened(here().get(newest("item")))
    assert (len(loads), len(splits)) == (2, 1)
    model = next(settings().artifacts.glob(f"{run.id}/model.*"))
    os.utime(model, (1, 1))
    assert here().changed(run.id, "model") == 1
    scorer.opened(run)
    assert (len(loads), len(splits)) == (3, 1)


@pytest.mark.usefixtures("filled")
def test_ratings_of_a_new_user_in_a_link_give_lists():
    item = rated(visit(run=newest("user")))[0]
    page = visit(run=newest("user"), ratings=f"{item},5")
    assert "**A new user has rated**" in said(page) and "Nothing of a new user is held out" in said(page)
    assert page.selectbox(key="recommend.user").value is None and rated(page) == [item]
    page = visit(run=newest("user"), ratings="No Such Film,5")
    assert "No item 'No Such Film'" in said(page)


@pytest.mark.usefixtures("filled")
def test_an_item_based_run_serves_known_users_and_says_why_no_others():
    page = visit(run=newest("item"), user=user(3))
    assert "Deep autoencoder 12, item-based" in said(page) and len(page.table) >= 3
    item = rated(page)[0]
    page = visit(run=newest("item"), ratings=f"{item},5")
    assert "knows only the users it was trained with" in said(page)


@pytest.mark.usefixtures("filled")
def test_a_run_that_ranks_shows_scores_and_places_and_no_rmse():
    page = visit(run=newest("mult-dae"))
    text = said(page)
    assert "RMSE" not in text and "test NDCG@10" in text and "what a list is ordered by; no ratings" in text
    assert [button.label for button in page.button if button.label in ("Random", "Best served", "Worst served")] == ["Random"]
    mine = page.table[0].value
    assert [*mine.columns] == ["#", "title", "score", "SVD\u00a0#"]
    held_out = page.table[-1].value
    assert [*held_out.columns] == ["title", "run\u00a0#", "SVD\u00a0#"]
    places = [int(place.strip("*\\#").replace(",", "")) for place in held_out["run\u00a0#"]]
    assert places == sorted(places)
    listed = {title.removeprefix(":green[**✓ ").removesuffix("**]") for title in mine["title"]}
    assert {title for title, place in zip(held_out["title"], places, strict=True) if place <= 10} <= listed


@pytest.mark.usefixtures("filled")
def test_a_run_that_ranks_answers_a_new_user():
    item = rated(visit(run=newest("mult-dae")))[0]
    page = visit(run=newest("mult-dae"), ratings=f"{item},1")
    assert "**A new user has rated**" in said(page) and rated(page) == [item] and len(page.table[0].value) == 10


@pytest.mark.usefixtures("filled")
def test_a_run_with_a_node_per_user_refuses_a_new_one_in_a_sentence():
    page = visit(run=newest("cdae"))
    assert not page.error and len(page.table) >= 3
    item = rated(page)[0]
    page = visit(run=newest("cdae"), ratings=f"{item},1")
    assert ["new user" in error.value for error in page.error] == [True]
    assert sum("new user" in element.value for element in page.markdown) == 1, "the button says the same"


@pytest.mark.usefixtures("filled")
def test_it_says_by_which_held_out_ratings_a_list_is_judged():
    text = said(visit(run=newest("user")))
    assert "held out (validation and test ratings) and liked" in text and "(validation and test), " in text
    with state(newest("user"), "paused"):
        text = said(visit(run=newest("user")))
    assert "held out (validation ratings) and liked" in text and "(validation), " in text
    text = said(visit(run=here().list()[-1].id))
    assert "held out (test ratings) and liked" in text and "(test), " in text, "what was refitted has learned the validation ratings"


@pytest.mark.usefixtures("filled")
def test_the_menu_begins_with_the_newest_finished_run_and_marks_the_others():
    latest, former = here().list()[:2]
    with state(latest.id, "stopped"):
        page = visit()
        assert page.query_params["run"] == former.id
        options = page.selectbox(key="recommend.run").options
    assert options[0].startswith(f"{latest.name} · ") and options[0].endswith(" · stopped")
    assert not any(" · finished" in option or " · stopped" in option for option in options[1:])


@pytest.mark.usefixtures("filled")
def test_a_changed_rating_changes_lists_words_and_address_and_is_reset():
    page = visit(run=newest("user"), user=user(3))
    before, title = page.table[0].value, rated(page)[0]
    assert "Nothing yet." in said(page)
    rating(page, title).select(1.0).run()
    assert not page.exception and page.query_params["set"].endswith(":1")
    after = page.table[0].value
    assert [*after["score"]] != [*before["score"]]
    assert "→ ★]" in said(page) and "Nothing yet." not in said(page)
    linked = visit(**{name: page.query_params[name] for name in page.query_params})
    assert linked.table[0].value.equals(after) and rating(linked, title).value == 1.0
    button(linked, "Reset").click().run()
    assert "set" not in linked.query_params and linked.table[0].value.equals(before)


@pytest.mark.usefixtures("filled")
def test_a_rating_is_taken_away_and_a_found_title_added():
    page = visit(run=newest("user"), user=user(3))
    title = rated(page)[0]
    button(page, "✕").click().run()
    assert not page.exception and title not in rated(page) and page.query_params["set"].endswith(":-") and "taken away" in said(page)
    word = title.split()[0]
    page.text_input[0].set_value(word).run()
    assert all(word.casefold() in f"{shown}".casefold() for shown in rated(page))
    offered = [one.label for one in page.button if "recommend.added" in (one.key or "")]
    assert offered and len(offered) <= 20
    button(page, offered[0]).click().run()
    assert len(page.query_params["set"].split(",")) == 2 or "set" not in page.query_params
    page.text_input[0].set_value("no title is called so").run()
    assert "no other title holds this" in said(page)


@pytest.mark.usefixtures("filled")
def test_a_new_user_begins_with_nothing_rated_and_adds_titles():
    page = visit(run=newest("user"), user=user(3))
    page.query_params.clear()
    page = visit(run=newest("user"), ratings="")
    assert "Nothing is rated: search a title and add it." in said(page) and len(page.table[0].value) == 10
    assert "the base is all there is" in said(page)
    page.text_input[0].set_value("the").run()
    offered = [one.label for one in page.button if "recommend.added" in (one.key or "")]
    button(page, offered[0]).click().run()
    assert not page.exception and "set" in page.query_params and len(rated(page)) == 1


@pytest.mark.usefixtures("filled")
def test_three_lists_stand_side_by_side():
    beside = [newest("ease"), "svd"]
    page = visit(run=",".join([newest("user"), *beside]), user=user(3))
    text = said(page)
    assert "A · Deep autoencoder 12" in text and "B · EASE" in text and "A and B " in text and "B and SVD " in text
    assert "those of B are no ratings" in text and "mean novelty: A " in text
    assert all("B\u00a0" in title and "SVD\u00a0" in title for title in page.table[0].value["title"])
    assert page.multiselect(key="recommend.with").value == beside and page.query_params["with"] == ",".join(beside)
    page.multiselect(key="recommend.with").set_value([]).run()
    assert page.query_params["with"] == "none" and "overlap" not in said(page)
    assert visit(run=newest("user"), **{"with": "none"}).multiselect(key="recommend.with").value == []


@pytest.mark.usefixtures("filled")
def test_what_cannot_stand_beside_is_answered_in_sentences():
    toy = next(run.id for run in here().list() if run.config["dataset"]["name"] == "toy")
    page = visit(run=newest("user"), **{"with": f"nobody,{toy},{newest('ease')}"})
    told = " ".join(str(one.value) for one in page.warning)
    assert "There is no run 'nobody'" in told and "another dataset than" in told
    assert page.multiselect(key="recommend.with").value == [newest("ease")]
    four = ",".join([newest("user"), newest("ease"), newest("item"), "svd"])
    assert "3 lists stand beside each other, not 4" in said(visit(run=four))


@pytest.mark.usefixtures("filled")
def test_a_model_without_a_list_leaves_the_letters_of_the_others():
    item = rated(visit(run=newest("user")))[0]
    page = visit(run=",".join([newest("user"), newest("item"), newest("ease")]), ratings=f"{item},5")
    assert "C · EASE" in said(page) and page.segmented_control(key="recommend.by").options == ["A", "C"]


@pytest.mark.usefixtures("filled")
def test_why_names_base_parts_and_score_and_leaves_ratings_out():
    page = visit(run=newest("user"), user=user(3))
    text = said(page)
    assert "Why “" in text and "A scores" in text and "Integrated gradients: base " in text and "the sum is exact" in text
    beside = page.table[2].value
    assert [*beside.columns] == ["without", "score", "change"] and 0 < len(beside) <= 8
    assert page.selectbox(key="recommend.why").value and "why" not in page.query_params
    first, other = page.selectbox(key="recommend.why").options[:2]
    assert f"Why “{first}” — A scores" in text.replace("\\", "") and first in page.table[0].value["title"][0].replace("\\", "")
    page.selectbox(key="recommend.why").select_index(1).run()
    assert other in said(page).replace("\\", "") and "why" in page.query_params
    page.segmented_control(key="recommend.by").set_value("svd").run()
    assert page.query_params["by"] == "svd" and "Exact weights: base" in said(page)
    if more := [one for one in page.button if one.label.startswith("Leave out the")]:
        more[0].click().run()
        assert len(page.table[-1].value) > 8 and page.query_params["without"] == "50"


@pytest.mark.usefixtures("filled")
def test_an_item_based_run_says_why_it_cannot_tell_why_and_keeps_its_list():
    page = visit(run=newest("item"), user=user(3))
    assert "no part of the score" in said(page)
    before = page.table[0].value
    rating(page, rated(page)[0]).select(1.0).run()
    text = said(page)
    assert page.table[0].value["title"].equals(before["title"]) and "other ratings need a user-based model" in text
    assert "the list stays as it was" in text


@pytest.mark.usefixtures("filled")
def test_a_link_with_wrong_changes_or_questions_is_answered_in_sentences():
    for asked, words in (
        ({"set": "nonsense"}, "set=nonsense is no change of a rating"),
        ({"set": "no-such-item:3"}, "no-such-item"),
        ({"why": "no-such-item"}, "no item 'no-such-item'"),
        ({"by": "nobody"}, "by=nobody is none of the models"),
        ({"without": "3"}, "without=3: either 50"),
    ):
        page = visit(run=newest("user"), user=user(3), **asked)
        assert words in said(page).replace("\\", "") and len(page.table[0].value) == 10 and not set(asked) & set(page.query_params)
