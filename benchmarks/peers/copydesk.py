"""The project itself, run as its peers are: `near_duplicates` and `clusters` with the default settings."""

import polars as pl

from benchmarks.peers.documents import arguments
from flows.deduplicate.near import clusters, near_duplicates


def main() -> None:
    """Read a corpus and write which of its documents belong together; a document without copies has no row."""
    options = arguments("Near-duplicates by copydesk.")
    clusters(near_duplicates(pl.scan_parquet(options.corpus).select("id", "text"))).write_parquet(options.out)


if __name__ == "__main__":
    main()
