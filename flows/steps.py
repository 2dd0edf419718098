"""What the tasks of a build do: tables in a work folder become tables in it, and at the end files of a release.

It puts the stages together, which know nothing of each other. Nothing here needs a flow, or knows who does the work:
whoever sees the folder can.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from flows.deduplicate.portions import Spread
from flows.deduplicate.stage import Repeats, find_repeats, with_repeats
from flows.errors import AllRejectedError
from flows.normalize.normalize import normalize
from flows.progress import ShardSize
from flows.release import versions
from flows.release.manifest import read_manifest
from flows.release.parquet import read_table
from flows.release.ranges import Range
from flows.release.release import Written, write_parts
from flows.release.staging import reason_of
from flows.settings import Settings
from flows.state import FACTS, KeptRows, facts_of, merged
from flows.takedown.requests import Takedown
from flows.takedown.stage import TakenDown, take_down_shards
from flows.validate.between import KEY_COLUMNS, between_failures, keys_of
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.quarantine import quarantine_between, settled
from flows.validate.shards import batches, key_columns, places_of
from flows.validate.validate import OF_SHARD, CheckedShard, check_shard, check_table, fallen_of
from flows.wording import counted
from flows.work import read_all_rows, read_rows, shard_files, write_rows
from schemas.tables import TABLES

# What was turned away by a run that released nothing; under OUT, beside the releases.
LAST_REJECTS = ".rejects.jsonl"

# What deduplication finds over all shards.
REPEATS = ("clusters", "repeats", "overlaps", "relations")

# Of these, what is marked in the rows of shards, and by which of its columns it is found.
MARKED = {"clusters": "article_id", "repeats": "passage_id"}
# Folders with rows as they are released; those of ranges have their numbers at the end.
WRITTEN = "written"

Counts = dict[str, int]


def normalize_shard(work: Path, shard: str, kept: KeptRows) -> ShardSize:
    """A shard of `sources` and `provenance` → `passages`, `articles`, `evidence`, checked, and perhaps `rejects`.

    What was kept of a source that is as it was is taken over, and passed the gate when it was made. Who does not see
    what was kept makes all anew.
    """
    sources, provenance = (read_rows(work / name / shard) for name in ("sources", "provenance"))
    facts = facts_of(sources, provenance)
    write_rows(facts, work / FACTS / shard)
    known = (kept if kept.folder.is_dir() else KeptRows(kept.folder)).tables_of(facts)
    is_known = pl.col("source_id").is_in(known[FACTS]["source_id"].implode())
    fresh = sources.filter(~is_known)
    found = normalize(fresh, provenance.filter(~is_known))
    made = {name: getattr(found, name) for name in ("passages", "articles", "evidence")}
    checked = check_shard({"sources": fresh, **made})
    known["sources"] = sources.filter(is_known)
    tables = {name: merged(name, known[name], rows) for name, rows in checked.tables.items()}
    names = [name for name in OF_SHARD if name != "sources"]
    _write_shard(work, shard, CheckedShard(tables, checked.rejects), "normalize", names)
    return ShardSize(sources.height, int(sources["byte_count"].sum()))


def take_down_sources(work: Path, shards: Sequence[str], takedowns: Sequence[Takedown], out: Path) -> TakenDown:
    """All shards → the same without what was taken down, and `tombstones`, those of the newest release included."""
    taken = take_down_shards(work, shards, takedowns, _earlier_tombstones(out))
    for shard in taken.shards:
        _write_shard(work, shard, _checked_again(work, shard), "takedown", ())
    return taken


def write_repeats(work: Path, shards: Sequence[str], settings: Settings, spread: Spread) -> None:
    """All shards of `articles` and `passages` → what repeats what: the tables of REPEATS."""
    articles, passages = (shard_files(work, name, shards) for name in ("articles", "passages"))
    with tempfile.TemporaryDirectory(dir=work, prefix=".deduplicate-") as folder:
        found = find_repeats(articles, passages, settings, Path(folder), spread)
    for name in REPEATS:
        write_rows(getattr(found, name), work / "repeats" / f"{name}.parquet")


def validate_repeats(work: Path, shards: Sequence[str]) -> int:
    """The tables of REPEATS → the rows of them that keep their contracts, and `rejects`.

    Hands on how many rows of articles or passages failed. Their sources are taken out of the shards then, and
    deduplication has to look again.
    """
    files = {name: work / "repeats" / f"{name}.parquet" for name in REPEATS}
    keys = keys_of(key_columns({name: shard_files(work, name, shards) for name in KEY_COLUMNS}))
    clusters, relations = (read_rows(files[name]).with_row_index("row") for name in ("clusters", "relations"))
    failures = between_failures(clusters, batches(files["repeats"]), batches(files["overlaps"]), relations, keys)
    if failures.is_empty():
        return 0
    repeats, overlaps = (read_rows(files[name]).with_row_index("row") for name in ("repeats", "overlaps"))
    fallen = pl.concat([fallen_of(failures, clusters, "articles"), fallen_of(failures, repeats, "passages")])
    if fallen.height:
        for shard in shards:
            _drop_fallen(work, shard, fallen)
    else:
        found = {"overlaps": overlaps, "relations": relations}
        kept = quarantine_between(found, failures, keys, places_of(shard_files(work, "sources", shards)))
        check_table("rejects", kept.rejects)
        for name, rows in kept.tables.items():
            write_rows(rows, files[name])
        write_rows(kept.rejects, work / "rejects" / "deduplicate.parquet")
    return fallen.height


def count_records(
    work: Path, shards: Sequence[str], read_count: int, skipped_count: int, taken_down_count: int, settings: Settings
) -> Counts:
    """`sources`, `rejects` and `tombstones` → what became of the records read."""
    rejects, tombstones = _rejects(work), _tombstones(work)
    check_table("rejects", rejects)
    check_table("tombstones", tombstones)
    tables = {"sources": places_of(shard_files(work, "sources", shards)), "rejects": rejects, "tombstones": tombstones}
    counts = conservation(tables, read_count, skipped_count, taken_down_count)
    check_reject_share(counts, settings)
    return counts.counts()


def sizes_of(work: Path, shards: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Shard → `source_id, byte_count` of its sources."""
    return {shard: read_rows(work / "sources" / shard, ["source_id", "byte_count"]) for shard in shards}


