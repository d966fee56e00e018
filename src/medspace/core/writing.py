"""How cells are written in a file, where a data dictionary has them otherwise: decimal commas, `31.01.2023`.

A column's `written` names the way; `canonical` gives the cell as the dictionary's types know it (`1234.5`, an ISO
date). A cell that is not written so stays as it is, without the blanks around it, so that the check of the table
finds it. The adapters do the same in SQL, from the same expressions.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

PADDED = "padded"  # blanks around cells, and nothing else
PERCENT = " %"
# How a number may be written: what stands between thousands, and what before the fraction.
NUMBERS = {
    "1234.5": ("", "."),
    "1234,5": ("", ","),
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1 234.5": (" ", "."),
    "1'234.5": ("'", "."),
}
EXPONENT = "([eE][+-]?[0-9]+)?"
TIME = r"([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AaPp][Mm]|Z)?)?"  # a time of day is dropped
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
OTHER_MONTHS = {"mär": "mar", "mrz": "mar", "mai": "may", "okt": "oct", "dez": "dec"}  # in German
LIMIT = r"[<>≤≥]=? *"  # before a number: beyond what could be measured
LIMITS = ("missing", "value")
KEPT = 128  # expressions that are remembered
EARLIEST, LATEST = 1800, 2100  # the first year of a century
_PARTS = {
    "YYYY": "([0-9]{4})",
    "YY": "([0-9]{2})",
    "MON": r"([A-Za-zä]{3})[A-Za-z]*\.?",
    "MM": "([0-9]{1,2})",
    "DD": "([0-9]{1,2})",
}
_TOKEN = re.compile("YYYY|YY|MON|MM|DD")


@dataclass(frozen=True, slots=True)
class DateWriting:
    """An expression for a whole cell, and which of its groups are year, month and day; of RE2 and of Python."""

    pattern: str
    year: int
    month: int
    day: int
    named: bool  # the month is a word
    short: bool  # the year has two digits


@lru_cache(maxsize=KEPT)
def number_pattern(written: str) -> str:
    """The expression that a number written so keeps to as a whole."""
    group, mark = NUMBERS[written.removesuffix(PERCENT)]
    whole = f"([0-9]{{1,3}}({re.escape(group)}[0-9]{{3}})+|[0-9]+)" if group else "[0-9]+"
    fraction = re.escape(mark)
    percent = " *%" if written.endswith(PERCENT) else ""
    return f"[+-]?({whole}({fraction}[0-9]*)?|{fraction}[0-9]+){EXPONENT}{percent}"


def is_number_writing(written: str) -> bool:
    """Whether it is a way to write numbers."""
    return written.removesuffix(PERCENT) in NUMBERS


@lru_cache(maxsize=KEPT)
def date_writing(written: str) -> DateWriting | None:
    """What a pattern such as `DD.MM.YYYY` says; None where it is none: each part once, what is between them short."""
    parts = _TOKEN.findall(written)
    between = _TOKEN.sub("", written)
    years, months = [part for part in parts if part[0] == "Y"], [part for part in parts if part[0] == "M"]
    if len(parts) != 3 or len(years) != 1 or len(months) != 1 or not re.fullmatch("[-./ 年月日]{0,4}", between):  # noqa: PLR2004 - a day has three
        return None
    texts = dict(_PARTS)
    if not between:  # without anything between them they have all their digits
        texts |= {"MM": "([0-9]{2})", "DD": "([0-9]{2})"}
    pattern = "".join(texts.get(part, re.escape(part)) for part in re.split("(YYYY|YY|MON|MM|DD)", written))
    place = {part: at for at, part in enumerate(parts, start=1)}
    return DateWriting(
        pattern + TIME, place[years[0]], place[months[0]], place["DD"], "MON" in place, years[0] == "YY"
    )


def canonical(
    cell: str, written: str, century: int | None = None, limits: str = "", missing: Collection[str] = ()
) -> str:
    """A cell as a dictionary has it. A two-digit year is in the hundred years that begin with `century`.

    `limits` says what a number beyond a limit of detection, such as `<0.5`, is: `missing`, or the limit (`value`). A
    mark of `missing` values stays as it is: it is named as it stands in the file.
    """
    text = cell.strip(" \t")
    if text in missing:
        return text
    if limits and re.match(LIMIT, text):
        if limits == "missing":
            return ""
        text = re.sub("^" + LIMIT, "", text)
    if is_number_writing(written):
        return _number(text, written)
    day = date_writing(written)
    return text if day is None else _date(text, day, century)


def _number(text: str, written: str) -> str:
    if not re.fullmatch(number_pattern(written), text):
        return text
    group, mark = NUMBERS[written.removesuffix(PERCENT)]
    plain = text.replace(group, "") if group else text
    return plain.rstrip("%").rstrip(" ").replace(mark, ".")


def _date(text: str, writing: DateWriting, century: int | None) -> str:
    found = re.fullmatch(writing.pattern, text)
    if found is None:
        return text
    year, month = int(found[writing.year]), found[writing.month]
    if writing.named:
        word = OTHER_MONTHS.get(month.lower(), month.lower())
        if word not in MONTHS:
            return text
        month = str(MONTHS.index(word) + 1)
    if writing.short:
        if century is None:
            return text
        year = century + (year - century) % 100
    return f"{year:04}-{int(month):02}-{int(found[writing.day]):02}"


def is_day(text: str) -> bool:
    """Whether a canonical text is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2026-01-31")
