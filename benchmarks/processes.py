"""What a command costs: wall time, CPU time and the most memory of it and all that it starts."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        outcome: `done`, or in a few words why it is not.
        wall_seconds: from start to end.
        cpu_seconds: of the command and of what it started and waited for.
        peak_bytes: the most memory that all its processes held together, as it was seen every fifth of a second; of a
            single one the kernel's own mark. What processes share is counted once (proportional set size).
    """

    outcome: str
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def cost(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path, seconds: float, max_bytes: int
) -> Cost:
    """Run a command to its end, or until it takes too long or too much.

    Args:
        command: what to run.
        cwd: where.
        environment: its variables.
        log: file for what it prints.
        seconds: wall time after which it is killed with all that it started.
        max_bytes: memory at which it is.
    """
    began = time.perf_counter()
    outcome = ""
    peak = 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            while True:
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    break
                peak = max(peak, _memory(process.pid))
                if time.perf_counter() - began > seconds:
                    outcome = f"over {seconds:,.0f} s"
                elif peak > max_bytes:
                    outcome = f"over {max_bytes / 1e9:.0f} GB"
                if outcome:
                    _, status, usage = _killed(process.pid)
                    break
                time.sleep(_POLL_SECONDS)
        except BaseException:
            _killed(process.pid)
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        outcome=outcome or (f"failed with {process.returncode}" if process.returncode else "done"),
        wall_seconds=time.perf_counter() - began,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        # A process begins with the mark of the one that started it in ru_maxrss: only where there is nothing better.
        peak_bytes=peak or usage.ru_maxrss * 1024,
    )


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an exit does, so that what it is measuring ends, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _killed(pid: int) -> tuple[int, int, resource.struct_rusage]:
    """End a session that was started here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.wait4(pid, 0)


def _memory(pid: int) -> int:
    """Bytes that a process and its descendants hold now; 0 where the system does not tell."""
    pids = _tree(pid)
    if len(pids) == 1:
        return _bytes(f"/proc/{pid}/status", "VmHWM:")
    return sum(_bytes(f"/proc/{child}/smaps_rollup", "Pss:") for child in pids)


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    pids = [pid]
    for one in pids:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids.extend(map(int, children.read_text().split()))
    return pids


def _bytes(path: str, field: str) -> int:
    """A figure of the kernel's about a process; 0 if the process has ended."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
