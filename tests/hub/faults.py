"""What can go wrong between a client and a Hub, on demand."""

import random
import re
import threading
from dataclasses import dataclass

# Nothing was done, and the client learns that nothing was.
REFUSED = ("429", "500", "503")
KINDS = (
    *REFUSED,
    "drop",  # the connection closes before anything was done
    "lost",  # it was done, and the connection closes before the answer
    "truncate",  # it was done, and the connection closes in the middle of the answer
    "latency",  # it is done later
    "stale",  # somebody else commits first
    "flip",  # a bit of the answer is another one
    "kill",  # the client is killed before anything was done
    "kill after",  # the client is killed when it was done
)


@dataclass
class Fault:
    """Something that goes wrong with the next requests of a kind.

    Attributes:
        kind: one of KINDS, UNVEIL, UNMOVED or OVERTAKEN.
        where: regular expression that `METHOD path` has to match.
        times: requests that it befalls; -1 for all.
        skip: matching requests that it spares first.
        seconds: what latency adds, and what 429 asks to wait.
    """

    kind: str
    where: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 0.0


# Beside KINDS: a private repository is made public while something is going on in it; a commit is refused as not being
# on top of the head, although it is; somebody else puts the tag that is asked for on the first commit.
UNVEIL = "unveil"
UNMOVED = "unmoved"
OVERTAKEN = "overtaken"


class Faults:
    """The faults that are still to come, and how often each kind came."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []
        self._lock = threading.Lock()
        self.met: list[tuple[str, str]] = []

    def set(self, *faults: Fault) -> None:
        """Replace the faults that are to come."""
        with self._lock:
            self._pending = list(faults)
            self.met = []

    def next(self, request: str) -> Fault | None:
        """The fault that befalls a request, if any."""
        with self._lock:
            for fault in self._pending:
                if fault.times != 0 and re.search(fault.where, request):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    self.met.append((fault.kind, request))
                    return fault
        return None


def drawn(rng: random.Random) -> list[Fault]:
    """A bout of one to four faults, each of which may strike several times, anywhere in a publication."""
    places = ("POST", "PUT", "GET", "/commit/", "/tag/", "/tree/", "preupload", "objects|xet", "resolve|cdn", "create")
    return [
        Fault(
            kind=rng.choice(KINDS),
            where=rng.choice(places),
            times=rng.choice((1, 1, 1, 2, 3)),
            skip=rng.choice((0, 0, 1, 2, 5, 11)),
            seconds=rng.choice((0.0, 0.1, 0.5)),
        )
        for _ in range(rng.randint(1, 4))
    ]
