"""The Parquet files of a release: that they can be read, hold the columns of their contract, and the rows stated.

pyarrow reads them, with the checksums of their pages: a corrupt file would make polars panic, or give wrong values.
Only what was read and checked in full becomes a polars frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.release.manifest import MANIFEST, code_identity
from flows.release.parquet import DATA, arrow_schema
from flows.release.rows import rows_sha256
from flows.release.verify.findings import Findings
from flows.release.verify.manifest import Manifest
from schemas.tables import TABLES, Table

# Columns that a public edition has beside each text that it withholds.
_HASH_OF_WITHHELD = "_sha256"


@dataclass(frozen=True)
class CheckedTable:
    """The rows of a table, and where they stand.

    Attributes:
        rows: the columns of the contract, in the order of the files.
        files: path in the release and number of rows of each file, in order.
    """

    rows: pl.DataFrame
    files: list[tuple[str, int]]

    def file_of(self, row: int) -> str:
        """Path in the release of the file that holds the row with this index."""
        for file, count in self.files:
            if row < count:
                return file
            row -= count
        raise IndexError(row)


def check_tables(
    release: Path, manifest: Manifest, files: Mapping[str, str], findings: Findings
) -> dict[str, CheckedTable] | None:
    """Read every table of a release whose files have the hashes stated, and compare it with contract and manifest.

    Args:
        release: the folder.
        manifest: its manifest.
        files: path in the release → SHA-256 of its regular files.
        findings: takes what fails.

    Returns:
        All tables; null if one of them is missing or cannot be read, or does not have its columns.
    """
    for name in sorted(set(TABLES) - set(manifest.tables)):
        findings.fail(MANIFEST, "tables", f"it lacks the table {name}, which this program knows")
    found = {}
    for name, entry in sorted(manifest.tables.items()):
        own = [file for file in files if file.startswith(f"{DATA}/{name}/")]
        if name not in TABLES:
            findings.fail(MANIFEST, "tables", f"it lists a table {name}, which this program does not know")
        elif not own:
            findings.fail(MANIFEST, "tables", f"it lists the table {name}, which has no file")
        else:
            table = read_table(release, TABLES[name], own, manifest, findings)
            if table is not None:
                found[name] = table
                check_row_hash(name, table, entry.row_count, entry.rows_sha256, findings)
    listed = tuple(f"{DATA}/{name}/" for name in manifest.tables)
    for file in files:
        if file.startswith(f"{DATA}/") and not file.startswith(listed):
            findings.fail(file, "tables", f"it belongs to no table that {MANIFEST} lists")
    row_count = sum(table.rows.height for table in found.values())
    findings.checked.append(f"{len(found)} tables, {row_count:,} rows: pages, columns, number and hash of rows")
    return {name: found[name] for name in TABLES} if set(found) == set(TABLES) else None


def read_table(
    release: Path, table: Table, files: list[str], manifest: Manifest, findings: Findings
) -> CheckedTable | None:
    """The rows of a table, or null if one of its files cannot be read or has other columns."""
    parts, counts = [], []
    for file in files:
        try:
            with pq.ParquetFile(release / file, page_checksum_verification=True) as opened:
                part = opened.read()
            part.validate(full=True)  # texts that are no UTF-8, for one
            extra = [name for name in part.column_names if is_hash_of_withheld(name, table, manifest)]
        except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            findings.fail(file, "parquet", f"it cannot be read as Parquet: {reason}")
            continue
        wrong = schema_difference(table, part.schema, extra)
        if wrong:
            findings.fail(file, "schema", f"the table {table.name} {wrong}{_made_by(manifest)}")
            continue
        parts.append(part)
        counts.append((file, part.num_rows))
    if len(parts) < len(files):
        return None
    if any(part.schema.names != parts[0].schema.names for part in parts):
        findings.fail(files[-1], "schema", f"the files of the table {table.name} do not have the same columns")
        return None
    rows = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(rows, pl.DataFrame)
    return CheckedTable(rows, counts)


def is_hash_of_withheld(column: str, table: Table, manifest: Manifest) -> bool:
    """Whether a column is what a public edition has beside a text that it withholds."""
    text = column.removesuffix(_HASH_OF_WITHHELD)
    is_new = column not in table.dtypes and text != column
    return manifest.edition == "public" and is_new and table.dtypes.get(text) == pl.String


def schema_difference(table: Table, schema: pa.Schema, extra: list[str]) -> str | None:
    """In what the columns of a file differ from the contract of its table; null if in nothing.

    Args:
        table: the table.
        schema: of the file.
        extra: columns that it may have beside those of the contract.
    """
    expected = {field.name: _type(field.type) for field in arrow_schema(table.empty())}
    found = [(field.name, _type(field.type)) for field in schema if field.name not in extra]
    if found == list(expected.items()):
        return None
    names = [name for name, _ in found]
    if missing := [name for name in expected if name not in names]:
        return f"lacks the column {missing[0]}"
    if unknown := [name for name in names if name not in expected]:
        return f"has a column {unknown[0]}"
    for name, dtype in found:
        if dtype != expected[name]:
            return f"holds {name} as {dtype} instead of {expected[name]}"
    return "has its columns in another order, or one of them twice"


def _type(dtype: pa.DataType) -> str:
    """A type by name; Parquet and Arrow name the values of a list differently."""
    return f"list of {_type(dtype.value_type)}" if pa.types.is_list(dtype) else str(dtype)


def _made_by(manifest: Manifest) -> str:
    """Says so if other code made the release: its contract may have been another one."""
    own, made = code_identity(), manifest.code
    if made.get("sha256") == own["sha256"]:
        return ""
    return f" (copydesk {made.get('version')} made the release, this is {own['version']} with other code)"


def check_row_hash(name: str, table: CheckedTable, row_count: int, digest: str, findings: Findings) -> None:
    """Compare the rows with their number and hash in the manifest; the hash holds for their order as well."""
    if table.rows.height != row_count:
        findings.fail(MANIFEST, "row_count", f"it states {row_count} rows of {name}, which has {table.rows.height}")
    if rows_sha256(name, table.rows) != digest:
        for file, _ in table.files:
            findings.fail(file, "rows_sha256", f"the rows of {name} are not those that {MANIFEST} has the hash of")
