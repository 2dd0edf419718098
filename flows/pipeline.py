"""The Prefect flows: `build`, sources become a release, and `publish`, a release becomes a version on the Hub.

Tasks are thin, few and large: each reads tables that an earlier one wrote to the staging folder, calls its stages, and
writes what comes of it. They hand on paths and counts, never frames, and nothing that Prefect stores is read back.

Ingest cuts the sources into shards of bounded size, ranges of their ids. A shard is normalized and checked by itself,
from files to files, and `<work>/<table>/<shard>` holds what comes of it. Deduplication looks at all shards and finds
what repeats what, which is small beside them. The release is then written shard by shard: no step holds the corpus.
"""

import json
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast
from urllib.parse import urlsplit

# Before Prefect and polars are imported: they read their settings then. What the user has set stays.
for _name, _value in {
    # Of polars' allocator (jemalloc): what a shard has freed is kept some seconds for the next one. By default large
    # blocks go back to the system at once and come back page by page; this was measured to spare a third of the faults.
    "_RJEM_MALLOC_CONF": f"narenas:{os.cpu_count() or 1},oversize_threshold:0,dirty_decay_ms:10000",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A fresh database can take longer to set up than the 20 s that are the default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "copydesk",
    # `serve` logs between runs, too: no reason for a warning each time.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}.items():
    os.environ.setdefault(_name, _value)

import httpx
import polars as pl
from prefect import Flow, State, Task, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import CrashedRun, ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from flows.addresses import is_address, shown
from flows.deduplicate.kernels import thread_count
from flows.deduplicate.portions import ON_THREADS as BY_THREADS
from flows.deduplicate.portions import InFiles, Spread, work_off
from flows.deduplicate.stage import Repeats, find_repeats, with_repeats
from flows.errors import CopydeskError, LockedError, NetworkError, UsageError
from flows.inbox import Inbox
from flows.ingest.inputs import FileState
from flows.ingest.run import Ingested, ingest
from flows.mirror import found_in, mirrored
from flows.normalize.normalize import normalize
from flows.progress import Progress, ShardSize
from flows.publish.hub import Published
from flows.publishing import check_release, publish_release
from flows.release import versions
from flows.release.harmless import markdown
from flows.release.manifest import Input, read_manifest
from flows.release.parquet import read_table
from flows.release.ranges import Range, ranges_of_shards
from flows.release.release import BuildInfo, Released, Written, release_written, write_parts
from flows.release.staging import LOCK, Lock, held, locked, reason_of
from flows.runners import LOOPBACK, ON_THREADS, PROCESSES, THREADS, Runner, follow_parent
from flows.server import EmbeddedServer
from flows.settings import Settings
from flows.state import FACTS, STATE, KeptRows, dependencies, facts_of, merged, read_state, write_state
from flows.takedown.requests import Takedown, takedowns_in_force, takedowns_of_manifest
from flows.takedown.stage import TakenDown, take_down_shards
from flows.takedown.stage import warnings_of as takedown_warnings
from flows.validate.between import KEY_COLUMNS, between_failures, keys_of
from flows.validate.conservation import check_reject_share, conservation
from flows.validate.quarantine import quarantine_between, settled
from flows.validate.shards import batches, key_columns, places_of
from flows.validate.validate import (
    OF_SHARD,
    CheckedShard,
    check_shard,
    check_table,
    fallen_of,
)
from flows.wording import counted, duration
from flows.work import read_all_rows, read_rows, shard_files, write_rows
from flows.workplace import Workplace, workplace
from schemas.tables import TABLES

log = logging.getLogger("copydesk")

# Shards that are normalized at once. polars uses the cores itself; a second shard fills its gaps.
SHARDS_AT_ONCE = 2

# What was turned away by a run that released nothing; under OUT, beside the releases.
LAST_REJECTS = ".rejects.jsonl"

# What deduplication finds over all shards.
REPEATS = ("clusters", "repeats", "overlaps", "relations")

# Of these, what is marked in the rows of shards, and by which of its columns it is found.
MARKED = {"clusters": "article_id", "repeats": "passage_id"}
# Folders with rows as they are released; those of ranges have their numbers at the end.
WRITTEN = "written"

# The files of all shards, as names in a workplace.
SHARDS = tuple(f"{name}/" for name in OF_SHARD)

# What a run meets whose server has ended, or forgotten it.
SERVER_LOST = (httpx.HTTPError, CrashedRun, ObjectNotFound)
# A request to a server of the run's own is tried again so often, after 2 s and 4 s: a database that is busy for a
# moment answers then. By default it is 62 s, and a server on loopback that does not answer has ended.
OWN_SERVER_RETRIES = 2

# A scheduler that does not answer within so many seconds is not there.
CONNECT_SECONDS = 15
# How Dask calls a task whose workers died, by the names of its errors: it need not be installed.
LOST = ("KilledWorker", "FutureCancelledError", "CancelledError")

Counts = dict[str, int]
Result = TypeVar("Result")
Given = ParamSpec("Given")


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


def _in_folder(
    reads: Iterable[str], writes: Iterable[str]
) -> Callable[[Callable[Concatenate[Path, Given], Result]], Callable[Concatenate[Workplace, Given], Result]]:
    """Let what works in a folder work at a workplace: `reads` and `writes` as for its method `here`."""

    def decorate(body: Callable[Concatenate[Path, Given], Result]) -> Callable[Concatenate[Workplace, Given], Result]:
        @wraps(body)
        def at_workplace(work: Workplace, /, *arguments: Given.args, **options: Given.kwargs) -> Result:
            with work.here(reads, writes) as folder:
                return body(folder, *arguments, **options)

        return at_workplace

    return decorate


@task(name="ingest", cache_policy=NO_CACHE)
def ingest_sources(
    inputs: Sequence[str],
    work: Workplace,
    settings: Settings,
    columns: Mapping[str, str],
    states: Mapping[Path, FileState | None] | None,
    mirrors: Sequence[Path],
    apart: Sequence[Path],
) -> Ingested:
    """Files → shards of `sources` and `provenance`; what is no document → `rejects`."""
    with work.here((), ("sources/", "provenance/", "rejects/")) as folder:
        return ingest(inputs, folder, settings, columns, states, [found_in(mirror) for mirror in mirrors], apart)


@task(name="state", cache_policy=NO_CACHE)
def read_kept_rows(state: Path) -> KeptRows:
    """What earlier builds made of their sources, as far as it can be taken over."""
    return read_state(state)


@task(name="normalize", cache_policy=NO_CACHE)
def normalize_shard(work: Workplace, shard: str, kept: KeptRows) -> ShardSize:
    """A shard of `sources` and `provenance` → `passages`, `articles`, `evidence`, checked, and perhaps `rejects`.

    What was kept of a source that is as it was is taken over, and passed the gate when it was made. A worker that does
    not see it makes all anew.
    """
    reads = [f"{name}/{shard}" for name in ("sources", "provenance")]
    writes = [*(f"{name}/{shard}" for name in (FACTS, *OF_SHARD)), f"rejects/normalize-{shard}"]
    with work.here(reads, writes) as folder:
        return _normalized(folder, shard, kept if kept.folder.is_dir() else KeptRows(kept.folder))


def _normalized(work: Path, shard: str, kept: KeptRows) -> ShardSize:
    """What `normalize_shard` does, in a folder."""
    sources, provenance = (read_rows(work / name / shard) for name in ("sources", "provenance"))
    facts = facts_of(sources, provenance)
    write_rows(facts, work / FACTS / shard)
    known = kept.tables_of(facts)
    is_known = pl.col("source_id").is_in(known[FACTS]["source_id"].implode())
    fresh = sources.filter(~is_known)
    found = normalize(fresh, provenance.filter(~is_known))
    made = {name: getattr(found, name) for name in ("passages", "articles", "evidence")}
    checked = check_shard({"sources": fresh, **made})
    known["sources"] = sources.filter(is_known)
    tables = {name: merged(name, known[name], rows) for name, rows in checked.tables.items()}
    names = [name for name in OF_SHARD if name != "sources"]
    _write_shard(work, shard, CheckedShard(tables, checked.rejects), "normalize", names)
    return ShardSize(sources.height, int(sources["byte_count"].sum()))


@task(name="state", cache_policy=NO_CACHE)
@_in_folder(reads=(f"{FACTS}/", *SHARDS, "rejects/"), writes=())
def keep_rows(work: Path, state: Path, shards: Sequence[str]) -> None:
    """All shards → what the next build can take over."""
    write_state(state, work, shards)


@task(name="takedown", cache_policy=NO_CACHE)
@_in_folder(reads=SHARDS, writes=(*SHARDS, "rejects/", "tombstones.parquet"))
def take_down_sources(work: Path, shards: Sequence[str], takedowns: Sequence[Takedown], out: Path) -> TakenDown:
    """All shards → the same without what was taken down, and `tombstones`, those of the newest release included."""
    taken = take_down_shards(work, shards, takedowns, _earlier_tombstones(out))
    for shard in taken.shards:
        _write_shard(work, shard, _checked_again(work, shard), "takedown", ())
    return taken


@task(name="deduplicate", cache_policy=NO_CACHE)
@_in_folder(reads=("articles/", "passages/"), writes=("repeats/",))
def deduplicate_articles(work: Path, shards: Sequence[str], settings: Settings) -> None:
    """All shards of `articles` and `passages` → what repeats what: the tables of REPEATS."""
    write_repeats(work, shards, settings, BY_THREADS)


@task(name="deduplicate", cache_policy=NO_CACHE)
def deduplicate_portion(portion: Path) -> None:
    """A portion of the search for repeats, from file to file."""
    work_off(portion)


def write_repeats(work: Path, shards: Sequence[str], settings: Settings, spread: Spread) -> None:
    """What `deduplicate_articles` does."""
    articles, passages = (shard_files(work, name, shards) for name in ("articles", "passages"))
    with tempfile.TemporaryDirectory(dir=work, prefix=".deduplicate-") as folder:
        found = find_repeats(articles, passages, settings, Path(folder), spread)
    for name in REPEATS:
        write_rows(getattr(found, name), work / "repeats" / f"{name}.parquet")


@task(name="validate", cache_policy=NO_CACHE)
@_in_folder(reads=(*SHARDS, "rejects/", "repeats/", "tombstones.parquet"), writes=(*SHARDS, "rejects/", "repeats/"))
def validate_repeats(work: Path, shards: Sequence[str]) -> int:
    """The tables of REPEATS → the rows of them that keep their contracts, and `rejects`.

    Hands on how many rows of articles or passages failed. Their sources are taken out of the shards then, and
    deduplication has to look again.
    """
    files = {name: work / "repeats" / f"{name}.parquet" for name in REPEATS}
    keys = keys_of(key_columns({name: shard_files(work, name, shards) for name in KEY_COLUMNS}))
    clusters, relations = (read_rows(files[name]).with_row_index("row") for name in ("clusters", "relations"))
    failures = between_failures(clusters, batches(files["repeats"]), batches(files["overlaps"]), relations, keys)
    if failures.is_empty():
        return 0
    repeats, overlaps = (read_rows(files[name]).with_row_index("row") for name in ("repeats", "overlaps"))
    fallen = pl.concat([fallen_of(failures, clusters, "articles"), fallen_of(failures, repeats, "passages")])
    if fallen.height:
        for shard in shards:
            _drop_fallen(work, shard, fallen)
    else:
        found = {"overlaps": overlaps, "relations": relations}
        kept = quarantine_between(found, failures, keys, places_of(shard_files(work, "sources", shards)))
        check_table("rejects", kept.rejects)
        for name, rows in kept.tables.items():
            write_rows(rows, files[name])
        write_rows(kept.rejects, work / "rejects" / "deduplicate.parquet")
    return fallen.height


@task(name="count", cache_policy=NO_CACHE)
@_in_folder(reads=("sources/", "rejects/", "tombstones.parquet"), writes=())
def count_records(
    work: Path, shards: Sequence[str], read_count: int, skipped_count: int, taken_down_count: int, settings: Settings
) -> Counts:
    """`sources`, `rejects` and `tombstones` → what became of the records read."""
    rejects, tombstones = _rejects(work), _tombstones(work)
    check_table("rejects", rejects)
    check_table("tombstones", tombstones)
    tables = {"sources": places_of(shard_files(work, "sources", shards)), "rejects": rejects, "tombstones": tombstones}
    counts = conservation(tables, read_count, skipped_count, taken_down_count)
    check_reject_share(counts, settings)
    return counts.counts()


@task(name="release", cache_policy=NO_CACHE)
def write_range(work: Workplace, part: Range, settings: Settings) -> Written:
    """The rows of a range of ids in all shards, and what repeats what → files of the release, in `written-<range>`."""
    reads = [f"{name}/{shard}" for name in OF_SHARD for shard in part.shards]
    with work.here([*reads, *(f"repeats/{name}.parquet" for name in MARKED)], (f"{_written(part)}/",)) as folder:
        return _write_parts(folder, _written(part), _parts_of(folder, part), settings, part.count)


@task(name="release", cache_policy=NO_CACHE)
@_in_folder(reads=("sources/", "rejects/", "repeats/", "tombstones.parquet"), writes=(f"{WRITTEN}/",))
def write_others(work: Path, settings: Settings) -> Written:
    """The tables that are not cut into ranges → files of the release, in `written`."""
    return _write_parts(work, WRITTEN, _other_parts(work), settings, 1)


@task(name="release", cache_policy=NO_CACHE)
def release_tables(
    work: Workplace, written: Mapping[str, Written], lock: Lock, settings: Settings, build: BuildInfo
) -> Released:
    """What was written, by its folders → a release, unless the newest one has those rows."""
    with work.here([f"{name}/" for name in written], ()) as folder:
        return release_written([(folder / name, part) for name, part in written.items()], lock, settings, build)


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
    takedowns: str | None = None,
    state: str | None = None,
    work: str | None = None,
    runner: str = THREADS,
    scheduler: str | None = None,
) -> State[Built]:
    """Turn sources into a release in the folder `out`; `state` is where builds keep what makes the next ones faster.

    `runner` and `scheduler` say where tasks are worked off, and `work` where their tables lie meanwhile.

    Returns:
        A state whose data is `Built`, or, when it failed for a reason that a person can act on, the error.
    """
    try:
        built = build_release(
            sources,
            Path(out),
            Settings(**settings),
            columns,
            release_version,
            release_date,
            takedowns,
            None if state is None else Path(state),
            runner=Runner.of(runner, scheduler),
            place=work,
        )
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
        published = verify_and_send(Path(release), repo, visibility, include_reserved_text=include_reserved_text)
    except CopydeskError as error:
        return Failed(message=str(error), data=error)
    _leave_artifact(
        "copydesk-publish",
        "What a publication came to.",
        f"**{published.tag}** in {markdown(published.repository)}: {published.outcome}, "
        f"{published.sent_count:,} files sent, {published.edition} edition, {markdown(published.address)}",
    )
    return Completed(message=f"{published.tag} {published.outcome}", data=published)


