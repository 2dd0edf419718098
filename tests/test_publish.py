"""A release on the Hub: whole or not at all, once, and what came back is what was sent."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.publish.repository import BATCH_FILES
from tests.hub.faults import Fault
from tests.hub.publisher import Outcome, Publisher
from tests.hub.releases import contents, three_releases
from tests.hub.server import PART_BYTES, Hub

TOKEN = "hf_the_token_of_ada"
READER = "hf_of_somebody_who_may_only_read"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return three_releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="module")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub")) as running:
        running.user(TOKEN, "ada", "harbour")
        running.user(READER, "bob", "harbour", can_write=False)
        yield running


@pytest.fixture(scope="module")
def publisher(shared_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    with Publisher(shared_hub, tmp_path_factory.mktemp("home"), TOKEN) as process:
        yield process


@pytest.fixture
def hub(shared_hub: Hub) -> Hub:
    """The Hub without repositories, faults and log."""
    shared_hub.store.repositories.clear()
    shared_hub.store.sizes.clear()
    shared_hub.faults.set()
    shared_hub.log.clear()
    return shared_hub


def there(hub: Hub, repo: str, revision: str) -> dict[str, bytes]:
    """The files of a revision but the Hub's own."""
    return {path: text for path, text in hub.store.content(repo, revision).items() if path != ".gitattributes"}


def committed(hub: Hub, repo: str = "ada/pier") -> list[str]:
    """The titles of its commits, the newest first."""
    return [commit.title for commit in hub.store.repositories[repo].history("main")]


def succeeded(outcome: Outcome) -> dict[str, object]:
    assert outcome.code == 0, outcome.message
    assert outcome.published is not None
    return outcome.published


def test_a_release_becomes_one_commit_and_one_tag(hub, publisher, releases):
    published = succeeded(publisher.publish(releases[0], "ada/pier"))
    repository = hub.store.repositories["ada/pier"]
    assert committed(hub) == ["Release 1.0.0", "initial commit"]
    assert repository.tags == {"v1.0.0": repository.head}
    assert repository.tag_messages["v1.0.0"], "an annotated tag has a message"
    assert repository.is_private
    assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])
    assert ".gitattributes" in repository.commits[repository.head].tree
    assert published["address"] == f"{hub.endpoint}/datasets/ada/pier/tree/v1.0.0"
    assert (published["outcome"], published["edition"], published["configuration"]) == ("published", "full", "articles")


def test_what_is_there_already_is_not_sent_again(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    hub.log.clear()
    again = succeeded(publisher.publish(releases[0], "ada/pier"))
    assert again["outcome"] == "unchanged"
    assert hub.requests("^(POST|PUT|DELETE)") == []
    assert len(committed(hub)) == 2


def test_the_next_version_is_one_more_commit_and_the_old_tag_keeps_its_bytes(hub, publisher, releases):
    for release in releases:
        succeeded(publisher.publish(release, "ada/pier"))
    assert committed(hub) == ["Release 1.2.0", "Release 1.1.0", "Release 1.0.0", "initial commit"]
    for release in releases:
        assert there(hub, "ada/pier", f"v{release.name}") == contents(release)


def test_only_what_changed_is_uploaded(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    hub.log.clear()
    succeeded(publisher.publish(releases[1], "ada/pier"))
    before, after = contents(releases[0]), contents(releases[1])
    changed = {text for path, text in after.items() if path.endswith(".parquet") and text != before.get(path)}
    assert 0 < len(changed) < sum(path.endswith(".parquet") for path in after)
    assert len(hub.requests("^PUT /lfs/")) == len(changed)


def test_files_that_the_release_lacks_go_in_the_same_commit(hub, publisher, releases):
    repository = hub.store.create("ada/pier", is_private=True)
    tree = {**repository.commits[repository.head].tree, "old/notes.txt": hub.store.regular(b"old")}
    repository.commit(tree, "by hand", "ada")
    succeeded(publisher.publish(releases[0], "ada/pier"))
    assert committed(hub) == ["Release 1.0.0", "by hand", "initial commit"]
    assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])


def test_a_name_alone_is_the_tokens_own(hub, publisher, releases):
    assert succeeded(publisher.publish(releases[0], "pier"))["repository"] == "ada/pier"


def test_an_organisation_is_published_to(hub, publisher, releases):
    assert succeeded(publisher.publish(releases[0], "harbour/pier"))["repository"] == "harbour/pier"


def test_a_version_with_other_content_is_refused(hub, publisher, releases, tmp_path):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    other = shutil.copytree(releases[0], tmp_path / "1.0.0")
    (other / "README.md").write_text((other / "README.md").read_text() + "\nOne more line.\n")
    outcome = publisher.publish(other, "ada/pier")
    assert (outcome.code, len(committed(hub))) == (5, 2)
    assert "v1.0.0 with other content" in outcome.message
    assert "README.md" in outcome.message


