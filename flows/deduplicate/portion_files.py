"""How a portion of work lies in files: what it is in one of JSON, its arrays in another, side by side.

Files go by their names in the work folder, so that they are the same files wherever that folder lies.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Stretches of a file, int64, shape (n, 2): the first byte of each, and the first behind it; ascending and apart.
Spans = npt.NDArray[np.int64]

# Arrays in a file begin at multiples of so many bytes.
_ALIGNMENT = 64


@dataclass(frozen=True)
class Stretches:
    """An array of which a portion reads some stretches only; its function is given the array.

    Attributes:
        array: one dimension; in a file, or whole in memory.
        starts: int64, shape (n): where each stretch begins.
        ends: int64, shape (n): where it ends.
    """

    array: Array
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Room:
    """Bytes of a file that portions fill together, each its own.

    Attributes:
        file: it is there, and as long as it will be, where the work folder is seen.
        first: the first of the bytes.
        byte_count: how many they are.
    """

    file: Path
    first: int
    byte_count: int

    def put(self, array: Array) -> None:
        """Fill the room; to do so twice is to do so once."""
        data = np.ascontiguousarray(array)
        if data.nbytes != self.byte_count:
            raise ValueError(f"{self.file}: {data.nbytes} bytes for a room of {self.byte_count}")
        with self.file.open("r+b") as out:
            out.seek(self.first)
            out.write(data.data)


def merged(firsts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Spans:
    """Stretches in any order as spans; those that touch or overlap become one, empty ones none."""
    is_some = ends > firsts
    order = np.argsort(firsts[is_some], kind="stable")
    firsts, ends = firsts[is_some][order], np.maximum.accumulate(ends[is_some][order])
    is_new = np.append(True, firsts[1:] > ends[:-1])[: len(firsts)]
    is_last = np.append(is_new[1:], True)[: len(firsts)]
    return np.stack([firsts[is_new], ends[is_last]], axis=1).astype(np.int64)


def arrays_of(file: Path) -> Path:
    """Where the arrays lie that have no file of their own."""
    return file.with_name(f"{file.name}.arrays")


def files_of(name: str) -> tuple[str, str]:
    """The names of the files that hold a portion, or what one came to."""
    return name, f"{name}.arrays"


class Writer:
    """Writes values, each an array, a number, a text, a file, a room or None, whole or not at all."""

    def __init__(
        self, folders: Sequence[Path], *, names_spans: bool = False, is_changed: Collection[Path] = ()
    ) -> None:
        """Write values that speak of files.

        Args:
            folders: a file in any of them goes by its name there; one that lies in two of them by the shorter.
            names_spans: say which stretches are read, for those who do not see the file.
            is_changed: files whose arrays are written once more, since others do not have them as they are.
        """
        # Arrays know the file that they are mapped from by its real path.
        self._folders = [folder.resolve() for folder in folders]
        self._names_spans = names_spans
        self._changed = is_changed

    def write(self, file: Path, values: Sequence[Any], says: Mapping[str, str]) -> None:
        """Write values, and what is said of them."""
        draft = f".{os.urandom(8).hex()}"
        arrays, head = file.with_name(f"{draft}a"), file.with_name(draft)
        with arrays.open("wb") as out:

            def inline(array: Array) -> dict[str, Any]:
                out.write(bytes(-out.tell() % _ALIGNMENT))
                offset = out.tell()
                out.write(np.ascontiguousarray(array).data)
                return _described(None, offset, array)

            described = [self._described(value, inline) for value in values]
        head.write_text(json.dumps({**says, "values": described}), encoding="utf-8")
        arrays.replace(arrays_of(file))
        head.replace(file)

    def _described(self, value: Any, inline: Any) -> dict[str, Any]:
        if isinstance(value, Path):
            return {"path": self._name_of(value)}
        if isinstance(value, Room):
            return {"room": self._name_of(value.file), "first": value.first, "byte_count": value.byte_count}
        if isinstance(value, Stretches):
            return self._stretches(value, inline)
        if isinstance(value, np.ndarray):
            place = self._place(value)
            if place is None or place.file in self._changed:
                found: dict[str, Any] = inline(value)
                return found
            return _described(self._name_of(place.file), place.offset, value)
        return {"value": value.item() if isinstance(value, np.generic) else value}

    def _stretches(self, value: Stretches, inline: Any) -> dict[str, Any]:
        """An array of which only stretches need to be where it is read."""
        place = self._place(value.array)
        if place is None or not self._names_spans:
            return self._described(value.array, inline)
        size = value.array.itemsize
        spans = merged(place.offset + value.starts * size, place.offset + value.ends * size)
        described = _described(self._name_of(place.file), place.offset, value.array) | {"spans": inline(spans)}
        if place.file in self._changed:
            starts, ends = (spans - place.offset).T // size
            held = np.concatenate([value.array[:0], *(value.array[a:b] for a, b in zip(starts, ends, strict=True))])
            described["held"] = inline(held)
        return described

    def _place(self, array: Array) -> "_Place | None":
        """The file that holds an array as it is, and where in it; None if there is none that others could see."""
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if not isinstance(root, np.memmap) or root.filename is None or not array.flags.c_contiguous or not array.size:
            return None
        file = Path(str(root.filename)).resolve()
        if not any(file.is_relative_to(folder) for folder in self._folders):
            return None
        return _Place(file, int(root.offset) + array.ctypes.data - root.ctypes.data)

    def _name_of(self, file: Path) -> str:
        """Its name in the work folder; the whole one if it lies in none."""
        file = file.resolve()
        names = [file.relative_to(folder).as_posix() for folder in self._folders if file.is_relative_to(folder)]
        return min([*names, str(file)], key=len)


class Reader:
    """What a file of `Writer` says, and the values in it."""

    def __init__(self, work: Path, name: str) -> None:
        """Read what the file of this name in a work folder says; `says` has what goes beside the values."""
        self.says: dict[str, Any] = json.loads((work / name).read_bytes())
        self._described: list[dict[str, Any]] = self.says["values"]
        self._work = work
        self._arrays = files_of(name)[1]

    def paths(self) -> list[str]:
        """The names of files that are values themselves."""
        return [one["path"] for one in self._described if "path" in one]

    def spans(self, without: Collection[int] = ()) -> dict[str, Spans]:
        """Which bytes of which files the values need: name → spans.

        Args:
            without: numbers of values that are not needed.
        """
        found: dict[str, list[Spans]] = defaultdict(list)
        for number, one in enumerate(self._described):
            if "dtype" not in one or "held" in one or number in without or not _byte_count(one):
                continue
            own = np.array([[one["offset"], one["offset"] + _byte_count(one)]])
            if "spans" in one:
                own = self._mapped(one["spans"], self._work / self._arrays)
            found[one["file"] or self._arrays].append(own)
        return {name: merged(*np.concatenate(all_of).T) for name, all_of in found.items()}

    def byte_count(self, name: str) -> int:
        """The size that a file needs for all arrays in it."""
        return max(
            int(one["offset"]) + _byte_count(one)
            for one in self._described
            if "dtype" in one and (one["file"] or self._arrays) == name
        )

    def values(self, folders: Sequence[Path]) -> Iterator[Any]:
        """The values; arrays are mapped, and writing to them changes no file.

        Args:
            folders: where files are looked for, the work folder first. In the last one stretches that are given are put
                together, and rooms lie.
        """
        numbers = count()
        for one in self._described:
            if "path" in one:
                yield self._work / one["path"]
            elif "room" in one:
                yield Room(folders[-1] / one["room"], one["first"], one["byte_count"])
            elif "held" in one:
                yield self._put_together(one, folders[-1] / f".held-{next(numbers)}")
            elif "dtype" in one:
                name = one["file"] or self._arrays
                file = next((folder / name for folder in folders if (folder / name).exists()), self._work / name)
                yield self._mapped(one, file)
            else:
                yield one["value"]

    def _put_together(self, one: dict[str, Any], file: Path) -> Array:
        """An array of which some stretches are given; what lies between them takes no room."""
        own = self._work / self._arrays
        held, spans = self._mapped(one["held"], own), self._mapped(one["spans"], own)
        with file.open("wb") as out:
            out.truncate(one["offset"] + _byte_count(one))
            given = held.view(np.uint8)
            for first, end in spans.tolist():
                out.seek(first)
                out.write(given[: end - first].data)
                given = given[end - first :]
        return self._mapped(one, file)

    def _mapped(self, one: dict[str, Any], file: Path) -> Array:
        shape = tuple(one["shape"])
        if 0 in shape:
            return np.empty(shape, one["dtype"])
        # Kernels compiled for arrays that can be written to would be compiled anew for those that cannot.
        return np.memmap(file, one["dtype"], "c", one["offset"], shape)


@dataclass(frozen=True)
class _Place:
    """Where an array lies."""

    file: Path
    offset: int


def _described(name: str | None, offset: int, array: Array) -> dict[str, Any]:
    return {"file": name, "offset": offset, "dtype": array.dtype.str, "shape": list(array.shape)}


def _byte_count(one: dict[str, Any]) -> int:
    """How many bytes a described array has."""
    shape: list[int] = one["shape"]
    item_bytes: int = np.dtype(one["dtype"]).itemsize
    return math.prod(shape) * item_bytes
