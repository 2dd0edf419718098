"""The loops of passage alignment, over the words of two texts. See `align.py` for the method.

Kernels in the sense of `compiled.py`: plain functions, the same when compiled. Words are numbered from 0 over both
texts; "a range of words" is its first word and the word after its last. `ids` are int32, shape (words); `sentences`
int64, shape (sentences + 1), first word of each and, last, the number of words.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]

# Classes of code points. A mark belongs to its word and does not change it.
OTHER, LETTER, DIGIT, SPACELESS, MARK, STOP, WIDE_STOP, SPACE, NEW_LINE, CLOSER = range(10)
# What stands before a word.
NO_BREAK, LINE_BREAK, SENTENCE_BREAK, PARAGRAPH_BREAK = range(4)
# How a word of one passage is found in the other: not at all, by itself, in a run of three words or more.
MISSING, SINGLE, RUN = range(3)

_MASK_32 = 0xFFFFFFFF
# Wellons, "Prospecting for hash functions" (2018), and the multiplier of a 31-bit FNV-like step; below 2³¹, so that
# products with 32 bits fit into an int64.
_MIX_A = 0x7FEB352D
_MIX_B = 0x045D9F3B
_WORD_LETTERS = 64  # letters of a word that count; longer ones are addresses and noise

# --- seeds: pairs of sentences with words in common ---
# Products of counts that one pair of texts may cost: 0.1 s. Beyond, the most frequent words are left out; texts of a
# few hundred pages stay below.
_SEED_WORK = 2e7
# A sentence seeds with this many sentences at most, the most similar; one with more is a form or a refrain.
_SEEDS_PER_SENTENCE = 32
# A run of so many words that stands once in the source seeds too, however long the sentences around it.
_SEED_RUN = 6

# --- passages ---
# Sentences that may lie between two seeds of one passage, and fewer down to none where what lies between spoils it;
# the similarity that a passage must have as a whole (Sanchez-Perez et al. 2014: 4, 0 and 0.34).
_MAX_GAP = 4
_MIN_SIMILARITY = 0.34
# A passage is refined, and what it leaves is grouped again, this many times at most.
_MAX_DEPTH = 6
# Words on both sides of a passage into which it may grow in a step, and steps.
_REACH = 60
_STEPS = 2
# What the boundaries gain (log-odds) when they fall on: nothing, the end of a line, of a sentence, of a paragraph.
_BOUNDARY_GAIN = np.array([0.0, 2.0, 4.0, 4.0])
_MAX_GAIN = 4.0  # that one word can add: a rare word alone is no passage
# A word outside any reuse stands in a run by chance with this probability: where words were changed; in plain copies,
# which keep to runs, so that a run of three by chance must not make them longer.
_CHANCE_RUN = 0.02
_CHANCE_RUN_VERBATIM = 0.06
# Share of words in runs from which a passage counts as such a copy, and the range over which it becomes one.
_VERBATIM_FROM = 0.8
_VERBATIM_RANGE = 0.15
_MISSING_BETWEEN = (0.02, 0.6)  # bounds of the estimated share of missing words

# --- choice ---
# A pair with a passage of this evidence that is copied word by word is one of copies: there, weak ones are chance.
_STRONG_EVIDENCE = 75.0
_COPY_SHARE = 0.8
_EVIDENCE_BESIDE_COPY = 90.0
# Share of words in runs, and multiple of the least evidence, from which on a passage may be as short as one that is
# copied word by word.
_NEAR_SHARE = 0.5
_NEAR_EVIDENCE = 1.6
# A passage is dropped when better ones cover more than this share of it.
_MAX_COVERED = 0.5

# --- digests: a passage that condenses a whole text ---
_DIGEST_GAP = 2  # sentences of the digest without a seed, in a row
_DIGEST_SENTENCES = 4  # with a seed
_DIGEST_DENSITY = 0.8  # share of sentences that have one
_DIGEST_WORDS = 40
_DIGEST_SPREAD = 0.5  # share of the source between the first and the last seed
_DIGEST_RATIO = 2.0  # how much longer the source is
_DIGEST_SIMILARITY = 0.33
_DIGEST_FOUND = 0.65  # share of its words (by weight) that the source has
_DIGEST_LOCAL = 0.8  # share of those that single passages account for, at most; else it is no digest but a copy
_DIGEST_COVERED = 0.85  # share of its words that lie in such passages, at most
_DIGEST_EVIDENCE = 32.0  # of a passage that counts there


def scan(  # noqa: PLR0912, PLR0915
    codes: npt.NDArray[np.uint32],
    classes: Bytes,
    folded: npt.NDArray[np.uint32],
    hashes: Longs,
    starts: Ints,
    ends: Ints,
    breaks: Bytes,
    is_spaceless: Bytes,
) -> int:
    """Find the words of a text.

    Args:
        codes: shape (characters): its code points.
        classes: class of each code point; above the table's end everything is OTHER.
        folded: what each is compared as.
        hashes: out, shape (words), like the rest; 62 bits of the stem. Empty: only count.
        starts: out, code points.
        ends: out, code points, exclusive.
        breaks: out, what stands before the word.
        is_spaceless: out, 1 for a character of a script without spaces.

    Returns:
        The number of words.
    """
    is_counting = len(hashes) == 0
    word = np.empty(_WORD_LETTERS, dtype=np.int64)
    size, limit = len(codes), len(classes)
    count, at = 0, 0
    newlines, has_stop = 0, False
    while at < size:
        code = int(codes[at])
        kind = int(classes[code]) if code < limit else OTHER
        if kind in (LETTER, DIGIT, SPACELESS):
            start, length = at, 1
            word[0] = folded[code]
            is_own = kind == SPACELESS
            at += 1
            while not is_own and at < size:
                code = int(codes[at])
                kind = int(classes[code]) if code < limit else OTHER
                if kind in (LETTER, DIGIT):
                    if length < _WORD_LETTERS:
                        word[length] = folded[code]
                        length += 1
                elif kind != MARK:
                    break
                at += 1
            if not is_counting:
                length = stem(word, length)
                high, low = 0x2545F491, 0x1B873593
                for i in range(length):
                    high = ((high ^ int(word[i])) * _MIX_A) & _MASK_32
                    high ^= high >> 15
                    low = ((low ^ int(word[i])) * _MIX_B) & _MASK_32
                    low ^= low >> 13
                hashes[count] = (high << 30) ^ low
                starts[count] = start
                ends[count] = at
                is_spaceless[count] = 1 if is_own else 0
                breaks[count] = NO_BREAK
                if newlines > 1:
                    breaks[count] = PARAGRAPH_BREAK
                elif has_stop:
                    breaks[count] = SENTENCE_BREAK
                elif newlines == 1:
                    breaks[count] = LINE_BREAK
            newlines, has_stop = 0, False
            count += 1
            continue
        if kind == NEW_LINE:
            if not (code == 10 and at > 0 and codes[at - 1] == 13):
                newlines += 1
        elif kind == WIDE_STOP:
            has_stop = True
        elif kind == STOP and not has_stop:
            has_stop = ends_sentence(codes, classes, at)
        at += 1
    return count


def ends_sentence(codes: npt.NDArray[np.uint32], classes: Bytes, at: int) -> bool:
    """Whether the mark at a position ends a sentence.

    It does where a blank or the end follows, with marks, quotation marks and brackets in between at most, and where it
    is not the full stop of an initial or of "U.S.".
    """
    size, limit = len(codes), len(classes)
    after = at + 1
    while after < size and codes[after] < limit and classes[codes[after]] in (CLOSER, STOP):
        after += 1
    if after < size and not (codes[after] < limit and classes[codes[after]] in (SPACE, NEW_LINE)):
        return False
    if codes[at] != 46 or at < 1 or codes[at - 1] >= limit or classes[codes[at - 1]] != LETTER:
        return True
    return at > 1 and codes[at - 2] < limit and classes[codes[at - 2]] in (LETTER, DIGIT, MARK)


def is_vowel(code: int) -> bool:
    """Whether a lower-case ASCII letter is a, e, i, o, u or y."""
    return code in (97, 101, 105, 111, 117, 121)


def stem(word: Longs, size: int) -> int:  # noqa: PLR0912
    """Cut common English endings off a folded word, in place; returns its new length.

    The first steps of Porter, "An algorithm for suffix stripping" (1980): plural, -ed, -ing, -ly, and the e or doubled
    consonant that they leave. What is no English word loses such an ending too, alike in both texts.
    """
    if size < 4:
        return size
    for i in range(size):
        if word[i] < 97 or word[i] > 122:
            return size
    d, e, g, i_, l_, n, s, u, y = 100, 101, 103, 105, 108, 110, 115, 117, 121
    if word[size - 1] == s and word[size - 2] not in (s, u, i_):
        size -= 2 if size > 4 and word[size - 2] == e and word[size - 3] == i_ else 1
    if size > 5 and word[size - 1] == y and word[size - 2] == l_:
        size -= 2
    cut = 0
    if size > 5 and word[size - 1] == g and word[size - 2] == n and word[size - 3] == i_:
        cut = 3
    elif size > 4 and word[size - 1] == d and word[size - 2] == e:
        cut = 2
    if cut:
        for i in range(size - cut):
            if is_vowel(int(word[i])):
                size -= cut
                last = int(word[size - 1])
                if size > 3 and last == word[size - 2] and not is_vowel(last) and last not in (l_, s, 122):
                    size -= 1
                break
    if size > 3 and word[size - 1] == e:
        size -= 1
    if size > 2 and word[size - 1] == y:
        word[size - 1] = i_
    return size


def sentence_starts(breaks: Bytes, least: int, most: int) -> Longs:
    """The sentences of a text: `sentences` as the kernels take them.

    Args:
        breaks: shape (words).
        least: words of a sentence; a shorter one goes with the next.
        most: words from which on it is cut, at its last line break if that lies in its second half: lists and texts
            without marks come in windows.
    """
    size = len(breaks)
    found = np.empty(size + 2, dtype=np.int64)
    found[0] = 0
    count, line = 1, 0
    for i in range(1, size):
        start = found[count - 1]
        if breaks[i] == LINE_BREAK:
            line = i
        if breaks[i] >= SENTENCE_BREAK and i - start >= least:
            found[count] = i
            count += 1
        elif i - start >= most:
            found[count] = line if line > start + most // 2 else i
            count += 1
    if count > 1 and size - found[count - 1] < least:
        count -= 1
    found[count] = size
    if size == 0:
        count = 0
    return part(found, 0, count + 1)


def table_mask(entries: int) -> int:
    """Mask of a hash table, a power of two of at least twice its entries."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size - 1


