"""Documents written to shards of bounded size, and documents of different containers that claim the same uri."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl

from flows.ids import source_id
from flows.ingest.documents import Document, Refusal, web_address
from flows.ingest.known import KnownSource
from schemas.provenance import Provenance
from schemas.sources import Sources

_MEDIA_TYPE = "text/plain"


def dtypes(model: type[Sources] | type[Provenance]) -> dict[str, pl.DataType]:
    """Column → polars type, in order."""
    return {name: column.dtype.type for name, column in model.to_schema().columns.items()}


_SOURCE_DTYPES = dtypes(Sources)
_PROVENANCE_DTYPES = dtypes(Provenance)


class Shards:
    """Writes `sources/NNNNN.parquet` and `provenance/NNNNN.parquet` with the same rows, in the order of `add`.

    Attributes:
        names: of the shards, in order.
        released_count: rows of `sources`.
        repeated_count: documents that came once more with the same uri and the same bytes.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        """Shards of at most so many bytes of text (a document that is larger is a shard of its own)."""
        self.names: list[str] = []
        self.released_count = 0
        self.repeated_count = 0
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._byte_count = 0
        self._sources: dict[str, list[Any]] = defaultdict(list)
        self._provenance: list[tuple[int, str, str, str, str]] = []
        # Per shard, the documents that no container names: only their uris can clash.
        self._claims: list[pl.DataFrame] = []
        for table in ("sources", "provenance"):
            (folder / table).mkdir(parents=True, exist_ok=True)

    def add(self, document: Document, uri: str, sha256: str, known: KnownSource) -> None:
        """A document of the file with this uri; a record's own uri goes before it.

        What the record says goes before what is known from `sources.toml`.
        """
        byte_count = len(document.data)
        if self._byte_count and self._byte_count + byte_count > self._shard_bytes:
            self._flush()
        self._byte_count += byte_count
        container = None if document.record is None else uri
        uri = document.uri or uri
        name = source_id(uri, container, document.record, sha256)
        rows = self._sources
        position = len(rows["source_id"])
        rows["source_id"].append(name)
        rows["uri"].append(uri)
        rows["container"].append(container)
        rows["record"].append(document.record)
        rows["media_type"].append(_MEDIA_TYPE)
        rows["byte_count"].append(byte_count)
        rows["sha256"].append(sha256)
        rows["encoding"].append(document.encoding)
        rows["retrieved_at"].append(document.retrieved_at or known.retrieved_at)
        rows["char_count"].append(len(document.text))
        rows["text"].append(document.text)
        rows["text_sha256"].append(None)
        own_address = document.uri and web_address(document.uri)
        values = (
            ("publisher", document.publisher, known.publisher),
            ("published_date", document.published_date, known.published_date),
            ("canonical_url", own_address, known.url if container is None else None),
        )
        for field, stated, known_value in values:
            if stated:
                self._provenance.append((position, name, field, stated, "record"))
            elif known_value:
                self._provenance.append((position, name, field, known_value, "sources.toml"))

    def _flush(self) -> None:
        sources = pl.DataFrame(self._sources, schema=_SOURCE_DTYPES).with_row_index("position")
        provenance = pl.DataFrame(self._provenance, schema={"position": pl.UInt32, **_PROVENANCE_DTYPES}, orient="row")
        kept = sources.unique("source_id", keep="first", maintain_order=True)
        self.repeated_count += sources.height - kept.height
        self.released_count += kept.height
        name = f"{len(self.names):05d}.parquet"
        self._claims.append(
            kept.filter(pl.col("container").is_null() | (pl.col("uri") != pl.col("container"))).select(
                shard=pl.lit(len(self.names), pl.UInt32), uri_hash=pl.col("uri").hash()
            )
        )
        self.names.append(name)
        self._write(
            name,
            kept.drop("position"),
            provenance.join(kept.select("position"), on="position", how="semi", maintain_order="left").drop("position"),
        )
        self._sources.clear()
        self._provenance.clear()
        self._byte_count = 0

    def _write(self, name: str, sources: pl.DataFrame, provenance: pl.DataFrame) -> None:
        # Read once and deleted: compressing took as long as all the rest of ingest.
        for table, rows in (("sources", sources), ("provenance", provenance)):
            rows.write_parquet(self._folder / table / name, compression="uncompressed", statistics=False)

    def close(self) -> list[tuple[str, Refusal]]:
        """Writes the last shard and gives each uri to one document; of the others come the refusals with their uris.

        The winner is the one with the smallest SHA-256, so that it does not depend on the order of the inputs.
        A document with the same uri and the same bytes is no second document.
        """
        if self._byte_count:
            self._flush()
        if not self._claims:
            return []
        claims = pl.concat(self._claims)
        clashing = claims.filter(claims["uri_hash"].is_duplicated())["shard"].unique().sort()
        if clashing.is_empty():
            return []
        return self._settle([self.names[shard] for shard in clashing])

    def _settle(self, names: list[str]) -> list[tuple[str, Refusal]]:
        columns = ("source_id", "uri", "sha256", "container", "record")
        rows = pl.concat(
            pl.read_parquet(self._folder / "sources" / name, columns=list(columns)).with_columns(shard=pl.lit(name))
            for name in names
        ).filter(pl.col("container").is_null() | (pl.col("uri") != pl.col("container")))
        ranked = rows.sort("uri", "sha256", pl.col("container").fill_null(""), "record", nulls_last=False)
        is_same_uri = pl.col("uri") == pl.col("uri").shift()
        losers = ranked.with_columns(
            winner_sha256=pl.col("sha256").first().over("uri"),
            is_loser=is_same_uri.fill_null(value=False),
            is_repeat=(is_same_uri & (pl.col("sha256") == pl.col("sha256").shift())).fill_null(value=False),
        ).filter("is_loser")
        for (name,), gone in losers.group_by("shard", maintain_order=True):
            self._drop(str(name), gone["source_id"])
        self.released_count -= losers.height
        self.repeated_count += losers.filter("is_repeat").height
        return [
            (
                row["container"] or row["uri"],
                Refusal(
                    "uri_taken",
                    f"Another document with the same uri and the SHA-256 {row['winner_sha256']} was kept; give them "
                    "different uris, or leave one out.",
                    row["record"],
                ),
            )
            for row in losers.filter(~pl.col("is_repeat")).iter_rows(named=True)
        ]

    def _drop(self, name: str, gone: pl.Series) -> None:
        tables = [
            pl.read_parquet(self._folder / table / name).filter(~pl.col("source_id").is_in(gone.implode()))
            for table in ("sources", "provenance")
        ]
        if tables[0].is_empty():
            self.names.remove(name)
            for table in ("sources", "provenance"):
                (self._folder / table / name).unlink()
        else:
            self._write(name, *tables)
