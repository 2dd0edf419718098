"""Parquet files: a row is a record. They are foreign files, so a process that may die reads them."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa

from flows.ingest.documents import Document, Notes, Records, Refusal, SpoiltError, document_of, plain_records
from flows.ingest.patient import PatientPipe
from flows.settings import Settings

# Rows of about so many bytes are looked at in one go.
_TABLE_BYTES = 32_000_000


class ParquetReader:
    """Reads Parquet files through a worker process that starts with the first of them and anew after each death.

    A context manager: it ends the worker.
    """

    def __init__(self) -> None:
        """A reader that has no worker yet."""
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            _end(self._worker)

    def __call__(
        self, file: Path, columns: dict[str, str], settings: Settings, notes: Notes
    ) -> Iterator[Document | Records | Refusal]:
        """A document or refusal for each row, while the worker reads on.

        Raises:
            OSError: the file cannot be opened.
            SpoiltError: it cannot be read to its end.
        """
        with file.open("rb"):
            pass  # what the operating system refuses is no fault of the Parquet format
        request = {
            "file": str(file.absolute()),
            "columns": columns,
            "max_bytes": settings.max_container_bytes,
            "seconds": settings.parquet_timeout_seconds,
        }
        said: dict[str, Any] = {}
        with self._asked(request, settings) as answer:
            try:
                yield from _records(_batches(answer, said), settings, notes)
            except _NoAnswerError as error:
                raise SpoiltError(
                    Refusal(
                        "unreadable_parquet",
                        f"Reading it failed, or took more than {settings.parquet_timeout_seconds} seconds or "
                        f"{settings.parquet_memory_bytes} bytes of memory: it is corrupt, or too large for "
                        "--set parquet_timeout_seconds=SECONDS or parquet_memory_bytes=BYTES.",
                    )
                ) from error
        if "rule" in said:
            raise SpoiltError(Refusal(said["rule"], said["detail"]))
        notes.sentences += said["sentences"]

    @contextlib.contextmanager
    def _asked(self, request: dict[str, object], settings: Settings) -> Iterator[io.BufferedReader]:
        """The worker's answer to a request; it gets another one only if this one's answer was read to its end."""
        worker = self._worker or _started(settings.parquet_memory_bytes)
        self._worker = None
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it died: there will be no answer
                worker.stdin.write(json.dumps(request).encode() + b"\n")
                worker.stdin.flush()
            yield io.BufferedReader(PatientPipe(worker.stdout, settings.parquet_timeout_seconds))
            self._worker = worker
        finally:
            if self._worker is None:
                _end(worker)


class _NoAnswerError(Exception):
    """The worker died or took too long."""


def _started(memory_bytes: int) -> subprocess.Popen[bytes]:
    # -P: a file in the current folder must not pass for a module.
    command = [sys.executable, "-P", "-m", "flows.ingest.parquet_worker", str(memory_bytes)]
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # a request that it died over
                pipe.close()


def _batches(answer: io.BufferedReader, said: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """The rows of an answer; what is said behind them is put into `said`.

    Raises:
        _NoAnswerError: the answer breaks off.
    """
    try:
        with pa.ipc.open_stream(answer) as stream:
            for batch in stream:
                batch.validate(full=True)  # what kills the worker may have spoilt its memory before
                yield batch
        line = answer.readline()
        if not line.endswith(b"\n"):
            raise _NoAnswerError
        said.update(json.loads(line))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _NoAnswerError from error


def _records(
    batches: Iterable[pa.RecordBatch], settings: Settings, notes: Notes
) -> Iterator[Document | Records | Refusal]:
    """Rows as columns where they are as they should be, one by one where they are not."""
    first = 0
    for table in _tables(batches):
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


def _tables(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together to tables of about _TABLE_BYTES."""
    waiting: list[pa.RecordBatch] = []
    byte_count = 0
    for batch in batches:
        waiting.append(batch)
        byte_count += batch.nbytes
        if byte_count >= _TABLE_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, byte_count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _decoded(value: bytes | None) -> str | bytes | None:
    """The text; the bytes themselves where they are not valid UTF-8."""
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value
