"""Texts that are copies of one another: equal, edited, truncated, updated, or with another outlet's furniture.

Texts become numbered words; lines that recur in different stories are left out, and what recurs of a line where a text
begins or ends; texts of the same remaining words are grouped under the first of them. Sampled 4-grams propose pairs of
groups, and each pair is aligned: what both share, how long the stretches are that they do not, and whether they differ
in words, as an edited copy does, or in the slots of a form that is filled in again and again, as the weather report
does. Slots are known by what stands in them (names and figures) and, from four fillings on, by where texts differ.
Fillings are other texts, with two exceptions: a notice that differs from another in next to nothing is its correction,
and fillings that are alike (half of all runs of five words, fewer than ten slots that differ) are reported where a form
has few of them, because a reader would call them copies. Two texts that share the page or the frame of a form, and
nothing of what stands in its slots, are no copies.

Jaccard similarity alone would miss truncated and edited copies, and would take two stories in one template for copies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.compiled import kernel
from flows.deduplicate.cluster import star_clusters
from flows.deduplicate.forms import LEAST_VOICES, mark_slots
from flows.deduplicate.furniture import template_ends, template_lines, with_teasers
from flows.deduplicate.kernels import (
    A_COVERED,
    ALL_GRAMS,
    CHANCE_SHARE,
    LINE_SHIFT,
    MEASURES,
    MIX_A,
    NO_VALUES,
    NOWHERE,
    OTHER_VARIABLE,
    SAME_VARIABLE,
    SHARED_GRAMS,
    compare,
    first_of_equal,
    likely,
    link,
    recount,
    shuffled,
    sketch,
    trim,
)
from flows.deduplicate.pairs import Counted, Pairs, added_up, counted, distinct, paired, sides
from flows.deduplicate.portion_files import Room, Stretches
from flows.deduplicate.portions import ON_THREADS, Arrays, Spread, shared_out
from flows.deduplicate.verdict import ALIKE, INSIDE_LENGTH, Verdict
from flows.deduplicate.wordstore import WordStore, give_back, room_for, sealed, shared_words, words_of_batches
from flows.settings import Settings

Indexes = npt.NDArray[np.int64]

# Edges between documents as the stage numbers them.
EDGE_SCHEMA = pl.Schema(
    {
        "a": pl.UInt32,
        "b": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
        "a_coverage": pl.Float64,
        "b_coverage": pl.Float64,
    }
)
# Edges between documents with ids of the caller's.
NAMED_EDGE_SCHEMA = pl.Schema([("a_id", pl.String()), ("b_id", pl.String()), *list(EDGE_SCHEMA.items())[2:]])

# A candidate pair is aligned when it shares this many sampled 4-grams, or this share of those that the shorter has.
# Both lie far below what is asked for afterwards: a star of links counts only part of what two texts share.
_LIKELY_SHARED = 2
_LIKELY_SHARE = 0.05
# Of a form that has at most so many fillings, those that are alike are reported; one that has more is a form for good.
_FEW_FILLINGS = 50
# Fillings of one form have this share of the shorter in common, more than strangers of one kind do by chance: two
# outlets' weather reports have a few words in common around each of their figures, and say nothing of the places in
# which either differs from its own kind.
_ALIKE_COVERAGE = CHANCE_SHARE
# What a copy has of a filling holds its part of the slots, at least this share of it, be it that an edit hit them. Two
# texts that have a page or the frame of a form in common hold next to none. Of fewer slots, those of the dates and
# bylines around copies of one story may be all.
_MANY_SLOTS, _HELD_SHARE = 8, 0.5
# Words up to which a text is short, so that a run of words more or less is much, and how far the similarity that is
# asked for may then lie from what an alignment gives.
_SHORT_WORDS = 200
_UNSURE = 0.2
# Rounds of asking whether a copy of one hub is a copy of another one, too.
_ROUNDS = 6
# Share of the shorter that two copies of a third text have in common. By chance two stories have next to nothing: below
# 0.04 in 999 of 1,000 pairs of 2,225 news stories (see kernels.CHANCE_SHARE).
_WITNESSED_COVERAGE = 0.25
# Copies of a hub that a text must be a copy of to be asked as such about the hub itself.
_LEAST_VOUCHERS = 2
# Edges without anything in common that each text is taken to have beside its own when its centrality is weighed: one
# or two say little of it, and two copies that were cut off at the same word would be each other's centre.
_DOUBTED_EDGES = 2
# A text is a collection, as a column of news in brief is, when so many others stand in it, each with at least this
# share of its words and at most so many times those of the whole, any two of which have less than this share of the
# shorter in common. Two would also be the beginning and the end of one story, each cut off from it.
_COLLECTED = 3
_COLLECTED_COVERAGE = 0.75
_COLLECTED_LENGTH = 0.6
_STRANGE_COVERAGE = 0.1
_BATCH_ROWS = 20_000
# Ranges that 4-grams are shuffled into: many, so that what is sorted at a time is small; a power of two.
_RANGES = 16


def near_duplicates(documents: pl.DataFrame | pl.LazyFrame, settings: Settings | None = None) -> pl.DataFrame:
    """Find the copies among documents.

    Args:
        documents: `id` (unique text), `text`, and whatever else; a LazyFrame is read batch by batch and never held
            whole. The order of its rows does not matter. Null texts are empty.
        settings: thresholds and `deduplicate_memory_bytes`; the defaults if None.

    Returns:
        `a_id, b_id, kind, score, a_coverage, b_coverage`: one row per verified pair, a_id < b_id, sorted. A group of
        equal texts is linked to its first member, not all to all; the other pairs are between first members. `kind` is
        `duplicate_of` (the same words), `contains` (a shorter text found in a longer one: the part has the higher
        coverage) or `near_duplicate_of`. A text that holds three others with nothing in common, as a column of news
        in brief does, is linked to none of them. A coverage is the share of a text's words that the other one has in
        the same order, not counting lines that recur in different stories; `score` is that of both texts together, for
        `contains` that of the part. A quarter of the shorter must be common to link a text that is a copy of several
        others to the one that these are copies of.

    Raises:
        ValueError: an id is null or stands twice.
    """
    settings = settings or Settings()
    ids: list[pl.Series] = []

    def texts() -> Iterator[pl.Series]:
        for batch in _batches(documents.select(pl.col("id").cast(pl.String), pl.col("text").cast(pl.String))):
            ids.append(batch["id"].rechunk())
            yield batch["text"]

    store = words_of_batches(texts(), settings.deduplicate_memory_bytes * 5 // 8)
    read = pl.concat(ids) if ids else pl.Series("id", [], dtype=pl.String)
    names = read.sort()
    if names.null_count() or (names == names.shift(1)).any():
        raise ValueError("near_duplicates: every document needs an id of its own; one is null or stands twice")
    # To sort texts and to look each up takes less time than to sort them by their places.
    places = names.to_frame().with_row_index("rank")
    ranks = read.to_frame().join(places, on="id", how="left", maintain_order="left")["rank"].to_numpy().astype(np.int64)
    nowhere = np.full(len(ranks), -1, np.int64)
    edges = _edges(_Corpus.of(store, ranks, np.zeros(len(ranks), np.int64), nowhere, settings))
    return edges.select(
        pl.lit(names.gather(edges["a"])).alias("a_id"),
        pl.lit(names.gather(edges["b"])).alias("b_id"),
        pl.exclude("a", "b"),
    ).cast(NAMED_EDGE_SCHEMA)


def clusters(edges: pl.DataFrame) -> pl.DataFrame:
    """Gather copies around the member that most others are copies of.

    Args:
        edges: as `near_duplicates` gives them.

    Returns:
        `id, cluster_id`: one row per id of `edges`, sorted; `cluster_id` is the id of that member. Each other member
        was verified against it, or is equal to one that was: a cluster grows neither through a template nor through a
        chain of small changes.
    """
    ids = pl.concat([edges["a_id"], edges["b_id"]]).unique().sort()
    numbers = pl.DataFrame({"id": ids, "item": pl.int_range(len(ids), dtype=pl.UInt32, eager=True)})
    numbered = (
        edges.join(numbers.rename({"id": "a_id", "item": "a"}), on="a_id", maintain_order="left")
        .join(numbers.rename({"id": "b_id", "item": "b"}), on="b_id", maintain_order="left")
        .select(EDGE_SCHEMA.names())
    )
    twins = _twins(numbered, len(ids))
    between = _between_twins(numbered, twins)
    hubs = _hubs(between, len(ids))
    return pl.DataFrame({"id": ids, "cluster_id": ids.gather(hubs[twins])})


def copies(store: WordStore, ranks: Indexes, forms: Indexes, sources: Indexes, settings: Settings) -> pl.DataFrame:
    """Find the copies among the articles of a build, and gather them around their survivors.

    Args:
        store: the words of each article's text; they are changed.
        ranks: shape (articles), in the order of the store: the place of each in the survivor order, from 0.
        forms: the same: only articles of one form are compared (an article and its transcript are no copies).
        sources: the same: parts of one source are held to a stricter rule.
        settings: thresholds.

    Returns:
        The columns of EDGE_SCHEMA, articles by rank: one row per copy and its survivor, `a` the survivor, sorted by
        `b`. `kind`, `score` and coverages as `near_duplicates` describes them. Each pair was verified itself, or that
        of two texts equal to them: the survivor may be a cut or much edited copy, so that less is asked of a pair both
        of which are copies of a third text.
    """
    order = np.empty(len(ranks), np.int64)
    order[ranks] = np.arange(len(ranks))
    corpus = _Corpus.of(store, ranks, forms[order], sources[order], settings)
    edges = _edges(corpus)
    twins = _twins(edges, len(ranks))
    between = _between_twins(edges, twins)
    between, survivors = _with_survivors(corpus, between)
    survivors = survivors[twins]
    members = np.flatnonzero(survivors != np.arange(len(ranks)))
    pairs = pl.DataFrame({"a": survivors[members], "b": members, "twin": twins[members]}).cast(pl.UInt32)
    facts = ("kind", "score", "a_coverage", "b_coverage")
    # Three ways to hang on a survivor: by an edge of its own, by that of a text equal to it, by being equal itself.
    equal = (pl.lit("near_duplicate_of"), pl.lit(1.0), pl.lit(1.0), pl.lit(1.0))
    found = pairs.join(edges, on=["a", "b"], how="left").join(
        between.rename({"b": "twin"}), on=["a", "twin"], how="left", suffix="_of_twin"
    )
    return (
        found.select(
            "a",
            "b",
            **{
                name: pl.coalesce(name, f"{name}_of_twin", otherwise)
                for name, otherwise in zip(facts, equal, strict=True)
            },
        )
        .cast(EDGE_SCHEMA)
        .sort("b")
    )


def _batches(documents: pl.DataFrame | pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The documents in their order, some thousands at a time."""
    if isinstance(documents, pl.DataFrame):
        yield from documents.iter_slices(_BATCH_ROWS)
    else:
        yield from documents.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)


