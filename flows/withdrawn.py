"""Metadata that nothing is evidence of any more, taken off the articles, and what follows from it.

A stage that takes rows of `evidence` away uses this, so that every value that an article has stays proven.
"""

import polars as pl

from schemas.columns import EVIDENCE_FIELDS


def without_values(articles: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """The articles without some of their metadata.

    A date loses its basis too; of rights without their statement nothing is known. Of several authors the others stay,
    in their order.

    Args:
        articles: rows of the table, one per `article_id`; columns beside those of the table are handed on.
        lost: `article_id, field, value`, as the rows of `evidence` have them.
    """
    for field in EVIDENCE_FIELDS:
        values = lost.filter(field=field)
        if values.is_empty():
            continue
        if field == "authors":
            articles = _without_authors(articles, values)
            continue
        is_lost = pl.col("article_id").is_in(values["article_id"].implode())
        changes = [pl.when(~is_lost).then(field).alias(field)]
        if field == "published_date":
            changes.append(pl.when(~is_lost).then("published_date_basis").alias("published_date_basis"))
        if field == "rights_statement":
            changes.append(pl.when(is_lost).then(pl.lit("unknown")).otherwise("rights_policy").alias("rights_policy"))
        articles = articles.with_columns(changes)
    return articles


def _without_authors(articles: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """The articles without the authors `article_id, value`."""
    left = (
        articles.select("article_id", value="authors")
        .explode("value", empty_as_null=True)
        .drop_nulls("value")
        .join(lost, on=["article_id", "value"], how="anti", maintain_order="left")
        .group_by("article_id", maintain_order=True)
        .agg(authors="value")
    )
    return (
        articles.drop("authors")
        .join(left, on="article_id", how="left", maintain_order="left")
        .with_columns(pl.col("authors").fill_null(pl.lit([], pl.List(pl.String))))
        .select(articles.columns)
    )
