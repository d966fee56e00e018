"""Policies and requests as the tests of the policy room write them."""

from datetime import UTC, datetime
from typing import Any

from medspace.policy import odrl
from medspace.policy.model import Policy, UseRequest

USER = "did:web:company.example"
ASSET = "urn:uuid:heart"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def compare(operand: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def rule(*constraints: Any, action: Any = "use", **more: Any) -> dict[str, Any]:
    return {"action": action, **({"constraint": list(constraints)} if constraints else {}), **more}


def offer(*permissions: Any, **more: Any) -> dict[str, Any]:
    return {"@id": "urn:uuid:offer", "@type": "Offer", "permission": list(permissions or (rule(),)), **more}


def policy(*permissions: Any, **more: Any) -> Policy:
    return odrl.parse(offer(*permissions, **more))


def request(**facts: Any) -> UseRequest:
    """A request to train, with every fact stated."""
    stated = {
        "action": "medspace:train",
        "assignee": USER,
        "purpose": "ehds:HealthcareScientificResearch",
        "region": "DE",
        "time": NOW,
        "count": 0,
        "target": ASSET,
        "output": "glm.moments",
        "cohort": 100,
        "sites": 4,
        "holders": ("did:web:b.example", "did:web:c.example"),
        "protection": "masked-sums",
    }
    return UseRequest(**(stated | facts))
