"""Inputs in a store: what an address means, what is fetched, and what a store can do to us."""

import errno
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import orjson
import pytest

from flows.addresses import absolute, checked_address, is_address, shown
from flows.errors import ChangedError, CopydeskError, LockedError, NetworkError, RefusedError, UsageError
from flows.inbox import Inbox, look
from flows.ingest.formats import known_suffixes
from flows.ingest.inputs import FoundInputs, find_inputs
from flows.mirror import PARTIAL, Mirrored, found_in, mirrored
from flows.settings import Settings

STORY = "A pier in {place}\n\nThe pier of {place} opens on Friday, its keeper told the ferries.\n"


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def seen(out: Path, *sources: str, settle: float = 0, now: float | None = None) -> tuple[Mirrored, FoundInputs]:
    """What SOURCEs hold, after their mirrors have been brought up to date."""
    with mirrored(sources, out, settle, time.time if now is None else lambda: now) as inputs:
        return inputs, find_inputs(inputs.local, known_suffixes(), [found_in(mirror) for mirror in inputs.mirrors])


def texts(found: FoundInputs) -> dict[str, str]:
    return {file.uri: file.path.read_text(encoding="utf-8") for file in sorted(found.files)}


# --- addresses ---


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIATHEIRS:HUSH@desk/news",
        "s3://AKIATHEIRS:HU/SH@desk/news",
        "s3://AKIATHEIRS:HUSH/news",
        "s3://HUSH@desk/news",
        "S3://AKIATHEIRS:HUSH@desk/news",
        "sftp://ada:HUSH@host/news",
        "ftp://ada:HU@SH@host:21/news",
        "https://HUSH@host/news/",
        "https://host/news.jsonl?token=HUSH",
    ],
)
def test_an_address_with_a_password_is_refused_and_never_shown(address):
    with pytest.raises(UsageError) as told:
        checked_address(address)
    assert "HU" not in str(told.value)
    assert "SH" not in shown(address)
    assert "AKIA" not in shown(address)


@pytest.mark.parametrize(
    "place",
    ["news", "/news/*.txt", "s3://desk/news/2031-*/*.txt", "sftp://ada@host:22/news", "memory://x", "C:/news", "a:b"],
)
def test_other_places_stay_as_they_are(place):
    assert checked_address(place) == place
    assert absolute(place) == (place if is_address(place) else str(Path.cwd() / place))


def test_an_address_of_this_machine_is_a_path(tmp_path):
    assert checked_address(f"file://{tmp_path}/a*") == f"{tmp_path}/a*"


@pytest.mark.parametrize("address", ["nonsense://desk/news", "zip://a::s3://desk/news.zip", "s3://*/news"])
def test_what_fsspec_cannot_read_is_wrong_usage(address, store, tmp_path):
    with pytest.raises(UsageError, match=address.split(":")[0]):
        seen(tmp_path, address)


def test_without_s3fs_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    # The name of the module is also that of what it holds.
    monkeypatch.setattr(importlib.import_module("fsspec.registry"), "registry", {})
    with pytest.raises(UsageError, match=r"pip install 'copydesk\[s3\]'"):
        seen(tmp_path, "s3://desk/news")


# --- what an address means ---

TREE = (
    "a.txt",
    "B.TXT",
    "page.html",
    "noted",
    ".hidden.txt",
    "late.txt.part",
    "late.TMP",
    "sources.toml",
    "2031/may/d.txt",
    "2031/may/[e].txt",
    "2031/june/f.jsonl.gz",
    "2031/june/sources.toml",
    "2032/.git/g.txt",
    "unfinished.tmp/h.txt",
    "über/i j.txt",
)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "/",
        "/2031",
        "/*.txt",
        "/*",
        "/**/*.txt",
        "/**",
        "/2031/*/*.txt",
        "/*/may",
        "/20*/**/[d-f].*",
        "/2031/may/[e].txt",
    ],
)
def test_an_address_means_what_a_path_means(source, memory, tmp_path):
    folder = tmp_path / "folder"
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
        memory.pipe(f"/desk/{name}", name.encode())
    here = find_inputs([f"{folder}{source}"], known_suffixes())
    _, there = seen(tmp_path / "out", f"memory://desk{source}")
    assert texts(there) == texts(here)
    assert there.skipped == here.skipped
    assert there.refused == here.refused == {}
    named = {here.folders[path]: (path / "sources.toml").exists() for path in here.folders}
    assert {there.folders[path]: (path / "sources.toml").exists() for path in there.folders} == named


