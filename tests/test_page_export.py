"""The run's page gives the run as a zip archive, made when somebody asks for it."""

import zipfile
from io import BytesIO

import pytest

from engine import runs
from engine.config import parse
from pages.components import run_export
from tests.visits import visited

TINY = {"dataset": {"name": "toy"}, "model": {"name": "bias"}, "split": {"kind": "random"}, "evaluation": {"max_rank": 3}}


pytestmark = pytest.mark.usefixtures("no_daemon")


def button(page):
    return next(one for one in page.get("download_button") if one.label == "Download as zip")


def test_a_trained_run_is_exported_when_asked(store, monkeypatch):
    run = store.create(parse(TINY).model_dump(mode="json"))
    runs.execute(run.id, store)
    with monkeypatch.context() as untouched:
        untouched.setattr(run_export, "archive", lambda *_: pytest.fail("nobody has asked yet"))
        page = visited("pages/runs.py", run=run.id)
    assert not button(page).proto.disabled and button(page).proto.deferred_file_id
    assert f"python -m engine export {run.name} -o {run.name}" in "".join(code.value for code in page.code)
    with zipfile.ZipFile(BytesIO(run_export.archive(store.get(run.id), store))) as archive:
        assert {f"{run.name}/score.py", f"{run.name}/weights.safetensors"} <= set(archive.namelist())


def test_without_a_model_nothing_is_offered_and_a_mistake_comes_as_a_sentence(store):
    run = store.create(parse(TINY).model_dump(mode="json"))
    assert button(visited("pages/runs.py", run=run.id)).proto.disabled
    with zipfile.ZipFile(BytesIO(run_export.archive(run, store))) as archive:
        assert archive.namelist() == ["NOT-EXPORTED.txt"]
        assert b"has no trained model yet: it is queued." in archive.read("NOT-EXPORTED.txt")