def order_of(keys: Longs) -> Longs:
    """The order that sorts keys, equal ones as they stand. A merge sort: numba takes seconds to compile numpy's."""
    size = len(keys)
    order = np.arange(size)
    other = np.empty(size, dtype=np.int64)
    width = 1
    while width < size:
        for low in range(0, size, 2 * width):
            middle, high = min(low + width, size), min(low + 2 * width, size)
            left, right = low, middle
            for at in range(low, high):
                if left < middle and (right >= high or keys[order[left]] <= keys[order[right]]):
                    other[at] = order[left]
                    left += 1
                else:
                    other[at] = order[right]
                    right += 1
        order, other = other, order
        width *= 2
    return order


def numbered(a_hashes: Longs, b_hashes: Longs) -> tuple[Ints, Ints, int]:
    """Number the different words of two texts from 0, in order of appearance: ids of both, and how many there are."""
    a_size, b_size = len(a_hashes), len(b_hashes)
    mask = table_mask(a_size + b_size)
    keys = np.zeros(mask + 1, dtype=np.int64)
    numbers = np.full(mask + 1, -1, dtype=np.int32)
    ids = np.empty(a_size + b_size, dtype=np.int32)
    count = 0
    for i in range(a_size + b_size):
        key = int(a_hashes[i]) if i < a_size else int(b_hashes[i - a_size])
        slot = (key ^ (key >> 31)) & mask
        while numbers[slot] >= 0 and keys[slot] != key:
            slot = (slot + 1) & mask
        if numbers[slot] < 0:
            numbers[slot] = count
            keys[slot] = key
            count += 1
        ids[i] = numbers[slot]
    return ids[:a_size].copy(), ids[a_size:].copy(), count


