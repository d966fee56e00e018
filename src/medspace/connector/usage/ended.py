"""Agreements that end early: from that transaction on, nothing is admitted under them.

The Dataspace Protocol has no message that ends an agreement (DSP 2025-1, 7: a negotiation that is FINALIZED is over).
So the ending is kept here: each use under the agreement is terminated with the code, and a request for another is
refused with it. An agreement ends by its holder or its user, or when another one takes its place.
"""

from collections.abc import Sequence
from datetime import datetime

from medspace.connector.errors import UnknownAgreementError
from medspace.connector.local import Local
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Role, Transfer, TransferState
from medspace.connector.usage import labelling, rules
from medspace.connector.usage.causes import CAUSES
from medspace.connector.usage.errors import AgreementReplacedError, UnknownCauseError
from medspace.connector.usage.model import ENDED, EndedAgreement
from medspace.connector.usage.spent import ENDED as ENDED_CODE
from medspace.connector.usage.spent import spent
from medspace.core.actors import NOBODY
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import odrl

CODE = ENDED_CODE
CODES = frozenset({CODE})
CLAUSE = "agreement.ended"
OPEN = (TransferState.REQUESTED, TransferState.STARTED, TransferState.SUSPENDED)
_PAGE = 500
MOST_AT_ONCE = 100


def end(
    tx: Transaction,
    local: Local,
    agreement: str,
    reason: str = "",
    by: str = NOBODY,
    *,
    cause: str = "",
    ender: str = "",
) -> EndedAgreement:
    """End an agreement, for good, as one of its parties or as the other one (`ender`) says; again changes nothing.

    Raises:
        UnknownAgreementError: there is none, or it is not the ender's.
        UnknownCauseError: there is no such cause.
        AgreementReplacedError: another one took its place; ending this one would stop nothing.
    """
    made, party = tx.get(AGREEMENTS, agreement), ender or local.did
    if made is None or party not in (made.provider, made.consumer):
        raise UnknownAgreementError(agreement=agreement[:200])
    if cause and cause not in CAUSES:
        raise UnknownCauseError(cause=cause[:64], known=", ".join(CAUSES))
    before = tx.get(ENDED, agreement)
    if before is not None and before.successor:
        raise AgreementReplacedError(agreement=agreement, successor=before.successor)
    if before is not None:
        return before
    said = "" if party == made.provider else party
    return _keep(
        tx,
        local,
        made,
        EndedAgreement(agreement, made.dataset, made.consumer, local.now(), reason, cause, ender=said),
        by,
    )


def supersede(tx: Transaction, local: Local, made: Agreement) -> None:
    """End the agreement whose place a new one takes, in the transaction that stores it; at both sides alike.

    One of other parties, on another dataset, or that was ended before stays as it is.
    """
    named = odrl.parse(made.policy).replaces
    before = tx.get(AGREEMENTS, named) if named else None
    if before is None or is_ended(tx, before):
        return
    if (before.provider, before.consumer, before.dataset) == (made.provider, made.consumer, made.dataset):
        _keep(
            tx,
            local,
            before,
            EndedAgreement(before.id, before.dataset, before.consumer, local.now(), successor=made.id),
            NOBODY,
        )


def _keep(tx: Transaction, local: Local, made: Agreement, ended: EndedAgreement, by: str) -> EndedAgreement:
    tx.insert(ENDED, ended)
    other = made.consumer if made.provider == local.did else made.provider
    facts = {"agreement": made.id, "counterparty": other, "asset": made.dataset}
    more = {"cause": ended.cause, "successor": ended.successor, "ender": ended.ender, "by": by}
    facts |= {name: value for name, value in more.items() if value}
    record(tx, Entry("agreement.ended", ended.time, local.did, facts))
    return ended


def is_ended(tx: Transaction, agreement: Agreement) -> bool:
    """Whether it was ended early."""
    return tx.get(ENDED, agreement.id) is not None


def ended_with(tx: Transaction, user: str, asset: str) -> bool:
    """Whether the holder ended an agreement with that user on that asset; if so, a person decides on the next one."""
    found = each(tx, ENDED, {"user": user, "asset": asset})
    return any(not one.successor and not one.ender for one in found)


def decide(tx: Transaction, agreement: Agreement) -> Decision:
    """Whether an agreement is still open, according to its holder."""
    ended = tx.get(ENDED, agreement.id)
    asked = Text(msgid("The agreement must be in force."))
    if ended is None:
        return Decision(Verdict.PERMIT, "permitted", (Premise(CLAUSE, asked, asked, satisfied=True),))
    held, remedy = said(ended), Text(msgid("Ask the holder for a new agreement."))
    if ended.successor:
        remedy = Text(msgid("Use the agreement {successor}."), {"successor": ended.successor})
    return Decision(Verdict.DENY, CODE, (Premise(CLAUSE, asked, held, satisfied=False, remedy=remedy),))


def said(ended: EndedAgreement) -> Text:
    """Who ended an agreement, and why."""
    if ended.successor:
        return Text(msgid("Another one took its place: {successor}"), {"successor": ended.successor})
    who = msgid("Its user has ended it.") if ended.ender else msgid("Its holder has ended it.")
    because = msgid("Its user has ended it: {reason}") if ended.ender else msgid("Its holder has ended it: {reason}")
    told = Text(CAUSES[ended.cause]) if ended.cause in CAUSES else None
    reason = (
        Text(msgid("{cause} {reason}"), {"cause": told, "reason": ended.reason})
        if told
        else Text("{reason}", {"reason": ended.reason})
    )
    return Text(because, {"reason": reason}) if told or ended.reason else Text(who)


def against(decision: Decision) -> bool:
    """Whether an ended agreement is among the reasons for a denial; if so, the use is over too."""
    return any(premise.clause == CLAUSE for premise in decision.failures)


def for_good(decision: Decision) -> bool:
    """Whether a use at the gate is over because of the decision: through its label, its agreement or its rows."""
    return against(decision) or labelling.against(decision) or rules.lost_rows(decision)


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
