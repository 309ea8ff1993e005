"""A run as a folder: every model's script scores as the engine does, everything written is read back equal, and nothing is left half."""

import csv
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as within
from hypothesis import strategies as st
from safetensors.torch import load_file

from engine import datasets, experiment, export, runs
from engine.commands import main
from engine.config import parse
from engine.errors import InputError
from engine.export import folder as folder_module
from engine.export import formulas, frame
from engine.export.restated import RESTATED, Restated
from engine.export.script import script
from engine.models import MODELS, SVDConfig, build
from engine.models.contract import ClosedForm
from engine.models.svd import SVD
from engine.splits import make_split
from engine.spreadsheets import to_csv, unguard
from engine.store import RunStore

OPTIONS = {
    "autoencoder": {"layers": [12, 6], "dropout": 0.2},
    "vae": {"layers": [12, 6]},
    "sparsefc": {"layers": [8, 8]},
    "glocal-k": {"layers": [8, 8], "pretrain_epochs": 1},
    "weighted-bce": {"layers": [12]},
    "mult-dae": {"layers": [12, 6]},
    "mult-vae": {"layers": [12, 8, 6]},
    "recvae": {"hidden": 12, "latent": 6},
    "svd": {"rank": 3},
}
VARIANTS = [(name, OPTIONS.get(name, {})) for name in MODELS] + [
    ("autoencoder", {"layers": [9, 7, 5], "tied": True, "activation": "swish", "default": "mean"}),
    ("autoencoder", {"layers": [9], "activation": "lrelu", "default": "constant", "last_activation": "sigmoid"}),
    ("autoencoder", {"layers": [8], "orientation": "item", "activation": "sigmoid"}),
    ("svd", {"rank": 3, "centring": "none"}),
]
TITLES = ("=SUM(A1)", "'tis", "+1 'and' -1", "''@", '"Quoted", too', "two\r\nlines", "Ünïcode …")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    """A file of 60 users' ratings of 25 films, whose ids and titles try to be formulas."""
    rng = np.random.default_rng(5)
    user, item = np.nonzero(rng.random((60, 25)) < 0.5)
    titles = [f"{TITLES[one % len(TITLES)]} {one}" for one in item]
    values = (rng.integers(1, 6, len(user)) + rng.integers(1, 6, 25)[item]) // 2
    rows = pd.DataFrame({"user": [f"-u{one}" for one in user], "item": [f"=i{one}" for one in item], "rating": values, "title": titles})
    path = tmp_path_factory.mktemp("ratings") / "films.csv"
    rows.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return path


@pytest.fixture(scope="session")
def split(ratings):
    return experiment.open_split(parse({"dataset": {"name": str(ratings)}}))


def learned(store, split, ratings, name, options):
    """A run with a model that has learned something, without its training."""
    config = parse({"dataset": {"name": str(ratings)}, "model": {"name": name, **options}})
    torch.manual_seed(3)
    model = build(config.model, *split.train.shape)
    if isinstance(model, ClosedForm):
        model.fit(split.train)
    else:
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
            model.start_from(split.train)
        model.begin_epoch(99)
    run = store.create(config.model_dump(mode="json"))
    store.save(run.id, "model", model.tensors(), {"refitted": False})
    svd = SVD(SVDConfig(rank=2), *split.train.shape)
    svd.fit(split.train)
    store.save(run.id, "svd", svd.tensors(), {"config": svd.config.model_dump()})
    return run, model


