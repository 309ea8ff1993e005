"""A whole run through the store: repeatable, resumable, and honest about what went wrong."""

import json

import numpy as np
import pytest
import torch

from engine import experiment, footprint, processes, runs
from engine.config import merge, parse
from engine.errors import InputError
from engine.evaluation import judge
from engine.models import MODELS
from engine.recommendations import for_new_user, for_user, read_ratings

SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 120},
    "model": {"layers": [12], "dropout": 0.2},
    "training": {"epochs": 6, "batch_size": 32, "lr": 0.01},
    "evaluation": {"max_rank": 6},
}


def run(store, changes=None, **create):
    config = parse(merge(SMALL, changes or {}))
    made = store.create(config.model_dump(mode="json"), **create)
    runs.execute(made.id, store)
    return store.get(made.id)


def figures(one):
    return {name: one.summary[name] for name in ("epochs", "best_epoch", "metrics", "baselines", "difference")}


def rows(store, one):
    frame = store.metrics(one.id)
    return (
        frame[~frame["name"].str.startswith("batch/") & (frame["name"] != "train/seconds")].drop(columns="seconds").reset_index(drop=True)
    )


@pytest.mark.parametrize("changes", [{}, {"refeed.steps": 1, "refeed.noise": 0.1}, {"model.orientation": "item"}], ids=str)
def test_same_config_and_seed_give_the_same_metrics(store, changes):
    first, second = run(store, changes), run(store, changes)
    assert first.state == second.state == "finished"
    assert figures(first) == figures(second)
    assert rows(store, first).equals(rows(store, second))


def test_another_seed_gives_other_metrics(store):
    assert figures(run(store)) != figures(run(store, {"training.seed": 1}))


@pytest.mark.parametrize("want", ["stop", "pause"])
@pytest.mark.parametrize("after", [6, 11])
def test_interrupted_and_resumed_it_ends_as_if_undisturbed(store, monkeypatch, want, after):
    monkeypatch.setattr(runs, "BEAT_EVERY", 0.0)
    straight = run(store)
    made = store.create(parse(SMALL).model_dump(mode="json"))
    beats, beat = [], store.beat

    def interrupting(run_id, **told):
        beats.append(told)
        if len(beats) == after:
            store.ask(run_id, want)
        return beat(run_id, **told)

    monkeypatch.setattr(store, "beat", interrupting)
    runs.execute(made.id, store)
    halted = store.get(made.id)
    assert halted.state == {"stop": "stopped", "pause": "paused"}[want]
    assert halted.epoch < 6
    torch.rand(100)
    store.ask(made.id, "run")
    runs.execute(made.id, store)
    resumed = store.get(made.id)
    assert resumed.state == "finished"
    assert figures(resumed) == figures(straight)
    assert rows(store, resumed).equals(rows(store, straight)), "no row missing, doubled or different"


def test_told_to_step_it_pauses_after_each_epoch_and_ends_as_if_undisturbed(store):
    straight = run(store)
    made = store.create(parse(SMALL).model_dump(mode="json"), want="step")
    for epoch in (1, 2, 3):
        runs.execute(made.id, store)
        halted = store.get(made.id)
        assert (halted.state, halted.epoch) == ("paused", epoch)
        store.ask(made.id, "step" if epoch < 3 else "run")
    runs.execute(made.id, store)
    done = store.get(made.id)
    assert done.state == "finished" and figures(done) == figures(straight)
    assert rows(store, done).equals(rows(store, straight))


def test_the_last_epoch_of_a_stepping_run_finishes_it(store):
    made = store.create(parse(merge(SMALL, {"training.epochs": 1})).model_dump(mode="json"), want="step")
    runs.execute(made.id, store)
    assert store.get(made.id).state == "finished"


