"""What holds between the sources of different shards: copies, repeats, overlaps and relations.

Only keys and offsets are looked at, as numbers: of a passage some 20 bytes are held, and of what repeats something a
batch at a time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.validate.failures import failing, no_failures
from flows.validate.models import model_failures
from schemas.columns import OVERLAP_KINDS
from schemas.tables import TABLES

# What an article and a passage of a released table say of others.
CLUSTERS = ("article_id", "cluster_id")
REPEATS = ("passage_id", "repeats_passage_id", "repeat_kind")
# Columns that rows are found by, of the tables of a shard.
KEY_COLUMNS = {
    "sources": ("source_id",),
    "articles": ("article_id", "source_id"),
    "passages": ("source_id", "article_id", "ordinal", "char_start", "char_count"),
}
# Each is looked at by one thread for the most part.
BATCHES_AT_ONCE = 2
# Digits of a `source_id`; a `passage_id` goes on with a dash and the ordinal.
SOURCE_DIGITS = 16

Numbers = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
NOWHERE = -1


@dataclass(frozen=True)
class Keys:
    """What the rows of all shards are found by.

    Attributes:
        articles: `article_id, source_id, article`: one row per article, with its index.
        source_ids: as numbers, ascending.
        passages: source and ordinal of every passage in one number, ascending.
        article: per passage the index of its article; NOWHERE outside any.
        start: per passage where it begins.
        stop: per passage where it ends.
    """

    articles: pl.DataFrame
    source_ids: Numbers
    passages: Numbers
    article: Indices
    start: Indices
    stop: Indices

    def find(self, passage_ids: pl.Series) -> Indices:
        """Index of each passage; NOWHERE where there is none."""
        parts = passage_ids.to_frame("id").select(
            source=pl.col("id").str.head(SOURCE_DIGITS).str.to_integer(base=16, dtype=pl.UInt64, strict=False),
            ordinal=pl.col("id").str.slice(SOURCE_DIGITS + 1).str.to_integer(dtype=pl.UInt64, strict=False),
        )
        is_id = parts.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        source, ordinal = (parts[name].fill_null(0).to_numpy() for name in ("source", "ordinal"))
        source, is_source = _found(self.source_ids, source)
        passage, is_passage = _found(self.passages, source.astype(np.uint64) << 32 | ordinal)
        return np.where(is_id & is_source & is_passage & (ordinal < 1 << 32), passage, NOWHERE)


def _found(known: Numbers, wanted: Numbers) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Where each number stands among the known ones, and whether it does."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return place, known[place] == wanted


def keys_of(shards: Iterable[Mapping[str, pl.DataFrame]]) -> Keys:
    """What the rows of shards are found by; a row that belongs to no source or stands twice is found once or not.

    Args:
        shards: the tables of KEY_COLUMNS of each, at least with these columns, in ascending order of their ids.
    """
    articles = [TABLES["articles"].empty().select(KEY_COLUMNS["articles"])]
    source_ids, passages = [np.zeros(0, np.uint64)], [np.zeros((0, 4), np.int64)]
    article_count = source_count = 0
    for shard in shards:
        own = shard["articles"].select(KEY_COLUMNS["articles"]).unique("article_id", keep="first", maintain_order=True)
        number = pl.col("source_id").str.to_integer(base=16, dtype=pl.UInt64, strict=False)
        sources = shard["sources"].select(number.unique().drop_nulls().sort()).to_series()
        rows = (
            shard["passages"]
            .select(KEY_COLUMNS["passages"])
            .join(
                own.select("article_id").with_row_index("article"), on="article_id", how="left", maintain_order="left"
            )
            .with_columns(source=number)
            .join(sources.to_frame("source").with_row_index("nth"), on="source", maintain_order="left")
            .sort("nth", "ordinal")
        )
        start, count = pl.col("char_start").cast(pl.Int64), pl.col("char_count").cast(pl.Int64)
        passages.append(
            rows.select(
                (pl.col("nth").cast(pl.Int64) + source_count) * (1 << 32) + pl.col("ordinal"),
                (pl.col("article").cast(pl.Int64) + article_count).fill_null(NOWHERE),
                start,
                end=start + count,
            ).to_numpy()
        )
        articles.append(own)
        source_ids.append(sources.to_numpy())
        article_count += own.height
        source_count += sources.len()
    whole = np.concatenate(passages)
    return Keys(
        pl.concat(articles).with_row_index("article"),
        np.concatenate(source_ids),
        whole[:, 0].astype(np.uint64),
        *(np.ascontiguousarray(whole[:, column]) for column in (1, 2, 3)),
    )


def clusters_of(articles: pl.DataFrame) -> pl.DataFrame:
    """The articles that are not their own cluster: CLUSTERS, and `row` if there is one."""
    return articles.filter(pl.col("cluster_id") != pl.col("article_id")).select(pl.col("^row$"), *CLUSTERS)


def repeats_of(passages: pl.DataFrame) -> pl.DataFrame:
    """The passages that repeat another one: REPEATS, and `row` if there is one."""
    return passages.filter(pl.col("repeats_passage_id").is_not_null()).select(pl.col("^row$"), *REPEATS)


def cluster_failures(clusters: pl.DataFrame, keys: Keys) -> list[pl.DataFrame]:
    """Articles in a cluster whose canonical article is not there, or is none.

    An article whose canonical one fails itself does not fail for that: without the other it is in another cluster.
    """
    target = clusters.select("row", article_id="cluster_id")
    unknown = target.join(keys.articles, on="article_id", how="anti")
    others = clusters.join(unknown, on="row", how="anti").select("article_id")
    return [
        failing(
            unknown,
            "articles",
            pl.lit(True),
            "cluster_id_unknown",
            "articles.cluster_id names a row that the table articles does not have",
        ),
        failing(
            target.join(others, on="article_id", how="semi"),
            "articles",
            pl.lit(True),
            "cluster_without_canonical",
            "the article that cluster_id names is not canonical",
        ),
    ]


def repeat_failures(repeats: pl.DataFrame, keys: Keys) -> list[pl.DataFrame]:
    """Passages that repeat what is not there, or themselves, or in a way that there is no word for.

    Args:
        repeats: some rows of REPEATS, with their index as `row`.
        keys: of all shards.
    """
    is_unknown = pl.Series(keys.find(repeats["repeats_passage_id"]) == NOWHERE)
    return [
        failing(
            repeats,
            "passages",
            is_unknown & pl.col("repeats_passage_id").is_not_null(),
            "repeats_passage_id_unknown",
            "passages.repeats_passage_id names a row that the table passages does not have",
        ),
        failing(
            repeats,
            "passages",
            pl.col("repeats_passage_id") == pl.col("passage_id"),
            "repeat_of_itself",
            "the passage is said to repeat itself",
        ),
        failing(
            repeats,
            "passages",
            ~pl.col("repeat_kind").is_in(OVERLAP_KINDS),
            "repeat_kind_isin",
            "passages.repeat_kind breaks its rule isin in schemas/passages.py",
        ),
    ]


class OverlapCounts:
    """How many overlaps two articles have, counted batch by batch."""

    def __init__(self) -> None:
        self._pairs = [np.zeros(0, np.int64)]

    def add(self, one: Indices, other: Indices) -> None:
        """Count an overlap of each two articles, from whatever thread; one without an article counts for none."""
        first, second = np.minimum(one, other), np.maximum(one, other)
        self._pairs.append((first << 32 | second)[first != NOWHERE])

    def of(self, one: Indices, other: Indices) -> Numbers:
        """How many there are of each two articles."""
        pairs, counts = np.unique(np.concatenate(self._pairs), return_counts=True)
        self._pairs = [np.repeat(pairs, counts)]
        wanted = np.minimum(one, other) << 32 | np.maximum(one, other)
        place, is_known = _found(pairs.astype(np.uint64), wanted.astype(np.uint64))
        found = np.zeros(len(wanted), np.uint64)
        found[is_known] = counts[place[is_known]]
        return found


def overlap_failures(overlaps: pl.DataFrame, keys: Keys, counts: OverlapCounts) -> list[pl.DataFrame]:
    """Overlaps that break their model, leave their passages, or name the wrong ones: frames `table, row, rule, detail`.

    Args:
        overlaps: some rows of the table, with their index as `row`.
        keys: of all shards.
        counts: takes the overlaps of each two articles.
    """
    found = [model_failures(TABLES["overlaps"], overlaps)]
    articles = []
    for side in ("a", "b"):
        passage = keys.find(overlaps[f"{side}_passage_id"])
        is_there = passage != NOWHERE
        known = np.where(is_there, passage, 0)
        article, start, stop = (
            np.where(is_there, column[known], NOWHERE) if len(column) else passage
            for column in (keys.article, keys.start, keys.stop)
        )
        articles.append(article)
        place = pl.col(f"{side}_char_start").cast(pl.Int64)
        is_known = pl.Series(is_there)
        is_outside = (place < pl.Series(start)) | (place + pl.col(f"{side}_char_count") > pl.Series(stop))
        found += [
            failing(
                overlaps,
                "overlaps",
                ~is_known & pl.col(f"{side}_passage_id").is_not_null(),
                f"{side}_passage_id_unknown",
                f"overlaps.{side}_passage_id names a row that the table passages does not have",
            ),
            failing(
                overlaps,
                "overlaps",
                is_known & is_outside,
                f"overlap_outside_passage_{side}",
                f"the shared words lie outside passage {side}",
            ),
            failing(
                overlaps,
                "overlaps",
                pl.col(f"{side}_source_id") != pl.col(f"{side}_passage_id").str.head(SOURCE_DIGITS),
                f"{side}_source_id_differs",
                f"overlaps.{side}_source_id is not the source of passage {side}",
            ),
        ]
    counts.add(*articles)
    is_within = pl.Series((articles[0] == articles[1]) & (articles[0] != NOWHERE))
    found.append(
        failing(
            overlaps,
            "overlaps",
            pl.lit(is_within),
            "overlap_within_article",
            "both passages belong to one article; overlaps are pairs of two articles",
        )
    )
    return found


def with_overlap_count(relations: pl.DataFrame, keys: Keys, counts: OverlapCounts) -> pl.DataFrame:
    """`relations` with the number of overlaps between the two articles as `found`."""
    index = keys.articles.select("article_id", "article")
    sides = [
        relations.select(article_id=f"{side}_article_id")
        .join(index, on="article_id", how="left", maintain_order="left")["article"]
        .cast(pl.Int64)
        .fill_null(NOWHERE)
        .to_numpy()
        for side in ("from", "to")
    ]
    found = np.where((sides[0] == NOWHERE) | (sides[1] == NOWHERE), 0, counts.of(*sides))
    return relations.with_columns(found=pl.Series(found).cast(pl.UInt32))


def relation_failures(relations: pl.DataFrame, keys: Keys, counts: OverlapCounts) -> list[pl.DataFrame]:
    """Relations that break their model, lead to what is not there or to themselves, or count other overlaps.

    Args:
        relations: rows of the table, with their index as `row`.
        keys: of all shards.
        counts: of all overlaps.
    """
    counted = with_overlap_count(relations, keys, counts)
    unknown = [
        failing(
            relations.select("row", article_id=f"{side}_article_id").join(keys.articles, on="article_id", how="anti"),
            "relations",
            pl.lit(True),
            f"{side}_article_id_unknown",
            f"relations.{side}_article_id names a row that the table articles does not have",
        )
        for side in ("from", "to")
    ]
    return [
        model_failures(TABLES["relations"], relations),
        *unknown,
        failing(
            counted,
            "relations",
            pl.col("from_article_id") == pl.col("to_article_id"),
            "relation_to_itself",
            "both ends of the relation are one article",
        ),
        failing(
            counted,
            "relations",
            pl.col("overlap_count") != pl.col("found"),
            "overlap_count_differs",
            "overlap_count is not the number of overlaps between the two articles",
        ),
    ]


def between_failures(
    clusters: pl.DataFrame,
    repeats: Iterable[pl.DataFrame],
    overlaps: Iterable[pl.DataFrame],
    relations: pl.DataFrame,
    keys: Keys,
) -> pl.DataFrame:
    """Rows that name what is not there, or say of it what is not so; all have the index of their row as `row`.

    Args:
        clusters: columns of CLUSTERS: articles that are not their own cluster.
        repeats: columns of REPEATS: passages that repeat another, in batches.
        overlaps: rows of the table, in batches.
        relations: rows of the table.
        keys: of all shards.

    Returns:
        `table, row, rule, detail`, one row per row and broken rule. The failures of clusters are those of `articles`,
        and those of repeats of `passages`.
    """
    counts = OverlapCounts()
    found = [no_failures(), *cluster_failures(clusters, keys)]
    found += _of_batches(lambda batch: repeat_failures(batch, keys), repeats)
    found += _of_batches(lambda batch: overlap_failures(batch, keys, counts), overlaps)
    found += relation_failures(relations, keys, counts)
    return pl.concat(found)


def _of_batches(
    check: Callable[[pl.DataFrame], list[pl.DataFrame]], batches: Iterable[pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """What a check finds in each batch, in their order; BATCHES_AT_ONCE are looked at while the next one is read."""
    waiting: deque[Future[list[pl.DataFrame]]] = deque()
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
        for batch in batches:
            waiting.append(pool.submit(check, batch))
            if len(waiting) > BATCHES_AT_ONCE:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
