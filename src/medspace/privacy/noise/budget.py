"""Whether a demand fits into a privacy budget: pure decisions on amounts of rho (units of 2**-40)."""

from dataclasses import dataclass
from math import ceil, floor

from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.text import Text, msgid
from medspace.privacy.noise.accounting import epsilon_of

_HUNDREDTHS = 100.0
_WORDS = {
    "budget.year": (
        msgid("at most epsilon {most} (delta {delta}) in a period of the dataset, over all users"),
        msgid("the task costs epsilon {wanted}, and what is left is enough for {left}"),
        msgid("State a smaller epsilon in the task, or wait for the holder's next period."),
    ),
    "budget.agreement": (
        msgid("at most epsilon {most} (delta {delta}) under one contract"),
        msgid("the task costs epsilon {wanted}, and what is left is enough for {left}"),
        msgid("State a smaller epsilon in the task, or ask the holder for terms that allow more."),
    ),
    "budget.task": (
        msgid("at most epsilon {most} (delta {delta}) for one task"),
        msgid("the task costs epsilon {wanted}"),
        msgid("State a smaller epsilon in the task."),
    ),
}
CODES = frozenset(_WORDS)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be spent in a period, under one agreement and by one task; None where there is no such limit.

    `delta` is the one at which it is shown to people.
    """

    year: int
    agreement: int | None = None
    task: int | None = None
    delta: float = 1e-5


@dataclass(frozen=True, slots=True)
class Taken:
    """What was spent in the period, by all, and under the agreement."""

    year: int
    agreement: int


def decide(allowed: Allowed, taken: Taken, demand: int) -> Decision:
    """Whether a demand still fits into all three limits.

    Raises:
        ValueError: the demand is negative.
    """
    if demand < 0:
        raise ValueError("nobody gives back by asking")
    limits = (
        ("budget.year", allowed.year, taken.year),
        ("budget.agreement", allowed.agreement, taken.agreement),
        ("budget.task", allowed.task, 0),
    )
    return combine(*(_one(code, most, before, demand, allowed.delta) for code, most, before in limits))


def _one(code: str, most: int | None, before: int, demand: int, delta: float) -> Decision:
    if most is None or before + demand <= most:
        return Decision(Verdict.PERMIT, "permitted")
    facts = {
        "most": f"{epsilon_of(most, delta):.2f}",  # as it was stated; its rho is a little less
        "left": _down(max(most - before, 0), delta),
        "wanted": _up(demand, delta),
        "delta": repr(delta),
    }
    asked, held, remedy = (Text(sentence, facts) for sentence in _WORDS[code])
    return Decision(Verdict.DENY, code, (Premise(code, asked, held, satisfied=False, remedy=remedy),))


def _down(rho: int, delta: float) -> str:
    return f"{floor(epsilon_of(rho, delta) * _HUNDREDTHS) / _HUNDREDTHS:.2f}"


def _up(rho: int, delta: float) -> str:
    return f"{ceil(epsilon_of(rho, delta) * _HUNDREDTHS) / _HUNDREDTHS:.2f}"
