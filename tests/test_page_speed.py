"""The Speed page in a simulated browser: nothing measured, something measured here, results of another version."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import background
from engine.bench import results

ROOT = Path(__file__).parents[1]
TIMING = {"seconds": 2.0, "projected": False, "peak_memory_gb": 0.5, "rmse": 0.91}
EPOCH = {
    "what": "one epoch",
    "textbook": TIMING,
    "encore": {**TIMING, "seconds": 0.5, "projected": True},
    "ratio": 4.0,
    "once": {"batches": 200, "seconds": 21.0},
    "share": {"bf16": 0.41, "fp32": 0.8},
    "target": "at least 3 × as fast",
    "met": True,
}
RESULT = {
    "title": "MovieLens 1M",
    "measurements": [EPOCH, {**EPOCH, "what": "evaluation", "textbook": None, "ratio": None, "once": None, "share": None, "met": None}],
    "machine": {"cpu": "A chip", "cores": 2, "threads": 2, "memory_gb": 25.0, "gpu": None, "versions": {"torch": "2.13"}},
    "peaks": {"bf16": {"gflops": 431.0}, "fp32": {"gflops": 218.0}},
    "date": "2026-01-02T03:04:05+00:00",
    "command": "python -m engine bench --suite ml1m",
}


@pytest.fixture(autouse=True)
def nothing_published(monkeypatch, tmp_path):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)
    monkeypatch.setattr(results, "RECORDED", tmp_path / "published.json")


def visit(**query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)
    page.run()
    page.switch_page("pages/speed.py")
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception and not page.error
    return page


def test_before_any_measurement_the_command_is_told():
    assert "python -m engine bench in a terminal" in visit().info[0].value


def test_measurements_stand_in_a_table_and_their_ratios_in_a_chart():
    results.merge(results.here(), {"ml1m": RESULT})
    page = visit()
    epoch, evaluation = page.dataframe[0].value.to_dict("records")
    assert (epoch["textbook"], epoch["encore"], epoch["ratio"], epoch["share"]) == ("2 s", "≈ 0.5 s", 4.0, 0.41)
    assert (epoch["once"], [*epoch["met"]]) == ("200 batches in 21 s", ["met"])
    assert (evaluation["ratio"] > 0, [*evaluation["met"]]) == (False, ["not judged"])
    (option,) = [json.loads(one.proto.spec) for one in page.get("echarts_chart")]
    assert (option["yAxis"]["data"], option["series"][0]["data"]) == (["ml1m"], [4.0])
    assert any("A chip, 2 cores, 25 GB" in one.value for one in page.caption)


def test_published_figures_come_first_and_this_machines_are_one_click_away():
    results.merge(results.RECORDED, {"small": RESULT})
    results.merge(results.here(), {"ml1m": RESULT})
    assert set(visit().dataframe[0].value["suite"]) == {"small"}
    assert set(visit(speed_of="This machine").dataframe[0].value["suite"]) == {"ml1m"}


def test_results_of_another_version_are_not_shown():
    results.merge(results.here(), {"ml1m": {"measurements": [{"what": "one epoch"}]}})
    assert "another version" in visit().warning[0].value
