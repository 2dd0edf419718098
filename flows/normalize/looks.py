"""A glance at texts before regular expressions see them."""

from collections.abc import Callable

import numpy as np
import polars as pl

from flows.buffers import text_buffers
from flows.compiled import kernel
from flows.normalize.kernels import find_glue, is_much, look_at


def looks(texts: pl.Series) -> pl.DataFrame:
    """What is seen of texts at a glance, so that few of them need a regular expression.

    Returns:
        `char_count`, `blank_count`, and whether a text may hold what `cleaned` changes (`may_be_loose`, but for white
        space at its ends), characters of UNSPACED (`may_be_unspaced`), or what `with_plain_lines` changes
        (`may_end_lines`): one row per text. Of few texts, anything may be true.
    """
    if not is_much(int(texts.str.len_bytes().sum())):
        return texts.to_frame("text").select(
            char_count=pl.col("text").str.len_chars(),
            blank_count=pl.col("text").str.count_matches(" ", literal=True),
            may_be_loose=True,
            may_be_unspaced=True,
            may_end_lines=True,
        )
    counts = {name: np.zeros(len(texts), np.uint32) for name in ("char_count", "blank_count")}
    signs = {name: np.zeros(len(texts), np.bool_) for name in ("may_be_loose", "may_be_unspaced", "may_end_lines")}
    kernel(look_at, is_compiled=True)(*text_buffers(texts), *counts.values(), *signs.values())
    return pl.DataFrame(counts | signs)


def may_be_glued(texts: pl.Series) -> pl.Series:
    """Whether a closing mark may stand directly before what begins a sentence; of few texts, anything may be true."""
    found = np.ones(len(texts), np.bool_)
    if is_much(int(texts.str.len_bytes().sum())):
        kernel(find_glue, is_compiled=True)(*text_buffers(texts), found)
    return pl.Series(found)


def changed_where(texts: pl.Series, where: pl.Series, change: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """Texts with those changed that are marked; the others are not looked at."""
    places = where.arg_true()
    if places.is_empty():
        return texts
    return texts.scatter(places, texts.gather(places).to_frame("text").select(change(pl.col("text")))["text"])
