"""The formats that are read, by suffix. A new one is a file beside this one and a line here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from flows.ingest.documents import Document, Notes, Records, Refusal
from flows.ingest.jsonl import records_of_jsonl, records_of_jsonl_gz
from flows.ingest.parquet import ParquetReader
from flows.ingest.text import document_of_text
from flows.settings import Settings

DocumentReader = Callable[[bytes], Document | Refusal]
RecordReader = Callable[[Path, dict[str, str], Settings, Notes], Iterator[Document | Records | Refusal]]


class Formats:
    """The readers of one run.

    Attributes:
        documents: suffix → reader of a file that is one document, from its bytes.
        containers: suffix → reader of a file that holds records: path, our columns → theirs, settings, notes. It raises
            `SpoiltError` where a format tells only at the end whether what was read before was right.
    """

    def __init__(self, stack: ExitStack) -> None:
        """Readers; the stack ends what they have started."""
        self.documents: dict[str, DocumentReader] = {".txt": document_of_text}
        self.containers: dict[str, RecordReader] = {
            ".jsonl": records_of_jsonl,
            ".jsonl.gz": records_of_jsonl_gz,
            ".parquet": stack.enter_context(ParquetReader()),
        }

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.documents, *self.containers)


def known_suffixes() -> tuple[str, ...]:
    """The suffixes of files that are read."""
    with ExitStack() as stack:
        return Formats(stack).suffixes
