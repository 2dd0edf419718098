"""How rules are applied to spans: roles for whole lines, pieces cut out of lines, and blocks of lines."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.characters import CUT, HIT
from flows.normalize.rules import Region, Rule
from flows.normalize.sieve import Sifted
from flows.normalize.spans import IS_FREE, cut, in_reading_order

Places = npt.NDArray[np.intp]


def apply_rules(spans: pl.DataFrame, rules: Sequence[Rule], sifted: Sifted | None, prefix: str = "") -> pl.DataFrame:
    """Give roles to spans that have none, the first rule that matches first; cut out what stands inside a line.

    Args:
        spans: SPANS, and `region` and `is_near_edge` if a rule asks for them.
        rules: in order of precedence.
        sifted: what could match the lines that the spans are of, or null where that was not worth knowing.
        prefix: of the rules' names in the result.

    Returns:
        The columns of `spans`, in reading order.
    """
    for is_whole_line, group in groupby(rules, key=lambda rule: rule.is_whole_line and rule.until is None):
        if is_whole_line:
            spans = _with_whole_lines(spans, tuple(group), sifted, prefix)
            continue
        for rule in group:
            apply = _with_cuts if rule.until is None else _with_blocks
            spans = apply(spans, rule, sifted, prefix)
    return spans


def matches_any(spans: pl.DataFrame, rules: Sequence[Rule], sifted: Sifted | None) -> pl.Series:
    """Whether each span has no role and looks like what one of the rules speaks of, wherever it stands."""
    looked_at = _Looked(spans, sifted)
    found = np.zeros(spans.height, np.bool_)
    for rule in rules:
        places = looked_at.matched(rule, is_anywhere=True)
        found[places] = True
        looked_at.is_free[places] = False
    return pl.Series(found)


class _Looked:
    """Spans as rules look at them.

    Attributes:
        is_free: whether each has no role as yet; to be kept by the caller.
    """

    def __init__(self, spans: pl.DataFrame, sifted: Sifted | None) -> None:
        self.is_free = spans["role"].is_null().to_numpy(writable=True)
        self._spans = spans
        self._sifted = sifted
        self._rows = spans["row"].to_numpy()
        self._char_count = spans["char_count"].to_numpy()

    def _places_of(self, rows: Places) -> Places:
        """Places of all spans of these lines; both are in reading order."""
        first = np.searchsorted(self._rows, rows, "left")
        count = np.searchsorted(self._rows, rows, "right") - first
        before = np.cumsum(count) - count
        return np.repeat(first - before, count) + np.arange(count.sum())

    def matched(self, rule: Rule, *, is_anywhere: bool = False) -> Places:
        """Places of the free spans that a rule matches, in its region or wherever they stand."""
        rows = None if self._sifted is None else self._sifted.rows(rule.sought)
        places = np.flatnonzero(self.is_free) if rows is None else self._places_of(rows)
        places = places[self.is_free[places] & (self._char_count[places] <= rule.max_chars)]
        # A large pattern takes longer to compile than many small pages take to read.
        if not len(places):
            return places
        text = pl.col("key" if rule.is_whole_line else "raw")
        condition = pl.lit(value=True) if is_anywhere else _in_region(rule.region)
        if rule.is_after_blank:
            condition &= pl.col("is_after_blank") & (pl.col("line") > 0)
        if rule.needs:
            condition &= text.str.contains_any(list(rule.needs), ascii_case_insensitive=True)
        names = [text.meta.output_name(), *condition.meta.root_names()]
        looked_at = self._spans.select(dict.fromkeys(names).keys())[places].with_columns(place=places).filter(condition)
        if looked_at.is_empty():
            return places[:0]
        return looked_at.filter(text.str.contains(rule.pattern))["place"].to_numpy()


def _with_whole_lines(spans: pl.DataFrame, rules: Sequence[Rule], sifted: Sifted | None, prefix: str) -> pl.DataFrame:
    """Give each span without a role that of the first rule that matches it."""
    looked_at = _Looked(spans, sifted)
    found = [pl.DataFrame(schema={"place": pl.UInt32, "role": pl.String, "rule": pl.String})]
    for rule in rules:
        places = looked_at.matched(rule)
        if len(places):
            looked_at.is_free[places] = False
            found.append(
                pl.select(
                    place=pl.lit(pl.Series(places, dtype=pl.UInt32)),
                    role=pl.lit(rule.role),
                    rule=pl.lit(prefix + rule.label),
                )
            )
    hits = pl.concat(found)
    if hits.is_empty():
        return spans
    return spans.with_columns(spans[name].scatter(hits["place"], hits[name]) for name in ("role", "rule"))


def _with_cuts(spans: pl.DataFrame, rule: Rule, sifted: Sifted | None, prefix: str) -> pl.DataFrame:
    """Cut what the rule matches out of its lines."""
    places = _Looked(spans, sifted).matched(rule)
    if not len(places):
        return spans
    marked = f"{CUT}{HIT}${{span}}{CUT}${{ahead}}" if rule.looks_ahead else f"{CUT}{HIT}${{0}}{CUT}"
    pieces = cut(spans[places], pl.col("raw").str.replace_all(rule.pattern, marked)).with_columns(
        role=pl.when("is_hit").then(pl.lit(rule.role)).otherwise("role"),
        rule=pl.when("is_hit").then(pl.lit(prefix + rule.label)).otherwise("rule"),
    )
    return in_reading_order(spans.filter(~_is_at(places, spans.height)), pieces.drop("is_hit"))


def _with_blocks(spans: pl.DataFrame, rule: Rule, sifted: Sifted | None, prefix: str) -> pl.DataFrame:
    """Give the rule's role to all free lines from one that its pattern matches to the next one that ends a block."""
    if rule.until is None:
        raise ValueError(f"rule {rule.label} speaks of no block")
    places = _Looked(spans, sifted).matched(rule)
    if not len(places):
        return spans
    ends = pl.col("key").str.contains(rule.until)
    spans = spans.with_columns(begins=_is_at(places, spans.height))
    begin = pl.col("begins") & ~ends
    last = pl.when(ends).then(pl.lit("end")).when(begin).then(pl.lit("begin")).forward_fill().over("page")
    has_end = pl.when(ends).then(pl.lit(value=True)).backward_fill().over("page").is_not_null()
    is_inside = ((last == "begin") & has_end) | (ends & (last.shift(1).over("page") == "begin"))
    is_hit = IS_FREE & (begin | is_inside.fill_null(value=False))
    return spans.with_columns(
        role=pl.when(is_hit).then(pl.lit(rule.role)).otherwise("role"),
        rule=pl.when(is_hit).then(pl.lit(prefix + rule.label)).otherwise("rule"),
        is_in_block=pl.col("is_in_block") | is_hit,
    ).drop("begins")


def _is_at(places: Places, count: int) -> pl.Series:
    """Whether each of so many places is one of those given."""
    found = np.zeros(count, np.bool_)
    found[places] = True
    return pl.Series(found)


def _in_region(region: Region) -> pl.Expr:
    if region is Region.ANY:
        return pl.lit(value=True)
    if region is Region.EDGE:
        return (pl.col("region") != Region.ANY.value) | pl.col("is_near_edge")
    return pl.col("region") == region.value
