"""The stage: articles and passages in; the same with their repeats marked, and the tables of repeats, out."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from flows.deduplicate.near import copies as copies_of_survivors
from flows.deduplicate.overlaps import one_rule_each, overlap_rows, overlapping, repeated_passages
from flows.deduplicate.passages import Passages, Shard, read_passages, words_of_articles
from flows.deduplicate.portions import ON_THREADS, Spread
from flows.deduplicate.relations import relations_from
from flows.deduplicate.restated import restated_passages
from flows.deduplicate.reuse import firsts_of, reworded_passages
from flows.deduplicate.slots import slot_matches
from flows.progress import telling
from flows.settings import Settings
from flows.text import joined_texts
from flows.wording import counted
from schemas.columns import REPEAT
from schemas.tables import TABLES


@dataclass(frozen=True)
class Repeats:
    """What repeats what, over all shards; small beside the corpus.

    Attributes:
        clusters: `article_id, cluster_id`: one row per article that is not its own cluster, sorted.
        repeats: `passage_id, repeats_passage_id, repeat_kind`: one row per passage that repeats one as a whole, sorted.
        overlaps: rows of the released table.
        relations: rows of the released table.
    """

    clusters: pl.DataFrame
    repeats: pl.DataFrame
    overlaps: pl.DataFrame
    relations: pl.DataFrame


@dataclass(frozen=True)
class Deduplicated:
    """What the stage hands on: rows of the released tables, each sorted as it is released."""

    articles: pl.DataFrame
    passages: pl.DataFrame
    overlaps: pl.DataFrame
    relations: pl.DataFrame


def find_repeats(
    articles: Sequence[Path], passages: Sequence[Path], settings: Settings, work: Path, spread: Spread = ON_THREADS
) -> Repeats:
    """Find what repeats an earlier article or passage, and how articles hang together.

    "Earlier" is the survivor order of the articles, then the reading order.

    Args:
        articles: Parquet files, the shards of the table `articles`, each its own cluster and canonical.
        passages: Parquet files, the shards of the table `passages`, content kept and the rest dropped under the name of
            its role. File i of both speaks of the same sources; shards are ranges of `source_id` in ascending order.
        settings: thresholds and `deduplicate_memory_bytes`.
        work: a folder for temporary files; it need not exist. Where the work is done elsewhere, others see it under the
            same path; who gives it removes it.
        spread: who does the work.
    """
    work.mkdir(parents=True, exist_ok=True)
    return _found(articles, passages, settings, work, spread)


def with_repeats(articles: pl.DataFrame, passages: pl.DataFrame, found: Repeats) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mark in one shard what repeats an earlier article or passage.

    Args:
        articles: rows of the table `articles`, each its own cluster and canonical.
        passages: rows of the table `passages` of the same sources, content kept and the rest dropped under the name of
            its role.
        found: what was found over all shards.

    Returns:
        The two tables as they are released: `cluster_id`, `is_canonical` and `unique_text`, `repeats_passage_id`,
        `repeat_kind`, `is_kept` and `drop_reason` are filled in. No row is added or lost.
    """
    is_repeat = pl.col("is_kept") & pl.col("repeats_passage_id").is_not_null()
    passages = (
        passages.drop("repeats_passage_id", "repeat_kind")
        .join(_of_range(found.repeats, passages["passage_id"]), on="passage_id", how="left")
        .with_columns(
            is_kept=pl.col("is_kept") & ~is_repeat,
            drop_reason=pl.when(is_repeat).then(pl.lit(REPEAT)).otherwise("drop_reason"),
        )
    )
    unique_texts = joined_texts(passages.filter("is_kept")).select("article_id", kept_text="text")
    articles = (
        articles.drop("cluster_id", "is_canonical", "unique_text")
        .join(_of_range(found.clusters, articles["article_id"]), on="article_id", how="left")
        .join(unique_texts, on="article_id", how="left")
        .with_columns(
            cluster_id=pl.coalesce("cluster_id", "article_id"),
            is_canonical=pl.col("cluster_id").is_null(),
            unique_text=pl.when(pl.col("text").is_not_null()).then(pl.col("kept_text").fill_null("")),
        )
    )
    return _as_released("articles", articles), _as_released("passages", passages)


