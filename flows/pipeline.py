"""The Prefect flow `build`: sources become a release.

Tasks are thin, few and large: each reads tables that an earlier one wrote to the staging folder, calls its stages, and
writes what comes of it. They hand on paths and counts, never frames, and nothing that Prefect stores is read back.

Ingest cuts the sources into shards of bounded size, ranges of their ids. A shard is normalized and checked by itself,
from files to files, and `<work>/<table>/<shard>` holds what comes of it. Deduplication looks at all shards and finds
what repeats what, which is small beside them. The release is then written shard by shard: no step holds the corpus.
"""

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, cast

# Before Prefect is imported: it reads its settings then. What the user has set stays.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A fresh database can take longer to set up than the 20 s that are the default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "copydesk",
}.items():
    os.environ.setdefault(_name, _value)

import polars as pl
from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.deduplicate.stage import Repeats, find_repeats, with_repeats
from flows.errors import CopydeskError, NetworkError
from flows.ingest.run import Ingested, ingest
from flows.normalize.normalize import normalize
from flows.progress import Progress, ShardSize, counted, duration
from flows.release.harmless import markdown
from flows.release.manifest import Input
from flows.release.release import BuildInfo, Released, release_parts
from flows.release.staging import Lock, locked, staged
from flows.server import EmbeddedServer
from flows.settings import Settings
from flows.validate.between import named_passages
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.shards import keys_of, places_of
from flows.validate.validate import OF_SHARD, CheckedShard, check_between, check_rejects, check_shard
from schemas.tables import TABLES

log = logging.getLogger("copydesk")

# Shards that are normalized at once. polars uses the cores itself; a second shard fills its gaps.
SHARDS_AT_ONCE = 2

# What was turned away by a run that released nothing; under OUT, beside the releases.
LAST_REJECTS = ".rejects.jsonl"

# What deduplication finds over all shards.
REPEATS = ("clusters", "repeats", "overlaps", "relations")

Counts = dict[str, int]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Built:
    """What a build came to.

    Attributes:
        released: the release that holds the rows.
        counts: records by what became of them.
        warnings: one line each, safe to print.
        seconds: stage → wall time.
    """

    released: Released
    counts: dict[str, int]
    warnings: tuple[str, ...]
    seconds: dict[str, float]


@task(name="ingest", cache_policy=NO_CACHE)
def ingest_sources(inputs: Sequence[str], work: Path, settings: Settings, columns: Mapping[str, str]) -> Ingested:
    """Files → shards of `sources` and `provenance`; what is no document → `rejects`."""
    return ingest(inputs, work, settings, columns)


@task(name="normalize", cache_policy=NO_CACHE)
def normalize_shard(work: Path, shard: str) -> ShardSize:
    """A shard of `sources` and `provenance` → `passages`, `articles`, `evidence`, checked, and perhaps `rejects`."""
    sources = pl.read_parquet(work / "sources" / shard)
    found = normalize(sources, pl.read_parquet(work / "provenance" / shard))
    tables = {"sources": sources, **{name: getattr(found, name) for name in ("passages", "articles", "evidence")}}
    checked = check_shard(tables)
    _write_shard(work, shard, checked, "normalize", [name for name in OF_SHARD if name != "sources"])
    return ShardSize(sources.height, int(sources["byte_count"].sum()))


@task(name="deduplicate", cache_policy=NO_CACHE)
def deduplicate_articles(work: Path, shards: Sequence[str], settings: Settings) -> None:
    """All shards of `articles` and `passages` → what repeats what: the tables of REPEATS."""
    articles, passages = (_files(work, name, shards) for name in ("articles", "passages"))
    found = find_repeats(articles, passages, settings, work / "deduplicate")
    for name in REPEATS:
        _write(getattr(found, name), work / "repeats" / f"{name}.parquet")


@task(name="validate", cache_policy=NO_CACHE)
def validate_repeats(work: Path, shards: Sequence[str]) -> int:
    """The tables of REPEATS → the rows of them that keep their contracts, and `rejects`.

    Hands on how many rows of articles or passages failed. Their sources are taken out of the shards then, and
    deduplication has to look again.
    """
    found = {name: pl.read_parquet(work / "repeats" / f"{name}.parquet") for name in REPEATS}
    articles, passages = (_files(work, name, shards) for name in ("articles", "passages"))
    keys = keys_of(articles, passages, named_passages(found["repeats"], found["overlaps"]))
    checked = check_between(found, keys, lambda: places_of(_files(work, "sources", shards)))
    if checked.fallen.height:
        for shard in shards:
            _drop_fallen(work, shard, checked.fallen)
    else:
        for name in ("overlaps", "relations"):
            _write(getattr(checked, name), work / "repeats" / f"{name}.parquet")
        _write(checked.rejects, work / "rejects" / "deduplicate.parquet")
    return checked.fallen.height


