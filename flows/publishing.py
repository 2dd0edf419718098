"""The way out: a release is verified, the edition of it that the repository may have is chosen, and that is published.

It puts together the verification, the rights and the Hub, which know nothing of each other. Nothing here needs a flow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.edition import public_edition
from flows.errors import CopydeskError, UsageError
from flows.publish.hub import Edition, Plan, Published, check_visibility, destination, plan, send
from flows.publish.repository import checked_name
from flows.publish.session import Session
from flows.publish.trees import local_tree
from flows.release.manifest import read_manifest
from flows.verify import verify


def check_release(release: Path) -> None:
    """Verify a release before anybody gets to see it.

    Raises:
        CopydeskError: it is none, or it fails.
    """
    verified = verify(release)
    if not verified.is_ok:
        first = verified.failures[0]
        raise CopydeskError(
            f"{release} fails its verification, and nothing was published: {first.file}: {first.detail}\n"
            f"copydesk verify {release} shows all that fails."
        )


def edition_in(folder: Path) -> Edition:
    """A folder with a release or an edition of one, as its manifest describes it.

    Raises:
        CopydeskError: it has no manifest that can be read.
    """
    manifest = read_manifest(folder)
    row_counts = {name: int(table["row_count"]) for name, table in manifest["tables"].items()}
    return Edition(folder, str(manifest["version"]), str(manifest.get("edition", "full")), row_counts)


@contextmanager
def chosen_edition(release: Path, *, is_private: bool, include_reserved_text: bool) -> Iterator[Edition]:
    """The edition of a release that a repository may have; one that has to be made is gone afterwards.

    Raises:
        UsageError: the release is a public edition already, and the full one is asked for.
    """
    whole = edition_in(release)
    if is_private or include_reserved_text:
        if whole.name != "full":
            wanted = "a private repository gets" if is_private else "--include-reserved-text asks for"
            hint = "; publish that, or this with --public to a repository that is new or public" if is_private else ""
            raise UsageError(f"{release} is the public edition, and {wanted} the full one{hint}")
        yield whole
    elif whole.name == "public":
        yield whole
    else:
        with TemporaryDirectory(prefix="copydesk-") as folder:
            yield edition_in(public_edition(release, Path(folder) / whole.version))


def publish_release(
    release: Path, repo: str, visibility: str | None = None, *, include_reserved_text: bool = False
) -> Published:
    """Publish a release that was verified.

    Args:
        release: its folder.
        repo: NAME or OWNER/NAME.
        visibility: `private` or `public`, to create the repository with; one that exists must be like that.
        include_reserved_text: send the full edition to a public repository, too.

    Raises:
        UsageError: no repository can have that name.
        RefusedError: it must not be, as the message says.
        NetworkError: the Hub or the network went on failing.
        CopydeskError: what came back is not what was sent.
    """
    name = checked_name(repo)
    with Session() as session:
        repository = destination(session, name)
        is_private = check_visibility(repository, repository.look(), visibility)
        with chosen_edition(release, is_private=is_private, include_reserved_text=include_reserved_text) as edition:
            return send(repository, edition, is_private=is_private)


def planned(
    release: Path, repo: str, visibility: str | None = None, *, include_reserved_text: bool = False
) -> tuple[Edition, str, Plan]:
    """What `publish_release` would do, found out by reading only: the edition, the repository's name, and the plan.

    Raises:
        CopydeskError: as `publish_release`.
    """
    name = checked_name(repo)
    with Session() as session:
        repository = destination(session, name)
        state = repository.look()
        is_private = check_visibility(repository, state, visibility)
        with chosen_edition(release, is_private=is_private, include_reserved_text=include_reserved_text) as edition:
            return edition, repository.name, plan(repository, edition, local_tree(edition.folder), state)
