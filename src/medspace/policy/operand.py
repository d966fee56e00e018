"""What a left operand consists of, and what several of them are made of: reading and comparing.

The operands themselves are in `operands`.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from medspace.core.text import Fact, Text, msgid
from medspace.policy.logic import any_of, negated
from medspace.policy.model import Atomic, UseRequest, Value
from medspace.policy.points import ROAD, Point

# A comparison of the actual value with the requested one; None where they cannot be compared. Both have the types
# that the same row reads, which the type checker cannot infer from the table.
Test = Callable[[Any, Any], bool | None]

# Operators whose right operand is a list; every other operator takes exactly one value.
LISTED = frozenset({"isAllOf", "isAnyOf", "isNoneOf"})

# At an early point, only answers that time and counting cannot change are final: an end that has passed, a start that
# was reached.
FINAL = {"lt": False, "lteq": False, "gt": True, "gteq": True}


@dataclass(frozen=True, slots=True)
class Operand:
    """One left operand.

    `since` is the first point at which it is decided, `until` the last one that can enforce it; `drifts` says that
    its value changes with time, so that an early answer is not final. `read` parses one written value and raises
    ValueError; `fact` takes the actual value from a request; `show` formats a value for people; `phrases` has the
    wording of a constraint by operator, as part of a sentence (`single` where the value is 1), `line` the same as a
    line of the contract, `states` the actual value, `remedy` what would change it, `unstated` the wording where the
    actual value is unknown; `unread` says what is wrong with a value that cannot be read. `helps` says what would
    change it where that depends on what is asked, in place of `remedy`.
    """

    name: str
    code: str
    since: Point
    read: Callable[[str], Value]
    fact: Callable[[UseRequest], Value | None]
    tests: Mapping[str, Test]
    show: Callable[[Any], Fact | Text]
    phrases: Mapping[str, str]
    states: str
    remedy: str
    line: str = msgid("Only {phrase}.")
    single: Mapping[str, str] = field(default_factory=dict)
    drifts: bool = False
    unread: str = msgid("{value} is not a value of {name}")
    unstated: str = ""
    until: Point = Point.RELEASE
    helps: Callable[[Atomic, UseRequest], Text] | None = None

    @property
    def places(self) -> tuple[Point, ...]:
        """Where it can be enforced."""
        return ROAD[self.since : self.until + 1]


# --- reading values --------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def read_number(text: str) -> int:
    """A whole number of at most nine digits.

    Raises:
        ValueError: it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def one_of(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Reads a text that has this form; raises ValueError for others."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return read


def member_of(known: Mapping[str, object]) -> Callable[[str], str]:
    """Reads one of these names; raises ValueError for others."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return read


# --- comparing -------------------------------------------------------------------------------------------------


def matching_any(one: Test) -> Test:
    """Whether at least one of a list matches."""
    return lambda held, listed: any_of(map(one, repeat(held), listed))


def opposite(test: Test) -> Test:
    """The opposite answer; undecided stays undecided."""
    return lambda held, value: negated(test(held, value))


def terms(one: Test, **more: Test) -> Mapping[str, Test]:
    """The operators for terms: equal to one term or to one of a list, and their opposites."""
    return {
        "eq": one,
        "neq": opposite(one),
        "isAnyOf": matching_any(one),
        "isNoneOf": opposite(matching_any(one)),
        **more,
    }


ORDER: Mapping[str, Test] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
