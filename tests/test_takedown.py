"""What is taken down is gone, with all that says the same on its page, and nothing else is."""

import datetime
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import CopydeskError, UsageError
from flows.takedown.requests import Takedown, read_takedowns, takedowns_in_force
from flows.takedown.stage import take_down_shards, warnings_of
from flows.takedown.take_down import Remains, hits, take_down
from flows.text import word_counts
from flows.validate.tombstones import tombstone_failures, withheld_failures
from flows.validate.validate import shard_failures
from schemas.tables import TABLES
from tests.release_tables import PAGES, Page, Tables, article_id, frame, hexadecimal, passage_id, tables_of, with_texts

DAY = datetime.date(2031, 6, 1)
STATED = {"reason": "asked for by its author", "date": DAY}
SENTENCES = [
    "The lighthouse keeper counted eleven grey herons on the breakwater.",
    "Nobody at the cannery remembered who had ordered the second boiler.",
    "A violin was found under the stairs of the old customs house.",
    "The mayor promised new lamps for every corner of the market.",
    "Fishermen say that the fog bell has been out of tune since March.",
    "Zwei Ingenieure maßen die Fahrrinne bei Ebbe 🛳️.",
]


def of(**target: str) -> Takedown:
    return Takedown.model_validate(target | STATED)


def whole(tables: Tables, remains: Remains) -> Tables:
    """The tables as they go on to the gate."""
    return tables | remains.tables | {"tombstones": remains.tombstones}


def source_id(tables: Tables, uri: str) -> str:
    return str(tables["sources"].row(by_predicate=pl.col("uri") == uri, named=True)["source_id"])


def stones(remains: Remains) -> set[tuple[str, str]]:
    return set(remains.tombstones.select("table", "id").iter_rows())


def uris(tables: Tables) -> list[str]:
    return sorted(tables["sources"]["uri"])


def compound() -> Tables:
    """One page with two articles, a line between them, and a title and a sentence that stand in both; another page."""
    page: Page = [
        ("title", "Herons on the breakwater"),
        ("body", SENTENCES[0]),
        ("body", SENTENCES[4]),
        ("rights", "All rights belong to the Gazette."),
        ("navigation", "Menu"),
        ("title", "A violin in the customs house"),
        ("byline", "By Ada Quill and Ben Ode"),
        ("body", SENTENCES[0]),
        ("body", SENTENCES[2]),
    ]
    tables = tables_of({"page.txt": page, "other.txt": [("body", SENTENCES[0]), ("body", SENTENCES[3])]})
    first, second = article_id("page.txt"), hexadecimal("page.txt") + "-01"
    spans = tables["passages"].filter(source_id=source_id(tables, "page.txt")).sort("ordinal")
    begin = spans["char_start"][5]
    of_page = pl.col("article_id") == first
    ordinal = pl.col("ordinal")
    part = pl.when(of_page & (ordinal >= 5)).then(pl.lit(second)).when(~of_page | (ordinal < 4)).then("article_id")
    articles = tables["articles"].with_columns(authors=pl.lit([], pl.List(pl.String)))
    one = articles.filter(of_page)
    end = one["char_count"][0]
    parts = [
        one.with_columns(char_count=pl.lit(spans["char_start"][4] - 2, pl.UInt32)),
        one.with_columns(
            article_id=pl.lit(second),
            cluster_id=pl.lit(second),
            ordinal=pl.lit(1, pl.UInt32),
            char_start=pl.lit(begin, pl.UInt32),
            char_count=pl.lit(end - begin, pl.UInt32),
            title=pl.lit(page[5][1]),
            authors=pl.lit(["Ada Quill", "Ben Ode"]),
        ),
        articles.filter(~of_page),
    ]
    rows = [
        {"article_id": first, "field": "title", "value": page[0][1], "char_start": 0, "char_count": len(page[0][1])},
        {"article_id": second, "field": "title", "value": page[5][1], "char_start": begin, "char_count": 29},
        *(
            {"article_id": second, "field": "authors", "value": name, "char_start": start, "char_count": len(name)}
            for name in ("Ada Quill", "Ben Ode")
            for start in [int(spans["char_start"][6]) + page[6][1].index(name)]
        ),
    ]
    stated = tables["evidence"].filter(pl.col("field").is_in(["publisher", "published_date"]))
    again = stated.filter(of_page).with_columns(article_id=pl.lit(second))
    made = frame("evidence", [row | {"basis": "stated", "rule": "made_up"} for row in rows])
    tables |= {
        "passages": tables["passages"].with_columns(article_id=part),
        "articles": pl.concat(parts),
        "evidence": pl.concat([stated, again, made]),
    }
    tables = with_texts(tables)
    articles = tables["articles"].with_columns(word_count=word_counts(tables["articles"]["text"]))
    return tables | {"articles": articles}


