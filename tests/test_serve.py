"""Schedules through a real Prefect server: what runs, what is skipped, and what becomes of the dead."""

import contextlib
import json
import os
import signal
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows import runs
from flows.errors import ChangedError, CopydeskError
from flows.release.staging import LOCK, held
from flows.runs import FAILED, RELEASED, RUN_LOCK, UNCHANGED, Run

pytestmark = pytest.mark.prefect
COPYDESK = Path(sys.executable).with_name("copydesk")


def page(folder: Path, name: str, place: str = "Ember Bay") -> Path:
    file = folder / name
    file.write_text(f"A pier in {place}\n\nThe pier of {place} opens on Friday, its keeper told the ferries.\n")
    return file


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def client(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the shared server, which runs and processes of the test use, too."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    with temporary_settings({PREFECT_API_URL: server.api_url}), get_client(sync_client=True) as found:
        yield found


@pytest.fixture
def scheduled(client: Any, inbox: Path, tmp_path: Path) -> Any:
    """One scheduled run, here and now: its last state."""
    from flows import deploy

    def once(**parameters: Any) -> Any:
        given = {"sources": [str(inbox)], "out": str(tmp_path / "out"), "settle": 0, **parameters}
        return deploy.scheduled(**given, return_state=True)

    return once


def last(tmp_path: Path) -> Run:
    return runs.records(tmp_path / "out")[-1]


def test_each_file_is_released_once_and_nothing_new_makes_no_release(scheduled, inbox, tmp_path):
    assert scheduled().is_completed()
    assert (last(tmp_path).status, last(tmp_path).version) == (UNCHANGED, None), "an empty inbox is no failure"
    page(inbox, "a.txt")
    assert scheduled().is_completed()
    first = last(tmp_path)
    assert (first.status, first.version, first.counts["released"]) == (RELEASED, "1.0.0", 1)
    assert {"ingest", "normalize", "deduplicate", "release"} <= {*first.seconds}
    assert scheduled().is_completed()
    assert (last(tmp_path).status, last(tmp_path).version, last(tmp_path).seconds) == (UNCHANGED, "1.0.0", {})
    page(inbox, "b.txt", "Skarholm")
    scheduled()
    assert (last(tmp_path).status, last(tmp_path).version, last(tmp_path).previous) == (RELEASED, "1.1.0", "1.0.0")
    assert len(list((tmp_path / "out" / ".runs").glob("2*.json"))) == 4


def test_a_file_that_is_written_waits_and_a_released_one_holds_the_run(scheduled, inbox, tmp_path):
    page(inbox, "a.txt")
    scheduled(settle=3600)
    assert (last(tmp_path).status, last(tmp_path).waiting) == (UNCHANGED, ["a.txt"])
    scheduled()
    assert last(tmp_path).status == RELEASED
    page(inbox, "b.txt", "Skarholm")
    scheduled(settle=3600)
    assert last(tmp_path).status == UNCHANGED, "without a.txt a release would lose what the last one has"
    assert last(tmp_path).message == "waits for a.txt, which is being written"


@pytest.mark.parametrize("name", ["inbox/takedowns.toml", "inbox/sources.toml", "own.toml"])
def test_the_first_release_waits_for_what_speaks_of_its_documents(scheduled, inbox, tmp_path, monkeypatch, name):
    page(inbox, "a.txt")
    (tmp_path / name).write_text("")
    taken = {"takedowns": str(tmp_path / name)} if name == "own.toml" else {}
    written_at = (tmp_path / name).stat().st_mtime_ns
    monkeypatch.setattr("flows.inbox._is_changing", lambda state, *_: state is not None and state[2] == written_at)
    scheduled(settle=3600, **taken)
    assert (last(tmp_path).status, last(tmp_path).version) == (UNCHANGED, None)
    assert last(tmp_path).message == f"waits for {Path(name).name}, which is being written"


def test_what_is_known_of_documents_is_not_read_while_it_is_rewritten(scheduled, inbox, tmp_path, monkeypatch):
    from flows.ingest.run import ingest

    page(inbox, "a.txt")
    known = inbox / "sources.toml"
    known.write_text('[[source]]\nuri = "a.txt"\npublisher = "The Ember Post"\n')

    def ingest_late(*arguments: Any) -> Any:
        known.write_text("")  # as an editor does before it writes the new contents
        return ingest(*arguments)

    monkeypatch.setattr("flows.pipeline.ingest", ingest_late)
    assert scheduled().is_completed()
    assert (last(tmp_path).status, last(tmp_path).version) == (UNCHANGED, None)
    assert "sources.toml changed since it was seen" in last(tmp_path).message


def test_a_source_that_goes_takes_no_release_along(scheduled, inbox, tmp_path):
    page(inbox, "a.txt")
    other = tmp_path / "other"
    other.mkdir()
    page(other, "b.txt", "Skarholm")
    scheduled(sources=[str(inbox), str(other)])
    other.rename(tmp_path / "unmounted")
    state = scheduled(sources=[str(inbox), str(other)])
    assert state.is_failed()
    assert "is not there any more" in last(tmp_path).message
    assert any(notice.startswith("the run failed") for notice in last(tmp_path).notices)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == ["1.0.0"]


def test_the_only_source_that_goes_fails_the_run_too(scheduled, inbox, tmp_path):
    page(inbox, "a.txt")
    scheduled()
    inbox.rename(tmp_path / "unmounted")
    assert scheduled().is_failed()
    assert last(tmp_path).status == FAILED
    assert str(inbox.name) in last(tmp_path).message
    assert [notice.split(":")[0] for notice in last(tmp_path).notices] == ["the run failed"]
    (tmp_path / "unmounted").rename(inbox)
    assert scheduled().is_completed()


def test_a_run_that_fails_or_is_told_to_end_leaves_its_record(scheduled, inbox, tmp_path, monkeypatch):
    from flows import pipeline

    page(inbox, "a.txt")
    for error, status, interrupted in (
        (CopydeskError("the disk\nis full"), FAILED, False),
        (ChangedError("a.txt changed while it was read"), UNCHANGED, False),
        (ZeroDivisionError("x"), FAILED, False),
        (KeyboardInterrupt(), FAILED, True),
    ):

        def fails(*_: Any, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(pipeline, "build_release", fails)
            with contextlib.suppress(ZeroDivisionError, KeyboardInterrupt):
                scheduled()
        assert (last(tmp_path).status, last(tmp_path).is_interrupted) == (status, interrupted)
        assert last(tmp_path).message.isprintable()
    scheduled()
    assert last(tmp_path).status == RELEASED


@pytest.mark.parametrize("name", [LOCK, RUN_LOCK])
def test_a_run_that_finds_another_one_is_skipped(scheduled, inbox, tmp_path, name):
    page(inbox, "a.txt")
    with held(tmp_path / "out", name):
        state = scheduled()
    assert state.is_completed()
    assert state.message.startswith("skipped: ")
    assert runs.records(tmp_path / "out") == []


def test_a_record_of_the_future_skips_no_run(scheduled, inbox, tmp_path):
    ahead = runs.instant(datetime.now(UTC) + timedelta(days=3650))
    runs.write(tmp_path / "out", Run("0c5a5a5a-0000-4000-8000-000000000000", UNCHANGED, "nothing new", ahead, ahead))
    page(inbox, "a.txt")
    state = scheduled()
    assert state.is_completed()
    assert state.message == "release 1.0.0, first"


def test_publication_belongs_to_the_run(scheduled, inbox, tmp_path, monkeypatch):
    from flows import pipeline
    from flows.errors import NetworkError
    from flows.publish.hub import Published

    page(inbox, "a.txt")

    def away(*_: Any, **__: Any) -> None:
        raise NetworkError("the Hub does not answer")

    monkeypatch.setattr(pipeline, "verify_and_send", away)
    assert scheduled(repo="ada/pier").is_failed()
    assert (last(tmp_path).status, last(tmp_path).version) == (FAILED, "1.0.0")
    sent = []

    def there(release: Path, repo: str, *_: Any, **__: Any) -> Published:
        sent.append((release.name, repo))
        return Published(repo, f"https://hub/{repo}", "1.0.0", "full", "v1.0.0", "c", "published", 9, "articles")

    monkeypatch.setattr(pipeline, "verify_and_send", there)
    assert scheduled(repo="ada/pier").is_completed(), "the release was there already, its publication was not"
    assert last(tmp_path).status == RELEASED
    publication = last(tmp_path).publication
    assert publication is not None
    assert publication["tag"] == "v1.0.0"
    scheduled(repo="ada/pier")
    assert sent == [("1.0.0", "ada/pier")]


def test_what_a_run_tells_is_no_markup(tmp_path):
    from flows.deploy import run_markdown

    run = Run("r", FAILED, "<script>|`x`", "", "", rejects={"a|b": 2}, notices=["![x](y)"], counts={"read": 3})
    text = run_markdown(run, tmp_path)
    assert "<script>" not in text
    assert "![x](y)" not in text
    assert "| read | 3 |" in text


# --- serving ---


@pytest.fixture
def watch(client: Any, inbox: Path, tmp_path: Path) -> Iterator[Any]:
    with watching(client, inbox, tmp_path / "out") as found:
        yield found


def watching(client: Any, inbox: Path, out: Path) -> Any:
    from flows.deploy import Watch, interval

    return Watch(client, interval(30 * 86400), {"sources": [str(inbox)], "out": str(out), "settle": 0})


def finish(watch: Any) -> None:
    deadline = time.monotonic() + 120
    while watch._child is not None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        watch._tick()


def test_of_what_is_due_the_latest_runs_and_the_rest_is_skipped(watch, client, inbox, tmp_path):
    from prefect.states import Scheduled

    page(inbox, "a.txt")
    watch._tick()
    now = datetime.now(UTC)
    due = [
        client.create_flow_run_from_deployment(
            watch._deployment, state=Scheduled(scheduled_time=now - timedelta(minutes=minutes))
        )
        for minutes in (3, 1, 2)
    ]
    watch._tick()
    during = client.create_flow_run_from_deployment(watch._deployment)
    watch._tick()
    finish(watch)
    states = [client.read_flow_run(one.id).state for one in (*due, during)]
    assert all(state.is_completed() for state in states)
    skipped = [state.message for state in states if state.name == "Skipped"]
    assert sum("due later" in message for message in skipped) == 2
    assert sum("still at work" in message for message in skipped) == 1
    (record,) = runs.records(tmp_path / "out")
    assert (record.status, record.run_id) == (RELEASED, str(due[1].id))


def test_what_died_is_buried_and_its_run_is_caught_up_once(watch, client, inbox, tmp_path):
    from prefect.states import Pending, Running

    watch._tick()
    dead = [client.create_flow_run_from_deployment(watch._deployment) for _ in range(2)]
    client.set_flow_run_state(dead[0].id, Pending())
    client.set_flow_run_state(dead[0].id, Running())
    client.set_flow_run_state(dead[1].id, Running(), force=True)
    out = tmp_path / "out"
    done = Run(str(dead[1].id), RELEASED, "release 1.0.0", runs.instant(datetime.now(UTC)), "")
    runs.write(out, done)
    with held(out, RUN_LOCK):
        watch._reconcile()
    assert client.read_flow_run(dead[0].id).state.is_running(), "it may be at work"
    with watching(client, inbox, out) as again:
        again._reconcile()
        states = [client.read_flow_run(one.id).state for one in dead]
        assert states[0].is_crashed()
        assert states[1].is_completed(), "its record says how it ended"
        (killed,) = (run for run in runs.records(out) if run.run_id == str(dead[0].id))
        assert (killed.status, killed.is_interrupted) == (FAILED, True)
        due = client.get_scheduled_flow_runs_for_deployments([again._deployment], datetime.now(UTC))
        assert len(due) == 1
        again._reconcile()
        assert len(client.get_scheduled_flow_runs_for_deployments([again._deployment], datetime.now(UTC))) == 1


def test_a_run_that_is_deleted_before_it_begins_is_no_matter(watch, client, monkeypatch):
    watch._tick()
    due = client.create_flow_run_from_deployment(watch._deployment)
    pending = client.set_flow_run_state

    def deleted(run_id: Any, *arguments: Any, **options: Any) -> Any:
        client.delete_flow_run(run_id)
        return pending(run_id, *arguments, **options)

    monkeypatch.setattr(client, "set_flow_run_state", deleted)
    watch._start(due.id)
    assert watch._child is None


@pytest.mark.parametrize("is_asked", [False, True])
def test_a_run_that_is_not_yet_begun_when_serve_ends_does_not_stay_pending(
    client, inbox, tmp_path, monkeypatch, is_asked
):
    pending = client.set_flow_run_state

    def stopped(run_id: Any, *arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        if is_asked:
            pending(run_id, *arguments, **options)
        raise SystemExit(0)  # as at SIGTERM

    with watching(client, inbox, tmp_path / "out") as watch:
        watch._tick()
        due = client.create_flow_run_from_deployment(watch._deployment)
        monkeypatch.setattr(client, "set_flow_run_state", stopped)
        with pytest.raises(SystemExit):
            watch._start(due.id)
    state = client.read_flow_run(due.id).state
    assert state is not None
    assert state.is_crashed() if is_asked else state.is_scheduled()


def test_what_passes_ends_no_schedule_and_is_told_once(watch, monkeypatch, caplog):
    from prefect.exceptions import ObjectNotFound

    from flows import deploy

    full = CopydeskError("cannot write to out: No space left on device")
    looks: list[BaseException | None] = []
    for error in (full, OSError(12, "Cannot allocate memory"), ObjectNotFound(KeyError()), httpx.ConnectError("")):
        looks += [error, error, None]
    looks.append(KeyboardInterrupt())

    def tick() -> None:
        if (raised := looks.pop(0)) is not None:
            raise raised

    monkeypatch.setattr(watch, "_tick", tick)
    monkeypatch.setattr(deploy, "POLL_SECONDS", 0)
    told: list[str] = []
    with caplog.at_level("INFO", "copydesk"), pytest.raises(KeyboardInterrupt):
        watch.run(told.append, None)
    lines = [record.getMessage() for record in caplog.records if record.name == "copydesk"]
    assert [line for line in lines if "\n" not in line and line.endswith("; trying on")] == lines[::2]
    assert len(lines[::2]) == 4
    assert {*lines[1::2]} == {"it works again"}
    assert len(told) == 1


@pytest.mark.parametrize("has_polled", [False, True])
def test_a_server_that_does_not_come_back_at_once_is_tried_again(tmp_path, monkeypatch, has_polled):
    from flows import deploy

    starts: list[Exception | None] = [None, CopydeskError("no room"), OSError(28, "No space left on device"), None]
    polls = [deploy.ServerLostError(), KeyboardInterrupt()]

    class Server(contextlib.nullcontext[Any]):
        api_url = "http://127.0.0.1:9/api"

        def __enter__(self) -> Any:
            return self

        def wait(self) -> None:
            if (error := starts.pop(0)) is not None:
                raise error

    def poll(*_: object) -> None:
        raise polls.pop(0)

    monkeypatch.setenv("COPYDESK_NOTIFY", "")
    monkeypatch.setattr(deploy, "EmbeddedServer", lambda **_: Server())
    monkeypatch.setattr(deploy.Watch, "run", poll)
    monkeypatch.setattr(deploy, "RECONCILE_SECONDS", 0)
    if not has_polled:
        del starts[0]
    with pytest.raises(KeyboardInterrupt if has_polled else CopydeskError):
        deploy.serve(deploy.interval(60), {"sources": [], "out": str(tmp_path)}, [], print)
    assert len(starts) == (0 if has_polled else 2)


def test_a_run_that_is_cancelled_at_the_server_ends(watch, client):
    from prefect.states import Cancelling

    watch._tick()
    wanted = client.create_flow_run_from_deployment(watch._deployment)
    watch._tick()
    child = watch._child
    assert child.poll() is None
    client.set_flow_run_state(wanted.id, Cancelling(), force=True)
    watch._reconcile()
    assert child.poll() is not None
    assert client.read_flow_run(wanted.id).state.is_cancelled()


@pytest.mark.parametrize("name", ["a%b", "a&b", "a<b>", "a b", "a\x1b[31mb", "ü", "a/b%"])
def test_a_folder_may_have_any_name(client, inbox, tmp_path, name):
    from flows.deploy import deployment_name

    out = tmp_path / name
    with watching(client, inbox, out) as watch:
        deployment = client.read_deployment(watch._apply())
    assert deployment.name == deployment_name(out)
    assert set(deployment.name) <= set(string.ascii_letters + string.digits + "._-")
    assert deployment.name != deployment_name(tmp_path / name.replace("a", "a%").replace("ü", "ö"))


def test_a_server_that_lost_its_database_gets_the_deployment_again(watch, client):
    watch._tick()
    client.delete_deployment(watch._deployment)
    watch._reconcile()
    assert client.read_deployment(watch._deployment).schedules


def test_the_command_says_when_it_polls_and_ends_with_0(client, inbox, tmp_path):
    command = [str(COPYDESK), "serve", "--source", str(inbox), "--out", str(tmp_path / "out"), "--interval", "1d"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        lines = iter(serving.stdout.readline, "")
        assert any(line.startswith("serving scheduled/out-") for line in lines)
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert second.returncode == 3
        assert f"process {serving.pid} on" in second.stderr
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "either --cron or --interval"),
        (["--cron", "0 2 * * *", "--interval", "9"], "either --cron or --interval"),
        (["--interval", "soon"], "--interval soon"),
        (["--interval", "-5"], "--interval -5"),
        (["--interval", "9", "--repo", "a/b/c"], "a/b/c"),
        (["--interval", "9", "--column", "text"], "--column text"),
        (["--interval", "9", "--source", "dist/1.0.0"], "dist/1.0.0 cannot be a SOURCE"),
        (["--interval", "9", "--state", "inbox"], "inbox cannot be a SOURCE"),
    ],
)
def test_wrong_usage_is_told_before_anything_starts(options, words, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from flows.cli import cli

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.chdir(tmp_path)
    try:
        told = CliRunner().invoke(cli, ["serve", "--source", "inbox", *options])
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert words in str(told.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_server_has_gone_is_one_line(tmp_path):
    command = [sys.executable, "-m", "flows.deploy", "0c5a5a5a-0000-4000-8000-000000000000"]
    environment = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as run:
        assert run.stdout is not None
        said = run.stdout.read()
        assert run.wait(120) == 1
    assert "did not begin: Prefect's server does not answer" in said
    assert "Traceback" not in said


def test_the_record_is_what_other_programs_read(scheduled, inbox, tmp_path):
    page(inbox, "a.txt")
    scheduled()
    (file,) = (tmp_path / "out" / ".runs").glob("2*.json")
    record = json.loads(file.read_text())
    assert file.name.startswith(record["started_at"][:4])
    assert file.name.endswith(f"-{record['run_id']}.json")
    assert {"status", "version", "counts", "seconds"} <= {*record}
