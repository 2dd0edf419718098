"""What people and programs read of a release beside its tables: the changelog and the card."""

from collections.abc import Mapping
from pathlib import Path

from flows.release.card import CARD, Release, card
from flows.release.changelog import CHANGELOG


def write_documents(release: Release, files: Mapping[Path, str]) -> None:
    """Write the documents of a release whose tables are written.

    Args:
        release: what they speak of.
        files: its Parquet files, each with its SHA-256.
    """
    for name, text in ((CHANGELOG, release.changes), (CARD, card(release))):
        (release.folder / name).write_text(text, encoding="utf-8", newline="\n")
