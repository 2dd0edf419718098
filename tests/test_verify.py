"""A release that was touched is found out, and the file that was touched is named."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from flows.errors import CopydeskError
from flows.release.manifest import Input, file_sha256, write_sums
from flows.release.manifest_form import Manifest
from flows.release.provenance import write_provenance
from flows.release.release import BuildInfo
from flows.release.rows import all_rows_sha256, rows_sha256
from flows.release.verify.card import check_card
from flows.release.verify.files import check_files
from flows.release.verify.findings import Findings, as_json, print_verified
from flows.release.verify.manifest import check_manifest, parsed_manifest
from flows.release.verify.tables import UnreadableError, open_table
from flows.settings import Settings
from flows.verify import verify
from schemas.tables import TABLES
from tests.release_tables import PAGES, Page, Tables, changed, frame, release, tables_of, two_stories, write_table

MADE = settings(max_examples=200, deadline=None)
REJECT = {
    "reject_id": "0" * 16,
    "stage": "ingest",
    "rule": "invalid_utf8",
    "uri": "bad.txt",
    "detail": "Byte 7 is not valid UTF-8.",
}
ONE_PAGE = {"morning.txt": PAGES["morning.txt"]}


def built(tables: Tables, out: Path, **options: Any) -> Path:
    """A release that states of its inputs what is true of them."""
    sources = tables["sources"]
    files = sources.filter(pl.col("container").is_null()).select("uri", "sha256", "byte_count")
    inputs = [Input(*row) for row in files.iter_rows()]
    inputs += [Input(name, "5" * 64, 9) for name in sources["container"].drop_nulls().unique().sort()]
    rejected = tables["rejects"].height
    counts = {"read": sources.height + rejected, "released": sources.height, "rejected": rejected, "taken_down": 0}
    return release(tables, out, Settings(**options), BuildInfo(inputs, counts | {"skipped": 0})).path


def saved(pages: dict[str, Page], folder: Path) -> Path:
    """The pages as files, as they were before they were ingested."""
    folder.mkdir()
    for name, page in pages.items():
        (folder / name).write_bytes("\n\n".join(words for _, words in page).encode())
    return folder


def failed(path: Path, *sources: Path, **options: Any) -> set[tuple[str, str]]:
    return {(failure.file, failure.check) for failure in verify(path, sources, **options).failures}


def stated_failures(path: Path) -> set[tuple[str, str]]:
    """What is found before any row is looked at, which takes most of the time: files, manifest and card."""
    findings = Findings()
    checked = check_files(path, findings)
    if checked.manifest is not None:
        check_manifest(path, checked.manifest, checked.sha256["manifest.json"], findings)
        check_card(path, checked.manifest, findings)
    return {(failure.file, failure.check) for failure in findings.failures}


def failed_files(path: Path) -> set[str]:
    findings = Findings()
    check_files(path, findings)
    return {failure.file for failure in findings.failures}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sound release; whoever changes it puts it back."""
    path = built(two_stories() | {"rejects": frame("rejects", [REJECT])}, tmp_path_factory.mktemp("out"))
    yield path
    assert verify(path).is_ok


