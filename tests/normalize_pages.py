"""Sources made of texts, for the tests of `normalize`."""

import hashlib
from collections.abc import Sequence
from typing import Any

import polars as pl

from flows.normalize.normalize import Normalized, normalize
from flows.normalize.profiles import Profile
from schemas.tables import TABLES

NO_PROVENANCE = pl.DataFrame(schema={"source_id": pl.String, "field": pl.String, "value": pl.String, "rule": pl.String})


def sources_of(texts: Sequence[str]) -> pl.DataFrame:
    """Rows of `sources`, one per text; the uri is the text's index."""
    rows = [
        {
            "source_id": _digest(f"{index}.txt", text),
            "uri": f"{index}.txt",
            "media_type": "text/plain",
            "byte_count": max(1, len(text.encode())),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "encoding": "utf-8",
            "char_count": len(text),
            "text": text,
        }
        for index, text in enumerate(texts)
    ]
    names = TABLES["sources"].dtypes
    return pl.DataFrame([dict.fromkeys(names) | row for row in rows], schema=names)


def normalized(*texts: str, profiles: tuple[Profile, ...] | None = None) -> Normalized:
    return normalize(sources_of(texts), NO_PROVENANCE, profiles)


def roles_of(text: str, profiles: tuple[Profile, ...] | None = None) -> list[tuple[str, str]]:
    """Role and cleaned text of every passage."""
    return list(normalized(text, profiles=profiles).passages.select("role", "text").iter_rows())


def texts_with(role: str, text: str, profiles: tuple[Profile, ...] | None = None) -> list[str]:
    return [found for name, found in roles_of(text, profiles) if name == role]


def article_of(text: str, profiles: tuple[Profile, ...] | None = None) -> dict[str, Any]:
    """The one article of a page."""
    articles = normalized(text, profiles=profiles).articles
    assert articles.height == 1, articles
    return articles.row(0, named=True)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
