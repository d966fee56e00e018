"""The negotiation messages that we send."""

from types import MappingProxyType

from medspace.connector.journal import note_negotiation
from medspace.connector.local import Local
from medspace.connector.model import NEGOTIATIONS, Negotiation, ProcessKind, Reaction
from medspace.connector.negotiation.rules import ACTIONS, RUNNING, TABLE, NegotiationMessage
from medspace.connector.process.description import ProcessDescription
from medspace.connector.wire import reason_members
from medspace.core.canonical import JsonObject
from medspace.policy.odrl import REPLACES

_TERMS = ("profile", "permission", "prohibition", "obligation")


NEGOTIATION: ProcessDescription[Negotiation, NegotiationMessage] = ProcessDescription(
    kind=ProcessKind.NEGOTIATION,
    type="ContractNegotiation",
    folder="negotiations",
    collection=NEGOTIATIONS,
    table=TABLE,
    actions=ACTIONS,
    paths=MappingProxyType(
        {
            NegotiationMessage.REQUEST: "request",
            NegotiationMessage.OFFER: "offers",
            NegotiationMessage.AGREEMENT: "agreement",
            NegotiationMessage.VERIFICATION: "agreement/verification",
            NegotiationMessage.ACCEPTED: "events",
            NegotiationMessage.FINALIZED: "events",
            NegotiationMessage.TERMINATION: "termination",
        }
    ),
    ours=frozenset(RUNNING),
    leaving=frozenset({NegotiationMessage.TERMINATION}),
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
        **{name: negotiation.offer[name] for name in (REPLACES,) if name in negotiation.offer},
    }


def message_offer(offer: JsonObject, dataset: str, replaces: str = "") -> JsonObject:
    """A catalogue's offer (without target) in the form for a message, in place of an agreement where one is named.

    What a catalogue says to be replaced counts for nothing: the parties of an agreement say that in their messages.
    """
    terms = {name: value for name, value in offer.items() if name != REPLACES}
    return {**terms, "@type": "Offer", "target": dataset} | ({REPLACES: replaces} if replaces else {})


def content(local: Local, negotiation: Negotiation, message: NegotiationMessage, reaction: Reaction) -> JsonObject:
    """The content of one of our messages, apart from its identity and the pids."""
    terms = reaction.offer or negotiation.offer
    match message:
        case NegotiationMessage.REQUEST | NegotiationMessage.OFFER:
            first = {} if negotiation.peer_pid is not None else {"callbackAddress": local.address}
            replaced = str(negotiation.offer.get(REPLACES, ""))
            return {"offer": message_offer(terms, terms.get("target", negotiation.dataset), replaced), **first}
        case NegotiationMessage.AGREEMENT:
            return {"agreement": agreed(local, negotiation, terms)}
        case NegotiationMessage.ACCEPTED | NegotiationMessage.FINALIZED:
            return {"eventType": message.value.partition(".")[2]}
        case NegotiationMessage.TERMINATION:
            return reason_members(reaction.code, reaction.reason, reaction.clause)
        case _:
            return {}
