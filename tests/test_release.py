"""A release is whole or absent, the same for the same rows, and bears the number that its changes ask for."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.errors import CopydeskError, LockedError, UsageError
from flows.release.manifest import Input
from flows.release.parquet import TableWriter, read_table, table_files, table_of
from flows.release.release import BuildInfo, Released
from flows.release.rows import rows_sha256
from flows.release.staging import locked, rename_new
from flows.release.versions import next_version
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import (
    PAGES,
    Tables,
    article_id,
    changed,
    frame,
    in_order,
    release,
    release_parts,
    tables_of,
    two_stories,
    with_texts,
    write_table,
)

INPUTS = [Input("morning.txt", "1" * 64, 11), Input("evening.txt", "2" * 64, 12)]
COUNTS = {"read": 2, "released": 2, "rejected": 0, "taken_down": 0, "skipped": 0}


def build(tables: Tables, out: Path, version: str | None = None, **settings: Any) -> Released:
    return release(tables, out, Settings(**settings), BuildInfo(INPUTS, COUNTS, version))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def visible(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if not path.name.startswith("."))


def test_the_first_release_is_whole(tmp_path: Path):
    tables = two_stories()
    result = build(tables, tmp_path / "new" / "dist")
    assert (result.version, result.step, result.previous, result.is_new) == ("1.0.0", "first", None, True)
    assert visible(tmp_path / "new" / "dist") == ["1.0.0"]
    assert {path.name for path in (tmp_path / "new" / "dist").iterdir()} == {"1.0.0", ".lock"}
    for name, table in TABLES.items():
        rows = read_table(result.path, name)
        assert rows.equals(tables[name].sort(table.order)), name
        assert rows.schema == tables[name].schema, name
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=result.path, check=True)
    sums = (result.path / "SHA256SUMS").read_text()
    assert [line.split("  ")[1] for line in sums.splitlines()] == sorted(set(contents(result.path)) - {"SHA256SUMS"})


def test_the_manifest_says_what_the_release_is_made_of(tmp_path: Path):
    result = build(two_stories(), tmp_path)
    files = contents(result.path)
    manifest = json.loads(files["manifest.json"])
    assert list(manifest) == [
        "version",
        "parent",
        "edition",
        "inputs",
        "provenance_inputs",
        "settings",
        "columns",
        "takedowns",
        "code",
        "lock_sha256",
        "tables",
        "rows_sha256",
        "conservation",
        "outputs",
    ]
    assert (manifest["version"], manifest["parent"], manifest["edition"]) == ("1.0.0", None, "full")
    assert [one["uri"] for one in manifest["inputs"]] == ["evening.txt", "morning.txt"]
    assert manifest["settings"]["row_group_bytes"] == Settings().row_group_bytes
    assert manifest["conservation"] == COUNTS
    assert {name: table["row_count"] for name, table in manifest["tables"].items()} == {
        name: rows.height for name, rows in two_stories().items()
    }
    outputs = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert manifest["outputs"] == {k: v for k, v in outputs.items() if k not in ("manifest.json", "SHA256SUMS")}


def test_the_order_of_rows_and_the_layout_in_memory_leave_no_trace(tmp_path: Path):
    tables = two_stories()
    shuffled = {
        name: pl.concat([rows[number::3].clone() for number in (2, 0, 1)], rechunk=False)
        for name, rows in tables.items()
    }
    first, second = build(tables, tmp_path / "a"), build(shuffled, tmp_path / "b")
    assert contents(first.path) == contents(second.path)


def test_threads_leave_no_trace(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from tests.test_release import build; "
        "from tests.release_tables import two_stories; build(two_stories(), Path(sys.argv[1]))"
    )
    found = []
    for threads in ("1", "2"):
        environment = os.environ | {"POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads}
        out = tmp_path / threads
        subprocess.run([sys.executable, "-c", script, out], check=True, env=environment, cwd=Path(__file__).parents[1])
        found.append(contents(out / "1.0.0"))
    assert found[0] == found[1]


def test_parquet_files_are_as_the_hub_and_verification_want_them(tmp_path: Path):
    result = build(two_stories(), tmp_path)
    for name in TABLES:
        (file,) = table_files(result.path, name)
        metadata = pq.ParquetFile(file).metadata
        assert metadata.num_rows == two_stories()[name].height
        assert metadata.num_row_groups == min(metadata.num_rows, 1)
        for group in range(metadata.num_row_groups):
            column = metadata.row_group(group).column(0)
            assert column.compression == "ZSTD"
            assert column.has_offset_index
    table = table_files(result.path, "sources")[0]
    damaged = bytearray(table.read_bytes())
    damaged[len(damaged) // 8] ^= 1
    table.write_bytes(damaged)
    with pytest.raises(CopydeskError, match=r"table sources of .* cannot be read"):
        read_table(result.path, "sources")


@pytest.mark.parametrize("ranges", [1, 4])
def test_large_tables_are_cut_into_files_and_row_groups(tmp_path: Path, ranges: int):
    tables = tables_of({f"{number:03}.txt": [("body", f"Page {number} of many. " * 20)] for number in range(60)})
    rows = tables["sources"].sort("source_id")
    files = write_table(tmp_path, "sources", rows, Settings(row_group_bytes=4_000, file_bytes=12_000), ranges)
    assert [file.name for file in files] == [f"{number:05}.parquet" for number in range(len(files))]
    assert len(files) > 2
    groups = [pq.ParquetFile(file).metadata.num_row_groups for file in files]
    assert max(groups) > 1
    assert all(file.stat().st_size < 40_000 for file in files)
    assert read_table(tmp_path, "sources").equals(rows)


@given(
    st.lists(st.integers(0, 60), max_size=6),
    st.integers(100, 3_000),
    st.integers(1, 3),
    st.sampled_from([1, 2, 8, 256]),
)
@hypothesis_settings(max_examples=20, deadline=None)
def test_the_parts_in_which_rows_come_leave_no_trace(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], group_bytes: int, groups_per_file: int, ranges: int
):
    tables = tables_of({f"{number:02}.txt": [("body", f"Page {number}. " * (1 + number % 9))] for number in range(60)})
    rows = tables["sources"].sort("source_id")
    settings = Settings(row_group_bytes=group_bytes, file_bytes=group_bytes * groups_per_file)
    bounds = [0, *sorted(cuts), rows.height]
    parts = [rows[start:stop] for start, stop in itertools.pairwise(bounds)]
    written = []
    for number, some in enumerate(([rows], parts)):
        folder = tmp_path_factory.mktemp(str(number))
        with ThreadPoolExecutor(1) as pool:
            writer = TableWriter(folder, "sources", settings, pool, ranges)
            for part in some:
                writer.write(part)
            table = table_of(folder, "sources", [(folder, writer.close())], settings)
        assert table.row_count == rows.height
        assert table.rows_sha256 == rows_sha256("sources", rows)
        files = {file.relative_to(folder).as_posix(): digest for file, digest in table.files.items()}
        assert files == {name: hashlib.sha256(data).hexdigest() for name, data in contents(folder).items()}
        written.append(files)
    assert written[0] == written[1]


def test_parts_out_of_order_or_a_row_that_comes_twice_make_no_release(tmp_path: Path):
    rows = {name: two_stories()[name].sort(table.order) for name, table in TABLES.items()}
    first, last = ({name: table[place] for name, table in rows.items()} for place in (slice(1), slice(1, None)))
    for parts in ([last, first], [first, first, last], [first, rows]):
        with (
            locked(tmp_path) as lock,
            pytest.raises(CopydeskError, match=r"are not in the order of .* or one stands twice"),
        ):
            release_parts(parts, lock, Settings(), BuildInfo(INPUTS, COUNTS))
    assert visible(tmp_path) == []
    assert not list(tmp_path.glob(".staging-*"))
    with locked(tmp_path) as lock:
        result = release_parts(iter([first, last]), lock, Settings(), BuildInfo(INPUTS, COUNTS))
    assert contents(result.path) == contents(build(two_stories(), tmp_path / "whole").path)


def test_a_part_that_fails_leaves_nothing(tmp_path: Path):
    rows = {name: two_stories()[name].sort(table.order) for name, table in TABLES.items()}

    def parts() -> Iterator[Tables]:
        yield rows
        raise CopydeskError("the next shard is gone")

    with locked(tmp_path) as lock, pytest.raises(CopydeskError, match="the next shard is gone"):
        release_parts(parts(), lock, Settings(), BuildInfo(INPUTS, COUNTS))
    assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]


def test_the_same_rows_make_no_new_release_whatever_version_is_wished_for(tmp_path: Path):
    first = build(two_stories(), tmp_path)
    before = contents(tmp_path)
    again = build(two_stories(), tmp_path, version="1.0.0")
    assert (again.path, again.step, again.is_new, again.changed) == (first.path, "none", False, [])
    assert contents(tmp_path) == before
    renamed = build(two_stories(), tmp_path, dataset_name="Another name")
    assert (renamed.version, renamed.changed) == ("1.0.0", ["README.md"])
    assert contents(tmp_path) == before


def test_a_new_release_names_its_parent(tmp_path: Path):
    first = build(two_stories(), tmp_path)
    second = build(tables_of({"morning.txt": PAGES["morning.txt"]}), tmp_path)
    assert second.version == "1.1.0"
    manifest = (first.path / "manifest.json").read_bytes()
    parent = json.loads((second.path / "manifest.json").read_bytes())["parent"]
    assert parent == {"version": "1.0.0", "manifest_sha256": hashlib.sha256(manifest).hexdigest()}


def reworded(tables: Tables) -> Tables:
    """The same passages, one of them corrected: another text, so another source."""
    pages = {uri: list(page) for uri, page in PAGES.items()}
    pages["morning.txt"][3] = ("body", "Nobody could say when they would sail.")
    return tables_of(pages)


def longer(tables: Tables) -> Tables:
    return tables_of(PAGES | {"morning.txt": [*PAGES["morning.txt"], ("body", "One more line.")]})


IS_MORNING = pl.col("article_id") == article_id("morning.txt")
STEPS = [
    (lambda tables: changed(tables, "articles", pl.lit(True), language="de"), "patch"),
    (reworded, "patch"),
    (lambda tables: tables | {"evidence": tables["evidence"].head(3)}, "patch"),
    (longer, "minor"),
    (lambda tables: tables_of({"morning.txt": PAGES["morning.txt"]}), "minor"),
    (lambda tables: tables_of({"noon.txt": PAGES["morning.txt"], "evening.txt": PAGES["evening.txt"]}), "minor"),
    (lambda tables: changed(tables, "articles", IS_MORNING, article_id="00000000000000aa-00"), "minor"),
]


@pytest.mark.parametrize(("change", "step"), STEPS)
def test_the_number_follows_from_the_change(change: Any, step: str, tmp_path: Path):
    build(tables_of(PAGES), tmp_path)
    result = build(change(tables_of(PAGES)), tmp_path)
    assert result.step == step
    assert result.version == {"patch": "1.0.1", "minor": "1.1.0"}[step]


def old_release_with(tmp_path: Path, name: str, rows: pl.DataFrame) -> None:
    """Put a table of other columns into the release 1.0.0, as an earlier program would have written it."""
    path = build(tables_of(PAGES), tmp_path).path
    for file in table_files(path, name):
        file.unlink()
        file.parent.rmdir()
    (path / "data" / name).mkdir()
    rows.write_parquet(path / "data" / name / "00000.parquet")
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["tables"][name] = {"row_count": rows.height, "rows_sha256": "0" * 64}
    manifest["rows_sha256"] = "0" * 64
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_columns_that_come_or_go_or_change_their_type(tmp_path: Path):
    articles = tables_of(PAGES)["articles"].sort("article_id")
    for number, (rows, step) in enumerate(
        [
            (articles.drop("word_count"), "minor"),
            (articles.with_columns(mood=pl.lit("calm")), "major"),
            (articles.with_columns(pl.col("word_count").cast(pl.String)), "major"),
        ]
    ):
        out = tmp_path / str(number)
        old_release_with(out, "articles", rows)
        assert build(tables_of(PAGES), out).step == step


def test_a_table_that_goes_is_a_major_change(tmp_path: Path):
    old_release_with(tmp_path, "moods", pl.DataFrame({"mood": ["calm"]}))
    result = build(tables_of(PAGES), tmp_path)
    assert (result.step, result.version) == ("major", "2.0.0")


def test_a_version_that_exists_or_understates_the_change_is_refused(tmp_path: Path):
    build(two_stories(), tmp_path, version="1.2.0")
    other = tables_of({"morning.txt": PAGES["morning.txt"]})
    for wished, words in (
        ("1.2.0", "exists"),
        ("1.2.1", "understates a minor change since 1.2.0: it must be at least 1.3.0"),
        ("1.1.9", "understates"),
        ("1.3", "not of the form"),
        ("01.3.0", "not of the form"),
        ("1.3٠.0", "not of the form"),
        ("../x", "not of the form"),
    ):
        with pytest.raises(UsageError, match=words):
            build(other, tmp_path, version=wished)
    assert visible(tmp_path) == ["1.2.0"]
    assert build(other, tmp_path, version="3.0.0").version == "3.0.0"


def test_only_whole_releases_count_as_the_newest(tmp_path: Path):
    build(two_stories(), tmp_path, version="1.9.0")
    for name in ("2.0.0", "1.10.0-rc1", "1.٢٠.0", "notes", ".staging-1-aa"):
        (tmp_path / name).mkdir()
    (tmp_path / "1.٢٠.0" / "manifest.json").write_bytes((tmp_path / "1.9.0" / "manifest.json").read_bytes())
    result = build(tables_of({"morning.txt": PAGES["morning.txt"]}), tmp_path)
    assert (result.previous, result.version) == ("1.9.0", "1.10.0")


@given(st.tuples(*[st.integers(0, 30)] * 3), st.sampled_from(["patch", "minor", "major"]))
def test_the_next_version_is_the_least_that_is_higher(numbers: tuple[int, int, int], step: str):
    before = ".".join(map(str, numbers))
    after = tuple(int(part) for part in next_version(before, step).split("."))
    kept = {"major": 0, "minor": 1, "patch": 2}[step]
    assert after[:kept] == numbers[:kept]
    assert after[kept] == numbers[kept] + 1
    assert not any(after[kept + 1 :])


def test_a_failed_write_leaves_nothing_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    build(two_stories(), tmp_path)
    before = contents(tmp_path)

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.release.release.write_sums", full)
    with pytest.raises(CopydeskError) as caught:
        build(tables_of(PAGES), tmp_path)
    assert str(caught.value) == f"cannot write to {tmp_path}: No space left on device; nothing was released"
    assert contents(tmp_path) == before
    assert not list(tmp_path.glob(".staging-*"))


def test_what_a_killed_run_left_is_removed_and_its_release_never_appears(tmp_path: Path):
    script = (
        "import os, sys; from pathlib import Path; import flows.release.release as r; "
        "from tests.test_release import build; from tests.release_tables import two_stories; "
        "r.publish = lambda folder, target: os.kill(os.getpid(), 9); build(two_stories(), Path(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[1], check=False)
    assert killed.returncode == -9
    assert visible(tmp_path) == []
    assert list(tmp_path.glob(".staging-*"))
    build(two_stories(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"1.0.0", ".lock"}


def test_another_run_that_holds_the_lock_is_named(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from flows.release.staging import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"locked by process {holder.pid} on {os.uname().nodename}"):
            build(two_stories(), tmp_path)
        holder.communicate("")
    assert build(two_stories(), tmp_path).is_new


def test_a_lock_that_is_held_serves_the_whole_build(tmp_path: Path):
    with locked(tmp_path) as lock:
        result = release_parts([in_order(two_stories())], lock, Settings(), BuildInfo(INPUTS, COUNTS))
        with pytest.raises(LockedError):
            build(two_stories(), tmp_path)
    assert result.is_new


def test_a_name_that_exists_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for has_syscall in (True, False):
        if not has_syscall:
            monkeypatch.setattr("flows.release.staging.ctypes.CDLL", lambda *args, **kwargs: object())
        source, target = tmp_path / f"source{has_syscall}", tmp_path / f"target{has_syscall}"
        source.mkdir()
        target.mkdir()  # empty: a plain rename would replace it
        with pytest.raises(FileExistsError):
            rename_new(source, target)
        target.rmdir()
        rename_new(source, target)
        assert target.is_dir()
        assert not source.exists()


def test_an_output_folder_that_cannot_be_is_one_clear_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CopydeskError, match="nothing was released") as caught:
        build(two_stories(), tmp_path / "file" / "dist")
    assert "\n" not in str(caught.value)


def test_no_documents_no_release(tmp_path: Path):
    empty = {name: table.empty() for name, table in TABLES.items()}
    with pytest.raises(CopydeskError, match="no document is left to release"):
        build(empty, tmp_path / "dist")
    assert visible(tmp_path / "dist") == []


def test_a_release_without_any_date_has_none(tmp_path: Path):
    tables = changed(
        tables_of(PAGES, published_date=None, published_date_basis=None), "sources", pl.lit(True), retrieved_at=None
    )
    card = (build(tables, tmp_path).path / "README.md").read_text()
    assert "Release 1.0.0: 2 articles" in card
    dated = release(
        with_texts(tables_of(PAGES)), tmp_path, Settings(), BuildInfo(INPUTS, COUNTS, release_date=date(2040, 2, 3))
    )
    assert "of 2040-02-03" in (dated.path / "README.md").read_text()


# --- the hash of rows ---


def test_the_hash_of_rows_is_what_its_documentation_says():
    rows = pl.DataFrame(
        {
            "name": ["c0é", "c0", "c1"],
            "authors": [["a", "bc"], [], None],
            "score": [-0.0, 0.5, None],
            "count": [7, None, 8],
        },
        schema={"name": pl.String, "authors": pl.List(pl.String), "score": pl.Float64, "count": pl.UInt32},
    )

    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    def whole(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(8, "little") for number in numbers)

    def of_lines(*lines: str) -> str:
        return digest("".join(f"{line}\n" for line in lines).encode())

    both, first = bytes([1, 1]), bytes([1, 0])
    c0 = of_lines(
        "2",
        f"{digest(both)} {digest(whole(4, 2))} {digest('c0éc0'.encode())}",
        f"{digest(both)} {digest(whole(2, 0))} {digest(b'')}",
        f"{digest(both)} {digest(whole(1, 2))} {digest(b'abc')}",
        f"{digest(both)} {digest(b'')} {digest(bytes(8) + bytes.fromhex('000000000000e03f'))}",
        f"{digest(first)} {digest(b'')} {digest(whole(7, 0))}",
    )
    c1 = of_lines(
        "1",
        f"{digest(bytes([1]))} {digest(whole(2))} {digest(b'c1')}",
        f"{digest(bytes([0]))} {digest(whole(0))} {digest(b'')}",
        f"{digest(b'')} {digest(b'')} {digest(b'')}",
        f"{digest(bytes([0]))} {digest(b'')} {digest(bytes(8))}",
        f"{digest(bytes([1]))} {digest(b'')} {digest(whole(8))}",
    )
    columns = ("name text", "authors list", "authors[] text", "score number", "count count")
    assert rows_sha256("moods", rows) == of_lines("copydesk-rows 2", "moods", "3", *columns, c0, c1)


VALUES = st.lists(
    st.tuples(
        st.none() | st.text(max_size=4) | st.text("ab", max_size=3),
        st.lists(st.none() | st.text(max_size=2), max_size=3),
        st.none() | st.booleans(),
        st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=7,
)
MIXED: dict[str, Any] = {
    "text": pl.String,
    "names": pl.List(pl.String),
    "is_so": pl.Boolean,
    "date": pl.Date,
    "at": pl.Datetime("us", "UTC"),
}


@given(VALUES, VALUES)
def test_equal_rows_and_only_they_have_equal_hashes(left: list[Any], right: list[Any]):
    a, b = (pl.DataFrame(rows, schema=MIXED, orient="row") for rows in (left, right))
    assert (rows_sha256("t", a) == rows_sha256("t", b)) == (left == right)
    assert rows_sha256("t", a) == rows_sha256("t", pl.concat([a[:2], a[2:]], rechunk=False))


def test_batches_leave_no_trace_in_the_hash(monkeypatch: pytest.MonkeyPatch):
    rows = two_stories()["passages"]
    whole = rows_sha256("passages", rows)
    monkeypatch.setattr("flows.release.rows.BATCH_ROWS", 2)
    assert rows_sha256("passages", rows) == whole
    assert rows_sha256("passages", rows.with_columns(pl.col("ordinal").cast(pl.UInt64))) == whole
    assert rows_sha256("other", rows) != whole


def test_an_article_is_found_again_in_the_files(tmp_path: Path):
    path = build(two_stories(), tmp_path).path
    assert article_id("morning.txt") in read_table(path, "articles", ["article_id"])["article_id"]
    with pytest.raises(CopydeskError, match="no table nothing"):
        read_table(path, "nothing")
    assert frame("rejects", []).equals(read_table(path, "rejects"))
