"""The made-up pages keep to their format and to their own text, and the scorers count what they say."""

import string
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import ROLES
from tests.pages_format import (
    PAGES,
    VALUE_FIELDS,
    ExpectedArticle,
    Page,
    PageFormatError,
    RoleSpan,
    extent_agreement,
    is_scored,
    load,
    load_all,
    metadata_errors,
    metadata_missing,
    parse,
    role_accuracy,
    role_errors,
)

GOAT = """+++
note = "tiny"

[[article]]
ordinal = 0
kind = "article"
title = "Goat found"
publisher = "Goat Gazette"
authors = ["Ann Lee", "Bo Ek"]
published_date = 2025-03-04
published_date_basis = "stated"
rights_policy = "open"
language = "en"
optional = ["publisher"]
also.publisher = ["The Goat Gazette"]
+++
⟦navigation|other⟧Home

⟦article 0⟧⟦title⟧Goat found
⟦byline⟧Ann Lee, Bo Ek ⟦body⟧It⟦U+00A0⟧is back.⟦/article⟧
"""

ALL_PAGES = load_all()


def passages(*rows: tuple[str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"role": pl.String, "char_start": pl.UInt32, "char_count": pl.UInt32}, orient="row"
    )


def perfect_passages(page: Page) -> pl.DataFrame:
    return passages(*((span.allowed[0], span.start, span.end - span.start) for span in page.roles))


def found(article: ExpectedArticle, **changes: object) -> dict[str, object]:
    return {
        "ordinal": article.ordinal,
        "char_start": article.start,
        "char_count": article.end - article.start,
        "authors": list(article.authors),
        **article.values,
        **changes,
    }


def articles(*rows: dict[str, object]) -> pl.DataFrame:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        **dict.fromkeys(VALUE_FIELDS, pl.String),
        "published_date": pl.Date,
        "is_ai_generated": pl.Boolean,
        "authors": pl.List(pl.String),
        "ordinal": pl.UInt32,
        "char_start": pl.UInt32,
        "char_count": pl.UInt32,
    }
    return pl.DataFrame(list(rows), schema=schema)


# --- parser ---


def test_markers_vanish_and_offsets_follow():
    page = parse("goat", GOAT)
    assert page.text == "Home\n\nGoat found\nAnn Lee, Bo Ek It\u00a0is back.\n"
    assert [(page.text[span.start : span.end].strip(), span.allowed) for span in page.roles] == [
        ("Home", ("navigation", "other")),
        ("Goat found", ("title",)),
        ("Ann Lee, Bo Ek", ("byline",)),
        ("It\u00a0is back.", ("body",)),
    ]
    (article,) = page.articles
    assert page.text[article.start : article.end] == "Goat found\nAnn Lee, Bo Ek It\u00a0is back."
    assert article.values["published_date"] == date(2025, 3, 4)
    assert article.values["canonical_url"] is None
    assert article.authors == ("Ann Lee", "Bo Ek")


def test_windows_line_endings():
    page = parse("goat", GOAT.replace('note = "tiny"', 'line_ending = "crlf"'))
    assert page.text.startswith("Home\r\n\r\nGoat found\r\nAnn")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("+++\nnote", "note", "front matter"),
        ('note = "tiny"', 'note = "tiny', "front matter"),
        ('note = "tiny"', 'remark = "tiny"', "unknown"),
        ('note = "tiny"', 'line_ending = "cr"', "line_ending"),
        ('title = "Goat found"', 'headline = "Goat found"', "headline"),
        ('kind = "article"', 'kind = "poem"', "kind"),
        ('published_date_basis = "stated"\n', "", "basis"),
        ('language = "en"', "is_ai_generated = false", "is_ai_generated"),
        ('optional = ["publisher"]', 'optional = ["outlet"]', "outlet"),
        ("ordinal = 0", "ordinal = 1", "no such article"),
        ("⟦body⟧", "⟦bodies⟧", "bodies"),
        ("⟦navigation|other⟧", "", "before the first role"),
        ("⟦/article⟧", "", "not closed"),
        ("⟦article 0⟧", "", "closes nothing"),
        ("⟦body⟧", "⟦article 1⟧", "do not nest"),
        ("⟦body⟧", "body⟧", "stands alone"),
        ("⟦/article⟧", "⟦/article⟧⟦article 1⟧More⟦/article⟧", "must both have"),
    ],
)
def test_a_broken_page_is_named(old, new, message):
    assert old in GOAT
    with pytest.raises(PageFormatError, match=message):
        parse("goat", GOAT.replace(old, new))


