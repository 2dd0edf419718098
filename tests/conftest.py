"""What tests share: one Prefect server on loopback for all that need one, in a home of its own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Prefect reads its home when it is imported, so it is set before any test module can do that.
_home = tempfile.TemporaryDirectory(prefix="copydesk-tests-")
os.environ["PREFECT_HOME"] = _home.name
os.environ.pop("PREFECT_API_URL", None)

import hypothesis  # noqa: E402
import pytest  # noqa: E402 - after the home is set

from flows.server import EmbeddedServer  # noqa: E402

ROOT = Path(__file__).parent.parent

# No deadline: machines are shared, and speed is measured in benchmarks/. In continuous integration every run tries the
# same examples, so that a change is judged by what it changes; at a developer's desk they are new each time.
hypothesis.settings.register_profile("copydesk", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("copydesk")


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A Prefect server that answers."""
    with EmbeddedServer() as running:
        running.wait()
        yield running


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT
