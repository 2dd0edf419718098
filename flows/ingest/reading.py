"""One file at a time: a document whole, or a container record by record; what cannot be read becomes a refusal."""

import os
from collections.abc import Iterator

from flows.ingest.documents import Document, Notes, Records, Refusal, too_large
from flows.ingest.formats import RecordReader
from flows.ingest.inputs import InputFile, unreadable, why_unreadable
from flows.settings import Settings


def bytes_of_document(file: InputFile, settings: Settings) -> bytes | Refusal:
    """All bytes of a file that is one document, or why they are not to be had."""
    problem = why_unreadable(file.path)
    if problem:
        return problem
    limit = settings.max_record_bytes
    try:
        with file.path.open("rb") as stream:
            # Not read(limit): Python asks for the memory of all that it might read.
            data = stream.read() if os.fstat(stream.fileno()).st_size <= limit else None
    except OSError as error:
        return unreadable(error)
    return data if data is not None and len(data) <= limit else too_large(limit)


def records_of_container(
    file: InputFile, reader: RecordReader, columns: dict[str, str], settings: Settings, notes: Notes
) -> Iterator[Document | Records | Refusal]:
    """The records of a container; if it cannot be read any further, a refusal comes last.

    Raises:
        SpoiltError: none of them counts.
    """
    problem = why_unreadable(file.path)
    if problem:
        yield problem
        return
    try:
        yield from reader(file.path, columns, settings, notes)
    except OSError as error:
        yield unreadable(error)
