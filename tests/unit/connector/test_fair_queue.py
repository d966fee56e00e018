"""Places for messages under way: shared out fairly, and few for who does not answer."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.memory import SeededRandomness
from medspace.connector.dispatch.fair_queue import FairQueue, Sharing
from medspace.connector.dispatch.rules import RetryPolicy

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SHARING = Sharing(at_once=8, member=2, silent=3)


def places(sharing=SHARING):
    return FairQueue(sharing, RetryPolicy(), SeededRandomness(1))


def nothing_is_overdue(_item):
    return False


def silence(shared, member, now=T0):
    """The member has not answered often enough to be only tried."""
    for _ in range(3):
        shared.enter(member, "tried")
        assert shared.next(now)
        shared.silent(member, now, nothing_is_overdue)
        shared.leave(member)


def test_a_member_has_its_own_few_places():
    shared = places()
    for number in range(50):
        shared.enter("greedy", f"greedy {number}")
    shared.enter("honest", "honest")
    assert shared.next(T0) == ["greedy 0", "honest", "greedy 1"]
    assert shared.next(T0) == []
    shared.leave("greedy")
    assert shared.next(T0) == ["greedy 2"]


def test_all_places_together_are_bounded_and_go_in_turn():
    shared = places()
    for member in range(20):
        for number in range(2):
            shared.enter(f"m{member}", (member, number))
    first = shared.next(T0)
    assert first == [(member, 0) for member in range(8)]
    shared.leave("m0")
    assert shared.next(T0) == [(8, 0)]  # not the second one of the first


def test_who_does_not_answer_is_only_tried_ever_less_often_until_it_answers():
    shared, now = places(), T0
    silence(shared, "dead")
    for number in range(9):
        shared.enter("dead", number)
    pauses = []
    for _ in range(6):
        assert shared.next(now) == []
        opens = shared.opens(now)
        pauses.append((opens - now).total_seconds())
        now = opens
        assert len(shared.next(now)) == 1
        assert shared.opens(now) is None
        shared.silent("dead", now, nothing_is_overdue)
        shared.leave("dead")
    assert pauses == sorted(pauses)
    now = shared.opens(now)
    assert len(shared.next(now)) == 1
    shared.answered("dead")
    assert len(shared.next(now)) == 1  # both of its places again
    shared.leave("dead")
    assert len(shared.next(now)) == 1


def test_many_that_do_not_answer_together_leave_places_for_the_others():
    shared, later = places(), T0 + timedelta(minutes=1)
    for number in range(10):
        silence(shared, f"dead{number}")
        shared.enter(f"dead{number}", "more")
    assert len(shared.next(later)) == SHARING.silent
    shared.enter("honest", "honest")
    assert shared.next(later) == ["honest"]
    assert shared.opens(later) is None  # they wait for a place, not for a time


def test_what_is_overdue_leaves_the_queue_of_who_does_not_answer():
    shared = places()
    for number in range(6):
        shared.enter("dead", number)
    assert shared.next(T0) == [0, 1]
    assert shared.silent("dead", T0, lambda number: number % 2 == 0) == [2, 4]
    shared.leave("dead")
    assert shared.next(T0) == [3]
    assert shared.silent("dead", T0, lambda _: True) == [5]
    shared.leave("dead")
    shared.leave("dead")
    assert shared.next(T0) == []


MOVES = st.lists(st.tuples(st.sampled_from(["enter", "next", "answer", "silence", "wait"]), st.integers(0, 4)))


@given(MOVES)
def test_no_place_is_lost_and_no_bound_is_broken(moves):
    shared, now, flying, waiting = places(), T0, [], 0
    for move, number in moves:
        member = f"m{number}"
        if move == "enter":
            shared.enter(member, member)
            waiting += 1
        elif move == "next":
            flying += shared.next(now)
        elif move == "wait":
            now += timedelta(seconds=number)
        elif member in flying:
            if move == "answer":
                shared.answered(member)
            else:
                shared.silent(member, now, nothing_is_overdue)
            shared.leave(member)
            flying.remove(member)
            waiting -= 1
        assert len(flying) <= SHARING.at_once
        assert all(flying.count(member) <= SHARING.member for member in flying)
    while flying or waiting:  # everybody answers at last: everything leaves
        now += timedelta(minutes=1)
        flying += shared.next(now)
        for member in flying:
            shared.answered(member)
            shared.leave(member)
        waiting -= len(flying)
        flying = []
    assert all(queue.silences and not queue.flying for queue in shared._queues.values())  # only that is remembered
    assert not shared._turns
    assert not shared._tried
