"""The collector of cycles rests during a start, and looks again afterwards, whatever happens."""

import gc

import pytest

from medspace.app.node.cycles import THRESHOLDS, settle, unwatched, watch


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_a_start_is_unwatched_until_it_says_so_or_ends():
    with unwatched():
        assert not gc.isenabled()
        watch()
        assert gc.isenabled()
        assert gc.get_threshold() == THRESHOLDS
    with pytest.raises(ZeroDivisionError), unwatched():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_is_there_is_looked_through_once_and_then_left_alone():
    class Ring:
        """Something in a cycle."""

    ring = Ring()
    ring.itself = ring
    with unwatched():
        settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert not any(one is ring for one in gc.get_objects())
    assert gc.get_freeze_count() == 0  # nothing of it outlives the interpreter
    assert any(one is ring for one in gc.get_objects())
