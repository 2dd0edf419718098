"""What earlier builds made of their sources, so that only new and changed ones are normalized again.

The state is a folder:

| path | what it holds |
| --- | --- |
| `copydesk-state.json` | what the state depends on beside the sources, and the SHA-256 of its files, shard by shard |
| `state-<build>/<table>/<shard>` | rows of `passages`, `articles` and `evidence`, as the gate let them pass |
| `state-<build>/facts/<shard>` | of each source whose rows can be taken over, a hash of all that they were made from |

It makes builds faster and nothing else: a build without it ends in the same bytes. So it is never trusted. A file whose
SHA-256 is not that of the index counts as lost, which also tells what a run that was killed, or a machine that lost its
power, left half written; that is why its files need not be flushed to the disk one by one. A state that other code or
other libraries wrote counts as none.

A build leaves what it used and nothing else, so that the folder is as large as the tables of one build.
"""

import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import polars as pl

from flows.ids import sha256_of
from flows.release.manifest import code_identity, file_sha256
from flows.release.staging import flush, remove
from flows.work import read_all_rows, read_rows
from schemas.tables import TABLES

STATE = ".state"
INDEX = "copydesk-state.json"
FACTS = "facts"
# The tables that are taken over.
KEPT = ("passages", "articles", "evidence")
# Libraries whose version may show in what a source is made into.
LIBRARIES = ("polars", "pyarrow", "numpy", "numba", "pandera", "pydantic", "py3langid")

# Shards that are written at once, each of which is held while it is looked through.
SHARDS_AT_ONCE = 2

_BUILD = re.compile(r"state-[0-9a-f]{16}")
_SHARD = re.compile(r"\d{5,}\.parquet")


