"""How long a decision takes, with all its premises: under an agreement, and over a whole ODRL policy."""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from medspace.policy import odrl, rules, templates
from medspace.policy.evaluation import deciding, documents, reading, worlds
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

ROUNDS = 4_000
USER = "did:web:company.example"
TERMS = {
    "purposes": ["ehds:HealthcareScientificResearch"],
    "until": "2027-01-01T00:00:00Z",
    "regions": ["EU"],
    "recipients": [USER],
    "count": 5,
}
NOW = datetime(2026, 11, 23, tzinfo=UTC)
REFERENCE = "p50 over {premises} constraints; a published evaluator on RDF takes 135 ms"


def measure() -> dict[str, dict[str, Any]]:
    """The median of single decisions at the last point, where nothing is left to a later one."""
    found = {
        "policy.decision_us": (_agreement(1), 5, "<= 20"),
        "policy.decision20_us": (_agreement(4), 20, "<= 60"),
        "policy.odrl20_us": (_whole(), 20, "<= 60"),
    }
    return {
        key: {
            "value": _median(decide),
            "unit": "us",
            "target": target,
            "reference": REFERENCE.format(premises=premises),
        }
        for key, (decide, premises, target) in found.items()
    }


def _median(decide: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        decide()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e6


def _offer(times: int) -> dict[str, Any]:
    offer = templates.build("train-only", **TERMS, protection=None)
    permission = offer["permission"][0]
    permission["constraint"] = permission["constraint"] * times
    return offer


def _agreement(times: int) -> Callable[[], object]:
    """The five constraints of an agreement, so many times."""
    policy = odrl.parse(_offer(times))
    request = UseRequest(
        action="medspace:train",
        assignee=USER,
        purpose="ehds:TrainTestAndEvaluateAISystemsAlgorithms",
        region="DE",
        time=NOW,
        count=0,
    )
    decision = rules.decide(policy, request, Point.RELEASE)
    assert decision.permitted
    assert len(decision.premises) == 5 * times
    return lambda: rules.decide(policy, request, Point.RELEASE)


def _whole() -> Callable[[], object]:
    """The same twenty as a whole ODRL policy, with the premises on action, target and party beside them."""
    policy = reading.policy(documents.document(_offer(4)))
    stated = {"purpose": "ehds:TrainTestAndEvaluateAISystemsAlgorithms", "spatial": "DE", "count": 1}
    asked = {"@id": "urn:request", "@type": "Request", "permission": [{"action": "medspace:train", "assignee": USER}]}
    (attempt,) = worlds.attempts(documents.document(asked))
    world = worlds.world(documents.document({"fact": stated}), policy.parts, NOW)
    report = deciding.evaluate(policy, attempt, world)
    assert report.permitted
    assert len(report.rules[0].premises) == 23
    return lambda: deciding.evaluate(policy, attempt, world)