def passes(tables: Tables) -> bool:
    """Whether nothing is wrong with the tables: neither with a row, nor with a reference, nor with a missing text."""
    indexed = {name: rows.with_row_index("row") for name, rows in tables.items()}
    return pl.concat([shard_failures(indexed), *tombstone_failures(indexed), *withheld_failures(indexed)]).is_empty()


# --- what is asked for ---


def written(folder: Path, text: str) -> Path:
    file = folder / "takedowns.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_names_pages_hashes_and_rows(tmp_path: Path):
    file = written(
        tmp_path,
        f"""
        [[takedown]]
        uri = "2031/ferries.txt"
        reason = "asked for by its author"
        date = 2031-06-01
        [[takedown]]
        sha256 = "{"AB" * 32}"
        reason = "درخواست نویسنده\u200c"
        date = "2031-06-02"
        [[takedown]]
        id = "0123456789abcdef-0004"
        reason = "x"
        date = 2031-06-03
        """,
    )
    found = read_takedowns(file)
    assert [one.target for one in found] == [
        ("uri", "2031/ferries.txt"),
        ("sha256", "ab" * 32),
        ("id", "0123456789abcdef-0004"),
    ]
    assert [one.date.day for one in found] == [1, 2, 3]
    # What the manifest of a release holds is read back as the same takedowns.
    assert takedowns_in_force(None, [], [one.as_stated() for one in found]) == tuple(found)


def test_a_page_can_be_named_whatever_its_name_is(tmp_path: Path):
    names = (" a.txt", "soft\u00adhyphen", "zero\u200bwidth", "own\ue000 sign", "new \U000e0fff sign", "x" * 12_000)
    entries = "".join(f'[[takedown]]\nuri = "{name}"\nreason = "{name[:9]}"\ndate = 2031-06-01\n' for name in names)
    found = read_takedowns(written(tmp_path, entries))
    assert [one.uri for one in found] == list(names)
    assert [one.reason for one in found] == [name[:9].strip() for name in names]


ENTRY = '[[takedown]]\nuri = "a.txt"\nreason = "x"\ndate = 2031-06-01\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[takedown]]\n", "entry 1: reason: is missing"),
        ('[[takedown]]\nreason = "x"\ndate = 2031-06-01\n', "entry 1: give exactly one of uri, sha256 and id"),
        (ENTRY + 'id = "0123456789abcdef"\n', "entry 1: give exactly one of uri, sha256 and id"),
        (ENTRY.replace('"x"', '""'), "entry 1: reason: write one line of text in quotes"),
        (ENTRY.replace('"x"', '"a\\nb"'), "entry 1: reason: write one line of text in quotes"),
        (ENTRY.replace('"x"', '"\\u202e"'), "entry 1: reason: write one line of text in quotes"),
        (ENTRY.replace('"x"', "7"), "entry 1: reason: write one line of text in quotes"),
        (ENTRY.replace('"x"', f'"{"x" * 501}"'), "of at most 500 characters"),
        (ENTRY.replace("2031-06-01", "2031-02-30"), "is not valid TOML"),
        (ENTRY.replace("2031-06-01", '"2031-02-30"'), "entry 1: date: write the day like 2031-06-01"),
        (ENTRY.replace("2031-06-01", "2031-06-01T07:00:00"), "entry 1: date: write the day like 2031-06-01"),
        (ENTRY.replace('uri = "a.txt"', 'sha256 = "abc"'), "entry 1: sha256: write the 64 hexadecimal digits"),
        (ENTRY.replace('uri = "a.txt"', 'id = "../x"'), "entry 1: id: write the id of a source"),
        (ENTRY.replace("a.txt", "a\\u202etxt"), "entry 1: uri: write it in quotes on one line"),
        (ENTRY.replace("a.txt", ""), "entry 1: uri: write it in quotes on one line"),
        (ENTRY.replace("uri", "url"), "entry 1: url: unknown; there are uri, sha256, id, reason, date"),
        ("[takedown]\n" + ENTRY.partition("\n")[2], "each entry begins with [[takedown]]"),
        ("[[taken]]\n", "taken: unknown; there are takedown"),
        (ENTRY + ENTRY.replace('"x"', '"y"'), "uri a.txt has two entries; write one"),
        ("=", "is not valid TOML"),
    ],
)
def test_what_a_file_cannot_say_is_told_in_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(CopydeskError) as caught:
        takedowns_in_force(written(tmp_path, text), [], [])
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="there is no such file"):
        takedowns_in_force(tmp_path / "none.toml", [], [])
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(CopydeskError, match="byte 0 is not valid UTF-8"):
        takedowns_in_force(tmp_path / "bad.toml", [], [])
    with pytest.raises(CopydeskError, match="Is a directory"):
        takedowns_in_force(tmp_path, [], [])