def test_a_key_may_have_many_folders_but_not_any_number(memory, tmp_path):
    deep, deeper = "a/" * 511 + "page.txt", "a/" * (sys.getrecursionlimit() + 200) + "page.txt"
    for name in (deep, deeper):
        memory.pipe(f"/desk/{name}", b"A page.")
    for _ in range(2):
        inputs, found = seen(tmp_path, "memory://desk/**/a/**/*.txt")
        assert texts(found) == {deep: "A page."}
        assert {uri: refusal.rule for uri, refusal in found.refused.items()} == {deeper: "bad_name"}
        (inputs.mirrors[0] / PARTIAL).mkdir()  # as a run leaves it that was killed


def test_one_object_is_named_by_its_name_and_has_what_lies_beside_it(store, tmp_path):
    for key in ("news/a.txt", "news/b.txt", "news/sources.toml"):
        store.put(key, key)
    inputs, found = seen(tmp_path, "s3://desk/news/a.txt")
    assert texts(found) == {"a.txt": "news/a.txt"}
    (folder,) = found.folders
    assert (folder / "sources.toml").read_text() == "news/sources.toml"
    assert inputs.missing == ()


def test_a_listing_of_many_pages_is_read_to_its_end(store, tmp_path):
    store.page = 7
    for number in range(40):
        store.put(f"news/{number:02}.txt", str(number))
    _, found = seen(tmp_path, "s3://desk/news")
    assert len(found.files) == 40


HOSTILE = {
    "news/../../../escaped.txt": "..",
    "news/./a.txt": ". or ..",
    "news//etc/escaped.txt": "two slashes",
    "news/a.txt/b.txt": "name of its folder",
    f"news/{'n' * 256}.txt": "longer",
    f"news/{'/'.join(['n' * 200] * 5)}{'x' * 3000}.txt": "longer",
    "news/\0.txt": "NUL",
}


