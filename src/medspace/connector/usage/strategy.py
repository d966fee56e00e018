"""How the product handles transfers: it starts what agreement and label allow, and opens a job for it."""

from dataclasses import replace

from medspace.connector.model import AGREEMENTS, Agreement, Reaction, Role, Transfer
from medspace.connector.ports import FactsOf, TransferEvent
from medspace.connector.usage import accounts, rules
from medspace.connector.usage.calls import numbered
from medspace.connector.usage.conditions import Conditions, Wish
from medspace.connector.usage.model import JOBS, Job
from medspace.connector.usage.requests import Requests, UseContext
from medspace.connector.usage.tokens import JobTokens
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid

JOB_ENDPOINT = "urn:medspace:job:1"
CODES = frozenset({"use.no_engine"})
_OVER = (TransferEvent.COMPLETED, TransferEvent.TERMINATED)
_CLOSING = (TransferEvent.CLOSING, TransferEvent.SUSPENDED, *_OVER)


class UsageStrategy:
    """The product's transfer strategy (port `connector.ports.TransferStrategy`)."""

    def __init__(
        self,
        base_url: str,
        kinds: frozenset[str],
        tokens: JobTokens,
        facts: FactsOf,
        clock: Clock,
        conditions: Conditions,
        *,
        holds: bool = True,
    ) -> None:
        self._base_url = base_url
        self._kinds = kinds
        self._tokens = tokens
        self._conditions = conditions
        self._requests = Requests(facts, conditions, holds=holds)
        self._clock = clock

    def examine(self, tx: Transaction, agreement: Agreement, transfer: Transfer) -> Decision:
        """Whether the consumer may have this use: asks all conditions, and needs an engine that can serve it."""
        job = tx.get(JOBS, transfer.id)
        before = job.number - 1 if job and job.number else numbered(tx, agreement.id)
        request = self._requests.of(tx, agreement, transfer.format, UseContext(self._clock.now(), before))
        wish = Wish(transfer, agreement, request)
        return combine(
            rules.not_held(held=job is not None and job.held),
            *(condition.examine(tx, wish) for condition in self._conditions),
            self._offered(transfer.format),
        )

    def _offered(self, kind: str) -> Decision:
        ok = kind in self._kinds
        asked = Text(
            msgid("This holder serves only the uses {kinds}."), {"kinds": ", ".join(sorted(self._kinds)) or "-"}
        )
        held = Text(msgid("The use asked for is {kind}."), {"kind": kind})
        verdict = Verdict.PERMIT if ok else Verdict.DENY
        return Decision(verdict, "permitted" if ok else "use.no_engine", (Premise("format", asked, held, ok),))

    def react(self, tx: Transaction, transfer: Transfer, event: TransferEvent) -> Reaction:
        """Start what was requested; close the job when a use is suspended or ends, or we are about to end it."""
        if event is TransferEvent.REQUEST:
            return Reaction(actions=("start",))
        job = tx.get(JOBS, transfer.id)
        if job is not None:
            _keep(tx, job, _after(job, event))
        agreement = tx.get(AGREEMENTS, transfer.agreement) if event in _OVER else None
        if agreement is not None and _began(transfer, job):
            for condition in self._conditions:
                condition.over(tx, transfer, agreement, self._clock.now())
        return Reaction()

    def address(self, tx: Transaction, transfer: Transfer) -> JsonObject | None:
        """The job endpoint with the token of this start.

        The job is open from now on, since the start message may arrive.
        """
        if transfer.role is not Role.PROVIDER:
            return None
        old = tx.get(JOBS, transfer.id)
        if old is None:
            job = Job(
                transfer.id,
                transfer.agreement,
                transfer.counterparty,
                transfer.dataset,
                transfer.format,
                generation=1,
                open=True,
            )
            tx.insert(JOBS, job)
        else:
            job = replace(old, generation=old.generation + 1, open=True, held=False)
            tx.replace(JOBS, old, job)
        return self._data_address(job)

    def _data_address(self, job: Job) -> JsonObject:
        token = self._tokens.token(job.id, job.generation)
        return {
            "@type": "DataAddress",
            "endpointType": JOB_ENDPOINT,
            "endpoint": f"{self._base_url}/jobs/{job.id}",
            "endpointProperties": [
                {"@type": "EndpointProperty", "name": "authorization", "value": token},
                {"@type": "EndpointProperty", "name": "authType", "value": "bearer"},
            ],
        }


def _began(transfer: Transfer, job: Job | None) -> bool:
    """Whether a use was ever started, as far as this side knows."""
    return job is not None if transfer.role is Role.PROVIDER else transfer.data_address is not None


def _after(job: Job, event: TransferEvent) -> Job:
    if event in _CLOSING:
        held, over = job.held or event is TransferEvent.CLOSING, job.over or event in _OVER
        return replace(job, open=False, held=held, over=over)
    # The user continues what it suspended itself; `examine` was asked before.
    return replace(job, open=True) if event is TransferEvent.STARTED and not job.held else job


def _keep(tx: Transaction, old: Job, new: Job) -> None:
    if new != old:
        tx.replace(JOBS, old, new)
    if new.over and not old.over:
        accounts.end(tx, new.id)
