"""Floors of accuracy on a small made-up press; they rise with the code, and fall only when somebody says why."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import quotes
from benchmarks.corpus import main, write_corpus
from benchmarks.near import Accuracy, accuracy
from flows.deduplicate.near import clusters, copies, near_duplicates
from flows.deduplicate.stage import deduplicate
from flows.deduplicate.wordstore import words_of_batches
from flows.settings import Settings


def judged(path: Path) -> Accuracy:
    found = clusters(near_duplicates(pl.scan_parquet(path)))
    return accuracy(pl.read_parquet(path, columns=["id", "story", "kind", "model", "outlet"]), found)


def test_copies_of_every_kind(tmp_path: Path) -> None:
    write_corpus(6_000, tmp_path / "press.parquet", seed=11)
    result = judged(tmp_path / "press.parquet")
    assert result.precision == 1
    assert result.recall >= 0.9995
    assert min(result.recall_by_kind.values()) >= 0.998
    assert result.recall_by_kind["truncated"] >= 0.999
    assert result.recall_by_kind["updated"] >= 0.999
    assert result.hard_negatives >= 200
    assert result.merged_hard_negatives == 0


def test_wire_stories_forms_and_outlets_without_a_name(tmp_path: Path) -> None:
    write_corpus(6_000, tmp_path / "press.parquet", seed=12, is_hard=True, unnamed_share=1.0)
    result = judged(tmp_path / "press.parquet")
    assert result.precision == 1
    assert result.recall >= 0.999
    assert min(result.recall_by_kind.values()) >= 0.998
    assert result.forms >= 600
    assert result.merged_forms == 0


def test_copies_hang_on_whichever_copy_comes_first(tmp_path: Path) -> None:
    write_corpus(3_000, tmp_path / "press.parquet", seed=13)
    press = pl.read_parquet(tmp_path / "press.parquet").sample(fraction=1, shuffle=True, seed=1)
    rank, nobody = np.arange(press.height), np.full(press.height, -1)
    store = words_of_batches(iter([press["text"]]), memory_bytes=10**9)
    edges = copies(store, rank, np.zeros(press.height, np.int64), nobody, Settings())
    assert (edges["a"] < edges["b"]).all()
    assert edges["b"].is_unique().all()
    assert not edges["a"].is_in(edges["b"].implode()).any()
    found = pl.DataFrame({"id": press["id"].gather(edges["b"]), "cluster_id": press["id"].gather(edges["a"])})
    survivors = found.select("cluster_id").unique()
    result = accuracy(press, pl.concat([found, survivors.select(id="cluster_id", cluster_id="cluster_id")]))
    assert result.precision == 1
    assert result.recall >= 0.999
    assert min(result.recall_by_kind.values()) >= 0.998


def test_quoted_passages(tmp_path: Path) -> None:
    write_corpus(3_000, tmp_path / "press.parquet", seed=13)
    documents = quotes.stories(pl.read_parquet(tmp_path / "press.parquet"))
    articles, passages = quotes.tables(documents)
    result = quotes.accuracy(documents, deduplicate(articles, passages, Settings()).overlaps, passages)
    assert result.quotes["verbatim"] >= 25
    assert result.quotes["edited"] >= 25
    assert result.found["verbatim"] >= 0.99
    assert result.found["edited"] >= 0.99
    assert result.spurious == 0


def test_the_corpus_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        write_corpus(500, tmp_path / name, seed=seed, is_hard=True)
    one, again, other = (pl.read_parquet(tmp_path / name) for name in ("one", "again", "other"))
    assert one.equals(again)
    assert set(one["text"]).isdisjoint(other["text"])
    assert one.height == one["id"].n_unique() == 500


def test_quotations_stand_where_the_corpus_says(tmp_path: Path) -> None:
    write_corpus(3_000, tmp_path / "press.parquet", seed=5, is_hard=True)
    press = pl.read_parquet(tmp_path / "press.parquet")
    quotes = press.drop_nulls("quoted_id").join(press.select(quoted_id="id", source="text"), on="quoted_id")
    assert quotes.height >= 40
    for row in quotes.iter_rows(named=True):
        quote = row["text"][row["quote_char_start"] :][: row["quote_char_count"]]
        source = row["source"][row["quoted_char_start"] :][: row["quoted_char_count"]]
        assert row["kind"] == "quoting"
        assert re.match(r"\w", quote)
        assert re.search(r"\w$", quote)
        said, taken = re.findall(r"\w+", quote), re.findall(r"\w+", source)
        if row["quote_kind"] == "verbatim":
            assert said == taken
        else:
            assert 0.6 * len(taken) < len(set(said) & set(taken))
            assert said != taken


def test_a_hard_corpus_has_wire_stories_forms_and_outlets_without_a_name(tmp_path: Path) -> None:
    main(["10000", str(tmp_path / "press.parquet"), "--hard", "--seed", "6"])
    press = pl.read_parquet(tmp_path / "press.parquet")
    wires = press.filter(pl.col("kind").str.starts_with("wire_"))["story"].value_counts()["count"].sort().to_list()
    assert wires[0] >= 2
    assert wires[-1] >= 450
    forms = press.filter(pl.col("kind").str.starts_with("form"))
    assert forms["model"].n_unique() == 12
    assert forms["story"].n_unique() >= 600
    named = press.group_by("outlet").agg(pl.col("publisher").unique())
    assert named["publisher"].list.len().unique().to_list() == [1]
    assert 5 <= named["publisher"].explode().null_count() <= 25


def test_accuracy_counts_pairs() -> None:
    truth = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "story": [0, 0, 0, 1, 2],
            "kind": ["original", "light", "heavy", "original", "dozen"],
            "model": [-1, -1, -1, -1, 1],
            "outlet": [0, 1, 1, 2, 2],
        }
    )
    found = pl.DataFrame({"id": ["a", "b", "d", "e"], "cluster_id": ["a", "a", "d", "d"]})
    result = accuracy(truth, found)
    assert (result.precision, result.false_pairs, result.false_pairs_of_outlet) == (1 / 2, 1, 1)
    assert result.recall == pytest.approx(1 / 3)
    assert result.recall_by_kind == {"heavy": 0, "light": 1 / 2, "original": 1 / 2}
    assert result.merged_hard_negatives == 1


def test_little_text_needs_no_compiler() -> None:
    code = (
        "import sys, polars as pl\n"
        "from flows.deduplicate.near import near_duplicates\n"
        "text = 'the ferry of the valley leaves at noon and comes back late ' * 9\n"
        "assert near_duplicates(pl.DataFrame({'id': ['a', 'b'], 'text': [text, text]})).height == 1\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