def written_folder(part: Range) -> str:
    """Where the rows of a range lie as they are released."""
    return f"{WRITTEN}-{part.number:03}"


def write_range(work: Path, part: Range, settings: Settings) -> Written:
    """The rows of a range of ids in all shards, and what repeats what → files of the release."""
    return _write_parts(work, written_folder(part), _parts_of(work, part), settings, part.count)


def write_others(work: Path, settings: Settings) -> Written:
    """The tables that are not cut into ranges → files of the release, in WRITTEN."""
    return _write_parts(work, WRITTEN, _other_parts(work), settings, 1)


def with_rejects(error: AllRejectedError, work: Path, out: Path) -> AllRejectedError:
    """Keep what was turned away where a person finds it, although there is no release to hold it.

    Returns:
        The error that stopped the run, with what was turned away first, and where the rest is.
    """
    rejects = _rejects(work).sort("uri", "record", "reject_id")
    if rejects.is_empty():
        return error
    file = out / LAST_REJECTS
    lines = (json.dumps(row, ensure_ascii=True) for row in rejects.iter_rows(named=True))
    try:
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        where = f"in {file}"
    except OSError as unwritten:
        where = f"that cannot be written to {file}: {reason_of(unwritten)}"
    first = rejects.row(0, named=True)
    place = first["uri"] if first["record"] is None else f"{first['uri']}, record {first['record']}"
    return AllRejectedError(
        f"{str(error).splitlines()[0]}\n{place}: {first['detail']}\n{counted(rejects.height, 'reject')} {where}"
    )


def without_last_rejects(out: Path) -> tuple[str, ...]:
    """Remove what a run that failed left, now that a release says what was turned away; a warning if it stays."""
    try:
        (out / LAST_REJECTS).unlink(missing_ok=True)
    except OSError as error:
        return (f"cannot remove {out / LAST_REJECTS}: {reason_of(error)}; it tells of an earlier run",)
    return ()


