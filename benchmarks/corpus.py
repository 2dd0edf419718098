"""A made-up press with known truth: which stories are copies of one another, and which only look it.

The corpus is the same for the same seed and size. Words are pronounceable inventions with the frequencies of a natural
language (Zipf), so that unrelated stories share stock phrases as real ones do. Every story is a line of tokens; copies
are made by editing tokens, and the text is written out at the end by a compiled kernel. A corpus is made and written in
parts, so that memory does not grow with it.

    python -m benchmarks.corpus 20000 corpus.parquet --hard
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Tokens = npt.NDArray[np.uint32]

WORD_COUNT = 30_000
NAME_COUNT = 6_000
FIGURE_COUNT = 5_000
FIRST_NAME = WORD_COUNT
FIRST_FIGURE = WORD_COUNT + NAME_COUNT
TOKEN_COUNT = FIRST_FIGURE + FIGURE_COUNT

# What stands on a token: a capital, and what follows it.
CAPITAL = np.uint32(1 << 27)
COMMA = np.uint32(1 << 28)
STOP = np.uint32(2 << 28)
PARAGRAPH = np.uint32(3 << 28)  # a full stop and a blank line
LINE = np.uint32(4 << 28)  # a line break alone
MARKS = np.uint32(0xF8000000)
NUMBER = np.uint32(0x07FFFFFF)

OUTLET_COUNT = 50
ROWS_PER_FILE_GROUP = 10_000
# Documents that are made at a time; the parts share outlets, not stories.
PART_SIZE = 100_000

QUOTE_TYPES = {
    "quoted_id": pa.string(),
    "quote_kind": pa.string(),
    "quote_char_start": pa.uint32(),
    "quote_char_count": pa.uint32(),
    "quoted_char_start": pa.uint32(),
    "quoted_char_count": pa.uint32(),
}

# Shares of the stories in which a story is printed more than once, and of the kinds of its copies.
COPIED_SHARE = 0.3
COPY_KINDS = ("exact", "retemplated", "light", "heavy", "truncated", "updated")
HARD_SHARE = 0.06
QUOTE_SHARE = 0.04
# Share of the quotations with a word here and there that is another, and of those that are a paragraph of their own.
EDITED_QUOTE_SHARE = 0.5
PARAGRAPH_QUOTE_SHARE = 0.5
# Share of the outlets that a hard corpus does not name.
UNNAMED_SHARE = 0.3
# A comma, a full stop, what parts words, lines and paragraphs: characters that follow a token, by its mark.
MARK_WIDTHS = np.array([1, 2, 2, 3, 1])


@dataclass
class Outlet:
    """An outlet: its name, or None where nobody says which it is, and the lines around each of its stories."""

    name: str | None
    header: Tokens
    footer: Tokens


@dataclass
class Press:
    """Where the corpus stands while it is being made.

    Attributes:
        random: the only source of chance.
        outlets: who prints.
        weights: probability of each word.
        stream: words drawn ahead, in a ring: drawing one by one would take most of the time.
    """

    random: np.random.Generator
    outlets: list[Outlet] = field(default_factory=list)
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    stream: Tokens = field(default_factory=lambda: np.empty(0, np.uint32))
    at: int = 0

    def words(self, count: int) -> Tokens:
        """Draw tokens of running text: words by their frequency, and among them names and figures."""
        if self.at + count > len(self.stream):
            size = max(2_000_000, count)
            drawn = np.searchsorted(self.weights, self.random.random(size)).astype(np.uint32)
            chance = self.random.random(size)
            names = chance < 0.06
            drawn[names] = FIRST_NAME + self.random.integers(0, NAME_COUNT, names.sum())
            figures = chance > 0.98
            drawn[figures] = FIRST_FIGURE + self.random.integers(0, FIGURE_COUNT, figures.sum())
            self.stream = drawn
            self.at = 0
        self.at += count
        return self.stream[self.at - count : self.at].copy()

    def sentences(self, word_count: int) -> Tokens:
        """Running text of about so many words, in sentences and paragraphs."""
        tokens = self.words(word_count)
        ends = np.cumsum(self.random.integers(8, 26, word_count // 8 + 1)) - 1
        ends = ends[ends < word_count - 4]
        tokens[ends] |= STOP
        starts = np.append(0, ends + 1)
        tokens[starts] |= CAPITAL
        commas = self.random.random(word_count) < 0.06
        tokens[commas & (tokens < STOP)] |= COMMA
        size = self.random.integers(2, 5)
        tokens[ends[size - 1 :: size]] |= PARAGRAPH
        tokens[-1] = (tokens[-1] & ~MARKS) | PARAGRAPH
        return tokens

    def line(self, low: int, high: int) -> Tokens:
        """One line of an outlet's furniture."""
        tokens = self.words(int(self.random.integers(low, high)))
        tokens[0] |= CAPITAL
        tokens[-1] |= LINE
        return tokens

    def story(self) -> Tokens:
        """A headline and a body of 80 to 2,000 words, 470 on average."""
        size = int(np.clip(self.random.lognormal(5.95, 0.6), 80, 2_000))
        return np.concatenate([self.line(6, 13), self.sentences(size)])


