"""Schedules: the flow `scheduled`, which takes what is new from an inbox to a release and on to the Hub, and `serve`.

`serve` stands in for Prefect's own runner because of what a schedule that nobody watches needs: it outlives a server
that goes and comes back, even with an empty database; it starts one late run after a pause, not all of them; and it
frees the schedule of runs whose process is dead. Runs are processes of their own, so that one that is killed or
runs out of memory takes nothing along. A work pool runs the same flow (`prefect.yaml`).

What keeps runs apart is a lock on the folder of releases, which the system lets go of when its holder dies. Prefect's
concurrency limit comes on top of it, and what is held there by the dead is taken back.
"""

import hashlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, cast
from uuid import UUID

# It sets Prefect's environment, so it comes before Prefect.
from flows import pipeline

# isort: split

import httpx
import polars as pl
from prefect import State, flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.flow_engine import run_flow
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run as current
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows import notices, runs
from flows.addresses import checked_address
from flows.errors import ChangedError, CopydeskError, LockedError
from flows.inbox import Inbox, look
from flows.ingest.inputs import SIDE_FILES
from flows.mirror import mirrored
from flows.printable import printable
from flows.release import versions
from flows.release.harmless import markdown
from flows.release.manifest import MANIFEST, code_identity, file_sha256, lock_sha256, read_manifest
from flows.release.parquet import table_files
from flows.release.staging import held
from flows.runners import THREADS, Runner
from flows.runs import FAILED, RELEASED, RUN_LOCK, SERVE_LOCK, UNCHANGED, Run
from flows.server import EmbeddedServer
from flows.settings import Settings
from flows.stopping import stop_on_sigterm
from flows.wording import counted, duration

log = logging.getLogger("copydesk")

# How often the server is asked for what is due, and how often what it holds is compared with what is running.
POLL_SECONDS = 2.0
RECONCILE_SECONDS = 20.0
# A run that is told to end has so long; `serve` itself must have ended within 30 s.
STOP_SECONDS = 20.0

# What a schedule outlives, for it passes: a server that is gone or refuses, something deleted between two calls, a disk
# that is full.
TROUBLES = (httpx.HTTPError, PrefectException, CopydeskError, OSError)

SKIPPED = "Skipped"
# Rejects and waiting files that the artifacts list.
LISTED = 100

Schedule = CronSchedule | IntervalSchedule


@flow(
    name="scheduled",
    task_runner=cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=pipeline.SHARDS_AT_ONCE)),
    validate_parameters=False,
    persist_result=False,
)
def scheduled(
    sources: list[str],
    out: str,
    settings: dict[str, Any] | None = None,
    columns: dict[str, str] | None = None,
    release_version: str | None = None,
    release_date: str | None = None,
    takedowns: str | None = None,
    state: str | None = None,
    repo: str | None = None,
    visibility: str | None = None,
    include_reserved_text: bool = False,
    settle: float = 5.0,
    work: str | None = None,
    runner: str = THREADS,
    scheduler: str | None = None,
) -> State[Run]:
    """Release what is new in the inbox, and publish it if there is a repository; every run leaves its record.

    Args:
        sources: the inbox: files, folders, patterns or addresses.
        out: folder of releases.
        settings: those that differ from their defaults.
        columns: our column of a record → its name in the containers, where they differ.
        release_version: the version wished for, until there is a release with it.
        release_date: the release's date, as YYYY-MM-DD.
        takedowns: file with what must not be released.
        state: folder of what earlier builds made, by default in `out`.
        repo: [OWNER/]NAME on the Hub; without it nothing is published.
        visibility: `private` or `public`, to create the repository with.
        include_reserved_text: send the full edition to a public repository, too.
        settle: seconds for which a file must not have changed to be read.
        work: where the tables that tasks pass on lie meanwhile, a folder or an address, by default in `out`.
        runner: where tasks are worked off: `threads`, `processes` or `dask`.
        scheduler: address of a Dask cluster; without one a cluster of this machine is started for the run.

    Returns:
        A state whose data is the record; where another run was at work, a completed one that says `skipped`.
    """
    job = Job(
        sources=tuple(sources),
        out=Path(out),
        settings=Settings(**(settings or {})),
        columns=columns or {},
        release_version=release_version,
        release_date=release_date,
        takedowns=takedowns,
        state=None if state is None else Path(state),
        repo=repo,
        visibility=visibility,
        include_reserved_text=include_reserved_text,
        settle=settle,
        work=None if work is None else checked_address(work),
        runner=Runner.of(runner, scheduler),
    )
    try:
        with held(job.out, RUN_LOCK):
            earlier = runs.records(job.out, _now())
            due = current.scheduled_start_time
            later = runs.later_run(earlier, due)
            if later is not None:
                return _skipped(f"run {later.run_id}, which began after this one was due, has done its work")
            began = Run(str(current.id), FAILED, "", runs.instant(_now()), "", due and runs.instant(due))
            run = _recorded(job, began, earlier)
    except LockedError as error:
        return _skipped(str(error))
    _show(job, run)
    return (Failed if run.status == FAILED else Completed)(message=run.message, data=run)


