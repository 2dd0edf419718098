"""Rows that name rows of other tables of their shard."""

import polars as pl

from flows.validate.failures import Tables, failing
from schemas.tables import Table

# References that may lead to another shard; `flows.validate.between` follows them.
BETWEEN = {("passages", "repeats_passage_id"), ("articles", "cluster_id")}


def reference_failures(table: Table, tables: Tables, known: dict[str, Table]) -> list[pl.DataFrame]:
    """Rows that name a row which does not exist; null names none.

    Args:
        table: the table to check.
        tables: the tables of some sources, each with the index of its rows as `row`.
        known: the tables' contracts.

    Returns:
        A frame `table, row, rule, detail` per reference.
    """
    found = []
    for column, target in table.references.items():
        if (table.name, column) in BETWEEN:
            continue
        keys = tables[target].select(pl.col(known[target].key[0]).alias(column)).unique()
        rows = tables[table.name].select("row", column).drop_nulls(column).join(keys, on=column, how="anti")
        detail = f"{table.name}.{column} names a row that the table {target} does not have"
        found.append(failing(rows, table.name, pl.lit(True), f"{column}_unknown", detail))
    return found
