"""Recommend: one person's ratings, what a trained model makes of them, and what SVD would."""

from __future__ import annotations

import random
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.errors import InputError
from engine.store import Run
from pages.components import newcomer, query, titles, words
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.heldout import held_out_card, places_of
from pages.components.reclists import between, list_card, measured_by, rated_card, taste_card
from pages.components.scorer import Opened, first_choice, opened
from pages.components.session import store
from pages.components.share import share_buttons

PAGE = "recommend"
TRAIN = "pages/train.py"
TOPS = (10, 20)


def kept() -> dict[str, Any]:
    """What the page shows: run, user, top, and the ratings of a new user."""
    return st.session_state.setdefault(PAGE, {"run": None, "user": None, "top": TOPS[0], "ratings": None})


def take_over(address: dict[str, str]) -> list[str]:
    """Takes over an address that came from elsewhere. Returns one sentence for each part that could not be used."""
    refused = []
    kept().update(run=None, user=address.get("user"), top=TOPS[0], ratings=address.get("ratings"))
    if "run" in address:
        try:
            kept()["run"] = store().get(address["run"]).id
        except InputError as error:
            refused.append(str(error))
            kept().update(user=None, ratings=None)  # whom it names, is known there alone
    if address.get("top", str(TOPS[0])) in map(str, TOPS):
        kept()["top"] = int(address.get("top", TOPS[0]))
    else:
        refused.append(f"A list has {' or '.join(map(str, TOPS))} titles here, not '{address['top']}'.")
    return refused


def choose_run(runs: list[Run]) -> Run:
    """The menu of runs."""
    by_id = {run.id: run for run in runs}
    if kept()["run"] not in by_id:
        kept()["run"] = first_choice(runs).id
    st.session_state["recommend.run"] = kept()["run"]
    chosen = st.selectbox(
        "Run", [*by_id], format_func=lambda one: titles.run_title(by_id[one]), key="recommend.run", on_change=_take, args=("run",)
    )
    return by_id[chosen]


def settle_user(here: Opened, linked: DeltaGenerator | None) -> None:
    """Sees to it that the user is in the data: one of a link who is not is answered by a sentence, one of a former run quietly replaced."""
    facts = here.trained.run.facts or {}
    if kept()["user"] not in here.users:
        if linked and kept()["user"] is not None and kept()["ratings"] is None:
            with linked, mistakes_as_sentences():
                here.trained.split.interactions.user_position(kept()["user"])
        pinned = str(facts.get("watch_user"))
        kept()["user"] = pinned if pinned in here.users else here.users[0]


def choose_user(here: Opened) -> None:
    """The menu of users."""
    st.session_state["recommend.user"] = kept()["user"] if kept()["ratings"] is None else None
    index = 0 if kept()["ratings"] is None else None
    st.selectbox("User", here.users, index=index, key="recommend.user", placeholder="a new user", on_change=_take, args=("user",))


def choose_top() -> int:
    """The length of the lists."""
    st.session_state["recommend.top"] = kept()["top"]
    return st.segmented_control("Titles", TOPS, required=True, key="recommend.top", on_change=_take, args=("top",)) or TOPS[0]


def _take(name: str) -> None:
    former = kept()[name]
    if name == "run" and store().get(former).config["dataset"] != store().get(st.session_state["recommend.run"]).config["dataset"]:
        kept()["ratings"] = None  # its ids mean other items there
    kept()[name] = st.session_state[f"recommend.{name}"]
    if name == "user":
        kept()["ratings"] = None


def _show_user(user: str, walk: tuple[str, int] | None = None) -> None:
    kept().update(user=user, ratings=None, walk=walk)


def buttons(place: DeltaGenerator, here: Opened) -> None:
    """Random and, of a run that predicts ratings, best and worst served."""
    index, order = here.trained.split.interactions.users.index, here.service.order
    held_out = "held-out" if "test" in here.service.parts else "validation"
    among = f"RMSE on their {held_out} ratings, of {len(order):,} users with at least {here.service.least}. Press again for the next."
    place.button("Random", on_click=_show_user, args=(random.choice(here.users),), help="Any user of the dataset.")
    if here.service.predicted is None:  # What only ranks has no error by which users could be told apart.
        return
    for label, rows, which in (("Best served", order, "Lowest"), ("Worst served", order[::-1], "Highest")):
        pressed, at = kept().get("walk") or ("", -1)
        at = at + 1 if pressed == label and at + 1 < len(rows) and kept()["user"] == str(index[rows[at]]) else 0
        place.button(label, on_click=_show_user, args=(str(index[rows[at]]), (label, at)), help=f"{which} {among}")