@dataclass(frozen=True)
class _Corpus:
    """What pairs are proposed from and verified with. Texts go by rank: the order that tells which is earlier.

    Attributes:
        words: words of all texts, those of template lines out of the way.
        starts: shape (texts): where the words of each text begin.
        ends: shape (texts): where they end.
        sizes: shape (texts): words, those of scripts without spaces by half.
        whole: shape (texts): hash of all words.
        body: shape (texts): hash of the words outside template lines.
        aside: shape (texts): hash of the words of template lines.
        aside_counts: shape (texts): their number.
        forms: shape (texts): only texts of one form are compared.
        sources: shape (texts): the source of each, or -1.
        is_compiled: whether kernels are compiled.
        spread: who does the work.
        settings: thresholds.
    """

    words: npt.NDArray[np.uint32]
    starts: Indexes
    ends: Indexes
    sizes: Indexes
    whole: Indexes
    body: Indexes
    aside: Indexes
    aside_counts: Indexes
    forms: Indexes
    sources: Indexes
    is_compiled: bool
    spread: Spread
    settings: Settings

    @classmethod
    def of(cls, store: WordStore, ranks: Indexes, forms: Indexes, sources: Indexes, settings: Settings) -> "_Corpus":
        """Set template lines aside and put texts in the order of their ranks.

        Args:
            store: the corpus; its words are changed.
            ranks: shape (texts): the rank of each, in the order of reading.
            forms: shape (texts), in the order of ranks.
            sources: the same.
            settings: thresholds.
        """
        count = store.text_count

        starts = store.starts[:-1]

        def covering(words: npt.NDArray[np.uint32], ends: Indexes) -> Callable[[Indexes, Indexes], Indexes]:
            def covered(a: Indexes, b: Indexes) -> Indexes:
                measures = _measured(words, starts, ends, a, b, store.spread, is_compiled=store.is_compiled)
                return measures[:, A_COVERED].astype(np.int64)

            return covered

        lines = with_teasers(store, template_lines(store, ranks, covering(store.words, store.starts[1:])))
        words, ends, sizes, whole, body, aside = _without_lines(store, lines.is_template, settings)
        heads, tails = template_ends(store, lines, words, ends, ranks, covering(words, ends))
        del lines
        starts, ends = _without_ends(store, words, ends, heads, tails, sizes, body, aside, settings)
        order = np.empty(count, np.int64)
        order[ranks] = np.arange(count)
        return cls(
            words,
            starts[order],
            ends[order],
            sizes[order],
            whole[order],
            body[order],
            aside[order],
            (np.diff(store.starts) - (ends - starts))[order],
            forms,
            sources,
            store.is_compiled,
            store.spread,
            settings,
        )


