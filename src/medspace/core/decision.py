"""Decisions are values with reasons: never a bare boolean."""

from dataclasses import dataclass
from enum import StrEnum

from medspace.core.text import Text

NONE = "decision.none"
CODES = frozenset({NONE})


class Verdict(StrEnum):
    """The three answers. Only PERMIT lets anything happen."""

    PERMIT = "permit"
    DENY = "deny"
    UNENFORCEABLE = "unenforceable"


@dataclass(frozen=True, slots=True)
class Premise:
    """One thing that was looked at.

    `clause` says which rule it is (a JSON pointer into the policy, or a name such as `label.purposes`);
    `asked` what it demands; `held` what was the case; `satisfied` None where it could not be decided;
    `remedy` what would change the answer.
    """

    clause: str
    asked: Text
    held: Text
    satisfied: bool | None
    remedy: Text | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with all its premises; `code` is stable and names the reason of the verdict."""

    verdict: Verdict
    code: str
    premises: tuple[Premise, ...] = ()

    @property
    def permitted(self) -> bool:
        """Whether it may happen."""
        return self.verdict is Verdict.PERMIT

    @property
    def failures(self) -> tuple[Premise, ...]:
        """The premises that were not met or could not be decided."""
        return tuple(premise for premise in self.premises if premise.satisfied is not True)


def combine(*decisions: Decision) -> Decision:
    """All must permit; the worst verdict wins and its code is kept, with every premise of every decision.

    The premises of the worst come first: the first failure is the one that the code names. Without any decision
    the answer is deny: nobody said yes.
    """
    if not decisions:
        return Decision(Verdict.DENY, NONE)
    ranks = (Verdict.UNENFORCEABLE, Verdict.DENY, Verdict.PERMIT)
    ordered = sorted(decisions, key=lambda decision: ranks.index(decision.verdict))
    return Decision(ordered[0].verdict, ordered[0].code, tuple(p for d in ordered for p in d.premises))
