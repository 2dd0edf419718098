"""The stage: shards of normalized tables in; the same without what was taken down, and the table `tombstones`, out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.takedown.requests import Takedown
from flows.takedown.take_down import KEYS, NAMES, hits, take_down
from flows.work import read_rows, write_rows
from schemas.tables import TABLES

# The tables that a takedown can reach; those that there are not yet are passed over.
REACHED = ("sources", "passages", "articles", "evidence", "quotes", "citations")
# Takedowns that a line is said of each, and characters of what they name.
WARNED = 20
NAME_CHARS = 200


@dataclass(frozen=True)
class TakenDown:
    """What came of the takedowns in force.

    Attributes:
        source_count: sources that were read in this run and taken down.
        shards: those that were rewritten.
        met: the takedowns that named something in this run, by their index.
        other_bytes: id → uri, of what was taken down by an id of bytes that its page has no longer.
    """

    source_count: int
    shards: tuple[str, ...]
    met: frozenset[int]
    other_bytes: Mapping[str, str]


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
        frozenset(met),
        dict(earlier.filter(pl.col("uri").is_in(list(uris))).select("id", "uri").iter_rows()),
    )


def warnings_of(takedowns: Sequence[Takedown], taken: TakenDown, held: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """A line for each takedown that named nothing in this run, or that the next run would not know of by itself.

    Args:
        takedowns: all in force, as they were followed.
        taken: what came of them.
        held: targets of the takedowns that the newest release holds, now that there may be a new one.
    """
    told = [(rank, one) for rank, one in enumerate(takedowns) if rank not in taken.met or one.target not in held]
    lines = []
    for rank, one in told[:WARNED]:
        kind, value = one.target
        what = "changes" if rank in taken.met else "matches"
        line = f"takedown of {kind} {value[:NAME_CHARS]} {what} nothing in this build; "
        line += "it stays in force" if one.target in held else "no release holds it yet, so keep it in the file"
        page = taken.other_bytes.get(value) if kind == "id" and rank not in taken.met else None
        if page is not None:
            line += f". {page[:NAME_CHARS]} has other bytes now: to keep the page out, take down its uri"
        lines.append(line)
    if len(told) > WARNED:
        are_held = all(one.target in held for _, one in told[WARNED:])
        line = "they stay in force" if are_held else "not every one is held by a release, so keep them in the file"
        lines.append(f"{len(told) - WARNED:,} more takedowns change nothing in this build; {line}")
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
