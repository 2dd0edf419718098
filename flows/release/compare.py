"""Two releases side by side: which rows are the same ones, which of their values differ, and how far the step is.

A row of the old release and one of the new are the same row if they stand for the same thing:

- `sources`: the same place, which is the uri and, where only its number in a container names it, the record;
- `articles`: the same `article_id`, which names a place too;
- tables below: the same key; what is left over is matched by its position in the article, because a corrected page
  gives all its passages new ids. A passage outside any article is matched by its position in its page.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from flows.release.differing import differing_rows, with_hashes
from flows.release.manifest import read_manifest
from flows.release.parquet import table_batches, table_columns
from flows.release.rows import apart
from schemas.tables import TABLES

STEPS = ("none", "patch", "minor", "major")
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
# Tables whose rows belong to an article: one more or less of them is more than a correction.
COUNTED = ("passages", "quotes", "citations")
# A table → what its rows are ordered by within their article, for those that no key matches.
POSITIONS: dict[str, tuple[str, ...]] = {
    "passages": ("ordinal",),
    "quotes": ("char_start", "char_count", "quote_id"),
    "citations": ("char_start", "char_count", "citation_id"),
    "evidence": ("value",),
}
# A table → the columns that tell why a row changed; they are kept of both sides.
POINTERS: dict[str, tuple[str, ...]] = {
    "sources": ("source_id", "uri", "container", "record", "sha256"),
    "articles": ("article_id", "source_id", "cluster_id"),
    "passages": ("passage_id", "source_id", "article_id", "repeats_passage_id"),
    "evidence": ("article_id", "rule"),
    "overlaps": ("a_passage_id", "b_passage_id", "a_source_id", "b_source_id"),
    "relations": ("from_article_id", "to_article_id"),
    "quotes": ("quote_id", "article_id", "source_id"),
    "citations": ("citation_id", "article_id", "source_id"),
    "rejects": ("source_id", "uri"),
    "tombstones": ("id", "table", "reason", "uri"),
}
OTHER_POINTERS = ("article_id", "source_id")
KEY_SEPARATOR = "/"


# Some rows of a table → what is held of them.
Held = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Snapshot:
    """A release to compare, whole or with its tables only.

    Attributes:
        version: its version.
        manifest: its manifest, or what is known of it before it is written.
        folder: where its tables are.
    """

    version: str
    manifest: Mapping[str, Any]
    folder: Path

    @classmethod
    def of_release(cls, folder: Path) -> Self:
        """A release on disk.

        Raises:
            CopydeskError: it is no release.
        """
        manifest = read_manifest(folder)
        return cls(str(manifest.get("version", folder.name)), manifest, folder)

    @property
    def names(self) -> list[str]:
        """Its tables, in the order in which a reader meets them."""
        found = self.manifest["tables"]
        return [name for name in TABLES if name in found] + sorted(set(found) - set(TABLES))

    def read(self, name: str) -> pl.DataFrame:
        """The rows of a table, with hashes for its texts; none, and no columns, if the release does not have it.

        So memory grows with the number of rows, and not with the texts.

        Raises:
            CopydeskError: the table cannot be read.
        """
        return pl.concat([with_hashes(part) for part in self.parts(name)])

    def parts(self, name: str) -> Iterator[pl.DataFrame]:
        """The rows of a table: first none of them, for the columns, then row group by row group.

        Raises:
            CopydeskError: the table cannot be read.
        """
        yield self.columns_only(name)
        if name in self.names:
            yield from table_batches(self.folder, name)

    def columns_only(self, name: str) -> pl.DataFrame:
        """A table without its rows; without columns, too, if the release does not have it.

        Raises:
            CopydeskError: the table cannot be read.
        """
        return table_columns(self.folder, name) if name in self.names else pl.DataFrame()

    def columns(self, name: str, dtypes: Mapping[str, pl.DataType], held: Held = lambda rows: rows) -> pl.DataFrame:
        """Some columns of a table; what the release lacks, or has in another type, is null.

        Args:
            name: the table.
            dtypes: the columns.
            held: what of each part of the table is wanted; by default all.

        Raises:
            CopydeskError: the table cannot be read.
        """
        there = [column for column in dtypes if column in self.columns_only(name).columns]
        found = [held(pl.DataFrame(schema=dict(dtypes)))]
        for part in table_batches(self.folder, name, there) if there else ():
            rows = part.select(
                (pl.col(column) if part.schema.get(column) == dtype else pl.lit(None, dtype)).alias(column)
                for column, dtype in dtypes.items()
            )
            found.append(apart(held(rows)))
        return pl.concat(found)

    def units(self, name: str) -> dict[str, str]:
        """Column → its unit, as far as the manifest says: the part of a column's meaning that a program can compare."""
        listed = self.manifest.get("tables", {}).get(name, {})
        return dict(listed.get("units", {})) if isinstance(listed, dict) else {}


