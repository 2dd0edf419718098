"""A difference between releases has the right step, counts every row, and names the right cause."""

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from flows.deduplicate.stage import deduplicate
from flows.errors import CopydeskError
from flows.release.causes import WITHOUT_EFFECT_ON_ROWS, Default
from flows.release.compare import Snapshot
from flows.release.diff import Diff, diff, diff_between, show_diff
from flows.release.manifest import Input
from flows.release.release import BuildInfo
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import Page, Tables, article_id, changed, frame, hexadecimal, release, snapshot_of, tables_of

COUNTS = {"read": 2, "released": 2, "rejected": 0, "taken_down": 0, "skipped": 0}
SENTENCES = [
    "The lighthouse keeper counted eleven grey herons on the breakwater before sunrise.",
    "Nobody at the cannery remembered who had ordered the second boiler last autumn.",
    "A violin was found under the stairs of the old customs house on Quay Street.",
    "The mayor promised new lamps for every corner between the market and the pier.",
    "Two engineers from the dredging company measured the channel at the lowest tide.",
    "Her cousin sold the bakery, kept the oven, and moved both to the other bank.",
    "The council postponed its vote on the footbridge until the surveyors return.",
    "Fishermen say that the fog bell has been out of tune since the storm of March.",
]


def page(title: str, *numbers: int) -> Page:
    return [("title", title), *(("body", SENTENCES[number]) for number in numbers), ("navigation", "Home | More")]


PAGES: dict[str, Page] = {
    "a.txt": page("Herons", 0, 1),
    "b.txt": page("Boilers", 1, 2),
    "c.txt": page("Violins", 0, 1, 2),
    "d.txt": page("Lamps", 3, 4),
}


def made(pages: Mapping[str, Page], chosen: Settings | None = None) -> Tables:
    """Released tables of pages, their repeats found by the stage that finds them."""
    tables = tables_of(dict(pages))
    # The made-up pages are numbered by their place, which is another one when a page before them goes.
    tables = changed(tables, "articles", pl.lit(True), published_date=None, published_date_basis=None, word_count=9)
    tables = changed(tables, "sources", pl.lit(True), retrieved_at=None)
    tables["evidence"] = tables["evidence"].filter(pl.col("field") != "published_date")
    found = deduplicate(tables["articles"], tables["passages"], chosen or Settings())
    return tables | {name: getattr(found, name) for name in ("articles", "passages", "overlaps", "relations")}


def inputs_of(tables: Tables) -> list[Input]:
    return [Input(*row) for row in tables["sources"].select("uri", "sha256", "byte_count").iter_rows()]


def snapshot(tables: Tables, chosen: Settings | None = None, **manifest: Any) -> Snapshot:
    return snapshot_of("1.0.0", tables, chosen or Settings(), **manifest)


def between(old: Mapping[str, Page], new: Mapping[str, Page]) -> Diff:
    return diff_between(snapshot(made(old)), snapshot(made(new)))


def causes_of(found: Diff, name: str) -> set[tuple[str, str]]:
    return set(found.tables[name].rows.select("cause", "detail").iter_rows())


def row_of(found: Diff, name: str, key: str) -> dict[str, Any]:
    return found.tables[name].rows.row(by_predicate=pl.col("key") == key, named=True)


def assert_counts_add_up(found: Diff, old: Snapshot, new: Snapshot) -> None:
    """What came and went makes the one table as large as the other, and every row has a cause."""
    for name, table in found.tables.items():
        assert old.read(name).height + table.count("added") - table.count("removed") == new.read(name).height, name
        assert table.rows.select("cause", "detail").null_count().row(0) == (0, 0), name
        assert table.rows["key"].null_count() == 0, name
    assert sum(found.causes.values()) == sum(table.rows.height for table in found.tables.values())


def test_equal_releases_do_not_differ():
    found = between(PAGES, PAGES)
    assert (found.step, found.causes, found.settings, found.code) == ("none", {}, {}, None)
    assert set(found.tables) == set(TABLES)
    assert all(table.rows.is_empty() and not table.columns for table in found.tables.values())


