"""Every registered page stands with an empty and with a filled store; the Train page's form, address and buttons agree."""

import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine import background
from engine.config import RunConfig, parse
from engine.models import MODELS
from engine.presets import presets
from engine.settings import settings
from engine.store import MetricRow, Run, RunStore
from pages import PAGES
from pages.components import draft, form, series, session, words
from tests.visits import visited

ROOT = Path(__file__).parents[1]
TRAIN = "pages/train.py"


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch):
    """Pages ask for a daemon; here none is started, and none is missed."""
    asked = []
    monkeypatch.setattr(background, "ensure_daemon", lambda *_: asked.append(1) or "starting")
    monkeypatch.setattr(background, "daemon_state", lambda *_: "ready")
    monkeypatch.setattr(background, "daemon_alive", lambda *_: True)
    return asked


def fill(store: RunStore, state: str = "finished", config: RunConfig | None = None, epochs: int = 8) -> Run:
    """A run that looks like a trained one, in any state."""
    run = store.create((config or RunConfig()).model_dump(mode="json"))
    if state == "queued":
        return run
    store.claim(run.id)
    facts = {
        "sizes": {"users": 2000, "items": 1200, "train": 1000, "validation": 100, "test": 100, "fold_in": 0},
        "baselines": {"bias": {"validation": {"rmse": 0.92}}, "svd": {"rank": 8, "validation": {"rmse": 0.86}}},
        "noise_floor": 0.7,
        "liked": 4.0,
        "watch_user": "Ann",
        "watch_users": ["Ann", "Bob"],
    }
    store.add_facts(run.id, facts)
    rows, items = [], [{"item": str(i), "title": f"*Film* [{i}] $1", "score": 4.0 - i / 10, "hit": i == 2} for i in range(10)]
    store.add_list(run.id, 0, "svd", "Ann", items)
    for epoch in range(1, epochs + 1):
        values = {"train/loss": 1 / epoch, "train/rmse": epoch**-0.5, "batch/loss": 1.1 / epoch}
        values |= {
            "train/seconds": 1.5,
            "validation/rmse": 0.8 + abs(epoch - 5) / 100,
            "difference/svd": -0.03,
            "difference/svd_interval": 0.01,
        }
        rows += [MetricRow(epoch * 10, name, value, epoch, epoch * 2.0) for name, value in values.items()]
        store.add_list(run.id, epoch, "run", "Ann", items[epoch:] + items[:epoch])
    store.add_metrics(run.id, rows)
    store.beat(run.id, epoch=epochs, step=epochs * 10, device="cpu")
    store.log(run.id, "epoch 8 · best")
    if state == "finished":
        test = {"rmse": 0.82, "rmse_clipped": 0.81, "mae": 0.6, "rmse_user_mean": 0.8}
        summary = {
            "best_epoch": 5,
            "epochs": epochs,
            "seconds_per_epoch": 2.0,
            "metrics": {"validation": test, "test": test},
            "baselines": {"bias": {"rmse": 0.92}, "svd": {"rmse": 0.86, "rank": 8}},
            "difference": {"svd": [-0.04, 0.05], "pairs": 100, "users": 50},
            "device": "cpu",
            "peak_memory_mb": 100.0,
        }
        store.finish(run.id, "finished", summary=summary)
    elif state != "running":
        if state in ("paused", "stopped"):
            store.ask(run.id, {"paused": "pause", "stopped": "stop"}[state])
        store.finish(run.id, state, error="The learning rate was too high." if state in ("failed", "crashed") else None)
    return store.get(run.id)


def visit(page: str, **query: str) -> AppTest:
    return visited(page, **query)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, [element.value for element in app.exception]
    return app


def text(app: AppTest) -> str:
    """All captions, Markdown and messages."""
    return "\n".join(str(element.value) for kind in (app.markdown, app.caption, app.error, app.warning, app.code) for element in kind)


