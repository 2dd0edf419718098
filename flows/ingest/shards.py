"""Documents written to shards: ranges of the hash of their places, of bounded size and sorted by `source_id`."""

import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from flows.ids import PLACE_DIGITS, sha256_of, source_id, source_ids
from flows.ingest.claims import settled
from flows.ingest.documents import WEB_ADDRESS, Document, Records, Refusal, web_address
from flows.ingest.heaps import ROW_BYTES, Heaps
from flows.ingest.known import KnownSource
from schemas.provenance import PROVENANCE_FIELDS, Provenance
from schemas.tables import TABLES, dtypes_of

_MEDIA_TYPE = "text/plain"

_SOURCE_DTYPES = TABLES["sources"].dtypes
_PROVENANCE_DTYPES = dtypes_of(Provenance)
# A row of `sources` and, for each field of the provenance, its value and the rule that knows it.
_RULE_OF = {field: f"{field}_rule" for field in PROVENANCE_FIELDS}
_ROW_DTYPES = _SOURCE_DTYPES | dict.fromkeys((*_RULE_OF.keys(), *_RULE_OF.values()), pl.String())

# Text that waits in memory, in shards: more of it makes fewer and longer stretches of each heap.
_WAITING_SHARDS = 4
# Frames that are held for the thread that writes, beside the one that it has.
_WAITING_FRAMES = 1
# Documents that wait as Python objects for a frame of their own.
_ROWS_AT_A_TIME = 10_000
_BYTES_AT_A_TIME = 16_000_000


