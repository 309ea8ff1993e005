"""The Items page in a simulated browser: whose factors, what axes, who is near to whom, and links that say too much."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.config import parse
from engine.experiment import load_model
from engine.item_map import item_map, neighbours, principal
from engine.models import MODELS
from engine.store import RunStore
from pages.components import item_factors, item_view
from pages.components.words import plain
from tests.visits import visited

SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 120},
    "model": {"layers": [8]},
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"max_rank": 4},
}


pytestmark = pytest.mark.usefixtures("no_daemon")


def trained(store: RunStore, model: dict | None = None):
    from engine import runs

    run = store.create(parse({**SMALL, "model": model or SMALL["model"]}).model_dump(mode="json"))
    runs.execute(run.id, store)
    return store.get(run.id)


def visit(**query: str) -> AppTest:
    return visited("pages/items.py", **query)


def said(page: AppTest) -> str:
    texts = [*page.markdown, *page.caption, *page.warning, *page.error, *page.info]
    return "\n".join(str(one.value) for one in texts).replace("\\", "")


def drawn(page: AppTest) -> dict:
    return json.loads(page.get("echarts_chart")[0].proto.spec)


def points(option: dict, but: tuple[str, ...] = ("outermost", "neighbours", "chosen")) -> dict[str, tuple[float, float]]:
    """Title → place of every item that is drawn."""
    return {
        point["name"].rpartition(": ")[0]: tuple(point["value"][:2])
        for series in option["series"]
        if series["name"] not in but
        for point in series["data"]
    }


def test_without_runs_there_is_the_svd_of_each_dataset():
    page = visit(items_fewest="1")
    assert not page.error
    menu = page.selectbox(key="items_of")
    assert menu.value.startswith("svd:") and any("Truncated SVD of Toy" in one for one in menu.options)
    assert "Click a point" in said(page)


def test_a_runs_items_lie_where_their_factors_spread_most(store):
    run = trained(store)
    page = visit(run=run.name, items_fewest="5")
    model = load_model(run.id, store)
    whole = item_map(model.model.item_factors(model.split.visible), model.split.interactions).at_least(5)
    flat = principal(whole.factors)
    option = drawn(page)
    found = points(option)
    assert len(found) == len(whole.table)
    for title, place in zip(whole.table["title"], flat.places, strict=True):
        assert found[title] == pytest.approx(place, rel=1e-3, abs=1e-3)
    shares = [f"direction {number} ({share:.1%} of the variance)".replace("%", " %") for number, share in enumerate(flat.shares, 1)]
    assert [option["xAxis"]["name"], option["yAxis"]["name"]] == shares
    assert f"{len(whole.table)} of {whole.there} items, those with 5 ratings or more" in said(page)
    assert page.query_params["items_of"] in (run.id, [run.id]) and "run" not in page.query_params


def test_an_item_is_marked_and_its_neighbours_are_listed(store):
    run = trained(store, {"name": "mf", "rank": 4})
    model = load_model(run.id, store)
    whole = item_map(model.model.item_factors(model.split.visible), model.split.interactions).at_least(20)
    item = str(whole.table["item"].iloc[3])
    near, cosines = neighbours(whole.factors, 3, 12)
    page = visit(items_of=run.id, items_item=item)
    listed = page.table[0].value
    for title, name, kinds in zip(listed["title"], whole.table["title"].iloc[near], whole.table["genres"].iloc[near], strict=True):
        assert title.startswith(plain(name)) and plain(kinds) in title
    assert listed["cosine"].astype(float).to_numpy() == pytest.approx(cosines, abs=5e-4)
    distances = np.linalg.norm(whole.factors[near] - whole.factors[3], axis=1)
    assert listed["distance"].astype(float).to_numpy() == pytest.approx(distances, rel=5e-3)
    option = drawn(page)
    rings, chosen = (next(one for one in option["series"] if one["name"] == name) for name in ("neighbours", "chosen"))
    assert len(rings["data"]) == len(near) and chosen["data"][0]["name"].startswith(whole.table["title"].iloc[3])
    assert f"Nearest to {whole.table['title'].iloc[3]}" in said(page)


def test_two_factors_are_those_of_the_svd():
    page = visit(items_of="svd:toy", items_axes="two factors", items_x="2", items_fewest="1")
    option = drawn(page)
    assert option["xAxis"]["name"].startswith("factor 2 (") and option["yAxis"]["name"].startswith("factor 1 (")
    from engine.datasets import toy
    from engine.decomposition import spectrum

    data = toy.load()
    factors = spectrum(data, "bias").model.item_factors(data.ratings)
    places = points(option)
    for position, title in enumerate(data.titles):
        assert places[str(title)] == pytest.approx(factors[position, [1, 0]], rel=1e-3, abs=1e-3)
    assert "visualMap" in option, "the toy has no genres, so popularity colours it"


def test_colours_have_a_legend_or_a_scale():
    option = drawn(visit(items_of="svd:synthetic", items_colour="mean"))
    assert option["visualMap"]["text"][1].startswith("mean rating")
    option = drawn(visit(items_of="svd:synthetic", items_colour="genre"))
    symbols = {one["name"]: one["symbol"] for one in option["series"] if one["name"] not in ("other", "outermost")}
    assert len(symbols) == len(set(symbols.values())) == 5, "genres differ in more than colour"
    assert set(symbols) <= set(option["legend"]["data"]) and "outermost" not in option["legend"]["data"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"run": "nonsense"}, "There is no run “nonsense”"),
        ({"items_of": "nonsense"}, "These factors cannot be shown: there is no “nonsense” here"),
        ({"items_of": "svd:toy", "items_item": "nonsense", "items_fewest": "1"}, "The item “nonsense” is not on this map"),
    ],
)
def test_a_wrong_link_is_answered_with_a_sentence(query, words):
    page = visit(**query)
    assert words in said(page)
    assert page.get("echarts_chart"), "and something is shown"


def test_a_model_without_factors_is_told(store):
    run = trained(store, {"name": "itemknn"})
    page = visit(run=run.id)
    assert f"the model of {run.name} has no factors of items" in said(page)
    assert not any(run.name in one for one in page.selectbox(key="items_of").options)


def test_models_without_factors_are_models():
    assert set(item_factors.WITHOUT) <= set(MODELS)


def test_a_click_chooses_another_click_leaves(monkeypatch):
    """What the browser would send: points of series, as the chart was drawn last."""
    page = visit(items_of="svd:toy", items_fewest="1")
    series, names = page.session_state["items.drawn"], points(drawn(page))
    assert len(series[0]) == len(names) == 10

    def clicked(*points: tuple[int, int], before=frozenset(), current=""):
        state = {"items-map": {"selection": {"selected": [{"series_index": s, "data_indices": [p]} for s, p in points]}}}
        kept = {**state, "items.drawn": [["a", "b"], ["b"]], "items.clicked": set(before), "items_item": current}
        monkeypatch.setattr(item_view.st, "session_state", kept)
        item_view.click()
        monkeypatch.undo()
        return kept["items_item"]

    assert clicked((0, 1)) == "b"
    assert clicked((0, 0), before={(0, 1)}, current="b") == "a"
    assert clicked((0, 1), (1, 0), before={(0, 1)}, current="a") == "b", "a click on a ring is one on its item"
    assert clicked(before={(0, 1)}, current="b") == "", "the second click on an item"
    assert clicked(before={(0, 0)}, current="b") == "a", "found in the menu meanwhile"
    assert clicked(before={(0, 0), (1, 0)}, current="b") == "", "a double click clears all"
    assert clicked((5, 0), current="b") == "b", "drawn otherwise meanwhile"