def query(app: AppTest) -> dict[str, str]:
    return {name: values if isinstance(values, str) else values[-1] for name, values in app.query_params.items()}


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_every_page_stands_with_an_empty_store(entry):
    visit(entry.file)


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_every_page_stands_with_a_filled_store(entry, store):
    for state in ("finished", "queued", "running", "paused", "failed"):
        fill(store, state)
    visit(entry.file)


def test_a_run_on_postgresql_is_drawn_as_one_in_a_file(server, store, monkeypatch):
    shown, frames = [], []
    for url in (settings().store_url, server.fresh()):
        monkeypatch.setenv("ENCORE_STORE", url)
        filled = RunStore(url, settings().artifacts)
        run = fill(filled, "running")
        app = visit(TRAIN, run=run.id)
        frames.append(filled.metrics(run.id))
        shown.append(re.sub(r"\d\d:\d\d:\d\d", "time", text(app).replace(run.name, "name").replace(run.id, "id")))
        visit("pages/runs.py", run=run.id)
        for opened in (filled, session.store()):
            opened.close()
    assert shown[0] == shown[1]
    assert frames[0].equals(frames[1])


@pytest.mark.parametrize("state", ["queued", "running", "paused", "finished", "stopped", "failed", "crashed"])
def test_a_run_opens_by_its_link_in_every_state(state, store):
    run = fill(store, state)
    app = visit(TRAIN, run=run.id)
    assert run.name in text(app)
    assert query(app) == {"run": run.id}
    labels = {button.label: button.disabled for button in app.button}
    assert labels["Start"] == (state in ("queued", "running"))
    assert ("Resume" in labels) == (state in ("paused", "stopped", "failed", "crashed"))
    if state == "failed":
        assert "The learning rate was too high." in [error.value for error in app.error]


def test_tiles_say_what_is_known_and_how_sure_it_is(store):
    app = visit(TRAIN, run=fill(store).id)
    assert [header.value for header in app.header] == ["0.8300", "0.1250", "5", "−0.0300"]
    shown = text(app)
    assert "100 pairs · ±0.0100 · :green[**better than SVD**]" in shown
    assert "−0.0400 ± 0.0500 on 100 pairs of 50 users: :gray[not distinguishable]" in shown


def test_the_tiles_of_a_ranker_are_of_its_ranking(store):
    config = parse({"model": {"name": "mult-vae"}, "preprocessing": {"binarise": 4}})
    run = store.create(config.model_dump(mode="json"))
    store.claim(run.id)
    baselines = {"popularity": {"validation": {"ndcg@10": 0.2}}, "svd": {"rank": 8, "validation": {"ndcg@10": 0.3, "ndcg@10_se": 0.004}}}
    sizes = {"users": 2000, "items": 1200, "train": 1000, "validation": 100, "test": 100}
    store.add_facts(run.id, {"monitor": "ndcg@10", "baselines": baselines, "noise_floor": 0.7, "sizes": sizes})
    for epoch, ndcg in enumerate((0.1, 0.35, 0.34), start=1):
        values = {"train/loss": 500.0 / epoch, "train/seconds": 1.0, "validation/ndcg@10": ndcg, "validation/ndcg@10_se": 0.003}
        store.add_metrics(run.id, [MetricRow(epoch * 10, name, value, epoch, epoch * 2.0) for name, value in values.items()])
    store.beat(run.id, epoch=3, step=30, device="cpu")
    app = visit(TRAIN, run=run.id)
    shown = text(app)
    assert [header.value for header in app.header] == ["0.3400", "166.6667", "2", "+0.0500"]
    assert "validation NDCG@10" in shown and "**Held-out NDCG@10**" in shown and "RMSE" not in shown
    assert ":orange[▼ 0.0100] since last epoch" in shown
    assert "validation 0.3500, kept" in shown
    assert "100 pairs · ±0.0098 · :green[**better than SVD**]" in shown
    assert "noise floor" not in shown


