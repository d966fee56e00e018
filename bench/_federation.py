"""The four hospitals of the demo and one member with the demo's contract at each, in this process: fits under masks.

Usage control, engine and procedure are the real ones, so every limit that a hospital applies is applied by its own
code. The member has the coordinator's place as well: what is carried past it are masks, signatures and hashes, the
objective of each question and, at the end, what the hospitals hand over (`Federation.fit`).

Masks, seals and signatures take nine tenths of the time and change no bit of a model. With `masks` off the hospitals
give their sums without them, to the hands that add them up: what an attack gets is the same, to the bit.
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from bench._patients import patients, table
from medspace.adapters.duckdb.source import TableSource, load
from medspace.app.demo.data import HOSPITALS, dictionary
from medspace.app.demo.space import MIN_COHORT, QUESTIONS
from medspace.connector.usage.calls import Call
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import parse
from medspace.core.engine import MASKED_SUMS, Workplace
from medspace.core.errors import MedspaceError
from medspace.core.usage import Admission, Brakes, Output, Release, Step
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.masked.leading import MaskedProcedure
from medspace.runs.masked.messages import CONTRIBUTE, RESULT
from medspace.runs.masked.ports import State, TaskQuestion
from medspace.runs.masked.site import CONTRIBUTED, MaskedSite
from medspace.runs.ports import Algorithm
from tests.masked import Coordinated
from tests.runs import manifest_of, signed
from tests.signing import hybrid_of
from tests.unit.connector.uses import ASSET, KIND, PURPOSE, USER, House, call

USES = 20  # of the demo's contract
COLUMNS = len(parse(dictionary()).columns)  # an asset gives as many numbers as it has cells
TERMS: dict[str, Any] = {
    "count": USES,
    "min_cohort": MIN_COHORT,
    "min_sites": 3,
    "until": "2030-06-30T00:00:00Z",
    "protection": MASKED_SUMS,
    "outputs": ["glm.progress", "glm.model", "glm.quality"],
}
TASK = {"task": "glm", "purpose": PURPOSE, "protection": MASKED_SUMS, "min_sites": 3}
Rows = tuple[dict[str, str], ...]
ALL = Brakes()
H, R = TypeVar("H"), TypeVar("R")


class Openly:
    """What an engine does without masks: its sums as they are, and the model that it is shown (`result`)."""

    masked: MaskedSite
    result = "glm.model"

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step."""
        if step.name == RESULT:
            return Output(self.result, step.inputs["outcome"], int(step.inputs["persons"]))
        task, number, state = self.masked.task, int(step.inputs["question"]), step.inputs["state"]
        asked, shape = task.summed(step.task).asked(state), task.summed(step.task).shape(state)
        assert isinstance(asked, TaskQuestion)
        made, persons = task.summing.sums(admission, step.task, asked, shape, workplace.material, number)
        worded = Step(step.task, number, asked.name, asked.inputs)
        return Output(CONTRIBUTED, {"numbers": [str(one) for one in made]}, persons, worded=worded)


class Open(Openly, GlmEngine):
    """The engine of the demo, without masks."""


class Hospital(House):
    """One hospital; the seat of each use is taken by whoever begins the run."""

    async def sit(self, _: Call) -> None:
        """The seats are taken already."""


@dataclass
class Seat:
    """A use of one hospital, as a coordinator has it at the table."""

    house: Hospital
    loop: asyncio.AbstractEventLoop
    job: str
    token: str

    def do(self, step: Step) -> Release:
        """Ask one step."""
        asked = replace(call(self.token, self.job), step=step, signature=None)
        return self.loop.run_until_complete(self.house.control.step(asked))


