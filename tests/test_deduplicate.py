"""The stage deduplicate, from tables to tables, on a made-up press."""

import datetime as dt
import hashlib
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.compiled import compiled, plain
from flows.deduplicate import restated_kernels
from flows.deduplicate.stage import Deduplicated, deduplicate, find_repeats, with_repeats
from flows.settings import Settings
from flows.text import joined_texts
from flows.validate.between import between_failures, keys_of
from schemas.columns import CONTENT_ROLES
from schemas.tables import TABLES

SYLLABLES = "ba dor fen gil hast kem lor mun nev ost pra quil ros sten tav ulm vek wyn yar zed".split()  # noqa: SIM905


def sentence(seed: int) -> str:
    """A sentence of 18 words that has hardly one in common with that of another seed; as English as Jabberwocky."""
    pick = random.Random(seed)
    return " ".join("".join(pick.choices(SYLLABLES, k=3)) for _ in range(18)).capitalize() + "."


def story(seed: int, count: int = 8) -> list[tuple[str, str]]:
    return [("body", sentence(seed * 100 + number)) for number in range(count)]


def article(source: str, passages: list[tuple[str, str]], **facts: Any) -> dict[str, Any]:
    return {"source": source, "passages": passages, **facts}


def tables(*articles: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables that normalize would hand on; articles of one source stand one after the other in it."""
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for given_facts in articles:
        facts = dict(given_facts)
        source_id = hashlib.sha256(facts.pop("source").encode()).hexdigest()[:16]
        of_source = [line for line in lines if line["source_id"] == source_id]
        part = len({line["article_id"] for line in of_source})
        article_id = f"{source_id}-{part:02d}"
        start = at = max((line["char_start"] + line["char_count"] + 2 for line in of_source), default=0)
        removed = facts.pop("removed", 0)
        for ordinal, (role, text) in enumerate(facts.pop("passages"), start=len(of_source)):
            is_content = role in CONTENT_ROLES
            lines.append(
                {
                    "passage_id": f"{source_id}-{ordinal:04d}",
                    "source_id": source_id,
                    "article_id": article_id,
                    "ordinal": ordinal,
                    "role": role,
                    "rule": "made_up",
                    "char_start": at,
                    "char_count": len(text) + removed,
                    "text": text,
                    "is_kept": is_content,
                    "drop_reason": None if is_content else role,
                }
            )
            at += len(text) + removed + 2
        row = {"kind": "article", "authors": [], "rights_policy": "unknown", **facts}
        row |= {"article_id": article_id, "source_id": source_id, "ordinal": part, "cluster_id": article_id}
        rows.append(row | {"char_start": start, "char_count": max(at - 2 - start, 1), "is_canonical": True})
    passages = pl.DataFrame(lines, schema=TABLES["passages"].dtypes)
    texts = joined_texts(passages)
    frame = (
        pl.DataFrame(rows, schema=TABLES["articles"].dtypes)
        .drop("text")
        .join(texts, on="article_id", how="left")
        .with_columns(pl.col("text").fill_null(""))
        .with_columns(unique_text="text", word_count=pl.col("text").str.count_matches(r"\S+").cast(pl.UInt32))
        .select(*TABLES["articles"].dtypes)
    )
    return frame, passages


def run(*articles: dict[str, Any]) -> Deduplicated:
    """Deduplicate made-up articles; every table must hold its contract."""
    result = deduplicate(*tables(*articles), Settings())
    for name in ("articles", "passages", "overlaps", "relations"):
        TABLES[name].model.validate(getattr(result, name))
    return result


def id_of(source: str, part: int = 0) -> str:
    return f"{hashlib.sha256(source.encode()).hexdigest()[:16]}-{part:02d}"


def related(result: Deduplicated, *kinds: str) -> set[tuple[str, str, str]]:
    rows = result.relations.select("from_article_id", "kind", "to_article_id").iter_rows()
    return {row for row in rows if not kinds or row[1] in kinds}


def shared(result: Deduplicated) -> set[tuple[str, str, str]]:
    """Overlaps as (kind, earlier text, later text), cut to what the offsets name."""
    at = {row["passage_id"]: row for row in result.passages.iter_rows(named=True)}

    def cut(row: dict[str, Any], side: str) -> str:
        passage = at[row[f"{side}_passage_id"]]
        start = row[f"{side}_char_start"] - passage["char_start"]
        assert start >= 0
        assert start + row[f"{side}_char_count"] <= passage["char_count"]
        return str(passage["text"][start:][: row[f"{side}_char_count"]])

    return {(row["kind"], cut(row, "a"), cut(row, "b")) for row in result.overlaps.iter_rows(named=True)}


def unique_text(result: Deduplicated, source: str, part: int = 0) -> str:
    return str(result.articles.filter(article_id=id_of(source, part))["unique_text"].item())


COPY_KINDS = ("duplicate_of", "near_duplicate_of", "contains")
JUNE, JULY = dt.date(2031, 6, 2), dt.date(2031, 7, 9)


# --- copies ---


def test_the_same_words_on_two_pages_are_a_duplicate_of_the_earlier() -> None:
    result = run(
        article("late", story(1), published_date=JULY, published_date_basis="stated"),
        article("early", story(1), published_date=JUNE, published_date_basis="stated"),
    )
    assert related(result, *COPY_KINDS) == {(id_of("late"), "duplicate_of", id_of("early"))}
    assert result.articles.filter("is_canonical")["article_id"].to_list() == [id_of("early")]
    assert unique_text(result, "late") == ""
    assert unique_text(result, "early").count("\n\n") == 7
    assert result.relations["overlap_count"].to_list() == [8]


def test_lines_that_two_pages_share_outside_their_articles_prove_no_relation() -> None:
    aside = [("boilerplate", "Share this with whoever may like it"), ("related_links", "Ten things to do in Esterby")]
    articles, passages = tables(article("late", [*story(1), *aside]), article("early", [*story(1), *aside]))
    is_aside = pl.col("role").is_in([role for role, _ in aside])
    passages = passages.with_columns(article_id=pl.when(~is_aside).then("article_id"))
    result = deduplicate(articles, passages, Settings())
    assert result.overlaps.height == 10
    assert result.relations.select("kind", "overlap_count").rows() == [("duplicate_of", 8)]
    whole = {"sources": articles.select("source_id"), "articles": result.articles, "passages": result.passages}
    one, other = (batch.with_row_index("row") for batch in (result.overlaps, result.relations))
    none = result.articles.clear().select("article_id", "cluster_id").with_row_index("row")
    assert between_failures(none, [], [one], other, keys_of([whole])).is_empty()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"published_date": JULY, "published_date_basis": "stated"},
            {"published_date": JUNE, "published_date_basis": "inferred"},
        ),
        ({"published_date": JULY, "published_date_basis": "inferred"}, {}),
        (
            {"published_date": JUNE, "published_date_basis": "stated"},
            {"published_date": JULY, "published_date_basis": "stated"},
        ),
        ({}, {"republisher": "Aggregate"}),
    ],
)
def test_the_survivor_order(first: dict[str, Any], second: dict[str, Any]) -> None:
    for names in (("one", "two"), ("two", "one")):  # the ids must not decide
        result = run(article(names[1], story(2), **second), article(names[0], story(2), **first))
        assert result.articles.filter("is_canonical")["article_id"].to_list() == [id_of(names[0])]


def test_a_truncated_copy_is_contained_in_the_whole() -> None:
    result = run(article("part", story(3)[:4]), article("whole", story(3)))
    assert related(result, *COPY_KINDS) == {(id_of("whole"), "contains", id_of("part"))}
    assert set(result.articles["cluster_id"]) == {id_of("whole")}


def test_an_earlier_truncated_copy_survives_and_the_whole_still_contains_it() -> None:
    teaser = article("teaser", story(3)[:4], published_date=JUNE, published_date_basis="stated")
    result = run(teaser, article("whole", story(3)))
    assert related(result, *COPY_KINDS) == {(id_of("whole"), "contains", id_of("teaser"))}
    assert set(result.articles["cluster_id"]) == {id_of("teaser")}
    assert unique_text(result, "whole") == "\n\n".join(text for _, text in story(3)[4:])


def test_a_copy_with_another_outlets_footer_is_a_near_duplicate() -> None:
    footer = "Subscribe to the Daily Gantry for opinion, puzzles and the weather of all twelve valleys each morning."
    other = "The Lorne Mercury is printed on recycled paper by its readers, and welcomes letters about almost anything."
    result = run(
        article("a", [*story(4), ("body", footer)]), article("b", [*story(4), ("body", other)], republisher="Mercury")
    )
    assert related(result, *COPY_KINDS) == {(id_of("b"), "near_duplicate_of", id_of("a"))}
    assert unique_text(result, "b") == other


def test_two_stories_in_one_template_are_two_stories() -> None:
    lede = [("body", sentence(7001)), ("body", sentence(7002))]
    footer = [("body", sentence(7003)), ("body", sentence(7004)), ("rights", "All texts belong to the Gantry Press.")]
    result = run(
        article("a", [*lede, *story(5, 3), *footer], publisher="Gantry"),
        article("b", [*lede, *story(6, 3), *footer], publisher="Gantry"),
    )
    assert related(result) == {
        (later, "shares_passages", earlier)
        for earlier, later in itertools.permutations([id_of("a"), id_of("b")])
        if earlier == result.overlaps["a_passage_id"][0][:16] + "-00"
    }
    assert result.articles["is_canonical"].all()


def test_furniture_makes_no_copy() -> None:
    furniture = [("boilerplate", sentence(8000 + number)) for number in range(20)]
    result = run(article("a", [*story(7, 3), *furniture]), article("b", [*story(8, 3), *furniture]))
    assert related(result) == set()
    assert result.overlaps.height == 20


def test_many_copies_hang_on_one_survivor_without_a_square_of_rows() -> None:
    words = " ".join(text for _, text in story(9)).split()
    copies = []
    for number in range(60):
        edited = list(words)
        for place in range(number % 7 + 5, len(edited), 37):
            edited[place] = f"edit{chr(97 + number % 26)}{chr(97 + number // 26)}"
        copies.append(article(f"wire {number}", [("body", " ".join(edited))]))
    result = run(*copies)
    assert result.articles["cluster_id"].n_unique() == 1
    assert result.relations.filter(pl.col("kind") == "near_duplicate_of").height == 59
    assert result.overlaps.height == 59


def test_a_cluster_does_not_grow_through_a_chain() -> None:
    text = [sentence(9100 + number) for number in range(40)]
    windows = [article(f"w{n}", [("body", t) for t in text[n * 6 : n * 6 + 12]]) for n in range(5)]
    result = run(*windows)
    edges = {(a, b) for a, _, b in related(result, *COPY_KINDS)}
    for row in result.articles.filter(~pl.col("is_canonical")).iter_rows(named=True):
        pair = (row["article_id"], row["cluster_id"])
        assert pair in edges or pair[::-1] in edges
    assert id_of("w4") not in result.articles.filter(cluster_id=id_of("w0"))["article_id"].to_list()


def test_parts_of_a_page_are_derived_and_not_copies() -> None:
    result = run(
        article("page", [("speech", text) for _, text in story(10)[:6]], kind="transcript"),
        article("page", [("summary", story(10)[0][1])], kind="summary"),
        article("page", story(10)),
    )
    assert related(result) == {
        (id_of("page", 0), "derived_from", id_of("page", 2)),
        (id_of("page", 1), "derived_from", id_of("page", 2)),
    }
    # What one of them reads out of another is an overlap, counted where they are related.
    text_of = dict(result.passages.select("passage_id", "text").iter_rows())
    pairs = [(text_of[a], text_of[b]) for a, b in result.overlaps.select("a_passage_id", "b_passage_id").iter_rows()]
    assert sorted(pairs) == sorted((text, text) for text in [sentence(1000), *(t for _, t in story(10)[:6])])


# --- passages ---


def test_a_shared_sentence_stands_once_and_is_an_edge_from_each_other_article() -> None:
    common = ("body", sentence(9300))
    result = run(*(article(f"s{n}", [*story(20 + n, 3), common]) for n in range(5)))
    assert result.overlaps.height == 4
    assert result.overlaps["a_passage_id"].n_unique() == 1
    assert sum(common[1] in text for text in result.articles["unique_text"]) == 1
    assert {kind for _, kind, _ in related(result)} == {"shares_passages"}


def test_a_paragraph_printed_twice_repeats_itself_without_an_overlap() -> None:
    refrain = ("body", sentence(9301))
    result = run(article("a", [refrain, *story(30, 2), refrain]))
    assert result.overlaps.is_empty()
    assert result.passages["drop_reason"].to_list() == [None, None, None, "repeat"]
    assert result.passages["repeats_passage_id"].to_list()[3] == result.passages["passage_id"][0]


def test_short_answers_names_and_widgets_never_repeat() -> None:
    widgets = [
        ("navigation", "The whole front page of the Gantry Press at one glance"),
        ("boilerplate", "--:--"),
        ("other", "0 Comments"),
        ("related_links", "Read more"),
        ("title", "Local news"),
        ("speaker_label", "Professor Ada Quillfeather of Dunfrith College"),
        ("speech", "Yes."),
        ("dateline", "Dunfrith, Monday 2 June 2031, late edition"),
    ]
    result = run(article("a", [*widgets, *story(31, 2)]), article("b", [*widgets, *story(32, 2)]))
    assert result.overlaps.is_empty()
    assert result.passages["repeats_passage_id"].null_count() == result.passages.height
    assert unique_text(result, "b").startswith("Professor Ada Quillfeather of Dunfrith College: Yes.\n\n")


def test_a_few_other_words_are_near_and_other_figures_stay() -> None:
    before = (
        "The ferry company of Esterby said on Tuesday that its 14 boats had carried more passengers than ever before"
    )
    edited = before.replace("said on Tuesday", "announced on Tuesday")
    updated = before.replace("14", "19")
    result = run(
        article("a", [("body", before), *story(33, 2)], published_date=JUNE, published_date_basis="stated"),
        article("b", [("body", edited), *story(34, 2)]),
        article("c", [("body", updated), *story(35, 2)]),
    )
    assert shared(result) == {("near", before, edited), ("near", before, updated)}
    assert edited not in unique_text(result, "b")
    assert updated in unique_text(result, "c")


def test_a_quoted_stretch_is_cut_out_of_both_passages() -> None:
    quote = "nobody who has ever crossed the strait in winter would call that timetable anything but a work of fiction"
    first = f"Asked about the plan, the retired pilot Orla Venn shook her head and said that {quote}. She then left."
    second = (
        f"Critics of the ministry are many, and some of them have sailed here longer than most. “{quote}”, one of them "
        "told a hearing, while the minister, who had come by train, took notes and thanked her twice for her candour."
    )
    result = run(
        article("a", [("body", first), *story(36, 2)], published_date=JUNE, published_date_basis="stated"),
        article("b", [("body", second), *story(37, 2)]),
    )
    assert shared(result) == {("verbatim", quote, quote)}
    assert result.passages.filter(drop_reason="repeat").is_empty()
    assert {kind for _, kind, _ in related(result)} == {"shares_passages"}


def test_a_stretch_lies_inside_a_passage_that_cleaning_made_shorter() -> None:
    quote = "the old lighthouse keeper counts every single ship that passes the cape at night and writes it down"
    passages = [
        ("body", f"In the village they say that {quote}, which the harbour office neither confirms nor denies.")
    ]
    result = run(
        article("a", [*passages, *story(38, 1)], removed=3, published_date=JUNE, published_date_basis="stated"),
        article("b", [("body", f"{sentence(9302)} Still {quote}. {sentence(9303)}"), *story(39, 1)], removed=3),
    )
    ((kind, a, b),) = shared(result)
    assert kind == "verbatim"
    assert a.startswith(quote)
    assert b.startswith(quote)


def series(number: int, lede: str, notices: list[str], **facts: Any) -> dict[str, Any]:
    roles = ("byline", "rights", "source_url", "disclaimer")
    byline, *rest = zip(roles, notices, strict=True)
    return article(
        f"series {number}",
        [byline, ("body", lede), *story(40 + number), *rest],
        **{"publisher": "Lorne Mercury", "authors": ["Ines Okoro"], **facts},
    )


FIRST_LEDE = (
    "Confronted with the almost limitless growth of Bexmoor's orchards, "
    "how will Corvale, for ages the capital of cider, answer?"
)
FIRST_NOTICES = [
    "[By Ines Okoro, Mercury]",
    "This text is an exclusive work of the Mercury, and copying without consent is forbidden.",
    "Source: https://news.example/story/7261944501/",
    "Note: The text gives the opinions of its author and invites you to vote with the [Cheer/Boo] keys below.",
]
SECOND_LEDE = (
    "Confronting the growth of the orchards in Bexmoor, "
    "how is Corvale, for ages seen as the capital of cider, to reply?"
)
SECOND_NOTICES = [
    "[By Lorne Mercury, Ines Okoro]",
    "This text is an exclusive text of the Lorne Mercury. Without consent, it must not be copied.",
    "Source: https://news.example/story/8130027765/",
    "Note: This text gives the opinions of its author. Please vote by pressing the [Yes/No] keys below.",
]


def test_a_series_that_is_translated_twice_shares_its_frame_and_stays_two_articles() -> None:
    result = run(
        series(1, FIRST_LEDE, FIRST_NOTICES, published_date=JUNE, published_date_basis="inferred"),
        series(2, SECOND_LEDE, SECOND_NOTICES, published_date=JULY, published_date_basis="inferred"),
    )
    assert {(a, b) for _, a, b in shared(result)} == {
        (FIRST_LEDE, SECOND_LEDE),
        *zip(FIRST_NOTICES, SECOND_NOTICES, strict=True),
    }
    assert ("paraphrase", FIRST_LEDE, SECOND_LEDE) in shared(result)
    one, two = id_of("series 1"), id_of("series 2")
    assert related(result) == {(two, "same_series", one), (two, "shares_passages", one)}
    assert set(result.relations["overlap_count"]) == {5}
    assert FIRST_LEDE in unique_text(result, "series 1")
    assert unique_text(result, "series 2") == "\n\n".join(text for _, text in story(42))


@pytest.mark.parametrize("other", [{"publisher": "Gantry"}, {"publisher": None}, {"authors": ["Tom Ash"]}])
def test_a_reworded_lede_counts_only_with_publisher_and_author_in_common(other: dict[str, Any]) -> None:
    result = run(series(1, FIRST_LEDE, FIRST_NOTICES), series(2, SECOND_LEDE, SECOND_NOTICES, **other))
    assert FIRST_LEDE in unique_text(result, "series 1")
    assert SECOND_LEDE in unique_text(result, "series 2")
    assert related(result) == set()


def test_stock_phrases_and_credits_are_no_overlap() -> None:
    result = run(
        series(1, "The report states that the quarry of Hollin was sold to a widow from Arlen.", FIRST_NOTICES),
        article(
            "series 2",
            [
                ("body", "The report states that teachers in Kelmont have learned to knit during their lunch."),
                ("caption", "A choir on the tram to Ivesham. Photo: Gantry Picture Agency"),
            ],
            publisher="Lorne Mercury",
            authors=["Ines Okoro"],
        ),
        article("three", [*story(60, 2), ("caption", "Snow upon the glacier. Photo: Gantry Picture Agency")]),
    )
    assert result.overlaps.is_empty()


def test_equal_headlines_of_two_sources_overlap_and_those_of_one_page_do_not() -> None:
    title = ("title", "Who paints the bridges of Fallow?")
    result = run(article("a", [title, title, *story(61, 2)]), article("b", [title, *story(62, 2)]))
    assert result.overlaps["kind"].to_list() == ["verbatim"] * result.overlaps.height
    assert {row["a_source_id"] == row["b_source_id"] for row in result.overlaps.iter_rows(named=True)} == {False}
    assert related(result) == set()
    assert result.passages.filter(role="title")["drop_reason"].unique().to_list() == ["title"]


def test_a_headline_with_one_other_word_is_another_headline() -> None:
    one, two = ("title", "Bank of Jarrow raises rates again"), ("title", "Bank of Jarrow lowers rates again")
    assert run(article("a", [one, *story(63, 2)]), article("b", [two, *story(64, 2)])).overlaps.is_empty()


def test_scripts_without_spaces_and_from_right_to_left_are_compared() -> None:
    chinese = "港口管理局昨天宣布今年冬天将有十二艘新渡轮投入使用居民们表示欢迎但是担心票价上涨" * 2
    hebrew = "ראש העיר הודיעה אתמול כי הגשר הישן ייסגר לתנועה למשך כל החורף והתושבים מבקשים מעבורת חדשה"
    thai = "เมื่อวานนี้นายกเทศมนตรีประกาศว่าสะพานเก่าจะปิดตลอดฤดูหนาวและชาวบ้านขอเรือข้ามฟากใหม่"
    for text in (chinese, hebrew, thai):
        result = run(article("a", [("body", text)]), article("b", [("body", text + "!")]))
        assert {kind for _, kind, _ in related(result)} == {"duplicate_of"}
        assert [kind for kind, _, _ in shared(result)] == ["verbatim"]


# --- one page ---

ARTICLE = [
    "The harbour of Esterby has been closed since Monday, and the fishermen of three villages are waiting ashore.",
    "Divers found that the breakwater, which was poured in 1961, had lost a third of its footing in two winters.",
    "“The sea does not read contracts,” said Orla Venn, who taught hydraulics in Kelmont for half a century.",
    "Her students measured waves that were up to 14 metres taller than the engineers had reckoned with.",
    "The ministry promised a temporary pier of floating pontoons, to be towed from Mardale before the herring run.",
    "Shopkeepers on the quay complain that nobody asked them, although their cellars flooded twice last spring.",
    "An insurer from Corvale has refused every claim, arguing that a wall which leaks is not a wall at all.",
    "Ferries now land at Jarrow instead, where passengers queue in a hangar that smells of paraffin and wet dogs.",
    "A choir sang on the mole on Sunday, and somebody lit a beacon for the first time since the old king died.",
]
TRANSCRIPT = [
    "Hello and welcome, today we talk about the harbour of Esterby and about what became of it.",
    "Well, it is a mess. Imagine, the waves there are up to 14 metres taller than anybody had reckoned with!",
    "And the old breakwater lost a third of its footing in only two winters, so I understand why they are nervous.",
    "My cousin keeps a shop on that quay, and she likes the singing, but the smell of herring she could do without.",
    "Contracts, she says, are for people with dry cellars. That is all for today, thank you for listening.",
]
SUMMARY = (
    "Esterby's harbour is closed; a temporary pier of floating pontoons is to be towed from Mardale, and ferries land "
    "at Jarrow."
)


def compound_page(**facts: Any) -> list[dict[str, Any]]:
    return [
        article("page", [("speech", text) for text in TRANSCRIPT], kind="transcript", **facts),
        article("page", [("summary", SUMMARY)], kind="summary", **facts),
        article("page", [("body", text) for text in ARTICLE]),
    ]


def test_facts_told_again_on_one_page_are_overlaps_and_nothing_is_dropped() -> None:
    result = run(*compound_page(published_date=JUNE, published_date_basis="stated"))
    found = {(a, b) for _, a, b in shared(result)}
    assert {kind for kind, _, _ in shared(result)} <= {"paraphrase", "near"}
    assert len(found) == 3
    for a, b in found:
        assert any(a in text for text in (*TRANSCRIPT, SUMMARY))
        assert any(b in text for text in ARTICLE)
    told = " | ".join(b for _, b in found)
    for fact in (
        "up to 14 metres taller than",
        "lost a third of its footing in two winters",
        "floating pontoons, to be towed",
    ):
        assert fact in told
    assert result.passages["is_kept"].all()
    assert result.passages["repeats_passage_id"].null_count() == result.passages.height
    counts = dict(result.relations.select("from_article_id", "overlap_count").iter_rows())
    assert counts == {id_of("page", 0): 2, id_of("page", 1): 1}
    assert {kind for _, kind, _ in related(result)} == {"derived_from"}


def test_parts_of_a_page_that_share_names_and_a_subject_tell_different_facts() -> None:
    about = [
        "The Esterby Harbour Authority and the Mardale Shipping Company met in Kelmont to talk about the harbour.",
        "Orla Venn of the Esterby Harbour Authority hopes that ships will be back before the winter storms.",
        "In Mardale, the harbour of Esterby is a subject for jokes, and the fishermen there are fond of them.",
    ]
    other = [
        "Listeners ask whether the Esterby Harbour Authority has ever published what a breakwater costs.",
        "The Mardale Shipping Company says that Orla Venn does not speak for it, and that its ships are fine.",
        "Fishermen in Kelmont and Mardale vote in May, and the harbour is not on the ballot.",
    ]
    filler = [("speech", sentence(number)) for number in range(9400, 9420)]
    result = run(
        article("page", [*(("speech", text) for text in other), *filler], kind="transcript"),
        article("page", [*(("body", text) for text in about), *story(80, 20)]),
    )
    assert result.overlaps.is_empty()


@given(st.integers(0, 1_000_000))
@hypothesis_settings(deadline=None)
def test_compiled_kernels_find_the_facts_that_plain_ones_find(seed: int) -> None:
    random_numbers = np.random.default_rng(seed)
    words = random_numbers.integers(0, 60, 300)
    weights = random_numbers.integers(1, 5, 60).astype(np.float64)
    starts = np.arange(0, 300, 15)
    own = [np.unique(words[start : start + 15]) for start in starts]
    having = [np.flatnonzero([word in unit for unit in own]) for word in range(60)]
    given = (words, weights, starts, starts + 15, np.arange(20) // 7)
    lists = [
        array
        for parts in (own, having)
        for array in (np.concatenate(parts), np.append(0, np.cumsum([len(part) for part in parts])))
    ]
    as_they_stand, as_compiled = (
        kernels["restatements"](*given, *lists, 0.35, 6.0, 3)
        for kernels in (plain(restated_kernels), compiled(restated_kernels))
    )
    assert len(as_they_stand)
    assert as_compiled.tolist() == as_they_stand.tolist()


def test_facts_are_told_again_on_one_page_only() -> None:
    transcript, _, whole = compound_page()
    result = run(article("one", transcript["passages"], kind="transcript"), article("two", whole["passages"]))
    assert not result.overlaps["method"].is_in(["restated_words"]).any()


# --- whatever comes ---


def test_empty_tables() -> None:
    result = run()
    assert [getattr(result, name).height for name in ("articles", "passages", "overlaps", "relations")] == [0] * 4


def test_articles_without_words() -> None:
    result = run(article("a", [("body", "…")]), article("b", [("body", "…")]), article("c", [("body", "Yes")]))
    assert result.articles["is_canonical"].all()
    assert result.overlaps.is_empty()
    assert unique_text(result, "a") == "…"


def test_withheld_text_is_compared_with_nothing() -> None:
    articles, passages = tables(article("a", story(70)), article("b", story(70)))
    withheld = passages.with_columns(text=pl.lit(None, dtype=pl.String))
    result = deduplicate(articles.with_columns(text=pl.lit(None, dtype=pl.String)), withheld, Settings())
    assert result.overlaps.is_empty()
    assert result.articles["unique_text"].null_count() == 2


def test_shards_give_what_one_table_gives(tmp_path: Path) -> None:
    """Shards are ranges of sources; what one of them repeats may stand in another."""
    common = ("body", sentence(9300))
    press = [article(f"s{n}", [*story(20 + n % 3, 3), common, ("rights", sentence(9))]) for n in range(7)]
    articles, passages = tables(*press)
    sources = articles["source_id"].unique().sort().to_list()
    found: list[tuple[Path, Path]] = []
    for number, part in enumerate((sources[:1], sources[1:4], [], sources[4:])):
        files = tmp_path / f"a{number}.parquet", tmp_path / f"p{number}.parquet"
        for table, file in zip((articles, passages), files, strict=True):
            table.filter(pl.col("source_id").is_in(part)).write_parquet(file)
        found.append(files)
    work = tmp_path / "work"
    # Less than can be set, so that words lie in files.
    little = Settings().model_copy(update={"deduplicate_memory_bytes": 10_000})
    repeats = find_repeats([a for a, _ in found], [p for _, p in found], little, work)
    assert not list(work.iterdir())
    shards = [with_repeats(pl.read_parquet(a), pl.read_parquet(p), repeats) for a, p in found]

    whole = deduplicate(articles, passages, Settings())
    assert repeats.overlaps.equals(whole.overlaps)
    assert repeats.relations.equals(whole.relations)
    assert pl.concat([a for a, _ in shards]).equals(whole.articles)
    assert pl.concat([p for _, p in shards]).equals(whole.passages)
    assert not whole.articles["is_canonical"].all()


@st.composite
def presses(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few articles whose paragraphs are drawn from one small pool, so that all sorts of repeats occur."""
    pool = [sentence(number) for number in range(12)]
    roles = st.sampled_from(["body", "body", "body", "title", "rights", "caption"])
    lines = st.lists(st.tuples(roles, st.sampled_from(pool)), min_size=1, max_size=8)
    facts = st.fixed_dictionaries(
        {},
        optional={
            "publisher": st.sampled_from(["Gantry", "Mercury"]),
            "authors": st.just(["Ines Okoro"]),
            "republisher": st.just("Aggregate"),
        },
    )
    count = draw(st.integers(1, 6))
    return [article(f"source {number % 4}", draw(lines), **draw(facts)) for number in range(count)]


@given(presses(), st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=8, deadline=None)
def test_invariants_of_any_press(press: list[dict[str, Any]], shuffler: random.Random) -> None:
    articles, passages = tables(*press)
    result = deduplicate(articles, passages, Settings())

    order = shuffler.sample(range(passages.height), passages.height)
    again = deduplicate(articles.reverse(), passages[order], Settings())
    for name in ("articles", "passages", "overlaps", "relations"):
        TABLES[name].model.validate(getattr(result, name))
        assert getattr(result, name).equals(getattr(again, name))

    assert result.overlaps["b_passage_id"].is_unique().all()
    shared(result)  # offsets lie inside the named passages
    survivors = set(result.articles.filter("is_canonical")["article_id"])
    assert set(result.articles["cluster_id"]) == survivors
    assert set(result.articles["article_id"]) == set(articles["article_id"])
    text_of = dict(result.passages.select("passage_id", "text").iter_rows())
    for row in result.passages.filter(repeat_kind="verbatim").iter_rows(named=True):
        assert text_of[row["repeats_passage_id"]] == row["text"]
    dropped = result.passages.filter(drop_reason="repeat")["text"]
    kept = set(result.passages.filter("is_kept")["text"])
    assert set(dropped) <= kept  # nothing is lost: what repeats stands somewhere
    unique_texts = dict(joined_texts(result.passages.filter("is_kept")).iter_rows())
    for row in result.articles.iter_rows(named=True):
        assert row["unique_text"] == unique_texts.get(row["article_id"], "")


def test_a_copy_that_was_cut_off_early_is_found():
    """The first fifth of a story is a part of it, although it covers little of the whole."""
    whole = story(1, count=10)
    found = run(article("whole", whole), article("part", whole[:2]))
    assert found.relations["kind"].to_list() == ["contains"]
    assert found.articles["cluster_id"].n_unique() == 1


def test_a_story_that_begins_like_a_longer_one_is_not_cut_off():
    whole = story(1, count=10)
    found = run(article("whole", whole), article("other", [*whole[:2], *story(2, count=2)]))
    assert found.articles["cluster_id"].n_unique() == 2
