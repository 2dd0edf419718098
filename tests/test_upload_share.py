"""How much of a new version goes over the line: Parquet files, the Hub's own client, and a store in a folder."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from flows.release.parquet import write_table
from flows.settings import Settings
from schemas.tables import TABLES

hf_xet = pytest.importorskip("hf_xet")
ROWS = 2_000
WORDS = 500


@pytest.fixture(scope="module")
def articles() -> pl.DataFrame:
    """Articles of random words, about 3 KB each, sorted by id: more than a release has, to choose from."""
    rng = np.random.default_rng(7)
    vocabulary = np.array(["".join(rng.choice(list("abcdefghij"), rng.integers(2, 10))) for _ in range(5_000)])
    ids = np.sort(rng.choice(2**40, ROWS + ROWS // 20, replace=False))
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


def test_an_unchanged_file_is_not_uploaded_and_an_append_of_a_twentieth_uploads_an_eighth_at_most(
    articles: pl.DataFrame, tmp_path: Path
):
    before, new = articles.head(ROWS), articles.slice(ROWS, ROWS // 20)
    # Measured: 10.6 %. The file is small beside chunks of 64 kB.
    assert uploaded_share(before, pl.concat([before, new]), tmp_path) < 1 / 8


def test_an_insert_of_a_hundredth_in_the_middle_uploads_a_fifth_at_most(articles: pl.DataFrame, tmp_path: Path):
    new = articles.slice(ROWS // 2, ROWS // 100)
    after = articles.head(ROWS)
    before = pl.concat([after.head(ROWS // 2), after.slice(ROWS // 2 + new.height)])
    share = uploaded_share(before, after, tmp_path / "chunked")
    assert share < 1 / 5
    assert uploaded_share(before, after, tmp_path / "plain", is_chunked=False) > 1.5 * share
