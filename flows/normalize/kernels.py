"""The loops over bytes that decide how long a large corpus takes. See `flows.compiled`."""

import numpy as np
import numpy.typing as npt

# Bytes of text from which on it pays to import numba and to fetch or compile a kernel.
COMPILE_FROM_BYTES = 2_000_000


def is_much(byte_count: int) -> bool:
    """Whether so many bytes of text are worth a kernel."""
    return byte_count >= COMPILE_FROM_BYTES


def find_words(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int32],
    moves: npt.NDArray[np.int32],
    class_count: int,
    first_telling: int,
    told: npt.NDArray[np.uint64],
    found: npt.NDArray[np.uint64],
) -> None:
    """Walk an automaton over each text and note in `found` what the states that it meets tell.

    Args:
        data: of `flows.buffers.text_buffers`.
        starts: of the same.
        classes: byte → class.
        moves: state · class_count + class → state · class_count.
        class_count: number of classes.
        first_telling: the first state that tells something, times class_count; all behind it do.
        told: state from `first_telling` on, word → bits.
        found: text, word → bits; filled. One row more than there are texts, which says nothing.
    """
    # Four texts at a time, each lane a quarter of them: where a state leads to is known after a look into memory, and
    # four can be waited for together.
    lane_count = 4
    text_count = len(starts) - 1
    text = np.arange(lane_count) * text_count // lane_count
    end = np.arange(1, lane_count + 1) * text_count // lane_count
    at = starts[text]
    states = np.zeros(lane_count, np.int32)
    rows = np.empty(lane_count, np.int64)
    while True:
        # As many bytes as every lane has before one of their texts ends.
        run = len(data) + 1
        for lane in range(lane_count):
            while text[lane] < end[lane] and at[lane] == starts[text[lane] + 1]:
                text[lane] += 1
                states[lane] = 0
            if text[lane] < end[lane]:
                rows[lane] = text[lane]
                run = min(run, starts[text[lane] + 1] - at[lane])
            else:  # it goes along for nothing
                rows[lane] = text_count
                at[lane] = 0
        if run > len(data):
            break
        for step in range(run):
            for lane in range(lane_count):
                state = moves[states[lane] + classes[data[at[lane] + step]]]
                states[lane] = state
                if state >= first_telling:
                    row = (state - first_telling) // class_count
                    for word in range(told.shape[1]):
                        found[rows[lane], word] |= told[row, word]
        at += run


def add_up_features(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    moves: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    features: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int16],
    growth: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
) -> None:
    """Add up, for each text, what its features weigh in each language.

    The weights of features that stand in the text equally often are added as whole numbers, in any order.

    Args:
        data: of `flows.buffers.text_buffers`.
        starts: of the same.
        moves: row · 256 + byte → state.
        rows: state → row.
        features: state → the feature that ends there, or -1.
        weights: feature, language → weight.
        growth: how often a feature stands in a text → by how much its weight counts; one more than a text has bytes.
        scores: text, language → score; added to.
    """
    # Four texts at a time, as in `find_words`: first where the automaton goes in each, then what the features weigh.
    lane_count = 4
    language_count = scores.shape[1]
    text_count = len(starts) - 1
    counts = np.zeros(len(weights), np.int32)
    met = np.empty(len(weights) + 1, np.int32)
    sums = np.zeros((len(growth), language_count), np.int32)
    passed = np.zeros((lane_count, len(growth)), np.int32)
    for first in range(0, text_count, lane_count):
        last = min(first + lane_count, text_count)
        shared = len(growth)
        for text in range(first, last):
            shared = min(shared, starts[text + 1] - starts[text])
        for step in range(shared):
            for text in range(first, last):
                row = np.int64(rows[passed[text - first, step]])
                passed[text - first, step + 1] = moves[row * 256 + data[starts[text] + step]]
        for text in range(first, last):
            states = passed[text - first]
            byte_count = starts[text + 1] - starts[text]
            for step in range(shared, byte_count):
                states[step + 1] = moves[np.int64(rows[states[step]]) * 256 + data[starts[text] + step]]
            met_count = 0
            for step in range(byte_count):
                feature = features[states[step + 1]]
                if feature >= 0:
                    met[met_count] = feature
                    met_count += counts[feature] == 0
                    counts[feature] += 1
            most = 0
            for position in range(met_count):
                feature = met[position]
                count = counts[feature]
                counts[feature] = 0
                most = max(most, count)
                sum_of = sums[count]
                weight = weights[feature]
                for language in range(language_count):
                    sum_of[language] += weight[language]
            for count in range(1, most + 1):
                for language in range(language_count):
                    scores[text, language] += growth[count] * sums[count, language]
                    sums[count, language] = 0


