"""The public edition on the Hub: it arrives as it was derived, strangers read it, and nothing that is withheld went."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from flows.edition import public_edition
from flows.hydrate import hydrate
from flows.verify import verify
from tests.hub.publisher import ROOT, Publisher
from tests.hub.releases import contents
from tests.hub.server import Hub
from tests.test_edition import OPEN, QUOTING, RESERVED, built, folder_of, given_away
from tests.test_publish_readers import expected, read

TOKEN = "hf_the_token_of_ada"
REPO = "ada/pier"
READERS = ["datasets", "streaming", "polars", "model", "duckdb"]
FOLDER_IN_CARD = "--local-dir 1.1.0"


@dataclass(frozen=True)
class Published:
    """Two versions of a public repository.

    Attributes:
        hub: where it is.
        pages: what both were built from; the second has one page more.
        releases: the full releases.
        editions: their public editions, as `copydesk edition` writes them.
        outcomes: of publishing the first, the first again, and the second: outcome, edition, requests that write.
        environment: of a stranger, who has no token.
    """

    hub: Hub
    pages: Path
    releases: list[Path]
    editions: list[Path]
    outcomes: list[tuple[str, str, int]]
    environment: dict[str, str]

    def there(self, revision: str) -> dict[str, bytes]:
        """The files of a revision but the Hub's own."""
        found = self.hub.store.content(REPO, revision)
        return {path: text for path, text in found.items() if path != ".gitattributes"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("public")
    records = "".join(json.dumps({"text": text}) + "\n" for text in (RESERVED, OPEN.replace("ships", "boats")))
    pages = {"reserved.txt": RESERVED, "open.txt": OPEN, "quoting.txt": QUOTING, "box.jsonl": records}
    releases = [built(folder_of(pages, folder / "pages"), folder / "dist", hub_repo=REPO)]
    (folder / "pages" / "more.txt").write_text(RESERVED.replace("noon", "dusk"))
    releases.append(built(folder / "pages", folder / "dist", hub_repo=REPO))
    editions = [public_edition(release, folder / "editions" / release.name) for release in releases]
    with Hub(folder / "hub") as hub:
        hub.user(TOKEN, "ada")
        outcomes = []
        with Publisher(hub, folder / "publisher", TOKEN) as publisher:
            for release in (releases[0], releases[0], releases[1]):
                hub.log.clear()
                outcome = publisher.publish(release, REPO, "public")
                assert outcome.published is not None, outcome.message
                told = outcome.published
                writes = len(hub.requests("^(POST|PUT|DELETE)"))
                outcomes.append((told["outcome"], told["edition"], writes))
        stranger = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "", "HF_HOME": str(folder / "stranger")}
        stranger |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "PYTHONPATH": str(ROOT)}
        yield Published(hub, folder / "pages", releases, editions, outcomes, stranger)


