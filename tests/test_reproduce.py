"""Filling published tables: verdicts, differences and reports of planted figures, what is kept, and runs that count as rows."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as numbers

from engine import reproduce
from engine.commands import main
from engine.config import flatten
from engine.errors import InputError
from engine.reproduce import Difference, Kept, Result, docs, results, wording
from engine.reproduce.comparisons import UNKNOWN, wanted_differences
from engine.store import RunStore
from engine.tables import Claim, Row, Table, table, tables

ROWS = ("a", "b", "c")
COMMITTED = results.FOLDER
COMPARED = Claim(text="a beats b", better=("a",), than=("b",))


def planted(row: str, seed: int = 0, **figures: float) -> Result:
    settings = flatten(reproduce.configuration(made(), made().row(row), "synthetic", seed))
    return Result("synthetic", row, seed, figures, settings, {"epochs": 5}, 2.0, 0.0)


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
    kept = replace(kept, results=kept.results or [planted(row) for row in ROWS])
    (one,) = reproduce.verdicts(made(claim), "synthetic", kept)
    return one.verdict


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "tables")
    monkeypatch.setattr(docs, "DOCUMENT", tmp_path / "REPRODUCED.md")


@pytest.mark.parametrize(
    ("value", "better", "not_better", "similar"),
    [
        (-0.03, "holds", "does not hold", "does not hold"),
        (0.03, "does not hold", "holds", "does not hold"),
        (-0.005, "not distinguishable", "not distinguishable", "not distinguishable"),
        (0.005, "not distinguishable", "not distinguishable", "not distinguishable"),
    ],
)
def test_a_verdict_follows_from_the_interval(value, better, not_better, similar):
    kept = Kept([], [apart(value, 0.01)])
    assert verdict(COMPARED, kept) == better
    assert verdict(Claim(text="", not_better=("a",), than=("b",)), kept) == not_better
    assert verdict(Claim(text="", similar=("a", "b")), kept) == similar


def test_similar_is_within_a_margin_surely():
    similar = Claim(text="", similar=("a", "b"), margin=0.02)
    assert verdict(similar, Kept([], [apart(0.005, 0.01)])) == "holds"
    assert verdict(similar, Kept([], [apart(0.015, 0.01)])) == "not distinguishable"
    assert verdict(similar, Kept([], [apart(-0.04, 0.01)])) == "does not hold"
    assert verdict(similar, Kept([], [apart(0.0, UNKNOWN)])) == "not distinguishable", "nothing is known of chance"


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
    found = Difference("synthetic", ("a", "reconstruction_rmse"), ("a", "rmse"), -0.1, 0.02, 2, "seeds")
    (one,) = reproduce.verdicts(made(claim), "synthetic", Kept([planted("a")], [found]))
    assert one.verdict == "holds"
    assert one.evidence == ["reconstruction_rmse − rmse: -0.1000 ± 0.0200 over seeds (2 seeds; negative: the first is better)"]


def test_bounds_hold_for_the_interval_of_the_seeds():
    # Mean 0.9, standard deviation 0.01, t(0.975, 2) = 4.302653: 0.9 ± 0.0248.
    kept = Kept([planted("a", 0, test=0.89), planted("a", 1, test=0.9), planted("a", 2, test=0.91)])
    assert verdict(Claim(text="", rows=("a",), low=0.87, high=0.93), kept) == "holds"
    assert verdict(Claim(text="", rows=("a",), high=0.92), kept) == "not distinguishable"
    assert verdict(Claim(text="", rows=("a",), high=0.87), kept) == "does not hold"
    assert verdict(Claim(text="", rows=("a",), low=0.93), kept) == "does not hold"
    assert verdict(Claim(text="", rows=("a", "b"), high=0.95), kept) == "open"
    assert verdict(Claim(text="", rows=("a",), high=0.95), Kept([planted("a", test=0.94)])) == "holds", "of one seed, the value alone"


def test_a_claim_of_one_dataset_says_nothing_of_others():
    kept = Kept([planted("a", test=0.9)])
    assert verdict(Claim(text="", rows=("a",), high=1.0, only_on=("netflix",)), kept) == "open"
    assert verdict(Claim(text="", rows=("a",), high=1.0, only_on=("synthetic",)), kept) == "holds"


def test_a_run_that_diverged_is_worse_than_any_that_did_not():
    some = [planted("a", test=2.0, diverged_epoch=0), planted("b", diverged_epoch=3)]
    found = reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    (one,) = reproduce.verdicts(made(COMPARED), "synthetic", Kept(some, [found]))
    assert (one.verdict, one.evidence) == ("holds", ["b diverged, a did not"])
    back = reproduce.difference(made(), "synthetic", ("b", "test"), ("a", "test"), some)
    (one,) = reproduce.verdicts(made(Claim(text="", better=("b",), than=("a",))), "synthetic", Kept(some, [back]))
    assert one.verdict == "does not hold"
    assert reproduce.report(made(), "synthetic", Kept(some))["rows"][1]["diverged"] == [3]


def test_figures_of_other_settings_are_shown_but_decide_nothing():
    short = replace(planted("a", test=0.1), settings={**planted("a").settings, "training.epochs": 1})
    kept = Kept([short, planted("b", test=0.9)])
    first, second, _ = reproduce.report(made(COMPARED), "synthetic", kept)["rows"]
    assert (first["mean"]["test"], first["other_settings"], second["other_settings"]) == (0.1, True, False)
    assert reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), kept.results) is None
    (one,) = reproduce.verdicts(made(COMPARED), "synthetic", replace(kept, differences=[apart(-0.8, 0.1)]))
    assert one.verdict == "open"


def test_a_field_that_came_later_counts_as_its_default():
    old = {path: value for path, value in planted("a").settings.items() if path not in ("training.lbfgs_steps", "model.dropout")}
    assert reproduce.other_settings(made(), replace(planted("a"), settings=old)) == {}
    assert reproduce.other_settings(made(), replace(planted("b"), settings=old)) == {"model.dropout": 0.0}, "b has 0.1 now"


def test_the_interval_over_seeds_is_students():
    # Differences −0.01, −0.02, −0.03: mean −0.02, standard deviation 0.01; t(0.975, 2) = 4.302653.
    some = [planted("a", seed, test=0.9 - 0.01 * (seed + 1)) for seed in range(3)] + [planted("b", seed, test=0.9) for seed in range(4)]
    found = reproduce.difference(made(), "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    assert (found.value, found.seeds, found.over, found.on) == (pytest.approx(-0.02), 3, "seeds", "")
    assert found.half == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-6)


def test_folds_share_training_data_so_the_interval_is_wider():
    # Nadeau & Bengio: of 3 of 10 folds, the variance of the mean is s² (1/3 + 1/9).
    one = made(folds=10).model_copy(update={"preset": "5-cross-validation"})
    some = []
    for row, values in (("a", (0.89, 0.88, 0.87)), ("b", (0.9, 0.9, 0.9))):
        for seed, test in enumerate(values):
            settings = flatten(reproduce.configuration(one, one.row(row), "synthetic", seed))
            some.append(replace(planted(row, seed, test=test), settings=settings))
    found = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    assert found.half == pytest.approx(4.302653 * 0.01 * (1 / 3 + 1 / 9) ** 0.5, rel=1e-6)


def test_seeds_do_not_hide_how_few_users_there_are():
    """A closed form repeats to the last digit; its figure is of so many users all the same."""
    some = [planted("a", seed, test=0.42, **{"ndcg@10_se": 0.03}) for seed in range(3)]
    some += [planted("b", seed, test=0.419, **{"ndcg@10_se": 0.04}) for seed in range(3)]
    found = reproduce.difference(made(metric="ndcg@10"), "synthetic", ("a", "test"), ("b", "test"), some)
    assert found is not None
    assert (found.half, found.over) == (pytest.approx(1.96 * 0.05), "users")


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
    (one,) = reproduce.verdicts(made(COMPARED), "synthetic", Kept([planted("a"), planted("b")], [found]))
    assert one.verdict == "not distinguishable"
    assert "no interval" in one.evidence[0]


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
    runs = [with_errors(store, one, "a", 0, [1.0, 2.0, 3.0], [0, 1, 2]), with_errors(store, one, "b", 0, [1.15, 2.25, 3.2], [0, 1, 2])]
    some = [replace(planted(row, test=value), run=run.id) for row, value, run in zip("ab", (2.0, 2.2), runs, strict=True)]
    found = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), some, store)
    assert found is not None
    # Users' differences −0.15, −0.25, −0.2: mean −0.2, standard deviation 0.05; t(0.975, 2) = 4.30265.
    assert (found.value, found.half) == (pytest.approx(-0.2), pytest.approx(4.30265 * 0.05 / 3**0.5, rel=1e-5))
    assert (found.over, found.on) == ("users", "3 pairs")
    (judged,) = reproduce.verdicts(one, "synthetic", Kept(some, [found]))
    assert judged.verdict == "holds"
    with_errors(store, one, "c", 0, [1.1, 2.3, 3.2], [0, 1, 2], split="another")
    other = [some[0], replace(planted("b", test=2.2), run=store.list()[0].id)]
    apart = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), other, store)
    assert apart is not None and apart.on == "", "of another split: not the same pairs"


def test_rows_of_other_users_are_compared_on_the_pairs_that_both_have(store):
    one = made(COMPARED, metric="rmse_clipped")
    runs = []
    for row, errors, pairs in (("a", [1.0, 1.0, 2.0], [7, 8, 9]), ("b", [3.0, 1.0], [9, 8])):
        run = finished(store, one, row, 0, 0.9)
        arrays = {"errors": np.array(errors), "users": np.arange(len(pairs)), "pairs": np.array(pairs)}
        store.save(run.id, "errors", arrays, {"fingerprint": row})
        runs.append(replace(planted(row, test=9.0), run=run.id))
    found = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), runs, store)
    assert found is not None
    # Pairs 8 and 9: errors 1 and 2 against 1 and 3.
    assert (found.value, found.on) == (pytest.approx(2.5**0.5 - 5**0.5), "2 pairs")


def test_rankings_are_compared_user_by_user_and_seed_by_seed(store):
    one = made(COMPARED, metric="ndcg@10")
    some = []
    for row, values in (("a", ([0.5, 0.7, 0.6], [0.4, 0.6, 0.5])), ("b", ([0.3, 0.6, 0.3], [0.3, 0.6, 0.3]))):
        for seed, each in enumerate(values):
            run = finished(store, one, row, seed, 0.9)
            store.save(run.id, "ranking", {"users": np.array([5, 3, 4]), "ndcg@10": np.array(each)}, {"fingerprint": "same"})
            some.append(replace(planted(row, seed, test=float(np.mean(each))), run=run.id))
    found = reproduce.difference(one, "synthetic", ("a", "test"), ("b", "test"), some, store)
    assert found is not None
    # Means over the seeds, user by user: 0.15, 0.05, 0.25, standard deviation 0.1, t(0.975, 2) = 4.30265; seeds 0.2 and 0.1,
    # t(0.975, 1) = 12.7062.
    assert found.value == pytest.approx(-0.15)
    assert found.half == pytest.approx(np.hypot(4.30265 * 0.1 / 3**0.5, 12.7062 * 0.05), rel=1e-4)
    assert (found.over, found.on) == ("users and seeds", "3 users")


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


def test_a_sitting_with_another_store_leaves_paired_differences(store, tmp_path):
    one = made(COMPARED)
    for row, value in (("a", 0.8), ("b", 0.9)):
        finished(store, one, row, 0, value)
    some = reproduce.with_store(one, None, store, 1).results
    paired = Difference("synthetic", ("a", "test"), ("b", "test"), -0.1, 0.01, 1, "users", "3 pairs")
    reproduce.write(one, Kept(some, [paired]))
    measure = partial(reproduce.measure, one, store=RunStore(f"sqlite:///{tmp_path}/other.db", tmp_path / "other"), tell=lambda _: None)
    assert measure(lambda _: pytest.fail("the time is over"), minutes=-1).differences == [paired]
    reproduce.write(one, Kept(some, [replace(paired, on="")]))
    assert measure(lambda _: pytest.fail("the time is over"), minutes=-1).differences[0].value == pytest.approx(-0.1)


def test_when_the_time_is_over_no_further_seed_is_begun(store):
    said: list[str] = []
    reproduce.measure(made(), lambda _: pytest.fail("the time is over"), store, seeds=3, minutes=-1, tell=said.append)
    assert len(said) == 1


def test_a_shorter_look_is_shown_and_not_kept(store):
    one = made()

    def run(config):
        done = store.create(config.model_dump(mode="json"))
        store.claim(done.id)
        summary = {"metrics": {"test": {"rmse": 0.9}, "validation": {}}, "best_epoch": 2, "epochs": 2, "seconds_per_epoch": 0.1}
        store.finish(done.id, "finished", summary={**summary, "peak_memory_mb": 1.0})
        return store.get(done.id)

    kept = reproduce.measure(one, run, store, epochs=2, tell=lambda _: None)
    assert [each.row for each in kept.results] == [*ROWS]
    assert all(line["other_settings"] for line in reproduce.report(one, None, kept)["rows"])
    assert reproduce.read(one) == Kept()


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


def planted_row(one: Table, row: str, dataset: str | None = None, **figures: float) -> Result:
    """A result of a row of a published table under its own settings."""
    settings = flatten(reproduce.configuration(one, one.row(row), dataset, 0))
    return Result(dataset or one.dataset, row, 0, figures, settings, {"epochs": 40, "device": "cpu", "threads": 2}, 60.0, 0.0)


def test_reconstruction_stands_beside_prediction_once_both_are_measured():
    one = table("3-leaky")
    row = "as published (leaky)"
    assert reproduce.report(one, None, Kept())["lesson"] == []
    assert reproduce.report(one, None, Kept([planted_row(one, row, reconstruction_mse=0.16)]))["lesson"] == []
    sure = {"rmse_clipped_low": 0.8, "rmse_clipped_high": 1.25}
    first, second = reproduce.report(one, None, Kept([planted_row(one, row, **LEAKY, **sure)]))["lesson"]
    assert "0.147" in first and "0.160" in first and "RMSEs 0.38 and 0.40" in first
    assert "101 later ratings of 14 users" in second and "95 % interval 0.80 to 1.25" in second
    assert one.leak is not None and one.row(row).published["reconstruction_mse"] == one.leak.published
    every = {"held_out_rmse": 1.3, "held_out_rmse_clipped": 1.2, "held_out_pairs": 188, "held_out_users": 14}
    _, second = reproduce.report(one, None, Kept([planted_row(one, row, **LEAKY, **sure, **every)]))["lesson"]
    assert "188 later ratings of 14 users" in second and "RMSE of 1.30, and 1.20" in second


def test_the_overview_counts_rows_and_verdicts_on_every_dataset_that_was_filled():
    one = table("3-leaky")
    found = {(each["table"], each["dataset"]): each for each in reproduce.overview()}
    assert {name for name, _ in found} == set(tables())
    assert found["3-leaky", one.dataset]["measured"] == 0
    assert set(found["3-leaky", one.dataset]["verdicts"].values()) >= {len(one.claims)}
    assert found["3-svd-toy", "toy"]["measured"] == found["3-svd-toy", "toy"]["rows"] == 18
    mine = planted_row(one, "as published (leaky)", **LEAKY)
    reproduce.write(one, Kept([mine, planted_row(one, mine.row, "ml-100k", reconstruction_mse=0.5)]))
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
    assert "| 0.147367 | 0.1600 | ▲ +0.0126 higher |" in row and "| 101 | 14 | 1 | 40 | 1970-01-01 |" in row
    assert "- **open**: After 40 epochs the valid loss is 0.147" in text, "its settings are not the row's"
    reproduce.write(one, Kept([mine]))
    assert "- **holds**: After 40 epochs the valid loss is 0.147" in reproduce.document()
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