@pytest.fixture
def own(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to do with as one likes."""
    return Path(shutil.copytree(sound, tmp_path / "own" / sound.name))


def files_of(path: Path) -> list[str]:
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def test_a_sound_release_passes_with_its_sources(sound: Path, tmp_path: Path):
    verified = verify(sound, [saved(PAGES, tmp_path / "pages")])
    assert verified.is_ok
    assert json.loads(as_json(verified)) == {"ok": True, "failures": []}
    assert "2 of 2 sources are made of the bytes at their place" in verified.checked
    assert any("8 tables" in line for line in verified.checked)
    assert verified.notes == ()


def test_times_and_modes_do_not_count(own: Path):
    for name in files_of(own):
        (own / name).chmod(0o600)
        os.utime(own / name, (0, 0))
    assert verify(own).is_ok


@MADE
@given(st.data())
def test_any_flipped_bit_is_found_and_its_file_named(sound: Path, data: st.DataObject):
    name = data.draw(st.sampled_from(files_of(sound)))
    file = sound / name
    before = file.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(before) - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        file.write_bytes(flipped)
        assert failed_files(sound) == {name}
    finally:
        file.write_bytes(before)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_removed_cut_or_swapped_is_named(sound: Path, data: st.DataObject):
    first, second = data.draw(st.lists(st.sampled_from(files_of(sound)), min_size=2, max_size=2, unique=True))
    before = {name: (sound / name).read_bytes() for name in (first, second)}
    cut = data.draw(st.integers(0, len(before[first]) - 1))
    try:
        (sound / first).unlink()
        assert failed_files(sound) == {first}
        (sound / first).write_bytes(before[first][:cut])
        assert failed_files(sound) == {first}
        (sound / first).write_bytes(before[second])
        (sound / second).write_bytes(before[first])
        assert failed_files(sound) == {first, second}
    finally:
        for name, content in before.items():
            (sound / name).write_bytes(content)


@pytest.mark.parametrize(
    "name", ["notes.txt", ".hidden", "data/.hidden", "data/articles/00001.parquet", "a b\n", "z/y"]
)
def test_a_file_too_many_is_named(own: Path, name: str):
    (own / name).parent.mkdir(exist_ok=True)
    (own / name).write_text("")
    assert (name, "too_many") in failed(own)


def test_whatever_else_stands_in_a_release_is_named(own: Path):
    (own / "data" / "moods").mkdir()
    os.mkfifo(own / "pipe")
    (own / "link").symlink_to(own / "README.md")
    outside = own.parent / "card"
    (own / "README.md").rename(outside)
    (own / "README.md").symlink_to(outside)
    assert failed(own) >= {
        ("data/moods", "empty_folder"),
        ("pipe", "file_type"),
        ("link", "link"),
        ("README.md", "link"),
        ("README.md", "missing"),
    }
    (own / "SHA256SUMS").unlink()
    (own / "SHA256SUMS").mkdir()
    assert failed(own) >= {("SHA256SUMS", "empty_folder"), ("SHA256SUMS", "missing")}


def test_every_command_sees_a_flipped_bit(own: Path):
    """The whole of `verify`, not the check of the files alone."""
    for name in files_of(own):
        before = (own / name).read_bytes()
        (own / name).write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
        verified = verify(own)
        assert {failure.file for failure in verified.failures} == {name}
        (own / name).write_bytes(before)


# --- the manifest, and the releases beside it ---


def restated(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, and the sums so that they fit."""
    content = json.loads((path / "manifest.json").read_bytes())
    change(content)
    (path / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")
    write_sums(path)


def sealed(path: Path) -> None:
    """Make manifest, provenance and sums state the files as they are now."""

    def outputs(content: dict[str, Any]) -> None:
        own = ("manifest.json", "provenance.json", "SHA256SUMS")
        content["outputs"] = {name: file_sha256(path / name) for name in files_of(path) if name not in own}
        write_provenance(path, content)

    restated(path, outputs)


def rewritten(path: Path, name: str, rows: pl.DataFrame) -> None:
    """Put other rows into a table, and make everything else state them."""
    shutil.rmtree(path / "data" / name)
    write_table(path, name, rows, Settings())

    def tables(content: dict[str, Any]) -> None:
        content["tables"][name] = {"row_count": rows.height, "rows_sha256": rows_sha256(name, rows)}
        content["rows_sha256"] = all_rows_sha256({key: one["rows_sha256"] for key, one in content["tables"].items()})

    restated(path, tables)
    sealed(path)


def test_helpers_that_forge_leave_a_release_that_passes(own: Path):
    rewritten(own, "articles", two_stories()["articles"].sort("article_id"))
    assert verify(own).is_ok


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda content: content.update(version="1.0.1"), "version"),
        (lambda content: content.update(version="1.0"), "form"),
        (lambda content: content.update(edition="half"), "form"),
        (lambda content: content.pop("inputs"), "form"),
        (lambda content: content.update(rows_sha256="0" * 64), "rows_sha256"),
        (lambda content: content["conservation"].update(read=4), "conservation"),
        (lambda content: content["outputs"].pop("README.md"), "files"),
        (lambda content: content.update(parent={"version": "1.2.0", "manifest_sha256": "0" * 64}), "parent"),
        (lambda content: content.update(version="1.1٠.0"), "form"),
        (lambda content: content["inputs"][0].update(byte_count=10**30), "form"),
        (lambda content: content["inputs"][0].update(uri="\ud800"), "form"),
        (lambda content: content["tables"].update({"\ud800": content["tables"]["articles"]}), "form"),
        (lambda content: content["outputs"].update({"data/\ud800": "0" * 64}), "form"),
        (lambda content: content.update(edition="public"), "form"),
    ],
)
def test_a_manifest_that_contradicts_itself(own: Path, change: Callable[[Any], None], check: str):
    restated(own, change)
    assert ("manifest.json", check) in stated_failures(own)


