"""Tables of ratings as they are laid out, and what becomes of each of their rows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.datasets import DatasetConfig, Reading, load, preview
from engine.datasets import parquet as parquet_files
from tests.sheets import read, refused, table

# Layouts


def test_blanks_line_columns_up() -> None:
    found = read("7     30  3,5\n  1100  2   4   \n")
    assert found.frame.to_numpy().tolist() == [[7, 30, 3.5], [1100, 2, 4]] and found.understood["Separator"] == "blanks"


def test_what_excel_writes_first() -> None:
    found = read("sep=;\r\nuser;item;rating\r\n1;2;3\r\n1;3;x\r\n", faulty="leave-out")
    assert found.frame["item"].tolist() == [2] and list(found.account.examples) == ["4"]


def test_the_first_line() -> None:
    rows = "1,2,3.5,0,x\n3,4,5.0,0,y\n"
    assert preview(rows.encode()).columns == ["column 1", "column 2", "column 3", "column 4", "column 5"]
    found = read(rows, user="column 1", item="column 2", rating="column 3")
    assert len(found.frame) == 2 and found.understood["First line"] == "a rating: there are no column names"
    assert len(read(rows, header="yes", user="1", item="2", rating="3.5").frame) == 1
    assert read("ann,ran\nbob,ikiru\n", header="no", implicit=True).frame["item"].tolist() == ["ran", "ikiru"]
    assert refused("Ratings of May\n\nuser,item,rating\n1,2,3\n1,3,4\n").startswith("Line 1 of r.csv has 1 field where most lines have 3;")


def test_ids_keep_their_kind() -> None:
    found = read("user,item,rating\n-5, 12345678901234567890,1\n 7 ,3,2\n").frame
    assert found["user"].tolist() == [-5, 7] and found["item"].tolist() == ["12345678901234567890", "3"]
    gaps = read(table(user=pa.array([1.0, None]), item=pa.array([0.5, 1.0]), rating=pa.array([1, 2])), faulty="leave-out")
    assert gaps.frame["user"].tolist() == [1] and gaps.account.left_out == {"without a user": 1} and gaps.frame["item"].tolist() == ["0.5"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('u,i,r,note\n1,2,3,"open\n1,3,4,b\n', "Line 2 of r.csv opens a quotation mark that is never closed"),
        ('u,i,r,note\n1,2,3,"open\n1,3,4,b\n2,3,4,"c\n', "Line 2 of r.csv opens a quotation mark that is closed on line 4 only"),
        ('u,t,i,r\n1,"A,7,3\n2,"B,8,4\n', "Line 2 of r.csv opens a quotation mark that is closed on line 3 only"),
        ('u,i,r,note\n1,2,3,"' + "long\n" * 60_000 + '"\n', "r.csv has a field of many pages after line"),
    ],
)
def test_open_quotation_marks_swallow_nothing(content: str, sentence: str) -> None:
    assert refused(content, user="u", item="i", rating="r").startswith(sentence)


def test_long_notes_are_no_open_quotation_marks() -> None:
    content = 'user,item,rating,note\n1,2,3,"good,\n1 of them, all, in all"\n1,3,4,\n1,,4,"two\nlines"\n'
    found = read(content, faulty="leave-out")
    assert found.frame["item"].tolist() == [2, 3] and found.account.examples == {"6": "has no item"}


# What becomes of rows

REPEATED = "user,item,rating,time\na,x,1,30\na,x,5,10\nb,x,3,10\na,x,3,20\nb,y,2,5\nb,y,4,5\n"


def test_pairs_rated_again() -> None:
    last, account = read(REPEATED).interactions()
    assert last.ratings.toarray().tolist() == [[1, 0], [3, 4]]
    assert str(account) == "6 rows = 3 ratings + 3 of a pair that came before (the latest counts)"
    mean, account = read(REPEATED, duplicates="mean").interactions()
    assert mean.ratings.toarray().tolist() == [[3, 0], [3, 3]] and (account.rule, account.merged, mean.duplicates) == ("mean", 3, 3)
    assert mean.timestamps is not None and mean.timestamps.tolist() == [30, 10, 5]
    sentence = "Line 3 of r.csv has a rating of item 'x' by user 'a' again, after line 2 (3 rows repeat a pair); remove one of them"
    assert refused(REPEATED, duplicates="error").startswith(sentence)
    seen = preview(REPEATED.encode(), "r.csv", Reading(duplicates="error"))
    assert seen.problem is not None and seen.problem.startswith(sentence) and not seen.faulty


def test_ratings_off_the_declared_scale() -> None:
    content = "user,item,rating\n1,2,3\n1,3,5.5\n1,4,0\n1,5,4\n"
    assert refused(content, lowest=1, highest=5).startswith("Line 3 of r.csv has the rating 5.5, which is off the scale of 1 to 5; correct")
    assert "off the scale of up to 5;" in refused(content, highest=5)
    data, account = read(content, lowest=1, highest=5, faulty="leave-out").interactions()
    assert (data.scale, data.left_out, account.left_out) == ((1, 5), 2, {"with a rating off the scale": 2})
    for one in ({"lowest": 5, "highest": 5}, {"lowest": float("nan")}):
        with pytest.raises(ValueError, match="lowest"):
            Reading.model_validate(one)


def test_where_no_row_can_be_used() -> None:
    content = b"user,item,rating\n1,2,x\n1,3,y\n"
    for faulty in ("refuse", "leave-out"):
        assert refused(content, faulty=faulty).endswith(
            "not a number such as 3.5, and none of the 2 rows can be used; correct or remove it."
        )
    seen = preview(content, "r.csv", Reading(faulty="leave-out"))
    assert seen.problem is not None and seen.account is not None and seen.account.kept == 0


def test_what_may_surprise() -> None:
    seen = preview(b"user,item,rating,time\n1,2,4,7\n1,3,4,8\n")
    assert [remark[:24] for remark in seen.remarks] == ["There is one user only: ", "All ratings are 4, so th", "All times fall into 1970"]
    assert seen.problem is None and seen.span == (7, 8)


def test_a_file_by_path_tells_what_became_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("user,item,rating\n1,2,3\n1,2,4\n1,3,\n")
    told: list[str] = []
    data = load(DatasetConfig(name=str(path), faulty="leave-out"), told.append)
    assert told == [
        "Reading mine.csv",
        "mine.csv: 3 rows = 1 rating + 1 of a pair that came before (the latest counts) + 1 unusable (1 without a rating)",
    ]
    assert (data.duplicates, data.left_out) == (1, 1)


# Files that claim too much


def test_a_parquet_file_of_countless_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "ALWAYS_ROWS", 10)
    same = pa.DictionaryArray.from_arrays(np.zeros(10**6, np.int32), ["a"])
    assert "claims 1,000,000 rows, more than can be read" in refused(table(user=same, item=same, rating=pa.array(np.ones(10**6))))


def test_a_parquet_file_of_endless_texts() -> None:
    many = pa.DictionaryArray.from_arrays(np.zeros(10**5, np.int32), ["a" * 10**5])
    content = table(user=many, item=many, rating=pa.array(np.ones(10**5)))
    assert len(content) < 10**6
    assert refused(content) == "r.csv has texts of 100,000 letters for 100,000 rows; shorten them."


def test_two_columns_of_one_name_in_parquet() -> None:
    target = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([1])], names=["user", "user"]), target)
    assert refused(target.getvalue()) == "r.csv has two columns named 'user'; rename one."


def test_categories_that_stand_for_no_row() -> None:
    frame = pd.DataFrame({"user": pd.Categorical([1, 2]), "item": pd.Categorical(["7", "8"], ["7", "8", "nine"]), "rating": [3, 4]})
    target = io.BytesIO()
    frame.to_parquet(target)
    assert read(target.getvalue()).frame["item"].tolist() == [7, 8]
