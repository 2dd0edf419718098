"""The parts of publishing that need no Hub."""

import os
import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError, OIDCError
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import CopydeskError, NetworkError, RefusedError, UsageError
from flows.publish.hub import Edition, check_visibility
from flows.publish.problems import OutOfPatienceError, problem_of
from flows.publish.readback import default_configuration
from flows.publish.repository import BATCH_BYTES, BATCH_FILES, Repository, State, batches, checked_name, named
from flows.publish.session import (
    COMMIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    PATIENCE_SECONDS,
    READ_SECONDS,
    Patience,
    PatientClient,
    Session,
    asked_to_wait,
    time_limits,
    wait_bound,
)
from flows.publish.trees import LocalFile, RemoteFile, changes, local_tree
from flows.publishing import chosen_edition
from tests.hub.releases import made
from tests.release_tables import two_stories

PATHS = st.sampled_from(["README.md", "manifest.json", "data/a/0.parquet", "data/a/1.parquet", "data/b/0.parquet"])
TREES = st.dictionaries(PATHS, st.binary(max_size=3))


def local(content: bytes) -> LocalFile:
    return LocalFile(Path("any"), len(content), f"256 {content!r}", f"1 {content!r}")


def remote(content: bytes, *, is_large: bool) -> RemoteFile:
    sha1 = "that of the pointer" if is_large else f"1 {content!r}"
    return RemoteFile(len(content), f"256 {content!r}" if is_large else None, sha1)


@given(ours=TREES, theirs=TREES, is_large=st.booleans())
def test_changes_turn_what_is_there_into_what_is_released(ours, theirs, is_large):
    found = changes(
        {path: local(text) for path, text in ours.items()},
        {path: remote(text, is_large=is_large) for path, text in theirs.items()},
    )
    result = dict(theirs)
    for change in found:
        if change.kind == "delete":
            del result[change.path]
        elif change.kind == "same":
            assert ours[change.path] == theirs[change.path]
        else:
            assert (change.kind == "add") == (change.path not in theirs)
            result[change.path] = ours[change.path]
    assert result == ours
    assert [change.path for change in found] == sorted({*ours, *theirs})


def test_hashes_are_those_of_git_and_of_large_files(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hello").write_bytes(b"hello\n")
    (found,) = local_tree(tmp_path).items()
    assert found[0] == "data/hello"
    assert found[1].git_sha1 == "ce013625030ba8dba906f756967f9e9ca394464a", "as git hash-object says"
    assert found[1].sha256 == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_patience_counts_from_the_beginning_of_what_failed_first():
    clock = Clock()
    patience = Patience(clock=clock)
    clock.now += 500
    assert patience.left() == PATIENCE_SECONDS, "nothing failed so far"
    patience.failed(clock.now - 20, "it took 20 s to fail")
    assert patience.left() == PATIENCE_SECONDS - 20
    clock.now += 10
    patience.failed(clock.now - 1, "again")
    assert patience.left() == PATIENCE_SECONDS - 30


def test_progress_renews_patience():
    clock = Clock()
    patience = Patience(clock=clock)
    patience.failed(clock.now, "first")
    clock.now += 50
    patience.progressed()
    clock.now += 1000
    patience.failed(clock.now - 1005, "what began before the progress and failed after it")
    assert patience.left() == PATIENCE_SECONDS - 1000


def test_sending_the_same_bytes_again_is_no_progress():
    clock = Clock()
    patience = Patience(100, clock)
    for passed in (10, 20, 30):
        patience.failed(clock.now, "it does not end well")
        clock.now += passed
        patience.sent(60)
    assert patience.left() == PATIENCE_SECONDS - 30, "the third time is too often"


def test_a_request_that_had_the_last_second_only_does_not_hide_what_failed_before():
    clock = Clock()

    def answer(request: httpx2.Request) -> httpx2.Response:
        clock.now += 40
        if clock.now < 150:
            return httpx2.Response(503)
        raise httpx2.ReadTimeout("too late", request=request)

    client = PatientClient(transport=httpx2.MockTransport(answer))
    client.session = Session()
    client.session.patience = Patience(clock=clock)
    assert client.get("http://hub.example/").status_code == 503
    with pytest.raises(OutOfPatienceError, match="fails with 503"):
        client.get("http://hub.example/")


@given(st.integers(0, 10_000))
def test_waits_are_bounded(attempt):
    assert 0 < wait_bound(attempt) <= LONGEST_WAIT_SECONDS


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "30"}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"api"; r=0; t=55', "retry-after": "7"}, 55),
        ({"retry-after": "-3"}, 0),
    ],
)
def test_what_a_server_asks_for_is_understood(headers, seconds):
    assert asked_to_wait(headers) == seconds


def test_every_request_has_a_time_limit():
    request = httpx2.Request("POST", "http://any/api/datasets/a/b/commit/main")
    assert time_limits(request, 1000)["read"] == COMMIT_SECONDS
    request = httpx2.Request("GET", "http://any/api/datasets/a/b")
    assert time_limits(request, 1000)["read"] == READ_SECONDS
    request.extensions["timeout"] = {"read": None, "connect": 3.0}
    limits = time_limits(request, 1000)
    assert (limits["read"], limits["connect"]) == (READ_SECONDS, 3.0)
    assert set(time_limits(request, 0.5).values()) == {0.5}


