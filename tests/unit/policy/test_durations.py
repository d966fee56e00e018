"""One reader of durations, for every place of a policy that has one."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.policy import durations, odrl
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.evaluation import values

READ = {
    "P30D": timedelta(days=30),
    "P2W": timedelta(weeks=2),
    "PT12H": timedelta(hours=12),
    "P1DT30M": timedelta(days=1, minutes=30),
    "PT1H30S": timedelta(seconds=3630),
    "P0D": timedelta(),
    "PT0S": timedelta(),
    "P99999D": durations.LONGEST,
}
REFUSED = [
    *("", "P", "PT", "P1DT", "P1Y", "P1M", "-P1D", "P1.5D", "PT1.5S", "30", "30 days", "p1d", "P1D ", "P٣D"),
    *("P99999DT1S", "P99999W", "PT9999999999S", "P" + "9" * 400 + "D"),
]


@pytest.mark.parametrize(("text", "length"), READ.items())
def test_a_duration_has_one_length(text, length):
    assert durations.read(text) == length


@pytest.mark.parametrize("text", REFUSED)
def test_what_has_no_fixed_length_or_is_too_long_is_refused_everywhere(text):
    with pytest.raises(ValueError, match=r".*"):
        durations.read(text)
    rule = {"action": "medspace:train", "constraint": [compare("elapsedTime", text)]}
    duty = {"action": "delete", "constraint": [compare("elapsedTime", text)]}
    for document in ({"permission": [rule]}, {"permission": [{"action": "medspace:train"}], "obligation": [duty]}):
        with_it = {"@id": "urn:o", "@type": "Offer", **document}
        try:
            assert odrl.parse(with_it).flaws
        except InvalidPolicyError:  # as an empty text is none
            assert not text
    with pytest.raises(InvalidPolicyError):
        values.read({"@value": text, "@type": "xsd:duration"}, "elapsedTime", "/x")


def compare(operand, right):
    return {"leftOperand": operand, "operator": "lteq", "rightOperand": right}


@given(st.timedeltas(min_value=timedelta(), max_value=durations.LONGEST))
def test_what_is_written_is_read_alike(length):
    whole = timedelta(days=length.days, seconds=length.seconds)
    assert durations.read(values.written(whole)) == whole