def test_an_older_version_after_a_newer_one_is_refused_unless_it_is_there(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    succeeded(publisher.publish(releases[2], "ada/pier"))
    refused = publisher.publish(releases[1], "ada/pier")
    assert (refused.code, "v1.2.0" in refused.message) == (5, True)
    assert succeeded(publisher.publish(releases[0], "ada/pier"))["outcome"] == "unchanged"


def test_a_remote_that_moves_is_refused_with_what_moved(hub, publisher, releases):
    hub.faults.set(Fault("stale", "/commit/"))
    refused = publisher.publish(releases[0], "ada/pier")
    assert refused.code == 5
    assert "notes.txt" in refused.message
    assert committed(hub) == ["A note", "initial commit"]
    assert hub.store.repositories["ada/pier"].tags == {}
    succeeded(publisher.publish(releases[0], "ada/pier"))
    assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])


@pytest.mark.parametrize("where", ["/commit/", "/tag/", "/create", "preupload", "^PUT", "objects/batch", "/tree/"])
@pytest.mark.parametrize("kind", ["lost", "truncate", "503", "drop"])
def test_whatever_answer_is_lost_nothing_is_done_twice(hub, publisher, releases, kind, where):
    hub.faults.set(Fault(kind, where, times=2))
    published = succeeded(publisher.publish(releases[0], "ada/pier"))
    assert hub.faults.met, "the fault struck"
    assert committed(hub) == ["Release 1.0.0", "initial commit"]
    assert hub.store.repositories["ada/pier"].tags == {"v1.0.0": published["commit"]}
    assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])


@pytest.mark.parametrize(
    ("kind", "where"),
    [("kill", "^PUT"), ("kill", "/commit/"), ("kill after", "/commit/"), ("kill after", "/tag/"), ("kill", "resolve")],
)
def test_a_killed_run_is_finished_by_the_next(hub, publisher, releases, kind, where):
    hub.faults.set(Fault(kind, where))
    assert publisher.publish(releases[0], "ada/pier").code == -9
    repository = hub.store.repositories["ada/pier"]
    assert all(there(hub, "ada/pier", tag) == contents(releases[0]) for tag in repository.tags)
    succeeded(publisher.publish(releases[0], "ada/pier"))
    assert committed(hub) == ["Release 1.0.0", "initial commit"]
    assert repository.tags == {"v1.0.0": repository.head}


def test_a_move_that_is_none_does_not_stop_a_publication(hub, publisher, releases):
    hub.faults.set(Fault("unmoved", "/commit/", times=2))
    succeeded(publisher.publish(releases[0], "ada/pier"))
    assert committed(hub) == ["Release 1.0.0", "initial commit"]


def test_more_files_than_a_page_or_a_batch_holds_are_one_commit(hub, publisher, releases, tmp_path):
    many = shutil.copytree(releases[0], tmp_path / "1.0.0")
    (many / "data" / "more").mkdir()
    for number in range(BATCH_FILES + 50):
        (many / "data" / "more" / f"{number:05}.parquet").write_bytes(b"%d" % number)
    outcome = publisher.publish(many, "ada/pier")
    succeeded(outcome)
    assert len(hub.requests("^POST .*/commit/")) == 1
    assert sum(line.startswith("upload: ") for line in outcome.lines) == 2
    assert there(hub, "ada/pier", "v1.0.0") == contents(many)


