"""The benchmarks measure what they say."""

import os
import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks import quotes, table
from benchmarks.compare import HERE, PEERS
from benchmarks.corpus import write_corpus
from benchmarks.peers.documents import Groups, shingles, texts
from benchmarks.processes import Cost, cost
from schemas.tables import TABLES
from tests.test_stopping import wait_for


def ran(code: str, folder: Path, *, seconds: float = 60, max_bytes: int = 10**12) -> Cost:
    return cost(
        [sys.executable, "-c", code],
        cwd=folder,
        environment=os.environ,
        log=folder / "log",
        seconds=seconds,
        max_bytes=max_bytes,
    )


def test_a_command_costs_what_its_children_cost(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "inner = 'import time\\nkept = bytes(range(256)) * 800_000\\nwhile time.process_time() < 0.8: pass'\n"
        "print('said', flush=True)\n"
        "subprocess.run([sys.executable, '-c', inner], check=True)\n"
    )
    spent = ran(code, tmp_path)
    assert spent.outcome == "done"
    assert spent.wall_seconds >= 0.8
    assert spent.cpu_seconds >= 0.8
    assert spent.peak_bytes >= 200_000_000
    assert (tmp_path / "log").read_text() == "said\n"


def test_a_command_is_not_charged_for_who_started_it(tmp_path: Path) -> None:
    kept = bytes(range(256)) * 1_000_000
    assert 1_000_000 < ran("import time; time.sleep(0.6)", tmp_path).peak_bytes < len(kept)


