"""Pieces of patterns that several groups of rules share: dates, names, and whoever supplies pictures.

Repetitions are unbounded where the length of the line bounds them (`Rule.max_chars`): a counted repetition of a class
of letters is compiled once per count.
"""

from flows.normalize.literals import needed_words

# --- dates ---

MONTHS = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
MONTHS_ELSEWHERE = (
    r"(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    r"|Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
    r"|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
    r"|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro"
    r"|января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
    r"|يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر)"
)
DATE = (
    rf"(?:{MONTHS}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s+{MONTHS}(?:,?\s+\d{{4}})?"
    rf"|\d{{1,2}}\.?\s+(?:de\s+)?{MONTHS_ELSEWHERE}(?:\s+(?:de\s+)?\d{{4}})?"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    r"|\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日)"
)
WEEKDAY = (
    r"(?:(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?\.?,?\s+"
    r"|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    r"|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag"
    r"|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
    r"|الأحد|الاثنين|الإثنين|الثلاثاء|الأربعاء|الخميس|الجمعة|السبت),?\s+)?"
)
TIME = (
    r"(?:[T\s,|·•–-]*(?:at\s+|à\s+|um\s+|a las\s+)?\d{1,2}[:.h]\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:[ap]\.?m\.?|Uhr|h)?"
    r"\s*(?:Z|[+-]\d{2}:?\d{2}|\(?[A-Z]{2,5}\)?)?)?"
)
DATE_LABEL = (
    r"(?:(?:first\s+)?(?:published|posted|updated|last\s+updated|last\s+modified|modified|created|date|dated|issued)"
    r"(?:\s+(?:on|at))?|on|last update"
    r"|publié(?:e)?\s+le|mis(?:e)?\s+à\s+jour\s+le|le"
    r"|veröffentlicht(?:\s+am)?|aktualisiert(?:\s+am)?|stand"
    r"|publicado(?:\s+el)?|actualizado(?:\s+el)?|fecha"
    r"|发布时间|发布于|更新时间|时间|日期|تاريخ النشر|نشر في)\s*[:：]?\s*"
)
# A date with all that may stand around it; `(?i)` is for the rule that uses it.
DATED = rf"(?:{DATE_LABEL})?{WEEKDAY}(?:le\s+|den\s+)?{DATE}{TIME}"

# --- names ---

# Names as bylines write them: words with a capital, joined by particles.
_PARTICLE = r"(?:de|da|di|del|della|la|le|van|von|der|den|bin|al|el|ben|dos|du|y|e)\b"
NAME = rf"\p{{Lu}}[\p{{L}}\p{{M}}.'’-]*(?:\s+(?:\p{{Lu}}[\p{{L}}\p{{M}}.'’-]*|{_PARTICLE}))*"
NAMES = rf"{NAME}(?:\s*(?:,|&|and|und|et|y|e)\s+{NAME})*"

# --- pictures ---

AGENCY = (
    r"(?:AFP(?: Photo)?|AP(?: Photo| Images)?|Associated Press|Reuters|REUTERS|Getty(?: Images)?|EPA(?:-EFE)?|EFE"
    r"|dpa|DPA|Xinhua|IC [Pp]hoto|Visual China(?: Group)?|VCG|CNS [Pp]hoto|Shutterstock|iStock"
    r"|Alamy(?: Stock Photo)?|Bloomberg|Anadolu(?: Agency)?|ANSA|TASS|Kyodo(?: News)?|Yonhap"
    r"|PA (?:Media|Wire|Images)|NurPhoto|Zuma(?: Press)?|Unsplash"
    r"|Pexels|Pixabay|Wikimedia Commons|Imago|Sipa(?: USA)?|Magnum Photos|Picture Alliance|UPI|[Ff]ile [Pp]hoto"
    r"|[Cc]ourtesy [Pp]hoto|[Hh]andout(?: [Pp]hoto)?|Adobe Stock|Depositphotos|Rex Features)"
)
# Words of which every text that names one of them holds one.
AGENCIES = tuple(sorted(needed_words(AGENCY) or ()))
