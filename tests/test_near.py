"""near_duplicates and clusters as a library: any documents with ids, in any order."""

import random
import signal
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.compiled import compiled, kernel
from flows.deduplicate import kernels
from flows.deduplicate.forms import mark_slots
from flows.deduplicate.furniture import template_lines, with_teasers
from flows.deduplicate.near import NAMED_EDGE_SCHEMA, clusters, near_duplicates
from flows.deduplicate.verdict import Verdict
from flows.deduplicate.wordstore import words_of_batches
from flows.settings import Settings

SYLLABLES = "ba dor fen gil hast kem lor mun nev ost pra quil ros sten tav ulm vek wyn yar zed".split()  # noqa: SIM905
NAMES = "Arlen Bexmoor Corvale Dunfrith Esterby Fallow Hollin Ivesham Jarrow Kelmont Lorne Mardale".split()  # noqa: SIM905


def prose(seed: int, count: int) -> list[str]:
    """Made-up words, with a name now and then, in sentences of twelve words."""
    pick = random.Random(seed)
    words = ["".join(pick.choices(SYLLABLES, k=pick.randint(1, 3))) for _ in range(count)]
    for at in range(5, count, 17):
        words[at] = pick.choice(NAMES)
    for at in range(11, count, 12):
        words[at] += "."
        if at + 1 < count:
            words[at + 1] = words[at + 1].capitalize()
    return words


def text_of(words: list[str], per_line: int = 48) -> str:
    return "\n\n".join(" ".join(words[at : at + per_line]) for at in range(0, len(words), per_line))


def edited(words: list[str], share: float, seed: int) -> list[str]:
    pick = random.Random(seed)
    other = prose(seed + 5_000, len(words))
    return [other[at].lower() if pick.random() < share else word for at, word in enumerate(words)]


def found(texts: dict[str, str], settings: Settings | None = None) -> pl.DataFrame:
    edges = near_duplicates(pl.DataFrame({"id": texts.keys(), "text": texts.values()}), settings)
    assert edges.schema == NAMED_EDGE_SCHEMA
    assert edges.equals(edges.sort("a_id", "b_id"))
    assert (edges["a_id"] < edges["b_id"]).all()
    return edges


def kinds(texts: dict[str, str]) -> dict[tuple[str, str], str]:
    return {(a, b): kind for a, b, kind in found(texts).select("a_id", "b_id", "kind").iter_rows()}


STORY = prose(1, 300)
COPIES: dict[str, Callable[[], str]] = {
    "light": lambda: text_of(edited(STORY, 0.04, 2)),
    "heavy": lambda: text_of(edited(STORY, 0.2, 3)),
    "updated": lambda: text_of(STORY[:96] + prose(4, 48) + STORY[96:]),
    "moved": lambda: text_of(STORY[:48] + STORY[144:] + STORY[48:144]),
}


@pytest.mark.parametrize("change", COPIES)
def test_an_edited_copy_is_a_near_duplicate(change: str) -> None:
    assert kinds({"a": text_of(STORY), "b": COPIES[change]()}) == {("a", "b"): "near_duplicate_of"}


def test_a_copy_with_every_third_word_replaced_is_found_all_over() -> None:
    edges = found({"a": text_of(STORY), "b": text_of(edited(STORY, 0.33, 5))})
    assert edges["kind"].to_list() == ["near_duplicate_of"]
    assert edges["score"].item() > 0.6


def test_a_copy_edited_all_through_may_have_a_passage_of_its_own() -> None:
    rewritten = STORY[:70] + prose(61, 60) + STORY[130:]
    assert kinds({"a": text_of(STORY), "b": text_of(edited(rewritten, 0.3, 15))}) == {("a", "b"): "near_duplicate_of"}
    # With as much in common, but all of it in two passages, they are two stories.
    one, other = (STORY[:60] + prose(seed, 100) + STORY[60:120] for seed in (16, 17))
    assert kinds({"a": text_of(one), "b": text_of(other)}) == {}


def test_a_truncated_copy_is_a_part_and_has_the_higher_coverage() -> None:
    edges = found({"a": text_of(STORY[:150]), "b": text_of(STORY)})
    assert edges["kind"].to_list() == ["contains"]
    assert edges["a_coverage"].item() == 1
    assert edges["b_coverage"].item() == pytest.approx(0.5)
    assert edges["score"].item() == edges["a_coverage"].item()


def test_equal_texts_are_linked_to_the_first_and_case_and_marks_do_not_count() -> None:
    text = text_of(STORY)
    shouted = text.upper().replace("\n\n", " — ")
    assert kinds({"b": text, "c": shouted, "a": text}) == {("a", "b"): "duplicate_of", ("a", "c"): "duplicate_of"}


def test_other_stories_are_no_copies_and_a_quotation_makes_none() -> None:
    other, third = prose(7, 300), prose(8, 300)
    quoting = third[:100] + STORY[50:110] + third[100:]
    assert kinds({"a": text_of(STORY), "b": text_of(other), "c": text_of(quoting)}) == {}


def outlets(count: int, stories: int) -> dict[str, str]:
    """Outlets whose pages have more words of their own than of the story; each prints other stories."""
    pages = {}
    for outlet in range(count):
        header, footer = text_of(prose(900 + outlet, 40), 8), text_of(prose(950 + outlet, 60), 20)
        for number in range(stories):
            body = text_of(prose(outlet * 100 + number, 90), 30)
            pages[f"{outlet}-{number}"] = f"{header}\n{body}\n{footer}"
    return pages


def test_the_template_of_an_outlet_that_nobody_names_joins_no_stories() -> None:
    assert kinds(outlets(3, 8)) == {}


def test_a_long_footer_whose_headlines_change_from_page_to_page_joins_no_stories() -> None:
    notices = [" ".join(prose(800 + line, 30)) for line in range(11)]

    def page(number: int) -> str:
        headlines = [f"{line}. {' '.join(prose(number * 10 + line, 8))}" for line in range(12)]
        footer = [line for both in zip(headlines, [*notices, ""], strict=True) for line in both]
        return "\n".join([text_of(prose(2_000 + number, 200)), *footer])

    pages = {f"p{number:02d}": page(number) for number in range(20)}
    pages["reprint"] = text_of(prose(2_007, 200)) + "\n" + text_of(prose(3_000, 60))
    assert set(kinds(pages)) == {("p07", "reprint")}


def stamped(outlet: int, seed: int, story: list[str]) -> str:
    """A story between a date, an author and a number of readers, as each of an outlet's pages has others of."""
    pick = random.Random(seed)
    date = f"Updated {pick.randint(1, 28)} {pick.choice(['March', 'April', 'May'])} 2021, {pick.randint(10, 23)}:41"
    author = f"reported by {pick.choice(NAMES)} {pick.choice(NAMES)}"
    readers = f"{pick.randint(100, 9_000)} readers of {['dawn', 'dusk'][outlet]}"
    return "\n".join([date, author, text_of(story), readers])


def test_dates_authors_and_counts_around_a_short_story_are_the_pages() -> None:
    stories = [[word.lower() for word in prose(4_000 + number, 36)] for number in range(30)]
    pages = {f"a{number:02d}": stamped(0, number, story) for number, story in enumerate(stories)}
    pages |= {f"b{number:02d}": stamped(1, 100 + number, story) for number, story in enumerate(stories)}
    assert set(kinds(pages)) == {(f"a{number:02d}", f"b{number:02d}") for number in range(30)}


def test_names_and_figures_on_short_lines_within_a_story_are_its_own() -> None:
    def page(number: int) -> str:
        # Hard-wrapped: what the last lines of paragraphs say recurs but for a name and a figure.
        paragraphs = [text_of(prose(4_100 + 10 * number + at, 22), 11) for at in range(3)]
        return f"\nsaid {NAMES[number]} of {number + 20} years.\n".join(paragraphs)

    store = words_of_batches(iter([pl.Series([page(number) for number in range(12)])]), memory_bytes=10**9)
    lines = template_lines(store, np.arange(12), lambda a, _: np.zeros(len(a), np.int64))
    assert not lines.is_template.any()


