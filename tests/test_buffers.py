"""The bytes of texts as they lie in memory: nothing is lost between Arrow's buffers and the kernels."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.buffers import array_buffers, text_buffers, text_runs

# Twelve bytes of a text lie in its view, and more in a buffer.
TEXTS = st.lists(st.text(max_size=30) | st.none(), max_size=80)


def end_to_end(texts: pl.Series) -> list[str]:
    data, starts = text_buffers(texts)
    return [data[start:end].tobytes().decode() for start, end in pairwise(starts.tolist())]


def in_runs(texts: pl.Series) -> list[list[str]]:
    return [
        [data[start:end].tobytes().decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        for data, starts, ends in text_runs(texts)
    ]


@given(TEXTS, st.integers(0, 20))
def test_texts_come_back_from_their_bytes(values: list[str | None], first: int) -> None:
    texts = pl.Series(values, dtype=pl.String)
    # A slice of a column, and one of several pieces.
    for series in (texts, texts[first:], pl.concat([texts[first:], texts[:first]], rechunk=False)):
        expected = series.fill_null("").to_list()
        assert end_to_end(series) == expected
        assert [text for run in in_runs(series) for text in run] == expected


def test_texts_of_a_file_are_read_where_they_lie(tmp_path: Path) -> None:
    values = [f"{number} " + "words " * 40 for number in range(5_000)]
    pl.DataFrame({"text": values}).write_parquet(tmp_path / "texts.parquet", row_group_size=1_000)
    texts = pl.read_parquet(tmp_path / "texts.parquet")["text"]
    runs = in_runs(texts)
    assert len(runs) > 1
    assert [text for run in runs for text in run] == values


def test_texts_that_alternate_with_short_ones_are_one_run() -> None:
    values = ["short", "longer than what fits into a view"] * 100
    assert in_runs(pl.Series(values)) == [values]


@pytest.mark.parametrize("dtype", [pa.string(), pa.large_string()])
def test_what_stands_behind_a_null_is_not_read(dtype: pa.DataType) -> None:
    hidden = pa.array(["one", "hidden", "two"], dtype)
    masked = pa.Array.from_buffers(dtype, 3, [pa.py_buffer(np.array([0b101], np.uint8)), *hidden.buffers()[1:]])
    data, starts = array_buffers(masked)
    assert data[starts[0] : starts[-1]].tobytes() == b"onetwo"
    assert np.diff(starts).tolist() == [3, 0, 3]
