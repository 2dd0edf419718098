"""The counts that the dataset card states, against the manifest."""

import re
from pathlib import Path
from typing import Any

import yaml

from flows.release.card import CARD
from flows.release.manifest_form import Manifest
from flows.release.verify.findings import Findings

_CONSERVATION = re.compile(
    r"^read (\d+) = released (\d+) \+ rejected (\d+) \+ taken down (\d+)$", re.ASCII | re.MULTILINE
)
# The loader in C is ten times as fast, and there where PyYAML was built with its library.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_card(release: Path, manifest: Manifest, findings: Findings) -> None:
    """Compare the line of conservation, and the number of rows per configuration, with the manifest."""
    if not (release / CARD).is_file():
        if CARD not in manifest.outputs:
            findings.fail(CARD, "missing", "the release has no card")
        return
    try:
        text = (release / CARD).read_text(encoding="utf-8")
    except ValueError:
        findings.fail(CARD, "form", "the card is not UTF-8")
        return
    stated = _CONSERVATION.findall(text)
    counts = manifest.conservation
    expected = tuple(str(count) for count in (counts.read, counts.released, counts.rejected, counts.taken_down))
    if stated != [expected]:
        findings.fail(CARD, "counts", "it does not say once what became of the records, as manifest.json counts them")
    rows = configuration_rows(text)
    if rows is None:
        findings.fail(CARD, "form", "its front matter does not describe the configurations")
        return
    expected_rows = {name: table.row_count for name, table in manifest.tables.items() if table.row_count}
    for name in sorted(rows.keys() | expected_rows.keys()):
        if rows.get(name) != expected_rows.get(name):
            findings.fail(CARD, "counts", f"its front matter counts other rows of {name} than manifest.json")
    findings.checked.append("the counts of the card against the manifest")


def configuration_rows(text: str) -> dict[str, int] | None:
    """Configuration → its number of rows as the front matter states it; null if it states none."""
    front = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    try:
        content: Any = yaml.load(front[1], _LOADER) if front else None  # noqa: S506 - both are safe loaders
        rows = {
            str(info["config_name"]): sum(int(split["num_examples"]) for split in info["splits"])
            for info in content["dataset_info"]
        }
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None  # PyYAML raises whatever its conversions of numbers and dates do
    return rows
