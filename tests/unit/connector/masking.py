"""A holder whose engine adds up under masks, as far as usage control sees it: rows once, then rowless steps."""

from dataclasses import dataclass, field, replace
from typing import Any

from medspace.connector.usage.conditions import PERMITTED, Neutral
from medspace.connector.usage.errors import NotAdmittedError
from medspace.connector.usage.model import SEATS
from medspace.core.engine import MASKED_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.text import Text
from medspace.core.usage import Admission, Brakes, Grant, Output, RowScope, Step
from tests.runs import manifest_of, signed
from tests.signing import hybrid_of
from tests.unit.connector.uses import HOLDER, TASK, USER, Engine, House, call

THREE = TASK | {"min_sites": 3}
OTHERS = ("did:web:a.example", "did:web:b.example")
ALL_ON = Brakes()


@dataclass
class MaskedEngine(Engine):
    """`contribute` sums the rows, and hides the sum; `open` opens it; `result` is what the user gets."""

    steps: tuple[str, ...] = ("contribute", "open", "result")
    outputs: tuple[OutputForm, ...] = (
        OutputForm("count.masked", masked=True),
        OutputForm("count.opening", message=True),
        OutputForm("count.model"),
    )
    limits: StepLimits = field(default_factory=lambda: StepLimits(rowless=frozenset({"open", "result"})))
    model: tuple[float, ...] = (1.0, 2.0)
    expected: int = 0

    def protection(self, task: Any) -> str:
        return MASKED_SUMS

    def numbers(self, task: Any) -> int:
        return self.expected

    def difference(self, one: Any, other: Any) -> Text | None:
        return Text("the column") if one["column"] != other["column"] else None

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        self.asked.append(admission)
        self.before()
        if step.name == "contribute":
            assert workplace.material is not None
            return Output("count.masked", {"sum": float(sum(workplace.material.numbers("sum")))}, 50)
        assert workplace.material is None
        if step.name == "open":
            return Output("count.opening", {"share": "0"}, 0)
        return Output("count.model", {"model": list(self.model), "digest": "sha256:0", "exact": "0.5"}, 50)


class Consent(Neutral):
    """Lets in all but those who have withdrawn."""

    withdrawn: frozenset[str] = frozenset()

    def admit(self, tx: Any, visit: Any) -> tuple[Any, Grant]:
        scope = (RowScope("person", self.withdrawn, within=False),) if self.withdrawn else ()
        return PERMITTED, Grant(scope=scope)


class MaskedHouse(House):
    """Uses that are shown a manifest of masked sums; `sets` names the other seats of a use, by job."""

    def __init__(self, brakes: Brakes = ALL_ON, **terms: Any) -> None:
        self.consent = Consent()
        self.sets: dict[str, tuple[str, ...]] = {}
        self.ended: list[tuple[str, str]] = []
        set_by_terms = {"min_sites": 3, "colluders": 0, "protection": MASKED_SUMS} | terms
        super().__init__(brakes=brakes, more=[lambda _: self.consent], hybrid=True, **set_by_terms)
        self.engine = MaskedEngine()
        self.end = lambda use, decision: self.ended.append((use, decision.code))
        self.build()

    async def sit(self, call: Any) -> None:
        if await self.database.read(lambda tx: tx.get(SEATS, call.job)) is not None:
            return
        others = self.sets.get(call.job, OTHERS)
        seats = {other: f"urn:agreement:of:{other}" for other in others} | {HOLDER: "urn:agreement:1"}
        manifest = manifest_of(
            USER, call.step.task, seats, run=f"urn:run:{call.job}", protocol=MASKED_SUMS, min_sites=3, colluders=0
        )
        await self.control.seats.take(call, signed(manifest, hybrid_of(USER)))

    async def use(self, number: int, others: tuple[str, ...] = OTHERS) -> "MaskedUse":
        """A started use, the first one with its agreement."""
        if number == 1:
            await self.agree()
        job = f"urn:job:{number}"
        self.sets[job] = others
        return MaskedUse(self, job, await self.start(job))


@dataclass
class MaskedUse:
    """One use of it; each step is one round."""

    house: MaskedHouse
    job: str
    token: str
    round: int = 0
    task: Any = None

    async def ask(self, name: str, **inputs: Any) -> Any:
        """Do the next step."""
        self.round += 1
        step = {"task": self.task or THREE, "round": self.round, "name": name, "inputs": inputs}
        return await self.house.control.step(replace(call(self.token, self.job, **step), signature=None))

    async def refused(self, name: str, **inputs: Any) -> str:
        """The code by which it is refused."""
        try:
            await self.ask(name, **inputs)
        except NotAdmittedError as error:
            return str(error.facts["decision"])
        raise AssertionError(f"{name} was answered")
