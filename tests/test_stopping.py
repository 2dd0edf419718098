"""SIGTERM ends a command within a bounded time, with the shell's code, and takes every process along."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.release.staging import STAGING, locked
from tests.test_crash import COPYDESK, story

MARK = "COPYDESK_TEST_MARK"


def family(mark: str) -> dict[int, str]:
    """Process → its command line, of all processes that inherited a mark."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if f"{MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue  # it has ended meanwhile, or is somebody else's
    return found


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.txt").write_text(story(number), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prefect's home for runs with servers of their own, one after the other: setting one up takes most of a run."""
    return str(tmp_path_factory.mktemp("home"))


@pytest.mark.prefect
@pytest.mark.parametrize("moment", ["start", "worker", "normalize"])
def test_sigterm_ends_a_run_and_all_that_it_started(pages: Path, tmp_path: Path, home: str, moment: str):
    """With its own server; while that starts, while a worker reads a Parquet file, and in or after the stages."""
    mark = uuid.uuid4().hex
    out = tmp_path / "out"
    if moment == "worker":
        # Small files in one group a row take the worker long enough to be met at work.
        many = pl.DataFrame({"text": [story(number) for number in range(200_000)]})
        many.write_parquet(pages / "many.parquet", row_group_size=64)
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    run = subprocess.Popen(
        [COPYDESK, "build", pages, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, MARK: mark, "PREFECT_HOME": home},
    )
    assert run.stdout is not None
    assert run.stderr is not None
    if moment == "worker":
        assert wait_for(lambda: any("parquet_worker" in line for line in family(mark).values()), 150)
    else:
        assert any(line.startswith("starting" if moment == "start" else moment) for line in run.stdout)
    if moment == "start":
        assert wait_for(lambda: any("flows.server" in line for line in family(mark).values()), 60)
    run.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code = run.wait(60)
    assert time.monotonic() - began < 30
    assert wait_for(lambda: not family(mark), 10), family(mark)
    told = run.stderr.read()
    assert code == 128 + signal.SIGTERM, told
    assert "Traceback" not in told
    if out.exists():
        assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == []
        with locked(out):
            assert list(out.glob(f"{STAGING}*")) == []


@pytest.mark.prefect
def test_what_a_killed_run_had_started_ends_with_it(pages: Path, tmp_path: Path, home: str):
    """Nobody is left to end them: the server and the worker notice by themselves."""
    mark = uuid.uuid4().hex
    many = pl.DataFrame({"text": [story(number) for number in range(200_000)]})
    many.write_parquet(pages / "many.parquet", row_group_size=64)
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    run = subprocess.Popen(
        [COPYDESK, "build", pages, "--out", tmp_path / "out"],
        stdout=subprocess.DEVNULL,
        env={**environment, MARK: mark, "PREFECT_HOME": home},
    )
    assert wait_for(lambda: any("parquet_worker" in line for line in family(mark).values()), 150)
    assert list((tmp_path / "out").glob(f"{STAGING}*"))
    run.kill()
    run.wait()
    assert wait_for(lambda: not family(mark), 10), family(mark)
    with locked(tmp_path / "out"):
        # Nothing but the locks of the releases and of the state.
        left = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
        assert {path.relative_to(tmp_path / "out").as_posix() for path in left} == {".lock", ".state/.lock"}


@pytest.mark.parametrize(
    "busy",
    [
        # A call that lets other threads run and ends after minutes, as a kernel over a large corpus does.
        "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2_000_000_000)",
        # A thread that the interpreter waits for at its end.
        "import threading, time; threading.Thread(target=time.sleep, args=(90,)).start(); time.sleep(90)",
    ],
)
def test_what_does_not_end_by_itself_is_ended(busy: str):
    # It is told when the call has long begun.
    ready = "import threading; threading.Timer(0.5, print, ['ready'], {'flush': True}).start()"
    code = f"from flows.stopping import stop_on_sigterm; stop_on_sigterm(1.0); {ready}; {busy}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert time.monotonic() - began > 0.9, "it ended by itself"


def test_the_code_is_that_of_the_signal_whoever_handles_it():
    """Prefect puts a handler in place of ours while a flow runs; what that raises may end as any error."""
    code = (
        "import signal, time\nfrom flows import cli\n"
        "def raised(*_):\n    raise ValueError('some other error')\n"
        "def run(_):\n"
        "    signal.signal(signal.SIGTERM, raised)\n    print('ready', flush=True)\n    time.sleep(90)\n"
        "cli._run_command = run\ncli.main()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[1] == b""
        assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_schedule_that_does_not_end_by_itself_is_ended_with_0(number: signal.Signals):
    code = (
        "import time; from flows.stopping import stop_on_sigterm, stop_quietly; stop_on_sigterm(); stop_quietly(1.0)\n"
        "try:\n    print('ready', flush=True); time.sleep(3600)\n"
        "finally:\n    time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(60) == 0
        assert time.monotonic() - began > 0.9, "it ended by itself"


def test_a_command_that_can_end_at_once_does(tmp_path: Path):
    code = (
        "import pathlib, time; from flows.stopping import stop_on_sigterm; stop_on_sigterm(3600)\n"
        "try:\n    print('ready', flush=True); time.sleep(3600)\n"
        f"finally:\n    pathlib.Path({str(tmp_path / 'tidied')!r}).touch()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert (tmp_path / "tidied").exists()


def test_two_builds_at_once_are_one_build_and_a_line(tmp_path: Path, server: Any):
    out = tmp_path / "out"
    with locked(out):
        told = subprocess.run(
            [COPYDESK, "build", tmp_path, "--out", out],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PREFECT_API_URL": server.api_url},
            timeout=120,
        )
    assert told.returncode == 3
    (line,) = told.stderr.splitlines()
    assert f"process {os.getpid()} on {os.uname().nodename}" in line


LOST = """
class Thing: pass

def gone(_):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)

thing = Thing()
reference = weakref.ref(thing, gone)
del thing
"""

LATE = """
def send():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=send).start()
"""


@pytest.mark.parametrize(("how", "code"), [("stop_on_sigterm", 128 + signal.SIGTERM), ("stop_quietly", 0)])
@pytest.mark.parametrize("moment", [LOST, LATE])
def test_a_signal_that_had_no_effect_is_sent_again(moment: str, how: str, code: int):
    """As when it comes in a weak reference's callback, or when the main thread has begun to wait and is not told."""
    program = (
        "import os, signal, threading, time, weakref\n"
        f"from flows.stopping import {how}\n"
        f"{how}(3600)\n{moment}\ntime.sleep(3600)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (code, "")


def test_a_second_signal_does_not_cut_short_what_is_tidied_up(tmp_path: Path):
    program = (
        "import os, pathlib, signal; from flows.stopping import stop_on_sigterm; stop_on_sigterm(3600)\n"
        "def end(): os.kill(os.getpid(), signal.SIGTERM)\n"
        f"try:\n    end()\nfinally:\n    end()\n    pathlib.Path({str(tmp_path / 'tidied')!r}).touch()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 128 + signal.SIGTERM
    assert (tmp_path / "tidied").exists()
