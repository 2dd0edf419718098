"""Quoted passages: which are found in other stories, and what is found that nobody quoted.

    python -m benchmarks.quotes 20000

The stories of a made-up press (`benchmarks.corpus`) without their copies go through the stage deduplicate as articles
of as many sources; a passage is a line.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.corpus import write_corpus
from flows.deduplicate.stage import deduplicate
from flows.settings import Settings
from flows.text import joined_texts
from schemas.tables import TABLES

Span = tuple[int, int]
"""Where a stretch begins and ends in a text, in code points; the end exclusive."""

_LEAST_IOU = 0.5
# A line that stands in so many stories is an outlet's.
_FURNITURE_DOCUMENTS = 5


@dataclass(frozen=True)
class QuoteAccuracy:
    """How well quotations are found.

    Attributes:
        quotes: kind of quotation → how many there are; those of passages of several paragraphs count once more, as a
            kind of their own.
        found: kind → share that was found: what was reported of the two stories, taken together, and the quotation
            have at least half of what they cover in common (intersection over union), on both sides.
        overlaps: overlaps reported between passages of text.
        spurious: those of them that touch no quotation, or not on both sides.
    """

    quotes: dict[str, int]
    found: dict[str, float]
    overlaps: int
    spurious: int


def stories(corpus: pl.DataFrame) -> pl.DataFrame:
    """The documents of a corpus that are no copies; of those that quote the same story the first."""
    first = corpus.filter(pl.col("quoted_id").is_null() | pl.col("quoted_id").is_first_distinct())
    return first.filter(pl.col("kind").is_in(["original", "quoting"])).with_columns(pl.col("id").str.zfill(16))


def tables(documents: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Documents as `normalize` would hand them on.

    Args:
        documents: as `stories` gives them.

    Returns:
        Rows of `articles` and of `passages`: each document is one article of one source, each line a passage.
    """
    line = pl.col("text").str.split("\n")
    end = (pl.col("char_count") + 1).cum_sum().over("id")
    lines = (
        documents.select("id", text=line)
        .explode("text")
        .with_columns(char_count=pl.col("text").str.len_chars())
        .with_columns(char_start=end - pl.col("char_count") - 1)
        .filter(pl.col("char_count") > 0)
        .with_columns(is_furniture=pl.col("id").n_unique().over("text") >= _FURNITURE_DOCUMENTS)
        .with_columns(nth=(~pl.col("is_furniture")).cum_sum().over("id"), ordinal=pl.int_range(pl.len()).over("id"))
    )
    role = (
        pl.when("is_furniture")
        .then(pl.lit("boilerplate"))
        .when(pl.col("nth") == 1)
        .then(pl.lit("title"))
        .otherwise(pl.lit("body"))
    )
    article_id = pl.col("id") + "-00"
    passages = _rows(
        "passages",
        lines.with_columns(role=role).with_columns(
            passage_id=pl.col("id") + "-" + pl.col("ordinal").cast(pl.String).str.zfill(4),
            source_id="id",
            article_id=article_id,
            rule=pl.lit("made_up"),
            is_kept=pl.col("role") == "body",
            drop_reason=pl.when(pl.col("role") != "body").then("role"),
        ),
    )
    texts = joined_texts(passages).select("article_id", body="text")
    articles = _rows(
        "articles",
        documents.with_columns(article_id=article_id)
        .join(texts, on="article_id", how="left")
        .select(
            "article_id",
            "publisher",
            source_id="id",
            ordinal=pl.lit(0),
            kind=pl.lit("article"),
            char_start=pl.lit(0),
            char_count=pl.col("text").str.len_chars(),
            authors=pl.lit([], dtype=pl.List(pl.String)),
            rights_policy=pl.lit("unknown"),
            text=pl.col("body").fill_null(""),
            unique_text=pl.col("body").fill_null(""),
            word_count=pl.col("body").fill_null("").str.count_matches(r"\S+"),
            cluster_id="article_id",
            is_canonical=pl.lit(value=True),
        ),
    )
    return articles, passages


