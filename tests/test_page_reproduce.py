"""The Reproduce page in a simulated browser: links, exact tables, planted figures, starting rows, what cannot run."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import background, reproduce
from engine.config import differences, parse
from engine.reproduce import Difference, Kept, Result, results
from engine.settings import settings
from engine.store import RunStore
from engine.tables import Table, table, tables
from pages.components import reproduced

ROOT = Path(__file__).parents[1]
NAME = "5-convergence"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)
    monkeypatch.setattr(background, "daemon_alive", lambda *_: True)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "tables")


@pytest.fixture
def store() -> RunStore:
    return RunStore(settings().store_url, settings().artifacts)


def visit(**query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60).run()
    page.switch_page("pages/reproduce.py")
    for name, value in query.items():
        page.query_params[f"reproduce_{name}"] = value
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.code])


def rows(page: AppTest) -> list[dict]:
    return page.dataframe[0].value.to_dict("records")


def planted(one: Table, row: str, seed: int, **figures: float) -> Result:
    """What a finished run of a row leaves."""
    values = differences(reproduce.configuration(one, one.row(row), None, seed))
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
    assert reproduced.difference(one, "test", row) == "▲ +0.0500 worse"
    assert reproduced.difference(one, "parameters", row) == "▼ −1 fewer"
    assert reproduced.difference(one, "train", row) is None
    assert reproduced.difference(one, "test", row | {"mean": {"test": 0.90001}}) == "= equal"
    assert reproduced.difference(one, "test", row | {"sd": {"test": 0.001}, "seeds": 3}) == "▲ +0.0500 worse"
    ranked = table("field-strong-generalisation")
    assert reproduced.difference(ranked, "recall@50", row | {"published": {"recall@50": 0.4}, "mean": {"recall@50": 0.5}}) == (
        "▲ +0.1000 better"
    )


def test_of_other_data_no_difference_is_shown():
    page = visit(table="2-figure-3-4-width")
    assert "a difference would tell of the data" in said(page)


def test_verdicts_are_badges_with_their_evidence():
    one = table("3-leaky")
    first = ("as published (leaky)", "reconstruction_rmse")
    found = Difference(one.dataset, first, (first[0], "rmse"), -0.2, 0.05, 1, 101)
    reproduce.write(one, Kept([planted(one, first[0], 0, reconstruction_mse=0.16)], [found]))
    page = visit(table="3-leaky")
    seen = re.sub(r"\\(.)", r"\1", said(page))
    assert "reconstruction_rmse − rmse: -0.2000 ± 0.0500 (1 seed, 101 pairs" in seen
    assert list(re.findall(r"(?:holds|does not hold|open)(?=\])", seen)) == ["holds", "holds"]


def test_every_figure_has_its_definition():
    for one in tables().values():
        assert all(reproduced.meaning(figure, one) and reproduced.title(figure, one) for figure in reproduced.figures(one))


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
