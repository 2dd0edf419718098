"""The card is true, loads as it says, and takes no orders from the pages that it lists."""

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.release.card import card, described, overlap_example
from flows.release.described import Release
from flows.release.harmless import markdown, plain_line
from flows.release.release import BuildInfo
from flows.settings import Settings
from schemas.tables import TABLES
from tests.release_tables import (
    LEDE,
    PAGES,
    Tables,
    article_id,
    changed,
    frame,
    release,
    tables_of,
    two_stories,
    write_table,
)

COUNTS = {"read": 4, "released": 2, "rejected": 1, "taken_down": 1, "skipped": 3}
# What a hostile page may call itself.
HOSTILE = (
    "---\nlicense: mit\n---\n# Head | cell `code` <script>alert(1)</script> ![x](http://e.example/x.png) "
    "[link](javascript:x) @somebody https://e.example www.e.example \u202egnp.exe\u2066 \x1b[31mred\x07 {{ 7 * 7 }}"
)


def release_of(tables: Tables, folder: Path, **settings: Any) -> Release:
    for name, rows in tables.items():
        write_table(folder, name, rows.sort(TABLES[name].order), Settings())
    return Release(folder, "1.2.3", date(2031, 5, 2), COUNTS, Settings(**settings))


def card_of(tables: Tables, folder: Path, **settings: Any) -> str:
    return card(release_of(tables, folder, **settings))


def front_matter(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    return dict(yaml.safe_load(head))


def test_the_card_says_what_is_in_the_release(tmp_path: Path):
    text = card_of(two_stories(), tmp_path)
    assert "read 4 = released 2 + rejected 1 + taken down 1\n" in text
    assert "Release 1.2.3 of 2031-05-02: 2 articles in 2 saved pages" in text
    assert "| Ferries stop at noon | Harbour Gazette | 2031-05-01 | article | 21 | morning.txt |" in text
    lede = PAGES["evening.txt"][2][1]
    assert f"| `repeat` | 1 | {len(lede)} | content that repeats an earlier passage |" in text
    assert f"| {LEDE} | {lede} |" in text
    assert "| earlier: Ferries stop at noon (Harbour Gazette) | later: Ferries sail again (Harbour Gazette) |" in text
    assert "| `same_series` | 1 |" in text
    for name, table in TABLES.items():
        assert f"\n### {name}\n" in text
        for column, description in table.columns.items():
            assert f"| `{column}` |" in text
            assert description
            assert description.replace("|", "\\|") in text


def test_the_front_matter_has_a_configuration_per_table_with_rows(tmp_path: Path):
    head = front_matter(card_of(two_stories(), tmp_path, hub_repo="desk/news", dataset_name="A: name\n---\n"))
    full = [name for name, rows in two_stories().items() if rows.height]
    assert "rejects" not in full
    assert [one["config_name"] for one in head["configs"]] == full
    assert [one["config_name"] for one in head["configs"] if one.get("default")] == ["articles"]
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "data/articles/*.parquet"}]
    assert [one["config_name"] for one in head["dataset_info"]] == full
    info = {one["config_name"]: one for one in head["dataset_info"]}["passages"]
    assert info["splits"][0]["num_examples"] == two_stories()["passages"].height
    assert info["splits"][0]["num_bytes"] == info["dataset_size"] > 0
    assert info["download_size"] == sum(file.stat().st_size for file in (tmp_path / "data/passages").iterdir())
    assert (head["license"], head["language"], head["size_categories"]) == ("other", ["en"], ["n<1K"])
    assert head["pretty_name"] == "A: name ---"
    assert head["license_link"].startswith("https://huggingface.co/datasets/desk/news/")


def test_the_features_are_those_that_datasets_finds_in_the_files(tmp_path: Path):
    from datasets import Features
    from pyarrow import parquet

    head = front_matter(card_of(two_stories(), tmp_path))
    for info in head["dataset_info"]:
        (file,) = (tmp_path / "data" / info["config_name"]).iterdir()
        found = Features.from_arrow_schema(parquet.read_schema(file))
        assert Features._from_yaml_list(info["features"]) == found
        assert info["features"] == found._to_yaml_list()


