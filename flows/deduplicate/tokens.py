"""The words and sentences of a text as arrays, for comparisons that look at every word of two texts.

A word is what `words.py` takes for one. Two are the same here when they agree in lower case, without accents and
vowel points, in their stem: who rewrites a passage puts its verbs into another tense.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.characters import is_unspaced
from flows.deduplicate.align_kernels import (
    CLOSER,
    DIGIT,
    LETTER,
    MARK,
    NEW_LINE,
    SPACE,
    SPACELESS,
    STOP,
    WIDE_STOP,
)

# Words of a sentence: shorter ones go with the next, longer ones are cut into windows.
_SENTENCE_WORDS = (3, 50)

_STOPS = ".!?…"
# They end a sentence without a blank after them.
_WIDE_STOPS = "。！？｡؟۔।॥។៕"
_CLOSERS = "\"'”’»)]}」』）】"
_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
# The planes up to the ideographs; nothing above them is told apart or folded.
_TABLE_SIZE = 0x32000
# Combining class from which on a mark is an accent, a vowel point or a tone; below, it is part of its letter.
_MARK_CLASS = 10
_IDEOGRAPHS = ((0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, _TABLE_SIZE))


@dataclass(frozen=True)
class Tokens:
    """The words of one text, in order. All arrays have one entry per word, `sentences` excepted.

    Attributes:
        hashes: int64, equal for words that count as the same.
        starts: int32, code points into the text.
        ends: int32, likewise, exclusive.
        breaks: uint8, what stands before the word (`align_kernels.NO_BREAK` and so on).
        is_spaceless: uint8, 1 for a character of a script that is written without spaces.
        sentences: int64, the first word of each sentence and, last, the number of words; [0] without words.
    """

    hashes: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    breaks: npt.NDArray[np.uint8]
    is_spaceless: npt.NDArray[np.uint8]
    sentences: npt.NDArray[np.int64]


def tokens_of(text: str, kernels: Mapping[str, Callable[..., Any]]) -> Tokens:
    """Split a text into words and sentences.

    Args:
        text: any text; a lone surrogate is no word.
        kernels: those of `align_kernels`, plain or compiled.

    Returns:
        Its words, about 25 bytes each; the work grows with the length of the text.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).copy()
    classes, folded = _tables()
    none = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0, np.uint8), np.empty(0, np.uint8)
    count = kernels["scan"](codes, classes, folded, np.empty(0, dtype=np.int64), *none)
    hashes = np.empty(count, dtype=np.int64)
    starts, ends = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32)
    breaks, is_spaceless = np.empty(count, dtype=np.uint8), np.empty(count, dtype=np.uint8)
    if count:
        kernels["scan"](codes, classes, folded, hashes, starts, ends, breaks, is_spaceless)
    return Tokens(hashes, starts, ends, breaks, is_spaceless, kernels["sentence_starts"](breaks, *_SENTENCE_WORDS))


@cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Class of each code point below _TABLE_SIZE, and what it is compared as. Takes 0.1 s."""
    classes = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    folded = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for first, last in _IDEOGRAPHS:
        classes[first : last + 1] = LETTER
    is_ideograph = classes == LETTER
    for code in np.flatnonzero(~is_ideograph).tolist():
        character = chr(code)
        category = unicodedata.category(character)
        if category[0] in "LN":
            classes[code] = LETTER if category[0] == "L" else DIGIT
            # One letter without its accents; what is more than one (a ligature) stays as it is.
            parts = unicodedata.normalize("NFKD", character).lower()
            bare = [part for part in parts if unicodedata.combining(part) < _MARK_CLASS]
            if len(bare) == 1 and ord(bare[0]) < _TABLE_SIZE:
                folded[code] = ord(bare[0])
        elif category[0] == "M":
            classes[code] = MARK if unicodedata.combining(character) >= _MARK_CLASS else LETTER
        elif category[0] == "Z" or character.isspace():
            classes[code] = SPACE
    classes[is_unspaced(_TABLE_SIZE) & ((classes == LETTER) | (classes == MARK))] = SPACELESS
    for marks, kind in ((_STOPS, STOP), (_WIDE_STOPS, WIDE_STOP), (_CLOSERS, CLOSER), (_LINE_BREAKS, NEW_LINE)):
        classes[[ord(mark) for mark in marks]] = kind
    return classes, folded
