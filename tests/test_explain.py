"""Every row of a release is followed back to the bytes of a source."""

import hashlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from flows.errors import CopydeskError
from flows.release.explain import Step, as_json, explain, key_of, print_steps
from flows.release.manifest import Input
from flows.release.parquet import read_table, table_files
from flows.release.release import BuildInfo
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import (
    LEDE,
    PAGES,
    Tables,
    article_id,
    changed,
    frame,
    passage_id,
    release,
    tables_of,
    two_stories,
)

LINES = b'{"text": "made up"}\n'
HOSTILE = "\x1b]0;owned\x07[red]Ferries[/red] \u202etxet\u2066\r\x9b2J"


def reject(number: int, **values: Any) -> dict[str, Any]:
    made = {"reject_id": f"{number:016x}", "stage": "ingest", "rule": "invalid_utf8", "uri": "bad.txt"}
    return made | {"detail": "Byte 7 is not valid UTF-8: save the page as UTF-8."} | values


def whole() -> Tables:
    """Rows of every table: two stories with evidence that has a place, one of them a record; a copy; rejects."""
    tables = two_stories()
    is_title = pl.col("field") == "title"
    evidence = tables["evidence"].with_columns(
        char_start=pl.when(is_title).then(pl.lit(0, pl.UInt32)),
        char_count=pl.when(is_title).then(pl.col("value").str.len_chars()),
        rule=pl.when(pl.col("field") == "published_date").then(pl.lit("record")).otherwise("rule"),
    )
    is_evening = pl.col("uri") == "evening.txt"
    tables = changed(tables | {"evidence": evidence}, "sources", is_evening, container="pages.jsonl", record=3)
    evening = tables["sources"].filter(is_evening)["source_id"][0]
    rejects = [
        reject(1),
        reject(2, stage="validate", rule="score_isin", table="overlaps", row_key=article_id("evening.txt")),
        reject(3, stage="validate", uri="evening.txt", record=3, source_id=evening, detail="A value was withdrawn."),
        reject(4, uri="gone.txt"),
    ]
    stone = {"table": "sources", "reason": "asked for by its author", "date": date(2031, 6, 1), "uri": "bad.txt"}
    stones = [stone | {"id": "d" * 16}, stone | {"id": f"{'e' * 16}-00", "table": "articles"}]
    return tables | {"rejects": frame("rejects", rejects), "tombstones": frame("tombstones", stones)}


def built(tables: Tables, out: Path) -> Path:
    sources = tables["sources"].filter(pl.col("container").is_null())
    inputs = [Input(*row) for row in sources.select("uri", "sha256", "byte_count").iter_rows()]
    inputs += [Input("pages.jsonl", hashlib.sha256(LINES).hexdigest(), len(LINES)), Input("bad.txt", "b" * 64, 3)]
    counts = {"read": 4, "released": 2, "rejected": 2, "taken_down": 0, "skipped": 0}
    return release(tables, out, Settings(), BuildInfo(inputs, counts)).path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(whole(), tmp_path_factory.mktemp("out"))


