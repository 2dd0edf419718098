"""The released tables: their models, keys and references, in the order in which a reader meets them."""

from dataclasses import dataclass, field

import pandera.polars as pa
import polars as pl

from schemas.articles import Articles
from schemas.evidence import Evidence
from schemas.overlaps import Overlaps
from schemas.passages import Passages
from schemas.rejects import Rejects
from schemas.relations import Relations
from schemas.sources import Sources
from schemas.tombstones import Tombstones


def dtypes_of(model: type[pa.DataFrameModel]) -> dict[str, pl.DataType]:
    """Column → polars type, in order."""
    return {name: column.dtype.type for name, column in model.to_schema().columns.items()}


@dataclass(frozen=True)
class Table:
    """A released table.

    Attributes:
        name: the same word in the Parquet folder, the Hub configuration and the documentation.
        model: the contract of its columns.
        key: columns that name a row.
        references: column → table whose key it holds; null refers to nothing.
        order: columns that the released rows are sorted by and that name a row too; the key, unless there is a
            reading order.
    """

    name: str
    model: type[pa.DataFrameModel]
    key: tuple[str, ...]
    references: dict[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", self.order or self.key)

    @property
    def columns(self) -> dict[str, str]:
        """Column → description, in the order of the release."""
        return {name: column.description or "" for name, column in self.model.to_schema().columns.items()}

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Column → polars type, in the order of the release."""
        return dtypes_of(self.model)

    def empty(self) -> pl.DataFrame:
        """No rows, all columns."""
        return pl.DataFrame(schema=self.dtypes)


def hash_column(column: str) -> str:
    """The column that holds the hash of a text where an edition withholds it."""
    return f"{column}_sha256"


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("articles", Articles, ("article_id",), {"source_id": "sources", "cluster_id": "articles"}),
        Table(
            "passages",
            Passages,
            ("passage_id",),
            {"source_id": "sources", "article_id": "articles", "repeats_passage_id": "passages"},
            order=("source_id", "ordinal"),
        ),
        Table("evidence", Evidence, ("article_id", "field", "value"), {"article_id": "articles"}),
        Table(
            "overlaps",
            Overlaps,
            ("a_passage_id", "b_passage_id"),
            {
                "a_passage_id": "passages",
                "b_passage_id": "passages",
                "a_source_id": "sources",
                "b_source_id": "sources",
            },
        ),
        Table(
            "relations",
            Relations,
            ("from_article_id", "to_article_id", "kind"),
            {"from_article_id": "articles", "to_article_id": "articles"},
        ),
        Table("sources", Sources, ("source_id",)),
        Table("rejects", Rejects, ("reject_id",)),
        Table("tombstones", Tombstones, ("id",)),
    )
}


def text_columns(table: str) -> list[str]:
    """The columns of a table that hold texts which an edition may withhold."""
    dtypes = TABLES[table].dtypes
    return [name for name in dtypes if hash_column(name) in dtypes]
