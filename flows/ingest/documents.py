"""What readers hand on: documents, refusals, and the values that a record states beside its text."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from flows.errors import UsageError
from flows.printable import UNPRINTABLE, one_line, printable

RECORD_COLUMNS = ("text", "uri", "publisher", "published_date", "retrieved_at")

# RFC 9110 asks servers to understand addresses of at least 8000 octets; a publisher's name is far shorter.
MAX_VALUE_CHARS = 8_000

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
# An http or https address, in a syntax that Python and polars share.
WEB_ADDRESS = r"(?i)^https?://[^\s/<>\"][^\s<>\"]*$"
_WEB_ADDRESS = re.compile(WEB_ADDRESS)

# One row per record that is a document, in order; values are as those of `Document`.
RECORDS = {
    "record": pl.UInt32(),
    "text": pl.String(),
    "uri": pl.String(),
    "publisher": pl.String(),
    "published_date": pl.String(),
    "retrieved_at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document as found: the bytes that are hashed, what they decode to, and what its record says of it.

    Attributes:
        data: the bytes of a file, or the text of a record in UTF-8.
        record: index in the container, from 0; null for a document that is a file.
        uri: the address that a record gives for itself.
        published_date: YYYY-MM-DD.
        retrieved_at: in UTC.
    """

    data: bytes
    text: str
    encoding: str
    record: int | None = None
    uri: str | None = None
    publisher: str | None = None
    published_date: str | None = None
    retrieved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Records that are documents as columns: RECORDS, with texts that were valid UTF-8."""

    rows: pl.DataFrame

    def documents(self) -> Iterator[Document]:
        """The same one by one."""
        for row in self.rows.iter_rows(named=True):
            yield Document(data=row["text"].encode(), encoding="utf-8", **row)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input that was turned away: the rule, and a sentence a person can act on that holds no article text."""

    rule: str
    detail: str
    record: int | None = None


class SpoiltError(Exception):
    """A container cannot be read to its end as its format demands: none of its records counts, but this refusal."""

    def __init__(self, refusal: Refusal) -> None:
        """The refusal of the whole container."""
        super().__init__(refusal.rule)
        self.refusal = refusal


@dataclass
class Notes:
    """What a person should know of one container although nothing was turned away.

    Attributes:
        unclear: column → number of records whose value was not understood, and the first of them.
        sentences: anything else.
    """

    unclear: dict[str, tuple[int, int]] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def add(self, column: str, record: int) -> None:
        """Counts a value that was not understood and left unknown."""
        count, first = self.unclear.get(column, (0, record))
        self.unclear[column] = (count + 1, first)

    def lines(self, uri: str) -> list[str]:
        """One line each, without any value: they come from outside."""
        found = [
            f"{uri}: {column} of {count} record{'s' if count > 1 else ''} (first: record {first}) is not "
            f"{_EXPECTED[column]}; left unknown"
            for column, (count, first) in sorted(self.unclear.items())
        ]
        return [*found, *(f"{uri}: {sentence}" for sentence in self.sentences)]


_EXPECTED = {
    "uri": "one line of text that names the record alone",
    "publisher": "one line of text",
    "published_date": "a date like 2025-10-22",
    "retrieved_at": "a time like 2025-10-22T08:30:00Z",
}


def record_columns(renamed: Mapping[str, str]) -> dict[str, str]:
    """Our column → its name in the containers, for all columns.

    Raises:
        UsageError: a column that records do not have, or an empty name.
    """
    for ours, theirs in renamed.items():
        if ours not in RECORD_COLUMNS:
            raise UsageError(f"--column {printable(ours)}: no such column; there are {', '.join(RECORD_COLUMNS)}")
        if not theirs:
            raise UsageError(f"--column {ours}=: the name of the column in your files is missing")
    return {ours: renamed.get(ours, ours) for ours in RECORD_COLUMNS}


def text_problem(text: str, record: int | None = None) -> Refusal | None:
    """Why a decoded text is no document, if it is none."""
    if not text or text.isspace():
        return Refusal("empty", "There is no text, or only white space.", record)
    if "\0" in text:
        at = text.index("\0")
        return Refusal(
            "nul_character",
            f"Character {at} is NUL, which no text holds: this is binary data, or its encoding is another "
            "(UTF-16 needs a byte order mark). Convert it to UTF-8.",
            record,
        )
    return None


def _parsed(value: str) -> date | datetime | None:
    """An ISO 8601 date or timestamp; a week, a year, a month or digits without hyphens could mean something else."""
    value = value.strip()
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
        if _DAY_AND_TIME.match(value):
            return datetime.fromisoformat(value)
    except ValueError:
        return None
    return None


