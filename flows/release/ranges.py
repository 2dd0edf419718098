"""Ranges of ids, into which the tables with rows of each document are cut, all at the same ids.

What is made of one document has ids with the same first digits, so that its rows lie in one range of each table, and
ranges can be written by as many at once. Ids are hashes: ranges of the same width are about equally large.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from flows.release.rows import BLOCK_CHARACTERS
from flows.settings import Settings
from schemas.tables import TABLES

# The tables with rows of each document.
BY_PLACE = ("sources", "passages", "articles", "evidence")
# Ranges are not finer than the blocks of rows that are hashed one by one.
MAX_RANGES = 16**BLOCK_CHARACTERS


def range_count(text_bytes: int, settings: Settings) -> int:
    """Into how many ranges tables are cut whose sources have so many bytes: a power of two, so that no block is cut.

    As long as there are less than MAX_RANGES, the sources of a range have at most `file_bytes` on average.
    """
    count = 1
    while count < MAX_RANGES and text_bytes > count * settings.file_bytes:
        count *= 2
    return count


def range_starts(count: int) -> list[str]:
    """The first digits of the lowest ids of each of so many ranges."""
    return [f"{number * MAX_RANGES // count:0{BLOCK_CHARACTERS}x}" for number in range(count)]


@dataclass(frozen=True)
class Range:
    """A range of ids, and where its rows are before they are released.

    Attributes:
        number: among all ranges of the release, from 0.
        count: how many those are.
        shards: the shards that hold rows of it, in order.
        document_count: its sources.
        byte_count: of its sources, as they were read.
    """

    number: int
    count: int
    shards: tuple[str, ...] = ()
    document_count: int = 0
    byte_count: int = 0

    def rows_of(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Those rows of a table, sorted by its key, that are in the range."""
        keys = rows.get_column(TABLES[name].order[0])
        start, end = self._bounds()
        return rows[keys.search_sorted(start) : rows.height if end is None else keys.search_sorted(end)]

    def has(self, key: pl.Expr) -> pl.Expr:
        """Whether an id is in the range."""
        start, end = self._bounds()
        return key >= start if end is None else (key >= start) & (key < end)

    def _bounds(self) -> tuple[str, str | None]:
        """The first digits of its lowest id, and of the lowest one that is beyond it, if there is a further range."""
        starts = range_starts(self.count)
        return starts[self.number], starts[self.number + 1] if self.number + 1 < self.count else None


def ranges_of_shards(shards: Mapping[str, pl.DataFrame], settings: Settings) -> list[Range]:
    """The ranges that have sources, in order.

    Args:
        shards: shard → `source_id, byte_count` of its sources; they ascend from shard to shard.
        settings: the size of files.
    """
    count = range_count(sum(int(rows["byte_count"].sum()) for rows in shards.values()), settings)
    found = []
    for number in range(count):
        whole = Range(number, count)
        own = {shard: whole.rows_of("sources", rows) for shard, rows in shards.items()}
        held = tuple(shard for shard, rows in own.items() if rows.height)
        if held:
            byte_count = sum(int(rows["byte_count"].sum()) for rows in own.values())
            found.append(Range(number, count, held, sum(rows.height for rows in own.values()), byte_count))
    return found
