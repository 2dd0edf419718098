"""The way back: a release's files, then its rows, then the bytes of its sources.

Each stage brings the checks of what it made: `release` those of files, manifest and card, `validate` those of rows,
`ingest` the documents as they are now. Nothing of it is repaired or written.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from pydantic import ValidationError

from flows.errors import CopydeskError
from flows.ingest.again import documents_again
from flows.ingest.documents import Document, Refusal
from flows.publish.rights import given_against, rights_of
from flows.release.card import CARD
from flows.release.described import PUBLIC
from flows.release.manifest import MANIFEST
from flows.release.parquet import DATA
from flows.release.verify.card import check_card
from flows.release.verify.files import check_files
from flows.release.verify.findings import Findings, Verified
from flows.release.verify.manifest import Manifest, check_manifest
from flows.release.verify.tables import CheckedTable, check_tables
from flows.settings import Settings
from flows.validate.conservation import conservation
from flows.validate.quarantine import row_key
from flows.validate.slices import slice_failures
from flows.validate.validate import all_failures
from schemas.tables import TABLES

CheckedTables = Mapping[str, CheckedTable]


def verify(release: Path, sources: Sequence[Path] = (), columns: Mapping[str, str] | None = None) -> Verified:
    """Check all that a release states of itself, and with sources at hand that it is made of them.

    Rows are looked at once their files are known to be the right ones; sources once the rows hold what they should.

    Args:
        release: the folder of the release.
        sources: the files and folders that it was built from.
        columns: our column of a record → its name in the containers; by default as the manifest states them.

    Raises:
        CopydeskError: there is no such release, or no such source.
    """
    if not release.is_dir():
        raise CopydeskError(f"{release} is no release: there is no such folder")
    for path in sources:
        if not path.exists():
            raise CopydeskError(f"there is no file or folder {path} to look for sources in")
    findings = Findings()
    tables = _check_release(release, findings)
    if sources and tables is None:
        findings.notes.append("the sources were not looked at, because what is said of them cannot be relied on")
    elif sources and tables is not None:
        _check_sources(*tables, sources, columns, findings)
    return Verified(tuple(findings.failures), tuple(findings.checked), tuple(findings.notes))


def _check_release(release: Path, findings: Findings) -> tuple[Manifest, CheckedTables] | None:
    """Check files, manifest, card and rows: the manifest and all tables, or null where they are not to be relied on."""
    files = check_files(release, findings)
    manifest = files.manifest
    if manifest is None:
        findings.notes.append("neither tables nor card were looked at, because there is no manifest to go by")
        return None
    check_manifest(release, manifest, files.sha256[MANIFEST], findings)
    if not findings.has_failed(CARD):
        check_card(release, manifest, findings)
    if findings.has_failed(f"{DATA}/"):
        findings.notes.append(f"the rows were not looked at, because files under {DATA}/ are not the right ones")
        return None
    tables = check_tables(release, manifest, files.sha256, findings)
    if tables is None:
        findings.notes.append("references between tables were not looked at, because not all tables can be read")
        return None
    check_rows(tables, findings)
    check_counts(manifest, tables, findings)
    if manifest.edition == PUBLIC:
        check_withheld(manifest, tables, findings)
    return manifest, tables


def check_rows(tables: CheckedTables, findings: Findings) -> None:
    """Check every row against its contract, the other tables, and the text that it speaks of.

    A rule that many rows of a file break is one failure that names the first of them by its key.
    """
    indexed = {name: table.rows.with_row_index("row") for name, table in tables.items()}
    failures = pl.concat([all_failures(indexed), *slice_failures(indexed)])
    first = failures.sort("table", "rule", "row").unique(["table", "rule", "row"], keep="first", maintain_order=True)
    for name, row, rule, detail in first.select("table", "row", "rule", "detail").iter_rows():
        table = tables[name]
        key = row_key(TABLES[name], table.rows.select(TABLES[name].key).row(row))
        findings.fail(table.file_of(row), rule, f"row {key}: {detail}")
    findings.checked.append("every row: its contract, keys, references, offsets, and the words at them")


def check_counts(manifest: Manifest, tables: CheckedTables, findings: Findings) -> None:
    """Check what the manifest says of records and inputs against the tables."""
    counts = manifest.conservation
    rows = {name: table.rows for name, table in tables.items()}
    try:
        found = conservation(rows, counts.read, counts.skipped).counts()
    except CopydeskError as error:
        findings.fail(MANIFEST, "conservation", str(error).partition(";")[0])
    else:
        if found != counts.model_dump(include=set(found)):
            findings.fail(MANIFEST, "conservation", "it counts other records than the tables hold")
    text = f"read {counts.read} = released {counts.released} + rejected {counts.rejected} + taken down"
    findings.checked.append(f"conservation: {text} {counts.taken_down}")

    inputs = pl.DataFrame(
        [(one.uri, one.sha256, one.byte_count) for one in manifest.inputs],
        schema={"uri": pl.String, "sha256": pl.String, "byte_count": pl.UInt64},
        orient="row",
    )
    sources = rows["sources"]
    files = sources.filter(pl.col("container").is_null()).join(inputs, on=inputs.columns, how="anti")
    records = sources.drop_nulls("container").join(inputs, left_on="container", right_on="uri", how="anti")
    for source_id in [*files["source_id"], *records["source_id"]]:
        findings.fail(MANIFEST, "inputs", f"source {source_id} comes from no file that it lists as an input")


def check_withheld(manifest: Manifest, tables: CheckedTables, findings: Findings) -> None:
    """Check that a public edition gives no text that its own policies withhold."""
    passages = tables["passages"].rows
    longest_quote = _settings(manifest, findings).short_quote_words
    rights = rights_of(tables["articles"].rows, lambda: [passages], longest_quote)
    for name, table in tables.items():
        keys = table.rows.select(TABLES[name].key)
        for index in given_against(name, table.rows, rights):
            key = row_key(TABLES[name], keys.row(index))
            findings.fail(table.file_of(index), "withheld", f"row {key} gives a text whose rights are not open")
    findings.checked.append("that no text is given whose rights are reserved or unknown")


def _check_sources(
    manifest: Manifest,
    tables: CheckedTables,
    paths: Sequence[Path],
    columns: Mapping[str, str] | None,
    findings: Findings,
) -> None:
    """Check every source against the bytes that stand at its place now."""
    table = tables["sources"]
    places = Places(table.rows)
    settings = _settings(manifest, findings)
    if columns is None:
        columns = (manifest.model_extra or {}).get("columns") or {}
    with TemporaryDirectory(prefix="copydesk-") as folder:
        inputs = [str(path) for path in paths]
        for uri, document in documents_again(inputs, places.files, Path(folder), settings, columns):
            for index in places.of(uri, document):
                places.settle(index, difference(table.rows.row(index, named=True), document))
    for index, problem in enumerate(places.problems):
        if problem is not None:
            findings.fail(table.file_of(index), "source", f"source {table.rows['uri'][index]}: {problem}")
    same = sum(problem is None for problem in places.problems)
    findings.checked.append(f"{same:,} of {table.rows.height:,} sources are made of the bytes at their place")


class Places:
    """Where sources were found, and what is wrong with what stands there now.

    Attributes:
        files: uri of each file that holds any → their indices.
        problems: a sentence per source, null where the right bytes were found.
    """

    def __init__(self, sources: pl.DataFrame) -> None:
        self.problems: list[str | None] = ["it is not there"] * sources.height
        self.files: dict[str, list[int]] = {}
        self._by_record: dict[tuple[str, int | None], list[int]] = {}
        self._by_uri: dict[tuple[str, str], list[int]] = {}
        for index, (uri, container, record) in enumerate(sources.select("uri", "container", "record").iter_rows()):
            file = container or uri
            self.files.setdefault(file, []).append(index)
            self._by_record.setdefault((file, record), []).append(index)
            if uri != file:
                self._by_uri.setdefault((file, uri), []).append(index)

    def of(self, file: str, document: Document | Refusal) -> list[int]:
        """The sources that may have been made of a document of a file: by its record, and by the uri it states.

        A refusal without a record speaks of the whole file.
        """
        if isinstance(document, Refusal):
            return self.files[file] if document.record is None else self._by_record.get((file, document.record), [])
        own = [] if document.uri is None else self._by_uri.get((file, document.uri), [])
        return [*self._by_record.get((file, document.record), []), *own]

    def settle(self, index: int, problem: str | None) -> None:
        """Note what came of comparing a source; what was found right stays so."""
        if self.problems[index] is not None:
            self.problems[index] = problem


def difference(row: Mapping[str, Any], document: Document | Refusal) -> str | None:
    """In what a row of `sources` is not the document found at its place; null if in nothing."""
    if isinstance(document, Refusal):
        return document.detail
    if hashlib.sha256(document.data).hexdigest() != row["sha256"]:
        return "what stands there has another SHA-256"
    found = (len(document.data), document.encoding, len(document.text))
    if found != (row["byte_count"], row["encoding"], row["char_count"]):
        return "its bytes are the right ones, but byte_count, encoding or char_count is not theirs"
    if row["text"] is not None and row["text"] != document.text:
        return "its bytes are the right ones, but its text is not what they decode to"
    return None


def _settings(manifest: Manifest, findings: Findings) -> Settings:
    """The settings of the build, as far as this program knows them: they bound what is read."""
    known = {name: value for name, value in manifest.settings.items() if name in Settings.model_fields}
    try:
        return Settings(**known)
    except ValidationError as error:
        name = ".".join(str(part) for part in error.errors()[0]["loc"])
        findings.fail(MANIFEST, "settings", f"the setting {name} has a value that it cannot have")
        return Settings()
