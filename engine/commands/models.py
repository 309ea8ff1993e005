"""Commands that look at data, and that ask trained models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from engine.commands.frame import JSON, main, open_store, print_json
from engine.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from engine.recommendations import Reasons

REASONS = 8
"""Ratings that `recommend --why` names, and leaves out one by one."""


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
        print_json({"datasets": rows})


@main.command()
@click.argument("run_id")
@click.option("--user", help="Id of a user of the run's dataset.")
@click.option("--ratings", type=click.Path(path_type=Path), help="CSV of one user's ratings: item,rating (ids or titles).")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--set", "changes", default="", metavar="ITEM:RATING,…", help="What if: other ratings, by item id; ITEM:- takes one away.")
@click.option("--why", metavar="ITEM", help="Id of an item: what each rating contributes to its score.")
@JSON
def recommend(run_id: str, user: str | None, ratings: Path | None, top: int, changes: str, why: str | None, as_json: bool) -> None:
    """Recommend unseen items to a user of the dataset, or to a new one from his ratings."""
    from engine import experiment, recommendations

    if (user is None) == (ratings is None):
        raise InputError("Say for whom: either --user ID or --ratings FILE.csv.")
    trained = experiment.load_model(run_id, open_store())
    data = trained.split.interactions
    changed = recommendations.read_changes(changes, data)
    if user is not None:
        person = recommendations.known(trained.split, user, changed)
        lists = recommendations.for_user(trained, user, top, changed)
    else:
        assert ratings is not None
        person = recommendations.newcomer(recommendations.read_ratings(ratings, data), changed)
        lists = recommendations.for_new_user(trained, person.ratings, top)
    for rank, item in enumerate(lists["recommendations"], 1):
        click.echo(f"{rank:>3}  {item['score']:7.3f}  {item['title']}{'  ✓ held out, liked' if item.get('hit') else ''}", err=as_json)
    if why is not None:
        advisor = recommendations.Advisor(trained.run.id, trained)
        found = recommendations.reasons(advisor, advisor, person, why, REASONS)
        for line in _reasons(found):
            click.echo(line, err=as_json)
        score = {name: getattr(found.why, name) for name in ("base", "meaning", "score", "kind")}
        lists["why"] = {**found.item, **score, "parts": found.parts}
    if as_json:
        print_json({"run_id": trained.run.id, "user": user, **lists})


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
        print_json(found)


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
        print_json(result)
        return
    click.echo("singular values " + " ".join(f"{value:.3f}" for value in result["singular_values"]))
    click.echo(f"RMSE on the {result['ratings']:,} observed ratings {result['reconstruction_rmse']:.4f}")
    for row in result.get("reconstruction", []):
        click.echo(" ".join(f"{value:3.0f}" for value in row))


def _reasons(found: Reasons) -> list[str]:
    """What a score is made of, in words."""
    said = [f"why {found.item['title']}: {found.why.kind}, base {found.why.base:.3f} ({found.why.meaning})"]
    for part in found.parts[:REASONS]:
        without = f"  without it {part['without']:.3f}" if "without" in part else ""
        said.append(f"{part['contribution']:+8.3f}  {part['title']}, rated {part['rating']:g}{without}")
    rest = sum(part["contribution"] for part in found.parts[REASONS:])
    return [*said, f"{rest:+8.3f}  everything else", f"{found.why.score:8.3f}  score"]


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
    from engine.spreadsheets import to_csv

    try:
        with replacing(path) as draft:
            draft.write_text(to_csv(frame), encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name another file after --output.") from error
