"""What MLflow is told of one run, request by request, until it has ended.

Everything that was told before is asked of MLflow itself, by the tag with the run's id: so a conversation that is begun anew, after
a failure, a crash or a resumed run, goes on with the same MLflow run where it stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import differences, format_value, parse, to_toml
from engine.datasets import is_path
from engine.errors import InputError
from engine.export.folder import figures
from engine.spreadsheets import to_csv
from engine.store import ACTIVE, Run, RunStore
from engine.store.database import to_json

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.entities import Run as Mirrored

RUN, STATE, MODEL = "encore.run", "encore.state", "encore.model"
"""Tags: the run's id, its state in Encore's words, and the logged model (or "none")."""
NOTE = "mlflow.note.content"
"""MLflow's own tag of what people write on a run."""
STATUS = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "paused": "KILLED",
    "stopped": "KILLED",
    "finished": "FINISHED",
    "failed": "FAILED",
    "crashed": "FAILED",
}
"""MLflow's word for each state; a run that is resumed is RUNNING again."""
BATCH, PARAMS, VALUE = 900, 90, 500
"""Below MLflow's limits of metrics and parameters in a request, and of letters in a parameter of an older server."""
EVERY_EPOCH = "train/seconds"
"""A row that every epoch has."""


def converse(run_id: str, store: RunStore, client: MlflowClient) -> Iterator[None]:
    """A conversation that makes one request before each yield, or none where nothing is new; it ends when the run has."""
    from mlflow.entities import RunTag

    if (run := store.find(run_id)) is None:
        return
    mirrored = yield from _find(run, client)
    status, known = mirrored.info.status, dict(mirrored.data.tags)
    began, mlflow_id = mirrored.info.start_time, mirrored.info.run_id
    epoch = 0
    if _key(EVERY_EPOCH) in mirrored.data.metrics:
        epoch = max(point.step for point in client.get_metric_history(mlflow_id, _key(EVERY_EPOCH)))
        yield
    step, left = -1, False
    while (run := store.find(run_id)) is not None:
        rows = store.metrics(run_id, after_step=step)
        rows = rows[~rows["name"].str.startswith("batch/")]
        for batch in _batches(rows[rows["epoch"] > epoch], began):
            client.log_batch(mlflow_id, metrics=batch)
            epoch = max(point.step for point in batch)
            yield
        # Of the last step there may be more to come: points within an epoch are at the same steps.
        step = max(step, int(rows["step"].max()) - 1) if len(rows) else step
        if (status, known.get(STATE)) != (STATUS[run.state], run.state):
            status = STATUS[run.state]
            _tell_status(run, mlflow_id, client)
            yield
        if new := _new_tags(run, known):
            client.log_batch(mlflow_id, tags=[RunTag(name, text) for name, text in new.items()])
            known |= new
            yield
        ended = run.state not in ACTIVE
        if ended and left:
            return
        if ended:  # and then another look, for to log a model takes long, and people write on runs and resume them
            yield from _leave(run, store, mirrored, client)
        left = ended
        yield


def _find(run: Run, client: MlflowClient) -> Generator[None, None, Mirrored]:
    """The run as MLflow has it: found, or made with what is known of it from the start."""
    from mlflow.entities import Param

    config = parse(run.config)
    name = Path(config.dataset.name).stem if is_path(config.dataset.name) else config.dataset.name
    experiment = client.get_experiment_by_name(name)
    yield
    experiment_id = client.create_experiment(name) if experiment is None else experiment.experiment_id
    yield
    found = client.search_runs([experiment_id], f"tags.`{RUN}` = '{run.id}'", max_results=1)
    yield
    if found and found[0].data.params:
        return found[0]
    if found:
        mirrored = found[0]
    else:
        mirrored = client.create_run(experiment_id, int(1000 * (run.started or run.created)), {RUN: run.id}, run.name)
        yield
    client.log_text(mirrored.info.run_id, to_toml(config), "config.toml")
    yield
    kinds = {"dataset.name": config.dataset.name, "split.kind": config.split.kind, "model.name": config.model.name}
    changed = {**kinds, **differences(config)}
    params = [Param(name, format_value(value)[:VALUE]) for name, value in changed.items()]
    for start in range(0, len(params), PARAMS):
        client.log_batch(mirrored.info.run_id, params=params[start : start + PARAMS])
        yield
    return mirrored


