"""The command line: complete help, clear errors, exit codes, and no Prefect where no flow runs."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import polars as pl
import pytest
from click.testing import CliRunner

from flows.cli import cli, print_error
from flows.errors import UsageError
from flows.progress import telling
from flows.settings import Settings

ROOT = Path(__file__).parent.parent
COPYDESK = Path(sys.executable).with_name("copydesk")


def run(*arguments: str | bytes | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COPYDESK, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_help_describes_every_command_and_option(name):
    command = cli.commands[name]
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts} has no help"
            assert parameter.opts[0] in shown.output


def test_the_readme_names_every_command_option_and_exit_code():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        assert f"copydesk {name}" in readme
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in readme, f"{name} {parameter.opts[0]}"
    for code in range(6):
        assert re.search(rf"^\| {code} \|", readme, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["build", "--nonsense"], 2, "No such option"),
        (["nonsense"], 2, "No such command"),
        (["build", "seeds", "--set", "no_such_setting=1"], 2, "no_such_setting"),
        (["build", "seeds", "--set", "max_reject_share=plenty"], 2, "TOML"),
        (["build", "seeds", "--set", "max_reject_share=7.0"], 2, "max_reject_share"),
        (["build", "seeds", "--set", "min_reuse_evidence=inf"], 2, "min_reuse_evidence"),
        (["build", "seeds", "--settings", "nowhere.toml"], 2, "nowhere.toml"),
        (["build", "seeds", "--release-date", "yesterday"], 2, "yesterday"),
        (["build", "seeds", "--column", "text"], 2, "OURS=THEIRS"),
        (["build", "seeds", "--release-version", "1.0"], 2, "MAJOR.MINOR.PATCH"),
        (["serve", "--source", "seeds", "--interval", "1h", "--release-version", "1.0"], 2, "MAJOR.MINOR.PATCH"),
        (["build"], 2, "no SOURCE"),
        (["show", "nowhere", "overlaps"], 1, "nowhere"),
        (["verify", "nowhere"], 1, "nowhere"),
        (["diff", "nowhere", "elsewhere"], 1, "nowhere"),
        (["explain", "nowhere", "0123456789abcdef"], 1, "nowhere"),
        (["verify", "long" * 100], 1, "File name too long"),
        (["explain", "long" * 100, "0123456789abcdef"], 1, "File name too long"),
        (["edition", "nowhere", "--out", "long" * 100], 1, "File name too long"),
        (["build", b"not \xff UTF-8"], 2, "not UTF-8"),
        (["build", "seeds", "--out", b"not \xff UTF-8"], 2, "not UTF-8"),
        (["verify", b"not \xff UTF-8"], 2, "not UTF-8"),
    ],
)
def test_wrong_usage_is_told_in_few_lines(arguments, code, words, tmp_path):
    told = run(*arguments, cwd=tmp_path)
    assert told.returncode == code
    assert words in told.stderr
    assert 1 <= len(told.stderr.splitlines()) <= 3
    assert "Traceback" not in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_command_shows_them_all():
    told = run()
    assert (told.returncode, told.stderr) == (2, "")
    assert all(name in told.stdout for name in cli.commands)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("9" * 5_000, "max_record_bytes|settings.toml"),
        ("[" * 5_000, "max_record_bytes|settings.toml"),
        ("9_007_199_254_740_992", "setting max_record_bytes: input should be at most 9007199254740991"),
        ("1_000_000_000_000_000_000_000", "setting max_record_bytes: input should be at most 9007199254740991"),
    ],
)
def test_a_setting_that_is_too_large_is_wrong_usage(tmp_path, value, words):
    file = tmp_path / "settings.toml"
    file.write_text(f"max_record_bytes = {value}")
    with pytest.raises(UsageError, match=words):
        Settings.load(file)
    with pytest.raises(UsageError, match=words):
        Settings.load(None, (f"max_record_bytes={value}",))


def test_what_runs_no_flow_does_not_import_prefect(tmp_path):
    program = (
        "import sys, flows.cli\n"
        "try: flows.cli.main(['show', 'nowhere', 'overlaps'])\n"
        "except SystemExit: print(sorted({name.split('.')[0] for name in sys.modules} & {'prefect', 'uvicorn'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert told.stdout.strip() == "[]"


def test_an_error_cannot_steer_the_terminal(capsys):
    print_error("no \x1b[31mred\x1b[0m, no \u202eesrever\nbut lines")
    assert capsys.readouterr().err == "no �[31mred�[0m, no �esrever\nbut lines\n"


def test_the_package_works_without_the_developers_tools():
    """Nothing that only the tests have is imported by the code."""
    program = (
        "import importlib, pkgutil, sys\n"
        "for name in ('pytest', 'hypothesis', 'duckdb', 'datasets'): sys.modules[name] = None\n"
        "import flows, schemas\n"
        "for package in (flows, schemas):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
    )
    environment = {**os.environ, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)


def test_the_committed_release_is_whole_and_made_of_the_seeds():
    told = run("verify", ROOT / "dist" / "1.0.0", "--sources", ROOT / "seeds")
    assert (told.returncode, told.stderr) == (0, "")
    assert "5 of 5 sources" in told.stdout


def test_progress_is_no_part_of_what_a_command_says(monkeypatch):
    monkeypatch.setattr("flows.verify.telling", partial(telling, seconds=0.001))
    told = CliRunner().invoke(cli, ["verify", str(ROOT / "dist" / "1.0.0"), "--json"])
    assert json.loads(told.stdout)["ok"] is True
    assert re.search(r"^verify: .", told.stderr, re.MULTILINE)


def test_a_release_that_was_touched_fails_with_the_name_of_the_file(tmp_path):
    release = tmp_path / "1.0.0"
    shutil.copytree(ROOT / "dist" / "1.0.0", release)
    card = release / "README.md"
    card.write_bytes(card.read_bytes().replace(b"articles", b"articels", 1))
    told = run("verify", release)
    assert told.returncode == 1
    assert re.search(r"^FAIL README\.md\b", told.stdout, re.MULTILINE)
    assert json.loads(run("verify", release, "--json").stdout)["ok"] is False


def test_explain_leads_to_the_bytes_of_a_file():
    release = ROOT / "dist" / "1.0.0"
    some = pl.read_parquet(release / "data" / "passages" / "*.parquet").row(0, named=True)
    steps = json.loads(run("explain", release, some["passage_id"], "--json").stdout)
    assert steps[0]["table"] == "sources"
    content = (ROOT / "seeds" / steps[0]["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == steps[0]["sha256"]
