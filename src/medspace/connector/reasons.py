"""A decision in the sentences that a counterparty is given."""

from medspace.core.decision import Decision, Premise
from medspace.core.text import STOPS, Text, msgid

REQUIRED = msgid("Required: {asked}.")
_MOST = 8


def clause_of(decision: Decision) -> str | None:
    """The first clause that denies the request."""
    return next((premise.clause for premise in decision.failures), None)


def sentences(decision: Decision) -> tuple[str, ...]:
    """The reasons for a denial: the clause, what it requires, what is the case, what would change it."""
    against = [premise for premise in decision.failures if _decided(premise)] or list(decision.failures)
    return tuple(_sentence(premise) for premise in against[:_MOST])


def _decided(premise: Premise) -> bool:
    # A premise that is only left to a later point says so, and has no remedy.
    return premise.satisfied is False or premise.remedy is not None


def _sentence(premise: Premise) -> str:
    told = [str(text) for text in (premise.held, premise.remedy) if text is not None]
    asked = str(premise.asked)  # a part of a sentence, such as "by users in DE", or a whole one
    first = asked if asked.endswith(STOPS) else str(Text(REQUIRED, {"asked": asked}))
    return f"{premise.clause}: " + " ".join([first, *(text if text.endswith(STOPS) else f"{text}." for text in told)])