class Shards:
    """Writes `sources/NNNNN.parquet` and `provenance/NNNNN.parquet`, the same whatever the order of the documents.

    Each shard is a range of the hash of the place (the first PLACE_DIGITS of `source_id`), and they ascend: what a
    stage makes of them one by one is sorted over the whole corpus.

    A thread hashes and writes what was handed over, in its order, while the caller reads on. What goes wrong there is
    raised by a later call.

    Attributes:
        names: of the shards, in order; complete after `close`.
        released_count: rows of `sources`, after `close`.
        repeated_count: documents that came once more with the same uri and the same bytes, after `close`.
    """

    def __init__(self, stack: ExitStack, folder: Path, shard_bytes: int) -> None:
        """Shards of at most so many bytes of text (a document that is larger is a shard of its own).

        A document counts for ROW_BYTES at least: of very short ones a shard would hold more than a stage can.

        The stack removes what was put aside.
        """
        self.names: list[str] = []
        self.released_count = 0
        self.repeated_count = 0
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._rows: dict[str, list[Any]] = defaultdict(list)
        self._byte_count = 0
        for table in ("sources", "provenance"):
            (folder / table).mkdir(parents=True, exist_ok=True)
        aside = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".heaps-"))
        self._heaps = Heaps(Path(aside), _WAITING_SHARDS * shard_bytes)
        self._thread = stack.enter_context(ThreadPoolExecutor(1))
        self._unfinished: deque[Future[None]] = deque()

    def add(self, document: Document, uri: str, sha256: str, known: KnownSource) -> None:
        """A document of the file with this uri; a record's own uri goes before it.

        What the record says goes before what is known from `sources.toml`.
        """
        byte_count = len(document.data)
        container = None if document.record is None else uri
        uri = document.uri or uri
        own_address = document.uri and web_address(document.uri)
        values = (
            ("publisher", document.publisher, known.publisher),
            ("published_date", document.published_date, known.published_date),
            ("canonical_url", own_address, known.url if container is None else None),
        )
        row = {
            "source_id": source_id(uri, container, document.record, sha256),
            "uri": uri,
            "container": container,
            "record": document.record,
            "media_type": _MEDIA_TYPE,
            "byte_count": byte_count,
            "sha256": sha256,
            "encoding": document.encoding,
            "retrieved_at": document.retrieved_at or known.retrieved_at,
            "char_count": len(document.text),
            "text": document.text,
            "text_sha256": None,
        }
        for field, stated, known_value in values:
            row[field] = stated or known_value
            row[_RULE_OF[field]] = "record" if stated else "sources.toml"
        for name, value in row.items():
            self._rows[name].append(value)
        self._byte_count += byte_count
        if self._byte_count > _BYTES_AT_A_TIME or len(self._rows["uri"]) >= _ROWS_AT_A_TIME:
            self._pack()

    def add_records(self, records: Records, container: str, known: KnownSource) -> None:
        """Records of the container with this uri, as `add` takes them one by one."""
        self._later(lambda: self._heaps.put(_rows_of_records(records, container, known)))

    def mark(self) -> None:
        """What is added from here on can be taken back, until there is another mark."""
        self._pack()
        self._later(self._heaps.mark)

    def cut_back(self) -> None:
        """Forgets what was added since the mark."""
        self._rows.clear()
        self._byte_count = 0
        self._later(self._heaps.cut_back)

    def _later(self, work: Callable[[], None]) -> None:
        """Let the thread do it; waits until so little is unfinished that it can be held.

        Raises:
            OSError: there was no room for what came before.
        """
        self._finish(_WAITING_FRAMES)
        self._unfinished.append(self._thread.submit(work))

    def _finish(self, count: int = 0) -> None:
        """Wait until no more than so much is unfinished."""
        while len(self._unfinished) > count:
            self._unfinished.popleft().result()

    def _pack(self) -> None:
        """Objects to columns."""
        if self._rows:
            rows = pl.DataFrame(self._rows, schema=_ROW_DTYPES)
            self._later(lambda: self._heaps.put(rows))
        self._rows.clear()
        self._byte_count = 0

    def close(self) -> Iterator[tuple[str, Refusal]]:
        """Gives each uri to one document and writes the shards; of the others come the refusals with their uris.

        The winner is the one with the smallest SHA-256, so that it does not depend on the order of the inputs.
        A document with the same uri and the same bytes is no second document.
        """
        self._pack()
        self._finish()
        rest = pl.DataFrame(schema=_ROW_DTYPES)
        for heap in self._heaps.take():
            kept, losers = settled(heap)
            self.repeated_count += losers.filter("is_repeat").height
            yield from _refusals(losers.filter(~pl.col("is_repeat")))
            rest = self._write_full(pl.concat([rest, kept.sort("source_id")], rechunk=False))
        if not rest.is_empty():
            self._write(rest)
        self._finish()

    def _write_full(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Writes the shards that are full, and gives back the rows behind them.

        A shard ends where the place changes, because articles of one range of sources must be one range too.
        """
        places = rows["source_id"].str.head(PLACE_DIGITS)
        ends = (places != places.shift(-1)).fill_null(value=True).arg_true() + 1
        byte_counts = rows["byte_count"].clip(lower_bound=ROW_BYTES).cum_sum().gather(ends - 1)
        place = start = before = 0
        while place < len(ends) and byte_counts[-1] - before > self._shard_bytes:
            fitting = byte_counts.search_sorted(before + self._shard_bytes, side="right")
            place = max(fitting, place + 1)
            end, before = ends[place - 1], byte_counts[place - 1]
            self._write(rows[start:end])
            start = end
        return rows[start:]

    def _write(self, rows: pl.DataFrame) -> None:
        name = f"{len(self.names):05d}.parquet"
        self.names.append(name)
        self.released_count += rows.height
        self._later(lambda: self._write_tables(name, rows))

    def _write_tables(self, name: str, rows: pl.DataFrame) -> None:
        provenance = pl.concat(
            rows.select("source_id", field=pl.lit(field), value=field, rule=rule) for field, rule in _RULE_OF.items()
        ).drop_nulls("value")
        for table, found in (
            ("sources", rows.select(_SOURCE_DTYPES.keys())),
            ("provenance", provenance.select(_PROVENANCE_DTYPES.keys()).sort("source_id", "field")),
        ):
            # Read once and deleted: compressing took as long as all the rest of ingest.
            found.write_parquet(self._folder / table / name, compression="uncompressed", statistics=False)


def _rows_of_records(records: Records, container: str, known: KnownSource) -> pl.DataFrame:
    """Rows of records of the container with this uri: _ROW_DTYPES."""
    uri = pl.coalesce("uri", pl.lit(container))
    own_address = pl.when(pl.col("uri").str.contains(WEB_ADDRESS)).then("uri")
    values = {
        "publisher": (pl.col("publisher"), known.publisher),
        "published_date": (pl.col("published_date"), known.published_date),
        "canonical_url": (own_address, None),
    }
    rows = records.rows.with_columns(
        *(pl.coalesce(stated, pl.lit(value, pl.String)).alias(field) for field, (stated, value) in values.items()),
        *(
            pl.when(stated.is_not_null())
            .then(pl.lit("record"))
            .otherwise(pl.lit("sources.toml"))
            .alias(_RULE_OF[field])
            for field, (stated, _) in values.items()
        ),
        uri=uri,
        container=pl.lit(container),
        media_type=pl.lit(_MEDIA_TYPE),
        byte_count=pl.col("text").str.len_bytes(),
        sha256=sha256_of(records.rows["text"]),
        encoding=pl.lit("utf-8"),
        retrieved_at=pl.coalesce("retrieved_at", pl.lit(known.retrieved_at, _SOURCE_DTYPES["retrieved_at"])),
        char_count=pl.col("text").str.len_chars(),
        text_sha256=pl.lit(None, pl.String),
    )
    rows = rows.with_columns(source_id=source_ids(rows))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in _ROW_DTYPES.items())


def _refusals(losers: pl.DataFrame) -> Iterator[tuple[str, Refusal]]:
    for row in losers.iter_rows(named=True):
        detail = (
            f"Another document with the same uri and the SHA-256 {row['winner_sha256']} was kept; give them "
            "different uris, or leave one out."
        )
        yield row["container"] or row["uri"], Refusal("uri_taken", detail, row["record"])
