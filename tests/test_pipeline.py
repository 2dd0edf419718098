"""The whole way, from files to a release, through a real Prefect server."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from flows.errors import CopydeskError, LockedError, NetworkError, UsageError
from flows.settings import Settings
from flows.wording import duration

pytestmark = pytest.mark.prefect
COPYDESK = Path(sys.executable).with_name("copydesk")

STORY = """The ferry that forgot its island

By Ada Quill

November 3, 2025

For eleven days in October the ferry to Skarholm left on time, crossed an empty strait and came back without landing.

Nobody had told the captain that the pier was gone. "I saw the water where the planks should have been," she said, "and
I thought that it was early in the year for that."

The island's forty residents learned of it from the timetable, which went on listing them until the first of November.

(c) 2025 The Harbour Ledger. All rights reserved.
"""
OTHER = """A court finds that a lighthouse is a neighbour

The county court of Ember Bay has ruled that a lighthouse may complain about the fog horn beside it.

Judges took nine minutes to decide. Their opinion, which runs to two sentences, says that light was there first.
"""


def built(server: Any, sources: list[Path], out: Path, **parameters: Any) -> Any:
    from flows.pipeline import run_build

    settings = Settings(**parameters.pop("settings", {}))
    return run_build(
        server,
        sources=[str(source) for source in sources],
        out=str(out),
        settings=settings.model_dump(),
        columns=parameters.pop("columns", {}),
        **parameters,
    )


def table(release: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(release / "data" / name / "*.parquet")


def digest(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "ferry.txt").write_text(STORY, encoding="utf-8")
    (folder / "lighthouse.txt").write_text(OTHER, encoding="utf-8")
    return folder


def test_a_folder_becomes_a_release_that_says_where_everything_comes_from(server, pages, tmp_path):
    result = built(server, [pages], tmp_path / "out")
    release = result.released.path
    assert release == tmp_path / "out" / "1.0.0"
    texts = dict(table(release, "sources").select("source_id", "text").iter_rows())
    assert sorted(texts.values()) == sorted([STORY, OTHER])
    for row in table(release, "passages").iter_rows(named=True):
        found = texts[row["source_id"]][row["char_start"] :][: row["char_count"]]
        assert found.split() == row["text"].split()
    ferry = table(release, "articles").filter(pl.col("title").str.contains("ferry")).row(0, named=True)
    assert ferry["authors"] == ["Ada Quill"]
    assert str(ferry["published_date"]) == "2025-11-03"
    assert ferry["rights_policy"] == "reserved"
    assert "All rights" not in ferry["text"]


def test_the_same_rows_make_no_new_release(server, pages, tmp_path, caplog):
    with caplog.at_level("INFO", logger="copydesk"):
        first = built(server, [pages], tmp_path / "out")
    told = [line for line in caplog.messages if line.startswith("release: ")]
    assert told == [f"release: 2 documents in {duration(first.seconds['release'])}"]
    before = digest(first.released.path)
    again = built(server, [pages], tmp_path / "out")
    assert (again.released.step, again.released.version) == ("none", "1.0.0")
    assert digest(again.released.path) == before
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["1.0.0"]


def test_releases_and_state_inside_a_source_are_no_documents(server, pages):
    state = str(pages / "kept")
    first = built(server, [pages], pages / "out", state=state)
    (pages / "takedowns.toml").write_text(
        '[[takedown]]\nuri = "ferry.txt"\nreason = "asked for"\ndate = 2031-06-01\n', encoding="utf-8"
    )
    second = built(server, [pages], pages / "out", state=state)
    assert [first.counts["read"], second.counts["read"], second.counts["released"]] == [2, 2, 1]
    assert table(second.released.path, "sources")["uri"].to_list() == ["lighthouse.txt"]
    assert built(server, [pages], pages / "out", state=state).released.step == "none"
    with pytest.raises(UsageError, match="cannot be a SOURCE"):
        built(server, [pages / "out" / "1.0.0"], pages / "out")


def test_a_new_page_makes_a_minor_version_that_names_its_parent(server, pages, tmp_path):
    built(server, [pages], tmp_path / "out")
    (pages / "third.txt").write_text("A third page\n\nIt says that there is a third page.\n", encoding="utf-8")
    result = built(server, [pages], tmp_path / "out")
    assert (result.released.step, result.released.version) == ("minor", "1.1.0")
    manifest = json.loads((result.released.path / "manifest.json").read_text(encoding="utf-8"))
    parent = (tmp_path / "out" / "1.0.0" / "manifest.json").read_bytes()
    assert manifest["parent"] == {"version": "1.0.0", "manifest_sha256": hashlib.sha256(parent).hexdigest()}


def test_copies_meet_whatever_their_furniture(server, tmp_path):
    """Two equal pages, one with another footer, one cut off, and another story with the same frame."""
    folder = tmp_path / "pages"
    folder.mkdir()
    body = STORY.split("\n\n", 3)[3]
    (folder / "a.txt").write_text(STORY, encoding="utf-8")
    (folder / "b.txt").write_text(STORY, encoding="utf-8")
    footer = STORY.replace("(c) 2025 The Harbour Ledger. All rights reserved.", "Copyright 2025 Strait Times & Sons.")
    (folder / "c.txt").write_text(footer, encoding="utf-8")
    (folder / "d.txt").write_text(STORY.split("The island's forty", maxsplit=1)[0], encoding="utf-8")
    frame = STORY.replace(body.split("(c)")[0], OTHER.split("\n\n", 1)[1]).replace(
        "ferry that forgot its island", "lamp"
    )
    (folder / "e.txt").write_text(frame, encoding="utf-8")
    release = built(server, [folder], tmp_path / "out").released.path
    articles = table(release, "articles").join(table(release, "sources").select("source_id", "uri"), on="source_id")
    clusters = dict(articles.select("uri", "cluster_id").iter_rows())
    assert len({clusters[uri] for uri in ("a.txt", "b.txt", "c.txt", "d.txt")}) == 1
    assert clusters["e.txt"] != clusters["a.txt"]
    canonical = articles.filter(pl.col("is_canonical"))["uri"].to_list()
    assert "d.txt" not in canonical, "a truncated copy survived the whole"
    kinds = set(table(release, "relations")["kind"])
    assert {"duplicate_of", "contains"} <= kinds


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("empty.txt", b"", "empty"),
        ("latin.txt", b"caf\xe9 au lait", "invalid_utf8"),
        ("nul.txt", b"a\0b", "nul_character"),
        ("bad.parquet", b"PAR1 and then nothing", "unreadable_parquet"),
        ("cut.jsonl", b'{"text": "cut in', "invalid_json"),
    ],
)
def test_bad_input_is_rejected_with_its_reason_and_the_rest_released(server, pages, tmp_path, name, content, rule):
    (pages / name).write_bytes(content)
    result = built(server, [pages], tmp_path / "out", settings={"max_reject_share": 0.5})
    rejects = table(result.released.path, "rejects")
    assert rejects["rule"].to_list() == [rule]
    assert rejects["uri"].to_list() == [name]
    assert result.counts == {"read": 3, "released": 2, "rejected": 1, "taken_down": 0, "skipped": 0}


def test_too_many_rejects_stop_the_run_and_stay_readable(server, pages, tmp_path):
    (pages / "empty.txt").touch()
    with pytest.raises(CopydeskError, match="1 of 3 records were rejected") as told:
        built(server, [pages], tmp_path / "out")
    assert len(str(told.value).splitlines()) <= 3
    assert not (tmp_path / "out" / "1.0.0").exists()
    (kept,) = (tmp_path / "out" / ".rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(kept)["uri"] == "empty.txt"
    for is_new in (True, False):
        (tmp_path / "out" / ".rejects.jsonl").write_text(kept, encoding="utf-8")
        result = built(server, [pages], tmp_path / "out", settings={"max_reject_share": 0.5})
        assert result.released.is_new is is_new
        assert not (tmp_path / "out" / ".rejects.jsonl").exists(), "the release says what was turned away"


def test_the_error_that_stops_a_run_is_told_also_where_the_rejects_cannot_be_written(server, pages, tmp_path):
    (pages / "empty.txt").touch()
    (tmp_path / "out" / ".rejects.jsonl").mkdir(parents=True)
    with pytest.raises(CopydeskError) as told:
        built(server, [pages], tmp_path / "out")
    first, second, third = str(told.value).splitlines()
    assert first.startswith("1 of 3 records were rejected")
    assert second.startswith("empty.txt: ")
    assert third.endswith(".rejects.jsonl: Is a directory")
    (warning,) = built(server, [pages], tmp_path / "out", settings={"max_reject_share": 0.5}).warnings
    assert ".rejects.jsonl: Is a directory; it tells of an earlier run" in warning


@pytest.mark.parametrize("gone", ["folder", "pattern"])
def test_a_source_that_has_gone_takes_nothing_out_of_the_next_release(server, pages, tmp_path, gone):
    other = tmp_path / "other"
    other.mkdir()
    (other / "more.txt").write_text(STORY, encoding="utf-8")
    sources = [pages, other if gone == "folder" else other / "*.txt"]
    assert built(server, sources, tmp_path / "out").counts["released"] == 3
    other.rename(tmp_path / "elsewhere")
    with pytest.raises(CopydeskError, match=r"other.*nothing was released.*Put it back, or leave it out"):
        built(server, sources, tmp_path / "out")
    assert not (tmp_path / "out" / "1.1.0").exists()
    assert built(server, [pages], tmp_path / "out").counts["released"] == 2


def test_an_error_of_another_kind_is_not_told_with_rejects(server, pages, tmp_path):
    (pages / "empty.txt").touch()
    allowing = {"max_reject_share": 0.5}
    built(server, [pages], tmp_path / "out", settings=allowing)
    (pages / "more.txt").write_text(OTHER.replace("lamp", "crane"), encoding="utf-8")
    with pytest.raises(UsageError) as told:
        built(server, [pages], tmp_path / "out", settings=allowing, release_version="1.0.0")
    assert "empty.txt" not in str(told.value)


def test_no_document_is_an_error(server, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CopydeskError, match="no document found"):
        built(server, [tmp_path / "nothing"], tmp_path / "out")


def test_hostile_titles_stay_text(server, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    title = "--- <script>alert(1)</script> | `rm -rf` ![x](y) \x1b[31m"
    (folder / "a.txt").write_text(f"{title}\n\nBy Ada Quill\n\n{OTHER}", encoding="utf-8")
    release = built(server, [folder], tmp_path / "out").released.path
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "<script>" not in card
    assert "\x1b" not in card
    assert card.count("\n---\n") == 1, "the front matter has one end"


def test_an_explicit_version_must_not_exist(server, pages, tmp_path):
    built(server, [pages], tmp_path / "out", release_version="2.3.4")
    (pages / "third.txt").write_text(OTHER.replace("lighthouse", "bell"), encoding="utf-8")
    with pytest.raises(UsageError):
        built(server, [pages], tmp_path / "out", release_version="2.3.4")


def many_stories(folder: Path, count: int) -> Path:
    """Pages of which every third is a copy of the one before it, under another outlet's frame."""
    folder.mkdir()
    for number in range(count):
        body = STORY.replace("eleven", f"{number // 3 * 3} and a few").replace("Skarholm", f"Island {number // 3}")
        frame = "Copyright 2025 Strait Times & Sons." if number % 3 == 2 else "(c) 2025 The Harbour Ledger."
        text = body.replace("(c) 2025 The Harbour Ledger. All rights reserved.", frame)
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