def verify_and_send(release: Path, repo: str, visibility: str | None, *, include_reserved_text: bool) -> Published:
    """What `publish` does, inside whatever flow is running.

    Raises:
        CopydeskError: as `publish_release`.
    """
    _done(verify_release(release, return_state=True))
    return _done(
        send_release(release, repo, visibility, include_reserved_text=include_reserved_text, return_state=True)
    )


def run_build(server: EmbeddedServer | None, **parameters: Any) -> Built:
    """Run the flow `build` and wait for it.

    Args:
        server: used unless Prefect's own settings (the environment, a profile) name another.
        parameters: of the flow.

    Raises:
        CopydeskError: no release came of it.
        NetworkError: Prefect's server does not answer, or has ended in the middle; it says whether there is a release.
    """
    out = Path(parameters["out"])
    before = versions.newest(out)
    try:
        built = _run(build, server, parameters)
    except SERVER_LOST as error:
        newest = versions.newest(out)
        came = "nothing was released" if newest in (None, before) else f"release {newest.name} is whole, in {newest}"
        raise NetworkError(f"Prefect's server has ended in the middle of the build ({_kind(error)}); {came}") from error
    assert isinstance(built, Built)
    return built


def run_publish(server: EmbeddedServer | None, **parameters: Any) -> Published:
    """Run the flow `publish` and wait for it; arguments as for `run_build`.

    Raises:
        CopydeskError: as `publish_release`; a NetworkError also where Prefect's server does not answer.
    """
    try:
        published = _run(publish, server, parameters)
    except SERVER_LOST as error:
        raise NetworkError(
            f"Prefect's server has ended in the middle of the publication ({_kind(error)}); run it again: what is on "
            "the Hub is not sent twice"
        ) from error
    assert isinstance(published, Published)
    return published


