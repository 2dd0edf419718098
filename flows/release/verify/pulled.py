"""What the client of the Hub leaves in the folder of a release that it pulled, and that is no part of the release.

Its cache holds a revision as links: `snapshots/<commit>/<path>` leads to `blobs/<hash>` beside `snapshots`. A folder
that is pulled into (`--local-dir`) holds files, and notes of the client on them.
https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import re
from pathlib import Path

# The Hub's own file of every repository, and the client's notes.
GITATTRIBUTES = ".gitattributes"
NOTES = ".cache/huggingface"
_SNAPSHOTS = "snapshots"
_BLOBS = "blobs"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_of_the_hub(name: str) -> bool:
    """Whether a path in a release is the Hub's or its client's, and says nothing of the release."""
    return name in (GITATTRIBUTES, NOTES) or name.startswith(f"{NOTES}/")


def is_snapshot(folder: Path) -> bool:
    """Whether a folder is a revision in the client's cache; it is named after its commit, not after its version."""
    return folder.parent.name == _SNAPSHOTS and _COMMIT.fullmatch(folder.name) is not None


def is_cached(link: Path, folder: Path) -> bool:
    """Whether a link in such a folder leads to a file of the same cache."""
    if not is_snapshot(folder):
        return False
    target = link.resolve()
    return target.parent == folder.parent.resolve().with_name(_BLOBS) and target.is_file()
