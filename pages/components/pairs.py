"""Answered questions of the pairwise test: how many are right beside other models, what samplers draw, and the questions themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from engine.spreadsheets import to_csv
from pages.components import titles, words
from pages.components.cards import card_title

if TYPE_CHECKING:
    from engine.interactions import Interactions
    from engine.models.contract import Recommender
    from engine.splits import Split

SAMPLERS = ("random", "softmax", "popularity")
ROWS = 100
HEIGHT = 420
MEANING = (
    "Of a user, one item that was held out from the model and one that they never rated: right is the answer that gives the held-out "
    "item the higher score; ties count half. Mean over a user's questions, then over users."
)


@dataclass(frozen=True, eq=False)
class Answers:
    """Some questions as the run answers them, and how many it and others get right.

    Attributes:
        frame: see `engine.pairwise.score_pairs`.
        shares: by model, the run's first, `engine.pairwise.share_right`; empty where nobody knows the right answers.
        apart: by other model, the run's accuracy minus that one's with the half-width of its interval, None of a single user.
    """

    frame: pd.DataFrame
    shares: dict[str, dict[str, float]]
    apart: dict[str, tuple[float, float] | None]


def answer(frames: Mapping[str, pd.DataFrame], models: Mapping[str, tuple[Recommender, Split]]) -> dict[str, Answers]:
    """Has every model answer every set of questions; each model scores all of them in one go.

    Args:
        frames: sets of questions by name, see `engine.pairwise.score_pairs`.
        models: by name, the first being the run's own; each sees the ratings of its split.
    """
    from engine.pairwise import right_difference, score_pairs, share_right

    everything = pd.concat(frames.values(), ignore_index=True)
    own, *others = models
    known = "watched" in everything
    scored = {name: score_pairs(model, split, everything) for name, (model, split) in models.items() if known or name == own}
    found, start = {}, 0
    for name, frame in frames.items():
        here = {model: whole.iloc[start : start + len(frame)] for model, whole in scored.items()}
        start += len(frame)
        shares = {model: share_right(part) for model, part in here.items()} if known else {}
        apart = {model: right_difference(here[own], here[model]) for model in others} if known else {}
        found[name] = Answers(here[own], shares, apart)
    return found


def accuracy_card(answers: Mapping[str, Answers], title: str, note: str, *, key: str) -> None:
    """Accuracy of each model on each set of questions.

    Args:
        answers: by the name of the set, at least one.
        note: a caption on top; Markdown.
        key: unique on the page; names the download.
    """
    models = [*next(iter(answers.values())).shares]
    frame = pd.DataFrame([{"questions": name, "model": model, **one.shares[model]} for name, one in answers.items() for model in models])
    with st.container(border=True, height="stretch", gap="xsmall"):
        card_title(title, frame, key=key, meaning=MEANING)
        st.caption(note)
        shown = {"": [f"**{words.plain(name)}**" for name in answers]}
        for number, model in enumerate(models):
            cells = [_accuracy(one.shares[model]) for one in answers.values()]
            shown[words.plain(model)] = [f"**{cell}**" if number == 0 else cell for cell in cells]
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="Share of right answers of the run and of others")
        sure = any("accuracy_se" in share for one in answers.values() for share in one.shares.values())
        st.caption(f"{'±: one standard error over users. ' if sure else ''}0.5 is guessing.")
        if len(models) > 1:
            _difference_table(answers, models)


def _difference_table(answers: Mapping[str, Answers], models: Sequence[str]) -> None:
    """The first model minus each other one, set by set."""
    shown = {"": [f"**{words.plain(name)}**" for name in answers]}
    for other in models[1:]:
        shown[f"minus {words.plain(other)}"] = [_apart(one.apart[other]) for one in answers.values()]
    st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt=f"Accuracy of {models[0]} minus that of the others")
    sure = any(apart is not None for one in answers.values() for apart in one.apart.values())
    interval = " ±: half the 95 % interval over users." if sure else ""
    st.caption(f"{words.plain(models[0])} minus the other on the same questions.{interval}")


def _accuracy(share: Mapping[str, float]) -> str:
    error = f"\u00a0±\u00a0{share['accuracy_se']:.4f}" if "accuracy_se" in share else ""
    return words.measured(share.get("accuracy")) + error


def _apart(apart: tuple[float, float] | None) -> str:
    """A difference of accuracies and what may be said of it."""
    if apart is None:
        return ":gray[– of a single user]"
    verdict, color = titles.verdict(-apart[0], apart[1], "it")
    said = {"green": "better", "orange": "worse"}.get(color, verdict)
    return f"{words.signed(apart[0])}\u00a0±\u00a0{apart[1]:.4f} :{color}[**{said}**]"


def samplers_card(facts: Mapping[str, Mapping[str, float]], answers: Mapping[str, Answers], name: str) -> None:
    """What each sampler draws from this dataset, and why two of them are nearly the same.

    Args:
        facts: see `engine.pairwise.sampler_facts`.
        answers: by sampler.
        name: of the run; names the download.
    """
    frame = pd.DataFrame([{"sampler": sampler, **facts[sampler]} for sampler in SAMPLERS])
    with st.container(border=True, height="stretch", gap="xsmall"):
        card_title("What is drawn as the unwatched item", frame, key=f"{name}-samplers")
        st.caption("In this run's training ratings, over the whole catalogue.")
        shown = {
            "": [f"**{sampler}**" for sampler in SAMPLERS],
            "likeliest : unlikeliest": [f"{_ratio(facts[sampler]['ratio'])} : 1" for sampler in SAMPLERS],
            "ratings of a drawn item": [f"{facts[sampler]['ratings']:,.0f}" for sampler in SAMPLERS],
            "from the top tenth": [f"{100 * facts[sampler]['top_tenth']:.0f} %" for sampler in SAMPLERS],
        }
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="What each sampler draws")
        st.markdown(
            "**Softmax of shares is almost uniform.** An item's share of users lies between 0 and 1, so e to its power lies between 1 and "
            f"2.72: here the most popular item is drawn {_ratio(facts['softmax']['ratio'])} times as often as the rarest. In proportion to "
            f"ratings it is {_ratio(facts['popularity']['ratio'])} times as often: that is the harder test."
        )
        if told := [f"{sampler} {_change(answers, sampler)}" for sampler in SAMPLERS[1:] if _change(answers, sampler)]:
            interval = "±: half the 95 % interval over users"
            st.markdown(f"**{words.plain(name)}**, accuracy minus that of the random test: {', '.join(told)} ({interval}).")


def _change(answers: Mapping[str, Answers], sampler: str) -> str:
    """How much lower or higher the run's accuracy is by a sampler than by the random one; empty of a single user."""
    from engine.pairwise import right_difference

    apart = right_difference(answers[sampler].frame, answers[SAMPLERS[0]].frame)
    return "" if apart is None else f"{words.signed(apart[0])}\u00a0±\u00a0{apart[1]:.4f}"


