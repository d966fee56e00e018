"""The request of a use at each point of the road, with the facts that are known there."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from medspace.connector.model import Agreement
from medspace.connector.ports import FactsOf
from medspace.connector.steady import steady
from medspace.connector.usage import rules
from medspace.connector.usage.conditions import Conditions, kept_routes
from medspace.connector.usage.conditions.seats import manifest_of
from medspace.connector.usage.labelling import label_of
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant
from medspace.core.store import Transaction
from medspace.policy.model import UseRequest
from medspace.runs.manifest import Manifest


@dataclass(frozen=True, slots=True)
class UseContext:
    """When it is asked, after how many uses; the task with its protection, and the use, once they are known."""

    now: datetime
    used: int
    task: JsonObject | None = None
    protection: str | None = None
    use: str = ""
    noise: str | None = None  # whether answers are noisy or exact


@dataclass(frozen=True, slots=True)
class Requests:
    """Builds requests for the policy room: the participant's facts, its run, the duties that were violated.

    `tables` False (attack tests only): the other seats of the run are ignored. `holds` False (attack tests only): a
    clock that is set back is believed.
    """

    facts: FactsOf
    conditions: Conditions
    tables: bool = True
    holds: bool = True

    def of(self, tx: Transaction, agreement: Agreement, kind: str, asked: UseContext) -> UseRequest:
        """What the consumer of an agreement asks for."""
        user = agreement.consumer
        now = steady(tx, asked.now) if self.holds else asked.now
        violated = (condition.violated(tx, agreement, user) for condition in self.conditions)
        broken = frozenset[str]().union(*violated)
        manifest = manifest_of(tx, asked.use) if asked.use and self.tables else None
        case = rules.Case(
            self.facts(tx, user),
            now,
            asked.used,
            asked.protection,
            broken,
            self._others(agreement, manifest),
            None if manifest is None else manifest.colluders,
            asked.noise,
            elapsed(agreement, now),
            label_of(tx, agreement.dataset),
            kept_routes(self.conditions),
        )
        return rules.request_for(kind, agreement.dataset, case, asked.task)

    def _others(self, agreement: Agreement, manifest: Manifest | None) -> tuple[str, ...] | None:
        """The other seats of the run, from the manifest that this holder was shown; None where it was shown none."""
        if manifest is None:
            return None if self.tables else ()
        return tuple(site for site in manifest.sites if site != agreement.provider)


def elapsed(agreement: Agreement, now: datetime) -> int:
    """How many seconds ago an agreement was made, as its own timestamp says; a part of a second counts as one."""
    return max(ceil((now - instant(agreement.agreed)).total_seconds()), 0)
