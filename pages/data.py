"""Data: pick a dataset or bring your own, look at it, and see how a split divides it."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from engine import datasets
from engine.config import RunConfig
from engine.datasets import Dataset, available, listing
from engine.datasets.sources import fetch
from engine.errors import InputError
from pages.components import draft, linked, query, split_view, words
from pages.components.cards import card_title, chart_card, tile
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.loaded import Portrait, portrait, refuse
from pages.components.plots import Bars, bars, tails
from pages.components.share import share_buttons
from pages.components.split_view import period_name
from pages.components.upload import SAVED, account_card, upload_form

TRAIN = "pages/train.py"
CHOSEN, TAB = "data_name", "data_tab"
LOOK, ITEMS, SPLIT, UPLOAD = "What is in it", "Items", "See the split", "Upload your own"


def choose(entries: dict[str, Dataset]) -> Dataset:
    """The menu of datasets, and what is known of the chosen one; a link to one that does not exist is told in a sentence."""
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        name = linked.select(
            "Dataset",
            list(entries),
            CHOSEN,
            naming=lambda one: f"{entries[one].title} · {_whereabouts(entries[one])}",
            unknown=_unknown,
        )
    entry = entries[name]
    counts = f"{entry.n_users:,} users × {entry.n_items:,} items · {entry.n_ratings:,} ratings"
    right.caption(f"**{words.plain(entry.title)}** · {counts}. {entry.description}")
    return entry


def _whereabouts(entry: Dataset) -> str:
    if available(entry.name):
        return "ready"
    return "to be downloaded" if entry.downloadable else "bring your own copy"


def _unknown(name: str) -> None:
    say("error", str(refuse(name)), icon="link_off")


def download(entry: Dataset) -> None:
    """Offers to fetch what is not on this machine. Raises InputError when that fails, or where only the user can bring it."""
    if entry.published is not None and not entry.downloadable:
        fetch(entry.published)
    say("info", f"{entry.title} is not on this machine yet.", icon="cloud_download")
    title = words.plain(entry.title)
    if not st.button(f"Download {title}", type="primary", icon=":material/download:", key="data-download"):
        return
    with st.status(f"Asking for {title}") as status:
        try:
            datasets.load(datasets.DatasetConfig(name=entry.name), lambda sentence: status.update(label=words.plain(sentence)))
        except InputError:
            status.update(label="The download failed", state="error")
            raise
    st.rerun()


def numbers(seen: Portrait) -> None:
    """The tiles."""
    one = seen.profile
    number = partial(tile, fills=False)
    with st.container(horizontal=True, gap="small"):
        number(
            "users",
            f"{one.users:,}",
            f"median {seen.users.median:,.0f} ratings",
            "Half of the users have fewer ratings than the median.",
        )
        number(
            "items",
            f"{one.items:,}",
            f"median {seen.items.median:,.0f} ratings",
            "Half of the items have fewer ratings than the median.",
        )
        merged = f"{one.duplicates:,} repeats merged" if one.duplicates else "no repeats"
        meaning = "Where a user rated an item more than once, one rating counts: the latest, unless an upload was to take their mean."
        number("ratings", f"{one.ratings:,}", merged, meaning)
        density = f"{one.density:.2%}" if one.density < 0.1 else f"{one.density:.0%}"
        number(
            "density",
            density.replace("%", " %"),
            f"one of {1 / one.density:,.0f} cells",
            "Share of the users × items cells that holds a rating.",
        )
        spread = f"± {one.deviation:.2f}, scale {one.scale[0]:g} to {one.scale[1]:g}"
        number(
            "mean rating", f"{one.mean:.2f}", spread, "Mean and standard deviation of all ratings: predicting the mean alone has this RMSE."
        )
        if one.first is not None and one.last is not None:
            years = " – ".join(dict.fromkeys(str(time.gmtime(moment).tm_year) for moment in (one.first, one.last)))
            number("time span", years, f"{(one.last - one.first) / 86400:,.0f} days", "First to last rating (UTC).")
        else:
            number("time span", "–", "no timestamps", "Splits by time are not possible on this copy.")
        if one.noise_floor is not None:
            meaning = "RMSE of the ratings against the true means that the generator drew them from. No model can get below it but by luck."
            number("noise floor", f"{one.noise_floor:.4f}", "RMSE, all ratings", meaning)


def look(entry: Dataset) -> None:
    """Tiles and charts."""
    seen = portrait(entry.name)
    numbers(seen)
    if entry.account:
        account_card(entry.account)
    left, right = st.columns(2, gap="small")
    with left:
        values = seen.values
        chart_card(
            "How people rate",
            bars(values["rating"].tolist(), [Bars("ratings", values["ratings"].tolist())], x_name="rating", y_name="ratings"),
            values,
            key="data-values",
            alt="Number of ratings by rating value",
        )
    with right:
        if seen.periods is None:
            with st.container(border=True, height="stretch"):
                st.markdown("**Ratings over time**")
                st.caption("This copy of the data has no timestamps.")
        else:
            chart_card(
                "Ratings over time",
                bars(
                    seen.periods["period"].tolist(),
                    [Bars("ratings", seen.periods["ratings"].tolist())],
                    x_name=period_name(seen.periods),
                    y_name="ratings",
                ),
                seen.periods,
                key="data-time",
                alt="Number of ratings by period",
            )
    for side, place in zip(("items", "users"), st.columns(2, gap="small"), strict=True):
        found = seen.items if side == "items" else seen.users
        ranked = found.ranked
        one = side.removesuffix("s")
        with place:
            chart_card(
                f"Ratings per {one}",
                tails(
                    ranked["rank"].to_numpy(),
                    ranked["ratings"].to_numpy(),
                    x_name=f"{side}, most rated first (rank, logarithmic)",
                    y_name=f"ratings per {one} (logarithmic)",
                ),
                ranked,
                key=f"data-{side}",
                alt=f"Ratings per {one} by rank, both axes logarithmic",
                caption=f"The most rated tenth of the {side} has {found.top_share:.0%} of all ratings; ".replace("%", " %")
                + (
                    f"{found.single:,} {side if found.single > 1 else one} with a single one."
                    if found.single
                    else "none has a single one only."
                ),
            )


def items(entry: Dataset) -> None:
    """The searchable table of items."""
    table = portrait(entry.name).table
    sought = linked.bound(
        st.text_input, "Search titles and genres", key="data_search", placeholder="part of a title or genre", icon=":material/search:"
    )
    if sought:
        text = table["title"].str.cat(table["genres"], sep=" ") if "genres" in table else table["title"]
        table = table[text.str.contains(sought, case=False, regex=False)]
    with st.container(border=True):
        card_title(f"{len(table):,} items", table, key="data-items-table")
        st.dataframe(
            table,
            hide_index=True,
            height=440,
            alt="Items, most rated first",
            column_config={
                "item": st.column_config.TextColumn("id", width="small"),
                "title": st.column_config.TextColumn("title", width="large"),
                "genres": st.column_config.TextColumn("genres"),
                "ratings": st.column_config.NumberColumn("ratings", format="localized"),
                "mean": st.column_config.NumberColumn("mean rating", format="%.2f", help="In rating units; of few ratings it says little."),
            },
        )


def split(entry: Dataset) -> RunConfig | None:
    """The split's options and what it makes of the data; None while the options do not fit."""
    config = None
    left, right = st.columns([1, 3], gap="medium")
    with left, mistakes_as_sentences():
        config = split_view.choose(entry.name, "data_")
    if config is not None:
        with right, mistakes_as_sentences():
            split_view.show(config)
    return config


