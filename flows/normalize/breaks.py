"""Breaks between paragraphs that a scraper lost or added."""

import polars as pl

from flows.characters import CUT
from flows.normalize.edges import Edge, has
from flows.normalize.looks import may_be_glued
from flows.normalize.spans import IS_FREE, cut, in_reading_order
from flows.text import INITIAL

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
    is_split = raw.str.contains(f"(?:{_GLUE})|(?:{_CLOSE_OPEN})") & ~raw.str.contains("://", literal=True)
    spans = spans.with_row_index("place")
    hits = spans.filter(IS_FREE & may_be_glued(spans["raw"])).filter(is_split)
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
    is_first = (pl.col("page") != pl.col("page").shift(1)).fill_null(value=True)
    is_same_text = ~is_first & (pl.col("role") == pl.col("role").shift(1)) & pl.col("role").is_in(_PARAGRAPHS)
    spans = spans.with_row_index("place").with_columns(
        block=(is_first | pl.col("is_after_blank")).cum_sum(), is_same_text=is_same_text
    )
    columns = ("page", "char_start", "char_count", "role", "rule", "found", "is_compound", "is_interview")
    gaps = _gaps(spans)
    if gaps.is_empty():
        return spans.rename({"raw": "found"}).select(columns)
    is_next = spans["place"].is_in(gaps["place"].implode())
    spans = spans.with_columns(passage=(~is_next).cum_sum())
    is_healed = pl.col("passage").is_in(spans.filter(is_next)["passage"].implode())
    healed = (
        spans.filter(is_healed)
        .join(gaps, on="place", how="left", maintain_order="left")
        .with_columns(
            found=pl.col("gap").fill_null("") + pl.col("raw"), char_end=pl.col("char_start") + pl.col("char_count")
        )
        .group_by("passage", maintain_order=True)
        .agg(
            pl.col("page", "char_start").first(),
            (pl.col("char_end").last() - pl.col("char_start").first()).alias("char_count"),
            pl.col("role", "rule").first(),
            pl.col("found").str.join(""),
            pl.col("is_compound", "is_interview").first(),
        )
        .select(columns)
    )
    return in_reading_order(spans.filter(~is_healed).rename({"raw": "found"}).select(columns), healed)


def _gaps(spans: pl.DataFrame) -> pl.DataFrame:
    """Where no break should be.

    Args:
        spans: SPANS, numbered by `place`, with `block` (lines without a blank one between them) and `is_same_text`
            (whether the span before is of the same page and role, and both are paragraphs).

    Returns:
        `place, gap`: one row per span that goes on the one before, with what stood between them but for the amount
        of white space: a line feed, a blank or nothing.
    """
    begins_small = has(Edge.BEGINS_SMALL)
    following = spans.select("place", "line", "char_start", "edges", "is_after_blank", "is_same_text").filter(
        pl.col("is_same_text") & (~pl.col("is_after_blank") | begins_small | has(Edge.CLOSES))
    )
    goes_on = _going_on(spans, following.filter(begins_small)["place"])
    wrapped = _wrapped(spans, following.filter(~pl.col("is_after_blank"))["place"])
    healed = following.filter(has(Edge.CLOSES) | pl.col("place").is_in(pl.concat([goes_on, wrapped]).implode()))
    before = spans.select(previous_line="line", previous_end=pl.col("char_start") + pl.col("char_count"))
    gap = (
        pl.when(pl.col("line") != pl.col("previous_line"))
        .then(pl.lit("\n"))
        .when(pl.col("char_start") > pl.col("previous_end"))
        .then(pl.lit(" "))
        .otherwise(pl.lit(""))
    )
    return pl.concat([healed, before[healed["place"] - 1]], how="horizontal").select("place", gap=gap)


def _going_on(spans: pl.DataFrame, small: pl.Series) -> pl.Series:
    """Of the places of spans that begin with a small letter, those that go on the sentence of the span before."""
    raw, previous = pl.col("raw"), pl.col("previous")
    is_initial = previous.str.contains(rf"{INITIAL}$")
    is_open = (
        (previous.str.len_chars() >= 40)
        & previous.str.contains(r"[\p{L}\p{N},;–—-]$")
        & raw.str.contains(r"^\p{Ll}[\p{L}'’-]*[\s,.;:)]")
    )
    pairs = pl.DataFrame([small, spans["raw"].gather(small), spans["raw"].gather(small - 1).alias("previous")])
    return pairs.filter(is_initial | is_open)["place"]


def _wrapped(spans: pl.DataFrame, tight: pl.Series) -> pl.Series:
    """Of the places of spans without a blank line before them, those that go on a paragraph wrapped at a fixed width.

    A block of at least three lines without a blank line between them is wrapped when no line is longer than 100
    characters and all but the last are nearly as long as the longest.
    """
    blocks = spans["block"].gather(tight)
    lines = spans.select("block", "char_count").filter(pl.col("block").is_in(blocks.unique().implode()))
    chars = pl.col("char_count")
    is_last = pl.col("block").ne_missing(pl.col("block").shift(-1))
    wrapped = (
        lines.with_columns(inner=pl.when(~is_last).then(chars))
        .group_by("block")
        .agg(line_count=pl.len(), longest=chars.max(), shortest=pl.col("inner").min())
        .filter(
            (pl.col("line_count") >= 3)
            & pl.col("longest").is_between(50, 100)
            & (pl.col("shortest") * 4 >= pl.col("longest") * 3)
        )["block"]
    )
    return tight.filter(blocks.is_in(wrapped.implode()))
