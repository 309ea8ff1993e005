"""Runs on a real Dask cluster with a real PostgreSQL: workers, schedulers and daemons die, and every run ends as if nothing had been.

`make test` trains stand-ins; with ENCORE_SOAK=1 the same is done with real runs, whose figures must equal those of local twins.
"""

from __future__ import annotations

import itertools
import os
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine import background, cluster, processes
from engine.babysitter import Job
from engine.background import slots
from engine.cluster import task, worker
from engine.cluster.room import room
from engine.config import merge, parse
from engine.errors import InputError
from engine.settings import Settings, settings
from engine.store import RunStore
from tests.background_lab import check_finished, until
from tests.cluster_lab import OWN_NAMES, Dask
from tests.engine_processes import end_engine
from tests.soak import SOAK

EPOCHS = 16
POSTGRES = "postgresql+psycopg://encore@db/encore"
REAL = {
    "preprocessing": {"sample_users": 600, "sample_items": 500},
    "model": {"layers": [32], "dropout": 0.2},
    "training": {"epochs": 120, "batch_size": 32, "lr": 0.002},
    "evaluation": {"max_rank": 6},
}


@pytest.fixture
def dask(lab, server, monkeypatch):
    """A lab whose runs are trained on a cluster, of which nothing has been started yet."""
    dask = Dask(lab.home)
    monkeypatch.setenv("ENCORE_STORE", server.fresh())
    monkeypatch.setenv("ENCORE_EXECUTOR", dask.address)
    lab.reopen()
    lab.slots = None
    yield dask
    dask.clear()


def turns(lab, run_id):
    """How many processes trained a stand-in, one after the other; fails where two did so at once."""
    pids = [pid for pid, _ in lab.trace(run_id)]
    found = 1 + sum(left != right for left, right in itertools.pairwise(pids))
    assert found == len(set(pids)), "two processes trained one run at once"
    return found


def busy(lab, count):
    """So many runs, as soon as that many have come as far as their second epoch."""
    return until(lambda: len(found := lab.store.list(states=["running"])) == count and all(run.epoch > 1 for run in found) and found, 60)


def disturbed(lab, dask, command, submit):
    """Have runs trained on two workers, while one of them is killed and the scheduler begins anew; what `submit` returned."""
    background.ensure_daemon(command=command)
    until(lambda: "does not answer" in background.trouble(), 60)
    dask.scheduler()
    until(lambda: "has no worker" in background.trouble(), 60)
    assert background.daemon_state() == "starting"
    dask.worker("one")
    dask.worker("two", "--nthreads", "1", "--resources", "run=1", host="elsewhere", folder=lab.home)  # with a nanny
    until(lambda: "cpu/1, cpu/2" in (lab.home / "daemon.log").read_text(), 60)
    until(lambda: (background.daemon_state(), background.trouble()) == ("ready", ""), 10)  # told at the daemon's next look
    ids = submit()
    first = busy(lab, 2)
    assert {run.host for run in first} == {platform.node(), "elsewhere" if OWN_NAMES else platform.node()}
    dask.kill("one")
    until(lambda: lab.store.counts()["finished"] >= 2, 60)
    dask.kill("scheduler")
    dask.left_alone()
    dask.scheduler()
    dask.worker("three")
    dask.worker("four")
    return ids


@pytest.mark.soak
def test_runs_on_a_disturbed_cluster_end_with_the_figures_of_local_ones(lab, dask, tmp_path, monkeypatch):
    """Real runs in full, stand-ins in the sample."""
    if not SOAK:
        lengths = [100, 100, *[EPOCHS] * 6]  # the first two are still running when a worker is killed, however slow the machine
        ids = disturbed(lab, dask, lab.command(), lambda: [lab.submit(epochs, seconds=0.1) for epochs in lengths])
        for run_id, epochs in zip(ids, lengths, strict=True):
            check_finished(lab, run_id, epochs, 60)
        assert sum(turns(lab, run_id) for run_id in ids) > 8
        return
    from engine import runs

    monkeypatch.setenv("ENCORE_THREADS", "1")
    configs = [parse(merge(REAL, {"training.seed": seed})).model_dump(mode="json") for seed in range(8)]
    ids = disturbed(lab, dask, None, lambda: [lab.store.create(config).id for config in configs])
    for run_id in ids:
        assert lab.ended(run_id, 120).state == "finished"
    local = RunStore(f"sqlite:///{tmp_path / 'twins.db'}", tmp_path / "twins")
    for run_id, config in zip(ids, configs, strict=True):
        twin = local.create(config, queue="foreground")
        runs.execute(twin.id, local)
        mine, its = lab.store.get(run_id), local.get(twin.id)
        for name in ("epochs", "best_epoch", "metrics", "baselines", "difference"):
            assert mine.summary[name] == its.summary[name]
        curves = [store.metrics(run.id) for store, run in ((lab.store, mine), (local, its))]
        curves = [frame[~frame["name"].str.startswith("batch/") & (frame["name"] != "train/seconds")] for frame in curves]
        assert curves[0].drop(columns="seconds").reset_index(drop=True).equals(curves[1].drop(columns="seconds").reset_index(drop=True))
    local.close()


