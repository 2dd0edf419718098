"""The public edition: a release without the texts that are not ours to give away.

It is made from the release and from nothing else, so the same release gives the same bytes. It puts together what may
be given (`publish`) and how a release is written (`release`), which know nothing of each other.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows.errors import CopydeskError
from flows.progress import telling
from flows.publish.rights import Rights, rights_of, withhold
from flows.release.changelog import CHANGELOG, versions_of
from flows.release.described import PUBLIC, Release
from flows.release.documents import write_documents
from flows.release.manifest import (
    MANIFEST,
    check_outputs,
    digests,
    file_sha256,
    read_manifest,
    settings_of,
    write_manifest,
    write_sums,
)
from flows.release.parquet import DATA, TableWriter, WrittenRows, WrittenTable, ranges_of, table_batches, table_of
from flows.release.provenance import write_provenance
from flows.release.rows import all_rows_sha256
from flows.release.staging import new_folder
from flows.release.versions import check_name
from flows.settings import Settings
from schemas.tables import TABLES, text_columns

# What the manifest of an edition holds beside that of its release.
FULL_KEYS = ("full_manifest_sha256", "full_rows_sha256", "full_outputs")
# What the rights of all texts follow from.
_POLICIES = ["article_id", "source_id", "rights_policy"]
_PASSAGES = ["passage_id", "source_id", "article_id", "role", "text"]


def public_edition(release: Path, out: Path) -> Path:
    """Write the public edition of a release to a folder that is not there yet, whole or not at all.

    Memory is bounded by a row group of the release, by its ids, and by the texts that may be given.

    Args:
        release: the folder of a full release; its files are compared with its manifest first.
        out: the folder to write.

    Returns:
        The folder.

    Raises:
        UsageError: `out` exists, or is named like another version.
        CopydeskError: the release is none, is not whole, or is a public edition already; `out` cannot be written.
    """
    with new_folder(out) as folder:
        manifest = read_manifest(release)
        if manifest.get("edition") == PUBLIC:
            raise CopydeskError(f"{release} is a public edition already")
        check_name(out, manifest["version"])
        tables = {}
        with telling("edition") as tell, ThreadPoolExecutor(1) as pool:
            tell("the bytes of all files")
            check_outputs(release, manifest, f"{DATA}/")
            settings = settings_of(manifest)
            tell("the rights of each text")
            rights = _rights(release, settings)
            ranges = ranges_of(release, settings)
            for name in TABLES:
                if name in manifest["tables"]:
                    tell(f"writing {name}")
                    writer = TableWriter(folder, name, settings, pool, ranges)
                    rows = _without_withheld(release, name, rights, writer)
                    tables[name] = table_of(folder, name, [(folder, rows)], settings)
        files = {file: digest for table in tables.values() for file, digest in table.files.items()}
        write_documents(described(release, folder, manifest, settings, PUBLIC), files)
        content = _manifest(release, manifest, tables, digests(folder, files))
        write_provenance(folder, content)
        write_manifest(folder, content)
        write_sums(folder, files)
    return out


def _rights(release: Path, settings: Settings) -> Rights:
    articles = pl.concat([TABLES["articles"].empty().select(_POLICIES), *table_batches(release, "articles", _POLICIES)])
    return rights_of(articles, lambda: table_batches(release, "passages", _PASSAGES), settings.short_quote_words)


def _without_withheld(release: Path, name: str, rights: Rights, writer: TableWriter) -> WrittenRows:
    """Write a table row group by row group, what must be withheld replaced by its hash."""
    for rows in table_batches(release, name):
        if rows.schema != pl.Schema(TABLES[name].dtypes):
            raise CopydeskError(f"{release} was made by another copydesk: its table {name} has other columns than ours")
        writer.write(withhold(name, rows, rights) if text_columns(name) else rows)
    return writer.close()


def described(release: Path, folder: Path, manifest: Mapping[str, Any], settings: Settings, edition: str) -> Release:
    """What the documents of an edition speak of; its history is that of the release that it is made of.

    Args:
        release: the release or edition that it is made of.
        folder: where its tables are.
        manifest: of `release`.
        settings: as the manifest states them.
        edition: `full` or `public`.
    """
    file = release / CHANGELOG
    changes = file.read_text(encoding="utf-8") if file.is_file() else ""
    version = str(manifest["version"])
    day = next((one.date for one in versions_of(changes) if one.version == version), None)
    return Release(
        folder=folder,
        version=version,
        date=None if day is None else date.fromisoformat(day),
        conservation=manifest["conservation"],
        settings=settings,
        changes=changes,
        edition=edition,
    )


def _manifest(
    release: Path, full: Mapping[str, Any], tables: Mapping[str, WrittenTable], outputs: Mapping[str, str]
) -> dict[str, Any]:
    """The manifest of the release with the hashes of the edition, and beside them those of what was withheld."""
    hashes = {name: table.rows_sha256 for name, table in tables.items()}
    data = {path: digest for path, digest in full["outputs"].items() if path.startswith(f"{DATA}/")}
    return {
        **full,
        "edition": PUBLIC,
        **dict(zip(FULL_KEYS, (file_sha256(release / MANIFEST), full["rows_sha256"], data), strict=True)),
        "tables": {name: full["tables"][name] | {"rows_sha256": hashes[name]} for name in sorted(hashes)},
        "rows_sha256": all_rows_sha256(hashes),
        "outputs": dict(sorted(outputs.items())),
    }
