"""Pairwise: of two items, which one did this user watch? A trained model answers questions that are drawn or brought in a file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.errors import InputError
from engine.settings import settings
from engine.store import Run
from pages.components import linked, monitored, pairs, query, titles, words
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.pairs import Answers
from pages.components.scorer import Opened, first_choice, opened, with_a_model
from pages.components.session import store
from pages.components.share import ENGINE, share_buttons

if TYPE_CHECKING:
    from engine.models.contract import Recommender
    from engine.splits import Split

TRAIN = "pages/train.py"
RUN, BESIDE, TAB, DRAWS, SEED, SAMPLER = "run", "pairs_beside", "pairs_tab", "pairs_draws", "pairs_seed", "pairs_sampler"
DRAW, UPLOAD = "Draw a test", "Upload questions"
USUAL_DRAWS, MOST_DRAWS, LARGEST_SEED = 20, 100, 2**31 - 1
TYPES = ["csv", "tsv", "txt", "dat", "gz", "parquet"]
UPLOAD_MB = 50
NOBODY = "nobody"
EXACT = "Over all possible draws, as the run was tested: "


def runs_with_a_model() -> list[Run]:
    """The newest runs that can answer, and the one that a link names, by id or name, if it can; says why if it cannot."""
    wanted = None
    if asked := st.query_params.get(RUN):
        try:
            wanted = store().get(asked)
            st.query_params[RUN] = wanted.id
        except InputError as error:
            say("warning", str(error))
    return with_a_model(wanted)


def choose_run(runs: list[Run]) -> Run:
    """The menu of runs, with `first_choice` if none is asked for; its choice always stands in the address."""
    by_id = {run.id: run for run in runs}
    if st.query_params.get(RUN) not in by_id:
        last = query.written(RUN)
        st.query_params[RUN] = last if last in by_id else first_choice(runs).id
    names = {run.id: titles.run_title(run) for run in runs}
    return by_id[linked.select("Run", [*names], RUN, default="", naming=names.__getitem__)]


def choose_other(run: Run, runs: list[Run]) -> Run | None:
    """The menu of runs that can be asked the same: finished ones of the same split, for only then none has learned the answers."""
    split = (run.facts or {}).get("split_fingerprint")
    same = {
        one.id: one
        for one in runs
        if one.id != run.id and split and one.state == run.state == "finished" and (one.facts or {}).get("split_fingerprint") == split
    }
    chosen = linked.select(
        "Also asked",
        [NOBODY, *same],
        BESIDE,
        naming=lambda one: titles.run_title(same[one]) if one in same else "no other run",
        unknown=lambda one: say("warning", f"Only a finished run of the same split can be asked the same questions, not '{one}'."),
        meaning="A finished run of the same split, beside the baselines.",
    )
    return same.get(chosen)


def draw_a_test(run: Run, other: Run | None, here: Opened) -> dict[str, str]:
    """Draws questions, has them answered and shows the result. Returns the options of the same on the command line."""
    for_draws, for_seed, for_sampler = st.columns([1, 1, 2.4], gap="medium", vertical_alignment="bottom")
    with for_draws:
        meaning = "Questions per user. One per user leaves much to chance."
        draws = int(linked.bound(st.number_input, "Draws per user", 1, MOST_DRAWS, USUAL_DRAWS, key=DRAWS, help=meaning))
    with for_seed:
        seed = int(linked.bound(st.number_input, "Seed", 0, LARGEST_SEED, 0, key=SEED, help="The same seed, the same questions."))
    with for_sampler:
        meaning = "How the unwatched item of the questions below is drawn; the table compares all three."
        sampler = linked.segments("Questions shown", pairs.SAMPLERS, SAMPLER, meaning=meaning)
    found = _drawn(here, _opened(other), _state(run, other), draws, seed)
    if found[sampler].frame.empty:
        say(
            "info",
            f"The {_part(here)} part of {run.name} holds out no liked rating of a user who left an item unrated: nothing to ask about.",
        )
        return {"draw": sampler}
    left, right = st.columns([1.25, 1], gap="small")
    with left:
        share = found[sampler].shares[run.name]
        users = int(share["users"])
        whom = "one user" if users == 1 else f"each of {users:,} users"
        asked = f"{words.number_of(int(share['pairs']), 'question')} by each sampler, {draws:,} for {whom}"
        note = f"{asked}. Watched: from {_watched(here)}."
        pairs.accuracy_card(found, "Pairwise accuracy by sampler", note + _exact(run, _part(here)), key=f"{run.name}-pairwise")
    with right:
        pairs.samplers_card(_facts(here, _state(run)), found, run.name)
    file = f"{run.name}-pairwise-{sampler}"
    pairs.questions_card(f"Questions drawn by {sampler}", found[sampler], here.trained.split.interactions, each_user=True, file=file)
    return {"draw": sampler, "draws": str(draws), "seed": str(seed)}


def _watched(here: Opened) -> str:
    """Which held-out ratings count as watched."""
    from engine.recommendations.lists import liked_from

    liked, given = liked_from(here.trained), here.trained.split.interactions.ratings.data
    return f"the {_part(here)} part" + (f", rated {liked:g} or more" if given.min() < liked else "")


def _exact(run: Run, part: str) -> str:
    """What the run's own test measured without the error of drawing; empty where it did not."""
    known = (run.summary or {}).get("metrics", {}).get(part, {})
    parts = [f"{sampler} {known[f'pairwise_{sampler}']:.4f}" for sampler in pairs.SAMPLERS if f"pairwise_{sampler}" in known]
    return f"  \n{EXACT}{', '.join(parts)}." if parts else ""


