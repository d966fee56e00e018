"""When a message is repeated, and what an answer means for it."""

from dataclasses import dataclass
from enum import Enum

from medspace.core.clock import Randomness


class Answer(Enum):
    """What an HTTP status says about a message."""

    TAKEN = "taken"
    NOT_YET = "not yet"  # surely not taken; worth repeating
    UNCLEAR = "unclear"  # perhaps taken; worth repeating
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a message is repeated; seconds."""

    first: float = 0.1
    longest: float = 10.0
    deadline: float = 600.0
    settle: float = 1.0  # how long a message of the counterparty waits for the answer to ours

    def pause(self, attempts: int, randomness: Randomness) -> float:
        """The pause after so many attempts: doubled each time, within a quarter around it by chance."""
        doubled = self.first * 2.0 ** min(attempts - 1, 30)
        chance = randomness.token_bytes(1)[0] / 255
        return min(doubled, self.longest) * (0.75 + 0.5 * chance)


_AGAIN = frozenset({404, 408, 425, 429})


def meaning(status: int) -> Answer:
    """What the status of an answer says.

    404: the counterparty has no such endpoint or process yet (callbacks come up late), so it is repeated. Any other
    4xx is a refusal; 5xx may stem from a proxy after the message was taken.
    """
    if status in range(200, 300):
        return Answer.TAKEN
    if status in _AGAIN:
        return Answer.NOT_YET
    return Answer.REFUSED if status in range(400, 500) else Answer.UNCLEAR