def new_press(seed: int, *, unnamed_share: float = 0.0) -> Press:
    """The outlets and their furniture."""
    random = np.random.default_rng(seed)
    press = Press(random)
    ranks = np.arange(1, WORD_COUNT + 1)
    weights = 1 / (ranks + 2.7)  # Zipf and Mandelbrot
    press.weights = np.cumsum(weights / weights.sum())
    for number in range(OUTLET_COUNT):
        header = [press.line(3, 13) for _ in range(random.integers(1, 4))]
        footer = [press.line(6, 36) for _ in range(random.integers(2, 5))]
        name = None if random.random() < unnamed_share else f"Outlet {number:02d}"
        press.outlets.append(Outlet(name, np.concatenate(header), np.concatenate(footer)))
    return press


def edited(press: Press, tokens: Tokens, replaced: float, dropped: float, inserted: float) -> Tokens:
    """Replace, drop and insert words at random; marks stay where they are."""
    random = press.random
    tokens = tokens.copy()
    chance = random.random(len(tokens))
    is_replaced = chance < replaced
    tokens[is_replaced] = press.words(int(is_replaced.sum())) | (tokens[is_replaced] & MARKS)
    is_dropped = (chance > 1 - dropped) & ((tokens & MARKS) == 0)
    tokens = tokens[~is_dropped]
    at = np.flatnonzero(random.random(len(tokens)) < inserted)
    return np.insert(tokens, at, press.words(len(at)))


def paragraphs(tokens: Tokens) -> list[Tokens]:
    """The headline and the paragraphs of a story."""
    ends = np.flatnonzero((tokens & MARKS & ~CAPITAL) >= PARAGRAPH) + 1
    return [part for part in np.split(tokens, ends) if len(part)]


def other_slots(press: Press, tokens: Tokens, count: int) -> Tokens:
    """The same text about somebody and something else: other names and figures in so many places."""
    tokens = tokens.copy()
    number = tokens & NUMBER
    slots = np.flatnonzero(number >= FIRST_NAME)
    slots = press.random.permutation(slots)[:count]
    is_name = number[slots] < FIRST_FIGURE
    names = FIRST_NAME + press.random.integers(0, NAME_COUNT, len(slots))
    figures = FIRST_FIGURE + press.random.integers(0, FIGURE_COUNT, len(slots))
    tokens[slots] = np.where(is_name, names, figures).astype(np.uint32) | (tokens[slots] & MARKS)
    return tokens