def _without_lines(
    store: WordStore, is_template: npt.NDArray[np.bool_], settings: Settings
) -> tuple[npt.NDArray[np.uint32], Indexes, Indexes, Indexes, Indexes, Indexes]:
    """The words with template lines out of the way, and the columns of `trim`, in the order of reading.

    Words in memory are changed where they are. Those of a file that others see go to another one: who is asked to do it
    again must find them as they were.
    """
    starts, lines = store.starts, store.line_starts
    ends, sizes, whole, body, aside = (np.empty(store.text_count, np.int64) for _ in range(5))
    words, is_elsewhere = store.words, store.spread.is_elsewhere
    if is_elsewhere:
        words = shared_words(store.folder, len(words))
    bounds, spread = shared_out(store.text_count, _BATCH_ROWS, store.spread)
    portions = [
        (
            store.words[starts[first] : starts[last]],
            starts[first : last + 1] - starts[first],
            lines[first : last + 1] - lines[first],
            store.line_words[lines[first] : lines[last]],
            is_template[lines[first] : lines[last]],
            settings.min_article_words,
            store.is_compiled,
            room_for(words, int(starts[first]), int(starts[last] - starts[first])) if is_elsewhere else None,
        )
        for first, last in bounds
    ]
    for (first, last), found in zip(bounds, spread(_trimmed, portions), strict=True):
        for column, own in zip((ends, sizes, whole, body, aside), found, strict=True):
            column[first:last] = own
        ends[first:last] += starts[first]
    return sealed(words, store.spread) if is_elsewhere else words, ends, sizes, whole, body, aside


def _without_ends(
    store: WordStore,
    words: npt.NDArray[np.uint32],
    ends: Indexes,
    heads: Indexes,
    tails: Indexes,
    sizes: Indexes,
    body: Indexes,
    aside: Indexes,
    settings: Settings,
) -> tuple[Indexes, Indexes]:
    """Where the words of texts begin and end without so many at the beginning and the end.

    Args:
        store: the corpus.
        words: words of all texts, those of template lines out of the way.
        ends: shape (texts): where they end.
        heads: shape (texts): how many go at the beginning.
        tails: the same at the end.
        sizes: in and out, shape (texts), as `trim` fills it in.
        body: the same.
        aside: the same.
        settings: thresholds.
    """
    starts = store.starts[:-1]
    counts = ends - starts
    cut = np.flatnonzero((heads + tails > 0) & (counts - heads - tails >= settings.min_article_words))
    if not len(cut):
        return starts, ends
    own = np.append(0, np.cumsum(counts[cut]))
    own_words = words[np.arange(own[-1]) + np.repeat(starts[cut] - own[:-1], counts[cut])]
    line_words = np.stack([heads[cut], (counts - heads - tails)[cut], tails[cut]], 1).ravel().astype(np.int32)
    is_template = np.tile(np.array([True, False, True]), len(cut))
    _, sizes[cut], _, body[cut], ends_aside = _trimmed(
        own_words,
        own,
        np.arange(len(cut) + 1) * 3,
        line_words,
        is_template,
        settings.min_article_words,
        store.is_compiled,
        None,
    )
    mixed = (aside[cut].astype(np.uint64) * MIX_A) ^ ends_aside.astype(np.uint64)
    aside[cut] = (mixed >> LINE_SHIFT).astype(np.int64)
    starts, ends = starts.copy(), ends.copy()
    starts[cut] += heads[cut]
    ends[cut] -= tails[cut]
    return starts, ends


def _trimmed(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    line_starts: Indexes,
    line_words: npt.NDArray[np.int32],
    is_template: npt.NDArray[np.bool_],
    least: int,
    is_compiled: bool,
    room: Room | None,
) -> Arrays:
    """A portion of `_without_lines`: texts side by side, changed where they are, or put into their room."""
    count = len(starts) - 1
    out = tuple(np.empty(count, np.int64) for _ in range(5))
    own = words if room is None else np.array(words)
    kernel(trim, is_compiled=is_compiled)(own, starts, line_starts, line_words, is_template, 0, count, least, *out)
    if room is not None:
        room.put(own)
    give_back(words)
    return out


