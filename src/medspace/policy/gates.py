"""What terms demand of a model before it leaves: how good it is, over all, at each holder and for each group.

Whoever computes a model states its measures with it (`core.usage.Measure`); here they are compared, and put into
words. A model that does not state what is demanded stays, and so does any other result of learning: what leaves
besides are messages that show nothing of what was learned.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.core.usage import Measure
from medspace.policy.budgets import decimal

AUC, ECE, GROUP_GAP, SITE_BELOW, HELD_OUT = "auc", "ece", "group_auc_gap", "site_auc_below", "held_out"
CONCORDANCE, SENSITIVITY_GAP = "concordance", "group_sensitivity_gap"
NOTHING_LEARNED = (Measure("-", 0.0),)  # of an output that demands on models do not apply to

_GROUP = re.compile(r"(?P<column>[^\x00-\x1f\x7f=]{1,128})(=(?P<bands>[-+0-9.,eE]{1,512}))?")
_Test = Callable[[Any, Any], bool | None]


def stated(measures: Sequence[Measure] | None, name: str) -> Measure | None:
    """The measure of that name; None where it is not known, or was not measured."""
    if measures is None or tuple(measures) == NOTHING_LEARNED:
        return None if measures is None else measures[0]
    return next((one for one in measures if one.name == name and math.isfinite(one.value)), None)


def compared(comparison: str) -> _Test:
    """A test of a measure against the number of the terms, which always holds where nothing was learned."""
    test = {"gteq": operator.ge, "lteq": operator.le}[comparison]

    def holds(held: Measure, asked: str) -> bool:
        return held in NOTHING_LEARNED or bool(test(Decimal(repr(held.value)), Decimal(asked)))

    return holds


def shown(value: Any) -> Fact | Text:  # noqa: ANN401 - what terms ask, or what was measured
    """A number of the terms, or a measure with the group that it is about."""
    if not isinstance(value, Measure):
        return str(value)
    number = f"{value.value:.3f}"
    if not value.column:
        return number
    facts = {"number": number, "column": value.column, "group": value.group}
    return Text(msgid("{number} (the group {group} of {column} fares worst)"), facts)


def group(text: str) -> str:
    """A column by which a model must be judged, with its bands where it holds numbers: `sex`, `age=50,65`.

    Raises:
        ValueError: it is neither.
    """
    found = _GROUP.fullmatch(text)
    if found is None:
        raise ValueError(text)
    if not found["bands"]:
        return text
    return f"{found['column']}={_bands(found['bands'].split(','))}"


def _bands(given: Sequence[Json]) -> str:
    numbers = [float(str(one)) for one in given]
    if not all(map(math.isfinite, numbers)) or numbers != sorted(set(numbers)):
        raise ValueError(given)
    return ",".join(map(decimal, numbers))


def judged(task: JsonObject) -> tuple[str, ...]:
    """The columns that a task judges its model by, as `group` writes them; those with bands also without."""
    judge = task.get("judge")
    groups = judge.get("groups") if isinstance(judge, Mapping) else None
    found: list[str] = []
    for one in groups if isinstance(groups, list) else ():
        column, bands = (one.get("column"), one.get("bands")) if isinstance(one, Mapping) else (one, None)
        if isinstance(column, str):
            found.append(column)
            try:
                found += [f"{column}={_bands(bands)}"] if isinstance(bands, list) and bands else []
            except ValueError:  # whoever reads the task refuses it
                continue
    return tuple(found)
