"""SVD: the linear answer to the same question, on the toy to the digit and on any dataset by rank."""

from __future__ import annotations

import shlex

import numpy as np
import streamlit as st

from engine.config import RunConfig
from engine.datasets import Dataset, available, listing
from engine.splits import TIMED
from pages.components import charts, linked, query, titles, words
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.loaded import configured, decomposed, factors_of, item_map_of, rank_curve_of, ratings, refuse, spectrum_of
from pages.components.plots import Bars, bars
from pages.components.share import ENGINE, share_buttons
from pages.components.svd_items import both_matrices, item_map
from pages.components.whole_matrix import SHOWN_WHOLE, whole_matrix

TOY = "toy"
HIGHEST = 50
USUAL_RANK = 3
CENTRING = {
    "none": "Cells that nobody rated count as 0, as in the assignment.",
    "bias": "User and item biases are taken off first, so that a cell that nobody rated counts as average: as beside every run.",
}
KNOWN = ("svd_data", "svd_rank", "svd_centring", "svd_split", "svd_x", "svd_y", "svd_colour", "svd_item", "svd_user")
"""The page's parameters in a link."""
# Split schemes that need no choice beside their kind.
JUDGED_BY = ("random", "stratified", "users", "time", "last", "leave-last")


def controls(entries: dict[str, Dataset]) -> tuple[Dataset, int, str, str]:
    """The controls.

    Returns:
        Dataset, rank, centring, and the kind of the split by which ranks are judged.
    """
    data, rank, centring, split = st.columns([1.2, 1.4, 1, 1], gap="medium")
    with data:
        name = linked.select("Dataset", list(entries), "svd_data", default=TOY, naming=lambda one: entries[one].title, unknown=_unknown)
    entry = entries[name]
    most = max(2, min(HIGHEST, entry.n_users, entry.n_items))
    with rank:
        start: int | None = min(USUAL_RANK, most)
        if st.session_state.get("svd_rank", 1) > most:  # of a larger dataset
            st.session_state["svd_rank"], start = most, None
        chosen = linked.bound(st.slider, "Rank", 1, most, start, key="svd_rank", help="Singular values that are kept.")
    with centring:
        about = "\n".join(f"- **{name}** {text}" for name, text in CENTRING.items())
        usual = "none" if name == TOY else "bias"
        centred = linked.segments("Centring", list(CENTRING), "svd_centring", default=usual, meaning=about)
    with split:
        kinds = [kind for kind in JUDGED_BY if entry.has_timestamps or kind not in TIMED]
        meaning = "Which ratings are held out to judge ranks by; shares as a run has them by default."
        kind = linked.select("Split", kinds, "svd_split", naming=lambda one: _split(name, one), meaning=meaning)
    return entry, chosen, centred, kind


def _split(dataset: str, kind: str) -> str:
    return titles.split_title(kind, configured(dataset, {"kind": kind}).split.model_dump())


def _unknown(name: str) -> None:
    say("error", str(refuse(name)), icon="link_off")


def spectrum(entry: Dataset, rank: int, centring: str) -> None:
    """Singular values, energy, and the error on what the decomposition has seen."""
    found = spectrum_of(entry.name, centring)
    frame = found.by_rank
    ranks = frame["rank"].astype(str).tolist()
    values = frame["singular_value"].round(4).tolist()
    kept = [value if place < rank else None for place, value in enumerate(values)]
    rest = [None if place < rank else value for place, value in enumerate(values)]
    here = frame.iloc[rank - 1]
    first = "All" if len(frame) == found.full_rank else f"The first {len(frame)}"
    left, middle, right = st.columns(3, gap="small")
    with left:
        chart_card(
            "Singular values",
            bars(ranks, [Bars("kept", kept), Bars("cut off", rest, "grey")], x_name="rank", y_name="singular value", number="%.3f"),
            frame[["rank", "singular_value"]],
            key="svd-values",
            alt=f"Singular values by rank; the first {rank} are kept",
            caption=f"{first} of {found.full_rank:,}; each says how much of the matrix its direction holds.",
        )
    axis = frame["rank"].to_numpy(float)
    with middle:
        energy = 100 * frame["energy"].to_numpy(float)
        chart_card(
            "Energy kept",
            charts.curves(
                [Line("kept", axis, energy, dot=(rank, float(energy[rank - 1])))],
                x_name="rank",
                y_name="sum of squares (%)",
                x_end=float(len(frame)),
            ),
            frame[["rank", "energy"]],
            key="svd-energy",
            alt="Share of the matrix's sum of squares that the first ranks keep",
            caption=f"Rank {rank} keeps {here['energy']:.1%} of the sum of squares.".replace("%", " %"),
            meaning="Sum of the squares of the kept singular values, divided by that of all cells of the decomposed matrix.",
        )
    with right:
        errors = frame["reconstruction_rmse"].to_numpy(float)
        chart_card(
            "Reconstruction RMSE",
            charts.curves(
                [Line("seen", axis, errors, dash="dashed", dot=(rank, float(errors[rank - 1])))],
                x_name="rank",
                y_name="reconstruction RMSE (rating units)",
                x_end=float(len(frame)),
            ),
            frame[["rank", "reconstruction_rmse"]],
            key="svd-reconstruction-rmse",
            alt="Error on the observed ratings by rank",
            caption=f"Rank {rank}: {here['reconstruction_rmse']:.4f}. On ratings that it has seen: no prediction.",
            meaning="Error on ratings that the decomposition was made of. It reaches 0 at full rank, whatever the ratings mean.",
        )


