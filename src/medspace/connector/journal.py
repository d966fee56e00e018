"""The connector's log entries on offers, negotiations and transfers. They contain no free text and no names."""

import re

from medspace.connector.codes import noted
from medspace.connector.model import CATALOGUE, Dataset, Negotiation, Process, Transfer
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.ledger.kinds import pseudonym
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import odrl
from medspace.policy.limits import last_end

# The form of our own codes; those of others are checked against a table.
_CODE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")


def note_negotiation(tx: Transaction, actor: str, negotiation: Negotiation, by: str = NOBODY) -> None:
    """Record the negotiation's new state, and which person here caused it, if one did."""
    agreement = negotiation.agreement
    facts = {
        "role": negotiation.role.value,
        "pid": negotiation.id,
        "peer_pid": _peers(negotiation.peer_pid),
        "counterparty": negotiation.counterparty,
        "offer": _offer_id(tx, negotiation),
        "asset": negotiation.dataset,
        "agreement": negotiation.agreement_id,
        "agreement_digest": None if agreement is None else digest(agreement),
        "expires": None if agreement is None else _end_of(agreement),
        "code": _code(negotiation),
        "by": by or None,
    }
    _note(tx, f"negotiation.{negotiation.state.lower()}", negotiation.updated, actor, facts)


def note_approval(tx: Transaction, actor: str, negotiation: Negotiation, time: str, by: str) -> None:
    """Record a person's yes that is not sufficient: another person must also say yes."""
    facts = {"pid": negotiation.id, "counterparty": negotiation.counterparty, "asset": negotiation.dataset}
    _note(tx, "negotiation.approved", time, actor, facts | {"by": by})


def note_transfer(tx: Transaction, actor: str, transfer: Transfer, by: str = NOBODY) -> None:
    """Record the transfer's new state, and which person here caused it, if one did."""
    facts = {
        "role": transfer.role.value,
        "pid": transfer.id,
        "peer_pid": _peers(transfer.peer_pid),
        "counterparty": transfer.counterparty,
        "agreement": transfer.agreement,
        "format": transfer.format,
        "code": _code(transfer),
        "by": by or None,
    }
    _note(tx, f"transfer.{transfer.state.lower()}", transfer.updated, actor, facts)


def note_refusal(tx: Transaction, actor: str, transfer: Transfer, code: str, clause: str | None) -> None:
    """Record that a use was refused, and by which clause."""
    facts = {
        "counterparty": transfer.counterparty,
        "agreement": transfer.agreement,
        "format": transfer.format,
        "code": code,
        "clause": clause,
    }
    _note(tx, "transfer.refused", transfer.updated, actor, facts)


def note_offer(tx: Transaction, actor: str, dataset: Dataset, offer: JsonObject, by: str = NOBODY) -> None:
    """Record that an offer was published: for which content and description, and by whom."""
    facts = {
        "asset": dataset.id,
        "offer": offer["@id"],
        "policy": digest(offer),
        "label": dataset.label,
        "dataset": dataset.digest or None,
        "dictionary": None if dataset.dictionary is None else digest(dataset.dictionary),
        "by": by or None,
    }
    _note(tx, "offer.published", dataset.published, actor, facts)


def note_withdrawal(tx: Transaction, time: str, actor: str, asset: str, by: str = NOBODY) -> None:
    """Record that an asset is no longer offered."""
    _note(tx, "offer.withdrawn", time, actor, {"asset": asset, "by": by or None})


def _peers(identifier: str | None) -> str | None:
    return None if identifier is None else pseudonym(identifier)


def _offer_id(tx: Transaction, negotiation: Negotiation) -> str:
    """Which offer it is about: by its name where we have published it or asked for it, else by a pseudonym."""
    said, published = str(negotiation.offer["@id"]), tx.get(CATALOGUE, negotiation.dataset)
    known = {str(one["@id"]) for one in (published.offers if published is not None else ())}
    if negotiation.initiator is negotiation.role and negotiation.asked is not None:
        known.add(str(negotiation.asked["@id"]))
    return said if said in known else pseudonym(said)


def _note(tx: Transaction, kind: str, time: str, actor: str, facts: JsonObject) -> None:
    record(tx, Entry(kind, time, actor, {name: value for name, value in facts.items() if value is not None}))


def _end_of(agreement: JsonObject) -> str | None:
    end = last_end(odrl.parse(agreement))
    return None if end is None else stamp(end)


def _code(process: Process) -> str | None:
    failure = process.failure
    if failure is None:
        return None
    return failure.code if failure.source != "peer" and _CODE.fullmatch(failure.code) else noted(failure.code)
