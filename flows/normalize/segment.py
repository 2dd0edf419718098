"""Pages to spans: lines, the spans that rules cut out of them, and the breaks that a scraper lost or added."""

from collections.abc import Sequence

import polars as pl

from flows.normalize.characters import CUT, HIT, cleaned, with_plain_lines
from flows.normalize.rules import Region, Rule

# A list bullet before a line is covered by its span, and rules for whole lines need not know it.
_BULLET = r"^[•·▪‣●○◦*]\s+"

# One row per span, in reading order. `raw` is the span as found, `key` what rules for whole lines look at.
SPANS = {
    "page": pl.UInt32,
    "char_start": pl.UInt32,
    "raw": pl.String,
    "key": pl.String,
    "line": pl.UInt32,
    "is_after_blank": pl.Boolean,
    "is_glued": pl.Boolean,
    "role": pl.String,
    "rule": pl.String,
}

# Lines from either end of a page that rules for its edges look at, whatever stands between: furniture can be long.
NEAR_EDGE = 6

_TERMINAL = r"[.!?…。！？][\"'”’»)\]]*$"

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


def lines_from_sources(sources: pl.DataFrame) -> pl.DataFrame:
    """Split texts into their lines.

    Args:
        sources: `page`, `text`: one row per source.

    Returns:
        SPANS: one row per line that holds more than white space, without the white space around it, in reading order.
    """
    lines = (
        sources.select("page", raw=with_plain_lines(pl.col("text")).str.split("\n"))
        .explode("raw")
        .with_columns(char_count=pl.col("raw").str.len_chars() + 1)
        .with_columns(
            char_start=pl.col("char_count").cum_sum().over("page") - pl.col("char_count"),
            line=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"),
            stripped=pl.col("raw").str.strip_chars_start(),
        )
        .with_columns(
            char_start=pl.col("char_start") + pl.col("raw").str.len_chars() - pl.col("stripped").str.len_chars(),
            raw=pl.col("stripped").str.strip_chars_end(),
        )
        .with_columns(is_blank=pl.col("raw") == "")
        .with_columns(is_after_blank=pl.col("is_blank").shift(1, fill_value=True).over("page"))
        .filter(~pl.col("is_blank"))
    )
    return lines.with_columns(
        key=line_key(), is_glued=pl.lit(value=False), role=pl.lit(None, pl.String), rule=pl.lit(None, pl.String)
    ).select(pl.col(name).cast(dtype) for name, dtype in SPANS.items())


def line_key() -> pl.Expr:
    """What rules for whole lines look at: the span cleaned, without a bullet before it."""
    return cleaned(pl.col("raw")).str.replace(_BULLET, "")


def apply_rules(spans: pl.DataFrame, rules: Sequence[Rule], prefix: str = "") -> pl.DataFrame:
    """Give roles to spans that have none, the first rule that matches first; cut out what stands inside a line.

    Args:
        spans: SPANS, and `region` if a rule asks for one.
        rules: in order of precedence.
        prefix: of the rules' names in the result.

    Returns:
        SPANS (and `region`), in reading order.
    """
    for rule in rules:
        text = pl.col("key" if rule.is_whole_line else "raw")
        is_hit = (
            pl.col("role").is_null()
            & (pl.col("raw").str.len_chars() <= rule.max_chars)
            & _in_region(rule.region)
            & text.str.contains(rule.pattern)
        )
        if rule.until is not None:
            is_hit = pl.col("role").is_null() & _in_block(is_hit, text.str.contains(rule.until))
        if rule.is_whole_line:
            spans = spans.with_columns(
                role=pl.when(is_hit).then(pl.lit(rule.role)).otherwise("role"),
                rule=pl.when(is_hit).then(pl.lit(prefix + rule.label)).otherwise("rule"),
            )
            continue
        hits = spans.filter(is_hit)
        if hits.is_empty():
            continue
        pieces = cut(hits, pl.col("raw").str.replace_all(rule.pattern, f"{CUT}{HIT}${{0}}{CUT}")).with_columns(
            role=pl.when("is_hit").then(pl.lit(rule.role)).otherwise("role"),
            rule=pl.when("is_hit").then(pl.lit(prefix + rule.label)).otherwise("rule"),
        )
        spans = pl.concat([spans.filter(~is_hit), pieces.drop("is_hit")]).sort("page", "char_start")
    return spans


