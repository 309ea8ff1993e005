"""A person's own ratings files: what is understood, what is refused and with which sentence."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import settings as places
from engine.datasets import Account, DatasetConfig, Reading, available, listing, load, preview, save_upload, uploads
from engine.datasets.table import read_ratings
from engine.datasets.uploads import damaged_uploads
from engine.disk import taken
from engine.errors import InputError

EXPECTED = [["7", "30", 4.0], ["11", "2", 3.5]]
GUESS_ALL = Reading()


def read_table(source: Path | bytes, filename: str | None = None, reading: Reading = GUESS_ALL) -> pd.DataFrame:
    return read_ratings(source, filename, reading).frame


def rows(content: bytes, filename: str = "r.csv", reading: Reading = GUESS_ALL) -> list[list[object]]:
    frame = read_table(content, filename, reading)
    return [[str(user), str(item), rating] for user, item, rating in zip(frame["user"], frame["item"], frame["rating"], strict=True)]


@pytest.mark.parametrize(
    "content",
    [
        b"userId,movieId,rating\n7,30,4.0\n11,2,3.5\n",
        b"\xef\xbb\xbfUser_ID;Item-Id;Score\r\n7;30;4\r\n11;2;3.5",
        b"rating\tASIN\tnote\tuser\n4\t30\tso, so\t7\n3.5\t2\t\t11\n",
        b"7::30::4::978300760\n11::2::3.5::978300761\n",
        b"7\t30\t4\n11\t2\t3.5\n",
        b"7 30 4\n11 2 3.5\n",
        b"\n\nuser|item|rating\n\n7|30|+4\n11|2|3.5 \n",
        b'"user","title","item","stars"\n7,"One, or\nTwo",30,4\n11,"",2,3.5\n',
        gzip.compress(b"user,item,rating\n7,30,4\n11,2,3.5\n", mtime=0),
    ],
    ids=["plain", "excel", "tabs", "double-colon", "no-header", "blanks", "bars", "quotes", "gzip"],
)
def test_layouts(content: bytes) -> None:
    assert rows(content) == EXPECTED


def parquet(frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.to_parquet(target)
    return target.getvalue()


def test_parquet_types() -> None:
    frame = pd.DataFrame(
        {
            "user": pd.Categorical(["ann", "bob"]),
            "movie": [30.0, 2.0],
            "rating": ["4", "3.5"],
            "date": pd.to_datetime(["2020-01-01", "2020-01-02"]),
        }
    )
    read = read_table(parquet(frame), "r.parquet")
    assert read["user"].tolist() == ["ann", "bob"] and read["item"].tolist() == [30, 2] and read["rating"].tolist() == [4, 3.5]
    assert read["timestamp"].tolist() == [1577836800, 1577923200]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("978300760", 978300760),
        ("978300760.9", 978300760),
        ("1577836800123", 1577836800),
        ("1577836800123456", 1577836800),
        ("1577836800123456789", 1577836800),
        ("2020-01-01", 1577836800),
        ("2020-01-01T01:00:00+01:00", 1577836800),
        ("2020-01-01 00:00:05Z", 1577836805),
    ],
)
def test_times(written: str, seconds: int) -> None:
    frame = read_table(f"user,item,rating,time\n1,2,3,{written}\n".encode())
    assert frame["timestamp"].tolist() == [seconds] and frame["timestamp"].dtype == np.int64


def test_times_are_optional() -> None:
    content = b"user,item,rating,date\n1,2,3,last spring\n"
    assert "timestamp" not in read_table(content, reading=Reading(timestamp=""))
    with pytest.raises(InputError, match=r"Line 2 of x has the time 'last spring', which is neither .*dataset.timestamp=''"):
        read_table(content, "x")


def test_ids_keep_their_spelling() -> None:
    # A leading zero makes an id of text: 007 and 7 are two items.
    frame = read_table(b"user,item,rating\n1,007,3\n2,7,4\n10,x,5\n")
    assert frame["item"].tolist() == ["007", "7", "x"] and frame["user"].tolist() == [1, 2, 10]
    assert read_table(b"user,item,rating\nNA,null,3\n")[["user", "item"]].to_numpy().tolist() == [["NA", "null"]]


def test_chosen_columns_win() -> None:
    content = b"user,buyer,item,rating,liked\n1,7,30,0,4\n2,11,2,0,3.5\n"
    assert rows(content, reading=Reading(user="buyer", rating="liked")) == EXPECTED


def test_pairs_without_ratings(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("7\t30\n11\t2\n7\t30\n")
    with pytest.raises(InputError, match=r"pairs.tsv has no rating column .* or set dataset.implicit"):
        load(DatasetConfig(name=str(path)))
    data = load(DatasetConfig(name=str(path), implicit=True))
    assert (data.ratings.toarray().tolist(), data.scale, data.duplicates) == ([[0, 1], [1, 0]], (0, 1), 1)


REFUSED = [
    (b"", "r.csv is empty"),
    (b" \n\n", "r.csv is empty"),
    (b"user,item,rating\n", "r.csv has column names but no ratings below them"),
    (b"rating\n3\n", "r.csv has a single column"),
    (b"who,item,rating\n1,2,3\n", r"no user column .*its columns are: who, item, rating\); name it as dataset.user"),
    (b"user,what,rating\n1,2,3\n", "no item column"),
    (b"user,item,verdict\n1,2,3\n", "no rating column .* dataset.implicit"),
    (b"user,item,user\n1,2,3\n", "Line 1 of r.csv names two columns 'user'"),
    (b"user,item,rating\n1,2,3\n\n1,4,good\n", "Line 4 of r.csv has the rating 'good', which is not a number"),
    (b'user,item,rating\n"a\nb",2,3\n1,4,3.5\n', "Line 3 of r.csv has a line break or another control character in its user"),
    (b'user,item,rating\n1,2,3.5\n1,3,2.5\n1,4,"3,5"\n', "Line 4 of r.csv has the rating '3,5', which is not a number such as 3.5"),
    (b"user,item,rating\n1,2,nan\n", "Line 2 of r.csv has the rating 'nan', which is not a finite number"),
    (b"user,item,rating\n1,2,3\n1,3,-inf\n", "Line 3 of r.csv has the rating '-inf'"),
    (b"user,item,rating\n1,2,1e39\n", "not a finite number"),
    (b"user,item,rating\n1,2,\n", "Line 2 of r.csv has no rating"),
    (b"user,item,rating\n1,,3\n", "Line 2 of r.csv has no item"),
    (b"user,item,rating\n1,2,3\n1,2,3,4\n", "Line 3 of r.csv has 4 fields where the first line has 3"),
    (b"user,item,rating\n1,2,3\n1,2\n", "Line 3 of r.csv has 2 fields where the first line has 3"),
    (b"user,item,rating\nJos\xc3\xa9,2,3\nRen\xc3\xa9,2,3\nJos\xe9,2,3\n", "Line 4 of r.csv is not UTF-8, while other lines are; save"),
    (b"PK\x03\x04\x00\x00\x00", "r.csv is a zip archive; unpack it"),
    (b"PAR1 and then nothing", "r.csv is a damaged Parquet file"),
    (gzip.compress(b"user,item,rating\n1,2,3\n", mtime=0)[:-9], "r.csv is a damaged gzip file"),
    (parquet(pd.DataFrame({"user": [1], "item": [[1, 2]], "rating": [3]})), "The item column 'item' of r.csv holds list"),
    (parquet(pd.DataFrame({"user": [1, None], "item": [1, 2], "rating": [3, 4]})), "Row 2 of r.csv has no user"),
    (parquet(pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [3, None]})), "Row 2 of r.csv has no rating"),
    (parquet(pd.DataFrame({"user": [], "item": [], "rating": []})), "no ratings below them"),
]


@pytest.mark.parametrize(("content", "sentence"), REFUSED)
def test_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_table(content, "r.csv")
    text = str(caught.value)
    assert text.endswith((".", "'::'.")) and "\n" not in text and "Error" not in text


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none.csv; check the path\."):
        load(DatasetConfig(name=str(tmp_path / "none.csv")))
    with pytest.raises(InputError, match="is a folder"):
        load(DatasetConfig(name=str(tmp_path)))
    with pytest.raises(InputError, match="no column 'stars' for the rating; its columns are: user, item, score"):
        read_table(b"user,item,score\n1,2,3\n", reading=Reading(rating="stars"))


def _is_id(text: str) -> bool:
    return bool(text) and "::" not in text


IDS = st.one_of(
    st.lists(st.integers(-(10**17), 10**17), min_size=3, max_size=30, unique=True),
    # Blanks around an id are no part of it.
    st.lists(st.text("abcXYZ é,;|\"'_:0", min_size=1, max_size=6).map(str.strip).filter(_is_id), min_size=3, max_size=30, unique=True),
)


@settings(max_examples=60, deadline=None)
@given(users=IDS, items=IDS, seed=st.integers(0, 2**32 - 1), timed=st.booleans())
def test_what_is_written_is_read(users: list[object], items: list[object], seed: int, timed: bool) -> None:
    draw = np.random.default_rng(seed)
    size = min(len(users), len(items))
    frame = pd.DataFrame({"user": users[:size], "item": items[:size], "rating": draw.normal(3, 1, size)})
    if timed:
        frame["timestamp"] = draw.integers(0, 2**31, size)
    for content in (
        frame.to_csv(index=False).encode(),
        frame.to_csv(index=False, sep="\t").encode(),
        gzip.compress(frame.to_csv(index=False, sep=";").encode()),
        parquet(frame),
    ):
        read = read_table(content)
        assert read["user"].astype(str).tolist() == [str(user) for user in users[:size]]
        assert read["item"].astype(str).tolist() == [str(item) for item in items[:size]]
        assert read["rating"].tolist() == frame["rating"].tolist()
        assert list(read.columns) == list(frame.columns)
        if timed:
            assert read["timestamp"].tolist() == frame["timestamp"].tolist()


def test_preview_of_a_file_understood() -> None:
    seen = preview(b"userId,movieId,rating,note\n1,10,4.5,x\n1,20,2,y\n2,10,3,z\n", "mine.csv")
    assert seen.understood == {"Encoding": "UTF-8", "Separator": "commas", "First line": "column names", "Decimal sign": "point"}
    assert seen.columns == ["userId", "movieId", "rating", "note"]
    assert seen.mapping == {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": None}
    assert (str(seen.account), seen.users, seen.items, seen.scale, seen.problem) == ("3 rows = 3 ratings", 2, 2, (2.0, 4.5), None)
    assert seen.head["note"].tolist() == ["x", "y", "z"]


def test_preview_of_a_file_not_understood_yet() -> None:
    seen = preview(b"who,what,verdict\n1,10,4.5\n", "mine.csv")
    assert seen.mapping == dict.fromkeys(("user", "item", "rating", "timestamp"))
    assert seen.problem is not None and seen.problem.startswith("mine.csv has no user column")
    mapped = preview(b"who,what,verdict\n1,10,4.5\n", "mine.csv", Reading(user="who", item="what", rating="verdict"))
    assert (mapped.problem, mapped.users) == (None, 1)
    with pytest.raises(InputError, match=r"mine.csv is empty"):
        preview(b"", "mine.csv")


def test_uploads(tmp_path: Path) -> None:
    content = b"user,item,rating,time\n2,10,4,978300760\n11,10,3,978300761\n2,9,5,978300762\n"
    name = save_upload("C:\\films\\My Films (2).csv", content)
    assert name == "upload:my-films-2" and available(name)
    data = load(DatasetConfig(name=name))
    assert (data.name, data.scale) == ("My Films (2).csv", (3, 5))
    assert data.ratings.toarray().tolist() == [[5, 4], [0, 3]] and list(data.users.index) == ["2", "11"]
    assert data.timestamps is not None and data.timestamps.tolist() == [978300762, 978300760, 978300761]
    assert save_upload("My Films (2).csv", content) == name
    other = save_upload("../../My films (2).csv", content, Reading(timestamp=""))
    assert other == "upload:my-films-2-2" and load(DatasetConfig(name=other)).timestamps is None
    assert {upload.name for upload in uploads()} == {name, other}
    entry = listing()[-1]
    assert (entry.n_users, entry.n_items, entry.n_ratings) == (2, 2, 3)
    with pytest.raises(InputError, match="Did you mean 'upload:my-films-2'"):
        load(DatasetConfig(name="upload:my-film"))
    # Everything lies below the home of this test.
    assert {path.parent.name for path in tmp_path.rglob("ratings.parquet")} == {"my-films-2", "my-films-2-2"}


def test_a_refused_upload_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bad.csv has the rating 'x'"):
        save_upload("bad.csv", b"user,item,rating\n1,2,x\n")
    assert uploads() == [] and not list(tmp_path.rglob("*.parquet"))


def test_an_upload_of_pairs() -> None:
    name = save_upload("pairs.csv", b"user,item\n1,2\n", Reading(implicit=True))
    assert load(DatasetConfig(name=name)).scale == (0, 1)


def test_an_upload_of_a_former_version_is_still_read(tmp_path: Path) -> None:
    name = save_upload("pairs.csv", b"user,item\n1,2\n1,3\n1,3\n", Reading(implicit=True))
    about = tmp_path / "home" / "datasets" / "uploads" / "pairs" / "about.json"
    stored = json.loads(about.read_text())
    assert Account(**stored["account"]) == Account(rows=3, kept=2, merged=1)
    former = {key: value for key, value in stored.items() if key not in ("scale", "account", "checksum", "sha256")} | {"implicit": True}
    about.write_text(json.dumps(former))
    assert uploads()[0].account is None and load(DatasetConfig(name=name)).scale == (0, 1)
    about.write_text(json.dumps(former | {"implicit": False}))
    assert load(DatasetConfig(name=name)).scale == (1, 1)


@pytest.mark.parametrize("file", ["about.json", "ratings.parquet"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"title": 3}', b"PAR1\x00PAR1"])
def test_a_damaged_upload_is_told_and_harms_no_other(file: str, content: bytes, tmp_path: Path) -> None:
    good, bad = (save_upload(f"{name}.csv", f"user,item,rating\n1,2,{rating}\n".encode()) for name, rating in (("good", 1), ("bad", 2)))
    (tmp_path / "home" / "datasets" / "uploads" / "bad" / file).write_bytes(content)
    with pytest.raises(InputError, match=r"What was kept of the upload 'upload:bad' is damaged; upload its file again\."):
        load(DatasetConfig(name=bad))
    assert load(DatasetConfig(name=good)).n_ratings == 1 and good in {upload.name for upload in uploads()}


@pytest.mark.parametrize("summed", [True, False])
def test_a_damaged_upload_is_mended_by_uploading_its_file_again(summed: bool, tmp_path: Path) -> None:
    content = b"user,item,rating\n1,2,3\n1,3,4\n"
    name, folder = save_upload("mine.csv", content), tmp_path / "home" / "datasets" / "uploads" / "mine"
    if not summed:
        stored = json.loads((folder / "about.json").read_text())
        former = {key: value for key, value in stored.items() if key not in ("account", "checksum", "sha256")}
        (folder / "about.json").write_text(json.dumps(former))
    (folder / "ratings.parquet").write_bytes(b"PAR1 and no more")
    assert [*damaged_uploads(places.settings())] == [name]
    assert save_upload("mine.csv", content) == name and load(DatasetConfig(name=name)).n_ratings == 2
    assert not damaged_uploads(places.settings()) and [*folder.parent.iterdir()] == [folder]


def test_two_uploads_of_one_name_at_once_get_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    rename, names = Path.rename, []

    def overtaken(draft: Path, folder: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        names.append(save_upload("mine.csv", b"user,item,rating\n1,2,3\n"))
        return rename(draft, folder)

    monkeypatch.setattr(Path, "rename", overtaken)
    names.append(save_upload("mine.csv", b"user,item,rating\n1,2,3\n1,3,4\n"))
    assert names == ["upload:mine", "upload:mine-2"] and [load(DatasetConfig(name=name)).n_ratings for name in names] == [1, 2]


def test_an_upload_counts_once_under_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_upload("first.csv", b"user,item,rating\n1,2,3\n")
    one = taken(tmp_path / "home")
    monkeypatch.setenv("ENCORE_QUOTA", str(2.5 * one / 1e9))
    assert save_upload("second.csv", b"user,item,rating\n1,2,4\n") == "upload:second"
    with pytest.raises(InputError, match=r"^This upload needs about \d+ kB, and Encore's folder holds"):
        save_upload("third.csv", b"user,item,rating\n1,2,5\n")
    assert {upload.name for upload in uploads()} == {"upload:first", "upload:second"}
