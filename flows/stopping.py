"""What SIGTERM does to a command: it ends at once where it can, and in any case within a bounded time.

Python runs a signal's handler in the main thread, between two steps of Python. A call that takes minutes there (a
kernel over a large corpus), or threads that an interpreter waits for at its end, would put the end off for as long. So
a second thread is told of the signal, too, by the part of the handler that is not Python, and ends the process when its
time is up. What is staged stays behind in that case, and the next run removes it.
"""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

# Promised are 30 s. A sound end, the embedded server's included, was seen to take up to 8 s.
GRACE_SECONDS = 20.0

_stopped = threading.Event()


def stop_on_sigterm(grace_seconds: float = GRACE_SECONDS) -> None:
    """Let SIGTERM end this process with the shell's code for it (143): by SystemExit, or after so many seconds without.

    To be called in the main thread.
    """
    signal.signal(signal.SIGTERM, _stop)
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(told, grace_seconds), name="stopping", daemon=True).start()


def was_stopped() -> bool:
    """Whether SIGTERM came, whatever has become of the SystemExit since."""
    return _stopped.is_set()


def stop_quietly() -> None:
    """Let SIGTERM and SIGINT end this process with 0 instead: that is how a schedule ends.

    There is no bound on the time: the runs of a schedule are processes of their own, which are ended with it.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_quietly)


def _stop_quietly(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a signal handler
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a signal handler
    """End with the shell's code for a signal; what is staged is removed on the way out."""
    _stopped.set()
    sys.exit(128 + signum)


def _end_in_time(told: int, grace_seconds: float) -> None:
    while os.read(told, 1) != bytes([signal.SIGTERM]):
        pass  # another signal, such as an interrupt
    time.sleep(grace_seconds)
    os._exit(128 + signal.SIGTERM)
