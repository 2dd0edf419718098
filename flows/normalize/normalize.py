"""Sources to passages, articles and evidence."""

from dataclasses import dataclass
from functools import cache

import polars as pl

from flows.ids import article_id, passage_id, place_ids
from flows.normalize.breaks import heal_breaks, split_glued
from flows.normalize.general.all_rules import GENERAL_RULES
from flows.normalize.kernels import is_much
from flows.normalize.language import with_language
from flows.normalize.leftovers import with_leftovers
from flows.normalize.looks import changed_where, looks
from flows.normalize.matching import apply_rules, matches_any
from flows.normalize.metadata import (
    EVIDENCE_ROWS,
    TELLING_ROLES,
    Mark,
    Part,
    bare_evidence,
    collect,
    evidence_rows,
    rich_pages,
)
from flows.normalize.parts import parts_of_pages
from flows.normalize.profiles import Profile, load_profiles, profiles_of_pages, sought_of_profiles
from flows.normalize.regions import with_regions
from flows.normalize.rights import rights_policy
from flows.normalize.rules import Region
from flows.normalize.sieve import Sieve, Sifted
from flows.normalize.spans import PLACE, in_reading_order, lines_from_sources
from flows.normalize.titles import is_title_like, with_author_notes, with_names_under_titles, with_titles
from flows.normalize.turns import with_interviews, with_labelled_turns, with_summaries
from flows.text import joined_texts, passage_text, word_counts
from schemas.columns import CONTENT_ROLES
from schemas.tables import TABLES

# Columns of `articles` that hold one value of an article's metadata.
_VALUES = (
    "title",
    "publisher",
    "republisher",
    "published_date",
    "canonical_url",
    "rights_statement",
    "is_ai_generated",
    "translated_from",
)

_EVERYWHERE = tuple(rule for rule in GENERAL_RULES if rule.region is Region.ANY)
_AT_EDGES = tuple(rule for rule in GENERAL_RULES if rule.region is not Region.ANY)


@dataclass(frozen=True)
class Normalized:
    """What a shard of sources becomes: the tables `passages`, `articles` and `evidence`."""

    passages: pl.DataFrame
    articles: pl.DataFrame
    evidence: pl.DataFrame


def normalize(
    sources: pl.DataFrame, provenance: pl.DataFrame, profiles: tuple[Profile, ...] | None = None
) -> Normalized:
    """Take sources apart into passages with roles, and put articles together from them.

    Every article stands for itself: what repeats another is found later.

    Args:
        sources: rows of the table `sources`.
        provenance: what is known of them from outside their text.
        profiles: publisher profiles; those of the package by default.
    """
    profiles = load_profiles() if profiles is None else profiles
    sources = sources.sort("source_id").with_row_index("page")
    sources = sources.with_columns(place=place_ids(sources))
    lines = lines_from_sources(sources)
    sifted = _sifted(lines, profiles)
    pages = profiles_of_pages(lines, profiles, sifted)
    spans = heal_breaks(_spans(lines, sifted, pages, profiles))
    parts = parts_of_pages(spans).join(sources.select("page", "source_id", "place"), on="page", how="left")
    parts = parts.with_columns(article_id=article_id(pl.col("place"), pl.col("ordinal")))
    passages = _passages(spans, parts, sources)
    texts = _counted(joined_texts(passages), passages)
    articles = with_language(parts.join(texts, on="article_id", how="left")).sort("page", "ordinal")
    evidence = _evidence(articles, passages, sources, provenance, pages, profiles)
    return Normalized(
        passages=passages.select(TABLES["passages"].dtypes.keys()),
        articles=_articles(articles, evidence),
        evidence=evidence.join(articles.select("page", "ordinal", "article_id"), on=["page", "ordinal"], how="left")
        .select(TABLES["evidence"].dtypes.keys())
        .sort("article_id", "field", "value"),
    )


def _sifted(lines: pl.DataFrame, profiles: tuple[Profile, ...]) -> Sifted | None:
    """What could match the lines; null where they are so few that asking would take longer than trying."""
    if not is_much(int(lines["raw"].str.len_bytes().sum())):
        return None
    return Sifted(_sieve(profiles), lines)


@cache
def _sieve(profiles: tuple[Profile, ...]) -> Sieve:
    rules = [*GENERAL_RULES, *(rule for profile in profiles for rule in profile.rules)]
    return Sieve([*(rule.sought for rule in rules), *sought_of_profiles(profiles)])


