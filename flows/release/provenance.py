"""`provenance.json`: how a release was made, for programs that know nothing of this one.

It is an in-toto Statement, version 1 (https://in-toto.io/Statement/v1), with the predicate SLSA provenance, version 1
(https://slsa.dev/spec/v1.0/provenance). It says nothing that the manifest does not say: it is made of it, and a
verification makes it again. Its subjects are all files of the release but itself and the two that state its hash,
`manifest.json` and `SHA256SUMS`. There is no time of the build in it, nor a name of a machine, since neither changes a
byte of what comes out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flows.release.manifest import MANIFEST, file_sha256

PROVENANCE = "provenance.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# Package URLs (https://github.com/package-url/purl-spec): the specification asks for URIs, and these need no host.
BUILD_TYPE = "pkg:generic/copydesk#build"
BUILDER = "pkg:generic/copydesk"
# What the manifest states of the request for the build; the rest follows from these and the inputs.
_REQUESTED = ("version", "edition", "settings", "columns", "takedowns")


def provenance(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The statement of a release.

    Args:
        manifest: its manifest; whether `outputs` lists the statement itself makes no difference.
    """
    code = manifest.get("code") or {}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}}
            for name, sha256 in sorted(manifest["outputs"].items())
            if name != PROVENANCE
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {name: manifest[name] for name in _REQUESTED if name in manifest},
                "internalParameters": {"code": code},
                "resolvedDependencies": list(_dependencies(manifest)),
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"copydesk": str(code.get("version") or "unknown")}}},
        },
    }


def _dependencies(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the release was made from: the files that were read, the lock of the libraries, and the release before."""
    for kind in ("inputs", "provenance_inputs"):
        for one in manifest.get(kind, ()):
            yield {
                "name": one["uri"],
                "digest": {"sha256": one["sha256"]},
                "annotations": {"kind": kind, "byte_count": one["byte_count"]},
            }
    if manifest.get("lock_sha256"):
        yield {
            "name": "requirements.lock",
            "digest": {"sha256": manifest["lock_sha256"]},
            "annotations": {"kind": "lock"},
        }
    parent = manifest.get("parent")
    if parent:
        yield {
            "name": f"{parent['version']}/{MANIFEST}",
            "digest": {"sha256": parent["manifest_sha256"]},
            "annotations": {"kind": "parent"},
        }


def provenance_text(manifest: Mapping[str, Any]) -> str:
    """The statement as it is written: ASCII, so that no name in it can hide anything."""
    return json.dumps(provenance(manifest), indent=2) + "\n"


def write_provenance(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the statement of a release, and list it in the `outputs` of its manifest, which is not written yet."""
    (folder / PROVENANCE).write_text(provenance_text(manifest), encoding="ascii")
    outputs = manifest["outputs"] | {PROVENANCE: file_sha256(folder / PROVENANCE)}
    manifest["outputs"] = dict(sorted(outputs.items()))