def test_a_page_that_comes_explains_its_own_rows_and_what_repeats_it():
    # z repeats nothing that came before, and e, which comes, is the earlier of the two that share a sentence.
    old = {"b.txt": page("Boilers", 1, 2), "z.txt": page("Bells", 7, 3), "d.txt": page("Lamps", 4, 5)}
    order = sorted([*old, "new.txt"], key=hexadecimal)
    found = between(old, old | {"new.txt": page("New", 7, 6)})
    assert found.step == "minor"
    assert found.causes.keys() == {"source_added"}
    assert found.details("source_added") == ["new.txt"]
    later = "z.txt" if order.index("new.txt") < order.index("z.txt") else "new.txt"
    repeat = found.tables["passages"].rows.filter(pl.col("columns").list.contains("repeats_passage_id"))
    assert repeat.height == (1 if later == "z.txt" else 0)
    assert found.tables["overlaps"].count("added") == 1
    assert found.tables["sources"].rows.select("key", "change").row(0)[1] == "added"


def test_the_cause_of_a_row_on_another_page_is_the_page_that_went():
    old = made(PAGES)
    shared = old["passages"].drop_nulls("repeats_passage_id").filter(pl.col("role") == "body")
    assert not shared.is_empty()
    source = shared["repeats_passage_id"].str.head(16)[0]
    gone = old["sources"].row(by_predicate=pl.col("source_id") == source, named=True)["uri"]
    found = between(PAGES, {uri: one for uri, one in PAGES.items() if uri != gone})
    assert found.causes.keys() == {"source_removed"}
    assert found.details("source_removed") == [gone]
    marks = found.tables["passages"].rows.filter(change="changed")
    assert not marks.is_empty()
    assert set(marks["columns"].explode()) <= {"is_kept", "drop_reason", "repeats_passage_id", "repeat_kind"}
    assert found.tables["articles"].count("changed") > 0


def test_a_corrected_page_keeps_its_articles_and_their_passages_by_position():
    corrected = PAGES | {"d.txt": page("Lamps", 3, 5)}
    found = between(PAGES, corrected)
    assert found.step == "patch"
    assert found.causes.keys() == {"source_changed"}
    assert found.details("source_changed") == ["d.txt"]
    rows = found.tables["passages"].rows
    assert rows["change"].unique().to_list() == ["changed"]
    assert rows.height == len(PAGES["d.txt"])
    assert rows.filter(pl.col("columns").list.contains("text")).height == 1
    row = row_of(found, "articles", article_id("d.txt"))
    assert (row["change"], row["cause"], row["detail"]) == ("changed", "source_changed", "d.txt")
    assert {"source_id", "text", "unique_text", "char_count"} >= set(row["columns"])
    source = found.tables["sources"].rows.row(0, named=True)
    assert (source["change"], source["columns"][0]) == ("changed", "source_id")


def test_one_more_passage_is_a_minor_change_and_one_row():
    found = between(PAGES, PAGES | {"d.txt": page("Lamps", 3, 4, 5)})
    assert found.step == "minor"
    table = found.tables["passages"]
    assert (table.count("added"), table.count("removed")) == (1, 0)
    assert found.details("source_changed") == ["d.txt"]
    back = between(PAGES | {"d.txt": page("Lamps", 3, 4, 5)}, PAGES)
    assert back.step == "minor"
    assert back.tables["passages"].count("removed") == 1


def test_a_renamed_page_is_old_rows_gone_and_new_rows_come():
    new = {("moved/d.txt" if uri == "d.txt" else uri): one for uri, one in PAGES.items()}
    found = between(PAGES, new)
    assert found.step == "minor"
    assert found.causes.keys() == {"source_renamed"}
    assert found.details("source_renamed") == ["d.txt → moved/d.txt"]
    for name in ("sources", "articles"):
        assert (found.tables[name].count("added"), found.tables[name].count("removed")) == (1, 1)


def test_several_pages_of_the_same_bytes_are_renamed_pair_by_pair():
    one = page("Lamps", 3, 4)
    found = between({"x.txt": one, "y.txt": one}, {"p.txt": one, "q.txt": one, "r.txt": one})
    names = {"x.txt → p.txt", "y.txt → q.txt", "r.txt"}
    assert {detail for _, detail in causes_of(found, "sources")} == names
    assert {cause for cause, _ in causes_of(found, "sources")} == {"source_renamed", "source_added"}


