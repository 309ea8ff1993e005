"""What a person plans to sweep: kept in the session, written into the page's address, read back from it.

What its runs share is the draft of the Train page; here stands what varies, as text, and how it is searched.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.config import KIND_FIELDS, RunConfig, differences, fields, flatten, format_value, parse, parse_value
from engine.errors import InputError, unknown
from engine.sweeps import SweepConfig, parse_sweep, write_axis
from engine.sweeps.axes import REPEATED
from pages.components import draft, query

PAGE = "sweep"
PREFIX = "plan."
VARY = "vary."
"""How a field that varies stands in the address: `vary.model.dropout=0, 0.5`."""
OPTIONS = {
    "sampler": "sampler",
    "pruner": "pruner",
    "metric": "metric",
    "trials": "trials",
    "minutes": "minutes",
    "seeds": "seeds",
    "folds": "folds",
    "at_a_time": "at_a_time",
    "seed": "sampler_seed",
}
"""Fields of a sweep → their names in the address."""
_AXES, _OPTIONS, _OPENED = "sweep axes", "sweep options", "sweep opened"


def axes() -> dict[str, str]:
    """What varies: field path → its values as text."""
    return st.session_state.setdefault(_AXES, {})


def options() -> dict[str, Any]:
    """How it is searched: every field of a sweep besides base and axes."""
    defaults = {name: SweepConfig.model_fields[name].default for name in OPTIONS}
    return defaults | st.session_state.setdefault(_OPTIONS, {})


def put_axis(path: str, text: str) -> None:
    """Change how a field varies."""
    axes()[path] = text


def keep_axes(paths: list[str], suggest: Any) -> None:
    """Let these fields vary and no others; `suggest`: path → text for a new one."""
    st.session_state[_AXES] = {path: axes().get(path) or suggest(path) for path in paths}


def put_option(name: str, value: Any) -> None:
    """Change how it is searched."""
    options()
    st.session_state[_OPTIONS][name] = value


def config() -> SweepConfig:
    """The planned sweep. Raises InputError with what is wrong in it."""
    return parse_sweep({**options(), "base": draft.config(), "axes": axes()})


def offered() -> list[str]:
    """Fields that can vary: those of the draft, and of the other kinds of model and split that vary themselves."""
    paths = dict.fromkeys(path for path in draft.values() if path not in REPEATED)
    for section, kind in KIND_FIELDS.items():
        for name in axes().get(f"{section}.{kind}", "").split(","):
            try:
                paths |= dict.fromkeys(flatten(parse({section: {kind: name.strip()}})))
            except InputError:  # what is written there is told elsewhere
                continue
    return [path for path in paths if path not in REPEATED and (not path.startswith("dataset.") or path == "dataset.name")]


def opened() -> str | None:
    """Id of the sweep that the page shows."""
    return st.session_state.get(_OPENED)


def open_sweep(sweep_id: str | None) -> None:
    """Show a sweep, or the plan."""
    st.session_state[_OPENED] = sweep_id


def take_over(found: SweepConfig) -> None:
    """Plan the same as a sweep that there is."""
    draft.replace(found.base)
    st.session_state[_AXES] = {path: write_axis(axis) for path, axis in found.axes.items()}
    st.session_state[_OPTIONS] = {name: getattr(found, name) for name in OPTIONS}
    forget_widgets()


def read() -> list[str]:
    """Take over an address that came from elsewhere. Returns one sentence for each part that could not be used."""
    parameters = query.arrived(PAGE)
    if parameters is None:
        return []
    open_sweep(parameters.get("sweep"))
    plain = {name: value for name, value in parameters.items() if "." not in name}
    strange = query.strangers(plain, ("sweep", "sweep_*", *OPTIONS.values()))
    for name in strange:
        st.query_params.pop(name)
    if "sweep" in parameters:
        return [*strange.values()]
    chosen, refused = draft.from_query(
        {name: value for name, value in parameters.items() if not name.startswith(VARY) and name not in strange}
    )
    draft.replace(chosen)
    st.session_state[_AXES], wrong = _axes_in(parameters, chosen)
    st.session_state[_OPTIONS], others = _options_in(parameters, chosen)
    forget_widgets()
    return [*strange.values(), *refused, *wrong, *others]


def write() -> dict[str, str]:
    """Put the plan into the address. Returns what it now holds after its question mark."""
    parameters: dict[str, str] = {}
    try:
        parameters |= draft.to_query(draft.config())
    except InputError:  # what was valid last stays
        parameters |= {path: value for path, value in (query.written(PAGE) or {}).items() if "." in path and not path.startswith(VARY)}
    parameters |= {f"{VARY}{path}": text for path, text in axes().items()}
    for name, value in options().items():
        if value != SweepConfig.model_fields[name].default:
            parameters[OPTIONS[name]] = format_value(value)
    query.write(PAGE, parameters)
    return parameters


def command(base: RunConfig, engine: str) -> str:
    """The command line that starts the planned sweep; `engine`: how the engine is called."""
    settings = [f"--set {shlex.quote(f'{path}={format_value(value)}')}" for path, value in differences(base).items()]
    varied = [f"--field {shlex.quote(f'{path}={text}')}" for path, text in axes().items()]
    changed = {name: value for name, value in options().items() if value != SweepConfig.model_fields[name].default}
    how = [f"--{OPTIONS[name].replace('_', '-')} {format_value(value)}" for name, value in changed.items()]
    return " ".join([f"{engine} sweep start", *settings, *varied, *how])


def forget_widgets() -> None:
    """Let every widget of the plan be filled anew."""
    for key in [key for key in st.session_state if str(key).startswith(PREFIX)]:
        del st.session_state[key]


def _axes_in(parameters: Mapping[str, str], base: RunConfig) -> tuple[dict[str, str], list[str]]:
    known, found, refused = dict(fields()), dict[str, str](), list[str]()
    for name, text in parameters.items():
        path = name.removeprefix(VARY)
        if not name.startswith(VARY):
            continue
        if path not in known:
            refused.append(str(unknown("field", path, known)))
            continue
        if path in REPEATED:
            refused.append(f"{path} repeats a setting instead of being one: choose how often under {REPEATED[path]}.")
            continue
        found[path] = text
    return found, refused


def _options_in(parameters: Mapping[str, str], base: RunConfig) -> tuple[dict[str, Any], list[str]]:
    """Each option of an address by itself, beside the base's lengths of lists alone: one that is wrong keeps its default."""
    found, refused = dict[str, Any](), list[str]()
    for name, said in OPTIONS.items():
        if said not in parameters:
            continue
        value = parameters[said] if name in ("sampler", "pruner", "metric") else parse_value(parameters[said])
        try:
            checked = parse_sweep({"base": RunConfig(evaluation=base.evaluation), "axes": {"training.lr": "0.001, 0.01"}, name: value})
        except InputError as error:
            refused.append(str(error))
            continue
        found[name] = getattr(checked, name)
    return found, refused
