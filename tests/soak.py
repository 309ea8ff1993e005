"""How long the long checks are: `make soak` runs them in full (ENCORE_SOAK=1), `make test` a bounded sample of each.

Tests that differ bear the mark `soak`; they ask `SOAK` here and nowhere else.
"""

from __future__ import annotations

import os

SOAK = os.environ.get("ENCORE_SOAK") == "1"
