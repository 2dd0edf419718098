"""Tables become a release: a folder with Parquet files, card, manifest and checksums, or nothing at all."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Self

import polars as pl

from flows.errors import CopydeskError
from flows.release import versions
from flows.release.card import CARD, Release, card
from flows.release.changelog import CHANGELOG, changelog, first_changelog
from flows.release.compare import STEPS, Snapshot
from flows.release.diff import Diff, column_units, diff_between, draft_snapshot
from flows.release.manifest import (
    MANIFEST,
    Input,
    file_sha256,
    manifest,
    read_manifest,
    write_manifest,
    write_sums,
)
from flows.release.parquet import write_table
from flows.release.rows import all_rows_sha256, rows_sha256
from flows.release.staging import Lock, clear_errors, locked, publish, staged
from flows.settings import Settings
from schemas.tables import TABLES


@dataclass(frozen=True)
class BuildInfo:
    """What a release says of the build beside its rows.

    Attributes:
        inputs: the files that were read.
        conservation: `read`, `released`, `rejected`, `taken_down` and `skipped` records.
        version: the version wished for.
        release_date: the release's date; by default the newest date in the tables.
    """

    inputs: Sequence[Input]
    conservation: Mapping[str, int]
    version: str | None = None
    release_date: date | None = None


@dataclass(frozen=True)
class Released:
    """What came of it.

    Attributes:
        path: the release that holds the rows: the new one, or the one that held them already.
        version: its version.
        previous: the version of the newest release before this build.
        step: `none`, `patch`, `minor` or `major` since then; `first` where there was none.
        changed: files that would read differently if the release that holds the rows were written today.
    """

    path: Path
    version: str
    previous: str | None
    step: str
    changed: list[str] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Whether there is a release that was not there before."""
        return self.step != "none"


def release(
    tables: Mapping[str, pl.DataFrame], out: Path, settings: Settings, build: BuildInfo, lock: Lock | None = None
) -> Released:
    """Write a release into a folder of releases, unless the newest one there holds the same rows.

    Args:
        tables: the rows to release, validated, in any order.
        out: the folder of releases; created if need be.
        settings: all settings in force.
        build: what the release says of the build.
        lock: the lock on `out` if it is held already; else it is taken.

    Raises:
        CopydeskError: there is no source to release, or the folder cannot be written to or read.
        LockedError: another run holds the lock.
        UsageError: the version wished for exists, understates the change, or is none.
    """
    if tables["sources"].is_empty():
        raise CopydeskError("no document is left to release; the rejects say why")
    with nullcontext(lock) if lock is not None else locked(out) as held:
        assert held is not None
        if held.out != out:
            raise ValueError(f"the lock is on {held.out}, not on {out}")
        draft = Draft.of(tables, settings, build)
        with clear_errors(out):
            newest = versions.newest(out)
        if newest is None:
            version = versions.checked_version(out, None, "first", build.version)
            return _write(draft, held, version, None, None)
        if read_manifest(newest)["rows_sha256"] == draft.rows_sha256:
            return Released(newest, newest.name, newest.name, "none", _changed_since(newest, draft, held))
        found = diff_between(
            Snapshot.of_release(newest), draft_snapshot("", draft.tables, settings, list(build.inputs))
        )
        # Rows that differ are a patch at least, also where no reader asks for the table that they are in.
        step = max(found.step, "patch", key=STEPS.index)
        version = versions.checked_version(out, newest.name, step, build.version)
        return _write(draft, held, version, newest, replace(found, new=version, step=step))


@dataclass(frozen=True)
class Draft:
    """A release without its number: its rows in order, their hashes, and what it says beside them."""

    tables: dict[str, pl.DataFrame]
    hashes: dict[str, str]
    settings: Settings
    build: BuildInfo

    @classmethod
    def of(cls, tables: Mapping[str, pl.DataFrame], settings: Settings, build: BuildInfo) -> Self:
        """Sort the tables and hash them."""
        ordered = {
            name: tables[name].select(list(table.dtypes)).sort(table.order, nulls_last=True)
            for name, table in TABLES.items()
            if name in tables
        }
        return cls(ordered, {name: rows_sha256(name, rows) for name, rows in ordered.items()}, settings, build)

    @property
    def rows_sha256(self) -> str:
        """Hash of all rows."""
        return all_rows_sha256(self.hashes)

    @property
    def date(self) -> date | None:
        """The date of the release, if it has one."""
        return self.build.release_date or release_date(self.tables)

    @property
    def row_counts(self) -> dict[str, int]:
        """Table → its number of rows."""
        return {name: rows.height for name, rows in self.tables.items()}

    def write(self, folder: Path, version: str, parent: Mapping[str, str] | None, changes: str) -> None:
        """Write all files of the release; `changes` is its changelog."""
        for name, rows in self.tables.items():
            write_table(folder, name, rows, self.settings)
        (folder / CHANGELOG).write_text(changes, encoding="utf-8", newline="\n")
        text = card(Release(folder, version, self.date, self.build.conservation, self.settings, changes))
        (folder / CARD).write_text(text, encoding="utf-8", newline="\n")
        content = manifest(
            release_version=version,
            parent=parent,
            inputs=self.build.inputs,
            settings=self.settings,
            row_counts=self.row_counts,
            units={name: column_units(name) for name in self.tables},
            row_hashes=self.hashes,
            rows_sha256=self.rows_sha256,
            conservation=self.build.conservation,
            folder=folder,
        )
        write_manifest(folder, content)
        write_sums(folder)


def release_date(tables: Mapping[str, pl.DataFrame]) -> date | None:
    """The newest day on which a source was retrieved or an article was published, if any is known."""
    days = [tables["sources"]["retrieved_at"].dt.date().max(), tables["articles"]["published_date"].max()]
    return max((day for day in days if isinstance(day, date)), default=None)


def _write(draft: Draft, lock: Lock, version: str, newest: Path | None, found: Diff | None) -> Released:
    """Stage a release and publish it; `found` is its difference to the newest one, if there is one."""
    if newest is None or found is None:
        changes = first_changelog(version, draft.date, draft.row_counts)
    else:
        changes = changelog(found, draft.date, newest)
    with staged(lock) as folder:
        parent = {"version": newest.name, "manifest_sha256": file_sha256(newest / MANIFEST)} if newest else None
        draft.write(folder, version, parent, changes)
        publish(folder, lock.out / version)
    return Released(lock.out / version, version, newest.name if newest else None, found.step if found else "first")


def _changed_since(newest: Path, draft: Draft, lock: Lock) -> list[str]:
    """The files for people that would differ if a release with the same rows were written today."""
    with staged(lock) as folder:
        changes = newest / CHANGELOG
        text = changes.read_text(encoding="utf-8") if changes.is_file() else ""
        draft.write(folder, newest.name, read_manifest(newest).get("parent"), text)
        return [CARD] if not _same(newest / CARD, folder / CARD) else []


def _same(old: Path, new: Path) -> bool:
    return old.is_file() and old.read_bytes() == new.read_bytes()
