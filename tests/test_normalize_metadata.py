"""Titles, people, outlets, dates, rights and disclosures: stated values are found, and none is invented."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.normalize.bylines import names_of_byline
from flows.normalize.dates import published_date
from flows.normalize.general.pieces import MONTHS, MONTHS_ELSEWHERE
from flows.normalize.normalize import normalize
from flows.normalize.profiles import Profile, UrlDate
from flows.normalize.rights import rights_policy
from flows.normalize.rules import Rule
from tests.normalize_pages import NO_PROVENANCE, article_of, normalized, sources_of

LEDE = (
    "The ferry of Port Almond was late again on Friday, and nobody in the queue was surprised by that, least of all us."
)
BODY = f"{LEDE}\n\nThe company said that it would look into the matter, as it had said in the three years before."
TITLE = "The ferry is late again today"


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("The ferry is late again today", "The ferry is late again today"),
        ("Harbour Post\n\nThe ferry is late again today", "The ferry is late again today"),
        ("Home > News\n\nThe ferry is late again today\n\nBy Ada Quill", "The ferry is late again today"),
        ("Who is late again today?\n\nBy Ada Quill", "Who is late again today?"),
        ("The ferry is late.\n\nBy Ada Quill", "The ferry is late."),
        ("Port Almond | 31°\n\nThe ferry is late again today", "The ferry is late again today"),
        ("Port Almond | 31 °C, fog\n\nThe ferry is late again today", "The ferry is late again today"),
        ("12 Views\n\nThe ferry is late again today\n\nThe ferry is late again today", "The ferry is late again today"),
    ],
)
def test_titles(head: str, title: str):
    assert article_of(f"{head}\n\n{BODY}")["title"] == title


def test_a_text_without_a_headline_has_no_title():
    assert article_of(BODY)["title"] is None


OUTLETS = frozenset({"harbour post"})


@pytest.mark.parametrize(
    ("byline", "authors", "outlets"),
    [
        ("By Ada Quill", ["Ada Quill"], []),
        ("By Ada Quill and Joss Arden", ["Ada Quill", "Joss Arden"], []),
        ("By Ada Quill, Joss Arden and Mo Fan", ["Ada Quill", "Joss Arden", "Mo Fan"], []),
        ("By Ada Quill, Port Almond", ["Ada Quill"], []),
        ("By Ada Quill, staff writer", ["Ada Quill"], []),
        ("Von Ada Quill und Joss Arden", ["Ada Quill", "Joss Arden"], []),
        ("Par Ada Quill", ["Ada Quill"], []),
        ("【By Ada Quill, Harbour Post】", ["Ada Quill"], ["Harbour Post"]),
        ("[Text/Harbour Post, Ada Quill]", ["Ada Quill"], ["Harbour Post"]),
        ("By Harbour Post", ["Harbour Post"], ["Harbour Post"]),
        ("Editing by Ada Quill", [], []),
        ("Reporting by Ada Quill; Editing by Joss Arden", ["Ada Quill"], []),
        ("By our correspondent", [], []),
        ("作者：顾青", ["顾青"], []),
    ],
)
def test_names_of_bylines(byline: str, authors: list[str], outlets: list[str]):
    names = names_of_byline(byline, OUTLETS)

    assert [name.text for name in names if not name.is_outlet] == authors
    assert [name.text for name in names if name.is_outlet] == outlets
    for name in names:
        assert byline[name.start :].startswith(name.text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("March 4, 2025", "2025-03-04"),
        ("Published: 4 March 2025, 10:15 GMT", "2025-03-04"),
        ("Tuesday, 4th March 2025", "2025-03-04"),
        ("2025-03-04T10:15:00Z", "2025-03-04"),
        ("4. März 2025", "2025-03-04"),
        ("mardi 4 mars 2025", "2025-03-04"),
        ("4 de marzo de 2025", "2025-03-04"),
        ("2025年3月4日", "2025-03-04"),
        ("04.03.2025", "2025-03-04"),
        ("13/04/2025", "2025-04-13"),
        ("4 March 20254 March 2025", "2025-03-04"),
        ("Updated March 5, 2025 · Published March 4, 2025", "2025-03-04"),
        ("Updated March 5, 2025", None),
        ("03/04/2025", None),
        ("March 2025", None),
        ("March 4", None),
        ("2025-13-04", None),
        ("February 30, 2025", None),
        ("3 hours ago", None),
    ],
)
def test_dates(text: str, day: str | None):
    found = published_date(text)

    assert (found and found[0].isoformat()) == day
    if found:
        assert text[found[1] :][: found[2]].strip() == text[found[1] :][: found[2]]


@pytest.mark.parametrize("month", MONTHS_ELSEWHERE.removeprefix("(?:").removesuffix(")").split("|"))
def test_every_month_that_a_date_line_may_name_has_a_number(month: str):
    found = published_date(f"4 {month} 2025")

    assert found is not None
    assert found[1:] == (0, len(f"4 {month} 2025"))


@given(st.from_regex(MONTHS, fullmatch=True))
def test_every_english_month_that_a_date_line_may_name_has_a_number(month: str):
    assert published_date(f"{month} 4, 2025") is not None


@pytest.mark.parametrize(
    "line", ["March 4, 2025", "Published 4 March 2025", "By Ada Quill | March 4, 2025", "4. März 2025"]
)
def test_a_date_line_is_the_published_date(line: str):
    article = article_of(f"{TITLE}\n\n{line}\n\n{BODY}")

    assert (article["published_date"], article["published_date_basis"]) == (date(2025, 3, 4), "stated")


def test_what_follows_a_byline_on_its_line_is_read_too():
    article = article_of(f"{TITLE}\n\nPosted by Ada Quill on 4 March 2025 in Boats · 6 comments\n\n{BODY}")

    assert article["authors"] == ["Ada Quill"]
    assert article["published_date"] == date(2025, 3, 4)
    assert article["text"] == BODY


def test_two_names_under_the_title_are_the_authors_when_a_date_follows():
    page = f"{TITLE}\n\nAda Quill and Joss Arden\n%s\n\n{BODY}"

    assert article_of(page % "4 March 2025")["authors"] == ["Ada Quill", "Joss Arden"]
    assert article_of(page % "Fog and other troubles on the sea")["authors"] == []


@pytest.mark.parametrize(
    ("statement", "policy"),
    [
        (None, "unknown"),
        ("All rights reserved.", "reserved"),
        ("© 2025 Harbour Post", "reserved"),
        ("This article may not be reproduced.", "reserved"),
        ("Reprinting without permission is forbidden.", "reserved"),
        ("Alle Rechte vorbehalten.", "reserved"),
        ("未经授权，不得转载。", "reserved"),
        ("無断転載を禁じます", "reserved"),
        ("Licensed under CC BY 4.0", "open"),
        ("© 2025 Harbour Post, under a Creative Commons licence", "open"),
        ("You may republish this article.", "open"),
        ("You may republish this article, but not without our permission.", "reserved"),
        ("Ask the harbour office.", "unknown"),
        # All rights reserved: whatever else is named is something else's.
        ("© 2025 Harbour Post. All rights reserved. Cover picture: J. Doe, public domain.", "reserved"),
        ("© 2025 Harbour Post. All rights reserved. Photo: J. Doe/Creative Commons", "reserved"),
        ("This text is not in the public domain. All rights reserved.", "reserved"),
        ("© 2025 L'Écho. TOUS DROITS RÉSERVÉS. Textes : Creative Commons", "reserved"),
        ("ВСЕ ПРАВА ЗАЩИЩЕНЫ. Licensed under CC BY.", "reserved"),
        ("© 2025 Harbour Post. Some rights reserved. This work is licensed under CC BY 4.0.", "open"),
        ("CC0 – No rights reserved", "open"),
        # A licence that is denied.
        ("This text is not in the public domain.", "unknown"),
        ("This isn’t licensed under Creative Commons.", "unknown"),
        ("A Creative Commons licence does not apply to this article.", "unknown"),
        ("Dieser Text ist nicht gemeinfrei.", "unknown"),
        ("You are not free to republish this article.", "unknown"),
        # A licence of a picture, or of nobody knows what.
        ("© 2025 Harbour Post. Photo: J. Doe/Creative Commons", "reserved"),
        ("© 2025 Harbour Post. Text by A. Quill, photo by J. Doe (CC BY).", "reserved"),
        ("Photo: J. Doe. Licensed under CC BY 4.0.", "unknown"),
        ("The photo in this article is licensed under CC BY 4.0.", "unknown"),
        ("J. Doe, used under a Creative Commons licence", "unknown"),
        ("J. Doe / CC BY 2.0", "unknown"),
        ("You may republish this picture.", "unknown"),
        ("This article draws on works in the public domain.", "unknown"),
        ("The report has been in the public domain for a year.", "unknown"),
        ("You can share this story with friends.", "unknown"),
        # A licence of the text, with conditions, exceptions and pictures beside it.
        ("Photo: J. Doe. This article is licensed under CC BY 4.0.", "open"),
        ("The text is licensed under CC BY. The photos are not.", "open"),
        ("This article, except its pictures, is licensed under CC BY-SA 4.0.", "open"),
        ("Except where otherwise noted, content on this site is licensed under Creative Commons.", "open"),
        ("Creative Commons Attribution-Non-Commercial-No Derivs 3.0 Unported License.", "open"),
        ("© 2025 Harbour Post. CC BY 4.0.", "open"),
        ("This article is in the public domain.", "open"),
    ],
)
def test_rights_policy(statement: str | None, policy: str):
    assert rights_policy(statement) == policy


@pytest.mark.parametrize(
    "lines",
    [
        ("Licensed under CC BY 4.0.", "© 2025 Harbour Post. All rights reserved."),
        ("© 2025 Harbour Post. All rights reserved.", "Licensed under CC BY 4.0."),
    ],
)
def test_of_two_rights_lines_the_one_that_reserves_all_counts(lines: tuple[str, str]):
    article = article_of("\n\n".join([TITLE, BODY, *lines]))

    assert article["rights_statement"] == "© 2025 Harbour Post. All rights reserved."
    assert article["rights_policy"] == "reserved"


def test_a_rights_line_is_quoted_and_names_the_publisher():
    text = f"{TITLE}\n\n{BODY}\n\n© 2025 Harbour Post. All rights reserved."
    tables = normalized(text)

    article = tables.articles.row(0, named=True)
    assert article["rights_statement"] == "© 2025 Harbour Post. All rights reserved."
    assert (article["publisher"], article["rights_policy"]) == ("Harbour Post", "reserved")
    basis = tables.evidence.filter(pl.col("field") == "publisher").select("basis", "rule").row(0)
    assert basis == ("inferred", "copyright_holder")


@pytest.mark.parametrize(
    ("note", "is_ai_generated", "translated_from"),
    [
        ("This article was written with the help of artificial intelligence.", True, None),
        ("Disclaimer: Parts of this text were generated by AI and checked by an editor.", True, None),
        ("Disclaimer: The content was produced by a person. No AI was used.", None, None),
        ("This article was translated from German.", None, "de"),
        ("Disclaimer: the views are those of the author.", None, None),
    ],
)
def test_disclosures(note: str, is_ai_generated: bool | None, translated_from: str | None):
    text = f"{TITLE}\n\n{BODY}\n\n{note}"
    article = article_of(text)

    assert (article["is_ai_generated"], article["translated_from"]) == (is_ai_generated, translated_from)
    assert article["text"] == BODY


@pytest.mark.parametrize(
    "credit",
    [
        "This article was originally published by Harbour Post.",
        "First published in Harbour Post on 4 March 2025",
        "Read the original article at Harbour Post",
        "Republished from Harbour Post under its terms",
        "The post The ferry is late appeared first on Harbour Post.",
    ],
)
def test_a_credit_line_names_the_publisher(credit: str):
    article = article_of(f"{TITLE}\n\n{BODY}\n\n{credit}")

    assert article["publisher"] == "Harbour Post"
    assert article["text"] == BODY


PIER = Profile(
    id="pier_post",
    name="Pier Post",
    aliases=("The Pier Post",),
    detect=("^Pier Post$",),
    original_language="de",
    url_date=UrlDate(pattern=r"pier\.example/(?P<id>\d{19})", shift_bits=32, time_zone="Asia/Shanghai"),
    rules=(Rule(name="link", role="source_url", pattern=r"^Link: \S+$"),),
)


def test_a_day_is_inferred_from_the_number_in_an_address():
    # 2025-03-03 16:30 UTC is the next day in Shanghai.
    number = (1_741_019_400 << 32) + 12345
    tables = normalized(f"Pier Post\n\n{TITLE}\n\n{BODY}\n\nLink: https://pier.example/{number}", profiles=(PIER,))

    article = tables.articles.row(0, named=True)
    assert (article["published_date"], article["published_date_basis"]) == (date(2025, 3, 4), "inferred")
    assert article["publisher"] == "Pier Post"
    assert article["translated_from"] == "de"
    rules = dict(tables.evidence.select("field", "rule").iter_rows())
    assert rules["published_date"] == "pier_post:url_date"
    assert rules["canonical_url"] == "pier_post:link"


def test_a_day_is_inferred_from_the_path_of_an_address():
    article = article_of(f"{TITLE}\n\n{BODY}\n\nSource: https://harbour.example/2025/03/04/ferry")

    assert (article["published_date"], article["published_date_basis"]) == (date(2025, 3, 4), "inferred")


def test_a_number_that_is_no_day_gives_none():
    article = article_of(f"{TITLE}\n\n{BODY}\n\nSource: https://harbour.example/2025/13/44/ferry")

    assert article["published_date"] is None


def test_what_the_record_states_counts_more_than_the_page():
    sources = sources_of([f"{TITLE}\n\nMarch 5, 2025\n\n{BODY}\n\n© 2025 Harbour Post"])
    stated = pl.DataFrame(
        [
            (sources["source_id"][0], "publisher", "Pier Post", "record"),
            (sources["source_id"][0], "published_date", "2025-03-04", "record"),
        ],
        schema=NO_PROVENANCE.schema,
        orient="row",
    )
    article = normalize(sources, stated).articles.row(0, named=True)

    assert article["publisher"] == "Pier Post"
    assert article["published_date"] == date(2025, 3, 4)


def test_a_republished_article_names_both_outlets():
    owner = Profile(id="fog_mail", name="Fog Mail", page_of="republisher", detect=("^Fog Mail$",))
    article = article_of(
        f"Fog Mail\n\n{TITLE}\n\n{BODY}\n\nThis article first appeared in The Pier Post.", (owner, PIER)
    )

    assert (article["publisher"], article["republisher"]) == ("Pier Post", "Fog Mail")
