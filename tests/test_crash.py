"""Whatever happens to a build, its folder of releases holds whole releases, and the next run finishes the job.

COPYDESK_CRASH_CASES is the number of kills, half of them at calls that leave a trace on the disk and half at random
moments: a few in continuous integration; with 200 every such call is met.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest

from flows.errors import CopydeskError
from flows.release.staging import LOCK, STAGING, Lock, clear_errors, locked, staged
from flows.verify import verify
from tests.builds import Builder, Outcome

CASES = int(os.environ.get("COPYDESK_CRASH_CASES", "8"))
SEED = 20
COPYDESK = Path(sys.executable).with_name("copydesk")

STORY = """The ferry that forgot its island, part {number}

By Ada Quill

November 3, 2025

For {number} days in October the ferry to Skarholm left on time, crossed an empty strait and came back without landing.

Nobody had told the captain that pier {number} was gone. "I saw the water where the planks should have been," she said.

(c) 2025 The Harbour Ledger. All rights reserved.
"""
COURT = """A court finds that a lighthouse is a neighbour

The county court of Ember Bay has ruled that a lighthouse may complain about the fog horn beside it.

Judges took nine minutes to decide. Their opinion, which runs to two sentences, says that light was there first.
"""


def story(number: int) -> str:
    return STORY.format(number=number)


def records(*texts: str) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def digest(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def visible(out: Path) -> dict[str, dict[str, str]]:
    """Release → its files with their hashes; anything else that a reader sees fails the test."""
    found = {path.name: digest(path) for path in out.iterdir() if not path.name.startswith(".")}
    assert found.keys() <= {"1.0.0", "1.1.0"}, found.keys()
    return found


@dataclass(frozen=True)
class World:
    """Sources that changed since their first release.

    Attributes:
        pages: as they are now.
        out: a folder with the first release.
        whole: release → its files with their hashes, after a build that nothing disturbed.
        calls: of that build.
        seconds: that it took.
    """

    pages: Path
    out: Path
    whole: dict[str, dict[str, str]]
    calls: tuple[str, ...]
    seconds: float

    def copy(self, out: Path) -> Path:
        """A folder of releases of its own."""
        shutil.copytree(self.out, out)
        return out


@pytest.fixture(scope="module")
def build() -> Iterator[Builder]:
    with Builder() as builder:
        yield builder


@pytest.fixture(scope="module")
def world(build: Builder, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    pages = folder / "pages"
    pages.mkdir()
    for number in range(4):
        (pages / f"{number}.txt").write_text(story(number), encoding="utf-8")
    (pages / "more.jsonl").write_text(records(story(7), COURT), encoding="utf-8")
    assert done(build(pages, folder / "out")).step == "first"
    (pages / "0.txt").unlink()
    (pages / "1.txt").write_text(story(1).replace("planks", "boards"), encoding="utf-8")
    (pages / "court.txt").write_text(COURT, encoding="utf-8")
    (pages / "more.jsonl").write_text(records(story(7), COURT, story(8)), encoding="utf-8")
    shutil.copytree(folder / "out", folder / "calm")
    calm = done(build(pages, folder / "calm"))
    assert (calm.version, calm.step) == ("1.1.0", "minor")
    for version in ("1.0.0", "1.1.0"):
        assert verify(folder / "calm" / version, []).is_ok
    return World(pages, folder / "out", visible(folder / "calm"), calm.calls, calm.seconds)


def done(outcome: Outcome) -> Outcome:
    assert (outcome.signal, outcome.code) == (0, 0), outcome.error
    return outcome


def check_whole(world: World, out: Path) -> bool:
    """What can be seen is whole, and the earlier release is among it; whether the new one is there, too."""
    found = visible(out)
    assert "1.0.0" in found
    for version, files in found.items():
        assert files == world.whole[version], version
    with (out / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "1.1.0" in found


def check_finishes(build: Builder, world: World, out: Path) -> None:
    """The next run ends as one that nothing disturbed."""
    was_there = check_whole(world, out)
    again = done(build(world.pages, out))
    assert (again.version, again.step) == ("1.1.0", "none" if was_there else "minor")
    assert visible(out) == world.whole
    assert list(out.glob(f"{STAGING}*")) == []


def check_one_clear_line(outcome: Outcome, out: Path, reason: str) -> None:
    assert (outcome.signal, outcome.code) == (0, 1), outcome.error
    assert len(outcome.error.splitlines()) == 1, outcome.error
    assert str(out) in outcome.error
    assert reason in outcome.error


def test_a_build_that_is_killed_at_any_call_leaves_whole_releases_and_the_next_one_finishes(build, world, tmp_path):
    before = digest(world.pages)
    chosen = random.Random(SEED)
    # What comes at the end matters most: the rename, and what is flushed and removed around it.
    rename = world.calls.index("rename_new")
    numbers = {rename, rename + 1, *chosen.sample(range(len(world.calls)), min(CASES // 2 - 2, len(world.calls)))}
    if CASES >= 200:
        numbers = set(range(len(world.calls)))
    for number in sorted(numbers):
        out = world.copy(tmp_path / str(number))
        assert build(world.pages, out, kill_at=number).signal == signal.SIGKILL
        check_finishes(build, world, out)
        shutil.rmtree(out)
    assert digest(world.pages) == before


def test_a_build_that_is_killed_at_any_moment_leaves_whole_releases_and_the_next_one_finishes(build, world, tmp_path):
    chosen = random.Random(SEED + 1)
    killed = 0
    for number in range(CASES if CASES >= 200 else CASES // 2):
        out = world.copy(tmp_path / str(number))
        killed += build(world.pages, out, kill_after=chosen.uniform(0, world.seconds)).signal == signal.SIGKILL
        check_finishes(build, world, out)
        shutil.rmtree(out)
    assert killed


def test_what_several_killed_runs_leave_is_removed(build, world, tmp_path):
    out = world.copy(tmp_path / "out")
    rename = world.calls.index("rename_new")
    for number in (rename // 2, rename - 1, rename):
        assert build(world.pages, out, kill_at=number).signal == signal.SIGKILL
        assert list(out.glob(f"{STAGING}*"))
    check_finishes(build, world, out)


def test_a_release_is_on_the_disk_before_it_is_seen(world):
    """Each file and folder of it is flushed before the rename, and the folder of releases after it."""
    rename = world.calls.index("rename_new")
    files = len(world.whole["1.1.0"])
    assert world.calls[:rename].count("fsync") > files
    assert world.calls[rename + 1] == "fsync"


def test_folders_made_for_releases_are_flushed_with_their_parents(tmp_path, monkeypatch):
    flushed: list[Path] = []
    monkeypatch.setattr("flows.release.staging.flush", flushed.append)
    with locked(tmp_path / "a" / "b"):
        pass
    assert set(flushed) == {tmp_path, tmp_path / "a"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_is_one_line_and_the_next_run_finishes(build, world, tmp_path, code):
    chosen = random.Random(code)
    rename = world.calls.index("rename_new")
    # The last call before the rename for one of them; what they are called is the same everywhere.
    for number in (chosen.randrange(rename), *([rename - 1] if code == errno.EIO else [])):
        out = world.copy(tmp_path / str(number))
        check_one_clear_line(build(world.pages, out, fail_at=number, errno=code), out, os.strerror(code))
        assert not check_whole(world, out)
        check_finishes(build, world, out)


def test_a_release_that_the_disk_did_not_confirm_is_said_to_be_there(build, world, tmp_path):
    out = world.copy(tmp_path / "out")
    after = world.calls.index("rename_new") + 1
    told = build(world.pages, out, fail_at=after, errno=errno.EIO)
    check_one_clear_line(told, out / "1.1.0", "was released, but the disk did not confirm it")
    assert check_whole(world, out)
    check_finishes(build, world, out)


@pytest.mark.parametrize("file_bytes", [0, 500, 5_000, 20_000])
def test_a_limit_on_files_is_one_line(build, world, tmp_path, file_bytes):
    out = world.copy(tmp_path / "out")
    check_one_clear_line(build(world.pages, out, file_bytes=file_bytes), out, "File too large")
    assert not check_whole(world, out)
    check_finishes(build, world, out)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB that fills up, on another file system than everything else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(ballast: Path) -> None:
    """Write to a file until its disk is full."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def test_a_task_that_is_still_writing_hides_no_error_and_leaves_nothing(tmp_path: Path):
    """Another thread of a run that fails knows nothing of that yet."""
    out = tmp_path / "out"

    writers: list[threading.Thread] = []

    def write_on(folder: Path) -> None:
        try:
            for number in range(100_000):
                (folder / str(number)).touch()
        except FileNotFoundError:
            pass  # the folder is gone

    def fail_beside_a_writer(lock: Lock) -> NoReturn:
        with staged(lock) as work:
            writers.append(threading.Thread(target=write_on, args=(work,)))
            writers[0].start()
            while not (work / "1000").exists():
                pass
            raise CopydeskError("the other task failed")

    with locked(out) as lock:
        with pytest.raises(CopydeskError, match="the other task failed"):
            fail_beside_a_writer(lock)
        writers[0].join()
        assert list(out.glob(f"{STAGING}*")) == []


