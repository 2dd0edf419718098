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
from flows.normalize.disclosures import made_by_machine, translated_from
from flows.normalize.outlets import (
    alternatives,
    copyright_holder,
    credited_outlet,
    interviewing_outlet,
    outlet_key,
    url_in,
)
from flows.normalize.profiles import Profile
from flows.normalize.rights import reserves_all, rights_policy

# Roles of passages that tell something of the article around them.
TELLING_ROLES = ("title", "byline", "dateline", "source_url", "rights", "disclaimer", "boilerplate", "question")

# A day in the path of an address: /2025/03/04/ or /2025-03-04-a-title.
_PATH_DAY = re.compile(r"/(20\d{2})[/-](\d{1,2})[/-](\d{1,2})(?=[/-]|$)")

# The same, without what need not be known to tell whether there is one.
_PATH_DAY_SHAPE = r"/20\d{2}[/-]\d{1,2}[/-]\d{1,2}(?:[/-]|$)"

Span = tuple[int, int]

# What the rows of `evidence_rows` hold.
EVIDENCE_ROWS = {
    "page": pl.UInt32,
    "ordinal": pl.UInt32,
    "field": pl.String,
    "value": pl.String,
    "basis": pl.String,
    "rule": pl.String,
    "char_start": pl.UInt32,
    "char_count": pl.UInt32,
}


@dataclass(frozen=True)
class Mark:
    """A passage that may tell something of an article; `text` is as found, offsets count code points of the source."""

    role: str
    rule: str | None
    start: int
    text: str

    @property
    def span(self) -> Span:
        """Start and count of the whole passage."""
        return self.start, len(self.text)

    @property
    def label(self) -> str:
        """What evidence calls the rule that found it."""
        return self.rule or self.role


@dataclass(frozen=True)
class Value:
    """A value of an article's metadata, and how it is known; `span` is start and count of the words that say so."""

    value: str | date | bool
    basis: str
    rule: str
    span: Span | None


