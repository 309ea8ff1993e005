"""The parts of pages that can be looked at without a browser: curves, pictures, words."""

import math
import re
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.config import RunConfig, parse
from engine.models.configs import AutoencoderConfig
from pages.components import charts, share, titles, words
from pages.components.network import picture
from pages.components.series import thin

ROOT = Path(__file__).parents[1]


def test_thinning_keeps_ends_peaks_and_gaps():
    x = np.arange(100_000.0)
    y = np.sin(x / 500)
    y[777], y[54_321], y[60_000] = 9, -9, math.nan
    few_x, few_y = thin(x, y)
    assert len(few_x) <= 1000
    assert (few_x[0], few_x[-1]) == (0, 99_999)
    assert {9.0, -9.0} <= set(few_y)
    assert np.isnan(few_y).sum() == 1
    assert (np.diff(few_x) > 0).all()
    same_x, same_y = thin(x[:10], y[:10])
    assert (len(same_x), len(same_y)) == (10, 10)


def test_a_chart_leaves_a_gap_where_a_line_is_no_number_and_holds_its_rules(monkeypatch):
    monkeypatch.setattr(charts, "palette", lambda: charts.LIGHT)
    x, y = np.arange(1.0, 6), np.array([1.0, 0.9, 0.85, math.nan, 0.8])
    option = charts.curves([charts.Line("validation", x, y)], x_name="epoch", y_name="RMSE", rules=[charts.Rule("floor", 0.41)])
    line, rules = option["series"]
    assert line["data"][3] == [4.0, None]
    assert "diverged" in str(line["markPoint"])
    assert option["yAxis"]["min"] <= 0.41
    assert rules["markLine"]["data"][0]["yAxis"] == 0.41


@pytest.mark.parametrize(
    "model", [AutoencoderConfig(), AutoencoderConfig(layers=(500,), tied=True), AutoencoderConfig(layers=(9,) * 12, dropout=0.8)]
)
@pytest.mark.parametrize("columns", [None, 17_768])
def test_the_network_is_a_sound_picture(model, columns):
    svg = ElementTree.fromstring(picture(model, columns, "re-feed ×1 <&>", dark=False))
    assert len(svg.findall("{http://www.w3.org/2000/svg}rect")) == 2 * len(model.layers) + 1


@pytest.mark.parametrize(
    ("difference", "interval", "verdict"),
    [(-0.02, 0.01, "better than SVD"), (0.02, 0.01, "SVD is better"), (-0.01, 0.02, "not distinguishable")],
)
def test_a_difference_is_called_what_it_is(difference, interval, verdict):
    assert titles.verdict(difference, interval)[0] == verdict


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.34, "0.3 s"), (3.21, "3.2 s"), (34, "34 s"), (70, "1 min 10 s"), (120, "2 min"), (7500, "2 h 5 min")]
)
def test_durations_in_words(seconds, said):
    assert words.duration(seconds) == said


def test_the_command_line_trains_the_same_configuration():
    config = parse({"model": {"layers": [64, 8], "tied": True}, "split": {"kind": "last"}, "evaluation": {"liked": 3.5}})
    expected = "python -m engine train --set split.kind=last --set model.layers=64,8 --set model.tied=true --set evaluation.liked=3.5"
    assert share.command(config) == expected


@pytest.mark.parametrize(
    ("config", "title"),
    [
        ({"model": {"name": "autoencoder", "layers": [500], "orientation": "item"}}, "Deep autoencoder 500, item-based"),
        ({"model": {"name": "autoencoder", "layers": [8, 4]}, "refeed": {"steps": 1}}, "Deep autoencoder 8 · 4, one re-feed"),
        ({"model": {"name": "svd", "rank": 12}, "refeed": {"steps": 1}}, "Truncated SVD rank 12"),
        ({"model": {"name": "of a newer version"}}, "of a newer version"),
        ({}, "–"),
    ],
)
def test_models_have_one_title(config, title):
    assert titles.model_title(config) == title


def test_every_split_scheme_has_a_title():
    kinds = [kind.model_fields["kind"].default for kind in get_args(RunConfig.model_fields["split"].annotation)]
    assert [*titles.SPLITS] == kinds
    assert titles.split_title("last", {"test": 0.1}) == "last 10 %"
    assert titles.split_title("time", {"quantile": 0.8}) == "time, first 80 %"
    assert titles.split_title("users") == "held-out users"
    assert titles.split_title("of a newer version", {"test": 0.1}) == "of a newer version"


def test_messages_are_said_in_one_way():
    """A message box is drawn by `frame.say` alone, which escapes what came from outside."""
    bare = re.compile(r"\.(error|warning|info|success|exception|toast)\(")
    scripts = [path for path in [ROOT / "dashboard.py", *ROOT.glob("pages/**/*.py")] if path.name != "frame.py"]
    assert [str(path) for path in scripts if bare.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("title", "escaped"),
    [
        ("Spider-Man (2002)", r"Spider-Man \(2002\)"),
        ("10. Mai", r"10\. Mai"),
        ("- *x* [y](z)", r"\- \*x\* \[y\]\(z\)"),
        ("$9.99 :red[a]", r"\$9.99 \:red\[a\]"),
        ("one\n\n# two", r"one \# two"),
        ("---", r"\---"),
        ("+ a", r"\+ a"),
        ("3.5", "3.5"),
        ("recall@10", "recall@10"),
        ("http://a.b www.a.b c@a.b", "http\\:\u2060//a.b www\u2060.a.b c@\u2060a.b"),
    ],
)
def test_titles_are_no_markdown(title, escaped):
    assert words.plain(title) == escaped
