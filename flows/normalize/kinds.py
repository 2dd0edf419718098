"""What single characters are, as tables that kernels look up; they are asked of the patterns themselves."""

from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

# The Basic and the Supplementary Multilingual Plane. What comes behind are ideographs, tags and private characters.
CODE_POINTS = 0x20000


@cache
def kinds_of_characters(*patterns: str) -> npt.NDArray[np.uint8]:
    """Code point → a bit per pattern, the first the lowest: whether the character matches it; of CODE_POINTS."""
    # A surrogate is no character.
    characters = pl.Series(["" if 0xD800 <= point < 0xE000 else chr(point) for point in range(CODE_POINTS)])
    kinds = np.zeros(CODE_POINTS, np.uint8)
    for bit, pattern in enumerate(patterns):
        kinds |= characters.str.contains(pattern).to_numpy().astype(np.uint8) << np.uint8(bit)
    return kinds
