"""`look`: what is understood of a ratings file, in a terminal."""

import json

import pytest
from click.testing import CliRunner

from engine.commands import main


def call(*arguments, code=0):
    result = CliRunner().invoke(main, ["look", *map(str, arguments)])
    assert result.exit_code == code, result.stderr or result.exception
    return result


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("Kunde;Film;Sterne\nZoë;Ran;3,5\nZoë;Ran;4\nJörg;Ikiru;\n", encoding="latin-1")
    return path


COLUMNS = ("--set", "dataset.user=Kunde", "--set", "dataset.rating=Sterne")


def test_a_file_is_looked_at_and_saved(file):
    shown = call(file, *COLUMNS, "--set", "dataset.faulty=leave-out").stdout
    assert "Encoding: Windows-1252 (Latin-1)\nSeparator: semicolons\n" in shown
    assert (
        "Columns: user = Kunde, item = Film, rating = Sterne\n3 rows = 1 rating + 1 of a pair" in shown and "line 4 has no rating" in shown
    )
    result = call(file, *COLUMNS, "--set", "dataset.faulty=leave-out", "--set", "dataset.duplicates=mean", "--save", "--json")
    found = json.loads(result.stdout)
    assert (found["name"], found["scale"], found["account"]["kept"]) == ("upload:mine", [3.75, 3.75], 1)
    assert "upload:mine" in CliRunner().invoke(main, ["datasets"]).stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "mine.csv has no user column that could be recognised (its columns are: Kunde, Film, Sterne)"),
        (COLUMNS, "Line 4 of mine.csv has no rating; correct or remove it, or leave out this row (dataset.faulty=leave-out)"),
        (("--set", "dataset.decimall=comma"), "Did you mean 'dataset.decimal'?"),
        (("--set", "dataset.decimal=koma"), "dataset.decimal: input should be 'auto', 'point' or 'comma'"),
        (("--set", "dataset.lowest=5", "--set", "dataset.highest=1"), "must be below the highest"),
        (("--set", "model.layers=5"), "section dataset only, not of model"),
    ],
)
def test_a_mistake_is_one_sentence(file, options, sentence):
    assert sentence in call(file, *options, code=2).stderr
