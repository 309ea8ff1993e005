"""What happens on a small disk when it is full; run by tests/test_endings.py in a process that may mount one.

python tests/full_disk.py FOLDER, which is on a disk of 16 MiB with nothing else on it
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine import runs
from engine.config import merge, parse
from engine.store import RunStore

SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 120},
    "model": {"layers": [12]},
    "training": {"epochs": 3, "batch_size": 32, "lr": 0.01},
    "evaluation": {"max_rank": 6},
}
LARGE = {"model.layers": [900, 900]}
"""About 4 MB of weights, and three times that in a checkpoint: more than the disk has."""


def fill(folder: Path, leave: int = 0) -> None:
    """Takes all of the disk but so many bytes."""
    with (folder / "filler").open("ab", buffering=0) as filler:
        room = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - leave
        for size in (2**16, 2**12, 1):
            try:
                while room > 0:
                    room -= filler.write(b"x" * min(size, room))
            except OSError:
                continue


def main(folder: Path) -> None:
    """Prints what became of four runs as JSON."""
    found = {}
    store = RunStore(f"sqlite:///{folder / 'encore.db'}", folder / "artifacts")

    def begin(changes: dict[str, object]) -> str:
        return store.create(parse(merge(SMALL, changes)).model_dump(mode="json")).id

    earlier = begin({})
    runs.execute(earlier, store)
    found["earlier"] = store.get(earlier).state

    large = begin(LARGE)
    runs.execute(large, store)
    found["large"] = [store.get(large).state, store.get(large).error]

    # While it trains, somebody else takes the rest: the checkpoint finds no room or the rows do, and the end at least what either gave up.
    long = begin({"training.epochs": 4000})
    threading.Timer(3.0, fill, (folder,)).start()
    runs.execute(long, store)
    found["long"] = [store.get(long).state, store.get(long).error]
    store.close()

    (folder / "filler").unlink()
    again = RunStore(f"sqlite:///{folder / 'encore.db'}", folder / "artifacts")
    found["opens"] = sorted(run.state for run in again.list())
    found["earlier is whole"] = again.load(earlier, "model")[0] != {} and len(again.metrics(earlier)) > 0
    found["reserve again"] = again.reserve.path.exists()
    short = begin({})
    runs.execute(short, again)
    found["same as before"] = again.get(short).summary["metrics"] == again.get(earlier).summary["metrics"]
    again.ask(long, "run")
    again.ask(long, "stop")
    found["resumable"] = again.get(long).state
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
