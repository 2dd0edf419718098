"""Rules for when and where a text was written, and by whom."""

from flows.normalize.general.pieces import DATE, DATED, NAME, NAMES, TIME, WEEKDAY
from flows.normalize.rules import Region, Rule

_BY = (
    r"(?:By|BY|by|Posted by|Published by|Written by|Words by|Story by|Report by|Reported by|Text by|Interview by"
    r"|Compiled by|Translated by|Par|PAR|Von|VON|Por|POR|Di|De|Texte|Texto|Text|Autor|Autorin|Autora|Auteur"
    r"|Author|Authors)\s*:?\s+"
)
_JOB = (
    r"(?:\s*[,|–—-]\s*(?:[\p{L}&.'’ -]*?\b(?:reporter|correspondent|editor|writer|staff|columnist|producer|bureau"
    r"|chief|analyst|contributor|news|agency|press|service|times|post|daily|herald|magazine|journal|observer|net"
    r"|tribune|gazette|media|network)\b[\p{L}&.'’ -]*|\p{Lu}[\p{L}&.'’-]*(?:\s+\p{Lu}[\p{L}&.'’-]*){0,3}))?"
)
# The place of a wire story ("SPRINGFIELD, Ill.", "Rio de Janeiro"), and the dash after it.
_SHOUTED_PLACE = r"\p{Lu}[\p{Lu}.'’-]+(?: [\p{Lu}.'’-]+){0,4}"
_PLACE = r"\p{Lu}[\p{L}.'’-]+(?: \p{Lu}[\p{L}.'’-]+){0,3}"
_REGION = r",\s+\p{Lu}[\p{L}.]*(?: [\p{L}.]+){0,2}"
_AGENCY_IN_BRACKETS = r"[(/]\p{Lu}[\p{L}&.-]*(?: [\p{L}&.-]+){0,4}[)/]\s*"
_DASH = r"(?:[–—]|--|-\s)"
_DIGITS = tuple("0123456789")
# … which begins a sentence: "NASA – the agency that …" names no place.
_BEGIN = r"(?P<ahead>\s*[“\"‘'«„(]?[\p{Lu}\p{Lo}\p{N}])"
_DASHES = ("–", "—", "--", "- ")

# A wire's dateline begins its first paragraph, which may be long.
_WHOLE_PARAGRAPH = 20_000

DATE_RULES = (
    Rule(
        name="date_in_line",
        role="dateline",
        pattern=r"^\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日(?:\s*\d{1,2}[:：]\d{2}(?:[:：]\d{2})?)?",
        region=Region.HEAD,
        max_chars=60,
    ),
    Rule(
        name="date_line",
        role="dateline",
        needs=_DIGITS,
        pattern=rf"(?i)^[(\[]?{DATED}(?:\s*[|·•/–—-]\s*{DATED})*[)\]]?\.?$",
        max_chars=160,
    ),
    Rule(
        name="time_ago",
        role="dateline",
        pattern=r"(?i)^(?:(?:first )?(?:published|posted|updated|last updated|modified)\s*:?\s*)?(?:about |over )?"
        r"(?:\d+|an?|one|two|few)\s?(?:seconds?|minutes?|mins?|hours?|hrs?|h|days?|weeks?|months?|years?) ago$",
        max_chars=60,
    ),
    Rule(
        name="time_ago",
        role="dateline",
        pattern=r"(?i)^(?:vor \d+ (?:minuten?|stunden?|tag(?:en)?)|il y a \d+ (?:minutes?|heures?|jours?)"
        r"|hace \d+ (?:minutos?|horas?|días?)|há \d+ (?:minutos?|horas?|dias?)"
        r"|\d+ ?(?:分钟|小时|天|時間|日|분|시간)\s?(?:前|전))$",
        max_chars=40,
    ),
    Rule(
        name="place_and_date",
        role="dateline",
        needs=_DIGITS,
        pattern=rf"^\p{{Lu}}[\p{{L}} .'’-]+,\s+(?:le\s+|den\s+)?{DATE}{TIME}$",
        region=Region.EDGE,
        max_chars=80,
    ),
    Rule(
        name="time_line",
        role="dateline",
        pattern=r"^\d{1,2}[:.h]\d{2}\s*(?:[ap]\.?m\.?)?\s*(?:[A-Z]{3,4})$",
        max_chars=20,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        needs=_DASHES,
        pattern=rf"^(?P<span>{_SHOUTED_PLACE}(?:{_REGION})?(?:,\s+{DATE})?\s*(?:{_AGENCY_IN_BRACKETS})?{_DASH}){_BEGIN}",
        max_chars=_WHOLE_PARAGRAPH,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        needs=_DASHES,
        pattern=rf"^(?P<span>{_PLACE}(?:{_REGION})?(?:,\s+{DATE})?\s*{_AGENCY_IN_BRACKETS}{_DASH}){_BEGIN}",
        max_chars=_WHOLE_PARAGRAPH,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        needs=_DASHES,
        pattern=rf"^(?P<span>{_PLACE}(?:{_REGION})?,\s+{DATE}\s*{_DASH}){_BEGIN}",
        max_chars=_WHOLE_PARAGRAPH,
    ),
    Rule(
        name="byline_and_date",
        role="dateline",
        needs=_DIGITS,
        pattern=rf"(?i)[|·•–—]\s*{DATED}$",
        region=Region.EDGE,
        max_chars=200,
    ),
)

