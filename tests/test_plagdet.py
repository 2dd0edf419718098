"""The measure of passage alignment, against values worked out by hand."""

import math

import pytest

from benchmarks.plagdet import score

CASE = (100, 200, 1000, 1100)


def test_what_is_found_exactly_scores_one():
    found = score({0: [CASE], 3: [CASE]}, {0: [CASE], 3: [CASE]})
    assert (found.precision, found.recall, found.granularity, found.plagdet) == (1.0, 1.0, 1.0, 1.0)


def test_half_of_a_case_is_half_its_recall():
    found = score({0: [CASE]}, {0: [(100, 150, 1000, 1050)]})
    assert (found.precision, found.recall) == (1.0, 0.5)
    assert found.plagdet == pytest.approx(2 / 3)


def test_twice_the_length_is_half_the_precision():
    found = score({0: [CASE]}, {0: [(50, 250, 950, 1150)]})
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_a_case_in_two_pieces_is_divided_by_its_granularity():
    pieces = [(100, 150, 1000, 1050), (150, 200, 1050, 1100)]
    found = score({0: [CASE]}, {0: pieces})
    assert (found.precision, found.recall, found.granularity) == (1.0, 1.0, 2.0)
    assert found.plagdet == pytest.approx(1 / math.log2(3))


def test_characters_reported_twice_count_once():
    found = score({0: [CASE]}, {0: [(100, 150, 1000, 1050), (100, 150, 1000, 1050)]})
    assert found.recall == 0.5


def test_right_on_one_side_only_finds_nothing():
    found = score({0: [CASE]}, {0: [(100, 200, 5000, 5100)]})
    assert (found.precision, found.recall, found.plagdet) == (0.0, 0.0, 0.0)


def test_a_passage_of_another_pair_finds_nothing():
    assert score({0: [CASE]}, {1: [CASE]}).f1 == 0.0


def test_cases_weigh_the_same_whatever_their_length():
    cases = {0: [CASE], 1: [(0, 10_000, 0, 10_000)]}
    assert score(cases, {0: [CASE]}).recall == 0.5


def test_without_cases_only_silence_is_right():
    assert score({}, {}).plagdet == 1.0
    assert score({}, {0: [CASE]}).plagdet == 0.0
