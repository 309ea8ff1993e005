"""The command line: everything the pages can do, scriptable. Under `--json` the last line of stdout is one JSON object.

Commands import what they need when they run: `daemon` has to be up fast, and most others need no torch.
"""

from engine.commands import elsewhere, files, items, models, queue, runs, store, studies, sweeps  # each adds its commands
from engine.commands.frame import main

__all__ = ["elsewhere", "files", "items", "main", "models", "queue", "runs", "store", "studies", "sweeps"]
