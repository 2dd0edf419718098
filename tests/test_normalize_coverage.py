"""Nothing of a text is lost, whatever it is, and every offset is true."""

import unicodedata

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows.characters import with_plain_lines
from flows.normalize.normalize import Normalized, normalize
from flows.text import joined_texts, passage_text
from schemas.columns import CONTENT_ROLES
from schemas.tables import TABLES
from tests.normalize_pages import NO_PROVENANCE, normalized, sources_of

# What pages hold, what breaks programs, and what our own rules look for.
PIECES = st.sampled_from(
    [
        "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1f", " ", "\t", "\xa0",
        "\u3000", "\u200b", "\u200d", "\ufeff", "\xad", "\u202e", "\x00", "\x07", "\ufdd0", "\ufdd1", "\ufffd",
        "\u0301", "👩‍🚀", "שלום", "中国的技术发展很快。", "• ", "…", "”", "“", "[A B/Reuters]", "said.The next",
        "By Ada Quill", "March 3, 2025", "© 2025 The Teal Post. All rights reserved.", "Read more:", "Q: Why?",
        "A: Because it rains.", "ANDROS: No.", "This interview has been edited for length.", "12 Views", "Menu",
        "https://teal.example/2025/03/04/goat", "First published in The Teal Post on 3 March 2025",
        "The goat that had been missing since Tuesday is back, the village said on Friday, and it is well.",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.one_of(PIECES, st.text(max_size=12)), min_size=1, max_size=25).map("".join), st.text()
).filter(bool)
# A call has fixed costs, so each example is a shard of many pages.
SHARDS = st.lists(TEXTS, min_size=1, max_size=30)
FEW_LARGE = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def assert_covered(text: str, passages: pl.DataFrame) -> None:
    """Every character but white space lies in one passage; passages are in order, apart, and hold something."""
    end = 0
    for ordinal, row in enumerate(passages.iter_rows(named=True)):
        assert row["ordinal"] == ordinal
        assert row["char_start"] >= end
        assert not text[end : row["char_start"]].strip()
        end = row["char_start"] + row["char_count"]
        assert end <= len(text)
        found = text[row["char_start"] : end]
        assert found.strip()
        assert found == found.strip()
    assert not text[end:].strip()


def assert_valid(tables: Normalized) -> None:
    for name in ("passages", "articles", "evidence"):
        TABLES[name].model.validate(getattr(tables, name))


def folded(text: str) -> str:
    """Text as a reader sees it: no invisible characters, single blanks."""
    visible = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf") or character in "\u200c\u200d"
    )
    return " ".join(visible.split())


@FEW_LARGE
@given(SHARDS)
@example(["\x1c", "a\x1fb\r\n\x1d"])
@example(["\u200b\n\ntext"])
@example(["\ufdd0By\ufdd1 Ada Quill said.The next"])
def test_any_text_is_covered_by_passages_in_order(texts: list[str]):
    sources = sources_of(texts)
    tables = normalize(sources, NO_PROVENANCE)

    assert_valid(tables)
    for source_id, text in sources.select("source_id", "text").iter_rows():
        assert_covered(text, tables.passages.filter(pl.col("source_id") == source_id))
    kept = tables.passages.filter("is_kept")
    assert set(kept["role"]) <= set(CONTENT_ROLES)
    assert kept.filter(pl.col("text").str.strip_chars() == "").is_empty()
    assert kept["article_id"].null_count() == 0
    assert tables.articles.filter(pl.col("word_count") == 0).is_empty()


@FEW_LARGE
@given(SHARDS)
@example(
    ["\ufeffGoat is found again\u200b\nBy Ada\xa0Quill\n\nThe goat that had been missing is back, they said on Friday."]
)
def test_evidence_points_at_what_it_says(texts: list[str]):
    sources = sources_of(texts)
    tables = normalize(sources, NO_PROVENANCE)

    text_of = dict(sources.select("source_id", "text").iter_rows())
    rows = tables.evidence.join(tables.articles.select("article_id", "source_id"), on="article_id")
    assert rows.height == tables.evidence.height
    for row in rows.filter(pl.col("char_start").is_not_null()).iter_rows(named=True):
        text = text_of[row["source_id"]]
        found = text[row["char_start"] :][: row["char_count"]]
        assert len(found) == row["char_count"]
        if row["field"] in ("title", "authors", "publisher", "rights_statement", "canonical_url"):
            assert folded(row["value"]) in folded(found)