def day_of(value: object) -> str | None:
    """YYYY-MM-DD of an ISO 8601 date or timestamp, as written there: no time zone is applied. Null if it is neither."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, datetime):
        value = value.date()
    return value.isoformat() if isinstance(value, date) else None


def instant_of(value: object) -> datetime | None:
    """The instant of an ISO 8601 timestamp in UTC, null if it is none.

    Without an offset it is UTC, which is what the column is defined as; a day alone is its midnight.
    """
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # the first and last day of the calendar, moved by their offset
        return None


def web_address(value: str) -> str | None:
    """The value if it is an http or https address, else null."""
    return value if _WEB_ADDRESS.fullmatch(value) else None


def document_of(record: int, values: Mapping[str, object], max_bytes: int, notes: Notes) -> Document | Refusal:
    """A record's document, or why there is none; optional values that are not understood are noted and left unknown.

    Args:
        record: index in the container, from 0.
        values: our columns → values as the container holds them; bytes are text that is not valid UTF-8.
        max_bytes: limit of the text in UTF-8.
        notes: takes what was not understood.
    """
    text = values.get("text")
    if text is None:
        return Refusal(
            "text_missing",
            "The record has no text; if its text has another name, say so with --column text=NAME.",
            record,
        )
    if isinstance(text, bytes):
        return Refusal("invalid_utf8", "The text is not valid UTF-8; write the file again as UTF-8.", record)
    if not isinstance(text, str):
        return Refusal("text_not_string", "The text is not a string; name the right column with --column.", record)
    problem = text_problem(text, record)
    if problem:
        return problem
    data = text.encode()
    if len(data) > max_bytes:
        return too_large(max_bytes, record)

    stated = {column: value for column, value in values.items() if value is not None and value != ""}
    uri, publisher = (_line_of(stated.get(column)) for column in ("uri", "publisher"))
    published_date = day_of(stated.get("published_date"))
    retrieved_at = instant_of(stated.get("retrieved_at"))
    understood = {"uri": uri, "publisher": publisher, "published_date": published_date, "retrieved_at": retrieved_at}
    for column, value in understood.items():
        if value is None and column in stated:
            notes.add(column, record)
    return Document(
        data=data,
        text=text,
        encoding="utf-8",
        record=record,
        uri=uri,
        publisher=publisher,
        published_date=published_date,
        retrieved_at=retrieved_at,
    )


def plain_records(records: pl.DataFrame, max_bytes: int) -> tuple[Records, pl.DataFrame]:
    """Tell records that are documents at first sight from those that `document_of` must look at one by one.

    Args:
        records: `record`, and RECORD_COLUMNS as bytes, null where there is no value.
        max_bytes: limit of the text in UTF-8.

    Returns:
        The documents, and the other rows of `records`.
    """
    is_valid = pl.repeat(value=True, n=records.height, dtype=pl.Boolean, eager=True)
    for column in RECORD_COLUMNS:
        is_valid &= _is_utf8(records[column])
    others = records.filter(~is_valid)
    records = records.filter(is_valid)
    values = records.with_columns(pl.col(RECORD_COLUMNS).cast(pl.String)).with_columns(
        pl.when(pl.col(RECORD_COLUMNS) != "").then(pl.col(RECORD_COLUMNS))
    )
    days, instants = _parsed_once(values["published_date"], day_of), _parsed_once(values["retrieved_at"], instant_of)
    text = pl.col("text")
    is_plain = (
        text.is_not_null()
        & (text.str.len_bytes() <= max_bytes)
        & ~text.str.contains("\0", literal=True)
        & text.str.contains(_INK)
        & _is_line("uri")
        & _is_line("publisher")
    )
    is_known = (days.is_null() == values["published_date"].is_null()) & (
        instants.is_null() == values["retrieved_at"].is_null()
    )
    is_plain_row = values.select(is_plain.fill_null(value=False)).to_series() & is_known
    rows = values.with_columns(published_date=days, retrieved_at=instants).filter(is_plain_row)
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in RECORDS.items())
    return Records(rows), pl.concat([others, records.filter(~is_plain_row)]).sort("record")


# A character that is no white space, neither to Unicode nor to Python.
_INK = r"[^\s\x1c-\x1f]"


def _is_utf8(values: pl.Series) -> pl.Series:
    """Whether each value is valid UTF-8; they are looked at one by one only if not all of them are."""
    try:
        values.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([value is None or _decodes(value) for value in values], dtype=pl.Boolean)
    return pl.repeat(value=True, n=len(values), dtype=pl.Boolean, eager=True)


def _decodes(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_line(column: str) -> pl.Expr:
    """Whether a value is what `one_line` makes of it; none is fine."""
    value = pl.col(column)
    is_line = (
        (value.str.len_chars() <= MAX_VALUE_CHARS)
        & ~value.str.contains(UNPRINTABLE)
        & (value.str.strip_chars() == value)
    )
    return value.is_null() | is_line


def _parsed_once(values: pl.Series, parse: Callable[[object], Any]) -> pl.Series:
    """What each value is parsed to; few of the days and times in a container differ."""
    different = values.unique().drop_nulls()
    parsed = [parse(value) for value in different]
    dtype = RECORDS[values.name]
    return values.replace_strict(different, pl.Series(parsed, dtype=dtype), default=None, return_dtype=dtype)


def _line_of(value: object) -> str | None:
    return one_line(value, MAX_VALUE_CHARS) if isinstance(value, str) else None


def too_large(max_bytes: int, record: int | None = None) -> Refusal:
    """The refusal of a file or record beyond the limit."""
    return Refusal(
        "too_large",
        f"Larger than {max_bytes} bytes; split it, or raise the limit with --set max_record_bytes=BYTES.",
        record,
    )
