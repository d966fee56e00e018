"""What a changed policy changes: said clause by clause, and told as looser or stricter only where it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.policy import odrl, templates, words
from medspace.policy.changes import Effect, compare
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide

LOOSER, STRICTER, OTHER = Effect.LOOSENS, Effect.TIGHTENS, Effect.DIFFERS


def policy(template="train-only", **terms):
    return odrl.parse(templates.build(template, **terms))


CASES = {
    "longer": ({"until": "2027-01-31"}, {"until": "2028-01-31"}, [LOOSER]),
    "shorter": ({"until": "2028-01-31"}, {"until": "2027-01-31"}, [STRICTER]),
    "more uses": ({"count": 5}, {"count": 6}, [LOOSER]),
    "more uses beside a duty that stays": (
        {"count": 5, "inform_within": 3},
        {"count": 6, "inform_within": 3},
        [LOOSER],
    ),
    "a bound": ({}, {"count": 6}, [STRICTER]),
    "no bound": ({"count": 6}, {}, [LOOSER]),
    "a wider purpose": (
        {"purposes": ["ehds:HealthcareScientificResearch"]},
        {"purposes": ["dpv:ScientificResearch"]},
        [LOOSER],
    ),
    "other places": ({"regions": ["DE"]}, {"regions": ["FR"]}, [OTHER]),
    "a country of the union": ({"regions": ["EU"]}, {"regions": ["FR"]}, [STRICTER]),
    "fewer sites": ({"min_sites": 5}, {"min_sites": 3}, [LOOSER]),
    "one each way": ({"count": 5, "min_sites": 3}, {"count": 6, "min_sites": 5}, [LOOSER, STRICTER]),
    "more time for a duty": ({"delete_within": 3}, {"delete_within": 30}, [LOOSER]),
    "a new duty": ({}, {"report_within": 3}, [STRICTER]),
    "no duty": ({"duties": ["medspace:log"]}, {}, [LOOSER]),
    "the same": ({"regions": ["DE", "FR"]}, {"regions": ["FR", "DE"]}, []),
}


@pytest.mark.parametrize(("before", "after", "effects"), CASES.values(), ids=CASES)
def test_each_change_is_told_with_what_it_does(before, after, effects):
    found = compare(policy(**before), policy(**after))
    assert sorted(one.effect for one in found) == sorted(effects)
    assert all(one.before or one.after for one in found)
    back = {LOOSER: STRICTER, STRICTER: LOOSER, OTHER: OTHER}
    assert sorted(one.effect for one in compare(policy(**after), policy(**before))) == sorted(
        back[one] for one in effects
    )


def test_kinds_of_use_and_prohibitions_come_and_go():
    found = compare(policy("train-only"), policy("train-and-statistics"))
    (more,) = found
    assert (more.effect, str(more.after).split(". ")[0]) == (LOOSER, "You may compute statistics over the data")
    assert "It takes at least 4 data holders." in str(more.after)  # said whole
    found = compare(policy("train-only"), policy("download"))
    assert [one.effect for one in found] == [STRICTER, LOOSER, LOOSER]
    assert str(found[-1].text) == "Allows more: No longer: You may not download the data."


def test_what_cannot_be_enforced_is_compared_by_its_words():
    odd = odrl.parse(templates.build("train-only") | {"profile": "urn:else"})
    assert {one.effect for one in compare(policy(), odd)} == {OTHER}


REGIONS = ("DE", "FR", "EU", "SG")
PURPOSES = ("dpv:ScientificResearch", "ehds:HealthcareScientificResearch", "dpv:Marketing")
some = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(1, 4),
        "regions": st.lists(st.sampled_from(REGIONS), min_size=1, unique=True),
        "purposes": st.lists(st.sampled_from(PURPOSES), min_size=1, unique=True),
        "until": st.sampled_from(("2027-01-31", "2028-01-31")),
    },
)


@given(some, some)
def test_what_is_only_stricter_permits_nothing_that_was_not_permitted(before, after):
    """An oracle by the decisions themselves, over all situations that these terms tell apart."""
    old, new = policy(**before), policy(**after)
    effects = {one.effect for one in compare(old, new)}
    if LOOSER in effects or OTHER in effects:
        return
    for region in REGIONS[:2] + REGIONS[3:]:
        for purpose in PURPOSES:
            for count in range(5):
                for year in (2026, 2027, 2029):
                    request = UseRequest(
                        action="medspace:train", assignee="did:web:u.example", purpose=purpose, region=region,
                        time=datetime(year, 6, 1, tzinfo=UTC), count=count, protection="masked-sums",
                    )  # fmt: skip
                    if decide(new, request, Point.COMPUTE).permitted:
                        assert decide(old, request, Point.COMPUTE).permitted


def test_whom_an_offer_is_for_is_said_and_everybody_in_place_of_one_is_more():
    open_to_all = policy()
    for_one = replace(open_to_all, assignee="did:web:one.example")
    assert "This is about did:web:one.example." in [str(line) for line in words.describe(for_one)]
    assert {one.effect for one in compare(for_one, open_to_all)} == {LOOSER, STRICTER}
    for_another = replace(open_to_all, assignee="did:web:other.example")
    assert LOOSER in {one.effect for one in compare(for_one, for_another)}
    assert compare(for_one, for_one) == []
