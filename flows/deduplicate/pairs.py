"""Pairs of texts or passages as numbers: which stand how often among millions.

NumPy sorts numbers fast. Its `unique` and `union1d` do not sort them, and take fifty times as long for millions of
different ones (2.4: 4.4 s for three million, where sorting takes 0.08 s).
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from flows.deduplicate.portion_files import Array
from flows.deduplicate.portions import ON_THREADS, Arrays

Indexes = npt.NDArray[np.int64]
# The two of a pair in one number: the lower one << 32 | the higher one.
Pairs = npt.NDArray[np.uint64]
# Sorted pairs, each once, and how often each was found.
Counted = tuple[Pairs, Indexes]
Number = TypeVar("Number", bound=np.generic)

# Ranges of pairs that are worked through side by side.
_RANGES = 16


def sides(pairs: Pairs) -> tuple[Indexes, Indexes]:
    """The two of each pair."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def paired(one: Indexes, other: Indexes) -> Pairs:
    """What `sides` takes apart, whichever of the two is the lower one."""
    pairs: Pairs = (np.minimum(one, other).astype(np.uint64) << np.uint64(32)) | np.maximum(one, other).astype(
        np.uint64
    )
    return pairs


def distinct(numbers: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The different ones, sorted."""
    numbers = np.sort(numbers)
    return numbers[_first_of_equal(numbers)]


def counted(numbers: npt.NDArray[Number]) -> tuple[npt.NDArray[Number], Indexes]:
    """The different ones of sorted numbers, and how often each stands there."""
    starts = np.flatnonzero(_first_of_equal(numbers))
    return numbers[starts], np.diff(np.append(starts, len(numbers)))


def added_up(found: Sequence[Counted], count: int) -> list[Counted]:
    """Add up how often pairs were found: each once, sorted, in pieces by the first of the two.

    Args:
        found: any number of times.
        count: the number above all that stand in pairs.
    """
    bounds = (np.arange(_RANGES + 1, dtype=np.uint64) * np.uint64(count)) // np.uint64(_RANGES) << np.uint64(32)
    cuts = [np.searchsorted(pairs, bounds) for pairs, _ in found]
    portions = [
        (
            *(pairs[cut[number] : cut[number + 1]] for (pairs, _), cut in zip(found, cuts, strict=True)),
            *(times[cut[number] : cut[number + 1]] for (_, times), cut in zip(found, cuts, strict=True)),
        )
        for number in range(_RANGES)
    ]
    return [(pairs, times) for pairs, times in ON_THREADS(_added_up, portions)]


def _added_up(*pieces: Array) -> Arrays:
    """A portion of `added_up`: pieces of pairs, then as many of how often each."""
    pairs = np.concatenate(pieces[: len(pieces) // 2])
    times = np.concatenate(pieces[len(pieces) // 2 :])
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    starts = np.flatnonzero(_first_of_equal(pairs))
    return pairs[starts], np.add.reduceat(times[order], starts)


def _first_of_equal(ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Of sorted numbers, the first of each run of equal ones."""
    return np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]])
