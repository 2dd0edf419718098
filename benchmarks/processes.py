"""What a command costs: wall time, CPU time and the most memory of it and all that it starts."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.2
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        outcome: `done`, or in a few words why it is not.
        wall_seconds: from start to end.
        cpu_seconds: of the command and of what it started and waited for.
        peak_bytes: the most memory of all its processes together. What they share is counted once (PSS), except in the
            figure for a single process, which is the kernel's (RSS).
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
        peak_bytes=max(peak, usage.ru_maxrss * 1024),
    )


def _killed(pid: int) -> tuple[int, int, resource.struct_rusage]:
    """End a session that was started here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return os.wait4(pid, 0)


def _memory(pid: int) -> int:
    """Bytes that a process and its descendants hold now; 0 where the system does not tell."""
    pids = _tree(pid)
    if len(pids) == 1:
        return _number(f"/proc/{pid}/statm", 1) * _PAGE_BYTES
    return sum(_shared_out(child) for child in pids)


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    pids = [pid]
    for one in pids:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids.extend(map(int, children.read_text().split()))
    return pids


def _number(path: str, at: int) -> int:
    """A number of a line; 0 if the process has ended."""
    try:
        return int(Path(path).read_text(encoding="ascii").split()[at])
    except (OSError, IndexError):
        return 0


def _shared_out(pid: int) -> int:
    """Bytes of a process; what it shares with others is divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
