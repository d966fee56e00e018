"""Sentences with gaps, and sentences within sentences."""

import pytest

from medspace.core.text import Text


def same(sentence):
    return sentence


def test_gaps_are_filled_by_name():
    assert str(Text("{a} and {b}", {"a": 1, "b": "two"})) == "1 and two"


@pytest.mark.parametrize(
    ("outer", "inner", "said"),
    [
        ("It failed: {reason}.", "The disk is full.", "It failed: The disk is full."),
        ("失败：{reason}。", "磁盘已满。", "失败：磁盘已满。"),
        ("It failed ({reason})", "The disk is full.", "It failed (The disk is full.)"),
        ("It failed: {reason}.", "no stop", "It failed: no stop."),
    ],
)
def test_a_sentence_within_a_sentence_gives_up_its_full_stop_to_the_outer_one(outer, inner, said):
    assert Text(outer, {"reason": Text(inner)}).render(same) == said


def test_what_is_no_sentence_stays_as_it_is():
    assert Text("It is in {folder}.", {"folder": ".."}).render(same) == "It is in ..."
