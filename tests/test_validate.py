"""What passes the gate before a release, what does not, and what goes with it."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import CopydeskError
from flows.settings import Settings
from flows.text import joined_texts
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.offsets import uncovered_positions, uncovered_sources
from flows.validate.validate import Validated, validate
from schemas.tables import TABLES
from tests.release_tables import (
    LEDE,
    PAGES,
    Tables,
    article_id,
    changed,
    frame,
    passage_id,
    tables_of,
    two_stories,
    with_texts,
)

MORNING = pl.col("source_id") == two_stories()["sources"]["source_id"][0]


def rules(result: Validated) -> set[str]:
    return set(result.rejects["rule"])


def test_a_sound_set_of_tables_passes_unchanged():
    tables = two_stories()
    result = validate(tables)
    assert result.rejects.is_empty()
    assert not result.has_lost_sources
    for name in TABLES:
        assert result.tables[name].equals(tables[name]), name


def test_a_label_runs_into_its_turn():
    text = joined_texts(tables_of(PAGES)["passages"]).filter(article_id=article_id("evening.txt"))["text"][0]
    assert text.endswith("says.\n\nHarbour master: They sail again tonight.")
    page = [("speaker_label", "Ada Quill"), ("speech", "Yes."), ("body", "She left."), ("speaker_label", "馆长：")]
    (text,) = joined_texts(tables_of({"talk.txt": page})["passages"])["text"]
    assert text == "Ada Quill: Yes.\n\nShe left.\n\n馆长："


BAD_VALUES = [
    ("articles", {"kind": "poem"}, "kind_isin"),
    ("articles", {"published_date_basis": None}, "date_basis_incomplete"),
    ("articles", {"text": "Something else."}, "text_differs"),
    ("articles", {"unique_text": None}, "unique_text_differs"),
    ("articles", {"char_count": 100_000}, "article_outside_source"),
    ("articles", {"is_canonical": False}, "cluster_canonical_differs"),
    ("articles", {"cluster_id": "00000000000000ff-00"}, "cluster_id_unknown"),
    ("sources", {"char_count": 7}, "char_count_differs"),
    ("sources", {"sha256": "0"}, "sha256_str_matches"),
]


@pytest.mark.parametrize(("table", "values", "rule"), BAD_VALUES)
def test_a_failing_row_takes_its_source_and_nothing_else(table: str, values: dict[str, Any], rule: str):
    result = validate(changed(two_stories(), table, MORNING, **values))
    assert rule in rules(result)
    assert set(result.tables["sources"]["uri"]) == {"evening.txt"}
    assert set(result.tables["articles"]["article_id"]) == {article_id("evening.txt")}
    assert set(result.tables["evidence"]["article_id"]) == {article_id("evening.txt")}
    assert result.tables["overlaps"].is_empty()
    assert result.tables["relations"].is_empty()
    assert set(result.rejects["uri"]) <= {"morning.txt", "evening.txt"}
    counts = conservation(result.tables, read=2, skipped=0)
    assert (counts.released, counts.rejected) == (1, 1)


BAD_PASSAGES = [
    ({"char_start": 60_000}, "passage_outside_source"),
    ({"char_start": 0}, "passages_overlap"),
    ({"char_count": 3}, "text_not_covered"),
    ({"ordinal": 9}, "ordinal_gap"),
    ({"role": "rights"}, "kept_without_content"),
    ({"drop_reason": "rights"}, "drop_reason_differs"),
    ({"is_kept": False}, "drop_reason_differs"),
    ({"is_kept": False, "drop_reason": "repeat"}, "repeat_of_nothing"),
    ({"repeat_kind": "near"}, "repeat_incomplete"),
    ({"article_id": "00000000000000ff-00"}, "article_id_unknown"),
    ({"repeats_passage_id": "00000000000000ff-0000", "repeat_kind": "near"}, "repeats_passage_id_unknown"),
    ({"article_id": article_id("evening.txt")}, "passage_of_other_source"),
]


@pytest.mark.parametrize(("values", "rule"), BAD_PASSAGES)
def test_a_passage_that_contradicts_its_page_takes_the_page(values: dict[str, Any], rule: str):
    tables = tables_of(PAGES)
    is_lede = pl.col("passage_id") == passage_id(tables, "morning.txt", 2)
    result = validate(changed(tables, "passages", is_lede, **values))
    assert rule in rules(result)
    assert "evening.txt" in set(result.tables["sources"]["uri"]) or "passage_of" in rule
    assert "morning.txt" not in set(result.tables["sources"]["uri"])


def test_everything_that_goes_has_a_row_and_names_what_it_fell_with():
    tables = two_stories()
    lede = passage_id(tables, "morning.txt", 2)
    result = validate(changed(tables, "passages", pl.col("passage_id") == lede, role="poem"))
    gone = sum(tables[name].height - result.tables[name].height for name in TABLES if name != "rejects")
    keys = result.rejects.select("table", "row_key").unique()
    assert keys.height == gone
    dependents = result.rejects.filter(rule="depends_on_rejected", table="passages")
    assert dependents.height == len(PAGES["morning.txt"]) - 1
    assert all(f"falls with passages {lede} (rule " in detail for detail in dependents["detail"])


def test_a_repeat_of_a_passage_that_went_is_kept_again():
    tables = two_stories()
    result = validate(changed(tables, "articles", MORNING, kind="poem"))
    assert result.has_lost_sources
    (lede,) = result.tables["passages"].filter(passage_id=passage_id(tables, "evening.txt", 2)).iter_rows(named=True)
    assert (lede["is_kept"], lede["drop_reason"], lede["repeats_passage_id"], lede["repeat_kind"]) == (
        True,
        *[None] * 3,
    )
    (article,) = result.tables["articles"].iter_rows(named=True)
    assert article["unique_text"] == article["text"]
    assert lede["text"] in article["unique_text"]


def test_a_cluster_without_its_canonical_article_is_dissolved():
    tables = two_stories()
    evening = pl.col("article_id") == article_id("evening.txt")
    tables = changed(tables, "articles", evening, cluster_id=article_id("morning.txt"), is_canonical=False)
    assert validate(tables).rejects.is_empty()
    result = validate(changed(tables, "articles", MORNING, kind="poem"))
    assert result.tables["articles"].select("cluster_id", "is_canonical").rows() == [(article_id("evening.txt"), True)]


def test_a_value_whose_evidence_fails_is_withdrawn():
    tables = tables_of(PAGES, rights_statement="All rights reserved.", rights_policy="reserved", is_ai_generated=True)
    fields = ("authors", "published_date", "rights_statement", "is_ai_generated")
    is_bad = pl.col("field").is_in(fields) & (pl.col("article_id") == article_id("morning.txt"))
    result = validate(changed(tables, "evidence", is_bad, char_start=90_000, char_count=1))
    assert result.tables["articles"].height == 2
    row = result.tables["articles"].row(by_predicate=pl.col("article_id") == article_id("morning.txt"), named=True)
    assert (row["authors"], row["published_date"], row["published_date_basis"]) == ([], None, None)
    assert (row["rights_statement"], row["rights_policy"], row["is_ai_generated"]) == (None, "unknown", None)
    assert row["title"] == "Ferries stop at noon"
    other = pl.col("article_id") == article_id("evening.txt")
    assert result.tables["articles"].filter(other).equals(tables["articles"].filter(other))
    assert conservation(result.tables, read=2, skipped=0).released == 2


def test_one_author_of_two_can_lack_evidence():
    tables = tables_of({"morning.txt": PAGES["morning.txt"]}, authors=["Ada Quill", "Ben Ink"])
    result = validate(tables | {"evidence": tables["evidence"].filter(pl.col("value") != "Ada Quill")})
    assert result.tables["articles"]["authors"].to_list() == [["Ben Ink"]]
    (row,) = result.rejects.iter_rows(named=True)
    assert (row["rule"], row["table"]) == ("value_without_evidence", "evidence")
    assert "Ada" not in str(row)


def test_evidence_for_a_value_that_the_article_does_not_have():
    tables = two_stories()
    extra = {"article_id": article_id("morning.txt"), "field": "publisher", "value": "Nobody", "basis": "stated"}
    evidence = pl.concat([tables["evidence"], frame("evidence", [extra | {"rule": "made_up"}])])
    result = validate(tables | {"evidence": evidence})
    assert rules(result) == {"evidence_without_value"}
    assert result.tables["evidence"].equals(tables["evidence"])


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"a_char_count": 5_000}, "overlap_outside_passage_a"),
        ({"b_char_start": 0}, "overlap_outside_passage_b"),
        ({"score": 1.5}, "score_less_than_or_equal_to"),
        ({"kind": "rhyme"}, "kind_isin"),
    ],
)
def test_an_overlap_that_fails_goes_with_the_relation_that_only_it_proved(values: dict[str, Any], rule: str):
    result = validate(changed(two_stories(), "overlaps", pl.lit(True), **values))
    assert rules(result) == {rule, "depends_on_rejected"}
    assert result.tables["overlaps"].is_empty()
    assert result.tables["relations"].select("kind", "overlap_count").rows() == [("same_series", 0)]
    assert result.tables["sources"].height == 2


def test_two_rows_with_one_key_both_go_and_have_ids_of_their_own():
    tables = two_stories()
    result = validate(tables | {"evidence": pl.concat([tables["evidence"], tables["evidence"].head(1)])})
    assert "key_unique" in rules(result)
    assert result.rejects["reject_id"].n_unique() == result.rejects.height
    TABLES["rejects"].model.validate(result.tables["rejects"])


def test_a_record_is_named_by_its_own_address_only_while_it_stays():
    tables = changed(
        tables_of({"https://ferry.example/1": PAGES["morning.txt"]}),
        "sources",
        pl.lit(True),
        container="a.jsonl",
        record=4,
    )
    stays = validate(tables | {"evidence": tables["evidence"].filter(pl.col("field") != "title")})
    assert stays.rejects.select("uri", "record").rows() == [("https://ferry.example/1", 4)]
    assert conservation(stays.tables, read=1, skipped=0).rejected == 0
    goes = validate(changed(tables, "articles", pl.lit(True), kind="poem"))
    assert set(goes.rejects.select("uri", "record").rows()) == {("a.jsonl", 4)}
    assert conservation(goes.tables, read=1, skipped=0).rejected == 1


def test_article_text_never_stands_in_rejects():
    secret = "A sentence that nobody may print"
    tables = tables_of({"a.txt": [("title", secret), ("body", secret)]}, rights_statement=secret)
    tables = changed(tables, "passages", pl.lit(True), role=secret, drop_reason=secret)
    tables = changed(tables, "articles", pl.lit(True), kind=secret, language=secret)
    result = validate(changed(tables, "evidence", pl.lit(True), rule="", basis=secret))
    assert result.rejects.height > 5
    assert secret not in str(result.rejects.to_dicts())


def test_a_broken_schema_is_a_fault_of_ours():
    tables = two_stories()
    with pytest.raises(CopydeskError, match="articles lacks title"):
        validate(tables | {"articles": tables["articles"].drop("title")})
    with pytest.raises(CopydeskError, match="holds char_start as Int64"):
        validate(tables | {"passages": tables["passages"].with_columns(pl.col("char_start").cast(pl.Int64))})
    with pytest.raises(CopydeskError, match="no stage wrote the table rejects"):
        validate({name: table for name, table in tables.items() if name != "rejects"})


def test_a_row_that_belongs_to_no_source_is_a_fault_of_ours():
    tables = two_stories()
    with pytest.raises(CopydeskError, match="belongs to no source"):
        validate(tables | {"sources": tables["sources"].clear()})


def test_records_that_do_not_add_up_stop_the_run():
    with pytest.raises(CopydeskError, match=r"read 3, but released 2 \+ rejected 0"):
        conservation(two_stories(), read=3, skipped=1)


def test_too_many_rejects_stop_the_run_with_the_counts():
    rejected = {
        "reject_id": "0" * 16,
        "stage": "ingest",
        "rule": "empty",
        "uri": "c.txt",
        "detail": "The file is empty.",
    }
    counts = conservation(two_stories() | {"rejects": frame("rejects", [rejected])}, read=3, skipped=0)
    with pytest.raises(CopydeskError, match="1 of 3 records were rejected"):
        check_reject_share(counts, Settings())
    check_reject_share(counts, Settings(max_reject_share=0.4))


@given(
    st.text(st.sampled_from("aé中👩\u200d \t\n\u00a0\u3000\x1c|-"), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6),
)
def test_cover_is_judged_by_code_points(text: str, pairs: list[tuple[int, int]]):
    spans = [tuple(min(end, len(text)) for end in sorted(pair)) for pair in pairs]
    begins, ends = (np.array([span[side] for span in spans], dtype=np.int64) for side in (0, 1))
    expected = [
        position
        for position, character in enumerate(text)
        if not character.isspace() and not any(begin <= position < end for begin, end in spans)
    ]
    assert uncovered_positions(text, begins, ends).tolist() == expected


def test_the_source_that_is_not_covered_is_named_among_many(monkeypatch: pytest.MonkeyPatch):
    pages = {f"{number}.txt": [("body", f"{number} 👩‍🚀"), ("body", "ü" * number)] for number in range(1, 9)}
    tables = tables_of(pages)
    cut = {passage_id(tables, "3.txt", 1), passage_id(tables, "8.txt", 0)}
    passages = tables["passages"].filter(~pl.col("passage_id").is_in(list(cut)))
    for budget in (1, 25, 1_000_000):
        monkeypatch.setattr("flows.validate.offsets.BATCH_CHARS", budget)
        sources = tables["sources"].with_row_index("row")
        failures = pl.concat(uncovered_sources(sources, passages))
        assert sources[failures["row"]]["uri"].to_list() == ["3.txt", "8.txt"]


def test_the_text_of_an_article_without_content_is_empty():
    tables = tables_of({"a.txt": [("title", "Only a title")]})
    assert tables["articles"]["text"].to_list() == [""]
    assert validate(tables).rejects.is_empty()


def with_stone(tables: Tables, name: str, key: str) -> Tables:
    stone = {"id": key, "table": name, "reason": "asked for", "date": date(2031, 6, 1), "uri": "morning.txt"}
    return tables | {"tombstones": frame("tombstones", [stone])}


def test_a_source_that_something_was_taken_out_of_is_checked_by_its_length():
    tables: Tables = changed(two_stories(), "sources", MORNING, text=None)
    tables = with_stone(tables, "passages", f"{'0' * 16}-0007")
    assert validate(tables).rejects.is_empty()
    bad = changed(tables, "passages", pl.col("text") == LEDE, char_start=9_000)
    assert "passage_outside_source" in rules(validate(bad))
    assert with_texts(tables)["articles"].equals(tables["articles"])


def test_a_text_is_missing_only_where_a_tombstone_says_why():
    tables: Tables = changed(two_stories(), "sources", MORNING, text=None)
    assert "text_missing" in rules(validate(tables))
    # That the source itself was taken down is no reason for one that is there.
    assert "text_missing" in rules(validate(with_stone(tables, "sources", "0" * 16)))
    for name in ("articles", "passages"):
        bad = changed(two_stories(), name, pl.col("text") == pl.col("text").first(), text=None)
        assert "text_missing" in rules(validate(bad))


def test_a_row_that_was_taken_down_is_not_released():
    for name, key in (("articles", "article_id"), ("sources", "source_id"), ("passages", "passage_id")):
        tables = two_stories()
        with pytest.raises(CopydeskError, match=f"its row of {name} is released"):
            validate(with_stone(tables, name, tables[name][key][0]))


def test_a_tombstone_counts_where_its_source_was_read():
    tables = with_stone(two_stories(), "sources", "0" * 16)
    assert conservation(tables, 2, 0).taken_down == 0
    assert conservation(tables, 3, 0, taken_down=1).taken_down == 1
    with pytest.raises(CopydeskError, match="do not add up"):
        conservation(tables, 3, 0)
    with pytest.raises(CopydeskError, match="2 records were taken down, but only 1 sources have a tombstone"):
        conservation(tables, 4, 0, taken_down=2)
