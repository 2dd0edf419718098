"""The loops over words that decide how long a large corpus takes, as kernels.

Each kernel is a plain Python function over arrays. On little text it runs as it stands, so that a small build neither
imports nor compiles anything; on more it is compiled by numba at its first use and kept in numba's cache. Both ways
give the same numbers: counts are int64 and small, hashes are uint64 and wrap around. Kernels release the GIL and write
only to arrays that the caller hands them, each thread to its own part, so that results do not depend on the threads.

A word is a uint32: 29 bits of the hash of its lower-cased code points, and three of its class.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.compiled import kernel

# Classes of words. A word is VARIABLE where other texts of the same form have other words (see forms.py).
PLAIN, NAME, FIGURE, SPACELESS, INITIAL, VARIABLE = 0, 1, 2, 3, 4, 5
CLASS_BITS = 3

# Classes of characters, as `flows.deduplicate.characters` tabulates them.
OUTSIDE, LETTER, DIGIT, OWN_WORD, CAPITAL, NEW_LINE, FULL_STOP = 0, 1, 2, 3, 4, 5, 6

_MASK_32 = 0xFFFFFFFF
_MASK_29 = 0x1FFFFFFF
# A multiplier below 2³¹ by Wellons, "Prospecting for hash functions" (2018): a product with 32 bits fits into an int64.
_MIX_A = 0x7FEB352D
# Numbers as kernels compute hashes with: an operation of a uint64 and anything else would be one of floats.
# The multipliers are those of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
MIX_A, MIX_B, MIX_C = (np.uint64(mix) for mix in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
NOTHING, HALF, OF_CLASS = (np.uint64(number) for number in (0, 32, CLASS_BITS))
# Hashes of many words are chained: `chain = (chain ^ word) * MIX_A; chain ^= chain >> CHAIN_SHIFT`. LINE_SHIFT makes an
# int64 above zero of them.
CHAIN_SHIFT, LINE_SHIFT = np.uint64(29), np.uint64(2)
# Two words that follow one another as one number, without their classes.
TWO_HASHES = np.uint64(0xFFFFFFF8FFFFFFF8)
# Bits of a sampled 4-gram's hash: those that say whether it is one of the sample, and those that are its key.
_SAMPLE_SHIFT, _KEY_SHIFT, _KEY_BITS = np.uint64(60), np.uint64(28), np.uint64(0xFFFFFFFF)

# Words on both sides of a gap that are still aligned word by word; a longer gap is left as unmatched.
MAX_GAP = 128
# Two stretches of more words than the first have this share of the shorter in common, or are left as unmatched: between
# any two stretches of a language some words can be aligned. Measured on pairs of 2,225 news stories, stretches of 10 to
# 120 words: 0.25 at most on average, and in 99 of 100 cases below 0.35 where the longer has up to four times the words.
CHANCE_WORDS, CHANCE_SHARE = 8, 0.35
UNLIKE_TIMES, UNLIKE_SHARE = 4, 0.5
# Words on either side of a difference that a slot of a form may have: 'the Rt Hon. Mary Ann Doe MP'.
SLOT_WORDS = 6
# Slots that count where they stand close to one another, with no words between them that both texts have: an outlet's
# own dateline and byline make no form.
PLACE_SLOTS = 4
# Words between two variable words from which on they stand in different places, and how many count in one place: the
# bylines of outlets differ from copy to copy, too.
PLACE_WORDS, PLACE_VARIABLE = 4, 2
# Words of the runs of which `compare` counts how many are common: those of the usual Jaccard similarity.
GRAM_WORDS = 5
# Columns of what `compare` measures of a pair.
A_COVERED, B_COVERED, A_UNMATCHED, B_UNMATCHED, SAME_SLOTS, OTHER_SLOTS, OTHER_WORDS = range(7)
SAME_VARIABLE, OTHER_VARIABLE, OTHER_PLACES, SHARED_GRAMS, ALL_GRAMS = range(7, 12)
A_BEFORE, B_BEFORE, A_BETWEEN, B_BETWEEN, A_AFTER, B_AFTER = range(12, 18)
INNER_SLOTS = 18
MEASURES = 19
# Words of a line that is no headline, be it one sentence; and those that a headline has at most.
SENTENCE_WORDS, HEADLINE_WORDS = 14, 20
# Words of a line that says when, by whom or how often: "Updated Monday 3 May 2021, 14:05". Of a hard-wrapped paragraph
# only the last line may have as few.
STAMP_WORDS = 8
# Words of the label that a headline may begin with: "Next:", "Watch live:".
LABEL_WORDS = 3
# Words of a run that is no headline.
LONG_RUN = 16

# What `compare` is given when nobody asks for values.
NOWHERE, NO_VALUES = np.empty(0, np.int64), np.empty(0, np.uint32)

# Bytes of text from which on compiling pays: as they stand, the kernels take about two microseconds a byte.
COMPILE_FROM_BYTES = 400_000


def thread_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_kernels() -> None:
    """Import numba and run a kernel of its cache: half a second, once, that may pass while something is waited for."""
    shuffled(np.empty(0, np.uint64), 2, is_compiled=True)


def in_slices(work: Callable[[int, int], None], count: int, *, is_parallel: bool, per_slice: int) -> None:
    """Call `work(first, last)` for slices of 0..count, at most `per_slice` long, on all cores.

    Slices are the same however many threads there are.
    """
    bounds = [(first, min(first + per_slice, count)) for first in range(0, count, per_slice)]
    if not is_parallel or len(bounds) == 1:
        for first, last in bounds:
            work(first, last)
        return
    with ThreadPoolExecutor(thread_count()) as pool:
        for done in [pool.submit(work, first, last) for first, last in bounds]:
            done.result()


def shuffled(
    keys: npt.NDArray[np.uint64], ranges: int, *, is_compiled: bool
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Cut keys by their highest bits into ranges, two or another power of two.

    Returns:
        The keys, those of a range in their order, and where each range begins: shape (ranges + 1).
    """
    out, cuts = np.empty(len(keys), np.uint64), np.zeros(ranges + 1, np.int64)
    kernel(shuffle, is_compiled=is_compiled)(keys, ranges.bit_length() - 1, out, cuts)
    return out, cuts


def count_places(hashes: npt.NDArray[np.int64], most: int, counts: npt.NDArray[np.uint8]) -> None:
    """Count how often hashes stand, together with others that fall into the same place.

    Args:
        hashes: shape (n), 62 bits.
        most: no place is counted further.
        counts: in and out; its length is a power of two, and the longer, the fewer others.
    """
    mask = np.int64(len(counts) - 1)
    for i in range(len(hashes)):
        place = ((hashes[i] >> 31) ^ hashes[i]) & mask
        counts[place] += counts[place] < most


