"""How a ratings file is to be read: the one description for pages, links, TOML files and the command line."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ROLES = ("user", "item", "rating", "timestamp")
_GUESSED = "when not given, the usual names are recognised"
_FOUND = "auto: found out from the file"


class Reading(BaseModel):
    """Which column means what, what is known of the file, and what becomes of rows that cannot all be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    user: str | None = Field(None, title="User column", description=f"Column with user ids; {_GUESSED}.")
    item: str | None = Field(None, title="Item column", description=f"Column with item ids; {_GUESSED}.")
    rating: str | None = Field(None, title="Rating column", description=f"Column with ratings; {_GUESSED}.")
    timestamp: str | None = Field(
        None,
        title="Time column",
        description=f"Column with times: seconds (or milliseconds) since 1970, or dates; {_GUESSED}; '' for none.",
    )
    implicit: bool = Field(False, title="Pairs without ratings", description="Take each row of the file as a rating of 1.")
    lowest: float | None = Field(None, title="Lowest rating", description="A lower one is a mistake; the file's own if empty.")
    highest: float | None = Field(None, title="Highest rating", description="A higher one is a mistake; the file's own if empty.")
    duplicates: Literal["last", "mean", "error"] = Field(
        "last",
        title="Pairs rated again",
        description="Where a user rated an item more than once, last: the latest rating counts (without times, the last row). "
        "mean: the mean of them. error: the file is refused.",
    )
    faulty: Literal["refuse", "leave-out"] = Field(
        "refuse",
        title="Rows that cannot be read",
        description="Such as one without a rating, or with one off the scale. refuse: the file is not read. leave-out: it is read without "
        "them, and they are counted.",
    )
    encoding: Literal["auto", "utf-8", "utf-16-le", "utf-16-be", "windows-1252"] = Field(
        "auto", title="Encoding", description=f"How letters are stored. {_FOUND}."
    )
    separator: Literal["auto", "comma", "semicolon", "tab", "bar", "blank", "colons"] = Field(
        "auto", title="Separator", description=f"What stands between two values of a line; colons: '::'. {_FOUND}."
    )
    decimal: Literal["auto", "point", "comma"] = Field("auto", title="Decimal sign", description=f"3.5 or 3,5. {_FOUND}.")
    header: Literal["auto", "yes", "no"] = Field(
        "auto", title="Column names", description=f"Whether the first line names the columns. {_FOUND}."
    )

    @model_validator(mode="after")
    def _scale_in_order(self) -> Self:
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise ValueError(f"the lowest rating (lowest={self.lowest:g}) must be below the highest (highest={self.highest:g})")
        return self


GUESS_ALL = Reading()