def look_at(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    char_count: npt.NDArray[np.uint32],
    blank_count: npt.NDArray[np.uint32],
    may_be_loose: npt.NDArray[np.bool_],
    may_be_unspaced: npt.NDArray[np.bool_],
    may_end_lines: npt.NDArray[np.bool_],
) -> None:
    """Look at UTF-8 once, to tell which texts need a closer look: by ASCII, and by the first bytes of other characters.

    Args:
        data: of `flows.buffers.text_buffers`.
        starts: of the same.
        char_count: text → code points; filled.
        blank_count: text → blanks; filled.
        may_be_loose: text → whether it may hold invisible characters, or white space but single blanks; filled.
        may_be_unspaced: text → whether it may hold characters of scripts without blanks between words; filled.
        may_end_lines: text → whether it may hold what ends a line but the line feed, or marks a cut; filled.
    """
    for text in range(len(starts) - 1):
        begin, end = starts[text], starts[text + 1]
        # Sums of 32 bits without branches, which LLVM adds up several bytes at a time. Most texts are ASCII, and need
        # no more.
        part = data[begin:end]
        spaces = breaks = others = doubled = np.uint32(0)
        before = np.uint8(0)
        for at in range(len(part)):
            byte = part[at]
            doubled += np.uint32((byte == 0x20) & (before == 0x20))
            before = byte
            spaces += np.uint32(byte == 0x20)
            breaks += np.uint32((byte == 0x09) | (byte == 0x0A))
            others += np.uint32((byte < 0x20) | (byte >= 0x7F))
        char_count[text] = end - begin
        blank_count[text] = spaces
        is_loose = bool(doubled + breaks > 0)
        may_be_loose[text] = is_loose
        may_be_unspaced[text] = may_end_lines[text] = False
        if others == breaks:
            continue
        continuations = 0
        is_unspaced = ends_lines = False
        for at in range(begin, end):
            byte = data[at]
            if 0x20 <= byte < 0x7F:
                continue
            if 0x80 <= byte < 0xC0:
                continuations += 1
            elif byte < 0x20 or byte == 0x7F:
                is_loose = True
                ends_lines |= byte not in (0x09, 0x0A)
            elif byte >= 0xC2:
                second = data[at + 1]
                if byte == 0xC2:  # U+0080 to U+00BF
                    is_loose |= second <= 0xA0 or second == 0xAD
                    ends_lines |= second == 0x85
                elif byte == 0xD8:  # U+0600 to U+063F
                    is_loose |= second == 0x9C
                elif byte == 0xE2:  # U+2000 to U+2FFF
                    third = data[at + 2]
                    is_loose |= second == 0x80 and (third <= 0x8F or 0xA8 <= third <= 0xAF)
                    is_loose |= second == 0x81 and third >= 0x9F
                    ends_lines |= second == 0x80 and 0xA8 <= third <= 0xA9
                    is_unspaced |= second >= 0xBA
                elif byte >= 0xE0:
                    is_unspaced = True
                    is_loose |= byte in (0xE1, 0xE3, 0xEF)
                    ends_lines |= byte == 0xEF
        char_count[text] = end - begin - continuations
        may_be_loose[text] = is_loose
        may_be_unspaced[text] = is_unspaced
        may_end_lines[text] = ends_lines


