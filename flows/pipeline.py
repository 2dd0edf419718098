"""The Prefect flows: `build`, sources become a release, and `publish`, a release becomes a version on the Hub.

Tasks are thin, few and large: each reads tables that an earlier one wrote to the staging folder, and writes what comes
of them, as `flows/steps.py` says. They hand on paths and counts, never frames, and nothing that Prefect stores is read
back.

Ingest cuts the sources into shards of bounded size, ranges of their ids. A shard is normalized and checked by itself,
from files to files, and `<work>/<table>/<shard>` holds what comes of it. Deduplication looks at all shards and finds
what repeats what, which is small beside them. The release is then written in ranges of ids, each shard by shard: no
step holds the corpus.
"""

import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Self, TypeVar, cast
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
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.states import Completed, Failed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from flows import steps
from flows.addresses import is_address, shown
from flows.deduplicate.kernels import COMPILE_FROM_BYTES, load_kernels, thread_count
from flows.deduplicate.portion_files import files_of
from flows.deduplicate.portions import ON_THREADS as BY_THREADS
from flows.deduplicate.portions import InFiles, result_of, work_off
from flows.errors import AllRejectedError, CopydeskError, LockedError, NetworkError, UsageError
from flows.inbox import Inbox
from flows.ingest.inputs import FileState, may_hold
from flows.ingest.run import Ingested, ingest
from flows.mirror import found_in, mirrored
from flows.progress import Progress, ShardSize
from flows.publish.hub import Published
from flows.publishing import check_release, publish_release
from flows.release import versions
from flows.release.harmless import markdown
from flows.release.manifest import Input, read_manifest
from flows.release.ranges import Range, ranges_of_shards
from flows.release.release import BuildInfo, Released, Written, release_written
from flows.release.staging import LOCK, Lock, held, locked, reason_of
from flows.runners import LOOPBACK, ON_THREADS, PROCESSES, THREADS, Runner, follow_parent
from flows.server import EmbeddedServer
from flows.settings import Settings
from flows.state import FACTS, STATE, KeptRows, dependencies, read_state, write_state
from flows.takedown.requests import Takedown, takedowns_in_force, takedowns_of_manifest
from flows.takedown.stage import TakenDown
from flows.takedown.stage import warnings_of as takedown_warnings
from flows.validate.validate import (
    OF_SHARD,
)
from flows.wording import counted, duration
from flows.workplace import Workplace, workplace

log = logging.getLogger("copydesk")

# Shards that are normalized at once. polars uses the cores itself; a second shard fills its gaps.
SHARDS_AT_ONCE = 2

# The files of all shards, as names in a workplace.
SHARDS = tuple(f"{name}/" for name in OF_SHARD)

# What a run meets whose server has ended, or forgotten it.
SERVER_LOST = (httpx.HTTPError, CrashedRun, ObjectNotFound)
# A request to a server of the run's own is tried again so often, after 2 s and 4 s: a database that is busy for a
# moment answers then. By default it is 62 s, and a server on loopback that does not answer has ended.
OWN_SERVER_RETRIES = 2

# What Prefect imports when a flow and a task first run: it can be had while a server of the run's own comes up.
FIRST_IMPORTS = ("prefect.flow_engine", "prefect.task_engine", "fastapi")

# A scheduler that does not answer within so many seconds is not there.
CONNECT_SECONDS = 15
# How Dask calls a task whose workers died, by the names of its errors: it need not be installed.
LOST = ("KilledWorker", "FutureCancelledError", "CancelledError")

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
    """A shard of `sources` and `provenance` → `passages`, `articles`, `evidence`, checked, and perhaps `rejects`."""
    reads = [f"{name}/{shard}" for name in ("sources", "provenance")]
    writes = [*(f"{name}/{shard}" for name in (FACTS, *OF_SHARD)), f"rejects/normalize-{shard}"]
    with work.here(reads, writes) as folder:
        return steps.normalize_shard(folder, shard, kept)


