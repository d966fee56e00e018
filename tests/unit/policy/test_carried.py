"""What results carry of labels: never more than each of them allows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.policy import carried, labels
from medspace.policy.actions import ACTIONS
from medspace.policy.points import Point
from medspace.policy.purposes import PURPOSES
from tests.examples import most
from tests.unit.policy.given import request

RESEARCH, ALGORITHMS, SCIENCE = (
    "ehds:HealthcareScientificResearch",
    "ehds:TrainTestAndEvaluateAISystemsAlgorithms",
    "dpv:ScientificResearch",
)
OPEN = {"purposes": [RESEARCH], "regions": ["World"], "kinds": ["medspace:train"]}


def label(**said):
    return labels.parse(OPEN | said)


def together(*found):
    return carried.strictest([carried.of(one) for one in found])


def test_the_strictest_of_two_is_what_both_allow():
    one = label(purposes=[SCIENCE, "dpv:Marketing"], regions=["EU"], valid_until="2027-12-31", sensitivity="public")
    two = label(
        purposes=[ALGORITHMS], regions=["DE", "US"], valid_until="2026-12-31", laws=["ehds"], origin="primary-care"
    )
    found = together(one, two)
    assert found["purposes"] == [ALGORITHMS]
    assert found["regions"] == ["DE"]
    assert found["valid_until"].startswith("2027-01-01")
    assert (found["sensitivity"], found["laws"], found["origins"]) == ("non-public", ["ehds"], ["primary-care"])


def test_what_has_no_label_allows_nothing():
    assert carried.of(None)["purposes"] == []
    assert together(label(), None)["purposes"] == []
    assert carried.strictest([])["purposes"] == []
    assert carried.strictest([carried.of(label()), {}])["regions"] == []


def test_parts_that_a_task_may_touch_count_and_closed_ones_do_not():
    parts = [{"names": ["gene"], "regions": ["DE"]}, {"names": ["hiv"], "purposes": []}, {"names": ["*"]}]
    found = carried.of(label(columns=parts))
    assert (found["regions"], found["purposes"]) == (["DE"], [RESEARCH])


def test_a_label_that_is_too_long_to_be_carried_carries_nothing():
    laws = ["ehds"] * 400
    assert carried.of(label(laws=laws))["purposes"] == [RESEARCH]  # the same one once
    many = label(columns=[{"names": [f"c{n}"], "laws": ["ehds"]} for n in range(900)])
    assert carried.of(many)["purposes"] == [RESEARCH]


@pytest.mark.parametrize(
    ("said", "wider"),
    [
        ({}, False),
        ({"purposes": [ALGORITHMS], "regions": ["DE"]}, False),
        ({"purposes": [SCIENCE]}, True),
        ({"kinds": ["use"]}, True),
        ({"valid_until": "2028-01-01"}, True),
        ({"sensitivity": "public"}, True),
        ({"laws": []}, True),
    ],
)
def test_a_label_is_freer_if_it_allows_anything_that_its_sources_do_not(said, wider):
    bound = {"valid_until": "2027-12-31", "sensitivity": "restricted", "laws": ["ehds"]}
    source = carried.of(label(**bound))
    assert bool(carried.freer(label(**(bound | said)), source)) is wider
    assert carried.freer(None, source) == []


some = st.fixed_dictionaries(
    {
        "purposes": st.lists(st.sampled_from(sorted(PURPOSES.ancestors)), max_size=3),
        "regions": st.lists(st.sampled_from(["World", "EU", "EEA", "DE", "FR", "CN", "CN-BJ", "US"]), max_size=3),
        "kinds": st.lists(st.sampled_from(sorted(ACTIONS.ancestors)), max_size=2),
    }
).map(labels.parse)
asked = st.builds(
    request,
    purpose=st.sampled_from(sorted(PURPOSES.ancestors)),
    region=st.sampled_from(["DE", "FR", "CN", "CN-BJ", "US", "NO"]),
    action=st.sampled_from(sorted(ACTIONS.ancestors)),
)


@settings(max_examples=most(300), deadline=None)
@given(st.lists(some, min_size=1, max_size=3), asked)
def test_what_is_carried_never_allows_what_one_of_the_labels_does_not(found, wanted):
    carries = together(*found)
    own = labels.parse({name: carries[name] for name in ("purposes", "regions", "kinds")})
    if labels.decide(own, wanted, Point.COMPUTE).permitted:
        assert all(labels.decide(one, wanted, Point.COMPUTE).permitted for one in found)
