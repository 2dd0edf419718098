"""What commands print, and what becomes of it where it cannot go.

A reader that has seen enough (`| head`), a full disk, or letters that the encoding lacks are no reason to leave undone
what a command was asked for, nor to show a stack trace. What cannot be written is dropped, whoever prints it: the
commands, rich, or the log.
"""

import io
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from flows.errors import CopydeskError


class _Outlet(io.FileIO):
    """A descriptor to print to.

    Attributes:
        error: why nothing can be written to it any more; null as long as it can.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write a buffer of bytes, or drop them once that has failed."""
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


class Output:
    """Stdout and stderr of this process, while a command has them."""

    def __init__(self) -> None:
        """Take both, unless somebody else has taken them before, such as a test."""
        _keep_descriptors()
        self._outlet: _Outlet | None = None
        if sys.stdout is None:  # what the log prints would go to stderr
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        if isinstance(sys.stdout, TextIOWrapper) and sys.stdout is sys.__stdout__:
            sys.stdout, self._outlet = _taken(sys.stdout)
        if isinstance(sys.stderr, TextIOWrapper) and sys.stderr is sys.__stderr__:
            sys.stderr, _ = _taken(sys.stderr)

    def finish(self) -> None:
        """Write out what is left.

        Raises:
            CopydeskError: some of it was dropped, and not because its reader had seen enough.
        """
        if self._outlet is None:
            return
        sys.stdout.flush()
        error = self._outlet.error
        if error is not None and not isinstance(error, BrokenPipeError):
            raise CopydeskError(f"not all of the output could be written: {error.strerror}") from error


def _keep_descriptors() -> None:
    """Open what was closed of stdin, stdout and stderr: else a file would get such a number, and what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _taken(stream: TextIOWrapper) -> tuple[TextIOWrapper, _Outlet]:
    """A stream to the same place that drops what it cannot write, and spells out letters that its encoding lacks."""
    stream.flush()
    outlet = _Outlet(stream.fileno(), "wb", closefd=False)
    text = TextIOWrapper(
        io.BufferedWriter(outlet),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=bool(stream.line_buffering),
        write_through=bool(stream.write_through),
    )
    return text, outlet
