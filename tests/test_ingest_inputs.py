"""Which files a SOURCE means, and what their names become."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import ChangedError, CopydeskError, UsageError
from flows.ingest.inputs import FoundInputs, find_inputs, may_hold
from flows.printable import one_line, printable


def find(*sources: Path | str, apart: Path | None = None) -> FoundInputs:
    given = [str(source) for source in sources]
    return find_inputs(given, (".txt", ".jsonl.gz", ".parquet"), apart=() if apart is None else (apart,))


def uris(found: FoundInputs) -> list[str]:
    return sorted(file.uri for file in found.files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.txt",
        "B.TXT",
        "c.JSONL.gz",
        "page.html",
        "noted",
        "x.gz",
        ".hidden.txt",
        "late.txt.part",
        "late.txt.TMP",
        "sources.toml",
        "takedowns.toml",
        "2025/may/d.txt",
        "2025/june/d.txt",
        "2025/june/sources.toml",
        ".git/e.txt",
        "unfinished.tmp/f.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "again").symlink_to(tmp_path / "2025")
    (tmp_path / "linked.txt").symlink_to(tmp_path / "a.txt")
    return tmp_path


def test_a_folder_means_all_files_below_it(folder):
    found = find(folder)
    assert uris(found) == ["2025/june/d.txt", "2025/may/d.txt", "B.TXT", "a.txt", "c.JSONL.gz", "linked.txt"]
    assert found.skipped == {".html": 1, "(none)": 1, ".gz": 1}
    assert found.links == {folder / "again"}
    assert not found.refused
    assert found.folders == {
        folder: ".",
        folder / "2025": "2025",
        folder / "2025" / "may": "2025/may",
        folder / "2025" / "june": "2025/june",
    }


def test_a_file_is_named_by_its_name(folder):
    assert uris(find(folder / "2025" / "may" / "d.txt", folder / ".hidden.txt")) == [".hidden.txt", "d.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt", "linked.txt"]),
        ("[aB].[tT]*", ["B.TXT", "a.txt"]),
        ("2025/*/d.txt", ["june/d.txt", "may/d.txt"]),
        ("2025/m*", ["may/d.txt"]),
        ("**/d.txt", ["2025/june/d.txt", "2025/may/d.txt"]),
        ("2025/**", ["june/d.txt", "may/d.txt"]),
        ("**/**/may/*", ["2025/may/d.txt"]),
        (".h*", [".hidden.txt"]),
        ("again*/*/d.txt", []),
    ],
)
def test_a_pattern_is_relative_to_what_it_fixes(folder, pattern, expected):
    found = find(folder / pattern)
    assert uris(found) == expected
    assert bool(found.refused) == (not expected)


def test_a_link_is_counted_once_however_many_ways_lead_to_it(folder):
    assert len(find(folder, folder / "**" / "*", folder / "**" / "**" / "a*").links) == 1


@pytest.fixture
def deep_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A page below `tmp_path` in more folders than Python can walk by recursion."""
    depth = sys.getrecursionlimit() + 200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")
    Path("page.txt").touch()
    yield f"{'a/' * depth}page.txt"
    # Nor can it remove them so.
    Path("page.txt").unlink()
    for _ in range(depth):
        os.chdir("..")
        Path("a").rmdir()


@pytest.mark.parametrize("pattern", [".", "**/*.txt"])
def test_folders_may_nest_deeper_than_python_does(tmp_path, deep_page, pattern):
    assert uris(find(tmp_path / pattern)) == [deep_page]


def test_a_folder_is_looked_into_once_for_each_part_of_a_pattern(tmp_path, monkeypatch):
    depth, looked = 30, []
    page = tmp_path.joinpath(*["a"] * depth, "page.txt")
    page.parent.mkdir(parents=True)
    page.touch()
    scandir = os.scandir

    def counted(path: Path) -> Any:
        looked.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert uris(find(tmp_path / "**/a/**/a/**/*")) == [f"{'a/' * depth}page.txt"]
    assert len(looked) <= 7 * (depth + 1)


def test_a_pattern_in_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder / "2025")
    assert uris(find("*/d.txt")) == ["june/d.txt", "may/d.txt"]


def test_a_name_with_wildcards_in_it_is_a_name(tmp_path):
    (tmp_path / "a[1].txt").touch()
    (tmp_path / "a1.txt").touch()
    assert uris(find(tmp_path / "a[1].txt")) == ["a[1].txt"]


