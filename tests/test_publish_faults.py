"""Faults by chance: a version appears whole, once, or not at all, and the next publication finishes.

python -m tests.test_publish_faults 500 7      # 500 faults, from seed 7
"""

import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.hub.faults import drawn
from tests.hub.publisher import FAST, Publisher
from tests.hub.releases import contents, three_releases
from tests.hub.server import Hub

TOKEN = "hf_the_token_of_ada"
REPO = "ada/pier"
# Most of the time is spent waiting, so several campaigns go on side by side.
AT_ONCE = 3


def test_a_version_appears_whole_once_or_not_at_all(tmp_path):
    met = campaign(tmp_path, fault_count=30, seed=1)
    assert met.total() >= 30


def campaign(folder: Path, fault_count: int, seed: int, speed: int = FAST) -> Counter[str]:
    """Let faults strike until there were that many; how often each kind struck.

    Raises:
        AssertionError: something was there that must never be, or a failure was not told in a clear line.
    """
    releases = three_releases(folder / "releases")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [
            pool.submit(
                _campaign, folder / str(part), releases, fault_count // AT_ONCE + 1, seed * AT_ONCE + part, speed
            )
            for part in range(AT_ONCE)
        ]
        return sum((part.result() for part in parts), Counter())


def _campaign(folder: Path, releases: list[Path], fault_count: int, seed: int, speed: int) -> Counter[str]:
    rng = random.Random(seed)
    met: Counter[str] = Counter()
    with Hub(folder / "hub") as hub, Publisher(hub, folder / "home", TOKEN, speed=speed) as publisher:
        hub.user(TOKEN, "ada")
        while met.total() < fault_count:
            hub.store.repositories.clear()
            hub.store.sizes.clear()
            for release in releases:
                faults = drawn(rng)
                hub.faults.set(*faults)
                outcome = publisher.publish(release, REPO)
                met.update(kind for kind, _ in hub.faults.met)
                where = f"seed {seed}, after {met.total()} faults: {release.name}, {faults}"
                check_versions(hub, releases, where)
                if outcome.code not in (0, -9):
                    assert outcome.code in (1, 4, 5), f"{where}: {outcome}"
                    assert 1 <= len(outcome.message.splitlines()) <= 3, f"{where}: {outcome}"
                    assert "\n" not in outcome.message or outcome.code != 4, f"{where}: {outcome}"
                hub.faults.set()
                again = publisher.publish(release, REPO)
                assert again.code == 0, f"{where}: {outcome}, then {again}"
                check_versions(hub, releases, where)
                check_once(hub, release, where)
    return met


def check_versions(hub: Hub, releases: list[Path], where: str) -> None:
    """Every tag stands on the files of its release, all of them and no others."""
    repository = hub.store.repositories.get(REPO)
    for tag in repository.tags if repository else ():
        release = next(one for one in releases if tag == f"v{one.name}")
        found = hub.store.content(REPO, tag)
        found.pop(".gitattributes")
        assert found == contents(release), f"{where}: {tag} is not {release.name}"


def check_once(hub: Hub, release: Path, where: str) -> None:
    """The version is there, by one commit of ours and one tag on it."""
    repository = hub.store.repositories[REPO]
    ours = [commit for commit in repository.history("main") if commit.title == f"Release {release.name}"]
    assert [commit.oid for commit in ours] == [repository.tags[f"v{release.name}"]], f"{where}: {len(ours)} commits"


if __name__ == "__main__":
    began = time.time()
    with tempfile.TemporaryDirectory() as place:
        struck = campaign(
            Path(place), int(sys.argv[1]), int(sys.argv[2]), speed=int(sys.argv[3]) if sys.argv[3:] else 1
        )
    for name, count in sorted(struck.items()):
        print(f"{count:5} {name}")  # noqa: T201
    print(f"{struck.total():5} faults in {time.time() - began:.0f} s; nothing was ever half there")  # noqa: T201
