"""What becomes of a failing row, and of what depends on it.

The unit is the source. A row of `sources`, `passages` or `articles` that fails takes its whole source along, because
the passages of a source must cover it. A row of any other table goes alone, and goes too when a row that it names is
gone. A metadata value that is left without evidence becomes null, its author is taken off the list, a date loses its
basis, and rights without their statement are unknown.

This is done before deduplication looks for copies and repeats, so that what goes leaves no trace in them. Where it is
the copies and repeats that fail, the sources go and deduplication looks again; overlaps and relations go alone, and
`shares_passages` goes with the last of the overlaps that proved it.
"""

import hashlib
from dataclasses import dataclass

import polars as pl

from flows.errors import CopydeskError
from flows.ids import reject_id
from flows.validate.between import Keys, OverlapCounts, overlap_failures, with_overlap_count
from flows.validate.consistency import values_without_evidence
from flows.validate.failures import Tables
from flows.withdrawn import without_values
from schemas.columns import SOURCE_ID
from schemas.tables import TABLES, Table

DEPENDS = "depends_on_rejected"
# Their rows make up a source, which is released whole or not at all.
PARTS = ("sources", "passages", "articles")
# Keys that hold words of a text, which a row key must not.
WORDS = {("evidence", "value")}

REJECTED: dict[str, type[pl.DataType]] = {
    "table": pl.String,
    "row": pl.UInt32,
    "source_id": pl.String,
    "row_key": pl.String,
    "rule": pl.String,
    "detail": pl.String,
}


@dataclass(frozen=True)
class Quarantined:
    """The rows that stay, with their index in the table as `row`, and the rows of `rejects` for those that go."""

    tables: Tables
    rejects: pl.DataFrame


def quarantine(tables: Tables, failures: pl.DataFrame) -> Quarantined:
    """Take failing rows out of a shard, and what depends on them, and withdraw values that lost their evidence.

    Args:
        tables: the tables of some sources, each with the index of its rows as `row`.
        failures: `table, row, rule, detail`, one row per row and broken rule.

    Raises:
        CopydeskError: a failing row belongs to no source, so that no input can be named for it.
    """
    failed = pl.concat([_named(tables, name, failures) for name in tables])
    kept, fallen = without_sources(tables, failed)
    kept, withdrawn = with_evidence_only(kept)
    rejected = pl.concat([failed, *fallen, withdrawn])
    return Quarantined(kept, reject_rows(rejected, tables["sources"], kept["sources"]["source_id"]))


def quarantine_between(found: Tables, failures: pl.DataFrame, keys: Keys, sources: pl.DataFrame) -> Quarantined:
    """Take failing overlaps and relations out, and the relations that nothing proves any more.

    Args:
        found: `overlaps` and `relations`, each with the index of its rows as `row`.
        failures: `table, row, rule, detail`, one row per row and broken rule.
        keys: of all shards.
        sources: `source_id, uri, container, record` of all sources.

    Raises:
        CopydeskError: a failing row belongs to no source, so that no input can be named for it.
    """
    owners = {
        # The later one of a pair: passage b, and the subject of a relation.
        "overlaps": found["overlaps"].select("row", source_id="b_source_id"),
        "relations": found["relations"]
        .select("row", article_id="from_article_id")
        .join(keys.articles, on="article_id", how="left")
        .select("row", "source_id"),
    }
    rejected = [named_rows(name, found[name], rows, failures) for name, rows in owners.items()]
    overlaps, relations = (
        found[name].join(rows, on="row", how="anti", maintain_order="left")
        for name, rows in zip(owners, rejected, strict=True)
    )
    counts = OverlapCounts()
    overlap_failures(overlaps, keys, counts)
    relations = with_overlap_count(relations, keys, counts)
    is_unproven = (pl.col("kind") == "shares_passages") & (pl.col("found") == 0) & (pl.col("overlap_count") > 0)
    lost = relations.filter(is_unproven).select(
        pl.lit("relations").alias("table"),
        "row",
        pl.lit(DEPENDS).alias("rule"),
        pl.lit("falls with the last of the overlaps that proved it, all of which were rejected").alias("detail"),
    )
    rejected.append(named_rows("relations", found["relations"], owners["relations"], lost))
    kept = {
        "overlaps": overlaps.drop("row"),
        "relations": relations.filter(~is_unproven)
        .with_columns(overlap_count="found")
        .select(TABLES["relations"].dtypes.keys()),
    }
    return Quarantined(kept, reject_rows(pl.concat(rejected), sources, sources["source_id"]))


