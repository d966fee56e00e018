"""What a person may say who decides on a request for credentials."""

from collections.abc import Sequence

from medspace.core.canonical import Json, JsonObject
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.services.credentials.errors import CredentialUnknownError, DecisionError, RequestDecidedError
from medspace.services.credentials.messages import LONGEST_NAME
from medspace.services.credentials.model import TAKEN, TakenRequest
from medspace.services.credentials.ports import Issuable

LONGEST_REASON = LONGEST_VALUE = 1000  # characters
MOST_VALUES = 64  # of one claim


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
