"""Documents read once more from where they were found, to be compared with what was made of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack

from flows.ingest.documents import Document, Notes, Records, Refusal, SpoiltError, record_columns
from flows.ingest.formats import Formats
from flows.ingest.inputs import InputFile, find_inputs
from flows.ingest.reading import bytes_of_document, records_of_container
from flows.settings import Settings


def documents_again(
    inputs: Sequence[str], uris: Collection[str], settings: Settings, columns: Mapping[str, str]
) -> Iterator[tuple[str, Document | Refusal]]:
    """The documents of the files with these uris as they are now, each with the uri of its file.

    Unlike a build, this settles no quarrel between documents of one uri: all of them come. So do those of a container
    that turns out to be spoilt, before its refusal: each is compared by its own hash.

    Args:
        inputs: files or folders, as a build is given them.
        uris: of the files to read; all others are passed over.
        settings: bounds of what is read.
        columns: our column of a record → its name in the containers, where they differ.

    Raises:
        UsageError: an input is empty, or a column unknown.
    """
    renamed = record_columns(columns)
    with ExitStack() as stack:
        formats = Formats(stack)
        found = find_inputs(inputs, formats.suffixes)
        for uri, refusal in sorted(found.refused.items()):
            if uri in uris:
                yield uri, refusal
        for file in sorted(found.files):
            if file.uri in uris:
                for document in _documents(file, formats, settings, renamed):
                    yield file.uri, document


def _documents(
    file: InputFile, formats: Formats, settings: Settings, columns: dict[str, str]
) -> Iterator[Document | Refusal]:
    if file.suffix not in formats.containers:
        data = bytes_of_document(file, settings)
        yield data if isinstance(data, Refusal) else formats.documents[file.suffix](data)
        return
    try:
        for found in records_of_container(file, formats.containers[file.suffix], columns, settings, Notes()):
            if isinstance(found, Records):
                yield from found.documents()
            else:
                yield found
    except SpoiltError as error:
        yield error.refusal
