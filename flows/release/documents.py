"""What people and programs read of a release beside its tables."""

from collections.abc import Mapping
from pathlib import Path

from flows.release.card import CARD, card
from flows.release.changelog import CHANGELOG
from flows.release.citation import CITATION, citation_cff
from flows.release.croissant import CROISSANT, croissant
from flows.release.described import Release


def write_documents(release: Release, files: Mapping[Path, str]) -> None:
    """Write the changelog, the card, `CITATION.cff` and `croissant.json` of a release whose tables are written.

    Args:
        release: what they speak of.
        files: its Parquet files, each with its SHA-256.
    """
    documents = {
        CHANGELOG: release.changes,
        CARD: card(release),
        CITATION: citation_cff(release),
        CROISSANT: croissant(release, files),
    }
    for name, text in documents.items():
        (release.folder / name).write_text(text, encoding="utf-8", newline="\n")
