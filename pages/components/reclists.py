"""Top lists of up to three models side by side, and the lines that compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from engine.store import Run
from pages.components import monitored, titles, words
from pages.components.asked import SVD
from pages.components.cards import download, small

if TYPE_CHECKING:
    from engine.recommendations import Advisor, Compared, Listed

COLOURS = ("blue", "orange", "violet")


def starred(scale: tuple[float, float]) -> bool:
    """Whether ratings of this scale can be read as stars."""
    return 3 <= scale[1] <= 5


def stars(rating: float, scale: tuple[float, float]) -> str:
    """4.5 → ★★★★½ on scales up to 5, a number on others."""
    if not starred(scale) or rating < 0.5 or rating * 2 % 1:
        return f"{rating:g}"
    return "★" * int(rating) + "½" * (rating % 1 > 0)


def letters(advisors: Sequence[Advisor]) -> dict[str, str]:
    """What each model is called in a column's head: A, B, C, and SVD by its name."""
    return {one.key: "SVD" if one.key == SVD else "ABC"[at] for at, one in enumerate(advisors)}


def named(advisor: Advisor) -> str:
    """A model's title, such as "Deep autoencoder 256 · 128"."""
    return titles.model_title({"model": advisor.model.config.model_dump()} if advisor.key == SVD else advisor.trained.run.config)


def list_cards(advisors: Sequence[Advisor], found: Compared) -> None:
    """A card for each model, side by side."""
    called = letters(advisors)
    for at, (advisor, place) in enumerate(zip(advisors, st.columns(len(advisors), gap="small"), strict=True)):
        with place.container(border=True, height="stretch", gap=None):
            colour = "gray" if advisor.key == SVD else COLOURS[at]
            letter = f"{called[advisor.key]} · " if len(advisors) > 1 and advisor.key != SVD else ""
            title = f":{colour}[{letter}{words.plain(named(advisor))}]"
            listed = found.lists.get(advisor.key)
            with st.container(horizontal=True, vertical_alignment="center", wrap=False):
                st.markdown(f"**{title}**", width="stretch")
                if listed:
                    key = f"{advisor.trained.run.name}-{called[advisor.key]}-list"
                    download(partial(_rows, listed, called), key=key, title=title)
            st.caption(_caption(advisor))
            if listed is None:
                st.markdown(words.plain(found.refused[advisor.key]))
            else:
                _list(
                    listed, {key: called[key] for key in found.lists if key != advisor.key}, advisor.rates, f"Top list of {named(advisor)}"
                )


def _list(listed: Listed, others: Mapping[str, str], rates: bool, alt: str) -> None:
    """The entries as a table, and what has to be known of them."""
    entries = listed.entries
    if not entries:
        st.caption("Every title of the catalogue is rated: there is nothing left to recommend.")
        return
    rows = {
        "#": [_rank(one, rank) for rank, one in enumerate(entries, 1)],
        "title": [_marked(one) for one in entries],
        "score": [f"{one['score']:,.2f}" if rates else _score(one["score"]) for one in entries],
    }
    if len(others) == 1:
        ((key, letter),) = others.items()
        rows[f"{letter}\u00a0#"] = [f":gray[{_place(one['places'][key])}]" for one in entries]
    elif others:  # Another column would leave titles no room.
        rows["title"] = [f"{title}  \n:small[:gray[{_places(one, others)}]]" for title, one in zip(rows["title"], entries, strict=True)]
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt=alt)
    if len({one["score"] for one in entries}) == 1 and len(entries) > 1:
        st.caption("All these scores are equal: their order says nothing.")
    if listed.note:
        st.caption(words.plain(listed.note))


