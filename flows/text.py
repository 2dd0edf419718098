"""How a passage's text follows from what was found, how an article's is put together, and how words are counted.

Every stage that builds or checks a text uses this.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from flows.buffers import text_buffers
from flows.characters import UNSPACED, cleaned
from schemas.columns import CONTENT_ROLES

PARAGRAPH_BREAK = "\n\n"
COLONS = (":", "：")

# Scripts without blanks have no words to count; each of their characters counts as one.
_WORD = rf"[{UNSPACED}]|[^\s{UNSPACED}]+"
# "… a song by the Q." + "tips of Esterby …": an initial with a full stop ends no sentence when small letters follow.
INITIAL = r"(?:^|[\s(“\"])\p{Lu}\."
# "… before the tide turns." + "”": what closes a quotation belongs to what it closes.
CLOSING = r"[”’»)\]]+"


def passage_text(found: pl.Expr) -> pl.Expr:
    """The text of a passage, which follows from what was found and from nothing else.

    A break inside a passage is a false one. It becomes a blank, or nothing after an initial and before closing marks.

    Args:
        found: what stands in the source at the passage's offsets, as `with_plain_lines` gives it.
    """
    return cleaned(
        found.str.replace_all(rf"({INITIAL})\s*\n\s*(\p{{Ll}})", "${1}${2}").str.replace_all(
            rf"\s*\n\s*({CLOSING})(\s*\n|\s*$)", "${1}${2}"
        )
    )


def joined_texts(passages: pl.DataFrame) -> pl.DataFrame:
    """Join the content passages of each article, in reading order.

    Passages stand apart by PARAGRAPH_BREAK. A speaker's label is followed by ": " instead, or by a blank where it ends
    with a colon as it stands, so that a turn reads as one paragraph.

    Args:
        passages: rows of the table `passages`, all of them or the kept ones.

    Returns:
        `article_id, text`: one row per article with at least one content passage among those given, sorted by
        `article_id`. The text is null where that of a passage is (withheld).
    """
    after = (
        pl.when(pl.col("role") != "speaker_label")
        .then(pl.lit(PARAGRAPH_BREAK))
        .when(pl.any_horizontal(pl.col("text").str.ends_with(colon) for colon in COLONS))
        .then(pl.lit(" "))
        .otherwise(pl.lit(": "))
    )
    is_first = pl.col("article_id").ne_missing(pl.col("article_id").shift(1))
    before = pl.when(is_first).then(pl.lit("")).otherwise(pl.col("after").shift(1))
    pieces = (
        passages.filter(pl.col("article_id").is_not_null() & pl.col("role").is_in(CONTENT_ROLES))
        .select("article_id", "source_id", "ordinal", "role", "text")
        .pipe(_in_reading_order)
        .with_columns(after=after)
        .select("article_id", is_first=is_first, piece=pl.concat_str(before, "text"))
    )
    return _end_to_end(pieces)


def _in_reading_order(passages: pl.DataFrame) -> pl.DataFrame:
    """Passages sorted by article, source and ordinal; those of a table mostly are, and looking costs less."""
    article, source, ordinal = (pl.col(name) for name in ("article_id", "source_id", "ordinal"))
    is_next = (article > article.shift(1)) | (
        (article == article.shift(1)) & (source == source.shift(1)) & (ordinal > ordinal.shift(1))
    )
    if passages.select(is_next.slice(1).all()).item():
        return passages
    return passages.sort("article_id", "source_id", "ordinal")


def _end_to_end(pieces: pl.DataFrame) -> pl.DataFrame:
    """`article_id, text`: the pieces of each article in one; null where one of them is.

    The pieces stand end to end in Arrow's layout of texts, so an article's text is there already: it only has to be
    said where it begins. Joining lists of pieces takes several times as long.

    Args:
        pieces: `article_id, is_first, piece`, those of an article in a row.
    """
    starts = pieces.select(pl.arg_where(pl.col("is_first"))).to_series().to_numpy()
    if not len(starts):
        return pl.DataFrame(schema={"article_id": pl.String, "text": pl.String})
    data, bounds = text_buffers(pieces["piece"])
    bounds = np.append(bounds[starts], bounds[-1])
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    joined = pa.Array.from_buffers(pa.large_string(), len(starts), buffers)
    texts = pieces.select(pl.col("article_id").gather(starts)).with_columns(text=pl.Series(joined))
    if not pieces["piece"].null_count():
        return texts
    withheld = pieces.filter(pl.col("piece").is_null()).select(pl.col("article_id").unique())
    is_withheld = pl.col("article_id").is_in(withheld["article_id"].implode())
    return texts.with_columns(text=pl.when(~is_withheld).then("text"))


def word_counts(texts: pl.Series) -> pl.Series:
    """Words of cleaned texts as UInt32, null of null; of scripts without blanks between words, characters."""
    # Paragraph breaks are all the line feeds that a cleaned text holds.
    blanks, line_feeds = _byte_counts(texts, " ", "\n")
    counts = pl.Series(blanks + line_feeds // len(PARAGRAPH_BREAK) + 1, dtype=pl.UInt32).set(texts.is_null(), None)
    others = is_more_than_ascii(texts).arg_true()
    unspaced = others.filter(texts.gather(others).str.contains(f"[{UNSPACED}]"))
    return counts.scatter(unspaced, texts.gather(unspaced).str.count_matches(_WORD))


def is_more_than_ascii(texts: pl.Series) -> pl.Series:
    """Whether each text holds a character beyond ASCII, null of null: few of English do, and to ask costs little."""
    return texts.str.len_bytes() != texts.str.len_chars()


def _byte_counts(texts: pl.Series, *characters: str) -> list[npt.NDArray[np.int64]]:
    """How often each of some characters of ASCII stands in each text, 0 for null."""
    data, bounds = text_buffers(texts)
    # `reduceat` knows no empty sums; texts that are not empty begin where the one before ends.
    is_text = bounds[1:] > bounds[:-1]
    found = [np.zeros(len(texts), np.int64) for _ in characters]
    if is_text.any():
        content = data[: bounds[-1]]
        for counts, character in zip(found, characters, strict=True):
            is_there = (content == ord(character)).view(np.uint8)
            counts[is_text] = np.add.reduceat(is_there, bounds[:-1][is_text], dtype=np.uint32)
    return found
