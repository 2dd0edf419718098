"""A hash of a table's rows that does not depend on Parquet, on its version, or on how the rows lie in memory.

Canonical form, version 1. The rows are sorted by `Table.order`. Each column, in the order of the release, is three
streams of bytes, hashed with SHA-256 one by one:

- validity: a byte per value, 1 or 0 where it is null;
- lengths: for texts their bytes in UTF-8, for lists their elements, as unsigned 64-bit integers, 0 for null;
- data: texts in UTF-8 end to end; integers, days since 1970 (dates) and microseconds since 1970 in UTC (instants) as
  64-bit integers, floats as IEEE 754 binary64 with one NaN and no negative zero, truth values as a byte; 0 for null.

Integers are little-endian. The values of a list are a column of their own with three streams. A table's hash is the
SHA-256 of the lines `copydesk-rows 1`, its name, its number of rows, and per column its name, kind and digests; the
hash of all tables is that of the lines `name hash`, sorted by name.
"""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from flows.buffers import array_buffers

# Rows hashed in one go, where a table comes as one frame.
BATCH_ROWS = 20_000


class RowsHash:
    """The hash of a table whose rows come part by part, in the order of the table.

    Attributes:
        row_count: rows that have come.
    """

    def __init__(self, name: str, schema: pa.Schema) -> None:
        self.row_count = 0
        self._name = name
        self._columns = {field.name: _Column(field.type) for field in schema}

    def update(self, rows: pa.Table) -> None:
        """Add the next rows; their columns are those of the schema."""
        self.row_count += rows.num_rows
        for name, column in self._columns.items():
            for chunk in rows.column(name).chunks:
                column.update(chunk)

    def hexdigest(self) -> str:
        """The hash of all rows that have come."""
        lines = ["copydesk-rows 1", self._name, str(self.row_count)]
        lines += [line for name, column in self._columns.items() for line in column.lines(name)]
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


class _Column:
    """The three streams of a column, and those of the column inside a list."""

    def __init__(self, dtype: pa.DataType) -> None:
        self.kind = _kind(dtype)
        self.validity, self.lengths, self.data = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self.inner = _Column(dtype.value_type) if self.kind == "list" else None

    def update(self, values: pa.Array) -> None:
        self.validity.update(_bytes(values.is_valid().cast(pa.uint8()), "u1"))
        if self.inner is not None:
            self.lengths.update(_bytes(pc.list_value_length(values), "<u8"))
            self.inner.update(values.flatten())
        elif self.kind == "text":
            data, starts = array_buffers(values)
            self.lengths.update(np.diff(starts).astype("<i8", copy=False).data)
            self.data.update(data[starts[0] : starts[-1]].data)
        elif self.kind == "truth":
            self.data.update(_bytes(values.cast(pa.uint8()), "u1"))
        elif self.kind == "number":
            # Adding zero turns -0.0 into 0.0.
            floats = np.asarray(_filled(values.cast(pa.float64()))) + 0.0
            floats[np.isnan(floats)] = np.nan
            self.data.update(floats.astype("<f8", copy=False).data)
        elif self.kind == "count":
            self.data.update(_bytes(values, "<u8"))
        else:
            # A date is stored in 32 bits.
            whole = values.cast(pa.int32()) if self.kind == "date" else values
            self.data.update(_bytes(whole.cast(pa.int64()), "<i8"))

    def lines(self, name: str) -> Iterator[str]:
        digests = " ".join(stream.hexdigest() for stream in (self.validity, self.lengths, self.data))
        yield f"{name} {self.kind} {digests}"
        if self.inner is not None:
            yield from self.inner.lines(f"{name}[]")


def _filled(values: pa.Array) -> pa.Array:
    """The values with 0 in the place of null."""
    return values.fill_null(0) if values.null_count else values


def _bytes(values: pa.Array, dtype: str) -> memoryview:
    """Numbers as they are hashed, 0 for null."""
    return np.ascontiguousarray(_filled(values), dtype).data


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
    hashed = RowsHash(name, arrow_table(rows.clear()).schema)
    for batch in rows.iter_slices(BATCH_ROWS):
        hashed.update(arrow_table(batch))
    return hashed.hexdigest()


def all_rows_sha256(tables: Mapping[str, str]) -> str:
    """Hash over the hashes of all tables."""
    return hashlib.sha256("".join(f"{name} {tables[name]}\n" for name in sorted(tables)).encode()).hexdigest()
