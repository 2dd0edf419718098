"""The words of a corpus as numbers, in memory as long as they are few and in a file when they are many.

Everything after reading works on these numbers: four bytes a word instead of six or seven of text. Texts are read once,
batch by batch, and not kept.
"""

import mmap
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.buffers import Bytes, Places, text_runs
from flows.compiled import kernel
from flows.deduplicate.characters import character_tables
from flows.deduplicate.kernels import COMPILE_FROM_BYTES, thread_count
from flows.deduplicate.portion_files import Room
from flows.deduplicate.portions import FULL, ON_THREADS, Spread
from flows.deduplicate.text_kernels import eight_bytes, needs_normal_form, tokenize

Number = TypeVar("Number", bound=np.generic)

# Text that a thread splits at a time: enough to be worth handing over, little beside everything else.
BATCH_BYTES = 4_000_000
# Portions that wait for each thread, so that none waits while the next texts are decoded.
_PORTIONS_AHEAD = 6


@dataclass
class WordStore:
    """The words and lines of texts.

    Attributes:
        words: uint32, shape (all words): as `flows.deduplicate.kernels` describes them.
        starts: int64, shape (texts + 1): where the words of each text begin.
        line_hashes: int64, shape (all lines): hash of the words of each line that has some.
        line_words: int32, shape (all lines): how many they are.
        line_starts: int64, shape (texts + 1): where the lines of each text begin.
        is_compiled: whether there is enough text for compiled kernels.
        spread: who does the work on them; elsewhere, `words` lies in a file that has a name.
        file: the temporary file that `words` lies in, if any: it is there as long as it is held.
    """

    words: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    line_hashes: npt.NDArray[np.int64]
    line_words: npt.NDArray[np.int32]
    line_starts: npt.NDArray[np.int64]
    is_compiled: bool
    spread: Spread = ON_THREADS
    file: IO[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Where the file of `words` lies if others do the work."""
        return file_of(self.words).parent

    @property
    def text_count(self) -> int:
        """How many texts there are."""
        return len(self.starts) - 1

    def let_go(self) -> "WordStore":
        """Hand words and lines on to another one. How many words each text had stays known here."""
        other = replace(self)
        self.words, self.file = np.empty(0, np.uint32), None
        self.line_hashes, self.line_words = np.empty(0, np.int64), np.empty(0, np.int32)
        self.line_starts = np.zeros(1, np.int64)
        return other


def words_of_batches(batches: Iterable[pl.Series], memory_bytes: int, folder: Path | None = None) -> WordStore:
    """Read texts and keep their words.

    Args:
        batches: texts; null counts as empty.
        memory_bytes: words of more bytes go to a temporary file.
        folder: where that file lies; where temporary files usually do if None.
    """
    room = _room(memory_bytes)
    file: IO[bytes] | None = None
    word_ends: list[npt.NDArray[np.int64]] = []
    line_ends: list[npt.NDArray[np.int64]] = []
    hashes: list[npt.NDArray[np.int64]] = []
    line_words: list[npt.NDArray[np.int32]] = []
    word_total = line_total = byte_total = 0
    for part in _parts(batches):
        word_ends.append(part.word_ends + word_total)
        line_ends.append(part.line_ends + line_total)
        hashes.append(part.line_hashes)
        line_words.append(part.line_words)
        if file is None and word_total + len(part.words) > len(room):
            file = tempfile.TemporaryFile(prefix="copydesk-words-", dir=folder)  # noqa: SIM115 - lives as long as the store
            file.write(room[:word_total].data)
            room = np.empty(0, np.uint32)
        if file is None:
            room[word_total : word_total + len(part.words)] = part.words
        else:
            file.write(part.words.data)
        word_total += len(part.words)
        line_total += len(part.line_words)
        byte_total += part.byte_count
    words = room[:word_total]
    if file is not None:
        file.flush()
        words = np.memmap(file, np.uint32, "r+", shape=(word_total,))
    return WordStore(
        words=words,
        starts=np.concatenate([np.zeros(1, np.int64), *word_ends]),
        line_hashes=_joined(hashes, np.int64),
        line_words=_joined(line_words, np.int32),
        line_starts=np.concatenate([np.zeros(1, np.int64), *line_ends]),
        is_compiled=byte_total >= COMPILE_FROM_BYTES,
        file=file,
    )


def _room(memory_bytes: int) -> npt.NDArray[np.uint32]:
    """Room for words of so many bytes, or of half of those that the machine has: a system may refuse more at once.

    It lies where it lies, so that words are never held twice.
    """
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _in_small_pages(min(memory_bytes, machine_bytes // 2) // 4, np.uint32)


def _in_small_pages(count: int, dtype: type[Number]) -> npt.NDArray[Number]:
    """Room for so many numbers, in memory that the system hands out page by page as it is written to.

    NumPy asks for huge pages. In a virtual machine that gives back what is free, 2.4 GB of them took 4 to 10 s of the
    system's time, and small ones 1.5 to 2.5 s (Linux 6.18 on Firecracker, 2026); what huge ones spare afterwards is
    half a second in forty.
    """
    size = max(count, 1) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), dtype)[:count]


def give_back(words: npt.NDArray[Any]) -> None:
    """Take the pages of a file's words out of this process's memory; they are read again when they are needed."""
    mapped = getattr(words, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def shared_words(folder: Path, count: int) -> npt.NDArray[np.uint32]:
    """Room for so many words, for one at least, in a file of the work folder, which portions fill; see `room_for`."""
    descriptor, name = tempfile.mkstemp(prefix="words-", dir=folder)
    os.close(descriptor)
    # A map cannot be empty.
    count = max(count, 1)
    os.truncate(name, count * 4)
    return np.memmap(name, np.uint32, "r+", shape=(count,))


def room_for(words: npt.NDArray[np.uint32], first: int, count: int) -> Room:
    """That part of `shared_words` that a portion fills: where it begins, and how many words it has."""
    return Room(file_of(words), first * words.itemsize, count * words.itemsize)


def file_of(words: npt.NDArray[np.uint32]) -> Path:
    """The file of `shared_words`."""
    assert isinstance(words, np.memmap)
    return Path(str(words.filename)).resolve()


def sealed(words: npt.NDArray[np.uint32], spread: Spread) -> npt.NDArray[np.uint32]:
    """The words of a file that is full, under another name: who was given up and writes on does not find it."""
    file = file_of(words)
    spread.filled(file)
    full = file.rename(file.with_name(f"{file.name}{FULL}"))
    return np.memmap(full, np.uint32, "r+", shape=words.shape)


def _joined(pieces: list[npt.NDArray[Number]], dtype: type[Number]) -> npt.NDArray[Number]:
    """The pieces as one array, taken out of the list so that they are not held twice for longer than needed."""
    joined = np.concatenate(pieces) if pieces else np.empty(0, dtype)
    pieces.clear()
    return joined


def _portions(batches: Iterable[pl.Series]) -> Iterator[pl.Series]:
    """The batches, cut so that each holds about BATCH_BYTES at most (a longer text is one portion)."""
    for texts in batches:
        ends = texts.str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
        first = 0
        done = 0
        while first < len(ends):
            last = max(first + 1, int(np.searchsorted(ends, done + BATCH_BYTES, side="right")))
            yield texts.slice(first, last - first)
            done = int(ends[last - 1])
            first = last


@dataclass(frozen=True)
class _Room:
    """What `tokenize` writes to. It is used again: pages that the system has to clear take longer than to fill them."""

    words: npt.NDArray[np.uint32]
    line_hashes: npt.NDArray[np.int64]
    line_words: npt.NDArray[np.int32]

    @classmethod
    def of(cls, word_count: int) -> "_Room":
        """Room for so many words."""
        return cls(
            _in_small_pages(word_count, np.uint32),
            _in_small_pages(word_count, np.int64),
            _in_small_pages(word_count, np.int32),
        )


@dataclass(frozen=True)
class _Part:
    """What `tokenize` gives of some texts, cut to what is used; ends count from the part's own beginning.

    Words lie in the room, which is filled anew once the next part is asked for.
    """

    room: _Room
    words: npt.NDArray[np.uint32]
    word_ends: npt.NDArray[np.int64]
    line_hashes: npt.NDArray[np.int64]
    line_words: npt.NDArray[np.int32]
    line_ends: npt.NDArray[np.int64]
    byte_count: int


def _parts(batches: Iterable[pl.Series]) -> Iterator[_Part]:
    """Split texts into words, a few portions at a time, each by a thread of its own; in the order of the texts."""
    waiting: deque[Future[_Part]] = deque()
    rooms: SimpleQueue[_Room] = SimpleQueue()
    threads = thread_count()
    byte_total = 0

    def next_part() -> Iterator[_Part]:
        part = waiting.popleft().result()
        yield part
        rooms.put(part.room)

    with ThreadPoolExecutor(threads) as pool:
        for texts in _portions(batches):
            byte_total += int(texts.str.len_bytes().sum())
            # Plain as long as there is little; the words are the same.
            waiting.append(pool.submit(_tokenized, texts, rooms, is_compiled=byte_total >= COMPILE_FROM_BYTES))
            if len(waiting) > _PORTIONS_AHEAD * threads:
                yield from next_part()
        while waiting:
            yield from next_part()


def _tokenized(texts: pl.Series, rooms: "SimpleQueue[_Room]", *, is_compiled: bool) -> _Part:
    """Split texts into words, in one of the rooms if one is free and large enough."""
    classes, lower, _ = character_tables()
    runs = _runs_in_normal_form(texts, is_compiled=is_compiled)
    byte_count = sum(int((ends - starts).sum()) for _, starts, ends in runs)
    # A word takes two bytes at least: itself and what parts it from the next.
    most = byte_count // 2 + len(texts) + 1
    try:
        room = rooms.get_nowait()
    except Empty:
        room = _Room.of(most)
    if len(room.words) < most:
        room = _Room.of(most)
    words, hashes, line_words = room.words, room.line_hashes, room.line_words
    word_ends = np.empty(len(texts), np.int64)
    line_ends = np.empty(len(texts), np.int64)
    run = kernel(tokenize, is_compiled=is_compiled)
    first = word_count = line_count = 0
    for data, starts, ends in runs:
        own = slice(first, first + len(starts))
        of_run = words[word_count:], word_ends[own], hashes[line_count:], line_words[line_count:], line_ends[own]
        run(data, eight_bytes(data), starts, ends, classes, lower, *of_run)
        word_ends[own] += word_count
        line_ends[own] += line_count
        first, word_count, line_count = own.stop, int(word_ends[own.stop - 1]), int(line_ends[own.stop - 1])
    return _Part(
        room=room,
        words=words[:word_count],
        word_ends=word_ends,
        line_hashes=hashes[:line_count].copy(),
        line_words=line_words[:line_count].copy(),
        line_ends=line_ends,
        byte_count=byte_count,
    )


def _runs_in_normal_form(texts: pl.Series, *, is_compiled: bool) -> list[tuple[Bytes, Places, Places]]:
    """The bytes of the texts in runs, those in NFKC for which it matters."""
    _, _, unstable = character_tables()
    runs = list(text_runs(texts))
    found = np.zeros(len(texts), np.bool_)
    first = 0
    for data, starts, ends in runs:
        own = found[first : first + len(starts)]
        kernel(needs_normal_form, is_compiled=is_compiled)(data, eight_bytes(data), starts, ends, unstable, own)
        first += len(starts)
    if not found.any():
        return runs
    # Normalizes these texts only: a null stays null for nothing.
    normal = pl.coalesce(pl.when(pl.lit(pl.Series(found))).then(pl.lit(texts)).str.normalize("NFKC"), pl.lit(texts))
    return list(text_runs(pl.select(normal).to_series()))
