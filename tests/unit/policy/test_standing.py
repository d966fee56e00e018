"""Who the user is to the space, and how long ago something was: read strictly, and said in words."""

import pytest

from medspace.policy import templates
from medspace.policy.errors import InvalidTermsError
from medspace.policy.gates import judged
from medspace.policy.standing import lasting, level, seconds


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("P1D", 86_400, "1 day"),
        ("P30D", 30 * 86_400, "30 days"),
        ("PT12H", 12 * 3600, "12 hours"),
        ("PT1H30S", 3630, "3630 seconds"),
        ("PT0S", 0, "0 seconds"),
    ],
)
def test_a_duration_is_a_number_of_seconds(text, value, words):
    assert seconds(text) == value
    assert str(lasting(value)) == words


@pytest.mark.parametrize("text", ["", "P", "PT", "P1Y", "P1M", "30 days", "-P1D", "P1.5D"])
def test_what_is_no_duration_of_a_known_length_is_refused(text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        seconds(text)


def test_the_highest_level_that_the_authority_signed_counts():
    assert level(()) == level(("research-institute",)) == 0
    assert level(("security-base", "security-trust-plus")) == 3


def test_a_group_without_a_column_is_none():
    assert judged({"judge": {"groups": [{"bands": [1, 2]}, "sex", {"column": "age"}]}}) == ("sex", "age")


def test_a_level_that_nobody_signs_is_refused():
    with pytest.raises(InvalidTermsError, match="gold"):
        templates.build("train-only", security_level="gold")
