"""The Reproduce page in a simulated browser: links, exact tables, planted figures, starting rows, what cannot run."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import background, reproduce
from engine.config import flatten, parse
from engine.reproduce import Difference, Kept, Result, results, wording
from engine.tables import Table, table, tables
from pages.components import reproduced, reproduced_chart
from tests.visits import visited

ROOT = Path(__file__).parents[1]
NAME = "5-convergence"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)
    monkeypatch.setattr(background, "daemon_alive", lambda *_: True)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "tables")


def visit(**query: str) -> AppTest:
    return visited("pages/reproduce.py", **{f"reproduce_{name}": value for name, value in query.items()})


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.code])


def rows(page: AppTest) -> list[dict]:
    return page.dataframe[0].value.to_dict("records")


def planted(one: Table, row: str, seed: int, **figures: float) -> Result:
    """What a finished run of a row leaves."""
    values = flatten(reproduce.configuration(one, one.row(row), None, seed))
    return Result(one.dataset, row, seed, figures, values, {"epochs": 7}, 2.0, 0.0)


@pytest.mark.parametrize("name", tables())
def test_every_table_stands_and_shows_what_was_printed(name):
    page = visit(table=name)
    assert not page.error and not page.warning
    assert page.selectbox(key="reproduce_table").value == name, "a link may name the table alone"
    assert len(rows(page)) == len(tables()[name].rows)
    assert any(f"engine reproduce {name}" in code.value for code in page.code)


@pytest.mark.parametrize("name", [name for name, one in tables().items() if one.exact])
def test_sums_are_equal_at_once(name):
    page = visit(table=name)
    assert {row["equal"] for row in rows(page)} == {"= equal"}
    assert not [button for button in page.button if button.key == "reproduce-start"]


def test_planted_figures_stand_beside_the_published_ones():
    one = table("field-ml-100k-u1")
    row = next(row for row in one.rows if row.published and not row.quoted)
    theirs = row.published["test"]
    reproduce.write(one, Kept([planted(one, row.name, 0, test=theirs - 0.01, rmse=1.0), planted(one, row.name, 1, test=theirs - 0.012)]))
    page = visit(table=one.name, seeds="3")
    shown = next(line for line in rows(page) if line["row"] == row.name)
    assert shown["test ours"] == f"{theirs - 0.011:.4f} ± 0.0014"
    assert shown["test difference"] == "▼ −0.0110 not distinguishable", "t(0.975, 1) · 0.0014 / √2 = 0.0127"
    assert (shown["seeds"], shown["epochs"], shown["date"], shown["state"]) == (2, "7", "1970-01-01", "2 finished, 1 open")
    assert "--seeds 3" in said(page)


def test_figures_of_other_settings_are_told_from_the_rows_own():
    one = table(NAME)
    row = one.rows[0].name
    reproduce.write(one, Kept([replace(planted(one, row, 0, test=1.0), settings={"training.epochs": 2})]))
    page = visit(table=NAME)
    assert rows(page)[0]["state"] == "open (ours: other settings)"
    assert "other settings than the rows have now: 1." in page.warning[0].value.replace("\\", "")


def test_a_difference_is_marked_by_arrow_and_word():
    one = table("5-table-2-activations")
    row = {"published": {"test": 0.9, "parameters": 10}, "mean": {"test": 0.95, "parameters": 9.0}, "sd": {}, "seeds": 1}
    assert wording.difference(one, "test", row) == "▲ +0.0500 worse"
    assert wording.difference(one, "parameters", row) == "▼ −1 fewer"
    assert wording.difference(one, "train", row) is None
    assert wording.difference(one, "test", row | {"mean": {"test": 0.90001}}) == "= equal"
    assert wording.difference(one, "test", row | {"sd": {"test": 0.001}, "seeds": 3}) == "▲ +0.0500 worse"
    ranked = table("field-strong-generalisation")
    assert wording.difference(ranked, "recall@50", row | {"published": {"recall@50": 0.4}, "mean": {"recall@50": 0.5}}) == (
        "▲ +0.1000 better"
    )


def test_of_other_data_no_difference_is_shown():
    page = visit(table="2-figure-3-4-width")
    assert "a difference would tell of the data" in said(page)


def test_verdicts_are_badges_with_their_evidence():
    one = table("3-leaky")
    first = ("as published (leaky)", "reconstruction_rmse")
    found = Difference(one.dataset, first, (first[0], "rmse"), -0.2, 0.05, 1, "users", "101 pairs")
    reproduce.write(one, Kept([planted(one, first[0], 0, reconstruction_mse=0.16)], [found]))
    page = visit(table="3-leaky")
    seen = re.sub(r"\\(.)", r"\1", said(page))
    assert "reconstruction_rmse − rmse: -0.2000 ± 0.0500 over users (1 seed, 101 pairs" in seen
    assert re.findall(r"(?:holds|does not hold|open)(?=\])", seen).count("holds") == 2


def drawn(page: AppTest) -> dict:
    """The only chart of the page."""
    (option,) = [json.loads(one.proto.spec) for one in page.get("echarts_chart")]
    return option


def points(option: dict) -> dict[str, list]:
    """Places of the marks by series, bars as they are; of several series of one name, the first."""
    places = [(one["name"], [point["value"] if isinstance(point, dict) else point for point in one["data"]]) for one in option["series"]]
    return dict(reversed(places))


def test_rows_are_drawn_published_beside_ours_with_their_bars():
    one = table("5-table-4-average-activation")
    first, second = [row for row in one.rows if "test" in row.published][:2]
    place = [row.name for row in one.rows].index
    sure = {"rmse_user_mean_se": 0.01}
    reproduce.write(one, Kept([planted(one, first.name, 0, test=0.9, **sure), planted(one, second.name, 0, test=0.8)]))
    page = visit(table=one.name)
    found = points(drawn(page))
    assert [first.published["test"], place(first.name)] in found["published (ml-1m)"]
    assert found["ours"] == [[0.9, place(first.name)], [0.8, place(second.name)]]
    assert found["interval"] == [
        [pytest.approx(0.9 - 0.0196), place(first.name)],
        [pytest.approx(0.9 + 0.0196), place(first.name)],
        [None, None],
    ]
    assert drawn(page)["yAxis"]["data"] == [row.name for row in one.rows] and drawn(page)["yAxis"]["inverse"]
    assert drawn(page)["xAxis"]["name"] == "test RMSE per user (rating units)"
    assert "Lower is better." in said(page) and "Bars: 95 % interval over the test users." in said(page)


def test_a_sweep_is_a_line_over_its_axis_logarithmic_over_decades():
    one = table("5-figure-5-l2")
    assert not visit(table=one.name).get("echarts_chart"), "nothing is published, nothing measured"
    reproduce.write(one, Kept([planted(one, row.name, 0, test=0.9 + row.x) for row in reversed(one.rows)]))
    option = drawn(visit(table=one.name))
    assert points(option)["ours"] == [[row.x, pytest.approx(0.9 + row.x)] for row in one.rows], "from left to right"
    assert (option["xAxis"]["type"], option["xAxis"]["name"]) == ("log", "λ")


def test_a_sweep_of_several_lines_and_a_row_that_has_no_place_on_the_axis():
    one = table("5-masking")
    reproduce.write(one, Kept([planted(one, row.name, seed, test=0.9 + seed / 10) for row in one.rows for seed in (0, 1)]))
    found = points(drawn(visit(table=one.name, seeds="2")))
    assert [len(found[name]) for name in ("masking", "dropout", "published (ml-1m)")] == [5, 2, 1]
    assert found["interval"][:2] == [[0.0, pytest.approx(0.95 - 0.1 / 2**0.5)], [0.0, pytest.approx(0.95 + 0.1 / 2**0.5)]], (
        "± sd over seeds"
    )
    other = table("5-table-3-default-rating")
    reproduce.write(other, Kept([planted(other, "average", 0, test=0.9)]))
    option = drawn(visit(table=other.name))
    assert option["xAxis"]["type"] == "value"
    beside = {rule["name"]: rule["yAxis"] for rule in option["series"][-1]["markLine"]["data"]}
    assert beside == {"average, published": 0.912, "average, ours": 0.9}


def test_another_figure_is_drawn_by_menu_or_link():
    page = visit(table="5-table-2-activations", figure="train")
    assert drawn(page)["xAxis"]["name"] == "train RMSE per user (rating units)"
    page.selectbox(key="reproduce_figure").set_value("test").run()
    assert drawn(page)["xAxis"]["name"] == "test RMSE per user (rating units)"
    assert "reproduce_figure" not in page.query_params


@pytest.mark.parametrize("name", [name for name, one in tables().items() if not one.exact])
def test_every_table_can_be_drawn_in_each_of_its_figures(name):
    one = table(name)
    figures = dict.fromkeys(wording.figures(one), 0.5)
    some = [planted(one, row.name, 0, **figures) for row in one.rows if not row.quoted]
    found = reproduce.report(one, None, Kept(some))
    for figure in reproduced_chart.drawable(one, found):
        option = json.loads(json.dumps(reproduced_chart.option(one, found, figure), allow_nan=False))
        assert option["series"] and all(option[axis].get("name") or option[axis]["type"] == "category" for axis in ("xAxis", "yAxis"))
        assert set(reproduced_chart.data(one, found, one.dataset, figure)["row"]) >= {each.row for each in some}


def test_all_tables_stand_in_an_expander_each_with_its_link():
    one = table("3-leaky")
    reproduce.write(one, Kept([planted(one, "as published (leaky)", 0, reconstruction_mse=0.16)]))
    assert not visit(table=NAME).get("page_link")[1:], "closed, it holds nothing"
    page = visit(table=NAME)
    page.session_state["reproduce_all"] = True
    page.run()
    links = [link.proto for link in page.get("page_link")]
    assert sum("reproduce_table=" in link.query_string for link in links) == len(tables())
    assert f"1 of {sum(not row.quoted for row in one.rows)} rows on MovieLens latest small" in said(page)
    assert "sums, computed on their page" in said(page)


def test_reconstruction_stands_beside_prediction():
    one = table("3-leaky")
    figures = {"reconstruction_mse": 0.16, "rmse": 1.1, "rmse_clipped": 1.0, "test_pairs": 101, "test_users": 14}
    reproduce.write(one, Kept([planted(one, "as published (leaky)", 0, **figures, rmse_clipped_low=0.8, rmse_clipped_high=1.25)]))
    page = visit(table=one.name)
    assert {"0.160", "1.000"} <= {header.value for header in page.header}
    assert "RMSE 1.000, 95 % interval 0.800 to 1.250, of 101 unseen ratings of 14 users" in said(page)
    shown = next(line for line in rows(page) if line["row"] == "as published (leaky)")
    assert (shown["test_pairs"], shown["test_users"]) == (101, 14)
    every = {"held_out_rmse": 1.3, "held_out_rmse_clipped": 1.2, "held_out_rmse_clipped_low": 1.0, "held_out_rmse_clipped_high": 1.4}
    sizes = {"held_out_pairs": 188, "held_out_users": 14}
    reproduce.write(one, Kept([planted(one, "as published (leaky)", 0, **figures, **every, **sizes)]))
    page = visit(table=one.name)
    assert "RMSE 1.200, 95 % interval 1.000 to 1.400, of 188 unseen ratings of 14 users" in said(page)
    shown = next(line for line in rows(page) if line["row"] == "as published (leaky)")
    assert shown["held_out_rmse_clipped ours"] == "1.2000 [1.0000, 1.4000]"
    assert "Reconstruction is not prediction" not in said(visit(table="5-hybrid"))


def test_every_figure_has_its_definition():
    for one in tables().values():
        assert all(reproduced.meaning(figure, one) and reproduced.title(figure, one) for figure in wording.figures(one))


def press(page: AppTest) -> AppTest:
    page.button(key="reproduce-start").click().run()
    assert not page.exception
    return page


def test_start_queues_every_open_row_and_seed_once(store):
    one = table(NAME)
    page = press(visit(table=NAME, data="synthetic", seeds="2"))
    wanted = {reproduce.configuration(one, row, "synthetic", seed) for row in one.rows for seed in range(2)}
    assert {parse(run.config).model_dump_json() for run in store.list()} == {config.model_dump_json() for config in wanted}
    assert {row["state"] for row in rows(page)} == {"2 queued"}
    assert page.button(key="reproduce-start").disabled
    assert "No row waits to be started" in said(page)


def test_a_running_row_shows_its_epoch_and_a_stopped_one_is_resumed(store):
    one = table(NAME)
    made = [store.create(reproduce.configuration(one, row, "synthetic", 0).model_dump(mode="json")) for row in one.rows[:2]]
    for run in made:
        store.claim(run.id)
    store.beat(made[0].id, epoch=3, step=3)
    store.ask(made[1].id, "stop")
    store.finish(made[1].id, "stopped")
    page = visit(table=NAME, data="synthetic")
    assert [row["state"] for row in rows(page)[:2]] == [f"running epoch 3 / {made[0].epochs}", "stopped"]
    press(page)
    assert len(store.list()) == len(one.rows)
    assert store.get(made[1].id).state == "queued"


def test_what_cannot_run_is_said_once_and_queues_nothing(store):
    page = press(visit(table="2-tied", data="netflix"))
    assert len(page.error) == 1
    assert "netflix" in page.error[0].value.lower()
    assert store.list() == []


def test_links_that_do_not_fit_are_sentences():
    assert "Unknown table '5-convergense'. Did you mean '5-convergence'?" in visit(table="5-convergense").warning[0].value
    assert "Unknown dataset 'ml-1n'" in visit(table=NAME, data="ml-1n").warning[0].value
    assert visit(table=NAME, data="toy").selectbox(key="reproduce_data").value == "toy", "any dataset can be asked for"


def test_changing_the_system_brings_its_first_table():
    page = visit(table=NAME)
    page.selectbox(key="reproduce_system").set_value("field").run()
    assert not page.exception and not page.warning
    assert page.selectbox(key="reproduce_table").value.startswith("field-")


def test_the_page_draws_without_torch():
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\nfrom engine import background\n"
        "background.ensure_daemon = lambda *_: 'ready'\n"
        "app = AppTest.from_file('dashboard.py', default_timeout=60).run()\n"
        "app.switch_page('pages/reproduce.py').run()\n"
        "assert not app.exception and app.dataframe\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0
