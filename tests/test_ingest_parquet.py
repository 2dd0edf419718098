"""Parquet files are foreign: what is in them is read, and what they do to their reader is survived."""

import io
import os
import random
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.ingest.again import documents_again
from flows.ingest.documents import (
    Document,
    Notes,
    Records,
    Refusal,
    SpoiltError,
    document_of,
    plain_records,
    record_columns,
)
from flows.ingest.parquet import ParquetReader
from flows.ingest.parquet_worker import answer
from flows.ingest.patient import PatientPipe
from flows.ingest.run import ingest
from flows.settings import Settings

Found = list[Document | Refusal]


@pytest.fixture(scope="module")
def reader() -> Iterator[ParquetReader]:
    """One worker process for all tests, as for all files of a run."""
    with ParquetReader() as opened:
        yield opened


def read(
    reader: ParquetReader, file: Path, columns: dict[str, str] | None = None, **settings: int
) -> tuple[Found, list[str]]:
    """All records; of a spoilt file its refusal alone."""
    notes = Notes()
    found: Found = []
    try:
        for one in reader(file, record_columns(columns or {}), Settings.model_validate(settings), notes):
            found += one.documents() if isinstance(one, Records) else [one]
    except SpoiltError as error:
        found = [error.refusal]
    return sorted(found, key=lambda one: one.record or 0), notes.lines("feed.parquet")


def write(file: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def texts(found: Found) -> list[str]:
    return [one.text if isinstance(one, Document) else one.rule for one in found]


@pytest.mark.parametrize(
    "dtype",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_texts_of_all_types(tmp_path, reader, dtype):
    values = ["né 中国", None, " ", "a\0b", "né 中国", "x" * 101]
    array = pa.array([value and value.encode() for value in values] if dtype == pa.binary() else values, dtype)
    found, lines = read(reader, write(tmp_path / "feed.parquet", text=array), max_record_bytes=100)
    assert texts(found) == ["né 中国", "text_missing", "empty", "nul_character", "né 中国", "too_large"]
    assert [one.record for one in found] == [0, 1, 2, 3, 4, 5]
    assert lines == []


def test_text_that_is_not_utf8_costs_its_record_only(tmp_path, reader):
    array = pa.array([b"good", b"caf\xe9"])
    file = write(tmp_path / "feed.parquet", text=array.view(pa.string()), publisher=array.view(pa.string()))
    found, _ = read(reader, file)
    assert texts(found) == ["good", "invalid_utf8"]


_WHEN = datetime(2025, 10, 22, 23, 30, 0, 5, UTC)


@pytest.mark.parametrize(
    ("values", "day", "instant"),
    [
        (pa.array([_WHEN], pa.timestamp("us", "UTC")), "2025-10-22", _WHEN),
        (pa.array([_WHEN], pa.timestamp("ns", "Asia/Shanghai")), "2025-10-23", _WHEN),
        (pa.array([_WHEN.replace(tzinfo=None)], pa.timestamp("us")), "2025-10-22", _WHEN),
        (
            pa.array([_WHEN.replace(tzinfo=None, microsecond=0)], pa.timestamp("s")),
            "2025-10-22",
            _WHEN.replace(microsecond=0),
        ),
        (pa.array([date(2025, 10, 22)], pa.date32()), "2025-10-22", datetime(2025, 10, 22, tzinfo=UTC)),
        (pa.array([date(2025, 10, 22)], pa.date64()), "2025-10-22", datetime(2025, 10, 22, tzinfo=UTC)),
        (pa.array(["2025-10-22T23:30:00.000005Z"]), "2025-10-22", _WHEN),
        (pa.array(["2025-10-22"]).dictionary_encode(), "2025-10-22", datetime(2025, 10, 22, tzinfo=UTC)),
        (pa.array([None], pa.timestamp("us", "UTC")), None, None),
    ],
)
def test_dates_of_all_types(tmp_path, reader, values, day, instant):
    file = write(tmp_path / "feed.parquet", text=pa.array(["a"]), published_date=values, retrieved_at=values)
    (found,), lines = read(reader, file)
    assert isinstance(found, Document)
    assert (found.published_date, found.retrieved_at) == (day, instant)
    assert lines == []


@pytest.mark.parametrize(
    ("unit", "count", "days"),
    [
        ("ms", -(2**63) + 1, (None, None)),
        ("ms", 2**63 - 1, (None, None)),
        ("us", -(2**63) + 1, (None, None)),
        ("us", 2**63 - 1, (None, None)),
        ("ns", -(2**63) + 1, ("1677-09-21", "1677-09-20")),
        ("ns", 2**63 - 1, ("2262-04-12", "2262-04-11")),
    ],
)
def test_the_first_and_last_instants_that_fit_become_no_others(tmp_path, reader, unit, count, days):
    for zone, day in zip(("Asia/Shanghai", "America/New_York"), days, strict=True):
        values = pa.array([count]).view(pa.timestamp(unit, zone))
        file = write(tmp_path / "feed.parquet", text=pa.array(["a"]), published_date=values, retrieved_at=values)
        (found,), lines = read(reader, file)
        assert isinstance(found, Document)
        assert found.published_date == day
        assert (found.retrieved_at is None) == (day is None) == (len(lines) == 2)


def test_columns_that_cannot_be_read_are_told(tmp_path, reader):
    file = write(
        tmp_path / "feed.parquet",
        text=pa.array(["a"]),
        publisher=pa.array([["a", "b"]]),
        published_date=pa.array([20251022]),
        retrieved_at=pa.array([_WHEN], pa.timestamp("us", "UTC")),
    )
    (found,), lines = read(reader, file, {"uri": "link"})
    assert isinstance(found, Document)
    assert (found.uri, found.publisher, found.published_date, found.retrieved_at) == (None, None, None, _WHEN)
    assert lines == [
        "feed.parquet: the column for published_date has a type that cannot hold it; it was not read",
        "feed.parquet: the column for publisher has a type that cannot hold it; it was not read",
        'feed.parquet: there is no column "link", which --column names for uri',
    ]


def test_a_file_without_texts_is_one_refusal(tmp_path, reader):
    for table in (
        pa.table({"body": ["a", "b"]}),
        pa.table({"text": [1, 2]}),
        pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]),
    ):
        pq.write_table(table, tmp_path / "feed.parquet")
        (found,), _ = read(reader, tmp_path / "feed.parquet")
        assert isinstance(found, Refusal)
        assert (found.rule, found.record) == ("text_column_missing", None)
        assert "--column" in found.detail


