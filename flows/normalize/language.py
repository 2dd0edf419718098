"""The language of an article, from its words."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from flows.buffers import text_buffers
from flows.compiled import kernel
from flows.normalize.kernels import add_up_features
from flows.normalize.looks import changed_where
from flows.text import is_more_than_ascii

# On 2,225 English news stories 500 characters gave the same answers as 3,000, at half the cost.
SAMPLE_CHARS = 500
# Under about twenty letters the answer depends on a name or two.
MIN_LETTERS = 20
MIN_PROBABILITY = 0.9
# Plain Python takes one to two microseconds a byte, and numba 0.7 s to be imported and to fetch the kernel.
COMPILE_FROM_BYTES = 500_000
# What the model answers for what is no language.
NO_LANGUAGE = "zxx"
# Its weights are float16 between -15 and -2.7, and so whole multiples of this part of one.
WEIGHT_UNIT = 512

# Words of grammar. Where they are an eighth of a sample of 40 words or more, as in 99 of 100 English news stories, the
# text is English, and the classifier (half a millisecond a text, and half a second for its model) need not be asked.
# Languages that share some of them stay far below: "in", "is", "was" and "of" are some five of 100 words of Dutch.
_ENGLISH = (
    r"(?i)\b(?:the|of|and|to|in|is|it|for|by|are|that|with|from|this|which|was|were|have|has|their|they|been|would|not"
    r"|but|its|than|about)\b"
)
_ENGLISH_SAMPLE_WORDS = 40
_ENGLISH_ONE_IN = 8


def with_language(articles: pl.DataFrame) -> pl.DataFrame:
    """Add `language` (BCP 47), null where the text is too short or the answer is not clear.

    The model is part of the library py3langid (Lui and Baldwin, "langid.py", ACL 2012); nothing is downloaded.

    Args:
        articles: `text`: one row per article.
    """
    samples = articles.select(sample=pl.col("text").str.head(SAMPLE_CHARS))["sample"]
    word_count = samples.str.count_matches(r"\p{L}+")
    is_english = (word_count >= _ENGLISH_SAMPLE_WORDS) & (
        samples.str.count_matches(_ENGLISH) * _ENGLISH_ONE_IN >= word_count
    )
    is_unclear = ~is_english & (word_count >= MIN_LETTERS)
    is_short = ~is_english & ~is_unclear
    letter_count = samples.filter(is_short).str.count_matches(r"\p{L}")
    is_unclear = is_unclear.scatter(is_short.arg_true(), letter_count >= MIN_LETTERS)
    languages = pl.select(language=pl.when(is_english).then(pl.lit("en")))["language"]
    return articles.with_columns(
        language=languages.scatter(is_unclear.arg_true(), classified(samples.filter(is_unclear)))
    )


def classified(samples: pl.Series) -> pl.Series:
    """The language of each sample, null where the answer is not clear.

    The scores are those of `LanguageIdentifier.classify`, which takes half a millisecond a text; its sums of float32
    differ from processor to processor, ours of float64 do not.
    """
    if samples.is_empty():
        return pl.Series(dtype=pl.String)
    model = _model()
    # As the library prepares a text: nothing but capitals tells no language.
    is_loud = (samples == samples.str.to_uppercase()).arg_true()
    samples = samples.scatter(is_loud, [_quiet(sample) for sample in samples.gather(is_loud)])
    samples = changed_where(samples, is_more_than_ascii(samples), lambda text: text.str.normalize("NFC"))
    byte_counts = samples.str.len_bytes().to_numpy()
    growth = np.log1p(np.arange(byte_counts.max() + 1, dtype=np.float64))
    scores = np.zeros((len(samples), len(model.languages)))
    score = kernel(add_up_features, is_compiled=True) if byte_counts.sum() >= COMPILE_FROM_BYTES else _add_up_plainly
    score(*text_buffers(samples), model.moves, model.rows, model.features, model.weights, growth, scores)
    scores = (scores / WEIGHT_UNIT + model.prior) / np.sqrt(byte_counts)[:, None]
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    for first, other in model.same:
        shares[:, first] += shares[:, other]
        shares[:, other] = 0.0
    best = shares.argmax(axis=1)
    is_clear = shares[np.arange(len(best)), best] >= MIN_PROBABILITY
    found = pl.Series(model.languages, dtype=pl.String).gather(best)
    return found.set(pl.Series(~is_clear) | (found == NO_LANGUAGE), None)


def _quiet(sample: str) -> str:
    return sample.lower() if sample.isupper() else sample


def _add_up_plainly(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    moves: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    features: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int16],
    growth: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
) -> None:
    """As `add_up_features`, for few texts: numba takes longer to import than they take to read."""
    for text in range(len(starts) - 1):
        state = 0
        counts: dict[int, int] = {}
        for byte in data[starts[text] : starts[text + 1]].tolist():
            state = int(moves[int(rows[state]) * 256 + byte])
            feature = int(features[state])
            if feature >= 0:
                counts[feature] = counts.get(feature, 0) + 1
        for count in sorted(set(counts.values())):
            alike = [feature for feature, found in counts.items() if found == count]
            scores[text] += growth[count] * weights[alike].sum(axis=0, dtype=np.int32)


@dataclass(frozen=True)
class _Model:
    """The model of the library: an automaton over bytes, and the weights of its features.

    Attributes:
        languages: BCP 47, some twice.
        prior: language → log-probability.
        same: pairs of columns that are one language.
        moves, rows, features: as `add_up_features` takes them, and weights in units of 1 / WEIGHT_UNIT.
    """

    languages: list[str]
    prior: npt.NDArray[np.float64]
    same: list[tuple[int, int]]
    moves: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    features: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int16]


@cache
def _model() -> _Model:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    languages = list(identifier.nb_classes)
    exact = np.asarray(identifier.nb_ptc, np.float32) * WEIGHT_UNIT
    weights = exact.astype(np.int16)
    if not np.array_equal(weights, exact):
        raise ValueError("the language model has weights that are no multiples of 1 / WEIGHT_UNIT")
    return _Model(
        languages=languages,
        prior=np.asarray(identifier.nb_pc, np.float64),
        same=[(languages.index(name), column) for column, name in enumerate(languages) if name in languages[:column]],
        moves=np.asarray(identifier.tk_nextmove, np.int32),
        rows=np.asarray(identifier.tk_row, np.int32),
        features=np.asarray(identifier.tk_output, np.int32),
        weights=weights,
    )
