"""Articles, interviews, transcripts and summaries."""

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas.columns import (
    ARTICLE_ID,
    ARTICLE_KINDS,
    BASES,
    CODE_POINTS,
    LANGUAGE_TAG,
    RIGHTS_POLICIES,
    SHA256,
    SOURCE_ID,
    hash_of_withheld,
)


class Articles(pa.DataFrameModel):
    """One row per article-like part of a source; key `article_id`, parent `sources`. A compound page has several.

    Metadata is stated in the text or its record, inferred by a named rule, or null; the table `evidence` tells which.
    """

    article_id: pl.String = pa.Field(
        unique=True,
        str_matches=ARTICLE_ID,
        description="Names the place and the part, not the bytes: a corrected page keeps its articles' ids.",
    )
    source_id: pl.String = pa.Field(str_matches=SOURCE_ID, description="The source that holds the article.")
    ordinal: pl.UInt32 = pa.Field(description="Place among the articles of the source, from 0.")
    kind: pl.String = pa.Field(isin=list(ARTICLE_KINDS), description="What sort of text it is.")
    char_start: pl.UInt32 = pa.Field(metadata=CODE_POINTS, description="Where the article begins in `sources.text`.")
    char_count: pl.UInt32 = pa.Field(gt=0, metadata=CODE_POINTS, description="Length of its whole extent as found.")
    title: pl.String = pa.Field(nullable=True, description="The headline.")
    publisher: pl.String = pa.Field(nullable=True, description="Who brought the text out first.")
    republisher: pl.String = pa.Field(nullable=True, description="The outlet whose page this is, if it is another.")
    authors: Annotated[pl.List, pl.String()] = pa.Field(
        description="Who wrote it, in the order of the byline; empty where nobody is named."
    )
    published_date: pl.Date = pa.Field(
        nullable=True, description="The day of publication; null also where only the month or the year is known."
    )
    published_date_basis: pl.String = pa.Field(
        nullable=True, isin=list(BASES), description="Whether the date is stated or inferred by a named rule."
    )
    language: pl.String = pa.Field(
        nullable=True, str_matches=LANGUAGE_TAG, description="Language of the text (BCP 47), detected."
    )
    translated_from: pl.String = pa.Field(
        nullable=True, str_matches=LANGUAGE_TAG, description="Language of the original (BCP 47) of a translation."
    )
    is_ai_generated: pl.Boolean = pa.Field(
        nullable=True,
        isin=[True],
        description="True where it is disclosed or a named rule says so, else null: nobody can know that it is not.",
    )
    canonical_url: pl.String = pa.Field(
        nullable=True, description="Link to the original, as the text or its record gives it."
    )
    rights_statement: pl.String = pa.Field(nullable=True, description="What the page says of rights, verbatim.")
    rights_policy: pl.String = pa.Field(
        isin=list(RIGHTS_POLICIES), description="What follows from the statement by rule; `unknown` without one."
    )
    text: pl.String = pa.Field(nullable=True, description="The clean body: all content passages, in reading order.")
    text_sha256: pl.String = pa.Field(nullable=True, str_matches=SHA256, description=hash_of_withheld("text"))
    unique_text: pl.String = pa.Field(
        nullable=True, description="The body without the passages that repeat an earlier one."
    )
    unique_text_sha256: pl.String = pa.Field(
        nullable=True, str_matches=SHA256, description=hash_of_withheld("unique_text")
    )
    word_count: pl.UInt32 = pa.Field(metadata={"unit": "words"}, description="Words of `text`.")
    cluster_id: pl.String = pa.Field(
        str_matches=ARTICLE_ID, description="The canonical article of the cluster of copies that this one belongs to."
    )
    is_canonical: pl.Boolean = pa.Field(description="Whether it is the copy of its cluster to count and to cite.")

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