@task(name="count", cache_policy=NO_CACHE)
def count_records(work: Path, shards: Sequence[str], read_count: int, skipped_count: int, settings: Settings) -> Counts:
    """`sources` and `rejects` → what became of the records read."""
    rejects = _rejects(work)
    check_rejects(rejects)
    tables = {"sources": places_of(_files(work, "sources", shards)), "rejects": rejects}
    counts = conservation(tables, read_count, skipped_count)
    check_reject_share(counts, settings)
    return counts.counts()


@task(name="release", cache_policy=NO_CACHE)
def release_shards(
    work: Path, sizes: Mapping[str, ShardSize], lock: Lock, settings: Settings, build: BuildInfo
) -> Released:
    """All shards, in the order of `sizes`, and what repeats what → a release, unless the newest one has those rows."""
    return release_parts(_parts(work, sizes), lock, settings, build)


@flow(
    name="build",
    task_runner=cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=SHARDS_AT_ONCE)),
    validate_parameters=False,
    persist_result=False,
)
def build(
    sources: list[str],
    out: str,
    settings: dict[str, Any],
    columns: dict[str, str],
    release_version: str | None = None,
    release_date: str | None = None,
) -> State[Built]:
    """Turn sources into a release in the folder `out`.

    Returns:
        A state whose data is `Built`, or, when it failed for a reason that a person can act on, the error.
    """
    try:
        built = _build(sources, Path(out), Settings(**settings), columns, release_version, release_date)
    except CopydeskError as error:
        return Failed(message=str(error), data=error)
    _tell(built)
    return Completed(message=f"release {built.released.version}, {built.released.step}", data=built)


def run_build(server: EmbeddedServer | None, **parameters: Any) -> Built:
    """Run the flow `build` and wait for it.

    Args:
        server: used unless Prefect's own settings (the environment, a profile) name another.
        parameters: of the flow.

    Raises:
        CopydeskError: no release came of it.
        NetworkError: the server that Prefect's settings name does not answer.
    """
    if server is None or PREFECT_API_URL.value():
        if server is not None:
            server.stop()
        _check_server()
        return _outcome(build(**parameters, return_state=True))
    server.wait()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        return _outcome(build(**parameters, return_state=True))


def _check_server() -> None:
    """Ask the configured server whether it is there, before a flow fails in the middle of Prefect."""
    with get_client(sync_client=True) as client:
        failure = client.api_healthcheck()
    if failure is not None:
        url = str(PREFECT_API_URL.value()).split("@")[-1]  # without credentials
        raise NetworkError(
            f"Prefect's server at {url} does not answer; start it, or unset PREFECT_API_URL"
        ) from failure


def _outcome(state: Any) -> Built:
    """What the flow left in its last state."""
    left = state.result(raise_on_failure=False)
    if isinstance(left, BaseException):
        raise left
    assert isinstance(left, Built)
    return left


def _build(
    sources: list[str],
    out: Path,
    settings: Settings,
    columns: dict[str, str],
    release_version: str | None,
    release_date: str | None,
) -> Built:
    seconds: dict[str, float] = {}
    with locked(out) as lock, staged(lock) as work:
        with _timed("ingest", seconds):
            found = _done(ingest_sources(sources, work, settings, columns, return_state=True))
        log.info("ingest: %s read, %s rejected", counted(found.read_count, "document"), f"{found.rejected_count:,}")
        if not found.read_count:
            given = ", ".join(sources)
            raise CopydeskError(f"no document found in {given}; nothing was released")
        try:
            with _timed("normalize", seconds):
                sizes = _normalize(work, found)
            counts = _deduplicate(work, found, settings, seconds)
            info = BuildInfo(
                inputs=[Input(file.uri, file.sha256, file.byte_count) for file in found.inputs],
                conservation=counts,
                version=release_version,
                release_date=None if release_date is None else date.fromisoformat(release_date),
            )
            with _timed("release", seconds):
                released = _done(release_shards(work, sizes, lock, settings, info, return_state=True))
        except CopydeskError as error:
            raise _with_rejects(error, work, out) from error
    return Built(released, counts, found.warnings, seconds)


def _normalize(work: Path, found: Ingested) -> dict[str, ShardSize]:
    """All shards, two at a time: shard → its size."""
    progress = Progress("normalize", len(found.shards), found.released_count)
    futures = {shard: normalize_shard.submit(work, shard, return_state=False) for shard in found.shards}
    sizes = {}
    for shard, future in futures.items():
        future.wait()
        sizes[shard] = _done(future.state)
        progress.done(sizes[shard])
    progress.finish()
    return sizes


