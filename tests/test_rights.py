"""What may be given to anybody: by policy, by role, and never what a withheld text says."""

import hashlib
import re
from collections.abc import Iterator, Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.ids import sha256_of
from flows.publish.rights import Rights, is_given, rights_of, withhold
from schemas.columns import CONTENT_ROLES, GIVEN_ROLES, ROLES

# Policy (null outside any article), role and text of each passage of a page.
Page = Sequence[tuple[str | None, str, str]]
SAID = "the harbour master said that no ferry would leave before the ice had gone"
PASSAGE = {
    "passage_id": pl.String,
    "source_id": pl.String,
    "article_id": pl.String,
    "role": pl.String,
    "text": pl.String,
}
# Few words, so that runs of eight of them meet by chance.
WORDS = st.sampled_from(["ice", "Ice,", "ferry", "a-b", "中", "國"])
LINES = st.lists(WORDS, min_size=1, max_size=24).map(" ".join)
PAGES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "reserved", "unknown", None]), st.sampled_from(["body", "title", "caption"]), LINES
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=5,
)


def tables_of(pages: Sequence[Page]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Articles and passages of pages."""
    articles, passages = {}, []
    for page, lines in enumerate(pages):
        for line, (policy, role, text) in enumerate(lines):
            article = None if policy is None else f"{page}-{policy}"
            if article is not None:
                articles[article] = (article, f"{page}", policy)
            passages.append((f"{page}-{line}", f"{page}", article, role, text))
    columns = {"article_id": pl.String, "source_id": pl.String, "rights_policy": pl.String}
    return (
        pl.DataFrame(list(articles.values()), schema=columns, orient="row"),
        pl.DataFrame(passages, schema=PASSAGE, orient="row"),
    )


def rights(articles: pl.DataFrame, passages: pl.DataFrame, batch: int = 1_000) -> Rights:
    def batches() -> Iterator[pl.DataFrame]:
        return passages.iter_slices(batch)

    return rights_of(articles, batches, 7)


def given_passages(*pages: Page) -> list[bool]:
    articles, passages = tables_of(pages)
    return passages.select(rights(articles, passages).may_be_given("passages")).to_series().to_list()


def runs(text: str, count: int = 8) -> set[tuple[str, ...]]:
    words = re.findall(r"[一-鿿]|[^\W_一-鿿]+", text.lower())
    return {tuple(words[start : start + count]) for start in range(len(words) - count + 1)}


@pytest.mark.parametrize("policy", ["reserved", "unknown"])
def test_what_is_not_open_is_withheld_but_for_what_names_it(policy: str):
    page = [(policy, role, f"A text with the role {role}") for role in ROLES]
    assert given_passages(page) == [role in GIVEN_ROLES for role in ROLES]


def test_what_is_open_is_given():
    assert all(given_passages([("open", role, f"A text with the role {role}") for role in ROLES]))


def test_what_lies_outside_any_article_goes_by_all_articles_of_its_page():
    outside = (None, "navigation", "Home and more")
    assert given_passages([("open", "body", "One."), outside]) == [True, True]
    assert given_passages([("open", "body", "One."), ("unknown", "body", "Two."), outside]) == [True, False, False]
    assert given_passages([outside]) == [False]


def test_what_is_open_and_says_eight_words_of_a_withheld_text_is_withheld():
    eight = " ".join(SAID.split()[2:10])
    seven = " ".join(SAID.split()[2:9])
    reserved = [("reserved", "body", SAID)]
    for quoting in (f"He wrote: “{eight}”", eight.upper(), eight.replace(" ", ", "), eight.replace(" ", "\n\n")):
        assert given_passages(reserved, [("open", "body", quoting)]) == [False, False]
    assert given_passages(reserved, [("open", "body", f"He wrote: “{seven}”, and more.")]) == [False, True]


def test_how_many_words_may_be_quoted_is_a_setting():
    articles, passages = tables_of([[("reserved", "body", SAID)], [("open", "body", " ".join(SAID.split()[2:10]))]])
    for words, is_given_too in ((0, False), (7, False), (8, True)):
        found = rights_of(articles, lambda: [passages], words)
        assert passages.select(found.may_be_given("passages")).to_series().to_list() == [False, is_given_too]


def test_a_title_is_given_although_a_withheld_text_says_the_same():
    assert given_passages([("reserved", "body", SAID)], [("open", "title", SAID)]) == [False, True]


def test_what_is_withheld_for_what_it_says_is_looked_for_as_well():
    links = ["one two three four five six seven eight", "nine ten eleven twelve thirteen fourteen fifteen sixteen"]
    first = [("open", "body", f"{SAID}. {links[0]}")]
    second = [("open", "body", f"{links[0]} and {links[1]}")]
    third = [("open", "body", f"{links[1]} at the end")]
    assert given_passages(first, second, third) == [True, True, True]
    assert given_passages([("reserved", "body", SAID)], first, second, third) == [False] * 4


def test_eight_characters_of_a_script_without_blanks_are_eight_words():
    assert given_passages([("reserved", "body", "港务长说渡轮今天不会开")], [("open", "body", "港务长说渡轮今")]) == [
        False,
        True,
    ]
    assert given_passages(
        [("reserved", "body", "港务长说渡轮今天不会开")], [("open", "body", "说渡轮今天不会开。")]
    ) == [False, False]


@given(PAGES)
def test_nothing_that_is_given_says_eight_words_of_a_withheld_text(pages):
    articles, passages = tables_of(pages)
    found = rights(articles, passages)
    is_given = passages.select(found.may_be_given("passages")).to_series()
    withheld = set().union(*(runs(text) for text in passages.filter(~is_given)["text"]), set())
    for role, text in passages.filter(is_given).select("role", "text").iter_rows():
        assert role in GIVEN_ROLES or not runs(text) & withheld
    # What may be given by its policy is withheld for a reason only.
    open_by_policy = passages.select(
        found.may_be_given("passages") | pl.col("passage_id").is_in(found.echoes.implode())
    )
    others = passages.filter(~open_by_policy.to_series())["text"].to_list()
    for text in passages.filter(pl.col("passage_id").is_in(found.echoes.implode()))["text"]:
        echoes = [other for other in passages.filter(~is_given)["text"] if other is not text]
        assert any(runs(text) & runs(other) for other in [*others, *echoes])
    # An article or source is given if all that it consists of is.
    for article in articles["article_id"]:
        content = (passages["article_id"] == article) & passages["role"].is_in(CONTENT_ROLES)
        expected = bool(is_given.filter(content.fill_null(False)).all())
        assert articles.filter(article_id=article).select(found.may_be_given("articles")).item() is expected
    for source in passages["source_id"].unique():
        expected = bool(is_given.filter(passages["source_id"] == source).all())
        frame = pl.DataFrame({"source_id": [source]})
        assert frame.select(found.may_be_given("sources")).item() is expected


@given(PAGES, st.integers(min_value=1, max_value=5))
def test_rights_do_not_depend_on_the_batches(pages, batch: int):
    articles, passages = tables_of(pages)
    whole, parts = rights(articles, passages), rights(articles, passages, batch)
    for name in ("passages", "articles", "sources"):
        rows = {
            "passages": passages,
            "articles": articles,
            "sources": passages.select("source_id").unique(maintain_order=True),
        }[name]
        assert rows.select(whole.may_be_given(name)).equals(rows.select(parts.may_be_given(name)))


def test_a_withheld_text_leaves_its_hash_and_an_empty_one_says_nothing():
    rows = pl.DataFrame(
        {"source_id": ["0"] * 3, "article_id": ["0-open", "0-reserved", "0-reserved"], "text": ["a", "ä", ""]}
    ).with_columns(unique_text=pl.lit(None, pl.String))
    _, passages = tables_of([[("open", "body", "a"), ("reserved", "body", "ä")]])
    articles = pl.DataFrame(
        {"article_id": ["0-open", "0-reserved"], "source_id": ["0", "0"], "rights_policy": ["open", "reserved"]}
    )
    found = rights(articles, passages)
    held = withhold("articles", rows, found)
    assert held["text"].to_list() == ["a", None, ""]
    assert held["text_sha256"].to_list() == [None, hashlib.sha256("ä".encode()).hexdigest(), None]
    assert held["unique_text_sha256"].to_list() == [None, None, None]
    assert rows.select(is_given("articles")).to_series().to_list() == [True, True, False]
    assert held.select(is_given("articles")).to_series().to_list() == [True, False, False]
    assert rows.select(found.may_be_given("articles")).to_series().to_list() == [True, False, False]


def test_hashes_are_those_of_the_bytes():
    assert sha256_of(pl.Series(["", None, "中"], dtype=pl.String)).to_list() == [
        hashlib.sha256(b"").hexdigest(),
        None,
        hashlib.sha256("中".encode()).hexdigest(),
    ]
