"""datatrove: the four steps of its MinHash example with their defaults (shingles of 5 words, 14 buckets of 8, 64 bits).

The fourth step would write the corpus without its duplicates; here the clusters of the third are read. Its unit of work
is a file, so the corpus is cut into as many as there are cores.
"""

import os
import struct
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster
from datatrove.pipeline.readers import ParquetReader
from datatrove.utils.hashing import HashConfig

from benchmarks.peers.documents import Groups, arguments


def main() -> None:
    """Read a corpus and write which of its documents belong together."""
    options = arguments("Near-duplicates by datatrove.")
    cores = len(os.sched_getaffinity(0))
    config = MinhashConfig(hash_config=HashConfig(precision=64))
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        counts = _cut(options.corpus, Path(folder, "corpus"), cores)
        steps: list[tuple[int, list[object]]] = [
            (
                cores,
                [
                    ParquetReader(f"{folder}/corpus", glob_pattern="*.parquet"),
                    MinhashDedupSignature(f"{folder}/signatures", config=config),
                ],
            ),
            (config.num_buckets, [MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)]),
            (1, [MinhashDedupCluster(f"{folder}/buckets", f"{folder}/clusters", config=config, save_cluster_id=True)]),
        ]
        for number, (tasks, pipeline) in enumerate(steps):
            # Workers of a fork server would not count as children, and their time be lost.
            LocalPipelineExecutor(
                pipeline, tasks=tasks, workers=cores, logging_dir=f"{folder}/logs/{number}", start_method="fork"
            ).run()
        groups = Groups()
        first_of_cluster: dict[int, int] = {}
        for file, count in enumerate(counts):
            first = groups.add(count)
            clusters = Path(folder, "clusters", f"{file:06d}.clusters")
            for row, cluster in struct.iter_unpack("<2I", clusters.read_bytes() if clusters.exists() else b""):
                groups.join(first_of_cluster.setdefault(cluster, first + row), first + row)
    groups.write(options.corpus, options.out)


def _cut(corpus: Path, folder: Path, count: int) -> list[int]:
    """Cut a corpus into so many files of whole row groups, in its order; the documents of each."""
    folder.mkdir()
    counts = []
    with pq.ParquetFile(corpus) as file:
        groups = file.num_row_groups
        for part in range(count):
            own = range(part * groups // count, (part + 1) * groups // count)
            counts.append(sum(file.metadata.row_group(group).num_rows for group in own))
            with pq.ParquetWriter(folder / f"{part:03d}.parquet", file.schema_arrow) as writer:
                for group in own:
                    writer.write_table(file.read_row_group(group))
    return counts


if __name__ == "__main__":
    main()
