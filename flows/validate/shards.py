"""What the checks between shards are told of the files of all shards."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from flows.validate.between import NAMED, Keys, named_in
from schemas.tables import TABLES

PLACE = ("source_id", "uri", "container", "record")


def keys_of(articles: Sequence[Path], passages: Sequence[Path], named: pl.Series) -> Keys:
    """What the rows of all shards are found by.

    Args:
        articles: the shards of the table.
        passages: the shards of the table, each sorted by a range of `passage_id` of its own.
        named: ids of the passages that are asked for, sorted.
    """
    return Keys(
        articles=_columns("articles", ("article_id", "source_id"), articles),
        passages=pl.concat(
            [
                TABLES["passages"].empty().select(NAMED),
                *(named_in(pl.read_parquet(file, columns=list(NAMED)), named) for file in passages),
            ]
        ),
    )


def places_of(sources: Sequence[Path]) -> pl.DataFrame:
    """`source_id, uri, container, record` of the sources of all shards."""
    return _columns("sources", PLACE, sources)


def _columns(name: str, columns: Sequence[str], files: Sequence[Path]) -> pl.DataFrame:
    """Some columns of all shards of a table."""
    return pl.concat(
        [TABLES[name].empty().select(columns), *(pl.read_parquet(file, columns=list(columns)) for file in files)]
    )