def _kind(error: BaseException) -> str:
    return type(error).__name__


def _run(one: Flow[..., Any], server: EmbeddedServer | None, parameters: Mapping[str, Any]) -> object:
    """Run a flow on the server that Prefect's settings name, else on the one given."""
    if server is None or PREFECT_API_URL.value():
        if server is not None:
            server.stop()
        check_server()
        return _outcome(one(**parameters, return_state=True))
    server.wait()
    # Of events, too, each is tried ten times by default.
    EventsWorker.set_client_override(PrefectEventsClient, api_url=server.api_url, reconnection_attempts=1)
    with temporary_settings({PREFECT_API_URL: server.api_url, PREFECT_CLIENT_MAX_RETRIES: OWN_SERVER_RETRIES}):
        try:
            return _outcome(one(**parameters, return_state=True))
        finally:
            EventsWorker.set_client_override(None)
            if server.is_running:
                # Logs go out in batches: Prefect would try to send the last one when the server has gone.
                APILogHandler().flush()


def check_server() -> None:
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


def build_release(
    sources: Sequence[str],
    out: Path,
    settings: Settings,
    columns: dict[str, str],
    release_version: str | None,
    release_date: str | None,
    takedowns: str | None,
    state: Path | None = None,
    inbox: Inbox | None = None,
    runner: Runner = ON_THREADS,
    place: str | None = None,
) -> Built:
    """What `build` does, inside whatever flow is running.

    Args:
        sources: files, folders, patterns or addresses.
        out: folder of releases.
        settings: all settings in force.
        columns: our column of a record → its name in the containers, where they differ.
        release_version: the version wished for.
        release_date: the release's date, as YYYY-MM-DD.
        takedowns: file with what must not be released; by default those beside the documents.
        state: folder of what earlier builds made, by default in `out`.
        inbox: what was found in the sources, if somebody has looked; nothing else is read then.
        runner: where tasks are worked off.
        place: where the tables that they pass on lie meanwhile, a folder or an address; by default in `out`.

    Raises:
        CopydeskError: no release came of it.
    """
    seconds: dict[str, float] = {}
    state = out / STATE if state is None else state
    with (
        locked(out) as lock,
        _locked_state(state, out),
        workplace(lock, place) as work,
        _workers(runner) as workers,
        ExitStack() as stack,
    ):
        if inbox is None:
            with _timed("fetch", seconds) if any(map(is_address, sources)) else nullcontext():
                inputs = stack.enter_context(mirrored(sources, out))
            if inputs.missing:
                raise CopydeskError(f"{inputs.missing[0]}: nothing is there; check the address")
        else:
            inputs = inbox.inputs
        states = None if inbox is None else inbox.ready
        with _timed("ingest", seconds):
            found = _done(
                ingest_sources(
                    inputs.local, work, settings, columns, states, inputs.mirrors, (out, state), return_state=True
                )
            )
        log.info("ingest: %s read, %s rejected", counted(found.read_count, "document"), f"{found.rejected_count:,}")
        if not found.read_count:
            given = ", ".join(shown(source) if is_address(source) else source for source in sources)
            raise CopydeskError(f"no document found in {given}; nothing was released")
        newest = versions.newest(out)
        earlier = [] if newest is None else read_manifest(newest).get("takedowns", [])
        in_force = takedowns_in_force(None if takedowns is None else Path(takedowns), found.folders, earlier)
        if inbox is not None:
            inbox.check_beside(found.folders)
        try:
            with _timed("state", seconds):
                kept = _done(read_kept_rows(state, return_state=True))
            with _timed("normalize", seconds):
                _normalize(work, found, kept, workers)
            with _timed("takedown", seconds):
                taken = _done(take_down_sources(work, found.shards, in_force, out, return_state=True))
            if taken.source_count:
                log.info("takedown: %s", counted(taken.source_count, "source"))
            with _timed("state", seconds):
                unkept = _keep(state, work, found.shards)
            counts = _deduplicate(work, found, taken, settings, seconds, workers)
            info = BuildInfo(
                inputs=[Input(file.uri, file.sha256, file.byte_count) for file in found.inputs],
                conservation=counts,
                version=release_version,
                release_date=None if release_date is None else date.fromisoformat(release_date),
                columns=columns,
                takedowns=[one.as_stated() for one in in_force],
                provenance_inputs=[Input(file.uri, file.sha256, file.byte_count) for file in found.provenance_inputs],
            )
            with _timed("release", seconds):
                written = _write(work, found.shards, settings, workers)
                released = _done(release_tables(work, written, lock, settings, info, return_state=True))
            log.info("release: %s in %s", counted(counts["released"], "document"), duration(seconds["release"]))
        except CopydeskError as error:
            raise _with_rejects(error, work.folder, out) from error
        stale = _without_last_rejects(out)
        held = takedowns_of_manifest(read_manifest(released.path).get("takedowns", []))
        idle = takedown_warnings(in_force, taken, {one.target for one in held})
    return Built(released, counts, (*found.warnings, *kept.warnings, *idle, *unkept, *stale), seconds)


