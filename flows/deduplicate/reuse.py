"""Passages that say what an earlier passage says: in the same words, in nearly the same, or reworded.

Rules find pairs; each row of their result tells which one did. Passages of the same words are grouped by hash. Of the
first of each group, chosen shingles propose pairs, and every pair is compared word by word: as a whole, and for the
longest stretch that both share. Where few words are shared the place must speak too (`slots`): one lede translated
twice shares less with itself than a pull quote does with the answer that it is cut from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.deduplicate.align import align, align_pairs
from flows.deduplicate.kernels import shuffled
from flows.deduplicate.pairs import Counted, Pairs, added_up, counted, sides
from flows.deduplicate.passage_kernels import (
    A_FROM,
    A_TO,
    B_FROM,
    B_TO,
    COMMON,
    MATCHED,
    NEW_FIGURES,
    PASSAGE_MEASURES,
    UNBROKEN,
)
from flows.deduplicate.passages import Indexes, Passages, kernels_for, of_roles, views, views_of
from flows.deduplicate.portion_files import Stretches
from flows.deduplicate.portions import Arrays, shared_out
from flows.deduplicate.wordstore import give_back
from flows.settings import Settings
from schemas.columns import CONTENT_ROLES, ROLES

__all__ = ["MATCH_SCHEMA", "Firsts", "align", "align_pairs", "firsts_of", "reworded_passages"]

MATCH_SCHEMA = pl.Schema(
    {
        "a": pl.UInt32,
        "b": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
        "method": pl.String,
        "is_whole": pl.Boolean,
        "a_from": pl.UInt32,
        "a_to": pl.UInt32,
        "b_from": pl.UInt32,
        "b_to": pl.UInt32,
    }
)

# Menus, counters and names are alike everywhere and say nothing; a dateline is a place and a day.
_NEVER = ("navigation", "speaker_label", "dateline")
# Different words with a letter that a passage must have to be told from another of its role; content has a setting.
# Three are "By Jane Doe" or a short headline, and more than "Read more"; a notice of three is "All rights reserved".
_MIN_WORDS = {"byline": 3, "title": 3, "source_url": 3}
_MIN_NOTICE_WORDS = 4
# What a passage is compared with: content, headlines, bylines and captions among themselves, and all notices.
_OWN_GROUP = {"title": 1, "byline": 2, "caption": 3}
_CONTENT_GROUP, _BYLINE_GROUP, _NOTICE_GROUP = 0, 2, 4
# An odd number, so that a group has its own place among 62-bit hashes.
_GROUP_STEP = 0x1F123BB5

# Two passages with so many words in a row in common share a fingerprint whatever is around: window + shingle - 1.
_WINDOW = 4
# Passages of fewer shingles are known by all of them: a sentence has few, and an edited word takes four of them away.
_ALL_BELOW = 24
# Fingerprints that many passages have which a pair must share to be compared; one that few have will do.
_LIKELY_COMMON = 2
# Words that may differ between two shared shingles of one stretch, and the share of it that must be shared.
_STRETCH_GAP = 5
_STRETCH_DENSITY = 0.6
# Words in a row that may differ where a stretch is lengthened, those of both passages together.
_STRETCH_DROP = 12
# In a headline or a short sentence one other word is another story ("rates rise", "rates fall").
_SHORT_SIMILARITY = 0.92

# Ranges that fingerprints are shuffled into: many, so that what is sorted at a time is small; a power of two.
_RANGES = 16
_PASSAGES_PER_SLICE = 50_000
_PAIRS_PER_SLICE = 20_000
_MOST_SLICES = 8


@dataclass(frozen=True)
class Firsts:
    """The passages that can be told from others by their words, and the first of each group of equal ones.

    Attributes:
        telling: shape (n): their rows, in the order of items.
        first: shape (n): place in `telling` of the first passage with the same words, comparable with it.
        sizes: shape (rows): words of each passage, those of scripts without spaces by half.
    """

    telling: Indexes
    first: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]

    @property
    def rows(self) -> Indexes:
        """The rows of the passages that are the first of their group, in the order of items."""
        rows: Indexes = self.telling[self.first == np.arange(len(self.first))]
        return rows

    def repeats(self) -> tuple[Indexes, Indexes]:
        """Each passage that repeats an earlier one in the same words: rows of the first, rows of the repeat."""
        is_repeat = self.first != np.arange(len(self.first))
        return self.telling[self.first[is_repeat]], self.telling[is_repeat]


def groups_of_roles() -> Indexes:
    """Shape (ROLES): passages of roles with the same number are compared with one another."""
    return np.array(
        [_CONTENT_GROUP if role in CONTENT_ROLES else _OWN_GROUP.get(role, _NOTICE_GROUP) for role in ROLES]
    )


def firsts_of(passages: Passages, settings: Settings) -> Firsts:
    """Group the passages of the same words.

    Args:
        passages: of all shards.
        settings: `min_repeat_words`.
    """
    store = passages.store
    count = store.text_count
    hashes = np.empty(count, np.int64)
    different, sizes = np.empty(count, np.int32), np.empty(count, np.int32)
    least = np.array(
        [
            settings.min_repeat_words if role in CONTENT_ROLES else _MIN_WORDS.get(role, _MIN_NOTICE_WORDS)
            for role in ROLES
        ]
    )
    bounds, spread = shared_out(count, _PASSAGES_PER_SLICE, store.spread)
    portions = [
        (
            store.words[store.starts[begin] : store.starts[end]],
            store.starts[begin : end + 1] - store.starts[begin],
            int(least.max()),
            store.is_compiled,
        )
        for begin, end in bounds
    ]
    for (begin, end), found in zip(bounds, spread(_described, portions), strict=True):
        hashes[begin:end], different[begin:end], sizes[begin:end] = found
    is_telling = (different >= least[passages.role]) & ~of_roles(_NEVER)[passages.role]
    telling = passages.rows[is_telling[passages.rows]].astype(np.int64)
    # A hash has 62 bits: two passages of ten million are the same by chance once in 50,000 corpora.
    keys = hashes[telling] ^ (groups_of_roles()[passages.role[telling]] * _GROUP_STEP)
    first = np.empty(len(telling), np.int32)
    table = np.full(1 << max(4, (2 * len(telling)).bit_length()), -1, np.int32)
    kernels_for(is_compiled=store.is_compiled)["first_equal"](*views(store, keys, table, first))
    return Firsts(telling, first, sizes)


def _described(words: npt.NDArray[np.uint32], starts: Indexes, enough: int, is_compiled: bool) -> Arrays:
    """Hashes, different words and sizes of passages that lie side by side."""
    count = len(starts) - 1
    out = np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.int32)
    arrays = views_of(words, starts, is_compiled=is_compiled)
    kernels_for(is_compiled=is_compiled)["describe"](
        *arrays, 0, count, enough, *views_of(*out, is_compiled=is_compiled)
    )
    give_back(words)
    return out


def reworded_passages(passages: Passages, firsts: Firsts, settings: Settings) -> pl.DataFrame:
    """Find the passages that share words with an earlier one: most of them, or a stretch.

    Args:
        passages: of all shards.
        firsts: only the first of equal passages are compared.
        settings: thresholds.

    Returns:
        The columns of MATCH_SCHEMA: one row per pair of items, a < b, sorted. `is_whole` where b as a whole repeats
        (part of) a. The last four are numbers of words, the end exclusive, where only a stretch of that passage is
        shared, else null. Not all pairs of a group of repeats are there, but each member is paired with the first one.
    """
    rows = firsts.rows
    a, b = (rows[side] for side in _likely_pairs(passages, rows, settings))
    found: dict[int, pl.DataFrame] = {}
    # The longer passage of each pair is looked through once for all pairs of it that stand side by side.
    lengths = np.diff(passages.store.starts)
    longer = np.where(lengths[b] > lengths[a], b, a)
    order = np.argsort(longer, kind="stable")
    a, b, longer = a[order], b[order], longer[order]

    # Of few slices however many pairs: each may look all over the words, which lie in a file if they are many.
    per_slice = max(_PAIRS_PER_SLICE, len(a) // _MOST_SLICES)
    bounds, spread = shared_out(len(a), per_slice, passages.store.spread)
    asked = [_asked(passages, a[first:last], b[first:last], longer[first:last], settings) for first, last in bounds]
    for (first, last), (measures,) in zip(bounds, spread(_measured, asked), strict=True):
        part = slice(first, last)
        found[first] = _verified(passages, firsts.sizes, a[part], b[part], measures, settings)
    return pl.concat([pl.DataFrame(schema=MATCH_SCHEMA), *found.values()]).sort("a", "b")


def _likely_pairs(passages: Passages, rows: Indexes, settings: Settings) -> tuple[Indexes, Indexes]:
    """Pairs of passages that share enough fingerprints to be compared.

    Fingerprints are worked through in partitions, as many as the memory asks for; what partitions hold in common is
    pairs alone, so that several machines could share them.

    Returns:
        Places in `rows`, a before b.
    """
    store = passages.store
    item_bits = max(1, (len(rows) - 1).bit_length())
    words = int((store.starts[rows + 1] - store.starts[rows]).sum())
    # About two fingerprints in five words, of eight bytes; beside them a range or two, and pairs.
    parts = 1 + words * 4 // settings.deduplicate_memory_bytes
    found: list[Counted] = []
    for linked in _links(passages, rows, item_bits, parts, settings):
        found = added_up([*found, *linked], len(rows))
    return sides(np.concatenate([pairs[shared >= _LIKELY_COMMON] for pairs, shared in found]))


def _links(
    passages: Passages, rows: Indexes, item_bits: int, parts: int, settings: Settings
) -> Iterator[list[Counted]]:
    """The pairs of each partition, in sorted pieces, and how much the fingerprints that link each count.

    Here each partition is sought anew, so that no more than one exists; elsewhere all at once, into files that are cut
    by ranges, and shuffled: each range is then read from all of them.
    """
    store = passages.store
    fixed = item_bits, settings.all_pairs_up_to, store.is_compiled
    _, spread = shared_out(len(rows), _PASSAGES_PER_SLICE, store.spread)
    cut_into = _RANGES
    if spread.is_elsewhere:
        cut_into, parts = _RANGES << (parts - 1).bit_length(), 1
    for part in range(parts):
        files = list(_keys(passages, rows, item_bits, part, parts, cut_into, settings))
        portions = [
            (*fixed, *(keys[cuts[number] : cuts[number + 1]] for keys, cuts in files)) for number in range(cut_into)
        ]
        del files
        yield [
            linked
            for few, worth, many, times in spread(_linked_range, portions)
            for linked in ((few, worth), (many, times))
        ]


def _keys(
    passages: Passages, rows: Indexes, item_bits: int, part: int, parts: int, cut_into: int, settings: Settings
) -> Iterator[tuple[Pairs, Indexes]]:
    """The fingerprints of one partition as the kernel gives them, in pieces; and where in each its ranges begin."""
    store = passages.store
    groups = groups_of_roles()[passages.role[rows]]
    bounds, spread = shared_out(len(rows), _PASSAGES_PER_SLICE, store.spread)
    # Passages that lie side by side go together.
    order = np.argsort(rows)
    slices = (order[first:last] for first, last in bounds)
    sizes = settings.shingle_words, item_bits, part, parts, cut_into
    places = ((items, (store.starts[rows[items]], store.starts[rows[items] + 1])) for items in slices)
    portions = [
        (
            Stretches(store.words, *own),
            *own,
            items,
            groups[items],
            *sizes,
            store.is_compiled,
        )
        for items, own in places
    ]
    for keys, cuts in spread(_fingerprints, portions, stays=(0,)):  # noqa: UP028 - two arrays of `Arrays`
        yield keys, cuts


def _fingerprints(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    ends: Indexes,
    items: Indexes,
    groups: Indexes,
    size: int,
    item_bits: int,
    part: int,
    parts: int,
    cut_into: int,
    is_compiled: bool,
) -> Arrays:
    """The fingerprints of passages, given where their words begin and end: by range, and where each range begins."""
    room = np.empty(int((ends - starts).sum()), np.uint64)
    bounds = np.stack([starts, ends], axis=1).ravel()
    arrays = views_of(words, bounds, np.arange(0, len(bounds), 2), items, groups, is_compiled=is_compiled)
    run = kernels_for(is_compiled=is_compiled)["fingerprints"]
    keys = room[: run(*arrays, size, _WINDOW, _ALL_BELOW, item_bits, part, parts, room)]
    give_back(words)
    return shuffled(keys, cut_into, is_compiled=is_compiled)


def _linked_range(
    item_bits: int, most: int, is_compiled: bool, *pieces: Pairs
) -> tuple[Pairs, Indexes, Pairs, Indexes]:
    """The pairs of one range of fingerprints, linked by those that few passages have and by those that many have.

    One fingerprint that few have counts as much as it takes, one that many have once.
    """
    kernels = kernels_for(is_compiled=is_compiled)
    keys = np.concatenate([np.empty(0, np.uint64), *pieces])
    keys.sort()
    few, _ = counted(_linked(kernels["link_rare"], keys, item_bits, most))
    many, times = counted(_linked(kernels["link_common"], keys, item_bits, most))
    return few, np.full(len(few), _LIKELY_COMMON), many, times


def _linked(run: Callable[..., int], keys: Pairs, item_bits: int, most: int) -> Pairs:
    """The pairs that a kernel makes of sorted fingerprints, sorted."""
    pairs = np.empty(run(keys, item_bits, most, np.empty(0, np.uint64)), np.uint64)
    run(keys, item_bits, most, pairs)
    pairs.sort()
    return pairs


def _asked(passages: Passages, a: Indexes, b: Indexes, longer: Indexes, settings: Settings) -> tuple[Any, ...]:
    """Pairs (rows of passages) as a portion of work for `_measured`."""
    store = passages.store
    is_b_longer = longer == b
    shorter = np.where(is_b_longer, a, b)
    has_stretch = (groups_of_roles()[passages.role[a]] == _CONTENT_GROUP) & (passages.source[a] != passages.source[b])
    starts, ends = store.starts[:-1], store.starts[1:]
    words: Any = store.words
    if store.spread.is_elsewhere:
        both = np.append(longer, shorter)
        words = Stretches(words, starts[both], ends[both])
    return (
        words,
        starts[longer],
        ends[longer],
        starts[shorter],
        ends[shorter],
        is_b_longer,
        has_stretch,
        settings.shingle_words,
        settings.near_similarity,
        store.is_compiled,
    )


def _measured(
    words: npt.NDArray[np.uint32],
    longer: Indexes,
    longer_ends: Indexes,
    shorter: Indexes,
    shorter_ends: Indexes,
    is_b_longer: npt.NDArray[np.bool_],
    has_stretch: npt.NDArray[np.bool_],
    size: int,
    enough: float,
    is_compiled: bool,
) -> Arrays:
    """What `compare_passages` measures of pairs, of which are given where the words of both begin and end."""
    measures = np.zeros((len(longer), PASSAGE_MEASURES), np.int32)
    # As the kernel asks for them: where each passage begins, and behind that where it ends. One longer passage that
    # stands in several pairs keeps one number.
    is_new = np.append(True, (np.diff(longer) != 0) | (np.diff(longer_ends) != 0))[: len(longer)]
    bounds = np.stack([longer, longer_ends, shorter, shorter_ends], axis=1).ravel()
    numbers = np.arange(0, len(bounds), 4)
    longer_numbers = np.maximum.accumulate(np.where(is_new, numbers, 0))
    kernels_for(is_compiled=is_compiled)["compare_passages"](
        *views_of(words, bounds, longer_numbers, numbers + 2, is_b_longer, has_stretch, is_compiled=is_compiled),
        size,
        _STRETCH_GAP,
        _STRETCH_DROP,
        enough,
        measures,
    )
    give_back(words)
    return (measures,)


def _verified(
    passages: Passages,
    sizes: npt.NDArray[np.int32],
    a: Indexes,
    b: Indexes,
    measures: npt.NDArray[np.int32],
    settings: Settings,
) -> pl.DataFrame:
    """Those of the measured pairs (rows of passages) that say the same: columns of MATCH_SCHEMA."""
    store = passages.store
    group = groups_of_roles()[passages.role[a]]
    pairs = pl.DataFrame(
        {
            "a": passages.items[a],
            "b": passages.items[b],
            "a_count": (store.starts[a + 1] - store.starts[a]),
            "b_count": (store.starts[b + 1] - store.starts[b]),
            "a_size": sizes[a],
            "b_size": sizes[b],
            "group": group,
            "common": measures[:, COMMON],
            "has_new_figures": measures[:, NEW_FIGURES] > 0,
            "is_unbroken": measures[:, UNBROKEN] > 0,
            "matched": measures[:, MATCHED],
            "a_from": measures[:, A_FROM],
            "a_to": measures[:, A_TO],
            "b_from": measures[:, B_FROM],
            "b_to": measures[:, B_TO],
        }
    )
    # A name is one word of a byline and all that it says; bylines are compared in their slot, by author.
    is_short = pl.min_horizontal("a_size", "b_size") < settings.min_stretch_words
    least = pl.when(is_short).then(max(_SHORT_SIMILARITY, settings.near_similarity)).otherwise(settings.near_similarity)
    word_similarity = 2 * pl.col("common") / (pl.col("a_count") + pl.col("b_count"))
    is_near = (word_similarity >= least) & (pl.col("group") != _BYLINE_GROUP)
    weight = pl.min_horizontal(pl.col("a_size") / pl.col("a_count"), pl.col("b_size") / pl.col("b_count"))
    length = pl.max_horizontal(pl.col("a_to") - pl.col("a_from"), pl.col("b_to") - pl.col("b_from"))
    is_stretch = (pl.col("matched") * weight >= settings.min_stretch_words) & (
        pl.col("matched") >= _STRETCH_DENSITY * length
    )
    places: dict[str, pl.Expr] = {}
    for side in ("a", "b"):
        is_part = pl.col("method") == "shared_stretch"
        is_part &= pl.col("matched") < settings.near_similarity * pl.col(f"{side}_count")
        places |= {f"{side}_{end}": pl.when(is_part).then(f"{side}_{end}") for end in ("from", "to")}
    b_is_part = pl.col("matched") < settings.near_similarity * pl.col("b_count")
    is_updated = pl.col("has_new_figures") & (pl.col("group") == _CONTENT_GROUP)
    return (
        pairs.filter(is_near | is_stretch)
        .with_columns(
            method=pl.when(is_near).then(pl.lit("common_words")).otherwise(pl.lit("shared_stretch")),
            score=pl.when(is_near)
            .then(word_similarity)
            .otherwise(2 * pl.col("matched") / (pl.col("a_count") + pl.col("b_count"))),
            kind=pl.when(~is_near & pl.col("is_unbroken")).then(pl.lit("verbatim")).otherwise(pl.lit("near")),
            is_whole=~is_updated & (is_near | ~b_is_part),
        )
        .with_columns(**places)
        .select(MATCH_SCHEMA.names())
        .cast(MATCH_SCHEMA)
    )