def records(*texts: tuple[str, int]) -> Tables:
    """Records of one container that have no uri of their own."""
    tables = tables_of({f"{number}": page(title, body) for number, (title, body) in enumerate(texts)})
    uris = {"uri": "all.jsonl", "container": "all.jsonl"}
    tables = changed(tables, "sources", pl.lit(True), **uris)
    return tables | {"sources": tables["sources"].with_columns(record=pl.int_range(pl.len(), dtype=pl.UInt32))}


def test_records_without_a_uri_are_told_apart_by_their_number():
    old, new = records(("One", 0), ("Two", 1)), records(("One", 0), ("Other", 2), ("Three", 3))
    found = diff_between(snapshot(old), snapshot(new))
    assert causes_of(found, "sources") == {
        ("source_changed", "all.jsonl, record 1"),
        ("source_added", "all.jsonl, record 2"),
    }


def test_records_with_a_uri_stay_the_same_when_their_container_is_sorted():
    old = changed(made(PAGES), "sources", pl.lit(True), container="all.jsonl")
    numbered = [
        old | {"sources": old["sources"].with_columns(record=numbers.cast(pl.UInt32))}
        for numbers in (pl.int_range(pl.len()), pl.len() - 1 - pl.int_range(pl.len()))
    ]
    found = diff_between(snapshot(numbered[0]), snapshot(numbered[1]))
    assert found.step == "patch"
    assert found.tables["sources"].columns == ["record"]
    assert found.details("source_changed") == sorted(PAGES)


def rescored(tables: Tables) -> Tables:
    """As if how alike two passages are depended on other pages than theirs."""
    return changed(tables, "overlaps", pl.lit(True), score=0.5)


def test_where_nothing_points_to_a_page_the_nearest_one_that_changed_explains_it():
    pages = {"a.txt": page("Herons", 0), "b.txt": page("Boilers", 0), "c.txt": page("Lamps", 3)}
    more = {"far.txt": page("Bells", 7), "same outlet.txt": page("Fog", 6)}
    is_elsewhere = pl.col("article_id").is_in([article_id("c.txt"), article_id("far.txt")])
    old, new = (
        changed(made(chosen), "articles", is_elsewhere, publisher="Elsewhere") for chosen in (pages, pages | more)
    )
    found = diff_between(snapshot(old), snapshot(rescored(new)))
    assert found.tables["overlaps"].count("changed") == 1
    assert causes_of(found, "overlaps") == {("source_added", "same outlet.txt")}


def test_where_no_page_is_near_all_that_changed_are_named():
    pages = {"a.txt": page("Herons", 0), "b.txt": page("Boilers", 0)}
    more = {f"{number}.txt": page(f"Page {number}", number) for number in range(2, 7)}
    old, new = made(pages), rescored(made(pages | more))
    for uri in more:
        new = changed(new, "articles", pl.col("article_id") == article_id(uri), publisher=uri)
    found = diff_between(snapshot(old), snapshot(new))
    assert causes_of(found, "overlaps") == {("source_added", "2.txt, 3.txt, 4.txt and 2 more")}


def test_what_nothing_explains_is_put_down_to_the_code():
    found = diff_between(snapshot(made(PAGES)), snapshot(rescored(made(PAGES))))
    assert found.causes.keys() == {"code"}
    assert found.details("code") == ["nothing in the manifests explains it"]


# --- settings and code ---


def test_settings_explain_what_no_page_does():
    chosen = Settings(min_repeat_words=100)
    old, new = snapshot(made(PAGES)), snapshot(made(PAGES, chosen), chosen)
    found = diff_between(old, new)
    assert found.step == "patch"
    assert found.causes.keys() == {"settings"}
    assert found.details("settings") == ["min_repeat_words"]
    assert found.settings == {"min_repeat_words": (Settings().min_repeat_words, 100)}
    assert_counts_add_up(found, old, new)


def test_settings_without_effect_on_rows_explain_none():
    code = {"version": "0.2.0", "sha256": "c" * 64}
    tables = changed(made(PAGES), "articles", pl.col("article_id") == article_id("a.txt"), language="de")
    renamed = Settings(dataset_name="Another name", compression_level=3)
    found = diff_between(snapshot(made(PAGES)), snapshot(tables, renamed, code=code))
    assert found.causes == {"code": 1}
    assert found.settings.keys() == {"dataset_name", "compression_level"}
    (detail,) = found.details("code")
    assert re.fullmatch(r"copydesk \S+ \([0-9a-f]{12}\) → copydesk 0\.2\.0 \(c{12}\)", detail)