@dataclass(frozen=True)
class TableChange:
    """How a table differs.

    Attributes:
        name: the table.
        is_new: whether only the new release has it.
        is_gone: whether only the old one has it.
        columns_added: columns that came.
        columns_removed: columns that went.
        columns_retyped: column → type or unit before and after.
        is_reordered: whether the columns that both have stand in another order.
        rows: one row per row that came, went or changed, sorted by `key`: `key`, `change`, `columns` (those whose
            values differ), and `old_*` and `new_*` for each of the table's POINTERS.
        is_counted_anew: whether an article that both have gained or lost rows of it.
    """

    name: str
    is_new: bool
    is_gone: bool
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: Mapping[str, tuple[str, str]]
    is_reordered: bool
    rows: pl.DataFrame
    is_counted_anew: bool = False

    @property
    def step(self) -> str:
        """How far the table's change carries: `none`, `patch`, `minor` or `major`."""
        if self.is_gone or self.columns_removed or self.columns_retyped:
            return "major"
        comes_or_goes = self.name in ("sources", "articles") and self.count(ADDED) + self.count(REMOVED) > 0
        if self.is_new or self.columns_added or comes_or_goes or self.is_counted_anew:
            return "minor"
        return "patch" if self.rows.height or self.is_reordered else "none"

    @property
    def has_other_columns(self) -> bool:
        """Whether the table or one of its columns came, went, or changed its type or unit."""
        return bool(self.is_new or self.is_gone or self.columns_added or self.columns_removed or self.columns_retyped)

    def count(self, change: str) -> int:
        """How many rows came (`added`), went (`removed`) or `changed`."""
        return self.rows.filter(change=change).height


def either(column: str) -> pl.Expr:
    """A column of the new row, or of the old one if there is no new one: of `TableChange.rows`."""
    return pl.coalesce(f"new_{column}", f"old_{column}")


@dataclass(frozen=True)
class Comparison:
    """How two releases differ, table by table, in the order in which a reader meets the tables."""

    tables: Mapping[str, TableChange]

    @cached_property
    def step(self) -> str:
        """The largest step of any table."""
        return max((table.step for table in self.tables.values()), key=STEPS.index, default="none")


def compare(old: Snapshot, new: Snapshot) -> Comparison:
    """Match the rows of two releases and find the values that differ.

    Raises:
        CopydeskError: a table cannot be read.
    """
    names = list(dict.fromkeys([*new.names, *old.names]))
    # Sources and passages first: what refers to them is matched through what became of their ids.
    first = [name for name in ("sources", "articles", "passages") if name in names]
    ids: dict[str, pl.DataFrame] = {}
    found = {name: _table_change(name, old, new, ids) for name in [*first, *(n for n in names if n not in first)]}
    return Comparison({name: found[name] for name in names})


def _table_change(name: str, old: Snapshot, new: Snapshot, ids: dict[str, pl.DataFrame]) -> TableChange:
    """Compare a table.

    Args:
        name: the table.
        old: the old release.
        new: the new release.
        ids: table → `old, new`, ids of matched rows that differ; what is found out of this table is added.
    """
    before, after = _unlike(name, old, new)
    is_new, is_gone = name not in old.names, name not in new.names
    before, after = (after.clear() if is_new else before), (before.clear() if is_gone else after)
    key = _key(name, before, after)
    pairs = _pairs(_ways(name, key, before, after, ids), before, after)
    if name in ("sources", "passages") and key == TABLES[name].key:
        matched = pl.DataFrame({"old": before[key[0]][pairs["old_row"]], "new": after[key[0]][pairs["new_row"]]})
        ids[name] = matched.filter(pl.col("old") != pl.col("new")).unique("old", keep="first", maintain_order=True)
    kept = [column for column in before.columns if column in after.columns]
    return TableChange(
        name,
        is_new,
        is_gone,
        columns_added=tuple(column for column in after.columns if column not in before.columns),
        columns_removed=tuple(column for column in before.columns if column not in after.columns),
        columns_retyped=_retyped(
            {column: (str(before.schema[column]), old.units(name).get(column)) for column in kept},
            {column: (str(after.schema[column]), new.units(name).get(column)) for column in kept},
        ),
        is_reordered=[column for column in after.columns if column in kept] != kept,
        rows=_changed_rows(name, key, before, after, pairs),
        is_counted_anew=name in COUNTED and not is_new and not is_gone and _counts_differ(before, after),
    )