def test_a_manifest_that_contradicts_the_tables(own: Path):
    def change(content: dict[str, Any]) -> None:
        content["tables"]["articles"].update(row_count=3)
        content["tables"]["moods"] = {"row_count": 0, "rows_sha256": "0" * 64}
        content["conservation"].update(rejected=2, read=4)
        content["inputs"].pop()
        content["inputs"][0].update(sha256="0" * 64)

    restated(own, change)
    assert failed(own) == {
        ("README.md", "counts"),
        *(("manifest.json", check) for check in ("row_count", "rows_sha256", "tables", "conservation", "inputs")),
    }
    restated(own, lambda content: content["tables"].pop("evidence"))
    assert {("manifest.json", "tables"), ("data/evidence/00000.parquet", "tables")} <= failed(own)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"[" * 100_000, b'{"version": "1.0.0", "version": "1.0.0"}', b"\xff"]
)
def test_a_manifest_that_is_none(own: Path, content: bytes):
    (own / "manifest.json").write_bytes(content)
    write_sums(own)
    verified = verify(own, [own])
    assert [(failure.file, failure.check) for failure in verified.failures] == [("manifest.json", "form")]
    assert any("no manifest to go by" in note for note in verified.notes)


def test_a_folder_under_another_name(own: Path):
    renamed = own.rename(own.with_name("1.0.1"))
    assert stated_failures(renamed) == {("manifest.json", "version")}
    link = own.with_name("2.0.0")
    link.symlink_to(renamed)
    assert stated_failures(link) == {("manifest.json", "version")}


def test_a_release_is_held_against_its_parent_and_its_child(tmp_path: Path):
    first = built(two_stories(), tmp_path / "out")
    second = built(tables_of(ONE_PAGE), tmp_path / "out")
    assert stated_failures(first) == stated_failures(second) == set()

    other = built(tables_of(PAGES), tmp_path / "other")
    shutil.rmtree(first)
    shutil.copytree(other, first)
    assert stated_failures(second) == {("manifest.json", "parent")}
    assert stated_failures(first) == {("manifest.json", "child")}

    shutil.rmtree(first)
    verified = verify(second)
    assert verified.is_ok
    assert verified.notes == ("the parent 1.0.0 is not in the folder, so it was not compared",)


def test_an_older_release_put_back_is_found(tmp_path: Path):
    first = built(two_stories(), tmp_path)
    second = built(tables_of(ONE_PAGE), tmp_path)
    manifest = (second / "manifest.json").read_bytes()
    (second / "manifest.json").write_bytes((first / "manifest.json").read_bytes())
    assert ("manifest.json", "sha256") in stated_failures(second)
    (second / "manifest.json").write_bytes(manifest)
    assert stated_failures(second) == set()
    shutil.rmtree(second)
    shutil.copytree(first, second)
    assert ("manifest.json", "version") in stated_failures(second)


# --- files that were changed together with what is stated of them ---


