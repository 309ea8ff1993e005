"""Recommend: one person's ratings, what trained models and SVD make of them, why, and what if they were others."""

from __future__ import annotations

import random
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.store import Run
from pages.components import asked, newcomer, query, titles
from pages.components.asked import ANSWER, FRESH, LINK, MOST, SVD, TASTE, TOPS, kept
from pages.components.frame import header, mistakes_as_sentences, say, say_what_was_kept, through_dashboard
from pages.components.heldout import held_out_card, places_of
from pages.components.rated import rated_card
from pages.components.reclists import legend, list_cards
from pages.components.scorer import Opened, first_choice, opened, with_a_model
from pages.components.session import store
from pages.components.share import share_buttons
from pages.components.taste import taste_card
from pages.components.whatif import changes_card
from pages.components.why import why_card


def choose_run(runs: list[Run]) -> Run:
    """The menu of runs."""
    by_id = {run.id: run for run in runs}
    if kept()["run"] not in by_id:
        kept()["run"] = first_choice(runs).id
    st.session_state["recommend.run"] = kept()["run"]
    names = {run.id: titles.run_title(run) for run in runs}
    return by_id[st.selectbox("Run", [*names], format_func=names.__getitem__, key="recommend.run", on_change=_take, args=("run",))]


def choose_beside(run: Run, runs: list[Run]) -> None:
    """The menu of models beside it: SVD, and runs on the same dataset."""
    names = {SVD: "SVD", **{other.id: f"{other.name} · {titles.model_title(other.config)}" for other in asked.comparable(run, runs)}}
    st.session_state["recommend.with"] = kept()["with"]
    st.multiselect(
        "Beside it",
        [*names],
        format_func=lambda one: names[one],
        key="recommend.with",
        max_selections=MOST - 1,
        placeholder="up to two more",
        on_change=_take,
        args=("with",),
    )


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


def choose_top() -> None:
    """The length of the lists."""
    st.session_state["recommend.top"] = kept()["top"]
    st.segmented_control("Titles", TOPS, required=True, key="recommend.top", on_change=_take, args=("top",))


def _take(name: str) -> None:
    former, now = kept()[name], st.session_state[f"recommend.{name}"]
    if name == "run" and not asked.same_data(store().find(former), store().find(now)):
        kept().update(FRESH, ratings=None)  # its ids mean other items there
        kept()["with"] = [SVD]
    if name == "run":
        kept()["with"] = [key for key in kept()["with"] if key != now]
    kept()[name] = now
    if name == "user":
        kept().update(FRESH, ratings=None)


def _show_user(user: str, walk: tuple[str, int] | None = None) -> None:
    kept().update(FRESH, user=user, ratings=None, walk=walk)


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


@st.fragment(key=LINK)
def link(place: DeltaGenerator) -> None:
    """The address and its button, which change with everything else."""
    asked.write_address()
    share_buttons(place, asked.address())


@st.fragment(key=ANSWER)
def answer(here: Opened, others: Sequence[Opened]) -> None:
    """The lists, what compares them, and the address, which need not wait for the rest."""
    from engine.recommendations.lists import liked_from

    advisors, (person, found) = asked.advisors(here, others), asked.compared(here, others)
    list_cards(advisors, found)
    liked = liked_from(here.trained)
    findable = sum(rating >= liked for rating in here.advisor.held_out_of(person).values())
    legend(advisors, found, liked, findable, _parts(here), kept()["top"])
    asked.write_address()


@st.fragment(key=TASTE)
def taste(here: Opened) -> None:
    """Genres of what is rated now."""
    from engine.recommendations import history

    data = here.trained.split.interactions
    taste_card(history(data, asked.person(here).ratings), here.trained.run.name, data.scale)


def below(here: Opened) -> None:
    """What was held out of the person, as the models predict it from the ratings in the data."""
    from engine import recommendations
    from engine.recommendations.lists import liked_from

    trained, served, known = here.trained, here.service, kept()["ratings"] is None
    pairs = recommendations.held_out_pairs(trained, served, kept()["user"]) if known else {"pairs": []}
    held_out_card(
        trained.run.name,
        "this user" if known else "a new user",
        pairs,
        finished="test" in served.parts,
        parts=_parts(here),
        users=len(served.order),
        least=served.least,
        liked=liked_from(trained),
        scale=trained.split.interactions.scale,
        places=None if trained.rates else places_of(here, kept()["user"], pairs) if pairs["pairs"] else {},
    )


def _parts(here: Opened) -> str:
    """The parts of the split that are held out; of a refitted run, the validation ratings have been learned."""
    return " and ".join(part for part in here.service.parts if here.trained.split.part(part).nnz)


def show(here: Opened, others: Sequence[Opened]) -> None:
    """Everything about one person."""
    user = kept()["user"]
    who = "A new user" if kept()["ratings"] is not None else f"User {user}" if user.isdigit() else user
    left, right = st.columns([1, 2.55], gap="small")
    with left:
        rated_card(here, who)
        changes_card(here, others)
        taste(here)
    with right:
        answer(here, others)
        why_card(here, others)
    below(here)


def nothing_trained() -> None:
    """What stands here before the first model is trained."""
    say("info", "No run has a trained model yet: train one, and it recommends here.", icon="recommend")
    st.page_link("pages/train.py", label="Train a model", icon=":material/model_training:")


def page() -> None:
    """The page."""
    place = header("Recommend", "who: an existing user · a new user · a pasted list — any list of ratings is a user")
    address = query.arrived(asked.PAGE)
    refused = asked.take_over(address) if address else []
    told = st.container()
    with told:
        query.say_some(refused)
    runs = with_a_model(store().find(kept()["run"]) if kept()["run"] else None)
    if not runs:
        nothing_trained()
        return
    for_run, for_beside, for_user, for_new, for_top = st.columns([1.5, 1.6, 0.8, 0.6, 0.5], gap="small", vertical_alignment="bottom")
    with for_run:
        run = choose_run(runs)
    for sentence in asked.settle_beside(run, runs):
        say("warning", sentence, place=told)
    with for_beside:
        choose_beside(run, runs)
    with for_top:
        choose_top()
    with mistakes_as_sentences():
        here = opened(run)
        by_id = {other.id: other for other in runs}
        others = [opened(by_id[key]) for key in kept()["with"] if key != SVD]
        settle_user(here, told if address else None)
        for sentence in asked.settle_why(here) if address else []:
            say("warning", sentence, place=told)
        with for_new:
            sent = newcomer.ask(here.trained.split.interactions, newcomer.refusal(here.trained))
        if sent is not None:
            kept().update(FRESH, ratings=sent)
            st.rerun()
        with for_user:
            choose_user(here)
        newcomer.refuse(here.trained, kept()["ratings"])
        asked.person(here)  # what is wrong with it is said before anything is drawn
        with told:
            say_what_was_kept()
        buttons(place, here)
        link(place)
        show(here, others)


through_dashboard()
page()
