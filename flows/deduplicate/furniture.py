"""Lines that stand in many different stories: the headers, footers and notices of outlets, named or not.

A line of a wire story recurs as well, with each copy of the story. What tells the two apart is their company: the texts
around an outlet's footer differ, the copies of a story are alike around each of its lines. Where a page has no line
breaks, or where it breaks off and goes on with a call to subscribe, what recurs is the beginning or the end of a line.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flows.compiled import kernel
from flows.deduplicate.kernels import (
    CHAIN_SHIFT,
    LINE_SHIFT,
    MIX_A,
    OF_CLASS,
    common_ends,
    look_up,
    tell_frequent,
)
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
# Words of a beginning or an end of a line that may recur, the shorter ones first: fewer are a turn of phrase.
_END_WORDS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
# A text is compared with one of at most so many times its length: a whole archive in one text says nothing here, and to
# align it with each of its stories would take for ever.
_MOST_TIMES = 20

Indexes = npt.NDArray[np.int64]
# The words of the first that are aligned with equal ones of the second, for pairs of texts.
Covered = Callable[[Indexes, Indexes], Indexes]


class Lines(NamedTuple):
    """The lines of a corpus.

    Attributes:
        starts: int64, shape (texts + 1): where the lines of each text begin.
        word_counts: int32, shape (lines): their words.
        is_template: shape (lines): whether they recur in different stories.
    """

    starts: Indexes
    word_counts: npt.NDArray[np.int32]
    is_template: npt.NDArray[np.bool_]


class Ends(NamedTuple):
    """Beginnings or ends of lines.

    Attributes:
        lines: shape (n), ascending.
        counts: shape (n): words of each.
    """

    lines: Indexes
    counts: Indexes


def template_lines(store: WordStore, ranks: Indexes, covered: Covered) -> Lines:
    """Find the lines that recur in different stories.

    Args:
        store: the corpus.
        ranks: int64, shape (texts): a number of each text that does not depend on the order of reading.
        covered: counts the words that pairs of texts (two arrays of their indexes) have in common.

    Returns:
        The lines of the corpus. The first line of a text that is none of them, and the last, are cut in two where they
        begin or end with words with which such lines of different stories do.
    """
    asked = _Asked(store, ranks, covered)
    entries, of_entry, recurs = asked.recurring(store.line_hashes)
    is_template = np.zeros(len(store.line_hashes), np.bool_)
    if not store.text_count:
        return Lines(store.line_starts, store.line_words, is_template)
    is_template[entries] = recurs[of_entry]
    is_single = np.ones(len(is_template), np.bool_)
    is_single[entries] = False
    own = np.flatnonzero(~is_template)
    # Of each text its first line and its last that are no template, if there is one.
    first = np.searchsorted(own, store.line_starts)
    texts = np.flatnonzero(first[1:] > first[:-1])
    heads, tails = own[first[texts]], own[first[texts + 1] - 1]
    cut_heads = _common_ends_of_lines(asked, texts[is_single[heads]], heads[is_single[heads]], is_tail=False)
    cut_tails = _common_ends_of_lines(asked, texts[is_single[tails]], tails[is_single[tails]], is_tail=True)
    return _cut(Lines(store.line_starts, store.line_words, is_template), cut_heads, cut_tails)


class _Asked:
    """Tells which of the hashes that stand in several texts stand in different stories."""

    def __init__(self, store: WordStore, ranks: Indexes, covered: Covered) -> None:
        """As `template_lines` is told."""
        self.store = store
        self._ranks = ranks
        self._covered = covered
        self._text_of_rank = np.empty(len(ranks), np.int64)
        self._text_of_rank[ranks] = np.arange(len(ranks))

    def recurring(
        self, hashes: Indexes, texts: Indexes | None = None, word_count: int = 0
    ) -> tuple[Indexes, Indexes, npt.NDArray[np.bool_]]:
        """Look at hashes that stand often enough.

        Args:
            hashes: shape (n).
            texts: shape (n): the text of each; of the lines of the corpus if None.
            word_count: words of each, if it is not a line.

        Returns:
            entries: which of the hashes stand often enough.
            of_entry: a number for each of these, the same for the same hash.
            recurs: by these numbers, whether it stands in different stories.
        """
        store = self.store
        nothing = np.empty(0, np.int64)
        frequent = _frequent(hashes, is_compiled=store.is_compiled)
        if not len(frequent):
            return nothing, nothing, np.empty(0, np.bool_)
        place = np.empty(len(hashes), np.int32)
        # A table that is a quarter full.
        table = np.full(1 << (4 * len(frequent)).bit_length(), -1, np.int32)
        kernel(look_up, is_compiled=store.is_compiled)(frequent, table, hashes, place)
        entries = np.flatnonzero(place >= 0)
        of_entry = place[entries].astype(np.int64)
        del place
        if texts is None:
            text = (np.searchsorted(store.line_starts, entries, side="right") - 1).astype(np.int64)
        else:
            text = texts[entries]
        shuffled = (self._ranks[text].astype(np.uint64) * np.uint64(_SHUFFLE)) & np.uint64(0xFFFFFFFF)
        # One entry per line and text, in the order of lines and, within a line, of the shuffled ranks.
        keys = (of_entry.astype(np.uint64) << np.uint64(32)) | shuffled
        keys.sort()
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
        of_line = (keys >> np.uint64(32)).astype(np.int64)
        firsts = np.searchsorted(of_line, np.arange(len(frequent)))
        nth = np.arange(len(keys)) - firsts[of_line]
        sampled = nth < _SAMPLE
        sample = self._text_of_rank[_ranks_of(keys[sampled])]
        lines = of_line[sampled]
        follows = np.flatnonzero(lines[1:] == lines[:-1])
        enough = np.bincount(of_line, minlength=len(frequent)) >= _MIN_TEXTS
        follows = follows[enough[lines[follows]]]
        if not len(follows):
            return entries, of_entry, np.zeros(len(frequent), np.bool_)
        lengths = np.diff(store.starts)
        asked = np.stack([sample[follows], sample[follows + 1]])
        is_alike = lengths[asked].max(0) <= _MOST_TIMES * lengths[asked].min(0)
        asked, follows = asked[:, is_alike], follows[is_alike]
        pairs, inverse = np.unique((asked.min(0) << 32) | asked.max(0), return_inverse=True)
        a, b = pairs >> 32, pairs & 0xFFFFFFFF
        around = np.empty(len(a), np.int64)
        kernel(common_ends, is_compiled=store.is_compiled)(
            store.line_hashes, store.line_words, store.line_starts, a, b, around
        )
        around += word_count
        left = np.minimum(lengths[a], lengths[b]) - around
        related = ((left < _LEAST_LEFT) | (self._covered(a, b) - around >= _RELATED_SHARE * left))[inverse]
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
        return entries, of_entry, recurs


def _common_ends_of_lines(asked: _Asked, texts: Indexes, lines: Indexes, *, is_tail: bool) -> Ends:
    """The words at the beginning or the end of lines with which lines of different stories begin or end.

    Args:
        asked: tells what recurs.
        texts: shape (n).
        lines: shape (n): one of each of these texts.
        is_tail: whether to look at ends.
    """
    store = asked.store
    line_words = store.line_words[lines].astype(np.int64)
    before = _words_before(store, lines)
    counts = np.zeros(len(lines), np.int64)
    left = np.arange(len(lines))
    for size in _END_WORDS:
        # A line that is nothing else was asked about as such.
        left = left[line_words[left] > size]
        start = before[left] + (line_words[left] - size if is_tail else 0)
        entries, of_entry, recurs = asked.recurring(_hashes(store.words, start, size), texts[left], size)
        left = left[entries[recurs[of_entry]]]
        if not len(left):
            break
        counts[left] = size
    found = counts > 0
    return Ends(lines[found], counts[found])


def _words_before(store: WordStore, lines: Indexes) -> Indexes:
    """Where the words of lines begin: shape (n)."""
    ends = np.cumsum(store.line_words, dtype=np.int64)
    return ends[lines] - store.line_words[lines]


def _hashes(words: npt.NDArray[np.uint32], starts: Indexes, count: int) -> Indexes:
    """Hashes of so many words from each start on."""
    chain = np.zeros(len(starts), np.uint64)
    for at in range(count):
        chain = (chain ^ (words[starts + at].astype(np.uint64) >> OF_CLASS)) * MIX_A
        chain ^= chain >> CHAIN_SHIFT
    return (chain >> LINE_SHIFT).astype(np.int64)


def _cut(lines: Lines, heads: Ends, tails: Ends) -> Lines:
    """Make lines of their own of beginnings and ends."""
    counts = lines.word_counts.astype(np.int32)
    # Where both are all of a line, its end is kept.
    rest = counts[tails.lines]
    at = np.searchsorted(heads.lines, tails.lines)
    at = np.minimum(at, max(len(heads.lines) - 1, 0))
    if len(heads.lines):
        rest = rest - np.where(heads.lines[at] == tails.lines, heads.counts[at], 0)
    is_apart = rest > tails.counts
    tails = Ends(tails.lines[is_apart], tails.counts[is_apart])
    if not len(heads.lines) and not len(tails.lines):
        return lines
    counts = counts.copy()
    counts[heads.lines] -= heads.counts
    counts[tails.lines] -= tails.counts
    places = np.concatenate([heads.lines, tails.lines + 1])
    order = np.argsort(places, kind="stable")
    places = places[order]
    added = np.concatenate([heads.counts, tails.counts])[order]
    return Lines(
        lines.starts + np.searchsorted(places, lines.starts, side="left"),
        np.insert(counts, places, added).astype(np.int32),
        np.insert(lines.is_template, places, True),
    )


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
