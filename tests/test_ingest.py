"""Bytes become sources or rejects, and nothing is lost between them."""

import codecs
import errno
import gzip
import hashlib
import json
import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.errors import CopydeskError, UsageError
from flows.ids import article_id, passage_id, place_id, place_ids, source_id, source_ids
from flows.ingest.digest import digest, digested_meanwhile
from flows.ingest.documents import day_of, instant_of
from flows.ingest.heaps import ROW_BYTES, Heaps
from flows.ingest.run import Ingested, ingest
from flows.settings import MAX_INTEGER, Settings
from schemas.provenance import Provenance
from schemas.rejects import Rejects
from schemas.sources import Sources
from schemas.tables import dtypes_of


class Result:
    """The tables that came of an ingest."""

    def __init__(self, ingested: Ingested, staging: Path) -> None:
        self.ingested = ingested
        self.sources, self.provenance = (
            pl.concat(
                [
                    pl.DataFrame(schema=dtypes_of(model)),
                    *(pl.read_parquet(staging / table / name) for name in ingested.shards),
                ]
            )
            for table, model in (("sources", Sources), ("provenance", Provenance))
        )
        self.rejects = pl.read_parquet(staging / "rejects" / "ingest.parquet")
        self.texts = dict(self.sources.select("uri", "text").iter_rows())
        self.rules = self.rejects["rule"].to_list()

    def assert_conserved(self, read_count: int) -> None:
        Sources.validate(self.sources)
        Provenance.validate(self.provenance)
        Rejects.validate(self.rejects)
        assert self.ingested.read_count == read_count
        assert self.ingested.released_count == self.sources.height
        assert self.ingested.rejected_count == self.rejects.height
        assert read_count == self.sources.height + self.rejects.height
        # The same, counted from the tables alone.
        released = set(self.sources.select("uri", "record").iter_rows())
        assert len(set(self.rejects.select("uri", "record").iter_rows()) - released) == self.rejects.height


def run(*inputs: Path | str, columns: dict[str, str] | None = None, **settings: int) -> Result:
    with TemporaryDirectory() as folder:
        staging = Path(folder) / "staging"
        ingested = ingest([str(given) for given in inputs], staging, Settings.model_validate(settings), columns or {})
        assert not list(staging.glob(".*"))
        return Result(ingested, staging)


def write_jsonl(file: Path, *records: object) -> Path:
    file.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return file


# --- text files ---


