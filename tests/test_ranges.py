"""Tables are cut at the same ids whoever writes them, and it makes no difference how many do."""

import errno
import hashlib
import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import CopydeskError
from flows.release.parquet import read_table
from flows.release.ranges import MAX_RANGES, Range, range_count, range_starts, ranges_of_shards
from flows.release.release import BuildInfo, Released, Written, release_written, write_parts
from flows.release.staging import locked
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import Tables, in_order, release, tables_of

BOUNDS = Settings(file_bytes=3_000, row_group_bytes=1_000)
BUILD = BuildInfo([], {"read": 40, "released": 40, "rejected": 0, "taken_down": 0, "skipped": 0})
# The tables that are cut; of the others there is one range.
CUT = ("sources", "passages", "articles", "evidence")


def stories() -> Tables:
    pages = {
        f"{number:02}.txt": [("title", f"Story {number}"), ("body", f"Boat {number} came in. " * 9)]
        for number in range(40)
    }
    return in_order(tables_of(pages))


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9), max_size=5), st.integers(1, 5_000))
def test_every_source_is_in_one_range_and_that_knows_its_shards(drawn: list[list[int]], file_bytes: int):
    numbers = sorted({number for shard in drawn for number in shard})
    ids = pl.Series("source_id", [f"{number:016x}" for number in numbers], pl.String)
    rows = pl.DataFrame({"source_id": ids, "byte_count": pl.Series([700] * len(ids), dtype=pl.UInt64)})
    shards = {f"{number}.parquet": rows[number * 7 : number * 7 + 7] for number in range(len(ids) // 7 + 1)}
    found = ranges_of_shards(shards, Settings(file_bytes=file_bytes))
    held = [
        source
        for part in found
        for shard in part.shards
        for source in part.rows_of("sources", shards[shard])["source_id"]
    ]
    assert held == ids.to_list()
    assert sum(part.document_count for part in found) == len(ids)
    assert sum(part.byte_count for part in found) == 700 * len(ids)
    assert all(part.document_count for part in found)
    for part in found:
        own = [source for shard in part.shards for source in part.rows_of("sources", shards[shard])["source_id"]]
        assert rows.filter(part.has(pl.col("source_id")))["source_id"].to_list() == own


@pytest.mark.parametrize(("text_bytes", "count"), [(0, 1), (100, 1), (101, 2), (200, 2), (201, 4), (10**6, MAX_RANGES)])
def test_there_are_as_many_ranges_as_files_of_text(text_bytes: int, count: int):
    assert range_count(text_bytes, Settings(file_bytes=100)) == count
    starts = range_starts(count)
    assert starts[0] == "00"
    assert starts == sorted(set(starts))
    assert len({int(b, 16) - int(a, 16) for a, b in itertools.pairwise(starts)}) <= 1


def written_in_ranges(tables: Tables, folder: Path) -> list[tuple[Path, Written]]:
    """Written as workers do: a range at a time, each into a folder of its own, and what is not cut into another."""
    (first, *_) = parts = ranges_of_shards({"all": tables["sources"].select("source_id", "byte_count")}, BOUNDS)
    assert len(parts) > 2
    written = []
    for part in parts:
        own = {name: part.rows_of(name, tables[name]) for name in CUT}
        halves = [{name: rows[: rows.height // 2] for name, rows in own.items()}]
        halves += [{name: rows[rows.height // 2 :] for name, rows in own.items()}]
        place = folder / str(part.number)
        place.mkdir(parents=True)
        written.append((place, write_parts(halves, place, BOUNDS, first.count)))
    place = folder / "others"
    place.mkdir()
    others = {name: rows for name, rows in tables.items() if name not in CUT}
    return [*written, (place, write_parts([others], place, BOUNDS, 1))]


def released(parts: list[tuple[Path, Written]], out: Path) -> Released:
    with locked(out) as lock:
        return release_written(parts, lock, BOUNDS, BUILD)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_ranges_written_apart_are_the_release_that_is_written_in_one_go(tmp_path: Path):
    tables = stories()
    whole = release(tables, tmp_path / "whole", BOUNDS, BUILD).path
    parts = written_in_ranges(tables, tmp_path / "work")
    path = released(parts[::-1], tmp_path / "parts").path
    assert digests(path) == digests(whole)
    for name in TABLES:
        assert read_table(path, name).equals(tables[name]), name
    assert len(list((path / "data" / "sources").iterdir())) > 2
    assert [file.name for file in (path / "data" / "rejects").iterdir()] == ["00000.parquet"]


def test_no_file_of_a_cut_table_holds_rows_of_two_ranges(tmp_path: Path):
    tables = stories()
    path = released(written_in_ranges(tables, tmp_path / "work"), tmp_path / "out").path
    count = range_count(int(tables["sources"]["byte_count"].sum()), BOUNDS)
    for name in CUT:
        key = TABLES[name].order[0]
        for file in (path / "data" / name).iterdir():
            starts = pl.read_parquet(file)[key].str.head(2).unique().to_list()
            assert len({int(start, 16) * count // MAX_RANGES for start in starts}) == 1


def test_a_range_that_was_written_twice_makes_no_release(tmp_path: Path):
    parts = written_in_ranges(stories(), tmp_path / "work")
    with pytest.raises(CopydeskError, match=r"a range of \w+ was written twice; please report it"):
        released([*parts, parts[0]], tmp_path / "out")
    assert [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []


def test_files_come_from_another_file_system_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tables = stories()
    expected = digests(released(written_in_ranges(tables, tmp_path / "work"), tmp_path / "out").path)
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if self.suffix == ".parquet":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    found = released(written_in_ranges(tables, tmp_path / "shared"), tmp_path / "other").path
    assert digests(found) == expected
    assert not list((tmp_path / "shared").rglob("*.parquet"))


def test_rows_of_a_range_are_cut_by_the_key_of_their_table():
    tables = stories()
    for name in CUT:
        own = [Range(number, 8).rows_of(name, tables[name]) for number in range(8)]
        assert pl.concat(own).equals(tables[name])
        for number, rows in enumerate(own):
            starts = rows[TABLES[name].order[0]].str.head(2).to_list()
            assert {int(start, 16) // 32 for start in starts} <= {number}
