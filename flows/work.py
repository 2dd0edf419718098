"""The tables that the tasks of a run pass on: Parquet files in its work folder, `<table>/<shard>`.

All that tasks know of one another is here, so that it does not matter which process, or which machine that sees the
folder, runs them. A file appears whole or not at all: a task whose process died in the middle is simply run again.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl


def read_rows(file: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a table, or some columns of them."""
    # No pattern: a folder of releases may have brackets in its name.
    return pl.read_parquet(file, columns=None if columns is None else list(columns), glob=False)


def read_all_rows(folder: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of all files of a table that is written piece by piece, in the order of their names."""
    return pl.concat([read_rows(file, columns) for file in sorted(folder.glob("*.parquet"))])


def write_rows(rows: pl.DataFrame, file: Path) -> None:
    """Write a table in place of what the file held; whoever shares that by another name keeps it."""
    # The work folder itself is there as long as the run is: a worker that comes late must not bring it back.
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f".{file.name}-{os.urandom(8).hex()}")
    try:
        # lz4 took four times as long as all the rest of writing, to save a quarter of the bytes of a text.
        rows.write_parquet(draft, compression="uncompressed", statistics=False)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def shard_files(work: Path, name: str, shards: Iterable[str]) -> list[Path]:
    """The shards of a table."""
    return [work / name / shard for shard in shards]