def test_what_stands_beside_documents_and_cannot_be_read_ends_the_run(tmp_path: Path, monkeypatch):
    place = tmp_path / "takedowns.toml"
    place.symlink_to(tmp_path / "shared" / "takedowns.toml")
    with pytest.raises(CopydeskError, match=r"takedowns.toml: the link leads to a file that does not exist"):
        takedowns_in_force(None, [tmp_path], [])
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(CopydeskError, match=r"takedowns.toml: it is no regular file"):
        takedowns_in_force(None, [tmp_path], [])
    place.unlink()
    place.mkdir()
    with pytest.raises(CopydeskError, match=r"takedowns.toml: it is no regular file"):
        takedowns_in_force(None, [tmp_path], [])
    own = tmp_path / "own.toml"
    own.write_text(ENTRY, encoding="utf-8")
    assert len(takedowns_in_force(own, [tmp_path], [])) == 1

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(CopydeskError, match=r"takedowns.toml: Permission denied"):
        takedowns_in_force(None, [tmp_path], [])


def test_files_beside_the_documents_are_read_unless_another_is_given(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    written(tmp_path, ENTRY)
    written(tmp_path / "inner", ENTRY.replace("a.txt", "inner/b.txt"))
    (tmp_path / "own.toml").write_text(ENTRY.replace("a.txt", "c.txt"), encoding="utf-8")
    folders = [tmp_path, tmp_path / "inner", tmp_path / "gone"]
    assert [one.uri for one in takedowns_in_force(None, folders, [])] == ["a.txt", "inner/b.txt"]
    assert [one.uri for one in takedowns_in_force(tmp_path / "own.toml", folders, [])] == ["c.txt"]


def test_what_stood_in_a_release_stays_and_a_file_may_reword_it(tmp_path: Path):
    earlier = [of(uri="a.txt").as_stated(), of(uri="z.txt").as_stated()]
    found = takedowns_in_force(written(tmp_path, ENTRY), [], earlier)
    assert [(one.uri, one.reason) for one in found] == [("a.txt", "x"), ("z.txt", STATED["reason"])]
    with pytest.raises(CopydeskError, match="takedowns in the manifest of the newest release: entry 1"):
        takedowns_in_force(None, [], [{"uri": "a.txt"}])
    broken: Any = None
    with pytest.raises(CopydeskError, match="takedowns in the manifest of the newest release"):
        takedowns_in_force(None, [], broken)


# --- what goes ---


@pytest.mark.parametrize("kind", ["uri", "sha256", "id"])
def test_a_source_takes_all_that_hangs_on_it(kind: str):
    tables = tables_of(PAGES)
    row = tables["sources"].row(by_predicate=pl.col("uri") == "morning.txt", named=True)
    remains = take_down(tables, [of(**{kind: row["source_id" if kind == "id" else kind]})])
    assert uris(remains.tables) == ["evening.txt"]
    assert set(remains.tables["articles"]["article_id"]) == {article_id("evening.txt")}
    assert set(remains.tables["evidence"]["article_id"]) == {article_id("evening.txt")}
    assert set(remains.tables["passages"]["source_id"]) == {source_id(tables, "evening.txt")}
    assert stones(remains) == {("sources", row["source_id"]), ("articles", article_id("morning.txt"))}
    assert remains.tombstones.select("reason", "date", "uri").unique().row(0) == (STATED["reason"], DAY, "morning.txt")
    assert passes(whole(tables, remains))


def test_a_uri_of_a_container_takes_all_its_records():
    pages = {f"https://ferry.example/{number}": [("body", SENTENCES[number])] for number in range(4)}
    tables = tables_of(pages)
    record = pl.int_range(pl.len(), dtype=pl.UInt32)
    in_container = pl.col("uri").str.ends_with("3").not_()
    tables["sources"] = tables["sources"].with_columns(
        container=pl.when(in_container).then(pl.lit("pages.jsonl")), record=pl.when(in_container).then(record)
    )
    remains = take_down(tables, [of(uri="pages.jsonl")])
    assert uris(remains.tables) == ["https://ferry.example/3"]
    assert remains.tombstones.filter(table="sources").height == 3
    one = take_down(tables, [of(uri="https://ferry.example/1")])
    assert one.tombstones["uri"].unique().to_list() == ["https://ferry.example/1"]


def test_an_article_goes_and_its_page_stays_without_text():
    tables = compound()
    assert passes(tables)
    second = hexadecimal("page.txt") + "-01"
    remains = take_down(tables, [of(id=second)])
    left = whole(tables, remains)
    assert stones(remains) == {("articles", second)}
    texts = dict(left["sources"].select("uri", pl.col("text").is_null()).iter_rows())
    assert texts == {"page.txt": True, "other.txt": False}
    assert second not in {*left["articles"]["article_id"], *left["evidence"]["article_id"]}
    # A sentence of it that stands in the other article of the page is gone from there, too.
    first = left["articles"].row(by_predicate=pl.col("article_id") == article_id("page.txt"), named=True)
    assert first["text"] == first["unique_text"] == SENTENCES[4]
    assert first["word_count"] == len(SENTENCES[4].split())
    assert passes(left)


def test_words_of_the_same_page_go_with_what_says_them_and_those_of_others_stay():
    tables = compound()
    first, second = article_id("page.txt"), hexadecimal("page.txt") + "-01"
    asked = [of(id=passage_id(tables, "page.txt", ordinal)) for ordinal in (1, 2)]
    remains = take_down(tables, asked)
    left = whole(tables, remains)
    texts = dict(left["articles"].select("article_id", "text").iter_rows())
    # The first article had no other content. The second lost one of two sentences; the other page has its own copy.
    assert texts == {second: SENTENCES[2], article_id("other.txt"): f"{SENTENCES[0]}\n\n{SENTENCES[3]}"}
    assert stones(remains) == {*(("passages", str(one.id)) for one in asked), ("articles", first)}
    # A menu's label is no text of the article.
    assert passage_id(tables, "page.txt", 4) in set(left["passages"]["passage_id"])
    assert passes(left)


def test_what_stands_inside_an_article_goes_with_it_and_what_stands_beside_it_stays():
    tables = compound()
    inside, beside = (passage_id(tables, "page.txt", ordinal) for ordinal in (6, 4))
    is_inside = pl.col("passage_id") == inside
    tables |= {"passages": tables["passages"].with_columns(article_id=pl.when(~is_inside).then("article_id"))}
    left = take_down(tables, [of(id=hexadecimal("page.txt") + "-01")]).tables["passages"]["passage_id"]
    assert inside not in set(left)
    assert beside in set(left)


def test_a_short_passage_takes_no_other_one_along():
    tables = tables_of({"page.txt": [("body", text) for text in ("“Yes.”", SENTENCES[0], "“Yes.”", SENTENCES[1])]})
    left = take_down(tables, [of(id=passage_id(tables, "page.txt", 0))]).tables["passages"]
    assert left["ordinal"].to_list() == [1, 2, 3]


def test_metadata_read_from_a_passage_goes_with_it():
    tables = compound()
    second = hexadecimal("page.txt") + "-01"
    asked = [of(id=passage_id(tables, "page.txt", 5)), of(id=passage_id(tables, "page.txt", 6))]
    left = whole(tables, take_down(tables, asked))
    row = left["articles"].row(by_predicate=pl.col("article_id") == second, named=True)
    assert (row["title"], row["authors"], row["publisher"]) == (None, [], "Harbour Gazette")
    assert row["text"] == f"{SENTENCES[0]}\n\n{SENTENCES[2]}"
    assert set(left["evidence"].filter(article_id=second)["field"]) == {"publisher", "published_date"}
    other = left["articles"].row(by_predicate=pl.col("article_id") == article_id("page.txt"), named=True)
    assert other["title"] == "Herons on the breakwater"
    assert passes(left)


def test_a_date_loses_its_basis_and_rights_their_policy():
    tables = compound()
    first = article_id("page.txt")
    line = "All rights belong to the Gazette."
    start = tables["sources"].filter(uri="page.txt")["text"][0].index(line)
    is_first = pl.col("article_id") == first
    tables["articles"] = tables["articles"].with_columns(
        rights_statement=pl.when(is_first).then(pl.lit(line)),
        rights_policy=pl.when(is_first).then(pl.lit("reserved")).otherwise("rights_policy"),
    )
    rights = {"article_id": first, "field": "rights_statement", "value": line, "basis": "stated", "rule": "made_up"}
    tables["evidence"] = pl.concat([tables["evidence"], frame("evidence", [rights])]).with_columns(
        char_start=pl.when(is_first & pl.col("field").is_in(["rights_statement", "published_date"]))
        .then(pl.lit(start, pl.UInt32))
        .otherwise("char_start"),
        char_count=pl.when(is_first & pl.col("field").is_in(["rights_statement", "published_date"]))
        .then(pl.lit(5, pl.UInt32))
        .otherwise("char_count"),
    )
    left = whole(tables, take_down(tables, [of(id=passage_id(tables, "page.txt", 3))]))
    row = left["articles"].row(by_predicate=is_first, named=True)
    assert (row["rights_statement"], row["rights_policy"]) == (None, "unknown")
    assert (row["published_date"], row["published_date_basis"]) == (None, None)
    assert passes(left)


def test_a_source_goes_with_its_last_article_and_an_article_with_its_last_content():
    tables = tables_of(PAGES)
    remains = take_down(tables, [of(id=article_id("evening.txt"))])
    assert stones(remains) == {("articles", article_id("evening.txt")), ("sources", source_id(tables, "evening.txt"))}
    content = [of(id=passage_id(tables, "morning.txt", ordinal)) for ordinal in (2, 3)]
    remains = take_down(tables, content)
    assert {table for table, _ in stones(remains)} == {"passages", "articles", "sources"}
    assert uris(remains.tables) == ["evening.txt"]


def test_a_quote_takes_the_passage_that_holds_its_words():
    tables = compound()
    held = passage_id(tables, "page.txt", 8)
    span = tables["passages"].row(by_predicate=pl.col("passage_id") == held, named=True)
    quotes = pl.DataFrame(
        [
            {
                "quote_id": f"{held}-{name}",
                "passage_id": passage,
                "article_id": span["article_id"],
                "source_id": span["source_id"],
                "char_start": start,
                "char_count": 8,
            }
            for name, passage, start in (
                ("q0", held, span["char_start"]),
                ("q1", held, span["char_start"] + 10),
                ("q2", passage_id(tables, "page.txt", 7), span["char_start"] - 20),
            )
        ]
    )
    remains = take_down(tables | {"quotes": quotes}, [of(id=f"{held}-q0")])
    assert stones(remains) == {("quotes", f"{held}-q0"), ("passages", held)}
    assert remains.tables["quotes"]["quote_id"].to_list() == [f"{held}-q2"]
    assert held not in set(remains.tables["passages"]["passage_id"])


def test_of_two_reasons_the_earlier_is_told_and_both_are_met():
    tables = tables_of(PAGES)
    late = Takedown.model_validate({"uri": "morning.txt", "reason": "late", "date": "2032-01-01"})
    both = takedowns_in_force(None, [], [late.as_stated(), of(id=article_id("morning.txt")).as_stated()])
    remains = take_down(tables, both)
    assert remains.tombstones["reason"].to_list() == [STATED["reason"]] * 2
    assert set(hits(tables, both)["rank"]) == {0, 1}


def test_nothing_asked_for_changes_nothing():
    tables = compound()
    for asked in ([], [of(uri="none.txt"), of(id="0" * 16), of(sha256="0" * 64)]):
        remains = take_down(tables, asked)
        assert remains.tombstones.is_empty()
        assert all(remains.tables[name] is rows for name, rows in tables.items())


@st.composite
def asked_of(draw: st.DrawFn) -> tuple[Tables, list[Takedown]]:
    lines = st.tuples(
        st.sampled_from(["title", "body", "body", "speech", "caption", "navigation"]), st.sampled_from(SENTENCES)
    )
    pages = {
        f"{number}.txt": [("body", SENTENCES[number]), *draw(st.lists(lines, max_size=5))]
        for number in range(draw(st.integers(1, 4)))
    }
    tables = tables_of(pages)
    tables["articles"] = tables["articles"].with_columns(word_count=word_counts(tables["articles"]["text"]))
    names = [*(("uri", uri) for uri in pages), *(("id", key) for key in tables["passages"]["passage_id"])]
    names += [("id", key) for key in tables["articles"]["article_id"]]
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    return tables, [of(**{kind: value}) for kind, value in chosen]


@settings(max_examples=40)
@given(asked_of())
def test_what_is_left_holds_together_and_nothing_of_what_went(given_: tuple[Tables, list[Takedown]]):
    tables, asked = given_
    remains = take_down(tables, asked)
    left = whole(tables, remains)
    if not left["sources"].is_empty():
        assert passes(left)
    gone = tables["passages"].join(left["passages"], on="passage_id", how="anti")
    said = set(gone.select("source_id", "text").iter_rows())
    assert not said & set(left["passages"].select("source_id", "text").iter_rows())
    for source, text in said:
        for row in left["articles"].filter(source_id=source).iter_rows(named=True):
            assert text not in row["text"]
            assert text not in row["unique_text"]
    named = {one.target[1] for one in asked}
    for name, columns in (("sources", ["uri"]), ("articles", ["article_id"]), ("passages", ["passage_id"])):
        assert not named & set(left[name][columns[0]])
    # A page of which nothing was named is as it was.
    is_untouched = ~pl.col("source_id").is_in(gone["source_id"].implode())
    for name in ("sources", "passages", "articles"):
        assert left[name].filter(is_untouched).equals(tables[name].filter(is_untouched))
    # Page by page it comes to the same.
    parts = [take_down(_of_source(tables, key), asked) for key in tables["sources"]["source_id"]]
    assert pl.concat([part.tombstones for part in parts]).sort("id").equals(remains.tombstones)
    for name in ("sources", "passages", "articles", "evidence"):
        joined = pl.concat([part.tables[name] for part in parts])
        assert joined.sort(TABLES[name].key).equals(left[name].sort(TABLES[name].key))


def _of_source(tables: Tables, key: str) -> Tables:
    own = {name: tables[name].filter(source_id=key) for name in ("sources", "passages", "articles")}
    return own | {"evidence": tables["evidence"].join(own["articles"], on="article_id", how="semi")}


# --- shard by shard ---


def shards_of(folder: Path, shards: Sequence[Tables]) -> list[str]:
    names = []
    for number, tables in enumerate(shards):
        names.append(f"{number:05}.parquet")
        for name in ("sources", "passages", "articles", "evidence"):
            (folder / name).mkdir(exist_ok=True)
            tables[name].write_parquet(folder / name / names[-1])
    return names


def ran(folder: Path, shards: Sequence[Tables], asked: list[Takedown], earlier: pl.DataFrame | None = None) -> Any:
    names = shards_of(folder, shards)
    found = take_down_shards(folder, names, asked, TABLES["tombstones"].empty() if earlier is None else earlier)
    return found, pl.read_parquet(folder / "tombstones.parquet"), pl.read_parquet(folder / "sources" / "*.parquet")


def test_shards_are_rewritten_where_something_is_met(tmp_path: Path):
    shards = [tables_of({uri: page}) for uri, page in PAGES.items()]
    names = shards_of(tmp_path, shards)
    before = (tmp_path / "passages" / names[1]).read_bytes()
    found, made, left = ran(tmp_path, shards, [of(uri="morning.txt"), of(uri="none.txt")])
    assert found.source_count == 1
    assert found.met == {0}
    assert made.height == 2
    assert left["uri"].to_list() == ["evening.txt"]
    assert (tmp_path / "passages" / names[1]).read_bytes() == before


def test_an_earlier_tombstone_stays_when_its_page_is_gone_and_does_not_count(tmp_path: Path):
    tables = tables_of(PAGES)
    asked = [of(uri="morning.txt")]
    earlier = take_down(tables, asked).tombstones
    found, made, _ = ran(tmp_path, [tables_of({"evening.txt": PAGES["evening.txt"]})], asked, earlier)
    assert found.source_count == 0
    assert made.equals(earlier)
    assert len(warnings_of(asked, found, {asked[0].target})) == 1


def test_a_page_with_other_bytes_is_released_again_unless_its_uri_is_taken_down(tmp_path: Path):
    tables = tables_of(PAGES)
    key = source_id(tables, "morning.txt")
    by_id = take_down(tables, [of(id=key)]).tombstones
    corrected = tables_of({"morning.txt": [*PAGES["morning.txt"], ("body", SENTENCES[1])]})
    asked = [of(id=key)]
    found, made, left = ran(tmp_path, [corrected], asked, by_id)
    # The article is there again, under the same id; of the bytes that went the tombstone stays.
    assert made["id"].to_list() == [key]
    assert left.height == 1
    (warning,) = warnings_of(asked, found, {asked[0].target})
    assert warning.startswith(f"takedown of id {key} matches nothing in this build; it stays in force. ")
    assert warning.endswith("morning.txt has other bytes now: to keep the page out, take down its uri")
    _, made, left = ran(tmp_path, [corrected], [*asked, of(uri="morning.txt")], by_id)
    assert left.is_empty()
    assert {key, source_id(corrected, "morning.txt"), article_id("morning.txt")} == set(made["id"])


def test_many_idle_takedowns_are_counted(tmp_path: Path):
    asked = [of(uri=f"{number}.txt") for number in range(50)]
    found, _, _ = ran(tmp_path, [tables_of(PAGES)], asked)
    told = warnings_of(asked, found, {one.target for one in asked})
    assert len(told) == 21
    assert told[-1] == "30 more takedowns change nothing in this build; they stay in force"
    told = warnings_of(asked, found, {one.target for one in asked[:-1]})
    assert told[-1].endswith("; not every one is held by a release, so keep them in the file")


def test_a_takedown_stays_in_force_by_itself_only_where_a_release_holds_it(tmp_path: Path):
    asked = [of(uri="none.txt"), of(uri="morning.txt")]
    found, _, _ = ran(tmp_path, [tables_of(PAGES)], asked)
    held = {one.target for one in asked}
    assert warnings_of(asked, found, held) == (
        "takedown of uri none.txt matches nothing in this build; it stays in force",
    )
    assert warnings_of(asked, found, set()) == (
        "takedown of uri none.txt matches nothing in this build; no release holds it yet, so keep it in the file",
        "takedown of uri morning.txt changes nothing in this build; no release holds it yet, so keep it in the file",
    )


def test_a_release_without_takedowns_has_an_empty_table(tmp_path: Path):
    found, made, left = ran(tmp_path, [tables_of(PAGES)], [])
    assert (found.source_count, found.met, made.height, left.height) == (0, set(), 0, 2)
    assert dict(made.schema) == TABLES["tombstones"].dtypes
