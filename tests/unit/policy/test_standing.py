"""Who the user is to the space, and how long ago something was: read strictly, and said in words."""

import pytest

from medspace.policy import templates
from medspace.policy.errors import InvalidTermsError
from medspace.policy.gates import judged
from medspace.policy.standing import lasting, level


@pytest.mark.parametrize(
    ("length", "words"),
    [(86_400, "1 day"), (30 * 86_400, "30 days"), (12 * 3600, "12 hours"), (3630, "3630 seconds"), (0, "0 seconds")],
)
def test_a_number_of_seconds_is_said_in_words(length, words):
    assert str(lasting(length)) == words


def test_the_highest_level_that_the_authority_signed_counts():
    assert level(()) == level(("research-institute",)) == 0
    assert level(("security-base", "security-trust-plus")) == 3


def test_a_group_without_a_column_is_none():
    assert judged({"judge": {"groups": [{"bands": [1, 2]}, "sex", {"column": "age"}]}}) == ("sex", "age")


def test_a_level_that_nobody_signs_is_refused():
    with pytest.raises(InvalidTermsError, match="gold"):
        templates.build("train-only", security_level="gold")