def test_daemons_die_and_workers_are_told_to_end(lab, dask):
    dask.scheduler()
    dask.worker("one", host="elsewhere")
    daemon = lab.start(60)
    ids = [lab.submit(150, seconds=0.05), lab.submit(2)]
    (run,) = busy(lab, 1)

    os.kill(daemon, signal.SIGKILL)
    until(lambda: not background.daemon_alive())
    lab.start(60)
    reached = lab.at(ids[0], lab.store.get(ids[0]).epoch + 3, 60)
    assert (reached.process, reached.attempts, lab.store.get(ids[1]).state) == (run.process, 1, "queued")

    dask.kill("one", signal.SIGTERM)
    until(lambda: lab.store.get(ids[0]).state == "queued", 60)
    dask.worker("two", "--nthreads", "2", "--resources", "run=2 GPU=1")
    ids += [lab.store.create({"training": {"epochs": 2, "device": device}}).id for device in ("cuda", "cpu")]
    for run_id, epochs in zip(ids, (150, 2, 2, 2), strict=True):
        check_finished(lab, run_id, epochs, 60)
    assert turns(lab, ids[0]) == 2
    assert [lab.store.get(run_id).slot for run_id in ids[2:]] == ["cuda:0/1", "cpu/1"]

    (lab.store.artifacts / ".cluster").write_text("of another machine")
    lost = lab.ended(lab.submit(2), 60)
    assert (lost.state, lost.attempts) == ("crashed", 0)
    assert lost.error.startswith(f"The worker on {platform.node()} does not see the daemon's folder {lab.store.artifacts}: mount it")


