"""What of a run is worth telling somebody who has long forgotten that it runs, and how they are told.

| what | when it is told |
| --- | --- |
| the run failed | the run before it did not fail, or with another message; and when it works again |
| the quarantine grew | a release has more rejects than the one before |
| a feed went silent | it has no file any more; or nothing came for over SILENT_GAPS times its longest usual gap |
| an unusual number | it lies more than OUTLIER deviations from the median of earlier releases |

A feed is a folder directly in a SOURCE, or what lies beside such folders. All rules compare with the records of earlier
runs, and each is told once, when it begins to hold.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from flows.inbox import Feed
from flows.printable import printable
from flows.runs import FAILED, RELEASED, Run

log = logging.getLogger("copydesk")

# Where a run finds the addresses that it notifies, separated by white space. They hold passwords: they are neither a
# parameter of a flow nor written anywhere.
NOTIFY_VARIABLE = "COPYDESK_NOTIFY"

# Gaps between arrivals that make a rhythm, and how much longer than the longest of them silence is. A feed that pauses
# over a holiday of three days every week or so is usual; one that comes hourly may still pause for a night.
KNOWN_GAPS = 5
SILENT_GAPS = 3
SILENT_AT_LEAST = timedelta(days=1)

# The identifier of Hampel (The influence curve and its role in robust estimation, 1974): distance from the median in
# units of the median absolute deviation, which is 1 / 1.4826 of the standard deviation of normally distributed numbers.
OUTLIER = 3.0
MAD_TO_DEVIATION = 1.4826
# Releases that show what is usual, and how many of them at least.
USUAL_FROM = 20
USUAL_AT_LEAST = 5
# Numbers that hardly vary would make every change unusual: the deviation counts as this share of the median at least.
LEAST_DEVIATION = 0.05

# A notification is no report.
MAX_NOTICES = 20


def notices(run: Run, earlier: Sequence[Run]) -> list[str]:
    """What is to be told of a run, a line each, safe to print.

    Args:
        run: the run.
        earlier: the runs before it, the oldest first.
    """
    found = [*_of_failure(run, earlier), *_of_silence(run, earlier)]
    if run.status == RELEASED:
        releases = [one for one in earlier if one.status == RELEASED]
        found += [*_of_quarantine(run, releases), *_of_numbers(run, releases)]
    return [printable(line) for line in found[:MAX_NOTICES]]


def silent_feeds(feeds: Mapping[str, Feed], earlier: Sequence[Run], now: datetime) -> list[str]:
    """Feeds that ought to have brought something by now, sorted."""
    known = _last_look(earlier)
    gone = set() if known is None else ({*known.feeds, *known.silent} - {*feeds})
    return sorted(gone | {name for name, feed in feeds.items() if _is_silent(feed, now)})


def send(title: str, lines: Sequence[str]) -> None:
    """Notify the addresses of NOTIFY_VARIABLE; one that cannot be reached costs a line in the log, never the run."""
    addresses = os.environ.get(NOTIFY_VARIABLE, "").split()
    if not lines or not addresses:
        return
    # Its import takes a while; most runs have nothing to tell.
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it names addresses, passwords included
    notifier = apprise.Apprise()
    added = [notifier.add(address) for address in addresses]
    is_told = notifier.notify(title=title, body="\n".join(lines), body_format=apprise.NotifyFormat.TEXT)
    if not (is_told and all(added)):
        log.warning("not every address of --notify could be told")


def check_addresses(addresses: Sequence[str]) -> list[int]:
    """Which of the addresses are none that could be notified, by position from 1."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    return [
        position
        for position, address in enumerate(addresses, 1)
        if len(address.split()) != 1 or not apprise.Apprise().add(address)
    ]


def _of_failure(run: Run, earlier: Sequence[Run]) -> list[str]:
    failure = earlier[-1].message if earlier and earlier[-1].status == FAILED else None
    if run.status == FAILED:
        return [] if run.message == failure else [f"the run failed: {run.message}"]
    return [] if failure is None else ["it works again: the run before failed"]


def _of_silence(run: Run, earlier: Sequence[Run]) -> list[str]:
    known = _last_look(earlier)
    told = set() if known is None else {*known.silent}
    new = [name for name in run.silent if name not in told]
    return [f"nothing new comes from {name}{_newest(run, name)}" for name in new]


def _last_look(earlier: Sequence[Run]) -> Run | None:
    """The last run that knew of a feed: the record of one that failed or was killed names none."""
    return next((one for one in reversed(earlier) if one.feeds or one.silent), None)


def _newest(run: Run, name: str) -> str:
    return f" since {run.feeds[name]['newest_at']}" if name in run.feeds else ": it has no file any more"


def _of_quarantine(run: Run, releases: Sequence[Run]) -> list[str]:
    if not releases:
        return []
    before, now = releases[-1].rejects, run.rejects
    if sum(now.values()) <= sum(before.values()):
        return []
    grown = [f"{rule} {before.get(rule, 0)} → {count}" for rule, count in now.items() if count > before.get(rule, 0)]
    return [f"the quarantine grew from {sum(before.values())} to {sum(now.values())}: {', '.join(grown)}"]


def _of_numbers(run: Run, releases: Sequence[Run]) -> list[str]:
    found = []
    for name, value in run.numbers.items():
        usual = [one.numbers[name] for one in releases if name in one.numbers][-USUAL_FROM:]
        if len(usual) < USUAL_AT_LEAST:
            continue
        middle = median(usual)
        deviation = MAD_TO_DEVIATION * median(abs(one - middle) for one in usual)
        reach = OUTLIER * max(deviation, LEAST_DEVIATION * abs(middle))
        if abs(value - middle) > reach:
            found.append(
                f"{name.replace('_', ' ')} is {value:g}, and was {middle:g} ± {reach:g} in {len(usual)} releases"
            )
    return found


def _is_silent(feed: Feed, now: datetime) -> bool:
    gaps = [later - before for before, later in zip(feed.arrivals, feed.arrivals[1:], strict=False)]
    if len(gaps) < KNOWN_GAPS:
        return False
    return now - feed.arrivals[-1] > max(SILENT_GAPS * max(gaps), SILENT_AT_LEAST)
