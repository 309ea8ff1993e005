"""Runs compared in a simulated browser: one choice for all views, filters by what people wrote, and what may not be compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.comparison import by_user
from engine.config import merge, parse
from engine.store import MetricRow, RunStore
from pages.components import run_table
from tests.visits import visited

pytestmark = pytest.mark.usefixtures("no_daemon")


def finished(store: RunStore, changes: dict | None = None, rmse: float = 0.9, ground: str = "a", curve=(1.0, 0.8, 0.9), errors=None):
    """A run with this validation curve, test figure and errors of six test ratings of three users."""
    run = store.create(parse(merge({}, changes or {})).model_dump(mode="json"))
    store.claim(run.id)
    rows = [MetricRow(epoch, f"{part}/rmse", value - 0.1 * (part == "train"), epoch, epoch)
            for epoch, value in enumerate(curve, 1) for part in ("validation", "train")]  # fmt: skip
    store.add_metrics(run.id, rows)
    store.add_facts(run.id, {"split_fingerprint": ground, "liked": 4.0, "monitor": "rmse"})
    if errors is not None:
        kept = np.float32(errors)
        arrays = {"errors": kept, "unclipped": kept, "users": np.int32([0, 0, 1, 1, 2, 2]), "pairs": np.arange(6)}
        store.save(run.id, "errors", arrays, {"fingerprint": ground})
    metrics = {"test": {"rmse": rmse, "ndcg@10": 0.1}, "validation": {"rmse": min(curve)}}
    store.finish(run.id, "finished", summary={"metrics": metrics, "best_epoch": 2})
    return store.get(run.id)


def visit(**query: str) -> AppTest:
    return visited("pages/runs.py", **query)


def said(page: AppTest) -> str:
    texts = [*page.markdown, *page.caption, *page.warning, *page.error, *page.info, *page.header]
    return "\n".join(str(one.value) for one in texts).replace("\\", "")


def drawn(page: AppTest, place: int = 0) -> dict:
    return json.loads(page.get("echarts_chart")[place].proto.spec)


def address(page: AppTest) -> str:
    """The chosen runs in the address."""
    value = page.query_params["runs"]
    return value if isinstance(value, str) else value[0]


def ids(*runs) -> str:
    return ",".join(run.id for run in runs)


def test_nothing_chosen_says_what_to_do(store):
    finished(store)
    for view, words in (("curves", "Tick one run or more"), ("settings", "Tick two runs"), ("users", "Tick two runs")):
        assert words in said(visit(compare=view))


def test_a_link_chooses_runs_and_the_choice_is_a_link(store):
    first, second, third = (finished(store, {"training.seed": seed}) for seed in range(3))
    page = visit(runs=f"{first.id},{second.name},nonsense")
    assert "There is no run “nonsense”" in page.warning[0].value
    assert "2 chosen" in said(page)
    assert address(page) == ids(first, second)
    names = {one["name"] for one in drawn(page)["series"]}
    assert {first.name, second.name} <= names and third.name not in names
    page.session_state["runs.picked"] = [third.id]
    page.run()
    assert address(page) == third.id
    page.button(key="runs-none").click().run()
    assert "runs" not in page.query_params
    assert "Tick one run or more" in said(page)


def test_chosen_runs_stay_chosen_where_filters_hide_them(store):
    first, second = finished(store, {"model.dropout": 0.5}), finished(store)
    page = visit(runs=ids(first, second), runs_find="dropout 0.5")
    assert page.dataframe[0].value["name"].tolist() == [first.name]
    assert "2 chosen, 1 of them hidden by the filters" in said(page)
    assert second.name in {one["name"] for one in drawn(page)["series"]}
    page.button(key="runs-delete").click().run()
    assert f"**{first.name}**" in said(page) and f"**{second.name}** (finished)" not in said(page), "what is not seen is not deleted"


def test_what_people_wrote_finds_runs(store):
    first, second, third = finished(store, rmse=0.8), finished(store, rmse=0.7), finished(store, {"model": {"name": "svd"}}, rmse=0.9)
    store.edit(first.id, starred=True, tags=["lecture 3", "base"])
    store.edit(second.id, tags=["base"], remark="Too good to be true")
    for query, found in (
        ({"runs_tag": "lecture 3"}, [first]),
        ({"runs_starred": "true"}, [first]),
        ({"runs_find": "good TRUE"}, [second]),
        ({"runs_find": "base"}, [second, first]),
        ({"runs_model": "svd"}, [third]),
        ({"runs_sort": "rmse"}, [second, first, third]),
        ({"runs_sort": "starred"}, [first, third, second]),
    ):
        page = visit(**query)
        assert page.dataframe[0].value["name"].tolist() == [run.name for run in found], query
    row = visit().dataframe[0].value.set_index("name").loc[first.name]
    assert (row["star"], [*row["tags"]]) == ("★", ["lecture 3", "base"])


def test_a_star_is_given_and_taken(store):
    run = finished(store)
    page = visit(runs=run.id)
    page.button(key="runs-star-chosen").click().run()
    assert store.get(run.id).starred and page.dataframe[0].value["star"].tolist() == ["★"]
    page.button(key="runs-star-chosen").click().run()
    assert not store.get(run.id).starred


def test_starring_a_run_that_is_gone_is_told(store, monkeypatch):
    run = finished(store)
    told: list[str] = []
    monkeypatch.setattr("pages.components.frame.say_later", told.append)
    store.delete(run.id)
    run_table.star([run.id])
    assert told == [f"There is no run '{run.id}'."]


def test_curves_are_measured_smoothed_and_never_reported_smooth(store):
    run = finished(store, curve=(1.0, 0.5, 0.9))
    page = visit(runs=run.id, compare_smooth="0.5", compare_x="step")
    series = {one["name"]: one for one in drawn(page)["series"]}
    assert [y for _, y in series[f"{run.name}, measured"]["data"]] == [1.0, 0.5, 0.9]
    assert series[f"{run.name}, measured"]["lineStyle"]["opacity"] < 0.5
    assert [y for _, y in series[run.name]["data"]] == pytest.approx([1.0, 2 / 3, 0.8], abs=1e-4)
    assert series[f"{run.name}, train"]["lineStyle"]["type"] == "dashed"
    assert page.dataframe[1].value.iloc[0].tolist() == [run.name, "", 1, "0.5000", "2", "0.9000"]
    without = {one["name"] for one in drawn(visit(runs=run.id, compare_train="false"))["series"]}
    assert without == {run.name}


def test_seeds_become_a_band(store):
    curves = ((1.0, 0.8), (1.2, 0.6))
    runs = [finished(store, {"training.seed": seed}, curve=curve) for seed, curve in enumerate(curves)]
    other = finished(store, {"model.dropout": 0.5})
    page = visit(runs=ids(*runs, other), compare_seeds="true")
    series = {one["name"]: one for one in drawn(page)["series"]}
    name = f"{runs[0].name} ×2"
    assert [y for _, y in series[name]["data"]] == pytest.approx([1.1, 0.7])
    sd = [0.2 / 2**0.5, 0.2 / 2**0.5]
    assert [y for _, y in series[f"{name}, lower"]["data"]] == pytest.approx([1.1 - sd[0], 0.7 - sd[1]], abs=1e-4)
    assert [y for _, y in series[f"{name}, upper"]["data"]] == pytest.approx([2 * one for one in sd], abs=1e-4)
    assert series[f"{name}, upper"]["stack"] == series[f"{name}, lower"]["stack"]
    assert other.name in series
    assert f"over seeds (2 of {runs[0].name})" in said(page)
    row = page.dataframe[1].value.iloc[0]
    assert (row["seeds"], row["best"]) == (2, "0.7000 ± 0.1414")
    assert page.dataframe[1].value["differs in"].tolist() == ["dropout 0.0", "dropout 0.5"]


def test_svd_stands_beside_the_curves_where_they_compare(store):
    one, other, elsewhere = (finished(store, {"training.seed": seed}, ground=ground) for seed, ground in enumerate("aab"))
    for run in (one, other, elsewhere):
        store.add_facts(run.id, {"baselines": {"svd": {"validation": {"rmse": 0.75}}}})
    assert "SVD" in str(drawn(visit(runs=ids(one, other), compare_seeds="true")))
    assert "SVD" not in str(drawn(visit(runs=ids(one, elsewhere))))


def test_ten_runs_are_drawn_and_that_is_said(store):
    runs = [finished(store, {"training.seed": seed}) for seed in range(11)]
    page = visit(runs=ids(*runs))
    assert "The first 10 of 11 chosen runs are drawn" in said(page)
    looks = {
        (one["color"], one["markPoint"]["data"][0]["symbol"]) for one in drawn(page)["series"] if one["name"] in {r.name for r in runs}
    }
    assert len(looks) == 10, "no two look alike"


def test_settings_show_only_what_differs(store):
    first, second = finished(store, {"model.dropout": 0.5}, rmse=0.8), finished(store, rmse=0.9)
    page = visit(runs=ids(first, second), compare="settings")
    figures, told = page.dataframe[1].value, page.dataframe[2].value
    assert told.values.tolist() == [["model.dropout", "0.5", "0.0"]]
    assert figures.set_index("").loc["RMSE"].tolist() == ["0.8000 ✓", "0.9000"]
    assert "identical" in said(visit(runs=ids(first, finished(store, {"model.dropout": 0.5})), compare="settings"))
    svd = finished(store, {"model": {"name": "svd", "rank": 3}})
    tables = visit(runs=ids(first, svd), compare="settings").dataframe
    assert tables[2].value[""].tolist() == ["model.name"], "what only one of the models has stands apart"
    assert {"model.dropout", "model.rank"} <= set(tables[3].value[""])


def test_other_ratings_are_not_compared_in_silence(store):
    first, second = finished(store), finished(store, {"split.kind": "last"}, ground="b")
    warned = visit(runs=ids(first, second)).warning[0].value.replace("\\", "")
    assert "judged on different ratings" in warned and "random 10 %" in warned and "last 10 %" in warned
    assert not visit(runs=ids(first, finished(store))).warning
    page = visit(runs=ids(first), compare="scatter")
    assert "Left out: 1 run without a test RMSE, or measured on other ratings." not in said(page), "nothing differs among the rest"
    finished(store, {"model.dropout": 0.5})
    assert "Left out: 1 run without a test RMSE, or measured on other ratings." in said(visit(compare="scatter"))


def test_scatter_and_parallel_draw_every_run_and_mark_the_chosen(store):
    runs = [finished(store, {"model.dropout": dropout, "model.activation": kind}, rmse=0.8 + dropout)
            for dropout in (0.0, 0.5) for kind in ("selu", "tanh")]  # fmt: skip
    page = visit(runs=runs[0].id, compare="scatter", compare_setting="model.dropout", compare_metric="rmse")
    others, chosen = drawn(page)["series"]
    assert {tuple(point["value"]) for point in others["data"]} == {(0.0, 0.8), (0.5, 1.3)}
    assert chosen["name"] == runs[0].name and chosen["data"][0]["value"] == [0.0, 0.8]
    names = drawn(visit(compare="scatter", compare_setting="model.activation", compare_metric="rmse"))["xAxis"]["data"]
    assert names == ["selu", "tanh"]
    option = drawn(visit(runs=runs[0].id, compare="parallel", compare_metric="rmse"))
    assert [axis["name"] for axis in option["parallelAxis"]] == ["activation", "dropout", "RMSE"]
    widths = {one["name"]: one["lineStyle"]["width"] for one in option["series"]}
    assert len(widths) == 4 and max(widths, key=widths.__getitem__) == runs[0].name


def test_too_few_runs_have_no_importance(store):
    finished(store)
    assert "at least 12 finished runs" in visit(compare="importance").error[0].value


def test_users_gain_and_lose(store):
    first = finished(store, errors=[0.1, 0.1, 0.5, 0.5, 1, 1])
    second = finished(store, {"model.dropout": 0.5}, errors=[0.3, 0.3, 0.4, 0.4, 1, 1])
    page = visit(runs=ids(first, second), compare="users")
    found = by_user("rmse", first.id, second.id, store)
    text = said(page)
    assert "3 users, 6 test ratings" in text
    assert [one.value for one in page.header] == [
        "1", "1", "1", f"+{found.mean:.4f}", f"{found.p_value:.4f}", f"{'−' if found.whole[0] < 0 else '+'}{abs(found.whole[0]):.4f}",
    ]  # fmt: skip
    assert ":gray[**not distinguishable**]" in text
    assert len(page.get("echarts_chart")) == 2
    assert "left nothing per user" in said(visit(runs=ids(first, second), compare="users", compare_metric="ndcg@10"))


def test_wrong_words_in_a_link_break_nothing(store):
    run = finished(store)
    page = visit(runs=run.id, compare="nonsense", compare_metric="nonsense", compare_x="nonsense", runs_sort="nonsense", runs_tag="none")
    assert page.dataframe and not page.error


def test_a_runs_page_is_written_on_and_shared(store):
    run = finished(store, {"model.dropout": 0.5})
    page = visit(run=run.id)
    page.button(key="run-star").click().run()
    page.multiselect(key=f"run-tags-{run.id}").set_value(["mine"])
    page.text_area(key=f"run-note-{run.id}").set_value("see *this*\nand that")
    page.button(key="run-marks-keep").click().run()
    kept = store.get(run.id)
    assert (kept.starred, kept.tags, kept.remark) == (True, ["mine"], "see *this*\nand that")
    assert "see *this*  \nand that" in said(page)
    assert ".venv/bin/python -m engine train --set model.dropout=0.5" in {one.value for one in page.code}
    assert {"Clone", "Compare"} <= {one.label for one in page.button}
    page.multiselect(key=f"run-tags-{run.id}").set_value(["x" * 40])
    page.button(key="run-marks-keep").click().run()
    assert "40 characters long" in page.error[0].value and store.get(run.id).tags == ["mine"]


def test_compare_on_a_runs_page_opens_all_runs_with_it_chosen(store):
    run = finished(store)
    page = visit(run=run.id)
    next(one for one in page.button if one.label == "Compare").click().run()
    assert not page.exception
    assert address(page) == run.id and "1 chosen" in said(page)


def test_what_tells_is_drawn_and_what_does_not_is_hollow(store):
    for dropout in (0.0, 0.2, 0.4, 0.6):
        for kind in ("selu", "tanh"):
            for seed in (0, 1):
                changes = {"model.dropout": dropout, "model.activation": kind, "training.seed": seed}
                finished(store, changes, rmse=0.8 + dropout + seed / 1e3)
    page = visit(compare="importance", compare_metric="rmse")
    assert "16 runs with 8 configurations" in said(page)
    option = drawn(page)
    assert option["yAxis"]["data"] == ["model.dropout", "model.activation"]
    marks = next(one for one in option["series"] if one["type"] == "scatter")["data"]
    assert ["itemStyle" in one for one in marks] == [False, True]
