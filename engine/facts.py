"""What is known of a run before its first step and at its end, kept with it for good, and the lines of its log that tell it."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from engine import endings, footprint
from engine.config import RunConfig
from engine.devices import peak_memory_mb, resident_memory
from engine.judging import Judge, rank_of
from engine.models.contract import Recommender
from engine.splits import Split
from engine.training import EpochRecord


def at_start(config: RunConfig, split: Split, judge: Judge, model: Recommender, device: str) -> dict[str, Any]:
    """By name; sizes, versions, and the estimate of its memory in MB (10⁶ bytes).

    Args:
        model: as it will be; its weights need no memory yet.
    """
    learned = [*model.parameters()] if isinstance(model, torch.nn.Module) else []
    shape = split.interactions.n_users, split.interactions.n_items
    weights = sum(parameter.numel() for parameter in learned) if learned else None
    memory = footprint.footprint(config, shape, split.interactions.n_ratings, weights).memory
    return {
        "dataset_title": split.interactions.name,
        "sizes": split.sizes(),
        "dropped": split.dropped,
        "duplicates": split.interactions.duplicates,
        "split_fingerprint": split.fingerprint(),
        "parameters": sum(parameter.numel() for parameter in learned if parameter.requires_grad),
        "device": device,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "monitor": judge.monitor(model),
        "noise_floor": split.noise_floor("validation"),
        "scale": list(split.interactions.scale),
        "liked": judge.liked,
        endings.EXPECTED: round((memory + resident_memory()) / 1e6, 1),
    }


def in_words(known: Mapping[str, Any]) -> str:
    """The line of the run's log that tells them."""
    sizes = known["sizes"]
    return (
        f"{sizes['users']:,} users × {sizes['items']:,} items · {sizes['train']:,} train / {sizes['validation']:,} validation / "
        f"{sizes['test']:,} test ratings · {known['parameters']:,} parameters · {known['device']}"
    )


def epoch_in_words(record: EpochRecord, monitor: str) -> str:
    """The line of an epoch, with the validation metric that picks the best one."""
    judged = f" · validation {monitor} {record.validation[monitor]:.4f}" if monitor in record.validation else ""
    loss = f" · loss {record.loss:.4f}" if math.isfinite(record.loss) else ""
    return f"epoch {record.epoch} · {record.seconds:.2f} s{loss}{judged}{' · best' if record.best else ''}"


def at_end(judged: Mapping[str, Mapping[str, dict[str, Any]]], judge: Judge, model: Recommender, device: torch.device) -> dict[str, Any]:
    """The part of a run's summary that does not tell of its epochs; memory in MB (10⁶ bytes).

    Args:
        judged: "validation" and "test" → "model" and each baseline → metrics.
        judge: of the test part, with the fitted baselines.
    """
    on_gpu = {"peak_gpu_memory_mb": torch.cuda.max_memory_allocated(device) / 1e6} if device.type == "cuda" else {}
    return {
        "peak_memory_mb": peak_memory_mb(),
        "metrics": {part: found["model"] for part, found in judged.items()},
        "baselines": {
            name: {**judged["test"][name], **rank_of(baseline), "validation": judged["validation"][name]}
            for name, baseline in judge.baselines.items()
        },
        **judge.compare(model),
        **on_gpu,
        "device": str(device),
    }
