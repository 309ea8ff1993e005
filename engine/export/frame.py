"""What every exported `score.py` has around its formula: it reads the folder and a file of ratings, and prints a list.

The functions are copied into the script as they stand here, so they use nothing but what the script imports.
"""

import argparse
import csv
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


def read_ratings(path):
    """Item ids and ratings of a CSV file, item,rating; a first line that holds no number is its header."""
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not re.fullmatch(r"\s*-?[\d.]+\s*", rows[0][-1]):
        rows = rows[1:]
    return {row[0].strip(): float(row[-1]) for row in rows}


def best(weights, titles, user, given, top):
    """The best items that are not among the ratings (by item id), best first, each with its score."""
    places = {item: place for place, item in enumerate(titles)}
    rated = torch.tensor([places[item] for item in given], dtype=torch.int64)
    found = scores(weights, OPTIONS, rated, torch.tensor([*given.values()], dtype=torch.float32), user)
    found = found.index_fill(0, rated, -torch.inf)
    order = found.argsort(descending=True, stable=True)[: min(top, len(found) - len(rated))].tolist()
    return [([*titles][place], float(found[place])) for place in order]


def main():
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("ratings", nargs="?", help="a CSV file of one user's ratings: item,rating")
    say.add_argument("--user", help="id of a user of users.csv whose ratings these are")
    say.add_argument("--top", type=int, default=10, help="length of the list")
    asked = say.parse_args()
    weights, titles, users = load(Path(__file__).resolve().parent)
    try:
        given = read_ratings(asked.ratings) if asked.ratings else {}
    except (OSError, ValueError) as error:
        sys.exit(f"{asked.ratings} cannot be read ({error}): give a CSV file with an item and its rating in each line.")
    if missing := [item for item in given if item not in titles]:
        sys.exit(f"{asked.ratings} names items that are not in items.csv: {', '.join(missing[:5])}. Take them out.")
    if asked.user is not None and asked.user not in users:
        sys.exit(f"There is no user {asked.user} in users.csv.")
    if asked.user is None and OPTIONS["needs_user"]:
        sys.exit("This model knows only the users it was trained with: name one of users.csv by --user ID.")
    for place, (item, score) in enumerate(best(weights, titles, users.get(asked.user), given, asked.top), 1):
        print(f"{place:>3}  {score:9.4f}  {item}  {titles[item]}")


if __name__ == "__main__":
    main()
