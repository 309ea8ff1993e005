"""One run from its stored configuration to its stored results: the place where all layers meet."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import torch

from engine import endings, facts, footprint, processes
from engine.config import TrainingConfig, parse
from engine.devices import cpu_threads, keep_freed_memory, pick_device, ran_out_of_memory, use_threads
from engine.errors import Damaged, InputError
from engine.experiment import fit_baselines, open_split
from engine.files import no_room
from engine.judging import Judge
from engine.mirror import mirrored
from engine.models import build
from engine.models.contract import ClosedForm, Recommender
from engine.pinned import Pinned
from engine.splits import Split
from engine.store import NO_CONFIG, MetricRow, RunStore
from engine.training import BatchPoint, EpochRecord, Trainer

BEAT_EVERY = 0.5
POINT_EVERY = 0.25
CHECKPOINT_EVERY = 3.0
CHECKPOINT_SHARE = 0.05
"""Of a run's time, at most, for writing checkpoints: those of a large network take seconds."""


class Diverged(RuntimeError):
    """The loss is no number any more."""


class Interrupted(Exception):
    """A person wants the run paused or stopped."""

    def __init__(self, state: str) -> None:
        self.state = state


@mirrored
def execute(run_id: str, store: RunStore, tell: Callable[[str], None] | None = None) -> InputError | None:
    """Runs one queued run to a final state (finished, stopped, paused or failed); someone else's claim is left alone.

    Args:
        tell: also receives each line of the run's log.

    Returns:
        The caller's mistake that made the run fail, if it was one.
    """
    if not store.claim(run_id, processes.current()):
        return None
    memory_ended = False
    try:
        _Execution(run_id, store, tell or (lambda _: None)).go()
    except Interrupted as wish:
        store.log(run_id, wish.state)
        store.finish(run_id, wish.state)
    except (InputError, Diverged) as error:
        store.log(run_id, str(error))
        store.finish(run_id, "failed", error=str(error))
        return error if isinstance(error, InputError) else None
    except Exception as error:
        if no_room(error):
            store.finish(run_id, "failed", error=endings.disk_full(store.artifacts))
            return None
        memory_ended = ran_out_of_memory(error)
        if not memory_ended:
            store.log(run_id, traceback.format_exc())
            store.finish(run_id, "failed", error=f"Internal error: {type(error).__name__}: {error}. The log of the run has the details.")
            raise
    if memory_ended:  # here, where the error is gone, and with it what the run had in memory
        store.finish(run_id, "failed", error=endings.out_of_memory(store.get(run_id).facts))
    return None


