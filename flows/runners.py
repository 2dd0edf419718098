"""Where the tasks of a run are worked off: on threads of its process, in processes beside it, or on a Dask cluster.

What a run makes is the same everywhere. Nothing here imports Prefect, so that a wrong option is told of at once.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self
from urllib.parse import urlsplit

from flows.errors import UsageError

THREADS, PROCESSES, DASK = "threads", "processes", "dask"
RUNNERS = (THREADS, PROCESSES, DASK)

# Addresses of this machine that no other one reaches.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Runner:
    """A choice of workers.

    Attributes:
        name: one of RUNNERS.
        scheduler: address of the scheduler of a Dask cluster; None for a cluster on this machine, for this run.
    """

    name: str = THREADS
    scheduler: str | None = None

    @classmethod
    def of(cls, name: str, scheduler: str | None) -> Self:
        """A choice as it was asked for.

        Raises:
            UsageError: there is no such runner, what it needs is not installed, or the address is none.
        """
        if name not in RUNNERS:
            raise UsageError(f"--runner {name}: there are {', '.join(RUNNERS)}")
        if scheduler is not None:
            if name != DASK:
                raise UsageError(f"--scheduler is the address of a Dask cluster; it goes with --runner {DASK}")
            if not _is_address(scheduler):
                raise UsageError(f"--scheduler {scheduler}: expected an address such as tcp://10.0.0.1:8786")
        if name == DASK and find_spec("prefect_dask") is None:
            raise UsageError(f"--runner {DASK} needs prefect-dask: pip install 'copydesk[{DASK}]'")
        return cls(name, scheduler)

    @property
    def is_elsewhere(self) -> bool:
        """Whether workers may be on other machines, which this one's loopback address does not reach."""
        return self.scheduler is not None and urlsplit(self.scheduler).hostname not in LOOPBACK


ON_THREADS = Runner()


def _is_address(text: str) -> bool:
    """Whether it names a protocol, a host and a port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("tcp", "tls", "ws", "wss") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def follow_parent() -> None:
    """Let this worker end with the process that started it, however that ends, and leave interrupts to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="follow-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
