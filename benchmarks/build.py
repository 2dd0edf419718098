"""The whole build: seconds per stage, documents per second and peak memory, on a corpus of `benchmarks.corpus`.

The first build after the code has changed compiles kernels: run it twice.

python -m benchmarks.build corpus.parquet [--set NAME=VALUE …] [--out DIR] [--json]
    [--runner threads|processes|dask] [--scheduler tcp://HOST:PORT]
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from flows.runners import ON_THREADS, RUNNERS, THREADS, Runner
from flows.server import EmbeddedServer
from flows.settings import Settings

# Where a corpus keeps what a record states of itself.
COLUMNS = {"uri": "id"}


@dataclass(frozen=True)
class Measured:
    """What a build took.

    Attributes:
        documents: in the corpus.
        text_bytes: of their texts.
        stages: stage → seconds.
        wall_seconds: of all, Prefect's start included.
        cpu_seconds: of this process and those that it started and that have ended.
        peak_bytes: largest resident set of this process.
        child_bytes: largest resident set of any process that it started and that has ended.
        task_count: runs of Prefect's tasks.
        release_bytes: size of the release on disk.
        data_bytes: size of its tables per column before compression, all columns together.
    """

    documents: int
    text_bytes: int
    stages: dict[str, float]
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    child_bytes: int
    task_count: int
    release_bytes: int
    data_bytes: int

    def lines(self) -> list[str]:
        """The figures for a person to read."""
        return [
            f"documents        {self.documents:,}, {self.text_bytes / 1e6:,.0f} MB of text",
            *(f"{stage:<17}{seconds:.2f} s" for stage, seconds in self.stages.items()),
            f"wall             {self.wall_seconds:.2f} s with Prefect's start",
            f"cpu              {self.cpu_seconds:.2f} s",
            f"tasks            {self.task_count:,} of Prefect",
            f"documents/s      {self.documents / sum(self.stages.values()):,.0f}",
            f"peak memory      {self.peak_bytes / 1e9:.2f} GB, of a child process {self.child_bytes / 1e9:.2f} GB",
            f"release          {self.release_bytes / 1e6:,.0f} MB, {self.data_bytes / 1e6:,.0f} MB before compression",
        ]


def measure(corpus: Path, out: Path, settings: Settings, runner: Runner = ON_THREADS) -> Measured:
    """Build a release of a corpus as `copydesk build` does.

    Peak memory is that of the calling process, which therefore measures once. What the workers of a Dask cluster that
    runs already take is not among the figures.

    Raises:
        CopydeskError: no release came of it.
    """
    began, since = time.perf_counter(), datetime.now(UTC)
    with EmbeddedServer() as server:
        from flows.pipeline import run_build

        built = run_build(
            server,
            sources=[str(corpus)],
            out=str(out),
            settings=settings.model_dump(),
            columns=COLUMNS,
            runner=runner.name,
            scheduler=runner.scheduler,
        )
        tasks = _task_count(server, since)
    wall = time.perf_counter() - began
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    files = [file for file in built.released.path.rglob("*") if file.is_file()]
    tables = [file for file in files if file.suffix == ".parquet"]
    return Measured(
        documents=pq.read_metadata(corpus).num_rows,
        text_bytes=_column_bytes(corpus, "text"),
        stages=built.seconds,
        wall_seconds=wall,
        cpu_seconds=sum(usage.ru_utime + usage.ru_stime for usage in (own, children)),
        peak_bytes=own.ru_maxrss * 1024,
        child_bytes=children.ru_maxrss * 1024,
        task_count=tasks,
        release_bytes=sum(file.stat().st_size for file in files),
        data_bytes=sum(_column_bytes(file, None) for file in tables),
    )


def _task_count(server: EmbeddedServer, since: datetime) -> int:
    """Runs of tasks that a server knows of, which have started since."""
    started = {"task_runs": {"start_time": {"after_": since.isoformat()}}}
    return int(httpx.post(f"{server.api_url}/task_runs/count", json=started, timeout=60).json())


def _column_bytes(file: Path, column: str | None) -> int:
    """Bytes of a column of a Parquet file before compression, or of all columns."""
    footer = pq.read_metadata(file)
    groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(chunk.total_uncompressed_size for chunk in chunks if column in (None, chunk.path_in_schema))


def main(arguments: list[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description="Measure the whole build on a corpus.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, help="keep the release in this folder")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--runner", default=THREADS, choices=RUNNERS)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster")
    options = parser.parse_args(arguments)
    runner = Runner.of(options.runner, options.scheduler)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("copydesk").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(None, tuple(options.overrides))
        found = measure(options.corpus, options.out or Path(folder), settings, runner)
    print(json.dumps(asdict(found)) if options.json else "\n".join(found.lines()))


if __name__ == "__main__":
    main()
