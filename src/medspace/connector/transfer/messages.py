"""The messages of a transfer that we send."""

from medspace.connector.local import Local, pids
from medspace.connector.model import Intent, Kind, Reaction, Transfer
from medspace.connector.transfer.rules import ACTIONS, Message
from medspace.connector.wire import CONTEXT, reason_members
from medspace.core.canonical import JsonObject
from medspace.core.paths import path

_PATHS = {
    Message.REQUEST: "request",
    Message.START: "start",
    Message.SUSPENSION: "suspension",
    Message.COMPLETION: "completion",
    Message.TERMINATION: "termination",
}


def intent(
    local: Local,
    transfer: Transfer,
    action: str,
    reaction: Reaction,
    then: Reaction | None,
    address: JsonObject | None,
) -> Intent:
    """The intent to send what the action names, with everything fixed that its repetitions must share.

    `address` is the dataAddress of a start.
    """
    message = ACTIONS[action]
    body = {"@context": [CONTEXT], "@id": local.new_id(), "@type": message.value}
    body |= pids(transfer.role, transfer.id, transfer.peer_pid)
    return Intent(
        id=transfer.id,
        kind=Kind.TRANSFER,
        action=action,
        url=url(transfer, message),
        audience=transfer.counterparty,
        message=body | _content(local, transfer, message, reaction, address),
        due=local.now(after=reaction.delay),
        created=local.now(),
        then=then,
    )


def url(transfer: Transfer, message: Message) -> str:
    """Where the message goes; the initial one goes to the provider's collection."""
    collection = f"{transfer.address}/transfers"
    return f"{collection if transfer.peer_pid is None else state_url(transfer)}/{_PATHS[message]}"


def state_url(transfer: Transfer) -> str:
    """Where the counterparty tells the state of its side."""
    return transfer.address + path("transfers", transfer.peer_pid or "")


def process(transfer: Transfer) -> JsonObject:
    """The transfer as the counterparty sees it."""
    return {
        "@context": [CONTEXT],
        "@type": "TransferProcess",
        **pids(transfer.role, transfer.id, transfer.peer_pid),
        "state": transfer.state.value,
    }


def _content(
    local: Local, transfer: Transfer, message: Message, reaction: Reaction, address: JsonObject | None
) -> JsonObject:
    match message:
        case Message.REQUEST:
            pushed = {} if transfer.data_address is None else {"dataAddress": transfer.data_address}
            return {
                "agreementId": transfer.agreement,
                "format": transfer.format,
                "callbackAddress": local.address,
                **pushed,
            }
        case Message.START:
            return {} if address is None else {"dataAddress": address}
        case Message.SUSPENSION | Message.TERMINATION:
            return reason_members(reaction.code, reaction.reason, reaction.clause)
        case _:
            return {}