def upload_questions(run: Run, other: Run | None, here: Opened) -> None:
    """Takes a file of questions and shows what the model answers."""
    data = here.trained.split.interactions
    st.markdown(
        "One line per question: `user,item_a,item_b`, and `watched` (a or b) where the answer is known; the header may be left out. "
        "Ids are those of the dataset. CSV, TSV, also gzipped, or Parquet. The file stays on this machine."
    )
    file = st.file_uploader("Questions", type=TYPES, key="pairs_file", max_upload_size=UPLOAD_MB, label_visibility="collapsed")
    if file is None:
        users, items = data.users.index, data.items.index
        st.caption("Such as this; “Draw a test” gives such files too.")
        st.code(f"user,item_a,item_b\n{users[0]},{items[0]},{items[-1]}\n{users[-1]},{items[-1]},{items[0]}", language=None)
        return
    answers = _uploaded(here, _opened(other), _state(run, other), file.getvalue(), file.name, file.file_id)
    frame = answers.frame
    if answers.shares:
        _share_right(run, answers)
    else:
        first = (frame["predicted"] == "a").sum()
        st.markdown(
            f"**{_asked(len(frame), frame['user'].nunique())}**: {first:,} answered A, "
            f"{(frame['predicted'] == 'b').sum():,} answered B, {(frame['predicted'] == 'tie').sum():,} undecided. "
            f"{_seen_words(int((frame['shown'] != '').sum()))}The file has no column `watched`, so nobody knows how many are right."
        )
    pairs.questions_card(f"Answers to {words.plain(file.name)}", answers, data, file=f"{run.name}-uploaded")


def _share_right(run: Run, answers: Answers) -> None:
    """Of a file with answers: how many are right."""
    share, frame = answers.shares[run.name], answers.frame
    if not share["pairs"]:
        say(
            "warning",
            f"{words.number_of(len(frame), 'question')}, each about an item whose rating the model has seen: no answer is a prediction.",
        )
        return
    seen = int(share["shown"])
    ties = words.number_of(int((frame["predicted"] == "tie").sum()), "tie")
    note = f"{_asked(int(share['pairs']), int(share['users']))}; {ties}. {_seen_words(seen)}"
    pairs.accuracy_card({"your file": answers}, "Right answers", note, key=f"{run.name}-right")


def _asked(questions: int, users: int) -> str:
    return f"{words.number_of(questions, 'question')} about {words.number_of(users, 'user')}"


def _seen_words(seen: int) -> str:
    if not seen:
        return ""
    return f"{seen:,} more name{'s' if seen == 1 else ''} an item whose rating the model has seen: answered, but not counted. "