def _batches(rows: pd.DataFrame, began: int) -> Iterator[list[Metric]]:
    """Metrics of whole epochs, as many of them as one request may hold. The times are those of training, so that what is told twice
    is the same."""
    batch: list[Metric] = []
    for _, values in rows.groupby("epoch"):
        named = zip(values["name"], values["value"], strict=True)
        points = _metrics(dict(named), round(float(values["epoch"].iloc[0])), began + int(1000 * values["seconds"].iloc[0]))
        if len(batch) + len(points) > BATCH:
            yield batch
            batch = []
        batch += points
    if batch:
        yield batch


def _metrics(values: dict[str, Any], step: int, moment: int) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(_key(name), float(value), moment, step) for name, value in values.items() if isinstance(value, int | float)]


def _key(name: str) -> str:
    """The name of a metric in letters that MLflow takes: "validation/ndcg@10" becomes "validation/ndcg_at_10"."""
    return re.sub(r"[^/\w.\- ]", "_", name.replace("@", "_at_"))


def _tell_status(run: Run, mlflow_id: str, client: MlflowClient) -> None:
    if run.state in ACTIVE:
        client.update_run(mlflow_id, status=STATUS[run.state])
    else:
        client.set_terminated(mlflow_id, STATUS[run.state], int(1000 * (run.finished or run.created)))


def _new_tags(run: Run, known: Mapping[str, str]) -> dict[str, str]:
    """The run's tags that MLflow does not have as they are. Those of ours are emptied too; a note may be somebody's who wrote it there."""
    tags = {STATE: run.state, "encore.tags": ", ".join(run.tags), NOTE: run.remark, "encore.error": run.error or ""}
    short = {name: text[:4000] for name, text in tags.items()}
    return {name: text for name, text in short.items() if text != known.get(name, "") and (text or name != NOTE)}


def _leave(run: Run, store: RunStore, mirrored: Mirrored, client: MlflowClient) -> Iterator[None]:
    """What stays of a run that has ended: its figures, every point of its curves, and, if it has finished, its model."""
    mlflow_id = mirrored.info.run_id
    if run.state == "finished" and MODEL in mirrored.data.tags:
        return
    if tested := _tested(run):
        client.log_batch(mlflow_id, metrics=_metrics(tested, run.epoch, int(1000 * (run.finished or run.created))))
        yield
    client.log_text(mlflow_id, json.dumps(json.loads(to_json(figures(run))), indent=2, ensure_ascii=False), "figures.json")
    yield
    client.log_text(mlflow_id, to_csv(store.metrics(run.id)), "metrics.csv")
    yield
    if run.state == "finished":
        from engine.mirror.model import log_model

        try:
            name = yield from log_model(run, store, mirrored, client)
        except InputError as error:
            store.log(run.id, f"MLflow gets no model of this run: {error}")
            name = "none"
        client.set_tag(mlflow_id, MODEL, name)
        yield


def _tested(run: Run) -> dict[str, Any]:
    """Figures of the test part: the model's, and the baselines' beside it."""
    summary = run.summary or {}
    named = {"test": summary.get("metrics", {}).get("test", {})}
    named |= {f"{name}/test": values for name, values in summary.get("baselines", {}).items()}
    found = {f"{whose}/{name}": value for whose, values in named.items() for name, value in values.items()}
    return {**found, "best_epoch": summary["best_epoch"]} if found else {}
