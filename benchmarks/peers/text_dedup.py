"""text-dedup: its command `minhash` with its defaults (shingles of 5 words, 250 permutations, threshold 0.7)."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.peers.documents import Groups, arguments


def main() -> None:
    """Read a corpus and write which of its documents belong together."""
    options = arguments("Near-duplicates by text-dedup.")
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        command = [sys.executable, "-m", "text_dedup.minhash", "--path", "parquet", "--column", "text", "--debug"]
        command += ["--data_files", str(options.corpus.resolve()), "--split", "train"]
        command += ["--cache_dir", f"{folder}/cache", "--output", f"{folder}/out"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        with Path(folder, "out", "uf.pkl").open("rb") as file:
            found = pickle.load(file)
    groups = Groups()
    groups.add(pq.read_metadata(options.corpus).num_rows)
    for row in list(found.parent):
        groups.join(row, found.find(row))
    groups.write(options.corpus, options.out)


if __name__ == "__main__":
    main()
