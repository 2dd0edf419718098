"""Sources to passages, articles and evidence."""

from dataclasses import dataclass

import polars as pl

from flows.ids import article_id, passage_id, place_ids
from flows.normalize.characters import cleaned
from flows.normalize.general import GENERAL_RULES
from flows.normalize.language import with_language
from flows.normalize.metadata import Mark, Part, collect, evidence_rows, rights_policy
from flows.normalize.parts import parts_of_pages
from flows.normalize.profiles import Profile, load_profiles, profiles_of_pages
from flows.normalize.roles import (
    is_title_like,
    with_interviews,
    with_labelled_turns,
    with_leftovers,
    with_names_under_titles,
    with_summaries,
    with_titles,
)
from flows.normalize.rules import Region, Rule
from flows.normalize.segment import apply_rules, heal_breaks, lines_from_sources, split_glued, with_regions
from flows.text import joined_texts
from schemas.columns import CONTENT_ROLES
from schemas.tables import TABLES

# Scripts without spaces have no words to count; each of their characters counts as one.
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}]|[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}]+"


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
    pages = profiles_of_pages(sources, profiles)
    spans = _spans(sources, pages, profiles)
    passages = heal_breaks(spans).join(
        spans.group_by("page", maintain_order=True).agg(pl.col("is_compound", "is_interview").first()),
        on="page",
        how="left",
        maintain_order="left",
    )
    parts = parts_of_pages(passages)
    passages = _passages(passages, parts, sources)
    articles = with_language(
        parts.join(sources.select("page", "source_id", place=place_ids(sources)), on="page", how="left")
        .with_columns(article_id=article_id(pl.col("place"), pl.col("ordinal")))
        .join(joined_texts(passages), on="article_id", how="left")
    ).sort("page", "ordinal")
    found = _metadata(articles, passages, sources, provenance, pages, profiles)
    evidence = (
        pl.DataFrame(list(evidence_rows(found)), schema=_EVIDENCE, orient="row")
        .join(articles.select("page", "ordinal", "article_id"), on=["page", "ordinal"], how="left")
        .select(TABLES["evidence"].dtypes.keys())
        .sort("article_id", "field", "value")
    )
    return Normalized(
        passages=passages.select(TABLES["passages"].dtypes.keys()),
        articles=_articles(articles, found),
        evidence=evidence,
    )


_EVIDENCE = {
    "page": pl.UInt32,
    "ordinal": pl.UInt32,
    "field": pl.String,
    "value": pl.String,
    "basis": pl.String,
    "rule": pl.String,
    "char_start": pl.UInt32,
    "char_count": pl.UInt32,
}


def _spans(sources: pl.DataFrame, pages: pl.DataFrame, profiles: tuple[Profile, ...]) -> pl.DataFrame:
    """All spans of all pages with their roles, and `is_compound` and `is_interview` of their page."""
    everywhere = tuple(rule for rule in GENERAL_RULES if rule.region is Region.ANY)
    at_edges = tuple(rule for rule in GENERAL_RULES if rule.region is not Region.ANY)
    spans = lines_from_sources(sources)
    spans = _apply_profiles(spans, pages, profiles, in_regions=False)
    spans = apply_rules(split_glued(spans), everywhere)
    spans = with_regions(spans, is_weak=_matches_any(at_edges) | is_title_like())
    spans = _apply_profiles(spans, pages, profiles, in_regions=True)
    spans = with_labelled_turns(with_names_under_titles(with_titles(apply_rules(spans, at_edges))))
    compound = [profile.id for profile in profiles if profile.is_compound]
    place = pl.int_range(pl.len()).over("page")
    turns_end = pl.when(pl.col("role") == "speech").then(place).max().over("page")
    headline = pl.when(pl.col("role") == "title").then(place).max().over("page")
    credit = pl.when((pl.col("role") == "source_url") & (place > headline)).then(place).min().over("page")
    compound_pages = pages.filter(pl.col("profile").is_in(compound))["page"]
    spans = spans.with_columns(
        is_compound=pl.col("page").is_in(compound_pages.implode())
        | ((turns_end < headline) & (headline < credit)).fill_null(value=False)
    )
    return with_leftovers(with_interviews(with_summaries(spans)))


def _apply_profiles(
    spans: pl.DataFrame, pages: pl.DataFrame, profiles: tuple[Profile, ...], *, in_regions: bool
) -> pl.DataFrame:
    """Apply the rules of each profile to its pages: those for a region of the page, or those for all of it."""
    for profile in profiles:
        rules = tuple(rule for rule in profile.rules if (rule.region is not Region.ANY) is in_regions)
        own = pages.filter(pl.col("profile") == profile.id)["page"]
        if not rules or own.is_empty():
            continue
        is_own = pl.col("page").is_in(own.implode())
        spans = pl.concat(
            [spans.filter(~is_own), apply_rules(spans.filter(is_own), rules, prefix=f"{profile.id}:")]
        ).sort("page", "char_start")
    return spans


