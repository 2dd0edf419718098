"""A release carries a statement of how it was made that other programs understand, and that nobody can change alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.release.manifest import Input, file_sha256, write_manifest, write_sums
from flows.release.provenance import PROVENANCE, provenance, write_provenance
from flows.release.release import BuildInfo
from flows.settings import Settings
from flows.verify import verify
from tests.release_tables import PAGES, release, tables_of, two_stories

TAKEDOWN = {"uri": "gone.txt", "reason": "asked for by its author", "date": "2031-06-01"}


def built(out: Path, **options: Any) -> Path:
    tables = options.pop("tables", two_stories())
    inputs = [Input(*row) for row in tables["sources"].select("uri", "sha256", "byte_count").iter_rows()]
    count = tables["sources"].height
    counts = {"read": count, "released": count, "rejected": 0, "taken_down": 0, "skipped": 0}
    return release(tables, out, Settings(), BuildInfo(inputs, counts, **options)).path


def statement(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / PROVENANCE).read_text(encoding="ascii")))


def test_the_statement_has_the_form_of_in_toto_and_slsa(tmp_path: Path):
    path = built(
        tmp_path,
        columns={"text": "body"},
        takedowns=[TAKEDOWN],
        provenance_inputs=[Input("sources.toml", "a" * 64, 7)],
    )
    found = statement(path)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(found) == {"_type", "subject", "predicateType", "predicate"}
    definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert set(definition) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    parameters = definition["externalParameters"]
    assert parameters["settings"] == Settings().model_dump(mode="json")
    assert (parameters["columns"], parameters["takedowns"]) == ({"text": "body"}, [TAKEDOWN])
    assert definition["internalParameters"]["code"]["sha256"]
    assert set(details) == {"builder"}, "nothing of the moment or the machine"
    assert all(uri.startswith("pkg:") for uri in (definition["buildType"], details["builder"]["id"]))
    dependencies = {one["name"]: one["digest"]["sha256"] for one in definition["resolvedDependencies"]}
    sources = two_stories()["sources"]
    assert {*sources["uri"], "sources.toml"} <= set(dependencies)
    assert all(dependencies[uri] == sha256 for uri, sha256 in sources.select("uri", "sha256").iter_rows())


def test_the_subjects_are_the_files_as_they_are(tmp_path: Path):
    path = built(tmp_path)
    files = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement(path)["subject"]}
    assert set(subjects) == files - {PROVENANCE, "manifest.json", "SHA256SUMS"}
    assert all(file_sha256(path / name) == sha256 for name, sha256 in subjects.items())
    outputs = json.loads((path / "manifest.json").read_bytes())["outputs"]
    assert outputs == subjects | {PROVENANCE: file_sha256(path / PROVENANCE)}
    assert list(outputs) == sorted(outputs)


def test_the_release_before_is_a_dependency(tmp_path: Path):
    first = built(tmp_path)
    second = built(tmp_path, tables=tables_of({"morning.txt": PAGES["morning.txt"]}))
    parents = [
        one
        for one in statement(second)["predicate"]["buildDefinition"]["resolvedDependencies"]
        if one["annotations"]["kind"] == "parent"
    ]
    digest = {"sha256": file_sha256(first / "manifest.json")}
    assert parents == [{"name": "1.0.0/manifest.json", "digest": digest, "annotations": {"kind": "parent"}}]


def test_a_statement_that_says_something_else_is_found(tmp_path: Path):
    path = built(tmp_path)
    assert verify(path).is_ok
    manifest = json.loads((path / "manifest.json").read_bytes())
    content = statement(path)
    content["subject"][0]["digest"]["sha256"] = "0" * 64
    (path / PROVENANCE).write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")
    assert {(one.file, one.check) for one in verify(path).failures} == {(PROVENANCE, "sha256")}
    # Whoever makes manifest and sums fit is found out all the same.
    manifest["outputs"][PROVENANCE] = file_sha256(path / PROVENANCE)
    write_manifest(path, manifest)
    write_sums(path)
    assert {(one.file, one.check) for one in verify(path).failures} == {(PROVENANCE, "provenance")}
    (path / PROVENANCE).unlink()
    del manifest["outputs"][PROVENANCE]
    write_manifest(path, manifest)
    write_sums(path)
    assert {(one.file, one.check) for one in verify(path).failures} == {(PROVENANCE, "missing")}


@pytest.mark.parametrize("name", ["settings", "columns", "takedowns", "code", "inputs", "lock_sha256", "edition"])
def test_it_follows_from_all_that_the_manifest_states_of_the_build(tmp_path: Path, name: str):
    manifest = json.loads((built(tmp_path, columns={"text": "body"}) / "manifest.json").read_bytes())
    assert provenance(manifest) != provenance(manifest | {name: None if name == "lock_sha256" else {}})


def test_hostile_names_hide_nothing(tmp_path: Path):
    manifest = json.loads((built(tmp_path / "out") / "manifest.json").read_bytes())
    manifest["inputs"] = [{"uri": "\u202e\x1b]0;\ud800", "sha256": "0" * 64, "byte_count": 1}]
    write_provenance(tmp_path, manifest)
    assert (tmp_path / PROVENANCE).read_bytes().isascii()
    assert (
        statement(tmp_path)["predicate"]["buildDefinition"]["resolvedDependencies"][0]["name"] == "\u202e\x1b]0;\ud800"
    )
