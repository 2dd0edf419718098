"""Conversations: labelled turns, interviews, and pages that hold several texts."""

import polars as pl
import pytest

from flows.normalize.normalize import normalize
from flows.normalize.profiles import Profile
from tests.normalize_pages import NO_PROVENANCE, article_of, normalized, roles_of, sources_of, texts_with

LEDE = "Captain Joss Arden has steered the ferry of Port Almond for thirty years. We spoke to him on the pier."


def test_turns_with_names_on_lines_of_their_own_are_a_transcript():
    text = "\n".join(
        [
            "The ferry hour\n",
            "Mira\nWelcome to the ferry hour.",
            "Theo\nIt is late today.",
            "Mira\nIt is late every day.",
            "Theo\nThat is what I said.",
        ]
    )

    assert article_of(text)["kind"] == "transcript"
    assert article_of(text)["text"].splitlines()[0] == "Mira: Welcome to the ferry hour."
    assert [text for role, text in roles_of(text) if role == "speaker_label"] == ["Mira", "Theo", "Mira", "Theo"]


def test_a_list_of_headings_is_no_conversation():
    headings = "Boats\nThree old ones\nPiers\nTwo of wood\nBoats\nFour sold\nPiers\nNone sold"
    text = f"The ferry in numbers\n\n{LEDE}\n\n{headings}"

    assert texts_with("speaker_label", text) == []


def test_turns_labelled_q_and_a_are_an_interview():
    turns = "Q: Why is it late?\n\nA: Because it is old.\n\nIt is very old.\n\nQ: And then?\n\nA: Then it sinks."
    text = f"The ferry is late again\n\n{LEDE}\n\n{turns}"

    assert article_of(text)["kind"] == "interview"
    assert texts_with("question", text) == ["Why is it late?", "And then?"]
    assert texts_with("speech", text) == ["Because it is old.", "It is very old.", "Then it sinks."]
    assert texts_with("body", text) == [LEDE]


def test_who_mostly_asks_is_the_interviewer():
    turns = [
        "QUILL: Why is it late?",
        "ARDEN: Fog.",
        "QUILL: Again?",
        "ARDEN: Yes. Why not?",
        "QUILL: And now?",
        "ARDEN: We wait.",
    ]
    text = f"The ferry is late again\n\n{LEDE}\n\nThis interview has been edited for length.\n\n" + "\n\n".join(turns)

    assert texts_with("question", text) == ["Why is it late?", "Again?", "And now?"]
    assert texts_with("speech", text) == ["Fog.", "Yes. Why not?", "We wait."]


def test_questions_without_labels_are_told_from_answers():
    text = "\n\n".join(
        [
            "The ferry is late again",
            LEDE,
            "This interview has been edited for length and clarity.",
            "Why is the ferry late?",
            "Because it is old. Do I complain? No.",
            "And who pays for a new one?",
            "Who indeed?",
            "The question is as old as the ferry, and so is the answer.",
        ]
    )

    assert article_of(text)["kind"] == "interview"
    assert texts_with("question", text) == ["Why is the ferry late?", "And who pays for a new one?"]
    assert texts_with("speech", text) == [
        "Because it is old. Do I complain? No.",
        "Who indeed?",
        "The question is as old as the ferry, and so is the answer.",
    ]
    assert len(texts_with("disclaimer", text)) == 1


def test_an_article_that_asks_is_no_interview():
    questions = "Why is it late? Nobody knows.\n\nWho pays for it?\n\nThe town does, as it has always done."
    text = f"The ferry is late again\n\n{LEDE}\n\n{questions}"

    assert article_of(text)["kind"] == "article"


RADIO = Profile(
    id="pier_radio",
    name="Pier Radio",
    page_of="republisher",
    is_compound=True,
    ai_generated_kinds=("transcript", "summary"),
    detect=("^Pier Radio$",),
)
COMPOUND = """Pier Radio

The ferry of Port Almond is late again

2025-03-04

Mira
Welcome to Pier Radio, where we talk about the ferry.
Theo
It is late today, and nobody is surprised by that.
Mira
It has been late on every day of this year so far.
Theo
That is what I said, and I will say it again.

The ferry of Port Almond was late again, and the captain blames the fog, which nobody else has seen.

The ferry of Port Almond is late again

Read original at Harbour Post

The ferry of Port Almond was late again on Friday, and nobody in the queue was surprised by that, least of all the dog.

The company said that it would look into the matter, as it had said in the three years before.
"""


