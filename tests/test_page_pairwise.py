"""The Pairwise page in a simulated browser: drawn and uploaded questions with planted answers, and links that do not fit."""

import io
import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.config import parse
from engine.pairwise import right_difference, sampler_facts, score_pairs, share_right
from engine.settings import settings
from engine.store import RunStore
from pages.components import pairs
from tests.visits import visited

PAGE = "pages/pairwise.py"
SMALL = {
    "preprocessing": {"sample_users": 120, "sample_items": 150, "binarise": 4},
    "model": {"name": "weighted-bce", "layers": [12]},
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"max_rank": 3, "pairwise": True},
}
POPULAR = {**SMALL, "model": {"name": "popularity"}}
RATING = {**SMALL, "preprocessing": {"sample_users": 100, "sample_items": 120}, "model": {"layers": [12]}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a run that rates, and two that rank on one split, trained once for all tests."""
    from engine import runs

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCORE_HOME", str(folder))
        for config in (RATING, POPULAR, SMALL):
            runs.execute(here().create(parse(config).model_dump(mode="json")).id, here())
    return folder


@pytest.fixture
def filled(home, monkeypatch):
    monkeypatch.setenv("ENCORE_HOME", str(home))


pytestmark = pytest.mark.usefixtures("no_daemon")


def here() -> RunStore:
    return RunStore(settings().store_url, settings().artifacts)


def run_of(model: str):
    return next(run for run in here().list() if run.config["model"]["name"] == model)


def trained(model: str):
    from engine.experiment import load_model

    return load_model(run_of(model).id, here())


def visit(**query: str) -> AppTest:
    return sound(visited(PAGE, **query))


def sound(page: AppTest) -> AppTest:
    assert not page.exception, [element.value for element in page.exception]
    return page


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for kind in (page.markdown, page.caption, page.info, page.warning, page.error) for one in kind)


def upload(frame: pd.DataFrame | bytes, name: str = "mine.csv", **query: str) -> AppTest:
    page = visit(pairs_tab="Upload questions", **query)
    content = frame if isinstance(frame, bytes) else frame.to_csv(index=False).encode()
    return sound(page.file_uploader(key="pairs_file").upload(name, content).run())


def planted(model: str, right: int, wrong: int) -> pd.DataFrame:
    """Questions about items that the model has not seen, of which it answers so many right and wrong; one per user."""
    found = trained(model)
    split, data = found.split, found.split.interactions
    rows = []
    for user in range(right + wrong):
        unseen = np.setdiff1d(np.arange(data.n_items), split.visible[[user]].indices)
        scores = found.model.score(split.visible, np.array([user]))[0, unseen]
        low, high = unseen[scores.argmin()], unseen[scores.argmax()]
        rows.append((data.users.index[user], data.items.index[high], data.items.index[low], "a" if user < right else "b"))
    return pd.DataFrame(rows, columns=["user", "item_a", "item_b", "watched"])


def test_without_a_trained_run_it_says_so_and_leads_to_train():
    page = visit()
    assert "No run has a trained model yet" in said(page)
    assert not page.table and any("Train a model" in link.proto.label for link in page.get("page_link"))


@pytest.mark.usefixtures("filled")
def test_a_link_names_a_run_by_its_name_too():
    run = run_of("weighted-bce")
    assert visit(run=run.name).query_params["run"] == run.id


@pytest.mark.usefixtures("filled")
def test_a_drawn_test_shows_accuracy_by_sampler_beside_the_baselines():
    run = run_of("weighted-bce")
    page = visit(run=run.id, pairs_draws="30")
    accuracy, apart, facts, questions = (table.value for table in page.table)
    assert [*accuracy.columns] == ["", run.name, "popularity", f"SVD rank {run.summary['baselines']['svd']['rank']}"]
    assert [*apart.columns] == ["", *(f"minus {name}" for name in accuracy.columns[2:])]
    assert len(accuracy) == len(apart) == len(facts) == 3
    exact, by = run.summary["metrics"]["test"], run.summary["baselines"]["popularity"]
    for row, sampler in enumerate(pairs.SAMPLERS):
        drawn = [float(cell.strip("*").split("\u00a0")[0]) for cell in accuracy.iloc[row, 1:3]]
        assert drawn == pytest.approx([exact[f"pairwise_{sampler}"], by[f"pairwise_{sampler}"]], abs=0.04)
        assert f"{sampler} {exact[f'pairwise_{sampler}']:.4f}" in said(page)
    assert {"probability A", "probability B"} <= {*questions.columns}
    assert questions["user"].is_unique
    assert "30 for each of" in said(page) and "Softmax of shares is almost uniform" in said(page)
    assert dict(page.query_params) == {"run": run.id, "pairs_draws": "30"}


@pytest.mark.usefixtures("filled")
def test_what_the_samplers_draw_is_told_in_the_numbers_of_the_dataset():
    facts = sampler_facts(trained("weighted-bce").split)
    table = visit(run=run_of("weighted-bce").id).table[2].value
    shown = [float(cell.removesuffix(" : 1")) for cell in table.iloc[:, 1]]
    assert shown == pytest.approx([facts[sampler]["ratio"] for sampler in pairs.SAMPLERS], abs=0.006)
    assert 1 < facts["softmax"]["ratio"] < np.e < facts["popularity"]["ratio"]


@pytest.mark.usefixtures("filled")
def test_controls_write_the_address_and_the_address_sets_them():
    page = visit(run=run_of("weighted-bce").id)
    first = page.table[3].value
    page.number_input(key="pairs_seed").set_value(5)
    assert not sound(page.run()).table[3].value.equals(first)
    page.segmented_control(key="pairs_sampler").set_value("popularity")
    page.selectbox(key="pairs_beside").select(run_of("popularity").id)
    sound(page.run())
    link = {"run": run_of("weighted-bce").id, "pairs_sampler": "popularity", "pairs_beside": run_of("popularity").id}
    assert dict(page.query_params) == link
    again = visit(**link, pairs_seed="5")  # a bound number is written into the address by the browser alone
    assert again.number_input(key="pairs_seed").value == 5
    assert [table.value.to_csv() for table in again.table] == [table.value.to_csv() for table in page.table]
    assert run_of("popularity").name in page.table[0].value.columns
    beside, floor = page.table[0].value.iloc[:, 4], page.table[0].value.iloc[:, 2]
    assert beside.tolist() == floor.tolist(), "the other run is the same popularity"
    page.selectbox(key="run").select(run_of("autoencoder").id)
    assert dict(sound(page.run()).query_params) == {"run": run_of("autoencoder").id, "pairs_sampler": "popularity"}
    assert {"score A", "score B"} <= {*page.table[3].value.columns} and "rated 4 or more" in said(page)


@pytest.mark.usefixtures("filled")
def test_the_newest_run_is_shown_and_stands_in_the_address():
    assert dict(visit().query_params) == {"run": here().list()[0].id}


@pytest.mark.usefixtures("filled")
def test_a_run_that_holds_out_nothing_liked_has_nothing_to_ask_about(monkeypatch):
    from engine.recommendations import lists

    st.cache_resource.clear()
    monkeypatch.setattr(lists, "liked_from", lambda _: 99.0)
    page = visit(run=run_of("weighted-bce").id)
    assert "nothing to ask about" in page.info[0].value and not page.table
    st.cache_resource.clear()


@pytest.mark.usefixtures("filled")
def test_a_file_with_answers_is_scored():
    questions = planted("weighted-bce", right=9, wrong=3)
    page = upload(questions, run=run_of("weighted-bce").id)
    table, scored = page.table[0].value, page.table[-1].value
    assert table.iloc[0, 1].startswith("**0.7500\u00a0±")
    assert "12 questions about 12 users; 0 ties" in said(page)
    assert scored["answer"].tolist() == ["A"] * 12
    assert scored["watched"].tolist() == ["A :green[✓]"] * 9 + ["B :orange[✗]"] * 3
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels[-2:] == ["Questions", "Answers"]


@pytest.mark.usefixtures("filled")
def test_a_file_without_answers_is_scored_too_and_nothing_is_called_right():
    page = upload(planted("weighted-bce", 5, 0).drop(columns="watched"), run=run_of("weighted-bce").id)
    assert "**5 questions about 5 users**: 5 answered A, 0 answered B, 0 undecided." in said(page)
    assert "nobody knows how many are right" in said(page)
    assert len(page.table) == 1 and "watched" not in page.table[0].value


@pytest.mark.usefixtures("filled")
def test_questions_about_what_the_model_has_seen_are_answered_but_not_counted():
    found, questions = trained("weighted-bce"), planted("weighted-bce", 4, 0)
    data = found.split.interactions
    questions.loc[4] = [data.users.index[0], data.items.index[found.split.visible[[0]].indices[0]], questions["item_b"][0], "b"]
    page = upload(questions, run=run_of("weighted-bce").id)
    assert "4 questions about 4 users" in said(page) and "1 more names an item whose rating the model has seen" in said(page)
    assert page.table[0].value.iloc[0, 1].startswith("**1.0000") and len(page.table[-1].value) == 5
    page = upload(questions[4:], run=run_of("weighted-bce").id)
    assert "no answer is a prediction" in page.warning[0].value and len(page.table) == 1


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"user,item_a,item_b\nnobody,1,2\nnobody,2,1\n", "Line 2 of mine.csv names user 'nobody'"),
        (b"", "mine.csv is empty; it needs one line for each question."),
        (b"user,item_a\n1,2\n", "has no column item_b"),
        (bytes(range(256)), "neither text nor Parquet"),
    ],
)
def test_a_bad_file_is_answered_in_one_sentence(content, sentence):
    page = upload(content, run=run_of("weighted-bce").id)
    (told,) = page.error
    assert sentence in told.value.replace("\\", "") and not page.table
    if b"nobody" in content:
        assert "the first of 2 rows with an unknown user" in told.value.replace("\\", "")


@pytest.mark.usefixtures("filled")
def test_a_link_that_does_not_fit_is_answered_in_sentences():
    hostile = "![x](http://evil/t.png)"
    page = visit(run=hostile, pairs_beside=hostile)
    assert "There is no run" in page.warning[0].value and "run of the same split" in page.warning[1].value
    assert not [one.value for one in page.warning if re.search(r"(?<!\\)\]\(", one.value)]
    assert len(page.table) == 4
    waiting = here().create(parse(SMALL).model_dump(mode="json"), queue="foreground")
    page = visit(run=waiting.id)
    here().delete(waiting.id)
    assert r"has no trained model yet\: it is queued" in said(page) and len(page.table) == 4


def test_sets_of_questions_are_answered_each_for_itself():
    class Fixed:
        """The same scores for everybody."""

        config = None

        def __init__(self, *scores):
            self.scores = np.array(scores, np.float32)

        def scorer(self, visible):
            return lambda users: np.tile(self.scores, (len(users), 1))

    from engine.gathering import from_frame
    from engine.splits import LABELS, Split

    data = from_frame("few", pd.DataFrame([(0, 0), (1, 0), (0, 1), (1, 2), (2, 0), (2, 3)], columns=["user", "item"]).assign(rating=1.0))
    split = Split(data, np.zeros(6, np.int8) + LABELS["train"], {})
    columns = ["user", "item_a", "item_b", "watched"]
    frames = {
        "one": pd.DataFrame([("0", "2", "3", "a"), ("1", "1", "3", "a")], columns=columns),
        "two": pd.DataFrame([("0", "2", "3", "b"), ("1", "3", "1", "a"), ("2", "1", "2", "b")], columns=columns),
    }
    mine, other = Fixed(0, 3, 2, 1), Fixed(0, 1, 1, 1)
    found = pairs.answer(frames, {"mine": (mine, split), "other": (other, split)})
    assert [found[name].shares["mine"]["accuracy"] for name in frames] == [1.0, 0.0]
    assert [found[name].shares["other"]["accuracy"] for name in frames] == [0.5, 0.5]
    assert (found["one"].apart, found["two"].apart) == ({"other": (0.5, 0.0)}, {"other": (-0.5, 0.0)})
    assert found["two"].frame["predicted"].tolist() == ["a", "b", "a"]
    assert share_right(score_pairs(mine, split, frames["two"])) == found["two"].shares["mine"]
    nothing = pairs.answer({"none": frames["one"][:0]}, {"mine": (mine, split), "other": (other, split)})["none"]
    assert (nothing.frame.empty, nothing.shares["mine"]["users"], nothing.apart) == (True, 0, {"other": None})
    single = score_pairs(mine, split, frames["one"][:1])
    assert right_difference(single, single) is None


@pytest.mark.usefixtures("filled")
def test_the_questions_that_the_page_offers_are_read_back():
    from engine.pairwise import pairwise_draws, read_pairs

    found = trained("weighted-bce")
    drawn = pairwise_draws(found.split, "test", "softmax", 2)
    content = io.BytesIO()
    drawn.to_csv(content, index=False)
    page = upload(content.getvalue(), run=found.run.id)
    assert f"{len(drawn):,} questions" in said(page)
    assert read_pairs(content.getvalue(), found.split.interactions, "q.csv").equals(drawn.astype(str))


@pytest.mark.usefixtures("filled")
def test_of_one_user_nothing_is_said_in_the_plural_and_no_error_explained():
    page = upload(planted("weighted-bce", right=1, wrong=0), run=run_of("weighted-bce").id)
    text = said(page)
    assert "1 question about 1 user; 0 ties." in text and "1 users" not in text
    assert "±" not in "".join(one.value for one in page.caption) and "0.5 is guessing" in text
    text = said(upload(planted("weighted-bce", right=3, wrong=1), run=run_of("weighted-bce").id))
    assert "±: one standard error over users" in text and "±: half the 95 % interval over users" in text


@pytest.mark.usefixtures("filled")
def test_the_change_by_sampler_says_what_its_interval_is():
    (told,) = [one for one in said(visit(run=run_of("weighted-bce").id)).splitlines() if "minus that of the random test" in one]
    assert told.endswith("(±: half the 95 % interval over users).")


@pytest.mark.usefixtures("filled")
def test_the_newest_finished_run_is_shown_before_a_newer_unfinished_one():
    latest, former = here().list()[:2]
    with sqlite3.connect(settings().home / "encore.db") as database:
        database.execute("UPDATE runs SET state = 'crashed' WHERE id = ?", (latest.id,))
    try:
        page = visit()
    finally:
        with sqlite3.connect(settings().home / "encore.db") as database:
            database.execute("UPDATE runs SET state = 'finished' WHERE id = ?", (latest.id,))
    assert page.query_params["run"] in (former.id, [former.id])
    assert [option.endswith(" · crashed") for option in page.selectbox(key="run").options][:2] == [True, False]
