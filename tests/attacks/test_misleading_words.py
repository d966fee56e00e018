"""Terms are signed for what their words say, and enforced as something else: the words must not say less, or more."""

import pytest

from medspace.app.node.language import CHINESE, speaker
from medspace.policy import odrl
from medspace.policy.changes import Effect, compare
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide
from medspace.policy.words import describe

SEVERAL = [
    ("medspace:role", ["ethics-board", "hospital"]),
    ("event", ["ethics-board", "hospital"]),
    ("medspace:state", ["ethics-board", "hospital"]),
    ("medspace:judgedBy", ["ethics-board", "hospital"]),
]


def policy(*permissions, prohibition=()):
    said = {"@id": "urn:offer:1", "@type": "Offer", "permission": list(permissions)}
    return odrl.parse(said | ({"prohibition": list(prohibition)} if prohibition else {}))


def rule(*constraints, action="medspace:train", **more):
    return {"action": action, "constraint": [dict(zip(NAMES, one, strict=True)) for one in constraints], **more}


NAMES = ("leftOperand", "operator", "rightOperand")


@pytest.mark.parametrize(("operand", "values"), SEVERAL)
def test_what_is_demanded_together_does_not_read_like_a_choice(operand, values):
    terms = policy(rule((operand, "isAllOf", values)))
    assert not terms.flaws
    english, chinese = (describe(terms)[1].render(speak) for speak in (str, speaker(CHINESE)))
    assert "ethics-board and hospital" in english
    assert "ethics-board和hospital" in chinese
    either = describe(policy(rule((operand, "isAnyOf", values)))) if operand != "medspace:judgedBy" else ()
    assert all("ethics-board and hospital" not in line.render(str) for line in either)


def test_a_prohibition_with_two_conditions_does_not_read_like_two_prohibitions():
    bar = rule(("purpose", "isA", "dpv:Marketing"), ("spatial", "neq", "EU"), action="use")
    terms = policy(rule(), prohibition=[bar])
    asked = UseRequest(action="medspace:train", purpose="dpv:Marketing", region="DE")
    assert decide(terms, asked, Point.COMPUTE).permitted  # as both conditions must hold
    assert describe(terms)[-1].render(str) == (
        "You may not use the data under all of these conditions: for marketing; by users outside the European Union."
    )


def test_a_change_hides_no_duty_or_condition_in_a_new_permission():
    report = {"action": "medspace:report", "constraint": [dict(zip(NAMES, WITHIN, strict=True))]}
    before = policy(rule())
    more = rule(("spatial", "eq", "CN"), action="medspace:statistics", duty=[report])
    found = compare(before, policy(rule(), more))
    assert [one.effect for one in found] == [Effect.LOOSENS]
    said = found[0].text.render(str)
    assert "within one hour" in said
    assert "Only by users in CN." in said
    gone = compare(policy(rule(duty=[report])), policy(rule(action="use")))
    assert "within one hour" in " ".join(one.text.render(str) for one in gone)


WITHIN = ("elapsedTime", "lteq", "PT1H")
