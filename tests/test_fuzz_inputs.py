"""Thousands of files as people, programs and accidents make them: each is read, or refused in one sentence, and no row is lost unseen.

`make test` draws a sample; under `make soak` there are at least 2,000 generated uploads and 500 damaged real files.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from engine.datasets import DatasetConfig, Reading, glance, load, preview, save_upload
from engine.datasets.table import read_ratings
from engine.datasets.uploads import uploads
from engine.errors import InputError
from tests.sheets import Sheet, sheets, spoilt_sheets
from tests.soak import SOAK

pytestmark = pytest.mark.soak
LIMIT = 10_000
"""Milliseconds that any one file may take."""


def examples(sample: int, whole: int) -> settings:
    return settings(
        max_examples=whole if SOAK else sample,
        deadline=LIMIT,
        phases=[Phase.generate] if os.environ.get("NOSHRINK") else list(Phase),
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def is_sentence(text: str) -> bool:
    return "\n" not in text and text.endswith(".") and "Error" not in text and len(text) < 700


def end(content: bytes, reading: Reading = Reading(faulty="leave-out")) -> str:  # noqa: B008
    """Reads a file in every way that pages do; whatever it holds, it ends well. Returns how."""
    try:
        seen = preview(content, "f.csv", reading)
        assert glance(content, "f.csv", reading).columns == seen.columns
    except InputError as error:
        assert is_sentence(str(error)), error
        return "refused"
    try:
        found = read_ratings(content, "f.csv", reading)
    except InputError as error:
        assert is_sentence(str(error)) and seen.problem == str(error), error
        return "refused with a preview"
    data, account = found.interactions()
    assert seen.problem is None and seen.account == account
    assert account.rows == account.kept + account.merged + account.unusable
    assert (account.kept, account.kept + account.merged) == (data.n_ratings, len(found.frame))
    assert np.isfinite(data.ratings.data).all() and data.left_out == account.unusable
    return "read" if not account.unusable else "read in part"


def assert_says(frame: pd.DataFrame, sheet: Sheet) -> None:
    assert list(frame.columns) == list(sheet.frame.columns)
    for column in ("user", "item"):
        assert frame[column].astype(str).tolist() == sheet.frame[column].tolist()
    for column in frame.columns[2:]:
        assert frame[column].tolist() == sheet.frame[column].tolist()


@examples(60, 1200)
@given(sheet=sheets())
def test_a_valid_upload_is_read_back_equal(sheet: Sheet) -> None:
    reading = Reading(header="yes" if sheet.header else "no") if len(sheet.frame) == 1 else Reading()
    assert_says(read_ratings(sheet.content, "f.csv", reading).frame, sheet)
    seen = preview(sheet.content, "f.csv", reading)
    assert seen.problem is None and seen.account is not None and seen.account.rows == len(sheet.frame)
    with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, {"ENCORE_HOME": home}):
        data = load(DatasetConfig(name=save_upload("f.csv", sheet.content, reading)))
        assert uploads()[0].account == seen.account
    last = sheet.frame.sort_values("timestamp", kind="stable") if "timestamp" in sheet.frame else sheet.frame
    last = last.drop_duplicates(["user", "item"], keep="last")
    ratings = {(user, item): rating for user, item, rating in zip(last["user"], last["item"], last["rating"], strict=True)}
    users, items = data.users.index[data.rows], data.items.index[data.columns]
    assert dict(zip(zip(users, items, strict=True), data.ratings.data.tolist(), strict=True)) == {
        pair: float(np.float32(rating)) for pair, rating in ratings.items()
    }
    assert data.n_ratings + data.duplicates == len(sheet.frame)


@examples(40, 600)
@given(drawn=spoilt_sheets())
def test_every_faulty_row_is_told_and_counted(drawn: tuple[Sheet, dict[int, str]]) -> None:
    sheet, faults = drawn
    reading = Reading(lowest=-10, highest=10)
    if faults:
        with pytest.raises(InputError, match=f"^Line {min(faults)} of f.csv has ") as caught:
            read_ratings(sheet.content, "f.csv", reading)
        assert is_sentence(str(caught.value))
    left = read_ratings(sheet.content, "f.csv", reading.model_copy(update={"faulty": "leave-out"}))
    assert left.account.left_out == dict(pd.Series(list(faults.values()), dtype=object).value_counts())
    assert sorted(map(int, left.account.examples)) == sorted(faults)
    assert left.account.rows == len(sheet.frame) + len(faults)
    assert_says(left.frame, sheet)


@examples(25, 300)
@given(sheet=sheets())
def test_the_mean_of_repeated_pairs(sheet: Sheet) -> None:
    reading = Reading(header="yes" if sheet.header else "no", duplicates="mean")
    data, account = read_ratings(sheet.content, "f.csv", reading).interactions()
    means = sheet.frame.groupby(["user", "item"])["rating"].mean()
    for user, item, rating in zip(data.users.index[data.rows], data.items.index[data.columns], data.ratings.data, strict=True):
        assert rating == pytest.approx(means[user, item], rel=1e-6, abs=1e-6)
    assert (account.kept, account.merged) == (len(means), len(sheet.frame) - len(means))
    again = sheet.frame.duplicated(["user", "item"]).tolist()
    if True in again:
        with pytest.raises(InputError, match=f"^Line {sheet.lines[again.index(True)]} of f.csv has a rating of item .* again"):
            read_ratings(sheet.content, "f.csv", reading.model_copy(update={"duplicates": "error"}))


BYTES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.text('12,;\t|: "\n\rabé.-', max_size=120).map(str.encode),
    st.builds(
        lambda start, rest: start + rest,
        st.sampled_from([b"PAR1", b"\x1f\x8b\x08", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"sep=;\n"]),
        st.binary(max_size=80),
    ),
)
READINGS = st.builds(
    Reading,
    implicit=st.booleans(),
    faulty=st.sampled_from(["refuse", "leave-out"]),
    duplicates=st.sampled_from(["last", "mean", "error"]),
    encoding=st.sampled_from(["auto", "utf-8", "utf-16-le", "utf-16-be", "windows-1252"]),
    separator=st.sampled_from(["auto", "comma", "semicolon", "tab", "bar", "blank", "colons"]),
    decimal=st.sampled_from(["auto", "point", "comma"]),
    header=st.sampled_from(["auto", "yes", "no"]),
    lowest=st.sampled_from([None, 1.0]),
    highest=st.sampled_from([None, 5.0]),
)


@examples(150, 1500)
@given(content=BYTES, reading=READINGS)
def test_any_bytes_end_well(content: bytes, reading: Reading) -> None:
    event(end(content, reading))


# Real files, damaged


FILES = {
    "ml-latest-small/ratings.csv": ",",
    "ml-latest-small/tags.csv": ",",
    "ml-latest-small/movies.csv": ",",
    "ml-100k/u.data": "\t",
    "ml-100k/u.user": "|",
    "ml-1m/users.dat": "::",
    "ml-1m/ratings.csv.gz": ",",
}
PART = 60_000
"""Bytes of a real file that are damaged at a time."""


def part_of(folder: Path, name: str) -> bytes:
    content = (folder / name).read_bytes()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    return content[: content.rfind(b"\n", 0, PART) + 1]


def flip(content: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice([1, 3, 30])):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


def insert(content: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice([1, 5])):
        at = dice.randrange(len(content))
        content[at:at] = dice.choice(
            [b'"', b"\0", b"\n", b"\r", b",", b";", b"\xff", b"\xc3", b"\x1f", b"\x85", b"::", b"\xef\xbb\xbf", b"  "]
        )
    return content


def shuffle(content: bytearray, dice: random.Random) -> bytearray:
    lines = content.splitlines(keepends=True)
    start = dice.choice([0, 1])
    lines[start:] = dice.sample(lines[start:], len(lines) - start)
    return bytearray(b"".join(lines))


def mix(content: bytearray, dice: random.Random) -> bytearray:
    lines = content.splitlines(keepends=True)
    for at in dice.sample(range(len(lines)), dice.choice([1, len(lines) // 3 or 1])):
        lines[at] = lines[at].replace(dice.choice([b",", b"\t", b"|", b"::", b"."]), dice.choice([b",", b";", b"\t", b"|", b"::", b" "]))
    return bytearray(b"".join(lines))


def recode(content: bytearray, dice: random.Random) -> bytearray:
    text = content.decode("latin-1")
    return bytearray(text.encode(dice.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "latin-1"])))


def cut(content: bytearray, dice: random.Random) -> bytearray:
    return content[dice.choice([0, dice.randrange(len(content))]) : dice.randrange(len(content)) + 1]


def double(content: bytearray, dice: random.Random) -> bytearray:
    return content + content[dice.randrange(len(content)) :]


WAYS = (flip, insert, shuffle, mix, recode, cut, double)


def lines_of(content: bytes) -> int | None:
    """How many lines are rows or names of columns; None where that is not plain to see."""
    if b'"' in content or b"\0" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    blank = [line for line in lines if line and not line.strip(b" \t\x0b\x0c\x1c\x1d\x1e\x1f")]
    return None if blank else sum(map(bool, lines))


@pytest.mark.data
@examples(30, 700)
@given(name=st.sampled_from(sorted(FILES)), ways=st.lists(st.sampled_from(WAYS), min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_a_damaged_real_file_ends_well(data_folder: Path, name: str, ways: list[Any], seed: int) -> None:
    dice, content = random.Random(seed), bytearray(part_of(data_folder, name))
    for way in ways:
        content = way(content, dice) or bytearray(b"\n")
    reading = Reading(faulty="leave-out", implicit="tags" in name, timestamp=None if "tags" in name or dice.random() < 0.5 else "")
    how = end(bytes(content), reading)
    event(how)
    if how.startswith("read") and (lines := lines_of(bytes(content))) is not None:
        seen = preview(bytes(content), "f.csv", reading)
        assert seen.account is not None
        assert seen.account.rows == lines - (seen.understood["First line"] == "column names")


@pytest.mark.data
@examples(20, 200)
@given(packed=st.booleans(), seed=st.integers(0, 2**32))
def test_a_damaged_gzip_or_parquet_file_ends_well(data_folder: Path, packed: bool, seed: int) -> None:
    dice = random.Random(seed)
    content = part_of(data_folder, "ml-latest-small/ratings.csv")
    if packed:
        whole = gzip.compress(content, mtime=0)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "r.parquet"
            read_ratings(content, "r.csv").frame.to_parquet(path)
            whole = path.read_bytes()
    event(end(bytes(dice.choice([flip, insert, cut])(bytearray(whole), dice))))


def archive_of(form: str) -> bytes:
    target = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("ratings.csv", "userId,movieId,rating,timestamp\n1,5,4.5,838985046\n2,5,3.0,838985047\n" * 20)
            packed.writestr("movies.csv", "movieId,title,genres\n5,Nixon (1995),Drama\n")
    else:
        with tarfile.open(fileobj=target, mode=form) as packed:  # type: ignore[call-overload]
            for film in range(1, 4):
                member, content = tarfile.TarInfo(f"training_set/mv_{film:07}.txt"), f"{film}:\n7,5,2005-09-06\n9,1,2005-09-07\n".encode()
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
    return target.getvalue()


PLACES = {
    "zip": "ml-latest-small.zip",
    "w:gz": "nf_prize_dataset.tar.gz",
    "w:xz": "nf_prize_dataset.tar.gz",
    "w": "nf_prize_dataset.tar.gz",
}


@examples(40, 600)
@given(form=st.sampled_from(sorted(PLACES)), way=st.sampled_from([flip, insert, cut, double]), seed=st.integers(0, 2**32))
def test_a_damaged_archive_ends_well(form: str, way: Any, seed: int) -> None:
    content = bytes(way(bytearray(archive_of(form)), random.Random(seed)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PLACES[form]).write_bytes(content)
        with mock.patch.dict(os.environ, {"ENCORE_HOME": f"{folder}/home", "ENCORE_DATA": folder}):
            try:
                data = load(DatasetConfig(name="ml-latest-small" if form == "zip" else "netflix"))
            except InputError as error:
                event("refused")
                assert "\n" not in str(error)
            else:
                event("read")
                assert np.isfinite(data.ratings.data).all()