@dataclass(frozen=True)
class Workers:
    """Those who work off the tasks that are handed out shard by shard.

    Attributes:
        runner: which they are.
        pool: of Prefect; None for the threads of the flow itself.
    """

    runner: Runner
    pool: "TaskRunner[PrefectFuture[Any]] | None" = None

    def submit(self, one: "Task[..., Result]", **parameters: Any) -> PrefectFuture[Result]:
        """Hand out a task."""
        if self.pool is None:
            return one.submit(**parameters, return_state=False)
        return self.pool.submit(one, parameters)

    def result(self, future: PrefectFuture[Result]) -> Result:
        """Wait for what a task comes to; its error is raised as it was.

        Raises:
            CopydeskError: its worker died, or does not see the files of the run.
        """
        if self.pool is None:
            future.wait()
            return _done(cast("State[Result]", future.state))
        try:
            result: Result = future.result()
        except FileNotFoundError as error:
            if self.runner.scheduler is None:
                raise
            raise CopydeskError(
                f"a worker does not find {error.filename or 'a file of this run'}: --out or --work must be a folder "
                "that all machines share under one path, or --work the address of a store"
            ) from error
        except Exception as error:
            if not isinstance(error, BrokenProcessPool) and type(error).__name__ not in LOST:
                raise
            raise CopydeskError(
                "a worker was killed, ran out of memory or cannot be reached; nothing was released. Smaller shards "
                "need less memory: --set shard_bytes=16_000_000"
            ) from error
        return result


