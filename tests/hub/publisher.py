"""A process that publishes on request, with the real client.

It is a process because the client reads its environment when it is imported, and because it may be killed. What it
sleeps can pass fast, so that waiting for a server to recover takes a fraction of the time.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsIndex

from tests.hub.server import Hub

ROOT = Path(__file__).parent.parent.parent
FAST = 100


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    Attributes:
        code: exit code that the command line would end with; -9 of a process that was killed.
        message: of the error, if there was one.
        seconds: by the clock of the process.
        published: what was published, as a dictionary.
        lines: what was reported meanwhile.
    """

    code: int
    message: str = ""
    seconds: float = 0.0
    published: dict[str, Any] | None = None
    lines: tuple[str, ...] = ()


class Publisher:
    """The process, from the first request on; it starts again after it was killed."""

    def __init__(
        self, hub: Hub, home: Path, token: str, environment: Mapping[str, str] | None = None, speed: int = FAST
    ) -> None:
        self.hub = hub
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",
            "COPYDESK_TEST_SPEED": str(speed),
            **(environment or {}),
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def publish(self, release: Path, repo: str, visibility: str | None = None, **options: Any) -> Outcome:
        """Publish a release and wait for what comes of it."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.hub.publisher"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        self.hub.victim = self._process
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wish = {"release": str(release), "repo": repo, "visibility": visibility, **options}
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            return Outcome(self._process.wait())
        content = json.loads(answer)
        return Outcome(**{**content, "lines": tuple(content["lines"])})


class Clock:
    """Stands in for `time`: it goes as always, but what is slept passes so many times as fast.

    Work counts as long as it takes: were it made longer, too, a busy machine would be given up like a dead server.
    """

    def __init__(self, speed: int) -> None:
        self._speed = speed
        self._ahead = 0.0
        self._lock = threading.Lock()
        self._sleep, self._monotonic = time.sleep, time.monotonic

    def monotonic(self) -> float:
        return self._monotonic() + self._ahead

    def sleep(self, seconds: SupportsIndex | float) -> None:
        seconds = float(seconds)
        end = self.monotonic() + seconds
        self._sleep(seconds / self._speed)
        with self._lock:  # of several that sleep at once, none moves it on twice
            self._ahead = max(self._ahead, end - self._monotonic())


def main(speed: int) -> None:
    """Answer requests, a line each."""
    clock = Clock(speed)
    time.sleep, time.monotonic = clock.sleep, clock.monotonic

    import logging

    from flows.errors import CopydeskError
    from flows.publishing import publish_release

    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("copydesk").addHandler(handler)
    logging.getLogger("copydesk").setLevel(logging.INFO)
    for line in sys.stdin:
        wish = json.loads(line)
        began = time.monotonic()
        lines.clear()
        answer: dict[str, Any] = {"code": 0}
        try:
            answer["published"] = vars(publish_release(Path(wish.pop("release")), **wish))
        except CopydeskError as error:
            answer |= {"code": error.exit_code, "message": str(error)}
        sys.stdout.write(json.dumps(answer | {"seconds": time.monotonic() - began, "lines": lines}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(os.environ["COPYDESK_TEST_SPEED"]))
