"""Reader and scorers for `tests/pages`: made-up saved pages whose truth is written beside and inside their text.

`tests/pages/README.md` describes the format for people who write pages.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from schemas.columns import ARTICLE_KINDS, BASES, RIGHTS_POLICIES, ROLES

PAGES = Path(__file__).parent / "pages"

FENCE = "+++\n"
MARKER = re.compile(r"⟦([^⟦⟧\n]*)⟧")
LINE_ENDINGS = {"lf": "\n", "crlf": "\r\n"}
PAGE_KEYS = {"note", "line_ending", "article"}

# The metadata of an article that truth speaks of, without `ordinal` and `authors`, which are no single text values.
VALUE_FIELDS = (
    "kind",
    "title",
    "publisher",
    "republisher",
    "published_date",
    "published_date_basis",
    "canonical_url",
    "rights_statement",
    "rights_policy",
    "is_ai_generated",
    "translated_from",
    "language",
)
# Of a language only the primary subtag counts: zh, zh-Hans and zh-CN are all right for a Chinese page.
LANGUAGE_FIELDS = ("language", "translated_from")

Value = str | date | bool | None


class PageFormatError(ValueError):
    """A page does not keep to the format."""


@dataclass(frozen=True)
class RoleSpan:
    """A run of text in one role; `allowed` names the role first and the alternatives after it.

    Offsets count code points of the page's text, `end` is exclusive.
    """

    start: int
    end: int
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class ExpectedArticle:
    """The truth about one article of a page.

    Attributes:
        ordinal: place among the articles of the page, from 0.
        start: code point where the article begins.
        end: code point after its last one.
        values: field → value, for every name of VALUE_FIELDS; null is unknown, `rights_policy` then `unknown`.
        authors: in the order of the byline; empty where nobody is named.
        optional: fields for which null (`unknown`, no authors) is right too, because to state them is a judgement.
        also: field → further values that are as right as the first.
    """

    ordinal: int
    start: int
    end: int
    values: dict[str, Value]
    authors: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    also: dict[str, tuple[Value, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page as it would be ingested, and its truth.

    Attributes:
        name: file name without suffix; its last letter names the set that it is of.
        text: the page without front matter and markers.
        roles: runs of text in reading order, without overlap; they cover all that `is_scored`.
        articles: by ordinal.
    """

    name: str
    text: str
    roles: list[RoleSpan]
    articles: list[ExpectedArticle]


def load(path: Path) -> Page:
    """Read one annotated page.

    Raises:
        PageFormatError: the front matter is no TOML or has unknown keys, a marker is unknown or out of place, text
            has no role, or the articles of front matter and text differ. The message begins with the file's name.
    """
    try:
        return parse(path.stem, path.read_text(encoding="utf-8"))
    except PageFormatError as error:
        raise PageFormatError(f"{path.name}: {error}") from error


def load_all(folder: Path = PAGES) -> list[Page]:
    """Read all pages of a folder, by name."""
    return [load(path) for path in sorted(folder.glob("*.txt"))]


def parse(name: str, content: str) -> Page:
    """Parse the content of a page file; raises PageFormatError as `load` does."""
    if not content.startswith(FENCE) or f"\n{FENCE}" not in content:
        raise PageFormatError("front matter must stand between two lines of +++")
    front, _, marked = content.removeprefix(FENCE).partition(f"\n{FENCE}")
    try:
        meta = tomllib.loads(front)
    except tomllib.TOMLDecodeError as error:
        raise PageFormatError(f"front matter: {error}") from error
    if unknown := meta.keys() - PAGE_KEYS:
        raise PageFormatError(f"front matter: unknown {sorted(unknown)}")
    line_ending = meta.get("line_ending", "lf")
    if line_ending not in LINE_ENDINGS:
        raise PageFormatError(f"line_ending: {line_ending!r} is none of {sorted(LINE_ENDINGS)}")

    text, roles, extents = _unmark(marked.replace("\n", LINE_ENDINGS[line_ending]))
    articles = [_expected(entry, extents) for entry in meta.get("article", [])]
    if [article.ordinal for article in articles] != list(range(len(extents))):
        raise PageFormatError(f"front matter and text must both have the articles 0 to n, in order: {sorted(extents)}")
    return Page(name, text, roles, articles)