BROKEN = (
    "The goat that had been missing since Tuesday is back, says the maker Z.\r\n\r\nai in a note, and the village\n\n"
    "has never seen such a thing in all its long history on the hill.\u2029”\n\n“It is back,” they said.\n”\n)"
)


@FEW_LARGE
@given(SHARDS)
@example([BROKEN, f"{BROKEN}\n", f"Goat is back\n\nBy Ada Quill\n\n{BROKEN}\n\n{BROKEN}"])
@example(["\n".join(f"{word} the goat is back in the village on the hill, said.The" for word in ("Now", "Then", "As"))])
def test_the_text_of_a_passage_follows_from_what_stands_at_its_offsets(texts: list[str]):
    sources = sources_of(texts)
    passages = normalize(sources, NO_PROVENANCE).passages

    text_of = dict(sources.select("source_id", "text").iter_rows())
    spans = passages.select("source_id", "char_start", "char_count").iter_rows()
    found = pl.DataFrame(
        {"found": [text_of[source][start:][:count] for source, start, count in spans]}, {"found": pl.String}
    )
    assert (
        found.select(passage_text(with_plain_lines(pl.col("found")))).to_series().to_list()
        == passages["text"].to_list()
    )


@FEW_LARGE
@given(SHARDS)
def test_articles_are_what_their_passages_say(texts: list[str]):
    tables = normalized(*texts)

    joined = joined_texts(tables.passages)
    assert joined.sort("article_id").rows() == tables.articles.select("article_id", "text").rows()
    inside = tables.passages.join(tables.articles.select("article_id", a="char_start", n="char_count"), on="article_id")
    assert (inside["char_start"] >= inside["a"]).all()
    assert (inside["char_start"] + inside["char_count"] <= inside["a"] + inside["n"]).all()


@FEW_LARGE
@given(SHARDS.filter(lambda texts: len(texts) > 1), st.integers(min_value=0, max_value=1000))
def test_rows_do_not_depend_on_the_other_sources(texts: list[str], seed: int):
    sources = sources_of(texts)
    together = normalize(sources, NO_PROVENANCE)
    shuffled = sources.sample(fraction=1, shuffle=True, seed=seed)
    apart = [normalize(shuffled[::2], NO_PROVENANCE), normalize(shuffled[1::2], NO_PROVENANCE)]

    for name in ("passages", "articles", "evidence"):
        key = TABLES[name].key
        found = pl.concat([getattr(tables, name) for tables in apart])
        assert found.sort(key).equals(getattr(together, name).sort(key))


def test_no_sources_give_empty_tables():
    tables = normalize(TABLES["sources"].empty(), NO_PROVENANCE)

    assert_valid(tables)
    assert tables.passages.is_empty()
    assert tables.articles.is_empty()
    assert tables.evidence.is_empty()


@pytest.mark.parametrize("text", ["Home\nSearch\nLog in\n\n12 Views", "Menu", "Home > News > Goats"])
def test_a_page_of_navigation_alone_has_passages_and_no_article(text: str):
    tables = normalized(text)

    assert set(tables.passages["role"]) == {"navigation"}
    assert tables.articles.is_empty()


@pytest.mark.parametrize("text", ["\u200b\u200e", "\u061c", "\x00", "\ufeff\xad"])
def test_what_nobody_can_see_is_no_content(text: str):
    tables = normalized(f"The goat is back, the village said on Friday, and it is well.\n\n{text}\n\nNobody knows why.")

    assert tables.passages["role"].to_list() == ["body", "other", "body"]
    assert tables.articles["text"].to_list() == [
        "The goat is back, the village said on Friday, and it is well.\n\nNobody knows why."
    ]


def test_offsets_count_code_points():
    text = "a\n\n中国 café 👩‍🚀 is where the third paragraph of the story begins.\r\n\r\n\u2028the end\u2029"

    passages = normalized(text).passages
    assert [
        text[start : start + count] for start, count in passages.select("char_start", "char_count").iter_rows()
    ] == [
        "a",
        "中国 café 👩‍🚀 is where the third paragraph of the story begins.",
        "the end",
    ]