def _deduplicate(work: Path, found: Ingested, settings: Settings, seconds: dict[str, float]) -> Counts:
    """Look for repeats until all that is found can be released: what became of the records read."""
    skipped_count = sum(found.skipped.values())
    while True:
        with _timed("validate", seconds):
            counts = _done(
                count_records(work, found.shards, found.read_count, skipped_count, settings, return_state=True)
            )
        with _timed("deduplicate", seconds):
            _done(deduplicate_articles(work, found.shards, settings, return_state=True))
        log.info("deduplicate: done in %s", duration(seconds["deduplicate"]))
        with _timed("validate", seconds):
            fallen = _done(validate_repeats(work, found.shards, return_state=True))
        if not fallen:
            return counts
        log.info("validate: %s failed, whose sources are rejected; looking for repeats again", counted(fallen, "row"))


def _parts(work: Path, sizes: Mapping[str, ShardSize]) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows to release, shard by shard, and at last those that belong to no shard."""
    yield {name: TABLES[name].empty() for name in OF_SHARD}
    found = Repeats(**{name: pl.read_parquet(work / "repeats" / f"{name}.parquet") for name in REPEATS})
    progress = Progress("release", len(sizes), sum(size.document_count for size in sizes.values()))
    for shard, size in sizes.items():
        tables = {name: pl.read_parquet(work / name / shard) for name in OF_SHARD}
        tables["articles"], tables["passages"] = with_repeats(tables["articles"], tables["passages"], found)
        yield tables
        progress.done(size)
    yield {"overlaps": found.overlaps, "relations": found.relations, "rejects": _rejects(work)}
    progress.finish()


def _write_shard(work: Path, shard: str, checked: CheckedShard, stage: str, names: Iterable[str]) -> None:
    """Write the tables with these names of a shard, and all of them, with `rejects`, where rows went."""
    for name in names if checked.rejects.is_empty() else OF_SHARD:
        rows = checked.tables[name]
        if name == "articles":
            # All that they say, until repeats are marked: a third of what would be written and read again.
            rows = rows.with_columns(unique_text=pl.lit(None, pl.String))
        _write(rows, work / name / shard)
    if checked.rejects.height:
        _write(checked.rejects, work / "rejects" / f"{stage}-{shard}")


def _drop_fallen(work: Path, shard: str, fallen: pl.DataFrame) -> None:
    """Take the sources of fallen rows out of a shard."""
    tables = {name: pl.read_parquet(work / name / shard) for name in OF_SHARD}
    tables["articles"] = tables["articles"].with_columns(unique_text="text")
    stage = f"fallen-{len(list((work / 'rejects').iterdir()))}"
    _write_shard(work, shard, check_shard(tables, fallen), stage, ())


def _rejects(work: Path) -> pl.DataFrame:
    """All that was turned away, sorted by key."""
    return pl.read_parquet(work / "rejects" / "*.parquet").sort("reject_id")


def _with_rejects(error: CopydeskError, work: Path, out: Path) -> CopydeskError:
    """Keep what was turned away where a person finds it, although there is no release to hold it."""
    rejects = _rejects(work)
    if rejects.is_empty():
        return error
    lines = (json.dumps(row, ensure_ascii=True) for row in rejects.sort("uri", "record").iter_rows(named=True))
    (out / LAST_REJECTS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    first = rejects.sort("uri", "record").row(0, named=True)
    place = first["uri"] if first["record"] is None else f"{first['uri']}, record {first['record']}"
    return type(error)(
        f"{str(error).splitlines()[0]}\n{place}: {first['detail']}\n"
        f"{counted(rejects.height, 'reject')} in {out / LAST_REJECTS}"
    )


def _tell(built: Built) -> None:
    """Show what came of the run where Prefect shows its runs."""
    verdict = "Release" if built.released.is_new else "Nothing changed since release"
    lines = [
        f"**{verdict} {built.released.version}** in {markdown(built.released.path)}",
        "",
        "| records | count |",
        "| --- | ---: |",
        *(f"| {name.replace('_', ' ')} | {count:,} |" for name, count in built.counts.items()),
        "",
        "| stage | seconds |",
        "| --- | ---: |",
        *(f"| {stage} | {seconds:.2f} |" for stage, seconds in built.seconds.items()),
    ]
    create_markdown_artifact(
        key="copydesk-build", description="What a build read and released.", markdown="\n".join(lines)
    )


def _done(state: State[Result]) -> Result:
    """The result of a finished task; its error is raised as it was."""
    return state.result()


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - began


def _write(rows: pl.DataFrame, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(file, compression="lz4", statistics=False)


def _files(work: Path, name: str, shards: Iterable[str]) -> list[Path]:
    """The shards of a table."""
    return [work / name / shard for shard in shards]
