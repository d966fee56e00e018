"""What terms say about noise and privacy budgets: how much one agreement and one task may spend, in plain words.

This module has the wording and the numbers; whether a use stays within them is decided where the budget is kept
(`connector.usage.conditions.budget`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from medspace.core.engine import Unit
from medspace.core.text import Text, msgid
from medspace.policy.model import Atomic, Constraint, Policy, Rule, leaves

EPSILON, PER_TASK, DELTA, UNIT = "medspace:epsilon", "medspace:epsilonPerTask", "medspace:delta", "medspace:unit"
OPERANDS = frozenset({EPSILON, PER_TASK, DELTA, UNIT})
NOISY, EXACT = "noisy", "exact"  # how a request describes its answers
PATIENT: Unit = "patient"
EVENT: Unit = "event"
UNITS: Mapping[str, Text] = {PATIENT: Text(msgid("each patient")), EVENT: Text(msgid("each single row"))}
ANSWERS = {NOISY: Text(msgid("noisy")), EXACT: Text(msgid("exact"))}
DEFAULT_DELTA = "0.00001"
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoiseTerms:
    """The limits that terms set for noisy answers.

    `epsilon` is for the whole agreement, None where only tasks are bounded.
    """

    epsilon: str | None
    per_task: str | None
    delta: str
    unit: Unit

    @property
    def promise(self) -> list[Text]:
        """The same limits in plain words, one sentence per line."""
        lines = [Text(msgid("All answers under this contract carry noise."))]
        if self.epsilon is not None:
            lines.append(Text(_TOGETHER[self.unit], {"epsilon": self.epsilon, "delta": self.delta}))
        if self.per_task is not None:
            lines.append(Text(_TASK[self.unit], {"epsilon": self.per_task, "delta": self.delta}))
        lines.append(Text(_DEPARTURE))
        return lines


_DEPARTURE = msgid(
    "A run may go on without this holder where enough others are left: what answers with it and answers without it "
    "tell together is held to the same."
)
_TOGETHER: Mapping[str, str] = {
    PATIENT: msgid(
        "Together they are held to epsilon {epsilon} (delta {delta}) for each patient of this holder; with k holders "
        "that a patient is known to, k times as much."
    ),
    EVENT: msgid(
        "Together they are held to epsilon {epsilon} (delta {delta}) for each single row of this holder; for a "
        "patient with k rows, that is k times as much."
    ),
}
_TASK: Mapping[str, str] = {
    PATIENT: msgid("The answers to one task are held to epsilon {epsilon} (delta {delta}) for each patient."),
    EVENT: msgid("The answers to one task are held to epsilon {epsilon} (delta {delta}) for each single row."),
}


def number(text: str) -> str:
    """A positive decimal number as it is written in terms, without redundant zeros.

    Raises:
        ValueError: not a positive decimal number.
    """
    if not _DECIMAL.fullmatch(text) or not Decimal(text):
        raise ValueError(text)
    return decimal(Decimal(text))


def share(text: str) -> str:
    """As `number`, for a number below 1.

    Raises:
        ValueError: not a number between 0 and 1.
    """
    if Decimal(number(text)) >= 1:
        raise ValueError(text)
    return number(text)


def decimal(value: float | Decimal) -> str:
    """A number as terms write it: without an exponent or trailing zeros."""
    text = format(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def noise(rule: Rule) -> NoiseTerms | None:
    """The noise limits that a permission always applies; None where it says nothing about noise."""
    return _read(constraint for constraint in rule.constraints if isinstance(constraint, Atomic))


def said_by_noise(rule: Rule, constraint: Constraint) -> bool:
    """Whether the sentences on noise already cover this constraint."""
    return noise(rule) is not None and isinstance(constraint, Atomic) and constraint.operand in OPERANDS


def strictest(policy: Policy) -> NoiseTerms | None:
    """The noise limits of a whole policy; None where it says nothing about noise.

    Read strictly: what any permission or any alternative says about noise applies to all of them.
    """
    return _read(leaf for rule in policy.permissions for leaf in leaves(rule.constraints))


def _read(found: Iterable[Atomic]) -> NoiseTerms | None:
    said: dict[str, list[str]] = {}
    for leaf in found:
        if leaf.operand in OPERANDS:
            said.setdefault(leaf.operand, []).append(str(leaf.value))
    epsilon, per_task = _least(said.get(EPSILON)), _least(said.get(PER_TASK))
    if epsilon is None and per_task is None:
        return None
    units = said.get(UNIT, [PATIENT])
    return NoiseTerms(epsilon, per_task, _least(said.get(DELTA)) or DEFAULT_DELTA, _unit(units))


def _unit(units: list[str]) -> Unit:
    return EVENT if all(unit == EVENT for unit in units) else PATIENT


def _least(texts: list[str] | None) -> str | None:
    return min(texts, key=Decimal) if texts else None
