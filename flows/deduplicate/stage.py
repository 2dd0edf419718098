"""The stage: articles and passages in; the same with their repeats marked, and the tables of repeats, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.deduplicate.cluster import survivor_order
from flows.deduplicate.near import copies as copies_of_survivors
from flows.deduplicate.relations import relations_from
from flows.deduplicate.reuse import located, passage_matches
from flows.settings import Settings
from flows.text import joined_texts
from schemas.columns import CONTENT_ROLES, REPEAT
from schemas.tables import TABLES


@dataclass(frozen=True)
class Repeats:
    """What repeats what, over all shards; small beside the corpus.

    Attributes:
        clusters: `article_id, cluster_id`: one row per article that is not its own cluster, sorted.
        repeats: `passage_id, repeats_passage_id, repeat_kind`: one row per passage that repeats one as a whole, sorted.
        overlaps: rows of the released table.
        relations: rows of the released table.
    """

    clusters: pl.DataFrame
    repeats: pl.DataFrame
    overlaps: pl.DataFrame
    relations: pl.DataFrame


@dataclass(frozen=True)
class Deduplicated:
    """What the stage hands on: rows of the released tables, each sorted as it is released."""

    articles: pl.DataFrame
    passages: pl.DataFrame
    overlaps: pl.DataFrame
    relations: pl.DataFrame


def find_repeats(articles: Sequence[Path], passages: Sequence[Path], settings: Settings, work: Path) -> Repeats:
    """Find what repeats an earlier article or passage, and how articles hang together.

    "Earlier" is the survivor order of the articles, then the reading order.

    Args:
        articles: Parquet files, the shards of the table `articles`, each its own cluster and canonical.
        passages: Parquet files, the shards of the table `passages`, content kept and the rest dropped under the name of
            its role. File i of both speaks of the same sources; shards are ranges of `source_id` in ascending order.
        settings: thresholds and `deduplicate_memory_bytes`.
        work: a folder for temporary files; it need not exist, and nothing is left in it.
    """
    del work
    return _found(_read(articles, "articles"), _read(passages, "passages"), settings)


def with_repeats(articles: pl.DataFrame, passages: pl.DataFrame, found: Repeats) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mark in one shard what repeats an earlier article or passage.

    Args:
        articles: rows of the table `articles`, each its own cluster and canonical.
        passages: rows of the table `passages` of the same sources, content kept and the rest dropped under the name of
            its role.
        found: what was found over all shards.

    Returns:
        The two tables as they are released: `cluster_id`, `is_canonical` and `unique_text`, `repeats_passage_id`,
        `repeat_kind`, `is_kept` and `drop_reason` are filled in. No row is added or lost.
    """
    is_repeat = pl.col("is_kept") & pl.col("repeats_passage_id").is_not_null()
    passages = (
        passages.drop("repeats_passage_id", "repeat_kind")
        .join(found.repeats, on="passage_id", how="left")
        .with_columns(
            is_kept=pl.col("is_kept") & ~is_repeat,
            drop_reason=pl.when(is_repeat).then(pl.lit(REPEAT)).otherwise("drop_reason"),
        )
    )
    unique_texts = joined_texts(passages.filter("is_kept")).select("article_id", kept_text="text")
    articles = (
        articles.drop("cluster_id", "is_canonical", "unique_text")
        .join(found.clusters, on="article_id", how="left")
        .join(unique_texts, on="article_id", how="left")
        .with_columns(
            cluster_id=pl.coalesce("cluster_id", "article_id"),
            is_canonical=pl.col("cluster_id").is_null(),
            unique_text=pl.when(pl.col("text").is_not_null()).then(pl.col("kept_text").fill_null("")),
        )
    )
    return _as_released("articles", articles), _as_released("passages", passages)


def deduplicate(articles: pl.DataFrame, passages: pl.DataFrame, settings: Settings) -> Deduplicated:
    """`find_repeats` and `with_repeats` of tables that fit into memory.

    Args:
        articles: rows of the table `articles`, each its own cluster and canonical.
        passages: rows of the table `passages`, content kept and the rest dropped under the name of its role.
        settings: thresholds.
    """
    found = _found(articles, passages, settings)
    articles, passages = with_repeats(articles, passages, found)
    return Deduplicated(articles, passages, found.overlaps, found.relations)


def _read(shards: Sequence[Path], name: str) -> pl.DataFrame:
    """The rows of all shards of a table."""
    return pl.concat([TABLES[name].empty(), *(pl.read_parquet(shard) for shard in shards)])