def sentence_terms(ids: Ints, sentences: Longs) -> tuple[Longs, Ints, Floats]:
    """The different words of each sentence and how often they stand in it, one sentence after another.

    Returns:
        Where each sentence begins in the other two, shape (sentences + 1); ids; counts.
    """
    firsts = np.zeros(len(sentences), dtype=np.int64)
    terms = np.empty(len(ids), dtype=np.int32)
    counts = np.zeros(len(ids), dtype=np.float64)
    size = 0
    for sentence in range(len(sentences) - 1):
        start = size
        for i in range(sentences[sentence], sentences[sentence + 1]):
            known = start
            while known < size and terms[known] != ids[i]:
                known += 1
            if known == size:
                terms[size] = ids[i]
                size += 1
            counts[known] += 1.0
        firsts[sentence + 1] = size
    return firsts, terms[:size].copy(), counts[:size].copy()


def term_weights(a_terms: Ints, b_terms: Ints, sentence_count: int, word_count: int) -> Floats:
    """Inverse sentence frequency of each word over both texts, shape (word_count)."""
    frequency = np.zeros(word_count, dtype=np.float64)
    for term in a_terms:
        frequency[term] += 1.0
    for term in b_terms:
        frequency[term] += 1.0
    weights = np.empty(word_count, dtype=np.float64)
    for word in range(word_count):
        # One more than there are, so that two texts of one sentence each have weights at all.
        weights[word] = math.log((sentence_count + 1.0) / max(frequency[word], 1.0))
    return weights


def seeds(  # noqa: PLR0912, PLR0915
    a_firsts: Longs,
    a_terms: Ints,
    a_counts: Floats,
    b_firsts: Longs,
    b_terms: Ints,
    b_counts: Floats,
    weights: Floats,
    least: float,
) -> tuple[Longs, Longs]:
    """Pairs of sentences that are alike: cosine of their weighted words and Dice of their words above `least`.

    Returns:
        Sentence of a and sentence of b, sorted by b and then a.
    """
    a_size, b_size = len(a_firsts) - 1, len(b_firsts) - 1
    word_count = len(weights)
    a_frequency = np.zeros(word_count + 1, dtype=np.int64)
    b_frequency = np.zeros(word_count + 1, dtype=np.int64)
    for term in a_terms:
        a_frequency[term] += 1
    for term in b_terms:
        b_frequency[term] += 1
    most = affordable(a_frequency, b_frequency)
    # Postings: for each word the sentences of a that have it.
    posting = np.zeros(word_count + 1, dtype=np.int64)
    for word in range(word_count):
        posting[word + 1] = posting[word] + a_frequency[word]
    fill = posting.copy()
    where = np.empty(len(a_terms), dtype=np.int32)
    weight = np.empty(len(a_terms), dtype=np.float64)
    a_norms = np.zeros(a_size, dtype=np.float64)
    for sentence in range(a_size):
        for i in range(a_firsts[sentence], a_firsts[sentence + 1]):
            term = a_terms[i]
            value = a_counts[i] * weights[term]
            where[fill[term]] = sentence
            weight[fill[term]] = value
            fill[term] += 1
            a_norms[sentence] += value * value
    dots = np.zeros(a_size, dtype=np.float64)
    common = np.zeros(a_size, dtype=np.int32)
    touched = np.empty(a_size, dtype=np.int32)
    found_a = np.empty(256, dtype=np.int64)
    found_b = np.empty(256, dtype=np.int64)
    near = np.empty(a_size, dtype=np.int64)
    nearness = np.empty(a_size, dtype=np.int64)
    count = 0
    for sentence in range(b_size):
        touched_count, norm = 0, 0.0
        for i in range(b_firsts[sentence], b_firsts[sentence + 1]):
            term = b_terms[i]
            value = b_counts[i] * weights[term]
            norm += value * value
            if a_frequency[term] * b_frequency[term] > most:
                continue
            for k in range(posting[term], posting[term + 1]):
                other = where[k]
                if common[other] == 0:
                    touched[touched_count] = other
                    touched_count += 1
                common[other] += 1
                dots[other] += value * weight[k]
        near_count = 0
        b_length = b_firsts[sentence + 1] - b_firsts[sentence]
        for i in range(touched_count):
            other = touched[i]
            cosine = dots[other] / math.sqrt(max(norm * a_norms[other], 1e-12))
            dice = 2.0 * common[other] / (b_length + a_firsts[other + 1] - a_firsts[other])
            dots[other] = 0.0
            common[other] = 0
            if cosine > least and dice > least:
                near[near_count] = other
                nearness[near_count] = -int(cosine * (1 << 30))
                near_count += 1
        if near_count > _SEEDS_PER_SENTENCE:
            # Among equals, those at the same place in their text.
            distances = np.empty(near_count, dtype=np.int64)
            for i in range(near_count):
                distances[i] = abs(near[i] * b_size - sentence * a_size) * 2 + (
                    1 if near[i] * b_size > sentence * a_size else 0
                )
            order = order_of(distances)
            order = gathered(order, order_of(gathered(nearness, order)))
            near_count = _SEEDS_PER_SENTENCE
            kept = gathered(near, part(order, 0, near_count))
        else:
            kept = part(near, 0, near_count)
        kept = gathered(kept, order_of(kept))
        if count + near_count > len(found_a):
            found_a, found_b = part(found_a, 0, 2 * len(found_a)), part(found_b, 0, 2 * len(found_b))
        for i in range(near_count):
            found_a[count] = kept[i]
            found_b[count] = sentence
            count += 1
    return part(found_a, 0, count), part(found_b, 0, count)


