"""The search for facts told again in other words, as kernels: see `flows.compiled`."""

from typing import Any

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

# Columns of what `restatements` gives: two units, where the words that they share stand in each (numbers of words, the
# end exclusive), the evidence, and the share of the words there that stand in the other.
A_UNIT, B_UNIT, A_FROM, A_TO, B_FROM, B_TO, EVIDENCE, COVERAGE = range(8)
COLUMNS = 8

# Times that both sides are cut to what the other one has; most pairs need two.
_ROUNDS = 4


def best_range(words: Indexes, weights: Weights, marks: Indexes, start: int, end: int, cost: float) -> tuple[int, int]:
    """The range of a unit in which most is shared: marked words gain their weight, others cost a share of it."""
    best: Any = 0.0
    best_from: Any = start
    best_to: Any = start
    sum_here: Any = 0.0
    begin: Any = start
    for at in range(start, end):
        weight = weights[words[at]]
        sum_here += weight if marks[words[at]] == 2 else -cost * weight
        if sum_here <= 0.0:
            sum_here = 0.0
            begin = at + 1
        elif sum_here > best:
            best = sum_here
            best_from = begin
            best_to = at + 1
    # Words outside the range are no longer shared.
    for at in range(best_from, best_to):
        if marks[words[at]] == 2:
            marks[words[at]] = 3
    for at in range(start, end):
        if marks[words[at]] == 2:
            marks[words[at]] = 1
    for at in range(best_from, best_to):
        if marks[words[at]] == 3:
            marks[words[at]] = 2
    return best_from, best_to


def restatements(  # noqa: PLR0912, PLR0915 - one walk over the pairs of a unit
    words: Indexes,
    weights: Weights,
    unit_starts: Indexes,
    unit_ends: Indexes,
    unit_articles: Indexes,
    unit_words: Indexes,
    unit_word_starts: Indexes,
    postings: Indexes,
    posting_starts: Indexes,
    cost: float,
    least: float,
    least_words: int,
) -> npt.NDArray[np.float64]:
    """Find pairs of units of different articles that share words that few others have, close together in both.

    Args:
        words: shape (words): number of each word; equal ones have one number.
        weights: shape (numbers): how much a word tells.
        unit_starts: shape (units), earlier articles first: its first word.
        unit_ends: shape (units): the word after its last.
        unit_articles: shape (units): the article of each.
        unit_words: different words of each unit that tell something, one unit after the other.
        unit_word_starts: shape (units + 1): where those of each unit begin.
        postings: the units that have a word, ascending, one word after the other.
        posting_starts: shape (numbers + 1): where those of each word begin.
        cost: what an unshared word within a range takes away, as a share of its weight.
        least: weights that a pair shares, less that cost, on an average of both sides.
        least_words: different words that it shares.

    Returns:
        Shape (pairs, COLUMNS).
    """
    unit_count = len(unit_starts)
    shared = np.zeros(unit_count, np.float64)
    touched = np.zeros(unit_count, np.int64)
    marks = np.zeros(len(weights), np.int64)
    found = np.zeros((64, COLUMNS), np.float64)
    count = 0
    for b in range(unit_count):
        touched_count = 0
        for nth in range(unit_word_starts[b], unit_word_starts[b + 1]):
            word = unit_words[nth]
            for posting in range(posting_starts[word], posting_starts[word + 1]):
                a = postings[posting]
                if a >= b or unit_articles[a] == unit_articles[b]:
                    break
                if shared[a] == 0.0:
                    touched[touched_count] = a
                    touched_count += 1
                shared[a] += weights[word]
        for nth in range(touched_count):
            a = touched[nth]
            is_likely = shared[a] >= least
            shared[a] = 0.0
            if not is_likely:
                continue
            for at in range(unit_starts[a], unit_ends[a]):
                marks[words[at]] = 1
            for at in range(unit_starts[b], unit_ends[b]):
                if marks[words[at]] == 1:
                    marks[words[at]] = 2
            a_from: Any = unit_starts[a]
            a_to: Any = unit_ends[a]
            b_from: Any = unit_starts[b]
            b_to: Any = unit_ends[b]
            for _ in range(_ROUNDS):
                before = a_to - a_from + b_to - b_from
                a_from, a_to = best_range(words, weights, marks, unit_starts[a], unit_ends[a], cost)
                b_from, b_to = best_range(words, weights, marks, unit_starts[b], unit_ends[b], cost)
                if a_to - a_from + b_to - b_from == before:
                    break
            both: Any = 0.0
            either: Any = 0.0
            different = 0
            for at in range(a_from, a_to):
                if marks[words[at]] == 2:
                    marks[words[at]] = 3
                    both += weights[words[at]]
                    different += 1
                elif marks[words[at]] != 3:
                    either += weights[words[at]]
            for at in range(b_from, b_to):
                if marks[words[at]] != 3:
                    either += weights[words[at]]
            for at in range(unit_starts[a], unit_ends[a]):
                marks[words[at]] = 0
            for at in range(unit_starts[b], unit_ends[b]):
                marks[words[at]] = 0
            evidence = both - cost * either / 2
            if evidence < least or different < least_words:
                continue
            if count == len(found):
                found = np.concatenate((found, np.zeros_like(found)))
            found[count, A_UNIT] = a
            found[count, B_UNIT] = b
            found[count, A_FROM] = a_from
            found[count, A_TO] = a_to
            found[count, B_FROM] = b_from
            found[count, B_TO] = b_to
            found[count, EVIDENCE] = evidence
            found[count, COVERAGE] = 2 * both / (2 * both + either)
            count += 1
    return found[:count]