def test_a_text_file_is_released_untouched(tmp_path):
    text = "\n Caf\u00e9 \x1b[31m\u0085 \u202eabc\u2069 \U0001f469\u200d\U0001f680\r\nend\t"
    (tmp_path / "page.txt").write_bytes(text.encode())
    result = run(tmp_path)
    result.assert_conserved(1)
    row = result.sources.row(0, named=True)
    assert row["text"] == text
    assert (row["uri"], row["container"], row["record"]) == ("page.txt", None, None)
    assert (row["byte_count"], row["char_count"]) == (len(text.encode()), len(text))
    assert row["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert (row["encoding"], row["media_type"], row["retrieved_at"]) == ("utf-8", "text/plain", None)
    assert [(opened.uri, opened.sha256, opened.byte_count) for opened in result.ingested.inputs] == [
        ("page.txt", row["sha256"], row["byte_count"])
    ]


@pytest.mark.parametrize(
    ("mark", "codec", "encoding"),
    [
        (b"\xef\xbb\xbf", "utf-8", "utf-8-sig"),
        (b"\xff\xfe", "utf-16-le", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be", "utf-16-be"),
    ],
)
def test_a_byte_order_mark_names_the_encoding_and_is_no_text(tmp_path, mark, codec, encoding):
    (tmp_path / "page.txt").write_bytes(mark + "né \U0001f680".encode(codec))
    row = run(tmp_path).sources.row(0, named=True)
    assert (row["text"], row["encoding"]) == ("né \U0001f680", encoding)


@pytest.mark.parametrize(
    ("data", "rule", "hint"),
    [
        (b"", "empty", "white space"),
        (b"\xef\xbb\xbf", "empty", "white space"),
        (" \n\t\u3000\u00a0".encode(), "empty", "white space"),
        (b"ok \xe9t\xe9", "invalid_utf8", "Byte 3 "),
        (b"\xef\xbb\xbfok\xff", "invalid_utf8", "Byte 5 "),
        (b"\xff\xfea", "invalid_utf16", "Byte 2 "),
        (b"\xff\xfe\x00\xd8a\x00", "invalid_utf16", "Byte 2 "),
        (b"ab\x00cd", "nul_character", "Character 2 "),
        ("ab".encode("utf-16-le"), "nul_character", "Character 1 "),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "nul_character", "Character 0 "),
        (b"x" * 1001, "too_large", "max_record_bytes"),
    ],
)
def test_what_is_no_text_is_turned_away(tmp_path, data, rule, hint):
    (tmp_path / "page.txt").write_bytes(data)
    result = run(tmp_path, max_record_bytes=1000)
    result.assert_conserved(1)
    assert result.rules == [rule]
    assert hint in result.rejects["detail"][0]


def test_a_limit_may_be_larger_than_memory(tmp_path):
    (tmp_path / "page.txt").write_bytes(b"A page.")
    (tmp_path / "feed.jsonl").write_bytes(b'{"text": "A record."}')
    (tmp_path / "feed.jsonl.gz").write_bytes(gzip.compress(b'{"text": "Another."}'))
    pq.write_table(pa.table({"text": ["A row."]}), tmp_path / "feed.parquet")
    result = run(tmp_path, max_record_bytes=MAX_INTEGER, max_container_bytes=MAX_INTEGER)
    result.assert_conserved(4)
    assert result.sources.height == 4


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(max_size=30).map(str.encode)
    | st.text(max_size=9).map(lambda s: s.encode("utf-16", "surrogatepass"))
)
def test_any_bytes_end_as_one_source_or_one_reject(data):
    with TemporaryDirectory() as folder:
        (Path(folder) / "page.txt").write_bytes(data)
        result = run(folder)
    result.assert_conserved(1)
    for row in result.sources.iter_rows(named=True):
        mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(row["encoding"], b"")
        assert mark + row["text"].encode(row["encoding"]) == data