def tell_frequent(
    hashes: npt.NDArray[np.int64], least: int, counts: npt.NDArray[np.uint8], may_be: npt.NDArray[np.bool_]
) -> None:
    """Tell which hashes may stand so often: others that fall into the same place count as well.

    Args:
        hashes: shape (n), 62 bits.
        least: how often.
        counts: as `count_places` left it.
        may_be: out, shape (n).
    """
    mask = np.int64(len(counts) - 1)
    for i in range(len(hashes)):
        may_be[i] = counts[((hashes[i] >> 31) ^ hashes[i]) & mask] >= least


def enter(sought: npt.NDArray[np.int64], table: npt.NDArray[np.int32]) -> None:
    """Make a table in which hashes are found.

    Args:
        sought: shape (n), different 62-bit hashes.
        table: all -1; out; its length is a power of two of at least 2 n.
    """
    mask = len(table) - 1
    for i in range(len(sought)):
        place = ((sought[i] >> 31) ^ sought[i]) & mask
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = i


def look_up(
    sought: npt.NDArray[np.int64],
    table: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.int64],
    found: npt.NDArray[np.int32],
) -> None:
    """Find hashes among others.

    Args:
        sought: shape (n), different 62-bit hashes.
        table: as `enter` made it of them.
        hashes: shape (m).
        found: out, shape (m): the place of each in `sought`, -1 where it is not there.
    """
    mask = len(table) - 1
    for i in range(len(hashes)):
        place = ((hashes[i] >> 31) ^ hashes[i]) & mask
        while table[place] >= 0 and sought[table[place]] != hashes[i]:
            place = (place + 1) & mask
        found[i] = table[place]


def first_of_equal(
    texts: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.int64],
    forms: npt.NDArray[np.int64],
    table: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
) -> None:
    """Find the first text of the same hash and form.

    Args:
        texts: shape (n), ascending.
        hashes: shape (all texts), 62 bits.
        forms: shape (all texts).
        table: all -1; its length is a power of two above n.
        firsts: out, shape (n): the first of those that each is one of.
    """
    mask = len(table) - 1
    for i in range(len(texts)):
        text = texts[i]
        place = ((hashes[text] >> 31) ^ hashes[text]) & mask
        while table[place] >= 0 and (hashes[table[place]] != hashes[text] or forms[table[place]] != forms[text]):
            place = (place + 1) & mask
        if table[place] < 0:
            table[place] = text
        firsts[i] = table[place]


def sample_texts(
    lines: npt.NDArray[np.int32],
    texts: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.uint64],
    lowest: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.int64],
) -> None:
    """Find the lowest texts that each line stands in, and count all.

    Args:
        lines: shape (n): what is asked about, or -1.
        texts: shape (m): the texts that they are of, each once.
        starts: shape (m + 1): where the lines of each begin.
        numbers: shape (all texts): what the order of texts goes by.
        lowest: out, shape (lines asked about, most): numbers of the lowest, ascending, as many as there are.
        counts: out, zeros, shape (lines asked about).
    """
    most = lowest.shape[1]
    before = np.full(len(counts), -1, np.int64)
    for i in range(len(texts)):
        number = numbers[texts[i]]
        for at in range(starts[i], starts[i + 1]):
            line = lines[at]
            if line < 0 or before[line] == i:
                continue
            before[line] = i
            count = counts[line]
            counts[line] += 1
            if count >= most and number > lowest[line, most - 1]:
                continue
            place = min(count, most - 1)
            while place > 0 and lowest[line, place - 1] > number:
                lowest[line, place] = lowest[line, place - 1]
                place -= 1
            lowest[line, place] = number


def outer_lines(
    is_template: npt.NDArray[np.bool_],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    word_counts: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    lasts: npt.NDArray[np.int64],
) -> None:
    """Find the first and the last line of each text outside template lines.

    Args:
        is_template: shape (lines).
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        word_counts: shape (texts): words that `trim` left of each.
        firsts: out, shape (texts); -1 where all lines are template, or it has the words of such lines still.
        lasts: out, the same.
    """
    for text in range(len(word_counts)):
        first: Any = np.int64(-1)
        last: Any = np.int64(-1)
        count = np.int64(0)
        for line in range(line_starts[text], line_starts[text + 1]):
            if not is_template[line]:
                if first < 0:
                    first = line
                last = line
                count += line_words[line]
        firsts[text] = first if count == word_counts[text] else -1
        lasts[text] = last if count == word_counts[text] else -1


def filled_lines(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    line_hashes: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.int64],
    is_filled: npt.NDArray[np.bool_],
) -> None:
    """Hash lines so that short ones are equal that differ in names and figures alone: "By Mary Doe", "1234 views".

    Names that stand side by side count as one, and so do figures.

    Args:
        words: words of all texts.
        starts: shape (texts + 1): where those of each begin.
        line_hashes: shape (lines).
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where the lines of each text begin.
        hashes: out, shape (lines): `line_hashes`, but for lines of at most STAMP_WORDS words that have such words.
        is_filled: out, shape (lines): which these are.
    """
    for text in range(len(starts) - 1):
        at = starts[text]
        for line in range(line_starts[text], line_starts[text + 1]):
            count = line_words[line]
            hashes[line] = line_hashes[line]
            is_filled[line] = False
            if count <= STAMP_WORDS:
                chain = NOTHING
                before = np.int64(PLAIN)
                for w in range(at, at + count):
                    kind = np.int64(words[w]) & 7
                    is_slot = kind in (NAME, FIGURE)
                    if is_slot:
                        is_filled[line] = True
                    if not is_slot or kind != before:
                        # The lowest bits are those of the class: no word is equal to a class alone.
                        own = np.uint64(kind) if is_slot else (np.uint64(words[w]) >> OF_CLASS) << OF_CLASS
                        chain = (chain ^ own) * MIX_A
                        chain ^= chain >> CHAIN_SHIFT
                    before = kind
                if is_filled[line]:
                    hashes[line] = np.int64(chain >> LINE_SHIFT)
            at += count


def keep_filled_within(
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    is_asked: npt.NDArray[np.bool_],
    is_template: npt.NDArray[np.bool_],
) -> None:
    """Leave to a text the lines among those asked about that do not stand before or behind its story.

    Args:
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where the lines of each text begin.
        is_asked: shape (lines).
        is_template: in and out, shape (lines). What stays of those asked about stands before the first or behind the
            last lines, side by side, that are none and have as many words as a sentence: a headline is one line alone.
    """
    for text in range(len(line_starts) - 1):
        end = line_starts[text + 1]
        first = end
        last = end
        begin = line_starts[text]
        run = np.int64(0)
        for line in range(line_starts[text], end):
            if is_template[line]:
                run = np.int64(0)
                begin = line + 1
                continue
            run += line_words[line]
            if run >= SENTENCE_WORDS:
                first = min(first, begin)
                last = line
        for line in range(line_starts[text], end):
            if is_asked[line] and (first == end or first <= line <= last):
                is_template[line] = False


