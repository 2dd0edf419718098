"""What changed from one release to another, why, and how far the step is: for programs, and for a person to read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from flows.progress import telling
from flows.release.attribution import attributed
from flows.release.causes import (
    CAUSES,
    SOURCE_CHANGED,
    SOURCE_RENAMED,
    TAKEDOWN,
    Default,
    changed_code,
    changed_settings,
)
from flows.release.changed_pages import place_of
from flows.release.compare import ADDED, CHANGED, REMOVED, Comparison, Snapshot, TableChange, compare
from flows.release.harmless import plain_line
from flows.release.manifest import Input, code_identity, lock_sha256
from flows.settings import Settings
from flows.wording import counted
from schemas.tables import TABLES

# Rows of a table, and characters of a value, that a terminal shows; the JSON has them all.
SHOWN_ROWS = 20
KEY_CHARS = 60
DETAIL_CHARS = 120


@dataclass(frozen=True)
class TableDiff:
    """How a table differs.

    Attributes:
        change: columns that came, went or are of another type, and whether the table itself came or went.
        rows: `key, change, columns, cause, detail`: one row per row that came, went or changed, sorted by `key`.
    """

    change: TableChange
    rows: pl.DataFrame

    def count(self, change: str) -> int:
        """How many rows came (`added`), went (`removed`) or `changed`."""
        return self.rows.filter(change=change).height

    @property
    def columns(self) -> list[str]:
        """The columns that came or went, or of which a type or a value differs, in the order of the table."""
        change = self.change
        found = {*change.columns_added, *change.columns_removed, *change.columns_retyped}
        found |= set(self.rows["columns"].explode(empty_as_null=False).drop_nulls())
        order = list(TABLES[change.name].columns) if change.name in TABLES else []
        return sorted(found, key=lambda column: (order.index(column) if column in order else len(order), column))


@dataclass(frozen=True)
class Diff:
    """What changed from one release to another.

    Attributes:
        old: version of the one.
        new: version of the other.
        step: `none`, `patch`, `minor` or `major`.
        tables: how each table differs; those that do not are there too.
        pages: `came`, `went`, `changed`, `renamed`, `taken_down` → pages, or what was taken down, sorted.
        settings: setting → its value before and after, of those that differ; null where it was not there.
        code: what differs of the code, in a few words, if anything.
        default: cause and detail of columns that came or went.
    """

    old: str
    new: str
    step: str
    tables: Mapping[str, TableDiff]
    pages: Mapping[str, list[str]]
    settings: Mapping[str, tuple[Any, Any]]
    code: str | None
    default: Default

    @property
    def causes(self) -> dict[str, int]:
        """Cause → rows that it explains. That of columns is named also where no value of them differs."""
        found = pl.concat([table.rows.select("cause") for table in self.tables.values()])
        counts = dict(found.group_by("cause").len().iter_rows())
        if any(table.change.has_other_columns for table in self.tables.values()):
            counts.setdefault(self.default.of_columns()[0], 0)
        return {cause: counts[cause] for cause in CAUSES if cause in counts}

    def details(self, cause: str) -> list[str]:
        """What a cause's rows name: pages, takedowns, settings or code, sorted."""
        found = [table.rows.filter(cause=cause)["detail"] for table in self.tables.values()]
        return sorted(pl.concat(found).unique().to_list()) if found else []

    def as_dict(self) -> dict[str, Any]:
        """The whole difference as plain values, every row of it."""
        return {
            "old": self.old,
            "new": self.new,
            "step": self.step,
            "tables": {
                name: {
                    ADDED: table.count(ADDED),
                    REMOVED: table.count(REMOVED),
                    CHANGED: table.count(CHANGED),
                    "columns": table.columns,
                    "columns_added": list(table.change.columns_added),
                    "columns_removed": list(table.change.columns_removed),
                    "columns_retyped": {column: list(both) for column, both in table.change.columns_retyped.items()},
                    "rows": table.rows.to_dicts(),
                }
                for name, table in self.tables.items()
            },
            "causes": self.causes,
            "pages": dict(self.pages),
            "settings": {name: list(both) for name, both in self.settings.items()},
            "code": self.code,
        }

    def as_json(self) -> str:
        """The whole difference as one line of ASCII, so that no name in it can hide anything."""
        return json.dumps(self.as_dict(), ensure_ascii=True)


def diff(old: Path, new: Path) -> Diff:
    """What changed from one release on disk to another.

    Raises:
        CopydeskError: one of them is no release, or cannot be read.
    """
    return diff_between(Snapshot.of_release(old), Snapshot.of_release(new))


def diff_between(old: Snapshot, new: Snapshot) -> Diff:
    """What changed from one release to another, of either of which only the tables need be written.

    Raises:
        CopydeskError: a table cannot be read.
    """
    with telling("diff") as tell:
        tell("comparing rows")
        comparison: Comparison = compare(old, new)
        default = Default.between(old.manifest, new.manifest)
        tell("looking for causes")
        rows = attributed(old, new, comparison, default)
    tables = {name: TableDiff(change, rows[name]) for name, change in comparison.tables.items()}
    return Diff(
        old.version,
        new.version,
        comparison.step,
        tables,
        _pages(tables),
        changed_settings(old.manifest, new.manifest),
        changed_code(old.manifest, new.manifest),
        default,
    )


