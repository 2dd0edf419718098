"""Pairs of texts that share features, such as rare words."""

import polars as pl


def linked_pairs(features: pl.DataFrame, all_pairs_up_to: int) -> pl.DataFrame:
    """Pairs of items that share features, in a number that grows with the features and not with their square.

    A feature that few items have links all of them with each other. One that many have (a wire story with hundreds of
    copies, a stock phrase) links each to its first item and to the one before it: copies are then found through the
    first of them, and nothing is lost to a cap on frequency.

    Args:
        features: `item` (an integer that says which is earlier), `feature`.
        all_pairs_up_to: items; a feature of more items is linked as a star and a chain.

    Returns:
        `a, b, shared`: one row per pair, a < b, sorted; `shared` counts the features that link them.
    """
    postings = (
        features.select("feature", "item")
        .unique()
        .sort("feature", "item")
        .with_columns(frequency=pl.len().over("feature"))
        .filter(pl.col("frequency") > 1)
    )
    rare = postings.filter(pl.col("frequency") <= all_pairs_up_to).select("feature", "item")
    common = postings.filter(pl.col("frequency") > all_pairs_up_to)
    pairs = rare.join(rare, on="feature").select(a="item", b="item_right").filter(pl.col("a") < pl.col("b"))
    first = pl.col("item").first().over("feature")
    previous = pl.col("item").shift(1).over("feature")
    star = common.select(a=first, b=pl.col("item")).filter(pl.col("a") < pl.col("b"))
    chain = common.select(a=previous, b=pl.col("item"), first=first).filter(pl.col("a") > pl.col("first")).drop("first")
    return pl.concat([pairs, star, chain]).group_by("a", "b").agg(shared=pl.len()).sort("a", "b")
