"""Roles that no single line gives away: titles, turns of a conversation, summaries, and what is left at the edges."""

import polars as pl

from flows.normalize.characters import CUT, HIT
from flows.normalize.rules import Region
from flows.normalize.segment import cut

_WORDS = pl.col("raw").str.count_matches(r"\S+")
_CHARS = pl.col("raw").str.len_chars()
_IS_FREE = pl.col("role").is_null()
_ENDS_SENTENCE = pl.col("raw").str.contains(r"[.!?…。！？:：;,][\"'”’»)\]]*$")
_UNSPACED = pl.col("raw").str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")

# The longest headlines of news pages have some 25 words; the shortest that are told from a label have three.
_IS_TITLE_SIZED = ((_WORDS >= 3) | (_UNSPACED >= 6)) & (_CHARS <= 250) & (_WORDS <= 30)

_LABEL = r"^(?:\p{Lu}[\p{L}\p{M}\p{N}.'’-]*(?: [\p{L}\p{M}\p{N}.'’()&-]+){0,4})\s?[:：]?$"
_INLINE_LABEL = (
    r"^((?:Q|A|\p{Lu}[\p{L}\p{M}.'’-]*(?: [\p{L}\p{M}.'’()&-]+){0,4}(?:, \p{Lu}[\p{L} ]{2,20})?)\s?[:：]|Q\.|A\.)(\s+)\S"
)
_INLINE_LABEL_CUT = _INLINE_LABEL.removesuffix(r"\S")
_SHOUTED = r"^\p{Lu}[\p{Lu}\p{M}.'’ -]+(?:, [\p{Lu} ]+)?[:：]"
_FIRST_PERSON = r"\b(?:I|I['’](?:m|ve|d|ll)|[Mm]y|me)\b"
_CONVERSES = r"(?i)\b(?:spoke|talked|sat down|interview(?:ed)?|conversation|asked (?:him|her|them)|answers? questions)\b"
_BARE_NAME = r"^\p{Lu}[\p{L}\p{M}.'’-]+(?: \p{Lu}[\p{L}\p{M}.'’-]*){1,3}$"
_INTRODUCED = r"^(\p{Lu}[\p{L}\p{M}.'’-]+(?: \p{Lu}[\p{L}\p{M}.'’-]*){1,3}) (?:is|was|has|writes|teaches|lives)\b"
_SENTENCE_END = r"[.!?…。！？][\"'”’»)\]]*$"


def is_first_free() -> pl.Expr:
    """Whether a span is the first of its page that no rule has claimed and that is more than a label."""
    is_candidate = _IS_FREE & ((_WORDS >= 3) | (_UNSPACED >= 6)) & ~pl.col("raw").str.contains(r"^\p{Ll}")
    return is_candidate & (is_candidate.cum_sum().over("page") == 1)


def is_title_like() -> pl.Expr:
    """Whether the first free span of a page looks like its headline, a closing mark notwithstanding."""
    following = _CHARS.shift(-1).over("page")
    return is_first_free() & (_CHARS <= 160) & _IS_TITLE_SIZED & ((following <= 120) | pl.col("raw").str.contains(r"[?!]$"))


def with_titles(spans: pl.DataFrame) -> pl.DataFrame:
    """Find the headlines of pages.

    A headline stands at the head of its page, before any byline, and does not end like a sentence (unless a byline or
    a date follows); of several such lines it is the first with at least four words, because the names of sites are
    shorter. Or it is a line at the head of the page that stands on it at least twice.
    """
    next_role = pl.col("role").shift(-1).over("page")
    next_is_apart = pl.col("is_after_blank").shift(-1).over("page")
    is_after_byline = (pl.col("role") == "byline").fill_null(value=False).cum_max().over("page")
    leads_to_metadata = next_role.is_in(["byline", "dateline"]).fill_null(value=False)
    ends_open = ~_ENDS_SENTENCE
    ends_asking = pl.col("raw").str.contains(r"[?!？！][\"'”’»]*$")
    next_is_short = ((_CHARS <= 40) & ~_ENDS_SENTENCE).shift(-1).over("page").fill_null(value=False)
    has_text_below = (_CHARS.shift(-1).over("page") > 0).fill_null(value=False)
    could_be = (
        (is_first_free() | (pl.col("region") == Region.HEAD.value))
        & _IS_FREE
        & _IS_TITLE_SIZED
        & ~is_after_byline
        & ~pl.col("is_glued")
        & ~pl.col("raw").str.contains(r"^\p{Ll}")
        & has_text_below
        & (ends_open | leads_to_metadata | (ends_asking & (next_is_apart | next_role.is_not_null() | next_is_short)))
    )
    spans = spans.with_columns(could_be=could_be, is_long=could_be & ((_WORDS >= 4) | (_UNSPACED >= 6)))
    has_long = pl.col("is_long").any().over("page")
    chosen = pl.when(has_long).then("is_long").otherwise("could_be")
    is_headline = chosen & (chosen.cum_sum().over("page") == 1)
    place = pl.int_range(pl.len()).over("page")
    is_repeated = (
        _IS_FREE
        & _IS_TITLE_SIZED
        & (pl.len().over("page", "raw") >= 2)
        & (place.min().over("page", "raw") < 12)
        & (is_first_free().any().over("page", "raw"))
    )
    return spans.with_columns(
        role=pl.when(is_headline | is_repeated).then(pl.lit("title")).otherwise("role"),
        rule=pl.when(is_repeated)
        .then(pl.lit("repeated_headline"))
        .when(is_headline)
        .then(pl.lit("headline"))
        .otherwise("rule"),
    ).drop("could_be", "is_long")