def _unlike(name: str, old: Snapshot, new: Snapshot) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a table in either release, without those that both have as far as that can be told early."""
    before, after = old.columns_only(name), new.columns_only(name)
    if before.width and before.schema == after.schema:
        key = _key(name, before, after)
        way = next(_ways(name, key, before, after, {}), None)
        if way is not None:
            order = (*(TABLES[name].order if name in TABLES else ()), *key)
            place = next(column for column in order if column in before.columns)
            found = differing_rows(old.parts(name), new.parts(name), way.old, place)
            if found is not None:
                return found
    with ThreadPoolExecutor(2) as pool:
        before, after = pool.map(lambda side: side.read(name), (old, new))
    return before, after


def _key(name: str, before: pl.DataFrame, after: pl.DataFrame) -> tuple[str, ...]:
    """The columns that name a row; of a table that this program does not know, its id, else all columns."""
    shared = [column for column in before.columns if column in after.columns]
    if name in TABLES:
        key = TABLES[name].key
    else:
        key = tuple(column for column in shared[:1] if column == "id" or column.endswith("_id"))
    if key and set(key) <= set(shared):
        return key
    return tuple(column for column in shared if not isinstance(after.schema[column], pl.List))


@dataclass(frozen=True)
class _Way:
    """A way to find a row again: the row of the same name; of several, the same one in their order.

    Attributes:
        old: what names an old row.
        new: what names a new row, expression by expression.
        order: columns that order rows of one name.
    """

    old: Sequence[pl.Expr]
    new: Sequence[pl.Expr]
    order: tuple[str, ...] = ()


def _ways(
    name: str, key: Sequence[str], before: pl.DataFrame, after: pl.DataFrame, ids: Mapping[str, pl.DataFrame]
) -> Iterator[_Way]:
    """The ways to find a table's rows again, the surest first."""
    shared = set(before.columns) & set(after.columns)
    if name == "sources" and {"uri", "record"} <= shared:
        own_record: list[pl.Expr] = [
            pl.when(pl.col("uri") == pl.col("container")).then("record")
            if "container" in rows.columns
            else pl.col("record")
            for rows in (before, after)
        ]
        yield _Way([pl.col("uri"), own_record[0]], [pl.col("uri"), own_record[1]])
        return
    # A column that has another type now is compared as text.
    named = [
        pl.col(column).cast(pl.String) if before.schema[column] != after.schema[column] else pl.col(column)
        for column in key
    ]
    if named:
        yield _Way(named, named)
    if name == "overlaps" and "passages" in ids and set(key) <= shared:
        yield _Way([_translated(column, ids["passages"]) for column in key], named)
    order = tuple(column for column in POSITIONS.get(name, ()) if column in shared)
    if not order or "article_id" not in shared:
        return
    if name == "evidence" and "field" in shared:
        place = [pl.col("article_id"), pl.col("field")]
        yield _Way(place, place, order)
    elif "source_id" in shared and "sources" in ids:
        yield _Way(
            [pl.coalesce("article_id", _translated("source_id", ids["sources"]))],
            [pl.coalesce("article_id", "source_id")],
            order,
        )


def _translated(column: str, ids: pl.DataFrame) -> pl.Expr:
    """Old ids as the new release has them, where the row was found again under another id."""
    return pl.col(column).replace(ids["old"], ids["new"])


def _pairs(ways: Iterable[_Way], before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """`old_row, new_row`: which old row is which new one, by their numbers; each stands at most once."""
    found = [pl.DataFrame(schema={"old_row": pl.UInt32, "new_row": pl.UInt32})]
    left, right = before.with_row_index("old_row"), after.with_row_index("new_row")
    for way in ways:
        if left.is_empty() or right.is_empty():
            break
        names = [f"name_{number}" for number in range(len(way.old))]
        old = left.select("old_row", *way.order, *(one.alias(name) for one, name in zip(way.old, names, strict=True)))
        new = right.select("new_row", *way.order, *(one.alias(name) for one, name in zip(way.new, names, strict=True)))
        if old.select(names).is_duplicated().any() or new.select(names).is_duplicated().any():
            old, new = (_numbered(rows, names, way.order) for rows in (old, new))
            names = [*names, "number"]
        pairs = old.join(new, on=names, nulls_equal=True, maintain_order="left").select("old_row", "new_row")
        found.append(pairs)
        left = left.join(pairs, on="old_row", how="anti", maintain_order="left")
        right = right.join(pairs, on="new_row", how="anti", maintain_order="left")
    return pl.concat(found)


def _numbered(rows: pl.DataFrame, names: list[str], order: tuple[str, ...]) -> pl.DataFrame:
    """The rows with their `number` among those of one name."""
    ordered = rows.sort(*names, *order, rows.columns[0], nulls_last=True).with_row_index("number")
    is_first = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in names)
    is_first |= pl.col("number") == 0
    return ordered.with_columns(pl.col("number") - pl.when(is_first).then("number").forward_fill())


