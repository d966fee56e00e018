"""A holder's usage control with real collections, a clock that stands still, and an engine that does as told."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from medspace.adapters.blobs.memory import MemoryBlobStore
from medspace.adapters.memory import ManualClock, MemoryDatabase, MemoryUseKeys, SeededRandomness
from medspace.adapters.runner import ThreadPool, ThreadRunner
from medspace.adapters.system import SystemRandomness
from medspace.app.compose.conditions import CONDITIONS
from medspace.app.node.changes import Changes
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Role, Transfer, TransferState
from medspace.connector.ports import TransferEvent
from medspace.connector.usage.calls import Call, Holder
from medspace.connector.usage.conditions import Grounds, Maker
from medspace.connector.usage.going import Lead
from medspace.connector.usage.model import JOBS, LABELS, SEATS, Labelled
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.ports import Runners
from medspace.connector.usage.seats import SiteIdentity
from medspace.connector.usage.service import ALL_BRAKES, UsageControl
from medspace.connector.usage.strategy import UsageStrategy
from medspace.connector.usage.tokens import JobTokens
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.errors import MedspaceError
from medspace.core.hashing import digest
from medspace.core.material import Form
from medspace.core.sealing import Sealer
from medspace.core.signing import Signer
from medspace.core.usage import Admission, Brakes, Output, RowScope, Step
from medspace.ledger.model import Entry, decode
from medspace.policy import templates
from medspace.trust.model import Facts
from tests.runs import Everybody, manifest_of, signed, signer_of
from tests.signing import hybrid_of

HOLDER = "did:web:clinic.example"
USER = "did:web:company.example"
ASSET = "hearts"
KIND = "medspace:train"
PURPOSE = "ehds:HealthcareScientificResearch"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TASK = {"task": "count", "column": "sum", "purpose": PURPOSE, "min_sites": 1}
LABEL = {"purposes": [PURPOSE], "regions": ["World"], "kinds": [KIND], "sensitivity": "non-public"}


TABLE = Dictionary(
    "Persons",
    (Column("person", ColumnType.CODE), Column("sum", ColumnType.NUMBER), Column("sex", ColumnType.CODE)),
    person="person",
)


@dataclass(frozen=True)
class Table:
    """One row for each person: person number k says the k-th number; all of them have one sex."""

    said: tuple[int, ...]
    sex: str = "f"
    scope: tuple[RowScope, ...] = ()
    dictionary: Dictionary = TABLE
    form: Form = Form.TABLE

    @property
    def who(self) -> list[int]:
        """The persons whom the scope lets in."""
        everybody = range(len(self.said))
        return [
            person for person in everybody if all((str(person) in one.values) is one.within for one in self.scope)
        ]

    def marks(self, key: bytes) -> tuple[list[int], list[int]]:
        assert len(key) == 32
        return self.who, [self.said[person] + 1 for person in self.who]

    def numbers(self, column: str) -> list[float]:
        assert column == "sum"
        return [float(self.said[person]) for person in self.who]

    def codes(self, column: str) -> list[str | None]:
        assert column == "sex"
        return [self.sex] * len(self.who)


class Source:
    """Rows that count how often they are opened, and for which admissions."""

    def __init__(self) -> None:
        self.opened: list[Admission] = []
        self.said = tuple(range(50))  # what each person's one row says
        self.sex = "f"
        self.scopes = True  # whether it applies the scope of an admission

    def open(self, admission: Admission) -> "Table":
        self.opened.append(admission)
        return Table(self.said, self.sex, admission.scope if self.scopes else ())


@dataclass
class Engine:
    """Answers what it is told to; `before` runs in the worker thread once the rows are open."""

    output: Output = field(default_factory=lambda: Output("count.sum", {"sum": 1.5}, 50))
    kind: str = KIND
    task: str = "count"
    outputs: tuple[OutputForm, ...] = (OutputForm("count.sum"), OutputForm("count.mean"))
    steps: tuple[str, ...] = ("sum", "mean")
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)
    before: Callable[[], Any] = lambda: None
    error: Exception | None = None
    asked: list[Admission] = field(default_factory=list)

    def check(self, task: Any) -> None:
        """Every task is fine."""

    def columns(self, step: Step) -> set[Any]:
        return {step.task.get("column"), step.task.get("by")}

    def protection(self, task: Any) -> str:
        return COORDINATOR_SEES_SUMS

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        assert workplace.material is not None
        self.asked.append(admission)
        self.before()
        if self.error is not None:
            raise self.error
        return self.output


class Seated(UsageControl):
    """Usage control whose uses are shown a manifest of their task before they are asked anything."""

    def __init__(self, house: "House", *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._house = house

    async def _begun(self, call: Call, *more: Any) -> Lead:
        await self._house.sit(call)
        return await super()._begun(call, *more)


class House:
    """Usage control of one holder, with the agreements and jobs that a test asks for."""

    def __init__(
        self,
        database: Any = None,
        limit: int = 1000,
        brakes: Brakes = ALL_BRAKES,
        more: Sequence[Maker] = (),
        *,
        hybrid: bool = False,
        holder: str = HOLDER,
        **terms: Any,
    ) -> None:
        self.did = holder
        self.numbers = 1_000_000  # that the asset gives
        self.limit, self.brakes, self.randomness = limit, brakes, SeededRandomness(7)
        self.secret = b"secret of the questions"
        self.told: list[tuple[str, str]] = []
        self.warned: list[tuple[str, int, Any]] = []  # of near repeats
        self.end: Callable[[str, Any], None] = lambda use, decision: None
        self.clock = ManualClock(NOW)
        self.changes = Changes()
        self.blobs = MemoryBlobStore(1 << 20, lambda: self.clock.now().timestamp())
        self.database = database or MemoryDatabase()
        self.database.on_commit(self.changes.tell)
        self.tokens = JobTokens(b"secret")
        self.engine, self.source = Engine(), Source()
        self.regions: dict[str, str | None] = {USER: "DE"}
        self.operators: dict[str, str | None] = {}  # of those who do not operate themselves; None: a stranger
        self.members = Everybody(hybrid=hybrid)
        self.signer: Signer = hybrid_of(holder) if hybrid else signer_of(holder)
        self.others: tuple[str, ...] = ()  # who has a seat beside this holder in the runs of its uses
        self.terms = {"purposes": [PURPOSE], "until": "2027-01-01T00:00:00Z", "min_cohort": 10}
        self.terms |= {"protection": COORDINATOR_SEES_SUMS} | terms
        self.more = more  # conditions beside those of the product
        self.keys = MemoryUseKeys(SeededRandomness(8))
        self.build()

    def build(self, engines: dict[str, Any] | None = None, sources: dict[str, Any] | None = None) -> None:
        """Usage control as after a start of the connector."""
        sources = {ASSET: self.source} if sources is None else sources
        self.notebook = Notebook(Sealer(self.secret, SystemRandomness()))
        holder = Holder(
            self.did,
            sources,
            {ASSET: self.limit},
            self.notebook,
            lambda *told: self.told.append(told),
            self.end,
            numbers={ASSET: self.numbers},
            warn=lambda *warned: self.warned.append(warned),
        )
        self.grounds = Grounds(holder, self.brakes, self.facts)
        conditions = [make(self.grounds) for make in (*CONDITIONS, *self.more)]
        self.strategy = UsageStrategy(
            "https://clinic.example", frozenset({KIND}), self.tokens, self.facts, self.clock, conditions
        )
        self.control = Seated(
            self,
            holder,
            engines={(KIND, "count"): lambda: self.engine} if engines is None else engines,
            database=self.database,
            tokens=self.tokens,
            facts=self.facts,
            clock=self.clock,
            randomness=self.randomness,
            conditions=conditions,
            keys=self.keys,
            identity=SiteIdentity(self.signer, self.members, self.look_again, self.clock),
            runners=Runners(ThreadPool(), {"thread": ThreadRunner()}),
            changes=self.changes,
            blobs=self.blobs,
            applied=self.brakes,
        )

    async def settled(self) -> None:
        """Wait until no step is on its way."""
        while self.control._going._leads:
            await asyncio.gather(*(lead.task for lead in self.control._going._leads.values()), return_exceptions=True)

    async def look_again(self) -> bool:
        """The authority's list, fetched anew, has whoever was admitted last."""
        self.members.strangers.clear()
        return True

    def facts(self, _: Any, did: str) -> Facts:
        hybrid = self.members.hybrid and any(not key.revoked for key in self.members.member(did).mldsa)
        return Facts(did, self.regions.get(did), operator=self.operators.get(did, did), hybrid=hybrid)

    async def agree(self, template: str = "train-only", label: dict[str, Any] | None = LABEL, name: str = "1") -> str:
        policy = templates.build(template, **self.terms) | {
            "@id": f"urn:agreement:{name}",
            "@type": "Agreement",
            "assigner": self.did,
            "assignee": USER,
            "target": ASSET,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        stamp = "2026-01-01T00:00:00.000Z"
        agreement = Agreement(policy["@id"], "urn:n", self.did, USER, ASSET, policy, digest(policy), stamp, stamp)

        def work(tx: Any) -> None:
            tx.insert(AGREEMENTS, agreement)
            if label is not None and tx.get(LABELS, ASSET) is None:
                tx.insert(LABELS, Labelled(ASSET, label))

        await self.database.write(work)
        return agreement.id

    async def start(self, job: str = "urn:job:1", agreement: str = "urn:agreement:1", kind: str = KIND) -> str:
        """Start a use; the token that its start message carries."""
        transfer = transfer_of(job, agreement, kind)
        address = await self.database.write(lambda tx: self.strategy.address(tx, transfer))
        return str(address["endpointProperties"][0]["value"])

    async def sit(self, call: Call) -> None:
        """Show a use that was asked nothing a manifest of the task that it will be asked about."""
        job, seat = await self.database.read(lambda tx: (tx.get(JOBS, call.job), tx.get(SEATS, call.job)))
        if job is None or (seat is not None and job.steps) or not isinstance(call.step.task, dict):
            return
        seats = {other: f"urn:agreement:of:{other}" for other in self.others} | {self.did: job.agreement}
        with suppress(MedspaceError, ValueError, RecursionError):  # the step itself will say what is wrong
            await self.control.seats.take(call, signed(manifest_of(job.user, call.step.task, seats)))

    async def tell(self, event: TransferEvent, job: str = "urn:job:1") -> None:
        transfer = transfer_of(job, "urn:agreement:1", KIND)
        await self.database.write(lambda tx: self.strategy.react(tx, transfer, event))
        self.changes.tell([TRANSFERS.topic(job)])  # which is written with it

    async def relabel(self, label: dict[str, Any] | None) -> None:
        def work(tx: Any) -> None:
            old = tx.get(LABELS, ASSET)
            if label is None:
                tx.delete(LABELS, old)
            else:
                tx.replace(LABELS, old, Labelled(ASSET, label))

        await self.database.write(work)

    async def change(self, job: str = "urn:job:1", **values: Any) -> None:
        def work(tx: Any) -> None:
            old = tx.get(JOBS, job)
            tx.replace(JOBS, old, replace(old, **values))

        await self.database.write(work)

    async def job(self, job: str = "urn:job:1") -> Any:
        return await self.database.read(lambda tx: tx.get(JOBS, job))

    async def log(self) -> list[Entry]:
        return await self.database.read(lambda tx: [decode(entry) for entry in tx.log.entries(0, tx.log.size())])

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.log()]


def transfer_of(job: str, agreement: str, kind: str, role: Role = Role.PROVIDER) -> Transfer:
    """A transfer as the transfer room hands it to the strategy."""
    return Transfer(
        id=job,
        role=role,
        state=TransferState.REQUESTED,
        counterparty=USER,
        address="https://company.example/dsp",
        peer_pid="urn:peer",
        agreement=agreement,
        dataset=ASSET,
        format=kind,
        created="2026-01-01T00:00:00.000Z",
        updated="2026-01-01T00:00:00.000Z",
    )


def call(token: str, job: str = "urn:job:1", user: str = USER, **step: Any) -> Call:
    """A call of a job endpoint."""
    said = {"task": TASK, "round": 1, "name": "sum"} | step
    return Call(user, job, token, Step(**said))


async def admitted_house(**terms: Any) -> tuple[House, str]:
    """A holder with one agreement and one started use; and its token."""
    house = House(**terms)
    await house.agree()
    return house, await house.start()
