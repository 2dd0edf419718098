"""Bylines: the names in them, and what else is a name but no author."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flows.normalize.outlets import outlet_key

_LEAD = re.compile(
    r"^[\W_]*(?:"
    r"(?:posted|published|submitted|(?:additional )?(?:reporting|writing)|written|words|story|report(?:ed)?|text"
    r"|article|interview|compiled|authors?|autor(?:in|a|es)?|auteurs?|texte|texto)\s*(?:by\b|[:：/])"
    r"|(?:by|par|von|por|di)(?!\w)|(?:作者|记者|撰文|文|بقلم|كتب|كتبت|إعداد|تقرير)(?!\w)"
    r")\s*[:：/|丨]?\s*",
    re.IGNORECASE,
)
_NOT_AUTHORS = re.compile(
    r"^[\W_]*(?:(?:edited|editing|translated|translation|photographs?|photos?|compiled)\s+by\b|编辑|责任编辑|翻译|编译|来源|source\s*:)",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"\s*(?:,|，|、|;|；|\||·|•|/|&|—|–|\s-\s|\b(?:and|und|et)\b|\sy\s|\se\s)\s*", re.IGNORECASE)
_CONJUNCTIONS = re.compile(r"&|\b(?:and|und|et)\b|\s[ye]\s", re.IGNORECASE)
# Words that make a name the name of an office, not of a person or an outlet.
_OFFICE = re.compile(
    r"\b(?:staff|reporters?|correspondents?|editors?|editorial|writers?|columnists?|producers?|bureau|chief|analyst|contributor"
    r"|newsroom|desk|admin|guest|special to|for the)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"^[^\W\d_a-zà-ÿ][^\d:()\[\]]*$|^[\u3040-\u30ff\u3400-\u9fff·]{2,8}$")
_TRIM = " \t\u00a0.,;:()[]【】（）·•|*"


@dataclass(frozen=True)
class Named:
    """A name in a byline; `start` counts code points into it."""

    text: str
    start: int
    is_outlet: bool


def names_of_byline(byline: str, outlets: Collection[str]) -> list[Named]:
    """The authors and outlets that a byline names, in its order.

    A list with commas alone is ambiguous ("By Jane Doe, Springfield"): what follows the first name counts as an author
    only if the list has an "and", or if it names a known outlet, as bylines in brackets do.

    Args:
        byline: as found.
        outlets: keys of the names of known outlets (`outlet_key`).
    """
    if _NOT_AUTHORS.match(byline):
        return []
    # "Reporting by A; Editing by B": only who reported or wrote is an author.
    byline = re.split(r"[;.]\s*(?=(?:Edit|Photo|Translat|Compil|Additional|Produc)\w* )", byline)[0]
    lead = _LEAD.match(byline)
    start = lead.end() if lead else 0
    names = []
    for token, offset in _tokens(byline[start:]):
        is_outlet = outlet_key(token) in outlets
        if is_outlet or (_NAME.match(token) and not _OFFICE.search(token) and len(token.split()) <= 6):
            names.append(Named(token, start + offset, is_outlet))
    first = next(_tokens(byline[start:]), ("", 0))[0]
    is_list = _CONJUNCTIONS.search(byline[start:]) is not None or any(name.is_outlet for name in names)
    if not is_list:
        names = [name for name in names[:1] if name.text == first]
    if names and all(name.is_outlet for name in names):
        # Nobody else is named: the outlet stands as author.
        names.append(Named(names[0].text, names[0].start, is_outlet=False))
    return names


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    position = 0
    for separator in [*_SEPARATORS.finditer(text), None]:
        end = separator.start() if separator else len(text)
        raw = text[position:end]
        token = raw.strip(_TRIM)
        token = re.sub(r"\s+in\s+[^\W\d_a-z].*$", "", token)
        if token:
            yield token, position + raw.index(token)
        position = separator.end() if separator else end
