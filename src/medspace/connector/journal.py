"""Log entries of the connector: what became of offers, negotiations and transfers; neither free text nor names."""

import re

from medspace.connector.codes import noted
from medspace.connector.model import Dataset, Negotiation, Process, Transfer
from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import odrl
from medspace.policy.limits import last_end

# What a code of ours looks like; those of others have a table.
_CODE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")


def note_negotiation(tx: Transaction, actor: str, negotiation: Negotiation) -> None:
    """Note that the negotiation came to its state."""
    agreement = negotiation.agreement
    facts = {
        "role": negotiation.role.value,
        "pid": negotiation.id,
        "peer_pid": negotiation.peer_pid,
        "counterparty": negotiation.counterparty,
        "offer": str(negotiation.offer["@id"]),
        "asset": negotiation.dataset,
        "agreement": negotiation.agreement_id,
        "agreement_digest": None if agreement is None else digest(agreement),
        "expires": None if agreement is None else _end_of(agreement),
        "code": _code(negotiation),
    }
    _note(tx, f"negotiation.{negotiation.state.lower()}", negotiation.updated, actor, facts)


def note_transfer(tx: Transaction, actor: str, transfer: Transfer) -> None:
    """Note that the transfer came to its state."""
    facts = {
        "role": transfer.role.value,
        "pid": transfer.id,
        "peer_pid": transfer.peer_pid,
        "counterparty": transfer.counterparty,
        "agreement": transfer.agreement,
        "format": transfer.format,
        "code": _code(transfer),
    }
    _note(tx, f"transfer.{transfer.state.lower()}", transfer.updated, actor, facts)


def note_refusal(tx: Transaction, actor: str, transfer: Transfer, code: str, clause: str | None) -> None:
    """Note that a use was refused, by which clause."""
    facts = {
        "counterparty": transfer.counterparty,
        "agreement": transfer.agreement,
        "format": transfer.format,
        "code": code,
        "clause": clause,
    }
    _note(tx, "transfer.refused", transfer.updated, actor, facts)


def note_offer(tx: Transaction, actor: str, dataset: Dataset, offer: JsonObject) -> None:
    """Note that an offer was published, for which content and which description of it."""
    facts = {
        "asset": dataset.id,
        "offer": offer["@id"],
        "policy": digest(offer),
        "label": dataset.label,
        "dataset": dataset.digest or None,
        "dictionary": None if dataset.dictionary is None else digest(dataset.dictionary),
    }
    _note(tx, "offer.published", dataset.published, actor, facts)


def note_withdrawal(tx: Transaction, time: str, actor: str, asset: str) -> None:
    """Note that an asset is offered no longer."""
    _note(tx, "offer.withdrawn", time, actor, {"asset": asset})


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
