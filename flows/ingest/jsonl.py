"""JSON lines, plain or compressed with gzip: a line is a record."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import orjson

from flows.ingest.documents import Document, Notes, Refusal, SpoiltError, document_of
from flows.settings import Settings

_CHUNK_BYTES = 1 << 20


def records_of_jsonl(
    file: Path, columns: dict[str, str], settings: Settings, notes: Notes
) -> Iterator[Document | Refusal]:
    """One document or refusal per line that is not blank, in order.

    Raises:
        OSError: the file cannot be read.
    """
    with BufferedReader(file.open("rb", buffering=0), _CHUNK_BYTES) as stream:
        yield from _records(stream, columns, settings, notes)


def records_of_jsonl_gz(
    file: Path, columns: dict[str, str], settings: Settings, notes: Notes
) -> Iterator[Document | Refusal]:
    """As `records_of_jsonl`. A file that is cut or corrupt, or unpacks to too much, is one refusal as a whole.

    Raises:
        OSError: the file cannot be read.
        SpoiltError: it cannot be unpacked to its end; gzip tells only there whether what it gave was right.
    """
    with gzip.open(file, "rb") as packed:
        unpacked = BufferedReader(_Unpacked(packed, settings.max_container_bytes), _CHUNK_BYTES)
        yield from _records(unpacked, columns, settings, notes)


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to.

    Raises:
        SpoiltError: it is cut or corrupt, or that is too much.
    """

    def __init__(self, file: gzip.GzipFile, max_bytes: int) -> None:
        self._file = file
        self._bytes_left = max_bytes
        self._max_bytes = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            byte_count = self._file.readinto(buffer)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SpoiltError(
                Refusal("corrupt_gzip", "The gzip data is cut or corrupt; fetch or compress the file again.")
            ) from error
        self._bytes_left -= byte_count
        if self._bytes_left < 0:
            raise SpoiltError(
                Refusal(
                    "too_large",
                    f"Unpacks to more than {self._max_bytes} bytes; split it, or raise the limit with "
                    "--set max_container_bytes=BYTES.",
                )
            )
        return byte_count


def _records(
    stream: "BufferedReader[Any]", columns: dict[str, str], settings: Settings, notes: Notes
) -> Iterator[Document | Refusal]:
    if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        yield Refusal("not_utf8", "The file is UTF-16 and JSON lines must be UTF-8; convert it with iconv -t UTF-8.")
        return
    record = -1
    seen: set[str] = set()
    for line in _lines(stream, settings.max_record_bytes):
        if line is None:
            record += 1
            yield Refusal(
                "too_large",
                f"The line is longer than {settings.max_record_bytes} bytes; raise the limit with "
                "--set max_record_bytes=BYTES.",
                record,
            )
        elif line.strip():
            record += 1
            values = _values(line, record)
            if isinstance(values, Refusal):
                yield values
                continue
            seen.update(name for name in columns.values() if name in values)
            yield document_of(
                record,
                {ours: values.get(theirs) for ours, theirs in columns.items()},
                settings.max_record_bytes,
                notes,
            )
    if record >= 0:
        notes.sentences += [
            f'no record has "{theirs}", which --column names for {ours}'
            for ours, theirs in columns.items()
            if ours not in ("text", theirs) and theirs not in seen
        ]


def _lines(stream: "BufferedReader[Any]", max_bytes: int) -> Iterator[bytes | None]:
    """Lines without a byte order mark before the first; null for one that is too long, which is never held whole."""
    start = stream.readline(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
    while line := start if start.endswith(b"\n") else start + stream.readline(max(max_bytes + 1 - len(start), 0)):
        start = b""
        if len(line) <= max_bytes or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK_BYTES)
        yield None


def _values(line: bytes, record: int) -> dict[str, object] | Refusal:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode()
        except UnicodeDecodeError as undecodable:
            return Refusal(
                "invalid_utf8",
                f"Byte {undecodable.start} of the line is not valid UTF-8; write the file again as UTF-8.",
                record,
            )
        if "surrogate" in error.msg:
            return Refusal(
                "lone_surrogate",
                f"Near character {error.pos} of the line an escape is half of a character (a surrogate alone); "
                "write the file again with a JSON library.",
                record,
            )
        return Refusal(
            "invalid_json",
            f"The line is not valid JSON (near character {error.pos}); each line must hold one whole object.",
            record,
        )
    if not isinstance(values, dict):
        return Refusal("not_an_object", "The line is JSON but no object; each line must be like {…}.", record)
    return values
