"""What rows say in words against the words that their offsets point at."""

import polars as pl

from flows.validate.failures import Tables, failing

# Tables whose `text` is the slice of the source, cleaned.
SLICED = ("passages", "quotes", "citations")
# Metadata that is taken from the page word for word. Other values follow from what the page says.
WORD_FOR_WORD = ("title", "authors", "canonical_url", "rights_statement")
# What cleaning may take out or put in: white space, and whatever a reader does not see (Unicode's C* and Z*, and the
# replacement character, which stands in for noncharacters).
UNSEEN = r"[\p{C}\p{Z}\s\x{fffd}]+"


def slice_failures(tables: Tables) -> list[pl.DataFrame]:
    """Rows whose words are not those at their offsets; where a text is withheld there is nothing to compare.

    Args:
        tables: all tables, each with the index of its rows as `row`.

    Returns:
        Frames `table, row, rule, detail`.
    """
    texts = dict(tables["sources"].select("source_id", "text").iter_rows())
    found = []
    for name in SLICED:
        if name in tables:
            placed = tables[name].drop_nulls(["char_start", "char_count"])
            rows = with_slice(placed, texts).with_columns(words=seen("text"))
            detail = f"{name}.text is not what the source says at the row's offsets"
            found.append(failing(rows, name, pl.col("words") != pl.col("slice"), "text_not_in_source", detail))
    evidence = (
        tables["evidence"]
        .filter(pl.col("field").is_in(WORD_FOR_WORD))
        .drop_nulls(["char_start", "char_count"])
        .join(tables["articles"].select("article_id", "source_id"), on="article_id", maintain_order="left")
    )
    rows = with_slice(evidence, texts).with_columns(words=seen("value"))
    is_there = pl.col("slice").str.contains(pl.col("words"), literal=True)
    detail = "evidence.value is not what the source says at the row's offsets"
    return [*found, failing(rows, "evidence", ~is_there, "value_not_in_source", detail)]


def with_slice(rows: pl.DataFrame, texts: dict[str, str | None]) -> pl.DataFrame:
    """`rows` (with `source_id, char_start, char_count`) and the seen characters at their offsets as `slice`.

    A Python loop, because polars walks to an offset from the start of the text, which for the n passages of a text
    takes time that grows with n².
    """
    slices = [
        None if (text := texts.get(source_id)) is None else text[start : start + count]
        for source_id, start, count in rows.select("source_id", "char_start", "char_count").iter_rows()
    ]
    return rows.with_columns(slice=pl.Series(slices, dtype=pl.String)).with_columns(slice=seen("slice"))


def seen(column: str) -> pl.Expr:
    """The characters of a text that a reader sees, end to end."""
    return pl.col(column).str.replace_all(UNSEEN, "")
