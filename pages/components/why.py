"""Why a title is recommended: bars of what each rating contributes to its score, and the score without that rating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from engine.errors import InputError
from pages.components import asked, charts, words
from pages.components.asked import LINK, MORE, PAGE, WHY
from pages.components.cards import download
from pages.components.reclists import letters, stars
from pages.components.scorer import Opened

if TYPE_CHECKING:
    from engine.recommendations import Advisor, Compared, Reasons

BARS = 8
ROW = 27
ELSE = "everything else"
MEANING = {
    "integrated gradients": "Integrated gradients (Sundararajan, Taly & Yan 2017): the way from the base to this person's ratings is "
    "walked in a straight line, and what the score gains on it is shared out among the ratings. The shares add up to the whole gain.",
    "weights": "This model's score is a sum over the rated titles, so that each rating's part is its weight times its value.",
}


@st.fragment(key=WHY)
def why_card(here: Opened, others: Sequence[Opened]) -> None:
    """Why the chosen model scores the chosen title as it does."""
    advisors = asked.advisors(here, others)
    person, found = asked.compared(here, others)
    called = letters(advisors)
    with st.container(border=True, gap="xsmall"):
        for_title, for_model = st.columns([1.6, 1], gap="small", vertical_alignment="bottom")
        with for_model:
            advisor = _choose_model([one for one in advisors if one.key in found.lists], called)
        with for_title:
            item = _choose_title(here, found, advisor)
        if item is None:
            st.caption("The lists are empty: there is no title to ask about.")
            return
        from engine import recommendations

        try:
            found_reasons = recommendations.reasons(advisor, here.advisor, person, item, asked.kept()["without"] or BARS)
        except InputError as error:
            st.markdown(words.plain(str(error)))
            return
        _draw(found_reasons, advisor, called[advisor.key], here.trained.split.interactions.scale)


def _choose_model(able: Sequence[Advisor], called: Mapping[str, str]) -> Advisor:
    """The model that is asked: of the lists that there are; `called` as `letters` of all of them."""
    by_key = {one.key: one for one in able}
    key = f"{PAGE}.by"
    st.session_state[key] = asked.kept()["by"] if asked.kept()["by"] in by_key else able[0].key
    chosen = st.segmented_control(
        "by", [*by_key], format_func=lambda one: called[one], required=True, key=key, on_change=_take, args=("by",), width="content"
    )
    return by_key[chosen or able[0].key]


def _choose_title(here: Opened, found: Compared, advisor: Advisor) -> str | None:
    """The title asked about: of the lists, or one that a link names."""
    own = found.lists[advisor.key].entries
    entries = [*own, *(entry for listed in found.lists.values() for entry in listed.entries)]
    names = {entry["item"]: entry["title"] for entry in entries}
    wanted = asked.kept()["why"]
    if wanted is not None and wanted not in names and wanted in here.trained.split.interactions.items.index:
        names[wanted] = str(here.trained.split.interactions.titles[here.trained.split.interactions.item_position(wanted)])
    if not names:
        return None
    key = f"{PAGE}.why"
    st.session_state[key] = wanted if wanted in names else next(iter(names))
    return st.selectbox("Why this title?", [*names], format_func=lambda one: names[one], key=key, on_change=_take, args=("why",))


def _take(name: str) -> None:
    asked.kept().update({name: st.session_state[f"{PAGE}.{name}"], "without": 0})
    asked.redraw(WHY, LINK)


def _draw(found: Reasons, advisor: Advisor, letter: str, scale: tuple[float, float]) -> None:
    why, parts = found.why, found.parts
    title = f"Why “{words.plain(found.item['title'])}” — {letter} scores {_number(why.score)}"
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.markdown(f"**{title}**", width="stretch", help=f"{MEANING[why.kind]} Base: {why.meaning}.")
        download(lambda: pd.DataFrame(parts), key=f"{advisor.trained.run.name}-{letter}-why", title=title)
    gained = float(why.contributions.sum())
    st.caption(
        f"{'Exact weights' if why.kind == 'weights' else 'Integrated gradients'}: base {_number(why.base)} ({words.plain(why.meaning)}) "
        f"{_signed(gained)} from {words.number_of(len(parts), 'rating')} = {_number(why.score)}; the sum is exact."
    )
    if not parts:
        st.caption("Nothing is rated, so that the base is all there is.")
        return
    bars, beside = st.columns([1.5, 1], gap="small")
    with bars:
        shown = [(f"{one['title']} {_rated(one['rating'], scale)}", one["contribution"]) for one in parts[:BARS]]
        if len(parts) > BARS:
            shown.append((f"{ELSE} ({len(parts) - BARS:,})", sum(one["contribution"] for one in parts[BARS:])))
        alt = f"Contributions of the rated titles to the score of {found.item['title']}"
        charts.draw(_bars(shown, why.base, advisor.rates), key="why", alt=alt, height=ROW * len(shown) + 46)
    with beside:
        _without(found)


def _without(found: Reasons) -> None:
    """Leave-one-out: the score without each of the ratings."""
    st.markdown(
        "**Without one rating**",
        help="The score, computed anew, of the same person without that rating. It need not be the score less the contribution: the "
        "other ratings then say more or less than they did beside it.",
    )
    if found.note:
        st.caption(words.plain(found.note))
        return
    left = [one for one in found.parts if "without" in one]
    rows = {
        "without": [words.plain(one["title"]) for one in left],
        "score": [_number(one["without"]) for one in left],
        "change": [_change(one["without"] - found.why.score, one["disagrees"]) for one in left],
    }
    height: Any = 318 if len(left) > BARS else "content"
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", height=height, alt="Score without each rating")
    against = sum(one["disagrees"] for one in left)
    if against:
        st.caption(
            f"⚠ {words.number_of(against, 'rating')}: leaving it out moves the score the other way than its bar says. Both are right: the "
            "bar is its share of the whole way from the base, the change is what it adds to all the others."
        )
    if len(left) < len(found.parts) and len(left) < MORE:
        st.button(f"Leave out the {min(MORE, len(found.parts))} largest", on_click=_more, type="tertiary", icon=":material/more_horiz:")


def _more() -> None:
    asked.kept()["without"] = MORE
    asked.redraw(WHY, LINK)


def _change(change: float, disagrees: bool) -> str:
    return f"{'⚠ ' if disagrees else ''}{_signed(change)}"


def _number(score: float) -> str:
    return f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.3f}" if abs(score) < 10 else f"{score:.2f}"


def _signed(number: float) -> str:
    size = abs(number)
    return f"{'−' if number < 0 else '+'}{f'{size:.4f}' if 0 < size < 0.01 else _number(size)}"


def _rated(rating: float, scale: tuple[float, float]) -> str:
    """★4½, as short as a bar's name has to be."""
    return f"★{rating:g}" if stars(rating, scale) != f"{rating:g}" else f"({rating:g})"


