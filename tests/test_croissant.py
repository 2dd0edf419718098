"""`croissant.json` is valid, names every file by its hash, and every table can be read through it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.edition import public_edition
from flows.release.manifest import Input
from flows.release.release import BuildInfo
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import Tables, frame, release, two_stories

COUNTS = {"read": 3, "released": 2, "rejected": 1, "taken_down": 0, "skipped": 0}
REJECT = {"reject_id": "0" * 16, "stage": "ingest", "rule": "not_utf8", "uri": "x", "detail": "Save it as UTF-8."}
# Nothing may be asked of the network: a proxy that is not there makes sure of it.
OFFLINE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PATH": "", "HOME": "/nowhere"}


def released(folder: Path, tables: Tables | None = None, **settings: Any) -> Path:
    tables = tables or two_stories() | {"rejects": frame("rejects", [REJECT])}
    inputs = [Input(*row) for row in tables["sources"].select("uri", "sha256", "byte_count").iter_rows()]
    return release(tables, folder, Settings(**settings), BuildInfo(inputs, COUNTS)).path


def dataset_of(folder: Path) -> Any:
    import mlcroissant  # not before it is needed: that takes as long as most of what is collected beside it

    return mlcroissant.Dataset(folder / "croissant.json")


def described(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "croissant.json").read_text())
    assert isinstance(content, dict)
    return content


def test_mlcroissant_validates_it_without_a_warning_and_without_a_network(tmp_path: Path):
    for folder in (released(tmp_path / "dist"), public_edition(tmp_path / "dist/1.0.0", tmp_path / "public")):
        command: list[str | Path] = [
            Path(sys.executable).with_name("mlcroissant"),
            "validate",
            f"--jsonld={folder / 'croissant.json'}",
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=OFFLINE, timeout=120)
        assert told.returncode == 0, told.stderr
        assert "Done" in told.stderr
        issues = dataset_of(folder).metadata.ctx.issues
        assert (issues.errors, issues.warnings) == (set(), set())


@pytest.mark.parametrize("bounds", [{}, {"row_group_bytes": 200, "file_bytes": 400}], ids=["one file", "many files"])
def test_every_table_is_read_through_it(tmp_path: Path, bounds: dict[str, Any]):
    folder = released(tmp_path, **bounds)
    dataset = dataset_of(folder)
    assert [one.id for one in dataset.metadata.record_sets] == list(TABLES)
    for name, table in TABLES.items():
        rows = pl.read_parquet(folder / "data" / name / "*.parquet").rows(named=True)
        records = list(dataset.records(name))
        assert len(records) == len(rows)
        for record, row in zip(records, rows, strict=True):
            assert [field.removeprefix(f"{name}/") for field in record] == list(table.dtypes)
            for column in table.key:
                found = record[f"{name}/{column}"]
                assert (found.decode() if isinstance(found, bytes) else found) == row[column]
    assert sum(len(rows) for rows in two_stories().values()) > 20


def test_it_names_every_file_by_its_hash_and_size(tmp_path: Path):
    folder = released(tmp_path, row_group_bytes=200, file_bytes=400)
    files = {one["@id"]: one for one in described(folder)["distribution"] if one["@type"] == "cr:FileObject"}
    paths = {path.relative_to(folder).as_posix(): path for path in folder.glob("data/*/*.parquet")}
    assert files.keys() == paths.keys()
    assert len(paths) > len(TABLES)
    for name, path in paths.items():
        assert files[name]["contentUrl"] == name
        assert files[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert files[name]["contentSize"] == f"{path.stat().st_size} B"
        assert files[name]["encodingFormat"] == "application/x-parquet"


def test_fields_have_types_descriptions_and_references(tmp_path: Path):
    content = described(released(tmp_path))
    fields = {field["@id"]: field for one in content["recordSet"] for field in one["field"]}
    assert fields["articles/authors"]["isArray"] is True
    assert fields["articles/authors"]["dataType"] == "sc:Text"
    assert fields["sources/retrieved_at"]["dataType"] == "sc:DateTime"
    assert fields["passages/char_start"]["dataType"] == "cr:UInt32"
    for name, table in TABLES.items():
        for column, description in table.columns.items():
            field = fields[f"{name}/{column}"]
            assert field["description"] == description
            target = table.references.get(column)
            if target not in (None, name):
                assert field["references"] == {
                    "fileObject": {"@id": f"data/{target}/00000.parquet"},
                    "extract": {"column": TABLES[target].key[0]},
                }
            else:
                assert "references" not in field


def test_it_says_who_made_it_of_what_and_what_to_heed(tmp_path: Path):
    content = described(released(tmp_path, hub_repo="desk/news", dataset_creator="The Desk"))
    assert content["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert content["version"] == "1.0.0"
    assert content["datePublished"] == "2031-05-02"
    assert content["url"] == "https://huggingface.co/datasets/desk/news/tree/v1.0.0"
    assert content["creator"]["name"] == "The Desk"
    assert "The Desk" in content["citeAs"]
    assert content["inLanguage"] == ["en"]
    assert content["prov:wasDerivedFrom"]["prov:label"].startswith("3 saved documents;")
    assert content["prov:wasGeneratedBy"]["prov:wasAssociatedWith"]["@type"] == "prov:SoftwareAgent"
    for name in ("dataCollection", "dataBiases", "dataLimitations", "personalSensitiveInformation", "dataUseCases"):
        assert content[f"rai:{name}"]


def test_nothing_of_a_page_stands_in_it(tmp_path: Path):
    text = (released(tmp_path) / "croissant.json").read_text()
    for words in ("Ferries", "harbour", "Ada Quill", "morning.txt"):
        assert words not in text


def test_a_build_does_not_import_mlcroissant():
    check = (
        "import sys, flows.pipeline, flows.cli, flows.edition, flows.hydrate; sys.exit('mlcroissant' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
