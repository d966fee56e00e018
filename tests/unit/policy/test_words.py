from dataclasses import replace

import pytest

from medspace.app.compose.connector import ENGINES
from medspace.policy import odrl, templates
from medspace.policy.model import Rule
from medspace.policy.outputs import DEPARTURE, WORDS
from medspace.policy.words import describe, difference, duty
from tests.unit.policy.given import ASSET, USER, compare, policy, rule
from tests.unit.policy.test_templates import TERMS

LOG = {"action": "medspace:log"}
SUMS = (
    "You agree that only sums over all data holders taking part are opened, and only the data holders see these sums."
)
HIDES = (
    "That hides each data holder as long as at most 1 of the others tells what it sees, whatever user and "
    "coordinator do. It takes at least 4 data holders."
)

MOMENTS = (
    "Only these kinds of result leave the data holder: this data holder's means and spreads of the columns "
    "(glm.moments) or evaluation."
)


def said(terms):
    return [str(line) for line in describe(terms)]


def test_a_contract_in_plain_words():
    assert said(odrl.parse(templates.build("train-only", **TERMS))) == [
        "You may train a model on the data.",
        "Only for health research.",
        "Only from 2026-01-01 00:00:00 UTC on.",
        "Only until 2027-01-01 00:00:00 UTC.",
        "Only by users in the European Union or CN.",
        "Only by did:web:company.example.",
        "Only up to 5 times.",
        "Only from the rows of at least 10 persons.",
        "Only with at least 3 data holders taking part.",
        "Only together with data holders among these: did:web:b.example or did:web:c.example or did:web:d.example.",
        MOMENTS,
        SUMS,
        HIDES,
        "You may not download the data.",
    ]


def test_results_of_masked_runs_are_said_in_words_and_by_name():
    listed = ["glm.progress", "glm.model", "glm.quality", DEPARTURE]
    terms = odrl.parse(templates.build("train-only", outputs=listed))
    assert said(terms)[1] == (
        "Only these kinds of result leave the data holder: how far the fit is, in one number per question "
        "(glm.progress) or the model (glm.model) or how well the model does at this data holder (glm.quality) or "
        "what a run tells of this data holder by going on without it (sums with it and without it: their difference "
        "is its own) (run.departure)."
    )


def test_every_result_of_the_product_has_words():
    for make in ENGINES.values():
        results = {form.name for form in make().outputs if not form.message and not form.masked}
        assert results <= WORDS.keys()


def test_a_rule_of_its_own_says_whom_and_what_it_is_about():
    assert said(policy(rule(target=ASSET, assignee=USER, duty=[LOG]), obligation=[LOG])) == [
        "You may use the data.",
        f"This is about {ASSET}.",
        f"This is about {USER}.",
        "Every use is written to the log of the data holder.",
        "Every use is written to the log of the data holder.",
    ]


def test_alternatives_are_said():
    parts = [compare("spatial", "eq", "EU"), {"xone": [compare("count", "lt", "3"), compare("count", "gt", "9")]}]
    assert said(policy(rule({"or": parts})))[1] == (
        "Only under at least one of these conditions: by users in the European Union; "
        "under exactly one of these conditions: before use number 3; after use number 9."
    )


def test_a_prohibition_says_its_conditions():
    terms = policy(prohibition=[rule(compare("purpose", "isA", "dpv:Marketing"), action="use", assignee=USER)])
    assert said(terms)[1:] == ["You may not use the data for marketing.", f"This is about {USER}."]


def test_no_permission_is_said():
    assert said(replace(policy(prohibition=[rule()]), permissions=()))[0] == "Nothing is allowed."


@pytest.mark.parametrize(
    "terms",
    [
        rule(compare("delayPeriod", "lteq", "P1D")),
        rule(compare("purpose", "isA", "Heilung")),
        rule(action="odrl:sell"),
        rule(constraints=[compare("spatial", "eq", "DE")]),
    ],
)
def test_a_clause_that_has_no_words_is_shown_and_never_hidden(terms):
    (flaw,) = policy(terms).flaws
    line = said(policy(terms))[-1]
    assert line == f"Untranslated clause {flaw.clause}: {flaw.json}"
    assert any(name in line for name in ("delayPeriod", "Heilung", "sell", "constraints"))


def test_an_unknown_duty_is_said_by_its_name():
    assert str(duty(Rule("compensate", "/obligation/0"))) == "You must do what is called compensate."


def test_a_difference_is_what_is_gone_and_what_is_new():
    one = odrl.parse(templates.build("train-only", count=5))
    other = odrl.parse(templates.build("train-only", count=6))
    assert [str(line) for line in difference(one, other)] == [
        "No longer: Only up to 5 times.",
        "New: Only up to 6 times.",
    ]
    assert difference(one, one) == []


def test_a_small_difference_in_time_is_not_lost():
    one, other = (policy(rule(compare("dateTime", "lteq", f"2027-01-01T00:00:00{at}Z"))) for at in ("", ".5"))
    assert len(difference(one, other)) == 2


@pytest.mark.parametrize("least", [1, 2])
def test_fewer_holders_than_masks_take_anyway_are_not_said_beside_them(least):
    terms = odrl.parse(templates.build("train-only", min_sites=least))
    assert not any("taking part." in line and line.startswith("Only") for line in said(terms))
    assert "It takes at least 4 data holders." in " ".join(said(terms))
    masked = odrl.parse(templates.build("train-only", min_sites=3))
    assert "Only with at least 3 data holders taking part." in said(masked)


def test_one_is_said_in_the_singular():
    one = {"min_sites": 1, "min_cohort": 1, "count": 1, "colluders": 1, "protection": "coordinator-sees-sums"}
    lines = " ".join(said(odrl.parse(templates.build("train-only", **one))))
    assert "Only once." in lines
    assert "Only from the rows of at least 1 person." in lines
    assert "Only with at least 1 data holder taking part." in lines
    assert "even if 1 of the others tells what it sees." in lines
