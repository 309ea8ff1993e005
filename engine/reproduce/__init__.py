"""Fills published tables with our own figures, and says which of the authors' conclusions hold on them.

What was measured is kept in assets/results/tables, one file per table, written by `python -m engine reproduce` alone; a table may be
filled over several sittings. On pages, finished runs of the store count as well: a run whose configuration is a row's is that row's.
docs/REPRODUCED.md shows what is kept.
"""

from engine.reproduce.comparisons import Verdict, difference, verdicts
from engine.reproduce.docs import document, write_document
from engine.reproduce.figures import result
from engine.reproduce.leak import TwoErrors, leak
from engine.reproduce.measuring import measure, with_store
from engine.reproduce.overview import overview
from engine.reproduce.report import lines, report
from engine.reproduce.results import Difference, Kept, Result, read, write
from engine.reproduce.rows import configuration, of_store, open_rows, other_settings

__all__ = [
    "Difference",
    "Kept",
    "Result",
    "TwoErrors",
    "Verdict",
    "configuration",
    "difference",
    "document",
    "leak",
    "lines",
    "measure",
    "of_store",
    "open_rows",
    "other_settings",
    "overview",
    "read",
    "report",
    "result",
    "verdicts",
    "with_store",
    "write",
    "write_document",
]
