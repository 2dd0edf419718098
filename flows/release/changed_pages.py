"""The pages that came, went, changed or were renamed between two releases, and what was taken down."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from flows.release.causes import (
    SOURCE_ADDED,
    SOURCE_CHANGED,
    SOURCE_REMOVED,
    SOURCE_RENAMED,
    TAKEDOWN,
    Default,
)
from flows.release.compare import ADDED, CHANGED, REMOVED, Comparison, Snapshot, either
from schemas.columns import OUTSIDE_RULES

# Columns of `sources` for what is known of a page from outside its bytes, as OUTSIDE_RULES are of `evidence`.
OUTSIDE_COLUMNS = ("container", "record", "retrieved_at")
ARROW = " → "
TEXT = pl.String()
CAUSED = {"id": TEXT, "cause": TEXT, "detail": TEXT}


def takedowns(comparison: Comparison) -> pl.DataFrame:
    """`id, cause, detail, table, uri`: one row per tombstone that came, changed, or went (a takedown was lifted)."""
    if "tombstones" not in comparison.tables:
        return pl.DataFrame(schema=CAUSED | {"table": TEXT, "uri": TEXT})
    rows = comparison.tables["tombstones"].rows
    table, uri, reason, named = (either(column) for column in ("table", "uri", "reason", "id"))
    what = pl.concat_str(table.fill_null("row"), pl.lit(" "), named)
    return rows.select(
        id=named,
        cause=pl.lit(TAKEDOWN),
        detail=pl.concat_str(
            pl.concat_str(uri, pl.lit(" ("), what, pl.lit(")")).fill_null(what),
            pl.lit(": "),
            reason.fill_null("no reason is given"),
        ),
        table=table,
        uri=uri,
    )


def changed_pages(
    old: Snapshot, new: Snapshot, comparison: Comparison, default: Default, taken: pl.DataFrame
) -> pl.DataFrame:
    """The pages that explain their own rows.

    Where settings or code differ, a page that was read from the same file as before explains nothing: if its row came,
    went or differs, then because it is turned away or read in another way now.

    Args:
        old: the old release.
        new: the new release.
        comparison: how they differ.
        default: what differs beside pages.
        taken: what `takedowns` returns.

    Returns:
        `id, cause, detail`: `source_id`, old or new, and the page's uri, with its record where that names it.

    Raises:
        CopydeskError: a table cannot be read.
    """
    if "sources" not in comparison.tables:
        return pl.DataFrame(schema=CAUSED)
    rows = _with_takedowns(comparison.tables["sources"].rows, taken).with_columns(place=place_of("new_", "old_"))
    is_down = pl.col("takedown").is_not_null()
    same_bytes = (pl.col("change") == CHANGED) & pl.col("old_sha256").eq_missing(pl.col("new_sha256"))
    outside_count = pl.col("columns").list.set_intersection(list(OUTSIDE_COLUMNS)).list.len()
    known_anew = rows.filter(~is_down, same_bytes, outside_count >= (pl.col("columns").list.len() if default else 1))
    others = rows.filter(~is_down, ~same_bytes)
    before, after = _inputs(old.manifest), _inputs(new.manifest)
    if default:
        same_files = [uri for uri, sha256 in before.items() if after.get(uri) == sha256]
        others = others.filter(~either("container").fill_null(either("uri")).is_in(same_files))
    # A file that is still read, with other bytes, has become one that is turned away, or is turned away no longer.
    other_files = [uri for uri, sha256 in before.items() if after.get(uri, sha256) != sha256]
    is_changed = (pl.col("change") == CHANGED) | (either("container").is_null() & either("uri").is_in(other_files))
    moved = others.filter(~is_changed)
    return pl.concat(
        [
            _of_both_ids(rows.filter(is_down), TAKEDOWN, "takedown"),
            _of_both_ids(pl.concat([known_anew, others.filter(is_changed)]), SOURCE_CHANGED, "place"),
            _moves(
                moved.filter(change=REMOVED).select("place", id="old_source_id", sha256="old_sha256"),
                moved.filter(change=ADDED).select("place", id="new_source_id", sha256="new_sha256"),
            ),
            _known_otherwise(old, new, comparison, default),
        ]
    )


def changed_inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> pl.DataFrame:
    """`id, cause, detail`: the files that came, went, changed or were renamed between two manifests, by uri."""
    before, after = _inputs(old), _inputs(new)
    changed = [uri for uri, sha256 in before.items() if after.get(uri, sha256) != sha256]
    went, came = (
        pl.DataFrame({"id": list(found), "sha256": list(found.values())}, schema={"id": TEXT, "sha256": TEXT})
        .filter(~pl.col("id").is_in(list(others)))
        .with_columns(place="id")
        for found, others in ((before, after), (after, before))
    )
    files = pl.DataFrame({"id": changed}, schema={"id": TEXT})
    return pl.concat([files.select("id", cause=pl.lit(SOURCE_CHANGED), detail="id"), _moves(went, came)])


def _moves(went: pl.DataFrame, came: pl.DataFrame) -> pl.DataFrame:
    """Pages or files that are gone and new; two of the same bytes are one that was renamed.

    Args:
        went: `id, place, sha256`, with unique ids.
        came: the same of the new release.

    Returns:
        `id, cause, detail`.
    """
    nth = pl.int_range(pl.len()).over("sha256")
    old, new = (rows.drop_nulls("sha256").sort("sha256", "place", "id").with_columns(nth=nth) for rows in (went, came))
    pairs = old.join(new, on=["sha256", "nth"], suffix="_new", maintain_order="left").with_columns(
        cause=pl.lit(SOURCE_RENAMED), detail=pl.concat_str("place", pl.lit(ARROW), "place_new")
    )
    return pl.concat(
        [
            pairs.select("id", "cause", "detail"),
            pairs.select("id_new", "cause", "detail").rename({"id_new": "id"}),
            went.join(pairs, on="id", how="anti").select("id", cause=pl.lit(SOURCE_REMOVED), detail="place"),
            came.join(pairs, left_on="id", right_on="id_new", how="anti").select(
                "id", cause=pl.lit(SOURCE_ADDED), detail="place"
            ),
        ]
    )


def _known_otherwise(old: Snapshot, new: Snapshot, comparison: Comparison, default: Default) -> pl.DataFrame:
    """`id, cause, detail` of pages of which something else is known from outside their bytes, by their evidence.

    Where settings or code differ, the value must come from outside in both releases: else the rules may have changed
    their mind.
    """
    if "evidence" not in comparison.tables:
        return pl.DataFrame(schema=CAUSED)
    is_outside = [pl.col(f"{side}_rule").is_in(OUTSIDE_RULES) for side in ("old", "new")]
    rows = comparison.tables["evidence"].rows
    rows = rows.filter(pl.all_horizontal(is_outside) if default else pl.any_horizontal(is_outside))
    articles = rows.select(article_id=either("article_id")).unique()
    found = []
    for release in (old, new):
        places = release.columns("articles", {"article_id": TEXT, "source_id": TEXT})
        sources = release.columns(
            "sources", {"source_id": TEXT, "uri": TEXT, "container": TEXT, "record": pl.UInt32()}
        ).with_columns(record=pl.col("record").cast(TEXT))
        ids = places.join(articles, on="article_id", how="semi").select("source_id").unique()
        found.append(
            sources.join(ids, on="source_id", how="semi", maintain_order="left").select(
                id="source_id", cause=pl.lit(SOURCE_CHANGED), detail=place_of("")
            )
        )
    # Of a page that only one release has, and of one that changed, that is said elsewhere.
    return found[0].join(found[1], on="id", how="semi", maintain_order="left")


def _with_takedowns(rows: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """Rows of `sources` that came or went with the `takedown` that is the reason, by id or by uri; else null."""
    by_uri = taken.filter(table="sources").drop_nulls("uri").unique("uri", keep="first", maintain_order=True)
    by_id = taken.unique("id", keep="first", maintain_order=True)
    takedown = pl.coalesce(
        either("source_id").replace_strict(by_id["id"], by_id["detail"], default=None, return_dtype=TEXT),
        either("uri").replace_strict(by_uri["uri"], by_uri["detail"], default=None, return_dtype=TEXT),
    )
    return rows.with_columns(takedown=pl.when(pl.col("change") != CHANGED).then(takedown))


def place_of(*prefixes: str) -> pl.Expr:
    """Where a page stands: its uri, and its record if only that tells it from others of its container."""
    uri, container, record = (
        pl.coalesce(f"{prefix}{column}" for prefix in prefixes) for column in ("uri", "container", "record")
    )
    return pl.when(uri == container).then(pl.concat_str(uri, pl.lit(", record "), record)).otherwise(uri)


def _of_both_ids(rows: pl.DataFrame, cause: str, detail: str) -> pl.DataFrame:
    """`id, cause, detail` of the old and the new `source_id` of rows."""
    sides = [
        rows.select(id=column, cause=pl.lit(cause), detail=detail) for column in ("new_source_id", "old_source_id")
    ]
    return pl.concat(sides).drop_nulls("id")


def _inputs(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Uri → SHA-256 of the files that were read."""
    return {str(one["uri"]): str(one["sha256"]) for one in manifest.get("inputs") or ()}