def run_seeds(a_ids: Ints, a_sentences: Longs, b_ids: Ints, b_sentences: Longs) -> tuple[Longs, Longs]:
    """Pairs of sentences with a run of _SEED_RUN words that stands once in a: what is copied in the midst of others.

    Returns:
        As `seeds`; the work grows with the lengths of both texts.
    """
    a_size, b_size = len(a_ids) - _SEED_RUN + 1, len(b_ids) - _SEED_RUN + 1
    mask = table_mask(max(a_size, 0))
    places = np.full(mask + 1, -1, dtype=np.int64)  # first word of a run in a
    is_repeated = np.zeros(mask + 1, dtype=np.uint8)
    for at in range(a_size):
        slot = run_hash(a_ids, at) & mask
        while places[slot] >= 0 and not is_same_run(a_ids, places[slot], a_ids, at):
            slot = (slot + 1) & mask
        if places[slot] >= 0:
            is_repeated[slot] = 1
        else:
            places[slot] = at
    in_a = sentence_of(len(a_ids), a_sentences)
    keys = np.empty(256, dtype=np.int64)
    count, sentence = 0, 0
    for at in range(b_size):
        while at >= b_sentences[sentence + 1]:
            sentence += 1
        slot = run_hash(b_ids, at) & mask
        while places[slot] >= 0 and not is_same_run(a_ids, places[slot], b_ids, at):
            slot = (slot + 1) & mask
        if places[slot] < 0 or is_repeated[slot]:
            continue
        key = (sentence << 31) | in_a[places[slot]]
        if count == 0 or keys[count - 1] != key:
            if count == len(keys):
                keys = part(keys, 0, 2 * count)
            keys[count] = key
            count += 1
    keys = part(keys, 0, count)
    return keys & ((1 << 31) - 1), keys >> 31


def run_hash(ids: Ints, at: int) -> int:
    """Hash of the run of _SEED_RUN words from a place."""
    value = 0
    for i in range(at, at + _SEED_RUN):
        value = ((value ^ int(ids[i])) * _MIX_A) & _MASK_32
        value ^= value >> 15
    return value


def is_same_run(ids: Ints, at: int, others: Ints, other_at: int) -> bool:
    """Whether two runs of _SEED_RUN words are equal."""
    for i in range(_SEED_RUN):  # noqa: SIM110 - compiled
        if ids[at + i] != others[other_at + i]:
            return False
    return True


def sentence_of(word_count: int, sentences: Longs) -> Longs:
    """The sentence of each word."""
    found = np.empty(word_count, dtype=np.int64)
    for sentence in range(len(sentences) - 1):
        for i in range(sentences[sentence], sentences[sentence + 1]):
            found[i] = sentence
    return found


def united(a: Longs, b: Longs, more_a: Longs, more_b: Longs) -> tuple[Longs, Longs]:
    """Two lists of seeds as one, sorted, each seed once."""
    keys = np.empty(len(a) + len(more_a), dtype=np.int64)
    for i in range(len(a)):
        keys[i] = (b[i] << 31) | a[i]
    for i in range(len(more_a)):
        keys[len(a) + i] = (more_b[i] << 31) | more_a[i]
    keys = gathered(keys, order_of(keys))
    count = 0
    for i in range(len(keys)):
        if count == 0 or keys[i] != keys[count - 1]:
            keys[count] = keys[i]
            count += 1
    keys = part(keys, 0, count)
    return keys & ((1 << 31) - 1), keys >> 31


def gathered(values: Longs, order: Longs) -> Longs:
    """`values[order]`, in a loop that compiles fast."""
    found = np.empty(len(order), dtype=np.int64)
    for i in range(len(order)):
        found[i] = values[order[i]]
    return found


def part(values: Longs, first: int, end: int) -> Longs:
    """A copy of `values[first:end]`; what lies past the end of `values` is left open."""
    found = np.empty(end - first, dtype=np.int64)
    for i in range(first, min(end, len(values))):
        found[i - first] = values[i]
    return found


def affordable(a_frequency: Longs, b_frequency: Longs) -> int:
    """Largest product of a word's counts that may be looked at, so that all together stay within _SEED_WORK."""
    work = np.zeros(64, dtype=np.float64)
    for word in range(len(a_frequency)):
        product = a_frequency[word] * b_frequency[word]
        bits = 0
        while product >> bits > 0:
            bits += 1
        work[bits] += float(product)
    total = 0.0
    for bits in range(64):
        total += work[bits]
        if total > _SEED_WORK:
            return (1 << max(bits - 1, 0)) - 1
    return 1 << 62