def answer(status: int, **headers: str) -> HfHubHTTPError:
    request = httpx2.Request("GET", "http://any/")
    return HfHubHTTPError("", response=httpx2.Response(status, headers=headers, request=request), server_message="why")


@pytest.mark.parametrize(
    ("error", "kind", "may_pass"),
    [
        (answer(500), NetworkError, True),
        (answer(503), NetworkError, True),
        (answer(429), NetworkError, True),
        (answer(412), NetworkError, True),
        (answer(409), NetworkError, True),
        (answer(401), RefusedError, False),
        (answer(403), RefusedError, False),
        (answer(418), CopydeskError, False),
        (httpx2.ReadTimeout(""), NetworkError, True),
        (httpx2.ConnectError(""), NetworkError, True),
        (httpx2.RemoteProtocolError(""), NetworkError, True),
        (httpx2.UnsupportedProtocol(""), UsageError, False),
        (OIDCError("no id token is available"), RefusedError, False),
        (RuntimeError("what the storage says"), NetworkError, True),
        (KeyError("commitOid"), NetworkError, False),
        (OSError(28, "No space left on device", "/some/where"), CopydeskError, False),
    ],
)
def test_problems_are_known_by_what_a_person_can_do(error, kind, may_pass):
    problem = problem_of(error)
    assert (problem.kind, problem.may_pass) == (kind, may_pass)
    assert problem.text
    assert "\n" not in problem.text


def test_a_problem_is_found_behind_what_hides_it():
    wrapped = RuntimeError("Error while uploading")
    wrapped.__cause__ = answer(429, **{"retry-after": "9"})
    assert (problem_of(wrapped).wait_seconds, "too many requests" in problem_of(wrapped).text) == (9, True)


def test_a_token_that_a_server_repeats_is_masked():
    session = Session()
    session._token = "hf_secret"
    message = str(session.error("commit", problem_of(RuntimeError("no such token: hf_secret"))))
    assert "hf_secret" not in message
    assert "***" in message


@given(st.lists(st.integers(0, 50_000_000), max_size=500))
def test_batches_hold_every_file_once_and_not_too_much(sizes):
    files = []
    for number, size in enumerate(sizes):
        files.append(CommitOperationAdd(str(number), b""))
        files[-1].upload_info.size = size
    found = list(batches(files))
    assert [file for batch in found for file in batch] == files
    for batch in found:
        assert 1 <= len(batch) <= BATCH_FILES
        assert len(batch) == 1 or sum(file.upload_info.size for file in batch) <= BATCH_BYTES


@pytest.mark.parametrize("name", ["a", "a/b", "Some-body/some_data.v2"])
def test_names_of_repositories(name):
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a/b/c", "/a", "a/", "a b", "a\nb", "../a", "a--b", "-a", "https://x/y", "a.git"])
def test_what_no_repository_can_be_called(name):
    with pytest.raises(UsageError) as told:
        checked_name(name)
    assert len(str(told.value).splitlines()) == 1


def test_a_message_names_some_paths_and_counts_the_others():
    assert named(["a"]) == "a"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_what_takes_too_long_is_left_behind():
    session = Session()
    with pytest.raises(NetworkError, match="did nothing"):
        session.in_background(lambda: time.sleep(1), 0.01)
    with pytest.raises(KeyError):
        session.in_background(lambda: os.environ["NO_SUCH_NAME"], 10)
    assert session.in_background(lambda: 7, 10) == 7


def test_visibility_is_what_the_hub_says_else_what_is_wished_else_private():
    repository = Repository(Session(), "ada/pier")
    assert check_visibility(repository, None, None) is True
    assert check_visibility(repository, None, "public") is False
    assert check_visibility(repository, State("0", is_private=False), None) is False
    with pytest.raises(RefusedError):
        check_visibility(repository, State("0", is_private=False), "private")


def test_the_default_configuration_is_the_one_that_says_so():
    card = "---\nconfigs:\n- config_name: a\n  data_files: [{split: train, path: a/*}]\n- config_name: b\n"
    card += "  data_files: [{split: train, path: b/*}]\n  default: true\n---\ntext\n---\n"
    assert default_configuration(card) == ("b", "b/*")
    with pytest.raises(CopydeskError, match="no configuration"):
        default_configuration("# A card without anything\n")


def test_a_private_repository_gets_the_release_itself(tmp_path):
    release = made(two_stories(), tmp_path)
    with chosen_edition(release, is_private=True, include_reserved_text=False) as edition:
        assert edition == Edition(release, "1.0.0", "full", edition.row_counts)
        assert edition.row_counts["articles"] == 2


def test_a_public_repository_gets_no_full_edition_without_the_flag(tmp_path):
    release = made(two_stories(), tmp_path)
    with chosen_edition(release, is_private=False, include_reserved_text=True) as edition:
        assert edition.name == "full"
