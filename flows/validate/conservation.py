"""Every record that was read is released, rejected or taken down."""

from dataclasses import asdict, dataclass

import polars as pl

from flows.errors import AllRejectedError, CopydeskError
from flows.settings import Settings


@dataclass(frozen=True)
class Conservation:
    """Counts of records as ingest met them: a file, or one record of a container.

    Attributes:
        read: records met; a file that cannot be opened is one.
        released: rows of `sources`.
        rejected: distinct places in `rejects` that have no row in `sources`.
        taken_down: sources that were read in this run and taken down; a tombstone of a source that is not among the
            inputs any more does not count.
        skipped: files that no reader knows; they are not part of `read`.
    """

    read: int
    released: int
    rejected: int
    taken_down: int
    skipped: int

    def counts(self) -> dict[str, int]:
        """The counts by name, in the order in which the manifest holds them."""
        return asdict(self)


def conservation(tables: dict[str, pl.DataFrame], read: int, skipped: int, taken_down: int = 0) -> Conservation:
    """Count what became of the records that were read.

    Args:
        tables: the tables to release.
        read: records that ingest met.
        skipped: files that it passed over.
        taken_down: sources that were read and taken down.

    Raises:
        CopydeskError: the counts do not add up, so a record was lost or counted twice.
    """
    sources = tables["sources"]
    places = tables["rejects"].select("uri", "record").unique()
    rejected = places.join(sources.select("uri", "record"), on=["uri", "record"], how="anti", nulls_equal=True).height
    stone_count = tables["tombstones"].filter(pl.col("table") == "sources").height
    if taken_down > stone_count:
        raise CopydeskError(
            f"{taken_down} records were taken down, but only {stone_count} sources have a tombstone; "
            "nothing was released, please report it"
        )
    result = Conservation(read, sources.height, rejected, taken_down, skipped)
    if read != result.released + result.rejected + result.taken_down:
        raise CopydeskError(
            f"records do not add up: read {read}, but released {result.released} + rejected {result.rejected} "
            f"+ taken down {result.taken_down}; nothing was released, please report it"
        )
    return result


def check_reject_share(counts: Conservation, settings: Settings) -> None:
    """Stop when too many of the records were turned away.

    Raises:
        AllRejectedError: their share is larger than the setting `max_reject_share`.
    """
    if counts.rejected > settings.max_reject_share * counts.read:
        raise AllRejectedError(
            f"{counts.rejected} of {counts.read} records were rejected, more than the setting max_reject_share = "
            f"{settings.max_reject_share} allows; nothing was released.\n"
            "Look at the rejects, or allow more with --set max_reject_share=SHARE"
        )
