"""What a rule is: a pattern that gives a role to a line, or cuts a span with a role out of a line."""

from enum import StrEnum
from typing import Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.columns import ROLES


class Region(StrEnum):
    """Where on the page a rule holds.

    Head and tail are what stands before the first and after the last prose; the edge is both, and the first and last
    few lines.
    """

    ANY = "any"
    HEAD = "head"
    TAIL = "tail"
    EDGE = "edge"


class Rule(BaseModel):
    """One rule of segmentation.

    A pattern that begins with `^` and ends with `$` speaks of a whole line (stripped of white space and of a list
    bullet before it); any other pattern cuts what it matches out of the line. Patterns are linear-time regular
    expressions in the syntax of Rust's `regex`, without look-around.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="", pattern=r"^[a-z0-9_]*$", description="Defaults to the role.")
    role: str
    pattern: str = Field(min_length=1)
    until: str | None = Field(
        default=None, description="The rule speaks of all lines from one that `pattern` matches to one that this matches."
    )
    region: Region = Region.ANY
    max_chars: int = Field(default=600, gt=0, description="Code points; a line that is longer is not looked at.")

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.role not in ROLES:
            raise ValueError(f"unknown role {self.role!r}; one of {', '.join(ROLES)}")
        for pattern in (self.pattern, self.until or ""):
            try:
                pl.select(pl.lit("").str.contains(pattern))
            except pl.exceptions.ComputeError as error:
                raise ValueError(f"{pattern!r} is no regular expression") from error
        return self

    @property
    def label(self) -> str:
        """What evidence calls the rule."""
        return self.name or self.role

    @property
    def is_whole_line(self) -> bool:
        """Whether it speaks of the line as a whole."""
        bare = self.pattern.removeprefix("(?i)")
        return self.until is not None or (bare.startswith("^") and bare.endswith("$"))
