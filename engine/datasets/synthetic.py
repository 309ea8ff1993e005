"""A generated MovieLens-like dataset whose true mean ratings, and so the error that no model can beat, are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.special import ndtr, ndtri

from engine.datasets.catalogue import GENRES, films
from engine.datasets.people import people
from engine.interactions import Interactions

AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
AGE_SHARES = (0.04, 0.18, 0.35, 0.2, 0.09, 0.08, 0.06)
OCCUPATIONS = ("student", "teacher", "engineer", "programmer", "writer", "artist", "nurse", "doctor", "lawyer", "retired", "other")
DAY = 86_400
# Users × items cells held at once.
CELLS = 4_000_000


@dataclass(frozen=True)
class SyntheticParameters:
    """How the ratings come about.

    A user's opinion of a film is mean + user bias + item bias + taste, where taste is the inner product of the user's
    standard normal tastes with the film's loadings: `genre_tastes` dimensions which the film's genres decide, and `traits` of
    its own. A rating is the opinion plus Gaussian noise, rounded to half stars and clipped to 0.5-5. Which films a user rates
    depends on their popularity, their release year and the user's taste, never on the noise.

    Attributes:
        mean, user_spread, item_spread, taste_spread, noise: in stars; the last four are standard deviations.
        genre_share: part of the taste variance that genres decide.
        group_lean: how far the mean tastes of each gender and age group lie from 0, in standard deviations.
        fewest, median, activity_spread: ratings per user are `fewest` plus a log-normal number with the median that makes
            `median` in all, and this standard deviation of the logarithm.
        most: largest part of the released films that one user rates.
        popularity_exponent, popularity_offset: popularity falls as (rank + offset)^-exponent.
        quality_pull: correlation of popularity with the item bias.
        choosiness: how much more often a film is rated per star of opinion (exponent).
        first_year, years: when the ratings were given.
    """

    seed: int = 552
    users: int = 2000
    items: int = 1200
    mean: float = 3.2
    user_spread: float = 0.4
    item_spread: float = 0.45
    taste_spread: float = 0.72
    noise: float = 0.75
    genre_tastes: int = 5
    traits: int = 3
    genre_share: float = 0.6
    group_lean: float = 0.35
    fewest: int = 20
    median: int = 90
    activity_spread: float = 0.85
    most: float = 0.5
    popularity_exponent: float = 1.1
    popularity_offset: float = 40.0
    quality_pull: float = 0.4
    choosiness: float = 0.5
    first_year: int = 2018
    years: int = 6


_kept: list[Interactions] = []


def load() -> Interactions:
    """The default set: the same numbers on every machine."""
    return _kept[0] if _kept else generate(SyntheticParameters())


def keep() -> None:
    """Has the default set in memory from now on: for a process that others are forked from, of which each has it to itself."""
    _kept[:] = [generate(SyntheticParameters())]


def generate(parameters: SyntheticParameters) -> Interactions:
    """A dataset of any size, with titles, genres, user features, timestamps and `expected`; items nobody rated are left out."""
    p = parameters
    draw = np.random.Generator(np.random.PCG64(p.seed))
    titles, genres, released = films(p.items, draw)
    names, genders = people(p.users, draw)
    ages = np.searchsorted(np.cumsum(AGE_SHARES)[:-1], draw.random(p.users), side="right")
    tastes = _tastes(p, np.array(genders) == "female", ages, draw)
    loadings = _loadings(p, genres, draw)

    fame = _normal(draw, p.items)
    item_bias = p.item_spread * (p.quality_pull * fame + np.sqrt(1 - p.quality_pull**2) * _normal(draw, p.items))
    user_bias = p.user_spread * _normal(draw, p.users)
    popularity = np.empty(p.items)
    popularity[np.argsort(-fame, kind="stable")] = (np.arange(p.items) + p.popularity_offset) ** -p.popularity_exponent

    joined = 0.92 * draw.random(p.users)
    joined_year = p.first_year + np.floor(p.years * joined)
    activity = p.fewest + (p.median - p.fewest) * np.exp(p.activity_spread * _normal(draw, p.users))

    indices, opinions, counts = [], [], np.zeros(p.users, np.int64)
    for chunk in _chunks(p.users, p.items):
        opinion = p.mean + user_bias[chunk, None] + item_bias + tastes[chunk] @ loadings.T
        eligible = released <= joined_year[chunk, None]
        wanted = np.minimum(activity[chunk], p.most * eligible.sum(1)).astype(np.int64).clip(1)
        chosen = _choose(popularity * np.exp(p.choosiness * (opinion - p.mean)) * eligible, wanted, draw)
        counts[chunk] = chosen.sum(1)
        indices.append(np.nonzero(chosen)[1])
        opinions.append(opinion[chosen])
    opinion = np.concatenate(opinions)
    ratings = np.clip(np.round(2 * (opinion + p.noise * _normal(draw, len(opinion)))) / 2, 0.5, 5)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data = Interactions(
        name="synthetic",
        ratings=sp.csr_array((ratings.astype(np.float32), np.concatenate(indices), indptr), shape=(p.users, p.items)),
        users=pd.DataFrame(
            {
                "gender": genders,
                "age": np.array(AGES)[ages],
                "occupation": np.array(OCCUPATIONS)[(draw.random(p.users) * len(OCCUPATIONS)).astype(int)],
            },
            index=pd.Index(names),
        ),
        items=pd.DataFrame(
            {"title": titles, "genres": ["|".join(some) for some in genres]}, index=pd.Index(np.arange(1, p.items + 1).astype(str))
        ),
        scale=(0.5, 5.0),
        timestamps=_timestamps(p, joined, counts, draw),
        expected=expected_rating(opinion, p.noise).astype(np.float32),
    )
    return data.keep(items=np.bincount(data.columns, minlength=p.items) > 0)


def expected_rating(opinion: np.ndarray, noise: float) -> np.ndarray:
    """E[rating] of opinion + N(0, noise²), rounded to half stars and clipped to 0.5-5: 0.5 + ½ Σ P(noisy opinion > bound)."""
    bounds = np.arange(0.75, 5, 0.5)
    return 0.5 + 0.5 * sum(ndtr((opinion - bound) / noise) for bound in bounds)


def _normal(draw: np.random.Generator, *shape: int) -> np.ndarray:
    # From uniform numbers alone, whose stream numpy keeps between versions, unlike that of its normal numbers.
    return ndtri(np.maximum(draw.random(shape), 2.0**-54))


def _tastes(p: SyntheticParameters, female: np.ndarray, ages: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Users × (genre tastes + traits), standard normal around the mean of the user's gender and age group."""
    size = p.genre_tastes + p.traits
    by_gender, by_age = (p.group_lean * _normal(draw, count, size) / np.sqrt(size) for count in (2, len(AGES)))
    return _normal(draw, p.users, size) + by_gender[female.astype(int)] + by_age[ages]


