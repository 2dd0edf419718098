"""Words, shingles and clusters: what the stage deduplicate counts with."""

import itertools

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from flows.deduplicate.cluster import star_clusters
from flows.deduplicate.shingles import linked_pairs, shingles_of
from flows.deduplicate.words import same_words, word_counts, word_spans, words_of


def texts(*values: str | None) -> pl.DataFrame:
    return pl.DataFrame({"item": range(len(values)), "text": values}, schema={"item": pl.UInt32, "text": pl.String})


def words(*values: str | None) -> list[str]:
    return words_of(texts(*values))["word"].to_list()


def test_words_are_compared_without_case_width_and_composition() -> None:
    assert words("Café ＡＢＣ１２", "cafe\u0301 abc12") == ["café", "abc12", "café", "abc12"]


def test_every_character_is_a_word_where_no_spaces_are_written() -> None:
    assert words("北京ok ไทย") == ["北", "京", "ok", "ไ", "ท", "ย"]
    assert word_counts(words_of(texts("北京天气", "four words are four"))).rows() == [(0, 4, 2), (1, 4, 4)]


def test_empty_and_withheld_texts_have_no_words() -> None:
    assert words("", None, " -- !") == []


@given(st.lists(st.text(max_size=30), max_size=4))
def test_spans_and_words_are_the_same_words(values: list[str]) -> None:
    found = words_of(texts(*values))
    spans = word_spans(texts(*values))
    assert spans.select("item", "position").equals(found.select("item", "position"))
    raw = [values[item][start:end] for item, _, start, end in spans.iter_rows()]
    assert pl.Series(raw, dtype=pl.String).str.normalize("NFKC").str.to_lowercase().to_list() == found["word"].to_list()


def test_shingles_do_not_reach_into_the_next_text() -> None:
    shingles = shingles_of(words_of(texts("a b c", "b c d", "x y")), 3)
    assert shingles.select("item", "position").rows() == [(0, 0), (1, 0)]
    assert shingles["shingle"].n_unique() == 2
    again = shingles_of(words_of(texts("a b c", "z a b c")), 3)
    assert again.filter(item=0)["shingle"][0] == again.filter(item=1)["shingle"][1]


def test_same_words_in_another_order_are_other_words() -> None:
    assert same_words(words_of(texts("So it is.", "is it so", "SO, it is!"))).rows() == [(0, 0), (1, 1), (2, 0)]


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
