import gc

import pytest

from flows.imports import without_collection


def test_no_garbage_is_looked_for_meanwhile_and_what_is_there_then_is_left_alone() -> None:
    before = gc.get_freeze_count()
    try:
        with without_collection():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_an_import_that_fails_leaves_collection_as_it_was() -> None:
    try:
        with pytest.raises(ImportError), without_collection():
            raise ImportError
        assert gc.isenabled()
        gc.disable()
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
