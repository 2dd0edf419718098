"""The Prefect flows: `build`, sources become a release, and `publish`, a release becomes a version on the Hub.

Tasks are thin, few and large: each reads tables that an earlier one wrote to the staging folder, calls one stage, and
writes what comes of it. They hand on paths and counts, never frames, and nothing that Prefect stores is read back.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
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
from prefect import Flow, State, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.deduplicate.stage import deduplicate
from flows.errors import CopydeskError, NetworkError
from flows.ingest.run import Ingested, ingest
from flows.normalize.normalize import normalize
from flows.publish.hub import Published
from flows.publishing import check_release, publish_release
from flows.release.harmless import markdown
from flows.release.manifest import Input
from flows.release.release import BuildInfo, Released, release
from flows.release.staging import Lock, locked, staged
from flows.server import EmbeddedServer
from flows.settings import Settings
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.validate import validate

log = logging.getLogger("copydesk")

# Shards that are normalized at once. polars uses the cores itself; a second shard fills its gaps.
SHARDS_AT_ONCE = 2

# What was turned away by a run that released nothing; under OUT, beside the releases.
LAST_REJECTS = ".rejects.jsonl"

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
def normalize_shard(work: Path, shard: str) -> None:
    """A shard of `sources` and `provenance` → `passages`, `articles`, `evidence`."""
    found = normalize(pl.read_parquet(work / "sources" / shard), pl.read_parquet(work / "provenance" / shard))
    for name in ("passages", "articles", "evidence"):
        _write(getattr(found, name), work / name / shard)


@task(name="deduplicate", cache_policy=NO_CACHE)
def deduplicate_articles(work: Path, settings: Settings) -> None:
    """`articles` + `passages` → the same, knowing what they repeat, `overlaps` and `relations`."""
    found = deduplicate(_read(work / "articles"), _read(work / "passages"), settings)
    for name in ("articles", "passages", "overlaps", "relations"):
        _write(getattr(found, name), work / "deduplicated" / f"{name}.parquet")


@task(name="validate", cache_policy=NO_CACHE)
def validate_tables(work: Path, read_count: int, skipped_count: int, settings: Settings) -> dict[str, int]:
    """All tables → the rows that keep their contracts, and `rejects`; hands on what became of the records read."""
    tables = {
        "sources": _read(work / "sources"),
        "evidence": _read(work / "evidence"),
        "rejects": _read(work / "rejects"),
        **{name: _read(work / "deduplicated" / name) for name in ("articles", "passages", "overlaps", "relations")},
    }
    validated = validate(tables)
    for name, rows in validated.tables.items():
        _write(rows, work / "validated" / f"{name}.parquet")
    counts = conservation(validated.tables, read_count, skipped_count)
    check_reject_share(counts, settings)
    return counts.counts()


@task(name="release", cache_policy=NO_CACHE)
def release_tables(work: Path, lock: Lock, settings: Settings, build: BuildInfo) -> Released:
    """Validated tables → a release, unless the newest one holds the same rows."""
    tables = {file.stem: pl.read_parquet(file) for file in sorted((work / "validated").glob("*.parquet"))}
    return release(tables, lock.out, settings, build, lock)


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


@task(name="verify", cache_policy=NO_CACHE)
def verify_release(release: Path) -> None:
    """A release, before anybody gets to see it."""
    check_release(release)


@task(name="publish", cache_policy=NO_CACHE)
def send_release(release: Path, repo: str, visibility: str | None, *, include_reserved_text: bool) -> Published:
    """A verified release → a version on the Hub. It tries again by itself, so that Prefect need not."""
    return publish_release(release, repo, visibility, include_reserved_text=include_reserved_text)


@flow(name="publish", validate_parameters=False, persist_result=False)
def publish(
    release: str, repo: str, visibility: str | None = None, *, include_reserved_text: bool = False
) -> State[Published]:
    """Publish a release to the Hub; the token comes from the environment or a login, never through a parameter.

    Returns:
        A state whose data is `Published`, or, when it failed for a reason that a person can act on, the error.
    """
    try:
        _done(verify_release(Path(release), return_state=True))
        published = _done(
            send_release(
                Path(release), repo, visibility, include_reserved_text=include_reserved_text, return_state=True
            )
        )
    except CopydeskError as error:
        return Failed(message=str(error), data=error)
    create_markdown_artifact(
        key="copydesk-publish",
        description="What a publication came to.",
        markdown=f"**{published.tag}** in {markdown(published.repository)}: {published.outcome}, "
        f"{published.sent_count:,} files sent, {published.edition} edition, {markdown(published.address)}",
    )
    return Completed(message=f"{published.tag} {published.outcome}", data=published)


def run_build(server: EmbeddedServer | None, **parameters: Any) -> Built:
    """Run the flow `build` and wait for it.

    Args:
        server: used unless Prefect's own settings (the environment, a profile) name another.
        parameters: of the flow.

    Raises:
        CopydeskError: no release came of it.
        NetworkError: the server that Prefect's settings name does not answer.
    """
    built = _run(build, server, parameters)
    assert isinstance(built, Built)
    return built


def run_publish(server: EmbeddedServer | None, **parameters: Any) -> Published:
    """Run the flow `publish` and wait for it; arguments as for `run_build`.

    Raises:
        CopydeskError: as `publish_release`; a NetworkError also where Prefect's server does not answer.
    """
    published = _run(publish, server, parameters)
    assert isinstance(published, Published)
    return published


def _run(one: Flow[..., Any], server: EmbeddedServer | None, parameters: Mapping[str, Any]) -> object:
    """Run a flow on the server that Prefect's settings name, else on the one given."""
    if server is None or PREFECT_API_URL.value():
        if server is not None:
            server.stop()
        _check_server()
        return _outcome(one(**parameters, return_state=True))
    server.wait()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        return _outcome(one(**parameters, return_state=True))


