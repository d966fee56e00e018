"""The left operands about who the user is to the space, which program runs, and what is the case at the holder.

Roles and the security level are what the authority signed in the members list; events and states are what the holder
says of the asset in its label; the program is the kind of task, which the holder runs itself.
"""

import re
from collections.abc import Mapping

from medspace.core.text import Fact, Text, counted, msgid
from medspace.policy import durations
from medspace.policy.model import UseRequest
from medspace.policy.operand import ORDER, Operand, Test, one_of, terms
from medspace.policy.points import Point

ELAPSED, LEVEL, ROLE = "elapsedTime", "medspace:securityLevel", "medspace:role"
APPLICATION, EVENT, STATE = "medspace:application", "event", "medspace:state"

# The trust levels of IDS-RAM, as roles of the members list: the authority signs what it has checked.
LEVELS: Mapping[str, int] = {"security-base": 1, "security-trust": 2, "security-trust-plus": 3}
LEVEL_WORDS = {1: Text(msgid("base")), 2: Text(msgid("trust")), 3: Text(msgid("trust+"))}
NO_LEVEL = Text(msgid("none"))

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_DAY, _HOUR = 86_400, 3_600


def _seconds(text: str) -> int:
    """The seconds of a duration, such as P30D or PT12H; raises ValueError as `durations.read`."""
    return int(durations.read(text).total_seconds())


def lasting(value: int) -> Text:
    """A number of seconds in words."""
    if value and not value % _DAY:
        return counted(value // _DAY, msgid("{count} day"), msgid("{count} days"))
    if value and not value % _HOUR:
        return counted(value // _HOUR, msgid("{count} hour"), msgid("{count} hours"))
    return counted(value, msgid("{count} second"), msgid("{count} seconds"))


def level(roles: tuple[str, ...]) -> int:
    """The highest security level among the roles of a member; 0 where the authority signed none."""
    return max((LEVELS.get(role, 0) for role in roles), default=0)


def _read_level(text: str) -> int:
    for name, value in LEVELS.items():
        if text in (name, name.removeprefix("security-")):
            return value
    raise ValueError(text)


def _level(request: UseRequest) -> int | None:
    return None if request.roles is None else level(request.roles)


_SOME: Mapping[str, Test] = {
    "isAnyOf": lambda held, listed: not set(held).isdisjoint(listed),
    "isAllOf": lambda held, listed: set(listed) <= set(held),
    "isNoneOf": lambda held, listed: set(held).isdisjoint(listed),
}


def _show_level(value: int) -> Fact | Text:
    return LEVEL_WORDS.get(value, NO_LEVEL)


ROWS = (
    Operand(
        name=ELAPSED,
        code="policy.elapsed",
        since=Point.TRANSFER,
        until=Point.AFTER,
        read=_seconds,
        fact=lambda request: request.elapsed,
        tests={name: ORDER[name] for name in ("lt", "lteq")},
        show=lasting,
        phrases={
            "lt": msgid("for less than {value} after the agreement was made"),
            "lteq": msgid("for {value} after the agreement was made"),
        },
        states=msgid("The agreement was made {held} ago."),
        remedy=msgid("Ask the data holder for a new agreement."),
        drifts=True,
        unread=msgid("{value} is not a duration in days, hours, minutes and seconds, such as P30D or PT12H"),
    ),
    Operand(
        name=ROLE,
        code="policy.role",
        since=Point.TRANSFER,  # and before, where the user is known
        read=one_of(_NAME),
        fact=lambda request: request.roles,
        tests=_SOME,
        show=str,
        phrases={
            "isAnyOf": msgid("by members in the role {value}"),
            "isAllOf": msgid("by members in all of these roles: {value}"),
            "isNoneOf": msgid("by members who are not in the role {value}"),
        },
        states=msgid("The roles of the user are: {held}."),
        remedy=msgid("Ask the authority of the space for that role, or the data holder for other terms."),
        unstated=msgid("Say who the user is: `medspace policy try` takes --as with a DID."),
    ),
    Operand(
        name=LEVEL,
        code="policy.security_level",
        since=Point.TRANSFER,
        read=_read_level,
        fact=_level,
        tests={"gteq": ORDER["gteq"]},
        show=_show_level,
        phrases={
            "gteq": msgid("by members whose connector was certified for the security level {value} or a higher one")
        },
        states=msgid("The security level of the user's connector is: {held}."),
        remedy=msgid("Have the authority certify the connector; it signs the level as a role of the members list."),
        unstated=msgid("Say who the user is: `medspace policy try` takes --as with a DID."),
    ),
    Operand(
        name=APPLICATION,
        code="policy.application",
        since=Point.COMPUTE,
        read=one_of(_NAME),
        fact=lambda request: request.application,
        tests=terms(lambda held, named: bool(held == named)),
        show=str,
        phrases={
            "eq": msgid("by the program {value}"),
            "neq": msgid("by any program but {value}"),
            "isAnyOf": msgid("by the program {value}"),
            "isNoneOf": msgid("by any program but {value}"),
        },
        states=msgid("The program is {held}."),
        remedy=msgid("State a kind of task that the terms allow."),
    ),
    Operand(
        name=EVENT,
        code="policy.event",
        since=Point.TRANSFER,
        until=Point.AFTER,
        read=one_of(_NAME),
        fact=lambda request: request.events,
        tests=_SOME,
        show=str,
        phrases={
            "isAnyOf": msgid("once the data holder has recorded the event {value}"),
            "isAllOf": msgid("once the data holder has recorded all of these events: {value}"),
            "isNoneOf": msgid("until the data holder records the event {value}"),
        },
        states=msgid("The events that the data holder has recorded: {held}."),
        remedy=msgid("Wait for the event, and for the data holder to record it in the label of the data."),
        drifts=True,
    ),
    Operand(
        name=STATE,
        code="policy.state",
        since=Point.TRANSFER,
        until=Point.AFTER,
        read=one_of(_NAME),
        fact=lambda request: request.states,
        tests=_SOME,
        show=str,
        phrases={
            "isAnyOf": msgid("while the data holder says that the state is {value}"),
            "isAllOf": msgid("while the data holder says that all of these states hold: {value}"),
            "isNoneOf": msgid("while the data holder does not say that the state is {value}"),
        },
        states=msgid("The state, as the data holder says it: {held}."),
        remedy=msgid("Ask the data holder, who says the state in the label of the data."),
        drifts=True,
    ),
)