def _spans(
    lines: pl.DataFrame, sifted: Sifted | None, pages: pl.DataFrame, profiles: tuple[Profile, ...]
) -> pl.DataFrame:
    """The lines taken apart: all spans with their roles, and `is_compound` and `is_interview` of their page."""
    spans = _with_profiles(lines, sifted, pages, profiles, in_regions=False)
    spans = apply_rules(split_glued(spans), _EVERYWHERE, sifted)
    spans = spans.with_columns(is_furniture=matches_any(spans, _AT_EDGES, sifted))
    spans = with_regions(spans.with_columns(is_weak=pl.col("is_furniture") | is_title_like())).drop("is_weak")
    spans = _with_profiles(spans, sifted, pages, profiles, in_regions=True)
    furniture, prose = spans.filter("is_furniture"), spans.filter(~pl.col("is_furniture"))
    spans = in_reading_order(apply_rules(furniture, _AT_EDGES, sifted), prose).drop("is_furniture")
    spans = with_labelled_turns(with_author_notes(with_names_under_titles(with_titles(spans))))
    spans = _with_compound(spans, pages, profiles)
    return with_leftovers(with_interviews(with_summaries(spans)))


def _with_profiles(
    spans: pl.DataFrame,
    sifted: Sifted | None,
    pages: pl.DataFrame,
    profiles: tuple[Profile, ...],
    *,
    in_regions: bool,
) -> pl.DataFrame:
    """Apply the rules of each profile to its pages: those for a region of the page, or those for all of it."""
    for profile in profiles:
        rules = tuple(rule for rule in profile.rules if (rule.region is not Region.ANY) is in_regions)
        own = pages.filter(pl.col("profile") == profile.id)["page"]
        if not rules or own.is_empty():
            continue
        is_own = pl.col("page").is_in(own.implode())
        spans = in_reading_order(
            spans.filter(~is_own), apply_rules(spans.filter(is_own), rules, sifted, prefix=f"{profile.id}:")
        )
    return spans


def _with_compound(spans: pl.DataFrame, pages: pl.DataFrame, profiles: tuple[Profile, ...]) -> pl.DataFrame:
    """Add `is_compound`: the outlet's pages are, or turns come before a headline and that before a credit line."""
    compound = [profile.id for profile in profiles if profile.is_compound]
    known = pages.filter(pl.col("profile").is_in(compound))["page"]
    places = spans.select("page", "role", place=PLACE).filter(pl.col("role").is_in(["speech", "title", "source_url"]))
    last = {role: pl.col("place").filter(pl.col("role") == role).max() for role in ("speech", "title", "source_url")}
    in_order = (
        places.group_by("page")
        .agg(**last)
        .filter((pl.col("speech") < pl.col("title")) & (pl.col("title") < pl.col("source_url")))["page"]
    )
    return spans.with_columns(is_compound=pl.col("page").is_in(pl.concat([known, in_order]).implode()))


def _passages(spans: pl.DataFrame, parts: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """The table `passages`, before anything is known of repeats, with `page`, `word_count` and `may_be_unspaced`."""
    # What would be content, but lies in no article, is part of a page that nobody knows.
    is_stray = pl.col("role").is_in(CONTENT_ROLES) & pl.col("article_id").is_null()
    is_content = pl.col("role").is_in(CONTENT_ROLES)
    extents = parts.select("page", "char_start", "article_id", article_end=pl.col("char_start") + pl.col("char_count"))
    spans = spans.sort("page", "char_start")
    seen = looks(spans["found"])
    text = changed_where(spans["found"], seen["may_be_loose"], passage_text)
    is_changed = seen["may_be_loose"].arg_true()
    blank_count = seen["blank_count"].scatter(is_changed, text.gather(is_changed).str.count_matches(" ", literal=True))
    return (
        spans.with_columns(text=text, word_count=blank_count + 1, may_be_unspaced=seen["may_be_unspaced"])
        .join_asof(extents, on="char_start", by="page", strategy="backward", check_sortedness=False)
        .with_columns(article_id=pl.when(pl.col("char_start") < pl.col("article_end")).then("article_id"))
        .with_columns(
            role=pl.when(is_stray).then(pl.lit("other")).otherwise("role"),
            rule=pl.when(is_stray).then(pl.lit("outside_any_article")).otherwise("rule"),
        )
        .join(sources.select("page", "source_id"), on="page", how="left", maintain_order="left")
        .with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))
        .with_columns(
            passage_id=passage_id(pl.col("source_id"), pl.col("ordinal")),
            text_sha256=pl.lit(None, pl.String),
            is_kept=is_content,
            drop_reason=pl.when(~is_content).then("role"),
            repeats_passage_id=pl.lit(None, pl.String),
            repeat_kind=pl.lit(None, pl.String),
        )
        .sort("page", "ordinal")
    )


