"""What a rule is: a pattern that gives a role to a line, or cuts a span with a role out of a line."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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
    expressions in the syntax of Rust's `regex`, without look-around; where what follows matters, the pattern has two
    groups, `(?P<span>…)(?P<ahead>…)`, and only the first is cut out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="", pattern=r"^[a-z0-9_]*$", description="Defaults to the role.")
    role: str = Field(description="What the line or the span is: a role of the table `passages`.")
    pattern: str = Field(min_length=1, description="What the line or the span looks like.")
    needs: tuple[str, ...] = Field(
        default=(),
        description="Words in any case, at least one of which the line must hold. They are looked for first, because "
        "that is many times faster than a pattern that may begin anywhere.",
    )
    until: str | None = Field(
        default=None,
        description="The rule speaks of all lines from one that `pattern` matches to the next one that this matches.",
    )
    is_after_blank: bool = Field(
        default=False,
        description="Whether the rule speaks only of lines below a blank one. On pages that part their paragraphs by "
        "line breaks alone, what stands apart is no paragraph.",
    )
    region: Region = Field(default=Region.ANY, description="Where on the page the rule holds.")
    max_chars: int = Field(default=600, gt=0, description="Code points; a line that is longer is not looked at.")

    @field_validator("needs")
    @classmethod
    def _in_any_case(cls, needs: tuple[str, ...]) -> tuple[str, ...]:
        """What looks for the words ignores the case of ASCII letters; others are given in each case they come in."""
        cases = (str, str.upper, str.title, str.capitalize)
        return tuple(dict.fromkeys(word if word.isascii() else case(word) for word in needs for case in cases))

    @model_validator(mode="after")
    def _has_role(self) -> Self:
        if self.role not in ROLES:
            raise ValueError(f"unknown role {self.role!r}; one of {', '.join(ROLES)}")
        return self

    @property
    def label(self) -> str:
        """What evidence calls the rule."""
        return self.name or self.role

    @property
    def sought(self) -> tuple[str, tuple[str, ...]]:
        """What the rule looks for in a line: its pattern, and the words that it needs."""
        return self.pattern, self.needs

    @property
    def looks_ahead(self) -> bool:
        """Whether only a part of what the pattern matches is the span."""
        return "(?P<ahead>" in self.pattern

    @property
    def is_whole_line(self) -> bool:
        """Whether it speaks of the line as a whole."""
        bare = self.pattern.removeprefix("(?i)")
        return self.until is not None or (bare.startswith("^") and bare.endswith("$"))
