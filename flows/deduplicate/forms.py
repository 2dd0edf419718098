"""Texts that are one form filled in again and again: the weather report, the results, the bank's daily notice.

Each filling looks like an edited copy of the others. In which places they differ tells the two apart: an editor changes
a word here or there, so that in every place most copies of a story still agree; in the slots of a form no two fillings
need to. What stands in the slots may be anything: figures, names, adjectives, words of a script without capitals.
"""

import numpy as np
import numpy.typing as npt

from flows.compiled import kernel
from flows.deduplicate.kernels import MEASURES, compare, in_slices, vote
from flows.deduplicate.wordstore import give_back

Indexes = npt.NDArray[np.int64]

# Others that each text is compared with, and that must say something of a word.
_VOICES = 8
LEAST_VOICES = 3
# Share of the words of a form that are in slots. A story that is reported as it goes on, with other figures each time,
# has fewer.
_VARIABLE_SHARE = 0.02
# Members of a group, beside its hub, one of which must have as many slots, too: a hub may be a copy of a story that was
# edited all over, or a page that has no more than its furniture in common with the others.
_ALSO_ASKED = 2
_TEXTS_PER_SLICE = 500


def mark_slots(
    words: npt.NDArray[np.uint32], starts: Indexes, ends: Indexes, hubs: Indexes, *, is_compiled: bool
) -> Indexes:
    """Mark the words that stand in the slots of forms as VARIABLE.

    Args:
        words: words of all texts, in and out.
        starts: shape (texts): where the words of each text begin.
        ends: shape (texts): where they end.
        hubs: shape (texts): a text that each is like, itself if there is none.
        is_compiled: whether kernels are compiled.

    Returns:
        shape (texts): how many words were found in each that is a filling of a form with more than LEAST_VOICES
        fillings, at most PLACE_VARIABLE in one place; 0 of others.
    """
    # Groups of texts like one hub, one after the other, and the place of each text in its group.
    sizes = np.bincount(hubs, minlength=len(hubs))
    members = np.flatnonzero(sizes[hubs] > LEAST_VOICES)
    counts = np.zeros(len(hubs), np.int64)
    if not len(members):
        return counts
    members = members[np.argsort(hubs[members], kind="stable")]
    groups, firsts, group_of = np.unique(hubs[members], return_index=True, return_inverse=True)
    place = np.arange(len(members)) - firsts[group_of]

    def variable(chosen: Indexes, *, is_marking: bool) -> Indexes:
        """How many words are variable in the chosen ones of `members`."""
        found = np.empty(len(chosen), np.int64)
        size = sizes[groups[group_of[chosen]]]
        for voices in range(LEAST_VOICES, _VOICES + 1):
            asked = np.flatnonzero(np.minimum(_VOICES, size - 1) == voices)
            # Others all over the group, beginning behind the text itself.
            step = 1 + np.arange(voices) * (size[asked, None] - 1) // voices
            others = firsts[group_of[chosen[asked], None]] + (place[chosen[asked], None] + step) % size[asked, None]
            found[asked] = _vote(words, starts, ends, members[chosen[asked]], members[others], is_marking, is_compiled)
        return found

    def are_forms(asked: Indexes) -> npt.NDArray[np.bool_]:
        """Whether as many words are variable in the chosen ones of `members` as in a form."""
        least = np.maximum(_VARIABLE_SHARE * (ends - starts)[members[asked]], 1)
        is_enough: npt.NDArray[np.bool_] = variable(asked, is_marking=False) >= least
        return is_enough

    likely = np.flatnonzero(are_forms(np.flatnonzero(members == hubs[members])))
    is_form = np.zeros(len(groups), np.bool_)
    for nth in range(1, _ALSO_ASKED + 1):
        is_form[likely] |= are_forms((firsts + sizes[groups] * nth // (_ALSO_ASKED + 1))[likely])
    filled = np.flatnonzero(is_form[group_of])
    counts[members[filled]] = variable(filled, is_marking=True)
    if isinstance(words, np.memmap):
        # Who maps the file elsewhere must see it.
        words.flush()
    return counts


def _vote(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    ends: Indexes,
    texts: Indexes,
    others: Indexes,
    is_marking: bool,
    is_compiled: bool,
) -> Indexes:
    """Compare texts (n) with others (n, voices); how many words of each are variable (n)."""
    found = np.empty(len(texts), np.int64)
    voices = others.shape[1]

    def voted(first: int, last: int) -> None:
        a, b = np.repeat(texts[first:last], voices), others[first:last].ravel()
        lengths = ends[a] - starts[a]
        value_starts = np.cumsum(lengths) - lengths
        values = np.zeros(int(lengths.sum()), np.uint32)
        measures = np.empty((len(a), MEASURES), np.int32)
        kernel(compare, is_compiled=is_compiled)(words, starts, ends, a, b, measures, value_starts, values)
        kernel(vote, is_compiled=is_compiled)(
            words,
            starts,
            ends,
            texts[first:last],
            voices,
            values,
            value_starts,
            LEAST_VOICES,
            is_marking,
            found[first:last],
        )
        give_back(words)

    in_slices(voted, len(texts), is_parallel=is_compiled, per_slice=_TEXTS_PER_SLICE)
    return found
