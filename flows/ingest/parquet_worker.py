"""Reads foreign Parquet files in a process of its own, which may die: `python -m flows.ingest.parquet_worker`.

A corrupt Parquet file can abort the process that reads it, and a hostile one can ask for more memory than there is.
Each request is a line of JSON on the standard input. It is answered on the standard output by the rows wanted (an Arrow
IPC stream, one binary column each of ours) while the file is being read, and behind them by a line of JSON, which
tells whether the file was read to its end without an error: if not, the rows count for nothing.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Few, because what a row holds is bounded only after it was read: the memory limit of the process is for this many.
BATCH_ROWS = 64
# A batch of more bytes is handed over row by row, so that the caller never holds much more than a row at once.
_MESSAGE_BYTES = 16_000_000
_BUFFER_BYTES = 1 << 20
# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def _is_text(dtype: pa.DataType) -> bool:
    return any(
        test(dtype)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
        )
    )


def _plain(dtype: pa.DataType) -> pa.DataType:
    return dtype.value_type if pa.types.is_dictionary(dtype) else dtype


def _is_readable(column: str, dtype: pa.DataType) -> bool:
    if _is_text(dtype):
        return True
    return column in ("published_date", "retrieved_at") and (pa.types.is_date(dtype) or pa.types.is_timestamp(dtype))


def _as_binary(column: str, values: pa.Array) -> pa.Array:
    """Values of a readable type as bytes: text as it is (it may not be valid UTF-8), dates and times as ISO 8601.

    Raises:
        pa.ArrowInvalid: the time zone of a timestamp is none.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_timestamp(values.type):
        if values.type.unit == "ns":
            # Python has none. Only this is never too large: the last instant that fits, by which programs mean that
            # there is none, would become one of 1970 if it were milliseconds, and one of 1677 if it were moved first.
            values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
        if values.type.tz is not None and column == "published_date":
            values = pc.local_timestamp(values)  # the day as it was written
        values = values.cast(pa.timestamp(values.type.unit, values.type.tz and "UTC"))
    if not _is_text(values.type):
        values = values.cast(pa.string())
    return values.cast(pa.large_binary())


def _refusal(rule: str, detail: str) -> dict[str, Any]:
    return {"rule": rule, "detail": detail}


def _chosen(schema: pa.Schema, columns: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Our columns that can be read → their names, and a sentence on each that cannot although it is there or named."""
    chosen, sentences = {}, []
    for ours, theirs in columns.items():
        found = schema.get_all_field_indices(theirs)
        if not found:
            if ours not in ("text", theirs):
                sentences.append(f'there is no column "{theirs}", which --column names for {ours}')
        elif len(found) > 1:
            sentences.append(f"there are {len(found)} columns for {ours}; none was read")
        elif not _is_readable(ours, _plain(schema.field(found[0]).type)):
            sentences.append(f"the column for {ours} has a type that cannot hold it; it was not read")
        else:
            chosen[ours] = theirs
    return chosen, sentences


def _batches(
    file: pq.ParquetFile, chosen: dict[str, str], columns: dict[str, str], unreadable: set[str]
) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(BATCH_ROWS, columns=list(set(chosen.values())), use_threads=False):
        arrays = {}
        for ours in columns:
            arrays[ours] = pa.nulls(batch.num_rows, pa.large_binary())
            if ours in chosen:
                try:
                    arrays[ours] = _as_binary(ours, batch.column(chosen[ours]))
                except pa.ArrowInvalid:
                    if ours == "text":
                        raise
                    unreadable.add(ours)
        yield pa.record_batch(arrays)


def _rows(request: dict[str, Any]) -> Iterator[pa.RecordBatch | dict[str, Any]]:
    """The wanted columns of a Parquet file batch by batch; at last sentences to note, or a refusal.

    Raises:
        pa.ArrowException, OSError, ValueError, MemoryError: the file cannot be read any further.
    """
    columns: dict[str, str] = request["columns"]
    byte_count = 0
    unreadable: set[str] = set()
    with (
        Path(request["file"]).open("rb") as stream,  # pyarrow cannot open names that are not valid UTF-8
        pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True) as file,
    ):
        chosen, sentences = _chosen(file.schema_arrow, columns)
        if "text" not in chosen:
            yield _refusal(
                "text_column_missing",
                "There is no single column of texts with the name that is looked for; name it with --column text=NAME.",
            )
            return
        for batch in _batches(file, chosen, columns, unreadable):
            byte_count += batch.nbytes
            if byte_count > request["max_bytes"]:
                yield _refusal(
                    "too_large",
                    f"Unpacks to more than {request['max_bytes']} bytes; split it, or raise the limit with "
                    "--set max_container_bytes=BYTES.",
                )
                return
            yield batch
    sentences += [f"the time zone of the column for {ours} is unknown; not all of it was read" for ours in unreadable]
    yield {"sentences": sorted(sentences)}


def _read(request: dict[str, Any]) -> Iterator[pa.RecordBatch | dict[str, Any]]:
    """The same, with a refusal at the end of what can be read."""
    try:
        yield from _rows(request)
    except MemoryError:
        yield _refusal(
            "unreadable_parquet",
            "Reading it takes more memory than the process that does so may have: it is corrupt, or its rows are too "
            "long; raise the limit with --set parquet_memory_bytes=BYTES.",
        )
    except (pa.ArrowException, OSError, ValueError):
        yield _refusal("unreadable_parquet", "The file cannot be read as Parquet: it is cut, corrupt or no such file.")


def answer(request: dict[str, Any], sink: BinaryIO) -> None:
    """Writes the rows of a Parquet file and what is to be said of it; errors of the sink are not caught.

    Args:
        request: `file` (path), `columns` (ours → theirs), `max_bytes` of all values together, `seconds` of processor
            time, after which the system ends this process.
        sink: takes an Arrow IPC stream and a line of JSON.
    """
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    said: dict[str, Any] = {}
    schema = pa.schema([(ours, pa.large_binary()) for ours in request["columns"]])
    with pa.ipc.new_stream(sink, schema) as writer:
        for found in _read(request):
            if isinstance(found, dict):
                said = found
            elif found.nbytes <= _MESSAGE_BYTES:
                writer.write_batch(found)
            else:
                for row in range(found.num_rows):
                    writer.write_batch(found.slice(row, 1))
    sink.write(json.dumps(said).encode() + b"\n")
    sink.flush()
    signal.setitimer(signal.ITIMER_PROF, 0)


def _end_with_caller() -> None:
    """Let the system end this process when its caller is killed, which cannot do it any more (Linux only)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(memory_bytes: int) -> None:
    """Answers requests until the standard input ends."""
    _end_with_caller()
    _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
    if hard_limit == resource.RLIM_INFINITY or memory_bytes < hard_limit:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # What libraries print must not mix with the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as sink:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            answer(json.loads(line), sink)


if __name__ == "__main__":
    main(int(sys.argv[1]))