def common_ends(
    line_hashes: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    a_texts: npt.NDArray[np.int64],
    b_texts: npt.NDArray[np.int64],
    around: npt.NDArray[np.int64],
) -> None:
    """Count the words of the lines with which both texts of a pair begin, and of those with which both end.

    Args:
        line_hashes: shape (lines).
        line_words: shape (lines).
        line_starts: shape (texts + 1).
        a_texts: shape (n).
        b_texts: shape (n).
        around: out, shape (n).
    """
    for i in range(len(a_texts)):
        a = line_starts[a_texts[i]]
        b = line_starts[b_texts[i]]
        a_end = line_starts[a_texts[i] + 1]
        b_end = line_starts[b_texts[i] + 1]
        count = np.int64(0)
        while a < a_end and b < b_end and line_hashes[a] == line_hashes[b]:
            count += line_words[a]
            a += 1
            b += 1
        while a < a_end and b < b_end and line_hashes[a_end - 1] == line_hashes[b_end - 1]:
            a_end -= 1
            b_end -= 1
            count += line_words[a_end]
        around[i] = count


def recurring_words(  # noqa: PLR0912 - once over the lines of either text
    numbers: npt.NDArray[np.int32],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    a_texts: npt.NDArray[np.int64],
    b_texts: npt.NDArray[np.int64],
    met: npt.NDArray[np.int64],
    in_a: npt.NDArray[np.int64],
    in_b: npt.NDArray[np.int64],
    in_both: npt.NDArray[np.int64],
    amid: npt.NDArray[np.int64],
    between: npt.NDArray[np.int64],
) -> None:
    """Count the words of the lines of pairs of texts that recur, of those that both have, and of others amid these.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones; -1 of others.
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        a_texts: shape (pairs).
        b_texts: shape (pairs).
        met: all -1, longer than the highest number.
        in_a: out, shape (pairs).
        in_b: out, shape (pairs).
        in_both: out, shape (pairs): as often as a line stands in either, of the text that has fewer such words.
        amid: out, shape (pairs): words of lines that do not recur, between the first and the last of the lines that
            both have, of the text that has fewer of them there.
        between: out, the same: words of all lines there that only one of the two has.
    """
    for i in range(len(a_texts)):
        a_count = np.int64(0)
        b_count = np.int64(0)
        a_both = np.int64(0)
        b_both = np.int64(0)
        in_common = -2 - i
        for at in range(line_starts[a_texts[i]], line_starts[a_texts[i] + 1]):
            if numbers[at] >= 0:
                a_count += line_words[at]
                met[numbers[at]] = i
        # Words that do not recur since the first line that both have: all of them, and those up to the last one.
        b_own: Any = np.int64(-1)
        b_amid: Any = np.int64(0)
        b_other: Any = np.int64(0)
        b_between: Any = np.int64(0)
        for at in range(line_starts[b_texts[i]], line_starts[b_texts[i] + 1]):
            if numbers[at] >= 0:
                b_count += line_words[at]
                if met[numbers[at]] == i:
                    met[numbers[at]] = in_common
                if met[numbers[at]] == in_common:
                    b_both += line_words[at]
                    b_own = max(b_own, 0)
                    b_amid = b_own
                    b_between = b_own + b_other
                elif b_own >= 0:
                    b_other += line_words[at]
            elif b_own >= 0:
                b_own += line_words[at]
        a_own: Any = np.int64(-1)
        a_amid: Any = np.int64(0)
        a_other: Any = np.int64(0)
        a_between: Any = np.int64(0)
        for at in range(line_starts[a_texts[i]], line_starts[a_texts[i] + 1]):
            if numbers[at] >= 0:
                if met[numbers[at]] == in_common:
                    a_both += line_words[at]
                    a_own = max(a_own, 0)
                    a_amid = a_own
                    a_between = a_own + a_other
                elif a_own >= 0:
                    a_other += line_words[at]
            elif a_own >= 0:
                a_own += line_words[at]
        in_a[i] = a_count
        in_b[i] = b_count
        in_both[i] = min(a_both, b_both)
        amid[i] = min(a_amid, b_amid)
        between[i] = min(a_between, b_between)


def rarer_in_both(  # noqa: PLR0912, PLR0915 - some passes over the lines of a pair
    numbers: npt.NDArray[np.int32],
    text_counts: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    a_texts: npt.NDArray[np.int64],
    b_texts: npt.NDArray[np.int64],
    least_framing: int,
    met: npt.NDArray[np.int64],
    rarer: npt.NDArray[np.int64],
    outer: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
) -> None:
    """Count the words that both texts of a pair have in lines that recur less often than those around them.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones; -1 of others.
        text_counts: shape (numbers): how many texts have it.
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        a_texts: shape (pairs).
        b_texts: shape (pairs).
        least_framing: so many more words of recurring lines that only one of the two has must stand before, and behind,
            all that both have than amid it, for that to count however many texts have it.
        met: all -1, longer than the highest number.
        rarer: out, shape (pairs): words of lines that both have and that fewer texts have than, on average, the
            recurring lines that only one of the two has; of either's the average that is lower.
        outer: out, the same: words of recurring lines that only one of the two has, of the one with fewer.
        others: out, the same: words in lines that recur nowhere, of the one with fewer.
    """
    for i in range(len(a_texts)):
        # Lines of a are marked with 3 i, those that b has, too, with 3 i + 1, and those counted with 3 i + 2.
        in_a = 3 * i
        in_both = in_a + 1
        for at in range(line_starts[a_texts[i]], line_starts[a_texts[i] + 1]):
            if numbers[at] >= 0:
                met[numbers[at]] = in_a
        b_outer = np.int64(0)
        b_total = np.int64(0)
        b_other = np.int64(0)
        for at in range(line_starts[b_texts[i]], line_starts[b_texts[i] + 1]):
            number = numbers[at]
            if number < 0:
                b_other += line_words[at]
            elif in_a <= met[number] <= in_both:
                met[number] = in_both
            else:
                b_outer += line_words[at]
                b_total += line_words[at] * text_counts[number]
        a_outer = np.int64(0)
        a_total = np.int64(0)
        a_other = np.int64(0)
        for at in range(line_starts[a_texts[i]], line_starts[a_texts[i] + 1]):
            number = numbers[at]
            if number < 0:
                a_other += line_words[at]
            elif met[number] == in_a:
                a_outer += line_words[at]
                a_total += line_words[at] * text_counts[number]
        outer[i] = min(a_outer, b_outer)
        others[i] = min(a_other, b_other)
        framing = np.int64(0)
        if outer[i] > 0:
            framing = outer[i]
            for side in range(2):
                text = b_texts[i] if side else a_texts[i]
                ahead: Any = np.int64(-1)
                behind = np.int64(0)
                amid = np.int64(0)
                for at in range(line_starts[text], line_starts[text + 1]):
                    number = numbers[at]
                    if number >= 0 and met[number] == in_both:
                        if ahead < 0:
                            ahead = behind
                        else:
                            amid += behind
                        behind = np.int64(0)
                    elif number >= 0:
                        behind += line_words[at]
                framing = min(framing, ahead - amid, behind - amid)
        common = np.int64(0)
        if outer[i] > 0:
            for at in range(line_starts[a_texts[i]], line_starts[a_texts[i] + 1]):
                number = numbers[at]
                if number >= 0 and met[number] == in_both:
                    met[number] = in_both + 1
                    texts = text_counts[number]
                    if framing >= least_framing or (texts * a_outer < a_total and texts * b_outer < b_total):
                        common += line_words[at]
        rarer[i] = common


