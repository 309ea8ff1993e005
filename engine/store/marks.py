"""What people mark and write on a run: tags and a note, short enough for a table, a link and a command line."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import InputError

MOST_TAGS = 8
TAG_LENGTH = 24
REMARK_LENGTH = 2_000


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are kept: spaces around and between words made single, none twice (whatever its capitals), in their order.

    Raises:
        InputError: a tag is empty, too long or holds a comma, which parts tags from each other; or there are too many.
    """
    kept: dict[str, str] = {}
    for given in tags:
        tag = " ".join(given.split())
        if not tag:
            raise InputError("A tag needs at least one letter.")
        if not tag.isprintable() or "," in tag:
            raise InputError(f"The tag '{tag}' holds a comma or a sign that cannot be shown: write letters, digits and spaces.")
        if len(tag) > TAG_LENGTH:
            raise InputError(f"The tag '{tag}' is {len(tag)} characters long: at most {TAG_LENGTH} fit, so say it shorter or in the note.")
        kept.setdefault(tag.casefold(), tag)
    if len(kept) > MOST_TAGS:
        raise InputError(f"A run has at most {MOST_TAGS} tags, not {len(kept)}: leave some out.")
    return list(kept.values())


def checked_remark(text: str) -> str:
    """A note as it is kept, without the space around it. Raises InputError where it is too long."""
    text = text.strip()
    if len(text) > REMARK_LENGTH:
        raise InputError(f"The note is {len(text):,} characters long: at most {REMARK_LENGTH:,} are kept, so shorten it.")
    return text
