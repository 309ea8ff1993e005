"""A finished run as a model of MLflow's: its export, and a file of code that scores by it. Nothing of it is pickled."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config import parse
from engine.experiment import open_split
from engine.export import about, export
from engine.models import MODELS
from engine.splits import Split
from engine.store import Run, RunStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities import Run as Mirrored
    from mlflow.models import ModelSignature

SERVED = Path(__file__).with_name("served.py")
NAME = "model"
DOES = (
    "Takes rows of user, item, rating. A row without a rating asks for a prediction: where there are such rows, the answer is one row "
    "(user, item, score) for each of them, in their order, by the ratings in the other rows. Where there are none, the answer is each "
    "user's list of the best items that are not among his ratings (user, place, item, title, score), as long as the parameter top says."
)


def log_model(run: Run, store: RunStore, mirrored: Mirrored, client: MlflowClient) -> Generator[None, None, str]:
    """Logs the run's model under its MLflow run, a request before each yield but the upload, which takes one per file.

    Returns:
        The address by which `mlflow.pyfunc.load_model` finds it.

    Raises:
        InputError: the run cannot be exported any more.
        MlflowException: the server does not take it.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    # Not by `mlflow.pyfunc.log_model`, which asks for the history of every metric and needs an experiment that is everybody's.
    experiment, mlflow_id = mirrored.info.experiment_id, mirrored.info.run_id
    found = client.search_logged_models([experiment], f"source_run_id = '{mlflow_id}'", max_results=1)
    yield
    if found:
        logged = found[0]
    else:
        logged = client.create_logged_model(experiment, NAME, mlflow_id, tags={"encore.run": run.id}, params=mirrored.data.params)
        yield
    with tempfile.TemporaryDirectory() as place:
        client.log_model_artifacts(logged.model_id, str(_saved(Path(place), run, store, mlflow_id, logged)))
    yield
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    yield
    client.log_outputs(mlflow_id, [LoggedModelOutput(logged.model_id, step=run.epoch)])
    yield
    return f"models:/{logged.model_id}"


def _saved(place: Path, run: Run, store: RunStore, mlflow_id: str, logged: LoggedModel) -> Path:
    """The folder of the model in MLflow's format, below `place`."""
    from mlflow import pyfunc
    from mlflow.models import Model

    config = parse(run.config)
    parts = config.model_dump(mode="json", include={"dataset", "preprocessing", "split", "group"})
    export(run.id, store, place / "run", _split(json.dumps(parts), (run.facts or {}).get("split_fingerprint")))
    scores = "predicted ratings" if MODELS[config.model.name].rates else "scores that rank, and are no ratings"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses an example of the input: the signature says more
        pyfunc.save_model(
            str(place / "model"),
            mlflow_model=Model(logged.artifact_location, run_id=mlflow_id, model_uuid=logged.model_id, model_id=logged.model_id),
            python_model=str(SERVED),
            artifacts={"run": str(place / "run")},
            signature=_signature(),
            pip_requirements=_requirements(),
            metadata={"encore.run": run.id, "about": about(run, config), "does": DOES, "scores": scores},
        )
    return place / "model"


@lru_cache(maxsize=1)
def _split(parts: str, fingerprint: str | None) -> Split:
    """Of the last run, for the runs of a sweep share one."""
    return open_split(parse(json.loads(parts)))


def _signature() -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    given = Schema([ColSpec("string", "user"), ColSpec("string", "item"), ColSpec("double", "rating")])
    of_lists = ColSpec("long", "place", required=False), ColSpec("string", "title", required=False)
    answered = Schema([ColSpec("string", "user"), ColSpec("string", "item"), ColSpec("double", "score"), *of_lists])
    return ModelSignature(given, answered, ParamSchema([ParamSpec("top", "long", 10)]))


def _requirements() -> list[str]:
    """What the exported script and the code beside it import, in the versions that wrote them."""
    from importlib.metadata import version

    return [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "numpy", "safetensors", "pandas")]
