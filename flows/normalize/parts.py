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
    compound, plain = passages.filter("is_compound"), passages.filter(~pl.col("is_compound"))
    with_turns = plain.filter(pl.col("role").is_in(_TURNS))["page"]
    plain_kind = (
        pl.when(pl.col("is_interview"))
        .then(pl.lit("interview"))
        .when(pl.col("page").is_in(with_turns.implode()))
        .then(pl.lit("transcript"))
        .otherwise(pl.lit("article"))
    )
    found = [plain.with_columns(kind=plain_kind)]
    if not compound.is_empty():
        found.append(compound.with_columns(kind=_compound_kind()))
    return (
        pl.concat(found)
        .filter(pl.col("kind").is_not_null() & pl.col("role").is_in(_ANCHORS))
        .group_by("page", "kind", maintain_order=True)
        .agg(
            pl.col("char_start").min(),
            char_end=(pl.col("char_start") + pl.col("char_count")).max(),
            has_content=pl.col("role").is_in(CONTENT_ROLES).any(),
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


def _compound_kind() -> pl.Expr:
    """What a passage of a compound page belongs to, null where to nothing."""
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
    return (
        pl.when(role.is_in(_HEAD) & (place < made_begins))
        .then(pl.when(has_turns).then(pl.lit("transcript")).otherwise(pl.lit("summary")))
        .when(role.is_in(_TURNS))
        .then(pl.lit("transcript"))
        .when(role == "summary")
        .then(pl.lit("summary"))
        .when(place >= begins)
        .then(pl.lit("article"))
    )
