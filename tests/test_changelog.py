"""A changelog tells every version down to the first one, and takes no orders from the names in it."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.errors import CopydeskError
from flows.release.changelog import CHANGELOG, LISTED, PREFACE, Version, changelog, first_changelog, versions_of
from flows.release.compare import Snapshot
from flows.release.diff import diff_between
from flows.settings import Settings
from tests.release_tables import PAGES, Page, Tables, changed, frame, snapshot_of, tables_of

DAY = date(2031, 5, 3)
ONE: Page = [("title", "Lamps"), ("body", "The council bought forty lamps for the pier.")]


def snapshot(version: str, tables: Tables, **settings: Any) -> Snapshot:
    fixed = changed(tables, "sources", pl.lit(True), retrieved_at=None)
    return snapshot_of(version, fixed, Settings(**settings))


def followed(old: Snapshot, new: Snapshot, previous: Path, day: date | None = DAY) -> str:
    return changelog(diff_between(old, new), day, previous)


def test_the_first_release_says_how_many_rows_it_has():
    text = first_changelog("1.0.0", DAY, {"articles": 2, "sources": 1, "rejects": 0})
    assert text.startswith(PREFACE + "\n## 1.0.0 (2031-05-03): first release\n\n1 source, 2 articles.\n")
    assert "\n| articles | 2 |\n| sources | 1 |\n| rejects | 0 |\n" in text
    assert versions_of(text) == [Version("1.0.0", "2031-05-03", "first release", "1 source, 2 articles.")]
    assert "## 1.0.0: first release\n" in first_changelog("1.0.0", None, {})


def test_a_section_names_causes_pages_and_settings(tmp_path: Path):
    old = snapshot("1.0.0", tables_of(PAGES | {"gone.txt": ONE}))
    new = snapshot("1.1.0", tables_of(PAGES | {"new.txt": [*ONE, ("body", "More.")]}), near_similarity=0.9)
    text = followed(old, new, tmp_path)
    assert "## 1.1.0 (2031-05-03): minor\n\n1 source came, 1 source went; " in text
    assert "\n| sources | source\\_added | 1 | 0 | 0 |\n" in text
    assert "\n| passages | source\\_removed | 0 | 2 | 0 |\n" in text
    assert "\nSources that came:\n\n- new.txt\n" in text
    assert "\nSources that went:\n\n- gone.txt\n" in text
    assert "\nSettings:\n\n- near\\_similarity: 0.8 → 0.9\n" in text
    assert "Sources that changed" not in text


def test_renamed_changed_and_taken_down_pages_have_headings_of_their_own(tmp_path: Path):
    pages = {"down.txt": ONE, "old.txt": PAGES["morning.txt"], "same.txt": PAGES["evening.txt"]}
    before = tables_of(pages)
    source = before["sources"].filter(uri="down.txt")["source_id"][0]
    stone = {"id": source, "table": "sources", "reason": "asked for", "date": date(2031, 6, 1), "uri": "down.txt"}
    corrected: Page = [("title", "Ferries sail again, at last"), *PAGES["evening.txt"][1:]]
    after = tables_of({"new.txt": PAGES["morning.txt"], "same.txt": corrected})
    after["tombstones"] = frame("tombstones", [stone])
    text = followed(snapshot("1.0.0", before), snapshot("1.1.0", after), tmp_path)
    assert "1 source changed, 1 source renamed, 1 new tombstone; " in text
    assert "\nSources that were renamed:\n\n- old.txt → new.txt\n" in text
    assert "\nSources that changed:\n\n- same.txt\n" in text
    assert f"\nTaken down:\n\n- down.txt \\(sources {source}\\): asked for\n" in text
    assert "Sources that went" not in text


def test_columns_that_come_and_go_are_named(tmp_path: Path):
    before = tables_of(PAGES)
    after = before | {"articles": before["articles"].drop("title").with_columns(mood=pl.lit("calm"))}
    text = followed(snapshot("1.0.0", before), snapshot("2.0.0", after), tmp_path)
    assert "## 2.0.0 (2031-05-03): major\n\nNo source changed; 2 differing rows since 1.0.0.\n" in text
    assert "- column articles.mood came\n- column articles.title went\n" in text


def test_earlier_sections_stay_as_they_are_down_to_the_first_release(tmp_path: Path):
    texts = [first_changelog("1.0.0", DAY, {"sources": 2, "articles": 2})]
    pages = dict(PAGES)
    last = snapshot("1.0.0", tables_of(pages))
    for number in range(1, 4):
        (tmp_path / CHANGELOG).write_text(texts[-1], encoding="utf-8")
        pages[f"more-{number}.txt"] = [("title", f"More {number}"), ("body", f"Line {number} of the pier's log.")]
        new = snapshot(f"1.{number}.0", tables_of(pages))
        texts.append(followed(last, new, tmp_path))
        last = new
    assert [one.version for one in versions_of(texts[-1])] == ["1.3.0", "1.2.0", "1.1.0", "1.0.0"]
    assert versions_of(texts[-1])[0].summary.startswith("1 source came; ")
    for before, after in pairwise(texts):
        assert after.startswith(PREFACE)
        assert after.endswith("\n\n" + before.removeprefix(PREFACE + "\n"))
        assert after.count("# Changelog\n") == 1


def test_a_release_without_a_changelog_is_said_to_have_none(tmp_path: Path):
    old, new = snapshot("1.4.0", tables_of(PAGES)), snapshot("1.5.0", tables_of(PAGES | {"new.txt": ONE}))
    text = followed(old, new, tmp_path, day=None)
    assert text.endswith("\n\n## 1.4.0: not recorded\n\nThis release has no changelog.\n")
    assert [(one.version, one.step) for one in versions_of(text)] == [("1.5.0", "minor"), ("1.4.0", "not recorded")]
    (tmp_path / CHANGELOG).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CopydeskError, match="cannot be read, so its history cannot be continued"):
        followed(old, new, tmp_path)


def test_long_lists_are_cut_and_say_so(tmp_path: Path):
    many = {f"{number:03}.txt": [("body", f"Line {number} of the pier's log.")] for number in range(LISTED + 5)}
    text = followed(snapshot("1.0.0", tables_of(PAGES)), snapshot("1.1.0", tables_of(PAGES | many)), tmp_path)
    assert f"{LISTED + 5} sources came; " in text
    assert sum(line.startswith("- 0") for line in text.splitlines()) == LISTED
    assert "\n- and 5 more\n" in text


def test_hostile_names_are_no_markup(tmp_path: Path):
    uri = "## 9.9.9 (2031-01-01): major\n<script>[x](http://e.example)|`\u202e\x1b.txt"
    hostile = tables_of(PAGES | {uri: ONE})
    new = snapshot("1.1.0", hostile, dataset_name="<b>bold</b>\n# Head")
    text = followed(snapshot("1.0.0", tables_of(PAGES)), new, tmp_path)
    for part in ("<script>", "](http", "\u202e", "\x1b", "<b>", "\n## 9.9.9", "\n# Head"):
        assert part not in text, part
    assert [one.version for one in versions_of(text)] == ["1.1.0", "1.0.0"]


def test_only_lines_of_our_own_become_a_summary():
    text = "## 1.0.0: minor\n\n<script>alert(1)</script>\n"
    assert versions_of(text) == [Version("1.0.0", None, "minor", "")]
