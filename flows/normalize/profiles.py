"""Publisher profiles: what is known of an outlet's pages, as data in `publishers/*.toml`."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flows.errors import CopydeskError
from flows.normalize.outlets import credited_outlet, outlet_key
from flows.normalize.rules import Rule
from flows.normalize.sieve import Sifted, Sought
from schemas.columns import LANGUAGE_TAG

FOLDER = Path(__file__).parent / "publishers"

# Profiles are recognised by what stands at the two ends of a page; the middle is somebody's text.
EDGE_CHARS = 3_000

# … or by a line that credits the outlet with the original. It is short and begins with words of credit.
MAX_CREDIT_CHARS = 300
_CREDIT = (
    r"(?i)^\W*(?:(?:this|the) (?:\w+ ){1,4}?)?(?:read (?:the )?original|(?:originally|first) (?:published|appeared)"
    r"|republished from|reprinted from)\b"
)
_CREDIT_SOUGHT: Sought = (_CREDIT, ())


class UrlDate(BaseModel):
    """How the address of an original tells its day: a number in it counts Unix seconds after a shift."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(description="Regular expression of Python with a group `id`, a decimal number.")
    shift_bits: int = Field(default=0, ge=0, le=63, description="`id >> shift_bits` are Unix seconds.")
    time_zone: str = Field(description="IANA name of the zone whose calendar gives the day.")

    @field_validator("pattern")
    @classmethod
    def _has_id(cls, pattern: str) -> str:
        try:
            names = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if "id" not in names:
            raise ValueError("the pattern has no group `(?P<id>…)`")
        return pattern

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, time_zone: str) -> str:
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone of that name: {time_zone}") from error
        return time_zone


