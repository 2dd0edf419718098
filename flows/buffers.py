"""The bytes of a column of texts as Arrow lays them out, and where in them each text begins and ends."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

# Texts that a run must have on average, or all are copied end to end.
_TEXTS_PER_RUN = 32
# A view of a text is four numbers: its length, four bytes of it, the number of its buffer, and where it begins in that.
# A text of up to so many bytes lies in the view itself, behind its length.
_BYTES_IN_VIEW = 12


def text_buffers(texts: pl.Series) -> tuple[Bytes, Places]:
    """The UTF-8 of texts, and where each begins in it and the last one ends; null is as long as the empty text.

    What stands before the first text and behind the last one is undefined: texts may be a slice of others.
    """
    texts = texts.fill_null("") if texts.null_count() else texts
    return array_buffers(texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()))


def text_runs(texts: pl.Series) -> Iterator[tuple[Bytes, Places, Places]]:
    """The UTF-8 of texts where it lies, a run of texts of one buffer at a time, and where in it each begins and ends.

    Texts that were read from Parquet lie page by page, and nothing is copied. Where runs would be short, as among many
    texts of a few letters, all are one run of copies. Null is as the empty text.
    """
    if not texts.null_count():
        array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
        _, views, *buffers = array.buffers()
        numbers = np.frombuffer(views, np.int32).reshape(-1, 4)[array.offset : array.offset + len(array)]
        buffer = np.where(numbers[:, 0] <= _BYTES_IN_VIEW, -1, numbers[:, 2])
        bounds = np.flatnonzero(np.concatenate([[True], buffer[1:] != buffer[:-1], [True]]))
        if len(array) >= _TEXTS_PER_RUN * (len(bounds) - 1):
            for first, last in pairwise(bounds.tolist()):
                own = numbers[first:last].astype(np.int64)
                if buffer[first] < 0:
                    starts = (array.offset + np.arange(first, last)) * 16 + 4
                    yield np.frombuffer(views, np.uint8), starts, starts + own[:, 0]
                else:
                    starts = own[:, 3].copy()
                    yield np.frombuffer(buffers[buffer[first]], np.uint8), starts, starts + own[:, 0]
            return
    data, starts = text_buffers(texts)
    yield data, starts[:-1].copy(), starts[1:].copy()


def array_buffers(texts: pa.Array) -> tuple[Bytes, Places]:
    """The same of an array of Arrow's types `string` and `large_string`."""
    if texts.null_count:
        texts = texts.fill_null("")  # what stands behind a null is not defined
    width = np.dtype("i8" if pa.types.is_large_string(texts.type) else "i4")
    _, offsets, data = texts.buffers()
    if not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    starts = np.frombuffer(offsets, width, len(texts) + 1, texts.offset * width.itemsize).astype(np.int64, copy=False)
    return np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8), starts
