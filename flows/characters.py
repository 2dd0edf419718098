"""Characters: which ones separate lines, and what a cleaned text no longer holds."""

import numpy as np
import numpy.typing as npt
import polars as pl

# Two noncharacters mark cuts while a line is taken apart. They are "not for interchange" (Unicode 17, section 23.7);
# in a text that holds them anyway they become U+FFFD first, so no text can forge a cut.
CUT = "\ufdd0"
HIT = "\ufdd1"

# Code points that end a line, besides the line feed (Unicode Annex 14, class BK and NL, and the carriage return).
_LINE_ENDS = r"[\r\x0b\x0c\x{85}\x{2028}\x{2029}]"
# Information separators: white space to Python and to readers of the tables, but not to Unicode, and so not to polars.
_SEPARATORS = r"[\x1c-\x1f]"
# Controls, soft hyphen, zero-width space and no-break space, word joiner, byte order mark, and the bidirectional
# controls, which can make a text read differently from what it says. Zero-width (non-)joiners stay: Persian and emoji
# are misspelt without them.
_INVISIBLE = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\x{ad}\x{61c}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}"
    r"\x{2060}-\x{2064}\x{2066}-\x{206f}\x{feff}]"
)
# White space that is more or other than a single blank. Most lines hold none, and are not copied.
_LOOSE_SPACE = r"[^\S ]\s*| \s+"

# Scripts that put no blanks between words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"


def is_unspaced(count: int) -> npt.NDArray[np.bool_]:
    """Which of the first code points, so many, are characters of UNSPACED: shape (count)."""
    # A surrogate is no character.
    characters = ["" if 0xD800 <= point < 0xE000 else chr(point) for point in range(count)]
    return pl.Series(characters).str.contains(f"[{UNSPACED}]").to_numpy()


def with_plain_lines(text: pl.Expr) -> pl.Expr:
    r"""Text of the same length in code points whose lines all end in `\n`, with no character that marks cuts."""
    return (
        text.str.replace_all(f"[{CUT}{HIT}]", "\ufffd")
        .str.replace_all(_SEPARATORS, " ")
        .str.replace_all("\r\n", " \n", literal=True)
        .str.replace_all(_LINE_ENDS, "\n")
    )


def cleaned(text: pl.Expr) -> pl.Expr:
    """Text without invisible characters, its white space folded to single blanks and stripped."""
    return text.str.replace_all(_INVISIBLE, "").str.replace_all(_LOOSE_SPACE, " ").str.strip_chars()
