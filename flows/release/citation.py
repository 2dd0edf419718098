"""How a release is cited: a BibTeX entry, and `CITATION.cff` for programs (Citation File Format 1.2.0).

https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema-guide.md
"""

import re
from typing import Any

import yaml

from flows.release.described import Release
from flows.release.harmless import plain_line

CITATION = "CITATION.cff"
# What TeX would read as a command, a comment, or the end of a group.
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    # Harmless to TeX, and the end of a block of code to Markdown.
    "`": r"{\textasciigrave}",
}


def bibtex(release: Release) -> str:
    """The release as an entry of BibTeX, `@misc` because its classical styles know no datasets."""
    fields = {
        "author": f"{{{tex(release.settings.dataset_creator)}}}",
        "title": f"{{{tex(release.settings.dataset_name)}}}",
        "year": None if release.date is None else str(release.date.year),
        "version": release.version,
        "howpublished": rf"\url{{{release.address}}}",
        "note": "Public edition" if release.is_public else None,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value is not None]
    return "\n".join([f"@misc{{{citation_key(release)},", *lines, "}"])


def citation_key(release: Release) -> str:
    """Names the entry: the repository's name in letters and digits, and the version."""
    name = re.sub(r"[^a-z0-9]+", "-", release.settings.hub_repo.partition("/")[2].lower()).strip("-")
    return f"{name or 'dataset'}-{release.version}"


def citation_cff(release: Release) -> str:
    """The release as `CITATION.cff`."""
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite the version that you used.",
        "type": "dataset",
        "title": plain_line(release.settings.dataset_name),
        "authors": [{"name": plain_line(release.settings.dataset_creator)}],
        "version": release.version,
        "url": release.address,
        "license-url": release.license_address,
        "keywords": list(release.keywords),
    }
    if release.date is not None:
        content["date-released"] = release.date.isoformat()
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000)


def tex(text: str) -> str:
    """A text in one line as TeX prints it."""
    return "".join(_TEX.get(character, character) for character in plain_line(text))
