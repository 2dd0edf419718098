"""Conversations: the turns of podcasts and interviews, and the summaries between them and an article."""

import polars as pl

from flows.characters import CUT, HIT
from flows.normalize.rules import Region
from flows.normalize.spans import IS_FREE, PLACE, cut, in_reading_order
from flows.normalize.titles import CHARS, ENDS_SENTENCE, WORDS
from flows.text import COLONS

# A speaker's name on a line of its own, or before a colon.
_LABEL = r"^(?:\p{Lu}[\p{L}\p{M}\p{N}.'’-]*(?: [\p{L}\p{M}\p{N}.'’()&-]+){0,4})\s?[:：]?$"
_INLINE_LABEL = (
    r"^((?:Q|A|\p{Lu}[\p{L}\p{M}.'’-]*(?: [\p{L}\p{M}.'’()&-]+){0,4}(?:, \p{Lu}[\p{L} ]{2,20})?)\s?[:：]"
    r"|Q\.|A\.)(\s+)\S"
)
# What every label that does not stand on a line of its own has.
_MARKS = ("Q.", "A.")
_INLINE_LABEL_CUT = _INLINE_LABEL.removesuffix(r"\S")
_SHOUTED = r"^\p{Lu}[\p{Lu}\p{M}.'’ -]+(?:, [\p{Lu} ]+| \([^()]*\))?[:：]"
_FIRST_PERSON = r"\b(?:I|I['’](?:m|ve|d|ll)|[Mm]y|me)\b"
_CONVERSES = (
    r"(?i)\b(?:spoke|talked|sat down|interview(?:ed)?|conversation|asked (?:him|her|them)|answers? questions)\b"
)
_SENTENCE_END = r"[.!?…。！？][\"'”’»)\]]*$"
_QUESTIONERS = ("Q", "QUESTION")
_Q_AND_A = (*_QUESTIONERS, "A", "ANSWER")

# The rule that finds a note on how an interview was edited.
_NOTE = "edited_interview"
# Without such a note, a page needs so many short questions to be an interview.
_MIN_QUESTIONS = 3
_MAX_QUESTION_CHARS = 300

_IS_LABEL = (pl.col("role") == "speaker_label").fill_null(value=False)
_SPEAKER = pl.col("raw").str.strip_chars(":：. ").str.to_uppercase()
_ASKS = pl.any_horizontal(pl.col("raw").str.ends_with(end) for end in ("?", "？", "?)", "？)"))


def with_labelled_turns(spans: pl.DataFrame) -> pl.DataFrame:
    """Find conversations whose turns begin with a name, on a line of its own or before a colon.

    A page holds one when at least two names stand on it at least twice each and most of what follows them reads like
    sentences (a list of sections and headlines does not). All its turns become `speech`.
    """
    labels = _possible_labels(spans)
    speakers = _speakers(labels)
    if speakers.is_empty():
        return spans
    labels = labels.join(speakers, on=["page", "speaker"], how="semi")
    spans = spans.join(
        labels.select("page", "char_start", "is_own_line"), on=["page", "char_start"], how="left", maintain_order="left"
    ).with_columns(
        role=pl.when("is_own_line").then(pl.lit("speaker_label")).otherwise("role"),
        is_inline=pl.col("is_own_line").eq(other=False).fill_null(value=False),
    )
    inline = cut(
        spans.filter("is_inline"), pl.col("raw").str.replace(_INLINE_LABEL_CUT, f"{CUT}{HIT}${{1}}{CUT}${{2}}")
    ).with_columns(role=pl.when("is_hit").then(pl.lit("speaker_label")).otherwise("role"))
    spans = in_reading_order(spans.filter(~pl.col("is_inline")), inline.drop("is_hit"))
    return _with_turns(spans.drop("is_own_line", "is_inline"))


def _possible_labels(spans: pl.DataFrame) -> pl.DataFrame:
    """Spans that are or begin with what could be a speaker's name.

    Returns:
        `page, char_start, speaker, is_own_line, is_shouted, is_sentence` (whether what is said ends like one): one row
        per label.
    """
    raw = pl.col("raw")
    is_next_on_page = pl.col("page") == pl.col("page").shift(-1)
    next_is_text = (is_next_on_page & (IS_FREE & (CHARS > 3)).shift(-1)).fill_null(value=False)
    is_short = pl.col("next_is_text") & (CHARS <= 45)
    has_mark = pl.any_horizontal(
        *(raw.str.contains(colon, literal=True) for colon in COLONS), *(raw.str.starts_with(mark) for mark in _MARKS)
    )
    return (
        spans.select(
            "page",
            "char_start",
            "char_count",
            "role",
            "raw",
            next_is_text=next_is_text,
            next_raw=pl.when(is_next_on_page).then(raw.shift(-1)),
        )
        .filter(IS_FREE & (is_short | has_mark))
        .with_columns(
            is_own_line=is_short & raw.str.contains(_LABEL) & ~raw.str.contains(r"[^\p{Lu}]\.$"),
            inline=raw.str.extract(_INLINE_LABEL, 1),
        )
        .filter(pl.col("is_own_line") | pl.col("inline").is_not_null())
        .select(
            "page",
            "char_start",
            "is_own_line",
            # "BETH ANDROS, HOST:", "BETH ANDROS (host):" and "ANDROS:" are one speaker: the last word of a name counts.
            speaker=pl.when("is_own_line")
            .then("raw")
            .otherwise("inline")
            .str.replace(r",.*$|\s*\(.*$", "")
            .str.extract(r"([^ ]+?)[:： ]*$", 1)
            .str.strip_chars(":：. ")
            .str.to_uppercase(),
            is_shouted=pl.col("inline").str.contains(_SHOUTED),
            is_sentence=pl.when("is_own_line").then("next_raw").otherwise("raw").str.contains(_SENTENCE_END),
        )
        .filter(pl.col("speaker").is_not_null())
    )


