"""What passes the gate before a release, what does not, and what goes with it."""

from collections import Counter
from dataclasses import dataclass
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
from flows.validate.between import NOWHERE, OverlapCounts, between_failures, clusters_of, keys_of, repeats_of
from flows.validate.codepoints import CodePoints
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.failures import no_failures
from flows.validate.offsets import end, uncovered_sources
from flows.validate.quarantine import quarantine_between, settled
from flows.validate.tombstones import tombstone_failures
from flows.validate.validate import OF_SHARD, check_shard, check_table, fallen_of
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


@dataclass(frozen=True)
class Validated:
    """What is left of all tables, and what was turned away."""

    tables: Tables
    rejects: pl.DataFrame


def between(tables: Tables) -> pl.DataFrame:
    """Failures of what tables say of each other's sources."""
    found = {name: tables[name].with_row_index("row") for name in ("articles", "passages", "overlaps", "relations")}
    clusters, repeats = clusters_of(found["articles"]), repeats_of(found["passages"])
    return between_failures(clusters, [repeats], [found["overlaps"]], found["relations"], keys_of([tables]))


def validate(tables: Tables) -> Validated:
    """Check the tables of one shard as a build does; where a source falls, nothing repeats anything any more."""
    shard = check_shard({name: tables[name] for name in OF_SHARD if name in tables}, tombstones=tables["tombstones"])
    rejects = [shard.rejects]
    kept = tables | shard.tables
    failures = between(kept) if kept["sources"].height == tables["sources"].height else no_failures()
    fallen = fallen_rows(kept, failures)
    if fallen.height:
        shard = check_shard(shard.tables, fallen, tables["tombstones"])
        rejects.append(shard.rejects)
        kept |= shard.tables
    elif failures.height:
        found = {name: kept[name].with_row_index("row") for name in ("overlaps", "relations")}
        left = quarantine_between(found, failures, keys_of([kept]), kept["sources"])
        rejects.append(left.rejects)
        kept |= left.tables
    if kept["sources"].height < tables["sources"].height:
        kept |= {name: TABLES[name].empty() for name in ("overlaps", "relations")}
    turned_away = pl.concat(rejects)
    return Validated(kept | {"rejects": pl.concat([tables["rejects"], turned_away])}, turned_away)


def fallen_rows(tables: Tables, failures: pl.DataFrame) -> pl.DataFrame:
    names = ("articles", "passages")
    return pl.concat([fallen_of(failures, tables[name].with_row_index("row"), name) for name in names])


def rules(result: Validated) -> set[str]:
    return set(result.rejects["rule"])


def test_a_sound_set_of_tables_passes_unchanged():
    tables = two_stories()
    result = validate(tables)
    assert result.rejects.is_empty()
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
    ("articles", {"cluster_id": "00000000000000ff-00", "is_canonical": False}, "cluster_id_unknown"),
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
    gone = sum(tables[name].height - result.tables[name].height for name in OF_SHARD)
    keys = result.rejects.select("table", "row_key").unique()
    assert keys.height == gone
    dependents = result.rejects.filter(rule="depends_on_rejected", table="passages")
    assert dependents.height == len(PAGES["morning.txt"]) - 1
    assert all(f"falls with passages {lede} (rule " in detail for detail in dependents["detail"])


def test_what_repeats_a_passage_that_is_not_there_falls_and_says_so():
    tables = two_stories()
    gone = "00000000000000ff-0000"
    repeats = changed(tables, "passages", pl.col("repeats_passage_id").is_not_null(), repeats_passage_id=gone)
    fallen = fallen_rows(repeats, between(repeats))
    assert fallen.select("table", "key", "rule").rows() == [
        ("passages", passage_id(tables, "evening.txt", 2), "repeats_passage_id_unknown")
    ]
    left = check_shard({name: repeats[name] for name in OF_SHARD}, fallen)
    assert left.tables["sources"]["uri"].to_list() == ["morning.txt"]
    assert set(left.rejects["uri"]) == {"evening.txt"}


def test_a_cluster_has_one_canonical_article_that_is_there():
    tables = two_stories()
    morning, evening = article_id("morning.txt"), article_id("evening.txt")
    copies = changed(tables, "articles", pl.col("article_id") == evening, cluster_id=morning, is_canonical=False)
    assert validate(copies).rejects.is_empty()
    ring = changed(copies, "articles", pl.col("article_id") == morning, cluster_id=evening, is_canonical=False)
    assert between(ring).select("table", "rule").rows() == [("articles", "cluster_without_canonical")] * 2


