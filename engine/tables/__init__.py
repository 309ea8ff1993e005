"""What the source systems publish: their tables and figures row by row, each row with its configuration, and their conclusions.

To add a table, write assets/tables/NAME.toml and a preset that its rows change; the fields of a file are those of `Table`.
"""

from engine.tables.claims import FIGURES, Claim, Comparison, higher_is_better
from engine.tables.table import Elsewhere, Row, Table, table, tables

__all__ = ["FIGURES", "Claim", "Comparison", "Elsewhere", "Row", "Table", "higher_is_better", "table", "tables"]
