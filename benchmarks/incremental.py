"""A build with the state of the one before it beside one from nothing: python -m benchmarks.incremental corpus.parquet.

A release is made of 99 % of a corpus of `benchmarks.corpus`. Then all of it is built twice on top of that release, once
without the state and once with it, each by `copydesk build` in a process of its own, and the two are compared byte for
byte. Seconds depend on what else the machine does; the ratio of the two less so, as they run one after the other.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.processes import Cost, cost, end_on_sigterm
from flows.release.manifest import file_sha256, release_files
from flows.state import STATE

ROOT = Path(__file__).parent.parent
NEW = "1.1.0"
SEED = 1


def main(arguments: list[str] | None = None) -> None:
    """Build three times and print what the last two took."""
    parser = argparse.ArgumentParser(description="Measure a build of few new documents with and without the state.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--new", type=float, default=0.01, help="share of the documents that are new, 0.01 by default")
    parser.add_argument("--seconds", type=float, default=3_600, help="wall time after which a build is ended")
    options = parser.parse_args(arguments)
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = pl.read_parquet(options.corpus).sample(fraction=1, shuffle=True, seed=SEED)
        new_count = max(1, round(documents.height * options.new))
        pages = folder / "pages"
        pages.mkdir()
        documents[new_count:].write_parquet(pages / "old.parquet")
        _build(folder, pages, folder / "with", options.seconds)
        documents[:new_count].write_parquet(pages / "new.parquet")
        shutil.copytree(folder / "with", folder / "without")
        shutil.rmtree(folder / "without" / STATE)
        without, with_state = (_build(folder, pages, folder / out, options.seconds) for out in ("without", "with"))
        print(f"{documents.height:,} documents, {new_count:,} of them new")
        print(_line("from nothing", without))
        print(_line("with the state", with_state))
        print(
            f"ratio           wall {without.wall_seconds / with_state.wall_seconds:.2f}, "
            f"cpu {without.cpu_seconds / with_state.cpu_seconds:.2f}"
        )
        same = _digests(folder / "without" / NEW) == _digests(folder / "with" / NEW)
        print(f"the two releases are {'the same' if same else 'NOT the same'}, byte for byte")


def _build(folder: Path, pages: Path, out: Path, seconds: float) -> Cost:
    """Run `copydesk build`; what it says goes to a file."""
    log = folder / "log"
    spent = cost(
        [
            *(sys.executable, "-c", "from flows.cli import main; main()"),
            *("build", str(pages), "--out", str(out), "--column", "uri=id"),
        ],
        cwd=folder,
        environment={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(folder / "prefect")},
        log=log,
        seconds=seconds,
        max_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )
    if spent.outcome != "done":
        sys.exit(f"{spent.outcome}: {log.read_text(encoding='utf-8')[-500:]}")
    return spent


def _line(name: str, spent: Cost) -> str:
    figures = f"wall {spent.wall_seconds:.1f} s, cpu {spent.cpu_seconds:.1f} s, peak {spent.peak_bytes / 1e9:.2f} GB"
    return f"{name:<15} {figures}"


def _digests(release: Path) -> dict[str, str]:
    return {file.relative_to(release).as_posix(): file_sha256(file) for file in release_files(release)}


if __name__ == "__main__":
    main()
