"""Where a row of a release comes from: every step from the bytes of its source, and the rows that refer to it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.errors import CopydeskError
from flows.release.found_rows import FoundRows, Row
from flows.release.harmless import plain_line
from flows.release.show import print_line
from schemas.columns import OUTSIDE_RULES, REPEAT
from schemas.tables import TABLES, Table

# What `show` puts between the parts of a key, and what stands between them in `rejects.row_key`.
KEY_SEPARATORS = (" · ", "/")
# Characters of a key's part that `show` prints; what is cut off shows as an ellipsis.
SHOWN_KEY_CHARS = 80
# Table → the stage that makes its rows. Those of `rejects` say it themselves.
STAGES = {
    "sources": "ingest",
    "passages": "normalize",
    "articles": "normalize",
    "evidence": "normalize",
    "quotes": "extract",
    "citations": "extract",
    "overlaps": "deduplicate",
    "relations": "deduplicate",
    "tombstones": "takedown",
}
SHOWN_CHARS = 300


@dataclass(frozen=True)
class Step:
    """What a stage did, or a row that says so.

    Attributes:
        stage: that did it.
        rule: by which it did it.
        table: that holds the row; null for a file that holds records.
        id: key of the row; its parts, if there are several, are joined by a slash.
        file: where the bytes are: path relative to the source folder, or the address that a document is known by.
        char_start: where the words begin in the text of the source, in code points.
        char_count: their length.
        sha256: of the bytes of the source.
        text: the source's words at these offsets, as found; where they were cleaned, are withheld, or there are no
            offsets, what the row itself says, or null.
    """

    stage: str
    rule: str
    table: str | None
    id: str | None
    file: str | None
    char_start: int | None = None
    char_count: int | None = None
    sha256: str | None = None
    text: str | None = None


def explain(release: Path, key: str) -> list[Step]:
    """The chain of a row: the source's bytes, what lies between, the row itself, then what refers to it.

    Args:
        release: the folder of the release.
        key: an id (source, article, passage, reject, quote, …); of a table whose key has several parts, these joined by
            " · ", as `copydesk show` prints them, or by a slash; an overlap is named by its passages in any order, and
            the last part may be left out where all rows are meant.

    Raises:
        CopydeskError: there is no such release or row, or a table cannot be read.
    """
    rows = FoundRows(release)
    # What is no UTF-8 on the command line comes as surrogates, which no column can hold.
    found = list(rows_named(rows, key.strip().encode(errors="replace").decode()))
    if not found:
        raise CopydeskError(f"{release} has no row {plain_line(key, 200)}; copydesk show RELEASE TABLE prints keys")
    chain = _Chain(rows)
    for table, row in found:
        chain.add_lineage(table, row)
        chain.add_row(table, row)
        chain.add_referring(table, row)
    return list(chain.steps)


def rows_named(rows: FoundRows, key: str) -> Iterator[tuple[str, Row]]:
    """The rows that a key names, with their table."""
    for name in rows.tables:
        table = TABLES[name]
        is_plain = len(table.key) == 1
        found = rows.where(name, table.key[0], [key]) if is_plain else _rows_with_parts(rows, table, key)
        yield from ((name, row) for row in found)


def _rows_with_parts(rows: FoundRows, table: Table, key: str) -> list[Row]:
    """The rows of a table whose key has several parts, of which the last may be missing."""
    for separator in KEY_SEPARATORS:
        parts = key.split(separator, len(table.key) - 1)
        if len(parts) < 2:
            continue
        for first, second, *last in (parts, [parts[1], parts[0], *parts[2:]]):
            wished = dict(zip(table.key, (first, second, *last), strict=False))
            candidates = rows.where(table.name, table.key[0], [first])
            found = [row for row in candidates if all(_is_part(row[column], part) for column, part in wished.items())]
            if found:
                return found
    return []


def _is_part(value: object, part: str) -> bool:
    """Whether a part of a key is this value: as it is, as `show` prints it, or as `rejects` writes words of a text."""
    digest = hashlib.sha256(str(value).encode()).hexdigest()
    return part in (str(value), plain_line(value, SHOWN_KEY_CHARS), f"sha256:{digest[:16]}")


class _Chain:
    """Steps in order, each once."""

    def __init__(self, rows: FoundRows) -> None:
        self._rows = rows
        self.steps: dict[Step, None] = {}

    def _add(self, stage: str, rule: str, table: str | None, key: str | None, **place: Any) -> None:
        self.steps[Step(stage, rule, table, key, **{"file": None} | place)] = None

    def add_lineage(self, table: str, row: Row) -> None:
        """What a row was made of: source, article and passages, from the bytes up."""
        if row.get("source_id") is not None:
            self._add_source(row["source_id"])
        elif table in ("rejects", "tombstones"):
            self._add_input(row["uri"])
        for column, target in TABLES[table].references.items():
            is_parent = target in ("articles", "passages") and column not in ("cluster_id", "repeats_passage_id")
            if is_parent and row[column] is not None:
                for parent in self._rows.where(target, TABLES[target].key[0], [row[column]]):
                    self.add_lineage(target, parent)
                    self.add_row(target, parent)
        if table == "relations":
            self._add_overlaps_between(row)

    def _add_overlaps_between(self, relation: Row) -> None:
        """The overlaps of the two articles of a relation, which prove it."""
        ids = []
        for column in ("from_article_id", "to_article_id"):
            passages = self._rows.where("passages", "article_id", [relation[column]])
            ids.append({row["passage_id"] for row in passages})
        for row in self._rows.where("overlaps", "a_passage_id", ids[0] | ids[1]):
            ends = row["a_passage_id"], row["b_passage_id"]
            if any(a in ids[side] and b in ids[1 - side] for side in (0, 1) for a, b in [ends]):
                self.add_row("overlaps", row)

    def _add_source(self, source_id: str) -> None:
        source = self._rows.source(source_id)
        if source is None:
            return
        if source["container"] is not None:
            self._add_input(source["container"])
        record = "" if source["record"] is None else f"record {source['record']}, "
        place = self._place(source_id, 0, source["char_count"])
        self._add("ingest", f"{record}decoded as {source['encoding']}", "sources", source_id, **place)

    def _add_input(self, uri: str | None) -> None:
        """A file as it was read."""
        sha256 = None if uri is None else self._rows.inputs.get(uri)
        if sha256 is not None:
            self._add("ingest", "read", None, None, file=uri, sha256=sha256)

    def add_row(self, table: str, row: Row) -> None:
        """What a row says, as one step or, where it speaks of two places, two."""
        key = key_of(table, row)
        if table == "sources":
            self._add_source(row["source_id"])
        elif table == "passages":
            self._add_passage(row)
        elif table == "articles":
            self._add_span("normalize", row["kind"], table, key, row)
        elif table == "evidence":
            self._add_evidence(row, key)
        elif table == "overlaps":
            for side in ("a", "b"):
                span = {name: row[f"{side}_{name}"] for name in ("source_id", "char_start", "char_count")}
                self._add_span("deduplicate", f"{row['method']}:{row['kind']}", table, key, span)
        elif table == "relations":
            (article,) = self._rows.where("articles", "article_id", [row["from_article_id"]]) or [{}]
            place = self._place(article.get("source_id"))
            self._add("deduplicate", f"{row['method']}:{row['kind']}", table, key, **place)
        elif table == "rejects":
            self._add(row["stage"], row["rule"], table, key, **self._place_of_reject(row))
        elif table == "tombstones":
            rule = f"taken down from {row['table']} on {row['date']}"
            self._add(STAGES[table], rule, table, key, file=row["uri"], text=row["reason"])
        elif row.get("source_id") is not None:
            self._add_span(STAGES.get(table, "release"), row.get("kind") or table, table, key, row)
        else:
            self._add(STAGES.get(table, "release"), table, table, key, file=row.get("uri"))

    def _add_passage(self, row: Row) -> None:
        """A passage: the rule that says what it is, its words cleaned, what it repeats, and why it was cut."""
        key, reason = row["passage_id"], row["drop_reason"]
        # The column came later than the table: a release without it tells the role alone.
        self._add_span("normalize", ":".join(filter(None, (row.get("rule"), row["role"]))), "passages", key, row)
        found = self._place(row["source_id"], row["char_start"], row["char_count"])
        if found["text"] is not None and row["text"] is not None and found["text"] != row["text"]:
            self._add("normalize", "cleaned", "passages", key, **found | {"text": row["text"]})
        if reason is not None and reason != REPEAT:
            self._add_span("normalize", f"cut:{reason}", "passages", key, row)
        for earlier in self._rows.where("passages", "passage_id", [row["repeats_passage_id"]]):
            rule = f"repeats:{row['repeat_kind']}"
            self._add_span("deduplicate", rule, "passages", earlier["passage_id"], earlier)
        if reason == REPEAT:
            self._add_span("deduplicate", f"cut:{REPEAT}", "passages", key, row)

    def _add_evidence(self, row: Row, key: str) -> None:
        stage = "ingest" if row["rule"] in OUTSIDE_RULES else "normalize"
        (article,) = self._rows.where("articles", "article_id", [row["article_id"]]) or [{}]
        span = {"text": row["value"]} | row | {"source_id": article.get("source_id")}
        self._add_span(stage, row["rule"], "evidence", key, span)

    def _add_span(self, stage: str, rule: str, table: str, key: str, row: Mapping[str, Any]) -> None:
        """A step at the place of a row, with the source's words there or else the row's own."""
        place = self._place(row["source_id"], row["char_start"], row["char_count"])
        place["text"] = row.get("text") if place["text"] is None else place["text"]
        self._add(stage, rule, table, key, **place)

    def _place(
        self, source_id: str | None, char_start: int | None = None, char_count: int | None = None
    ) -> dict[str, Any]:
        source = None if source_id is None else self._rows.source(source_id)
        if source is None:
            return {"file": None, "char_start": char_start, "char_count": char_count, "sha256": None, "text": None}
        has_words = source["text"] is not None and char_start is not None and char_count is not None
        return {
            "file": source["container"] or source["uri"],
            "char_start": char_start,
            "char_count": char_count,
            "sha256": source["sha256"],
            "text": source["text"][char_start:][:char_count] if has_words else None,
        }

    def _place_of_reject(self, row: Row) -> dict[str, Any]:
        source = self._place(row["source_id"])
        if source["file"] is None:
            source |= {"file": row["uri"], "sha256": self._rows.inputs.get(row["uri"])}
        return source | {"text": row["detail"]}

    def add_referring(self, table: str, row: Row) -> None:
        """The rows of all tables that name a row."""
        if len(TABLES[table].key) > 1:
            return
        key = row[TABLES[table].key[0]]
        if table == "articles":
            self._add_cluster(row)
        for name in self._rows.tables:
            for column, target in TABLES[name].references.items():
                if target == table and column != "cluster_id":
                    self._add_all(name, self._rows.where(name, column, [key]))
        if table == "articles":
            passages = [passage["passage_id"] for passage in self._rows.where("passages", "article_id", [key])]
            for column in ("a_passage_id", "b_passage_id"):
                self._add_all("overlaps", self._rows.where("overlaps", column, passages))
        if table == "passages" and row["article_id"] is not None:
            evidence = self._rows.where("evidence", "article_id", [row["article_id"]])
            self._add_all("evidence", [one for one in evidence if _touches(one, row)])
        if table in ("sources", "tombstones") and row["uri"] is not None:
            self._add_all("tombstones", self._rows.where("tombstones", "uri", [row["uri"]]))
        if "rejects" in self._rows.tables:
            column = "source_id" if table == "sources" else "row_key"
            self._add_all("rejects", self._rows.where("rejects", column, [key]))

    def _add_all(self, table: str, rows: Iterable[Row]) -> None:
        order = TABLES[table].order
        for row in sorted(rows, key=lambda row: [(row[column] is None, row[column]) for column in order]):
            self.add_row(table, row)

    def _add_cluster(self, article: Row) -> None:
        """The canonical copy of an article, or the copies of a canonical one."""
        key, cluster = article["article_id"], article["cluster_id"]
        if cluster != key:
            for canonical in self._rows.where("articles", "article_id", [cluster]):
                self._add_span("deduplicate", "canonical_copy", "articles", cluster, canonical)
            return
        for copy in self._rows.where("articles", "cluster_id", [key]):
            if copy["article_id"] != key:
                self._add_span("deduplicate", "copy", "articles", copy["article_id"], copy)


def _touches(evidence: Row, passage: Row) -> bool:
    """Whether the words that evidence points at lie in a passage, at least in part."""
    if evidence["char_start"] is None or evidence["char_count"] is None:
        return False
    end, passage_end = (row["char_start"] + row["char_count"] for row in (evidence, passage))
    return bool(evidence["char_start"] < passage_end and passage["char_start"] < end)


def key_of(table: str, row: Row) -> str:
    """The key of a row; its parts joined by a slash."""
    return "/".join(str(row[column]) for column in TABLES[table].key)


def _shown_key(table: str, key: str) -> str:
    """A key as it may be given again; its last part, which may be words of a page, is cut."""
    parts = key.split("/", len(TABLES[table].key) - 1)
    return "/".join(plain_line(part, SHOWN_KEY_CHARS) for part in parts)


def as_json(steps: list[Step]) -> str:
    """The steps as JSON in ASCII, so that no text in it can hide anything."""
    return json.dumps([asdict(step) for step in steps], indent=2)


def print_steps(steps: list[Step], console: Console) -> None:
    """Print the steps, each with its place and words; the file stands where it changes."""
    before: tuple[str | None, str | None] = (None, None)
    files: dict[str, str | None] = {}
    for number, step in enumerate(steps, start=1):
        row = "" if step.table is None or step.id is None else f"  {step.table} {_shown_key(step.table, step.id)}"
        print_line(console, f"{number}. {plain_line(step.stage)}, {plain_line(step.rule)}{row}")
        if (step.file, step.sha256) != before and step.file is not None:
            before = (step.file, step.sha256)
            # That of a record is not that of the file that holds it.
            of_what = "SHA-256" if files.setdefault(step.file, step.sha256) == step.sha256 else "SHA-256 of the record"
            known = "" if step.sha256 is None else f", {of_what} {plain_line(step.sha256)}"
            print_line(console, f"   in {plain_line(step.file, SHOWN_CHARS)}{known}")
        span = ""
        if step.char_start is not None and step.char_count is not None:
            span = f"[{step.char_start}:{step.char_start + step.char_count}] "
        if span or step.text is not None:
            words = "(withheld)" if step.text is None else plain_line(step.text, SHOWN_CHARS)
            print_line(console, f"   {span}{words}")