def test_settings_without_effect_on_rows_exist():
    assert set(Settings.model_fields) >= WITHOUT_EFFECT_ON_ROWS


@pytest.mark.parametrize(
    ("name", "explains"),
    [
        ("parquet_memory_bytes", True),  # what does not fit is a reject
        ("deduplicate_memory_bytes", False),
        ("max_reject_share", False),
        ("short_quote_words", False),
    ],
)
def test_a_setting_explains_rows_where_it_can_change_them(name: str, explains: bool):
    assert name in Settings.model_fields
    old, new = ({"settings": {name: value}, "edition": "full"} for value in (1, 2))
    assert Default.between(old, new).settings == (name if explains else None)


def test_the_lock_is_code_too():
    tables = changed(made(PAGES), "articles", pl.col("article_id") == article_id("a.txt"), language="de")
    found = diff_between(snapshot(made(PAGES), lock_sha256="1" * 64), snapshot(tables, lock_sha256="2" * 64))
    assert (found.causes, found.details("code")) == ({"code": 1}, ["requirements.lock"])


def test_pages_explain_theirs_and_settings_the_rest():
    chosen = Settings(min_repeat_words=100)
    new = PAGES | {"d.txt": page("Lamps", 3, 5), "e.txt": page("Bells", 7, 6)}
    found = diff_between(snapshot(made(PAGES)), snapshot(made(new, chosen), chosen))
    assert found.causes.keys() == {"source_added", "source_changed", "settings"}
    assert causes_of(found, "sources") == {("source_changed", "d.txt"), ("source_added", "e.txt")}
    lost = found.tables["overlaps"].rows.filter(change="removed")
    assert not lost.is_empty()
    assert lost["cause"].unique().to_list() == ["settings"]


def test_a_page_that_a_setting_turns_away_is_the_settings_doing():
    old, chosen = made(PAGES), Settings(max_record_bytes=10)
    rest = made({uri: one for uri, one in PAGES.items() if uri != "d.txt"})
    found = diff_between(snapshot(old), snapshot(rest, chosen, inputs=snapshot(old).manifest["inputs"]))
    assert found.step == "minor"
    assert causes_of(found, "sources") == {("settings", "max_record_bytes")}
    assert causes_of(found, "passages") == {("settings", "max_record_bytes")}


def test_a_page_that_can_no_longer_be_read_has_changed():
    old = made(PAGES)
    rest = made({uri: one for uri, one in PAGES.items() if uri != "d.txt"})
    turned = {
        "reject_id": "0" * 16,
        "stage": "ingest",
        "rule": "not_utf8",
        "uri": "d.txt",
        "detail": "Byte 7 is not valid UTF-8; save the file as UTF-8.",
    }
    rest["rejects"] = pl.DataFrame([turned], schema=TABLES["rejects"].dtypes)
    inputs = [one | {"sha256": "9" * 64} if one["uri"] == "d.txt" else one for one in snapshot(old).manifest["inputs"]]
    found = diff_between(snapshot(old), snapshot(rest, inputs=inputs))
    assert causes_of(found, "sources") == causes_of(found, "rejects") == {("source_changed", "d.txt")}


def test_what_is_known_of_a_page_from_outside_its_bytes_belongs_to_the_page():
    old = made(PAGES)
    old["evidence"] = old["evidence"].with_columns(rule=pl.lit("sources.toml"))
    is_d = pl.col("article_id") == article_id("d.txt")
    new = changed(old, "articles", is_d, publisher="Tide Table")
    new = changed(new, "evidence", is_d & (pl.col("field") == "publisher"), value="Tide Table")
    found = diff_between(snapshot(old), snapshot(new))
    assert found.causes == {"source_changed": 2}
    assert found.details("source_changed") == ["d.txt"]
    assert row_of(found, "articles", article_id("d.txt"))["columns"] == ["publisher"]


# --- takedowns ---


def with_tombstones(tables: Tables, *rows: tuple[str, str, str | None]) -> Tables:
    stones = [
        {"id": name, "table": table, "reason": "asked for by its author", "date": date(2031, 6, 1), "uri": uri}
        for name, table, uri in rows
    ]
    return tables | {"tombstones": frame("tombstones", stones)}


