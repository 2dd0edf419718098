"""The Parquet files of a release: that they can be read, hold the columns of their contract, and the rows stated.

pyarrow reads them, with the checksums of their pages: a corrupt file would make polars panic, or give wrong values.
Only what was read and checked in full becomes a polars frame. A row group is read at a time, so that memory does not
grow with the release.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.ids import PLACE_DIGITS
from flows.release.manifest import MANIFEST, code_identity
from flows.release.manifest_form import Manifest, TableEntry
from flows.release.parquet import DATA, arrow_schema
from flows.release.rows import RowsHash, table_sha256
from flows.release.verify.findings import Findings
from schemas.tables import TABLES, Table


class UnreadableError(Exception):
    """A file of the release cannot be read; it was noted."""


class ReleasedTable:
    """A table of a release, and where its rows stand.

    Attributes:
        name: the table.
        row_count: rows that were read.
    """

    def __init__(self, release: Path, name: str, files: Sequence[str], schema: pa.Schema, findings: Findings) -> None:
        self.name = name
        self.row_count = 0
        self._release = release
        self._files = files
        self._findings = findings
        self._ends: dict[str, int] = {}
        self._schema = schema
        self._hash = RowsHash(name, schema)

    def groups(self) -> Iterator[pl.DataFrame]:
        """All rows, a row group at a time, with their index in the table as `row`.

        Raises:
            UnreadableError: a file cannot be read.
        """
        for file in self._files:
            for part in _groups(self._release, file, self._findings):
                self._hash.update(part)
                rows = pl.from_arrow(part)
                assert isinstance(rows, pl.DataFrame)
                yield rows.with_row_index("row", offset=self.row_count)
                self.row_count += part.num_rows
            self._ends[file] = self.row_count

    def rows(self) -> pl.DataFrame:
        """All rows at once, with their index as `row`: for tables that are small beside the texts.

        Raises:
            UnreadableError: a file cannot be read.
        """
        return pl.concat([self.empty(), *self.groups()])

    def empty(self) -> pl.DataFrame:
        """No rows, and all columns, with `row`."""
        rows = pl.from_arrow(self._schema.empty_table())
        assert isinstance(rows, pl.DataFrame)
        return rows.with_row_index("row")

    def file_of(self, row: int) -> str:
        """Path in the release of the file that holds the row with this index, which was read."""
        return next(
            (file for file, stop in self._ends.items() if row < stop),
            self._files[min(len(self._ends), len(self._files) - 1)],
        )

    def check(self, entry: TableEntry) -> None:
        """Compare the rows, all of which were read, with their number and hash; the hash holds for their order too."""
        if self.row_count != entry.row_count:
            detail = f"it states {entry.row_count} rows of {self.name}, which has {self.row_count}"
            self._findings.fail(MANIFEST, "row_count", detail)
        if table_sha256(self.name, self._schema, self.row_count, self._hash.blocks()) != entry.rows_sha256:
            for file in self._files:
                detail = f"the rows of {self.name} are not those that {MANIFEST} has the hash of"
                self._findings.fail(file, "rows_sha256", detail)


def open_tables(
    release: Path, manifest: Manifest, files: Mapping[str, str], findings: Findings
) -> dict[str, ReleasedTable] | None:
    """Find every table of a release whose files have the hashes stated, and compare its columns with their contract.

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
    for name in sorted(manifest.tables):
        own = [file for file in files if file.startswith(f"{DATA}/{name}/")]
        if name not in TABLES:
            findings.fail(MANIFEST, "tables", f"it lists a table {name}, which this program does not know")
        elif not own:
            findings.fail(MANIFEST, "tables", f"it lists the table {name}, which has no file")
        else:
            table = open_table(release, TABLES[name], own, manifest, findings)
            if table is not None:
                found[name] = table
    listed = tuple(f"{DATA}/{name}/" for name in manifest.tables)
    for file in files:
        if file.startswith(f"{DATA}/") and not file.startswith(listed):
            findings.fail(file, "tables", f"it belongs to no table that {MANIFEST} lists")
    return {name: found[name] for name in TABLES} if set(found) == set(TABLES) else None


