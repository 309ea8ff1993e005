"""The command line: everything the pages can do, scriptable. Under `--json` the last line of stdout is one JSON object.

Commands import what they need when they run: `daemon` has to be up fast, and most others need no torch.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from engine import background
from engine.errors import InputError
from engine.settings import settings
from engine.store import Run, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from engine.config import RunConfig

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line of stdout.")


class Commands(click.Group):
    """Turns a caller's mistake into one sentence on stderr and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Encore, a lab for autoencoder recommenders."""


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a run, laid over each other in this order: preset, file, short options, --set."""
    options = [
        click.option("--preset", help="Start from assets/presets/NAME.toml."),
        click.option("--config", "file", type=click.Path(path_type=Path), help="A TOML file of configuration fields."),
        click.option("--dataset", help="A registered dataset or the path of a ratings file."),
        click.option("--split", help="Split scheme (split.kind)."),
        click.option("--model", help="Model (model.name)."),
        click.option("--epochs", help="training.epochs"),
        click.option("--seed", help="training.seed"),
        click.option("--set", "fields", multiple=True, metavar="PATH=VALUE", help="Set any field, like model.layers=512,256."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def assemble(
    preset: str | None,
    file: Path | None,
    dataset: str | None,
    split: str | None,
    model: str | None,
    epochs: str | None,
    seed: str | None,
    fields: tuple[str, ...],
) -> RunConfig:
    """The validated configuration that the options describe. Raises InputError."""
    from engine import config, presets

    values: dict[str, Any] = {}
    if preset:
        values = config.merge(values, presets.preset(preset).values)
    if file:
        values = config.merge(values, config.read_toml(file))
    short = {"dataset.name": dataset, "split.kind": split, "model.name": model}
    values = config.merge(values, {path: value for path, value in short.items() if value is not None})
    numbers = {"training.epochs": epochs, "training.seed": seed}
    values = config.merge(values, {path: config.parse_value(value) for path, value in numbers.items() if value is not None})
    for path, value in assigned(fields).items():
        values = config.merge(values, {path: value})
    return config.parse(values)


def assigned(fields: tuple[str, ...]) -> dict[str, Any]:
    """Dotted configuration fields from --set options. Raises InputError."""
    from engine import config

    values = {}
    for assignment in fields:
        path, equals, value = assignment.partition("=")
        if not equals or "." not in path:
            raise InputError(f"--set takes section.field=value, like training.lr=0.001, not '{assignment}'.")
        values[path.strip()] = config.parse_value(value.strip())
    return values


@main.command("datasets")
@JSON
def list_datasets(as_json: bool) -> None:
    """List the datasets and whether each can be loaded without a network."""
    from engine import datasets

    rows = [
        {
            "name": dataset.name,
            "title": dataset.title,
            "users": dataset.n_users,
            "items": dataset.n_items,
            "ratings": dataset.n_ratings,
            "timestamps": dataset.has_timestamps,
            "available": datasets.available(dataset.name),
        }
        for dataset in datasets.listing()
    ]
    for row in rows:
        click.echo(f"{row['name']:<18} {row['users']:>8,} users {row['items']:>8,} items {row['ratings']:>10,} ratings  "
                   f"{'ready' if row['available'] else 'to be downloaded'}", err=as_json)  # fmt: skip
    if as_json:
        _print({"datasets": rows})


@main.command()
@configured
@JSON
def train(as_json: bool, **options: Any) -> None:
    """Train in the foreground; Ctrl-C stops after the current batch and keeps a checkpoint."""
    from engine import experiment, runs

    wanted = assemble(**options)
    experiment.check(wanted)
    store = open_store()
    run = store.create(wanted.model_dump(mode="json"), queue="foreground")
    click.echo(f"run {run.id} ({run.name})", err=True)
    # Not in the handler itself: it may interrupt the very write that it would wait for.
    signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=store.ask, args=(run.id, "stop")).start())
    if mistake := runs.execute(run.id, store, lambda line: click.echo(line, err=True)):
        raise mistake
    run = store.get(run.id)
    if run.state == "failed":
        raise click.ClickException(str(run.error))
    if as_json:
        _print(report(run))
    else:
        click.echo(_summary(run))
    sys.exit(0 if run.state == "finished" else 1)


@main.command()
@configured
@JSON
def submit(as_json: bool, **options: Any) -> None:
    """Queue a run for the background engine, and start the engine where none runs."""
    from engine import experiment

    wanted = assemble(**options)
    experiment.check(wanted)
    run = open_store().create(wanted.model_dump(mode="json"))
    background.ensure_daemon()
    _tell(run, as_json)


@main.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@JSON
def list_runs(limit: int, as_json: bool) -> None:
    """List the newest runs."""
    store = open_store()
    background.reconcile(store)
    found = store.list(limit=limit)
    for run in found:
        click.echo(_summary(run), err=as_json)
    if as_json:
        _print({"runs": [report(run) for run in found]})


@main.command()
@click.argument("run_id")
@JSON
def show(run_id: str, as_json: bool) -> None:
    """Show one run."""
    from engine import config

    store = open_store()
    background.reconcile(store)
    run = store.get(run_id)
    if as_json:
        _print({**report(run), "config": run.config, "facts": run.facts})
        return
    click.echo(_summary(run))
    click.echo(config.to_toml(config.parse(run.config)))


def _asking(want: str, text: str) -> None:
    @main.command(name="resume" if want == "run" else want, help=text)
    @click.argument("run_id")
    @JSON
    def command(run_id: str, as_json: bool) -> None:
        store = open_store()
        background.reconcile(store)
        run = store.ask(store.get(run_id).id, want)
        if want == "run":
            background.ensure_daemon()
        _tell(run, as_json)


_asking("stop", "Stop a run after its current batch; its best model so far is kept, and it can be resumed.")
_asking("pause", "Pause a run and free its slot.")
_asking("run", "Resume a paused, stopped, failed or crashed run from its checkpoint.")


@main.command()
@click.argument("run_id")
@click.option("--user", help="Id of a user of the run's dataset.")
@click.option("--ratings", type=click.Path(path_type=Path), help="CSV of one user's ratings: item,rating (ids or titles).")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True)
@JSON
def recommend(run_id: str, user: str | None, ratings: Path | None, top: int, as_json: bool) -> None:
    """Recommend unseen items to a user of the dataset, or to a new one from his ratings."""
    from engine import experiment, recommendations

    if (user is None) == (ratings is None):
        raise InputError("Say for whom: either --user ID or --ratings FILE.csv.")
    trained = experiment.load_model(run_id, open_store())
    if user is not None:
        lists = recommendations.for_user(trained, user, top)
    else:
        assert ratings is not None
        lists = recommendations.for_new_user(trained, recommendations.read_ratings(ratings, trained.split.interactions), top)
    for rank, item in enumerate(lists["recommendations"], 1):
        click.echo(f"{rank:>3}  {item['score']:7.3f}  {item['title']}{'  ✓ held out, liked' if item.get('hit') else ''}", err=as_json)
    if as_json:
        _print({"run_id": trained.run.id, "user": user, **lists})


@main.command()
@click.argument("run_id", metavar="RUN")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--draw", "sampler", metavar="random|softmax|popularity", help="Draw questions instead; how the unwatched item is drawn.")
@click.option("--draws", type=click.IntRange(min=1), default=20, show_default=True, help="Questions per user.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write questions, scores and answers to this CSV file.")
@JSON
def pairwise(run_id: str, file: Path | None, sampler: str | None, draws: int, seed: int, output: Path | None, as_json: bool) -> None:
    """Of two items, which one did a user watch? FILE holds questions: user,item_a,item_b and, where known, watched (a or b).

    Without FILE, --draw makes them from the ratings that the run did not see. Popularity and SVD answer them too.
    """
    from engine import experiment
    from engine import pairwise as test
    from engine.models.baselines import Popularity
    from engine.models.configs import PopularityConfig
    from engine.recommendations.lists import held_out_parts, liked_from

    if (file is None) == (sampler is None):
        raise InputError("Say which questions: either a FILE of them or --draw random, softmax or popularity.")
    trained = experiment.load_model(run_id, open_store())
    split = trained.split
    found: dict[str, Any] = {"run_id": trained.run.id, "name": trained.run.name}
    if file is not None:
        questions = test.read_pairs(file, split.interactions)
    else:
        part = held_out_parts(trained)[-1]
        questions = test.pairwise_draws(split, part, str(sampler), draws, seed, liked=liked_from(trained))
        found |= {"part": part, "sampler": sampler, "draws": draws, "seed": seed}
        if questions.empty:
            raise InputError(f"The {part} part of {trained.run.name} holds out nothing to ask about: name a file of questions.")
    answered = test.score_pairs(trained.model, split, questions)
    found |= {"questions": len(answered), "predicted": answered["predicted"].value_counts().to_dict()}
    if "watched" in answered:
        floor = Popularity(PopularityConfig(), *split.train.shape)
        floor.fit(split.train)
        found |= {
            "run": test.share_right(answered),
            "popularity": test.share_right(test.score_pairs(floor, split, questions)),
            "svd": test.share_right(test.score_pairs(trained.svd, split, questions)),
        }
    if output is not None:
        _write_csv(output, answered)
    for line in _shares(found):
        click.echo(line, err=as_json)
    if as_json:
        _print(found)


@main.command()
@click.option("--dataset", default="toy", show_default=True, help="A registered dataset or the path of a ratings file.")
@click.option("--rank", type=int, default=3, show_default=True)
@click.option("--centring", type=click.Choice(["none", "bias"]), default="none", show_default=True)
@click.option(
    "--factors",
    "file",
    metavar="FILE.npz|FILE.csv",
    type=click.Path(path_type=Path),
    help="Write A = U Σ^½ (users) and B = Σ^½ Vᵀ (items) there.",
)
@JSON
def svd(dataset: str, rank: int, centring: Literal["none", "bias"], file: Path | None, as_json: bool) -> None:
    """Decompose a whole dataset: singular values and reconstruction error; of a small one also the matrix and each user's next item."""
    from engine import datasets, decomposition

    data = datasets.load(datasets.DatasetConfig(name=dataset))
    result = decomposition.decompose_dataset(data, rank, centring)
    if file is not None:
        decomposition.write_factors(data, rank, centring, file)
        click.echo(f"factors of {data.n_users:,} users and {data.n_items:,} items are in {file}", err=True)
    if as_json:
        _print(result)
        return
    click.echo("singular values " + " ".join(f"{value:.3f}" for value in result["singular_values"]))
    click.echo(f"RMSE on the {result['ratings']:,} observed ratings {result['reconstruction_rmse']:.4f}")
    for row in result.get("reconstruction", []):
        click.echo(" ".join(f"{value:3.0f}" for value in row))


