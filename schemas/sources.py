"""Documents as they were found."""

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas.columns import SHA256, SOURCE_ID, hash_of_withheld


class Sources(pa.DataFrameModel):
    """One row per document as found: a file, or one record of a JSONL or Parquet file; key `source_id`.

    Promise to readers: `text` is what the bytes decode to, untouched, and every offset of every other table counts
    Unicode code points of it. The same place and the same bytes have the same `source_id` in every release.
    """

    source_id: pl.String = pa.Field(
        unique=True, str_matches=SOURCE_ID, description="Names the place and the bytes: 16 hexadecimal digits."
    )
    uri: pl.String = pa.Field(
        str_length={"min_value": 1},
        description="Path relative to the source folder, or the address that a record gives for itself.",
    )
    container: pl.String = pa.Field(
        nullable=True, description="Path of the file that holds the record; null for a document that is a file."
    )
    record: pl.UInt32 = pa.Field(
        nullable=True,
        description="Index of the record in its container file, from 0; null for a document that is a file.",
    )
    media_type: pl.String = pa.Field(str_matches=r"^[a-z]+/[a-z0-9.+-]+$", description="Media type of the document.")
    byte_count: pl.UInt64 = pa.Field(
        gt=0,
        metadata={"unit": "bytes"},
        description="Size of the document; of a record: of its text in UTF-8.",
    )
    sha256: pl.String = pa.Field(str_matches=SHA256, description="SHA-256 of the same bytes as `byte_count`.")
    encoding: pl.String = pa.Field(
        isin=["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"],
        description="How the bytes were decoded; a byte order mark is not part of the text.",
    )
    retrieved_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, description="When the document was fetched (UTC), as its record or `sources.toml` says."
    )
    char_count: pl.UInt32 = pa.Field(gt=0, metadata={"unit": "code points"}, description="Length of `text`.")
    text: pl.String = pa.Field(
        nullable=True, description="The document as decoded, untouched; null where it, or a part of it, is withheld."
    )
    text_sha256: pl.String = pa.Field(nullable=True, str_matches=SHA256, description=hash_of_withheld("text"))

    class Config:
        """Columns and their order are the release format."""

        strict = True
        ordered = True
