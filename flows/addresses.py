"""Addresses of stores (s3://bucket/folder), where a path of this machine could stand as well.

An address is shown, logged and kept in many places, so that one with a password is refused, and never shown whole.
"""

import os
import re

from flows.errors import UsageError
from flows.printable import printable

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PASSWORD = re.compile(r":(?!\d*$)")  # not a port
_WITH_USER = ("sftp", "ssh", "ftp", "ftps", "smb", "hdfs", "webhdfs")
_WEB = ("http", "https")


def scheme_of(place: str) -> str:
    """The kind of store that an address names; empty for a path of this machine."""
    found = _ADDRESS.match(place)
    return found[1].lower() if found else ""


def is_address(place: str) -> bool:
    """Whether a SOURCE or folder is named by an address, rather than by a path of this machine."""
    return bool(scheme_of(place))


def absolute(place: str) -> str:
    """The same place, named so that it does not depend on where this process is; links are not followed."""
    return place if is_address(place) else os.path.abspath(place)  # noqa: PTH100 - Path.resolve follows links


def shown(address: str) -> str:
    """An address on one line, without user, password and query."""
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    if _PASSWORD.search(host):
        # A password may hold slashes.
        rest = rest.rpartition("@")[2] if "@" in rest else "…"
    elif "@" in host:
        rest = rest.partition("@")[2]
    if scheme.lower() in _WEB:
        rest = rest.partition("?")[0]
    return printable(f"{scheme}://{rest}")


def checked_address(place: str) -> str:
    """The same path or address, if it may be kept and shown; one of this machine (file://) as a path.

    Raises:
        UsageError: it holds a password or a key, or names one store inside another.
    """
    scheme = scheme_of(place)
    if not scheme:
        return place
    rest = place.partition("://")[2]
    host = rest.partition("/")[0]
    if "::" in place:
        raise UsageError(f"{shown(place)}: an address inside another one is not read; unpack it first")
    # sftp:// needs a user; what stands there for S3 is a key.
    is_secret = _PASSWORD.search(host) or ("@" in host and scheme not in _WITH_USER)
    if is_secret or (scheme in _WEB and "?" in place):
        raise UsageError(f"{shown(place)}: take the password or key out of the address; the environment is its place")
    return rest if scheme in ("file", "local") else place
