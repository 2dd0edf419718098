"""A pipe from a process that may hang."""

import contextlib
import fcntl
import io
import os
import select
import time
from typing import IO, Any

# The most that Linux gives to everybody: the process at the other end writes on while this one does something else.
_PIPE_BYTES = 1 << 20


class PatientPipe(io.RawIOBase):
    """What comes through a pipe, waited for no longer than so many seconds in all.

    Only waiting counts: what the reader does between two reads takes nothing from them.
    """

    def __init__(self, pipe: IO[bytes], seconds: float) -> None:
        """A view of the pipe, which stays open when this is closed."""
        self._file = pipe.fileno()
        self._seconds_left = seconds
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        with contextlib.suppress(OSError, AttributeError):  # it is as large as the system lets it be
            fcntl.fcntl(self._file, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes; none at the end.

        Raises:
            TimeoutError: the time is over.
        """
        began = time.monotonic()
        if not self._poll.poll(self._seconds_left * 1000):
            raise TimeoutError
        self._seconds_left = max(0.0, self._seconds_left - (time.monotonic() - began))
        return os.readv(self._file, [buffer])
