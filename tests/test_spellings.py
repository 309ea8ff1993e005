"""How people and programs write letters, numbers and dates, each way with its known answer, and what cannot be told apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from engine.datasets import encodings
from engine.datasets.dates import day_of
from engine.datasets.decimals import numbers
from engine.datasets.times import times
from tests.sheets import read, refused, table

PLAIN = "user,item,rating\nZoë,Amélie,4\nJörg,Caché,3\n"


# Encodings


@pytest.mark.parametrize(
    ("encoding", "mark", "title"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", b"\xef\xbb\xbf", "UTF-8 with a byte order mark"),
        ("utf-8", b"\xef\xbb\xbf\xef\xbb\xbf", "UTF-8 with a byte order mark"),
        ("latin-1", b"", "Windows-1252 (Latin-1)"),
        ("utf-16-le", b"", "UTF-16 LE"),
        ("utf-16-be", b"", "UTF-16 BE"),
        ("utf-16-le", b"\xff\xfe", "UTF-16 LE with a byte order mark"),
        ("utf-16-be", b"\xfe\xff", "UTF-16 BE with a byte order mark"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings(encoding: str, mark: bytes, title: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "PIECE", 7)
    found = read(mark + PLAIN.replace("\n", end).encode(encoding))
    assert found.frame.to_numpy().tolist() == [["Zoë", "Amélie", 4.0], ["Jörg", "Caché", 3.0]]
    assert found.understood["Encoding"] == title


def test_the_euro_sign_is_windows_own() -> None:
    assert read("user,item,rating\nü,5 €,4\n".encode("cp1252")).frame["item"].tolist() == ["5 €"]
    assert read("user,item,rating\nü,5 €,4\n".encode(), encoding="windows-1252").frame["item"].tolist() == ["5 â‚¬"]


@pytest.mark.parametrize(
    ("content", "told", "sentence"),
    [
        (
            PLAIN.encode() * 3 + b"\r\nJ\xf6rg,Ran,1\n",
            "auto",
            "Line 11 of r.csv is not UTF-8, while other lines are; save the file again as UTF-8",
        ),
        (
            PLAIN.encode("latin-1"),
            "utf-8",
            "Line 2 of r.csv is not UTF-8; save the file again as UTF-8, or name its encoding (dataset.encoding)",
        ),
        (b"user,item,rating\n\x81,\xff,4\n", "auto", "Line 2 of r.csv is not Windows-1252"),
        (PLAIN.encode("utf-16-le")[:-1], "auto", "Line 3 of r.csv is not UTF-16 LE"),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le") + b"\x00\xd8" + "a\n".encode("utf-16-le"), "auto", "Line 2 of r.csv is not UTF-16 LE"),
        (PLAIN.encode() * 200 + b"a,\0,3\n", "auto", "Line 601 of r.csv holds a NUL character"),
        (b"\x01\x00\x00\x02\x00\x00" * 50, "auto", "r.csv is neither text nor Parquet"),
    ],
)
def test_what_is_no_text(content: bytes, told: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "PIECE", 11)
    assert refused(content, encoding=told).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "an Excel workbook; open it, choose 'Save as' and then 'CSV UTF-8'"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "a workbook of an older Excel"),
        (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "a spreadsheet of LibreOffice"),
        (b"PK\x05\x06" + bytes(18), "a zip archive; unpack it"),
        (b"\x80\x04\x95\x0b\x00", "a pickle, which runs code when it is opened"),
        (b"SQLite format 3\x00", "a database of SQLite; export its ratings as CSV"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b'[{"user": 1}]', "JSON; export"),
        (b"7z\xbc\xaf\x27\x1c", "packed as 7z; unpack it"),
    ],
)
def test_other_files_are_named(content: bytes, what: str) -> None:
    assert refused(content).startswith(f"r.csv is {what}")


# Numbers


@pytest.mark.parametrize(
    ("written", "read_as", "sign"),
    [
        (["3", "4"], [3, 4], None),
        (["3.5", "4"], [3.5, 4], "."),
        (["3,5", "4"], [3.5, 4], ","),
        (["1,234.5", "3"], [1234.5, 3], "."),
        (["1.234,5", "3"], [1234.5, 3], ","),
        (["1,234,567"], [1234567], "."),
        (["1.234.567"], [1234567], ","),
        (["1 234,5", "1'234,5", "1\u202f234"], [1234.5, 1234.5, 1234], ","),
        (["0,125", "2,125"], [0.125, 2.125], ","),
        (["1,234", "3,5"], [1.234, 3.5], ","),
        (["1,234", "3.5"], [1234, 3.5], "."),
        (["−3", "+4", ".5", "5.", "1e2", "1.5E-1"], [-3, 4, 0.5, 5, 100, 0.15], "."),
        (["-10", "10,00"], [-10, 10], ","),
        (["3,5", "3.5", "2.5"], [np.nan, 3.5, 2.5], "."),
        (["", "good", "1_0", "٣", "0x1", "1,2,3", "3-4", "5/5", "4 stars"], [np.nan] * 9, None),
    ],
)
def test_numbers(written: list[str], read_as: list[float], sign: str | None) -> None:
    found = numbers(pa.array(written))
    assert np.array_equal(found.values, read_as, equal_nan=True) and found.sign == sign and found.unclear is None
    assert found.good.tolist() == (~np.isnan(read_as)).tolist()


def test_numbers_that_are_not_finite() -> None:
    found = numbers(pa.array(["nan", "-Inf", "infinity", "1e999", "9" * 400]))
    assert found.good.all() and not np.isfinite(found.values).any()


def test_numbers_that_may_be_two() -> None:
    assert numbers(pa.array(["1,234"])).unclear == "1,234"
    assert numbers(pa.array(["3", "1.234"])).unclear is None, "programs write three digits too"
    assert numbers(pa.array(["3", "1.234"]), usual=None).unclear == "1.234"
    assert numbers(pa.array(["1.234", "1,234"]), ",").values.tolist() == [1234, 1.234]
    semicolons = "user;item;rating\n1;2;1.234\n1;3;5\n"
    assert (
        refused(semicolons)
        == "The rating '1.234' in r.csv is either 1234 or 1.234; say which sign is decimal (dataset.decimal = point or comma)."
    )
    assert read(semicolons, decimal="comma").frame["rating"].tolist() == [1234, 5]
    assert read(semicolons, decimal="point").frame["rating"].tolist() == [1.234, 5]
    assert read(semicolons.replace(";", ",")).frame["rating"].tolist() == [1.234, 5]


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [(("0", "0.5", "5"), (0, 5)), (("-10", "10", "9.75"), (-10, 10)), (("4", "4", "4"), (4, 4)), (("0", "0", "1"), (0, 1))],
)
def test_scales(ratings: tuple[str, ...], scale: tuple[float, float]) -> None:
    data, account = read("user,item,rating\n" + "".join(f"a,{item},{rating}\n" for item, rating in enumerate(ratings))).interactions()
    assert (data.scale, data.ratings.data.tolist()) == (scale, [float(rating) for rating in ratings])
    assert str(account) == "3 rows = 3 ratings"


# Times

LAST_DAY = 1609372800


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (["1609372800", "1609372800.9"], "seconds since 1970"),
        (["1609372800999"], "milliseconds since 1970"),
        (["1609372800999999"], "microseconds since 1970"),
        (["1609372800999999999"], "nanoseconds since 1970"),
        (["20201231"], "days such as 20201231"),
        (["2020-12-31", "2020-12-31T01:00+01:00", "2020-12-31 00:00:00.9Z"], "dates such as 2020-12-31"),
        (["31.12.2020", "31.12.20", "31.12.2020 00:00", "31.12.2020, 00:00:00"], "dates such as 31.12.2020"),
        (["31/12/2020", "31/12/2020 0:00:00 UTC"], "dates such as 31/12/2020"),
        (["12/31/2020", "12/31/2020 12:00:00 AM", "12/31/20"], "dates such as 12/31/2020"),
        (["31-12-2020"], "dates such as 31/12/2020"),
        (["2020/12/31 00:00"], "dates such as 2020-12-31"),
        (["Dec 31, 2020"], "dates such as Dec 31, 2020"),
        (["31 December 2020"], "dates such as 31 December 2020"),
        (["12 31, 2020"], "dates such as 12 31, 2020"),
        (["Thu, 31 Dec 2020 01:00:00 +0100"], "dates such as Thu, 31 Dec 2020 00:00:00 +0000"),
        (["Thu Dec 31 00:00:00 +0000 2020"], "dates such as Thu Dec 31 00:00:00 +0000 2020"),
    ],
)
def test_moments(written: list[str], kind: str) -> None:
    found = times(pa.chunked_array([written]))
    assert found is not None and found.seconds.tolist() == [LAST_DAY] * len(written) and found.known.all()
    assert (found.kind, found.unclear) == (kind, None)


@pytest.mark.parametrize(
    "written", ["last spring", "", "13/13/2020", "31.02.2020", "20-12-31", "1/13/2020 25:00", "9999-12-31", "1066-10-14", "1e20"]
)
def test_what_is_no_moment(written: str) -> None:
    found = times(pa.chunked_array([[written, written]]))
    assert found is not None and not found.known.any()


def test_a_day_that_may_be_two() -> None:
    content = "user,item,rating,date\n1,2,3,01/02/2020\n1,3,4,03/03/2020\n"
    assert refused(content).startswith("The date '01/02/2020' in r.csv does not tell whether its day or its month comes first; write")
    assert read(content, timestamp="").understood.get("Times") is None
    assert read(content + "1,4,4,13/02/2020\n").frame["timestamp"].tolist() == [1580515200, 1583193600, 1581552000]
    assert read(content + "1,4,4,02/13/2020\n").frame["timestamp"].tolist() == [1577923200, 1583193600, 1581552000]
    assert read(content.replace("/", ".")).frame["timestamp"].tolist() == [1580515200, 1583193600]


def test_days_of_the_calendar() -> None:
    days = day_of(np.array([2020, 2021, 2000, 2020, 0, 2020]), np.array([2, 2, 2, 13, 1, 4]), np.array([29, 29, 29, 1, 1, 31]))
    assert [str(day) for day in days] == ["2020-02-29", "NaT", "2000-02-29", "NaT", "NaT", "NaT"]


def test_moments_of_parquet() -> None:
    ids = {"user": pa.array([1, 2]), "item": pa.array([1, 2]), "rating": pa.array([1, 2])}
    for values in (
        pa.array([LAST_DAY, 0], pa.timestamp("s")),
        pa.array([LAST_DAY * 10**9 + 5, 5], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([LAST_DAY // 86400, 0], pa.date32()),
        pa.array([float(LAST_DAY), 0.5]),
        pa.array(["2020-12-31", "1970-01-01"]).dictionary_encode(),
    ):
        assert read(table(**ids, date=values)).frame["timestamp"].tolist() == [LAST_DAY, 0]
    assert "The timestamp column 'date' of r.csv holds time32[ms]; it needs" in refused(
        table(**ids, date=pa.array([1, 2], pa.time32("ms")))
    )
