"""What each kind of record shows in an export: everything except secrets and data that only this program can read.

Deliberately left out: tokens and keys (of uses, of data addresses, of seats), sealed content, and information on
another participant beyond the messages that it sent here. `medspace audit` shows sealed questions to an auditor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from medspace.connector import model as connector
from medspace.connector.usage import model as usage
from medspace.core.canonical import Json, JsonObject
from medspace.core.store import Collection
from medspace.core.text import Text
from medspace.runs import model as runs

SECRET = frozenset(
    {"data_address", "sealed", "granted", "told", "worded", "comments", "secret", "seen", "body", "request", "rows"}
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: its collection, and how it is shown."""

    collection: Collection[Any]
    show: Callable[[Any], JsonObject]


def plain(value: object) -> Json:
    """A value of a record as JSON."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return shown(value)


def shown(record: Any) -> JsonObject:  # noqa: ANN401 - a record of any kind
    """A record without its secrets."""
    return {field.name: plain(getattr(record, field.name)) for field in fields(record) if field.name not in SECRET}


def _counted(made: runs.Model | runs.Round) -> JsonObject:
    """A whole model or round, with rows reduced to their number."""
    return shown(made) | {"rows": made.rows}


KINDS: Mapping[str, Kind] = {
    "offers": Kind(connector.CATALOGUE, shown),
    "labels": Kind(usage.LABELS, shown),
    "negotiations": Kind(connector.NEGOTIATIONS, shown),
    "agreements": Kind(connector.AGREEMENTS, shown),
    "ended_agreements": Kind(usage.ENDED, shown),
    "uses": Kind(connector.TRANSFERS, shown),
    "steps": Kind(usage.QUESTIONS, shown),
    "runs": Kind(runs.RUNS, shown),
    "rounds": Kind(runs.ROUNDS, _counted),
    "models": Kind(runs.MODELS, _counted),
    "budgets": Kind(usage.ACCOUNTS, shown),
    "budgets_of_agreements": Kind(usage.AGREEMENT_ACCOUNTS, shown),
    "budget_debits": Kind(usage.DEBITS, shown),
    "budget_periods": Kind(usage.PERIODS, shown),
    "given_numbers": Kind(usage.DISCLOSURES, shown),
}
