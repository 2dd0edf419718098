"""The provenance statement of a release against its manifest."""

import json
from pathlib import Path

from flows.release.manifest import MANIFEST
from flows.release.provenance import PROVENANCE, provenance_text
from flows.release.verify.findings import Findings


def check_provenance(release: Path, findings: Findings) -> None:
    """Check that the statement is, byte for byte, the one that follows from the manifest.

    Args:
        release: the folder, whose manifest was found to have the form of one.
        findings: takes what fails.
    """
    if not (release / PROVENANCE).is_file():
        findings.fail(PROVENANCE, "missing", "the release has no statement of its provenance")
        return
    manifest = json.loads((release / MANIFEST).read_bytes())
    if (release / PROVENANCE).read_bytes() != provenance_text(manifest).encode("ascii"):
        findings.fail(PROVENANCE, "provenance", f"it is not the statement that follows from {MANIFEST}")
    findings.checked.append("the provenance statement against the manifest")
