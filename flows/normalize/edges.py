"""How lines begin and end, asked once of each line rather than with a pattern at every place that wants to know."""

from enum import IntFlag

import numpy as np
import polars as pl

from flows.buffers import text_buffers
from flows.compiled import kernel
from flows.normalize.kernels import is_much, see_edges
from flows.normalize.kinds import kinds_of_characters
from flows.text import CLOSING

_STOPS = ".!?…。！？"
_PAUSES = ":：;,"
_QUOTES = "\"'”’»"
_BRACKETS = r")\]"


class Edge(IntFlag):
    """What can be said of the edges of a line; `see_edges` knows the numbers.

    Attributes:
        BEGINS_SMALL: the first character is a small letter.
        STOPS: it ends like a sentence, whatever marks close behind that.
        PAUSES_OR_STOPS: as STOPS, or with a colon, a semicolon or a comma.
        ASKS_OR_CALLS: it ends like a question or a call, closing quotes notwithstanding.
        ENDS_WITH_MARK: the last character is a question or exclamation mark.
        ENDS_WITH_ASCII_MARK: … of ASCII.
        CLOSES: it is nothing but marks that close.
    """

    BEGINS_SMALL = 1
    STOPS = 2
    PAUSES_OR_STOPS = 4
    ASKS_OR_CALLS = 8
    ENDS_WITH_MARK = 16
    ENDS_WITH_ASCII_MARK = 32
    CLOSES = 64


PATTERNS = {
    Edge.BEGINS_SMALL: r"^\p{Ll}",
    Edge.STOPS: rf"[{_STOPS}][{_QUOTES}{_BRACKETS}]*$",
    Edge.PAUSES_OR_STOPS: rf"[{_STOPS}{_PAUSES}][{_QUOTES}{_BRACKETS}]*$",
    Edge.ASKS_OR_CALLS: rf"[?!？！][{_QUOTES}]*$",
    Edge.ENDS_WITH_MARK: "[?!？！]$",
    Edge.ENDS_WITH_ASCII_MARK: "[?!]$",
    Edge.CLOSES: rf"^{CLOSING}$",
}
# What `see_edges` has to know of a character, a bit each.
_KINDS = (
    r"\p{Ll}",
    f"[{_STOPS}]",
    f"[{_PAUSES}]",
    "[?!？！]",
    "[?!]",
    f"[{_QUOTES}]",
    f"[{_BRACKETS}]",
    rf"^{CLOSING}$",
)


def edges_of(lines: pl.Series) -> pl.Series:
    """`edges`: the members of Edge that hold for each line, as a sum."""
    found = np.zeros(len(lines), np.uint8)
    if is_much(int(lines.str.len_bytes().sum())):
        kernel(see_edges, is_compiled=True)(*text_buffers(lines), kinds_of_characters(*_KINDS), found)
    else:
        for edge, pattern in PATTERNS.items():
            found |= lines.str.contains(pattern).to_numpy() * np.uint8(edge)
    return pl.Series("edges", found)


def has(edge: Edge) -> pl.Expr:
    """Whether this holds for a span."""
    return (pl.col("edges") & pl.lit(int(edge), pl.UInt8)) != 0
