"""Tables as Parquet files: the same rows give the same bytes, on any number of threads and in any number of parts.

The tables with rows of each document are cut into ranges of ids first, all at the same ids, so that several can write
them at once. In a range, files and row groups are cut by the bytes of the rows that go before. So neither depends on
the parts in which the rows come, or on who writes them.
"""

import base64
import errno
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import CopydeskError
from flows.release.manifest import file_sha256
from flows.release.ranges import BY_PLACE, range_count, range_starts
from flows.release.rows import RowsHash, arrow_table, table_sha256
from flows.release.staging import flush
from flows.settings import Settings
from schemas.tables import TABLES

DATA = "data"
# What a value takes beside the bytes of a text, roughly; it only has to be the same everywhere.
VALUE_BYTES = 8
# Bytes of rows that are hashed in one go: their texts are copied end to end for it, into memory that is used again.
HASHED_BYTES = 16_000_000
# Columns of which nearly every value is another one: a dictionary of them would only be given up again.
DISTINCT = ("text", "unique_text", "sha256", "uri")
# Columns whose least and greatest value tell a reader nothing.
TEXTS = ("text", "unique_text")


@dataclass(frozen=True)
class WrittenTable:
    """A table that is written and flushed to the disk.

    Attributes:
        row_count: its rows.
        rows_sha256: hash of its rows in canonical form.
        files: its files, in order, each with its SHA-256.
    """

    row_count: int
    rows_sha256: str
    files: dict[Path, str]


@dataclass(frozen=True)
class WrittenRows:
    """Rows of a table, all that there are in one or more ranges of it, written and flushed to the disk.

    Attributes:
        ranges: numbers of the ranges that they are in.
        row_count: how many they are.
        blocks: hashes of their blocks, in order.
        files: names and SHA-256 of their files, in order.
    """

    ranges: tuple[int, ...]
    row_count: int
    blocks: list[str]
    files: dict[str, str]


