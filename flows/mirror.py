"""Inputs that lie in a store: a mirror of them on this machine, which is then read like any folder.

A mirror is a hidden folder beside the releases, `.mirror/<name>`, one for each address that was given as a SOURCE:

| path | what it holds |
| --- | --- |
| `objects/` | the objects that are read, each under its key, and the files that speak of them |
| `partial/` | what is being fetched; it becomes an object by one rename |
| `index.json` | which version of an object each file is, and what was refused or passed over |

Only what is new or changed is fetched, and what has gone from the store goes. What a run that was killed had fetched is
fetched again where the index does not know it. A mirror may be deleted at any time; the next run fetches it anew.
"""

import hashlib
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import orjson

from flows.addresses import checked_address, is_address
from flows.errors import ChangedError, CopydeskError
from flows.ingest.documents import Refusal
from flows.ingest.formats import known_suffixes
from flows.ingest.inputs import (
    SIDE_FILES,
    WILDCARD,
    FoundInputs,
    InputFile,
    is_passed_over,
    reason,
    skipped_as,
    suffix_of,
)
from flows.printable import printable, printable_path
from flows.progress import QUIET_SECONDS
from flows.release.staging import clear_errors, flush, held, remove
from flows.remote import (
    StoredObject,
    clear_store_errors,
    object_at,
    objects_below,
    open_store,
)
from flows.wording import counted, duration

log = logging.getLogger("copydesk")

MIRRORS = ".mirror"
# Held while mirrors are brought up to date and read.
MIRROR_LOCK = ".mirror.lock"
INDEX = "index.json"
OBJECTS = "objects"
PARTIAL = "partial"

# The index is written so often while objects come in: what a killed run fetched after that is fetched again.
SAVE_SECONDS = 30.0
# Times that the store is looked at until what was fetched is what it holds.
ROUNDS = 5
# Objects between two looks at the clock.
BATCH = 512
# The longest name of a file, and what a whole path may take beside that of the mirror (Linux: NAME_MAX, PATH_MAX).
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 3_000
# Python makes and walks folders by recursion, a level each; a key of S3 has 1,024 bytes at most, so no more of them.
MAX_PARTS = 512
# The last instant that Python has a date for.
MAX_SECONDS = 253_402_300_799.0

