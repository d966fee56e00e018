"""The transfer messages that we send."""

from types import MappingProxyType

from medspace.connector.journal import note_transfer
from medspace.connector.local import Local
from medspace.connector.model import TRANSFERS, ProcessKind, Reaction, Transfer, TransferState
from medspace.connector.process.description import ProcessDescription
from medspace.connector.transfer.rules import ACTIONS, ENDINGS, TABLE, TransferMessage
from medspace.connector.wire import reason_members
from medspace.core.canonical import JsonObject

TRANSFER: ProcessDescription[Transfer, TransferMessage] = ProcessDescription(
    kind=ProcessKind.TRANSFER,
    type="TransferProcess",
    folder="transfers",
    collection=TRANSFERS,
    table=TABLE,
    actions=ACTIONS,
    paths=MappingProxyType(
        {
            TransferMessage.REQUEST: "request",
            TransferMessage.START: "start",
            TransferMessage.SUSPENSION: "suspension",
            TransferMessage.COMPLETION: "completion",
            TransferMessage.TERMINATION: "termination",
        }
    ),
    # Either side can continue a started or suspended use; one that was never started ends, on both sides.
    ours=frozenset({TransferState.REQUESTED}),
    leaving=ENDINGS,
    note=note_transfer,
)


def content(
    local: Local, transfer: Transfer, message: TransferMessage, reaction: Reaction, address: JsonObject | None
) -> JsonObject:
    """The content of one of our messages, apart from its identity and the pids.

    `address` is a start's dataAddress.
    """
    match message:
        case TransferMessage.REQUEST:
            pushed = {} if transfer.data_address is None else {"dataAddress": transfer.data_address}
            return {
                "agreementId": transfer.agreement,
                "format": transfer.format,
                "callbackAddress": local.address,
                **pushed,
            }
        case TransferMessage.START:
            return {} if address is None else {"dataAddress": address}
        case TransferMessage.SUSPENSION | TransferMessage.TERMINATION:
            return reason_members(reaction.code, reaction.reason, reaction.clause)
        case _:
            return {}
