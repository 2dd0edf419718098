"""Passages that say the same in the same or nearly the same words."""

import pandera.polars as pa
import polars as pl

from schemas.columns import CODE_POINTS, OVERLAP_KINDS, PASSAGE_ID, SOURCE_ID


class Overlaps(pa.DataFrameModel):
    """One row per passage b and the earliest passage a of another article that it repeats; key the two passage ids.

    Earlier follows the survivor order, so a sentence that stands in n articles gives n - 1 rows. The offsets lie
    inside the named passages.
    """

    a_passage_id: pl.String = pa.Field(str_matches=PASSAGE_ID, description="The earlier passage.")
    b_passage_id: pl.String = pa.Field(str_matches=PASSAGE_ID, description="The passage that repeats it.")
    a_source_id: pl.String = pa.Field(str_matches=SOURCE_ID, description="The source of the earlier passage.")
    b_source_id: pl.String = pa.Field(str_matches=SOURCE_ID, description="The source of the later passage.")
    a_char_start: pl.UInt32 = pa.Field(metadata=CODE_POINTS, description="Where the shared words begin in a's source.")
    a_char_count: pl.UInt32 = pa.Field(gt=0, metadata=CODE_POINTS, description="Their length in a's source.")
    b_char_start: pl.UInt32 = pa.Field(metadata=CODE_POINTS, description="Where the shared words begin in b's source.")
    b_char_count: pl.UInt32 = pa.Field(gt=0, metadata=CODE_POINTS, description="Their length in b's source.")
    kind: pl.String = pa.Field(
        isin=list(OVERLAP_KINDS),
        description="`verbatim`: the same words; `near`: a few words differ; `paraphrase`: reworded or translated "
        "again.",
    )
    score: pl.Float64 = pa.Field(ge=0, le=1, description="How much of the two passages is shared, by `method`.")
    method: pl.String = pa.Field(str_length={"min_value": 1}, description="The rule that found it.")

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
        unique = ["a_passage_id", "b_passage_id"]  # noqa: RUF012 - pandera's own form