def test_rows_lists_and_facts_are_there_for_pages(store):
    one = run(store)
    frame = store.metrics(one.id)
    per_epoch = frame[frame["name"] == "validation/rmse"]
    assert per_epoch["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert {"train/loss", "train/rmse", "validation/mae", "difference/svd", "difference/svd_interval"} <= set(frame["name"])
    assert one.facts["noise_floor"] < one.facts["baselines"]["svd"]["validation"]["rmse"]
    lists = store.lists(one.id)
    assert {(entry["model"], entry["epoch"]) for entry in lists} == {("svd", 0), *(("run", epoch) for epoch in range(1, 7))}
    trained = experiment.load_model(one.id, store)
    row = trained.split.interactions.user_position(one.facts["watch_user"])
    seen = set(trained.split.interactions.items.index[trained.split.train[[row]].indices])
    assert not seen & {item["item"] for entry in lists for item in entry["items"]}


def test_best_epoch_has_the_lowest_validation_error_and_is_the_one_kept(store):
    one = run(store, {"training.lr": 0.05, "training.epochs": 12})
    frame = store.metrics(one.id, names=["validation/rmse"])
    assert one.summary["best_epoch"] == frame.loc[frame["value"].idxmin(), "epoch"]
    assert one.summary["metrics"]["validation"]["rmse"] == pytest.approx(frame["value"].min())


def test_a_diverging_run_says_when_and_what_to_try(store):
    one = run(store, {"training.optimizer": "sgd", "training.lr": 1e6})
    assert one.state == "failed"
    assert one.error == "The loss stopped being a number in epoch 1: try a lower learning rate than 1e+06."


def test_a_callers_mistake_found_late_fails_the_run_with_its_sentence(store):
    one = run(store, {"dataset.name": "toy", "split.kind": "time"})
    assert one.state == "failed"
    assert "no timestamps" in one.error


@pytest.mark.parametrize("name", MODELS)
def test_every_model_runs_to_its_end(store, name):
    options = {"layers": [8]} if name == "autoencoder" else {"rank": 3} if name == "svd" else {}
    one = run(store, {"model.name": name, **{f"model.{key}": value for key, value in options.items()}})
    assert one.state == "finished", one.error
    test = one.summary["metrics"]["test"]
    assert ("rmse" in test) == MODELS[name].rates
    assert 0 <= test["ndcg@10"] <= 1
    json.dumps(one.summary)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if not entry.trains])
def test_what_is_fitted_at_once_has_one_epoch(store, name):
    one = run(store, {"model.name": name} | ({"model.rank": 3} if name == "svd" else {}))
    assert (one.epoch, one.epochs) == (1, 1)


def test_binarised_ratings_train_too(store):
    one = run(store, {"preprocessing.binarise": 3.5})
    assert one.state == "finished", one.error


def test_a_finished_run_keeps_its_model_and_no_checkpoint(store):
    one = run(store)
    assert store.has(one.id, "model")
    assert not store.has(one.id, "checkpoint")


def test_a_configuration_that_no_longer_fits_fails_the_run_with_a_sentence(store):
    made = store.create({"model": {"layerz": [3]}})
    runs.execute(made.id, store)
    assert store.get(made.id).error == "Unknown field 'model.layerz'. Did you mean 'model.layers'?"


def test_layers_that_no_memory_holds_are_answered(store, monkeypatch):
    monkeypatch.setattr(footprint, "require", lambda *_: None)  # as if the estimate had let them pass
    one = run(store, {"model.layers": [2_000_000_000]})
    assert one.state == "failed"
    assert one.error.startswith("Out of memory")


def test_a_model_equal_to_a_baseline_has_its_figures(store):
    one = run(store, {"model.name": "bias"})
    baseline = one.summary["baselines"]["bias"]
    assert one.summary["metrics"]["test"] == {name: value for name, value in baseline.items() if name != "validation"}


def test_recommendations_of_a_user_and_of_a_stranger_with_the_same_ratings_agree(store, tmp_path):
    trained = experiment.load_model(run(store).id, store)
    data = trained.split.interactions
    user = str(data.users.index[3])
    lists = for_user(trained, user, 5)
    file = tmp_path / "ratings.csv"
    file.write_text("title,rating\n" + "".join(f'"{entry["title"]}",{entry["rating"]}\n' for entry in lists["history"]), encoding="utf-8")
    stranger = for_new_user(trained, read_ratings(file, data), 5)
    assert [entry["item"] for entry in stranger["recommendations"]] == [entry["item"] for entry in lists["recommendations"]]
    np.testing.assert_allclose(
        [entry["score"] for entry in stranger["svd"]], [entry["score"] for entry in lists["svd"]], rtol=1e-4
    )  # fmt: skip
    assert all(entry["hit"] == (entry["held_out"] is not None and entry["held_out"] >= 4) for entry in lists["recommendations"])


def test_an_item_based_model_refuses_a_stranger(store):
    trained = experiment.load_model(run(store, {"model.orientation": "item"}).id, store)
    with pytest.raises(InputError, match="knows only the users it was trained with"):
        for_new_user(trained, {0: 5.0}, 3)