def test_only_the_article_that_names_a_wrong_one_falls_not_those_that_name_it():
    tables = tables_of({f"{name}.txt": PAGES["morning.txt"] for name in ("first", "second", "third")})
    first, second, third = (article_id(f"{name}.txt") for name in ("first", "second", "third"))
    for article, cluster in ((second, first), (third, first), (first, "00000000000000ff-00")):
        is_article = pl.col("article_id") == article
        tables = changed(tables, "articles", is_article, cluster_id=cluster, is_canonical=False)
    assert fallen_rows(tables, between(tables)).select("key", "rule").rows() == [(first, "cluster_id_unknown")]


def test_a_passage_is_found_by_its_id_and_nothing_else_is():
    tables = tables_of({f"{number}.txt": PAGES["morning.txt"] for number in range(9)})
    tables = {name: tables[name].sort(TABLES[name].order) for name in OF_SHARD}
    places = [tables["sources"]["source_id"][start : start + 2].implode() for start in range(0, 9, 2)]
    shards = [
        {name: rows.filter(pl.col("source_id").is_in(some)) for name, rows in tables.items() if name != "evidence"}
        for some in places
    ]
    # A passage outside any article, and one that is missing, as where something was taken down.
    passages = tables["passages"]
    shards[1]["passages"] = shards[1]["passages"][1:].with_columns(article_id=pl.lit(None, pl.String))
    left = pl.concat([shard["passages"] for shard in shards])
    # Rows that do not stand in order, and one that belongs to no source.
    strays = shards[2]["passages"][:1].with_columns(source_id=pl.lit("f" * 16))
    shards[2]["passages"] = pl.concat([strays, shards[2]["passages"].reverse()])
    keys = keys_of(shards)
    assert keys.find(left["passage_id"]).tolist() == list(range(left.height))
    assert keys.start.tolist() == left["char_start"].to_list()
    names = dict(keys.articles.select("article", "article_id").iter_rows()) | {NOWHERE: None}
    assert [names[article] for article in keys.article] == left["article_id"].to_list()
    (gone,) = set(passages["passage_id"]) - set(left["passage_id"])
    others = [gone, None, "", "0" * 16, f"{'0' * 16}-0000", f"{'f' * 16}-0000", "no id at all-0001"]
    others += [f"{left['source_id'][0]}-{ordinal}" for ordinal in ("0099", "99999999999", "-001", "")]
    assert set(keys.find(pl.Series(others, dtype=pl.String)).tolist()) == {NOWHERE}


def test_overlaps_are_counted_for_each_two_articles():
    """Batch by batch, whichever of the two comes first; with more articles than 32 bits hold the square of."""
    rng = np.random.default_rng(5)
    one, other = rng.integers(-1, 100_000, (2, 3_000))
    one[:1_000], other[:1_000] = rng.integers(90_000, 90_020, (2, 1_000))
    counts = OverlapCounts()
    for batch in range(0, 3_000, 700):
        counts.add(one[batch : batch + 700], other[batch : batch + 700])
    pairs = [tuple(sorted(pair)) for pair in zip(one.tolist(), other.tolist(), strict=True)]
    expected = Counter(pair for pair in pairs if pair[0] != NOWHERE)
    wanted = [*expected, (3, 4)]
    for first, second in ((0, 1), (1, 0)):
        found = counts.of(*(np.array([pair[side] for pair in wanted]) for side in (first, second)))
        assert found.tolist() == [*expected.values(), 0]


def test_references_hold_wherever_in_the_corpus_they_lead():
    """Indices are put together into one number for each two articles: neither of these two is the first."""
    tables = two_stories()
    before = {name: tables[name][:1].with_columns(source_id=pl.lit("0" * 16)) for name in ("sources", "passages")}
    before["articles"] = tables["articles"][:1].with_columns(source_id=pl.lit("0" * 16), article_id=pl.lit("0" * 16))
    found = {name: tables[name].with_row_index("row") for name in ("articles", "passages", "overlaps", "relations")}
    failures = between_failures(
        clusters_of(found["articles"]),
        [repeats_of(found["passages"])],
        [found["overlaps"]],
        found["relations"],
        keys_of([before, tables]),
    )
    assert failures.is_empty()


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