def test_a_full_disk_is_one_line_and_with_room_the_next_run_finishes(build, world, small_disk):
    out = world.copy(small_disk / "out")
    ballast = small_disk / "ballast"
    fill(ballast)
    stated = 0
    while ballast.stat().st_size > 20_000:
        outcome = build(world.pages, out)
        if outcome.code == 0:
            break
        check_one_clear_line(outcome, out, "No space left on device")
        assert not check_whole(world, out)
        assert list(out.glob(f"{STAGING}*")) == []
        stated += 1
        os.truncate(ballast, ballast.stat().st_size - 20_000)
    assert stated >= 3
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    check_finishes(build, world, out)


def test_a_disk_that_becomes_read_only(build, world, small_disk):
    out = world.copy(small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    check_one_clear_line(build(world.pages, out), out, "Read-only file system")
    assert visible(out) == {"1.0.0": world.whole["1.0.0"]}


def test_no_container_is_rejected_for_want_of_room(build, world, tmp_path):
    """That what was read of it cannot be put aside says nothing of the file: the run ends, and no release lacks it."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "court.txt").write_text(COURT, encoding="utf-8")
    large = COURT * 1_000
    pl.DataFrame({"text": [large]}).write_parquet(tmp_path / "table.parquet")
    (tmp_path / "lines.jsonl").write_text(records(large), encoding="utf-8")
    for name in ("table.parquet", "lines.jsonl"):
        (tmp_path / name).rename(pages / name)
        told = build(
            pages, tmp_path / "out", file_bytes=100_000, settings={"max_reject_share": 1.0, "shard_bytes": 50_000}
        )
        check_one_clear_line(told, tmp_path / "out", "File too large")
        (pages / name).unlink()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"), "No space"),
        (OSError("No space left on device (os error 28)"), "No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot write to OUT: Read-only file system"),
        (OSError(errno.EACCES, "Permission denied", "OUT/.staging-1/x"), "cannot write to OUT: Permission denied"),
        (OSError(errno.EIO, "Input/output error", "/elsewhere/page.txt"), "cannot use /elsewhere/page.txt: Input/"),
        (OSError("7 requested and 0 written"), "cannot write to OUT: 7 requested and 0 written"),
    ],
)
def test_errors_of_the_system_are_one_line_whoever_met_them(error: Exception, told: str):
    with pytest.raises(CopydeskError, match=told) as raised, clear_errors(Path("OUT")):
        raise error
    assert len(str(raised.value).splitlines()) == 1


def test_other_errors_of_polars_stay_what_they_are():
    with pytest.raises(pl.exceptions.ComputeError), clear_errors(Path("OUT")):
        raise pl.exceptions.ComputeError("no such function")


def test_staging_lies_on_the_disk_of_the_releases(tmp_path, monkeypatch):
    """So that one rename is enough, wherever temporary files lie."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with locked(tmp_path) as lock, staged(lock) as folder:
        assert folder.parent == tmp_path


def test_what_a_dead_run_left_is_swept_though_its_workers_still_write(tmp_path, monkeypatch):
    stale = tmp_path / "out" / f"{STAGING}9-0f"
    (stale / "passages").mkdir(parents=True)
    (stale / "passages" / "00000.parquet").write_text("rows")
    rmdir, others = os.rmdir, [OSError(errno.ENOTEMPTY, "by another machine"), OSError(errno.ENOENT, "likewise")]

    def late(path: str, *, dir_fd: int | None = None) -> None:
        with contextlib.suppress(FileNotFoundError):
            (stale / "passages" / "00001.parquet").write_text("rows")
        if others:
            raise others.pop()
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", late)
    with locked(tmp_path / "out"):
        assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK]


def test_a_build_needs_no_other_disk(world, small_disk, tmp_path):
    """Releases on another file system than temporary files, which are on one that takes none."""
    out = world.copy(small_disk / "out")
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    with Builder(TMPDIR=str(tmp_path)) as build:
        check_finishes(build, world, out)
