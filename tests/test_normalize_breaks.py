"""Breaks that a scraper lost or added, captions inside sentences, and blocks."""

import pytest

from flows.normalize.profiles import Profile
from flows.normalize.rules import Rule
from tests.normalize_pages import normalized, texts_with

HEAD = "The ferry is late again today\n\nBy Ada Quill\n\n"
FIRST = "The ferry of Port Almond was late again on Friday, and nobody in the queue was surprised."
LAST = "The company said that it would look into the matter, as it had said in the years before."


def body_of(text: str) -> list[str]:
    return texts_with("body", f"{HEAD}{FIRST}\n\n{text}\n\n{LAST}")[1:-1]


@pytest.mark.parametrize(
    ("glued", "pieces"),
    [
        ("It was late, she said.The next one was too.", ["It was late, she said.", "The next one was too."]),
        ("“It was late.”The next one was too.", ["“It was late.”", "The next one was too."]),
        ("“It was late.”“So was mine,” he said.", ["“It was late.”", "“So was mine,” he said."]),
        ("It came in 2024.The next one did not.", ["It came in 2024.", "The next one did not."]),
    ],
)
def test_two_glued_paragraphs_are_two_passages(glued: str, pieces: list[str]):
    assert body_of(glued) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "The U.S.Army bought a ferry from the company Node.Js in the spring of that year.",
        "He reads Example.Com every day. Then he waits for the ferry. Nobody knows why.",
        "See https://ferry.example/late.The-next for the table of all late arrivals.",
        "The version 2.0 of the ferry is e.g. not late, as Dr. A. Quill has found.",
    ],
)
def test_a_full_stop_inside_a_name_ends_no_paragraph(text: str):
    assert body_of(text) == [text]


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("The money came from the company Z.\n\nai has said so.", "The money came from the company Z.ai has said so."),
        ("“It was late,” she said, “and wet.\n\n”", "“It was late,” she said, “and wet.”"),
        (
            "The captain said that he had never in his life seen\n\nsuch a queue on a Friday.",
            "The captain said that he had never in his life seen such a queue on a Friday.",
        ),
    ],
)
def test_a_break_inside_a_sentence_is_healed_and_offsets_stay(broken: str, whole: str):
    text = f"{HEAD}{FIRST}\n\n{broken}\n\n{LAST}"
    passages = normalized(text).passages

    assert passages["text"].to_list()[2:] == [FIRST, whole, LAST]
    row = passages.row(3, named=True)
    assert text[row["char_start"] :][: row["char_count"]] == broken


def test_lines_wrapped_at_a_width_are_one_paragraph():
    lines = [
        "The ferry of Port Almond was late again on Friday, and nobody in the",
        "queue was surprised. Captain Joss Arden blamed the fog, which had not",
        "been seen by anybody else, and Mayor Ada Quill blamed the captain for",
        "blaming the fog.",
    ]

    assert texts_with("body", "\n".join(lines) + f"\n\n{LAST}") == [" ".join(lines), LAST]


def test_short_lines_of_different_length_are_not_joined():
    verse = ["The ferry waits,", "The captain has no hurry and no map,", "The fog is thick,", "And we are late."]

    assert body_of("\n".join(verse)) == verse


@pytest.mark.parametrize(
    "caption",
    [
        "The ferry in the fog [Mo Fan/Reuters]",
        "The ferry in the fog. (Photo by Mo Fan)",
        "The ferry in the fog, Port Almond, May 3, 2025. Photo: Mo Fan",
        "Image source, Getty Images",
        "Image caption, The ferry in the fog",
        "The ferry in the fog | Mo Fan/Getty Images",
        "Die Fähre im Nebel. Foto: Mo Fan",
    ],
)
def test_a_caption_is_cut(caption: str):
    assert texts_with("caption", f"{HEAD}{FIRST}\n\n{caption}\n\n{LAST}") == [caption]
    assert body_of(caption) == []


def test_a_caption_glued_to_the_paragraph_after_it_is_cut_out():
    glued = "The ferry in the fog at the pier of Port Almond [Mo Fan/Reuters]The captain blames the fog for everything."

    assert body_of(glued) == ["The captain blames the fog for everything."]


@pytest.mark.parametrize(
    "line",
    ["Read more: The ferry is late", "Related: The ferry is late", "Lire aussi : Le bac est en retard"],
)
def test_a_line_with_one_link_leaves_the_heading_below_it_alone(line: str):
    assert body_of(f"{line}\n\nA question of fog\n\nThe captain blames the fog.") == [
        "A question of fog",
        "The captain blames the fog.",
    ]


def test_links_below_a_heading_are_cut_up_to_the_first_sentence():
    links = texts_with("related_links", f"{HEAD}{FIRST}\n\nRead more\nThe ferry is late\nWhose fog is it?\n\n{LAST}")

    assert links == ["Read more", "The ferry is late", "Whose fog is it?"]


LISTED = Profile(
    id="fogbound",
    name="The Fogbound",
    detect=("^The Fogbound$",),
    rules=(Rule(role="related_links", pattern="^On other piers$", until="^end of piers$"),),
)


def test_a_block_ends_where_its_profile_says():
    links = "On other piers\nThe ferry is late.\nend of piers"
    text = f"The Fogbound\n\n{HEAD}{FIRST}\n\n{links}\n\nA question of fog\n\n{LAST}"

    assert texts_with("related_links", text, (LISTED,)) == ["On other piers", "The ferry is late.", "end of piers"]
    assert texts_with("body", text, (LISTED,)) == [FIRST, "A question of fog", LAST]


def test_a_block_without_an_end_is_its_first_line_alone():
    text = f"The Fogbound\n\n{HEAD}{FIRST}\n\nOn other piers\n{LAST}\n\nOn other piers\n{LAST}"

    assert texts_with("body", text, (LISTED,)) == [FIRST, LAST, LAST]