@dataclass
class Part:
    """An article while its metadata is collected: values by the column of `articles` that they are for."""

    page: int
    ordinal: int
    kind: str
    start: int
    end: int
    is_page_made: bool
    language: str | None
    values: dict[str, list[Value]] = field(default_factory=dict)

    def state(self, column: str, value: str | date | bool, rule: str, span: Span | None) -> None:
        """Note a value that the page or its record states."""
        self.values.setdefault(column, []).append(Value(value, "stated", rule, span))

    def infer(self, column: str, value: str | date | bool, rule: str, span: Span | None = None) -> None:
        """Note a value that follows by a rule."""
        self.values.setdefault(column, []).append(Value(value, "inferred", rule, span))

    def first(self, column: str) -> Value | None:
        """The value of a column, null while nothing is known."""
        found = self.values.get(column)
        return found[0] if found else None

    def value(self, column: str) -> str | date | bool | None:
        """The bare value of a column."""
        found = self.first(column)
        return found.value if found else None


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
        marks: page → its passages with TELLING_ROLES, in reading order.
        texts: page → text of the source.
        known: page → what provenance states: column → value, rule.
        profiles_of: page → profiles that match it.
        profiles: all profiles, for the names of outlets that no other outlet bears.
    """
    outlets = _by_name(profile for profile in profiles if not profile.is_name_shared)
    pages: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        pages[part.page].append(part)
    for page, page_parts in pages.items():
        has_page_made = any(part.is_page_made for part in page_parts)
        reader = _PageReader(texts[page], marks.get(page, []), profiles_of.get(page, []), outlets, has_page_made)
        for part in page_parts:
            reader.read(part, known.get(page, {}))


class _PageReader:
    """Reads the metadata of the articles of one page."""

    def __init__(
        self,
        text: str,
        marks: list[Mark],
        profiles: list[Profile],
        outlets: dict[str, Profile],
        has_page_made: bool,
    ) -> None:
        self.text = text
        self.marks = marks
        self.profiles = profiles
        self.outlets = outlets | _by_name(profiles) if profiles else outlets
        self.owner = next((profile for profile in profiles if profile.page_of == "republisher"), None)
        self.publisher = next((profile for profile in profiles if profile.page_of == "publisher"), None)
        compound = next((profile for profile in profiles if profile.is_compound), None)
        self.is_compound = has_page_made or compound is not None
        # A profile that a credit line called up is that of the republished article, never of the page.
        self.maker = self.owner or compound

    def read(self, part: Part, known: dict[str, tuple[str, str]]) -> None:
        inside = [mark for mark in self.marks if part.start <= mark.start < part.end]
        # What stands at the head of a compound page is of what the page itself made.
        own = [mark for mark in self.marks if mark.start < part.end] if part.is_page_made else inside
        self._title(part, own)
        self._url(part, inside, known)
        self._people(part, inside)
        self._outlets(part, inside, known)
        self._date(part, own, known)
        self._rights(part, inside)
        self._machine(part, inside)
        self._original_language(part, inside)

    def _title(self, part: Part, marks: list[Mark]) -> None:
        if part.kind == "summary":
            return
        for mark in _of(marks, "title"):
            part.state("title", _folded(mark.text), mark.label, mark.span)
            return

    def _url(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        if part.is_page_made:
            return
        for mark in _of(marks, "source_url"):
            found = url_in(mark.text)
            if found:
                url, start, count = found
                part.state("canonical_url", url, mark.label, (mark.start + start, count))
                return
        if "canonical_url" in known:
            part.state("canonical_url", *known["canonical_url"], None)

    def _people(self, part: Part, marks: list[Mark]) -> None:
        bylines = [mark for mark in _of(marks, "byline") if not mark.label.endswith("credits")]
        authors: set[str] = set()
        for mark in bylines or _of(marks, "byline"):
            for name in names_of_byline(mark.text, self.outlets.keys()):
                span = (mark.start + name.start, len(name.text))
                if name.is_outlet:
                    if part.first("publisher") is None:
                        self._state_outlet(part, "publisher", name.text, mark.label, span)
                elif name.text not in authors:
                    authors.add(name.text)
                    part.state("authors", name.text, mark.label, span)

    def _outlets(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        if part.is_page_made:
            self._add_owner(part, "publisher", self.maker)
            return
        if "publisher" in known:
            part.values.pop("publisher", None)
            part.state("publisher", *known["publisher"], None)
        elif not self._credit(part, marks) and part.first("publisher") is None:
            _ = (
                self._interviewer(part)
                or self._add_owner(part, "publisher", self.publisher)
                or self._copyright(part, marks)
            )
        for owner in (self.owner, self.publisher):
            if owner and owner.name and part.value("publisher") not in (None, *owner.names):
                self._add_owner(part, "republisher", owner)
                return

    def _credit(self, part: Part, marks: list[Mark]) -> bool:
        """The outlet that a credit line names brought the text out first, whoever shows it."""
        for mark in _of(marks, "source_url", "rights", "byline"):
            found = credited_outlet(mark.text)
            if found:
                name, start, count = found
                part.values.pop("publisher", None)
                self._state_outlet(part, "publisher", name, mark.label, (mark.start + start, count))
                return True
        return False

    def _interviewer(self, part: Part) -> bool:
        """An interview's introduction says for whom it was made: "… in an interview with <outlet>"."""
        if part.kind != "interview":
            return False
        first_turn = next((mark.start for mark in self.marks if mark.role == "question"), part.start)
        names = [name for profile in self.outlets.values() for name in profile.names]
        found = interviewing_outlet(self.text[part.start : first_turn], names)
        if found is None:
            return False
        name, start, count = found
        self._state_outlet(part, "publisher", name, "interview_with", (part.start + start, count))
        return True

    def _add_owner(self, part: Part, column: str, owner: Profile | None) -> bool:
        """The outlet whose page it is, stated where its name stands on the page, else inferred from its template."""
        if owner is None or owner.name is None:
            return False
        match = re.search(rf"(?<!\w)(?:{alternatives(owner.names)})(?!\w)", self.text)
        if match:
            self._state_outlet(part, column, match[0], f"{owner.id}:name", (match.start(), len(match[0])))
        else:
            part.infer(column, owner.name, f"{owner.id}:template")
        return True

    def _copyright(self, part: Part, marks: list[Mark]) -> bool:
        for mark in _of(marks, "rights"):
            found = copyright_holder(mark.text)
            if found:
                name, start, count = found
                part.infer("publisher", name, "copyright_holder", (mark.start + start, count))
                return True
        return False

    def _state_outlet(self, part: Part, column: str, written: str, rule: str, span: Span) -> None:
        """Note an outlet under its own name; where that stands inside the name as written, the span is that."""
        profile = self.outlets.get(outlet_key(written))
        name = profile.name if profile and profile.name else written
        inside = written.find(name)
        part.state(column, name, rule, (span[0] + inside, len(name)) if inside >= 0 else span)

    def _date(self, part: Part, marks: list[Mark], known: dict[str, tuple[str, str]]) -> None:
        # What a record knows of a page that holds several texts speaks of what the page itself made.
        if "published_date" in known and (part.is_page_made or not self.is_compound):
            value, rule = known["published_date"]
            part.state("published_date", date.fromisoformat(value), rule, None)
            return
        for mark in _of(marks, "dateline", "byline"):
            found = published_date(mark.text)
            if found:
                day, start, count = found
                part.state("published_date", day, mark.label, (mark.start + start, count))
                return
        url = part.first("canonical_url")
        if url:
            self._date_of_url(part, str(url.value), url.span)

    def _date_of_url(self, part: Part, url: str, span: Span | None) -> None:
        for profile in (self.publisher, self.owner):
            match = profile and profile.url_date and re.search(profile.url_date.pattern, url)
            if profile and profile.url_date and match:
                day = _day_of_id(match["id"], profile.url_date.shift_bits, profile.url_date.time_zone)
                if day is not None:
                    inside = span and (span[0] + match.start("id"), len(match["id"]))
                    part.infer("published_date", day, f"{profile.id}:url_date", inside)
                    return
        match = _PATH_DAY.search(url)
        if match:
            try:
                day = date(*(int(group) for group in match.groups()))
            except ValueError:
                return
            inside = span and (span[0] + match.start(1), match.end() - match.start(1))
            part.infer("published_date", day, "url_path", inside)

    def _rights(self, part: Part, marks: list[Mark]) -> None:
        statements = _of(marks, "rights")
        found = next((mark for mark in statements if rights_policy(mark.text) != "unknown"), None)
        if found and rights_policy(found.text) == "open":
            # The licence may be that of something else on the page.
            found = next((mark for mark in statements if reserves_all(mark.text)), found)
        for mark in [found] if found else statements[:1]:
            part.state("rights_statement", mark.text, mark.label, mark.span)

    def _machine(self, part: Part, marks: list[Mark]) -> None:
        for mark in _of(marks, "disclaimer", "boilerplate", "byline"):
            found = made_by_machine(mark.text)
            if found:
                part.state("is_ai_generated", True, mark.label, (mark.start + found[0], found[1]))
                return
        for profile in (self.owner, self.publisher):
            if profile and part.kind in profile.ai_generated_kinds:
                part.infer("is_ai_generated", True, f"{profile.id}:ai_generated_kinds")
                return

    def _original_language(self, part: Part, marks: list[Mark]) -> None:
        for mark in _of(marks, "disclaimer", "byline", "boilerplate", "source_url"):
            found = translated_from(mark.text)
            if found:
                language, start, count = found
                part.state("translated_from", language, mark.label, (mark.start + start, count))
                return
        publisher = self.outlets.get(outlet_key(str(part.value("publisher"))))
        # That an outlet translates is known of its own pages, not of every page that names it.
        if publisher in self.profiles and publisher and publisher.original_language and part.language:
            original = publisher.original_language
            if part.language.split("-")[0] != original.split("-")[0]:
                part.infer("translated_from", publisher.original_language, f"{publisher.id}:original_language")


