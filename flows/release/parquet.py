"""Tables as Parquet files: the same rows give the same bytes, on any number of threads and in any number of parts.

Files and row groups are cut by the bytes of the rows that go before in the table, so that they do not depend on the
parts in which the rows come.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import CopydeskError
from flows.release.manifest import file_sha256
from flows.release.rows import RowsHash, arrow_table
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


class TableWriter:
    """Writes a table to `data/<name>/00000.parquet` and as many more files as the settings ask for, row by row hashed.

    A table without rows is one file without rows, so that its columns can be read all the same.
    """

    def __init__(self, folder: Path, name: str, rows: pl.DataFrame, settings: Settings, pool: Executor) -> None:
        """A writer that has written nothing yet.

        Args:
            folder: the release.
            name: the table.
            rows: any rows with its columns; they are not written.
            settings: size of files and row groups, compression.
            pool: where finished files are hashed and flushed to the disk meanwhile.
        """
        self._folder = folder / DATA / name
        self._folder.mkdir(parents=True)
        self._name = name
        self._settings = settings
        self._pool = pool
        self._schema = arrow_schema(rows)
        self._views = pa.schema([(field.name, _viewed(field.type)) for field in self._schema])
        self._hash = RowsHash(name, self._schema)
        self._byte_count = 0
        self._group = 0
        self._pending: list[pl.DataFrame] = []
        self._file = self._folder / "00000.parquet"
        self._file_number = -1
        self._writer: pq.ParquetWriter | None = None
        self._sealed: dict[Path, Future[str]] = {}

    def write(self, rows: pl.DataFrame) -> None:
        """Write the next rows.

        Raises:
            OSError: they cannot be written.
        """
        if rows.is_empty():
            return
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

    def close(self) -> WrittenTable:
        """Write what is left, and wait until everything is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        self._write_group()
        if self._file_number < 0:
            self._open_file(0)
        self._seal()
        files = {file: sealed.result() for file, sealed in self._sealed.items()}
        return WrittenTable(self._hash.row_count, self._hash.hexdigest(), files)

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
        table = rows.to_arrow(compat_level=pl.CompatLevel.newest()).cast(self._views)
        self._writer.write_table(table, row_group_size=table.num_rows)

    def _open_file(self, number: int) -> None:
        self._seal()
        self._file_number = number
        self._file = self._folder / f"{len(self._sealed):05}.parquet"
        key = TABLES[self._name].key if self._name in TABLES else ()
        distinct = (*DISTINCT, *(key if len(key) == 1 else ()))
        paths = {field.name: _path(field) for field in self._schema}
        self._writer = pq.ParquetWriter(
            self._file,
            self._views,
            compression="zstd",
            compression_level=self._settings.compression_level,
            use_dictionary=[path for column, path in paths.items() if column not in distinct],
            write_statistics=[path for column, path in paths.items() if column not in TEXTS],
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,
            store_schema=False,
        )
        # What pyarrow would store of the schema says how texts lie in memory here. Readers get them as `string`.
        self._writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(self._schema.serialize()).decode()})

    def _seal(self) -> None:
        """Finish the file that is being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._sealed[self._file] = self._pool.submit(_sealed, self._file)


def write_table(folder: Path, name: str, rows: pl.DataFrame, settings: Settings) -> list[Path]:
    """Write a table that is in memory, its rows sorted by a unique key.

    Returns:
        The files, in order.
    """
    with ThreadPoolExecutor(1) as pool:
        writer = TableWriter(folder, name, rows, settings, pool)
        writer.write(rows)
        return list(writer.close().files)


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
