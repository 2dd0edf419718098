"""The way back from a public edition: whoever has the sources fills in what it withholds.

Nothing is taken on trust: a text is filled in if the bytes at its place are the right ones, and what they decode to,
cut at the row's offsets and cleaned, has the hash that stands in its place. It puts together the readers (`ingest`),
how a text follows from what was found, and how a release is written (`release`).
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from flows.characters import with_plain_lines
from flows.edition import FULL_KEYS, described
from flows.errors import CopydeskError, UsageError
from flows.ids import PLACE_DIGITS, sha256_of
from flows.ingest.again import documents_again
from flows.ingest.documents import Document, record_columns
from flows.ingest.heaps import Heaps
from flows.progress import telling
from flows.release.described import PUBLIC
from flows.release.documents import write_documents
from flows.release.manifest import (
    MANIFEST,
    check_outputs,
    digests,
    file_sha256,
    read_manifest,
    settings_of,
    write_manifest,
    write_sums,
)
from flows.release.parquet import DATA, TableWriter, WrittenTable, ranges_of, table_batches, table_of
from flows.release.provenance import write_provenance
from flows.release.rows import all_rows_sha256
from flows.release.staging import new_folder
from flows.release.versions import check_name
from flows.settings import Settings
from flows.text import joined_texts, passage_text
from flows.verify import Places, difference
from schemas.tables import TABLES, Table, hash_column, text_columns

# Bytes of documents that are put aside together.
_BYTES_AT_A_TIME = 8_000_000
# What is known of a source beside its text.
_PLACES = ("source_id", "uri", "container", "record", "byte_count", "sha256", "encoding", "char_count")
_FOUND = {"source_id": pl.String(), "byte_count": pl.UInt64(), "text": pl.String()}


@dataclass(frozen=True)
class Hydrated:
    """What came of it.

    Attributes:
        path: the folder that was written.
        filled_count: texts that were filled in.
        withheld_count: texts that are withheld still.
        missing: a line each for sources that were not found or have other bytes, and for rows that their source does
            not give the right text for.
        notes: a line each for what a person should know although nothing is missing.
    """

    path: Path
    filled_count: int
    withheld_count: int
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is withheld any more."""
        return not self.withheld_count


def hydrate(edition: Path, sources: Sequence[Path], out: Path, columns: Mapping[str, str] | None = None) -> Hydrated:
    """Fill the texts in that a public edition withholds, from the sources that it was made of.

    If all are found, the full release is written; its tables are those that the edition was derived from, byte for
    byte. Else there are only tables, with what could be filled in: neither a release nor an edition, which nobody takes
    for one that may be published.

    Args:
        edition: the folder of a public edition; its files are compared with its manifest first.
        sources: the files and folders that the release was built from.
        out: the folder to write; it must not exist.
        columns: our column of a record → its name in the containers; by default as the manifest states them.

    Raises:
        UsageError: `out` exists or is named like another version, or a column is unknown.
        CopydeskError: the edition is none or is not whole, a source does not exist, or `out` cannot be written.
    """
    for path in sources:
        if not path.exists():
            raise CopydeskError(f"there is no file or folder {path} to look for sources in")
    with new_folder(out) as folder:
        manifest = read_manifest(edition)
        if manifest.get("edition") != PUBLIC:
            raise CopydeskError(f"{edition} is no public edition: it withholds nothing")
        check_name(out, manifest["version"])
        settings = settings_of(manifest)
        with (
            telling("hydrate") as tell,
            TemporaryDirectory(prefix="copydesk-") as temporary,
            ThreadPoolExecutor(1) as pool,
        ):
            tell("the bytes of all files")
            check_outputs(edition, manifest, f"{DATA}/")
            found = _Documents(edition, Path(temporary), settings)
            tell("looking for the sources")
            found.read(sources, _stated_columns(edition, manifest) if columns is None else columns)
            tell("writing the tables")
            writing = _Hydration(
                edition, folder, [name for name in TABLES if name in manifest["tables"]], settings, pool
            )
            writing.write(found.heaps.take())
            tables = writing.close()
        missing = (*found.problems(writing.withheld_sources), *writing.problems)
        notes = () if writing.withheld_count else tuple(_finish(edition, folder, manifest, settings, tables))
    return Hydrated(out, writing.filled_count, writing.withheld_count, missing, notes)


