"""Words, links and clusters: what the stage deduplicate counts with."""

import itertools
import re
import unicodedata
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.deduplicate.cluster import star_clusters
from flows.deduplicate.kernels import CLASS_BITS, FIGURE, INITIAL, NAME, PLAIN, SPACELESS
from flows.deduplicate.links import linked_pairs
from flows.deduplicate.pairs import added_up, counted, distinct, paired, sides
from flows.deduplicate.words import words_of
from flows.deduplicate.wordstore import words_of_batches


def texts(*values: str | None) -> pl.DataFrame:
    return pl.DataFrame({"item": range(len(values)), "text": values}, schema={"item": pl.UInt32, "text": pl.String})


def words(*values: str | None) -> list[str]:
    return words_of(texts(*values))["word"].to_list()


def test_words_are_compared_without_case_width_and_composition() -> None:
    assert words("Café ＡＢＣ１２", "cafe\u0301 abc12") == ["café", "abc12", "café", "abc12"]


def test_every_character_is_a_word_where_no_spaces_are_written() -> None:
    assert words("北京ok ไทย") == ["北", "京", "ok", "ไ", "ท", "ย"]


def test_empty_and_withheld_texts_have_no_words() -> None:
    assert words("", None, " -- !") == []


def numbers(*values: str) -> list[list[int]]:
    """The words of each text as numbers."""
    store = words_of_batches([pl.Series(values)], memory_bytes=10**9)
    return [part.tolist() for part in np.split(store.words, store.starts[1:-1])]


@given(st.text(alphabet="abnYZ09 .,\n-'éЖ中", max_size=250))
def test_a_word_has_one_number_whatever_stands_around_it(text: str) -> None:
    # A word alone is read letter by letter, what stands between others by many bytes at a time.
    found, *alone = numbers(text + " " * 100, *(word.lower() for word in re.findall("中|[a-zA-Z0-9éЖ]+", text)))
    assert [word >> CLASS_BITS for word in found] == [word >> CLASS_BITS for (word,) in alone]


def test_a_sign_that_is_many_words_in_its_normal_form_has_room_for_them() -> None:
    # One sign of three bytes stands for four words, eighteen letters.
    sign = "\ufdfa"
    expected, found = numbers(unicodedata.normalize("NFKC", sign), sign * 200)
    assert len(expected) == 4
    assert len(found) > 400


def test_texts_of_several_runs_and_portions_keep_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.deduplicate.wordstore.BATCH_BYTES", 900)
    pieces = [pl.Series([f"{name} {number} and some more words\nof its own" for number in range(40)]) for name in "abc"]
    together = pl.concat(pieces, rechunk=False)
    store, *alone = (words_of_batches([texts], memory_bytes=10**9) for texts in (together, *pieces))
    assert store.text_count == len(together)
    assert store.words.tolist() == [word for part in alone for word in part.words.tolist()]
    assert store.line_hashes.tolist() == [line for part in alone for line in part.line_hashes.tolist()]
    assert np.diff(store.starts).tolist() == [count for part in alone for count in np.diff(part.starts).tolist()]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200])
def test_words_of_any_length_are_told_apart(length: int) -> None:
    word = "abcdefghij"[:length] + "k" * (length - 10)
    other = word[:-1] + "z"
    found, alone, others = numbers(f"-{word}, {other} {word.upper()}\n{other}{' ' * 100}", word, other)
    hashes = [number >> CLASS_BITS for number in found]
    assert hashes == [number >> CLASS_BITS for number in alone + others + alone + others]
    assert len(set(hashes)) == 2


def test_a_capital_tells_a_name_but_where_a_sentence_begins() -> None:
    (found,) = numbers("The Lorne 12 said: Yes, Ada!\nÉmile met 王 (Bo). ok" + " " * 100)
    kinds = [number & ((1 << CLASS_BITS) - 1) for number in found]
    assert kinds == [INITIAL, NAME, FIGURE, PLAIN, INITIAL, NAME, INITIAL, PLAIN, SPACELESS, NAME, PLAIN]


@given(st.text(alphabet="aB 0.,!\n", max_size=300))
def test_a_sentence_begins_behind_a_stop_however_far(text: str) -> None:
    expected = []
    is_first = True
    for part in re.findall(r"[aB0]+|[.!\n]", text):
        if part in ".!\n":
            is_first = True
            continue
        expected.append({"a": PLAIN, "0": FIGURE, "B": INITIAL if is_first else NAME}[part[0]])
        is_first = False
    # Many bytes are read at a time where there are enough.
    for rest in ("", " " * 100):
        (found,) = numbers(text + rest)
        assert [number & ((1 << CLASS_BITS) - 1) for number in found] == expected


def test_a_common_feature_links_in_a_line_and_a_rare_one_all_to_all() -> None:
    common = pl.DataFrame({"item": range(100), "feature": [1] * 100})
    pairs = linked_pairs(common, all_pairs_up_to=8)
    assert pairs.height == 99 + 98
    assert set(pairs.filter(a=0)["b"]) == set(range(1, 100))
    assert linked_pairs(common.head(8), all_pairs_up_to=8).height == 28


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] < edge[1])))
def test_each_member_has_an_edge_to_its_survivor(edges: set[tuple[int, int]]) -> None:
    frame = pl.DataFrame(sorted(edges), schema={"a": pl.UInt32, "b": pl.UInt32}, orient="row")
    clusters = dict(star_clusters(frame).iter_rows())
    assert set(clusters) == set(itertools.chain.from_iterable(edges))
    for item, survivor in clusters.items():
        assert item == survivor or (survivor, item) in edges
        assert clusters[survivor] == survivor
    # No survivor could have joined an earlier one.
    survivors = set(clusters.values())
    assert not [edge for edge in edges if survivors.issuperset(edge)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), max_size=4))
def test_pairs_are_counted_over_all_pieces(pieces: list[list[tuple[int, int]]]) -> None:
    found = []
    for piece in pieces:
        one, other = (np.array([pair[side] for pair in piece], np.int64) for side in (0, 1))
        found.append(counted(np.sort(paired(one, other))))
    expected = Counter((min(pair), max(pair)) for piece in pieces for pair in piece)
    if found:
        pairs, times = (np.concatenate(column) for column in zip(*added_up(found, 10), strict=True))
        a, b = sides(pairs)
        assert dict(zip(zip(a.tolist(), b.tolist(), strict=True), times.tolist(), strict=True)) == expected
        assert pairs.tolist() == distinct(np.concatenate([own for own, _ in found])).tolist()
