"""The stage: shards of normalized tables in; the same without what was taken down, and the table `tombstones`, out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.takedown.requests import Takedown
from flows.takedown.take_down import KEYS, NAMES, hits, take_down
from flows.work import read_rows, write_rows
from schemas.tables import TABLES

# The tables that a takedown can reach; those that there are not yet are passed over.
REACHED = ("sources", "passages", "articles", "evidence", "quotes", "citations")
# Takedowns that matched nothing and are named one by one, and characters of what they name.
WARNED = 20
NAME_CHARS = 200


@dataclass(frozen=True)
class TakenDown:
    """What came of the takedowns in force.

    Attributes:
        source_count: sources that were read in this run and taken down.
        shards: those that were rewritten.
        warnings: one line each, safe to print.
    """

    source_count: int
    shards: tuple[str, ...]
    warnings: tuple[str, ...]


def take_down_shards(
    work: Path, shards: Sequence[str], takedowns: Sequence[Takedown], earlier: pl.DataFrame
) -> TakenDown:
    """Rewrite the shards that takedowns reach, and write `work/tombstones.parquet`.

    A tombstone of an earlier release stays, whether its source was read in this run or not, unless a row of its id is
    released again, which an article's may be when the takedown was of bytes that the page has no longer.

    Args:
        work: folder of this run; `<table>/<shard>` for each table of REACHED.
        shards: file names.
        takedowns: all in force, the one that a tombstone tells of first.
        earlier: rows of `tombstones` of the newest release.
    """
    stones = [TABLES["tombstones"].empty()]
    met: set[int] = set()
    back: set[str] = set()
    uris: set[str] = set()
    rewritten = []
    names = [name for name in NAMES if _is_asked_for(name, takedowns, earlier)]
    for shard in shards if names else ():
        keys = {name: _keys(work / name / shard, name) for name in names if (work / name / shard).is_file()}
        named = hits(keys, takedowns)
        met |= set(named["rank"])
        if not named.is_empty():
            found = take_down(_tables(work, shard), takedowns)
            for name, rows in found.tables.items():
                write_rows(rows, work / name / shard)
            stones.append(found.tombstones)
            rewritten.append(shard)
            keys = {name: _keys(work / name / shard, name) for name in keys}
        for name, rows in keys.items():
            back |= set(earlier.filter(pl.col("id").is_in(rows[KEYS[name]].implode()))["id"])
        uris |= set(earlier.filter(pl.col("uri").is_in(keys["sources"]["uri"].implode()))["uri"])
    now = pl.concat(stones)
    kept = earlier.filter(~pl.col("id").is_in(list(back))).join(now, on="id", how="anti")
    write_rows(pl.concat([now, kept.select(now.columns)]).sort("id"), work / "tombstones.parquet")
    return TakenDown(
        now.filter(table="sources").height,
        tuple(rewritten),
        warnings_of([one for rank, one in enumerate(takedowns) if rank not in met], earlier, uris),
    )


def warnings_of(idle: Sequence[Takedown], earlier: pl.DataFrame, uris: set[str]) -> tuple[str, ...]:
    """A line for each takedown that nothing in this run matched.

    Args:
        idle: those takedowns.
        earlier: rows of `tombstones` of the newest release.
        uris: those of its `uri` that a source of this run still has.
    """
    pages = dict(earlier.drop_nulls("uri").select("id", "uri").iter_rows())
    lines = []
    for one in idle[:WARNED]:
        kind, value = one.target
        line = f"takedown of {kind} {value[:NAME_CHARS]} matches nothing in this build; it stays in force"
        page = pages.get(value)
        if kind == "id" and page in uris:
            line += f". {page[:NAME_CHARS]} has other bytes now: to keep the page out, take down its uri"
        lines.append(line)
    if len(idle) > WARNED:
        lines.append(f"{len(idle) - WARNED:,} more takedowns match nothing in this build; they stay in force")
    return tuple(lines)


def _is_asked_for(name: str, takedowns: Sequence[Takedown], earlier: pl.DataFrame) -> bool:
    """Whether a takedown or an earlier tombstone may name rows of a table; a uri and a hash name sources only."""
    if name == "sources":
        return bool(takedowns) or not earlier.is_empty()
    return any(one.id is not None for one in takedowns) or not earlier.filter(table=name).is_empty()


def _keys(file: Path, name: str) -> pl.DataFrame:
    """The columns that rows of a table are named by."""
    columns = dict.fromkeys((KEYS[name], *(column for column, _ in NAMES[name])))
    return read_rows(file, list(columns))


def _tables(work: Path, shard: str) -> dict[str, pl.DataFrame]:
    return {name: read_rows(work / name / shard) for name in REACHED if (work / name / shard).is_file()}
