"""The state machine of a step, as a table: each state has one owner, each transition one rule.

A step that waits for its turn is neither admitted nor stored. An admitted step is stored as an `AdmittedQuestion`,
and ends once. Whether it is being worked on is not stored: it is, as long as a connector runs that leads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from medspace.connector.usage.model import QuestionOutcome


class StepState(StrEnum):
    """The states of a step."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    WORKING = "working"
    HELD = "held"
    RELEASED = "released"
    WITHHELD = "withheld"
    REFUSED = "refused"
    FAILED = "failed"


class StepEvent(StrEnum):
    """What moves a step."""

    ADMIT = "admit"
    BEGIN = "begin"
    CUT_OFF = "cut off"
    HOLD = "hold"
    RELEASE = "release"
    WITHHOLD = "withhold"
    REFUSE = "refuse"
    FAIL = "fail"


class StepOwner(StrEnum):
    """Whose move it is in a state."""

    DOOR = "the door"
    CONTROL = "usage control"
    RUNNER = "the runner"
    CHECKER = "a person of the holder"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Move:
    """Where an event leads, and the rule by which it may happen."""

    state: StepState
    rule: str


_S, _E = StepState, StepEvent

OWNERS: Mapping[StepState, StepOwner] = MappingProxyType(
    {
        _S.WAITING: StepOwner.DOOR,
        _S.ADMITTED: StepOwner.CONTROL,
        _S.WORKING: StepOwner.RUNNER,
        _S.HELD: StepOwner.CHECKER,
        _S.RELEASED: StepOwner.NOBODY,
        _S.WITHHELD: StepOwner.NOBODY,
        _S.REFUSED: StepOwner.NOBODY,
        _S.FAILED: StepOwner.NOBODY,
    }
)

MOVES: Mapping[tuple[StepState, StepEvent], Move] = MappingProxyType(
    {
        (_S.WAITING, _E.ADMIT): Move(_S.ADMITTED, "agreement, label and brakes permit it, and a runner has a place"),
        (_S.ADMITTED, _E.BEGIN): Move(_S.WORKING, "the runner takes it, or still has it from before a kill"),
        (_S.ADMITTED, _E.REFUSE): Move(_S.REFUSED, "the use was ended while no connector ran"),
        (_S.ADMITTED, _E.FAIL): Move(_S.FAILED, "it was cut off, and cannot be repeated or was repeated before"),
        (_S.WORKING, _E.CUT_OFF): Move(_S.ADMITTED, "the connector was killed"),
        (_S.WORKING, _E.HOLD): Move(_S.HELD, "the gate permits it, once a person has looked"),
        (_S.WORKING, _E.RELEASE): Move(_S.RELEASED, "the gate permits it"),
        (_S.WORKING, _E.WITHHOLD): Move(_S.WITHHELD, "a rule about the rows behind it forbids it"),
        (_S.WORKING, _E.REFUSE): Move(_S.REFUSED, "a rule that everybody may know forbids it, or the use is over"),
        (_S.WORKING, _E.FAIL): Move(_S.FAILED, "the engine broke or took too long, or the connector ended"),
        (_S.HELD, _E.RELEASE): Move(_S.RELEASED, "a person approves it, and the gate permits it now"),
        (_S.HELD, _E.WITHHOLD): Move(_S.WITHHELD, "a person keeps it back"),
        (_S.HELD, _E.REFUSE): Move(_S.REFUSED, "the use is over, or nobody looked in time"),
    }
)

_KEPT: Mapping[QuestionOutcome, StepState] = MappingProxyType(
    {
        QuestionOutcome.OPEN: _S.WORKING,
        QuestionOutcome.HELD: _S.HELD,
        QuestionOutcome.RELEASED: _S.RELEASED,
        QuestionOutcome.WITHHELD: _S.WITHHELD,
        QuestionOutcome.REFUSED: _S.REFUSED,
        QuestionOutcome.FAILED: _S.FAILED,
    }
)


def kept_as(outcome: QuestionOutcome) -> StepState:
    """The state of a stored step, in a connector that leads the unfinished ones."""
    return _KEPT[outcome]


def may_become(old: QuestionOutcome, new: QuestionOutcome) -> bool:
    """Whether the record of a step may change this way: by one move of the table, or two with a kill in between."""
    sources = {kept_as(old)} | ({StepState.ADMITTED} if old is QuestionOutcome.OPEN else set())
    return any(move.state is kept_as(new) for (state, _), move in MOVES.items() if state in sources)


def diagram() -> str:
    """The table as a mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> waiting"]
    lines += [f"    {state.value} --> {move.state.value}: {event.value}" for (state, event), move in MOVES.items()]
    lines += [f"    {state.value} --> [*]" for state, owner in OWNERS.items() if owner is StepOwner.NOBODY]
    return "\n".join(lines) + "\n"
