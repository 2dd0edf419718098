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

import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import IO, Self

from flows.errors import CopydeskError

# Setting up a fresh database takes 5 to 20 s on two cores.
START_SECONDS = 120
STOP_SECONDS = 5

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
                raise CopydeskError(f"Prefect's server did not start: {self._last_line()}")
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=5) as answer:  # noqa: S310 - loopback
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise CopydeskError(f"Prefect's server did not answer within {START_SECONDS} s: {self._last_line()}")

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

    def _last_line(self) -> str:
        assert self._output is not None
        self._output.seek(0)
        lines = self._output.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def serve(listener: int) -> None:
    """Run the server on a listening socket until standard input closes: the caller has ended."""
    import uvicorn

    threading.Thread(target=_end_with_caller, daemon=True).start()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        fd=listener,
        lifespan="on",
        log_level="error",
        access_log=False,
    )
    # To look for garbage in the middle of all that is imported took an eighth of the time.
    gc.disable()
    config.load()
    gc.enable()
    uvicorn.Server(config).run()


def _end_with_caller() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
