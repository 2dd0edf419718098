"""Passages that say what an earlier passage says: in the same words, in nearly the same, or reworded.

Four rules find pairs; each row of their result tells which one did. Words alone decide where many are shared. Where
few are, the place must speak too: one lede translated twice shares less with itself than a pull quote does with
the answer that it is cut from.
"""

import polars as pl

from flows.deduplicate.align import align, align_pairs
from flows.deduplicate.compare import with_common_words, with_new_figures
from flows.deduplicate.shingles import linked_pairs, shingles_of
from flows.deduplicate.slots import slot_matches
from flows.deduplicate.words import same_words, word_counts, word_spans, words_of
from flows.settings import Settings

__all__ = ["MATCH_SCHEMA", "align", "align_pairs", "located", "passage_matches"]

MATCH_SCHEMA = pl.Schema(
    {
        "a": pl.UInt32,
        "b": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
        "method": pl.String,
        "is_whole": pl.Boolean,
        "a_from": pl.UInt32,
        "a_to": pl.UInt32,
        "b_from": pl.UInt32,
        "b_to": pl.UInt32,
    }
)

# The rules, in the order in which they are asked: the first to find a pair describes it.
_RULE_ORDER = {"same_words": 0, "common_words": 1, "same_template": 2, "same_slot": 3, "shared_stretch": 4}

# Menus, counters and names are alike everywhere and say nothing; a dateline is a place and a day.
_NEVER = ("navigation", "speaker_label", "dateline")
# Different words with a letter that a passage must have to be told from another of its role; content has a setting.
# Three are "By Jane Doe" or a short headline, and more than "Read more"; a notice of three is "All rights reserved".
_MIN_WORDS = {"byline": 3, "title": 3, "source_url": 3}
_MIN_NOTICE_WORDS = 4

# Words that may differ between two shared shingles of one stretch, and the share of it that must be shared.
_STRETCH_GAP = 5
_STRETCH_DENSITY = 0.75
# Shared shingles, or their share of the shorter passage's, from which on a pair is compared word by word.
_LIKELY_SHINGLES = 3
_LIKELY_SHARE = 0.3
# In a headline or a short sentence one other word is another story ("rates rise", "rates fall").
_SHORT_SIMILARITY = 0.92


