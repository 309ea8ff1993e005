"""The Recommend page in a simulated browser: empty store, a trained run, and links that do not fit."""

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine import background
from engine.config import parse
from engine.settings import settings
from engine.store import RunStore

ROOT = Path(__file__).parents[1]
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


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with two user-based runs, one of them refitted, an item-based one and two that rank, trained once for all tests."""
    from engine import runs

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCORE_HOME", str(folder))
        for config in (REFITTED, PER_USER, RANKER, ITEM_BASED, SMALL):
            runs.execute(here().create(parse(config).model_dump(mode="json")).id, here())
    return folder


def here() -> RunStore:
    return RunStore(settings().store_url, settings().artifacts)


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)


def visit(**query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)
    page.run()
    page.switch_page("pages/recommend.py")
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error])


def cells(page: AppTest) -> list[str]:
    return [str(cell) for table in page.table for cell in table.value.to_numpy().ravel()]


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
    history, mine, svd = (table.value for table in page.table[:3])
    assert len(mine) == len(svd) == 10 and len(history) > 0
    assert "(19" in "".join(mine["title"]) or "(20" in "".join(mine["title"])
    assert dict(page.query_params) == {"run": newest("user"), "user": user(3), "top": "10"}
    assert page.selectbox[1].value == user(3)


@pytest.mark.usefixtures("filled")
def test_the_controls_change_lists_and_address():
    page = visit()
    page.selectbox(key="recommend.user").select(user(7)).run()
    assert page.query_params["user"] == user(7) and f"**{user(7)} has rated**" in said(page)
    page.segmented_control(key="recommend.top").set_value(20).run()
    assert page.query_params["top"] == "20" and len(page.table[1].value) == 20
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
    assert len(page.table) >= 3, "another user is shown"


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
    item = cells(visit(run=newest("user")))[0].replace("\\", "")
    page = visit(run=newest("user"), ratings=f"{item},5")
    assert "**A new user has rated**" in said(page) and "Nothing of a new user is held out" in said(page)
    assert page.selectbox[1].value is None and len(page.table) == 3
    page = visit(run=newest("user"), ratings="No Such Film,5")
    assert "No item 'No Such Film'" in said(page)


@pytest.mark.usefixtures("filled")
def test_an_item_based_run_serves_known_users_and_says_why_no_others():
    page = visit(run=newest("item"), user=user(3))
    assert "Deep autoencoder 12, item-based" in said(page) and len(page.table) >= 3
    item = cells(page)[0].replace("\\", "")
    page = visit(run=newest("item"), ratings=f"{item},5")
    assert "knows only the users it was trained with" in said(page)


@pytest.mark.usefixtures("filled")
def test_a_run_that_ranks_shows_scores_and_places_and_no_rmse():
    page = visit(run=newest("mult-dae"))
    text = said(page)
    assert "RMSE" not in text and "test NDCG@10" in text and "this run's scores are no ratings" in text
    assert [button.label for button in page.button if button.label in ("Random", "Best served", "Worst served")] == ["Random"]
    mine = page.table[1].value
    assert [*mine.columns] == ["", "title", "score", "SVD\u00a0#"]
    held_out = page.table[3].value
    assert [*held_out.columns] == ["title", "run\u00a0#", "SVD\u00a0#"]
    places = [int(place.strip("*\\#").replace(",", "")) for place in held_out["run\u00a0#"]]
    assert places == sorted(places)
    listed = {title.removeprefix(":green[**✓ ").removesuffix("**]") for title in mine["title"]}
    assert {title for title, place in zip(held_out["title"], places, strict=True) if place <= 10} <= listed


@pytest.mark.usefixtures("filled")
def test_a_run_that_ranks_answers_a_new_user():
    item = cells(visit(run=newest("mult-dae")))[0].replace("\\", "")
    page = visit(run=newest("mult-dae"), ratings=f"{item},1")
    assert "**A new user has rated**" in said(page) and len(page.table) == 3


@pytest.mark.usefixtures("filled")
def test_a_run_with_a_node_per_user_refuses_a_new_one_in_a_sentence():
    page = visit(run=newest("cdae"))
    assert not page.error and len(page.table) >= 3
    item = cells(page)[0].replace("\\", "")
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
