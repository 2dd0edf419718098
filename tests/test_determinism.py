"""The same inputs, code and settings give the same bytes, whatever differs around them.

COPYDESK_BATCHES is the number of batches that a corpus comes in: a few in continuous integration.
"""

import json
import os
import random
from pathlib import Path

import pytest

from tests.builds import Builder
from tests.test_crash import COURT, digest, done, records, story

BATCHES = int(os.environ.get("COPYDESK_BATCHES", "4"))
STORIES = int(os.environ.get("COPYDESK_STORIES", "12"))
YEAR = 365 * 24 * 3600.0

ENVIRONMENTS = [
    {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati"},
    {"POLARS_MAX_THREADS": "2", "NUMBA_NUM_THREADS": "2", "PYTHONHASHSEED": "2", "LC_ALL": "C"},
    # The names of files are no UTF-8 here.
    {
        "POLARS_MAX_THREADS": "3",
        "PYTHONHASHSEED": "4294967295",
        "TZ": "America/St_Johns",
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
    },
]


def corpus() -> dict[str, str]:
    """Name → content: stories, copies of some with another footer or an end cut off, and a container."""
    files = {f"{number:04}.txt": story(number) for number in range(STORIES)}
    for number in range(0, STORIES, 3):
        files[f"copy-{number:04}.txt"] = story(number).replace("The Harbour Ledger", "Strait Times & Sons")
        files[f"cut-{number:04}.txt"] = story(number).split("Nobody had told")[0]
    files["sea ü.txt"] = COURT + story(1)
    files["sources.toml"] = '[[source]]\nuri = "sea ü.txt"\npublisher = "The Süd Post"\n'
    files["more.jsonl"] = records(story(1), COURT, story(STORIES + 1))
    return files


def write(folder: Path, files: dict[str, str], names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(files[name], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bytes_of_a_build(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("calm")
    files = corpus()
    with Builder() as build:
        done(build(write(folder / "pages", files, sorted(files)), folder / "out"))
    return digest(folder / "out" / "1.0.0")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_bytes_do_not_depend_on_what_is_around(environment, bytes_of_a_build, tmp_path):
    files = corpus()
    names = random.Random(environment["PYTHONHASHSEED"]).sample(sorted(files), len(files))
    pages = write(tmp_path / "pages", files, names)
    with Builder(**environment) as build:
        done(build(pages, tmp_path / "early", clock=-20 * YEAR, umask=0o077))
        # Each file by itself, in another order, a clock that has passed 2038, and a folder whose name is no pattern.
        alone = [pages / name for name in names if name != "sources.toml"]
        done(build(alone, tmp_path / "late [2038", clock=20 * YEAR, umask=0))
        # Shards, whose number is a setting that the manifest states.
        done(build(pages, tmp_path / "shards", settings={"shard_bytes": 2_000}))
    assert digest(tmp_path / "early" / "1.0.0") == bytes_of_a_build
    assert digest(tmp_path / "late [2038" / "1.0.0") == bytes_of_a_build
    tables = {name: sha256 for name, sha256 in bytes_of_a_build.items() if name.startswith("data/")}
    assert tables.items() <= digest(tmp_path / "shards" / "1.0.0").items()


def test_batches_end_in_the_tables_of_one_build(bytes_of_a_build, tmp_path):
    files = corpus()
    names = ["sources.toml", *random.Random(BATCHES).sample(sorted(files.keys() - {"sources.toml"}), len(files) - 1)]
    with Builder() as build:
        for batch in range(BATCHES):
            pages = write(tmp_path / "pages", files, names[batch::BATCHES])
            last = done(build(pages, tmp_path / "out [a]"))
            assert last.step == ("minor" if batch else "first")
    release = tmp_path / "out [a]" / last.version
    tables = {name: sha256 for name, sha256 in bytes_of_a_build.items() if name.startswith("data/")}
    assert tables.items() <= digest(release).items()
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["version"] == f"1.{BATCHES - 1}.0"
