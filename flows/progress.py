"""How far a stage has come, in lines that are worth reading: few of them, and none that five pages would see twice."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from flows.wording import counted, duration

log = logging.getLogger("copydesk")

# A line is written no sooner than so long after the last one.
QUIET_SECONDS = 5.0


@dataclass(frozen=True)
class ShardSize:
    """How large a shard is: its documents, and their bytes as they were read."""

    document_count: int
    byte_count: int


class Progress:
    """Counts shards that are done, and tells of it now and then."""

    def __init__(
        self, stage: str, shard_count: int, document_count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stage = stage
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
        shards = f"{counted(self._shards, 'shard')}, " if self._shards > 1 else ""
        log.info("%s: %s%s in %s", self._stage, shards, counted(self._documents, "document"), duration(seconds))

    def _line(self, seconds: float) -> str:
        speed = self._bytes / seconds / 1e6
        left = seconds * (self._document_count - self._documents) / max(self._documents, 1)
        return (
            f"{self._stage}: {self._shards} of {counted(self._shard_count, 'shard')}, "
            f"{counted(self._documents, 'document')}, {speed:.1f} MB/s, {duration(max(left, 0))} left"
        )