def with_names_under_titles(spans: pl.DataFrame) -> pl.DataFrame:
    """Find bylines without a "By": a bare name under the headline.

    It is one when a date follows it, or when the page says elsewhere who that is ("<name> is a …").
    """
    is_name = _IS_FREE & pl.col("raw").str.contains(_BARE_NAME) & (pl.col("role").shift(1).over("page") == "title")
    if not spans.select(is_name.any()).item():
        return spans
    introduced = spans.select("page", raw=pl.col("raw").str.extract(_INTRODUCED, 1), is_introduced=pl.lit(value=True))
    introduced = introduced.drop_nulls().unique()
    leads_to_date = (pl.col("role").shift(-1).over("page") == "dateline").fill_null(value=False)
    spans = spans.join(introduced, on=["page", "raw"], how="left", maintain_order="left")
    is_byline = (is_name & (leads_to_date | pl.col("is_introduced").fill_null(value=False))).fill_null(value=False)
    return spans.with_columns(
        role=pl.when(is_byline).then(pl.lit("byline")).otherwise("role"),
        rule=pl.when(is_byline).then(pl.lit("name_under_title")).otherwise("rule"),
    ).drop("is_introduced")


def with_labelled_turns(spans: pl.DataFrame) -> pl.DataFrame:
    """Find conversations whose turns begin with a name, on a line of its own or before a colon.

    A page holds one when at least two names stand on it at least twice each and most of what follows them reads like
    sentences (a list of sections and headlines does not). All its turns become `speech`.
    """
    next_is_text = (_IS_FREE & (_CHARS > 3)).shift(-1, fill_value=False).over("page")
    is_own_line = _IS_FREE & (_CHARS <= 45) & next_is_text & pl.col("raw").str.contains(_LABEL)
    spans = spans.with_columns(
        inline=pl.when(_IS_FREE).then(pl.col("raw").str.extract(_INLINE_LABEL, 1)),
        own=pl.when(is_own_line).then(pl.col("raw")),
    ).with_columns(
        # "BETH ANDROS, HOST:" and "ANDROS:" are one speaker: the last word of a name counts.
        speaker=pl.coalesce("own", "inline").str.replace(r",.*$", "").str.extract(r"([^ ]+?)[:： ]*$", 1)
        .str.strip_chars(":：. ")
        .str.to_uppercase()
    )
    said = pl.when(pl.col("own").is_null()).then(pl.col("raw")).otherwise(pl.col("raw").shift(-1).over("page"))
    speakers = (
        spans.with_columns(is_sentence=said.str.contains(_SENTENCE_END), is_shouted=pl.col("inline").str.contains(_SHOUTED))
        .filter(pl.col("speaker").is_not_null())
        .group_by("page", "speaker")
        .agg(
            turn_count=pl.len(), sentence_count=pl.col("is_sentence").sum(), is_shouted=pl.col("is_shouted").any()
        )
    )
    conversations = (
        speakers.filter(pl.col("turn_count") >= 2)
        .group_by("page")
        .agg(speaker_count=pl.len(), turn_count=pl.col("turn_count").sum(), sentence_count=pl.col("sentence_count").sum())
        .filter((pl.col("speaker_count") >= 2) & (pl.col("sentence_count") * 10 >= pl.col("turn_count") * 7))
    )
    # In a conversation, a name in capitals before a colon is a speaker's, however seldom it stands there.
    speakers = (
        speakers.join(conversations, on="page", how="semi")
        .filter((pl.col("turn_count") >= 2) | pl.col("is_shouted"))
        .select("page", "speaker", is_speaker=pl.lit(value=True))
    )
    if speakers.is_empty():
        return spans.drop("inline", "own", "speaker")
    spans = spans.join(speakers, on=["page", "speaker"], how="left", maintain_order="left")
    is_inline = pl.col("is_speaker") & pl.col("own").is_null()
    is_label = pl.col("is_speaker") & pl.col("own").is_not_null()
    spans = spans.with_columns(role=pl.when(is_label).then(pl.lit("speaker_label")).otherwise("role"))
    inline = cut(
        spans.filter(is_inline),
        pl.col("raw").str.replace(_INLINE_LABEL_CUT, f"{CUT}{HIT}${{1}}{CUT}${{2}}"),
    ).with_columns(role=pl.when("is_hit").then(pl.lit("speaker_label")).otherwise("role"))
    spans = pl.concat([spans.filter(is_inline.not_() | is_inline.is_null()), inline.drop("is_hit")]).sort(
        "page", "char_start"
    )
    return _with_turns(spans).drop("inline", "own", "speaker", "is_speaker")


