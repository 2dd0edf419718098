"""Reading back what was published, as a stranger would: the bytes of every file, and one configuration of the data."""

import fnmatch
import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from huggingface_hub import HfFileSystem, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from flows.errors import CopydeskError
from flows.publish.repository import Repository, megabytes, named
from flows.publish.trees import LocalFile

log = logging.getLogger("copydesk")

AT_ONCE = 4
# A file that comes back with other bytes is fetched again, in case they changed on their way.
ATTEMPTS = 3
CARD = "README.md"
MARK = "---"


def check_bytes(repository: Repository, commit: str, local: Mapping[str, LocalFile]) -> None:
    """Fetch every file of a commit and compare it, byte for byte; the client itself would look at sizes only.

    Raises:
        CopydeskError: a file has other bytes than were sent.
    """
    wanted = dict(local)
    total = sum(file.byte_count for file in local.values())

    def action() -> list[str]:
        wrong = []
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copydesk-read-back")
        try:
            futures = {pool.submit(_has_bytes, repository, commit, path, file): path for path, file in wanted.items()}
            for future in as_completed(futures):
                path = futures[future]
                if future.result():
                    del wanted[path]
                else:
                    wrong.append(path)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return sorted(wrong)

    wrong = repository.session.insist(f"read {repository.name} back", action)
    if wrong:
        raise CopydeskError(
            f"{repository.name} is damaged at {commit[:8]}: the Hub has other bytes than were sent of {named(wrong)}; "
            "it has to be mended or deleted there before this version can be published"
        )
    log.info("read back: %s files, %s, as they were sent", len(local), megabytes(total))


def _has_bytes(repository: Repository, commit: str, path: str, file: LocalFile) -> bool:
    """Whether a file at the Hub has the bytes of the local one."""
    address = hf_hub_url(repository.name, path, repo_type="dataset", revision=commit)
    headers = {**build_hf_headers(token=repository.session.has_token), "Accept-Encoding": "identity"}
    for _ in range(ATTEMPTS):
        digest, size = hashlib.sha256(), 0
        with get_session().stream("GET", address, headers=headers) as response:
            hf_raise_for_status(response)
            for chunk in response.iter_bytes():
                digest.update(chunk)
                size += len(chunk)
        if (size, digest.hexdigest()) == (file.byte_count, file.sha256):
            repository.session.patience.progressed()
            return True
    return False


def check_configuration(repository: Repository, tag: str, folder: Path, row_counts: Mapping[str, int]) -> str:
    """Load the default configuration of the card at a tag: all of its files must be Parquet and hold all of its rows.

    Args:
        repository: where.
        tag: the version.
        folder: the files as they were sent.
        row_counts: table → rows.

    Returns:
        Name of the configuration.

    Raises:
        CopydeskError: it does not load, or holds other rows.
    """
    name, pattern = default_configuration((folder / CARD).read_text(encoding="utf-8"))
    files = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and fnmatch.fnmatchcase(path.relative_to(folder).as_posix(), pattern)
    ]

    def action() -> int:
        system = HfFileSystem(token=repository.session.has_token, skip_instance_cache=True)
        place = f"datasets/{repository.name}@{tag}"
        found = sorted(one.removeprefix(f"{place}/") for one in system.glob(f"{place}/{pattern}"))
        if found != files:
            raise CopydeskError(f"{repository.name} at {tag} does not show all files of {name}")
        count = 0
        for number, file in enumerate(found):
            with system.open(f"{place}/{file}", "rb") as stream, pq.ParquetFile(stream) as parquet:
                count += parquet.metadata.num_rows
                if not number and parquet.num_row_groups:
                    parquet.read_row_group(0, use_threads=False)
        return count

    count = repository.session.insist(f"load {name} at {tag} from {repository.name}", action)
    if count != row_counts.get(name):
        raise CopydeskError(f"{name} at {tag} in {repository.name} has {count} rows, not {row_counts.get(name)}")
    log.info("read back: %s, %s rows", name, f"{count:,}")
    return name


def default_configuration(card: str) -> tuple[str, str]:
    """Name and files of the configuration that a reader of the card gets who asks for none.

    Raises:
        CopydeskError: the card names none.
    """
    try:
        content: Any = yaml.safe_load(card.split(f"{MARK}\n", 2)[1])
        configurations = content["configs"]
        one = next((one for one in configurations if one.get("default")), configurations[0])
        return str(one["config_name"]), str(one["data_files"][0]["path"])
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise CopydeskError(f"{CARD} names no configuration to load") from error