def _edges(corpus: _Corpus) -> pl.DataFrame:
    """All edges: equal texts, pairs that shared 4-grams propose, and those that a copy needs to its hub."""
    texts = np.flatnonzero(corpus.sizes >= corpus.settings.min_article_words)
    first, twin = (_firsts_of_equal(corpus, texts, hashes) for hashes in (corpus.body, corpus.whole))
    firsts = texts[first == texts]
    is_twin = twin != texts
    is_alike = (first != texts) & ~is_twin
    same = pl.lit(1.0)
    equal = pl.concat(
        [
            pl.DataFrame({"a": other[chosen], "b": texts[chosen]}).select(
                "a", "b", kind=pl.lit(kind), score=same, a_coverage=same, b_coverage=same
            )
            for other, chosen, kind in (
                (twin, is_twin, "duplicate_of"),
                (first, is_alike, "near_duplicate_of"),
            )
        ]
    ).cast(EDGE_SCHEMA)
    tried = _of_like_length(corpus, _likely_pairs(corpus, firsts))
    measured = _measured_pairs(corpus, tried)
    slot_counts = mark_slots(
        corpus.words, corpus.starts, corpus.ends, _alike(corpus, tried, measured), is_compiled=corpus.is_compiled
    )
    if slot_counts.any():
        corpus.spread.changed(corpus.words)
    again = np.flatnonzero(np.logical_or(*(slot_counts[side] > 0 for side in sides(tried))))
    measured[again] = _measured_pairs(corpus, tried[again])
    fillings = _fillings(corpus, tried, measured)
    missing = _not_in(_of_like_length(corpus, _pairs_within(fillings)), tried)
    tried = np.concatenate([tried, missing])
    measured = np.concatenate([measured, _measured_pairs(corpus, missing)])
    is_rare = np.bincount(fillings, minlength=len(fillings))[fillings] <= _FEW_FILLINGS
    for _ in range(_ROUNDS):
        edges = _verified(corpus, tried, measured, slot_counts, is_rare)
        # An edge between two clusters: is the one's copy a copy of the other's hub, too? The links above may not
        # have proposed that pair. Each round asks only what was never asked.
        missing = _of_like_length(corpus, _unasked(edges, tried, _hubs(edges, len(corpus.sizes))))
        if not len(missing):
            break
        tried = np.concatenate([tried, missing])
        measured = np.concatenate([measured, _measured_pairs(corpus, missing)])
    else:
        edges = _verified(corpus, tried, measured, slot_counts, is_rare)
    edges = _without_collections(corpus, edges)
    return pl.concat([_with_vouched(corpus, edges), equal]).sort("a", "b")


def _firsts_of_equal(corpus: _Corpus, texts: Indexes, hashes: Indexes) -> Indexes:
    """The first of the texts of one form and the same hash that each of some texts, ascending, is one of."""
    firsts = np.empty(len(texts), np.int64)
    # A table that is half full at most.
    table = np.full(1 << (2 * len(texts)).bit_length(), -1, np.int32)
    kernel(first_of_equal, is_compiled=corpus.is_compiled)(texts, hashes, corpus.forms, table, firsts)
    return firsts


def _likely_pairs(corpus: _Corpus, firsts: Indexes) -> npt.NDArray[np.uint64]:
    """Pairs of texts that share enough sampled 4-grams to be looked at: a << 32 | b, a < b, sorted.

    The 4-grams are worked through in partitions by their hash, as many as the memory asks for. What partitions hold in
    common is pairs alone: elsewhere, each is a portion.
    """
    settings = corpus.settings
    expected = int((corpus.ends[firsts] - corpus.starts[firsts]).sum()) // 6 * 8
    # Keys, their sorted copy and the pairs of one partition exist side by side.
    parts = 1 + 4 * expected // settings.deduplicate_memory_bytes
    counts = np.zeros(len(corpus.sizes), np.int32)
    found: list[Counted] = []
    for linked in _links(corpus, firsts, parts, counts):
        found = added_up([*found, *linked], len(corpus.sizes))
    pairs, shared = (np.concatenate(column) for column in zip(*found, strict=True))
    is_likely = np.empty(len(pairs), np.bool_)
    tell = kernel(likely, is_compiled=corpus.is_compiled)
    tell(pairs, shared, counts, _LIKELY_SHARED, _LIKELY_SHARE, corpus.forms, is_likely)
    return pairs[is_likely]


