"""Curves as pages read them: again from where they ended."""

import pytest

from engine.config import RunConfig
from engine.store import MetricRow
from pages.components import series


@pytest.mark.parametrize("last", [0, 1, 3])
def test_curves_are_read_on_from_their_last_step(store, last):
    run = store.create(RunConfig().model_dump(mode="json"))
    rows = [MetricRow(step, name, step + place / 10, step, step) for step in range(1, 5) for place, name in enumerate(("a", "b", "c"))]
    cut = 3 * last + 1  # the last step that is seen at first is not whole
    store.add_metrics(run.id, rows[:cut])
    assert len(series.fetch(run.id)) == cut
    store.add_metrics(run.id, rows[cut:])
    fetched = series.fetch(run.id)
    assert fetched["value"].tolist() == [row.value for row in rows]
    assert fetched["name"].tolist() == [row.name for row in rows]
