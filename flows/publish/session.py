"""Talking to the Hub for a bounded time.

The hub client never repeats what creates something, waits as long as a server asks it to, and its requests have no time
limit. Here every request has one, and whatever is asked for is asked again until it works or patience is over. Nothing
of the user's environment for the client is touched: token, endpoint, proxies and the way of uploading stay as they are.
"""

import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Self, TypeVar

import httpx2
from huggingface_hub import HfApi, constants, get_session, get_token, set_client_factory
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils import logging as hub_logging

from flows.errors import CopydeskError, NetworkError
from flows.publish.problems import (
    HUB_ERRORS,
    RETRIED_STATUS,
    AskedToWaitError,
    OutOfPatienceError,
    Problem,
    problem_of,
)

log = logging.getLogger("copydesk")

# Seconds that one thing may go on failing, waiting included. A whole publication against a server that only fails has
# 120; the rest is for starting up, which was seen to take 40 on two busy cores.
PATIENCE_SECONDS = 60.0
# The same for a server that cannot even be reached: restarting one takes about ten.
CONNECT_PATIENCE_SECONDS = 15.0
CONNECT_SECONDS = 10.0
# Seconds without a byte. An interrupted run waits for its open requests, and has 30 s for it.
READ_SECONDS = 20.0
# The Hub works on a large commit before it answers. If that is not enough, it will be found done.
COMMIT_SECONDS = 45.0
# What a request counts as that does not state how much it sends; a part of a large file has at least that.
UNKNOWN_BYTES = 5_000_000
# Waits between two attempts: random up to a bound that doubles ("full jitter": M. Brooker, Exponential Backoff And
# Jitter, AWS Architecture Blog 2015).
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0

# Seconds that an upload is waited for that was interrupted: somewhat more than the client's own longest wait.
CLOSE_SECONDS = 10.0

Result = TypeVar("Result")