def similarity(
    a_ids: Ints, a_first: int, a_end: int, b_ids: Ints, b_first: int, b_end: int, weights: Floats, bag: Floats
) -> float:
    """Cosine of the weighted words of two ranges. `bag` is scratch, shape (words in all), zero before and after."""
    for i in range(a_first, a_end):
        bag[a_ids[i]] += 1.0
    a_norm = 0.0
    for i in range(a_first, a_end):
        a_norm += bag[a_ids[i]] * weights[a_ids[i]] ** 2
    dot = 0.0
    for i in range(b_first, b_end):
        dot += bag[b_ids[i]] * weights[b_ids[i]] ** 2
    for i in range(a_first, a_end):
        bag[a_ids[i]] = 0.0
    for i in range(b_first, b_end):
        bag[b_ids[i]] += 1.0
    b_norm = 0.0
    for i in range(b_first, b_end):
        b_norm += bag[b_ids[i]] * weights[b_ids[i]] ** 2
    for i in range(b_first, b_end):
        bag[b_ids[i]] = 0.0
    return dot / math.sqrt(a_norm * b_norm) if a_norm > 0.0 and b_norm > 0.0 else 0.0


def grouped(xs: Longs, ys: Longs, gap: int) -> tuple[Longs, int]:
    """Group seeds that lie close together in both texts.

    Args:
        xs: shape (seeds): sentence of a.
        ys: sentence of b.
        gap: sentences that may lie between two neighbours.

    Returns:
        The group of each seed, from 0, and the number of groups. Splitting by one side and then by the other goes on
        until neither splits any more.
    """
    size = len(xs)
    labels = np.zeros(size, dtype=np.int64)
    count = 1
    while True:
        before = count
        for side in range(2):
            values = xs if side == 0 else ys
            keys = np.empty(size, dtype=np.int64)
            for i in range(size):
                keys[i] = (labels[i] << 31) | values[i]
            order = order_of(keys)
            split = np.zeros(size, dtype=np.int64)
            count = 0
            for i in range(1, size):
                here, last = order[i], order[i - 1]
                if labels[here] != labels[last] or values[here] - values[last] > gap + 1:
                    count += 1
                split[here] = count
            labels = split
            count += 1
        if count == before:
            return labels, count


def states_of(ids: Ints, first: int, end: int, others: Ints, others_first: int, others_end: int, bag: Floats) -> Bytes:
    """How each word of a range is found in a range of the other text: MISSING, SINGLE or RUN; shape (end - first)."""
    for i in range(others_first, others_end):
        bag[others[i]] = 1.0
    mask = table_mask(others_end - others_first)
    table = np.full(mask + 1, -1, dtype=np.int64)
    for i in range(others_first, others_end - 1):
        pair = (int(others[i]) << 31) | int(others[i + 1])
        slot = ((int(others[i]) * _MIX_A + int(others[i + 1]) * _MIX_B) >> 7) & mask
        while table[slot] >= 0 and table[slot] != pair:
            slot = (slot + 1) & mask
        table[slot] = pair
    states = np.zeros(end - first, dtype=np.uint8)
    was_pair = False
    for i in range(first, end):
        is_pair = False
        if bag[ids[i]] > 0.0:
            if states[i - first] == MISSING:
                states[i - first] = SINGLE
            if i + 1 < end and bag[ids[i + 1]] > 0.0:
                pair = (int(ids[i]) << 31) | int(ids[i + 1])
                slot = ((int(ids[i]) * _MIX_A + int(ids[i + 1]) * _MIX_B) >> 7) & mask
                while table[slot] >= 0 and table[slot] != pair:
                    slot = (slot + 1) & mask
                is_pair = table[slot] == pair
        if is_pair and was_pair:
            for k in range(i - first - 1, i - first + 2):
                states[k] = RUN
        was_pair = is_pair
    for i in range(others_first, others_end):
        bag[others[i]] = 0.0
    return states


def shares_of(states: Bytes, first: int, end: int) -> Floats:
    """Shares of the three states in a range, smoothed by one word each; shape (3)."""
    counts = np.ones(3, dtype=np.float64)
    for i in range(first, end):
        counts[states[i]] += 1.0
    for state in range(3):
        counts[state] /= end - first + 3.0
    return counts


def fitted(
    ids: Ints,
    breaks: Bytes,
    first: int,
    end: int,
    others: Ints,
    others_first: int,
    others_end: int,
    rates: Floats,
    shares: Floats,
    bag: Floats,
) -> tuple[int, int, float]:
    """Move the boundaries of a range to where the words stop speaking for the reuse of the other range.

    A word in the reuse is missing, single or in a run with the shares of the range as it stands (or of the other side,
    in `shares`, where that is the more faithful one: a copy is one on both sides); outside, it is found by chance. The
    range with the highest log-odds of its words is what remains.

    Args:
        ids: words of this text.
        breaks: what stands before each.
        first: the range.
        end: its end.
        others: words of the other text.
        others_first: the range there.
        others_end: its end.
        rates: shape (words in all): frequency of each word in both texts.
        shares: in and out, shape (3): of the states on the other side (negative: not known), then on this one.
        bag: scratch.

    Returns:
        The new range and its log-odds.
    """
    low, high = max(0, first - _REACH), min(len(ids), end + _REACH)
    states = states_of(ids, low, high, others, others_first, others_end, bag)
    own = shares_of(states, first - low, end - low)
    copied = min(1.0, max(0.0, (max(own[RUN], shares[RUN]) - _VERBATIM_FROM + _VERBATIM_RANGE / 2) / _VERBATIM_RANGE))
    chance_run = math.exp((1.0 - copied) * math.log(_CHANCE_RUN) + copied * math.log(_CHANCE_RUN_VERBATIM))
    if 0.0 <= shares[MISSING] < own[MISSING]:
        for state in range(3):
            own[state] = copied * shares[state] + (1.0 - copied) * own[state]
    missing = min(_MISSING_BETWEEN[1], max(_MISSING_BETWEEN[0], own[MISSING]))
    length = others_end - others_first
    best, best_first, best_end = -1e18, first, end
    total, total_first = -1e18, low
    for i in range(low, high):
        state = states[i - low]
        chance = min(max(1.0 - (1.0 - rates[ids[i]]) ** length, 1e-4), 0.95)
        if state == RUN:
            gain = math.log(own[RUN] / chance_run)
        elif state == SINGLE:
            gain = math.log(own[SINGLE] / (chance * (1.0 - chance_run)))
        else:
            gain = math.log(missing / ((1.0 - chance) * (1.0 - chance_run)))
        start = _BOUNDARY_GAIN[breaks[i]]
        if total <= start:
            total, total_first = start, i
        total += min(gain, _MAX_GAIN)
        stop = total + (_BOUNDARY_GAIN[breaks[i + 1]] if i + 1 < len(ids) else _BOUNDARY_GAIN[PARAGRAPH_BREAK])
        if stop > best:
            best, best_first, best_end = stop, total_first, i + 1
    now = shares_of(states, best_first - low, best_end - low)
    for state in range(3):
        shares[state] = now[state]
    return best_first, best_end, best


