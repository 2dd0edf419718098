"""Rules that hold for any publisher, in order of precedence. What one outlet does belongs into its profile."""

from flows.normalize.general.furniture import FURNITURE_RULES, MARK_RULES, READER_TOOL_RULES
from flows.normalize.general.notes import NOTE_RULES
from flows.normalize.general.ownership import RIGHTS_RULES, SOURCE_RULES
from flows.normalize.general.pictures import CAPTION_RULES
from flows.normalize.general.signatures import BYLINE_RULES, DATE_RULES
from flows.normalize.general.templates import NEWSLETTER_RULES, RELATED_RULES, TEMPLATE_RULES
from flows.normalize.rules import Rule

GENERAL_RULES: tuple[Rule, ...] = (
    *SOURCE_RULES,
    *RIGHTS_RULES,
    *READER_TOOL_RULES,
    *NOTE_RULES,
    *CAPTION_RULES,
    *NEWSLETTER_RULES,
    *RELATED_RULES,
    *TEMPLATE_RULES,
    *DATE_RULES,
    *BYLINE_RULES,
    *FURNITURE_RULES,
    *MARK_RULES,
)