def test_the_message_names_the_file(tmp_path):
    file = tmp_path / "goat_a.txt"
    file.write_text(GOAT.replace("⟦body⟧", "⟦bodies⟧"), encoding="utf-8")
    with pytest.raises(PageFormatError, match=r"^goat_a\.txt: "):
        load(file)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ROLES)), st.text(alphabet=string.ascii_letters + " \n\t中é\u00a0", min_size=1)
        ),
        min_size=1,
    )
)
def test_what_is_marked_up_comes_back(runs):
    marked = "".join(f"⟦{role}⟧{text}" for role, text in runs)
    page = parse("any", f'+++\nnote = ""\n+++\n{marked}')
    assert page.text == "".join(text for _, text in runs)
    assert [(span.allowed[0], page.text[span.start : span.end]) for span in page.roles] == runs


# --- scorers ---


def test_role_accuracy_counts_characters_that_are_seen():
    page = Page("p", "ab c\u200bd\nef", [RoleSpan(0, 4, ("title",)), RoleSpan(4, 9, ("body", "other"))], [])
    assert role_accuracy(page, passages(("title", 0, 4), ("other", 4, 5))) == (6, 6)
    assert role_accuracy(page, passages(("title", 0, 9))) == (3, 6)
    assert role_accuracy(page, passages(("title", 0, 4))) == (3, 6)
    assert role_accuracy(page, passages(("title", 0, 4), ("body", 3, 6))) == (5, 6), "c is covered twice"
    assert role_accuracy(page, passages()) == (0, 6)


def test_role_errors_say_which_text_went_wrong():
    page = Page("p", "ab cd ef", [RoleSpan(0, 3, ("title",)), RoleSpan(3, 8, ("body", "other"))], [])
    assert role_errors(page, passages(("title", 0, 2), ("rights", 3, 2), ("other", 6, 2))) == [
        "3-5 body|other → rights: cd"
    ]
    assert role_errors(page, passages(("title", 0, 2), ("body", 3, 5))) == []


def test_a_passage_beyond_the_page_is_an_error():
    page = Page("p", "ab", [RoleSpan(0, 2, ("body",))], [])
    with pytest.raises(ValueError, match="ends at 3"):
        role_accuracy(page, passages(("body", 1, 2)))


@pytest.mark.parametrize(
    ("changes", "errors", "missing"),
    [
        ({}, 0, 0),
        ({"publisher": None}, 0, 0),
        ({"publisher": "The Goat\nGazette"}, 0, 0),
        ({"publisher": "Sheep Times"}, 1, 0),
        ({"title": "Goat lost"}, 1, 0),
        ({"title": None}, 0, 1),
        ({"canonical_url": "https://goat.example/"}, 1, 0),
        ({"is_ai_generated": True}, 1, 0),
        ({"published_date": date(2025, 4, 3)}, 1, 0),
        ({"published_date_basis": "inferred"}, 1, 0),
        ({"published_date": None, "published_date_basis": None}, 0, 1),
        ({"rights_policy": "unknown"}, 0, 1),
        ({"rights_policy": "reserved"}, 1, 0),
        ({"language": "en-GB"}, 0, 0),
        ({"language": "de"}, 1, 0),
        ({"kind": "interview"}, 1, 0),
        ({"authors": ["Ann Lee"]}, 0, 1),
        ({"authors": []}, 0, 2),
        ({"authors": ["Bo Ek", "Ann Lee"]}, 1, 0),
        ({"authors": ["Ann Lee", "Bo Ek", "Home"]}, 1, 0),
        ({"authors": None}, 0, 2),
    ],
)
def test_metadata_is_right_wrong_or_missing(changes, errors, missing):
    page = parse("goat", GOAT)
    table = articles(found(page.articles[0], **changes))
    assert len(metadata_errors(page, table)) == errors
    assert len(metadata_missing(page, table)) == missing


def test_unknown_rights_must_not_be_invented():
    page = parse("goat", GOAT.replace('rights_policy = "open"\n', ""))
    table = articles(found(page.articles[0], rights_policy="reserved"))
    assert metadata_errors(page, table) == ["article 0 rights_policy: expected 'unknown', found 'reserved'"]


