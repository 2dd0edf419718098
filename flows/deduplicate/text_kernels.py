"""From the bytes of texts to their words, as kernels: see `flows.deduplicate.kernels`.

Every word of a corpus passes through here, so that most of a large build's time would go here if each byte were asked
what it is. Eight are asked at a time instead, in one number ("SIMD within a register": Lamport, Comm. ACM 1975; Warren,
"Hacker's Delight", 2012, section 6-1), up to 64 are one number of bits, and a word is two places in it. What is not
ASCII goes letter by letter; both ways give a word the same hash.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import (
    CAPITAL,
    CHAIN_SHIFT,
    DIGIT,
    FIGURE,
    FULL_STOP,
    HALF,
    INITIAL,
    LETTER,
    LINE_SHIFT,
    MIX_A,
    MIX_B,
    MIX_C,
    NAME,
    NEW_LINE,
    NOTHING,
    OF_CLASS,
    OUTSIDE,
    OWN_WORD,
    PLAIN,
    SPACELESS,
)

# A line of so many words is no line of its own: whoever wrote it has lost the line breaks, and outlets' headers and
# footers stand in one line with the story. Such a line is cut behind words whose hash has zeros in CUT_BITS, so that
# equal stretches are cut alike wherever they stand, into pieces of so many words at least.
LONG_LINE_WORDS = 80
CUT_BITS, LEAST_PIECE_WORDS = np.uint64(7), 5

# Bytes that are looked at together, and how far a word that begins among them may be read: a word is hashed by sixteen.
_BLOCK = 64
_READ_ON = 80

# The same byte eight times.
_EACH = 0x0101010101010101
_HIGHEST, _NO_HIGHEST, _SMALL, _SPACES = (np.uint64(byte * _EACH) for byte in (0x80, 0x7F, 0x20, 0x20))
# Added to a byte below 0x80, the first of two sets its highest bit from the first of a range on, the other one behind
# the last: a to z, 0 to 9.
_FROM_A, _BEHIND_Z = (np.uint64(byte * _EACH) for byte in (0x80 - 0x61, 0x7F - 0x7A))
_FROM_0, _BEHIND_9 = (np.uint64(byte * _EACH) for byte in (0x80 - 0x30, 0x7F - 0x39))
_ONE, _EIGHT, _SIXTEEN, _BLOCK_SIZE = np.uint64(1), np.uint64(8), np.uint64(16), np.uint64(_BLOCK)
_WHOLE_EIGHTS, _FIRST_BYTE = ~np.uint64(7), np.uint64(0xFF)
_TO_LOWEST, _TO_BYTE = np.uint64(7), np.uint64(56)
# Gathers the lowest bits of eight bytes in the highest byte.
_GATHER = np.uint64(0x0102040810204080)
# A de Bruijn sequence: each run of six bits stands in it once, so that multiplied by a power of two its six highest
# bits tell which (Leiserson, Prokop and Randall, "Using de Bruijn sequences to index a 1 in a computer word", 1998).
_DE_BRUIJN, _SIX_HIGHEST = np.uint64(0x03F79D71B4CB0A89), np.uint64(58)
# Unsigned, as are the places made of them: numba asks of a signed index whether it counts from the end.
_PLACES = np.zeros(64, np.uint64)
for _place in range(64):
    _PLACES[((1 << _place) * int(_DE_BRUIJN) & (2**64 - 1)) >> int(_SIX_HIGHEST)] = _place
# What the first and the second eight bytes of a word of so many keep.
_FIRST_EIGHT = np.array([256 ** min(length, 8) - 1 for length in range(16)], np.uint64)
_NEXT_EIGHT = np.array([256 ** max(length - 8, 0) - 1 for length in range(16)], np.uint64)

# The class of a word by that of its first character, within a sentence and at its beginning.
_KINDS = np.full(16, PLAIN, np.uint64)
_KINDS[2 * DIGIT : 2 * DIGIT + 2] = FIGURE
_KINDS[2 * CAPITAL : 2 * CAPITAL + 2] = NAME, INITIAL

_SEED = np.uint64(0x243F6A8885A308D3)
_TO_HASH = np.uint64(35)


def eight_bytes(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The eight bytes from each byte on as one number, the first its lowest: a view, shape (bytes - 7).

    Seven in eight of the numbers lie across multiples of eight; x86-64 and ARM64 read them as fast.
    """
    return np.ndarray((max(len(data) - 7, 0),), np.dtype("<u8"), data, strides=(1,))


