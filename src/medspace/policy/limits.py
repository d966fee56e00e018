"""The limits that an agreement sets for one use, which its admission carries to the gate."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from medspace.core.decision import Decision
from medspace.policy.masks import COLLUDERS
from medspace.policy.model import Atomic, Policy, Rule, UseRequest, leaves
from medspace.policy.points import Point
from medspace.policy.rules import decide

KEPT = 256  # permissions whose limits are cached


@dataclass(frozen=True, slots=True)
class UseLimits:
    """The limits of one use.

    `clause` is the permission they come from; `outputs` None allows every kind of output; `expires` None means no
    end.
    """

    clause: str
    outputs: tuple[str, ...] | None
    min_cohort: int
    min_sites: int
    expires: datetime | None
    colluders: int = COLLUDERS  # in rounds under masks
    protection: str = ""  # "" where the permission does not set it


def limits(
    policy: Policy, request: UseRequest, point: Point = Point.COMPUTE, decided: Decision | None = None
) -> UseLimits | None:
    """The limits of the first permission that allows the request at this point; None where none does.

    `decided` is the decision on the whole policy, if it is already known: with a single permission the result is the
    same.

    Alternatives (`or`, `xone`) all apply at once, so the limits may be tighter than the decision at the release, but
    never looser.
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


def most_uses(policy: Policy) -> int | None:
    """How many uses the policy allows in all, reading each permission strictly; None where one is unbounded."""
    bounds = [_most(rule) for rule in policy.permissions]
    known = [bound for bound in bounds if bound is not None]
    return max(known) if known and len(known) == len(bounds) else None


def _most(rule: Rule) -> int | None:
    counts = (leaf for leaf in leaves(rule.constraints) if leaf.operand == "count")
    return min((int(leaf.right[0]) - (leaf.operator == "lt") for leaf in counts), default=None)


@lru_cache(maxsize=KEPT)
def _limits(rule: Rule) -> UseLimits:
    found = list(leaves(rule.constraints))
    outputs = [set(leaf.right) for leaf in found if leaf.operand == "medspace:output"]
    ends = [leaf.value for leaf in found if leaf.operand == "dateTime" and leaf.operator in {"lt", "lteq", "eq"}]
    return UseLimits(
        clause=rule.clause,
        outputs=tuple(sorted(set.intersection(*outputs))) if outputs else None,
        min_cohort=_largest(found, "medspace:minCohort"),
        min_sites=_largest(found, "medspace:minSites"),
        colluders=_largest(found, "medspace:colluders", COLLUDERS),
        protection=next((leaf.right[0] for leaf in found if leaf.operand == "medspace:protection"), ""),
        expires=min((end for end in ends if isinstance(end, datetime)), default=None),
    )


def listed(policy: Policy) -> frozenset[str]:
    """The kinds of output that every permission of the policy lists; empty where one leaves them open."""
    found = [limit.outputs for limit in map(_limits, policy.permissions)]
    named = [frozenset(outputs or ()) for outputs in found]
    return frozenset.intersection(*named) if named else frozenset()


def holders(policy: Policy) -> frozenset[str]:
    """The other holders that every permission of the policy requires in its runs.

    Empty where one leaves them open.
    """
    named = []
    for rule in policy.permissions:
        found = [frozenset(leaf.right) for leaf in leaves(rule.constraints) if leaf.operand == "medspace:holders"]
        named.append(frozenset.intersection(*found) if found else frozenset())
    return frozenset.intersection(*named) if named else frozenset()


def protection(policy: Policy) -> str:
    """The protection that every permission of the policy names first; "" where they differ."""
    named = {limit.protection for limit in map(_limits, policy.permissions)}
    return named.pop() if len(named) == 1 else ""


def _largest(found: list[Atomic], operand: str, default: int = 0) -> int:
    return max((int(leaf.right[0]) for leaf in found if leaf.operand == operand), default=default)
