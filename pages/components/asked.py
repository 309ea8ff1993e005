"""What the Recommend page is asked: which models, about whom, and what if. Kept in the session, told in the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.errors import InputError
from engine.store import Run
from pages.components import query
from pages.components.frame import say_later
from pages.components.scorer import Opened
from pages.components.session import store

if TYPE_CHECKING:
    from engine.recommendations import Advisor, Compared, Person

PAGE = "recommend"
KNOWN = ("run", "with", "user", "ratings", "top", "set", "why", "by", "without")
"""Parameters of a link."""
TOPS = (10, 20)
MOST = 3
"""Lists that stand beside each other."""
SVD = "svd"
NONE = "none"
MORE = 50
"""Ratings that are left out one by one where somebody asks for more of them."""
FRESH = {"set": "", "why": None, "by": None, "without": 0}
"""What is asked about a person and ends with him."""

RATED, ANSWER, CHANGED, WHY, TASTE, LINK = (f"{PAGE}.{part}" for part in ("rated", "answer", "changed", "why", "taste", "link"))
"""Keys of the parts that are redrawn by themselves."""


def kept() -> dict[str, Any]:
    """What the page shows.

    run: id of the first one. with: of those beside it, and SVD. user: id. ratings: of a new user, as lines "id,rating", None for a
    known one. set: changed ratings, see `read_changes`. why: id of the title asked about, None for the list's first. by: which model
    is asked. without: how many ratings are left out one by one, MORE, or 0 for those shown. top: titles of a list.
    """
    return st.session_state.setdefault(PAGE, {"run": None, "with": [SVD], "user": None, "ratings": None, "top": TOPS[0], **FRESH})


def take_over(address: dict[str, str]) -> list[str]:
    """Takes over an address that came from elsewhere. Returns one sentence for each part that could not be used."""
    strange = query.strangers(address, KNOWN)
    for name in strange:
        st.query_params.pop(name, None)
    refused = [*strange.values()]
    kept().update(FRESH, run=None, user=address.get("user"), ratings=address.get("ratings"), top=TOPS[0])
    kept().update({name: address[name] for name in ("set", "why", "by") if name in address})
    first, *others = address.get("run", "").split(",")
    beside = [*others, *filter(None, address.get("with", "" if others else SVD).split(","))]
    kept()["with"] = [key for key in dict.fromkeys(beside) if key not in (NONE, first)]
    if first:
        try:
            kept()["run"] = store().get(first).id
        except InputError as error:
            refused.append(str(error))
            kept().update(FRESH, user=None, ratings=None)  # whom it names, is known there alone
    if address.get("top", str(TOPS[0])) in map(str, TOPS):
        kept()["top"] = int(address.get("top", TOPS[0]))
    else:
        refused.append(f"A list has {' or '.join(map(str, TOPS))} titles here, not '{address['top']}'.")
    if address.get("without") == str(MORE):
        kept()["without"] = MORE
    elif "without" in address:
        refused.append(f"without={address['without']}: either {MORE} ratings are left out one by one, or those shown, without this part.")
    return refused


def address() -> dict[str, str]:
    """The settings as an address holds them; what is usual is left out."""
    now = kept()
    person = {"user": now["user"]} if now["ratings"] is None else {"ratings": now["ratings"]}
    beside = {} if now["with"] == [SVD] else {"with": ",".join(now["with"]) or NONE}
    asked = {name: str(now[name]) for name in ("set", "why", "by", "without") if now[name]}
    return {"run": now["run"], **beside, **person, "top": str(now["top"]), **asked}


def settle_beside(run: Run, runs: Sequence[Run]) -> list[str]:
    """Leaves out what cannot stand beside a run. Returns one sentence for each.

    Args:
        runs: those with a trained model.
    """
    refused, fitting = [], []
    able = {other.id: other for other in runs}
    for key in kept()["with"]:
        try:
            if key == SVD or (key in able and same_data(run, able[key])):
                fitting.append(key)
                continue
            other = able.get(key) or store().get(key)
            if other.id not in able:
                refused.append(f"Run {other.name} has no trained model yet: it is {other.state}.")
            else:
                refused.append(f"{other.name} knows another dataset than {run.name}, so that their lists have no title in common.")
        except InputError as error:
            refused.append(str(error))
    if len(fitting) >= MOST:
        refused.append(f"{MOST} lists stand beside each other, not {len(fitting) + 1}.")
    kept()["with"] = fitting[: MOST - 1]
    return refused


def settle_why(here: Opened) -> list[str]:
    """Forgets a question about a title or to a model that there is not. Returns one sentence for each."""
    refused = []
    if kept()["why"] is not None and kept()["why"] not in here.trained.split.interactions.items.index:
        refused.append(f"There is no item '{kept()['why']}' in {here.trained.split.interactions.name} to ask about.")
        kept()["why"] = None
    if kept()["by"] is not None and kept()["by"] not in (here.advisor.key, *kept()["with"]):
        refused.append(f"by={kept()['by']} is none of the models whose lists are shown.")
        kept()["by"] = None
    return refused


def comparable(run: Run, runs: Sequence[Run]) -> list[Run]:
    """The runs that know the same dataset, itself left out."""
    return [other for other in runs if other.id != run.id and same_data(run, other)]


def same_data(run: Run | None, other: Run | None) -> bool:
    """Whether both runs know the same dataset; False where one of them is gone."""
    return run is not None and other is not None and run.config.get("dataset") == other.config.get("dataset")


def advisors(here: Opened, others: Sequence[Opened]) -> list[Advisor]:
    """The models that are asked, the first run's own first.

    Args:
        others: the runs beside it, in their order.
    """
    found = {SVD: here.svd, **{one.advisor.key: one.advisor for one in others}}
    return [here.advisor, *(found[key] for key in kept()["with"])]


def person(here: Opened) -> Person:
    """The person with the changes that are asked for; changes that cannot be are forgotten and said later."""
    from engine import recommendations

    split, asked = here.trained.split, kept()
    try:
        changes = recommendations.read_changes(asked["set"], split.interactions)
    except InputError as error:
        say_later(str(error))
        changes, asked["set"] = {}, ""
    if asked["ratings"] is None:
        return recommendations.known(split, asked["user"], changes)
    written = recommendations.read_ratings(asked["ratings"], split.interactions) if asked["ratings"] else {}
    return recommendations.newcomer(written, changes)


def compared(here: Opened, others: Sequence[Opened]) -> tuple[Person, Compared]:
    """The person and the lists, computed once for all parts of the page that show them."""
    from engine import recommendations

    asked = kept()
    models = advisors(here, others)
    # Names of the models and not the models: a tab would keep them in memory when nobody else does.
    runs = [(one.key, one.trained.run.id, one.trained.run.state, store().changed(one.trained.run.id, "model")) for one in models]
    key = [runs, *(asked[name] for name in ("user", "ratings", "set", "top"))]
    if st.session_state.get(f"{PAGE}.compared", ([],))[0] != key:
        who = person(here)
        key[-2] = asked["set"]  # what could not be is forgotten
        st.session_state[f"{PAGE}.compared"] = key, who, recommendations.compare(models, who, asked["top"])
    _, who, found = st.session_state[f"{PAGE}.compared"]
    return who, found


def change(here: Opened, item: int, rating: float | None) -> None:
    """Give a title another rating, or take it away."""
    from engine.recommendations import newcomer, write_changes

    who = person(here)
    changes = newcomer(who.former, {**who.changes, item: rating}).changes
    kept()["set"] = write_changes(changes, here.trained.split.interactions)


def redraw(*parts: str) -> None:
    """In a callback: redraw these parts alone, in this order."""
    st.rerun([*parts])


def write_address() -> None:
    """Bring the address up to date."""
    query.write(PAGE, address())
