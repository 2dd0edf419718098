"""`sources.toml`: what is known from outside the text."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest

from flows.errors import CopydeskError
from flows.ingest.known import Known
from flows.ingest.run import Ingested, ingest
from flows.settings import Settings

ENTRY = """
[[source]]
uri = "page.txt"
publisher = "The Gazette"
published_date = 2025-10-22
retrieved_at = 2025-10-23T10:00:00+02:00
url = "https://news.example/page"
"""


def run(source: Path) -> tuple[Ingested, pl.DataFrame, list[tuple[str, str, str]]]:
    """What came of it, the sources, and field, value and rule of the provenance."""
    with TemporaryDirectory() as name:
        staging = Path(name)
        ingested = ingest([str(source)], staging, Settings(), {})
        if not ingested.shards:
            return ingested, pl.DataFrame(), []
        (shard,) = ingested.shards
        provenance = pl.read_parquet(staging / "provenance" / shard)
        return ingested, pl.read_parquet(staging / "sources" / shard), provenance.drop("source_id").rows()


def test_an_entry_becomes_provenance(tmp_path):
    (tmp_path / "page.txt").write_text("text")
    (tmp_path / "sources.toml").write_text(ENTRY)
    ingested, sources, provenance = run(tmp_path)
    assert provenance == [
        ("canonical_url", "https://news.example/page", "sources.toml"),
        ("published_date", "2025-10-22", "sources.toml"),
        ("publisher", "The Gazette", "sources.toml"),
    ]
    assert sources["retrieved_at"].to_list() == [datetime(2025, 10, 23, 8, tzinfo=UTC)]
    assert ingested.warnings == ()
    assert not ingested.skipped
    assert [opened.uri for opened in ingested.provenance_inputs] == ["sources.toml"]
    assert [opened.uri for opened in ingested.inputs] == ["page.txt"]


def test_what_is_hashed_is_what_was_applied(tmp_path):
    path = tmp_path / "sources.toml"
    path.write_text(ENTRY)
    known = Known({tmp_path: "."})
    path.write_text(ENTRY.replace("The Gazette", "The Fog Mail"))
    assert known.files == [("sources.toml", hashlib.sha256(ENTRY.encode()).hexdigest(), len(ENTRY))]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda place: place.symlink_to("nowhere.toml"), "the link leads to a file that does not exist"),
        (lambda place: place.symlink_to(place), "Too many levels of symbolic links"),
        (lambda place: place.mkdir(), "it is no regular file"),
        (os.mkfifo, "it is no regular file"),
    ],
)
def test_what_has_its_name_and_cannot_be_read_ends_the_run(tmp_path, made, words):
    (tmp_path / "page.txt").write_text("text")
    made(tmp_path / "sources.toml")
    with pytest.raises(CopydeskError, match=f"sources.toml: {words}"):
        run(tmp_path)


def test_a_single_file_has_its_entry_too(tmp_path):
    (tmp_path / "page.txt").write_text("text")
    (tmp_path / "sources.toml").write_text(ENTRY)
    for source in (tmp_path / "page.txt", tmp_path / "*.txt"):
        assert len(run(source)[2]) == 3


def test_the_file_that_lies_nearer_goes_first(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.txt").write_text("text")
    (tmp_path / "sources.toml").write_text(ENTRY.replace("page.txt", "sub/page.txt"))
    assert len(run(tmp_path)[2]) == 3
    (tmp_path / "sub" / "sources.toml").write_text('[[source]]\nuri = "page.txt"\npublisher = "Nearer"\n')
    assert run(tmp_path)[2] == [("publisher", "Nearer", "sources.toml")]


def test_an_entry_about_other_bytes_is_not_applied(tmp_path):
    (tmp_path / "page.txt").write_text("text")
    digest = hashlib.sha256(b"text").hexdigest()
    (tmp_path / "sources.toml").write_text(f'{ENTRY}sha256 = "{digest}"\n')
    assert len(run(tmp_path)[2]) == 3
    (tmp_path / "sources.toml").write_text(f'{ENTRY}sha256 = "{"0" * 64}"\n')
    ingested, sources, provenance = run(tmp_path)
    assert provenance == []
    assert sources["retrieved_at"].null_count() == 1
    assert len(ingested.warnings) == 1
    assert digest in ingested.warnings[0]


def test_an_entry_without_its_file_is_told(tmp_path):
    (tmp_path / "sources.toml").write_text(ENTRY)
    ingested, _, _ = run(tmp_path)
    assert ingested.read_count == 0
    assert "page.txt is not there" in ingested.warnings[0]


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (b"caf\xe9.txt", "caf%E9.txt"),
        (b"a\nb.txt", "a%0Ab.txt"),
        (b" a.txt", " a.txt"),
        ("中\u00ad.txt".encode(), "中\u00ad.txt"),
    ],
)
def test_an_entry_names_a_file_as_the_tables_do(tmp_path, name, uri):
    (tmp_path / os.fsdecode(name)).write_text("text")
    (tmp_path / "sources.toml").write_text(ENTRY.replace("page.txt", uri), encoding="utf-8")
    ingested, sources, provenance = run(tmp_path)
    assert sources["uri"].to_list() == [uri]
    assert len(provenance) == 3
    assert ingested.warnings == ()


def test_a_record_goes_before_the_entry_of_its_container(tmp_path):
    (tmp_path / "feed.jsonl").write_text('{"text": "a", "publisher": "Own"}\n{"text": "b"}\n')
    (tmp_path / "sources.toml").write_text(ENTRY.replace("page.txt", "feed.jsonl"))
    ingested, _, provenance = run(tmp_path)
    assert sorted(provenance) == [
        ("published_date", "2025-10-22", "sources.toml"),
        ("published_date", "2025-10-22", "sources.toml"),
        ("publisher", "Own", "record"),
        ("publisher", "The Gazette", "sources.toml"),
    ]
    assert "its url" in ingested.warnings[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[[source]]\nuri = "a.txt"\n[[source]]\nuri = "b.txt"\nauthor = "x"', "entry 2 (b.txt): author: unknown"),
        ('[[source]]\nuri = "a.txt"\npublished_date = "May 2025"', "entry 1 (a.txt): published_date: write the day"),
        ('[[source]]\nuri = "a.txt"\npublished_date = 2025-05-01T10:00:00', "published_date: write the day"),
        ('[[source]]\nuri = "a.txt"\nretrieved_at = 5', "retrieved_at: write the time"),
        ('[[source]]\nuri = "a.txt"\npublisher = 5', "publisher: write one line"),
        ('[[source]]\nuri = "a.txt"\npublisher = "a\\nb"', "publisher: write one line"),
        ('[[source]]\nuri = "a.txt"\nsha256 = "abc"', "entry 1 (a.txt): sha256: "),
        ('[[source]]\nuri = "a.txt"\nurl = "javascript:alert(1)"', "url: write an address"),
        ('[[source]]\nuri = "../a.txt"', "uri: write the path relative"),
        ('[[source]]\nuri = "/a.txt"', "uri: write the path relative"),
        ('[[source]]\npublisher = "x"', "entry 1: uri: "),
        ('[[source]]\nuri = "a.txt"\n[[source]]\nuri = "a.txt"', "a.txt has two entries"),
        ('[[sources]]\nuri = "a.txt"', "sources: unknown; there are source"),
        ("source = 3", "each entry begins with [[source]]"),
        ("source = [3]", "each entry begins with [[source]]"),
        ("[[source]\n", "is not valid TOML"),
        ("a = " + "[" * 5000, "is not valid TOML"),
        (b"# \xff", "is not valid UTF-8"),
    ],
)
def test_what_it_cannot_say_is_an_error(tmp_path, content, expected):
    (tmp_path / "sources.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CopydeskError) as caught:
        run(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "sources.toml"))
    assert expected in message
    assert "\n" not in message
