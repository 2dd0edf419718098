"""One look at each line tells which patterns could match it, so that few lines are shown to few patterns."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.buffers import text_buffers
from flows.compiled import kernel
from flows.normalize.kernels import find_words
from flows.normalize.literals import SAME_WITHOUT_CASE, Strings, needed_words

_BITS = 64

# A pattern, and words of which a text must hold one for reasons of its own (`Rule.needs`).
Sought = tuple[str, tuple[str, ...]]


class Sieve:
    """Tells of texts which patterns could match them, by the words that the patterns need.

    All words are looked for at once (Aho and Corasick, "Efficient string matching", 1975), ASCII letters in any case.
    """

    def __init__(self, sought: Iterable[Sought]) -> None:
        """Sieve for these patterns."""
        self.bits = {one: bit for bit, one in enumerate(dict.fromkeys(sought))}
        self._width = -(-len(self.bits) // _BITS)
        words = {one: _words(*one) for one in self.bits}
        self.passing = self._mask(one for one, needed in words.items() if needed is None)
        told: dict[bytes, npt.NDArray[np.uint64]] = {}
        for one, needed in words.items():
            for word in needed or ():
                told.setdefault(word.encode(), self._mask(())).__ior__(self._mask((one,)))
        # What passes for another letter where case does not count passes for every word.
        told |= {character.encode(): self._mask(self.bits) for character in SAME_WITHOUT_CASE}
        self._build(told)

    def _mask(self, members: Iterable[Sought]) -> npt.NDArray[np.uint64]:
        mask = np.zeros(self._width, np.uint64)
        for one in members:
            word, bit = divmod(self.bits[one], _BITS)
            mask[word] |= np.uint64(1 << bit)
        return mask

    def _build(self, told: dict[bytes, npt.NDArray[np.uint64]]) -> None:
        """The automaton: `_classes` of bytes, `_moves` between states, and what the states from `_telling` on tell."""
        letters = sorted({byte for word in told for byte in word})
        self._classes = np.zeros(256, np.int32)
        self._classes[letters] = range(1, len(letters) + 1)
        for small in range(ord("a"), ord("z") + 1):
            self._classes[small - 32] = self._classes[small]
        children: list[dict[int, int]] = [{}]
        outputs = [self._mask(())]
        for word, mask in told.items():
            state = 0
            for byte in word:
                class_of = int(self._classes[byte])
                if class_of not in children[state]:
                    children[state][class_of] = len(children)
                    children.append({})
                    outputs.append(self._mask(()))
                state = children[state][class_of]
            outputs[state] = outputs[state] | mask
        moves = np.zeros((len(children), len(letters) + 1), np.int32)
        moves[0, list(children[0])] = list(children[0].values())
        # Breadth first: where a state falls back to is shorter, and so complete.
        queue = [(state, 0) for state in children[0].values()]
        for state, fallback in queue:
            moves[state] = moves[fallback]
            outputs[state] = outputs[state] | outputs[fallback]
            for class_of, child in children[state].items():
                queue.append((child, int(moves[fallback, class_of])))
                moves[state, class_of] = child
        tells = np.array([output.any() for output in outputs])
        order = np.argsort(tells, kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        self._class_count = moves.shape[1]
        self._telling = int((~tells).sum()) * self._class_count
        self._moves = (place[moves[order]] * self._class_count).ravel()
        self._told = np.array([outputs[state] for state in order[tells.sum() * -1 :]])

    def sift(self, texts: pl.Series) -> npt.NDArray[np.uint64]:
        """What could match each text, as a set of `bits`: one row per text."""
        data, starts = text_buffers(texts)
        found = np.tile(self.passing, (len(texts) + 1, 1))
        kernel(find_words, is_compiled=True)(
            data, starts, self._classes, self._moves, self._class_count, self._telling, self._told, found
        )
        return found[:-1]


@cache
def _words(pattern: str, needs: tuple[str, ...]) -> Strings | None:
    """Words of which a text must hold one, ASCII letters in small ones; null where it may be any text."""
    if not needs:
        found = needed_words(pattern)
        # A word over the end of a line stands in no line.
        return None if found is None or any("\n" in word for word in found) else found
    return frozenset("".join(char.lower() if char.isascii() else char for char in word) for word in needs)


class Sifted:
    """What could match the lines of some pages.

    Rules are asked for by what they are; a piece of a line can match what its line could.
    """

    def __init__(self, sieve: Sieve, lines: pl.DataFrame) -> None:
        """Looks at lines (SPANS), numbered by their column `row`."""
        self._sieve = sieve
        found = sieve.sift(lines["key"])
        differs = (lines["key"] != lines["raw"]).arg_true().to_numpy()
        found[differs] |= sieve.sift(lines["raw"].gather(differs))
        self._found = np.ascontiguousarray(found.T)
        self._rows: dict[Sought, npt.NDArray[np.intp]] = {}

    def rows(self, sought: Sought) -> npt.NDArray[np.intp] | None:
        """The rows of the lines that could match, ascending; null where all could."""
        word, bit = divmod(self._sieve.bits[sought], _BITS)
        if self._sieve.passing[word] & np.uint64(1 << bit):
            return None
        if sought not in self._rows:
            self._rows[sought] = np.flatnonzero(self.may_match(sought))
        return self._rows[sought]

    def may_match(self, sought: Sought) -> npt.NDArray[np.bool_]:
        """Whether each line could match."""
        word, bit = divmod(self._sieve.bits[sought], _BITS)
        found = self._found[word]
        may_match: npt.NDArray[np.bool_] = (found & np.uint64(1 << bit)) != 0
        return may_match
