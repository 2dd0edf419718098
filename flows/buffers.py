"""The bytes of a column of texts as Arrow lays them out: end to end, and where each of them begins."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


def text_buffers(texts: pl.Series) -> tuple[Bytes, Places]:
    """The UTF-8 of texts, and where each begins in it and the last one ends; null is as long as the empty text.

    What stands before the first text and behind the last one is undefined: texts may be a slice of others.
    """
    texts = texts.fill_null("") if texts.null_count() else texts
    return array_buffers(texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()))


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