class Patience:
    """How long something has gone on failing without any progress.

    Attributes:
        cause: of the newest failure, for a person.
    """

    def __init__(self, byte_count: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Of something that has that many bytes to send."""
        self._clock = clock
        self._unsent = byte_count
        self._failing_since: float | None = None
        self._progress_at = clock()
        self.cause = "it was ended"

    def now(self) -> float:
        """Seconds on the clock that it goes by."""
        return self._clock()

    def failed(self, since: float, cause: str) -> None:
        """Note that what began at that time failed."""
        self.cause = cause
        if self._failing_since is None:
            self._failing_since = max(since, self._progress_at)

    def progressed(self) -> None:
        """Note that part of it is done for good."""
        self._progress_at = self._clock()
        self._failing_since = None

    def sent(self, byte_count: int) -> None:
        """Note that so many bytes are sent; sending the same ones over and over is no progress."""
        if self._unsent > 0:
            self._unsent -= byte_count
            self.progressed()

    def left(self, limit: float = PATIENCE_SECONDS) -> float:
        """Seconds until it is over."""
        return limit if self._failing_since is None else limit - (self._clock() - self._failing_since)


class PatientClient(httpx2.Client):
    """The HTTP client of the hub client's requests, from within a session."""

    session: "Session"

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request that ends in time; say no to a server that asks for more time than there is."""
        patience = self.session.patience
        if self.session.is_closed or patience.left() <= 0:
            raise OutOfPatienceError(patience.cause)
        request.extensions["timeout"] = time_limits(request, patience.left())
        began = patience.now()
        try:
            response = super().send(request, **options)
        except httpx2.TransportError as error:
            if isinstance(error, httpx2.TimeoutException) and patience.left() <= 0:
                # It had less time than any other; what failed before says more.
                raise OutOfPatienceError(patience.cause) from error
            patience.failed(began, problem_of(error).text)
            raise
        if response.status_code in RETRIED_STATUS:
            patience.failed(began, f"the Hub fails with {response.status_code}; try again later")
            asked = asked_to_wait(response.headers)
            if asked >= patience.left():
                response.close()
                raise OutOfPatienceError(f"the Hub asks to wait {asked:.0f} s; try again then")
            if asked > LONGEST_WAIT_SECONDS:
                # The client would sleep in a thread that an interrupted run had to wait for.
                response.close()
                raise AskedToWaitError(asked)
        elif request.method == "PUT" and response.is_success:
            patience.sent(int(request.headers.get("content-length", UNKNOWN_BYTES)))
        return response


def time_limits(request: httpx2.Request, left: float) -> dict[str, float]:
    """Seconds for each part of a request: never more than those left, and less where the caller says so."""
    read = COMMIT_SECONDS if "/commit/" in request.url.path else READ_SECONDS
    limits = {"connect": CONNECT_SECONDS, "read": read, "write": READ_SECONDS, "pool": COMMIT_SECONDS}
    asked = request.extensions.get("timeout") or {}
    return {name: min(left, limit, asked.get(name) or limit) for name, limit in limits.items()}


def asked_to_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait, as the hub client understands it; 0 if it does not."""
    stated = headers.get("retry-after", "").strip()
    _, _, reset = headers.get("ratelimit", "").replace(" ", "").partition(";t=")
    return float(max((int(text) for text in (stated, reset) if text.isdigit()), default=0))


class Session:
    """The hub client, made patient and quiet as long as this context lasts.

    Attributes:
        api: the client; it finds the token and the endpoint by itself, as always.
        patience: with what is being tried now.
        is_closed: whether no more requests may be sent.
    """

    def __init__(self) -> None:
        self.patience = Patience()
        self.is_closed = False
        self.api = HfApi(token=False)
        self._token: str | None = None
        self._open = ExitStack()
        self._idle = threading.Event()
        self._idle.set()

    def __enter__(self) -> Self:
        self._open.enter_context(_quiet())
        hooks = get_session().event_hooks

        def patient() -> httpx2.Client:
            client = PatientClient(event_hooks=hooks, follow_redirects=True)
            client.session = self
            return client

        set_client_factory(patient)
        self._open.callback(
            set_client_factory, lambda: httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=None)
        )
        try:
            self._token = self.insist("look for a token", get_token)
        except BaseException:
            self._open.close()
            raise
        self.api = HfApi(token=self._token is not None)
        return self

    def __exit__(self, *error: object) -> None:
        # What still runs in the background finds out at its next request, before the client becomes a plain one again.
        self.is_closed = True
        self._idle.wait(CLOSE_SECONDS)
        self._open.close()

    @property
    def has_token(self) -> bool:
        """Whether there is a token, in the environment or from a login."""
        return self._token is not None

    @property
    def endpoint(self) -> str:
        """Address of the Hub, without credentials."""
        scheme, slashes, place = constants.ENDPOINT.partition("://")
        return f"{scheme}{slashes}{place.rpartition('@')[2]}"

    def insist(self, doing: str, action: Callable[[], Result], byte_count: int = 0) -> Result:
        """Do something, again and again as long as it fails for reasons that may pass.

        Args:
            doing: what it is, for a person, after "cannot".
            action: finds out first whether an earlier attempt got through, where doing it twice would matter.
            byte_count: what it has to send.

        Raises:
            NetworkError: it went on failing.
            CopydeskError: it failed for good; also what `action` itself raises.
        """
        self.patience = Patience(byte_count)
        for attempt in itertools.count():
            began = self.patience.now()
            try:
                return action()
            except OutOfPatienceError as error:
                raise NetworkError(self.masked(f"cannot {doing}: {error}")) from None
            except (AskedToWaitError, *HUB_ERRORS) as error:
                problem = problem_of(error)
                # Without the cause: it holds the request with the token in its headers, and flows keep what is raised.
                if not problem.may_pass:
                    raise self.error(doing, problem) from None
                self.patience.failed(began, problem.text)
                wait = max(problem.wait_seconds, random.uniform(0, wait_bound(attempt)))  # noqa: S311 - no secret
                limit = CONNECT_PATIENCE_SECONDS if problem.is_unreachable else PATIENCE_SECONDS
                if wait >= self.patience.left(limit):
                    raise self.error(doing, problem) from None
            log.debug("cannot %s yet: %s", doing, self.masked(self.patience.cause))
            time.sleep(wait)
        raise AssertionError("unreachable")

    def in_background(self, action: Callable[[], Result], seconds: float) -> Result:
        """Run something that a signal could not interrupt in a thread that the process need not wait for.

        Raises:
            OutOfPatienceError: it has not ended after that many seconds.
        """
        outcome: list[Result] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(action())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                failure.append(error)
            finally:
                done.set()

        # An event rather than the thread is waited for: a wait for a thread that a signal interrupts takes the thread
        # for ended (https://github.com/python/cpython/issues/89437).
        done = self._idle = threading.Event()
        threading.Thread(target=run, name="copydesk-upload", daemon=True).start()
        done.wait(seconds)
        if failure:
            raise failure[0]
        if not outcome:
            raise OutOfPatienceError(f"the storage of the Hub did nothing for {seconds:.0f} s; try again later")
        return outcome[0]

    def error(self, doing: str, problem: Problem) -> CopydeskError:
        """A problem as an error for a person."""
        return problem.kind(self.masked(f"cannot {doing}: {problem.text}"))

    def masked(self, text: str) -> str:
        """A text in which the token, should a server have repeated it, is not to be seen."""
        return text.replace(self._token, "***") if self._token else text


def wait_bound(attempt: int) -> float:
    """The longest wait after an attempt, from 0; seconds."""
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 10))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from printing retries, addresses that are signed, and progress bars into our errors.

    A level that the user asks for (HF_HUB_VERBOSITY, HF_DEBUG) stays.
    """
    before = hub_logging.get_verbosity()
    if "HF_HUB_VERBOSITY" not in os.environ and not constants.HF_DEBUG:
        hub_logging.set_verbosity(hub_logging.ERROR)
    try:
        if constants.HF_HUB_DISABLE_PROGRESS_BARS is None:
            with disable_progress_bars():
                yield
        else:
            yield
    finally:
        hub_logging.set_verbosity(before)
