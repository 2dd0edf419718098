"""The same bytes on threads, in processes and on a Dask cluster; and what happens when workers die.

COPYDESK_RUNNER_STORIES is the number of stories: few in continuous integration.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.errors import NetworkError, UsageError
from flows.release.staging import locked
from flows.runners import RUNNERS, Runner
from flows.server import EmbeddedServer
from flows.settings import Settings
from tests.conftest import ROOT
from tests.test_crash import COPYDESK, COURT, digest, story
from tests.test_stopping import MARK, family, wait_for

STORIES = int(os.environ.get("COPYDESK_RUNNER_STORIES", "60"))
SETTINGS: dict[str, Any] = {"shard_bytes": 10_000, "file_bytes": 8_000}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several shards of stories, some of which are copies or cut off."""
    folder = tmp_path_factory.mktemp("pages")
    for number in range(STORIES):
        (folder / f"{number:05}.txt").write_text(story(number), encoding="utf-8")
        if number % 3 == 0:
            copy = story(number).replace("The Harbour Ledger", "Strait Times & Sons")
            (folder / f"copy-{number:05}.txt").write_text(copy, encoding="utf-8")
    (folder / "court.txt").write_text(COURT, encoding="utf-8")
    return folder


def build(
    server: EmbeddedServer, pages: Path, out: Path, runner: str, scheduler: str | None = None, **settings_given: Any
) -> dict[str, str]:
    from flows.pipeline import run_build

    settings = Settings(**SETTINGS | settings_given).model_dump()
    sources = [str(pages)]
    built = run_build(
        server, sources=sources, out=str(out), settings=settings, columns={}, runner=runner, scheduler=scheduler
    )
    return digest(built.released.path)


