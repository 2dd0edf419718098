"""Passages that one text took from another."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.alignment import AlignmentSet, made_up_set, scores
from benchmarks.plagdet import Score
from flows.compiled import compiled, plain
from flows.deduplicate import align_kernels
from flows.deduplicate.align import PASSAGE_SCHEMA
from flows.deduplicate.reuse import align, align_pairs
from flows.deduplicate.tokens import tokens_of
from flows.settings import Settings

PASSAGE = (
    "The minister said on Tuesday that the “bridge” would not reopen before next summer, a decision that surprised the "
    "ferry companies. Engineers had found cracks in eleven of its forty pillars, and the repairs need dry weather. "
    "Until then, lorries will have to take the old road through the valley, which adds ninety minutes to the journey."
)
BEFORE = "Rain fell over the whole country, and the rivers rose. Farmers were glad of it; campers were not. "
AFTER = " The match ended in a draw after extra time, and the trainer was sacked on the spot."
OTHER_BEFORE = "Our gardener writes about roses 🌹 and the soil that they like best. Dig deep, water well.\n\n"
OTHER_AFTER = "\n\nNext week: tulips from Holland, and how to store bulbs where mice cannot reach them."


def found(a: str | None, b: str | None) -> list[tuple[str, str, str]]:
    """What is reported for two texts: both passages and the kind."""
    rows = align(a, b)
    assert rows.schema == PASSAGE_SCHEMA
    assert rows["score"].is_between(0, 1).all()
    return [
        ((a or "")[a_start : a_start + a_count], (b or "")[b_start : b_start + b_count], kind)
        for a_start, a_count, b_start, b_count, kind, _ in rows.iter_rows()
    ]


def test_a_copied_passage_is_found_to_the_character():
    assert found(BEFORE + PASSAGE + AFTER, OTHER_BEFORE + PASSAGE + OTHER_AFTER) == [(PASSAGE, PASSAGE, "verbatim")]


def test_a_quoted_sentence_is_a_passage():
    sentence = PASSAGE[: PASSAGE.index(". ") + 1]
    assert found(BEFORE + PASSAGE + AFTER, OTHER_BEFORE + sentence + OTHER_AFTER) == [(sentence, sentence, "verbatim")]


def test_an_edited_passage_is_near():
    edited = PASSAGE.replace("surprised", "astonished").replace("eleven", "twelve").replace("old road", "road")
    assert found(BEFORE + PASSAGE + AFTER, OTHER_BEFORE + edited + OTHER_AFTER) == [(PASSAGE, edited, "near")]


def test_a_reworded_passage_is_a_paraphrase():
    reworded = (
        "Lorries have to take the old valley road for now, so that a journey lasts ninety minutes more. On Tuesday the "
        "minister, to the surprise of ferry companies, decided not to reopen the bridge before the summer: cracks were "
        "found by engineers in eleven pillars out of forty, and for repairs the weather needs to be dry."
    )
    [(a, b, kind)] = found(BEFORE + PASSAGE + AFTER, OTHER_BEFORE + reworded + OTHER_AFTER)
    assert kind == "paraphrase"
    assert len(a) > 0.8 * len(PASSAGE)
    assert len(b) > 0.8 * len(reworded)
    assert a in PASSAGE
    assert b in reworded


def test_two_passages_in_another_order_are_two_rows_in_the_order_of_b():
    second = (
        "Nobody had told the brewery about the strike, so its horses stood in the yard all morning. By noon they had "
        "eaten the geraniums of three neighbours, who sent the bill to the union and a copy to the newspaper."
    )
    between = " ".join(f"Here is line {number} of a list that has {number + 7} items." for number in range(20, 40))
    other_between = " ".join(
        f"Stop {number}: change for route {number * 3}, platform left." for number in range(60, 90)
    )
    rows = found(f"{PASSAGE} {between} {second}", f"{OTHER_BEFORE}{second}\n{other_between}\n{PASSAGE}")
    assert rows == [(second, second, "verbatim"), (PASSAGE, PASSAGE, "verbatim")]


def test_texts_on_one_subject_share_no_passage():
    other = (
        "Ferry companies expect a good summer. The bridge stays shut, says the minister, and whoever wants to cross "
        "the bay must sail. Repairs to its pillars have been promised since the flood of 1997."
    )
    assert found(BEFORE + PASSAGE, other) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (None, None),
        ("", PASSAGE),
        (PASSAGE, None),
        ("word", "word"),
        ("... !?", "—"),
        ("\ud800 \udfff", "\ud800"),
        ("Read more", "Read more"),
        (PASSAGE, BEFORE),
    ],
)
def test_where_nothing_is_shared_there_is_no_row(a, b):
    assert found(a, b) == []


CHINESE = (
    "部长周二表示，大桥在明年夏天之前不会重新开放，这一决定令轮渡公司感到意外。"
    "工程师在四十个桥墩中的十一个发现了裂缝，维修需要干燥的天气。"
)
THAI = "รัฐมนตรีกล่าวเมื่อวันอังคารว่าสะพานจะไม่เปิดอีกจนถึงฤดูร้อนปีหน้าซึ่งทำให้บริษัทเรือข้ามฟากประหลาดใจ วิศวกรพบรอยร้าวในเสาสิบเอ็ดต้นจากสี่สิบต้น"
ARABIC = (
    "قال الوزير يوم الثلاثاء إن الجسر لن يعاد فتحه قبل الصيف المقبل، وهو قرار فاجأ شركات العبارات. "
    "وكان المهندسون قد وجدوا شقوقا في أحد عشر عمودا من أعمدته الأربعين."
)


@pytest.mark.parametrize(
    ("before", "passage", "after"),
    [
        ("今天天气很好，我们去公园散步。孩子们在湖边喂鸭子。", CHINESE, "比赛最后以平局结束，教练当场被解雇。"),
        ("كان الطقس جميلا اليوم وذهبنا إلى الحديقة. ", ARABIC, " انتهت المباراة بالتعادل بعد الوقت الإضافي."),
    ],
    ids=["chinese", "arabic"],
)
def test_scripts_without_spaces_and_from_right_to_left(before, passage, after):
    assert found(before + passage, passage + after) == [(passage, passage, "verbatim")]


def test_a_script_without_marks_has_its_boundaries_within_some_characters():
    [(a, b, kind)] = found("วันนี้อากาศดีมากเราไปเดินเล่นที่สวน " + THAI, THAI + " การแข่งขันจบลงด้วยผลเสมอ")
    assert kind == "verbatim"
    for passage in (a, b):
        assert THAI in passage
        assert len(passage) <= len(THAI) + 8


def test_accents_case_and_endings_make_no_other_words():
    [(a, b, _)] = found(BEFORE + PASSAGE, OTHER_BEFORE + PASSAGE.upper().replace("E", "É") + OTHER_AFTER)
    assert (a, b) == (PASSAGE, PASSAGE.upper().replace("E", "É"))


def test_a_text_without_marks_is_compared_in_windows():
    words = [f"w{number}" for number in range(2000)]
    a, b = " ".join(words[:900]), " ".join(words[800:])
    [(in_a, in_b, kind)] = found(a, b)
    assert in_a == in_b == " ".join(words[800:900])
    assert kind == "verbatim"


def test_equal_texts_are_one_passage_even_where_all_is_refrain():
    refrain = "Share this story with your friends. " * 2000
    assert found(refrain, refrain) == [(refrain.strip(), refrain.strip(), "verbatim")]


def test_a_refrain_costs_no_square():
    """Each sentence is like all of the other text: there are 480 million pairs of sentences."""
    a = "Share this story with your friends now. " * 20_000
    b = "Share this story with your friends now! " * 24_000
    copies = align(a + PASSAGE, PASSAGE + " " + b).filter(kind="verbatim", b_char_start=0)
    assert copies.height == 1
    assert copies["a_char_start"][0] <= len(a)
    assert copies["a_char_start"][0] + copies["a_char_count"][0] == len(a + PASSAGE)
    assert len(PASSAGE) <= copies["b_char_count"][0] < 2000


def test_a_long_text_is_searched_for_a_short_one():
    generator = np.random.default_rng(3)
    numbers = generator.integers(0, 20_000, 1_000_000)
    filler = " ".join(f"w{number}." if number % 17 == 0 else f"w{number}" for number in numbers)
    rows = found(filler[:4_000_000] + " " + PASSAGE + " " + filler[4_000_000:], OTHER_BEFORE + PASSAGE + OTHER_AFTER)
    assert rows == [(PASSAGE, PASSAGE, "verbatim")]


def test_pairs_are_numbered_rows_and_read_as_single_ones_do():
    a, b = BEFORE + PASSAGE + AFTER, OTHER_BEFORE + PASSAGE + OTHER_AFTER
    pairs = pl.DataFrame({"a_text": [a, None, a, a], "note": [1, 2, 3, 4], "b_text": [b, b, BEFORE, a]})
    rows = align_pairs(pairs)
    assert rows.columns == ["pair", *PASSAGE_SCHEMA.names()]
    expected = pl.concat(
        align(*texts).insert_column(0, pl.Series("pair", [number] * align(*texts).height, dtype=pl.UInt32))
        for number, texts in enumerate(pairs.select("a_text", "b_text").iter_rows())
    )
    assert rows.equals(expected)
    assert rows["pair"].to_list() == [0, 2, 3]
    assert align_pairs(pairs.clear()).schema == rows.schema


def test_settings_bound_what_is_reported():
    a, b = BEFORE + PASSAGE + AFTER, OTHER_BEFORE + PASSAGE + OTHER_AFTER
    assert align(a, b, Settings(min_copied_chars=len(PASSAGE) - 1)).height == 1
    long = a + BEFORE.upper() + AFTER * 3
    assert align(long, b + OTHER_BEFORE * 9, Settings(min_copied_chars=len(PASSAGE) + 5)).height == 0
    assert align(a, b, Settings(min_reuse_evidence=1e6)).height == 0


@cache
def made_up() -> tuple[AlignmentSet, dict[str, Score]]:
    truth = made_up_set(300, seed=1)
    return truth, scores(truth)


@pytest.mark.parametrize(
    ("kind", "floor"),
    [("verbatim", 0.99), ("edited", 0.98), ("reworded", 0.88), ("digest", 0.85), ("none", 1.0), ("all", 0.93)],
)
def test_accuracy_holds(kind, floor):
    """Floors a little below what was measured; they rise with the code."""
    assert made_up()[1][kind].plagdet >= floor


def test_the_order_of_the_pairs_does_not_matter():
    truth, _ = made_up()
    backwards = align_pairs(truth.pairs.reverse()).with_columns(
        pair=pl.lit(truth.pairs.height - 1, pl.UInt32) - pl.col("pair")
    )
    columns = ["pair", "b_char_start", "a_char_start"]
    assert backwards.sort(columns).equals(align_pairs(truth.pairs).sort(columns))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*PASSAGE.replace(".", " .\n").split(" "), "北", "京", "。", "\u0301", "🌹", "A", "\n\n"]),
        max_size=250,
    ),
    st.lists(st.sampled_from(PASSAGE.split()), max_size=150),
    st.integers(0, 100),
)
def test_compiled_and_plain_kernels_agree(one, other, shared):
    a, b = " ".join(one), " ".join(other + one[:shared])
    both = []
    for kernels in (plain(align_kernels), compiled(align_kernels)):
        tokens = [tokens_of(text, kernels) for text in (a, b)]
        arrays = [
            array
            for one in tokens
            for array in (one.hashes, one.breaks, one.is_spaceless, one.starts, one.ends, one.sentences)
        ]
        result = kernels["aligned"](*arrays, 0.25, 10.0, 40, 20) if all(len(one.hashes) for one in tokens) else ()
        both.append([array.tolist() for array in (*arrays, *result)])
    assert both[0] == both[1]


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_is_too_odd(a, b):
    for row in align(a + PASSAGE, b + PASSAGE).iter_rows(named=True):
        assert row["a_char_start"] + row["a_char_count"] <= len(a + PASSAGE)
        assert row["b_char_start"] + row["b_char_count"] <= len(b + PASSAGE)


def test_the_module_is_cheap_to_import():
    """Numba takes a second to import; a build of a few pages needs none."""
    import subprocess
    import sys

    def imports_numba(a: str, b: str) -> bool:
        code = (
            "import sys; from flows.deduplicate.reuse import align; align(*sys.argv[1:]); print('numba' in sys.modules)"
        )
        command = [sys.executable, "-c", code, a, b]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"

    assert not imports_numba("a b", "c d")
    assert not imports_numba(" ".join([PASSAGE] * 100), PASSAGE)
    # Many short sentences, each about as the others, would take as long as a book without it.
    assert imports_numba("The dog sat on it then. " * 800, "The cat sat on it then. " * 800)
