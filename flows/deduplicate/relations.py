"""How articles hang together: copies, parts, series, shared passages, and what a page derived from an article."""

import polars as pl

# A transcript and a summary are made from an article by the page that holds both.
_DERIVED = ("transcript", "summary")


def relations_from(
    articles: pl.DataFrame, copies: pl.DataFrame, overlaps: pl.DataFrame, lines: pl.DataFrame, order: pl.DataFrame
) -> pl.DataFrame:
    """Relate articles.

    Args:
        articles: with their clusters.
        copies: as `flows.deduplicate.near.near_duplicates` gives them, of the ranks of articles.
        overlaps: rows of the table `overlaps`.
        lines: `passage_id, article_id, is_content, char_count`: the article that each passage counts for.
        order: `article_id, rank`.

    Returns:
        `from_article_id, to_article_id, kind, score, method, overlap_count`: one row per pair and kind. Scores:
        of copies that of the edge; of `shares_passages` the share of the later article's content (in characters) that
        its overlaps with the earlier one cover; of the rest null.
    """
    shared = _shared(overlaps, lines)
    found = pl.concat(
        [
            _copies(articles, copies, order),
            _sharing(articles, shared, lines),
            _derived(articles),
        ]
    )
    counts = pl.concat(
        [
            shared.select(from_article_id="later", to_article_id="earlier", count="overlap_count"),
            shared.select(from_article_id="earlier", to_article_id="later", count="overlap_count"),
        ]
    )
    return found.join(counts, on=["from_article_id", "to_article_id"], how="left").with_columns(
        overlap_count=pl.col("count").fill_null(0)
    )


def _shared(overlaps: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """`earlier, later, overlap_count, content_chars, has_content`: one row per pair of articles with overlaps."""
    facts = lines.select("passage_id", "article_id", "is_content")
    is_content = pl.col("a_content") & pl.col("b_content")
    return (
        overlaps.join(
            facts.select(a_passage_id="passage_id", earlier="article_id", a_content="is_content"), on="a_passage_id"
        )
        .join(facts.select(b_passage_id="passage_id", later="article_id", b_content="is_content"), on="b_passage_id")
        .group_by("earlier", "later")
        .agg(
            overlap_count=pl.len(),
            content_chars=pl.col("b_char_count").filter(is_content).sum().cast(pl.Int64),
            has_content=is_content.any(),
        )
        .sort("earlier", "later")
    )


def _copies(articles: pl.DataFrame, copies: pl.DataFrame, order: pl.DataFrame) -> pl.DataFrame:
    """The relation of each copy to its survivor; the whole is the subject of `contains`."""
    ranks = articles.join(order, on="article_id")
    clusters = ranks.select("article_id", "rank", "cluster_id").join(
        order.select(cluster_id="article_id", survivor="rank"), on="cluster_id"
    )
    # A copy of the same words as a copy of the survivor has no edge to the survivor itself; it stands as that one does.
    equal = copies.filter(pl.col("kind") == "duplicate_of").select(rank="b", first="a")
    edges = copies.select("kind", "score", "a_coverage", "b_coverage", survivor="a", twin="b")
    b_is_part = (pl.col("kind") != "contains") | (pl.col("b_coverage") >= pl.col("a_coverage"))
    is_whole_first = (pl.col("kind") == "contains") & b_is_part
    return (
        clusters.filter(pl.col("rank") != pl.col("survivor"))
        .join(equal, on="rank", how="left")
        .with_columns(
            twin=pl.when(pl.col("first").is_null() | (pl.col("first") == pl.col("survivor")))
            .then("rank")
            .otherwise("first")
        )
        .join(edges, on=["survivor", "twin"])
        .select(
            from_article_id=pl.when(is_whole_first).then("cluster_id").otherwise("article_id"),
            to_article_id=pl.when(is_whole_first).then("article_id").otherwise("cluster_id"),
            kind="kind",
            score="score",
            method=pl.when(pl.col("kind") == "duplicate_of")
            .then(pl.lit("same_words"))
            .otherwise(pl.lit("shingle_coverage")),
        )
    )


def _sharing(articles: pl.DataFrame, shared: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """`shares_passages` and `same_series` of articles that share content without being copies."""
    facts = articles.select("article_id", "cluster_id", "publisher", "authors")
    content = lines.filter("is_content").group_by("article_id").agg(total=pl.col("char_count").sum().cast(pl.Int64))
    pairs = (
        shared.filter("has_content")
        .join(
            facts.rename({name: f"earlier_{name}" for name in facts.columns}),
            left_on="earlier",
            right_on="earlier_article_id",
        )
        .join(
            facts.rename({name: f"later_{name}" for name in facts.columns}),
            left_on="later",
            right_on="later_article_id",
        )
        .filter(pl.col("earlier_cluster_id") != pl.col("later_cluster_id"))
        .join(content, left_on="later", right_on="article_id")
    )
    has_author_in_common = pl.col("earlier_authors").list.set_intersection("later_authors").list.len() > 0
    series = pairs.filter(has_author_in_common, pl.col("earlier_publisher") == pl.col("later_publisher"))
    return pl.concat(
        [
            pairs.select(
                from_article_id="later",
                to_article_id="earlier",
                kind=pl.lit("shares_passages"),
                score=(pl.col("content_chars") / pl.col("total")).clip(0, 1),
                method=pl.lit("content_overlap"),
            ),
            series.select(
                from_article_id="later",
                to_article_id="earlier",
                kind=pl.lit("same_series"),
                score=pl.lit(None, dtype=pl.Float64),
                method=pl.lit("same_publisher_and_author"),
            ),
        ]
    )


def _derived(articles: pl.DataFrame) -> pl.DataFrame:
    """`derived_from`: a transcript or summary and the next article of its source, or the last one before it."""
    parts = articles.select("article_id", "source_id", "kind", "ordinal").sort("source_id", "ordinal")
    original = pl.when(~pl.col("kind").is_in(_DERIVED)).then("article_id")
    following = original.fill_null(strategy="backward").over("source_id")
    preceding = original.fill_null(strategy="forward").over("source_id")
    return (
        parts.with_columns(original=pl.coalesce(following, preceding))
        .filter(pl.col("kind").is_in(_DERIVED), pl.col("original").is_not_null())
        .select(
            from_article_id="article_id",
            to_article_id="original",
            kind=pl.lit("derived_from"),
            score=pl.lit(None, dtype=pl.Float64),
            method=pl.lit("compound_page"),
        )
    )