def _with_turns(spans: pl.DataFrame) -> pl.DataFrame:
    """Give the role `speech` to what follows a label, up to the next one.

    Nothing marks where the last turn ends. It has as many paragraphs as nobody else claims where other turns have
    several too, else it ends at the first blank line.
    """
    keys = ["page", "turn"]
    spans = spans.with_columns(
        turn=(pl.col("role") == "speaker_label").fill_null(value=False).cum_sum().over("page")
    ).with_columns(
        place=pl.int_range(pl.len()).over(keys),
        is_last_turn=pl.col("turn") == pl.col("turn").max().over("page"),
        claimed=(_IS_FREE.not_() & (pl.col("role") != "speaker_label")).cum_sum().over(keys),
    )
    is_next_paragraph = pl.col("is_after_blank") & (pl.col("place") >= 2)
    is_loose = (is_next_paragraph & _IS_FREE & (pl.col("turn") > 0) & ~pl.col("is_last_turn")).any().over("page")
    blanks = is_next_paragraph.cum_sum().over(keys)
    is_speech = (
        _IS_FREE
        & (pl.col("turn") > 0)
        & (~pl.col("is_last_turn") | ((pl.col("claimed") == 0) & (is_loose | (blanks == 0))))
    )
    return spans.with_columns(
        role=pl.when(is_speech).then(pl.lit("speech")).otherwise("role"),
        rule=pl.when(is_speech | (pl.col("role") == "speaker_label")).then(pl.lit("labelled_turn")).otherwise("rule"),
    ).drop("turn", "place", "is_last_turn", "claimed")


def with_interviews(spans: pl.DataFrame) -> pl.DataFrame:
    """Tell questions from answers in interviews, and add `is_interview` (one value a page).

    An interview says that it is one ("This interview has been edited …"), or labels its turns Q and A. With labels,
    questions are the turns of who asks in most of them; without, a paragraph that ends by asking, does not speak of
    "I" and does not follow a question is one, and all else after the first question is an answer.
    """
    asks = pl.col("raw").str.contains(r"[?？]\)?$")
    is_noted = (pl.col("rule").str.ends_with("edited_interview")).fill_null(value=False).any().over("page")
    # Without a note: an introduction that speaks of a conversation, and at least three short paragraphs that ask.
    asks_shortly = _IS_FREE & asks & (_CHARS <= 300) & ~pl.col("raw").str.contains(_FIRST_PERSON)
    is_introduced = (
        (pl.col("raw").str.contains(_CONVERSES) & (asks_shortly.cum_sum().over("page") == 0)).any().over("page")
        & (asks_shortly.sum().over("page") >= 3)
        & (asks_shortly.sum().over("page") * 4 >= _IS_FREE.sum().over("page"))
    )
    label = pl.when(pl.col("role") == "speaker_label").then(
        pl.col("raw").str.strip_chars(":：. ").str.to_uppercase()
    )
    spans = spans.with_columns(speaker=label.forward_fill().over("page")).with_columns(
        is_labelled=(pl.col("role") == "speaker_label").fill_null(value=False).any().over("page"),
        is_q_and_a=pl.col("speaker").is_in(["Q", "QUESTION", "A", "ANSWER"]).fill_null(value=False).any().over("page"),
    )
    spans = spans.with_columns(is_interview=is_noted | is_introduced | pl.col("is_q_and_a"))
    is_turn = pl.col("role") == "speech"
    asked_share = pl.when(is_turn).then(asks).mean().over("page", "speaker")
    is_labelled_question = (
        pl.col("is_interview")
        & is_turn
        & (pl.col("speaker").is_in(["Q", "QUESTION"]) | (~pl.col("is_q_and_a") & (asked_share >= 0.6)))
    )

    note = (pl.col("rule").str.ends_with("edited_interview")).fill_null(value=False)
    free_after = (_IS_FREE & note.cum_max().over("page")).sum().over("page")
    is_after_note = ~is_noted | note.cum_max().over("page") | (free_after * 2 < _IS_FREE.sum().over("page"))
    is_candidate = (
        _IS_FREE
        & pl.col("is_interview")
        & ~pl.col("is_labelled")
        & is_after_note
        & asks
        & (_CHARS <= 700)
        & ~pl.col("raw").str.contains(_FIRST_PERSON)
    )
    # A paragraph that asks and follows a question is the beginning of its answer: of a run, every other one asks.
    run = (is_candidate != is_candidate.shift(1, fill_value=False).over("page")).cum_sum().over("page")
    spans = spans.with_columns(candidate=is_candidate, run=run)
    is_question = pl.col("candidate") & (pl.int_range(pl.len()).over("page", "run") % 2 == 0)
    spans = spans.with_columns(is_question=is_question)
    is_answer = (
        _IS_FREE
        & pl.col("is_interview")
        & ~pl.col("is_labelled")
        & pl.col("is_question").cum_max().over("page")
        & ~pl.col("is_question")
        & ((pl.col("region") != Region.TAIL.value) | _ENDS_SENTENCE)
    )
    return spans.with_columns(
        role=pl.when(is_labelled_question | pl.col("is_question"))
        .then(pl.lit("question"))
        .when(is_answer)
        .then(pl.lit("speech"))
        .otherwise("role"),
        rule=pl.when(is_labelled_question | pl.col("is_question") | is_answer)
        .then(pl.lit("interview_turn"))
        .otherwise("rule"),
    ).drop("speaker", "is_labelled", "is_q_and_a", "candidate", "run", "is_question")


