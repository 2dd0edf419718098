"""Made-up releases that are published in tests: three versions, one after the other."""

from pathlib import Path

from flows.release.manifest import Input
from flows.release.release import BuildInfo
from flows.settings import Settings
from tests.release_tables import PAGES, Page, Tables, release, tables_of, two_stories

NIGHT: Page = [
    ("title", "The pier is found"),
    ("byline", "By Ada Quill"),
    ("body", "A fisherman found the pier of Skarholm in his nets on Monday, eleven miles from where it had stood."),
]
NOON: Page = [
    ("title", "A pier comes home"),
    ("byline", "By Ada Quill"),
    ("body", "Forty residents carried the planks up the beach and counted them twice; none was missing."),
]


def three_releases(out: Path) -> list[Path]:
    """Versions 1.0.0, 1.1.0 and 1.2.0: two pages, then three, then four."""
    versions = [two_stories(), tables_of({**PAGES, "night.txt": NIGHT})]
    versions.append(tables_of({**PAGES, "night.txt": NIGHT, "noon.txt": NOON}))
    return [made(tables, out) for tables in versions]


def made(tables: Tables, out: Path) -> Path:
    """A release of tables, as a build would make it."""
    sources = tables["sources"]
    inputs = [Input(*row) for row in sources.select("uri", "sha256", "byte_count").iter_rows()]
    counts = {"read": sources.height, "released": sources.height, "rejected": 0, "taken_down": 0, "skipped": 0}
    return release(tables, out, Settings(), BuildInfo(inputs, counts)).path


def contents(folder: Path) -> dict[str, bytes]:
    """Path → bytes of all files in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
