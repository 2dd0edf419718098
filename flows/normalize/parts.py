"""Parts of a page: which of its passages make an article, and of what kind."""

import polars as pl

from schemas.columns import CONTENT_ROLES

# What belongs to an article wherever it stands; the rest lies in one only if it lies between two of these.
_ANCHORS = (*CONTENT_ROLES, "title", "byline", "dateline", "caption", "rights", "disclaimer", "source_url")
_HEAD = ("title", "byline", "dateline")
_TURNS = ("speaker_label", "speech", "question")


def parts_of_pages(passages: pl.DataFrame) -> pl.DataFrame:
    """Find the articles of pages.

    A plain page holds one, from the first to the last passage that belongs to it. A compound page holds what the page
    made itself (a transcript, a summary) and the article that it republishes, from the article's own headline on. The
    head of the page, with its headline and date, belongs to the first thing that the page made.

    Args:
        passages: `page, char_start, char_count, role, is_compound, is_interview`, in reading order.

    Returns:
        `page, ordinal, kind, char_start, char_count, is_page_made`: one row per article, in reading order.
    """
    place = pl.int_range(pl.len()).over("page")
    role = pl.col("role")
    is_page_made = role.is_in([*_TURNS, "summary"])
    turns_end = pl.when(is_page_made).then(place).max().over("page").fill_null(-1)
    credit = pl.when((role == "source_url") & (place > turns_end)).then(place).min().over("page")
    headline = pl.when((role == "title") & (place > turns_end) & (place < credit)).then(place).max().over("page")
    begins = pl.coalesce(
        headline, credit, pl.when((role == "title") & (place > turns_end)).then(place).min().over("page")
    )
    made_begins = pl.when(is_page_made).then(place).min().over("page")
    has_turns = role.is_in(_TURNS).any().over("page")
    part = (
        pl.when(pl.col("is_compound") & role.is_in(_HEAD) & (place < made_begins))
        .then(pl.when(has_turns).then(pl.lit("transcript")).otherwise(pl.lit("summary")))
        .when(pl.col("is_compound") & role.is_in(_TURNS))
        .then(pl.lit("transcript"))
        .when(pl.col("is_compound") & (role == "summary"))
        .then(pl.lit("summary"))
        .when(pl.col("is_compound") & (place >= begins))
        .then(pl.lit("article"))
        .when(pl.col("is_compound"))
        .then(pl.lit(None, pl.String))
        .when(pl.col("is_interview"))
        .then(pl.lit("interview"))
        .when(has_turns)
        .then(pl.lit("transcript"))
        .otherwise(pl.lit("article"))
    )
    return (
        passages.with_columns(kind=part)
        .filter(pl.col("kind").is_not_null() & role.is_in(_ANCHORS))
        .group_by("page", "kind", maintain_order=True)
        .agg(
            pl.col("char_start").min(),
            char_end=(pl.col("char_start") + pl.col("char_count")).max(),
            has_content=role.is_in(CONTENT_ROLES).any(),
            is_page_made=pl.col("is_compound").first() & (pl.col("kind").first() != "article"),
        )
        .filter("has_content")
        .sort("page", "char_start")
        .select(
            "page",
            pl.int_range(pl.len(), dtype=pl.UInt32).over("page").alias("ordinal"),
            "kind",
            "char_start",
            (pl.col("char_end") - pl.col("char_start")).alias("char_count"),
            "is_page_made",
        )
    )
