"""The Data page in a simulated browser: every tab, uploads good and bad, links that do not fit, a failed download."""

from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import datasets
from engine.errors import InputError
from tests.visits import visited

ROOT = Path(__file__).parents[1]
CSV = b"userId,movieId,rating,timestamp\n" + b"".join(
    f"{user},{item},{1 + (user * item) % 5},{1_000_000_000 + user * 86400 + item}\n".encode() for user in range(12) for item in range(9)
)


pytestmark = pytest.mark.usefixtures("no_daemon")


def visit(**query: str) -> AppTest:
    return visited("pages/data.py", **query)


def said(page: AppTest) -> str:
    return "\n".join(
        str(one.value) for one in [*page.markdown, *page.caption, *page.subheader, *page.header, *page.info, *page.warning, *page.error]
    )


def test_generated_data_show_their_noise_floor():
    page = visit()
    text = said(page)
    assert not page.error
    for expected in ("230,264", "noise floor", "0.6994", "How people rate", "Ratings per item", "Ratings per user", "Ratings over time"):
        assert expected in text


def test_data_without_timestamps_say_so():
    text = said(visit(data_name="toy"))
    assert "no timestamps" in text
    assert "45" in text
    assert "25 %" in text  # of the 180 cells


def test_items_are_found_by_title():
    page = visit(data_name="toy", data_tab="Items")
    assert len(page.dataframe[0].value) == 10
    page.text_input(key="data_search").set_value("item 7").run()
    assert page.dataframe[0].value["title"].tolist() == ["Item 7"]


@pytest.mark.parametrize("kind", ["random", "stratified", "kfold", "time", "windows", "last", "leave-last", "users"])
def test_every_split_is_shown(kind):
    page = visit(data_tab="See the split", data_split=kind)
    assert not page.error
    assert "The parts over time" in said(page)
    assert ("leaks time" in said(page)) == (kind in ("last", "leave-last"))
    assert page.selectbox(key="data_split").value == kind


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("time", "toy has no timestamps"), ("predefined", "came without a test file"), ("users", "leaves no validation pairs")],
)
def test_an_impossible_split_is_a_sentence(kind, sentence):
    page = visit(data_name="toy", data_tab="See the split", data_split=kind)
    assert [sentence in one.value for one in page.error] == [True]


def test_a_number_out_of_bounds_is_answered_in_a_sentence():
    page = visit(data_tab="See the split", data_split="kfold")
    folds = next(control for control in page.number_input if control.label == "Folds")
    assert not (folds.proto.has_min or folds.proto.has_max)
    folds.set_value(1).run()
    (told,) = page.error
    assert "split.folds" in told.value and "should be greater than or equal to 2" in told.value


def test_options_of_a_split_are_in_the_address():
    page = visit(data_tab="See the split", data_split="time", data_time_quantile="0.5")
    assert page.slider(key="data_time_quantile").value == 0.5
    page.selectbox(key="data_split").set_value("users").run()
    assert page.query_params["data_split"] == "users"
    assert not page.error


def test_windows_are_days_that_a_link_can_name():
    page = visit(data_tab="See the split", data_split="windows")
    latest_fifth = page.date_input(key="data_windows_test_from").value
    assert page.date_input(key="data_windows_train_from").value is None
    page.date_input(key="data_windows_test_from").set_value(latest_fifth + timedelta(30)).run()
    assert not page.error and not page.exception
    later = visit(data_tab="See the split", data_split="windows", data_windows_test_until=(latest_fifth - timedelta(1)).isoformat())
    assert "must not be before test_from" in later.error[0].value.replace("\\", "")


def test_a_link_to_no_dataset_is_a_sentence():
    assert "Did you mean 'ml-100k'?" in visit(data_name="ml-100").error[0].value
    page = visit(data_name="/etc/passwd")
    assert "cannot name a file" in page.error[0].value
    assert page.selectbox(key="data_name").value == "synthetic"


def test_a_failed_download_is_a_sentence(monkeypatch):
    def fail(config, progress=None):
        progress("Downloading ml-100k: 0.1 of 4.9 MB")
        raise InputError("https://example.org could not be downloaded (ConnectionError); check the network.")

    monkeypatch.setattr(datasets, "load", fail)
    page = visit(data_name="ml-100k")
    assert "not on this machine yet" in page.info[0].value
    page.button(key="data-download").click().run()
    assert not page.exception
    assert "check the network" in page.error[0].value


def upload(content: bytes, name: str) -> AppTest:
    page = visit(data_tab="Upload your own")
    page.file_uploader(key="data_file").upload(name, content).run()
    assert not page.exception
    return page


def button(page: AppTest, label: str):
    return next(one for one in page.button if one.label == label)


def test_an_upload_becomes_a_dataset_everywhere():
    page = upload(CSV, "my films.csv")
    assert "108 rows · 12 users · 9 items · ratings from 1 to 5" in said(page)
    button(page, "Save as a dataset").click().run()
    assert not page.exception
    assert page.selectbox(key="data_name").value == "upload:my-films"
    assert "is saved" in page.success[0].value
    assert page.query_params["data_name"] == "upload:my-films"
    assert "108" in said(page)
    assert "upload:my-films" in [entry.name for entry in datasets.listing()]


def test_columns_can_be_mapped():
    page = upload(b"who,what,when,how much\na,x,2020-01-01,3\nb,y,2020-01-02,4\n", "odd.csv")
    assert "column of the user and the item and the rating" in page.warning[0].value
    assert button(page, "Save as a dataset").disabled
    for role, column in (("user", "who"), ("item", "what"), ("rating", "how much"), ("timestamp", "when")):
        next(one for one in page.selectbox if one.key.startswith(f"data_{role}_")).set_value(column).run()
    assert not page.error
    assert not page.warning
    assert "2 rows · 2 users · 2 items · ratings from 3 to 4" in said(page)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"user,item,rating\na,x,good\n", "'good'"),
        (b"\x00\x01\x02PK", "."),
        (b"user,item,rating\n", "no ratings below"),
    ],
    ids=["empty", "words for ratings", "binary", "only a header"],
)
def test_a_bad_file_is_a_sentence(content, sentence):
    page = upload(content, "bad.csv")
    assert len(page.error) == 1
    assert sentence in page.error[0].value
    assert datasets.uploads() == []


@pytest.mark.data
def test_the_published_split_and_licence_of_real_data():
    page = visit(data_name="ml-100k", data_tab="See the split", data_split="predefined")
    assert not page.error
    assert "not for commercial use" in said(page)
    assert "19,956" in page.table[0].value.to_string()  # and 44 that nobody can predict


FAULTY = (
    b"user,item,rating\n"
    + b"".join(f"{user},{item},{1 + user % 5}\n".encode() for user in range(9) for item in range(9))
    + b"1,1,\n2,<b>,77\n1,2,5\n"
)


def test_rows_that_cannot_be_read_are_told_before_and_after_saving():
    page = upload(FAULTY, "marks.csv")
    assert "1 of 84 rows cannot be used" in page.error[0].value
    assert button(page, "Save as a dataset").disabled
    page.number_input[1].set_value(5).run()
    assert page.dataframe[0].value.to_numpy().tolist() == [
        ["83", "has no rating"],
        ["84", "has the rating 77, which is off the scale of up to 5"],
    ]
    next(one for one in page.toggle if one.label.startswith("Leave out")).set_value(True).run()
    equation = "84 rows = 81 ratings + 1 of a pair that came before (the latest counts) + 2 unusable "
    equation += "(1 without a rating, 1 with a rating off the scale)"
    assert not page.error and equation in said(page).replace("\\", "")
    button(page, "Save as a dataset").click().run()
    assert equation in said(page).replace("\\", "") and "1 repeats merged" in said(page)
    assert page.dataframe[0].value["line"].tolist() == ["83", "84"]
    assert datasets.uploads()[0].scale == (1, 5)


def test_what_the_file_does_not_tell_can_be_said():
    page = upload(b"user;item;rating\n1;2;1.234\n1;3;2.345\n", "plays.csv")
    assert "is either 1234 or 1.234; say which sign is decimal (“Decimal sign”)" in page.error[0].value.replace("\\", "")
    assert next(one for one in page.expander if one.label == "How the file is written").proto.expanded
    next(one for one in page.selectbox if one.label == "Decimal sign").set_value("comma").run()
    assert not page.error and "ratings from 1234 to 2345" in said(page)
    assert "There is one user only" in page.warning[0].value
    next(one for one in page.number_input if one.label == "Lowest rating").set_value(9).run()
    page.number_input[1].set_value(1).run()
    assert "lowest rating" in page.error[0].value and "must be below the highest" in page.error[0].value


def test_an_excel_workbook_is_answered_with_the_way_out():
    page = upload(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "marks.xlsx")
    assert "marks.xlsx is an Excel workbook; open it, choose 'Save as'" in page.error[0].value.replace("\\", "")
