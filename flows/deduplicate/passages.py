"""The articles and passages of a corpus as numbers, read shard by shard: what this stage compares.

Text is read once for its words, and a second time, shard by shard, for the few passages that are looked at by letter.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.compiled import compiled, plain
from flows.deduplicate import passage_kernels
from flows.deduplicate.cluster import survivor_order
from flows.deduplicate.kernels import COMPILE_FROM_BYTES
from flows.deduplicate.portion_files import Room, Stretches
from flows.deduplicate.portions import ON_THREADS, Arrays, Spread, shared_out
from flows.deduplicate.wordstore import (
    Number,
    WordStore,
    give_back,
    room_for,
    sealed,
    shared_words,
    words_of_batches,
)
from flows.settings import Settings
from schemas.columns import CONTENT_ROLES, ROLES
from schemas.tables import TABLES

Indexes = npt.NDArray[np.int64]
# A shard of a table: a Parquet file, or rows in memory.
Shard = Path | pl.DataFrame

# What is asked of an article beside its text.
_ARTICLE_FACTS = (
    "article_id",
    "source_id",
    "ordinal",
    "kind",
    "publisher",
    "republisher",
    "authors",
    "published_date",
    "published_date_basis",
    "word_count",
)
_ROW_SCHEMA = pl.Schema(
    {
        "article": pl.Int32,
        "is_inside": pl.Boolean,
        "source": pl.Int32,
        "role": pl.UInt8,
        "char_start": pl.UInt32,
        "char_count": pl.UInt32,
    }
)
# Passages that are handed on at a time when they are read again.
_ROWS_AT_ONCE = 200_000
_PASSAGES_PER_SLICE = 50_000


@dataclass(frozen=True)
class Passages:
    """The passages of a corpus. Their numbers are rows in the order of the shards; items in the order of earliness.

    A passage outside any article belongs to the page; it goes with the page's first article in survivor order. One of
    a source without articles has no item.

    Attributes:
        shards: where the table `passages` lies.
        shard_starts: shape (shards + 1): the first row of each.
        articles: _ARTICLE_FACTS and `rank` (survivor order): one row per article, in the order of its shards.
        article: shape (rows): index into `articles`; -1 without one.
        is_inside: shape (rows): whether the passage lies in that article.
        source: shape (rows): number of the source.
        role: shape (rows): place of the role in ROLES.
        char_start: shape (rows): offset in the source.
        char_count: shape (rows): length in the source.
        rows: shape (items): the row of each item.
        items: shape (rows): the item of each row; -1 without one.
        store: their words.
    """

    shards: Sequence[Shard]
    shard_starts: Indexes
    articles: pl.DataFrame
    article: npt.NDArray[np.int32]
    is_inside: npt.NDArray[np.bool_]
    source: npt.NDArray[np.int32]
    role: npt.NDArray[np.uint8]
    char_start: npt.NDArray[np.uint32]
    char_count: npt.NDArray[np.uint32]
    rows: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    store: WordStore

    @property
    def is_content(self) -> npt.NDArray[np.bool_]:
        """Shape (rows): whether articles consist of such passages."""
        return of_roles(CONTENT_ROLES)[self.role]

    def ranks_of(self, rows: Indexes) -> npt.NDArray[np.int32]:
        """The ranks of the articles that passages go with."""
        ranks: npt.NDArray[np.int32] = self.articles["rank"].to_numpy().astype(np.int32)[self.article[rows]]
        return ranks

    def read(self, rows: Indexes, *columns: str) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Read passages again.

        Args:
            rows: which, sorted.
            columns: of the table `passages`.

        Yields:
            A slice of `rows`, and the columns of those passages in that order; a shard, or a part of it, at a time.
        """
        bounds = np.searchsorted(rows, self.shard_starts)
        asked = np.flatnonzero(np.diff(bounds)).tolist()
        for number, table in zip(asked, _tables([self.shards[number] for number in asked], columns), strict=True):
            for first in range(bounds[number], bounds[number + 1], _ROWS_AT_ONCE):
                part = slice(first, min(first + _ROWS_AT_ONCE, int(bounds[number + 1])))
                yield part, table[rows[part] - self.shard_starts[number]]

    def ids_of(self, rows: Indexes) -> pl.Series:
        """The ids of passages.

        Args:
            rows: which, in any order, as often as wanted.
        """
        is_asked = np.zeros(len(self.items), np.bool_)
        is_asked[rows] = True
        asked = np.flatnonzero(is_asked)
        places = np.empty(len(self.items), np.int32)
        places[asked] = np.arange(len(asked), dtype=np.int32)
        parts = [table["passage_id"] for _, table in self.read(asked, "passage_id")]
        ids = pl.concat(parts) if parts else pl.Series("passage_id", [], dtype=pl.String)
        return ids.rechunk().gather(places[rows])


