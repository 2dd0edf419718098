"""What holds between the sources of different shards: copies, repeats, overlaps and relations.

Only keys and offsets are looked at, so that memory grows with what repeats something, not with the texts.
"""

from dataclasses import dataclass

import polars as pl

from flows.validate.failures import Tables, failing
from flows.validate.models import model_failures
from flows.validate.offsets import end
from schemas.columns import OVERLAP_KINDS
from schemas.tables import TABLES

# What an article and a passage of a released table say of others.
CLUSTERS = ("article_id", "cluster_id")
REPEATS = ("passage_id", "repeats_passage_id", "repeat_kind")
# Of a passage, what is asked of those that others name.
NAMED = ("passage_id", "article_id", "source_id", "char_start", "char_count")


@dataclass(frozen=True)
class Keys:
    """What the rows of all shards are found by.

    Attributes:
        articles: `article_id, source_id`: one row per article.
        passages: the columns of NAMED: one row per passage that a repeat or an overlap names.
    """

    articles: pl.DataFrame
    passages: pl.DataFrame


def named_passages(repeats: pl.DataFrame, overlaps: pl.DataFrame) -> pl.Series:
    """Ids of the passages that repeats and overlaps name, each once, sorted."""
    named = [repeats["passage_id"], repeats["repeats_passage_id"], *(overlaps[f"{side}_passage_id"] for side in "ab")]
    return pl.concat([ids.alias("passage_id") for ids in named]).drop_nulls().unique().sort()


def named_in(passages: pl.DataFrame, named: pl.Series) -> pl.DataFrame:
    """The columns of NAMED of those passages that are named.

    Args:
        passages: rows of one shard or more, at least with the columns of NAMED.
        named: sorted ids.
    """
    if passages.is_empty():
        return passages.select(NAMED)
    first, last = passages.select(first=pl.col("passage_id").min(), last=pl.col("passage_id").max()).row(0)
    start, stop = named.search_sorted(first, "left"), named.search_sorted(last, "right")
    wanted = named[start:stop].to_frame()
    return passages.select(NAMED).join(wanted, on="passage_id", how="semi", maintain_order="left")


def clusters_of(articles: pl.DataFrame) -> pl.DataFrame:
    """The articles that are not their own cluster: CLUSTERS, and `row` if there is one."""
    return articles.filter(pl.col("cluster_id") != pl.col("article_id")).select(pl.col("^row$"), *CLUSTERS)


def repeats_of(passages: pl.DataFrame) -> pl.DataFrame:
    """The passages that repeat another one: REPEATS, and `row` if there is one."""
    return passages.filter(pl.col("repeats_passage_id").is_not_null()).select(pl.col("^row$"), *REPEATS)


def between_failures(found: Tables, keys: Keys) -> pl.DataFrame:
    """Rows that name what is not there, or say of it what is not so.

    Args:
        found: `clusters` (columns of CLUSTERS: articles that are not their own cluster), `repeats` (columns of
            REPEATS: passages that repeat another), `overlaps` and `relations`, each with the index of its rows
            as `row`.
        keys: of all shards.

    Returns:
        `table, row, rule, detail`, one row per row and broken rule. The failures of clusters are those of `articles`,
        and those of repeats of `passages`.
    """
    return pl.concat(
        [
            *cluster_failures(found["clusters"], keys),
            *repeat_failures(found["repeats"], keys),
            model_failures(TABLES["overlaps"], found["overlaps"]),
            *overlap_failures(found["overlaps"], keys.passages),
            model_failures(TABLES["relations"], found["relations"]),
            *relation_failures(found["relations"], found["overlaps"], keys),
        ]
    )


def cluster_failures(clusters: pl.DataFrame, keys: Keys) -> list[pl.DataFrame]:
    """Articles in a cluster whose canonical article is not there, or is none."""
    target = clusters.select("row", article_id="cluster_id")
    return [
        failing(
            target.join(keys.articles, on="article_id", how="anti"),
            "articles",
            pl.lit(True),
            "cluster_id_unknown",
            "articles.cluster_id names a row that the table articles does not have",
        ),
        failing(
            target.join(clusters, on="article_id", how="semi"),
            "articles",
            pl.lit(True),
            "cluster_without_canonical",
            "the article that cluster_id names is not canonical",
        ),
    ]