class Federation(Generic[H]):
    """A member who has fits made for as long as the contracts have uses; `H` is what a hospital holds."""

    algorithm: ClassVar[Callable[[], Algorithm]] = GlmAlgorithm

    def __init__(self, held: Mapping[str, H], brakes: Brakes = ALL, *, masks: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self.masks = masks
        self._dids = {name: self.did(name) for name in held}
        self._houses = {self._dids[name]: self._house(name, one, brakes) for name, one in held.items()}
        self._runs = count(1)
        self.refusals: list[MedspaceError] = []
        self.models = 0

    @property
    def folder(self) -> str:
        """Where hospitals keep their files."""
        return self._folder.name

    @staticmethod
    def did(name: str) -> str:
        """That of a hospital."""
        return f"did:web:{name}.example"

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """What comes of some work."""
        return self._loop.run_until_complete(work)

    def _house(self, name: str, held: H, brakes: Brakes) -> Hospital:
        raise NotImplementedError

    def fit(self, said: Mapping[str, Any]) -> JsonObject | None:
        """What a member gets of one fit: all that the hospitals hand over; None where it is refused."""
        try:
            procedure = type(self).algorithm().prepare(TASK | dict(said))
            assert isinstance(procedure, MaskedProcedure)
            seats = self._seats(procedure)
            outcome: JsonObject = self._masked(procedure, seats) if self.masks else self._open(procedure, seats)
        except MedspaceError as error:
            self.refusals.append(error)
            return None
        self.models += 1
        return outcome

    def _masked(self, procedure: MaskedProcedure, seats: dict[str, Any]) -> JsonObject:
        made = self._run(procedure, seats).to_the_end()
        opened: JsonObject = made.content["opened"]["outcome"]["model"]
        return opened

    def _run(self, procedure: MaskedProcedure, seats: dict[str, Any]) -> Coordinated:
        return Coordinated(seats, procedure=procedure, task=procedure.document)

    def _open(self, procedure: MaskedProcedure, seats: Mapping[str, Seat]) -> JsonObject:
        summed, state, question = procedure.summed, procedure.summed.first(), 0
        while summed.asked(state) is not None:
            question += 1
            total = self._total(procedure, seats, state, question)
            summed.check(state, total, len(seats))
            state = summed.follow(state, total, summed.propose(state, total))
        said = {"outcome": summed.outcome(state), "persons": summed.persons(state)}
        for seat in seats.values():
            seat.do(Step(procedure.document, question + 1, RESULT, said))
        return said["outcome"]

    def _total(self, procedure: MaskedProcedure, seats: Mapping[str, Seat], state: State, question: int) -> list[int]:
        step = Step(procedure.document, question, CONTRIBUTE, {"state": state, "question": question})
        said = [seat.do(step).values["numbers"] for seat in seats.values()]
        return [sum(map(int, each)) for each in zip(*said, strict=True)]

    def _seats(self, procedure: MaskedProcedure) -> dict[str, Seat]:
        number = next(self._runs)
        job = f"urn:job:{number}"
        agreements = {did: f"urn:agreement:{name}" for name, did in self._dids.items()}
        terms = {"run": f"urn:run:{number}", "protocol": MASKED_SUMS, "min_sites": 3, "colluders": 1}
        text = signed(manifest_of(USER, procedure.document, agreements, **terms), hybrid_of(USER))
        keys, made = [], {}
        for did, house in self._houses.items():
            token = self._loop.run_until_complete(house.start(job, agreements[did]))
            made[did] = Seat(house, self._loop, job, token)
            taken = replace(call(token, job, task=procedure.document), signature=None)
            keys.append(self._loop.run_until_complete(house.control.seats.take(taken, text)))
        for seat in made.values() if self.masks else ():
            taken = replace(call(seat.token, job, task=procedure.document), signature=None)
            self._loop.run_until_complete(seat.house.control.seats.seat(taken, keys))
        return made

    def close(self) -> None:
        """Forget the hospitals."""
        self._loop.close()
        self._folder.cleanup()


class TableFederation(Federation[Rows]):
    """The four hospitals of the demo."""

    def _house(self, name: str, held: Rows, brakes: Brakes) -> Hospital:
        path = Path(self.folder) / f"{name}.csv"
        path.write_text(table(held), encoding="utf-8")
        house = Hospital(limit=QUESTIONS, brakes=brakes, hybrid=True, holder=self.did(name), **TERMS)
        house.numbers = len(held) * COLUMNS
        source = TableSource({ASSET: load(path, parse(dictionary()))})
        house.build({(KIND, "glm"): GlmEngine if self.masks else Open}, {ASSET: source})
        self.wait(house.agree(name=name))
        return house


def everybody() -> dict[str, Rows]:
    """The rows of all four."""
    return {one.key: patients(one.key) for one in HOSPITALS}
