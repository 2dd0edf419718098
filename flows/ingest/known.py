"""`sources.toml`: what is known of documents from outside their text."""

import hashlib
import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from flows.beside import is_there
from flows.errors import CopydeskError
from flows.ingest.documents import MAX_VALUE_CHARS, day_of, instant_of, web_address
from flows.ingest.inputs import PROVENANCE_FILE, InputFile
from flows.printable import one_line, printable, printable_path


def _line(value: object) -> str:
    found = one_line(value, MAX_VALUE_CHARS) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write one line of text in quotes")
    return found


def _path(value: object) -> str:
    _line(value)
    path = str(value)  # with the blanks around it, which the name of a file may have
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("write the path relative to this file, without ..")
    return path


def _day(value: object) -> str:
    found = day_of(value) if isinstance(value, date | str) and not isinstance(value, datetime) else None
    if found is None:
        raise ValueError("write the day like 2025-10-22")
    return found


def _instant(value: object) -> datetime:
    found = instant_of(value)
    if found is None:
        raise ValueError("write the time like 2025-10-22T08:30:00Z")
    return found


def _url(value: object) -> str:
    found = web_address(_line(value))
    if found is None:
        raise ValueError("write an address that begins with https:// or http://")
    return found


class KnownSource(BaseModel):
    """What one entry states of one file; what it does not state is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    uri: Annotated[str, BeforeValidator(_path)]
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    retrieved_at: Annotated[datetime, BeforeValidator(_instant)] | None = None
    publisher: Annotated[str, BeforeValidator(_line)] | None = None
    published_date: Annotated[str, BeforeValidator(_day)] | None = None
    url: Annotated[str, BeforeValidator(_url)] | None = None


NOTHING_KNOWN = KnownSource(uri=".")


class _KnownSources(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: list[KnownSource] = []


class Known:
    """The entries of all `sources.toml` beside the inputs.

    Attributes:
        files: of each `sources.toml` that was read, the path relative to its SOURCE, SHA-256 and byte count.
    """

    def __init__(self, folders: Mapping[Path, str]) -> None:
        """Reads the file in each of the folders that has one; what lies nearer to a document goes first.

        Raises:
            CopydeskError: a file cannot be read, or says what it cannot say.
        """
        self._warnings: list[str] = []
        self._missing: dict[str, str] = {}
        self.files: list[tuple[str, str, int]] = []
        self._entries: dict[str, KnownSource] = {}
        for folder in sorted(folders, key=lambda found: (len(found.parts), str(found))):
            self._add(folder / PROVENANCE_FILE, (PurePosixPath(folders[folder]) / PROVENANCE_FILE).as_posix())

    def _add(self, file: Path, uri: str) -> None:
        name = printable(str(file))
        try:
            if not is_there(file):
                return
            data = file.read_bytes()
        except OSError as error:
            raise CopydeskError(f"{name}: {error.strerror or 'cannot be read'}") from error
        self.files.append((uri, hashlib.sha256(data).hexdigest(), len(data)))
        stated = set()
        for entry in _parsed(data, name).source:
            if entry.uri in stated:
                raise CopydeskError(f"{name}: {entry.uri} has two entries; write all in one")
            stated.add(entry.uri)
            path = file.parent / os.fsdecode(entry.uri.encode())  # as Python names it under this locale
            self._entries[_name(path)] = entry
            if not os.path.lexists(path):
                self._missing[_name(path)] = f"{name}: {entry.uri} is not there"

    @property
    def warnings(self) -> list[str]:
        """One line each, when all files have been asked for."""
        return [*self._warnings, *self._missing.values()]

    def of(self, file: InputFile, digested: Callable[[], str]) -> KnownSource:
        """What is stated of a file; nothing if the entry is about other bytes.

        Args:
            file: the file.
            digested: gives its SHA-256, and is asked only where the entry names one.

        Raises:
            OSError: of `digested`.
        """
        name = _name(file.path)
        self._missing.pop(name, None)  # its entry writes it as the tables do, where the system has bytes
        entry = self._entries.get(name, NOTHING_KNOWN)
        if entry.sha256 is not None and entry.sha256 != (sha256 := digested()):
            self._warnings.append(
                f"{file.uri}: has other bytes than {PROVENANCE_FILE} speaks of, which is therefore not applied; "
                f"its SHA-256 is {sha256}"
            )
            return NOTHING_KNOWN
        return entry


def _name(path: Path) -> str:
    return printable_path(path.as_posix())


def _parsed(data: bytes, name: str) -> _KnownSources:
    try:
        content = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise CopydeskError(f"{name}: byte {error.start} is not valid UTF-8; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise CopydeskError(f"{name}: is not valid TOML: {printable(str(error))[:200]}") from error
    try:
        return _KnownSources.model_validate(content)
    except ValidationError as error:
        raise CopydeskError(f"{name}: {_explained(error, content)}") from error


def _explained(error: ValidationError, content: dict[str, object]) -> str:
    """The first problem: which entry, which key, what to do."""
    problem = error.errors(include_input=False, include_url=False)[0]
    place = [printable(str(part))[:100] for part in problem["loc"]]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = KnownSource.model_fields if len(place) > 1 else _KnownSources.model_fields
        message = f"unknown; there are {', '.join(allowed)}"
    if len(place) < 3:
        return f"{' '.join(place)}: {message}; each entry begins with [[source]]"
    entries = content["source"]
    assert isinstance(entries, list)
    uri = entries[int(place[1])].get("uri")
    named = f" ({printable(uri)[:100]})" if isinstance(uri, str) else ""
    return f"entry {int(place[1]) + 1}{named}: {place[2]}: {message}"
