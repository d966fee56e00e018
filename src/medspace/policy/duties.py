"""Duties that outlast a use: what its user owes once it is over, until when, and how that is said.

A duty of a contract may have one deadline, `elapsedTime lteq` an xsd:duration: "a continuous elapsed time period
which may be used for exercising of the action of the rule" (ODRL Vocabulary 3.9.1). It runs from the end of each use.
Without one, a day is given. Other constraints on duties cannot be kept by anybody here, and make a policy
unenforceable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from medspace.core.text import Text, counted, msgid
from medspace.policy import durations
from medspace.policy.actions import DUTIES, action_of, covers
from medspace.policy.model import Atomic, Policy, Rule

DELETE, INFORM, REPORT, ATTRIBUTE = "delete", "inform", "medspace:report", "attribute"
OWED = (DELETE, INFORM, REPORT, ATTRIBUTE)  # by the user of the data; all other duties are the holder's own
ELAPSED, WITHIN = "elapsedTime", "lteq"
A_DAY = 24 * 3600
_WITHIN_A_DAY = timedelta(seconds=A_DAY)

# What is owed {within} the time that the contract gives.
_LINES: Mapping[str, str] = {
    DELETE: msgid(
        "You delete what was made with the data, models and cached parts, {within} of the end of each use."
    ),
    INFORM: msgid("You tell the data holder what became of each use {within} of its end."),
    REPORT: msgid("You report to the data holder what each use did and made {within} of its end."),
    ATTRIBUTE: msgid("You name the data holder as a source of each model and prove it, {within} of the use's end."),
}


@dataclass(frozen=True, slots=True)
class OwedAction:
    """What a user owes once a use is over: the clause of the contract, the action, and how long there is for it."""

    clause: str
    action: str
    within: timedelta


class DeadlineError(ValueError):
    """A condition of a duty that is no deadline; `reason` says what it would have to be."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def deadline(action: str, operand: str, operator: str, right: tuple[str, ...], clause: str) -> Atomic:
    """The deadline of a duty, as a constraint whose value is a number of seconds.

    Raises:
        DeadlineError: it is another condition, or not a duration.
    """
    if action not in OWED or (operand, operator) != (ELAPSED, WITHIN):
        raise DeadlineError(Text(msgid("a duty here has no condition but a time within which it is fulfilled")))
    length = _seconds(right[0]) if len(right) == 1 else 0
    if not length:
        raise DeadlineError(Text(msgid("the time of a duty is a duration such as P30D, at most 99999 days")))
    return Atomic(operand, operator, right, clause, length, within(length))


def _seconds(text: str) -> int:
    try:
        return int(durations.read(text).total_seconds())
    except ValueError:
        return 0  # which nobody can keep either


def within(length: int) -> Text:
    """A time to do something in, as part of a sentence."""
    if not length % A_DAY:
        return counted(length // A_DAY, msgid("within one day"), msgid("within {count} days"))
    if not length % 3600:
        return counted(length // 3600, msgid("within one hour"), msgid("within {count} hours"))
    return counted(length, msgid("within one second"), msgid("within {count} seconds"))


def line(duty: Rule) -> Text | None:
    """A duty as a sentence; None for one that this room has no words for."""
    if duty.action in _LINES:
        return Text(_LINES[duty.action], {"within": within(length(duty))})
    return DUTIES.get(duty.action)


def owed(policy: Policy, kind: str) -> tuple[OwedAction, ...]:
    """What the user owes after a use of that kind (a DSP format); nothing under a policy with a flaw."""
    if policy.flaws:
        return ()
    return tuple(
        OwedAction(duty.clause, duty.action, timedelta(seconds=length(duty)))
        for duty in _duties(policy, action_of(kind))
        if duty.action in OWED
    )


def _duties(policy: Policy, action: str) -> Iterator[Rule]:
    yield from policy.obligations
    for rule in policy.permissions:
        if covers(rule.action, action):
            yield from rule.duties


def owing(policy: Policy) -> Iterator[Rule]:
    """Every duty of a policy, whatever kind of use it follows."""
    yield from policy.obligations
    for rule in policy.permissions:
        yield from rule.duties


def length(duty: Rule) -> int:
    """How many seconds there are to fulfil a duty; a day where it does not say."""
    times = [one.value for one in duty.constraints if isinstance(one, Atomic) and isinstance(one.value, int)]
    return min(times, default=int(_WITHIN_A_DAY.total_seconds()))
