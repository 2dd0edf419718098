"""Offsets against the texts that they point into: what can be said within a shard."""

import polars as pl

from flows.validate.codepoints import CodePoints, batches
from flows.validate.failures import Tables, failing, no_failures

# Code points of text looked at in one go: up to 13 bytes of working memory each.
BATCH_CHARS = 8_000_000

end = (pl.col("char_start").cast(pl.Int64) + pl.col("char_count")).alias("char_end")


def offset_failures(tables: Tables) -> list[pl.DataFrame]:
    """Rows whose offsets point where they must not, and sources whose text no passage covers.

    A source without text (withheld) is checked against its `char_count` alone.

    Args:
        tables: the tables of some sources, each with the index of its rows as `row`.

    Returns:
        Frames `table, row, rule, detail`.
    """
    sources = tables["sources"].select("row", "source_id", "text", length="char_count")
    # The index of a source names it from here on: numbers are found and compared much faster than ids.
    places = (
        sources.select("source_id", "length", page="row", is_whole=pl.col("text").is_not_null())
        .unique("source_id", keep="first")
        .with_columns(pl.col("length").cast(pl.Int64))
    )
    articles = (
        tables["articles"]
        .select("row", "article_id", "source_id", "char_start", end)
        .join(places.select("source_id", "page", "length"), on="source_id", maintain_order="left")
    )
    extents = articles.unique("article_id", keep="first").select(
        "article_id", article_page="page", article_start="char_start", article_end="char_end", article_length="length"
    )
    passages = (
        tables["passages"]
        .select("row", "passage_id", "source_id", "article_id", "ordinal", "char_start", end)
        .join(places, on="source_id", maintain_order="left")
        .pipe(_in_reading_order)
    )
    evidence = tables["evidence"].select("row", "article_id", "char_start", "char_count", end)
    evidence = evidence.join(extents, on="article_id")
    return [
        failing(
            sources,
            "sources",
            pl.col("text").str.len_chars() != pl.col("length"),
            "char_count_differs",
            "sources.char_count is not the length of sources.text",
        ),
        failing(
            articles,
            "articles",
            pl.col("char_end") > pl.col("length"),
            "article_outside_source",
            "the article's extent ends behind the end of its source",
        ),
        failing(
            evidence,
            "evidence",
            pl.col("char_start").is_null() != pl.col("char_count").is_null(),
            "evidence_offsets_incomplete",
            "evidence has one of char_start and char_count without the other",
        ),
        failing(
            evidence,
            "evidence",
            pl.col("char_end") > pl.col("article_length"),
            "evidence_outside_source",
            "the evidence ends behind the end of its source",
        ),
        *passage_failures(passages),
        *extent_failures(passages, extents),
        *uncovered_sources(sources, passages),
    ]


def _in_reading_order(passages: pl.DataFrame) -> pl.DataFrame:
    """Passages by source and ordinal, as they are written; looking costs less than sorting."""
    page, ordinal = pl.col("page"), pl.col("ordinal")
    is_next = (page > page.shift(1)) | ((page == page.shift(1)) & (ordinal > ordinal.shift(1)))
    if passages.select(is_next.slice(1).all()).item():
        return passages
    return passages.sort("page", "ordinal", "row")


def passage_failures(passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Passages outside their source, out of order or on top of each other: frames `table, row, rule, detail`.

    Args:
        passages: in reading order, with `page`, `length` and `is_whole` of their source.
    """
    is_same = pl.col("page") == pl.col("page").shift(1)
    index = pl.int_range(pl.len(), dtype=pl.Int64)
    first = pl.when(is_same.fill_null(False)).then(None).otherwise(index).forward_fill()
    ordered = passages.with_columns(end_before=pl.when(is_same).then(pl.col("char_end").shift(1)), place=index - first)
    name = pl.concat_str("source_id", pl.lit("-"), pl.col("ordinal").cast(pl.String).str.zfill(4))
    return [
        failing(
            ordered,
            "passages",
            pl.col("char_end") > pl.col("length"),
            "passage_outside_source",
            "the passage ends behind the end of its source",
        ),
        failing(
            ordered,
            "passages",
            pl.col("char_start") < pl.col("end_before"),
            "passages_overlap",
            "the passage begins before the one that precedes it in reading order ends",
        ),
        failing(
            ordered,
            "passages",
            pl.col("is_whole") & (pl.col("ordinal") != pl.col("place")),
            "ordinal_gap",
            "the ordinals of the source's passages do not count from 0 without a gap",
        ),
        failing(
            ordered,
            "passages",
            pl.col("passage_id") != name,
            "passage_id_differs",
            "passage_id is not made of source_id and ordinal",
        ),
    ]


def extent_failures(passages: pl.DataFrame, extents: pl.DataFrame) -> list[pl.DataFrame]:
    """Passages outside the article that they name: frames `table, row, rule, detail`."""
    inside = passages.select("row", "page", "article_id", "char_start", "char_end").join(extents, on="article_id")
    return [
        failing(
            inside,
            "passages",
            pl.col("page") != pl.col("article_page"),
            "passage_of_other_source",
            "the passage and its article lie in two sources",
        ),
        failing(
            inside,
            "passages",
            (pl.col("char_start") < pl.col("article_start")) | (pl.col("char_end") > pl.col("article_end")),
            "passage_outside_article",
            "the passage lies outside the extent of the article that it names",
        ),
    ]


def uncovered_sources(sources: pl.DataFrame, passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Sources in which a character that is no white space lies in no passage: frames `table, row, rule, detail`.

    Args:
        sources: `row`, `text`.
        passages: `page` (the row of their source), `char_start`, `char_end`, in the order of `page`.
    """
    spans = passages.select("page", "char_start", "char_end")
    found = [no_failures()]
    for batch in batches(sources.drop_nulls("text"), BATCH_CHARS):
        text = CodePoints(batch["text"])
        inside = batch.select(page="row").with_row_index("nth").join(spans, on="page", maintain_order="left")
        starts, lengths = text.starts[inside["nth"]], text.lengths[inside["nth"]]
        begins, ends = (
            starts + lengths.clip(max=inside[column].cast(pl.Int64).to_numpy()) for column in ("char_start", "char_end")
        )
        positions = text.uncovered(begins, ends)
        found.append(
            failing(
                batch[text.owners(positions)],
                "sources",
                pl.lit(True),
                "text_not_covered",
                "a part of the text lies in no passage of the source",
            )
        )
    return found
