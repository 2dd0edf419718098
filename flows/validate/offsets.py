"""Offsets against the texts that they point into."""

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.validate.failures import Tables, failing, no_failures

# Code points of text looked at in one go: 13 bytes of working memory each.
BATCH_CHARS = 8_000_000
# What Unicode calls White_Space, and the four separators U+001C to U+001F that Python and most tools strip as well.
WHITE_SPACE = [code for code in range(0x3001) if chr(code).isspace()]

end = (pl.col("char_start").cast(pl.Int64) + pl.col("char_count")).alias("char_end")


def offset_failures(tables: Tables) -> list[pl.DataFrame]:
    """Rows whose offsets point where they must not, and sources whose text no passage covers.

    A source without text (withheld) is checked against its `char_count` alone.

    Args:
        tables: all tables, each with the index of its rows as `row`.

    Returns:
        Frames `table, row, rule, detail`.
    """
    sources = tables["sources"].select("row", "source_id", "text", length="char_count")
    lengths = sources.select("source_id", "length", is_whole=pl.col("text").is_not_null()).unique(
        "source_id", keep="first"
    )
    beyond = pl.col("char_end") > pl.col("length")
    found = [
        failing(
            sources,
            "sources",
            pl.col("text").str.len_chars() != pl.col("length"),
            "char_count_differs",
            "sources.char_count is not the length of sources.text",
        ),
        *passage_failures(tables["passages"], lengths),
        *uncovered_sources(sources, tables["passages"]),
    ]

    articles = tables["articles"].select("row", "article_id", "source_id", "char_start", end)
    found.append(
        failing(
            articles.join(lengths, on="source_id"),
            "articles",
            beyond,
            "article_outside_source",
            "the article's extent ends behind the end of its source",
        )
    )
    inside = (
        tables["passages"]
        .select("row", "article_id", "source_id", "char_start", end)
        .join(articles.drop("row").unique("article_id", keep="first"), on="article_id", suffix="_of_article")
    )
    found += [
        failing(
            inside,
            "passages",
            pl.col("source_id") != pl.col("source_id_of_article"),
            "passage_of_other_source",
            "the passage and its article lie in two sources",
        ),
        failing(
            inside,
            "passages",
            (pl.col("char_start") < pl.col("char_start_of_article"))
            | (pl.col("char_end") > pl.col("char_end_of_article")),
            "passage_outside_article",
            "the passage lies outside the extent of the article that it names",
        ),
    ]

    evidence = (
        tables["evidence"]
        .select("row", "article_id", "char_start", "char_count", end)
        .join(articles.select("article_id", "source_id").unique("article_id", keep="first"), on="article_id")
        .join(lengths, on="source_id")
    )
    found += [
        failing(
            evidence,
            "evidence",
            pl.col("char_start").is_null() != pl.col("char_count").is_null(),
            "evidence_offsets_incomplete",
            "evidence has one of char_start and char_count without the other",
        ),
        failing(
            evidence, "evidence", beyond, "evidence_outside_source", "the evidence ends behind the end of its source"
        ),
    ]
    return found + overlap_failures(tables)


def passage_failures(passages: pl.DataFrame, lengths: pl.DataFrame) -> list[pl.DataFrame]:
    """Passages outside their source, out of order or on top of each other: frames `table, row, rule, detail`."""
    is_same = pl.col("source_id") == pl.col("source_id").shift(1)
    place = pl.int_range(pl.len()).over("source_id")
    ordered = (
        passages.select("row", "passage_id", "source_id", "ordinal", "char_start", end)
        .join(lengths, on="source_id")
        .sort("source_id", "ordinal", "row")
        .with_columns(end_before=pl.when(is_same).then(pl.col("char_end").shift(1)), place=place)
    )
    name = pl.format("{}-{}", "source_id", pl.col("ordinal").cast(pl.String).str.zfill(4))
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


def uncovered_sources(sources: pl.DataFrame, passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Sources in which a character that is no white space lies in no passage: frames `table, row, rule, detail`.

    Texts are looked at in batches as arrays of code points, since slicing a string of n characters for each of its
    passages takes time that grows with n².
    """
    whole = (
        sources.filter(pl.col("text").is_not_null())
        .unique("source_id", keep="first", maintain_order=True)
        .with_columns(length=pl.col("text").str.len_chars().cast(pl.Int64))
        .with_columns(batch=(pl.col("length").cum_sum() - pl.col("length")) // BATCH_CHARS)
    )
    spans = passages.select("source_id", "char_start", end)
    found = [no_failures()]
    for batch in whole.partition_by("batch", maintain_order=True):
        placed = batch.with_columns(offset=pl.col("length").cum_sum() - pl.col("length"))
        inside = spans.join(placed.select("source_id", "offset", "length"), on="source_id")
        begins = inside["offset"] + inside.select(pl.min_horizontal("char_start", "length")).to_series()
        ends = inside["offset"] + inside.select(pl.min_horizontal("char_end", "length")).to_series()
        positions = uncovered_positions("".join(placed["text"]), begins.to_numpy(), ends.to_numpy())
        hit = np.unique(np.searchsorted(placed["offset"].to_numpy(), positions, side="right") - 1)
        found.append(
            failing(
                placed[hit],
                "sources",
                pl.lit(True),
                "text_not_covered",
                "a part of the text lies in no passage of the source",
            )
        )
    return found


def uncovered_positions(text: str, begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions in a text, in code points, that are no white space and lie in none of the spans given."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    is_white = np.zeros(WHITE_SPACE[-1] + 2, dtype=bool)
    is_white[WHITE_SPACE] = True
    steps = np.bincount(begins, minlength=len(codes) + 1) - np.bincount(ends, minlength=len(codes) + 1)
    is_covered = np.cumsum(steps[: len(codes)]) > 0
    is_ink = ~is_white[np.minimum(codes, len(is_white) - 1)]
    return np.flatnonzero(is_ink & ~is_covered)


def overlap_failures(tables: Tables) -> list[pl.DataFrame]:
    """Overlaps that leave their passages or name the wrong ones: frames `table, row, rule, detail`."""
    spans = (
        tables["passages"]
        .select("passage_id", "article_id", "source_id", "char_start", end)
        .unique("passage_id", keep="first")
    )
    overlaps = tables["overlaps"]
    found = []
    for side in ("a", "b"):
        overlaps = overlaps.join(
            spans.rename({name: f"{name}_of_{side}" for name in spans.columns if name != "passage_id"}),
            left_on=f"{side}_passage_id",
            right_on="passage_id",
        )
        shared_end = pl.col(f"{side}_char_start").cast(pl.Int64) + pl.col(f"{side}_char_count")
        found += [
            failing(
                overlaps,
                "overlaps",
                (pl.col(f"{side}_char_start") < pl.col(f"char_start_of_{side}"))
                | (shared_end > pl.col(f"char_end_of_{side}")),
                f"overlap_outside_passage_{side}",
                f"the shared words lie outside passage {side}",
            ),
            failing(
                overlaps,
                "overlaps",
                pl.col(f"{side}_source_id") != pl.col(f"source_id_of_{side}"),
                f"{side}_source_id_differs",
                f"overlaps.{side}_source_id is not the source of passage {side}",
            ),
        ]
    found.append(
        failing(
            overlaps,
            "overlaps",
            pl.col("article_id_of_a") == pl.col("article_id_of_b"),
            "overlap_within_article",
            "both passages belong to one article; overlaps are pairs of two articles",
        )
    )
    return found
