"""The dataset card: a README that the Hub and people read."""

import inspect
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from flows.release.changelog import versions_of
from flows.release.citation import bibtex
from flows.release.described import HUB, Release
from flows.release.harmless import finalize, markdown, plain_line
from flows.release.parquet import DATA, arrow_schema, table_files
from schemas.columns import GIVEN_ROLES, ROLES
from schemas.tables import TABLES, Table, hash_column, text_columns

CARD = "README.md"
DEFAULT_TABLE = "articles"
# Characters of a passage quoted in the example of overlaps, on either side.
QUOTED_CHARS = 200
EXAMPLE_ROWS = 10
# Characters of a title, and of the text where there is none.
TITLE_CHARS = 120
LISTED_STATEMENTS = 20
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


def card(release: Release) -> str:
    """The card of a release whose Parquet files are written, as Markdown with YAML front matter.

    Of texts it reads those that it shows, so that its memory does not grow with them. Whatever comes from the data is
    escaped by the template engine, so that a page's title or address is text and nothing else.
    """
    articles, passages = release.rows("articles"), release.rows("passages")
    repo = release.settings.hub_repo
    return _template().render(
        front_matter=Markup(front_matter(release)),  # noqa: S704 - YAML, and no HTML is made of it
        name=release.settings.dataset_name,
        version=Markup(release.version),  # noqa: S704 - three numbers
        tag=Markup(release.tag),  # noqa: S704 - the same
        bibtex=Markup(bibtex(release)),  # noqa: S704 - one line each, without what ends a block of code
        withheld=withheld_texts(release) if release.is_public else None,
        longest_quote=release.settings.short_quote_words,
        given_roles=GIVEN_ROLES,
        statement_count=single(articles.select(pl.col("rights_statement").drop_nulls().n_unique())),
        statements=rights_statements(articles),
        contact=release.settings.takedown_contact,
        discussions=Markup(f"{HUB}/{repo}/discussions"),  # noqa: S704 - as the setting asks
        date=release.date,
        counts=release.conservation,
        repo=Markup(repo),  # noqa: S704 - letters, digits and four signs, as its setting asks
        metadata_license=release.settings.metadata_license,
        row_counts=release.row_counts,
        tables=[described(TABLES[name]) for name in release.tables],
        articles=listed_articles(release, release.settings.listed_articles),
        kinds=counted(articles, "kind"),
        languages=counted(articles, "language"),
        policies=counted(articles, "rights_policy"),
        publisher_count=single(articles.select(pl.col("publisher").drop_nulls().n_unique())),
        known=known_counts(articles),
        dropped=dropped(passages),
        kept=kept(passages),
        roles=ROLES,
        relations=counted(release.rows("relations"), "kind"),
        overlap_kinds=counted(release.rows("overlaps"), "kind"),
        example=overlap_example(release),
        rejected=counted(release.rows("rejects"), "rule"),
        taken_down=counted(release.rows("tombstones"), "table"),
        headline=headline,
        versions=versions_of(release.changes),
    )


@cache
def _template() -> Template:
    """The template of the card, compiled once a process."""
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
    return environment.get_template("card.md.jinja")


