"""The one exception that means "the caller asked for something that cannot be done"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A caller's mistake, told in one sentence that names what is wrong and the remedy.

    The CLI prints it and exits with 2, a page shows it, a run that meets it ends as `failed` with this text.
    """


class Damaged(InputError):
    """Something that Encore keeps is not what it wrote: the sentence names it and the way on."""


def unknown(what: str, given: str, known: Iterable[str]) -> InputError:
    """An `InputError` for a name that is not in a registry, with the nearest known name."""
    known = sorted(known)
    near = difflib.get_close_matches(given[:200], known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(known)}."
    return InputError(f"Unknown {what} '{shortened(given)}'.{hint}")


def shortened(text: str, length: int = 80) -> str:
    """A text that somebody gave, short enough for a sentence."""
    return text if len(text) <= length else f"{text[:length]}…"
