"""Terms on noise: written, read strictly, decided, and said in plain words."""

import pytest

from medspace.policy import budgets, odrl, templates
from medspace.policy.budgets import NoiseTerms, decimal, strictest
from medspace.policy.errors import InvalidTermsError
from medspace.policy.points import Point
from medspace.policy.rules import decide, enforceable
from medspace.policy.words import describe
from tests.unit.policy.given import request

TOGETHER = (
    "Together they are held to epsilon 1 (delta 0.00001) for each patient of this holder; with k holders that a "
    "patient is known to, k times as much."
)
DEPARTURE = (
    "A run may go on without this holder where enough others are left: what answers with it and answers without it "
    "tell together is held to the same."
)


def built(**terms):
    return odrl.parse(templates.build("train-only", protection=None, **terms))


def lines(**terms):
    return [str(line) for line in describe(built(**terms))]


def test_an_epsilon_is_written_with_the_delta_that_it_is_read_at():
    (rule,) = templates.build("train-only", protection=None, epsilon=0.5)["permission"]
    said = {part["leftOperand"]: (part["operator"], part["rightOperand"]) for part in rule["constraint"]}
    assert said == {"medspace:epsilon": ("lteq", "0.5"), "medspace:delta": ("eq", "0.00001")}
    assert strictest(built(epsilon=1, epsilon_per_task="0.25", delta=1e-7, unit="event")) == NoiseTerms(
        "1", "0.25", "0.0000001", "event"
    )
    assert strictest(built()) is None


def test_the_contract_says_what_the_noise_holds_all_answers_to():
    assert lines(epsilon=1.0)[1:5] == [
        "All answers under this contract carry noise.",
        TOGETHER,
        DEPARTURE,
        "You may not download the data.",
    ]
    assert lines(epsilon_per_task=0.1, unit="event")[1:4] == [
        "All answers under this contract carry noise.",
        "The answers to one task are held to epsilon 0.1 (delta 0.00001) for each single row.",
        DEPARTURE,
    ]
    both = lines(epsilon=2, epsilon_per_task=1)
    assert len(both) == len(lines(epsilon=2)) + 1


@pytest.mark.parametrize(
    "terms",
    [
        {"epsilon": float("nan")},
        {"epsilon": float("inf")},
        {"epsilon": -1.0},
        {"epsilon": 0},
        {"epsilon": "1e400"},
        {"epsilon": 1e9},
        {"epsilon": 1.0, "delta": 1.0},
        {"epsilon": 1.0, "delta": 0},
        {"epsilon": 1.0, "unit": "family"},
        {"delta": 1e-5},
        {"unit": "event"},
    ],
)
def test_what_bounds_nothing_is_no_term(terms):
    if terms.get("delta") == 0:
        terms = terms | {"delta": "0"}
    with pytest.raises(InvalidTermsError):
        built(**terms)


@pytest.mark.parametrize(
    ("noise", "ok"), [("noisy", True), ("exact", False), (None, False)], ids=["noisy", "exact", "unknown"]
)
def test_only_a_task_with_noise_is_permitted(noise, ok):
    policy = built(epsilon=1, epsilon_per_task=1, unit="patient")
    assert enforceable(policy).permitted
    assert decide(policy, request(action="medspace:train", noise=noise), Point.TRANSFER).permitted is (
        noise != "exact"
    )
    decision = decide(policy, request(action="medspace:train", noise=noise), Point.COMPUTE)
    assert (decision.permitted, decision.code) == (ok, "policy.permitted" if ok else "policy.noise")
    if noise:
        assert f"The answers to this task are {noise}." in {str(one.held) for one in decision.premises}


def test_terms_are_read_strictly_wherever_they_stand():
    offer = templates.build("train-and-statistics", protection=None, epsilon=2)
    constraint = {"leftOperand": "medspace:epsilon", "operator": "lteq", "rightOperand": "0.5"}
    patient = {"leftOperand": "medspace:unit", "operator": "eq", "rightOperand": "patient"}
    event = patient | {"rightOperand": "event"}
    offer["permission"][1]["constraint"] = [{"or": [constraint, event]}, patient]
    policy = odrl.parse(offer)
    assert strictest(policy) == NoiseTerms("0.5", None, "0.00001", "patient")
    told = [str(line) for line in describe(policy)]  # joined conditions are said as they stand
    assert any("at least one" in line and "epsilon 0.5" in line and "each single row" in line for line in told)
    assert budgets.noise(policy.permissions[1]) is None


def test_numbers_are_written_without_exponents_and_idle_zeros():
    assert [decimal(value) for value in (1, 1.0, 0.1, 1e-7, 100)] == ["1", "1", "0.1", "0.0000001", "100"]
    assert budgets.number("1.500") == "1.5"
