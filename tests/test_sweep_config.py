"""What a sweep may be told: fields and values by the configuration's own schema, and a sentence for all else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import parse
from engine.errors import InputError
from engine.sweeps import Range, Values, grid, impossible, parse_sweep, read_axis, write_axis

LR = {"training.lr": "0.001, 0.01"}


@pytest.mark.parametrize(
    ("path", "text", "choices"),
    [
        ("model.dropout", "0.5, 0, 0.2", (0.0, 0.2, 0.5)),
        ("model.tied", "true, false", (True, False)),
        ("model.activation", "selu, tanh", ("selu", "tanh")),
        ("model.layers", "64, 32; 128", ([64, 32], [128])),
        ("model.layers", "[[64, 32], [128]]", ([64, 32], [128])),
        ("evaluation.liked", "null, 3", (None, 3.0)),
        ("training.lr", "0.0001..0.1 log step 10", (0.0001, 0.001, 0.01, 0.1)),
        ("model.dropout", "0..0.6 step 0.2", (0.0, 0.2, 0.4, 0.6)),
        ("training.batch_size", "32..128 step 32", (32, 64, 96, 128)),
        ("training.batch_size", "32..256 log step 2", (32, 64, 128, 256)),
        ("refeed.steps", "0..3", (0, 1, 2, 3)),
        ("training.lr", "0.0001..0.1 log", None),
    ],
)
def test_an_axis_is_read_as_the_schema_has_it_and_written_as_it_is_read(path, text, choices):
    axis = parse_sweep({"axes": {path: text}}).axes[path]
    assert axis.choices == choices
    assert read_axis(path, write_axis(axis)).choices == choices
    assert parse_sweep({"axes": {path: write_axis(axis)}}).axes[path] == axis


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Nothing varies: name at least one field with its values."),
        ({"axes": {}}, "Nothing varies: name at least one field with its values."),
        ({"axes": {"model.droput": "0, 0.5"}}, "Unknown field 'model.droput'. Did you mean 'model.dropout'?"),
        ({"axes": {"dropout": [0, 0.5]}}, "Unknown field 'dropout'. Did you mean 'model.dropout'?"),
        ({"axes": {"model.dropout": "0, 1"}}, "model.dropout: input should be less than 1."),
        ({"axes": {"model.dropout": "0..1"}}, "model.dropout: input should be less than 1."),
        ({"axes": {"model.dropout": "0.5"}}, "model.dropout: a field that varies needs two different values or more"),
        ({"axes": {"model.layers": "64"}}, "each of them once, with semicolons between them"),
        ({"axes": {"model.activation": "selu"}}, "two different values or more, each of them once."),
        ({"axes": {"model.dropout": "0.5, 0.5"}}, "two different values or more, each of them once"),
        ({"axes": {"model.activation": "selu, tahn"}}, "(not 'tahn')"),
        ({"axes": {"model.activation": "1..2"}}, "model.activation: input should be 'selu'"),
        ({"axes": {"model.rank": "1..4"}}, "'model.rank' does not apply to this model"),
        ({"axes": {"training.lr": "0.1..0.01"}}, "from a lower to a higher number, not from 0.1 to 0.01"),
        ({"axes": {"training.lr": "0..0.01 log"}}, "a logarithmic range begins above 0"),
        ({"axes": {"training.lr": "0.001..0.1 log step 0.5"}}, "a factor above 1"),
        ({"axes": {"training.lr": "1e-320..1 log step 10"}}, "begins above 0, at 1e-100 or more"),
        ({"axes": {"training.lr": "1..2 step 1e-320"}}, "at most 2,000 values"),
        ({"axes": {"training.epochs": "1..1e300"}}, "numbers go up to 9,007,199,254,740,991"),
        ({"axes": {"training.epochs": f"{10**400}..1"}}, "numbers go up to"),
        ({"axes": {"training.epochs": "1..100000 step 1"}}, "at most 2,000 values"),
        ({"axes": {"training.seed": "0, 1"}}, "set seeds"),
        ({"axes": {"split.fold": "0, 1"}}, "set folds"),
        ({"axes": LR, "sampler": "gird"}, "sampler: input should be 'grid', 'random' or 'tpe' (not 'gird')."),
        ({"axes": LR, "smapler": "grid"}, "Did you mean 'sampler'?"),
        ({"axes": LR, "trials": 0}, "trials: input should be greater than or equal to 1 (not 0)."),
        ({"axes": LR, "folds": 1}, "one fold leaves nothing to learn from"),
        ({"axes": LR, "metric": "rsme"}, "Unknown metric 'rsme'. Did you mean 'rmse'?"),
        ({"axes": LR, "metric": "ndcg@7"}, "metric ndcg@7 is not measured"),
        ({"axes": LR, "metric": "map", "pruner": "median"}, "pruner=median needs a metric that each epoch is judged by"),
        ({"axes": {"model.rank": "1..4"}, "base": {"model": {"name": "svd"}}, "pruner": "median"}, "svd has none: set pruner=none"),
        ({"axes": {"training.lr": "0.01..0.1"}, "sampler": "grid"}, "A grid needs values for training.lr"),
        ({"axes": {"training.epochs": "1..200 step 1", "training.batch_size": "1..100"}, "sampler": "grid"}, "this one 20,000"),
        ({"axes": LR, "base": {"model": {"layrs": [3]}}}, "Did you mean 'model.layers'?"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(given, sentence):
    with pytest.raises(InputError) as told:
        parse_sweep(given)
    assert sentence in str(told.value)
    assert str(told.value)[-1] in ".?"


def test_a_grid_is_every_possible_combination_in_an_order_of_its_seed():
    axes = {"model.dropout": "0, 0.5", "training.optimizer": "adam, lbfgs", "training.lr": "0.001, 0.01, 0.1"}
    config = parse_sweep({"axes": axes, "sampler": "grid"})
    found = grid(config)
    assert len(found) == config.budget == 9
    assert not any(one["training.optimizer"] == "lbfgs" and one["model.dropout"] for one in found)
    count, why = impossible(config)
    assert count == 3 and "lbfgs needs a model" in why
    assert grid(config.model_copy(update={"seed": 1})) != found
    assert sorted(map(str, grid(config.model_copy(update={"seed": 1})))) == sorted(map(str, found))


def test_a_value_may_need_another_axis():
    config = parse_sweep({"axes": {"model.name": "autoencoder, svd", "model.rank": "2, 4"}, "sampler": "grid"})
    assert [one["model.name"] for one in grid(config)] == ["svd", "svd"]
    assert config.metric_name is None
    assert parse_sweep({"axes": {"model.name": "autoencoder, mult-vae"}}).metric_name == "ndcg@10"


def test_repetitions_are_every_seed_on_every_fold():
    config = parse_sweep({"base": {"training": {"seed": 7}, "split": {"seed": 3}}, "axes": LR, "seeds": 2, "folds": 3})
    runs = [config.run_config({"training.lr": 0.01}, repeat) for repeat in range(config.repeats)]
    assert [(run.training.seed, run.split.fold) for run in runs] == [(7, 0), (8, 0), (7, 1), (8, 1), (7, 2), (8, 2)]
    assert {(run.split.kind, run.split.folds, run.split.seed, run.training.lr) for run in runs} == {("kfold", 3, 3, 0.01)}


@pytest.mark.parametrize(
    ("metric", "monitor", "name"),
    [("auto", "auto", None), ("mae", "mae", "mae"), ("ndcg", "ndcg", "ndcg@10"), ("ndcg@10", "ndcg", "ndcg@10"), ("map", "auto", "map@10")],
)
def test_the_metric_of_a_sweep_picks_the_epochs_too_where_it_can(metric, monitor, name):
    config = parse_sweep({"axes": LR, "metric": metric})
    assert (config.run_config({"training.lr": 0.01}).training.monitor, config.metric_name) == (monitor, name)


def test_a_pairwise_metric_is_measured_on_the_test_too():
    run = parse_sweep({"axes": LR, "metric": "pairwise_random"}).run_config({"training.lr": 0.01})
    assert (run.training.monitor, run.evaluation.pairwise) == ("pairwise_random", True)


@given(
    low=st.floats(1e-6, 1e3),
    factor=st.floats(1.01, 1e4),
    log=st.booleans(),
    count=st.integers(2, 40),
)
def test_a_step_leads_from_the_lower_end_to_the_higher(low, factor, log, count):
    high = low * factor
    step = factor ** (1 / (count - 1)) if log else (high - low) / (count - 1)
    if log and step <= 1.0005:
        return
    axis = Range(low=low, high=high, log=log, step=step)
    assert axis.choices is not None
    assert len(axis.choices) == count
    assert axis.choices[0] == pytest.approx(low) and axis.choices[-1] == pytest.approx(high, rel=1e-6)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]), min_size=2, unique=True), st.sampled_from(["grid", "random", "tpe"]))
def test_a_sweep_survives_its_rows(values, sampler):
    config = parse_sweep({"axes": {"model.dropout": values, "training.lr": "0.001..0.1 step 0.02"}, "sampler": sampler, "minutes": 3})
    assert parse_sweep(config.model_dump(mode="json")) == config
    assert isinstance(config.axes["model.dropout"], Values)
    assert config.base == parse({})
