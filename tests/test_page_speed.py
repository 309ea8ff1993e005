"""The Speed page in a simulated browser: nothing measured, something measured here, a busy machine, results of another version."""

import json

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import background
from engine.bench import figures, results
from engine.bench.suites import SUITES
from pages.components import cards
from tests.visits import visited

PUBLISHED = results.RECORDED
TIMING = {"seconds": 2.0, "projected": False, "peak_memory_gb": 0.5, "rmse": 0.91}
EPOCH = {
    "what": "one epoch",
    "textbook": TIMING,
    "encore": {**TIMING, "seconds": 0.5, "projected": True},
    "ratio": 4.0,
    "once": {"batches": 200, "seconds": 21.0, "rmse": 0.9, "trained": 200},
    "share": {"bf16": 0.375, "fp32": 0.8},
    "notes": {"batches": 300},
    "targets": [
        {"target": "at least 3 × as fast as the dense loop", "value": 4.0, "met": True},
        {"target": "at least 40 % of the machine's bf16 matrix rate", "value": 0.375, "met": False},
    ],
    "met": False,
}
EVALUATION = {
    **EPOCH,
    "what": "evaluation",
    "textbook": None,
    "encore": {**TIMING, "peak_memory_gb": None, "rmse": None},
    **dict.fromkeys(("ratio", "once", "share", "met")),
    "targets": [],
}
RESULT = {
    "title": "MovieLens 1M",
    "measurements": [EPOCH, EVALUATION],
    "machine": {"cpu": "A chip", "cores": 2, "threads": 2, "memory_gb": 25.0, "gpu": None, "versions": {"torch": "2.13"}},
    "peaks": {"bf16": {"gflops": 431.0}, "fp32": {"gflops": 218.0}},
    "rounds": 5,
    "date": "2026-01-02T03:04:05+00:00",
    "command": "python -m engine bench --suite ml1m",
}


@pytest.fixture(autouse=True)
def nothing_published(monkeypatch, tmp_path):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)
    monkeypatch.setattr(results, "RECORDED", tmp_path / "published.json")


def visit(**query: str) -> AppTest:
    page = visited("pages/speed.py", **query)
    assert not page.error
    return page


def table(page: AppTest, number: int) -> list[dict[str, str]]:
    return [{name: text.replace("\u00a0", " ") for name, text in row.items()} for row in page.table[number].value.to_dict("records")]


@pytest.mark.parametrize(("whose", "what"), [("Published", "published"), ("This machine", "measured on this machine")])
def test_before_any_measurement_the_command_is_told(whose, what):
    page = visit(speed_of=whose)
    assert f"Nothing has been {what} yet" in page.info[0].value
    assert ".venv/bin/python -m engine bench --suite ml1m" in [one.value for one in page.code]
    assert not page.table


def test_measurements_stand_in_tables_and_their_ratios_in_a_chart():
    results.merge(results.RECORDED, {"ml1m": RESULT})
    page = visit()
    epoch, evaluation = table(page, 0)
    assert [*epoch] == ["measured", "Encore", "faster", "reached, of the target", "textbook"], "what fits a narrow screen comes first"
    assert [*epoch.values()][:3] == ["MovieLens 1M, one epoch", "≈ 0.5 s", "**4.00 ×**"]
    met, missed = epoch["reached, of the target"].split("  \n")
    assert met == ":green-badge[met] **4.00 ×** :gray[at least 3 ×]"
    assert missed.startswith(":orange-badge[not met] **37.5 %** :gray[at least 40 %")
    assert [evaluation[name] for name in ("faster", "reached, of the target", "textbook")] == ["–", "–", "–"]
    (detail,) = table(page, 1)
    assert (detail["memory, GB"], detail["RMSE"], detail["after"]) == ("0.50 / 0.50", "0.910 / 0.910", "300 batches")
    assert (detail["of bf16 rate"], detail["Encore at a stretch"]) == ("37.5 %", "200 batches, 21 s; RMSE 0.900 after 200 batches")
    (founded,) = table(page, 2)
    assert (founded["rounds"], founded["matrix rate"], founded["data"]) == ("5", "431 / 218", "MovieLens 1M\\: 6,040 users, 1 M ratings")
    (option,) = [json.loads(one.proto.spec) for one in page.get("echarts_chart")]
    assert option["yAxis"]["data"] == ["MovieLens 1M, one epoch"]
    (series,) = option["series"]
    assert [(bar["value"], bar["label"]["formatter"]) for bar in series["data"]] == [(4.0, "4.00 ×")], "the same digits as in the table"
    assert series["markLine"]["data"] == [{"xAxis": 1}]
    assert (option["xAxis"]["name"], option["yAxis"]["inverse"]) == ("textbook's time / Encore's (×)", True), "bars lie, the first on top"
    assert any("published with Encore\\: taken on A chip, 2 cores, 2 threads, 25 GB" in one.value for one in page.caption)