def told_first(
    numbers: npt.NDArray[np.int32],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    most_own: int,
    met: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    own_before: npt.NDArray[np.int64],
) -> None:
    """Count the words of sentences that a text of each pair has in common with the other before it says its own.

    A line of sentences has as many words without a capital as others, and SENTENCE_WORDS, or a sentence that ends in
    it: no menu does, and few headlines. Hard-wrapped, half of the lines of sentences may have neither.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones; -1 of others.
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        words: words of all texts.
        starts: shape (texts + 1): where those of each text begin.
        texts: shape (pairs).
        others: shape (pairs).
        most_own: words in one stretch of lines that do not recur with which a text says its own.
        met: all -1, longer than the highest number.
        counts: out, shape (pairs): of each text.
        own_before: out, the same: words of lines that do not recur before the first of those sentences.
    """
    for i in range(len(texts)):
        for line in range(line_starts[others[i]], line_starts[others[i] + 1]):
            if numbers[line] >= 0:
                met[numbers[line]] = i
        told: Any = np.int64(0)
        common: Any = np.int64(0)
        sentences: Any = np.int64(0)
        own: Any = np.int64(0)
        before: Any = np.int64(0)
        at = starts[texts[i]]
        for line in range(line_starts[texts[i]], line_starts[texts[i] + 1]):
            count = line_words[line]
            of_line = words[at : at + count]
            at += count
            if numbers[line] >= 0 and met[numbers[line]] == i:
                met[numbers[line]] = -1
                small = np.int64(0)
                initials = np.int64(0)
                for w in range(1, count):
                    small += of_line[w] & 7 == PLAIN
                    initials += of_line[w] & 7 == INITIAL
                own = np.int64(0)
                common += count
                if 2 * small >= count and (count >= SENTENCE_WORDS or initials > 0):
                    sentences += count
                continue
            told += min(common, 2 * sentences)
            common = np.int64(0)
            sentences = np.int64(0)
            if numbers[line] < 0:
                own += count
                if told == 0:
                    before += count
                if own > most_own:
                    break
        counts[i] = told + min(common, 2 * sentences)
        own_before[i] = before


