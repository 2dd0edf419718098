"""Articles that are copies of one another: equal, edited, truncated, or with another outlet's furniture.

Candidate pairs come from shared shingles; each is verified by how much of both texts the shared shingles cover and by
how long the stretches are that they leave out. Jaccard similarity alone would miss truncated and edited copies, and
would take two stories in one template for copies.
"""

from dataclasses import dataclass

import polars as pl

from flows.deduplicate.cluster import star_clusters
from flows.deduplicate.shingles import linked_pairs, shingles_of
from flows.deduplicate.words import same_words, word_counts, words_of
from flows.settings import Settings

EDGE_SCHEMA = pl.Schema(
    {
        "a": pl.UInt32,
        "b": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
        "a_coverage": pl.Float64,
        "b_coverage": pl.Float64,
    }
)

# A candidate pair is looked at closely when the shingles that link it are this share of the shorter text's. It lies far
# below the coverage that is asked for, since a star of links counts only part of what two texts share.
_LIKELY_SHARE = 0.05
# A text that is found whole in another is its part, not an edited copy, when it has at most this share of its words.
_PART_LENGTH = 0.8
# In a short text fewer words are another story: of 75 words that share lede and footer, 15 may be all there is to tell.
_UNMATCHED_SHARE = 0.15
# A text that is the beginning of another one, word for word, was cut off, however early. This share of its words must
# be the other's, and at most so many words may stand there before or between what is shared.
_CUT_OFF_COVERAGE = 0.95
_CUT_OFF_SLIP = 8


def near_duplicates(documents: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Find the copies among documents.

    Args:
        documents: `item` (UInt32, unique, the survivor order), `text`, `form` (only documents of one form are
            compared: an article and its transcript are no copies of one another), `source_id` (parts of one source
            are held to a stricter rule).
        settings: thresholds.

    Returns:
        `a, b, kind, score, a_coverage, b_coverage`: one row per verified pair, a < b, sorted. A group of equal texts
        is linked to its first member, not all to all; the other pairs are between first members. `kind` is
        `duplicate_of` (the same words), `contains` (a shorter text found in a longer one: the part has the higher
        coverage) or `near_duplicate_of`. A coverage is the share of a text's words that lie in shared shingles;
        `score` is that of both together, for `contains` that of the part.
    """
    documents = documents.sort("item")
    words = words_of(documents)
    counts = word_counts(words)
    words = words.join(
        counts.filter(pl.col("size") >= settings.min_article_words), on="item", how="semi", maintain_order="left"
    )
    equal = (
        same_words(words)
        .join(documents.select("item", "form"), on="item")
        .with_columns(pl.col("item").min().over("first", "form").alias("first"))
        .filter(pl.col("item") != pl.col("first"))
        .select(
            a="first",
            b="item",
            kind=pl.lit("duplicate_of"),
            score=pl.lit(1.0),
            a_coverage=pl.lit(1.0),
            b_coverage=pl.lit(1.0),
        )
    )
    words = words.join(equal, left_on="item", right_on="b", how="anti", maintain_order="left")
    shingles = shingles_of(words, settings.shingle_words)
    texts = counts.join(documents.select("item", "form", "source_id"), on="item")
    index = _Index(shingles, texts, settings)
    return pl.concat([_verified_pairs(index), equal]).cast(EDGE_SCHEMA).sort("a", "b")


def clusters(edges: pl.DataFrame) -> pl.DataFrame:
    """Gather copies around their survivors.

    Args:
        edges: as `near_duplicates` gives them.

    Returns:
        `item, cluster`: one row per item of `edges`, sorted; `cluster` is the survivor. Every member has the same
        words as the survivor, or was verified against it, or has the same words as one that was.
    """
    equal = edges.filter(pl.col("kind") == "duplicate_of").select("b", first="a")
    stars = star_clusters(edges.filter(pl.col("kind") != "duplicate_of"))
    followers = equal.join(stars, left_on="first", right_on="item", how="left").select(
        item="b", cluster=pl.coalesce("cluster", "first")
    )
    firsts = equal.select(item="first", cluster="first").unique().join(stars, on="item", how="anti")
    return pl.concat([stars, followers, firsts]).sort("item")


@dataclass(frozen=True)
class _Index:
    """What pairs are verified with.

    Attributes:
        shingles: `item, position, shingle`, one row per shingle, in reading order.
        texts: `item, word_count, size, form, source_id`, one row per document.
        settings: thresholds.
    """

    shingles: pl.DataFrame
    texts: pl.DataFrame
    settings: Settings

    def side(self, prefix: str) -> pl.DataFrame:
        """`texts` with the prefix `a` or `b` to join to a pair; the item's column is the prefix itself."""
        return self.texts.select(pl.col("item").alias(prefix), pl.exclude("item").name.prefix(f"{prefix}_"))


def _verified_pairs(index: _Index) -> pl.DataFrame:
    """All edges: those that shared shingles propose, and those that a copy needs to its survivor."""
    candidates = linked_pairs(
        index.shingles.select("item", feature="shingle"), all_pairs_up_to=index.settings.all_pairs_up_to
    )
    tried = candidates = _likely(candidates, index)
    edges = _verified(candidates, index)
    while True:
        # An edge between two clusters: is the one's copy a copy of the other's survivor, too? The links above may not
        # have proposed that pair. Each round asks only what was never asked, so that it ends.
        stars = star_clusters(edges)
        of_a, of_b = stars.rename({"item": "a", "cluster": "a_star"}), stars.rename({"item": "b", "cluster": "b_star"})
        across = edges.join(of_a, on="a").join(of_b, on="b").filter(pl.col("a_star") != pl.col("b_star"))
        asked = pl.concat([across.select(x="a_star", y="b"), across.select(x="b_star", y="a")])
        missing = (
            asked.select(a=pl.min_horizontal("x", "y"), b=pl.max_horizontal("x", "y"))
            .filter(pl.col("a") != pl.col("b"))
            .unique()
            .join(tried, on=["a", "b"], how="anti")
            .sort("a", "b")
        )
        if missing.is_empty():
            return edges
        tried = pl.concat([tried.select("a", "b"), missing])
        edges = pl.concat([edges, _verified(missing, index)])


def _likely(candidates: pl.DataFrame, index: _Index) -> pl.DataFrame:
    """The candidate pairs of one form that share enough shingles to be worth the verification: `a, b`."""
    count = pl.min_horizontal("a_word_count", "b_word_count") - index.settings.shingle_words + 1
    return (
        candidates.join(index.side("a"), on="a")
        .join(index.side("b"), on="b")
        .filter((pl.col("a_form") == pl.col("b_form")) & (pl.col("shared") >= _LIKELY_SHARE * count))
        .select("a", "b")
        .sort("a", "b")
    )


def _verified(pairs: pl.DataFrame, index: _Index) -> pl.DataFrame:
    """Those of the pairs that are copies, with kind and coverages: columns of EDGE_SCHEMA."""
    settings = index.settings
    measured = (
        pairs.join(_coverage(pairs, "a", "b", index), on=["a", "b"])
        .join(_coverage(pairs, "b", "a", index), on=["a", "b"])
        .join(index.side("a"), on="a")
        .join(index.side("b"), on="b")
        .with_columns(
            a_coverage=pl.col("a_covered") / pl.col("a_word_count"),
            b_coverage=pl.col("b_covered") / pl.col("b_word_count"),
        )
    )
    a_is_longer = pl.col("a_word_count") >= pl.col("b_word_count")
    longer_coverage = pl.when(a_is_longer).then("a_coverage").otherwise("b_coverage")
    shorter_coverage = pl.when(a_is_longer).then("b_coverage").otherwise("a_coverage")
    lengths = pl.min_horizontal("a_word_count", "b_word_count") / pl.max_horizontal("a_word_count", "b_word_count")
    low = pl.min_horizontal("a_coverage", "b_coverage")
    # The words counted must weigh as much in a script without spaces, where each is a character.
    weight = pl.min_horizontal(pl.col("a_size") / pl.col("a_word_count"), pl.col("b_size") / pl.col("b_word_count"))
    shared = pl.min_horizontal("a_covered", "b_covered") * weight
    unmatched = pl.min_horizontal("a_unmatched", "b_unmatched") * weight
    shorter_size = pl.min_horizontal("a_size", "b_size")
    most_unmatched = pl.min_horizontal(settings.max_unmatched_words, _UNMATCHED_SHARE * shorter_size)
    is_same_story = low >= settings.same_story_coverage
    # In the longer text a cut-off copy covers the beginning, without a gap.
    longer_slip = pl.when(a_is_longer).then("a_slip").otherwise("b_slip") * weight
    is_cut_off = (shorter_coverage >= _CUT_OFF_COVERAGE) & (longer_slip <= _CUT_OFF_SLIP)
    is_copy = (
        (pl.col("a_form") == pl.col("b_form"))
        & (shared >= settings.min_shared_words)
        & (shorter_coverage >= settings.min_shorter_coverage)
        & ((longer_coverage >= settings.min_longer_coverage) | is_cut_off)
        & (is_same_story | (unmatched <= most_unmatched))
        & (is_same_story | (pl.col("a_source_id") != pl.col("b_source_id")))
    )
    is_part = (shorter_coverage >= settings.part_coverage) & (lengths <= _PART_LENGTH)
    both = (pl.col("a_covered") + pl.col("b_covered")) / (pl.col("a_word_count") + pl.col("b_word_count"))
    return (
        measured.filter(is_copy)
        .select(
            "a",
            "b",
            kind=pl.when(is_part).then(pl.lit("contains")).otherwise(pl.lit("near_duplicate_of")),
            score=pl.when(is_part).then(shorter_coverage).otherwise(both),
            a_coverage="a_coverage",
            b_coverage="b_coverage",
        )
        .cast(EDGE_SCHEMA)
        .sort("a", "b")
    )


def _coverage(pairs: pl.DataFrame, side: str, other: str, index: _Index) -> pl.DataFrame:
    """How much of one side of each pair the shingles that it shares with the other side cover.

    Returns:
        `a, b, {side}_covered, {side}_unmatched, {side}_slip`: one row per pair that shares a shingle; words covered,
        words of the longest stretch that is not, and words of the longest that stands before or between what is.
    """
    size = index.settings.shingle_words
    of_side = index.shingles.rename({"item": side})
    of_other = index.shingles.select(pl.col("item").alias(other), "shingle").unique()
    step = pl.col("position").shift(-1).over("a", "b") - pl.col("position")
    return (
        pairs.select("a", "b")
        .join(of_side, on=side)
        .join(of_other, on=[other, "shingle"], how="semi")
        .sort("a", "b", "position")
        .with_columns(step=step)
        .group_by("a", "b", maintain_order=True)
        .agg(
            covered=pl.col("step").fill_null(size).clip(upper_bound=size).sum(),
            inner=(pl.col("step").cast(pl.Int64) - size).max(),
            head=pl.col("position").first().cast(pl.Int64),
            end=pl.col("position").last().cast(pl.Int64) + size,
        )
        .join(index.side(side).select(side, f"{side}_word_count"), on=side)
        .select(
            "a",
            "b",
            pl.col("covered").alias(f"{side}_covered"),
            pl.max_horizontal("inner", "head", pl.col(f"{side}_word_count") - pl.col("end")).alias(f"{side}_unmatched"),
            pl.max_horizontal("inner", "head").alias(f"{side}_slip"),
        )
    )