def test_a_compound_page_holds_several_articles():
    articles = normalized(COMPOUND, profiles=(RADIO,)).articles

    columns = ("kind", "publisher", "republisher", "is_ai_generated")
    assert articles.select(columns).rows() == [
        ("transcript", "Pier Radio", None, True),
        ("summary", "Pier Radio", None, True),
        ("article", "Harbour Post", "Pier Radio", None),
    ]
    dates = [None if day is None else day.isoformat() for day in articles["published_date"]]
    assert dates == ["2025-03-04", "2025-03-04", None]
    assert articles["title"].to_list() == [
        "The ferry of Port Almond is late again",
        None,
        "The ferry of Port Almond is late again",
    ]
    assert articles["text"][2].startswith("The ferry of Port Almond was late again on Friday")


@pytest.mark.parametrize("label", ["Mira:", "MIRA:", "Mira"])
def test_labels_are_recognised_with_and_without_colons(label: str):
    other = label.replace("Mira", "Theo").replace("MIRA", "THEO")
    text = "The ferry hour\n\n" + "\n".join([label, "It is late.", other, "It is.", label, "Very late.", other, "Yes."])

    assert texts_with("speaker_label", text) == [label, other, label, other]


def test_a_speaker_may_be_known_by_an_initial():
    turns = (
        "Mira K.\nWelcome to the ferry hour.\nTheo\nIt is late today.\nMira K.\nIt is late every day.\nTheo\nSo it is."
    )
    assert [text for role, text in roles_of(f"The ferry hour\n\n{turns}") if role == "speaker_label"] == [
        "Mira K.",
        "Theo",
        "Mira K.",
        "Theo",
    ]


def test_time_codes_do_not_hide_who_speaks():
    turns = (
        "[00:00:03] MIRA KOLL (host): Welcome to the ferry hour.\n\n[00:00:09] THEO ARN: It is late today.\n\n"
        "[00:00:12] KOLL: It is late every day.\n\n[00:00:15] ARN: So it is."
    )
    roles = roles_of(f"The ferry hour on the radio\n\n{turns}")
    assert [text for role, text in roles if role == "speaker_label"] == [
        "MIRA KOLL (host):",
        "THEO ARN:",
        "KOLL:",
        "ARN:",
    ]


def test_the_head_of_a_compound_page_belongs_to_what_the_page_made():
    text = (
        "The ferry that stayed\n\nThe ferry that stayed\n\n3 May 2031\n"
        "Mira\nWelcome to the ferry hour.\nTheo\nIt is late today.\nMira\nIt is late every day.\nTheo\nSo it is.\n\n"
        "The ferry that stayed\n\nRead original at The Almond Post\n\nThe ferry of Port Almond stayed at its pier."
    )
    transcript, article = normalized(text).articles.sort("ordinal").iter_rows(named=True)
    assert (transcript["kind"], transcript["char_start"], transcript["title"]) == ("transcript", 0, article["title"])
    assert (str(transcript["published_date"]), article["published_date"]) == ("2031-05-03", None)
    assert article["publisher"] == "The Almond Post"


def test_what_is_known_of_a_compound_page_of_an_unknown_outlet_is_not_of_the_article_that_it_republishes():
    post = Profile(id="post", name="Harbour Post", detect=("^Read original at Harbour Post$",))
    page = COMPOUND.removeprefix("Pier Radio\n\n").replace("2025-03-04\n\n", "")
    sources = sources_of([page])
    stated = pl.DataFrame(
        [(sources["source_id"][0], "published_date", "2025-03-04", "record")],
        schema=NO_PROVENANCE.schema,
        orient="row",
    )
    tables = normalize(sources, stated, (post,))

    columns = ("kind", "publisher", "republisher", pl.col("published_date").cast(pl.String))
    assert tables.articles.sort("ordinal").select(columns).rows() == [
        ("transcript", None, None, "2025-03-04"),
        ("summary", None, None, "2025-03-04"),
        ("article", "Harbour Post", None, None),
    ]