@dataclass(frozen=True)
class KeptShard:
    """Rows of a range of sources.

    Attributes:
        name: of its file in the folder of each table.
        first: the lowest `source_id` in it.
        last: the highest.
        files: `facts` and the names of the tables → SHA-256 of the file.
    """

    name: str
    first: str
    last: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class KeptRows:
    """The rows that a build can take over.

    Attributes:
        folder: where they lie.
        shards: in ascending order of their sources; none if there is nothing to take over.
        warnings: one line at most, safe to print: that some of it was lost.
    """

    folder: Path
    shards: tuple[KeptShard, ...] = ()
    warnings: tuple[str, ...] = ()

    def tables_of(self, facts: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """What is known already of the sources of a shard.

        Args:
            facts: `source_id, facts`: one row per source, sorted by `source_id`.

        Returns:
            `facts`, those of them whose rows are known, and the tables of KEPT: all rows of these sources, in
            the order of the tables.
        """
        found = [rows for shard in self._overlapping(facts) if (rows := self._rows(shard, facts)) is not None]
        empty = {FACTS: facts.clear(), **{name: TABLES[name].empty() for name in KEPT}}
        return {name: pl.concat([rows, *(part[name] for part in found)]) for name, rows in empty.items()}

    def _overlapping(self, facts: pl.DataFrame) -> Iterator[KeptShard]:
        if facts.is_empty():
            return
        first, last = str(facts["source_id"][0]), str(facts["source_id"][-1])
        yield from (shard for shard in self.shards if shard.first <= last and first <= shard.last)

    def _rows(self, shard: KeptShard, facts: pl.DataFrame) -> dict[str, pl.DataFrame] | None:
        """The rows of a kept shard whose sources are among those asked for, and known by the same facts.

        None if it cannot be read any more: the state may be deleted while a build is at work.
        """
        try:
            tables = {name: read_rows(self.folder / name / shard.name) for name in shard.files}
        except (OSError, pl.exceptions.PolarsError):
            return None
        same = tables[FACTS].join(facts, on=["source_id", "facts"], how="semi", maintain_order="left")
        return tables if same.height == tables[FACTS].height else _of_sources(tables, same)


def facts_of(sources: pl.DataFrame, provenance: pl.DataFrame) -> pl.DataFrame:
    """All that a source is normalized from, as a hash: `source_id, facts`, one row per source, in their order.

    The text itself is not hashed: it follows from bytes and encoding, by code that the state depends on as a whole.

    Args:
        sources: rows of the table `sources`.
        provenance: what is known of them from outside their text.
    """
    stated = (
        provenance.sort("source_id", "field")
        .group_by("source_id", maintain_order=True)
        .agg(stated=pl.struct("field", "value", "rule"))
    )
    rows = sources.drop("text").join(stated, on="source_id", how="left", maintain_order="left")
    told = rows.select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return rows.select("source_id", facts=sha256_of(told))


def merged(name: str, kept: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table that were taken over and rows that were made anew, in the order of the table."""
    if kept.is_empty() or fresh.is_empty():
        return fresh if kept.is_empty() else kept
    return pl.concat([kept, fresh]).sort(TABLES[name].order, nulls_last=True)


def read_state(folder: Path) -> KeptRows:
    """The state in a folder, as far as it is whole and was written by this code.

    Whoever calls holds the lock on the folder.
    """
    try:
        text = (folder / INDEX).read_bytes()
    except FileNotFoundError:
        return KeptRows(folder)
    except OSError:
        return _nothing(folder)
    try:
        content = json.loads(text)
        build, depends_on = content["build"], content["depends_on"]
        shards = [KeptShard(**shard) for shard in content["shards"]]
        if not _BUILD.fullmatch(build) or not all(_is_well_formed(shard) for shard in shards):
            return _nothing(folder)
    except (ValueError, KeyError, TypeError, RecursionError):
        return _nothing(folder)
    if depends_on != dependencies():
        return KeptRows(folder)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda shard: _is_whole(folder / build, shard), shards))
    lost = found.count(False)
    warning = f"the state in {folder} is damaged: {lost} of its {len(found)} parts cannot be used and are made anew"
    kept = tuple(shard for shard, is_whole in zip(shards, found, strict=True) if is_whole)
    return KeptRows(folder / build, kept, (warning,) if lost else ())


def _nothing(folder: Path) -> KeptRows:
    return KeptRows(folder, warnings=(f"the state in {folder} cannot be read; everything is made anew",))


def _is_well_formed(shard: KeptShard) -> bool:
    """Whether what the index says of a shard names files inside the state, and nothing else."""
    return (
        _SHARD.fullmatch(shard.name) is not None
        and isinstance(shard.first, str)
        and isinstance(shard.last, str)
        and set(shard.files) == {FACTS, *KEPT}
    )


def _is_whole(build: Path, shard: KeptShard) -> bool:
    """Whether every file of a shard has the bytes that were written."""
    try:
        return all(file_sha256(build / name / shard.name) == digest for name, digest in shard.files.items())
    except OSError:
        return False


def write_state(folder: Path, work: Path, shards: Sequence[str]) -> None:
    """Keep what a build made of its sources, in place of what the folder held.

    A source of which something was taken down, or turned away before copies are looked for, is left out: it is looked
    at anew every time, and nothing that was taken down is kept. What is turned away later depends on other sources,
    too, and is looked for in every build.

    Args:
        folder: of the state; whoever calls holds the lock on it.
        work: folder of the build: `<table>/<shard>`, what passed the gate, and `facts/<shard>`. Its files must not be
            written to any more, only replaced: the state shares them where it can.
        shards: file names, in ascending order of their sources.

    Raises:
        OSError: it cannot be written; what the folder held is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    build = f"state-{os.urandom(8).hex()}"
    try:
        for name in (FACTS, *KEPT):
            (folder / build / name).mkdir(parents=True)
        rejected = read_all_rows(work / "rejects", ["source_id"])["source_id"].drop_nulls()
        with ThreadPoolExecutor(SHARDS_AT_ONCE) as pool:
            kept = list(pool.map(lambda shard: _kept(folder / build, work, shard, rejected), shards))
        index = {"build": build, "depends_on": dependencies(), "shards": [asdict(one) for one in kept if one]}
        draft = folder / f"{INDEX}.new"
        draft.write_text(json.dumps(index), encoding="ascii")
        flush(draft)
        draft.replace(folder / INDEX)
    except BaseException:
        remove(folder / build)
        raise
    flush(folder)
    for path in folder.iterdir():
        if _BUILD.fullmatch(path.name) and path.name != build:
            remove(path)


def _kept(build: Path, work: Path, shard: str, rejected: pl.Series) -> KeptShard | None:
    """Keep the rows of a shard; None if no source of it can be taken over."""
    sources = read_rows(work / "sources" / shard, ["source_id", "text"])
    # Of a source of which a part was taken down the text is null.
    whole = sources.drop_nulls("text").filter(~pl.col("source_id").is_in(rejected.implode()))
    facts = read_rows(work / FACTS / shard).join(whole, on="source_id", how="semi", maintain_order="left")
    if facts.is_empty():
        return None
    if facts.height == sources.height:
        facts.write_parquet(build / FACTS / shard, compression="lz4", statistics=False)
        for name in KEPT:
            _share(work / name / shard, build / name / shard)
    else:
        tables = {name: read_rows(work / name / shard) for name in KEPT}
        for name, rows in _of_sources(tables, facts).items():
            rows.write_parquet(build / name / shard, compression="lz4", statistics=False)
    files = {name: file_sha256(build / name / shard) for name in (FACTS, *KEPT)}
    return KeptShard(shard, str(facts["source_id"][0]), str(facts["source_id"][-1]), files)


def _share(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system does not let it have one."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def dependencies() -> dict[str, str | None]:
    """All beside the sources that what is made of them depends on: the code as a whole, Python and libraries."""
    return {
        "code": code_identity()["sha256"],
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _of_sources(tables: Mapping[str, pl.DataFrame], facts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of the tables of KEPT that belong to these sources, and the facts of these."""
    of_sources = pl.col("source_id").is_in(facts["source_id"].implode())
    articles = tables["articles"].filter(of_sources)
    of_articles = pl.col("article_id").is_in(articles["article_id"].implode())
    return {
        FACTS: facts,
        "passages": tables["passages"].filter(of_sources),
        "articles": articles,
        "evidence": tables["evidence"].filter(of_articles),
    }
