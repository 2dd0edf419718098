"""What people ask of releases that they cite, through whole builds: takedowns, repairs, versions with a meaning.

The campaign of random edits is small by default; COPYDESK_EDITS=N makes N edits.
"""

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.errors import CopydeskError
from flows.release.diff import diff
from flows.release.explain import explain, key_of
from flows.release.manifest import read_manifest, write_manifest, write_sums
from flows.release.parquet import read_table
from flows.settings import Settings
from flows.verify import verify
from schemas.tables import TABLES

pytestmark = pytest.mark.prefect

STORY = """The ferry that forgot its island

By Ada Quill

November 3, 2025

For eleven days in October the ferry to Skarholm left on time, crossed an empty strait and came back without landing.

Nobody had told the captain that the pier was gone.

The island's forty residents learned of it from the timetable, which went on listing them until the first of November.
"""
OTHER = """A court finds that a lighthouse is a neighbour

The county court of Ember Bay has ruled that a lighthouse may complain about the fog horn beside it.

Judges took nine minutes to decide. Their opinion, which runs to two sentences, says that light was there first.
"""


def built(server: Any, sources: Path, out: Path, **options: Any) -> Any:
    from flows.pipeline import run_build

    parameters = {"settings": Settings(**options.pop("settings", {})).model_dump(), "columns": {}} | options
    return run_build(server, sources=[str(sources)], out=str(out), **parameters)


def tables_in(release: Path) -> dict[str, pl.DataFrame]:
    return {name: read_table(release, name) for name in TABLES}


def all_words(release: Path) -> str:
    """Every value of every table, and every file for people, as one text."""
    tables = [rows.write_json() for rows in tables_in(release).values()]
    files = [file.read_text(encoding="utf-8") for file in release.glob("*") if file.is_file()]
    return "\n".join([*tables, *files])


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "ferry.txt").write_text(STORY, encoding="utf-8")
    (folder / "lighthouse.txt").write_text(OTHER, encoding="utf-8")
    return folder


def takedown(folder: Path, **entry: str) -> None:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
    (folder / "takedowns.toml").write_text(f"[[takedown]]\n{lines}date = 2031-06-01\n", encoding="utf-8")


