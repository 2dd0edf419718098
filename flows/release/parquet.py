"""Tables as Parquet files: the same rows give the same bytes, on any number of threads."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import CopydeskError
from flows.settings import Settings

DATA = "data"
# What a value takes beside the bytes of a text, roughly; it only has to be the same everywhere.
VALUE_BYTES = 8


def write_table(folder: Path, name: str, rows: pl.DataFrame, settings: Settings) -> list[Path]:
    """Write a table to `data/<name>/00000.parquet` and as many more files as the settings ask for.

    A table without rows is one file without rows, so that its columns can be read all the same.

    Args:
        folder: the release.
        name: the table.
        rows: its rows, sorted by a unique key.
        settings: size of files and row groups, compression.

    Returns:
        The files, in order.
    """
    target = folder / DATA / name
    target.mkdir(parents=True)
    written = []
    for number, groups in enumerate(_files(rows, settings)):
        file = target / f"{number:05}.parquet"
        schema = arrow_schema(rows.clear())
        with pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=settings.compression_level,
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,
        ) as writer:
            for group in groups:
                table = group.rechunk().to_arrow().cast(schema).combine_chunks()
                if table.num_rows:
                    writer.write_table(table, row_group_size=table.num_rows)
        written.append(file)
    return written


def arrow_schema(rows: pl.DataFrame) -> pa.Schema:
    """The Arrow schema of a table as it is written: texts as `string`, which every reader knows."""
    return pa.schema([(field.name, _plain(field.type)) for field in rows.clear().to_arrow().schema])


def _plain(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_large_list(dtype):
        return pa.list_(_plain(dtype.value_type))
    return dtype


def _files(rows: pl.DataFrame, settings: Settings) -> Iterator[list[pl.DataFrame]]:
    """Cut rows into files and row groups of bounded size: a list of row groups per file."""
    if rows.is_empty():
        yield [rows]
        return
    texts = [
        pl.col(name).str.len_bytes().fill_null(0).cast(pl.UInt64) for name, t in rows.schema.items() if t == pl.String
    ]
    size = pl.sum_horizontal(pl.lit(VALUE_BYTES * rows.width, pl.UInt64), *texts)
    before = rows.select(before=(size.cum_sum() - size)).to_series()
    group_of = before // settings.row_group_bytes
    file_of = (group_of * settings.row_group_bytes) // settings.file_bytes
    bounds = pl.DataFrame({"file": file_of, "group": group_of}).with_row_index("row")
    groups = bounds.group_by("file", "group", maintain_order=True).agg(start=pl.col("row").min(), count=pl.len())
    for file in groups.partition_by("file", maintain_order=True):
        yield [rows.slice(start, count) for start, count in file.select("start", "count").iter_rows()]


def table_files(release: Path, name: str) -> list[Path]:
    """The files of a table of a release, in order; none if the release does not have the table."""
    return sorted((release / DATA / name).glob("*.parquet"))


def read_table(release: Path, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a table of a release, their page checksums verified.

    Raises:
        CopydeskError: the table is not there or cannot be read.
    """
    files = table_files(release, name)
    if not files:
        raise CopydeskError(f"{release} has no table {name}")
    try:
        parts = [pq.read_table(file, columns=columns, page_checksum_verification=True) for file in files]
        frame = pl.from_arrow(pa.concat_tables(parts))
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise CopydeskError(f"table {name} of {release} cannot be read: {reason}") from error
    assert isinstance(frame, pl.DataFrame)
    return frame
