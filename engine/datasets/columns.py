"""Columns of a table as ids and ratings, and which of their rows cannot be used."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engine.datasets.decimals import Numbers, numbers
from engine.datasets.faults import Faults, shown
from engine.errors import InputError

LONGEST_ID = 200
_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"


def ids(values: pa.ChunkedArray, role: str, faults: Faults, refused: InputError) -> np.ndarray | pd.Series:
    """Ids, one per row: int64 where every usable one is a plain whole number, else str without blanks around it.

    Args:
        role: "user" or "item", for what is wrong.
        refused: to be raised where the column's type holds no ids.
    """
    article = "an" if role == "item" else "a"
    if pa.types.is_floating(values.type):
        values = _as_whole(values)
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        faults.add(values.is_null().to_numpy(), f"without {article} {role}", lambda _row: f"has no {role}")
        return values.cast(pa.int64()).fill_null(0).to_numpy()
    try:
        codes, texts = coded(values)
    except pa.ArrowException:
        raise refused from None
    blank = pc.equal(texts, "")
    control = pc.match_substring_regex(texts, r"[\x00-\x1f\x7f]")
    long = pc.greater(pc.utf8_length(texts), LONGEST_ID)
    spoilt = f"has a line break or another control character in its {role}"
    for bad, kind, why in (
        (blank, f"without {article} {role}", f"has no {role}"),
        (control, f"with a control character in the {role}", f"{spoilt}, as where a quotation mark was left open"),
        (long, f"with {article} {role} of more than {LONGEST_ID} letters", f"has {article} {role} of more than {LONGEST_ID} letters"),
    ):
        if pc.any(bad).as_py():
            faults.add(bad.to_numpy(zero_copy_only=False)[codes], kind, partial(_always, why))
    unused = pc.or_(pc.or_(blank, control), long)
    if pc.all(pc.or_(unused, pc.match_substring_regex(texts, _INTEGER))).as_py():
        return pc.if_else(unused, "0", texts).cast(pa.int64()).to_numpy()[codes]
    return pa.DictionaryArray.from_arrays(codes, texts).cast(pa.large_string()).to_pandas()


def ratings(
    values: pa.ChunkedArray, faults: Faults, refused: InputError, sign: str | None, usual: str | None
) -> tuple[np.ndarray, Numbers]:
    """Ratings, float64, and how they were read.

    Args:
        sign, usual: as in `numbers`.
        refused: to be raised where the column's type holds no numbers.
    """
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        faults.add(values.is_null().to_numpy(), "without a rating", lambda _row: "has no rating")
        found = values.cast(pa.float64(), safe=False).to_numpy()
        read = Numbers(found, np.ones(len(found), bool), None)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        codes, texts = coded(values)
        read = numbers(texts, sign, usual)
        such_as = "3,5" if read.sign == "," else "3.5"
        blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
        faults.add(blank[codes], "without a rating", lambda _row: "has no rating")
        faults.add(
            ~read.good[codes],
            "with a rating that is no number",
            lambda row: f"has the rating '{shown(texts[codes[row]])}', which is not a number such as {such_as}",
        )
        found = read.values[codes]
    else:
        raise refused
    with np.errstate(over="ignore"):
        infinite = ~np.isfinite(found.astype(np.float32))
    faults.add(
        infinite,
        "with a rating that is not finite",
        lambda row: f"has the rating '{shown(values[row])}', which is not a finite number",
    )
    return found, read


def _always(why: str, _row: int) -> str:
    return why


def coded(values: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """For each row the place of its text among the distinct texts, without blanks around them; nothing is a text of no letters.

    Raises:
        pa.ArrowException: the values are no texts and cannot be written as such.
    """
    if pa.types.is_dictionary(values.type):
        found = values.unify_dictionaries().combine_chunks()
    else:
        found = values.cast(pa.string()).combine_chunks().dictionary_encode()
    texts = pa.concat_arrays([pc.utf8_trim_whitespace(found.dictionary.cast(pa.string())), pa.array([""])])
    codes = found.indices.fill_null(len(texts) - 1).to_numpy()
    # Of categories, some may stand for no row; what they look like tells nothing.
    used = np.zeros(len(texts), bool)
    used[codes] = True
    return (np.cumsum(used, dtype=np.int32) - np.int32(1))[codes], texts.filter(pa.array(used))


def _as_whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floating numbers as whole ones where all of them are, as tables with gaps have them."""
    found = values.to_numpy()
    given = np.isfinite(found)
    values = pa.chunked_array([pa.array(found, mask=~given)])
    with np.errstate(invalid="ignore"):
        whole = np.all(found[given] == np.floor(found[given])) and np.all(np.abs(found[given]) < 2**53)
    return values.cast(pa.int64()) if whole else values
