"""Facts that the articles of one page tell again: a transcript or a summary, and the article that it was made from.

Such parts share a subject and its names, so that a few words in common say nothing, and wording, order and figures are
the only witnesses. Two sentences tell the same when they share words that few sentences of the page have, close
together in both: "up to 40 times cheaper than", not the name that every paragraph has.

The page itself says how rare a word is. Short words are common in any language (Zipf, "The Psycho-Biology of Language",
1935), and on a page of a hundred sentences some of them stand twice by chance: they weigh less, figures and names not.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.compiled import compiled, plain
from flows.deduplicate import align_kernels, restated_kernels
from flows.deduplicate.kernels import in_slices
from flows.deduplicate.pairs import distinct
from flows.deduplicate.passages import Indexes, Passages
from flows.deduplicate.restated_kernels import A_FROM, A_TO, A_UNIT, B_FROM, B_TO, B_UNIT, COVERAGE, EVIDENCE
from flows.deduplicate.reuse import MATCH_SCHEMA
from flows.deduplicate.tokens import Tokens, tokens_of
from flows.settings import Settings

# Letters from which on a word tells all that it can; a shorter one tells as much less as the square of its length.
_TELLING_LETTERS = 6
_REST_OF_NAME = 0.3
# Share of the sentences from which on a word tells nothing; and the number, so that a page of ten thousand takes
# seconds.
_COMMON_SHARE = 0.1
_COMMON_COUNT = 50
# A shorter page says less of how rare its words are than this many sentences would.
_LEAST_SENTENCES = 60
# What an unshared word between the shared ones takes away, as a share of its weight.
_COST = 0.35
# Different words that must be shared: two are a name.
_LEAST_WORDS = 3
# How many words that no other sentence of the page has a pair must share at least, side by side; of others more. Two
# are a term, which may stand once in each part of a long page, in sentences that tell different things. Measured on
# made-up pages of an article, its transcript and such terms: without this, 4 of 57 pairs found on eight pages of 300
# sentences were false, 4 of 76 on four of 900 and 7 of 101 on two of 3,000; with it 2 of 38, 1 of 41 and 0 of 32.
_LEAST_RARE_WORDS = 2.3
_BLANK_LINE = "\n\n"
_PAGES_PER_SLICE = 20

# Rows of the passages of a page, and their texts.
_Page = tuple[Indexes, list[str]]
_Row = tuple[int, int, str, float, str, bool, int | None, int | None, int | None, int | None]


def restated_passages(passages: Passages, repeats: Indexes, settings: Settings) -> pl.DataFrame:
    """Find what articles of one source tell again.

    Args:
        passages: of all shards.
        repeats: rows of the passages that repeat another one in the same words; nothing more is said of them.
        settings: `min_restated_evidence`, `near_similarity`.

    Returns:
        The columns of MATCH_SCHEMA: one row per pair of content passages of two articles of one source, a < b, sorted.
        None of them is whole: two tellings of a fact are two.
    """
    found: list[_Row] = []
    for pages in _pages(passages, repeats):
        rows: dict[int, list[_Row]] = {}

        def told_again(first: int, last: int, pages: list[_Page] = pages, rows: dict[int, list[_Row]] = rows) -> None:
            for page in range(first, last):
                rows[page] = _restated(passages, *pages[page], settings)

        is_parallel = passages.store.is_compiled
        in_slices(told_again, len(pages), is_parallel=is_parallel, per_slice=_PAGES_PER_SLICE)
        for page in range(len(pages)):
            found += rows[page]
    return pl.DataFrame(found, schema=MATCH_SCHEMA, orient="row").sort("a", "b")


def _pages(passages: Passages, repeats: Indexes) -> Iterator[list[_Page]]:
    """The content passages of each source of several articles, in the order of items; a shard at a time."""
    has_siblings = passages.articles.select(pl.len().over("source_id") > 1).to_series().to_numpy()
    if not has_siblings.any():
        return
    is_compared = passages.is_content & passages.is_inside & has_siblings[passages.article]
    is_compared[repeats] = False
    chosen = np.flatnonzero(is_compared)
    for number in range(len(passages.shards)):
        first, last = np.searchsorted(chosen, passages.shard_starts[number : number + 2])
        own = chosen[first:last]
        parts = [table["text"] for _, table in passages.read(own, "text")]
        if not parts:
            continue
        texts = pl.concat(parts).fill_null("")
        bounds = np.flatnonzero(np.concatenate([[True], np.diff(passages.source[own]) != 0, [True]]))
        orders = [
            np.argsort(passages.items[own[start:end]], kind="stable") + start
            for start, end in pairwise(bounds.tolist())
        ]
        yield [(own[order], texts.gather(order).to_list()) for order in orders]


def _restated(passages: Passages, rows: Indexes, texts: list[str], settings: Settings) -> list[_Row]:
    """The rows of `restated_passages` for one page."""
    choose = compiled if passages.store.is_compiled else plain
    page = _BLANK_LINE.join(texts)
    tokens = tokens_of(page, choose(align_kernels))
    if not len(tokens.hashes):
        return []
    passage = np.searchsorted(np.cumsum([len(text) + len(_BLANK_LINE) for text in texts]), tokens.starts, side="right")
    firsts = np.searchsorted(passage, np.arange(len(texts) + 1))
    numbers, words = np.unique(tokens.hashes, return_inverse=True)
    is_start = np.append(True, np.diff(passage) > 0)
    is_start[tokens.sentences[:-1]] = True
    starts = np.flatnonzero(is_start)
    ends = np.append(starts[1:], len(words))
    sentence_words, _ = _different(words, starts, ends, len(numbers))
    frequency = np.bincount(sentence_words, minlength=len(numbers))
    rarity = np.log(max(len(starts), _LEAST_SENTENCES) / frequency)
    rarity[frequency > max(2, min(_COMMON_SHARE * len(starts), _COMMON_COUNT))] = 0
    weights = rarity * _telling(page, tokens, words, is_start, len(numbers))

    # Two sentences that follow one another may tell what one does elsewhere.
    is_followed = passage[starts[:-1]] == passage[starts[1:]]
    unit_starts = np.concatenate([starts, starts[:-1][is_followed]])
    unit_ends = np.concatenate([ends, ends[1:][is_followed]])
    order = np.argsort(unit_starts, kind="stable")
    unit_starts, unit_ends = unit_starts[order], unit_ends[order]
    unit_words, unit_word_ends = _different(words, unit_starts, unit_ends, len(numbers))
    is_telling = weights[unit_words] > 0
    of_unit = np.repeat(np.arange(len(unit_starts)), np.diff(np.append(0, unit_word_ends)))[is_telling]
    unit_words = unit_words[is_telling]
    by_word = np.argsort(unit_words, kind="stable")
    least = max(settings.min_restated_evidence, _LEAST_RARE_WORDS * float(np.log(max(len(starts) / 2, 1))))
    found = choose(restated_kernels)["restatements"](
        *(words, weights, unit_starts, unit_ends, passages.article[rows[passage[unit_starts]]].astype(np.int64)),
        *(unit_words, np.searchsorted(of_unit, np.arange(len(unit_starts) + 1))),
        *(of_unit[by_word], np.searchsorted(unit_words[by_word], np.arange(len(numbers) + 1))),
        *(_COST, least, _LEAST_WORDS),
    )
    a, b = (passage[unit_starts[found[:, side].astype(np.int64)]] for side in (A_UNIT, B_UNIT))
    best_first = np.lexsort(
        (found[:, B_TO], found[:, A_TO], found[:, B_FROM], found[:, A_FROM], -found[:, EVIDENCE], b, a)
    )
    # Where cleaning hides which word is which, the passage as a whole stands for its part.
    counted = np.diff(passages.store.starts)[rows] == np.diff(firsts)
    result = []
    seen: set[tuple[int, int]] = set()
    for row in best_first.tolist():
        pair = int(a[row]), int(b[row])
        if pair in seen:
            continue
        seen.add(pair)
        places: list[int | None] = []
        for side, begin, end in ((pair[0], A_FROM, A_TO), (pair[1], B_FROM, B_TO)):
            first = int(firsts[side])
            places += [int(found[row, place]) - first if counted[side] else None for place in (begin, end)]
        score = float(found[row, COVERAGE])
        kind = "near" if score >= settings.near_similarity else "paraphrase"
        a_item, b_item = (int(passages.items[rows[side]]) for side in pair)
        result.append(
            (a_item, b_item, kind, score, "restated_words", False, places[0], places[1], places[2], places[3])
        )
    return result


def _different(words: Indexes, starts: Indexes, ends: Indexes, number_count: int) -> tuple[Indexes, Indexes]:
    """The different words of each unit, in ascending order, one unit after the other; and where those of each end."""
    lengths = ends - starts
    of_unit = np.repeat(np.arange(len(starts)), lengths)
    within = np.arange(len(of_unit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pairs = distinct(of_unit * number_count + words[starts[of_unit] + within])
    return pairs % number_count, np.searchsorted(pairs // number_count, np.arange(len(starts)), side="right")


def _telling(
    page: str, tokens: Tokens, words: Indexes, is_start: npt.NDArray[np.bool_], number_count: int
) -> npt.NDArray[np.float64]:
    """How much each word tells by what it looks like, 0 to 1: the most of all places where it stands.

    Of scripts without spaces a word is a character, and tells nothing.
    """
    letters = np.frombuffer(page.encode("utf-32-le", "surrogatepass"), np.uint32).view("<U1")[tokens.starts]
    is_capital = np.char.isupper(letters)
    is_name = is_capital & ~is_start
    telling = np.minimum(1.0, (tokens.ends - tokens.starts) / _TELLING_LETTERS) ** 2
    telling[np.char.isdigit(letters) | is_name] = 1
    # The second word of a name follows from the first.
    telling[1:][is_name[1:] & is_capital[:-1]] = _REST_OF_NAME
    telling[tokens.is_spaceless > 0] = 0
    most = np.zeros(number_count)
    np.maximum.at(most, words, telling)
    return most