def test_rows_turned_away_follow_their_source_when_it_leaves():
    tables = tables_of(PAGES)
    tables["sources"] = tables["sources"].with_columns(
        container=pl.lit("box.jsonl"), record=pl.int_range(2, dtype=pl.UInt32)
    )
    broken = changed(tables, "evidence", pl.col("field") == "title", rule="")
    first = check_shard({name: broken[name] for name in OF_SHARD})
    assert set(first.rejects["uri"]) == set(PAGES)
    article, other = (first.tables["articles"].row(index, named=True) for index in range(2))
    fallen = pl.DataFrame({"table": "articles", "key": article["article_id"], "rule": "bad", "detail": "is bad"})
    second = check_shard(first.tables, fallen)
    everything = pl.concat([first.rejects, second.rejects])
    left = settled(everything, second.tables["sources"]["source_id"])
    check_table("rejects", left)
    places = left.select("source_id", "uri").unique()
    uri = tables["sources"].row(by_predicate=pl.col("source_id") == other["source_id"], named=True)["uri"]
    assert set(places.iter_rows()) == {(article["source_id"], "box.jsonl"), (other["source_id"], uri)}
    assert left.height == everything.height
    assert settled(left, second.tables["sources"]["source_id"]).equals(left)
    # Where the other one is taken down, nothing of it is left here.
    assert set(settled(left, tables["sources"]["source_id"].clear())["source_id"]) == {article["source_id"]}


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


def test_an_overlap_is_of_two_articles():
    tables = two_stories()
    sides = {f"b_{name}": pl.col(f"a_{name}") for name in ("passage_id", "source_id", "char_start", "char_count")}
    result = validate(tables | {"overlaps": tables["overlaps"].with_columns(**sides)})
    assert "overlap_within_article" in rules(result)
    assert result.tables["overlaps"].is_empty()


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
    with pytest.raises(CopydeskError, match="no stage wrote the table evidence"):
        validate({name: table for name, table in tables.items() if name != "evidence"})
    with pytest.raises(CopydeskError, match="a stage wrote a bad row"):
        check_table("rejects", frame("rejects", [{"reject_id": "x", "stage": "ingest", "rule": "empty", "uri": "a"}]))


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
    st.lists(st.text(st.sampled_from("aé中👩\u200d \t\n\u00a0\u3000\x1c|-"), max_size=30), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6),
)
def test_cover_is_judged_by_code_points(texts: list[str], pairs: list[tuple[int, int]]):
    text = "".join(texts)
    spans = [tuple(min(place, len(text)) for place in sorted(pair)) for pair in pairs]
    begins, ends = (np.array([span[side] for span in spans], dtype=np.int64) for side in (0, 1))
    expected = [
        place
        for place, character in enumerate(text)
        if not character.isspace() and not any(begin <= place < end for begin, end in spans)
    ]
    points = CodePoints(pl.Series(texts))
    assert points.uncovered(begins, ends).tolist() == expected
    owners = [number for number, one in enumerate(texts) for _ in one]
    assert points.owners(np.array(expected, dtype=np.int64)).tolist() == sorted({owners[place] for place in expected})


def test_the_source_that_is_not_covered_is_named_among_many(monkeypatch: pytest.MonkeyPatch):
    pages = {f"{number}.txt": [("body", f"{number} 👩‍🚀"), ("body", "ü" * number)] for number in range(1, 9)}
    tables = tables_of(pages)
    cut = {passage_id(tables, "3.txt", 1), passage_id(tables, "8.txt", 0)}
    sources = tables["sources"].with_row_index("row")
    passages = (
        tables["passages"]
        .filter(~pl.col("passage_id").is_in(list(cut)))
        .join(sources.select("source_id", page="row"), on="source_id")
        .select("page", "char_start", end)
        .sort("page", "char_start")
    )
    for budget in (1, 25, 1_000_000):
        monkeypatch.setattr("flows.validate.offsets.BATCH_CHARS", budget)
        failures = pl.concat(uncovered_sources(sources, passages))
        assert sorted(sources[failures["row"]]["uri"]) == ["3.txt", "8.txt"]


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
        tables = with_stone(tables, name, tables[name][key][0])
        found = pl.concat(tombstone_failures(tables | {"tombstones": tables["tombstones"].with_row_index("row")}))
        assert found.select("table", "rule").rows() == [("tombstones", "taken_down_and_released")]


def test_a_bad_tombstone_is_a_fault_of_its_stage():
    check_table("tombstones", with_stone(two_stories(), "articles", "0" * 16)["tombstones"])
    with pytest.raises(CopydeskError, match=r"table tombstones: .* a stage wrote a bad row, please report it"):
        check_table("tombstones", with_stone(two_stories(), "moods", "0" * 16)["tombstones"])


def test_a_tombstone_counts_where_its_source_was_read():
    tables = with_stone(two_stories(), "sources", "0" * 16)
    assert conservation(tables, 2, 0).taken_down == 0
    assert conservation(tables, 3, 0, taken_down=1).taken_down == 1
    with pytest.raises(CopydeskError, match="do not add up"):
        conservation(tables, 3, 0)
    with pytest.raises(CopydeskError, match="2 records were taken down, but only 1 sources have a tombstone"):
        conservation(tables, 4, 0, taken_down=2)