def test_a_commit_without_its_tag_is_finished_by_tagging_it(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    hub.store.repositories["ada/pier"].tags.clear()
    assert succeeded(publisher.publish(releases[0], "ada/pier"))["outcome"] == "finished"
    assert committed(hub) == ["Release 1.0.0", "initial commit"]


def test_a_version_whose_tag_stands_on_another_commit_is_refused(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    repository = hub.store.repositories["ada/pier"]
    first = next(iter(repository.commits))
    repository.tags["v1.1.0"] = first
    refused = publisher.publish(releases[1], "ada/pier")
    assert (refused.code, "v1.1.0 with other content" in refused.message) == (5, True)
    assert repository.tags["v1.1.0"] == first
    assert len(committed(hub)) == 2


def test_a_tag_is_never_moved(hub, publisher, releases):
    """Somebody tags another commit between our look and our tag."""
    hub.faults.set(Fault("overtaken", "^POST .*/tag/"))
    refused = publisher.publish(releases[0], "ada/pier")
    repository = hub.store.repositories["ada/pier"]
    assert hub.faults.met, "the fault struck"
    assert (refused.code, "v1.0.0 on another commit" in refused.message) == (5, True)
    assert repository.tags == {"v1.0.0": next(iter(repository.commits))}


def test_a_corrupt_file_on_the_server_is_found(hub, publisher, releases):
    succeeded(publisher.publish(releases[0], "ada/pier"))
    hub.store.corrupt("ada/pier", "v1.0.0", "data/passages/00000.parquet")
    damaged = publisher.publish(releases[0], "ada/pier")
    assert damaged.code == 1
    assert "data/passages/00000.parquet" in damaged.message


def test_a_corrupt_file_never_gets_a_tag(hub, publisher, releases):
    hub.faults.set(Fault("flip", "/cdn/", times=-1))
    damaged = publisher.publish(releases[0], "ada/pier")
    assert (damaged.code, "other bytes" in damaged.message) == (1, True)
    assert hub.store.repositories["ada/pier"].tags == {}
    hub.faults.set()
    assert succeeded(publisher.publish(releases[0], "ada/pier"))["outcome"] == "finished"


def test_a_bit_that_flips_on_the_way_back_is_no_damage(hub, publisher, releases):
    hub.faults.set(Fault("flip", "/cdn/", times=2))
    succeeded(publisher.publish(releases[0], "ada/pier"))


def test_files_of_another_release_are_not_taken_for_ours(hub, publisher, releases):
    """A head with the files of the version before is no half of this one."""
    succeeded(publisher.publish(releases[0], "ada/pier"))
    hub.store.repositories["ada/pier"].tags.clear()
    assert succeeded(publisher.publish(releases[1], "ada/pier"))["outcome"] == "published"
    assert hub.store.repositories["ada/pier"].tags.keys() == {"v1.1.0"}


def test_an_ignore_file_in_the_repository_keeps_nothing_from_a_release(hub, publisher, releases):
    repository = hub.store.create("ada/pier", is_private=True)
    tree = {**repository.commits[repository.head].tree, ".gitignore": hub.store.regular(b"*.json\n*.parquet\n")}
    repository.commit(tree, "by hand", "ada")
    succeeded(publisher.publish(releases[0], "ada/pier"))
    assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])


@pytest.mark.parametrize(("wished", "is_private"), [("public", True), ("private", False)])
def test_a_repository_that_exists_the_other_way_is_refused(hub, publisher, releases, wished, is_private):
    hub.store.create("ada/pier", is_private=is_private)
    refused = publisher.publish(releases[0], "ada/pier", wished)
    assert (refused.code, committed(hub)) == (5, ["initial commit"])


def test_a_repository_that_becomes_public_meanwhile_gets_nothing(hub, publisher, releases):
    """The edition was chosen for a private one."""
    hub.store.create("ada/pier", is_private=True)
    hub.faults.set(Fault("unveil", "preupload"))
    refused = publisher.publish(releases[0], "ada/pier")
    assert (refused.code, committed(hub)) == (5, ["initial commit"])
    assert "made public" in refused.message


def test_a_public_repository_gets_the_full_release_only_by_the_flag(hub, publisher, releases):
    published = publisher.publish(releases[0], "ada/pier", "public", include_reserved_text=True)
    assert succeeded(published)["edition"] == "full"
    assert not hub.store.repositories["ada/pier"].is_private


def test_what_the_hub_does_not_say_to_be_private_is_public(hub, publisher, releases):
    hub.store.create("ada/pier", is_private=None)
    refused = publisher.publish(releases[0], "ada/pier", "private")
    assert (refused.code, "is public" in refused.message) == (5, True)


def told(hub: Hub, tmp_path: Path, release: Path, repo: str, token: str = TOKEN, **environment: str) -> Outcome:
    with Publisher(hub, tmp_path / "home", token, environment) as process:
        return process.publish(release, repo)


def test_a_wrong_token_is_told(hub, releases, tmp_path):
    outcome = told(hub, tmp_path, releases[0], "ada/pier", "hf_wrong")
    assert (outcome.code, "does not accept the token" in outcome.message) == (5, True)
    assert "hf_wrong" not in outcome.message


def test_no_token_is_told(hub, releases, tmp_path):
    outcome = told(hub, tmp_path, releases[0], "ada/pier", "")
    assert (outcome.code, "HF_TOKEN" in outcome.message) == (5, True)
    assert hub.requests("^(POST|PUT)") == []