def passages(  # noqa: PLR0912, PLR0915
    seeds_a: Longs,
    seeds_b: Longs,
    a_ids: Ints,
    a_breaks: Bytes,
    a_sentences: Longs,
    b_ids: Ints,
    b_breaks: Bytes,
    b_sentences: Longs,
    weights: Floats,
) -> tuple[Longs, Floats]:
    """Candidates: groups of seeds whose words are alike, with boundaries fitted to the words.

    Returns:
        Ranges of words, shape (candidates, 4): first and end in a, first and end in b; and, shape (candidates, 5): the
        evidence (the lower log-odds of the two sides), share of words found (in a, in b), share of words in runs.
    """
    word_count = len(weights)
    bag = np.zeros(word_count, dtype=np.float64)
    rates = np.zeros(word_count, dtype=np.float64)
    for word in a_ids:
        rates[word] += 1.0
    for word in b_ids:
        rates[word] += 1.0
    for word in range(word_count):
        # Without the two that are looked at, one in each text: that a word is reused does not make it frequent.
        rates[word] = max(rates[word] - 2.0, 0.0) / (len(a_ids) + len(b_ids))
    ranges = np.empty((64, 4), dtype=np.int64)
    measures = np.empty((64, 5), dtype=np.float64)
    count = 0
    # A stack of groups: their members one after another in `waiting`; each member stands there once at most.
    waiting = np.arange(len(seeds_a))
    groups = np.empty((len(seeds_a) + 1, 3), dtype=np.int64)  # first member in `waiting`, gap, depth
    groups[0, 0], groups[0, 1], groups[0, 2] = 0, _MAX_GAP, 0
    group_count, waiting_end = 1, len(seeds_a)
    while group_count > 0:
        group_count -= 1
        start, gap, depth = groups[group_count, 0], groups[group_count, 1], groups[group_count, 2]
        members = part(waiting, start, waiting_end)
        waiting_end = start
        labels, _ = grouped(gathered(seeds_a, members), gathered(seeds_b, members), gap)
        order = order_of(labels)
        first = 0
        while first < len(order):
            end = first
            while end < len(order) and labels[order[end]] == labels[order[first]]:
                end += 1
            group = gathered(members, part(order, first, end))
            first = end
            in_a, in_b = gathered(seeds_a, group), gathered(seeds_b, group)
            a_first, a_end = a_sentences[lowest(in_a)], a_sentences[highest(in_a) + 1]
            b_first, b_end = b_sentences[lowest(in_b)], b_sentences[highest(in_b) + 1]
            if similarity(a_ids, a_first, a_end, b_ids, b_first, b_end, weights, bag) < _MIN_SIMILARITY:
                if gap > 0 and len(group) > 1:
                    groups[group_count, 0], groups[group_count, 1], groups[group_count, 2] = waiting_end, gap - 1, depth
                    group_count += 1
                    for i in range(len(group)):
                        waiting[waiting_end] = group[i]
                        waiting_end += 1
                continue
            shares = np.full(3, -1.0)
            a_odds, b_odds = 0.0, 0.0
            for _step in range(_STEPS):
                b_first, b_end, b_odds = fitted(
                    b_ids, b_breaks, b_first, b_end, a_ids, a_first, a_end, rates, shares, bag
                )
                a_first, a_end, a_odds = fitted(
                    a_ids, a_breaks, a_first, a_end, b_ids, b_first, b_end, rates, shares, bag
                )
            if count == len(ranges):
                ranges, measures = with_rows(ranges, 2 * count), with_rows(measures, 2 * count)
            ranges[count, 0], ranges[count, 1] = a_first, a_end
            ranges[count, 2], ranges[count, 3] = b_first, b_end
            measures[count, 0] = min(a_odds, b_odds)
            measures[count, 1], measures[count, 3] = found_shares(a_ids, a_first, a_end, b_ids, b_first, b_end, bag)
            measures[count, 2], measures[count, 4] = found_shares(b_ids, b_first, b_end, a_ids, a_first, a_end, bag)
            count += 1
            # A group may hold two passages, and only the stronger remains: what lies outside is grouped anew.
            left_end = waiting_end
            for i in range(len(group)):
                if (
                    a_sentences[in_a[i] + 1] <= a_first
                    or a_sentences[in_a[i]] >= a_end
                    or b_sentences[in_b[i] + 1] <= b_first
                    or b_sentences[in_b[i]] >= b_end
                ):
                    waiting[left_end] = group[i]
                    left_end += 1
            if waiting_end < left_end < waiting_end + len(group) and depth < _MAX_DEPTH:
                groups[group_count, 0], groups[group_count, 1], groups[group_count, 2] = (
                    waiting_end,
                    _MAX_GAP,
                    depth + 1,
                )
                group_count += 1
                waiting_end = left_end
    return with_rows(ranges, count), with_rows(measures, count)


