"""Work in portions that any process can do: a function of this stage over numbers, texts and arrays.

Here they are done by threads, and arrays are handed over as they are. Elsewhere a portion is a file that says which
function, and where its arrays lie; what comes of it is a file again. An array that lies in a file already (the words of
the corpus, what an earlier portion came to) is named, not copied. Another process, or a machine that sees the same
folder, maps it; to one that does not, a carrier brings those stretches of it that the portion reads.

A portion may be done twice, also at the same time: it changes nothing but its result, which appears whole, and its own
room in a file that portions fill together.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from flows.deduplicate.kernels import thread_count
from flows.deduplicate.portion_files import (
    Array,
    Reader,
    Room,
    Spans,
    Stretches,
    Writer,
    arrays_of,
    files_of,
    merged,
)

Arrays = tuple[Array, ...]
Bounds = list[tuple[int, int]]

# What a portion elsewhere is larger than one for a thread: handing it over takes a tenth of a second, not microseconds.
ELSEWHERE_TIMES = 4
_PACKAGE = "flows.deduplicate."
# What is added to the name of a file that portions have filled together.
FULL = ".full"


class Spread(Protocol):
    """Does portions of work, and hands back what each came to, in their order."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether arrays are handed over in files."""
        ...

    def __call__(
        self, function: Callable[..., Arrays], portions: Sequence[tuple[Any, ...]], stays: Collection[int] = ()
    ) -> Iterator[Arrays]:
        """Call a function with each of the portions as its arguments; one portion alone is done at once, here.

        Args:
            function: of this package; in place of `Stretches` it is given their array.
            portions: the arguments of each call.
            stays: which of the arrays that it comes to are not looked at here, but handed on to other portions.
        """
        ...

    def filled(self, file: Path) -> None:
        """Say that a file is full, elsewhere or here; its name with FULL behind it is the one that is read."""
        ...

    def changed(self, array: Array) -> None:
        """Say that an array in a file was changed here since the file was full."""
        ...


class OnThreads:
    """Does portions on the cores of this process."""

    is_elsewhere = False

    def __call__(
        self,
        function: Callable[..., Arrays],
        portions: Sequence[tuple[Any, ...]],
        stays: Collection[int] = (),  # noqa: ARG002 - it is all here
    ) -> Iterator[Arrays]:
        """As `Spread`."""
        if len(portions) <= 1:
            yield from (function(*_plain(portion)) for portion in portions)
            return
        with ThreadPoolExecutor(thread_count()) as pool:
            for done in [pool.submit(function, *_plain(portion)) for portion in portions]:
                yield done.result()

    def filled(self, file: Path) -> None:
        """As `Spread`."""

    def changed(self, array: Array) -> None:
        """As `Spread`."""


ON_THREADS = OnThreads()


class Carrier(Protocol):
    """Brings files of a work folder to machines that do not see it. Files go by their names in that folder."""

    @property
    def is_needed(self) -> bool:
        """Whether there may be such machines; all else does nothing if there are none."""
        ...

    def put(self, folder: Path, names: Sequence[str]) -> None:
        """Make files of a work folder available to other machines."""
        ...

    def fetch(self, folder: Path, names: Sequence[str]) -> None:
        """Fetch those files that are not in a work folder."""
        ...

    def put_part(self, file: Path, first: int, end: int, name: str) -> None:
        """Make these bytes of a file available as part of one that goes by this name."""
        ...

    def fetch_spans(self, wanted: Sequence[tuple[str, Spans, Path]]) -> None:
        """Write bytes of files, which may have been put in parts, to the same places of others that are there.

        Args:
            wanted: the name of a file, of one in parts with a slash; which of its bytes; where they go.
        """
        ...


class SharedFolder:
    """Where all machines see the work folder."""

    is_needed = False

    def put(self, folder: Path, names: Sequence[str]) -> None:
        """As `Carrier`."""

    def fetch(self, folder: Path, names: Sequence[str]) -> None:
        """As `Carrier`."""

    def put_part(self, file: Path, first: int, end: int, name: str) -> None:
        """As `Carrier`."""

    def fetch_spans(self, wanted: Sequence[tuple[str, Spans, Path]]) -> None:
        """As `Carrier`."""


SHARED_FOLDER = SharedFolder()