def tokenize(  # noqa: PLR0912, PLR0915 - one pass, with all that it knows of a word at hand
    data: npt.NDArray[np.uint8],
    eights: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    classes: npt.NDArray[np.uint8],
    lower: npt.NDArray[np.uint32],
    words: npt.NDArray[np.uint32],
    word_ends: npt.NDArray[np.int64],
    line_hashes: npt.NDArray[np.int64],
    line_words: npt.NDArray[np.int32],
    line_ends: npt.NDArray[np.int64],
) -> None:
    """Split UTF-8 texts into lines and words.

    Args:
        data: UTF-8 of all texts.
        eights: the same as `eight_bytes` gives it.
        starts: shape (texts): where each begins in `data`.
        ends: shape (texts): where it ends.
        classes: shape (131072): class of each character of the first two planes.
        lower: shape (131072): lower case of each.
        words: out; at least half as many as the texts have bytes, and one per text.
        word_ends: out, shape (texts): words up to the end of each text.
        line_hashes: out, as long as `words`: 62-bit hash of the words of each line that has one.
        line_words: out, as long: their number.
        line_ends: out, shape (texts): lines up to the end of each text.
    """
    count: Any = 0
    lines = 0
    readable = len(data) - _READ_ON
    # The class of a word by its first byte, within a sentence and at its beginning.
    kinds = np.empty(256, np.uint64)
    for byte in range(128):
        for is_first in range(2):
            kinds[2 * byte + is_first] = _KINDS[2 * np.int64(classes[byte]) + is_first]
    for text in range(len(starts)):
        at = starts[text]
        end = ends[text]
        line_start = count
        chain = NOTHING
        # Whether a word begins a sentence here.
        fresh = _ONE
        in_word = False
        kind = _KINDS[0]
        hashed = NOTHING
        # Up to here letter by letter.
        slow_end = at
        while at <= end:
            if not in_word and slow_end <= at <= readable and at + 8 <= end:
                # What the bytes are, a bit for each: of a word; neither that nor a space.
                inside = NOTHING
                signs = NOTHING
                here = np.uint64(at)
                room = min(np.uint64(end - at), _BLOCK_SIZE) & _WHOLE_EIGHTS
                size = NOTHING
                while size < room:
                    eight = eights[here + size]
                    if eight & _HIGHEST != NOTHING:
                        break
                    small = eight | _SMALL
                    is_inside = (
                        ((small + _FROM_A) & ~(small + _BEHIND_Z)) | ((eight + _FROM_0) & ~(eight + _BEHIND_9))
                    ) & _HIGHEST
                    is_sign = ((eight ^ _SPACES) + _NO_HIGHEST) & ~is_inside & _HIGHEST
                    inside |= (((is_inside >> _TO_LOWEST) * _GATHER) >> _TO_BYTE) << size
                    signs |= (((is_sign >> _TO_LOWEST) * _GATHER) >> _TO_BYTE) << size
                    size += _EIGHT
                begins = inside & ~(inside << _ONE)
                closes = ~inside & (inside << _ONE)
                if size < _BLOCK_SIZE:
                    closes &= (_ONE << size) - _ONE
                # Signs before which a word begins a sentence. A line break is left to the next round.
                done = np.int64(size)
                stops = NOTHING
                while signs != NOTHING:
                    bit = signs & (~signs + _ONE)
                    signs ^= bit
                    place = here + _PLACES[(bit * _DE_BRUIJN) >> _SIX_HIGHEST]
                    if classes[data[place]] == FULL_STOP:
                        stops |= bit
                    elif classes[data[place]] == NEW_LINE:
                        done = np.int64(place) - at
                        slow_end = np.int64(place) + 1
                        begins &= bit - _ONE
                        closes &= bit | (bit - _ONE)
                        break
                # Added to what lies between the beginnings of words, a stop is carried to the next of them.
                initials = (~begins + stops + fresh) & begins
                last = NOTHING
                number = np.uint64(count)
                while closes != NOTHING:
                    last = begins & (~begins + _ONE)
                    begins ^= last
                    place = here + _PLACES[(last * _DE_BRUIJN) >> _SIX_HIGHEST]
                    bit = closes & (~closes + _ONE)
                    closes ^= bit
                    rest = here + _PLACES[(bit * _DE_BRUIJN) >> _SIX_HIGHEST] - place
                    kind = kinds[((eights[place] & _FIRST_BYTE) << _ONE) | np.uint64(initials & last != NOTHING)]
                    hashed = _SEED
                    while rest >= _SIXTEEN:
                        hashed = (hashed ^ (eights[place] | _SMALL)) * MIX_A + (eights[place + _EIGHT] | _SMALL) * MIX_B
                        hashed ^= hashed >> HALF
                        place += _SIXTEEN
                        rest -= _SIXTEEN
                    one = (eights[place] | _SMALL) & _FIRST_EIGHT[rest]
                    two = (eights[place + _EIGHT] | _SMALL) & _NEXT_EIGHT[rest]
                    hashed = (hashed ^ one) * MIX_A + two * MIX_B
                    hashed ^= hashed >> HALF
                    hashed = (hashed * MIX_C) >> _TO_HASH
                    words[number] = (hashed << OF_CLASS) | kind
                    number += _ONE
                    chain = (chain ^ hashed) * MIX_A
                    chain ^= chain >> CHAIN_SHIFT
                count = np.int64(number)
                if begins != NOTHING:
                    # The end of the last one is not seen: it is left to the next round, too.
                    done = np.int64(_PLACES[(begins * _DE_BRUIJN) >> _SIX_HIGHEST])
                if stops > last:
                    fresh = _ONE
                elif last != NOTHING:
                    fresh = NOTHING
                if done == 0:
                    slow_end = at + 1
                at += done
                continue
            # Past the end stands a line break, which closes the last word and line.
            point = np.int64(10)
            length = np.int64(1)
            if at < end:
                point = np.int64(data[at])
                if point >= 0xF0:
                    length = np.int64(4)
                    point = (
                        ((point & 0x07) << 18)
                        | ((np.int64(data[at + 1]) & 0x3F) << 12)
                        | ((np.int64(data[at + 2]) & 0x3F) << 6)
                        | (np.int64(data[at + 3]) & 0x3F)
                    )
                elif point >= 0xE0:
                    length = np.int64(3)
                    point = (
                        ((point & 0x0F) << 12)
                        | ((np.int64(data[at + 1]) & 0x3F) << 6)
                        | (np.int64(data[at + 2]) & 0x3F)
                    )
                elif point >= 0x80:
                    length = np.int64(2)
                    point = ((point & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F)
            character = classes[point] if point < 0x20000 else np.uint8(OUTSIDE)
            # The planes of rare ideographs.
            if 0x20000 <= point < 0x40000:
                character = np.uint8(OWN_WORD)
            if character in (LETTER, CAPITAL, DIGIT):
                if not in_word:
                    in_word = True
                    hashed = _SEED
                    kind = _KINDS[2 * np.int64(character) + np.int64(fresh)]
                    fresh = NOTHING
                if point >= 0x80:
                    hashed = (hashed ^ np.uint64(lower[point])) * MIX_A
                    hashed ^= hashed >> HALF
                    at += length
                    continue
                # ASCII letters in a row, by sixteen; the last time fewer, or none.
                is_inside_yet = True
                while is_inside_yet:
                    one = NOTHING
                    two = NOTHING
                    length = np.int64(0)
                    while length < 16:
                        is_inside_yet = at < end and data[at] < 0x80 and classes[data[at]] in (LETTER, CAPITAL, DIGIT)
                        if not is_inside_yet:
                            break
                        letter = np.uint64(data[at] | 0x20)
                        if length < 8:
                            one |= letter << np.uint64(8 * length)
                        else:
                            two |= letter << np.uint64(8 * length - 64)
                        length += 1
                        at += 1
                    hashed = (hashed ^ one) * MIX_A + two * MIX_B
                    hashed ^= hashed >> HALF
                continue
            if in_word:
                in_word = False
                hashed = (hashed * MIX_C) >> _TO_HASH
                words[count] = (hashed << OF_CLASS) | kind
                count += 1
                chain = (chain ^ hashed) * MIX_A
                chain ^= chain >> CHAIN_SHIFT
            at += length
            if character == OWN_WORD:
                hashed = (_SEED ^ np.uint64(point)) * MIX_A
                hashed = ((hashed ^ (hashed >> HALF)) * MIX_C) >> _TO_HASH
                words[count] = (hashed << OF_CLASS) | np.uint64(SPACELESS)
                count += 1
                chain = (chain ^ hashed) * MIX_A
                chain ^= chain >> CHAIN_SHIFT
                fresh = NOTHING
            elif character == FULL_STOP:
                fresh = _ONE
            elif character == NEW_LINE:
                fresh = _ONE
                if count > line_start:
                    if count - line_start >= LONG_LINE_WORDS:
                        chain = NOTHING
                        for word in range(line_start, count):
                            hashed = np.uint64(words[word]) >> OF_CLASS
                            chain = (chain ^ hashed) * MIX_A
                            chain ^= chain >> CHAIN_SHIFT
                            if (
                                hashed & CUT_BITS == NOTHING
                                and word + 1 - line_start >= LEAST_PIECE_WORDS
                                and word + 1 < count
                            ):
                                line_hashes[lines] = np.int64(chain >> LINE_SHIFT)
                                line_words[lines] = word + 1 - line_start
                                lines += 1
                                line_start = word + 1
                                chain = NOTHING
                    line_hashes[lines] = np.int64(chain >> LINE_SHIFT)
                    line_words[lines] = count - line_start
                    lines += 1
                    line_start = count
                    chain = NOTHING
                if at < end and data[at] == 10:
                    slow_end = at + 1
        word_ends[text] = count
        line_ends[text] = lines


def needs_normal_form(  # noqa: PLR0912 - one loop, compiled
    data: npt.NDArray[np.uint8],
    eights: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    unstable: npt.NDArray[np.uint8],
    found: npt.NDArray[np.bool_],
) -> None:
    """Find the texts that NFKC may change.

    Args:
        data: UTF-8 of all texts.
        eights: the same as `eight_bytes` gives it.
        starts: shape (texts).
        ends: shape (texts).
        unstable: shape (65536): 1 for characters whose normal form may hold other words.
        found: out, shape (texts).
    """
    for text in range(len(starts)):
        at = starts[text]
        end = ends[text]
        found[text] = False
        while at < end:
            # Most text is ASCII: a block of it is one question.
            while at + _BLOCK <= end:
                bits = eights[at] | eights[at + 8] | eights[at + 16] | eights[at + 24]
                bits |= eights[at + 32] | eights[at + 40] | eights[at + 48] | eights[at + 56]
                if bits & _HIGHEST != NOTHING:
                    break
                at += _BLOCK
            # What stands before the next other character, and that itself.
            while at + 8 <= end and eights[at] & _HIGHEST == NOTHING:
                at += 8
            while at < end and data[at] < 0x80:
                at += 1
            if at == end:
                break
            byte = np.int64(data[at])
            if byte < 0xE0:
                if unstable[((byte & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F)]:
                    found[text] = True
                    break
                at += 2
            elif byte < 0xF0:
                point = ((byte & 0x0F) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
                if unstable[point]:
                    found[text] = True
                    break
                at += 3
            else:
                # Mathematical letters (U+1D400 and following) and compatibility ideographs (U+2F800 and following);
                # emoji are no words.
                found[text] = data[at + 1] < 0x9F or byte > 0xF0 or (data[at + 1] == 0xAF and data[at + 2] >= 0xA0)
                if found[text]:
                    break
                at += 4
