"""Columns of text that take whatever somebody wrote."""

from __future__ import annotations

import sqlalchemy as sa


def storable(text: str) -> str:
    """The text without what PostgreSQL or UTF-8 refuses: zero bytes, and halves of characters as broken file names have."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


class String(sa.TypeDecorator[str]):
    """Text of a limited length, which PostgreSQL holds it to."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable(value)


class Text(String):
    """Text of any length."""

    impl = sa.Text
    cache_ok = True  # asked of each class itself