@pytest.fixture(scope="module")
def pulled(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second version, pulled with the command that its card gives."""
    folder = tmp_path_factory.mktemp("pulled")
    (command,) = re.findall(r"^hf download .*$", card(published), re.MULTILINE)
    assert command.endswith(FOLDER_IN_CARD)
    program = str(Path(sys.executable).with_name("hf"))
    environment = os.environ | published.environment
    subprocess.run([program, *command.split()[1:]], cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "1.1.0"


def card(published: Published) -> str:
    return published.there("v1.1.0")["README.md"].decode()


def test_what_arrives_is_the_edition_byte_for_byte(published: Published):
    for edition in published.editions:
        assert published.there(f"v{edition.name}") == contents(edition)
    repository = published.hub.store.repositories[REPO]
    assert repository.is_private is False
    assert [commit.title for commit in repository.history("main")] == [
        "Release 1.1.0 (public edition)",
        "Release 1.0.0 (public edition)",
        "initial commit",
    ]
    assert repository.tags.keys() == {"v1.0.0", "v1.1.0"}
    assert repository.tags["v1.1.0"] == repository.head


def test_the_same_version_again_sends_nothing(published: Published):
    first, again, following = published.outcomes
    assert (first[:2], again, following[:2]) == (
        ("published", "public"),
        ("unchanged", "public", 0),
        ("published", "public"),
    )


def test_a_stranger_reads_every_configuration(published: Published):
    configurations = yaml.safe_load(card(published).split("---\n", 2)[1])["configs"]
    names = {one["config_name"] for one in configurations}
    assert names >= {"articles", "passages", "sources", "evidence"}
    columns = {name: published_columns(published.editions[1], name) for name in names}
    for revision, edition in (("v1.1.0", published.editions[1]), ("v1.0.0", published.editions[0])):
        found = read(published.environment, revision, READERS, columns)
        found.pop("snapshot")
        assert found == dict.fromkeys(READERS, expected(edition, columns))
    # pandas has two ways to say that something is unknown.
    known = {"articles": ["article_id", "word_count"], "passages": ["passage_id", "role", "char_start"]}
    found = read(published.environment, None, ["pandas"], known)
    assert found["pandas"] == expected(published.editions[1], known)


def published_columns(edition: Path, table: str) -> list[str]:
    """The columns whose values every reader gives the same words for: no lists, dates and instants."""
    schema = pl.read_parquet_schema(edition / "data" / table / "00000.parquet")
    return [name for name, dtype in schema.items() if dtype in (pl.String, pl.Boolean, pl.UInt32, pl.UInt64)]


def test_a_snapshot_verifies_leaks_nothing_and_is_hydrated(published: Published, tmp_path: Path):
    found = read(published.environment, "v1.1.0", [], {})
    snapshot = Path(found["snapshot"]["folder"])
    assert (snapshot / "README.md").is_symlink(), "the cache of the client holds links"
    assert (snapshot / ".gitattributes").exists()
    assert verify(snapshot, [published.pages]).failures == ()
    assert given_away(published.releases[1], snapshot) == []
    result = hydrate(snapshot, [published.pages], tmp_path / "again")
    assert (result.is_whole, result.missing, result.notes) == (True, (), ())
    assert contents(result.path) == contents(published.releases[1])


def test_what_the_command_of_the_card_pulls_verifies_and_is_published_like_the_edition(
    published: Published, pulled: Path, tmp_path: Path
):
    assert (pulled / ".cache" / "huggingface").is_dir()
    verified = verify(pulled)
    assert verified.failures == ()
    assert any(".gitattributes" in note for note in verified.notes)
    with Publisher(published.hub, tmp_path / "home", TOKEN) as publisher:
        outcome = publisher.publish(pulled, "ada/copy", "public")
    assert outcome.code == 0, outcome.message
    there = published.hub.store.content("ada/copy", "v1.1.0")
    assert {path: text for path, text in there.items() if path != ".gitattributes"} == contents(published.editions[1])


def test_a_pulled_release_that_was_changed_fails(published: Published, pulled: Path, tmp_path: Path):
    changed = shutil.copytree(pulled, tmp_path / "1.1.0")
    (changed / "data" / ".gitattributes").write_text("")
    (changed / ".cache" / "notes").write_text("")
    (changed / "README.md").unlink()
    (changed / "README.md").symlink_to(published.editions[1] / "README.md")
    failures = {(failure.file, failure.check) for failure in verify(changed).failures}
    assert failures >= {("data/.gitattributes", "too_many"), (".cache/notes", "too_many"), ("README.md", "link")}


@pytest.mark.parametrize("place", ["From the Hub", "From disk"])
def test_the_snippets_of_the_card_run_as_they_stand(published: Published, pulled: Path, place: str):
    section = re.split(r"\n##+ ", card(published).split(f"### {place}")[1])[0]
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(snippets) == 4
    # Each with names of its own, after which its articles are counted.
    script = (
        "import sys\n"
        "for snippet in sys.argv[1:]:\n"
        "    names = {'__name__': '__main__'}\n"
        "    exec(snippet, names)\n"
        "    print('rows:', len(names.get('articles', ())))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, *snippets],
        cwd=pulled,
        env=os.environ | published.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    count = pl.read_parquet(pulled / "data/articles/*.parquet").height
    assert told.stdout.count(f"rows: {count}\n") == (4 if place == "From the Hub" else 3)


def test_reserved_text_goes_to_a_public_repository_only_by_the_flag(published: Published, tmp_path: Path):
    with Publisher(published.hub, tmp_path / "home", TOKEN) as publisher:
        outcome = publisher.publish(published.releases[0], "ada/all", "public", include_reserved_text=True)
        assert outcome.published is not None, outcome.message
        assert outcome.published["edition"] == "full"
        refused = publisher.publish(published.releases[0], "ada/all", "public")
        assert (refused.code, "other content than this public edition" in refused.message) == (5, True)
        wrong = publisher.publish(published.editions[0], "ada/all", include_reserved_text=True)
        assert (wrong.code, "is the public edition" in wrong.message) == (2, True)
    there = published.hub.store.content("ada/all", "v1.0.0")
    assert {path: text for path, text in there.items() if path != ".gitattributes"} == contents(published.releases[0])


def test_an_edition_on_disk_is_published_as_it_is(published: Published, tmp_path: Path):
    with Publisher(published.hub, tmp_path / "home", TOKEN) as publisher:
        assert publisher.publish(published.editions[0], "ada/edition", "public").code == 0
        refused = publisher.publish(published.editions[0], "ada/private")
        assert (refused.code, "a private repository gets the full one" in refused.message) == (2, True)
    there = published.hub.store.content("ada/edition", "v1.0.0")
    assert {path: text for path, text in there.items() if path != ".gitattributes"} == contents(published.editions[0])
    assert "ada/private" not in published.hub.store.repositories
