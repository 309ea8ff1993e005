"""What a run will need, told before it begins, is near what it takes."""

from pathlib import Path

import pytest
import torch

from engine import experiment, footprint, processes, runs
from engine.config import RunConfig, merge, parse
from engine.errors import InputError
from engine.models import MODELS, build
from engine.models.contract import ClosedForm
from engine.optimizers import LBFGS_MEMORY
from engine.store import RunStore

SMALL = {"preprocessing": {"sample_users": 150, "sample_items": 120}, "training": {"epochs": 1}, "evaluation": {"max_rank": 4}}
FITTED = {"ease": {}, "itemknn": {"model.neighbours": 20}, "svd": {"model.rank": 30}, "mf": {"model.rank": 30}}


def configured(model: str, **changes: object) -> RunConfig:
    return parse(merge(SMALL, {"model.name": model, **changes}))


def expected(config: RunConfig, weights: int | None = None) -> footprint.Footprint:
    data = experiment.open_split(config).interactions
    return footprint.footprint(config, (data.n_users, data.n_items), data.n_ratings, weights)


def executed(config: RunConfig, store: RunStore) -> str:
    """The id of a run that has ended."""
    run = store.create(config.model_dump(mode="json"))
    runs.execute(run.id, store)
    return run.id


@pytest.mark.parametrize("model", FITTED)
def test_the_disk_of_a_fitted_model_is_estimated(model: str, store: RunStore) -> None:
    config = configured(model, **FITTED[model])
    saved = store.artifacts / executed(config, store) / "model.safetensors"
    assert 0.5 < expected(config).disk / saved.stat().st_size < 2


def test_the_disk_of_a_trained_model_is_estimated(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint and the next one while it is written, and the model."""
    monkeypatch.setattr(RunStore, "discard", lambda *_: None)
    config = configured("autoencoder")
    folder = store.artifacts / executed(config, store)
    checkpoint, model = ((folder / f"{name}.safetensors").stat().st_size for name in ("checkpoint", "model"))
    assert 0.5 < expected(config).disk / (2 * checkpoint + model) < 2


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_counted_without_making_them(name: str) -> None:
    model = build(configured(name).model, 150, 120)
    if isinstance(model, ClosedForm):
        return
    assert isinstance(model, torch.nn.Module)
    made = sum(weight.numel() for weight in model.parameters())
    assert 0.5 < footprint.weight_count(configured(name).model, (150, 120)) / made < 2


def test_the_memory_of_lbfgs_and_of_quadratic_models_counts() -> None:
    optimizers = ("adam", "lbfgs")
    adam, lbfgs = (expected(configured("autoencoder", **{"training.optimizer": name, "training.batch_size": 150})) for name in optimizers)
    weights = footprint.weight_count(configured("autoencoder").model, (150, 120))
    assert footprint.BYTES_OF_LBFGS == 2 * 4 * LBFGS_MEMORY
    assert lbfgs.memory - adam.memory == pytest.approx(footprint.BYTES_OF_LBFGS * weights, rel=0.1) and lbfgs.disk == adam.disk
    shape = (1_000, 50_000)
    for model, least in (("ease", 28 * 50_000**2), ("itemknn", 50_000 * 60 * 24)):
        assert footprint.footprint(configured(model), shape, 0).memory > least


@pytest.mark.parametrize("model", ["autoencoder", "ease", "itemknn", "popularity"])
def test_every_run_looks_at_the_disk_before_it_learns(model: str, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.disk.free", lambda _: 500_000_100)
    run = store.get(executed(configured(model), store))
    assert run.state == "failed" and "on disk, and 0 kB can be used there: make room" in str(run.error)


def test_a_resumed_run_looks_at_the_disk_again(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(configured("autoencoder").model_dump(mode="json"))
    monkeypatch.setattr(runs, "BEAT_EVERY", 0.0)
    monkeypatch.setattr(runs._Execution, "obey", _pausing)
    runs.execute(run.id, store)
    assert store.get(run.id).state == "paused" and store.has(run.id, "checkpoint")
    monkeypatch.setattr("engine.disk.free", lambda _: 0)
    store.ask(run.id, "run")
    runs.execute(run.id, store)
    assert "can be used there: make room" in str(store.get(run.id).error) and store.has(run.id, "checkpoint")


def _pausing(execution: runs._Execution, ended: bool) -> None:
    execution.store.ask(execution.run.id, "pause")
    execution.checkpoint()
    raise runs.Interrupted("paused")


def test_a_file_by_its_path_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.csv").write_text("user,item,rating\n1,2,3\n")
    config = parse({"dataset": {"name": str(tmp_path / "mine.csv")}})
    experiment.check(config)
    monkeypatch.setattr("engine.disk.free", lambda _: 500_100_000)
    with pytest.raises(InputError, match=r"^A run needs about \d\.\d MB on disk, and 100 kB can be used there"):
        experiment.check(config)


def test_what_no_memory_holds_is_refused_with_a_remedy_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "memory_there", lambda: 10**9)
    with pytest.raises(InputError, match=r"and this machine has 1\.0 GB: keep fewer items\.$"):
        footprint.require(configured("ease"), (1_000, 50_000), 10_000)
