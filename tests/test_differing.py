"""Two releases that are read side by side lose only rows that both have, however they are cut into parts."""

from collections.abc import Iterator
from random import Random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from flows.release.differing import differing_rows, with_hashes

SCHEMA = pl.Schema({"name": pl.String(), "text": pl.String(), "names": pl.List(pl.String()), "count": pl.Int64()})
Row = tuple[str | None, str | None, list[str | None] | None, int | None]

NAMES = st.none() | st.text("abcé", max_size=3)
ROWS = st.lists(
    st.tuples(
        NAMES,
        st.none() | st.sampled_from(["", "one", "two"]),
        st.none() | st.lists(st.none() | st.sampled_from(["x", ""]), max_size=2),
        st.none() | st.integers(0, 2),
    ),
    unique_by=lambda row: row[0],
    max_size=12,
)
CUTS = st.integers(0, 99).map(Random)


def parts(rows: list[Row], cuts: Random, *, is_sorted: bool = True) -> Iterator[pl.DataFrame]:
    """A table in parts of random size; some of them have no rows."""
    frame = pl.DataFrame(rows, SCHEMA, orient="row")
    frame = frame.sort("name", nulls_last=True) if is_sorted else frame
    found, start = [frame.clear()], 0
    while start < frame.height:
        count = cuts.randrange(4)
        found.append(frame.slice(start, count))
        start += count
    return iter(found)


def differing(old: Iterator[pl.DataFrame], new: Iterator[pl.DataFrame]) -> list[set[tuple[Any, ...]]] | None:
    found = differing_rows(old, new, [pl.col("name")], "name")
    return None if found is None else [as_set(rows) for rows in found]


def as_set(rows: pl.DataFrame) -> set[tuple[Any, ...]]:
    listed = [(name, text, names if names is None else tuple(names), count) for name, text, names, count in rows.rows()]
    assert len(listed) == len(set(listed))
    return set(listed)


def hashed(rows: list[Row]) -> set[tuple[Any, ...]]:
    return as_set(with_hashes(pl.DataFrame(rows, SCHEMA, orient="row")))


@given(ROWS, ROWS, st.data(), CUTS)
def test_what_both_have_is_left_out_and_nothing_else(old: list[Row], new: list[Row], data: Any, cuts: Random):
    kept = data.draw(st.lists(st.sampled_from(old), unique_by=lambda row: row[0])) if old else []
    names = {row[0] for row in kept}
    new = kept + [row for row in new if row[0] not in names]
    found = differing(parts(old, cuts), parts(new, cuts))
    assert found == [hashed(old) - hashed(new), hashed(new) - hashed(old)]


@given(ROWS, st.data(), CUTS)
def test_in_any_other_order_nothing_that_differs_is_lost(old: list[Row], data: Any, cuts: Random):
    new = data.draw(st.permutations(old))[: len(old) // 2]
    found = differing(parts(old, cuts, is_sorted=False), parts(new, cuts, is_sorted=False))
    assert found is not None
    shared = hashed(old) & hashed(new)
    assert found[0] - shared == hashed(old) - hashed(new)
    assert found[1] - shared == set()
    # What is told of both sides, though they share it, is told of both.
    assert found[0] & shared == found[1] & shared


def test_what_differs_holds_nothing_of_what_does_not():
    """Rows that are left of a frame would keep all of its texts, and a release has millions of them."""
    names = [f"{number:0100}" for number in range(2_000)]
    own = [f"{names[777]} as it was", f"{names[777]} as it is"]
    old, new = (pl.DataFrame({"name": sorted([*names, name])}) for name in own)
    found = differing_rows(iter(old.iter_slices(100)), iter(new.iter_slices(100)), [pl.col("name")], "name")
    assert found is not None
    for rows, name in zip(found, own, strict=True):
        assert rows["name"].to_list() == [name]
        assert rows.to_arrow(compat_level=pl.CompatLevel.newest()).get_total_buffer_size() < 1_000


@given(ROWS.filter(bool), CUTS)
def test_names_that_stand_twice_tell_no_rows_apart(rows: list[Row], cuts: Random):
    twice = [*rows, rows[0]]
    assert differing(parts(twice, cuts), parts(rows, cuts)) is None
    assert differing(parts(rows, cuts), parts(twice, cuts)) is None