def held_out(config: RunConfig, rank: int, centring: str) -> None:
    """Seen against held-out error by rank."""
    found = rank_curve_of(config, centring)
    frame = found.by_rank
    axis, seen, held = (frame[name].to_numpy(float) for name in ("rank", "seen_rmse", "validation_rmse"))
    option = charts.curves(
        [Line("validation", axis, held, dot=(found.best, float(held[found.best - 1]))), Line("train, seen", axis, seen, dash="dashed")],
        x_name="rank",
        y_name="RMSE (rating units)",
        rules=[Rule("user+item bias", found.bias_rmse)],
        x_end=float(len(frame)),
        height=300,
    )
    chart_card(
        "Held-out error by rank",
        option,
        frame,
        key="svd-held-out",
        alt="RMSE by rank: held-out ratings solid, training ratings dashed, user and item bias as a horizontal line",
        caption=lesson(held, seen, found.best, rank, found.bias_rmse, found.against_bias, found.pairs, found.users, centring),
        meaning="Decomposed from the split's training ratings alone, judged on its validation ratings: as the SVD beside every run is.",
        height=300,
    )


def lesson(
    held: np.ndarray,
    seen: np.ndarray,
    best: int,
    rank: int,
    bias: float,
    against: tuple[float, float],
    pairs: int,
    users: int,
    centring: str,
) -> str:
    """What the curve shows, in a few sentences."""
    turn = "is still falling at the last rank" if best == len(held) else f"turns after rank {best} ({held[best - 1]:.4f})"
    text = f"The seen error falls for ever ({seen[0]:.4f} → {seen[-1]:.4f}); the held-out error {turn}. "
    difference, half = against
    said, color = titles.verdict(difference, half, "the bias")
    text += (
        f"The best rank's RMSE minus that of the user + item bias ({bias:.4f}): {words.signed(difference)} ± {half:.4f} "
        f"on {pairs:,} held-out ratings of {users:,} users, :{color}[**{said}**]. "
    )
    if rank <= len(held):
        text += f"Rank {rank}: {held[rank - 1]:.4f}. "
    if pairs < 200:
        text += "So few ratings say little: this chart is for larger datasets. "
    if centring == "none":
        text += "With raw zeros, “not rated” is learned as the rating 0, which pulls every prediction down."
    return text


def main() -> None:
    """The page from top to bottom."""
    top = st.container()
    query.refuse_unknown(KNOWN, dataset="svd_data")
    entries = {entry.name: entry for entry in listing() if available(entry.name)}
    entry, rank, centring, kind = controls(entries)
    with mistakes_as_sentences():
        data = ratings(entry.name)
        if data.n_users * data.n_items <= SHOWN_WHOLE:
            whole_matrix(data, decomposed(entry.name, rank, centring))
        spectrum(entry, rank, centring)
        item_map(data, item_map_of(entry.name, centring), centring, rank)
        both_matrices(data, lambda: factors_of(entry.name, centring, rank), centring, rank)
    with mistakes_as_sentences():
        held_out(configured(entry.name, {"kind": kind}), rank, centring)
    with top:
        place = header(
            "SVD", "The best linear answer of a given width: a linear autoencoder finds the same. Every run is measured against it."
        )
    share_buttons(place, st.query_params.to_dict())
    with place.popover("Copy command", icon=":material/terminal:"):
        st.caption("The same decomposition in a terminal.")
        options = ["svd", "--dataset", entry.name, "--rank", str(rank), "--centring", centring, "--json"]
        st.code(f"{ENGINE} {shlex.join(options)}", language="bash", wrap_lines=True)


through_dashboard()
with mistakes_as_sentences():
    main()
