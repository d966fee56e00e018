"""A decision in the sentences that a counterparty is told."""

from medspace.core.decision import Decision

_MOST = 8


def clause_of(decision: Decision) -> str | None:
    """The first clause that stands against it."""
    return next((premise.clause for premise in decision.failures), None)


def sentences(decision: Decision) -> tuple[str, ...]:
    """What stands against it: the clause, what it asks, what is the case, what would change it."""
    return tuple(
        f"{premise.clause}: {premise.asked} {premise.held}{f' {premise.remedy}' if premise.remedy else ''}"
        for premise in decision.failures[:_MOST]
    )
