"""The loops over bytes that decide how long a large corpus takes. numba compiles them, and none holds the GIL."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

# Bytes of text from which on it pays to import numba and to fetch or compile a kernel.
COMPILE_FROM_BYTES = 2_000_000

_compiled: dict[Callable[..., Any], Callable[..., Any]] = {}
_lock = Lock()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """What numba makes of a kernel, kept in numba's cache beside this module."""
    with _lock:
        if function not in _compiled:
            import numba

            _compiled[function] = numba.njit(nogil=True, cache=True)(function)
        return _compiled[function]


def buffers(texts: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of texts without nulls, one behind the other, and where each begins and the last one ends."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    return np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8), starts


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
        data, starts: of `buffers`.
        classes: byte → class.
        moves: state · class_count + class → state · class_count.
        class_count: number of classes.
        first_telling: the first state that tells something, times class_count; all behind it do.
        told: state from `first_telling` on, word → bits.
        found: text, word → bits; filled.
    """
    word_count = told.shape[1]
    for text in range(len(starts) - 1):
        state = 0
        for at in range(starts[text], starts[text + 1]):
            state = moves[state + classes[data[at]]]
            if state >= first_telling:
                row = (state - first_telling) // class_count
                for word in range(word_count):
                    found[text, word] |= told[row, word]


def score_languages(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    moves: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    features: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
    growth: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
) -> None:
    """Add up, for each text, what its features weigh in each language, in the order in which they first stand.

    Args:
        data, starts: of `buffers`.
        moves: row · 256 + byte → state.
        rows: state → row.
        features: state → the feature that ends there, or -1.
        weights: feature, language → log-probability.
        growth: how often a feature stands in a text → by how much its weight counts.
        scores: text, language → score; added to.
    """
    counts = np.zeros(len(weights), np.int64)
    met = np.empty(len(weights), np.int64)
    for text in range(len(starts) - 1):
        met_count = 0
        state = 0
        for at in range(starts[text], starts[text + 1]):
            state = moves[np.int64(rows[state]) * 256 + data[at]]
            feature = features[state]
            if feature >= 0:
                if counts[feature] == 0:
                    met[met_count] = feature
                    met_count += 1
                counts[feature] += 1
        for position in range(met_count):
            feature = met[position]
            weight = growth[counts[feature]]
            for language in range(scores.shape[1]):
                scores[text, language] += weight * weights[feature, language]
            counts[feature] = 0
