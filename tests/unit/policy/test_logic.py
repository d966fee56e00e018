from itertools import product

import pytest

from medspace.policy.logic import (
    ELSEWHERE,
    LOGIC,
    NO,
    UNDECIDED,
    YES,
    any_of,
    conjunction,
    disjunction,
    exactly_one,
    negated,
    outcome,
    settled,
)

T, F, U = YES, NO, UNDECIDED

AND = {(T, T): T, (T, F): F, (T, U): U, (F, T): F, (F, F): F, (F, U): F, (U, T): U, (U, F): F, (U, U): U}
OR = {(T, T): T, (T, F): T, (T, U): T, (F, T): T, (F, F): F, (F, U): U, (U, T): T, (U, F): U, (U, U): U}
XONE = {(T, T): F, (T, F): T, (T, U): U, (F, T): T, (F, F): F, (F, U): U, (U, T): U, (U, F): U, (U, U): U}


@pytest.mark.parametrize(("name", "table"), [("and", AND), ("andSequence", AND), ("or", OR), ("xone", XONE)])
def test_truth_tables_of_two(name, table):
    assert {pair: LOGIC[name](pair) for pair in table} == table


@pytest.mark.parametrize("parts", list(product((T, F, U), repeat=3)))
def test_truth_tables_of_three(parts):
    certain = [bool(part == T) for part in parts if part != U]
    fillings = [certain + list(rest) for rest in product((True, False), repeat=parts.count(U))]
    for joined, plain in ((conjunction, all), (disjunction, any), (exactly_one, lambda v: sum(v) == 1)):
        possible = {plain(filling) for filling in fillings}
        assert settled(joined(parts)) == (possible.pop() if len(possible) == 1 else None)


@pytest.mark.parametrize("parts", list(product((T, F, U, ELSEWHERE), repeat=3)))
def test_what_is_decided_elsewhere_is_every_choice_of_it(parts):
    choices = list(product(*((T, F) if part == ELSEWHERE else (part,) for part in parts)))
    for joined in (conjunction, disjunction, exactly_one):
        expected = 0
        for choice in choices:
            expected |= joined(choice)
        assert joined(parts) == expected


def test_a_second_yes_decides_exactly_one_whatever_is_undecided():
    assert exactly_one((YES, UNDECIDED, YES)) == NO
    assert exactly_one((YES, YES, YES)) == NO


def test_answers_become_outcomes_and_back():
    assert [outcome(answer) for answer in (True, False, None)] == [YES, NO, UNDECIDED]
    assert [settled(known) for known in (YES, NO, UNDECIDED, ELSEWHERE)] == [True, False, None, None]
    assert [negated(answer) for answer in (True, False, None)] == [False, True, None]


def test_any_of_keeps_what_is_not_known():
    assert any_of([False, None, True]) is True
    assert any_of([False, None]) is None
    assert any_of([False, False]) is False
    assert any_of([]) is False
