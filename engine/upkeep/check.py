"""Everything that Encore keeps, compared with what it was when it was written."""

from __future__ import annotations

from typing import NamedTuple

from engine.datasets.uploads import damaged_uploads
from engine.settings import Settings
from engine.store import RunStore, faults
from engine.store.damage import damaged


class Finding(NamedTuple):
    """Something that is damaged: of which kind (database, artifact, upload), its name, and a sentence with the way on."""

    kind: str
    name: str
    sentence: str


def check(store: RunStore, where: Settings) -> list[Finding]:
    """What is damaged; nothing where all is whole. Reads every row and every artifact, which takes as long as the disk takes."""
    found = [Finding("database", "run store", str(damaged(store.url, fault))) for fault in faults(store)]
    if not found:
        found += [
            Finding("artifact", f"{name} of {run.name}", sentence)
            for run in store.list()
            for name, sentence in store.damage(run.id).items()
        ]
    return found + [Finding("upload", name, str(error)) for name, error in damaged_uploads(where).items()]
