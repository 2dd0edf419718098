"""Takedowns as they are asked for: `takedowns.toml`, and what earlier releases were built with.

```toml
[[takedown]]
uri = "2031/ferries.txt"  # or sha256 of a source's bytes, or id of a source, article or passage
reason = "asked for by its author"
date = 2031-06-01
```

A takedown that stood in a release holds for every later one: `manifest.json` lists all that are in force. One that no
release holds yet, because nothing was to be released since it was asked for, holds as long as it stands in the file.
"""

import datetime
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from flows.beside import is_there
from flows.errors import CopydeskError, UsageError
from flows.printable import printable
from schemas.columns import SHA256, TOMBSTONE_ID

TAKEDOWN_FILE = "takedowns.toml"
TARGETS = ("uri", "sha256", "id")
# A reason is a line in tables, changelogs and terminals.
MAX_REASON_CHARS = 500


def _uri(value: object) -> str:
    if not isinstance(value, str) or not value or printable(value) != value:
        raise ValueError("write it in quotes on one line, as the tables have it")
    return value


def _reason(value: object) -> str:
    line = value.strip() if isinstance(value, str) else ""
    if not line or len(line) > MAX_REASON_CHARS or printable(line) != line:
        raise ValueError(f"write one line of text in quotes, of at most {MAX_REASON_CHARS:,} characters")
    return line


def _sha256(value: object) -> str:
    digits = value.lower() if isinstance(value, str) else ""
    if not re.fullmatch(SHA256, digits):
        raise ValueError("write the 64 hexadecimal digits of the SHA-256 of the source's bytes")
    return digits


def _id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(TOMBSTONE_ID, value):
        raise ValueError("write the id of a source, article or passage, as the tables have it")
    return value


def _day(value: object) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        with suppress(ValueError):  # of a day that no month has
            return datetime.date.fromisoformat(value)
    raise ValueError("write the day like 2031-06-01")


class Takedown(BaseModel):
    """One takedown: what is meant, by exactly one of `uri`, `sha256` and `id`, and why and when it was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    uri: Annotated[str, BeforeValidator(_uri)] | None = None
    sha256: Annotated[str, BeforeValidator(_sha256)] | None = None
    id: Annotated[str, BeforeValidator(_id)] | None = None
    reason: Annotated[str, BeforeValidator(_reason)]
    date: Annotated[datetime.date, BeforeValidator(_day)]

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in TARGETS) != 1:
            raise ValueError("give exactly one of uri, sha256 and id")
        return self

    @property
    def target(self) -> tuple[str, str]:
        """What is meant: the name of the key, and its value."""
        return next((kind, value) for kind in TARGETS if (value := getattr(self, kind)) is not None)

    def as_stated(self) -> dict[str, str]:
        """As the manifest of a release holds it."""
        return self.model_dump(mode="json", exclude_none=True)


class _Takedowns(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    takedown: list[Takedown] = []


def takedowns_in_force(
    file: Path | None, folders: Iterable[Path], earlier: Sequence[Mapping[str, Any]]
) -> tuple[Takedown, ...]:
    """All takedowns that a build has to follow, the earliest first.

    Args:
        file: the takedowns of this build; by default `takedowns.toml` in any of the folders.
        folders: where `sources.toml` may lie.
        earlier: `takedowns` of the manifest of the newest release. Where a file speaks of the same thing in other
            words, it goes before.

    Raises:
        UsageError: the file is not there.
        CopydeskError: a file cannot be read, or says what it cannot say.
    """
    if file is not None and not os.path.exists(file):  # noqa: PTH110 - Path.exists raises where it may not look
        raise UsageError(f"--takedowns {_shown(str(file))}: there is no such file")
    beside = (folder / TAKEDOWN_FILE for folder in sorted(folders))
    files = filter(_is_beside, beside) if file is None else [file]
    found: dict[tuple[str, str], Takedown] = {one.target: one for one in takedowns_of_manifest(earlier)}
    own: dict[tuple[str, str], Takedown] = {}
    for path in files:
        for one in read_takedowns(path):
            if own.setdefault(one.target, one) != one:
                raise CopydeskError(f"{_shown(str(path))}: {_named(one)} has two entries; write one")
    return tuple(sorted((found | own).values(), key=lambda one: (one.date, *one.target)))


def _is_beside(file: Path) -> bool:
    """Whether a file of takedowns stands beside documents.

    Raises:
        CopydeskError: something of its name does that cannot be read, so that nobody knows what to take down.
    """
    try:
        return is_there(file)
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> CopydeskError:
    return CopydeskError(f"{_shown(str(file))}: {error.strerror or 'cannot be read'}")


def read_takedowns(file: Path) -> list[Takedown]:
    """The takedowns of one file.

    Raises:
        CopydeskError: it cannot be read, or says what it cannot say.
    """
    name = _shown(str(file))
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise CopydeskError(f"{name}: byte {error.start} is not valid UTF-8; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise CopydeskError(f"{name}: is not valid TOML: {_shown(str(error))}") from error
    try:
        return _Takedowns.model_validate(content).takedown
    except ValidationError as error:
        raise CopydeskError(f"{name}: {_explained(error)}") from error


def takedowns_of_manifest(stated: Sequence[Mapping[str, Any]]) -> list[Takedown]:
    """The takedowns that the newest release was built with, which hold for every later one.

    Args:
        stated: `takedowns` of its manifest.

    Raises:
        CopydeskError: they say what no file of takedowns can say.
    """
    try:
        return _Takedowns.model_validate({"takedown": stated}).takedown
    except ValidationError as error:
        raise CopydeskError(f"takedowns in the manifest of the newest release: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    """The first problem: which entry, which key, what to do."""
    problem = error.errors(include_input=False, include_url=False)[0]
    place = [_shown(str(part)) for part in problem["loc"]]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = Takedown.model_fields if len(place) > 1 else _Takedowns.model_fields
        message = f"unknown; there are {', '.join(allowed)}"
    if problem["type"] == "missing":
        message = "is missing"
    if len(place) < 2:
        return f"{' '.join(place)}: {message}; each entry begins with [[takedown]]"
    key = f" {place[2]}:" if len(place) > 2 else ""
    return f"entry {int(place[1]) + 1}:{key} {message}"


def _named(one: Takedown) -> str:
    return " ".join(_shown(part) for part in one.target)


def _shown(text: str, max_chars: int = 200) -> str:
    """Words from outside for a message: one line, cut where it is long."""
    return printable(text if len(text) <= max_chars else text[:max_chars] + "…")
