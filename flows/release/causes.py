"""The causes that a row can have for differing between two releases, and what two manifests say of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from flows.release.described import PUBLIC

SOURCE_ADDED, SOURCE_REMOVED = "source_added", "source_removed"
SOURCE_CHANGED, SOURCE_RENAMED = "source_changed", "source_renamed"
SETTINGS, CODE, TAKEDOWN = "settings", "code", "takedown"
# In the order in which they are listed, and in which one is chosen where several would do.
CAUSES = (SOURCE_ADDED, SOURCE_REMOVED, SOURCE_CHANGED, SOURCE_RENAMED, TAKEDOWN, SETTINGS, CODE)

# Settings that say how files are cut, where the work is done, what the card says, and whether there is a release at
# all: none of them changes a row. One that bounds what can be read does: what is over it is a reject.
WITHOUT_EFFECT_ON_ROWS = frozenset(
    {
        "compression_level",
        "dataset_creator",
        "dataset_name",
        "deduplicate_memory_bytes",
        "file_bytes",
        "hub_repo",
        "listed_articles",
        "max_reject_share",
        "metadata_license",
        "row_group_bytes",
        "shard_bytes",
        "takedown_contact",
    }
)
# Settings that decide what a public edition withholds, and leave a full one as it is.
OF_PUBLIC_EDITION = frozenset({"short_quote_words"})


@dataclass(frozen=True)
class Default:
    """What explains a row that no page explains; null where nothing but pages differs.

    Attributes:
        settings: names of the settings that differ, if any.
        code: what differs of the code, if anything.
    """

    settings: str | None
    code: str | None

    @classmethod
    def between(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> Self:
        """What differs between two manifests."""
        editions = [one.get("edition", "full") for one in (old, new)]
        idle = WITHOUT_EFFECT_ON_ROWS if PUBLIC in editions else WITHOUT_EFFECT_ON_ROWS | OF_PUBLIC_EDITION
        names = [name for name in changed_settings(old, new) if name not in idle]
        if editions[0] != editions[1]:
            names.append("edition")
        return cls(", ".join(names) or None, changed_code(old, new))

    def __bool__(self) -> bool:
        return self.settings is not None or self.code is not None

    def of_rows(self) -> tuple[str, str]:
        """The cause of a row whose values differ."""
        if self.settings is not None:
            return SETTINGS, self.settings
        return self.of_columns()

    def of_columns(self) -> tuple[str, str]:
        """The cause of a column or table that came, went or changed."""
        if self.code is None and self.settings is not None:
            return SETTINGS, self.settings
        return CODE, self.code or "nothing in the manifests explains it"


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Setting → its value before and after, of those that differ between two manifests; null where it was not there.

    The names that columns of records have in their containers are one setting, `columns`; null where all are ours.
    """
    before, after = (_settings(one) for one in (old, new))
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(set(before) | set(after))
        if before.get(name) != after.get(name)
    }


def _settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    renamed = manifest.get("columns")
    return dict(manifest.get("settings") or {}) | ({"columns": renamed} if renamed else {})


def changed_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """What differs of the code between two manifests, in a few words."""
    before, after = (one.get("code") or {} for one in (old, new))
    words = []
    if before != after:
        words.append(" → ".join(_code_name(one) for one in (before, after)))
    if old.get("lock_sha256") != new.get("lock_sha256"):
        words.append("requirements.lock")
    return ", ".join(words) or None


def _code_name(code: Mapping[str, Any]) -> str:
    return f"copydesk {code.get('version') or 'unknown'} ({str(code.get('sha256') or 'unknown')[:12]})"