def test_copies_of_a_short_story_on_long_pages_without_a_header_keep_it() -> None:
    footers = [text_of(prose(4_300 + outlet, 150), 20) for outlet in range(7)]
    shared = [prose(4_400 + number, 60) for number in range(4)]
    pages: dict[str, str] = {}
    for outlet, footer in enumerate(footers):
        stories = [*shared, *(prose(4_500 + 20 * outlet + number, 70) for number in range(14))]
        pages |= {f"{number:02d}-{outlet}": f"{text_of(story, 15)}\n{footer}" for number, story in enumerate(stories)}
    groups = clusters(found(pages)).group_by("cluster_id").agg("id")
    of_story = [{name[:2] for name in names} for names in groups["id"]]
    assert sorted(map(len, groups["id"])) == [7] * 4
    assert sorted(of_story, key=min) == [{"00"}, {"01"}, {"02"}, {"03"}]


def test_a_long_footer_below_short_stories_joins_none_of_them() -> None:
    notices = text_of(prose(4_600, 150), 30)
    pages = {}
    for number in range(20):
        # What stands below it is another headline on every page, so that no two pages end alike.
        headlines = text_of(prose(4_620 + number, 16), 8)
        pages[f"{number:02d}"] = f"{text_of(prose(4_650 + number, 50), 12)}\n{notices}\n{headlines}"
    pages["copy"] = text_of(prose(4_650, 50))
    assert set(kinds(pages)) == {("00", "copy")}


def wires(outlet_count: int, story_count: int, words: int) -> dict[str, str]:
    """Outlets that print the same stories, each between a header and a footer of its own."""
    pages: dict[str, str] = {}
    for outlet in range(outlet_count):
        header, footer = (text_of(prose(seed + outlet, 80), 40) for seed in (4_700, 4_800))
        for number in range(story_count):
            story = text_of(prose(4_900 + number, words), 30)
            pages[f"{number:02d}-{outlet:02d}"] = f"{header}\n{story}\n{footer}"
    return pages


@pytest.mark.parametrize(("outlet_count", "story_count", "words"), [(12, 14, 120), (30, 6, 60)])
def test_wire_stories_are_told_from_pages_that_print_nothing_else(
    outlet_count: int, story_count: int, words: int
) -> None:
    groups = clusters(found(wires(outlet_count, story_count, words))).group_by("cluster_id")
    of_story = groups.agg(pl.col("id").str.slice(0, 2).unique())["id"].to_list()
    assert sorted(of_story) == [[f"{number:02d}"] for number in range(story_count)]


def test_a_story_in_another_outlets_template_is_a_copy_all_of_it() -> None:
    pages = outlets(3, 8)
    story = text_of(prose(3, 90), 30)  # what the outlet 0 prints as its number 3
    pages["copy"] = pages["1-0"].replace(text_of(prose(100, 90), 30), story)
    edges = found(pages)
    assert edges.select("a_id", "b_id", "kind", "score").rows() == [("0-3", "copy", "near_duplicate_of", 1.0)]


def test_a_wire_story_keeps_its_lines_however_many_print_it() -> None:
    pages = {f"w{number:03d}": text_of(edited(STORY, 0.02, 100 + number)) for number in range(150)}
    groups = clusters(found(pages))
    assert groups.height == 150
    assert groups["cluster_id"].n_unique() == 1


def form(seed: int) -> str:
    """A weather report: the same words, other places and figures."""
    pick = random.Random(seed)
    report = []
    for at in range(6):
        report.append(
            f"For {pick.choice(NAMES)} the service expects a high of {pick.randint(-9, 39)} degrees with winds of "
            f"{pick.randint(2, 99)} knots from the coast, and {pick.randint(1, 60)} mm of rain until {at + 1} o'clock."
        )
    return "\n".join(report)


def copies_that_go_on(headline: int, added: int) -> dict[str, str]:
    """Eight copies of one story, each with a headline and a last paragraph of its own of so many words."""
    story = text_of(prose(41, 400))
    return {
        f"copy {number}": "\n".join(
            [text_of(prose(3_000 + number, headline)), story, text_of(prose(3_100 + number, added))]
        )
        for number in range(8)
    }


@pytest.mark.parametrize(("headline", "added"), [(0, 14), (0, 38), (12, 24), (5, 70)])
def test_copies_that_each_add_a_last_paragraph_have_no_template(headline: int, added: int) -> None:
    assert len(kinds(copies_that_go_on(headline, added))) == 28


@pytest.mark.parametrize("words", [40, 100])
@pytest.mark.parametrize("around", [200, 400])
def test_notices_on_long_pages_of_one_outlet_stay_apart(words: int, around: int) -> None:
    menu, footer = text_of([word.title() for word in prose(42, around)], 3), text_of(prose(43, around), 30)
    notices = [text_of(prose(700 + number, words), 30) for number in range(12)]
    for page in ("{menu}\n{notice}", "{notice}\n{footer}", "{menu}\n{notice}\n{footer}"):
        pages = {f"{n:02}": page.format(menu=menu, notice=notice, footer=footer) for n, notice in enumerate(notices)}
        assert kinds(pages) == {}


MENU, BOX, BLURB, RIGHTS = (
    text_of(prose(seed, words), words) for seed, words in ((46, 40), (47, 60), (48, 90), (49, 40))
)


def boxed_page(number: int, rights: str, words: int = 24) -> str:
    """A short story of its own, three times so many words, around a box that stands now here, now there."""
    parts = [text_of(prose(5_000 + 10 * number + part, words + number % 12)) for part in range(3)]
    parts.insert(1 + number % 2, BOX)
    return "\n".join([MENU, *parts, BLURB, rights])


@pytest.mark.parametrize("words", [16, 24])
def test_short_stories_around_a_box_and_above_a_dated_foot_stay_apart(words: int) -> None:
    rights = [f"© {year} {RIGHTS}" for year in range(2_020, 2_024)]
    assert kinds({f"{number:02}": boxed_page(number, rights[number % 4], words) for number in range(24)}) == {}


def test_the_few_stories_of_an_outlet_that_prints_a_form_every_day_stay_apart() -> None:
    stories = {f"s{number:02}": boxed_page(number, RIGHTS) for number in range(16)}
    reports = {
        f"r{number:03}": "\n".join([MENU, *form(number).split("\n")[:3], BOX, BLURB, RIGHTS]) for number in range(100)
    }
    assert kinds(stories | reports) == {}


def test_a_form_that_is_filled_in_again_is_another_text_and_its_reprint_a_copy() -> None:
    reports = {f"r{seed:02d}": form(seed) for seed in range(20)}
    reports["reprint"] = form(7) + "\nReported by the valley station and its many patient volunteers."
    assert set(kinds(reports)) == {("r07", "reprint")}


def made_up_name(pick: random.Random) -> str:
    return "".join(pick.choices(SYLLABLES, k=2)).capitalize()


def police_notice(seed: int, headline: int) -> str:
    """Little stands between one slot and the next, below a headline of its own of so many words."""
    pick = random.Random(seed)
    places = [made_up_name(pick) for _ in range(5)]
    return (
        f"{' '.join(prose(seed + 6_000, headline))}\nPolice in {places[0]} arrested a {pick.randint(20, 90)}-year-old "
        f"man on {places[1]} after a theft on {places[2]} Street. {places[3]} {places[4]} was charged with it and "
        f"released on ${pick.randint(10, 90)},000 bail. {' '.join(prose(76, 50))} Anyone with information is asked to "
        f"call {pick.randint(100, 999)}-{pick.randint(1_000, 9_999)}."
    )