def accuracy(documents: pl.DataFrame, overlaps: pl.DataFrame, passages: pl.DataFrame) -> QuoteAccuracy:
    """Judge overlaps.

    Args:
        documents: as `stories` gives them.
        overlaps: rows of the table.
        passages: rows of the table; only overlaps between passages of the role `body` are judged.
    """
    body = passages.filter(role="body").select("passage_id")
    judged = overlaps.join(body, left_on="a_passage_id", right_on="passage_id", how="semi").join(
        body, left_on="b_passage_id", right_on="passage_id", how="semi"
    )
    reported: dict[tuple[str, str], list[tuple[Span, Span]]] = defaultdict(list)
    offsets = ("a_char_start", "a_char_count", "b_char_start", "b_char_count")
    for a, b, a_start, a_count, b_start, b_count in judged.select("a_source_id", "b_source_id", *offsets).iter_rows():
        spans = (a_start, a_start + a_count), (b_start, b_start + b_count)
        reported[a, b].append(spans)
        reported[b, a].append((spans[1], spans[0]))
    quotes: dict[str, int] = defaultdict(int)
    found: dict[str, int] = defaultdict(int)
    true_overlaps = 0
    quoting = documents.with_columns(pl.col("quoted_id").str.zfill(16))
    sources = documents.join(quoting, left_on="id", right_on="quoted_id", how="semi")
    source_texts = dict(sources.select("id", "text").iter_rows())
    for row in quoting.filter(pl.col("quoted_id").is_in(sources["id"].implode())).iter_rows(named=True):
        quote = row["quote_char_start"], row["quote_char_start"] + row["quote_char_count"]
        quoted = row["quoted_char_start"], row["quoted_char_start"] + row["quoted_char_count"]
        spans_of_pair = reported.get((row["id"], row["quoted_id"]), [])
        true_overlaps += sum(_common(one, quote) > 0 and _common(other, quoted) > 0 for one, other in spans_of_pair)
        least = min(_iou((one for one, _ in spans_of_pair), quote), _iou((other for _, other in spans_of_pair), quoted))
        is_across = "\n" in source_texts[row["quoted_id"]][slice(*quoted)]
        for kind in (row["quote_kind"], *([f"{row['quote_kind']} across paragraphs"] if is_across else [])):
            quotes[kind] += 1
            found[kind] += least >= _LEAST_IOU
    return QuoteAccuracy(
        quotes=dict(sorted(quotes.items())),
        found={kind: found[kind] / count for kind, count in sorted(quotes.items())},
        overlaps=judged.height,
        spurious=judged.height - true_overlaps,
    )


def _common(one: Span, other: Span) -> int:
    """Characters that two spans share."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _iou(spans: Iterable[Span], truth: Span) -> float:
    """Characters that spans together and the truth share, of those that either has."""
    covered = set().union(*(range(*span) for span in spans))
    shared = len(covered.intersection(range(*truth)))
    return shared / (len(covered) + truth[1] - truth[0] - shared)


def _rows(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as rows of a table; columns that it lacks are null."""
    columns = TABLES[name].dtypes
    missing = [pl.lit(None).alias(column) for column in columns if column not in frame.columns]
    return frame.with_columns(missing).select(columns.keys()).cast(pl.Schema(columns)).sort(TABLES[name].order)


def main(arguments: list[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description="Quotations found in other stories by the stage deduplicate.")
    parser.add_argument("documents", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="one that is there, instead of a made-up one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = options.corpus or Path(folder, "corpus.parquet")
        if options.corpus is None:
            write_corpus(options.documents, path, options.seed)
        documents = stories(pl.read_parquet(path))
    articles, passages = tables(documents)
    began = time.perf_counter()
    overlaps = deduplicate(articles, passages, Settings()).overlaps
    seconds = time.perf_counter() - began
    judged = accuracy(documents, overlaps, passages)
    print(f"{articles.height} stories, {passages.height} passages, {seconds:.1f} s")
    for kind, count in judged.quotes.items():
        print(f"{kind:<28}{judged.found[kind]:.4f} of {count} found")
    print(f"{'spurious':<28}{judged.spurious} of {judged.overlaps} overlaps of text")


if __name__ == "__main__":
    main()
