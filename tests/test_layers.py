"""Data flows one way: a module imports only from its left, and the engine knows no page."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import engine

ROOT = Path(__file__).parents[1]
ORDER = re.findall(r"\w+", (engine.__doc__ or "").partition("holds that):")[2])
"""The rooms from left to right, as the package itself tells them."""
MODULES = sorted((ROOT / "engine").rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(ROOT / "engine").parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> list[tuple[str, ...]]:
    """Dotted names that a file imports, at any depth."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            base = tuple(node.module.split("."))
            names += [(*base, alias.name) for alias in node.names] if node.module == "engine" else [base]
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_come_from_the_left(path):
    here = room(path)
    if here == "__init__":
        return
    assert here in ORDER, f"{here} has no place in the order of rooms"
    for name in imported(path):
        assert name[0] not in ("streamlit", "pages", "dashboard"), f"{path} imports {'.'.join(name)}"
        if name[0] == "engine" and len(name) > 1:
            assert ORDER.index(name[1]) <= ORDER.index(here), f"{here} imports {name[1]}, which stands to its right"


@pytest.mark.parametrize(
    "module", ["engine.config", "engine.store", "engine.background", "engine.presets", "engine.tables", "engine.datasets"]
)
def test_what_pages_import_first_needs_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
