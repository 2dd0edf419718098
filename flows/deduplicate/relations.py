"""How articles hang together: copies, parts, series, shared passages, and what a page derived from an article.

Articles go by rank, their place in the survivor order, until their ids are written at the end.
"""

import numpy as np
import polars as pl

from flows.deduplicate.passages import Passages

# A transcript and a summary are made from an article by the page that holds both.
_DERIVED = ("transcript", "summary")


def relations_from(passages: Passages, clusters: pl.Series, copies: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Relate articles.

    Args:
        passages: of all shards.
        clusters: of each rank that of its survivor.
        copies: as `flows.deduplicate.near.copies` gives them.
        found: as `flows.deduplicate.overlaps.overlapping` gives them.

    Returns:
        `from_article_id, to_article_id, kind, score, method, overlap_count`: one row per pair and kind. Scores:
        of copies that of the edge; of `shares_passages` the share of the later article's content (in characters) that
        its overlaps with the earlier one cover; of the rest null.
    """
    articles = passages.articles.sort("rank").with_columns(cluster=clusters)
    shared = _shared(passages, found)
    related = pl.concat([_copies(copies), _sharing(passages, articles, shared), _derived(articles)])
    counts = pl.concat(
        [
            shared.select(subject="later", object="earlier", count="overlap_count"),
            shared.select(subject="earlier", object="later", count="overlap_count"),
        ]
    )
    ids = articles["article_id"]
    return related.join(counts, on=["subject", "object"], how="left").select(
        pl.lit(ids).gather(pl.col("subject")).alias("from_article_id"),
        pl.lit(ids).gather(pl.col("object")).alias("to_article_id"),
        "kind",
        "score",
        "method",
        overlap_count=pl.col("count").fill_null(0),
    )


def _shared(passages: Passages, found: pl.DataFrame) -> pl.DataFrame:
    """`earlier, later, overlap_count, content_chars, has_content`: one row per pair of articles with overlaps.

    What stands on their pages before and after them is no part of them.
    """
    a_row, b_row = found["a_row"].to_numpy(), found["b_row"].to_numpy()
    is_inside = passages.is_inside[a_row] & passages.is_inside[b_row]
    a_row, b_row = a_row[is_inside], b_row[is_inside]
    is_content = passages.is_content
    return (
        pl.DataFrame(
            {
                "earlier": passages.ranks_of(a_row),
                "later": passages.ranks_of(b_row),
                "is_content": is_content[a_row] & is_content[b_row],
                "char_count": found["b_char_count"].filter(pl.Series(is_inside)),
            },
            schema_overrides={"earlier": pl.UInt32, "later": pl.UInt32},
        )
        .group_by("earlier", "later")
        .agg(
            overlap_count=pl.len(),
            content_chars=pl.col("char_count").filter("is_content").sum().cast(pl.Int64),
            has_content=pl.col("is_content").any(),
        )
        .sort("earlier", "later")
    )


def _copies(copies: pl.DataFrame) -> pl.DataFrame:
    """The relation of each copy to its survivor; the whole is the subject of `contains`."""
    is_whole = (pl.col("kind") == "contains") & (pl.col("b_coverage") < pl.col("a_coverage"))
    is_part = (pl.col("kind") == "contains") & ~is_whole
    return copies.select(
        pl.when(is_part).then("a").otherwise("b").alias("subject"),
        pl.when(is_part).then("b").otherwise("a").alias("object"),
        "kind",
        "score",
        method=pl.when(pl.col("kind") == "duplicate_of")
        .then(pl.lit("same_words"))
        .otherwise(pl.lit("shingle_coverage")),
    )


def _sharing(passages: Passages, articles: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """`shares_passages` and `same_series` of articles that share content without being copies."""
    content = np.flatnonzero(passages.is_content & (passages.article >= 0))
    # Sums of whole numbers below 2⁵³ are exact, whatever their order.
    totals = np.bincount(passages.ranks_of(content), weights=passages.char_count[content], minlength=articles.height)
    facts = articles.select("rank", "cluster", "source_id", "publisher", "authors")
    pairs = (
        shared.filter("has_content")
        .join(
            facts.rename({name: f"earlier_{name}" for name in facts.columns}),
            left_on="earlier",
            right_on="earlier_rank",
        )
        .join(facts.rename({name: f"later_{name}" for name in facts.columns}), left_on="later", right_on="later_rank")
        .filter(pl.col("earlier_cluster") != pl.col("later_cluster"))
        # Parts of one page are made from one another: `derived_from` says so.
        .filter(pl.col("earlier_source_id") != pl.col("later_source_id"))
    )
    has_author_in_common = pl.col("earlier_authors").list.set_intersection("later_authors").list.len() > 0
    series = pairs.filter(has_author_in_common, pl.col("earlier_publisher") == pl.col("later_publisher"))
    return pl.concat(
        [
            pairs.select(
                subject="later",
                object="earlier",
                kind=pl.lit("shares_passages"),
                score=(pl.col("content_chars") / pl.lit(pl.Series(totals)).gather(pl.col("later"))).clip(0, 1),
                method=pl.lit("content_overlap"),
            ),
            series.select(
                subject="later",
                object="earlier",
                kind=pl.lit("same_series"),
                score=pl.lit(None, dtype=pl.Float64),
                method=pl.lit("same_publisher_and_author"),
            ),
        ]
    )


def _derived(articles: pl.DataFrame) -> pl.DataFrame:
    """`derived_from`: a transcript or summary and the next article of its source, or the last one before it."""
    parts = articles.select("rank", "source_id", "kind", "ordinal").sort("source_id", "ordinal")
    original = pl.when(~pl.col("kind").is_in(_DERIVED)).then("rank")
    following = original.fill_null(strategy="backward").over("source_id")
    preceding = original.fill_null(strategy="forward").over("source_id")
    return (
        parts.with_columns(original=pl.coalesce(following, preceding))
        .filter(pl.col("kind").is_in(_DERIVED), pl.col("original").is_not_null())
        .select(
            subject="rank",
            object="original",
            kind=pl.lit("derived_from"),
            score=pl.lit(None, dtype=pl.Float64),
            method=pl.lit("compound_page"),
        )
    )