@pytest.mark.parametrize("more", [0, 12, 24])
def test_slots_with_a_word_or_two_between_them_are_those_of_a_form(more: int) -> None:
    assert kinds({f"n{seed}": police_notice(seed, 25 + more * (seed % 2)) for seed in range(3)}) == {}


def test_the_dates_and_names_around_a_long_story_make_no_form_of_it() -> None:
    story, title = " ".join(prose(79, 600)), " ".join(prose(81, 10))

    def page(day: int) -> str:
        pick = random.Random(day)
        names = [made_up_name(pick) for _ in range(7)]
        return "\n".join(
            [
                f"{names[0]}, {names[1]} {day}, 2021",
                title,
                f"{names[2]} {names[3]} | {pick.randint(100, 900)} shares",
                "Read this story aloud",
                f"{names[4]}, {names[1]} {day} ({names[5]} {names[6]}) - {story}",
            ]
        )

    assert set(kinds({"a": page(4), "b": page(17)})) == {("a", "b")}


def test_a_notice_with_a_figure_that_is_printed_every_day_is_a_form() -> None:
    words = " ".join(prose(60, 30)).lower()
    notices = {
        f"n{number:02d}": f"{words} {number * 7} degrees in the shade of the old town hall" for number in range(9)
    }
    assert kinds(notices) == {}


def dial(number: int, every: int = 9) -> str:
    """A notice whose slots hold no name, no figure and no capital."""
    pick = random.Random(number)
    fixed = [word.lower().rstrip(".") for word in prose(70, 90)]
    for at in range(4, 90, every):
        fixed[at] = "".join(pick.choices(SYLLABLES, k=3))
    return " ".join(fixed)


def test_a_form_is_known_by_where_its_fillings_differ_whatever_stands_there() -> None:
    fillings = {f"f{number:02d}": dial(number) for number in range(12)}
    fillings["reprint"] = " ".join(edited(fillings["f07"].split(), 0.02, 71))
    assert set(kinds(fillings)) == {("f07", "reprint")}


def appeal(seed: int, *, is_other_office: bool) -> str:
    """A police notice as one of two offices words it."""
    pick = random.Random(seed)
    choose = (lambda _, other: other) if is_other_office else (lambda one, _: one)
    town, street, owner, officer = (f"{pick.choice(NAMES)}{pick.choice(SYLLABLES)}" for _ in range(4))
    return (
        f"{choose('Police of', 'Officers from')} {town} are looking for people who saw a {choose('burglary', 'theft')} "
        f"near the Fallow Bridge {choose('on', 'in the night of')} {pick.randint(1, 30)} {choose('May', 'June')}. The "
        f"{choose('call came at', 'station heard of it before')} {pick.randint(1, 12)}.{pick.randint(10, 59)} "
        f"{choose('from', 'when a neighbour rang in')} {street} Street at the corner of Corvale Road, where "
        f"{choose('a door of number', 'the door of')} {pick.randint(2, 99)} {choose('stood open', 'seemed to move')}. "
        f"The owner of the house was not {choose('at home', 'there')} when it happened; "
        f"{choose('she,', 'the woman,')} {owner}, {choose('aged', 'who is')} {pick.randint(20, 80)}, "
        f"{choose('puts it at', 'says that it was worth')} {pick.randint(100, 9_999)} {choose('pounds', 'euros')}. "
        f"{choose('Please call', 'Ring')} the station in the Jarrow {choose('market', 'town')} square "
        f"{choose('on', 'at number')} {pick.randint(100_000, 999_999)} {choose('with the reference', 'and say')} "
        f"{pick.randint(1_000, 9_999)}. The North Coast Police are grateful for {choose('any', 'your')} help, "
        f"{choose('said', 'we hear from')} {officer}."
    )


def test_two_forms_of_one_kind_are_no_edited_copies_of_one_another() -> None:
    notices = {f"{number:02d}": appeal(number, is_other_office=number % 2 == 1) for number in range(16)}
    assert kinds(notices) == {}


def test_a_single_place_of_a_form_tells_fillings_of_two_forms_from_edited_copies() -> None:
    def tells_one_story(variable: int) -> bool:
        measures = np.zeros((1, kernels.MEASURES), np.int32)
        measures[0, [kernels.A_COVERED, kernels.B_COVERED]] = 44
        measures[0, [kernels.A_UNMATCHED, kernels.B_UNMATCHED]] = 24
        measures[0, [kernels.SAME_SLOTS, kernels.OTHER_SLOTS, kernels.OTHER_VARIABLE]] = 1, 4, variable
        measures[0, [kernels.OTHER_WORDS, kernels.OTHER_PLACES]] = 52, 13
        measures[0, [kernels.SHARED_GRAMS, kernels.ALL_GRAMS]] = 10, 220
        words = np.full(1, 104)
        verdict = Verdict.of(measures, words, words, words, words, words * 0, np.ones(1, np.bool_), Settings())
        return bool(verdict.tells_one_story[0])

    assert tells_one_story(variable=0)
    assert not tells_one_story(variable=2)


def test_fillings_of_known_forms_most_of_whose_slots_differ_are_two_notices() -> None:
    def is_form(slots: int, same_slots: int, places: int) -> bool:
        measures = np.zeros((1, kernels.MEASURES), np.int32)
        measures[0, [kernels.A_COVERED, kernels.B_COVERED]] = 60
        measures[0, [kernels.A_UNMATCHED, kernels.B_UNMATCHED]] = 18
        measures[0, [kernels.SAME_SLOTS, kernels.OTHER_SLOTS]] = same_slots, slots
        measures[0, [kernels.SAME_VARIABLE, kernels.OTHER_VARIABLE]] = 4, 4
        measures[0, [kernels.OTHER_WORDS, kernels.OTHER_PLACES]] = 40, places
        measures[0, [kernels.SHARED_GRAMS, kernels.ALL_GRAMS]] = 10, 240
        words = np.full(1, 120)
        verdict = Verdict.of(measures, words, words, words, words, words * 0, np.ones(1, np.bool_), Settings())
        return bool(verdict.is_form[0])

    assert is_form(slots=6, same_slots=5, places=20)
    assert not is_form(slots=5, same_slots=6, places=20)
    assert not is_form(slots=6, same_slots=5, places=24)  # the words differ nearly as much


def test_two_tables_of_rates_are_two_notices_below_the_same_remark() -> None:
    codes = [f"{name[:3].upper()}" for name in NAMES]

    def rates(seed: int) -> str:
        pick = random.Random(seed)
        table = " ".join(f"{code} {pick.randint(2, 200)}.{pick.randint(1_000, 9_999)}" for code in codes[:9])
        return f"Exchange rates of the day: {table}. {text_of(prose(5_000, 55), 55)}"

    assert kinds({"a": rates(1), "b": rates(2)}) == {}


def test_two_fillings_are_two_notices_whatever_stands_between_their_lines() -> None:
    def page(seed: int) -> str:
        lines = form(seed).replace("For ", "Until further notice, as the office in Gillham writes, for ").split("\n")
        return "\n".join(part for at, line in enumerate(lines) for part in (line, " ".join(prose(seed * 10 + at, 12))))

    assert kinds({"a": page(1), "b": page(2)}) == {}


