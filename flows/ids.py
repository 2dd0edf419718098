"""Identifiers: what each is made from, so that every stage derives the same one.

All that is made of one document shares its first 8 hexadecimal digits, those of its place: its source, passages,
articles and evidence lie in one range of ids, and a shard that holds a range of sources holds all of their rows.

| id | digits |
| --- | --- |
| place | 16 of the SHA-256 of the place: uri, and the record where it is needed |
| `source_id` | the first 8 of the place, then 8 of the SHA-256 of place and bytes |
| `article_id` | the place, `-`, the ordinal of the article in its source |
| `passage_id` | the `source_id`, `-`, the ordinal of the passage in its source |

Two places have the same id with a chance of 2⁻⁶⁴, and so have the sources of two places, as both halves must agree:
with ten million documents the chance of any collision is about 3 in a million (n² / 2⁶⁵), and it fails the uniqueness
check of the tables. Two versions of one document, which never stand in one release, share half of their `source_id` by
design and the other half with a chance of 2⁻³²; their `sha256` tells them apart for certain. Ids name, they do not
prove: whoever can choose both an address and a text can find a pair of them with another's id in some 2³³ hashes.
"""

import hashlib

import polars as pl

from flows.buffers import text_runs

# Stands between the parts of what is hashed. No uri holds it: ingest escapes control characters in them.
_SEPARATOR = "\0"

# Digits of an id that come from the place alone, whatever the id is of.
PLACE_DIGITS = 8


def _digest(*parts: str | int | None) -> str:
    """16 hexadecimal digits; null and the empty text are the same part."""
    joined = _SEPARATOR.join("" if part is None else str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def own_record(uri: str, container: str | None, record: int | None) -> int | None:
    """The record's index where it is needed to name the document, else null.

    A record that states its own uri is named by that alone, so that re-sorting its container changes no id.
    """
    return record if container is not None and uri == container else None


def place_id(uri: str, container: str | None, record: int | None) -> str:
    """Names where a document stands, whatever its bytes are: 16 hexadecimal digits over uri and, if needed, record."""
    return _digest(uri, own_record(uri, container, record))


def source_id(uri: str, container: str | None, record: int | None, sha256: str) -> str:
    """Names a document by its place and its bytes (through their SHA-256): 16 hexadecimal digits."""
    own = own_record(uri, container, record)
    return _digest(uri, own)[:PLACE_DIGITS] + _digest(uri, own, sha256)[PLACE_DIGITS:]


_URI = pl.col("uri").fill_null("")
# `own_record` of rows of `sources`, as text.
_OWN_RECORD = (
    pl.when(pl.col("container").is_not_null() & (pl.col("uri") == pl.col("container")))
    .then(pl.col("record").cast(pl.String))
    .fill_null("")
)


def place_ids(sources: pl.DataFrame) -> pl.Series:
    """`place_id` of each row of `sources`, in the order of its rows."""
    return _digests(sources, pl.concat_str(_URI, _OWN_RECORD, separator=_SEPARATOR)).rename("place_id")


def source_ids(sources: pl.DataFrame) -> pl.Series:
    """`source_id` of each row of `sources`, in the order of its rows."""
    with_bytes = _digests(sources, pl.concat_str(_URI, _OWN_RECORD, "sha256", separator=_SEPARATOR))
    halves = place_ids(sources).str.head(PLACE_DIGITS), with_bytes.str.tail(PLACE_DIGITS)
    return (halves[0] + halves[1]).rename("source_id")


def _digests(sources: pl.DataFrame, joined: pl.Expr) -> pl.Series:
    """`_digest` of each row; a Python loop, because polars has no SHA-256, of less than a microsecond a row."""
    values = sources.select(joined.cast(pl.Binary)).to_series()
    return pl.Series([hashlib.sha256(value).hexdigest()[:16] for value in values], dtype=pl.String)


def sha256_of(texts: pl.Series) -> pl.Series:
    """SHA-256 of each text in UTF-8, in hexadecimal digits; null of null."""
    digests: list[str] = []
    for data, starts, stops in text_runs(texts):
        places = zip(starts.tolist(), stops.tolist(), strict=True)
        digests += [hashlib.sha256(data.data[start:stop]).hexdigest() for start, stop in places]
    return pl.Series("sha256", digests, dtype=pl.String).set(texts.is_null(), None)


def article_id(place: pl.Expr, ordinal: pl.Expr) -> pl.Expr:
    """`article_id` from the place of the source and the ordinal of the article in it, from 0."""
    return pl.concat_str(place, pl.lit("-"), ordinal.cast(pl.String).str.zfill(2))


def passage_id(source: pl.Expr, ordinal: pl.Expr) -> pl.Expr:
    """`passage_id` from the `source_id` and the ordinal of the passage in the source, from 0."""
    return pl.concat_str(source, pl.lit("-"), ordinal.cast(pl.String).str.zfill(4))


def reject_id(
    stage: str,
    rule: str,
    uri: str,
    record: int | None = None,
    *,
    table: str | None = None,
    row_key: str | None = None,
) -> str:
    """Names a row of `rejects` by stage, rule, place and row: 16 hexadecimal digits."""
    return _digest(stage, rule, uri, record, table, row_key)
