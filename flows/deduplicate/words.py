"""The words of texts: what the comparisons of this stage count.

A word is a run of letters, marks and digits; in a script that writes without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese, Tibetan) every character is one, so that such texts have shingles too. Words are compared in lower case
and NFKC: full-width digits and ligatures do not make another word.
"""

import polars as pl

_WORD_CHARACTER = r"[\p{L}\p{M}\p{N}]"
_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
WORD = rf"[{_WORD_CHARACTER}&&{_SPACELESS}]|[{_WORD_CHARACTER}--{_SPACELESS}]+"
_PIECE = rf"{WORD}|[^\p{{L}}\p{{M}}\p{{N}}]+"

# A character of a script without spaces carries about half of what a word does (Chinese: 1.5 to 2 characters a word).
SPACELESS_PER_WORD = 2


def words_of(texts: pl.DataFrame) -> pl.DataFrame:
    """Split texts into words.

    Args:
        texts: `item` (UInt32), `text`; null counts as empty.

    Returns:
        `item, position, word, is_figure, is_spaceless`: one row per word, in the order of the texts and the words in
        them; `position` counts from 0 within the text; `is_figure` where it is all digits.
    """
    return (
        texts.select("item", word=pl.col("text").str.extract_all(WORD))
        .explode("word", empty_as_null=False, keep_nulls=False)
        .with_columns(
            pl.col("word").str.normalize("NFKC").str.to_lowercase(),
            is_spaceless=pl.col("word").str.contains(rf"^{_SPACELESS}"),
        )
        .select(
            "item",
            pl.int_range(pl.len(), dtype=pl.UInt32).over("item").alias("position"),
            "word",
            pl.col("word").str.contains(r"^\p{N}+$").alias("is_figure"),
            "is_spaceless",
        )
    )


def word_spans(texts: pl.DataFrame) -> pl.DataFrame:
    """Where the words of texts stand; the same words at the same positions as in `words_of`.

    Args:
        texts: `item`, `text`.

    Returns:
        `item, position, char_start, char_end`: one row per word; code points into the text, the end exclusive.
    """
    pieces = (
        texts.select("item", piece=pl.col("text").str.extract_all(_PIECE))
        .explode("piece", empty_as_null=False, keep_nulls=False)
        .with_columns(char_count=pl.col("piece").str.len_chars())
        .with_columns(char_end=pl.col("char_count").cum_sum().over("item"))
    )
    return pieces.filter(pl.col("piece").str.contains(rf"^{_WORD_CHARACTER}")).select(
        "item",
        pl.int_range(pl.len(), dtype=pl.UInt32).over("item").alias("position"),
        char_start=pl.col("char_end") - pl.col("char_count"),
        char_end=pl.col("char_end"),
    )


def same_words(words: pl.DataFrame) -> pl.DataFrame:
    """Group texts that consist of the same words in the same order.

    Args:
        words: as `words_of` gives them.

    Returns:
        `item, first`: one row per text with a word, sorted by `item`; `first` is the lowest item with the same words.
    """
    return (
        words.group_by("item", maintain_order=True)
        .agg(pl.col("word").str.join(" "))
        .select("item", first=pl.col("item").min().over("word"))
        .sort("item")
    )


def word_counts(words: pl.DataFrame) -> pl.DataFrame:
    """Count the words of texts.

    Returns:
        `item, word_count, size`: one row per text with a word, sorted; `size` is `word_count` with the characters of
        scripts without spaces brought down to the words that they make (see SPACELESS_PER_WORD).
    """
    return (
        words.group_by("item")
        .agg(word_count=pl.len().cast(pl.Int64), spaceless=pl.col("is_spaceless").sum().cast(pl.Int64))
        .select(
            "item",
            "word_count",
            size=pl.col("word_count") - pl.col("spaceless") + pl.col("spaceless") // SPACELESS_PER_WORD,
        )
        .sort("item")
    )
