"""Checks that a process belongs to its authenticated counterparty and that its messages name it correctly."""

from dataclasses import replace

from medspace.connector.errors import MessageError, TransitionError, UnknownProcessError
from medspace.connector.local import pids
from medspace.connector.model import Intent, P, Process, ProcessFailure, Role
from medspace.connector.wire import Incoming, stated_reason
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.trust.model import Caller

_REMEMBERED = 16  # message identities that are remembered; a repetition arrives soon after the original
_REFUSED = "refused "


def owned(process: P | None, pid: str, caller: Caller) -> P:
    """The process, if it is the caller's.

    Raises:
        UnknownProcessError: there is none, or it belongs to another party; the two look alike from outside.
    """
    if process is None or process.counterparty != caller.did:
        raise UnknownProcessError(pid=pid)
    return process


def check_pids(process: Process, incoming: Incoming) -> None:
    """Check that the pids in a message are those of the process; the first message may introduce the peer's pid.

    Raises:
        MessageError: they are not.
    """
    given = {"providerPid": incoming.provider_pid, "consumerPid": incoming.consumer_pid}
    for name, expected in pids(process.role, process.id, process.peer_pid).items():
        if given[name] != expected:
            raise MessageError(reason=Text(msgid("its {name} is not that of this process"), {"name": name}))
    if None in given.values():
        raise MessageError(reason=msgid("it does not name both pids"))


def peer_pid(process: Process, incoming: Incoming) -> str | None:
    """The counterparty's pid in a message."""
    return getattr(incoming, f"{process.role.other.value}_pid") or process.peer_pid


def repeated(process: Process, incoming: Incoming) -> bool:
    """Whether this very message was accepted before. An identity that only repeats a pid proves nothing."""
    return _identity(incoming) in process.seen


def declined(process: Process, incoming: Incoming) -> bool:
    """Whether this very message was refused before; a late copy must not be accepted after all."""
    identity = _identity(incoming)
    return identity is not None and _REFUSED + identity in process.seen


def remember(process: Process, incoming: Incoming, *, taken: bool = True) -> tuple[str, ...]:
    """The identities that the process remembers once this message is accepted or refused."""
    identity = _identity(incoming)
    if identity is None:
        return process.seen
    return (*process.seen, identity if taken else _REFUSED + identity)[-_REMEMBERED:]


def reason(process: Process, body: JsonObject, sender: Role) -> ProcessFailure:
    """The reason that a message gives; ours names the cause, where another party's action made it necessary."""
    stated, earlier = stated_reason(body), process.failure
    if sender is not process.role:
        return stated
    return earlier if earlier is not None and earlier.code == stated.code else replace(stated, source="us")


def ending_reason(intent: Intent, failure: ProcessFailure) -> ProcessFailure:
    """Why a process ends whose last message failed: a termination that arrives too late has a reason of its own."""
    if intent.action == "terminate" and failure.code == TransitionError.code:
        return replace(stated_reason(intent.message), source="us")
    return failure


def _identity(incoming: Incoming) -> str | None:
    # If a counterparty gives all its messages the same identity, they must not be ignored as repetitions.
    if incoming.id is None or incoming.id in (incoming.provider_pid, incoming.consumer_pid):
        return None
    return f"{incoming.type} {incoming.id}"
