"""Stores under an address (s3://bucket/folder), by way of fsspec: opening them, what lies in them, and their errors.

Who we are, the client of a store reads from its own environment: AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and
others of that kind, or FSSPEC_S3_ANON=true.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs

from flows.addresses import scheme_of, shown
from flows.errors import NO_ROOM, CopydeskError, NetworkError, RefusedError, UsageError
from flows.printable import printable

Item = TypeVar("Item")

# Transfers at a time. A small object costs a round trip, which is some 30 ms inside one region.
AT_ONCE = 16

# What the file systems of fsspec call the version of an object, and when it was written.
_VERSIONS = ("ETag", "etag", "md5", "md5Hash", "content_md5", "checksum", "generation", "version", "VersionId")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "modify", "created")
# Errors of botocore that say that nobody told it who we are.
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")
# The packages that read what is no part of fsspec itself, as one installs them.
_PACKAGES = {"s3": "copydesk[s3]", "s3a": "copydesk[s3]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


@dataclass(frozen=True)
class Store:
    """A place in a store.

    Attributes:
        system: reads and writes the store; what it knows of it is asked for anew each time.
        path: the place, as `system` names it.
        shown: the place, as it is printed.
    """

    system: AbstractFileSystem
    path: str
    shown: str

    @property
    def is_object_store(self) -> bool:
        """Whether there are no folders to make; for S3, making one would be to ask for the bucket each time."""
        return isinstance(self.system, AsyncFileSystem)

    @property
    def at_once(self) -> int:
        """Transfers at a time: only what is asynchronous inside is made for several threads."""
        return AT_ONCE if self.is_object_store else 1


@dataclass(frozen=True)
class StoredObject:
    """An object of a store.

    Attributes:
        path: as the store's system names it.
        byte_count: null where the store does not say.
        version: changes with the object's bytes; empty where nothing tells versions apart.
        changed_at: seconds of the epoch, null where the store does not say.
    """

    path: str
    byte_count: int | None
    version: str
    changed_at: float | None


def open_store(address: str) -> Store:
    """The store of an address; nothing is asked of it yet.

    Raises:
        UsageError: fsspec knows no such kind of store, or the package that reads it is not installed.
    """
    protocol = scheme_of(address)
    options: dict[str, Any] = {"use_listings_cache": False}
    if protocol in ("s3", "s3a"):
        # A large object is moved piece after piece: 50 MB times all that is moved at a time are held.
        options |= {"max_concurrency": 1, "config_kwargs": {"max_pool_connections": AT_ONCE}}
    try:
        system, path = url_to_fs(address, **options)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        advice = f"pip install '{package}'" if package else printable(str(error))[:200]
        raise UsageError(f"{shown(address)}: the package that reads such addresses is missing: {advice}") from error
    except ValueError as error:
        raise UsageError(f"{shown(address)}: {protocol}:// is no kind of store that fsspec knows") from error
    if protocol in ("s3", "s3a"):
        # botocore has tried five times already when s3fs sees an error.
        system.retries = 2
    return Store(system, str(path), shown(address))


def objects_below(store: Store, path: str) -> dict[str, StoredObject]:
    """The objects below a folder, or the one object that there is at a path: path → object.

    Raises:
        CopydeskError: the store has no such bucket, does not answer, or refuses it.
    """
    options = {"on_error": "raise"} if _is_walk(store.system) else {}
    with clear_store_errors(store.shown):
        try:
            found: Mapping[str, Mapping[str, Any]] = store.system.find(path, detail=True, **options)
        except FileNotFoundError:
            if not options:
                raise  # the bucket: a folder of it is there as long as something is in it
            return {}
        # Of a single object fsspec's own search says nothing but the name.
        found = {name: info or store.system.info(name) for name, info in found.items()}
    return {name: _object(name, info) for name, info in found.items() if info.get("type") == "file"}


def object_at(store: Store, path: str) -> StoredObject | None:
    """The object at a path, if there is one.

    Raises:
        CopydeskError: as `objects_below`.
    """
    with clear_store_errors(store.shown):
        try:
            info = store.system.info(path)
        except FileNotFoundError:
            return None
    return _object(path, info) if info.get("type") == "file" else None


def at_once(store: Store, move: Callable[[Item], None], what: Iterable[Item]) -> None:
    """Move files, or parts of them, some at a time; the first error ends it."""
    pool = ThreadPoolExecutor(store.at_once)
    try:
        for _ in pool.map(move, what):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _is_walk(system: AbstractFileSystem) -> bool:
    """Whether its search goes from folder to folder, and would pass over one that could not be listed.

    All in that one would seem to be gone.
    """
    kind = type(system)
    if isinstance(system, AsyncFileSystem):
        return kind._find is AsyncFileSystem._find
    return kind.find is AbstractFileSystem.find


def _object(path: str, info: Mapping[str, Any]) -> StoredObject:
    size = info.get("size")
    times = [info[name] for name in _TIMES if info.get(name)]
    versions = [info[name] for name in _VERSIONS if info.get(name)]
    version = repr([size, *map(str, versions), *map(str, times)]) if times or versions else ""
    return StoredObject(path, size if isinstance(size, int) else None, version, _seconds(times))


def _seconds(times: list[Any]) -> float | None:
    """The first of them that is an instant."""
    for time in times:
        if isinstance(time, datetime):
            return time.timestamp()
        if isinstance(time, int | float):
            return float(time)
        try:
            return datetime.fromisoformat(str(time)).timestamp()
        except ValueError:
            continue
    return None


@contextmanager
def clear_store_errors(place: str) -> Iterator[None]:
    """Turn errors of a store into one line that names the place, and nothing that the store or its client said.

    What they say may hold keys and signatures.

    Args:
        place: as it is shown.

    Raises:
        CopydeskError: there is no such place.
        UsageError: there cannot be.
        RefusedError: the store does not let us.
        NetworkError: it does not answer, or fails.
        OSError: the disk of this machine is full.
    """
    try:
        yield
    except CopydeskError:
        raise
    except FileNotFoundError as error:
        raise CopydeskError(f"{place}: there is no such place in the store; check the address") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        why = _why(error)
        if isinstance(error, PermissionError) or type(error).__name__ in _NO_CREDENTIALS:
            raise RefusedError(
                f"{place}: the store refuses it ({why}); check the credentials in the environment"
            ) from error
        if isinstance(error, ValueError) or type(error).__name__ == "ParamValidationError":
            raise UsageError(f"{place}: no store can have such a place; check the address") from error
        raise NetworkError(f"{place}: the store does not answer, or fails ({why}); try again") from error


def _why(error: Exception) -> str:
    """The name of an error, and the code by which S3 calls it."""
    response = getattr(error.__cause__ or error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, Mapping) else ""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9.]{1,60}", code) else type(error).__name__
