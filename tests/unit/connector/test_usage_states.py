"""The state machine of a step: every state has one owner, every transition one rule."""

from itertools import product

from medspace.connector.usage import states
from medspace.connector.usage.model import QuestionOutcome
from medspace.connector.usage.states import MOVES, OWNERS, StepEvent, StepOwner, StepState

ENDS = {StepState.RELEASED, StepState.WITHHELD, StepState.REFUSED, StepState.FAILED}


def test_every_state_has_one_owner_and_every_transition_one_rule():
    assert set(OWNERS) == set(StepState)
    assert set(OWNERS.values()) == set(StepOwner)
    assert all(move.rule for move in MOVES.values())
    assert {event for _, event in MOVES} == set(StepEvent)


def test_what_has_ended_is_left_by_nothing_and_everything_else_can_end():
    assert {state for state, owner in OWNERS.items() if owner is StepOwner.NOBODY} == ENDS
    assert not ENDS & {state for state, _ in MOVES}
    reached = {StepState.WAITING}
    while more := {MOVES[state, event].state for state, event in MOVES if state in reached} - reached:
        reached |= more
    assert reached == set(StepState)
    for start in set(StepState) - ENDS:
        found = {start}
        while more := {MOVES[state, event].state for state, event in MOVES if state in found} - found:
            found |= more
        assert found & ENDS


def test_what_is_kept_changes_only_as_the_table_allows():
    legal = {(old, new) for old, new in product(QuestionOutcome, QuestionOutcome) if states.may_become(old, new)}
    ends = (QuestionOutcome.RELEASED, QuestionOutcome.WITHHELD, QuestionOutcome.REFUSED, QuestionOutcome.FAILED)
    assert {(QuestionOutcome.OPEN, end) for end in ends} <= legal
    assert (QuestionOutcome.OPEN, QuestionOutcome.HELD) in legal
    assert not [pair for pair in legal if pair[0] in ends]
    assert (QuestionOutcome.HELD, QuestionOutcome.FAILED) not in legal


def test_the_diagram_shows_every_transition():
    assert len(states.diagram().splitlines()) == 2 + len(MOVES) + len(ENDS)
