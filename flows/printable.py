"""Names from outside made safe to print: file names and addresses end in tables, log lines and messages."""

import os
import re

# Control characters (C0, C1), line and paragraph separators, the controls of writing direction (they let a name show
# as another: Unicode TR 36) and the surrogates by which Python carries undecodable bytes of a file name.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# The same for polars, whose texts hold no surrogates.
UNPRINTABLE = r"[\x00-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]"


def _percent(match: re.Match[str]) -> str:
    character = match.group()
    is_byte = "\udc80" <= character <= "\udcff"
    data = bytes([ord(character) - 0xDC00]) if is_byte else character.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)


def printable(name: str) -> str:
    """The name with what cannot be printed percent-encoded, byte by byte; all other characters stay as they are."""
    return _UNPRINTABLE.sub(_percent, name)


def printable_path(path: str) -> str:
    """The same for a path that the system gave: its bytes as UTF-8 under every locale, as ids are made of it."""
    return printable(os.fsencode(path).decode("utf-8", "surrogateescape"))


def one_line(value: str, max_chars: int) -> str | None:
    """The value without white space around it; null if it is empty, too long or cannot be printed on one line."""
    value = value.strip()
    if not value or len(value) > max_chars or _UNPRINTABLE.search(value):
        return None
    return value