class Processes(ProcessPoolTaskRunner):
    """Prefect's pool of processes, whose reports go to the server of the run.

    The thread that takes them would go by the settings that Prefect was imported with, and start a server of its own.
    """

    def __enter__(self) -> Self:
        """Start it in the settings of whoever asks."""
        self._settings = copy_context()
        return super().__enter__()

    def _forward_subprocess_messages(self) -> None:
        self._settings.run(super()._forward_subprocess_messages)


@contextmanager
def _workers(runner: Runner) -> Iterator[Workers]:
    """Workers for the time of a run; when it ends early they do not finish what they are at.

    Raises:
        NetworkError: the scheduler of the cluster does not answer.
    """
    if runner.name == THREADS:
        yield Workers(runner)
    elif runner.name == PROCESSES:
        others = set(multiprocessing.active_children())
        with Processes(max_workers=thread_count(), initializer=follow_parent) as pool:
            try:
                yield Workers(runner, cast("TaskRunner[PrefectFuture[Any]]", pool))
            except BaseException:
                for child in set(multiprocessing.active_children()) - others:
                    child.terminate()
                raise
    else:
        with _dask(runner) as cluster:
            yield Workers(runner, cluster)


@contextmanager
def _dask(runner: Runner) -> Iterator[TaskRunner[PrefectFuture[Any]]]:
    """A Dask cluster: the one that is named, else one of a process a core on this machine.

    Raises:
        NetworkError: the scheduler does not answer.
        UsageError: workers on other machines could not reach Prefect's server.
    """
    if runner.is_elsewhere and urlsplit(str(PREFECT_API_URL.value())).hostname in LOOPBACK:
        raise UsageError(
            "workers on other machines need a Prefect server that they reach: start one with prefect server start "
            "--host 0.0.0.0, and set PREFECT_API_URL"
        )
    import distributed
    from prefect_dask.task_runners import DaskTaskRunner

    # A worker that ends in the middle is no news: its task is run again.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="copydesk-dask-") as folder:
        here = {"n_workers": thread_count(), "threads_per_worker": 1, "host": "127.0.0.1"}
        here |= {"dashboard_address": None, "local_directory": folder}
        options = {"cluster_kwargs": here} if runner.scheduler is None else {"address": runner.scheduler}
        with DaskTaskRunner(**options, client_kwargs={"timeout": CONNECT_SECONDS}) as cluster:
            try:
                cluster.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            except (OSError, distributed.TimeoutError) as error:
                place = f"at {runner.scheduler} " if runner.scheduler else ""
                raise NetworkError(f"Dask's scheduler {place}does not answer, or has no workers") from error
            _check_workers(cluster.client)
            yield cluster


