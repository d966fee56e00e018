"""One log line per kind of event and minute: events caused by others must not fill the disk (CWE-779).

A kind is who logs, what, and the code in its facts. The next line of a kind, or the first line of any kind once the
minute is over, tells how many were left out.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0
MOST_KINDS = 256  # beyond them, kinds share one line
LONGEST_KIND = 120  # characters
REST: tuple[str, str, str] = ("", "other", "")

_Kind = tuple[str, str, str]


@dataclass(slots=True)
class _Told:
    since: float
    omitted: int = 0


class Quiet(logging.Filter):
    """Lets one record of each kind through in `every` seconds; `level` and above only; the rest is caused by us."""

    def __init__(
        self,
        every: float = MINUTE,
        level: int = logging.WARNING,
        now: Callable[[], float] = time.monotonic,
        tell: Callable[[logging.LogRecord], object] | None = None,
    ) -> None:
        super().__init__()
        self._every = every
        self._level = level
        self._now = now
        self._tell = tell
        self._told: dict[_Kind, _Told] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; it carries `omitted` if others of its kind were dropped."""
        if record.levelno < self._level or getattr(record, "counted", False):
            return True
        now, kind = self._now(), _kind(record)
        told = self._told.get(kind)
        if told is None and len(self._told) >= MOST_KINDS:
            kind, told = REST, self._told.get(REST)
        if told is not None and now - told.since < self._every:
            told.omitted += 1
            return False
        if told is not None and told.omitted:
            record.omitted = told.omitted
        self._told[kind] = _Told(now)
        self._sum_up(now)
        return True

    def _sum_up(self, now: float) -> None:
        over = [kind for kind, told in self._told.items() if now - told.since >= self._every]
        for kind in over:
            told = self._told.pop(kind)
            if told.omitted and self._tell is not None:
                self._tell(_summary(kind, told.omitted))


def _kind(record: logging.LogRecord) -> _Kind:
    facts = getattr(record, "facts", {})
    code = facts.get("code", "") if isinstance(facts, dict) else ""
    said = str(record.msg).partition("\n")[0][:LONGEST_KIND]
    return record.name, said, str(code)[:LONGEST_KIND]


def _summary(kind: _Kind, omitted: int) -> logging.LogRecord:
    name, said, code = kind
    record = logging.LogRecord(name, logging.WARNING, "", 0, "log.omitted", None, None)
    record.facts = {"kind": said, "code": code} if code else {"kind": said}
    record.omitted = omitted
    record.counted = True
    return record
