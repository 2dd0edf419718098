"""Reworded passages in the same place of two articles of one publisher.

An outlet that translates or retells prints the same byline, lede, rights line and notices again in other words. Their
words alone would not tell them from strangers; their place on the page does.
"""

import polars as pl

from flows.deduplicate.compare import with_common_words, with_new_figures
from flows.deduplicate.shingles import linked_pairs
from flows.settings import Settings

# Roles whose passages have one place on an outlet's pages. They are compared within outlet and role.
NOTICES = ("byline", "rights", "source_url", "disclaimer", "newsletter", "boilerplate")
LEDE = "lede"
# Slots whose articles must have an author in common. Two bylines of one outlet differ in the name alone. Ledes of two
# stories on one subject are as alike as one lede translated twice: without this rule, 41 pairs of 2,225 stories of one
# outlet were over 0.5, and of eight of them read, seven told of a later event or of another one.
AUTHORED = ("byline", LEDE)

# Letters in a row that a word is compared by: forms of a word and its relatives share most of them.
_GRAM = 3
# Longest word that is compared in full; the rest of a longer one (a web address run together) is ignored.
_MAX_LETTERS = 32
# Weights are whole numbers, so that their sums do not depend on the order of adding.
_WEIGHT_SCALE = 1000
# Words are rare in an outlet when at most this share of its passages has them; ledes must share some of these.
_RARE_SHARE = 0.1
_MIN_RARE_WORDS = 3


