"""Puts the text of `score.py` together: what a model is, its formula, and the frame that every script has."""

from __future__ import annotations

import inspect
import textwrap
from pprint import pformat

from engine.export import formulas, frame
from engine.export.restated import Restated

IMPORTS = """\
import argparse
import csv
import math
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional as F
"""
FRAME = (frame.read_table, frame.load, frame.number, frame.read_ratings, frame.best, frame.refuse, frame.main)
WITHOUT = "Needs Python 3.11 or newer, torch, numpy and safetensors, and not Encore."
WITH = "Imports Encore, because this network is not told in a few lines: run it where `import engine` works, as in Encore's folder."


def script(restated: Restated, about: str, scale: tuple[float, float]) -> str:
    """Source of a module that scores by the files beside it: through `scores` where it is imported, as a command where it is run.

    Args:
        about: one sentence about the run.
        scale: lowest and highest rating that the model may be given.
    """
    user = "--user ID " if restated.needs_user else ""
    command = f"    python score.py {user}ratings.csv    # item,rating in each line; prints the best items that are not among them"
    doc = "\n\n".join([_line(about), command, _line(WITH if restated.formula is formulas.with_encore else WITHOUT)])
    known = {"needs_user": restated.needs_user, "scale": tuple(map(float, scale))}
    options = pformat({**restated.options, **known}, width=110, sort_dicts=False)
    sources = [inspect.getsource(function) for function in (*restated.needs, restated.formula)]
    sources[-1] = sources[-1].replace(f"def {restated.formula.__name__}(", "def scores(", 1)
    sources += [inspect.getsource(function) for function in FRAME]
    start = 'if __name__ == "__main__":\n    main()\n'
    return "\n\n".join([f'"""{doc}\n"""\n\n{IMPORTS}\nOPTIONS = {options}\n', *sources, start])


def _line(text: str) -> str:
    """A paragraph of the docstring, which nothing in it can end."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.fill(printable, 110).replace("\\", "\\\\").replace('"', "'")