def test_hostile_keys_never_leave_the_mirror(store, tmp_path):
    for key in (*HOSTILE, "news/a.txt", "news/line\nbreak\x1b[31m.txt", "news/\u202etxt.a.txt"):
        store.put(key, "words")
    store.put("news/folder/", "")
    (tmp_path / "out").mkdir()
    _, found = seen(tmp_path / "out", "s3://desk/news")
    assert sorted(texts(found)) == ["%E2%80%AEtxt.a.txt", "a.txt", "line%0Abreak%1B[31m.txt"]
    assert all(uri.isprintable() for uri in found.refused)
    told = sorted(refusal.detail for refusal in found.refused.values())
    assert {refusal.rule for refusal in found.refused.values()} == {"bad_name"}
    assert len(told) == len(HOSTILE)
    for words in HOSTILE.values():
        assert any(words in detail for detail in told), words
    assert not list(tmp_path.rglob("*escaped*"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# --- what is fetched ---


def test_what_two_stores_refuse_under_one_key_is_refused_twice(memory, tmp_path):
    for bucket in ("desk", "other"):
        memory.pipe(f"/{bucket}/a//b.txt", b"A page.")
        memory.pipe(f"/{bucket}/{bucket}.txt", b"A page.")
    _, found = seen(tmp_path, "memory://desk", "memory://other")
    assert list(found.refused) == ["a//b.txt", "a//b.txt#2"]


def test_only_what_is_new_or_changed_is_fetched_and_what_is_gone_goes(store, tmp_path):
    for name in ("a", "b/c", "b/d"):
        store.put(f"news/{name}.txt", name)
    seen(tmp_path, "s3://desk/news")
    store.asked.clear()
    before = sorted((path, path.stat()) for path in tmp_path.rglob("*.txt"))
    seen(tmp_path, "s3://desk/news")
    assert store.asked == [("GET", "/desk")], "one listing, and nothing else"
    assert sorted((path, path.stat()) for path in tmp_path.rglob("*.txt")) == before
    store.put("news/a.txt", "A", age=60)
    store.put("news/e.txt", "e")
    del store.buckets["desk"]["news/b/c.txt"], store.buckets["desk"]["news/b/d.txt"]
    _, found = seen(tmp_path, "s3://desk/news")
    assert texts(found) == {"a.txt": "A", "e.txt": "e"}
    assert sorted(store.gets()) == ["news/a.txt", "news/e.txt"]
    assert [path.name for path in tmp_path.rglob("b")] == []


def test_what_no_reader_knows_is_counted_and_not_fetched(store, tmp_path):
    for name in ("a.txt", "film.mp4", ".git/b.txt", "c.txt.part", "takedowns.toml", "elsewhere/sources.toml"):
        store.put(f"news/{name}", name)
    _, found = seen(tmp_path, "s3://desk/news")
    assert found.skipped == {".mp4": 1}
    assert sorted(store.gets()) == ["news/a.txt", "news/takedowns.toml"]


def test_a_name_that_was_a_file_may_become_a_folder_and_again_a_file(store, tmp_path):
    for key in ("news/a.txt", "news/a.txt/b.txt", "news/a.txt"):
        store.buckets["desk"] = {}
        store.put(key, key)
        _, found = seen(tmp_path, "s3://desk/news")
        assert [*texts(found).values()] == [key]


def test_what_a_killed_run_left_is_made_good(store, tmp_path):
    for name in ("a", "b"):
        store.put(f"news/{name}.txt", name)
    inputs, found = seen(tmp_path, "s3://desk/news")
    (mirror,) = inputs.mirrors
    # It had fetched another version, and what is gone by now, and not yet written so.
    (mirror / "objects" / "a.txt").write_text("X")
    (mirror / "objects" / "c.txt").write_text("not known to the index")
    (mirror / "partial").mkdir()
    (mirror / "partial" / "0123").write_text("half")
    _, found = seen(tmp_path, "s3://desk/news")
    assert texts(found) == {"a.txt": "a", "b.txt": "b"}
    assert sorted(path.name for path in mirror.rglob("*") if path.is_file()) == ["a.txt", "b.txt", "index.json"]
    for content in (b"", b"{", b"[]", b'{"objects": {"../x": 1}}', orjson.dumps({"objects": [], "refused": 1})):
        (mirror / "index.json").write_bytes(content)
        (mirror / "objects" / "c.txt").write_text("not known to the index")
        assert texts(seen(tmp_path, "s3://desk/news")[1]) == {"a.txt": "a", "b.txt": "b"}
        assert not (mirror / "objects" / "c.txt").exists()


def test_what_changes_while_it_is_fetched_is_fetched_again(store, tmp_path):
    store.put("news/a.txt", "first", age=100)
    store.put("news/b.txt", "b")
    after = {"second": 90.0}

    def change(method: str, path: str) -> None:
        if path.endswith("a.txt") and after:
            text, age = after.popitem()
            store.put("news/a.txt", text, age=age)

    store.fault = change
    assert texts(seen(tmp_path, "s3://desk/news")[1]) == {"a.txt": "second", "b.txt": "b"}


def test_what_never_stays_the_same_is_left_for_the_next_run(store, tmp_path):
    store.put("news/a.txt", "0", age=5000)
    ages = iter(range(4000, 0, -10))

    def change(method: str, path: str) -> None:
        if path.endswith("a.txt"):
            store.put("news/a.txt", str(next(ages)), age=next(ages))

    store.fault = change
    with pytest.raises(ChangedError, match="s3://desk/news changed while it was fetched"):
        seen(tmp_path, "s3://desk/news")
    store.fault = lambda method, path: None
    (text,) = texts(seen(tmp_path, "s3://desk/news")[1]).values()
    assert text == store.buckets["desk"]["news/a.txt"].data.decode()


def test_what_goes_while_it_is_fetched_is_left_out(store, tmp_path):
    store.put("news/a.txt", "a")
    store.put("news/b.txt", "b")

    def go(method: str, path: str) -> None:
        if path.endswith("a.txt"):
            store.buckets["desk"].pop("news/a.txt", None)

    store.fault = go
    assert texts(seen(tmp_path, "s3://desk/news")[1]) == {"b.txt": "b"}


def test_a_large_object_is_fetched_whole(store, tmp_path):
    words = os.urandom(60_000_000)  # more than a part of s3fs
    store.put("news/a.parquet", words)
    _, found = seen(tmp_path, "s3://desk/news")
    (file,) = found.files
    assert file.path.read_bytes() == words


def test_two_runs_do_not_touch_one_mirror(store, tmp_path):
    store.put("news/a.txt", "a")
    with mirrored(["s3://desk/news"], tmp_path), pytest.raises(LockedError):
        seen(tmp_path, "s3://desk/news")


# --- what a store can do to us ---


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ((403, "AccessDenied"), RefusedError, 5),
        ((403, "InvalidAccessKeyId"), RefusedError, 5),
        ((500, "InternalError"), NetworkError, 4),
        ((503, "SlowDown"), NetworkError, 4),
        ((400, "Odd<b>\x1b"), NetworkError, 4),
    ],
)
@pytest.mark.parametrize("what", ["listing", "object"])
def test_errors_of_a_store_are_one_line_without_secrets(fault, error, code, what, store, tmp_path):
    store.put("news/a.txt", "a")
    store.fault = lambda method, path: fault if (what == "object") == path.endswith(".txt") else None
    with pytest.raises(error) as told:
        seen(tmp_path, "s3://desk/news")
    line = str(told.value)
    assert told.value.exit_code == code
    assert line.startswith("s3://desk/news: the store")
    assert line.isprintable()
    assert "SECRET" not in line
    assert "AKIA" not in line
    store.fault = lambda method, path: None
    assert texts(seen(tmp_path, "s3://desk/news")[1]) == {"a.txt": "a"}, "and nothing of it stays"


