"""What was made of restricted data is offered more freely behind a part of the label that no use ever touches."""

import pytest

from medspace.policy import carried, labels
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

RESEARCH, MARKETING = "ehds:HealthcareScientificResearch", "dpv:Marketing"
SAID = {"kinds": ["medspace:train"], "regions": ["EU"], "purposes": [RESEARCH]}
WIDER = {
    "purposes": {"purposes": [RESEARCH, MARKETING]},
    "regions": {"regions": ["EU", "US"]},
    "valid_until": {"valid_until": "2030-01-01"},
    "sensitivity": {"sensitivity": "public"},
    "laws": {"laws": []},
}
SOURCE = {"valid_until": "2027-12-31", "sensitivity": "restricted", "laws": ["ehds"]}


@pytest.mark.parametrize("name", WIDER)
def test_a_part_that_nothing_touches_does_not_make_a_freer_label_strict(name, attack_report):
    source = carried.of(labels.parse(SAID | SOURCE))
    strict = {one: (SAID | SOURCE)[one] for one in (name,)}
    dummy = {"columns": [{"names": ["nobody-has-this"], **strict}, {"names": ["*"]}]}
    offered = labels.parse(SAID | SOURCE | WIDER[name] | dummy)
    found = carried.freer(offered, source)
    attack_report(f"freer label behind a dummy part: {name}", got=int(not found), of=1, unit="labels")
    assert found


def test_such_a_label_would_have_been_as_free_as_it_says():
    dummy = {"columns": [{"names": ["nobody-has-this"], "purposes": [RESEARCH]}, {"names": ["*"]}]}
    offered = labels.parse(SAID | WIDER["purposes"] | dummy)
    asked = UseRequest(action="medspace:train", purpose=MARKETING, region="DE")
    assert labels.decide(offered, asked, Point.COMPUTE).permitted