class InFiles:
    """Writes portions to files for others to do, who call `work_off` with each."""

    is_elsewhere = True

    def __init__(
        self, work: Path, folder: Path, run: Callable[[Sequence[str]], None], carrier: Carrier = SHARED_FOLDER
    ) -> None:
        """Hand portions over.

        Args:
            work: the work folder, in which all files that portions speak of lie.
            folder: in it, for the files of portions; who gives it removes it.
            run: lets `work_off` be called with the name of each of the portions, and returns when all is done.
            carrier: to those who do not see the work folder.
        """
        # Arrays know the file that they are mapped from by its real path.
        self._work = work.resolve()
        self._folder = folder.resolve()
        self._run = run
        self._carrier = carrier
        self._numbers = count()
        self._filled: set[Path] = set()
        self._changed: set[Path] = set()
        # What stays elsewhere has a file here, too, of its size and without its bytes, so that arrays can be cut.
        self._hollow = self._folder / ".hollow"

    def __call__(
        self, function: Callable[..., Arrays], portions: Sequence[tuple[Any, ...]], stays: Collection[int] = ()
    ) -> Iterator[Arrays]:
        """As `Spread`."""
        if len(portions) <= 1:
            yield from ON_THREADS(function, portions)
            return
        base = self._folder.relative_to(self._work) / f"{next(self._numbers):03d}{function.__name__}"
        names = [f"{base}-{number:05d}" for number in range(len(portions))]
        says = {"module": function.__module__, "function": function.__name__}
        folders = self._work, self._hollow
        writer = Writer(folders, names_spans=self._carrier.is_needed, is_changed=self._changed)
        for name, portion in zip(names, portions, strict=True):
            writer.write(self._work / name, portion, says)
        self._carrier.put(self._work, [file for name in names for file in files_of(name)])
        self._run(names)
        self._fetch_rooms(portions)
        results = [result_of(name) for name in names]
        self._carrier.fetch(self._work, results)
        readers = [Reader(self._work, result) for result in results]
        self._fetch_arrays(readers, stays)
        for name, reader in zip(names, readers, strict=True):
            arrays_of(self._work / name).unlink()
            yield tuple(reader.values(folders))

    def filled(self, file: Path) -> None:
        """As `Spread`. What threads of this process filled is put where others find it."""
        if self._carrier.is_needed and file not in self._filled:
            self._carrier.put_part(file, 0, file.stat().st_size, self._whole(file))

    def changed(self, array: Array) -> None:
        """As `Spread`. Others see what was put before, and are given what they read of this array with each portion."""
        if self._carrier.is_needed:
            assert isinstance(array, np.memmap)
            self._changed.add(Path(str(array.filename)).resolve())

    def _fetch_rooms(self, portions: Sequence[tuple[Any, ...]]) -> None:
        """What portions have put into files that they fill together, and which are read here as well."""
        rooms: dict[Path, list[Room]] = defaultdict(list)
        for room in (value for portion in portions for value in portion if isinstance(value, Room)):
            rooms[room.file].append(room)
        for file, own in rooms.items():
            firsts = np.array([room.first for room in own])
            spans = merged(firsts, firsts + [room.byte_count for room in own])
            self._carrier.fetch_spans([(self._whole(file), spans, file)])
            self._filled.add(file)

    def _whole(self, file: Path) -> str:
        return parts_of(file.relative_to(self._work).as_posix())

    def _fetch_arrays(self, readers: Sequence[Reader], stays: Collection[int]) -> None:
        """What results say of arrays, but for those that stay where they are."""
        if not self._carrier.is_needed:
            return
        wanted = []
        for reader in readers:
            for name, spans in reader.spans(stays).items():
                if not (self._work / name).exists():
                    _make(self._hollow / name, reader.byte_count(name))
                    wanted.append((name, spans, self._hollow / name))
        self._carrier.fetch_spans(wanted)


def shared_out(total: int, per_portion: int, spread: Spread) -> tuple[Bounds, Spread]:
    """Cut 0..total into portions, and say who does them.

    Args:
        total: how much there is to do.
        per_portion: what a thread does at a time. Who does it elsewhere does ELSEWHERE_TIMES as much, and where there
            is no more than that, threads of this process do it.
        spread: who would do it.
    """
    if spread.is_elsewhere and total > per_portion * ELSEWHERE_TIMES:
        per_portion *= ELSEWHERE_TIMES
    else:
        spread = ON_THREADS
    return [(first, min(first + per_portion, total)) for first in range(0, total, per_portion)], spread


def work_off(work: Path, name: str, carrier: Carrier = SHARED_FOLDER) -> None:
    """Do a portion and leave its result; one that is there already is written anew.

    Args:
        work: the work folder, or one of this machine that has the files of the portion.
        name: of the portion, in the work folder.
        carrier: of what else it reads, and of what it puts into files that portions fill together.
    """
    work = work.resolve()
    reader = Reader(work, name)
    module, function = str(reader.says["module"]), str(reader.says["function"])
    if not module.startswith(_PACKAGE):
        raise ValueError(f"{work / name}: {module} is no part of {_PACKAGE}")
    carrier.fetch(work, reader.paths())
    with _brought(work, reader, carrier) as folders:
        values = list(reader.values(folders))
        rooms = [value for value in values if isinstance(value, Room)] if carrier.is_needed else []
        for room in rooms:
            _make(room.file, room.first + room.byte_count)
        result = getattr(import_module(module), function)(*values)
        Writer(folders).write(work / result_of(name), result, {})
        for room in rooms:
            whole = parts_of(room.file.relative_to(folders[-1]).as_posix())
            carrier.put_part(room.file, room.first, room.first + room.byte_count, whole)


def result_of(name: str) -> str:
    """The name of what a portion came to."""
    return f"{name}.result"


@contextmanager
def _brought(work: Path, reader: Reader, carrier: Carrier) -> Iterator[tuple[Path, ...]]:
    """Folders that have what a portion reads: the work folder, and one of its own for what is carried.

    What it carries away lies there, too: what is in the work folder may be there for others of this machine.
    """
    if not carrier.is_needed:
        yield (work,)
        return
    with TemporaryDirectory(prefix="copydesk-") as folder:
        own = Path(folder)
        wanted = []
        for name, spans in reader.spans().items():
            if not (work / name).exists():
                _make(own / name, reader.byte_count(name))
                whole = parts_of(name.removesuffix(FULL)) if name.endswith(FULL) else name
                wanted.append((whole, spans, own / name))
        carrier.fetch_spans(wanted)
        yield work, own


def parts_of(name: str) -> str:
    """Under which name the parts of a file are carried that portions fill together."""
    return f"{name}/"


def _make(file: Path, byte_count: int) -> None:
    """A file of so many bytes, none of which take room."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.truncate(byte_count)


def _plain(portion: tuple[Any, ...]) -> tuple[Any, ...]:
    """A portion as its function takes it."""
    return tuple(value.array if isinstance(value, Stretches) else value for value in portion)
