"""Rows against the pandera model of their table."""

import polars as pl
from pandera.errors import SchemaErrors

from flows.errors import CopydeskError
from flows.validate.failures import failing, no_failures
from schemas.tables import Table


def check_columns(table: Table, frame: pl.DataFrame) -> None:
    """A table has the columns of its model, in their order and with their types.

    Raises:
        CopydeskError: it does not. No input can cause that: a stage is wrong.
    """
    found, expected = dict(frame.schema), table.dtypes
    if list(found.items()) == list(expected.items()):
        return
    wrong = [f"lacks {name}" for name in expected if name not in found]
    wrong += [f"has no use for {name}" for name in found if name not in expected]
    wrong += [
        f"holds {name} as {found[name]} instead of {dtype}"
        for name, dtype in expected.items()
        if name in found and found[name] != dtype
    ]
    raise CopydeskError(
        f"table {table.name} {'; '.join(wrong[:3]) or 'has its columns in another order'}: "
        f"a stage broke its contract in schemas/, please report it"
    )


def model_failures(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that break the pandera model of their table.

    pandera says whether there are any. Which ones is asked of each check in turn: its report quotes whole rows, text
    included, and carries no index for some kinds of failure.

    Args:
        table: the table.
        rows: its rows, with their index as `row`.

    Returns:
        `table, row, rule, detail`: one row per row and broken rule.

    Raises:
        CopydeskError: pandera finds a fault that belongs to no row.
    """
    if rows.is_empty():
        return no_failures()
    frame = rows.drop("row")
    try:
        table.model.validate(frame, lazy=True)
    except SchemaErrors as errors:
        found = broken_checks(table, rows)
        if found.is_empty():
            reasons = ", ".join(sorted({str(error.reason_code) for error in errors.schema_errors}))
            raise CopydeskError(
                f"table {table.name} breaks its model in schemas/ ({reasons}), please report it"
            ) from None
        return found
    return no_failures()


def broken_checks(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that each check of the model turns away: `table, row, rule, detail`."""
    schema = table.model.to_schema()
    found = [no_failures()]
    for name, column in schema.columns.items():
        place = f"{table.name}.{name}"
        if not column.nullable:
            found.append(failing(rows, table.name, pl.col(name).is_null(), f"{name}_not_null", f"{place} is null"))
        if column.unique:
            found.append(
                failing(rows, table.name, pl.col(name).is_duplicated(), f"{name}_unique", f"{place} stands twice")
            )
        for check in column.checks:
            passes = check(rows.lazy(), column=name).check_output.collect().to_series()
            rule = f"{name}_{check.name}"
            detail = f"{place} breaks its rule {check.name} in schemas/{table.name}.py"
            found.append(failing(rows.filter(~passes), table.name, pl.lit(True), rule, detail))
    if schema.unique:
        is_twice = pl.struct(schema.unique).is_duplicated()
        detail = f"{table.name} holds two rows with the same {', '.join(schema.unique)}"
        found.append(failing(rows, table.name, is_twice, "key_unique", detail))
    return pl.concat(found)
