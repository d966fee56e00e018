"""What terms say of noise and of a privacy budget: how much one agreement and one task may take, in plain words.

The words and the numbers are here; whether a use keeps to them is decided where the budget is kept
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
NOISY, EXACT = "noisy", "exact"  # what answers are, in a request
PATIENT: Unit = "patient"
EVENT: Unit = "event"
UNITS: Mapping[str, Text] = {PATIENT: Text(msgid("each patient")), EVENT: Text(msgid("each single row"))}
ANSWERS = {NOISY: Text(msgid("noisy")), EXACT: Text(msgid("exact"))}
DEFAULT_DELTA = "0.00001"
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoiseTerms:
    """What terms hold noisy answers to. `epsilon` is that of the agreement, None where only tasks are bounded."""

    epsilon: str | None
    per_task: str | None
    delta: str
    unit: Unit

    @property
    def promise(self) -> list[Text]:
        """The same in plain words, a sentence a line."""
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
    """A positive decimal number as it is written in terms, without zeros that say nothing.

    Raises:
        ValueError: it is no such number.
    """
    if not _DECIMAL.fullmatch(text) or not Decimal(text):
        raise ValueError(text)
    return decimal(Decimal(text))


def share(text: str) -> str:
    """The same of a number below 1.

    Raises:
        ValueError: it is no such number.
    """
    if Decimal(number(text)) >= 1:
        raise ValueError(text)
    return number(text)


def decimal(value: float | Decimal) -> str:
    """A number as terms write it: no exponent, no zeros at its end."""
    text = format(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def noise(rule: Rule) -> NoiseTerms | None:
    """What a permission holds noisy answers to, whatever else holds; None where it says nothing of noise."""
    return _read(constraint for constraint in rule.constraints if isinstance(constraint, Atomic))


def said_by_noise(rule: Rule, constraint: Constraint) -> bool:
    """Whether the sentences on noise say this constraint as well."""
    return noise(rule) is not None and isinstance(constraint, Atomic) and constraint.operand in OPERANDS


def strictest(policy: Policy) -> NoiseTerms | None:
    """What a whole policy holds noisy answers to; None where it says nothing of noise.

    Read strictly: whatever one permission or one alternative says of noise holds for all.
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