def _ratio(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}".removesuffix(".00")


def questions_card(title: str, answers: Answers, data: Interactions, *, each_user: bool = False, file: str) -> None:
    """Questions with the run's answers: the first of them, and all as CSV.

    Args:
        each_user: show the first question of each user.
        file: name of the files without ending; unique on the page.
    """
    frame = answers.frame
    asked = [name for name in ("user", "item_a", "item_b", "watched") if name in frame]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{title}**", width="content")
            with st.container(horizontal=True, width="content"):
                _csv(frame, asked, "Questions", file, "The questions alone, in the format that “Upload questions” reads.")
                _csv(frame, [*frame], "Answers", f"{file}-answered", "The questions with both scores and the run's answer.")
        shown = (frame.drop_duplicates("user") if each_user else frame).head(ROWS)
        _table(shown, data)
        which = f"The first question of {words.number_of(len(shown), 'user')}" if each_user else f"The first {len(shown):,}"
        many = f"{which}; all {len(frame):,} are in the downloads. " if len(frame) > len(shown) else ""
        st.caption(many + _legend(frame))


def _csv(frame: pd.DataFrame, columns: list[str], label: str, file: str, meaning: str) -> None:
    st.download_button(
        label,
        lambda: to_csv(frame[columns]).encode(),
        file_name=f"{file}.csv",
        mime="text/csv",
        key=f"{file}-csv",
        icon=":material/download:",
        on_click="ignore",
        help=meaning,
    )


def _legend(frame: pd.DataFrame) -> str:
    told = "**Bold** is the answer: the higher score"
    if "watched" in frame:
        told += "; ✓ right, ✗ wrong"
    if (frame["predicted"] == "tie").any():
        told += "; = both score the same"
    if (frame["shown"] != "").any():
        told += "; ◦ the model has seen that rating, so the answer is no prediction"
    if "probability_a" in frame:
        told += (
            ". Probability: the score's sigmoid. Training weighs what was watched more, so compare two of them, and read none as a share"
        )
    return f"{told}."


def _table(frame: pd.DataFrame, data: Interactions) -> None:
    kind, digits = ("probability", ".4f") if "probability_a" in frame else ("score", ".4g")
    shown: dict[str, Sequence[Any]] = {"user": [words.plain(user) for user in frame["user"]]}
    for side in ("a", "b"):
        items = data.items["title"].reindex(frame[f"item_{side}"])
        chosen = (frame["predicted"] == side).tolist()
        seen = frame["shown"].str.contains(side).tolist()
        named = [f"{words.plain(str(title))}{' ◦' if one else ''}" for title, one in zip(items, seen, strict=True)]
        shown[f"item {side.upper()}"] = [f"**{title}**" if one else title for title, one in zip(named, chosen, strict=True)]
        shown[f"{kind} {side.upper()}"] = [f"{value:{digits}}" for value in frame[f"{kind}_{side}"]]
    shown["answer"] = ["=" if one == "tie" else one.upper() for one in frame["predicted"]]
    if "watched" in frame:
        shown["watched"] = [_mark(*one) for one in zip(frame["watched"], frame["predicted"], frame["shown"] != "", strict=True)]
    height: Any = HEIGHT if len(frame) > 10 else "content"
    st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", height=height, alt="Questions with the run's answers")


def _mark(watched: str, predicted: str, seen: bool) -> str:
    if seen or predicted == "tie":
        return watched.upper()
    return f"{watched.upper()} :green[✓]" if watched == predicted else f"{watched.upper()} :orange[✗]"
