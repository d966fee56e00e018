"""The messages of a negotiation that we send."""

from types import MappingProxyType

from medspace.connector.journal import note_negotiation
from medspace.connector.local import Local
from medspace.connector.model import NEGOTIATIONS, Kind, Negotiation, Reaction
from medspace.connector.negotiation.rules import ACTIONS, RUNNING, TABLE, Message
from medspace.connector.process.description import Description
from medspace.connector.wire import reason_members
from medspace.core.canonical import JsonObject

_TERMS = ("profile", "permission", "prohibition", "obligation")


NEGOTIATION: Description[Negotiation, Message] = Description(
    kind=Kind.NEGOTIATION,
    type="ContractNegotiation",
    folder="negotiations",
    collection=NEGOTIATIONS,
    table=TABLE,
    actions=ACTIONS,
    paths=MappingProxyType(
        {
            Message.REQUEST: "request",
            Message.OFFER: "offers",
            Message.AGREEMENT: "agreement",
            Message.VERIFICATION: "agreement/verification",
            Message.ACCEPTED: "events",
            Message.FINALIZED: "events",
            Message.TERMINATION: "termination",
        }
    ),
    ours=frozenset(RUNNING),
    leaving=frozenset({Message.TERMINATION}),
    note=note_negotiation,
)


def agreed(local: Local, negotiation: Negotiation, terms: JsonObject) -> JsonObject:
    """The agreement on the terms of an offer: its rules, the parties, the time."""
    return {
        "@id": local.new_id(),
        "@type": "Agreement",
        "target": terms.get("target", negotiation.dataset),
        "assigner": local.did,
        "assignee": negotiation.counterparty,
        "timestamp": local.now(),
        **{name: terms[name] for name in _TERMS if name in terms},
    }


def message_offer(offer: JsonObject, dataset: str) -> JsonObject:
    """A catalogue's offer (without target) as an offer in a message."""
    return {**offer, "@type": "Offer", "target": dataset}


def content(local: Local, negotiation: Negotiation, message: Message, reaction: Reaction) -> JsonObject:
    """What a message of ours holds besides its identity and the pids."""
    terms = reaction.offer or negotiation.offer
    match message:
        case Message.REQUEST | Message.OFFER:
            first = {} if negotiation.peer_pid is not None else {"callbackAddress": local.address}
            return {"offer": message_offer(terms, terms.get("target", negotiation.dataset)), **first}
        case Message.AGREEMENT:
            return {"agreement": agreed(local, negotiation, terms)}
        case Message.ACCEPTED | Message.FINALIZED:
            return {"eventType": message.value.partition(".")[2]}
        case Message.TERMINATION:
            return reason_members(reaction.code, reaction.reason, reaction.clause)
        case _:
            return {}