def test_columns_with_dots_and_other_names(tmp_path, reader):
    file = write(tmp_path / "feed.parquet", **{"page.body": pa.array(["a"]), "page": pa.array([{"body": "no"}])})
    assert texts(read(reader, file, {"text": "page.body"})[0]) == ["a"]


def test_more_rows_than_a_batch(tmp_path, reader):
    values = [f"text {n}" for n in range(1000)]
    pq.write_table(pa.table({"text": values}), tmp_path / "feed.parquet", row_group_size=77)
    assert texts(read(reader, tmp_path / "feed.parquet")[0]) == values


def test_corrupt_files_are_refused_and_the_next_is_read(tmp_path, reader):
    good = write(tmp_path / "good.parquet", text=pa.array([f"text {n}" for n in range(100)]))
    data = good.read_bytes()
    chance = random.Random(7)
    broken = [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", data[:-100], data[:50] + data[60:]]
    for _ in range(30):
        flipped = bytearray(data)
        for _ in range(8):
            flipped[chance.randrange(len(data) - 600, len(data))] = chance.randrange(256)
        broken.append(bytes(flipped))
    refused_count = 0
    for number, content in enumerate(broken):
        file = tmp_path / f"broken{number}.parquet"
        file.write_bytes(content)
        found, _ = read(reader, file)
        assert len(found) == 100 or [one.rule for one in found if isinstance(one, Refusal)] in (
            ["unreadable_parquet"],
            ["text_column_missing"],
        )
        refused_count += len(found) == 1
    assert refused_count >= 5
    assert len(read(reader, good)[0]) == 100


def test_a_letter_that_a_disk_has_changed_is_no_text(tmp_path, reader):
    file = tmp_path / "feed.parquet"
    table = pa.table({"text": ["The pier opens on Friday."]})
    pq.write_table(
        table, file, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    assert texts(read(reader, file)[0]) == ["The pier opens on Friday."]
    file.write_bytes(file.read_bytes().replace(b"Friday", b"Fridbi"))
    assert texts(read(reader, file)[0]) == ["unreadable_parquet"]


def write_bomb(file: Path, byte_count: int, row_count: int) -> Path:
    """One long text that all rows share: it is in the file once, and unpacks to a copy a row."""
    indices = pa.array([0] * row_count, pa.int32())
    return write(file, text=pa.DictionaryArray.from_arrays(indices, pa.array(["x" * byte_count])))


def test_a_bomb_is_stopped(tmp_path, reader):
    bomb = write_bomb(tmp_path / "bomb.parquet", 1_000_000, 1_000)
    assert bomb.stat().st_size < 1_000_000
    (found,), _ = read(reader, bomb, max_container_bytes=100_000_000)
    assert isinstance(found, Refusal)
    assert found.rule == "too_large"


def test_memory_is_limited(tmp_path):
    bomb = write_bomb(tmp_path / "bomb.parquet", 30_000_000, 64)
    with ParquetReader() as reader:
        (found,), _ = read(reader, bomb, parquet_memory_bytes=1_000_000_000)
    assert isinstance(found, Refusal)
    assert found.rule == "unreadable_parquet"
    assert "--set parquet_memory_bytes=" in found.detail


@contextmanager
def worker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> Iterator[ParquetReader]:
    """A reader whose worker does something else than to answer."""
    script = tmp_path / "worker.sh"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nread request\n{does}\n")
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    with ParquetReader() as reader:
        yield reader


@pytest.mark.parametrize("does", ["kill -ABRT $$", "printf '{\"sentences\"'", "exec sleep 60"])
def test_a_worker_that_dies_or_hangs_is_a_refusal(tmp_path, monkeypatch, does):
    file = write(tmp_path / "feed.parquet", text=pa.array(["a"]))
    with worker_that(tmp_path, monkeypatch, does) as reader:
        (found,), _ = read(reader, file, parquet_timeout_seconds=1)
    assert isinstance(found, Refusal)
    assert found.rule == "unreadable_parquet"
    with pytest.raises(ProcessLookupError):  # it is not left behind
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_run_reads_parquet_under_any_name(tmp_path):
    (tmp_path / "in").mkdir()
    table = pa.table({"text": ["a", "b"], "uri": ["https://news.example/1", None]})
    with (tmp_path / "in" / "feed\udcff.PARQUET").open("wb") as file:
        pq.write_table(table, file)
    (tmp_path / "in" / "bad.parquet").write_bytes(b"no")
    ingested = ingest([str(tmp_path / "in")], tmp_path / "staging", Settings(), {})
    assert (ingested.read_count, ingested.released_count, ingested.rejected_count) == (3, 2, 1)
    sources = pl.read_parquet(tmp_path / "staging" / "sources" / ingested.shards[0])
    assert sources.select("uri", "container", "record").rows() == [
        ("https://news.example/1", "feed%FF.PARQUET", 0),
        ("feed%FF.PARQUET", "feed%FF.PARQUET", 1),
    ]


def test_no_worker_without_a_parquet_file(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", lambda *args, **kwargs: pytest.fail("a worker was started"))
    (tmp_path / "page.txt").write_text("a")
    assert ingest([str(tmp_path / "page.txt")], tmp_path / "staging", Settings(), {}).released_count == 1


_ODD = st.sampled_from(["", " ", "\x1c", "\u3000", "a", "né", "a\0b", "\ufeff", "x" * 21, "e\u0301"])
_VALUES = {
    "text": _ODD | st.text(max_size=12),
    "uri": _ODD | st.sampled_from(["https://news.example/1", " HTTP://news.example/2", "a\u202eb", "x" * 8_001]),
    "publisher": _ODD | st.text(max_size=5),
    "published_date": st.sampled_from(["2025-10-22", " 2025-10-22T23:30Z", "2025-13-01", "22 May", "", "٢٠٢٥-10-22"]),
    "retrieved_at": st.sampled_from(["2025-10-22", "2025-10-22T23:30:00-05:00", "0001-01-01T00:00+05:00", "noon"]),
}
_ROW = st.fixed_dictionaries(
    {name: st.none() | value.map(str.encode) | st.just(b"\xff") for name, value in _VALUES.items()}
)


@given(st.lists(_ROW, max_size=8))
def test_records_in_columns_are_what_they_are_one_by_one(rows):
    """The fast way is taken only where it leads to the same documents, refusals and notes."""
    table = pl.DataFrame(rows, schema=dict.fromkeys(_VALUES, pl.Binary)).with_row_index("record")
    plain, others = plain_records(table, 20)
    notes = Notes()

    def one_by_one(frame: pl.DataFrame, notes: Notes) -> Found:
        found = []
        for row in frame.iter_rows(named=True):
            record = row.pop("record")
            values = {name: decoded(value) for name, value in row.items()}
            found.append(document_of(record, values, 20, notes))
        return found

    found = [*plain.documents(), *one_by_one(others, notes)]
    all_notes = Notes()
    assert sorted(found, key=lambda one: one.record or 0) == one_by_one(table, all_notes)
    assert notes.unclear == all_notes.unclear


def decoded(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


# --- a file that turns out to be spoilt ---


def given_by(file: Path, **settings: int) -> bytes:
    """What the worker says of a file."""
    request = {
        "file": str(file),
        "columns": record_columns({}),
        "max_bytes": Settings.model_validate(settings).max_container_bytes,
        "seconds": 600,
    }
    sink = io.BytesIO()
    answer(request, sink)
    return sink.getvalue()


def test_an_answer_that_breaks_off_anywhere_is_a_refusal(tmp_path, monkeypatch):
    file = write(tmp_path / "feed.parquet", text=pa.array([f"text {n}" for n in range(150)]))
    whole = given_by(file)
    for end in (*range(0, len(whole), len(whole) // 30), len(whole) - 1):
        (tmp_path / "answer").write_bytes(whole[:end])
        with worker_that(tmp_path, monkeypatch, f"cat '{tmp_path}/answer'") as reader:
            assert texts(read(reader, file)[0]) == ["unreadable_parquet"], end
    (tmp_path / "answer").write_bytes(whole)
    with worker_that(tmp_path, monkeypatch, f"cat '{tmp_path}/answer'") as reader:
        assert len(read(reader, file)[0]) == 150


def test_rows_are_handed_on_while_the_file_is_read(tmp_path, monkeypatch):
    """Else a core idles; it is the end of the answer that tells whether they count."""
    monkeypatch.setattr("flows.ingest.parquet._TABLE_BYTES", 1)
    file = write(tmp_path / "feed.parquet", text=pa.array([f"text {n}" for n in range(150)]))
    (tmp_path / "answer").write_bytes(given_by(file)[:-1])
    with worker_that(tmp_path, monkeypatch, f"cat '{tmp_path}/answer'; exec sleep 60") as reader:
        found = reader(file, record_columns({}), Settings(parquet_timeout_seconds=1), Notes())
        first = next(found)
        assert isinstance(first, Records)
        assert first.rows["text"].to_list() == [f"text {n}" for n in range(64)]
        with pytest.raises(SpoiltError):
            list(found)


def test_a_reader_that_was_left_reads_the_next_file(tmp_path, monkeypatch):
    """Nobody waits for the rest of an answer, and it is not taken for that of the next file."""
    monkeypatch.setattr("flows.ingest.parquet._TABLE_BYTES", 1)
    one = write(tmp_path / "one.parquet", text=pa.array(["x" * 100_000] * 1_000))
    two = write(tmp_path / "two.parquet", text=pa.array(["a"]))
    with ParquetReader() as reader:
        left = reader(one, record_columns({}), Settings(), Notes())
        next(left)
        assert isinstance(left, Generator)
        left.close()
        assert texts(read(reader, two)[0]) == ["a"]


def test_a_worker_that_is_never_waited_for_has_its_time_all_the_same(tmp_path, monkeypatch):
    """Rows that keep coming for ever would fill the disk, or the list of refusals."""
    monkeypatch.setattr("flows.ingest.parquet.PatientPipe", lambda pipe, _: PatientPipe(pipe, 600))
    bomb = write_bomb(tmp_path / "bomb.parquet", 100, 4_000_000)
    began = time.monotonic()
    with ParquetReader() as reader, pytest.raises(SpoiltError) as spoilt:
        for _ in reader(bomb, record_columns({}), Settings(parquet_timeout_seconds=1), Notes()):
            pass
    assert spoilt.value.refusal.rule == "unreadable_parquet"
    assert time.monotonic() - began < 60


def test_only_waiting_counts_against_the_limit_of_time():
    taken, given = os.pipe()
    with os.fdopen(taken, "rb", buffering=0) as end, os.fdopen(given, "wb", buffering=0) as other:
        pipe = PatientPipe(end, 0.2)
        for _ in range(3):
            other.write(b"abc")
            time.sleep(0.1)
            assert pipe.readinto(bytearray(10)) == 3
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            pipe.readinto(bytearray(10))
        assert 0.1 < time.monotonic() - began < 5
        with pytest.raises(TimeoutError):
            pipe.readinto(bytearray(10))


def test_waits_add_up_however_short_each_is():
    taken, given = os.pipe()
    with os.fdopen(taken, "rb", buffering=0) as end:
        # It ends at last, so that a reader that never loses patience fails instead of waiting for ever.
        dripping = subprocess.Popen(["/bin/sh", "-c", "for n in $(seq 60); do printf x; sleep 0.1; done"], stdout=given)
        os.close(given)
        try:
            with pytest.raises(TimeoutError):
                PatientPipe(end, 1).readall()
        finally:
            dripping.kill()
            dripping.wait()


def test_long_rows_come_one_by_one(tmp_path):
    """So that no more than one of them is held at once, beside those that make a table."""
    file = write(tmp_path / "feed.parquet", text=pa.array(["x" * 1_000_000, "y" * 2_000_000] * 32))
    with pa.ipc.open_stream(given_by(file)) as stream:
        assert [batch.num_rows for batch in stream] == [1] * 64


def test_what_stood_in_a_spoilt_container_is_compared_all_the_same(tmp_path):
    file = write(tmp_path / "feed.parquet", text=pa.array(["x" * 1_000] * 100))
    settings = Settings(max_container_bytes=80_000)
    found = [document for _, document in documents_again([str(file)], ["feed.parquet"], settings, {})]
    assert texts(found) == ["x" * 1_000] * 64 + ["too_large"]