class _Execution:
    """The state of one run while it is executed."""

    def __init__(self, run_id: str, store: RunStore, tell: Callable[[str], None]) -> None:
        self.run, self.store, self.tell = store.get(run_id), store, tell
        if self.run.config == NO_CONFIG:
            raise Damaged(str(self.run.error))
        self.config = parse(self.run.config)
        self.rows: list[MetricRow] = []
        self.seconds: list[float] = []
        self.last_beat = self.last_point = self.last_write = 0.0
        self.next_checkpoint = time.monotonic() + CHECKPOINT_EVERY
        self.elapsed_before = 0.0
        self.started = math.nan
        self.saved_epoch = 0
        self.stepping = self.run.want == "step"

    def log(self, text: str) -> None:
        self.store.log(self.run.id, text)
        self.tell(text)

    @cached_property
    def device(self) -> torch.device:
        return pick_device(self.config.training.device, self.run.slot)

    def go(self) -> None:
        use_threads(self.threads())
        keep_freed_memory()
        self.beat("reading the data", device=str(self.device))
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        self.split = open_split(self.config, self.log)
        self.judge = Judge(self.split, self.config, {})
        self.pinned = Pinned(self.run.id, self.store, self.split, self.judge.liked)
        self.describe()
        self.require_room()
        self.model = self.untrained()
        self.beat("training")
        self.learn()
        self.beat("testing")
        self.conclude()

    def threads(self) -> int:
        """CPU threads: as many as before, where the run goes on from a checkpoint, because sums depend on their number."""
        if self.store.has(self.run.id, "checkpoint") and (self.run.facts or {}).get("threads"):
            return int((self.run.facts or {})["threads"])
        return cpu_threads()

    def require_room(self) -> None:
        """Raises InputError where there is no memory or disk for the model, begun anew or resumed, before it takes any."""
        data, sketch = self.split.interactions, self.sketch()
        weights = sum(weight.numel() for weight in sketch.parameters()) if isinstance(sketch, torch.nn.Module) else None
        footprint.require(self.config, (data.n_users, data.n_items), self.split.train.nnz, weights)

    def untrained(self) -> Recommender:
        """A fresh model."""
        data = self.split.interactions
        torch.manual_seed(self.config.training.seed)
        return build(self.config.model, data.n_users, data.n_items, data.users)

    def sketch(self) -> Recommender:
        """The model as it will be, without memory for its weights."""
        data = self.split.interactions
        with torch.device("meta"):
            return build(self.config.model, data.n_users, data.n_items, data.users)

    def describe(self) -> None:
        """Stores what is known before the first step, so that it is there even where there is no memory for the model."""
        known = facts.at_start(self.config, self.split, self.judge, self.sketch(), str(self.device))
        self.store.add_facts(self.run.id, known)
        self.log(facts.in_words(known))

    def compare(self) -> None:
        """Fits what the run is compared with, once: after the first step, for people wait for that, and before anything is judged."""
        if self.judge.baselines:
            return
        began = time.monotonic()
        self.beat("fitting the baselines")
        self.judge.baselines = fit_baselines(self.split, self.config)
        self.save_svd()
        offered = self.pinned.offered()
        self.store.add_facts(self.run.id, {"baselines": self.judge.baselines_on_validation(self.model), "watch_users": offered})
        self.pinned.pin(str(self.run.watch_user) if self.pinned.knows(self.run.watch_user) else offered[0], self.judge.baselines["svd"])
        self.beat("training")
        self.started += time.monotonic() - began

    def validate(self) -> dict[str, float]:
        """What is measured after an epoch."""
        self.compare()
        return self.judge.validate(self.model)

    def save_svd(self) -> None:
        svd = self.judge.baselines["svd"]
        self.store.save(self.run.id, "svd", svd.tensors(), {"config": svd.config.model_dump()})

    def learn(self) -> None:
        """Brings the model to its best epoch, by gradient steps or in one fit."""
        self.started = time.monotonic()
        if isinstance(self.model, ClosedForm):
            self.compare()
            self.store.beat(self.run.id, epochs=1)
            self.model.fit(self.split.train)
            validation = self.judge.validate(self.model)
            self.best_epoch = self.epochs = 1
            self.record(EpochRecord(1, 1, math.nan, None, validation, True, time.monotonic() - self.started))
            self.flush()
            self.save_model(self.model.tensors())
            return
        assert isinstance(self.model, torch.nn.Module)
        self.model.to(self.device)
        self.trainer = self.training_of(self.model, self.split, self.config.training, self.validate)
        self.store.add_facts(self.run.id, {"plan": asdict(self.trainer.plan)})
        self.resume()
        for event in self.trainer:
            if isinstance(event, EpochRecord):
                self.record(event)
            else:
                self.point(event)
            self.compare()
            self.obey(ended=isinstance(event, EpochRecord) and not self.trainer.finished)
        self.compare()  # where the checkpoint was of the last epoch's end
        self.best_epoch, self.epochs = self.trainer.progress.best_epoch, self.trainer.progress.epoch
        self.checkpoint()
        self.model.load_state_dict(self.trainer.best_weights)

    def training_of(self, model: Recommender, split: Split, training: TrainingConfig, validate: Callable[[], dict[str, float]]) -> Trainer:
        config, monitor = self.config, self.judge.monitor(model)
        return Trainer(model, split.train, validate, training, config.refeed, config.objective, config.noise, monitor)

    def refit(self) -> None:
        """Fits model and baselines anew to training and validation ratings together, for as long as was best."""
        self.beat("refitting on training and validation ratings")
        self.log(f"refitted: a fresh model learns from training and validation ratings together, {self.best_epoch} epochs, and is tested")
        self.split = self.split.joined()
        for baseline in self.judge.baselines.values():
            baseline.fit(self.split.train)
        self.model = self.untrained()
        if isinstance(self.model, ClosedForm):
            self.model.fit(self.split.train)
        else:
            assert isinstance(self.model, torch.nn.Module)
            self.model.to(self.device)
            training = self.config.training.model_copy(update={"epochs": self.best_epoch, "patience": 0})
            for event in self.training_of(self.model, self.split, training, lambda: {self.judge.monitor(self.model): 0.0}):
                if isinstance(event, EpochRecord) and not math.isfinite(event.loss):
                    self.diverge(event.epoch)
                if time.monotonic() - self.last_beat >= BEAT_EVERY:
                    self.last_beat = time.monotonic()
                    self.beat("refitting on training and validation ratings")
        self.save_model(self.model.tensors(), refitted=True)
        self.save_svd()
        self.judge = Judge(self.split, self.config, self.judge.baselines)

    def resume(self) -> None:
        """Goes on from the checkpoint, where there is one."""
        if self.store.has(self.run.id, "checkpoint"):
            try:
                tensors, meta = self.store.load(self.run.id, "checkpoint")
            except Damaged:
                self.store.set_aside(self.run.id, "checkpoint")
                raise Damaged(f"The checkpoint of {self.run.name} is damaged and was set aside: resume the run to train it anew.") from None
            self.trainer.restore(tensors, meta["progress"])
            self.elapsed_before, self.seconds = meta["elapsed"], meta["seconds"]
            self.log(f"resumed at epoch {self.trainer.progress.epoch}, batch {self.trainer.progress.batch}")

    @property
    def elapsed(self) -> float:
        return self.elapsed_before + time.monotonic() - self.started

    def point(self, point: BatchPoint) -> None:
        """A live point inside an epoch, at most one per POINT_EVERY: reading a loss waits for the device."""
        now = time.monotonic()
        if now - self.last_point < POINT_EVERY:
            return
        self.last_point = now
        if not math.isfinite(loss := float(point.loss)):
            self.diverge(math.ceil(point.epoch))
        again = {} if point.refeed_loss is None else {"batch/refeed_loss": float(point.refeed_loss)}
        self.add(point.step, point.epoch, {"batch/loss": loss, **again})

    def record(self, record: EpochRecord) -> None:
        """An epoch's rows, log line and pinned list; raises Diverged when the loss or the validation metric is no number."""
        values = {"train/seconds": record.seconds}
        values |= {name if "/" in name else f"validation/{name}": value for name, value in record.validation.items()}
        if math.isfinite(record.loss):
            values |= {"train/loss": record.loss} | ({"train/rmse": math.sqrt(record.loss)} if self.judge.rates(self.model) else {})
        if record.refeed_loss is not None:
            values["train/refeed_loss"] = record.refeed_loss
        self.add(record.step, record.epoch, values)
        self.seconds.append(record.seconds)
        monitor = self.judge.monitor(self.model)
        if self.model.trains and not math.isfinite(record.loss + record.validation[monitor]):
            self.diverge(record.epoch)
        self.pinned.add_list(record.epoch, "run", self.model)
        self.log(facts.epoch_in_words(record, monitor))

    def diverge(self, epoch: int) -> NoReturn:
        """Ends a run whose loss is no number any more."""
        self.flush()
        self.store.add_facts(self.run.id, {"diverged_epoch": epoch})
        refeed = self.config.refeed
        raise Diverged(endings.diverged(epoch, self.config.training.lr, refeed.start_epoch if refeed.steps else None))

    def add(self, step: int, epoch: float, values: dict[str, float]) -> None:
        self.rows += [MetricRow(step, name, value, epoch, self.elapsed) for name, value in values.items()]
        if time.monotonic() - self.last_write >= POINT_EVERY:
            self.flush()

    def flush(self) -> None:
        rows, self.rows = self.rows, []
        self.store.add_metrics(self.run.id, rows)
        self.last_write = time.monotonic()

    def beat(self, note: str, device: str | None = None) -> None:
        """A sign of life; raises Interrupted when a person wants a pause or a stop before training has begun."""
        wish = self.store.beat(self.run.id, note=note, device=device)
        if wish.want in ("pause", "stop"):
            raise Interrupted("paused" if wish.want == "pause" else "stopped")

    def obey(self, ended: bool) -> None:
        """Between two batches: a sign of life, the person's wish, and a checkpoint, each when its time has come.

        Args:
            ended: between two epochs, where a run that was asked for one more epoch pauses.
        """
        now = time.monotonic()
        stepped = ended and self.stepping
        if now - self.last_beat >= BEAT_EVERY or stepped:
            self.last_beat = now
            progress = self.trainer.progress
            wish = self.store.beat(self.run.id, epoch=progress.epoch, step=progress.step)
            if wish.watch_user != self.pinned.user and self.pinned.knows(wish.watch_user):
                self.pinned.pin(str(wish.watch_user), self.judge.baselines["svd"])
            if wish.want in ("pause", "stop") or (wish.want == "step" and stepped):
                self.checkpoint()
                raise Interrupted("stopped" if wish.want == "stop" else "paused")
            self.stepping = wish.want == "step"
        if now >= self.next_checkpoint:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Rows first, then the state: what a resumed run repeats, it overwrites."""
        started = time.monotonic()
        self.flush()
        tensors, progress = self.trainer.state()
        self.store.save(self.run.id, "checkpoint", tensors, {"progress": progress, "elapsed": self.elapsed, "seconds": self.seconds})
        if self.trainer.progress.best_epoch > self.saved_epoch:
            self.saved_epoch = self.trainer.progress.best_epoch
            self.save_model(self.trainer.best_weights)
        ended = time.monotonic()
        self.next_checkpoint = ended + max(CHECKPOINT_EVERY, (ended - started) / CHECKPOINT_SHARE)

    def save_model(self, tensors: dict[str, Any], refitted: bool = False) -> None:
        self.store.save(self.run.id, "model", tensors, {"model": self.config.model.model_dump(mode="json"), "refitted": refitted})

    def conclude(self) -> None:
        """Reads the test part, once, with the model of the best epoch (or refitted for as long), and stores the summary."""
        judged = {"validation": self.judge.conclude(self.model, "validation")}
        if self.config.training.refit:
            self.refit()
        judged["test"] = self.judge.conclude(self.model, "test")
        trained = {"epochs": self.epochs, "best_epoch": self.best_epoch, "seconds_per_epoch": float(np.median(self.seconds))}
        summary = trained | facts.at_end(judged, self.judge, self.model, self.device)
        for name, arrays in self.judge.per_user().items():
            self.store.save(self.run.id, name, {**arrays}, {"fingerprint": self.split.fingerprint()})
        self.store.beat(self.run.id, epoch=self.epochs)
        self.store.finish(self.run.id, "finished", summary=summary)
        self.store.discard(self.run.id, "checkpoint")
        self.log("finished")
