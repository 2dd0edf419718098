"""Rows put aside by the first digits of their `source_id`, so that more of them can be sorted than memory holds."""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
from polars.interchange import CompatLevel

# Hexadecimal digits that the rows of a heap share. 100 GB of text make 256 heaps of 400 MB, which are mapped, not read.
_HEAP_DIGITS = 2
# What a row counts for beside its text; it was measured to take 900 bytes with what is copied on the way.
ROW_BYTES = 500


class Heaps:
    """Takes rows in any order and gives them back heap by heap, in ascending order of the heaps.

    Rows that came since a mark can be taken back.
    """

    def __init__(self, folder: Path, waiting_bytes: int) -> None:
        """Heaps in this folder, which must be empty; rows of so many bytes wait in memory before they are put aside."""
        self._folder = folder
        self._waiting_bytes = waiting_bytes
        self._waiting: list[pl.DataFrame] = []
        self._byte_count = 0
        self._sizes: dict[str, int] = {}
        self.mark()

    def mark(self) -> None:
        """What is put from here on can be taken back."""
        self._marked_count = len(self._waiting)
        self._marked_sizes = self._sizes.copy()

    def cut_back(self) -> None:
        """Forgets what was put since the mark."""
        del self._waiting[self._marked_count :]
        self._byte_count = sum(map(_byte_count, self._waiting))
        for heap, size in self._sizes.items():
            marked = self._marked_sizes.get(heap, 0)
            if not marked:
                (self._folder / heap).unlink()
            elif marked < size:
                os.truncate(self._folder / heap, marked)
        self._sizes = self._marked_sizes.copy()

    def put(self, rows: pl.DataFrame) -> None:
        """Rows with the columns `source_id` and `byte_count`, all frames with the same columns."""
        self._waiting.append(rows)
        self._byte_count += _byte_count(rows)
        if self._byte_count > self._waiting_bytes:
            self._put_aside()

    def _put_aside(self) -> None:
        before, since = self._waiting[: self._marked_count], self._waiting[self._marked_count :]
        if before:
            self._append(before)
            self._marked_count, self._marked_sizes = 0, self._sizes.copy()
        if since:
            self._append(since)
        self._waiting.clear()
        self._byte_count = 0

    def _append(self, waiting: list[pl.DataFrame]) -> None:
        """Rows behind those that the files of their heaps hold."""
        heaps = (
            pl.concat(waiting)
            .with_columns(heap=pl.col("source_id").str.head(_HEAP_DIGITS))
            .partition_by("heap", include_key=False, as_dict=True)
        )
        for (heap,), rows in heaps.items():
            # A stream behind those that are there, rather than 256 files held open.
            with (self._folder / str(heap)).open("ab") as file:
                rows.write_ipc_stream(file, compat_level=CompatLevel.newest())
                self._sizes[str(heap)] = file.tell()

    def take(self) -> Iterator[pl.DataFrame]:
        """The rows of each heap, unsorted; all of them as one heap if none was put aside.

        What a frame holds stands in a file until it is used, and the file is gone when the next frame is asked for.
        """
        files = sorted(self._folder.iterdir())
        if not files:
            if self._waiting:
                yield pl.concat(self._waiting, rechunk=False)
            return
        if self._waiting:
            self._put_aside()
            files = sorted(self._folder.iterdir())
        for file in files:
            yield _mapped(file)
            file.unlink()


def _byte_count(rows: pl.DataFrame) -> int:
    return int(rows["byte_count"].sum()) + ROW_BYTES * rows.height


def _mapped(file: Path) -> pl.DataFrame:
    """The rows of all streams in a file, mapped into memory."""
    tables = []
    with pa.memory_map(str(file)) as source:
        while source.tell() < source.size():
            with pa.ipc.open_stream(source) as stream:
                tables.append(stream.read_all())
    rows = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(rows, pl.DataFrame)
    return rows
