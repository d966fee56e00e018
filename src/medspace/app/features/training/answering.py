"""Whether hospitals will take part in a training and answer its questions, as far as its user can know beforehand."""

from collections.abc import Iterator
from dataclasses import replace

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.brakes import MOST_ROUNDS, SHARE
from medspace.connector.usage.spent import begun
from medspace.core.canonical import Json
from medspace.core.store import Transaction
from medspace.core.text import Fact, Text, msgid
from medspace.policy import odrl
from medspace.policy.limits import most_uses
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide
from medspace.runs.model import Seat


def contract_warnings(tx: Transaction, seat: Seat, request: UseRequest) -> Iterator[Text]:
    """What a contract says against this use: it is used up, or does not allow it."""
    agreement = tx.get(AGREEMENTS, seat.agreement)
    if agreement is None:
        return
    policy = odrl.parse(agreement.policy)
    most, (made, over) = most_uses(policy), begun(tx, seat.agreement)
    if most is not None and made >= most:
        told = msgid(
            "Warning: the contract with {site} allows {allowed} uses, and they were made: it will refuse this one. "
            "`medspace negotiate` asks for a new one."
        )
        yield Text(told, {"site": seat.site, "allowed": most})
    if over:
        told = msgid(
            "Warning: {site} has ended its contract and will refuse. `medspace negotiate` asks for a new one."
        )
        yield Text(told, {"site": seat.site})
    decision = decide(policy, replace(request, target=agreement.dataset), Point.TRANSFER)
    against = next(iter(sorted(decision.failures, key=lambda one: one.satisfied is not False)), None)
    if not decision.permitted and against is not None:
        told = msgid("Warning: its contract does not let {site} take part. Required: {asked}. {held}. {remedy}")
        facts: dict[str, Fact | Text] = {"site": seat.site, "asked": against.asked, "held": against.held}
        yield Text(told, facts | {"remedy": against.remedy or ""})


def question_warnings(questions: Json, *, exact: bool) -> Iterator[Text]:
    """What one use and a year allow of so many questions."""
    if not isinstance(questions, int):
        return
    if questions > MOST_ROUNDS:
        facts = {"asked": questions, "most": MOST_ROUNDS}
        yield Text(
            msgid(
                "Warning: it may put {asked} questions, and a hospital answers at most {most} in one use: it may end "
                "without a model. Set `max_rounds` of the task to {most} at most."
            ),
            facts,
        )
    if exact:
        yield Text(
            msgid(
                "Warning where a hospital is small: with fewer than {persons} patients it answers fewer than {asked} "
                "questions a year, of all users together, unless its holder has set more. Ask the holder."
            ),
            {"asked": questions, "persons": questions * SHARE},
        )
