"""Builds in processes of their own, which may be killed at any moment: `python -m tests.builds` reads a case a line.

A case is a line of JSON; the fields of `Case` say what it may hold. Each runs in a child that is forked when everything
is imported, so that it costs a build and not a start. The tasks of the pipeline are called as plain functions; the
stages, the lock, the staging and the release are those of `copydesk build`. What goes wrong on purpose is
wrapped around the functions of `os`, of which the code under test knows nothing.
"""

import functools
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent

# What leaves a trace on the disk, as Python code calls it. Libraries that write by themselves are between two of these.
CALLS = ("fsync", "fdatasync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir", "link", "ftruncate", "pwrite")


@dataclass(frozen=True)
class Case:
    """A build, and what happens to it.

    Attributes:
        sources: files or folders.
        out: folder of releases.
        settings: those that differ from the defaults.
        release_version: the version wished for.
        kill_at: killed by itself before the call with this number (counted from 0) of one of CALLS.
        kill_after: killed from outside after so many seconds.
        fail_at: the call with this number and all after it fail with `errno`.
        errno: of the error.
        file_bytes: no file may become larger (RLIMIT_FSIZE).
        umask: of the process.
        clock: what is added to the time of day, in seconds.
    """

    sources: list[str]
    out: str
    settings: dict[str, Any] = field(default_factory=dict)
    release_version: str | None = None
    kill_at: int | None = None
    kill_after: float | None = None
    fail_at: int | None = None
    errno: int = 0
    file_bytes: int | None = None
    umask: int = 0o022
    clock: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a build ended.

    Attributes:
        signal: that ended it, 0 if none.
        code: its exit code, as the command line has it; 70 where it would have printed a stack trace.
        error: the lines for a person, or the stack trace.
        version: the release that holds the rows.
        step: from the release before.
        calls: of CALLS, by name, in order.
        seconds: that it took.
    """

    signal: int
    code: int
    error: str = ""
    version: str = ""
    step: str = ""
    calls: tuple[str, ...] = ()
    seconds: float = 0.0


class Builder:
    """Runs cases in a process that has everything imported; a context manager."""

    def __init__(self, **environment: str) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.builds"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **self._environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def __call__(self, sources: Path | list[Path], out: Path, **options: Any) -> Outcome:
        """Run a case and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        given = sources if isinstance(sources, list) else [sources]
        case = Case([str(source) for source in given], str(out), **options)
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Outcome(**{**answer, "calls": tuple(answer["calls"])})


class _Plain:
    """A task of the pipeline, called as the function that it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any, return_state: bool, **options: Any) -> "_Ended":
        assert return_state
        return _Ended(self._function(*arguments, **options))

    def submit(self, *arguments: Any, return_state: bool, **options: Any) -> "_Ended":
        assert not return_state
        return _Ended(self._function(*arguments, **options))


class _Ended:
    """Future and state of a task that has ended well."""

    def __init__(self, result: Any) -> None:
        self._result = result

    @property
    def state(self) -> "_Ended":
        return self

    def wait(self) -> None:
        """It has ended."""

    def result(self) -> Any:
        return self._result


def _wrap_calls(case: Case, seen: Callable[[str], None]) -> None:
    """Count the calls, and let what is asked for happen at one of them."""
    from flows.release import staging

    numbers = itertools.count()
    lock = threading.Lock()

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with lock:
                number = next(numbers)
                seen(name)
            if number == case.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if case.fail_at is not None and number >= case.fail_at and name not in ("unlink", "remove", "rmdir"):
                raise OSError(case.errno, os.strerror(case.errno))
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))
    # It goes to the system without os.
    staging.rename_new = wrapped("rename_new", staging.rename_new)


def _moved_clock(seconds: float) -> None:
    for name in ("time", "time_ns"):
        real = getattr(time, name)
        moved = int(seconds * 1_000_000_000) if name == "time_ns" else seconds
        setattr(time, name, functools.partial(lambda real, moved: real() + moved, real, moved))


def _build(case: Case, tell: Callable[[Outcome], None]) -> None:
    from prefect import Task

    from flows import pipeline
    from flows.errors import CopydeskError
    from flows.settings import Settings

    for name, task in list(vars(pipeline).items()):
        if isinstance(task, Task):
            setattr(pipeline, name, _Plain(task.fn))
    os.umask(case.umask)
    if case.clock:
        _moved_clock(case.clock)
    if case.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (case.file_bytes, case.file_bytes))
    calls: list[str] = []
    _wrap_calls(case, calls.append)
    began = time.monotonic()
    try:
        built = pipeline.build_release(
            [os.fsdecode(source.encode()) for source in case.sources],  # as the command line hands them over
            Path(case.out),
            Settings(**case.settings),
            {},
            case.release_version,
            None,
            None,
        )
    except CopydeskError as error:
        tell(Outcome(0, error.exit_code, str(error), calls=tuple(calls)))
    except BaseException:  # noqa: BLE001 - whatever it is, the test is told
        tell(Outcome(0, 70, traceback.format_exc(), calls=tuple(calls)))
    else:
        seconds = time.monotonic() - began
        tell(Outcome(0, 0, "", built.released.version, built.released.step, tuple(calls), seconds))


def _run(case: Case) -> Outcome:
    """A case in a child that is forked for it."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.dup2(2, 1)  # the answers of the parent stand alone on stdout
        _build(case, lambda outcome: _write_all(writer, json.dumps(asdict(outcome)).encode()))
        os._exit(0)
    os.close(writer)
    with _killed_after(child, case.kill_after), os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Outcome(os.WTERMSIG(status), 128 + os.WTERMSIG(status))
    return Outcome(**json.loads(answer))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _killed_after(child: int, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def main() -> None:
    """Run cases until standard input ends."""
    import hypothesis  # pandera asks for it when it first validates
    from pandera.backends.polars.register import register_polars_backends

    import flows.pipeline
    from flows.normalize import language
    from flows.release import card
    from flows.release.manifest import code_identity

    # Once for all children: two thirds of the time of a small build.
    assert hypothesis
    assert flows.pipeline
    register_polars_backends()
    language._model()
    card._template()
    code_identity()
    for line in sys.stdin:
        print(json.dumps(asdict(_run(Case(**json.loads(line))))), flush=True)  # noqa: T201 - that is its answer


if __name__ == "__main__":
    main()
