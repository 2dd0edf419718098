"""What holds between the sources of different shards: copies, repeats, overlaps and relations.

Only keys and offsets are looked at, as numbers: of a passage some 20 bytes are held, and of what repeats something a
batch at a time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

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
# Shards, and batches of rows, that are looked at side by side, each by one thread for the most part.
AT_ONCE = 2
# Digits of a `source_id`; a `passage_id` goes on with a dash and the ordinal.
SOURCE_DIGITS = 16

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

Numbers = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
NOWHERE = -1


@dataclass(frozen=True)
class Keys:
    """What the rows of all shards are found by.

    Attributes:
        articles: `article_id, source_id, article`: one row per article, with its index.
        source_ids: as numbers, ascending.
        first: per source the index of its first passage, and at last the number of passages.
        passages: source and ordinal of every passage in one number, ascending.
        article: per passage the index of its article; NOWHERE outside any.
        start: per passage where it begins.
        count: per passage its length.
    """

    articles: pl.DataFrame
    source_ids: Numbers
    first: Indices
    passages: Numbers
    article: npt.NDArray[np.int32]
    start: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint32]

    def find(self, passage_ids: pl.Series) -> Indices:
        """Index of each passage; NOWHERE where there is none."""
        parts = passage_ids.to_frame("id").select(
            source=_source_number(pl.col("id").str.head(SOURCE_DIGITS)),
            ordinal=pl.col("id").str.slice(SOURCE_DIGITS + 1).str.to_integer(dtype=pl.UInt32, strict=False),
        )
        is_id = parts.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        number, ordinal = (parts[name].fill_null(0).to_numpy() for name in ("source", "ordinal"))
        source, is_source = _found(self.source_ids, number)
        known = np.flatnonzero(is_id & is_source)
        place = np.full(len(passage_ids), NOWHERE)
        place[known] = self._passages_of(source[known], ordinal[known])
        return place

    def _passages_of(self, source: Indices, ordinal: npt.NDArray[np.uint32]) -> Indices:
        """Index of the passage of each source with each ordinal; NOWHERE where there is none."""
        wanted = _key(source, ordinal)
        # The passages of a source are numbered from 0: only where some are gone they have to be searched for.
        place = self.first[source] + ordinal
        is_there = place < self.first[source + 1]
        is_there[is_there] = self.passages[place[is_there]] == wanted[is_there]
        others = np.flatnonzero(~is_there)
        found, is_found = _found(self.passages, wanted[others])
        place[others] = np.where(is_found, found, NOWHERE)
        return place


def _source_number(source_id: pl.Expr) -> pl.Expr:
    """A `source_id` as a number, null where it is none."""
    return source_id.str.to_integer(base=16, dtype=pl.UInt64, strict=False)


def _key(source: Indices, ordinal: npt.NDArray[np.uint32]) -> Numbers:
    """Passages as one number each, which ascends as they stand."""
    return source.astype(np.uint64) << np.uint64(32) | ordinal


def _found(known: Numbers, wanted: Numbers) -> tuple[Indices, Booleans]:
    """Where each number stands among the known ones, and whether it does."""
    place = np.zeros(len(wanted), np.int64)
    if not len(known):
        return place, np.zeros(len(wanted), bool)
    # In ascending order each is found near the one before: measured among a million, a quarter of the time.
    order = np.argsort(wanted)
    place[order] = np.minimum(np.searchsorted(known, wanted[order]), len(known) - 1)
    return place, known[place] == wanted


def keys_of(shards: Iterable[Mapping[str, pl.DataFrame]]) -> Keys:
    """What the rows of shards are found by; a row that belongs to no source or stands twice is found once or not.

    Args:
        shards: the tables of KEY_COLUMNS of each, at least with these columns, in ascending order of their ids.
    """
    none = {name: TABLES[name].empty() for name in KEY_COLUMNS}
    found = list(_side_by_side(_keys_of_shard, chain([none], shards)))
    articles = pl.concat(shard.articles for shard in found).with_row_index("article")
    source_ids = np.concatenate([shard.source_ids for shard in found])
    # Indices in a shard to indices in all.
    article_count = source_count = 0
    for shard in found:
        shard.article[shard.article != NOWHERE] += article_count
        np.add(shard.passages, source_count << 32, out=shard.passages)
        article_count += shard.articles.height
        source_count += len(shard.source_ids)
    passages = np.concatenate([shard.passages for shard in found])
    return Keys(
        articles,
        source_ids,
        np.searchsorted(passages, np.arange(source_count + 1, dtype=np.uint64) << 32),
        passages,
        np.concatenate([shard.article for shard in found]),
        np.concatenate([shard.start for shard in found]),
        np.concatenate([shard.count for shard in found]),
    )


@dataclass(frozen=True)
class _ShardKeys:
    """What is in `Keys`, of one shard: indices are those in the shard."""

    articles: pl.DataFrame
    source_ids: Numbers
    passages: Numbers
    article: npt.NDArray[np.int32]
    start: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint32]


def _keys_of_shard(shard: Mapping[str, pl.DataFrame]) -> _ShardKeys:
    articles = shard["articles"].select(KEY_COLUMNS["articles"]).unique("article_id", keep="first", maintain_order=True)
    numbers = shard["sources"].select(_source_number(pl.col("source_id")).unique().drop_nulls().sort()).to_series()
    source_ids = numbers.to_numpy()

    def index_of_source(ids: pl.Series) -> Indices:
        wanted = ids.to_frame("id").select(_source_number(pl.col("id"))).to_series()
        place, is_there = _found(source_ids, wanted.fill_null(0).to_numpy())
        return np.where(is_there & wanted.is_not_null().to_numpy(), place, NOWHERE)

    def index_of_article(ids: pl.Series) -> Indices:
        known = articles.select("article_id").with_row_index("index")
        found = ids.to_frame("article_id").join(known, on="article_id", how="left", maintain_order="left")
        return found["index"].cast(pl.Int64).fill_null(NOWHERE).to_numpy()

    rows = shard["passages"]
    source = _of_each_run(rows["source_id"], index_of_source)
    article = _of_each_run(rows["article_id"], index_of_article).astype(np.int32)
    ordinal, start, count = (rows[name].fill_null(0).to_numpy() for name in ("ordinal", "char_start", "char_count"))
    passages = _key(source, ordinal)
    if (source == NOWHERE).any() or (passages[1:] < passages[:-1]).any():
        order = np.argsort(passages, kind="stable")
        order = order[source[order] != NOWHERE]
        passages, article, start, count = passages[order], article[order], start[order], count[order]
    return _ShardKeys(articles, source_ids, passages, article, start, count)


def _of_each_run(values: pl.Series, index_of: Callable[[pl.Series], Indices]) -> Indices:
    """Index of each value, which is asked for once for each run of equal ones: rows stand by source and article."""
    is_first = values.ne_missing(values.shift(1)).to_numpy(writable=True)
    is_first[:1] = True
    counts = np.diff(np.flatnonzero(is_first), append=len(values))
    return np.repeat(index_of(values.filter(pl.Series(is_first))), counts)


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
        self._pairs.append(_pairs(one, other)[np.minimum(one, other) != NOWHERE])

    def of(self, one: Indices, other: Indices) -> Numbers:
        """How many there are of each two articles."""
        pairs, counts = np.unique(np.concatenate(self._pairs), return_counts=True)
        self._pairs = [np.repeat(pairs, counts)]
        wanted = _pairs(one, other)
        place, is_known = _found(pairs.astype(np.uint64), wanted.astype(np.uint64))
        found = np.zeros(len(wanted), np.uint64)
        found[is_known] = counts[place[is_known]]
        return found


def _pairs(one: Indices, other: Indices) -> Indices:
    """Each two articles as one number, whichever of them comes first."""
    return np.minimum(one, other) << 32 | np.maximum(one, other)


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
        article, start, count = (
            np.where(is_there, column[known].astype(np.int64), NOWHERE) if len(column) else passage
            for column in (keys.article, keys.start, keys.count)
        )
        articles.append(article)
        place = pl.col(f"{side}_char_start").cast(pl.Int64)
        is_known = pl.Series(is_there)
        is_outside = (place < pl.Series(start)) | (
            place + pl.col(f"{side}_char_count") > pl.Series(start) + pl.Series(count)
        )
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
    """`relations` with the indices of the two articles, `from_article` and `to_article`, null where there is none.

    The number of overlaps between them is added as `found`.
    """
    index = keys.articles.select("article_id", "article")
    sides = [
        relations.select(article_id=f"{side}_article_id").join(
            index, on="article_id", how="left", maintain_order="left"
        )["article"]
        for side in ("from", "to")
    ]
    one, other = (side.cast(pl.Int64).fill_null(NOWHERE).to_numpy() for side in sides)
    found = np.where((one == NOWHERE) | (other == NOWHERE), 0, counts.of(one, other))
    return relations.with_columns(from_article=sides[0], to_article=sides[1], found=pl.Series(found).cast(pl.UInt32))


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
            counted,
            "relations",
            pl.col(f"{side}_article").is_null(),
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
    found += chain.from_iterable(_side_by_side(lambda batch: repeat_failures(batch, keys), repeats))
    found += chain.from_iterable(_side_by_side(lambda batch: overlap_failures(batch, keys, counts), overlaps))
    found += relation_failures(relations, keys, counts)
    return pl.concat(found)


def _side_by_side(work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
    """What is made of each thing given, in their order; AT_ONCE are worked on while the next one is read."""
    waiting: deque[Future[_Made]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in given:
            waiting.append(pool.submit(work, one))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