class TableWriter:
    """Writes rows of a table to `<folder>/<table>-<range>-<number>.parquet`, row by row hashed.

    `table_of` makes a table of them.
    """

    def __init__(self, folder: Path, name: str, settings: Settings, pool: Executor, ranges: int) -> None:
        """A writer that has written nothing yet.

        Args:
            folder: where its files go.
            name: the table.
            settings: size of files and row groups, compression.
            pool: where finished files are hashed and flushed to the disk meanwhile.
            ranges: into how many ranges those tables are cut that have rows of each document.
        """
        self._folder = folder
        self._name = name
        self._settings = settings
        self._pool = pool
        self._schema = arrow_schema(TABLES[name].empty())
        self._hash = RowsHash(name, self._schema)
        self._starts = pl.Series(range_starts(ranges if name in BY_PLACE else 1))
        self._ranges: list[int] = []
        self._byte_count = 0
        self._group = 0
        self._pending: list[pl.DataFrame] = []
        self._file = Path()
        self._file_number = -1
        self._writer: pq.ParquetWriter | None = None
        self._sealed: dict[str, Future[str]] = {}

    def write(self, rows: pl.DataFrame) -> None:
        """Write the next rows.

        Raises:
            OSError: they cannot be written.
        """
        if rows.is_empty():
            return
        keys = rows.get_column(TABLES[self._name].order[0])
        bounds = [0, *keys.search_sorted(self._starts[1:]).to_list(), rows.height]
        for number, (first, last) in enumerate(pairwise(bounds)):
            if first < last:
                self._write_in_range(number, rows[first:last])

    def _write_in_range(self, number: int, rows: pl.DataFrame) -> None:
        if number not in self._ranges[-1:]:
            self._write_group()
            self._ranges.append(number)
            self._byte_count = self._group = 0
            self._file_number = -1
        size = _row_bytes(rows)
        before = size.cum_sum() - size + self._byte_count
        self._byte_count += int(size.sum())
        start = 0
        groups = (before // self._settings.row_group_bytes).rle().struct.unnest()
        for count, group in groups.iter_rows():
            if group != self._group:
                self._write_group()
                self._group = group
            self._pending.append(rows.slice(start, count))
            start += count

    def close(self) -> WrittenRows:
        """Write what is left, and wait until everything is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        self._write_group()
        self._seal()
        files = {name: sealed.result() for name, sealed in self._sealed.items()}
        return WrittenRows(tuple(self._ranges), self._hash.row_count, self._hash.blocks(), files)

    def abandon(self) -> None:
        """Let go of the file that is being written, which nobody will read."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()

    def _write_group(self) -> None:
        if not self._pending:
            return
        file_number = self._group * self._settings.row_group_bytes // self._settings.file_bytes
        if file_number != self._file_number:
            self._open_file(file_number)
        assert self._writer is not None
        # The parts in which the rows came must leave no trace.
        rows = pl.concat(self._pending).rechunk()
        self._pending.clear()
        for batch in rows.iter_slices(max(1, rows.height * HASHED_BYTES // self._settings.row_group_bytes)):
            self._hash.update(arrow_table(batch))
        # Texts are written from where they lie: end to end they would be a copy of all that is written.
        table = rows.to_arrow(compat_level=pl.CompatLevel.newest()).cast(_views(self._schema))
        self._writer.write_table(table, row_group_size=table.num_rows)

    def _open_file(self, number: int) -> None:
        self._seal()
        self._file_number = number
        self._file = self._folder / f"{self._name}-{self._ranges[-1]:03}-{number:05}.parquet"
        self._writer = _parquet_writer(self._file, self._name, self._schema, self._settings)

    def _seal(self) -> None:
        """Finish the file that is being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._sealed[self._file.name] = self._pool.submit(_sealed, self._file)


def _parquet_writer(file: Path, name: str, schema: pa.Schema, settings: Settings) -> pq.ParquetWriter:
    """A writer of a file of a table, which is given texts in views."""
    key = TABLES[name].key
    distinct = (*DISTINCT, *(key if len(key) == 1 else ()))
    paths = {field.name: _path(field) for field in schema}
    writer = pq.ParquetWriter(
        file,
        _views(schema),
        compression="zstd",
        compression_level=settings.compression_level,
        use_dictionary=[path for column, path in paths.items() if column not in distinct],
        write_statistics=[path for column, path in paths.items() if column not in TEXTS],
        write_page_index=True,
        write_page_checksum=True,
        use_content_defined_chunking=True,
        store_schema=False,
    )
    # What pyarrow would store of the schema says how texts lie in memory here. Readers get them as `string`.
    writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(schema.serialize()).decode()})
    return writer


def table_of(release: Path, name: str, parts: Sequence[tuple[Path, WrittenRows]], settings: Settings) -> WrittenTable:
    """A table of a release, `data/<name>/00000.parquet` and so on, from the folders that its rows were written to.

    A table without rows is one file without rows, so that its columns can be read all the same.

    Raises:
        CopydeskError: rows of one range are in two parts.
        OSError: the files cannot be moved.
    """
    folder = release / DATA / name
    folder.mkdir(parents=True)
    parts = sorted((part for part in parts if part[1].ranges), key=lambda part: part[1].ranges)
    ranges = [number for _, rows in parts for number in rows.ranges]
    if ranges != sorted(set(ranges)):
        raise CopydeskError(f"a range of {name} was written twice; please report it")
    schema = arrow_schema(TABLES[name].empty())
    files: dict[Path, str] = {}
    for written, rows in parts:
        for own, digest in rows.files.items():
            file = folder / f"{len(files):05}.parquet"
            _move(written / own, file)
            files[file] = digest
    if not files:
        file = folder / "00000.parquet"
        _parquet_writer(file, name, schema, settings).close()
        files[file] = _sealed(file)
    row_count = sum(rows.row_count for _, rows in parts)
    blocks = (block for _, rows in parts for block in rows.blocks)
    return WrittenTable(row_count, table_sha256(name, schema, row_count, blocks), files)


def _move(file: Path, target: Path) -> None:
    """Rename a file that is flushed, or copy it from another file system and flush the copy."""
    try:
        file.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(file, target)
        flush(target)
        file.unlink()


def _sealed(file: Path) -> str:
    """SHA-256 of a file, which is flushed to the disk."""
    digest = file_sha256(file)
    flush(file)
    return digest


def _row_bytes(rows: pl.DataFrame) -> pl.Series:
    """Bytes of each row before compression, roughly."""
    texts = [
        pl.col(name).str.len_bytes().fill_null(0).cast(pl.UInt64) for name, t in rows.schema.items() if t == pl.String
    ]
    return rows.select(size=pl.sum_horizontal(pl.lit(VALUE_BYTES * rows.width, pl.UInt64), *texts)).to_series()


def arrow_schema(rows: pl.DataFrame) -> pa.Schema:
    """The Arrow schema of a table as it is written: texts as `string`, which every reader knows."""
    return pa.schema([(field.name, _plain(field.type)) for field in rows.clear().to_arrow().schema])


def _plain(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_large_list(dtype):
        return pa.list_(_plain(dtype.value_type))
    return dtype


def _views(schema: pa.Schema) -> pa.Schema:
    return pa.schema([(field.name, _viewed(field.type)) for field in schema])


def _viewed(dtype: pa.DataType) -> pa.DataType:
    """A type of `arrow_schema` as Parquet's writer is given it: texts in views of where they lie, as in polars."""
    if pa.types.is_string(dtype):
        return pa.string_view()
    if pa.types.is_list(dtype):
        return pa.list_(_viewed(dtype.value_type))
    return dtype


def _path(field: pa.Field) -> str:
    """The name of a column's values in a Parquet file."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def table_files(release: Path, name: str) -> list[Path]:
    """The files of a table of a release, in order; none if the release does not have the table."""
    return sorted((release / DATA / name).glob("*.parquet"))


def read_table(release: Path, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a table of a release, their page checksums verified.

    Raises:
        CopydeskError: the table is not there or cannot be read.
    """
    with _files_to_read(release, name) as files:
        return _frame(
            pa.concat_tables([pq.read_table(file, columns=columns, page_checksum_verification=True) for file in files])
        )


def table_columns(release: Path, name: str) -> pl.DataFrame:
    """A table of a release without its rows.

    Raises:
        CopydeskError: the table is not there or cannot be read.
    """
    with _files_to_read(release, name) as files:
        return _frame(pq.read_schema(files[0]).empty_table())


def table_batches(release: Path, name: str, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """The rows of a table of a release, one row group after the other, the checksums of their pages verified.

    Raises:
        CopydeskError: the table is not there or cannot be read.
    """
    with _files_to_read(release, name) as files:
        for path in files:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    yield _frame(file.read_row_group(group, columns))


def ranges_of(release: Path, settings: Settings) -> int:
    """Into how many ranges the tables of a release are cut that have rows of each document.

    Raises:
        CopydeskError: its sources are not there or cannot be read.
    """
    return range_count(
        sum(int(rows["byte_count"].sum()) for rows in table_batches(release, "sources", ["byte_count"])), settings
    )


@contextmanager
def _files_to_read(release: Path, name: str) -> Iterator[list[Path]]:
    """The files of a table, and what goes wrong with them as a line for a person.

    Raises:
        CopydeskError: the table is not there or cannot be read.
    """
    files = table_files(release, name)
    if not files:
        raise CopydeskError(f"{release} has no table {name}")
    try:
        yield files
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise CopydeskError(f"table {name} of {release} cannot be read: {reason}") from error


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
