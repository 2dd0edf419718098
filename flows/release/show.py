"""A release, or the end of a build, as a person reads it in a terminal.

Whatever comes from the data is made harmless first: no control sequence, no text that runs the other way, no markup.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from flows.errors import CopydeskError
from flows.release.card import with_articles, with_words
from flows.release.harmless import plain_line
from flows.release.manifest import read_manifest
from flows.release.next_steps import AGAIN, next_step
from flows.release.parquet import read_table, table_batches
from flows.release.release import Released
from flows.release.rows import apart
from flows.wording import counted
from schemas.tables import TABLES

# Rows of a table, and characters of a value, that `show` prints; the files hold the rest.
SHOWN_ROWS = 50
SHOWN_CHARS = 300
# Rejects of one rule that are shown.
SHOWN_OF_RULE = 10
# Articles and overlaps that the end of a build lists.
SUMMARY_ROWS = 20
TITLE_CHARS = 60


def show(release: Path, what: str, console: Console) -> None:
    """Print a table of a release: `overlaps` side by side, `rejects` with what to do about them, others row by row.

    Raises:
        CopydeskError: there is no such release or table, or it cannot be read.
    """
    if not release.is_dir():
        raise CopydeskError(f"{release} is no release: there is no such folder")
    known = read_manifest(release)["tables"]
    if what not in known or what not in TABLES:
        raise CopydeskError(f"{release} has no table {what}; it has {', '.join(sorted(known))}")
    rows = read_table(release, what)
    if rows.is_empty():
        print_line(console, f"{plain_line(release)}: the table {what} has no rows.")
    elif what == "overlaps":
        show_overlaps(release, console)
    elif what == "rejects":
        show_rejects(rows, console)
    else:
        show_rows(rows, what, console)


def show_overlaps(release: Path, console: Console) -> None:
    """Print the first overlaps with their passages side by side, the earlier one on the left."""
    overlaps = read_table(release, "overlaps")
    pairs = ["a_article_id", "b_article_id", "a_source_id", "b_source_id"]
    places = read_table(release, "passages", ["passage_id", "article_id"])
    found = with_articles({"overlaps": overlaps, "passages": places})
    shown = found.sort(*pairs, "b_char_start", *TABLES["overlaps"].key, nulls_last=True).head(SHOWN_ROWS)
    tables = {
        name: _rows_of(release, name, [shown[f"{side}_{key}"] for side in ("a", "b")])
        for name, key in (("passages", "passage_id"), ("sources", "source_id"), ("articles", "article_id"))
    }
    rows = with_words(shown, tables)
    articles = {row["article_id"]: row for row in tables["articles"].iter_rows(named=True)}
    uris = dict(tables["sources"].select("source_id", "uri").iter_rows())
    for pair in rows.partition_by(pairs, maintain_order=True):
        grid = Grid(box=box.SIMPLE_HEAD, expand=True, show_lines=True)
        for side, name in (("a", "earlier"), ("b", "later")):
            article = articles.get(pair[f"{side}_article_id"][0], {})
            title = plain_line(article.get("title") or "untitled", TITLE_CHARS)
            grid.add_column(Text(f"{name}: {title}\n{plain_line(uris.get(pair[f'{side}_source_id'][0]), 80)}"), ratio=1)
        for row in pair.iter_rows(named=True):
            head = f"{row['kind']}, score {row['score']:.2f}, by {plain_line(row['method'], 40)}"
            left, right = (
                f"[{row[f'{side}_char_start']}:{row[f'{side}_char_start'] + row[f'{side}_char_count']}] "
                + (plain_line(row[side]) if row[side] is not None else "(withheld)")
                for side in ("a", "b")
            )
            grid.add_row(Text(f"{head}\n{left}"), Text(f"\n{right}"))
        console.print(grid)
    if overlaps.height > SHOWN_ROWS:
        print_line(console, f"{SHOWN_ROWS} of {overlaps.height:,} overlaps; the files in data/overlaps/ hold the rest.")
    else:
        print_line(console, counted(rows.height, "overlap"))


def _rows_of(release: Path, name: str, keys: Sequence[pl.Series]) -> pl.DataFrame:
    """The rows of a table with these keys; it is read part by part."""
    (key,) = TABLES[name].key
    wanted = pl.concat(keys).drop_nulls().unique()
    is_wanted = pl.col(key).is_in(wanted.implode())
    # Of a frame that a part is filtered from all texts would stay.
    return pl.concat([apart(part.filter(is_wanted)) for part in table_batches(release, name)])


def show_rejects(rows: pl.DataFrame, console: Console) -> None:
    """Print the rejects rule by rule, the most frequent first: what to do, then each with its place and detail."""
    counts = rows.group_by("stage", "rule").agg(count=pl.len())
    for stage, rule, count in counts.sort("count", "stage", "rule", descending=[True, False, False]).iter_rows():
        print_line(console, f"{plain_line(rule, 60)} ({plain_line(stage, 20)}): {counted(count, 'reject')}")
        print_line(console, f"  next: {next_step(stage, rule)}")
        own = rows.filter(stage=stage, rule=rule).sort("uri", "record", "table", "row_key", "reject_id")
        for row in own.head(SHOWN_OF_RULE).iter_rows(named=True):
            print_line(console, f"  {_place_of(row)}")
            print_line(console, f"    {plain_line(row['detail'], SHOWN_CHARS)}")
        if count > SHOWN_OF_RULE:
            print_line(console, f"  and {count - SHOWN_OF_RULE:,} more; the files in data/rejects/ hold them")
    print_line(console, f"{counted(rows.height, 'reject')}. {AGAIN}")


def _place_of(row: Mapping[str, Any]) -> str:
    """Where the input or row of a reject is."""
    place = plain_line(row["uri"], SHOWN_CHARS)
    if row["record"] is not None:
        place += f", record {row['record']}"
    if row["table"] is not None:
        place += f", {plain_line(row['table'], 40)} {plain_line(row['row_key'], 80)}"
    return place


def show_rows(rows: pl.DataFrame, what: str, console: Console) -> None:
    """Print the first rows of a table, each as a list of its columns; what is null is left out."""
    for row in rows.sort(TABLES[what].order).head(SHOWN_ROWS).iter_rows(named=True):
        print_line(console, " · ".join(plain_line(row[column], 80) for column in TABLES[what].key))
        grid = Grid.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for column, value in row.items():
            if value is not None and column not in TABLES[what].key:
                words = ", ".join(str(one) for one in value) if isinstance(value, list) else value
                grid.add_row(Text(f"  {column}"), Text(plain_line(words, SHOWN_CHARS)))
        console.print(grid)
    if rows.height > SHOWN_ROWS:
        print_line(console, f"{SHOWN_ROWS} of {rows.height} rows; the files in data/{what}/ hold the rest.")
    else:
        print_line(console, counted(rows.height, "row"))


def summary(
    tables: Mapping[str, pl.LazyFrame], conservation: Mapping[str, int], result: Released, console: Console
) -> None:
    """Print the end of a build: what came in, what became of it, what overlaps, and where the release is.

    Args:
        tables: the released tables, of which only what is shown is read.
        conservation: what became of the records that were read.
        result: what `release` returned.
        console: where to print; 80 columns are enough.
    """
    console.print(articles_grid(tables))
    for row in overlap_lines(tables):
        print_line(console, row)
    counts = dict(conservation)
    skipped = f"; {counts['skipped']} skipped, of types that no reader knows" if counts.get("skipped") else ""
    print_line(
        console,
        f"read {counts['read']} = released {counts['released']} + rejected {counts['rejected']} "
        f"+ taken down {counts['taken_down']}{skipped}",
    )
    for rule, count in rejected_records(tables):
        print_line(console, f"  rejected by rule {plain_line(rule, 60)}: {counted(count, 'row')}")
    print_line(console, outcome(result))


def articles_grid(tables: Mapping[str, pl.LazyFrame]) -> Grid:
    """The released articles: title or first words, place, kind, publisher, date, words, share of the article kept."""
    places = tables["sources"].select("source_id", "uri", source_record="record")
    listed = (
        tables["articles"]
        .select("article_id", "source_id", "ordinal")
        .join(places, on="source_id", how="left")
        .sort("uri", "source_record", "ordinal", "article_id")
        .head(SUMMARY_ROWS)
        .collect()
    )
    count = tables["articles"].select(pl.len()).collect().item()
    is_listed = pl.col("article_id").is_in(listed["article_id"].implode())
    shares = (
        tables["passages"]
        .filter(is_listed)
        .group_by("article_id")
        .agg(
            kept=pl.col("char_count").filter("is_kept").cast(pl.Int64).sum(),
            whole=pl.col("char_count").cast(pl.Int64).sum(),
        )
        .collect()
    )
    columns = ("article_id", "kind", "publisher", "published_date", "published_date_basis", "word_count")
    articles = (
        listed.join(tables["articles"].filter(is_listed).select(columns).collect(), on="article_id", how="left")
        .join(headings(tables["articles"], listed["article_id"]), on="article_id", how="left")
        .join(shares, on="article_id", how="left")
        .sort("uri", "source_record", "ordinal", "article_id")
    )
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    grid.add_column("article, page", no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column("kind", no_wrap=True, min_width=10)
    grid.add_column("publisher", no_wrap=True, overflow="ellipsis", max_width=11)
    grid.add_column("date", no_wrap=True, min_width=11)
    grid.add_column("words", no_wrap=True, min_width=6, justify="right")
    grid.add_column("kept", no_wrap=True, min_width=5, justify="right")
    for row in articles.iter_rows(named=True):
        title, place, *cells = article_cells(row)
        grid.add_row(Text.assemble(title, "\n", (place, "dim")), *(Text(cell) for cell in cells))
    if count > SUMMARY_ROWS:
        grid.add_row(Text(f"… and {count - SUMMARY_ROWS:,} more"))
    return grid


def headings(articles: pl.LazyFrame, article_ids: pl.Series) -> pl.DataFrame:
    """`article_id, heading`: of some articles the title, or the first words; null where they have neither."""
    some = articles.filter(pl.col("article_id").is_in(article_ids.implode()))
    titles = some.select("article_id", "title").collect()
    untitled = titles.filter(pl.col("title").is_null())["article_id"]
    # Folding white space only shortens; ten times the space is plenty.
    first_words = pl.col("text").str.head(10 * TITLE_CHARS)
    texts = some.filter(pl.col("article_id").is_in(untitled.implode())).select("article_id", first_words).collect()
    return titles.join(texts, on="article_id", how="left").select("article_id", heading=pl.coalesce("title", "text"))


def article_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One article as the cells of a line, the first two above each other; a dash is unknown, ~ stands for inferred."""
    place = plain_line(row["uri"], TITLE_CHARS) + ("" if row["source_record"] is None else f"#{row['source_record']}")
    basis = "~" if row["published_date_basis"] == "inferred" else ""
    return (
        plain_line(row["heading"], TITLE_CHARS) or "–",
        place,
        row["kind"],
        plain_line(row["publisher"], TITLE_CHARS) or "–",
        f"{basis}{row['published_date'] or '–'}",
        f"{row['word_count']:,}",
        f"{100 * row['kept'] // row['whole']} %" if row["whole"] else "–",
    )


