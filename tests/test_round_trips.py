"""Every format that Encore writes is read back equal: configurations, CSV, cached datasets, artifacts, backups, results.

Uploads (Parquet) are read back in tests/test_fuzz_inputs.py, metric rows in tests/test_store_content.py.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from engine import reproduce, tables
from engine.bench import results
from engine.commands.options import assigned
from engine.config import KIND_FIELDS, RunConfig, differences, fields, merge, parse, read_toml, to_toml
from engine.datasets.cache import cached
from engine.decomposition import factors, write_factors
from engine.errors import InputError
from engine.gathering import from_frame
from engine.models import SVDConfig
from engine.models.svd import SVD
from engine.reproduce import results as kept_results
from engine.settings import Settings, settings
from engine.spreadsheets import guard, to_csv, unguard, unguarded
from engine.store import MetricRow, RunStore
from engine.upkeep import back_up, put_back
from pages.components import draft, share
from tests.test_dataset_cache import assert_same

rules.register_profile("here", derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
few, some, many = (rules(rules.get_profile("here"), max_examples=count) for count in (15, 50, 300))

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@contextmanager
def home() -> Iterator[Settings]:
    """A home of its own."""
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, {"ENCORE_HOME": place}):
        yield settings()


# --- configurations ---


def values_of(annotation: Any, bounds: list[Any]) -> st.SearchStrategy[Any]:
    """Values that a field may have, by its annotation and bounds."""
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is UnionType:
        return st.one_of(*(values_of(one, bounds) for one in get_args(annotation)))
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        low = next((getattr(bound, name) for bound in bounds for name in ("ge", "gt") if hasattr(bound, name)), -1000)
        high = next((getattr(bound, name) for bound in bounds for name in ("le", "lt") if hasattr(bound, name)), 2**40)
        if annotation is int:
            return st.integers(int(low), int(high))
        return st.floats(float(low), float(high)).filter(lambda value: value not in (low, high))
    if get_origin(annotation) is tuple:
        return st.lists(st.integers(1, 5_000), min_size=1, max_size=4)
    if annotation is date:
        return st.dates().map(date.isoformat)
    return TEXTS


KINDS = {
    section: {str(one.model_fields[kind].default): one for one in get_args(RunConfig.model_fields[section].annotation)}
    for section, kind in KIND_FIELDS.items()
}


@cache
def fields_of(split: str, model: str) -> dict[str, st.SearchStrategy[Any]]:
    """Values of every field that goes with this split and model."""
    chosen = {"split": KINDS["split"][split], "model": KINDS["model"][model]}
    sections = {name: chosen.get(name) or info.annotation for name, info in RunConfig.model_fields.items()}
    return {
        f"{section}.{name}": values_of(info.annotation, info.metadata)
        for section, kind in sections.items()
        for name, info in kind.model_fields.items()
        if KIND_FIELDS.get(section) != name and f"{section}.{name}" != "dataset.name"
    }


@st.composite
def configurations(draw: st.DrawFn, models: Sequence[str] = tuple(KINDS["model"])) -> RunConfig:
    """Any valid configuration: a split, a model, and many of the fields that go with them."""
    split, model = draw(st.sampled_from(sorted(KINDS["split"]))), draw(st.sampled_from(models))
    values = with_field({"dataset": {"name": draw(st.sampled_from(["synthetic", "toy", "ml-1m"]))}}, "model.name", model)
    values = with_field(values, "split.kind", split)
    possible = fields_of(split if "split" in values else "random", model)
    for path in draw(st.lists(st.sampled_from(sorted(possible)), min_size=25, max_size=40, unique=True)):
        values = with_field(values, path, draw(possible[path]))
    return parse(values)


def with_field(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The values with one more field, where it goes together with the others."""
    try:
        changed = merge(values, {path: value})
        parse(changed)
    except InputError:
        return values
    return changed


