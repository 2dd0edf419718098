"""Outlets as credit lines and rights lines name them."""

import re
from collections.abc import Iterable

from flows.normalize.sentences import sentence_around

_URL = re.compile(r"https?://[^\s<>\"'“”）】\])]+[^\s<>\"'“”）】\]).,;:!?]", re.IGNORECASE)

_NAME_ENDS = r"(?=\s+(?:on|in|under|with|and|for|as|at)\b|\s*[.,;:|(\[]|\s*$)"
_CREDIT = re.compile(
    r"\b(?:(?:read|view|see)\s+(?:the\s+)?(?:original|full|complete)?\s*"
    r"(?:article|story|version|interview|post|text)?\s*(?:at|on|in)"
    r"|(?:originally|first)\s+(?:appeared|published|ran|posted)\s+(?:in|on|at|by|with)"
    r"|appeared\s+(?:first\s+|originally\s+)?(?:in|on|at)"
    r"|(?:republished|reprinted|reproduced|reposted)\s+"
    r"(?:(?:here\s+)?(?:with\s+(?:the\s+)?permission\s+)?(?:from|of|courtesy of)))\s+"
    r"(?P<publisher>(?:the\s+)?\w[\w&.'’ -]{1,60}?)" + _NAME_ENDS,
    re.IGNORECASE,
)
_SOURCE_LABEL = re.compile(
    r"(?:来源|本文系|本文为|本文由)\s*[:：]?\s*(?P<publisher>[^\s:：,，。]{2,16}?)(?=独家|原创|首发|[\s,，。]|$)"
)
_COPYRIGHT = re.compile(
    r"(?:©|\([cC]\)|[Cc]opyright|COPYRIGHT)\s*(?:[Cc]opyright\s*)?(?:©|\([cC]\))?\s*"
    r"(?:(?:19|20)\d{2}(?:\s*[-–]\s*(?:19|20)\d{2})?[,.]?\s+)?(?:by\s+)?"
    r"(?P<publisher>[^\W\d_a-z][^\W\d_][\w&.'’ -]{1,60}?)"
    r"(?=\s*(?:[.,;|(–—]|\s-\s|\b(?:all|All|Alle|Tous|Todos)\b|\b(?:19|20)\d{2}\b|$))",
)

# What tells of another interview than the one on the page.
_EARLIER = re.compile(
    r"\b(?:last\s+(?:year|month|week|spring|summer|autumn|fall|winter|\w+day)|ago|earlier|previous(?:ly)?|once"
    r"|in\s+(?:19|20)\d{2})\b",
    re.IGNORECASE,
)

# A name with start and count of its span.
Found = tuple[str, int, int]


def url_in(text: str) -> Found | None:
    """The first address in a text, without a mark that ends the sentence around it."""
    match = _URL.search(text)
    return match and (match[0], match.start(), len(match[0]))


def credited_outlet(text: str) -> Found | None:
    """The outlet that a credit line says the text first appeared in."""
    return _publisher(_CREDIT.search(text) or _SOURCE_LABEL.search(text))


def copyright_holder(text: str) -> Found | None:
    """Whom a copyright line names."""
    return _publisher(_COPYRIGHT.search(text))


def outlet_key(name: str) -> str:
    """What two ways to write an outlet's name have in common: case and a leading "The" do not count."""
    return " ".join(name.casefold().split()).removeprefix("the ")


def interviewing_outlet(text: str, names: Iterable[str]) -> Found | None:
    """The outlet, of those given, that an interview's introduction says it was made for."""
    found = re.search(
        rf"\b(?:interview|conversation)\s+with\s+(?:the\s+)?(?P<publisher>{alternatives(names)})\b", text, re.IGNORECASE
    )
    if found is None or _EARLIER.search("".join(sentence_around(text, *found.span()))):
        return None
    return _publisher(found)


def alternatives(names: Iterable[str]) -> str:
    """A pattern for any of the names, the longest first, so that "X Magazine" is not taken for "X"."""
    return "|".join(re.escape(name) for name in sorted(set(names), key=lambda name: (-len(name), name)))


def _publisher(match: re.Match[str] | None) -> Found | None:
    return match and (match["publisher"].strip(), match.start("publisher"), len(match["publisher"]))
