"""The words of texts: what the comparisons of this stage count.

A word is a run of letters, marks and digits; in a script that writes without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese, Tibetan) every character is one, so that such texts have shingles too. Words are compared in lower case
and NFKC: full-width digits and ligatures do not make another word.
"""

import polars as pl

from flows.characters import UNSPACED

_WORD_CHARACTER = r"[\p{L}\p{M}\p{N}]"
WORD = rf"[{_WORD_CHARACTER}&&[{UNSPACED}]]|[{_WORD_CHARACTER}--[{UNSPACED}]]+"


def words_of(texts: pl.DataFrame) -> pl.DataFrame:
    """Split texts into words.

    Args:
        texts: `item` (UInt32), `text`; null counts as empty.

    Returns:
        `item, word, is_figure`: one row per word, in the order of the texts and the words in them; `is_figure` where it
        is all digits.
    """
    return (
        texts.select("item", word=pl.col("text").str.extract_all(WORD))
        .explode("word", empty_as_null=False, keep_nulls=False)
        .with_columns(pl.col("word").str.normalize("NFKC").str.to_lowercase())
        .with_columns(is_figure=pl.col("word").str.contains(r"^\p{N}+$"))
    )
