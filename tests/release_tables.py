"""Made-up pages as released tables, for tests that need a whole and consistent set of them."""

import hashlib
import shutil
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from flows.release.compare import Snapshot
from flows.release.diff import staged_snapshot
from flows.release.manifest import Input
from flows.release.parquet import DATA, TableWriter, arrow_schema, table_of
from flows.release.ranges import range_count
from flows.release.release import BuildInfo, Released, release_written, write_parts
from flows.release.staging import Lock, locked, staged
from flows.settings import Settings
from flows.text import joined_texts
from schemas.columns import CONTENT_ROLES, EVIDENCE_FIELDS
from schemas.tables import TABLES

Tables = dict[str, pl.DataFrame]
Page = list[tuple[str, str]]  # role and text of each passage

LEDE = "The report from the harbour says that the ferries stopped at noon."
MORNING: Page = [
    ("title", "Ferries stop at noon"),
    ("byline", "By Ada Quill"),
    ("body", LEDE),
    ("body", "Nobody could say when they would sail again 🛳️."),
    ("navigation", "Home | More"),
]
EVENING: Page = [
    ("title", "Ferries sail again"),
    ("byline", "By Ada Quill"),
    ("body", "At noon the ferries stopped, the report from the harbour says."),
    ("speaker_label", "Harbour master:"),
    ("speech", "They sail again tonight."),
    ("navigation", "Home | More"),
]
PAGES = {"morning.txt": MORNING, "evening.txt": EVENING}


def hexadecimal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TABLES[name].dtypes, orient="row")


