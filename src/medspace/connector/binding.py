"""A process belongs to its authenticated counterparty, and its messages name it rightly."""

from dataclasses import replace

from medspace.connector.errors import MessageError, TransitionError, UnknownProcessError
from medspace.connector.local import pids
from medspace.connector.model import Failure, Intent, P, Process, Role
from medspace.connector.wire import Incoming, stated_reason
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.trust.model import Caller

_REMEMBERED = 16  # identities of messages; a repetition comes soon after the original
_REFUSED = "refused "


def owned(process: P | None, pid: str, caller: Caller) -> P:
    """The process, if it is the caller's.

    Raises:
        UnknownProcessError: there is none, or it belongs to somebody else; both look alike from outside.
    """
    if process is None or process.counterparty != caller.did:
        raise UnknownProcessError(pid=pid)
    return process


def check_pids(process: Process, incoming: Incoming) -> None:
    """Check that the pids in a message are those of the process; the peer's may be news in the first one.

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
    """Whether this very message was taken before. Identities that merely repeat a pid tell nothing."""
    return _identity(incoming) in process.seen


def declined(process: Process, incoming: Incoming) -> bool:
    """Whether this very message was refused before; a copy that comes late must not be taken after all."""
    identity = _identity(incoming)
    return identity is not None and _REFUSED + identity in process.seen


def remember(process: Process, incoming: Incoming, *, taken: bool = True) -> tuple[str, ...]:
    """The identities that the process remembers once this message is taken, or refused."""
    identity = _identity(incoming)
    if identity is None:
        return process.seen
    return (*process.seen, identity if taken else _REFUSED + identity)[-_REMEMBERED:]


def reason(process: Process, body: JsonObject, sender: Role) -> Failure:
    """What a message gives as the reason; ours gives what made it necessary, where that was another's doing."""
    stated, earlier = stated_reason(body), process.failure
    if sender is not process.role:
        return stated
    return earlier if earlier is not None and earlier.code == stated.code else replace(stated, source="us")


def ending_reason(intent: Intent, failure: Failure) -> Failure:
    """Why a process ends whose last message failed: a termination that comes too late there has its own reason."""
    if intent.action == "terminate" and failure.code == TransitionError.code:
        return replace(stated_reason(intent.message), source="us")
    return failure


def _identity(incoming: Incoming) -> str | None:
    # A counterparty that gives all its messages one identity must not see them ignored.
    if incoming.id is None or incoming.id in (incoming.provider_pid, incoming.consumer_pid):
        return None
    return f"{incoming.type} {incoming.id}"
