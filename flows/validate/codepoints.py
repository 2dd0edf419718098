"""Places in texts, in code points, looked at as arrays.

Slicing a string of n characters for each of its passages takes time that grows with n², and so does polars' slicing.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.buffers import text_buffers

Places = npt.NDArray[np.int64]

# What Unicode calls White_Space, and the four separators U+001C to U+001F that Python and most tools strip as well.
WHITE_SPACE = [code for code in range(0x3001) if chr(code).isspace()]
_IS_WHITE = np.zeros(WHITE_SPACE[-1] + 2, dtype=bool)
_IS_WHITE[WHITE_SPACE] = True


def batches(sources: pl.DataFrame, char_count: int) -> Iterator[pl.DataFrame]:
    """Rows with a `text` in groups of about so many code points, in their order."""
    lengths = sources["text"].str.len_chars().cast(pl.Int64)
    batch = (lengths.cum_sum() - lengths) // char_count
    yield from sources.with_columns(batch=batch).partition_by("batch", maintain_order=True, include_key=False)


class CodePoints:
    """Some texts end to end.

    Attributes:
        lengths: of each text, in code points.
        starts: where each begins among all code points.
    """

    def __init__(self, texts: pl.Series) -> None:
        """Texts of which none is null."""
        data, bounds = text_buffers(texts)
        self._bytes = data[bounds[0] : bounds[-1]]
        self.lengths: Places = texts.str.len_chars().cast(pl.Int64).to_numpy()
        self.starts: Places = np.cumsum(self.lengths) - self.lengths
        self._count = int(self.lengths.sum())
        # Where each code point begins; of ASCII it is its own place.
        self._places: Places | None = None
        if self._count != len(self._bytes):
            self._places = np.flatnonzero((self._bytes & 0xC0) != 0x80)

    def at(self, places: Places) -> Places:
        """The code points at some places; one above the Basic Multilingual Plane is given as U+FFFF."""
        first = places if self._places is None else self._places[places]
        padded = np.append(self._bytes, np.zeros(2, np.uint8)) if len(places) else self._bytes
        one, two, three = (padded[first + nth].astype(np.int64) for nth in range(3))
        codes = np.where(one < 0x80, one, (one & 0x1F) << 6 | two & 0x3F)
        codes = np.where(one >= 0xE0, (one & 0x0F) << 12 | (two & 0x3F) << 6 | three & 0x3F, codes)
        return np.where(one >= 0xF0, 0xFFFF, codes)

    def uncovered(self, begins: Places, ends: Places) -> Places:
        """Places, ascending, that are no white space and lie in none of the spans given."""
        order = np.argsort(begins, kind="stable") if np.any(begins[1:] < begins[:-1]) else slice(None)
        begins, ends = begins[order], ends[order]
        reached = np.maximum.accumulate(np.concatenate([np.zeros(1, np.int64), ends]))
        gap_ends = np.append(begins, self._count)
        is_gap = gap_ends > reached
        starts, counts = reached[is_gap], (gap_ends - reached)[is_gap]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts, counts) + within
        codes = self.at(places)
        is_ink = ~_IS_WHITE[np.minimum(codes, len(_IS_WHITE) - 1)]
        return np.compress(is_ink, places)

    def owners(self, places: Places) -> Places:
        """The texts that some places lie in, each once, ascending."""
        return np.unique(np.searchsorted(self.starts + self.lengths, places, side="right"))
