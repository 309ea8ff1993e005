"""Commands as a person calls them, for the tests of the command line."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from engine.commands import main


def call(*arguments: object, code: int = 0) -> Result:
    """What a command printed; it must have ended with this exit code."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr or result.exception
    return result


def last_json(result: Result) -> Any:
    """The JSON object that stands in the last line of its output."""
    return json.loads(result.stdout.strip().splitlines()[-1])
