"""Bytes → sources: files are found, decoded and hashed; what cannot be read is turned away with a reason."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flows.errors import ChangedError
from flows.ingest.digest import digest, digested_meanwhile
from flows.ingest.documents import Document, Notes, Records, Refusal, SpoiltError, record_columns
from flows.ingest.formats import Formats
from flows.ingest.inputs import FileState, FoundInputs, InputFile, file_state, find_inputs, unreadable, why_unreadable
from flows.ingest.known import NOTHING_KNOWN, Known, KnownSource
from flows.ingest.reading import bytes_of_document, records_of_container
from flows.ingest.rejects import Rejects
from flows.ingest.shards import Shards
from flows.printable import printable
from flows.progress import telling
from flows.settings import Settings
from flows.wording import counted


@dataclass(frozen=True)
class OpenedFile:
    """A file that was opened, for the manifest."""

    uri: str
    sha256: str
    byte_count: int


@dataclass(frozen=True)
class Ingested:
    """What came of the inputs; `read_count` is `released_count` + `rejected_count`.

    Attributes:
        shards: file names under `sources/` and `provenance/`, in order.
        read_count: documents met: files, records of containers, and files that could not be opened.
        released_count: rows of `sources`.
        rejected_count: rows of `rejects`.
        repeated_count: documents not counted because one with the same uri and the same bytes was read.
        skipped: suffix that no reader knows → number of files.
        inputs: every file that was opened, sorted by uri.
        provenance_inputs: every `sources.toml` that was read, sorted by its path relative to its SOURCE.
        folders: where files that speak of the inputs may lie beside them, sorted.
        warnings: one line each, safe to print.
        missing: SOURCEs that name nothing that is there, sorted.
    """

    shards: tuple[str, ...]
    read_count: int
    released_count: int
    rejected_count: int
    repeated_count: int
    skipped: dict[str, int]
    inputs: tuple[OpenedFile, ...]
    provenance_inputs: tuple[OpenedFile, ...]
    folders: tuple[Path, ...]
    warnings: tuple[str, ...]
    missing: tuple[str, ...] = ()


def ingest(
    inputs: Sequence[str],
    staging: Path,
    settings: Settings,
    columns: Mapping[str, str],
    states: Mapping[Path, FileState | None] | None = None,
    elsewhere: Iterable[FoundInputs] = (),
    apart: Collection[Path] = (),
) -> Ingested:
    """Reads all inputs into `staging/sources/`, `staging/provenance/` and `staging/rejects/ingest.parquet`.

    Files are read in the order of their uris and records in the order of their container, and shards are ranges of the
    hash of the place, so that the result depends neither on the order of the inputs nor on the file system.

    Args:
        inputs: files, folders, or patterns with wildcards.
        staging: folder of this run; made if it is missing.
        settings: bounds of what is read.
        columns: our column of a record → its name in the containers, where they differ.
        states: files → what `file_state` said of them when they were complete; if given, these are read and no others.
        elsewhere: inputs that were found in other ways, to be read together with them.
        apart: folders with what earlier builds made, which are not looked into.

    Raises:
        UsageError: an input is empty or lies in a folder that is kept apart, or a column is unknown.
        CopydeskError: a folder cannot be listed, or a `sources.toml` is wrong.
        ChangedError: a container changed while it was read, or a file since its state was taken, or one has gone.
    """
    with ExitStack() as stack:
        tell = stack.enter_context(telling("ingest"))
        return _Ingest(stack, staging, settings, record_columns(columns), states, tell).run(inputs, elsewhere, apart)


class _Ingest:
    def __init__(
        self,
        stack: ExitStack,
        staging: Path,
        settings: Settings,
        columns: dict[str, str],
        states: Mapping[Path, FileState | None] | None,
        tell: Callable[[str], None],
    ) -> None:
        self._tell = tell
        self._staging = staging
        self._states = states
        self._settings = settings
        self._columns = columns
        self._shards = Shards(stack, staging, settings.shard_bytes)
        self._formats = Formats(stack)
        self._rejects = Rejects()
        self._met_count = 0
        self._repeated_file_count = 0
        self._opened: list[OpenedFile] = []
        self._warnings: list[str] = []

    def run(self, inputs: Sequence[str], elsewhere: Iterable[FoundInputs], apart: Collection[Path]) -> Ingested:
        self._tell("looking for files")
        found = find_inputs(inputs, self._formats.suffixes, elsewhere, apart)
        found.check_listed()
        if self._states is not None:
            gone = self._states.keys() - {file.path for file in found.files}
            if gone:
                raise ChangedError(f"{printable(str(min(gone)))} has gone since it was seen; run again")
            found.files.intersection_update([file for file in found.files if file.path in self._states])
        self._known = Known(found.folders)
        self._container_uris = {file.uri for file in found.files if file.suffix in self._formats.containers}
        for uri, refusal in found.refused.items():
            self._refuse(uri, refusal)
        for file in self._distinct(found.files):
            self._read(file)
            if self._states is not None and file_state(file.path) != self._states[file.path]:
                raise ChangedError(f"{file.uri} changed while it was read; run again when it is complete")
        self._tell(f"sorting {counted(self._met_count, 'document')}")
        for uri, refusal in self._shards.close():
            self._rejects.add(uri, refusal)
        rejects = self._rejects.rows()
        (self._staging / "rejects").mkdir(exist_ok=True)
        rejects.write_parquet(self._staging / "rejects" / "ingest.parquet")
        repeated_count = self._repeated_file_count + self._shards.repeated_count
        if found.links:
            self._warnings.append(
                f"{counted(len(found.links), 'link')} to folders not followed; give the folders themselves"
            )
        return Ingested(
            shards=tuple(self._shards.names),
            read_count=self._met_count - self._shards.repeated_count,
            released_count=self._shards.released_count,
            rejected_count=rejects.height,
            repeated_count=repeated_count,
            skipped=dict(sorted(found.skipped.items())),
            inputs=tuple(sorted(self._opened, key=lambda opened: opened.uri)),
            provenance_inputs=tuple(
                sorted(
                    (OpenedFile(*file) for file in self._known.files), key=lambda opened: (opened.uri, opened.sha256)
                )
            ),
            folders=tuple(sorted(found.folders)),
            warnings=(*sorted(self._known.warnings), *self._warnings),
            missing=tuple(sorted(found.missing)),
        )

    def _distinct(self, files: set[InputFile]) -> Iterator[InputFile]:
        """One file per uri, sorted: of several the readable one with the smallest SHA-256."""
        by_uri: dict[str, list[InputFile]] = {}
        for file in sorted(files):
            by_uri.setdefault(file.uri, []).append(file)
        for uri, claimants in by_uri.items():
            if len(claimants) == 1:
                yield claimants[0]
                continue
            yield from self._settled(uri, claimants)

    def _settled(self, uri: str, claimants: list[InputFile]) -> Iterator[InputFile]:
        readable: dict[str, tuple[InputFile, OpenedFile]] = {}
        unreadable_count = 0
        for file in claimants:
            opened = self._open(file)
            if isinstance(opened, OpenedFile):
                self._repeated_file_count += opened.sha256 in readable
                readable.setdefault(opened.sha256, (file, opened))
            else:
                unreadable_count += 1
                self._refuse(f"{uri}#{unreadable_count}", opened)
        for rank, (sha256, (file, opened)) in enumerate(sorted(readable.items())):
            if rank == 0:
                winner = sha256
                yield file
                continue
            # A place of its own: `uri` alone would be the place of the document that was kept.
            place = f"{uri}#{sha256[:16]}"
            self._opened.append(replace(opened, uri=place))
            self._refuse(
                place,
                Refusal(
                    "uri_taken",
                    f"Another file with the uri {uri} and the SHA-256 {winner} was kept; give them different names, "
                    "or read them from one folder above both.",
                ),
            )

    def _refuse(self, uri: str, refusal: Refusal) -> None:
        self._met_count += 1
        self._rejects.add(uri, refusal)

    def _open(self, file: InputFile) -> OpenedFile | Refusal:
        problem = why_unreadable(file.path)
        if problem:
            return problem
        try:
            return OpenedFile(file.uri, *digest(file.path))
        except OSError as error:
            return unreadable(error)

    def _read(self, file: InputFile) -> None:
        self._tell(counted(self._met_count, "document"))
        if file.suffix in self._formats.containers:
            self._read_container(file)
        else:
            self._read_document(file)

    def _read_document(self, file: InputFile) -> None:
        data = bytes_of_document(file, self._settings)
        if isinstance(data, Refusal):
            self._refuse(file.uri, data)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        self._opened.append(OpenedFile(file.uri, sha256, len(data)))
        known = self._known.of(file, lambda: sha256)
        document = self._formats.documents[file.suffix](data)
        if isinstance(document, Refusal):
            self._refuse(file.uri, document)
        else:
            self._met_count += 1
            self._shards.add(document, file.uri, sha256, known)

    def _read_container(self, file: InputFile) -> None:
        problem = why_unreadable(file.path)
        if problem:
            self._refuse(file.uri, problem)
            return
        state = file_state(file.path)
        notes = Notes()
        before = self._met_count
        self._shards.mark()
        self._rejects.mark()
        known = NOTHING_KNOWN
        with digested_meanwhile(file.path) as digested:
            spoilt = None
            with suppress(OSError):  # it is met again below
                known = self._known.of(file, lambda: digested()[0])
            try:
                self._take_over(file, known, notes)
            except SpoiltError as error:
                spoilt = error.refusal
            try:
                self._opened.append(OpenedFile(file.uri, *digested()))
            except OSError as error:
                spoilt = unreadable(error)
        if spoilt:
            self._shards.cut_back()
            self._rejects.cut_back()
            self._met_count = before
            self._refuse(file.uri, spoilt)
            notes = Notes()
        if self._met_count == before:
            self._refuse(file.uri, Refusal("empty", "The file holds no record."))
        if file_state(file.path) != state:
            raise ChangedError(f"{file.uri} changed while it was read; run again when it is complete")
        if known.url:
            notes.sentences.append("its url in sources.toml is not that of a single document; it was not applied")
        self._warnings += notes.lines(file.uri)

    def _take_over(self, file: InputFile, known: KnownSource, notes: Notes) -> None:
        """The records of a container, and the refusals of those that are no documents.

        Raises:
            SpoiltError: none of them counts.
        """
        reader = self._formats.containers[file.suffix]
        for document in records_of_container(file, reader, self._columns, self._settings, notes):
            self._tell(counted(self._met_count, "document"))
            if isinstance(document, Refusal):
                self._refuse(file.uri, document)
                continue
            if isinstance(document, Records):
                self._met_count += document.rows.height
                self._shards.add_records(self._all_named(document, file.uri, notes), file.uri, known)
                continue
            self._met_count += 1
            named = self._named(document, file.uri, notes)
            self._shards.add(named, file.uri, hashlib.sha256(document.data).hexdigest(), known)

    def _named(self, document: Document, container: str, notes: Notes) -> Document:
        """The document without a uri that names a container: it would pass for another record of that one."""
        if document.record is None or document.uri == container or document.uri not in self._container_uris:
            return document
        notes.add("uri", document.record)
        return replace(document, uri=None)

    def _all_named(self, records: Records, container: str, notes: Notes) -> Records:
        """The same for records."""
        uri = records.rows["uri"]
        is_taken = uri.is_in(self._container_uris) & (uri != container)
        if not is_taken.any():
            return records
        for record in records.rows.filter(is_taken)["record"]:
            notes.add("uri", record)
        return Records(records.rows.with_columns(uri=uri.set(is_taken, None)))