@task(name="state", cache_policy=NO_CACHE)
def keep_rows(work: Workplace, state: Path, shards: Sequence[str]) -> None:
    """All shards → what the next build can take over."""
    with work.here((f"{FACTS}/", *SHARDS, "rejects/")) as folder:
        write_state(state, folder, shards)


@task(name="takedown", cache_policy=NO_CACHE)
def take_down_sources(work: Workplace, shards: Sequence[str], takedowns: Sequence[Takedown], out: Path) -> TakenDown:
    """All shards → the same without what was taken down, and `tombstones`."""
    with work.here(SHARDS, (*SHARDS, "rejects/", "tombstones.parquet")) as folder:
        return steps.take_down_sources(folder, shards, takedowns, out)


@task(name="deduplicate", cache_policy=NO_CACHE)
def deduplicate_articles(work: Workplace, shards: Sequence[str], settings: Settings) -> None:
    """All shards of `articles` and `passages` → what repeats what, in `repeats`."""
    with work.here(("articles/", "passages/"), ("repeats/",)) as folder:
        steps.write_repeats(folder, shards, settings, BY_THREADS)


@task(name="deduplicate", cache_policy=NO_CACHE)
def deduplicate_portion(work: Workplace, portion: str) -> None:
    """A portion of the search for repeats, from file to file."""
    with work.here(files_of(portion), files_of(result_of(portion))) as folder:
        work_off(folder, portion, work)


@task(name="validate", cache_policy=NO_CACHE)
def validate_repeats(work: Workplace, shards: Sequence[str]) -> int:
    """What repeats what → what of it keeps its contracts, and `rejects`; hands on how many sources' rows failed."""
    reads = (*SHARDS, "rejects/", "repeats/", "tombstones.parquet")
    with work.here(reads, (*SHARDS, "rejects/", "repeats/")) as folder:
        return steps.validate_repeats(folder, shards)


@task(name="count", cache_policy=NO_CACHE)
def count_records(
    work: Workplace,
    shards: Sequence[str],
    read_count: int,
    skipped_count: int,
    taken_down_count: int,
    settings: Settings,
) -> dict[str, int]:
    """`sources`, `rejects` and `tombstones` → what became of the records read."""
    with work.here(("sources/", "rejects/", "tombstones.parquet")) as folder:
        return steps.count_records(folder, shards, read_count, skipped_count, taken_down_count, settings)


@task(name="release", cache_policy=NO_CACHE)
def write_range(work: Workplace, part: Range, settings: Settings) -> Written:
    """The rows of a range of ids, and what repeats what → files of the release, in a folder for each range."""
    reads = [f"{name}/{shard}" for name in OF_SHARD for shard in part.shards]
    reads += [f"repeats/{name}.parquet" for name in steps.MARKED]
    with work.here(reads, (f"{steps.written_folder(part)}/",)) as folder:
        return steps.write_range(folder, part, settings)


@task(name="release", cache_policy=NO_CACHE)
def write_others(work: Workplace, settings: Settings) -> Written:
    """The tables that are not cut into ranges → files of the release, in `written`."""
    with work.here(("sources/", "rejects/", "repeats/", "tombstones.parquet"), (f"{steps.WRITTEN}/",)) as folder:
        return steps.write_others(folder, settings)


