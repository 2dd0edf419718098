"""The SHA-256 of a file, taken while something else is done with it."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

_CHUNK_BYTES = 1 << 20


@contextmanager
def digested_meanwhile(file: Path) -> Iterator[Callable[[], tuple[str, int]]]:
    """Let a thread take the SHA-256 of a file.

    Whoever reads the file at the same time finds most of it in memory, or brings it there: it comes from the disk once.

    Returns:
        What waits for SHA-256 and size, and raises OSError if the file cannot be read. When the context is left, a
        digest that nobody waited for is given up.
    """
    is_over = Event()
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(digest, file, is_over)
        try:
            yield found.result
        finally:
            is_over.set()


def digest(file: Path, is_over: Event | None = None) -> tuple[str, int]:
    """SHA-256 and size of a file, as far as it was read when it was over.

    Raises:
        OSError: it cannot be read.
    """
    sha256, byte_count = hashlib.sha256(), 0
    chunk = bytearray(_CHUNK_BYTES)
    with file.open("rb", buffering=0) as stream:
        while (is_over is None or not is_over.is_set()) and (count := stream.readinto(chunk)):
            sha256.update(memoryview(chunk)[:count])
            byte_count += count
    return sha256.hexdigest(), byte_count