def repeat_failures(repeats: pl.DataFrame, keys: Keys) -> list[pl.DataFrame]:
    """Passages that repeat what is not there, or themselves, or in a way that there is no word for."""
    target = repeats.select("row", passage_id="repeats_passage_id").drop_nulls()
    return [
        failing(
            target.join(keys.passages, on="passage_id", how="anti"),
            "passages",
            pl.lit(True),
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


def overlap_failures(overlaps: pl.DataFrame, passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Overlaps that leave their passages or name the wrong ones: frames `table, row, rule, detail`."""
    spans = passages.select("passage_id", "article_id", "source_id", "char_start", end)
    found = []
    placed = overlaps
    for side in ("a", "b"):
        placed = placed.join(
            spans.rename({name: f"{name}_of_{side}" for name in spans.columns if name != "passage_id"}).with_columns(
                pl.lit(True).alias(f"has_{side}")
            ),
            left_on=f"{side}_passage_id",
            right_on="passage_id",
            how="left",
        )
        shared_end = pl.col(f"{side}_char_start").cast(pl.Int64) + pl.col(f"{side}_char_count")
        found += [
            failing(
                placed,
                "overlaps",
                pl.col(f"has_{side}").is_null(),
                f"{side}_passage_id_unknown",
                f"overlaps.{side}_passage_id names a row that the table passages does not have",
            ),
            failing(
                placed,
                "overlaps",
                (pl.col(f"{side}_char_start") < pl.col(f"char_start_of_{side}"))
                | (shared_end > pl.col(f"char_end_of_{side}")),
                f"overlap_outside_passage_{side}",
                f"the shared words lie outside passage {side}",
            ),
            failing(
                placed,
                "overlaps",
                pl.col(f"{side}_source_id") != pl.col(f"source_id_of_{side}"),
                f"{side}_source_id_differs",
                f"overlaps.{side}_source_id is not the source of passage {side}",
            ),
        ]
    found.append(
        failing(
            placed,
            "overlaps",
            pl.col("article_id_of_a") == pl.col("article_id_of_b"),
            "overlap_within_article",
            "both passages belong to one article; overlaps are pairs of two articles",
        )
    )
    return found


def relation_failures(relations: pl.DataFrame, overlaps: pl.DataFrame, keys: Keys) -> list[pl.DataFrame]:
    """Relations to what is not there, of an article to itself, or with a wrong count of overlaps."""
    counted = with_overlap_count(relations, overlaps, keys.passages)
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


def overlap_counts(overlaps: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """How many overlaps two articles have: `first, second, found`, a row per pair with any, ids in ascending order."""
    article = passages.select("passage_id", "article_id")
    return (
        overlaps.select("a_passage_id", "b_passage_id")
        .join(article.rename({"article_id": "a"}), left_on="a_passage_id", right_on="passage_id")
        .join(article.rename({"article_id": "b"}), left_on="b_passage_id", right_on="passage_id")
        .drop_nulls(["a", "b"])
        .select(first=pl.min_horizontal("a", "b"), second=pl.max_horizontal("a", "b"))
        .group_by("first", "second")
        .agg(found=pl.len())
        .sort("first", "second")
    )


def with_overlap_count(relations: pl.DataFrame, overlaps: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """`relations` with the number of overlaps between the two articles as `found`."""
    return (
        relations.with_columns(
            first=pl.min_horizontal("from_article_id", "to_article_id"),
            second=pl.max_horizontal("from_article_id", "to_article_id"),
        )
        .join(overlap_counts(overlaps, passages), on=["first", "second"], how="left", maintain_order="left")
        .with_columns(pl.col("found").fill_null(0).cast(pl.UInt32))
        .drop("first", "second")
    )
