"""The Sweep page in a simulated browser: an empty plan, a plan by link, a start, a sweep in every state, every look at it."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

sys.path.insert(0, str(Path(__file__).parent))
import sweepfake

from engine import presets
from engine.sweeps import best_of, config_of, parse_sweep, trials_of
from engine.sweeps.conductor import Conductor
from pages.components.sweep.view import LOOKS
from tests.visits import visited

AXES = {"model.dropout": "0, 0.15, 0.3", "training.lr": "0.001, 0.01, 0.1"}
VARY = {f"vary.{path}": text for path, text in AXES.items()}


pytestmark = pytest.mark.usefixtures("no_daemon")


def swept(store, turns=100, **given):
    """A sweep after so many turns of pretended runs; without a number of them, to its end."""
    config = parse_sweep({"base": {"training": {"epochs": 2}}, "axes": AXES, "sampler": "grid", **given})
    sweep = store.create_sweep(config.model_dump(mode="json"), config.sampler, config.metric_name)
    conductor, steps = Conductor(store, lambda: 4), sweepfake.Steps(store)
    for _ in range(turns):
        if not conductor.turn():
            break
        steps.turn(4)
    return store.get_sweep(sweep.id)


def visit(**query: str) -> AppTest:
    return visited("pages/sweep.py", **query)


def said(page: AppTest) -> str:
    kinds = (page.title, page.header, page.subheader, page.markdown, page.caption, page.code, page.info, page.warning, page.error)
    return "\n".join(str(one.value) for kind in kinds for one in kind).replace("\\", "")


def links(page: AppTest) -> list[str]:
    return [link.proto.label for link in page.get("page_link")]


def address(page: AppTest) -> dict[str, str]:
    """The page's parameters: those of a visit are lists, those that the page wrote are texts."""
    return {name: value if isinstance(value, str) else value[0] for name, value in page.query_params.items()}


def tiles(page: AppTest) -> list[str]:
    return [one.value for one in page.header]


def test_an_empty_plan_says_what_to_do_and_offers_a_first_idea():
    page = visit()
    assert "Choose above what varies" in said(page) and "No sweep yet" in said(page)
    assert page.button(key="plan.start").disabled
    page.button(key="plan.idea").click().run()
    assert not page.exception and page.multiselect(key="plan.varied").value == ["model.dropout", "training.lr"]
    assert address(page)["vary.model.dropout"] == "0.0, 0.2, 0.4, 0.6"
    assert tiles(page)[:2] == ["20", "20"] and not page.button(key="plan.start").disabled


def test_a_link_makes_the_plan_and_the_plan_the_link():
    query = {**VARY, "dataset.name": "ml-100k", "sampler": "grid", "seeds": "3", "sampler_seed": "7", "pruner": "median"}
    query |= {"evaluation.more_k": "[20]", "metric": "ndcg@20"}
    page = visit(**query)
    assert tiles(page)[:2] == ["9", "27"]
    assert address(page) == query
    assert page.text_input(key="plan.model.dropout.text").value == "0, 0.15, 0.3"
    page.segmented_control(key="plan.training.lr.way").set_value("range").run()
    assert address(page)["vary.training.lr"] == "0.001..0.1"
    assert "A grid needs values for Learning rate (training.lr)" in said(page)
    page.number_input(key="plan.training.lr.step").set_value(10.0).run()
    page.toggle(key="plan.training.lr.log").set_value(True).run()
    assert address(page)["vary.training.lr"] == "0.001..0.1 log step 10.0"
    assert tiles(page)[:2] == ["9", "27"]
    command = next(one.value for one in page.code if "sweep start" in one.value)
    for part in ("--set dataset.name=ml-100k", "--field 'model.dropout=0, 0.15, 0.3'", "--sampler grid", "--sampler-seed 7", "--seeds 3"):
        assert part in command


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"vary.model.droput": "0, 0.5"}, "Did you mean 'model.dropout'?"),
        ({"vary.model.dropout": "0, 7"}, "model.dropout): input should be less than 1"),
        ({"vary.model.dropout": "0/0.5"}, "needs two different values or more, each of them once, with commas between them"),
        ({"vary.training.lr": "0..1 log"}, "begins above 0"),
        ({"vary.training.lr": "1e-320..1 log step 10"}, "begins above 0"),
        ({"vary.training.epochs": "1..1e300"}, "numbers go up to"),
        ({"vary.training.seed": "0, 1"}, "choose how often under seeds"),
        ({"vary.model.rank": "2, 3"}, "does not apply to this model"),
        ({"sampler": "gird"}, "'grid', 'random' or 'tpe'"),
        ({"trials": "many"}, "trials: input should be a valid integer"),
        ({"metric": "rsme"}, "Did you mean 'rmse'?"),
        ({"folds": "1"}, "one fold leaves nothing to learn from"),
        ({"model.layrs": "3"}, "Did you mean 'model.layers'?"),
        ({"sweep": "nowhere-1"}, "There is no sweep 'nowhere-1'. Here are all sweeps."),
    ],
)
def test_a_wrong_link_is_answered_with_a_sentence(query, words):
    page = visit(**query)
    assert words in said(page)
    assert page.title[0].value == "Sweep"


def test_options_are_ticked_and_switches_are_on_and_off():
    page = visit(**{"vary.model.activation": "selu, tanh", "vary.model.tied": "true, false", "sampler": "grid"})
    assert tiles(page)[0] == "4"
    page.pills(key="plan.model.activation.options").set_value(["selu", "tanh", "relu"]).run()
    assert address(page)["vary.model.activation"] == "selu, relu, tanh" and tiles(page)[0] == "6"
    page.multiselect(key="plan.varied").set_value(["model.tied"]).run()
    assert tiles(page)[0] == "2" and "vary.model.activation" not in address(page)


