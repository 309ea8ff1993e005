"""The parts of pages that can be looked at without a browser: curves, pictures, words."""

import math
import re
from datetime import date
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.config import RunConfig, TrainingConfig, parse
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, EaseConfig, MultVAEConfig, SVDConfig, WeightedBCEConfig
from pages.components import charts, monitored, plots, run_charts, share, titles, words
from pages.components.network import drawn, picture
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
    "model",
    [
        AutoencoderConfig(),
        AutoencoderConfig(layers=(500,), tied=True),
        AutoencoderConfig(layers=(9,) * 12, dropout=0.8),
        AutoencoderConfig(layers=(9, 5), dropout=0.8, dropout_place="every"),
        MultVAEConfig(),
        WeightedBCEConfig(),
    ],
)
@pytest.mark.parametrize("columns", [None, 17_768])
def test_the_network_is_a_sound_picture(model, columns):
    svg = ElementTree.fromstring(picture(drawn(model), columns, "re-feed ×1 <&>", dark=False))
    assert len(svg.findall("{http://www.w3.org/2000/svg}rect")) == 2 * len(model.layers) + 1


@pytest.mark.parametrize(
    ("model", "silenced"),
    [
        (AutoencoderConfig(layers=(9, 5), dropout=0.5), [2]),
        (AutoencoderConfig(layers=(9, 5), dropout=0.5, dropout_place="every"), [1, 2, 3]),
        (MultVAEConfig(layers=(9, 5)), [0]),
        (WeightedBCEConfig(layers=(9, 5)), []),
    ],
)
def test_dropout_is_drawn_where_it_happens(model, silenced):
    svg = ElementTree.fromstring(picture(drawn(model), 100, "", dark=False))
    name = "{http://www.w3.org/2000/svg}"
    centres = [float(bar.get("x")) + float(bar.get("width")) / 2 for bar in svg.findall(f"{name}rect")]
    gaps = [float(line.get("x1")) for line in svg.findall(f"{name}line")]
    assert gaps == pytest.approx([centres[place] for place in silenced], abs=0.11)


def test_a_model_without_layers_has_no_picture():
    assert drawn(EaseConfig()) is None
    assert drawn(SVDConfig(rank=7)).layers == (7,)


@pytest.mark.parametrize(
    ("difference", "interval", "verdict"),
    [(-0.02, 0.01, "better than SVD"), (0.02, 0.01, "SVD is better"), (-0.01, 0.02, "not distinguishable")],
)
def test_a_difference_is_called_what_it_is(difference, interval, verdict):
    assert titles.verdict(difference, interval)[0] == verdict
    assert monitored.verdict("mae", (difference, interval))[0] == verdict
    assert monitored.verdict("ndcg@10", (-difference, interval))[0] == verdict


def test_a_difference_of_rankings_has_an_interval_by_both_standard_errors():
    mine, svd = {"ndcg@10": 0.35, "ndcg@10_se": 0.003}, {"ndcg@10": 0.30, "ndcg@10_se": 0.004}
    assert monitored.difference("ndcg@10", mine, svd) == pytest.approx((0.05, 1.96 * 0.005))
    assert monitored.difference("ndcg@10", mine, {"ndcg@10": 0.3}) is None
    assert monitored.difference("rmse", {"rmse": 0.8}, {"rmse": 0.9}) is None


@pytest.mark.parametrize(
    ("facts", "config", "name", "title", "best"),
    [
        ({"monitor": "ndcg@20"}, {}, "ndcg@20", "NDCG@20", 2),
        ({}, {"model": {"name": "mult-vae"}, "training": {"monitor": "auto"}, "evaluation": {"k": 5}}, "ndcg@5", "NDCG@5", 2),
        ({}, {"model": {"name": "autoencoder"}, "training": {"monitor": "auto"}}, "rmse", "RMSE", 1),
        ({}, {"training": {"monitor": "rmse_user_mean"}}, "rmse_user_mean", "RMSE per user", 1),
        (None, {"training": {"monitor": "recall"}}, "recall@10", "Recall@10", 2),
        (None, {}, "rmse", "RMSE", 1),
        ({"monitor": "pairwise_random"}, {}, "pairwise_random", "pairwise accuracy", 2),
    ],
)
def test_the_best_epoch_is_that_of_the_monitored_metric(facts, config, name, title, best):
    run = SimpleNamespace(facts=facts, config=config)
    assert monitored.metric(run) == name
    assert monitored.title(name) == title
    assert monitored.best_epoch(name, {1: 0.2, 2: 0.9, 3: math.nan, 4: 0.5}) == best
    assert monitored.best_epoch(name, {1: math.nan}) is None