def _links(corpus: _Corpus, firsts: Indexes, parts: int, counts: npt.NDArray[np.int32]) -> Iterator[list[Counted]]:
    """Of each partition, pairs, in sorted pieces, and how many 4-grams link each; fills in how many the texts have.

    Here each partition is sampled anew, so that no more than one exists; elsewhere all at once, into files. Either way
    4-grams are cut into ranges and shuffled: each range is then put together from all pieces and worked through alone,
    so that a pair may be there once for each.
    """
    most = corpus.settings.all_pairs_up_to
    _, spread = shared_out(len(firsts), _BATCH_ROWS // 4, corpus.spread)
    cut_into = _RANGES
    if spread.is_elsewhere:
        cut_into, parts = _RANGES << (parts - 1).bit_length(), 1
    for part in range(parts):
        files = list(_sketches(corpus, firsts, part, parts, cut_into, counts))
        if len(files) == 1:
            yield [_linked(most, corpus.is_compiled, files[0][0])]
            continue
        portions = [
            (most, corpus.is_compiled, *(keys[cuts[number] : cuts[number + 1]] for keys, cuts in files))
            for number in range(cut_into)
        ]
        del files
        yield [(pairs, times) for pairs, times in spread(_linked, portions)]


def _sketches(
    corpus: _Corpus, firsts: Indexes, part: int, parts: int, cut_into: int, counts: npt.NDArray[np.int32]
) -> Iterator[tuple[Pairs, Indexes]]:
    """The sampled 4-grams of one partition, in pieces, each cut into ranges; fills in `counts` of the texts."""
    bounds, spread = shared_out(len(firsts), _BATCH_ROWS // 4, corpus.spread)
    # Texts that lie side by side go together.
    texts = firsts[np.argsort(corpus.starts[firsts])] if spread.is_elsewhere else firsts

    def portion(first: int, last: int) -> tuple[Any, ...]:
        own = texts[first:last]
        if not spread.is_elsewhere:
            return corpus.words, corpus.starts, corpus.ends, own, own, part, parts, cut_into, corpus.is_compiled
        starts, ends = corpus.starts[own], corpus.ends[own]
        places = Stretches(corpus.words, starts, ends), starts, ends, np.arange(len(own))
        return *places, own, part, parts, cut_into, corpus.is_compiled

    found = spread(_sketched, [portion(first, last) for first, last in bounds], stays=(0,))
    for (first, last), (keys, own_counts, cuts) in zip(bounds, found, strict=True):
        counts[texts[first:last]] = own_counts
        yield keys, cuts


def _sketched(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    ends: Indexes,
    texts: Indexes,
    names: Indexes,
    part: int,
    parts: int,
    cut_into: int,
    is_compiled: bool,
) -> Arrays:
    """A portion of `_sketches`: keys, how many each text has, and where each of `cut_into` ranges of keys begins."""
    room = np.empty(int((ends[texts] - starts[texts]).sum()) + 1, np.uint64)
    counts = np.empty(len(texts), np.int32)
    run = kernel(sketch, is_compiled=is_compiled)
    keys = room[: run(words, starts, ends, texts, names, part, parts, room, counts)]
    give_back(words)
    keys, cuts = shuffled(keys, cut_into, is_compiled=is_compiled)
    return keys, counts, cuts


def _linked(most: int, is_compiled: bool, *pieces: Pairs) -> Counted:
    """A portion of `_links`: the pairs that a partition links, sorted, and how often each."""
    keys = np.concatenate([np.empty(0, np.uint64), *pieces])
    keys.sort()
    run = kernel(link, is_compiled=is_compiled)
    # Room that is not written to takes no memory; where it does not do, the pairs are counted.
    linked = np.empty(2 * len(keys), np.uint64)
    count = run(keys, most, linked)
    if count > len(linked):
        linked = np.empty(count, np.uint64)
        run(keys, most, linked)
    del keys
    linked = linked[:count]
    linked.sort()
    return counted(linked)


def _of_like_length(corpus: _Corpus, pairs: Pairs) -> Pairs:
    """The pairs whose longer text can have the coverage that is asked of it, or the shorter be cut off from it.

    One text of a whole archive would else be aligned with every story in it, from beginning to end each time.
    """
    lengths = corpus.ends - corpus.starts
    a, b = (lengths[side] for side in sides(pairs))
    shortest = min(corpus.settings.min_longer_coverage, INSIDE_LENGTH)
    is_possible: npt.NDArray[np.bool_] = np.minimum(a, b) >= shortest * np.maximum(a, b)
    return pairs[is_possible]


def _measured_pairs(corpus: _Corpus, pairs: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """What `compare` measures of each pair."""
    a, b = sides(pairs)
    return _measured(corpus.words, corpus.starts, corpus.ends, a, b, corpus.spread, is_compiled=corpus.is_compiled)


def _measured(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    ends: Indexes,
    a: Indexes,
    b: Indexes,
    spread: Spread,
    *,
    is_compiled: bool,
) -> npt.NDArray[np.int32]:
    """Align pairs of texts."""
    measures = np.zeros((len(a), MEASURES), np.int32)
    bounds, spread = shared_out(len(a), _BATCH_ROWS // 4, spread)

    def portion(first: int, last: int) -> tuple[Any, ...]:
        pairs = np.concatenate([a[first:last], b[first:last]])
        if not spread.is_elsewhere:
            return words, starts, ends, pairs, is_compiled
        # What is handed over are the places of these texts, not of all.
        texts, places = np.unique(pairs, return_inverse=True)
        read = starts[texts], ends[texts]
        return Stretches(words, *read), *read, places, is_compiled

    found = spread(_aligned, [portion(first, last) for first, last in bounds])
    for (first, last), (own,) in zip(bounds, found, strict=True):
        measures[first:last] = own
    return measures


def _aligned(
    words: npt.NDArray[np.uint32], starts: Indexes, ends: Indexes, pairs: Indexes, is_compiled: bool
) -> Arrays:
    """A portion of `_measured`; the texts a of all pairs, then the texts b."""
    a, b = pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    measures = np.zeros((len(a), MEASURES), np.int32)
    kernel(compare, is_compiled=is_compiled)(words, starts, ends, a, b, measures, NOWHERE, NO_VALUES)
    _recount_short(words, starts, ends, a, b, measures, is_compiled=is_compiled)
    give_back(words)
    return (measures,)


def _recount_short(
    words: npt.NDArray[np.uint32],
    starts: Indexes,
    ends: Indexes,
    a: Indexes,
    b: Indexes,
    measures: npt.NDArray[np.int32],
    *,
    is_compiled: bool,
) -> None:
    """Count the runs of words of short texts that are about as alike as it takes, where one run more or less decides.

    An alignment misses a run that stands elsewhere in the other text, and counts one twice that stands there twice.
    """
    shorter = np.minimum(ends[a] - starts[a], ends[b] - starts[b])
    similarity = measures[:, SHARED_GRAMS] / np.maximum(measures[:, ALL_GRAMS], 1)
    unsure = np.flatnonzero((shorter <= _SHORT_WORDS) & (np.abs(similarity - ALIKE) < _UNSURE))
    counted = measures[unsure]
    kernel(recount, is_compiled=is_compiled)(words, starts, ends, a[unsure], b[unsure], counted)
    measures[unsure] = counted


def _verdict(corpus: _Corpus, pairs: Pairs, measured: npt.NDArray[np.int32]) -> Verdict:
    """What the measures of pairs say; of some thousands at a time, which a processor's cache holds."""
    firsts = range(0, max(len(pairs), 1), _BATCH_ROWS)
    portions = [(corpus, pairs[first : first + _BATCH_ROWS], measured[first : first + _BATCH_ROWS]) for first in firsts]
    return Verdict(*(np.concatenate(column) for column in zip(*ON_THREADS(_judged, portions), strict=True)))


def _judged(corpus: _Corpus, pairs: Pairs, measured: npt.NDArray[np.int32]) -> Arrays:
    """A portion of `_verdict`: the attributes of a Verdict."""
    a, b = sides(pairs)
    verdict = Verdict.of(
        measured,
        corpus.ends[a] - corpus.starts[a],
        corpus.ends[b] - corpus.starts[b],
        corpus.sizes[a],
        corpus.sizes[b],
        corpus.aside_counts[a] + corpus.aside_counts[b],
        corpus.aside[a] == corpus.aside[b],
        corpus.settings,
    )
    return tuple(vars(verdict).values())


def _verified(
    corpus: _Corpus,
    pairs: Pairs,
    measured: npt.NDArray[np.int32],
    slot_counts: Indexes,
    is_rare: npt.NDArray[np.bool_],
) -> pl.DataFrame:
    """Those of the measured pairs that are copies: columns of EDGE_SCHEMA, sorted.

    Args:
        corpus: the texts.
        pairs: some pairs of them.
        measured: what `compare` measures of each.
        slot_counts: shape (texts), as `mark_slots` gives them.
        is_rare: shape (texts): whether a text is a filling of a form that has few, or of none.
    """
    a, b = sides(pairs)
    verdict = _verdict(corpus, pairs, measured)
    is_of_one_source = (corpus.sources[a] == corpus.sources[b]) & (corpus.sources[a] >= 0)
    possible = verdict.tells_one_story & (verdict.is_same_story | ~is_of_one_source)
    possible &= _has_slots_too(pairs, measured, verdict, slot_counts)
    is_copy = possible & (~verdict.is_form | verdict.is_nearly_equal | (verdict.is_alike & is_rare[a] & is_rare[b]))
    return _edge_rows(pairs, verdict, is_copy)


def _has_slots_too(
    pairs: Pairs, measured: npt.NDArray[np.int32], verdict: Verdict, slot_counts: Indexes
) -> npt.NDArray[np.bool_]:
    """Whether what the texts of each pair have in common holds its part of the slots of both: shape (pairs)."""
    held = measured[:, [SAME_VARIABLE, OTHER_VARIABLE]].sum(1)
    has_slots = np.ones(len(pairs), np.bool_)
    for texts, coverage in zip(sides(pairs), (verdict.a_coverage, verdict.b_coverage), strict=True):
        counts = slot_counts[texts]
        has_slots &= (counts < _MANY_SLOTS) | (held >= _HELD_SHARE * coverage * counts)
    return has_slots


def _edge_rows(pairs: Pairs, verdict: Verdict, is_copy: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """The pairs that are copies: columns of EDGE_SCHEMA, sorted."""
    a, b = sides(pairs)
    kind = pl.Series("kind", verdict.is_part[is_copy]).replace_strict(
        {True: "contains", False: "near_duplicate_of"}, return_dtype=pl.String
    )
    return (
        pl.DataFrame(
            {
                "a": a[is_copy],
                "b": b[is_copy],
                "kind": kind,
                "score": np.where(verdict.is_part, verdict.shorter_coverage, verdict.both)[is_copy],
                "a_coverage": verdict.a_coverage[is_copy],
                "b_coverage": verdict.b_coverage[is_copy],
            }
        )
        .cast(EDGE_SCHEMA)
        .sort("a", "b")
    )


def _witnessed(corpus: _Corpus, pairs: Pairs, measured: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Those of the measured pairs that are copies, given that both are copies of a third text: columns of EDGE_SCHEMA.

    How much of the longer is common and how long differing stretches are tells nothing more then.
    """
    verdict = _verdict(corpus, pairs, measured)
    a, b = sides(pairs)
    is_of_one_source = (corpus.sources[a] == corpus.sources[b]) & (corpus.sources[a] >= 0)
    is_copy = (verdict.shorter_coverage >= _WITNESSED_COVERAGE) & ~verdict.is_form & ~is_of_one_source
    return _edge_rows(pairs, verdict, is_copy)


def _without_collections(corpus: _Corpus, edges: pl.DataFrame) -> pl.DataFrame:
    """The edges but for those between a collection and what stands in it: its stories are no copies of one another.

    Of each text, the longest of the others that it holds is compared with the rest, then the longest of those that are
    strange to it with the rest of these, and so on: as many as it takes must be strange to one another.
    """
    a, b = edges["a"].to_numpy().astype(np.int64), edges["b"].to_numpy().astype(np.int64)
    lengths = corpus.ends - corpus.starts
    a_is_whole = lengths[a] >= lengths[b]
    whole, part = np.where(a_is_whole, a, b), np.where(a_is_whole, b, a)
    of_part = np.where(a_is_whole, edges["b_coverage"].to_numpy(), edges["a_coverage"].to_numpy())
    held = np.flatnonzero((of_part >= _COLLECTED_COVERAGE) & (lengths[part] <= _COLLECTED_LENGTH * lengths[whole]))
    left = held[np.lexsort((part[held], -lengths[part[held]], whole[held]))]
    for _ in range(_COLLECTED - 1):
        # The first of each text's own are the longest.
        is_first = np.diff(whole[left], prepend=-1) != 0
        longest = left[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
        is_other = part[left] != part[longest]
        left, longest = left[is_other], longest[is_other]
        left = left[_are_strange(corpus, part[longest], part[left], edges)]
    is_held = np.zeros(len(a), np.bool_)
    is_held[held] = np.isin(whole[held], whole[left])
    return edges.filter(pl.Series(~is_held))


def _are_strange(corpus: _Corpus, one: Indexes, other: Indexes, edges: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether two texts have next to nothing in common: shape (pairs). Those with an edge have."""
    is_strange = np.zeros(len(one), np.bool_)
    pairs = paired(one, other)
    unlinked = np.flatnonzero(~_is_in(pairs, _pairs_of(edges)))
    pairs, of_pair = np.unique(pairs[unlinked], return_inverse=True)
    verdict = _verdict(corpus, pairs, _measured_pairs(corpus, pairs))
    is_strange[unlinked] = (verdict.shorter_coverage < _STRANGE_COVERAGE)[of_pair]
    return is_strange


def _with_vouched(corpus: _Corpus, edges: pl.DataFrame) -> pl.DataFrame:
    """The edges, and those of texts to a hub of whose copies each is a copy: sorted.

    Two heavily edited copies may share less than copies must. Several copies of one story that each is a copy of tell
    that it is one, too.
    """
    hubs = _hubs(edges, len(corpus.sizes))
    a, b = edges["a"].to_numpy().astype(np.int64), edges["b"].to_numpy().astype(np.int64)
    across = hubs[a] != hubs[b]
    inner, outer = np.concatenate([a[across], b[across]]), np.concatenate([b[across], a[across]])
    hub = hubs[outer]
    pairs, voices = counted(np.sort(paired(inner, hub)))
    pairs = _of_like_length(corpus, _not_in(pairs[voices >= _LEAST_VOUCHERS], _pairs_of(edges)))
    vouched = _witnessed(corpus, pairs, _measured_pairs(corpus, pairs))
    return pl.concat([edges, vouched]).sort("a", "b")


def _pairs_of(edges: pl.DataFrame) -> Pairs:
    """The two texts of each edge in one number: sorted, as edges are."""
    return paired(edges["a"].to_numpy(), edges["b"].to_numpy())


def _fillings(corpus: _Corpus, pairs: Pairs, measured: npt.NDArray[np.int32]) -> Indexes:
    """The first of the fillings of its form that each text is, itself if it is none: shape (texts)."""
    verdict = _verdict(corpus, pairs, measured)
    a, b = (side[verdict.tells_one_story & verdict.is_form] for side in sides(pairs))
    return _connected(a, b, len(corpus.sizes))


def _pairs_within(groups: Indexes) -> Pairs:
    """All pairs of texts of a group, where a group has few: sorted."""
    sizes = np.bincount(groups, minlength=len(groups))[groups]
    members = np.flatnonzero((sizes > 2) & (sizes <= _FEW_FILLINGS))
    members = members[np.argsort(groups[members], kind="stable")]
    found = [np.empty(0, np.uint64)]
    for step in range(1, _FEW_FILLINGS):
        one, other = members[:-step], members[step:]
        together = groups[one] == groups[other]
        if not together.any():
            break
        found.append(paired(one[together], other[together]))
    return np.sort(np.concatenate(found))


def _alike(corpus: _Corpus, pairs: Pairs, measured: npt.NDArray[np.int32]) -> Indexes:
    """The text with most others like it that each text is like, copies or fillings of one form: shape (texts).

    Strangers that have the words around a few figures in common are not like one another. A text whose group is too
    small to say in which places its texts differ goes with the group that most of those like it are in: few of the
    pairs of a form have been proposed.
    """
    verdict = _verdict(corpus, pairs, measured)
    is_alike = verdict.tells_one_story | (verdict.is_form & (verdict.shorter_coverage >= _ALIKE_COVERAGE))
    a, b = (side[is_alike] for side in sides(pairs))
    hubs = _hubs(pl.DataFrame({"a": a, "b": b}).cast(pl.UInt32), len(corpus.sizes))
    sizes = np.bincount(hubs, minlength=len(hubs))[hubs]
    one, other = np.concatenate([a, b]), np.concatenate([b, a])
    joins = (sizes[one] <= LEAST_VOICES) & (sizes[other] > LEAST_VOICES)
    to_groups, voices = counted(np.sort((one[joins] << 32) | hubs[other[joins]]))
    # The last to be written stands: the group with most that are like it, of equal ones that of the lowest hub.
    to_groups = to_groups[np.lexsort((-to_groups, voices))]
    joined = hubs.copy()
    joined[to_groups >> 32] = to_groups & 0xFFFFFFFF
    return joined


def _unasked(edges: pl.DataFrame, tried: npt.NDArray[np.uint64], hubs: Indexes) -> Pairs:
    """Pairs that may join two clusters with an edge between them: sorted, none of those tried.

    The hub of each is asked about the other's hub and about the text at the other end of the edge. A hub that is itself
    much edited or cut off stays strange to other such copies: the most central member is asked about the whole cluster
    and the texts beyond the edges, too. It is nearer to the original, and will be the hub.
    """
    a, b = edges["a"].to_numpy().astype(np.int64), edges["b"].to_numpy().astype(np.int64)
    across = hubs[a] != hubs[b]
    inner = np.concatenate([a[across], b[across]])
    outer = np.concatenate([b[across], a[across]])
    one, other = np.concatenate([hubs[inner], hubs[inner]]), np.concatenate([outer, hubs[outer]])
    if len(inner):
        central = _central_members(edges, hubs)
        members = np.flatnonzero(np.isin(hubs, hubs[inner]))
        one = np.concatenate([one, central[hubs[members]], central[hubs[inner]]])
        other = np.concatenate([other, members, outer])
    return _not_in(paired(one, other)[one != other], tried)


def _not_in(pairs: Pairs, tried: Pairs) -> Pairs:
    """Those of the pairs that have not been tried, each once, sorted."""
    pairs = distinct(pairs)
    return pairs[~_is_in(pairs, np.sort(tried))]


def _is_in(pairs: Pairs, known: Pairs) -> npt.NDArray[np.bool_]:
    """Which of the pairs are among others, which are sorted."""
    place = np.minimum(np.searchsorted(known, pairs), max(len(known) - 1, 0))
    return known[place] == pairs if len(known) else np.zeros(len(pairs), np.bool_)


def _central_members(edges: pl.DataFrame, hubs: Indexes) -> Indexes:
    """Of each hub the other member that has most in common with all that it is a copy of: shape (texts).

    The mean over a text's edges says more than their number: the copies that come first in the corpus are linked to
    most others, and of those, truncated ones are verified against nearly as many as whole ones.
    """
    a, b = edges["a"].to_numpy().astype(np.int64), edges["b"].to_numpy().astype(np.int64)
    common = np.minimum(edges["a_coverage"].to_numpy(), edges["b_coverage"].to_numpy())
    # bincount adds in the order of the edges, which is sorted: the same sums every time.
    totals, counts = (
        np.bincount(a, weights, len(hubs)) + np.bincount(b, weights, len(hubs)) for weights in (common, None)
    )
    centrality = totals / (counts + _DOUBTED_EDGES)
    # The last to be written stands: the most central, of equals the lowest.
    members = np.flatnonzero(hubs != np.arange(len(hubs)))
    members = members[np.lexsort((-members, centrality[members]))]
    central = np.arange(len(hubs))
    central[hubs[members]] = members
    return central


def _twins(edges: pl.DataFrame, count: int) -> Indexes:
    """The first of the texts that each is equal to but for template lines: shape (count)."""
    equal = edges.filter(pl.col("a_coverage") == 1, pl.col("b_coverage") == 1)
    return _connected(equal["a"].to_numpy(), equal["b"].to_numpy(), count)


def _connected(a: Indexes, b: Indexes, count: int) -> Indexes:
    """The first of the texts that each is connected with by pairs: shape (count)."""
    firsts = np.arange(count)
    while True:
        lowest = np.minimum(firsts[a], firsts[b])
        if (firsts[a] == lowest).all() and (firsts[b] == lowest).all():
            return firsts
        np.minimum.at(firsts, firsts[a], lowest)
        np.minimum.at(firsts, firsts[b], lowest)
        firsts = firsts[firsts]


def _between_twins(edges: pl.DataFrame, twins: Indexes) -> pl.DataFrame:
    """The edges between texts that are not equal, moved to the first of the texts equal to each."""
    first = pl.Series(twins, dtype=pl.UInt32)
    moved = edges.with_columns(a=first.gather(edges["a"]), b=first.gather(edges["b"])).filter(
        pl.col("a") != pl.col("b")
    )
    is_turned = pl.col("a") > pl.col("b")
    return (
        moved.with_columns(
            a=pl.when(is_turned).then("b").otherwise("a"),
            b=pl.when(is_turned).then("a").otherwise("b"),
            a_coverage=pl.when(is_turned).then("b_coverage").otherwise("a_coverage"),
            b_coverage=pl.when(is_turned).then("a_coverage").otherwise("b_coverage"),
        )
        .sort(["a", "b", "score", "a_coverage"], descending=[False, False, True, True])
        .unique(["a", "b"], keep="first", maintain_order=True)
    )


def _hubs(edges: pl.DataFrame, count: int) -> Indexes:
    """The text that each hangs on, the one with most edges first: shape (count)."""
    hubs = np.arange(count)
    if edges.is_empty():
        return hubs
    degrees = np.bincount(edges["a"].to_numpy(), minlength=count) + np.bincount(edges["b"].to_numpy(), minlength=count)
    linked = np.flatnonzero(degrees)
    order = linked[np.argsort(-degrees[linked], kind="stable")]
    place = np.zeros(count, np.int64)
    place[order] = np.arange(len(order))
    a, b = place[edges["a"].to_numpy()], place[edges["b"].to_numpy()]
    stars = star_clusters(pl.DataFrame({"a": np.minimum(a, b), "b": np.maximum(a, b)}).cast(pl.UInt32))
    hubs[order[stars["item"].to_numpy()]] = order[stars["cluster"].to_numpy()]
    return hubs


def _with_survivors(corpus: _Corpus, edges: pl.DataFrame) -> tuple[pl.DataFrame, Indexes]:
    """Gather texts around the first of each cluster.

    The others of a hub's cluster are asked about its first. Those that are no copies of it, as a beginning is none of
    an end, hang on the earliest of the others that they have an edge to and that hangs on none itself.

    Args:
        corpus: texts by rank.
        edges: verified pairs, none of them of equal texts.

    Returns:
        edges: with those to the survivors that were not among them.
        survivors: shape (texts).
    """
    count = len(corpus.sizes)
    hubs = _hubs(edges, count)
    first_of = np.arange(count)
    np.minimum.at(first_of, hubs, np.arange(count))
    survivors = first_of[hubs]
    members = np.flatnonzero(survivors != np.arange(count))
    missing = _not_in(paired(survivors[members], members), _pairs_of(edges))
    found = _witnessed(corpus, missing, _measured_pairs(corpus, missing))
    edges = pl.concat([edges.select(EDGE_SCHEMA.names()), found]).sort("a", "b")
    a, b = (edges[side].to_numpy().astype(np.int64) for side in ("a", "b"))
    is_held = np.zeros(count, np.bool_)
    is_held[b[survivors[b] == a]] = True
    is_holding = np.zeros(count, np.bool_)
    is_holding[survivors[is_held]] = True
    survivors[~is_held] = np.flatnonzero(~is_held)
    is_free = ~is_held[a] & ~is_held[b] & ~is_holding[b]
    stars = star_clusters(edges.filter(pl.Series(is_free)))
    survivors[stars["item"].to_numpy()] = stars["cluster"].to_numpy()
    return edges, survivors
