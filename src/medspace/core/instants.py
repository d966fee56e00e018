"""Bounds of time as people write them: a day, or an instant with its zone.

A day is that of UTC, whoever reads it wherever: it begins with its first instant, and ends where the next day begins.
A time without a zone names no instant, so it is refused rather than guessed (RFC 3339, 4.4).
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from medspace.core.text import Text, msgid

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII
)


class BoundError(ValueError):
    """What was written is not a bound of time; `reason` says how to write one."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def bound(value: object, *, last: bool) -> datetime:
    """The instant that a bound names, in UTC.

    `value` is a text, or what TOML makes of one that has no quotes. Of a day it is the first instant, and where
    `last`, the one that the day ends with.

    Raises:
        BoundError: it is neither a day nor an instant, or a time without a zone.
    """
    try:
        return _bound(value, last=last)
    except (ValueError, OverflowError) as error:
        if isinstance(error, BoundError):
            raise
        raise _neither(value) from None


def last_day(value: object) -> str:
    """An end as people write it: the day that it ends with, where one does (UTC); else as it is."""
    try:
        end = bound(value, last=True)
    except BoundError:
        return str(value)
    if end.time() != time() or end.date() == date.min:
        return str(value)
    return (end.date() - timedelta(days=1)).isoformat()


def _bound(value: object, *, last: bool) -> datetime:
    if isinstance(value, str) and _DAY.fullmatch(value):
        value = date.fromisoformat(value)
    elif isinstance(value, str) and _INSTANT.fullmatch(value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            said = Text(msgid("{value} has no time zone: add it, such as Z or +01:00"), {"value": str(value)})
            raise BoundError(said)
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value + timedelta(days=int(last)), time(), UTC)
    raise _neither(value)


def _neither(value: object) -> BoundError:
    said = msgid(
        "{value} is neither a day, such as 2026-12-31, nor an instant with its zone, such as 2026-12-31T12:00:00Z"
    )
    shown = str(value)[:40]
    return BoundError(Text(said, {"value": shown}))