def told_ahead(
    numbers: npt.NDArray[np.int32],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    met: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    """Count the words of sentences of its own that a text of each pair has before anything that both have.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones; -1 of others.
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        words: words of all texts.
        starts: shape (texts + 1): where those of each text begin.
        texts: shape (pairs).
        others: shape (pairs).
        met: all -1, longer than the highest number.
        counts: out, shape (pairs): words of lines that do not recur, those side by side with SENTENCE_WORDS and as
            many words without a capital as others.
    """
    for i in range(len(texts)):
        for line in range(line_starts[others[i]], line_starts[others[i] + 1]):
            if numbers[line] >= 0:
                met[numbers[line]] = i
        counts[i] = 0
        run = np.int64(0)
        small = np.int64(0)
        at = starts[texts[i]]
        for line in range(line_starts[texts[i]], line_starts[texts[i] + 1]):
            count = line_words[line]
            if numbers[line] < 0:
                run += count
                for w in range(at, at + count):
                    small += words[w] & 7 in (PLAIN, SPACELESS)
            else:
                if run >= SENTENCE_WORDS and 2 * small >= run:
                    counts[i] += run
                run = np.int64(0)
                small = np.int64(0)
                if met[numbers[line]] == i:
                    break
            at += count


def teasers_from(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    is_template: npt.NDArray[np.bool_],
    most_words: int,
    firsts: npt.NDArray[np.int64],
) -> None:
    """Find the lines at the end of each text that are template or like headlines, those of other stories perhaps.

    A headline is no sentence and does not end one, but for a label ("Watch live: "), and has at most one figure, as
    results and prices have not, beside its number in a list ("3. City beats United").

    Args:
        words: words of all texts.
        starts: shape (texts + 1): where those of each begin.
        line_words: shape (lines): their words.
        line_starts: shape (texts + 1): where those of each text begin.
        is_template: shape (lines).
        most_words: words that the headlines of a text have at most.
        firsts: out, shape (texts): the first of these lines, the end of the text if there are none.
    """
    for text in range(len(firsts)):
        line = line_starts[text + 1]
        at = starts[text + 1]
        left = most_words
        while line > line_starts[text]:
            count = line_words[line - 1]
            at -= count
            if not is_template[line - 1]:
                left -= count
                figures = np.int64(0)
                initials = np.int64(0)
                of_line = words[at : at + count]
                is_numbered = count > 1 and of_line[0] & 7 == FIGURE and of_line[1] & 7 == INITIAL
                for w in range(1 if is_numbered else 0, count):
                    figures += of_line[w] & 7 == FIGURE
                    initials += (w > LABEL_WORDS) & (of_line[w] & 7 == INITIAL)
                if count > HEADLINE_WORDS or left < 0 or initials > 0 or figures > 1:
                    break
            line -= 1
        firsts[text] = line


def tell_captions(
    numbers: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    is_template: npt.NDArray[np.bool_],
    firsts: npt.NDArray[np.int64],
    with_teasers: npt.NDArray[np.int64],
    without: npt.NDArray[np.int64],
) -> None:
    """Count for each template line how often headlines alone follow it, and how often something else does.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones.
        line_starts: shape (texts + 1).
        is_template: shape (lines).
        firsts: shape (texts), as `teasers_from` gives it.
        with_teasers: out, zeros, longer than the highest number: at least two headlines.
        without: out, the same.
    """
    for text in range(len(firsts)):
        headlines = np.int64(0)
        for line in range(line_starts[text + 1] - 1, line_starts[text] - 1, -1):
            if not is_template[line]:
                headlines += 1
            elif line < firsts[text]:
                without[numbers[line]] += 1
            elif headlines > 1:
                with_teasers[numbers[line]] += 1


def set_teasers_aside(
    numbers: npt.NDArray[np.int32],
    line_words: npt.NDArray[np.int32],
    line_starts: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    is_caption: npt.NDArray[np.bool_],
    least_above: int,
    is_template: npt.NDArray[np.bool_],
) -> None:
    """Make template what stands below the first caption at the end of each text.

    Args:
        numbers: shape (lines): a number for each line that recurs, the same for equal ones.
        line_words: shape (lines).
        line_starts: shape (texts + 1).
        firsts: shape (texts), as `teasers_from` gives it.
        is_caption: whether headlines alone follow a line with this number; longer than the highest.
        least_above: words of other lines that must stand above, and half as many as below.
        is_template: in and out, shape (lines).
    """
    for text in range(len(firsts)):
        end = line_starts[text + 1]
        caption = firsts[text]
        while caption < end and not (is_template[caption] and is_caption[numbers[caption]]):
            caption += 1
        if caption == end:
            continue
        above = np.int64(0)
        below = np.int64(0)
        for line in range(line_starts[text], end):
            if not is_template[line]:
                if line < caption:
                    above += line_words[line]
                else:
                    below += line_words[line]
        if above >= least_above and 2 * above >= below:
            is_template[caption:end] = True


def trim(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    line_starts: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    is_template: npt.NDArray[np.bool_],
    first: int,
    last: int,
    least: int,
    ends: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    whole: npt.NDArray[np.int64],
    body: npt.NDArray[np.int64],
    aside: npt.NDArray[np.int64],
) -> None:
    """Move the words outside template lines to the front of each text's own part of `words`.

    A text of template lines alone, or nearly so, is kept whole: what tells it from others is in those lines.

    Args:
        words: in and out.
        starts: shape (texts + 1): where each text begins in `words`.
        line_starts: shape (texts + 1): its first line.
        line_words: shape (lines): their words.
        is_template: shape (lines).
        first: the first text of the slice.
        last: the text after the last.
        least: words that must remain.
        ends: out, shape (texts): where the words that are kept end.
        sizes: out, shape (texts): their number, those of scripts without spaces counted by half.
        whole: out, shape (texts): hash of all words.
        body: out, shape (texts): hash of the words kept.
        aside: out, shape (texts): hash of the others.
    """
    for text in range(first, last):
        start = starts[text]
        end = starts[text + 1]
        kept = np.int64(0)
        for line in range(line_starts[text], line_starts[text + 1]):
            if not is_template[line]:
                kept += line_words[line]
        all_words = hash_of(words[start:end])
        own_words = all_words
        other_words = NOTHING
        to = end
        if least <= kept < end - start:
            to = start
            at = start
            for line in range(line_starts[text], line_starts[text + 1]):
                here = words[at : at + line_words[line]]
                at += len(here)
                if is_template[line]:
                    for i in range(len(here)):
                        other_words = (other_words ^ (np.uint64(here[i]) >> OF_CLASS)) * MIX_A
                        other_words ^= other_words >> CHAIN_SHIFT
                else:
                    there = words[to : to + len(here)]
                    to += len(here)
                    for i in range(len(here)):
                        there[i] = here[i]
            own_words = hash_of(words[start:to])
        own = words[start:to]
        spaceless = np.int64(0)
        for i in range(len(own)):
            spaceless += own[i] & 7 == SPACELESS
        whole[text] = np.int64(all_words >> LINE_SHIFT)
        body[text] = np.int64(own_words >> LINE_SHIFT)
        aside[text] = np.int64(other_words >> LINE_SHIFT)
        ends[text] = to
        sizes[text] = len(own) - spaceless + spaceless // 2


def hash_of(words: npt.NDArray[np.uint32]) -> np.uint64:
    """The hash of words without their classes; of four at a time, for which a processor waits as long as for one."""
    chain = np.uint64(len(words))
    for four in range(len(words) // 4):
        at = 4 * four
        one = (np.uint64(words[at]) | (np.uint64(words[at + 1]) << HALF)) & TWO_HASHES
        two = (np.uint64(words[at + 2]) | (np.uint64(words[at + 3]) << HALF)) & TWO_HASHES
        chain = (chain ^ one) * MIX_A + two * MIX_B
        chain ^= chain >> CHAIN_SHIFT
    for at in range(len(words) // 4 * 4, len(words)):
        chain = (chain ^ (np.uint64(words[at]) >> OF_CLASS)) * MIX_A
        chain ^= chain >> CHAIN_SHIFT
    return chain


def grams_of(words: npt.NDArray[np.uint32], grams: npt.NDArray[np.uint64]) -> None:
    """Hash the four words that stand from each word on, without their classes.

    Args:
        words: shape (n).
        grams: out, shape (n - 3) or more.
    """
    for at in range(len(words) - 3):
        one = (np.uint64(words[at]) | (np.uint64(words[at + 1]) << HALF)) & TWO_HASHES
        two = (np.uint64(words[at + 2]) | (np.uint64(words[at + 3]) << HALF)) & TWO_HASHES
        mixed = one * MIX_A + two * MIX_B
        grams[at] = (mixed ^ (mixed >> HALF)) * MIX_C


def sketch(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
    names: npt.NDArray[np.int64],
    part: int,
    parts: int,
    keys: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.int32],
) -> int:
    """Sample the word 4-grams of texts by their hash: the same ones in every text.

    One in 16 is taken of a long text, one in 8 of one below 2000 words, every other one of one below 200, all of one
    below 64.

    Args:
        words: words of all texts.
        starts: shape (all texts).
        ends: shape (all texts).
        texts: shape (n): which to sketch.
        names: shape (n): the number that stands for each, below 2³².
        part: only 4-grams of this partition are taken.
        parts: number of partitions.
        keys: out: hash << 32 | name; as long as all these texts and one.
        counts: out, shape (n): how many were sampled of each, over all partitions.

    Returns:
        How many keys there are.
    """
    longest: Any = np.int64(0)
    for i in range(len(texts)):
        longest = max(longest, ends[texts[i]] - starts[texts[i]])
    grams = np.empty(longest, np.uint64)
    count = 0
    for i in range(len(texts)):
        own = words[starts[texts[i]] : ends[texts[i]]]
        # The highest bits of the hash decide, so that a text of any length shares the rarer ones with any other.
        length = len(own)
        most = np.uint64(15 if length < 64 else 7 if length < 200 else 1 if length < 2000 else 0)
        name = np.uint64(names[i])
        grams_of(own, grams)
        first = count
        for at in range(length - 3):
            # Written over by the next one if it is not of the sample: nobody can foretell which are.
            keys[count] = (((grams[at] >> _KEY_SHIFT) & _KEY_BITS) << HALF) | name
            count += bool(grams[at] >> _SAMPLE_SHIFT <= most)
        counts[i] = count - first
        if parts > 1:
            # Partitions are made of whole keys: what is one key in one of them is one in any number of them. Not of
            # ranges, into which each is cut in turn.
            last = count
            count = first
            for at in range(first, last):
                if np.int64(((((keys[at] >> HALF) * MIX_A) >> HALF) * np.uint64(parts)) >> HALF) == part:
                    keys[count] = keys[at]
                    count += 1
    return count


def shuffle(
    keys: npt.NDArray[np.uint64], bits: int, shuffled: npt.NDArray[np.uint64], cuts: npt.NDArray[np.int64]
) -> None:
    """Put keys into ranges by their highest bits; in each they keep their order.

    Args:
        keys: shape (n).
        bits: ranges are 2 to the power of it.
        shuffled: out, shape (n).
        cuts: out, zeros, shape (ranges + 1): where each begins.
    """
    shift = np.uint64(64 - bits)
    for i in range(len(keys)):
        cuts[np.int64(keys[i] >> shift) + 1] += 1
    for after in range(1, len(cuts)):
        cuts[after] += cuts[after - 1]
    places = cuts.copy()
    for i in range(len(keys)):
        number = np.int64(keys[i] >> shift)
        shuffled[places[number]] = keys[i]
        places[number] += 1


def link(  # noqa: PLR0912 - one pass over the keys
    keys: npt.NDArray[np.uint64], all_pairs_up_to: int, pairs: npt.NDArray[np.uint64]
) -> int:
    """Pair the texts that share a 4-gram.

    Few texts are paired with each other; of many, each with the first and with the one before it, so that a wire
    story of hundreds of copies costs no square and is still found whole.

    Args:
        keys: sorted: hash << 32 | name.
        all_pairs_up_to: texts.
        pairs: out: lower name << 32 | higher name, as many as there is room for.

    Returns:
        How many pairs there are.
    """
    count = 0
    at = 0
    low = np.uint64(_MASK_32)
    shift = np.uint64(32)
    while at < len(keys):
        end = at + 1
        while end < len(keys) and keys[end] >> shift == keys[at] >> shift:
            end += 1
        if end - at <= all_pairs_up_to:
            for i in range(at, end):
                for j in range(i + 1, end):
                    if keys[i] != keys[j]:
                        if count < len(pairs):
                            pairs[count] = ((keys[i] & low) << shift) | (keys[j] & low)
                        count += 1
        else:
            for j in range(at + 1, end):
                if keys[j] != keys[at]:
                    if count < len(pairs):
                        pairs[count] = ((keys[at] & low) << shift) | (keys[j] & low)
                    count += 1
                if keys[j - 1] != keys[j] and keys[j - 1] != keys[at]:
                    if count < len(pairs):
                        pairs[count] = ((keys[j - 1] & low) << shift) | (keys[j] & low)
                    count += 1
        at = end
    return count


def likely(
    pairs: npt.NDArray[np.uint64],
    times: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int32],
    least: int,
    share: float,
    forms: npt.NDArray[np.int64],
    is_likely: npt.NDArray[np.bool_],
) -> None:
    """Tell which pairs share enough 4-grams to be looked at, and are of one form.

    Args:
        pairs: shape (n): lower text << 32 | higher text.
        times: shape (n): 4-grams that both have.
        counts: shape (all texts): 4-grams that each has.
        least: how many they must share.
        share: how much of those that the one with fewer has.
        forms: shape (all texts).
        is_likely: out, shape (n).
    """
    low = np.uint64(_MASK_32)
    for i in range(len(pairs)):
        is_likely[i] = False
        if times[i] >= least:
            a = np.int64(pairs[i] >> HALF)
            b = np.int64(pairs[i] & low)
            is_likely[i] = times[i] >= share * min(counts[a], counts[b]) and forms[a] == forms[b]


def compare(  # noqa: PLR0912, PLR0915 - one pass over both texts
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    a_texts: npt.NDArray[np.int64],
    b_texts: npt.NDArray[np.int64],
    measures: npt.NDArray[np.int32],
    value_starts: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint32],
) -> None:
    """Align pairs of texts and measure what they share and how they differ.

    Runs of at least four common words are found by their first 4-gram; between two runs that follow one another in
    both texts, up to MAX_GAP words are aligned one by one (longest common subsequence). Where both sides of a
    difference are names or figures, or one is VARIABLE, it is a difference in a slot, else one in words.

    Args:
        words: words of all texts.
        starts: shape (all texts).
        ends: shape (all texts).
        a_texts: shape (n), best sorted.
        b_texts: shape (n).
        measures: out, shape (n, MEASURES): words of a and of b that are aligned with equal ones; the longest stretch
            of each that is not; names and figures that are the same in both; that differ in the same place;
            differences of other kinds; VARIABLE words that are the same, of the text that has more of them; those of
            either that differ in the same place; places that differ otherwise; runs of GRAM_WORDS words that are
            aligned, and all that either has; words of a and of b before the first run of at least LONG_RUN that are
            equal, those after the last run, and those between them that are aligned; names and figures that differ
            between these runs. Between two runs, at most PLACE_SLOTS names and figures count, and PLACE_VARIABLE of
            VARIABLE words, or as many as there are words between the two that both have.
        value_starts: shape (n): where the values of each pair begin, or empty if nobody asks for them.
        values: out, zeros: for each word of a of each pair, what b has in its place: the same hash, that of another
            word or words, or 0 where nothing can be said.
    """
    longest_a: Any = np.int64(0)
    longest_b: Any = np.int64(0)
    for i in range(len(a_texts)):
        longest_a = max(longest_a, ends[a_texts[i]] - starts[a_texts[i]])
        longest_b = max(longest_b, ends[b_texts[i]] - starts[b_texts[i]])
    # Mostly empty: what costs time is to come to a place that is taken.
    room = 16
    while room < 8 * longest_a:
        room *= 2
    table = np.full(room, -1, np.int32)
    a_grams = np.empty(longest_a + 1, np.uint64)
    b_grams = np.empty(longest_b + 1, np.uint64)
    # Of each word of a, the place after that of its equal in b, 0 if it has none.
    a_same = np.zeros(longest_a + 1, np.int32)
    b_same = np.zeros(longest_b + 1, np.uint8)
    lcs = np.zeros((MAX_GAP + 1, MAX_GAP + 1), np.int32)
    before = np.int64(-1)
    size = 16
    shift = np.uint64(60)
    one_bit = np.uint64(1)
    for i in range(len(a_texts)):
        a0 = starts[a_texts[i]]
        b0 = starts[b_texts[i]]
        aw = words[a0 : ends[a_texts[i]]]
        bw = words[b0 : ends[b_texts[i]]]
        a_count = len(aw)
        b_count = len(bw)
        if a_texts[i] != before:
            before = a_texts[i]
            size = 16
            shift = np.uint64(60)
            while size < 8 * a_count:
                size *= 2
                shift -= one_bit
            table[:size] = -1
            grams_of(aw, a_grams)
            for at in range(a_count - 3):
                place = np.int64(a_grams[at] >> shift)
                while table[place] >= 0 and a_grams[table[place]] != a_grams[at]:
                    place = (place + 1) & (size - 1)
                if table[place] < 0:
                    table[place] = at
        grams_of(bw, b_grams)
        a_same[: a_count + 1] = 0
        b_same[: b_count + 1] = 0
        other_slots: Any = 0
        other_words: Any = 0
        other_variable: Any = 0
        other_places: Any = 0
        inner_slots: Any = 0
        a_first: Any = np.int64(a_count)
        b_first: Any = np.int64(b_count)
        a_last: Any = np.int64(0)
        a_end: Any = np.int64(0)
        b_end: Any = np.int64(0)
        q: Any = np.int64(0)
        while q <= b_count:
            # The next run: where the last one leads, else where the table says; at the end, the end of both.
            p: Any = np.int64(-1)
            run: Any = np.int64(0)
            if q == b_count:
                p = a_count
            elif q + 4 <= b_count:
                expected = a_end + q - b_end
                if expected + 4 <= a_count and a_grams[expected] == b_grams[q]:
                    p = expected
                else:
                    place = np.int64(b_grams[q] >> shift)
                    while table[place] >= 0 and a_grams[table[place]] != b_grams[q]:
                        place = (place + 1) & (size - 1)
                    p = np.int64(table[place])
                if p >= 0:
                    # Other words may have the same hash, and who writes a text can see to it.
                    run = common_words(aw[p:], bw[q:])
                    p = p if run >= 4 else np.int64(-1)
            if p < 0:
                q += 1
                continue
            a_gap = p - a_end
            b_gap = q - b_end
            is_near = 0 <= a_gap <= MAX_GAP and b_gap <= MAX_GAP
            slots_before = other_slots
            variable_before = other_variable
            # Words that both have in the gap, one here and one there.
            amid: Any = np.int64(0)
            if is_near and (a_gap > 0 or b_gap > 0):
                for row in range(a_gap + 1):
                    lcs[row, 0] = 0
                for column in range(b_gap + 1):
                    lcs[0, column] = 0
                others = bw[b_end : b_end + b_gap]
                for row in range(a_gap):
                    word = aw[a_end + row] >> CLASS_BITS
                    above = lcs[row]
                    here = lcs[row + 1]
                    left = np.int32(0)
                    for column in range(b_gap):
                        if others[column] >> CLASS_BITS == word:
                            left = above[column] + np.int32(1)
                        else:
                            left = max(above[column + 1], left)
                        here[column + 1] = left
                # Back from the end; a difference lies between two common words.
                x: Any = a_gap
                y: Any = b_gap
                shorter_gap = min(a_gap, b_gap)
                is_unlike = max(a_gap, b_gap) > UNLIKE_TIMES * shorter_gap
                least_share = UNLIKE_SHARE if is_unlike else CHANCE_SHARE
                amid = np.int64(lcs[x, y])
                if shorter_gap > CHANCE_WORDS and amid < least_share * shorter_gap:
                    amid = np.int64(0)
                    x = 0
                    y = 0
                    slots = np.int64(0)
                    a_variable = np.int64(0)
                    differ = np.int64(0)
                    if a_gap == b_gap:
                        for w in range(a_gap):
                            one = aw[a_end + w]
                            other = bw[b_end + w]
                            is_other = one >> CLASS_BITS != other >> CLASS_BITS
                            is_variable = one & 7 == VARIABLE or other & 7 == VARIABLE
                            differ += is_other
                            a_variable += is_other and is_variable
                            slots += is_other and (
                                is_variable
                                or (one & 7 in (NAME, FIGURE, INITIAL) and other & 7 in (NAME, FIGURE, INITIAL))
                            )
                            if len(value_starts):
                                values[value_starts[i] + a_end + w] = other >> CLASS_BITS
                    other_slots += slots
                    other_variable += a_variable
                    # A line of a form, where more stands in slots than in words; or two headlines, as long by chance.
                    if slots > differ - slots:
                        # Words in the same place tell a table, whose slots count, too.
                        amid = a_gap - differ
                        other_words += differ - slots
                        other_places += differ - slots
                    else:
                        other_words += shorter_gap
                        other_places += 1
                x_from: Any = x
                y_from: Any = y
                while x_from > 0 or y_from > 0 or x > 0 or y > 0:
                    is_common = x > 0 and y > 0 and aw[a_end + x - 1] >> CLASS_BITS == bw[b_end + y - 1] >> CLASS_BITS
                    if not is_common and (x > 0 or y > 0):
                        if x > 0 and (y == 0 or lcs[x - 1, y] >= lcs[x, y - 1]):
                            x -= 1
                        else:
                            y -= 1
                        continue
                    a_words = x_from - x
                    b_words = y_from - y
                    if a_words > 0 and b_words > 0:
                        slots = np.int64(0)
                        a_variable = np.int64(0)
                        b_variable = np.int64(0)
                        hashed = np.int64(0)
                        for w in range(a_end + x, a_end + x_from):
                            slots += aw[w] & 7 in (NAME, FIGURE, INITIAL, VARIABLE)
                            a_variable += aw[w] & 7 == VARIABLE
                        for w in range(b_end + y, b_end + y_from):
                            slots += bw[w] & 7 in (NAME, FIGURE, INITIAL, VARIABLE)
                            b_variable += bw[w] & 7 == VARIABLE
                            hashed = (hashed * _MIX_A + (np.int64(bw[w]) >> CLASS_BITS)) & _MASK_29
                        if slots == a_words + b_words or a_variable == a_words or b_variable == b_words:
                            other_slots += min(a_words, b_words)
                            other_variable += min(max(a_variable, b_variable), a_words, b_words)
                        elif a_words == b_words:
                            for w in range(a_words):
                                a_kind = aw[a_end + x + w] & 7
                                b_kind = bw[b_end + y + w] & 7
                                is_variable = VARIABLE in (a_kind, b_kind)
                                other_variable += is_variable
                                if is_variable or (
                                    a_kind in (NAME, FIGURE, INITIAL) and b_kind in (NAME, FIGURE, INITIAL)
                                ):
                                    other_slots += 1
                                else:
                                    other_words += 1
                                    other_places += 1
                        else:
                            other_words += max(a_words, b_words)
                            other_places += 1
                        if len(value_starts) and max(a_words, b_words) <= SLOT_WORDS:
                            for w in range(a_words):
                                values[value_starts[i] + a_end + x + w] = (
                                    bw[b_end + y + w] >> CLASS_BITS if a_words == b_words else hashed
                                )
                    elif a_words > 0 or b_words > 0:
                        other_words += 1
                        other_places += 1
                    if not is_common:
                        break
                    x -= 1
                    y -= 1
                    a_same[a_end + x] = b_end + y + 1
                    b_same[b_end + y] = 1
                    x_from = x
                    y_from = y
            other_slots = min(other_slots, slots_before + max(PLACE_SLOTS, amid))
            other_variable = min(other_variable, variable_before + max(PLACE_VARIABLE, amid))
            if q == b_count:
                break
            if a_first < p:
                inner_slots += other_slots - slots_before
            of_a = a_same[p : p + run]
            of_b = b_same[q : q + run]
            for at in range(run):
                of_a[at] = q + at + 1
                of_b[at] = 1
            if run >= LONG_RUN:
                a_first = min(a_first, p)
                b_first = min(b_first, q)
            q += run
            a_end = p + run
            b_end = q
            a_last = max(a_last, a_end)
        measures[i, A_BEFORE] = a_first
        measures[i, B_BEFORE] = b_first
        measures[i, A_AFTER] = a_count - a_last
        measures[i, B_AFTER] = b_count - b_end
        covered, between, longest = tally(a_same[:a_count], a_first, a_last)
        measures[i, A_COVERED] = covered
        measures[i, A_BETWEEN] = between
        measures[i, A_UNMATCHED] = longest
        covered, between, longest = tally(b_same[:b_count], b_first, b_end)
        measures[i, B_COVERED] = covered
        measures[i, B_BETWEEN] = between
        measures[i, B_UNMATCHED] = longest
        same_slots = 0
        same_variable = 0
        for at in range(a_count):
            kind = aw[at] & 7
            is_same = a_same[at] != 0
            same_slots += is_same & ((kind == NAME) | (kind == FIGURE) | (kind == VARIABLE))
            same_variable += is_same & (kind == VARIABLE)
        same_variable_of_b = 0
        for at in range(b_count):
            same_variable_of_b += (b_same[at] != 0) & (bw[at] & 7 == VARIABLE)
        grams = 0
        for at in range(a_count - GRAM_WORDS + 1):
            is_run = a_same[at] != 0
            for step in range(1, GRAM_WORDS):
                is_run &= a_same[at + step] == a_same[at] + step
            grams += is_run
        if len(value_starts):
            for at in range(a_count):
                if a_same[at] != 0:
                    values[value_starts[i] + at] = aw[at] >> CLASS_BITS
        measures[i, SAME_SLOTS] = same_slots
        measures[i, OTHER_SLOTS] = other_slots
        measures[i, OTHER_WORDS] = other_words
        measures[i, SAME_VARIABLE] = max(same_variable, same_variable_of_b)
        measures[i, OTHER_VARIABLE] = other_variable
        measures[i, OTHER_PLACES] = other_places
        measures[i, INNER_SLOTS] = inner_slots
        measures[i, SHARED_GRAMS] = grams
        measures[i, ALL_GRAMS] = max(a_count - GRAM_WORDS + 1, 0) + max(b_count - GRAM_WORDS + 1, 0) - grams