def test_an_error_that_passes_does_no_harm(store, tmp_path):
    for number in range(20):
        store.put(f"news/{number:02}.txt", str(number))
    asked: set[str] = set()

    def once(method: str, path: str) -> tuple[int, str] | None:
        is_first = path not in asked
        asked.add(path)
        return (500, "InternalError") if is_first else None

    store.fault = once
    assert len(texts(seen(tmp_path, "s3://desk/news")[1])) == 20


def test_a_store_that_is_not_there_or_has_no_such_bucket(store, tmp_path, monkeypatch):
    with pytest.raises(CopydeskError, match="s3://nowhere/news: there is no such place") as told:
        seen(tmp_path, "s3://nowhere/news")
    assert told.value.exit_code == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(NetworkError, match="s3://desk/news: the store does not answer"):
        seen(tmp_path, "s3://desk/news")


def test_without_credentials_it_is_refused(store, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RefusedError, match="NoCredentialsError"):
        seen(tmp_path, "s3://desk/news")


def test_a_full_disk_is_no_fault_of_the_store(memory, tmp_path, monkeypatch):
    memory.pipe("/desk/a.txt", b"a")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(memory), "get_file", full)
    with pytest.raises(CopydeskError, match="No space left") as told:
        seen(tmp_path, "memory://desk")
    assert told.value.exit_code == 1