@main.command()
@click.argument("name", metavar="TABLE", required=False)
@click.option("--dataset", help="Another dataset than the table's own.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Repetitions of each row.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="MINUTES", help="Begin no further row after so long; 0 = only show.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the table's, for a shorter look; kept with the result.")
@click.option("--docs", is_flag=True, help="Without TABLE: write docs/REPRODUCED.md from what is kept.")
@JSON
def reproduce(
    name: str | None, dataset: str | None, seeds: int, budget: float | None, epochs: int | None, docs: bool, as_json: bool
) -> None:
    """Fill a published table with our own figures; without TABLE, list the tables.

    Rows that are kept already are not run again, so a table can be filled over several sittings. docs/REPRODUCED.md is written anew.
    """
    from engine import experiment, reproduce, runs, tables

    if docs and name is None:
        click.echo(f"wrote {reproduce.write_document()}")
        return
    if name is None:
        for table in tables.tables().values():
            click.echo(f"{table.name:<32} {table.title}")
        return
    table, store = tables.table(name), open_store()

    def run(wanted: RunConfig) -> Run:
        experiment.check(wanted)
        made = store.create(wanted.model_dump(mode="json"), queue="foreground")
        runs.execute(made.id, store)
        return store.get(made.id)

    kept = reproduce.read(table)
    if not table.exact and budget != 0:
        minutes = math.inf if budget is None else budget
        kept = reproduce.measure(
            table, run, store, dataset=dataset, seeds=seeds, minutes=minutes, epochs=epochs, tell=lambda line: click.echo(line, err=True)
        )
        reproduce.write_document()
    found = reproduce.report(table, dataset, kept)
    for line in reproduce.lines(found):
        click.echo(line, err=as_json)
    if as_json:
        _print(found)


@main.command()
@click.option(
    "--suite",
    "names",
    multiple=True,
    metavar="NAME",
    help="What to measure; may be repeated. Without it all, for the better part of an hour.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Timed rounds of each contender, in turn.")
@click.option("--set", "fields", multiple=True, metavar="PATH=VALUE", help="Set a field of Encore's side alone, like training.path=dense.")
@click.option("--save", is_flag=True, help="Keep the results in assets/results/speed.json too.")
@JSON
def bench(names: tuple[str, ...], rounds: int, fields: tuple[str, ...], save: bool, as_json: bool) -> None:
    """Measure Encore's speed beside the textbook's dense loop, on this machine. Stop other work first: it is timed too.

    \b
    Suites:
      ml1m         MovieLens 1M: an epoch, and predicting held-out ratings
      ml1m-refeed  MovieLens 1M, re-fed once: an epoch
      small        MovieLens latest small, re-fed once: an epoch
      inference    top lists on MovieLens 1M
      load         MovieLens 1M from its official text
      amazon       generated, 240,000 × 14,000, 2.6 M ratings
      ml20m        generated, 138,493 × 26,744, 20 M ratings
      netflix      generated, 477,412 × 17,768, 98 M ratings

    Results are kept for the Speed page, suite by suite; fewer rounds do not replace more.
    """
    from engine.bench import figures, run
    from engine.bench.children import ChildError

    def done(name: str, result: dict[str, Any]) -> None:
        for line in figures.lines(name, result):
            click.echo(line, err=as_json)

    try:
        found = run.measure(names, rounds, assigned(fields), lambda line: click.echo(line, err=True), done, save)
    except ChildError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        _print(found)


@main.command()
def daemon() -> None:
    """Serve the queue until idle; pages and `submit` start it by themselves."""
    background.serve(settings())


def open_store() -> RunStore:
    """The run store of the settings in force."""
    here = settings()
    return RunStore(here.store_url, here.artifacts)


def report(run: Run) -> dict[str, Any]:
    """What scripts read of a run."""
    empty: dict[str, Any] = {"metrics": {}, "baselines": {}, "best_epoch": None, "seconds_per_epoch": None, "peak_memory_mb": None}
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "epochs": run.epoch,
        "device": run.device,
        "error": run.error,
        **empty,
        **(run.summary or {}),
    }


