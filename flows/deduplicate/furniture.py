"""Lines that stand in many different stories: the headers, footers and notices of outlets, named or not.

A line of a wire story recurs as well, with each copy of the story. What tells the two apart is their company: the texts
around an outlet's footer differ, the copies of a story are alike around each of its lines. Lines of a text's own tell
most: a long footer, with a counter or a headline here and there that is another one on every page, would make its pages
look alike. Where a page has no line breaks, or where it breaks off and goes on with a call to subscribe, what recurs is
the beginning or the end of a line.
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
    count_places,
    enter,
    filled_lines,
    in_slices,
    keep_filled_within,
    look_up,
    outer_lines,
    rarer_in_both,
    recurring_words,
    sample_texts,
    set_teasers_aside,
    teasers_from,
    tell_captions,
    tell_frequent,
    thread_count,
    told_ahead,
    told_first,
)
from flows.deduplicate.wordstore import WordStore, give_back

# Texts with a line from which on it may be an outlet's.
_MIN_TEXTS = 5
# Texts of a line that are compared, each with the next. They are the lowest in an order that has nothing to do with
# the corpus and is the same for all lines, so that the lines of one story ask for the same pairs.
_SAMPLE = 16
# Knuth's multiplicative hash: odd, so that it permutes the numbers below 2³².
_SHUFFLE = np.uint64(2_654_435_761)

# Two texts tell one story when they have this share of the shorter in common, not counting the lines with which both
# begin and those with which both end, or when next to nothing else is left of one of them.
_RELATED_SHARE = 0.4
_LEAST_LEFT = 12
# What is left of two texts says more when it is at least so many words: of short notices a date, a byline and a line in
# the middle of the page may be a good part.
_TELLING_WORDS = 60
# Lines of a text's own are asked alone when they have this many times the words of the recurring lines that both texts
# have: few of them may be what was edited or added in a copy.
_OWN_SHARE = 0.5
# Fewer will do, this share, where they stand amid those lines, as a short story does between the head and the foot of
# its page: what was added to a copy mostly stands before the story or behind it.
_AMID_WORDS, _AMID_SHARE = 40, 0.2
# Half as many are a notice, and tell strangers like other words that are asked alone.
_NOTICE_WORDS, _NOTICE_SHARE = 20, 0.1
# Likewise as many words of sentences before the first of those lines, as a short story has that stands above a long
# footer: headlines of other stories are no sentences and stand below, and few copies begin with sentences of their own.
# Pairs with so much left that are needed to ask them alone.
_MIN_TELLING = 5
# So many words of sentences that both texts have before they say anything of their own are a story, not a page, when
# the words of a text's own are at most such a share of them: menus have no sentences, and footers stand behind. Up to
# so many words of its own before them are a headline and a byline where no fewer are behind, or hardly any are there: a
# notice above a long footer is none. Nor are they a story when each text has others amid them, as many as a short story
# between the head and the foot of its page, be they ones that recur: wire stories of hundreds of copies do.
_TOLD_WORDS, _ADDED_SHARE = 100, 0.1
_MOST_BEFORE = 40
# What both texts have in lines that recur is a story, and what only one of them has is its page, when fewer texts have
# the former and hardly any words stand in lines of a text's own: the copies of a story are fewer than the pages of an
# outlet, as a rule. Of a short story on a long page too little is common to tell it otherwise, and where pages have but
# a footer, copies of one story begin alike, as pages with but a header do. Where each text has lines of its page both
# before and behind what both have, it is a story however many print it. Fewer words than such a share of what both have
# are headlines of other stories, which recur as well.
_PAGE_SHARE = 0.5
# Share of the pairs asked that must be strangers. Of many pairs with enough left to tell, less is asked: of an outlet
# most of whose pages are fillings of one form, half the pairs or more are alike beside a line of its footer, too, while
# cut-off copies of a wire story make strangers of one pair in six at most.
_STRANGERS_OF_FEW, _STRANGERS_OF_MANY, _MANY_TELLING = 0.5, 0.3, 10
# Less will do of strangers whose own lines stand amid those that both have: those of a cut-off copy stand behind.
_STRANGERS_AMID = 0.2
# Headlines of other stories, at the end of a text and below a line that recurs, as "More from this section" does, are
# furniture, too: up to so many words of them, beneath so many of the text's own. They stand below that line in all the
# texts that have it but for such a share, where a footer is an outlet's own: after a line that calls for subscribers
# within a story, that story goes on.
_TEASER_WORDS, _LEAST_ABOVE = 150, 20
_OTHERWISE_SHARE = 0.3
# Words of a beginning or an end of a line that may recur, the shorter ones first: fewer are a turn of phrase.
_END_WORDS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
# A text is compared with one of at most so many times its length: a whole archive in one text says nothing here, and to
# align it with each of its stories would take for ever.
_MOST_TIMES = 20
# Texts, and lines or parts of lines, that a thread looks at in one go.
_PER_SLICE, _LINES_PER_SLICE = 16_384, 1 << 20
# Threads that count lines, each in a table of up to a byte a line: with as many as there are cores, tables would take
# more than the lines. Their counts, up to _MIN_TEXTS each, add up to a byte.
_MOST_TABLES = 4

Indexes = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]
# The words of the first that are aligned with equal ones of the second, for pairs of texts.
Covered = Callable[[Indexes, Indexes], Indexes]


class Lines(NamedTuple):
    """What the lines of a corpus are; all of shape (lines).

    Attributes:
        is_template: whether they recur in different stories.
        is_repeated: whether they stand in several texts.
        numbers: int32: a number for each line that is repeated, the same for equal ones; -1 of others.
    """

    is_template: npt.NDArray[np.bool_]
    is_repeated: npt.NDArray[np.bool_]
    numbers: npt.NDArray[np.int32]


class _Texts(NamedTuple):
    """Texts that are told apart, all arrays of shape (texts).

    Attributes:
        shuffled: uint64: a number of each that says nothing of the corpus << 32 | the text.
        lengths: their words.
        covered: counts the words that pairs of them have in common.
        around: counts those among them that say nothing of the pair.
        beside: given the number of each line that stands often enough, and -1 of others, and how many texts have a line
            with each number, counts the words of pairs that are in no such line, those of the text that has fewer, or
            -1 where these are too few to be asked alone, and the words of such lines that both have; tells which pairs
            have enough of the former amid the latter, and which have a story in common; or None.
        is_compiled: whether kernels are compiled.
    """

    shuffled: npt.NDArray[np.uint64]
    lengths: Indexes
    covered: Covered
    around: Covered
    beside: Callable[[npt.NDArray[np.int32], Indexes, Indexes, Indexes], tuple[Indexes, Indexes, Marks, Marks]] | None
    is_compiled: bool


def template_lines(store: WordStore, ranks: Indexes, covered: Covered) -> Lines:
    """Find the lines that recur in different stories.

    The dates, bylines and counts of an outlet's pages differ in names and figures, and do not recur otherwise. Left to
    short stories, they would differ in as many slots as two fillings of a form do.

    Args:
        store: the corpus.
        ranks: int64, shape (texts): a number of each text that does not depend on the order of reading.
        covered: counts the words that pairs of texts (two arrays of their indexes) have in common.
    """
    hashes, is_filled = np.empty(len(store.line_hashes), np.int64), np.empty(len(store.line_hashes), np.bool_)

    def fill(first: int, last: int) -> None:
        kernel(filled_lines, is_compiled=store.is_compiled)(
            store.words,
            store.starts[first : last + 1],
            store.line_hashes,
            store.line_words,
            store.line_starts[first : last + 1],
            hashes,
            is_filled,
        )

    in_slices(fill, store.text_count, is_parallel=store.is_compiled, per_slice=_PER_SLICE)
    give_back(store.words)

    def around(a: Indexes, b: Indexes) -> Indexes:
        counts = np.empty(len(a), np.int64)
        kernel(common_ends, is_compiled=store.is_compiled)(hashes, store.line_words, store.line_starts, a, b, counts)
        return counts

    def ahead(numbers: npt.NDArray[np.int32], met: Indexes, texts: Indexes, others: Indexes) -> Indexes:
        counts = np.empty(len(texts), np.int64)
        met[:] = -1
        kernel(told_ahead, is_compiled=store.is_compiled)(
            numbers, store.line_words, store.line_starts, store.words, store.starts, texts, others, met, counts
        )
        return counts

    def told_by(numbers: npt.NDArray[np.int32], met: Indexes, texts: Indexes, others: Indexes, own: Indexes) -> Indexes:
        told, before = (np.empty(len(texts), np.int64) for _ in range(2))
        met[:] = -1
        kernel(told_first, is_compiled=store.is_compiled)(
            numbers,
            store.line_words,
            store.line_starts,
            store.words,
            store.starts,
            texts,
            others,
            _MOST_BEFORE,
            met,
            told,
            before,
        )
        return np.where((before < _LEAST_LEFT) | (2 * before <= own), told, 0)

    def beside(
        numbers: npt.NDArray[np.int32], text_counts: Indexes, a: Indexes, b: Indexes
    ) -> tuple[Indexes, Indexes, Marks, Marks]:
        in_a, in_b, in_both, amid, between = (np.empty(len(a), np.int64) for _ in range(5))
        met = np.full(int(numbers.max(initial=-1)) + 1, -1, np.int64)
        kernel(recurring_words, is_compiled=store.is_compiled)(
            numbers, store.line_words, store.line_starts, a, b, met, in_a, in_b, in_both, amid, between
        )
        own_of_a, own_of_b = lengths[a] - in_a, lengths[b] - in_b
        own = np.minimum(own_of_a, own_of_b)
        is_told = np.zeros(len(a), np.bool_)
        least_own = np.maximum(_AMID_WORDS, _AMID_SHARE * in_both)
        asked = np.flatnonzero((in_both >= _TOLD_WORDS) & (own <= _ADDED_SHARE * in_both) & (between < least_own))
        told = np.minimum(
            told_by(numbers, met, a[asked], b[asked], own_of_a[asked]),
            told_by(numbers, met, b[asked], a[asked], own_of_b[asked]),
        )
        is_told[asked] = (told >= _TOLD_WORDS) & (own[asked] <= _ADDED_SHARE * told)
        rarer, outer, others = (np.empty(len(a), np.int64) for _ in range(3))
        met[:] = -1
        kernel(rarer_in_both, is_compiled=store.is_compiled)(
            numbers,
            text_counts,
            store.line_words,
            store.line_starts,
            a,
            b,
            _LEAST_LEFT,
            met,
            rarer,
            outer,
            others,
        )
        is_told |= (
            (rarer >= _LEAST_LEFT)
            & (outer >= np.maximum(_LEAST_LEFT, _PAGE_SHARE * rarer))
            & (others <= np.maximum(_LEAST_LEFT, _ADDED_SHARE * rarer))
        )
        is_amid = amid >= least_own
        is_own = (amid >= np.maximum(_NOTICE_WORDS, _NOTICE_SHARE * in_both)) | (
            own >= np.maximum(_TELLING_WORDS, _OWN_SHARE * in_both)
        )
        asked = np.flatnonzero(~is_own & (own >= least_own))
        first, second = ahead(numbers, met, a[asked], b[asked]), ahead(numbers, met, b[asked], a[asked])
        is_own[asked] = np.minimum(first, second) >= least_own[asked]
        return np.where(is_own, own, -1), in_both, is_amid, is_told

    lengths = np.diff(store.starts)
    texts = _Texts(_shuffled(ranks), lengths, covered, around, beside, store.is_compiled)
    lines = _recurring(hashes, np.arange(store.text_count), store.line_starts, texts)
    # A line that recurs as it is may stand anywhere, as a call to subscribe does.
    as_it_is = _frequent(store.line_hashes[is_filled], is_compiled=store.is_compiled)
    is_asked = is_filled & lines.is_template
    is_asked[is_asked] = ~np.isin(store.line_hashes[is_asked], as_it_is)
    kernel(keep_filled_within, is_compiled=store.is_compiled)(
        store.line_words, store.line_starts, is_asked, lines.is_template
    )
    return lines


def with_teasers(store: WordStore, lines: Lines) -> Lines:
    """The lines, with the headlines of other stories at the end of texts among those that are template.

    Args:
        store: the corpus.
        lines: as `template_lines` found them.
    """
    firsts = np.empty(store.text_count, np.int64)

    def look(first: int, last: int) -> None:
        kernel(teasers_from, is_compiled=store.is_compiled)(
            store.words,
            store.starts[first : last + 1],
            store.line_words,
            store.line_starts[first : last + 1],
            lines.is_template,
            _TEASER_WORDS,
            firsts[first:last],
        )

    in_slices(look, store.text_count, is_parallel=store.is_compiled, per_slice=_PER_SLICE)
    give_back(store.words)
    with_headlines, without = np.zeros((2, int(lines.numbers.max(initial=-1)) + 1), np.int64)
    kernel(tell_captions, is_compiled=store.is_compiled)(
        lines.numbers, store.line_starts, lines.is_template, firsts, with_headlines, without
    )
    is_caption = (with_headlines >= _MIN_TEXTS) & (without <= _OTHERWISE_SHARE * (with_headlines + without))
    is_template = lines.is_template.copy()
    kernel(set_teasers_aside, is_compiled=store.is_compiled)(
        lines.numbers, store.line_words, store.line_starts, firsts, is_caption, _LEAST_ABOVE, is_template
    )
    return lines._replace(is_template=is_template)


def template_ends(
    store: WordStore,
    lines: Lines,
    words: npt.NDArray[np.uint32],
    ends: Indexes,
    ranks: Indexes,
    covered: Covered,
) -> tuple[Indexes, Indexes]:
    """Find the words with which the first lines of different stories begin, or the last ones end.

    Template lines are out of the way, so that a short notice is not taken for a stranger to the next filling of its
    form because of the pages around them.

    Args:
        store: the corpus.
        lines: as `template_lines` found them.
        words: words of all texts, those of template lines out of the way.
        ends: int64, shape (texts): where those that are left end; they begin where the text did.
        ranks: as for `template_lines`.
        covered: counts the words that pairs of texts have in common, of those that are left.

    Returns:
        How many words at the beginning and at the end of each text are template: int64, shape (texts), twice.
    """
    starts = store.starts[:-1]
    heads, tails = np.zeros(store.text_count, np.int64), np.zeros(store.text_count, np.int64)
    firsts, lasts = np.empty(store.text_count, np.int64), np.empty(store.text_count, np.int64)
    kernel(outer_lines, is_compiled=store.is_compiled)(
        lines.is_template, store.line_words, store.line_starts, ends - starts, firsts, lasts
    )
    asked = np.flatnonzero(firsts >= 0)
    shuffled = _shuffled(ranks)
    for found, outer in ((heads, firsts[asked]), (tails, lasts[asked])):
        # A line that is repeated as it is was asked about.
        is_single = ~lines.is_repeated[outer]
        left, line_words = asked[is_single], store.line_words[outer[is_single]]
        for size in _END_WORDS:
            is_longer = line_words > size
            left, line_words = left[is_longer], line_words[is_longer]
            hashes = _hashes(words, starts[left] if found is heads else ends[left] - size, size)

            def around(a: Indexes, _: Indexes, size: int = size) -> Indexes:
                return np.full(len(a), size)

            texts = _Texts(shuffled, ends - starts, covered, around, None, store.is_compiled)
            recurs = _recurring(hashes, left, np.arange(len(left) + 1), texts).is_template
            left, line_words = left[recurs], line_words[recurs]
            if not len(left):
                break
            found[left] = size
    return heads, tails


def _shuffled(ranks: Indexes) -> npt.NDArray[np.uint64]:
    """As in `_Texts`."""
    numbers = (ranks.astype(np.uint64) * _SHUFFLE) << np.uint64(32)
    return numbers | np.arange(len(ranks), dtype=np.uint64)


def _hashes(words: npt.NDArray[np.uint32], starts: Indexes, count: int) -> Indexes:
    """Hashes of so many words from each start on."""
    chain = np.zeros(len(starts), np.uint64)
    for at in range(count):
        chain = (chain ^ (words[starts + at].astype(np.uint64) >> OF_CLASS)) * MIX_A
        chain ^= chain >> CHAIN_SHIFT
    return (chain >> LINE_SHIFT).astype(np.int64)


def _recurring(hashes: Indexes, of_texts: Indexes, starts: Indexes, texts: _Texts) -> Lines:
    """Look at hashes that stand often enough, each for a line or a part of one.

    Args:
        hashes: shape (n).
        of_texts: shape (m): texts that they are of.
        starts: shape (m + 1): where those of each begin.
        texts: the texts.
    """
    frequent = _frequent(hashes, is_compiled=texts.is_compiled)
    place = np.empty(len(hashes), np.int32)
    # A table that is a quarter full.
    table = np.full(1 << (4 * len(frequent)).bit_length(), -1, np.int32)
    kernel(enter, is_compiled=texts.is_compiled)(frequent, table)

    def find(first: int, last: int) -> None:
        kernel(look_up, is_compiled=texts.is_compiled)(frequent, table, hashes[first:last], place[first:last])

    in_slices(find, len(hashes), is_parallel=texts.is_compiled, per_slice=_LINES_PER_SLICE)
    sample = np.empty((len(frequent), _SAMPLE), np.uint64)
    counts = np.zeros(len(frequent), np.int64)
    kernel(sample_texts, is_compiled=texts.is_compiled)(place, of_texts, starts, texts.shuffled, sample, counts)
    # Each of a sample is compared with the next. An alignment may find more one way round than the other: which of two
    # texts comes first goes by their numbers, as the sample does, and not by the order of reading.
    line, nth = np.nonzero((np.arange(1, _SAMPLE) < counts[:, None]) & (counts[:, None] >= _MIN_TEXTS))
    asked = np.stack([sample[line, nth], sample[line, nth + 1]]).astype(np.int64) & 0xFFFFFFFF
    lengths = texts.lengths
    is_alike = lengths[asked].max(0) <= _MOST_TIMES * lengths[asked].min(0)
    asked, line = asked[:, is_alike], line[is_alike]
    pairs, inverse = np.unique((asked[0] << 32) | asked[1], return_inverse=True)
    a, b = pairs >> 32, pairs & 0xFFFFFFFF
    around = texts.around(a, b)
    left = np.minimum(lengths[a], lengths[b]) - around
    is_told, is_amid, is_own = np.zeros((3, len(a)), np.bool_)
    if texts.beside:
        own, in_both, is_amid, is_told = texts.beside(place, counts, a, b)
        is_own = own >= 0
        left, around = np.where(is_own, own, left), np.where(is_own, in_both, around)
    is_related = (left < _LEAST_LEFT) | (texts.covered(a, b) - around >= _RELATED_SHARE * left) | is_told
    related = is_related[inverse]
    is_telling = ((left >= _TELLING_WORDS) | is_own)[inverse]
    asked_count, telling_count, strangers, telling_strangers, strangers_amid = (
        np.bincount(line[chosen], minlength=len(frequent))
        for chosen in (line >= 0, is_telling, ~related, is_telling & ~related, is_amid[inverse] & ~related)
    )
    is_asked_alone = telling_count >= _MIN_TELLING
    least = np.where(telling_count >= _MANY_TELLING, _STRANGERS_OF_MANY, _STRANGERS_OF_FEW)
    recurs = np.where(
        is_asked_alone, telling_strangers >= least * telling_count, strangers >= _STRANGERS_OF_FEW * asked_count
    ) & (asked_count > 0)
    recurs |= (telling_count >= _MANY_TELLING) & (strangers_amid >= _STRANGERS_AMID * telling_count)
    # Of what stands less often the place is -1, and so the last one.
    return Lines(is_template=np.append(recurs, False)[place], is_repeated=place >= 0, numbers=place)


def _frequent(hashes: Indexes, *, is_compiled: bool) -> Indexes:
    """The hashes that stand often enough, sorted. Most lines stand once, and are not sorted for it."""
    # Half a place for each: one in a few hundred falls into the place of others often enough, and a processor's cache
    # may hold the table. Each thread has its own.
    size = 1 << (len(hashes) // 2).bit_length()
    threads = min(thread_count(), _MOST_TABLES) if is_compiled and len(hashes) > _LINES_PER_SLICE else 1
    tables = np.zeros((threads, size), np.uint8)
    per_thread = -(-len(hashes) // threads)

    def count(first: int, last: int) -> None:
        kernel(count_places, is_compiled=is_compiled)(hashes[first:last], _MIN_TEXTS, tables[first // per_thread])

    in_slices(count, len(hashes), is_parallel=is_compiled, per_slice=max(per_thread, 1))
    counts = tables.sum(0, dtype=np.uint8) if threads > 1 else tables[0]
    pieces = [hashes[:0]] * (len(hashes) // _LINES_PER_SLICE + 1)

    def tell(first: int, last: int) -> None:
        own = hashes[first:last]
        may_be = np.empty(len(own), np.bool_)
        kernel(tell_frequent, is_compiled=is_compiled)(own, _MIN_TEXTS, counts, may_be)
        pieces[first // _LINES_PER_SLICE] = own[may_be]

    in_slices(tell, len(hashes), is_parallel=is_compiled, per_slice=_LINES_PER_SLICE)
    ordered = np.concatenate(pieces)
    ordered.sort()
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(starts, len(ordered)))
    return ordered[starts[counts >= _MIN_TEXTS]]