def front_matter(release: Release) -> str:
    """What the Hub reads: one configuration per table with rows, described from its files, as YAML.

    A table without rows has no configuration: `datasets` cannot load one.
    """
    counts = release.row_counts
    names = [name for name, count in counts.items() if count]
    rows = counts[DEFAULT_TABLE]
    content: dict[str, Any] = {
        "pretty_name": plain_line(release.settings.dataset_name),
        "language": release.languages,
        "license": "other",
        "license_name": "rights-of-the-publishers",
        "license_link": release.license_address,
        "size_categories": [next((size for bound, size in SIZES if rows < bound), "1B<n<10B")],
        "tags": list(release.keywords),
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
    """What `datasets` knows of a table before it loads it, read from the footers of its files.

    Its bytes are those of the Parquet pages before compression; nothing has to be read to count them.
    """
    files = table_files(folder, name)
    footers = [pq.read_metadata(file) for file in files]
    byte_count = sum(
        footer.row_group(group).total_byte_size for footer in footers for group in range(footer.num_row_groups)
    )
    return {
        "config_name": name,
        "features": [_feature(field) for field in pq.read_schema(files[0])],
        "splits": [
            {"name": "train", "num_bytes": byte_count, "num_examples": sum(footer.num_rows for footer in footers)}
        ],
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
                "type": _trusted(type_name(types.field(name).type)),
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


def single(rows: pl.LazyFrame) -> int:
    """The one number in a frame of one row and column."""
    return int(rows.collect(engine="streaming").item())


def withheld_texts(release: Release) -> list[dict[str, Any]]:
    """How many texts are withheld: one row per column that may be, `table, column, hash, withheld, given`."""
    found = []
    for table in release.tables:
        for column in text_columns(table):
            withheld, given = pl.col(hash_column(column)).is_not_null().sum(), pl.col(column).is_not_null().sum()
            counts = release.rows(table).select(withheld=withheld, given=given).collect(engine="streaming")
            found.append({"table": table, "column": column, "hash": hash_column(column), **counts.row(0, named=True)})
    return found


def rights_statements(articles: pl.LazyFrame) -> list[dict[str, Any]]:
    """What pages say of their rights, the most frequent first: `rights_statement, rights_policy, count`."""
    return (
        articles.drop_nulls("rights_statement")
        .group_by("rights_statement", "rights_policy")
        .agg(count=pl.len())
        .sort("count", "rights_statement", "rights_policy", descending=[True, False, False])
        .head(LISTED_STATEMENTS)
        .collect(engine="streaming")
        .to_dicts()
    )


def counted(rows: pl.LazyFrame, column: str) -> list[tuple[str | None, int]]:
    """How often each value of a column stands, the most frequent first."""
    return (
        rows.group_by(column)
        .agg(count=pl.len())
        .sort("count", column, descending=[True, False], nulls_last=True)
        .collect(engine="streaming")
        .rows()
    )


def known_counts(articles: pl.LazyFrame) -> list[tuple[str, int]]:
    """In how many articles each column is known."""
    known = articles.select(
        (pl.col(name).list.len() > 0 if name == "authors" else pl.col(name).is_not_null()).sum().alias(name)
        for name in KNOWN
    )
    return list(known.collect(engine="streaming").row(0, named=True).items())


def dropped(passages: pl.LazyFrame) -> list[dict[str, Any]]:
    """What is not kept, by reason: `drop_reason`, passages, code points."""
    return (
        passages.filter(~pl.col("is_kept"))
        .group_by("drop_reason")
        .agg(count=pl.len(), char_count=pl.col("char_count").cast(pl.Int64).sum())
        .sort("char_count", "drop_reason", descending=[True, False])
        .collect(engine="streaming")
        .to_dicts()
    )


def kept(passages: pl.LazyFrame) -> dict[str, int]:
    """What is kept: passages, code points."""
    sums = passages.filter("is_kept").select(count=pl.len(), char_count=pl.col("char_count").cast(pl.Int64).sum())
    return sums.collect(engine="streaming").row(0, named=True)


def listed_articles(release: Release, limit: int) -> list[dict[str, Any]]:
    """The articles to list in the order of their place, or as many as the limit allows, evenly spread."""
    place = release.rows("sources").select("source_id", "uri", source_record="record")
    places = (
        release.rows("articles").select("article_id", "source_id", "ordinal").join(place, on="source_id", how="left")
    )
    listed = places.sort("uri", "source_record", "ordinal", "article_id").select("article_id", "uri").collect()
    if listed.height > limit:
        listed = listed[[number * listed.height // limit for number in range(limit)]]
    articles = _articles(release, listed["article_id"])
    return listed.join(articles, on="article_id", how="left", maintain_order="left").to_dicts()


def _articles(release: Release, article_ids: pl.Series) -> pl.DataFrame:
    """What the card shows of some articles, in any order; of `text` the beginning, where there is no title."""
    columns = ("article_id", "title", "publisher", "published_date", "published_date_basis", "kind", "word_count")
    wanted = release.rows("articles").filter(pl.col("article_id").is_in(article_ids.implode()))
    found = wanted.select(columns).collect()
    untitled = wanted.filter(
        pl.col("article_id").is_in(found.filter(pl.col("title").is_null())["article_id"].implode())
    )
    # What is folded away below only shortens; ten times the space is plenty.
    texts = untitled.select("article_id", text=pl.col("text").str.head(10 * FIRST_CHARS)).collect()
    return found.join(texts, on="article_id", how="left")


def overlap_example(release: Release) -> dict[str, Any] | None:
    """The two related articles that share most passages, side by side; null if none do.

    Which ones is read from `relations`, so that of the overlaps only theirs have to be held.

    Returns:
        `a`, `b`: the articles' rows; `count`: their overlaps; `rows`: the first of them, each with `kind`, `score`,
        `a` and `b`, the shared words of either side, null where they are withheld; `is_given`: whether there are any;
        `limit`: the characters of them to show.
    """
    ends = ("from_article_id", "to_article_id")
    related = release.rows("relations").filter(pl.col("overlap_count") > 0)
    most = related.sort("overlap_count", *ends, descending=[True, False, False]).select(ends).head(1).collect()
    if most.is_empty():
        return None
    is_theirs = pl.col("article_id").is_in(list(most.row(0)))
    passages = release.rows("passages").select("passage_id", "article_id").filter(is_theirs).collect()
    both = [pl.col(f"{side}_passage_id").is_in(passages["passage_id"].implode()) for side in ("a", "b")]
    tables = {"overlaps": release.rows("overlaps").filter(*both).collect(), "passages": passages}
    overlaps = with_articles(tables).drop_nulls(["a_article_id", "b_article_id"])
    if overlaps.is_empty():
        return None
    pairs = overlaps.group_by("a_article_id", "b_article_id").agg(count=pl.len())
    first = pairs.sort("count", "a_article_id", "b_article_id", descending=[True, False, False]).row(0, named=True)
    rows = (
        overlaps.join(pairs.filter(**first), on=["a_article_id", "b_article_id"], how="semi")
        .sort("b_char_start", "a_char_start", "a_passage_id")
        .head(EXAMPLE_ROWS)
    )
    words = {
        name: release.rows(name)
        .filter(pl.col(key).is_in(pl.concat([rows[f"a_{key}"], rows[f"b_{key}"]]).unique().implode()))
        .select(key, "text")
        .collect()
        for name, key in (("sources", "source_id"), ("passages", "passage_id"))
    }
    shown = with_words(rows, words).select("kind", "score", "a", "b")
    ids = [first["a_article_id"], first["b_article_id"]]
    articles = {row["article_id"]: row for row in _articles(release, pl.Series(ids)).iter_rows(named=True)}
    return {
        "a": articles[ids[0]],
        "b": articles[ids[1]],
        "count": first["count"],
        "rows": shown.to_dicts(),
        "is_given": bool(shown.select(pl.any_horizontal(pl.col("a", "b").is_not_null()).any()).item()),
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
