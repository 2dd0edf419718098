"""A schedule whose processes are killed: run, `copydesk serve` and Prefect's server, each alone and together.

    python -m tests.kills 50 7      # 50 kills, drawn from seed 7; a quarter to half of a minute each
    python -m tests.kills 0 7 12    # none, but 12 minutes of `--cron '* * * * *'`

The inbox is in a store on loopback, and so are the tables meanwhile. An object comes before each kill, and what was
killed is started again, as systemd does it. In the end all must be released, each object once, no run may have
overlapped another, none may hang in Prefect, and nothing may be left in the store.
"""

import collections
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.release import versions
from flows.release.manifest import read_manifest
from flows.verify import verify
from tests.s3 import Store, serving

TARGETS = ("run", "serve", "server", "run serve", "run server", "serve server", "run serve server")
SECONDS = 240


class Schedule:
    """A server, and `copydesk serve` of a store's inbox."""

    def __init__(self, folder: Path, store: Store, when: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.out = folder / "out"
        self.api = f"http://127.0.0.1:{port}/api"
        self._folder = folder
        self._environment = {
            **os.environ,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "AWS_ENDPOINT_URL": store.address,
            "AWS_ACCESS_KEY_ID": "AKIAOURS",
            "AWS_SECRET_ACCESS_KEY": "SECRETOURS",
            "AWS_REGION": "us-east-1",
        }
        self._server_command = [
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-ui",
        ]
        given = ["--source", "s3://desk/inbox", "--out", str(self.out), "--work", "s3://desk/work", "--settle", "1"]
        self._serve_command = [
            "-c",
            "import sys; from flows.cli import main; main(sys.argv[1:])",
            "serve",
            *given,
            *when,
        ]
        self.server = self._start_server()
        self.serve = self._start_serve()

    def _start(self, command: list[str], environment: dict[str, str], log: str) -> "subprocess.Popen[bytes]":
        with (self._folder / log).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _start_server(self) -> "subprocess.Popen[bytes]":
        server = self._start(self._server_command, self._environment, "server.log")
        until(self._is_answering, "the server answers")
        return server

    def _start_serve(self) -> "subprocess.Popen[bytes]":
        environment = {**self._environment, "PREFECT_API_URL": self.api}
        log = self._folder / "serve.log"
        self._served = log.read_text(errors="replace").count("serving scheduled/") if log.exists() else 0
        return self._start(self._serve_command, environment, "serve.log")

    def _is_answering(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def is_serving(self) -> bool:
        """Whether `copydesk serve` has said so since it was started; started again if it has ended, as systemd does."""
        if self.serve.poll() is not None:
            self.serve = self._start_serve()
        log = (self._folder / "serve.log").read_text(encoding="utf-8", errors="replace")
        return log.count("serving scheduled/") > self._served

    def runs(self) -> list[int]:
        """Processes of runs that are at work."""
        try:
            return [
                int(pid) for pid in Path(f"/proc/{self.serve.pid}/task/{self.serve.pid}/children").read_text().split()
            ]
        except OSError:
            return []

    def kill(self, what: str) -> None:
        """Kill, and start what does not start by itself."""
        killed = []
        if "run" in what.split():
            killed += self.runs()
        if "serve" in what.split():
            killed.append(self.serve.pid)
        if "server" in what.split():
            killed.append(self.server.pid)
        for pid in killed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if "server" in what.split():
            self.server.wait()
            self.server = self._start_server()
        if "serve" in what.split():
            self.serve.wait()
        until(self.is_serving, "the schedule is served again")

    def end_serve(self) -> int:
        """End `copydesk serve`; its exit code."""
        self.serve.terminate()
        return self.serve.wait(60)

    def end(self) -> None:
        """End what still runs."""
        for process in (self.serve, self.server):
            process.terminate()
            process.wait(60)

    def released(self) -> set[str]:
        """Uris of the newest release."""
        newest = versions.newest(self.out)
        return set() if newest is None else {str(one["uri"]) for one in read_manifest(newest)["inputs"]}

    def flow_runs(self) -> list[dict[str, Any]]:
        """What Prefect knows of runs that were due."""
        due = {"expected_start_time": {"before_": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}
        found: list[dict[str, Any]] = []
        while True:
            asked = json.dumps({"limit": 200, "offset": len(found), "flow_runs": due}).encode()
            request = urllib.request.Request(
                f"{self.api}/flow_runs/filter", data=asked, headers={"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                page = json.load(answer)
            found += page
            if len(page) < 200:
                return found


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after SECONDS.
    """
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.5)


def put_page(store: Store, number: int) -> str:
    """An object in the inbox; its uri."""
    uri = f"{number:04}.txt"
    words = (
        f"Pier {number} is opened\n\nThe keeper of pier {number} has opened it to {number * 7 + 3} ferries, he said.\n"
    )
    store.put(f"inbox/{uri}", words, age=0)
    return uri


def check(schedule: Schedule, store: Store, uris: set[str]) -> None:
    """Whether all is as it must be."""
    until(lambda: schedule.released() == uris, "all objects are released")
    until(lambda: not schedule.runs(), "the last run has ended")
    assert schedule.end_serve() == 0
    found = [path for path in schedule.out.iterdir() if not path.name.startswith(".")]
    releases = sorted(found, key=lambda path: versions.parse(path.name))
    inputs = [[one["uri"] for one in read_manifest(path)["inputs"]] for path in releases]
    assert all(len(names) == len(set(names)) for names in inputs)
    assert all(set(before) < set(after) for before, after in itertools.pairwise(inputs)), "each made by something new"
    assert all(verify(path).is_ok for path in releases)
    records = [json.loads(path.read_bytes()) for path in sorted((schedule.out / ".runs").glob("2*.json"))]
    spans = sorted((one["started_at"], one["ended_at"]) for one in records if not one["is_interrupted"])
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), "runs overlapped"
    states = collections.Counter(one["state"]["type"] for one in schedule.flow_runs())
    outcomes = collections.Counter((one["status"], "killed" if one["is_interrupted"] else "") for one in records)
    print(f"{len(releases)} releases of {len(uris)} objects; records {dict(outcomes)}; Prefect {dict(states)}")
    for message in sorted({one["message"] for one in records if one["status"] == "failed"}):
        print(f"failed: {message}")
    assert not {*states} - {"COMPLETED", "CRASHED", "FAILED", "CANCELLED", "SCHEDULED"}, "a run hangs in Prefect"
    left = [key for key in store.buckets["desk"] if not key.startswith("inbox/")]
    assert not left, f"left in the store: {left[:3]}"


def main(kills: int, seed: int, minutes: int = 0) -> None:
    """Kill processes, or let a schedule run by the minute."""
    chance = random.Random(seed)
    when = ["--cron", "* * * * *"] if minutes else ["--interval", "5"]
    with serving() as store, tempfile.TemporaryDirectory(prefix="copydesk-kills-") as folder:
        schedule = Schedule(Path(folder), store, when)
        uris: set[str] = set()
        try:
            until(schedule.is_serving, "the schedule is served")
            for number in range(kills):
                uris.add(put_page(store, number))
                time.sleep(chance.uniform(1, 30))
                what = TARGETS[number % len(TARGETS)] if number < len(TARGETS) else chance.choice(TARGETS)
                at_work = "at work" if schedule.runs() else "idle"
                schedule.kill(what)
                print(time.strftime("%T"), number + 1, what, at_work, flush=True)
            for number in range(minutes):
                if number % 3 != 2:  # every third run has nothing new
                    uris.add(put_page(store, number))
                time.sleep(60)
            # The first one may come a minute late: Prefect looks now and then for what it has to plan.
            due = sorted({one["expected_start_time"][:16] for one in schedule.flow_runs()})
            passed = (datetime.fromisoformat(due[-1]) - datetime.fromisoformat(due[0])).total_seconds() / 60
            assert not minutes or minutes - 2 <= passed == len(due) - 1, f"runs were due at {due}"
            check(schedule, store, uris)
        except BaseException:
            print((Path(folder) / "serve.log").read_text(errors="replace")[-3000:])
            raise
        finally:
            schedule.end()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
