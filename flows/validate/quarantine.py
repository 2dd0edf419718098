"""What becomes of a failing row, and of what depends on it.

The unit is the source. A row of `sources`, `passages` or `articles` that fails takes its whole source along, because
the passages of a source must cover it. A row of any other table goes alone, and goes too when a row that it names is
gone. What the rest still says of the rows that went is withdrawn, down to what the released tables prove:

- a passage that repeats one that went is no repeat any more, and is kept;
- a cluster whose canonical article went is dissolved: the relations that held it together ended in that article;
- a metadata value without evidence becomes null, its author is taken off the list, a date loses its basis, and rights
  without their statement are unknown;
- relations count the overlaps that are left, and `shares_passages` goes with the last of them.
"""

import hashlib
from dataclasses import dataclass

import polars as pl

from flows.errors import CopydeskError
from flows.ids import reject_id
from flows.text import joined_texts
from flows.validate.consistency import values_without_evidence, with_overlap_count
from flows.validate.failures import Tables
from schemas.columns import EVIDENCE_FIELDS, REPEAT, SOURCE_ID
from schemas.tables import TABLES, Table

DEPENDS = "depends_on_rejected"
# Their rows make up a source, which is released whole or not at all.
PARTS = ("sources", "passages", "articles")
# What a row says of another without standing or falling with it.
MENDED = {("passages", "repeats_passage_id"), ("articles", "cluster_id")}
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
    """Take failing rows out, and what depends on them, and withdraw what the rest says of them.

    Args:
        tables: all tables, each with the index of its rows as `row`.
        failures: `table, row, rule, detail`, one row per row and broken rule.

    Raises:
        CopydeskError: a failing row belongs to no source, so that no input can be named for it.
    """
    failed = pl.concat([named_rows(tables, name, failures) for name in tables])
    rejected = [failed]
    kept, fallen = without_sources(tables, failed)
    rejected += fallen
    while True:
        kept, fallen = without_dangling(tables, kept)
        rejected += fallen
        if not fallen:
            break
    kept, lost_proof = with_current_relations(kept)
    kept, withdrawn = with_evidence_only(kept)
    rejected += [named_rows(tables, "relations", lost_proof), withdrawn]
    kept = with_mended_articles(with_mended_passages(kept))
    return Quarantined(kept, reject_rows(pl.concat(rejected), tables["sources"], kept["sources"]))


