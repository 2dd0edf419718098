"""The way back: a release's files, then its rows, then the bytes of its sources.

Each stage brings the checks of what it made: `release` those of files, manifest and card, `validate` those of rows,
`ingest` the documents as they are now. Nothing of it is repaired or written.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from flows.errors import CopydeskError, UsageError
from flows.ingest.again import documents_again
from flows.ingest.documents import Document, Refusal, record_columns
from flows.progress import telling
from flows.publish.rights import is_given, rights_of
from flows.release.card import CARD
from flows.release.described import PUBLIC
from flows.release.manifest import MANIFEST, settings_of
from flows.release.manifest_form import Manifest
from flows.release.parquet import DATA
from flows.release.provenance import PROVENANCE
from flows.release.verify.card import check_card
from flows.release.verify.files import check_files
from flows.release.verify.findings import Findings, Verified
from flows.release.verify.manifest import check_manifest
from flows.release.verify.provenance import check_provenance
from flows.release.verify.tables import ReleasedTable, UnreadableError, aligned, open_tables
from flows.settings import Settings
from flows.validate.between import (
    KEY_COLUMNS,
    OverlapCounts,
    cluster_failures,
    clusters_of,
    keys_of,
    overlap_failures,
    relation_failures,
    repeat_failures,
    repeats_of,
)
from flows.validate.conservation import conservation
from flows.validate.failures import failing
from flows.validate.models import model_failures
from flows.validate.quarantine import row_key
from flows.validate.slices import slice_failures
from flows.validate.tombstones import tombstone_failures, withheld_failures
from flows.validate.validate import OF_SHARD, shard_failures
from flows.wording import counted
from schemas.tables import TABLES, hash_column, text_columns

ReleasedTables = Mapping[str, ReleasedTable]


@dataclass(frozen=True)
class CheckedRows:
    """What is kept of a release whose rows were all read.

    Attributes:
        sources: the table without its texts, and `text_digest`, the SHA-256 of each text, null where there is none.
        others: the tables whose rows hang on no single source.
    """

    sources: pl.DataFrame
    others: Mapping[str, pl.DataFrame]


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
    with telling("verify") as tell:
        checked = _check_release(release, findings, tell)
        if sources and checked is None:
            findings.notes.append("the sources were not looked at, because what is said of them cannot be relied on")
        elif sources and checked is not None:
            _check_sources(*checked, sources, columns, findings, tell)
    return Verified(tuple(findings.failures), tuple(findings.checked), tuple(findings.notes))


def _check_release(
    release: Path, findings: Findings, tell: Callable[[str], None]
) -> tuple[Manifest, ReleasedTables, CheckedRows] | None:
    """Check files, manifest, card and rows: the manifest and all tables, or null where they are not to be relied on."""
    tell("the bytes of all files")
    files = check_files(release, findings)
    manifest = files.manifest
    if manifest is None:
        findings.notes.append("neither tables nor card were looked at, because there is no manifest to go by")
        return None
    check_manifest(release, manifest, files.sha256[MANIFEST], findings)
    if not findings.has_failed(MANIFEST) and not findings.has_failed(PROVENANCE):
        check_provenance(release, findings)
    if not findings.has_failed(CARD):
        check_card(release, manifest, findings)
    if findings.has_failed(f"{DATA}/"):
        findings.notes.append(f"the rows were not looked at, because files under {DATA}/ are not the right ones")
        return None
    tables = open_tables(release, manifest, files.sha256, findings)
    try:
        is_public = manifest.edition == PUBLIC
        rows = None if tables is None else check_rows(tables, findings, tell, is_public=is_public)
    except UnreadableError:
        rows = None
    if tables is None or rows is None:
        findings.notes.append("references between tables were not looked at, because not all tables can be read")
        return None
    for name, table in tables.items():
        table.check(manifest.tables[name])
    row_count = sum(table.row_count for table in tables.values())
    findings.checked.append(f"{len(tables)} tables, {row_count:,} rows: pages, columns, number and hash of rows")
    findings.checked.append("every row: its contract, keys, references, offsets, and the words at them")
    check_counts(manifest, rows, findings)
    return manifest, tables, rows


def check_rows(
    tables: ReleasedTables, findings: Findings, tell: Callable[[str], None], *, is_public: bool
) -> CheckedRows:
    """Check every row against its contract, the other tables, and the text that it speaks of.

    A rule that many rows of a file break is one failure that names the first of them by its key. Some sources are
    looked at at a time, with all that hangs on them. In a full release only what was taken down may lack its text; in a
    public edition only what is open may have one.

    Raises:
        UnreadableError: a file cannot be read, which was noted.
    """
    others = {name: table.rows() for name, table in tables.items() if name not in (*OF_SHARD, "overlaps")}
    for name, rows in others.items():
        if name != "relations":
            _report([model_failures(TABLES[name], rows)], {name: rows}, tables, findings)
    sources: list[pl.DataFrame] = []
    clusters: list[pl.DataFrame] = []
    repeats: list[pl.DataFrame] = []

    def looked_at() -> Iterator[dict[str, pl.DataFrame]]:
        """Some sources after the other, and what the rows that hang on them are found by."""
        for part in aligned({name: tables[name] for name in OF_SHARD}):
            _report([shard_failures(part), *slice_failures(part)], part, tables, findings)
            with_stones = part | {"tombstones": others["tombstones"]}
            withheld = given_failures(part) if is_public else withheld_failures(with_stones)
            _report([*tombstone_failures(with_stones), *withheld], with_stones, tables, findings)
            sources.append(_without_text(part["sources"]))
            source_count = sum(rows.height for rows in sources)
            tell(f"the rows of {counted(source_count, 'source')}")
            clusters.append(clusters_of(part["articles"]))
            repeats.append(repeats_of(part["passages"]))
            yield {name: part[name].select(columns) for name, columns in KEY_COLUMNS.items()}

    keys = keys_of(looked_at())
    tell("references between tables")
    counts = OverlapCounts()
    whole = pl.concat(clusters)
    _report(cluster_failures(whole, keys), {"articles": whole}, tables, findings)
    for rows in repeats:
        _report(repeat_failures(rows, keys), {"passages": rows}, tables, findings)
    for rows in tables["overlaps"].groups():
        _report(overlap_failures(rows, keys, counts), {"overlaps": rows}, tables, findings)
    _report(relation_failures(others["relations"], keys, counts), others, tables, findings)
    return CheckedRows(pl.concat(sources), others)


def given_failures(part: Mapping[str, pl.DataFrame]) -> list[pl.DataFrame]:
    """Rows of a public edition that give a text whose rights are not open: frames `table, row, rule, detail`.

    Args:
        part: all rows of some sources, each with its index in the table as `row`.
    """
    rights = rights_of(part["articles"], lambda: [part["passages"]])
    detail = "it gives a text whose rights are reserved or unknown"
    return [
        failing(rows, name, is_given(name) & ~rights.may_be_given(name), "given", detail)
        for name, rows in part.items()
        if text_columns(name)
    ]


def _report(
    failures: Sequence[pl.DataFrame],
    rows: Mapping[str, pl.DataFrame],
    tables: ReleasedTables,
    findings: Findings,
) -> None:
    """Note failing rows, each under its file and by its key."""
    found = pl.concat(failures)
    first = found.sort("table", "rule", "row").unique(["table", "rule", "row"], keep="first", maintain_order=True)
    for name, row, rule, detail in first.select("table", "row", "rule", "detail").iter_rows():
        key = row_key(TABLES[name], rows[name].filter(pl.col("row") == row).select(TABLES[name].key).row(0))
        findings.fail(tables[name].file_of(row), rule, f"row {key}: {detail}")


def _without_text(sources: pl.DataFrame) -> pl.DataFrame:
    """`sources` with the hash of each text in its place, also of one that is withheld.

    A Python loop, because polars has no SHA-256.
    """
    digests = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in sources["text"]]
    digest = pl.coalesce(pl.Series(digests, dtype=pl.String), hash_column("text"))
    return sources.drop("text").with_columns(text_digest=digest)


def check_counts(manifest: Manifest, checked: CheckedRows, findings: Findings) -> None:
    """Check what the manifest says of records and inputs against the tables."""
    counts = manifest.conservation
    try:
        tables = {"sources": checked.sources, **checked.others}
        found = conservation(tables, counts.read, counts.skipped, counts.taken_down).counts()
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
    sources = checked.sources
    files = sources.filter(pl.col("container").is_null()).join(inputs, on=inputs.columns, how="anti")
    records = sources.drop_nulls("container").join(inputs, left_on="container", right_on="uri", how="anti")
    for source_id in [*files["source_id"], *records["source_id"]]:
        findings.fail(MANIFEST, "inputs", f"source {source_id} comes from no file that it lists as an input")


def _check_sources(
    manifest: Manifest,
    tables: ReleasedTables,
    checked: CheckedRows,
    paths: Sequence[Path],
    columns: Mapping[str, str] | None,
    findings: Findings,
    tell: Callable[[str], None],
) -> None:
    """Check every source against the bytes that stand at its place now."""
    table, rows = tables["sources"], checked.sources
    places = Places(rows)
    settings = _settings(manifest, findings)
    if columns is None:
        columns = _columns(manifest, findings)
    inputs = [str(path) for path in paths]
    for number, (uri, document) in enumerate(documents_again(inputs, places.files, settings, columns)):
        tell(f"{counted(number, 'document')} of {rows.height:,} compared with the bytes at their place")
        for index in places.of(uri, document):
            places.settle(index, difference(rows.row(index, named=True), document))
    for index, problem in enumerate(places.problems):
        if problem is not None:
            findings.fail(table.file_of(index), "source", f"source {rows['uri'][index]}: {problem}")
    same = sum(problem is None for problem in places.problems)
    findings.checked.append(f"{same:,} of {rows.height:,} sources are made of the bytes at their place")


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
    """In what a row of `CheckedRows.sources` is not the document found at its place; null if in nothing."""
    if isinstance(document, Refusal):
        return document.detail
    if hashlib.sha256(document.data).hexdigest() != row["sha256"]:
        return "what stands there has another SHA-256"
    found = (len(document.data), document.encoding, len(document.text))
    if found != (row["byte_count"], row["encoding"], row["char_count"]):
        return "its bytes are the right ones, but byte_count, encoding or char_count is not theirs"
    if row["text_digest"] not in (None, hashlib.sha256(document.text.encode()).hexdigest()):
        return "its bytes are the right ones, but its text is not what they decode to"
    return None


def _settings(manifest: Manifest, findings: Findings) -> Settings:
    """The settings of the build, as far as this program knows them: they bound what is read."""
    try:
        return settings_of({"settings": manifest.settings})
    except CopydeskError as error:
        findings.fail(MANIFEST, "settings", str(error))
        return Settings()


def _columns(manifest: Manifest, findings: Findings) -> Mapping[str, str]:
    """The names of columns in containers, as far as they are those of columns that there are."""
    try:
        record_columns(manifest.columns)
    except UsageError as error:
        findings.fail(MANIFEST, "columns", str(error))
        return {}
    return manifest.columns
