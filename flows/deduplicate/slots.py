"""Reworded passages in the same place of two articles of one publisher.

An outlet that translates or retells prints the same byline, lede, rights line and notices again in other words. Their
words alone would not tell them from strangers; their place on the page does.
"""

import numpy as np
import polars as pl

from flows.deduplicate.compare import with_common_words, with_new_figures
from flows.deduplicate.links import linked_pairs
from flows.deduplicate.passages import Passages, of_roles
from flows.deduplicate.reuse import Firsts
from flows.deduplicate.words import words_of
from flows.settings import Settings
from schemas.columns import ROLES

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
# Articles of a publisher that tell how common its words are: enough for a share of a tenth, few beside a large corpus.
_ASKED_ARTICLES = 200

_SCHEMA = pl.Schema(
    {
        "a": pl.UInt32,
        "b": pl.UInt32,
        "kind": pl.String,
        "score": pl.Float64,
        "method": pl.String,
        "is_whole": pl.Boolean,
    }
)


def slot_matches(passages: Passages, firsts: Firsts, settings: Settings) -> pl.DataFrame:
    """Find passages that say the same in the same slot of two articles of one publisher.

    Args:
        passages: of all shards.
        firsts: only the first of equal passages are compared.
        settings: thresholds.

    Returns:
        `a, b, kind, score, method, is_whole`: one row per pair of items, a < b, sorted. `same_template`: notices that
        differ in figures only, as in the id of a link; `same_slot`: the Dice coefficient of their letter groups, each
        weighted by how rare it is with the publisher.
    """
    articles = passages.articles.select(
        "rank", "publisher", "authors", outlet=pl.coalesce("republisher", "publisher")
    ).sort("rank")
    slots = _slots(passages, firsts, articles)
    if slots.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    first_words = words_of(_texts(passages, slots["item"].unique().sort()))
    templates = _same_template(slots, first_words)
    slots = slots.join(templates, left_on="item", right_on="b", how="anti")
    commonness = _commonness(passages, firsts, slots, articles)
    pairs = _candidates(slots, first_words, commonness, settings)
    if pairs.is_empty():
        return templates
    least = pl.when(pl.col("slot") == LEDE).then(settings.lede_similarity).otherwise(settings.notice_similarity)
    is_near = pl.col("word_similarity") >= settings.near_similarity
    reworded = (
        _similarity(pairs, slots, first_words, commonness)
        .filter(pl.col("score") >= least)
        .pipe(_best_of_both)
        .pipe(with_common_words, first_words)
        .pipe(with_new_figures, first_words)
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


def _texts(passages: Passages, items: pl.Series) -> pl.DataFrame:
    """`item, text`: the texts of some items, in their order."""
    rows = passages.rows[items.to_numpy()].astype(np.int64)
    order = np.argsort(rows)
    parts = [table for _, table in passages.read(rows[order], "text")]
    texts = pl.concat([pl.DataFrame(schema={"text": pl.String}), *parts])
    return texts.with_columns(item=items.gather(order)).select("item", "text").sort("item")


def _slots(passages: Passages, firsts: Firsts, articles: pl.DataFrame) -> pl.DataFrame:
    """`item, slot, house, article, source, authors`: one row per passage in a slot that another source fills, too.

    The lede is the first content passage with enough words to be compared. Notices belong to the outlet whose page it
    is, byline and lede to the publisher.
    """
    telling = firsts.telling
    content = telling[passages.is_content[telling]]
    ledes = content[np.append(True, np.diff(passages.ranks_of(content)) > 0)] if len(content) else content
    notices = telling[of_roles(NOTICES)[passages.role[telling]]]
    is_first = np.zeros(len(passages.items), np.bool_)
    is_first[firsts.rows] = True
    rows = np.concatenate([ledes, notices])
    is_lede = np.arange(len(rows)) < len(ledes)
    chosen = is_first[rows]
    rows, is_lede = rows[chosen], is_lede[chosen]
    of_page = pl.when(pl.col("slot").is_in(AUTHORED)).then("publisher").otherwise("outlet")
    names = pl.Series("role", list(ROLES)).gather(passages.role[rows])
    return (
        pl.DataFrame(
            {
                "item": passages.items[rows],
                "rank": passages.ranks_of(rows),
                "source": passages.source[rows],
                "role": names,
                "is_lede": is_lede,
            },
            schema_overrides={"item": pl.UInt32, "rank": pl.UInt32},
        )
        .with_columns(slot=pl.when("is_lede").then(pl.lit(LEDE)).otherwise("role"))
        .join(articles, on="rank", maintain_order="left")
        .select("item", "slot", "source", "authors", house=of_page, article="rank")
        .filter(pl.col("house").is_not_null())
        .filter(~pl.col("slot").is_in(AUTHORED) | (pl.col("authors").list.len() > 0))
        .filter(pl.col("source").n_unique().over("slot", "house") > 1)
    )


def _same_template(slots: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Notices of one slot that differ in figures only, each paired with the first: columns of `slot_matches`."""
    figures = pl.when("is_figure").then(pl.lit("0")).otherwise("word")
    notices = slots.filter(pl.col("slot") != LEDE)
    return (
        words.join(notices, on="item", how="semi", maintain_order="left")
        .group_by("item", maintain_order=True)
        .agg(template=figures.str.join(" "))
        .join(notices, on="item")
        .select("item", first=pl.col("item").min().over("house", "slot", "template"))
        .filter(pl.col("item") != pl.col("first"))
        .select(a="first", b="item", kind=pl.lit("near"))
        .pipe(with_common_words, words)
        .select(
            "a",
            "b",
            "kind",
            score="word_similarity",
            method=pl.lit("same_template"),
            is_whole=pl.lit(value=True),
        )
        .cast(_SCHEMA)
    )


def _commonness(passages: Passages, firsts: Firsts, slots: pl.DataFrame, articles: pl.DataFrame) -> pl.DataFrame:
    """`house, word, frequency, passage_count`: in how many of a publisher's passages each word stands, and of how many.

    Of each publisher the earliest articles are asked. A passage counts for the publisher and the outlet of its page.
    """
    houses = slots.select("house").unique()
    of_houses = (
        pl.concat([articles.select("rank", house="publisher"), articles.select("rank", house="outlet")])
        .join(houses, on="house", how="semi")
        .unique()
        .sort("house", "rank")
        .group_by("house", maintain_order=True)
        .head(_ASKED_ARTICLES)
    )
    is_asked = np.zeros(articles.height, np.bool_)
    is_asked[of_houses["rank"].to_numpy()] = True
    ranks = passages.ranks_of(firsts.telling)
    chosen = is_asked[ranks]
    asked = pl.DataFrame(
        {"item": passages.items[firsts.telling[chosen]], "rank": ranks[chosen]},
        schema=dict.fromkeys(("item", "rank"), pl.UInt32),
    )
    words = words_of(_texts(passages, asked["item"]))
    present = words.select("item", "word").unique().join(asked, on="item").join(of_houses, on="rank")
    counts = asked.join(of_houses, on="rank").group_by("house").agg(passage_count=pl.len())
    return present.group_by("house", "word").agg(frequency=pl.len()).join(counts, on="house")


def _candidates(slots: pl.DataFrame, words: pl.DataFrame, commonness: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Pairs in one slot that share words: `a, b`. Ledes must share rare ones, ledes and bylines an author."""
    used = words.select("item", "word").unique().join(slots.select("item", "slot", "house"), on="item")
    feature = pl.struct("house", "slot", "word").hash()
    rare = (
        used.filter(pl.col("slot") == LEDE)
        .join(commonness, on=["house", "word"], how="left")
        # A word that none of the passages asked has is rare.
        .filter(
            pl.col("frequency").is_null()
            | (pl.col("frequency") <= pl.max_horizontal(2, _RARE_SHARE * pl.col("passage_count")))
        )
        .select("item", feature=feature)
        # A word that many ledes begin with is not what two of them have in common.
        .filter(pl.len().over("feature") <= settings.all_pairs_up_to)
    )
    ledes = linked_pairs(rare, settings.all_pairs_up_to).filter(pl.col("shared") >= _MIN_RARE_WORDS)
    notices = linked_pairs(
        used.filter(pl.col("slot") != LEDE).select("item", feature=feature), settings.all_pairs_up_to
    )
    facts = slots.select("item", "source", "slot", "authors")
    has_author_in_common = pl.col("a_authors").list.set_intersection("b_authors").list.len() > 0
    return (
        pl.concat([ledes, notices])
        .join(facts.select(a="item", a_source="source", a_authors="authors", slot="slot"), on="a")
        .join(facts.select(b="item", b_source="source", b_authors="authors"), on="b")
        .filter(
            pl.col("a_source") != pl.col("b_source"),
            has_author_in_common | ~pl.col("slot").is_in(AUTHORED),
        )
        .select("a", "b")
        .unique()
        .sort("a", "b")
    )


def _similarity(
    pairs: pl.DataFrame, slots: pl.DataFrame, words: pl.DataFrame, commonness: pl.DataFrame
) -> pl.DataFrame:
    """`a, b, score, slot, a_article, b_article`: the pairs with the weighted Dice of their letter groups.

    A letter group weighs log(1 + passages / frequency), its frequency being that of all words with it together.
    """
    compared = pl.concat([pairs.select(item="a"), pairs.select(item="b")]).unique()
    own = words.join(compared, on="item", how="semi").select("item", "word").unique()
    letters = (
        pl.concat([commonness.select("word"), own.select("word")])
        .unique()
        .select("word", letter=(pl.lit(" ") + pl.col("word").str.slice(0, _MAX_LETTERS) + pl.lit(" ")).str.split(""))
        .explode("letter", empty_as_null=False, keep_nulls=False)
    )
    grams = (
        letters.select(
            "word",
            gram=pl.concat_str(pl.col("letter").shift(-step) for step in range(_GRAM)),
            is_within=pl.col("word") == pl.col("word").shift(1 - _GRAM),
        )
        .filter("is_within")
        .select("word", "gram")
        .unique()
    )
    frequency = pl.min_horizontal(pl.col("frequency").sum(), pl.col("passage_count").first())
    weights = (
        commonness.join(grams, on="word")
        .group_by("house", "gram")
        .agg(weight=(_WEIGHT_SCALE * (1 + pl.col("passage_count").first() / frequency).log()).round().cast(pl.Int64))
    )
    # A letter group that stands in none of the passages asked is as rare as one that stands in one.
    rarest = (
        commonness.select("house", "passage_count")
        .unique()
        .select("house", rarest=(_WEIGHT_SCALE * (1 + pl.col("passage_count")).log()).round().cast(pl.Int64))
    )
    features = (
        own.join(grams, on="word")
        .select("item", "gram")
        .unique()
        .join(slots.select("item", "slot", "house"), on="item")
        .join(rarest, on="house")
        .join(weights, on=["house", "gram"], how="left")
        .select("item", "slot", "gram", weight=pl.coalesce("weight", "rarest"))
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
