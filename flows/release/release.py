"""Tables become a release: a folder with Parquet files, card, manifest and checksums, or nothing at all.

Their rows are written first, by as many as there are ranges of them (`write_parts`), and then made a release in one
place, which reads none of them unless there is an earlier release to compare them with (`release_written`). They come
part by part, so that memory is bounded by a part, not by the corpus. Each table has a writer of its own, which cuts
files and takes hashes without regard to the parts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from flows.errors import AllRejectedError, CopydeskError
from flows.release import versions
from flows.release.card import CARD, card
from flows.release.changelog import CHANGELOG, changelog, first_changelog
from flows.release.compare import STEPS, Snapshot
from flows.release.described import Release
from flows.release.diff import Diff, column_units, diff_between, staged_snapshot
from flows.release.documents import write_documents
from flows.release.manifest import (
    MANIFEST,
    Input,
    digests,
    file_sha256,
    manifest,
    read_manifest,
    write_manifest,
    write_sums,
)
from flows.release.parquet import TableWriter, WrittenRows, WrittenTable, table_of
from flows.release.provenance import write_provenance
from flows.release.rows import all_rows_sha256, is_ascending
from flows.release.staging import Lock, publish, staged
from flows.settings import Settings
from schemas.tables import TABLES

NOTHING = "no document is left to release; the rejects say why"


@dataclass(frozen=True)
class BuildInfo:
    """What a release says of the build beside its rows.

    Attributes:
        inputs: the files that were read.
        conservation: `read`, `released`, `rejected`, `taken_down` and `skipped` records.
        version: the version wished for.
        release_date: the release's date; by default the newest date in the tables.
        columns: our column of a record → its name in the containers, where they differ.
        takedowns: all in force, each with what it names, its reason and its date.
        provenance_inputs: the files that say something of the inputs.
    """

    inputs: Sequence[Input]
    conservation: Mapping[str, int]
    version: str | None = None
    release_date: date | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    takedowns: Sequence[Mapping[str, str]] = ()
    provenance_inputs: Sequence[Input] = ()


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


@dataclass(frozen=True)
class Written:
    """Rows of tables that were written into a folder.

    Attributes:
        tables: table → its rows that are there.
        newest_date: the newest day on which one of the sources was retrieved or one of the articles was published, if
            any is known.
    """

    tables: Mapping[str, WrittenRows]
    newest_date: date | None


def write_parts(parts: Iterable[Mapping[str, pl.DataFrame]], folder: Path, settings: Settings, ranges: int) -> Written:
    """Write rows of one or more ranges of the tables into a folder, flushed to the disk.

    Args:
        parts: the rows, validated: of each table those that come next, in the order of the table. The next part is
            asked for while this one is written.
        folder: where the files go; it must exist.
        settings: all settings in force.
        ranges: into how many ranges the tables are cut.

    Raises:
        CopydeskError: the rows are not in order.
        OSError: they cannot be written.
    """
    newest_date: date | None = None
    with _writers(folder, settings, ranges) as writers:
        for part in parts:
            newest_date = max(filter(None, (newest_date, *_dates(part))), default=None)
            writers.write(part)
            del part  # the writers have it, and let go of each table when it is written
        return Written(writers.close(), newest_date)


def release_written(
    parts: Sequence[tuple[Path, Written]], lock: Lock, settings: Settings, build: BuildInfo
) -> Released:
    """Make a release of rows that were written, unless the newest release in a folder holds the same ones.

    Args:
        parts: folders and what was written into each; its files are moved out of there.
        lock: the lock on the folder of releases.
        settings: all settings in force.
        build: what the release says of the build.

    Raises:
        CopydeskError: there is no source to release, a range was written twice, or the folder cannot be written to.
        UsageError: the version wished for exists, understates the change, or is none.
    """
    with staged(lock) as folder:
        draft = _draft(parts, folder, settings, build)
        if not draft.tables["sources"].row_count and not draft.tables["tombstones"].row_count:
            raise AllRejectedError(NOTHING)
        newest = versions.newest(lock.out)
        if newest is None:
            version = versions.checked_version(lock.out, None, "first", build.version)
            return _publish(draft, lock, version, None, None)
        if read_manifest(newest)["rows_sha256"] == draft.rows_sha256:
            return Released(newest, newest.name, newest.name, "none", _changed_since(newest, draft))
        found = diff_between(
            Snapshot.of_release(newest),
            staged_snapshot(folder, list(draft.tables), settings, build.inputs, build.columns),
        )
        # Rows that differ are a patch at least, also where no reader asks for the table that they are in.
        step = max(found.step, "patch", key=STEPS.index)
        version = versions.checked_version(lock.out, newest.name, step, build.version)
        return _publish(draft, lock, version, newest, replace(found, new=version, step=step))


@dataclass(frozen=True)
class Draft:
    """A release without its number: its rows as they are written, and what it says beside them.

    Attributes:
        folder: where it is staged.
        tables: its tables.
        newest_date: the newest day on which a source was retrieved or an article was published, if any is known.
        settings: all settings in force.
        build: what the release says of the build.
    """

    folder: Path
    tables: Mapping[str, WrittenTable]
    newest_date: date | None
    settings: Settings
    build: BuildInfo

    @property
    def rows_sha256(self) -> str:
        """Hash of all rows."""
        return all_rows_sha256({name: table.rows_sha256 for name, table in self.tables.items()})

    @property
    def date(self) -> date | None:
        """The date of the release, if it has one."""
        return self.build.release_date or self.newest_date

    @property
    def row_counts(self) -> dict[str, int]:
        """Table → its number of rows."""
        return {name: table.row_count for name, table in self.tables.items()}

    def described(self, version: str, changes: str) -> Release:
        """What the documents of the release speak of; `changes` is the changelog."""
        return Release(self.folder, version, self.date, self.build.conservation, self.settings, changes)

    def finish(self, version: str, parent: Mapping[str, str] | None, changes: str) -> None:
        """Write all files but those of the tables; `changes` is the changelog."""
        known = {file: digest for table in self.tables.values() for file, digest in table.files.items()}
        write_documents(self.described(version, changes), known)
        content = manifest(
            release_version=version,
            parent=parent,
            inputs=self.build.inputs,
            provenance_inputs=self.build.provenance_inputs,
            settings=self.settings,
            columns=self.build.columns,
            takedowns=self.build.takedowns,
            row_counts=self.row_counts,
            units={name: column_units(name) for name in self.tables},
            row_hashes={name: table.rows_sha256 for name, table in self.tables.items()},
            rows_sha256=self.rows_sha256,
            conservation=self.build.conservation,
            outputs=digests(self.folder, known),
        )
        write_provenance(self.folder, content)
        write_manifest(self.folder, content)
        write_sums(self.folder, known)


def _draft(parts: Sequence[tuple[Path, Written]], folder: Path, settings: Settings, build: BuildInfo) -> Draft:
    """Put the tables of a release together, and see what they come to."""
    tables = {
        name: table_of(folder, name, [(own, part.tables[name]) for own, part in parts if name in part.tables], settings)
        for name in TABLES
    }
    newest_date = max(filter(None, (part.newest_date for _, part in parts)), default=None)
    return Draft(folder, tables, newest_date, settings, build)


class _Writers:
    """The writers of all tables, each in a thread of its own."""

    def __init__(self, folder: Path, settings: Settings, pool: ThreadPoolExecutor, ranges: int) -> None:
        self._folder = folder
        self._settings = settings
        self._pool = pool
        self._ranges = ranges
        self._writers: dict[str, TableWriter] = {}
        self._last: dict[str, pl.DataFrame] = {}
        self._running: list[Future[None]] = []

    def write(self, part: Mapping[str, pl.DataFrame]) -> None:
        """Write the next rows of some tables, as soon as those before them are written."""
        for name, rows in part.items():
            self._check_order(name, rows)
        self._wait()
        for name, rows in part.items():
            if name not in self._writers:
                self._writers[name] = TableWriter(self._folder, name, self._settings, self._pool, self._ranges)
            self._running.append(self._pool.submit(self._writers[name].write, rows))

    def close(self) -> dict[str, WrittenRows]:
        """Finish all tables."""
        self._wait()
        # At the end each has a row group to write.
        closing = {name: self._pool.submit(writer.close) for name, writer in self._writers.items()}
        wait(closing.values())
        return {name: written.result() for name, written in closing.items()}

    def abandon(self) -> None:
        """Let go of all files."""
        wait(self._running)
        for writer in self._writers.values():
            writer.abandon()

    def _wait(self) -> None:
        while self._running:
            self._running.pop().result()

    def _check_order(self, name: str, rows: pl.DataFrame) -> None:
        """Strictly ascending order makes sure that no key stands twice, in whatever parts the rows come."""
        keys = rows.select(TABLES[name].order)
        if not is_ascending(pl.concat([self._last.get(name, keys.clear()), keys])):
            raise CopydeskError(
                f"the rows of {name} are not in the order of {', '.join(keys.columns)}, or one stands twice; "
                "please report it"
            )
        self._last[name] = pl.concat([self._last.get(name, keys.clear()), keys]).tail(1)


@contextmanager
def _writers(folder: Path, settings: Settings, ranges: int) -> Iterator[_Writers]:
    """Writers whose threads have ended, and whose files are closed, when the context is left."""
    # A thread a table, and one beside it that hashes its finished files.
    with ThreadPoolExecutor(2 * len(TABLES)) as pool:
        writers = _Writers(folder, settings, pool, ranges)
        try:
            yield writers
        except BaseException:
            writers.abandon()
            raise


def _dates(part: Mapping[str, pl.DataFrame]) -> Iterator[date]:
    """The newest days on which a source was retrieved, and an article was published, as far as they are known."""
    for name, days in (("sources", pl.col("retrieved_at").dt.date()), ("articles", pl.col("published_date"))):
        if name in part:
            newest = part[name].select(days.max()).item()
            if newest is not None:
                yield newest


def _publish(draft: Draft, lock: Lock, version: str, newest: Path | None, found: Diff | None) -> Released:
    """Finish a release and publish it; `found` is its difference to the newest one, if there is one."""
    if newest is None or found is None:
        changes = first_changelog(version, draft.date, draft.row_counts)
    else:
        changes = changelog(found, draft.date, newest)
    parent = {"version": newest.name, "manifest_sha256": file_sha256(newest / MANIFEST)} if newest else None
    draft.finish(version, parent, changes)
    publish(draft.folder, lock.out / version)
    return Released(lock.out / version, version, newest.name if newest else None, found.step if found else "first")


def _changed_since(newest: Path, draft: Draft) -> list[str]:
    """The files for people that would differ if a release with the same rows were written today."""
    changes = newest / CHANGELOG
    text = card(draft.described(newest.name, changes.read_text(encoding="utf-8") if changes.is_file() else ""))
    is_same = (newest / CARD).is_file() and (newest / CARD).read_bytes() == text.encode()
    return [] if is_same else [CARD]
