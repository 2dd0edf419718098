"""Rows taken out of the tables before anything is compared with anything, and the tombstones that stand in for them.

What is taken down is gone for every later stage: another copy becomes the canonical one, and what repeated it repeats
it no more. What goes with what:

- a source takes its articles, passages and all that hangs on them; an article takes its own;
- a passage takes what was read from it: metadata, quotes and citations. The texts of its article are joined without it;
- a quote takes the passage that holds its words;
- other passages of the same page that say the same words go too, if these are more than a label;
- an article without content left goes, and so does a source whose articles are all gone;
- a source that stays although something in it went has no text any more. Its offsets stay valid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from flows.takedown.requests import Takedown
from flows.text import joined_texts, word_counts
from flows.withdrawn import without_values
from schemas.columns import CONTENT_ROLES
from schemas.tables import TABLES

# Code points of a passage from which on its words are not those of a menu or a speaker's label.
MIN_TOLD_CHARS = 20
# Table → the columns that a takedown can name its rows by, and the kind of takedown that does.
NAMES = {
    "sources": (("uri", "uri"), ("container", "uri"), ("sha256", "sha256"), ("source_id", "id")),
    "articles": (("article_id", "id"),),
    "passages": (("passage_id", "id"),),
    "quotes": (("quote_id", "id"),),
}
KEYS = {"sources": "source_id", "articles": "article_id", "passages": "passage_id", "quotes": "quote_id"}

Tables = Mapping[str, pl.DataFrame]
HITS: dict[str, type[pl.DataType]] = {"table": pl.String, "id": pl.String, "rank": pl.UInt32}


@dataclass(frozen=True)
class Remains:
    """What is left of a shard.

    Attributes:
        tables: the rows that stay, in their order.
        tombstones: rows of the table `tombstones` for what went, sorted by `id`.
    """

    tables: dict[str, pl.DataFrame]
    tombstones: pl.DataFrame


def hits(tables: Tables, takedowns: Sequence[Takedown]) -> pl.DataFrame:
    """The rows that takedowns name.

    Args:
        tables: those of NAMES that there are, with at least the columns named there.
        takedowns: all in force.

    Returns:
        `table, id, rank`: one row per named row and takedown, by the takedown's index.
    """
    stated = pl.DataFrame(
        [(rank, *one.target) for rank, one in enumerate(takedowns)],
        schema={"rank": pl.UInt32, "kind": pl.String, "value": pl.String},
        orient="row",
    )
    found = [pl.DataFrame(schema=HITS)]
    for name, columns in NAMES.items():
        for column, kind in columns if name in tables else ():
            named = tables[name].select(id=KEYS[name], value=column).drop_nulls("value")
            rows = named.join(stated.filter(kind=kind), on="value")
            found.append(rows.select(pl.lit(name).alias("table"), "id", "rank"))
    return pl.concat(found).unique().sort("table", "id", "rank")


def take_down(tables: Tables, takedowns: Sequence[Takedown]) -> Remains:
    """Take what takedowns name out of the tables of a shard.

    Args:
        tables: `sources`, `passages`, `articles`, `evidence` and, if there are any yet, `quotes` and `citations`, of
            the same sources; each article stands for itself, nothing is known of repeats.
        takedowns: all in force. Of several that name one row, the first is the one that its tombstone tells of.
    """
    named = hits(tables, takedowns)
    if named.is_empty():
        return Remains(dict(tables), TABLES["tombstones"].empty())
    down = _Down(tables, named)
    return Remains(down.remains(), down.tombstones(takedowns))


class _Down:
    """What goes, as lookups `id, rank`: which takedown is the reason, by its index."""

    def __init__(self, tables: Tables, named: pl.DataFrame) -> None:
        self._tables = tables
        first = named.group_by("table", "id").agg(pl.col("rank").min())
        self._named = {name: first.filter(table=name).select("id", "rank") for name in KEYS}
        self.sources = self._named["sources"]
        self.articles = self._named["articles"]
        self._asked_passages = self._named["passages"]
        if "quotes" in tables:
            told = tables["quotes"].select("quote_id", "passage_id")
            quoted = told.join(self._named["quotes"], left_on="quote_id", right_on="id").select("rank", id="passage_id")
            self._asked_passages = _least(self._asked_passages, quoted)
        self._content = tables["passages"].filter(
            pl.col("article_id").is_not_null(), pl.col("role").is_in(CONTENT_ROLES)
        )
        size = -1
        while size != self.sources.height + self.articles.height:
            size = self.sources.height + self.articles.height
            self._spread()

    def _spread(self) -> None:
        """Follow once what goes with what; more articles and sources may go then, which take more passages along."""
        articles = self._tables["articles"].select("article_id", "source_id", "char_start", "char_count")
        of_sources = articles.join(self.sources, left_on="source_id", right_on="id").select("rank", id="article_id")
        self.articles = _least(self.articles, of_sources)
        passages = self._tables["passages"]
        by_source = passages.join(self.sources, left_on="source_id", right_on="id").select("rank", id="passage_id")
        by_article = passages.join(self.articles, left_on="article_id", right_on="id").select("rank", id="passage_id")
        extents = articles.join(self.articles, left_on="article_id", right_on="id")
        inside = (
            passages.filter(pl.col("article_id").is_null())
            .join(extents, on="source_id", suffix="_of_article")
            .filter(_overlap("_of_article"))
            .select("rank", id="passage_id")
        )
        self.passages = _least(self._asked_passages, by_source, by_article, inside)
        gone = passages.join(self.passages, left_on="passage_id", right_on="id")
        told = gone.filter(pl.col("text").str.len_chars() >= MIN_TOLD_CHARS)
        told = told.group_by("source_id", "text").agg(pl.col("rank").min())
        again = passages.join(told, on=["source_id", "text"]).select("rank", id="passage_id")
        self.passages = _least(self.passages, again)
        lost = self._content.join(self.passages, left_on="passage_id", right_on="id")
        left = self._content.join(self.passages, left_on="passage_id", right_on="id", how="anti")
        emptied = lost.join(left, on="article_id", how="anti").select("rank", id="article_id")
        self.articles = _least(self.articles, emptied)
        fallen = articles.join(self.articles, left_on="article_id", right_on="id")
        others = articles.join(self.articles, left_on="article_id", right_on="id", how="anti")
        orphaned = fallen.join(others, on="source_id", how="anti").select("rank", id="source_id")
        self.sources = _least(self.sources, orphaned)

    def remains(self) -> dict[str, pl.DataFrame]:
        """The rows that stay, without anything of what went."""
        tables = self._tables
        gone = tables["passages"].join(self.passages, left_on="passage_id", right_on="id", how="semi")
        passages = _without(tables["passages"], "passage_id", self.passages)
        sources = _without(tables["sources"], "source_id", self.sources)
        articles = _without(tables["articles"], "article_id", self.articles)
        owned = tables["evidence"].join(
            tables["articles"].select("article_id", "source_id"), on="article_id", how="left", maintain_order="left"
        )
        evidence = _without(owned, "article_id", self.articles)
        is_lost = _is_touching(evidence, gone)
        kept = {
            name: _without(_without(tables[name], "article_id", self.articles), "source_id", self.sources)
            for name in ("quotes", "citations")
            if name in tables
        }
        is_cut = pl.col("source_id").is_in(gone["source_id"].unique().implode())
        return dict(tables) | {
            "sources": sources.with_columns(text=pl.when(~is_cut).then("text")),
            "passages": passages,
            "articles": _with_texts(without_values(articles, evidence.filter(is_lost)), gone, passages),
            "evidence": evidence.filter(~is_lost).select(tables["evidence"].columns),
            **{name: rows.filter(~_is_touching(rows, gone)) for name, rows in kept.items()},
        }

    def tombstones(self, takedowns: Sequence[Takedown]) -> pl.DataFrame:
        """Rows of the table `tombstones`: what was named, the passages of quotes, and all articles and sources."""
        stones = {
            "sources": self.sources,
            "articles": self.articles,
            "passages": self._asked_passages,
            "quotes": self._named["quotes"],
        }
        uris = self._tables["sources"].select("source_id", "uri")
        stated = pl.DataFrame(
            [(rank, one.reason, one.date) for rank, one in enumerate(takedowns)],
            schema={"rank": pl.UInt32, "reason": pl.String, "date": pl.Date},
            orient="row",
        )
        found = pl.concat(
            rows.join(self._tables[name].select(id=KEYS[name], of_source="source_id"), on="id").with_columns(
                table=pl.lit(name)
            )
            for name, rows in stones.items()
            if name in self._tables
        )
        return (
            found.join(stated, on="rank")
            .join(uris, left_on="of_source", right_on="source_id", how="left")
            .select(TABLES["tombstones"].dtypes.keys())
            .sort("id")
        )


def _least(*lookups: pl.DataFrame) -> pl.DataFrame:
    """`id, rank`: lookups in one, the lowest rank of each id."""
    rows = pl.concat([lookup.select("id", "rank") for lookup in lookups])
    return rows.group_by("id").agg(pl.col("rank").min()).sort("id")


def _without(rows: pl.DataFrame, column: str, gone: pl.DataFrame) -> pl.DataFrame:
    """The rows whose value in a column is not among the ids, in their order; null stays."""
    return rows.join(gone, left_on=column, right_on="id", how="anti", maintain_order="left")


def _overlap(suffix: str) -> pl.Expr:
    """Whether two spans, the second with a suffix to its columns, share a character."""
    start, start_of_other = pl.col("char_start"), pl.col(f"char_start{suffix}")
    return (start < start_of_other + pl.col(f"char_count{suffix}")) & (start_of_other < start + pl.col("char_count"))


def _is_touching(rows: pl.DataFrame, gone: pl.DataFrame) -> pl.Series:
    """Whether the span of each row shares a character with a passage that went, of the same source."""
    spans = gone.select("source_id", "char_start", "char_count")
    placed = rows.select("source_id", "char_start", "char_count").with_row_index("row")
    found = placed.join(spans, on="source_id", suffix="_of_gone").filter(_overlap("_of_gone"))
    return placed["row"].is_in(found["row"].implode())


def _with_texts(articles: pl.DataFrame, gone: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """The articles that lost passages with their texts joined anew, and the words of these counted."""
    cut = gone.select("article_id").drop_nulls().unique()
    joined = joined_texts(passages.join(cut, on="article_id", how="semi")).rename({"text": "joined"})
    counted = joined.with_columns(words=word_counts(joined["joined"]))
    is_cut = pl.col("joined").is_not_null()
    return (
        articles.join(counted, on="article_id", how="left", maintain_order="left")
        .with_columns(
            text=pl.when(is_cut).then("joined").otherwise("text"),
            # Null as long as no repeats are marked.
            unique_text=pl.when(is_cut & pl.col("unique_text").is_not_null()).then("joined").otherwise("unique_text"),
            word_count=pl.when(is_cut).then("words").otherwise("word_count"),
        )
        .select(articles.columns)
    )
