"""Tensors on disk: one folder per run, one safetensors file per artifact, replaced atomically, sealed, and never unpickled."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import seals
from engine.errors import Damaged, InputError
from engine.files import drafts, replacing

if TYPE_CHECKING:
    import torch

ID, NAME = r"[0-9a-f]{12}", r"[a-z0-9][a-z0-9_-]{0,63}"
SUFFIX = ".safetensors"
ASIDE = ".damaged"
"""Ending of an artifact that was found damaged and taken out of the way."""
TRIES = 5
"""So often a file that is replaced while it is read is read anew."""


def folder(root: Path, run_id: str) -> Path:
    """The folder of a run; only an id names one, so nothing outside `root` can be reached."""
    if not is_id(run_id):
        raise InputError(f"'{run_id}' is no run id: an id is 12 hexadecimal digits.")
    return root / run_id


def is_id(text: str) -> bool:
    """Whether this is how a run's id is written."""
    return re.fullmatch(ID, text) is not None


def file(root: Path, run_id: str, name: str) -> Path:
    """The file of an artifact, whether it exists or not."""
    if not re.fullmatch(NAME, name):
        raise InputError(f"'{name}' is no artifact name: write lower-case letters, digits, '-' and '_'.")
    return folder(root, run_id) / f"{name}{SUFFIX}"


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
    header = {"meta": json.dumps(meta, default=_number), **seals.EMPTY}
    for left in drafts(path.parent, path.name):  # by a process that was killed while it wrote
        left.unlink(missing_ok=True)
    if path.is_symlink() or path.parent.is_symlink():
        raise OSError(f"'{path.stem}' was not saved: its file or folder is a link, which Encore does not follow")
    try:
        with replacing(path, durable=True) as draft:
            save_file(whole, draft, metadata=header)
            seals.seal(draft, _owner(path))
    except SafetensorError as error:  # a full disk comes as this one
        raise OSError(f"'{path.stem}' could not be written: {error}") from error


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors on the CPU, and the meta they were saved with.

    Raises:
        Damaged: it is not what was saved under this name for this run.
        InputError: there is none.
    """
    from safetensors import SafetensorError, safe_open

    for _ in range(TRIES):
        try:
            before = check(path)
            with safe_open(path, framework="pt", device="cpu") as content:
                meta = json.loads((content.metadata() or {})["meta"])
                tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (no mapping)
            if _state(path) == before:  # else it was replaced in between
                return tensors, meta
        except FileNotFoundError as error:
            raise InputError(f"Run '{path.parent.name}' has no '{path.stem}' yet.") from error
        except OSError as error:
            raise damaged(path, f"it cannot be read: {error.strerror or type(error).__name__}") from error
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise error if isinstance(error, InputError) else damaged(path) from error
    raise InputError(f"'{path.stem}' of run '{path.parent.name}' is being written all the time: try again.")


def check(path: Path) -> tuple[int, int, int]:
    """Compares an artifact with the checksum that it was saved with; one of an Encore that kept none counts as whole.

    Returns:
        What changes when the file is replaced.

    Raises:
        Damaged: it is another; or its file or folder is a link.
        FileNotFoundError: there is none.
    """
    if path.is_symlink() or path.parent.is_symlink():
        raise damaged(path, "its file or folder is a link, which Encore does not follow")
    for _ in range(TRIES):
        before = _state(path)
        whole = seals.holds(path, _owner(path))
        if whole:
            return before
        if _state(path) == before:
            raise damaged(path)
    return before


def damaged(path: Path, why: str = "its checksum is not the one that it was saved with") -> Damaged:
    """The error that names an artifact, and the way on."""
    return Damaged(
        f"'{path.stem}' of run '{path.parent.name}' is damaged ({why}): put it back by `python -m engine store restore BACKUP --run "
        f"{path.parent.name}`, or clone the run and train it again."
    )


def names(root: Path, run_id: str) -> list[str]:
    """What is kept of a run, sorted."""
    place = folder(root, run_id)
    return sorted(path.stem for path in place.glob(f"*{SUFFIX}") if re.fullmatch(NAME, path.stem)) if place.is_dir() else []


def remove(root: Path, run_id: str) -> None:
    """Delete all artifacts of a run."""
    place = folder(root, run_id)
    if place.is_symlink():
        place.unlink()  # what it leads to is not Encore's
    elif place.exists():
        shutil.rmtree(place)


def _owner(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an artifact's meta")
