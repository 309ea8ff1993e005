"""What the machine can do is found out, and a person's wishes are kept."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.devices import cpu_threads, multiplies_bfloat16, peak_memory_mb, pick_device, ran_out_of_memory, synchronize
from engine.errors import InputError

ROOT = Path(__file__).parents[1]
DEVICES = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]


def printed(code):
    """What a fresh process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_a_gpu_is_picked_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(wanted).type for wanted in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [pick_device(wanted).type for wanted in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(InputError, match=r"training\.device is 'cuda'.*use 'auto' or 'cpu'"):
        pick_device("cuda")


def test_threads_are_the_cores_of_this_process_or_what_a_person_says(monkeypatch):
    monkeypatch.delenv("ENCORE_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert cpu_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpu_threads() == os.cpu_count()
    monkeypatch.setenv("ENCORE_THREADS", "5")
    assert cpu_threads() == 5


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_what_every_device_answers(device):
    assert multiplies_bfloat16(device) in (True, False)
    synchronize(device)


def test_memory_that_ends_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**48)
    assert ran_out_of_memory(caught.value)
    assert ran_out_of_memory(MemoryError()) and ran_out_of_memory(torch.OutOfMemoryError())
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_peak_memory_remembers_what_was_freed():
    """In a process of its own, for here the peak may lie behind us."""
    code = """
import numpy as np
from engine.devices import peak_memory_mb
print(peak_memory_mb())
np.ones(40_000_000)
print(peak_memory_mb())
"""
    before, after = map(float, printed(code).split())
    assert before + 200 < after < before + 1_000


def test_peak_memory_is_a_processs_own():
    """Unlike `ru_maxrss`, which on Linux begins at what the parent held."""
    ballast = np.ones(60_000_000)
    code = "from engine.devices import peak_memory_mb; print(peak_memory_mb())"
    assert 50 < float(printed(code)) < peak_memory_mb() - ballast.nbytes / 2e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left as they are")
def test_freed_memory_is_kept():
    """In a process of its own, for it cannot be taken back: the second large array gets the pages of the first."""
    code = """
import resource
import numpy as np
from engine.devices import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(20_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
"""
    first, second = map(int, printed(code).split())
    assert second < first / 4
