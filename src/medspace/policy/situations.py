"""The situations that comparisons on one operand can tell apart, as values to try."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from medspace.core.credentials import Proved
from medspace.policy import budgets, credentials, standing
from medspace.policy.model import Atomic
from medspace.policy.operands import OPERANDS, PROTECTIONS
from medspace.policy.purposes import PURPOSES
from medspace.policy.regions import REGIONS

_TICK = timedelta(microseconds=1)
_ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_OTHER = "did:web:nobody.invalid"
# The numbers that terms set for noise are kept as a budget, and compared here as numbers.
_SPENT = frozenset({budgets.EPSILON, budgets.PER_TASK, budgets.DELTA})
_SAME = {"assignee": "recipient"}  # two names of the user
_LEAST = {"count": 1, "medspace:minSites": 1}  # a use is at least the first, and a run has a site


def dimension_of(leaf: Atomic) -> str:
    """The operand that a comparison is about; two names of the same are one."""
    return _SAME.get(leaf.operand, leaf.operand)


def countable(leaf: Atomic) -> bool:
    """Whether a comparison tells apart no more situations than are tried; ranges of diseases have too many."""
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    return leaf.operand != "purpose" or all(value in PURPOSES.ancestors for value in values)


def holds(leaf: Atomic, held: Any) -> bool | None:  # noqa: ANN401 - of the type that the operand has
    """What a comparison answers where this is held."""
    if leaf.operand in _SPENT:
        limit = Decimal(str(leaf.value))
        return bool(held == limit if leaf.operator == "eq" else held <= limit)
    if leaf.operand == budgets.UNIT:
        return bool(held == leaf.value)
    return OPERANDS[leaf.operand].tests[leaf.operator](held, leaf.value)


def situations(name: str, found: Sequence[Atomic], now: datetime | None) -> Iterable[Any]:
    """Values of a dimension, so many that each answer of these comparisons that can occur does occur."""
    values = [value for leaf in found for value in (leaf.value if isinstance(leaf.value, tuple) else (leaf.value,))]
    if name == "dateTime":
        return _instants(values, now)
    if name in _SPENT:
        return [part for value in values for part in _around(Decimal(str(value)))]
    made = _MADE.get(name)
    return made(values) if made is not None else _numbers(values, _LEAST.get(name, 0))


def _instants(values: Iterable[Any], now: datetime | None) -> list[datetime]:
    near = {one for value in values for one in _beside(value)}
    if now is None:
        return sorted(near)
    return [now, *sorted(one for one in near if one >= now)]


def _beside(value: datetime) -> Iterable[datetime]:
    yield value
    for step in (_TICK, -_TICK):
        try:
            yield value + step
        except OverflowError:  # before the first instant that there is, or after the last
            continue


def _around(value: Decimal) -> Iterable[Decimal]:
    return (value / 2, value, value * 2)


def _numbers(values: Iterable[Any], least: int) -> list[int]:
    near = {number for value in values for number in (value - 1, value, value + 1)} | {least}
    return sorted(number for number in near if number >= least)


def _named(values: Iterable[Any]) -> list[Any]:
    return [*dict.fromkeys(values), _OTHER]


def _proofs(values: Iterable[Any]) -> list[tuple[Proved, ...]]:
    """Nothing proved, each demand alone, and all of them together."""
    made = [_proof(credentials.demand(text)) for text in dict.fromkeys(values)]
    return [(), *((one,) for one in made), tuple(made)]


def _proof(wanted: credentials.CredentialDemand) -> Proved:
    claims = tuple((name, (value,)) for name, value in wanted.claims)
    return Proved(wanted.type, wanted.issuer or _OTHER, claims, _ALWAYS[0], _ALWAYS[1])


def _sets(values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Nobody, each alone, somebody else, and all together."""
    names = _named(values)
    return [(), *((one,) for one in names), tuple(names[:-1]), tuple(names)]


# Dimensions whose situations are always the same.
VOCABULARIES = frozenset({"purpose", "spatial", "medspace:protection", budgets.UNIT})
_MADE: Mapping[str, Callable[[Iterable[Any]], Iterable[Any]]] = {
    "purpose": lambda _: PURPOSES.ancestors,
    "spatial": lambda _: REGIONS.ancestors,
    "recipient": _named,
    "medspace:holders": _sets,
    standing.ROLE: _sets,
    standing.EVENT: _sets,
    standing.STATE: _sets,
    standing.APPLICATION: _named,
    credentials.CREDENTIAL: _proofs,
    credentials.ROUTE: lambda _: [(), tuple(credentials.ROUTES)],
    "medspace:output": _named,
    "medspace:protection": lambda _: PROTECTIONS,
    budgets.UNIT: lambda _: budgets.UNITS,
}
