"""A part of a label is hidden behind another one: of a column that nobody has, or of the same column."""

import pytest

from medspace.policy import carried, labels, portions
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


@pytest.mark.parametrize("closed_first", [False, True])
@pytest.mark.parametrize(("names", "touched"), [(["hiv"], {"hiv"}), (["*"], {"hiv"}), (["*"], None)])
def test_a_column_that_two_parts_name_is_as_closed_as_the_stricter_one(names, touched, closed_first, attack_report):
    parts = [{"names": names}, {"names": names, "purposes": []}]
    label = labels.parse(SAID | {"columns": [*(parts[::-1] if closed_first else parts), {"names": ["age"]}]})
    asked = UseRequest(action="medspace:train", purpose=RESEARCH, region="DE")
    decision = portions.decide_columns(label, touched, asked, Point.COMPUTE)
    attack_report("column closed and opened again", got=int(decision.permitted), of=1, unit="columns")
    assert not decision.permitted
