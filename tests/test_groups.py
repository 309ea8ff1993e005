"""Groups of users: held-out pairs stay those of the whole split, features are read as meant, clusters see training ratings alone."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.config import format_value, parse_value
from engine.datasets import DatasetConfig, load
from engine.errors import InputError
from engine.gathering import from_frame
from engine.groups import GroupConfig, check_group, group_of_users, restrict
from engine.splits import (
    FOLD_IN,
    TEST,
    TRAIN,
    VALIDATION,
    RandomOptions,
    Split,
    StratifiedOptions,
    UsersOptions,
    make_split,
)

PEOPLE = pd.DataFrame(
    {"gender": ["male", "female", "male", "male"], "age": ["25-34", "25-34", "18-24", "25-34"], "city": ["Rome, GA", "Oslo", "Oslo", None]},
    index=["1", "2", "3", "4"],
)


def by_hand() -> Split:
    """Item 3 is rated in training by user 2 alone."""
    rows = [
        *(("1", "1", 5, TRAIN), ("1", "2", 4, VALIDATION), ("1", "3", 3, TEST), ("1", "4", 1, TEST)),
        *(("2", "2", 2, TRAIN), ("2", "3", 4, TRAIN), ("2", "1", 1, TEST)),
        *(("3", "1", 3, TRAIN), ("3", "2", 2, TRAIN), ("3", "3", 5, VALIDATION), ("3", "4", 2, TRAIN)),
        *(("4", "2", 1, TRAIN), ("4", "4", 2, TRAIN)),
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "label"]).sort_values(["user", "item"])
    data = from_frame("four", frame.drop(columns="label").astype({"rating": float}), users=PEOPLE)
    return Split(data, frame["label"].to_numpy(np.int8), {"validation": 7, "test": 9})


def features(value: str) -> GroupConfig:
    return GroupConfig(by="features", value=value)


def pairs(split: Split, part: str) -> set[tuple[str, str]]:
    """(user id, item id) of a part."""
    matrix = split.part(part).tocoo()
    users, items = split.interactions.users.index[matrix.row], split.interactions.items.index[matrix.col]
    return set(zip(users, items, strict=True))


def test_no_groups_is_the_same_split():
    split = by_hand()
    assert restrict(split, GroupConfig()) is split
    assert group_of_users(split, GroupConfig()).tolist() == [0, 0, 0, 0]


def test_a_group_by_hand():
    men = restrict(by_hand(), features("gender=male"))
    assert list(men.interactions.users.index) == ["1", "3", "4"]
    assert list(men.interactions.items.index) == ["1", "2", "4"], "no man rates item 3 in training"
    assert pairs(men, "train") == {("1", "1"), ("3", "1"), ("3", "2"), ("3", "4"), ("4", "2"), ("4", "4")}
    assert men.dropped == {"validation": 1, "test": 1}
    assert (pairs(men, "validation"), pairs(men, "test")) == ({("1", "2")}, {("1", "4")})
    assert men.part("train").toarray().tolist() == [[5, 0, 0], [3, 2, 2], [0, 1, 2]]
    assert men.interactions.users.equals(PEOPLE.drop("2"))


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("gender=male", [1, 0, 1, 1]),
        ("age=25-34,gender=male", [1, 0, 0, 1]),
        (" age = 25-34 , gender = male ", [1, 0, 0, 1]),
        ("age=25,gender=M", [1, 0, 0, 1]),
        ("age=18-24,age=25-34,gender=female", [0, 1, 0, 0]),
        ("city=Rome, GA", [1, 0, 0, 0]),
        ("city=rome,gender=male", [1, 0, 0, 0]),
        ("city=Oslo", [0, 1, 1, 0]),
    ],
)
def test_features_are_read_as_meant(value, members):
    assert group_of_users(by_hand(), features(value)).tolist() == members


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("agee=25-34", "Unknown user feature in group.value 'agee'. Did you mean 'age'?"),
        ("occupation=writer", "Unknown user feature in group.value 'occupation'. Known: age, city, gender."),
        ("age=25-3", "Unknown age in group.value '25-3'. Did you mean '25-34'?"),
        ("age=1", "Unknown age in group.value '1'. Known: 18-24, 25-34."),
        ("gender=", "group"),
        ("city=nan", "Unknown city in group.value 'nan'. Known: Oslo, Rome, GA."),
        ("age=18-24,gender=female", "No user of four is age=18-24,gender=female: leave one of the features of group.value out."),
        ("", "group.value is empty: name the features of the group, like age=25-34,gender=male."),
        ("city=Rome", "The group 'city=Rome' of four leaves no validation pairs"),
    ],
)
def test_what_cannot_be_a_group_is_said(value, sentence):
    split = by_hand()
    if value == "gender=":
        with pytest.raises(ValidationError, match="features are written like age=25-34,gender=male"):
            features(value)
        return
    if value == "city=Rome":
        split = Split(split.interactions, np.where(split.labels == VALIDATION, TEST, split.labels).astype(np.int8), {})
    with pytest.raises(InputError) as error:
        restrict(split, features(value))
    assert str(error.value).startswith(sentence)


def test_many_values_are_not_all_told():
    frame = pd.DataFrame({"user": range(40), "item": 1, "rating": 1.0})
    data = from_frame("towns", frame, users=pd.DataFrame({"town": [f"{number:02} street" for number in range(40)]}, index=range(40)))
    with pytest.raises(InputError, match=r"Known: 00 street, .*, 11 street, …\.$"):
        group_of_users(Split(data, np.zeros(40, np.int8), {}), features("town=zzz"))
    with pytest.raises(InputError, match=r"town in group.value '0'. Known"):
        group_of_users(Split(data, np.zeros(40, np.int8), {}), features("town=0"))


def test_data_without_features_has_no_such_groups():
    data = from_frame("bare", pd.DataFrame({"user": [1, 2], "item": [1, 1], "rating": [1.0, 2]}))
    with pytest.raises(InputError, match=r"bare tells nothing about its users, so group.by=features is not possible: use 'cluster'"):
        group_of_users(Split(data, np.zeros(2, np.int8), {}), features("gender=male"))
    with pytest.raises(InputError, match="tells nothing"):
        check_group(features("gender=male"), "ml-latest-small", has_features=False)
    check_group(GroupConfig(by="cluster"), "ml-latest-small", has_features=False)


@pytest.mark.parametrize("value", ["age=25-34,gender=male", "gender=male", ""])
def test_the_value_survives_a_command_line(value):
    assert GroupConfig(value=parse_value(value)).value == value
    assert GroupConfig(value=parse_value(format_value(value))).value == value


def test_a_cluster_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="index is 4, but the 4 clusters count from 0 to 3"):
        GroupConfig(by="cluster", index=4)


# Clusters


def two_tastes(seed=0, sizes=(24, 16), n_items=20, options=None) -> Split:
    """The first users love the first half of the items and hate the second, the others do the reverse; some are kinder than others."""
    rng = np.random.default_rng(seed)
    taste = np.repeat([1, -1], sizes)
    user, item = np.nonzero(rng.random((sum(sizes), n_items)) < 0.7)
    liked = taste[user] * np.where(item < n_items // 2, 1, -1)
    rating = 3.0 + 1.2 * liked + 0.5 * (user % 3 - 1) + 0.2 * rng.standard_normal(len(user))
    frame = pd.DataFrame({"user": [f"{number:03}" for number in user], "item": item, "rating": rating})
    return make_split(from_frame("tastes", frame, scale=(0, 6)), options or StratifiedOptions(test=0.2, validation=0.2, seed=seed))


def test_clusters_find_the_tastes_largest_first():
    split = two_tastes()
    own = (split.interactions.users.index.astype(int) >= 24).astype(int)
    assert group_of_users(split, GroupConfig(by="cluster", clusters=2)).tolist() == own.tolist()
    other = two_tastes(sizes=(16, 24))
    assert group_of_users(other, GroupConfig(by="cluster", clusters=2)).tolist() == [1] * 16 + [0] * 24


@pytest.mark.parametrize("seed", range(3))
def test_clusters_part_by_taste_not_by_activity(seed):
    """Of one taste ten users who rate everything and forty who rate little, of the other ninety who rate little."""
    rng = np.random.default_rng(seed)
    taste, busy = np.repeat([1, -1], [50, 90]), np.repeat([1.0, 0.15], [10, 130])
    user, item = np.nonzero(rng.random((140, 60)) < busy[:, None])
    frame = pd.DataFrame({"user": [f"{number:03}" for number in user], "item": item})
    frame["rating"] = 3.0 + taste[user] * np.where(item < 30, 1, -1)
    split = make_split(from_frame("busy", frame), StratifiedOptions())
    own = taste[split.interactions.users.index.astype(int)]
    assert (group_of_users(split, GroupConfig(by="cluster", clusters=2)) == (own > 0)).all()


def test_clusters_of_binarised_ratings_go_by_what_was_rated():
    rng = np.random.default_rng(1)
    shown = np.where((np.arange(40) < 24)[:, None] == (np.arange(20) < 10)[None, :], 0.9, 0.05)
    user, item = np.nonzero(rng.random((40, 20)) < shown)
    split = make_split(from_frame("liked", pd.DataFrame({"user": [f"{u:03}" for u in user], "item": item, "rating": 1.0})), RandomOptions())
    assert group_of_users(split, GroupConfig(by="cluster", clusters=2)).tolist() == [0] * 24 + [1] * 16


@given(seed=st.integers(0, 200), clusters=st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_clusters_depend_on_training_ratings_alone(seed, clusters):
    split, config = two_tastes(seed), GroupConfig(by="cluster", clusters=clusters)
    changed = split.interactions.ratings.copy()
    held_out = split.labels != TRAIN
    changed.data[held_out] = np.random.default_rng(seed).uniform(0, 6, held_out.sum())
    data = from_frame(
        "changed",
        pd.DataFrame({"user": split.interactions.users.index[split.interactions.rows], "item": changed.indices, "rating": changed.data}),
    )
    other = Split(data, split.labels, split.dropped)
    assert (other.train != split.train).nnz == 0
    assert (other.test != split.test).nnz > 0
    assert group_of_users(split, config).tolist() == group_of_users(other, config).tolist()


@given(seed=st.integers(0, 200), clusters=st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_the_groups_share_out_the_whole_splits_pairs(seed, clusters):
    """Each user and each held-out pair is in one group; what is missing from a group is counted there."""
    split = two_tastes(seed, n_items=26)
    of_user = group_of_users(split, GroupConfig(by="cluster", clusters=clusters))
    assert (np.diff(np.bincount(of_user)) <= 0).all(), "from the largest on"
    for index in range(clusters):
        mine = of_user == index
        try:
            group = restrict(split, GroupConfig(by="cluster", clusters=clusters, index=index))
        except InputError:
            assert mine.sum() <= 3, "only a handful of users may be too few"
            continue
        whose = set(split.interactions.users.index[mine])
        assert set(group.interactions.users.index) == whose
        assert pairs(group, "train") == {pair for pair in pairs(split, "train") if pair[0] in whose}
        known = {item for _, item in pairs(group, "train")}
        assert set(group.interactions.items.index) == known
        for part in ("validation", "test"):
            whole = {pair for pair in pairs(split, part) if pair[0] in whose}
            assert pairs(group, part) == {pair for pair in whole if pair[1] in known}
            assert group.dropped[part] == len(whole) - len(pairs(group, part))


def test_held_out_users_join_the_cluster_of_their_fold_in():
    split = two_tastes(sizes=(60, 40), options=UsersOptions(test=0.2, validation=0.2, fold_in=0.5))
    found = group_of_users(split, GroupConfig(by="cluster", clusters=2))
    own = split.interactions.users.index.astype(int) >= 60
    assert (split.labels == FOLD_IN).any()
    assert found.tolist() == own.astype(int).tolist()
    # What is hidden of them tells nothing.
    blind = Split(split.interactions.keep(ratings=split.labels < TEST), split.labels[split.labels < TEST], {})
    assert group_of_users(blind, GroupConfig(by="cluster", clusters=2))[np.diff(split.train.indptr) > 0].tolist() == (
        found[np.diff(split.train.indptr) > 0].tolist()
    )


def test_users_who_are_all_alike_make_no_clusters():
    data = from_frame("alike", pd.DataFrame({"user": np.repeat(range(9), 5), "item": np.tile(range(5), 9), "rating": 4.0}))
    with pytest.raises(InputError, match=r"The users of alike have 1 different tastes?: lower group.clusters \(3\)"):
        group_of_users(Split(data, np.zeros(45, np.int8), {}), GroupConfig(by="cluster", clusters=3))


def test_clusters_repeat():
    split = make_split(load(DatasetConfig(name="synthetic")), StratifiedOptions())
    config = GroupConfig(by="cluster", clusters=6)
    assert (group_of_users(split, config) == group_of_users(split, config)).all()


def test_what_pages_import_first_needs_no_scikit_learn():
    code = "import sys, engine.groups; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.data
def test_system_5s_group_has_its_1538_users():
    split = make_split(load(DatasetConfig(name="ml-1m")), StratifiedOptions(seed=999613182))
    assert restrict(split, features("age=25-34,gender=male")).interactions.n_users == 1538
