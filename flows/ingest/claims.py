"""Documents of different containers that claim the same uri: one of them gets it."""

import polars as pl

# A uri together with what tells apart the documents that claim it.
_CLAIM = ("uri", "sha256", "container", "record")


def settled(documents: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each uri to the document with the smallest SHA-256, whatever the order of the rows.

    A record that states no uri of its own is named by its container and index: no other document claims its place.

    Args:
        documents: the columns of the table `sources`, all documents of the uris that are in it, and any others.

    Returns:
        The documents that keep their uri, in the order of the rows, and those that do not: `uri, container, record,
        winner_sha256, is_repeat` (whether another document with the same uri and bytes goes before it), one row per
        document, in order of uri and bytes.
    """
    claims = (
        documents.select(_CLAIM)
        .with_row_index("row")
        .filter(pl.col("container").is_null() | (pl.col("uri") != pl.col("container")))
    )
    claims = claims.filter(claims["uri"].is_duplicated())
    is_same_uri = (pl.col("uri") == pl.col("uri").shift()).fill_null(value=False)
    losers = (
        claims.sort("uri", "sha256", "container", "record", nulls_last=False)
        .with_columns(
            winner_sha256=pl.col("sha256").first().over("uri"),
            is_loser=is_same_uri,
            is_repeat=is_same_uri & (pl.col("sha256") == pl.col("sha256").shift()),
        )
        .filter("is_loser")
    )
    kept = documents
    if not losers.is_empty():
        is_lost = pl.int_range(documents.height, dtype=pl.UInt32, eager=True).is_in(losers["row"].implode())
        kept = documents.filter(~is_lost)
    return kept, losers.select("uri", "container", "record", "winner_sha256", "is_repeat")
