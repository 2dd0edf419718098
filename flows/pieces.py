"""Stretches of files in a store: of one that lies there whole, and of one that lies there in pieces.

A file that many tasks fill, each a part of it, is a folder in a store. The pieces in it are called by where they begin.
"""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flows.errors import CopydeskError
from flows.remote import Store, at_once, clear_store_errors, objects_below

# The first byte of each stretch and the first behind it, int64, shape (n, 2); ascending and apart.
Spans = npt.NDArray[np.int64]

# What is moved at a time, of which `Store.at_once` are held.
_PIECE_BYTES = 8_000_000
# What lies between two stretches is read along up to so many bytes: in the 30 ms that a request takes inside one
# region, a connection of some 50 MB a second moves more than a million.
_GAP_BYTES = 250_000


def put_part(store: Store, file: Path, first: int, end: int, name: str) -> None:
    """Put bytes of a file into a store as part of one; to do so twice is to do so once.

    Args:
        store: with the folder that names count from.
        file: of this machine.
        first: the first byte.
        end: the first behind the last one.
        name: of the folder with the pieces.

    Raises:
        CopydeskError: as `clear_store_errors`.
    """
    base = f"{store.path.rstrip('/')}/{name.rstrip('/')}"

    def put(begin: int) -> None:
        with file.open("rb") as source:
            source.seek(begin)
            data = source.read(min(_PIECE_BYTES, end - begin))
        with clear_store_errors(store.shown):
            if not store.is_object_store:
                store.system.makedirs(base, exist_ok=True)
            store.system.pipe_file(f"{base}/{begin:016}", data)

    at_once(store, put, range(first, end, _PIECE_BYTES))


def fetch_spans(store: Store, name: str, spans: Spans, file: Path) -> None:
    """Fetch stretches of a file in a store to the same places of a file of this machine, which is there.

    Args:
        store: with the folder that names count from.
        name: of the file; with a slash at its end, of the folder with its pieces.
        spans: which; one at least.
        file: where they go.

    Raises:
        CopydeskError: as `clear_store_errors`; also where something of it is not in the store.
    """
    path = f"{store.path.rstrip('/')}/{name}".rstrip("/")
    pieces = objects_below(store, path) if name.endswith("/") else {path: None}
    paths = sorted(pieces)
    firsts = np.array([int(piece.rpartition("/")[2]) for piece in paths] if name.endswith("/") else [0], np.int64)
    with file.open("r+b") as target:

        def fetch(request: tuple[int, int, int]) -> None:
            number, first, end = request
            data = b""
            if number >= 0:
                begin = int(firsts[number])
                with clear_store_errors(store.shown):
                    data = store.system.cat_file(paths[number], start=first - begin, end=end - begin)
            if len(data) != end - first:
                raise CopydeskError(f"{store.shown}: a table of this run is not whole in the store; run it again")
            os.pwrite(target.fileno(), data, first)

        at_once(store, fetch, _requests(spans, firsts))


def _requests(spans: Spans, firsts: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """What to ask for, so that little is asked for and little more than what is wanted comes.

    Args:
        spans: what is wanted.
        firsts: where the pieces begin, ascending.

    Returns:
        The number of a piece (-1 where none begins so early), first byte, first behind the last; in bytes of the file.
    """
    is_new = np.append(True, spans[1:, 0] - spans[:-1, 1] > _GAP_BYTES)
    starts, ends = spans[is_new, 0], spans[np.append(is_new[1:], True), 1]
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        inner = firsts[np.searchsorted(firsts, start, side="right") : np.searchsorted(firsts, end, side="left")]
        # A request keeps to one piece.
        for first, last in pairwise([start, *inner.tolist(), end]):
            number = int(np.searchsorted(firsts, first, side="right")) - 1
            found += [(number, begin, min(begin + _PIECE_BYTES, last)) for begin in range(first, last, _PIECE_BYTES)]
    return found