def _unmark(marked: str) -> tuple[str, list[RoleSpan], dict[int, tuple[int, int]]]:
    """Take the markers out: the text, its roles, and article ordinal → (start, end) without outer white space."""
    pieces = MARKER.split(marked)  # text, marker, text, marker, …, text
    text = ""
    roles: list[RoleSpan] = []
    extents: dict[int, tuple[int, int]] = {}
    allowed: tuple[str, ...] | None = None
    role_start = 0
    article: tuple[int, int] | None = None  # ordinal, start
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            if allowed is None and any(map(is_scored, piece)):
                raise PageFormatError(f"text before the first role marker: {piece.strip()[:40]!r}")
            text += piece
        elif re.fullmatch(r"U\+[0-9A-F]{4,6}", piece):
            text += chr(int(piece[2:], 16))
        elif opening := re.fullmatch(r"article (\d+)", piece):
            if article is not None or int(opening[1]) in extents:
                raise PageFormatError(f"⟦{piece}⟧: articles do not nest and open once")
            article = int(opening[1]), len(text)
        elif piece == "/article":
            if article is None:
                raise PageFormatError("⟦/article⟧ closes nothing")
            extents[article[0]] = _stripped(text, article[1], len(text))
            article = None
        else:
            if unknown := set(piece.split("|")) - ROLES.keys():
                raise PageFormatError(f"⟦{piece}⟧: no role is called {sorted(unknown)}")
            if allowed is not None and role_start < len(text):
                roles.append(RoleSpan(role_start, len(text), allowed))
            allowed, role_start = tuple(piece.split("|")), len(text)
    if article is not None:
        raise PageFormatError(f"article {article[0]} is not closed")
    if allowed is not None and role_start < len(text):
        roles.append(RoleSpan(role_start, len(text), allowed))
    if "⟦" in text or "⟧" in text:
        raise PageFormatError("a bracket of a marker stands alone")
    return text, roles, extents


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _expected(entry: dict[str, Any], extents: dict[int, tuple[int, int]]) -> ExpectedArticle:
    """One `[[article]]` of the front matter, checked."""
    allowed = {"ordinal", "authors", "optional", "also", *VALUE_FIELDS}
    ordinal = entry.get("ordinal")
    if not isinstance(ordinal, int) or ordinal not in extents:
        raise PageFormatError(f"article {ordinal}: no such article in the text")
    if unknown := entry.keys() - allowed:
        raise PageFormatError(f"article {ordinal}: unknown {sorted(unknown)}")
    optional, also = frozenset(entry.get("optional", [])), entry.get("also", {})
    if unknown := (optional | also.keys()) - {"authors", *VALUE_FIELDS}:
        raise PageFormatError(f"article {ordinal}: no field is called {sorted(unknown)}")
    values: dict[str, Value] = {name: entry.get(name) for name in VALUE_FIELDS}
    values["rights_policy"] = entry.get("rights_policy", "unknown")
    enumerations = {"kind": ARTICLE_KINDS, "published_date_basis": (*BASES, None), "rights_policy": RIGHTS_POLICIES}
    for name, choices in enumerations.items():
        if values[name] not in choices:
            raise PageFormatError(f"article {ordinal}: {name} is none of {choices}")
    if (values["published_date"] is None) != (values["published_date_basis"] is None):
        raise PageFormatError(f"article {ordinal}: a date needs its basis, and the other way round")
    if values["is_ai_generated"] is False:
        raise PageFormatError(f"article {ordinal}: is_ai_generated is true or left out")
    return ExpectedArticle(
        ordinal=ordinal,
        start=extents[ordinal][0],
        end=extents[ordinal][1],
        values=values,
        authors=tuple(entry.get("authors", ())),
        optional=optional,
        also={name: tuple(alternatives) for name, alternatives in also.items()},
    )


