"""`CHANGELOG.md` of a release: what changed, version by version, down to the first one, written from the differences.

Each release puts its own section on top of those of the one before it, which stay as they are. Names from outside are
escaped, so that they can be no markup.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from flows.errors import CopydeskError
from flows.release.causes import CAUSES
from flows.release.compare import ADDED, CHANGED, REMOVED
from flows.release.diff import Diff, column_lines
from flows.release.harmless import markdown
from flows.wording import counted

CHANGELOG = "CHANGELOG.md"
PREFACE = """\
# Changelog

What changed from release to release, newest first. A new major number can break readers; with a minor one sources,
articles or their passages come or go, or columns come; a patch corrects values. `copydesk diff OLD NEW` has every row.
"""
FIRST = "first release"
NOT_RECORDED = "not recorded"
# What `Diff.pages` holds, as a section calls it.
HEADINGS = {
    "came": "Sources that came",
    "went": "Sources that went",
    "changed": "Sources that changed",
    "renamed": "Sources that were renamed",
    "taken_down": "Taken down",
}
# Pages that a section names under one heading, and characters of a name; `copydesk diff` has them all.
LISTED = 20
NAME_CHARS = 200
_HEADING = re.compile(
    r"^## (?P<version>[0-9]+\.[0-9]+\.[0-9]+)(?: \((?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})\))?: "
    r"(?P<step>first release|not recorded|patch|minor|major)$",
    re.MULTILINE,
)
# What a section's first line is made of; whatever else stands there did not come from here.
_SUMMARY = re.compile(r"[A-Za-z0-9 ,.;]*")


@dataclass(frozen=True)
class Version:
    """A version that a changelog tells of.

    Attributes:
        version: its number.
        date: its date as YYYY-MM-DD, if it has one.
        step: `patch`, `minor` or `major`; `first release`; `not recorded`.
        summary: what changed, in a line of letters, digits and commas.
    """

    version: str
    date: str | None
    step: str
    summary: str


def first_changelog(version: str, day: date | None, row_counts: Mapping[str, int]) -> str:
    """The changelog of a release that none came before.

    Args:
        version: its version.
        day: its date, if it has one.
        row_counts: table → number of rows.
    """
    lines = [
        f"{counted(row_counts.get('sources', 0), 'source')}, {counted(row_counts.get('articles', 0), 'article')}.",
        "",
        "| table | rows |",
        "| --- | ---: |",
        *(f"| {markdown(name)} | {count:,} |" for name, count in row_counts.items()),
    ]
    return _text([_heading(version, day, FIRST), "", *lines])


def changelog(found: Diff, day: date | None, previous: Path) -> str:
    """The changelog of a release that follows another one.

    Args:
        found: how it differs from that one.
        day: its date, if it has one.
        previous: the release before it; what its changelog says stays as it is.

    Raises:
        CopydeskError: the previous changelog is there and cannot be read.
    """
    lines = [_heading(found.new, day, found.step), "", _summary(found), "", *_body(found)]
    return _text([*lines, "", _sections_of(previous, found.old)])


def versions_of(text: str) -> list[Version]:
    """The versions that a changelog tells of, in its order: newest first."""
    found = []
    for match in _HEADING.finditer(text):
        summary = text[match.end() :].lstrip("\n").partition("\n")[0]
        found.append(Version(**match.groupdict(), summary=summary if _SUMMARY.fullmatch(summary) else ""))
    return found


def _text(lines: Sequence[str]) -> str:
    return PREFACE + "\n" + "\n".join(lines).rstrip("\n") + "\n"


def _sections_of(release: Path, version: str) -> str:
    """The sections of a release's changelog; one that says so where it has none."""
    file = release / CHANGELOG
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CopydeskError(f"{file} cannot be read, so its history cannot be continued") from error
    first = _HEADING.search(text)
    if first is None:
        return f"{_heading(version, None, NOT_RECORDED)}\n\nThis release has no changelog.\n"
    return text[first.start() :]


def _heading(version: str, day: date | None, step: str) -> str:
    return f"## {version}{f' ({day.isoformat()})' if day else ''}: {step}"


def _summary(found: Diff) -> str:
    """What changed, in a line of letters, digits and commas."""
    counts = {
        "came": len(found.pages["came"]),
        "went": len(found.pages["went"]),
        "changed": len(found.pages["changed"]),
        "renamed": len(found.pages["renamed"]),
    }
    pages = [f"{counted(count, 'source')} {what}" for what, count in counts.items() if count]
    taken = [counted(len(found.pages["taken_down"]), "new tombstone")] if found.pages["taken_down"] else []
    rows = sum(table.rows.height for table in found.tables.values())
    return f"{', '.join(pages + taken) or 'No source changed'}; {counted(rows, 'differing row')} since {found.old}."


def _body(found: Diff) -> Iterator[str]:
    """Rows per table and cause, and the names of what is behind them."""
    yield "| table | cause | added | removed | changed |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for name, table in found.tables.items():
        for cause in CAUSES:
            rows = table.rows.filter(cause=cause)
            if rows.height:
                counts = (f"{rows.filter(change=change).height:,}" for change in (ADDED, REMOVED, CHANGED))
                yield f"| {markdown(name)} | {markdown(cause)} | {' | '.join(counts)} |"
    for name, heading in HEADINGS.items():
        yield from _listed(heading, found.pages[name])
    settings = [f"{name}: {_value(before)} → {_value(after)}" for name, (before, after) in found.settings.items()]
    yield from _listed("Settings", settings)
    yield from _listed("Columns and tables", column_lines(found))
    yield from _listed("Code", [found.code] if found.code else [])


def _listed(heading: str, names: Sequence[str]) -> Iterator[str]:
    """A heading and a list of names below it, cut where it is long; nothing where there are none."""
    if not names:
        return
    yield f"\n{heading}:\n"
    yield from (f"- {markdown(name, NAME_CHARS)}" for name in names[:LISTED])
    if len(names) > LISTED:
        yield f"- and {len(names) - LISTED:,} more"


def _value(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, ensure_ascii=False)
