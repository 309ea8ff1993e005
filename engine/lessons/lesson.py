"""What a lesson is: a text with things to try, controls, and a computation that follows from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from engine.errors import InputError, unknown

FOLDER = Path(__file__).parents[2] / "assets" / "lessons"
NAMES = ("masked-loss", "linear", "inside", "re-feeding", "over-fitting", "noise", "leakage", "negatives", "ranking")
"""In the order of a lecture."""


class Options(BaseModel):
    """Controls of a lesson: fields with titles, bounds and help. A number's slider moves by `json_schema_extra={"step": …}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _choices_come_as_text(cls, value: Any, field: ValidationInfo) -> Any:
        choices = get_args(cls.model_fields[str(field.field_name)].annotation)
        return next((choice for choice in choices if value == str(choice)), value)


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        name: as in links.
        number: its place in the lecture, from 1.
        title: of its page.
        asks: the question that it answers, one sentence.
        idea: its text, Markdown.
        tries: what to do with the controls, Markdown, one after another.
        source: where the idea comes from.
    """

    name: str
    number: int
    title: str
    asks: str
    idea: str
    tries: tuple[str, ...]
    source: str

    @property
    def module(self) -> Any:
        """Its computation; imported when it is needed, for some need torch."""
        return import_module(f"engine.lessons.{self.name.replace('-', '_')}")

    def options(self, values: Mapping[str, Any]) -> Options:
        """Validated controls; those left out have their defaults. Raises InputError naming the first that is wrong."""
        try:
            return self.module.Options(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                raise unknown(f"control of the lesson “{self.title}”", field, self.module.Options.model_fields) from None
            raise InputError(f"{field}: {first['msg'][0].lower()}{first['msg'][1:]}, not '{first['input']}'.") from None

    def compute(self, options: Options) -> Any:
        """What the picture shows, from validated controls; the same controls give the same result."""
        return self.module.compute(options)


@cache
def lessons() -> dict[str, Lesson]:
    """All lessons by name, in the order of a lecture."""
    return {name: _read(name, number) for number, name in enumerate(NAMES, 1)}


def lesson(name: str) -> Lesson:
    """The lesson of this name. Raises InputError when there is none."""
    if name not in lessons():
        raise unknown("lesson", name, lessons())
    return lessons()[name]


def _read(name: str, number: int) -> Lesson:
    """A text: `# title`, a line with the question, the idea, `## Try` with a numbered list, `## Source`."""
    head, tries, source = re.split(r"^## (?:Try|Source)\n", (FOLDER / f"{name}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    title, asks, idea = re.split(r"\n\s*", head.removeprefix("# "), maxsplit=2)
    steps = tuple(" ".join(step.split()) for step in re.split(r"^\d+\. ", tries, flags=re.MULTILINE)[1:])
    return Lesson(name, number, title, asks, idea.strip(), steps, " ".join(source.split()))