def deduplicate(articles: pl.DataFrame, passages: pl.DataFrame, settings: Settings) -> Deduplicated:
    """`find_repeats` and `with_repeats` of tables that fit into memory.

    Args:
        articles: rows of the table `articles`, each its own cluster and canonical.
        passages: rows of the table `passages`, content kept and the rest dropped under the name of its role.
        settings: thresholds.
    """
    passages = passages.sort("source_id", "ordinal")
    with tempfile.TemporaryDirectory(prefix="copydesk-") as work:
        found = _found([articles], [passages], settings, Path(work))
    articles, passages = with_repeats(articles, passages, found)
    return Deduplicated(articles, passages, found.overlaps, found.relations)


def _found(
    articles: Sequence[Shard],
    passages: Sequence[Shard],
    settings: Settings,
    work: Path,
    spread: Spread = ON_THREADS,
) -> Repeats:
    """What `find_repeats` finds, in files or in memory."""
    with telling("deduplicate") as tell:
        tell(f"reading the words of {counted(len(articles), 'shard')}")
        corpus = read_passages(articles, passages, settings, work, spread)
        return _repeats(corpus, settings, work, tell)


def _repeats(corpus: Passages, settings: Settings, work: Path, tell: Callable[[str], None]) -> Repeats:
    """What repeats what in a corpus that was read."""
    facts = corpus.articles
    count = counted(facts.height, "article")
    tell(f"looking for passages of {count} that repeat others word by word, or nearly so")
    form = facts["kind"].replace({"interview": "article"}).rank("dense").to_numpy().astype(np.int64)
    firsts = firsts_of(corpus, settings)
    reworded = reworded_passages(corpus, firsts, settings)
    tell(f"looking for near-duplicates among {count}")
    copies = copies_of_survivors(
        words_of_articles(corpus, work),
        facts["rank"].to_numpy().astype(np.int64),
        form,
        facts["source_id"].rank("dense").to_numpy().astype(np.int64),
        settings,
    )
    clusters = np.arange(facts.height, dtype=np.uint32)
    clusters[copies["b"].to_numpy()] = copies["a"].to_numpy()
    tell(f"looking for the same slots and restated facts in {count}")
    equal = firsts.repeats()
    matches = one_rule_each(
        [
            reworded,
            slot_matches(corpus, firsts, settings),
            restated_passages(corpus, equal[1], settings),
        ]
    )
    tell(f"telling how {count} hang together")
    found = overlapping(corpus, equal, matches)
    ids = facts.sort("rank")["article_id"]
    # Much of each is work for one core.
    with ThreadPoolExecutor(2) as pool:
        relations = pool.submit(relations_from, corpus, pl.Series(clusters), copies, found)
        repeats = pool.submit(repeated_passages, corpus, equal, matches)
        overlaps = pool.submit(overlap_rows, corpus, found)
        return Repeats(
            clusters=pl.DataFrame({"article_id": ids.gather(copies["b"]), "cluster_id": ids.gather(copies["a"])}).sort(
                "article_id"
            ),
            repeats=_in_order(repeats.result(), ("passage_id",)),
            overlaps=_as_released("overlaps", overlaps.result()),
            relations=_as_released("relations", relations.result()),
        )


def _of_range(rows: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """The rows, which are sorted by the column of that name, from the lowest to the highest of the ids: few of all."""
    if ids.is_empty() or rows.is_empty():
        return rows.clear()
    first = rows[ids.name].search_sorted(str(ids.min()), "left")
    end = rows[ids.name].search_sorted(str(ids.max()), "right")
    return rows[first:end]


def _as_released(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns, types and order of the released table."""
    table = TABLES[name]
    return _in_order(rows.select(table.dtypes.keys()).cast(pl.Schema(table.dtypes)), table.order).rechunk()


def _in_order(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The rows sorted by a unique key; many come in that order, and to see that takes less time than to sort."""
    is_before = pl.lit(value=True)
    for name in reversed(key):
        after = pl.col(name).shift(-1)
        is_before = (pl.col(name) < after) | ((pl.col(name) == after) & is_before)
    is_sorted = rows.height < 2 or rows.select(is_before.head(rows.height - 1).all()).item()
    return rows if is_sorted else rows.sort(key)