def test_a_takedown_explains_what_it_took_and_what_pointed_there():
    old = with_tombstones(made(PAGES))
    source = old["sources"].row(by_predicate=pl.col("uri") == "c.txt", named=True)["source_id"]
    rest = made({uri: one for uri, one in PAGES.items() if uri != "c.txt"})
    new = with_tombstones(rest, (source, "sources", "c.txt"), (article_id("c.txt"), "articles", "c.txt"))
    found = diff_between(snapshot(old), snapshot(new))
    assert found.step == "minor"
    assert found.causes.keys() == {"takedown"}
    assert causes_of(found, "sources") == {("takedown", f"c.txt (sources {source}): asked for by its author")}
    assert found.tables["tombstones"].count("added") == 2
    assert found.tables["passages"].count("removed") == len(PAGES["c.txt"])


def test_an_article_taken_down_leaves_a_source_without_text():
    old = with_tombstones(made(PAGES))
    gone = article_id("d.txt")
    new = with_tombstones(
        {
            name: rows.filter(pl.col("article_id").ne_missing(gone)) if "article_id" in rows.columns else rows
            for name, rows in old.items()
        },
        (gone, "articles", "d.txt"),
    )
    new = changed(new, "sources", pl.col("uri") == "d.txt", text=None)
    found = diff_between(snapshot(old), snapshot(new))
    assert found.causes.keys() == {"takedown"}
    assert found.tables["sources"].columns == ["text"]
    assert_counts_add_up(found, snapshot(old), snapshot(new))


def test_what_went_along_on_its_page_is_the_takedowns_doing_whatever_else_changed():
    """Two settings differ as well; a line outside any article was named, and one that says the same goes with it."""
    lines: Page = [*PAGES["d.txt"], ("navigation", "Home | More")]
    old = with_tombstones(made(PAGES | {"d.txt": lines}))
    source = old["sources"].row(by_predicate=pl.col("uri") == "d.txt", named=True)["source_id"]
    named, again = f"{source}-0003", f"{source}-0004"
    old = changed(old, "passages", pl.col("passage_id") == named, article_id=None)
    gone = pl.col("passage_id").is_in([named, again])
    new = with_tombstones(old | {"passages": old["passages"].filter(~gone)}, (named, "passages", "d.txt"))
    new = changed(new, "sources", pl.col("uri") == "d.txt", text=None)
    found = diff_between(snapshot(old), snapshot(new, Settings(min_repeat_words=7)))
    assert found.causes == {"takedown": 4}


# --- schemas ---


def without(tables: Tables, name: str, column: str) -> Tables:
    return tables | {name: tables[name].drop(column)}


@pytest.mark.parametrize(
    ("old", "new", "step", "columns"),
    [
        (lambda t: without(t, "articles", "word_count"), lambda t: t, "minor", ["word_count"]),
        (lambda t: t, lambda t: without(t, "articles", "word_count"), "major", ["word_count"]),
        (lambda t: t, lambda t: without(t, "articles", "article_id"), "major", ["article_id"]),
        (
            lambda t: t,
            lambda t: t | {"articles": t["articles"].with_columns(pl.col("word_count").cast(pl.String))},
            "major",
            ["word_count"],
        ),
    ],
)
def test_columns_that_come_go_or_change_are_the_codes_doing(old: Any, new: Any, step: str, columns: list[str]):
    code = {"version": "0.2.0", "sha256": "c" * 64}
    found = diff_between(
        snapshot(old(made(PAGES))), snapshot(new(made(PAGES)), Settings(near_similarity=0.9), code=code)
    )
    assert found.step == step
    assert found.causes == {"code": len(PAGES)}
    assert found.tables["articles"].columns == columns


def test_a_column_of_nulls_that_comes_changes_no_row_and_is_a_minor_change():
    tables = made(PAGES)
    wider = tables | {"articles": tables["articles"].with_columns(mood=pl.lit(None, pl.String))}
    found = diff_between(snapshot(tables), snapshot(wider))
    assert (found.step, found.causes) == ("minor", {"code": 0})
    assert found.tables["articles"].change.columns_added == ("mood",)


