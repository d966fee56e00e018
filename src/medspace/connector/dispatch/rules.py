"""When a message is repeated, and what an answer means for it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from medspace.connector import wire
from medspace.connector.model import ProcessFailure
from medspace.connector.ports import Reply
from medspace.core.clock import Randomness
from medspace.core.text import Text, msgid

CLOCK = "peer.clock"
REDIRECTED = "peer.redirected"
UNREADABLE = "peer.bad_answer"
CODES = frozenset({CLOCK, REDIRECTED, UNREADABLE})
SKEW = 5.0  # seconds by which two clocks may differ before it is reported; a Date header has whole seconds


class DeliveryResult(Enum):
    """What an answer says about a message."""

    TAKEN = "taken"
    NOT_YET = "not yet"  # surely not accepted; worth repeating
    UNCLEAR = "unclear"  # possibly accepted; worth repeating
    BUSY = "busy"  # it fits our state but not yet the counterparty's; worth repeating for a while
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often a message is repeated; all values in seconds."""

    first: float = 0.1
    longest: float = 10.0
    deadline: float = 600.0
    settle: float = 1.0  # how long a message of the counterparty waits for the answer to ours
    busy: float = 60.0  # how long a counterparty may answer that a message does not fit its state
    asked: float = 120.0  # the longest pause that a counterparty may ask for
    quiet: float = 2.0  # after this long, an undelivered message is shown as trouble
    ending: float = 86_400.0  # how long a termination is repeated; its process is over here after `deadline`
    seldom: float = 300.0  # the pause between repetitions of such a termination
    silences: int = 3  # attempts without an answer after which a counterparty is only probed

    def pause(self, attempts: int, randomness: Randomness) -> float:
        """The pause after so many attempts: doubled each time, with random jitter of up to a quarter either way."""
        return self._about(min(self.first * 2.0 ** min(attempts - 1, 30), self.longest), randomness)

    def rarely(self, randomness: Randomness) -> float:
        """The pause between repetitions of a message that only the counterparty still needs."""
        return self._about(self.seldom, randomness)

    def _about(self, seconds: float, randomness: Randomness) -> float:
        chance = randomness.token_bytes(1)[0] / 255
        return seconds * (0.75 + 0.5 * chance)


# 401: clocks get set and keys become known in time. 404: the endpoint or process may not exist yet.
_AGAIN = frozenset({401, 404, 408, 425, 429})
_BUSY = frozenset({409, 423})
_FORBIDDEN = 403
# A 403 with one of these codes means that the sender could not verify who calls.
_UNPROVEN = ("identity.", "members.")


def meaning(reply: Reply) -> DeliveryResult:
    """What an answer means for the message.

    409 may pass: some connectors acknowledge a message before they have recorded it, and meanwhile refuse our next
    one. Any other 4xx is a refusal; a 5xx may come from a proxy after the message was accepted, as may a page that is
    not JSON.
    """
    status = reply.status
    if status in range(200, 300):
        return DeliveryResult.TAKEN if reply.readable else DeliveryResult.UNCLEAR
    if status in _AGAIN or (status == _FORBIDDEN and wire.stated_reason(reply.body).code.startswith(_UNPROVEN)):
        return DeliveryResult.NOT_YET
    if status in _BUSY:
        return DeliveryResult.BUSY
    return DeliveryResult.REFUSED if status in range(400, 500) else DeliveryResult.UNCLEAR


def explained(reply: Reply, now: datetime) -> ProcessFailure:
    """Why a message was not accepted: in the counterparty's words or, where those do not help, in ours."""
    stated = wire.stated_reason(reply.body)
    failure = replace(stated, reason=stated.reason or (f"HTTP {reply.status}",))
    if reply.status in range(300, 400):
        return ProcessFailure(
            REDIRECTED, (str(Text(msgid("It answers with a redirect, which is not followed."))),), "delivery"
        )
    if not reply.readable and reply.status in range(200, 300):
        return ProcessFailure(
            UNREADABLE, (str(Text(msgid("It answers with a page for people instead of a message."))),), "delivery"
        )
    told = skew_told(reply.date, now) if reply.status in (401, _FORBIDDEN) else None
    if told is None:
        return failure
    return ProcessFailure(CLOCK, (f"{failure.code}: {failure.reason[0]}.", str(told)), "delivery")


def skew_told(theirs: datetime | None, ours: datetime) -> Text | None:
    """How far our clock is from the counterparty's; None where the difference is not worth reporting."""
    if theirs is None:
        return None
    ahead = (ours - theirs).total_seconds()
    if abs(ahead) < SKEW:
        return None
    sentence = (
        msgid("Our clock is {seconds} s ahead of that of the other connector.")
        if ahead > 0
        else msgid("Our clock is {seconds} s behind that of the other connector.")
    )
    return Text(sentence, {"seconds": round(abs(ahead))})
