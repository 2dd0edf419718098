"""Passage alignment: plagdet, granularity and time of `align_pairs` on pairs of texts with known truth.

    python -m benchmarks.alignment                        # a made-up set, the same for the same seed
    python -m benchmarks.alignment --set folder/corpus    # folder/corpus_docs.parquet, _pairs and _cases

A set has three tables. docs: `role` (`src`, `susp`), `name`, `text`; pairs: `class`, `susp`, `src`; cases: `class`,
`susp`, `src`, `susp_offset`, `susp_length`, `src_offset`, `src_length`, in code points.
"""

import argparse
import resource
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl

from benchmarks.plagdet import Passage, Score, score
from flows.deduplicate.reuse import align_pairs

_CLASSES = ("verbatim", "edited", "reworded", "digest", "none")
_WORDS = 6_000
_SYNONYMS = 3


@dataclass(frozen=True)
class AlignmentSet:
    """Pairs of texts and what is known of them.

    Attributes:
        pairs: `a_text` (the source), `b_text`, `class`: one row per pair.
        cases: row of `pairs` → its reused passages.
    """

    pairs: pl.DataFrame
    cases: dict[int, list[Passage]]


def read_set(prefix: str) -> AlignmentSet:
    """Read a set of three Parquet files whose paths begin with `prefix`."""
    docs, pairs, cases = (pl.read_parquet(f"{prefix}_{name}.parquet") for name in ("docs", "pairs", "cases"))
    pairs = (
        pairs.with_row_index("pair")
        .join(docs.filter(role="src").select(src="name", a_text="text"), on="src", maintain_order="left")
        .join(docs.filter(role="susp").select(susp="name", b_text="text"), on="susp", maintain_order="left")
    )
    found = defaultdict(list)
    offsets = ("src_offset", "src_length", "susp_offset", "susp_length")
    for pair, a, a_count, b, b_count in (
        pairs.join(cases, on=["class", "susp", "src"]).sort("pair", *offsets).select("pair", *offsets).iter_rows()
    ):
        found[pair].append((a, a + a_count, b, b + b_count))
    return AlignmentSet(pairs.select("a_text", "b_text", "class"), dict(found))


def made_up_set(count: int, seed: int = 0) -> AlignmentSet:
    """Make pairs of articles in an invented language; a fifth of each class of _CLASSES.

    An article has a topic of 150 words and a Zipf-like rest. Both articles of a pair have half of their topic in
    common, reuse or not: to write about the same is no reuse. A passage of 4 to 12 sentences of a is put into b as it
    is (`verbatim`), with a fifth of its words replaced, dropped or moved (`edited`), with its sentences in another
    order and half of its words replaced, mostly by their fixed synonyms (`reworded`); for a `digest` b has one clause
    of every third sentence of the whole of a.
    """
    random = Random(seed)
    words = _invented_words(random)
    rows, cases = [], {}
    for pair in range(count):
        kind = _CLASSES[pair % len(_CLASSES)]
        shared = random.sample(range(200, _WORDS), 75)
        topics = [shared + random.sample(range(200, _WORDS), 75) for _ in "ab"]
        a = [_sentence(random, topics[0]) for _ in range(random.randint(30, 60))]
        b = [_sentence(random, topics[1]) for _ in range(random.randint(30, 60))]
        first = random.randint(0, len(a) - 12)
        taken = a if kind == "digest" else a[first : first + random.randint(4, 12)]
        given = _reused(random, kind, taken)
        at = random.randint(0, len(b))
        a_text, b_text = _written(words, a), _written(words, [*b[:at], *given, *b[at:]])
        if kind != "none":
            a_start = len(_written(words, a[:first])) + (first > 0) if kind != "digest" else 0
            b_start = len(_written(words, b[:at])) + (at > 0)
            a_end, b_end = a_start + len(_written(words, taken)), b_start + len(_written(words, given))
            cases[pair] = [(a_start, a_end, b_start, b_end)]
        rows.append((a_text, b_text, kind))
    return AlignmentSet(pl.DataFrame(rows, schema=["a_text", "b_text", "class"], orient="row"), cases)


