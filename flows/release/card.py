"""The dataset card: a README that the Hub and people read."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flows.release.changelog import versions_of
from flows.release.harmless import finalize, markdown, plain_line
from flows.release.parquet import DATA, arrow_schema, table_files
from flows.settings import Settings
from schemas.columns import ROLES
from schemas.tables import TABLES, Table

CARD = "README.md"
DEFAULT_TABLE = "articles"
# Characters of a passage quoted in the example of overlaps, on either side.
QUOTED_CHARS = 200
EXAMPLE_ROWS = 10
# Characters of a title, and of the text where there is none.
TITLE_CHARS = 120
FIRST_CHARS = 60
# https://huggingface.co/docs/hub/datasets-cards: upper bound of rows → the Hub's name for it.
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
NAME = re.compile(r"[\w-]+", re.ASCII)
# Columns of articles that may be unknown and that a reader asks for first.
KNOWN = ("title", "publisher", "authors", "published_date", "language", "canonical_url", "rights_statement")


@dataclass(frozen=True)
class Release:
    """What the card of a release speaks of.

    Attributes:
        folder: where its Parquet files are.
        tables: its rows, table by table.
        version: its version.
        date: its date, if it has one.
        conservation: what became of the records that were read.
        settings: all settings in force.
        changes: its changelog.
    """

    folder: Path
    tables: Mapping[str, pl.DataFrame]
    version: str
    date: date | None
    conservation: Mapping[str, int]
    settings: Settings
    changes: str = ""


def card(release: Release) -> str:
    """The card of a release whose Parquet files are written, as Markdown with YAML front matter.

    Whatever comes from the data is escaped by the template engine, so that a page's title or address is text and
    nothing else.
    """
    environment = Environment(
        loader=PackageLoader("flows.release"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cut": markdown, "count": "{:,}".format, "code": code}
    tables = release.tables
    repo = release.settings.hub_repo
    return environment.get_template("card.md.jinja").render(
        front_matter=Markup(front_matter(release)),  # noqa: S704 - YAML, and no HTML is made of it
        name=release.settings.dataset_name,
        version=Markup(release.version),  # noqa: S704 - three numbers
        date=release.date,
        counts=release.conservation,
        repo=Markup(repo),  # noqa: S704 - letters, digits and four signs, as its setting asks
        metadata_license=release.settings.metadata_license,
        row_counts={name: rows.height for name, rows in tables.items()},
        tables=[described(TABLES[name]) for name in tables],
        articles=listed_articles(tables, release.settings.listed_articles),
        kinds=counted(tables["articles"], "kind"),
        languages=counted(tables["articles"], "language"),
        policies=counted(tables["articles"], "rights_policy"),
        publisher_count=tables["articles"]["publisher"].drop_nulls().n_unique(),
        known=known_counts(tables["articles"]),
        dropped=dropped(tables["passages"]),
        kept=kept(tables["passages"]),
        roles=ROLES,
        relations=counted(tables["relations"], "kind"),
        overlap_kinds=counted(tables["overlaps"], "kind"),
        example=overlap_example(tables),
        rejected=counted(tables["rejects"], "rule"),
        headline=headline,
        versions=versions_of(release.changes),
    )


def front_matter(release: Release) -> str:
    """What the Hub reads: one configuration per table with rows, described from its files, as YAML.

    A table without rows has no configuration: `datasets` cannot load one.
    """
    names = [name for name, rows in release.tables.items() if rows.height]
    languages = release.tables["articles"]["language"].drop_nulls().str.extract(r"^([a-z]{2,3})").unique().sort()
    rows = release.tables[DEFAULT_TABLE].height
    repo = release.settings.hub_repo
    content: dict[str, Any] = {
        "pretty_name": plain_line(release.settings.dataset_name),
        "language": languages.to_list(),
        "license": "other",
        "license_name": "rights-of-the-publishers",
        "license_link": f"https://huggingface.co/datasets/{repo}/blob/{release.version}/README.md#rights-and-licence",
        "size_categories": [next((size for bound, size in SIZES if rows < bound), "1B<n<10B")],
        "tags": ["news", "text-reuse", "deduplication", "provenance"],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": "train", "path": f"{DATA}/{name}/*.parquet"}],
                **({"default": True} if name == DEFAULT_TABLE else {}),
            }
            for name in names
        ],
        "dataset_info": [dataset_info(release.folder, name) for name in names],
    }
    if not content["language"]:
        del content["language"]
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000)


def dataset_info(folder: Path, name: str) -> dict[str, Any]:
    """What `datasets` knows of a table before it loads it, read from its files."""
    files = table_files(folder, name)
    byte_count = row_count = 0
    for path in files:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                byte_count += table.nbytes
                row_count += table.num_rows
    return {
        "config_name": name,
        "features": [_feature(field) for field in pq.read_schema(files[0])],
        "splits": [{"name": "train", "num_bytes": byte_count, "num_examples": row_count}],
        "download_size": sum(path.stat().st_size for path in files),
        "dataset_size": byte_count,
    }


def _feature(field: pa.Field) -> dict[str, Any]:
    """A column as `datasets` writes it into a card."""
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": str(field.type.value_type)}
    names = {"double": "float64", "date32[day]": "date32"}
    return {"name": field.name, "dtype": names.get(str(field.type), str(field.type))}


def described(table: Table) -> dict[str, Any]:
    """A table and its columns, from its model: trusted Markdown."""
    schema = table.model.to_schema()
    types = arrow_schema(table.empty())
    text = inspect.cleandoc(table.model.__doc__ or "")
    return {
        "name": table.name,
        "summary": _trusted(text.partition("\n")[0].partition(";")[0].rstrip(".")),
        "text": Markup(re.sub(r"(?<!\n)\n(?!\n)", " ", text)),  # noqa: S704 - our own docstring
        "columns": [
            {
                "name": name,
                "type": type_name(types.field(name).type),
                "unit": (column.metadata or {}).get("unit", ""),
                "is_nullable": column.nullable,
                "description": _trusted(column.description or ""),
            }
            for name, column in schema.columns.items()
        ],
    }


def headline(article: Mapping[str, Any]) -> Markup:
    """An article's title, else its first words in quotation marks, else its id."""
    if article["title"] is not None:
        return markdown(article["title"], TITLE_CHARS)
    if article["text"]:
        return markdown(f"“{plain_line(article['text'], FIRST_CHARS)}”")
    return code(article["article_id"])


