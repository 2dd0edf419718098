"""The server of a run's own: it comes up beside others, and says why if it cannot."""

from pathlib import Path

import pytest

from flows.errors import CopydeskError
from flows.server import EmbeddedServer

pytestmark = pytest.mark.prefect


def test_two_first_runs_set_up_one_database_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    with EmbeddedServer() as one, EmbeddedServer() as other:
        one.wait()
        other.wait()
        assert one.is_running


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    database = tmp_path / "nowhere" / "prefect.db"
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{database}")
    with EmbeddedServer() as server, pytest.raises(CopydeskError) as told:
        server.wait()
    assert "did not start: sqlalchemy" in str(told.value)
    assert str(told.value).endswith("unable to open database file")
