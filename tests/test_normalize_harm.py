"""What reads like furniture and is not stays: a paragraph cut away is worse than a menu kept."""

import pytest

from tests.normalize_pages import article_of, normalized, roles_of, sources_of

LEDE = "The ferry of Port Almond was late again on Friday, and nobody in the queue was surprised by that."
END = "The company said that it would look into the matter, as it had said in the three years before."

HEADLINES = [
    "Home prices in Port Almond rise again",
    "Vote count begins in Port Almond",
    "Tell us the truth, ferry passengers say",
    "More in Port Almond skip breakfast, survey finds",
    "Port Almond hits 49°C on its hottest day ever",
    "Ferry company changes its privacy policy",
    "The use of phones on the ferry is forbidden",
    "Copyright Office sues the ferry company",
    "Stay calm, captain says at morning briefing",
    "Public opinion of the ferry reflects its lateness",
    "Read in the dark: a night on the ferry",
    "View from the bridge of the ferry",
]

PARAGRAPHS = [
    "NASA – the agency that once sent people to the moon – has never sent one of them to Port Almond by ferry.",
    "AI — and everything that is sold under its name — has not made the ferry of Port Almond any faster.",
    "The report, which was first published in 1988, counted four ferries, of which three have since been sold.",
    "The story first appeared in 1843 as a song, and the sailors of Port Almond sing it to this day.",
    "Home favourite Ada Quill came first in the race around the harbour, a minute before the ferry.",
    "The material may not be copied by the crew, the captain ruled, and then he copied it himself.",
    "Copyright Office officials said on Friday that the song about the ferry belonged to nobody.",
    "This story has been changed many times by those who told it, the oldest of the fishermen said.",
    "We baked the cookies on the ferry, and by the time it arrived there were none of them left.",
    "Any use of the beach without permission is prohibited, the mayor of Port Almond announced on Friday.",
    "Views expressed by passengers in the queue varied, but none of them can be printed in a newspaper.",
    "Follow the money and you come to the harbour office, a house with one window and no door at all.",
]


@pytest.fixture(scope="module")
def pages() -> dict[str, list[tuple[str, str]]]:
    """Role and text of the passages of every page, by what is tested; one call for all of them."""
    texts = {
        **{line: f"{line}\n\nBy Ada Quill\n\n{LEDE}\n\n{END}" for line in HEADLINES},
        **{line: f"The ferry is late\n\nBy Ada Quill\n\n{LEDE}\n\n{line}\n\n{END}" for line in PARAGRAPHS},
    }
    tables = normalized(*texts.values())
    names = dict(zip(sources_of(list(texts.values()))["source_id"], texts, strict=True))
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in texts}
    for source_id, role, text in tables.passages.select("source_id", "role", "text").iter_rows():
        found[names[source_id]].append((role, text))
    return found


@pytest.mark.parametrize("headline", HEADLINES)
def test_a_headline_that_reads_like_furniture_is_the_title(pages, headline: str):
    assert pages[headline] == [("title", headline), ("byline", "By Ada Quill"), ("body", LEDE), ("body", END)]


@pytest.mark.parametrize("paragraph", PARAGRAPHS)
def test_a_paragraph_that_reads_like_furniture_is_body(pages, paragraph: str):
    assert [text for role, text in pages[paragraph] if role == "body"] == [LEDE, paragraph, END]


@pytest.mark.parametrize(
    "text",
    [
        f"Veldrift Observer\n\nThe ferry is late again\n\nBy Ada Quill, The Observer\n\n{LEDE}\n\n{END}",
        f"The ferry is late again today\n\n{LEDE}\n\nThis article first appeared in The Observer.",
        f"The ferry is late again today\n\n{LEDE}\n\nThis article first appeared in the Veldrift Observer.",
    ],
)
def test_an_outlet_that_is_called_like_another_is_not_taken_for_it(text: str):
    article = article_of(text)

    assert article["translated_from"] is None
    assert article["publisher"] in (None, "The Observer", "Veldrift Observer", "the Veldrift Observer")


