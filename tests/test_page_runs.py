"""The Runs page in a simulated browser: no run, runs in every state, one run in full, deletion."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.config import merge, parse
from engine.store import RunStore
from tests.visits import visited

SMALL = {
    "preprocessing": {"sample_users": 120, "sample_items": 100},
    "model": {"layers": [8]},
    "training": {"epochs": 3, "batch_size": 32},
    "evaluation": {"max_rank": 4},
}


pytestmark = pytest.mark.usefixtures("no_daemon")


def made(store: RunStore, state: str = "queued", changes: dict | None = None):
    """A run that got into a state without training."""
    run = store.create(parse(merge(SMALL, changes or {})).model_dump(mode="json"))
    if state != "queued":
        store.claim(run.id)
    if state in ("failed", "crashed"):
        store.finish(run.id, state, error="The learning rate was too high.")
    elif state in ("paused", "stopped"):
        store.ask(run.id, {"paused": "pause", "stopped": "stop"}[state])
        store.finish(run.id, state)
    return store.get(run.id)


def trained(store: RunStore, changes: dict | None = None):
    from engine import runs

    run = store.create(parse(merge(SMALL, changes or {})).model_dump(mode="json"))
    runs.execute(run.id, store)
    return store.get(run.id)


def visit(**query: str) -> AppTest:
    return visited("pages/runs.py", **query)


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*page.title, *page.markdown, *page.caption, *page.code, *page.warning, *page.error])


def choose(page: AppTest, *runs) -> AppTest:
    """As if the rows of these runs were ticked."""
    page.session_state["runs.picked"] = [run.id for run in runs]
    return page.run()


def test_an_empty_store_says_where_to_begin():
    assert "Nothing has run yet" in said(visit())


def test_every_state_has_a_row(store):
    states = ["queued", "running", "paused", "stopped", "failed", "crashed"]
    for state in states:
        made(store, state)
    table = visit().dataframe[0].value
    assert [row[0] for row in table["state"]] == states[::-1]
    assert table["name"].is_unique


def test_a_finished_run_stands_beside_svd(store):
    run = trained(store, {"training.lr": 0.01})
    row = visit().dataframe[0].value.iloc[0]
    test = run.summary["metrics"]["test"]
    assert (row["test"], row["rmse_clipped"], row["best"]) == (f"RMSE {test['rmse']:.4f}", test["rmse_clipped"], run.summary["best_epoch"])
    assert row["validation"] == f"RMSE {run.summary['metrics']['validation']['rmse']:.4f}"
    assert row["svd"] == f"{run.summary['baselines']['svd']['rmse']:.4f}"
    assert row["against"][0] in ("better than SVD", "not distinguishable", "SVD is better")
    assert "lr 0.01" in row["settings"]
    assert "sample users 120" in row["settings"]
    assert not any(one.startswith("layers") for one in row["settings"])


def test_filters_are_in_the_address(store):
    kept = made(store, "failed", {"dataset.name": "toy"})
    made(store, "failed")
    made(store, "queued", {"dataset.name": "toy"})
    page = visit(runs_state="failed", runs_dataset="toy")
    assert page.dataframe[0].value["name"].tolist() == [kept.name]
    assert "1 of 3 runs" in said(page)
    assert page.multiselect(key="runs_dataset").options == ["Synthetic films", "Toy 18 × 10"]
    page.multiselect(key="runs_dataset").select("synthetic").run()
    assert (page.query_params["runs_dataset"], len(page.dataframe[0].value)) == (["toy", "synthetic"], 2)
    page.multiselect(key="runs_dataset").set_value([]).run()
    assert "runs_dataset" not in page.query_params
    assert "No run fits" in said(visit(runs_state="paused"))


def test_chosen_runs_obey(store):
    first, second = made(store, "queued"), made(store, "running")
    page = choose(visit(), first, second)
    assert "2 chosen" in said(page)
    page.button(key="runs-pause").click().run()
    assert (store.get(first.id).state, store.get(second.id).want) == ("paused", "pause")
    page.button(key="runs-run").click().run()
    assert store.get(first.id).state == "queued"
    assert not page.error


def test_deletion_asks_first_and_spares_the_running(store):
    gone, stays = made(store, "failed"), made(store, "running")
    page = choose(visit(), gone, stays)
    page.button(key="runs-delete").click().run()
    assert f"**{gone.name}** (failed)" in said(page)
    assert len(store.list()) == 2
    page.button(key="runs-delete-for-good").click().run()
    assert not page.exception
    assert [run.id for run in store.list()] == [stays.id]
    assert rf"Run '{stays.name}' is running\: stop it before you delete it." in [one.value for one in page.error]


def test_keeping_deletes_nothing(store):
    run = made(store, "failed")
    page = choose(visit(), run)
    page.button(key="runs-delete").click().run()
    page.button(key="runs-keep").click().run()
    assert [one.id for one in store.list()] == [run.id]


def test_no_such_run_is_a_sentence_above_all_runs(store):
    made(store, "failed")
    page = visit(run="nonsense")
    assert "There is no run 'nonsense'." in page.warning[0].value
    assert len(page.dataframe) == 1


def test_one_run_in_full(store):
    run = trained(store, {"training.seed": 3})
    page = visit(run=run.id)
    text = said(page)
    assert not page.error
    assert run.name in text
    assert ".venv/bin/python -m engine train" in text
    assert "--set training.seed=3" in text
    assert "95 % interval over users" in text
    assert "Global RMSE: root of the mean squared error" in text.replace("\\", "")
    tables = [table.value for table in page.table]
    assert f"{run.summary['metrics']['test']['rmse']:.4f}" in tables[0].to_string()
    assert f"{run.summary['baselines']['bias']['rmse']:.4f}" in tables[0].to_string()
    facts = tables[1].to_string().replace("\\", "")
    for fact in (run.facts["split_fingerprint"], "training 3, split 0", "peak memory", "torch", "thread"):
        assert fact in facts
    plan = run.facts["plan"]
    assert f"{plan['path']} path (auto), {plan['precision']} products (auto), no row steps (auto)" in facts
    assert len(page.get("echarts_chart")) == 3
    groups = run.summary["by_activity"]
    assert f"{sum(group['pairs'] for group in groups)} test ratings of {sum(group['users'] for group in groups)} users" in text
    assert {"Download config"} <= {one.label for one in page.get("download_button")}


@pytest.mark.parametrize("state", ["queued", "running", "paused", "stopped", "failed", "crashed"])
def test_a_run_in_any_state_has_a_page(store, state):
    run = made(store, state)
    page = visit(run=run.name)
    assert run.name in page.title[0].value
    assert ("learning rate" in said(page)) == (state in ("failed", "crashed"))


RANKER = {"model.name": "mult-vae", "model.layers": [16, 8], "preprocessing.binarise": 4, "evaluation.more_k": [20]}


def test_a_ranker_is_judged_by_its_ranking_and_has_no_rmse(store):
    run = trained(store, RANKER)
    page = visit(run=run.id)
    text, test, svd = said(page), run.summary["metrics"]["test"], run.summary["baselines"]["svd"]
    results = page.table[0].value
    assert "rmse" not in results.to_string().lower()
    assert [*results.columns] == ["metric", "validation", "test", "popularity, test", f"SVD rank {svd['rank']}, test"]
    rows = dict(zip(results["metric"], results["test"], strict=True))
    for name in ("ndcg@10", "ndcg@20"):
        assert rows[f"**{name}**"] == f"{test[name]:.4f}\u00a0±\u00a0{test[f'{name}_se']:.4f}"
    assert not any("_se" in name for name in rows)
    half = 1.96 * (test["ndcg@10_se"] ** 2 + svd["ndcg@10_se"] ** 2) ** 0.5
    difference = test["ndcg@10"] - svd["ndcg@10"]
    assert f"Test NDCG@10 minus SVD's for the same users: **{'−' if difference < 0 else '+'}{abs(difference):.4f} ± {half:.4f}**" in text
    assert "**Held-out NDCG@10**" in text and "Held-out RMSE" not in text
    assert "path (auto)" not in page.table[1].value.to_string(), "paths are of models that predict ratings"
    assert len(page.get("echarts_chart")) == 2


def test_a_ranker_has_no_rmse_among_all_runs(store):
    run = trained(store, RANKER)
    row, summary = visit().dataframe[0].value.iloc[0], run.summary
    assert row["test"] == f"NDCG@10 {summary['metrics']['test']['ndcg@10']:.4f}", "the figures that the verdict is of stand beside it"
    assert row["svd"] == f"{summary['baselines']['svd']['ndcg@10']:.4f}"
    assert row["validation"] == f"NDCG@10 {run.summary['metrics']['validation']['ndcg@10']:.4f}"
    assert pd.isna(row["rmse_clipped"])
    assert row["against"][0] in ("better than SVD", "not distinguishable", "SVD is better")


@pytest.mark.parametrize("name", ["itemknn", "autoencoder"])
def test_a_rating_model_has_no_rmse_where_all_ratings_are_alike(store, name):
    run = trained(store, {"model": {"name": name}, "model.name": name, "preprocessing.binarise": 4})
    page = visit(run=run.id)
    text = said(page)
    assert "rmse" not in page.table[0].value.to_string().lower()
    assert "All ratings are alike, so there is no RMSE to compare with SVD's. Test NDCG@10 minus SVD's" in text
    assert "Held-out RMSE" not in text
    row = visit().dataframe[0].value.iloc[0]
    assert row["validation"].startswith("NDCG@10 ") and row["test"].startswith("NDCG@10 ")
    assert pd.isna(row["rmse_clipped"])
    assert row["against"][0] in ("better than SVD", "not distinguishable", "SVD is better")


def test_a_model_without_ratings_is_not_compared(store):
    run = trained(store, {"model": {"name": "popularity"}, "model.name": "popularity"})
    page = visit(run=run.id)
    assert "predicts no ratings" in said(page)
    assert "fitted in one step" in said(page) and "epoch 1 /" not in said(page)
    assert not page.get("echarts_chart")
    assert visit().dataframe[0].value["epoch"].tolist() == [None]


def test_a_run_can_be_deleted_from_its_page(store):
    run = made(store, "stopped")
    page = visit(run=run.id)
    page.button(key="run-delete").click().run()
    page.button(key="runs-delete-for-good").click().run()
    assert not page.exception
    assert store.list() == []
    assert not page.warning
    assert "Nothing has run yet" in said(page)