def test_shards_leave_no_trace(server, tmp_path):
    """The same rows and the same files, whether the pages go through in one piece or in many."""
    folder = many_stories(tmp_path / "pages", 40)
    bounds = {"file_bytes": 8_000, "row_group_bytes": 2_000}
    one = built(server, [folder], tmp_path / "one", settings=bounds)
    many = built(server, [folder], tmp_path / "many", settings=bounds | {"shard_bytes": 5_000})
    assert one.counts == many.counts
    files = [digest(result.released.path / "data") for result in (one, many)]
    assert files[0] == files[1]
    assert len(list((many.released.path / "data" / "articles").iterdir())) > 2
    repeats = table(many.released.path, "passages").filter(pl.col("drop_reason") == "repeat")
    assert repeats.height > 40


def test_a_source_that_fails_is_rejected_and_the_rest_is_as_without_it(server, tmp_path, monkeypatch):
    """Whether it fails by itself, or only in what deduplication says of it."""
    from flows import steps
    from flows.deduplicate.stage import find_repeats
    from flows.normalize.normalize import normalize

    folder = many_stories(tmp_path / "pages", 12)
    bad = "000.txt"

    def with_bad_article(sources: pl.DataFrame, provenance: pl.DataFrame) -> Any:
        found = normalize(sources, provenance)
        ids = sources.filter(uri=bad)["source_id"].implode()
        kind = pl.when(pl.col("source_id").is_in(ids)).then(pl.lit("poem")).otherwise("kind")
        return replace(found, articles=found.articles.with_columns(kind=kind))

    def with_bad_cluster(articles: Any, passages: Any, *others: Any) -> Any:
        found = find_repeats(articles, passages, *others)
        sources = pl.concat([pl.read_parquet(path.parents[1] / "sources" / path.name) for path in articles])
        ids = sources.filter(uri=bad)["source_id"].implode()
        rows = pl.concat([pl.read_parquet(path) for path in articles]).filter(pl.col("source_id").is_in(ids))
        wrong = rows.select("article_id", cluster_id=pl.lit("00000000000000ff-00"))
        clusters = pl.concat([found.clusters.join(wrong, on="article_id", how="anti"), wrong])
        return replace(found, clusters=clusters)

    results = []
    for name, stand_in in (("normalize", with_bad_article), ("find_repeats", with_bad_cluster)):
        with monkeypatch.context() as patched:
            patched.setattr(steps, name, stand_in)
            out = tmp_path / name
            results.append(built(server, [folder], out, settings={"max_reject_share": 0.5, "shard_bytes": 4_000}))
    (folder / bad).unlink()
    without = built(server, [folder], tmp_path / "without").released.path
    for result in results:
        assert result.counts == {"read": 12, "released": 11, "rejected": 1, "taken_down": 0, "skipped": 0}
        release = result.released.path
        assert set(table(release, "rejects")["uri"]) == {bad}
        for name in ("sources", "passages", "articles", "evidence", "overlaps", "relations"):
            assert digest(release / "data" / name) == digest(without / "data" / name), name


