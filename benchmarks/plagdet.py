"""The measure of text alignment: plagdet, after Potthast, Stein, Barrón-Cedeño and Rosso (COLING 2010).

"An Evaluation Framework for Plagiarism Detection". A case and a detection are each a pair of stretches of characters,
one in the suspicious document and one in the source; a detection finds a case when they share characters on both sides.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Passage = tuple[int, int, int, int]
"""Start and end in the source, start and end in the suspicious document; the ends exclusive."""


@dataclass(frozen=True)
class Score:
    """Macro-averaged precision and recall over characters, granularity, and plagdet of them; with the counts."""

    precision: float
    recall: float
    granularity: float
    case_count: int
    detection_count: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def plagdet(self) -> float:
        """F1, divided by log2(1 + granularity)."""
        return self.f1 / math.log2(1 + self.granularity)


def _shared(one: Passage, other: Passage) -> tuple[int, int, int, int] | None:
    """What two passages share on both sides, or None."""
    a_start, a_end = max(one[0], other[0]), min(one[1], other[1])
    b_start, b_end = max(one[2], other[2]), min(one[3], other[3])
    return (a_start, a_end, b_start, b_end) if a_start < a_end and b_start < b_end else None


def _union(intervals: Iterable[tuple[int, int]]) -> int:
    """Characters that intervals cover together."""
    total, reached = 0, 0
    for start, end in sorted(intervals):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _covered(passage: Passage, others: Sequence[Passage]) -> tuple[float, int]:
    """Share of the characters of a passage (both sides) that others that meet it cover, and how many meet it."""
    met = [shared for other in others if (shared := _shared(passage, other))]
    covered = _union((s[0], s[1]) for s in met) + _union((s[2], s[3]) for s in met)
    return covered / (passage[1] - passage[0] + passage[3] - passage[2]), len(met)


def score(cases: Mapping[int, Sequence[Passage]], detections: Mapping[int, Sequence[Passage]]) -> Score:
    """Compare detections with the true cases.

    Args:
        cases: pair of documents → its true cases.
        detections: pair of documents → what was reported for it.

    Returns:
        The measure over all pairs given; without cases, precision is 1 only where nothing was reported.
    """
    recalls = [_covered(case, detections.get(pair, ())) for pair, found in cases.items() for case in found]
    precisions = [_covered(one, cases.get(pair, ()))[0] for pair, found in detections.items() for one in found]
    met = [count for _, count in recalls if count]
    return Score(
        precision=math.fsum(precisions) / len(precisions) if precisions else float(not recalls),
        recall=math.fsum(share for share, _ in recalls) / len(recalls) if recalls else float(not precisions),
        granularity=sum(met) / len(met) if met else 1.0,
        case_count=len(recalls),
        detection_count=len(precisions),
    )
