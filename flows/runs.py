"""What each scheduled run came to, as a file a run: `OUT/.runs/<UTC start>-<run id>.json`.

These files are what the schedule knows of its past. Prefect's database tells the same to people, and may be lost.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from flows.release.staging import clear_errors, flush

RUNS = ".runs"
# Held by a run from its beginning to its end, publication included; the lock of a build ends with the build.
RUN_LOCK = ".run.lock"
# Held by the process that fires the schedule.
SERVE_LOCK = ".serve.lock"

RELEASED, UNCHANGED, FAILED = "released", "unchanged", "failed"

# The newest records, of which all are kept: with a run a minute, some three weeks. Of those before them only the ones
# that tell something are, which are few.
KEPT_UNCHANGED = 30_000
# Records that are looked at to see what is usual.
LOOKED_AT = 2_000

_NAME = re.compile(r"\d{8}T\d{6}\d{6}Z-[0-9a-f-]{36}\.json")


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        run_id: Prefect's id of it.
        status: `released`, `unchanged` or `failed`.
        message: one line for a person.
        started_at: UTC, ISO 8601.
        ended_at: likewise.
        due_at: when the schedule wanted it, likewise.
        version: the newest release when it ended, if there is one.
        previous: the newest release when it began.
        counts: records by what became of them.
        seconds: stage → wall time.
        rejects: rule → rows of `rejects`.
        numbers: what is compared with earlier releases.
        feeds: place that documents come from → `file_count` and `newest_at`; in the newest record that has them only,
            as an inbox may have thousands.
        silent: feeds of which nothing new came for unusually long; likewise.
        waiting: uris of files that were still being written.
        publication: `repository`, `tag`, `outcome` and `address` on the Hub.
        notices: what was worth a notification.
        is_interrupted: whether its process ended before it did.
        fingerprint: SHA-256 over all that it was made from; null where it did not come to an end.
    """

    run_id: str
    status: str
    message: str
    started_at: str
    ended_at: str
    due_at: str | None = None
    version: str | None = None
    previous: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    publication: dict[str, str] | None = None
    notices: list[str] = field(default_factory=list)
    is_interrupted: bool = False
    fingerprint: str | None = None


# A field that another version has added is passed over.
_RECORD = TypeAdapter(Run)


def instant(at: datetime) -> str:
    """An instant as the records state it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def write(out: Path, run: Run) -> Path:
    """Leave the record of a run, whole or not at all, and remove those of long ago that tell nothing.

    Raises:
        CopydeskError: the folder cannot be written to.
    """
    folder = out / RUNS
    file = folder / f"{_stamp(datetime.fromisoformat(run.started_at))}-{run.run_id}.json"
    with clear_errors(out):
        folder.mkdir(parents=True, exist_ok=True)
        _put(file, run)
        if run.feeds or run.silent:
            _forget_feeds(one for one in reversed(_files(folder)) if one.name < file.name)
        flush(folder)
        _prune(folder)
    return file


def _put(file: Path, run: Run) -> None:
    unfinished = file.with_name(f".{file.name}")
    unfinished.write_text(json.dumps(asdict(run), indent=2, allow_nan=False) + "\n", encoding="ascii")
    flush(unfinished)
    unfinished.replace(file)


def _forget_feeds(earlier: Iterable[Path]) -> None:
    """Take the feeds out of the records that are looked at: that of the run before has them still."""
    for file in islice(earlier, LOOKED_AT):
        run = _read(file)
        if run is not None and (run.feeds or run.silent):
            _put(file, replace(run, feeds={}, silent=[]))


def records(out: Path, until: datetime | None = None) -> list[Run]:
    """The records of the last LOOKED_AT runs, the oldest first; what is no record is passed over.

    Args:
        out: folder of releases.
        until: the time now. What claims to have begun later was left while the clock was ahead, and tells nothing of
            what comes before or after what.
    """
    found = (_read(file) for file in _files(out / RUNS, until)[-LOOKED_AT:])
    return [run for run in found if run is not None]


def last(out: Path, until: datetime) -> Run | None:
    """The newest record, as `records` has it, without a look at the others."""
    return next((run for file in reversed(_files(out / RUNS, until)) if (run := _read(file)) is not None), None)


def record_of(out: Path, run_id: str) -> Run | None:
    """The record of a run, if it has left one."""
    found = (_read(file) for file in _files(out / RUNS) if file.name.endswith(f"-{run_id}.json"))
    return next((run for run in found if run is not None), None)


def later_run(earlier: Sequence[Run], due: datetime | None) -> Run | None:
    """The run that began when another one was already due, and came to an end: the other has nothing left to do."""
    if due is None:
        return None
    done = [run for run in earlier if not run.is_interrupted and datetime.fromisoformat(run.started_at) >= due]
    return done[-1] if done else None


def _stamp(at: datetime) -> str:
    """An instant as the names of records begin: their order is that of time."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"


def _files(folder: Path, until: datetime | None = None) -> list[Path]:
    """The records by the time at which their runs began, until some instant."""
    try:
        with os.scandir(folder) as entries:
            files = sorted(Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []
    return files if until is None else [file for file in files if file.name.partition("-")[0] <= _stamp(until)]


def _read(file: Path) -> Run | None:
    """A record as it was written, by this or another version of the program; None for what none of them would write."""
    try:
        run = _RECORD.validate_json(file.read_bytes(), strict=True)
        # Without its zone an instant can be compared with none.
        is_instant = datetime.fromisoformat(run.started_at).tzinfo is not None
    except (OSError, ValueError):
        return None
    return run if is_instant else None


def _prune(folder: Path) -> None:
    """Remove the oldest records of runs that tell nothing, when there are many."""
    files = _files(folder)
    # Looked at now and then only: telling which may go means reading them.
    if len(files) <= KEPT_UNCHANGED or len(files) % 100:
        return
    for file in _without_news(files[: len(files) - KEPT_UNCHANGED]):
        file.unlink(missing_ok=True)


def _without_news(files: Sequence[Path]) -> Iterator[Path]:
    """Runs that changed nothing, and those that failed as the one before them did."""
    before = None
    for file in files:
        run = _read(file)
        if run is None:
            continue
        is_repeated = before is not None and (before.status, before.message) == (run.status, run.message)
        if run.status == UNCHANGED or (run.status == FAILED and is_repeated):
            yield file
        before = run
