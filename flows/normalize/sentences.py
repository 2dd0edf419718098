"""Sentences around what a pattern found, and whether they deny it."""

import re

# A full stop behind an initial or a title ends no sentence: "J. Doe", "A.I. text", "Dr. Quill". Neither does one inside
# an address or a number.
_END = re.compile(r"(?:(?<!\b\w)(?<!\b(?:Dr|Mr|Ms|St|No|Co))(?<!\b(?:Mrs|Inc|Ltd))\.|[?!])(?=\s|$)|[。！？\n]")

DENIAL = re.compile(
    r"\b(?:no|not|non|none|neither|nor|never|nothing|nobody|without|cannot|nicht|kein\w*|pas|aucun\w*|ningun\w*|não"
    r"|nie|niet|geen|не|нет)\b|n['’]t\b|[不未非没無]",
    re.IGNORECASE,
)


def sentence_around(text: str, start: int, end: int) -> tuple[str, str, str]:
    """The sentence around text[start:end]: what comes before it, the found words themselves, and what follows.

    Where it is not clear that a full stop ends a sentence, it does not.
    """
    ends = [match.span() for match in _END.finditer(text)]
    begin = max((behind for _, behind in ends if behind <= start), default=0)
    last = min((mark for mark, _ in ends if mark >= end), default=len(text))
    return text[begin:start], text[start:end], text[end:last]