@dataclass(frozen=True)
class Job:
    """The parameters of `scheduled`, in the types that they have inside."""

    sources: tuple[str, ...]
    out: Path
    settings: Settings
    columns: Mapping[str, str]
    release_version: str | None
    release_date: str | None
    takedowns: str | None
    state: Path | None
    repo: str | None
    visibility: str | None
    include_reserved_text: bool
    settle: float
    work: str | None
    runner: Runner

    @property
    def apart(self) -> tuple[Path, ...]:
        """Folders with what earlier runs made, which are no inputs."""
        return (self.out,) if self.state is None else (self.out, self.state)

    def fingerprint(self, inbox: Inbox) -> str:
        """SHA-256 over all that a release is made from: inbox, parameters, code, libraries, and the release before."""
        newest = versions.newest(self.out)
        before = None if newest is None else (newest.name, file_sha256(newest / MANIFEST))
        parameters = replace(self, settings=None, out=None, state=None, settle=None, work=None, runner=None)  # type: ignore[arg-type]
        made_from = (inbox.fingerprint, repr(parameters), self.settings.model_dump_json(), code_identity(), before)
        return hashlib.sha256(repr((*made_from, lock_sha256())).encode()).hexdigest()


def _recorded(job: Job, began: Run, earlier: Sequence[Run]) -> Run:
    """Do the work of a run and leave its record, whatever becomes of it but being killed.

    Raises:
        LockedError: another run holds the folder of releases; then there is no record.
    """
    newest = _newest_version(job.out)
    began = replace(began, version=newest, previous=newest)
    try:
        run = _work(job, began, earlier)
    except LockedError:
        raise
    except CopydeskError as error:
        run = replace(began, status=FAILED, message=_one_line(error))
    except BaseException as error:
        is_told_to_end = not isinstance(error, Exception)
        message = "it was told to end" if is_told_to_end else f"{type(error).__name__}, please report it"
        _leave(job.out, replace(began, message=message, is_interrupted=is_told_to_end), earlier)
        raise
    return _leave(job.out, run, earlier)


def _leave(out: Path, run: Run, earlier: Sequence[Run]) -> Run:
    """Write the record of a run, and tell of it."""
    run = replace(run, ended_at=runs.instant(_now()), version=_newest_version(out))
    run = replace(run, notices=notices.notices(run, earlier))
    runs.write(out, run)
    log.log(logging.ERROR if run.status == FAILED else logging.INFO, "%s", _summary(run))
    for notice in run.notices:
        log.warning("notice: %s", notice)
    notices.send(printable(f"Copydesk, {out.name}: {run.status}"), run.notices)
    return run


