"""Which number a release bears: computed from what changed since the newest one in its folder.

- major: a column or a table goes, or a column changes its type or unit, so that a reader could break;
- minor: a source (matched by uri and record) or an article (by `article_id`) comes or goes, an article that both have
  gains or loses passages, quotes or citations, or a column or table comes;
- patch: anything else differs;
- none: the rows are the same.

`flows.release.compare` finds it, for this and for `copydesk diff`.
"""

from pathlib import Path

from flows.errors import CopydeskError, UsageError
from flows.release.described import PUBLIC
from flows.release.manifest import MANIFEST, read_manifest
from flows.release.manifest_form import VERSION

FIRST = "1.0.0"
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
    """The newest release in a folder: the highest of the versions that hold a manifest; public editions do not count.

    An edition lacks texts, so that nothing can be built upon it.
    """
    if not out.is_dir():
        return None
    found = [path for path in out.iterdir() if VERSION.fullmatch(path.name) and (path / MANIFEST).is_file()]
    latest_first = sorted(found, key=lambda path: parse(path.name), reverse=True)
    return next((path for path in latest_first if not _is_edition(path)), None)


def _is_edition(release: Path) -> bool:
    try:
        return read_manifest(release).get("edition") == PUBLIC
    except CopydeskError:
        return False  # a release that is broken: whoever goes on to read it says so


def check_name(folder: Path, version: str) -> None:
    """Refuse a folder that would pass for another version than it holds.

    Raises:
        UsageError: its name is a version, and not this one.
    """
    if VERSION.fullmatch(folder.name) and folder.name != version:
        raise UsageError(f"{folder} is the name of another version; this is {version}")


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