def test_every_snippet_for_the_disk_runs_in_the_folder_of_the_release(tmp_path: Path):
    result = release(two_stories(), tmp_path / "dist", Settings(), BuildInfo([], COUNTS))
    section = (result.path / "README.md").read_text().split("### From disk")[1].split("\n## ")[0]
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(snippets) == 4
    names = ("HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    environment = os.environ | dict(zip(names, (str(tmp_path / "home"), "1", "1"), strict=True))
    # One after the other in one interpreter, each with names of its own.
    script = "import sys\nfor snippet in sys.argv[1:]: exec(snippet, {'__name__': '__main__'})"
    run = subprocess.run(
        [sys.executable, "-c", script, *snippets],
        cwd=result.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for shown in ("Ferries sail again", "Harbour Gazette", "made_up", "Value('string')"):
        assert shown in run.stdout


def test_snippets_for_the_hub_name_repository_and_tag_and_are_python(tmp_path: Path):
    section = (
        card_of(two_stories(), tmp_path, hub_repo="desk/news").split("### From the Hub")[1].split("### From disk")[0]
    )
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(snippets) == 4
    for snippet in snippets:
        compile(snippet, "card", "exec")
        assert "desk/news" in snippet
        assert "1.2.3" in snippet


def test_a_hostile_page_stays_in_its_cell(tmp_path: Path):
    honest = card_of(two_stories(), tmp_path / "honest")
    tables = changed(two_stories(), "articles", pl.lit(True), title=HOSTILE, publisher=HOSTILE, language="en")
    tables = changed(tables, "sources", pl.lit(True), uri=HOSTILE, text=HOSTILE * 3)
    text = card_of(tables, tmp_path / "hostile")
    assert text.count("\n") == honest.count("\n")
    head = front_matter(text)
    assert head["license"] == "other"
    assert "{{ 7" not in text.split("---\n", 2)[2]
    assert "49" not in text.split("## The articles")[1].split("By kind")[0]
    for found in (
        "<script",
        "![x](",
        "](javascript",
        "\u202e",
        "\u2066",
        "\x1b",
        "\x07",
        " @somebody",
        "https://e.example",
    ):
        assert found not in text
    for line in text.split("## The articles")[1].split("By kind")[0].splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7


@given(st.text(st.sampled_from("-#|<>&`*_[]()!\\~$@:/w.1 \n\r\t\u2028\u202e\u200b\x00\x1b\x85ab"), max_size=20))
def test_escaped_text_is_one_line_of_text(text: str):
    escaped = str(markdown(text))
    assert len(escaped.splitlines()) <= 1
    assert not re.search(r"[<>|\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u2028]", escaped)
    assert not re.match(r"(-|#|\d+[.)]\s|```|~~~|>|=)", escaped)
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]!~$@]", escaped)
    assert not re.search(r"(?<!\\)://", escaped)
    assert not re.search(r"\bwww\.", escaped)
    # Nothing that can be seen is lost.
    back = re.sub(r"\\(.)", r"\1", escaped)
    for character, entity in (("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("&", "&amp;")):
        back = back.replace(entity, character)
    assert back == plain_line(text)


def test_a_line_is_cut_where_it_is_too_long():
    assert plain_line("a" * 30, 10) == "a" * 9 + "…"
    assert plain_line("👩\u200d🚀 中国", 10) == "👩\u200d🚀 中国"
    assert plain_line(None) == ""


def test_the_example_is_the_pair_that_shares_most(tmp_path: Path):
    tables = two_stories()
    example = overlap_example(release_of(tables, tmp_path / "shared"))
    assert example is not None
    assert (example["a"]["article_id"], example["b"]["article_id"]) == (
        article_id("morning.txt"),
        article_id("evening.txt"),
    )
    assert [row["a"] for row in example["rows"]] == [LEDE]
    assert overlap_example(release_of(tables_of(PAGES), tmp_path / "none")) is None
    withheld = changed(changed(tables, "sources", pl.lit(True), text=None), "passages", pl.lit(True), text=None)
    nothing = overlap_example(release_of(withheld, tmp_path / "withheld"))
    assert nothing is not None
    assert nothing["rows"][0]["a"] is None
    text = card_of(withheld, tmp_path / "again")
    assert "share 1: Ferries stop at noon (Harbour Gazette), and later Ferries sail again (Harbour Gazette)." in text
    assert "| near, score" not in text


def test_a_long_passage_is_quoted_in_part(tmp_path: Path):
    tables = two_stories()
    words = "Unquotable. " * 60
    tables = changed(tables, "sources", pl.lit(True), text=words)
    tables = changed(tables, "overlaps", pl.lit(True), a_char_start=0, a_char_count=700)
    longest = max(
        len(cell) for line in card_of(tables, tmp_path).splitlines() for cell in line.split("|") if "Unq" in cell
    )
    assert longest <= 202


def test_rejects_and_withheld_text_and_nothing_in_common(tmp_path: Path):
    reject = {"reject_id": "0" * 16, "stage": "ingest", "rule": "not_utf8", "uri": "x", "detail": "Save it as UTF-8."}
    tables = tables_of({"a.txt": PAGES["morning.txt"]}, language=None) | {"rejects": frame("rejects", [reject])}
    text = card_of(tables, tmp_path)
    assert "| `not_utf8` | 1 |" in text
    assert "No two articles of this release share a passage: the table `overlaps` has no rows." in text
    assert "1 article in 1 saved page," in text
    assert "language" not in front_matter(text)
    assert "rejects" in [one["config_name"] for one in front_matter(text)["configs"]]


def test_what_was_taken_down_is_counted_and_not_named(tmp_path: Path):
    stones = [
        {
            "id": f"{number:016x}",
            "table": table,
            "reason": "A judge said so.",
            "date": date(2031, 5, 3),
            "uri": "gone.txt",
        }
        for number, table in enumerate(["sources", "articles", "articles"])
    ]
    text = card_of(tables_of(PAGES) | {"tombstones": frame("tombstones", stones)}, tmp_path / "stones")
    section = text.split("## What was removed")[1].split("\n## ")[0]
    assert "| `articles` | 2 |\n| `sources` | 1 |\n" in section
    assert "gone.txt" not in text
    assert "A judge" not in text
    assert "taken down on request" not in card_of(tables_of(PAGES), tmp_path / "none")


def test_a_large_release_lists_a_sample(tmp_path: Path):
    tables = tables_of({f"{number:02}.txt": [("title", f"Story {number}"), ("body", "Words.")] for number in range(30)})
    text = card_of(tables, tmp_path, listed_articles=5)
    assert "5 of 30, evenly spread" in text
    assert re.findall(r"\| Story (\d+) \|", text) == ["0", "6", "12", "18", "24"]


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_says_what_a_row_is(name: str):
    assert described(TABLES[name])["text"].startswith("One row per ")


def test_the_hub_client_and_datasets_read_the_front_matter(tmp_path: Path):
    """The checks that the clients make by themselves; the Hub's own asks the Hub."""
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    text = card_of(two_stories(), tmp_path, hub_repo="desk/news")
    read = DatasetCard(text)
    assert isinstance(read.data, DatasetCardData)
    head = front_matter(text)
    assert yaml.safe_load(read.data.to_yaml()) == head
    assert (head["license"], head["license_name"]) == ("other", "rights-of-the-publishers")
    # https://huggingface.co/docs/hub/datasets-cards: a licence "other" has a name in small letters, digits, . and -.
    assert re.fullmatch(r"[a-z0-9.-]+", head["license_name"])
    assert head["license_link"] == "https://huggingface.co/datasets/desk/news/blob/v1.2.3/README.md#rights-and-licence"
    assert all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in head["tags"])
    configs = MetadataConfigs.from_dataset_card_data(read.data)
    assert configs.get_default_config_name() == "articles"
    infos = DatasetInfosDict.from_dataset_card_data(read.data)
    for name, info in infos.items():
        assert info.splits is not None
        assert info.splits["train"].num_examples == two_stories()[name].height


def test_the_card_says_how_to_cite_and_what_pages_say_of_their_rights(tmp_path: Path):
    statement = "© Harbour Gazette | all rights `reserved`"
    tables = changed(two_stories(), "articles", pl.lit(True), rights_statement=statement, rights_policy="reserved")
    text = card_of(tables, tmp_path, takedown_contact="mail to <desk@gazette.example>")
    assert "@misc{name-1.2.3," in text
    assert r"| © Harbour Gazette &#124; all rights \`reserved\` | `reserved` | 2 |" in text
    assert r"mail to &lt;desk\@gazette.example&gt;" in text
    assert "What is withheld" not in text
