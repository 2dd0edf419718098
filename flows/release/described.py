"""A release whose tables are written, as its documents speak of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from flows.release.parquet import table_files
from flows.settings import Settings
from schemas.tables import TABLES

PUBLIC = "public"
HUB = "https://huggingface.co/datasets"


@dataclass(frozen=True)
class Release:
    """What the documents of a release speak of.

    Attributes:
        folder: where its Parquet files are.
        version: its version.
        date: its date, if it has one.
        conservation: what became of the records that were read.
        settings: all settings in force.
        changes: its changelog.
        edition: `full`, or `public` where texts are withheld.
    """

    folder: Path
    version: str
    date: date | None
    conservation: Mapping[str, int]
    settings: Settings
    changes: str = ""
    edition: str = "full"

    keywords = ("news", "text-reuse", "deduplication", "provenance")

    @property
    def is_public(self) -> bool:
        """Whether it is an edition that may withhold texts."""
        return self.edition == PUBLIC

    @property
    def tag(self) -> str:
        """The tag of its version on the Hub."""
        return f"v{self.version}"

    @property
    def address(self) -> str:
        """Where this version stands on the Hub."""
        return f"{HUB}/{self.settings.hub_repo}/tree/{self.tag}"

    @property
    def license_address(self) -> str:
        """Where it says what may be done with it."""
        return f"{HUB}/{self.settings.hub_repo}/blob/{self.tag}/README.md#rights-and-licence"

    @property
    def tables(self) -> list[str]:
        """The tables that it has, in the order in which a reader meets them."""
        return [name for name in TABLES if table_files(self.folder, name)]

    @cached_property
    def row_counts(self) -> dict[str, int]:
        """Table → its number of rows, from the footers of its files."""
        return {
            name: sum(pq.read_metadata(file).num_rows for file in table_files(self.folder, name))
            for name in self.tables
        }

    @cached_property
    def languages(self) -> list[str]:
        """The languages of its articles, as far as they are known, sorted."""
        language = pl.col("language").str.extract(r"^([a-z]{2,3})").drop_nulls().unique().sort()
        return self.rows("articles").select(language).collect().to_series().to_list()

    def rows(self, name: str) -> pl.LazyFrame:
        """The rows of a table, read when and as far as they are asked for.

        Only for a release whose files are known to be whole: polars does not look at the checksums of pages.
        """
        return pl.scan_parquet(table_files(self.folder, name), glob=False)
