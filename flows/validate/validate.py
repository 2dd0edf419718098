"""The gate before a release: every row against its model, its keys, its references and the text that it speaks of.

Most can be said within a shard, before deduplication. What that finds of the sources of different shards is looked at
afterwards, in `flows.validate.between`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from flows.errors import CopydeskError
from flows.validate.consistency import consistency_failures, values_without_evidence
from flows.validate.failures import Tables, no_failures
from flows.validate.models import check_columns, model_failures
from flows.validate.offsets import offset_failures
from flows.validate.quarantine import quarantine
from flows.validate.references import reference_failures
from flows.validate.tombstones import withheld_failures
from schemas.tables import TABLES

# Tables whose rows lie in the shard of their source; parents before their children.
OF_SHARD = ("sources", "passages", "articles", "evidence")


@dataclass(frozen=True)
class CheckedShard:
    """What of a shard passed the gate.

    Attributes:
        tables: the rows that stay, in their order.
        rejects: rows of the table `rejects` for those that went, sorted by key.
    """

    tables: Tables
    rejects: pl.DataFrame


def check_shard(
    tables: Mapping[str, pl.DataFrame],
    fallen: pl.DataFrame | None = None,
    tombstones: pl.DataFrame | None = None,
) -> CheckedShard:
    """Check the rows of some sources, and turn failing ones away with what depends on them.

    Args:
        tables: the tables of OF_SHARD, all rows of some sources.
        fallen: `table, key, rule, detail`: rows of articles and passages that fail for what they are to others.
        tombstones: of what was taken out of these sources; without them nothing was.

    Raises:
        CopydeskError: a table is missing or does not have the columns of its model, or a failing row belongs to no
            source. That is a fault of a stage, never of the input.
    """
    for name in OF_SHARD:
        if name not in tables:
            raise CopydeskError(f"no stage wrote the table {name}, please report it")
        check_columns(TABLES[name], tables[name])
    indexed = {name: tables[name].with_row_index("row") for name in OF_SHARD}
    failures = shard_failures(indexed)
    stones = TABLES["tombstones"].empty() if tombstones is None else tombstones
    failures = pl.concat([failures, *withheld_failures(indexed | {"tombstones": stones})])
    if fallen is not None:
        failures = pl.concat([failures, _fallen_rows(indexed, fallen)])
    if failures.is_empty() and values_without_evidence(indexed["articles"], indexed["evidence"]).is_empty():
        return CheckedShard({name: tables[name] for name in OF_SHARD}, TABLES["rejects"].empty())
    result = quarantine(indexed, failures)
    again = shard_failures(result.tables)
    if again.height:
        first = again.row(0, named=True)
        raise CopydeskError(
            f"table {first['table']}: {first['detail']}, after failing rows were taken out; please report it"
        )
    return CheckedShard({name: rows.drop("row") for name, rows in result.tables.items()}, result.rejects)


def shard_failures(tables: Tables) -> pl.DataFrame:
    """Every failure of every check within a shard: `table, row, rule, detail`, one row per row and broken rule.

    Args:
        tables: the tables of OF_SHARD, each with the index of its rows as `row`.
    """
    found = []
    for name in OF_SHARD:
        found.append(model_failures(TABLES[name], tables[name]))
        found += reference_failures(TABLES[name], tables, TABLES)
    found += offset_failures(tables)
    found += consistency_failures(tables)
    return pl.concat(found).sort("table", "row", "rule", "detail")


def check_table(name: str, rows: pl.DataFrame) -> None:
    """All rows of a table that the pipeline itself makes keep its contract: `rejects`, `tombstones`.

    Raises:
        CopydeskError: they do not, which is a fault of the stage that wrote them.
    """
    check_columns(TABLES[name], rows)
    broken = model_failures(TABLES[name], rows.with_row_index("row"))
    if broken.height:
        raise CopydeskError(f"table {name}: {broken['detail'][0]}; a stage wrote a bad row, please report it")


def _fallen_rows(tables: Tables, fallen: pl.DataFrame) -> pl.DataFrame:
    """The rows of a shard that fail for what they are to others, as failures."""
    found = [no_failures()]
    for name in ("articles", "passages"):
        rows = fallen.filter(pl.col("table") == name)
        keys = tables[name].select("row", key=TABLES[name].key[0])
        found.append(rows.join(keys, on="key").select("table", pl.col("row").cast(pl.UInt32), "rule", "detail"))
    return pl.concat(found)


def fallen_of(failures: pl.DataFrame, rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Failures between shards of articles or passages as `check_shard` takes them: `table, key, rule, detail`.

    Args:
        failures: `table, row, rule, detail`, of any tables.
        rows: rows of the table, with their index as `row`.
        table: `articles` or `passages`.
    """
    return (
        failures.filter(pl.col("table") == table)
        .join(rows.select("row", key=TABLES[table].key[0]), on="row", maintain_order="left")
        .select("table", "key", "rule", "detail")
    )
