"""The rows of a table in which two releases differ, both read side by side, a row group after the other.

Releases that follow each other share nearly all rows. These are found by their hashes and let go of as soon as both
sides have been read so far, so that memory grows with what differs, and not with the table.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl

from flows.release.rows import apart

# Columns of which it only matters whether two values are the same; their hashes stand in for them.
TEXTS = ("text", "unique_text")
HASH = "hash of the row"

# How far a side has been read: to before its first row, to a row with that value, to one without, to the end.
_Place = tuple[int, Any]
_START: _Place = (0, None)
_END: _Place = (3, None)


def with_hashes(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a hash of 64 bits, as text, in the place of each of their texts.

    Two texts are only compared where a key or a place says that they should be the same: that a difference goes
    unseen has a chance of 2⁻⁶⁴ per pair, and it would still show in the hash of all rows.
    """
    texts = [name for name in TEXTS if rows.schema.get(name) == pl.String]
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash().cast(pl.String)).alias(name) for name in texts
    )


def differing_rows(
    old: Iterator[pl.DataFrame], new: Iterator[pl.DataFrame], name: Sequence[pl.Expr], order: str
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """The rows of either side that the other one does not have, with hashes for their texts.

    Args:
        old: a table of a release, part by part; there is at least one.
        new: the same table of another release, with the same columns.
        name: what names a row.
        order: the first column that the rows are sorted by. Of rows that are not, some that both sides have may be
            among those that are returned.

    Returns:
        The rows of the old side and those of the new one; None if a name stands twice on a side, so that it does not
        say which row is which.
    """
    # Side by side: most of it is one thread that unpacks one column of texts.
    with ThreadPoolExecutor(2) as pool:
        sides = [_Side(parts, name, order, pool) for parts in (old, new)]
        before, after = sides
        while not all(side.is_read for side in sides):
            behind = min(side.place for side in sides)
            for side in sides:
                if side.place == behind:
                    side.read()
            both_read = min(side.place for side in sides)
            hashes = [side.held.select(HASH) for side in sides]
            before.let_go(hashes[1], both_read)
            after.let_go(hashes[0], both_read)
    return None if any(side.has_namesakes for side in sides) else (before.rows, after.rows)


class _Side:
    """A table of one release that is being read.

    Attributes:
        held: rows that the other side may still turn out to have.
        place: of the last row that was read; the other side has been read up to it when it is there, too.
    """

    def __init__(self, parts: Iterator[pl.DataFrame], name: Sequence[pl.Expr], order: str, pool: ThreadPoolExecutor):
        self._parts = parts
        self._name = name
        self._order = order
        self._pool = pool
        self._next = self._asked()
        self._names: list[pl.Series] = []
        self._settled: list[pl.DataFrame] = []
        self.held = pl.DataFrame(schema={HASH: pl.UInt64})
        self.place = _START

    @property
    def is_read(self) -> bool:
        return self.place == _END

    @property
    def has_namesakes(self) -> bool:
        names = pl.concat(self._names)
        return names.n_unique() < names.len()

    @property
    def rows(self) -> pl.DataFrame:
        """What the other side does not have."""
        return pl.concat([*self._settled, self.held]).drop(HASH)

    def read(self) -> None:
        """Read the next part."""
        found = self._next.result()
        if found is None:
            self.place = _END
            return
        rows, names = found
        self._next = self._asked()
        self._names.append(names)
        self.held = pl.concat([self.held, rows], how="diagonal")
        if rows.height:
            last = rows[self._order][-1]
            self.place = (2, None) if last is None else (1, last)

    def let_go(self, others: pl.DataFrame, both_read: _Place) -> None:
        """Let go of rows whose hash the other side has, and settle those before a place to which both were read."""
        rows = self.held.join(others, on=HASH, how="anti", maintain_order="left")
        rank, value = both_read
        is_settled = (pl.col(self._order) < value).fill_null(value=False) if rank == 1 else pl.lit(rank == _END[0])
        self._settled.append(apart(rows.filter(is_settled)))
        self.held = rows.filter(~is_settled)

    def _asked(self) -> "Future[tuple[pl.DataFrame, pl.Series] | None]":
        return self._pool.submit(self._read_next)

    def _read_next(self) -> tuple[pl.DataFrame, pl.Series] | None:
        """The next rows, with their hashes, and hashes of their names."""
        part = next(self._parts, None)
        if part is None:
            return None
        names = [name.alias(str(number)) for number, name in enumerate(self._name)]
        return with_hashes(part).with_columns(part.hash_rows().alias(HASH)), part.select(names).hash_rows()
