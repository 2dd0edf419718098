"""The stage: articles and passages in; the same with their repeats marked, and the tables of repeats, out."""

from dataclasses import dataclass

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
class Deduplicated:
    """What the stage hands on: rows of the released tables, each sorted as it is released."""

    articles: pl.DataFrame
    passages: pl.DataFrame
    overlaps: pl.DataFrame
    relations: pl.DataFrame


def deduplicate(articles: pl.DataFrame, passages: pl.DataFrame, settings: Settings) -> Deduplicated:
    """Mark what repeats an earlier article or passage, and relate it.

    Args:
        articles: rows of the table `articles`, each its own cluster and canonical.
        passages: rows of the table `passages`, content kept and the rest dropped under the name of its role.
        settings: thresholds.

    Returns:
        The two tables with clusters, repeats and `unique_text` filled in, and `overlaps` and `relations`. No row is
        added or lost. "Earlier" is the survivor order of the articles, then the reading order.
    """
    order = survivor_order(articles)
    copies = copies_of_survivors(_documents(articles, passages, order), settings)
    survivors = _survivors(order, copies)
    lines = _lines(articles, passages, order)
    matches = passage_matches(lines, settings)
    overlaps = _overlaps(matches, lines)
    passages = _with_repeats(passages, matches, lines)
    unique_texts = joined_texts(passages.filter("is_kept")).select("article_id", kept_text="text")
    articles = (
        articles.drop("cluster_id", "is_canonical", "unique_text")
        .join(survivors, on="article_id")
        .join(unique_texts, on="article_id", how="left")
        .with_columns(
            unique_text=pl.when(pl.col("text").is_not_null()).then(pl.col("kept_text").fill_null("")),
            is_canonical=pl.col("cluster_id") == pl.col("article_id"),
        )
    )
    relations = relations_from(articles, copies, overlaps, lines, order)
    return Deduplicated(
        articles=_as_released("articles", articles),
        passages=_as_released("passages", passages),
        overlaps=_as_released("overlaps", overlaps),
        relations=_as_released("relations", relations),
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


def _with_repeats(passages: pl.DataFrame, matches: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Rows of `passages` with the earliest passage that each repeats as a whole; content that does is not kept."""
    names = lines.select("item", "passage_id")
    repeats = (
        matches.filter("is_whole")
        .sort("b", "a")
        .unique("b", keep="first", maintain_order=True)
        .join(names.select(a="item", repeats_passage_id="passage_id"), on="a")
        .join(names.select("passage_id", b="item"), on="b")
        .select("passage_id", "repeats_passage_id", repeat_kind="kind")
    )
    is_repeat = pl.col("is_kept") & pl.col("repeats_passage_id").is_not_null()
    return (
        passages.drop("repeats_passage_id", "repeat_kind")
        .join(repeats, on="passage_id", how="left")
        .with_columns(
            is_kept=pl.col("is_kept") & ~is_repeat,
            drop_reason=pl.when(is_repeat).then(pl.lit(REPEAT)).otherwise("drop_reason"),
        )
    )
