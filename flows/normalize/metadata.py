"""Metadata of articles, each value with the rule and the span that it comes from."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from flows.normalize.bylines import names_of_byline
from flows.normalize.dates import published_date
from flows.normalize.profiles import Profile

_URL = re.compile(r"https?://[^\s<>\"'“”）】\])]+[^\s<>\"'“”）】\]).,;:!?]", re.IGNORECASE)

_DATE_AHEAD = r"(?=\s+(?:on|in|under|with|and|for|as|at)\b|\s*[.,;:|(\[]|\s*$)"
_CREDIT = re.compile(
    r"\b(?:(?:read|view|see)\s+(?:the\s+)?(?:original|full|complete)?\s*(?:article|story|version|interview|post|text)?\s*(?:at|on|in)"
    r"|(?:originally|first)\s+(?:appeared|published|ran|posted)\s+(?:in|on|at|by|with)"
    r"|appeared\s+(?:first\s+|originally\s+)?(?:in|on|at)|(?:republished|reprinted|reproduced|reposted)\s+"
    r"(?:(?:here\s+)?(?:with\s+(?:the\s+)?permission\s+)?(?:from|of|courtesy of)))\s+"
    r"(?P<publisher>(?:the\s+)?\w[\w&.'’ -]{1,60}?)" + _DATE_AHEAD,
    re.IGNORECASE,
)
_COPYRIGHT = re.compile(
    r"(?:©|\([cC]\)|[Cc]opyright|COPYRIGHT)\s*(?:[Cc]opyright\s*)?(?:©|\([cC]\))?\s*(?:(?:19|20)\d{2}(?:\s*[-–]\s*(?:19|20)\d{2})?"
    r"[,.]?\s+)?(?:by\s+)?(?P<publisher>[^\W\d_a-z][^\W\d_][\w&.'’ -]{1,60}?)"
    r"(?=\s*(?:[.,;|(–—]|\s-\s|\b(?:all|All|Alle|Tous|Todos)\b|\b(?:19|20)\d{2}\b|$))",
)

_SOURCE_LABEL = re.compile(r"(?:来源|本文系|本文为|本文由)\s*[:：]?\s*(?P<publisher>[^\s:：,，。]{2,16}?)(?=独家|原创|首发|[\s,，。]|$)")

_MADE_BY = re.compile(
    r"\b(?:This|The|Generated|Written|Produced|Created|Content|Text|Article|AI)\b[^.!?\n]{0,80}?\b(?:generated|written|produced|created"
    r"|drafted|compiled|assembled|summari[sz]ed|assisted)\b[^.!?\n]{0,80}?\b(?:artificial intelligence|AI|A\.I\.|language model"
    r"|chatbot|ChatGPT)(?:\b|(?<=\.))|\bAI[- ](?:generated|written)\b(?:\s+(?:article|content|text|story|summary))?"
    r"|\b[Gg]enerated (?:in part )?(?:by|with|using) (?:artificial intelligence|AI)\b"
)
_DENIED = re.compile(r"\b(?:no|not|never|without|nor|isn['’]t|wasn['’]t)\b", re.IGNORECASE)

_LANGUAGES = {
    "arabic": "ar", "bengali": "bn", "chinese": "zh", "mandarin": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "farsi": "fa", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he",
    "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko",
    "norwegian": "no", "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
    "anglais": "en", "chinois": "zh", "allemand": "de", "espagnol": "es", "arabe": "ar", "russe": "ru", "japonais": "ja",
    "italien": "it", "englischen": "en", "chinesischen": "zh", "französischen": "fr", "spanischen": "es", "inglés": "en",
    "francés": "fr", "alemán": "de", "chino": "zh", "ruso": "ru",
}  # fmt: skip
_TRANSLATED = re.compile(
    r"\b(?:translated\s+(?:\w+\s+){0,3}?from\s+(?:the\s+)?(?:original\s+)?|traduit\s+(?:de\s+l['’]|du\s+)|aus\s+dem\s+|traducido\s+del\s+)"
    r"(?P<language>" + "|".join(_LANGUAGES) + r")\b",
    re.IGNORECASE,
)

_LANGUAGES |= {
    "英": "en", "中": "zh", "法": "fr", "德": "de", "日": "ja", "俄": "ru", "西班牙": "es", "韩": "ko", "阿拉伯": "ar", "意大利": "it",
}  # fmt: skip
_TRANSLATED_ZH = re.compile(r"译自(?P<language>英|中|法|德|日|俄|西班牙|韩|阿拉伯|意大利)[文语]")

_LICENSED = re.compile(r"creative commons|\bCC[ -]?(?:BY|0)\b|public domain|gemeinfrei", re.IGNORECASE)
_OPEN = re.compile(
    r"(?:you (?:may|can)|free to|welcome to|may be(?: freely)?)\s+(?:share|"
    r"republish|reprint|reproduc|republished|reprinted|reuse)|we encourage .{0,40}republi",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"rights reserved|prohibited|forbidden|not permitted|not allowed|(?:may|can|must) ?not\b|without .{0,60}(?:permission|consent"
    r"|authori[sz]ation|approval)|unauthori[sz]ed|exclusive|vorbehalten|réservés|reservados|riservati|защищены|版权所有"
    r"|未经|不得|禁止|谢绝|محفوظة|©|\(c\)|copyright",
    re.IGNORECASE,
)
_INTERVIEW_WITH = r"\b(?:interview|conversation)\s+with\s+(?:the\s+)?(?P<publisher>{names})\b"
_URL_PATH_DAY = re.compile(r"/(20\d{2})[/-](\d{1,2})[/-](\d{1,2})(?=[/-]|$)")


@dataclass(frozen=True)
class Mark:
    """A passage that may tell something of an article; `text` is as found, offsets count code points of the source."""

    role: str
    rule: str | None
    start: int
    text: str


@dataclass
class Part:
    """An article while its metadata is collected."""

    page: int
    ordinal: int
    kind: str
    start: int
    end: int
    is_page_made: bool
    language: str | None
    evidence: dict[str, list[tuple[object, str, str, int | None, int | None]]] = field(default_factory=dict)

    def add(self, field_name: str, value: object, basis: str, rule: str, span: tuple[int, int] | None) -> None:
        """Note a value: its column, basis, rule, and the start and count of its evidence."""
        start, count = span or (None, None)
        self.evidence.setdefault(field_name, []).append((value, basis, rule, start, count))

    def value(self, field_name: str) -> object:
        """The value of a column, null while nothing is known."""
        found = self.evidence.get(field_name)
        return found[0][0] if found else None


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


def collect(
    parts: Sequence[Part],
    marks: dict[int, list[Mark]],
    texts: dict[int, str],
    known: dict[int, dict[str, tuple[str, str]]],
    profiles_of: dict[int, list[Profile]],
    profiles: Sequence[Profile],
) -> None:
    """Find the metadata of articles and note it in them.

    Args:
        parts: the articles.
        marks: page → its passages that are no text of an article, in reading order.
        texts: page → text of the source.
        known: page → what provenance states: field → value, rule.
        profiles_of: page → profiles that match it.
        profiles: all profiles, for the names of outlets.
    """
    outlets = {name.casefold(): profile for profile in profiles for name in profile.names}
    pages: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        pages[part.page].append(part)
    for page, page_parts in pages.items():
        reader = _PageReader(texts[page], marks.get(page, []), profiles_of.get(page, []), outlets)
        for part in page_parts:
            reader.read(part, known.get(page, {}))


class _PageReader:
    """Reads the metadata of the articles of one page."""

    def __init__(
        self, text: str, marks: list[Mark], profiles: list[Profile], outlets: dict[str, Profile]
    ) -> None:
        self.text = text
        self.marks = marks
        self.outlets = outlets
        self.owner = next((profile for profile in profiles if profile.page_of == "republisher"), None)
        self.publisher = next((profile for profile in profiles if profile.page_of == "publisher"), None)

    def read(self, part: Part, known: dict[str, tuple[str, str]]) -> None:
        inside = [mark for mark in self.marks if part.start <= mark.start < part.end]
        # What stands at the head of a compound page is of what the page itself made.
        own = [mark for mark in self.marks if mark.start < part.start or mark in inside] if part.is_page_made else inside
        self._title(part, own)
        self._url(part, inside, known)
        self._people(part, inside)
        self._outlets(part, inside, known)
        self._date(part, own, known)
        self._rights(part, inside)
        self._disclosures(part, inside)

    def _title(self, part: Part, marks: list[Mark]) -> None:
        if part.kind == "summary":
            return
        for mark in _of(marks, "title"):
            part.add("title", _folded(mark.text), "stated", mark.rule or "title", (mark.start, len(mark.text)))
            return

    def _url(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        if part.is_page_made:
            return
        for mark in _of(marks, "source_url"):
            match = _URL.search(mark.text)
            if match:
                span = (mark.start + match.start(), len(match[0]))
                part.add("canonical_url", match[0], "stated", mark.rule or "source_url", span)
                return
        if "canonical_url" in known:
            value, rule = known["canonical_url"]
            part.add("canonical_url", value, "stated", rule, None)

    def _people(self, part: Part, marks: list[Mark]) -> None:
        bylines = [mark for mark in _of(marks, "byline") if not (mark.rule or "").endswith("credits")]
        for mark in bylines or _of(marks, "byline"):
            for name in names_of_byline(mark.text, frozenset(self.outlets)):
                span = (mark.start + name.start, len(name.text))
                rule = mark.rule or "byline"
                if name.is_outlet:
                    if part.value("publisher") is None:
                        self._add_outlet(part, "publisher", name.text, rule, span)
                elif name.text not in [row[0] for row in part.evidence.get("authors", [])]:
                    part.add("authors", name.text, "stated", rule, span)

    def _outlets(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        if part.is_page_made:
            self._add_owner(part, "publisher")
            return
        if "publisher" in known:
            value, rule = known["publisher"]
            part.evidence["publisher"] = []
            part.add("publisher", value, "stated", rule, None)
        elif not self._credit(part, marks) and part.value("publisher") is None:
            _ = self._interviewer(part) or self._add_publisher(part) or self._copyright(part, marks)
        for owner in (self.owner, self.publisher):
            if owner and owner.name and part.value("publisher") not in (None, *owner.names):
                self._add_owner(part, "republisher", owner)
                return

    def _credit(self, part: Part, marks: list[Mark]) -> bool:
        """The outlet that a credit line names brought the text out first, whoever shows it."""
        for mark in marks:
            if mark.role not in ("source_url", "rights", "byline"):
                continue
            match = _CREDIT.search(mark.text) or _SOURCE_LABEL.search(mark.text)
            if match:
                part.evidence.pop("publisher", None)
                name = match["publisher"].strip()
                span = (mark.start + match.start("publisher"), len(match["publisher"]))
                self._add_outlet(part, "publisher", name, mark.rule or mark.role, span)
                return True
        return False

    def _interviewer(self, part: Part) -> bool:
        """An interview's introduction says for whom it was made: "… in an interview with <outlet>"."""
        if part.kind != "interview":
            return False
        names = "|".join(re.escape(name) for profile in set(self.outlets.values()) for name in profile.names)
        first_turn = next((mark.start for mark in self.marks if mark.role == "question"), part.start)
        match = re.search(
            _INTERVIEW_WITH.format(names=_longest_first(names)), self.text[part.start : first_turn], re.IGNORECASE
        )
        if match is None:
            return False
        span = (part.start + match.start("publisher"), len(match["publisher"]))
        self._add_outlet(part, "publisher", match["publisher"], "interview_with", span)
        return True

    def _add_publisher(self, part: Part) -> bool:
        if self.publisher is None:
            return False
        return self._add_owner(part, "publisher", self.publisher)

    def _add_owner(self, part: Part, column: str, owner: Profile | None = None) -> bool:
        """The outlet whose page it is, stated where its name stands on the page, else inferred from its template."""
        owner = owner or self.owner or self.publisher
        if owner is None or owner.name is None:
            return False
        names = "|".join(re.escape(name) for name in owner.names)
        match = re.search(rf"(?<!\w)(?:{names})(?!\w)", self.text)
        if match:
            self._add_outlet(part, column, match[0], f"{owner.id}:name", (match.start(), len(match[0])))
        else:
            part.add(column, owner.name, "inferred", f"{owner.id}:template", None)
        return True

    def _copyright(self, part: Part, marks: list[Mark]) -> bool:
        for mark in _of(marks, "rights"):
            match = _COPYRIGHT.search(mark.text)
            if match:
                span = (mark.start + match.start("publisher"), len(match["publisher"]))
                part.add("publisher", match["publisher"].strip(), "inferred", "copyright_holder", span)
                return True
        return False

    def _add_outlet(self, part: Part, column: str, written: str, rule: str, span: tuple[int, int]) -> None:
        """Note an outlet under its own name; where that stands inside the name as written, the span is that."""
        profile = self.outlets.get(written.casefold()) or self.outlets.get(written.casefold().removeprefix("the "))
        name = profile.name if profile and profile.name else written
        inside = written.find(name)
        if inside >= 0:
            span = (span[0] + inside, len(name))
        part.add(column, name, "stated", rule, span)

    def _date(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        if "published_date" in known and not (self.owner and self.owner.is_compound and not part.is_page_made):
            value, rule = known["published_date"]
            part.add("published_date", date.fromisoformat(value), "stated", rule, None)
            return
        for mark in _of(marks, "dateline", "byline"):
            found = published_date(mark.text)
            if found:
                day, start, count = found
                part.add("published_date", day, "stated", mark.rule or mark.role, (mark.start + start, count))
                return
        url = part.evidence.get("canonical_url")
        if url:
            self._date_of_url(part, str(url[0][0]), url[0][3])

    def _date_of_url(self, part: Part, url: str, start: int | None) -> None:
        for profile in (self.publisher, self.owner):
            match = profile and profile.url_date and re.search(profile.url_date.pattern, url)
            if profile and profile.url_date and match:
                seconds = int(match["id"]) >> profile.url_date.shift_bits
                instant = datetime.fromtimestamp(seconds, UTC)
                span = None if start is None else (start + match.start("id"), len(match["id"]))
                day = instant.astimezone(ZoneInfo(profile.url_date.time_zone)).date()
                part.add("published_date", day, "inferred", f"{profile.id}:url_date", span)
                return
        match = _URL_PATH_DAY.search(url)
        if match:
            try:
                day = date(*(int(group) for group in match.groups()))
            except ValueError:
                return
            span = None if start is None else (start + match.start(1), match.end() - match.start(1))
            part.add("published_date", day, "inferred", "url_path", span)

    def _rights(self, part: Part, marks: list[Mark]) -> None:
        statements = _of(marks, "rights")
        decided = [mark for mark in statements if rights_policy(mark.text) != "unknown"]
        for mark in (decided or statements)[:1]:
            part.add("rights_statement", mark.text, "stated", mark.rule or "rights", (mark.start, len(mark.text)))

    def _disclosures(self, part: Part, marks: list[Mark]) -> None:
        for mark in _of(marks, "disclaimer", "boilerplate", "byline"):
            match = _MADE_BY.search(mark.text)
            if match and not _DENIED.search(match[0]):
                span = (mark.start + match.start(), len(match[0]))
                part.add("is_ai_generated", value=True, basis="stated", rule=mark.rule or mark.role, span=span)
                break
        else:
            for profile in (self.owner, self.publisher):
                if profile and part.kind in profile.ai_generated_kinds:
                    rule = f"{profile.id}:ai_generated_kinds"
                    part.add("is_ai_generated", value=True, basis="inferred", rule=rule, span=None)
                    break
        for mark in _of(marks, "disclaimer", "byline", "boilerplate", "source_url"):
            match = _TRANSLATED.search(mark.text) or _TRANSLATED_ZH.search(mark.text)
            if match:
                span = (mark.start + match.start(), len(match[0]))
                language = _LANGUAGES[match["language"].lower()]
                part.add("translated_from", language, "stated", mark.rule or mark.role, span)
                return
        publisher = self.outlets.get(str(part.value("publisher")).casefold())
        if publisher and publisher.original_language and part.language:
            if part.language.split("-")[0] != publisher.original_language.split("-")[0]:
                rule = f"{publisher.id}:original_language"
                part.add("translated_from", publisher.original_language, "inferred", rule, None)


def evidence_rows(parts: Iterable[Part]) -> Iterator[tuple[int, int, str, str, str, str, int | None, int | None]]:
    """`page, ordinal, field, value, basis, rule, char_start, char_count`: one row per value, one per author."""
    for part in parts:
        for name, found in part.evidence.items():
            for value, basis, rule, start, count in found if name == "authors" else found[:1]:
                yield part.page, part.ordinal, name, _written(value), basis, rule, start, count


def _written(value: object) -> str:
    if value is True:
        return "true"
    return value.isoformat() if isinstance(value, date) else str(value)


def _of(marks: list[Mark], *roles: str) -> list[Mark]:
    return [mark for mark in marks if mark.role in roles]


def _folded(text: str) -> str:
    return " ".join(text.split())


def _longest_first(names: str) -> str:
    return "|".join(sorted(set(names.split("|")), key=lambda name: (-len(name), name)))