def _check_workers(client: Any) -> None:
    """Ask the workers of a Dask cluster what they run: the same bytes come of the same code and libraries only.

    Raises:
        CopydeskError: one of them runs something else.
    """
    try:
        found = client.run(dependencies)
    except ImportError as error:
        raise CopydeskError("a worker cannot import copydesk: install it there, with the same lock file") from error
    own = dependencies()
    for worker, its in sorted(found.items()):
        others = [name for name, version in own.items() if its.get(name) != version]
        if others:
            raise CopydeskError(
                f"worker {worker} differs in {', '.join(others)}: install the same code and the same lock file there"
            )


@contextmanager
def _locked_state(state: Path, out: Path) -> Iterator[None]:
    """Hold the lock on the folder of the state: two folders of releases may have one state.

    Raises:
        UsageError: it would lie among the releases.
        LockedError: another run holds the lock.
    """
    place, releases = state.resolve(), out.resolve()
    if place == releases or (
        place.is_relative_to(releases) and not place.relative_to(releases).parts[0].startswith(".")
    ):
        raise UsageError(f"the state cannot lie in {state}: only releases and hidden files are in {out}")
    with ExitStack() as stack:
        try:
            stack.enter_context(held(state, LOCK))
        except LockedError:
            raise
        except CopydeskError as error:
            # It may not be writable: then the next build takes longer, which `_keep` says, and nothing else.
            log.debug("%s", error)
        yield