def split_glued(spans: pl.DataFrame) -> pl.DataFrame:
    """Split spans without a role where the break between two paragraphs was lost.

    Returns:
        SPANS in reading order; `is_glued` marks the pieces of a line that was split.
    """
    is_split = (
        pl.col("role").is_null()
        & (pl.col("raw").str.contains(_GLUE) | pl.col("raw").str.contains(_CLOSE_OPEN))
        & ~pl.col("raw").str.contains("://", literal=True)
    )
    hits = spans.filter(is_split)
    if hits.is_empty():
        return spans
    marked = (
        pl.col("raw")
        .str.replace_all(_GLUE, f"${{1}}{CUT}${{2}}")
        .str.replace_all(_CLOSE_OPEN, f"${{1}}{CUT}${{2}}")
        .str.replace_all(f"{CUT}({_SUFFIXES})\\b", "${1}")
    )
    pieces = cut(hits, marked).drop("is_hit")
    was_split = pl.len().over("page", "line") > 1
    pieces = pieces.with_columns(is_glued=pl.col("is_glued") | was_split)
    return pl.concat([spans.filter(~is_split), pieces]).sort("page", "char_start")


def with_regions(spans: pl.DataFrame, is_weak: pl.Expr) -> pl.DataFrame:
    """Add `region` and `is_near_edge`: `head` before the first prose of a page, `tail` after its last, else `any`.

    Prose is a span without a role that is long, or a shorter one that ends like a sentence. `is_weak` marks spans
    that look like furniture wherever they stand, so that they do not count as prose.
    """
    chars = pl.col("raw").str.len_chars()
    is_prose = (
        pl.col("role").is_null()
        & ~is_weak
        & ((chars >= 140) | ((chars >= 50) & pl.col("raw").str.contains(_TERMINAL)) | is_unspaced_prose())
    )
    place = pl.int_range(pl.len()).over("page")
    prose_so_far = is_prose.cast(pl.UInt32).cum_sum().over("page")
    prose_in_all = is_prose.cast(pl.UInt32).sum().over("page")
    return spans.with_columns(
        is_near_edge=(place < NEAR_EDGE) | (pl.len().over("page") - place <= NEAR_EDGE),
        region=pl.when(prose_so_far == 0)
        .then(pl.lit(Region.HEAD.value))
        .when((prose_so_far == prose_in_all) & ~is_prose)
        .then(pl.lit(Region.TAIL.value))
        .otherwise(pl.lit(Region.ANY.value))
    )


def is_unspaced_prose() -> pl.Expr:
    """Whether a span is a sentence of a script that writes fewer characters and no spaces (Han, kana, Thai)."""
    unspaced = pl.col("raw").str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
    return (unspaced >= 40) | ((unspaced >= 15) & pl.col("raw").str.contains(_TERMINAL))


