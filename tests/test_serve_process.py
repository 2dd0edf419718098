"""`copydesk serve` as a process: its server, its runs and its end, whatever becomes of the others."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from flows import runs
from flows.runs import RELEASED
from tests.test_stopping import MARK, family, wait_for

pytestmark = pytest.mark.prefect
COPYDESK = Path(sys.executable).with_name("copydesk")


class Relay:
    """A way to a server on loopback that can fall silent: it goes on accepting, and nobody answers."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_silent = threading.Event()

    @property
    def api_url(self) -> str:
        """What PREFECT_API_URL must say."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"

    def fall_silent(self) -> None:
        """Hand on nothing any more, of what is connected neither."""
        self._is_silent.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._hand_on, args=(one, other), daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while chunk := one.recv(1 << 16):
                if not self._is_silent.is_set():
                    other.sendall(chunk)
            if not self._is_silent.is_set():
                other.shutdown(socket.SHUT_WR)


@pytest.fixture
def mark() -> Iterator[str]:
    """What tells the processes of a test from all others; none is left behind."""
    mark = uuid.uuid4().hex
    yield mark
    for process in family(mark):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@contextmanager
def serving(tmp_path: Path, mark: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`copydesk serve`, when it polls; a run is due every five seconds."""
    (tmp_path / "inbox").mkdir()
    others = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    with subprocess.Popen(
        [COPYDESK, "serve", "--source", "inbox", "--out", "out", "--interval", "5", "--settle", "0"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        env={**others, MARK: mark, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith("serving scheduled/out-") for line in process.stdout)
            yield process
        finally:
            process.kill()


def of(mark: str, module: str) -> list[int]:
    """The processes of a module."""
    return [process for process, line in family(mark).items() if f" -m {module} " in line]


def test_a_server_of_its_own_is_replaced_when_it_dies_and_ends_with_it(tmp_path: Path, mark: str):
    home = tmp_path / "home"
    with serving(tmp_path, mark, PREFECT_HOME=str(home)) as process:
        (server,) = of(mark, "flows.server")
        os.kill(server, signal.SIGKILL)
        (tmp_path / "inbox" / "a.txt").write_text("A pier\n\nThe pier opens on Friday, its keeper told the ferries.\n")

        def is_released() -> bool:
            return any(run.status == RELEASED for run in runs.records(tmp_path / "out"))

        assert wait_for(lambda: server not in family(mark) and of(mark, "flows.server"), 60)
        assert wait_for(is_released, 120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert wait_for(lambda: not family(mark), 10), family(mark)


def test_it_ends_in_time_though_the_server_never_answers(tmp_path: Path, mark: str, server: Any):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.deploy import deployment_name

    relay = Relay(urlsplit(server.api_url).port or 0)
    with relay, serving(tmp_path, mark, PREFECT_API_URL=relay.api_url) as process:
        with temporary_settings({PREFECT_API_URL: server.api_url}), get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(f"scheduled/{deployment_name(tmp_path / 'out')}")
            client.create_flow_run_from_deployment(deployment.id)
        assert wait_for(lambda: of(mark, "flows.deploy"), 60)
        relay.fall_silent()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        assert time.monotonic() - began < 30
        assert wait_for(lambda: not family(mark), 10), family(mark)


def test_a_run_ends_with_whoever_started_it():
    code = (
        "import threading, time; from flows import deploy; from flows.stopping import stop_on_sigterm\n"
        "stop_on_sigterm(); threading.Thread(target=deploy._end_with_caller, daemon=True).start()\n"
        "print('ready', flush=True); time.sleep(90)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stdout.readline() == b"ready\n"
        assert run.poll() is None
        run.stdin.close()
        assert run.wait(30) == 128 + signal.SIGTERM
