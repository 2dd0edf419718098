"""Rows of a release looked up by the values of a column, without reading whole tables into memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.errors import CopydeskError
from flows.release.manifest import MANIFEST
from flows.release.parquet import table_files
from flows.release.verify.findings import Findings
from flows.release.verify.manifest import parsed_manifest
from schemas.tables import TABLES

Row = dict[str, Any]


class FoundRows:
    """The rows of a release.

    Attributes:
        tables: names of the tables that it has and that this program knows.
        inputs: uri → SHA-256 of the files that it was made from.
    """

    def __init__(self, release: Path) -> None:
        if not release.is_dir():
            raise CopydeskError(f"{release} is no release: there is no such folder")
        try:
            data = (release / MANIFEST).read_bytes()
        except OSError as error:
            raise CopydeskError(f"{release / MANIFEST} cannot be read, so {release} is no whole release") from error
        findings = Findings()
        manifest = parsed_manifest(data, findings)
        if manifest is None:
            raise CopydeskError(f"{release / MANIFEST} is not the manifest of a release: {findings.failures[0].detail}")
        self.tables = [name for name in TABLES if name in manifest.tables]
        self.inputs = {one.uri: one.sha256 for one in manifest.inputs}
        self._release = release
        self._sources: dict[str, Row | None] = {}

    def where(self, table: str, column: str, values: Iterable[str | None]) -> list[Row]:
        """The rows of a table that have one of the values in a column, in the order of its files; null is no value.

        Raises:
            CopydeskError: the table cannot be read.
        """
        wanted = [value for value in values if value is not None]
        if not wanted or table not in self.tables:
            return []
        rows: list[Row] = []
        for file in table_files(self._release, table):
            try:
                found = pq.read_table(file, filters=pc.field(column).isin(wanted), page_checksum_verification=True)
                rows += found.to_pylist()
            except (OSError, ValueError, pa.ArrowException) as error:
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                raise CopydeskError(f"table {table} of {self._release} cannot be read: {reason}") from error
        return rows

    def source(self, source_id: str) -> Row | None:
        """A row of `sources`, or null if there is none."""
        if source_id not in self._sources:
            self._sources[source_id] = next(iter(self.where("sources", "source_id", [source_id])), None)
        return self._sources[source_id]
