"""What tests share: one Prefect server on loopback for all that need one, in a home of its own."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Prefect reads its home when it is imported, so it is set before any test module can do that.
_home = tempfile.TemporaryDirectory(prefix="copydesk-tests-")
os.environ["PREFECT_HOME"] = _home.name
os.environ.pop("PREFECT_API_URL", None)
# Several files are tried at once, so that a core has more than one thread to run as it is: with one of its own a small
# build takes three quarters of the time. What must not depend on threads says itself how many it is tried with.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
# Tests start a hundred processes. Where Python is told to keep no bytecode, each would compile the packages anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import hypothesis  # noqa: E402
import pytest  # noqa: E402 - after the home is set

from flows.server import EmbeddedServer  # noqa: E402

if TYPE_CHECKING:
    from tests.s3 import Store

ROOT = Path(__file__).parent.parent

# No deadline: machines are shared, and speed is measured in benchmarks/. In continuous integration every run tries the
# same examples, so that a change is judged by what it changes; at a developer's desk they are new each time.
hypothesis.settings.register_profile("copydesk", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("copydesk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that need a server come first: they take longest and wait much, and none should be left over at the end."""
    slow = {item.path for item in items if item.get_closest_marker("prefect")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A Prefect server that answers; each process that tries tests has one.

    One for all was tried: its database, a file, was locked too long for some requests.
    """
    with EmbeddedServer() as running:
        running.wait()
        yield running
        # Flows' logs go out in batches. Those still held would be tried for a minute when the server has gone.
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all()


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> "Iterator[Store]":
    """An S3-compatible store with an empty bucket `desk`, as the environment of a user names it."""
    from s3fs import S3FileSystem

    from tests.s3 import serving

    with serving() as found:
        for name, value in {
            "AWS_ENDPOINT_URL": found.address,
            "AWS_ACCESS_KEY_ID": "AKIAOURS",
            "AWS_SECRET_ACCESS_KEY": "SECRETOURS",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_MAX_ATTEMPTS": "2",
        }.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        yield found
        S3FileSystem.clear_instance_cache()
