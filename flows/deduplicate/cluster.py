"""Clusters of copies around their survivor, and the order that names the survivor."""

import numpy as np
import polars as pl

from flows.compiled import kernel
from flows.deduplicate.kernels import stars

# Edges from which on compiling pays: as it stands, the kernel takes less than a microsecond an edge.
_COMPILE_FROM_EDGES = 200_000


def survivor_order(articles: pl.DataFrame) -> pl.DataFrame:
    """Rank articles: the first of a cluster is the copy to keep.

    A stated date comes before an inferred one and that before none; then the earlier date; the original publisher
    before a republisher; the longer text; the lower id. The order is total and does not depend on the order of rows.

    Args:
        articles: rows of the table `articles`.

    Returns:
        `article_id, rank`: one row per article in survivor order; `rank` (UInt32) counts from 0.
    """
    basis = pl.col("published_date_basis")
    certainty = (
        pl.when(pl.col("published_date").is_null()).then(2).when(basis == "stated").then(0).otherwise(1).alias("basis")
    )
    return (
        articles.select(
            "article_id",
            certainty,
            "published_date",
            pl.col("republisher").is_not_null().alias("is_republished"),
            pl.col("word_count").cast(pl.Int64).neg().alias("brevity"),
        )
        .sort("basis", "published_date", "is_republished", "brevity", "article_id", nulls_last=True)
        .select("article_id", rank=pl.int_range(pl.len(), dtype=pl.UInt32))
    )


def star_clusters(edges: pl.DataFrame) -> pl.DataFrame:
    """Gather each item around the earliest canonical item that it has an edge to.

    Every member of a cluster has an edge of its own to the canonical item: a chain a-b-c without a-c ends in two
    clusters, so that neither a template nor a series of small edits makes a cluster grow.

    Args:
        edges: `a`, `b`: verified pairs, a < b (a is the earlier one).

    Returns:
        `item, cluster`: one row per item that has an edge, sorted; `cluster` is its canonical item.
    """
    a, b = (edges[side].to_numpy().astype(np.int64) for side in ("a", "b"))
    keys = np.sort((a << 32) | b)
    a, b = keys >> 32, keys & 0xFFFFFFFF
    count = 1 + int(b.max(initial=0))
    items = np.flatnonzero(np.bincount(a, minlength=count) + np.bincount(b, minlength=count))
    centres = np.empty(count, np.int64)
    kernel(stars, is_compiled=len(a) >= _COMPILE_FROM_EDGES)(a, b, centres)
    return pl.DataFrame({"item": items, "cluster": centres[items]}).cast(pl.UInt32)