FORGED = [
    ("articles", lambda rows: rows.with_columns(kind=pl.lit("poem")), "kind_isin"),
    ("articles", lambda rows: pl.concat([rows, rows.head(1)]), "article_id_unique"),
    ("articles", lambda rows: rows.with_columns(text=pl.lit("Other words.")), "text_differs"),
    ("articles", lambda rows: rows.drop("title"), "schema"),
    ("articles", lambda rows: rows.with_columns(pl.col("ordinal").cast(pl.Int64)), "schema"),
    ("articles", lambda rows: rows.with_columns(mood=pl.lit("calm")), "schema"),
    ("articles", lambda rows: rows.select(rows.columns[::-1]), "schema"),
    ("passages", lambda rows: rows.with_columns(pl.col("char_count") + 90_000), "passage_outside_source"),
    ("passages", lambda rows: rows.with_columns(text=pl.col("text") + "!"), "text_not_in_source"),
    ("passages", lambda rows: rows.filter(pl.col("ordinal") != 1), "ordinal_gap"),
    ("evidence", lambda rows: rows.with_columns(char_start=pl.lit(3, pl.UInt32)), "evidence_offsets_incomplete"),
    ("overlaps", lambda rows: rows.with_columns(a_passage_id=pl.lit("0" * 16 + "-0000")), "a_passage_id_unknown"),
    ("relations", lambda rows: rows.with_columns(overlap_count=pl.lit(7, pl.UInt32)), "overlap_count_differs"),
]


@pytest.mark.parametrize(("name", "forge", "check"), FORGED)
def test_rows_that_break_their_contract_are_found_although_all_hashes_fit(
    own: Path, name: str, forge: Callable[[pl.DataFrame], pl.DataFrame], check: str
):
    rewritten(own, name, forge(two_stories()[name].sort(TABLES[name].order)))
    assert (f"data/{name}/00000.parquet", check) in failed(own)


def test_words_that_do_not_stand_where_evidence_points(own: Path):
    rows = two_stories()["evidence"].sort(TABLES["evidence"].order)
    is_title = pl.col("field") == "title"
    right = rows.with_columns(
        char_start=pl.when(is_title).then(pl.lit(0, pl.UInt32)),
        char_count=pl.when(is_title).then(pl.col("value").str.len_chars()),
    )
    rewritten(own, "evidence", right)
    assert verify(own).is_ok
    rewritten(own, "evidence", right.with_columns(char_start=pl.col("char_start") + 1))
    verified = verify(own)
    assert [(one.file, one.check) for one in verified.failures] == [
        ("data/evidence/00000.parquet", "value_not_in_source")
    ]
    assert "Ferries" not in verified.failures[0].detail


def test_other_rows_under_the_old_hash(own: Path):
    rows = two_stories()["sources"].sort("source_id")
    for forged in (rows.reverse(), rows.with_columns(encoding=pl.lit("utf-8-sig"))):
        shutil.rmtree(own / "data" / "sources")
        write_table(own, "sources", forged, Settings())
        sealed(own)
        assert failed(own) == {("data/sources/00000.parquet", "rows_sha256")}