def code(name: str) -> Markup:
    """A name of the release's own grammar as a span of code; anything else as text."""
    return Markup(f"`{name}`") if NAME.fullmatch(name) else markdown(name)  # noqa: S704 - letters, digits, - and _ only


def type_name(dtype: pa.DataType) -> str:
    """What a column holds, in words that fit all readers."""
    if pa.types.is_list(dtype):
        return f"list of {type_name(dtype.value_type)}"
    if pa.types.is_timestamp(dtype):
        return "instant (UTC)"
    return {"date32[day]": "date", "double": "float64"}.get(str(dtype), str(dtype))


def _trusted(text: str) -> Markup:
    """Markdown of our own for a table's cell."""
    return Markup(text.replace("|", "\\|"))  # noqa: S704 - it comes from schemas/


def counted(rows: pl.DataFrame, column: str) -> list[tuple[str | None, int]]:
    """How often each value of a column stands, the most frequent first."""
    return (
        rows.group_by(column)
        .agg(count=pl.len())
        .sort("count", column, descending=[True, False], nulls_last=True)
        .rows()
    )


def known_counts(articles: pl.DataFrame) -> list[tuple[str, int]]:
    """In how many articles each column is known."""
    return [
        (name, articles.filter(pl.col(name).list.len() > 0 if name == "authors" else pl.col(name).is_not_null()).height)
        for name in KNOWN
    ]


