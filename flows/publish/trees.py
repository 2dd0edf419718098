"""The files of a release and those of a repository, and what has to be done to make these the same."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.hf_api import RepoFile, RepoFolder

# The Hub's own: which files it stores as large ones. It is neither compared nor touched.
GITATTRIBUTES = ".gitattributes"
# What its client notes in a folder that it pulled into.
NOTES = ".cache/huggingface/"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """A file that is to be published, by its content.

    Attributes:
        file: where it is.
        byte_count: its size.
        sha256: of its bytes.
        git_sha1: the name that git gives these bytes.
    """

    file: Path
    byte_count: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit on the Hub.

    Attributes:
        byte_count: its size.
        sha256: of its bytes, for large files; of others the Hub does not know it.
        git_sha1: the name that git gives it: of a small file's bytes, of a large file's pointer.
    """

    byte_count: int
    sha256: str | None
    git_sha1: str

    def is_same(self, local: LocalFile) -> bool:
        """Whether it has the bytes of a local file."""
        if self.byte_count != local.byte_count:
            return False
        return self.git_sha1 == local.git_sha1 if self.sha256 is None else self.sha256 == local.sha256


@dataclass(frozen=True)
class Change:
    """What happens to a file of a repository.

    Attributes:
        kind: `add`, `change`, `delete` or `same`.
        path: its path in the repository.
        byte_count: its size; of a file that is deleted, the size that it had.
    """

    kind: str
    path: str
    byte_count: int


def local_tree(folder: Path) -> dict[str, LocalFile]:
    """Path in the repository → file, of all files in a folder but what a pull from the Hub leaves beside them."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: _read(path) for name, path in paths.items() if name != GITATTRIBUTES and not name.startswith(NOTES)}


def remote_tree(entries: Iterable[RepoFile | RepoFolder]) -> dict[str, RemoteFile]:
    """Path → file, of all files of a commit but the Hub's own."""
    return {
        entry.path: RemoteFile(entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
        for entry in entries
        if isinstance(entry, RepoFile) and entry.path != GITATTRIBUTES
    }


def changes(local: Mapping[str, LocalFile], remote: Mapping[str, RemoteFile]) -> list[Change]:
    """What makes a repository hold the local files and no others: a row per file of either, sorted by path."""
    found = []
    for path in sorted({*local, *remote}):
        ours, theirs = local.get(path), remote.get(path)
        if ours is None:
            assert theirs is not None
            found.append(Change("delete", path, theirs.byte_count))
        else:
            kind = "add" if theirs is None else "same" if theirs.is_same(ours) else "change"
            found.append(Change(kind, path, ours.byte_count))
    return found


def differing(changes: Iterable[Change]) -> list[str]:
    """The paths of files that are not the same."""
    return [change.path for change in changes if change.kind != "same"]


def _read(file: Path) -> LocalFile:
    """Both hashes of a file, read once."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while chunk := stream.read(CHUNK_BYTES):
            sha256.update(chunk)
            sha1.update(chunk)
    return LocalFile(file, size, sha256.hexdigest(), sha1.hexdigest())
