"""What lies in the places that a schedule watches, and which of it is still being written.

The inbox is only looked at: no file is moved, renamed or marked. What was seen is told by sizes and times, so that a
run with nothing new can end before it reads a page.
"""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.errors import ChangedError
from flows.ingest.formats import known_suffixes
from flows.ingest.inputs import SIDE_FILES, FileState, InputFile, file_state, find_inputs
from flows.mirror import MAX_SECONDS, Mirrored, found_in
from flows.printable import printable

# Arrivals of a feed that are told apart; its rhythm shows in fewer.
ARRIVALS = 20


@dataclass(frozen=True)
class Feed:
    """What comes from one place: a folder directly in a SOURCE, or what lies beside such folders.

    Attributes:
        file_count: its files that can be read.
        arrivals: when its newest files were last written, ascending, in whole seconds, at most ARRIVALS of them. Times
            before 1970, or that Python has no date for, stand for the nearest others: file systems keep what they are
            told.
    """

    file_count: int
    arrivals: tuple[datetime, ...]


@dataclass(frozen=True)
class Inbox:
    """What was found in it.

    Attributes:
        ready: files to be read now → their state, by which it shows whether they are changed meanwhile.
        waiting: files that were written to a moment ago → their uri; the next run looks at them again.
        missing: SOURCEs that are not there, or no longer.
        beside: where files that speak of the documents may be, and others that a build reads → their state.
        fingerprint: SHA-256 over places, sizes and times of the files in `ready`, and of those beside the documents.
        feeds: name → what comes from there.
        inputs: where all this lies on this machine.
    """

    ready: dict[Path, FileState | None]
    waiting: dict[Path, str]
    missing: tuple[str, ...]
    beside: dict[Path, FileState | None]
    fingerprint: str
    feeds: dict[str, Feed]
    inputs: Mirrored

    def check_beside(self, folders: Collection[Path]) -> None:
        """Check that what was read beside the documents is what was seen.

        Args:
            folders: where such files may lie.

        Raises:
            ChangedError: one was written to, came or went.
        """
        for path in sorted({*self.beside, *_beside(folders)}):
            if file_state(path) != self.beside.get(path):
                raise ChangedError(f"{printable(str(path))} changed since it was seen; run again when it is complete")


def look(
    inputs: Mirrored,
    settle_seconds: float,
    now: float,
    beside: Collection[Path] = (),
    apart: Collection[Path] = (),
) -> Inbox:
    """Look at SOURCEs as `build` would find them.

    Args:
        inputs: the SOURCEs, mirrored where they lie in a store. What waits there is known already.
        settle_seconds: for how long a file must not have changed to be complete.
        now: the time, in seconds of the epoch.
        beside: more files that a build reads, such as one with takedowns.
        apart: folders with what earlier builds made, which are not looked into.

    Raises:
        UsageError: a SOURCE is empty, or lies in a folder that is kept apart.
        CopydeskError: a folder cannot be listed.
    """
    found = find_inputs(inputs.local, known_suffixes(), [found_in(mirror) for mirror in inputs.mirrors], apart)
    found.check_listed()
    files = sorted(found.files)
    states = {file: file_state(file.path) for file in files}
    sides = {path: file_state(path) for path in sorted({*_beside(found.folders), *beside})}
    changing = {file.path: file.uri for file, state in states.items() if _is_changing(state, settle_seconds, now)}
    changing |= {
        path: printable(path.name) for path, state in sides.items() if _is_changing(state, settle_seconds, now)
    }
    # The files of a mirror are new when they have been fetched; what counts is when the store got them.
    own = {path: uri for path, uri in changing.items() if not any(map(path.is_relative_to, inputs.mirrors))}
    waiting = own | inputs.waiting
    seen = [(os.fsencode(file.path), file.uri, states[file]) for file in files if file.path not in waiting]
    seen += [(os.fsencode(path), "", state) for path, state in sides.items() if os.path.lexists(path)]
    refused = sorted((uri, refusal.rule) for uri, refusal in found.refused.items())
    return Inbox(
        ready={file.path: state for file, state in states.items() if file.path not in waiting},
        waiting=waiting,
        missing=(*(uri for uri, rule in refused if rule == "not_found"), *inputs.gone),
        beside=sides,
        fingerprint=hashlib.sha256(repr((seen, refused, sorted(found.skipped.items()))).encode()).hexdigest(),
        feeds=_feeds(files, states),
        inputs=inputs,
    )


def _is_changing(state: FileState | None, settle_seconds: float, now: float) -> bool:
    """Whether a file was written to a moment ago.

    Its times are the time of its contents and that of its entry: copying with the times of the original sets back the
    first, never the second. A time in the future, after the clock was set back, must not keep a file waiting for ever.
    """
    return state is not None and any(abs(now - time_ns / 1e9) < settle_seconds for time_ns in state[2:])


def _beside(folders: Collection[Path]) -> Iterator[Path]:
    """Where files that speak of documents may lie."""
    return (folder / name for folder in folders for name in SIDE_FILES)


def _feeds(files: Sequence[InputFile], states: Mapping[InputFile, FileState | None]) -> dict[str, Feed]:
    """The feeds by name: the first folder of a uri, or `.`."""
    times: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for file in files:
        state = states[file]
        if state is None:
            continue
        folder, slash, _ = file.uri.partition("/")
        name = folder if slash else "."
        times.setdefault(name, set()).add(min(max(state[2] // 1_000_000_000, 0), int(MAX_SECONDS)))
        counts[name] = counts.get(name, 0) + 1
    return {
        name: Feed(counts[name], tuple(datetime.fromtimestamp(at, UTC) for at in sorted(times[name])[-ARRIVALS:]))
        for name in sorted(times)
    }