@pytest.mark.parametrize("end", ["taken_down", "rejected"])
def test_a_source_that_leaves_after_rows_of_it_were_turned_away_counts_once(server, tmp_path, monkeypatch, end):
    """Also one that states its own address, while what is turned away as a whole is named by its container."""
    from flows import steps
    from flows.deduplicate.stage import find_repeats
    from flows.normalize.normalize import normalize

    folder = many_stories(tmp_path / "pages", 6)
    address = "https://ledger.example/ferry"
    record = {"uri": address, "text": STORY.replace("Skarholm", "Tarn")}
    (folder / "box.jsonl").write_text(f"{json.dumps({'text': OTHER})}\n{json.dumps(record)}\n", encoding="utf-8")

    def with_bad_evidence(sources: pl.DataFrame, provenance: pl.DataFrame) -> Any:
        found = normalize(sources, provenance)
        ids = found.articles.join(sources.filter(uri=address), on="source_id", how="semi")["article_id"]
        is_bad = pl.col("article_id").is_in(ids.implode()) & (pl.col("field") == "authors")
        return replace(
            found, evidence=found.evidence.with_columns(rule=pl.when(is_bad).then(pl.lit("")).otherwise("rule"))
        )

    def with_bad_cluster(articles: Any, passages: Any, *others: Any) -> Any:
        found = find_repeats(articles, passages, *others)
        sources = pl.concat([pl.read_parquet(path.parents[1] / "sources" / path.name) for path in articles])
        rows = pl.concat([pl.read_parquet(path) for path in articles])
        rows = rows.join(sources.filter(uri=address), on="source_id", how="semi")
        wrong = rows.select("article_id", cluster_id=pl.lit("00000000000000ff-00"))
        return replace(found, clusters=pl.concat([found.clusters.join(wrong, on="article_id", how="anti"), wrong]))

    monkeypatch.setattr(steps, "normalize", with_bad_evidence)
    if end == "rejected":
        monkeypatch.setattr(steps, "find_repeats", with_bad_cluster)
    else:
        takedown = f'[[takedown]]\nuri = "{address}"\nreason = "asked for"\ndate = 2031-06-01\n'
        (folder / "takedowns.toml").write_text(takedown, encoding="utf-8")
    result = built(server, [folder], tmp_path / "out", settings={"max_reject_share": 0.5})
    assert result.counts == {"read": 8, "released": 7, "rejected": 0, "taken_down": 0, "skipped": 0} | {end: 1}
    rejects = table(result.released.path, "rejects")
    if end == "rejected":
        assert set(rejects.select("uri", "record").iter_rows()) == {("box.jsonl", 1)}
        assert "value_without_evidence" in set(rejects["rule"]), "why the first row was turned away is not forgotten"
    else:
        assert rejects.is_empty()