def common_words(a: npt.NDArray[np.uint32], b: npt.NDArray[np.uint32]) -> int:
    """How many words stand at the beginning of both."""
    most = min(len(a), len(b))
    for at in range(most):
        if a[at] >> CLASS_BITS != b[at] >> CLASS_BITS:
            return at
    return most


def tally(same: npt.NDArray[Any], first: int, last: int) -> tuple[int, int, int]:
    """Count words that are aligned.

    Args:
        same: shape (words): not 0 where one is.
        first: a place.
        last: another one.

    Returns:
        How many are aligned, how many from the one place to the other, and how long the longest stretch is that is not.
    """
    covered = 0
    for at in range(len(same)):
        covered += same[at] != 0
    between = 0
    inner = same[first:last]
    for at in range(len(inner)):
        between += inner[at] != 0
    longest = 0
    run = 0
    for at in range(len(same)):
        run = run + 1 if same[at] == 0 else 0
        longest = max(longest, run)
    return covered, between, longest


def recount(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    a_texts: npt.NDArray[np.int64],
    b_texts: npt.NDArray[np.int64],
    measures: npt.NDArray[np.int32],
) -> None:
    """Count the runs of words of pairs of texts exactly, as sets, wherever they stand.

    Args:
        words: words of all texts.
        starts: shape (all texts).
        ends: shape (all texts).
        a_texts: shape (n).
        b_texts: shape (n).
        measures: out, shape (n, MEASURES): SHARED_GRAMS and ALL_GRAMS are filled in.
    """
    size = 16
    for i in range(len(a_texts)):
        length = ends[a_texts[i]] - starts[a_texts[i]] + ends[b_texts[i]] - starts[b_texts[i]]
        while size < 2 * length:
            size *= 2
    table = np.empty(size, np.int64)
    for i in range(len(a_texts)):
        table[:] = 0
        common = 0
        either = 0
        for side in range(2):
            text = b_texts[i] if side else a_texts[i]
            for at in range(starts[text], ends[text] - GRAM_WORDS + 1):
                chain = NOTHING
                for step in range(GRAM_WORDS):
                    chain = (chain ^ (np.uint64(words[at + step]) >> OF_CLASS)) * MIX_A
                    chain ^= chain >> CHAIN_SHIFT
                # Two bits tell which of the texts has it; no key is 0.
                key = (np.int64(chain >> LINE_SHIFT) | 7) ^ 3
                place = (key >> 30) & (size - 1)
                while table[place] != 0 and table[place] >> 2 != key >> 2:
                    place = (place + 1) & (size - 1)
                if table[place] == 0:
                    table[place] = key | (1 + side)
                    either += 1
                elif side == 1 and table[place] & 3 == 1:
                    table[place] |= 2
                    common += 1
        measures[i, SHARED_GRAMS] = common
        measures[i, ALL_GRAMS] = either