def _keep(state: Path, work: Workplace, shards: Sequence[str]) -> tuple[str, ...]:
    """Keep what the next build can take over; a warning if that cannot be written, which spoils no release."""
    try:
        _done(keep_rows(work, state, shards, return_state=True))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = reason_of(error)
        if reason is None:
            raise  # no matter of the disk
        return (f"cannot write the state to {state}: {reason}; the next build will take longer",)
    return ()


def _earlier_tombstones(out: Path) -> pl.DataFrame:
    """The tombstones of the newest release; none where there is no release, or it has no such table."""
    newest = versions.newest(out)
    if newest is None or "tombstones" not in read_manifest(newest)["tables"]:
        return TABLES["tombstones"].empty()
    return read_table(newest, "tombstones")


def _normalize(work: Workplace, found: Ingested, kept: KeptRows, workers: "Workers") -> None:
    """All shards, some at a time."""
    progress = Progress("normalize", len(found.shards), found.released_count)
    for future in [workers.submit(normalize_shard, work=work, shard=shard, kept=kept) for shard in found.shards]:
        progress.done(workers.result(future))
    progress.finish()


def _deduplicate(
    work: Workplace,
    found: Ingested,
    taken: TakenDown,
    settings: Settings,
    seconds: dict[str, float],
    workers: "Workers",
) -> Counts:
    """Look for repeats until all that is found can be released: what became of the records read."""
    met = found.read_count, sum(found.skipped.values()), taken.source_count
    while True:
        with _timed("validate", seconds):
            counts = _done(count_records(work, found.shards, *met, settings, return_state=True))
        with _timed("deduplicate", seconds):
            # Portions of the search share files that are written in place, as no store has them.
            if workers.pool is None or work.address is not None:
                _done(deduplicate_articles(work, found.shards, settings, return_state=True))
            else:
                _deduplicate_by(workers, work.folder, found.shards, settings)
        log.info("deduplicate: done in %s", duration(seconds["deduplicate"]))
        with _timed("validate", seconds):
            fallen = _done(validate_repeats(work, found.shards, return_state=True))
        if not fallen:
            return counts
        log.info("validate: %s failed, whose sources are rejected; looking for repeats again", counted(fallen, "row"))


def _deduplicate_by(workers: "Workers", work: Path, shards: Sequence[str], settings: Settings) -> None:
    """What `deduplicate_articles` does, by workers that see the work folder."""

    def run(portions: Sequence[Path]) -> None:
        futures = [workers.submit(deduplicate_portion, portion=portion) for portion in portions]
        for future in futures:
            workers.result(future)

    with tempfile.TemporaryDirectory(dir=work, prefix=".portions-") as folder:
        write_repeats(work, shards, settings, InFiles(Path(folder), run))


def _write(work: Workplace, shards: Sequence[str], settings: Settings, workers: "Workers") -> dict[str, Written]:
    """All rows as they are released, by whoever works off the tasks: folder → what was written into it."""
    with work.here(("sources/",)) as folder:
        sizes = {shard: read_rows(folder / "sources" / shard, ["source_id", "byte_count"]) for shard in shards}
    parts = ranges_of_shards(sizes, settings)
    progress = Progress("release", len(parts), sum(part.document_count for part in parts), "range")
    futures = [workers.submit(write_range, work=work, part=part, settings=settings) for part in parts]
    # Meanwhile, and here, where all that they are made of lies.
    written = {WRITTEN: _done(write_others(work, settings, return_state=True))}
    for part, future in zip(parts, futures, strict=True):
        written[_written(part)] = workers.result(future)
        progress.done(ShardSize(part.document_count, part.byte_count))
    return written


def _written(part: Range) -> str:
    return f"{WRITTEN}-{part.number:03}"


def _write_parts(
    work: Path, name: str, parts: Iterator[dict[str, pl.DataFrame]], settings: Settings, ranges: int
) -> Written:
    """Write rows into a folder of the workplace, all at once for who comes to look: another may do the same."""
    with tempfile.TemporaryDirectory(dir=work, prefix=f".{name}-") as folder:
        written = write_parts(parts, Path(folder), settings, ranges)
        (work / name).mkdir(exist_ok=True)
        for file in Path(folder).iterdir():
            file.replace(work / name / file.name)
    return written


