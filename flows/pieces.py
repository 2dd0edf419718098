"""Stretches of files in a store: of one that lies there whole, and of one that lies there in pieces.

A file that many tasks fill, each a part of it, is a folder in a store. The pieces in it are called by where they begin.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

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


def fetch_spans(store: Store, wanted: Sequence[tuple[str, Spans, Path]]) -> None:
    """Fetch stretches of files in a store to the same places of files of this machine, which are there.

    Args:
        store: with the folder that names count from.
        wanted: the name of a file or, with a slash at its end, of the folder with its pieces; which stretches of it;
            where they go.

    Raises:
        CopydeskError: as `clear_store_errors`; also where something of it is not in the store.
    """

    def fetch(request: _Request) -> None:
        data = b""
        if request.path is not None:
            first, end = request.first - request.begin, request.end - request.begin
            with clear_store_errors(store.shown):
                data = store.system.cat_file(request.path, start=first, end=end)
        if len(data) != request.end - request.first:
            raise CopydeskError(f"{store.shown}: a table of this run is not whole in the store; run it again")
        with request.file.open("r+b") as target:
            target.seek(request.first)
            target.write(data)

    at_once(store, fetch, [request for one in wanted for request in _requests(store, *one)])


class _Request(NamedTuple):
    """Bytes to ask for.

    Attributes:
        path: of an object of the store; None if there is none that they could be in.
        begin: the first byte of the object, in bytes of the file.
        first: the first byte that is wanted.
        end: the first behind the last one.
        file: where they go.
    """

    path: str | None
    begin: int
    first: int
    end: int
    file: Path


def _requests(store: Store, name: str, spans: Spans, file: Path) -> Iterator[_Request]:
    """What to ask for, so that little is asked for and little more than what is wanted comes."""
    path = f"{store.path.rstrip('/')}/{name}".rstrip("/")
    paths, begins = [path], [0]
    if name.endswith("/"):
        paths = sorted(objects_below(store, path))
        begins = [int(piece.rpartition("/")[2]) for piece in paths]
    is_new = np.append(True, spans[1:, 0] - spans[:-1, 1] > _GAP_BYTES)[: len(spans)]
    is_last = np.append(is_new[1:], True)[: len(spans)]
    for start, end in zip(spans[is_new, 0].tolist(), spans[is_last, 1].tolist(), strict=True):
        inner = begins[bisect_right(begins, start) : bisect_left(begins, end)]
        # A request keeps to one piece.
        for first, last in pairwise([start, *inner, end]):
            number = bisect_right(begins, first) - 1
            source, begin = (paths[number], begins[number]) if number >= 0 else (None, 0)
            for at in range(first, last, _PIECE_BYTES):
                yield _Request(source, begin, at, min(at + _PIECE_BYTES, last), file)
