"""Write the results of `benchmarks.compare` into the README, so that no figure there is typed by hand.

python -m benchmarks.table
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare import OURS, RESULTS, ROOT

BEGIN = "<!-- begin: python -m benchmarks.table -->\n"
END = "<!-- end -->\n"
_COLUMNS = ("", "wall", "CPU", "memory", "precision", "recall", "F1", "hard negatives merged", "forms merged")


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """A paragraph and a table per result, the smallest corpus first and plain ones before hard ones."""
    parts = []
    for result in sorted(results, key=lambda one: (one["documents"], one["corpus"] == "hard")):
        machine = result["machine"]
        parts.append(
            f"{result['documents']:,} documents, {result['corpus']} corpus; {result['date']}, "
            f"{machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GB, Python {machine['python']}:\n"
        )
        rows = ["| " + " | ".join(_COLUMNS) + " |", "|" + " --- |" * len(_COLUMNS)]
        ours = next(trial for trial in result["trials"] if trial["name"] == OURS.name)
        rows += [_row(trial, ours) for trial in result["trials"]]
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def with_tables(page: str, tables: str) -> str:
    """The page with the tables between the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN.strip()} and {END.strip()} after it")
    return f"{before}{begin}\n{tables}\n{end}{after}"


def _row(trial: dict[str, Any], ours: dict[str, Any]) -> str:
    """A contender's line: ours in seconds and gigabytes, the others as multiples of ours."""
    cost, right = trial["cost"], trial["accuracy"]
    if right is None:
        cells = [trial["name"], cost["outcome"], *[""] * (len(_COLUMNS) - 2)]
        return "| " + " | ".join(cells) + " |"
    if trial is ours:
        costs = [f"{cost['wall_seconds']:.1f} s", f"{cost['cpu_seconds']:.1f} s", f"{cost['peak_bytes'] / 1e9:.2f} GB"]
    else:
        names = ("wall_seconds", "cpu_seconds", "peak_bytes")
        costs = [f"{cost[name] / ours['cost'][name]:.1f} ×" for name in names]
    shares = [f"{right[name]:.4f}" for name in ("precision", "recall", "f1")]
    merged = [f"{right[f'merged_{name}']:,} of {right[name]:,}" for name in ("hard_negatives", "forms")]
    return "| " + " | ".join([trial["name"], *costs, *shares, *merged]) + " |"


def main() -> None:
    """Write all results that are there into the README."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(RESULTS).glob("*.json"))]
    if not results:
        raise SystemExit("no results: run `make bench` first")
    page = ROOT / "README.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8"), markdown(results)), encoding="utf-8")


if __name__ == "__main__":
    main()
