"""Where tables lie while tasks pass them on: what goes to a store and comes back, and that nothing is left there."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from flows.errors import CopydeskError, NetworkError, UsageError
from flows.release.staging import STAGING, discard, locked
from flows.settings import Settings
from flows.state import KeptRows
from flows.workplace import IDENTITY, PREFIX, Workplace, workplace
from tests.s3 import Store


def elsewhere(work: Workplace, tmp_path: Path) -> Workplace:
    """The same place, as another machine sees it."""
    return Workplace(tmp_path / "no such folder here", work.address)


def number(releases: Path) -> str:
    """The number that was drawn for a folder of releases."""
    return (releases / IDENTITY).read_text().split()[0]


def keys(store: Store) -> list[str]:
    return sorted(store.buckets["desk"])


def test_without_an_address_it_is_a_folder_beside_the_releases(tmp_path):
    with locked(tmp_path) as lock, workplace(lock, None) as work:
        with work.here(["sources/00000"], ["articles/"]) as folder:
            assert folder == work.folder
            assert folder.parent == tmp_path
        assert work.address is None
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_shared_folder_is_made_and_left_as_it_was(tmp_path):
    shared = tmp_path / "mount" / "work"
    with locked(tmp_path / "out") as lock:
        with workplace(lock, str(shared)) as work:
            (work.folder / "sources").mkdir()
            assert work.folder.parent == shared
        assert list(shared.iterdir()) == []


def test_a_folder_among_the_releases_is_wrong_usage(tmp_path):
    with locked(tmp_path) as lock:
        with pytest.raises(UsageError, match="only releases and hidden files"), workplace(lock, str(tmp_path / "work")):
            pass
        for place in (tmp_path, tmp_path / ".work"):
            with workplace(lock, str(place)) as work:
                assert work.folder.parent == place
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".work", IDENTITY]


@pytest.mark.parametrize("scheme", ["folder", "s3"])
def test_only_what_dead_runs_of_the_same_releases_left_is_removed(scheme, store, tmp_path):
    place = str(tmp_path / "mount") if scheme == "folder" else "s3://desk/tables"

    def left() -> list[str]:
        if scheme == "s3":
            return keys(store)
        return sorted(path.relative_to(tmp_path / "mount").as_posix() for path in (tmp_path / "mount").rglob("*.p"))

    def put(name: str) -> None:
        if scheme == "s3":
            store.put(f"tables/{name}", "rows")
        else:
            (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mount" / name).write_text("rows")

    with locked(tmp_path / "out") as lock, workplace(lock, place):
        pass
    own = number(tmp_path / "out")
    for name in (f"{PREFIX}{own}-0123/sources/0.p", f"{PREFIX}{own}-4567/a.p"):
        put(name)
    kept = [f"{PREFIX}{'0' * 32}-0123/a.p", f"{PREFIX}a.p", "a.p", "sources/0.p"]
    for name in kept:
        put(name)
    with locked(tmp_path / "out") as lock, workplace(lock, place):
        assert [name.removeprefix("tables/") for name in left()] == sorted(kept)
    assert number(tmp_path / "out") == own
    assert len(left()) == len(kept)


@pytest.mark.parametrize("content", [b"", b"../../x", b"\xff", b"0" * 33])
def test_a_number_that_is_none_is_drawn_anew(content, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / IDENTITY).write_bytes(content)
    with locked(tmp_path / "out") as lock, workplace(lock, str(tmp_path / "mount")) as work:
        own = number(tmp_path / "out")
        assert work.folder.name.startswith(f"{PREFIX}{own}-")
    assert len(own) == 32


@pytest.mark.parametrize("scheme", ["folder", "s3"])
def test_a_run_in_a_copied_folder_of_releases_leaves_one_in_the_original_alone(scheme, store, tmp_path):
    place = str(tmp_path / "mount") if scheme == "folder" else "s3://desk/tables"
    with locked(tmp_path / "out") as lock, workplace(lock, place) as work:
        with work.here((), ["sources/"]) as folder:
            (folder / "sources").mkdir()
            (folder / "sources" / "0.parquet").write_text("rows")
        shutil.copytree(tmp_path / "out", tmp_path / "copy")
        with locked(tmp_path / "copy") as other, workplace(other, place):
            pass
        assert number(tmp_path / "copy") != number(tmp_path / "out")
        assert (work.folder / "sources" / "0.parquet").is_file()
        assert len(keys(store)) == (scheme == "s3")


@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_that_cannot_be_removed_spoils_no_run(shared, tmp_path, monkeypatch, caplog):
    """The release may be there by then; an error would say that none is."""

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    place = str(tmp_path / "mount") if shared else None
    with locked(tmp_path / "out") as lock:
        with workplace(lock, place) as work:
            left = work.folder
            monkeypatch.setattr("flows.release.staging.remove", refuse)
        (line,) = caplog.messages
        assert line.startswith(f"cannot remove {left}: Read-only file system; the next run")
        monkeypatch.undo()
        assert len(list(left.parent.glob(f"{left.name}*"))) == 1
    with locked(tmp_path / "out") as lock, workplace(lock, place):
        assert list(left.parent.glob(f"{left.name}*")) == []


def test_what_one_machine_writes_another_reads(store, tmp_path):
    with locked(tmp_path / "out") as lock, workplace(lock, "s3://desk/tables/") as work:
        other = elsewhere(work, tmp_path)
        with work.here((), ["sources/", "rejects/"]) as folder:
            (folder / "sources").mkdir()
            for shard in ("0.parquet", "1.parquet"):
                (folder / "sources" / shard).write_text(f"rows of {shard}")
            (folder / "sources" / ".draft").write_text("no file of the run")
        assert [key.rpartition("/sources/")[2] for key in keys(store)] == ["0.parquet", "1.parquet"]
        with other.here(["sources/1.parquet"], ["articles/1.parquet", "rejects/1.parquet"]) as folder:
            assert folder != work.folder
            assert [path.name for path in (folder / "sources").iterdir()] == ["1.parquet"]
            (folder / "articles").mkdir()
            (folder / "articles" / "1.parquet").write_text("articles")
        assert not folder.exists()
        store.asked.clear()
        with work.here(["sources/", "articles/", "rejects/"], ["sources/"]) as folder:
            assert (folder / "articles" / "1.parquet").read_text() == "articles"
            (folder / "sources" / "new").write_text("rewritten")
            (folder / "sources" / "new").replace(folder / "sources" / "0.parquet")
        assert [key.rpartition("/")[2] for key in store.gets()] == ["1.parquet"], "its own files are there already"
        assert [path.rpartition("/")[2] for method, path in store.asked if method == "PUT"] == ["0.parquet"]
        with other.here(["sources/0.parquet"]) as folder:
            assert (folder / "sources" / "0.parquet").read_text() == "rewritten"
    assert keys(store) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", IDENTITY]


def test_a_task_that_fails_puts_nothing(store, tmp_path):
    with locked(tmp_path / "out") as lock, workplace(lock, "s3://desk/tables") as work:
        with contextlib.suppress(ZeroDivisionError), work.here((), ["articles/"]) as folder:
            (folder / "articles").mkdir()
            (folder / "articles" / "0.parquet").write_text("half")
            raise ZeroDivisionError
        assert keys(store) == []


@pytest.mark.parametrize("name", ["sources/0", "tombstones"])
def test_a_task_that_comes_late_brings_no_folder_back(store, tmp_path, name):
    """The run ends after the task has seen its folder, and before it fetches anything into it."""
    with locked(tmp_path / "out") as lock, workplace(lock, "s3://desk/tables") as work:
        with elsewhere(work, tmp_path).here((), [name]) as folder:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("rows")

        def late() -> Iterator[str]:
            discard(work.folder)
            yield name

        with pytest.raises(CopydeskError), work.here(late()):
            pass
        assert not work.folder.exists()
        assert list((tmp_path / "out").glob(f"{STAGING}*")) == []


def test_large_files_go_in_parts_and_come_back_whole(store, tmp_path):
    words = os.urandom(110_000_000)
    with locked(tmp_path / "out") as lock, workplace(lock, "s3://desk") as work:
        with work.here((), ["sources/0"]) as folder:
            (folder / "sources").mkdir()
            (folder / "sources" / "0").write_bytes(words)
        assert any(method == "POST" for method, _ in store.asked)
        with elsewhere(work, tmp_path).here(["sources/0"]) as folder:
            assert (folder / "sources" / "0").read_bytes() == words


def test_a_file_that_the_store_lost_is_an_error_of_one_line(store, tmp_path):
    with (
        locked(tmp_path / "out") as lock,
        workplace(lock, "s3://desk/tables") as work,
        pytest.raises(CopydeskError, match="there is no such place"),
        work.here(["sources/0"]),
    ):
        pass


def test_a_store_that_fails_at_the_end_leaves_it_to_the_next_run(store, tmp_path, caplog):
    with locked(tmp_path / "out") as lock:
        with workplace(lock, "s3://desk/tables") as work:
            with work.here((), ["a"]) as folder:
                (folder / "a").write_text("rows")
            store.fault = lambda method, path: (500, "InternalError")
        assert "The next run removes" in caplog.text
        assert len(keys(store)) == 1
        with pytest.raises(NetworkError), workplace(lock, "s3://desk/tables"):
            pass
        store.fault = lambda method, path: None
        with workplace(lock, "s3://desk/tables"):
            assert keys(store) == []


def test_a_store_with_folders_will_do_as_well(tmp_path):
    system: Any = fsspec.filesystem("memory")
    with locked(tmp_path / "out") as lock, workplace(lock, "memory://desk/work") as work:
        with work.here((), ["sources/0"]) as folder:
            (folder / "sources").mkdir()
            (folder / "sources" / "0").write_text("rows")
        with elsewhere(work, tmp_path).here(["sources/"]) as folder:
            assert (folder / "sources" / "0").read_text() == "rows"
    assert system.find("/desk/work") == []


# --- whole builds ---

STORY = "A pier in {place}\n\nThe pier of {place} opens on Friday, its keeper told the ferries of the {place} line.\n"


@pytest.fixture
def build(server: Any, tmp_path: Path) -> Any:
    """A build of four pages in four shards, one of which cannot be read and one is taken down."""
    from flows.pipeline import run_build

    pages = tmp_path / "pages"
    pages.mkdir()
    for name, place in {"a": "Ember Bay", "b": "Skarholm", "c": "Skarholm", "d": "Lower Reach"}.items():
        (pages / f"{name}.txt").write_text(STORY.format(place=place))
    (pages / "e.txt").write_bytes(b"caf\xe9")
    (pages / "takedowns.toml").write_text('[[takedown]]\nuri = "d.txt"\nreason = "x"\ndate = 2031-06-01\n')
    settings = Settings(shard_bytes=1, file_bytes=100, max_reject_share=0.5).model_dump()

    def built(out: str, **options: Any) -> Any:
        given = {"sources": [str(pages)], "out": str(tmp_path / out), "settings": settings, "columns": {}}
        return run_build(server, **given, **options)

    return built


def files_of(release: Path) -> dict[str, bytes]:
    return {path.relative_to(release).as_posix(): path.read_bytes() for path in release.rglob("*") if path.is_file()}


@pytest.mark.prefect
def test_a_release_is_the_same_wherever_its_tables_lay(build, store, tmp_path, monkeypatch):
    from flows import pipeline

    here = build("here")
    assert here.counts == {"read": 5, "released": 3, "rejected": 1, "taken_down": 1, "skipped": 0}
    shared = build("shared", work=str(tmp_path / "mount"))
    assert files_of(shared.released.path) == files_of(here.released.path)
    assert list((tmp_path / "mount").iterdir()) == []

    submitted = pipeline.Workers.submit

    def submit(self: Any, one: Any, **parameters: Any) -> Any:
        away: dict[str, Any] = {"work": elsewhere(parameters["work"], tmp_path)}
        if "kept" in parameters:
            away["kept"] = KeptRows(tmp_path / "not here", parameters["kept"].shards)
        return submitted(self, one, **parameters | away)

    monkeypatch.setattr(pipeline.Workers, "submit", submit)
    for _ in range(2):  # the second time with a state that the workers do not see
        store.asked.clear()
        stored = build("stored", work="s3://desk/tables")
        assert files_of(stored.released.path) == files_of(here.released.path)
        assert keys(store) == []
        put = {path.rpartition("/")[0].rpartition("/")[2] for method, path in store.asked if method == "PUT"}
        assert {"sources", "provenance", "passages", "articles", "evidence", "facts", "rejects", "repeats"} <= put
    assert sorted(path.name for path in (tmp_path / "stored").iterdir()) == sorted(
        [IDENTITY, ".lock", ".state", "1.0.0"]
    )


@pytest.mark.prefect
def test_workers_use_the_store(build, store, tmp_path):
    here, stored = build("here"), build("stored", work="s3://desk/tables", runner="dask")
    assert files_of(stored.released.path) == files_of(here.released.path)
    assert keys(store) == []
    normalized = [path for method, path in store.asked if method == "PUT" and "/articles/" in path]
    assert len(normalized) > 1


@pytest.mark.prefect
def test_workers_that_see_the_store_alone_look_for_repeats_as_well(build, store, tmp_path, monkeypatch):
    from flows import pipeline

    here = build("here")
    submitted = pipeline.Workers.submit

    def submit(self: Any, one: Any, **parameters: Any) -> Any:
        return submitted(self, one, **parameters | {"work": elsewhere(parameters["work"], tmp_path)})

    monkeypatch.setattr(pipeline.Workers, "submit", submit)
    monkeypatch.setattr(pipeline.Workers, "are_here", False)
    stored = build("stored", work="s3://desk/tables", runner="processes")
    assert files_of(stored.released.path) == files_of(here.released.path)
    assert keys(store) == []
    put = [path for method, path in store.asked if method == "PUT"]
    assert [path for path in put if "_words_of_shard-" in path and path.endswith(".result")]


@pytest.mark.prefect
def test_a_store_that_fails_in_the_middle_fails_the_build_and_nothing_else(build, store, tmp_path):
    store.fault = lambda method, path: (503, "SlowDown") if "/articles/" in path else None
    with pytest.raises(NetworkError, match="the store does not answer, or fails"):
        build("out", work="s3://desk/tables")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == []
    store.fault = lambda method, path: None
    assert build("out", work="s3://desk/tables").released.version == "1.0.0"
    assert keys(store) == []
