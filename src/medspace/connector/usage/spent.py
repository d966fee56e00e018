"""Whether an agreement that bounds the number of uses is used up, for those who negotiate the next one."""

from datetime import datetime

from medspace.connector.model import Agreement
from medspace.connector.usage.model import JOBS
from medspace.core.store import Transaction
from medspace.policy import odrl
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide

COUNT = "policy.count"  # the code by which a holder says that no use is left


def exhausted(agreement: Agreement, used: int, now: datetime) -> bool:
    """Whether its terms allow no further use after so many."""
    request = UseRequest(assignee=agreement.consumer, time=now, count=used, target=agreement.dataset)
    return decide(odrl.parse(agreement.policy), request, Point.TRANSFER).code == COUNT


def spent(tx: Transaction, agreement: Agreement, now: datetime) -> bool:
    """As the holder: whether every use of it was made."""
    last = tx.find(JOBS, where={"agreement": agreement.id}, order_by="number", descending=True, limit=1)
    return exhausted(agreement, last[0].number if last else 0, now)
