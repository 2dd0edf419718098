"""Text from outside, made harmless for the places that it is shown in.

Titles, addresses and passages come from pages that anybody may have written. They never reach a terminal with control
sequences, nor Markdown as markup.
"""

import re
import unicodedata
from typing import Any

from markupsafe import Markup

ELLIPSIS = "…"
# Control characters, formats (bidirectional overrides, zero width), surrogates, private use, unassigned: Unicode's C*;
# and the line and paragraph separators.
UNSEEN = ("C", "Zl", "Zp")
# Joins the parts of one emoji or letter and turns nothing around.
ZERO_WIDTH_JOINER = "\u200d"
MARKUP = re.compile(r"[\\`*_{}\[\]()#+!~$@^=]|^-|(?<=-)-|:(?=//)")
# A numbered list at the start of a line, and what GitHub's Markdown turns into a link by itself.
DOTS = re.compile(r"(^\d+(?=\.\s)|^\d+(?=\.$)|\bwww)\.", re.IGNORECASE)
# The ampersand first: the others bring their own.
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}


def plain_line(value: object, max_chars: int | None = None) -> str:
    """A value as one line without characters that control, hide or turn around what stands beside them.

    Args:
        value: anything; null becomes an empty line.
        max_chars: where to cut; what is cut off shows as an ellipsis.
    """
    text = "" if value is None else str(value)
    if max_chars is not None:
        # Folding white space below only shortens; ten times the space is plenty and bounds the work.
        text = text[: max_chars * 10]
    seen = "".join(
        character if character == ZERO_WIDTH_JOINER or not unicodedata.category(character).startswith(UNSEEN) else " "
        for character in text
    )
    line = " ".join(seen.split())
    if max_chars is not None and len(line) > max_chars:
        return line[: max_chars - 1].rstrip() + ELLIPSIS
    return line


def markdown(value: object, max_chars: int | None = None) -> Markup:
    """A value as text of one Markdown line: it can be no markup, HTML, link, mention, table cell or list.

    Punctuation that could be markup is escaped with a backslash, or as an entity where HTML or a table would read it.
    """
    line = plain_line(value, max_chars)
    escaped = DOTS.sub(r"\1\\.", MARKUP.sub(r"\\\g<0>", line))
    for character, entity in ENTITIES.items():
        escaped = escaped.replace(character, entity)
    return Markup(escaped)  # noqa: S704 - this is the escaping


def finalize(value: Any) -> Any:
    """Escape whatever a template prints, unless it was escaped before."""
    return value if isinstance(value, Markup) else markdown(value)
