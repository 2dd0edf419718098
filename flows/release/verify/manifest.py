"""The manifest of a release: its form, and what it says of itself and of the releases beside it."""

import hashlib
import os
from pathlib import Path

from flows.release.manifest import MANIFEST
from flows.release.manifest_form import VERSION, FormError, Manifest, checked_form
from flows.release.rows import all_rows_sha256
from flows.release.verify.findings import Findings
from flows.release.verify.pulled import is_snapshot
from flows.release.versions import parse


def parsed_manifest(data: bytes, findings: Findings) -> Manifest | None:
    """The manifest, or null if its bytes are none."""
    try:
        return checked_form(data)[1]
    except FormError as error:
        findings.fail(MANIFEST, "form", str(error))
    return None


def check_manifest(release: Path, manifest: Manifest, digest: str, findings: Findings) -> None:
    """Check the manifest against itself, the folder's name, and the releases beside it.

    Args:
        release: the folder of the release.
        manifest: its manifest.
        digest: SHA-256 of `manifest.json`.
        findings: takes what fails.
    """
    # The name as it was given, links not followed: a link is no release of that name.
    folder = Path(os.path.abspath(release))  # noqa: PTH100 - Path.resolve would follow it
    # The folder of an edition is named by whoever asks for it, but not like another version.
    may_be_other = is_snapshot(folder) or (manifest.edition == "public" and not VERSION.fullmatch(folder.name))
    if folder.name != manifest.version and not may_be_other:
        findings.fail(MANIFEST, "version", f"it is of version {manifest.version}, and the folder is {folder.name}")
    if all_rows_sha256({name: table.rows_sha256 for name, table in manifest.tables.items()}) != manifest.rows_sha256:
        findings.fail(MANIFEST, "rows_sha256", "it is not the hash over the hashes of the tables")
    counts = manifest.conservation
    if counts.read != counts.released + counts.rejected + counts.taken_down:
        findings.fail(MANIFEST, "conservation", "read is not the sum of released, rejected and taken_down")
    check_parent(folder, manifest, findings)
    check_child(folder, manifest, manifest.release_sha256(digest), findings)


def check_parent(folder: Path, manifest: Manifest, findings: Findings) -> None:
    """The release before is older, and if it stands in the folder it is the one that was built upon."""
    parent = manifest.parent
    if parent is None:
        findings.checked.append(f"version {manifest.version}, the first of its line: it names no parent")
        return
    if parse(parent.version) >= parse(manifest.version):
        findings.fail(MANIFEST, "parent", f"its parent {parent.version} is no older version")
        return
    try:
        data = (folder.parent / parent.version / MANIFEST).read_bytes()
    except FileNotFoundError:
        findings.notes.append(f"the parent {parent.version} is not in the folder, so it was not compared")
        return
    except OSError as error:
        findings.notes.append(f"the parent {parent.version} cannot be read ({error.strerror}), so it was not compared")
        return
    found = hashlib.sha256(data).hexdigest()
    content = parsed_manifest(data, Findings())  # what ails it is found when it is verified
    if parent.manifest_sha256 not in (found, content and content.release_sha256(found)):
        findings.fail(
            MANIFEST, "parent", f"the release {parent.version} in the folder is not the one it was built upon"
        )
    findings.checked.append(f"version {manifest.version} against its parent {parent.version}")


def check_child(folder: Path, manifest: Manifest, digest: str, findings: Findings) -> None:
    """The next release in the folder, if it was built upon this version, was built upon this very release."""
    try:
        beside = [path for path in folder.parent.iterdir() if VERSION.fullmatch(path.name)]
    except OSError as error:
        findings.notes.append(f"the releases beside it cannot be listed ({error.strerror}), so none was compared")
        return
    later = [path for path in beside if parse(path.name) > parse(manifest.version) and (path / MANIFEST).is_file()]
    child = min(later, key=lambda path: parse(path.name), default=None)
    if child is None:
        return
    try:
        content = parsed_manifest(
            (child / MANIFEST).read_bytes(), Findings()
        )  # what ails it is found when it is verified
    except OSError:
        content = None
    if content is None:
        findings.notes.append(f"the manifest of the release {child.name} cannot be read, so it was not compared")
        return
    stated = content.parent
    if stated is None or stated.version != manifest.version:
        return
    if stated.manifest_sha256 != digest:
        findings.fail(MANIFEST, "child", f"it is not the release {manifest.version} that {child.name} was built upon")
    findings.checked.append(f"version {manifest.version} against {child.name}, which was built upon it")
