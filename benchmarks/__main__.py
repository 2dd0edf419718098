"""How long a whole build takes: `python -m benchmarks [PAGES …]`, or `python -m benchmarks --corpus FILE.parquet`.

`copydesk build` runs on made-up pages, or on a corpus that is there, in a process of its own with an embedded Prefect
server; what it says about its stages is printed below its figures. The first build after the code has changed
compiles kernels: run it twice. Every page has an outlet's header and footer, a
headline, a byline, a date and a body of random words; one in ten is a copy of another one in an other outlet's frame.
The pages depend on their number only, so two runs measure the same.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.pages import made_up_pages
from benchmarks.processes import cost, end_on_sigterm

ROOT = Path(__file__).parent.parent
STAGES = ("ingest", "normalize", "extract", "deduplicate", "validate", "release")


def main() -> None:
    """Print a line per corpus, and what the build said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=int, nargs="*", default=[1_000, 10_000], help="numbers of pages")
    parser.add_argument("--corpus", type=Path, help="a Parquet file with a column `text`, instead")
    parser.add_argument("--seconds", type=float, default=3_600, help="wall time after which a build is ended")
    options = parser.parse_args()
    end_on_sigterm()
    if options.corpus is not None:
        print(_measured(options.corpus.resolve(), options.seconds))
        return
    for count in options.pages:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "pages.parquet")
            made_up_pages(count, random.Random(count)).write_parquet(file)
            print(_measured(file, options.seconds))


def _measured(file: Path, seconds: float) -> str:
    """Build once from a file, and say what it took."""
    count = pl.scan_parquet(file).select(pl.len()).collect().item()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        spent = cost(
            [sys.executable, "-c", "from flows.cli import main; main()", "build", str(file), "--out", f"{folder}/out"],
            cwd=Path(folder),
            environment={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_HOME": f"{folder}/prefect"},
            log=log,
            seconds=seconds,
            max_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        )
        said = log.read_text(encoding="utf-8")
    said_of_stages = [line for line in said.splitlines() if line.partition(":")[0] in STAGES]
    figures = (
        f"{count:,} documents, {file.stat().st_size / 1e6:.1f} MB: {spent.outcome}, "
        f"wall {spent.wall_seconds:.1f} s, cpu {spent.cpu_seconds:.1f} s, "
        f"{count / spent.wall_seconds:,.0f} documents/s, peak {spent.peak_bytes / 1e9:.2f} GB"
    )
    return "\n  ".join([figures, *(said_of_stages if spent.outcome == "done" else said.splitlines()[-9:])])


if __name__ == "__main__":
    main()
