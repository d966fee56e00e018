"""What an agreement sets for one use, so that an admission can carry it to the gate."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from medspace.core.decision import Decision
from medspace.policy.masks import COLLUDERS
from medspace.policy.model import Atomic, Policy, Rule, UseRequest, leaves
from medspace.policy.points import Point
from medspace.policy.rules import decide

KEPT = 256  # permissions whose limits stay known


@dataclass(frozen=True, slots=True)
class Limits:
    """`clause` is the permission; `outputs` None allows every kind; `expires` None has no end."""

    clause: str
    outputs: tuple[str, ...] | None
    min_cohort: int
    min_sites: int
    expires: datetime | None
    colluders: int = COLLUDERS  # under masks
    protection: str = ""  # "" where it is left open


def limits(
    policy: Policy, request: UseRequest, point: Point = Point.COMPUTE, decided: Decision | None = None
) -> Limits | None:
    """The limits of the first permission that allows the request at this point; None where there is none.

    `decided` is what was decided on the whole policy, where that is known: with one permission it is the same.

    Read strictly: alternatives (`or`, `xone`) count together, so the limits may be tighter than the decision at
    the release, never looser.
    """
    for rule in policy.permissions:
        if decided is not None and len(policy.permissions) == 1:
            return _limits(rule) if decided.permitted else None
        if decide(replace(policy, permissions=(rule,)), request, point).permitted:
            return _limits(rule)
    return None


def last_end(policy: Policy) -> datetime | None:
    """When the last permission of the policy ends, read as strictly as `limits` does; None where one has no end."""
    ends = [_limits(rule).expires for rule in policy.permissions]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


@lru_cache(maxsize=KEPT)
def _limits(rule: Rule) -> Limits:
    found = list(leaves(rule.constraints))
    outputs = [set(leaf.right) for leaf in found if leaf.operand == "medspace:output"]
    ends = [leaf.value for leaf in found if leaf.operand == "dateTime" and leaf.operator in {"lt", "lteq", "eq"}]
    return Limits(
        clause=rule.clause,
        outputs=tuple(sorted(set.intersection(*outputs))) if outputs else None,
        min_cohort=_largest(found, "medspace:minCohort"),
        min_sites=_largest(found, "medspace:minSites"),
        colluders=_largest(found, "medspace:colluders", COLLUDERS),
        protection=next((leaf.right[0] for leaf in found if leaf.operand == "medspace:protection"), ""),
        expires=min((end for end in ends if isinstance(end, datetime)), default=None),
    )


def listed(policy: Policy) -> frozenset[str]:
    """The kinds of output that every permission of the policy names; none where one leaves it open."""
    found = [limit.outputs for limit in map(_limits, policy.permissions)]
    named = [frozenset(outputs or ()) for outputs in found]
    return frozenset.intersection(*named) if named else frozenset()


def holders(policy: Policy) -> frozenset[str]:
    """The other holders that every permission of the policy names for its runs; none where one leaves them open."""
    named = []
    for rule in policy.permissions:
        found = [frozenset(leaf.right) for leaf in leaves(rule.constraints) if leaf.operand == "medspace:holders"]
        named.append(frozenset.intersection(*found) if found else frozenset())
    return frozenset.intersection(*named) if named else frozenset()


def protection(policy: Policy) -> str:
    """The protection that every permission of the policy names, whatever else they ask for; "" where they differ."""
    named = {limit.protection for limit in map(_limits, policy.permissions)}
    return named.pop() if len(named) == 1 else ""


def _largest(found: list[Atomic], operand: str, default: int = 0) -> int:
    return max((int(leaf.right[0]) for leaf in found if leaf.operand == operand), default=default)
