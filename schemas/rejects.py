"""What was turned away, and why."""

import pandera.polars as pa
import polars as pl

from schemas.columns import REJECT_ID, SOURCE_ID, STAGES


class Rejects(pa.DataFrameModel):
    """One row per input or row that was turned away; key `reject_id`."""

    reject_id: pl.String = pa.Field(
        unique=True, str_matches=REJECT_ID, description="Names stage, rule, place and row: 16 hexadecimal digits."
    )
    stage: pl.String = pa.Field(isin=list(STAGES), description="The stage that turned it away.")
    rule: pl.String = pa.Field(str_matches=r"^[a-z][a-z0-9_]*$", description="The rule that it failed.")
    uri: pl.String = pa.Field(
        str_length={"min_value": 1}, description="Path or address of the input; for a record, its container's."
    )
    record: pl.UInt32 = pa.Field(nullable=True, description="Index of the record in its container file, from 0.")
    source_id: pl.String = pa.Field(nullable=True, str_matches=SOURCE_ID, description="The source, where it has one.")
    table: pl.String = pa.Field(nullable=True, description="The table that the row was meant for.")
    row_key: pl.String = pa.Field(nullable=True, description="Key of the row in that table.")
    detail: pl.String = pa.Field(
        str_length={"min_value": 1}, description="What is wrong and what to do about it; never article text."
    )

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
