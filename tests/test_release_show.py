"""What a person reads in a terminal, from a release and at the end of a build."""

import ast
import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from flows.errors import CopydeskError
from flows.release.next_steps import DEPENDENT, FAULT, REPAIRS, next_step
from flows.release.release import BuildInfo, Released
from flows.release.show import show, summary
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import LEDE, PAGES, Tables, changed, frame, release, tables_of, two_stories

COUNTS = {"read": 3, "released": 2, "rejected": 1, "taken_down": 0, "skipped": 1}
HOSTILE = "\x1b]0;owned\x07[red]Ferries[/red] \u202etxet\u2066\r\x9b2J"
REJECT = {
    "reject_id": "0" * 16,
    "stage": "ingest",
    "rule": "not_utf8",
    "uri": "bad.txt",
    "record": 3,
    "detail": "Byte 7 is no UTF-8: save the page as UTF-8.",
}


def printed(tables: Tables, what: str, folder: Path, width: int = 80) -> str:
    return shown(release(tables, folder, Settings(), BuildInfo([], COUNTS)).path, what, width)


def shown(path: Path, what: str, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(path, what, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def end_of_build(tables: Tables, result: Released) -> str:
    console = Console(file=io.StringIO(), width=80)
    summary({name: rows.lazy() for name, rows in tables.items()}, COUNTS, result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_overlaps_stand_side_by_side(tmp_path: Path):
    text = printed(two_stories(), "overlaps", tmp_path, width=200)
    (line,) = [line for line in text.splitlines() if LEDE in line]
    assert line.index(LEDE) < line.index(PAGES["evening.txt"][2][1])
    assert "earlier: Ferries stop at noon" in text
    assert "paraphrase, score 0.60, by made_up" in text
    assert text.endswith("1 overlap\n")
    assert all(len(line) <= 80 for line in shown(tmp_path / "1.0.0", "overlaps").splitlines())


def test_of_many_overlaps_the_first_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tables = two_stories()
    one = tables["overlaps"]
    turned = {name: f"{'b' if name[0] == 'a' else 'a'}{name[1:]}" for name in one.columns if name[:2] in ("a_", "b_")}
    both = pl.concat([one, one.rename(turned).select(one.columns)]).sort(TABLES["overlaps"].order)
    path = release(tables | {"overlaps": both}, tmp_path, Settings(), BuildInfo([], COUNTS)).path
    assert shown(path, "overlaps", 200).endswith("2 overlaps\n")
    monkeypatch.setattr("flows.release.show.SHOWN_ROWS", 1)
    text = shown(path, "overlaps", 200)
    assert text.count("score") == 1
    assert text.endswith("1 of 2 overlaps; the files in data/overlaps/ hold the rest.\n")


def test_rejects_say_where_and_what_to_do(tmp_path: Path):
    text = printed(two_stories() | {"rejects": frame("rejects", [REJECT])}, "rejects", tmp_path)
    assert text.startswith("not_utf8 (ingest): 1 reject\n  next: Write the line again as UTF-8.\n")
    assert "\n  bad.txt, record 3\n    Byte 7 is no UTF-8: save the page as UTF-8.\n1 reject. Then run" in text


def test_many_rejects_are_grouped_by_rule_the_most_frequent_first(tmp_path: Path):
    rows = [
        REJECT | {"reject_id": f"{number:016x}", "rule": "empty" if number % 5 else "no_such_rule", "record": number}
        for number in range(60)
    ]
    rows[1] |= {"stage": "validate", "rule": "depends_on_rejected", "table": "overlaps", "row_key": "a/b"}
    text = printed(two_stories() | {"rejects": frame("rejects", rows)}, "rejects", tmp_path)
    headings = [line for line in text.splitlines() if not line.startswith(" ")]
    assert headings[:3] == [
        "empty (ingest): 47 rejects",
        "no_such_rule (ingest): 12 rejects",
        "depends_on_rejected (validate): 1 reject",
    ]
    assert "  and 37 more; the files in data/rejects/ hold them\n" in text
    assert "  and 2 more; the files" in text
    assert len(text.splitlines()) < 60
    steps = re.findall(r"^  next: (.*)$", text, re.MULTILINE)
    assert steps == [next_step("ingest", "empty"), FAULT, DEPENDENT]


def test_every_rule_of_ingest_has_a_repair(root: Path):
    """Whatever rule a file or record is refused by in the code, a person is told what helps."""
    rules = set()
    for path in (root / "flows" / "ingest").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", None))
            is_refusal = name in ("Refusal", "_refuse", "_refusal")
            if isinstance(node, ast.Call) and is_refusal and isinstance(node.args[0], ast.Constant):
                rules.add(node.args[0].value)
    assert len(rules) > 10
    assert "text_column_missing" in rules
    assert rules <= set(REPAIRS)


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_can_be_read(name: str, tmp_path: Path):
    text = printed(two_stories(), name, tmp_path)
    assert "has no rows" in text if name in ("rejects", "tombstones") else "has no rows" not in text
    if name == "articles":
        assert "Ada Quill" in text
        assert "They sail again tonight." in words(text)


def test_a_long_table_ends_with_where_the_rest_is(tmp_path: Path):
    pages = {f"{number}.txt": [("body", f"Page {number}.")] for number in range(60)}
    assert words(printed(tables_of(pages), "sources", tmp_path)).endswith(
        "50 of 60 rows; the files in data/sources/ hold the rest."
    )


def test_no_page_takes_over_the_terminal(tmp_path: Path):
    tables = changed(two_stories(), "articles", pl.lit(True), title=HOSTILE, publisher=HOSTILE)
    tables = changed(tables, "sources", pl.lit(True), uri=HOSTILE, text=HOSTILE * 9)
    tables = tables | {"rejects": frame("rejects", [REJECT | {"uri": HOSTILE, "detail": HOSTILE}])}
    result = release(tables, tmp_path, Settings(), BuildInfo([], COUNTS))
    for text in (*(shown(result.path, name) for name in TABLES), end_of_build(tables, result)):
        assert not set("\x1b\x07\x9b\r\u202e\u2066") & set(text)
    assert "[red]Ferries[/red]" in shown(result.path, "articles", width=200)


def test_what_is_not_there_is_said(tmp_path: Path):
    result = release(two_stories(), tmp_path, Settings(), BuildInfo([], COUNTS))
    with pytest.raises(CopydeskError, match=r"has no table moods; it has articles, evidence, overlaps"):
        shown(result.path, "moods")
    with pytest.raises(CopydeskError, match="has no table \\.\\./articles"):
        shown(result.path, "../articles")
    with pytest.raises(CopydeskError, match="there is no such folder"):
        shown(tmp_path / "9.9.9", "articles")
    (tmp_path / "2.0.0").mkdir()
    with pytest.raises(CopydeskError, match="no whole release"):
        shown(tmp_path / "2.0.0", "articles")
    (tmp_path / "2.0.0" / "manifest.json").write_text(json.dumps([1]))
    with pytest.raises(CopydeskError, match="is not the manifest of a release"):
        shown(tmp_path / "2.0.0", "articles")


def test_the_end_of_a_build_fits_a_small_terminal(tmp_path: Path):
    tables = two_stories() | {"rejects": frame("rejects", [REJECT])}
    tables = changed(
        tables, "articles", pl.col("title") == "Ferries sail again", title=None, published_date_basis="inferred"
    )
    tables = changed(tables, "articles", pl.lit(True), publisher="The Long and Winding Harbour Gazette")
    result = release(tables, tmp_path, Settings(), BuildInfo([], COUNTS))
    text = end_of_build(tables, result)
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines if "─" in line or "txt " in line)
    for shown_words in (
        "morning.txt",
        "article",
        "2031-05-01",
        "~2031-05-02",
        "overlaps: 1",
        "1 between “Ferries stop at noon”",
        "same_series: 1 pair",
        "read 3 = released 2 + rejected 1 + taken down 0; 1 skipped",
        "rejected by rule not_utf8: 1 row",
        f"release 1.0.0: {result.path}",
    ):
        assert shown_words in text
    assert "\n At noon the" in text
    kept = sum(len(words) for role, words in PAGES["morning.txt"] if role == "body")
    whole = sum(len(words) for _, words in PAGES["morning.txt"])
    assert f"{100 * kept // whole} %" in text


def test_the_end_of_a_build_without_a_new_release_says_so(tmp_path: Path):
    build = BuildInfo([], COUNTS)
    release(two_stories(), tmp_path, Settings(), build)
    same = release(two_stories(), tmp_path, Settings(), build)
    assert "nothing changed since release 1.0.0, no new release: " in end_of_build(two_stories(), same)
    renamed = release(two_stories(), tmp_path, Settings(dataset_name="Other"), build)
    assert "no new release; README.md would read differently now: " in end_of_build(two_stories(), renamed)
    other = tables_of({"a.txt": PAGES["morning.txt"]})
    text = end_of_build(other, release(other, tmp_path, Settings(), build))
    assert "release 1.1.0 (minor change since 1.0.0): " in text
