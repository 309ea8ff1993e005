"""Texts from anybody on the pages: HTML, scripts, Markdown, SQL, and what the server knows that nobody is to see."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest
import torch

from engine.config import parse
from engine.datasets import save_upload
from engine.settings import settings
from engine.store import RunStore
from pages.components import discreet, words
from tests.attacks.sight import everything, markdown
from tests.visits import visited

pytestmark = pytest.mark.usefixtures("no_daemon")

HOSTILE = "![x](http://evil/t.png) [click](http://evil)"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
TRAIN = "pages/train.py"


def acts(text: str) -> bool:
    """Whether a text has a link or picture of the attacker's in it, or a tag that is not shown letter by letter."""
    return bool(re.search(r"(?<!\\)\]\(", text) and "evil" in text) or bool(re.search(r"(?<!\\)<(script|img|svg|iframe)", text))


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (TRAIN, "run"),
        (TRAIN, "preset"),
        (TRAIN, "dataset.name"),
        (TRAIN, f"model.{HOSTILE}"),
        (TRAIN, HOSTILE),
        ("pages/runs.py", "run"),
        ("pages/data.py", "data_name"),
        ("pages/svd.py", "svd_data"),
        ("pages/recommend.py", "run"),
        ("pages/recommend.py", "top"),
    ],
)
def test_a_link_cannot_put_markdown_into_a_page(page: str, name: str) -> None:
    told = [*markdown(visited(page, **{name: HOSTILE}))]
    assert any("evil" in sentence for sentence in told), "the link is answered"
    assert not [sentence for sentence in told if acts(sentence)]


def test_what_a_run_says_is_no_markdown(store: RunStore) -> None:
    run = store.create(parse({"dataset": {"name": f"/tmp/{HOSTILE}.csv"}}).model_dump(mode="json"))
    store.claim(run.id)
    store.add_facts(run.id, {"watch_user": HOSTILE, "watch_users": [HOSTILE], "split_fingerprint": HOSTILE})
    store.finish(run.id, "failed", error=f"There is no file {HOSTILE}.")
    for page in ("pages/start.py", "pages/runs.py", TRAIN):
        told = [*markdown(visited(page, **({} if "start" in page else {"run": run.id})))]
        assert any("evil" in sentence for sentence in told) and not [sentence for sentence in told if acts(sentence)]


def test_scripts_in_titles_tags_and_notes_are_letters(store: RunStore) -> None:
    upload = save_upload(
        "![x](evil) <script> <img src=x onerror=alert(1)>.csv",
        f"user,item,rating\n{SCRIPT},{SCRIPT},5\nb,{SCRIPT},3\nb,{HOSTILE},1\n".encode(),
    )
    run = store.create(parse({"dataset": {"name": upload}}).model_dump(mode="json"))
    store.claim(run.id)
    store.edit(run.id, tags=["<img src=x onerror=a()>", "[x](http://evil)"], remark=f"{SCRIPT}\n{HOSTILE}")
    facts = {"sizes": {"users": 2, "items": 2, "train": 3, "validation": 1, "test": 1}, "liked": 4.0, "dataset_title": SCRIPT}
    store.add_facts(run.id, {**facts, "watch_user": SCRIPT, "watch_users": [SCRIPT, HOSTILE]})
    for epoch, model in ((0, "svd"), (1, "run"), (2, "run")):
        items = [{"item": SCRIPT, "title": SCRIPT, "score": 4.0, "hit": True}, {"item": "b", "title": HOSTILE, "score": 3.0, "hit": False}]
        store.add_list(run.id, epoch, model, SCRIPT, items)
    store.log(run.id, f"{SCRIPT} {HOSTILE}")
    store.finish(run.id, "stopped")
    for page, query in (
        ("start", {}),
        ("train", {"run": run.id}),
        ("runs", {"runs": run.id}),
        ("runs", {"run": run.id}),
        ("data", {"data_name": upload}),
        ("svd", {"svd_data": upload}),
    ):
        shown = visited(f"pages/{page}.py", **query)
        told = [*markdown(shown)]
        assert "onerror" in everything(shown), f"{page} shows them"
        if "runs" not in query:  # whose tags and titles stand in its table and filters, which are no Markdown
            assert any("onerror" in sentence or "evil" in sentence for sentence in told)
        assert not [sentence for sentence in told if acts(sentence)]