BYLINE_RULES = (
    Rule(
        name="source_and_author",
        role="byline",
        pattern=r"(?:来源|作者|记者|撰文|责任编辑|编辑|翻译|译者)\s*[:：]\s*[^\s:：]{2,20}",
        region=Region.EDGE,
        max_chars=120,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^[(\[]?{_BY}{NAMES}{_JOB}\s*[|·•)\]]?$",
        region=Region.EDGE,
        max_chars=200,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=r"^(?:By|BY) \p{Lu}[\p{L}\p{M}.'’-]+(?: \p{Lu}[\p{L}\p{M}.'’-]*){1,3}$",
        max_chars=60,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^[—–-]\s*{NAME}(?:, (?:The )?\p{{Lu}}[^,.]{{2,50}})?,?\s*",
        region=Region.HEAD,
        max_chars=140,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^{NAME},\s(?:\p{{Lu}}[\p{{L}}-]+ ){{0,2}}(?:Professor|Lecturer|Fellow|Researcher|Reporter"
        r"|Correspondent|Editor|Writer|Columnist|Director|Teaching|Research|Reader|Postdoctoral|PhD|Candidate)\b"
        r"[^.!?]{0,160}$",
        region=Region.HEAD,
        max_chars=220,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^(?:Posted|Published|Written|Submitted) by {NAME}",
        region=Region.HEAD,
        max_chars=160,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=r"^(?:作者|记者|撰文|编辑|责任编辑|翻译|编译|来源|文)\s*[:：/|丨]\s*.{1,40}$",
        region=Region.EDGE,
        max_chars=60,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=r"^(?:بقلم|كتب|كتبت|إعداد|تقرير)\s*[:：/]?\s+.{2,60}$",
        region=Region.EDGE,
        max_chars=80,
    ),
    # What is left of a line whose byline was cut out.
    Rule(
        name="byline_and_date",
        role="dateline",
        needs=_DIGITS,
        pattern=rf"^(?:on|le|am|el) {WEEKDAY}{DATE}{TIME}",
        region=Region.HEAD,
        max_chars=120,
    ),
    Rule(
        name="byline_and_date",
        role="dateline",
        needs=_DIGITS,
        pattern=rf"(?i)^{DATED}$",
        region=Region.HEAD,
        max_chars=60,
    ),
    Rule(
        name="credits",
        role="byline",
        pattern=r"^[(\[]?(?:(?:Additional r|R)eporting|Writing|Editing|Edited|Compiled|Translated|Translation|Written)"
        r"(?: and (?:writing|editing|reporting))? by\s+\p{Lu}..+$",
        region=Region.TAIL,
        max_chars=300,
    ),
    Rule(
        name="credits",
        role="byline",
        needs=("contributed",),
        pattern=rf"^{NAMES} contributed (?:\w+ )?to this (?:report|story|article)\.?$",
        region=Region.TAIL,
        max_chars=200,
    ),
    Rule(
        name="author_note",
        role="byline",
        needs=("reporter", "correspondent", "editor", "writer", "columnist", "journalist", "fellow", "contributor"),
        pattern=rf"^{NAME} is (?:a|an|the) (?:[\w-]+ ){{0,6}}?(?:reporter|correspondent|editor|writer|columnist"
        r"|journalist|fellow|contributor)\b.*$",
        region=Region.TAIL,
        max_chars=400,
    ),
    Rule(
        name="author_note",
        role="byline",
        needs=("covers", "writes", "reports"),
        pattern=rf"^{NAME} (?:covers|writes (?:about|for|on)|reports (?:on|for|from)) ..+$",
        region=Region.TAIL,
        max_chars=300,
    ),
)