def module(folder):
    spec = importlib.util.spec_from_file_location("score", folder / "score.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def scored(folder, row, user):
    """What the script of a folder scores for a CSR row."""
    loaded = module(folder)
    weights, _, _ = loaded.load(folder)
    return loaded.scores(weights, loaded.OPTIONS, torch.from_numpy(row.indices).long(), torch.from_numpy(row.data), user)


def same(folder, model, visible, rows=(0, 3, 41)):
    found = np.stack([scored(folder, visible[[row]], row) for row in rows])
    np.testing.assert_allclose(found, model.scorer(visible)(np.array(rows)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_the_script_scores_as_the_engine_does(store, split, ratings, tmp_path, name, options):
    run, model = learned(store, split, ratings, name, options)
    export.export(run.id, store, tmp_path / "out", split)
    same(tmp_path / "out", model, split.visible)
    text = (tmp_path / "out" / "score.py").read_text(encoding="utf-8")
    assert not re.search(r"(from|import) engine", text) and "and not Encore." in text


@pytest.mark.parametrize("name", ["autoencoder", "cdae", "bias"])
def test_a_model_whose_formula_nobody_told_is_asked_through_encore(store, split, ratings, tmp_path, monkeypatch, name):
    monkeypatch.delitem(RESTATED, name)
    run, model = learned(store, split, ratings, name, OPTIONS.get(name, {}))
    export.export(run.id, store, tmp_path / "out", split)
    same(tmp_path / "out", model, split.visible)
    assert "Imports Encore" in (tmp_path / "out" / "score.py").read_text(encoding="utf-8")[:600]


def test_known_users_have_their_features_and_strangers_none(store, ratings, tmp_path):
    data = datasets.load(datasets.DatasetConfig(name=str(ratings)))
    ages = np.random.default_rng(0).integers(1, 4, data.n_users).astype(str)
    config = parse({"dataset": {"name": str(ratings)}, "model": {"layers": [6], "user_features": True}})
    split = make_split(replace(data, users=data.users.assign(age=ages)), config.split)
    users = split.interactions.users
    model = build(config.model, *split.train.shape, users)
    run = store.create(config.model_dump(mode="json"))
    store.save(run.id, "model", model.tensors(), {})
    store.save(run.id, "svd", {"item_factors": torch.zeros(1)}, {"config": {"rank": 1}})
    export.export(run.id, store, tmp_path / "out", split)
    same(tmp_path / "out", model, split.visible)
    row = split.visible[[2]]
    np.testing.assert_allclose(scored(tmp_path / "out", row, None), model.score_as(row, None)[0], rtol=1e-5, atol=1e-5)
    assert [one["age"] for one in frame.read_table(tmp_path / "out" / "users.csv")] == users["age"].tolist()


@pytest.fixture(scope="session")
def exported(ratings, tmp_path_factory):
    """A run from its training to its folder: run, store and folder."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'encore.db'}", home / "artifacts")
    training = {"epochs": 2, "batch_size": 32, "lr": 0.01, "refit": True}
    given = {"dataset": {"name": str(ratings)}, "model": {"layers": [6]}, "training": training, "evaluation": {"max_rank": 3}}
    run = store.create(parse(given).model_dump(mode="json"))
    runs.execute(run.id, store)
    run = store.get(run.id)
    assert run.state == "finished", run.error
    export.export(run.name, store, home / "out")
    return run, store, home / "out"


def test_everything_written_is_read_back_equal(exported):
    run, store, folder = exported
    assert parse(tomllib.loads((folder / "config.toml").read_text())) == parse(run.config)
    metrics = store.metrics(run.id)
    written = pd.read_csv(folder / "metrics.csv", dtype="str").astype(metrics.dtypes.to_dict())
    pd.testing.assert_frame_equal(written, metrics, check_exact=True)
    tensors, _ = store.load(run.id, "model")
    weights = load_file(folder / "weights.safetensors")
    assert set(weights) == set(tensors) and all(torch.equal(weights[name], tensors[name]) for name in tensors)
    data = experiment.load_model(run.id, store).split.interactions
    _, titles, users = module(folder).load(folder)
    assert list(titles.items()) == [*zip(data.items.index, data.titles, strict=True)]
    assert users == {user: place for place, user in enumerate(data.users.index)}
    told = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    assert told["summary"] == run.summary and told["split_fingerprint"] == run.facts["split_fingerprint"]
    assert told["versions"]["torch"] == torch.__version__
    assert len((folder / "README.md").read_text(encoding="utf-8").splitlines()) == 5


def test_checksums_are_those_of_the_files(exported):
    *_, folder = exported
    said = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(said) == {file.name for file in folder.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in said.items())


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_all_files_may_be_read_by_whom_the_umask_lets(store, split, ratings, tmp_path, umask, mode):
    run, _ = learned(store, split, ratings, "bias", {})
    before = os.umask(umask)
    try:
        export.export(run.id, store, tmp_path / "out", split)
    finally:
        os.umask(before)
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir() if file.stat().st_mode & 0o777 != mode} == {}


def test_no_cell_is_a_formula(exported):
    *_, folder = exported
    for file in folder.glob("*.csv"):
        with file.open(newline="", encoding="utf-8") as text:
            cells = [cell for row in csv.reader(text) for cell in row]
        texts = [cell for cell in cells if not re.fullmatch(r"-?[\d.e+-]+", cell)]
        assert texts and not [cell for cell in texts if cell.startswith(FORMULA)]


def test_the_script_prints_a_list_where_there_is_no_encore(exported, tmp_path):
    run, store, folder = exported
    one = experiment.load_model(run.id, store)
    row, ids = one.split.visible[[7]], one.split.interactions.items.index
    lines = [f"{ids[item]},{rating}\n" for item, rating in zip(row.indices, row.data, strict=True)]
    (tmp_path / "mine.csv").write_text("item,rating\n" + "".join(lines))
    asked = [sys.executable, "-I", str(folder / "score.py"), "mine.csv", "--top", "4"]
    said = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    scores = one.model.score_as(row, None)[0]
    scores[row.indices] = -np.inf
    best = np.argsort(-scores)[:4]
    listed = re.findall(r"^ +(\d+) +([\d.]+)  (=i\d+)  ", said, re.MULTILINE)
    assert [(int(place), item) for place, _, item in listed] == [(place, ids[item]) for place, item in enumerate(best, 1)]
    np.testing.assert_allclose([float(score) for _, score, _ in listed], scores[best], atol=1e-4)


WRONG = {
    "words.csv": ("item,rating\n=i1,five\n", "words.csv: line 2: '=i1,five' is no item and rating: write item,rating with a comma"),
    "first.csv": ("=i1,five\n", "first.csv: line 1: '=i1,five' is no item and rating"),
    "nan.csv": ("=i1,nan\n", "nan.csv: line 1: '=i1,nan' is no item and rating"),
    "endless.csv": ("=i1,4\n=i2,-inf\n", "endless.csv: line 2: '=i2,-inf' is no item and rating"),
    "semicolons.csv": ("=i1;1\n", "semicolons.csv: line 1: '=i1;1' is no item and rating: write item,rating with a comma"),
    "scale.csv": ("item,rating\n\n=i1,9\n", "scale.csv: line 3: 9 is not on the scale of the ratings, 1 to 5: give one that is."),
    "twice.csv": ("=i1,5\n=i2,4\n=i1,3\n", "twice.csv: line 3: =i1 has a rating in line 1 already: leave one of the two out."),
    "empty.csv": ("", "empty.csv: no ratings in it: write item,rating in each line."),
    "header.csv": ("item,rating\n", "header.csv: no ratings in it"),
    "strange.csv": ("=i1,5\n=i99,4\n", "strange.csv names items that are not in items.csv: =i99. Take them out."),
    "known.csv": ("=i1,5\n", "This model knows only the users it was trained with: name one of users.csv by --user ID."),
}


@pytest.fixture(scope="session")
def of_known_users(ratings, split, tmp_path_factory):
    """The script of a model that has to know the user."""
    home = tmp_path_factory.mktemp("known")
    store = RunStore(f"sqlite:///{home / 'encore.db'}", home / "artifacts")
    run, _ = learned(store, split, ratings, "cdae", {})
    export.export(run.id, store, home / "out", split)
    return module(home / "out")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        *(([name], sentence) for name, (_, sentence) in WRONG.items()),
        (["nowhere.csv"], "nowhere.csv cannot be read ("),
        (["known.csv", "--user=-u99"], "There is no user -u99 in users.csv."),
        (["known.csv", "--top", "-3"], "--top -3 is no length of a list: give 1 or more."),
    ],
)
def test_the_script_says_what_is_wrong(of_known_users, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    for name, (text, _) in WRONG.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "argv", ["score.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        of_known_users.main()
    said = capsys.readouterr()
    assert ended.value.code == 2 and not said.out
    assert said.err.startswith(sentence) and len(said.err.splitlines()) == 1


def test_the_head_of_the_script_holds_any_name():
    text = script(Restated(formulas.mean, {"n_items": 3}), 'Scores by """ + \\ \x00 \'\'\' \\u \n of "', (1, 5))
    compile(text, "score.py", "exec")


# --- the command and the archive ---


def command(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_the_command_writes_a_new_folder_and_leaves_others_alone(exported, tmp_path, monkeypatch):
    run, store, folder = exported
    monkeypatch.setenv("ENCORE_HOME", str(store.artifacts.parent))
    said = command("export", run.name, "-o", tmp_path / "new" / "out", "--json")
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout.splitlines()[-1])
    assert told["folder"] == str(tmp_path / "new" / "out") and told["run_id"] == run.id
    assert {file.name for file in (tmp_path / "new" / "out").iterdir()} == {file.name for file in folder.iterdir()} == set(told["files"])
    again = command("export", run.id, "-o", tmp_path / "new" / "out")
    assert again.exit_code == 2 and f"is not empty: name a new folder for the export of {run.name}." in again.output
    (tmp_path / "file").write_text("mine")
    assert command("export", run.id, "-o", tmp_path / "file").exit_code == 2
    assert command("export", run.id, "-o", tmp_path / "file" / "below").exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"
    assert "There is no run 'none'." in command("export", "none", "-o", tmp_path / "x").output


def test_a_run_that_has_learned_nothing_is_a_sentence(store, split, ratings, tmp_path):
    run = store.create(parse({"dataset": {"name": str(ratings)}}).model_dump(mode="json"))
    with pytest.raises(InputError, match="has no trained model yet: it is queued"):
        export.export(run.id, store, tmp_path / "out", split)
    assert not (tmp_path / "out").exists()


def test_weights_of_other_ratings_are_not_exported(store, split, ratings, tmp_path):
    run, _ = learned(store, split, ratings, "bias", {})
    store.add_facts(run.id, {"split_fingerprint": "0" * 16})
    with pytest.raises(InputError, match="no longer those that it was trained with"):
        export.export(run.id, store, tmp_path / "out")


def test_a_failed_or_killed_export_leaves_nothing_half(exported, tmp_path, monkeypatch):
    run, store, _ = exported
    killed = tmp_path / ".out.0123abcd.tmp"
    killed.mkdir()
    (killed / "items.csv").write_text("half")
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(folder_module, "_sha256", lambda file: 1 / 0)
        export.export(run.id, store, tmp_path / "out")
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "out").mkdir()
    export.export(run.id, store, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [tmp_path / "out"]


def test_the_archive_holds_the_folder(exported):
    run, store, folder = exported
    with zipfile.ZipFile(BytesIO(export.zipped(run.id, store))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"{run.name}/{file.name}": file.read_bytes() for file in folder.iterdir()
        }


# --- text in CSV ---


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.floats(allow_nan=False)), min_size=1))
@within(max_examples=60, deadline=None)
def test_a_table_is_read_back_equal(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text(to_csv(pd.DataFrame(rows, columns=["text", "=number"])), encoding="utf-8", newline="")
    with path.open(newline="", encoding="utf-8") as file:
        head, *read = csv.reader(file)
    assert [unguard(cell) for cell in head] == ["text", "=number"]
    assert [(unguard(text), float(number)) for text, number in read] == rows
    assert [row["text"] for row in frame.read_table(path)] == [text for text, _ in rows]
