"""How much of a new version goes over the line: Parquet files, the Hub's own client, and a store in a folder."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import write_table

hf_xet = pytest.importorskip("hf_xet")
WORDS = 500
# Besides its rows an append costs what does not depend on the size of the file: the last page of each column of texts
# grows and is compressed anew, and chunks of 8 to 128 kB lie across its bounds. With five seeds that was 0.23 to
# 0.54 MB of 21 MB, and 3.5 to 5.0 % were uploaded in all; with 2,000 rows 7.8 to 15.6 %.
APPENDED_TO = 8_000
INSERTED_INTO = 2_000


def articles(count: int, seed: int = 7) -> pl.DataFrame:
    """So many articles of random words, about 3 KB each, sorted by id."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array(["".join(rng.choice(list("abcdefghij"), rng.integers(2, 10))) for _ in range(5_000)])
    ids = np.sort(rng.choice(2**40, count, replace=False))
    texts = [" ".join(rng.choice(vocabulary, WORDS)) for _ in ids]
    empty = TABLES["articles"].empty()
    given = pl.DataFrame({"article_id": [f"{number:016x}-00" for number in ids], "text": texts})
    return pl.concat([empty, given.with_columns(unique_text="text")], how="diagonal").select(empty.columns)


class Store:
    """A store of chunks in a folder, as the Hub's is one; the client uploads what is not in it."""

    def __init__(self, folder: Path) -> None:
        self._endpoint = f"local://{folder}"
        self._session = hf_xet.XetSession()

    def uploaded_share(self, file: Path) -> float:
        """Uploads a file; what share of its bytes was not there yet."""
        commit = self._session.new_upload_commit(endpoint=self._endpoint)
        commit.start_upload_file(str(file))
        metrics = commit.wait_to_finish().dedup_metrics
        assert metrics.total_bytes == file.stat().st_size
        return float(metrics.new_bytes / metrics.total_bytes)


def uploaded_share(before: pl.DataFrame, after: pl.DataFrame, folder: Path, *, is_chunked: bool = True) -> float:
    """What share of the bytes of the second file of two has to be uploaded when the first one is there."""
    files = []
    for name, rows in (("before", before), ("after", after)):
        (file,) = write_table(folder / name, "articles", rows, Settings())
        if not is_chunked:
            table = pq.read_table(file)
            pq.write_table(table, file, compression="zstd", compression_level=Settings().compression_level)
        files.append(file)
    store = Store(folder / "store")
    # `unique_text` is `text` in these articles, and the store sees that: half of the bytes are there already.
    assert 0.4 < store.uploaded_share(files[0]) < 0.6 or not is_chunked
    assert store.uploaded_share(files[0]) == 0
    return store.uploaded_share(files[1])


def test_an_unchanged_file_is_not_uploaded_and_an_append_of_a_twentieth_uploads_a_sixteenth_at_most(tmp_path: Path):
    after = articles(APPENDED_TO * 21 // 20)
    assert uploaded_share(after.head(APPENDED_TO), after, tmp_path) < 1 / 16


def test_an_insert_of_a_hundredth_in_the_middle_uploads_a_fifth_at_most(tmp_path: Path):
    after = articles(INSERTED_INTO)
    middle, count = INSERTED_INTO // 2, INSERTED_INTO // 100
    before = pl.concat([after.head(middle), after.slice(middle + count)])
    share = uploaded_share(before, after, tmp_path / "chunked")
    assert share < 1 / 5
    assert uploaded_share(before, after, tmp_path / "plain", is_chunked=False) > 1.5 * share
