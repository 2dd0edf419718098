"""What each character is to the words of a text, as tables for the kernels."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from flows.characters import is_unspaced
from flows.deduplicate.kernels import CAPITAL, DIGIT, FULL_STOP, LETTER, NEW_LINE, OUTSIDE, OWN_WORD

# The first two planes; of the others, whose letters are rare ideographs, the kernels know without a table.
_TABLE_SIZE = 0x20000
_BASIC_PLANE = 0x10000
# Kana, ideographs and what is beside them begin here.
_EAST_ASIAN = 0x3000
# After these a capital begins a sentence and tells no name; so do the marks that open speech and lists.
_BEFORE_SENTENCE = '.!?:;…"“”„«»‘•–—。！？|'
_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"


@cache
def character_tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """The class of each character, its lower case, and whether NFKC may turn it into other words.

    Returns:
        classes: shape (131072).
        lower: shape (131072), the code point itself where there is no single lower-case character.
        unstable: shape (65536), 1 or 0, of the Basic Multilingual Plane alone. Signs that stay outside words in any
            form (an ellipsis, a no-break space) are stable.
    """
    classes = np.full(_TABLE_SIZE, OUTSIDE, np.uint8)
    lower = np.arange(_TABLE_SIZE, dtype=np.uint32)
    unstable = np.zeros(_TABLE_SIZE, np.uint8)
    for point in range(_TABLE_SIZE):
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
    classes[is_unspaced(_TABLE_SIZE) & ((classes == LETTER) | (classes == DIGIT))] = OWN_WORD
    # Vowel signs and tone marks of Thai to Khmer have one order in practice; normalizing them would cost a pass. Kana
    # are written with a voicing mark of their own as well as in one, and ideographs have doubles for compatibility.
    unstable[:_EAST_ASIAN][classes[:_EAST_ASIAN] == OWN_WORD] = 0
    classes[[ord(mark) for mark in _BEFORE_SENTENCE]] = FULL_STOP
    classes[[ord(mark) for mark in _LINE_BREAKS]] = NEW_LINE
    return classes, lower, unstable[:_BASIC_PLANE]
