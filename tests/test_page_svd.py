"""The SVD page in a simulated browser: the assignment's toy, ranks and datasets by link, what cannot be shown."""

import json

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.datasets import toy
from pages.components.svd_items import item_map
from tests.visits import visited

pytestmark = pytest.mark.usefixtures("no_daemon")


def visit(**query: str) -> AppTest:
    return visited("pages/svd.py", **query)


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


def plane(page: AppTest) -> dict:
    (found,) = spec(page, "scatter")
    return found


def test_items_lie_on_the_first_two_factors():
    drawn = plane(visit())
    assert (drawn["xAxis"]["name"], drawn["yAxis"]["name"]) == ("factor 1 (B = Σ^½ Vᵀ)", "factor 2 (B = Σ^½ Vᵀ)")
    points = {point["name"]: point["value"] for point in drawn["series"][0]["data"]}
    _, values, right = np.linalg.svd(toy.MATRIX.astype(float))
    right *= np.sign(right[np.arange(10), np.abs(right).argmax(axis=1)])[:, None]
    seventh = next(value for name, value in points.items() if name.startswith("Item 7: 3 ratings, factor 1 "))
    assert seventh == pytest.approx([*(values[:2] ** 0.5 * right[:2, 6]), 11 / 3], rel=1e-3)
    assert len(points) == 10


def test_factors_and_colour_come_from_the_address():
    page = visit(svd_data="synthetic", svd_x="3", svd_y="1", svd_colour="genre", svd_rank="6")
    drawn = plane(page)
    assert (drawn["xAxis"]["name"][:8], drawn["yAxis"]["name"][:8]) == ("factor 3", "factor 1")
    assert drawn["legend"]["show"]
    assert "visualMap" not in drawn
    assert "Signs are arbitrary" in said(page)


def test_an_item_has_neighbours():
    page = visit(svd_item="7")
    assert "**Nearest to Item 7**" in said(page)
    assert "By cosine over the 3 factors of the chosen rank" in said(page) and "raise the rank for finer neighbours" in said(page)
    drawn = plane(page)
    assert [one["name"] for one in drawn["series"]] == ["items", "neighbours", "chosen"]
    assert page.query_params["svd_item"] == "7"
    near = next(table.value for table in page.dataframe if "cosine" in table.value)
    _, values, right = np.linalg.svd(toy.MATRIX.astype(float))
    places = (values[:3, None] ** 0.5 * right[:3]).T
    lengths = np.linalg.norm(places, axis=1)
    cosines = places @ places[6] / (lengths * lengths[6])
    assert near["title"].tolist() == [f"Item {position + 1}" for position in np.argsort(-cosines) if position != 6]
    assert near["cosine"].iloc[0] == pytest.approx(np.sort(cosines)[-2], abs=1e-4)


def test_only_the_most_rated_are_drawn(monkeypatch):
    monkeypatch.setattr("pages.components.svd_items.DRAWN", 7)
    counts = np.count_nonzero(toy.MATRIX, axis=0)
    page = visit(svd_item=str(counts.argmax() + 1))
    near = next(table.value for table in page.dataframe if "cosine" in table.value)
    assert len(near) == 6 and near["ratings"].min() >= np.sort(counts)[-7], "neighbours are among them"
    page = visit()
    assert "The 7 most rated of 10 items" in said(page)
    assert len(plane(page)["series"][0]["data"]) == 7


def test_a_and_b_of_the_toy_are_shown():
    tables = [table.value for table in visit().dataframe]
    a = next(table for table in tables if table.columns.tolist() == ["user", "factor 1", "factor 2", "factor 3"])
    b = next(table for table in tables if table.columns.tolist()[0] == "item" and "10" in table)
    u, s, vt = np.linalg.svd(toy.MATRIX.astype(float))
    rebuilt = a.drop(columns="user").to_numpy() @ b.drop(columns="item").to_numpy()
    np.testing.assert_allclose(rebuilt, (u[:, :3] * s[:3]) @ vt[:3], atol=0.01)


def test_a_single_factor_draws_no_map():
    table = pd.DataFrame({"item": ["1"], "title": ["one"], "ratings": [2], "mean": [3.0], "factor 1": [1.0]})
    assert item_map(toy.load(), table, "none", 1) is None


@pytest.mark.data
def test_real_ratings():
    page = visit(svd_data="ml-latest-small", svd_split="last", svd_centring="none", svd_rank="20")
    assert not page.error
    assert "pulls every prediction down" in said(page)
