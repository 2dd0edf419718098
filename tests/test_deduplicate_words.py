"""Words, links and clusters: what the stage deduplicate counts with."""

import itertools

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from flows.deduplicate.cluster import star_clusters
from flows.deduplicate.links import linked_pairs
from flows.deduplicate.words import words_of


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
