"""The gate before a release: every row against its model, its keys, its references and the text that it speaks of."""

from dataclasses import dataclass

import polars as pl

from flows.errors import CopydeskError
from flows.validate.consistency import consistency_failures, values_without_evidence
from flows.validate.failures import Tables
from flows.validate.models import check_columns, model_failures
from flows.validate.offsets import offset_failures
from flows.validate.quarantine import quarantine
from flows.validate.references import reference_failures
from flows.validate.tombstones import tombstone_failures, withheld_failures
from schemas.tables import TABLES


@dataclass(frozen=True)
class Validated:
    """What passed the gate.

    Attributes:
        tables: the rows to release, table by table; `rejects` holds those of earlier stages and of this one.
        rejects: the rows of `rejects` that this stage added, sorted by key.
        counts: table → how many rows stay and how many went.
    """

    tables: Tables
    rejects: pl.DataFrame
    counts: dict[str, tuple[int, int]]

    @property
    def has_lost_sources(self) -> bool:
        """Whether sources went: repeats and clusters that hung on them were dissolved and can be looked for again."""
        return self.counts["sources"][1] > 0


def validate(tables: Tables) -> Validated:
    """Check every table, and turn failing rows away with what depends on them.

    Args:
        tables: the tables of `schemas.tables`, with what earlier stages turned away in `rejects`.

    Raises:
        CopydeskError: a table is missing or does not have the columns of its model; an earlier stage's row of
            `rejects` breaks the model; a failing row belongs to no source. All three are faults of a stage, never of
            the input.
    """
    for name, table in TABLES.items():
        if name not in tables:
            raise CopydeskError(f"no stage wrote the table {name}, please report it")
        check_columns(table, tables[name])
    indexed = {name: tables[name].with_row_index("row") for name in TABLES}
    failures = pl.concat([all_failures(indexed), *withheld_failures(indexed)])
    unproven = values_without_evidence(indexed["articles"], indexed["evidence"])
    if failures.is_empty() and unproven.is_empty():
        counts = {name: (tables[name].height, 0) for name in TABLES}
        return Validated({name: tables[name] for name in TABLES}, TABLES["rejects"].empty(), counts)

    broken = failures.filter(pl.col("table") == "rejects")
    if broken.height:
        raise CopydeskError(f"table rejects: {broken['detail'][0]}; a stage wrote a bad row, please report it")
    result = quarantine(indexed, failures)
    again = all_failures(result.tables)
    if again.height:
        first = again.row(0, named=True)
        raise CopydeskError(
            f"table {first['table']}: {first['detail']}, after failing rows were taken out; please report it"
        )
    released = {name: rows.drop("row") for name, rows in result.tables.items()}
    counts = {name: (rows.height, tables[name].height - rows.height) for name, rows in released.items()}
    released["rejects"] = pl.concat([released["rejects"], result.rejects])
    return Validated(released, result.rejects, counts)


def all_failures(tables: Tables) -> pl.DataFrame:
    """Every failure of every check: `table, row, rule, detail`, one row per row and broken rule."""
    found = []
    for name, table in TABLES.items():
        found.append(model_failures(table, tables[name]))
        found += reference_failures(table, tables, TABLES)
    found += offset_failures(tables)
    found += consistency_failures(tables)
    found += tombstone_failures(tables)
    return pl.concat(found).sort("table", "row", "rule", "detail")