def test_of_two_machines_daemons_one_serves_and_the_other_stands_by(lab, server, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("ENCORE_STORE", server.fresh())
    lab.reopen()
    first, other = lab.start(60), tmp_path_factory.mktemp("other")
    monkeypatch.setenv("ENCORE_HOME", str(other))
    try:
        second = lab.start(60)
        assert second != first
        assert background.daemon_state() == "ready"
        served = [served_by(lab)]
        os.kill(first, signal.SIGKILL)
        served.append(served_by(lab))
        assert served == [first, second]
    finally:
        end_engine(other)


def served_by(lab):
    """The daemon that has a run trained."""
    run_id = lab.submit(400, seconds=0.05)
    run = lab.at(run_id, 1, 60)
    found = psutil.Process(run.pid).parent().ppid()
    lab.store.ask(run_id, "stop")
    assert lab.ended(run_id, 60).state == "stopped"
    return found


# --- without processes ---


@pytest.mark.parametrize("executor", ["tcp://node1:8786", "tls://node1.cluster:1", "tcp://[::1]:8786"])
def test_an_address_of_a_scheduler_is_one(executor):
    assert cluster.check(Settings(Path("home"), None, POSTGRES, executor))
    assert not cluster.check(Settings(Path("home"), None, POSTGRES))


@pytest.mark.parametrize(
    "executor", ["dask", "node1:8786", "tcp://node1", "tcp://:8786", "tcp://node1:0", "http://node1:8786", "tcp://a:99999"]
)
def test_an_address_that_is_none_is_told(executor, monkeypatch):
    monkeypatch.setenv("ENCORE_EXECUTOR", executor)
    monkeypatch.setenv("ENCORE_STORE", POSTGRES)
    for ask in (background.ensure_daemon, lambda: background.serve(settings())):
        with pytest.raises(InputError, match=r"ENCORE_EXECUTOR is .* write local, or the address of a Dask scheduler") as told:
            ask()
        assert executor in str(told.value)


def test_a_cluster_needs_a_store_that_all_its_machines_reach(monkeypatch):
    monkeypatch.setenv("ENCORE_EXECUTOR", "tcp://node1:8786")
    with pytest.raises(InputError, match="let ENCORE_STORE name a PostgreSQL database"):
        background.ensure_daemon()


def offer(threads, **resources):
    return {"nthreads": threads, "resources": {name: float(count) for name, count in resources.items()}}


@pytest.mark.parametrize(
    ("workers", "has"),
    [
        ([], (0, 0, False, [])),
        ([offer(1), offer(4)], (0, 5, False, ["w0", "w1"])),
        ([offer(1, run=1), offer(4, run=2)], (0, 3, True, ["w0", "w1"])),
        ([offer(1, run=4)], (0, 1, True, ["w0"])),
        ([offer(2, run=2), offer(8)], (0, 2, True, ["w0"])),
        ([offer(2, GPU=1), offer(2)], (1, 3, False, ["w0", "w1"])),
        ([offer(2, run=1, GPU=1), offer(2, run=2)], (1, 2, True, ["w1"])),
        ([offer(4, run=2, GPU=4)], (2, 0, True, [])),
    ],
)
def test_slots_are_what_the_workers_offer(workers, has):
    found = room({f"w{number}": each for number, each in enumerate(workers)})
    kinds = [slot.partition("/")[0] for slot in found.slots]
    assert (kinds.count("cuda:0"), kinds.count("cpu"), found.declared, [*found.without_gpu]) == has
    assert len(set(found.slots)) == len(found.slots) == kinds.count("cuda:0") + kinds.count("cpu")


@pytest.mark.parametrize(("text", "given"), [("", 0), ("50", 50), ("0", None), ("cpu:2", None), ("many", None)])
def test_a_cluster_is_given_as_many_runs_as_are_set(monkeypatch, text, given):
    monkeypatch.setenv("ENCORE_SLOTS", text)
    if given is None:
        with pytest.raises(InputError, match=f"ENCORE_SLOTS is '{text}': on a cluster give a whole number"):
            slots.given_to_cluster()
    else:
        assert slots.given_to_cluster() == given
        slots.check_setting(on_cluster=True)


def test_a_worker_knows_the_daemons_folder_by_its_mark(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")
    job = Job(POSTGRES, str(tmp_path / "artifacts"))
    job = cluster.abroad(job, replace(settings(), home=tmp_path, data=tmp_path / "data"))
    told = {"ENCORE_HOME": str(tmp_path), "ENCORE_DATA": str(tmp_path / "data"), "MLFLOW_TRACKING_URI": "http://mlflow"}
    assert (job.bound, dict(job.environment)) == (True, told)
    assert cluster.abroad(job, settings()).mark == job.mark
    worker._require_shared(job)
    for wrong in (replace(job, mark="another"), replace(job, artifacts=str(tmp_path))):
        with pytest.raises(InputError, match="mount it there under the same path, or let ENCORE_HOME name"):
            worker._require_shared(wrong)


def test_a_worker_of_another_version_says_so():
    told = task.parcel(Job(POSTGRES, "artifacts", bound=True))
    assert worker._job(told) == Job(POSTGRES, "artifacts", bound=True)
    for wrong in ({**told, "schema": 999}, {**told, "job": {**told["job"], "colour": "red"}}):
        with pytest.raises(InputError, match="runs another version of Encore than the daemon: start it anew"):
            worker._job(wrong)


def test_a_worker_without_encore_finds_it_where_the_daemon_has_it_or_says_so(tmp_path):
    import cloudpickle

    parcels = [{**task.parcel(Job(POSTGRES, "x")), "code": str(code)} for code in (task.CODE, tmp_path)]
    (tmp_path / "sent").write_bytes(cloudpickle.dumps((task.portable(), parcels)))
    code = (
        "import pickle; begin, parcels = pickle.load(open('sent', 'rb'))\n"
        "for parcel in reversed(parcels):\n"
        "    try: begin('attend', parcel, '0123456789ab')\n"
        "    except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True, env={"PATH": ""})
    first, second = done.stdout.splitlines()
    assert first.startswith(f"RuntimeError the worker on {platform.node()} cannot import Encore, for No module named 'engine")
    assert second == "ValueError No worker found"


def test_only_a_run_on_this_machine_is_vouched_for(tmp_path):
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    here, there = (store.create({}) for _ in range(2))
    store.claim(here.id)
    store.claim(there.id, processes.Identity("elsewhere", 1, "x-1"))
    before = [store.get(run.id).heartbeat for run in (here, there)]
    for run in (here, there):
        store.vouch(run.id)
    after = [store.get(run.id).heartbeat for run in (here, there)]
    assert after[0] > before[0] and after[1] == before[1]
    store.finish(here.id, "finished")
    ended = store.get(here.id)
    store.vouch(here.id)
    assert store.get(here.id) == ended
    store.close()