def is_scored(character: str) -> bool:
    """Whether a character counts: white space, control and zero-width characters have no role worth a score."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def role_accuracy(page: Page, passages: pl.DataFrame) -> tuple[int, int]:
    """How much of a page carries a right role.

    Args:
        page: the truth.
        passages: `role, char_start, char_count` of this page alone, one row per passage.

    Returns:
        Characters whose one passage has a right role, and all characters that count. A character that no passage or
        more than one covers is wrong.
    """
    scored = [(index, span) for span in page.roles for index in range(span.start, span.end)]
    scored = [(index, span) for index, span in scored if is_scored(page.text[index])]
    found = _roles_found(page, passages)
    return sum(found[index] in span.allowed for index, span in scored), len(scored)


def role_errors(page: Page, passages: pl.DataFrame) -> list[str]:
    """What `role_accuracy` counts as wrong, one line per run: `start-end expected → found: text`."""
    found = _roles_found(page, passages)
    errors = []
    for span in page.roles:
        start = span.start
        while start < span.end:
            end = start + 1
            while end < span.end and found[end] == found[start]:
                end += 1
            if found[start] not in span.allowed and any(map(is_scored, page.text[start:end])):
                snippet = " ".join(page.text[start:end].split())
                errors.append(f"{start}-{end} {'|'.join(span.allowed)} → {found[start]}: {snippet[:80]}")
            start = end
    return errors


def _roles_found(page: Page, passages: pl.DataFrame) -> list[str | None]:
    """The role of each code point; null where no passage covers it, `overlap` where several do."""
    found: list[str | None] = [None] * len(page.text)
    for role, start, count in passages.select("role", "char_start", "char_count").iter_rows():
        if start + count > len(page.text):
            raise ValueError(f"a passage ends at {start + count}, the page at {len(page.text)}")
        for index in range(start, start + count):
            found[index] = role if found[index] is None else "overlap"
    return found


def metadata_errors(page: Page, articles: pl.DataFrame) -> list[str]:
    """Values that are wrong or invented, and articles too few or too many: what must never happen.

    Args:
        page: the truth.
        articles: the table's columns for this page alone, one row per article.

    Returns:
        A line each: `article 0 publisher: expected …, found …`. Stated values that are merely null are not here but
        in `metadata_missing`.
    """
    pairs, errors = _matched(page, articles)
    for expected, found in pairs:
        label = f"article {expected.ordinal}"
        for name in VALUE_FIELDS:
            if not _is_null(name, found[name]) and not _is_right(expected, name, found[name]):
                errors.append(f"{label} {name}: expected {expected.values[name]!r}, found {found[name]!r}")
        authors = [_folded(author) for author in found["authors"] or []]
        rightful = [*expected.authors, *expected.also.get("authors", ())]
        errors += [f"{label} authors: {author!r} is nobody's name here" for author in authors if author not in rightful]
        in_order = [author for author in rightful if author in authors]
        if [author for author in authors if author in rightful] != in_order:
            errors.append(f"{label} authors: expected the order {in_order}, found {authors}")
    return errors


def metadata_missing(page: Page, articles: pl.DataFrame) -> list[str]:
    """Values that the page states and the article lacks; the same arguments and form as `metadata_errors`."""
    missing = []
    for expected, found in _matched(page, articles)[0]:
        label = f"article {expected.ordinal}"
        missing += [
            f"{label} {name}: expected {expected.values[name]!r}, found nothing"
            for name in VALUE_FIELDS
            if _is_null(name, found[name])
            and not _is_null(name, expected.values[name])
            and name not in expected.optional
            # A date that is missing takes its basis along.
            and not (name == "published_date_basis" and found["published_date"] is None)
        ]
        if "authors" not in expected.optional:
            authors = {_folded(author) for author in found["authors"] or []}
            absent = [author for author in expected.authors if author not in authors]
            # Another spelling of a name stands for one that is absent.
            spelt_otherwise = len(authors.intersection(expected.also.get("authors", ())))
            missing += [f"{label} authors: expected {author!r}" for author in absent[spelt_otherwise:]]
    return missing


def extent_agreement(page: Page, articles: pl.DataFrame) -> list[float]:
    """Jaccard similarity of expected and found extent per expected article, by ordinal; 0 where it was not found.

    Where an article ends and its page goes on is often a judgement: this is a number to watch, not an error.
    """
    agreement = [0.0] * len(page.articles)
    for expected, found in _matched(page, articles)[0]:
        start, end = found["char_start"], found["char_start"] + found["char_count"]
        shared = _scored_count(page, max(start, expected.start), min(end, expected.end))
        total = _scored_count(page, start, end) + _scored_count(page, expected.start, expected.end) - shared
        agreement[expected.ordinal] = shared / total
    return agreement


def _scored_count(page: Page, start: int, end: int) -> int:
    return sum(map(is_scored, page.text[start:end])) if start < end else 0


def _matched(page: Page, articles: pl.DataFrame) -> tuple[list[tuple[ExpectedArticle, dict[str, Any]]], list[str]]:
    """Expected and found articles that belong together, and what was found too few or too many.

    Each expected article, in order, takes the one not yet taken that shares most of its extent with it.
    """
    rows = articles.sort("char_start", "ordinal").to_dicts()
    pairs, errors = [], []
    for expected in page.articles:
        shared = [
            _scored_count(
                page, max(row["char_start"], expected.start), min(row["char_start"] + row["char_count"], expected.end)
            )
            for row in rows
        ]
        if max(shared, default=0) == 0:
            errors.append(f"article {expected.ordinal}: not found")
            continue
        pairs.append((expected, rows.pop(shared.index(max(shared)))))
    errors += [f"an article that is none at {row['char_start']}: {row['kind']}" for row in rows]
    return pairs, errors


def _is_null(name: str, value: Value) -> bool:
    return value is None or (name == "rights_policy" and value == "unknown")


def _is_right(expected: ExpectedArticle, name: str, value: Value) -> bool:
    return _comparable(name, value) in {
        _comparable(name, right) for right in (expected.values[name], *expected.also.get(name, ()))
    }


def _comparable(name: str, value: Value) -> Value:
    if not isinstance(value, str):
        return value
    return value.partition("-")[0] if name in LANGUAGE_FIELDS else _folded(value)


def _folded(value: str) -> str:
    """White space folded and characters dropped that nobody sees: how a value was broken into lines says nothing."""
    return " ".join("".join(c for c in value if c.isspace() or is_scored(c)).split())
