"""Parquet files: a row is a record. They are foreign files, so a process that may die reads them."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa

from flows.ingest.documents import Document, Notes, Records, Refusal, document_of, plain_records
from flows.settings import Settings

# Rows of about so many bytes are looked at in one go.
_TABLE_BYTES = 32_000_000


class ParquetReader:
    """Reads Parquet files through a worker process that starts with the first of them and anew after each death.

    A context manager: it ends the worker.
    """

    def __init__(self, folder: Path) -> None:
        """Reader that puts what the worker has read into a hidden file in this folder until it is taken over."""
        self._folder = folder
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __call__(
        self, file: Path, columns: dict[str, str], settings: Settings, notes: Notes
    ) -> Iterator[Document | Records | Refusal]:
        """A document or refusal for each row; a file that cannot be read to its end is one refusal.

        Raises:
            OSError: the file cannot be opened, or the spool not be written.
        """
        with file.open("rb"):
            pass  # what the operating system refuses is no fault of the Parquet format
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".parquet-") as spool:
            request = {
                "file": str(file.absolute()),
                "spool": spool.name,
                "columns": columns,
                "max_bytes": settings.max_container_bytes,
            }
            answer = self._ask(request, settings)
            if answer is None:
                yield Refusal(
                    "unreadable_parquet",
                    f"Reading it failed, or took more than {settings.parquet_timeout_seconds} seconds or "
                    f"{settings.parquet_memory_bytes} bytes of memory: it is corrupt, or too large for "
                    "--set parquet_timeout_seconds=SECONDS or parquet_memory_bytes=BYTES.",
                )
            elif "errno" in answer:
                raise OSError(answer["errno"], os.strerror(answer["errno"]))
            elif "rule" in answer:
                yield Refusal(answer["rule"], answer["detail"])
            else:
                notes.sentences += answer["sentences"]
                yield from _records(Path(spool.name), settings, notes)

    def _ask(self, request: dict[str, object], settings: Settings) -> dict[str, Any] | None:
        """The worker's answer; null if it died or took too long."""
        if self._worker is None:
            # -P: a file in the current folder must not pass for a module.
            command = [sys.executable, "-P", "-m", "flows.ingest.parquet_worker", str(settings.parquet_memory_bytes)]
            self._worker = subprocess.Popen(  # noqa: S603 - our own module, no shell
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        line = b""
        with contextlib.suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
            self._worker.stdin.write(json.dumps(request).encode() + b"\n")
            self._worker.stdin.flush()
            selector.register(self._worker.stdout, selectors.EVENT_READ)
            if selector.select(settings.parquet_timeout_seconds):
                line = self._worker.stdout.readline()
        if not line.endswith(b"\n"):
            self._end()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            for pipe in (self._worker.stdin, self._worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # a request that it died over
                        pipe.close()
            self._worker = None


def _records(spool: Path, settings: Settings, notes: Notes) -> Iterator[Document | Records | Refusal]:
    """The rows of a spool, as columns where they are as they should be, one by one where they are not."""
    first = 0
    for table in _tables(spool):
        values = pl.from_arrow(table)
        assert isinstance(values, pl.DataFrame)
        rows = values.with_row_index("record", first)
        first += rows.height
        plain, others = plain_records(rows, settings.max_record_bytes)
        if not plain.rows.is_empty():
            yield plain
        for row in others.iter_rows(named=True):
            record = row.pop("record")
            found = {column: _decoded(value) for column, value in row.items()}
            yield document_of(record, found, settings.max_record_bytes, notes)


def _tables(spool: Path) -> Iterator[pa.Table]:
    """The batches of a spool put together to tables of about _TABLE_BYTES, mapped into memory."""
    batches: list[pa.RecordBatch] = []
    byte_count = 0
    with pa.memory_map(str(spool)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            batches.append(batch)
            byte_count += batch.nbytes
            if byte_count >= _TABLE_BYTES:
                yield pa.Table.from_batches(batches)
                batches, byte_count = [], 0
        if batches:
            yield pa.Table.from_batches(batches)


def _decoded(value: bytes | None) -> str | bytes | None:
    """The text; the bytes themselves where they are not valid UTF-8."""
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value