@pytest.mark.parametrize(
    "mention",
    [
        "The mayor, who lives on a farm called Nishadil, said in an interview with POLITICO Magazine that he swims.",
        "She had heard of it on Goose Pod, she said, and read of it at Al Jazeera, but she had not believed it.",
        "The captain sent a link to toutiao.com, where somebody else had told the same story of the ferry.",
        "Nishadil is the name of the ferry, and Politico that of the dog who travels on it every single day.",
    ],
)
def test_an_article_that_mentions_an_outlet_is_not_its(mention: str):
    article = article_of(f"The ferry is late again today\n\nBy Ada Quill\n\n{LEDE}\n\n{mention}\n\n{END}")

    assert article["publisher"] is None
    assert article["republisher"] is None
    assert article["translated_from"] is None
    assert article["is_ai_generated"] is None
    assert mention in article["text"]


def test_an_earlier_interview_with_an_outlet_does_not_make_it_the_publisher():
    text = (
        "The captain explains himself\n\nCaptain Joss Arden had told his story in an interview with POLITICO Magazine"
        " last year. We asked him again.\n\nThis interview has been edited for length and clarity.\n\n"
        "Why is the ferry late?\n\nBecause it is old.\n\nAnd what can be done about that?\n\nNothing at all."
    )

    assert article_of(text)["kind"] == "interview"
    assert article_of(text)["publisher"] is None


@pytest.mark.parametrize(
    ("note", "is_ai_generated"),
    [
        ("This article was not written by AI.", None),
        ("No part of this article was generated by AI.", None),
        ("Our stories are never generated by AI.", None),
        ("No story by J. Quill is AI-generated.", None),
        ("AI-generated stories are never published here.", None),
        ("No A.I. made this; the text was written by Ada Quill.", None),
        ("Most texts here were not written by AI. This article was generated by AI.", True),
        ("This article was generated by AI and has not been read by a person.", True),
        ("The summary was AI-generated, not written by an editor.", True),
    ],
)
def test_a_denial_is_no_disclosure(note: str, is_ai_generated: bool | None):
    article = article_of(f"The ferry is late again today\n\n{LEDE}\n\nDisclaimer: {note}")

    assert article["is_ai_generated"] == is_ai_generated


# --- pages of publishers with a profile, in other words than usual ---


@pytest.mark.parametrize(
    "byline", ["【By Mo Fan, Observer】", "[By Observer Network, Mo Fan]", "【Text/Guancha, Mo Fan】"]
)
@pytest.mark.parametrize(
    "rights", ["This is an exclusive work of Observer Network; reprinting without consent is not allowed.", ""]
)
@pytest.mark.parametrize("link", ["Original: https://www.toutiao.com/article/7500000000000000001/", ""])
def test_a_page_of_the_observer_is_recognised_by_its_byline(byline: str, rights: str, link: str):
    article = article_of("\n\n".join(part for part in (byline, LEDE, END, rights, link) if part))

    assert article["publisher"] == "Observer"
    assert article["authors"] == ["Mo Fan"]
    assert article["translated_from"] == "zh"
    assert article["text"] == f"{LEDE}\n\n{END}"
    assert (article["rights_statement"] or "") == rights


def test_windows_line_ends_hide_no_outlet():
    text = f"The ferry is late again today\n\nNishadil\n\n{LEDE}".replace("\n", "\r\n")

    assert article_of(text)["publisher"] == "Nishadil"


def test_marks_of_no_outlet_leave_everything_unknown():
    article = article_of(f"{LEDE}\n\n{END}")

    unknown = ("title", "publisher", "republisher", "published_date", "canonical_url", "rights_statement")
    assert {name: article[name] for name in unknown} == dict.fromkeys(unknown)
    assert article["authors"] == []
    assert article["rights_policy"] == "unknown"
    assert roles_of(f"{LEDE}\n\n{END}") == [("body", LEDE), ("body", END)]
