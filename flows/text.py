"""How a passage's text follows from what was found, how an article's is put together, and how words are counted.

Every stage that builds or checks a text uses this.
"""

import polars as pl

from flows.characters import UNSPACED, cleaned
from schemas.columns import CONTENT_ROLES

PARAGRAPH_BREAK = "\n\n"
COLONS = (":", "：")

# Scripts without blanks have no words to count; each of their characters counts as one.
_WORD = rf"[{UNSPACED}]|[^\s{UNSPACED}]+"
# "… the maker Z." + "ai has said …": an initial with a full stop ends no sentence when small letters follow.
INITIAL = r"(?:^|[\s(“\"])\p{Lu}\."
# "… command a premium." + "”": what closes a quotation belongs to what it closes.
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
    is_first = pl.col("article_id") != pl.col("article_id").shift(1)
    before = pl.when(is_first.fill_null(True)).then(pl.lit("")).otherwise(pl.col("after").shift(1))
    return (
        passages.filter(pl.col("article_id").is_not_null() & pl.col("role").is_in(CONTENT_ROLES))
        .select("article_id", "source_id", "ordinal", "role", "text")
        .sort("article_id", "source_id", "ordinal")
        .with_columns(after=after)
        .with_columns(piece=pl.concat_str(before, "text"))
        .group_by("article_id", maintain_order=True)
        .agg(text=pl.col("piece").str.join("", ignore_nulls=False))
    )


def word_counts(texts: pl.Series) -> pl.Series:
    """Words of cleaned texts; of scripts without blanks between words, characters."""
    is_unspaced = texts.str.contains(f"[{UNSPACED}]")
    counts = texts.str.count_matches(" ", literal=True) + texts.str.count_matches(PARAGRAPH_BREAK, literal=True) + 1
    return counts.scatter(is_unspaced.arg_true(), texts.filter(is_unspaced).str.count_matches(_WORD))
