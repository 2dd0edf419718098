"""What a check hands back: the rows that fail it."""

import polars as pl

SCHEMA: dict[str, type[pl.DataType]] = {"table": pl.String, "row": pl.UInt32, "rule": pl.String, "detail": pl.String}

Tables = dict[str, pl.DataFrame]


def no_failures() -> pl.DataFrame:
    """No rows of `table, row, rule, detail`."""
    return pl.DataFrame(schema=SCHEMA)


def failing(rows: pl.DataFrame, table: str, condition: pl.Expr, rule: str, detail: str) -> pl.DataFrame:
    """The rows for which a condition holds; null is no failure.

    Args:
        rows: rows of a table, perhaps joined to others, with their index in the table as `row`.
        table: the table that they belong to.
        condition: true where a row fails.
        rule: name of the rule, in snake_case.
        detail: what is wrong, for a person.

    Returns:
        `table, row, rule, detail`: one row per failing row.
    """
    return rows.filter(condition.fill_null(False)).select(
        pl.lit(table).alias("table"),
        pl.col("row").cast(pl.UInt32),
        pl.lit(rule).alias("rule"),
        pl.lit(detail).alias("detail"),
    )