def of_roles(roles: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Shape (ROLES): which of the roles these are."""
    roles = set(roles)
    return np.array([role in roles for role in ROLES])


def columns_of(shard: Shard, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a shard, in memory."""
    if isinstance(shard, pl.DataFrame):
        return shard.select(columns)
    return pl.read_parquet(shard, columns=list(columns), glob=False)


def _tables(shards: Iterable[Shard], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of each shard; the next one is read while the last one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        ahead: deque[Future[pl.DataFrame]] = deque()
        for shard in shards:
            ahead.append(reader.submit(columns_of, shard, columns))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read_passages(
    articles: Sequence[Shard], passages: Sequence[Shard], settings: Settings, work: Path, spread: Spread = ON_THREADS
) -> Passages:
    """Read all shards.

    Args:
        articles: shards of the table `articles`.
        passages: shards of the table `passages`, each of the same sources and sorted as it is released.
        settings: `deduplicate_memory_bytes`.
        work: where words go that do not fit, and all if the work is done elsewhere.
        spread: who does the work.
    """
    of_shards = [columns_of(shard, _ARTICLE_FACTS) for shard in articles]
    facts = pl.concat([TABLES["articles"].empty().select(_ARTICLE_FACTS), *of_shards]).with_row_index("article")
    facts = facts.join(survivor_order(facts), on="article_id", maintain_order="left")
    ends = np.cumsum([own.height for own in of_shards])
    read: list[pl.DataFrame] = []
    counts: list[int] = []

    def tables(*columns: str) -> Iterator[pl.DataFrame]:
        """The shards, which are numbered on the way."""
        known = "source_id", "article_id", "role", "char_start", "char_count"
        for table, own, end in zip(_tables(passages, (*known, *columns)), of_shards, ends, strict=True):
            counts.append(table.height)
            read.append(_numbered(table, facts[end - own.height : end]))
            yield table

    if spread.is_elsewhere and len(passages) > 1:
        store = _words_of_shards([shard for shard in passages if isinstance(shard, Path)], work, spread)
        deque(tables(), maxlen=0)
    else:
        texts = (table["text"] for table in tables("text"))
        store = words_of_batches(texts, settings.deduplicate_memory_bytes * 5 // 8, work)
    rows = pl.concat([pl.DataFrame(schema=_ROW_SCHEMA), *read])
    read.clear()
    article = rows["article"].to_numpy()
    # The order of rows is that of sources and, in each, of reading; those of an article mostly follow one another.
    runs = np.flatnonzero(np.append(True, article[1:] != article[:-1])[: len(article)])
    lengths = np.diff(np.append(runs, len(article)))
    known = np.flatnonzero(article[runs] >= 0)
    known = known[np.argsort(facts["rank"].to_numpy()[article[runs[known]]], kind="stable")]
    order = _ranges(runs[known], lengths[known]).astype(np.int32)
    items = np.full(len(article), -1, np.int32)
    items[order] = np.arange(len(order), dtype=np.int32)
    return Passages(
        shards=passages,
        shard_starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        articles=facts.drop("article"),
        article=article,
        is_inside=rows["is_inside"].to_numpy(),
        source=rows["source"].to_numpy(),
        role=rows["role"].to_numpy(),
        char_start=rows["char_start"].to_numpy(),
        char_count=rows["char_count"].to_numpy(),
        rows=order,
        items=items,
        store=store,
    )


def _numbered(table: pl.DataFrame, articles: pl.DataFrame) -> pl.DataFrame:
    """Columns of _ROW_SCHEMA: one row per passage of a shard, whose articles are given; -1 for what is not known."""
    ids = ("source_id", "article_id")
    # The number of a source is that of its first article in survivor order.
    of_pages = (
        articles.select("source_id", "rank", page_article="article")
        .sort("rank")
        .unique("source_id", keep="first", maintain_order=True)
    )
    # Passages of one article follow one another: each run of them is looked up once.
    is_new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in ids)
    numbered = table.select(
        *ids,
        "char_start",
        "char_count",
        role=pl.col("role").cast(pl.Enum(list(ROLES))).to_physical().cast(pl.UInt8),
        is_new=(pl.int_range(pl.len()) == 0) | is_new,
    )
    runs = (
        numbered.filter("is_new")
        .select(ids)
        .join(of_pages, on="source_id", how="left", maintain_order="left")
        .join(articles.select("article_id", "article"), on="article_id", how="left", maintain_order="left")
        .select(
            pl.coalesce("article", "page_article").cast(pl.Int32).fill_null(-1).alias("article"),
            pl.col("page_article").cast(pl.Int32).fill_null(-1).alias("source"),
            is_inside=pl.col("article").is_not_null(),
        )
    )
    run = numbered["is_new"].cast(pl.UInt32).cum_sum() - 1
    return pl.concat([runs[run], numbered], how="horizontal").select(_ROW_SCHEMA.names())


def words_of_articles(passages: Passages, work: Path) -> WordStore:
    """The words of each article's content side by side: those of its passages, which are let go.

    Args:
        passages: of all articles.
        work: where words go if the work is done elsewhere: there, to do a portion twice must be to do it once, so that
            words are copied. Here they are moved to the front of where they lie.
    """
    chosen = np.flatnonzero(passages.is_content & passages.is_inside)
    article = passages.article[chosen]
    store = passages.store.let_go()
    # Those of an article between passages of another one, or of a page whose articles stand in another order: few.
    is_astray = np.minimum.accumulate(article[::-1])[::-1] < article
    is_astray |= np.maximum.accumulate(article) > article
    if is_astray.any():
        order = np.argsort(article, kind="stable")
        chosen, article = chosen[order], article[order]
    of_articles = np.searchsorted(article, np.arange(passages.articles.height + 1))
    to, lines_to = _ends(store.starts, chosen), _ends(store.line_starts, chosen)
    lines = store.line_starts, chosen, lines_to, is_astray
    is_elsewhere = store.spread.is_elsewhere
    return WordStore(
        words=_copied(store, chosen, to, work)
        if is_elsewhere
        else _moved(store, store.words, store.starts, chosen, to, is_astray),
        starts=to[of_articles],
        line_hashes=_moved(store, store.line_hashes, *lines),
        line_words=_moved(store, store.line_words, *lines),
        line_starts=lines_to[of_articles],
        is_compiled=store.is_compiled,
        spread=store.spread,
        file=None if is_elsewhere else store.file,
    )


def _moved(
    store: WordStore,
    values: npt.NDArray[Number],
    starts: Indexes,
    rows: Indexes,
    to: Indexes,
    is_astray: npt.NDArray[np.bool_],
) -> npt.NDArray[Number]:
    """Move what belongs to passages side by side, in the order given, to the front of where it all lies.

    Args:
        store: of all passages.
        values: their words or lines, which are changed.
        starts: shape (passages + 1): where those of each begin.
        rows: shape (n): which passages.
        to: shape (n + 1): where those of each go, and where the last ones end.
        is_astray: shape (n): whether any of those before it in this order lies behind it, or the other way round. All
            others go forward, one after the other, to where nobody's are needed any more.
    """
    gather = kernels_for(is_compiled=store.is_compiled)["gather"]
    astray, others = np.flatnonzero(is_astray), np.flatnonzero(~is_astray)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(to[astray + 1] - to[astray])])
    aside = np.empty(int(ends[-1]), values.dtype)
    gather(*views(store, values, starts, rows[astray], aside, ends), 0, len(astray))
    for first in range(0, len(others), _PASSAGES_PER_SLICE):
        own = others[first : first + _PASSAGES_PER_SLICE]
        gather(*views(store, values, starts, rows[own], values, to[own]), 0, len(own))
        give_back(values)
    gather(*views(store, aside, ends, np.arange(len(astray)), values, to[astray]), 0, len(astray))
    return values[: to[-1]]