def legend(advisors: Sequence[Advisor], found: Compared, liked: float, findable: int, parts: str, top: int) -> None:
    """The lines under the lists: how to read them, what they have in common, and which model is better for all users.

    Args:
        findable: titles that are held out and liked.
        parts: of the split, that are held out, such as "validation and test".
    """
    called = {key: letter for key, letter in letters(advisors).items() if key in found.lists}
    rates = [one.rates for one in advisors if one.key in called]
    score = "predicted rating, not clipped to the scale" if all(rates) else "what a list is ordered by"
    if not all(rates):
        score += "; no ratings" if not any(rates) else f"; those of {_names(advisors, called, rates=False)} are no ratings"
    said = [
        f":green[**✓**] held out ({parts} ratings) and liked (≥ {liked:g})",
        f"score: {score}",
        *(["\\#: place in that model's order of all titles"] if len(called) > 1 else []),
    ]
    small(" · ".join(said))
    figures = []
    if findable:
        hits = ", ".join(f"{called[key]} {found.lists[key].hits}" for key in called)
        figures.append(f"**✓ in the top {top}: {hits}** of {findable:,} held out and liked")
    if len(called) > 1:
        pairs = [f"{called[one]} and {called[other]} {count}" for (one, other), count in found.overlap.items()]
        figures.append(f"**overlap: {', '.join(pairs)} of {top}**")
    for figure, unit, digits in (("popularity", " ratings", 0), ("novelty", " bits", 1)):
        means = ", ".join(f"{called[key]} {found.lists[key].mean(figure):,.{digits}f}" for key in called)
        figures.append(f"mean {figure}: {means}{unit}")
    st.markdown(
        f":small[{' · '.join(figures)}]",
        help="Popularity: training ratings of a title. Novelty: −log2 of the share of training users who rated it, so that a title that "
        "every second user knows has 1 bit, and one that a thousandth knows 10. Both are means over a list.",
    )
    if told := _over_all(advisors[0].trained.run):
        st.markdown(f":small[{told}]")


def _names(advisors: Sequence[Advisor], called: Mapping[str, str], rates: bool) -> str:
    return " and ".join(called[one.key] for one in advisors if one.key in called and one.rates == rates)


def _over_all(run: Run) -> str:
    """The comparison on the test ratings of all users; empty where the run has none."""
    difference = (run.summary or {}).get("difference", {})
    if "svd" not in difference:
        return ""
    verdict, color = titles.verdict(*difference["svd"])
    apart, interval = difference["svd"]
    pairs = f"{difference.get('pairs', 0):,} test pairs of {difference.get('users', 0):,} users"
    figures = f"{words.signed(apart)} ± {interval:.4f} on {pairs}"
    return f"For all users, the RMSE of {words.plain(run.name)} minus SVD's: {figures}: :{color}[**{verdict}**]"


def _caption(advisor: Advisor) -> str:
    own, svd = measured_by(advisor.trained.run)
    name, error = ("baseline", svd) if advisor.key == SVD else (words.plain(advisor.trained.run.name), own)
    return " · ".join(filter(None, (name, error)))


def measured_by(run: Run) -> tuple[str, str]:
    """The metric of a run and of its SVD over all users, such as "test RMSE 0.8710"; empty where it has none."""
    summary, metric = run.summary or {}, monitored.metric(run)
    named = monitored.title(metric)
    svd = (summary.get("baselines") or (run.facts or {}).get("baselines", {})).get("svd", {})
    mine = summary.get("metrics", {}).get("test", {}).get(metric)
    part, theirs = ("test", svd[metric]) if metric in svd else ("validation", svd.get("validation", {}).get(metric))
    return "" if mine is None else f"test {named} {mine:.4f}", "" if theirs is None else f"{part} {named} {theirs:.4f}"


def _rows(listed: Listed, called: Mapping[str, str]) -> pd.DataFrame:
    """A list as its download holds it."""
    rows = []
    for rank, entry in enumerate(listed.entries, 1):
        flat = {name: value for name, value in entry.items() if name != "places"}
        rows.append({"rank": rank, **flat, **{f"place_{called[key]}": place for key, place in entry["places"].items()}})
    return pd.DataFrame(rows)


def _rank(entry: dict[str, Any], rank: int) -> str:
    """A place, with how far a what-if has moved it."""
    before = entry["before"]
    if before == rank:
        return f":gray[{rank}]"
    if before is None or before > rank:
        moved = "new" if before is None else f"▲{before - rank:,}"
        return f":gray[{rank}]\u00a0:green[{moved}]"
    return f":gray[{rank}]\u00a0:orange[▼{rank - before:,}]"


def _place(place: int | None) -> str:
    return "–" if place is None else f"\\#{place:,}"


def _places(entry: dict[str, Any], others: Mapping[str, str]) -> str:
    return " · ".join(f"{letter}\u00a0{_place(entry['places'][key])}" for key, letter in others.items())


def _score(score: float) -> str:
    """A score of any size in few letters."""
    size = abs(score)
    return f"{score:,.0f}" if size >= 100 else f"{score:.2f}" if size >= 10 else f"{score:.3f}"


def _marked(entry: dict[str, Any]) -> str:
    title = words.plain(entry["title"])
    if entry["hit"]:
        return f":green[**✓ {title}**]"
    return title if entry["held_out"] is None else f"{title} :gray[· held out, rated {entry['held_out']:g}]"