def _tell(run: Run, as_json: bool) -> None:
    click.echo(f"{run.name} ({run.id}) is {run.state}" + (f" and asked to {run.want}" if run.want != "run" else ""), err=as_json)
    if as_json:
        _print({"run_id": run.id, "name": run.name, "state": run.state, "want": run.want})


def _shares(found: dict[str, Any]) -> list[str]:
    """What the pairwise test found, in words."""
    said = [
        f"{found['questions']:,} questions, answered " + ", ".join(f"{count:,} {answer}" for answer, count in found["predicted"].items())
    ]
    for name in ("run", "popularity", "svd"):
        share = found.get(name, {})
        error = f" ± {share['accuracy_se']:.4f}" if "accuracy_se" in share else ""
        if "accuracy" in share:
            said.append(f"{name:<11} {share['accuracy']:.4f}{error}  right of {share['pairs']:,} about {share['users']:,} users")
    if shown := found.get("run", {}).get("shown"):
        said.append(f"{shown:,} are about a rating that the model has seen: answered, but not counted")
    return said


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Raises InputError where the file cannot be written."""
    from engine.files import replacing

    try:
        with replacing(path) as draft:
            frame.to_csv(draft, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name another file after --output.") from error


def _summary(run: Run) -> str:
    test = (run.summary or {}).get("metrics", {}).get("test", {})
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in test.items() if name in ("rmse", "rmse_clipped", "ndcg@10"))
    return f"{run.id}  {run.name:<22} {run.state:<9} epoch {run.epoch:<4} {numbers}{run.error or ''}"


def _print(result: dict[str, Any]) -> None:
    click.echo(json.dumps(_without_nan(result), ensure_ascii=False))


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
