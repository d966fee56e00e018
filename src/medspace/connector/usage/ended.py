"""Agreements that their holder ends early: from that transaction on, nothing is admitted under them.

The Dataspace Protocol has no message that ends an agreement (DSP 2025-1, 7: a negotiation that is FINALIZED is over).
So the ending is kept here: each use under the agreement is terminated with the code, and a request for another is
refused with it.
"""

from collections.abc import Sequence
from datetime import datetime

from medspace.connector.errors import ForeignAgreementError, UnknownAgreementError
from medspace.connector.local import Local
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Role, Transfer, TransferState
from medspace.connector.usage import labelling
from medspace.connector.usage.model import ENDED, EndedAgreement
from medspace.connector.usage.spent import ENDED as ENDED_CODE
from medspace.connector.usage.spent import spent
from medspace.core.actors import NOBODY
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record

CODE = ENDED_CODE
CODES = frozenset({CODE})
CLAUSE = "agreement.ended"
OPEN = (TransferState.REQUESTED, TransferState.STARTED, TransferState.SUSPENDED)
_PAGE = 500


def end(tx: Transaction, local: Local, agreement: str, reason: str = "", by: str = NOBODY) -> EndedAgreement:
    """End an agreement on one's own data, for good; ending it again changes nothing.

    Raises:
        UnknownAgreementError: there is none.
        ForeignAgreementError: it is on the data of another participant, who alone can end it.
    """
    made = tx.get(AGREEMENTS, agreement)
    if made is None:
        raise UnknownAgreementError(agreement=agreement)
    if made.provider != local.did:
        raise ForeignAgreementError(agreement=agreement, holder=made.provider)
    before = tx.get(ENDED, agreement)
    if before is not None:
        return before
    ended = EndedAgreement(agreement, made.dataset, made.consumer, local.now(), reason)
    tx.insert(ENDED, ended)
    facts = {"agreement": agreement, "counterparty": made.consumer, "asset": made.dataset}
    record(tx, Entry("agreement.ended", ended.time, local.did, facts | ({"by": by} if by else {})))
    return ended


def is_ended(tx: Transaction, agreement: Agreement) -> bool:
    """Whether the holder, which is this connector, has ended it."""
    return tx.get(ENDED, agreement.id) is not None


def ended_with(tx: Transaction, user: str, asset: str) -> bool:
    """Whether an agreement with that user on that asset was ended; if so, a person decides on the next one."""
    return bool(tx.find(ENDED, where={"user": user, "asset": asset}, limit=1))


def decide(tx: Transaction, agreement: Agreement) -> Decision:
    """Whether an agreement is still open, according to its holder."""
    ended = tx.get(ENDED, agreement.id)
    asked = Text(msgid("The agreement must be in force."))
    if ended is None:
        return Decision(Verdict.PERMIT, "permitted", (Premise(CLAUSE, asked, asked, satisfied=True),))
    because = Text(msgid("Its holder has ended it: {reason}"), {"reason": ended.reason})
    held = because if ended.reason else Text(msgid("Its holder has ended it."))
    remedy = Text(msgid("Ask the holder for a new agreement."))
    return Decision(Verdict.DENY, CODE, (Premise(CLAUSE, asked, held, satisfied=False, remedy=remedy),))


def against(decision: Decision) -> bool:
    """Whether an ended agreement is among the reasons for a denial; if so, the use is over too."""
    return any(premise.clause == CLAUSE for premise in decision.failures)


def for_good(decision: Decision) -> bool:
    """Whether a use at the gate is over because of the decision: through its label or its agreement."""
    return against(decision) or labelling.against(decision)


def over(tx: Transaction, agreement: Agreement, now: datetime) -> bool:
    """As the holder: whether an agreement is used up or ended, so that another one may take its place."""
    return is_ended(tx, agreement) or spent(tx, agreement, now)


def open_uses(tx: Transaction, agreement: str) -> Sequence[Transfer]:
    """The unfinished uses of others under an agreement."""
    found: list[Transfer] = []
    for state in OPEN:
        where = {"role": Role.PROVIDER, "agreement": agreement, "state": state}
        after = None
        while True:
            page = tx.find(TRANSFERS, where=where, after=after, limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                break
            after = page[-1].id
    return found