def test_a_configuration_in_every_form() -> None:
    """With nearly every field that there is at some other value than its default."""
    met: set[str] = set()

    def holds(config: RunConfig) -> None:
        met.update(differences(config))
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "config.toml"
            path.write_text(to_toml(config), encoding="utf-8")
            assert parse(read_toml(path)) == config
        assert parse(json.loads(json.dumps(config.model_dump(mode="json")))) == config
        assert draft.from_query(draft.to_query(config)) == (config, [])
        words = shlex.split(share.command(config))[4:]
        assert set(words[::2]) <= {"--set"}
        assert parse(merge({}, assigned(tuple(words[1::2])))) == config

    for model in KINDS["model"]:
        few(given(configurations([model]))(holds))()
    missed = {path for path, _ in fields()} - met
    assert len(missed) <= 5, f"at their defaults in every example: {sorted(missed)}"


@many
@given(
    st.one_of(
        TEXTS,
        st.sampled_from([" a", "a ", "\t", "true", "null", "1", "1,2", "[1]", '"a"', "a,b", "", " ", "NaN", "#", "=", "%20", "a&b=c"]),
    )
)
def test_a_text_in_every_form(text: str) -> None:
    config = parse({"dataset": {"name": "toy", "user": text}})
    with (
        mock.patch.object(Path, "stat", lambda _: mock.Mock(st_size=9)),
        mock.patch.object(Path, "read_text", lambda *_, **__: to_toml(config)),
    ):
        assert parse(read_toml(Path("config.toml"))) == config
    assert draft.from_query(draft.to_query(config)) == (config, [])
    assert parse(merge({}, assigned(tuple(shlex.split(share.command(config))[5::2])))) == config


@few
@given(configurations())
def test_a_configuration_in_the_database(config: RunConfig) -> None:
    with home() as here:
        store = RunStore(here.store_url, here.artifacts)
        assert parse(store.get(store.create(config.model_dump(mode="json")).id).config) == config
        store.close()


# --- tables ---


@many
@given(TEXTS)
def test_a_guarded_text_is_no_formula_and_is_read_back(text: str) -> None:
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in ("=", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
    if guard(text)[:1] in ("+", "-"):
        float(guard(text))


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=12)


@some
@given(st.lists(st.tuples(CELLS, FINITE, st.integers(-(2**53), 2**53)), min_size=1, max_size=8), CELLS)
def test_an_export_is_read_back_equal(rows: list[tuple[str, float, int]], name: str) -> None:
    table = pd.DataFrame(rows, columns=[f"t{name}", "number", "count"])
    read = pd.read_csv(io.StringIO(to_csv(table)), keep_default_na=False, converters={0: str})
    pd.testing.assert_frame_equal(unguarded(read), table, check_dtype=False)


# --- arrays ---


@few
@given(st.data())
def test_a_cached_dataset(data: st.DataObject) -> None:
    users, items = (data.draw(st.lists(CELLS, min_size=1, max_size=5, unique=True)) for _ in range(2))
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(users), st.sampled_from(items)), min_size=1, max_size=20, unique=True))
    frame = pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=data.draw(st.floats(0.5, 5, width=32)))
    if data.draw(st.booleans()):
        frame = frame.assign(timestamp=data.draw(st.integers(0, 2**33)))
    titles = pd.DataFrame({"title": data.draw(st.lists(CELLS, min_size=len(items), max_size=len(items)))}, index=items)
    made = from_frame("drawn", frame, items=titles, scale=(0, 5))
    with home() as here:
        source = here.home / "source"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(b"x")
        for _ in range(2):
            assert_same(cached("drawn", [source], lambda: made), made)
        assert_same(cached("drawn", [source], lambda: pytest.fail("not kept")), made)


DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool]
META = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FINITE | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@few
@given(st.dictionaries(CELLS, st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)), max_size=4), META)
def test_an_artifact(shapes: dict[str, tuple[torch.dtype, list[int]]], meta: Any) -> None:
    tensors = {name: torch.randint(0, 2, shape).to(dtype) for name, (dtype, shape) in shapes.items() if name != "__metadata__"}
    with home() as here:
        store = RunStore(here.store_url, here.artifacts)
        run = store.create({})
        store.save(run.id, "model", tensors, {"meta": meta})
        loaded, told = store.load(run.id, "model")
        store.close()
    assert told == {"meta": meta} and loaded.keys() == tensors.keys()
    assert all(loaded[name].dtype == one.dtype and torch.equal(loaded[name], one) for name, one in tensors.items())


