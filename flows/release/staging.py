"""A release appears whole or not at all, and only one run at a time writes to a folder of releases.

A release is written to a hidden folder beside its place, flushed to the disk, and published by one rename. A run that
is killed leaves the hidden folder behind, which the next one removes: whoever holds the lock knows that its owner is
dead.
"""

import ctypes
import errno
import fcntl
import logging
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.errors import CopydeskError, LockedError, UsageError
from flows.printable import printable

log = logging.getLogger("copydesk")

LOCK = ".lock"
STAGING = ".staging-"
# A folder that stands by itself, and that no lock protects: nobody but its maker removes it.
NEW = ".new-"
# How often a folder is swept into which somebody may still write.
SWEEPS = 3
# linux/fs.h and fcntl.h
RENAME_NOREPLACE = 1
AT_FDCWD = -100
# How Rust's standard library, and polars with it, prints an error of the system.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@dataclass(frozen=True)
class Lock:
    """The lock on a folder of releases, held as long as the context that gave it."""

    out: Path


@contextmanager
def locked(out: Path) -> Iterator[Lock]:
    """Hold the lock on a folder of releases, which is created if need be, and remove what dead runs left in it.

    The system lets go of the lock when its process ends, however it ends.

    Raises:
        LockedError: another run holds it.
        CopydeskError: the folder cannot be written to.
    """
    with held(out, LOCK):
        with clear_errors(out):
            for stale in out.glob(f"{STAGING}*"):
                discard(stale)
        yield Lock(out)


@contextmanager
def held(out: Path, name: str) -> Iterator[None]:
    """Hold the lock that is a hidden file of a folder of releases, which is created if need be.

    Raises:
        LockedError: another process holds it.
        CopydeskError: the folder cannot be written to.
    """
    with clear_errors(out):
        _make(out)
        descriptor = os.open(out / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        with clear_errors(out):
            _take(descriptor, out)
        yield
    finally:
        os.close(descriptor)


def _make(folder: Path) -> None:
    """Make a folder and those above it, if need be, so that they outlast a loss of power with what comes into them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        flush(made.parent)


def _take(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        words = os.pread(descriptor, 300, 0).decode("utf-8", "replace").split()
        holder = f"process {words[0]} on {words[1]}" if len(words) == 2 else "another process"
        holder = "".join(character if character.isprintable() else "?" for character in holder)
        raise LockedError(f"{out} is locked by {holder}; wait until it has ended") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)


@contextmanager
def staged(lock: Lock) -> Iterator[Path]:
    """A new hidden folder in a folder of releases, for a release that is being written; removed unless published.

    Raises:
        CopydeskError: it cannot be written to (disk full, read-only, no permission).
    """
    with clear_errors(lock.out):
        folder = lock.out / f"{STAGING}{os.getpid()}-{os.urandom(4).hex()}"
        folder.mkdir()
        with discarded_at_the_end(folder):
            yield folder


@contextmanager
def discarded_at_the_end(folder: Path) -> Iterator[None]:
    """Remove a folder of a run when the context ends.

    One that stays spoils nothing, least of all a release that is there by then: it is told of, and the next run removes
    it.
    """
    try:
        yield
    finally:
        try:
            discard(folder)
        except OSError as error:
            reason = reason_of(error)
            log.warning("cannot remove %s: %s; the next run removes it", printable(str(folder)), reason)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A new hidden folder beside a place that must be free; it gets its name when the context ends without an error.

    Raises:
        UsageError: something has that name.
        CopydeskError: it cannot be written to (disk full, read-only, no permission, no such parent).
    """
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists; name a folder that does not")
    with clear_errors(target):
        folder = target.absolute().parent / f"{NEW}{os.getpid()}-{os.urandom(4).hex()}"
        folder.mkdir(parents=True)
        try:
            yield folder
            publish(folder, target)
        finally:
            remove(folder)


def publish(folder: Path, target: Path) -> None:
    """Make a staged folder appear under its name, all at once and flushed to the disk.

    Raises:
        UsageError: something has that name.
        CopydeskError: it is there, but may not outlast a loss of power.
        OSError: it could not be renamed.
    """
    for directory, _, files in os.walk(folder):
        for name in files:
            flush(Path(directory, name))
        flush(Path(directory))
    try:
        rename_new(folder, target)
    except FileExistsError as error:
        raise UsageError(f"{target} exists; a release is never overwritten") from error
    try:
        flush(target.parent)
    except OSError as error:
        raise CopydeskError(
            f"{target} was released, but the disk did not confirm it: {reason_of(error)}; run copydesk verify {target}"
        ) from error


def rename_new(source: Path, target: Path) -> None:
    """Rename unless the target exists.

    Linux does both in one step (renameat2). Where the system or the file system cannot, the target is looked for first:
    then only somebody who does not take the lock could come between, with an empty folder that would be replaced.

    Raises:
        FileExistsError: the target exists.
        OSError: it could not be renamed.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        paths = os.fsencode(source), os.fsencode(target)
        if renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            raise OSError(code, os.strerror(code), str(target))
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def discard(folder: Path) -> None:
    """Remove a folder of a run, in which tasks may still be writing when it is dead; nothing there is fine."""
    if not os.path.lexists(folder):
        return
    # Under another name they find it no more. Its beginning still tells the next run what it is.
    doomed = folder.with_name(f"{folder.name}-{os.urandom(4).hex()}")
    try:
        folder.rename(doomed)
    except OSError:
        doomed = folder  # a disk that fails may still let files go
    for left in reversed(range(SWEEPS)):
        try:
            remove(doomed)
        except OSError as error:
            # A worker on another machine may have put a last file into it, or have taken a draft away.
            if not left or error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
        else:
            return


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def clear_errors(out: Path) -> Iterator[None]:
    """Turn errors of the file system into one line that names the folder of releases, or the file if it is elsewhere.

    Raises:
        CopydeskError: in place of an OSError, and of an error of polars behind which there is one.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise CopydeskError(f"{_what_failed(error, out)}: {reason}; nothing was released") from error


def reason_of(error: Exception) -> str | None:
    """Why the system refused it, in its words; null for an error of polars behind which there is none of the system."""
    code = error.errno if isinstance(error, OSError) else None
    if code is None and (found := _OS_ERROR.search(str(error))):
        code = int(found[1])
    if code is not None:
        return os.strerror(code)
    return str(error).split("\n")[0] if isinstance(error, OSError) else None


def _what_failed(error: Exception, out: Path) -> str:
    """The folder of releases, because a file that is being written there is nothing that a person knows."""
    name = getattr(error, "filename", None)
    if isinstance(name, str | bytes):
        file = Path(os.fsdecode(name))
        if not file.absolute().is_relative_to(out.absolute()):
            return f"cannot use {file}"
    return f"cannot write to {out}"


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
