"""A process that reads a published version with all that people read it with, and says what each of them got.

Rows are named by a hash that does not depend on their order or on the reader: of the JSON of a few columns.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Rows = Iterable[Mapping[str, Any]]


def digest(rows: Rows, columns: list[str]) -> str:
    """A name for the values of some columns, whatever the order of the rows."""
    lines = sorted(json.dumps([str(row[column]) for column in columns]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main(
    repo: str, revision: str | None, columns: dict[str, list[str]], wanted: list[str]
) -> dict[str, dict[str, str]]:
    """Reader → table → name of the rows that it got, or what went wrong; of the readers that are wanted."""
    import datasets
    import duckdb
    import pandas as pd
    import polars as pl
    from huggingface_hub import HfFileSystem, snapshot_download

    from schemas.tables import TABLES

    datasets.disable_progress_bars()
    system = HfFileSystem()
    place = f"datasets/{repo}{'@' + revision if revision else ''}/data"
    snapshot = Path(snapshot_download(repo, repo_type="dataset", revision=revision))

    def by_datasets(table: str) -> Rows:
        return list(datasets.load_dataset(repo, table, revision=revision, split="train"))

    def by_streaming(table: str) -> Rows:
        return list(datasets.load_dataset(repo, table, revision=revision, split="train", streaming=True))

    def by_polars(table: str) -> Rows:
        files = [system.open(path) for path in system.glob(f"{place}/{table}/*.parquet")]
        return pl.concat([pl.read_parquet(file) for file in files]).to_dicts()

    def by_model(table: str) -> Rows:
        """What was loaded keeps the contract of its table; this needs nothing but `schemas`."""
        rows = pl.read_parquet(snapshot / "data" / table / "*.parquet")
        return TABLES[table].model.validate(rows).to_dicts()

    def by_duckdb(table: str) -> Rows:
        # DuckDB asks a file system that is registered with it for times that a repository does not have.
        files = [system.open(path) for path in system.glob(f"{place}/{table}/*.parquet")]
        found = duckdb.read_parquet(files)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def by_pandas(table: str) -> Rows:
        frames = [pd.read_parquet(f"hf://{path}") for path in system.glob(f"{place}/{table}/*.parquet")]
        return [{str(name): value for name, value in row.items()} for row in pd.concat(frames).to_dict("records")]

    def by_command(table: str) -> Rows:
        with tempfile.TemporaryDirectory() as folder:
            program = str(Path(sys.executable).with_name("hf"))
            command = [program, "download", repo, "--repo-type", "dataset", "--local-dir", folder]
            command += ["--include", f"data/{table}/*.parquet", *(["--revision", revision] if revision else [])]
            subprocess.run(command, check=True, capture_output=True)
            return pl.read_parquet(Path(folder, "data", table, "*.parquet")).to_dicts()

    readers: dict[str, Callable[[str], Rows]] = {
        "datasets": by_datasets,
        "streaming": by_streaming,
        "polars": by_polars,
        "model": by_model,
        "duckdb": by_duckdb,
        "pandas": by_pandas,
        "hf": by_command,
    }
    found: dict[str, dict[str, str]] = {"snapshot": {"folder": str(snapshot)}}
    for name in wanted:
        found[name] = {}
        for table, compared in columns.items():
            try:
                found[name][table] = digest(readers[name](table), compared)
            except Exception as error:  # noqa: BLE001 - it is told, and the other readers go on
                found[name][table] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    wish = json.loads(sys.stdin.read())
    answer = json.dumps(main(**wish))
    os.write(1, answer.encode())
