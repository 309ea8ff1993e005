"""One configuration in every form; a wrong field is answered with its name and the nearest right one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import RunConfig, differences, fields, flatten, format_value, merge, parse, parse_value, read_toml, to_toml
from engine.errors import InputError
from engine.presets import presets

configs = st.builds(
    lambda model, split, training, refeed: parse(
        {"model": model, "split": split, "training": training, "refeed": {} if "name" in model else refeed}
    ),
    st.one_of(
        st.fixed_dictionaries(
            {
                "layers": st.lists(st.integers(1, 2000), min_size=1, max_size=4),
                "activation": st.sampled_from(["selu", "relu", "tanh"]),
                "tied": st.booleans(),
                "dropout": st.floats(0, 0.99),
            }
        ),
        st.fixed_dictionaries({"name": st.just("svd"), "rank": st.integers(1, 99)}),
    ),
    st.one_of(
        st.fixed_dictionaries({"kind": st.just("last"), "test": st.floats(0.01, 0.9)}),
        st.fixed_dictionaries({"kind": st.just("time"), "quantile": st.floats(0.01, 0.99)}),
    ),
    st.fixed_dictionaries({"lr": st.floats(1e-6, 10), "epochs": st.integers(1, 10_000)}),
    st.fixed_dictionaries({"steps": st.integers(0, 3), "target": st.sampled_from(["fixed-point", "ratings"])}),
)


@given(configs)
@settings(max_examples=60, deadline=None)
def test_every_form_reads_back_equal(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert parse(read_toml(path)) == config
    assert parse(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert parse(merge({}, flatten(config))) == config
    as_typed = {name: parse_value(json.dumps(value)) for name, value in flatten(config).items()}
    assert parse(merge({}, as_typed)) == config
    assert parse(merge({}, differences(config))) == config


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model.layerz": [3]}, "Unknown field 'model.layerz'. Did you mean 'model.layers'?"),
        ({"trainnig.lr": 1}, "Unknown field 'trainnig'. Did you mean 'training'?"),
        ({"split.kind": "lats"}, "Unknown split 'lats'. Did you mean 'last'?"),
        ({"model.name": "autoencodr"}, "Unknown model 'autoencodr'. Did you mean 'autoencoder'?"),
        ({"model.layers": [0]}, "model.layers: every layer needs at least one unit, not 0."),
        ({"model.layers": -5}, "model.layers: every layer needs at least one unit, not -5."),
        ({"model.layers": []}, "model.layers: list should have at least 1 item."),
        ({"model.dropout": 1.5}, "model.dropout: input should be less than 1 (not 1.5)."),
        ({"training.epochs": 0}, "training.epochs: input should be greater than or equal to 1 (not 0)."),
        ({"training.lr": "fast"}, "training.lr"),
        ({"training.batch_size": 0}, "training.batch_size"),
        ({"training.monitor": "accuracy"}, "training.monitor: input should be 'auto'"),
        ({"split.quantile": 0.5}, "'split.quantile' does not apply to this split"),
        ({"model.rank": 5}, "'model.rank' does not apply to this model"),
        ({"model.activation": "sigmoidal"}, "model.activation"),
        ({"nonsense": 1}, "Unknown section 'nonsense'."),
        ({"model": 1}, "'model' is a section"),
        ({"training.lr": float("inf")}, "training.lr: input should be a finite number"),
        ({"training.seed": 10**30}, "training.seed"),
    ],
)
def test_a_wrong_field_is_named(changes, sentence):
    with pytest.raises(InputError) as error:
        parse(merge({}, changes))
    text = str(error.value)
    assert text.startswith(sentence), text
    assert "\n" not in text
    assert "pydantic" not in text


def test_another_kind_takes_the_old_kinds_options_away():
    base = merge({}, {"split.kind": "random", "split.test": 0.3, "model.layers": [4]})
    changed = parse(merge(merge(base, {"split.kind": "time"}), {"split.quantile": 0.6, "model.name": "svd"}))
    assert changed.split.model_dump() == {"kind": "time", "quantile": 0.6, "seed": 0}
    assert changed.model.name == "svd"


def test_same_kind_keeps_its_options():
    assert parse(merge({"split": {"kind": "random", "test": 0.3}}, {"split.kind": "random"})).split.test == 0.3


@pytest.mark.parametrize("value", ["ml-1m", "true", "1.5", "a,b", [512, 256], [7], None, True, 0.1, "", "two words", [0.5]])
def test_values_are_typed_back_as_they_were_written(value):
    assert parse_value(format_value(value)) == value


@pytest.mark.parametrize(
    ("text", "value"), [("512,256", [512, 256]), ("0.1", 0.1), ("true", True), ("null", None), ("[3]", [3]), ("ml-1m", "ml-1m"), ("7", 7)]
)
def test_values_as_typed(text, value):
    assert parse_value(text) == value


def test_identity_is_another_name_for_linear():
    assert parse({"model": {"last_activation": "identity"}}).model.last_activation == "linear"


def test_defaults_differ_in_nothing():
    assert differences(RunConfig()) == {}


def test_every_field_explains_itself():
    for path, field in fields():
        if path not in ("split.kind", "model.name"):
            assert field.title, path
            assert field.description, path


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid_and_explain_themselves(name):
    preset = presets()[name]
    parse(preset.values)
    assert preset.title
    assert preset.shows.count(". ") >= 1, "two sentences: what it shows, and what to look for"
