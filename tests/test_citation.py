"""A release can be cited: by people with BibTeX, by programs with CITATION.cff."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.release.citation import bibtex, citation_cff, citation_key, tex
from flows.release.described import Release
from flows.settings import Settings


def described(day: date | None = date(2031, 5, 2), edition: str = "full", **settings: Any) -> Release:
    return Release(Path("nowhere"), "1.2.3", day, {}, Settings(**settings), edition=edition)


def test_a_bibtex_entry_names_maker_title_version_and_address():
    entry = bibtex(described(hub_repo="desk/port-news", dataset_name="News & views", dataset_creator="The Desk"))
    assert entry.splitlines() == [
        "@misc{port-news-1.2.3,",
        "  author = {{The Desk}},",
        r"  title = {{News \& views}},",
        "  year = {2031},",
        "  version = {1.2.3},",
        r"  howpublished = {\url{https://huggingface.co/datasets/desk/port-news/tree/v1.2.3}},",
        "}",
    ]
    assert "year" not in bibtex(described(None))
    assert "note = {Public edition}" in bibtex(described(edition="public"))


@pytest.mark.parametrize(("repo", "key"), [("a/News_2", "news-2-1.2.3"), ("a/0", "0-1.2.3"), ("a/B.-_", "b-1.2.3")])
def test_the_key_is_made_of_letters_digits_and_signs_that_bibtex_takes(repo: str, key: str):
    assert citation_key(described(hub_repo=repo)) == key


@given(st.text(st.sampled_from("ab{}\\$&#%_^~`\n\r\x1b中"), max_size=30))
def test_nothing_in_a_name_ends_a_group_a_line_or_a_block_of_code(text: str):
    escaped = tex(text)
    assert "\n" not in escaped
    assert "`" not in escaped
    bare = re.sub(r"\\[{}$&#%_]", "", escaped)
    assert not re.search(r"[$&#%_^~]", bare)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_the_file_for_programs_is_of_the_citation_file_format():
    content = yaml.safe_load(citation_cff(described(dataset_name="A: name #1", dataset_creator="The Desk")))
    assert content == {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite the version that you used.",
        "type": "dataset",
        "title": "A: name #1",
        "authors": [{"name": "The Desk"}],
        "version": "1.2.3",
        "url": "https://huggingface.co/datasets/OWNER/NAME/tree/v1.2.3",
        "license-url": "https://huggingface.co/datasets/OWNER/NAME/blob/v1.2.3/README.md#rights-and-licence",
        "keywords": ["news", "text-reuse", "deduplication", "provenance"],
        "date-released": "2031-05-02",
    }
    assert "date-released" not in yaml.safe_load(citation_cff(described(None)))