def test_the_form_writes_the_address_and_the_address_fills_the_form():
    app = visit(TRAIN)
    assert query(app) == {}
    app.text_input(key="train.model.layers").set_value("300, 20")
    app.selectbox(key="train.dataset.name").set_value("toy")
    app.slider(key="train.model.dropout").set_value(0.25)
    app.segmented_control(key="train.refeed.target").set_value("ratings")
    app.number_input(key="train.training.epochs").set_value(7)
    sound(app.run())
    app.selectbox(key="train.training.optimizer").set_value("sgd")
    link = query(sound(app.run()))
    assert link == {
        "model.layers": "300,20",
        "dataset.name": "toy",
        "model.dropout": "0.25",
        "training.epochs": "7",
        "training.optimizer": "sgd",
        "refeed.steps": "1",
        "refeed.target": "ratings",
    }
    again = visit(TRAIN, **{name.replace(".", "__"): value for name, value in link.items()})
    assert query(again) == link
    assert again.text_input(key="train.model.layers").value == "300, 20"
    assert again.number_input(key="train.refeed.steps").value == 1


def test_another_kind_brings_its_own_fields():
    app = visit(TRAIN)
    app.segmented_control(key="train.split.kind").set_value("time")
    sound(app.run())
    assert app.number_input(key="train.split.quantile").value == 0.8
    app.segmented_control(key="train.split.kind").set_value("more")
    sound(app.run())
    assert query(app)["split.kind"] == "stratified"
    assert "train.split.kind" not in [one.key for one in app.get("button_group")], "the menu stands in its place"
    app.selectbox(key="train.split.kind.more").set_value("random")
    assert sound(app.run()).segmented_control(key="train.split.kind").value == "random"
    app.segmented_control(key="train.split.kind").set_value("more")
    sound(app.run())
    app.selectbox(key="train.split.kind.more").set_value("users")
    sound(app.run())
    assert app.number_input(key="train.split.fold_in").value == 0.8
    app.selectbox(key="train.model.name").set_value("svd")
    sound(app.run())
    assert query(app) == {"split.kind": "users", "model.name": "svd"}
    assert app.number_input(key="train.model.rank").value == 20


def test_a_model_brings_its_own_controls_and_takes_away_what_it_does_not_read():
    app = visit(TRAIN, refeed__steps="2", noise__kind="masking", training__epochs="7")
    assert "train.noise.level" in [one.key for one in app.number_input]
    app.selectbox(key="train.model.name").set_value("mult-vae")
    sound(app.run())
    assert query(app) == {"model.name": "mult-vae", "training.epochs": "7"}
    assert app.text_input(key="train.model.layers").value == "600, 200"
    assert app.number_input(key="train.model.beta").value == 0.2
    assert not [one for one in app.selectbox if one.key.startswith(("train.noise.", "train.objective."))]
    app.selectbox(key="train.model.name").set_value("ease")
    sound(app.run())
    keys = [one.key for one in app.number_input]
    assert "train.model.regularisation" in keys and "train.training.seed" in keys
    assert not {"train.training.lr", "train.training.epochs"} & {*keys}
    assert not any(element.value == "**Speed**" for element in app.markdown)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_form(name):
    app = visit(TRAIN, model__name=name)
    assert query(app) == ({} if name == "autoencoder" else {"model.name": name})
    kinds = ("text_input", "number_input", "selectbox", "toggle", "slider", "button_group")
    shown = {str(one.key).removesuffix(".more") for kind in kinds for one in app.get(kind)}
    fields = {f"train.model.{field}" for field in MODELS[name].config.model_fields}
    assert fields - shown <= {"train.model.default_rating"}


