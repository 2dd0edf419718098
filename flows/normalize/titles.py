"""Headlines, the bare names that stand under them, and notes on who the author is."""

import numpy as np
import polars as pl

from flows.normalize.edges import Edge, has
from flows.normalize.rules import Region
from flows.normalize.spans import IS_FREE, PLACE, of_neighbour

CHARS = pl.col("char_count")
WORDS = pl.col("word_count")
UNSPACED = pl.col("unspaced_count")
# The longest headlines of news pages have some 25 words; the shortest that are told from a label have three.
IS_TITLE_SIZED = ((WORDS >= 3) | (UNSPACED >= 6)) & (CHARS <= 250) & (WORDS <= 30)
# Where a headline that is repeated must first be met: pages begin with a menu and a player at most.
REPEATED_WITHIN = 12

ENDS_SENTENCE = has(Edge.PAUSES_OR_STOPS)
_BEGINS_SMALL = has(Edge.BEGINS_SMALL)
_PERSON = r"\p{Lu}[\p{L}\p{M}.'’-]+(?: \p{Lu}[\p{L}\p{M}.'’-]*){1,3}"
_BARE_NAMES = rf"^{_PERSON}(?:(?:, | and | & | und | et | y ){_PERSON})*$"
# Longer paragraphs about the author are part of the text.
_MAX_NOTE_CHARS = 300
_INTRODUCED = rf"^({_PERSON}) (?:is|was|has|covers|writes|reports|teaches|lives)\b"


def is_first_free() -> pl.Expr:
    """Whether a span is the first of its page that no rule has claimed and that is more than a label."""
    is_candidate = IS_FREE & ((WORDS >= 3) | (UNSPACED >= 6)) & ~_BEGINS_SMALL
    return is_candidate & (is_candidate.cum_sum().over("page") == 1)


def is_title_like() -> pl.Expr:
    """Whether the first free span of a page looks like its headline, a closing mark notwithstanding."""
    following = of_neighbour(CHARS, -1)
    asks_or_calls = has(Edge.ENDS_WITH_ASCII_MARK)
    return is_first_free() & (CHARS <= 160) & IS_TITLE_SIZED & ((following <= 120) | asks_or_calls)


def with_titles(spans: pl.DataFrame) -> pl.DataFrame:
    """Find the headlines of pages.

    A headline stands at the head of its page, before any byline, and does not end like a sentence (unless a byline or
    a date follows); of several such lines it is the first with at least four words, because the names of sites are
    shorter. Or it is a line at the head of the page that stands on it at least twice.

    Args:
        spans: SPANS and `region`.
    """
    next_role = pl.col("role").shift(-1)
    leads_to_metadata = next_role.is_in(["byline", "dateline"])
    next_is_short = (CHARS.shift(-1) <= 40) & ~pl.col("ends_sentence").shift(-1)
    is_question = has(Edge.ASKS_OR_CALLS) & (
        pl.col("is_after_blank").shift(-1) | next_role.is_not_null() | next_is_short
    )
    # A line that goes on below with a small letter was wrapped.
    goes_on = (_BEGINS_SMALL & ~pl.col("is_after_blank") & IS_FREE).shift(-1, fill_value=False)
    is_after_byline = (pl.col("role") == "byline").fill_null(value=False).cum_max().over("page")
    spans = spans.with_columns(is_first_free=is_first_free(), ends_sentence=ENDS_SENTENCE, place=PLACE).with_columns(
        could_be=(pl.col("is_first_free") | (pl.col("region") == Region.HEAD.value))
        & IS_FREE
        & IS_TITLE_SIZED
        & ~is_after_byline
        & ~pl.col("is_glued")
        & ~_BEGINS_SMALL
        & (pl.col("place") < pl.len().over("page") - 1)
        & ~goes_on
        & (~pl.col("ends_sentence") | leads_to_metadata | is_question).fill_null(value=False)
    )
    is_long = pl.col("could_be") & ((WORDS >= 4) | (UNSPACED >= 6))
    is_chosen = pl.when(is_long.any().over("page")).then(is_long).otherwise("could_be")
    spans = spans.with_columns(is_chosen=is_chosen, is_same=_is_first_again(spans))
    is_headline = pl.col("is_chosen") & (pl.col("is_chosen").cum_sum().over("page") == 1)
    is_repeated = (
        IS_FREE
        & IS_TITLE_SIZED
        & pl.col("is_same")
        & (pl.col("is_same").sum().over("page") >= 2)
        & (pl.when("is_same").then("place").min().over("page") < REPEATED_WITHIN)
    )
    return spans.with_columns(
        role=pl.when(is_headline | is_repeated).then(pl.lit("title")).otherwise("role"),
        rule=pl.when(is_repeated)
        .then(pl.lit("repeated_headline"))
        .when(is_headline)
        .then(pl.lit("headline"))
        .otherwise("rule"),
    ).drop("is_first_free", "ends_sentence", "place", "could_be", "is_chosen", "is_same")


