"""What each character of the Basic Multilingual Plane is to the words of a text, as tables for the kernels."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import CAPITAL, DIGIT, FULL_STOP, LETTER, NEW_LINE, OUTSIDE, OWN_WORD

_PLANE = 0x10000

# Scripts written without spaces, where every character counts as a word: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
_SPACELESS = (
    (0x0E00, 0x0EFF),
    (0x0F00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3041, 0x309F),
    (0x30A1, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
)
# After these a capital begins a sentence and tells no name; so do the marks that open speech and lists.
_BEFORE_SENTENCE = '.!?:;…"“”„«»‘•–—。！？|'
_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"


@cache
def character_tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """The class of each character, its lower case, and whether NFKC may turn it into other words.

    Returns:
        classes: shape (65536).
        lower: shape (65536), the code point itself where there is no single lower-case character.
        unstable: shape (65536), 1 or 0. Signs that stay outside words in any form (an ellipsis, a no-break space) are
            stable.
    """
    classes = np.full(_PLANE, OUTSIDE, np.uint8)
    lower = np.arange(_PLANE, dtype=np.uint16)
    unstable = np.zeros(_PLANE, np.uint8)
    for point in range(_PLANE):
        character = chr(point)
        category = unicodedata.category(character)
        if category[0] in "LMN":
            folded = character.lower()
            if folded != character and len(folded) == 1:
                lower[point] = ord(folded)
            if category[0] == "N":
                classes[point] = DIGIT
            else:
                classes[point] = CAPITAL if category in {"Lu", "Lt"} else LETTER
            # A combining mark may join with what stands before it.
            unstable[point] = unicodedata.combining(character) > 0 or not unicodedata.is_normalized("NFKC", character)
        elif point > 0x7F and category[0] != "C":
            form = unicodedata.normalize("NFKC", character)
            unstable[point] = any(unicodedata.category(part)[0] in "LMN" for part in form)
    for first, last in _SPACELESS:
        own = classes[first : last + 1]
        own[(own == LETTER) | (own == DIGIT)] = OWN_WORD
        # Vowel signs and tone marks of these scripts have one order in practice; normalizing them would cost a pass.
        unstable[first : last + 1] &= own != OWN_WORD
    classes[[ord(mark) for mark in _BEFORE_SENTENCE]] = FULL_STOP
    classes[[ord(mark) for mark in _LINE_BREAKS]] = NEW_LINE
    return classes, lower, unstable