def test_published_figures_come_first_and_this_machines_are_one_click_away():
    results.merge(results.RECORDED, {"small": RESULT})
    results.merge(results.here(), {"ml1m": RESULT})
    assert {row["suite"] for row in table(visit(), 2)} == {"`small`"}
    page = visit(speed_of="This machine")
    assert {row["suite"] for row in table(page, 2)} == {"`ml1m`"}
    assert any(one.value.startswith("Measured here on A chip") for one in page.caption)


def test_what_is_published_is_shown_in_full(monkeypatch):
    monkeypatch.setattr(results, "RECORDED", PUBLISHED)
    suites = results.read(PUBLISHED)
    assert set(suites) == set(SUITES)
    page = visit()
    assert len(table(page, 0)) == sum(len(result["measurements"]) for result in suites.values())
    assert len(table(page, 2)) == len(SUITES)
    assert all(figures.lines(name, result) for name, result in suites.items())
    (option,) = [json.loads(one.proto.spec) for one in page.get("echarts_chart")]
    assert not any("again" in name for name in option["yAxis"]["data"]), "a cache hit is no bar beside the others"
    assert any("Left out: text to CSR, again" in one.value for one in page.caption)
    missed = any(one["met"] is False for one in suites["ml1m-refeed"]["measurements"])
    assert any("Why “MovieLens 1M, re-fed once” misses" in one.value for one in page.caption) == missed
    rows = {row["measured"]: row for row in table(page, 0)}
    assert (
        "**200 batches** :gray[at least 200 batches at a stretch]" in rows["Generated, Netflix's size, one epoch"]["reached, of the target"]
    )
    assert not any("p50" in str(cell) for row in rows.values() for cell in row.values())


def test_the_download_has_numbers_and_says_what_is_projected(monkeypatch):
    given = {}
    monkeypatch.setattr(cards, "download", lambda data, *, key, title: given.update({key: data()}))
    results.merge(results.RECORDED, {"amazon": RESULT})
    visit()
    epoch, evaluation = given["speed-measurements"].to_dict("records")
    assert (epoch["textbook_seconds"], epoch["encore_seconds"], epoch["ratio"]) == (2.0, 0.5, 4.0)
    assert (epoch["textbook_projected"], epoch["encore_projected"], epoch["met"], epoch["generated"]) == (False, True, False, True)
    assert "not met" in epoch["targets"]
    assert pd.isna(evaluation["textbook_seconds"]) and pd.isna(evaluation["met"])


def test_a_busy_machine_is_told():
    results.merge(results.here(), {"ml1m": {**RESULT, "usual_rate": 1_000.0}})
    page = visit(speed_of="This machine")
    assert "the matrix rate is 43% of what such a machine has reached" in page.warning[0].value
    assert table(page, 2)[0]["matrix rate"] == ":orange-badge[busy] 431 / 218"


def test_results_of_another_version_are_not_shown():
    results.merge(results.here(), {"ml1m": {"measurements": [{"what": "one epoch"}]}})
    assert "another version" in visit(speed_of="This machine").warning[0].value
