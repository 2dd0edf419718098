"""The loops over the words of passages, as kernels: see `flows.compiled`.

Words are those of `flows.deduplicate.kernels`: a hash and three bits of class. Counts and places stay below 2⁶³, and
hashes are uint64 and wrap around, so that a kernel gives the same numbers as it stands and compiled. As they stand,
kernels are handed memoryviews, whose elements are Python's own integers: several times faster than NumPy's. Each thread
writes only to its own part of what it is handed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import (
    CAPITAL,
    CHAIN_SHIFT,
    CLASS_BITS,
    DIGIT,
    FIGURE,
    HALF,
    LETTER,
    LINE_SHIFT,
    MIX_A,
    MIX_B,
    MIX_C,
    NOTHING,
    OF_CLASS,
    OUTSIDE,
    OWN_WORD,
    SPACELESS,
    TWO_HASHES,
)

Words = npt.NDArray[np.uint32]
Values = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]

# Columns of what `compare_passages` measures: words that both have, each as often as it stands; whether b has a figure
# that a has not; the longest stretch in both: where it begins and ends in a and in b, how many of its words are the
# same, whether all are, side by side.
COMMON, NEW_FIGURES, A_FROM, A_TO, B_FROM, B_TO, MATCHED, UNBROKEN = range(8)
PASSAGE_MEASURES = 8

_MASK_32 = 0xFFFFFFFF
# A word without its class.
_HASH = 0xFFFFFFFF ^ ((1 << CLASS_BITS) - 1)
# Multipliers of 32-bit mixers: see `flows.deduplicate.kernels`.
_MIX_A = 0x7FEB352D
_MIX_B = 0x045D9F3B


def gather(
    words: Values, starts: Indexes, rows: Indexes, gathered: Values, gathered_starts: Indexes, first: int, last: int
) -> None:
    """Copy the words or lines of passages side by side, one passage after the other and from its beginning on.

    Args:
        words: those of all passages.
        starts: shape (passages + 1).
        rows: shape (n): which passages.
        gathered: out; it may be the same array.
        gathered_starts: shape (n): where each goes.
        first: the first of the slice.
        last: the one after the last.
    """
    for i in range(first, last):
        to = gathered_starts[i]
        for at in range(starts[rows[i]], starts[rows[i] + 1]):
            gathered[to] = words[at]
            to += 1


def describe(
    words: Words,
    starts: Indexes,
    first: int,
    last: int,
    enough: int,
    hashes: Indexes,
    different: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
) -> None:
    """Hash and measure passages.

    Args:
        words: words of all passages.
        starts: shape (passages + 1).
        first: the first passage of the slice.
        last: the passage after the last.
        enough: different words that are counted at most.
        hashes: out, shape (passages): 62-bit hash of the words in their order.
        different: out, shape (passages): different words that are no figures.
        sizes: out, shape (passages): words, those of scripts without spaces by half.
    """
    seen = np.zeros(enough + 1, np.int64)
    for passage in range(first, last):
        chain = NOTHING
        spaceless = 0
        count = 0
        for at in range(starts[passage], starts[passage + 1]):
            word = words[at]
            kind = word & 7
            hashed = word & _HASH
            chain = (chain ^ (np.uint64(word) >> OF_CLASS)) * MIX_A
            chain ^= chain >> CHAIN_SHIFT
            if kind == SPACELESS:
                spaceless += 1
            if kind != FIGURE and count < enough:
                is_new = True
                for known in range(count):
                    if seen[known] == hashed:
                        is_new = False
                        break
                if is_new:
                    seen[count] = hashed
                    count += 1
        hashes[passage] = np.int64(chain >> LINE_SHIFT)
        different[passage] = count
        sizes[passage] = starts[passage + 1] - starts[passage] - spaceless + spaceless // 2


def first_equal(keys: Indexes, table: npt.NDArray[np.int32], firsts: npt.NDArray[np.int32]) -> None:
    """Find the first of equal keys.

    Args:
        keys: shape (n), below 2⁶², their lower bits as good as random.
        table: all -1; its length is a power of two of at least 2 n.
        firsts: out, shape (n): index of the first key that is the same.
    """
    mask = len(table) - 1
    for i in range(len(keys)):
        key = keys[i]
        place = ((key >> 31) ^ key) & mask
        while table[place] >= 0 and keys[table[place]] != key:
            place = (place + 1) & mask
        if table[place] < 0:
            table[place] = i
        firsts[i] = table[place]


def fingerprints(
    words: Words,
    starts: Indexes,
    rows: Indexes,
    items: Indexes,
    groups: Indexes,
    size: int,
    window: int,
    all_below: int,
    item_bits: int,
    part: int,
    parts: int,
    keys: npt.NDArray[np.uint64],
) -> int:
    """Choose shingles of passages by their hashes: some of them in every window, the same in equal stretches.

    Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003): of `window` shingles that follow one another the one with
    the lowest hash. Two passages with `size + window - 1` words in a row in common share one. Of short passages, all.

    Args:
        words: words of all passages.
        starts: shape (passages + 1).
        rows: shape (n): which passages.
        items: shape (n): the number that stands for each in the keys.
        groups: shape (n): only shingles of one group are the same.
        size: words in a shingle.
        window: shingles in a window.
        all_below: shingles of a passage below which all are chosen.
        item_bits: bits of a key that hold the number.
        part: only shingles of this partition are put out.
        parts: number of partitions.
        keys: out, long enough: hash, then number.

    Returns:
        How many keys there are.
    """
    longest = 0
    for i in range(len(rows)):
        longest = max(longest, starts[rows[i] + 1] - starts[rows[i]])
    hashes = np.zeros(longest + 1, np.uint64)
    number_bits = np.uint64(item_bits)
    count = 0
    for i in range(len(rows)):
        start = starts[rows[i]]
        length = starts[rows[i] + 1] - start - size + 1
        seed = np.uint64(0x2545F + groups[i]) * MIX_C
        for at in range(start, start + length):
            mixed = seed
            # Two words at a time, of an odd number the last one alone.
            for here in range(at, at + size - 1, 2):
                two = (np.uint64(words[here]) | (np.uint64(words[here + 1]) << HALF)) & TWO_HASHES
                mixed = (mixed ^ two) * MIX_A
                mixed ^= mixed >> HALF
            if size & 1:
                mixed = (mixed ^ (np.uint64(words[at + size - 1]) >> OF_CLASS)) * MIX_A
                mixed ^= mixed >> HALF
            mixed = mixed * MIX_B
            hashes[at - start] = mixed ^ (mixed >> HALF)
        before = -1
        # Of a long passage the windows that begin in it, of a short one each shingle alone.
        wide = window if length >= all_below else 1
        for at in range(length - wide + 1):
            lowest = at
            least = hashes[at]
            for other in range(at + 1, at + wide):
                # Of equal ones the last.
                if hashes[other] <= least:
                    lowest = other
                    least = hashes[other]
            key = (least >> number_bits) << number_bits
            # Not by ranges, into which each partition is cut in turn.
            is_own = np.int64((((key * MIX_A) >> HALF) * np.uint64(parts)) >> HALF) == part
            # Written in any case, and overwritten unless it is new: what an earlier window chose is not repeated.
            keys[count] = key | np.uint64(items[i])
            count += is_own and lowest != before
            before = lowest
    return count


def link_rare(keys: npt.NDArray[np.uint64], item_bits: int, most: int, pairs: npt.NDArray[np.uint64]) -> int:
    """Pair all passages that share a fingerprint that few have.

    Args:
        keys: sorted, as `fingerprints` makes them.
        item_bits: as there.
        most: passages.
        pairs: out: lower item << 32 | higher item; an empty array to count them only.

    Returns:
        How many pairs there are.
    """
    bits = np.uint64(item_bits)
    low = np.uint64((1 << item_bits) - 1)
    shift = np.uint64(32)
    count = 0
    at = 0
    while at < len(keys):
        end = at + 1
        while end < len(keys) and keys[end] >> bits == keys[at] >> bits:
            end += 1
        if end - at <= most:
            for i in range(at, end):
                for j in range(i + 1, end):
                    if keys[i] != keys[j]:
                        if len(pairs):
                            pairs[count] = ((keys[i] & low) << shift) | (keys[j] & low)
                        count += 1
        at = end
    return count


def link_common(keys: npt.NDArray[np.uint64], item_bits: int, most: int, pairs: npt.NDArray[np.uint64]) -> int:
    """Pair the passages that share a fingerprint that many have: each with the first and with the one before it.

    A wire story of hundreds of copies so costs no square, and is still found whole.

    Args:
        keys: as for `link_rare`.
        item_bits: the same.
        most: the same; fingerprints of so many passages are left to it.
        pairs: the same.

    Returns:
        How many pairs there are.
    """
    bits = np.uint64(item_bits)
    low = np.uint64((1 << item_bits) - 1)
    shift = np.uint64(32)
    count = 0
    at = 0
    while at < len(keys):
        end = at + 1
        while end < len(keys) and keys[end] >> bits == keys[at] >> bits:
            end += 1
        if end - at > most:
            for j in range(at + 1, end):
                if keys[j] != keys[at]:
                    if len(pairs):
                        pairs[count] = ((keys[at] & low) << shift) | (keys[j] & low)
                    count += 1
                if keys[j - 1] != keys[j] and keys[j - 1] != keys[at]:
                    if len(pairs):
                        pairs[count] = ((keys[j - 1] & low) << shift) | (keys[j] & low)
                    count += 1
        at = end
    return count


def _has_new_figure(words: Words, a_start: int, a_end: int, b_start: int, b_end: int) -> bool:
    """Whether b has a figure that a has not."""
    b_from = b_start
    while b_from < b_end and words[b_from] & 7 != FIGURE:
        b_from += 1
    if b_from == b_end:
        return False
    figures = 0
    for at in range(a_start, a_end):
        if words[at] & 7 == FIGURE:
            figures += 1
    room = 8
    while room < 2 * figures:
        room *= 2
    table = np.full(room, -1, np.int64)
    for at in range(a_start, a_end):
        if words[at] & 7 == FIGURE:
            word = words[at] & _HASH
            place = (word >> CLASS_BITS) & (room - 1)
            while table[place] >= 0 and table[place] != word:
                place = (place + 1) & (room - 1)
            table[place] = word
    for at in range(b_from, b_end):
        if words[at] & 7 == FIGURE:
            word = words[at] & _HASH
            place = (word >> CLASS_BITS) & (room - 1)
            while table[place] >= 0 and table[place] != word:
                place = (place + 1) & (room - 1)
            if table[place] < 0:
                return True
    return False


def _shingle_place(words: Words, at: int, size: int, mask: int) -> int:
    """Where the search for a shingle begins in a table."""
    hashed = 0
    for step in range(size):
        hashed = (hashed * _MIX_B + (words[at + step] & _HASH)) & _MASK_32
    hashed ^= hashed >> 15
    return (((hashed * _MIX_A) & _MASK_32) >> 5) & mask


def _is_same(words: Words, one: int, other: int, size: int) -> bool:
    """Whether two runs of words are the same."""
    for step in range(size):  # noqa: SIM110 - numba knows no generators
        if words[one + step] & _HASH != words[other + step] & _HASH:
            return False
    return True


def _extend(  # noqa: PLR0915 - one walk
    words: Words,
    a: int,
    a_count: int,
    b: int,
    b_count: int,
    step: int,
    drop: int,
    scores: Indexes,
    matches: Indexes,
) -> tuple[int, int, int]:
    """Lengthen a stretch at one end by aligning what comes after it, word by word.

    A word in both is worth two, one in one of them alone takes one away. An alignment that has fallen `drop` behind the
    best is given up (Zhang, Schwartz, Wagner and Miller, J. Comput. Biol. 2000), so that strangers are left at once and
    long passages cost no square.

    Args:
        words: words of all passages.
        a: the first word of one passage that is looked at.
        a_count: words that there are from it.
        b: the same of the other passage.
        b_count: likewise.
        step: 1 to look forward, -1 to look back.
        drop: see above.
        scores: room for `b_count` + 1 numbers.
        matches: the same.

    Returns:
        Words of a and of b that the stretch is longer by, and how many of them are the same.
    """
    lost = -(1 << 40)
    best: Any = 0
    best_a: Any = 0
    best_b: Any = 0
    best_matches: Any = 0
    low: Any = 0
    high: Any = min(drop, b_count)
    for at in range(high + 1):
        scores[at] = -at
        matches[at] = 0
    for i in range(1, a_count + 1):
        word = words[a + step * (i - 1)] & _HASH
        new_low: Any = -1
        new_high: Any = -1
        before: Any = lost
        before_matches: Any = 0
        left: Any = lost
        left_matches: Any = 0
        j: Any = low
        while j <= b_count:
            above: Any = lost
            above_matches: Any = 0
            if j <= high:
                above = scores[j]
                above_matches = matches[j]
            score: Any = above - 1
            count: Any = above_matches
            if left - 1 > score:
                score = left - 1
                count = left_matches
            if before > lost and before + 2 > score and words[b + step * (j - 1)] & _HASH == word:
                score = before + 2
                count = before_matches + 1
            before = above
            before_matches = above_matches
            if score < best - drop:
                score = lost
            scores[j] = score
            matches[j] = count
            left = score
            left_matches = count
            if score > lost:
                if new_low < 0:
                    new_low = j
                new_high = j
            elif j > high:
                break
            if score > best:
                best = score
                best_a = i
                best_b = j
                best_matches = count
            j += 1
        if new_low < 0:
            break
        low = new_low
        high = new_high
    return best_a, best_b, best_matches


def compare_passages(  # noqa: PLR0912, PLR0915 - one walk over both passages
    words: Words,
    starts: Indexes,
    longer: Indexes,
    shorter: Indexes,
    is_b_longer: npt.NDArray[np.bool_],
    has_stretch: npt.NDArray[np.bool_],
    size: int,
    gap: int,
    drop: int,
    enough: float,
    measures: npt.NDArray[np.int32],
) -> None:
    """Count what pairs of passages share, and find the longest stretch that stands in both.

    Shared shingles that follow one another in both passages, with a few other words between them at most, are one
    stretch, a shingle where it stands first. The longest one is lengthened at both ends by single words. The work grows
    with the shorter passage, and with the longer one once for all pairs of it that follow one another.

    Args:
        words: words of all passages.
        starts: shape (passages + 1).
        longer: shape (n), best sorted: the passage of each pair with more words.
        shorter: shape (n): the other one.
        is_b_longer: shape (n): whether the longer one is b.
        has_stretch: shape (n): whether a stretch is asked for.
        size: words in a shingle.
        gap: words that may stand between two shared shingles of a stretch.
        drop: how far an alignment may fall behind: see `_extend`.
        enough: share of common words from which on none is asked for.
        measures: out, shape (n, PASSAGE_MEASURES).
    """
    longest = 0
    for i in range(len(longer)):
        longest = max(longest, starts[longer[i] + 1] - starts[longer[i]])
    # Mostly empty: what costs time is to come to a place that is taken.
    room = 16
    while room < 4 * longest:
        room *= 2
    word_table = np.full(room, -1, np.int64)
    left_over = np.zeros(room, np.int32)
    shingle_table = np.full(room, -1, np.int64)
    used = np.zeros(longest + 1, np.int64)
    is_used = np.zeros(longest + 1, np.uint8)
    scores = np.zeros(longest + 1, np.int64)
    matches = np.zeros(longest + 1, np.int64)
    before: Any = -1
    mask: Any = 15
    has_shingles: Any = False
    for i in range(len(longer)):
        l_start = starts[longer[i]]
        l_count = starts[longer[i] + 1] - l_start
        s_start = starts[shorter[i]]
        s_count = starts[shorter[i] + 1] - s_start
        if longer[i] != before:
            before = longer[i]
            length = 16
            while length < 4 * l_count:
                length *= 2
            mask = length - 1
            word_table[:length] = -1
            for at in range(l_count):
                word = words[l_start + at] & _HASH
                place = ((word >> CLASS_BITS) ^ (word >> 14)) & mask
                while word_table[place] >= 0 and word_table[place] != word:
                    place = (place + 1) & mask
                if word_table[place] < 0:
                    word_table[place] = word
                    left_over[place] = 0
                left_over[place] += 1
            has_shingles = False
        common = 0
        for at in range(s_count):
            word = words[s_start + at] & _HASH
            place = ((word >> CLASS_BITS) ^ (word >> 14)) & mask
            while word_table[place] >= 0 and word_table[place] != word:
                place = (place + 1) & mask
            if word_table[place] >= 0 and left_over[place] > 0:
                left_over[place] -= 1
                used[common] = place
                common += 1
        for nth in range(common):
            left_over[used[nth]] += 1
        measures[i, COMMON] = common
        # A stretch that b as a whole is made of is at most so much longer in a.
        b_count = l_count if is_b_longer[i] else s_count
        a_count = s_count if is_b_longer[i] else l_count
        measures[i, NEW_FIGURES] = 1
        if b_count <= 2 * a_count:
            if is_b_longer[i]:
                is_new = _has_new_figure(words, s_start, s_start + s_count, l_start, l_start + l_count)
            else:
                is_new = _has_new_figure(words, l_start, l_start + l_count, s_start, s_start + s_count)
            measures[i, NEW_FIGURES] = 1 if is_new else 0
        if not has_stretch[i] or 2 * common >= enough * (a_count + b_count):
            continue
        if not has_shingles:
            has_shingles = True
            shingle_table[: mask + 1] = -1
            for at in range(l_count - size + 1):
                place = _shingle_place(words, l_start + at, size, mask)
                while shingle_table[place] >= 0 and not _is_same(
                    words, l_start + shingle_table[place], l_start + at, size
                ):
                    place = (place + 1) & mask
                if shingle_table[place] < 0:
                    shingle_table[place] = at
        best: Any = 0
        best_s_from: Any = 0
        best_s_to: Any = 0
        best_l_from: Any = 0
        best_l_to: Any = 0
        best_unbroken: Any = False
        s_from: Any = -1
        l_from: Any = 0
        s_last: Any = 0
        l_last: Any = 0
        matched: Any = 0
        is_unbroken = True
        seen = 0
        for at in range(s_count - size + 2):
            found: Any = -1
            if at <= s_count - size:
                place = _shingle_place(words, s_start + at, size, mask)
                while shingle_table[place] >= 0:
                    if _is_same(words, l_start + shingle_table[place], s_start + at, size):
                        found = shingle_table[place]
                        break
                    place = (place + 1) & mask
                if found < 0 or is_used[found]:
                    continue
                is_used[found] = 1
                used[seen] = found
                seen += 1
            s_step = at - s_last
            l_step = found - l_last
            if s_from >= 0 and found >= 0 and s_step <= size + gap and 0 < l_step <= size + gap:
                matched += min(s_step, size, l_step)
                if s_step != l_step or s_step > size:
                    is_unbroken = False
            else:
                if s_from >= 0 and matched > best:
                    best = matched
                    best_s_from = s_from
                    best_s_to = s_last + size
                    best_l_from = l_from
                    best_l_to = l_last + size
                    best_unbroken = is_unbroken
                if found < 0:
                    break
                s_from = at
                l_from = found
                matched = size
                is_unbroken = True
            s_last = at
            l_last = found
        for nth in range(seen):
            is_used[used[nth]] = 0
        if best == 0:
            continue
        s_more, l_more, more = _extend(
            words,
            s_start + best_s_from - 1,
            best_s_from,
            l_start + best_l_from - 1,
            best_l_from,
            -1,
            drop,
            scores,
            matches,
        )
        best_unbroken = best_unbroken and s_more == more and l_more == more
        best_s_from -= s_more
        best_l_from -= l_more
        best += more
        s_more, l_more, more = _extend(
            words,
            s_start + best_s_to,
            s_count - best_s_to,
            l_start + best_l_to,
            l_count - best_l_to,
            1,
            drop,
            scores,
            matches,
        )
        best_unbroken = best_unbroken and s_more == more and l_more == more
        best_s_to += s_more
        best_l_to += l_more
        best += more
        measures[i, MATCHED] = best
        measures[i, UNBROKEN] = 1 if best_unbroken else 0
        measures[i, A_FROM] = best_s_from if is_b_longer[i] else best_l_from
        measures[i, A_TO] = best_s_to if is_b_longer[i] else best_l_to
        measures[i, B_FROM] = best_l_from if is_b_longer[i] else best_s_from
        measures[i, B_TO] = best_l_to if is_b_longer[i] else best_s_to


def choose_parts(
    passages: Indexes,
    froms: Indexes,
    tos: Indexes,
    is_chosen: npt.NDArray[np.bool_],
) -> None:
    """Choose stretches of passages, in their order, that are new: at most half of each was in those chosen before.

    Args:
        passages: shape (n), equal ones one after the other.
        froms: shape (n): the first word.
        tos: shape (n): the word after the last.
        is_chosen: out, shape (n).
    """
    first = 0
    for i in range(len(passages)):
        if passages[i] != passages[first]:
            first = i
        covered = 0
        for at in range(first, i):
            if is_chosen[at]:
                covered += max(0, min(tos[i], tos[at]) - max(froms[i], froms[at]))
        is_chosen[i] = 2 * covered <= tos[i] - froms[i]


def word_places(
    data: npt.NDArray[np.uint8],
    starts: Indexes,
    classes: npt.NDArray[np.uint8],
    firsts: Indexes,
    ends: Indexes,
    char_starts: Indexes,
    char_ends: Indexes,
) -> None:
    """Find where a range of words stands in a text.

    Args:
        data: UTF-8 of all texts.
        starts: shape (texts + 1): where each begins in `data`.
        classes: shape (131072): class of each character of the first two planes.
        firsts: shape (texts): the first word of each range, as `flows.deduplicate.text_kernels.tokenize` counts them.
        ends: shape (texts): the word after the last.
        char_starts: out, shape (texts): code points before the first word.
        char_ends: out, shape (texts): code points up to the end of the last word.
    """
    for text in range(len(firsts)):
        at = starts[text]
        end = starts[text + 1]
        points = 0
        count = 0
        in_word = False
        char_starts[text] = 0
        char_ends[text] = 0
        while at < end and (count < ends[text] or in_word):
            byte = data[at] & 0xFF
            point = byte
            length = 1
            if byte >= 0xF0:
                point = (
                    ((byte & 0x07) << 18)
                    | ((data[at + 1] & 0x3F) << 12)
                    | ((data[at + 2] & 0x3F) << 6)
                    | (data[at + 3] & 0x3F)
                )
                length = 4
            elif byte >= 0xE0:
                point = ((byte & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F)
                length = 3
            elif byte >= 0xC0:
                point = ((byte & 0x1F) << 6) | (data[at + 1] & 0x3F)
                length = 2
            character: Any = OWN_WORD if 0x20000 <= point < 0x40000 else OUTSIDE
            if point < 0x20000:
                character = classes[point] & 7
            is_letter = character in (LETTER, CAPITAL, DIGIT)
            if (is_letter and not in_word) or character == OWN_WORD:
                if count == firsts[text]:
                    char_starts[text] = points
                count += 1
            in_word = is_letter
            at += length
            points += 1
            if (is_letter or character == OWN_WORD) and count <= ends[text]:
                char_ends[text] = points