def _write_parts(
    work: Path, name: str, parts: Iterator[dict[str, pl.DataFrame]], settings: Settings, ranges: int
) -> Written:
    """Write rows into a folder of the workplace, all at once for who comes to look: another may do the same."""
    with tempfile.TemporaryDirectory(dir=work, prefix=f".{name}-") as folder:
        written = write_parts(parts, Path(folder), settings, ranges)
        (work / name).mkdir(exist_ok=True)
        for file in Path(folder).iterdir():
            file.replace(work / name / file.name)
    return written


def _parts_of(work: Path, part: Range) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of a range, shard by shard."""
    clusters, repeats = (
        pl.scan_parquet(work / "repeats" / f"{name}.parquet", glob=False).filter(part.has(pl.col(key))).collect()
        for name, key in MARKED.items()
    )
    found = Repeats(clusters, repeats, TABLES["overlaps"].empty(), TABLES["relations"].empty())
    for shard in part.shards:
        tables = {name: part.rows_of(name, read_rows(work / name / shard)) for name in OF_SHARD}
        tables["articles"], tables["passages"] = with_repeats(tables["articles"], tables["passages"], found)
        yield tables
        # Whoever writes a table lets go of it when it is written, while the next ones are read here.
        del tables


def _other_parts(work: Path) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of the tables that are not cut into ranges."""
    files = {name: work / "repeats" / f"{name}.parquet" for name in REPEATS}
    yield from ({"overlaps": rows.drop("row")} for rows in batches(files["overlaps"]))
    yield {"relations": read_rows(files["relations"]), "rejects": _rejects(work), "tombstones": _tombstones(work)}


def _earlier_tombstones(out: Path) -> pl.DataFrame:
    """The tombstones of the newest release; none where there is no release, or it has no such table."""
    newest = versions.newest(out)
    if newest is None or "tombstones" not in read_manifest(newest)["tables"]:
        return TABLES["tombstones"].empty()
    return read_table(newest, "tombstones")


def _write_shard(work: Path, shard: str, checked: CheckedShard, stage: str, names: Iterable[str]) -> None:
    """Write the tables with these names of a shard, and all of them, with `rejects`, where rows went."""
    for name in names if checked.rejects.is_empty() else OF_SHARD:
        rows = checked.tables[name]
        if name == "articles":
            # All that they say, until repeats are marked: a third of what would be written and read again.
            rows = rows.with_columns(unique_text=pl.lit(None, pl.String))
        write_rows(rows, work / name / shard)
    if checked.rejects.height:
        write_rows(checked.rejects, work / "rejects" / f"{stage}-{shard}")


def _drop_fallen(work: Path, shard: str, fallen: pl.DataFrame) -> None:
    """Take the sources of fallen rows out of a shard."""
    stage = f"fallen-{len(list((work / 'rejects').iterdir()))}"
    _write_shard(work, shard, _checked_again(work, shard, fallen), stage, ())


def _checked_again(work: Path, shard: str, fallen: pl.DataFrame | None = None) -> CheckedShard:
    """What of a shard that was written passes the gate after something was taken out of it, or in spite of `fallen`."""
    tables = {name: read_rows(work / name / shard) for name in OF_SHARD}
    tables["articles"] = tables["articles"].with_columns(unique_text="text")
    return check_shard(tables, fallen, _tombstones(work))


def _rejects(work: Path) -> pl.DataFrame:
    """All that was turned away, as it reads with the sources that are left, sorted by key."""
    rejects = read_all_rows(work / "rejects")
    if rejects["table"].null_count() == rejects.height:
        return rejects.sort("reject_id")  # nothing but inputs, of which there may be no source
    return settled(rejects, read_all_rows(work / "sources", ["source_id"])["source_id"])


def _tombstones(work: Path) -> pl.DataFrame:
    """What was taken down, sorted by key."""
    return read_rows(work / "tombstones.parquet")
