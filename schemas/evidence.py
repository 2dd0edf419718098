"""How each metadata value is known."""

import pandera.polars as pa
import polars as pl

from schemas.columns import ARTICLE_ID, BASES, CODE_POINTS, EVIDENCE_FIELDS


class Evidence(pa.DataFrameModel):
    """One row per metadata value of an article, one per author; key `article_id`, `field`, `value`, parent `articles`.

    Promise to readers: where offsets are given, the value was read from that span of `sources.text`.
    """

    article_id: pl.String = pa.Field(str_matches=ARTICLE_ID, description="The article that the value speaks of.")
    field: pl.String = pa.Field(isin=list(EVIDENCE_FIELDS), description="Name of the column of `articles`.")
    value: pl.String = pa.Field(description="The value; a date as YYYY-MM-DD, a truth value as `true`.")
    basis: pl.String = pa.Field(isin=list(BASES), description="Whether it is stated, or inferred by the rule.")
    rule: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="The rule that found it; one of a publisher profile begins with the profile's name.",
    )
    char_start: pl.UInt32 = pa.Field(
        nullable=True, metadata=CODE_POINTS, description="Where the evidence begins in `sources.text`."
    )
    char_count: pl.UInt32 = pa.Field(
        nullable=True, gt=0, metadata=CODE_POINTS, description="Length of the evidence as found."
    )

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
        unique = ["article_id", "field", "value"]  # noqa: RUF012 - pandera's own form