def test_another_spelling_stands_for_an_author():
    page = parse("goat", GOAT.replace("also.publisher", 'also.authors = ["ANN LEE"]\nalso.publisher'))
    shouted = articles(found(page.articles[0], authors=["ANN LEE"]))
    assert metadata_errors(page, shouted) == []
    assert metadata_missing(page, shouted) == ["article 0 authors: expected 'Bo Ek'"]


def test_articles_are_matched_by_extent():
    content = GOAT.replace("+++\n⟦nav", '\n[[article]]\nordinal = 1\nkind = "summary"\n+++\n⟦nav')
    page = parse("goats", f"{content}⟦article 1⟧⟦summary⟧A goat.⟦/article⟧")
    first, second = page.articles
    assert metadata_errors(page, articles(found(second, ordinal=0), found(first, ordinal=1))) == []
    assert metadata_errors(page, articles(found(first))) == ["article 1: not found"]
    extra = found(second, char_start=0, char_count=4)
    assert metadata_errors(page, articles(found(first), found(second), extra)) == [
        "an article that is none at 0: summary"
    ]
    assert extent_agreement(page, articles(found(first), found(second))) == [1.0, 1.0]
    half = found(second, char_count=1)
    assert extent_agreement(page, articles(half)) == [0.0, pytest.approx(1 / 6)]


# --- the pages ---


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_the_truth_scores_full_marks(page):
    right, total = role_accuracy(page, perfect_passages(page))
    assert right == total == sum(map(is_scored, page.text))
    assert role_errors(page, perfect_passages(page)) == []
    table = articles(*map(found, page.articles))
    assert metadata_errors(page, table) == metadata_missing(page, table) == []
    assert extent_agreement(page, table) == [1.0] * len(page.articles)


def text_in_role(page: Page, role: str) -> str:
    spans = (page.text[span.start : span.end] for span in page.roles if role in span.allowed)
    return " ".join("".join(c for c in "\n".join(spans) if c.isspace() or is_scored(c)).split())


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_stated_values_stand_in_the_text_in_their_role(page):
    for article in page.articles:
        role_of = {"title": "title", "canonical_url": "source_url", "rights_statement": "rights"}
        for field, role in role_of.items():
            for value in (article.values[field], *article.also.get(field, ())):
                stated = value is None or field in article.also or str(value) in text_in_role(page, role)
                assert stated or (article.values["kind"] == "summary" and field == "title"), (field, value)
        for author in article.authors:
            assert author.casefold() in text_in_role(page, "byline").casefold()
        if article.values["publisher"] is not None and "publisher" not in article.optional:
            names = [article.values["publisher"], *article.also.get("publisher", ())]
            assert any(str(name).casefold() in page.text.replace("\u00a0", " ").casefold() for name in names)
        if article.values["published_date_basis"] == "stated":
            published = article.values["published_date"]
            assert isinstance(published, date)
            dateline = text_in_role(page, "dateline")
            assert str(published.year) in dateline
            assert str(published.day) in dateline
        else:
            assert (article.values["published_date"] is None) == (article.values["published_date_basis"] is None)
        if article.values["rights_statement"] is None:
            assert article.values["rights_policy"] == "unknown"
            assert text_in_role(page, "rights") == ""


@pytest.mark.parametrize("page", [page for page in ALL_PAGES if page.name.startswith("observer")], ids=lambda p: p.name)
def test_inferred_dates_follow_from_the_id(page):
    """The upper half of a Toutiao id is Unix seconds; the day is that of its readers, eight hours ahead of UTC."""
    (article,) = page.articles
    id_ = int(str(article.values["canonical_url"]).rstrip("/").rpartition("/")[2])
    shanghai = datetime.fromtimestamp(id_ >> 32, UTC) + timedelta(hours=8)
    assert article.values["published_date"] == shanghai.date()


def test_the_name_of_a_page_says_which_set_it_is_of():
    assert {page.name[-2:] for page in ALL_PAGES} == {"_a", "_b", "_c"}


def test_every_role_and_kind_occurs():
    roles = {span.allowed[0] for page in ALL_PAGES for span in page.roles}
    assert roles == set(ROLES)
    kinds = {article.values["kind"] for page in ALL_PAGES for article in page.articles}
    assert kinds == {"article", "interview", "transcript", "summary"}


def test_the_readme_counts_the_pages():
    readme = (PAGES / "README.md").read_text(encoding="utf-8")
    assert f"{len(ALL_PAGES)} saved news pages" in readme
