"""What is known of a source from outside its text. Ingest hands it to normalize; it is not released."""

import pandera.polars as pa
import polars as pl

from schemas.columns import SOURCE_ID

PROVENANCE_FIELDS = ("publisher", "published_date", "canonical_url")


class Provenance(pa.DataFrameModel):
    """One row per value that a record or `sources.toml` states of a source; key `source_id`, `field`.

    What becomes of it is told in the released table `evidence`, under the rule named here.
    """

    source_id: pl.String = pa.Field(str_matches=SOURCE_ID, description="The source that the value speaks of.")
    field: pl.String = pa.Field(isin=PROVENANCE_FIELDS, description="The article's column that it is known of.")
    value: pl.String = pa.Field(str_length={"min_value": 1}, description="The value; a date as YYYY-MM-DD.")
    rule: pl.String = pa.Field(isin=["record", "sources.toml"], description="Where it is stated.")

    class Config:
        """Columns and their order are the contract between the stages."""

        strict = True
        ordered = True
        unique = ["source_id", "field"]  # noqa: RUF012 - pandera's own form
