"""Passages that say what an earlier passage says: in the same words, in nearly the same, or reworded.

Rules find pairs; each row of their result tells which one did. Passages of the same words are grouped by hash. Of the
first of each group, chosen shingles propose pairs, and every pair is compared word by word: as a whole, and for the
longest stretch that both share. Where few words are shared the place must speak too (`slots`): one lede translated
twice shares less with itself than a pull quote does with the answer that it is cut from.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.deduplicate.align import align, align_pairs
from flows.deduplicate.kernels import in_slices
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
from flows.deduplicate.passages import Indexes, Passages, kernels_for, of_roles, views
from flows.deduplicate.wordstore import give_back
from flows.settings import Settings
from schemas.columns import CONTENT_ROLES, ROLES

__all__ = ["MATCH_SCHEMA", "Firsts", "align", "align_pairs", "firsts_of", "reworded_passages"]

# Two passages in one number: the lower one << 32 | the higher one.
Pairs = npt.NDArray[np.uint64]

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

# Parts that fingerprints are sorted in, at the same time.
_BUCKETS = 4
_PASSAGES_PER_SLICE = 50_000
_PAIRS_PER_SLICE = 100_000


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
    kernels = kernels_for(is_compiled=store.is_compiled)

    def described(first: int, last: int) -> None:
        out = views(store, hashes, different, sizes)
        kernels["describe"](*views(store, store.words, store.starts), first, last, int(least.max()), *out)
        give_back(store.words)

    in_slices(described, count, is_parallel=store.is_compiled, per_slice=_PASSAGES_PER_SLICE)
    is_telling = (different >= least[passages.role]) & ~of_roles(_NEVER)[passages.role]
    telling = passages.rows[is_telling[passages.rows]].astype(np.int64)
    # A hash has 62 bits: two passages of ten million are the same by chance once in 50,000 corpora.
    keys = hashes[telling] ^ (groups_of_roles()[passages.role[telling]] * _GROUP_STEP)
    first = np.empty(len(telling), np.int32)
    table = np.full(1 << max(4, (2 * len(telling)).bit_length()), -1, np.int32)
    kernels["first_equal"](*views(store, keys, table, first))
    return Firsts(telling, first, sizes)


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

    def verified(first: int, last: int) -> None:
        part = slice(first, last)
        found[first] = _verified(passages, firsts.sizes, a[part], b[part], longer[part], settings)

    in_slices(verified, len(a), is_parallel=passages.store.is_compiled, per_slice=_PAIRS_PER_SLICE)
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
    # About two fingerprints in five words; keys, their parts and the pairs of a partition exist side by side.
    parts = 1 + words * 8 // settings.deduplicate_memory_bytes
    rare, common = np.empty(0, np.uint64), np.empty(0, np.uint64)
    shared = np.empty(0, np.int64)
    for part in range(parts):
        buckets = _keys(passages, rows, item_bits, part, parts, settings)
        for few, many in _links(buckets, item_bits, settings, is_compiled=store.is_compiled):
            rare = np.union1d(rare, few)
            common, shared = _counted(common, shared, many)
    pairs = np.union1d(rare, common[shared >= _LIKELY_COMMON])
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _keys(
    passages: Passages, rows: Indexes, item_bits: int, part: int, parts: int, settings: Settings
) -> list[list[npt.NDArray[np.uint64]]]:
    """The fingerprints of one partition as the kernel gives them, in pieces: by the first bits of their hashes."""
    store = passages.store
    run = kernels_for(is_compiled=store.is_compiled)["fingerprints"]
    groups = groups_of_roles()[passages.role[rows]]
    buckets: list[list[npt.NDArray[np.uint64]]] = [[] for _ in range(_BUCKETS)]

    def chosen(first: int, last: int) -> None:
        own = rows[first:last]
        room = np.empty(int((store.starts[own + 1] - store.starts[own]).sum()), np.uint64)
        count = run(
            *views(store, store.words, store.starts, own, np.arange(first, last), groups[first:last]),
            settings.shingle_words,
            _WINDOW,
            _ALL_BELOW,
            item_bits,
            part,
            parts,
            room,
        )
        give_back(store.words)
        bucket_of = room[:count] // np.uint64(2**64 // _BUCKETS)
        # The order of pieces depends on the threads; they are sorted next.
        for bucket, pieces in enumerate(buckets):
            pieces.append(room[:count][bucket_of == bucket])

    in_slices(chosen, len(rows), is_parallel=store.is_compiled, per_slice=_PASSAGES_PER_SLICE)
    return buckets


def _links(
    buckets: list[list[npt.NDArray[np.uint64]]], item_bits: int, settings: Settings, *, is_compiled: bool
) -> list[tuple[Pairs, Pairs]]:
    """The pairs of each bucket of fingerprints, sorted: through those that few have, and through those that many have.

    The buckets are emptied on the way.
    """
    kernels = kernels_for(is_compiled=is_compiled)
    found: dict[int, tuple[Pairs, Pairs]] = {}

    def linked(first: int, last: int) -> None:
        for bucket in range(first, last):
            keys = np.concatenate([np.empty(0, np.uint64), *buckets[bucket]])
            buckets[bucket].clear()
            keys.sort()
            few = np.unique(_linked(kernels["link_rare"], keys, item_bits, settings))
            found[bucket] = few, _linked(kernels["link_common"], keys, item_bits, settings)

    in_slices(linked, len(buckets), is_parallel=is_compiled, per_slice=1)
    return [found[bucket] for bucket in range(len(buckets))]


def _linked(run: Callable[..., int], keys: Pairs, item_bits: int, settings: Settings) -> Pairs:
    """The pairs that a kernel makes of sorted fingerprints, sorted."""
    pairs = np.empty(run(keys, item_bits, settings.all_pairs_up_to, np.empty(0, np.uint64)), np.uint64)
    run(keys, item_bits, settings.all_pairs_up_to, pairs)
    pairs.sort()
    return pairs


def _counted(pairs: Pairs, shared: Indexes, linked: Pairs) -> tuple[Pairs, Indexes]:
    """Add sorted links to the pairs counted so far."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(linked), 1), np.bool_), linked[1:] != linked[:-1]]))
    new, times = linked[starts], np.diff(np.append(starts, len(linked)))
    if not len(pairs):
        return new, times
    both, places = np.unique(np.concatenate([pairs, new]), return_inverse=True)
    totals = np.zeros(len(both), np.int64)
    np.add.at(totals, places, np.concatenate([shared, times]))
    return both, totals


def _verified(
    passages: Passages, sizes: npt.NDArray[np.int32], a: Indexes, b: Indexes, longer: Indexes, settings: Settings
) -> pl.DataFrame:
    """Those of the pairs (rows of passages) that say the same: columns of MATCH_SCHEMA."""
    store = passages.store
    measures = np.zeros((len(a), PASSAGE_MEASURES), np.int32)
    is_b_longer = longer == b
    group = groups_of_roles()[passages.role[a]]
    has_stretch = (group == _CONTENT_GROUP) & (passages.source[a] != passages.source[b])
    kernels_for(is_compiled=store.is_compiled)["compare_passages"](
        *views(store, store.words, store.starts, longer, np.where(is_b_longer, a, b), is_b_longer, has_stretch),
        settings.shingle_words,
        _STRETCH_GAP,
        _STRETCH_DROP,
        settings.near_similarity,
        measures,
    )
    give_back(store.words)
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