def test_what_is_no_file_is_turned_away(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    result = run(tmp_path)
    result.assert_conserved(3)
    assert dict(result.rejects.select("uri", "rule").iter_rows()) == {
        "pipe.txt": "not_regular_file",
        "gone.txt": "not_found",
        "loop.txt": "unreadable",
    }
    assert not result.ingested.inputs


# --- JSON lines ---


def test_records_carry_what_they_state(tmp_path):
    write_jsonl(
        tmp_path / "feed.jsonl",
        {
            "text": "One",
            "uri": "https://news.example/1",
            "publisher": " The <b>Gazette</b> ",
            "published_date": "2025-10-22T23:30:00-09:00",
            "retrieved_at": "2025-10-23T01:00:00+02:00",
        },
        {"text": "Two", "uri": "desk:2", "published_date": None, "publisher": ""},
        {"text": "Three"},
    )
    result = run(tmp_path)
    result.assert_conserved(3)
    sources = result.sources.sort("record")
    assert sources.select("uri", "container", "record", "text").rows() == [
        ("https://news.example/1", "feed.jsonl", 0, "One"),
        ("desk:2", "feed.jsonl", 1, "Two"),
        ("feed.jsonl", "feed.jsonl", 2, "Three"),
    ]
    assert sources["retrieved_at"].to_list() == [datetime(2025, 10, 22, 23, tzinfo=UTC), None, None]
    assert sources["sha256"][0] == hashlib.sha256(b"One").hexdigest()
    assert sorted(result.provenance.drop("source_id").rows()) == [
        ("canonical_url", "https://news.example/1", "record"),
        ("published_date", "2025-10-22", "record"),
        ("publisher", "The <b>Gazette</b>", "record"),
    ]
    assert result.ingested.warnings == ()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b'{"text": "cut in', "invalid_json"),
        (b'{"text": "a"} {"text": "b"}', "invalid_json"),
        (b'{"text": NaN}', "invalid_json"),
        (b"[" * 3000, "invalid_json"),
        (b'["text"]', "not_an_object"),
        (b"3", "not_an_object"),
        (b'{"body": "a"}', "text_missing"),
        (b'{"text": null}', "text_missing"),
        (b'{"text": 12}', "text_not_string"),
        (b'{"text": ["a"]}', "text_not_string"),
        (b'{"text": " "}', "empty"),
        (b'{"text": "a\\u0000b"}', "nul_character"),
        (b'{"text": "a\\ud800b"}', "lone_surrogate"),
        (b'{"text": "a\\udc00"}', "lone_surrogate"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "' + b"x" * 100_000 + b'"}', "too_large"),
    ],
)
def test_a_bad_line_costs_itself_only(tmp_path, line, rule):
    data = b'{"text": "before"}\r\n \n' + line + b'\n{"text": "after"}'
    (tmp_path / "feed.jsonl").write_bytes(data)
    (tmp_path / "feed2.jsonl.gz").write_bytes(gzip.compress(data))
    result = run(tmp_path, max_record_bytes=50_000)
    result.assert_conserved(6)
    assert result.rejects.select("uri", "record", "rule").rows() == [
        ("feed.jsonl", 1, rule),
        ("feed2.jsonl.gz", 1, rule),
    ]
    sources = result.sources.sort("uri", "record")
    assert sources["text"].to_list() == ["before", "after"] * 2
    assert sources["record"].to_list() == [0, 2] * 2


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_the_first_line_is_as_long_with_a_byte_order_mark_as_without(tmp_path, mark):
    line = b'{"text": "first"}'
    (tmp_path / "feed.jsonl").write_bytes(mark + line + b'\n{"text": "b"}\n')
    for limit in range(len(line) - 3, len(line) + 3):
        result = run(tmp_path, max_record_bytes=limit)
        result.assert_conserved(2)
        assert result.rejects.select("record", "rule").rows() == [(0, "too_large")] * (limit < len(line))


def test_text_never_stands_in_a_reason(tmp_path):
    (tmp_path / "feed.jsonl").write_bytes(b'secret\n{"text": "secret\n{"text": ["secret"]}\n{"secret": 1}\n"secret"\n')
    (tmp_path / "page.txt").write_bytes(b"secret\xff")
    result = run(tmp_path)
    result.assert_conserved(6)
    assert not result.rejects["detail"].str.contains("secret").any()


@pytest.mark.parametrize("data", [b"", b" \n\n"])
def test_a_container_without_records_is_empty(tmp_path, data):
    (tmp_path / "feed.jsonl").write_bytes(data)
    result = run(tmp_path)
    result.assert_conserved(1)
    assert result.rules == ["empty"]


def test_json_lines_in_other_encodings(tmp_path):
    (tmp_path / "bom.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a"}\n')
    (tmp_path / "utf16.jsonl").write_bytes('{"text": "a"}\n'.encode("utf-16"))
    result = run(tmp_path)
    result.assert_conserved(2)
    assert result.texts == {"bom.jsonl": "a"}
    assert result.rejects.select("uri", "record", "rule").rows() == [("utf16.jsonl", None, "not_utf8")]


def test_corrupt_gzip_gives_no_record(tmp_path):
    whole = gzip.compress(b'{"text": "a"}\n' * 1000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-12])
    (tmp_path / "no.jsonl.gz").write_bytes(b'{"text": "a"}\n')
    (tmp_path / "crc.jsonl.gz").write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])
    (tmp_path / "bits.jsonl.gz").write_bytes(whole[:20] + bytes([whole[20] ^ 255]) + whole[21:])
    result = run(tmp_path)
    result.assert_conserved(4)
    assert set(result.rules) == {"corrupt_gzip"}


