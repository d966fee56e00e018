"""What a use asks for at each point of the road, with the facts that are known there."""

from dataclasses import dataclass
from datetime import datetime

from medspace.connector.model import Agreement
from medspace.connector.ports import FactsOf
from medspace.connector.usage import rules
from medspace.connector.usage.conditions import Conditions
from medspace.core.canonical import JsonObject
from medspace.core.store import Transaction
from medspace.policy.model import UseRequest


@dataclass(frozen=True, slots=True)
class UseContext:
    """When it is asked, after how many uses; the task with what protects it, once they are known."""

    now: datetime
    used: int
    task: JsonObject | None = None
    protection: str | None = None


@dataclass(frozen=True, slots=True)
class Requests:
    """Puts together what the policy room is asked: the participant's facts, the duties that were violated."""

    facts: FactsOf
    conditions: Conditions

    def of(self, tx: Transaction, agreement: Agreement, kind: str, asked: UseContext) -> UseRequest:
        """What the consumer of an agreement asks for."""
        user = agreement.consumer
        violated = (condition.violated(tx, agreement, user) for condition in self.conditions)
        broken = frozenset[str]().union(*violated)
        case = rules.Case(self.facts(tx, user), asked.now, asked.used, asked.protection, broken)
        return rules.request_for(kind, agreement.dataset, case, asked.task)
