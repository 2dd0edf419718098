"""What the runners of peers share: reading a corpus, and saying which documents a peer put together.

Imported in the peers' environments, which have pyarrow and numpy but not the project.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 2_000
# A line that stands in so many documents of an outlet, and in this share of them, is the outlet's and not a story's.
_MIN_DOCUMENTS = 8
_MIN_SHARE = 0.02


def arguments(description: str) -> argparse.Namespace:
    """What every runner is called with: `corpus`, `out` and `is_tuned`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("corpus", type=Path, help="Parquet file with id, text and publisher")
    parser.add_argument("out", type=Path, help="Parquet file to write: id and cluster_id, one row per document")
    parser.add_argument("--tuned", action="store_true", dest="is_tuned", help="on clean texts, other settings")
    return parser.parse_args()


def texts(corpus: Path, *, is_clean: bool = False) -> Iterator[list[str]]:
    """The texts in the order of the file, some thousands at a time.

    Args:
        corpus: the file.
        is_clean: leave out the lines that recur within an outlet; documents without a publisher count as one outlet.
    """
    recurring = _recurring_lines(corpus) if is_clean else set()
    for outlets, batch in _batches(corpus):
        if is_clean:
            yield [
                "\n".join(line for line in text.split("\n") if hash((outlet, line)) not in recurring)
                for outlet, text in zip(outlets, batch, strict=True)
            ]
        else:
            yield batch


def shingles(text: str, size: int) -> list[str]:
    """Every run of `size` words of a text; a shorter text is one."""
    words = text.split()
    return [" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1))]


class Groups:
    """Documents that belong together, by their row: a forest of sets (union-find)."""

    def __init__(self) -> None:
        self.parents: list[int] = []

    def add(self, count: int) -> int:
        """So many more documents, each alone; the row of the first."""
        first = len(self.parents)
        self.parents.extend(range(first, first + count))
        return first

    def find(self, row: int) -> int:
        """The row that stands for the set of this one."""
        while self.parents[row] != row:
            self.parents[row] = self.parents[self.parents[row]]
            row = self.parents[row]
        return row

    def join(self, one: int, other: int) -> None:
        """Put two sets together; the lower row stands for both."""
        low, high = sorted((self.find(one), self.find(other)))
        self.parents[high] = low

    def write(self, corpus: Path, out: Path) -> None:
        """Write `id, cluster_id`: one row per document of the corpus."""
        ids = pq.read_table(corpus, columns=["id"])["id"].combine_chunks()
        roots = pa.array([self.find(row) for row in range(len(ids))])
        pq.write_table(pa.table({"id": ids, "cluster_id": ids.take(roots)}), out)


def _batches(corpus: Path) -> Iterator[tuple[list[str | None], list[str]]]:
    with pq.ParquetFile(corpus) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["publisher", "text"]):
            yield batch["publisher"].to_pylist(), batch["text"].to_pylist()


def _recurring_lines(corpus: Path) -> set[int]:
    """Hashes of outlet and line; they hold for this process only."""
    counts: dict[str | None, int] = {}
    hashes = []
    of_hash: dict[int, str | None] = {}
    for outlets, batch in _batches(corpus):
        found: list[int] = []
        for outlet, text in zip(outlets, batch, strict=True):
            counts[outlet] = counts.get(outlet, 0) + 1
            found.extend({hash((outlet, line)) for line in text.split("\n")})
        hashes.append(np.array(found, np.int64))
    values, documents = np.unique(np.concatenate(hashes), return_counts=True)
    is_frequent = documents >= _MIN_DOCUMENTS
    frequent = dict(zip(values[is_frequent].tolist(), documents[is_frequent].tolist(), strict=True))
    for outlets, batch in _batches(corpus):
        for outlet, text in zip(outlets, batch, strict=True):
            of_hash.update((key, outlet) for line in text.split("\n") if (key := hash((outlet, line))) in frequent)
        if len(of_hash) == len(frequent):
            break
    return {key for key, outlet in of_hash.items() if frequent[key] >= _MIN_SHARE * counts[outlet]}
