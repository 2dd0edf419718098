"""Build a committed release again, and say whether it still comes out as it lies there.

    python tools/rebuild.py [--check] SOURCES DIST VERSION

The release is built from nothing into a hidden folder in DIST and compared with DIST/VERSION byte for byte. Without
`--check` a release that differs takes the place of the old one, and one that is the same leaves it untouched; with it
nothing is changed, and a difference ends with 1.
"""

import argparse
import filecmp
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

SCRATCH = ".rebuild-"


def main() -> int:
    """Rebuild, compare, and swap or complain: the exit code."""
    parser = argparse.ArgumentParser(description="Build a committed release again and compare it byte for byte.")
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 when the bytes differ")
    parser.add_argument("sources", type=Path)
    parser.add_argument("dist", type=Path)
    parser.add_argument("version")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)  # so that the scratch folder goes when the run is ended
    args.dist.mkdir(parents=True, exist_ok=True)
    scratch = args.dist / f"{SCRATCH}{os.getpid()}"
    try:
        scratch.mkdir()
        code = build(args.sources, scratch, args.version)
        if code:
            return code
        return compared(scratch / args.version, args.dist / args.version, scratch, check=args.check)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """End with the shell's code for a signal, tidying up on the way out."""
    sys.exit(128 + signum)


def build(sources: Path, out: Path, version: str) -> int:
    """Run the command line of this environment; its exit code. What it prints is shown, with OUT's parent as OUT."""
    command = Path(sys.executable).with_name("copydesk")
    run = subprocess.Popen(  # noqa: S603 - our own command, found beside the interpreter
        [command, "build", sources, "--out", out, "--release-version", version],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = run.communicate()
    except BaseException:
        run.terminate()
        run.wait()
        raise
    # The folder that it was built in is gone when somebody reads this.
    printed = printed.replace(str(out), str(out.parent))
    (sys.stderr if run.returncode else sys.stdout).write(printed)
    sys.stdout.flush()
    return run.returncode


def compared(fresh: Path, committed: Path, scratch: Path, *, check: bool) -> int:
    """Compare two releases and act on it: the exit code.

    Args:
        fresh: the release just built.
        committed: the one that lies there, if any.
        scratch: a folder beside it, for the old release while it is swapped.
        check: whether to change nothing.
    """
    if not committed.exists():
        if check:
            print(f"{committed} is missing")
            return 1
        fresh.rename(committed)
        print(f"{committed}: new")
        return 0
    differing = differences(fresh, committed)
    for line in differing:
        print(line)
    if not differing:
        print(f"{committed}: built again, the same bytes")
        return 0
    if check:
        print(f"{committed} does not come out as it lies there")
        return 1
    swap(fresh, committed, scratch / "old")
    print(f"{committed}: replaced by what was built now")
    return 0


def swap(fresh: Path, committed: Path, aside: Path) -> None:
    """Put one folder in the place of another; if that fails the other is put back."""
    committed.rename(aside)
    try:
        fresh.rename(committed)
    except BaseException:
        aside.rename(committed)
        raise


def differences(fresh: Path, committed: Path) -> list[str]:
    """A line for each file that is in one folder only or has other bytes, sorted by path."""
    new, old = files_in(fresh), files_in(committed)
    lines = {path: f"only in the new one: {path}" for path in new - old}
    lines |= {path: f"only in the old one: {path}" for path in old - new}
    for path in new & old:
        if not filecmp.cmp(fresh / path, committed / path, shallow=False):
            lines[path] = f"differs: {path}"
    return [lines[path] for path in sorted(lines)]


def files_in(folder: Path) -> set[str]:
    """Paths of all files below a folder, hidden ones included."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


if __name__ == "__main__":
    sys.exit(main())
