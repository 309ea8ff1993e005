"""Numbers as people and programs write them: 3.5 and 3,5, 1,234 and 1.234, 1 234,5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SIGNS = {"point": ".", "comma": ","}
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_WORDS = r"^[+-]?(?i:nan|inf|infinity)$"
_SPACE = "[ '’\u00a0\u202f]"
_GROUP = "([{other}][0-9]{{3}}|" + _SPACE + "[0-9]{{3}})"
# Only a number whose decimal sign this is looks so: two digits after it or many, nothing or a zero or ungrouped digits before it, groups
# before it, or groups by the other sign again and again.
_CLEAR = (
    r"^[+-]?([0-9]*[{sign}]([0-9]{{0,2}}|[0-9]{{4,}})|0*[{sign}][0-9]+|[0-9]{{4,}}[{sign}][0-9]+|[1-9][0-9]{{0,2}}"
    + _GROUP
    + "+[{sign}][0-9]*|[1-9][0-9]{{0,2}}([{other}][0-9]{{3}}){{2,}})$"
)
_EITHER = r"^[+-]?[1-9][0-9]{{0,2}}[{sign}][0-9]{{3}}$"
_GROUPED = r"^[+-]?[1-9][0-9]{{0,2}}" + _GROUP + "+([{sign}][0-9]*)?$"


@dataclass(frozen=True)
class Numbers:
    """Texts read as numbers.

    Attributes:
        values: float64; NaN where a text is none.
        good: whether each is a number, infinity and "nan" included.
        sign: the decimal sign, "." or ","; None where all are whole.
        unclear: a text that is one number with a decimal point and another with a decimal comma, where nothing tells which, or None.
    """

    values: np.ndarray
    good: np.ndarray
    sign: str | None
    unclear: str | None = None


def numbers(texts: pa.Array, sign: str | None = None, usual: str | None = ".") -> Numbers:
    """Distinct texts as numbers.

    Args:
        texts: without blanks around them.
        sign: the decimal sign where it is known.
        usual: the sign to go by where "1.234" or "1,234" is all there is; None where either is as likely.
    """
    plain = pc.replace_substring(texts, "−", "-")
    found, unclear = (sign, None) if sign else _sign(plain, usual)
    decimal, other = (",", ".") if found == "," else (".", ",")
    grouped = _match(plain, _GROUPED, decimal)
    plain = pc.if_else(grouped, pc.replace_substring_regex(plain, f"[{other}]|{_SPACE}", ""), plain)
    if decimal == ",":
        # A point that groups nothing makes no number.
        plain = pc.if_else(pc.match_substring(plain, "."), "", pc.replace_substring(plain, ",", "."))
    readable = pc.match_substring_regex(plain, _NUMBER)
    worded = pc.match_substring_regex(plain, _WORDS)
    values = pc.if_else(pc.or_(readable, worded), plain, "nan").cast(pa.float64()).to_numpy(zero_copy_only=False)
    return Numbers(values, pc.or_(readable, worded).to_numpy(zero_copy_only=False), found, unclear)


def _sign(texts: pa.Array, usual: str | None) -> tuple[str | None, str | None]:
    """The decimal sign that most texts need, and a text that leaves it open."""
    points, commas = (pc.sum(_match(texts, _CLEAR, sign)).as_py() or 0 for sign in (".", ","))
    points += pc.sum(pc.match_substring_regex(texts, r"\.[0-9]+[eE]")).as_py() or 0
    if points or commas:
        return ("," if commas > points else "."), None
    for sign in (",", "."):
        either = _match(texts, _EITHER, sign)
        if pc.any(either).as_py():
            return (sign, None) if sign == usual else (usual, texts[pc.index(either, True).as_py()].as_py())
    return None, None


def _match(texts: pa.Array, pattern: str, sign: str) -> pa.BooleanArray:
    return pc.match_substring_regex(texts, pattern.format(sign=sign, other="." if sign == "," else ","))
