"""What is published can be read with whatever people read with, at a tag and at the head, and is what was released."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.hub.publisher import ROOT, Publisher
from tests.hub.reader import digest
from tests.hub.releases import contents, three_releases
from tests.hub.server import Hub

TOKEN = "hf_the_token_of_ada"
# Columns that every reader gives the same words for.
COLUMNS = {
    "articles": ["article_id", "title", "text", "word_count"],
    "passages": ["passage_id", "text", "char_start"],
    "evidence": ["article_id", "field", "value"],
    "sources": ["source_id", "sha256", "text"],
}
READERS = ["datasets", "streaming", "polars", "model", "duckdb", "pandas"]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return three_releases(tmp_path_factory.mktemp("releases"))[:2]


@pytest.fixture(scope="module")
def environment(
    request: pytest.FixtureRequest, releases: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What a reader must be told, of a Hub that two versions were published to, with Xet or without."""
    home = str(tmp_path_factory.mktemp("home"))
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        hub.user(TOKEN, "ada")
        with Publisher(hub, Path(home), TOKEN, {"HF_HUB_DISABLE_XET": request.param}) as publisher:
            for release in releases:
                assert publisher.publish(release, "ada/pier").code == 0
        yield {
            "HF_HUB_DISABLE_XET": request.param,
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": TOKEN,
            "HF_HOME": home,
            "PYTHONPATH": str(ROOT),
        }


def read(
    environment: dict[str, str], revision: str | None, readers: list[str], columns: dict[str, list[str]]
) -> dict[str, Any]:
    """Reader → table → name of the rows that it got."""
    wish = {"repo": "ada/pier", "revision": revision, "wanted": readers, "columns": columns}
    told = subprocess.run(
        [sys.executable, "-m", "tests.hub.reader"],
        input=json.dumps(wish),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def expected(release: Path, columns: dict[str, list[str]]) -> dict[str, str]:
    tables = {table: pl.read_parquet(release / "data" / table / "*.parquet").to_dicts() for table in columns}
    return {table: digest(rows, columns[table]) for table, rows in tables.items()}


@pytest.mark.parametrize("environment", ["1"], ids=["lfs"], indirect=True)
def test_every_reader_gets_every_table_at_the_head(environment, releases):
    found = read(environment, None, READERS, COLUMNS)
    snapshot = contents(Path(found.pop("snapshot")["folder"]))
    assert found == dict.fromkeys(READERS, expected(releases[1], COLUMNS))
    assert {path: text for path, text in snapshot.items() if path != ".gitattributes"} == contents(releases[1])


@pytest.mark.parametrize("environment", ["1", "0"], ids=["lfs", "xet"], indirect=True)
def test_every_reader_gets_the_old_version_at_its_tag(environment, releases):
    columns = {"articles": COLUMNS["articles"]}
    found = read(environment, "v1.0.0", [*READERS, "hf"], columns)
    snapshot = contents(Path(found.pop("snapshot")["folder"]))
    assert found == dict.fromkeys([*READERS, "hf"], expected(releases[0], columns))
    assert {path: text for path, text in snapshot.items() if path != ".gitattributes"} == contents(releases[0])


def test_what_is_read_here_are_configurations_of_the_card(releases):
    for release in releases:
        card = (release / "README.md").read_text(encoding="utf-8")
        names = {one["config_name"] for one in yaml.safe_load(card.split("---\n", 2)[1])["configs"]}
        assert names >= COLUMNS.keys()
