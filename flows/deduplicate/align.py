"""Passages that one text took from another: word for word, edited, reworded or translated, or condensed.

After Sanchez-Perez, Sidorov and Gelbukh, "A Winning Approach to Text Alignment for Text Reuse Detection at PAN 2014"
(CLEF 2014): sentences of both texts that are alike (cosine of words weighted by inverse sentence frequency, and Dice)
are seeds; seeds that lie close together in both texts are a passage if its words as a whole are alike, else with
smaller gaps. What is added here:

- **Boundaries follow the words, not the sentences.** A word of a passage is found in the other text in a run, by
  itself, or not at all, with shares that the passage itself shows; outside a passage it is found by chance. The range
  with the highest log-odds remains, with a gain where it begins and ends with a sentence. Its log-odds are the
  evidence that weak candidates are dropped by.
- **A digest** of a text draws on places all over it, so that its seeds never lie close together in the source. A dense
  stretch of such sentences that no single passage accounts for is reported as one reuse of the whole source.

Nothing is learnt from a corpus: frequencies are those of the two texts, so that any language will do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import polars as pl

from flows.compiled import compiled, plain
from flows.deduplicate import align_kernels
from flows.deduplicate.tokens import Tokens, tokens_of
from flows.settings import Settings

PASSAGE_SCHEMA = pl.Schema(
    {
        "a_char_start": pl.UInt32,
        "a_char_count": pl.UInt32,
        "b_char_start": pl.UInt32,
        "b_char_count": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
    }
)

# Characters of all texts from which on the compiled kernels are used: as they stand, they take about five microseconds
# a character, and to load the compiled ones takes a second (to compile them, once, about twenty).
_COMPILE_FROM = 200_000
# Sentences of one text times those of the other from which on they are used as well: where all sentences are about
# alike, the others take some thirteen microseconds for each two.
_COMPILE_FROM_PAIRS = 500_000
# Pairs a thread takes at once; texts of earlier pairs that it keeps the words of, as one source is often compared with
# many texts; and the characters from which on a text is not kept, so that they take at most 0.5 GB a thread.
_PAIRS_AT_ONCE = 64
_KEPT_TEXTS = 64
_KEPT_UP_TO = 1_000_000
# Share of the words of both passages that stand in runs of the other: all but a word at the boundaries; most.
_VERBATIM = 0.95
_NEAR = 0.6
# A copy need not be longer than this share of the shorter text.
_WHOLE = 0.8
# Marks that belong to a passage though no word does.
_OPENERS = "\"'“‘«([{「『（【¿¡"

_Row = tuple[int, int, int, int, str, float]


def align(a_text: str | None, b_text: str | None, settings: Settings | None = None) -> pl.DataFrame:
    """Find the passages of one text that another reuses.

    Args:
        a_text: the source; null is as empty.
        b_text: the text that may reuse it.
        settings: `reuse_seed_similarity`, `min_reuse_evidence`, `min_reuse_chars`, `min_copied_chars`; the defaults if
            None.

    Returns:
        `a_char_start, a_char_count, b_char_start, b_char_count, kind, score`: one row per reused passage, in the order
        of b. Offsets are code points into the texts as given. `kind` is `verbatim` (the same words in the same order,
        save where a passage begins and ends), `near` (most stand in runs of three and more) or `paraphrase`. `score`
        is the share of the words of both passages that stand in the other one, too.
    """
    a_text, b_text = a_text or "", b_text or ""
    kernels = _kernels(len(a_text) + len(b_text))
    return _frame(_rows(a_text, b_text, lambda text: tokens_of(text, kernels), kernels, settings or Settings()))


def align_pairs(pairs: pl.DataFrame, settings: Settings | None = None) -> pl.DataFrame:
    """Find the reused passages of many pairs of texts, on all cores.

    Args:
        pairs: `a_text`, `b_text`, and whatever else.
        settings: as for `align`.

    Returns:
        `pair` and the columns of `align`: one row per reused passage; `pair` is the number of the row in `pairs`, from
        0. Sorted by `pair`, then by the order of b. The same rows as `align` gives for each pair.
    """
    settings = settings or Settings()
    texts = pairs.select(pl.col("a_text", "b_text").cast(pl.String).fill_null(""))
    size = texts.select(pl.sum_horizontal(pl.all().str.len_bytes().sum())).item() if texts.height else 0
    kernels = _kernels(size)

    def rows_of(first: int) -> list[tuple[int, _Row]]:
        kept = lru_cache(maxsize=_KEPT_TEXTS)(lambda text: tokens_of(text, kernels))

        def tokens(text: str) -> Tokens:
            return kept(text) if len(text) < _KEPT_UP_TO else tokens_of(text, kernels)

        chunk = texts.slice(first, _PAIRS_AT_ONCE).iter_rows()
        return [
            (pair, row)
            for pair, (a_text, b_text) in enumerate(chunk, start=first)
            for row in _rows(a_text, b_text, tokens, kernels, settings)
        ]

    starts = range(0, texts.height, _PAIRS_AT_ONCE)
    if kernels is not plain(align_kernels) and len(starts) > 1:
        with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
            found = [row for rows in pool.map(rows_of, starts) for row in rows]
    else:
        found = [row for first in starts for row in rows_of(first)]
    numbers = pl.Series("pair", [pair for pair, _ in found], dtype=pl.UInt32)
    return _frame(row for _, row in found).insert_column(0, numbers)


def _kernels(size: int) -> Mapping[str, Callable[..., Any]]:
    """The kernels for texts of so many characters."""
    return compiled(align_kernels) if size >= _COMPILE_FROM else plain(align_kernels)


def _frame(rows: Iterable[_Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=PASSAGE_SCHEMA, orient="row")


def _rows(
    a_text: str,
    b_text: str,
    tokens: Callable[[str], Tokens],
    kernels: Mapping[str, Callable[..., Any]],
    settings: Settings,
) -> Iterator[_Row]:
    """The rows of `align`."""
    a, b = tokens(a_text), tokens(b_text)
    if not len(a.hashes) or not len(b.hashes):
        return
    if a_text == b_text:
        # A text of nothing but refrains has no seeds.
        if len(a.hashes) >= settings.min_stretch_words:
            start, count = _extent(a_text, int(a.starts[0]), int(a.ends[-1]))
            yield start, count, start, count, "verbatim", 1.0
        return
    if len(a.sentences) * len(b.sentences) >= _COMPILE_FROM_PAIRS:
        kernels = compiled(align_kernels)
    ranges, shares = kernels["aligned"](
        *(a.hashes, a.breaks, a.is_spaceless, a.starts, a.ends, a.sentences),
        *(b.hashes, b.breaks, b.is_spaceless, b.starts, b.ends, b.sentences),
        settings.reuse_seed_similarity,
        settings.min_reuse_evidence,
        settings.min_reuse_chars,
        min(settings.min_copied_chars, int(_WHOLE * min(len(a_text.strip()), len(b_text.strip())))),
    )
    rows = []
    for (a_first, a_end, b_first, b_end), (a_found, b_found, a_run, b_run) in zip(
        ranges.tolist(), shares.tolist(), strict=True
    ):
        a_start, a_count = _extent(a_text, int(a.starts[a_first]), int(a.ends[a_end - 1]))
        b_start, b_count = _extent(b_text, int(b.starts[b_first]), int(b.ends[b_end - 1]))
        a_words, b_words = a_end - a_first, b_end - b_first
        run = min(a_run, b_run)
        is_as_long = min(a_words, b_words) >= _NEAR * max(a_words, b_words)
        kind = "paraphrase" if run < _NEAR or not is_as_long else "near" if run < _VERBATIM else "verbatim"
        score = (a_found * a_words + b_found * b_words) / (a_words + b_words)
        rows.append((a_start, a_count, b_start, b_count, kind, min(score, 1.0)))
    yield from sorted(rows, key=lambda row: (row[2], row[0], row[3], row[1]))


def _extent(text: str, start: int, end: int) -> tuple[int, int]:
    """Start and count of a range of words with the marks that close and open it."""
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    while start > 0 and text[start - 1] in _OPENERS:
        start -= 1
    return start, end - start
