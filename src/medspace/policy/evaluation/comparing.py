"""The constraint operators of ODRL and of the Dataspace Protocol, three-valued (ODRL Vocabulary 3.10).

Each takes what is held, the right operand and the world; None where the two cannot be compared. Purposes and regions
compare as they do in the terms that this data space signs (`policy.operands`).
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from medspace.policy.evaluation.model import Held, Value, World
from medspace.policy.hierarchy import Hierarchy
from medspace.policy.logic import any_of, negated
from medspace.policy.purposes import PURPOSES
from medspace.policy.regions import REGIONS

Operator = Callable[[Held, Held, World], bool | None]
Pair = Callable[[Value, Value, World], bool | None]

SETS = frozenset({"isAllOf", "isAnyOf", "isNoneOf"})  # these take several values on the right


def _known(left: Value, right: Value) -> Hierarchy | None:
    """The closed vocabulary that both terms belong to."""
    return next((one for one in (PURPOSES, REGIONS) if left in one and right in one), None)


def _same(left: Value, right: Value, _world: World) -> bool | None:
    if type(left) is not type(right):
        return None
    if isinstance(left, str) and isinstance(right, str):
        if left in PURPOSES and right in PURPOSES:
            return PURPOSES.same(left, right)
        if left in REGIONS and right in REGIONS:
            return REGIONS.within(left, right)
    return left == right


def _kin(left: Value, right: Value, world: World) -> bool | None:
    """Whether a term is another one or, in a closed vocabulary, a narrower one."""
    if isinstance(left, str) and isinstance(right, str):
        known = _known(left, right)
        if known is not None:
            return known.within(left, right)
    return _same(left, right, world)


def _reaches(left: Value, right: Value, above: Mapping[str, frozenset[str]]) -> bool | None:
    """Whether `right` is `left` or above it.

    Where nothing is known of `left`, and where it is itself above `right`, this cannot be decided.
    """
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    if left == right or right in above.get(left, ()):
        return True
    known = _known(left, right)
    if known is not None:
        return known.within(left, right)
    return None if left not in above or left in above.get(right, ()) else False


def _kind_of(left: Value, right: Value, world: World) -> bool | None:
    return _reaches(left, right, world.kinds)


def _part_of(left: Value, right: Value, world: World) -> bool | None:
    return _reaches(left, right, world.parts)


def _has_part(left: Value, right: Value, world: World) -> bool | None:
    return _reaches(right, left, world.parts)


def _one(pair: Pair) -> Operator:
    """An operator on single values; one that is held several times has no answer."""
    return lambda held, right, world: pair(held[0], right[0], world) if len(held) == 1 else None


def _ordered(test: Callable[[Any, Any], bool]) -> Operator:
    def compared(held: Held, right: Held, _world: World) -> bool | None:
        comparable = len(held) == 1 and type(held[0]) is type(right[0]) and not isinstance(held[0], str)
        return test(held[0], right[0]) if comparable else None

    return compared


def _any_of(held: Held, right: Held, world: World) -> bool | None:
    return any_of(_kin(one, wanted, world) for one in held for wanted in right)


def _none_of(held: Held, right: Held, world: World) -> bool | None:
    return negated(_any_of(held, right, world))


def _all_of(held: Held, right: Held, world: World) -> bool | None:
    return _all(any_of(_kin(one, wanted, world) for one in held) for wanted in right)


def _all(answers: Iterable[bool | None]) -> bool | None:
    return negated(any_of(negated(answer) for answer in answers))


OPERATORS: Mapping[str, Operator] = {
    "eq": _one(_same),
    "neq": _one(lambda left, right, world: negated(_same(left, right, world))),
    "lt": _ordered(operator.lt),
    "lteq": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "gteq": _ordered(operator.ge),
    "isA": _one(_kind_of),
    "hasPart": _one(_has_part),
    "isPartOf": _one(_part_of),
    "isAllOf": _all_of,
    "isAnyOf": _any_of,
    "isNoneOf": _none_of,
}
# The schema of the Dataspace Protocol 2025-1 names `lteq` by the anchor of its definition (contract-schema.json).
SPELLINGS = {"term-lteq": "lteq"}