def _stated_columns(edition: Path, manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """The names of columns in containers, as the manifest states them.

    Raises:
        CopydeskError: there are no such columns.
    """
    columns: Mapping[str, str] = manifest.get("columns", {})
    try:
        record_columns(columns)
    except UsageError as error:
        raise CopydeskError(f"{MANIFEST} of {edition}: {error}") from error
    return columns


class _Documents:
    """The documents that an edition withholds, as far as they are found.

    Attributes:
        heaps: `source_id, byte_count, text` of those with the right bytes.
    """

    def __init__(self, edition: Path, temporary: Path, settings: Settings) -> None:
        """No document is found yet.

        Args:
            edition: the folder of the edition.
            temporary: an empty folder.
            settings: bounds of what is read.
        """
        wanted = pl.col("text").is_null()
        rows = [batch.filter(wanted).select(_PLACES) for batch in table_batches(edition, "sources", [*_PLACES, "text"])]
        self._sources = pl.concat([TABLES["sources"].empty().select(_PLACES), *rows])
        self._places = Places(self._sources)
        self._settings = settings
        (temporary / "heaps").mkdir()
        self.heaps = Heaps(temporary / "heaps", settings.shard_bytes)

    def read(self, sources: Sequence[Path], columns: Mapping[str, str]) -> None:
        """Look for them in files and folders."""
        waiting: list[tuple[str, int, str]] = []
        inputs = [str(path) for path in sources]
        for uri, document in documents_again(inputs, self._places.files, self._settings, columns):
            for index in self._places.of(uri, document):
                row = self._sources.row(index, named=True)
                problem = difference(row | {"text_digest": None}, document)
                if isinstance(document, Document) and problem is None and self._places.problems[index] is not None:
                    waiting.append((row["source_id"], row["byte_count"], document.text))
                self._places.settle(index, problem)
            if sum(byte_count for _, byte_count, _ in waiting) > _BYTES_AT_A_TIME:
                self._put(waiting)
        self._put(waiting)

    def _put(self, waiting: list[tuple[str, int, str]]) -> None:
        if waiting:
            self.heaps.put(pl.DataFrame(waiting, schema=_FOUND, orient="row"))
        waiting.clear()

    def problems(self, asked: Set[str]) -> Iterator[str]:
        """A line, in the order of uri, for each source that is asked for and was not found or has other bytes."""
        rows = self._sources.select("source_id", "uri", "record").with_columns(
            problem=pl.Series(self._places.problems, dtype=pl.String)
        )
        for source_id, uri, record, problem in rows.sort("uri", "record", "source_id").iter_rows():
            if problem is not None and source_id in asked:
                yield f"source {uri}{'' if record is None else f', record {record}'}: {problem}"


class _Hydration:
    """Writes the tables of an edition anew, with the texts that can be filled in.

    All tables with texts are sorted by ids that begin with the digits of the place of their source, so that what is
    filled in from one range of sources lies in one range of each table.

    Attributes:
        filled_count: texts that were filled in.
        withheld_count: texts that are withheld still.
        withheld_sources: ids of the sources that they are from.
        problems: a line for each row whose source gives another text than the right one.
    """

    def __init__(self, edition: Path, folder: Path, names: Sequence[str], settings: Settings, pool: Executor) -> None:
        self.filled_count = 0
        self.withheld_count = 0
        self.withheld_sources: set[str] = set()
        self.problems: list[str] = []
        self._folder = folder
        self._settings = settings
        ranges = ranges_of(edition, settings)
        self._writers = {name: TableWriter(folder, name, settings, pool, ranges) for name in names}
        self._rows = {name: _Rows(table_batches(edition, name), TABLES[name]) for name in names}

    def write(self, heaps: Iterator[pl.DataFrame]) -> None:
        """Write all rows.

        Args:
            heaps: `source_id, text` of sources, as ascending ranges of places.
        """
        for found in heaps:
            last = str(found["source_id"].max())[:PLACE_DIGITS]
            texts = dict(found.select("source_id", "text").iter_rows())
            for part in _aligned({name: rows for name, rows in self._rows.items() if text_columns(name)}, last):
                for name, rows in self._filled(part, texts).items():
                    self._write(name, rows)
        for name, left in self._rows.items():
            for rest in left.rest():
                self._write(name, rest)

    def close(self) -> dict[str, WrittenTable]:
        """Finish all tables."""
        return {
            name: table_of(self._folder, name, [(self._folder, writer.close())], self._settings)
            for name, writer in self._writers.items()
        }

    def _write(self, name: str, rows: pl.DataFrame) -> None:
        for column in text_columns(name):
            withheld = rows.filter(pl.col(hash_column(column)).is_not_null())
            self.withheld_count += withheld.height
            self.withheld_sources.update(withheld["source_id"])
        self._writers[name].write(rows)

    def _filled(self, part: Mapping[str, pl.DataFrame], texts: Mapping[str, str]) -> dict[str, pl.DataFrame]:
        """The rows of one range of sources with their texts, as far as they are right."""
        filled = {}
        for name, rows in part.items():
            if name == "sources":
                found = pl.Series("text", [texts.get(source_id) for source_id in rows["source_id"]], pl.String)
                filled[name] = self._with(name, rows, "text", found)
            elif name != "articles":
                filled[name] = self._with(name, rows, "text", _texts_at_offsets(rows, texts))
        if "articles" in part:
            articles, passages = part["articles"], filled["passages"]
            articles = self._with("articles", articles, "text", _joined(articles, passages))
            filled["articles"] = self._with(
                "articles", articles, "unique_text", _joined(articles, passages.filter("is_kept"))
            )
        return filled

    def _with(self, name: str, rows: pl.DataFrame, column: str, found: pl.Series) -> pl.DataFrame:
        """Rows with a text where it has the hash that stands beside it, and the hash where not."""
        compared = rows.with_columns(found=found).with_columns(found_sha256=sha256_of(found))
        stated = pl.col(hash_column(column))
        is_right = (pl.col("found_sha256") == stated).fill_null(value=False)
        key = TABLES[name].key[0]
        for value in compared.filter(stated.is_not_null() & pl.col("found").is_not_null() & ~is_right)[key]:
            self.problems.append(f"{name} {value}: what its source says has another SHA-256 than its {column}")
        self.filled_count += int(compared.select(is_right.sum()).item())
        return compared.with_columns(
            pl.when(is_right).then("found").otherwise(column).alias(column),
            pl.when(~is_right).then(stated).alias(hash_column(column)),
        ).drop("found", "found_sha256")


class _Rows:
    """The rows of a table, taken from its beginning on; no more of them are held than are asked for."""

    def __init__(self, batches: Iterator[pl.DataFrame], table: Table) -> None:
        """Rows in the order of their table, whose first column begins with the digits of a place."""
        self._batches = batches
        self._key = table.order[0]
        self._held = table.empty()
        self._is_read = False

    def last_place(self) -> str | None:
        """The place of the last row that is held, of which there may be more; null if there are none to come."""
        while self._held.is_empty() and not self._is_read:
            self.pull()
        return None if self._is_read else str(self._held[self._key][-1])[:PLACE_DIGITS]

    def pull(self) -> None:
        """Hold one more batch, if there is one."""
        batch = next(self._batches, None)
        if batch is None:
            self._is_read = True
        else:
            self._held = batch if self._held.is_empty() else pl.concat([self._held, batch])

    def before(self, place: str, *, included: bool) -> pl.DataFrame:
        """The rows held whose place is before this one, or is this one where that is included."""
        places = self._held[self._key].str.head(PLACE_DIGITS)
        count = int(places.search_sorted(place, side="right" if included else "left"))
        taken, self._held = self._held.head(count), self._held.slice(count)
        return taken

    def rest(self) -> Iterator[pl.DataFrame]:
        """All rows that are left, batch by batch."""
        yield self._held
        yield from self._batches


def _aligned(tables: Mapping[str, _Rows], last: str) -> Iterator[dict[str, pl.DataFrame]]:
    """The next rows of tables as far as a place, some sources at a time: all that belongs to these, and nothing else.

    A batch of each table is held at a time, or as many as the rows of one place take.

    Args:
        tables: name → rows of tables with texts.
        last: the last place whose rows are asked for.
    """
    while (stop := min(filter(None, (rows.last_place() for rows in tables.values())), default=None)) is not None:
        if stop > last:
            break
        part = {name: rows.before(stop, included=False) for name, rows in tables.items()}
        if any(rows.height for rows in part.values()):
            yield part
        for rows in tables.values():
            if rows.last_place() == stop:
                rows.pull()
    yield {name: rows.before(last, included=True) for name, rows in tables.items()}


def _texts_at_offsets(rows: pl.DataFrame, texts: Mapping[str, str]) -> pl.Series:
    """What the sources say at the offsets of rows, cleaned; null where it is not asked for or not known.

    A Python loop, because polars walks to an offset from the start of the text, which for the n passages of a text
    takes time that grows with n².
    """
    found = [
        None if digest is None or (text := texts.get(source_id)) is None else text[start : start + count]
        for source_id, start, count, digest in rows.select(
            "source_id", "char_start", "char_count", hash_column("text")
        ).iter_rows()
    ]
    slices = pl.DataFrame({"found": found}, schema={"found": pl.String})
    return slices.select(passage_text(with_plain_lines(pl.col("found")))).to_series()


def _joined(articles: pl.DataFrame, passages: pl.DataFrame) -> pl.Series:
    """The text of each article as its passages give it; null where one of them is withheld."""
    return articles.select("article_id").join(
        joined_texts(passages), on="article_id", how="left", maintain_order="left"
    )["text"]


def _finish(
    edition: Path, folder: Path, manifest: Mapping[str, Any], settings: Settings, tables: Mapping[str, WrittenTable]
) -> Iterator[str]:
    """Write what stands beside the tables of the full release; a line for each thing that is not as it was in it.

    Raises:
        CopydeskError: the rows are not those of the full release.
    """
    files = {file: digest for table in tables.values() for file, digest in table.files.items()}
    hashes = {name: table.rows_sha256 for name, table in tables.items()}
    if all_rows_sha256(hashes) != manifest["full_rows_sha256"]:
        raise CopydeskError(f"{MANIFEST} of {edition} has another hash for the rows of the full release")
    write_documents(described(edition, folder, manifest, settings, "full"), files)
    content = {
        **{key: value for key, value in manifest.items() if key not in FULL_KEYS},
        "edition": "full",
        "tables": {name: manifest["tables"][name] | {"rows_sha256": hashes[name]} for name in sorted(hashes)},
        "rows_sha256": manifest["full_rows_sha256"],
        "outputs": digests(folder, files),
    }
    write_provenance(folder, content)
    write_manifest(folder, content)
    write_sums(folder, files)
    wrong = [path for path, digest in manifest["full_outputs"].items() if content["outputs"].get(path) != digest]
    if wrong:
        yield f"the rows are those of the full release, and {', '.join(wrong)} were written by other libraries"
    elif file_sha256(folder / MANIFEST) != manifest["full_manifest_sha256"]:
        yield "the tables are those of the full release; its documents were written by another copydesk"
