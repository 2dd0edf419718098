"""Which files a SOURCE means: a file, a folder, or a pattern with wildcards."""

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain, count
from pathlib import Path, PurePosixPath

from flows.addresses import is_address
from flows.errors import ChangedError, CopydeskError, UsageError
from flows.ingest.documents import Refusal
from flows.printable import printable, printable_path

WILDCARD = re.compile(r"[*?\[]")
_UNFINISHED = (".part", ".tmp")
# They stand beside the documents and are none.
PROVENANCE_FILE = "sources.toml"
SIDE_FILES = (PROVENANCE_FILE, "takedowns.toml")

# Files that are looked at to tell whether there is much to read: on a slow mount each takes milliseconds.
_LOOKED_AT = 100

# Inode, size, and the times of contents and entry in nanoseconds.
FileState = tuple[int, int, int, int]


@dataclass(frozen=True, order=True)
class InputFile:
    """A file to be read.

    Attributes:
        uri: path relative to its SOURCE, made printable.
        path: where it is.
        suffix: of the format that reads it.
    """

    uri: str
    path: Path
    suffix: str


@dataclass
class FoundInputs:
    """What the SOURCEs hold, in no order.

    Attributes:
        files: to be read; a file that two SOURCEs name by the same uri stands once.
        refused: uri → why it cannot be read.
        skipped: suffix that no reader knows → number of files.
        folders: where `sources.toml` may lie → the folder's path relative to its SOURCE.
        links: those to folders, which are not followed.
        unlisted: place → why nobody can tell which files are in it.
        missing: SOURCEs that name nothing that is there; they are among those refused.
    """

    files: set[InputFile] = field(default_factory=set)
    refused: dict[str, Refusal] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    folders: dict[Path, str] = field(default_factory=dict)
    links: set[Path] = field(default_factory=set)
    unlisted: dict[Path, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def check_listed(self) -> None:
        """Check that all places could be looked into.

        One that could not be is no single reject: all that lies in it would go from a release without being counted.

        Raises:
            CopydeskError: one could not.
        """
        for place, why in sorted(self.unlisted.items()):
            raise CopydeskError(
                f"{printable(str(place))} cannot be looked into: {why}; nothing was released, as all that lies in it "
                "would be missing. Let it be read, or give the places beside it as SOURCEs."
            )


def find_inputs(
    sources: Sequence[str],
    suffixes: Sequence[str],
    elsewhere: Iterable[FoundInputs] = (),
    apart: Collection[Path] = (),
) -> FoundInputs:
    """The files that the SOURCEs mean, whatever order they are given in.

    Names that begin with a dot or end in .part or .tmp are passed over inside folders, and links to folders too.

    Args:
        sources: files, folders or patterns.
        suffixes: those that readers know.
        elsewhere: what was found in other ways, to be read together with it.
        apart: folders with what earlier builds made, which are not looked into: read again, releases would grow by
            themselves, and what was taken down would come back.

    Raises:
        UsageError: a SOURCE is empty, or lies in a folder that is kept apart.
        ChangedError: a folder went meanwhile.
    """
    check_apart(sources, apart)
    return _Search(suffixes, apart).run(sources, elsewhere)


def may_hold(sources: Iterable[str], byte_count: int) -> bool:
    """Whether SOURCEs may hold so many bytes, told in a moment: no file is opened.

    What cannot be told so fast may: an address, a pattern, a folder with folders in it or with over _LOOKED_AT files.
    """
    found = 0
    for source in sources:
        if is_address(source) or WILDCARD.search(source):
            return True
        # What cannot be looked at is told by whoever reads it.
        with suppress(OSError, ValueError):
            path = Path(source)
            found += path.stat().st_size
            if path.is_dir():
                with os.scandir(path) as entries:
                    for place, entry in enumerate(entries):
                        if place == _LOOKED_AT or entry.is_dir():
                            return True
                        found += entry.stat().st_size
        if found >= byte_count:
            return True
    return False


def check_apart(sources: Iterable[str], apart: Collection[Path]) -> None:
    """Check that no SOURCE lies in a folder with what earlier builds made.

    Raises:
        UsageError: one does.
    """
    for source in sources:
        place = _real(_absolute(source))
        for folder in map(_real, apart):
            if source.strip() and place.is_relative_to(folder):
                raise UsageError(
                    f"{printable(source)} cannot be a SOURCE: it lies in {printable(str(folder))}, where releases or "
                    "the state of earlier builds are; give the documents that those were made from"
                )


def is_passed_over(name: str) -> bool:
    """Whether a name inside a folder says that it is hidden, or not yet complete."""
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


def suffix_of(name: str, suffixes: Iterable[str]) -> str | None:
    """The suffix of the format that reads a file of that name: .jsonl.gz rather than .gz."""
    lowered = name.lower()
    return max((known for known in suffixes if lowered.endswith(known)), key=len, default=None)


def skipped_as(name: str) -> str:
    """What files of that name are counted under where no format reads them."""
    return printable_path(PurePosixPath(name).suffix.lower()) or "(none)"


class _Search:
    def __init__(self, suffixes: Sequence[str], apart: Collection[Path]) -> None:
        self._suffixes = suffixes
        self._apart = [_real(folder) for folder in apart]
        # The same folders, as a walk that began above them meets them.
        self._shut: set[str] = set()
        self._seen: set[tuple[str, Path]] = set()
        self._given = ""
        self.found = FoundInputs()

    def run(self, sources: Sequence[str], elsewhere: Iterable[FoundInputs]) -> FoundInputs:
        for source in sorted(set(sources)):
            if not source.strip():
                raise UsageError("SOURCE is empty; give a file, a folder or a pattern like 'news/*.txt'")
            self._add_source(source)
        for other in elsewhere:
            self.found.files |= other.files
            for uri, why in other.refused.items():
                self.found.refused[_free(uri, self.found.refused)] = why
            self.found.skipped += other.skipped
            self.found.folders |= other.folders
            self.found.unlisted |= other.unlisted
        # A missing file must not take the place of one that was found under the same uri elsewhere.
        uris = {file.uri for file in self.found.files}
        self.found.refused = {f"./{uri}" if uri in uris else uri: why for uri, why in self.found.refused.items()}
        return self.found

    def _add_source(self, source: str) -> None:
        path = _absolute(source)
        self._given = printable(source)
        self._shut_below(path)
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            if WILDCARD.search(source):
                self._add_pattern(source)
            else:
                self._miss("There is no such file or folder; check the path.")
        except OSError as error:
            self.found.unlisted[path] = reason(error)
        else:
            if is_folder:
                self._add_all(path, self._walk(path))
            else:
                self._add_all(path.parent, [path])

    def _shut_below(self, place: Path) -> None:
        """Let no walk from a place on come into a folder that is kept apart."""
        real = _real(place)
        for folder in self._apart:
            if folder.is_relative_to(real):
                self._shut.add(str(place / folder.relative_to(real)))

    def _miss(self, detail: str) -> None:
        self.found.missing.add(self._given)
        self.found.refused[self._given] = Refusal("not_found", detail)

    def _add_pattern(self, source: str) -> None:
        parts = Path(source).parts
        wild = next(position for position, part in enumerate(parts) if WILDCARD.search(part))
        base = _absolute(str(Path(*parts[:wild])))
        self._shut_below(base)
        matches = set(self._walk(base, parts[wild:])) if base.is_dir() else set()
        if not matches:
            self._miss("The pattern matches no file; check it.")
        self._add_all(base, matches)

    def _add_all(self, base: Path, paths: Iterator[Path] | set[Path] | list[Path]) -> None:
        self._add_folder(base, base)
        for path in paths:
            self._add(base, path)

    def _add(self, base: Path, path: Path) -> None:
        uri = printable_path(path.relative_to(base).as_posix())
        if path.name in SIDE_FILES or (uri, path) in self._seen:
            return
        self._seen.add((uri, path))
        suffix = suffix_of(path.name, self._suffixes)
        if suffix is None:
            self.found.skipped[skipped_as(path.name)] += 1
            return
        for folder in path.parents:
            if folder == base:
                break
            self._add_folder(base, folder)
        self.found.files.add(InputFile(uri, path, suffix))

    def _add_folder(self, base: Path, folder: Path) -> None:
        uri = printable_path(folder.relative_to(base).as_posix())
        self.found.folders[folder] = min(uri, self.found.folders.get(folder, uri))

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                open_ones = (entry for entry in entries if entry.path not in self._shut)
                return sorted(open_ones, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError) as error:
            # What was in it may be in a place by now that has been looked into already.
            raise ChangedError(f"{printable(str(folder))} has gone while files were looked for; run again") from error
        except OSError as error:
            self.found.unlisted[folder] = reason(error)
            return []

    def _walk(self, base: Path, pattern: tuple[str, ...] = ()) -> Iterator[Path]:
        """All files below a folder, or those that a pattern means: a folder that matches all of it means all below it.

        Without recursion, because folders nest deeper than Python does. Several ** lead to one folder in many ways.
        """
        places = [(base, pattern)]
        met = set()
        while places:
            place = places.pop()
            if place in met:
                continue
            met.add(place)
            folder, parts = place
            if parts[:1] == ("**",):
                places.append((folder, parts[1:]))
            wanted = parts[0] if parts else "*"
            for entry in self._entries(folder):
                if entry.name.lower().endswith(_UNFINISHED):
                    continue
                if entry.name.startswith(".") and not wanted.startswith("."):
                    continue
                if wanted == "**":
                    if self._is_folder(entry):
                        places.append((Path(entry.path), parts))
                elif fnmatchcase(entry.name, wanted):
                    if self._is_folder(entry):
                        places.append((Path(entry.path), parts[1:]))
                    elif not parts[1:] and not _is_link_to_folder(entry):
                        yield Path(entry.path)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        if _is_link_to_folder(entry):
            self.found.links.add(Path(entry.path))
        return entry.is_dir(follow_symlinks=False)


def _free(uri: str, taken: Collection[str]) -> str:
    """The uri, with a number where another place has refused one of that name."""
    return next(name for name in chain([uri], (f"{uri}#{number}" for number in count(2))) if name not in taken)


def _absolute(path: str) -> Path:
    """Absolute, without `..`, links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow the links


def _real(path: Path) -> Path:
    """Where a path leads, whether or not something is there; Path.resolve would fail where links go in a circle."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # of a NUL character
        return path


def _is_link_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def why_unreadable(path: Path) -> Refusal | None:
    """Why a file cannot be read, if so; asked before it is opened, because opening a pipe would wait for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Refusal("not_found", "The link leads to a file that does not exist.")
    except OSError as error:
        return unreadable(error)
    if not stat.S_ISREG(mode):
        return Refusal("not_regular_file", "It is no regular file (a folder, pipe, socket or device).")
    return None


def file_state(path: Path) -> FileState | None:
    """What changes when a file is written to or replaced: inode, size, and the times of contents and entry.

    Null for what is gone, or no regular file.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def unreadable(error: OSError) -> Refusal:
    """The refusal of what the operating system does not let us read."""
    return Refusal("unreadable", f"It cannot be read: {reason(error)}.")


def reason(error: OSError) -> str:
    """Why the operating system does not let us, in its own words."""
    return error.strerror or "unknown reason"