def _bars(shown: Sequence[tuple[str, float]], base: float, rates: bool) -> dict[str, Any]:
    colours = charts.palette()
    grey = {"fontSize": 11, "color": colours["grey"]}
    data = [
        {
            "value": round(value, 5),
            "itemStyle": {"color": colours["blue" if value >= 0 else "vermilion"], "borderRadius": 2},
            "label": {"show": True, "position": "right" if value >= 0 else "left", "formatter": _signed(value), **grey},
        }
        for _, value in shown
    ]
    widest = max((abs(value) for _, value in shown), default=0) or 1
    ends = {"min": _end(min(value for _, value in shown), -widest), "max": _end(max(value for _, value in shown), widest)}
    return {
        "animation": False,
        "grid": {"left": 4, "right": 8, "top": 18, "bottom": 20, "containLabel": True},
        "tooltip": {"trigger": "item", "formatter": "{b}: {c}", "confine": True},
        "xAxis": {
            "type": "value",
            "name": f"contribution, {'rating units' if rates else 'units of the score'}",
            "nameLocation": "middle",
            "nameGap": 6,
            "axisLine": {"show": False},
            "axisTick": {"show": False},
            "nameTextStyle": grey,
            "axisLabel": {"show": False},
            "splitLine": {"show": False},
            **ends,
        },
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [name for name, _ in shown],
            "axisLabel": {"fontSize": 12, "color": colours["ink"], "width": 170, "overflow": "truncate"},
            "axisTick": {"show": False},
            "axisLine": {"onZero": True, "lineStyle": {"color": colours["grey"]}},
        },
        "series": [{"type": "bar", "name": "contribution", "data": data, "barWidth": 14, "markLine": _base(base, grey)}],
    }


def _base(base: float, text: dict[str, Any]) -> dict[str, Any]:
    """The line at which bars begin, with its name above."""
    label = {"formatter": f"base {_number(base)}", "position": "start", "distance": 2, **text}
    line = {"type": "solid", "color": text["color"], "width": 1}
    return {"symbol": "none", "silent": True, "animation": False, "data": [{"xAxis": 0, "label": label, "lineStyle": line}]}


def _end(extreme: float, widest: float) -> float:
    """An end of the axis with room for a bar's number, on a side that has bars."""
    room = 0.4 * abs(widest)
    return round(extreme + room, 6) if widest > 0 and extreme > 0 else round(extreme - room, 6) if widest < 0 and extreme < 0 else 0
