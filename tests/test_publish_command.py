"""`copydesk publish`, as a person calls it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.faults import Fault
from tests.hub.releases import three_releases
from tests.hub.server import Hub

COPYDESK = Path(sys.executable).with_name("copydesk")
TOKEN = "hf_the_token_of_ada"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return three_releases(tmp_path_factory.mktemp("releases"))[:2]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as running:
        running.user(TOKEN, "ada")
        yield running


def environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return {**os.environ, **own, **more}


def called(release: Path, *options: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(COPYDESK), "publish", str(release), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=env)


def test_a_dry_run_reads_only_and_prints_a_line_a_file(hub, releases, tmp_path):
    env = environment(hub, tmp_path / "home")
    told = called(releases[0], "--repo", "pier", "--dry-run", env=env)
    assert told.returncode == 0, told.stderr
    files = {path.relative_to(releases[0]).as_posix(): path for path in releases[0].rglob("*") if path.is_file()}
    lines = {path: (kind, int(size)) for kind, path, size in (line.split() for line in told.stdout.splitlines())}
    assert lines == {path: ("add", file.stat().st_size) for path, file in files.items()}
    assert told.stderr == "dry run: v1.0.0, full edition, to ada/pier, a private repository that is to be created\n"
    assert hub.requests("^(POST|PUT|DELETE)") == []
    assert hub.store.repositories == {}


def test_a_dry_run_does_not_import_prefect(hub, releases, tmp_path):
    program = (
        "import sys, flows.cli\n"
        f"try: flows.cli.main(['publish', {str(releases[0])!r}, '--repo', 'pier', '--dry-run'])\n"
        "except SystemExit as end: print(end.code, 'prefect' in sys.modules)"
    )
    env = environment(hub, tmp_path / "home")
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert told.stdout.splitlines()[-1] == "0 False"


def test_a_dry_run_tells_what_changes(hub, releases, tmp_path):
    repository = hub.store.create("ada/pier", is_private=True)
    regular = hub.store.regular
    tree = {"README.md": regular(b"another"), "old name \x1b[31m.txt": regular(b"gone")}
    tree["SHA256SUMS"] = regular((releases[0] / "SHA256SUMS").read_bytes())
    repository.commit({**repository.commits[repository.head].tree, **tree}, "by hand", "ada")
    told = called(releases[0], "--repo", "ada/pier", "--dry-run", env=environment(hub, tmp_path / "home"))
    kinds = {line.split()[0]: line for line in told.stdout.splitlines()}
    assert kinds.keys() == {"add", "change", "delete", "same"}
    assert kinds["delete"] == "delete old name �[31m.txt 4"
    assert "SHA256SUMS" in kinds["same"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--repo", "a/b/c"], 2, "no name of a repository"),
        ([], 2, "--repo"),
        (["--repo", "pier", "--dry-run", "--public"], 5, "is private"),
    ],
)
def test_wrong_usage_and_refusals_are_told_in_few_lines(hub, releases, tmp_path, options, code, words):
    hub.store.create("ada/pier", is_private=True)
    told = called(releases[0], *options, env=environment(hub, tmp_path / "home"))
    assert (told.returncode, told.stdout) == (code, "")
    assert words in told.stderr
    assert 1 <= len(told.stderr.splitlines()) <= 3


def test_what_is_no_release_is_told_before_anything_starts(hub, tmp_path):
    told = called(tmp_path, "--repo", "pier", env=environment(hub, tmp_path / "home"))
    assert told.returncode == 1
    assert "no whole release" in told.stderr
    assert hub.log == []


@pytest.mark.prefect
def test_a_publication_says_where_it_is_and_how_to_load_it(hub, releases, tmp_path, server):
    env = environment(hub, tmp_path / "home", PREFECT_API_URL=server.api_url)
    told = called(releases[0], "--repo", "pier", env=env)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"{hub.endpoint}/datasets/ada/pier/tree/v1.0.0" in told.stdout
    assert 'articles = load_dataset("ada/pier", revision="v1.0.0", split="train")' in told.stdout
    again = called(releases[0], "--repo", "pier", env=env)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert len(hub.requests("^POST .*/commit/")) == 1
    home = Path(os.environ["PREFECT_HOME"])
    for folder in (tmp_path, home, releases[0]):
        assert [path for path in folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in told.stdout + again.stdout


@pytest.mark.prefect
def test_a_release_that_was_touched_is_not_published(hub, releases, tmp_path, server):
    import shutil

    release = shutil.copytree(releases[0], tmp_path / "1.0.0")
    (release / "README.md").write_text("Something else.\n")
    told = called(release, "--repo", "pier", env=environment(hub, tmp_path / "home", PREFECT_API_URL=server.api_url))
    assert told.returncode == 1
    assert "README.md" in told.stderr
    assert len(told.stderr.splitlines()) <= 3
    assert hub.log == []


@pytest.mark.prefect
def test_sigterm_ends_a_publication_with_the_shells_code(hub, releases, tmp_path, server):
    hub.faults.set(Fault("503", "^PUT", times=-1))
    env = environment(hub, tmp_path / "home", PREFECT_API_URL=server.api_url)
    command = [str(COPYDESK), "publish", str(releases[0]), "--repo", "pier"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)
    while not hub.requests("^PUT"):
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, told = run.communicate(timeout=60)
    assert (run.returncode, told) == (143, "")
    assert time.monotonic() - began < 30
    hub.faults.set()
    assert called(releases[0], "--repo", "pier", env=env).returncode == 0
