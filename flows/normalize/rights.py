"""What follows from a rights statement."""

import re

_LICENSED = re.compile(r"creative commons|\bCC[ -]?(?:BY|0)\b|public domain|gemeinfrei", re.IGNORECASE)
_RESERVED = re.compile(
    r"rights reserved|prohibited|forbidden|not permitted|not allowed|(?:may|can|must) ?not\b"
    r"|without .{0,60}(?:permission|consent|authori[sz]ation|approval)|unauthori[sz]ed|exclusive|vorbehalten|réservés"
    r"|reservados|riservati|защищены|版权所有|voorbehouden|zastrzeżone|saklıdır|förbehåll"
    r"|未经|不得|禁止|谢绝|無断|禁転載|무단|محفوظة|©|\(c\)|copyright",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"(?:you (?:may|can)|free to|welcome to|may be(?: freely)?)\s+(?:share|republish|reprint|reproduc|republished"
    r"|reprinted|reuse)|we encourage .{0,40}republi",
    re.IGNORECASE,
)


def rights_policy(statement: str | None) -> str:
    """What follows from a rights statement: `open`, `reserved` or `unknown`.

    A licence that lets others use the text makes it open, also where it sets conditions; words that reserve or forbid
    make it reserved; without a statement nothing is known.
    """
    if statement is None:
        return "unknown"
    if _LICENSED.search(statement):
        return "open"
    if _RESERVED.search(statement):
        return "reserved"
    return "open" if _OPEN.search(statement) else "unknown"