def slot_matches(firsts: pl.DataFrame, words: pl.DataFrame, lines: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Find passages that say the same in the same slot of two articles of one publisher.

    Args:
        firsts: words of the passages to compare, one of each group of equal ones, as `words_of` gives them.
        words: words of all passages: how common each is with its publisher.
        lines: as `flows.deduplicate.reuse.passage_matches` takes them.
        settings: thresholds.

    Returns:
        `a, b, kind, score, method, is_whole`: one row per pair, a < b. `same_template`: notices that differ in figures
        only, as in the id of a link; `same_slot`: the Dice coefficient of their letter groups, each weighted by how
        rare it is with the publisher.
    """
    slots = _slots(lines, words).join(firsts, on="item", how="semi")
    templates = _same_template(slots, firsts)
    slots = slots.join(templates, left_on="item", right_on="b", how="anti")
    commonness = _commonness(words, lines)
    pairs = _candidates(slots, firsts, commonness, settings)
    least = pl.when(pl.col("slot") == LEDE).then(settings.lede_similarity).otherwise(settings.notice_similarity)
    is_near = pl.col("word_similarity") >= settings.near_similarity
    reworded = (
        _similarity(pairs, slots, firsts, commonness)
        .filter(pl.col("score") >= least)
        .pipe(_best_of_both)
        .pipe(with_common_words, firsts)
        .pipe(with_new_figures, firsts)
        .select(
            "a",
            "b",
            kind=pl.when(is_near).then(pl.lit("near")).otherwise(pl.lit("paraphrase")),
            score="score",
            method=pl.lit("same_slot"),
            is_whole=~((pl.col("slot") == LEDE) & pl.col("has_new_figures")),
        )
    )
    return pl.concat([templates, reworded]).sort("a", "b")


def _slots(lines: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """`item, slot, house, article, source_id, authors`: one row per passage in a slot of a known publisher's article.

    The lede is the first content passage with enough words to be compared. Notices belong to the outlet whose page it
    is, byline and lede to the publisher.
    """
    telling = lines.join(words, on="item", how="semi")
    lede = telling.filter("is_content").filter(pl.col("item") == pl.col("item").min().over("article"))
    notices = telling.filter(pl.col("role").is_in(NOTICES))
    of_page = pl.when(pl.col("role") == "byline").then("publisher").otherwise("outlet")
    placed = pl.concat(
        [
            lede.with_columns(slot=pl.lit(LEDE), house=pl.col("publisher")),
            notices.with_columns(slot=pl.col("role"), house=of_page),
        ]
    )
    return placed.filter(pl.col("house").is_not_null()).select(
        "item", "slot", "house", "article", "source_id", "authors"
    )


def _same_template(slots: pl.DataFrame, firsts: pl.DataFrame) -> pl.DataFrame:
    """Notices of one slot that differ in figures only, each paired with the first: columns of `slot_matches`."""
    figures = pl.when("is_figure").then(pl.lit("0")).otherwise("word")
    notices = slots.filter(pl.col("slot") != LEDE)
    return (
        firsts.join(notices, on="item", how="semi", maintain_order="left")
        .group_by("item", maintain_order=True)
        .agg(template=figures.str.join(" "))
        .join(notices, on="item")
        .select("item", first=pl.col("item").min().over("house", "slot", "template"))
        .filter(pl.col("item") != pl.col("first"))
        .select(a="first", b="item", kind=pl.lit("near"))
        .pipe(with_common_words, firsts)
        .select(
            "a",
            "b",
            "kind",
            score="word_similarity",
            method=pl.lit("same_template"),
            is_whole=pl.lit(value=True),
        )
    )


def _commonness(words: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """`house, word, frequency, passage_count`: in how many of a publisher's passages each word stands, and of how many.

    A passage counts for the publisher and for the outlet of its page.
    """
    of_houses = (
        pl.concat([lines.select("item", house="publisher"), lines.select("item", house="outlet")])
        .unique()
        .filter(pl.col("house").is_not_null())
    )
    present = words.select("item", "word").unique().join(of_houses, on="item")
    passages = present.group_by("house").agg(passage_count=pl.col("item").n_unique())
    return present.group_by("house", "word").agg(frequency=pl.len()).join(passages, on="house")


def _candidates(
    slots: pl.DataFrame, firsts: pl.DataFrame, commonness: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Pairs in one slot that share words: `a, b`. Ledes must share rare ones, ledes and bylines an author."""
    used = firsts.select("item", "word").unique().join(slots.select("item", "slot", "house"), on="item")
    feature = pl.struct("house", "slot", "word").hash()
    rare = (
        used.filter(pl.col("slot") == LEDE)
        .join(commonness, on=["house", "word"])
        .filter(pl.col("frequency") <= pl.max_horizontal(2, _RARE_SHARE * pl.col("passage_count")))
        .select("item", feature=feature)
        # A word that many ledes begin with is not what two of them have in common.
        .filter(pl.len().over("feature") <= settings.all_pairs_up_to)
    )
    ledes = linked_pairs(rare, settings.all_pairs_up_to).filter(pl.col("shared") >= _MIN_RARE_WORDS)
    notices = linked_pairs(
        used.filter(pl.col("slot") != LEDE).select("item", feature=feature), settings.all_pairs_up_to
    )
    facts = slots.select("item", "source_id", "slot", "authors")
    has_author_in_common = pl.col("a_authors").list.set_intersection("b_authors").list.len() > 0
    return (
        pl.concat([ledes, notices])
        .join(facts.select(a="item", a_source_id="source_id", a_authors="authors", slot="slot"), on="a")
        .join(facts.select(b="item", b_source_id="source_id", b_authors="authors"), on="b")
        .filter(
            pl.col("a_source_id") != pl.col("b_source_id"),
            has_author_in_common | ~pl.col("slot").is_in(AUTHORED),
        )
        .select("a", "b")
        .unique()
        .sort("a", "b")
    )


def _similarity(
    pairs: pl.DataFrame, slots: pl.DataFrame, firsts: pl.DataFrame, commonness: pl.DataFrame
) -> pl.DataFrame:
    """`a, b, score, slot, a_article, b_article`: the pairs with the weighted Dice of their letter groups.

    A letter group weighs log(1 + passages / frequency), its frequency being that of all words with it together.
    """
    padded = pl.lit(" ") + pl.col("word").str.slice(0, _MAX_LETTERS) + pl.lit(" ")
    vocabulary = commonness.select("word").unique()
    grams = (
        vocabulary.with_columns(letters=padded)
        .with_columns(
            gram=pl.concat_list(pl.col("letters").str.slice(start, _GRAM) for start in range(_MAX_LETTERS)),
        )
        .explode("gram", empty_as_null=False, keep_nulls=False)
        .filter(pl.col("gram").str.len_chars() == _GRAM)
        .select("word", "gram")
        .unique()
    )
    frequency = pl.min_horizontal(pl.col("frequency").sum(), pl.col("passage_count").first())
    weights = (
        commonness.join(grams, on="word")
        .group_by("house", "gram")
        .agg(weight=(_WEIGHT_SCALE * (1 + pl.col("passage_count").first() / frequency).log()).round().cast(pl.Int64))
    )
    compared = pl.concat([pairs.select(item="a"), pairs.select(item="b")]).unique()
    features = (
        firsts.select("item", "word")
        .unique()
        .join(compared, on="item", how="semi")
        .join(grams, on="word")
        .select("item", "gram")
        .unique()
        .join(slots.select("item", "slot", "house"), on="item")
        .join(weights, on=["house", "gram"])
        .select("item", "slot", "gram", "weight")
    )
    totals = features.group_by("item", "slot").agg(total=pl.col("weight").sum())
    articles = slots.select("item", "article").unique()
    return (
        pairs.join(features.rename({"item": "a"}), on="a")
        .join(features.select(b="item", slot="slot", gram="gram"), on=["b", "slot", "gram"], how="semi")
        .group_by("a", "b", "slot")
        .agg(shared=pl.col("weight").sum())
        .join(totals.rename({"item": "a", "total": "a_total"}), on=["a", "slot"])
        .join(totals.rename({"item": "b", "total": "b_total"}), on=["b", "slot"])
        .join(articles.select(a="item", a_article="article"), on="a")
        .join(articles.select(b="item", b_article="article"), on="b")
        .select(
            "a",
            "b",
            "slot",
            "a_article",
            "b_article",
            score=(2 * pl.col("shared") / (pl.col("a_total") + pl.col("b_total"))).clip(0, 1),
        )
        .sort("a", "b", "slot")
    )


def _best_of_both(scored: pl.DataFrame) -> pl.DataFrame:
    """One-to-one: of two articles' passages in a slot only those that are each other's best match."""
    best_first = scored.sort(["score", "a", "b"], descending=[True, False, False])
    for side in ("a", "b"):
        best_first = best_first.unique(["a_article", "b_article", "slot", side], keep="first", maintain_order=True)
    return best_first.sort("a", "b")
