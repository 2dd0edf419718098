"""The files of all shards, as the checks between shards read them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from flows.validate.between import KEY_COLUMNS
from schemas.tables import TABLES

PLACE = ("source_id", "uri", "container", "record")
# Rows that are looked at in one go.
BATCH_ROWS = 500_000


def key_columns(files: Mapping[str, Sequence[Path]]) -> Iterator[dict[str, pl.DataFrame]]:
    """Shard by shard, what their rows are found by: the columns of KEY_COLUMNS.

    Args:
        files: table → the files of its shards, in order.
    """
    names = list(KEY_COLUMNS)
    for shard in zip(*(files[name] for name in names), strict=True):
        yield {
            name: pl.read_parquet(file, columns=list(KEY_COLUMNS[name]))
            for name, file in zip(names, shard, strict=True)
        }


def batches(file: Path) -> Iterator[pl.DataFrame]:
    """The rows of a file of our own, some at a time, with their index as `row`; one batch at least."""
    start = 0
    with pq.ParquetFile(file) as opened:
        empty = pl.from_arrow(opened.schema_arrow.empty_table())
        assert isinstance(empty, pl.DataFrame)
        yield empty.with_row_index("row")
        for batch in opened.iter_batches(BATCH_ROWS):
            rows = pl.from_arrow(batch)
            assert isinstance(rows, pl.DataFrame)
            yield rows.with_row_index("row", offset=start)
            start += rows.height


def places_of(sources: Sequence[Path]) -> pl.DataFrame:
    """`source_id, uri, container, record` of the sources of all shards."""
    found = (pl.read_parquet(file, columns=list(PLACE)) for file in sources)
    return pl.concat([TABLES["sources"].empty().select(PLACE), *found])