def test_the_file_that_holds_the_row_is_named(tmp_path: Path):
    pages: dict[str, Page] = {f"{n:03}.txt": [("body", f"Page {n} tells a story of its own. " * 20)] for n in range(40)}
    tables = tables_of(pages)
    path = built(tables, tmp_path, row_group_bytes=4_000, file_bytes=12_000)
    assert len(list((path / "data" / "passages").iterdir())) > 2
    assert verify(path).is_ok
    passages = tables["passages"].sort(TABLES["passages"].order)
    bad = passages.with_columns(role=pl.when(pl.int_range(pl.len()) == 30).then(pl.lit("poem")).otherwise("role"))
    shutil.rmtree(path / "data" / "passages")
    files = write_table(path, "passages", bad, Settings(row_group_bytes=4_000, file_bytes=12_000))
    restated(path, lambda content: content["tables"]["passages"].update(rows_sha256=rows_sha256("passages", bad)))
    sealed(path)
    (holds,) = [file for file in files if bad["passage_id"][30] in pl.read_parquet(file)["passage_id"]]
    assert (holds.relative_to(path).as_posix(), "role_isin") in failed(path)
    assert {file for file, check in failed(path) if check == "role_isin"} == {holds.relative_to(path).as_posix()}


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_corrupt_table_with_fitting_hashes_never_gives_other_rows(
    sound: Path, tmp_path_factory: Any, data: st.DataObject
):
    name = data.draw(st.sampled_from(sorted(TABLES)))
    file = f"data/{name}/00000.parquet"
    content = bytearray((sound / file).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    broken = tmp_path_factory.getbasetemp() / "broken"
    (broken / file).parent.mkdir(parents=True, exist_ok=True)
    (broken / file).write_bytes(content)
    findings = Findings()
    manifest = parsed_manifest((sound / "manifest.json").read_bytes(), findings)
    assert manifest is not None
    rows = rows_of(broken, name, manifest, findings)
    if rows is None:
        assert {failure.file for failure in findings.failures} == {file}
    else:
        stated = manifest.tables[name]
        is_same = rows_sha256(name, rows) == stated.rows_sha256
        original = rows_of(sound, name, manifest, findings)
        assert original is not None
        assert is_same == rows.equals(original)


def rows_of(path: Path, name: str, manifest: Manifest, findings: Findings) -> pl.DataFrame | None:
    """The rows of a table of one file; null if it cannot be read."""
    table = open_table(path, TABLES[name], [f"data/{name}/00000.parquet"], manifest, findings)
    try:
        return None if table is None else table.rows().drop("row")
    except UnreadableError:
        return None


def test_a_card_that_counts_otherwise(own: Path):
    card = (own / "README.md").read_text()
    for old, new in (
        ("read 3 = released 2 + rejected 1", "read 3 = released 3 + rejected 0"),
        ("num_examples: 2", "num_examples: 3"),
        ("- config_name: relations", "- config_name: moods"),
    ):
        assert old in card
        (own / "README.md").write_text(card.replace(old, new))
        sealed(own)
        assert stated_failures(own) == {("README.md", "counts")}
    for value in ("three", ".inf", '!!int ""', "!!timestamp x", "!!binary x", "&a [*a]"):
        (own / "README.md").write_text(card.replace("num_examples: 2", f"num_examples: {value}"))
        sealed(own)
        assert stated_failures(own) == {("README.md", "form")}
    for content in (b"---\na: [\n---\n", b"no front matter", b"---\ndataset_info: 3\n---\n", b"---\n- " + b"[" * 9_000):
        (own / "README.md").write_bytes(content)
        sealed(own)
        assert stated_failures(own) == {("README.md", "form"), ("README.md", "counts")}
    (own / "README.md").write_bytes(b"\xff")
    sealed(own)
    assert stated_failures(own) == {("README.md", "form")}


# --- the sources at hand ---


def test_sources_that_are_not_what_was_read(sound: Path, tmp_path: Path):
    pages = saved(PAGES, tmp_path / "pages")
    claim = ("data/sources/00000.parquet", "source")
    evening = (pages / "evening.txt").read_bytes()
    for content in (evening + b"\n", b"\xff", evening.decode().encode("utf-16")):
        (pages / "evening.txt").write_bytes(content)
        assert failed(sound, pages) == {claim}
    (pages / "evening.txt").write_bytes(evening)
    assert verify(sound, [pages]).is_ok
    (pages / "evening.txt").rename(pages / "night.txt")
    (failure,) = verify(sound, [pages]).failures
    assert failure.detail == "source evening.txt: it is not there"
    (tmp_path / "nothing").mkdir()
    (failure,) = verify(sound, [tmp_path / "nothing"]).failures
    assert all(f"source {uri}: it is not there" in failure.detail for uri in PAGES), "each is named"
    assert verify(sound, [pages, saved({"evening.txt": PAGES["evening.txt"]}, tmp_path / "more")]).is_ok
    with pytest.raises(CopydeskError, match="no file or folder"):
        verify(sound, [tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("column", "value"), [("text", "Other words."), ("char_count", 9), ("byte_count", 9), ("encoding", "utf-16-le")]
)
def test_a_source_that_its_bytes_do_not_decode_to(own: Path, tmp_path: Path, column: str, value: Any):
    tables = changed(two_stories(), "sources", pl.col("uri") == "morning.txt", **{column: value})
    rewritten(own, "sources", tables["sources"].sort("source_id"))
    assert ("data/sources/00000.parquet", "source") in failed(own, saved(PAGES, tmp_path / "pages"))


def test_a_manifest_that_renames_columns_that_there_are_not(own: Path, tmp_path: Path):
    def change(content: dict[str, Any]) -> None:
        content["columns"] = {"mood": "humour"}
        write_provenance(own, content)

    restated(own, change)
    sealed(own)
    assert ("manifest.json", "columns") in failed(own, saved(PAGES, tmp_path / "pages"))


def test_records_are_found_in_their_containers(tmp_path: Path):
    tables = changed(
        tables_of({"pages.jsonl": PAGES["evening.txt"]}), "sources", pl.lit(True), container="pages.jsonl", record=1
    )
    path = built(tables, tmp_path / "out")
    text = tables["sources"]["text"][0]
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "pages.jsonl").write_text('{"text": "First."}\n' + json.dumps({"text": text}) + "\n")
    assert verify(path, [pages]).is_ok
    (pages / "pages.jsonl").write_text('{"text": "First."}\n' + json.dumps({"body": text}) + "\n")
    assert failed(path, pages) == {("data/sources/00000.parquet", "source")}
    assert failed(path, pages, columns={"text": "body"}) == set()
    (pages / "pages.jsonl").write_text(json.dumps({"text": text}) + '\n{"text": "First."}\n')
    (failure,) = verify(path, [pages]).failures
    assert failure.detail == "source pages.jsonl: what stands there has another SHA-256"
    (pages / "pages.jsonl").write_bytes("{}".encode("utf-16"))
    (failure,) = verify(path, [pages]).failures
    assert failure.detail.startswith("source pages.jsonl: The file is UTF-16")


def test_a_record_with_an_address_of_its_own_may_move_in_its_container(tmp_path: Path):
    address = "https://ferry.example/1"
    tables = changed(
        tables_of({address: PAGES["evening.txt"]}), "sources", pl.lit(True), container="pages.jsonl", record=0
    )
    path = built(tables, tmp_path / "out")
    record = json.dumps({"text": tables["sources"]["text"][0], "uri": address})
    (tmp_path / "pages.jsonl").write_text('{"text": "New."}\n' + record + "\n")
    assert verify(path, [tmp_path / "pages.jsonl"]).is_ok


# --- what a person and a program read ---


def test_no_name_takes_over_the_terminal(own: Path):
    (own / "\x1b]0;owned\x07 \u202e[red]").write_text("")
    console = Console(file=io.StringIO(), width=80)
    verified = verify(own)
    print_verified(verified, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert not set("\x1b\x07\u202e") & set(text)
    assert "FAIL ]0;owned [red]  too_many: " in text
    assert text.endswith("1 file failed\n")
    assert as_json(verified).isascii()


def test_every_failing_file_has_a_line_of_its_own(own: Path):
    (own / "README.md").unlink()
    (own / "more").write_text("")
    console = Console(file=io.StringIO(), width=40)
    print_verified(verify(own), console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split()[1] for line in console.file.getvalue().splitlines() if line.startswith("FAIL ")]
    assert lines == ["README.md", "more"]


def test_what_is_no_release_is_said(tmp_path: Path):
    with pytest.raises(CopydeskError, match="no such folder"):
        verify(tmp_path / "1.0.0")
    assert failed(tmp_path) == {("manifest.json", "missing"), ("SHA256SUMS", "missing")}