def test_every_metric_that_may_be_monitored_has_a_name():
    assert {*get_args(TrainingConfig.model_fields["monitor"].annotation)} - {"auto"} == {*monitored.NAMES}


def test_the_models_that_pages_take_for_trained_or_rating_are():
    for name, entry in MODELS.items():
        config, model = {"model": {"name": name}}, resolve_name(entry.model)
        assert (titles.trains(config), titles.rates(config)) == (model.trains, model.predicts_ratings), name


def test_bars_by_activity_say_how_many_users_and_pairs_they_stand_for(monkeypatch):
    monkeypatch.setattr(charts, "palette", lambda: charts.LIGHT)
    monkeypatch.setattr(plots, "palette", lambda: charts.LIGHT)
    groups = [
        {"from": 1, "to": 19, "users": 1200, "pairs": 3400, "rmse": 0.98765},
        {"from": 500, "to": None, "users": 7, "pairs": 80, "rmse": 0.8},
    ]
    option = run_charts.by_activity(groups)
    assert option["xAxis"]["data"] == ["1–19\n1,200 users\n3,400 pairs", "from 500\n7 users\n80 pairs"]
    assert option["series"][0]["data"] == [0.988, 0.8]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.34, "0.3 s"),
        (3.21, "3.2 s"),
        (34, "34 s"),
        (70, "1 min 10 s"),
        (120, "2 min"),
        (7500, "2 h 5 min"),
        (86_400, "24 h 0 min"),
        (2.3 * 86_400, "2.3 days"),
        (99.97 * 86_400, "100 days"),
        (300 * 86_400, "300 days"),
        (1e9, "32 years"),
    ],
)
def test_durations_in_words(seconds, said):
    assert words.duration(seconds) == said


def test_the_command_line_trains_the_same_configuration():
    config = parse({"model": {"layers": [64, 8], "tied": True}, "split": {"kind": "last"}, "evaluation": {"liked": 3.5}})
    expected = (
        ".venv/bin/python -m engine train --set split.kind=last --set model.layers=64,8 --set model.tied=true --set evaluation.liked=3.5"
    )
    assert share.command(config) == expected


@pytest.mark.parametrize(
    ("config", "title"),
    [
        ({"model": {"name": "autoencoder", "layers": [500], "orientation": "item"}}, "Deep autoencoder 500, item-based"),
        ({"model": {"name": "autoencoder", "layers": [8, 4]}, "refeed": {"steps": 1}}, "Deep autoencoder 8 · 4, one re-feed"),
        ({"model": {"name": "svd", "rank": 12}, "refeed": {"steps": 1}}, "Truncated SVD rank 12"),
        ({"model": {"name": "mult-vae", "layers": [600, 200]}, "refeed": {"steps": 1}}, "Mult-VAE 600 · 200"),
        ({"model": {"name": "recvae", "hidden": 600, "latent": 200}}, "RecVAE 600 · 200"),
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
    assert titles.split_title("kfold", {"folds": 5, "fold": 0}) == "5-fold, fold 0"
    assert titles.split_title("leave-last", {"k": 2, "seed": 0}) == "last 2 of each user"
    assert titles.split_title("windows", {"test_from": date(2005, 12, 1)}) == "window from 2005-12-01"
    assert titles.split_title("windows", {"test_from": None}) == "windows of time"
    assert titles.split_title("{of} a newer version", {"test": 0.1}) == "{of} a newer version"
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
