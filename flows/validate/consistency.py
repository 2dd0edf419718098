"""What columns and tables say of each other beyond keys and offsets."""

import polars as pl

from flows.text import joined_texts
from flows.validate.failures import Tables, failing
from schemas.columns import CONTENT_ROLES, EVIDENCE_FIELDS, REPEAT


def consistency_failures(tables: Tables) -> list[pl.DataFrame]:
    """Rows that contradict themselves or each other.

    Args:
        tables: all tables, each with the index of its rows as `row`.

    Returns:
        Frames `table, row, rule, detail`.
    """
    return [
        *source_contradictions(tables["sources"]),
        *passage_contradictions(tables["passages"]),
        *article_contradictions(tables["articles"]),
        *text_contradictions(tables["articles"], tables["passages"]),
        *evidence_contradictions(tables["evidence"], tables["articles"]),
        *relation_contradictions(tables),
    ]


def source_contradictions(sources: pl.DataFrame) -> list[pl.DataFrame]:
    """Sources that share their place; releases are compared by it."""
    is_twice = pl.struct("uri", "record").is_duplicated()
    return [failing(sources, "sources", is_twice, "place_unique", "another source has the same uri and record")]


def passage_contradictions(passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Passages whose role, `is_kept` and `drop_reason` disagree, or that repeat themselves."""
    is_content = pl.col("role").is_in(CONTENT_ROLES)
    reason = pl.when(pl.col("is_kept")).then(None).when(is_content).then(pl.lit(REPEAT)).otherwise("role")
    return [
        failing(
            passages,
            "passages",
            pl.col("is_kept") & ~is_content,
            "kept_without_content",
            "the passage is kept, and its role is none of content",
        ),
        failing(
            passages,
            "passages",
            pl.col("drop_reason").ne_missing(reason) & ~(pl.col("is_kept") & ~is_content),
            "drop_reason_differs",
            "drop_reason does not follow from role and is_kept",
        ),
        failing(
            passages,
            "passages",
            pl.col("repeats_passage_id").is_null() != pl.col("repeat_kind").is_null(),
            "repeat_incomplete",
            "one of repeats_passage_id and repeat_kind stands without the other",
        ),
        failing(
            passages,
            "passages",
            (pl.col("drop_reason") == REPEAT) & pl.col("repeats_passage_id").is_null(),
            "repeat_of_nothing",
            "the passage was dropped as a repeat, and does not say of which passage",
        ),
        failing(
            passages,
            "passages",
            pl.col("repeats_passage_id") == pl.col("passage_id"),
            "repeat_of_itself",
            "the passage is said to repeat itself",
        ),
    ]


def article_contradictions(articles: pl.DataFrame) -> list[pl.DataFrame]:
    """Articles with a date without its basis, or in a cluster without one canonical member."""
    canonical = articles.filter("is_canonical").select(cluster_id="article_id").unique()
    return [
        failing(
            articles,
            "articles",
            pl.col("published_date").is_null() != pl.col("published_date_basis").is_null(),
            "date_basis_incomplete",
            "one of published_date and published_date_basis stands without the other",
        ),
        failing(
            articles,
            "articles",
            pl.col("authors").list.eval(pl.element().is_null()).list.any(),
            "authors_hold_null",
            "the list of authors holds null; an unknown author is left out",
        ),
        failing(
            articles,
            "articles",
            pl.col("is_canonical") != (pl.col("cluster_id") == pl.col("article_id")),
            "cluster_canonical_differs",
            "is_canonical must be true exactly where cluster_id is the article's own id",
        ),
        failing(
            articles.join(canonical, on="cluster_id", how="anti"),
            "articles",
            pl.lit(True),
            "cluster_without_canonical",
            "the article that cluster_id names is not canonical",
        ),
    ]


def text_contradictions(articles: pl.DataFrame, passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Articles whose texts are not those of their passages. An article without content has the text ""."""
    texts = joined_texts(passages)
    kept = joined_texts(passages.filter("is_kept"))
    compared = (
        articles.select("row", "article_id", "text", "unique_text")
        .join(texts.with_columns(has_text=True).rename({"text": "joined"}), on="article_id", how="left")
        .join(kept.with_columns(has_kept=True).rename({"text": "kept"}), on="article_id", how="left")
    )
    joined = pl.when("has_text").then("joined").otherwise(pl.lit(""))
    kept_text = pl.when("has_kept").then("kept").otherwise(pl.lit(""))
    return [
        failing(
            compared,
            "articles",
            pl.col("text").ne_missing(joined),
            "text_differs",
            "articles.text is not the join of the article's content passages",
        ),
        failing(
            compared,
            "articles",
            # The unique text of a withheld article is withheld as well, whatever is kept of it.
            pl.col("unique_text").ne_missing(kept_text) & joined.is_not_null(),
            "unique_text_differs",
            "articles.unique_text is not the join of the article's kept passages",
        ),
    ]


def stated_values(articles: pl.DataFrame) -> pl.DataFrame:
    """Every metadata value of every article, as the table `evidence` writes it.

    Returns:
        `article_id, field, value`: one row per value that is not null, one per author; distinct.
    """
    rows = []
    for field in EVIDENCE_FIELDS:
        value = pl.col(field)
        if field == "authors":
            values = articles.select("article_id", value=value).explode("value", empty_as_null=True)
        elif articles.schema[field] == pl.Date:
            values = articles.select("article_id", value=value.dt.strftime("%Y-%m-%d"))
        else:  # a Boolean is written as `true`
            values = articles.select("article_id", value=value.cast(pl.String))
        rows.append(values.drop_nulls("value").select("article_id", pl.lit(field).alias("field"), "value"))
    return pl.concat(rows).unique(maintain_order=True)


def values_without_evidence(articles: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Metadata values that no row of `evidence` backs: `article_id, field, value`, sorted by all three."""
    key = ["article_id", "field", "value"]
    return stated_values(articles).join(evidence.select(key), on=key, how="anti").sort(key)


def evidence_contradictions(evidence: pl.DataFrame, articles: pl.DataFrame) -> list[pl.DataFrame]:
    """Evidence for what its article does not say."""
    key = ["article_id", "field", "value"]
    basis = articles.select("article_id", "published_date_basis").unique("article_id", keep="first")
    return [
        failing(
            evidence.join(stated_values(articles), on=key, how="anti"),
            "evidence",
            pl.lit(True),
            "evidence_without_value",
            "the article does not have the value that this row is evidence of",
        ),
        failing(
            evidence.join(basis, on="article_id"),
            "evidence",
            (pl.col("field") == "published_date") & pl.col("basis").ne_missing(pl.col("published_date_basis")),
            "date_basis_differs",
            "the basis of the date differs between evidence and article",
        ),
    ]


def overlap_counts(overlaps: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """How many overlaps two articles have: `first, second, found`, a row per pair with any, ids in ascending order."""
    article = passages.select("passage_id", "article_id").unique("passage_id", keep="first")
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


def relation_contradictions(tables: Tables) -> list[pl.DataFrame]:
    """Relations of an article to itself, or with a wrong count of overlaps."""
    relations = with_overlap_count(tables["relations"], tables["overlaps"], tables["passages"])
    return [
        failing(
            relations,
            "relations",
            pl.col("from_article_id") == pl.col("to_article_id"),
            "relation_to_itself",
            "both ends of the relation are one article",
        ),
        failing(
            relations,
            "relations",
            pl.col("overlap_count") != pl.col("found"),
            "overlap_count_differs",
            "overlap_count is not the number of overlaps between the two articles",
        ),
    ]
