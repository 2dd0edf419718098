"""What SIGTERM does to a command: it ends at once where it can, and in any case within a bounded time.

Python runs a signal's handler in the main thread, between two steps of Python. A call that takes minutes there (a
kernel over a large corpus), or threads that an interpreter waits for at its end, would put the end off for as long. So
a second thread is told of the signal, too, by the part of the handler that is not Python, and ends the process when its
time is up. What is staged stays behind in that case, and the next run removes it. The same thread sends the signal
again where the handler had no effect: Python could only report what it raised, as it does in the callback of a weak
reference, or it was not run, because the signal came in the moment before a call that waits.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from types import FrameType
from typing import Any

# Promised are 30 s. A sound end, the embedded server's included, was seen to take up to 8 s.
GRACE_SECONDS = 20.0
# A schedule ends a run first, which may take those 20 s, and then its server, which may take 5.
SCHEDULE_GRACE_SECONDS = 27.0

_TELLING_SECONDS = 0.2
_AGAIN_SECONDS = 0.2

_QUIET = (signal.SIGTERM, signal.SIGINT)

_stopped = threading.Event()
_is_ending = threading.Event()


def stop_on_sigterm(grace_seconds: float = GRACE_SECONDS) -> None:
    """Let SIGTERM end this process with the shell's code for it (143): by SystemExit, or after so many seconds without.

    To be called in the main thread.
    """
    signal.signal(signal.SIGTERM, _stop)
    _bound((signal.SIGTERM,), grace_seconds, 128 + signal.SIGTERM, _stopped)


def was_stopped() -> bool:
    """Whether SIGTERM came, whatever has become of the SystemExit since.

    Also where another handler stood in place of ours: Prefect has one while a flow runs, and loses what it raises when
    it comes at a bad moment. The thread that is told of the signal then has a moment to say so.
    """
    return _stopped.wait(_TELLING_SECONDS)


def stop_quietly(grace_seconds: float = SCHEDULE_GRACE_SECONDS) -> None:
    """Let SIGTERM and SIGINT end this process with 0 instead, which is how a schedule ends: likewise, or in its time.

    To be called in the main thread. What a schedule has started are processes that notice when it has ended.
    """
    for number in _QUIET:
        signal.signal(number, _stop_quietly)
    _bound(_QUIET, grace_seconds, 0, threading.Event())


def _stop_quietly(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    _end(0)


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """End with the shell's code for a signal; what is staged is removed on the way out."""
    _stopped.set()
    _end(128 + signum)


def _end(code: int) -> None:
    """Raise the end, once: another signal would cut short what is tidied up on the way."""
    if not _is_ending.is_set():
        _is_ending.set()
        sys.exit(code)


def _bound(numbers: Collection[int], grace_seconds: float, code: int, came: threading.Event) -> None:
    """End this process with a code, so many seconds after the first of these signals; instead of an earlier bound."""
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
    sys.unraisablehook = partial(_tell_of_loss, sys.unraisablehook)
    threading.Thread(
        target=_end_in_time,
        args=(threading.get_ident(), told, numbers, grace_seconds, code, came),
        name="stopping",
        daemon=True,
    ).start()


def _tell_of_loss(otherwise: Callable[[Any], object], lost: Any) -> None:
    """Take note of an end that was raised where Python cannot pass it on."""
    if isinstance(lost.exc_value, SystemExit):
        _is_ending.clear()
    else:
        otherwise(lost)


def _end_in_time(
    main: int, told: int, numbers: Collection[int], grace_seconds: float, code: int, came: threading.Event
) -> None:
    while (number := os.read(told, 1)[0]) not in numbers:
        pass  # another signal, such as an interrupt
    came.set()
    deadline = time.monotonic() + grace_seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _AGAIN_SECONDS))
        # To the main thread, so that what it waits for is interrupted; a handler that is not ours is left in peace.
        if not _is_ending.is_set() and signal.getsignal(number) in (_stop, _stop_quietly):
            signal.pthread_kill(main, number)
    os._exit(code)