def test_lists_and_days_are_typed_and_may_be_left_empty():
    app = visit(TRAIN, split__kind="windows", split__test_from="2005-12-01", evaluation__more_k="20,50")
    assert app.date_input(key="train.split.test_from").value == date(2005, 12, 1)
    assert app.date_input(key="train.split.train_from").value is None
    assert app.text_input(key="train.evaluation.more_k").value == "20, 50"
    app.date_input(key="train.split.test_until").set_value(date(2005, 12, 31))
    app.text_input(key="train.evaluation.more_k").set_value("100")
    assert query(sound(app.run())) == {
        "split.kind": "windows",
        "split.test_from": "2005-12-01",
        "split.test_until": "2005-12-31",
        "evaluation.more_k": "[100]",
    }
    app.date_input(key="train.split.test_from").set_value(None)
    app.text_input(key="train.evaluation.more_k").set_value("")
    assert "split.kind=windows needs the first day of validation and test" in sound(app.run()).error[0].value
    app.text_input(key="train.evaluation.more_k").set_value("ten")
    assert "Further list lengths are whole numbers" in sound(app.run()).error[0].value


@pytest.mark.parametrize("name", presets())
def test_a_preset_fills_the_form_and_its_link_stands_for_it(name):
    app = visit(TRAIN, preset=name)
    assert app.selectbox(key="preset").value == name
    chosen, refused = draft.from_query(query(app))
    assert (chosen, refused) == (parse(presets()[name].values), [])
    app.number_input(key="train.training.seed").set_value(99)
    assert sound(app.run()).selectbox(key="preset").value == ""
    app.selectbox(key="preset").set_value(name)
    assert query(sound(app.run())) == draft.to_query(chosen)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"model__dropout": "1.5"}, "model.dropout"),
        ({"model__layers": "0"}, "at least one unit"),
        ({"split__kind": "lasst"}, "Did you mean 'last'?"),
        ({"trainin__lr": "1"}, "Unknown field"),
        ({"run": "0123456789ab"}, "There is no run"),
        ({"preset": "dem"}, "Unknown preset 'dem'"),
        ({"dataset__name": "/etc/passwd"}, "A link cannot name a file"),
    ],
)
def test_what_a_link_says_wrong_is_said_in_a_sentence_and_the_rest_is_used(bad, sentence):
    app = visit(TRAIN, training__epochs="7", **bad)
    assert len(app.warning) == 1
    assert sentence in app.warning[0].value
    assert query(app) == {"training.epochs": "7"}


def test_the_pace_is_that_of_the_command_line_and_the_time_left_that_of_the_clock(store):
    run = fill(store, "running")
    assert "epoch 8 / 40 · 1.5 s each · 1 min 4 s left" in text(visit(TRAIN, run=run.id))


def test_a_model_without_epochs_shows_no_curve(store):
    config = parse({"model": {"name": "bias"}})
    run = fill(store, "finished", config, epochs=1)
    app = visit(TRAIN, run=run.id)
    shown = text(app)
    assert "**User + item bias**: fitted in one step" in shown and "Test, read once" in shown
    assert "epoch 1 /" not in shown and not app.get("echarts_chart")
    assert "epoch 1 /" not in text(visit("pages/start.py"))


def test_a_form_that_is_not_valid_cannot_start():
    app = visit(TRAIN)
    for typed in ("", "a, b", "512, 0"):
        app.text_input(key="train.model.layers").set_value(typed)
        sound(app.run())
        assert len(app.error) == 1
        assert next(button for button in app.button if button.label == "Start").disabled
    app.text_input(key="train.model.layers").set_value("16")
    assert not sound(app.run()).error
    app.selectbox(key="train.dataset.name").set_value("toy")
    app.segmented_control(key="train.split.kind").set_value("time")
    assert "no timestamps" in sound(app.run()).error[0].value