def _speakers(labels: pl.DataFrame) -> pl.DataFrame:
    """`page, speaker`: one row per name that speaks on a page that holds a conversation."""
    speakers = labels.group_by("page", "speaker").agg(
        turn_count=pl.len(), sentence_count=pl.col("is_sentence").sum(), is_shouted=pl.col("is_shouted").any()
    )
    is_regular = pl.col("turn_count") >= 2
    conversations = (
        speakers.filter(is_regular)
        .group_by("page")
        .agg(
            speaker_count=pl.len(), turn_count=pl.col("turn_count").sum(), sentence_count=pl.col("sentence_count").sum()
        )
        .filter((pl.col("speaker_count") >= 2) & (pl.col("sentence_count") * 10 >= pl.col("turn_count") * 7))
    )
    # In a conversation, a name in capitals before a colon is a speaker's, however seldom it stands there.
    return (
        speakers.join(conversations, on="page", how="semi")
        .filter(is_regular | pl.col("is_shouted"))
        .select("page", "speaker")
    )


def _with_turns(spans: pl.DataFrame) -> pl.DataFrame:
    """Give the role `speech` to what follows a label, up to the next one.

    Nothing marks where the last turn ends. It has as many paragraphs as nobody else claims where other turns have
    several too, else it ends at the first blank line.
    """
    keys = ["page", "turn"]
    spans = spans.with_columns(turn=_IS_LABEL.cum_sum().over("page")).with_columns(
        place=pl.int_range(pl.len()).over(keys),
        is_last_turn=pl.col("turn") == pl.col("turn").max().over("page"),
        claimed=(~IS_FREE & ~_IS_LABEL).cum_sum().over(keys),
    )
    is_next_paragraph = pl.col("is_after_blank") & (pl.col("place") >= 2)
    is_in_turn = IS_FREE & (pl.col("turn") > 0)
    is_loose = (is_next_paragraph & is_in_turn & ~pl.col("is_last_turn")).any().over("page")
    blanks = is_next_paragraph.cum_sum().over(keys)
    is_speech = is_in_turn & (~pl.col("is_last_turn") | ((pl.col("claimed") == 0) & (is_loose | (blanks == 0))))
    return spans.with_columns(
        role=pl.when(is_speech).then(pl.lit("speech")).otherwise("role"),
        rule=pl.when(is_speech | _IS_LABEL).then(pl.lit("labelled_turn")).otherwise("rule"),
    ).drop("turn", "place", "is_last_turn", "claimed")


def with_interviews(spans: pl.DataFrame) -> pl.DataFrame:
    """Tell questions from answers in interviews, and add `is_interview` (one value a page).

    An interview says that it is one ("This interview has been edited …"), or labels its turns Q and A. With labels,
    questions are the turns of who asks in most of them; without, a paragraph that ends by asking, does not speak of
    "I" and does not follow a question is one, and all else after the first question is an answer.

    Args:
        spans: SPANS and `region`.
    """
    possible = _possible_interviews(spans)
    if possible.is_empty():
        return spans.with_columns(is_interview=pl.lit(value=False))
    is_possible = pl.col("page").is_in(possible.implode())
    return in_reading_order(
        spans.filter(~is_possible).with_columns(is_interview=pl.lit(value=False)),
        _with_interview_turns(spans.filter(is_possible)),
    )


def _possible_interviews(spans: pl.DataFrame) -> pl.Series:
    """Pages with a note that they hold an interview, with a label Q or A, or with three short lines that ask."""
    lines = spans.select("page", "role", "rule", "char_count", "raw")
    # Filters one after the other: few lines are left for the dearer ones.
    asking = lines.filter(IS_FREE & (CHARS <= _MAX_QUESTION_CHARS)).filter(_ASKS).group_by("page").len()
    return pl.concat(
        [
            lines.filter(pl.col("rule").str.ends_with(_NOTE))["page"],
            lines.filter(_IS_LABEL).filter(_SPEAKER.is_in(_Q_AND_A))["page"],
            asking.filter(pl.col("len") >= _MIN_QUESTIONS)["page"],
        ]
    ).unique()


