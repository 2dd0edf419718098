"""The files of a release against what `manifest.json` and `SHA256SUMS` state of them.

Both documents state the hash of every other file, and `SHA256SUMS` that of the manifest. A file that contradicts both
was changed; where a file agrees with one of them, the other was.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.release.manifest import MANIFEST, SUMS, file_sha256
from flows.release.manifest_form import Manifest
from flows.release.verify.findings import Findings
from flows.release.verify.manifest import parsed_manifest
from flows.release.verify.pulled import is_cached, is_of_the_hub

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\n]+)\n")
# Two unrelated digests agree in 4 of 64 digits on average, and in 32 or more less than once in 10^19 times.
_SAME_DIGITS = 32


@dataclass(frozen=True)
class CheckedFiles:
    """What stands in the folder of a release.

    Attributes:
        sha256: path in the release → SHA-256, of every regular file.
        manifest: the manifest; null if there is none that can be read.
    """

    sha256: dict[str, str]
    manifest: Manifest | None


def check_files(release: Path, findings: Findings) -> CheckedFiles:
    """Compare every file of a release with what is stated of it; hidden files and empty folders count.

    What the client of the Hub leaves beside a release that it pulled does not, and is mentioned.
    """
    paths, empty = paths_in(release, findings)
    hashes: dict[str, str] = {}
    documents: dict[str, bytes] = {}
    for name, path in paths.items():
        try:
            if name in (MANIFEST, SUMS):
                documents[name] = path.read_bytes()
                hashes[name] = hashlib.sha256(documents[name]).hexdigest()
            else:
                hashes[name] = file_sha256(path)
        except OSError as error:
            findings.fail(name, "readable", f"it cannot be read: {error.strerror}")
    for name in (MANIFEST, SUMS):
        if name not in paths:
            findings.fail(name, "missing", "it is not there, so this is no whole release")
    manifest = parsed_manifest(documents[MANIFEST], findings) if MANIFEST in documents else None
    sums = parsed_sums(documents[SUMS], findings) if SUMS in documents else None
    unread = paths.keys() - hashes.keys()
    others = {name: digest for name, digest in hashes.items() if name not in (MANIFEST, SUMS)}
    outputs = None if manifest is None else manifest.outputs
    check_hashes(others, unread, outputs, sums, findings)
    listed = {*(outputs or ()), *(sums or ())}
    for folder in empty:
        if not any(name.startswith(f"{folder}/") for name in listed):  # else the missing file is named
            findings.fail(folder, "empty_folder", "the folder is empty; a release has no such folder")
    if sums is not None and MANIFEST in hashes:
        check_manifest_hash(hashes[MANIFEST], sums, findings)
    findings.checked.append(f"{len(hashes):,} files: the SHA-256 of each, and none too many or missing")
    return CheckedFiles(hashes, manifest)


def paths_in(release: Path, findings: Findings) -> tuple[dict[str, Path], list[str]]:
    """What stands in a release. What is neither a regular file nor a folder fails, but for links of the Hub's cache.

    Returns:
        Path in the release → file, sorted; and the folders with nothing in them.
    """
    found: dict[str, Path] = {}
    empty: list[str] = []
    of_the_hub: list[str] = []
    place = release.resolve()
    folders = [release]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except OSError as error:
            findings.fail(_name(folder, release), "readable", f"the folder cannot be listed: {error.strerror}")
            continue
        if not entries and folder != release:
            empty.append(_name(folder, release))
        for entry in entries:
            path = folder / entry.name
            if is_of_the_hub(_name(path, release)):
                of_the_hub.append(_name(path, release))
            elif entry.is_symlink() and is_cached(path, place):
                found[_name(path, release)] = path
            elif entry.is_symlink():
                findings.fail(_name(path, release), "link", "it is a link; the files of a release stand in its folder")
            elif entry.is_dir():
                folders.append(path)
            elif entry.is_file():
                found[_name(path, release)] = path
            else:
                findings.fail(_name(path, release), "file_type", "it is neither a file nor a folder")
    if of_the_hub:
        findings.notes.append(f"{' and '.join(sorted(of_the_hub))}: the Hub's, no part of the release, not looked at")
    return dict(sorted(found.items())), empty


def _name(path: Path, release: Path) -> str:
    return path.relative_to(release).as_posix()


def parsed_sums(data: bytes, findings: Findings) -> dict[str, str] | None:
    """Path → SHA-256 as `SHA256SUMS` states them; null if its bytes are not of the one form that it is written in."""
    stated = {match[2].decode("utf-8", "surrogateescape"): match[1].decode("ascii") for match in _LINE.finditer(data)}
    lines = (f"{digest}  {name}\n" for name, digest in sorted(stated.items()))
    if "".join(lines).encode("utf-8", "surrogateescape") != data or SUMS in stated:
        findings.fail(SUMS, "form", "it is not one line per file, hash, two blanks, path, sorted by path")
        return None
    return stated


def check_hashes(
    found: Mapping[str, str],
    unread: set[str],
    outputs: Mapping[str, str] | None,
    sums: Mapping[str, str] | None,
    findings: Findings,
) -> None:
    """Compare the files with what is stated of them.

    Args:
        found: path → SHA-256 of the files that are there, but manifest and sums.
        unread: files that are there and could not be read, which was noted.
        outputs: path → SHA-256 as the manifest states them; null if it cannot be read.
        sums: the same of `SHA256SUMS`.
        findings: takes what fails.
    """
    stated = {document: claims for document, claims in ((MANIFEST, outputs), (SUMS, sums)) if claims is not None}
    names = set(found).union(*stated.values()) - {MANIFEST, SUMS} - unread
    for name in sorted(names if stated else ()):
        wrong = [document for document, claims in stated.items() if claims.get(name) != found.get(name)]
        if len(wrong) < len(stated):
            for document in wrong:
                findings.fail(document, "files", f"what it states of {name} contradicts the file and the other list")
        elif name not in found:
            findings.fail(name, "missing", f"it is not there, and {' and '.join(_naming(name, stated))} list it")
        elif not list(_naming(name, stated)):
            findings.fail(name, "too_many", f"it is no part of the release: {' and '.join(stated)} do not list it")
        else:
            findings.fail(name, "sha256", f"its SHA-256 is {found[name]}, which is not what the release states")


def _naming(name: str, stated: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The documents that list a file."""
    return (document for document, claims in stated.items() if name in claims)


def check_manifest_hash(digest: str, sums: Mapping[str, str], findings: Findings) -> None:
    """Compare the manifest with its line in `SHA256SUMS`; the line was changed where it is nearly right."""
    stated = sums.get(MANIFEST)
    if stated is None:
        findings.fail(SUMS, "files", f"it does not list {MANIFEST}")
    elif stated != digest:
        same = sum(ours == theirs for ours, theirs in zip(digest, stated, strict=True))
        if same >= _SAME_DIGITS:
            findings.fail(SUMS, "files", f"what it states of {MANIFEST} contradicts the file in a few digits")
        else:
            findings.fail(MANIFEST, "sha256", f"its SHA-256 is {digest}, which is not what {SUMS} states")