@pytest.mark.parametrize(
    ("link", "field", "value", "sentence"),
    [
        ({}, "training.lr", -1.0, "Learning rate (training.lr): input should be greater than 0 (not -1.0)."),
        ({}, "training.batch_size", 0, "Batch size (training.batch_size): input should be greater than or equal to 1 (not 0)."),
        ({}, "training.epochs", 0, "Epochs (training.epochs): input should be greater than or equal to 1 (not 0)."),
        ({}, "training.seed", -1, "Seed (training.seed): input should be greater than or equal to 0 (not -1)."),
        ({}, "split.test", 1.5, "Test share (split.test): input should be less than 1 (not 1.5)."),
        ({"split__kind": "kfold"}, "split.folds", 1, "(split.folds): input should be greater than or equal to 2 (not 1)."),
        ({"model__name": "mult-vae"}, "model.beta", -0.5, "(model.beta): input should be greater than or equal to 0 (not -0.5)."),
        ({"preprocessing__scale_high": "3"}, "preprocessing.scale_low", 4.0, "lowest rating (scale_low=4) must be below the highest"),
    ],
)
def test_a_number_out_of_bounds_is_sent_and_answered_in_a_sentence(link, field, value, sentence):
    app = visit(TRAIN, **link)
    control = app.number_input(key=f"train.{field}")
    assert not (control.proto.has_min or control.proto.has_max), "a browser does not send what its control has no room for"
    control.set_value(value)
    (told,) = sound(app.run()).error
    assert sentence in told.value.replace("\\", "")
    assert next(button for button in app.button if button.label == "Start").disabled


def test_no_control_of_the_form_keeps_a_number_to_itself():
    for name in MODELS:
        app = visit(TRAIN, model__name=name)
        assert not [control.key for control in app.number_input if control.proto.has_min or control.proto.has_max]


def test_a_control_moved_together_with_the_preset_breaks_nothing():
    """Both changes come in one message where a page is slow, and the preset's takes the form's controls away."""
    app = visit(TRAIN)
    app.selectbox(key="preset").set_value("deep-user")
    app.selectbox(key="train.dataset.name").set_value("toy")
    app.slider(key="train.model.dropout").set_value(0.25)
    app.text_input(key="train.model.layers").set_value("9")
    assert not [error.value for error in app.run().exception]


def listed(app: AppTest) -> tuple[str, list[str]]:
    """The heading of the pinned user's list, and its columns."""
    heading = next(element.value for element in app.markdown if "would get" in element.value)
    return heading, [*app.table[0].value.columns]


def test_a_finished_run_shows_the_list_of_the_kept_epoch(store):
    app = visit(TRAIN, run=fill(store, "finished").id)
    assert listed(app) == ("**User Ann would get · kept model, epoch 5**", ["epoch 5", "4 epochs before"])
    assert app.table[0].value.iloc[0, 0].startswith(r"\*Film\* \[5\]"), "of epoch 5, though there are eight"
    assert "✓ held out (validation ratings), rated ≥ 4" in text(app)
    app = visit(TRAIN, run=fill(store, "running").id)
    assert listed(app) == ("**User Ann would get**", ["now", "5 epochs ago"])
    assert app.table[0].value.iloc[0, 0].startswith(r"\*Film\* \[8\]")


def test_the_list_of_a_refitted_run_is_called_what_it_is(store):
    app = visit(TRAIN, run=fill(store, "finished", parse({"training": {"refit": True}})).id)
    assert listed(app)[0] == "**User Ann would get · epoch 5, before the refit**"
    assert "then refitted on training and validation ratings" in text(app)


def test_who_was_pinned_after_the_kept_epoch_has_no_list_of_it(store):
    run = fill(store, "finished")
    store.add_facts(run.id, {"watch_user": "Bob"})
    store.add_list(run.id, 7, "run", "Bob", [{"item": "1", "title": "Late", "score": 1.0, "hit": False}])
    shown = text(visit(TRAIN, run=run.id))
    assert "pinned after epoch 5, whose weights are kept" in shown and "Late" not in shown


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return sound(app.run())