@task(name="release", cache_policy=NO_CACHE)
def release_tables(
    work: Workplace, written: Mapping[str, Written], lock: Lock, settings: Settings, build: BuildInfo
) -> Released:
    """What was written, by its folders → a release, unless the newest one has those rows."""
    with work.here([f"{name}/" for name in written]) as folder:
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
    settings = {
        PREFECT_API_URL: server.api_url,
        PREFECT_CLIENT_MAX_RETRIES: OWN_SERVER_RETRIES,
        # Nobody waits for signs of life on a server that ends with the run, and a flow's end waits up to a second for
        # the thread that gives them.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    # Of events, too, each is tried ten times by default.
    EventsWorker.set_client_override(PrefectEventsClient, api_url=server.api_url, reconnection_attempts=1)
    with temporary_settings(settings):
        try:
            _make_ready(parameters.get("sources", ()))
            server.wait()
            return _outcome(one(**parameters, return_state=True))
        finally:
            EventsWorker.set_client_override(None)
            if server.is_running:
                # Logs go out in batches: Prefect would try to send the last one when the server has gone.
                APILogHandler().flush()


def _make_ready(sources: Sequence[str]) -> None:
    """Do what the run needs anyway and the server need not be there for."""
    for name in FIRST_IMPORTS:
        # Another version of Prefect may do without.
        with suppress(ImportError):
            import_module(name)
    if may_hold(sources, COMPILE_FROM_BYTES):
        load_kernels()


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
        if newest is not None and inbox is None and found.missing:
            # No single reject: all that the newest release has of it would go without being counted.
            raise CopydeskError(
                f"{found.missing[0]}: there is no such file or folder; nothing was released, as all that it held would "
                f"be missing beside {newest.name}. Put it back, or leave it out"
            )
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
        except AllRejectedError as error:
            raise steps.with_rejects(error, work.folder, out) from error
        stale = steps.without_last_rejects(out)
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

    @property
    def are_here(self) -> bool:
        """Whether they were started for this run, on this machine."""
        return self.runner.scheduler is None

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
            if self.are_here:
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
) -> dict[str, int]:
    """Look for repeats until all that is found can be released: what became of the records read."""
    met = found.read_count, sum(found.skipped.values()), taken.source_count
    while True:
        with _timed("validate", seconds):
            counts = _done(count_records(work, found.shards, *met, settings, return_state=True))
        with _timed("deduplicate", seconds):
            if workers.pool is None:
                _done(deduplicate_articles(work, found.shards, settings, return_state=True))
            else:
                _deduplicate_by(workers, work, found.shards, settings)
        log.info("deduplicate: done in %s", duration(seconds["deduplicate"]))
        with _timed("validate", seconds):
            fallen = _done(validate_repeats(work, found.shards, return_state=True))
        if not fallen:
            return counts
        log.info("validate: %s failed, whose sources are rejected; looking for repeats again", counted(fallen, "row"))


def _deduplicate_by(workers: "Workers", work: Workplace, shards: Sequence[str], settings: Settings) -> None:
    """What `deduplicate_articles` does, portion by portion by workers."""
    # What workers of this machine hand on need not go through a store.
    place = Workplace(work.folder) if workers.are_here else work

    def run(portions: Sequence[str]) -> None:
        futures = [workers.submit(deduplicate_portion, work=place, portion=portion) for portion in portions]
        for future in futures:
            workers.result(future)

    with (
        work.here(("articles/", "passages/"), ("repeats/",)) as folder,
        tempfile.TemporaryDirectory(dir=folder, prefix=".portions-") as own,
    ):
        steps.write_repeats(folder, shards, settings, InFiles(folder, Path(own), run, place))


def _write(work: Workplace, shards: Sequence[str], settings: Settings, workers: "Workers") -> dict[str, Written]:
    """All rows as they are released, by whoever works off the tasks: folder → what was written into it."""
    with work.here(("sources/",)) as folder:
        parts = ranges_of_shards(steps.sizes_of(folder, shards), settings)
    progress = Progress("release", len(parts), sum(part.document_count for part in parts), "range")
    futures = [workers.submit(write_range, work=work, part=part, settings=settings) for part in parts]
    # Meanwhile, and here, where all that they are made of lies.
    written = {steps.WRITTEN: _done(write_others(work, settings, return_state=True))}
    for part, future in zip(parts, futures, strict=True):
        written[steps.written_folder(part)] = workers.result(future)
        progress.done(ShardSize(part.document_count, part.byte_count))
    return written


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
