"""What a finished run has reached: its metrics beside the baselines', the difference to SVD, and for whom it errs how much."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.metrics import definition
from engine.store import Run
from pages.components import monitored, run_charts, titles, words
from pages.components.cards import card_title, chart_card

ERROR = "_se"
"""Ends the name of a metric's standard error."""
BASELINES = {
    "bias": "The baseline that adds a user's and an item's bias to the mean rating.",
    "popularity": "The baseline that offers everybody the items with the most training ratings.",
    "svd": "The truncated SVD of the training ratings, with the rank that is best on validation.",
}


def table(run: Run) -> None:
    """Metrics on validation and test beside the baselines' on the same pairs."""
    summary = run.summary or {}
    metrics, baselines = summary.get("metrics", {}), summary.get("baselines", {})
    test, validation = metrics.get("test", {}), metrics.get("validation", {})
    if not test and not validation:
        return
    columns = {"validation": validation, "test": test}
    columns |= {f"{monitored.baseline_title(name, known)}, test": known for name, known in baselines.items()}
    names = [*{**validation, **test}]
    frame = pd.DataFrame({"metric": names, **{column: [known.get(name) for name in names] for column, known in columns.items()}})
    main = [name for name in names if not name.endswith(ERROR)]
    shown = pd.DataFrame({"metric": [f"**{words.plain(name)}**" for name in main]})
    for column, known in columns.items():
        shown[column] = [_measured(known, name) for name in main]
    with st.container(border=True):
        card_title("Results", frame, key=f"run-results-{run.name}")
        st.table(shown, hide_index=True, border="horizontal", alt="Metrics of the run and of the baselines")
        if len(main) < len(names):
            st.caption("±: one standard error over users, as tables of the field give it.")
        st.markdown(_against_svd(run))
        with st.expander("What each metric is", icon=":material/help:"):
            told = dict.fromkeys(name.partition("@")[0] for name in main)
            st.markdown("\n".join(f"- **{words.plain(name)}** {words.plain(definition(name))}" for name in told))
            st.markdown("\n".join(f"- **{words.plain(name)}** {BASELINES[name]}" for name in baselines if name in BASELINES))


def _measured(known: dict[str, Any], name: str) -> str:
    """A metric with its standard error, where it has one."""
    value, error = known.get(name), known.get(f"{name}{ERROR}")
    return words.measured(value) + (f"\u00a0±\u00a0{error:.4f}" if value is not None and error is not None else "")


def _against_svd(run: Run) -> str:
    summary, metric = run.summary or {}, monitored.metric(run)
    difference = summary.get("difference", {})
    if "svd" in difference:
        value, half = difference["svd"]
        verdict, color = titles.verdict(value, half)
        pairs = f"{difference.get('pairs', 0):,} test ratings of {difference.get('users', 0):,} users"
        return (
            f"Test RMSE minus SVD's on the same {pairs}: **{words.signed(value)} ± {half:.4f}** (95 % interval over users), "
            f":{color}[**{verdict}**]. Negative is better than SVD."
        )
    why = "All ratings are alike" if titles.rates(run.config) else "This model ranks and predicts no ratings"
    without = f"{why}, so there is no RMSE to compare with SVD's."
    apart = monitored.difference(metric, summary["metrics"].get("test", {}), summary.get("baselines", {}).get("svd", {}))
    if apart is None:
        return without
    verdict, color = monitored.verdict(metric, apart)
    said = (
        f"{monitored.title(metric)} minus SVD's for the same users: **{words.signed(apart[0])} ± {apart[1]:.4f}**, :{color}[**{verdict}**]"
    )
    return f"{without} Test {said}. Positive is better than SVD. {monitored.INDEPENDENT}"


def by_activity(run: Run) -> None:
    """Test error of users with few and with many visible ratings."""
    groups = (run.summary or {}).get("by_activity")
    if not groups:
        return
    counted = f"{sum(group['pairs'] for group in groups):,} test ratings of {sum(group['users'] for group in groups):,} users"
    chart_card(
        "Error by user activity",
        run_charts.by_activity(groups),
        pd.DataFrame(groups),
        key=f"run-activity-{run.name}",
        alt="Test RMSE of groups of users by the number of their ratings that the model sees",
        caption=f"{counted}; an error from a few users says little.",
    )
