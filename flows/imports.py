"""Importing much at once: Prefect and what it stands on are some thousand modules."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Look for no garbage meanwhile, and never again in what is there at the end: 370,000 objects of a build's modules.

    To look was measured to take an eighth of the time that Prefect's imports take, and each time that it is done while
    a flow runs a quarter of a second.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