def copy_of(press: Press, story: Tokens, kind: str) -> Tokens:
    """A copy of a story; what is around it is another matter."""
    random = press.random
    if kind in {"exact", "retemplated"}:
        return story
    if kind == "light":
        return edited(press, story, random.uniform(0.01, 0.06), 0.01, 0.01)
    if kind == "heavy":
        parts = paragraphs(story)
        if len(parts) > 4:
            if random.random() < 0.5:
                del parts[random.integers(2, len(parts))]
            if len(parts) > 3 and random.random() < 0.5:
                at = int(random.integers(1, len(parts) - 1))
                parts[at], parts[at + 1] = parts[at + 1], parts[at]
        return edited(press, np.concatenate(parts), random.uniform(0.10, 0.20), 0.03, 0.03)
    if kind == "truncated":
        return story[: int(max(40, len(story) * random.uniform(0.4, 0.8)))]
    assert kind == "updated"
    parts = paragraphs(other_slots(press, story, int(random.integers(1, 4))))
    for _ in range(random.integers(1, 3)):
        new = press.sentences(int(random.integers(25, 70)))
        parts.insert(int(random.integers(1, len(parts) + 1)), new)
    return np.concatenate(parts)


@dataclass(frozen=True)
class Quote:
    """A passage of another story in a document, in tokens of both documents.

    Attributes:
        source: row of the document that it is taken from.
        source_first: its first token there.
        source_count: tokens there.
        first: its first token in the document that quotes it.
        count: tokens in that document.
        is_edited: whether words of it are others.
    """

    source: int
    source_first: int
    source_count: int
    first: int
    count: int
    is_edited: bool


@dataclass
class Written:
    """Rows of the corpus as they are made: one per document; `quotes` by the row of the document that quotes."""

    tokens: list[Tokens] = field(default_factory=list)
    outlets: list[int] = field(default_factory=list)
    stories: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    quotes: dict[int, Quote] = field(default_factory=dict)
    story_count: int = 0

    def new_story(self) -> int:
        """A number for another story."""
        self.story_count += 1
        return self.story_count - 1

    def add(
        self, press: Press, body: Tokens, story: int, kind: str, outlet: int | None = None, model: int = -1
    ) -> None:
        """One document: a body in an outlet's furniture."""
        at = int(press.random.integers(0, OUTLET_COUNT)) if outlet is None else outlet
        around = press.outlets[at]
        if (body[-1] & MARKS) < PARAGRAPH:
            body = body.copy()
            body[-1] |= PARAGRAPH
        self.tokens.append(np.concatenate([around.header, body, around.footer]))
        self.outlets.append(at)
        self.stories.append(story)
        self.kinds.append(kind)
        self.models.append(model)


