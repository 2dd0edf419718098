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
from collections.abc import Iterator

import polars as pl

# Values hashed in one go.
BATCH_ROWS = 20_000


class _Column:
    """The three streams of a column, and those of the column inside a list."""

    def __init__(self, dtype: pl.DataType) -> None:
        self.kind = _kind(dtype)
        self.validity, self.lengths, self.data = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self.inner = _Column(_inner(dtype)) if isinstance(dtype, pl.List) else None

    def update(self, values: pl.Series) -> None:
        self.validity.update(values.is_not_null().cast(pl.UInt8).to_numpy().tobytes())
        if self.inner is not None:
            lengths = values.list.len().fill_null(0).cast(pl.UInt64)
            self.lengths.update(lengths.to_numpy().astype("<u8", copy=False).tobytes())
            self.inner.update(values.filter(lengths > 0).explode(empty_as_null=False))
        elif values.dtype == pl.String:
            lengths = values.str.len_bytes().fill_null(0).cast(pl.UInt64)
            self.lengths.update(lengths.to_numpy().astype("<u8", copy=False).tobytes())
            self.data.update("".join(values.drop_nulls().to_list()).encode())
        elif values.dtype == pl.Boolean:
            self.data.update(values.fill_null(False).cast(pl.UInt8).to_numpy().tobytes())
        elif values.dtype.is_float():
            floats = values.cast(pl.Float64).fill_null(0.0).fill_nan(float("nan")).to_numpy()
            # Adding zero turns -0.0 into 0.0. polars would leave the addition out.
            self.data.update((floats + 0.0).astype("<f8", copy=False).tobytes())
        elif values.dtype.is_unsigned_integer():
            self.data.update(values.fill_null(0).cast(pl.UInt64).to_numpy().astype("<u8", copy=False).tobytes())
        else:
            whole = values.to_physical().cast(pl.Int64).fill_null(0)
            self.data.update(whole.to_numpy().astype("<i8", copy=False).tobytes())

    def lines(self, name: str) -> Iterator[str]:
        digests = " ".join(stream.hexdigest() for stream in (self.validity, self.lengths, self.data))
        yield f"{name} {self.kind} {digests}"
        if self.inner is not None:
            yield from self.inner.lines(f"{name}[]")


def _inner(dtype: pl.DataType) -> pl.DataType:
    assert isinstance(dtype, pl.List)
    inner = dtype.inner
    return inner if isinstance(inner, pl.DataType) else inner()


def _kind(dtype: pl.DataType) -> str:
    """What a reader sees, without the width that it is stored in."""
    if isinstance(dtype, pl.List):
        return "list"
    if isinstance(dtype, pl.Datetime):
        if (dtype.time_unit, dtype.time_zone) != ("us", "UTC"):
            raise TypeError(f"instants are microseconds in UTC, not {dtype}")
        return "instant"
    for known, kind in ((pl.String, "text"), (pl.Boolean, "truth"), (pl.Date, "date")):
        if dtype == known:
            return kind
    if dtype.is_integer():
        return "integer" if dtype.is_signed_integer() else "count"
    if dtype.is_float():
        return "number"
    raise TypeError(f"no canonical form for {dtype}")


def rows_sha256(name: str, rows: pl.DataFrame) -> str:
    """Hash of a table's rows in canonical form.

    Args:
        name: the table.
        rows: its rows, sorted by `Table.order`.
    """
    columns = {column: _Column(dtype) for column, dtype in rows.schema.items()}
    for batch in rows.iter_slices(BATCH_ROWS):
        for column, hashed in columns.items():
            hashed.update(batch[column])
    lines = ["copydesk-rows 1", name, str(rows.height)]
    lines += [line for column, hashed in columns.items() for line in hashed.lines(column)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def all_rows_sha256(tables: dict[str, str]) -> str:
    """Hash over the hashes of all tables."""
    return hashlib.sha256("".join(f"{name} {tables[name]}\n" for name in sorted(tables)).encode()).hexdigest()