def _check_server() -> None:
    """Ask the configured server whether it is there, before a flow fails in the middle of Prefect."""
    with get_client(sync_client=True) as client:
        failure = client.api_healthcheck()
    if failure is not None:
        url = str(PREFECT_API_URL.value()).split("@")[-1]  # without credentials
        raise NetworkError(
            f"Prefect's server at {url} does not answer; start it, or unset PREFECT_API_URL"
        ) from failure


def _outcome(state: Any) -> object:
    """What the flow left in its last state."""
    left = state.result(raise_on_failure=False)
    if isinstance(left, BaseException):
        raise left
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
        log.info("ingest: %s read, %s rejected", _counted(found.read_count, "document"), found.rejected_count)
        if not found.read_count:
            given = ", ".join(sources)
            raise CopydeskError(f"no document found in {given}; nothing was released")
        try:
            with _timed("normalize", seconds):
                _normalize(work, found.shards)
            with _timed("deduplicate", seconds):
                _done(deduplicate_articles(work, settings, return_state=True))
            log.info("deduplicate: done in %.1f s", seconds["deduplicate"])
            with _timed("validate", seconds):
                skipped_count = sum(found.skipped.values())
                counts = _done(validate_tables(work, found.read_count, skipped_count, settings, return_state=True))
            info = BuildInfo(
                inputs=[Input(file.uri, file.sha256, file.byte_count) for file in found.inputs],
                conservation=counts,
                version=release_version,
                release_date=None if release_date is None else date.fromisoformat(release_date),
            )
            with _timed("release", seconds):
                released = _done(release_tables(work, lock, settings, info, return_state=True))
        except CopydeskError as error:
            raise _with_rejects(error, work, out) from error
    return Built(released, counts, found.warnings, seconds)


def _normalize(work: Path, shards: Sequence[str]) -> None:
    futures = [normalize_shard.submit(work, shard, return_state=False) for shard in shards]
    for done, future in enumerate(futures, start=1):
        future.wait()
        _done(future.state)
        log.info("normalize: %s of %s", done, _counted(len(futures), "shard"))


def _with_rejects(error: CopydeskError, work: Path, out: Path) -> CopydeskError:
    """Keep what was turned away where a person finds it, although there is no release to hold it."""
    folder = work / "validated" / "rejects.parquet"
    rejects = pl.read_parquet(folder) if folder.is_file() else _read(work / "rejects")
    if rejects.is_empty():
        return error
    lines = (json.dumps(row, ensure_ascii=True) for row in rejects.sort("uri", "record").iter_rows(named=True))
    (out / LAST_REJECTS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    first = rejects.sort("uri", "record").row(0, named=True)
    place = first["uri"] if first["record"] is None else f"{first['uri']}, record {first['record']}"
    return type(error)(
        f"{str(error).splitlines()[0]}\n{place}: {first['detail']}\n"
        f"{_counted(rejects.height, 'reject')} in {out / LAST_REJECTS}"
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
    seconds[stage] = time.perf_counter() - began


def _write(rows: pl.DataFrame, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(file, compression="lz4")


def _read(path: Path) -> pl.DataFrame:
    """A table that lies in one file, or in a folder of shards in their order."""
    if path.with_suffix(".parquet").is_file():
        return pl.read_parquet(path.with_suffix(".parquet"))
    files = sorted(path.glob("*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
