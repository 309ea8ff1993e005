"""Leads the sweeps of a store: asks for trials, stops what is behind, and ends a sweep when its time has come.

It keeps nothing that the store does not hold: another one can go on at any moment where this one was killed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import OperationalError

from engine.errors import InputError
from engine.store import ACTIVE, Place, RunStore, Sweep, TakenError
from engine.sweeps.config import SweepConfig
from engine.sweeps.pruning import Watch
from engine.sweeps.sampling import next_setting
from engine.sweeps.trials import OPEN, Trial, config_of, trials_of

PAUSE = 0.5
"""Seconds from one look to the next, where nothing happens."""
SECOND = 1.0
HOPELESS = 5
"""When so many settings have failed before any was of use, a sweep is given up."""

_log = logging.getLogger("encore.sweeps")


def conduct(
    store: RunStore,
    slots: Callable[[], int],
    serving: Callable[[], bool],
    *,
    wake: threading.Event,
    leave: threading.Event,
    told: Callable[[], None],
) -> None:
    """Lead the sweeps until told to leave: every half second, and at once when woken because a run has ended.

    Args:
        slots: how many runs there are at a time.
        serving: whether it is for us to lead them: of the daemons of several machines, one does.
        told: called when runs were inserted.
    """
    conductor = Conductor(store, slots, told)
    while not leave.is_set():
        wake.wait(PAUSE)
        wake.clear()
        try:
            if serving():
                conductor.turn()
        except OperationalError as error:
            _log.warning("the database does not answer: %s", error.orig)
        except Exception:  # runs and their queue go on without us, so this must not be the end of all sweeps
            _log.exception("a look at the sweeps failed")


class Conductor:
    """Leads every sweep of a store that runs.

    Args:
        slots: runs at a time, for sweeps that do not say it.
        told: called when runs were inserted.
    """

    def __init__(self, store: RunStore, slots: Callable[[], int], told: Callable[[], None] = lambda: None) -> None:
        self.store, self.slots, self.told = store, slots, told
        self.watches: dict[str, Watch] = {}
        self.looked: dict[str, float] = {}

    def turn(self) -> bool:
        """One look at each sweep that runs; whether there is any."""
        sweeps = self.store.sweeps(("running",))
        there = {sweep.id for sweep in sweeps}
        self.watches = {sweep_id: watch for sweep_id, watch in self.watches.items() if sweep_id in there}
        self.looked = {sweep_id: moment for sweep_id, moment in self.looked.items() if sweep_id in there}
        for sweep in reversed(sweeps):
            try:
                self._lead(sweep)
            except TakenError:  # a person has just stopped it, or its owner may have no more runs at present
                continue
            except InputError as error:
                self.store.end_sweep(sweep.id, "failed", str(error))
            except OperationalError:
                raise
            except Exception as error:
                _log.exception("sweep %s", sweep.name)
                self.store.end_sweep(
                    sweep.id, "failed", f"Internal error: {type(error).__name__}: {error}. The daemon's log has the details."
                )
        return bool(sweeps)

    def _lead(self, sweep: Sweep) -> None:
        config = config_of(sweep)
        sweep = self._timed(sweep)
        trials = trials_of(sweep, config, self.store)
        if sweep.metric is None:
            sweep = self._with_metric(sweep, config, trials)
            trials = trials_of(sweep, config, self.store)
        if sweep.metric is not None and config.pruner != "none":
            self._prune(sweep, config, trials)
        more = self._fill(sweep, config, trials)
        if (error := _hopeless(trials, more)) is not None:
            self.store.end_sweep(sweep.id, "failed", error)
        elif not more and all(trial.state not in OPEN for trial in trials):
            _log.info("sweep %s has finished after %d settings", sweep.name, len(trials))
            self.store.end_sweep(sweep.id, "finished")

    def _timed(self, sweep: Sweep) -> Sweep:
        """Adds the time since the last look, by a clock that does not jump."""
        now = time.monotonic()
        passed = now - self.looked.setdefault(sweep.id, now)
        if passed < SECOND:
            return sweep
        self.looked[sweep.id] = now
        self.store.change_sweep(sweep.id, seconds=sweep.seconds + passed)
        return self.store.get_sweep(sweep.id)

    def _with_metric(self, sweep: Sweep, config: SweepConfig, trials: Sequence[Trial]) -> Sweep:
        """The sweep with its metric, where the configuration or a run that has begun tells it."""
        told = (run.monitor for trial in trials for run in trial.runs if run.monitor)
        metric = config.metric_name or next(told, None)
        if metric is None:
            return sweep
        self.store.change_sweep(sweep.id, metric=metric)
        return self.store.get_sweep(sweep.id)

    def _prune(self, sweep: Sweep, config: SweepConfig, trials: Sequence[Trial]) -> None:
        watch = self.watches.get(sweep.id)
        if watch is None or watch.outdated(trials):
            watch = self.watches[sweep.id] = Watch(config, str(sweep.metric))
        for run_id, (epoch, value) in watch.look(trials, self.store).items():
            self.store.prune(run_id, epoch, value)

    def _fill(self, sweep: Sweep, config: SweepConfig, trials: list[Trial]) -> bool:
        """Inserts runs while there is room, into `trials` too; whether more are to come later."""
        # One more than there are slots, so that no slot waits for us.
        room = min(config.at_a_time or self.slots() + 1, sweep.most or sys.maxsize)
        room -= sum(run.state in ACTIVE for trial in trials for run in trial.runs)
        for trial in trials:
            for repeat in _lacking(trial, config):
                if room <= 0:
                    return True
                self._insert(sweep, config, trial, repeat)
                room -= 1
        held_back = any(trial.state in OPEN and len(trial.runs) < config.repeats for trial in trials)
        while self._goes_on(sweep, config, len(trials)):
            if room <= 0:
                return True
            settings = next_setting(config, trials, sweep.metric or "rmse")
            if settings is None:
                break
            trials.append(Trial(len(trials), settings, "waiting", ()))
            for repeat in range(config.repeats if config.pruner == "none" else 1):
                if room <= 0:
                    return True
                self._insert(sweep, config, trials[-1], repeat)
                room -= 1
        return held_back

    def _goes_on(self, sweep: Sweep, config: SweepConfig, asked: int) -> bool:
        budget = config.budget
        return (budget is None or asked < budget) and (config.minutes is None or sweep.seconds < 60 * config.minutes)

    def _insert(self, sweep: Sweep, config: SweepConfig, trial: Trial, repeat: int) -> None:
        made = config.run_config(trial.settings, repeat).model_dump(mode="json")
        try:
            self.store.create(made, place=Place(sweep.id, trial.number, repeat), owner=sweep.owner, limit=sweep.most)
        except InputError as error:
            raise TakenError(str(error)) from error
        self.told()


def _lacking(trial: Trial, config: SweepConfig) -> list[int]:
    """Repetitions of a trial that are due and have no run: under a pruner the others only after the first has finished."""
    if trial.state not in OPEN or (config.pruner != "none" and trial.runs[0].state != "finished"):
        return []
    there = {run.repeat for run in trial.runs}
    return [repeat for repeat in range(config.repeats) if repeat not in there]


def _hopeless(trials: Sequence[Trial], more: bool) -> str | None:
    """Why a sweep is to be given up: its first settings have all failed, or all that there will ever be."""
    ended = [trial for trial in trials if trial.state not in OPEN]
    failed = [trial for trial in ended if trial.state == "failed"]
    if not failed or len(failed) < len(ended):
        return None
    if len(failed) < HOPELESS and (more or len(ended) < len(trials)):
        return None
    count = (
        "The only setting"
        if len(trials) == 1
        else f"The first {len(failed)} settings"
        if len(ended) < len(trials) or more
        else "All settings"
    )
    said = (failed[-1].error or "It crashed.").rstrip(".")
    return f"{count} failed, the last one with: {said}. Change the base or what varies, and start another sweep."