def overlap_lines(tables: Mapping[str, pl.LazyFrame]) -> list[str]:
    """What overlaps: a line per related pair of articles that share passages, most first, and one per relation."""
    count = tables["overlaps"].select(pl.len()).collect().item()
    pairs = (
        tables["relations"]
        .filter(pl.col("overlap_count") > 0)
        .select(first="to_article_id", second="from_article_id", count="overlap_count")
        .unique()
        .sort("count", "first", "second", descending=[True, False, False])
        .collect()
    )
    shown = pairs.head(SUMMARY_ROWS)
    found = headings(tables["articles"], pl.concat([shown["first"], shown["second"].alias("first")]).unique())
    titles = dict(found.iter_rows())
    lines = [f"overlaps: {count:,}"]
    for row in shown.iter_rows(named=True):
        one, other = (
            plain_line(titles.get(row[column]) or row[column], TITLE_CHARS // 2) for column in ("first", "second")
        )
        lines.append(f"  {row['count']:,} between “{one}” and “{other}”")
    if pairs.height > SUMMARY_ROWS:
        lines.append(f"  and between {pairs.height - SUMMARY_ROWS:,} more pairs")
    relations = tables["relations"].group_by("kind").agg(count=pl.len()).sort("kind").collect()
    return lines + [f"{kind}: {counted(count, 'pair')}" for kind, count in relations.iter_rows()]


def rejected_records(tables: Mapping[str, pl.LazyFrame]) -> list[tuple[str, int]]:
    """How many rows of `rejects` each rule has, the most frequent first."""
    rules = tables["rejects"].group_by("rule").agg(count=pl.len())
    return rules.sort("count", "rule", descending=[True, False]).collect().rows()


def outcome(result: Released) -> str:
    """Where the release is, and why it bears its number."""
    if result.is_new:
        since = f" ({result.step} change since {result.previous})" if result.previous else ""
        return f"release {result.version}{since}: {plain_line(result.path)}"
    differs = f"; {', '.join(result.changed)} would read differently now" if result.changed else ""
    return f"nothing changed since release {result.version}, no new release{differs}: {plain_line(result.path)}"


def print_line(console: Console, line: str) -> None:
    """Print a line as it is: no markup, no highlighting, not cut where it is too long for the terminal."""
    console.print(Text(line), soft_wrap=True)