def dropped(passages: pl.DataFrame) -> list[dict[str, Any]]:
    """What is not kept, by reason: `drop_reason`, passages, code points."""
    return (
        passages.filter(~pl.col("is_kept"))
        .group_by("drop_reason")
        .agg(count=pl.len(), char_count=pl.col("char_count").cast(pl.Int64).sum())
        .sort("char_count", "drop_reason", descending=[True, False])
        .to_dicts()
    )


def kept(passages: pl.DataFrame) -> dict[str, int]:
    """What is kept: passages, code points."""
    rows = passages.filter("is_kept")
    return {"count": rows.height, "char_count": int(rows["char_count"].cast(pl.Int64).sum())}


def listed_articles(tables: Mapping[str, pl.DataFrame], limit: int) -> list[dict[str, Any]]:
    """The articles to list in the order of their place, or as many as the limit allows, evenly spread."""
    place = tables["sources"].select("source_id", "uri", source_record="record")
    articles = tables["articles"].join(place, on="source_id", how="left", maintain_order="left")
    articles = articles.sort("uri", "source_record", "ordinal", "article_id")
    if articles.height > limit:
        articles = articles[[number * articles.height // limit for number in range(limit)]]
    return articles.select(
        "uri",
        "article_id",
        "title",
        "text",
        "publisher",
        "published_date",
        "published_date_basis",
        "kind",
        "word_count",
    ).to_dicts()


def overlap_example(tables: Mapping[str, pl.DataFrame]) -> dict[str, Any] | None:
    """The two articles that share most passages, side by side; null if none do.

    Returns:
        `a`, `b`: the articles' rows; `count`: their overlaps; `rows`: the first of them, each with `kind`, `score`,
        `a` and `b`, the shared words of either side cut to QUOTED_CHARS, null where they are withheld.
    """
    overlaps = with_articles(tables).drop_nulls(["a_article_id", "b_article_id"])
    if overlaps.is_empty():
        return None
    pairs = overlaps.group_by("a_article_id", "b_article_id").agg(count=pl.len())
    first = pairs.sort("count", "a_article_id", "b_article_id", descending=[True, False, False]).row(0, named=True)
    rows = overlaps.join(pairs.filter(**first), on=["a_article_id", "b_article_id"], how="semi").sort(
        "b_char_start", "a_char_start", "a_passage_id"
    )
    articles = tables["articles"]
    return {
        "a": articles.row(by_predicate=pl.col("article_id") == first["a_article_id"], named=True),
        "b": articles.row(by_predicate=pl.col("article_id") == first["b_article_id"], named=True),
        "count": first["count"],
        "rows": with_words(rows.head(EXAMPLE_ROWS), tables).select("kind", "score", "a", "b").to_dicts(),
        "limit": QUOTED_CHARS,
    }


def with_articles(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """`overlaps` with the articles of both passages as `a_article_id` and `b_article_id`."""
    article = tables["passages"].select("passage_id", "article_id")
    rows = tables["overlaps"]
    for side in ("a", "b"):
        rows = rows.join(
            article.rename({"article_id": f"{side}_article_id"}),
            left_on=f"{side}_passage_id",
            right_on="passage_id",
            how="left",
            maintain_order="left",
        )
    return rows


def with_words(overlaps: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """`overlaps` with the shared words of either side as `a` and `b`.

    They are cut from the source; where that is withheld they are the passage's text, if it is released.
    """
    for side in ("a", "b"):
        source = tables["sources"].select("source_id", source_text="text")
        passage = tables["passages"].select("passage_id", passage_text="text")
        overlaps = (
            overlaps.join(source, left_on=f"{side}_source_id", right_on="source_id", how="left", maintain_order="left")
            .join(passage, left_on=f"{side}_passage_id", right_on="passage_id", how="left", maintain_order="left")
            .with_columns(
                pl.coalesce(
                    pl.col("source_text").str.slice(pl.col(f"{side}_char_start"), pl.col(f"{side}_char_count")),
                    "passage_text",
                ).alias(side)
            )
            .drop("source_text", "passage_text")
        )
    return overlaps
