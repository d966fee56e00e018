"""Stand-in until the room's own is here: whether a use fits."""

from dataclasses import dataclass

from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.text import Text


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be taken."""

    year: int
    agreement: int | None = None
    task: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken."""

    year: int
    agreement: int


def decide(allowed: Allowed, taken: Taken, demand: int) -> Decision:
    """Whether it fits."""
    return combine(
        _one("budget.year", taken.year + demand, allowed.year),
        _one("budget.agreement", taken.agreement + demand, allowed.agreement),
        _one("budget.task", demand, allowed.task),
    )


def _one(code: str, wanted: int, most: int | None) -> Decision:
    ok = most is None or wanted <= most
    premise = Premise(code, Text("{most}", {"most": most or 0}), Text("{wanted}", {"wanted": wanted}), ok)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else code, (premise,))
