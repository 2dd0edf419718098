"""Breaks between paragraphs that a scraper lost or added."""

import polars as pl

from flows.characters import CUT
from flows.normalize.spans import IS_FREE, cut, in_reading_order
from flows.text import CLOSING, INITIAL

# A sentence that ends without a space before the next one is two paragraphs whose break was lost ("… said.The next").
# Before the full stop stands a word, a number or a closing mark, never an initial ("U.S.Army"); after it a word
# that begins with a capital, perhaps in quotes. A closing bracket is the end of a credit ("[Name/Agency]The …").
_GLUE = (
    r"([\p{Ll}\p{N}]{2}[.!?][”’\"')\]]{0,2}|\p{Lu}\p{Lu}[.!?][”’\"]|[.!?][”’]|[\p{L}\p{N}]\])"
    r"([“‘(]?\p{Lu}|[“‘]\p{N})"
)
# … and a capital after a full stop is no new sentence in "Example.Com" or "Node.Js".
_SUFFIXES = r"(?:Com|Net|Org|Gov|Edu|Io|Ai|Co|Js|Tv|Info|Pdf|Html)"
_CLOSE_OPEN = r"([”’])([“‘])"

# Roles whose paragraphs a break can tear apart.
_PARAGRAPHS = ("body", "speech", "summary", "rights", "disclaimer")


def split_glued(spans: pl.DataFrame) -> pl.DataFrame:
    """Split spans without a role where the break between two paragraphs was lost.

    Returns:
        SPANS in reading order; `is_glued` marks the pieces of a line that was split.
    """
    raw = pl.col("raw")
    is_split = IS_FREE & raw.str.contains(f"(?:{_GLUE})|(?:{_CLOSE_OPEN})") & ~raw.str.contains("://", literal=True)
    spans = spans.with_row_index("place")
    hits = spans.filter(is_split)
    if hits.is_empty():
        return spans.drop("place")
    marked = (
        raw.str.replace_all(_GLUE, f"${{1}}{CUT}${{2}}")
        .str.replace_all(_CLOSE_OPEN, f"${{1}}{CUT}${{2}}")
        .str.replace_all(f"{CUT}({_SUFFIXES})\\b", "${1}")
    )
    pieces = cut(hits, marked).drop("is_hit")
    pieces = pieces.with_columns(is_glued=pl.col("is_glued") | (pl.len().over("place") > 1))
    rest = spans.join(hits, on="place", how="anti", maintain_order="left")
    return in_reading_order(rest, pieces).drop("place")


def heal_breaks(spans: pl.DataFrame) -> pl.DataFrame:
    """Join spans whose break a scraper or a typewriter put inside a sentence.

    Args:
        spans: SPANS with every role set, `is_compound` and `is_interview`, in reading order.

    Returns:
        `page, char_start, char_count, role, rule, found, is_compound, is_interview`: one row per passage, in reading
        order; `found` is what stands there, its lines plain and without the white space around them.
    """
    raw = pl.col("raw")
    is_first = (pl.col("page") != pl.col("page").shift(1)).fill_null(value=True)
    spans = spans.with_columns(
        block=(is_first | pl.col("is_after_blank")).cum_sum(),
        previous=pl.when(~is_first).then(raw.shift(1)),
        is_same_text=~is_first & (pl.col("role") == pl.col("role").shift(1)) & pl.col("role").is_in(_PARAGRAPHS),
    )
    begins_small = raw.str.contains(r"^\p{Ll}")
    is_initial = begins_small & pl.col("previous").str.contains(rf"{INITIAL}$")
    is_closing = raw.str.contains(rf"^{CLOSING}$")
    is_open = (
        begins_small
        & (pl.col("previous").str.len_chars() >= 40)
        & pl.col("previous").str.contains(r"[\p{L}\p{N},;–—-]$")
        & raw.str.contains(r"^\p{Ll}[\p{L}'’-]*[\s,.;:)]")
    )
    is_healed = pl.col("is_same_text") & (is_initial | is_closing | is_open | _is_wrapped())
    char_end = pl.col("char_start") + pl.col("char_count")
    # What stood between two spans that become one passage, but for the amount of white space.
    gap = (
        pl.when(pl.col("line") != pl.col("line").shift(1))
        .then(pl.lit("\n"))
        .when(pl.col("char_start") > char_end.shift(1))
        .then(pl.lit(" "))
        .otherwise(pl.lit(""))
    )
    return (
        spans.with_columns(is_healed=is_healed.fill_null(value=False), char_end=char_end)
        .with_columns(
            passage=(~pl.col("is_healed")).cum_sum(),
            found=pl.when("is_healed").then(gap + raw).otherwise(raw),
        )
        .group_by("passage", maintain_order=True)
        .agg(
            pl.col("page", "char_start").first(),
            (pl.col("char_end").last() - pl.col("char_start").first()).alias("char_count"),
            pl.col("role", "rule").first(),
            pl.col("found").str.join(""),
            pl.col("is_compound", "is_interview").first(),
        )
        .drop("passage")
    )


def _is_wrapped() -> pl.Expr:
    """Whether a line goes on a paragraph that was wrapped at a fixed width.

    A block of at least three lines without a blank line between them is wrapped when no line is longer than 100
    characters and all but the last are nearly as long as the longest.
    """
    chars = pl.col("char_count")
    longest = chars.max().over("block")
    is_last = pl.col("block") != pl.col("block").shift(-1, fill_value=0)
    shortest = pl.when(~is_last).then(chars).min().over("block")
    return (
        ~pl.col("is_after_blank")
        & (pl.len().over("block") >= 3)
        & longest.is_between(50, 100)
        & (shortest * 4 >= longest * 3)
    )
