"""Breaks between paragraphs that a scraper lost or added."""

import polars as pl

from flows.normalize.characters import CUT
from flows.normalize.spans import IS_FREE, cut, in_reading_order

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
        `page, char_start, char_count, role, rule, text, is_compound, is_interview`: one row per passage, in reading
        order; `text` is what was found, healed but not yet cleaned.
    """
    raw = pl.col("raw")
    is_first = (pl.col("page") != pl.col("page").shift(1)).fill_null(value=True)
    spans = spans.with_columns(
        block=(is_first | pl.col("is_after_blank")).cum_sum(),
        previous=pl.when(~is_first).then(raw.shift(1)),
        is_same_text=~is_first & (pl.col("role") == pl.col("role").shift(1)) & pl.col("role").is_in(_PARAGRAPHS),
    )
    begins_small = raw.str.contains(r"^\p{Ll}")
    # "… the maker Z." + "ai has said …": an initial with a full stop ends no sentence when small letters follow.
    is_initial = begins_small & pl.col("previous").str.contains(r"(?:^|[\s(“\"])\p{Lu}\.$")
    # "… command a premium." + "”": what closes a quotation belongs to what it closes.
    is_closing = raw.str.contains(r"^[”’»)\]]+$")
    is_open = (
        begins_small
        & (pl.col("previous").str.len_chars() >= 40)
        & pl.col("previous").str.contains(r"[\p{L}\p{N},;–—-]$")
        & raw.str.contains(r"^\p{Ll}[\p{L}'’-]*[\s,.;:)]")
    )
    glue = (
        pl.when(pl.col("is_same_text") & (is_initial | is_closing))
        .then(pl.lit(""))
        .when(pl.col("is_same_text") & (is_open | _is_wrapped()))
        .then(pl.lit(" "))
    )
    return (
        spans.with_columns(glue=glue)
        .with_columns(
            passage=pl.col("glue").is_null().cum_sum(),
            text=pl.col("glue").fill_null("") + raw,
            char_end=pl.col("char_start") + pl.col("char_count"),
        )
        .group_by("passage", maintain_order=True)
        .agg(
            pl.col("page", "char_start").first(),
            (pl.col("char_end").last() - pl.col("char_start").first()).alias("char_count"),
            pl.col("role", "rule").first(),
            pl.col("text").str.join(""),
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
