"""Whether hospitals answer as many questions as a training may put, as far as its user can know that beforehand."""

from collections.abc import Iterator, Sequence

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.brakes import MOST_ROUNDS, SHARE
from medspace.connector.usage.spent import begun
from medspace.core.canonical import Json
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.policy import odrl
from medspace.policy.limits import most_uses
from medspace.runs.model import Seat


def warnings(tx: Transaction, seats: Sequence[Seat], questions: Json, *, exact: bool) -> Iterator[Text]:
    """What stands in the way of so many questions: the contracts that are used up, what one use and a year allow."""
    for seat in seats:
        yield from _used_up(tx, seat)
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


def _used_up(tx: Transaction, seat: Seat) -> Iterator[Text]:
    agreement = tx.get(AGREEMENTS, seat.agreement)
    allowed = None if agreement is None else most_uses(odrl.parse(agreement.policy))
    if allowed is not None and begun(tx, seat.agreement)[0] >= allowed:
        told = msgid(
            "Warning: the contract with {site} allows {allowed} uses, and they were made: it will refuse this one. "
            "`medspace negotiate` asks for a new one."
        )
        yield Text(told, {"site": seat.site, "allowed": allowed})