def with_rows(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """A copy with so many rows, fewer or more."""
    found = np.empty((count, values.shape[1]), dtype=values.dtype)
    for i in range(min(count, len(values))):
        for column in range(values.shape[1]):
            found[i, column] = values[i, column]
    return found


def lowest(values: Longs) -> int:
    """The lowest of at least one value."""
    found = int(values[0])
    for value in values:
        found = min(found, int(value))
    return found


def highest(values: Longs) -> int:
    """The highest of at least one value."""
    found = int(values[0])
    for value in values:
        found = max(found, int(value))
    return found


def found_shares(
    ids: Ints, first: int, end: int, others: Ints, others_first: int, others_end: int, bag: Floats
) -> tuple[float, float]:
    """Shares of the words of a range that a range of the other text has, and that stand in its runs."""
    found, runs = 0, 0
    states = states_of(ids, first, end, others, others_first, others_end, bag)
    for i in range(len(states)):
        found += 1 if states[i] != MISSING else 0
        runs += 1 if states[i] == RUN else 0
    return found / len(states), runs / len(states)


def is_copy(measures: Floats, at: int) -> bool:
    """Whether a candidate is copied word by word."""
    return bool(min(measures[at, 3], measures[at, 4]) >= _COPY_SHARE)


def has_strong_copy(measures: Floats) -> bool:
    """Whether a candidate is copied word by word beyond doubt."""
    for i in range(len(measures)):  # noqa: SIM110 - compiled
        if is_copy(measures, i) and measures[i, 0] >= _STRONG_EVIDENCE:
            return True
    return False


def chosen(
    ranges: Longs,
    measures: Floats,
    a_lengths: Longs,
    b_lengths: Longs,
    digests: Longs,
    b_size: int,
    min_evidence: float,
    min_length: int,
    min_copy_length: int,
) -> Longs:
    """The candidates that are reported: strong and long enough, and not found better elsewhere.

    Args:
        ranges: as `passages` gives them.
        measures: likewise.
        a_lengths: shape (candidates): length of each in a, in the unit of `min_length`.
        b_lengths: the same in b.
        digests: shape (digests, 2): ranges of b that are accounted for already.
        b_size: words of b.
        min_evidence: of a candidate.
        min_length: on both sides; and
        min_copy_length: of one that is copied word by word.

    Returns:
        Their indexes, the strongest first.
    """
    least = min_evidence
    if has_strong_copy(measures):
        least = max(min_evidence, _EVIDENCE_BESIDE_COPY)
    # The order must not depend on how candidates were found.
    order = np.arange(len(ranges))
    keys = np.empty(len(ranges), dtype=np.int64)
    for column in (1, 0, 3, 2):
        for i in range(len(ranges)):
            keys[i] = ranges[order[i], column]
        order = gathered(order, order_of(keys))
    for i in range(len(ranges)):
        keys[i] = -int(measures[order[i], 0] * 1024.0)
    order = gathered(order, order_of(keys))
    is_taken = np.zeros(b_size, dtype=np.uint8)
    for k in range(len(digests)):
        for word in range(digests[k, 0], digests[k, 1]):
            is_taken[word] = 1
    found = np.empty(len(ranges), dtype=np.int64)
    count = 0
    for rank in range(len(order)):
        i = int(order[rank])
        is_plain = is_copy(measures, i)
        if measures[i, 0] < (min_evidence if is_plain else least):
            continue
        is_near = min(measures[i, 3], measures[i, 4]) >= _NEAR_SHARE and measures[i, 0] >= _NEAR_EVIDENCE * min_evidence
        if min(a_lengths[i], b_lengths[i]) < (min_copy_length if is_plain or is_near else min_length):
            continue
        taken = 0
        for word in range(ranges[i, 2], ranges[i, 3]):
            taken += int(is_taken[word])
        if taken > _MAX_COVERED * (ranges[i, 3] - ranges[i, 2]):
            continue
        for word in range(ranges[i, 2], ranges[i, 3]):
            is_taken[word] = 1
        found[count] = i
        count += 1
    return part(found, 0, count)


def digests_of(  # noqa: PLR0912
    seeds_a: Longs,
    seeds_b: Longs,
    a_ids: Ints,
    a_sentences: Longs,
    b_ids: Ints,
    b_sentences: Longs,
    weights: Floats,
    ranges: Longs,
    measures: Floats,
) -> tuple[Longs, Floats]:
    """Stretches of b that condense the whole of a: their sentences draw on places all over it.

    Args:
        seeds_a: seeds, sorted by b.
        seeds_b: likewise.
        a_ids: words.
        a_sentences: sentences.
        b_ids: words.
        b_sentences: sentences.
        weights: of words.
        ranges: candidates as `passages` gives them, and
        measures: their measures. What they account for is no digest.

    Returns:
        Ranges of words of b, shape (digests, 2), and share of words found (in a, in b), shape (digests, 2).
    """
    word_count = len(weights)
    bag = np.zeros(word_count, dtype=np.float64)
    is_in_a = np.zeros(word_count, dtype=np.uint8)
    for word in a_ids:
        is_in_a[word] = 1
    found = np.empty((len(seeds_b), 2), dtype=np.int64)
    shares = np.empty((len(seeds_b), 2), dtype=np.float64)
    count, first = 0, 0
    # What is copied word by word is no digest, and neither is what stands beside it.
    last = 0 if has_strong_copy(measures) else len(seeds_b)
    while first < last:
        end, sentence_count = first + 1, 1
        while end < len(seeds_b) and seeds_b[end] - seeds_b[end - 1] <= _DIGEST_GAP + 1:
            sentence_count += 1 if seeds_b[end] != seeds_b[end - 1] else 0
            end += 1
        in_a = part(seeds_a, first, end)
        a_first, a_end = a_sentences[lowest(in_a)], a_sentences[highest(in_a) + 1]
        b_first, b_end = b_sentences[seeds_b[first]], b_sentences[seeds_b[end - 1] + 1]
        density = sentence_count / (seeds_b[end - 1] + 1 - seeds_b[first])
        first = end
        if (
            sentence_count < _DIGEST_SENTENCES
            or density < _DIGEST_DENSITY
            or b_end - b_first < _DIGEST_WORDS
            or a_end - a_first < _DIGEST_SPREAD * len(a_ids)
            or a_end - a_first < _DIGEST_RATIO * (b_end - b_first)
            or similarity(a_ids, a_first, a_end, b_ids, b_first, b_end, weights, bag) < _DIGEST_SIMILARITY
        ):
            continue
        is_local = np.zeros(word_count, dtype=np.uint8)
        covered = 0
        for i in range(len(ranges)):
            shared = min(ranges[i, 3], b_end) - max(ranges[i, 2], b_first)
            if measures[i, 0] >= _DIGEST_EVIDENCE and shared > 0:
                covered += shared
                for k in range(ranges[i, 0], ranges[i, 1]):
                    is_local[a_ids[k]] = 1
        total, known, local, known_count = 0.0, 0.0, 0.0, 0
        for i in range(b_first, b_end):
            total += weights[b_ids[i]]
            if is_in_a[b_ids[i]]:
                known += weights[b_ids[i]]
                known_count += 1
            if is_local[b_ids[i]]:
                local += weights[b_ids[i]]
        if (
            known < _DIGEST_FOUND * total
            or local >= _DIGEST_LOCAL * known
            or covered >= _DIGEST_COVERED * (b_end - b_first)
        ):
            continue
        for i in range(b_first, b_end):
            bag[b_ids[i]] = 1.0
        used = 0
        for word in a_ids:
            if bag[word] > 0.0:
                used += 1
        for i in range(b_first, b_end):
            bag[b_ids[i]] = 0.0
        found[count, 0], found[count, 1] = b_first, b_end
        shares[count, 0], shares[count, 1] = used / len(a_ids), known_count / (b_end - b_first)
        count += 1
    return with_rows(found, count), with_rows(shares, count)


def aligned(
    a_hashes: Longs,
    a_breaks: Bytes,
    a_is_spaceless: Bytes,
    a_starts: Ints,
    a_ends: Ints,
    a_sentences: Longs,
    b_hashes: Longs,
    b_breaks: Bytes,
    b_is_spaceless: Bytes,
    b_starts: Ints,
    b_ends: Ints,
    b_sentences: Longs,
    seed_similarity: float,
    min_evidence: float,
    min_length: int,
    min_copy_length: int,
) -> tuple[Longs, Floats]:
    """All steps: from the words of two texts to the passages that b took from a.

    Returns:
        Ranges of words, shape (passages, 4): first and end in a, first and end in b; and, shape (passages, 4): share
        of words found (in a, in b) and share of words in runs (in a, in b). A digest has no runs.
    """
    a_ids, b_ids, word_count = numbered(a_hashes, b_hashes)
    a_firsts, a_terms, a_counts = sentence_terms(a_ids, a_sentences)
    b_firsts, b_terms, b_counts = sentence_terms(b_ids, b_sentences)
    weights = term_weights(a_terms, b_terms, len(a_sentences) + len(b_sentences) - 2, word_count)
    seeds_a, seeds_b = seeds(a_firsts, a_terms, a_counts, b_firsts, b_terms, b_counts, weights, seed_similarity)
    runs_a, runs_b = run_seeds(a_ids, a_sentences, b_ids, b_sentences)
    seeds_a, seeds_b = united(seeds_a, seeds_b, runs_a, runs_b)
    if len(seeds_a) == 0:
        return np.empty((0, 4), dtype=np.int64), np.empty((0, 4), dtype=np.float64)
    ranges, measures = passages(seeds_a, seeds_b, a_ids, a_breaks, a_sentences, b_ids, b_breaks, b_sentences, weights)
    digests, digest_shares = digests_of(
        seeds_a, seeds_b, a_ids, a_sentences, b_ids, b_sentences, weights, ranges, measures
    )
    a_lengths = lengths_of(ranges, 0, a_starts, a_ends, a_is_spaceless)
    b_lengths = lengths_of(ranges, 1, b_starts, b_ends, b_is_spaceless)
    picked = chosen(
        ranges, measures, a_lengths, b_lengths, digests, len(b_ids), min_evidence, min_length, min_copy_length
    )
    found = np.empty((len(picked) + len(digests), 4), dtype=np.int64)
    shares = np.zeros((len(picked) + len(digests), 4), dtype=np.float64)
    for k in range(len(digests)):
        found[k, 0], found[k, 1] = 0, len(a_ids)
        found[k, 2], found[k, 3] = digests[k, 0], digests[k, 1]
        shares[k, 0], shares[k, 1] = digest_shares[k, 0], digest_shares[k, 1]
    for k in range(len(picked)):
        for column in range(4):
            found[len(digests) + k, column] = ranges[picked[k], column]
            shares[len(digests) + k, column] = measures[picked[k], column + 1]
    return found, shares


def lengths_of(ranges: Longs, side: int, starts: Ints, ends: Ints, is_spaceless: Bytes) -> Longs:
    """Characters of candidates in a (side 0) or b (1); one of a script without spaces counts as three, half a word."""
    lengths = np.empty(len(ranges), dtype=np.int64)
    for i in range(len(ranges)):
        first, end = ranges[i, 2 * side], ranges[i, 2 * side + 1]
        length = int(ends[end - 1]) - int(starts[first])
        for word in range(first, end):
            length += 2 * int(is_spaceless[word])
        lengths[i] = length
    return lengths