@pytest.fixture(scope="module")
def expected(server: EmbeddedServer, pages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build(server, pages, tmp_path_factory.mktemp("threads") / "out", "threads")


@pytest.mark.prefect
@pytest.mark.parametrize("runner", ["processes", "dask"])
def test_the_bytes_are_those_of_threads(server, pages, expected, tmp_path, runner):
    assert build(server, pages, tmp_path / "out", runner) == expected
    assert sum("/articles/" in name for name in expected) > 2, "one range has one writer"
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["1.0.0"]


def task_count(server: EmbeddedServer) -> int:
    return int(httpx.post(f"{server.api_url}/task_runs/count", json={}, timeout=60).json())


@pytest.mark.prefect
@pytest.mark.parametrize("runner", ["threads", "processes"])
def test_a_shard_of_more_articles_takes_no_more_tasks(server, tmp_path, runner, monkeypatch):
    # One process beside this one is enough to hand tasks to.
    monkeypatch.setattr("flows.pipeline.thread_count", lambda: 1)
    counts = []
    for articles in (5, 300):
        pages = tmp_path / str(articles)
        pages.mkdir()
        records = [json.dumps({"text": story(number)}) for number in range(articles)]
        (pages / "stories.jsonl").write_text("\n".join(records), encoding="utf-8")
        before = task_count(server)
        build(server, pages, tmp_path / f"out-{articles}", runner, shard_bytes=10_000_000, file_bytes=10_000_000)
        counts.append(task_count(server) - before)
    assert counts[0] == counts[1]
    assert 0 < counts[0] <= 50, "a task costs a hundredth of a second and more"


class Cluster:
    """A Dask scheduler and two workers, each a process of its own with a limit on its memory, on loopback."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_LOGGING__DISTRIBUTED": "critical"}
        file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self._scheduler = subprocess.Popen(_command("scheduler", options), env=environment, cwd=folder)
        # It is not written at one stroke.
        assert wait_for(lambda: file.exists() and file.read_text(encoding="utf-8").endswith("}"), 60)
        self.address = str(json.loads(file.read_text(encoding="utf-8"))["address"])
        options = ["--nthreads", "1", "--memory-limit", "2GB", "--no-nanny", "--no-dashboard"]
        options += ["--local-directory", str(folder)]
        self.workers = [
            subprocess.Popen(_command("worker", [self.address, *options]), env=environment, cwd=folder)
            for _ in range(2)
        ]

    def end(self) -> None:
        for process in [*self.workers, self._scheduler]:
            process.terminate()
        for process in [*self.workers, self._scheduler]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(name: str, options: list[str]) -> list[str]:
    return [sys.executable, "-m", f"distributed.cli.dask_{name}", *options]


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.end()


@pytest.mark.prefect
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(server, pages, expected, tmp_path, cluster):
    out = tmp_path / "out"
    killed = threading.Event()

    def kill() -> None:
        # It has begun to work as soon as there is a table of a shard.
        if wait_for(lambda: list(out.glob(".*/passages/*.parquet")), 400):
            cluster.workers[0].kill()
            killed.set()

    watch = threading.Thread(target=kill)
    watch.start()
    found = build(server, pages, out, "dask", cluster.address)
    watch.join()
    assert killed.is_set()
    assert cluster.workers[0].wait(10) == -signal.SIGKILL
    assert cluster.workers[1].poll() is None
    assert found == expected


@contextmanager
def command(pages: Path, out: Path, server: EmbeddedServer, *options: str) -> Iterator[tuple[Any, str]]:
    """A build in a process of its own, and the mark that all its processes bear."""
    mark = uuid.uuid4().hex
    overrides = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    run = subprocess.Popen(
        [COPYDESK, "build", pages, "--out", out, *overrides, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark, "PREFECT_API_URL": server.api_url},
    )
    try:
        yield run, mark
    finally:
        run.kill()
        run.communicate()


def workers_of(mark: str, run: Any) -> list[int]:
    return [pid for pid, line in family(mark).items() if "spawn_main" in line and pid != run.pid]


@pytest.mark.prefect
def test_a_process_that_is_killed_is_one_line_and_no_release(server, pages, tmp_path):
    out = tmp_path / "out"
    with command(pages, out, server, "--runner", "processes") as (run, mark):
        assert wait_for(lambda: list(out.glob(".*/passages/*.parquet")), 400)
        os.kill(workers_of(mark, run)[0], signal.SIGKILL)
        error = run.communicate(timeout=120)[1]
        assert run.returncode == 1
        assert "a worker was killed" in error
        assert len(error.splitlines()) <= 3
        assert "Traceback" not in error
        assert wait_for(lambda: not family(mark), 10), family(mark)
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == []


@pytest.mark.prefect
@pytest.mark.parametrize(("runner", "end"), [("processes", signal.SIGTERM), ("dask", signal.SIGKILL)])
def test_workers_end_with_the_run(server, pages, tmp_path, runner, end):
    out = tmp_path / "out"
    with command(pages, out, server, "--runner", runner) as (run, mark):
        assert wait_for(lambda: list(out.glob(".*/passages/*.parquet")), 400)
        began = time.monotonic()
        run.send_signal(end)
        run.communicate(timeout=120)
        assert run.returncode == (128 + signal.SIGTERM if end == signal.SIGTERM else -signal.SIGKILL)
        assert time.monotonic() - began < 30
        assert wait_for(lambda: not family(mark), 20), family(mark)
    with locked(out):
        pass


@pytest.mark.prefect
def test_a_scheduler_that_is_not_there_is_one_line(server, pages, tmp_path, monkeypatch):
    from flows import pipeline

    monkeypatch.setattr(pipeline, "CONNECT_SECONDS", 1)
    with pytest.raises(NetworkError, match=r"tcp://127\.0\.0\.1:9 does not answer"):
        build(server, pages, tmp_path / "out", "dask", "tcp://127.0.0.1:9")


@pytest.mark.prefect
def test_workers_elsewhere_need_a_server_that_they_reach(server, pages, tmp_path):
    with pytest.raises(UsageError, match="PREFECT_API_URL"):
        build(server, pages, tmp_path / "out", "dask", "tcp://192.0.2.7:8786")


@pytest.mark.parametrize(
    ("name", "scheduler", "told"),
    [
        ("ray", None, "threads, processes, dask"),
        ("threads", "tcp://10.0.0.1:8786", "goes with --runner dask"),
        ("dask", "10.0.0.1:8786", "expected an address"),
        ("dask", "tcp://10.0.0.1", "expected an address"),
        ("dask", "tcp://10.0.0.1:port", "expected an address"),
        ("dask", "file:///etc/passwd", "expected an address"),
    ],
)
def test_what_cannot_work_is_told_of_at_once(name, scheduler, told):
    with pytest.raises(UsageError, match=told):
        Runner.of(name, scheduler)


def test_dask_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setattr("flows.runners.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'copydesk\[dask\]'"):
        Runner.of("dask", None)
    assert Runner.of("threads", None) == Runner()


def test_a_scheduler_of_this_machine_is_told_from_others():
    assert not Runner.of("dask", None).is_elsewhere
    assert not Runner.of("dask", "tcp://localhost:8786").is_elsewhere
    assert Runner.of("dask", "tls://cluster.example:8786").is_elsewhere
    assert len(RUNNERS) == 3
