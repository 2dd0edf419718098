"""Spans: the lines of a page, and the pieces that they are cut into."""

import polars as pl

from flows.characters import CUT, HIT, UNSPACED, cleaned, with_plain_lines
from flows.normalize.edges import edges_of
from flows.normalize.looks import changed_where, looks

# One row per span, in reading order; key `page`, `char_start`. `raw` is the span as found, `key` what rules for whole
# lines look at: the span cleaned, without a bullet before it. Counts of words and of characters of scripts without
# blanks are those of `key`; `edges` says how `raw` begins and ends. `row` counts the lines of all pages; pieces of a
# line share it. `is_in_block` marks lines of a block whose first and last line a rule knows. `role` and `rule` are null
# as long as nobody has claimed the span.
SPANS = {
    "page": pl.UInt32,
    "row": pl.UInt32,
    "char_start": pl.UInt32,
    "char_count": pl.UInt32,
    "raw": pl.String,
    "key": pl.String,
    "word_count": pl.UInt32,
    "unspaced_count": pl.UInt32,
    "edges": pl.UInt8,
    "line": pl.UInt32,
    "is_after_blank": pl.Boolean,
    "is_glued": pl.Boolean,
    "is_in_block": pl.Boolean,
    "role": pl.String,
    "rule": pl.String,
}

# A list bullet before a line is covered by its span, and rules for whole lines need not know it.
_BULLET = r"^[•·▪‣●○◦*]\s+"

IS_FREE = pl.col("role").is_null()
# Where a span stands on its page, from 0, of spans in reading order; a window takes nine times as long.
_INDEX = pl.int_range(pl.len())
PLACE = _INDEX - pl.when(pl.col("page").ne_missing(pl.col("page").shift(1))).then(_INDEX).forward_fill()


def of_neighbour(value: pl.Expr, distance: int) -> pl.Expr:
    """What `value.shift(distance)` gives within a page, null beyond its ends; windows take several times as long.

    Args:
        value: of spans in reading order.
        distance: 1 for the span before, -1 for the one behind.
    """
    return pl.when(pl.col("page") == pl.col("page").shift(distance)).then(value.shift(distance))


def lines_from_sources(sources: pl.DataFrame) -> pl.DataFrame:
    """Split texts into their lines.

    Args:
        sources: `page`, `text`: one row per source.

    Returns:
        SPANS: one row per line that holds more than white space, without the white space around it, in reading order.
    """
    texts = changed_where(sources["text"], looks(sources["text"])["may_end_lines"], with_plain_lines)
    lines = (
        sources.select("page", raw=texts.str.split("\n"))
        .explode("raw")
        .with_columns(whole_count=pl.col("raw").str.len_chars(), stripped=pl.col("raw").str.strip_chars_start())
        .with_columns(
            char_start=(pl.col("whole_count") + 1).cum_sum().over("page") - 1 - pl.col("stripped").str.len_chars(),
            line=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"),
            raw=pl.col("stripped").str.strip_chars_end(),
        )
        .with_columns(is_blank=pl.col("raw") == "")
        .with_columns(is_after_blank=of_neighbour(pl.col("is_blank"), 1).fill_null(value=True))
        .filter(~pl.col("is_blank"))
        .with_row_index("row")
    )
    return _measured(
        lines.with_columns(
            is_glued=pl.lit(value=False),
            is_in_block=pl.lit(value=False),
            role=pl.lit(None, pl.String),
            rule=pl.lit(None, pl.String),
        )
    ).select(pl.col(name).cast(dtype) for name, dtype in SPANS.items())


def cut(hits: pl.DataFrame, marked: pl.Expr) -> pl.DataFrame:
    """Explode spans at the cuts in a marked copy of `raw`.

    Args:
        hits: SPANS and any other columns.
        marked: `raw` with CUT between the pieces, and HIT at the beginning of those that a rule matched.

    Returns:
        The columns of `hits` and `is_hit`: one row per piece that holds more than white space, with its own offset.
    """
    pieces = (
        hits.with_row_index("hit")
        .with_columns(piece=marked.str.split(CUT))
        .explode("piece")
        .with_columns(is_hit=pl.col("piece").str.starts_with(HIT), piece=pl.col("piece").str.strip_prefix(HIT))
        .with_columns(
            end=pl.col("piece").str.len_chars().cum_sum().over("hit"),
            stripped=pl.col("piece").str.strip_chars_start(),
        )
        .with_columns(
            char_start=pl.col("char_start") + pl.col("end") - pl.col("stripped").str.len_chars(),
            raw=pl.col("stripped").str.strip_chars_end(),
        )
        .filter(pl.col("raw") != "")
        .with_columns(is_after_blank=pl.col("is_after_blank") & pl.col("hit").is_first_distinct())
    )
    return _measured(pieces).select(
        *(pl.col(name).cast(SPANS[name]) if name in SPANS else name for name in hits.columns), "is_hit"
    )


def in_reading_order(*spans: pl.DataFrame) -> pl.DataFrame:
    """Frames of spans put together again."""
    return pl.concat(spans).sort("page", "char_start")


def _measured(spans: pl.DataFrame) -> pl.DataFrame:
    """Add what is derived from `raw`; a span that nobody can see belongs to nothing on its page."""
    seen = looks(spans["raw"])
    clean = changed_where(spans["raw"], seen["may_be_loose"], cleaned)
    is_bulleted = clean.str.contains(_BULLET)
    key = changed_where(clean, is_bulleted, lambda text: text.str.replace(_BULLET, ""))
    is_other = (seen["may_be_loose"] | is_bulleted).arg_true()
    word_count = (seen["blank_count"] + 1).scatter(
        is_other, key.gather(is_other).str.count_matches(" ", literal=True) + 1
    )
    is_unspaced = seen["may_be_unspaced"].arg_true()
    unspaced_count = pl.zeros(spans.height, pl.UInt32, eager=True).scatter(
        is_unspaced, key.gather(is_unspaced).str.count_matches(f"[{UNSPACED}]")
    )
    is_invisible = pl.lit(clean == "")
    return spans.with_columns(
        char_count=seen["char_count"],
        key=key,
        word_count=word_count,
        unspaced_count=unspaced_count,
        edges=edges_of(spans["raw"]),
        role=pl.when(is_invisible).then(pl.lit("other")).otherwise("role"),
        rule=pl.when(is_invisible).then(pl.lit("invisible")).otherwise("rule"),
    )
