"""The pairwise test: of two items, which one did this user watch? Files of such questions are drawn, read and answered here.

The user has watched one of them, though the model is not shown it, and never rated the other.
`engine.metrics.pairwise_accuracy` is what such a file estimates, without the error of drawing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from engine.datasets.formats import open_table
from engine.datasets.mapping import USUAL_NAMES
from engine.errors import InputError, unknown
from engine.evaluation import liked_items, popularity
from engine.interactions import Interactions
from engine.metrics import half_interval, negative_weights, over_users, stored_columns
from engine.models import MODELS
from engine.models.contract import Recommender, chunks
from engine.splits import Split
from engine.spreadsheets import unguard

COLUMNS = ("user", "item_a", "item_b", "watched")
USUAL = {
    "user": USUAL_NAMES["user"].split(),
    "item_a": ["itema", "item1", "itemida", "itemid1", "moviea", "movie1", "movieida", "movieid1"],
    "item_b": ["itemb", "item2", "itemidb", "itemid2", "movieb", "movie2", "movieidb", "movieid2"],
    "watched": ["watched"],
}
"""Names of columns, lower-cased and without punctuation."""


def pairwise_draws(split: Split, part: str, sampler: str, draws: int = 20, seed: int = 0, *, liked: float = -math.inf) -> pd.DataFrame:
    """A test file: for each user, `draws` times one of his held-out items beside one that he never rated.

    Args:
        part: "validation" or "test".
        sampler: how the unwatched item is drawn: "random", "softmax" or "popularity", as in the metrics of these names.
        liked: held-out items rated lower are not used.

    Returns:
        One row per question: the ids `user`, `item_a`, `item_b`, and `watched`, "a" or "b", decided by the toss of a coin.

    Raises:
        InputError: there is no such sampler.
    """
    weights = negative_weights(*popularity(split.train))
    if sampler not in weights:
        raise unknown("sampler", sampler, weights)
    rng = np.random.default_rng(seed)
    hidden, rated = liked_items(split.part(part), liked), split.interactions.ratings
    drawn = [np.empty((0, 3), np.int64)]
    for user in np.flatnonzero(np.diff(hidden.indptr)).tolist():
        chances = weights[sampler].astype(np.float64)
        chances[stored_columns(rated, user)] = 0
        if chances.any():
            other = rng.choice(len(chances), draws, p=chances / chances.sum())
            drawn.append(np.column_stack([np.full(draws, user), rng.choice(stored_columns(hidden, user), draws), other]))
    rows, watched, unwatched = np.concatenate(drawn).T
    first = rng.random(len(rows)) < 0.5
    items = split.interactions.items.index
    return pd.DataFrame(
        {
            "user": split.interactions.users.index[rows],
            "item_a": items[np.where(first, watched, unwatched)],
            "item_b": items[np.where(first, unwatched, watched)],
            "watched": np.where(first, "a", "b"),
        }
    )


def read_pairs(source: Path | bytes, data: Interactions, filename: str | None = None) -> pd.DataFrame:
    """Questions from a file: CSV, TSV and the like, also gzipped, or Parquet, with the columns user, item_a and item_b.

    Without a header, these are the first three columns. A (fourth) column `watched` of "a" and "b" holds the answers.

    Args:
        source: a path, or the file's content.
        data: whose users and items the ids name.
        filename: what errors call it; the path's last part when None.

    Returns:
        `user`, `item_a`, `item_b` and, where known, `watched`; all str, in the file's order.

    Raises:
        InputError: the file cannot be read as such a table, or one of its lines names a user or an item that `data` does not hold,
            names one item twice, or answers neither "a" nor "b".
    """
    file = open_table(source, filename, _names, what="question", needs="user, item_a and item_b")
    columns = {column: name for name in reversed(file.columns) if (column := _column(name))}
    for column in COLUMNS[:3]:
        if column not in columns:
            raise InputError(f"{file.name} has no column {column}: it needs user,item_a,item_b; the header may be left out.")
    if not file.rows:
        raise InputError(f"{file.name} has column names but no questions below them: add lines of user,item_a,item_b.")
    known = [column for column in COLUMNS if column in columns]
    frame = pd.DataFrame({column: file.column(columns[column]).to_pandas().astype(str).str.strip().map(unguard) for column in known})

    def line(row: int) -> str:
        return f"{file.place} {file.line(row)} of {file.name}"

    _positions(frame, data, line)
    twice = (frame["item_a"] == frame["item_b"]).to_numpy()
    if twice.any():
        row = int(twice.argmax())
        raise InputError(f"{line(row)} names item '{frame['item_a'][row]}' twice{_correct(int(twice.sum()))}")
    if "watched" in frame:
        frame["watched"] = frame["watched"].str.lower()
        other = ~frame["watched"].isin(["a", "b"]).to_numpy()
        if other.any():
            row = int(other.argmax())
            raise InputError(f"{line(row)} has '{frame['watched'][row]}' as watched, which is neither a nor b{_correct(int(other.sum()))}")
    return frame


def score_pairs(model: Recommender, split: Split, frame: pd.DataFrame) -> pd.DataFrame:
    """Answers: which of two items each user is the more likely to have watched, from his visible ratings.

    Args:
        frame: as `read_pairs` and `pairwise_draws` give it.

    Returns:
        The frame with more columns: `score_a` and `score_b`, the model's scores; for models whose scores are logits also
        `probability_a` and `probability_b`, their sigmoids; `predicted`, "a", "b" or "tie"; `shown`, the items ("", "a", "b" or
        "ab") that stand in the user's visible ratings: an answer about those is no prediction.

    Raises:
        InputError: a row names a user or an item that the split does not hold, or a user whom the model cannot score.
    """
    rows, *items = _positions(frame, split.interactions, lambda row: f"Row {row + 1}")
    pairs = np.column_stack(items)
    users, place = np.unique(rows, return_inverse=True)
    scores, shown = np.empty(pairs.shape, np.float32), np.empty(pairs.shape, bool)
    score = model.scorer(split.visible)
    for some in chunks(np.arange(len(users)), split.visible.shape[1]):
        here = (place >= some[0]) & (place <= some[-1])
        cells = (place[here] - some[0])[:, None], pairs[here]
        scores[here] = score(users[some])[cells]
        visible = split.visible[users[some]]
        visible.data = np.ones(visible.nnz, bool)
        shown[here] = visible.toarray()[cells]
    answered = frame.assign(score_a=scores[:, 0], score_b=scores[:, 1])
    entry = MODELS.get(getattr(model.config, "name", ""))
    if entry is not None and entry.logits:
        answered = answered.assign(probability_a=expit(scores[:, 0]), probability_b=expit(scores[:, 1]))
    answered["predicted"] = np.select([scores[:, 0] > scores[:, 1], scores[:, 0] < scores[:, 1]], ["a", "b"], "tie")
    answered["shown"] = np.where(shown[:, 0], "a", "").astype(object) + np.where(shown[:, 1], "b", "").astype(object)
    return answered


def share_right(answered: pd.DataFrame) -> dict[str, float]:
    """How many of the answers are right, where `watched` is known: mean over a user's questions, then over users.

    Returns:
        `accuracy` (ties count half) and, of two users or more, its standard error `accuracy_se`; the `pairs` and `users`
        that it is of; `shown`, the questions left out because one of their items stands in the model's input.
    """
    per_user, pairs = _right_by_user(answered), int((answered["shown"] == "").sum())
    shares = over_users({"accuracy": per_user.to_numpy(float)})
    return {**shares, "pairs": pairs, "users": len(per_user), "shown": len(answered) - pairs}


def right_difference(answered: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float] | None:
    """`accuracy` of a model minus another one's on the same questions, and the half-width of its 95 % interval over users.

    None with fewer than two users whom both were asked about.
    """
    apart = (_right_by_user(answered) - _right_by_user(other)).dropna().to_numpy(float)
    if len(apart) < 2:
        return None
    return float(apart.mean()), half_interval(apart)


def sampler_facts(split: Split) -> dict[str, dict[str, float]]:
    """What the samplers draw from the whole catalogue, before what a user rated is taken out.

    Returns:
        By sampler: `ratio`, the chance of the likeliest item by that of the unlikeliest; `ratings`, how many training ratings a
        drawn item has in the mean; `top_tenth`, the share of draws that are among the tenth of the items with the most.
    """
    counts, n_users = popularity(split.train)
    top = np.argsort(-counts, kind="stable")[: math.ceil(len(counts) / 10)]
    facts = {}
    for sampler, weights in negative_weights(counts, n_users).items():
        chances = weights.astype(np.float64) / weights.sum(dtype=np.float64)
        ratio = float(chances.max() / chances.min()) if chances.min() else math.inf
        facts[sampler] = {"ratio": ratio, "ratings": float(chances @ counts), "top_tenth": float(chances[top].sum())}
    return facts


def _right_by_user(answered: pd.DataFrame) -> pd.Series:
    """Share of each user's right answers, ties counting half, without questions about items in the model's input."""
    asked = answered[answered["shown"] == ""]
    right = (asked["predicted"] == asked["watched"]) + (asked["predicted"] == "tie") / 2
    return right.groupby(asked["user"]).mean()


def _names(first: list[str]) -> list[str] | None:
    """The columns' names of a file without header; None where the first row is one, because a usual name for users stands in it."""
    if any(_column(name) == "user" for name in first):
        return None
    return [*COLUMNS, *(f"column {number}" for number in range(len(COLUMNS) + 1, len(first) + 1))][: len(first)]


