"""What follows from a rights statement."""

import re

from flows.normalize.sentences import DENIAL, sentence_around

# "Some rights reserved", which goes with a licence, is something else.
_ALL_RESERVED = re.compile(
    r"\ball (?:\w+ )?rights (?:\w+ ){0,3}?reserved|alle rechte (?:\w+ )?vorbehalten"
    r"|tous (?:les )?droits (?:\w+ )?réservés|todos los derechos (?:\w+ )?reservados"
    r"|reservados todos los derechos|tutti i diritti (?:\w+ )?riservati"
    r"|todos os direitos (?:\w+ )?reservados|все права (?:\w+ )?защищены|alle rechten (?:\w+ )?voorbehouden"
    r"|wszelkie prawa (?:\w+ )?zastrzeżone|t[üu]m haklar[ıi] sakl[ıi]d[ıi]r|alla rättigheter förbehåll\w+"
    r"|版权所有|جميع الحقوق محفوظة",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"rights reserved|prohibited|forbidden|not permitted|not allowed|(?:may|can|must) ?not\b"
    r"|without .{0,60}(?:permission|consent|authori[sz]ation|approval)|unauthori[sz]ed|exclusive|vorbehalten|réservés"
    r"|reservados|riservati|защищены|voorbehouden|zastrzeżone|saklıdır|förbehåll"
    r"|未经|不得|禁止|谢绝|無断|禁転載|무단|محفوظة|©|\(c\)|copyright",
    re.IGNORECASE,
)
# To share a story is what a button does; to publish it again is what needs leave.
_OPEN = re.compile(
    r"(?:you (?:may|can)|free to|welcome to|may be(?: freely)?)\s+(?:share and )?(?:republish|reprint|reproduc|reuse)"
    r"|we encourage .{0,40}republi",
    re.IGNORECASE,
)
_LICENCE = re.compile(r"creative commons|\bCC[ -]?(?:BY|0)\b|public domain|gemeinfrei", re.IGNORECASE)

# A licence counts beside words for the text …
_TEXT = re.compile(
    r"\b(?:articles?|stor(?:y|ies)|texts?|contents?|works?|posts?|pieces?|reports?|reporting|journalism"
    r"|(?:web ?)?sites?|pages?|publications?|essays?|interviews?|transcripts?|columns?|translations?|blog|artikel"
    r"|beitr[aä]ge?|inhalte?|werke?|textes?|contenus?|textos?|artículos?|contenidos?|testi|articoli|материалы?|текст|статья)\b|本文|文章",
    re.IGNORECASE,
)
# … or the act of licensing, or the year of a page's copyright line, where no picture was spoken of before; …
_LICENSED = re.compile(
    r"\b(?:licen[sc]\w+|lizenz\w*|лиценз\w*|dedicated|(?:published|republished|released|available|shared|distributed)"
    r" (?:\w+ ){0,4}?(?:under|to))\b"
    r"|(?:©|\(c\)|copyright)\D{0,60}(?:19|20)\d{2}\b",
    re.IGNORECASE,
)
# What everybody knows is called "in the public domain", too: of that, the text itself must be said to be.
_PUBLIC_DOMAIN = "public domain"
_IN_PUBLIC_DOMAIN = re.compile(
    rf"\W*(?:this|our|all)\s+(?:\w+\s+)?(?:{_TEXT.pattern})\s+(?:is|are|was|were|has|have)\s+(?:\w+\s+){{0,4}}?public",
    re.IGNORECASE,
)
# … or if it is all that the sentence says.
_ONLY_LICENCE = re.compile(
    rf"\W*(?:{_LICENCE.pattern})(?:\W|\d|\b(?:BY|NC|SA|ND|attribution|namensnennung|share-?alike|international"
    r"|unported|generic|licen[sc]e|zero|universal|dedication|mark)\b)*",
    re.IGNORECASE,
)
# What else on a page has a licence of its own, and words for what a text only makes use of.
_ELSEWHERE = re.compile(
    r"photo|foto|\b(?:pictures?|images?|im[aá]gen(?:es)?|immagin[ei]|illustrat\w+|graphics?|drawings?"
    r"|paintings?|portraits?|maps?|charts?|figures?|diagrams?|screenshots?|thumbnails?|logos?|icons?|fonts?|videos?"
    r"|clips?|footage|audio|music|sounds?|songs?|podcasts?|data|datasets?|software|code|bild(?:er)?|titelbild|abbildung\w*"
    r"|cover(?= ?:| art| by)|via|courtesy|flickr|wikimedia|contains?|includes?|including|incorporat\w+|uses"
    r"|(?<!be )used|based on|adapted from|quot\w+|excerpts?)\b|图|圖|写真|사진|صور",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(
    r"\b(?:except|excluding|unless|apart from|other than|(?:where|if) not)\b[^,.;:()]*", re.IGNORECASE
)
# Conditions of licences that sound like denials.
_CONDITION = re.compile(r"\bno[ -]?deriv\w*|\bnon[ -]?commercial\w*|\bno rights reserved", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;:(]|\b(?:and|but|which|that)\b", re.IGNORECASE)


def rights_policy(statement: str | None) -> str:
    """What follows from a rights statement: `open`, `reserved` or `unknown`.

    A statement that reserves all rights is believed, whatever else it names. Otherwise a licence that lets others use
    the text makes it open, also where it sets conditions; words that reserve or forbid make it reserved; without a
    statement nothing is known. A licence that is denied, or that may be only a picture's, opens no text.
    """
    if statement is None:
        return "unknown"
    if reserves_all(statement):
        return "reserved"
    if _has_licence(statement):
        return "open"
    if _RESERVED.search(statement):
        return "reserved"
    return "open" if _is_offered(statement) else "unknown"


def reserves_all(statement: str) -> bool:
    """Whether a statement says that all rights are reserved."""
    return _ALL_RESERVED.search(statement) is not None


def _has_licence(statement: str) -> bool:
    """Whether a licence is named that is clearly the text's."""
    statement = _CONDITION.sub("", _EXCEPTION.sub("", statement))
    for match in _LICENCE.finditer(statement):
        before, found, after = sentence_around(statement, *match.span())
        sentence = before + found + after
        is_denied = DENIAL.search(before) or DENIAL.search(_CLAUSE_END.split(after, maxsplit=1)[0])
        if is_denied or _ELSEWHERE.search(sentence):
            continue
        if _IN_PUBLIC_DOMAIN.match(sentence) if found.lower() == _PUBLIC_DOMAIN else _TEXT.search(sentence):
            return True
        is_after_picture = _ELSEWHERE.search(statement, 0, match.start() - len(before))
        if not is_after_picture and (_LICENSED.search(sentence) or _ONLY_LICENCE.fullmatch(sentence)):
            return True
    return False


def _is_offered(statement: str) -> bool:
    """Whether it is said that the text may be published again."""
    for match in _OPEN.finditer(statement):
        before, found, after = sentence_around(statement, *match.span())
        if not DENIAL.search(before) and not _ELSEWHERE.search(before + found + after):
            return True
    return False