def passage_matches(lines: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Find the passages that repeat an earlier one.

    Args:
        lines: `item` (UInt32, unique; which passage is earlier), `text`, `role`, `is_content`, `article` (UInt32),
            `source_id`, `publisher`, `outlet`, `authors`: one row per passage.
        settings: thresholds.

    Returns:
        `a, b, kind, score, method, is_whole, a_from, a_to, b_from, b_to`: one row per pair, a < b, sorted. `is_whole`
        where b as a whole repeats (part of) a. The last four are positions of words, the end exclusive, where only a
        stretch of that passage is shared, else null. Not all pairs of a group of repeats are there, but each member is
        paired with the first one.
    """
    lines = lines.sort("item")
    words = words_of(lines.filter(~pl.col("role").is_in(_NEVER)))
    words = words.join(_telling(lines, words, settings), on="item", how="semi", maintain_order="left")
    kinds = lines.select("item", "is_content", comparable=_comparable())
    groups = (
        same_words(words)
        .join(kinds, on="item")
        .with_columns(pl.col("item").min().over("first", "comparable").alias("first"))
    )
    verbatim = groups.filter(pl.col("item") != pl.col("first")).select(
        a="first",
        b="item",
        kind=pl.lit("verbatim"),
        score=pl.lit(1.0),
        method=pl.lit("same_words"),
        is_whole=pl.lit(value=True),
    )
    firsts = words.join(verbatim, left_on="item", right_on="b", how="anti", maintain_order="left")
    found = [
        _full(verbatim),
        *_shared_words(firsts, lines.join(kinds.select("item", "comparable"), on="item"), settings),
        _full(slot_matches(firsts, words, lines, settings)),
    ]
    return (
        pl.concat(found)
        .with_columns(rule=pl.col("method").replace_strict(_RULE_ORDER, return_dtype=pl.UInt8))
        .sort("a", "b", "rule")
        .unique(["a", "b"], keep="first", maintain_order=True)
        .drop("rule")
    )


def located(matches: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Turn positions of words into offsets in the sources.

    Cleaning shortens a passage, and what it took away is not known here: a stretch of a passage that was shortened ends
    later by as many characters, so that the words it speaks of always lie inside.

    Args:
        matches: as `passage_matches` gives them.
        lines: `item, text, char_start, char_count`.

    Returns:
        `matches` with `a_char_start, a_char_count, b_char_start, b_char_count` instead of the positions of words.
    """
    for side in ("a", "b"):
        first, end = pl.col(f"{side}_from"), pl.col(f"{side}_to")
        stretches = matches.filter(first.is_not_null()).select(item=side)
        spans = word_spans(lines.join(stretches, on="item", how="semi"))
        starts = spans.select(pl.col("item").alias(side), pl.col("position").alias(f"{side}_from"), "char_start")
        ends = spans.select(
            pl.col("item").alias(side), (pl.col("position") + 1).cast(pl.UInt32).alias(f"{side}_to"), "char_end"
        )
        places = lines.select(
            pl.col("item").alias(side),
            base="char_start",
            whole="char_count",
            removed=pl.col("char_count").cast(pl.Int64) - pl.col("text").str.len_chars(),
        )
        is_stretch = end.is_not_null() & (pl.col("removed") >= 0)
        start = pl.when(is_stretch).then(pl.col("char_start").cast(pl.Int64)).otherwise(0)
        stop = (
            pl.when(is_stretch)
            .then(pl.min_horizontal(pl.col("char_end").cast(pl.Int64) + pl.col("removed"), "whole"))
            .otherwise("whole")
        )
        matches = (
            matches.join(places, on=side)
            .join(starts, on=[side, f"{side}_from"], how="left")
            .join(ends, on=[side, f"{side}_to"], how="left")
            .with_columns(
                (pl.col("base") + start).cast(pl.UInt32).alias(f"{side}_char_start"),
                (stop - start).cast(pl.UInt32).alias(f"{side}_char_count"),
            )
            .drop("base", "whole", "removed", "char_start", "char_end", f"{side}_from", f"{side}_to")
        )
    return matches.sort("a", "b")


def _comparable() -> pl.Expr:
    """What a passage is compared with: content, headlines, bylines and captions among themselves, and all notices."""
    own = ("title", "byline", "caption")
    return (
        pl.when("is_content")
        .then(pl.lit("content"))
        .when(pl.col("role").is_in(own))
        .then("role")
        .otherwise(pl.lit("notice"))
    )


def _telling(lines: pl.DataFrame, words: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The passages with enough different words to be told from others by them: `item`."""
    least = (
        pl.when("is_content")
        .then(settings.min_repeat_words)
        .otherwise(pl.col("role").replace_strict(_MIN_WORDS, default=_MIN_NOTICE_WORDS, return_dtype=pl.Int64))
    )
    different = word_counts(words.filter(~pl.col("is_figure")).unique(["item", "word"], maintain_order=True))
    return lines.join(different, on="item").filter(pl.col("size") >= least).select("item")


def _full(matches: pl.DataFrame) -> pl.DataFrame:
    """Matches with all columns of MATCH_SCHEMA; positions that they do not have are null."""
    missing = {name: pl.lit(None, dtype=dtype) for name, dtype in MATCH_SCHEMA.items() if name not in matches.columns}
    return matches.with_columns(**missing).select(MATCH_SCHEMA.names()).cast(MATCH_SCHEMA)


def _shared_words(words: pl.DataFrame, lines: pl.DataFrame, settings: Settings) -> list[pl.DataFrame]:
    """Pairs that share a run of words: those alike as a whole, and those with a stretch in common."""
    shingles = shingles_of(words, settings.shingle_words)
    kinds = lines.select("item", group=pl.col("comparable").hash())
    features = shingles.join(kinds, on="item", maintain_order="left").select(
        "item", feature=pl.col("shingle") + pl.col("group")
    )
    counts = word_counts(words)
    facts = counts.join(
        lines.select("item", "is_content", "source_id", is_byline=pl.col("role") == "byline"), on="item"
    )
    pairs = (
        linked_pairs(features, settings.all_pairs_up_to)
        .join(facts.select(a="item", a_count="word_count", a_size="size", a_source_id="source_id"), on="a")
        .join(
            facts.select(
                "is_content",
                "is_byline",
                b="item",
                b_count="word_count",
                b_size="size",
                b_source_id="source_id",
            ),
            on="b",
        )
        .filter(
            (pl.col("shared") >= _LIKELY_SHINGLES)
            | (
                pl.col("shared")
                >= _LIKELY_SHARE * (pl.min_horizontal("a_count", "b_count") - settings.shingle_words + 1)
            )
        )
        .with_columns(is_one_source=pl.col("a_source_id") == pl.col("b_source_id"))
    )
    return [_full(_near(pairs, words, settings)), _full(_stretches(pairs, shingles, words, settings))]


def _near(pairs: pl.DataFrame, words: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The pairs that differ in a few words: Dice of their words, each counted as often as it stands."""
    most = 2 * pl.min_horizontal("a_count", "b_count") / (pl.col("a_count") + pl.col("b_count"))
    is_short = pl.min_horizontal("a_size", "b_size") < settings.min_stretch_words
    least = (
        pl.when(is_short)
        .then(pl.max_horizontal(_SHORT_SIMILARITY, settings.near_similarity))
        .otherwise(settings.near_similarity)
    )
    # A name is one word of a byline and all that it says; bylines are compared in their slot, by author.
    possible = pairs.filter((most >= least) & ~pl.col("is_byline"))
    return (
        possible.pipe(with_common_words, words)
        .filter(pl.col("word_similarity") >= least)
        .pipe(with_new_figures, words)
        .select(
            "a",
            "b",
            kind=pl.lit("near"),
            score="word_similarity",
            method=pl.lit("common_words"),
            is_whole=~(pl.col("is_content") & pl.col("has_new_figures")),
        )
    )


def _stretches(pairs: pl.DataFrame, shingles: pl.DataFrame, words: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The longest stretch that two content passages of different sources share, where it is long enough.

    Shared shingles that follow one another in both passages, with a few other words between them at most, are one
    stretch.
    """
    size = settings.shingle_words
    pairs = pairs.filter("is_content", ~pl.col("is_one_source"))
    compared = pl.concat([pairs.select(item="a"), pairs.select(item="b")]).unique()
    first_use = shingles.join(compared, on="item", how="semi", maintain_order="left").unique(
        ["item", "shingle"], keep="first", maintain_order=True
    )
    shift = pl.col("b_at").cast(pl.Int64) - pl.col("a_at").cast(pl.Int64)
    b_step = pl.col("b_at").diff().over("a", "b")
    a_step = pl.col("a_at").cast(pl.Int64).diff().over("a", "b")
    # Positions are those of first words: two shingles that do not touch are `size` apart.
    reach = size + _STRETCH_GAP
    follows = (b_step <= reach) & a_step.is_between(1, reach)
    seeds = (
        pairs.select("a", "b")
        .join(first_use.select(a="item", shingle="shingle", a_at="position"), on="a")
        .join(first_use.select(b="item", shingle="shingle", b_at="position"), on=["b", "shingle"])
        .sort("a", "b", "b_at")
        .with_columns(
            stretch=(~follows).fill_null(value=True).cum_sum(),
            shift=shift,
        )
        .with_columns(step=pl.col("b_at").diff().over("a", "b", "stretch"))
    )
    last = pl.col("step").fill_null(size).clip(upper_bound=size)
    stretches = (
        seeds.group_by("a", "b", "stretch", maintain_order=True)
        .agg(
            a_from=pl.col("a_at").first(),
            a_to=pl.col("a_at").last() + size,
            b_from=pl.col("b_at").first(),
            b_to=pl.col("b_at").last() + size,
            matched=last.sum().cast(pl.Int64),
            is_unbroken=(pl.col("shift").n_unique() == 1) & (pl.col("step").max().fill_null(0) <= size),
        )
        .sort(["a", "b", "matched", "b_from"], descending=[False, False, True, False])
        .unique(["a", "b"], keep="first", maintain_order=True)
        .join(pairs, on=["a", "b"])
    )
    weight = pl.min_horizontal(pl.col("a_size") / pl.col("a_count"), pl.col("b_size") / pl.col("b_count"))
    length = pl.max_horizontal(pl.col("a_to") - pl.col("a_from"), pl.col("b_to") - pl.col("b_from"))
    is_long = (pl.col("matched") * weight >= settings.min_stretch_words) & (
        pl.col("matched") >= _STRETCH_DENSITY * length
    )
    a_is_whole = pl.col("matched") >= settings.near_similarity * pl.col("a_count")
    b_is_whole = pl.col("matched") >= settings.near_similarity * pl.col("b_count")
    kind = pl.when("is_unbroken").then(pl.lit("verbatim")).otherwise(pl.lit("near"))
    return (
        stretches.filter(is_long)
        .pipe(with_new_figures, words)
        .select(
            "a",
            "b",
            kind=kind,
            score=2 * pl.col("matched") / (pl.col("a_count") + pl.col("b_count")),
            method=pl.lit("shared_stretch"),
            is_whole=b_is_whole & ~pl.col("has_new_figures"),
            a_from=pl.when(~a_is_whole).then("a_from"),
            a_to=pl.when(~a_is_whole).then("a_to"),
            b_from=pl.when(~b_is_whole).then("b_from"),
            b_to=pl.when(~b_is_whole).then("b_to"),
        )
    )