def tables_of(pages: dict[str, Page], **metadata: Any) -> Tables:
    """Each page as a source with one article from its first to its last passage; the titles are evidence-backed."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for number, (uri, page) in enumerate(pages.items()):
        day = 1 + number % 28
        text = "\n\n".join(words for _, words in page)
        place = hexadecimal(uri)
        source_id, article_id = place[:8] + hexadecimal(uri + text)[8:], f"{place}-00"
        start = 0
        for ordinal, (role, words) in enumerate(page):
            rows["passages"].append(
                {
                    "passage_id": f"{source_id}-{ordinal:04}",
                    "source_id": source_id,
                    "article_id": article_id,
                    "ordinal": ordinal,
                    "role": role,
                    "rule": "made_up",
                    "char_start": start,
                    "char_count": len(words),
                    "text": words,
                    "is_kept": role in CONTENT_ROLES,
                    "drop_reason": None if role in CONTENT_ROLES else role,
                }
            )
            start += len(words) + 2
        rows["sources"].append(
            {
                "source_id": source_id,
                "uri": uri,
                "media_type": "text/plain",
                "byte_count": len(text.encode()),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "encoding": "utf-8",
                "retrieved_at": datetime(2031, 5, day, 6, tzinfo=UTC),
                "char_count": len(text),
                "text": text,
            }
        )
        article = {
            "article_id": article_id,
            "source_id": source_id,
            "ordinal": 0,
            "kind": "article",
            "char_start": 0,
            "char_count": len(text),
            "title": page[0][1] if page[0][0] == "title" else None,
            "publisher": "Harbour Gazette",
            "authors": ["Ada Quill"],
            "published_date": date(2031, 5, day),
            "published_date_basis": "stated",
            "language": "en",
            "rights_policy": "unknown",
            "word_count": 20 + day,
            "cluster_id": article_id,
            "is_canonical": True,
        } | metadata
        rows["articles"].append(article)
        for field in EVIDENCE_FIELDS:
            value = article.get(field)
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    rows["evidence"].append(
                        {
                            "article_id": article_id,
                            "field": field,
                            "value": "true" if one is True else str(one),
                            "basis": "stated",
                            "rule": "made_up",
                        }
                    )
    tables = {name: frame(name, rows[name]) for name in TABLES}
    return with_texts(tables)


def with_texts(tables: Tables) -> Tables:
    """Set `text` and `unique_text` of the articles to the join of their passages."""
    articles = tables["articles"]
    for column, passages in (("text", tables["passages"]), ("unique_text", tables["passages"].filter("is_kept"))):
        joined = joined_texts(passages).rename({"text": "joined"})
        articles = (
            articles.join(joined, on="article_id", how="left", maintain_order="left")
            .with_columns(pl.col("joined").fill_null("").alias(column))
            .drop("joined")
        )
    return tables | {"articles": articles.select(tables["articles"].columns)}


def passage_id(tables: Tables, uri: str, ordinal: int) -> str:
    source = tables["sources"].row(by_predicate=pl.col("uri") == uri, named=True)
    return f"{source['source_id']}-{ordinal:04}"


def article_id(uri: str) -> str:
    return hexadecimal(uri) + "-00"


def changed(tables: Tables, name: str, where: pl.Expr, **values: Any) -> Tables:
    """The tables with some columns of some rows set to other values."""
    table = tables[name]
    columns = [
        pl.when(where).then(pl.lit(value, dtype=table.schema[column])).otherwise(column).alias(column)
        for column, value in values.items()
    ]
    return tables | {name: table.with_columns(columns)}


def two_stories() -> Tables:
    """Two articles of one series whose ledes say the same: one overlap, a repeat, two relations."""
    tables = tables_of(PAGES)
    first, second = passage_id(tables, "morning.txt", 2), passage_id(tables, "evening.txt", 2)
    spans = {row["passage_id"]: row for row in tables["passages"].iter_rows(named=True)}
    overlap = {"kind": "paraphrase", "score": 0.6, "method": "made_up"}
    for side, key in (("a", first), ("b", second)):
        overlap |= {
            f"{side}_passage_id": key,
            f"{side}_source_id": spans[key]["source_id"],
            f"{side}_char_start": spans[key]["char_start"],
            f"{side}_char_count": spans[key]["char_count"],
        }
    pair = {"from_article_id": article_id("evening.txt"), "to_article_id": article_id("morning.txt")}
    tables |= {
        "overlaps": frame("overlaps", [overlap]),
        "relations": frame(
            "relations",
            [
                pair | {"kind": kind, "method": "made_up", "overlap_count": 1}
                for kind in ("same_series", "shares_passages")
            ],
        ),
    }
    repeat = {"is_kept": False, "drop_reason": "repeat", "repeats_passage_id": first, "repeat_kind": "paraphrase"}
    return with_texts(changed(tables, "passages", pl.col("passage_id") == second, **repeat))


def release(tables: Tables, out: Path, settings: Settings, build: BuildInfo) -> Released:
    """A release of tables whose rows are in any order, made as a build makes it."""
    with locked(out) as lock:
        return release_parts([in_order(tables)], lock, settings, build)


def release_parts(parts: Iterable[Tables], lock: Lock, settings: Settings, build: BuildInfo) -> Released:
    """A release of tables whose rows come in parts, in the order of the tables, and are written in one place."""
    given = list(parts)
    ranges = range_count(sum(int(part["sources"]["byte_count"].sum()) for part in given), settings)
    with staged(lock) as folder:
        return release_written([(folder, write_parts(given, folder, settings, ranges))], lock, settings, build)


def write_table(release: Path, name: str, rows: pl.DataFrame, settings: Settings, ranges: int = 1) -> list[Path]:
    """Write a table of a release, whatever its columns and the order of its rows, and name its files."""
    if rows.schema != TABLES[name].empty().schema:
        file = release / DATA / name / "00000.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow_schema(rows)), file)
        return [file]
    release.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        writer = TableWriter(release, name, settings, pool, ranges)
        writer.write(rows)
        return list(table_of(release, name, [(release, writer.close())], settings).files)


def in_order(tables: Tables) -> Tables:
    return {
        name: tables[name].select(list(table.dtypes)).sort(table.order, nulls_last=True)
        for name, table in TABLES.items()
        if name in tables
    }


def snapshot_of(version: str, tables: Tables, settings: Settings, **manifest: Any) -> Snapshot:
    """A release of which only the tables are written, as they are; they go with the snapshot."""
    folder = Path(mkdtemp(prefix="copydesk-"))
    inputs = [Input(*row) for row in tables["sources"].select("uri", "sha256", "byte_count").iter_rows()]
    for name, rows in tables.items():
        (folder / DATA / name).mkdir(parents=True)
        rows.write_parquet(folder / DATA / name / "0.parquet")
    known = staged_snapshot(folder, list(tables), settings, inputs, {}).manifest
    found = Snapshot(version, {**known, "version": version, **manifest}, folder)
    weakref.finalize(found, shutil.rmtree, folder)
    return found
