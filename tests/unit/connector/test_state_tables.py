"""The two state machines as tables, and what crossing messages mean."""

from itertools import product

import pytest

from medspace.connector.errors import TransitionError
from medspace.connector.model import NegotiationState, Role, TransferState
from medspace.connector.negotiation import rules as negotiation
from medspace.connector.states import Crossing, DeliveryState, Meeting, ProcessOwner, crossing
from medspace.connector.transfer import rules as transfer

TABLES = [(negotiation, NegotiationState), (transfer, TransferState)]
IDS = ["negotiation", "transfer"]
C, P = Role.CONSUMER, Role.PROVIDER
N, S = negotiation.NegotiationMessage, NegotiationState
T, U = transfer.TransferMessage, TransferState

# DSP 2025-1: the legal moves, written down a second time by hand.
NEGOTIATION_MOVES = {
    (S.INITIAL, N.REQUEST, C): S.REQUESTED,
    (S.INITIAL, N.OFFER, P): S.OFFERED,
    (S.REQUESTED, N.OFFER, P): S.OFFERED,
    (S.REQUESTED, N.AGREEMENT, P): S.AGREED,
    (S.OFFERED, N.REQUEST, C): S.REQUESTED,
    (S.OFFERED, N.ACCEPTED, C): S.ACCEPTED,
    (S.ACCEPTED, N.AGREEMENT, P): S.AGREED,
    (S.AGREED, N.VERIFICATION, C): S.VERIFIED,
    (S.VERIFIED, N.FINALIZED, P): S.FINALIZED,
    **{
        (state, N.TERMINATION, role): S.TERMINATED
        for state in (S.REQUESTED, S.OFFERED, S.ACCEPTED, S.AGREED, S.VERIFIED)
        for role in Role
    },
}
TRANSFER_MOVES = {
    (U.INITIAL, T.REQUEST, C): U.REQUESTED,
    (U.REQUESTED, T.START, P): U.STARTED,
    **{(U.STARTED, T.SUSPENSION, role): U.SUSPENDED for role in Role},
    **{(U.STARTED, T.COMPLETION, role): U.COMPLETED for role in Role},
    **{(U.SUSPENDED, T.START, role): U.STARTED for role in Role},
    **{
        (state, T.TERMINATION, role): U.TERMINATED for state in (U.REQUESTED, U.STARTED, U.SUSPENDED) for role in Role
    },
}
MESSAGES = {negotiation: negotiation.NegotiationMessage, transfer: transfer.TransferMessage}
EVERY_MOVE = [
    (rules, moves, state, message, role)
    for (rules, states), moves in zip(TABLES, (NEGOTIATION_MOVES, TRANSFER_MOVES), strict=True)
    for state, message, role in product(states, MESSAGES[rules], Role)
]


@pytest.mark.parametrize(("rules", "states"), TABLES, ids=IDS)
def test_every_state_has_one_owner(rules, states):
    assert set(rules.TABLE.owners) == set(states)
    assert all(owner in ProcessOwner for owner in rules.TABLE.owners.values())


@pytest.mark.parametrize(("rules", "states"), TABLES, ids=IDS)
def test_whoever_owns_a_state_can_leave_it_and_nobody_leaves_what_nobody_owns(rules, states):
    for state in states:
        senders = {
            role
            for (source, _), transition in rules.TABLE.transitions.items()
            if source is state
            for role in transition.senders
        }
        owner = rules.TABLE.owners[state]
        if owner is ProcessOwner.NOBODY:
            assert not senders
        elif owner is ProcessOwner.EITHER:
            assert senders == set(Role)
        else:
            assert Role(owner.value) in senders


@pytest.mark.parametrize(("rules", "states"), TABLES, ids=IDS)
def test_every_state_is_reached_and_every_message_used(rules, states):
    reached = {transition.state for transition in rules.TABLE.transitions.values()} | {rules.TABLE.initial}
    assert reached == set(states)
    assert {message for _, message in rules.TABLE.transitions} == set(MESSAGES[rules])
    assert set(rules.ACTIONS.values()) == set(MESSAGES[rules])


