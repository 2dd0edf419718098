"""Which number a release bears: computed from what changed since the newest one in its folder.

- major: a column or a table goes, or a column changes its type, so that a reader could break;
- minor: a source (matched by uri and record) or an article (by `article_id`) comes or goes, an article that both have
  gains or loses passages, quotes or citations, or a column or table comes;
- patch: values change;
- none: the rows are the same.
"""

import re
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import CopydeskError, UsageError
from flows.release.manifest import MANIFEST, read_manifest
from flows.release.parquet import arrow_schema, read_table, table_files

STEPS = ("none", "patch", "minor", "major")
FIRST = "1.0.0"
# https://semver.org without pre-releases; leading zeros would name one version twice.
VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
# A table → the columns that name a row of it from one release to the next.
MATCHED = {"sources": ("uri", "record"), "articles": ("article_id",)}
# Tables whose rows belong to an article and are counted there.
COUNTED = ("passages", "quotes", "citations")

Version = tuple[int, int, int]


def parse(version: str) -> Version:
    """The three numbers of a version.

    Raises:
        UsageError: it is none.
    """
    match = VERSION.fullmatch(version)
    if match is None:
        raise UsageError(f"version {version!r} is not of the form MAJOR.MINOR.PATCH")
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def newest(out: Path) -> Path | None:
    """The newest release in a folder: the highest of the versions that hold a manifest."""
    if not out.is_dir():
        return None
    found = [path for path in out.iterdir() if VERSION.fullmatch(path.name) and (path / MANIFEST).is_file()]
    return max(found, key=lambda path: parse(path.name), default=None)


def step_between(old: Path, new: dict[str, pl.DataFrame]) -> str:
    """How far the tables are from those of a release with other rows: `patch`, `minor` or `major`.

    Raises:
        CopydeskError: the old release cannot be read.
    """
    known = set(read_manifest(old)["tables"])
    schemas = {name: _schema(old, name) for name in known}
    for name, columns in schemas.items():
        kept = {field.name: _type(field.type) for field in arrow_schema(new[name])} if name in new else {}
        if any(kept.get(column) != dtype for column, dtype in columns.items()):
            return "major"
    if set(new) - known or any(set(new[name].columns) - set(columns) for name, columns in schemas.items()):
        return "minor"
    for name, key in MATCHED.items():
        before, after = read_table(old, name, list(key)), new[name].select(key)
        if before.height != after.height or after.join(before, on=key, how="anti", nulls_equal=True).height:
            return "minor"
    for name in COUNTED:
        if name in new:
            before, after = (
                rows.drop_nulls().group_by("article_id").len()
                for rows in (read_table(old, name, ["article_id"]), new[name].select("article_id"))
            )
            if before.height != after.height or after.join(before, on=["article_id", "len"], how="anti").height:
                return "minor"
    return "patch"


def _schema(release: Path, name: str) -> dict[str, str]:
    files = table_files(release, name)
    if not files:
        raise CopydeskError(f"{release} has no table {name}, though its manifest lists it")
    try:
        return {field.name: _type(field.type) for field in pq.read_schema(files[0])}
    except (OSError, ValueError) as error:
        raise CopydeskError(f"{files[0]} cannot be read: {str(error).splitlines()[0]}") from error


def _type(dtype: pa.DataType) -> str:
    """A type by name; Parquet and Arrow name the values of a list differently."""
    return f"list of {_type(dtype.value_type)}" if pa.types.is_list(dtype) else str(dtype)


def next_version(previous: str | None, step: str) -> str:
    """The version that a change asks for."""
    if previous is None:
        return FIRST
    major, minor, patch = parse(previous)
    after = {"none": (major, minor, patch), "patch": (major, minor, patch + 1), "minor": (major, minor + 1, 0)}
    return ".".join(str(part) for part in after.get(step, (major + 1, 0, 0)))


def checked_version(out: Path, previous: str | None, step: str, wished: str | None) -> str:
    """The version to release as: the one wished for, if it may be, else the one that the change asks for.

    Raises:
        UsageError: the version wished for is none, exists, or understates the change.
    """
    needed = next_version(previous, step)
    version = wished or needed
    number = parse(version)
    if (out / version).exists() or (out / version).is_symlink():
        raise UsageError(f"{out / version} exists; a release is never overwritten")
    if previous is not None and number < parse(needed):
        raise UsageError(
            f"version {version} understates a {step} change since {previous}: it must be at least {needed}"
        )
    return version
