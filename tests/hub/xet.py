"""The storage that large files are uploaded to through Xet: a folder, which the library that clients use can also be.

https://huggingface.co/docs/xet describes the shards that say which file is made of what.
"""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import hf_xet

# A shard: header of 48 bytes, then per file one entry of 48 bytes with its hash, flags and number of pieces; the
# pieces; as many entries for their verification, and one with the SHA-256, where the flags say so.
ENTRY = struct.Struct("<32sII8x")
HAS_VERIFICATION = 0x80000000
HAS_SHA256 = 0x40000000
LAST = b"\xff" * 32


class Xet:
    """Files in a folder; `endpoint` is what clients are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint = f"local://{folder}"

    def names(self) -> dict[str, str]:
        """SHA-256 → the name that Xet has for it, of all files that were uploaded."""
        shards = sorted(self.folder.rglob("shards/*.mdb"))
        return {sha256: name for shard in shards for sha256, name in files_in(shard.read_bytes())}

    def fetch(self, wanted: list[tuple[str, int, Path]]) -> None:
        """Put files together from their pieces: name, size, and where to put each."""
        expiry = int(time.time()) + 3600
        group = hf_xet.XetSession().new_file_download_group(
            endpoint=self.endpoint, token="any", token_expiry_unix_secs=expiry
        )
        with group as files:
            for name, size, target in wanted:
                files.start_download_file(hf_xet.XetFileInfo(name, size), str(target))


def files_in(shard: bytes) -> Iterator[tuple[str, str]]:
    """SHA-256 and Xet's name of every file that a shard describes."""
    place = ENTRY.size
    while True:
        name, flags, count = ENTRY.unpack_from(shard, place)
        if name == LAST:
            return
        place += ENTRY.size * (1 + count * (2 if flags & HAS_VERIFICATION else 1))
        if flags & HAS_SHA256:
            yield hexadecimal(shard[place : place + 32]), hexadecimal(name)
            place += ENTRY.size


def hexadecimal(name: bytes) -> str:
    """A hash as Xet writes it: four numbers of 64 bits, the lowest byte first."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", name))