def test_a_combination_that_is_impossible_is_left_out_and_told():
    page = visit(**{"vary.model.dropout": "0, 0.5", "vary.training.optimizer": "adam, lbfgs", "sampler": "grid"})
    assert tiles(page)[0] == "3" and "1 impossible combination left out" in said(page)


def test_a_started_sweep_is_shown_at_once_and_kept_in_the_link(store):
    page = visit(**VARY, sampler="grid", seeds="2")
    page.button(key="plan.start").click().run()
    assert not page.exception
    (sweep,) = store.sweeps()
    assert (sweep.state, config_of(sweep).seeds, config_of(sweep).budget) == ("running", 2, 9)
    assert page.title[0].value.replace("\\", "") == sweep.name and address(page)["sweep"] == sweep.id
    assert "The first run is being prepared" in said(page)
    page.button(key="sweep-pause").click().run()
    assert store.get_sweep(sweep.id).state == "paused"
    page.button(key="sweep-run").click().run()
    page.button(key="sweep-stop").click().run()
    assert store.get_sweep(sweep.id).state == "stopped" and not page.exception


def test_what_cannot_start_is_told(store):
    page = visit(**VARY, **{"dataset.name": "netflix"})
    page.button(key="plan.start").click().run()
    assert not page.exception and store.sweeps() == [] and len(page.error) == 2
    assert len({one.value for one in page.error}) == 1


@pytest.mark.parametrize("look", LOOKS)
def test_a_finished_sweep_is_looked_at_in_every_way(store, look):
    sweep = swept(store, seeds=2)
    best = best_of(trials_of(sweep, config_of(sweep), store), "rmse")
    page = visit(sweep=sweep.name, sweep_look=look)
    assert tiles(page)[:3] == [f"{best.mean:.4f}", str(best.number), "9"]
    table = page.dataframe[0].value
    assert table["setting"].tolist()[0] == best.number and len(table) == 9
    assert table["value"].tolist()[0] == f"{best.mean:.4f} ± {best.sd:.4f}"
    if look == "importance":
        assert "What tells in validation RMSE" in said(page)
    if look == "two settings":
        assert "2 pairs of runs with the same seed" in said(page) and "negative: the first is better" in said(page)
    assert not page.error


def test_too_few_runs_for_importance_are_a_grey_hint_that_fits_a_sweep(store):
    page = visit(sweep=swept(store).name, sweep_look="importance")
    hint = next(one.value for one in page.caption if "at least 12 finished runs" in one.value)
    assert "there are 9 with 9. More settings or seeds may tell" in hint and "filters" not in hint
    assert not page.error


@pytest.mark.parametrize(("fields", "caption"), [(1, "Colours tell"), (2, "The other fields vary too; colours tell")])
def test_a_slice_speaks_of_other_fields_only_where_there_are_some(store, fields, caption):
    page = visit(sweep=swept(store, axes=dict([*AXES.items()][:fields])).name, sweep_look="slice")
    assert sum(one.value.startswith(f"{caption} the order of asking.") for one in page.caption) == fields


def test_a_sweep_with_failures_and_early_stops_tells_them(store):
    sweep = swept(
        store,
        axes={"model.dropout": "0, 0.3", "training.lr": "0.001, 0.01, 0.03, 0.1, 1, 10"},
        pruner="median",
        base={"training": {"epochs": 5}},
    )
    page = visit(sweep=sweep.id)
    remarks = [one for one in page.dataframe[0].value["remark"].tolist() if isinstance(one, str)]
    assert any("stopped being a number" in one for one in remarks) and any("after epoch" in one for one in remarks)
    assert "stopped early" in said(page) and "lost" in said(page)


def test_a_sweep_that_was_given_up_says_why(store):
    sweep = swept(store, axes={"training.lr": "2, 10"}, base={"training": {"epochs": 4}})
    assert "All settings failed, the last one with" in said(visit(sweep=sweep.id))


def test_the_best_is_used_saved_and_found_on_the_first_page(store):
    sweep = swept(store)
    page = visit(sweep=sweep.id)
    assert page.button(key="sweep-preset-save")
    page.text_input(key=f"sweep.preset.{sweep.id}").set_value("found-it").run()
    page.button(key="sweep-preset-save").click().run()
    assert not page.exception and [one.value for one in page.success] == ["Saved as preset found-it."]
    assert presets.preset("found-it").values["training"] == {"epochs": 2, "lr": 0.01}
    start = visited("pages/start.py")
    assert f"{sweep.name}: dropout 0.3, lr 0.01" in said(start) and sweep.name in links(start)
    train = visited("pages/train.py", preset="found-it")
    assert train.selectbox(key="preset").value == "found-it"
    page.button(key="sweep-same").click().run()
    assert address(page)["vary.model.dropout"] == "0.0, 0.15, 0.3" and "sweep" not in address(page)


def test_sweeps_are_listed_and_their_runs_lead_back(store):
    sweep = swept(store, turns=3)
    assert sweep.name in links(visit()) and "of 9 settings" in said(visit())
    run = store.list()[0]
    page = visited("pages/runs.py", run=run.id)
    assert "setting" in str(page.table[0].value) and [one for one in page.button if one.label == "Sweep"]


def test_a_sweep_of_another_version_is_told_and_not_drawn(store):
    sweep = store.create_sweep({"axes": {"model.nowhere": {"values": [1, 2]}}}, "grid")
    assert "Unknown field 'model.nowhere'" in said(visit(sweep=sweep.id))
    assert "Unknown field 'model.nowhere'" in said(visit())
