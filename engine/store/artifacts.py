"""Tensors on disk: one folder per run, one safetensors file per artifact, replaced atomically and never unpickled."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError
from engine.files import drafts, replacing

if TYPE_CHECKING:
    import torch


def folder(root: Path, run_id: str) -> Path:
    """The folder of a run; only an id names one, so nothing outside `root` can be reached."""
    if not re.fullmatch(r"[0-9a-f]{12}", run_id):
        raise InputError(f"'{run_id}' is no run id: an id is 12 hexadecimal digits.")
    return root / run_id


def file(root: Path, run_id: str, name: str) -> Path:
    """The file of an artifact, whether it exists or not."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise InputError(f"'{name}' is no artifact name: write lower-case letters, digits, '-' and '_'.")
    return folder(root, run_id) / f"{name}.safetensors"


def save(path: Path, tensors: dict[str, torch.Tensor | np.ndarray], meta: dict[str, Any]) -> None:
    """Replace an artifact: after a crash at any instant the file holds either the old content or all of the new.

    Args:
        path: as `file` gives it; the folder is made.
        tensors: on any device; two names for one memory become two copies.
        meta: anything JSON can hold; numpy and torch numbers become numbers.

    Raises:
        OSError: the disk is full or not writable; the old content is untouched.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        tensor = torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        whole[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    header = {"meta": json.dumps(meta, default=_number)}
    for left in drafts(path.parent, path.name):  # by a process that was killed while it wrote
        left.unlink(missing_ok=True)
    try:
        with replacing(path, durable=True) as draft:
            save_file(whole, draft, metadata=header)
    except SafetensorError as error:  # a full disk comes as this one
        raise OSError(f"'{path.stem}' could not be written: {error}") from error


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors on the CPU, and the meta they were saved with."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as content:
            meta = json.loads((content.metadata() or {}).get("meta", "{}"))
            return {name: content.get_tensor(name) for name in content.keys()}, meta  # noqa: SIM118 (no mapping)
    except FileNotFoundError as error:
        raise InputError(f"Run '{path.parent.name}' has no '{path.stem}' yet.") from error
    except SafetensorError as error:
        raise InputError(f"'{path.stem}' of run '{path.parent.name}' is damaged and cannot be read.") from error


def remove(root: Path, run_id: str) -> None:
    """Delete all artifacts of a run."""
    place = folder(root, run_id)
    if place.exists():
        shutil.rmtree(place)


def _number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an artifact's meta")
