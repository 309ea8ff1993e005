"""What every exported `score.py` has around its formula: it reads the folder and a file of ratings, and prints a list.

The functions are copied into the script as they stand here, so they use nothing but what the script imports.
"""

import argparse
import csv
import math
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

OPTIONS: dict = {}


def scores(weights, options, items, ratings, user):
    """Stands for the formula that the script has in this place."""
    raise NotImplementedError


# pieces


def read_table(path):
    """Rows of a table of this folder by column. An apostrophe before a formula, which keeps spreadsheets from running it, goes."""
    formula = re.compile(r"'(?='*[=+\-@\t\r\n＋－＝＠])")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell[1:] if formula.match(cell) else cell for name, cell in row.items()} for row in rows]


def load(folder):
    """Weights by name, ids of the items with their titles, and places of the users by id."""
    titles = {row["item"]: row["title"] for row in read_table(folder / "items.csv")}
    users = {row["user"]: place for place, row in enumerate(read_table(folder / "users.csv"))}
    return load_file(folder / "weights.safetensors"), titles, users


def number(cell):
    """What a cell says as a number, None where it says none."""
    try:
        return float(cell)
    except ValueError:
        return None


def read_ratings(path, items):
    """Ratings by item id of a CSV file, item,rating; a first line with neither an item nor a number is its header.

    Raises ValueError, with the line: it is not so written, its rating is off the scale, or its item had one already.
    """
    given: dict = {}
    lines_of: dict = {}
    low, high = OPTIONS["scale"]
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    for place, (line, row) in enumerate(rows):
        item, rating = row[0].strip(), number(row[-1])
        if place == 0 and len(row) > 1 and rating is None and item not in items:
            continue
        if len(row) < 2 or not item or rating is None or not math.isfinite(rating):
            raise ValueError(f"line {line}: {','.join(row)[:80]!r} is no item and rating: write item,rating with a comma between them.")
        if not low - 1e-6 <= rating <= high + 1e-6:  # the scale may have been rounded to float32
            raise ValueError(f"line {line}: {rating:g} is not on the scale of the ratings, {low:g} to {high:g}: give one that is.")
        if item in given:
            raise ValueError(f"line {line}: {item} has a rating in line {lines_of[item]} already: leave one of the two out.")
        given[item], lines_of[item] = rating, line
    if not given:
        raise ValueError("no ratings in it: write item,rating in each line.")
    return given


def best(weights, titles, user, given, top):
    """The best items that are not among the ratings (by item id), best first, each with its score."""
    places = {item: place for place, item in enumerate(titles)}
    rated = torch.tensor([places[item] for item in given], dtype=torch.int64)
    found = scores(weights, OPTIONS, rated, torch.tensor([*given.values()], dtype=torch.float32), user)
    found = found.index_fill(0, rated, -torch.inf)
    order = found.argsort(descending=True, stable=True)[: min(top, len(found) - len(rated))].tolist()
    return [([*titles][place], float(found[place])) for place in order]


def refuse(sentence):
    """Ends the command with what is wrong, and the exit code of a mistake in what it was given."""
    print(sentence, file=sys.stderr)
    sys.exit(2)


def main():
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("ratings", nargs="?", help="a CSV file of one user's ratings: item,rating")
    say.add_argument("--user", help="id of a user of users.csv whose ratings these are")
    say.add_argument("--top", type=int, default=10, help="length of the list")
    asked = say.parse_args()
    if asked.top < 1:
        refuse(f"--top {asked.top} is no length of a list: give 1 or more.")
    weights, titles, users = load(Path(__file__).resolve().parent)
    try:
        given = read_ratings(asked.ratings, titles) if asked.ratings else {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        refuse(f"{asked.ratings} cannot be read ({error}): give a CSV file in UTF-8 with an item and its rating in each line.")
    except ValueError as error:
        refuse(f"{asked.ratings}: {error}")
    if missing := [item for item in given if item not in titles]:
        refuse(f"{asked.ratings} names items that are not in items.csv: {', '.join(missing[:5])}. Take them out.")
    if asked.user is not None and asked.user not in users:
        refuse(f"There is no user {asked.user} in users.csv.")
    if asked.user is None and OPTIONS["needs_user"]:
        refuse("This model knows only the users it was trained with: name one of users.csv by --user ID.")
    for place, (item, score) in enumerate(best(weights, titles, users.get(asked.user), given, asked.top), 1):
        print(f"{place:>3}  {score:9.4f}  {item}  {titles[item]}")


if __name__ == "__main__":
    main()