# What reading an index comes to that was cut off, or written by another program.
UNUSABLE = (ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Kept:
    """A file of a mirror.

    Attributes:
        version: of the object that it was fetched from.
        byte_count: of the file.
        mtime_ns: of the file.
        suffix: of the format that reads it; empty where it speaks of the documents beside it.
    """

    version: str
    byte_count: int
    mtime_ns: int
    suffix: str


@dataclass
class Index:
    """What a mirror holds, and what it does not.

    Attributes:
        objects: path below the SOURCE → the file.
        refused: uri → rule and detail.
        skipped: suffix that no reader knows → number of objects.
    """

    objects: dict[str, Kept] = field(default_factory=dict)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mirrored:
    """SOURCEs as this machine sees them.

    Attributes:
        local: those that lie on this machine.
        mirrors: folders with what the others hold, for `found_in`.
        waiting: file of a mirror → uri, where the object was written to a moment ago.
        missing: SOURCEs with nothing in them.
        gone: those of them in which there was something before.
    """

    local: tuple[str, ...]
    mirrors: tuple[Path, ...]
    waiting: dict[Path, str]
    missing: tuple[str, ...]
    gone: tuple[str, ...]


@contextmanager
def mirrored(
    sources: Sequence[str],
    out: Path,
    settle_seconds: float = 0,
    now: Callable[[], float] = time.time,
) -> Iterator[Mirrored]:
    """Bring the mirrors of SOURCEs up to date, and keep others from changing them while the context lasts.

    Args:
        sources: files, folders, patterns or addresses.
        out: folder of releases, beside which the mirrors lie.
        settle_seconds: for how long an object must not have changed to be fetched.
        now: the time, in seconds of the epoch.

    Raises:
        UsageError: an address cannot be read.
        CopydeskError: a store has no such bucket, or the disk is full.
        NetworkError: a store does not answer, or fails.
        RefusedError: a store does not let us.
        LockedError: another run works with the mirrors.
        ChangedError: a store's objects change faster than they can be fetched.
    """
    checked = [checked_address(source) for source in sources]
    addresses = sorted({place for place in checked if is_address(place)})
    local = tuple(place for place in checked if not is_address(place))
    with held(out, MIRROR_LOCK) if addresses else nullcontext():
        found = [_Mirror(address, out, settle_seconds, now) for address in addresses]
        there = [mirror for mirror in found if mirror.update()]
        missing = [mirror for mirror in found if mirror not in there]
        yield Mirrored(
            local=local,
            mirrors=tuple(mirror.folder for mirror in there),
            waiting={path: uri for mirror in there for path, uri in mirror.waiting.items()},
            missing=tuple(mirror.store.shown for mirror in missing),
            gone=tuple(mirror.store.shown for mirror in missing if mirror.index.objects),
        )


def found_in(mirror: Path) -> FoundInputs:
    """What a mirror that is up to date holds, as if it had been found in a folder.

    Raises:
        ChangedError: somebody deleted it, or wrote to it.
        CopydeskError: it cannot be read.
    """
    try:
        index, base = _read_index(mirror), mirror / OBJECTS
    except (FileNotFoundError, NotADirectoryError, *UNUSABLE) as error:
        raise ChangedError(f"{mirror} was deleted or changed while it was read; run again") from error
    except OSError as error:
        raise CopydeskError(f"{mirror / INDEX} cannot be read: {reason(error)}; nothing was released") from error
    found = FoundInputs(skipped=Counter(index.skipped), folders={base: "."})
    found.refused = {uri: Refusal(rule, detail) for uri, (rule, detail) in index.refused.items()}
    for name, kept in index.objects.items():
        if not kept.suffix:
            continue
        found.files.add(InputFile(printable_path(name), base / name, kept.suffix))
        found.folders |= {base / folder: printable_path(folder) for folder in _folders_of(name)}
    return found


class _Mirror:
    """The mirror of one address."""

    def __init__(self, address: str, out: Path, settle_seconds: float, now: Callable[[], float]) -> None:
        self.store = open_store(address)
        self.folder = out.absolute() / MIRRORS / _mirror_name(self.store.shown)
        try:
            self.index = _read_index(self.folder)
        except (OSError, *UNUSABLE):
            self.index = Index()  # all is fetched anew
        self.waiting: dict[Path, str] = {}
        self._out = out
        self._suffixes = known_suffixes()
        self._settle_seconds = settle_seconds
        self._now = now
        self._saved_at = time.monotonic()

    def update(self) -> bool:
        """Make it hold what the store holds; false, and nothing changed, where there is nothing in that place.

        Raises:
            CopydeskError: as `mirrored`.
        """
        with clear_errors(self._out):
            self._sweep()
        fetched: set[str] = set()
        for _ in range(ROUNDS):
            listed = self._listed()
            if not listed:
                return False
            wanted = self._wanted(listed)
            self._drop({*self.index.objects} - {*wanted})
            stale = [name for name, one in wanted.items() if not self._is_kept(name, one, fetched)]
            if not stale:
                break
            self._fetch({name: wanted[name] for name in stale})
            is_again = not fetched.isdisjoint(stale)
            fetched |= {*stale}
        else:
            # It may be that every time something new has come.
            if is_again:
                raise ChangedError(f"{self.store.shown} changed while it was fetched; run again when it is complete")
        self._save()
        return True

    def _sweep(self) -> None:
        """Remove what a run that was killed has fetched and the index does not know."""
        if self.index.objects and not (self.folder / PARTIAL).exists():
            return
        for folder, _, files in os.walk(self.folder / OBJECTS, topdown=False):
            for name in files:
                path = Path(folder, name)
                if path.relative_to(self.folder / OBJECTS).as_posix() not in self.index.objects:
                    path.unlink()
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()
        remove(self.folder / PARTIAL)

    def _listed(self) -> dict[str, StoredObject]:
        """The objects that the address means: path below the SOURCE → object."""
        path = self.store.path.rstrip("/")
        found = objects_below(self.store, path)
        if not found and WILDCARD.search(path):
            return self._matched(path)
        if [*found] != [path]:
            return {name[len(path) + 1 :]: one for name, one in found.items()}
        folder, _, name = path.rpartition("/")
        sides = {side: object_at(self.store, f"{folder}/{side}") for side in SIDE_FILES}
        return {name: found[path], **{side: one for side, one in sides.items() if one is not None}}

    def _matched(self, pattern: str) -> dict[str, StoredObject]:
        """The objects that a pattern means, and what may speak of them."""
        parts = pattern.split("/")
        wild = next(position for position, part in enumerate(parts) if WILDCARD.search(part))
        base = "/".join(parts[:wild])
        below = {name[len(base) + 1 :]: one for name, one in objects_below(self.store, base).items()}
        sides = {name: one for name, one in below.items() if PurePosixPath(name).name in SIDE_FILES}
        found = {name: one for name, one in below.items() if _is_match(name.split("/"), parts[wild:])}
        return {**sides, **found} if {*found} - {*sides} else {}

    def _wanted(self, listed: Mapping[str, StoredObject]) -> dict[str, StoredObject]:
        """Those of them that are to be read; the index is told of the others."""
        self.index.refused, self.index.skipped, self.waiting = {}, {}, {}
        documents, sides = {}, {}
        skipped: Counter[str] = Counter()
        for name, one in sorted(listed.items()):
            parts = name.split("/")
            if name.endswith("/") and not one.byte_count:
                continue  # how some programs make an empty folder
            why = _why_unusable(parts)
            if why:
                self._refuse(name, why)
            elif any(is_passed_over(part) for part in parts):
                continue
            elif parts[-1] in SIDE_FILES:
                sides[name] = one
            elif suffix_of(parts[-1], self._suffixes) is None:
                skipped[skipped_as(parts[-1])] += 1
            else:
                documents[name] = one
        for name in [name for name in documents if any(folder in documents for folder in _folders_of(name))]:
            del documents[name]
            self._refuse(name, "Another object has the name of its folder; rename one of them.")
        self.index.skipped = dict(sorted(skipped.items()))
        folders = {"."}.union(*(_folders_of(name) for name in documents))
        wanted = documents | {name: one for name, one in sides.items() if str(PurePosixPath(name).parent) in folders}
        for name, one in wanted.items():
            if one.changed_at is not None and abs(self._now() - one.changed_at) < self._settle_seconds:
                self.waiting[self.folder / OBJECTS / name] = printable_path(name)
        return {name: one for name, one in wanted.items() if name in self.index.objects or not self._is_waiting(name)}

    def _refuse(self, name: str, detail: str) -> None:
        self.index.refused[printable(name)] = ("bad_name", detail)

    def _is_waiting(self, name: str) -> bool:
        return self.folder / OBJECTS / name in self.waiting

    def _is_kept(self, name: str, one: StoredObject, fetched: set[str]) -> bool:
        """Whether the mirror holds this version of an object; of one that waits any version will do."""
        if self._is_waiting(name):
            return True
        kept = self.index.objects.get(name)
        if kept is None or kept.version != one.version:
            return False
        if not one.version and name not in fetched:
            return False  # it may have changed
        try:
            found = (self.folder / OBJECTS / name).stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (kept.byte_count, kept.mtime_ns)

    def _drop(self, names: set[str]) -> None:
        """Remove files, and the folders that become empty."""
        if not names:
            return
        with clear_errors(self._out):
            for name in names:
                remove(self.folder / OBJECTS / name)
                del self.index.objects[name]
            for folder in sorted({folder for name in names for folder in _folders_of(name)}, key=len, reverse=True):
                path = self.folder / OBJECTS / folder
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
            self._save()

    def _fetch(self, objects: Mapping[str, StoredObject]) -> None:
        """Fetch objects in place of what the mirror has of them; what is gone meanwhile is left out."""
        began = told = time.monotonic()
        names, byte_count = [*objects], 0
        with clear_errors(self._out):
            (self.folder / PARTIAL).mkdir(parents=True, exist_ok=True)
        pool = ThreadPoolExecutor(self.store.at_once)
        try:
            for start in range(0, len(names), BATCH):
                batch = {name: objects[name] for name in names[start : start + BATCH]}
                for name, kept in zip(batch, pool.map(self._fetched, batch, batch.values()), strict=True):
                    if kept is not None:
                        self.index.objects[name] = kept
                        byte_count += kept.byte_count
                now = time.monotonic()
                if now - told >= QUIET_SECONDS:
                    told = now
                    done = f"{start + len(batch):,} of {counted(len(names), 'object')}"
                    log.info("fetch: %s, %.1f MB/s", done, byte_count / (now - began) / 1e6)
                if now - self._saved_at >= SAVE_SECONDS:
                    self._save()
        finally:
            pool.shutdown(cancel_futures=True)
            self._save()
        with clear_errors(self._out):
            remove(self.folder / PARTIAL)
        took = duration(time.monotonic() - began)
        log.info("fetch: %s, %.1f MB in %s", counted(len(names), "object"), byte_count / 1e6, took)

    def _fetched(self, name: str, one: StoredObject) -> Kept | None:
        """Fetch an object; null if it is gone, or another one by now."""
        target = self.folder / OBJECTS / name
        partial = self.folder / PARTIAL / hashlib.sha256(os.fsencode(name)).hexdigest()
        with clear_errors(self._out):
            with clear_store_errors(self.store.shown):
                try:
                    self.store.system.get_file(one.path, str(partial))
                except FileNotFoundError:
                    return None
            if one.byte_count is not None and partial.stat().st_size != one.byte_count:
                return None
            if one.changed_at is not None:
                changed_at = min(max(one.changed_at, 0.0), MAX_SECONDS)
                os.utime(partial, (changed_at, changed_at))
            flush(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)
            found = target.stat()
        return Kept(one.version, found.st_size, found.st_mtime_ns, suffix_of(target.name, self._suffixes) or "")

    def _save(self) -> None:
        """Write the index, whole or not at all."""
        content = {
            "address": self.store.shown,
            "objects": {name: vars(kept) for name, kept in self.index.objects.items()},
            "refused": self.index.refused,
            "skipped": self.index.skipped,
        }
        with clear_errors(self._out):
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = self.folder / f"{INDEX}.new"
            draft.write_bytes(orjson.dumps(content))
            flush(draft)
            draft.replace(self.folder / INDEX)
            flush(self.folder)
        self._saved_at = time.monotonic()


def _read_index(mirror: Path) -> Index:
    """The index of a mirror.

    Raises:
        OSError: it cannot be read.
        ValueError, KeyError, TypeError, AttributeError: it is no index (UNUSABLE).
    """
    content = orjson.loads((mirror / INDEX).read_bytes())
    objects = {str(name): Kept(**kept) for name, kept in content["objects"].items()}
    refused = {str(uri): (str(rule), str(detail)) for uri, (rule, detail) in content["refused"].items()}
    return Index(objects, refused, {str(suffix): int(count) for suffix, count in content["skipped"].items()})


def _mirror_name(address: str) -> str:
    """A folder's name by which a person knows the address, and which no other address has."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", address).strip("-")[:60]
    return f"{words}-{hashlib.sha256(os.fsencode(address)).hexdigest()[:12]}"


def _folders_of(name: str) -> Iterator[str]:
    """The folders that a file lies in, below the SOURCE."""
    yield from (str(folder) for folder in PurePosixPath(name).parents if folder.name)


def _why_unusable(parts: Sequence[str]) -> str | None:
    """Why a key cannot be the path of a file, for a person; null if it can."""
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        return "Its key is no valid Unicode; rename it."
    if "" in parts:
        return "Its key has two slashes in a row, or one at an end; rename it."
    if "." in parts or ".." in parts:
        return "Its key has . or .. between slashes; rename it."
    if any("\0" in part for part in parts):
        return "Its key holds a NUL character; rename it."
    if max(sizes) > MAX_NAME_BYTES or sum(sizes) + len(sizes) > MAX_PATH_BYTES or len(parts) > MAX_PARTS:
        return (
            f"Its key is longer than a path may be ({MAX_NAME_BYTES} bytes between slashes, {MAX_PARTS - 1} slashes); "
            "rename it."
        )
    return None


def _is_match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a pattern means a file, or a folder that the file lies in; as for paths of this machine."""
    # How many parts of the pattern can stand for the parts of the path so far.
    met = _with_nothing({0}, pattern)
    for part in parts:
        if len(pattern) in met:
            return True
        stay = {count for count in met if pattern[count] == "**"}
        go = {count + 1 for count in met - stay if fnmatchcase(part, pattern[count])}
        met = _with_nothing(stay | go, pattern)
    return len(pattern) in met


def _with_nothing(met: set[int], pattern: Sequence[str]) -> set[int]:
    """The same, where each ** that may come next stands for nothing, too."""
    for count, part in enumerate(pattern):
        if part == "**" and count in met:
            met.add(count + 1)
    return met