def see_edges(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    found: npt.NDArray[np.uint8],
) -> None:
    """See how each text begins and ends.

    Args:
        data: of `flows.buffers.text_buffers`.
        starts: of the same.
        kinds: code point → small letter 1, full stop and the like 2, comma and the like 4, question or exclamation mark
            8, that of ASCII 16, quote 32, closing bracket 64, what closes and opens nothing 128; added up.
        found: text → `flows.normalize.edges.Edge`, added up; filled.
    """
    for text in range(len(starts) - 1):
        begin, end = starts[text], starts[text + 1]
        edges = 0
        closes = begin < end
        is_last = is_quoted = True
        at = end
        while at > begin:
            at -= 1
            tail, width = np.int64(0), 0
            while data[at] & 0xC0 == 0x80:
                tail |= (np.int64(data[at]) & 0x3F) << (6 * width)
                width += 1
                at -= 1
            point = np.int64(data[at])
            if width:
                point = (point & (0x3F >> width)) << (6 * width) | tail
            kind = kinds[point] if point < len(kinds) else 0
            closes &= kind >= 128
            if is_last:
                edges |= (kind & 8) << 1 | (kind & 16) << 1
                is_last = False
            if kind & 6:
                edges |= 6 if kind & 2 else 4
                edges |= 8 if kind & 8 and is_quoted else 0
                break
            if not kind & 96:
                break
            is_quoted &= kind & 64 == 0
        if begin < end:
            point = np.int64(data[begin])
            if point >= 0x80:
                width = 1
                while begin + width < end and data[begin + width] & 0xC0 == 0x80:
                    point = point << 6 | (np.int64(data[begin + width]) & 0x3F)
                    width += 1
                # Without the bits of the first byte that say how many follow.
                point &= (1 << (5 * width + 1)) - 1
            if point < len(kinds) and kinds[point] & 1:
                edges |= 1
        found[text] = edges | (64 if closes else 0)


def find_glue(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], may_be_glued: npt.NDArray[np.bool_]) -> None:
    """See in which texts what closes a sentence is followed, without a blank, by what may begin one.

    Capitals, an opening bracket and whatever is not ASCII may begin a sentence. A straight quote or a closing bracket
    ends one behind another closing mark only; of characters beyond ASCII the last byte of ” and ’ tells enough.

    Args:
        data: of `flows.buffers.text_buffers`.
        starts: of the same.
        may_be_glued: filled.
    """
    for text in range(len(starts) - 1):
        part = data[starts[text] : starts[text + 1]]
        # Without branches, as in `look_at`; few texts come to the second look.
        closed = np.uint32(0)
        for at in range(1, len(part)):
            byte = part[at]
            before = part[at - 1]
            begins = ((byte >= 0x41) & (byte <= 0x5A)) | (byte >= 0xC2) | (byte == 0x28)
            is_mark = (before == 0x21) | (before == 0x2E) | (before == 0x3F) | (before == 0x5D)
            is_quote = (before == 0x22) | (before == 0x27) | (before == 0x29) | (before == 0x99) | (before == 0x9D)
            closed += np.uint32(begins & (is_mark | is_quote))
        may_be_glued[text] = False
        if closed == 0:
            continue
        for at in range(1, len(part)):
            byte = part[at]
            before = part[at - 1]
            if not (0x41 <= byte <= 0x5A or byte >= 0xC2 or byte == 0x28):
                continue
            is_weak = before in (0x22, 0x27, 0x29)
            is_behind_mark = at > 1 and part[at - 2] in (0x21, 0x22, 0x27, 0x29, 0x2E, 0x3F, 0x5D, 0x99, 0x9D)
            if before in (0x21, 0x2E, 0x3F, 0x5D, 0x99, 0x9D) or (is_weak and is_behind_mark):
                may_be_glued[text] = True
                break
