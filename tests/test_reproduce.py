"""Filling published tables: verdicts, differences and reports of planted figures, what is kept, and runs that count as rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as numbers

from engine import reproduce
from engine.__main__ import main
from engine.errors import InputError
from engine.reproduce import Difference, Kept, Result, docs, results, wording
from engine.reproduce.comparisons import UNKNOWN, wanted_differences
from engine.reproduce.leak import PUBLISHED
from engine.settings import settings
from engine.store import RunStore
from engine.tables import Claim, Row, Table, table, tables

ROWS = ("a", "b", "c")
COMMITTED = results.FOLDER
COMPARED = Claim(text="a beats b", better=("a",), than=("b",))


def planted(row: str, seed: int = 0, **figures: float) -> Result:
    return Result("synthetic", row, seed, figures, {}, {"epochs": 5}, 2.0, 0.0)


def made(*claims: Claim, metric: str = "rmse", **fields) -> Table:
    return Table(
        name="made",
        title="Made up",
        system=3,
        source="nobody",
        shows="Nothing. Look away.",
        preset="demo",
        metric=metric,
        published_metric="RMSE",
        published_on="synthetic",
        rows=tuple(Row(name=name, set={"model.dropout": place / 10}, published={"test": 0.9}) for place, name in enumerate(ROWS)),
        claims=claims,
        **fields,
    )


def apart(value: float, half: float, first: str = "a", second: str = "b", figure: str = "test") -> Difference:
    return Difference("synthetic", (first, figure), (second, figure), value, half, 3)


def verdict(claim: Claim, kept: Kept) -> str:
    (one,) = reproduce.verdicts(made(claim), "synthetic", kept)
    return one.verdict


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "tables")
    monkeypatch.setattr(docs, "DOCUMENT", tmp_path / "REPRODUCED.md")


@pytest.mark.parametrize(
    ("value", "better", "not_better", "similar"),
    [
        (-0.02, "holds", "does not hold", "does not hold"),
        (0.02, "does not hold", "holds", "does not hold"),
        (-0.005, "not distinguishable", "not distinguishable", "holds"),
        (0.005, "not distinguishable", "not distinguishable", "holds"),
    ],
)
def test_a_verdict_follows_from_the_interval(value, better, not_better, similar):
    kept = Kept([], [apart(value, 0.01)])
    assert verdict(COMPARED, kept) == better
    assert verdict(Claim(text="", not_better=("a",), than=("b",)), kept) == not_better
    assert verdict(Claim(text="", similar=("a", "b")), kept) == similar


def test_what_is_not_measured_is_open_and_one_comparison_that_fails_fails_the_claim():
    order = Claim(text="", order=ROWS)
    assert verdict(order, Kept()) == "open"
    assert verdict(order, Kept([], [apart(-0.02, 0.01)])) == "open", "b against c is missing"
    assert verdict(order, Kept([], [apart(-0.02, 0.01), apart(-0.02, 0.01, "b", "c")])) == "holds"
    assert verdict(order, Kept([], [apart(-0.02, 0.01), apart(0.02, 0.01, "b", "c")])) == "does not hold"
    assert verdict(order, Kept([], [apart(-0.001, 0.01), apart(0.02, 0.01, "b", "c")])) == "does not hold"
    assert verdict(order, Kept([], [apart(-0.02, 0.01), apart(-0.001, 0.01, "b", "c")])) == "not distinguishable"


def test_figures_of_another_dataset_say_nothing():
    assert verdict(COMPARED, Kept([], [replace(apart(-0.02, 0.01), dataset="ml-1m")])) == "open"


def test_better_than_all_others_is_compared_with_each():
    assert [(one.first[0], one.second[0]) for one in wanted_differences(made(Claim(text="", better=("a",))))] == [("a", "b"), ("a", "c")]


def test_two_figures_of_one_row_are_compared_across():
    claim = Claim(text="", across=("reconstruction_rmse", "rmse"), rows=("a",))
    found = Difference("synthetic", ("a", "reconstruction_rmse"), ("a", "rmse"), -0.1, 0.02, 2)
    (one,) = reproduce.verdicts(made(claim), "synthetic", Kept([], [found]))
    assert one.verdict == "holds"
    assert one.evidence == ["reconstruction_rmse − rmse: -0.1000 ± 0.0200 (2 seeds; negative: the first is better)"]


def test_bounds_hold_for_the_mean_of_the_seeds():
    kept = Kept([planted("a", 0, test=0.8), planted("a", 1, test=1.0)])
    assert verdict(Claim(text="", rows=("a",), low=0.85, high=0.95), kept) == "holds"
    assert verdict(Claim(text="", rows=("a",), high=0.89), kept) == "does not hold"
    assert verdict(Claim(text="", rows=("a",), low=0.91), kept) == "does not hold"
    assert verdict(Claim(text="", rows=("a", "b"), high=0.95), kept) == "open"


def test_the_interval_over_seeds_is_students():
    # Differences −0.01, −0.02, −0.03: mean −0.02, standard deviation 0.01; t(0.975, 2) = 4.302653.
    some = [planted("a", seed, test=0.9 - 0.01 * (seed + 1)) for seed in range(3)] + [planted("b", seed, test=0.9) for seed in range(4)]
    found = reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    assert (found.value, found.seeds, found.pairs) == (pytest.approx(-0.02), 3, 0)
    assert found.half == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-6)


def test_where_higher_is_better_the_sign_turns():
    some = [planted("a", test=0.4, **{"ndcg@10_se": 0.03}), planted("b", test=0.3, **{"ndcg@10_se": 0.04})]
    found = reproduce.difference(made(metric="ndcg@10"), "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    assert found.value == pytest.approx(-0.1), "negative: a is better"
    assert found.half == pytest.approx(1.96 * 0.05), "of one seed, from the errors over users: 3, 4, 5"


def test_one_seed_without_errors_has_no_interval():
    found = reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), [planted("a", test=0.8), planted("b", test=0.9)])
    assert found is not None
    assert found.half == UNKNOWN
    (one,) = reproduce.verdicts(made(COMPARED), "synthetic", Kept([], [found]))
    assert one.verdict == "not distinguishable"
    assert "no interval from one seed" in one.evidence[0]


def test_seeds_that_only_one_row_has_do_not_count():
    some = [planted("a", 0, test=0.8), planted("b", 1, test=0.9)]
    assert reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), some) is None


@given(numbers.floats(-1, 1), numbers.floats(0, 1))
def test_better_and_not_better_never_both_hold(value, half):
    kept = Kept([], [apart(value, half)])
    both = {verdict(COMPARED, kept), verdict(Claim(text="", not_better=("a",), than=("b",)), kept)}
    assert both in ({"holds", "does not hold"}, {"not distinguishable"})


def test_what_is_kept_comes_back_and_damage_is_a_sentence():
    one = made(COMPARED)
    assert reproduce.read(one) == Kept()
    kept = Kept([planted("a", test=0.8)], [apart(-0.02, 0.01)])
    reproduce.write(one, kept)
    assert reproduce.read(one) == kept
    (results.FOLDER / "made.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="kept results of made are damaged"):
        reproduce.read(one)


def test_a_report_has_means_and_standard_deviations_over_seeds():
    kept = Kept([planted("a", 0, test=0.8), planted("a", 1, test=0.9), planted("b", test=0.7)])
    first, second, third = reproduce.report(made(COMPARED), None, kept)["rows"]
    assert first["mean"]["test"] == pytest.approx(0.85)
    assert first["sd"]["test"] == pytest.approx(0.1 / 2**0.5), "of two values: their distance by the root of two"
    assert (first["seeds"], first["epochs"], first["dates"], first["open"]) == (2, [5], ["1970-01-01"], False)
    assert (second["sd"], third["open"], third["mean"]) == ({}, True, {})


@pytest.mark.parametrize("name", [name for name, one in tables().items() if one.exact])
def test_sums_are_equal_to_the_last_digit(name):
    for row in reproduce.report(table(name), None, Kept())["rows"]:
        assert row["mean"] == row["published"]


# Runs of the store


def finished(store: RunStore, one: Table, row: str, seed: int, rmse: float):
    """A run of a row that ended without training."""
    run = store.create(reproduce.configuration(one, one.row(row), None, seed).model_dump(mode="json"))
    store.claim(run.id)
    metrics = {part: {"rmse": rmse} for part in ("test", "validation")}
    store.finish(
        run.id, "finished", summary={"metrics": metrics, "best_epoch": 3, "epochs": 5, "seconds_per_epoch": 0.1, "peak_memory_mb": 1.0}
    )
    return store.get(run.id)


@pytest.fixture
def store() -> RunStore:
    return RunStore(settings().store_url, settings().artifacts)


def test_finished_runs_fill_rows_and_differences(store):
    one = made(COMPARED)
    for seed, (first, second) in enumerate([(0.80, 0.90), (0.82, 0.93)]):
        finished(store, one, "a", seed, first)
        finished(store, one, "b", seed, second)
    store.create(reproduce.configuration(one, one.row("c"), None, 0).model_dump(mode="json"))
    kept = reproduce.with_store(one, None, store, 2)
    assert sorted((each.row, each.seed, each.figures["test"]) for each in kept.results) == [
        ("a", 0, 0.80),
        ("a", 1, 0.82),
        ("b", 0, 0.90),
        ("b", 1, 0.93),
    ]
    (found,) = kept.differences
    assert (found.value, found.seeds) == (pytest.approx(-0.105), 2)
    assert [(row.name, seed) for row, seed, _ in reproduce.open_rows(one, None, 2, kept)] == [("c", 0), ("c", 1)]
    assert reproduce.read(one) == Kept(), "nothing is written"
    assert {each.seed for each in reproduce.with_store(one, None, store, 1).results} == {0}


def test_kept_figures_come_before_runs_unless_they_are_of_other_settings(store):
    one = made()
    finished(store, one, "a", 0, 0.8)
    (fresh,) = reproduce.with_store(one, None, store, 1).results
    reproduce.write(one, Kept([replace(fresh, figures={"test": 0.5})]))
    assert reproduce.with_store(one, None, store, 1).results[0].figures == {"test": 0.5}
    reproduce.write(one, Kept([replace(fresh, figures={"test": 0.5}, settings={"training.epochs": 1})]))
    (kept,) = reproduce.with_store(one, None, store, 1).results
    assert kept == replace(fresh, date=kept.date)


def with_errors(store: RunStore, one: Table, row: str, seed: int, errors: list[float], users: list[int], split: str = "same"):
    run = finished(store, one, row, seed, 0.9)
    store.save(run.id, "errors", {"errors": np.array(errors), "users": np.array(users)}, {"fingerprint": split})
    return run


def test_of_stored_errors_pairs_users_and_how_sure_they_are(store):
    one = made()
    run = with_errors(store, one, "a", 0, [1.0, -1.0, 0.0, 3.0], [0, 0, 2, 2])
    figures = reproduce.result(one, one.row("a"), "synthetic", 0, run, store).figures
    assert (figures["test_pairs"], figures["test_users"]) == (4, 2)
    # Users' RMSEs 1 and √4.5; of two numbers, the standard error is half of their distance.
    assert figures["rmse_user_mean_se"] == pytest.approx((4.5**0.5 - 1) / 2)
    # Resampling two users gives twice the first, both, or twice the second.
    assert (figures["rmse_clipped_low"], figures["rmse_clipped_high"]) == (pytest.approx(1.0), pytest.approx(4.5**0.5))


def test_of_one_user_there_is_no_interval(store):
    one = made()
    run = with_errors(store, one, "a", 0, [1.0, 2.0], [5, 5])
    figures = reproduce.result(one, one.row("a"), "synthetic", 0, run, store).figures
    assert figures["test_users"] == 1
    assert not {"rmse_user_mean_se", "rmse_clipped_low", "rmse_clipped_high"} & figures.keys()
    assert wording.interval(one, "rmse_clipped", {"mean": figures}) is None


def test_per_user_errors_are_compared_user_by_user(store):
    one = made(COMPARED, metric="rmse_user_mean")
    runs = [with_errors(store, one, "a", 0, [1.0, 2.0, 3.0], [0, 1, 2]), with_errors(store, one, "b", 0, [1.1, 2.3, 3.2], [0, 1, 2])]
    some = [replace(planted(row, test=value), run=run.id) for row, value, run in zip("ab", (2.0, 2.2), runs, strict=True)]
    found = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), some, store)
    assert found is not None
    # Users' differences −0.1, −0.3, −0.2: mean −0.2, standard deviation 0.1.
    assert (found.value, found.half, found.pairs) == (pytest.approx(-0.2), pytest.approx(1.96 * 0.1 / 3**0.5), 3)
    (judged,) = reproduce.verdicts(one, "synthetic", Kept(some, [found]))
    assert judged.verdict == "holds"
    with_errors(store, one, "c", 0, [1.1, 2.3, 3.2], [0, 1, 2], split="another")
    other = [some[0], replace(planted("b", test=2.2), run=store.list()[0].id)]
    apart = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), other, store)
    assert apart is not None and apart.pairs == 0, "of another split: not the same pairs"


def test_figures_that_are_defined_later_come_from_the_run_that_is_at_hand(store):
    one = made()
    run = with_errors(store, one, "a", 0, [1.0, -1.0, 0.0, 3.0], [0, 0, 2, 2])
    old = replace(reproduce.with_store(one, None, store, 1).results[0], figures={"test": 0.5, "mine": 1.0})
    reproduce.write(one, Kept([old, replace(old, row="b", run="gone")]))
    rows = {row.name: row for row in one.rows}
    kept = reproduce.measure(one, lambda _: store.get(run.id), store, minutes=0, tell=lambda _: None)
    fresh = {each.row: each.figures for each in kept.results}
    assert fresh["a"]["test_pairs"] == 4 and fresh["a"]["mine"] == 1.0 and fresh["a"]["test"] == 0.9
    assert fresh["b"] == {"test": 0.5, "mine": 1.0}, "its run is gone"
    assert set(fresh) <= set(rows)


def test_own_figures_say_how_sure_they_are():
    mean = {"test": 0.9, "rmse_clipped": 0.8, "rmse_clipped_low": 0.7, "rmse_clipped_high": 0.95, "best_epoch": 12.0, "train": 0.5}
    row = {"mean": mean, "sd": {"test": 0.01}}
    ranked = {"mean": {"test": 0.35, "ndcg@10": 0.35, "ndcg@10_se": 0.01}, "sd": {}}
    assert wording.own(made(), "test", row) == "0.9000 ± 0.0100"
    assert wording.own(made(), "rmse_clipped", row) == "0.8000 [0.7000, 0.9500]"
    assert wording.own(made(), "best_epoch", row) == "12"
    assert wording.own(made(), "mae", row) is None
    assert wording.own(made(metric="ndcg@10"), "test", ranked) == "0.3500 (se 0.0100)"
    assert wording.interval(made(metric="ndcg@10"), "test", ranked) == (pytest.approx(0.3304), pytest.approx(0.3696))


def test_what_a_table_prints_under_its_metrics_name_is_not_shown_twice():
    assert wording.figures(table("field-strong-generalisation")) == ["ndcg@100", "recall@20", "recall@50"]


# The lesson of source system 3, all tables at a glance, the docs page

LEAKY = {"reconstruction_mse": 0.16, "rmse": 1.1, "rmse_clipped": 1.0, "test_pairs": 101, "test_users": 14}


def planted_row(one: Table, row: str, **figures: float) -> Result:
    """A result of a row of a published table under its own settings."""
    from engine.config import differences

    settings = differences(reproduce.configuration(one, one.row(row), None, 0))
    return Result(one.dataset, row, 0, figures, settings, {"epochs": 40, "device": "cpu", "threads": 2}, 60.0, 0.0)


def test_reconstruction_stands_beside_prediction_once_both_are_measured():
    one = table("3-leaky")
    row = "as published (leaky)"
    assert reproduce.report(one, None, Kept())["lesson"] == []
    assert reproduce.report(one, None, Kept([planted_row(one, row, reconstruction_mse=0.16)]))["lesson"] == []
    sure = {"rmse_clipped_low": 0.8, "rmse_clipped_high": 1.25}
    first, second = reproduce.report(one, None, Kept([planted_row(one, row, **LEAKY, **sure)]))["lesson"]
    assert "0.147" in first and "0.160" in first and "RMSEs 0.38 and 0.40" in first
    assert "101 later ratings of 14 users" in second and "95 % interval 0.80 to 1.25" in second
    assert one.row(row).published["reconstruction_mse"] == PUBLISHED


def test_the_overview_counts_rows_and_verdicts_on_every_dataset_that_was_filled():
    one = table("3-leaky")
    found = {(each["table"], each["dataset"]): each for each in reproduce.overview()}
    assert {name for name, _ in found} == set(tables())
    assert found["3-leaky", one.dataset]["measured"] == 0
    assert set(found["3-leaky", one.dataset]["verdicts"].values()) >= {len(one.claims)}
    assert found["3-svd-toy", "toy"]["measured"] == found["3-svd-toy", "toy"]["rows"] == 18
    mine = planted_row(one, "as published (leaky)", **LEAKY)
    reproduce.write(one, Kept([mine, replace(mine, dataset="ml-100k", figures={"reconstruction_mse": 0.5})]))
    found = {(each["table"], each["dataset"]): each for each in reproduce.overview()}
    assert found["3-leaky", one.dataset]["measured"] == found["3-leaky", "ml-100k"]["measured"] == 1
    assert found["3-leaky", one.dataset]["verdicts"]["holds"] == 1
    assert found["3-leaky", "ml-100k"]["verdicts"]["does not hold"] == 1


def test_the_docs_page_has_every_table_and_says_what_was_measured_how():
    one = table("3-leaky")
    mine = planted_row(one, "as published (leaky)", **LEAKY)
    reproduce.write(one, Kept([replace(mine, settings={**mine.settings, "training.epochs": 7})]))
    text = reproduce.document()
    assert all(f'<a id="{name}"></a>' in text and f"reproduce {name}" in text for name in tables())
    assert "python -m engine reproduce 3-leaky --epochs 7\n" in text
    assert "`training.epochs` 7" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| as published (leaky) |")]
    assert "| 0.147367 | 0.1600 | ▲ +0.0126 worse |" in row and "| 101 | 14 | 1 | 40 | 1970-01-01 |" in row
    assert "- **holds**: After 40 epochs the valid loss is 0.147" in text
    assert "Measured on cpu (2 threads)" in text


def test_the_command_writes_the_docs_page():
    result = CliRunner().invoke(main, ["reproduce", "--docs"])
    assert result.exit_code == 0, result.stderr
    assert docs.DOCUMENT.read_text(encoding="utf-8") == reproduce.document()


def test_the_committed_docs_page_is_what_the_command_writes_from_the_committed_results(monkeypatch):
    monkeypatch.setattr(results, "FOLDER", COMMITTED)
    written = Path(__file__).parents[1] / "docs" / "REPRODUCED.md"
    assert written.read_text(encoding="utf-8") == reproduce.document(), "write it anew: python -m engine reproduce --docs"


def test_kept_results_are_of_known_tables_and_rows():
    for path in COMMITTED.glob("*.json"):
        names = {row.name for row in table(path.stem).rows}
        assert {each["row"] for each in json.loads(path.read_text(encoding="utf-8"))["results"]} <= names


def test_rows_of_a_sweep_have_their_place_on_its_axis():
    for one in tables().values():
        placed = [row for row in one.rows if row.x is not None]
        assert bool(placed) == bool(one.axis)
        assert len({(row.x, row.line) for row in placed}) == len(placed), "no two rows at one place of a line"
        assert len({row.line for row in placed}) <= 3, "as many lines as there are colours"
