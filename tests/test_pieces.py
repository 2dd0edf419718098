"""Stretches of files in a store: what comes is what was asked for, and errors are one line."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows import pieces
from flows.deduplicate.portion_files import merged
from flows.errors import CopydeskError
from flows.pieces import fetch_spans, put_part
from flows.remote import open_store

LENGTH = 300
DATA = np.random.default_rng(5).bytes(LENGTH)
PLACES = st.integers(0, LENGTH)


def spans_of(pairs: list[tuple[int, int]]) -> np.ndarray:
    first, end = np.sort(np.array(pairs, np.int64).reshape(-1, 2), axis=1).T
    return merged(first, end)


@given(st.lists(st.tuples(PLACES, PLACES)))
def test_merged_stretches_are_the_same_places_in_order_and_apart(pairs):
    spans = spans_of(pairs)
    wanted = {place for pair in pairs for place in range(min(pair), max(pair))}
    assert [place for first, end in spans for place in range(first, end)] == sorted(wanted)
    assert (spans[1:, 0] > spans[:-1, 1]).all()
    assert (spans[:, 1] > spans[:, 0]).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.sets(PLACES),
    pairs=st.lists(st.tuples(PLACES, PLACES), min_size=1),
    piece=st.integers(1, LENGTH),
    gap=st.integers(0, LENGTH),
    is_whole=st.booleans(),
)
def test_stretches_come_whole_however_the_file_was_put(tmp_path, cuts, pairs, piece, gap, is_whole):
    store = open_store("memory://desk/pieces")
    spans = spans_of(pairs)
    if not len(spans):
        return
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(DATA)
    target.write_bytes(bytes(LENGTH))
    name = "words" if is_whole else "words/"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_PIECE_BYTES", piece)
        patch.setattr(pieces, "_GAP_BYTES", gap)
        if is_whole:
            store.system.pipe_file(f"{store.path}/words", DATA)
        else:
            bounds = sorted({0, *cuts, LENGTH})
            for first, end in pairwise(bounds):
                put_part(store, source, first, end, name)
        fetch_spans(store, [(name, spans, target)])
    store.system.rm(store.path, recursive=True)
    found = target.read_bytes()
    assert all(found[first:end] == DATA[first:end] for first, end in spans)
    if gap == 0:
        asked = {place for first, end in spans for place in range(first, end)}
        assert all(found[place] == 0 for place in range(LENGTH) if place not in asked)


@pytest.mark.parametrize("lost", [range(100), range(100, 200), range(200, 300), range(300)])
def test_a_piece_that_is_gone_is_one_line(store, tmp_path, lost):
    place = open_store("s3://desk/run")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(DATA)
    target.write_bytes(bytes(LENGTH))
    for first in range(0, LENGTH, 100):
        if first not in lost:
            put_part(place, source, first, first + 100, "words/")
    with pytest.raises(CopydeskError, match=r"^s3://desk/run: .*run it again$"):
        fetch_spans(place, [("words/", np.array([[50, 250]]), target)])


def test_little_is_asked_for(store, tmp_path):
    """Two stretches that lie near are one request; one that lies far away does not bring what is between."""
    size = 1_000_000
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(size) + b"end")
    target.write_bytes(b"")
    place = open_store("s3://desk/run")
    put_part(place, source, 0, size + 3, "words/")
    store.asked.clear()
    fetch_spans(place, [("words/", np.array([[0, 10], [1_000, 1_010], [size, size + 3]]), target)])
    assert len(store.gets()) == 2
    assert target.stat().st_size == size + 3
    assert target.read_bytes().endswith(b"end")
    assert target.stat().st_blocks * 512 < 100_000


def test_stretches_of_many_files_are_asked_for_side_by_side(store, tmp_path):
    place = open_store("s3://desk/run")
    wanted = []
    for number in range(12):
        place.system.pipe_file(f"{place.path}/{number}", bytes([number] * 10))
        (tmp_path / f"{number}").write_bytes(b"")
        wanted.append((f"{number}", np.array([[2, 5]]), tmp_path / f"{number}"))
    store.seconds = 0.5
    began = time.monotonic()
    fetch_spans(place, wanted)
    assert time.monotonic() - began < 12 * store.seconds / 2
    assert [file.read_bytes() for _, _, file in wanted] == [bytes([0, 0] + [number] * 3) for number in range(12)]


def test_what_is_put_is_held_a_little_at_a_time(tmp_path: Path, store, monkeypatch):
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 40)
    source = tmp_path / "source"
    source.write_bytes(DATA)
    put_part(open_store("s3://desk/run"), source, 90, 210, "words/")
    assert sorted(store.buckets["desk"]) == [f"run/words/{first:016}" for first in (90, 130, 170)]
    assert b"".join(store.buckets["desk"][key].data for key in sorted(store.buckets["desk"])) == DATA[90:210]
