"""Dates, times and both, of any precision, as FHIR writes them.

How they compare (FHIRPath 2.0.0, sections 6.1 and 6.2), and the least and the greatest that each may stand for (its
functions lowBoundary and highBoundary).
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from medspace.adapters.fhir.errors import PathError
from medspace.core.text import msgid

_DATE = r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
_TIME = r"(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]{1,9})?))?)?"
_WHOLE = re.compile(rf"{_DATE}(?:(?P<t>T)(?:{_TIME})?(?P<zone>Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?")
_CLOCK = re.compile(rf"T?{_TIME}")
_DATES = ("year", "month", "day")
_TIMES = ("hour", "minute", "second")
EARLIEST_ZONE, LATEST_ZONE = "+14:00", "-12:00"  # where a day begins first, and ends last
FARTHEST_ZONE = 14 * 60


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, a time or both: `parts` from the year (of a time: the hour) to the last that is known.

    `zone` is in minutes east of UTC, None where none is written; `clock` says that it is a time of no day.
    """

    text: str
    parts: tuple[Decimal | int, ...]
    zone: int | None = None
    clock: bool = False


def moment(text: str) -> Moment:
    """What a text says.

    Raises:
        PathError: it is no date and no time.
    """
    found = read_moment(text)
    if found is None:
        raise PathError(msgid("a date or a time in it is not one"))
    return found


def read_moment(text: str) -> Moment | None:
    """What a text says; None where it is no date and no time."""
    clock = text[:1] == "T" or text[2:3] == ":"
    match = (_CLOCK if clock else _WHOLE).fullmatch(text)
    if match is None:
        return None
    names = _TIMES if clock else _DATES + _TIMES
    said = [match[name] for name in names if match[name] is not None]
    parts = tuple(Decimal(each) if "." in each else int(each) for each in said)
    zone = None if clock else _zone(match["zone"])
    made = Moment(text.removeprefix("T"), parts, zone, clock)
    return made if _possible(made) else None


def _zone(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _possible(one: Moment) -> bool:
    day = () if one.clock else one.parts[:3]
    hours = one.parts if one.clock else one.parts[3:]
    if day and not int(day[0]) >= 1:
        return False
    if len(day) > 1 and not 1 <= day[1] <= 12:  # noqa: PLR2004 - months
        return False
    if len(day) > 2 and not 1 <= day[2] <= monthrange(int(day[0]), int(day[1]))[1]:  # noqa: PLR2004 - a whole date
        return False
    if any(not 0 <= hour < most for hour, most in zip(hours, (24, 60, 61), strict=False)):
        return False
    return abs(one.zone or 0) <= FARTHEST_ZONE


def compared(one: Moment, other: Moment) -> int | None:
    """Less than 0, 0 or more than 0 as `one` is earlier, the same or later; None where that cannot be known."""
    if one.clock != other.clock:
        return None
    if one.zone != other.zone:
        if one.zone is None or other.zone is None:
            return None
        one, other = _utc(one), _utc(other)
    for left, right in zip(one.parts, other.parts, strict=False):
        if left != right:
            return -1 if left < right else 1
    return 0 if len(one.parts) == len(other.parts) else None


def _utc(one: Moment) -> Moment:
    """The same in UTC, of the same precision."""
    year, month, day, hour, minute, second = (*map(int, one.parts[:5]), *(0,) * (5 - len(one.parts[:5])), 0)[:6]
    try:
        moved = datetime(year, month or 1, day or 1, hour, minute, second) - timedelta(minutes=one.zone or 0)  # noqa: DTZ001 - moved to UTC here
    except OverflowError:
        return one
    parts = (moved.year, moved.month, moved.day, moved.hour, moved.minute)
    return Moment(one.text, (*parts, *one.parts[5:])[: len(one.parts)], 0)


def boundary(one: Moment, kind: str, *, low: bool) -> str:
    """The least or the greatest `date`, `dateTime` (or `instant`) or `time` that a moment may stand for."""
    if one.clock:
        return _clock(one.parts, low=low)
    year, month, day = _days(one.parts, low=low)
    date = f"{year:04d}-{month:02d}-{day:02d}"
    if kind == "date":
        return date
    zone = (EARLIEST_ZONE if low else LATEST_ZONE) if one.zone is None else _written(one.zone)
    return f"{date}T{_clock(one.parts[3:], low=low)}{zone}"


def _days(parts: tuple[Decimal | int, ...], *, low: bool) -> tuple[int, int, int]:
    year = int(parts[0])
    month = int(parts[1]) if len(parts) > 1 else (1 if low else 12)
    day = int(parts[2]) if len(parts) > 2 else (1 if low else monthrange(year, month)[1])  # noqa: PLR2004 - a day
    return year, month, day


def _clock(parts: tuple[Decimal | int, ...], *, low: bool) -> str:
    hour, minute, second = (*parts, *(() if low else (23, 59, 59)[len(parts) :]), 0, 0, 0)[:3]
    whole = Decimal(second)
    thousandths = int(whole % 1 * 1000)
    if not low and whole == whole.to_integral_value() and not _fractional(parts):
        thousandths = 999
    return f"{int(hour):02d}:{int(minute):02d}:{int(whole):02d}.{thousandths:03d}"


def _fractional(parts: tuple[Decimal | int, ...]) -> bool:
    return len(parts) == len(_TIMES) and isinstance(parts[2], Decimal)


def _written(zone: int) -> str:
    if zone == 0:
        return "Z"
    return f"{'-' if zone < 0 else '+'}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}"
