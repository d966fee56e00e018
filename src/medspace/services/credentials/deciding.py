"""Which requests are taken and wait for a person, and what that person may say."""

from collections.abc import Sequence

from medspace.core.canonical import Json, JsonObject
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.credentials.errors import (
    CredentialUnknownError,
    DecisionError,
    NotIssuedError,
    RequestDecidedError,
)
from medspace.services.credentials.messages import LONGEST_NAME
from medspace.services.credentials.model import TAKEN, TakenRequest
from medspace.services.credentials.ports import Issuable

LONGEST_REASON = LONGEST_VALUE = 1000  # characters
MOST_VALUES = 64  # of one claim
MOST_OF_ONE, MOST_WAITING_OF_ONE = 1000, 16  # requests of one holder, and those on which a person has to decide
MOST_WAITING = 1000  # the same, of all holders


def check_room(tx: Transaction, taken: TakenRequest) -> None:
    """Refuse a request of somebody who has asked too often, or of which too many wait already.

    Raises:
        NotIssuedError: with the reason.
    """
    if tx.count(TAKEN, {"holder": taken.holder}, MOST_OF_ONE) >= MOST_OF_ONE:
        raise _full(taken, msgid("it has asked too often"))
    if taken.waiting is None:
        return
    theirs = {"holder": taken.holder}
    if (
        len(tx.find(TAKEN, where=theirs, order_by="waiting", after="", limit=MOST_WAITING_OF_ONE))
        >= MOST_WAITING_OF_ONE
    ):
        raise _full(taken, msgid("other requests of it wait already"))
    if len(tx.find(TAKEN, order_by="waiting", after="", limit=MOST_WAITING)) >= MOST_WAITING:
        raise _full(taken, msgid("too many requests wait already"))


def _full(taken: TakenRequest, reason: str) -> NotIssuedError:
    return NotIssuedError(type=taken.credentials[0], holder=taken.holder, reason=Text(reason))


def waiting(tx: Transaction, name: str) -> TakenRequest:
    """The request of that id, which waits for a decision.

    Raises:
        CredentialUnknownError: there is no such request.
        RequestDecidedError: it does not wait.
    """
    taken = tx.get(TAKEN, name)
    if taken is None:
        raise CredentialUnknownError(id=name[:LONGEST_NAME])
    if taken.waiting is None:
        raise RequestDecidedError(id=taken.id, state="GRANTED" if taken.granted else taken.state)
    return taken


def claims_stated(taken: TakenRequest, kinds: Sequence[Issuable], claims: JsonObject) -> JsonObject:
    """The claims that somebody states on granting: each that `kinds` leave to a person, and no other.

    Raises:
        DecisionError: one is missing, is not to be stated, or is no short text, number or list of short texts.
    """
    wanted = {claim for kind in kinds for claim in kind.stated}
    for reason, names in (
        (msgid("it lacks {claims}"), wanted - set(claims)),
        (msgid("nobody is to state {claims}"), set(claims) - wanted),
        (msgid("a value is no text, number or list, or too long: {claims}"), {n for n in claims if _odd(claims[n])}),
    ):
        if names:
            shown = ", ".join(sorted(names))[:LONGEST_NAME]
            raise DecisionError(id=taken.id, reason=Text(reason, {"claims": shown}))
    return dict(claims)


def _odd(value: Json) -> bool:
    if isinstance(value, list):
        return not 0 < len(value) <= MOST_VALUES or any(isinstance(one, list) or _odd(one) for one in value)
    if isinstance(value, str):
        return not 0 < len(value) <= LONGEST_VALUE
    return not isinstance(value, int)


def reason_stated(taken: TakenRequest, reason: str) -> str:
    """The reason of a refusal, without spaces around it.

    Raises:
        DecisionError: there is none, or a very long one.
    """
    said = reason.strip()
    if not said:
        raise DecisionError(id=taken.id, reason=Text(msgid("it gives no reason")))
    if len(said) > LONGEST_REASON:
        raise DecisionError(id=taken.id, reason=Text(msgid("its reason is too long")))
    return said