def _part(here: Opened) -> str:
    """The part of the split that questions are drawn from: the test part is closed until the run has finished."""
    from engine.recommendations.lists import held_out_parts

    return held_out_parts(here.trained)[-1]


def _models(here: Opened, beside: Opened | None) -> dict[str, tuple[Recommender, Split]]:
    """Who answers: the run, popularity and SVD where the run is not that itself, and the other run."""
    from engine.models.baselines import Popularity
    from engine.models.configs import PopularityConfig

    trained = here.trained
    found: dict[str, tuple[Recommender, Split]] = {trained.run.name: (trained.model, trained.split)}
    if trained.config.model.name != "popularity":
        floor = Popularity(PopularityConfig(), *trained.split.train.shape)
        floor.fit(trained.split.train)
        found["popularity"] = (floor, trained.split)
    found[monitored.baseline_title("svd", {"rank": trained.svd.config.rank})] = (trained.svd, trained.split)
    if beside:
        found[beside.trained.run.name] = (beside.trained.model, beside.trained.split)
    return found


def _opened(other: Run | None) -> Opened | None:
    return None if other is None else opened(other)


def _state(*runs: Run | None) -> str:
    """What the answers of these runs depend on."""
    return repr((settings().store_url, [(run.id, store().changed(run.id, "model"), run.state) for run in runs if run]))


@st.cache_resource(max_entries=6, show_spinner="Drawing questions and answering them …")
def _drawn(_here: Opened, _other: Opened | None, state: str, draws: int, seed: int) -> dict[str, Answers]:
    from engine.pairwise import pairwise_draws
    from engine.recommendations.lists import liked_from

    split, liked, part = _here.trained.split, liked_from(_here.trained), _part(_here)
    drawn = {sampler: pairwise_draws(split, part, sampler, draws, seed, liked=liked) for sampler in pairs.SAMPLERS}
    return pairs.answer(drawn, _models(_here, _other))


@st.cache_resource(max_entries=3, show_spinner="Answering the questions …")
def _uploaded(_here: Opened, _other: Opened | None, state: str, _content: bytes, name: str, file: str) -> Answers:
    from engine.pairwise import read_pairs

    questions = read_pairs(_content, _here.trained.split.interactions, name)
    return pairs.answer({"file": questions}, _models(_here, _other))["file"]


@st.cache_resource(max_entries=6, show_spinner=False)
def _facts(_here: Opened, state: str) -> dict[str, dict[str, float]]:
    from engine.pairwise import sampler_facts

    return sampler_facts(_here.trained.split)


def buttons(place: DeltaGenerator, run: Run, options: dict[str, str]) -> None:
    """The page's link, and its command line."""
    share_buttons(place, st.query_params.to_dict())
    with place.popover("Copy command", icon=":material/terminal:"):
        st.caption("The same in a terminal." if options else "The same in a terminal, with your file in place of FILE.csv.")
        told = [part for name, value in options.items() for part in (f"--{name}", value)] or ["FILE.csv"]
        st.code(f"{ENGINE} {shlex.join(['pairwise', run.id, *told, '--output', 'answers.csv'])}", language="bash", wrap_lines=True)


def page() -> None:
    """The page."""
    place = header("Pairwise", "Of two items, one was watched and then hidden from the model, the other never rated: which is which?")
    query.refuse_unknown([RUN, BESIDE, TAB, DRAWS, SEED, SAMPLER])
    runs = runs_with_a_model()
    if not runs:
        say("info", "No run has a trained model yet: train one, and it is tested here.", icon="balance")
        st.page_link(TRAIN, label="Train a model", icon=":material/model_training:")
        return
    for_run, for_other = st.columns(2, gap="small")
    with for_run:
        run = choose_run(runs)
    with for_other:
        other = choose_other(run, runs)
    drawing, uploading = linked.tabs([DRAW, UPLOAD], TAB)
    options: dict[str, str] = {}
    with mistakes_as_sentences():
        here = opened(run)
        if uploading.open:
            with uploading:
                upload_questions(run, other, here)
        else:
            with drawing:
                options = draw_a_test(run, other, here)
    buttons(place, run, options)


through_dashboard()
page()