def _copied(store: WordStore, rows: Indexes, to: Indexes, work: Path) -> npt.NDArray[np.uint32]:
    """Copy the words of passages side by side into another file."""
    words = shared_words(work, int(to[-1]))
    bounds, spread = shared_out(len(rows), _PASSAGES_PER_SLICE, store.spread)
    starts, ends = store.starts[rows], store.starts[rows + 1]
    portions = [
        (
            Stretches(store.words, starts[first:last], ends[first:last]),
            starts[first:last],
            ends[first:last],
            store.is_compiled,
            room_for(words, int(to[first]), int(to[last] - to[first])),
        )
        for first, last in bounds
    ]
    for _ in spread(_gathered, portions):
        pass
    return sealed(words, store.spread)


def _gathered(words: npt.NDArray[np.uint32], starts: Indexes, ends: Indexes, is_compiled: bool, room: Room) -> Arrays:
    """A portion of `_copied`: the words of some passages, put side by side into their room."""
    to = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
    own = np.empty(int(to[-1]), np.uint32)
    # As the kernel asks for them: where each passage begins, and behind that where it ends.
    bounds = np.stack([starts, ends], axis=1).ravel()
    arrays = views_of(words, bounds, np.arange(0, len(bounds), 2), own, to, is_compiled=is_compiled)
    kernels_for(is_compiled=is_compiled)["gather"](*arrays, 0, len(starts))
    room.put(own)
    give_back(words)
    return ()


