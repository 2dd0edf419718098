"""The gate before a release: every row against its model, its keys, its references and the text that it speaks of.

Most can be said within a shard, before deduplication: `check_shard`. What deduplication found of the sources of
different shards is looked at afterwards: `check_between`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from flows.errors import CopydeskError
from flows.validate.between import Keys, between_failures
from flows.validate.consistency import consistency_failures, values_without_evidence
from flows.validate.failures import Tables, no_failures
from flows.validate.models import check_columns, model_failures
from flows.validate.offsets import offset_failures
from flows.validate.quarantine import quarantine, quarantine_between
from flows.validate.references import reference_failures
from schemas.tables import TABLES

# Tables whose rows lie in the shard of their source; parents before their children.
OF_SHARD = ("sources", "passages", "articles", "evidence")
# A table of `flows.validate.between` → the released table whose columns it holds, and that table's key.
ROWS_OF = {"clusters": ("articles", "article_id"), "repeats": ("passages", "passage_id")}


@dataclass(frozen=True)
class CheckedShard:
    """What of a shard passed the gate.

    Attributes:
        tables: the rows that stay, in their order.
        rejects: rows of the table `rejects` for those that went, sorted by key.
    """

    tables: Tables
    rejects: pl.DataFrame


@dataclass(frozen=True)
class CheckedBetween:
    """What of the findings of deduplication passed the gate.

    Attributes:
        overlaps: the rows to release.
        relations: the rows to release.
        rejects: rows of the table `rejects` for those that went, sorted by key.
        fallen: `table, key, rule, detail`: rows of articles and passages that fail. Their sources cannot be released,
            and without them deduplication finds something else; nothing of the above counts before it has.
    """

    overlaps: pl.DataFrame
    relations: pl.DataFrame
    rejects: pl.DataFrame
    fallen: pl.DataFrame


def check_shard(tables: Mapping[str, pl.DataFrame], fallen: pl.DataFrame | None = None) -> CheckedShard:
    """Check the rows of some sources, and turn failing ones away with what depends on them.

    Args:
        tables: the tables of OF_SHARD, all rows of some sources.
        fallen: as `check_between` gives it: rows that fail for what they are to other shards.

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


def check_rejects(rejects: pl.DataFrame) -> None:
    """The rows that were turned away keep the contract of their table.

    Raises:
        CopydeskError: they do not, which is a fault of the stage that turned them away.
    """
    check_columns(TABLES["rejects"], rejects)
    broken = model_failures(TABLES["rejects"], rejects.with_row_index("row"))
    if broken.height:
        raise CopydeskError(f"table rejects: {broken['detail'][0]}; a stage wrote a bad row, please report it")


def _fallen_rows(tables: Tables, fallen: pl.DataFrame) -> pl.DataFrame:
    """The rows of a shard that fail for what they are to others, as failures."""
    found = [no_failures()]
    for name in ("articles", "passages"):
        rows = fallen.filter(pl.col("table") == name)
        keys = tables[name].select("row", key=TABLES[name].key[0])
        found.append(rows.join(keys, on="key").select("table", pl.col("row").cast(pl.UInt32), "rule", "detail"))
    return pl.concat(found)


def check_between(found: Mapping[str, pl.DataFrame], keys: Keys, sources: Callable[[], pl.DataFrame]) -> CheckedBetween:
    """Check what deduplication found, and turn failing overlaps and relations away.

    Args:
        found: `clusters`, `repeats`, `overlaps` and `relations`.
        keys: of all shards.
        sources: gives `source_id, uri, container, record` of all sources; asked only where something fails.

    Raises:
        CopydeskError: a table does not have the columns of its model, or a failing row belongs to no source.
    """
    for name in ("overlaps", "relations"):
        check_columns(TABLES[name], found[name])
    indexed = {name: rows.with_row_index("row") for name, rows in found.items()}
    failures = between_failures(indexed, keys)
    fallen = pl.concat([_fallen(indexed[name], name, failures) for name in ROWS_OF])
    kept = {name: found[name] for name in ("overlaps", "relations")}
    rejects = TABLES["rejects"].empty()
    if failures.height and fallen.is_empty():
        result = quarantine_between(indexed, failures, keys, sources())
        kept, rejects = result.tables, result.rejects
    return CheckedBetween(**kept, rejects=rejects, fallen=fallen)


def _fallen(rows: pl.DataFrame, name: str, failures: pl.DataFrame) -> pl.DataFrame:
    """The failing rows of a table of ROWS_OF as `table, key, rule, detail`."""
    table, key = ROWS_OF[name]
    return (
        failures.filter(pl.col("table") == table)
        .join(rows.select("row", key=key), on="row", maintain_order="left")
        .select("table", "key", "rule", "detail")
    )