def _work(job: Job, began: Run, earlier: Sequence[Run]) -> Run:
    """What a run does.

    Raises:
        CopydeskError: no release came of it, or it could not be published.
    """
    beside = [] if job.takedowns is None else [Path(job.takedowns)]
    with mirrored(job.sources, job.out, job.settle) as inputs:
        return _work_on(job, look(inputs, job.settle, time.time(), beside, job.apart), beside, began, earlier)


def _work_on(job: Job, inbox: Inbox, beside: Sequence[Path], began: Run, earlier: Sequence[Run]) -> Run:
    """The same, with what was found in the inbox."""
    run = replace(
        began,
        status=UNCHANGED,
        feeds={
            name: {"file_count": feed.file_count, "newest_at": runs.instant(feed.arrivals[-1])}
            for name, feed in inbox.feeds.items()
        },
        silent=notices.silent_feeds(inbox.feeds, earlier, _now()),
        waiting=sorted(inbox.waiting.values())[:LISTED],
    )
    newest = versions.newest(job.out)
    if newest is not None and inbox.missing:
        raise CopydeskError(
            f"{inbox.missing[0]} is not there any more; nothing was released, as all that came from it would go. "
            "Bring it back, or take it out of --source."
        )
    written = _rewritten(inbox, newest, beside)
    if written is not None:
        counts = {"read": 0} if newest is None else _counts(newest)
        return replace(run, message=f"waits for {written}, which is being written", counts=counts)
    if not inbox.ready:
        waiting = f", {counted(len(inbox.waiting), 'file')} being written" if inbox.waiting else ""
        return replace(run, message=f"no input{waiting}", counts={"read": 0})
    if newest is not None:
        done = {one.fingerprint for one in earlier if one.status != FAILED} - {None}
        if job.fingerprint(inbox) in done:
            return replace(run, message="nothing new", counts=_counts(newest), fingerprint=job.fingerprint(inbox))
    try:
        built = pipeline.build_release(
            job.sources,
            job.out,
            job.settings,
            dict(job.columns),
            None if job.release_version is None or (job.out / job.release_version).exists() else job.release_version,
            job.release_date,
            job.takedowns,
            job.state,
            inbox,
            job.runner,
            job.work,
        )
    except ChangedError as error:
        return replace(run, message=str(error))
    for warning in built.warnings:
        log.warning("%s", warning)
    release = built.released.path
    run = replace(
        run,
        status=RELEASED if built.released.is_new else UNCHANGED,
        message=f"release {built.released.version}, {built.released.step}" if built.released.is_new else "nothing new",
        counts=built.counts,
        seconds={stage: round(seconds, 3) for stage, seconds in built.seconds.items()},
        rejects=_rejects_by_rule(release),
        numbers=_numbers(release, built.counts),
    )
    if job.repo is not None:
        run = _published(job, job.repo, release, run)
    return replace(run, fingerprint=job.fingerprint(inbox))


def _published(job: Job, repo: str, release: Path, run: Run) -> Run:
    """The same run after the newest release has gone to the Hub, unless it is there already."""
    began = time.perf_counter()
    published = pipeline.verify_and_send(release, repo, job.visibility, include_reserved_text=job.include_reserved_text)
    is_sent = published.outcome != "unchanged"
    return replace(
        run,
        status=RELEASED if is_sent else run.status,
        message=f"{run.message}; {published.tag} {published.outcome}" if is_sent else run.message,
        seconds={**run.seconds, "publish": round(time.perf_counter() - began, 3)},
        publication={
            "repository": published.repository,
            "tag": published.tag,
            "outcome": published.outcome,
            "address": published.address,
        },
    )


