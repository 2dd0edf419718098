"""What goes wrong at the Hub, in words for a person, and whether it may pass."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled, OIDCError

from flows.errors import CopydeskError, NetworkError, RefusedError, UsageError

# Answers after which the same request may work: as the hub client, and "too early".
RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
# What the client raises: its own errors and those of HTTP, of files and of the library that uploads to Xet, and what
# comes of an answer that is not of the form that it expects.
HUB_ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OIDCError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
)
# What answers mean that stand against something for a while. 412 is about a commit that was not on top of the head,
# although the head is where it was seen.
PASSING = {
    409: "the Hub is busy with something that stands against it; try again",
    412: "the Hub says that the repository moved, and shows no move; try again",
}
REFUSALS = {
    401: "the Hub does not accept the token; set HF_TOKEN to a valid one or run `hf auth login`",
    403: "the token has no right to do that, and needs to be one that may write there",
    404: "the Hub has no such thing",
}
MAX_CHARS = 200


class OutOfPatienceError(NetworkError):
    """What was tried has gone on failing for too long."""


class AskedToWaitError(NetworkError):
    """The server asks to wait, and there is time for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the Hub gets too many requests; try again later")
        self.seconds = seconds


@dataclass(frozen=True)
class Problem:
    """Something that went wrong.

    Attributes:
        text: the cause and, where there is something to be done, what; one line.
        kind: the error that it is.
        may_pass: whether trying again may help.
        wait_seconds: how long the server asks to wait.
        is_unreachable: whether there was no connection at all.
    """

    text: str
    kind: type[CopydeskError] = NetworkError
    may_pass: bool = False
    wait_seconds: float = 0.0
    is_unreachable: bool = False


def problem_of(error: BaseException) -> Problem:
    """What an error of the hub client means; it may stem from one of ours, raised by a request that it made."""
    known = (_known(one) for one in _chain(error))
    return next((problem for problem in known if problem is not None), None) or _other(error)


def _known(error: BaseException) -> Problem | None:
    """What an error means, if it says so by its type."""
    match error:
        case CopydeskError():
            return _ours(error)
        case OfflineModeIsEnabled() | OIDCError() | LocalTokenNotFoundError():
            return _not_asked(error)
        case HfHubHTTPError():
            return _answered(error)
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return Problem("HF_ENDPOINT is no address that a Hub could have", UsageError)
        case httpx2.HTTPError() | httpx2.StreamError() | json.JSONDecodeError():
            return _broken(error)
    return None


def _ours(error: CopydeskError) -> Problem:
    """What an error means that a request raised which was not to be sent, or not to be waited for."""
    if isinstance(error, AskedToWaitError):
        return Problem(str(error), may_pass=True, wait_seconds=error.seconds)
    return Problem(str(error), type(error))


def _not_asked(error: BaseException) -> Problem:
    """What it means that the client sent nothing."""
    if isinstance(error, OfflineModeIsEnabled):
        return Problem("the hub client is in offline mode; unset HF_HUB_OFFLINE")
    return Problem(f"there is no token to be had: {_line(error)}", RefusedError)


def _broken(error: BaseException) -> Problem:
    """What it means that no answer came, or half of one."""
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.ProxyError():
            text = "there is no connection to the Hub; look at the network and HF_ENDPOINT"
            return Problem(text, may_pass=True, is_unreachable=True)
        case httpx2.TimeoutException():
            return Problem("the Hub does not answer in time; try again later", may_pass=True)
    return Problem("the connection to the Hub broke in the middle; try again later", may_pass=True)


def _other(error: BaseException) -> Problem:
    """What an error means that is none of HTTP."""
    if type(error).__name__ == "XetAuthenticationError":
        return Problem("the storage of the Hub does not accept the token", RefusedError)
    if isinstance(error, RuntimeError | ConnectionError | TimeoutError):
        # What the library for Xet raises when its own attempts are used up.
        return Problem(f"the storage of the Hub failed: {_line(error)}", may_pass=True)
    if isinstance(error, OSError) and error.errno:
        return Problem(f"{error.filename or 'a file'}: {error.strerror}", CopydeskError)
    return Problem(f"the Hub answered something that its client does not accept: {_line(error)}")


def status_of(error: BaseException) -> int:
    """Status of the answer that an error stems from; 0 if there was none."""
    return next((one.response.status_code for one in _chain(error) if isinstance(one, HfHubHTTPError)), 0)


def _answered(error: HfHubHTTPError) -> Problem:
    """What an answer means that is no success."""
    status = error.response.status_code
    said = _line(error.server_message or "")
    because = f" ({said})" if said else ""
    if status in RETRIED_STATUS:
        stated = error.response.headers.get("retry-after", "").strip()
        wait = float(stated) if stated.isdigit() else 0.0
        text = "the Hub gets too many requests" if status == 429 else f"the Hub fails with {status}"
        return Problem(f"{text}{because}; try again later", may_pass=True, wait_seconds=wait)
    if status in PASSING:
        return Problem(PASSING[status] + because, may_pass=True)
    if status in REFUSALS:
        return Problem(REFUSALS[status] + because, RefusedError)
    return Problem(f"the Hub does not accept it: {status}{because}", CopydeskError)


def _line(text: object) -> str:
    """The first line of what somebody said, not too long of it."""
    lines = str(text).strip().splitlines()
    return lines[0][:MAX_CHARS] if lines else type(text).__name__ if isinstance(text, BaseException) else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it stems from."""
    while error is not None:
        yield error
        error = error.__cause__