def _matches_any(rules: tuple[Rule, ...]) -> pl.Expr:
    """Whether a span looks like what one of the rules speaks of, wherever it stands."""
    return pl.any_horizontal(
        (pl.col("raw").str.len_chars() <= rule.max_chars)
        & pl.col("key" if rule.is_whole_line else "raw").str.contains(rule.pattern)
        for rule in rules
    )


def _passages(passages: pl.DataFrame, parts: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    """The table `passages`, with `page`, `rule` and `article`, before anything is known of repeats."""
    ids = sources.select("page", "source_id", place=place_ids(sources))
    # What would be content, but lies in no article, is part of a page that nobody knows.
    is_stray = pl.col("role").is_in(CONTENT_ROLES) & pl.col("article").is_null()
    is_content = pl.col("role").is_in(CONTENT_ROLES)
    return (
        passages.join_asof(
            parts.select("page", "char_start", article="ordinal", article_end=pl.col("char_start") + pl.col("char_count")),
            on="char_start",
            by="page",
            strategy="backward",
            check_sortedness=False,
        )
        .with_columns(article=pl.when(pl.col("char_start") < pl.col("article_end")).then("article"))
        .with_columns(role=pl.when(is_stray).then(pl.lit("other")).otherwise("role"))
        .join(ids, on="page", how="left", maintain_order="left")
        .with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))
        .with_columns(
            passage_id=passage_id(pl.col("source_id"), pl.col("ordinal")),
            article_id=pl.when(pl.col("article").is_not_null()).then(article_id(pl.col("place"), pl.col("article"))),
            char_start=pl.col("char_start").cast(pl.UInt32),
            char_count=pl.col("char_count").cast(pl.UInt32),
            text=cleaned(pl.col("text")),
            is_kept=is_content,
            drop_reason=pl.when(~is_content).then("role"),
            repeats_passage_id=pl.lit(None, pl.String),
            repeat_kind=pl.lit(None, pl.String),
        )
        .sort("page", "ordinal")
    )


def _metadata(
    articles: pl.DataFrame,
    passages: pl.DataFrame,
    sources: pl.DataFrame,
    provenance: pl.DataFrame,
    pages: pl.DataFrame,
    profiles: tuple[Profile, ...],
) -> list[Part]:
    """The articles with their evidence. Few passages carry metadata, so they are read one by one."""
    parts = [
        Part(page, ordinal, kind, start, start + count, is_page_made, language)
        for page, ordinal, kind, start, count, is_page_made, language in articles.select(
            "page", "ordinal", "kind", "char_start", "char_count", "is_page_made", "language"
        ).iter_rows()
    ]
    texts = dict(sources.select("page", "text").iter_rows())
    marks: dict[int, list[Mark]] = {}
    telling = passages.filter(~pl.col("role").is_in(["body", "speech", "summary", "speaker_label"]))
    for page, role, rule, start, count in telling.select("page", "role", "rule", "char_start", "char_count").iter_rows():
        marks.setdefault(page, []).append(Mark(role, rule, start, texts[page][start : start + count]))
    known: dict[int, dict[str, tuple[str, str]]] = {}
    stated = provenance.join(sources.select("page", "source_id"), on="source_id", how="inner")
    for page, name, value, rule in stated.select("page", "field", "value", "rule").iter_rows():
        known.setdefault(page, {})[name] = (value, rule)
    by_id = {profile.id: profile for profile in profiles}
    profiles_of: dict[int, list[Profile]] = {}
    for page, profile in pages.iter_rows():
        profiles_of.setdefault(page, []).append(by_id[profile])
    collect(parts, marks, texts, known, profiles_of, profiles)
    return parts


def _articles(articles: pl.DataFrame, parts: list[Part]) -> pl.DataFrame:
    """The table `articles`, each article standing for itself."""
    columns = ("title", "publisher", "republisher", "published_date", "canonical_url", "rights_statement", "is_ai_generated", "translated_from")
    values = pl.DataFrame(
        {
            "page": [part.page for part in parts],
            "ordinal": [part.ordinal for part in parts],
            **{name: [part.value(name) for part in parts] for name in columns},
            "authors": [[str(row[0]) for row in part.evidence.get("authors", [])] for part in parts],
            "published_date_basis": [(part.evidence.get("published_date") or [(None, None)])[0][1] for part in parts],
            "rights_policy": [rights_policy(_text(part.value("rights_statement"))) for part in parts],
        },
        schema_overrides={
            name: dtype
            for name, dtype in {**TABLES["articles"].dtypes, "page": pl.UInt32}.items()
            if name in (*columns, "page", "ordinal", "authors", "published_date_basis", "rights_policy")
        },
    )
    return (
        articles.join(values, on=["page", "ordinal"], how="left")
        .with_columns(
            char_start=pl.col("char_start").cast(pl.UInt32),
            char_count=pl.col("char_count").cast(pl.UInt32),
            unique_text=pl.col("text"),
            word_count=pl.col("text").str.count_matches(_WORD).cast(pl.UInt32),
            cluster_id=pl.col("article_id"),
            is_canonical=pl.lit(value=True),
        )
        .select(TABLES["articles"].dtypes.keys())
        .sort("article_id")
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