def _rewritten(inbox: Inbox, newest: Path | None, beside: Sequence[Path]) -> str | None:
    """A file that is being written and that a release without it would lose or misread, if there is one."""
    released = set() if newest is None else {str(one["uri"]) for one in read_manifest(newest)["inputs"]}
    needed = [uri for uri in inbox.waiting.values() if uri in released]
    sides = [uri for path, uri in inbox.waiting.items() if path.name in SIDE_FILES or path in beside]
    return min([*needed, *sides], default=None)


def _counts(release: Path) -> dict[str, int]:
    return {str(name): int(count) for name, count in read_manifest(release)["conservation"].items()}


def _rejects_by_rule(release: Path) -> dict[str, int]:
    rows = pl.scan_parquet(table_files(release, "rejects"), glob=False).group_by("rule").len().sort("rule").collect()
    return dict(rows.iter_rows())


def _numbers(release: Path, counts: Mapping[str, int]) -> dict[str, float]:
    """What would show that a source, a reader or a rule has gone wrong: shares and means, which do not grow."""
    articles = pl.scan_parquet(table_files(release, "articles"), glob=False)
    row = (
        articles.select(
            count=pl.len(),
            canonical=pl.col("is_canonical").sum(),
            words=pl.col("word_count").cast(pl.Int64).sum(),
            dated=pl.col("published_date").is_not_null().sum(),
        )
        .collect()
        .row(0, named=True)
    )
    shares = {
        "rejected_share": (counts["rejected"], counts["read"]),
        "articles_per_document": (row["count"], counts["released"]),
        "canonical_share": (row["canonical"], row["count"]),
        "dated_share": (row["dated"], row["count"]),
        "words_per_article": (row["words"], row["count"]),
    }
    return {name: round(part / whole, 6) for name, (part, whole) in shares.items() if whole}


def _skipped(why: str) -> State[Any]:
    log.info("skipped: %s", why)
    return Completed(name=SKIPPED, message=f"skipped: {why}")


def _summary(run: Run) -> str:
    """One line that says it all."""
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in run.counts.items())
    took = duration((datetime.fromisoformat(run.ended_at) - datetime.fromisoformat(run.started_at)).total_seconds())
    parts = [f"{run.status}: {run.message}", f"newest release {run.version or 'none'}", counts, f"in {took}"]
    return printable("; ".join(part for part in parts if part))


def _one_line(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))


def _newest_version(out: Path) -> str | None:
    newest = versions.newest(out)
    return None if newest is None else newest.name


def _now() -> datetime:
    return datetime.now(UTC)


# --- what Prefect shows of a run ---


def _show(job: Job, run: Run) -> None:
    """Leave artifacts; a server that does not take them costs a line in the log, never the run."""
    release = versions.newest(job.out)
    rejects = []
    if release is not None and run.rejects:
        rows = pl.scan_parquet(table_files(release, "rejects"), glob=False).select(
            "stage", "rule", "uri", "record", "detail"
        )
        rejects = rows.head(LISTED).collect().to_dicts()
    try:
        create_markdown_artifact(
            key="copydesk-run", description="What a scheduled run came to.", markdown=run_markdown(run, job.out)
        )
        if rejects:
            create_table_artifact(
                key="copydesk-rejects",
                description=f"What was turned away, the first {LISTED} rows; the table rejects has all.",
                table=[{name: _cell(value) for name, value in row.items()} for row in rejects],
            )
    except httpx.HTTPError as error:
        log.warning("Prefect's server took no artifact: %s", type(error).__name__)


def _cell(value: object) -> str:
    return "" if value is None else str(markdown(value, 300))


def run_markdown(run: Run, out: Path) -> str:
    """A run as a page of Markdown: verdict, difference, counts, rejects, notices."""
    lines = [f"**{run.status}**: {markdown(run.message)}", ""]
    if run.version:
        lines += [f"Newest release: {run.version}, in {markdown(out / run.version)}", ""]
    if run.publication:
        lines += [f"On the Hub: {markdown(run.publication['address'])}", ""]
    lines += [f"- {markdown(notice)}" for notice in run.notices]
    lines += _table(("records", "count"), run.counts)
    lines += _difference(run, out)
    lines += _table(("rejects, by rule", "count"), run.rejects)
    lines += _table(("stage", "seconds"), run.seconds)
    return "\n".join(lines)