# --- the inbox ---


def looked(out: Path, *sources: str, settle: float = 5, now: float | None = None) -> Inbox:
    at = time.time() if now is None else now
    with mirrored(sources, out, settle, lambda: at) as inputs:
        return look(inputs, settle, at)


def test_an_object_that_has_just_come_waits_and_then_is_ready_at_once(store, tmp_path):
    store.put("news/old.txt", "old")
    store.put("news/new.txt", "new", age=1)
    first = looked(tmp_path, "s3://desk/news")
    assert {path.name for path in first.ready} == {"old.txt"}
    assert [*first.waiting.values()] == ["new.txt"]
    settled = looked(tmp_path, "s3://desk/news", now=time.time() + 60)
    assert {path.name for path in settled.ready} == {"old.txt", "new.txt"}
    assert not settled.waiting
    assert looked(tmp_path, "s3://desk/news", now=time.time() + 99).fingerprint == settled.fingerprint
    store.put("news/old.txt", "older", age=1)
    rewritten = looked(tmp_path, "s3://desk/news", now=time.time())
    assert "old.txt" in rewritten.waiting.values()
    assert {path.name for path in rewritten.ready} <= {"new.txt"}


def unreadable(_: Path) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"objects": {"a.txt": 1}}'])
def test_a_mirror_that_is_spoilt_while_it_is_read_is_no_empty_one(memory, tmp_path, content):
    memory.pipe("/desk/a.txt", b"a")
    with mirrored(["memory://desk"], tmp_path) as inputs:
        (index,) = (mirror / "index.json" for mirror in inputs.mirrors)
        if content is None:
            shutil.rmtree(index.parent)
        else:
            index.write_bytes(content)
        with pytest.raises(ChangedError, match="was deleted or changed while it was read; run again"):
            look(inputs, 0, time.time())
    assert len(looked(tmp_path, "memory://desk", settle=0).ready) == 1


def test_a_mirror_that_cannot_be_read_is_no_empty_one(memory, tmp_path, monkeypatch):
    memory.pipe("/desk/a.txt", b"a")
    with mirrored(["memory://desk"], tmp_path) as inputs:
        monkeypatch.setattr(Path, "read_bytes", unreadable)
        with pytest.raises(CopydeskError, match=r"index.json cannot be read: Input/output error; nothing was released"):
            look(inputs, 0, time.time())


def test_feeds_have_the_times_of_the_store(store, tmp_path):
    store.put("news/north/a.txt", "a", age=7200)
    found = looked(tmp_path, "s3://desk/news")
    (arrival,) = found.feeds["north"].arrivals
    assert abs(arrival.timestamp() - (time.time() - 7200)) < 5


def test_a_place_that_is_emptied_is_missing_and_one_that_never_held_anything_is_not(store, tmp_path):
    assert looked(tmp_path, "s3://desk/news").missing == ()
    store.put("news/a.txt", "a")
    assert looked(tmp_path, "s3://desk/news").missing == ()
    store.buckets["desk"] = {}
    for _ in range(2):
        assert looked(tmp_path, "s3://desk/news").missing == ("s3://desk/news",)
    store.put("news/b.txt", "b")
    assert {path.name for path in looked(tmp_path, "s3://desk/news").ready} == {"b.txt"}


# --- whole runs ---


def files_of(release: Path) -> dict[str, bytes]:
    return {path.relative_to(release).as_posix(): path.read_bytes() for path in release.rglob("*") if path.is_file()}