def _column(name: str) -> str | None:
    """The meaning of a column by its name, however it is spelled; None where the name is not a usual one."""
    plain = "".join(filter(str.isalnum, name.lower()))
    return next((column for column, usual in USUAL.items() if plain in usual), None)


def _positions(frame: pd.DataFrame, data: Interactions, place: Callable[[int], str]) -> list[np.ndarray]:
    """Rows of the users and columns of both items.

    Raises:
        InputError: an id is not in `data`; `place` tells where a row of the frame stands, as "Line 3".
    """
    found = {}
    for column, index in zip(COLUMNS, (data.users.index, data.items.index, data.items.index), strict=False):
        found[column] = index.get_indexer(pd.Index(frame[column].astype(str)))
    positions = np.column_stack([*found.values()])
    unknown_id = positions < 0
    if unknown_id.any():
        row = int(unknown_id.any(axis=1).argmax())
        first = int(unknown_id[row].argmax())
        alike = unknown_id[:, :1] if first == 0 else unknown_id[:, 1:]
        what, name = COLUMNS[first].partition("_")[0], frame[COLUMNS[first]].iloc[row]
        said = f"{place(row)} names {what} '{name}', which the training data of {data.name} do not hold"
        raise InputError(said + _correct(int(alike.any(axis=1).sum()), f" with an unknown {what}"))
    return [*found.values()]


def _correct(rows: int, like: str = "") -> str:
    """The end of a sentence about the first of so many wrong rows: how many there are, `like` that one, and what is to be done."""
    told = f"{rows:,} rows{like}" if like else f"{rows:,} such rows"
    return "; correct or remove it." if rows == 1 else f" (the first of {told}); correct or remove them."
