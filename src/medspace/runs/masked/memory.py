"""What a site remembers of a masked run between steps: sealed, and deleted with the use."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from medspace.core.canonical import JsonObject
from medspace.runs.masked.errors import OutOfTurnError
from medspace.runs.masked.grouping import inside
from medspace.runs.masked.messages import Opening


class QuestionStage(StrEnum):
    """The last thing that a site has done for the current question; `AFTER` says what may come next."""

    SHARED = "shared"
    CONTRIBUTED = "contributed"
    AGREED = "agreed"
    OPENED = "opened"
    PROPOSED = "proposed"
    ENDED = "ended"


class MaskSecrets(msgspec.Struct, frozen=True):
    """The secrets of one question: deleted with the next one."""

    own: bytes  # the seed of the site's own mask
    pairs: dict[str, bytes]  # the round seeds, by peer
    contribution: str  # the hash of what was contributed
    share: bytes  # the site's own share of its own seed


class Agreed(msgspec.Struct, frozen=True):
    """A masked total, with what is needed to open it and to detect who lies in opening it."""

    survivors: dict[str, str]  # the hash of each one's contribution
    lost: tuple[str, ...]
    total: bytes  # the words of the masked total; of several groups, one after the other
    signed: str  # the bytes of the list, as everybody must sign it
    own: dict[str, str]  # the hash of each survivor's own seed
    pairs: dict[str, dict[str, str]]  # for each survivor: the hashes of its round seeds with the lost
    shares: dict[str, dict[str, str]]  # for each survivor: the hash of each seat's share of its own seed
    held: dict[str, bytes]  # the shares that this site holds of the survivors
    part: tuple[str, int] | None = None  # digest and size of the masked total, where it is a part

    def groups(self, seats: Sequence[Sequence[str]]) -> "list[Agreed]":
        """What of it belongs to each group of sites, whose masked totals lie one after the other."""
        if len(seats) == 1:
            return [self]
        size = len(self.total) // len(seats)
        return [
            msgspec.structs.replace(
                self,
                survivors=inside(group, self.survivors),
                lost=tuple(site for site in self.lost if site in group),
                total=self.total[size * number : size * (number + 1)],
            )
            for number, group in enumerate(seats)
        ]


class Remembered(msgspec.Struct, frozen=True):
    """All of it. `state` is that of the task before the question; `following` the one after, where it is known."""

    turn: QuestionStage
    seeds: dict[str, tuple[bytes, str]] = {}  # drawn here for peers: the seed, and how it was sealed
    secrets: dict[str, bytes] = {}  # with each peer
    question: int = 0
    state: JsonObject = {}
    masks: MaskSecrets | None = None
    agreed: Agreed | None = None
    opening: Opening | None = None  # what this site gave
    following: JsonObject | None = None
    follows: str = ""  # what the site that proposed the question signed of it
    led: str = ""  # which site that was
    measured: JsonObject = {}  # the site's own quality; it leaves only where its terms let it
    objectives: list[str | None] = []  # of the questions so far
    took: list[list[str]] = []  # who was in the total of each
    noise: bytes = b""  # the seed of the site's noise: a repeated step adds the same


def kept(memory: Remembered) -> bytes:
    """As it is sealed."""
    return msgspec.msgpack.encode(memory)


def recalled(content: bytes | None, *turns: QuestionStage) -> Remembered:
    """What the site remembers, if it is in one of these turns.

    Raises:
        OutOfTurnError: it is not: a step was left out, or is asked for twice.
    """
    memory = Remembered(QuestionStage.ENDED) if content is None else msgspec.msgpack.decode(content, type=Remembered)
    if content is None or memory.turn not in turns:
        raise OutOfTurnError(turn=memory.turn.value if content else "-")
    return memory


def changed(memory: Remembered, **fields: Any) -> Remembered:  # noqa: ANN401 - any of its fields
    """The memory with other fields."""
    return msgspec.structs.replace(memory, **fields)
