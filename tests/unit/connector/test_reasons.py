"""What a counterparty is told of a decision against it."""

from datetime import UTC, datetime

from medspace.connector.reasons import clause_of, sentences
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text
from medspace.policy import odrl, templates
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.policy.rules import decide

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_only_what_stands_against_it_is_told_in_sentences():
    terms = templates.build("train-only", purposes=["dpv:ScientificResearch"], until="2027-01-01T00:00:00Z", count=5)
    policy = odrl.parse({**terms, "target": "urn:a"})
    request = UseRequest(action="medspace:train", time=NOW, target="urn:a", count=0)
    decision = decide(policy, request, Point.TRANSFER)
    assert not decision.permitted
    (told,) = sentences(decision)
    assert told.startswith(f"{clause_of(decision)}: ")
    assert told.endswith(".")
    assert "checked when" not in told


def test_where_nothing_is_decided_everything_is_told():
    later = Premise("/permission/0", Text("for research"), Text("This is checked later."), satisfied=None)
    assert sentences(Decision(Verdict.DENY, "x", (later,))) == (
        "/permission/0: Required: for research. This is checked later.",
    )
    assert sentences(Decision(Verdict.DENY, "x")) == ()
