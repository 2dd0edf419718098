"""What a schedule knows by itself: the inbox, the records of its runs, and what is worth telling."""

import errno
import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import notices, runs
from flows.errors import ChangedError, CopydeskError
from flows.inbox import Feed, look
from flows.ingest.inputs import file_state
from flows.ingest.run import ingest
from flows.mirror import Mirrored
from flows.runs import FAILED, RELEASED, UNCHANGED, Run
from flows.settings import Settings


def local(folder: Path) -> Mirrored:
    return Mirrored((str(folder),), (), {}, (), ())


NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
LATER = time.time() + 3600


def run(status: str = RELEASED, *, at: datetime = NOON, **more: object) -> Run:
    begun = Run(str(uuid4()), status, "release 1.0.0", runs.instant(at), runs.instant(at + timedelta(seconds=9)))
    return replace(begun, **more)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


# --- the inbox ---


def test_a_file_that_has_just_changed_waits(folder):
    (folder / "old.txt").write_text("A pier")
    (folder / "new.txt").write_text("A lamp")
    settled = look(local(folder), 5, LATER)
    assert {path.name for path in settled.ready} == {"old.txt", "new.txt"}
    os.utime(folder / "new.txt", (LATER - 1, LATER - 1))
    waits = look(local(folder), 5, LATER)
    assert {path.name for path in waits.ready} == {"old.txt"}
    assert list(waits.waiting.values()) == ["new.txt"]
    assert look(local(folder), 0, LATER).waiting == {}


def test_a_copy_with_the_times_of_its_original_waits_too(folder):
    (folder / "a.txt").write_text("A pier")
    os.utime(folder / "a.txt", (1_000_000, 1_000_000))
    assert list(look(local(folder), 5, time.time()).waiting.values()) == ["a.txt"]


def test_a_time_in_the_future_keeps_no_file_waiting(folder):
    (folder / "a.txt").write_text("A pier")
    os.utime(folder / "a.txt", (LATER + 9e6, LATER + 9e6))
    assert look(local(folder), 5, LATER).waiting == {}