def test_refit_learns_from_validation_too_and_is_tested_alone(store):
    plain, refitted = (run(store, {"training.epochs": 6, "training.refit": refit}) for refit in (False, True))
    assert refitted.state == "finished", refitted.error
    assert refitted.summary["best_epoch"] == plain.summary["best_epoch"]
    assert refitted.summary["metrics"]["validation"] == plain.summary["metrics"]["validation"], "measured before the refit"
    assert refitted.summary["metrics"]["test"]["rmse"] != plain.summary["metrics"]["test"]["rmse"]
    assert refitted.summary["baselines"]["bias"]["rmse"] != plain.summary["baselines"]["bias"]["rmse"], "baselines learn from the same"
    trained = experiment.load_model(refitted.id, store)
    assert trained.split.validation.nnz == 0
    again = judge(trained.model, trained.split, "test", ks=(10,), liked=store.get(refitted.id).facts["liked"]).metrics
    assert again["rmse"] == pytest.approx(refitted.summary["metrics"]["test"]["rmse"], rel=1e-6)


def test_a_ranker_is_chosen_by_its_ranking(store):
    changes = {
        "preprocessing.binarise": 4,
        "model.name": "mult-dae",
        "model.layers": [16, 8],
        "training.epochs": 5,
        "evaluation.more_k": [20, 50],
    }
    one = run(store, changes)
    assert one.state == "finished", one.error
    assert one.facts["monitor"] == "ndcg@10"
    frame = store.metrics(one.id, names=["validation/ndcg@10"])
    assert one.summary["best_epoch"] == frame.loc[frame["value"].idxmax(), "epoch"]
    assert set(one.summary["baselines"]) == {"popularity", "svd"}, "where all ratings are alike, a bias tells nothing"
    assert {"ndcg@20", "recall@50", "ndcg@10_se"} <= set(one.summary["metrics"]["test"])


@pytest.mark.parametrize("name", ["itemknn", "autoencoder"])
def test_a_rating_model_is_judged_by_its_ranking_where_all_ratings_are_alike(store, name):
    one = run(store, {"preprocessing.binarise": 4, "model.name": name, "training.epochs": 3})
    assert one.state == "finished", one.error
    assert one.facts["monitor"] == "ndcg@10"
    metrics = one.summary["metrics"]["test"]
    baselines = [part for of in one.summary["baselines"].values() for part in (of, of["validation"])]
    assert all("ndcg@10" in found for found in [metrics, *baselines])
    named = {*metrics, *(key for found in baselines for key in found), *one.summary, *store.metrics(one.id)["name"]}
    assert not [key for key in named if "rmse" in key or "mae" in key or "difference" in key or "reconstruction" in key]
    assert not store.has(one.id, "errors")


def test_an_error_of_ratings_picks_no_epoch_where_all_are_alike(store):
    changes = {"preprocessing.binarise": 4, "training.monitor": "rmse_clipped"}
    one = run(store, changes)
    assert one.state == "failed"
    assert one.error.startswith("All ratings are alike here, so training.monitor=rmse_clipped tells nothing: use auto")
    with pytest.raises(InputError, match="All ratings are alike"):
        experiment.check(parse({"preprocessing": {"binarise": 4}, "training": {"monitor": "mae"}}))


def test_one_group_of_users_is_judged_alone(store):
    whole, group = run(store, {"training.epochs": 2}), run(store, {"training.epochs": 2, "group.by": "cluster", "group.clusters": 2})
    assert group.state == "finished", group.error
    assert group.facts["sizes"]["users"] < whole.facts["sizes"]["users"]


def test_a_model_too_large_for_the_machine_is_refused_before_it_is_made(store, monkeypatch):
    monkeypatch.setattr(processes, "memory_there", lambda: 1_000_000)
    one = run(store, {"dataset": {"name": "toy"}, "model": {"name": "sparsefc"}})
    assert one.state == "failed"
    # Weights 2 · (18 · 500) + 500², places 5 · (2 · 518 + 1,000), biases 1,018: 279,198, of 20 bytes; 10 rows of 2,000 units, of 8,
    # and of 18 cells, of 16; and some kB for ratings, factors and scores.
    assert one.error == (
        "SparseFC (kernel autoencoder) for 18 users and 10 items needs about 5.8 MB, and this machine has 1.0 MB: make model.layers "
        "and the like or training.batch_size smaller, or keep fewer items."
    )