def _is_first_again(spans: pl.DataFrame) -> pl.Series:
    """Whether each span reads as the first free one of its page; no other text of the same length is looked at.

    Args:
        spans: SPANS and `is_first_free`.
    """
    places = spans.select("page", "char_count", "is_first_free").with_row_index("nth")
    first = pl.when("is_first_free").then("nth").max().over("page")
    alike = places.with_columns(first=first).filter(CHARS.gather("first") == CHARS)
    is_same = spans["raw"].gather(alike["nth"]) == spans["raw"].gather(alike["first"])
    found = np.zeros(spans.height, np.bool_)
    found[alike["nth"].filter(is_same).to_numpy()] = True
    return pl.Series(found)


def with_author_notes(spans: pl.DataFrame) -> pl.DataFrame:
    """Find lines that say who the author is ("<name> is the author of …"): below the byline, or after the text.

    Args:
        spans: SPANS and `region`, with titles and bylines found.
    """
    is_below = of_neighbour(pl.col("role"), 1).is_in(["byline", "dateline"]).fill_null(value=False)
    notes = spans.filter(
        IS_FREE & (CHARS <= _MAX_NOTE_CHARS) & (is_below | (pl.col("region") == Region.TAIL.value))
    ).select("page", "char_start", name=pl.col("raw").str.extract(_INTRODUCED, 1))
    bylines = spans.filter(pl.col("role") == "byline").select("page", byline="raw")
    named = (
        notes.drop_nulls()
        .join(bylines, on="page")
        .filter(pl.col("byline").str.contains(pl.col("name"), literal=True))
        .select("page", "char_start", is_note=pl.lit(value=True))
        .unique()
    )
    if named.is_empty():
        return spans
    return (
        spans.join(named, on=["page", "char_start"], how="left", maintain_order="left")
        .with_columns(
            role=pl.when("is_note").then(pl.lit("byline")).otherwise("role"),
            rule=pl.when("is_note").then(pl.lit("author_note")).otherwise("rule"),
        )
        .drop("is_note")
    )


def with_names_under_titles(spans: pl.DataFrame) -> pl.DataFrame:
    """Find bylines without a "By": a bare name, or several, under the headline.

    It is one when a date follows it, or when the page says elsewhere who that is ("<name> is a …").
    """
    is_name = IS_FREE & (of_neighbour(pl.col("role"), 1) == "title") & (CHARS <= 80)
    names = spans.with_columns(next_role=of_neighbour(pl.col("role"), -1)).filter(is_name)
    names = names.filter(pl.col("raw").str.contains(_BARE_NAMES))
    if names.is_empty():
        return spans
    introduced = (
        spans.join(names.select("page"), on="page", how="semi", maintain_order="left")
        .select("page", raw=pl.col("raw").str.extract(_INTRODUCED, 1))
        .drop_nulls()
    )
    bylines = pl.concat(
        [
            names.filter(pl.col("next_role") == "dateline").select("page", "char_start"),
            names.join(introduced, on=["page", "raw"], how="semi", maintain_order="left").select("page", "char_start"),
        ]
    ).unique()
    return (
        spans.join(
            bylines.with_columns(is_byline=pl.lit(value=True)),
            on=["page", "char_start"],
            how="left",
            maintain_order="left",
        )
        .with_columns(
            role=pl.when("is_byline").then(pl.lit("byline")).otherwise("role"),
            rule=pl.when("is_byline").then(pl.lit("name_under_title")).otherwise("rule"),
        )
        .drop("is_byline")
    )
