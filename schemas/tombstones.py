"""What was taken down."""

import pandera.polars as pa
import polars as pl

from schemas.columns import TAKEN_DOWN_TABLES, TOMBSTONE_ID


class Tombstones(pa.DataFrameModel):
    """One row per source, article or passage that was taken down; key `id`. Nothing of its text is kept.

    A source that was taken down has a row, and so has each of its articles. A row stays in every later release, also
    when its source is no longer among the inputs.
    """

    id: pl.String = pa.Field(unique=True, str_matches=TOMBSTONE_ID, description="Key of the row that is gone.")
    table: pl.String = pa.Field(isin=list(TAKEN_DOWN_TABLES), description="The table that held the row.")
    reason: pl.String = pa.Field(str_length={"min_value": 1}, description="Why, as the takedown states it: one line.")
    date: pl.Date = pa.Field(description="The day of the takedown, as it states it.")
    uri: pl.String = pa.Field(
        nullable=True, str_length={"min_value": 1}, description="`sources.uri` of the source that held it."
    )

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