def open_table(
    release: Path, table: Table, files: Sequence[str], manifest: Manifest, findings: Findings
) -> ReleasedTable | None:
    """A table, or null if one of its files cannot be opened or has other columns."""
    schemas = []
    for file in files:
        try:
            schema = pq.read_schema(release / file).remove_metadata()
        except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
            _unreadable(file, error, findings)
            continue
        wrong = schema_difference(table, schema)
        if wrong:
            findings.fail(file, "schema", f"the table {table.name} {wrong}{_made_by(manifest)}")
            continue
        schemas.append(schema)
    if len(schemas) < len(files):
        return None
    if any(schema.names != schemas[0].names for schema in schemas):
        findings.fail(files[-1], "schema", f"the files of the table {table.name} do not have the same columns")
        return None
    return ReleasedTable(release, table.name, files, schemas[0], findings)


def _groups(release: Path, file: str, findings: Findings) -> Iterator[pa.Table]:
    """The row groups of a file, checked in full.

    Raises:
        UnreadableError: it cannot be read, which was noted.
    """
    try:
        with pq.ParquetFile(release / file, page_checksum_verification=True) as opened:
            for group in range(opened.num_row_groups):
                part = opened.read_row_group(group)
                part.validate(full=True)  # texts that are no UTF-8, for one
                yield part
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        _unreadable(file, error, findings)
        raise UnreadableError from error


def _unreadable(file: str, error: Exception, findings: Findings) -> None:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    findings.fail(file, "parquet", f"it cannot be read as Parquet: {reason}")


def aligned(tables: Mapping[str, ReleasedTable]) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of tables that hang on sources, some sources at a time: all that belongs to these, and nothing else.

    As many sources are taken as one of their row groups holds. What belongs to them shares the first digits of their
    ids, by which all of these tables are sorted.

    Args:
        tables: `sources` first.

    Raises:
        UnreadableError: a file cannot be read.
    """
    sources, *others = (_Waiting(table) for table in tables.values())
    while sources.pull():
        bound = sources.last_place()
        if sources.is_read:
            break
        here = sources.below(bound)
        if here.height:
            yield {sources.name: here, **{other.name: other.below(bound) for other in others}}
    yield {waiting.name: waiting.below(None) for waiting in (sources, *others)}


class _Waiting:
    """Rows of a table that were read, and are not asked for yet."""

    def __init__(self, table: ReleasedTable) -> None:
        self.name = table.name
        self.is_read = False
        self._groups = table.groups()
        self._key = pl.col(TABLES[table.name].order[0]).str.head(PLACE_DIGITS)
        self._ahead = next(self._groups, None)
        self._rows = table.empty()

    def pull(self) -> bool:
        """Read one more row group, if there is one; `is_read` tells whether it was the last."""
        if self._ahead is None:
            self.is_read = True
            return False
        self._rows = pl.concat([self._rows, self._ahead])
        self._ahead = next(self._groups, None)
        self.is_read = self._ahead is None
        return True

    def last_place(self) -> str:
        """The first digits of the last row that was read."""
        return str(self._rows.tail(1).select(self._key).item())

    def below(self, bound: str | None) -> pl.DataFrame:
        """The rows before a place, or all that are left; they do not wait any more."""
        while not self.is_read and (bound is None or self._rows.is_empty() or self.last_place() < bound):
            self.pull()
        if bound is None:
            rows, self._rows = self._rows, self._rows.clear()
            return rows
        is_before = self._key < bound
        rows, self._rows = self._rows.filter(is_before), self._rows.filter(~is_before)
        return rows


def schema_difference(table: Table, schema: pa.Schema) -> str | None:
    """In what the columns of a file differ from the contract of its table; null if in nothing."""
    expected = {field.name: _type(field.type) for field in arrow_schema(table.empty())}
    found = [(field.name, _type(field.type)) for field in schema]
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
