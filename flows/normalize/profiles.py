"""Publisher profiles: what is known of an outlet's pages, as data in `publishers/*.toml`."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.errors import CopydeskError
from flows.normalize.characters import with_plain_lines
from flows.normalize.rules import Rule
from schemas.columns import LANGUAGE_TAG

FOLDER = Path(__file__).parent / "publishers"

# Profiles are recognised by what stands at the two ends of a page; the middle is somebody's text.
EDGE_CHARS = 3_000

# … or by a line that credits the outlet with the original.
_CREDIT = (
    r"(?i)^\W*(?:(?:this|the) (?:\w+ ){1,4}?)?(?:read (?:the )?original|(?:originally|first) (?:published|appeared)|republished from"
    r"|reprinted from)\b"
)


class UrlDate(BaseModel):
    """How the address of an original tells its day: a number in it counts Unix seconds after a shift."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str = Field(description="Python regular expression with a group `id`, a decimal number.")
    shift_bits: int = Field(default=0, ge=0, le=63, description="`id >> shift_bits` are Unix seconds.")
    time_zone: str = Field(description="IANA name of the zone whose calendar gives the day.")


class Profile(BaseModel):
    """What is known of one outlet's pages.

    `name` is absent where the pages do not say whose they are. A `publisher` brings out texts of its own, a
    `republisher` shows texts of others and what it made of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    name: str | None = None
    aliases: tuple[str, ...] = ()
    page_of: Literal["publisher", "republisher"] = "publisher"
    detect: tuple[str, ...] = Field(min_length=1, description="Patterns; the page is the outlet's when one matches.")
    original_language: str | None = Field(default=None, pattern=LANGUAGE_TAG)
    url_date: UrlDate | None = None
    is_compound: bool = Field(
        default=False, description="Whether a page holds a transcript, perhaps a summary, and a republished article."
    )
    ai_generated_kinds: tuple[Literal["article", "interview", "transcript", "summary"], ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every way to write its name, the longest first."""
        return tuple(sorted({*self.aliases, *([self.name] if self.name else [])}, key=lambda name: (-len(name), name)))


@cache
def load_profiles(folder: Path = FOLDER) -> tuple[Profile, ...]:
    """All profiles of a folder, by id.

    Raises:
        CopydeskError: a file is no valid profile.
    """
    profiles = []
    for path in sorted(folder.glob("*.toml")):
        try:
            profiles.append(Profile(id=path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CopydeskError(f"publisher profile {path.name}: {where}: {first['msg']}") from error
        except (ValueError, TypeError) as error:
            raise CopydeskError(f"publisher profile {path.name}: {error}") from error
    return tuple(profiles)


def profiles_of_pages(sources: pl.DataFrame, profiles: Sequence[Profile]) -> pl.DataFrame:
    """Tell which outlets' pages the sources are.

    Args:
        sources: `page`, `text`: one row per source.
        profiles: the profiles to look for.

    Returns:
        `page`, `profile` (id): one row per source and profile that matches, sorted. A republisher's page that holds
        another outlet's article has both, if it credits that outlet.
    """
    edges = sources.select(
        "page",
        edges=pl.concat_str(pl.col("text").str.head(EDGE_CHARS), pl.lit("\n"), pl.col("text").str.tail(EDGE_CHARS)),
    )
    credits = (
        sources.select("page", line=with_plain_lines(pl.col("text")).str.split("\n"))
        .explode("line")
        .filter((pl.col("line").str.len_chars() <= 300) & pl.col("line").str.contains(_CREDIT))
    )
    named = [
        credits.filter(pl.col("line").str.contains(_any_of(profile.names))).select("page", profile=pl.lit(profile.id))
        for profile in profiles
        if profile.names
    ]
    found = [
        edges.filter(pl.any_horizontal(pl.col("edges").str.contains(f"(?m){pattern}") for pattern in profile.detect))
        .select("page", profile=pl.lit(profile.id))
        for profile in profiles
    ]
    empty = pl.DataFrame(schema={"page": pl.UInt32, "profile": pl.String})
    return pl.concat([empty, *found, *named]).unique().sort("page", "profile")


def _any_of(names: Sequence[str]) -> str:
    return rf"(?:^|\W)(?:{'|'.join(re.escape(name) for name in names)})(?:\W|$)"