def named_rows(tables: Tables, name: str, failures: pl.DataFrame) -> pl.DataFrame:
    """The failures of one table with the row's key and the source that it belongs to: columns of REJECTED."""
    table, rows = TABLES[name], tables[name]
    found = failures.filter(pl.col("table") == name).unique(["row", "rule"], keep="first", maintain_order=True)
    named = found.join(with_source(tables, name), on="row", how="left", maintain_order="left")
    keys = rows.select("row", *table.key).join(found.select("row").unique(), on="row", how="semi")
    row_keys = pl.DataFrame(
        {"row": keys["row"], "row_key": [row_key(table, values) for values in keys.drop("row").iter_rows()]},
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


def with_source(tables: Tables, name: str) -> pl.DataFrame:
    """`row, source_id`: the source that each row of a table belongs to, the later one for a pair; null if unknown."""
    rows = tables[name]
    if "source_id" in rows.columns:
        return rows.select("row", "source_id")
    source_of = tables["articles"].select("article_id", "source_id").unique("article_id", keep="first")
    if name == "overlaps":
        source_of = tables["passages"].select("passage_id", "source_id").unique("passage_id", keep="first")
    key = source_of.columns[0]
    # The first reference that leads to a source: for a pair of passages b, for a relation its subject.
    columns = [column for column, target in TABLES[name].references.items() if TABLES[target].key == (key,)]
    columns = sorted(columns, key=lambda column: not column.startswith("b_"))
    for column in columns:
        rows = rows.join(
            source_of.rename({"source_id": f"source of {column}"}),
            left_on=column,
            right_on=key,
            how="left",
            maintain_order="left",
        )
    found = [f"source of {column}" for column in columns]
    return rows.select("row", source_id=pl.coalesce(*found) if found else pl.lit(None, pl.String))


def without_sources(tables: Tables, failed: pl.DataFrame) -> tuple[Tables, list[pl.DataFrame]]:
    """Take out the failed rows, and of `sources`, `passages` and `articles` the whole of each source with one.

    Returns:
        The tables that are left, and frames of REJECTED for the rows that had not failed themselves.
    """
    cause = (
        failed.filter(pl.col("table").is_in(PARTS))
        .sort(pl.col("table").cast(pl.Enum(PARTS)), "row_key", "rule", nulls_last=True)
        .unique("source_id", keep="first", maintain_order=True)
        .select("source_id", because=pl.format("{} {} (rule {})", "table", "row_key", "rule"))
    )
    kept, fallen = {}, []
    for name, rows in tables.items():
        own = failed.filter(pl.col("table") == name).select("row")
        kept[name] = rows.join(own, on="row", how="anti", maintain_order="left")
        if name in PARTS:
            gone = kept[name].join(cause, on="source_id", maintain_order="left")
            kept[name] = kept[name].join(gone.select("row"), on="row", how="anti", maintain_order="left")
            detail = pl.format("falls with {}: a source is released whole or not at all", "because")
            fallen.append(dependents(tables, name, gone.with_columns(detail=detail)))
    return kept, fallen


def without_dangling(tables: Tables, kept: Tables) -> tuple[Tables, list[pl.DataFrame]]:
    """Take out the rows that name a row which is gone: what is left, and frames of REJECTED if there were any."""
    left, fallen = dict(kept), []
    for name in kept:
        for column, target in TABLES[name].references.items():
            if (name, column) in MENDED:
                continue
            keys = kept[target].select(pl.col(TABLES[target].key[0]).alias(column))
            dangling = left[name].drop_nulls(column).join(keys, on=column, how="anti", maintain_order="left")
            if dangling.height:
                left[name] = left[name].join(dangling.select("row"), on="row", how="anti", maintain_order="left")
                detail = pl.format(f"falls with {target} {{}}, which was rejected", column)
                fallen.append(dependents(tables, name, dangling.with_columns(detail=detail)))
    return left, fallen


def dependents(tables: Tables, name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that fall with another (columns `row`, `detail`) as rejected rows: columns of REJECTED."""
    failures = rows.select(pl.lit(name).alias("table"), "row", pl.lit(DEPENDS).alias("rule"), "detail")
    return named_rows(tables, name, failures)


def with_current_relations(kept: Tables) -> tuple[Tables, pl.DataFrame]:
    """Count overlaps again; the relations `shares_passages` that lost all of them go (`table, row, rule, detail`)."""
    relations = with_overlap_count(kept["relations"], kept["overlaps"], kept["passages"])
    is_unproven = (pl.col("kind") == "shares_passages") & (pl.col("found") == 0) & (pl.col("overlap_count") > 0)
    lost = relations.filter(is_unproven).select(
        pl.lit("relations").alias("table"),
        "row",
        pl.lit(DEPENDS).alias("rule"),
        pl.lit("falls with the last of the overlaps that proved it, all of which were rejected").alias("detail"),
    )
    left = relations.filter(~is_unproven).with_columns(overlap_count="found").drop("found")
    return kept | {"relations": left}, lost


def with_evidence_only(kept: Tables) -> tuple[Tables, pl.DataFrame]:
    """Withdraw the metadata values that nothing is evidence of; each is a rejected row (columns of REJECTED)."""
    articles = kept["articles"]
    unproven = values_without_evidence(articles, kept["evidence"])
    for field in EVIDENCE_FIELDS:
        ids = unproven.filter(pl.col("field") == field)
        if ids.is_empty():
            continue
        if field == "authors":
            articles = without_authors(articles, ids)
        else:
            is_unproven = pl.col("article_id").is_in(ids["article_id"].implode())
            lost = [pl.when(is_unproven).then(None).otherwise(pl.col(field)).alias(field)]
            if field == "published_date":
                basis = "published_date_basis"
                lost.append(pl.when(is_unproven).then(None).otherwise(pl.col(basis)).alias(basis))
            if field == "rights_statement":
                policy = pl.when(is_unproven).then(pl.lit("unknown")).otherwise("rights_policy")
                lost.append(policy.alias("rights_policy"))
            articles = articles.with_columns(lost)
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


def without_authors(articles: pl.DataFrame, unproven: pl.DataFrame) -> pl.DataFrame:
    """Take the authors `article_id, value` off the lists of their articles."""
    left = (
        articles.select("row", "article_id", value="authors")
        .explode("value", empty_as_null=True)
        .drop_nulls("value")
        .join(unproven, on=["article_id", "value"], how="anti", maintain_order="left")
        .group_by("row", maintain_order=True)
        .agg(authors="value")
    )
    return (
        articles.drop("authors")
        .join(left, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("authors").fill_null(pl.lit([], pl.List(pl.String))))
        .select(articles.columns)
    )


def with_mended_passages(kept: Tables) -> Tables:
    """Keep the passages that repeated one which is gone."""
    passages = kept["passages"]
    is_alone = ~pl.col("repeats_passage_id").is_in(passages["passage_id"].implode()).fill_null(True)
    is_repeat = is_alone & (pl.col("drop_reason") == REPEAT).fill_null(False)
    mended = passages.with_columns(
        is_kept=pl.col("is_kept") | is_repeat,
        drop_reason=pl.when(~is_repeat).then("drop_reason"),
        repeats_passage_id=pl.when(~is_alone).then("repeats_passage_id"),
        repeat_kind=pl.when(~is_alone).then("repeat_kind"),
    )
    return kept | {"passages": mended}


def with_mended_articles(kept: Tables) -> Tables:
    """Dissolve clusters whose canonical article is gone, and join `unique_text` from what is kept now."""
    articles = kept["articles"]
    is_alone = ~pl.col("cluster_id").is_in(articles["article_id"].implode())
    unique = joined_texts(kept["passages"].filter("is_kept")).select(
        "article_id", pl.lit(True).alias("has_kept"), "text"
    )
    mended = (
        articles.with_columns(
            cluster_id=pl.when(is_alone).then("article_id").otherwise("cluster_id"),
            is_canonical=pl.col("is_canonical") | is_alone,
        )
        .join(unique.rename({"text": "kept"}), on="article_id", how="left", maintain_order="left")
        .with_columns(
            unique_text=pl.when(pl.col("text").is_null())
            .then("unique_text")
            .when("has_kept")
            .then("kept")
            .otherwise(pl.lit(""))
        )
        .select(articles.columns)
    )
    return kept | {"articles": mended}


def reject_rows(rejected: pl.DataFrame, sources: pl.DataFrame, kept_sources: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `rejects` for rejected rows.

    Where the source stays, its own uri and record say where; where it goes, the file and the record in it do, as for
    any other record that was turned away.

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
    is_kept = pl.col("source_id").is_in(kept_sources["source_id"].implode())
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