def scores(truth: AlignmentSet) -> dict[str, Score]:
    """Align the pairs of a set and judge what was found: `all` and each class → its score."""
    found = defaultdict(list)
    columns = ("a_char_start", "a_char_count", "b_char_start", "b_char_count")
    for pair, a, a_count, b, b_count in align_pairs(truth.pairs).select("pair", *columns).iter_rows():
        found[pair].append((a, a + a_count, b, b + b_count))
    classes = truth.pairs["class"].to_list()
    judged = {"all": score(truth.cases, found)}
    for name in dict.fromkeys(classes):
        judged[name] = score(
            {pair: cases for pair, cases in truth.cases.items() if classes[pair] == name},
            {pair: passages for pair, passages in found.items() if classes[pair] == name},
        )
    return judged


def _invented_words(random: Random) -> list[str]:
    """So many different words of one to four syllables, the shortest first, as in natural languages."""
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        syllables = 1 + min(3, int(4 * len(words) / _WORDS + random.random()))
        words["".join(random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(syllables))] = None
    return list(words)


def _sentence(random: Random, topic: list[int]) -> list[int]:
    """The numbers of its words: half are common words, the others of the topic or rare."""
    length = random.randint(8, 25)
    kinds = random.choices(("common", "topic", "rare"), (0.5, 0.35, 0.15), k=length)
    return [
        min(int(random.paretovariate(0.6)) - 1, 199)
        if kind == "common"
        else random.choice(topic)
        if kind == "topic"
        else random.randrange(200, _WORDS)
        for kind in kinds
    ]


def _reused(random: Random, kind: str, sentences: list[list[int]]) -> list[list[int]]:
    """The sentences as b has them."""
    if kind == "none":
        return []
    if kind == "digest":
        return [sentence[: max(6, len(sentence) * 2 // 3)] for sentence in sentences[::3]]
    if kind == "reworded":
        sentences = random.sample(sentences, len(sentences))
    changed = {"verbatim": 0.0, "edited": 0.2, "reworded": 0.5}[kind]
    return [_changed(random, sentence, changed, is_reworded=kind == "reworded") for sentence in sentences]


def _changed(random: Random, sentence: list[int], share: float, *, is_reworded: bool) -> list[int]:
    """The sentence with this share of its words replaced, dropped or moved."""
    words = []
    for word in sentence:
        change = random.random() / share if share else 1.0
        if change >= 1:
            words.append(word)
        elif is_reworded and change < 0.7:
            words.append((word + _SYNONYMS) % _WORDS)
        elif change < 0.4:
            words.append(random.randrange(200, _WORDS))
        elif change < 0.7:
            words.insert(random.randint(max(0, len(words) - 4), len(words)), word)
    return words or sentence


def _written(words: list[str], sentences: list[list[int]]) -> str:
    """The text of sentences, with blanks between them."""
    return " ".join(" ".join(words[word] for word in sentence).capitalize() + "." for sentence in sentences)


def main(arguments: list[str] | None = None) -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description="Measure align_pairs on pairs of texts with known truth.")
    parser.add_argument("--set", metavar="PREFIX", help="path of a set's files up to _docs.parquet")
    parser.add_argument("--pairs", type=int, default=500, help="of the made-up set")
    parser.add_argument("--seed", type=int, default=0, help="of the made-up set")
    options = parser.parse_args(arguments)
    truth = read_set(options.set) if options.set else made_up_set(options.pairs, options.seed)
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    judged = scores(truth)
    after = resource.getrusage(resource.RUSAGE_SELF)
    name = Path(options.set).name if options.set else f"made up, seed {options.seed}"
    print(f"{truth.pairs.height} pairs ({name})")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"wall {time.perf_counter() - wall:.1f} s, cpu {cpu:.1f} s")
    print(f"{'':<14}plagdet  precision  recall  granularity  detections  cases")
    for kind, one in judged.items():
        print(
            f"{kind:<14}{one.plagdet:<9.4f}{one.precision:<11.4f}{one.recall:<8.4f}{one.granularity:<13.3f}"
            f"{one.detection_count:<12}{one.case_count}"
        )


if __name__ == "__main__":
    main()