def _pages(tables: Mapping[str, TableDiff]) -> dict[str, list[str]]:
    """`Diff.pages`: a page that was renamed or taken down counts as that, and not as gone."""
    sources, stones = (tables.get(name) for name in ("sources", "tombstones"))
    found: dict[str, list[str]] = {name: [] for name in ("came", "went", "changed", "renamed", "taken_down")}
    if sources is not None:
        rows = sources.rows.with_columns(place=sources.change.rows.select(place_of("new_", "old_")).to_series())
        is_told_elsewhere = pl.col("cause").is_in([SOURCE_RENAMED, TAKEDOWN])
        for name, change in (("came", ADDED), ("went", REMOVED)):
            found[name] = sorted(rows.filter(pl.col("change") == change, ~is_told_elsewhere)["place"])
        found["changed"] = sorted(rows.filter(change=CHANGED, cause=SOURCE_CHANGED)["place"])
        found["renamed"] = sorted(set(rows.filter(cause=SOURCE_RENAMED)["detail"]))
    if "evidence" in tables:
        # Something else is known of a page whose bytes are the same.
        known = tables["evidence"].rows.filter(cause=SOURCE_CHANGED)["detail"]
        found["changed"] = sorted({*found["changed"], *known})
    if stones is not None:
        found["taken_down"] = sorted(stones.rows.filter(change=ADDED)["detail"])
    return found


def staged_snapshot(
    folder: Path, names: Sequence[str], settings: Settings, inputs: Sequence[Input], columns: Mapping[str, str]
) -> Snapshot:
    """A release of which only the tables with these names are written, to be compared with the one before it."""
    known = {
        "edition": "full",
        "inputs": [asdict(one) for one in inputs],
        "settings": settings.model_dump(mode="json"),
        "columns": dict(columns),
        "code": code_identity(),
        "lock_sha256": lock_sha256(),
        "tables": {name: {"units": column_units(name)} for name in names},
    }
    return Snapshot("", known, folder)


def column_units(name: str) -> dict[str, str]:
    """Column → its unit, empty if it has none: what a manifest says of the meaning of a table's columns."""
    columns = TABLES[name].model.to_schema().columns if name in TABLES else {}
    return {column: str((schema.metadata or {}).get("unit", "")) for column, schema in columns.items()}


def show_diff(found: Diff, console: Console) -> None:
    """Print a difference: what came, went and changed per table, the causes, and the first rows of each table."""
    _print(console, f"{found.old} → {found.new}: {_step_in_words(found.step)}")
    if found.step == "none":
        return
    console.print(_counts_grid(found))
    for cause, count in found.causes.items():
        _print(console, f"{cause}: {counted(count, 'row')}")
    for name, (before, after) in found.settings.items():
        _print(console, f"setting {name}: {_value(before)} → {_value(after)}")
    if found.code:
        _print(console, f"code: {found.code}")
    for line in column_lines(found):
        _print(console, line)
    for name, table in found.tables.items():
        if table.rows.height:
            _print(console, f"\n{name}")
            console.print(_rows_grid(table))
            if table.rows.height > SHOWN_ROWS:
                _print(console, f"{SHOWN_ROWS} of {table.rows.height:,} rows; --json has them all")


def column_lines(found: Diff) -> list[str]:
    """A line per table or column that came, went, or is of another type or unit."""
    lines = []
    for name, table in found.tables.items():
        change = table.change
        if change.is_new or change.is_gone:
            lines.append(f"table {name} {'came' if change.is_new else 'went'}")
        lines += [f"column {name}.{column} came" for column in change.columns_added]
        lines += [f"column {name}.{column} went" for column in change.columns_removed]
        lines += [
            f"column {name}.{column} was {before} and is {after}"
            for column, (before, after) in change.columns_retyped.items()
        ]
        if change.is_reordered:
            lines.append(f"columns of {name} stand in another order")
    return lines


def _step_in_words(step: str) -> str:
    return "nothing changed" if step == "none" else f"{step} change"


def _counts_grid(found: Diff) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("table", no_wrap=True)
    for heading in (ADDED, REMOVED, CHANGED):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("columns", overflow="fold")
    for name, table in found.tables.items():
        counts = (f"{table.count(change):,}" for change in (ADDED, REMOVED, CHANGED))
        grid.add_row(*(Text(cell) for cell in (plain_line(name), *counts, plain_line(", ".join(table.columns)))))
    return grid


def _rows_grid(table: TableDiff) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    for _ in range(3):
        grid.add_column(overflow="fold")
    for row in table.rows.head(SHOWN_ROWS).iter_rows(named=True):
        grid.add_row(
            Text(row["change"]),
            Text(plain_line(row["key"], KEY_CHARS)),
            Text(plain_line(", ".join(row["columns"]), DETAIL_CHARS)),
            Text(f"{row['cause']}: {plain_line(row['detail'], DETAIL_CHARS)}"),
        )
    return grid


def _value(value: Any) -> str:
    return "not there" if value is None else plain_line(json.dumps(value, ensure_ascii=False), DETAIL_CHARS)


def _print(console: Console, line: str) -> None:
    """Print a line as it is, without characters that steer a terminal; not cut where it is long."""
    start = "\n" if line.startswith("\n") else ""
    console.print(Text(start + plain_line(line)), soft_wrap=True)