def test_start_queues_one_run_and_a_second_click_none(store, no_daemon, monkeypatch):
    app = visit(TRAIN, model__layers="64")
    asked = len(no_daemon)
    start = next(button for button in app.button if button.label == "Start")
    press(app, "Start")
    start.click()
    sound(app.run())
    (run,) = store.list()
    assert run.config["model"]["layers"] == [64]
    assert run.state == "queued"
    assert len(no_daemon) == asked + 1
    assert query(app) == {"run": run.id}
    assert "number 1 in the queue · waits for a CPU slot · starts at once" in text(app)
    monkeypatch.setattr(background, "daemon_state", lambda *_: "starting")
    assert "starting the engine" in text(sound(app.run()))


def test_pause_stop_and_resume_ask_for_what_they_say(store):
    run = fill(store, "running")
    app = press(visit(TRAIN, run=run.id), "Pause")
    assert store.get(run.id).want == "pause"
    assert "pausing" in text(app)
    store.finish(run.id, "paused")
    press(sound(app.run()), "Resume")
    assert (store.get(run.id).state, store.get(run.id).want) == ("queued", "run")
    press(sound(app.run()), "Stop")
    assert store.get(run.id).state == "stopped"


def test_one_epoch_starts_or_goes_on_and_pauses(store, no_daemon):
    app = press(visit(TRAIN, model__layers="64"), "One epoch")
    (run,) = store.list()
    assert (run.state, run.want, query(app)) == ("queued", "step", {"run": run.id})
    store.claim(run.id)
    assert "pauses after this epoch" in text(sound(app.run()))
    assert next(button for button in app.button if button.label == "One epoch").disabled
    store.finish(run.id, "paused")
    press(sound(app.run()), "One epoch")
    assert (store.get(run.id).state, store.get(run.id).want) == ("queued", "step")


def test_a_link_hides_controls_for_a_class_and_keeps_their_values():
    app = visit(TRAIN, hide="dropout,optimizer,nois", model__dropout="0.3", training__momentum="0.5")
    labels = {element.label for kind in (app.slider, app.number_input, app.selectbox) for element in kind}
    assert "Dropout on the code" not in labels and "Epochs" not in labels
    assert "Dataset" in labels
    assert "Did you mean 'noise'" in text(app)
    assert query(app) == {"hide": "dropout,optimizer", "model.dropout": "0.3", "training.momentum": "0.5"}
    menu = next(element for element in app.multiselect if element.label.startswith("Hide"))
    menu.set_value(["optimizer"])
    sound(app.run())
    assert query(app)["hide"] == "optimizer"
    assert "Dropout on the code" in {element.label for element in app.slider}


def test_smoothing_draws_another_line_and_leaves_the_measured_one():
    y = np.array([1.0, 3.0, np.nan, 2.0])
    assert series.smoothed(y, 0.0) == pytest.approx(y, nan_ok=True)
    # Weights of the past 1, ½, ¼ …: (3 + 1/2) / (1 + 1/2), then (2 + 3/2 + 1/4) / (1 + 1/2 + 1/4).
    assert series.smoothed(y, 0.5) == pytest.approx([1.0, 3.5 / 1.5, np.nan, 3.75 / 1.75], nan_ok=True)


def test_the_time_is_estimated_from_another_network_on_the_same_data(store):
    fill(store, "finished")
    (run,) = store.list()
    config = parse(run.config)
    assert form.expected(config, [run]) == f"about {words.duration(2.0 * config.training.epochs)} on this machine"
    # Twice the first width is twice the work of the first and last layer, and of the only product between them.
    one = config.model_copy(update={"model": config.model.model_copy(update={"layers": (10,)})})
    two = config.model_copy(update={"model": config.model.model_copy(update={"layers": (20,)})})
    other = replace(run, config=one.model_dump(mode="json"))
    assert form.expected(two, [other]).startswith(f"roughly {words.duration(4.0 * config.training.epochs)}, going by {run.name}")
    assert form.expected(two, []) == ""


