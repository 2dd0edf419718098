"""From words of passages back to characters of sources."""

import unicodedata
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.buffers import text_buffers
from flows.compiled import kernel
from flows.deduplicate.characters import character_tables
from flows.deduplicate.passages import Indexes, Passages, kernels_for, views
from flows.deduplicate.text_kernels import eight_bytes, needs_normal_form


def located(
    passages: Passages, rows: Indexes, froms: Indexes, tos: Indexes
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Find where words of passages stand in their sources.

    Cleaning shortens a passage, and what it took away is not known here: a stretch of a passage that was shortened ends
    later by as many characters, so that the words it speaks of always lie inside.

    Args:
        passages: of all shards.
        rows: shape (n): which passage.
        froms: shape (n): its first word; -1 for the passage as a whole.
        tos: shape (n): the word after the last.

    Returns:
        Start and count in the source, each of shape (n).
    """
    starts, counts = passages.char_start[rows], passages.char_count[rows]
    parts = np.flatnonzero(froms >= 0)
    parts = parts[np.argsort(rows[parts], kind="stable")]
    for portion, table in passages.read(rows[parts], "text"):
        own = parts[portion]
        first, end, chars = _spans(table["text"], froms[own], tos[own], passages)
        removed = counts[own].astype(np.int64) - chars
        end = np.minimum(end + removed, counts[own])
        # Of a passage that became longer nothing is known but where it stands.
        is_known = removed >= 0
        starts[own] += np.where(is_known, first, 0).astype(np.uint32)
        counts[own] = np.where(is_known, end - first, counts[own]).astype(np.uint32)
    return starts, counts


def _spans(texts: pl.Series, froms: Indexes, tos: Indexes, passages: Passages) -> tuple[Indexes, Indexes, Indexes]:
    """Code points before the first and up to the end of the last word of a stretch of each text, and of the text."""
    is_compiled = passages.store.is_compiled
    chars = texts.str.len_chars().to_numpy().astype(np.int64)
    data, starts = text_buffers(texts)
    classes, _, unstable = character_tables()
    is_unstable = np.zeros(len(texts), np.bool_)
    kernel(needs_normal_form, is_compiled=is_compiled)(
        data, eight_bytes(data), starts[:-1].copy(), starts[1:].copy(), unstable, is_unstable
    )
    first, end = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    run = kernels_for(is_compiled=is_compiled)["word_places"]
    run(*views(passages.store, data, starts, classes, froms, tos, first, end))
    # The words of these were counted in their normal form. They are few: letters with loose accents, full-width digits.
    for text in np.flatnonzero(is_unstable).tolist():
        normal, begins, ends = _normal_form(texts[text])
        one = pl.Series([normal])
        data, starts = text_buffers(one)
        own_first, own_end = np.zeros(1, np.int64), np.zeros(1, np.int64)
        own = slice(text, text + 1)
        run(*views(passages.store, data, starts, classes, froms[own], tos[own], own_first, own_end))
        first[text], end[text] = begins[own_first[0]], ends[own_end[0] - 1]
    return first, end, chars


def _normal_form(text: str) -> tuple[str, list[int], list[int]]:
    """The text in NFKC, and for each of its characters where what it was made of begins and ends."""
    normal: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    for start, cluster in _clusters(text):
        form = unicodedata.normalize("NFKC", cluster)
        normal.append(form)
        begins += [start] * len(form)
        ends += [start + len(cluster)] * len(form)
    return "".join(normal), begins, ends


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Characters with the marks that follow them, and where each begins; what is normalized by itself."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not (unicodedata.combining(text[at]) or "\u1160" <= text[at] <= "\u11ff"):
            yield start, text[start:at]
            start = at
