"""Work in portions that any process can do: a function of this stage over numbers, texts and arrays.

Here they are done by threads, and arrays are handed over as they are. Elsewhere (another process, another machine that
sees the same folder) a portion is a file that says which function, and where its arrays lie; what comes of it is a file
again. An array that lies in a file already (the words of the corpus, what an earlier portion came to) is named, not
copied. A portion may be done twice, also at the same time: it changes nothing but its result, which appears whole.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import thread_count

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Bounds = list[tuple[int, int]]

# What a portion elsewhere is larger than one for a thread: handing it over takes a tenth of a second, not microseconds.
ELSEWHERE_TIMES = 4
# Arrays in a file begin at multiples of so many bytes.
_ALIGNMENT = 64
_PACKAGE = "flows.deduplicate."


class Spread(Protocol):
    """Does portions of work, and hands back what each came to, in their order."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether arrays are handed over in files."""
        ...

    def __call__(self, function: Callable[..., Arrays], portions: Sequence[tuple[Any, ...]]) -> Iterator[Arrays]:
        """Call a function with each of the portions as its arguments; one portion alone is done at once, here."""
        ...


class OnThreads:
    """Does portions on the cores of this process."""

    is_elsewhere = False

    def __call__(self, function: Callable[..., Arrays], portions: Sequence[tuple[Any, ...]]) -> Iterator[Arrays]:
        """As `Spread`."""
        if len(portions) <= 1:
            yield from (function(*portion) for portion in portions)
            return
        with ThreadPoolExecutor(thread_count()) as pool:
            for done in [pool.submit(function, *portion) for portion in portions]:
                yield done.result()


ON_THREADS = OnThreads()


class InFiles:
    """Writes portions to files for others to do, who call `work_off` with each."""

    is_elsewhere = True

    def __init__(self, folder: Path, run: Callable[[Sequence[Path]], None]) -> None:
        """Hand portions over.

        Args:
            folder: for their files; who gives it removes it. Whoever does the work sees it under the same path.
            run: lets `work_off` be called with each of the files, and returns when all is done.
        """
        self._folder = folder
        self._run = run
        self._numbers = count()

    def __call__(self, function: Callable[..., Arrays], portions: Sequence[tuple[Any, ...]]) -> Iterator[Arrays]:
        """As `Spread`."""
        if len(portions) <= 1:
            yield from (function(*portion) for portion in portions)
            return
        name = f"{next(self._numbers):03d}{function.__name__}"
        files = [self._folder / f"{name}-{number:05d}" for number in range(len(portions))]
        for file, portion in zip(files, portions, strict=True):
            _write(file, portion, {"module": function.__module__, "function": function.__name__})
        self._run(files)
        for file in files:
            _arrays(file).unlink()
            yield tuple(_read(_result(file))[0])


def shared_out(total: int, per_portion: int, spread: Spread) -> tuple[Bounds, Spread]:
    """Cut 0..total into portions, and say who does them.

    Args:
        total: how much there is to do.
        per_portion: what a thread does at a time. Who does it elsewhere does ELSEWHERE_TIMES as much, and where there
            is no more than that, threads of this process do it.
        spread: who would do it.
    """
    if spread.is_elsewhere and total > per_portion * ELSEWHERE_TIMES:
        per_portion *= ELSEWHERE_TIMES
    else:
        spread = ON_THREADS
    return [(first, min(first + per_portion, total)) for first in range(0, total, per_portion)], spread


def work_off(file: Path) -> None:
    """Do a portion and leave its result; one that is there already is written anew."""
    values, says = _read(file)
    module, name = str(says["module"]), str(says["function"])
    if not module.startswith(_PACKAGE):
        raise ValueError(f"{file}: {module} is no part of {_PACKAGE}")
    _write(_result(file), getattr(import_module(module), name)(*values), {})


def _result(file: Path) -> Path:
    return file.with_name(f"{file.name}.result")


def _arrays(file: Path) -> Path:
    """Where the arrays lie that have no file of their own."""
    return file.with_name(f"{file.name}.arrays")


def _write(file: Path, values: Sequence[Any], says: dict[str, str]) -> None:
    """Write values, each an array, a number, a text or None, whole or not at all."""
    draft = f".{os.urandom(8).hex()}"
    arrays, head = _arrays(file).with_name(draft + "a"), file.with_name(draft)
    described = []
    with arrays.open("wb") as out:
        for value in values:
            if not isinstance(value, np.ndarray):
                described.append({"value": value.item() if isinstance(value, np.generic) else value})
                continue
            file_name, offset = _place(value)
            if file_name is None:
                out.write(bytes(-out.tell() % _ALIGNMENT))
                offset = out.tell()
                out.write(np.ascontiguousarray(value).data)
            described.append(
                {"file": file_name, "offset": offset, "dtype": value.dtype.str, "shape": list(value.shape)}
            )
    head.write_text(json.dumps({**says, "values": described}), encoding="utf-8")
    arrays.replace(_arrays(file))
    head.replace(file)


def _read(file: Path) -> tuple[list[Any], dict[str, Any]]:
    """The values of a file, and what it says of them; arrays are mapped, and writing to them changes no file."""
    says = json.loads(file.read_bytes())
    return [_value(file, one) for one in says["values"]], says


def _value(file: Path, one: dict[str, Any]) -> Any:
    if "value" in one:
        return one["value"]
    shape = tuple(one["shape"])
    if 0 in shape:
        return np.empty(shape, one["dtype"])
    # Kernels compiled for arrays that can be written to would be compiled anew for those that cannot.
    return np.memmap(one["file"] or _arrays(file), one["dtype"], "c", one["offset"], shape)


def _place(array: Array) -> tuple[str | None, int]:
    """The file that holds an array as it is, and where in it; no file if there is none."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or root.filename is None or not array.flags.c_contiguous or not array.size:
        return None, 0
    return str(root.filename), int(root.offset) + array.ctypes.data - root.ctypes.data