def _parts_of(work: Path, part: Range) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of a range, shard by shard."""
    clusters, repeats = (
        pl.scan_parquet(work / "repeats" / f"{name}.parquet", glob=False).filter(part.has(pl.col(key))).collect()
        for name, key in MARKED.items()
    )
    found = Repeats(clusters, repeats, TABLES["overlaps"].empty(), TABLES["relations"].empty())
    for shard in part.shards:
        tables = {name: part.rows_of(name, read_rows(work / name / shard)) for name in OF_SHARD}
        tables["articles"], tables["passages"] = with_repeats(tables["articles"], tables["passages"], found)
        yield tables
        # Whoever writes a table lets go of it when it is written, while the next ones are read here.
        del tables


def _other_parts(work: Path) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of the tables that are not cut into ranges."""
    files = {name: work / "repeats" / f"{name}.parquet" for name in REPEATS}
    yield from ({"overlaps": rows.drop("row")} for rows in batches(files["overlaps"]))
    yield {"relations": read_rows(files["relations"]), "rejects": _rejects(work), "tombstones": _tombstones(work)}


def _write_shard(work: Path, shard: str, checked: CheckedShard, stage: str, names: Iterable[str]) -> None:
    """Write the tables with these names of a shard, and all of them, with `rejects`, where rows went."""
    for name in names if checked.rejects.is_empty() else OF_SHARD:
        rows = checked.tables[name]
        if name == "articles":
            # All that they say, until repeats are marked: a third of what would be written and read again.
            rows = rows.with_columns(unique_text=pl.lit(None, pl.String))
        write_rows(rows, work / name / shard)
    if checked.rejects.height:
        write_rows(checked.rejects, work / "rejects" / f"{stage}-{shard}")


def _drop_fallen(work: Path, shard: str, fallen: pl.DataFrame) -> None:
    """Take the sources of fallen rows out of a shard."""
    stage = f"fallen-{len(list((work / 'rejects').iterdir()))}"
    _write_shard(work, shard, _checked_again(work, shard, fallen), stage, ())


def _checked_again(work: Path, shard: str, fallen: pl.DataFrame | None = None) -> CheckedShard:
    """What of a shard that was written passes the gate after something was taken out of it, or in spite of `fallen`."""
    tables = {name: read_rows(work / name / shard) for name in OF_SHARD}
    tables["articles"] = tables["articles"].with_columns(unique_text="text")
    return check_shard(tables, fallen, _tombstones(work))


def _rejects(work: Path) -> pl.DataFrame:
    """All that was turned away, as it reads with the sources that are left, sorted by key."""
    rejects = read_all_rows(work / "rejects")
    if rejects["table"].null_count() == rejects.height:
        return rejects.sort("reject_id")  # nothing but inputs, of which there may be no source
    return settled(rejects, read_all_rows(work / "sources", ["source_id"])["source_id"])


def _tombstones(work: Path) -> pl.DataFrame:
    """What was taken down, sorted by key."""
    return read_rows(work / "tombstones.parquet")


def _with_rejects(error: CopydeskError, work: Path, out: Path) -> CopydeskError:
    """Keep what was turned away where a person finds it, although there is no release to hold it.

    Returns:
        The error that stopped the run, with what was turned away first, and where the rest is.
    """
    rejects = _rejects(work).sort("uri", "record", "reject_id")
    if rejects.is_empty():
        return error
    file = out / LAST_REJECTS
    lines = (json.dumps(row, ensure_ascii=True) for row in rejects.iter_rows(named=True))
    try:
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
        where = f"in {file}"
    except OSError as unwritten:
        where = f"that cannot be written to {file}: {reason_of(unwritten)}"
    first = rejects.row(0, named=True)
    place = first["uri"] if first["record"] is None else f"{first['uri']}, record {first['record']}"
    return type(error)(
        f"{str(error).splitlines()[0]}\n{place}: {first['detail']}\n{counted(rejects.height, 'reject')} {where}"
    )


def _without_last_rejects(out: Path) -> tuple[str, ...]:
    """Remove what a run that failed left, now that a release says what was turned away; a warning if it stays."""
    try:
        (out / LAST_REJECTS).unlink(missing_ok=True)
    except OSError as error:
        return (f"cannot remove {out / LAST_REJECTS}: {reason_of(error)}; it tells of an earlier run",)
    return ()


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
    _leave_artifact("copydesk-build", "What a build read and released.", "\n".join(lines))


def _leave_artifact(key: str, description: str, text: str) -> None:
    """Leave a page of Markdown; a server that does not take it costs a line in the log, never the run."""
    try:
        create_markdown_artifact(key=key, description=description, markdown=text)
    except httpx.HTTPError as error:
        log.warning("Prefect's server took no artifact: %s", _kind(error))


def _done(state: State[Result]) -> Result:
    """The result of a finished task; its error is raised as it was."""
    return state.result()


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - began
