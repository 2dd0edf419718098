"""A release on disk becomes a version on the Hub: whole or not at all, once, and read back.

A version is a tag `vMAJOR.MINOR.PATCH` on a commit whose files are those of the release, and the Hub's own
`.gitattributes`. Everything goes into one commit that the Hub takes only on top of the head that was seen. The bytes
are read back before the tag is set, so a version that has its tag is right. Whatever a killed run or a lost answer
left behind, the next run sees and goes on from.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.errors import RefusedError
from flows.publish.readback import check_bytes, check_configuration
from flows.publish.repository import Repository, State, megabytes, named, operations
from flows.publish.session import Session
from flows.publish.trees import Change, LocalFile, changes, differing, local_tree

log = logging.getLogger("copydesk")

TAG = re.compile(r"v([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")


@dataclass(frozen=True)
class Edition:
    """The files that are published.

    Attributes:
        folder: where they are; all of them are sent, as they are.
        version: MAJOR.MINOR.PATCH.
        name: `full` or `public`.
        row_counts: table → rows.
    """

    folder: Path
    version: str
    name: str
    row_counts: Mapping[str, int]

    @property
    def tag(self) -> str:
        """The tag of the version."""
        return f"v{self.version}"

    @property
    def message(self) -> str:
        """What commit and tag say."""
        return f"Release {self.version}" + (" (public edition)" if self.name == "public" else "")


@dataclass(frozen=True)
class Published:
    """What a publication came to.

    Attributes:
        repository: OWNER/NAME.
        address: of the version, for a browser.
        version: MAJOR.MINOR.PATCH.
        edition: `full` or `public`.
        tag: name of the tag.
        commit: what the tag stands on.
        outcome: `published`, `finished` (the commit was there, its tag was not) or `unchanged`.
        sent_count: files that the commit changed.
        configuration: the configuration that was loaded.
    """

    repository: str
    address: str
    version: str
    edition: str
    tag: str
    commit: str
    outcome: str
    sent_count: int
    configuration: str


@dataclass(frozen=True)
class Plan:
    """What publishing would do.

    Attributes:
        state: the repository as it was seen; null where it is still to be created.
        commit: what the version's tag stands on; null where there is no such tag.
        changes: a row per file of the edition and of the head, or of the version that is there.
    """

    state: State | None
    commit: str | None
    changes: list[Change]


def destination(session: Session, name: str) -> Repository:
    """The repository that a name speaks of; one without an owner is the token's.

    Raises:
        RefusedError: there is no token, and so no owner.
    """
    if "/" in name:
        return Repository(session, name)
    if not session.has_token:
        raise RefusedError(f"whose {name}? There is no token: set HF_TOKEN, run `hf auth login`, or give OWNER/{name}")
    user = session.insist("ask the Hub whose token this is", session.api.whoami)
    return Repository(session, f"{user['name']}/{name}")


def check_visibility(repository: Repository, state: State | None, wished: str | None) -> bool:
    """Whether the repository is, or will be, private: as the Hub says, else as wished, else yes.

    Args:
        repository: its name.
        state: as it was seen.
        wished: `private`, `public` or null.

    Raises:
        RefusedError: it exists the other way.
    """
    if state is None:
        return wished != "public"
    found = "private" if state.is_private else "public"
    if wished is not None and wished != found:
        raise RefusedError(
            f"{repository.name} is {found}, not {wished}; leave --{wished} out, or change the repository at the Hub"
        )
    return state.is_private


def plan(repository: Repository, edition: Edition, local: Mapping[str, LocalFile], state: State | None) -> Plan:
    """Compare an edition with what is there, only reading.

    Raises:
        RefusedError: the version is there with other files, or a newer one is and this one is not.
    """
    if state is None:
        return Plan(None, None, changes(local, {}))
    tags = repository.tags()
    commit = repository.commit_of(edition.tag) if edition.tag in tags else None
    if commit is not None:
        found = changes(local, repository.tree(commit))
        if others := differing(found):
            raise RefusedError(
                f"{repository.name} has {edition.tag} with other content than this {edition.name} edition: "
                f"{named(others)}; a version never changes, so build a new one"
            )
        return Plan(state, commit, found)
    if newer := [tag for tag in tags if (number := _number(tag)) and number > (_number(edition.tag) or ())]:
        newest = max(newer, key=lambda tag: _number(tag) or ())
        raise RefusedError(
            f"{repository.name} has {newest} already; {edition.tag} is older, and was never published there"
        )
    return Plan(state, None, changes(local, repository.tree(state.head)))


def send(repository: Repository, edition: Edition, *, is_private: bool) -> Published:
    """Publish an edition.

    Args:
        repository: where; created if need be.
        edition: what.
        is_private: the visibility that the edition was chosen for; a new repository gets it.

    Raises:
        RefusedError: it must not be, as the message says.
        NetworkError: the Hub or the network went on failing.
        CopydeskError: what came back is not what was sent.
    """
    if not repository.session.has_token:
        raise RefusedError("there is no token: set HF_TOKEN to one that may write, or run `hf auth login`")
    local = local_tree(edition.folder)
    state = repository.create(is_private=is_private)
    check_visibility(repository, state, "private" if is_private else "public")
    planned = plan(repository, edition, local, state)
    outcome, sent_count = "unchanged", 0
    commit = planned.commit
    if commit is None:
        sent_count = len(differing(planned.changes))
        outcome = "published" if sent_count or state.head is None else "finished"
        commit = state.head if outcome == "finished" else _sent(repository, edition, local, planned.changes, state)
    assert commit is not None
    check_bytes(repository, commit, local)
    repository.tag(edition.tag, commit, edition.message)
    configuration = check_configuration(repository, edition.tag, edition.folder, edition.row_counts)
    return Published(
        repository=repository.name,
        address=f"{repository.address}/tree/{edition.tag}",
        version=edition.version,
        edition=edition.name,
        tag=edition.tag,
        commit=commit,
        outcome=outcome,
        sent_count=sent_count,
        configuration=configuration,
    )


def _sent(
    repository: Repository, edition: Edition, local: Mapping[str, LocalFile], found: list[Change], state: State
) -> str:
    """Upload what changes and commit it."""
    additions, deletions = operations(found, local)
    total = megabytes(sum(one.upload_info.size for one in additions))
    log.info("%s: %s files to send, %s, and %s to delete", repository.name, len(additions), total, len(deletions))
    repository.upload(additions)
    commit = repository.commit([*additions, *deletions], local, state, edition.message)
    log.info("commit: %s", commit[:8])
    return commit


def _number(tag: str) -> tuple[int, ...] | None:
    """The three numbers of a version's tag; null for another tag."""
    match = TAG.fullmatch(tag)
    return tuple(int(part) for part in match.groups()) if match else None
