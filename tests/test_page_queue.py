"""The queue on the pages in a simulated browser: places, buttons, the limit's sentence, and a store that does not answer."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from engine import background, queue
from engine.config import merge, parse
from engine.store import RunStore
from pages.components import session, waiting
from tests.visits import visited

SMALL = {"model": {"layers": [8]}, "training": {"epochs": 3}}


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)
    monkeypatch.setattr(background, "daemon_alive", lambda *_: True)
    monkeypatch.setattr(waiting, "_turns", lambda _: queue.queue(session.store()))
    waiting._turns.clear = lambda: None


def made(store, changes=None, **more):
    return store.create(parse(merge(SMALL, changes or {})).model_dump(mode="json"), **more)


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*page.markdown, *page.caption, *page.error]).replace("\\", "")


def test_who_waits_stands_in_order_and_can_be_moved_and_cancelled(store):
    assert "**Queue**" not in said(visited("pages/runs.py"))
    first, second = made(store), made(store)
    other = made(store, {"model.layers": [7]}, owner="cli")
    page = visited("pages/runs.py")
    assert "**Queue** · 3 runs waiting for 1 slot" in said(page)
    assert [place for place in ("1.", "2.", "3.") if f"{place} **" in said(page)] == ["1.", "2.", "3."]
    assert "Sessions take turns" in said(page) and "command line" in said(page) and "another session" in said(page)
    assert "waits for a CPU slot · starts at once" in said(page)
    page.button(key=f"queue-up-{second.id}").click().run()
    assert [one.id for one in store.waiting()] == [second.id, other.id, first.id]
    page.button(key=f"queue-front-{first.id}").click().run()
    assert [one.id for one in store.waiting()] == [first.id, other.id, second.id]
    page.button(key=f"queue-stop-{other.id}").click().run()
    assert store.get(other.id).state == "stopped"
    assert "Sessions take turns" not in said(page) and not page.error
    assert {page.button(key=f"queue-{what}-{first.id}").label for what in ("front", "up", "down", "stop")} == {
        "First",
        "Up",
        "Down",
        "Cancel",
    }


def test_a_run_at_an_end_of_its_owners_cannot_be_moved_further(store, monkeypatch):
    monkeypatch.setattr(queue, "daemon_alive", lambda *_: True)
    runs = [made(store), made(store, owner="cli"), made(store), made(store)]
    store.assign(runs[0].id, "cpu:0")  # and so it is just being started
    page = visited("pages/runs.py")
    disabled = [[where for where in ("front", "up", "down") if page.button(key=f"queue-{where}-{run.id}").disabled] for run in runs]
    assert disabled == [["front", "up", "down"], ["front", "up", "down"], ["front", "up"], ["down"]]


def test_a_run_that_waits_says_for_what_on_its_page(store, monkeypatch):
    monkeypatch.setattr(background, "daemon_state", lambda *_: "ready")
    made(store)
    run = made(store)
    assert "number 2 in the queue · waits for a CPU slot · start not known yet" in said(visited("pages/runs.py", run=run.id))


def test_a_limit_is_told_where_a_run_is_to_go_on(store, monkeypatch):
    monkeypatch.setenv("ENCORE_RUNS_PER_SESSION", "1")
    paused = made(store)
    store.ask(paused.id, "pause")
    made(store)
    page = visited("pages/runs.py", run=paused.id)
    next(button for button in page.button if button.label == "Resume").click().run()
    assert "You have 1 run waiting or running, which is the most at a time" in said(page)
    assert store.get(paused.id).state == "paused"


def test_a_store_that_does_not_answer_is_a_sentence(store, monkeypatch):
    made(store)
    page = visited("pages/runs.py")

    def locked(*_, **__):
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(RunStore, "list", locked)
    page.run()
    assert not page.exception
    assert "The run store does not answer (database is locked): runs wait for it and go on by themselves" in said(page)


def test_a_store_that_does_not_answer_a_click_is_a_sentence_and_the_page_stays(store, monkeypatch):
    run = made(store)
    page = visited("pages/runs.py", run=run.id)

    def locked(*_, **__):
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr(RunStore, "ask", locked)
    next(button for button in page.button if button.label == "Stop").click().run()
    assert not page.exception
    assert page.title[0].value == run.name
    assert "The run store does not answer (database is locked)" in said(page)


def test_a_browser_is_one_session_whatever_its_cookie_is_masked_with(monkeypatch):
    cookies = {}
    monkeypatch.setattr(session.st, "context", type("Context", (), {"cookies": cookies}))
    owners = []
    for mask, token in (("00000000", "a1b2c3d4e5f6"), ("0f0f0f0f", "aebdccdbeaf9"), ("00000000", "ffffffffffff")):
        cookies["_streamlit_xsrf"] = f"2|{mask}|{token}|1700000000"
        owners.append(session.owner())
    assert owners[0] == owners[1] != owners[2]
    for broken in ("", "2|zz|zz|1", "2||a1|1"):
        cookies["_streamlit_xsrf"] = broken
        assert session.owner().startswith("browser-")