def told(steps: list[Step], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_steps(steps, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rules(steps: list[Step], table: str) -> list[tuple[str, str, str | None]]:
    return [(step.stage, step.rule, step.text) for step in steps if step.table == table]


@pytest.mark.parametrize("name", list(TABLES))
def test_every_row_of_every_table_leads_to_bytes(path: Path, name: str):
    tables = whole()
    sources = {row["container"] or row["uri"]: row for row in tables["sources"].iter_rows(named=True)}
    assert tables[name].height
    for row in tables[name].iter_rows(named=True):
        key = key_of(name, row)
        if name == "rejects" and row["uri"] == "gone.txt":
            continue  # it could not be opened, so there are no bytes
        steps = explain(path, key)
        assert steps[0].stage == "ingest"
        assert steps[0].sha256 is not None
        assert steps[0].file in {*sources, "bad.txt"}
        assert any((step.table, step.id) == (name, key) for step in steps)
        for step in steps:
            if step.char_start is not None and step.char_count is not None:
                source = sources[str(step.file)]
                assert step.sha256 == source["sha256"]
                assert step.text == source["text"][step.char_start :][: step.char_count]


def test_a_passage_says_where_it_is_why_it_was_cut_and_what_it_repeats(path: Path):
    key = passage_id(whole(), "evening.txt", 2)
    steps = explain(path, key)
    words = PAGES["evening.txt"][2][1]
    assert [(step.stage, step.rule, step.table, step.file) for step in steps] == [
        ("ingest", "read", None, "pages.jsonl"),
        ("ingest", "record 3, decoded as utf-8", "sources", "pages.jsonl"),
        ("normalize", "article", "articles", "pages.jsonl"),
        ("normalize", "made_up:body", "passages", "pages.jsonl"),
        ("deduplicate", "repeats:paraphrase", "passages", "morning.txt"),
        ("deduplicate", "cut:repeat", "passages", "pages.jsonl"),
        ("deduplicate", "made_up:paraphrase", "overlaps", "morning.txt"),
        ("deduplicate", "made_up:paraphrase", "overlaps", "pages.jsonl"),
    ]
    assert [step.text for step in steps[3:]] == [words, LEDE, words, LEDE, words]
    assert steps[0].sha256 == hashlib.sha256(LINES).hexdigest()
    assert steps[1].sha256 == whole()["sources"].filter(uri="evening.txt")["sha256"][0]


def test_the_hash_of_a_record_is_not_taken_for_that_of_its_file(path: Path):
    text = told(explain(path, passage_id(whole(), "evening.txt", 2)), 200)
    record = whole()["sources"].filter(uri="evening.txt")["sha256"][0]
    assert f"in pages.jsonl, SHA-256 {hashlib.sha256(LINES).hexdigest()}" in text
    assert f"in pages.jsonl, SHA-256 of the record {record}" in text
    assert "of the record" not in told(explain(path, passage_id(whole(), "morning.txt", 0)), 200)


def test_a_passage_knows_the_evidence_in_it_and_the_passages_that_repeat_it(path: Path):
    title = explain(path, passage_id(whole(), "morning.txt", 0))
    assert ("normalize", "cut:title", "Ferries stop at noon") in rules(title, "passages")
    assert rules(title, "evidence") == [("normalize", "made_up", "Ferries stop at noon")]
    lede = explain(path, passage_id(whole(), "morning.txt", 2))
    later = passage_id(whole(), "evening.txt", 2)
    assert later in {step.id for step in lede if step.table == "passages"}


def test_an_article_names_all_that_hangs_on_it(path: Path):
    key = article_id("evening.txt")
    steps = explain(path, key)
    page = PAGES["evening.txt"]
    found = [step.text for step in steps if step.table == "passages" and step.rule.startswith("made_up:")]
    assert found == [words for _, words in page]
    assert ("normalize", "cut:navigation", "Home | More") in rules(steps, "passages")
    assert {rule for _, rule, _ in rules(steps, "relations")} == {"made_up:same_series", "made_up:shares_passages"}
    assert len(rules(steps, "overlaps")) == 2
    assert ("ingest", "record", "2031-05-02") in rules(steps, "evidence")
    assert [step.id for step in steps if step.table == "rejects"] == ["0000000000000002"]


def test_what_cleaning_changed_stands_beside_what_was_found(tmp_path: Path):
    tables = tables_of({"morning.txt": [("caption", "The  ferry \u200bat noon"), ("body", LEDE)]})
    key = passage_id(tables, "morning.txt", 0)
    path = built(changed(tables, "passages", pl.col("passage_id") == key, text="The ferry at noon"), tmp_path)
    found = "The  ferry \u200bat noon"
    assert rules(explain(path, key), "passages") == [
        ("normalize", "made_up:caption", found),
        ("normalize", "cleaned", "The ferry at noon"),
        ("normalize", "cut:caption", found),
    ]


def test_what_was_taken_down_is_said_with_reason_and_date(path: Path):
    steps = explain(path, "d" * 16)
    assert [(step.stage, step.rule, step.id, step.file, step.text) for step in steps] == [
        ("ingest", "read", None, "bad.txt", None),
        ("takedown", "taken down from sources on 2031-06-01", "d" * 16, "bad.txt", "asked for by its author"),
        ("takedown", "taken down from articles on 2031-06-01", f"{'e' * 16}-00", "bad.txt", "asked for by its author"),
    ]
    assert explain(path, f"{'e' * 16}-00")[1].rule == "taken down from articles on 2031-06-01"


def test_a_page_names_what_was_taken_out_of_it(tmp_path: Path):
    tables = tables_of(PAGES)
    key = tables["sources"].filter(uri="morning.txt")["source_id"][0]
    stone = {"id": f"{key}-0004", "table": "passages", "reason": "asked for", "date": date(2031, 6, 1)}
    tables = changed(tables, "sources", pl.col("uri") == "morning.txt", text=None)
    path = built(tables | {"tombstones": frame("tombstones", [stone | {"uri": "morning.txt"}])}, tmp_path)
    assert ("takedown", "taken down from passages on 2031-06-01", "asked for") in rules(
        explain(path, key), "tombstones"
    )


def test_rows_of_the_committed_release_lead_to_bytes(root: Path):
    release_path = root / "dist" / "1.0.0"
    sources = {row["source_id"]: row for row in read_table(release_path, "sources").iter_rows(named=True)}
    files = {row["uri"]: row for row in sources.values()}
    for name in TABLES:
        if not table_files(release_path, name):
            continue
        rows = read_table(release_path, name)
        for row in rows.gather_every(max(1, rows.height // 6)).iter_rows(named=True):
            steps = explain(release_path, key_of(name, row))
            assert (steps[0].stage, steps[0].sha256) == ("ingest", files[str(steps[0].file)]["sha256"])
            for step in steps:
                if step.char_start is not None and step.char_count is not None and step.rule != "cleaned":
                    assert step.text == files[str(step.file)]["text"][step.char_start :][: step.char_count]


def test_copies_and_their_canonical_article_name_each_other(tmp_path: Path):
    first, second = article_id("morning.txt"), article_id("evening.txt")
    tables = changed(tables_of(PAGES), "articles", pl.col("article_id") == second, cluster_id=first, is_canonical=False)
    path = built(tables, tmp_path)
    for key, rule, other in ((first, "copy", second), (second, "canonical_copy", first)):
        steps = explain(path, key)
        assert [step.id for step in steps if (step.stage, step.rule) == ("deduplicate", rule)] == [other]


def test_a_relation_shows_the_overlaps_that_prove_it(path: Path):
    steps = explain(path, f"{article_id('evening.txt')}/{article_id('morning.txt')}/shares_passages")
    assert [step.table for step in steps if step.stage == "deduplicate"] == ["overlaps", "overlaps", "relations"]
    assert {step.file for step in steps if step.table == "articles"} == {"morning.txt", "pages.jsonl"}


def test_a_source_names_its_rejects_and_a_reject_its_file(path: Path):
    source = whole()["sources"].filter(uri="evening.txt")["source_id"][0]
    assert [step.text for step in explain(path, source) if step.table == "rejects"] == ["A value was withdrawn."]
    kept = explain(path, "0000000000000003")
    assert [step.file for step in kept] == ["pages.jsonl"] * 3
    gone = explain(path, "0000000000000001")
    assert [(step.rule, step.file, step.sha256) for step in gone] == [
        ("read", "bad.txt", "b" * 64),
        ("invalid_utf8", "bad.txt", "b" * 64),
    ]
    (never_opened,) = explain(path, "0000000000000004")
    assert (never_opened.file, never_opened.sha256) == ("gone.txt", None)


def test_keys_of_several_parts_can_be_written_in_several_ways(path: Path):
    tables = whole()
    a, b = passage_id(tables, "morning.txt", 2), passage_id(tables, "evening.txt", 2)
    overlap = explain(path, f"{a} · {b}")
    assert explain(path, f"{a}/{b}") == explain(path, f" {b}/{a} ") == overlap
    article = article_id("morning.txt")
    digest = hashlib.sha256(b"Ferries stop at noon").hexdigest()[:16]
    title = explain(path, f"{article}/title/Ferries stop at noon")
    assert explain(path, f"{article} · title · Ferries stop at noon") == title
    assert explain(path, f"{article}/title/sha256:{digest}") == explain(path, f"{article}/title") == title
    both = explain(path, f"{article_id('evening.txt')}/{article}")
    assert len([step for step in both if step.table == "relations"]) == 2


def test_a_long_value_with_slashes_is_named_as_it_is_printed(tmp_path: Path):
    address = "https://ferry.example/" + "a/b" * 40
    path = built(tables_of(PAGES, canonical_url=address), tmp_path)
    steps = explain(path, f"{article_id('morning.txt')}/canonical_url/{address}")
    (line,) = [line for line in told(steps).splitlines() if "evidence" in line]
    printed = line.split("  evidence ")[1]
    assert address not in printed
    assert explain(path, printed) == steps


def test_what_is_withheld_is_not_made_up(tmp_path: Path):
    tables = changed(whole(), "sources", pl.lit(True), text=None)
    tables = changed(tables, "articles", pl.lit(True), text=None, unique_text=None)
    tables = changed(tables, "passages", pl.col("role") == "body", text=None)
    path = built(tables, tmp_path)
    steps = explain(path, passage_id(tables, "morning.txt", 2))
    assert [step.text for step in steps if step.char_start is not None] == [None] * len(steps)
    assert told(steps).count("(withheld)") == len(steps)
    title = explain(path, passage_id(tables, "morning.txt", 0))
    assert ("normalize", "cut:title", "Ferries stop at noon") in rules(title, "passages")


def test_json_has_the_steps_and_hides_nothing(path: Path):
    text = as_json(explain(path, article_id("evening.txt")))
    assert text.isascii()
    steps = json.loads(text)
    keys = ["stage", "rule", "table", "id", "file", "char_start", "char_count", "sha256", "text"]
    assert all(list(step) == keys for step in steps)


def test_no_page_takes_over_the_terminal(tmp_path: Path):
    tables = changed(whole(), "sources", pl.lit(True), uri=HOSTILE, container=None, record=None, text=HOSTILE * 99)
    tables = changed(tables, "evidence", pl.col("field") == "title", value=HOSTILE, rule=HOSTILE)
    path = built(tables, tmp_path)
    for key in (article_id("morning.txt"), f"{article_id('morning.txt')}/title"):
        text = told(explain(path, key))
        assert "[red]Ferries[/red]" in text
        assert not set("\x1b\x07\x9b\r\u202e\u2066") & set(text)


@pytest.mark.parametrize(
    "key", ["", "0" * 16, "no such id", "a/b", "a/b/c/d", "../articles", HOSTILE, "\ud800", "x" * 9_999]
)
def test_what_is_not_there_is_said(path: Path, key: str):
    with pytest.raises(CopydeskError, match="has no row") as caught:
        explain(path, key)
    assert len(str(caught.value)) < 600


def test_what_cannot_be_read_is_said(tmp_path: Path):
    with pytest.raises(CopydeskError, match="no such folder"):
        explain(tmp_path / "1.0.0", "0" * 16)
    with pytest.raises(CopydeskError, match="no whole release"):
        explain(tmp_path, "0" * 16)
    path = built(whole(), tmp_path)
    file = path / "data" / "passages" / "00000.parquet"
    content = file.read_bytes()
    for broken in (b"", content[:100], content[:200] + b"\0" * 50 + content[250:]):
        file.write_bytes(broken)
        with pytest.raises(CopydeskError, match=r"table passages of .* cannot be read") as caught:
            explain(path, article_id("morning.txt"))
        assert "\n" not in str(caught.value)
    (path / "manifest.json").write_text('{"tables": {}}')
    with pytest.raises(CopydeskError, match="is not the manifest of a release"):
        explain(path, "0" * 16)
