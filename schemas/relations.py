"""How articles hang together."""

import pandera.polars as pa
import polars as pl

from schemas.columns import ARTICLE_ID, RELATION_KINDS


class Relations(pa.DataFrameModel):
    """One row per pair of articles and kind; key all three. Read as a sentence: from, kind, to.

    A copy is `duplicate_of` or `near_duplicate_of` the survivor; the whole `contains` the part; a transcript or
    summary is `derived_from` the article. `same_series` and `shares_passages` stand once per pair, from the later to
    the earlier.
    """

    from_article_id: pl.String = pa.Field(str_matches=ARTICLE_ID, description="Subject of the sentence.")
    to_article_id: pl.String = pa.Field(str_matches=ARTICLE_ID, description="Object of the sentence.")
    kind: pl.String = pa.Field(isin=list(RELATION_KINDS), description="Predicate of the sentence.")
    score: pl.Float64 = pa.Field(nullable=True, ge=0, le=1, description="How sure or how close, by `method`.")
    method: pl.String = pa.Field(str_length={"min_value": 1}, description="The rule that found it.")
    overlap_count: pl.UInt32 = pa.Field(description="Rows of `overlaps` between the two articles.")

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
        unique = ["from_article_id", "to_article_id", "kind"]  # noqa: RUF012 - pandera's own form
