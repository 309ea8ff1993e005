"""Numbers, times and foreign text as pages write them."""

from __future__ import annotations

import math
import re

from pages.components.discreet import discreet


def duration(seconds: float) -> str:
    """0.34 → "0.3 s", 34 → "34 s", 70 → "1 min 10 s", 7500 → "2 h 5 min", 200_000 → "2.3 days", 10**9 → "32 years"."""
    if seconds < 10:
        return f"{seconds:.1g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 2 * 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    days = whole / 86_400
    return f"{days:.1f} days" if days < 99.95 else f"{days:,.0f} days" if days < 730 else f"{days / 365.25:,.0f} years"


def count(number: int) -> str:
    """11_300_000 → "11.3 M", 8983 → "8,983"."""
    if number >= 1_000_000:
        return f"{number / 1e6:.3g} M"
    return f"{number:,}"


def number_of(number: int, what: str) -> str:
    """(1, "user") → "1 user", (2_000, "user") → "2,000 users"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(share: float, digits: int = 0) -> str:
    """0.25 → "25 %"."""
    return f"{100 * share:.{digits}f} %"


def signed(number: float, digits: int = 4) -> str:
    """-0.0187 → "−0.0187", with a true minus sign."""
    return f"{'−' if number < 0 else '+'}{abs(number):.{digits}f}"


def measured(number: float | None) -> str:
    """A metric with four digits, "–" where there is none."""
    return "–" if number is None or math.isnan(number) else f"{number:.4f}"


def plain(text: str) -> str:
    """Text from outside (a title, a file name, a link's part) so that Markdown shows it letter by letter, on one line; see `discreet`."""
    text = discreet(text)
    # Of bare addresses, browsers' Markdown makes links by itself; a sign without width keeps it from seeing them.
    text = re.sub(r"(https?:(?=//)|www(?=\.)|@(?=[-\w]+\.\w))", "\\1\u2060", text, flags=re.IGNORECASE)
    text = re.sub(r"([\\`*_{}\[\]()<>#!|~$:^])", r"\\\1", " ".join(text.split()))
    # At the beginning of a line, these would make a list, or a rule across the page.
    return re.sub(r"^(?=-|\+(?:\s|$)|\d+\.(?:\s|$))(\d*)", r"\1\\", text)
