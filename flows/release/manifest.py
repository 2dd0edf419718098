"""What a release consists of and what it was made from: `manifest.json` and `SHA256SUMS`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import flows
import schemas
from flows.errors import CopydeskError
from flows.release.manifest_form import FormError, checked_form
from flows.settings import Settings

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Input:
    """A file that was read."""

    uri: str
    sha256: str
    byte_count: int


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def release_files(folder: Path) -> list[Path]:
    """All files below a folder, hidden ones included, sorted by their path."""
    return sorted((path for path in folder.rglob("*") if not path.is_dir()), key=lambda path: path.as_posix())


def code_identity() -> dict[str, str | None]:
    """Version of the program, and the SHA-256 over paths and hashes of the files of its packages."""
    try:
        number = version("copydesk")
    except PackageNotFoundError:
        number = None
    return {"version": number, "sha256": _code_sha256()}


@cache
def _code_sha256() -> str:
    """As `code_identity` says, taken once a process, which asks several times and runs what it has imported."""
    lines = []
    for package in (flows, schemas):
        (root,) = package.__path__
        for file in release_files(Path(root)):
            if "__pycache__" not in file.parts:
                lines.append(f"{file_sha256(file)}  {package.__name__}/{file.relative_to(root).as_posix()}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def lock_sha256() -> str | None:
    """SHA-256 of the lock file beside the packages; null for a copy that was installed without it."""
    (root,) = flows.__path__
    lock = Path(root).parent / "requirements.lock"
    return file_sha256(lock) if lock.is_file() else None


def manifest(
    *,
    release_version: str,
    parent: Mapping[str, str] | None,
    inputs: Sequence[Input],
    provenance_inputs: Sequence[Input],
    settings: Settings,
    columns: Mapping[str, str],
    takedowns: Sequence[Mapping[str, str]],
    row_counts: Mapping[str, int],
    units: Mapping[str, Mapping[str, str]],
    row_hashes: Mapping[str, str],
    rows_sha256: str,
    conservation: Mapping[str, int],
    outputs: Mapping[str, str],
) -> dict[str, Any]:
    """The manifest of a release whose other files are written.

    Args:
        release_version: its version.
        parent: `version` and `manifest_sha256` of the release before it.
        inputs: the files that were read, in any order.
        provenance_inputs: the files that say something of them, likewise.
        settings: all settings in force.
        columns: our column of a record → its name in the containers, where they differ.
        takedowns: all in force, in the order in which they are looked at.
        row_counts: table → its number of rows.
        units: table → column → its unit, for columns that have one.
        row_hashes: table → hash of its rows in canonical form.
        rows_sha256: hash over those.
        conservation: what became of the records that were read.
        outputs: path in the release → SHA-256, of all its other files.
    """
    return {
        "version": release_version,
        "parent": dict(parent) if parent else None,
        "edition": "full",
        "inputs": _listed(inputs),
        "provenance_inputs": _listed(provenance_inputs),
        "settings": settings.model_dump(mode="json"),
        "columns": dict(sorted(columns.items())),
        "takedowns": [dict(one) for one in takedowns],
        "code": code_identity(),
        "lock_sha256": lock_sha256(),
        "tables": {
            name: {"row_count": row_counts[name], "rows_sha256": row_hashes[name], "units": dict(units[name])}
            for name in sorted(row_counts)
        },
        "rows_sha256": rows_sha256,
        "conservation": dict(conservation),
        "outputs": dict(sorted(outputs.items())),
    }


def _listed(files: Sequence[Input]) -> list[dict[str, Any]]:
    return [asdict(one) for one in sorted(files, key=lambda one: (one.uri, one.sha256))]


def digests(folder: Path, known: Mapping[Path, str]) -> dict[str, str]:
    """Path in a folder → SHA-256, of all its files, sorted by path.

    Args:
        folder: the release.
        known: file → SHA-256, of files that need not be read again.
    """
    return {path.relative_to(folder).as_posix(): known.get(path) or file_sha256(path) for path in release_files(folder)}


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `manifest.json`, as ASCII so that no name in it can hide anything."""
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")


def write_sums(folder: Path, known: Mapping[Path, str] | None = None) -> None:
    """Write `SHA256SUMS` for `sha256sum -c`: all files but itself, sorted by path.

    Args:
        folder: the release.
        known: file → SHA-256, of files that need not be read again.
    """
    found = digests(folder, known or {})
    found.pop(SUMS, None)
    (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in found.items()), encoding="utf-8")


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of a release.

    Raises:
        CopydeskError: it cannot be read, or has not the form of one.
    """
    try:
        return checked_form((release / MANIFEST).read_bytes())[0]
    except FileNotFoundError as error:
        raise CopydeskError(f"{release} is no whole release: {_why_none(release)}") from error
    except OSError as error:
        raise CopydeskError(f"{release / MANIFEST} cannot be read, so {release} is no whole release") from error
    except FormError as error:
        raise CopydeskError(f"{release / MANIFEST} is not the manifest of a release: {error}") from error


def settings_of(manifest: Mapping[str, Any]) -> Settings:
    """The settings that a release was made with, as far as this program knows them.

    Raises:
        CopydeskError: one of them has a value that it cannot have.
    """
    stated = manifest.get("settings")
    known = {name: value for name, value in (stated or {}).items() if name in Settings.model_fields}
    try:
        return Settings(**known)
    except ValidationError as error:
        name = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise CopydeskError(f"{MANIFEST} states a value for the setting {name} that it cannot have") from error


def _why_none(folder: Path) -> str:
    """Why a folder is no release, and which ones may be meant."""
    if not folder.is_dir():
        return "there is no such folder"
    inside = max((path.parent.name for path in folder.glob(f"[0-9]*/{MANIFEST}")), default=None)
    return f"it has no {MANIFEST}" + ("" if inside is None else f"; name a release in it, such as {folder / inside}")


def check_outputs(release: Path, manifest: Mapping[str, Any], below: str) -> None:
    """Compare the files below a folder of a release with their hashes in the manifest.

    Raises:
        CopydeskError: one is missing, cannot be read, or is not the one stated.
    """
    stated = {path: digest for path, digest in manifest["outputs"].items() if path.startswith(below)}
    try:
        found = {path: file_sha256(release / path) for path in stated}
    except OSError as error:
        raise CopydeskError(f"{error.filename} cannot be read, so {release} is not whole: {error.strerror}") from error
    wrong = next((path for path in stated if found[path] != stated[path]), None)
    if wrong is not None:
        raise CopydeskError(f"{release / wrong} is not what {MANIFEST} states; copydesk verify {release} says more")
