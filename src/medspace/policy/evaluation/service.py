"""Evaluating documents: a policy, a request and a state of the world as JSON-LD in, reports out."""

from collections.abc import Iterable
from datetime import datetime

from medspace.core.canonical import Json
from medspace.core.text import Text, msgid
from medspace.policy.errors import PolicyTooLargeError
from medspace.policy.evaluation import reading, worlds
from medspace.policy.evaluation.deciding import PolicyReport, evaluate
from medspace.policy.evaluation.documents import document
from medspace.policy.evaluation.model import (
    Attempt,
    Condition,
    OdrlComparison,
    OdrlPolicy,
    OdrlRule,
    OdrlScope,
    World,
)

MOST_COMPARISONS = 1_000_000  # values compared in one evaluation: a few seconds at most


def evaluated(
    policy: Json, request: Json, state: Json = None, now: datetime | None = None
) -> tuple[PolicyReport, ...]:
    """A report for each thing that is requested.

    `state` None knows nothing; `now`, with its zone, counts instead of the time of the state.

    Raises:
        InvalidInputError: one of the three cannot be read; its code says why (`policy.errors`).
        PolicyTooLargeError: it could take more than 1,000,000 comparisons.
    """
    read = reading.policy(document(policy))
    world = worlds.world(document({} if state is None else state), read.parts, now)
    attempts = worlds.attempts(document(request))
    if _work(read, attempts, world) > MOST_COMPARISONS:
        raise PolicyTooLargeError(most=MOST_COMPARISONS, what=Text(msgid("comparisons")))
    return tuple([evaluate(read, attempt, world) for attempt in attempts])


def _work(policy: OdrlPolicy, attempts: Iterable[Attempt], world: World) -> int:
    """How many values could be compared: each rule is also held against each event."""
    asked = list(attempts)
    facts = [*(one.facts for one in asked), world.facts, *(one.facts for one in world.events)]
    known = [held for one in (*facts, *world.properties.values()) for held in one.values()]
    widest = max((len(held) for held in known), default=1)
    rules = (*policy.permissions, *policy.prohibitions, *policy.obligations)
    return len(asked) * (1 + len(world.events)) * sum(_of_rule(rule, max(widest, 1)) for rule in rules)


def _of_rule(rule: OdrlRule, widest: int) -> int:
    scopes: list[OdrlScope] = [one for one in (rule.target, rule.assignee) if one is not None]
    conditions = (*rule.constraints, *rule.refinements, *(one for scope in scopes for one in scope.refinements))
    return 1 + _of_conditions(conditions, widest) + sum(_of_rule(one, widest) for one in rule.depends)


def _of_conditions(conditions: Iterable[Condition], widest: int) -> int:
    return sum(
        len(one.right) * widest if isinstance(one, OdrlComparison) else _of_conditions(one.parts, widest)
        for one in conditions
    )
