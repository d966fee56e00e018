"""What a use asks for at each point of the road, with the facts that are known there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from medspace.connector.model import Agreement
from medspace.connector.ports import FactsOf
from medspace.connector.usage import rules
from medspace.connector.usage.conditions import Conditions
from medspace.core.canonical import JsonObject
from medspace.core.engine import Engine
from medspace.core.store import Transaction
from medspace.policy.model import UseRequest


@dataclass(frozen=True, slots=True)
class Requests:
    """Puts together what the policy room is asked: the participant's facts, the duties that were violated."""

    facts: FactsOf
    conditions: Conditions
    engines: Mapping[tuple[str, str], Engine]  # those that were made, by DSP format and name of task

    def of(
        self, tx: Transaction, agreement: Agreement, kind: str, now: datetime, used: int, task: JsonObject | None
    ) -> UseRequest:
        """What the consumer of an agreement asks for; `task` None where it is not known yet."""
        user = agreement.consumer
        violated = (condition.violated(tx, agreement, user) for condition in self.conditions)
        case = rules.Case(
            self.facts(tx, user), now, used, self._protection(kind, task), frozenset[str]().union(*violated)
        )
        return rules.request_for(kind, agreement.dataset, case, task)

    def _protection(self, kind: str, task: JsonObject | None) -> str | None:
        engine = None if task is None else self.engines.get((kind, str(task.get("task"))))
        return None if engine is None or task is None else engine.protection(task)
