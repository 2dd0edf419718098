"""A hash of a table's rows that does not depend on Parquet, on its version, or on how the rows lie in memory.

Canonical form, version 2. The rows are sorted by `Table.order`, and cut into blocks wherever the first two characters
of the first column of that order change (of an id they are two hexadecimal digits: 256 blocks at most, which can be
hashed at once by as many workers). Each column of a block, in the order of the release, is three streams of bytes,
hashed with SHA-256 one by one:

- validity: a byte per value, 1 or 0 where it is null;
- lengths: for texts their bytes in UTF-8, for lists their elements, as unsigned 64-bit integers, 0 for null;
- data: texts in UTF-8 end to end; integers, days since 1970 (dates) and microseconds since 1970 in UTC (instants) as
  64-bit integers, floats as IEEE 754 binary64 with one NaN and no negative zero, truth values as a byte; 0 for null.

Integers are little-endian. The values of a list are a column of their own with three streams. A block's hash is the
SHA-256 of a line with its number of rows and a line per column with its three digests. A table's hash is that of the
lines `copydesk-rows 2`, its name, its number of rows, the name and kind of each column, and the hashes of its blocks;
the hash of all tables is that of the lines `name hash`, sorted by name.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from flows.buffers import Places, array_buffers
from schemas.tables import TABLES

# Rows hashed in one go, where a table comes as one frame.
BATCH_ROWS = 20_000
# The rows of a block have as many first characters of their key in common.
BLOCK_CHARACTERS = 2


class RowsHash:
    """The hashes of the blocks of a table, or of some that follow one another, whose rows come part by part in order.

    Attributes:
        row_count: rows that have come.
    """

    def __init__(self, name: str, schema: pa.Schema) -> None:
        self.row_count = 0
        self._schema = schema
        self._key = TABLES[name].order[0] if name in TABLES else schema.names[0]
        self._block = _Block(schema)
        self._start: str | None = None
        self._blocks: list[str] = []

    def update(self, rows: pa.Table) -> None:
        """Add the next rows; their columns are those of the schema."""
        for batch in rows.to_batches():
            self.row_count += batch.num_rows
            streams = [_Streams(batch.column(name)) for name in self._schema.names]
            for start, first, last in _runs(batch.column(self._key)):
                if start != self._start:
                    self._end_block()
                    self._start = start
                self._block.update(streams, first, last)

    def blocks(self) -> list[str]:
        """The hashes of all blocks, the last of which has no further row."""
        self._end_block()
        return self._blocks

    def _end_block(self) -> None:
        if self._block.row_count:
            self._blocks.append(self._block.hexdigest())
            self._block = _Block(self._schema)


def table_sha256(name: str, schema: pa.Schema, row_count: int, blocks: Iterable[str]) -> str:
    """The hash of a table with these columns, from the hashes of its blocks in order."""
    kinds = [line for field in schema for line in _kinds(field.name, field.type)]
    return _sha256_of_lines(["copydesk-rows 2", name, str(row_count), *kinds, *blocks])


def _kinds(name: str, dtype: pa.DataType) -> Iterator[str]:
    kind = _kind(dtype)
    yield f"{name} {kind}"
    if kind == "list":
        yield from _kinds(f"{name}[]", dtype.value_type)


def _runs(keys: pa.Array) -> Iterator[tuple[str | None, int, int]]:
    """Runs of rows whose keys begin with the same two characters: these, the first row, and the one after the last."""
    if not (pa.types.is_string(keys.type) or pa.types.is_large_string(keys.type)):
        yield None, 0, len(keys)
        return
    starts = pl.from_arrow(keys)
    assert isinstance(starts, pl.Series)
    first = 0
    for count, start in starts.str.head(BLOCK_CHARACTERS).rle().struct.unnest().iter_rows():
        yield start, first, first + count
        first += count


class _Block:
    """The streams of the columns of some rows, as far as they have come."""

    def __init__(self, schema: pa.Schema) -> None:
        self.row_count = 0
        self._columns = [_Digests(field.type) for field in schema]

    def update(self, columns: "Sequence[_Streams]", first: int, last: int) -> None:
        self.row_count += last - first
        for digests, streams in zip(self._columns, columns, strict=True):
            digests.update(streams, first, last)

    def hexdigest(self) -> str:
        lines = [line for digests in self._columns for line in digests.lines()]
        return _sha256_of_lines([str(self.row_count), *lines])


class _Digests:
    """The three streams of a column, and those of the column inside a list."""

    def __init__(self, dtype: pa.DataType) -> None:
        self._streams = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._inner = _Digests(dtype.value_type) if _kind(dtype) == "list" else None

    def update(self, values: "_Streams", first: int, last: int) -> None:
        validity, lengths, data = self._streams
        validity.update(values.validity[first:last].data)
        if values.starts is None:
            data.update(values.data[first:last].data)
            return
        lengths.update(values.lengths[first:last].data)
        first, last = int(values.starts[first]), int(values.starts[last])
        if self._inner is None or values.inner is None:
            data.update(values.data[first:last].data)
        else:
            self._inner.update(values.inner, first, last)

    def lines(self) -> Iterator[str]:
        yield " ".join(stream.hexdigest() for stream in self._streams)
        if self._inner is not None:
            yield from self._inner.lines()


class _Streams:
    """The bytes of a column of a batch that are hashed, from which those of any run of rows are cut.

    Attributes:
        validity: a byte a value.
        lengths: of texts and lists; none of others.
        starts: where in `data`, or among the values of `inner`, each text or list begins, and the last one ends.
        data: bytes of texts, or numbers.
        inner: the values of lists, end to end.
    """

    def __init__(self, values: pa.Array) -> None:
        kind = _kind(values.type)
        self.validity = _numbers(values.is_valid().cast(pa.uint8()), "u1")
        self.lengths = self.data = np.empty(0, "<i8")
        self.starts: Places | None = None
        self.inner: _Streams | None = None
        if kind == "list":
            self.lengths = _numbers(pc.list_value_length(values), "<i8")
            self.starts = np.concatenate([[0], self.lengths.cumsum()])
            self.inner = _Streams(values.flatten())
        elif kind == "text":
            self.data, self.starts = array_buffers(values)
            self.lengths = np.diff(self.starts).astype("<i8", copy=False)
        elif kind == "truth":
            self.data = _numbers(values.cast(pa.uint8()), "u1")
        elif kind == "number":
            # Adding zero turns -0.0 into 0.0.
            floats = np.asarray(_filled(values.cast(pa.float64()))) + 0.0
            floats[np.isnan(floats)] = np.nan
            self.data = floats.astype("<f8", copy=False)
        elif kind == "count":
            self.data = _numbers(values, "<u8")
        else:
            # A date is stored in 32 bits.
            whole = values.cast(pa.int32()) if kind == "date" else values
            self.data = _numbers(whole.cast(pa.int64()), "<i8")


def _sha256_of_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _filled(values: pa.Array) -> pa.Array:
    """The values with 0 in the place of null."""
    return values.fill_null(0) if values.null_count else values


def _numbers(values: pa.Array, dtype: str) -> npt.NDArray[Any]:
    """Numbers as they are hashed, 0 for null."""
    return np.ascontiguousarray(_filled(values), dtype)


def _kind(dtype: pa.DataType) -> str:
    """What a reader sees, without the width that it is stored in."""
    if pa.types.is_timestamp(dtype):
        if (dtype.unit, dtype.tz) != ("us", "UTC"):
            raise TypeError(f"instants are microseconds in UTC, not {dtype}")
        return "instant"
    for is_kind, kind in (
        (pa.types.is_list, "list"),
        (pa.types.is_large_list, "list"),
        (pa.types.is_string, "text"),
        (pa.types.is_large_string, "text"),
        (pa.types.is_boolean, "truth"),
        (pa.types.is_date32, "date"),
        (pa.types.is_signed_integer, "integer"),
        (pa.types.is_unsigned_integer, "count"),
        (pa.types.is_floating, "number"),
    ):
        if is_kind(dtype):
            return kind
    raise TypeError(f"no canonical form for {dtype}")


def arrow_table(rows: pl.DataFrame) -> pa.Table:
    """Rows as Arrow with the types that every reader knows: texts end to end instead of in views."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in memory of their own: what is left of a frame holds all texts of that frame."""
    found = pl.from_arrow(arrow_table(rows))
    assert isinstance(found, pl.DataFrame)
    return found


def is_ascending(keys: pl.DataFrame) -> bool:
    """Whether rows stand in strictly ascending order of their columns, null last."""
    is_less, is_same = pl.lit(False), pl.lit(True)
    for column in keys.columns:
        value, before = pl.col(column), pl.col(column).shift(1)
        is_less |= is_same & ((before < value).fill_null(False) | (before.is_not_null() & value.is_null()))
        is_same &= before.eq_missing(value)
    return bool(keys.select(is_less.slice(1).all()).item())


def rows_sha256(name: str, rows: pl.DataFrame) -> str:
    """Hash of a table's rows in canonical form.

    Args:
        name: the table.
        rows: its rows, sorted by `Table.order`.
    """
    schema = arrow_table(rows.clear()).schema
    hashed = RowsHash(name, schema)
    for batch in rows.iter_slices(BATCH_ROWS):
        hashed.update(arrow_table(batch))
    return table_sha256(name, schema, hashed.row_count, hashed.blocks())


def all_rows_sha256(tables: Mapping[str, str]) -> str:
    """Hash over the hashes of all tables."""
    return _sha256_of_lines(f"{name} {tables[name]}" for name in sorted(tables))
