"""Disclosures: that a machine made a text, and what it was translated from."""

import re

from flows.normalize.sentences import DENIAL, sentence_around

_MACHINE = r"(?:artificial intelligence|AI|A\.I\.|language model|chatbot|ChatGPT)"
_MADE_BY = re.compile(
    r"\b(?:This|The|Generated|Written|Produced|Created|Content|Text|Article|AI)\b[^.!?\n]{0,80}?"
    r"\b(?:generated|written|produced|created|drafted|compiled|assembled|summari[sz]ed|assisted)\b[^.!?\n]{0,80}?"
    rf"\b{_MACHINE}(?:\b|(?<=\.))"
    r"|\bAI[- ](?:generated|written)\b(?:\s+(?:article|content|text|story|summary))?"
    r"|\b[Gg]enerated (?:in part )?(?:by|with|using) (?:artificial intelligence|AI)\b"
)
# "AI-generated content is never published here."
_DENIED_BELOW = re.compile(
    r"\s*(?:(?!(?:and|but|it|which|that)\b)\w+\s+)?"
    r"(?:(?:is|are|was|were|has been|have been|will be)\s+(?:not|never)|(?:is|are|was|were)n['’]t)\b",
    re.IGNORECASE,
)

_LANGUAGES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "mandarin": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "farsi": "fa", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he",
    "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko",
    "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur",
    "vietnamese": "vi", "anglais": "en", "chinois": "zh", "allemand": "de", "espagnol": "es", "arabe": "ar",
    "russe": "ru", "japonais": "ja", "italien": "it", "englischen": "en", "chinesischen": "zh", "französischen": "fr",
    "spanischen": "es", "inglés": "en", "francés": "fr", "alemán": "de", "chino": "zh", "ruso": "ru",
}  # fmt: skip
_LANGUAGES_ZH = {
    "英": "en", "中": "zh", "法": "fr", "德": "de", "日": "ja", "俄": "ru", "西班牙": "es", "韩": "ko", "阿拉伯": "ar",
    "意大利": "it",
}  # fmt: skip
_TRANSLATED = re.compile(
    r"\b(?:translated\s+(?:\w+\s+){0,3}?from\s+(?:the\s+)?(?:original\s+)?|traduit\s+(?:de\s+l['’]|du\s+)"
    r"|aus\s+dem\s+|traducido\s+del\s+)(?P<language>" + "|".join(_LANGUAGES) + r")\b",
    re.IGNORECASE,
)
_TRANSLATED_ZH = re.compile(r"译自(?P<language>" + "|".join(_LANGUAGES_ZH) + ")[文语]")


def made_by_machine(text: str) -> tuple[int, int] | None:
    """Start and count of the words that say that a machine made the text, null where none say so or they deny it."""
    for match in _MADE_BY.finditer(text):
        before, found, after = sentence_around(text, *match.span())
        if not DENIAL.search(before + found) and not _DENIED_BELOW.match(after):
            return match.start(), len(found)
    return None


def translated_from(text: str) -> tuple[str, int, int] | None:
    """Language (BCP 47) of the original that a note names, with start and count of the words that say so."""
    match = _TRANSLATED.search(text) or _TRANSLATED_ZH.search(text)
    if match is None:
        return None
    name = match["language"].lower()
    return _LANGUAGES.get(name) or _LANGUAGES_ZH[name], match.start(), len(match[0])