def test_one_run_at_a_time(server, pages, tmp_path):
    from flows.release.staging import locked

    with locked(tmp_path / "out"), pytest.raises(LockedError, match=str(os.getpid())):
        built(server, [pages], tmp_path / "out")


def test_a_server_that_does_not_answer_is_told_in_one_line(pages, tmp_path):
    told = subprocess.run(
        [COPYDESK, "build", pages, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        timeout=120,
    )
    assert told.returncode == 4
    assert len(told.stderr.splitlines()) == 1
    assert "http://127.0.0.1:9/api" in told.stderr


def command(server: Any, *arguments: object, **environment: str) -> dict[str, Any]:
    return {
        "args": [COPYDESK, *map(str, arguments)],
        "env": {**os.environ, "PREFECT_API_URL": server.api_url, **environment},
    }


def test_bytes_depend_on_nothing_but_the_input(server, pages, tmp_path):
    """Another folder, another order of files, one thread or two, another hash seed, time zone and locale."""
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in sorted(pages.iterdir(), reverse=True):
        shutil.copy(path, moved / path.name)
    first = command(server, "build", pages, "--out", tmp_path / "one", POLARS_MAX_THREADS="1", PYTHONHASHSEED="1")
    second = command(
        server,
        "build",
        *sorted(moved.iterdir(), reverse=True),
        "--out",
        tmp_path / "two",
        POLARS_MAX_THREADS="2",
        PYTHONHASHSEED="2",
        TZ="Pacific/Kiritimati",
        LC_ALL="C",
    )
    runs = [subprocess.Popen(**one, stdout=subprocess.DEVNULL) for one in (first, second)]
    assert [run.wait(120) for run in runs] == [0, 0]
    assert digest(tmp_path / "one" / "1.0.0") == digest(tmp_path / "two" / "1.0.0")


def test_a_run_alone_starts_and_ends_its_own_server_and_says_what_it_did(pages, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    told = subprocess.run(
        [COPYDESK, "build", pages, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=180,
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert "read 2 = released 2 + rejected 0 + taken down 0" in told.stdout
    assert "The ferry" in told.stdout
    shown = subprocess.run(
        [COPYDESK, "show", tmp_path / "out" / "1.0.0", "rejects"], capture_output=True, text=True, check=True
    )
    assert "no rows" in shown.stdout


def test_what_a_run_logs_is_with_its_server_before_that_ends(server, pages, tmp_path):
    version = built(server, [pages], tmp_path / "out").released.version
    found = httpx.post(f"{server.api_url}/logs/filter", json={"sort": "TIMESTAMP_DESC"}, timeout=60).json()
    assert any(f"release {version}, first" in log["message"] for log in found[:5])


def test_sigterm_ends_a_run_with_the_shells_code_and_leaves_nothing(server, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number}.txt").write_text(STORY.replace("eleven", str(number)), encoding="utf-8")
    run = subprocess.Popen(
        **command(server, "build", folder, "--out", tmp_path / "out"), stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("ingest"):
            break
    run.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert run.wait(40) == 143
    assert time.monotonic() - began < 30
    # What was made by then may be kept for the next run.
    assert {".lock"} <= {path.name for path in (tmp_path / "out").iterdir()} <= {".lock", ".state"}


def test_a_server_that_ends_in_the_middle_is_an_error_of_one_line(pages, tmp_path, monkeypatch):
    from flows import pipeline
    from flows.server import EmbeddedServer

    real = pipeline._normalize
    with EmbeddedServer() as own:

        def later(*arguments: Any) -> Any:
            own.stop()
            return real(*arguments)

        own.wait()
        monkeypatch.setattr(pipeline, "_normalize", later)
        monkeypatch.setattr(pipeline, "OWN_SERVER_RETRIES", 0)
        with pytest.raises(NetworkError, match=r"^Prefect's server has ended in the middle .*\.0\.0 is whole, in .*$"):
            built(own, [pages], tmp_path / "out")
    assert (tmp_path / "out" / "1.0.0" / "manifest.json").is_file()


def test_what_is_imported_while_the_server_comes_up_is_in_the_libraries_that_are_locked() -> None:
    from flows.pipeline import FIRST_IMPORTS

    assert [name for name in FIRST_IMPORTS if find_spec(name) is None] == []


def test_kernels_are_loaded_while_the_server_comes_up_where_there_may_be_much_text(pages, tmp_path, monkeypatch):
    from flows import pipeline

    loaded = []
    monkeypatch.setattr(pipeline, "load_kernels", lambda: loaded.append(True))
    pipeline._make_ready([str(pages)])
    pipeline._make_ready([])
    assert not loaded
    large = tmp_path / "large.jsonl"
    large.write_bytes(b"x" * 1_000_000)
    pipeline._make_ready([str(pages), str(large)])
    assert loaded


def test_a_run_on_a_server_of_its_own_does_not_wait_for_heartbeats(server):
    from prefect import State, flow
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY
    from prefect.states import Completed

    from flows.pipeline import _run

    @flow(name="heartbeats", persist_result=False)
    def heartbeats() -> State[str]:
        return Completed(data=f"every {PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()}")

    assert _run(heartbeats, server, {}) == "every None"