def test_a_run_that_ended_meanwhile_is_told_wherever_one_is(store):
    run = fill(store, "running")
    app = sound(AppTest.from_string("from pages.components.news import toasts; toasts()", default_timeout=60).run())
    assert not app.toast
    store.finish(run.id, "failed", error="It was too much.")
    assert [run.name in toast.value and "failed" in toast.value for toast in sound(app.run()).toast] == [True]
    assert not sound(app.run()).toast


def test_an_end_that_is_written_late_is_told_all_the_same_and_once(store):
    run = fill(store, "running")
    app = sound(AppTest.from_string("from pages.components.news import toasts; toasts()", default_timeout=60).run())
    moment = time.time()
    sound(app.run())
    with mock.patch("time.time", return_value=moment):  # the row says so, and was written after that look
        store.finish(run.id, "finished", summary={})
    assert [run.name in toast.value for toast in sound(app.run()).toast] == [True]
    assert not sound(app.run()).toast


def test_a_run_deleted_elsewhere_leaves_a_sentence(store):
    run = fill(store)
    app = visit(TRAIN, run=run.id)
    store.delete(run.id)
    assert "There is no run" in sound(app.run()).warning[0].value
    assert query(app) == {}


def test_pinning_another_user_is_written_to_the_run(store):
    run = fill(store, "running")
    app = visit(TRAIN, run=run.id)
    app.selectbox(key=f"pin.{run.id}").set_value("Bob")
    sound(app.run())
    assert store.get(run.id).watch_user == "Bob"


def test_the_demo_is_one_click_away(store):
    app = visit("pages/start.py")
    press(app, "Run the demo")
    (run,) = store.list()
    assert parse(run.config) == parse(presets()["demo"].values)
    assert run.name in text(app)


def test_pages_draw_without_torch():
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\nfrom engine import background\n"
        "background.ensure_daemon = lambda *_: 'ready'\n"
        "app = AppTest.from_file('dashboard.py', default_timeout=60).run()\n"
        "app.switch_page('pages/train.py').run()\n"
        "assert not app.exception\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_why_no_run_can_start_is_said_where_one_waits(store, monkeypatch):
    monkeypatch.setattr(background, "daemon_state", lambda *_: "starting")
    monkeypatch.setattr(background, "trouble", lambda *_: "The Dask scheduler tcp://far:1 does not answer: start it; runs wait.")
    run = fill(store, "queued")
    for app in (visit(TRAIN, run=run.id), visit(TRAIN), visit("pages/start.py")):
        assert "The Dask scheduler tcp" in text(app) and "does not answer" in text(app)


def test_the_engine_promises_a_start_at_once_only_where_nobody_waits(store, monkeypatch):
    monkeypatch.setattr(background, "daemon_state", lambda *_: "ready")
    monkeypatch.setattr(background, "trouble", lambda *_: None)
    monkeypatch.setattr(background, "slots_now", lambda *_: ("cpu/1",))
    assert "Engine ready: a run starts at once." in text(visit("pages/start.py")).replace("\\", "")
    fill(store, "running")
    assert "Engine ready: a run starts when a slot is free." in text(visit("pages/start.py")).replace("\\", "")
    fill(store, "queued")
    assert "Engine ready: 1 run in the queue." in text(visit("pages/start.py")).replace("\\", "")


def test_frozen_curves_end_where_they_were_last_shown(store):
    run = fill(store, "running")
    app = visit(TRAIN, run=run.id)
    app.toggle(key="frozen").set_value(True)
    sound(app.run())
    store.add_metrics(run.id, [MetricRow(80, "validation/ndcg", 0.5, 8, 16.0), MetricRow(90, "train/loss", 0.0123, 9, 18.0)])
    losses = []
    for frozen in (True, False):
        app.toggle(key="frozen").set_value(frozen)
        losses.append([element.value for element in sound(app.run()).header])
    assert "0.1250" in losses[0] and "0.0123" not in losses[0]
    assert "0.0123" in losses[1]
