"""Of two chosen runs, who gains and who loses when one takes the other's place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from engine.comparison import EQUAL, ByUser, by_user, figure, metrics_of
from engine.metrics import definition, higher_is_better
from engine.store import Run
from pages.components import charts, linked, monitored, scorer, titles, words
from pages.components.cards import chart_card, tile
from pages.components.charts import Line
from pages.components.compare.looks import empty, metric_menu, several_grounds
from pages.components.frame import say
from pages.components.plots import Dots, plane
from pages.components.session import store

HEIGHT = 400
DRAWN = 2_000
"""Users that are drawn as points; of more, evenly many from those who gain most to those who lose most."""
NAMED = 5
PER_USER = ("rmse", "rmse_clipped", "rmse_user_mean", "mae", "recall", "precision", "ndcg", "map", "pairwise")


def users(chosen: Sequence[Run]) -> None:
    """The cards with their controls."""
    if len(chosen) < 2:
        empty("who gains and who loses when one takes the other's place", fewest=2)
        return
    first, second, metric = _controls(chosen)
    if metric is None:
        say("info", "These two have no test metric in common: choose two that have finished.")
        return
    found = _by_user(store().url, first.id, second.id, metric, first.finished, second.finished)
    if found is None:
        say(
            "info",
            f"{first.name} and {second.name} left nothing per user by {monitored.title(metric)} on ratings that both were tested on: "
            "choose another metric, or runs on the same data.",
        )
        return
    if found.pairs is None:  # of ratings, only those count that both were tested on
        several_grounds([first, second], metric)
    _tiles(found, first, second)
    left, right = st.columns(2, gap="small")
    with left:
        _plane_card(found, first, second)
    with right:
        _sorted_card(found, first, second)
    _named(found, first, second)


def _controls(chosen: Sequence[Run]) -> tuple[Run, Run, str | None]:
    by_name = {run.id: run for run in chosen}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=220):
            a = linked.select("Run A", list(by_name), "compare_a", naming=lambda one: by_name[one].name)
        others = [one for one in by_name if one != a]
        with st.container(width=220):
            b = linked.select("against run B", others, "compare_b", naming=lambda one: by_name[one].name)
        first, second = by_name[a], by_name[b]
        names = [one for one in metrics_of([first, second]) if one.startswith(PER_USER)]
        names = [one for one in names if figure(first, one) is not None and figure(second, one) is not None]
        if not names:
            return first, second, None
        with st.container(width=220):
            metric = metric_menu(names, "rmse" if "rmse" in names else monitored.metric(first))
    return first, second, metric


@st.cache_data(max_entries=16, show_spinner="Comparing user by user …")
def _by_user(url: str, first: str, second: str, metric: str, ended: float | None, also: float | None) -> ByUser | None:
    return by_user(metric, first, second, store())


def _tiles(found: ByUser, first: Run, second: Run) -> None:
    """The numbers, and what may be said of them."""
    a, b = words.plain(first.name), words.plain(second.name)
    counted = words.number_of(len(found.users), "user")
    tested = f"{counted}, {int(found.pairs.sum()):,} test ratings" if found.pairs is not None else f"{counted} with a liked test item"
    said, colour = _verdict(found, first, second)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{a} against {b}**, {monitored.title(found.metric)}, {tested}: :{colour}[**{said}**]")
        with st.container(horizontal=True, gap="small"):
            about = "Users whom the first run serves better than the second, by their own value of the metric."
            tile(f"gain with {a}", f"{found.gained:,}", _percent(found.gained, found), about, fills=False)
            tile(f"gain with {b}", f"{found.lost:,}", _percent(found.lost, found), fills=False)
            tile(
                "alike", f"{found.equal:,}", _percent(found.equal, found), "Users for whom both reach the same, to six digits.", fills=False
            )
            about = "Mean over users of how much better the first run serves each, and the half-width of its 95 % interval."
            tile("mean gain per user", words.signed(found.mean), f"± {found.half:.4f}", about, fills=False)
            about = (
                "Wilcoxon's signed-rank test that gains lie evenly about 0; users without a difference are left out. It asks about the "
                "middle of the gains, the interval about their mean: the two may disagree."
            )
            p = "–" if math.isnan(found.p_value) else "< 0.0001" if found.p_value < 1e-4 else f"{found.p_value:.4f}"
            tile("Wilcoxon p", p, "signed ranks", about, fills=False)
            if found.whole is not None:
                about = f"As it stands in tables. {definition(found.metric)}"
                value, half = found.whole
                tile(
                    f"{monitored.title(found.metric)}, A − B", words.signed(_as_written(found, value)), f"± {half:.4f}", about, fills=False
                )
        st.caption(f"Intervals are 95 %, over users. Gain: positive is better for {a}, whichever way the metric runs.")


def _as_written(found: ByUser, value: float) -> float:
    """`ByUser.whole` is negative where the first is better; a table's difference has the metric's own sign."""
    return -value if higher_is_better(found.metric) else value


def _verdict(found: ByUser, first: Run, second: Run) -> tuple[str, Literal["green", "orange", "gray"]]:
    if not found.distinguishable:
        return titles.UNDECIDED, "gray"
    winner = first if found.mean > 0 else second
    return f"{words.plain(winner.name)} serves users better", "green" if found.mean > 0 else "orange"


def _percent(count: int, found: ByUser) -> str:
    return f"{words.percent(count / len(found.users))} of users"


def _table(found: ByUser, first: Run, second: Run) -> pd.DataFrame:
    table = pd.DataFrame({"user": found.users, first.name: found.first, second.name: found.second, "gain": found.gain})
    return table if found.pairs is None else table.assign(pairs=found.pairs)


def _sample(found: ByUser) -> np.ndarray:
    order = np.argsort(-found.gain, kind="stable")
    return order if len(order) <= DRAWN else order[np.unique(np.linspace(0, len(order) - 1, DRAWN).astype(int))]


def _plane_card(found: ByUser, first: Run, second: Run) -> None:
    some = _sample(found)
    kinds = (
        (f"gain with {first.name}", found.gain[some] > EQUAL, "blue", "circle"),
        (f"gain with {second.name}", found.gain[some] < -EQUAL, "vermilion", "triangle"),
        ("alike", np.abs(found.gain[some]) <= EQUAL, "grey", "rect"),
    )
    texts = [_text(found, place) for place in some]
    drawn = [
        Dots(name, found.second[some][rows], found.first[some][rows], [texts[row] for row in np.flatnonzero(rows)], colour, symbol)
        for name, rows, colour, symbol in kinds
        if rows.any()
    ]
    unit = monitored.axis(found.metric)
    option = plane(drawn, x_name=f"{second.name}: {unit}", y_name=f"{first.name}: {unit}")
    ends = np.concatenate([found.first, found.second])
    step = 10.0 ** math.floor(math.log10(max(float(np.ptp(ends)), 1e-6))) / 2
    low, high = math.floor(ends.min() / step) * step, math.ceil(ends.max() / step) * step
    for axis in ("xAxis", "yAxis"):
        option[axis] |= {"min": low, "max": high}
    line = {"lineStyle": {"color": charts.palette()["grey"], "type": "solid"}, "label": {"show": False}, "symbol": "none", "silent": True}
    option["series"][0]["markLine"] = {**line, "data": [[{"coord": [low, low]}, {"coord": [high, high]}]]}
    chart_card(
        "Each user under both",
        option,
        _table(found, first, second),
        key="compare-users",
        alt=f"Each user's {monitored.title(found.metric)} under {first.name} by that under {second.name}, with the line of equals",
        caption=f"On the line both serve a user alike. {_drawn(len(some), found)}",
        height=HEIGHT,
    )


def _text(found: ByUser, place: int) -> str:
    pairs = "" if found.pairs is None else f", {words.number_of(int(found.pairs[place]), 'test rating')}"
    return f"A {found.first[place]:.4f}, B {found.second[place]:.4f}, gain {words.signed(found.gain[place])}{pairs}"


def _drawn(count: int, found: ByUser) -> str:
    return f"All {count:,} users." if count == len(found.users) else f"{count:,} of {len(found.users):,} users, evenly picked by gain."


def _sorted_card(found: ByUser, first: Run, second: Run) -> None:
    gain = np.sort(found.gain)[::-1]
    share = 100 * (np.arange(len(gain)) + 0.5) / len(gain)
    unit = "0 to 1" if monitored.axis(found.metric).endswith("(0 to 1)") else "rating units"
    option = charts.curves(
        [Line("gain", share, gain)],
        x_name="users, from the greatest gain (%)",
        y_name=f"gain of {first.name} ({unit})",
        rules=[charts.Rule("alike", 0.0), charts.Rule("mean", found.mean, "dashed")],
        x_end=100.0,
        height=HEIGHT,
    )
    option["series"][0]["areaStyle"] = {"opacity": 0.15, "origin": 0}
    chart_card(
        "Gains, sorted",
        option,
        pd.DataFrame({"share_of_users": share, "gain": gain}),
        key="compare-gains",
        alt=f"Users sorted by how much better {first.name} serves them than {second.name}",
        caption=f"Users left of where the line crosses 0 are served better by {words.plain(first.name)}, those right of it by the other.",
        height=HEIGHT,
    )


def _named(found: ByUser, first: Run, second: Run) -> None:
    """Who gains and loses most, with links to their lists; asked for, because it takes the run's data."""
    with st.expander("Who gains and who loses most", icon=":material/group:", key="compare-named", on_change="rerun") as place:
        if not place.open:
            return
        with st.spinner("Reading who they are …"):
            names = _names(first, hashed=found.pairs is None)
        order = np.argsort(-found.gain, kind="stable")
        for title, some, run in (
            (f"Gain most with {first.name}", order[: min(NAMED, found.gained)], first),
            (f"Gain most with {second.name}", order[::-1][: min(NAMED, found.lost)], second),
        ):
            if not len(some):
                continue
            st.markdown(f"**{words.plain(title)}**")
            for one in some:
                user = names.get(int(found.users[one]))
                if user is None:
                    continue
                label = f"user {words.plain(user)}: {_text(found, one)}"
                st.page_link("pages/recommend.py", label=label, query_params={"run": run.id, "user": user})


def _names(run: Run, hashed: bool) -> dict[int, str]:
    """Ids of a run's users by their positions, or by the numbers that rankings are kept under."""
    index = scorer.split_of(run).interactions.users.index.to_numpy()
    keys = pd.util.hash_array(index).view(np.int64) if hashed else np.arange(len(index))
    return dict(zip(keys.tolist(), map(str, index), strict=True))
