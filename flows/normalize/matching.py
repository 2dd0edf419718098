"""How rules are applied to spans: roles for whole lines, pieces cut out of lines, and blocks of lines."""

from collections.abc import Sequence
from itertools import groupby

import polars as pl

from flows.characters import CUT, HIT
from flows.normalize.rules import Region, Rule
from flows.normalize.spans import IS_FREE, cut, in_reading_order


def apply_rules(spans: pl.DataFrame, rules: Sequence[Rule], prefix: str = "") -> pl.DataFrame:
    """Give roles to spans that have none, the first rule that matches first; cut out what stands inside a line.

    Args:
        spans: SPANS, and `region` and `is_near_edge` if a rule asks for them.
        rules: in order of precedence.
        prefix: of the rules' names in the result.

    Returns:
        The columns of `spans`, in reading order.
    """
    for is_whole_line, group in groupby(rules, key=lambda rule: rule.is_whole_line and rule.until is None):
        if is_whole_line:
            spans = _with_whole_lines(spans, tuple(group), prefix)
            continue
        for rule in group:
            spans = _with_cuts(spans, rule, prefix) if rule.until is None else _with_blocks(spans, rule, prefix)
    return spans


def matches_any(spans: pl.DataFrame, rules: Sequence[Rule]) -> pl.Series:
    """Whether each span has no role and looks like what one of the rules speaks of, wherever it stands."""
    free = spans.with_row_index("place").filter(IS_FREE)
    found = [pl.Series(dtype=pl.UInt32)]
    for rule in rules:
        hits = _matched(free, rule, is_anywhere=True)
        if not hits.is_empty():
            found.append(hits["place"])
            free = free.join(hits, on="place", how="anti", maintain_order="left")
    return pl.int_range(spans.height, dtype=pl.UInt32, eager=True).is_in(pl.concat(found).implode())


def _with_whole_lines(spans: pl.DataFrame, rules: Sequence[Rule], prefix: str) -> pl.DataFrame:
    """Give each span without a role that of the first rule that matches it."""
    spans = spans.with_row_index("place")
    free = spans.filter(IS_FREE)
    found = []
    for rule in rules:
        hits = _matched(free, rule)
        if not hits.is_empty():
            label = pl.lit(prefix + rule.label)
            found.append(hits.select("place", found_role=pl.lit(rule.role), found_rule=label))
            free = free.join(hits, on="place", how="anti", maintain_order="left")
    if found:
        spans = spans.join(pl.concat(found), on="place", how="left", maintain_order="left").with_columns(
            role=pl.coalesce("role", "found_role"), rule=pl.coalesce("rule", "found_rule")
        )
    return spans.drop("place", "found_role", "found_rule", strict=False)


def _with_cuts(spans: pl.DataFrame, rule: Rule, prefix: str) -> pl.DataFrame:
    """Cut what the rule matches out of its lines."""
    spans = spans.with_row_index("place")
    hits = _matched(spans.filter(IS_FREE), rule)
    if hits.is_empty():
        return spans.drop("place")
    marked = f"{CUT}{HIT}${{span}}{CUT}${{ahead}}" if rule.looks_ahead else f"{CUT}{HIT}${{0}}{CUT}"
    pieces = cut(hits, pl.col("raw").str.replace_all(rule.pattern, marked)).with_columns(
        role=pl.when("is_hit").then(pl.lit(rule.role)).otherwise("role"),
        rule=pl.when("is_hit").then(pl.lit(prefix + rule.label)).otherwise("rule"),
    )
    rest = spans.join(hits, on="place", how="anti", maintain_order="left")
    return in_reading_order(rest, pieces.drop("is_hit")).drop("place")


def _with_blocks(spans: pl.DataFrame, rule: Rule, prefix: str) -> pl.DataFrame:
    """Give the rule's role to all free lines from one that its pattern matches to the next one that ends a block."""
    if rule.until is None:
        raise ValueError(f"rule {rule.label} speaks of no block")
    spans = spans.with_row_index("place")
    begins = _matched(spans.filter(IS_FREE), rule)
    if begins.is_empty():
        return spans.drop("place")
    ends = pl.col("key").str.contains(rule.until)
    begin = pl.col("place").is_in(begins["place"].implode()) & ~ends
    last = pl.when(ends).then(pl.lit("end")).when(begin).then(pl.lit("begin")).forward_fill().over("page")
    has_end = pl.when(ends).then(pl.lit(value=True)).backward_fill().over("page").is_not_null()
    is_inside = ((last == "begin") & has_end) | (ends & (last.shift(1).over("page") == "begin"))
    is_hit = IS_FREE & (begin | is_inside.fill_null(value=False))
    return spans.with_columns(
        role=pl.when(is_hit).then(pl.lit(rule.role)).otherwise("role"),
        rule=pl.when(is_hit).then(pl.lit(prefix + rule.label)).otherwise("rule"),
        is_in_block=pl.col("is_in_block") | is_hit,
    ).drop("place")


def _matched(free: pl.DataFrame, rule: Rule, *, is_anywhere: bool = False) -> pl.DataFrame:
    """The spans that a rule matches, with all their columns."""
    is_looked_at = pl.col("char_count") <= rule.max_chars
    if not is_anywhere:
        is_looked_at &= _in_region(rule.region)
    if rule.is_after_blank:
        is_looked_at &= pl.col("is_after_blank") & (pl.col("line") > 0)
    text = pl.col("key" if rule.is_whole_line else "raw")
    if rule.needs:
        is_looked_at &= text.str.contains_any(list(rule.needs), ascii_case_insensitive=True)
    looked_at = free.filter(is_looked_at)
    # A large pattern takes longer to compile than many small pages take to read.
    return looked_at if looked_at.is_empty() else looked_at.filter(text.str.contains(rule.pattern))


def _in_region(region: Region) -> pl.Expr:
    if region is Region.ANY:
        return pl.lit(value=True)
    if region is Region.EDGE:
        return (pl.col("region") != Region.ANY.value) | pl.col("is_near_edge")
    return pl.col("region") == region.value