def _found(articles: pl.DataFrame, passages: pl.DataFrame, settings: Settings) -> Repeats:
    """What `find_repeats` finds in tables that are in memory."""
    order = survivor_order(articles)
    copies = copies_of_survivors(_documents(articles, passages, order), settings)
    survivors = _survivors(order, copies)
    lines = _lines(articles, passages, order)
    matches = passage_matches(lines, settings)
    overlaps = _overlaps(matches, lines)
    clustered = articles.drop("cluster_id").join(survivors, on="article_id")
    return Repeats(
        clusters=survivors.filter(pl.col("cluster_id") != pl.col("article_id")).sort("article_id"),
        repeats=_repeats(matches, lines),
        overlaps=_as_released("overlaps", overlaps),
        relations=_as_released("relations", relations_from(clustered, copies, overlaps, lines, order)),
    )


def _as_released(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns, types and order of the released table."""
    table = TABLES[name]
    return rows.select(table.dtypes.keys()).cast(pl.Schema(table.dtypes)).sort(table.order).rechunk()


def _documents(articles: pl.DataFrame, passages: pl.DataFrame, order: pl.DataFrame) -> pl.DataFrame:
    """`item, text, form, source_id`: one row per article; its content alone, so that furniture never counts."""
    form = pl.when(pl.col("kind").is_in(["article", "interview"])).then(pl.lit("article")).otherwise("kind")
    texts = joined_texts(passages)
    return (
        articles.select("article_id", "source_id", form=form)
        .join(order, on="article_id")
        .join(texts, on="article_id", how="left")
        .select("text", "form", "source_id", item="rank")
        .sort("item")
    )


def _survivors(order: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """`article_id, cluster_id`: one row per article; one without copies is its own cluster."""
    return (
        order.join(copies.select(cluster="a", rank="b"), on="rank", how="left")
        .with_columns(cluster=pl.coalesce("cluster", "rank"))
        .join(order.select(cluster="rank", cluster_id="article_id"), on="cluster")
        .select("article_id", "cluster_id")
    )


def _lines(articles: pl.DataFrame, passages: pl.DataFrame, order: pl.DataFrame) -> pl.DataFrame:
    """Passages in the order in which they count as earlier, with what is compared of their articles.

    A passage outside any article belongs to the page; it goes with the page's first article in survivor order.

    Returns:
        One row per passage of a source with an article: `item` (UInt32, from 0), `article` (the article's rank),
        `passage_id, article_id, source_id, role, is_content, text, char_start, char_count, publisher, outlet,
        authors`.
    """
    ranked = articles.select("article_id", "source_id", "publisher", "republisher", "authors").join(
        order, on="article_id"
    )
    of_page = (
        ranked.sort("rank").group_by("source_id", maintain_order=True).agg(page_article_id=pl.col("article_id").first())
    )
    return (
        passages.join(of_page, on="source_id")
        .with_columns(pl.coalesce("article_id", "page_article_id").alias("article_id"))
        .join(ranked.drop("source_id"), on="article_id")
        .sort("rank", "source_id", "ordinal")
        .select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("item"),
            "passage_id",
            "article_id",
            "source_id",
            "role",
            "text",
            "char_start",
            "char_count",
            "publisher",
            "authors",
            article="rank",
            is_content=pl.col("role").is_in(CONTENT_ROLES),
            outlet=pl.coalesce("republisher", "publisher"),
        )
    )


def _overlaps(matches: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Rows of `overlaps`: per passage that repeats one of another source, the earliest; whole repeats go first."""
    names = lines.select("item", "passage_id", "source_id")
    return (
        matches.join(names.select(a="item", a_passage_id="passage_id", a_source_id="source_id"), on="a")
        .join(names.select(b="item", b_passage_id="passage_id", b_source_id="source_id"), on="b")
        .filter(pl.col("a_source_id") != pl.col("b_source_id"))
        .sort(["b", "is_whole", "a"], descending=[False, True, False])
        .unique("b", keep="first", maintain_order=True)
        .pipe(located, lines)
    )


def _repeats(matches: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each passage that repeats another as a whole, and the earliest such: the table `repeats` of `Repeats`."""
    names = lines.select("item", "passage_id")
    return (
        matches.filter("is_whole")
        .sort("b", "a")
        .unique("b", keep="first", maintain_order=True)
        .join(names.select(a="item", repeats_passage_id="passage_id"), on="a")
        .join(names.select("passage_id", b="item"), on="b")
        .select("passage_id", "repeats_passage_id", repeat_kind="kind")
        .sort("passage_id")
    )