@pytest.mark.parametrize(("rules", "moves", "state", "message", "role"), EVERY_MOVE)
def test_every_move_is_legal_or_refused_as_the_protocol_says(rules, moves, state, message, role):
    expected = moves.get((state, message, role))
    assert rules.TABLE.after(state, message, role) is expected
    if expected is None:
        with pytest.raises(TransitionError) as refused:
            rules.TABLE.step(state, message, role)
        assert state.value in str(refused.value)
    else:
        assert rules.TABLE.step(state, message, role) is expected


@pytest.mark.parametrize(("rules", "states"), TABLES, ids=IDS)
def test_the_diagram_shows_every_transition(rules, states):
    lines = rules.TABLE.diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    finals = [state for state in states if rules.TABLE.final(state)]
    assert len(lines) == 1 + len(rules.TABLE.transitions) + len(finals)
    assert any(line.strip().startswith("[*] -->") for line in lines)


def test_only_a_termination_yields_and_never_to_a_final_message():
    assert [m for m in N if negotiation.TABLE.yields(m, N.OFFER)] == [N.TERMINATION]
    assert [m for m in N if negotiation.TABLE.yields(m, N.FINALIZED)] == []
    assert [m for m in T if transfer.TABLE.yields(m, T.START)] == [T.TERMINATION]
    assert [m for m in T if transfer.TABLE.yields(m, T.COMPLETION)] == []


def met(role, state, received, own, standing):
    return crossing(transfer.TABLE, Meeting(role, state, received, own, standing))


@pytest.mark.parametrize("standing", [DeliveryState.NONE, DeliveryState.RESTING])
def test_without_a_message_under_way_the_state_alone_decides(standing):
    for role, received in product(Role, T):
        assert met(role, U.STARTED, received, T.SUSPENSION, standing) is Crossing.TAKE


@pytest.mark.parametrize("standing", [DeliveryState.FLYING, DeliveryState.DOUBTFUL])
def test_the_consumer_takes_what_fits_its_state(standing):
    assert met(C, U.STARTED, T.SUSPENSION, T.COMPLETION, standing) is Crossing.TAKE


def test_the_provider_waits_for_the_answer_to_its_own_message():
    assert met(P, U.STARTED, T.SUSPENSION, T.COMPLETION, DeliveryState.FLYING) is Crossing.WAIT
    assert met(P, U.STARTED, T.SUSPENSION, T.COMPLETION, DeliveryState.DOUBTFUL) is Crossing.LATER
    assert met(P, U.STARTED, T.TERMINATION, T.COMPLETION, DeliveryState.DOUBTFUL) is Crossing.LATER
    assert met(P, U.STARTED, T.TERMINATION, T.SUSPENSION, DeliveryState.DOUBTFUL) is Crossing.TAKE


@pytest.mark.parametrize("role", list(Role))
def test_what_fits_only_after_our_message_proves_that_it_was_taken(role):
    state, received, own = U.STARTED, T.START, T.SUSPENSION
    assert met(role, state, received, own, DeliveryState.FLYING) is Crossing.WAIT
    assert met(role, state, received, own, DeliveryState.DOUBTFUL) is Crossing.IMPLY


def test_what_fits_neither_before_nor_after_is_left_to_the_state():
    assert met(P, U.REQUESTED, T.COMPLETION, T.TERMINATION, DeliveryState.FLYING) is Crossing.TAKE
    assert met(P, U.COMPLETED, T.START, T.SUSPENSION, DeliveryState.DOUBTFUL) is Crossing.TAKE


def test_before_the_first_acknowledgement_nothing_fits_as_it_is():
    table = negotiation.TABLE
    early = Meeting(C, S.INITIAL, N.OFFER, N.REQUEST, DeliveryState.FLYING)
    assert not early.fits(table)
    assert early.fits_after(table)
    assert crossing(table, early) is Crossing.WAIT