def test_a_gzip_bomb_is_stopped(tmp_path):
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(b"0" * 20_000_000))
    result = run(tmp_path, max_container_bytes=10_000_000)
    result.assert_conserved(1)
    assert result.rules == ["too_large"]
    assert "max_container_bytes" in result.rejects["detail"][0]


def write_spoilt_gzip(file: Path, records: list[dict[str, object]]) -> Path:
    """Whole but for its check sum, which stands at the end."""
    data = gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    file.write_bytes(data[:-8] + b"\0\0\0\0" + data[-4:])
    return file


def write_spoilt_parquet(file: Path, records: list[dict[str, object]]) -> Path:
    """Whole but for one bit in its last column."""
    rows = pl.DataFrame(records, schema={"uri": pl.String, "published_date": pl.String, "text": pl.String})
    pq.write_table(rows.to_arrow(), file, row_group_size=100, write_page_checksum=True, compression="none")
    group = pq.read_metadata(file).row_group(len(records) // 100 - 1).column(2)
    data = bytearray(file.read_bytes())
    data[group.data_page_offset + group.total_compressed_size // 2] ^= 1
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("entry", ["", f'[[source]]\nuri = "b.jsonl"\nsha256 = "{"0" * 64}"\n'])
def test_nothing_of_a_container_stays_whose_bytes_cannot_all_be_read(tmp_path, monkeypatch, entry):
    """Its records are taken over while its SHA-256 is still being taken."""

    def failing(file: Path, is_over: Event | None = None) -> tuple[str, int]:
        if file.name == "b.jsonl":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return digest(file, is_over)

    write_jsonl(tmp_path / "a.jsonl", {"text": "The ferry is late."}, {"text": ""})
    (tmp_path / "sources.toml").write_text(entry)
    write_jsonl(tmp_path / "b.jsonl", {"text": "The tram is late.", "publisher": "two\nlines"}, {"text": ""})
    monkeypatch.setattr("flows.ingest.digest.digest", failing)
    result = run(tmp_path)
    result.assert_conserved(3)
    assert result.sources["text"].to_list() == ["The ferry is late."]
    assert sorted(result.rejects.select("uri", "record", "rule").rows()) == [
        ("a.jsonl", 1, "empty"),
        ("b.jsonl", None, "unreadable"),
    ]
    assert [file.uri for file in result.ingested.inputs] == ["a.jsonl"]
    assert result.ingested.warnings == ()


def test_a_digest_that_nobody_waits_for_is_given_up():
    with pytest.raises(KeyboardInterrupt), digested_meanwhile(Path("/dev/zero")):
        raise KeyboardInterrupt  # the file has no end


@pytest.mark.parametrize("shard_bytes", [1_000, 1_000_000])
@pytest.mark.parametrize(
    ("name", "write", "rule"),
    [("b.jsonl.gz", write_spoilt_gzip, "corrupt_gzip"), ("b.parquet", write_spoilt_parquet, "unreadable_parquet")],
)
def test_nothing_of_a_spoilt_container_stays(tmp_path, name, write, rule, shard_bytes):
    """Although it had been taken over by then: rows, refusals, notes and claims of uris that others have, too."""
    write_jsonl(tmp_path / "a.jsonl", *[{"text": f"Text {n}", "uri": f"https://news.example/{n}"} for n in range(500)])
    (tmp_path / "c.txt").write_text("The ferry is late.")
    write_jsonl(tmp_path / "d.jsonl", {"text": "Text", "publisher": "two\nlines"}, {"text": ""})
    without = run(tmp_path, shard_bytes=shard_bytes)
    spoilt: list[dict[str, object]] = [
        {"text": f"A text {n}" if n % 3 else "", "uri": f"https://news.example/{n * 7}", "published_date": "noon"}
        for n in range(1_000)
    ]
    write(tmp_path / name, spoilt)
    result = run(tmp_path, shard_bytes=shard_bytes)
    result.assert_conserved(504)
    assert result.sources.equals(without.sources)
    assert result.provenance.equals(without.provenance)
    assert result.ingested.warnings == without.ingested.warnings
    more = result.rejects.join(without.rejects, on="reject_id", how="anti")
    assert more.select("uri", "record", "rule").rows() == [(name, None, rule)]


@given(
    st.lists(st.integers(0, 40) | st.sampled_from(["mark", "cut_back"]), max_size=30),
    st.sampled_from([0, 60, 10_000]),
)
def test_heaps_give_back_what_was_put_and_not_taken_back(steps, waiting_bytes):
    with TemporaryDirectory() as folder:
        heaps = Heaps(Path(folder), waiting_bytes)
        put: list[int] = []
        marked = 0
        for number, step in enumerate(steps):
            if step == "mark":
                heaps.mark()
                marked = len(put)
            elif step == "cut_back":
                heaps.cut_back()
                del put[marked:]
            elif isinstance(step, int):
                rows = [(f"{(number * 37 + n) % 256:02x}{number:06x}", 3, number * 100 + n) for n in range(step)]
                schema = {"source_id": pl.String, "byte_count": pl.UInt64, "number": pl.UInt32}
                heaps.put(pl.DataFrame(rows, schema=schema, orient="row"))
                put += [row[2] for row in rows]
        taken = [frame["number"].to_list() for frame in heaps.take()]
        assert sorted(number for frame in taken for number in frame) == sorted(put)


def test_unclear_values_are_left_unknown_and_told(tmp_path):
    write_jsonl(
        tmp_path / "feed.jsonl",
        {"text": "a", "published_date": "22/10/2025", "retrieved_at": 1761000000},
        {"text": "b", "published_date": "2025-10", "publisher": "two\nlines", "uri": ["x"]},
        {"text": "c", "published_date": "2025-02-30"},
    )
    result = run(tmp_path)
    result.assert_conserved(3)
    assert result.provenance.is_empty()
    assert result.sources["retrieved_at"].null_count() == 3
    assert set(result.sources["uri"]) == {"feed.jsonl"}
    told = "\n".join(result.ingested.warnings)
    assert "feed.jsonl: published_date of 3 records (first: record 0) is not a date like 2025-10-22" in told
    assert len(result.ingested.warnings) == 4
    assert "22/10/2025" not in told


@pytest.mark.parametrize(
    ("value", "day", "instant"),
    [
        ("2025-10-22", "2025-10-22", datetime(2025, 10, 22, tzinfo=UTC)),
        ("2025-10-22T08:30", "2025-10-22", datetime(2025, 10, 22, 8, 30, tzinfo=UTC)),
        ("2025-10-22 23:30:00.123456789-05:00", "2025-10-22", datetime(2025, 10, 23, 4, 30, 0, 123456, UTC)),
        ("2025-10-22T08:30:00Z", "2025-10-22", datetime(2025, 10, 22, 8, 30, tzinfo=UTC)),
        ("0001-01-01T00:00+05:00", "0001-01-01", None),
        ("20251022", None, None),
        ("2025-W43-3", None, None),
        ("2025", None, None),
        ("2025-13-01", None, None),
        ("2025-10-22T99:00", None, None),
        ("٢٠٢٥-10-22", None, None),
        (20251022, None, None),
        (True, None, None),
    ],
)
def test_dates_and_times_as_written(value, day, instant):
    assert day_of(value) == day
    assert instant_of(value) == instant


# --- columns ---


def test_columns_can_have_other_names(tmp_path):
    write_jsonl(tmp_path / "feed.jsonl", {"body": "One", "link": "https://news.example/1", "text": "no", "uri": "no"})
    result = run(tmp_path, columns={"text": "body", "uri": "link"})
    assert result.texts == {"https://news.example/1": "One"}


def test_a_renamed_column_that_is_nowhere_is_told(tmp_path):
    write_jsonl(tmp_path / "feed.jsonl", {"text": "One"})
    warnings = run(tmp_path, columns={"uri": "lnik"}).ingested.warnings
    assert len(warnings) == 1
    assert '"lnik"' in warnings[0]


@pytest.mark.parametrize("columns", [{"body": "text"}, {"text": ""}])
def test_columns_that_cannot_be_are_wrong_usage(tmp_path, columns):
    with pytest.raises(UsageError, match="--column"):
        run(tmp_path, columns=columns)


# --- identifiers and clashes ---


def test_a_full_disk_is_told_although_reading_went_on(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.ingest.heaps.Heaps.put", full)
    with pytest.raises(OSError, match="No space left on device"):
        run(write_jsonl(tmp_path / "feed.jsonl", {"text": "The ferry is late."}))


def test_ids_of_rows_are_those_of_their_values():
    rows = [("a.txt", None, None), ("b.jsonl", "b.jsonl", 0), ("https://c.example/é", "b.jsonl", 7), ("b", None, 3)]
    sources = pl.DataFrame(rows, schema={"uri": pl.String, "container": pl.String, "record": pl.UInt32}, orient="row")
    sources = sources.with_columns(sha256=pl.lit("0f" * 32))
    assert place_ids(sources).to_list() == [place_id(*row) for row in rows]
    assert source_ids(sources).to_list() == [source_id(*row, "0f" * 32) for row in rows]


def test_own_uris_keep_their_ids_when_the_container_is_sorted_anew(tmp_path):
    records = [{"text": f"Text {n}", "uri": f"https://news.example/{n}"} for n in range(5)]
    one = run(write_jsonl(tmp_path / "feed.jsonl", *records))
    two = run(write_jsonl(tmp_path / "other.jsonl", *reversed(records)))
    assert set(one.sources["source_id"]) == set(two.sources["source_id"])
    assert set(place_ids(one.sources)) == set(place_ids(two.sources))


def test_a_corrected_page_keeps_its_place(tmp_path):
    (tmp_path / "page.txt").write_text("teh text")
    write_jsonl(tmp_path / "feed.jsonl", {"text": "a"}, {"text": "a"})
    before = run(tmp_path).sources.sort("uri", "record")
    (tmp_path / "page.txt").write_text("the text")
    after = run(tmp_path).sources.sort("uri", "record")
    assert place_ids(before).to_list() == place_ids(after).to_list()
    assert place_ids(before).n_unique() == 3
    assert before["source_id"].n_unique() == 3
    assert (before["source_id"] == after["source_id"]).to_list() == [True, True, False]
    for sources in (before, after):
        assert sources["source_id"].str.head(8).to_list() == place_ids(sources).str.head(8).to_list()


def test_ids_of_parts():
    frame = pl.DataFrame({"place": ["0123456789abcdef"] * 2, "ordinal": [0, 123456]}).select(
        article=article_id(pl.col("place"), pl.col("ordinal")), passage=passage_id(pl.col("place"), pl.col("ordinal"))
    )
    assert frame["article"].to_list() == ["0123456789abcdef-00", "0123456789abcdef-123456"]
    assert frame["passage"].to_list() == ["0123456789abcdef-0000", "0123456789abcdef-123456"]
    assert source_id("a", None, None, "0" * 64) != source_id("a", "a", 0, "0" * 64)


def test_a_file_that_comes_twice_is_read_once(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.txt").write_text("the same")
    result = run(tmp_path / "a", tmp_path / "b", tmp_path / "a")
    result.assert_conserved(1)
    assert result.ingested.repeated_count == 1
    assert len(result.ingested.inputs) == 1


def test_other_bytes_under_a_taken_uri_are_turned_away_in_any_order(tmp_path):
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.txt").write_text(f"text of {folder}")
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    one, two = run(*folders), run(*reversed(folders))
    one.assert_conserved(3)
    assert one.rules == ["uri_taken"] * 2
    assert one.sources.equals(two.sources)
    assert one.rejects.equals(two.rejects)
    assert one.ingested == two.ingested


def test_a_file_that_goes_when_it_has_lost_its_uri_is_told_as_it_was(tmp_path, monkeypatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.txt").write_text(f"text of {folder}")
    lost = max(("a", "b"), key=lambda folder: hashlib.sha256(f"text of {folder}".encode()).hexdigest())

    def digest_and_go(file: Path) -> tuple[str, int]:
        found = digest(file)
        if file.parent.name == lost:
            file.unlink()
        return found

    monkeypatch.setattr("flows.ingest.run.digest", digest_and_go)
    result = run(tmp_path / "a", tmp_path / "b")
    result.assert_conserved(2)
    assert result.rules == ["uri_taken"]
    assert [file.byte_count for file in result.ingested.inputs] == [len("text of a")] * 2


def test_records_that_claim_one_uri(tmp_path):
    """Across shards, containers and files; the winner does not depend on the order of the records."""

    def claim(text: str, uri: str = "page.txt") -> dict[str, str]:
        return {"text": text, "uri": uri, "publisher": f"of {text}"}

    (tmp_path / "page.txt").write_text("from a file")
    records = [claim("one"), claim("two"), claim("one"), claim("other", "else"), claim("from a file")]
    kept = []
    for number, order in enumerate((records, records[::-1])):
        write_jsonl(tmp_path / "feed.jsonl", *order)
        write_jsonl(tmp_path / "more.jsonl", claim("two"))
        for shard_bytes in (1, 1000):
            result = run(tmp_path, shard_bytes=shard_bytes)
            result.assert_conserved(4)
            assert result.ingested.repeated_count == 3
            assert result.rules == ["uri_taken"] * 2
            assert set(result.provenance["source_id"]) <= set(result.sources["source_id"])
            kept.append(result.texts)
        assert number or result.sources.height == 2
    smallest = min(("one", "two", "from a file"), key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    assert all(texts == {"page.txt": smallest, "else": "other"} for texts in kept)


def test_a_record_cannot_pass_for_one_of_another_container(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", {"text": "a", "uri": "b.jsonl"})
    write_jsonl(tmp_path / "b.jsonl", {"no": "text"}, {"text": "b", "uri": "b.jsonl"})
    result = run(tmp_path)
    result.assert_conserved(3)
    assert sorted(result.sources.select("uri", "record").rows()) == [("a.jsonl", 0), ("b.jsonl", 1)]
    assert [line.partition(":")[0] for line in result.ingested.warnings] == ["a.jsonl"]


_VALUE = st.none() | st.sampled_from(["", " ", "a", "b", "u1.txt", "other.jsonl", "x\0", 3])
_RECORD = st.fixed_dictionaries({}, optional={"text": _VALUE, "uri": _VALUE, "published_date": _VALUE})
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_GARBAGE = st.binary(max_size=8).filter(lambda data: not data.startswith(_MARKS))
_LINE = _RECORD.map(lambda record: json.dumps(record).encode()) | _GARBAGE


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(_LINE, max_size=8),
    others=st.lists(_LINE, max_size=4),
    page=st.binary(max_size=3),
    shard_bytes=st.sampled_from([1, 1000]),
)
def test_read_is_released_and_rejected(lines, others, page, shard_bytes):
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        (folder / "a" / "feed.jsonl").write_bytes(b"\n".join(lines))
        (folder / "b" / "other.jsonl").write_bytes(b"\n".join(others))
        (folder / "b" / "u1.txt").write_bytes(page)
        inputs = [folder / "a", folder / "b", folder / "missing.txt"]
        result = run(*inputs, shard_bytes=shard_bytes)
        again = run(*reversed(inputs), shard_bytes=1_000_000)
    counts = [len([line for line in b"\n".join(found).split(b"\n") if line.strip()]) for found in (lines, others)]
    met_count = sum(count or 1 for count in counts) + 2  # an empty container is one, and so are page and missing file
    result.assert_conserved(met_count - result.ingested.repeated_count)
    assert again.sources.equals(result.sources)
    assert again.provenance.equals(result.provenance)
    assert again.rejects.equals(result.rejects)
    assert again.ingested.repeated_count == result.ingested.repeated_count


def shards_of(inputs: list[Path], shard_bytes: int) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """Each shard's sources and provenance."""
    with TemporaryDirectory() as name:
        found = ingest([str(given) for given in inputs], Path(name), Settings(shard_bytes=shard_bytes), {})
        return [
            (pl.read_parquet(Path(name, "sources", shard)), pl.read_parquet(Path(name, "provenance", shard)))
            for shard in found.shards
        ]


def test_shards_are_bounded(tmp_path):
    write_jsonl(tmp_path / "feed.jsonl", *({"text": f"{n:02d}" + "é" * 499} for n in range(10)))
    (tmp_path / "large.txt").write_text("x" * 10_000)
    sizes = [sources["byte_count"].to_list() for sources, _ in shards_of([tmp_path], 2_500)]
    assert [10_000] in sizes
    assert sum(map(sum, sizes)) == 20_000
    assert all(sum(shard) <= 2_500 for shard in sizes if shard != [10_000])
    # As many as fit: no shard could have taken in the first document of the next one.
    assert all(sum(shard) + following[0] > 2_500 for shard, following in pairwise(sizes))


def test_shards_of_the_shortest_texts_are_bounded_too(tmp_path):
    write_jsonl(tmp_path / "feed.jsonl", *({"text": "x"} for n in range(100)))
    sizes = [sources.height for sources, _ in shards_of([tmp_path], 10 * ROW_BYTES)]
    assert sizes == [10] * 10


def test_a_small_corpus_is_one_shard(tmp_path):
    write_jsonl(tmp_path / "feed.jsonl", *({"text": f"text {n}"} for n in range(50)))
    ((sources, _),) = shards_of([tmp_path], 1_000_000)
    assert sources.height == 50


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=25),
    shard_bytes=st.integers(1, 10 * ROW_BYTES),
    seed=st.randoms(use_true_random=False),
)
def test_shards_are_ranges_of_places_in_any_order_of_the_inputs(texts, shard_bytes, seed):
    """Documents are the same and their containers are too, but the records come in another order."""
    records = [{"text": text, "uri": f"desk:{n}", "publisher": f"of {n}"} for n, text in enumerate(texts)]
    shuffled = seed.sample(records, len(records))
    found = []
    for order in (records, shuffled):
        with TemporaryDirectory() as name:
            found.append(shards_of([write_jsonl(Path(name) / "feed.jsonl", *order)], shard_bytes))
    for one, two in zip(*found, strict=True):
        assert one[0].drop("record").equals(two[0].drop("record"))
        assert one[1].equals(two[1])
    shards = found[0]
    ids = [source for sources, _ in shards for source in sources["source_id"]]
    assert ids == sorted(ids)
    assert len(ids) == len(texts)
    places = [set(place_ids(sources).str.head(8)) for sources, _ in shards]
    assert sum(map(len, places)) == len(set().union(*places))
    for sources, provenance in shards:
        assert provenance["source_id"].to_list() == sources["source_id"].to_list()


def test_places_that_share_their_digits_stay_together(tmp_path, monkeypatch):
    """Their articles may be sorted in another order than their sources."""
    monkeypatch.setattr("flows.ingest.shards.PLACE_DIGITS", 1)
    write_jsonl(tmp_path / "feed.jsonl", *({"text": f"text {n}"} for n in range(50)))
    digits = [set(sources["source_id"].str.head(1)) for sources, _ in shards_of([tmp_path], 20 * ROW_BYTES)]
    assert len(digits) > 1
    assert sum(map(len, digits)) == len(set().union(*digits))


def test_a_container_that_changes_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    file = write_jsonl(tmp_path / "feed.jsonl", {"text": "a"})
    seen = iter([(1, 14, 0), (1, 15, 0)])
    monkeypatch.setattr("flows.ingest.run.file_state", lambda path: next(seen))
    with pytest.raises(CopydeskError, match=r"feed\.jsonl changed while it was read"):
        run(file)
