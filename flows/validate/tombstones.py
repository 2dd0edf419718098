"""What was taken down is not there, and only that."""

import polars as pl

from flows.validate.failures import Tables, failing
from schemas.columns import TAKEN_DOWN_TABLES
from schemas.tables import TABLES


def tombstone_failures(tables: Tables) -> list[pl.DataFrame]:
    """Tombstones of rows that are released all the same: frames `table, row, rule, detail`.

    Args:
        tables: `tombstones` with the index of its rows as `row`, and any of the tables that may have lost a row.
    """
    stones = tables["tombstones"]
    found = []
    for name in TAKEN_DOWN_TABLES:
        if name in tables:
            keys = tables[name].select(id=TABLES[name].key[0])
            rows = stones.filter(table=name).join(keys, on="id", how="semi")
            found.append(
                failing(rows, "tombstones", pl.lit(True), "taken_down_and_released", f"its row of {name} is released")
            )
    return found


def withheld_failures(tables: Tables) -> list[pl.DataFrame]:
    """Texts that are missing in a full release for no reason: frames `table, row, rule, detail`.

    The text of a source may be missing where a tombstone says that something of it was taken down; no other may.

    Args:
        tables: `sources`, `articles` and `passages` of a full release, each with the index of its rows as `row`, and
            its `tombstones`.
    """
    parts = tables["tombstones"].filter(pl.col("table") != "sources").select("uri").drop_nulls().unique()
    sources = tables["sources"].join(parts, on="uri", how="anti")
    no_text = pl.col("text").is_null()
    return [
        failing(sources, "sources", no_text, "text_missing", "it has no text, and no tombstone says why"),
        failing(tables["articles"], "articles", no_text, "text_missing", "an article that is released has a text"),
        failing(tables["passages"], "passages", no_text, "text_missing", "a passage that is released has a text"),
    ]
