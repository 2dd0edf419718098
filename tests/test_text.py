"""Words of texts."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.text import PARAGRAPH_BREAK, word_counts

# Paragraphs as a cleaned text holds them: words with single blanks between them.
_WORDS = st.lists(st.sampled_from(["a", "Zoë,", "5,000", "中国", "ก", "’", "x中y"]), min_size=1).map(" ".join)
_TEXTS = st.lists(_WORDS, min_size=1).map(PARAGRAPH_BREAK.join)


@given(st.lists(_TEXTS))
def test_words_are_counted_one_by_one(texts):
    words = re.compile(r"[\u0e00-\u0e7f\u4e00-\u9fff]|[^\s\u0e00-\u0e7f\u4e00-\u9fff]+")
    expected = [len(words.findall(text)) for text in texts]
    # Of a slice, the bytes before it are another text's.
    counts = word_counts(pl.Series(["one two\n\nthree", *texts], dtype=pl.String).slice(1))
    assert counts.to_list() == expected


@pytest.mark.parametrize(
    ("texts", "counts"),
    [
        ([], []),
        ([None], [None]),
        (["a b", None, "c\n\nd e"], [2, None, 3]),
        ([None, "中文"], [None, 2]),
        (["ကခဂ", "ཀཁ ག"], [3, 3]),
    ],
)
def test_what_is_withheld_has_no_count(texts, counts):
    found = word_counts(pl.Series(texts, dtype=pl.String))
    assert found.to_list() == counts
    assert found.dtype == pl.UInt32