def evidence_rows(parts: Iterable[Part]) -> Iterator[tuple[int, int, str, str, str, str, int | None, int | None]]:
    """EVIDENCE_ROWS: one row per value, one per author."""
    for part in parts:
        for column, found in part.values.items():
            for value in found if column == "authors" else found[:1]:
                start, count = value.span or (None, None)
                yield part.page, part.ordinal, column, _written(value.value), value.basis, value.rule, start, count


def rich_pages(articles: pl.DataFrame, telling: pl.DataFrame, known: pl.DataFrame, pages: pl.DataFrame) -> pl.Series:
    """Pages of which more is told than headlines and what provenance states; their passages must be read one by one.

    Args:
        articles: `page, kind, is_page_made`: one row per article.
        telling: `page, role`: one row per passage with TELLING_ROLES.
        known: `page, field, value`: one row per value that provenance states.
        pages: `page`: those that a profile matches.
    """
    urls = known.filter((pl.col("field") == "canonical_url") & pl.col("value").str.contains(_PATH_DAY_SHAPE))
    return pl.concat(
        [
            articles.filter((pl.col("kind") == "interview") | pl.col("is_page_made"))["page"],
            telling.filter(pl.col("role") != "title")["page"],
            # The address of a page without a date may tell one.
            urls.join(known.filter(pl.col("field") == "published_date"), on="page", how="anti")["page"],
            pages["page"],
        ]
    ).unique()


