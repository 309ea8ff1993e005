"""Somebody who is not in the data: ratings pasted or uploaded, answered by fold-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.errors import InputError
from pages.components import words
from pages.components.frame import mistakes_as_sentences

if TYPE_CHECKING:
    from engine.experiment import TrainedRun
    from engine.interactions import Interactions

UPLOAD_MB = 5
_OPEN = "recommend.newcomer"
_DONE = "recommend.newcomer.done"


def written(ratings: dict[int, float], data: Interactions) -> str:
    """Ratings as lines "id,rating", short enough for an address."""
    return "\n".join(f"{data.items.index[item]},{rating:g}" for item, rating in ratings.items())


def refusal(trained: TrainedRun) -> str | None:
    """Why a run's model cannot score a new user; None where it can."""
    try:
        refuse(trained, "")
    except InputError as error:
        return str(error)
    return None


def refuse(trained: TrainedRun, ratings: str | None) -> None:
    """Raises InputError where ratings are those of a new user, and the run's model cannot score one."""
    from engine.recommendations.beside_svd import refuse_strangers

    if ratings is not None:
        refuse_strangers(trained)


def ask(data: Interactions, refused: str | None) -> str | None:
    """A button that opens the form for a new user.

    Args:
        refused: why the run's model does not score new users, see `refusal`.

    Returns:
        The ratings as `written` tells them, once somebody has sent them; the next turn of the page closes the form.
    """
    if st.session_state.pop(_DONE, False):
        st.session_state[_OPEN] = False
    with st.popover("New user", icon=":material/person_add:", width="stretch", key=_OPEN, on_change="rerun"):
        if refused:
            st.markdown(words.plain(refused))
            return None
        example = "\n".join(f"{title}, {rating:g}" for title, rating in zip(data.titles[:3], _examples(data.scale), strict=False))
        if st.button("Begin with nothing rated", icon=":material/search:", width="stretch"):
            st.session_state[_DONE] = True
            return ""
        st.caption("… and add titles by the search. Or write a list:")
        with st.form("recommend.newcomer.form", border=False):
            low, high = data.scale
            st.caption(f"Any list of ratings is a user. A line holds a title or id, a comma and a rating from {low:g} to {high:g}.")
            text = st.text_area("Ratings", placeholder=example, height=150, label_visibility="collapsed")
            file = st.file_uploader("or a CSV file of such lines", type=["csv", "txt"], max_upload_size=UPLOAD_MB)
            sent = st.form_submit_button("Recommend", type="primary")
        if sent:
            from engine.recommendations import read_ratings

            with mistakes_as_sentences():
                lines = (text or "").strip()
                ratings = read_ratings(lines if lines or file is None else file.getvalue(), data)
                st.session_state[_DONE] = True
                return written(ratings, data)
    return None


def _examples(scale: tuple[float, float]) -> tuple[float, float, float]:
    return scale[1], round((scale[0] + scale[1]) / 2), scale[0]