def test_a_command_that_fails_or_takes_too_much_is_ended(tmp_path: Path) -> None:
    assert ran("raise SystemExit(3)", tmp_path).outcome == "failed with 3"
    started = "import pathlib, subprocess, sys, time\n"
    sleeper = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    late = ran(
        started + sleeper + "pathlib.Path('pid').write_text(str(child.pid))\ntime.sleep(60)", tmp_path, seconds=4
    )
    assert late.outcome == "over 4 s"
    assert late.wall_seconds < 30
    child = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    # It was told to end, and may need a moment for it.
    assert wait_for(lambda: not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z", 10)
    greedy = ran("import time\nkept = bytearray(b'x' * 300_000_000)\ntime.sleep(60)", tmp_path, max_bytes=200_000_000)
    assert greedy.outcome == "over 0 GB"


def test_groups_are_the_components_of_what_was_joined(tmp_path: Path) -> None:
    corpus, out = tmp_path / "corpus.parquet", tmp_path / "out.parquet"
    pl.DataFrame({"id": ["z", "y", "x", "w", "v"]}).write_parquet(corpus)
    groups = Groups()
    assert (groups.add(2), groups.add(3)) == (0, 2)
    for pair in ((3, 1), (1, 4), (2, 2)):
        groups.join(*pair)
    groups.write(corpus, out)
    assert dict(pl.read_parquet(out).iter_rows()) == {"z": "z", "y": "y", "x": "x", "w": "y", "v": "y"}


def test_clean_texts_lack_the_lines_of_their_outlet_and_no_others(tmp_path: Path) -> None:
    rows = [
        {"publisher": outlet, "text": f"{outlet} daily\nstory {outlet} {number}\ntwice {number // 2}\nsaid by all"}
        for outlet in ("north", None)
        for number in range(10)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "corpus.parquet")
    clean = [text for batch in texts(tmp_path / "corpus.parquet", is_clean=True) for text in batch]
    assert clean == [
        f"story {row['publisher']} {n}\ntwice {n // 2}" for n, row in zip([*range(10)] * 2, rows, strict=True)
    ]
    raw = [text for batch in texts(tmp_path / "corpus.parquet") for text in batch]
    assert raw == [row["text"] for row in rows]


def test_shingles() -> None:
    assert shingles("one two three", 2) == ["one two", "two three"]
    assert shingles("one", 2) == ["one"]


@pytest.mark.parametrize("name", sorted({peer.environment or "" for peer in PEERS}))
def test_requirements_of_peers_are_pinned_and_name_no_index(name: str) -> None:
    lines = (HERE / "peers" / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    assert any(line.startswith(f"{name}==") for line in lines)
    assert all("==" in line and "://" not in line for line in lines if line)


def test_quotations_found_exactly_partly_and_wrongly() -> None:
    documents = pl.DataFrame(
        {
            "id": ["1".zfill(16), "2".zfill(16), "3".zfill(16)],
            "text": ["w" * 300, "x" * 100 + "\n" + "y" * 199, "z" * 300],
            "quoted_id": [None, "1", "1"],
            "quote_kind": [None, "verbatim", "edited"],
            "quote_char_start": [None, 50, 10],
            "quote_char_count": [None, 100, 100],
            "quoted_char_start": [None, 100, 200],
            "quoted_char_count": [None, 100, 100],
        }
    )
    source, *quoting = documents["id"]
    passages = pl.DataFrame({"passage_id": ["a", "b", "menu"], "role": ["body", "body", "navigation"]})

    def judged(*rows: tuple[str, str, int, int, int, int, str]) -> quotes.QuoteAccuracy:
        names = ["a_source_id", "b_source_id", "a_char_start", "a_char_count", "b_char_start", "b_char_count"]
        frame = pl.DataFrame(rows, schema=[*names, "b_passage_id"], orient="row")
        return quotes.accuracy(documents, frame.with_columns(a_passage_id=pl.lit("a")), passages)

    exact = judged((source, quoting[0], 100, 100, 50, 100, "b"), (source, quoting[1], 200, 100, 10, 100, "b"))
    assert exact.quotes == {"edited": 1, "verbatim": 1}
    assert exact.found == {"edited": 1, "verbatim": 1}
    assert (exact.overlaps, exact.spurious) == (2, 0)
    # In two parts, which are enough together; and less than half on one side.
    partly = judged(
        (quoting[0], source, 50, 30, 100, 30, "b"),
        (quoting[0], source, 80, 30, 130, 30, "b"),
        (source, quoting[1], 200, 40, 10, 100, "b"),
    )
    assert partly.found == {"edited": 0, "verbatim": 1}
    assert partly.spurious == 0
    # Beside the quotation on one side, of two stories that do not quote one another, and between menus.
    wrong = judged(
        (source, quoting[0], 0, 90, 50, 100, "b"),
        (*quoting, 0, 10, 0, 10, "b"),
        (source, quoting[0], 100, 100, 50, 100, "menu"),
    )
    assert wrong.found == {"edited": 0, "verbatim": 0}
    assert (wrong.overlaps, wrong.spurious) == (2, 2)


def test_quoting_stories_become_articles_and_passages(tmp_path: Path) -> None:
    write_corpus(2_000, tmp_path / "corpus.parquet", seed=3)
    documents = quotes.stories(pl.read_parquet(tmp_path / "corpus.parquet"))
    assert documents["story"].is_unique().all()
    assert documents["quoted_id"].drop_nulls().is_unique().all()
    articles, passages = quotes.tables(documents)
    TABLES["articles"].model.validate(articles)
    TABLES["passages"].model.validate(passages)
    text_of = dict(documents.select("id", "text").iter_rows())
    for row in passages.iter_rows(named=True):
        assert text_of[row["source_id"]][row["char_start"] :][: row["char_count"]] == row["text"]
    roles = passages.group_by("article_id").agg("role")
    assert all(found.count("title") == 1 and "boilerplate" in found for found in roles["role"].to_list())


def test_the_table_is_made_of_the_results() -> None:
    right = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "merged_hard_negatives": 1, "hard_negatives": 2}
    right |= {"merged_forms": 3, "forms": 1_000}

    def trial(name: str, wall: float, outcome: str = "done") -> dict[str, object]:
        spent = {"outcome": outcome, "wall_seconds": wall, "cpu_seconds": 2 * wall, "peak_bytes": 10**9}
        return {"name": name, "cost": spent, "accuracy": right if outcome == "done" else None}

    common = {"date": "2031-06-02", "machine": {"cores": 2, "memory_bytes": 2**34, "python": "3.11.7"}}
    trials = [trial("copydesk", 2.0), trial("other", 5.0), trial("slow", 60.0, "over 60 s")]
    results = [
        {"documents": size, "corpus": kind, "trials": trials, **common}
        for size, kind in ((2_000, "hard"), (2_000, "plain"), (50, "hard"))
    ]
    written = table.markdown(results)
    order = [written.index(text) for text in ("50 documents, hard", "2,000 documents, plain", "2,000 documents, hard")]
    assert order == sorted(order)
    assert "| copydesk | 2.0 s | 4.0 s | 1.00 GB | 0.5000 | 0.2500 | 0.3333 | 1 of 2 | 3 of 1,000 |" in written
    assert "| other | 2.5 × | 2.5 × | 1.0 × |" in written
    assert "| slow | over 60 s |" in written
    page = f"before\n{table.BEGIN}old\n{table.END}after\n"
    assert table.with_tables(page, written) == f"before\n{table.BEGIN}\n{written}\n{table.END}after\n"
    with pytest.raises(ValueError, match="begin"):
        table.with_tables("nothing", written)


def test_the_readme_has_a_place_for_the_table() -> None:
    page = (HERE.parent / "README.md").read_text(encoding="utf-8")
    assert f"{table.BEGIN}\nnew table\n\n{table.END}" in table.with_tables(page, "new table\n")
