"""Lines that stand in many different stories: the headers, footers and notices of outlets, named or not.

A line of a wire story recurs as well, with each copy of the story. What tells the two apart is their company: the texts
around an outlet's footer differ, the copies of a story are alike around each of its lines.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from flows.compiled import kernel
from flows.deduplicate.kernels import common_ends, look_up, tell_frequent
from flows.deduplicate.wordstore import WordStore

# Texts with a line from which on it may be an outlet's.
_MIN_TEXTS = 5
# Texts of a line that are compared, each with the next. They are the lowest in an order that has nothing to do with
# the corpus and is the same for all lines, so that the lines of one story ask for the same pairs.
_SAMPLE = 16
# Knuth's multiplicative hash: odd, so that it permutes the numbers below 2³².
_SHUFFLE = 2_654_435_761
_UNSHUFFLE = pow(_SHUFFLE, -1, 2**32)

# Two texts tell one story when they have this share of the shorter in common, not counting the lines with which both
# begin and those with which both end, or when next to nothing else is left of one of them.
_RELATED_SHARE = 0.4
_LEAST_LEFT = 12
# What is left of two texts says more when it is at least so many words: of short notices a date, a byline and a line in
# the middle of the page may be a good part.
_TELLING_WORDS = 60
# Pairs with so much left that are needed to ask them alone.
_MIN_TELLING = 5
# Share of the pairs asked that must be strangers. Of many pairs with enough left to tell, less is asked: of an outlet
# most of whose pages are fillings of one form, half the pairs or more are alike beside a line of its footer, too, while
# cut-off copies of a wire story make strangers of one pair in six at most.
_STRANGERS_OF_FEW, _STRANGERS_OF_MANY, _MANY_TELLING = 0.5, 0.3, 10
# A text is compared with one of at most so many times its length: a whole archive in one text says nothing here, and to
# align it with each of its stories would take for ever.
_MOST_TIMES = 20

Indexes = npt.NDArray[np.int64]
# The words of the first that are aligned with equal ones of the second, for pairs of texts.
Covered = Callable[[Indexes, Indexes], Indexes]


def template_lines(store: WordStore, ranks: Indexes, covered: Covered) -> npt.NDArray[np.bool_]:
    """Find the lines that recur in different stories.

    Args:
        store: the corpus.
        ranks: int64, shape (texts): a number of each text that does not depend on the order of reading.
        covered: counts the words that pairs of texts (two arrays of their indexes) have in common.

    Returns:
        bool, shape (lines).
    """
    hashes = store.line_hashes
    frequent = _frequent(hashes, is_compiled=store.is_compiled)
    is_template = np.zeros(len(hashes), np.bool_)
    if not len(frequent):
        return is_template
    place = np.empty(len(hashes), np.int32)
    # A table that is a quarter full.
    table = np.full(1 << (4 * len(frequent)).bit_length(), -1, np.int32)
    kernel(look_up, is_compiled=store.is_compiled)(frequent, table, hashes, place)
    entries = np.flatnonzero(place >= 0)
    of_entry = place[entries].astype(np.uint64)
    del place
    text = (np.searchsorted(store.line_starts, entries, side="right") - 1).astype(np.int64)
    shuffled = (ranks[text].astype(np.uint64) * np.uint64(_SHUFFLE)) & np.uint64(0xFFFFFFFF)
    # One entry per line and text, in the order of lines and, within a line, of the shuffled ranks.
    keys = (of_entry << np.uint64(32)) | shuffled
    keys.sort()
    keys = keys[np.append(True, keys[1:] != keys[:-1])]
    of_line = (keys >> np.uint64(32)).astype(np.int64)
    firsts = np.searchsorted(of_line, np.arange(len(frequent)))
    nth = np.arange(len(keys)) - firsts[of_line]
    sampled = nth < _SAMPLE
    text_of_rank = np.empty(len(ranks), np.int64)
    text_of_rank[ranks] = np.arange(len(ranks))
    texts = text_of_rank[_ranks_of(keys[sampled])]
    lines = of_line[sampled]
    follows = np.flatnonzero(lines[1:] == lines[:-1])
    enough = np.bincount(of_line, minlength=len(frequent)) >= _MIN_TEXTS
    follows = follows[enough[lines[follows]]]
    if not len(follows):
        return is_template
    lengths = np.diff(store.starts)
    asked = np.stack([texts[follows], texts[follows + 1]])
    is_alike = lengths[asked].max(0) <= _MOST_TIMES * lengths[asked].min(0)
    asked, follows = asked[:, is_alike], follows[is_alike]
    pairs, inverse = np.unique((asked.min(0) << 32) | asked.max(0), return_inverse=True)
    a, b = pairs >> 32, pairs & 0xFFFFFFFF
    around = np.empty(len(a), np.int64)
    kernel(common_ends, is_compiled=store.is_compiled)(
        store.line_hashes, store.line_words, store.line_starts, a, b, around
    )
    left = np.minimum(lengths[a], lengths[b]) - around
    related = ((left < _LEAST_LEFT) | (covered(a, b) - around >= _RELATED_SHARE * left))[inverse]
    is_telling = (left >= _TELLING_WORDS)[inverse]
    line = lines[follows]
    asked_count, telling_count, strangers, telling_strangers = (
        np.bincount(line[chosen], minlength=len(frequent))
        for chosen in (line >= 0, is_telling, ~related, is_telling & ~related)
    )
    is_told = telling_count >= _MIN_TELLING
    least = np.where(telling_count >= _MANY_TELLING, _STRANGERS_OF_MANY, _STRANGERS_OF_FEW)
    recurs = np.where(
        is_told, telling_strangers >= least * telling_count, strangers >= _STRANGERS_OF_FEW * asked_count
    ) & (asked_count > 0)
    is_template[entries] = recurs[of_entry.astype(np.int64)]
    return is_template


def _frequent(hashes: Indexes, *, is_compiled: bool) -> Indexes:
    """The hashes that stand often enough, sorted. Most lines stand once, and are not sorted for it."""
    may_be = np.empty(len(hashes), np.bool_)
    seen = np.zeros(1 << (4 * len(hashes)).bit_length(), np.uint8)
    kernel(tell_frequent, is_compiled=is_compiled)(hashes, _MIN_TEXTS, seen, may_be)
    ordered = np.sort(hashes[may_be])
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(starts, len(ordered)))
    return ordered[starts[counts >= _MIN_TEXTS]]


def _ranks_of(keys: npt.NDArray[np.uint64]) -> Indexes:
    """The ranks that were shuffled into the lower half of the keys."""
    shuffled = keys & np.uint64(0xFFFFFFFF)
    return ((shuffled * np.uint64(_UNSHUFFLE)) & np.uint64(0xFFFFFFFF)).astype(np.int64)