def _loadings(p: SyntheticParameters, genres: list[tuple[str, ...]], draw: np.random.Generator) -> np.ndarray:
    """Items × (genre tastes + traits); the mean square of a row's length is `taste_spread`²."""
    position = {genre: number for number, genre in enumerate(GENRES)}
    directions = _normal(draw, len(GENRES), p.genre_tastes)
    by_genre = np.array([directions[[position[genre] for genre in some]].sum(0) for some in genres])
    traits = _normal(draw, len(genres), p.traits)
    parts = [part * np.sqrt(share / (part**2).sum(1).mean()) for share, part in ((p.genre_share, by_genre), (1 - p.genre_share, traits))]
    return p.taste_spread * np.hstack(parts)


def _chunks(users: int, items: int) -> Iterator[slice]:
    size = max(1, CELLS // items)
    return (slice(start, min(start + size, users)) for start in range(0, users, size))


def _choose(weights: np.ndarray, wanted: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """For each row `wanted` columns without replacement, in proportion to weights: those whose exponential clocks ring first."""
    with np.errstate(divide="ignore"):
        rings = -np.log(np.maximum(draw.random(weights.shape), 2.0**-54)) / weights
    last = np.sort(rings, axis=1)[np.arange(len(wanted)), wanted - 1]
    return rings <= last[:, None]


def _timestamps(p: SyntheticParameters, joined: np.ndarray, counts: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Seconds since 1970 per rating: each user rates in a few sessions after joining, some films a minute in each."""
    start = np.datetime64(f"{p.first_year}-01-01", "s").astype(np.int64)
    end = np.datetime64(f"{p.first_year + p.years}-01-01", "s").astype(np.int64) - DAY
    rows = np.repeat(np.arange(len(counts)), counts)
    sessions = 1 + np.floor(-np.log1p(-draw.random(len(counts))) * np.sqrt(counts / 20)).astype(np.int64)
    first_session = np.cumsum(sessions) - sessions
    owner = np.repeat(np.arange(len(counts)), sessions)
    # The first session is on joining; the later ones lie closer to it than to the end.
    after = np.where(np.arange(len(owner)) == first_session[owner], 0, draw.random(len(owner)) ** 2)
    begins = start + (end - start) * (joined[owner] + (1 - joined[owner]) * after)
    session = first_session[rows] + np.floor(draw.random(len(rows)) * sessions[rows]).astype(np.int64)
    order = np.lexsort((draw.random(len(rows)), session))
    pauses = 4 - 25 * np.log1p(-draw.random(len(rows)))
    passed = np.cumsum(pauses)
    opens = np.searchsorted(session[order], np.arange(len(owner)))
    within = passed - passed[opens.clip(max=len(rows) - 1)[session[order]]]
    times = np.empty(len(rows), np.int64)
    times[order] = np.floor(np.minimum(begins[session[order]] + within, end + DAY - 1))
    return times
