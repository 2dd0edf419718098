"""A Prefect server for one run, on loopback, in a process of its own.

Prefect starts one itself when none is configured, but only after it has imported the whole server into the calling
process too. This one starts first and comes up while the caller is still importing: on two cores that
was measured to save a third of the wait (12 s for 17).
It ends with the caller, however the caller ends, because it watches a pipe that only the caller holds.

    with EmbeddedServer() as server:
        import …              # meanwhile the server comes up
        server.wait()
        …                     # with PREFECT_API_URL = server.api_url
"""

import fcntl
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from flows.errors import CopydeskError
from flows.imports import without_collection
from flows.printable import printable

# Setting up a fresh database takes 5 to 20 s on two cores.
START_SECONDS = 120
STOP_SECONDS = 5
# In Prefect's home, held by a server while it comes up.
START_LOCK = ".copydesk-start.lock"

# The last line of a trace: the kind of error and what it says.
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b")

# As Prefect sets it for a server that lives as long as a run.
_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "0",
    # No block is used here. To look for their types, it would import what is installed beside Prefect, Dask included.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}


class EmbeddedServer:
    """The server's process and address; entering starts it without waiting, leaving ends it."""

    def __init__(self, *, with_schedules: bool = False) -> None:
        """A server that is not started yet.

        Args:
            with_schedules: also run what creates scheduled runs and finds late ones, which a single run can do without.
        """
        self._environment = dict(_ENVIRONMENT)
        if with_schedules:
            del self._environment["PREFECT__SERVER_EPHEMERAL"]
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._port = 0

    @property
    def api_url(self) -> str:
        """What PREFECT_API_URL must say."""
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        # The listening socket is handed to the server, so nobody else can take the port in between.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
            self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                [sys.executable, "-P", "-m", "flows.server", str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                # A terminal's interrupt is for the caller, who then ends the server.
                start_new_session=True,
                env={**os.environ, **self._environment},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Return when the server answers.

        Raises:
            CopydeskError: it ended, or did not answer within START_SECONDS.
        """
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise CopydeskError(f"Prefect's server did not start: {self._reason()}")
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=5) as answer:  # noqa: S310 - loopback
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)
        raise CopydeskError(f"Prefect's server did not answer within {START_SECONDS} s: {self._reason()}")

    def stop(self) -> None:
        """End the server, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        if self._output:
            self._output.close()
        self._process = None

    def _reason(self) -> str:
        """Why it ended, in a line of its own output."""
        assert self._output is not None
        self._output.seek(0)
        lines = self._output.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        # What uvicorn says last is only that it gives up; the error itself stands before, at the end of its trace.
        reasons = [line for line in said if _ERROR.match(line)]
        return printable((reasons or said or ["it said nothing"])[-1])


def serve(listener: int) -> None:
    """Run the server on a listening socket until standard input closes: the caller has ended."""
    import uvicorn

    class OneByOne(uvicorn.Server):
        """Servers that come up at the same time do so one after another."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Set up the database, if need be, and begin to answer."""
            with _turn():
                await super().startup(sockets)

    threading.Thread(target=_end_with_caller, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="error",
        access_log=False,
    )
    with without_collection():
        config.load()
    # Of a bare number uvicorn takes the socket for a Unix one, and lets small packets wait for one another: each answer
    # came 40 ms late.
    OneByOne(config).run([socket.socket(fileno=listener)])


@contextmanager
def _turn() -> Iterator[None]:
    """Hold a lock in Prefect's home: of two that set up a database there at once, one fails on what the other has made.

    The system lets go of it when the process ends. Where there are no locks, or nothing can be written, it goes on
    without one.
    """
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    with ExitStack() as stack:
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(home / START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _end_with_caller() -> None:
    # Not through sys.stdin: its lock, held while it waits, would abort a server that ends before the caller.
    while os.read(0, 1 << 10):
        pass
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