def _table(head: tuple[str, str], rows: Mapping[str, float]) -> list[str]:
    if not rows:
        return []
    body = (f"| {markdown(name.replace('_', ' '))} | {value:,} |" for name, value in rows.items())
    return ["", f"| {head[0]} | {head[1]} |", "| --- | ---: |", *body]


def _difference(run: Run, out: Path) -> list[str]:
    """Rows of each table in the release before and in this one, where they differ in number."""
    if run.version is None or run.previous in (None, run.version):
        return []
    before, now = (read_manifest(out / str(version))["tables"] for version in (run.previous, run.version))
    rows = {name: (before.get(name, {}).get("row_count", 0), table["row_count"]) for name, table in now.items()}
    body = [f"| {markdown(name)} | {old:,} | {new:,} |" for name, (old, new) in rows.items() if old != new]
    changelog = markdown(out / run.version / "CHANGELOG.md")
    head = ["", f"| rows of | {run.previous} | {run.version} |", "| --- | ---: | ---: |"]
    return [*head, *body, "", f"What changed, and why: {changelog}"]


# --- serving ---


class ServerLostError(Exception):
    """The server that was started for a schedule has ended."""


def serve(
    schedule: Schedule,
    parameters: Mapping[str, Any],
    addresses: Sequence[str],
    tell: Callable[[str], None],
) -> NoReturn:
    """Fire a schedule until the process is told to end (SystemExit).

    Args:
        schedule: when.
        parameters: of the flow `scheduled`.
        addresses: whom to notify.
        tell: is given the deployment's name when it polls.

    Raises:
        LockedError: another process serves the same folder of releases.
        NetworkError: the server that Prefect's settings name does not answer.
    """
    out = Path(parameters["out"])
    os.environ[notices.NOTIFY_VARIABLE] = " ".join([*os.environ.get(notices.NOTIFY_VARIABLE, "").split(), *addresses])
    has_polled = False
    with held(out, SERVE_LOCK):
        while True:
            try:
                _fire(schedule, parameters, tell)
            except ServerLostError:
                has_polled = True
                log.warning("Prefect's server has ended; starting another one")
            except TROUBLES as error:
                if not has_polled:
                    raise
                log.warning("%s; trying on", _one_line(error))
                time.sleep(RECONCILE_SECONDS)


def _fire(schedule: Schedule, parameters: Mapping[str, Any], tell: Callable[[str], None]) -> NoReturn:
    """Fire a schedule as long as its server lives: the one that Prefect's settings name, else one of its own."""
    with ExitStack() as stack:
        server = None
        if not PREFECT_API_URL.value():
            server = stack.enter_context(EmbeddedServer(with_schedules=True))
            server.wait()
            stack.enter_context(temporary_settings({PREFECT_API_URL: server.api_url}))
        else:
            pipeline.check_server()
        client = stack.enter_context(get_client(sync_client=True))
        stack.enter_context(Watch(client, schedule, parameters)).run(tell, server)