def bare_evidence(
    articles: pl.DataFrame, titles: pl.DataFrame, known: pl.DataFrame, sources: pl.DataFrame
) -> pl.DataFrame:
    """What `collect` finds on pages that are not rich, in columns.

    Args:
        articles: `page, ordinal, kind, char_start, char_count`: one row per article.
        titles: `page, rule, char_start, char_count`: one row per headline, in reading order.
        known: `page, field, value, rule`: one row per value that provenance states.
        sources: `page, text`.

    Returns:
        EVIDENCE_ROWS: one row per value.
    """
    keys = ["page", "ordinal"]
    extents = articles.select(*keys, "kind", begin="char_start", end=pl.col("char_start") + pl.col("char_count")).sort(
        "page", "begin"
    )
    headlines = (
        titles.select("page", "rule", "char_start", "char_count")
        .join(extents.filter(pl.col("kind") != "summary"), on="page", maintain_order="left")
        .filter((pl.col("char_start") >= pl.col("begin")) & (pl.col("char_start") < pl.col("end")))
        .unique(keys, keep="first", maintain_order=True)
        .join(sources.select("page", "text"), on="page", how="left", maintain_order="left")
        .with_columns(value=pl.col("text").str.slice(pl.col("char_start"), pl.col("char_count")))
    )
    # Python's idea of white space is wider than that of polars.
    values = pl.Series([_folded(value) for value in headlines["value"]], dtype=pl.String)
    found = [
        headlines.select(
            *keys,
            field=pl.lit("title"),
            value=values,
            basis=pl.lit("stated"),
            rule=pl.col("rule").fill_null("title"),
            char_start="char_start",
            char_count="char_count",
        ),
        known.join(extents, on="page").select(
            *keys,
            "field",
            "value",
            basis=pl.lit("stated"),
            rule="rule",
            char_start=pl.lit(None, pl.UInt32),
            char_count=pl.lit(None, pl.UInt32),
        ),
    ]
    return pl.concat(found).select(pl.col(name).cast(dtype) for name, dtype in EVIDENCE_ROWS.items())


def _by_name(profiles: Iterable[Profile]) -> dict[str, Profile]:
    """Key of each name → profile."""
    return {outlet_key(name): profile for profile in profiles for name in profile.names}


def _written(value: str | date | bool) -> str:
    if value is True:
        return "true"
    return value.isoformat() if isinstance(value, date) else str(value)


def _day_of_id(digits: str, shift_bits: int, time_zone: str) -> date | None:
    """The day that a number in an address tells, null where it tells none that a calendar has."""
    try:
        return datetime.fromtimestamp(int(digits) >> shift_bits, UTC).astimezone(ZoneInfo(time_zone)).date()
    except (OverflowError, ValueError, OSError):
        return None


def _of(marks: list[Mark], *roles: str) -> list[Mark]:
    return [mark for mark in marks if mark.role in roles]


def _folded(text: str) -> str:
    return " ".join(text.split())
