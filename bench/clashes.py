"""Conflicts in offers: how many of those planted are found, and how many are claimed where there is none."""

import statistics
import time
from typing import Any

from bench._planted import Planted, clean, planted, several
from medspace.policy import odrl
from medspace.policy.clashes import Clash, clashes

OFFERS = 200


def measure() -> dict[str, dict[str, Any]]:
    """Over 200 offers with a conflict, and 200 without one."""
    seconds: list[float] = []
    found = sum(is_found(one, _checked(one, seconds)) for one in several(planted, OFFERS))
    alarms = sum(bool(_checked(one, seconds)) for one in several(clean, OFFERS))
    reference = "of 200; no connector checks its offers"
    return {
        "policy.conflicts": {"value": found, "unit": "of 200", "target": "= 200", "reference": reference},
        "policy.false_alarms": {"value": alarms, "unit": "of 200", "target": "= 0", "reference": reference},
        "policy.check_ms": {"value": statistics.median(seconds) * 1e3, "unit": "ms", "reference": "p50 of an offer"},
    }


def _checked(one: Planted, seconds: list[float]) -> list[Clash]:
    policy = odrl.parse(one.offer)
    assert not policy.flaws
    started = time.perf_counter()
    found = clashes(policy)
    seconds.append(time.perf_counter() - started)
    return found


def is_found(one: Planted, found: list[Clash]) -> bool:
    """Whether a planted conflict was found, and named by no more clauses than it takes."""
    return any(
        clash.code == one.code and frozenset(clause for clause, _ in clash.clauses) == one.clauses for clash in found
    )
