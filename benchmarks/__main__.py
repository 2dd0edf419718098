"""How long the stages take, on made-up pages: `python -m benchmarks [PAGES …]`.

Every page has an outlet's header and footer, a headline, a byline, a date and a body of random words; one in ten is a
copy of another one in an other outlet's frame. The pages depend on their number only, so two runs measure the same.
"""

import argparse
import random
import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.pages import made_up_pages

STAGES = ("ingest", "normalize", "deduplicate", "validate", "release")


def main() -> None:
    """Print one line per size: seconds per stage, pages per second, peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=int, nargs="*", default=[1_000, 10_000], help="numbers of pages, smallest first")
    grid = Grid("pages", "MB", *(f"{stage} s" for stage in STAGES), "pages/s", "peak GB")
    for count in parser.parse_args().pages:
        grid.add_row(*_measured(count))
    Console().print(grid)


def _measured(count: int) -> list[str]:
    import polars as pl

    from flows.deduplicate.stage import deduplicate
    from flows.ingest.run import ingest
    from flows.normalize.normalize import normalize
    from flows.release.release import BuildInfo, release
    from flows.settings import Settings
    from flows.validate.conservation import conservation
    from flows.validate.validate import check_shard

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        work, file, settings = Path(folder), Path(folder, "pages.parquet"), Settings()
        made_up_pages(count, random.Random(count)).write_parquet(file)

        began = time.perf_counter()
        found = ingest([str(file)], work, settings, {})
        seconds["ingest"] = time.perf_counter() - began

        sources, parts = [], []
        for shard in found.shards:
            sources.append(pl.read_parquet(work / "sources" / shard))
            provenance = pl.read_parquet(work / "provenance" / shard)
            began = time.perf_counter()
            parts.append(normalize(sources[-1], provenance))
            seconds["normalize"] = seconds.get("normalize", 0.0) + time.perf_counter() - began

        began = time.perf_counter()
        checked = check_shard(
            {
                "sources": pl.concat(sources),
                **{
                    name: pl.concat([getattr(part, name) for part in parts])
                    for name in ("articles", "passages", "evidence")
                },
            }
        ).tables
        seconds["validate"] = time.perf_counter() - began

        began = time.perf_counter()
        repeats = deduplicate(checked["articles"], checked["passages"], settings)
        seconds["deduplicate"] = time.perf_counter() - began

        tables = checked | {
            "rejects": pl.read_parquet(work / "rejects" / "*.parquet"),
            **{name: getattr(repeats, name) for name in ("articles", "passages", "overlaps", "relations")},
        }
        began = time.perf_counter()
        counts = conservation(tables, found.read_count, 0).counts()
        release(tables, work / "out", settings, BuildInfo(inputs=[], conservation=counts))
        seconds["release"] = time.perf_counter() - began
        size = file.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    times = [f"{seconds[stage]:.2f}" for stage in STAGES]
    return [f"{count:,}", f"{size:.1f}", *times, f"{count / sum(seconds.values()):,.0f}", f"{peak:.2f}"]


if __name__ == "__main__":
    main()
