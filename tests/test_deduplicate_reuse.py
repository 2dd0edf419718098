"""Passages that share words: which pairs are found, where the words stand, and what it costs."""

import dataclasses
import itertools
import random
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.compiled import compiled, plain
from flows.deduplicate import passage_kernels
from flows.deduplicate.passages import Passages, read_passages, words_of_articles
from flows.deduplicate.places import located
from flows.deduplicate.reuse import firsts_of, reworded_passages
from flows.settings import Settings
from schemas.tables import TABLES

SYLLABLES = "ba dor fen gil hast kem lor mun nev ost pra quil ros sten tav ulm vek wyn yar zed".split()  # noqa: SIM905


def prose(seed: int, count: int) -> list[str]:
    """Words that hardly stand in another prose."""
    pick = random.Random(seed)
    return ["".join(pick.choices(SYLLABLES, k=3)) for _ in range(count)]


def table(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a table; columns that they lack are null."""
    dtypes = TABLES[name].dtypes
    missing = [pl.lit(None).alias(column) for column in dtypes if column not in rows.columns]
    return rows.with_columns(missing).select(dtypes.keys()).cast(pl.Schema(dtypes))


def corpus(*texts: str, settings: Settings | None = None) -> Passages:
    """Each text is the one paragraph of an article of its own."""
    rows = pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(
        "text",
        source_id=pl.Series([f"{number:016x}" for number in range(len(texts))]),
        ordinal=pl.lit(0),
        char_start=pl.lit(0),
        char_count=pl.col("text").str.len_chars(),
    )
    article_id = pl.col("source_id") + "-00"
    articles = rows.with_columns(article_id=article_id, kind=pl.lit("article"), authors=pl.lit([], pl.List(pl.String)))
    passages = rows.with_columns(article_id=article_id, passage_id=pl.col("source_id") + "-0000", role=pl.lit("body"))
    return read_passages([table("articles", articles)], [table("passages", passages)], settings or Settings(), Path())


def found(passages: Passages, settings: Settings | None = None) -> pl.DataFrame:
    settings = settings or Settings()
    return reworded_passages(passages, firsts_of(passages, settings), settings)


def edited(words: list[str], share: float, seed: int) -> list[str]:
    pick = random.Random(seed)
    return [f"edit{nth}" if pick.random() < share else word for nth, word in enumerate(words)]


def press(count: int) -> list[str]:
    """Paragraphs that quote one another, copy one another with edits, or have nothing in common."""
    pick = random.Random(count)
    texts = [prose(number, 60) for number in range(count)]
    for number in range(1, count):
        source = texts[pick.randrange(number)]
        if number % 3 == 0:
            texts[number] = edited(source, 0.1, number)
        elif number % 3 == 1:
            start = pick.randrange(30)
            texts[number][20:20] = edited(source[start : start + 25], 0.1, number)
    return [" ".join(words) for words in texts]


def test_a_quotation_with_edits_is_found_where_it_stands() -> None:
    for seed in range(20):
        source, other = prose(1000 + seed, 120), prose(2000 + seed, 120)
        quote = edited(source[40:80], 0.15, seed)
        texts = " ".join(source), " ".join([*other[:50], *quote, *other[50:]])
        (row,) = found(corpus(*texts)).iter_rows(named=True)
        assert row["method"] == "shared_stretch"
        for side, first in (("a", 40), ("b", 50)):
            common = min(row[f"{side}_to"], first + 40) - max(row[f"{side}_from"], first)
            assert common >= 0.8 * 40
            assert row[f"{side}_to"] - row[f"{side}_from"] <= 40


def test_strangers_share_nothing() -> None:
    stock = "according to people who asked not to be named"
    texts = [" ".join([*prose(3000 + n, 20), stock, *prose(4000 + n, 20)]) for n in range(40)]
    assert found(corpus(*texts)).is_empty()


def test_compiled_kernels_find_what_the_plain_ones_find() -> None:
    passages = corpus(*press(60))
    assert not passages.store.is_compiled
    both = [
        found(dataclasses.replace(passages, store=dataclasses.replace(passages.store, is_compiled=is_compiled)))
        for is_compiled in (False, True)
    ]
    assert both[0].equals(both[1])
    assert both[0].height > 30


def test_memory_changes_no_result() -> None:
    texts = press(60)
    # Less than can be set, so that there are several partitions and words lie in files.
    large, small = Settings(), Settings().model_copy(update={"deduplicate_memory_bytes": 10_000})
    assert found(corpus(*texts), large).equals(found(corpus(*texts, settings=small), small))


def test_hundreds_of_variants_are_linked_to_the_first_without_a_square() -> None:
    source = prose(5000, 40)
    texts = [" ".join(edited(source, 0.05, seed)) for seed in range(300)]
    passages = corpus(*texts)
    rows = found(passages)
    firsts = firsts_of(passages, Settings())
    assert rows.height < 20 * len(texts)
    with_first = set(rows.filter(a=0)["b"])
    for row in firsts.rows[1:]:
        assert int(passages.items[row]) in with_first


def test_one_passage_that_holds_all_others_costs_no_square() -> None:
    """A whole archive in one paragraph shares something with every other one."""
    parts = [prose(6000 + number, 14) for number in range(400)]
    archive = " ".join(itertools.chain.from_iterable(parts))
    rows = found(corpus(archive, *(" ".join(part) for part in parts)))
    assert rows.filter(a=0).height == 400


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("ﬁve ½ oﬀers", "end ﬁn"),
        ("cafe\u0301 ＡＢＣ１２", "e\u0301te\u0301"),
        ("한국 \u1112\u1161\u11ab", "글"),
        ("北京 ok, 𝒜𝒷", "天气"),
    ],
)
def test_words_are_found_again_in_texts_of_any_form(before: str, after: str) -> None:
    words = " ".join(prose(7000, 12))
    text = f"{before} ({words}), {after}."
    passages = corpus(text, words)
    count = int(passages.store.starts[1])
    first = int(corpus(before).store.starts[-1])
    start, length = located(passages, np.array([0]), np.array([first]), np.array([first + 12]))
    assert text[start[0] :][: length[0]] == words
    whole = located(passages, np.array([0]), np.array([0]), np.array([count]))
    assert text[whole[0][0] :][: whole[1][0]].endswith(after or words.split()[-1])


@given(st.text(alphabet="ab é½한글北a\u0301ﬁ .\n", max_size=40), st.data())
def test_a_stretch_lies_inside_its_passage(text: str, data: st.DataObject) -> None:
    passages = corpus(text, "x")
    count = int(passages.store.starts[1])
    if not count:
        return
    first = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(first + 1, count))
    start, length = located(passages, np.array([0]), np.array([first]), np.array([end]))
    assert length[0] > 0
    assert start[0] + length[0] <= len(text)
    stretch = unicodedata.normalize("NFKC", text[int(start[0]) :][: int(length[0])])
    assert any(unicodedata.category(letter)[0] in "LMN" for letter in stretch)


def test_an_alignment_ends_where_the_texts_part() -> None:
    rng = np.random.default_rng(1)
    same = rng.integers(1, 2**28, 30) * 8
    words = np.concatenate([same, rng.integers(1, 2**28, 50) * 8, same[:10], same[11:], rng.integers(1, 2**28, 50) * 8])
    room = np.zeros(200, np.int64), np.zeros(200, np.int64)
    for kernels in (plain(passage_kernels), compiled(passage_kernels)):
        lengths = kernels["_extend"](words.astype(np.uint32), 0, 80, 80, 79, 1, 12, *room)
        assert lengths == (30, 29, 29)


@given(
    of_passages=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 5)), min_size=1, max_size=25),
    memory_bytes=st.sampled_from([40, 1_000_000]),
)
def test_words_of_articles_come_to_lie_side_by_side_wherever_their_passages_stand(
    of_passages: list[tuple[int, bool, int]], memory_bytes: int
) -> None:
    """Of articles that follow one another, that stand in another order, and whose passages stand between others'."""
    count = len(of_passages)
    passages = pl.DataFrame(
        {
            "source_id": ["0" * 16] * count,
            "passage_id": [f"{'0' * 16}-{number:04}" for number in range(count)],
            "article_id": [f"{'0' * 16}-{article:02}" for article, _, _ in of_passages],
            "ordinal": range(count),
            "role": ["body" if is_body else "navigation" for _, is_body, _ in of_passages],
            "char_start": [0] * count,
            "char_count": [1] * count,
            "text": [
                "\n".join(f"word{number}of{line}" for line in range(lines))
                for number, (_, _, lines) in enumerate(of_passages)
            ],
        }
    )
    articles = pl.DataFrame({"article_id": sorted(set(passages["article_id"]))}).select(
        "article_id", source_id=pl.lit("0" * 16), kind=pl.lit("article"), ordinal=pl.int_range(pl.len())
    )
    settings = Settings.model_construct(**{**Settings().model_dump(), "deduplicate_memory_bytes": memory_bytes})
    with tempfile.TemporaryDirectory() as work:
        corpus = read_passages([table("articles", articles)], [table("passages", passages)], settings, Path(work))
        before = dataclasses.replace(corpus.store, words=corpus.store.words.copy())
        before.line_hashes, before.line_words = before.line_hashes.copy(), before.line_words.copy()
        store = words_of_articles(corpus, Path(work))
    assert not len(corpus.store.words)
    for number, article in enumerate(articles["article_id"].str.tail(2).cast(pl.Int64)):
        rows = [row for row, (own, is_body, _) in enumerate(of_passages) if own == article and is_body]
        for values, starts, moved, moved_starts in (
            (before.words, before.starts, store.words, store.starts),
            (before.line_hashes, before.line_starts, store.line_hashes, store.line_starts),
            (before.line_words, before.line_starts, store.line_words, store.line_starts),
        ):
            own = moved[moved_starts[number] : moved_starts[number + 1]].tolist()
            assert own == [value for row in rows for value in values[starts[row] : starts[row + 1]].tolist()]