def vote(
    words: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    texts: npt.NDArray[np.int64],
    voices: int,
    values: npt.NDArray[np.uint32],
    value_starts: npt.NDArray[np.int64],
    least: int,
    is_marking: bool,
    found: npt.NDArray[np.int64],
) -> None:
    """Find the words of a text in whose place other texts have one this, the other that.

    Args:
        words: words of all texts; the class of those found is set to VARIABLE if `is_marking`.
        starts: shape (all texts).
        ends: shape (all texts).
        texts: shape (n).
        voices: how many other texts each is compared with.
        values: what `compare` gives for each text and each of the others.
        value_starts: shape (n * voices).
        least: others that must say something of a word.
        is_marking: whether to write into `words`.
        found: out, shape (n): how many words were found, at most PLACE_VARIABLE in one place.
    """
    said = np.zeros(voices + 1, np.int64)
    for i in range(len(texts)):
        start = starts[texts[i]]
        found[i] = 0
        before = -PLACE_WORDS
        in_place = 0
        for at in range(ends[texts[i]] - start):
            said[0] = np.int64(words[start + at]) >> CLASS_BITS
            count = 1
            for voice in range(voices):
                value = np.int64(values[value_starts[i * voices + voice] + at])
                if value != 0:
                    said[count] = value
                    count += 1
            if count <= least:
                continue
            most = 0
            for one in range(count):
                same = 0
                for other in range(count):
                    same += said[one] == said[other]
                most = max(most, same)
            # Of copies of one story most have the same word, even where some were edited.
            if most * 2 < count:
                in_place = in_place + 1 if at - before < PLACE_WORDS else 1
                found[i] += in_place <= PLACE_VARIABLE
                before = at
                if is_marking:
                    words[start + at] = ((np.int64(words[start + at]) >> CLASS_BITS) << CLASS_BITS) | VARIABLE


def stars(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], centres: npt.NDArray[np.int64]) -> None:
    """Gather each item around the lowest item that it has an edge to and that is gathered around none itself.

    Args:
        a: shape (edges), sorted together with `b`.
        b: shape (edges), each above its `a`.
        centres: out, shape (items): the item that each hangs on, itself if it has no edge to such a one.
    """
    for item in range(len(centres)):
        centres[item] = item
    for i in range(len(a)):
        # All edges of a to lower items have been seen: it stands for itself if it still does.
        if centres[a[i]] == a[i] and centres[b[i]] == b[i]:
            centres[b[i]] = a[i]
