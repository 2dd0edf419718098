"""Looking at a line once spares it most patterns, and changes nothing of what comes out."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from flows.characters import UNSPACED, cleaned, with_plain_lines
from flows.normalize import kernels, language
from flows.normalize.breaks import _CLOSE_OPEN, _GLUE
from flows.normalize.edges import Edge, edges_of
from flows.normalize.general.all_rules import GENERAL_RULES
from flows.normalize.language import MIN_PROBABILITY, NO_LANGUAGE, SAMPLE_CHARS, classified
from flows.normalize.literals import needed_words
from flows.normalize.looks import looks, may_be_glued
from flows.normalize.normalize import normalize
from flows.normalize.profiles import load_profiles
from flows.normalize.sieve import Sieve
from tests.normalize_pages import NO_PROVENANCE, sources_of
from tests.pages_format import load_all

RULES = [*GENERAL_RULES, *(rule for profile in load_profiles() for rule in profile.rules)]


@pytest.fixture
def with_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "COMPILE_FROM_BYTES", 0)
    monkeypatch.setattr(language, "COMPILE_FROM_BYTES", 0)


# --- what patterns need ---


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("^Tide table$", {"tide table"}),
        ("(?i)^high (?:water|tide)s?$", {"high water", "high tide"}),
        ("(?:a|b)c[de]", {"acd", "ace", "bcd", "bce"}),
        (r"^\d+ knots?\b.*$", {" knot"}),
        (r"x+yz|.*\bpier\b", {"yz", "pier"}),
        (r"^(?P<span>\p{Lu}[\p{L}-]* – )(?P<ahead>\S)", {" – "}),
        (r"[^a]b?\x{e9}t\.?", {"ét", "Ét"}),
        (r"(?i:Ω|pier)x", {"x"}),
        ("a{3}bc", {"bc"}),
        ("(?:harbour)?.", None),
        (".*", None),
        ("a|.", None),
        ("", None),
        ("[a-c]", None),
        (r"(?x) a b", None),
        (r"[[:alpha:]]", None),
        (r"\b{start}pier", None),
    ],
)
def test_words_that_a_pattern_needs(pattern, words):
    assert needed_words(pattern) == (words and frozenset(words))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:tide|ebb) (?:at|by) \d{1,2}[:.]\d\d",
        r"a(?:b|cd?)*e{2,3}f?[gh]",
        r"[xy-]z+(?:|q)w",
        r"\W{0,2}(?:by|from) [A-Z]\w*(?:, (?:and|or) [A-Z]\w*)*\.?",
        r"(?:one|two|)three?",
    ],
)
def test_every_match_holds_a_word_that_its_pattern_needs(pattern):
    words = needed_words(pattern)
    assert words

    @hypothesis_settings(max_examples=60)
    @given(st.from_regex(pattern, fullmatch=True))
    def holds(text: str) -> None:
        assert any(word in text.lower() for word in words)

    holds()


# --- the sieve ---


def test_the_sieve_lets_through_what_its_patterns_match():
    """Lines of the annotated pages as they are, in capitals, and glued to one another."""
    lines = [line for page in load_all() for line in page.text.split("\n") if line.strip()]
    texts = pl.Series([*lines, *map(str.upper, lines), *(a + b for a, b in pairwise(lines))])
    sieve = Sieve(rule.sought for rule in RULES)
    found = sieve.sift(texts)
    passed_count = 0
    for rule in RULES:
        matches = texts.str.contains(rule.pattern)
        if rule.needs:
            matches &= texts.str.contains_any(list(rule.needs), ascii_case_insensitive=True)
        word, bit = divmod(sieve.bits[rule.sought], 64)
        passes = pl.Series((found[:, word] >> bit) & 1 == 1)
        assert not (matches & ~passes).any(), rule
        passed_count += int(passes.sum())
    assert passed_count < 0.15 * len(texts) * len(RULES)


def test_what_a_rule_needs_is_there_in_capitals_too():
    """Wherever a line in capitals matches a rule whose pattern the line itself matches, the needed words are seen."""
    written = [line.strip() for page in load_all() for line in page.text.split("\n") if line.strip()]
    notices = ["Tous droits réservés", "Все права защищены.", "Mentions légales", "© 2025 Tüm hakları saklıdır"]
    lines = pl.Series([*written, *notices])
    matched_count = 0
    for rule in (rule for rule in RULES if rule.needs):
        needed = list(rule.needs)
        for in_capitals in (lines.str.to_uppercase(), lines.str.to_titlecase()):
            is_seen = in_capitals.str.contains_any(needed, ascii_case_insensitive=True)
            is_match = in_capitals.str.contains(rule.pattern) & lines.str.contains(rule.pattern)
            is_match &= lines.str.contains_any(needed, ascii_case_insensitive=True)
            assert in_capitals.filter(is_match & ~is_seen).to_list() == [], rule
            matched_count += int((is_match & ~pl.Series(map(str.isascii, in_capitals))).sum())
    assert matched_count >= 3


def test_characters_that_pass_for_letters_without_case():
    sieve = Sieve([("(?i)^skål$", ())])
    texts = pl.Series(["SKÅL", "\u017fk\u00e5l", "s\u212a\u00e5l", "sk\u212bl", "sk", "kål"])
    assert (sieve.sift(texts)[:, 0] == 1).tolist() == [True, True, True, True, False, False]
    assert texts.str.contains("(?i)^skål$").to_list() == [True, True, True, True, False, False]


# --- the kernels ---


_CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\r\u00a0\u061c\u200b\u4e00ก—’\ufeff\ufdd0")


@given(st.lists(st.text(_CHARACTERS)))
def test_what_a_glance_does_not_see_is_not_there(texts):
    series = pl.Series(texts, dtype=pl.String)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILE_FROM_BYTES", 0)
        seen = looks(series)
    frame = series.to_frame("text").with_columns(seen)
    exact = frame.with_columns(
        cleaned=cleaned(pl.col("text")),
        plain=with_plain_lines(pl.col("text")),
        unspaced=pl.col("text").str.contains(f"[{UNSPACED}]"),
    )
    assert exact.filter(~pl.col("may_be_loose") & (pl.col("cleaned") != pl.col("text").str.strip_chars())).is_empty()
    assert exact.filter(~pl.col("may_end_lines") & (pl.col("plain") != pl.col("text"))).is_empty()
    assert exact.filter(~pl.col("may_be_unspaced") & pl.col("unspaced")).is_empty()
    assert seen["char_count"].to_list() == [len(text) for text in texts]
    assert seen["blank_count"].to_list() == [text.count(" ") for text in texts]


@given(
    st.lists(
        st.text(
            st.sampled_from(".!?…。！？:：;,\"'”’»)]aZ é中ǅ\U0001d41a\U00020000(“\u0301\n") | _CHARACTERS, max_size=6
        )
    )
)
def test_edges_are_those_of_the_patterns(texts):
    lines = pl.Series(texts, dtype=pl.String)
    plain = edges_of(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILE_FROM_BYTES", 0)
        assert edges_of(lines).equals(plain)


@pytest.mark.parametrize("limit", [0, 1_000_000_000])
@pytest.mark.parametrize(
    ("line", "edges"),
    [
        ("The tide turned.", Edge.STOPS | Edge.PAUSES_OR_STOPS),
        ("and the tide,", Edge.BEGINS_SMALL | Edge.PAUSES_OR_STOPS),
        ("Did it turn?”)", Edge.STOPS | Edge.PAUSES_OR_STOPS),
        ("Did it turn?”", Edge.STOPS | Edge.PAUSES_OR_STOPS | Edge.ASKS_OR_CALLS),
        (
            "Turn!",
            Edge.STOPS | Edge.PAUSES_OR_STOPS | Edge.ASKS_OR_CALLS | Edge.ENDS_WITH_MARK | Edge.ENDS_WITH_ASCII_MARK,
        ),
        ("涨潮了吗？", Edge.STOPS | Edge.PAUSES_OR_STOPS | Edge.ASKS_OR_CALLS | Edge.ENDS_WITH_MARK),
        ("”)", Edge.CLOSES),
        ("élan", Edge.BEGINS_SMALL),
        ("\U00010428", Edge.BEGINS_SMALL),
        ("The tide", Edge(0)),
        ("", Edge(0)),
    ],
)
def test_how_a_line_begins_and_ends(monkeypatch, limit, line, edges):
    monkeypatch.setattr(kernels, "COMPILE_FROM_BYTES", limit)
    assert Edge(edges_of(pl.Series([line]))[0]) == edges


def test_kernels_change_nothing(with_kernels, monkeypatch):
    sources = sources_of([page.text for page in load_all()])
    fast = normalize(sources, NO_PROVENANCE)
    monkeypatch.setattr(kernels, "COMPILE_FROM_BYTES", 1_000_000_000)
    monkeypatch.setattr(language, "COMPILE_FROM_BYTES", 1_000_000_000)
    plain = normalize(sources, NO_PROVENANCE)
    for name in ("passages", "articles", "evidence"):
        assert getattr(fast, name).equals(getattr(plain, name)), name


@pytest.mark.parametrize("limit", [0, 1_000_000_000])
def test_languages_are_those_of_the_library(monkeypatch, limit):
    monkeypatch.setattr(language, "COMPILE_FROM_BYTES", limit)
    samples = [page.text[:SAMPLE_CHARS] for page in load_all()]
    samples += [sample.upper() for sample in samples[::5]] + ["12 34", "e\u0301" * 30]
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    expected = [
        code if probability >= MIN_PROBABILITY and code != NO_LANGUAGE else None
        for code, probability in map(identifier.classify, samples)
    ]
    assert classified(pl.Series(samples)).to_list() == expected
    assert len(set(expected)) >= 6


@pytest.mark.usefixtures("with_kernels")
@hypothesis_settings(max_examples=50)
@given(st.lists(st.text("aZé1É .!?”’\"')]“‘(上", max_size=12), min_size=1))
def test_no_lost_break_is_overlooked(texts):
    column = pl.Series(texts, dtype=pl.String)
    is_glued = column.str.contains(f"(?:{_GLUE})|(?:{_CLOSE_OPEN})")
    assert (may_be_glued(column) | ~is_glued).all()


@pytest.mark.usefixtures("with_kernels")
def test_a_blank_tells_that_no_break_was_lost():
    texts = ['He said so. "The tide" turned.', "It is done.The tide turned.", '"Done."The tide', "(AP)Tide", "Z.B", ""]
    assert may_be_glued(pl.Series(texts)).to_list() == [False, True, True, False, True, False]
