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
        number: among those of the release, from 0.
        start: the first digits of its lowest id.
        end: those of the lowest id of the next range; none of the last one.
        shards: the shards that hold rows of it, in order.
        document_count: its sources.
        byte_count: of its sources, as they were read.
    """

    number: int
    start: str
    end: str | None
    shards: tuple[str, ...]
    document_count: int
    byte_count: int

    def rows_of(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Those rows of a table, sorted by its key, that are in the range."""
        keys = rows.get_column(TABLES[name].order[0])
        first = keys.search_sorted(self.start)
        last = rows.height if self.end is None else keys.search_sorted(self.end)
        return rows[first:last]

    def has(self, key: pl.Expr) -> pl.Expr:
        """Whether an id is in the range."""
        return key >= self.start if self.end is None else (key >= self.start) & (key < self.end)


def ranges_of_shards(shards: Mapping[str, pl.DataFrame], settings: Settings) -> list[Range]:
    """The ranges that have sources, in order.

    Args:
        shards: shard → `source_id, byte_count` of its sources; they ascend from shard to shard.
        settings: the size of files.
    """
    count = range_count(sum(int(rows["byte_count"].sum()) for rows in shards.values()), settings)
    starts = range_starts(count)
    found = []
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < count else None
        whole = Range(number, start, end, (), 0, 0)
        own = {shard: whole.rows_of("sources", rows) for shard, rows in shards.items()}
        held = tuple(shard for shard, rows in own.items() if rows.height)
        if held:
            byte_count = sum(int(rows["byte_count"].sum()) for rows in own.values())
            found.append(Range(number, start, end, held, sum(rows.height for rows in own.values()), byte_count))
    return found
