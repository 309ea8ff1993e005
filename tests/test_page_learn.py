"""The Learn page in a simulated browser: every lesson by its link, its controls, the player, links that are wrong."""

import json
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from streamlit.testing.v1 import AppTest

from engine.lessons import NAMES, lesson, lessons
from pages.components import player
from tests.visits import visited

pytestmark = pytest.mark.usefixtures("no_daemon")


def visit(**query: str) -> AppTest:
    return sound(visited("pages/learn.py", **query))


def sound(page: AppTest) -> AppTest:
    assert not page.exception and not page.error
    return page


def query(page: AppTest) -> dict[str, str]:
    return {name: values if isinstance(values, str) else values[-1] for name, values in page.query_params.items()}


def pictures(page: AppTest) -> list[str]:
    """All that is drawn: charts as ECharts options, tables as text."""
    return [one.proto.spec for one in page.get("echarts_chart")] + [one.value.to_json() for one in page.table]


def cards(page: AppTest) -> str:
    return "\n".join(one.value for one in [*page.markdown, *page.caption])


def move(page: AppTest, name: str, field: str) -> None:
    """Moves a control to another value than its default."""
    info = lesson(name).module.Options.model_fields[field]
    key = f"lesson.{name}.{field}"
    if info.annotation is bool:
        page.toggle(key=key).set_value(not info.default)
    elif choices := get_args(info.annotation):
        page.segmented_control(key=key).set_value(next(choice for choice in choices if choice != info.default))
    else:
        slider = page.slider(key=key)
        step: Any = info.json_schema_extra.get("step", 1) if isinstance(info.json_schema_extra, dict) else 1
        slider.set_value(info.default + step if info.default + step <= slider.max else info.default - step)
    sound(page.run())


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_moves_with_its_controls_and_its_link_repeats_it(name):
    page = visit(lesson=name)
    one = lesson(name)
    assert page.title[0].value == one.title
    assert all(text in cards(page) for text in one.tries)
    usual = pictures(page)
    assert usual and query(page) == {"lesson": name}
    fields = list(one.module.Options.model_fields)
    for field in fields:
        move(page, name, field)
    assert pictures(page) != usual
    assert {"lesson", *fields} == {*query(page)}, "the address holds every control that was moved"
    assert pictures(visit(**query(page))) == pictures(page)


def test_all_lessons_stand_as_cards_and_lead_to_each_other():
    page = visit()
    assert [one.key for one in page.button if (one.key or "").startswith("learn.open.")] == [f"learn.open.{name}" for name in NAMES]
    sound(page.button(key=f"learn.open.{NAMES[-1]}").click().run())
    assert query(page)["lesson"] == NAMES[-1]
    assert "learn.next" not in [one.key for one in page.button]
    sound(page.button(key="learn.previous").click().run())
    assert page.title[0].value == lesson(NAMES[-2]).title
    sound(page.button(key="learn.all").click().run())
    assert query(page) == {} and not pictures(page)
    assert all(one.asks in cards(page) for one in lessons().values())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"lesson": "liner"}, "'linear'"),
        ({"lesson": "linear", "rank": "9"}, "rank: input should be less than or equal to 3, not '9'"),
        ({"lesson": "inside", "hiden": "2"}, "Did you mean 'hidden'"),
        ({"lesson": "re-feeding", "steps": "x"}, "steps: input should be 0, 1, 2 or 3, not 'x'"),
        ({"lesson": "over-fitting", "epoch": "last"}, "epoch: it is a whole number from 0 up, not 'last'"),
    ],
)
def test_a_wrong_link_is_answered_with_a_sentence(address, said):
    page = visit(**address)
    (warning,) = page.warning
    assert said in warning.value.replace("\\", "")
    assert query(page) == ({} if address["lesson"] not in NAMES else {"lesson": address["lesson"]}), "the rest is at its defaults"


def test_what_is_right_in_a_link_is_kept():
    page = visit(lesson="linear", rank="9", missing="0.3", epoch="4")
    assert page.slider(key="lesson.linear.missing").value == 0.3
    assert query(page) == {"lesson": "linear", "missing": "0.3", "epoch": "4"}


def drawn(page: AppTest) -> int:
    """Points of the line of a lesson's error chart: one for each epoch so far, and that before the first."""
    option = json.loads(page.get("echarts_chart")[-1].proto.spec)
    return len(option["series"][0]["data"])


def test_a_training_is_stepped_through():
    page = visit(lesson="linear", epoch="0")
    assert page.button(key="player.reset").disabled and drawn(page) == 1
    sound(page.button(key="player.step").click().run())
    assert (drawn(page), query(page)["epoch"]) == (2, "1")
    sound(page.slider(key="player.epoch.linear").set_value(7).run())
    assert (drawn(page), query(page)["epoch"]) == (8, "7")
    sound(page.button(key="player.reset").click().run())
    assert (drawn(page), query(page)["epoch"]) == (1, "0")
    last = page.slider(key="player.epoch.linear").max
    sound(page.slider(key="player.epoch.linear").set_value(last).run())
    assert page.button(key="player.step").disabled and "epoch" not in query(page)
    assert sound(visit(lesson="linear", epoch="999")).slider(key="player.epoch.linear").value == last


def test_a_training_plays_until_paused_or_done(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(player, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    page = visit(lesson="linear")
    sound(page.button(key="player.play").click().run())
    assert drawn(page) == 1, "from the end it begins again"
    assert page.slider(key="player.epoch.linear").disabled
    clock[0] += 5 * player.FRAME
    sound(page.run())
    assert (drawn(page), query(page)) == (6, {"lesson": "linear"}), "the address stands still while it plays"
    sound(page.button(key="player.pause").click().run())
    assert (drawn(page), query(page)["epoch"]) == (6, "5")
    assert not page.slider(key="player.epoch.linear").disabled
    sound(page.button(key="player.play").click().run())
    clock[0] += 1000 * player.FRAME
    sound(page.run())
    sound(page.run())
    assert (drawn(page), query(page)) == (61, {"lesson": "linear"})
    assert "player.play" in [one.key for one in page.button]


def test_a_control_moves_the_picture_of_the_epoch_that_is_shown():
    page = visit(lesson="inside", epoch="3")
    before = pictures(page)
    move(page, "inside", "person")
    assert pictures(page) != before
    assert query(page) == {"lesson": "inside", "person": "2", "epoch": "3"}
