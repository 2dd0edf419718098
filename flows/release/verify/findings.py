"""What a verification found, for a person and for a program."""

import json
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from flows.release.harmless import plain_line
from flows.release.show import print_line
from flows.wording import counted

# Details of one check of one file that are told.
NAMED_DETAILS = 10


@dataclass(frozen=True)
class Failure:
    """A file of a release that failed a check.

    Attributes:
        file: its path in the release.
        check: name of the check.
        detail: what is wrong, for a person; no article text.
    """

    file: str
    check: str
    detail: str


@dataclass
class Findings:
    """What was checked, what failed, and what could not be checked.

    Attributes:
        checked: a line for each kind of check that passed or failed.
        notes: what a person should know, and is no failure.
    """

    checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _failures: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def fail(self, file: str, check: str, detail: str) -> None:
        """Note that a file failed a check."""
        self._failures.setdefault((file, check), []).append(detail)

    def has_failed(self, file: str) -> bool:
        """Whether a file, or a file below a folder whose name ends with a slash, has failed a check."""
        return any(name == file or (file.endswith("/") and name.startswith(file)) for name, _ in self._failures)

    @property
    def failures(self) -> list[Failure]:
        """One per file and check, sorted; of many details the first NAMED_DETAILS, and how many more there are."""
        return [
            Failure(file, check, "; ".join(details[:NAMED_DETAILS]) + _more(len(details) - NAMED_DETAILS))
            for (file, check), details in sorted(self._failures.items())
        ]


def _more(count: int) -> str:
    return f" (and {count:,} more)" if count > 0 else ""


@dataclass(frozen=True)
class Verified:
    """The outcome of a verification.

    Attributes:
        failures: one per file and check, sorted.
        checked: what was checked, a line each.
        notes: what a person should know beside it, a line each.
    """

    failures: tuple[Failure, ...]
    checked: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """`ok` and `failures`, each with `file`, `check` and `detail`."""
        return {"ok": self.is_ok, "failures": [vars(failure) for failure in self.failures]}


def as_json(verified: Verified) -> str:
    """The outcome as JSON in ASCII, so that no name in it can hide anything."""
    return json.dumps(verified.as_dict(), indent=2)


def print_verified(verified: Verified, console: Console) -> None:
    """Print what was checked, what should be known, and a line per file and failed check that begins with FAIL."""
    for line in verified.checked:
        print_line(console, f"checked  {plain_line(line)}")
    for line in verified.notes:
        print_line(console, f"note  {plain_line(line)}")
    for failure in verified.failures:
        detail = f"{failure.check}: {plain_line(failure.detail)}"
        print_line(console, f"FAIL {plain_line(failure.file)}  {detail}")
    if verified.is_ok:
        print_line(console, "ok: nothing failed")
    else:
        files = {failure.file for failure in verified.failures}
        print_line(console, f"{counted(len(files), 'file')} failed")
