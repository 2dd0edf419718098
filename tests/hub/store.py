"""What a Hub keeps: users and their tokens, repositories with commits and tags, and the bytes of files."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

# What the Hub puts into a new repository of data: these are stored as large files.
GITATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs diff=lfs merge=lfs -text\n"
LARGE = (".parquet", ".png")
# From here on a file of any name is a large one.
REGULAR_BYTES = 10_000_000
CHUNK = 1 << 20


@dataclass(frozen=True)
class User:
    """Who a token belongs to.

    Attributes:
        name: account, which is a namespace of its own.
        organizations: other namespaces that the user may write to.
        can_write: whether the token may write at all.
    """

    name: str
    organizations: tuple[str, ...] = ()
    can_write: bool = True


@dataclass(frozen=True)
class File:
    """A file in a commit; its bytes lie in the store under `sha256`."""

    size: int
    git_sha1: str
    sha256: str
    is_large: bool
    xet_hash: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git_sha1


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    tree: Mapping[str, File]
    title: str
    author: str
    date: datetime


@dataclass
class Repository:
    """A repository of data; `commits` in the order in which they came. One of unknown privacy is treated as public."""

    name: str
    is_private: bool | None
    commits: dict[str, Commit] = field(default_factory=dict)
    head: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    tag_messages: dict[str, str] = field(default_factory=dict)
    uploaded: set[str] = field(default_factory=set)

    def commit(self, tree: Mapping[str, File], title: str, author: str) -> Commit:
        """Put a commit on top of the head."""
        named = json.dumps([self.head, title, len(self.commits), sorted((path, tree[path].sha256) for path in tree)])
        oid = hashlib.sha1(named.encode()).hexdigest()
        day = datetime(2031, 1, 1, tzinfo=UTC) + timedelta(minutes=len(self.commits))
        self.commits[oid] = Commit(oid, self.head or None, dict(tree), title, author, day)
        self.head = oid
        return self.commits[oid]

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or an id names."""
        names = {"main": self.head, "refs/heads/main": self.head, **self.tags}
        return self.commits.get(names.get(revision, revision))

    def history(self, revision: str) -> Iterator[Commit]:
        """A commit and those before it, the newest first."""
        commit = self.resolve(revision)
        while commit is not None:
            yield commit
            commit = self.commits.get(commit.parent or "")


class Store:
    """All that a Hub keeps; whoever reads or changes it holds `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.repositories: dict[str, Repository] = {}
        self.sizes: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def blob(self, sha256: str) -> Path:
        """Where the bytes of a file lie."""
        return self.folder / sha256

    def keep(self, read: Callable[[int], bytes]) -> tuple[str, int]:
        """Store bytes from a stream; their SHA-256 and number."""
        digest, size = hashlib.sha256(), 0
        partial = self.folder / f"partial-{threading.get_ident()}"
        with partial.open("wb") as out:
            while chunk := read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        partial.replace(self.blob(digest.hexdigest()))
        with self.lock:
            self.sizes[digest.hexdigest()] = size
        return digest.hexdigest(), size

    def regular(self, content: bytes) -> File:
        """Store a small file."""
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        self.blob(sha256).write_bytes(content)
        self.sizes[sha256] = size
        return File(size, git_sha1(content), sha256, is_large=False)

    def large(self, sha256: str, size: int, xet_hash: str | None = None) -> File:
        """A large file whose bytes are stored already; git keeps a pointer to it."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return File(size, git_sha1(pointer.encode()), sha256, is_large=True, xet_hash=xet_hash)

    def create(self, name: str, *, is_private: bool | None) -> Repository:
        """A new repository, with the commit that the Hub puts into it."""
        repository = Repository(name, is_private)
        repository.commit({".gitattributes": self.regular(GITATTRIBUTES)}, "initial commit", "system")
        self.repositories[name] = repository
        return repository

    def content(self, repository: str, revision: str) -> dict[str, bytes]:
        """Path → bytes of a revision, as they are stored."""
        commit = self.repositories[repository].resolve(revision)
        assert commit is not None
        return {path: self.blob(file.sha256).read_bytes() for path, file in commit.tree.items()}

    def corrupt(self, repository: str, revision: str, path: str) -> None:
        """Flip a bit of a stored file, behind everybody's back."""
        commit = self.repositories[repository].resolve(revision)
        assert commit is not None
        blob = self.blob(commit.tree[path].sha256)
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        blob.write_bytes(bytes(content))


def git_sha1(content: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(path: str, size: int) -> bool:
    """Whether a file is stored as a large one."""
    return size > 0 and (path.endswith(LARGE) or size > REGULAR_BYTES)


def copy_range(source: BinaryIO, start: int, count: int, write: Callable[[bytes], object]) -> None:
    """Copy bytes of a file, piece by piece."""
    source.seek(start)
    while count > 0 and (chunk := source.read(min(CHUNK, count))):
        write(chunk)
        count -= len(chunk)
