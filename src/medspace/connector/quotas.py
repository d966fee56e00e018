"""What one member may make this connector store: open processes, and bytes of messages.

Each check runs inside the transaction of the message, so that concurrent requests cannot exceed a quota. A refused
message is not stored, and no log entry is written for it: refusals must not fill the log.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from medspace.connector.errors import QuotaError
from medspace.connector.model import ACCOUNTS, NEGOTIATIONS, TRANSFERS, Negotiation, Role, TrafficAccount
from medspace.core.clock import instant
from medspace.core.store import Collection, R, Transaction
from medspace.core.text import Text, msgid

PERIOD = timedelta(days=30)
ENTRY = 1_024  # bytes that each message costs in addition to its own: log entries, keys
SOON, LATER = 60, 3_600  # seconds after which to try again: processes end sooner than the period does


@dataclass(frozen=True, slots=True)
class Quotas:
    """For each member: processes that it began and that are still open, and bytes of its messages in 30 days."""

    negotiations: int = 500
    transfers: int = 500
    received: int = 64 << 20

    def negotiation(self, tx: Transaction, role: Role, member: str, pid: str) -> None:
        """Check that the member may begin a negotiation (`role` is ours).

        One that it has already begun always passes.

        Raises:
            QuotaError: it has reached its limit of open ones.
        """
        self._within(tx, NEGOTIATIONS, (role, member, pid), Text(_NEGOTIATIONS, {"limit": self.negotiations}))

    def transfer(self, tx: Transaction, member: str, pid: str) -> None:
        """Check that the member may begin a transfer; one that it has already begun always passes.

        Raises:
            QuotaError: it has reached its limit of open ones.
        """
        self._within(tx, TRANSFERS, (Role.PROVIDER, member, pid), Text(_TRANSFERS, {"limit": self.transfers}))

    def charge(self, tx: Transaction, member: str, size: int, now: str) -> None:
        """Count a message of the member that is about to be stored.

        Raises:
            QuotaError: it has sent as many bytes as it may.
        """
        known = tx.get(ACCOUNTS, member)
        account = known or TrafficAccount(member, now, 0)
        if instant(now) - instant(account.since) >= PERIOD:
            account = TrafficAccount(member, now, 0)
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