def main() -> None:
    """The page from top to bottom."""
    top = st.container()
    query.refuse_unknown([CHOSEN, TAB, "data_search", "data_split", *(f"data_{kind}_*" for kind in split_view.KINDS)], dataset=CHOSEN)
    entries = {entry.name: entry for entry in listing()}
    saved = st.session_state.pop(SAVED, None)
    if saved:
        st.session_state[CHOSEN], st.session_state[TAB] = saved[0], LOOK
    entry = choose(entries)
    if saved:
        say("success", f"{saved[1]} is saved: it now stands in every list of datasets.")
    config = None
    ready = available(entry.name)
    looks, rows, splitting, uploading = linked.tabs([LOOK, ITEMS, SPLIT, UPLOAD], TAB)
    with mistakes_as_sentences():
        if uploading.open:
            with uploading:
                upload_form()
        elif not ready:
            download(entry)
        elif looks.open:
            with looks:
                look(entry)
        elif rows.open:
            with rows:
                items(entry)
        elif splitting.open:
            with splitting:
                config = split(entry)
    with top:
        buttons = header("Data", "What models learn from: look at the ratings before you train, and see what a split holds out.")
    link = {"dataset.name": entry.name} | (draft.to_query(config) if config is not None else {})
    label = "Train on this split" if config is not None else f"Train on {words.plain(entry.title)}"
    if buttons.button(label, type="primary", icon=":material/model_training:", key="data-train"):
        st.switch_page(TRAIN, query_params=link)
    share_buttons(buttons, st.query_params.to_dict())


through_dashboard()
with mistakes_as_sentences():
    main()