@few
@given(st.integers(0, 2**32), st.sampled_from(["none", "bias"]), st.lists(CELLS, min_size=4, max_size=6, unique=True))
def test_factors_in_both_files(seed: int, centring: Literal["none", "bias"], ids: list[str]) -> None:
    dice = np.random.default_rng(seed)
    frame = pd.DataFrame([(user, item, dice.integers(1, 6)) for user in ids for item in ids], columns=["user", "item", "rating"])
    data = from_frame("drawn", frame)
    model = SVD(SVDConfig(rank=2, centring=centring), data.n_users, data.n_items)
    model.fit(data.ratings)
    found = factors(model, data, 2)
    with tempfile.TemporaryDirectory() as place:
        write_factors(data, 2, centring, Path(place) / "f.npz")
        with np.load(Path(place) / "f.npz", allow_pickle=False) as kept:
            np.testing.assert_allclose(kept["A"], found.users)
            np.testing.assert_allclose(kept["B"], found.items)
            assert kept["users"].tolist() == [*data.users.index] and kept["items"].tolist() == [*data.items.index]
        write_factors(data, 2, centring, Path(place) / "f.csv")
        table = unguarded(pd.read_csv(Path(place) / "f.csv", keep_default_na=False, converters={"id": str}))
    assert table["id"].tolist() == [*data.users.index, *data.items.index]
    np.testing.assert_allclose(table.iloc[:, 2:].to_numpy(float), np.vstack([found.users, found.items.T]), rtol=1e-6)


# --- what is kept ---

POINTS = st.lists(FINITE, max_size=5)
JSON = st.dictionaries(TEXTS, META, max_size=3)


@few
@given(
    st.lists(st.tuples(JSON, JSON, TEXTS.filter(lambda text: text == text.strip()), st.lists(FINITE, max_size=5)), min_size=1, max_size=3)
)
def test_a_backup(drawn: list[tuple[dict[str, Any], dict[str, Any], str, list[float]]]) -> None:
    with home() as here, tempfile.TemporaryDirectory() as elsewhere:
        store = RunStore(here.store_url, here.artifacts)
        for facts, summary, remark, points in drawn:
            run = store.create({})
            store.claim(run.id)
            store.add_facts(run.id, {"drawn": facts})
            store.edit(run.id, remark=remark)
            store.add_metrics(run.id, [MetricRow(step, "loss", value, step, 1.0) for step, value in enumerate(points)])
            store.save(run.id, "model", {"w": torch.tensor(points)}, {})
            store.finish(run.id, "finished", summary={"drawn": summary})
        before = [(run, store.metrics(run.id), store.load(run.id, "model")[0]["w"]) for run in store.list()]
        backup = Path(elsewhere) / "backup.zip"
        back_up(store, here, backup)
        store.close()
        with home() as there:
            put_back(backup, there)
            again = RunStore(there.store_url, there.artifacts)
            assert again.list() == [run for run, _, _ in before]
            for run, points, weights in before:
                pd.testing.assert_frame_equal(again.metrics(run.id), points)
                assert torch.equal(again.load(run.id, "model")[0]["w"], weights)
            again.close()


@few
@given(st.lists(st.tuples(TEXTS, st.integers(0, 9), st.dictionaries(TEXTS, FINITE, max_size=3), JSON), max_size=3))
def test_results_of_a_table(drawn: list[tuple[str, int, dict[str, float], dict[str, Any]]]) -> None:
    table = next(one for one in tables.tables().values() if not one.exact)
    some_results = [reproduce.Result("toy", row, seed, figures, {"a": 1}, facts, 1.5, 2.5, "r") for row, seed, figures, facts in drawn]
    pairs = [kept_results.Difference("toy", ("a", "b"), ("c", "d"), 0.5, 0.1, 3, "seeds", "101 pairs")]
    with tempfile.TemporaryDirectory() as place, mock.patch.object(kept_results, "FOLDER", Path(place)):
        kept_results.write(table, kept_results.Kept(some_results, pairs))
        assert kept_results.read(table) == kept_results.Kept(some_results, pairs)


@few
@given(st.dictionaries(TEXTS, JSON, max_size=3))
def test_results_of_a_bench(suites: dict[str, dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        results.merge(Path(place) / "speed.json", suites)
        assert results.read(Path(place) / "speed.json") == suites