def documents(press: Press, count: int, *, is_hard: bool) -> Written:
    """Make documents.

    Args:
        press: who prints.
        count: documents, about.
        is_hard: also wire stories with up to 500 copies and forms that are filled in with other names and figures.

    Returns:
        At least so many documents, copies beside their story.
    """
    random = press.random
    written = Written()
    if is_hard:
        _wire_stories(press, written, count // 8)
        _forms(press, written, count // 10)
    recent: list[tuple[Tokens, int]] = []
    while len(written.tokens) < count:
        body = press.story()
        story = written.new_story()
        chance = random.random()
        if chance < QUOTE_SHARE and recent:
            _add_quoting(press, written, body, story, recent[int(random.integers(0, len(recent)))])
            continue
        outlet = int(random.integers(0, OUTLET_COUNT))
        written.add(press, body, story, "original", outlet)
        recent = [*recent[-200:], (body, len(written.tokens) - 1)]
        if chance > 1 - COPIED_SHARE:
            for _ in range(min(int(random.geometric(0.45)), 12)):
                kind = COPY_KINDS[int(random.integers(0, len(COPY_KINDS)))]
                written.add(press, copy_of(press, body, kind), story, kind, outlet if kind == "exact" else None)
        elif chance > 1 - COPIED_SHARE - HARD_SHARE:
            changed = other_slots(press, body, int(random.integers(10, 16)))
            written.add(press, changed, written.new_story(), "dozen", outlet, model=story)
    return written


def _add_quoting(press: Press, written: Written, body: Tokens, story: int, source: tuple[Tokens, int]) -> None:
    """A story of its own that quotes 30 to 79 words of another one, after a sentence or as a paragraph."""
    random = press.random
    source_body, source_row = source
    count = int(random.integers(30, 80))
    start = int(random.integers(0, max(len(source_body) - count, 1)))
    passage = source_body[start : start + count].copy()
    count = len(passage)
    marks = passage & MARKS & ~CAPITAL
    passage[marks == PARAGRAPH] ^= PARAGRAPH ^ STOP
    passage[marks == LINE] ^= LINE
    is_edited = bool(random.random() < EDITED_QUOTE_SHARE)
    if is_edited:
        passage = edited(press, passage, random.uniform(0.05, 0.12), 0.02, 0.02)
    is_paragraph = random.random() < PARAGRAPH_QUOTE_SHARE
    passage[-1] = (passage[-1] & ~(MARKS & ~CAPITAL)) | (PARAGRAPH if is_paragraph else STOP)
    ends = np.flatnonzero((body & MARKS & ~CAPITAL) >= (PARAGRAPH if is_paragraph else STOP)) + 1
    at = int(random.choice(ends))
    written.add(press, np.concatenate([body[:at], passage, body[at:]]), story, "quoting")
    headers = [len(press.outlets[written.outlets[row]].header) for row in (source_row, len(written.tokens) - 1)]
    written.quotes[len(written.tokens) - 1] = Quote(
        source_row, headers[0] + start, count, headers[1] + at, len(passage), is_edited
    )


def _wire_stories(press: Press, written: Written, count: int) -> None:
    """Stories of an agency that hundreds of outlets print: 2 to 500 copies, edited by each."""
    target = len(written.tokens) + count
    sizes = [500, 200, 100]
    while len(written.tokens) < target:
        size = sizes.pop(0) if sizes else int(np.clip(np.exp(press.random.uniform(np.log(2), np.log(500))), 2, 500))
        size = min(size, max(2, target - len(written.tokens)))
        body = press.story()
        story = written.new_story()
        for _ in range(size):
            kind = ("retemplated", "light", "light", "heavy", "truncated")[int(press.random.integers(0, 5))]
            written.add(press, copy_of(press, body, kind), story, f"wire_{kind}")


def _forms(press: Press, written: Written, count: int) -> None:
    """Weather, results, bank notices: a text filled in with other names and figures; some are printed twice."""
    target = len(written.tokens) + count
    forms = []
    for _ in range(12):
        words = press.sentences(int(press.random.integers(60, 160)))
        slots = press.random.random(len(words)) < press.random.uniform(0.1, 0.25)
        slots[0] = False
        is_name = press.random.random(len(words)) < 0.4
        words[slots & is_name] = FIRST_NAME | (words[slots & is_name] & MARKS)
        words[slots & ~is_name] = FIRST_FIGURE | (words[slots & ~is_name] & MARKS)
        forms.append(words)
    while len(written.tokens) < target:
        at = int(press.random.integers(0, len(forms)))
        body = other_slots(press, forms[at], len(forms[at]))
        story = written.new_story()
        written.add(press, body, story, "form", model=-2 - at)
        if press.random.random() < 0.2:
            for _ in range(press.random.integers(1, 4)):
                kind = ("retemplated", "light")[int(press.random.integers(0, 2))]
                tokens = body if kind == "retemplated" else edited(press, body, 0.03, 0.005, 0.005)
                written.add(press, tokens, story, f"form_{kind}", model=-2 - at)


def vocabulary(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """What each token is written as.

    Returns:
        Bytes of all tokens, and where each begins in them: shape (TOKEN_COUNT + 1).
    """
    random = np.random.default_rng(seed + 1)
    onsets = "b br c ch d dr f fl g gr h j k l m n p pl pr qu r s sh sl st t th tr v w y z".split()  # noqa: SIM905
    vowels = "a e i o u ai ea ie oo ou".split()  # noqa: SIM905
    codas = ["", "", "", "l", "m", "n", "nd", "r", "rt", "s", "st", "t", "x"]
    seen: set[str] = set()

    def invented(syllables: int) -> str:
        while True:
            word = "".join(
                onsets[random.integers(len(onsets))] + vowels[random.integers(len(vowels))] + codas[random.integers(13)]
                for _ in range(syllables)
            )
            if word not in seen:
                seen.add(word)
                return word

    # Frequent words are short.
    words = [invented(1 + (rank > 300) + (rank > 6_000)) for rank in range(WORD_COUNT)]
    names = [invented(2).capitalize() for _ in range(NAME_COUNT)]
    figures = [str(number) for number in range(FIGURE_COUNT)]
    encoded = [word.encode() for word in (*words, *names, *figures)]
    starts = np.concatenate([[0], np.cumsum([len(word) for word in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), starts


@numba.njit(cache=True)
def _write(
    tokens: npt.NDArray[np.uint32],
    letters: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    text_ends: npt.NDArray[np.int64],
) -> None:
    """Write tokens out as text."""
    at = 0
    first = 0
    for document in range(len(ends)):
        for i in range(first, ends[document]):
            token = tokens[i] & NUMBER
            for letter in range(starts[token], starts[token + 1]):
                text[at] = letters[letter]
                if letter == starts[token] and tokens[i] & CAPITAL and text[at] >= 97:
                    text[at] -= 32
                at += 1
            mark = tokens[i] >> 28
            if mark == 1:
                text[at] = 44
                at += 1
            elif mark in {2, 3}:
                text[at] = 46
                at += 1
            if i == ends[document] - 1:
                continue
            text[at] = 10 if mark >= 3 else 32
            at += 1
            if mark == 3:
                text[at] = 10
                at += 1
        first = ends[document]
        text_ends[document] = at


def texts_of(tokens: list[Tokens], letters: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> pa.Array:
    """Token lines as a column of texts."""
    joined = np.concatenate(tokens)
    ends = np.cumsum([len(line) for line in tokens])
    lengths = np.diff(starts)
    room = int(lengths[joined & NUMBER].sum()) + 3 * len(joined)
    text = np.empty(room, np.uint8)
    text_ends = np.empty(len(tokens), np.int64)
    _write(joined, letters, starts, ends, text, text_ends)
    offsets = np.concatenate([np.zeros(1, np.int64), text_ends])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text[: text_ends[-1]].copy())]
    return pa.Array.from_buffers(pa.large_string(), len(tokens), buffers)


def char_span(tokens: Tokens, first: int, count: int, widths: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Where a stretch of tokens stands in the text of a document: start and count of its characters.

    Args:
        tokens: the document.
        first: its first token.
        count: tokens.
        widths: letters of each token of the vocabulary.
    """
    own = widths[tokens[: first + count] & NUMBER]
    after = MARK_WIDTHS[(tokens[: first + count] & MARKS & ~CAPITAL) >> 28]
    start = int((own + after)[:first].sum())
    return start, int((own + after)[first:].sum() - after[-1])


def document_ids(numbers: npt.NDArray[np.int64]) -> list[str]:
    """Ids of documents by their row; one tells nothing about the order of writing."""
    return [f"{number * 2_654_435_761 % 2**32:08x}" for number in numbers.tolist()]


def _quote_columns(
    written: Written, order: npt.NDArray[np.int64], first_row: int, widths: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    """The columns of `write_corpus` that tell of quotations, for the documents of a part in the order of writing."""
    row_of = np.full(len(written.tokens), -1, np.int64)
    row_of[order] = np.arange(len(order))
    columns: dict[str, list[Any]] = {name: [None] * len(order) for name in QUOTE_TYPES}
    for document, quote in written.quotes.items():
        row, source = int(row_of[document]), int(row_of[quote.source])
        if row < 0 or source < 0:
            continue
        columns["quoted_id"][row] = document_ids(np.array([first_row + source]))[0]
        columns["quote_kind"][row] = "edited" if quote.is_edited else "verbatim"
        columns["quote_char_start"][row], columns["quote_char_count"][row] = char_span(
            written.tokens[document], quote.first, quote.count, widths
        )
        columns["quoted_char_start"][row], columns["quoted_char_count"][row] = char_span(
            written.tokens[quote.source], quote.source_first, quote.source_count, widths
        )
    return {name: pa.array(values, QUOTE_TYPES[name]) for name, values in columns.items()}


def write_corpus(count: int, path: Path, seed: int = 1, *, is_hard: bool = False, unnamed_share: float = 0.0) -> None:
    """Make a corpus and write it.

    Args:
        count: documents.
        path: Parquet file: `id`, `text`, `publisher` (null where the outlet is not named), and the truth: `outlet`,
            `story` (documents of one number are copies), `kind`, `model` (the story that a hard negative was made
            from; below -1 the form; else -1); of a document that quotes another one (else null) `quoted_id`,
            `quote_kind` (`verbatim`, `edited`), `quote_char_start` and `quote_char_count` in its own text,
            `quoted_char_start` and `quoted_char_count` in the other one's.
        seed: another one makes another corpus.
        is_hard: with wire stories and forms.
        unnamed_share: share of the outlets whose name is not given.
    """
    press = new_press(seed, unnamed_share=unnamed_share)
    letters, starts = vocabulary(seed)
    writer: pq.ParquetWriter | None = None
    first_story = first_row = 0
    for first in range(0, count, PART_SIZE):
        size = min(PART_SIZE, count - first)
        written = documents(press, size, is_hard=is_hard)
        # Copies must not stand side by side.
        order = press.random.permutation(len(written.tokens))[:size]
        models = np.array(written.models)
        truth = {
            "outlet": np.array(written.outlets)[order],
            "story": np.array(written.stories)[order] + first_story,
            "kind": [written.kinds[row] for row in order],
            "model": np.where(models >= 0, models + first_story, models)[order],
            **_quote_columns(written, order, first_row, np.diff(starts)),
        }
        for start in range(0, size, ROWS_PER_FILE_GROUP):
            rows = order[start : start + ROWS_PER_FILE_GROUP]
            table = pa.table(
                {
                    "id": document_ids(np.arange(first_row, first_row + len(rows))),
                    "text": texts_of([written.tokens[row] for row in rows], letters, starts),
                    "publisher": pa.array([press.outlets[written.outlets[row]].name for row in rows], pa.string()),
                    **{name: values[start : start + len(rows)] for name, values in truth.items()},
                }
            )
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
            writer.write_table(table)
            first_row += len(rows)
        first_story += written.story_count
    if writer is not None:
        writer.close()


def main(arguments: list[str] | None = None) -> None:
    """Write a corpus."""
    parser = argparse.ArgumentParser(description="Write a made-up press with known truth.")
    parser.add_argument("count", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hard", action="store_true", help="with wire stories, forms and outlets without a name")
    parser.add_argument("--unnamed", type=float, help=f"share of outlets without a name; {UNNAMED_SHARE} with --hard")
    options: Any = parser.parse_args(arguments)
    unnamed_share = (UNNAMED_SHARE if options.hard else 0.0) if options.unnamed is None else options.unnamed
    write_corpus(options.count, options.path, options.seed, is_hard=options.hard, unnamed_share=unnamed_share)


if __name__ == "__main__":
    main()