def test_what_is_taken_down_stays_down_and_stands_nowhere(server, pages, tmp_path):
    (pages / "copy.txt").write_text(STORY, encoding="utf-8")
    out = tmp_path / "out"
    before = tables_in(built(server, pages, out).released.path)
    canonical = before["articles"].filter("is_canonical", pl.col("title").str.contains("ferry"))["source_id"][0]
    uri, copy = sorted(["ferry.txt", "copy.txt"], key=lambda name: canonical not in _source(before, name))
    takedown(pages, uri=uri, reason="asked for <b>by</b> its author | [x](y)")
    first = built(server, pages, out)
    assert (first.released.version, first.released.step) == ("1.1.0", "minor")
    assert first.counts == {"read": 3, "released": 2, "rejected": 0, "taken_down": 1, "skipped": 0}
    path = first.released.path
    after = tables_in(path)
    # Another copy is the canonical one now, and repeats nothing.
    ferry = after["articles"].filter(pl.col("title").str.contains("ferry"))
    assert ferry.select("source_id", "is_canonical").rows() == [(_source(before, copy), True)]
    assert ferry["unique_text"].equals(ferry["text"].alias("unique_text"))
    assert after["overlaps"].is_empty()
    assert set(diff(out / "1.0.0", path).causes) == {"takedown"}
    changes = (path / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "<b>" not in changes
    assert "[x](y)" not in changes
    assert verify(path, [pages]).is_ok
    assert [step.stage for step in explain(path, canonical)] == ["ingest", "takedown", "takedown"]

    # Without the file, in a later build, with another page: it stays down.
    (pages / "takedowns.toml").unlink()
    (pages / "third.txt").write_text("A third page\n\nIt says that there is a third page.\n", encoding="utf-8")
    again = built(server, pages, out)
    assert again.counts["taken_down"] == 1
    assert uri not in set(read_table(again.released.path, "sources")["uri"])
    assert read_table(again.released.path, "tombstones").equals(after["tombstones"])

    # Nothing is left of it when the copy goes as well.
    takedown(pages, uri=copy, reason="asked for by its author")
    words = all_words(built(server, pages, out).released.path)
    for line in filter(None, STORY.split("\n\n")):
        assert line.strip() not in words


def _source(tables: dict[str, pl.DataFrame], uri: str) -> str:
    return str(tables["sources"].filter(uri=uri)["source_id"][0])


def test_a_passage_is_taken_out_of_every_text(server, pages, tmp_path):
    first = tables_in(built(server, pages, tmp_path / "out").released.path)
    line = "Nobody had told the captain that the pier was gone."
    key = first["passages"].filter(text=line)["passage_id"][0]
    takedown(pages, id=key, reason="a mistake")
    path = built(server, pages, tmp_path / "out").released.path
    assert line not in all_words(path)
    text = read_table(path, "articles").filter(pl.col("title").str.contains("ferry"))["text"][0]
    assert text.startswith("For eleven days")
    assert text.endswith("first of November.")
    assert verify(path, [pages]).is_ok
    found = diff(tmp_path / "out" / "1.0.0", path)
    assert (found.step, set(found.causes)) == ("minor", {"takedown"})
    for name, rows in tables_in(path).items():
        for row in rows.iter_rows(named=True):
            assert explain(path, key_of(name, row))[0].sha256 is not None


def test_a_takedown_that_is_wrong_or_meets_nothing_is_told(server, pages, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[takedown]]\nuri = "none.txt"\nreason = "x"\ndate = 2031-06-01\n', encoding="utf-8")
    told = built(server, pages, tmp_path / "out", takedowns=str(own))
    assert told.warnings == ("takedown of uri none.txt matches nothing in this build; it stays in force",)
    # Nothing else changes, so no release comes of the next build that could hold another one.
    own.write_text('[[takedown]]\nuri = "late.txt"\nreason = "x"\ndate = 2031-06-01\n', encoding="utf-8")
    again = built(server, pages, tmp_path / "out", takedowns=str(own))
    assert not again.released.is_new
    assert [line.split("; ")[1] for line in again.warnings] == [
        "no release holds it yet, so keep it in the file",
        "it stays in force",
    ]
    own.write_text("[[takedown]]\n", encoding="utf-8")
    with pytest.raises(CopydeskError, match=r"own\.toml: entry 1: reason: is missing"):
        built(server, pages, tmp_path / "out", takedowns=str(own))


def test_everything_can_be_taken_down(server, pages, tmp_path):
    built(server, pages, tmp_path / "out")
    entries = (f'[[takedown]]\nuri = "{name}"\nreason = "x"\ndate = 2031-06-01\n' for name in _files(pages))
    (pages / "takedowns.toml").write_text("".join(entries), encoding="utf-8")
    found = built(server, pages, tmp_path / "out")
    assert found.counts == {"read": 2, "released": 0, "rejected": 0, "taken_down": 2, "skipped": 0}
    assert verify(found.released.path).is_ok
    assert read_table(found.released.path, "articles").is_empty()


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.txt"))


def test_a_repaired_file_comes_back_and_its_reject_goes(server, pages, tmp_path):
    (pages / "broken.txt").write_bytes(b"caf\xe9 au lait")
    options = {"settings": {"max_reject_share": 0.5}}
    first = built(server, pages, tmp_path / "out", **options).released.path
    assert read_table(first, "rejects").select("uri", "rule").rows() == [("broken.txt", "invalid_utf8")]
    (pages / "broken.txt").write_text("Coffee with milk\n\nThe café serves it au lait.\n", encoding="utf-8")
    second = built(server, pages, tmp_path / "out", **options)
    assert second.counts == {"read": 3, "released": 3, "rejected": 0, "taken_down": 0, "skipped": 0}
    path = second.released.path
    assert read_table(path, "rejects").is_empty()
    assert "broken.txt" in set(read_table(path, "sources")["uri"])
    found = diff(first, path)
    assert (found.step, set(found.causes)) == ("minor", {"source_changed"})
    # All others are as they were.
    kept = read_table(path, "articles").filter(~pl.col("title").str.contains("Coffee"))
    assert kept.equals(read_table(first, "articles"))


def test_renamed_columns_are_known_to_the_release(server, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "pages.jsonl").write_text(json.dumps({"body": STORY}) + "\n", encoding="utf-8")
    path = built(server, folder, tmp_path / "out", columns={"text": "body"}).released.path
    assert read_manifest(path)["columns"] == {"text": "body"}
    assert verify(path, [folder]).is_ok
    (folder / "pages.jsonl").write_text(json.dumps({"words": OTHER, "body": STORY}) + "\n", encoding="utf-8")
    other = built(server, folder, tmp_path / "out", columns={"text": "words"}).released.path
    assert verify(other, [folder]).is_ok
    assert diff(path, other).settings == {"columns": ({"text": "body"}, {"text": "words"})}


# --- random edits ---


class Desk:
    """A folder of pages that is edited at random; each edit says what it must come to."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.settings: dict[str, Any] = {}
        self._number = 0
        folder.mkdir()
        for _ in range(4):
            self._add()

    def _sentence(self) -> str:
        """Words in an order that no other sentence has, so that no page repeats another but by intent."""
        words = ["harbour", "ferry", "lamp", "keeper", "boiler", "violin", "market", "engineer", "channel", "oven"]
        words += ["council", "bell", "storm", "heron", "surveyor", "footbridge", "cannery", "timetable", "island"]
        self._number += 1
        chosen = self.random.sample(words, 12)
        return f"In year {1700 + self._number} the {' and the '.join(chosen)} were counted again."

    def _add(self) -> str:
        name = f"page{self._number:04}.txt"
        paragraphs = [f"What happened in year {1700 + self._number}", *(self._sentence() for _ in range(4))]
        pages = self._pages()
        if pages and self.random.random() < 0.5:
            shared = self.random.choice(pages).read_text(encoding="utf-8").split("\n\n")
            paragraphs.insert(2, shared[1].strip())
        (self.folder / name).write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
        return name

    def _pages(self) -> list[Path]:
        return sorted(self.folder.glob("*.txt"))

    def add(self) -> tuple[str, str, str]:
        return "minor", "source_added", self._add()

    def remove(self) -> tuple[str, str, str]:
        page = self.random.choice(self._pages())
        page.unlink()
        return "minor", "source_removed", page.name

    def correct(self) -> tuple[str, str, str]:
        page = self.random.choice(self._pages())
        paragraphs = page.read_text(encoding="utf-8").split("\n\n")
        paragraphs[-1] = self._sentence() + "\n"
        page.write_text("\n\n".join(paragraphs), encoding="utf-8")
        return "patch", "source_changed", page.name

    def extend(self) -> tuple[str, str, str]:
        page = self.random.choice(self._pages())
        page.write_text(page.read_text(encoding="utf-8") + f"\n{self._sentence()}\n", encoding="utf-8")
        return "minor", "source_changed", page.name

    def rename(self) -> tuple[str, str, str]:
        page = self.random.choice(self._pages())
        name = f"moved{self._number}-{page.name}"
        self._number += 1
        page.rename(page.with_name(name))
        return "minor", "source_renamed", f"{page.name} → {name}"

    def take_down(self) -> tuple[str, str, str]:
        page = self.random.choice(self._pages())
        file = self.folder / "takedowns.toml"
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        entry = f'[[takedown]]\nuri = "{page.name}"\nreason = "asked for"\ndate = 2031-06-01\n'
        file.write_text(before + entry, encoding="utf-8")
        page.rename(page.with_suffix(".kept"))  # not chosen again; put back by `complete`
        return "minor", "takedown", f"{page.name} ("

    def set(self) -> tuple[str, str, str]:
        before = self.settings.get("min_repeat_words", Settings().min_repeat_words)
        self.settings["min_repeat_words"] = 99 if before < 99 else 6
        return "patch", "settings", "min_repeat_words"

    def nothing(self) -> tuple[str, str, str]:
        self.settings["listed_articles"] = self.settings.get("listed_articles", 100) + 1
        return "none", "", ""

    @contextmanager
    def complete(self) -> Iterator[None]:
        """Pages that were taken down are among the inputs all the same."""
        kept = sorted(self.folder.glob("*.kept"))
        for page in kept:
            page.rename(page.with_suffix(".txt"))
        yield
        for page in kept:
            page.with_suffix(".txt").rename(page)


def with_other_columns(path: Path, change: Any) -> None:
    """Make a release as other code would have made it: with other columns of `articles`, and its own hash."""
    (file,) = (path / "data" / "articles").glob("*.parquet")
    change(pl.read_parquet(file)).write_parquet(file)
    manifest = read_manifest(path)
    manifest["code"] = {"version": "0.0.1", "sha256": "c" * 64}
    manifest["rows_sha256"] = "0" * 64
    write_manifest(path, manifest)
    write_sums(path)


@pytest.mark.parametrize("seed", [int(os.environ.get("COPYDESK_SEED", "7"))])
def test_every_edit_has_the_right_step_and_cause_and_old_ids_stay(server, tmp_path, seed):
    desk = Desk(tmp_path / "pages", seed)
    kinds = ["add", "correct", "rename", "set", "extend", "take_down", "nothing", "remove"]
    rounds = int(os.environ.get("COPYDESK_EDITS", len(kinds)))
    out = tmp_path / "out"
    old = built(server, desk.folder, out).released.path
    for number in range(rounds):
        kind = kinds[number % len(kinds)] if number < len(kinds) else desk.random.choice(kinds)
        if len(list(desk.folder.glob("*.txt"))) < 3:
            kind = "add"
        step, cause, detail = getattr(desk, kind)()
        with desk.complete():
            found = built(server, desk.folder, out, settings=desk.settings)
        new, what = found.released.path, f"edit {number} of seed {seed}: {kind} {detail}"
        if kind == "set" and found.released.step == "none":
            continue  # no page repeats another, so that the setting changes nothing
        assert found.released.step == step, what
        if step == "none":
            assert new == old
            continue
        told = diff(old, new)
        assert (told.step, set(told.causes)) == (step, {cause}), what
        assert all(one.startswith(detail) for one in told.details(cause)), what
        before, after = read_table(old, "articles"), read_table(new, "articles")
        same = before.join(after, on="article_id", suffix="_new")
        if cause in ("source_changed", "settings", "source_added"):
            assert same.height == before.height, what
        untouched = same.filter(pl.col("source_id") == pl.col("source_id_new"))
        assert untouched.filter(pl.col("text") != pl.col("text_new")).is_empty(), what
        assert same.height - untouched.height == (cause == "source_changed"), what
        assert verify(new).is_ok, what
        old = new


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda rows: rows.drop("word_count"), "minor"),
        (lambda rows: rows.with_columns(mood=pl.lit("calm")), "major"),
        (lambda rows: rows.with_columns(pl.col("word_count").cast(pl.String)), "major"),
    ],
)
def test_columns_that_come_go_or_change_are_the_codes_doing(server, pages, tmp_path, change, step):
    old = built(server, pages, tmp_path / "out").released.path
    with_other_columns(old, change)
    found = built(server, pages, tmp_path / "out").released
    assert found.step == step
    told = diff(old, found.path)
    assert (told.step, set(told.causes)) == (step, {"code"})
    assert read_table(old, "sources").equals(read_table(found.path, "sources"))
