"""Filling published tables: verdicts, differences and reports of planted figures, what is kept, and runs that count as rows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as numbers

from engine import reproduce
from engine.errors import InputError
from engine.reproduce import Difference, Kept, Result, results
from engine.reproduce.comparisons import UNKNOWN, wanted_differences
from engine.settings import settings
from engine.store import RunStore
from engine.tables import Claim, Row, Table, table, tables

ROWS = ("a", "b", "c")
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
