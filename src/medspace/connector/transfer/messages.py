"""The messages of a transfer that we send."""

from types import MappingProxyType

from medspace.connector.journal import note_transfer
from medspace.connector.local import Local
from medspace.connector.model import TRANSFERS, Kind, Reaction, Transfer, TransferState
from medspace.connector.process.description import Description
from medspace.connector.transfer.rules import ACTIONS, ENDINGS, TABLE, Message
from medspace.connector.wire import reason_members
from medspace.core.canonical import JsonObject

TRANSFER: Description[Transfer, Message] = Description(
    kind=Kind.TRANSFER,
    type="TransferProcess",
    folder="transfers",
    collection=TRANSFERS,
    table=TABLE,
    actions=ACTIONS,
    paths=MappingProxyType(
        {
            Message.REQUEST: "request",
            Message.START: "start",
            Message.SUSPENSION: "suspension",
            Message.COMPLETION: "completion",
            Message.TERMINATION: "termination",
        }
    ),
    # Either side can lead a started or suspended use on; one that was never started ends, on both sides.
    ours=frozenset({TransferState.REQUESTED}),
    leaving=ENDINGS,
    note=note_transfer,
)


def content(
    local: Local, transfer: Transfer, message: Message, reaction: Reaction, address: JsonObject | None
) -> JsonObject:
    """What a message of ours holds besides its identity and the pids; `address` is the dataAddress of a start."""
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
