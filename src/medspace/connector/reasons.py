"""A decision in the sentences that a counterparty is told."""

from medspace.core.decision import Decision, Premise
from medspace.core.text import STOPS

_MOST = 8


def clause_of(decision: Decision) -> str | None:
    """The first clause that stands against it."""
    return next((premise.clause for premise in decision.failures), None)


def sentences(decision: Decision) -> tuple[str, ...]:
    """What stands against it: the clause, what it asks, what is the case, what would change it."""
    against = [premise for premise in decision.failures if _decided(premise)] or list(decision.failures)
    return tuple(_sentence(premise) for premise in against[:_MOST])


def _decided(premise: Premise) -> bool:
    # What is only left to a later point says so, and has no remedy.
    return premise.satisfied is False or premise.remedy is not None


def _sentence(premise: Premise) -> str:
    told = [str(text) for text in (premise.asked, premise.held, premise.remedy) if text is not None]
    return f"{premise.clause}: " + " ".join(text if text.endswith(STOPS) else f"{text}." for text in told)