def _counted(texts: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """Add `word_count` to the texts of articles, as `word_counts` counts.

    Whatever stands between two passages, the words of a text are those of its passages. Only with characters of scripts
    without blanks it has to be looked at itself.

    Args:
        texts: `article_id, text`: one row per article.
        passages: of these articles, with `word_count` and `may_be_unspaced`.
    """
    counted = (
        passages.filter(pl.col("article_id").is_not_null() & pl.col("role").is_in(CONTENT_ROLES))
        .group_by("article_id", maintain_order=True)
        .agg(pl.col("word_count").sum().cast(pl.UInt32), pl.col("may_be_unspaced").any())
    )
    counted = texts.join(counted, on="article_id", how="left", maintain_order="left")
    others = counted["may_be_unspaced"].arg_true()
    word_count = counted["word_count"].scatter(others, word_counts(counted["text"].gather(others)))
    return texts.with_columns(word_count=word_count)


def _evidence(
    articles: pl.DataFrame,
    passages: pl.DataFrame,
    sources: pl.DataFrame,
    provenance: pl.DataFrame,
    pages: pl.DataFrame,
    profiles: tuple[Profile, ...],
) -> pl.DataFrame:
    """EVIDENCE_ROWS: one row per value of an article's metadata, the values of one field in their order."""
    telling = passages.filter(pl.col("role").is_in(TELLING_ROLES))
    known = provenance.join(sources.select("page", "source_id"), on="source_id", how="inner")
    is_rich = pl.col("page").is_in(rich_pages(articles, telling, known, pages).implode())

    def parted(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        return rows.filter(~is_rich), rows.filter(is_rich)

    bare_articles, rich_articles = parted(articles)
    bare_telling, rich_telling = parted(telling)
    bare_known, rich_known = parted(known)
    bare_sources, rich_sources = parted(sources)
    return pl.concat(
        [
            bare_evidence(bare_articles, bare_telling, bare_known, bare_sources),
            _rich_evidence(rich_articles, rich_telling, rich_known, rich_sources, pages, profiles),
        ]
    )


def _rich_evidence(
    articles: pl.DataFrame,
    telling: pl.DataFrame,
    stated: pl.DataFrame,
    sources: pl.DataFrame,
    pages: pl.DataFrame,
    profiles: tuple[Profile, ...],
) -> pl.DataFrame:
    """The evidence of pages whose passages must be read one by one."""
    parts = [
        Part(page, ordinal, kind, start, start + count, is_page_made, language)
        for page, ordinal, kind, start, count, is_page_made, language in articles.select(
            "page", "ordinal", "kind", "char_start", "char_count", "is_page_made", "language"
        ).iter_rows()
    ]
    texts = dict(sources.select("page", "text").iter_rows())
    marks: dict[int, list[Mark]] = {}
    for page, role, rule, start, count in telling.select(
        "page", "role", "rule", "char_start", "char_count"
    ).iter_rows():
        marks.setdefault(page, []).append(Mark(role, rule, start, texts[page][start : start + count]))
    known: dict[int, dict[str, tuple[str, str]]] = {}
    for page, name, value, rule in stated.select("page", "field", "value", "rule").iter_rows():
        known.setdefault(page, {})[name] = (value, rule)
    by_id = {profile.id: profile for profile in profiles}
    profiles_of: dict[int, list[Profile]] = {}
    for page, profile in pages.iter_rows():
        profiles_of.setdefault(page, []).append(by_id[profile])
    collect(parts, marks, texts, known, profiles_of, profiles)
    return pl.DataFrame(list(evidence_rows(parts)), schema=EVIDENCE_ROWS, orient="row")


def _articles(articles: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """The table `articles`, each article standing for itself."""
    keys = ["page", "ordinal"]
    for name in _VALUES:
        found = evidence.filter(pl.col("field") == name)
        basis = [pl.col("basis").alias("published_date_basis")] if name == "published_date" else []
        articles = articles.join(found.select(*keys, pl.col("value").alias(name), *basis), on=keys, how="left")
    authors = (
        evidence.filter(pl.col("field") == "authors").group_by(keys, maintain_order=True).agg(authors=pl.col("value"))
    )
    statements = articles["rights_statement"].unique().to_list()
    policies = [rights_policy(statement) for statement in statements]
    return (
        articles.join(authors, on=keys, how="left")
        .with_columns(
            authors=pl.col("authors").fill_null([]),
            published_date=pl.col("published_date").str.to_date("%Y-%m-%d"),
            is_ai_generated=pl.col("is_ai_generated") == "true",
            rights_policy=pl.col("rights_statement").replace_strict(statements, policies, return_dtype=pl.String),
            text_sha256=pl.lit(None, pl.String),
            unique_text=pl.col("text"),
            unique_text_sha256=pl.lit(None, pl.String),
            cluster_id=pl.col("article_id"),
            is_canonical=pl.lit(value=True),
        )
        .select(TABLES["articles"].dtypes.keys())
        .sort("article_id")
    )