def test_a_page_with_a_filling_is_no_copy_of_the_page_with_another_form() -> None:
    menu, notice, legal = (" ".join(prose(seed, 40)) for seed in (83, 84, 85))

    def page(story: str) -> str:
        return f"{menu} {story} {notice} {legal}"

    # Nearly all pages of this outlet are fillings of one form, so that its furniture is taken for the form's.
    pages = {f"f{number:02d}": page(dial(number, every=4)) for number in range(12)}
    other = " ".join(prose(86, 60))
    assert kinds({**pages, "other": page(other)}) == {}
    reprint = text_of(dial(7, every=4).split(), 30)
    assert set(kinds({**pages, "reprint": page(reprint)})) == {("f07", "reprint")}
    assert set(kinds({**pages, "cut": reprint[: len(reprint) // 2]})) == {("cut", "f07")}


def test_an_edit_may_hit_some_slots_of_a_form_if_it_hits_other_words_too() -> None:
    fillings = {f"f{number:02d}": dial(number, every=5) for number in range(60)}
    words = fillings["f07"].split()
    words[4], words[44], words[74] = "gantrel", "hoistem", "pennar"  # three of 18 slots
    assert kinds({**fillings, "other": " ".join(words)}) == {}
    words[21] = "quayside"
    assert set(kinds({**fillings, "reprint": " ".join(words)})) == {("f07", "reprint")}


def test_the_words_in_the_slots_of_a_form_are_marked() -> None:
    store = words_of_batches(iter([pl.Series([dial(number) for number in range(6)] + ["another text"])]), 10**9)
    hubs = np.array([0, 0, 0, 0, 0, 0, 6])
    slot_counts = mark_slots(store.words, store.starts[:-1], store.starts[1:], hubs, is_compiled=False)
    assert slot_counts.tolist() == [10] * 6 + [0]
    for text in range(6):
        marked = np.flatnonzero(store.words[store.starts[text] : store.starts[text + 1]] & 7 == kernels.VARIABLE)
        assert marked.tolist() == list(range(4, 90, 9))


def test_lines_around_some_copies_of_a_story_make_no_form_of_it() -> None:
    story = text_of(prose(87, 120))
    pages = [f"{story}\n{dial(number)}" if number in (0, 1, 6, 11, 16, 18) else story for number in range(21)]
    store = words_of_batches(iter([pl.Series(pages)]), 10**9)
    hubs = np.zeros(len(pages), np.int64)
    assert not mark_slots(store.words, store.starts[:-1], store.starts[1:], hubs, is_compiled=False).any()


def outlook(office: int, number: int) -> str:
    """A forecast whose figures stand amid the same words in all offices, and amid remarks that each makes every day."""
    pick = random.Random(office * 1_000 + number)
    one, other, last = (prose(90 + 3 * office + nth, 45) for nth in range(3))
    for remark in (one, other, last):
        for at in range(4, 45, 10):
            remark[at] = "".join(pick.choices(SYLLABLES, k=3))
    highs, lows, wind, gusts, rain, hour, minute = (pick.randint(1, 99) for _ in range(7))
    return (
        f"{' '.join(prose(6_000 + office * 1_000 + number, 45))}\n"
        f"The forecast for the day gives highs of {highs} degrees and lows of {lows} degrees in the shade, with "
        f"winds of {wind} knots from the north and gusts of {gusts} knots by noon. {' '.join(one)} "
        f"The chance of rain is {rain} per cent as of now. {' '.join(other)} "
        f"The sun will rise at {hour}.{minute} on the coast. {' '.join(last)}"
    )


def test_forecasts_of_other_offices_say_nothing_of_where_those_of_one_differ() -> None:
    forecasts = {f"{office}-{number:02d}": outlook(office, number) for office in range(3) for number in range(8)}
    assert kinds(forecasts) == {}


def test_edited_copies_with_datelines_and_bylines_of_their_own_are_no_form() -> None:
    pages = {}
    for number in range(12):
        pick = random.Random(number)
        around = f"Printed {pick.randint(1, 28)} May 2031 {pick.randint(1, 12)}:{pick.randint(10, 59)}\n"
        around += f"By {pick.choice(SYLLABLES).title()} {pick.choice(SYLLABLES).title()}, night desk\n"
        pages[f"p{number:02d}"] = around + text_of(edited(STORY, 0.05, 200 + number))
    groups = clusters(found(pages))
    assert groups.height == 12
    assert groups["cluster_id"].n_unique() == 1


def rate(number: int, slots: tuple[int, ...] = (9, 21, 40)) -> str:
    """A bank's daily notice of some sixty words, three of them figures."""
    pick = random.Random(number)
    words = text_of(prose(80, 56)).split()
    for at in slots:
        words[at] = str(pick.randint(1_000, 9_999))
    return " ".join(words)


def test_notices_that_are_alike_are_reported_where_a_form_has_few_fillings() -> None:
    few = {f"r{number:02d}": rate(number) for number in range(6)}
    assert len(kinds(few)) == 6 * 5 // 2
    many = {f"r{number:02d}": rate(number) for number in range(80)}
    assert kinds(many) == {}
    # With four figures less than half of all runs of five words is equal, and a reader calls them two notices.
    unlike = {f"r{number:02d}": rate(number, (9, 21, 30, 40)) for number in range(6)}
    assert kinds(unlike) == {}


def test_long_notices_with_a_dozen_other_figures_are_two_however_alike() -> None:
    words = text_of(prose(81, 260)).split()

    def notice(number: int, figures: int) -> str:
        pick = random.Random(number)
        filled = list(words)
        for slot in range(figures):
            filled[8 + 20 * slot] = str(pick.randint(1_000, 9_999))
        return " ".join(filled)

    # Of runs of five words 0.6 are common with a dozen figures, 0.7 with eight.
    assert kinds({f"n{number:02d}": notice(number, 12) for number in range(6)}) == {}
    assert len(kinds({f"n{number:02d}": notice(number, 8) for number in range(6)})) == 6 * 5 // 2


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40))
def test_runs_of_short_texts_are_counted_as_sets(one: list[int], other: list[int]) -> None:
    words = np.array([*one, *other], np.uint32) * 8 + kernels.PLAIN
    starts, ends = np.array([0, len(one)]), np.array([len(one), len(one) + len(other)])
    a, b = ({tuple(text[at : at + 5]) for at in range(len(text) - 4)} for text in (one, other))
    for is_compiled in (False, True):
        measures = np.zeros((1, kernels.MEASURES), np.int32)
        count = kernel(kernels.recount, is_compiled=is_compiled)
        count(words, starts, ends, np.array([0]), np.array([1]), measures)
        assert measures[0, [kernels.SHARED_GRAMS, kernels.ALL_GRAMS]].tolist() == [len(a & b), len(a | b)]


def test_one_figure_in_a_long_notice_is_a_correction_however_many_there_are() -> None:
    notices = {f"r{number:02d}": rate(number) for number in range(80)}
    words = notices["r33"].split()
    words[21] = "77"
    assert set(kinds({**notices, "s": " ".join(words)})) == {("r33", "s")}


def results(number: int) -> str:
    """A company's results: words that all such notices have, in a choice and an order of its own."""
    pick = random.Random(number)

    def figure() -> str:
        return pick.choice([f"{pick.randint(2, 99)} cents", f"{pick.randint(2, 99)}.{pick.randint(0, 9)} million"])

    lines = [f"{pick.choice(SYLLABLES)}{pick.choice(SYLLABLES)} corp".title() + " third quarter net"]
    for label in ("Share", "Net", "Sales", "Average shares", "Nine months share", "Net", "Sales"):
        if pick.random() < 0.8:
            lines.append(f"{label} {pick.choice(['profit', 'loss', ''])} {figure()} against {figure()}")
    if pick.random() < 0.5:
        lines.append(f"Note: net includes a gain of {figure()} from the sale of land")
    return "\n".join(lines)


def test_results_of_companies_share_their_vocabulary_and_are_no_copies() -> None:
    notices = {f"n{number:02d}": results(number) for number in range(40)}
    corrected = notices["n07"].replace("third", "fourth", 1)
    assert set(kinds({**notices, "s": corrected})) == {("n07", "s")}


def test_a_text_all_of_whose_names_are_others_is_no_correction() -> None:
    words = [word.lower().rstrip(".") for word in prose(110, 180)]
    one, other = list(words), list(words)
    for at in (40, 80, 120):
        one[at], other[at] = NAMES[at // 40], NAMES[-(at // 40)]
    assert kinds({"a": " ".join(one), "b": " ".join(other)}) == {}
    for at in (20, 100):
        one[at] = other[at] = NAMES[at // 20]
    assert len(kinds({"a": " ".join(one), "b": " ".join(other)})) == 1


def test_a_short_notice_with_another_last_word_is_a_copy() -> None:
    notice = text_of(prose(90, 18)).split()
    assert len(kinds({"a": " ".join(notice), "b": " ".join([*notice[:-1], "thursday"])})) == 1
    assert kinds({"a": " ".join(notice), "b": " ".join([*notice[:9], *prose(91, 9)])}) == {}


def test_an_outlets_own_headline_and_lede_make_no_other_story() -> None:
    one = text_of(prose(30, 60) + STORY[60:200])
    other = text_of(prose(31, 64) + STORY[60:230])
    assert kinds({"a": one, "b": other}) == {("a", "b"): "near_duplicate_of"}
    # With as much of its own as it shares it is one.
    assert kinds({"a": one, "b": text_of(prose(32, 260) + STORY[60:160])}) == {}


def test_a_story_cut_off_early_is_found_between_lines_of_the_outlets_own() -> None:
    long = prose(33, 600)
    cut = f"Thursday 4 June\nBy Hollin Lorne\n{text_of(long[:110])} ... Go on reading\nMore stories of the day"
    edges = found({"a": cut, "b": text_of(long)})
    assert edges.height == 1
    assert edges["a_coverage"].item() > 0.75


def test_a_stub_below_a_headline_and_a_byline_is_a_part_of_what_it_was_cut_from() -> None:
    long = prose(36, 400)
    head = "Seven go to sea in a sieve they did\nBy Hollin Lorne and Mardale Kelmont for the desk, 4 May 2031\nIVESHAM"
    stub = f"{head} - {' '.join(long[:34])} ... Go on reading"
    assert kinds({"a": stub, "b": text_of(long)}) == {("a", "b"): "near_duplicate_of"}
    # A brief that goes on otherwise, and one that only quotes from the middle, are stories of their own.
    assert kinds({"a": f"{head} - {' '.join(long[:34] + prose(37, 20))}", "b": text_of(long)}) == {}
    assert kinds({"a": f"{head} - {' '.join(long[150:184])}", "b": text_of(long)}) == {}
    whole = "Seven go to sea in a sieve they did\nPublished at 7:30\nBy the night desk\n" + text_of(long)
    assert kinds({"a": stub, "b": whole}) == {("a", "b"): "near_duplicate_of"}


def test_a_stub_above_the_headlines_of_other_stories_is_a_part_of_what_it_was_cut_from() -> None:
    stub = text_of(STORY[:80]) + "\n" + text_of(prose(71, 30), 10)
    assert set(kinds({"a": text_of(STORY), "b": stub})) == {("a", "b")}
    # One that goes on for longer tells something else.
    assert kinds({"a": text_of(STORY), "b": text_of(STORY[:60] + prose(72, 40))}) == {}


def pages_with_teasers(label: str = "") -> dict[str, str]:
    """Pages of one outlet with headlines of other stories below, and two copies of one story: whole and, there, cut."""

    def page(body: str, number: int) -> str:
        headlines = [" ".join(prose(4_000 + 10 * number + line, 10)).capitalize() for line in range(9)]
        headlines = [label.format(place) + headline for place, headline in enumerate(headlines, 1)]
        return "\n".join([body, "More from this section", *headlines, "Imprint and rights"])

    pages = {f"p{number}": page(text_of(prose(2_000 + number, 200)), number) for number in range(8)}
    return pages | {"whole": text_of(STORY), "stub": page(text_of(STORY[:70]), 9)}


@pytest.mark.parametrize("label", ["", "{}. ", "Next: ", "Watch live: "])
def test_headlines_of_other_stories_below_a_line_of_the_outlets_are_furniture(label: str) -> None:
    assert kinds(pages_with_teasers(label)) == {("stub", "whole"): "contains"}


def test_a_page_of_hardly_more_than_headlines_keeps_them() -> None:
    title, *headlines = (" ".join(prose(4_900 + line, 10)).capitalize() for line in range(10))
    contents = "\n".join([title, "More from this section", *headlines, "Imprint and rights"])
    pages = pages_with_teasers() | {"contents": contents, "reprint": "\n".join([title, *headlines])}
    assert ("contents", "reprint") in kinds(pages)


def test_short_lines_below_an_advertisement_are_the_storys_own() -> None:
    def page(number: int, last: int) -> list[str]:
        return [text_of(prose(2_000 + number, 120)), text_of([word.lower() for word in prose(number, 56)], last)]

    pages = {f"p{number}": "\n".join([*page(number, 8), "Imprint"]) for number in range(6)}
    interrupted = {f"q{number}": "\nAd\n".join(page(number, 8)) for number in range(6)}
    others = {f"r{number}": "\nAd\n".join(page(number, 56)) for number in range(10, 13)}
    edges = found(pages | interrupted | others)
    assert edges.select("a_id", "b_id").rows() == [(f"p{number}", f"q{number}") for number in range(6)]
    assert edges.select(pl.min_horizontal("a_coverage", "b_coverage").min()).item() == 1


def test_an_update_with_a_lede_of_its_own_may_be_twice_as_long() -> None:
    update = prose(38, 60) + STORY[60:180] + prose(39, 170) + STORY[180:] + prose(40, 170)
    assert kinds({"a": text_of(STORY), "b": text_of(update)}) == {("a", "b"): "near_duplicate_of"}
    # Background that two stories have in common is less than half of either.
    running = prose(41, 170) + STORY[60:180] + prose(42, 60)
    assert kinds({"a": text_of(STORY), "b": text_of(running)}) == {}


def test_an_update_may_bring_a_dozen_new_figures_and_another_filling_brings_more() -> None:
    words = [word.lower().rstrip(".") for word in prose(43, 560)]
    words[5::10] = [str(1_000 + at) for at in range(len(words[5::10]))]

    def refigured(every: int) -> str:
        changed = list(words)
        changed[5 :: 10 * every] = [str(7_000 + at) for at in range(len(words[5 :: 10 * every]))]
        return " ".join(changed[:280] + prose(44, 40) + changed[280:])

    assert kinds({"a": " ".join(words), "b": refigured(5)}) == {("a", "b"): "near_duplicate_of"}
    assert kinds({"a": " ".join(words), "b": refigured(2)}) == {}


def test_a_call_to_subscribe_behind_a_storys_last_words_is_no_part_of_it() -> None:
    call = "This story goes on for those who take the paper at home or on their way to work, and what they " + text_of(
        prose(45, 24)
    ).replace("\n", " ")
    pages = {f"s{number}": f"{text_of(prose(46 + number, 70))} and the {call}" for number in range(7)}
    assert set(kinds({**pages, "whole": text_of(prose(46, 300))})) == {("s0", "whole")}


def test_the_end_of_a_form_is_no_template_whatever_pages_print_it() -> None:
    ending = text_of(prose(49, 14)).lower()
    pages = {}

    def page(outlet: int, body: str) -> str:
        return f"{text_of(prose(900 + outlet, 60), 8)}\n{body}\n{text_of(prose(950 + outlet, 60), 20)}"

    def notice(number: int) -> str:
        pick = random.Random(number)
        figures = " ".join(f"{pick.choice(NAMES)} {pick.randint(100, 9_999)}" for _ in range(6))
        return f"As measured at noon {figures} and so {ending}"

    for number in range(24):
        pages[f"n{number:02d}"] = page(number % 4, notice(number))
        pages[f"s{number:02d}"] = page(number % 4, text_of(prose(600 + number, 120)))
    pages["reprint"] = page(1, notice(3))
    assert found(pages).select("a_id", "b_id", "score").rows() == [("n03", "reprint", 1.0)]


def test_pages_without_line_breaks_keep_their_templates_apart() -> None:
    pages = {name: " ".join(page.split()) for name, page in outlets(3, 8).items()}
    assert kinds(pages) == {}
    story = " ".join(text_of(prose(3, 90)).split())  # what the outlet 0 prints as its number 3
    other = " ".join(text_of(prose(100, 90)).split())
    pages["copy"] = pages["1-0"].replace(other, story)
    assert set(kinds(pages)) == {("0-3", "copy")}


def test_an_outlet_that_prints_one_form_most_of_the_time_has_a_template_still() -> None:
    header, footer = text_of(prose(901, 30), 8), text_of(prose(951, 90), 20)
    pages = {f"f{number:02d}": f"{header}\n{rate(number)[:160]}\n{footer}" for number in range(70)}
    pages |= {f"s{number:02d}": f"{header}\n{text_of(prose(960 + number, 150))}\n{footer}" for number in range(60)}
    stories = {name for pair in kinds(pages) for name in pair if name.startswith("s")}
    assert stories == set()


def test_the_lines_around_a_form_that_most_pages_fill_in_are_a_template() -> None:
    header, footer = text_of(prose(902, 40), 8), text_of(prose(952, 90), 20)
    pages = {f"f{number:03d}": f"{header}\n{dial(number)}\n{footer}" for number in range(190)}
    pages |= {f"s{number:02d}": f"{header}\n{text_of(prose(970 + number, 110))}\n{footer}" for number in range(45)}
    pages["copy"] = text_of(prose(970, 110)) + "\n" + text_of(prose(1, 80), 16)
    assert set(kinds(pages)) == {("copy", "s00")}


def test_variable_words_in_one_place_count_as_two() -> None:
    words = np.arange(60, dtype=np.uint32) * 8 + kernels.PLAIN
    other = words.copy()
    byline, slot, again = slice(10, 16), slice(30, 31), slice(45, 46)
    for place in (byline, slot, again):
        words[place] |= kernels.VARIABLE
        other[place] = words[place] + 8 * 1_000
    both, ends = np.concatenate([words, other]), np.array([60, 120])
    measures = np.zeros((1, kernels.MEASURES), np.int32)
    compare = kernel(kernels.compare, is_compiled=False)
    compare(both, ends - 60, ends, np.array([0]), np.array([1]), measures, kernels.NOWHERE, kernels.NO_VALUES)
    assert measures[0, kernels.OTHER_VARIABLE] == kernels.PLACE_VARIABLE + 2


def words_of_one_hash(pick: random.Random) -> tuple[list[int], list[int]]:
    """Two times four words that differ, and have one hash as 4-grams."""
    mix_a, mix_b = int(kernels.MIX_A), int(kernels.MIX_B)
    while True:
        numbers = [pick.randrange(2**28) << kernels.CLASS_BITS for _ in range(6)]
        one, two, other = (first | second << 32 for first, second in zip(numbers[::2], numbers[1::2], strict=True))
        wanted = (one * mix_a + (two - other) * mix_b) * pow(mix_a, -1, 2**64) % 2**64
        if not wanted & ~int(kernels.TWO_HASHES):
            return numbers[:4], [wanted & 0xFFFFFFFF, wanted >> 32, *numbers[4:]]


def test_other_words_with_the_hash_of_a_run_are_none_of_it() -> None:
    """Pages can be written so: what is aligned would come to no end."""
    pick = random.Random(1)
    ours, theirs = (np.array(four, np.uint32) for four in words_of_one_hash(pick))
    assert not set(ours) & set(theirs)
    grams = np.empty((2, 4), np.uint64)
    for words, out in zip((ours, theirs), grams, strict=True):
        kernel(kernels.grams_of, is_compiled=False)(words, out)
    assert grams[0, 0] == grams[1, 0]
    common, *others = (np.array([pick.randrange(2**28) << 3 for _ in range(20)], np.uint32) for _ in range(3))
    both = np.concatenate([common, ours, others[0], others[1], theirs, common])
    measures = np.zeros((1, kernels.MEASURES), np.int32)
    starts, ends = np.array([0, 44]), np.array([44, 88])
    compare = kernel(kernels.compare, is_compiled=False)
    signal.alarm(60)
    try:
        compare(both, starts, ends, np.array([0]), np.array([1]), measures, kernels.NOWHERE, kernels.NO_VALUES)
    finally:
        signal.alarm(0)
    assert measures[0, [kernels.A_COVERED, kernels.B_COVERED]].tolist() == [20, 20]


def test_a_story_about_somebody_else_in_the_same_words_is_no_copy() -> None:
    slots = {word: f"{word}{number}" for number, word in enumerate(NAMES)}
    one = [word if word not in NAMES else slots[word] for word in STORY]
    other = [word if word not in NAMES else f"Saint{slots[word]}" for word in STORY]
    assert kinds({"a": text_of(one), "b": text_of(other)}) == {}
    # Nor when the words are edited besides.
    reworded = [
        word if word.startswith("Saint") else edit for word, edit in zip(other, edited(one, 0.1, 12), strict=True)
    ]
    assert kinds({"a": text_of(one), "b": text_of(reworded)}) == {}
    assert kinds({"a": text_of(one), "b": text_of(edited(one, 0.06, 12))}) == {("a", "b"): "near_duplicate_of"}


def test_an_outlets_date_and_byline_do_not_hide_that_the_story_is_about_somebody_else() -> None:
    def page(words: list[str], number: int) -> str:
        pick = random.Random(number)
        around = " ".join(pick.choices(SYLLABLES, k=pick.randint(9, 14)))
        return f"Printed {number} March at {pick.randint(1, 12)} by {around}\n{text_of(words)}"

    slots = [at for at, word in enumerate(STORY) if word in NAMES]
    other = list(STORY)
    for at in slots[:12]:
        other[at] = f"Saint{STORY[at]}"
    assert kinds({"a": page(STORY, 1), "b": page(other, 2)}) == {}
    assert len(kinds({"a": page(STORY, 1), "b": page(edited(STORY, 0.06, 13), 2)})) == 1


@pytest.mark.parametrize(("step", "replaced", "around"), [(6, 8, 14), (9, 7, 14), (9, 8, 42)])
def test_half_of_the_names_are_another_story_under_a_headline_of_its_own(step: int, replaced: int, around: int) -> None:
    words = [word.lower() for word in prose(71, 120)]
    slots = range(10, 120, step)
    for at in slots:
        words[at] = f"{NAMES[at % 12]}{at}"
    other = list(words)
    for at in slots[-replaced:]:
        other[at] = f"Saint{at}"
    for at in (25, 53, 86, 104):
        other[at] = "else"
    one_headline, other_headline = (" ".join(prose(72 + more, around + more)).lower() for more in (0, 3))
    page = f"{one_headline}\n{text_of(words)}"
    assert kinds({"a": page, "b": f"{other_headline}\n{text_of(other)}"}) == {}
    assert len(kinds({"a": page, "b": f"{other_headline}\n{text_of(edited(words, 0.1, 74))}"})) == 1


def test_a_cluster_does_not_grow_through_a_chain() -> None:
    long = prose(20, 700)
    windows = {f"w{number}": text_of(long[number * 60 : number * 60 + 240]) for number in range(8)}
    edges = found(windows)
    groups = dict(clusters(edges).iter_rows())
    pairs = set(edges.select("a_id", "b_id").iter_rows())
    for member, hub in groups.items():
        assert member == hub or (min(member, hub), max(member, hub)) in pairs
    assert groups["w0"] != groups["w7"]


def test_a_column_of_news_in_brief_joins_none_of_its_stories() -> None:
    stories = [text_of(prose(seed, 60)) for seed in range(81, 85)]
    column = "\n".join(["News in brief", *stories])
    texts = {f"story {number}": story for number, story in enumerate(stories)} | {"column": column}
    assert kinds(texts) == {}
    assert kinds(texts | {"reprint": column + "\nMore tomorrow"}) == {("column", "reprint"): "near_duplicate_of"}
    # Any two parts of one story may be strange to one another: its beginning and its end are.
    cut = {"beginning": text_of(STORY[:140]), "end": text_of(STORY[170:]), "middle": text_of(STORY[90:210])}
    assert set(kinds({"whole": text_of(STORY)} | cut)) >= {(name, "whole") for name in cut}


def test_a_copy_of_several_copies_joins_their_cluster() -> None:
    hub = STORY[:200] + prose(40, 60)
    texts = {"hub": hub, "last": STORY[130:]}
    texts |= {f"end{number}": edited(hub[140:], 0.03, 41 + number) for number in range(5)}
    texts |= {f"whole{number}": edited(STORY, 0.03, 51 + number) for number in range(2)}
    edges = found({name: text_of(words) for name, words in texts.items()})
    assert set(clusters(edges)["cluster_id"]) == {"hub"}
    # Without their word for it, an end and a beginning are no copies.
    assert kinds({"hub": text_of(hub), "last": text_of(STORY[130:])}) == {}


def test_equal_texts_follow_their_first_member_into_its_cluster() -> None:
    texts = {"d": text_of(STORY), "c": text_of(STORY), "a": text_of(edited(STORY, 0.05, 21)), "e": text_of(STORY[:200])}
    groups = clusters(found(texts))
    assert groups["id"].to_list() == ["a", "c", "d", "e"]
    assert groups["cluster_id"].n_unique() == 1


def test_clusters_of_nothing() -> None:
    empty = clusters(near_duplicates(pl.DataFrame(schema={"id": pl.String, "text": pl.String})))
    assert empty.schema == {"id": pl.String, "cluster_id": pl.String}
    assert empty.is_empty()


# --- the same whatever the way ---


@pytest.fixture(scope="module")
def press() -> pl.DataFrame:
    """Enough text for compiled kernels, with copies of all kinds."""
    texts = outlets(4, 30)
    for number in range(60):
        story = prose(3_000 + number, 400)
        texts[f"s{number}"] = text_of(story)
        texts[f"s{number}e"] = text_of(edited(story, 0.1, number))
        texts[f"s{number}t"] = text_of(story[:250])
    frame = pl.DataFrame({"id": texts.keys(), "text": texts.values()})
    assert frame["text"].str.len_bytes().sum() > kernels.COMPILE_FROM_BYTES
    return frame


def test_all_copies_of_the_press_and_no_other(press: pl.DataFrame) -> None:
    groups = clusters(near_duplicates(press))
    stories = groups.with_columns(story=pl.col("id").str.extract(r"^(s\d+)"))
    assert stories.height == 180
    assert stories.group_by("cluster_id").agg(pl.col("story").n_unique())["story"].to_list() == [1] * 60


def test_compiled_and_plain_kernels_agree(press: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    few = press.filter(pl.col("id").str.contains(r"^s\d[et]?$|^0-\d$"))
    others = copies_that_go_on(12, 24) | pages_with_teasers()
    few = pl.concat([few, pl.DataFrame({"id": others.keys(), "text": others.values()})])
    plain = near_duplicates(few)
    monkeypatch.setattr("flows.deduplicate.wordstore.COMPILE_FROM_BYTES", 0)
    assert near_duplicates(few).equals(plain)
    assert not plain.is_empty()


def test_order_batches_threads_and_memory_change_nothing(press: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = near_duplicates(press)
    assert near_duplicates(press.reverse().lazy()).equals(expected)
    # Words go to a file, and 4-grams are worked through in many partitions.
    monkeypatch.setattr("flows.deduplicate.near._BATCH_ROWS", 17)
    monkeypatch.setattr("flows.deduplicate.wordstore.BATCH_BYTES", 30_000)
    monkeypatch.setattr("flows.deduplicate.kernels.thread_count", lambda: 5)
    monkeypatch.setattr("flows.deduplicate.wordstore.thread_count", lambda: 3)
    small = Settings.model_construct(**{**Settings().model_dump(), "deduplicate_memory_bytes": 40_000})
    assert near_duplicates(press.sample(fraction=1, shuffle=True, seed=3), small).equals(expected)


def test_lines_are_the_same_in_slices_of_any_size(press: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pl.concat([press["text"], pl.Series(pages_with_teasers().values())])

    def lines() -> list[list[object]]:
        store = words_of_batches(iter([texts]), 10**9)
        assert store.is_compiled
        found = template_lines(store, np.arange(len(texts)), lambda a, _: np.zeros(len(a), np.int64))
        told = with_teasers(store, found)
        assert told.is_template.sum() > found.is_template.sum() > 0
        return [array.tolist() for array in (*found, told.is_template)]

    expected = lines()
    monkeypatch.setattr("flows.deduplicate.furniture._PER_SLICE", 7)
    monkeypatch.setattr("flows.deduplicate.furniture._LINES_PER_SLICE", 11)
    monkeypatch.setattr("flows.deduplicate.furniture.thread_count", lambda: 3)
    assert lines() == expected


def test_pairs_are_aligned_the_same_way_round_in_any_order_of_reading() -> None:
    """An alignment may find more from one side: it must not be the order of reading that says from which."""
    line = "Read the harbour news every morning in the Gantry paper and on air"
    texts = [f"{line}\n{' '.join(random.Random(number).choices(SYLLABLES, k=90))}" for number in range(12)]
    asked = []
    for order in (range(12), reversed(range(12)), (5, 0, 11, 3, 8, 1, 10, 6, 2, 9, 4, 7)):
        ranks = np.array(list(order))
        met: set[tuple[int, int]] = set()

        def covered(
            a: npt.NDArray[np.int64],
            b: npt.NDArray[np.int64],
            ranks: npt.NDArray[np.int64] = ranks,
            met: set[tuple[int, int]] = met,
        ) -> npt.NDArray[np.int64]:
            met.update(zip(ranks[a].tolist(), ranks[b].tolist(), strict=True))
            return np.zeros(len(a), np.int64)

        store = words_of_batches(iter([pl.Series([texts[rank] for rank in ranks])]), memory_bytes=1_000_000)
        assert template_lines(store, ranks, covered).is_template.sum() >= 12
        asked.append(met)
    assert len(asked[0]) > 5
    assert asked[0] == asked[1] == asked[2]


def test_many_words_lie_in_a_file() -> None:
    store = words_of_batches(iter([pl.Series([text_of(STORY)] * 5)]), memory_bytes=100)
    assert isinstance(store.words, np.memmap)
    assert store.starts.tolist() == [0, 300, 600, 900, 1200, 1500]
    assert np.array_equal(store.words[:300], store.words[1200:])


def test_a_parquet_file_is_read_lazily(press: pl.DataFrame, tmp_path: Path) -> None:
    press.with_columns(publisher=pl.lit("Gantry")).write_parquet(tmp_path / "press.parquet")
    assert near_duplicates(pl.scan_parquet(tmp_path / "press.parquet")).equals(near_duplicates(press))


# --- whatever comes ---


def test_texts_without_words_are_compared_with_nothing() -> None:
    frame = pl.DataFrame({"id": ["a", "b", "c", "d", "e"], "text": ["", None, "Yes", "Yes", " … "]})
    assert near_duplicates(frame).is_empty()


@pytest.mark.parametrize("ids", [["a", "a"], ["a", None]])
def test_ids_that_name_no_document_are_refused(ids: list[str | None]) -> None:
    with pytest.raises(ValueError, match="id of its own"):
        near_duplicates(pl.DataFrame({"id": ids, "text": ["one", "two"]}))


@pytest.mark.parametrize(
    "text",
    [
        "港口管理局昨天宣布今年冬天将有十二艘新渡轮投入使用居民们表示欢迎但是担心票价上涨" * 2,
        "เมื่อวานนี้นายกเทศมนตรีประกาศว่าสะพานเก่าจะปิดตลอดฤดูหนาวและชาวบ้านขอเรือข้ามฟากใหม่",
        "ראש העיר הודיעה אתמול כי הגשר הישן ייסגר לתנועה למשך כל החורף והתושבים מבקשים מעבורת חדשה",
        "قالت رئيسة البلدية أمس إن الجسر القديم سيغلق طوال فصل الشتاء ويطلب السكان عبارة جديدة بدلا منه",
    ],
)
def test_any_script_is_compared(text: str) -> None:
    assert kinds({"a": text, "b": f"«{text}»", "c": text[::-1]}) == {("a", "b"): "duplicate_of"}


def test_width_and_composition_of_letters_do_not_count() -> None:
    composed = "Café Élan öffnet müde Türen " * 4
    decomposed = "Cafe\u0301 E\u0301lan o\u0308ffnet mu\u0308de Tu\u0308ren " * 4
    wide = "Ｃａｆé Élan öffnet müde Türen " * 4
    assert len(kinds({"a": composed, "b": decomposed, "c": wide})) == 2


@pytest.mark.parametrize(
    "other",
    [
        unicodedata.normalize("NFD", "がぎぐげござじずぜぞだぢづでど"),
        unicodedata.normalize("NFD", "ガギグゲゴザジズゼゾダヂヅデド"),
        "".join(map(chr, range(0xF900, 0xF910))),
        "".join(map(chr, range(0x2F800, 0x2F80C))),
    ],
)
def test_voicing_marks_of_kana_and_doubles_of_ideographs_do_not_count(other: str) -> None:
    composed = unicodedata.normalize("NFC", other)
    assert composed != other
    assert kinds({"a": composed, "b": other}) == {("a", "b"): "duplicate_of"}


def test_a_script_beyond_the_basic_plane_has_words_and_small_letters() -> None:
    pick = random.Random(1)
    words = ["".join(chr(0x1E922 + pick.randrange(34)) for _ in range(6)) for _ in range(40)]  # Adlam
    text = " ".join(words)
    other = " ".join(word[::-1] for word in words)
    assert kinds({"a": text, "b": text.upper(), "c": other}) == {("a", "b"): "duplicate_of"}
    assert kinds({"a": text, "b": " ".join(words[:30]), "c": other}) == {("a", "b"): "contains"}


def test_many_equal_texts_cost_a_line_each() -> None:
    count = 20_000
    frame = pl.DataFrame({"id": [f"{number:05d}" for number in range(count)], "text": [text_of(STORY[:60])] * count})
    edges = near_duplicates(frame)
    assert edges.height == count - 1
    assert edges["a_id"].unique().to_list() == ["00000"]


def test_one_word_a_million_times_and_a_text_of_one_line() -> None:
    again = "spam " * 1_000_000
    long = " ".join(prose(40, 200_000))
    edges = kinds({"a": again, "b": again + "spam", "c": long, "d": long[: len(long) // 2]})
    assert edges[("c", "d")] == "contains"


def test_an_archive_in_one_text_is_not_aligned_with_each_of_its_stories(monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [text_of(prose(7_000 + number, 90)) for number in range(400)]
    pages = {f"s{number:03d}": f"Dunfrith archive of all stories\n{story}" for number, story in enumerate(stories)}
    pages["all"] = "\n".join(f"Dunfrith archive of all stories\n{story}" for story in stories)
    aligned = []
    compare = kernel(kernels.compare, is_compiled=True)

    def counting(words, starts, ends, a_texts, b_texts, *others):
        aligned.extend((ends[a_texts] - starts[a_texts] + ends[b_texts] - starts[b_texts]).tolist())
        compare(words, starts, ends, a_texts, b_texts, *others)

    monkeypatch.setitem(compiled(kernels), "compare", counting)
    monkeypatch.setattr("flows.deduplicate.wordstore.COMPILE_FROM_BYTES", 0)
    assert kinds(pages) == {}
    assert max(aligned, default=0) < 1_000


@given(st.lists(st.text(max_size=200), max_size=6))
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_texts(values: list[str]) -> None:
    edges = found({str(number): value for number, value in enumerate(values)})
    for side in ("a_coverage", "b_coverage", "score"):
        assert edges[side].is_between(0, 1).all()
    groups = clusters(edges)
    assert set(groups["id"]) == {*edges["a_id"], *edges["b_id"]}


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(1, 9), st.integers(0, 12))
def test_what_stands_often_is_not_overlooked(values: list[int], least: int, bits: int) -> None:
    hashes = np.array(values, np.int64) * 0x1F123BB5
    may_be = np.empty(len(hashes), np.bool_)
    counts = np.zeros(1 << bits, np.uint8)
    kernel(kernels.count_places, is_compiled=False)(hashes, least, counts)
    kernel(kernels.tell_frequent, is_compiled=False)(hashes, least, counts, may_be)
    assert all(may_be[at] for at, value in enumerate(values) if values.count(value) >= least)
    if bits == 12:
        assert not any(may_be[at] for at, value in enumerate(values) if values.count(value) < least)


@given(st.lists(st.lists(st.integers(-1, 4), max_size=9), max_size=30), st.integers(1, 5), st.randoms())
def test_each_lines_texts_are_counted_and_its_lowest_ones_found(
    lines: list[list[int]], most: int, pick: random.Random
) -> None:
    numbers = np.array(pick.sample(range(1000), len(lines)), np.uint64)
    starts = np.cumsum([0, *map(len, lines)])
    lowest, counts = np.zeros((5, most), np.uint64), np.zeros(5, np.int64)
    of_texts = np.array([line for own in lines for line in own], np.int32)
    kernel(kernels.sample_texts, is_compiled=False)(of_texts, np.arange(len(lines)), starts, numbers, lowest, counts)
    for line in range(5):
        having = sorted(numbers[text] for text, own in enumerate(lines) if line in own)
        assert counts[line] == len(having)
        assert lowest[line, : len(having)].tolist() == having[:most]


@given(st.lists(st.lists(st.integers(-1, 4), max_size=9), min_size=1, max_size=9), st.randoms())
def test_words_of_lines_that_recur_and_of_common_ones_are_counted(lines: list[list[int]], pick: random.Random) -> None:
    numbers = np.array([line for own in lines for line in own], np.int32)
    starts = np.cumsum([0, *map(len, lines)])
    a, b = (np.array([pick.randrange(len(lines)) for _ in range(20)]) for _ in range(2))
    counts = in_a, in_b, in_both, amid, between = tuple(np.empty(20, np.int64) for _ in range(5))
    kernel(kernels.recurring_words, is_compiled=False)(
        numbers, numbers + 3, starts, a, b, np.full(5, -1, np.int64), *counts
    )

    def own_amid(text: int, both: set[int]) -> list[int]:
        own = lines[text]
        common = [at for at, line in enumerate(own) if line in both]
        return [line for line in own[common[0] : common[-1]] if line not in both] if common else []

    for at in range(20):
        one, other = ([line for line in lines[text] if line >= 0] for text in (a[at], b[at]))
        assert in_a[at] == sum(line + 3 for line in one)
        assert in_b[at] == sum(line + 3 for line in other)
        common = [sum(line + 3 for line in own if line in {*one} & {*other}) for own in (one, other)]
        assert in_both[at] == min(common)
        own = [own_amid(text, {*one} & {*other}) for text in (a[at], b[at])]
        assert amid[at] == min(2 * sum(line < 0 for line in lines) for lines in own)
        assert between[at] == min(sum(line + 3 for line in lines) for lines in own)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=40))
def test_equal_texts_of_one_form_have_one_first(texts: list[tuple[int, int, bool]]) -> None:
    hashes, forms = (np.array([text[side] for text in texts], np.int64) for side in (0, 1))
    asked = np.array([at for at, text in enumerate(texts) if text[2]], np.int64)
    firsts = np.empty(len(asked), np.int64)
    kernel(kernels.first_of_equal, is_compiled=False)(asked, hashes, forms, np.full(128, -1, np.int32), firsts)
    assert firsts.tolist() == [min(other for other in asked if texts[other] == texts[at]) for at in asked]
