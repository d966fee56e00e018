"""The messages of a negotiation that we send."""

from medspace.connector.local import Local, pids
from medspace.connector.model import Intent, Kind, Negotiation, Reaction
from medspace.connector.negotiation.rules import ACTIONS, Message
from medspace.connector.wire import CONTEXT, reason_members
from medspace.core.canonical import JsonObject
from medspace.core.paths import path

_PATHS = {
    Message.REQUEST: "request",
    Message.OFFER: "offers",
    Message.AGREEMENT: "agreement",
    Message.VERIFICATION: "agreement/verification",
    Message.ACCEPTED: "events",
    Message.FINALIZED: "events",
    Message.TERMINATION: "termination",
}
_TERMS = ("profile", "permission", "prohibition", "obligation")


def intent(local: Local, negotiation: Negotiation, action: str, reaction: Reaction, then: Reaction | None) -> Intent:
    """The intent to send what the action names, with everything fixed that its repetitions must share."""
    message = ACTIONS[action]
    body = {"@context": [CONTEXT], "@id": local.new_id(), "@type": message.value.partition(".")[0]}
    body |= pids(negotiation.role, negotiation.id, negotiation.peer_pid)
    return Intent(
        id=negotiation.id,
        kind=Kind.NEGOTIATION,
        action=action,
        url=url(negotiation, message),
        audience=negotiation.counterparty,
        message=body | _content(local, negotiation, message, reaction),
        due=local.now(after=reaction.delay),
        created=local.now(),
        then=then,
    )


def url(negotiation: Negotiation, message: Message) -> str:
    """Where the message goes; the initial ones go to the counterparty's collection."""
    collection = f"{negotiation.address}/negotiations"
    return f"{collection if negotiation.peer_pid is None else state_url(negotiation)}/{_PATHS[message]}"


def state_url(negotiation: Negotiation) -> str:
    """Where the counterparty tells the state of its side."""
    return negotiation.address + path("negotiations", negotiation.peer_pid or "")


def process(negotiation: Negotiation) -> JsonObject:
    """The negotiation as the counterparty sees it."""
    return {
        "@context": [CONTEXT],
        "@type": "ContractNegotiation",
        **pids(negotiation.role, negotiation.id, negotiation.peer_pid),
        "state": negotiation.state.value,
    }


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


def _content(local: Local, negotiation: Negotiation, message: Message, reaction: Reaction) -> JsonObject:
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