def _named(tables: Tables, name: str, failures: pl.DataFrame) -> pl.DataFrame:
    """The failures of one table of a shard with the row's key and its source: columns of REJECTED."""
    rows = tables[name]
    if "source_id" in rows.columns:
        owners = rows.select("row", "source_id")
    else:
        source_of = tables["articles"].select("article_id", "source_id").unique("article_id", keep="first")
        owners = rows.select("row", "article_id").join(source_of, on="article_id", how="left").drop("article_id")
    return named_rows(name, rows, owners, failures)


def named_rows(name: str, rows: pl.DataFrame, owners: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """The failures of one table with the row's key and the source that it belongs to: columns of REJECTED.

    Args:
        name: the table.
        rows: its rows, with their index as `row`.
        owners: `row, source_id`, null where no source can be named.
        failures: `table, row, rule, detail`, of any tables.
    """
    found = failures.filter(pl.col("table") == name).unique(["row", "rule"], keep="first", maintain_order=True)
    named = found.join(owners, on="row", how="left", maintain_order="left")
    keys = rows.select("row", *TABLES[name].key).join(found.select("row").unique(), on="row", how="semi")
    row_keys = pl.DataFrame(
        {"row": keys["row"], "row_key": [row_key(TABLES[name], values) for values in keys.drop("row").iter_rows()]},
        schema={"row": pl.UInt32, "row_key": pl.String},
    )
    return named.join(row_keys, on="row", how="left", maintain_order="left").select(
        pl.col(column).cast(dtype) for column, dtype in REJECTED.items()
    )


def row_key(table: Table, values: tuple[str | None, ...]) -> str:
    """Key of a row as text. Words of a text are replaced by the beginning of their SHA-256."""
    parts = []
    for column, value in zip(table.key, values, strict=True):
        if value is not None and (table.name, column) in WORDS:
            parts.append("sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16])
        else:
            parts.append("null" if value is None else str(value))
    return "/".join(parts)


def without_sources(tables: Tables, failed: pl.DataFrame) -> tuple[Tables, list[pl.DataFrame]]:
    """Take out the failed rows, and the whole of each source that a row of PARTS failed of.

    Returns:
        The tables that are left, and frames of REJECTED for the rows that had not failed themselves.
    """
    cause = (
        failed.filter(pl.col("table").is_in(PARTS))
        .sort(pl.col("table").cast(pl.Enum(PARTS)), "row_key", "rule", nulls_last=True)
        .unique("source_id", keep="first", maintain_order=True)
        .select("source_id", because=pl.format("{} {} (rule {})", "table", "row_key", "rule"))
    )
    kept: Tables = {}
    fallen = []
    for name, rows in tables.items():
        left = rows.join(failed.filter(pl.col("table") == name), on="row", how="anti", maintain_order="left")
        if name in PARTS:
            gone = left.join(cause, on="source_id", maintain_order="left")
            detail = pl.format("falls with {}: a source is released whole or not at all", "because")
        else:
            gone = left.join(kept["articles"].select("article_id"), on="article_id", how="anti", maintain_order="left")
            detail = pl.format("falls with articles {}, which was rejected", "article_id")
        kept[name] = left.join(gone, on="row", how="anti", maintain_order="left")
        falls = gone.select(pl.lit(name).alias("table"), "row", pl.lit(DEPENDS).alias("rule"), detail.alias("detail"))
        fallen.append(_named(tables, name, falls))
    return kept, fallen


def with_evidence_only(kept: Tables) -> tuple[Tables, pl.DataFrame]:
    """Withdraw the metadata values that nothing is evidence of; each is a rejected row (columns of REJECTED)."""
    unproven = values_without_evidence(kept["articles"], kept["evidence"])
    articles = without_values(kept["articles"], unproven)
    withdrawn = unproven.join(
        articles.select("article_id", "source_id"), on="article_id", how="left", maintain_order="left"
    ).select(
        pl.lit("evidence").alias("table"),
        pl.lit(None, pl.UInt32).alias("row"),
        "source_id",
        pl.Series(
            "row_key",
            [
                row_key(TABLES["evidence"], values)
                for values in unproven.select("article_id", "field", "value").iter_rows()
            ],
            dtype=pl.String,
        ),
        pl.lit("value_without_evidence").alias("rule"),
        pl.format("articles.{} had a value without a row in evidence; it was withdrawn", "field").alias("detail"),
    )
    return kept | {"articles": articles}, withdrawn


def reject_rows(rejected: pl.DataFrame, sources: pl.DataFrame, kept: pl.Series) -> pl.DataFrame:
    """Rows of the table `rejects` for rejected rows.

    Where the source stays, its own uri and record say where; where it goes, the file and the record in it do, as for
    any other record that was turned away.

    Args:
        rejected: columns of REJECTED.
        sources: `source_id, uri, container, record` of all sources that a row may belong to.
        kept: the `source_id` of those that stay.

    Raises:
        CopydeskError: a row belongs to no source.
    """
    lost = rejected.join(sources, on="source_id", how="anti", maintain_order="left")
    if lost.height:
        first = lost.row(0, named=True)
        raise CopydeskError(
            f"table {first['table']}, row {first['row_key']}: {first['detail']}; "
            "it belongs to no source that was read, please report it"
        )
    place = sources.select("source_id", "uri", "container", "record").unique(
        "source_id", keep="first", maintain_order=True
    )
    is_kept = pl.col("source_id").is_in(kept.implode())
    rows = (
        rejected.join(place, on="source_id", how="left", maintain_order="left")
        .with_columns(
            stage=pl.lit("validate"),
            # A missing path is itself a fault that a source can be rejected for.
            uri=pl.when(is_kept).then("uri").otherwise(pl.coalesce("container", "uri")).fill_null("").replace("", "?"),
            source_id=pl.when(pl.col("source_id").str.contains(SOURCE_ID)).then("source_id"),
        )
        .sort("table", "row_key", "rule", "row", nulls_last=True)
    )
    return _with_ids(rows)


def settled(rejects: pl.DataFrame, kept: pl.Series) -> pl.DataFrame:
    """The table `rejects` as it has to read once sources have left that rows were turned away from before.

    The rows of a source that was turned away after all stand where the rest of it does, so that it is one record. Those
    of one that was taken down go with it: its tombstone says what became of it.

    Args:
        rejects: rows of the table, in any order.
        kept: the `source_id` of the sources that stay.
    """
    has_left = (
        (pl.col("stage") == "validate") & pl.col("source_id").is_not_null() & ~pl.col("source_id").is_in(kept.implode())
    )
    rows = rejects.filter(has_left)
    # A source that is turned away is so as a whole, its own row included.
    places = rows.filter(table="sources").select("source_id", place="uri").unique("source_id")
    settled = rows.join(places, on="source_id", maintain_order="left")
    if settled.height == rows.height and settled["uri"].equals(settled["place"]):
        return rejects.sort("reject_id")
    moved = settled.sort("table", "row_key", "rule", "reject_id").with_columns(uri="place")
    return pl.concat([rejects.filter(~has_left), _with_ids(moved)]).sort("reject_id")


def _with_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `rejects`, sorted by key, for rows that have all of its columns but `reject_id`."""
    named = ["stage", "rule", "uri", "record", "table", "row_key"]
    rows = rows.with_columns(nth=pl.int_range(pl.len()).over(named))
    ids = [
        # Two rows may have the same key, which may be what they are rejected for.
        reject_id(stage, rule, uri, record, table=table, row_key=f"{key} {nth}" if nth else key)
        for stage, rule, uri, record, table, key, nth in rows.select(*named, "nth").iter_rows()
    ]
    return (
        rows.with_columns(reject_id=pl.Series(ids, dtype=pl.String))
        .select(pl.col(column).cast(dtype) for column, dtype in TABLES["rejects"].dtypes.items())
        .sort("reject_id")
    )