@pytest.mark.prefect
def test_a_release_from_a_store_is_that_from_a_folder(server, store, tmp_path):
    from flows.pipeline import run_build

    folder = tmp_path / "pages"
    for name, text in {
        "a.txt": STORY.format(place="Ember Bay"),
        "2031/b.txt": STORY.format(place="Skarholm"),
        "2031/sources.toml": '[[source]]\nuri = "b.txt"\npublisher = "The Ferry"\n',
        "2031/c.html": "",
        "takedowns.toml": '[[takedown]]\nuri = "a.txt"\nreason = "x"\ndate = 2031-06-01\n',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        store.put(f"news/{name}", text)
    settings = {"settings": Settings().model_dump(), "columns": {}}
    here = run_build(server, sources=[str(folder)], out=str(tmp_path / "here"), **settings)
    there = run_build(server, sources=["s3://desk/news"], out=str(tmp_path / "there"), **settings)
    assert files_of(there.released.path) == files_of(here.released.path)
    assert there.counts["taken_down"] == 1
    again = run_build(server, sources=["s3://desk/news"], out=str(tmp_path / "there"), **settings)
    assert not again.released.is_new
    with pytest.raises(CopydeskError, match="s3://desk/none: nothing is there"):
        run_build(server, sources=["s3://desk/none"], out=str(tmp_path / "there"), **settings)


@pytest.mark.prefect
def test_the_command_of_the_readme_works_and_tells_in_one_line_what_is_wrong(server, store, tmp_path, root):
    (line,) = re.findall(r"^\.venv/bin/(copydesk build .*s3://.*)$", (root / "README.md").read_text(), re.MULTILINE)
    copydesk = Path(sys.executable).with_name("copydesk")
    environment = {**os.environ, "PREFECT_API_URL": server.api_url}

    def run(line: str) -> subprocess.CompletedProcess[str]:
        command = [str(copydesk), *shlex.split(line)[1:]]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=environment
        )

    store.buckets["news"] = {}
    told = run(line)
    assert (told.returncode, told.stderr) == (
        1,
        "copydesk: s3://news/2031/*.txt: nothing is there; check the address\n",
    )
    store.put("2031/a.txt", STORY.format(place="Ember Bay"), bucket="news")
    told = run(line)
    assert (told.returncode, told.stderr) == (0, "")
    assert "fetch: 1 object" in told.stdout
    assert (tmp_path / "my-releases" / "1.0.0").is_dir()
    store.fault = lambda method, path: (403, "AccessDenied")
    told = run(line)
    assert told.returncode == 5
    assert told.stderr.startswith("copydesk: s3://news/2031/*.txt: the store refuses it")
    assert len(told.stderr.splitlines()) == 1
    told = run("copydesk build s3://AKIATHEIRS:HUSH@news/2031 --out other")
    assert told.returncode == 2
    assert "HUSH" not in told.stdout + told.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my-releases"]


@pytest.mark.prefect
def test_each_object_is_released_once(server, store, tmp_path, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import deploy, runs

    def once(**parameters: Any) -> runs.Run:
        given = {"sources": ["s3://desk/news"], "out": str(tmp_path / "out"), **parameters}
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            deploy.scheduled(**given, return_state=True)
        return runs.records(tmp_path / "out")[-1]

    assert once().message == "no input"
    store.put("news/a.txt", STORY.format(place="Ember Bay"))
    first = once()
    assert (first.status, first.version, first.counts["released"]) == (runs.RELEASED, "1.0.0", 1)
    store.asked.clear()
    assert once().message == "nothing new"
    assert store.gets() == []
    store.put("news/b.txt", STORY.format(place="Skarholm"), age=0)
    assert (once(settle=60).status, once(settle=60).waiting) == (runs.UNCHANGED, ["b.txt"])
    assert once(settle=0).version == "1.1.0"
    assert once(settle=0).status == runs.UNCHANGED
    store.buckets["desk"] = {}
    gone = once()
    assert gone.status == runs.FAILED
    assert gone.message.startswith("s3://desk/news is not there any more")
    store.fault = lambda method, path: (403, "AccessDenied")
    assert once().message.startswith("s3://desk/news: the store refuses it")
    assert [path.name for path in sorted((tmp_path / "out").iterdir()) if path.name[0] != "."] == ["1.0.0", "1.1.0"]
