"""What one member may make this connector keep: open processes, and bytes of messages.

All of it inside the transaction of the message that asks for more, so that many at once do not get past it. What
is refused is not kept, and neither is anything said of it in the log: refusals must not fill it.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from medspace.connector.errors import QuotaError
from medspace.connector.model import ACCOUNTS, NEGOTIATIONS, TRANSFERS, Account, Negotiation, Role
from medspace.core.clock import instant
from medspace.core.store import Collection, R, Transaction
from medspace.core.text import Text, msgid

PERIOD = timedelta(days=30)
ENTRY = 1_024  # bytes that a message costs besides its own: entries of the log, keys
SOON, LATER = 60, 3_600  # seconds after which to ask again: processes end sooner than a period


@dataclass(frozen=True, slots=True)
class Quotas:
    """For each member: processes that it began and that are not over, and bytes of its messages in 30 days."""

    negotiations: int = 500
    transfers: int = 500
    received: int = 64 << 20

    def negotiation(self, tx: Transaction, role: Role, member: str, pid: str) -> None:
        """Whether the member may begin a negotiation (`role` is ours); one that it has begun is no other one.

        Raises:
            QuotaError: it has as many open ones as it may.
        """
        self._within(tx, NEGOTIATIONS, (role, member, pid), Text(_NEGOTIATIONS, {"limit": self.negotiations}))

    def transfer(self, tx: Transaction, member: str, pid: str) -> None:
        """Whether the member may begin a transfer; one that it has begun is no other one.

        Raises:
            QuotaError: it has as many open ones as it may.
        """
        self._within(tx, TRANSFERS, (Role.PROVIDER, member, pid), Text(_TRANSFERS, {"limit": self.transfers}))

    def charge(self, tx: Transaction, member: str, size: int, now: str) -> None:
        """Count a message of the member that is about to be kept.

        Raises:
            QuotaError: it has sent as much as it may.
        """
        known = tx.get(ACCOUNTS, member)
        account = known or Account(member, now, 0)
        if instant(now) - instant(account.since) >= PERIOD:
            account = Account(member, now, 0)
        charged = replace(account, received=account.received + size + ENTRY)
        if charged.received > self.received:
            raise QuotaError(reason=Text(_RECEIVED, {"limit": self.received}), seconds=LATER)
        if known is None:
            tx.insert(ACCOUNTS, charged)
        else:
            tx.replace(ACCOUNTS, known, charged)

    def _within(self, tx: Transaction, collection: Collection[R], begun: tuple[Role, str, str], reason: Text) -> None:
        role, member, pid = begun
        limit = self.negotiations if collection.record is Negotiation else self.transfers
        if tx.count(collection, {"open_for": member}, limit) < limit:
            return
        if not tx.find(collection, where={"role": role, "counterparty": member, "initial": pid}, limit=1):
            raise QuotaError(reason=reason, seconds=SOON)


USUAL = Quotas()
_NEGOTIATIONS = msgid("{limit} negotiations that you began are not over")
_TRANSFERS = msgid("{limit} transfers that you began are not over")
_RECEIVED = msgid("your messages of the last 30 days have {limit} bytes")
