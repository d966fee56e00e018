"""What terms demand of a model: decided before anything is computed, or at the gate, with the group in the reason."""

import pytest

from medspace.core.usage import Measure
from medspace.policy import gates, odrl, templates
from medspace.policy.errors import InvalidTermsError
from medspace.policy.points import ROAD, Point
from medspace.policy.rules import decide, enforceable
from medspace.policy.words import describe
from tests.unit.policy.given import request

TERMS = {
    "gate_groups": ["sex", "age=50,65"],
    "gate_auc": 0.7,
    "gate_ece": 0.1,
    "gate_group_auc_gap": 0.1,
    "gate_group_sensitivity_gap": 0.1,
    "gate_site_auc_below": 0.05,
    "gate_holdout": 0.2,
}
POLICY = odrl.parse(templates.build("train-only", **TERMS))
GOOD = {
    gates.AUC: Measure(gates.AUC, 0.8),
    gates.ECE: Measure(gates.ECE, 0.05),
    gates.GROUP_GAP: Measure(gates.GROUP_GAP, 0.02, "sex", "f"),
    gates.SENSITIVITY_GAP: Measure(gates.SENSITIVITY_GAP, 0.1, "sex", "f"),
    gates.SITE_BELOW: Measure(gates.SITE_BELOW, -0.01),
    gates.HELD_OUT: Measure(gates.HELD_OUT, 0.2),
}
JUDGE = {"groups": ["sex", {"column": "age", "bands": [50, "65.0"]}]}


def asked(measures, judge=JUDGE, point=Point.RELEASE):
    judged = gates.judged({"judge": judge})
    found = None if measures is None else tuple(measures)
    return decide(POLICY, request(protection="masked-sums", judged=judged, measures=found), point)


def test_a_good_model_leaves_and_the_terms_can_be_enforced_and_read():
    assert enforceable(POLICY, ROAD).permitted
    assert asked(GOOD.values()).permitted
    assert odrl.parse(odrl.write(POLICY)).permissions == POLICY.permissions
    assert any("judged for each group" in str(line) for line in describe(POLICY))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_figure_that_was_not_measured_is_not_met(name):
    decision = asked([one for key, one in GOOD.items() if key != name])
    assert (decision.permitted, decision.code) == (False, "policy.gate")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (gates.AUC, 0.69),
        (gates.ECE, 0.11),
        (gates.GROUP_GAP, 0.11),
        (gates.SENSITIVITY_GAP, 0.11),
        (gates.SITE_BELOW, 0.06),
        (gates.HELD_OUT, 0.0),
        (gates.AUC, float("nan")),
    ],
)
def test_a_figure_beyond_its_bound_keeps_the_model_back(name, value):
    decision = asked((GOOD | {name: Measure(name, value)}).values())
    assert (decision.permitted, decision.code) == (False, "policy.gate")


def test_the_reason_names_the_group_and_what_would_help():
    gap = Measure(gates.GROUP_GAP, 0.2, "sex", "f")
    failed = next(iter(asked((GOOD | {gates.GROUP_GAP: gap}).values()).failures))
    assert str(failed.held) == "The AUCs of two groups are 0.200 (the group f of sex fares worst) apart."
    assert "Add features that matter to this group" in str(failed.remedy)


def test_the_reason_does_not_say_how_good_the_model_is_at_this_holder():
    below = Measure(gates.SITE_BELOW, 0.3123)
    failed = next(iter(asked((GOOD | {gates.SITE_BELOW: below}).values()).failures))
    assert "0.3" not in str(failed.held)


@pytest.mark.parametrize(
    "judge",
    [
        {"groups": []},
        {},
        None,
        {"groups": ["sex"]},
        {"groups": ["sex", {"column": "age", "bands": [99]}]},
        {"groups": ["sex", {"column": "age", "bands": [50, 65, 80]}]},
        {"groups": ["sex", {"column": "age", "codes": ["50,65"]}]},
        {"groups": ["sex", {"column": "age", "bands": [float("nan")]}]},
        {"groups": "sex"},
    ],
)
def test_groups_that_are_left_out_are_refused_before_anything_is_computed(judge):
    decision = asked(None, judge, Point.COMPUTE)
    assert (decision.permitted, decision.code) == (False, "policy.gate")
    assert asked(None, point=Point.COMPUTE).permitted


def test_messages_and_progress_pass_and_no_other_result_does():
    assert asked(gates.NOTHING_LEARNED).permitted
    assert not asked(()).permitted


@pytest.mark.parametrize(
    "terms", [{"gate_auc": 1.5}, {"gate_ece": "x"}, {"gate_groups": ["age=b"]}, {"gate_groups": ["age=65,50"]}]
)
def test_demands_that_mean_nothing_are_refused(terms):
    with pytest.raises(InvalidTermsError):
        templates.build("train-only", **terms)
