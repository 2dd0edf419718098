"""Word-by-word comparison of pairs of texts. Pairs are rows with `a`, `b`; words are as `words_of` gives them."""

import polars as pl


def with_common_words(pairs: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Add `word_similarity`: the Dice coefficient of the two texts' words, each counted as often as it stands."""
    words = _of_pairs(words, pairs)
    counted = words.select("item", "word", nth=pl.int_range(pl.len()).over("item", "word"))
    counts = words.group_by("item").agg(count=pl.len().cast(pl.Int64))
    common = (
        pairs.select("a", "b")
        .join(counted.rename({"item": "a"}), on="a")
        .join(counted.rename({"item": "b"}), on=["b", "word", "nth"], how="semi")
        .group_by("a", "b")
        .agg(common=pl.len().cast(pl.Int64))
    )
    return (
        pairs.join(common, on=["a", "b"], how="left")
        .join(counts.select(a="item", a_words="count"), on="a")
        .join(counts.select(b="item", b_words="count"), on="b")
        .with_columns(word_similarity=2 * pl.col("common").fill_null(0) / (pl.col("a_words") + pl.col("b_words")))
        .drop("common", "a_words", "b_words")
    )


def with_new_figures(pairs: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Add `has_new_figures`: whether b has a figure that a has not. Such a sentence is other news, however alike."""
    figures = _of_pairs(words.filter("is_figure"), pairs).select("item", "word").unique()
    new = (
        pairs.select("a", "b")
        .join(figures.rename({"item": "b"}), on="b")
        .join(figures.rename({"item": "a"}), on=["a", "word"], how="anti")
        .select("a", "b", has_new_figures=pl.lit(value=True))
        .unique()
    )
    return pairs.join(new, on=["a", "b"], how="left").with_columns(pl.col("has_new_figures").fill_null(value=False))


def _of_pairs(words: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """The words of texts that stand in a pair, in the same order."""
    items = pl.concat([pairs.select(item="a"), pairs.select(item="b")]).unique()
    return words.join(items, on="item", how="semi", maintain_order="left")
