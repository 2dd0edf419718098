"""Dates as pages write them."""

import re
from datetime import date

_MONTHS = {
    1: "jan января january januar jänner janvier enero gennaio janeiro يناير",
    2: "feb февраля february februar février febrero febbraio fevereiro فبراير",
    3: "mar марта march märz mars marzo março مارس",
    4: "apr апреля april avril abril aprile أبريل",
    5: "may мая mai mayo maggio maio مايو",
    6: "jun июня june juni juin junio giugno junho يونيو",
    7: "jul июля july juli juillet julio luglio julho يوليو",
    8: "aug августа august août agosto أغسطس",
    9: "sep сентября sept september septembre septiembre settembre setembro سبتمبر",
    10: "oct октября october oktober octobre octubre ottobre outubro أكتوبر",
    11: "nov ноября november novembre noviembre novembro نوفمبر",
    12: "dec декабря december dezember décembre diciembre dicembre dezembro ديسمبر",
}
_MONTH_NUMBERS = {name: number for number, names in _MONTHS.items() for name in names.split()}
_MONTH = "(?P<month>" + "|".join(sorted(_MONTH_NUMBERS, key=lambda name: (-len(name), name))) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d{2})"
# A date that is printed twice without a space ("3 May 20253 May 2025") goes on with a day.
_END = r"(?:(?!\d)|(?=\d{1,2}\s))"

# Day, month and year must all be there; of 03/04/2025 nobody knows which is the day, so slashes need a day over 12.
_FORMS = (
    re.compile(rf"(?<!\d){_YEAR}[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?!\d)"),
    re.compile(rf"{_YEAR}\s?年\s?(?P<month>\d{{1,2}})\s?月\s?(?P<day>\d{{1,2}})\s?日"),
    re.compile(rf"\b{_MONTH}\s+{_DAY},?\s+{_YEAR}{_END}", re.IGNORECASE),
    re.compile(rf"(?<!\d){_DAY}\.?\s+(?:de\s+)?{_MONTH}(?:,|\s+de)?\s+{_YEAR}{_END}", re.IGNORECASE),
    re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>1[3-9]|2\d|3[01])[/-](?P<month>\d{{1,2}})[/-]{_YEAR}(?!\d)"),
    re.compile(rf"(?<!\d)(?P<month>\d{{1,2}})[/-](?P<day>1[3-9]|2\d|3[01])[/-]{_YEAR}(?!\d)"),
)
_CHANGED = re.compile(
    r"(?:updated|modified|edited|aktualisiert|mise? à jour|actualizado|更新)[^\d]{0,30}$", re.IGNORECASE
)


def published_date(text: str) -> tuple[date, int, int] | None:
    """The day that a date line says the text was published: the first full date that is not that of a change.

    Returns:
        The date with start and count of its span in `text` (code points), or null where no full date is stated.
    """
    found = []
    for form in _FORMS:
        for match in form.finditer(text):
            month = match["month"].lower()
            try:
                day = date(int(match["year"]), _MONTH_NUMBERS.get(month) or int(month), int(match["day"]))
            except ValueError:
                continue
            found.append((match.start(), -match.end(), day))
    for start, minus_end, day in sorted(found):
        if not _CHANGED.search(text[:start]):
            return day, start, -minus_end - start
    return None
