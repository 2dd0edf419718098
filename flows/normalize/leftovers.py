"""What no rule has claimed: labels at the edges of a page, links below a heading, and the text itself."""

import polars as pl

from flows.normalize.edges import Edge, has
from flows.normalize.rules import Region
from flows.normalize.spans import IS_FREE
from flows.normalize.titles import CHARS, ENDS_SENTENCE, UNSPACED, WORDS

_IS_TITLE = (pl.col("role") == "title").fill_null(value=False)


def with_leftovers(spans: pl.DataFrame) -> pl.DataFrame:
    """Give every span that is left its role: labels at the edges of the page, lists of links, and the text itself.

    Args:
        spans: SPANS and `region`.
    """
    in_head = pl.col("region") == Region.HEAD.value
    in_tail = pl.col("region") == Region.TAIL.value
    is_open = ~ENDS_SENTENCE | has(Edge.ENDS_WITH_MARK)
    # A list of links begins under its heading and ends with the first line that is no headline; one that says where it
    # ends, or whose only link stands beside the heading, has ended.
    is_heading = (
        (pl.col("role") == "related_links") & ~pl.col("is_in_block") & ~pl.col("rule").str.ends_with("related_line")
    )
    begins_page = pl.col("page") != pl.col("page").shift(1)
    is_end = ~(IS_FREE & (CHARS <= 140) & is_open) | begins_page
    list_state = pl.when(is_heading).then(pl.lit(1)).when(is_end).then(0)
    is_link = IS_FREE & (list_state.forward_fill() == 1).fill_null(value=False)
    is_label = ~ENDS_SENTENCE & (WORDS <= 3) & (CHARS <= 30) & (UNSPACED < 6)
    is_below_furniture = (in_tail & ~IS_FREE).cum_max().over("page")
    is_above_headline = ~_IS_TITLE.cum_max().over("page") & _IS_TITLE.any().over("page")
    is_navigation = IS_FREE & (
        (is_label & (in_head | (in_tail & is_below_furniture))) | (is_above_headline & in_head & (CHARS <= 60))
    )
    return spans.with_columns(
        role=pl.when(is_link)
        .then(pl.lit("related_links"))
        .when(is_navigation)
        .then(pl.lit("navigation"))
        .otherwise(pl.col("role").fill_null("body")),
        rule=pl.when(is_link)
        .then(pl.lit("below_related_heading"))
        .when(is_navigation)
        .then(pl.lit("label_at_edge"))
        .otherwise(pl.when(IS_FREE).then(pl.lit("prose")).otherwise("rule")),
    )