def test_what_is_not_there_is_named_as_given(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("nowhere").symlink_to(folder / "disk" / "pages")
    found = find("missing.txt", "none/*.txt", "a.txt/b.txt", "2025/may", "d.txt", "nowhere", "a\0b*")
    assert uris(found) == ["d.txt"]
    assert {uri: refusal.rule for uri, refusal in found.refused.items()} == {
        "missing.txt": "not_found",
        "none/*.txt": "not_found",
        "a.txt/b.txt": "not_found",
        "a%00b*": "not_found",
        "nowhere": "not_found",  # as a disk that is not mounted, behind a link
        "./d.txt": "not_found",  # not the one of 2025/may
    }


@pytest.mark.parametrize("source", [".", "2025", "2025/may", "*", "**/*.txt", "2025/may/*", "2025/m*/d.txt"])
def test_a_folder_that_cannot_be_listed_is_no_empty_one(folder, monkeypatch, source):
    listing = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "may":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return listing(path)

    find(folder / source).check_listed()
    monkeypatch.setattr("os.scandir", scandir)
    found = find(folder / source)
    with pytest.raises(CopydeskError, match=r"2025/may cannot be looked into: Stale file handle; nothing was released"):
        found.check_listed()
    # Nor does it count as a single document that was turned away.
    assert {refusal.rule for refusal in found.refused.values()} <= {"not_found"}


def test_a_place_that_may_not_be_looked_at_is_no_missing_one():
    with pytest.raises(CopydeskError, match="xxx cannot be looked into: File name too long"):
        find("x" * 300).check_listed()


def test_a_folder_that_goes_while_files_are_looked_for_may_have_been_moved(folder, monkeypatch):
    listing = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "may":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return listing(path)

    monkeypatch.setattr("os.scandir", scandir)
    for source in ("", "2025/may", "2025/*"):
        with pytest.raises(ChangedError, match="2025/may has gone while files were looked for; run again"):
            find(folder / source)


@pytest.mark.parametrize("pattern", ["", "*", "**/*", "**/*.*"])
def test_releases_are_not_read_again(tmp_path, pattern):
    inbox = tmp_path / "inbox"
    for name in ("out/1.0.0/a.txt", "pages/out/b.txt", "releases/1.0.0/c.parquet", "releases/.state/d.txt"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).touch()
    assert "releases/1.0.0/c.parquet" in uris(find(inbox))
    (tmp_path / "linked").symlink_to(inbox)
    for seen in (inbox, tmp_path / "linked"):
        for apart in (inbox / "releases", tmp_path / "linked" / "releases"):
            assert uris(find(seen / pattern, apart=apart)) == ["out/1.0.0/a.txt", "pages/out/b.txt"]


def test_releases_are_no_source(tmp_path, monkeypatch):
    (tmp_path / "out" / "1.0.0").mkdir(parents=True)
    (tmp_path / "out" / "a.txt").touch()
    (tmp_path / "linked").symlink_to(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    for source in (
        "out",
        "out/a.txt",
        "out/none.txt",
        "out/1.0.0",
        "out/*.txt",
        "out/1.*/**",
        "linked",
        "linked/a.txt",
    ):
        with pytest.raises(UsageError, match=r"cannot be a SOURCE: it lies in .*/out,"):
            find(source, apart=Path("out"))
    assert uris(find("out*", apart=Path("out/1.0.0"))) == ["out/a.txt"]


def test_an_empty_folder_holds_nothing(tmp_path):
    found = find(tmp_path)
    assert (found.files, found.refused, found.skipped) == (set(), {}, {})


@pytest.mark.parametrize("source", ["", "  "])
def test_no_name_is_wrong_usage(source):
    with pytest.raises(UsageError, match="SOURCE is empty"):
        find(source)


def test_names_are_made_printable(tmp_path):
    for name in (b"new\nline.txt", b"\x1b[31mred.txt", b"bad\xff.txt", "中国 50%\u202e.txt".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert uris(find(tmp_path)) == [
        "%1B[31mred.txt",
        "bad%FF.txt",
        "new%0Aline.txt",
        "中国 50%%E2%80%AE.txt",
    ]


@given(st.text() | st.binary().map(os.fsdecode))
def test_printable_names_are_one_line_of_valid_text(name):
    shown = printable(name)
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert printable(shown) == shown


def test_one_line():
    assert one_line(" a b ", 3) == "a b"
    assert one_line("abcd", 3) is None
    assert one_line(" ", 3) is None
    assert one_line("a\nb", 3) is None


def test_whether_there_may_be_much_is_told_without_reading(tmp_path):
    small, large, empty, deep, many = (tmp_path / name for name in ("small", "large.jsonl", "empty", "deep", "many"))
    for folder in (small, empty, deep / "below", many):
        folder.mkdir(parents=True)
    (small / "page.txt").write_text("Fewer bytes than asked for.")
    large.write_bytes(b"x" * 200_000)
    for number in range(101):
        (many / f"{number}.txt").touch()

    def may(*sources: Path | str) -> bool:
        return may_hold([str(source) for source in sources], 200_000)

    assert not may(small)
    assert not may(small / "page.txt")
    assert not may(empty, small)
    assert may(large)
    assert may(small, large)
    # Nobody knows yet.
    assert may("s3://bucket/pages")
    assert may(tmp_path / "*.jsonl")
    assert may(deep)
    assert may(many)
    # It is told where it is read.
    assert not may(tmp_path / "gone")
    assert not may("a\0b")
