"""Which of the passages that were found alike are told: repeats of whole passages, and stretches that another one has.

Pairs are frames with `a_row` and `b_row`: the rows of the earlier passage and of the one that repeats it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.deduplicate.passages import Indexes, Passages, kernels_for, views
from flows.deduplicate.places import located

# The rules, in the order in which they are asked: the first to find a pair describes it.
_RULE_ORDER = {"common_words": 0, "same_template": 1, "same_slot": 2, "shared_stretch": 3, "restated_words": 4}
_SAME_WORDS = "same_words"


def one_rule_each(matches: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The matches of several rules: one row per pair of items, sorted."""
    return (
        pl.concat(matches, how="diagonal")
        .with_columns(rule=pl.col("method").replace_strict(_RULE_ORDER, return_dtype=pl.UInt8))
        .sort("a", "b", "rule")
        .unique(["a", "b"], keep="first", maintain_order=True)
        .drop("rule")
    )


def repeated_passages(passages: Passages, equal: tuple[Indexes, Indexes], matches: pl.DataFrame) -> pl.DataFrame:
    """Each passage that repeats another one as a whole, and the earliest such.

    Args:
        passages: of all shards.
        equal: passages of the same words: rows of the first of each group, rows of the others.
        matches: other pairs of items, as `one_rule_each` gives them.

    Returns:
        `passage_id, repeats_passage_id, repeat_kind`: one row per passage that repeats one, in the order of rows.
    """
    whole = matches.filter("is_whole").sort("b", "a").unique("b", keep="first", maintain_order=True)
    a_row = np.concatenate([equal[0], passages.rows[whole["a"].to_numpy()]])
    b_row = np.concatenate([equal[1], passages.rows[whole["b"].to_numpy()]])
    kind = pl.concat([pl.repeat("verbatim", len(equal[0]), dtype=pl.String, eager=True), whole["kind"]])
    order = np.argsort(b_row, kind="stable")
    ids = passages.ids_of(np.concatenate([b_row[order], a_row[order]]))
    return pl.DataFrame(
        {
            "passage_id": ids.head(len(order)),
            "repeats_passage_id": ids.tail(len(order)),
            "repeat_kind": kind.gather(order),
        }
    )


def overlapping(passages: Passages, equal: tuple[Indexes, Indexes], matches: pl.DataFrame) -> pl.DataFrame:
    """What passages of different sources share, and the content of different articles of one source.

    A passage that as a whole repeats others is paired with the earliest of them. Another one is paired with the
    earliest that has a stretch of it, and with further ones for stretches that are not among those told before: a
    quotation may run over two paragraphs of where it comes from.

    Args:
        passages: of all shards.
        equal: as for `repeated_passages`.
        matches: the same.

    Returns:
        `a_row, b_row, a_char_start, a_char_count, b_char_start, b_char_count, kind, score, method`: one row per pair,
        sorted.
    """
    a_row, b_row = (passages.rows[matches[side].to_numpy()].astype(np.int64) for side in ("a", "b"))
    word_counts = np.diff(passages.store.starts)
    others = (
        matches.with_columns(
            a_row=a_row,
            b_row=b_row,
            b_first=pl.col("b_from").fill_null(0).cast(pl.Int64),
            b_end=pl.coalesce(pl.col("b_to").cast(pl.Int64), pl.lit(pl.Series(word_counts[b_row]))),
        )
        .filter(pl.lit(pl.Series(_are_apart(passages, a_row, b_row))))
        .sort(["b", "is_whole", "a"], descending=[False, True, False])
    )
    is_chosen = np.zeros(others.height, np.bool_)
    kernels_for(is_compiled=passages.store.is_compiled)["choose_parts"](
        *views(passages.store, *(others[name].to_numpy() for name in ("b_row", "b_first", "b_end")), is_chosen)
    )
    others = others.filter(pl.Series(is_chosen))
    rows, froms, tos = (
        np.concatenate([_numbers(others[f"{side}_{name}"]) for side in ("a", "b")]) for name in ("row", "from", "to")
    )
    starts, counts = located(passages, rows, froms, tos)
    a, b = slice(None, others.height), slice(others.height, None)
    is_apart = _are_apart(passages, *equal)
    first, repeat = equal[0][is_apart], equal[1][is_apart]
    found = pl.concat(
        [
            pl.DataFrame(
                {
                    "a_row": first,
                    "b_row": repeat,
                    "a_char_start": passages.char_start[first],
                    "a_char_count": passages.char_count[first],
                    "b_char_start": passages.char_start[repeat],
                    "b_char_count": passages.char_count[repeat],
                }
            ).with_columns(kind=pl.lit("verbatim"), score=pl.lit(1.0), method=pl.lit(_SAME_WORDS)),
            others.select(
                "a_row",
                "b_row",
                pl.Series("a_char_start", starts[a]),
                pl.Series("a_char_count", counts[a]),
                pl.Series("b_char_start", starts[b]),
                pl.Series("b_char_count", counts[b]),
                "kind",
                "score",
                "method",
            ),
        ]
    )
    # No pair stands there twice. Numbers of one column are sorted in a fifth of the time of rows.
    return found[np.argsort((found["a_row"].to_numpy() << 32) | found["b_row"].to_numpy())]


def _numbers(column: pl.Series) -> Indexes:
    """Rows or words as `located` takes them."""
    numbers: Indexes = column.cast(pl.Int64).fill_null(-1).to_numpy()
    return numbers


def _are_apart(passages: Passages, a: Indexes, b: Indexes) -> npt.NDArray[np.bool_]:
    """Whether passages belong to different texts: other sources, or the content of two articles of one source."""
    is_own = passages.is_content & passages.is_inside
    are_apart: npt.NDArray[np.bool_] = (passages.source[a] != passages.source[b]) | (
        is_own[a] & is_own[b] & (passages.article[a] != passages.article[b])
    )
    return are_apart


def overlap_rows(passages: Passages, found: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `overlaps`, from what `overlapping` gives."""
    rows = np.concatenate([found["a_row"], found["b_row"]])
    ids, sources = passages.ids_of(rows), passages.articles["source_id"].gather(passages.article[rows])
    return found.drop("a_row", "b_row").with_columns(
        a_passage_id=ids.head(found.height),
        b_passage_id=ids.tail(found.height),
        a_source_id=sources.head(found.height),
        b_source_id=sources.tail(found.height),
    )
