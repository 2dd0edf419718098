"""How far a stage has come, in lines that are worth reading: few of them, and none that five pages would see twice."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Thread

from flows.wording import counted, duration

log = logging.getLogger("copydesk")

# A line is written no sooner than so long after the last one.
QUIET_SECONDS = 5.0
# Work that is told of step by step has a line each so many seconds.
STEP_SECONDS = 10.0


@contextmanager
def telling(work: str, seconds: float = STEP_SECONDS) -> Iterator[Callable[[str], None]]:
    """Let a line tell every so many seconds how far some work is, and none of work that takes less.

    Returns:
        What is told in a few words how far it is; they are said when it is time, and only the last ones.
    """
    last = [""]
    is_over = Event()

    def tell() -> None:
        while not is_over.wait(seconds):
            log.info("%s: %s", work, last[0])

    # In the context of the caller, by which Prefect knows whose lines they are.
    thread = Thread(target=copy_context().run, args=[tell], name=f"progress of {work}", daemon=True)
    thread.start()
    try:
        yield lambda words: last.__setitem__(0, words)
    finally:
        is_over.set()
        thread.join()


@dataclass(frozen=True)
class ShardSize:
    """How large a shard, or another part of the corpus, is: its documents, and their bytes as they were read."""

    document_count: int
    byte_count: int


class Progress:
    """Counts shards, or other parts of the corpus, that are done, and tells of it now and then."""

    def __init__(
        self,
        stage: str,
        shard_count: int,
        document_count: int,
        part: str = "shard",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._part = part
        self._shard_count = shard_count
        self._document_count = document_count
        self._clock = clock
        self._began = self._told = clock()
        self._shards = self._documents = self._bytes = 0

    def done(self, size: ShardSize) -> None:
        """One more shard is done."""
        self._shards += 1
        self._documents += size.document_count
        self._bytes += size.byte_count
        now = self._clock()
        if self._shards < self._shard_count and now - self._told >= QUIET_SECONDS:
            self._told = now
            log.info("%s", self._line(now - self._began))

    def finish(self) -> None:
        """All shards are done."""
        seconds = self._clock() - self._began
        shards = f"{counted(self._shards, self._part)}, " if self._shards > 1 else ""
        log.info("%s: %s%s in %s", self._stage, shards, counted(self._documents, "document"), duration(seconds))

    def _line(self, seconds: float) -> str:
        speed = self._bytes / seconds / 1e6
        left = seconds * (self._document_count - self._documents) / max(self._documents, 1)
        return (
            f"{self._stage}: {self._shards} of {counted(self._shard_count, self._part)}, "
            f"{counted(self._documents, 'document')}, {speed:.1f} MB/s, {duration(max(left, 0))} left"
        )
