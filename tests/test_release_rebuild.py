"""A committed release is built again and compared byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "rebuild.py"
# Stands in for the command line: a release is a copy of the sources.
COMMAND = """#!{python}
import shutil, sys
build, sources, out_option, out, version_option, version = sys.argv[1:]
assert (build, out_option, version_option) == ("build", "--out", "--release-version")
if sources.endswith("broken"):
    sys.exit("this cannot be built")
shutil.copytree(sources, out + "/" + version)
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter with a `copydesk` of ours beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    (folder / "copydesk").write_text(COMMAND.format(python=sys.executable))
    (folder / "copydesk").chmod(0o755)
    return folder / "python"


def rebuild(python: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, TOOL, *arguments], capture_output=True, text=True, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_release_is_made_kept_checked_and_replaced(tmp_path: Path, python: Path):
    sources, dist = tmp_path / "pages", tmp_path / "dist"
    (sources / "data").mkdir(parents=True)
    (sources / "data" / "a").write_text("1")
    missing = rebuild(python, "--check", sources, dist, "1.0.0")
    assert (missing.returncode, missing.stdout) == (1, f"{dist}/1.0.0 is missing\n")
    assert rebuild(python, sources, dist, "1.0.0").returncode == 0
    assert names(dist) == ["1.0.0"]

    inode = (dist / "1.0.0" / "data" / "a").stat().st_ino
    for option in ([], ["--check"]):
        same = rebuild(python, *option, sources, dist, "1.0.0")
        assert (same.returncode, same.stdout) == (0, f"{dist}/1.0.0: built again, the same bytes\n")
    assert (dist / "1.0.0" / "data" / "a").stat().st_ino == inode

    (sources / "data" / "a").write_text("2")
    (sources / ".b").write_text("")
    (dist / "1.0.0" / "old").write_text("")
    checked = rebuild(python, "--check", sources, dist, "1.0.0")
    assert checked.returncode == 1
    assert checked.stdout.splitlines()[:3] == ["only in the new one: .b", "differs: data/a", "only in the old one: old"]
    assert (dist / "1.0.0" / "data" / "a").read_text() == "1"
    assert rebuild(python, sources, dist, "1.0.0").returncode == 0
    assert (dist / "1.0.0" / "data" / "a").read_text() == "2"
    assert names(dist / "1.0.0") == [".b", "data"]
    assert names(dist) == ["1.0.0"]


def test_a_build_that_fails_changes_nothing_and_says_why(tmp_path: Path, python: Path):
    dist = tmp_path / "dist"
    (dist / "1.0.0").mkdir(parents=True)
    failed = rebuild(python, tmp_path / "broken", dist, "1.0.0")
    assert (failed.returncode, failed.stderr) == (1, "this cannot be built\n")
    assert names(dist) == ["1.0.0"]
