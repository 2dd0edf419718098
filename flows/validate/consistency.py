"""What columns and tables say of each other beyond keys and offsets."""

import polars as pl

from flows.text import joined_texts
from flows.validate.failures import Tables, failing
from schemas.columns import CONTENT_ROLES, EVIDENCE_FIELDS, REPEAT


def consistency_failures(tables: Tables) -> list[pl.DataFrame]:
    """Rows of a shard that contradict themselves or each other.

    Args:
        tables: the tables of some sources, each with the index of its rows as `row`.

    Returns:
        Frames `table, row, rule, detail`.
    """
    return [
        *source_contradictions(tables["sources"]),
        *passage_contradictions(tables["passages"]),
        *article_contradictions(tables["articles"]),
        *text_contradictions(tables["articles"], tables["passages"]),
        *evidence_contradictions(tables["evidence"], tables["articles"]),
    ]


def source_contradictions(sources: pl.DataFrame) -> list[pl.DataFrame]:
    """Sources that share their place; releases are compared by it."""
    is_twice = pl.struct("uri", "record").is_duplicated()
    return [failing(sources, "sources", is_twice, "place_unique", "another source has the same uri and record")]


def passage_contradictions(passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Passages whose role, `is_kept` and `drop_reason` disagree, or whose repeat is half told."""
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
    ]


def article_contradictions(articles: pl.DataFrame) -> list[pl.DataFrame]:
    """Articles with a date without its basis, null among their authors, or another opinion of being canonical."""
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
    ]


def text_contradictions(articles: pl.DataFrame, passages: pl.DataFrame) -> list[pl.DataFrame]:
    """Articles whose texts are not those of their passages. An article without content has the text ""."""
    texts = joined_texts(passages)
    # Most articles keep all that they say; only the others have to be joined once more.
    is_cut = pl.col("role").is_in(CONTENT_ROLES) & ~pl.col("is_kept")
    cut = passages.filter(is_cut).select(pl.col("article_id").unique()).drop_nulls().with_columns(is_cut=True)
    kept = joined_texts(passages.filter("is_kept").join(cut, on="article_id", how="semi", maintain_order="left"))
    compared = (
        articles.select("row", "article_id", "text", "unique_text")
        .join(texts.with_columns(has_text=True).rename({"text": "joined"}), on="article_id", how="left")
        .join(kept.with_columns(has_kept=True).rename({"text": "kept"}), on="article_id", how="left")
        .join(cut, on="article_id", how="left")
    )
    joined = pl.when("has_text").then("joined").otherwise(pl.lit(""))
    kept_text = pl.when("has_kept").then("kept").when("is_cut").then(pl.lit("")).otherwise(joined)
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