def _with_interview_turns(spans: pl.DataFrame) -> pl.DataFrame:
    raw = pl.col("raw")
    speaker = pl.when(_IS_LABEL).then(_SPEAKER)
    spans = spans.with_columns(
        asks=_ASKS,
        is_note=pl.col("rule").str.ends_with(_NOTE).fill_null(value=False),
        speaker=speaker.forward_fill().over("page"),
    ).with_columns(
        asks_shortly=IS_FREE & pl.col("asks") & (CHARS <= _MAX_QUESTION_CHARS) & ~raw.str.contains(_FIRST_PERSON),
        is_noted=pl.col("is_note").any().over("page"),
        is_labelled=_IS_LABEL.any().over("page"),
        is_q_and_a=pl.col("speaker").is_in(_Q_AND_A).fill_null(value=False).any().over("page"),
    )
    # Without a note: an introduction that speaks of a conversation, and at least three short paragraphs that ask.
    asking_count = pl.col("asks_shortly").sum().over("page")
    is_introduction = raw.str.contains(_CONVERSES) & (pl.col("asks_shortly").cum_sum().over("page") == 0)
    is_introduced = (
        is_introduction.any().over("page")
        & (asking_count >= _MIN_QUESTIONS)
        & (asking_count * 4 >= IS_FREE.sum().over("page"))
    )
    spans = spans.with_columns(is_interview=pl.col("is_noted") | is_introduced | pl.col("is_q_and_a"))
    helpers = ["asks", "is_note", "speaker", "asks_shortly", "is_noted", "is_labelled", "is_q_and_a"]
    quiet, interviews = spans.filter(~pl.col("is_interview")), spans.filter("is_interview")
    if interviews.is_empty():
        return spans.drop(helpers)
    is_question = _is_labelled_question() | pl.col("is_question")
    interviews = _with_questions(interviews)
    is_answer = (
        IS_FREE
        & ~pl.col("is_labelled")
        & ~pl.col("is_question")
        & pl.col("is_question").cum_max().over("page")
        & ((pl.col("region") != Region.TAIL.value) | ENDS_SENTENCE)
    )
    interviews = interviews.with_columns(
        role=pl.when(is_question).then(pl.lit("question")).when(is_answer).then(pl.lit("speech")).otherwise("role"),
        rule=pl.when(is_question | is_answer).then(pl.lit("interview_turn")).otherwise("rule"),
    ).drop("is_question")
    return in_reading_order(quiet, interviews).drop(helpers)


def _is_labelled_question() -> pl.Expr:
    """Whether a turn is one of somebody labelled Q, or of somebody who asks in most of their turns."""
    is_turn = (pl.col("role") == "speech").fill_null(value=False)
    turn_count = is_turn.sum().over("page", "speaker")
    asked_count = (is_turn & pl.col("asks")).sum().over("page", "speaker")
    asks_mostly = ~pl.col("is_q_and_a") & (asked_count * 10 >= turn_count * 6)
    return is_turn & (pl.col("speaker").is_in(_QUESTIONERS) | asks_mostly)


def _with_questions(spans: pl.DataFrame) -> pl.DataFrame:
    """Add `is_question`: a paragraph without a label that asks. A note at the head of a page comes before the first."""
    is_past_note = pl.col("is_note").cum_max().over("page")
    free_count = IS_FREE.sum().over("page")
    is_note_at_end = (IS_FREE & is_past_note).sum().over("page") * 2 < free_count
    asks = (
        IS_FREE
        & ~pl.col("is_labelled")
        & (~pl.col("is_noted") | is_past_note | is_note_at_end)
        & pl.col("asks")
        & (CHARS <= 700)
        & ~pl.col("raw").str.contains(_FIRST_PERSON)
    )
    # A paragraph that asks and follows a question is the beginning of its answer: of a run, every other one asks.
    run = (asks != asks.shift(1, fill_value=False).over("page")).cum_sum().over("page")
    return spans.with_columns(asks_here=asks, run=run).select(
        pl.exclude("asks_here", "run"),
        is_question=pl.col("asks_here") & (pl.int_range(pl.len()).over("page", "run") % 2 == 0),
    )


def with_summaries(spans: pl.DataFrame) -> pl.DataFrame:
    """On compound pages, what stands free between the turns and the republished article's headline is its summary.

    Args:
        spans: SPANS and `is_compound`.
    """
    compound, plain = spans.filter("is_compound"), spans.filter(~pl.col("is_compound"))
    if compound.is_empty():
        return spans
    credit = pl.when(pl.col("role") == "source_url").then(PLACE).min().over("page")
    headline = pl.when((pl.col("role") == "title") & (credit > PLACE)).then(PLACE).max().over("page")
    turns_end = pl.when(pl.col("role") == "speech").then(PLACE).max().over("page").fill_null(-1)
    is_summary = IS_FREE & (turns_end < PLACE) & (headline > PLACE) & (WORDS >= 8)
    compound = compound.with_columns(
        role=pl.when(is_summary).then(pl.lit("summary")).otherwise("role"),
        rule=pl.when(is_summary).then(pl.lit("between_turns_and_article")).otherwise("rule"),
    )
    return in_reading_order(plain, compound)
