"""One source for a small input and a large one: functions over arrays that run as they stand, or compiled.

On little text, plain Python takes less time than importing numba does; on more, the same functions are compiled at
their first use and kept in numba's cache beside the module (or in the user's cache folder, where that is read-only).
They give the same results both ways: counts stay below 2⁶³, hashes are uint64 and wrap around, floating point is
float64 in one order.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

_lock = Lock()


def kernel(function: Callable[..., Any], *, is_compiled: bool) -> Callable[..., Any]:
    """A function of a module of kernels, compiled or as it stands."""
    module = sys.modules[function.__module__]
    return (compiled(module) if is_compiled else plain(module))[function.__name__]


def compiled(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    """The functions of a module of kernels, by name, compiled with numba; they call one another in their compiled form.

    None of them holds the GIL. Compilation happens when one is first called.
    """
    with _lock:
        return _compiled(module)


@cache
def _compiled(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    import numba

    namespace = dict(vars(module))
    functions = {
        name: value
        for name, value in namespace.items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    }
    jit = numba.njit(nogil=True, cache=True)
    kernels = {name: jit(FunctionType(value.__code__, namespace, name)) for name, value in functions.items()}
    namespace.update(kernels)
    return kernels


@cache
def plain(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    """The same functions as they stand."""
    return {name: _wrapping(value) for name, value in vars(module).items() if isinstance(value, FunctionType)}


def _wrapping(function: FunctionType) -> Callable[..., Any]:
    @wraps(function)
    def run(*arguments: Any) -> Any:
        # NumPy warns of hashes that wrap around.
        with np.errstate(over="ignore"):
            return function(*arguments)

    return run