def test_a_login_will_do_for_a_token(hub, releases, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(TOKEN)
    assert succeeded(told(hub, tmp_path, releases[0], "pier", ""))["repository"] == "ada/pier"


def test_no_right_to_create_is_told(hub, releases, tmp_path):
    outcome = told(hub, tmp_path, releases[0], "harbour/pier", READER)
    assert (outcome.code, "bob has no right" in outcome.message) == (5, True)


def test_no_right_to_write_is_told(hub, releases, tmp_path):
    hub.store.create("harbour/pier", is_private=True)
    outcome = told(hub, tmp_path, releases[0], "harbour/pier", READER)
    assert (outcome.code, "no right" in outcome.message) == (5, True)
    assert committed(hub, "harbour/pier") == ["initial commit"]


def test_somebody_elses_private_repository_is_told(hub, publisher, releases):
    hub.store.create("eve/pier", is_private=True)
    outcome = publisher.publish(releases[0], "eve/pier")
    assert (outcome.code, "no organisation eve" in outcome.message) == (5, True)


def test_no_such_organisation_is_told(hub, publisher, releases):
    outcome = publisher.publish(releases[0], "nobody/pier")
    assert (outcome.code, "no organisation nobody" in outcome.message) == (5, True)


def test_no_network_is_told(hub, releases, tmp_path):
    outcome = told(hub, tmp_path, releases[0], "ada/pier", HF_ENDPOINT="http://127.0.0.1:9")
    assert (outcome.code, "no connection" in outcome.message) == (4, True)
    assert outcome.seconds < 30


def test_offline_mode_is_told(hub, releases, tmp_path):
    outcome = told(hub, tmp_path, releases[0], "ada/pier", HF_HUB_OFFLINE="1")
    assert (outcome.code, "HF_HUB_OFFLINE" in outcome.message) == (4, True)


@pytest.mark.parametrize("name", ["a/b/c", "--x", "ada/x..y", "datasets/", "", "ada/x.git", "ada/" + "x" * 100, "ä/b"])
def test_a_bad_name_is_wrong_usage(hub, publisher, releases, name):
    assert publisher.publish(releases[0], name).code == 2
    assert hub.log == []


@pytest.mark.parametrize("where", ["", "/commit/", "^PUT", "resolve"])
def test_a_server_that_only_fails_is_given_up_in_time(hub, publisher, releases, where):
    hub.faults.set(Fault("503", where, times=-1))
    outcome = publisher.publish(releases[0], "ada/pier")
    assert (outcome.code, "503" in outcome.message) == (4, True)
    assert 20 < outcome.seconds < 90
    assert len(outcome.message.splitlines()) == 1


def test_a_server_that_takes_all_parts_and_never_the_whole_is_given_up_in_time(hub, publisher, releases, tmp_path):
    large = shutil.copytree(releases[0], tmp_path / "1.0.0")
    (large / "data" / "large.parquet").write_bytes(bytes(PART_BYTES + 1))
    hub.faults.set(Fault("503", "/complete$", times=-1))
    outcome = publisher.publish(large, "ada/pier")
    assert (outcome.code, "503" in outcome.message) == (4, True)
    assert outcome.seconds < 150
    hub.faults.set()
    succeeded(publisher.publish(large, "ada/pier"))
    assert there(hub, "ada/pier", "v1.0.0") == contents(large)


def test_a_server_that_asks_for_more_time_than_there_is_is_given_up_at_once(hub, publisher, releases):
    hub.faults.set(Fault("429", "preupload", times=-1, seconds=3600))
    outcome = publisher.publish(releases[0], "ada/pier")
    assert (outcome.code, "3600 s" in outcome.message) == (4, True)
    assert outcome.seconds < 20


def test_a_server_that_asks_for_some_time_gets_it(hub, publisher, releases):
    hub.faults.set(Fault("429", "/commit/", seconds=20))
    outcome = publisher.publish(releases[0], "ada/pier")
    succeeded(outcome)
    assert outcome.seconds >= 20


def test_progress_is_told(hub, publisher, releases):
    lines = publisher.publish(releases[0], "ada/pier").lines
    assert any("files to send" in line for line in lines)
    assert any(line.startswith("upload: ") and " of " in line for line in lines)


def test_the_token_is_in_no_file_and_leaves_the_hub_for_no_other_host(hub, releases, tmp_path):
    succeeded(told(hub, tmp_path, releases[0], "ada/pier"))
    hub.faults.set(Fault("503", "/commit/", times=-1))
    told(hub, tmp_path, releases[1], "ada/pier")
    written = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert written == []
    assert {one.token for one in hub.requests("^GET /cdn/")} == {None}


def test_large_files_go_through_xet_where_the_client_has_it(hub, releases, tmp_path):
    with Publisher(hub, tmp_path / "home", TOKEN, {"HF_HUB_DISABLE_XET": "0"}, speed=1) as process:
        succeeded(process.publish(releases[0], "ada/pier"))
        assert hub.requests("^PUT") == []
        assert hub.requests("xet-write-token")
        assert there(hub, "ada/pier", "v1.0.0") == contents(releases[0])
        assert succeeded(process.publish(releases[0], "ada/pier"))["outcome"] == "unchanged"
        hub.faults.set(Fault("503", "xet-write-token"))
        succeeded(process.publish(releases[1], "ada/pier"))
    assert there(hub, "ada/pier", "v1.1.0") == contents(releases[1])
    assert [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []
