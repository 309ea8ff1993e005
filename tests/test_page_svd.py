"""The SVD page in a simulated browser: the assignment's toy, ranks and datasets by link, what cannot be shown."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine import background

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_daemon(monkeypatch):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: None)


def visit(**query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)
    page.run()
    page.switch_page("pages/svd.py")
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*page.markdown, *page.caption, *page.warning, *page.error])


def spec(page: AppTest, kind: str) -> list[dict]:
    """The ECharts options on the page whose first series is of a kind."""
    found = [json.loads(one.proto.spec) for one in page.get("echarts_chart")]
    return [one for one in found if one["series"][0]["type"] == kind]


def test_the_toy_is_the_printed_matrix():
    page = visit()
    assert not page.error
    original, rebuilt = spec(page, "heatmap")
    cells = {(cell["value"][1], cell["value"][0]): cell["label"]["formatter"] for cell in rebuilt["series"][0]["data"]}
    assert [cells[1, item] for item in range(10)] == ["2", "0", "1", "1", "4", "0", "2★", "1", "3", "1"]
    assert len(cells) == 180
    assert sum(cell["label"]["formatter"] != "" for cell in original["series"][0]["data"]) == 45
    assert "User **2** has rated items 1, 5, 9. Of the others, **item 7**" in said(page)


def test_another_user_is_explained():
    page = visit(svd_user="5")
    assert "User **5** has rated item 8" in said(page)


def test_full_rank_gives_back_what_was_read():
    page = visit(svd_rank="10")
    assert "keeps 100.0 % of the sum of squares" in said(page)
    assert "Rank 10: 0.0000" in said(page)


def test_the_error_on_seen_ratings_is_called_reconstruction():
    text = said(visit())
    assert "Reconstruction RMSE" in text
    assert "no prediction" in text
    assert "So few ratings say little" in text


def test_a_larger_dataset_has_no_matrix_but_a_held_out_curve():
    page = visit(svd_data="synthetic", svd_rank="12")
    assert not page.error
    assert not spec(page, "heatmap")
    text = said(page)
    assert "The seen error falls for ever" in text
    assert "turns after rank" in text
    assert "held-out ratings of" in text
    assert page.query_params["svd_data"] == "synthetic"


def test_centring_and_rank_follow_the_dataset():
    page = visit(svd_data="synthetic", svd_rank="40")
    assert page.get("button_group")[0].value == "bias"
    page.selectbox(key="svd_data").set_value("toy").run()
    assert not page.exception
    assert (page.slider(key="svd_rank").value, page.get("button_group")[0].value) == (10, "none")
    assert "svd_centring" not in page.query_params


def test_links_that_do_not_fit_are_sentences():
    assert "Unknown dataset 'tiy'. Did you mean 'toy'?" in visit(svd_data="tiy").error[0].value
    assert "download it on the Data page" in visit(svd_data="ml-1m").error[0].value
    assert "cannot name a file" in visit(svd_data="~/secret.csv").error[0].value


def test_splits_by_time_are_offered_only_with_timestamps():
    assert "time, first" not in " ".join(visit().selectbox(key="svd_split").options)
    assert "time, first 80 %" in " ".join(visit(svd_data="synthetic").selectbox(key="svd_split").options)


@pytest.mark.data
def test_real_ratings():
    page = visit(svd_data="ml-latest-small", svd_split="last", svd_centring="none", svd_rank="20")
    assert not page.error
    assert "pulls every prediction down" in said(page)
