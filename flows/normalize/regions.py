"""Regions: where on a page the prose begins and ends."""

import polars as pl

from flows.normalize.edges import Edge, has
from flows.normalize.rules import Region
from flows.normalize.spans import IS_FREE, PLACE

# Lines from either end of a page that rules for its edges look at, whatever stands between: furniture can be long.
NEAR_EDGE = 6


def with_regions(spans: pl.DataFrame) -> pl.DataFrame:
    """Add `region` and `is_near_edge`: `head` before the first prose of a page, `tail` after its last, else `any`.

    Prose is a span without a role that is long, or a shorter one that ends like a sentence, where the script has blanks
    between words or where it has none.

    Args:
        spans: SPANS and `is_weak`, which marks spans that look like furniture or like a headline: they are no prose.
    """
    is_long = (pl.col("char_count") >= 140) | (pl.col("unspaced_count") >= 40)
    is_sentence = ((pl.col("char_count") >= 50) | (pl.col("unspaced_count") >= 15)) & has(Edge.STOPS)
    return (
        spans.with_columns(is_prose=IS_FREE & ~pl.col("is_weak") & (is_long | is_sentence))
        .with_columns(
            prose_so_far=pl.col("is_prose").cum_sum().over("page"), prose_in_all=pl.col("is_prose").sum().over("page")
        )
        .with_columns(
            is_near_edge=(PLACE < NEAR_EDGE) | (pl.len().over("page") - PLACE <= NEAR_EDGE),
            region=pl.when(pl.col("prose_so_far") == 0)
            .then(pl.lit(Region.HEAD.value))
            .when((pl.col("prose_so_far") == pl.col("prose_in_all")) & ~pl.col("is_prose"))
            .then(pl.lit(Region.TAIL.value))
            .otherwise(pl.lit(Region.ANY.value)),
        )
        .drop("is_prose", "prose_so_far", "prose_in_all")
    )
