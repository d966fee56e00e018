"""Whether an agreement that bounds the number of uses is used up, for whoever negotiates the next one."""

from datetime import datetime

from medspace.connector.model import TRANSFERS, Agreement, Role
from medspace.connector.usage.model import ENDED as ENDED_AGREEMENTS
from medspace.connector.usage.model import JOBS
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.policy import odrl
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide

COUNT = "policy.count"  # the code by which a holder says that no use is left
ENDED = "agreement.ended"  # by its holder
CODES = frozenset({COUNT})


def exhausted(agreement: Agreement, used: int, now: datetime) -> bool:
    """Whether its terms allow no further use after so many."""
    request = UseRequest(assignee=agreement.consumer, time=now, count=used, target=agreement.dataset)
    return decide(odrl.parse(agreement.policy), request, Point.TRANSFER).code == COUNT


def spent(tx: Transaction, agreement: Agreement, now: datetime) -> bool:
    """As the holder: whether every use of it has been made."""
    last = tx.find(JOBS, where={"agreement": agreement.id}, order_by="number", descending=True, limit=1)
    return exhausted(agreement, last[0].number if last else 0, now)


def begun(tx: Transaction, agreement: str) -> tuple[int, bool]:
    """As the user of an agreement: how many uses were requested; whether it ended, or its holder said "no more"."""
    count, refused = 0, tx.get(ENDED_AGREEMENTS, agreement) is not None
    for transfer in each(tx, TRANSFERS, {"role": Role.CONSUMER, "agreement": agreement}):
        count += 1
        refused = refused or (transfer.failure is not None and transfer.failure.code in (COUNT, ENDED))
    return count, refused
