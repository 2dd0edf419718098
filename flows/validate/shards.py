"""The files of all shards, as the checks between shards read them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

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
            name: pl.read_parquet(file, columns=list(KEY_COLUMNS[name]), glob=False)
            for name, file in zip(names, shard, strict=True)
        }


def batches(file: Path) -> Iterator[pl.DataFrame]:
    """The rows of a file of our own, some at a time, with their index as `row`; one batch at least."""
    rows = pl.scan_parquet(file, row_index_name="row", glob=False)
    row_count = rows.select(pl.len()).collect().item()
    for start in range(0, max(row_count, 1), BATCH_ROWS):
        yield rows.slice(start, BATCH_ROWS).collect().rechunk()


def places_of(sources: Sequence[Path]) -> pl.DataFrame:
    """`source_id, uri, container, record` of the sources of all shards."""
    found = (pl.read_parquet(file, columns=list(PLACE), glob=False) for file in sources)
    return pl.concat([TABLES["sources"].empty().select(PLACE), *found])
