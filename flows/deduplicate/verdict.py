"""What the measures of two aligned texts say: copies, a part and its whole, fillings of one form, or two stories."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flows.deduplicate.kernels import (
    A_AFTER,
    A_BEFORE,
    A_BETWEEN,
    A_COVERED,
    A_UNMATCHED,
    ALL_GRAMS,
    B_AFTER,
    B_BEFORE,
    B_BETWEEN,
    B_COVERED,
    B_UNMATCHED,
    GRAM_WORDS,
    INNER_SLOTS,
    OTHER_PLACES,
    OTHER_SLOTS,
    OTHER_VARIABLE,
    OTHER_WORDS,
    PLACE_SLOTS,
    SAME_SLOTS,
    SAME_VARIABLE,
    SHARED_GRAMS,
)
from flows.settings import Settings

Indexes = npt.NDArray[np.int64]

# A text that is found whole in another is its part, not an edited copy, when it has at most this share of its words.
_PART_LENGTH = 0.8
# In a short text fewer words are another story: of 75 words that share lede and footer, 15 may be all there is to tell.
_UNMATCHED_SHARE = 0.15
# In a long text that is edited all through more may be missing: up to this share when so much more of it is common than
# must be.
_EXCESS_SHARE = 0.15
_EXCESS_SPAN = 0.3
_LONG_UNMATCHED_SHARE = 0.08
# A text that stands in a longer one but for the end of a cut sentence was cut off, however early, down to this share of
# the other's words; one that only shares a lede with it goes on otherwise.
_INSIDE_COVERAGE = 0.95
# Likewise one with a dateline, a byline or a line of links of its own, when it has no stretch of more than the setting
# max_unmatched_words of its own.
_FRAMED_COVERAGE = 0.75
# Likewise one that begins where the longer begins and ends where what they share ends, while the longer goes on: up to
# so many words before that are a headline, a byline and a dateline, and up to so many after it say where to read on. Up
# to this share of it may stand there, and no more words than before it, when as much is common as with a lede of an
# outlet's own: headlines of other stories. A text that quotes another from the middle has less in common with it.
_HEAD_WORDS = 40
_READ_ON_WORDS = 15
_READ_ON_SHARE = 1 / 3
# An outlet's own lede: up to this share of the shorter text in one stretch, when at least so much else is common.
_LEDE_SHARE = 0.35
_LEDE_COVERAGE = 0.6
_LEDE_SHARED_WORDS = 80
INSIDE_LENGTH = 0.1
# A text with a difference in every tenth word was edited all through: two stories that share a passage differ in few
# places, but altogether. Only this part of what else must be common is asked of it, and a stretch of up to this share
# of the shorter is a passage that was moved, rewritten or left out. Two texts with nothing but a language in common do
# not have so much in the same order, because each stretch between common runs must have its share (see
# kernels.CHANCE_SHARE). Of 200,000 pairs of made-up pages that shared 4-grams, it holds for 34,266 pairs of copies, for
# 49 of fillings of one form, which their slots tell, and for 6 others.
_EDITED_PLACES = 0.1
_EDITED_ASKED = 0.8
_EDITED_SHARE = 0.3
_EDITED_SHARED_WORDS = 40
# Two forms of one kind, each filled in by an outlet of its own, may have as much in common. What stands in the slots of
# known forms is then other: a share of them that is so many times that of words. An editor spares names and figures.
_OTHER_FORM_CHANCE = 2
# Two notices of one kind share its vocabulary, in another order or the same: where hardly more words are common than
# must be, this share of the shorter must be; it falls to that of longer texts for twice as many words.
_SHORT_COVERAGE = 0.75
# Short notices that share fewer words than copies must are copies when one is the other but for a word or two.
_NOTICE_COVERAGE = 0.99
_NOTICE_LONGER_COVERAGE = 0.85
# Two texts are the same form filled in twice when this share of the differences between them is in slots (names and
# figures that stand against others) and these are many; or fewer in texts of one cut, when next to nothing else differs
# or most slots do.
_SLOT_CONCENTRATION = 0.6
_MANY_SLOTS = 8
_SOME_SLOTS = 5
_SOME_CONCENTRATION = 0.8
_FEW_SLOTS = 3
_SLOT_SHARE = 0.5
# Of texts of another cut this share of the slots must differ, too: an update may bring a dozen new figures and leave
# most names and figures as they were. Likewise of texts that differ before and behind what they share: the dates,
# bylines and counts around a story that is printed again are a dozen slots.
_CUT_SLOT_SHARE = 0.25
# Likewise two notices that share less than so many times the words that copies must, whatever else differs, when this
# share of their slots does.
_NOTICE_TIMES = 3
_NOTICE_SLOT_SHARE = 0.6
# Of a form that is known from many fillings, copies of one may differ in this share of the slots where little else
# differs: at most so many places for each word; or in so many times what as many edits would hit by chance. Where most
# slots differ, it is another filling if they are this share of all places that differ. Where words outside the slots
# differ, too, it was edited, and an edit may hit more of the slots: of 18 figures two or three with one word in twenty.
_FORM_SLOT_SHARE = 0.1
# Less than _FEW_SLOTS of them are told by most of them differing, in a text that is as short: of a longer one they are
# what stands in the place of a byline.
_FEW_SLOTS_SHARE = 0.025
_EDITED_SLOT_SHARE = 0.2
_FORM_EDITS = 0.1
_FORM_CHANCE = 3
_FORM_PLACES = 0.3
# Jaccard similarity of runs of GRAM_WORDS words from which on less than _MANY_SLOTS slots make no other text, as one
# figure in fifty words does not; and from which on they make none in a form of which there are few fillings.
_NEARLY_EQUAL = 0.79
ALIKE = 0.5
# Slots of a known form from which on two fillings are two notices, however much else is the same in a long form.
_OTHER_FILLING_SLOTS = 10
# Of fillings a little more is asked, because the runs across template lines are an estimate, and those that are half
# alike are two notices to a reader.
_FILLINGS_ALIKE = 0.505
# The same without template lines, from which on a notice is long enough to be called a copy.
_ALIKE_WITHIN = 0.7
# Share of the names and figures that differ from which on it is another story all the same, in the same words.
_OTHER_STORY = 0.75
# So it is where words differ besides, as long as many of the differences, and this share of them, are of that kind.
_LEAST_CONCENTRATION = 0.2
# Likewise where fewer of them differ, but many, and their share is so many times that of the places that differ
# otherwise: an editor spares names and figures. Of 78,770 pairs of copies of one cut on made-up pages it holds for two,
# and for 145 of 375 pairs of other stories that everything else took for copies.
_OTHER_NAMES, _OTHER_NAMES_CHANCE = 0.35, 5
# Likewise, of a higher share of them, where one word in so many is such a one: fewer in texts of one cut, as many in
# those that differ in a longer stretch, as a page does in the headlines around its story. It holds for three further
# pairs of copies, of 242,546, and for 59 of other stories.
_DENSE_NAMES, _DENSE_SHARE, _DENSE_CHANCE, _SOME_NAMES, _DENSE_CUT = 0.04, 0.45, 8, 6, 3
# Words of template lines that count for the similarity, too: a sign-off, a line or two of a notice.
_MOST_SET_ASIDE = 12


@dataclass(frozen=True)
class Verdict:
    """What the measures of pairs say; arrays of shape (pairs).

    Attributes:
        a_coverage: share of the words of a that b has in the same order.
        b_coverage: the same of b.
        both: the same of both.
        shorter_coverage: the same of the shorter.
        is_part: the shorter stands in the longer.
        is_same_story: so much is common that differing stretches do not tell against it.
        tells_one_story: copies, or fillings of one form.
        is_form: fillings of one form.
        is_nearly_equal: copies although they may be fillings of one form.
        is_alike: the same if there are few fillings of that form.
    """

    a_coverage: npt.NDArray[np.float64]
    b_coverage: npt.NDArray[np.float64]
    both: npt.NDArray[np.float64]
    shorter_coverage: npt.NDArray[np.float64]
    is_part: npt.NDArray[np.bool_]
    is_same_story: npt.NDArray[np.bool_]
    tells_one_story: npt.NDArray[np.bool_]
    is_form: npt.NDArray[np.bool_]
    is_nearly_equal: npt.NDArray[np.bool_]
    is_alike: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        measures: npt.NDArray[np.int32],
        a_words: Indexes,
        b_words: Indexes,
        a_sizes: Indexes,
        b_sizes: Indexes,
        set_aside: Indexes,
        is_aside_same: npt.NDArray[np.bool_],
        settings: Settings,
    ) -> "Verdict":
        """Weigh the measures.

        Args:
            measures: shape (pairs, MEASURES).
            a_words: words of each a.
            b_words: words of each b.
            a_sizes: the same, those of scripts without spaces by half.
            b_sizes: the same.
            set_aside: words of the template lines of both.
            is_aside_same: whether those lines are the same in both.
            settings: thresholds.
        """
        covered = measures[:, [A_COVERED, B_COVERED]].astype(np.float64)
        a_coverage, b_coverage = covered[:, 0] / np.maximum(a_words, 1), covered[:, 1] / np.maximum(b_words, 1)
        a_is_longer = a_words >= b_words
        shorter_coverage = np.where(a_is_longer, b_coverage, a_coverage)
        longer_coverage = np.where(a_is_longer, a_coverage, b_coverage)
        is_same_story = np.minimum(a_coverage, b_coverage) >= settings.same_story_coverage
        # The words counted must weigh as much in a script without spaces, where each is a character.
        weight = np.minimum(a_sizes / np.maximum(a_words, 1), b_sizes / np.maximum(b_words, 1))
        unmatched = np.minimum(measures[:, A_UNMATCHED], measures[:, B_UNMATCHED]) * weight
        shorter_words, shorter_sizes = np.minimum(a_words, b_words), np.minimum(a_sizes, b_sizes)
        excess = (shorter_coverage - settings.min_shorter_coverage) / _EXCESS_SPAN
        most = np.maximum(
            np.minimum(settings.max_unmatched_words, _UNMATCHED_SHARE * shorter_sizes),
            shorter_sizes * np.maximum(_EXCESS_SHARE * excess, _LONG_UNMATCHED_SHARE),
        )
        shared_words = covered.min(1) * weight
        more_words = shared_words / settings.min_shared_words - 1
        least_coverage = _SHORT_COVERAGE - more_words * (_SHORT_COVERAGE - settings.min_shorter_coverage)
        is_long_enough = (more_words >= 0) & (shorter_coverage >= least_coverage)
        is_nearly_all = (shorter_coverage >= _NOTICE_COVERAGE) & (longer_coverage >= _NOTICE_LONGER_COVERAGE)
        is_short_stretched = (
            np.where(a_is_longer, measures[:, B_UNMATCHED], measures[:, A_UNMATCHED]) <= settings.max_unmatched_words
        )
        is_whole_inside = (shorter_coverage >= _INSIDE_COVERAGE) | (
            (shorter_coverage >= _FRAMED_COVERAGE) & is_short_stretched
        )
        before, longer_before, after, longer_after, between = (
            np.where(a_is_longer, measures[:, two], measures[:, one])
            for one, two in (
                (A_BEFORE, B_BEFORE),
                (B_BEFORE, A_BEFORE),
                (A_AFTER, B_AFTER),
                (B_AFTER, A_AFTER),
                (A_BETWEEN, B_BETWEEN),
            )
        )
        is_mostly_common = shorter_coverage >= _LEDE_COVERAGE
        was_cut_off = (
            (np.maximum(before, longer_before) <= _HEAD_WORDS)
            & (after <= np.clip(_READ_ON_SHARE * shorter_words * is_mostly_common, _READ_ON_WORDS, _HEAD_WORDS))
            & (longer_after > np.maximum(settings.max_unmatched_words, longer_before))
            & (between >= _INSIDE_COVERAGE * (shorter_words - before - after))
            & (shorter_coverage >= settings.min_shorter_coverage)
            & (more_words >= 0)
        )
        has_own_lede = (
            is_mostly_common
            & (longer_coverage >= settings.min_longer_coverage)
            & (unmatched <= _LEDE_SHARE * shorter_sizes)
            & (shared_words >= _LEDE_SHARED_WORDS)
        )
        is_edited_throughout = (
            (measures[:, OTHER_PLACES] >= _EDITED_PLACES * shorter_words)
            & (shorter_coverage >= _EDITED_ASKED * settings.min_shorter_coverage)
            & (longer_coverage >= _EDITED_ASKED * settings.min_longer_coverage)
            & (unmatched <= _EDITED_SHARE * shorter_sizes)
            & (shared_words >= _EDITED_SHARED_WORDS)
        )
        shared, grams = measures[:, SHARED_GRAMS], measures[:, ALL_GRAMS]
        # Words of template lines make as many runs more: some within a line, GRAM_WORDS - 1 with words beside it, which
        # are common as often as other runs.
        around = np.minimum(set_aside / 2, _MOST_SET_ASIDE)
        within = np.maximum(around - GRAM_WORDS + 1, 0)
        beside = (around - within) * 2 * shared / np.maximum(grams + shared, 1)
        common = np.where(is_aside_same, within + beside, 0)
        similarity = (shared + common) / np.maximum(grams + np.where(is_aside_same, 2 * around - common, set_aside), 1)
        is_alike = (shared > 0) & (similarity >= ALIKE)
        slots = measures[:, OTHER_SLOTS]
        slot_share = slots / np.maximum(slots + measures[:, SAME_SLOTS], 1)
        variable, places = measures[:, OTHER_VARIABLE], measures[:, OTHER_PLACES]
        all_variable = variable + measures[:, SAME_VARIABLE]
        edited_share = places / np.maximum(shorter_words, 1)
        has_other_values = variable > np.where(places > 0, _EDITED_SLOT_SHARE, _FORM_SLOT_SHARE) * all_variable
        is_other_filling = has_other_values & (
            (variable >= _FEW_SLOTS)
            | ((variable >= _SLOT_SHARE * all_variable) & (all_variable >= _FEW_SLOTS_SHARE * shorter_words))
        )
        tells_one_story = (
            (is_long_enough | is_nearly_all | is_alike | (shared >= _ALIKE_WITHIN * np.maximum(grams, 1)))
            & (shorter_coverage >= settings.min_shorter_coverage)
            & ((longer_coverage >= settings.min_longer_coverage) | is_whole_inside)
            & (is_same_story | is_whole_inside | has_own_lede | (unmatched <= most))
        )
        is_edited_throughout &= ~has_other_values | (slot_share < _OTHER_FORM_CHANCE * edited_share)
        tells_one_story |= is_edited_throughout | was_cut_off | (is_alike & (unmatched <= settings.max_unmatched_words))
        # An update changes a few figures, too, but it adds or takes away a stretch.
        is_of_one_cut, is_nearly_of_one_cut = (
            measures[:, [A_UNMATCHED, B_UNMATCHED]].max(1) <= times * settings.max_unmatched_words
            for times in (1, _DENSE_CUT)
        )
        words = np.minimum(measures[:, OTHER_WORDS], PLACE_SLOTS * places)
        concentration = slots / np.maximum(slots + words, 1)
        is_form = (concentration >= _SLOT_CONCENTRATION) & (
            (
                ((slots >= _MANY_SLOTS) | ((slots >= _SOME_SLOTS) & (concentration >= _SOME_CONCENTRATION)))
                & ((measures[:, INNER_SLOTS] >= _FEW_SLOTS) | (slot_share >= _CUT_SLOT_SHARE))
                & is_of_one_cut
            )
            | ((slots >= _MANY_SLOTS + PLACE_SLOTS) & (slot_share >= _CUT_SLOT_SHARE))
            | ((slots >= _FEW_SLOTS) & (slot_share >= _SLOT_SHARE) & is_of_one_cut)
            | is_other_filling
        )
        is_form |= (slots >= _SOME_SLOTS) & (slot_share >= _NOTICE_SLOT_SHARE) & (more_words < _NOTICE_TIMES - 1)
        is_form |= (
            ((slots >= _MANY_SLOTS) & (slot_share >= _OTHER_STORY) & (concentration >= _LEAST_CONCENTRATION))
            | (
                (slots >= _MANY_SLOTS)
                & (slot_share >= np.maximum(_OTHER_NAMES, _OTHER_NAMES_CHANCE * edited_share))
                & is_of_one_cut
            )
            | (
                (slots >= np.where(is_of_one_cut, _SOME_NAMES, _MANY_SLOTS))
                & (slots >= _DENSE_NAMES * shorter_words)
                & (slot_share >= np.maximum(_DENSE_SHARE, _DENSE_CHANCE * edited_share))
                & is_nearly_of_one_cut
            )
        )
        # Most slots, and far more of them than of the words, however the page around them differs.
        is_form |= (slot_share >= np.maximum(_SLOT_SHARE, _FORM_CHANCE * edited_share)) & (
            is_other_filling | (slots >= _MANY_SLOTS + PLACE_SLOTS)
        )
        is_form |= is_other_filling & (
            ((edited_share <= _FORM_EDITS) & (variable >= _FORM_CHANCE * edited_share * all_variable))
            | ((variable >= _SLOT_SHARE * all_variable) & (variable >= _FORM_PLACES * (variable + places)))
        )
        lengths = np.minimum(a_words, b_words) / np.maximum(np.maximum(a_words, b_words), 1)
        return cls(
            a_coverage=a_coverage,
            b_coverage=b_coverage,
            both=covered.sum(1) / np.maximum(a_words + b_words, 1),
            shorter_coverage=shorter_coverage,
            is_part=(shorter_coverage >= settings.part_coverage) & (lengths <= _PART_LENGTH),
            is_same_story=is_same_story,
            tells_one_story=tells_one_story,
            is_form=is_form,
            is_nearly_equal=is_alike
            & (similarity >= _NEARLY_EQUAL)
            & (slots < _MANY_SLOTS)
            & ((slots < _FEW_SLOTS) | (slot_share < _OTHER_STORY)),
            is_alike=is_alike
            & (similarity >= _FILLINGS_ALIKE)
            & (slot_share < _OTHER_STORY)
            & ((slots < _MANY_SLOTS) | (2 * variable >= slots))
            & (variable < _OTHER_FILLING_SLOTS),
        )