class Profile(BaseModel):
    """What is known of one outlet's pages.

    `name` is absent where the pages do not say whose they are. A `publisher` brings out texts of its own, a
    `republisher` shows texts of others and what it made of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9_]+$", description="The name of its file, without `.toml`.")
    name: str | None = Field(default=None, min_length=2, description="The outlet's own name, as the tables give it.")
    aliases: tuple[str, ...] = Field(default=(), description="Other ways to write the name.")
    is_name_shared: bool = Field(
        default=False,
        description="Whether other outlets bear the same name, so that it counts only beside another sign.",
    )
    page_of: Literal["publisher", "republisher"] = Field(
        default="publisher", description="Whether its pages hold its own texts or those of others."
    )
    detect: tuple[str, ...] = Field(min_length=1, description="Patterns; the page is the outlet's when one matches.")
    original_language: str | None = Field(
        default=None,
        pattern=LANGUAGE_TAG,
        description="What it writes in; its texts in other languages are translated.",
    )
    url_date: UrlDate | None = Field(default=None, description="How the address of an original tells its day.")
    is_compound: bool = Field(
        default=False, description="Whether a page holds a transcript, perhaps a summary, and a republished article."
    )
    ai_generated_kinds: tuple[Literal["article", "interview", "transcript", "summary"], ...] = Field(
        default=(), description="Kinds of its texts that a machine makes, though the page does not say so."
    )
    rules: tuple[Rule, ...] = Field(default=(), description="Its own lines and spans; they come before general rules.")

    @property
    def names(self) -> tuple[str, ...]:
        """Every way to write its name, the longest first."""
        return tuple(sorted({*self.aliases, *([self.name] if self.name else [])}, key=lambda name: (-len(name), name)))


@cache
def load_profiles(folder: Path = FOLDER) -> tuple[Profile, ...]:
    """All profiles of a folder, by id.

    Raises:
        CopydeskError: a file is no valid profile; the error names the file and the field.
    """
    profiles = []
    for path in sorted(folder.glob("*.toml")):
        try:
            profile = Profile(id=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise CopydeskError(f"publisher profile {path.name}: {field}: {message}") from error
        except (OSError, ValueError, TypeError) as error:
            raise CopydeskError(f"publisher profile {path.name}: {error}") from error
        for field, pattern in _patterns(profile):
            if not is_pattern(pattern):
                raise CopydeskError(f"publisher profile {path.name}: {field}: {pattern!r} is no regular expression")
        profiles.append(profile)
    return tuple(profiles)


def is_pattern(pattern: str) -> bool:
    """Whether polars takes a text as a regular expression (Rust's syntax: no look-around, no back-references)."""
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.ComputeError:
        return False
    return True


def _patterns(profile: Profile) -> Iterator[tuple[str, str]]:
    """Field and value of every regular expression that polars will read."""
    for index, pattern in enumerate(profile.detect):
        yield f"detect.{index}", f"(?m){pattern}"
    for index, rule in enumerate(profile.rules):
        yield f"rules.{index}.pattern", rule.pattern
        if rule.until is not None:
            yield f"rules.{index}.until", rule.until


def sought_of_profiles(profiles: Sequence[Profile]) -> list[Sought]:
    """What `profiles_of_pages` looks for."""
    return [_CREDIT_SOUGHT, *(_detected(pattern) for profile in profiles for pattern in profile.detect)]


def _detected(pattern: str) -> Sought:
    return f"(?m){pattern}", ()


def profiles_of_pages(lines: pl.DataFrame, profiles: Sequence[Profile], sifted: Sifted | None) -> pl.DataFrame:
    """Tell which outlets' pages the sources are.

    Args:
        lines: SPANS: the lines of all pages.
        profiles: the profiles to look for.
        sifted: what could match the lines, or null where that was not worth knowing.

    Returns:
        `page`, `profile` (id): one row per source and profile that matches, sorted. A republisher's page that holds
        another outlet's article has both, if it credits that outlet.
    """
    text = pl.col("text")
    possible = lines
    if sifted is not None:
        sought = {_detected(pattern) for profile in profiles for pattern in profile.detect}
        may_be = lines.filter(np.logical_or.reduce([sifted.may_match(one) for one in sought]))["page"]
        possible = lines.filter(pl.col("page").is_in(may_be.implode()))
    pages = possible.group_by("page", maintain_order=True).agg(text=pl.col("key").str.join("\n"))
    edges = pages.with_columns(
        pl.when(text.str.len_chars() <= 2 * EDGE_CHARS)
        .then(text)
        .otherwise(pl.concat_str(text.str.head(EDGE_CHARS), pl.lit("\n"), text.str.tail(EDGE_CHARS)))
    )
    found = [
        edges.filter(pl.any_horizontal(text.str.contains(f"(?m){pattern}") for pattern in profile.detect)).select(
            "page", profile=pl.lit(profile.id)
        )
        for profile in profiles
    ]
    empty = pl.DataFrame(schema={"page": pl.UInt32, "profile": pl.String})
    return pl.concat([empty, *found, _credited(lines, profiles, sifted)]).unique().sort("page", "profile")


def _credited(lines: pl.DataFrame, profiles: Sequence[Profile], sifted: Sifted | None) -> pl.DataFrame:
    """`page`, `profile`: one row per line that credits an outlet whose name is its alone."""
    outlets = {
        outlet_key(name): profile.id for profile in profiles if not profile.is_name_shared for name in profile.names
    }
    if sifted is not None:
        lines = lines.filter(sifted.may_match(_CREDIT_SOUGHT))
    credit_lines = lines.filter((pl.col("char_count") <= MAX_CREDIT_CHARS) & pl.col("key").str.contains(_CREDIT))
    rows = []
    for page, line in credit_lines.select("page", "key").iter_rows():
        found = credited_outlet(line)
        if found and outlet_key(found[0]) in outlets:
            rows.append((page, outlets[outlet_key(found[0])]))
    return pl.DataFrame(rows, schema={"page": pl.UInt32, "profile": pl.String}, orient="row")
