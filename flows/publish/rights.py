"""Which texts may be given to anybody, and which a public edition withholds.

The policy of an article decides on its texts, and those of a page on what stands outside its articles. What names a
text, says who made it, and who owns it is given whatever the policy is. A text that could be given is withheld all the
same if it says in as many words what a withheld one says: an open article may quote a reserved one at length.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.characters import UNSPACED
from flows.ids import sha256_of
from schemas.columns import CONTENT_ROLES, GIVEN_ROLES
from schemas.tables import hash_column, text_columns

OPEN = "open"

# Words in letters, digits and marks; scripts without blanks have no words, and each of their characters is one.
_WORD = rf"[{UNSPACED}]|[\p{{L}}\p{{M}}\p{{N}}&&[^{UNSPACED}]]+"
# Bytes of text whose words are looked at in one go: some 40 bytes of working memory each.
_BATCH_BYTES = 8_000_000
# Bits per run of words in the filter below, and the least and most bits of a filter (1 GB at most).
_BITS_PER_RUN = 16
_MIN_BITS, _MAX_BITS = 1 << 20, 1 << 33
# Fractional part of the golden ratio as 64 bits, odd (Knuth, TAOCP 3, 6.4): makes the order of words count.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Batches = Callable[[], Iterable[pl.DataFrame]]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Rights:
    """What of a release may be given to anybody.

    Attributes:
        open_articles: ids of the articles whose policy is open.
        open_sources: ids of the sources all of whose articles have an open policy, and that have any.
        echoes: ids of passages that would be given, and say what a withheld text says.
        withheld_articles: ids of the articles that hold content which is withheld.
        given_sources: ids of the sources whose passages may all be given.
    """

    open_articles: pl.Series
    open_sources: pl.Series
    echoes: pl.Series
    withheld_articles: pl.Series
    given_sources: pl.Series

    def may_be_given(self, table: str) -> pl.Expr:
        """Whether the texts of a row of a table may be given to anybody."""
        if table == "sources":
            return pl.col("source_id").is_in(self.given_sources.implode())
        if table == "passages":
            echoes = pl.col("passage_id").is_in(self.echoes.implode())
            return _is_open_passage(self.open_articles, self.open_sources) & ~echoes
        return ~pl.col("article_id").is_in(self.withheld_articles.implode())


def rights_of(articles: pl.DataFrame, passages: Batches, longest_quote: int = 0) -> Rights:
    """Find out what of a release may be given to anybody.

    Args:
        articles: `article_id, source_id, rights_policy` of all articles.
        passages: gives `passage_id, source_id, article_id, role, text` of all passages, batch by batch; is called
            several times where some texts may be given and others may not.
        longest_quote: words in a row that a text may quote of a withheld one and yet be given.
    """
    is_open = pl.col("rights_policy") == OPEN
    open_articles = articles.filter(is_open)["article_id"]
    open_sources = articles.group_by("source_id").agg(is_open=is_open.all()).filter("is_open")["source_id"].sort()
    is_open_passage = _is_open_passage(open_articles, open_sources)
    echoes = _echoes(passages, is_open_passage, longest_quote + 1)
    ids = pl.col("passage_id").is_in(echoes["passage_id"].implode())
    withheld, sources = [echoes.clear()], []
    for rows in passages():
        sources.append(rows["source_id"].unique())
        withheld.append(rows.filter(~is_open_passage | ids).select(_ECHO).unique(["source_id", "article_id", "role"]))
    held_back = pl.concat(withheld)
    is_content = pl.col("role").is_in(CONTENT_ROLES)
    all_sources = pl.concat([pl.Series("source_id", [], pl.String), *sources]).unique()
    return Rights(
        open_articles=open_articles,
        open_sources=open_sources,
        echoes=echoes["passage_id"],
        withheld_articles=held_back.filter(is_content)["article_id"].drop_nulls().unique().sort(),
        given_sources=all_sources.filter(~all_sources.is_in(held_back["source_id"].unique().implode())).sort(),
    )


def withhold(table: str, rows: pl.DataFrame, rights: Rights) -> pl.DataFrame:
    """Rows of a table as a public edition holds them: texts that may not be given are null, their hash beside them.

    An empty text stays: it says nothing.
    """
    marked = rows.with_columns(is_given=rights.may_be_given(table))
    changed: list[pl.Expr | pl.Series] = []
    for column in text_columns(table):
        is_given = pl.col("is_given") | (pl.col(column) == "")
        held_back = marked.select(pl.when(~is_given).then(column)).to_series()
        changed += [pl.when(is_given).then(column).alias(column), sha256_of(held_back).alias(hash_column(column))]
    return marked.with_columns(changed).drop("is_given")


def is_given(table: str) -> pl.Expr:
    """Whether a row of a table with texts gives one; an empty text says nothing."""
    return pl.any_horizontal(
        (pl.col(column).is_not_null() & (pl.col(column) != "")).fill_null(value=False) for column in text_columns(table)
    )


def _is_open_passage(open_articles: pl.Series, open_sources: pl.Series) -> pl.Expr:
    """Whether the role of a passage, or the policy of its article or page, lets its text be given."""
    article = pl.col("article_id")
    return (
        pl.col("role").is_in(GIVEN_ROLES)
        | article.is_in(open_articles.implode()).fill_null(value=False)
        | (article.is_null() & pl.col("source_id").is_in(open_sources.implode()))
    )


_ECHO = ["passage_id", "source_id", "article_id", "role"]


def _echoes(passages: Batches, is_open: pl.Expr, run_words: int) -> pl.DataFrame:
    """Passages that would be given, and share a run of words with a text that is withheld.

    The runs of what would be given go into a filter of bits (Bloom, CACM 13 (7), 1970, with one hash), so that of all
    withheld text only the runs that may be among them need be kept. What is found is withheld, and so its other runs
    are looked for as well, until nothing more is found.

    Returns:
        `passage_id, source_id, article_id, role`: one row per such passage, sorted by `passage_id`.
    """
    at_stake = is_open & ~pl.col("role").is_in(GIVEN_ROLES)
    byte_count = sum(int(rows.filter(at_stake)["text"].str.len_bytes().sum() or 0) for rows in passages())
    found = pl.DataFrame(schema=dict.fromkeys(_ECHO, pl.String))
    if not byte_count:
        return found
    runs_at_stake = _Filter(byte_count)
    for rows in _small(passages(), at_stake):
        runs_at_stake.add(_runs(rows["text"], run_words)[1])
    withheld = _Distinct()
    for rows in _small(passages(), ~is_open):
        runs = _runs(rows["text"], run_words)[1]
        withheld.add(runs[runs_at_stake.may_hold(runs)])
    said = withheld.hashes()
    while len(said):
        news = _Distinct()
        before = found
        for rows in _small(passages(), at_stake):
            rest = rows.join(before, on="passage_id", how="anti", maintain_order="left")
            row, runs = _runs(rest["text"], run_words)
            echoing = np.unique(row[np.isin(runs, said)])
            found = pl.concat([found, rest[echoing].select(_ECHO)])
            news.add(runs[np.isin(row, echoing)])
        said = np.setdiff1d(news.hashes(), said, assume_unique=True)
    return found.sort("passage_id")


def _small(batches: Iterable[pl.DataFrame], which: pl.Expr) -> Iterator[pl.DataFrame]:
    """Some of the rows, with no more text in one frame than can be taken apart in one go."""
    for batch in batches:
        rows = batch.filter(which & pl.col("text").is_not_null())
        sizes = rows["text"].str.len_bytes().cast(pl.Int64)
        bounds = (sizes.cum_sum() // _BATCH_BYTES).rle().struct.unnest()
        start = 0
        for count in bounds["len"]:
            yield rows.slice(start, count)
            start += count


def _runs(texts: pl.Series, run_words: int) -> tuple[npt.NDArray[np.int64], Hashes]:
    """The runs of so many words of texts, in lower case and without what stands between words.

    Returns:
        The index of the text and a hash, one each per run, in the order of the texts.
    """
    words = (
        texts.to_frame("text")
        .with_row_index("row")
        .select("row", word=pl.col("text").str.to_lowercase().str.extract_all(_WORD))
        .explode("word")
        .drop_nulls("word")
    )
    row = words["row"].to_numpy().astype(np.int64)
    hashes = words["word"].hash().to_numpy()
    count = max(len(hashes) - run_words + 1, 0)
    runs = np.zeros(count, np.uint64)
    for word in range(run_words):
        runs = runs * _MULTIPLIER + hashes[word : word + count]
    is_whole = row[:count] == row[len(row) - count :]
    return row[:count][is_whole], runs[is_whole]


class _Filter:
    """A set of hashes that may hold one too many, of bounded size."""

    def __init__(self, byte_count: int) -> None:
        """A set for the runs of a text of so many bytes."""
        bits = min(max(_MIN_BITS, _BITS_PER_RUN * byte_count // 4), _MAX_BITS)
        self._bytes = np.zeros(1 << ((bits - 1).bit_length() - 3), np.uint8)

    def add(self, hashes: Hashes) -> None:
        np.bitwise_or.at(self._bytes, *self._places(hashes))

    def may_hold(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        place, bit = self._places(hashes)
        return np.asarray((self._bytes[place] & bit) != 0)

    def _places(self, hashes: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        place = (hashes >> np.uint64(3)) % np.uint64(len(self._bytes))
        return place.astype(np.int64), np.left_shift(1, hashes & np.uint64(7)).astype(np.uint8)


@dataclass
class _Distinct:
    """Distinct hashes, put together from time to time."""

    _parts: list[Hashes] = field(default_factory=list)
    _count: int = 0

    def add(self, hashes: Hashes) -> None:
        self._parts.append(np.unique(hashes))
        self._count += len(self._parts[-1])
        if self._count > 2 * len(self._parts[0]) + _BATCH_BYTES:
            self._parts = [self.hashes()]
            self._count = len(self._parts[0])

    def hashes(self) -> Hashes:
        """All of them, sorted."""
        return np.unique(np.concatenate(self._parts)) if self._parts else np.zeros(0, np.uint64)
