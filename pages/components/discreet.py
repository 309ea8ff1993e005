"""What of the server is shown to whoever opens a page: of a path its last part, of a trace its last line, no sign that cannot be seen."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from engine.settings import settings
from pages import ROOT

if TYPE_CHECKING:
    from engine.config import RunConfig

_STORE = re.compile(r"sqlite:/{3,4}[^\s'\")]+")
# Not within a word, an address of the web or another path; at least two parts, for "/svd" is a page.
_PATH = re.compile(r"(?<![\w:/.…~-])(?:/[^\s/'\"“”‘’<>|,;:()\[\]]+){2,}/?|(?<!\w)[A-Za-z]:\\[^\s'\"“”]+")
_TRACE = "Traceback (most recent call last)"
_KEPT, _JOINERS = "\n\t", "\u200c\u200d\u2060"


def discreet(text: str) -> str:
    """A text in which no path of this machine stands, and no letter that turns its neighbours round or cannot be sent."""
    text = text.encode("utf-8", "replace").decode()
    text = "".join(sign for sign in text if sign in _KEPT or unicodedata.category(sign) not in ("Cc", "Cf", "Cs") or sign in _JOINERS)
    if "/" not in text and "\\" not in text:
        return text
    text = _STORE.sub(lambda found: Path(found[0]).name, text)
    for place, name in _roots():
        text = text.replace(f"{place}/", f"{name}/").replace(place, name)
    return _PATH.sub(lambda found: "…/" + re.split(r"[/\\]", found[0].rstrip("/"))[-1], text)


def log_line(text: str) -> str:
    """A line of a run's log. Of an internal error's trace the last line stays: the daemon's own log has the rest."""
    if _TRACE in text:
        last = [line for line in text.splitlines() if line.strip()][-1]
        text = f"{last.strip()} (the daemon's log has the details)"
    return discreet(text)


def dataset_name(name: str) -> str:
    """A dataset's name in a configuration; of a file of this machine its last part."""
    from engine.datasets import is_path  # the frame of a page does not wait for it

    return re.split(r"[/\\]", name.rstrip("/\\"))[-1] if is_path(name) else name


def shareable(config: RunConfig) -> RunConfig:
    """A configuration as it may be shown and passed on: it names a ratings file without its folder."""
    return config.model_copy(update={"dataset": config.dataset.model_copy(update={"name": dataset_name(config.dataset.name)})})


def _roots() -> list[tuple[str, str]]:
    """Folders of this machine that have a name for people, the innermost first."""
    where = settings()
    found = {str(where.home.absolute()): "ENCORE_HOME", str(ROOT): "Encore's folder", str(Path.home()): "~", tempfile.gettempdir(): "…"}
    if where.data is not None:
        found[str(where.data.absolute())] = "ENCORE_DATA"
    return sorted(((place, name) for place, name in found.items() if len(place) > 1), key=lambda pair: -len(pair[0]))
