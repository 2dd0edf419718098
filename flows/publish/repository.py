"""A repository of data on the Hub: looking at it, and the four things that a publication does to it.

Each of these finds out first whether it was done before, by an attempt whose answer was lost or by a run that was
killed, so that nothing is ever done twice.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from flows.errors import NetworkError, RefusedError, UsageError
from flows.publish.problems import status_of
from flows.publish.session import PATIENCE_SECONDS, Session
from flows.publish.trees import Change, LocalFile, RemoteFile, changes, differing, remote_tree

log = logging.getLogger("copydesk")

BRANCH = "main"
# Files and bytes that are uploaded before the next line of progress. The client asks about 256 files at a time.
BATCH_FILES = 200
BATCH_BYTES = 64_000_000
# Bytes a second that an upload has to make at least, lest it counts as one that has stopped.
SLOWEST_BYTES_PER_SECOND = 100_000
# Paths that a message names.
NAMED_PATHS = 3


@dataclass(frozen=True)
class State:
    """What a repository is at a moment.

    Attributes:
        head: commit of its branch; null for a repository without any.
        is_private: whether others are kept out. What the Hub does not say to be private is public.
    """

    head: str | None
    is_private: bool


class Repository:
    """A repository by its name.

    Attributes:
        session: where its requests go.
        name: OWNER/NAME.
    """

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"{self.session.endpoint}/datasets/{self.name}"

    # --- looking ---

    def look(self) -> State | None:
        """What it is now; null where there is none that this token may see."""
        return self.session.insist(f"look at {self.name}", self._state)

    def _state(self) -> State | None:
        try:
            info = self.session.api.dataset_info(self.name)
        except HfHubHTTPError as error:
            # Nobody is told whether a private repository exists.
            if status_of(error) == 404 or (status_of(error) == 401 and not self.session.has_token):
                return None
            raise
        return State(info.sha, info.private is True)

    def tags(self) -> list[str]:
        """Names of its tags."""
        refs = self.session.insist(
            f"read the versions in {self.name}", lambda: self.session.api.list_repo_refs(self.name, repo_type="dataset")
        )
        return [tag.name for tag in refs.tags]

    def tree(self, revision: str | None) -> dict[str, RemoteFile]:
        """Path → file of a revision; none without a revision."""
        if revision is None:
            return {}
        return self.session.insist(
            f"read the files of {self.name}",
            lambda: remote_tree(
                self.session.api.list_repo_tree(self.name, recursive=True, revision=revision, repo_type="dataset")
            ),
        )

    def commit_of(self, tag: str) -> str | None:
        """The commit that a tag stands on; null where there is no such tag."""
        return self.session.insist(f"look for {tag} in {self.name}", lambda: self._commit_of(tag))

    def _commit_of(self, tag: str) -> str | None:
        try:
            return self.session.api.dataset_info(self.name, revision=tag).sha
        except HfHubHTTPError as error:
            if status_of(error) == 404:
                return None
            raise

    # --- doing ---

    def create(self, *, is_private: bool) -> State:
        """Create it, unless it is there.

        Raises:
            UsageError: the Hub does not take the name.
            RefusedError: the token may not create it.
        """

        def action() -> State:
            state = self._state()
            if state is None:
                self._create(is_private=is_private)
                state = self._state()
            if state is None:
                raise NetworkError(f"{self.name} was created, and the Hub does not show it yet; try again")
            return state

        return self.session.insist(f"create {self.name}", action)

    def _create(self, *, is_private: bool) -> None:
        try:
            self.session.api.create_repo(self.name, repo_type="dataset", private=is_private, exist_ok=True)
        except HfHubHTTPError as error:
            status = status_of(error)
            if status == 400:
                said = (error.server_message or "no reason given").strip().splitlines()[0]
                raise UsageError(f"the Hub does not take the name {self.name}: {said}") from None
            if status in (401, 403, 404):
                raise RefusedError(self._why_not()) from None
            raise

    def _why_not(self) -> str:
        """Why this token may not create the repository."""
        owner = self.name.split("/", maxsplit=1)[0]
        user = self.session.api.whoami()  # with a token that is none it fails, and says so
        if owner in (user["name"], *(one["name"] for one in user.get("orgs", ()))):
            return f"cannot create {self.name}: the token of {user['name']} has no right to; use one that may write"
        return f"cannot create {self.name}: {user['name']} belongs to no organisation {owner}, if there is one"

    def upload(self, files: Sequence[CommitOperationAdd]) -> None:
        """Send the bytes of large files that the Hub does not have; nobody sees them before they are committed."""
        total = sum(one.upload_info.size for one in files)
        sent_files = sent_bytes = 0
        for batch in batches(files):
            sent_files, sent_bytes = sent_files + len(batch), sent_bytes + self._upload(batch)
            log.info(
                "upload: %s of %s files, %s of %s", sent_files, len(files), megabytes(sent_bytes), megabytes(total)
            )

    def _upload(self, batch: Sequence[CommitOperationAdd]) -> int:
        """Send some files; how many bytes they have."""
        size = sum(one.upload_info.size for one in batch)

        def send() -> None:
            # An ignore file in the repository must not keep part of a release from it.
            self.session.api.preupload_lfs_files(
                self.name, batch, repo_type="dataset", revision=BRANCH, free_memory=False, gitignore_content=""
            )

        def action() -> None:
            self.session.in_background(send, PATIENCE_SECONDS + size / SLOWEST_BYTES_PER_SECOND)

        self.session.insist(f"upload to {self.name}", action, size)
        return size

    def commit(
        self,
        operations: Sequence[CommitOperationAdd | CommitOperationDelete],
        local: Mapping[str, LocalFile],
        seen: State,
        message: str,
    ) -> str:
        """Put one commit on top of the head that was seen, after which the repository holds the local files.

        Returns:
            The commit: ours, or one that has the same files and came in between.

        Raises:
            RefusedError: the repository has moved, or is not as private any more as it was.
        """

        def action() -> str:
            state = self._state()
            if state is None or state.is_private != seen.is_private:
                raise RefusedError(
                    f"{self.name} was deleted or made {'public' if seen.is_private else 'private'} meanwhile"
                )
            if state.head != seen.head:
                return self._settled(state.head, local, seen)
            try:
                answer = self.session.api.create_commit(
                    self.name,
                    operations,
                    commit_message=message,
                    repo_type="dataset",
                    revision=BRANCH,
                    parent_commit=seen.head,
                )
            except HfHubHTTPError as error:
                if status_of(error) == 412:
                    now = self._state()
                    if now is not None and now.head != seen.head:
                        return self._settled(now.head, local, seen)
                raise
            return str(answer.oid)

        return self.session.insist(f"commit to {self.name}", action)

    def _settled(self, head: str | None, local: Mapping[str, LocalFile], seen: State) -> str:
        """The head, if it has the local files: then what we sent came through, and its answer did not.

        Raises:
            RefusedError: it is somebody else's.
        """
        now = self._tree(head)
        if head is not None and not differing(changes(local, now)):
            return head
        before = self._tree(seen.head)
        moved = sorted(path for path in {*before, *now} if before.get(path) != now.get(path))
        raise RefusedError(
            f"{self.name} moved from {short(seen.head)} to {short(head)} meanwhile, which changed {named(moved)}; "
            "look at it, and publish again to replace it"
        )

    def _tree(self, revision: str | None) -> dict[str, RemoteFile]:
        if revision is None:
            return {}
        return remote_tree(
            self.session.api.list_repo_tree(self.name, recursive=True, revision=revision, repo_type="dataset")
        )

    def tag(self, name: str, commit: str, message: str) -> None:
        """Put an annotated tag on a commit, unless it is there.

        Raises:
            RefusedError: it stands on another commit.
        """

        def action() -> None:
            found = self._commit_of(name)
            if found is None:
                try:
                    self.session.api.create_tag(
                        self.name, tag=name, tag_message=message, revision=commit, repo_type="dataset"
                    )
                except HfHubHTTPError as error:
                    if status_of(error) != 409:
                        raise
                found = self._commit_of(name)
            if found != commit:
                raise RefusedError(f"{self.name} has {name} on another commit, {short(found)}, than {short(commit)}")

        self.session.insist(f"tag {name} in {self.name}", action)


def checked_name(name: str) -> str:
    """A repository's name, NAME or OWNER/NAME.

    Raises:
        UsageError: no repository can have it.
    """
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        reason = str(error).splitlines()[0].partition(f": '{name}'")[0].rstrip(".")
        raise UsageError(f"{name!r} is no name of a repository, which is NAME or OWNER/NAME: {reason}") from None
    return name


def batches(files: Sequence[CommitOperationAdd]) -> Iterator[list[CommitOperationAdd]]:
    """Files in their order, as many at a time as BATCH_FILES and BATCH_BYTES allow, but one at least."""
    batch: list[CommitOperationAdd] = []
    size = 0
    for file in files:
        if batch and (len(batch) == BATCH_FILES or size + file.upload_info.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.upload_info.size
    if batch:
        yield batch


def operations(
    found: Sequence[Change], local: Mapping[str, LocalFile]
) -> tuple[list[CommitOperationAdd], list[CommitOperationDelete]]:
    """What a commit consists of: files to send, and files to delete."""
    additions = [
        CommitOperationAdd(change.path, str(local[change.path].file))
        for change in found
        if change.kind in ("add", "change")
    ]
    return additions, [
        CommitOperationDelete(change.path, is_folder=False) for change in found if change.kind == "delete"
    ]


def short(commit: str | None) -> str:
    """A commit for a person."""
    return "nothing" if commit is None else commit[:8]


def named(paths: Sequence[str]) -> str:
    """Some paths, and how many more there are."""
    more = len(paths) - NAMED_PATHS
    listed = ", ".join(paths[:NAMED_PATHS])
    return (listed + (f" and {more} more" if more > 0 else "")) or "no file"


def megabytes(count: int) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:,.1f} MB"