def heal_breaks(spans: pl.DataFrame) -> pl.DataFrame:
    """Join spans whose break a scraper or a typewriter put inside a sentence.

    Args:
        spans: SPANS with every role set, in reading order.

    Returns:
        `page, char_start, char_count, role, rule, text, is_after_blank`: one row per passage, in reading order;
        `text` is what was found, healed but not yet cleaned.
    """
    spans = spans.with_columns(block=pl.col("is_after_blank").cum_sum().over("page"))
    raw = pl.col("raw")
    previous = raw.shift(1).over("page")
    is_same_text = (pl.col("role") == pl.col("role").shift(1).over("page")) & pl.col("role").is_in(
        ["body", "speech", "summary", "rights", "disclaimer"]
    )
    # "… the maker Z." + "ai has said …": an initial with a full stop ends no sentence when small letters follow.
    is_initial = previous.str.contains(r"(?:^|[\s(“\"])\p{Lu}\.$") & raw.str.contains(r"^\p{Ll}")
    # "… command a premium." + "”": what closes a quotation belongs to what it closes.
    is_closing = raw.str.contains(r"^[”’»)\]]+$")
    is_open = (
        (previous.str.len_chars() >= 40)
        & previous.str.contains(r"[\p{L}\p{N},;–—-]$")
        & raw.str.contains(r"^\p{Ll}[\p{L}'’-]*[\s,.;:)]")
    )
    glue = (
        pl.when(is_same_text & (is_initial | is_closing))
        .then(pl.lit(""))
        .when(is_same_text & (is_open | _is_wrapped()))
        .then(pl.lit(" "))
    )
    passages = spans.with_columns(glue=glue).with_columns(
        passage=(pl.col("glue").is_null().cum_sum()),
        text=pl.col("glue").fill_null("") + raw,
        char_end=pl.col("char_start") + raw.str.len_chars(),
    )
    return (
        passages.group_by("passage", maintain_order=True)
        .agg(
            pl.col("page").first(),
            pl.col("char_start").first(),
            pl.col("char_end").last(),
            pl.col("role").first(),
            pl.col("rule").first(),
            pl.col("text").str.join(""),
            pl.col("is_after_blank").first(),
        )
        .select(
            "page",
            "char_start",
            char_count=pl.col("char_end") - pl.col("char_start"),
            role="role",
            rule="rule",
            text="text",
            is_after_blank="is_after_blank",
        )
    )


def _is_wrapped() -> pl.Expr:
    """Whether a line goes on a paragraph that was wrapped at a fixed width.

    A block of at least three lines without a blank line between them is wrapped when no line is longer than 100
    characters and all but the last are nearly as long as the longest.
    """
    keys = ["page", "block"]
    chars = pl.col("raw").str.len_chars()
    longest = chars.max().over(keys)
    is_last = pl.int_range(pl.len()).reverse().over(keys) == 0
    shortest = pl.when(~is_last).then(chars).min().over(keys)
    return (
        ~pl.col("is_after_blank")
        & (pl.len().over(keys) >= 3)
        & longest.is_between(50, 100)
        & (shortest * 4 >= longest * 3)
    )


def _in_region(region: Region) -> pl.Expr:
    if region is Region.ANY:
        return pl.lit(value=True)
    if region is Region.EDGE:
        return (pl.col("region") != Region.ANY.value) | pl.col("is_near_edge")
    return pl.col("region") == region.value


def _in_block(begins: pl.Expr, ends: pl.Expr) -> pl.Expr:
    """Whether a line lies between one where a block begins and the next one where it ends, both included."""
    event = pl.when(ends).then(pl.lit(2)).when(begins).then(pl.lit(1))
    last = event.forward_fill().over("page")
    next_end = event.backward_fill().over("page")
    is_open = (last == 1) & (next_end.is_not_null())
    return (is_open | (ends & (last.shift(1).over("page") == 1))).fill_null(value=False)


def cut(hits: pl.DataFrame, marked: pl.Expr) -> pl.DataFrame:
    """Explode spans at the cuts in a marked copy of `raw`.

    Args:
        hits: SPANS.
        marked: `raw` with CUT between the pieces, and HIT at the beginning of those that a rule matched.

    Returns:
        The columns of `hits` and `is_hit`: one row per piece that holds more than white space, with its own offset.
    """
    return (
        hits.with_row_index("hit")
        .with_columns(piece=marked.str.split(CUT))
        .explode("piece")
        .with_columns(is_hit=pl.col("piece").str.starts_with(HIT), piece=pl.col("piece").str.strip_prefix(HIT))
        .with_columns(
            offset=(pl.col("piece").str.len_chars().cum_sum() - pl.col("piece").str.len_chars()).over("hit"),
            stripped=pl.col("piece").str.strip_chars_start(),
        )
        .with_columns(
            char_start=pl.col("char_start")
            + pl.col("offset")
            + pl.col("piece").str.len_chars()
            - pl.col("stripped").str.len_chars(),
            raw=pl.col("stripped").str.strip_chars_end(),
        )
        .filter(pl.col("raw") != "")
        .with_columns(is_after_blank=pl.col("is_after_blank") & pl.col("hit").is_first_distinct())
        .with_columns(key=line_key())
        .drop("hit", "piece", "offset", "stripped")
        .select(hits.columns + ["is_hit"])
    )