def _words_of_shards(shards: Sequence[Path], work: Path, spread: Spread) -> WordStore:
    """Read texts as `words_of_batches` does, each shard where the work is done; their words come to lie in one file."""
    is_compiled = sum(shard.stat().st_size for shard in shards) >= COMPILE_FROM_BYTES
    found = list(spread(_words_of_shard, [(shard,) for shard in shards], stays=(0,)))
    counts = [np.array([len(column) for column in columns]) for columns in zip(*found, strict=True)]
    firsts, line_firsts = (np.concatenate([[0], np.cumsum(counts[column])]) for column in (0, 2))
    words = shared_words(work, int(firsts[-1]))
    rooms = (room_for(words, int(first), len(part[0])) for part, first in zip(found, firsts, strict=False))
    for _ in spread(_placed, [(part[0], room) for part, room in zip(found, rooms, strict=True)]):
        pass
    return WordStore(
        words=sealed(words, spread),
        starts=_shifted([part[1] for part in found], firsts),
        line_hashes=np.concatenate([part[2] for part in found]),
        line_words=np.concatenate([part[3] for part in found]),
        line_starts=_shifted([part[4] for part in found], line_firsts),
        is_compiled=is_compiled,
        spread=spread,
    )


def _words_of_shard(shard: Path) -> Arrays:
    """A portion of `_words_of_shards`: words, where each text's end; lines, their words, where each text's end."""
    texts = columns_of(shard, ("text",))["text"]
    # Four bytes a word, and hardly ever more words than bytes of text.
    store = words_of_batches([texts], 4 * int(texts.str.len_bytes().sum()))
    return store.words, store.starts[1:], store.line_hashes, store.line_words, store.line_starts[1:]


def _placed(words: npt.NDArray[np.uint32], room: Room) -> Arrays:
    """A portion of `_words_of_shards`: the words of a shard, copied to their place."""
    room.put(words)
    return ()


def _shifted(ends: Sequence[Indexes], firsts: Indexes) -> Indexes:
    """Where texts begin, from where they end in their shards: shape (texts + 1)."""
    pieces = [own + first for own, first in zip(ends, firsts, strict=False)]
    return np.concatenate([np.zeros(1, np.int64), *pieces])


def kernels_for(*, is_compiled: bool) -> Mapping[str, Callable[..., Any]]:
    """The kernels over passages, as they stand or compiled."""
    return compiled(passage_kernels) if is_compiled else plain(passage_kernels)


def views(store: WordStore, *arrays: npt.NDArray[Any]) -> tuple[Any, ...]:
    """Arrays as kernels take them: those that run as they stand read Python's integers much faster."""
    return views_of(*arrays, is_compiled=store.is_compiled)


def views_of(*arrays: npt.NDArray[Any], is_compiled: bool) -> tuple[Any, ...]:
    """Arrays as `views` gives them."""
    return arrays if is_compiled else tuple(array.data for array in arrays)


def _ends(starts: Indexes, rows: Indexes) -> Indexes:
    """Where what belongs to each passage begins when all stands side by side, and its end: shape (n + 1)."""
    ends = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(starts[rows + 1] - starts[rows], out=ends[1:])
    return ends


def _ranges(starts: Indexes, counts: Indexes) -> Indexes:
    """The numbers of ranges, one range after the other."""
    ends = np.cumsum(counts)
    if not len(ends):
        return np.empty(0, np.int64)
    numbers: Indexes = np.arange(ends[-1]) + np.repeat(starts - np.append(0, ends[:-1]), counts)
    return numbers
