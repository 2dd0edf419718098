"""What is printed to where it cannot go: a reader that has gone, a full disk, an encoding without the letters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RELEASE = Path(__file__).parent.parent / "dist" / "1.0.0"
# A command that prints in every way that there is, logging included, and does something in between.
PROGRAM = """
import sys
from pathlib import Path
import click
from rich.console import Console
from flows import cli
from flows.progress import log

@cli.cli.command()
@click.argument("done", type=Path)
def act(done):
    cli._show_progress()
    for _ in range(2000):
        click.echo("line …")
        Console().print("line …")
        log.info("line …")
    done.touch()
    print("end", end="")

cli.main(sys.argv[1:])
"""


def act(done: Path, *, stdout: int, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "act", str(done)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        env=os.environ | (environment or {}),
        timeout=120,
    )


def test_a_reader_that_has_gone_is_no_failure_of_what_was_done(tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    told = act(tmp_path / "done", stdout=writer)
    os.close(writer)
    assert (told.returncode, told.stderr) == (0, b"")
    assert (tmp_path / "done").exists()


def test_a_full_disk_is_one_line_once_all_is_done(tmp_path: Path):
    with Path("/dev/full").open("wb") as full:
        told = act(tmp_path / "done", stdout=full.fileno())
    assert told.returncode == 1
    assert told.stderr == b"copydesk: not all of the output could be written: No space left on device\n"
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_letters_that_the_encoding_lacks_are_spelt_out(encoding: str, tmp_path: Path):
    with (tmp_path / "printed").open("wb") as printed:
        told = act(tmp_path / "done", stdout=printed.fileno(), environment={"PYTHONIOENCODING": encoding})
    assert (told.returncode, told.stderr) == (0, b"")
    lines = (tmp_path / "printed").read_bytes().splitlines()
    assert len(lines) == 6001
    assert lines[-1] == b"end"
    assert rb"line \u2026" in lines


def test_a_closed_stdout_takes_nothing_that_belongs_elsewhere(tmp_path: Path):
    command = f'exec "{sys.executable}" -c \'{PROGRAM}\' act "{tmp_path / "done"}" >&- <&-'
    told = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, check=False, timeout=120)
    assert (told.returncode, told.stderr) == (0, b"")
    assert (tmp_path / "done").read_bytes() == b""


@pytest.mark.parametrize("arguments", [["show", RELEASE, "passages"], ["diff", RELEASE, RELEASE, "--json"]])
def test_commands_end_well_when_their_reader_has_gone(arguments: list[str | Path]):
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run(
        [Path(sys.executable).with_name("copydesk"), *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    os.close(writer)
    assert (told.returncode, told.stderr) == (0, b"")
