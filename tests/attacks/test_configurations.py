"""Configurations that want to break what reads them: in a link, on the command line, in a TOML file, in a row of the database."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from engine import experiment, processes, runs
from engine.commands import main
from engine.config import merge, parse, parse_value, read_toml, to_toml
from engine.datasets import save_upload
from engine.errors import InputError
from engine.store import RunStore
from pages.components import draft, share

HUGE = {
    "epochs without end": {"training.epochs": 10**30},
    "a seed beyond every column": {"split.seed": -(2**80)},
    "a layer as wide as the world": {"model.layers": [10**16]},
    "a layer that is no size": {"model.layers": [10**300]},
    "layers without end": {"model.layers": [8] * 100_000},
    "lists without end": {"evaluation.k": 10**12},
    "more lists without end": {"evaluation.more_k": list(range(1, 100_000))},
    "a number beyond all": {"training.lr": float("inf")},
    "no number": {"training.lr": float("nan")},
    "a name without end": {"dataset.name": "a" * 1_000_000},
    "half a letter": {"group.value": "\ud800"},
    "a list for a name": {"dataset.name": [["toy"]]},
    "a table for a number": {"training.epochs": {"epochs": 3}},
    "a batch of everything": {"training.batch_size": 2**53},
}


@pytest.mark.parametrize("values", HUGE.values(), ids=HUGE)
def test_huge_values_are_one_sentence_or_fit(values: dict[str, object]) -> None:
    try:
        config = parse(merge({}, values))
        experiment.check(config)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 500 and str(error).encode()
    else:
        assert config.training.batch_size == 2**53, "a batch holds all rows then"


ENDLESS = ["[" * 100_000, '{"a":' * 50_000, "[" * 500 + "]" * 500, "9" * 100_000, "1e999999", "-" * 100_000, "," * 100_000]


@pytest.mark.parametrize("text", ENDLESS, ids=lambda text: f"{text[:5]} {len(text)}")
def test_a_deep_or_endless_value_in_a_link_is_a_sentence(text: str) -> None:
    for path in ("model.layers", "training.lr", "dataset.name"):
        config, refused = draft.from_query({path: text})
        assert config == parse({}) and len(refused) == 1 and len(refused[0]) < 2_000
    assert parse_value(text) is not None


def test_of_a_link_of_ten_thousand_fields_the_first_alone_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = mock.Mock(side_effect=parse)
    monkeypatch.setattr(draft, "parse", looks)
    config, refused = draft.from_query({"training.epochs": "7"} | {f"model.x{number}": "1" for number in range(10_000)})
    assert config.training.epochs == 7 and len(refused) == draft.MOST_FIELDS
    assert refused[0].startswith("A link sets at most 200 fields, not 10,001") and looks.call_count == draft.MOST_FIELDS + 1


@pytest.mark.parametrize(
    "text",
    [
        "model = " + "[" * 50_000,
        "a" + ".a" * 5_000 + " = 1",
        "[model]\nlayers = " + "9" * 10_000,
        "[model]\nname = '../../../etc/passwd'",
        "[dataset]\nname = 'upload:../../etc/passwd'",
        "[training]\nlr = 1e999",
        "[training]\nlr = nan",
        "[model.layers]\nx = {y = {z = 1}}",
        "[[model]]\nname = 'svd'",
        "[model]\n__class__ = 'os.system'",
        "x = 1\n" * 200_000,
        "\0",
        '[dataset]\nname = "\\uD800"',
    ],
    ids=[
        "brackets",
        "dots",
        "digits",
        "model path",
        "upload path",
        "infinity",
        "nan",
        "deep",
        "array",
        "dunder",
        "long",
        "nul",
        "surrogate",
    ],
)
def test_a_hostile_toml_file_is_a_sentence(text: str, tmp_path: Path) -> None:
    file = tmp_path / "evil.toml"
    file.write_text(text, encoding="utf-8")
    told = CliRunner().invoke(main, ["submit", "--config", str(file)])
    assert told.exit_code == 2 and told.stderr.startswith("Error: ") and told.stderr.count("\n") == 1
    assert "Traceback" not in told.output and not isinstance(told.exception, RecursionError)


def test_a_toml_file_that_is_none_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"evil\.toml is no configuration: it has 5,000,000 bytes"):
        (tmp_path / "evil.toml").write_bytes(bytes(5_000_000))
        read_toml(tmp_path / "evil.toml")
    with pytest.raises(InputError, match="is not readable as TOML"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        {"model": {"name": "autoencoder", "layers": ["__import__('os').system('id')"]}},
        {"dataset": {"name": "upload:../../../etc"}},
        {"dataset": "toy"},
        {"training": {"epochs": 10**18, "device": "cuda:99; rm -rf /"}},
        {"nonsense": {"a": 1}},
        [],
        "toy",
    ],
)
def test_a_forged_row_of_the_database_fails_its_run_with_a_sentence(row: object, store: RunStore) -> None:
    run = store.create({"training": {"epochs": 1}})
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET config = ? WHERE id = ?", (json.dumps(row), run.id))
    runs.execute(run.id, store)
    failed = store.get(run.id)
    assert failed.state == "failed" and failed.error and "\n" not in failed.error and "Internal error" not in failed.error


@pytest.mark.parametrize("name", ["$(touch /tmp/x)", "`id`", "'; rm -rf / #", "a b\nc", 'x"y', "--help", "a\\", "é ü", "-", "*"])
def test_a_command_that_is_copied_runs_nothing_else(name: str) -> None:
    config = parse({"dataset": {"name": "toy", "user": name}})
    words = shlex.split(share.command(config))
    assert words[:4] == [".venv/bin/python", "-m", "engine", "train"] and set(words[4::2]) == {"--set"}
    fields = dict(word.split("=", 1) for word in words[5::2])
    assert parse(merge({}, {path: parse_value(value) for path, value in fields.items()})) == config


def test_a_name_with_toml_in_it_stays_a_name(tmp_path: Path) -> None:
    config = parse({"dataset": {"user": '"\n[training]\nepochs = 999\n#'}})
    (tmp_path / "c.toml").write_text(to_toml(config), encoding="utf-8")
    assert parse(read_toml(tmp_path / "c.toml")) == config


def test_what_cannot_fit_is_refused_with_the_figures_before_it_is_queued(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "memory_there", lambda: 8 * 10**9)
    wide = {"mult-vae": "model.layers=900000,100", "recvae": "model.hidden=100000", "autoencoder": "model.layers=2000000"}
    for model, needs in wide.items():
        told = CliRunner().invoke(main, ["submit", "--dataset", "synthetic", "--model", model, "--set", needs])
        assert told.exit_code == 2 and " GB, and this machine has 8.0 GB: make model.layers" in told.stderr
    monkeypatch.setattr("engine.disk.free", lambda _: 600_000_000)
    told = CliRunner().invoke(main, ["submit", "--dataset", "synthetic", "--set", "model.layers=2000"])
    assert told.exit_code == 2 and "needs about 172.9 MB on disk, and 100.0 MB can be used there: make room" in told.stderr
    assert store.list() == []


def test_a_full_quota_refuses_runs_and_uploads_with_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "filler").write_bytes(bytes(3_000_000))
    monkeypatch.setenv("ENCORE_QUOTA", "0.003")
    with pytest.raises(InputError, match=r"Encore's folder holds 3\.\d MB of at most 3\.0 MB \(ENCORE_QUOTA\): delete runs, or clean up"):
        experiment.check(parse({}))
    with pytest.raises(InputError, match=r"^This upload needs about \d+ kB, and Encore's folder holds"):
        save_upload("mine.csv", b"user,item,rating\n1,2,3\n2,2,4\n")
    assert not [*(tmp_path / "home" / "datasets" / "uploads").iterdir()]
    monkeypatch.setenv("ENCORE_QUOTA", "much")
    with pytest.raises(InputError, match="ENCORE_QUOTA is 'much': give a number of GB above 0"):
        experiment.check(parse({}))