def test_tags_are_shown_letter_by_letter(store: RunStore) -> None:
    run = store.create(parse({"dataset": {"name": "toy"}}).model_dump(mode="json"))
    store.edit(run.id, tags=["**b** :red[x]", "]\\[", "`c` [d](e)"])
    shown = [re.fullmatch(r":gray-badge\[(.*)\]", text) for text in markdown(visited("pages/runs.py", run=run.id))]
    badges = [found[1] for found in shown if found and found[1] != run.state]
    assert [re.sub(r"\\(\W)", r"\1", text) for text in badges if "material" not in text] == store.get(run.id).tags
    assert not [text for text in badges if re.search(r"(?<!\\)(\\\\)*[\[\]*`]", text)]


SOUGHT = ["' OR '1'='1", "'; DROP TABLE runs; --", '" UNION SELECT * FROM runs --', "%", "(((((", "\\", "a" * 20_000]


def test_sql_and_patterns_in_search_boxes_are_words(store: RunStore) -> None:
    kept = store.create(parse({"dataset": {"name": "toy"}}).model_dump(mode="json"))
    runs, items = visited("pages/runs.py"), visited("pages/data.py", data_name="toy", data_tab="Items")
    for sought in SOUGHT:
        runs.text_input(key="runs_find").set_value(sought)
        items.text_input(key="data_search").set_value(sought)
        for page in (runs, items):
            assert not page.run().exception
        assert any("No run fits the filters" in caption.value for caption in runs.caption)
        assert any("0 items" in one.value for one in items.markdown)
        assert [run.id for run in store.list()] == [kept.id]


def test_nothing_of_the_server_is_shown(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No path, trace or environment of a run that failed over a file, on its pages and on those of all."""
    monkeypatch.setenv("SECRET_TOKEN", "s3cr3t-value")
    run = store.create(parse({"dataset": {"name": "/srv/secret/mine.csv"}}).model_dump(mode="json"))
    store.claim(run.id)
    try:
        Path("/srv/secret/mine.csv").read_bytes()
    except OSError:
        store.log(run.id, traceback.format_exc())
    store.log(run.id, f"reading /srv/secret/mine.csv into {settings().home}/cache")
    store.save(run.id, "model", {"w": torch.ones(1)}, {})
    store.finish(run.id, "failed", error=f"There is no file /srv/secret/mine.csv, nor {settings().home}/x, nor {settings().store_url}.")
    for page, query in (("start", {}), ("runs", {}), ("runs", {"run": run.id}), ("train", {"run": run.id}), ("recommend", {"run": run.id})):
        shown = everything(visited(f"pages/{page}.py", **query))
        assert "mine.csv" in shown or page == "start"
        for secret in ("/srv", "Traceback", str(settings().home), str(Path.home()), "s3cr3t", "site-packages"):
            assert secret not in shown, f"{page} shows {secret}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("There is no file /srv/data/mine.csv.", "There is no file …/mine.csv."),
        ("'/etc/passwd' is none", "'…/passwd' is none"),
        ("see https://grouplens.org/datasets/movielens/ and /svd", "see https://grouplens.org/datasets/movielens/ and /svd"),
        ("either/or, 1/2, w/o AC/DC", "either/or, 1/2, w/o AC/DC"),
        (r"C:\Users\me\r.csv is open", "…/r.csv is open"),
        ("sqlite:////var/lib/encore.db is damaged", "encore.db is damaged"),
    ],
)
def test_of_a_path_its_last_part_is_shown(text: str, shown: str) -> None:
    assert discreet.discreet(text) == shown


def test_a_message_has_an_end() -> None:
    page = visited(TRAIN, run="x" * 100_000)
    assert len(page.warning) == 1 and len(page.warning[0].value) < 2_000
    assert words.plain("a\0b") == "ab"