@pytest.mark.parametrize("name", [".a.txt", "a.txt.part", "a.txt.tmp", "a.TMP", ".git/a.txt"])
def test_unfinished_and_hidden_names_are_passed_over(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("A pier")
    found = look(local(folder), 5, LATER)
    assert not found.ready
    assert not found.waiting


def test_the_fingerprint_changes_with_every_change_and_with_nothing_else(folder):
    (folder / "a.txt").write_text("A pier")
    (folder / "b.txt").write_text("A lamp")
    first = look(local(folder), 5, LATER).fingerprint
    assert look(local(folder), 5, LATER + 99).fingerprint == first
    (folder / "c.txt.part").write_text("not yet")
    assert look(local(folder), 5, LATER).fingerprint == first
    seen = {first}
    time.sleep(0.02)
    for change in (
        lambda: (folder / "a.txt").write_text("A peer"),  # as long as before
        lambda: (folder / "b.txt").rename(folder / "d.txt"),
        (folder / "d.txt").unlink,
        lambda: (folder / "sources.toml").write_text(""),
    ):
        change()
        seen.add(look(local(folder), 5, LATER).fingerprint)
    assert len(seen) == 5


def test_a_file_that_waits_and_the_same_file_settled_are_not_the_same_inbox(folder):
    (folder / "a.txt").write_text("A pier")
    os.utime(folder / "a.txt", (LATER, LATER))
    assert look(local(folder), 5, LATER).fingerprint != look(local(folder), 5, LATER + 99).fingerprint


def test_a_file_beside_the_documents_is_read_only_as_it_was_seen(folder, tmp_path):
    (folder / "north").mkdir()
    (folder / "north" / "a.txt").write_text("A pier")
    (folder / "sources.toml").write_text("# all that is known")
    own = tmp_path / "own.toml"
    own.write_text("# all that is taken down")
    folders = [folder, folder / "north"]
    for change in (
        lambda: (folder / "sources.toml").write_text(""),
        (folder / "sources.toml").unlink,
        (folder / "takedowns.toml").touch,
        (folder / "north" / "sources.toml").touch,
        own.unlink,
    ):
        seen = look(local(folder), 5, LATER, [own])
        seen.check_beside(folders)
        change()
        with pytest.raises(ChangedError, match=r"\.toml changed since it was seen"):
            seen.check_beside(folders)
    # A folder that came later, with a file that nobody has looked at.
    (folder / "south").mkdir()
    seen = look(local(folder), 5, LATER, [own])
    (folder / "south" / "takedowns.toml").touch()
    with pytest.raises(ChangedError):
        seen.check_beside([*folders, folder / "south"])


@pytest.mark.parametrize("away", ["a.txt", "weekly", ""])
def test_what_goes_after_it_was_seen_is_not_taken_for_removed(folder, tmp_path, away):
    for name in ("a.txt", "weekly/b.txt", "weekly/c.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("A pier")
    states = look(local(folder), 5, LATER).ready
    (folder / away).rename(tmp_path / "elsewhere")
    with pytest.raises(ChangedError, match="has gone since it was seen"):
        ingest([str(folder)], tmp_path / "work", Settings(), {}, states)


def test_a_folder_that_cannot_be_listed_is_no_empty_one(folder, tmp_path, monkeypatch):
    for name in ("daily/a.txt", "weekly/b.txt"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("A pier")
    listing = os.scandir

    def scandir(path: Path | int) -> object:
        if str(path).endswith("weekly"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listing(path)

    monkeypatch.setattr("os.scandir", scandir)
    for read in (
        lambda: look(local(folder), 5, LATER),
        lambda: ingest([str(folder)], tmp_path / "work", Settings(), {}),
    ):
        with pytest.raises(CopydeskError, match="weekly cannot be looked into: Permission denied"):
            read()


def test_looking_changes_nothing(folder):
    (folder / "a.txt").write_text("A pier")
    before = file_state(folder / "a.txt"), sorted(folder.iterdir())
    look(local(folder), 5, LATER)
    assert (file_state(folder / "a.txt"), sorted(folder.iterdir())) == before


def test_feeds_are_the_folders_of_a_source(folder):
    for name in ("north/a.txt", "north/deep/b.txt", "south/c.txt", "d.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("A pier")
    found = look(local(folder), 5, LATER)
    assert {name: feed.file_count for name, feed in found.feeds.items()} == {".": 1, "north": 2, "south": 1}


@pytest.mark.parametrize(
    ("seconds", "expected"), [(300_000_000_000, "9999-12-31T23:59:59"), (-70_000_000_000, "1970-01-01T00:00:00")]
)
def test_a_time_that_no_calendar_has_fails_no_run(folder, monkeypatch, seconds, expected):
    (folder / "a.txt").write_text("A pier")
    # Not every file system keeps such times.
    monkeypatch.setattr("flows.inbox.file_state", lambda _: (1, 6, seconds * 10**9, 10**18))
    found = look(local(folder), 5, LATER)
    assert [runs.instant(at)[:19] for at in found.feeds["."].arrivals] == [expected]
    assert notices.silent_feeds(found.feeds, [], NOON) == []


def test_only_what_was_settled_is_read_and_only_as_it_was(folder, tmp_path):
    (folder / "a.txt").write_text("A pier is a pier, says the keeper of it.")
    states = look(local(folder), 5, LATER).ready
    (folder / "b.txt").write_text("This came a moment later")
    found = ingest([str(folder)], tmp_path / "work", Settings(), {}, states)
    assert [file.uri for file in found.inputs] == ["a.txt"]
    (folder / "a.txt").write_text("A pier is")
    with pytest.raises(ChangedError, match=r"a\.txt changed"):
        ingest([str(folder)], tmp_path / "again", Settings(), {}, states)


# --- records ---


def test_records_come_back_as_they_were_the_oldest_first(tmp_path):
    written = [run(at=NOON + timedelta(minutes=minute), counts={"read": minute}) for minute in (3, 1, 2)]
    for one in written:
        file = runs.write(tmp_path, one)
        assert file.parent == tmp_path / ".runs"
        assert json.loads(file.read_text())["status"] == RELEASED
    assert [one.counts["read"] for one in runs.records(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"run_id": "x"}', "\x00", '"text"'])
def test_what_is_no_record_is_passed_over(tmp_path, content):
    runs.write(tmp_path, run())
    (tmp_path / ".runs" / f"20310504T130000000000Z-{uuid4()}.json").write_text(content)
    assert len(runs.records(tmp_path)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"started_at": "2031-05-04T12:00:00"},
        {"started_at": "noon"},
        {"started_at": None},
        {"rejects": None},
        {"rejects": {"empty": "many"}},
        {"numbers": None},
        {"feeds": ["north"]},
        {"silent": "north"},
        {"is_interrupted": "no"},
        {"fingerprint": 7},
    ],
)
def test_a_record_of_another_shape_stops_no_run(tmp_path, change):
    file = runs.write(tmp_path, run())
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert runs.records(tmp_path) == []


def test_a_record_of_another_version_is_one(tmp_path):
    file = runs.write(tmp_path, run(counts={"read": 3}))
    content = json.loads(file.read_text())
    del content["fingerprint"], content["silent"]
    file.write_text(json.dumps({**content, "mood": "good"}))
    (known,) = runs.records(tmp_path)
    assert (known.counts, known.fingerprint, known.silent) == ({"read": 3}, None, [])


def test_feeds_stand_in_the_newest_record_that_knows_of_them(tmp_path):
    feeds = {"north": {"file_count": 3, "newest_at": runs.instant(NOON)}}
    for minute in range(3):
        runs.write(
            tmp_path, run(at=NOON + timedelta(minutes=minute), feeds=feeds, silent=["south"], counts={"read": 3})
        )
    runs.write(tmp_path, run(FAILED, at=NOON + timedelta(minutes=3)))
    found = runs.records(tmp_path)
    assert [(one.feeds, one.silent) for one in found] == [({}, []), ({}, []), (feeds, ["south"]), ({}, [])]
    assert all(one.counts == {"read": 3} for one in found[:3])
    assert notices.silent_feeds({}, found, NOON) == ["north", "south"]


def test_the_newest_record_and_that_of_a_run_are_found_alone(tmp_path):
    assert runs.last(tmp_path, NOON) is None
    written = [run(at=NOON + timedelta(minutes=minute)) for minute in range(3)]
    for one in written:
        runs.write(tmp_path, one)
    assert runs.last(tmp_path, NOON + timedelta(minutes=1)) == written[1]
    assert runs.record_of(tmp_path, written[0].run_id) == written[0]
    assert runs.record_of(tmp_path, str(uuid4())) is None


def test_of_long_ago_only_the_runs_that_tell_something_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "KEPT_UNCHANGED", 10)
    old = [
        run(RELEASED),
        *(run(UNCHANGED, message="nothing new") for _ in range(40)),
        *(run(FAILED, message="disk full") for _ in range(40)),
        *(run(FAILED, message="no rights") for _ in range(9)),
    ]
    for minute, one in enumerate([*old, *(run(UNCHANGED) for _ in range(10))]):
        runs.write(tmp_path, replace(one, started_at=runs.instant(NOON + timedelta(minutes=minute))))
    told = [(one.status, one.message) for one in runs.records(tmp_path)[:-10]]
    assert told == [(RELEASED, "release 1.0.0"), (FAILED, "disk full"), (FAILED, "no rights")]


def test_a_late_run_has_nothing_to_do_when_another_one_began_after_it_was_due():
    done = [run(at=NOON), run(UNCHANGED, at=NOON + timedelta(minutes=5))]
    assert runs.later_run(done, NOON + timedelta(minutes=4)) == done[1]
    assert runs.later_run(done, NOON + timedelta(minutes=6)) is None
    assert runs.later_run(done, None) is None
    killed = [replace(done[1], status=FAILED, is_interrupted=True)]
    assert runs.later_run(killed, NOON) is None, "a run that was killed has done nobody's work"


def test_a_record_from_a_clock_that_was_ahead_holds_no_run_back(tmp_path):
    for at in (NOON, NOON + timedelta(days=3650)):
        runs.write(tmp_path, run(UNCHANGED, at=at))
    now = NOON + timedelta(days=1)
    known = runs.records(tmp_path, now)
    assert [one.started_at for one in known] == [runs.instant(NOON)]
    assert runs.later_run(known, now - timedelta(minutes=1)) is None
    assert runs.later_run(known, NOON) is not None
    assert len(runs.records(tmp_path)) == 2, "it is left where it is"


# --- notices ---


def test_a_failure_is_told_once_and_so_is_its_end():
    failed = run(FAILED, message="disk full")
    assert notices.notices(failed, []) == ["the run failed: disk full"]
    assert notices.notices(failed, [run(), failed]) == []
    assert notices.notices(run(FAILED, message="no rights"), [failed]) == ["the run failed: no rights"]
    assert notices.notices(run(UNCHANGED), [failed]) == ["it works again: the run before failed"]
    assert notices.notices(run(UNCHANGED), [run()]) == []


def test_a_quarantine_that_grows_is_told_rule_by_rule():
    before = run(rejects={"empty": 1, "invalid_utf8": 2})
    grown = run(rejects={"empty": 4, "invalid_utf8": 2})
    assert notices.notices(grown, [before, run(UNCHANGED)]) == ["the quarantine grew from 3 to 6: empty 1 → 4"]
    assert notices.notices(before, [grown]) == []
    assert notices.notices(grown, []) == []


def test_a_number_out_of_its_usual_range_is_told():
    usual = [run(numbers={"words_per_article": 400.0 + 10 * (day % 3)}) for day in range(8)]
    (told,) = notices.notices(run(numbers={"words_per_article": 40.0}), usual)
    assert told.startswith("words per article is 40, and was 410")
    assert notices.notices(run(numbers={"words_per_article": 425.0}), usual) == []
    assert notices.notices(run(numbers={"words_per_article": 40.0}), usual[:4]) == [], "too few to be usual"


@given(st.lists(st.floats(0.01, 1e6), min_size=5, max_size=30))
def test_what_was_always_the_median_is_never_unusual(values):
    from statistics import median

    usual = [run(numbers={"n": value}) for value in values]
    assert notices.notices(run(numbers={"n": median(values[-notices.USUAL_FROM :])}), usual) == []


def feed(*hours_ago: float) -> Feed:
    return Feed(len(hours_ago), tuple(NOON - timedelta(hours=hours) for hours in sorted(hours_ago, reverse=True)))


def test_a_feed_that_stops_is_silent_and_one_that_pauses_as_usual_is_not():
    daily = [24.0 * day for day in range(8)]
    assert notices.silent_feeds({"north": feed(*daily)}, [], NOON) == []
    assert notices.silent_feeds({"north": feed(*(hours + 60 for hours in daily))}, [], NOON) == []
    assert notices.silent_feeds({"north": feed(*(hours + 80 for hours in daily))}, [], NOON) == ["north"]
    assert notices.silent_feeds({"north": feed(80, 81)}, [], NOON) == [], "two files make no rhythm"
    quick = [hours / 60 + 3 for hours in range(9)]
    assert notices.silent_feeds({"north": feed(*quick)}, [], NOON) == [], "nobody is silent for three hours"


def test_a_feed_that_is_emptied_is_silent_until_it_is_back():
    before = run(feeds={"north": {"file_count": 3, "newest_at": runs.instant(NOON)}})
    silent = notices.silent_feeds({}, [before], NOON)
    assert silent == ["north"]
    now = run(UNCHANGED, silent=silent)
    assert notices.notices(now, [before]) == ["nothing new comes from north: it has no file any more"]
    assert notices.silent_feeds({}, [now], NOON) == ["north"]
    assert notices.notices(now, [now]) == [], "told once"
    assert notices.silent_feeds({"north": feed(1)}, [now], NOON) == []


def test_a_run_that_failed_before_it_looked_is_no_news_of_the_feeds():
    failed = run(FAILED, message="the disk is full")
    before = run(feeds={"north": {"file_count": 3, "newest_at": runs.instant(NOON)}})
    assert notices.silent_feeds({}, [before, failed], NOON) == ["north"], "emptied while runs failed"
    known = run(UNCHANGED, silent=["north"])
    assert notices.silent_feeds({}, [known, failed, failed], NOON) == ["north"]
    told = notices.notices(run(UNCHANGED, silent=["north"]), [known, failed])
    assert told == ["it works again: the run before failed"], "the feed was told of before"


def test_a_notice_steers_no_terminal_and_is_one_line():
    (told,) = notices.notices(run(FAILED, message="a\nb\x1b[31m"), [])
    assert told.isprintable()


def test_notifications_go_out_and_a_bad_address_harms_nobody(tmp_path, monkeypatch, caplog):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    told: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"json://127.0.0.1:{server.server_port}/hook"
        monkeypatch.setenv(notices.NOTIFY_VARIABLE, f"{address} nonsense://secret@nowhere")
        notices.send("Copydesk", ["the run failed: disk <b>full</b>"])
        notices.send("Copydesk", [])
        server.shutdown()
    assert [one["message"] for one in told] == ["the run failed: disk <b>full</b>"]
    assert "secret" not in caplog.text
    assert notices.check_addresses([address, "nonsense://secret@nowhere"]) == [2]
