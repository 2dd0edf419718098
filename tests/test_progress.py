"""Lines of progress: few, and worth reading."""

import logging
import time
from itertools import groupby

import pytest

from flows.progress import Progress, ShardSize, telling
from flows.wording import duration


def lines_of(caplog: pytest.LogCaptureFixture, seconds: list[float]) -> list[str]:
    """What is told of as many shards as there are times, each done that many seconds after the beginning."""
    times = iter([0.0, *seconds, seconds[-1]])
    with caplog.at_level(logging.INFO, logger="copydesk"):
        progress = Progress("release", len(seconds), 1_000 * len(seconds), clock=lambda: next(times))
        for _ in seconds:
            progress.done(ShardSize(1_000, 5_000_000))
        progress.finish()
    return [record.getMessage() for record in caplog.records]


def wait_for(line: str, caplog: pytest.LogCaptureFixture) -> None:
    end = time.monotonic() + 60
    while line not in caplog.messages:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_short_run_is_told_once(caplog):
    assert lines_of(caplog, [0.3]) == ["release: 1,000 documents in 0.3 s"]


def test_a_long_run_tells_now_and_then_how_far_it_is(caplog):
    assert lines_of(caplog, [1, 2, 6, 7, 8, 12, 13, 40]) == [
        "release: 3 of 8 shards, 3,000 documents, 2.5 MB/s, 10 s left",
        "release: 6 of 8 shards, 6,000 documents, 2.5 MB/s, 4.0 s left",
        "release: 8 shards, 8,000 documents in 40 s",
    ]


def test_long_work_tells_now_and_then_how_far_it_is(caplog):
    with caplog.at_level(logging.INFO, logger="copydesk"), telling("verify", seconds=0.01) as tell:
        for number in range(1, 4):
            tell(f"{number} of 3 files")
            wait_for(f"verify: {number} of 3 files", caplog)
    told = len(caplog.messages)
    time.sleep(0.05)
    assert len(caplog.messages) == told
    assert [words for words, _ in groupby(caplog.messages)] == [f"verify: {number} of 3 files" for number in (1, 2, 3)]


def test_short_work_tells_nothing(caplog):
    with caplog.at_level(logging.INFO, logger="copydesk"), telling("verify", seconds=60) as tell:
        tell("1 of 3 files")
    assert not caplog.messages


@pytest.mark.parametrize(("seconds", "words"), [(0.04, "0.0 s"), (99.6, "100 s"), (150, "2 min"), (7_500, "2 h 5 min")])
def test_a_time_is_said_as_a_person_says_it(seconds, words):
    assert duration(seconds) == words