def test_another_unit_is_another_meaning():
    before, after = snapshot(made(PAGES)), snapshot(made(PAGES))
    after.manifest["tables"]["articles"]["units"]["char_count"] = "bytes"
    found = diff_between(before, after)
    assert found.step == "major"
    assert found.tables["articles"].change.columns_retyped == {"char_count": ("UInt32, code points", "UInt32, bytes")}


def test_tables_come_and_go():
    tables = made(PAGES)
    quote = {
        "quote_id": ["q1"],
        "article_id": [article_id("a.txt")],
        "source_id": tables["sources"].filter(uri="a.txt")["source_id"].to_list(),
        "char_start": [4],
    }
    more = tables | {"quotes": pl.DataFrame(quote)}
    came, went = diff_between(snapshot(tables), snapshot(more)), diff_between(snapshot(more), snapshot(tables))
    assert (came.step, went.step) == ("minor", "major")
    assert came.tables["quotes"].count("added") == went.tables["quotes"].count("removed") == 1
    assert came.causes.keys() == went.causes.keys() == {"code"}


def test_quotes_are_found_again_by_their_position_and_counted():
    def with_quotes(pages: Mapping[str, Page], *numbers: int) -> Tables:
        tables = made(pages)
        source = tables["sources"].filter(uri="d.txt")["source_id"][0]
        rows = [
            {"quote_id": f"{source}-q{n}", "article_id": article_id("d.txt"), "source_id": source, "char_start": n}
            for n in numbers
        ]
        return tables | {"quotes": pl.DataFrame(rows)}

    corrected = PAGES | {"d.txt": page("Lamps", 3, 5)}
    moved = diff_between(snapshot(with_quotes(PAGES, 5, 10)), snapshot(with_quotes(corrected, 5, 12)))
    assert moved.step == "patch"
    assert moved.tables["quotes"].rows["change"].to_list() == ["changed"] * 2
    assert [("char_start" in columns) for columns in moved.tables["quotes"].rows["columns"]] == [True, False]
    fewer = diff_between(snapshot(with_quotes(PAGES, 5, 10)), snapshot(with_quotes(PAGES, 5)))
    assert fewer.step == "minor"
    assert fewer.tables["quotes"].rows["change"].to_list() == ["removed"]


# --- random edits ---


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Page], dict[str, Page], dict[str, tuple[str, str]], str]:
    """Pages before and after; new or old uri → the cause of its rows, with its detail; the step."""
    numbers = st.lists(st.integers(0, len(SENTENCES) - 1), min_size=1, max_size=3, unique=True)
    old = {f"p{number}.txt": page(f"Page {number}", *draw(numbers)) for number in range(draw(st.integers(1, 5)))}
    new: dict[str, Page] = {}
    causes: dict[str, tuple[str, str]] = {}
    steps = {"none"}
    for uri, one in old.items():
        edit = draw(st.sampled_from(["keep", "keep", "remove", "reword", "grow", "rename"]))
        if edit == "keep":
            new[uri] = one
        elif edit == "reword":
            new[uri] = [("title", f"{one[0][1]}, corrected"), *one[1:]]
            causes[uri] = ("source_changed", uri)
            steps.add("patch")
        elif edit == "grow":
            new[uri] = [*one, ("body", "One more line than there was.")]
            causes[uri] = ("source_changed", uri)
            steps.add("minor")
        else:
            steps.add("minor")
            if edit == "rename":
                new[f"new-{uri}"] = one
                causes[uri] = causes[f"new-{uri}"] = ("source_renamed", f"{uri} → new-{uri}")
            else:
                causes[uri] = ("source_removed", uri)
    if draw(st.booleans()) or not new:
        new["added.txt"] = page("Added", *draw(numbers))
        causes["added.txt"] = ("source_added", "added.txt")
        steps.add("minor")
    return old, new, causes, max(steps, key=("none", "patch", "minor").index)


@settings(max_examples=12, deadline=None)
@given(edited())
def test_random_edits_have_the_right_step_and_the_right_cause(edit: Any):
    old_pages, new_pages, causes, step = edit
    old, new = snapshot(made(old_pages)), snapshot(made(new_pages))
    found = diff_between(old, new)
    assert found.step == step
    assert_counts_add_up(found, old, new)
    uri_of = {
        source: uri
        for tables in (old, new)
        for uri, source in tables.read("sources").select("uri", "source_id").iter_rows()
    }
    uri_of |= {article_id(uri): uri for uri in (*old_pages, *new_pages)}
    for name in ("sources", "articles", "passages", "evidence"):
        for row in found.tables[name].rows.iter_rows(named=True):
            key = row["key"].split("/")[0]
            uri = uri_of[key if name != "passages" else key[:16]]
            if uri in causes:
                assert (row["cause"], row["detail"]) == causes[uri], (name, row)
    known = set(causes.values())
    for name, table in found.tables.items():
        assert set(table.rows.select("cause", "detail").iter_rows()) <= known, name


@settings(max_examples=4, deadline=None)
@given(edited(), st.sampled_from([{"min_repeat_words": 100}, {"near_similarity": 1.0}, {"min_stretch_words": 4}]))
def test_random_settings_explain_only_what_no_page_does(edit: Any, values: dict[str, Any]):
    pages, _, _, _ = edit
    chosen = Settings(**values)
    old, new = snapshot(made(pages)), snapshot(made(pages, chosen), chosen)
    found = diff_between(old, new)
    assert found.step in ("none", "patch")
    assert set(found.causes) <= {"settings"}
    assert found.details("settings") in ([], [next(iter(values))])
    assert_counts_add_up(found, old, new)


@settings(max_examples=4, deadline=None)
@given(edited(), st.randoms())
def test_the_order_of_rows_and_the_direction_leave_no_trace(edit: Any, random: Any):
    both = [made(pages) for pages in edit[:2]]
    old, new = (snapshot(tables) for tables in both)
    found = diff_between(old, new).as_dict()
    shuffled = [
        snapshot(
            {name: rows.sample(fraction=1, shuffle=True, seed=random.randrange(99)) for name, rows in tables.items()}
        )
        for tables in both
    ]
    assert diff_between(*shuffled).as_dict() == found
    back = diff_between(new, old).as_dict()
    for name, table in found["tables"].items():
        other = back["tables"][name]
        assert (table["added"], table["removed"], table["changed"]) == (
            other["removed"],
            other["added"],
            other["changed"],
        )


# --- on disk, and for a person ---


def built(tables: Tables, out: Path, **values: Any) -> Path:
    return release(tables, out, Settings(**values), BuildInfo(inputs_of(tables), COUNTS)).path


def test_releases_on_disk_differ_as_their_tables_do(tmp_path: Path):
    old, new = made(PAGES), made(PAGES | {"e.txt": page("Bells", 7, 6)})
    first, second = built(old, tmp_path), built(new, tmp_path)
    found = diff(first, second)
    assert (found.old, found.new, found.step) == ("1.0.0", "1.1.0", "minor")
    of_tables = diff_between(snapshot(old), snapshot(new)).as_dict()
    assert found.as_dict() | {"old": "1.0.0", "new": "1.0.0"} == of_tables
    text = found.as_json()
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == found.as_dict()
    row = json.loads(text)["tables"]["sources"]["rows"][0]
    assert {name: row[name] for name in ("change", "columns", "cause", "detail")} == {
        "change": "added",
        "columns": [],
        "cause": "source_added",
        "detail": "e.txt",
    }
    with pytest.raises(CopydeskError, match="is no whole release"):
        diff(first, tmp_path / "9.9.9")


def shown(found: Diff) -> str:
    console = Console(width=120, record=True, highlight=False, markup=False, emoji=False, file=None)
    with console.capture() as captured:
        show_diff(found, console)
    return captured.get()


def test_a_terminal_shows_counts_causes_and_the_first_rows():
    many = {f"{number:03}.txt": page(f"Page {number}", number % 8) for number in range(60)}
    text = shown(between(PAGES, PAGES | many))
    assert text.startswith("1.0.0 → 1.0.0: minor change\n")
    assert re.search(r"sources +60 +0 +0", text)
    assert "20 of 60 rows; --json has them all" in text
    assert re.search(r"source_added: [\d,]+ rows", text)
    assert len(text.splitlines()) < 400
    assert shown(between(PAGES, PAGES)) == "1.0.0 → 1.0.0: nothing changed\n"


def test_hostile_names_steer_no_terminal():
    uri = "\x1b[31mred\u202e.txt [bold]"
    text = shown(between(PAGES, PAGES | {uri: page("Bells", 7)}))
    assert "[31mred .txt [bold]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
