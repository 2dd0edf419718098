"""Texts that are one form filled in again and again: the weather report, the results, the bank's daily notice.

Each filling looks like an edited copy of the others. In which places they differ tells the two apart: an editor changes
a word here or there, so that in every place most copies of a story still agree; in the slots of a form no two fillings
need to. What stands in the slots may be anything: figures, names, adjectives, words of a script without capitals.
"""

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import MEASURES, compare, in_slices, vote

Indexes = npt.NDArray[np.int64]

# Others that each text is compared with, and that must say something of a word.
_VOICES = 8
_LEAST_VOICES = 3
# Share of the words of a form that are in slots. A story that is reported as it goes on, with other figures each time,
# has fewer.
_VARIABLE_SHARE = 0.02
_TEXTS_PER_SLICE = 500


def mark_slots(
    words: npt.NDArray[np.uint32], starts: Indexes, ends: Indexes, hubs: Indexes, *, is_compiled: bool
) -> npt.NDArray[np.bool_]:
    """Mark the words that stand in the slots of forms as VARIABLE.

    Args:
        words: words of all texts, in and out.
        starts: shape (texts): where the words of each text begin.
        ends: shape (texts): where they end.
        hubs: shape (texts): a text that each is like, itself if there is none.
        is_compiled: whether kernels are compiled.

    Returns:
        shape (texts): those that are a filling of a form with more than _LEAST_VOICES fillings.
    """
    # Groups of texts like one hub, one after the other; `members` holds the texts of each in order.
    sizes = np.bincount(hubs, minlength=len(hubs))
    members = np.flatnonzero(sizes[hubs] > _LEAST_VOICES)
    members = members[np.argsort(hubs[members], kind="stable")]
    groups, firsts = np.unique(hubs[members], return_index=True)

    def variable(texts: Indexes, group: Indexes, nth: Indexes, *, is_marking: bool) -> Indexes:
        """How many words are variable in texts, each the nth member of a group (an index of `groups`)."""
        found = np.empty(len(texts), np.int64)
        size = sizes[groups[group]]
        voices = np.minimum(_VOICES, size - 1)
        for count in range(_LEAST_VOICES, _VOICES + 1):
            chosen = np.flatnonzero(voices == count)
            # Others all over the group, beginning behind the text itself.
            step = np.arange(count)[None, :] * (size[chosen, None] - 1) // count
            others = members[firsts[group[chosen], None] + (nth[chosen, None] + 1 + step) % size[chosen, None]]

            def voted(
                first: int, last: int, chosen: Indexes = chosen, others: Indexes = others, count: int = count
            ) -> None:
                mine = texts[chosen[first:last]]
                a, b = np.repeat(mine, count), others[first:last].ravel()
                lengths = ends[a] - starts[a]
                value_starts = np.cumsum(lengths) - lengths
                values = np.zeros(int(lengths.sum()), np.uint32)
                measures = np.empty((len(a), MEASURES), np.int32)
                compare.chosen(is_compiled=is_compiled)(words, starts, ends, a, b, measures, value_starts, values)
                counted = np.empty(len(mine), np.int64)
                vote.chosen(is_compiled=is_compiled)(
                    words, starts, ends, mine, count, values, value_starts, _LEAST_VOICES, is_marking, counted
                )
                found[chosen[first:last]] = counted

            in_slices(voted, len(chosen), is_parallel=is_compiled, per_slice=_TEXTS_PER_SLICE)
        return found

    every = np.arange(len(groups))
    hub_nth = np.searchsorted(firsts, np.arange(len(members)), side="right") - 1
    nth = np.arange(len(members)) - firsts[hub_nth] if len(members) else members
    is_hub = members == hubs[members]
    in_hub = np.zeros(len(groups), np.int64)
    in_hub[hub_nth[is_hub]] = variable(members[is_hub], hub_nth[is_hub], nth[is_hub], is_marking=False)
    is_form = in_hub >= _VARIABLE_SHARE * (ends[groups] - starts[groups])
    is_form &= in_hub > 0
    filled = np.flatnonzero(is_form[hub_nth]) if len(members) else every[:0]
    variable(members[filled], hub_nth[filled], nth[filled], is_marking=True)
    is_marked = np.zeros(len(hubs), np.bool_)
    is_marked[members[filled]] = True
    return is_marked