def with_summaries(spans: pl.DataFrame) -> pl.DataFrame:
    """On compound pages, what stands free between the turns and the republished article's headline is its summary.

    Args:
        spans: SPANS and `is_compound`.
    """
    place = pl.int_range(pl.len()).over("page")
    credit = pl.when(pl.col("role") == "source_url").then(place).min().over("page")
    headline = pl.when((pl.col("role") == "title") & (place < credit)).then(place).max().over("page")
    turns_end = pl.when(pl.col("role") == "speech").then(place).max().over("page").fill_null(-1)
    is_summary = (
        pl.col("is_compound")
        & _IS_FREE
        & (place > turns_end)
        & (place < headline)
        & (_WORDS >= 8)
    )
    return spans.with_columns(
        role=pl.when(is_summary).then(pl.lit("summary")).otherwise("role"),
        rule=pl.when(is_summary).then(pl.lit("between_turns_and_article")).otherwise("rule"),
    )


def with_leftovers(spans: pl.DataFrame) -> pl.DataFrame:
    """Give every span that is left its role: labels at the edges of the page, lists of links, and the text itself."""
    is_label = ~_ENDS_SENTENCE & (_WORDS <= 3) & (_CHARS <= 30) & (_UNSPACED < 6)
    in_head = pl.col("region") == Region.HEAD.value
    in_tail = pl.col("region") == Region.TAIL.value
    is_open = ~_ENDS_SENTENCE | pl.col("raw").str.contains(r"[?!？！]$")
    # A list of links begins under its heading and ends with the first line that is no headline.
    list_state = (
        pl.when(pl.col("role") == "related_links")
        .then(pl.lit(1))
        .when(~(_IS_FREE & is_open & (_CHARS <= 140)))
        .then(pl.lit(0))
    )
    is_below_heading = list_state.forward_fill().over("page") == 1
    is_above_headline = (pl.col("role") == "title").fill_null(value=False).cum_max().over("page").not_() & (
        (pl.col("role") == "title").fill_null(value=False).any().over("page")
    )
    is_below_furniture = (in_tail & _IS_FREE.not_()).cum_max().over("page")
    is_link = (_IS_FREE & is_below_heading).fill_null(value=False)
    is_navigation = _IS_FREE & (
        (is_label & (in_head | (in_tail & is_below_furniture))) | (is_above_headline & in_head & (_CHARS <= 60))
    )
    return spans.with_columns(
        role=pl.when(is_link)
        .then(pl.lit("related_links"))
        .when(is_navigation)
        .then(pl.lit("navigation"))
        .otherwise(pl.col("role").fill_null("body")),
        rule=pl.when(is_link)
        .then(pl.lit("below_related_heading"))
        .when(is_navigation)
        .then(pl.lit("label_at_edge"))
        .otherwise("rule"),
    )
