"""Where the tables of a run lie while tasks pass them on: on this machine, in a folder that several share, in a store.

A folder that all workers see needs nothing more. With a store each task has a folder of its machine to work in: what it
reads is fetched into it, and what it has written is put into the store when it is done. Tasks of the machine that the
run was started on have one folder together, so that nothing is fetched there twice. What a task reads was written by
tasks that were done before, and is not written again elsewhere: a file that is there is the file of the run.

Outside the folder of releases a run has a folder of its own, whose name tells whose it is: a number that was drawn once
for the folder of releases, then one for the run. Who holds the lock on the releases knows that other runs with their
number are dead, and removes what they left. Nothing else there is touched.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.addresses import is_address
from flows.errors import CopydeskError, UsageError
from flows.pieces import Spans, fetch_spans, put_part
from flows.release.staging import Lock, clear_errors, discard, discarded_at_the_end, flush, staged
from flows.remote import Store, at_once, clear_store_errors, objects_below, open_store

log = logging.getLogger("copydesk")

# The number that was drawn for a folder of releases lies in it.
IDENTITY = ".work-id"
# Folders of runs begin with it; the number of the folder of releases follows.
PREFIX = ".copydesk-work-"

_IDENTITY = re.compile(r"(?P<number>[0-9a-f]{32}) (?P<inode>[0-9]{1,20})")


@dataclass(frozen=True)
class Workplace:
    """Where the tables of a run lie.

    Attributes:
        folder: on the machine that the run was started on, or shared by all.
        address: in a store; None where the folder is all there is.
    """

    folder: Path
    address: str | None = None

    @contextmanager
    def here(self, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> Iterator[Path]:
        """A folder of this machine that holds what a task reads, and from which what it writes goes to the others.

        Args:
            reads: names of files, as `<table>/<shard>`, or of folders with all their files, as `<table>/`.
            writes: likewise; those that are there and new or changed when the context ends without an error.

        Raises:
            CopydeskError: the store has lost a file of the run.
            NetworkError: the store does not answer, or fails.
            RefusedError: the store does not let us.
        """
        if self.address is None:
            yield self.folder
            return
        store, names = open_store(self.address), tuple(writes)
        with nullcontext(self.folder) if self.folder.is_dir() else TemporaryDirectory(prefix="copydesk-") as place:
            folder = Path(place)
            _fetch(store, folder, reads)
            before = _states(folder, names)
            yield folder
            after = _states(folder, names)
            _put(store, folder, [name for name, state in after.items() if before.get(name) != state])

    @property
    def is_needed(self) -> bool:
        """Whether files have to be brought to other machines: what follows does nothing without a store."""
        return self.address is not None

    def put(self, folder: Path, names: Sequence[str]) -> None:
        """Put files into the store.

        Args:
            folder: where they lie.
            names: theirs in it, and in the store.

        Raises:
            CopydeskError: as `here`.
        """
        if self.address is not None:
            _put(open_store(self.address), folder, names)

    def fetch(self, folder: Path, names: Sequence[str]) -> None:
        """Fetch those files that are not in a folder; arguments and errors as for `put`."""
        if self.address is not None:
            _fetch(open_store(self.address), folder, names)

    def put_part(self, file: Path, first: int, end: int, name: str) -> None:
        """Put bytes of a file into the store, as a part of one that goes by this name, a folder's.

        Raises:
            CopydeskError: as `here`.
        """
        if self.address is not None:
            put_part(open_store(self.address), file, first, end, name)

    def fetch_spans(self, wanted: Sequence[tuple[str, Spans, Path]]) -> None:
        """Fetch stretches of files in the store, or of the parts of one, to the same places of files that are there.

        Args:
            wanted: the name of a file or, where there are parts, of the folder with them; the stretches, as
                `flows.pieces` describes them; where they go.

        Raises:
            CopydeskError: as `here`; also where the parts do not cover what is asked for.
        """
        if self.address is not None and wanted:
            fetch_spans(open_store(self.address), wanted)


@contextmanager
def workplace(lock: Lock, place: str | None) -> Iterator[Workplace]:
    """A place for the tables of a run; nothing of it is left, unless the run is killed: then the next one removes it.

    Args:
        lock: on the folder of releases.
        place: a folder, or the address of one in a store; None for the folder of releases.

    Raises:
        CopydeskError: it cannot be written to.
        UsageError: the address cannot be read, or the folder would lie among the releases.
        NetworkError: the store does not answer, or fails.
        RefusedError: the store does not let us.
    """
    if place is None:
        with staged(lock) as folder:
            yield Workplace(folder)
    elif is_address(place):
        with staged(lock) as folder, _in_store(lock, place) as address:
            yield Workplace(folder, address)
    else:
        with _in_folder(lock, Path(place)) as folder:
            yield Workplace(folder)


def _is_apart(folder: Path, releases: Path) -> bool:
    """Whether what comes into a folder is outside a folder of releases, or hidden in it."""
    place, outer = folder.resolve(), releases.resolve()
    return not place.is_relative_to(outer) or all(name.startswith(".") for name in place.relative_to(outer).parts[:1])


@contextmanager
def _in_folder(lock: Lock, shared: Path) -> Iterator[Path]:
    """A folder of a run in a folder that may be shared, which is created if need be."""
    if not _is_apart(shared, lock.out):
        raise UsageError(f"the tables cannot lie in {shared}: only releases and hidden files are in {lock.out}")
    mark = f"{PREFIX}{_identity(lock)}-"
    folder = shared.absolute() / f"{mark}{os.urandom(8).hex()}"
    with clear_errors(shared):
        shared.mkdir(parents=True, exist_ok=True)
        for stale in shared.glob(f"{mark}*"):
            discard(stale)
        folder.mkdir()
    with discarded_at_the_end(folder):
        yield folder


@contextmanager
def _in_store(lock: Lock, address: str) -> Iterator[str]:
    """The address of a folder of a run in a store."""
    mark = f"{PREFIX}{_identity(lock)}-"
    store = open_store(address)
    base = store.path.rstrip("/")
    for stale in _names_in(store, base):
        if stale.startswith(mark):
            _remove(store, f"{base}/{stale}")
    name = f"{mark}{os.urandom(8).hex()}"
    try:
        yield f"{address.rstrip('/')}/{name}"
    finally:
        try:
            _remove(store, f"{base}/{name}")
        except CopydeskError as error:
            log.warning("%s\nThe next run removes what this one left there.", error)


def _identity(lock: Lock) -> str:
    """The number of a folder of releases, which no other one has; drawn where there is none.

    The file says which inode it is itself. That of a copied folder is another one, and the number is drawn anew there:
    else a run in the copy would take one in the original that is at work for a dead one of its own.
    """
    file = lock.out / IDENTITY
    with suppress(OSError, UnicodeDecodeError):
        found = _IDENTITY.fullmatch(file.read_text(encoding="ascii").strip())
        if found and int(found["inode"]) == file.stat().st_ino:
            return found["number"]
    drawn = os.urandom(16).hex()
    with clear_errors(lock.out):
        draft = file.with_name(f"{IDENTITY}.new")
        with draft.open("w", encoding="ascii") as stream:
            stream.write(f"{drawn} {os.fstat(stream.fileno()).st_ino}\n")
        flush(draft)
        draft.replace(file)
        flush(lock.out)
    return drawn


def _names_in(store: Store, path: str) -> list[str]:
    """What lies directly in a folder of a store; nothing where there is no such folder yet."""
    with clear_store_errors(store.shown):
        try:
            found = store.system.ls(path, detail=False)
        except FileNotFoundError:
            return []
    return [str(name).rstrip("/").rpartition("/")[2] for name in found]


def _remove(store: Store, path: str) -> None:
    """Remove a folder of a store and all in it."""
    with clear_store_errors(store.shown), suppress(FileNotFoundError):
        store.system.rm(path, recursive=True)


def _fetch(store: Store, folder: Path, names: Iterable[str]) -> None:
    """Fetch files of a run that are not there yet."""
    base = store.path.rstrip("/")
    wanted = []
    for name in names:
        is_folder = name.endswith("/")
        below = objects_below(store, f"{base}/{name}".rstrip("/")) if is_folder else ()
        wanted += [path[len(base) + 1 :] for path in below] if is_folder else [name]
    missing = [name for name in wanted if not (folder / name).exists()]

    def fetch(name: str) -> None:
        target = folder / name
        with clear_errors(folder):
            # The folder of a run that has ended meanwhile must not come back.
            if target.parent != folder:
                target.parent.mkdir(exist_ok=True)
            draft = target.with_name(f".{target.name}-{os.urandom(8).hex()}")
            try:
                with clear_store_errors(store.shown):
                    store.system.get_file(f"{base}/{name}", str(draft))
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)

    at_once(store, fetch, missing)


def _put(store: Store, folder: Path, names: Sequence[str]) -> None:
    """Put files of a run into its store."""
    base = store.path.rstrip("/")

    def put(name: str) -> None:
        with clear_store_errors(store.shown):
            if not store.is_object_store:
                store.system.makedirs(f"{base}/{name}".rpartition("/")[0], exist_ok=True)
            store.system.put_file(str(folder / name), f"{base}/{name}")

    at_once(store, put, names)


def _states(folder: Path, names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Files that are there → inode, size and time, which change when a file is written anew; hidden ones are drafts."""
    files = [
        file
        for name in names
        for file in ((folder / name).glob("[!.]*") if name.endswith("/") else (folder / name,))
        if file.is_file()
    ]
    found = {file.relative_to(folder).as_posix(): file.stat() for file in files}
    return {name: (state.st_ino, state.st_size, state.st_mtime_ns) for name, state in found.items()}
