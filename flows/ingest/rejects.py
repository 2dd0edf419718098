"""What was turned away, as rows of the table `rejects`."""

import polars as pl

from flows.ids import reject_id
from flows.ingest.documents import Refusal
from schemas.tables import TABLES

_ROWS_AT_A_TIME = 50_000


class Rejects:
    """Takes refusals in any order; those since a mark can be taken back."""

    def __init__(self) -> None:
        """No refusal yet."""
        self._packed = [TABLES["rejects"].empty()]
        self._marked = 0
        self._waiting: list[tuple[str, Refusal]] = []

    def add(self, uri: str, refusal: Refusal) -> None:
        """A refusal of the file with this uri, or of a record in it."""
        self._waiting.append((uri, refusal))
        if len(self._waiting) >= _ROWS_AT_A_TIME:
            self._pack()

    def mark(self) -> None:
        """What comes from here on can be taken back."""
        self._pack()
        self._marked = len(self._packed)

    def cut_back(self) -> None:
        """Forgets what came since the mark."""
        self._waiting.clear()
        del self._packed[self._marked :]

    def rows(self) -> pl.DataFrame:
        """One row per refusal, sorted by uri and record."""
        self._pack()
        return pl.concat(self._packed).sort("uri", "record", "rule", "reject_id").rechunk()

    def _pack(self) -> None:
        """Objects to columns, which take a tenth of the memory."""
        if not self._waiting:
            return
        rows = [
            {
                "reject_id": reject_id("ingest", refusal.rule, uri, refusal.record),
                "stage": "ingest",
                "rule": refusal.rule,
                "uri": uri,
                "record": refusal.record,
                "detail": refusal.detail,
            }
            for uri, refusal in self._waiting
        ]
        self._packed.append(pl.DataFrame(rows, schema=TABLES["rejects"].dtypes))
        self._waiting.clear()