def _changed_rows(
    name: str, key: Sequence[str], before: pl.DataFrame, after: pl.DataFrame, pairs: pl.DataFrame
) -> pl.DataFrame:
    """The rows that came, went or changed, as `TableChange.rows` has them.

    A column that only one side has counts as null on the other, and one that changed its type differs wherever it is
    known.
    """
    columns = list(dict.fromkeys([*after.columns, *before.columns]))
    old, new = before[pairs["old_row"]], after[pairs["new_row"]]
    both = pl.concat(
        [rows.rename({c: f"{side}_{c}" for c in rows.columns}) for side, rows in (("old", old), ("new", new))],
        how="horizontal",
    )
    differs = {column: _differs(column, before.schema, after.schema) for column in columns}
    changed = both.filter(pl.any_horizontal(differs.values())) if differs else both.clear()
    names = [pl.when(condition).then(pl.lit(column)) for column, condition in differs.items()]
    pointers = POINTERS.get(name, OTHER_POINTERS)
    gone = before.with_row_index("row").join(pairs, left_on="row", right_on="old_row", how="anti").drop("row")
    come = after.with_row_index("row").join(pairs, left_on="row", right_on="new_row", how="anti").drop("row")
    parts = [
        _with_pointers(
            changed, CHANGED, [f"new_{column}" for column in key], pl.concat_list(names).list.drop_nulls(), pointers
        ),
        _with_pointers(
            gone.rename({c: f"old_{c}" for c in gone.columns}), REMOVED, [f"old_{c}" for c in key], None, pointers
        ),
        _with_pointers(
            come.rename({c: f"new_{c}" for c in come.columns}), ADDED, [f"new_{c}" for c in key], None, pointers
        ),
    ]
    return pl.concat(parts, how="vertical_relaxed").sort("key", "change")


def _differs(column: str, before: pl.Schema, after: pl.Schema) -> pl.Expr:
    """Whether the two sides of a matched row have other values in a column."""
    if column not in before:
        return pl.col(f"new_{column}").is_not_null()
    if column not in after:
        return pl.col(f"old_{column}").is_not_null()
    if before[column] != after[column]:
        return pl.col(f"old_{column}").is_not_null() | pl.col(f"new_{column}").is_not_null()
    return pl.col(f"old_{column}").ne_missing(pl.col(f"new_{column}"))


def _with_pointers(
    rows: pl.DataFrame, change: str, key: Sequence[str], names: pl.Expr | None, pointers: Sequence[str]
) -> pl.DataFrame:
    """`key, change, columns, old_*, new_*` of rows whose columns bear the name of their side."""
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return rows.select(
        pl.concat_str(
            (pl.col(column).cast(pl.String).fill_null("null") for column in key), separator=KEY_SEPARATOR
        ).alias("key"),
        pl.lit(change).alias("change"),
        (nothing if names is None else names).alias("columns"),
        *(
            (pl.col(name).cast(pl.String) if name in rows.columns else pl.lit(None, pl.String)).alias(name)
            for column in pointers
            for name in (f"old_{column}", f"new_{column}")
        ),
    )


def _retyped(
    before: Mapping[str, tuple[str, str | None]], after: Mapping[str, tuple[str, str | None]]
) -> dict[str, tuple[str, str]]:
    """Column → what it was and is, where its type differs, or its unit as far as both releases name one.

    Args:
        before: column of both releases → its type and unit in the old one.
        after: the same in the new one.
    """
    found = {}
    for column, (old_type, old_unit) in before.items():
        new_type, new_unit = after[column]
        if old_unit is not None and new_unit is not None and old_unit != new_unit:
            found[column] = (f"{old_type}, {old_unit or 'no unit'}", f"{new_type}, {new_unit or 'no unit'}")
        elif old_type != new_type:
            found[column] = (old_type, new_type)
    return found


def _counts_differ(before: pl.DataFrame, after: pl.DataFrame) -> bool:
    """Whether an article that both tables speak of has more or fewer rows in one of them."""
    if "article_id" not in before.columns or "article_id" not in after.columns:
        return False
    counts = (rows.select("article_id").drop_nulls().group_by("article_id").len() for rows in (before, after))
    old, new = counts
    return not new.join(old, on=["article_id", "len"], how="anti").is_empty() or new.height != old.height