def show(here: Opened, top: int) -> None:
    """Everything about one person."""
    from engine import recommendations
    from engine.recommendations.lists import liked_from

    trained, user, data = here.trained, kept()["user"], here.trained.split.interactions
    liked, run = liked_from(trained), trained.run
    if kept()["ratings"] is None:
        who, lists = f"User {user}" if user.isdigit() else user, recommendations.for_user(trained, user, top)
        pairs = recommendations.held_out_pairs(trained, here.service, user)
    else:
        who = "A new user"
        lists = recommendations.for_new_user(trained, recommendations.read_ratings(kept()["ratings"], data), top)
        pairs = {"pairs": []}
    rates = trained.rates
    places = None if rates else places_of(trained, user, pairs) if pairs["pairs"] else {}
    left, right = st.columns([1, 2.55], gap="small")
    with left:
        rated_card(who, lists, data.scale, run.name)
        taste_card(lists, run.name, data.scale)
    with right:
        mine, svd = st.columns(2, gap="small")
        own_error, svd_error = measured_by(run)
        with mine:
            caption = " · ".join(filter(None, (words.plain(run.name), own_error)))
            entries = lists["recommendations"]
            list_card(titles.model_title(run.config), "blue", caption, entries, rates=rates, other="SVD\u00a0#", key=f"{run.name}-list")
        with svd:
            title = titles.model_title({"model": trained.svd.config.model_dump()})
            caption = " · ".join(filter(None, ("baseline", svd_error)))
            list_card(title, "gray", caption, lists["svd"], rates=True, other="run\u00a0#", key=f"{run.name}-svd-list")
        served, whom = here.service, "this user" if kept()["ratings"] is None else "a new user"
        figures: dict[str, Any] = {"top": top, "users": len(served.order), "least": served.least, "liked": liked, "scale": data.scale}
        figures["places"] = places
        # Of a refitted run, the validation ratings have been learned.
        parts = " and ".join(part for part in served.parts if trained.split.part(part).nnz)
        between(lists, liked, rates, run, parts)
        held_out_card(run.name, whom, pairs, lists, finished="test" in served.parts, parts=parts, **figures)


def nothing_trained() -> None:
    """What stands here before the first model is trained."""
    say("info", "No run has a trained model yet: train one, and it recommends here.", icon="recommend")
    st.page_link(TRAIN, label="Train a model", icon=":material/model_training:")


def page() -> None:
    """The page."""
    place = header("Recommend", "who: an existing user · a new user · a pasted list — any list of ratings is a user")
    address = query.arrived(PAGE)
    refused = take_over(address) if address else []
    told = st.container()
    for sentence in refused:
        say("warning", sentence, place=told)
    runs = [run for run in store().list(limit=200) if store().has(run.id, "model")]
    wanted = store().find(kept()["run"]) if kept()["run"] else None
    if wanted and wanted.id not in {run.id for run in runs}:
        if store().has(wanted.id, "model"):
            runs.append(wanted)
        else:
            say("warning", f"Run {wanted.name} has no trained model yet: it is {wanted.state}.", icon="hourglass_empty")
            st.page_link(TRAIN, label=f"Look at {wanted.name}", icon=":material/show_chart:", query_params={"run": wanted.id})
    if not runs:
        nothing_trained()
        return
    for_run, for_user, for_new, for_top = st.columns([2.2, 1.4, 0.8, 0.7], gap="small", vertical_alignment="bottom")
    with for_run:
        run = choose_run(runs)
    with for_top:
        top = choose_top()
    with mistakes_as_sentences():
        here = opened(run)
        settle_user(here, told if address else None)
        with for_new:
            sent = newcomer.ask(here.trained.split.interactions, newcomer.refusal(here.trained))
        if sent is not None:
            kept()["ratings"] = sent
            st.rerun()
        with for_user:
            choose_user(here)
        person = {"user": kept()["user"]} if kept()["ratings"] is None else {"ratings": kept()["ratings"]}
        now = {"run": run.id, **person, "top": str(top)}
        query.write(PAGE, now)
        buttons(place, here)
        share_buttons(place, now)
        show(here, top)


through_dashboard()
page()
