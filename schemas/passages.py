"""Paragraphs and spans of sources."""

import pandera.polars as pa
import polars as pl

from schemas.columns import (
    ARTICLE_ID,
    CODE_POINTS,
    DROP_REASONS,
    OVERLAP_KINDS,
    PASSAGE_ID,
    ROLES,
    SHA256,
    SOURCE_ID,
    hash_of_withheld,
)


class Passages(pa.DataFrameModel):
    """One row per paragraph, line or span of a source, in reading order; key `passage_id`, parent `sources`.

    Promise to readers: `sources.text[char_start : char_start + char_count]` is the passage as it was found. The
    passages of a source cover its text but white space and do not overlap; a line that mixes roles is several rows.
    """

    passage_id: pl.String = pa.Field(
        unique=True, str_matches=PASSAGE_ID, description="The source's id and the passage's ordinal."
    )
    source_id: pl.String = pa.Field(str_matches=SOURCE_ID, description="The source that holds the passage.")
    article_id: pl.String = pa.Field(
        nullable=True, str_matches=ARTICLE_ID, description="The article that it lies in; null outside any article."
    )
    ordinal: pl.UInt32 = pa.Field(description="Place in the reading order of the source, from 0.")
    role: pl.String = pa.Field(isin=list(ROLES), description="What the passage is on its page.")
    rule: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="The rule that gave it the role; one of a publisher profile begins with the profile's name.",
    )
    char_start: pl.UInt32 = pa.Field(metadata=CODE_POINTS, description="Where the passage begins in `sources.text`.")
    char_count: pl.UInt32 = pa.Field(gt=0, metadata=CODE_POINTS, description="Length of the passage as found.")
    text: pl.String = pa.Field(
        nullable=True,
        description="The passage cleaned: white space folded, control characters gone, false breaks healed.",
    )
    text_sha256: pl.String = pa.Field(nullable=True, str_matches=SHA256, description=hash_of_withheld("text"))
    is_kept: pl.Boolean = pa.Field(description="Whether it stands in `articles.unique_text`.")
    drop_reason: pl.String = pa.Field(
        nullable=True,
        isin=list(DROP_REASONS),
        description="Why it is not kept: the role's name for what is not content, `repeat` for what repeats an "
        "earlier passage; null where it is kept.",
    )
    repeats_passage_id: pl.String = pa.Field(
        nullable=True, str_matches=PASSAGE_ID, description="The earliest passage that this one repeats."
    )
    repeat_kind: pl.String = pa.Field(
        nullable=True, isin=list(OVERLAP_KINDS), description="How close it is to the passage that it repeats."
    )

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