class Watch:
    """Fires one schedule: asks the server for what is due, runs it, and clears up after what died."""

    def __init__(self, client: SyncPrefectClient, schedule: Schedule, parameters: Mapping[str, Any]) -> None:
        self._client = client
        self._schedule = schedule
        self._parameters = dict(parameters)
        self._out = Path(parameters["out"])
        self._name = deployment_name(self._out)
        self._deployment: UUID | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._child_run: UUID | None = None
        self._reconciled_at = float("-inf")
        # What keeps it from firing, as it was told; empty while nothing does.
        self._trouble = ""

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        if self._child_run is None:
            return
        self._end_child()
        # What the server cannot be told now, the next start tells it.
        with suppress(*TROUBLES):
            one = self._client.read_flow_run(self._child_run)
            # One that is still due was not begun: the next start begins it.
            if one.state is not None and not one.state.is_final() and not one.state.is_scheduled():
                self._bury(one)

    def run(self, tell: Callable[[str], None], server: EmbeddedServer | None) -> NoReturn:
        """Fire it for ever.

        Raises:
            ServerLostError: the server given has ended.
        """
        is_told = False
        while True:
            # Prefect's client would try for a minute before it says so.
            if server is not None and not server.is_running:
                raise ServerLostError
            try:
                self._tick()
                if not is_told:
                    tell(f"{scheduled.name}/{self._name}")
                    is_told = True
                if self._trouble:
                    self._trouble = ""
                    log.info("it works again")
            except TROUBLES as error:
                self._tell_of(error)
            time.sleep(POLL_SECONDS)

    def _tell_of(self, error: Exception) -> None:
        """Say what is wrong in a line, once as long as it stays the same."""
        if isinstance(error, httpx.HTTPError):
            trouble = f"Prefect's server does not answer ({type(error).__name__})"
        else:
            trouble = _one_line(error) or type(error).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("%s; trying on", trouble)

    def _tick(self) -> None:
        """One look at what is due."""
        if self._child is not None and self._child.poll() is not None:
            self._child = self._child_run = None
            self._reconciled_at = float("-inf")
        if time.monotonic() - self._reconciled_at >= RECONCILE_SECONDS:
            self._reconcile()
            self._reconciled_at = time.monotonic()
        assert self._deployment is not None
        due = self._client.get_scheduled_flow_runs_for_deployments([self._deployment], _now(), limit=200)
        found = sorted((one for one in due), key=lambda one: one.next_scheduled_start_time or _now())
        if not found:
            return
        if self._child is None:
            self._start(found.pop().id)
            why = "a run that was due later takes its place"
        else:
            why = f"run {self._child_run} is still at work"
        for one in found:
            self._set(one.id, Completed(name=SKIPPED, message=f"skipped: {why}"))

    def _start(self, run_id: UUID) -> None:
        """Run a flow run in a process of its own, unless Prefect's limit keeps it waiting, or it has been deleted."""
        # Before the server is asked: if this ends in between, the run would hold its place in Prefect's limit.
        self._child_run = run_id
        try:
            answer: OrchestrationResult[Any] = self._client.set_flow_run_state(run_id, Pending())
        except ObjectNotFound:
            self._child_run = None
            log.info("Prefect does not know run %s any more", run_id)
            return
        if answer.status != SetStateStatus.ACCEPT:
            self._child_run = None
            log.info("Prefect does not let run %s begin yet", run_id)
            return
        self._child = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-P", "-m", "flows.deploy", str(run_id)],
            stdin=subprocess.PIPE,  # it ends when this closes, however we end
            start_new_session=True,
            env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        )

    def _reconcile(self) -> None:
        """Bring what the server holds in line with what runs: only our child does."""
        is_first = self._deployment is None
        if self._deployment is None or not self._is_known(self._deployment):
            self._deployment = self._apply()
        is_interrupted = False
        for one in self._unfinished(self._deployment):
            if self._child is not None and one.id == self._child_run:
                if one.state is not None and one.state.is_cancelling():
                    self._end_child()
                    self._set(one.id, Cancelled())
            elif self._child is None and _is_free(self._out):
                is_interrupted = True
                self._bury(one)
        if not is_first:
            return
        last = runs.last(self._out, _now())
        if is_interrupted or (last is not None and last.is_interrupted):
            self._client.create_flow_run_from_deployment(self._deployment)

    def _bury(self, one: FlowRun) -> None:
        """End a flow run whose process is dead as its record says; without a record it crashed."""
        done = runs.record_of(self._out, str(one.id))
        if done is not None and not done.is_interrupted:
            self._set(one.id, (Failed if done.status == FAILED else Completed)(message=done.message))
            return
        message = "its process was killed, or ended with the machine"
        if done is None and one.state is not None and one.state.is_running():
            began = one.start_time or one.expected_start_time or _now()
            run = Run(str(one.id), FAILED, message, runs.instant(began), "", is_interrupted=True)
            _leave(self._out, run, runs.records(self._out, _now()))
        self._set(one.id, Crashed(message=message))

    def _apply(self) -> UUID:
        """Create the deployment, or bring one of that name up to date."""
        return self._client.create_deployment(
            flow_id=self._client.create_flow_from_name(str(scheduled.name)),
            name=self._name,
            schedules=[DeploymentScheduleCreate(schedule=self._schedule, active=True)],
            concurrency_limit=1,
            parameters=self._parameters,
            description=printable(
                f"Takes what is new in {', '.join(self._parameters['sources'])} to a release in {self._out}."
            ),
            entrypoint="flows.deploy.scheduled",
            paused=False,
            enforce_parameter_schema=False,
        )

    def _is_known(self, deployment: UUID) -> bool:
        """Whether the server knows the deployment: one that lost its database does not."""
        try:
            self._client.read_deployment(deployment)
        except ObjectNotFound:
            return False
        return True

    def _unfinished(self, deployment: UUID) -> list[FlowRun]:
        types = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
        return self._client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types))),
        )

    def _set(self, run_id: UUID, state: State[Any]) -> None:
        """Put a flow run that does not run into a state; one that is gone is no matter."""
        try:
            self._client.set_flow_run_state(run_id, state, force=True)
        except ObjectNotFound:
            log.info("Prefect does not know run %s any more", run_id)

    def _end_child(self) -> None:
        """End the run that is at work, by force if it does not listen."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None


def deployment_name(out: Path) -> str:
    """Names the deployment of a folder of releases: two folders have two, also on two machines with one server."""
    place = out.resolve()
    digest = hashlib.sha256(json.dumps([socket.gethostname(), str(place)]).encode()).hexdigest()
    # Prefect refuses some characters in names, and terminals obey some; what tells folders apart is the digest.
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', place.name) or 'root'}-{digest[:8]}"


def interval(seconds: float) -> IntervalSchedule:
    """Every so many seconds, counted from a fixed instant, so that a restart does not shift it."""
    return IntervalSchedule(interval=timedelta(seconds=seconds), anchor_date=datetime(2020, 1, 1, tzinfo=UTC))


def cron(expression: str, timezone: str) -> CronSchedule:
    """A cron expression in a time zone.

    Raises:
        ValueError: one of them is none.
    """
    return CronSchedule(cron=expression, timezone=timezone)


def _is_free(out: Path) -> bool:
    """Whether no run is at work on a folder of releases."""
    try:
        with held(out, RUN_LOCK):
            return True
    except LockedError:
        return False


def _run_one(run_id: str) -> int:
    """Run a flow run that the schedule has started, in this process."""
    stop_on_sigterm(STOP_SECONDS)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    log.setLevel(logging.INFO)
    try:
        with get_client(sync_client=True) as client:
            one = client.read_flow_run(UUID(run_id))
    except httpx.HTTPError as error:
        log.warning("run %s did not begin: Prefect's server does not answer (%s)", run_id, type(error).__name__)
        return 1
    try:
        state = run_flow(scheduled, flow_run=one, return_type="state")
    except pipeline.SERVER_LOST as error:
        log.warning("run %s: Prefect's server does not learn what came of it (%s)", run_id, type(error).__name__)
        return 1
    return 0 if isinstance(state, State) and state.is_completed() else 1


def _end_with_caller() -> None:
    """End when whoever started this process has ended: without `serve` nobody would know of the run."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(_run_one(sys.argv[1]))
