"""What columns of several tables share: identifiers, enumerations and their meaning.

Names follow one grammar: offsets are Unicode code points into `sources.text` and come in pairs
`*_start` / `*_count`; counts end in `_count`, calendar dates in `_date`, instants (UTC) in `_at`, booleans begin with
`is_`; null always means unknown.
"""

SOURCE_ID = r"^[0-9a-f]{16}$"
ARTICLE_ID = r"^[0-9a-f]{16}-\d{2,}$"
PASSAGE_ID = r"^[0-9a-f]{16}-\d{4,}$"
REJECT_ID = r"^[0-9a-f]{16}$"
# The key of any row that can be taken down.
TOMBSTONE_ID = r"^[0-9a-f]{16}(-[0-9a-z]+)*$"
SHA256 = r"^[0-9a-f]{64}$"
# BCP 47 (RFC 5646), as far as language detection goes: language, script, region.
LANGUAGE_TAG = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?$"

CODE_POINTS = {"unit": "code points"}


def hash_of_withheld(column: str) -> str:
    """The description of the column that stands for a text in an edition that withholds it."""
    return f"SHA-256 of `{column}` (UTF-8) where this edition withholds it for its rights; null where it is given."


ROLES = {
    "title": "a headline of the page or of an article in it, wherever it stands and however often",
    "byline": "who wrote it, the outlet named as author included",
    "dateline": "place or date of the article as a line or a span of its own",
    "body": "the text itself, its lede, an interview's introduction and section headings included",
    "question": "an interviewer's turn",
    "speech": "an interview's answer, a podcast's turn",
    "speaker_label": "the name that introduces a turn",
    "summary": "an abstract that the page adds",
    "caption": "a picture's caption or credit, also where it is glued into a sentence",
    "rights": "who owns the text and what may be done with it",
    "disclaimer": "a note on how the text was made or edited, or whose views it holds",
    "source_url": "the link or credit line to the original",
    "related_links": "recommended stories",
    "newsletter": "an invitation to subscribe",
    "navigation": "page header and footer, menus, counters, players, labels of categories and widgets",
    "boilerplate": "an outlet's other template text: calls to vote or share, placeholder texts",
    "other": "nothing of these",
}

# What an article consists of. All other roles are cut, and the passage says so in `drop_reason`.
CONTENT_ROLES = ("body", "question", "speech", "speaker_label", "summary")

# Passages that name a text, its makers, and who owns it. A public edition gives them whatever the rights are.
GIVEN_ROLES = ("title", "byline", "dateline", "speaker_label", "rights", "disclaimer", "source_url")

REPEAT = "repeat"
DROP_REASONS = (*(role for role in ROLES if role not in CONTENT_ROLES), REPEAT)

OVERLAP_KINDS = ("verbatim", "near", "paraphrase")
ARTICLE_KINDS = ("article", "interview", "transcript", "summary")
BASES = ("stated", "inferred")
RIGHTS_POLICIES = ("open", "reserved", "unknown")
RELATION_KINDS = (
    "duplicate_of",
    "near_duplicate_of",
    "contains",
    "same_series",
    "shares_passages",
    "derived_from",
)
TAKEN_DOWN_TABLES = ("sources", "articles", "passages", "quotes")
STAGES = ("ingest", "normalize", "extract", "deduplicate", "validate", "release", "publish")

# Rules of `evidence` for what is known of an article from outside its text.
OUTSIDE_RULES = ("record", "sources.toml")

# Metadata of an article for which the table `evidence` says how it is known.
EVIDENCE_FIELDS = (
    "title",
    "publisher",
    "republisher",
    "authors",
    "published_date",
    "canonical_url",
    "rights_statement",
    "is_ai_generated",
    "translated_from",
)
