"""Stand-in (g): hospitals average a vector of any length, clipped, in words of 32 bits; masked, or in plain sight.

In each round a hospital moves from the weights that all have towards what its own rows say, by at most `clip` in each
number; all move on by the mean. Masked, the coordinator adds up what it cannot read (`runs.masked.vectors`); in plain
sight it adds up the same words. That is the shape of learning with large models, without the models.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_WEIGHTS, OutputForm, StepLimits
from medspace.core.limits import PART
from medspace.core.material import Form
from medspace.core.parts import Blobs, Part
from medspace.core.text import Text
from medspace.core.usage import Output
from medspace.runs.errors import AnswerInvalidError, RunError
from medspace.runs.masked import vectors
from medspace.runs.masked.leading import MaskedProcedure, kinds
from medspace.runs.masked.messages import ROWLESS, STEPS
from medspace.runs.masked.ports import Shape, TaskQuestion
from medspace.runs.masked.site import MaskedSite
from medspace.runs.masked.vectors import MEDIA_TYPE
from medspace.runs.ports import Demands, ModelDescription, Question, Result

TRAIN, AVERAGING = "medspace:train", "averaging"
FRACTION = 16  # bits
BLOCK = 1 << 16  # numbers
WEIGHTS, WORDS = np.dtype("<f4"), np.dtype("<i4")


def wanted(ages: np.ndarray, at: int, count: int) -> np.ndarray:
    """What the rows of a hospital say that numbers of the vector should be."""
    places = np.arange(at, at + count) % 1000
    return (places - 500) * (ages.mean() / 10_000)


def moved(weights: np.ndarray, ages: np.ndarray, at: int, clip: float) -> np.ndarray:
    """Towards that, by so much at most."""
    return np.clip(wanted(ages, at, len(weights)) - weights, -clip, clip)


def blocks_of(part: Part | None, count: int, blobs: Blobs):
    """Weights, block by block; they begin at zero."""
    if part is None:
        for at in range(0, count, BLOCK):
            yield np.zeros(min(BLOCK, count - at), WEIGHTS)
        return
    with blobs.open(part) as source:
        while raw := source.read(BLOCK * WEIGHTS.itemsize):
            yield np.frombuffer(raw, WEIGHTS)


def ages_of(material) -> np.ndarray:
    """One for each person, its last."""
    last = dict(zip(material.persons().tolist(), material.numbers("age").tolist(), strict=True))
    return np.array([age for age in last.values() if age == age])  # noqa: PLR0124 - a missing one is not itself


@dataclass(frozen=True)
class Averaging:
    """The task, at whoever reads it (`runs.masked.ports.SummedParts`)."""

    count: int
    clip: float
    rounds: int

    def first(self):
        return {"round": 1, "weights": None, "persons": 0}

    def asked(self, state):
        if state["round"] > self.rounds:
            return None
        return TaskQuestion("average", {"weights": state["weights"]})

    def shape(self, state):
        """The numbers, and the persons behind them."""
        return Shape(self.count + 1, FRACTION, max(int(self.clip * (1 << FRACTION)), 1 << 20), 32)

    def advance(self, state, total, sites, blobs):
        step = WEIGHTS.type(sites << FRACTION)
        before, persons, old = blocks_of(weights_of(state), self.count, blobs), 0, np.empty(0, WEIGHTS)
        with blobs.create(MEDIA_TYPE) as made:
            left = self.count
            for block in total:
                if len(block) > left:
                    persons = int(block[-1])
                numbers = block[:left]
                while len(old) < len(numbers):
                    old = np.concatenate([old, next(before)])
                made.write((old[: len(numbers)] + numbers.astype(WEIGHTS) / step).tobytes())
                old, left = old[len(numbers) :], left - len(numbers)
        part = made.part
        return {"round": state["round"] + 1, "weights": [part.digest, part.size], "persons": persons}

    def persons(self, state):
        return state["persons"]

    def objective(self, state):
        return None

    def outcome(self, state):
        return {"weights": state["weights"], "persons": state["persons"]}

    def parts(self, state):
        return (weights_of(state),)

    def result(self, outcome, sites, own, blobs):
        """The first weights, the last ones, and the digest of all."""
        weights = np.concatenate(list(blocks_of(weights_of(outcome), self.count, blobs)))
        shown = [str(float(each)) for each in (*weights[:3], *weights[-3:])]
        return Result(
            {"weights": shown, "digest": outcome["weights"][0], "persons": outcome["persons"]},
            outcome["persons"],
            tuple(sites),
        )


def weights_of(state) -> Part | None:
    """The part of a state or an outcome."""
    said = state["weights"]
    return None if said is None else Part(said[0], MEDIA_TYPE, said[1])


def read(document) -> Averaging:
    """The task of a document."""
    return Averaging(document["count"], float(document["clip"]), document["rounds"])


@dataclass(frozen=True)
class AveragingSums:
    """Beside the data (`runs.masked.ports.SummingParts`)."""

    def blocks(self, admission, task, asked, shape, material, step_round, blobs):
        averaging, ages = read(task), ages_of(material)
        return quantised(averaging, ages, weights_of(asked.inputs), blobs), len(ages)


def quantised(averaging: Averaging, ages: np.ndarray, weights: Part | None, blobs: Blobs):
    """How far the hospital moves each number, as integers; then its persons."""
    at = 0
    for block in blocks_of(weights, averaging.count, blobs):
        yield np.rint(moved(block, ages, at, averaging.clip) * (1 << FRACTION)).astype(np.int32)
        at += len(block)
    yield np.array([len(ages)], np.int32)


@dataclass(frozen=True)
class AveragingTask:
    """The line of the task (`runs.masked.ports.MaskedTask`)."""

    name: str = AVERAGING
    summing: AveragingSums = AveragingSums()

    def summed(self, task):
        return read(task)


@dataclass(frozen=True)
class AveragingEngine:
    """On the hospital's side."""

    kind: str = TRAIN
    task: str = AVERAGING
    masked: MaskedSite = field(default_factory=lambda: MaskedSite(AveragingTask(), PART))
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=lambda: StepLimits(rowless=ROWLESS))
    steps: tuple[str, ...] = (*STEPS, "average", "end")

    @property
    def outputs(self):
        return (*self.masked.outputs, OutputForm("averaging.sum"), OutputForm("averaging.weights"))

    def protection(self, task):
        return task.get("protection", MASKED_WEIGHTS)

    def check(self, task):
        read(task)

    def answer(self, admission, step, workplace):
        if self.protection(step.task) == MASKED_WEIGHTS:
            return self.masked.answer(admission, step, workplace)
        return self.plain(step, workplace)

    def plain(self, step, workplace):
        """The same words without masks; the sum of the round before comes with the next one."""
        averaging, blobs = read(step.task), workplace.blobs
        state = averaging.first() if workplace.memory is None else msgspec.json.decode(workplace.memory)
        if step.parts:
            (total,) = step.parts
            with blobs.open(total) as source:
                state = averaging.advance(state, words_of(source), step.inputs["sites"], blobs)
        memory = msgspec.json.encode(state)
        if step.name == "end":
            parts = averaging.parts(state) if step.inputs["from"] == "all" else ()
            return Output("averaging.weights", averaging.outcome(state), state["persons"], parts, memory)
        ages = ages_of(workplace.material)
        with blobs.create(MEDIA_TYPE) as made:
            for block in quantised(averaging, ages, weights_of(state), blobs):
                made.write(block.tobytes())
        return Output("averaging.sum", {"round": state["round"]}, len(ages), (made.part,), memory)


def words_of(source):
    """A sum in words, block by block."""
    while raw := source.read(BLOCK * WORDS.itemsize):
        yield np.frombuffer(raw, WORDS)


@dataclass
class Adding:
    """Adds up words that it can read."""

    blobs: Blobs
    state_: dict[str, Any]
    parts: list[Part] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)

    def add(self, answer, least):
        if self.state_["round"] and len(answer.parts) != 1:
            raise AnswerInvalidError(site=answer.site, round=answer.round, reason=Text("it has not one part"))
        self.parts += answer.parts
        self.sites.append(answer.site)
        self.said.append(dict(answer.values))
        return 0

    def state(self, *, lost):
        if self.state_["round"] == 0:
            return {**self.state_, "outcome": self.said[0]}
        total = vectors.added(self.parts, 32, self.blobs)
        due = self.state_["round"] + 1
        ended = due > self.state_["rounds"]
        return {**self.state_, "round": 0 if ended else due, "total": [total.digest, total.size], "sites": self.sites}


@dataclass(frozen=True)
class PlainProcedure:
    """The coordinator's side in plain sight."""

    document: dict
    blobs: Blobs | None = None

    @property
    def demands(self):
        return Demands(min_sites=self.document["min_sites"], protection=COORDINATOR_SEES_SUMS)

    @property
    def needs(self):
        return ()

    def within(self, blobs):
        return replace(self, blobs=blobs)

    def kept(self, state):
        return self._total(state)

    def _total(self, state):
        said = state.get("total")
        return () if said is None else (Part(said[0], MEDIA_TYPE, said[1]),)

    def first(self):
        return {"round": 1, "rounds": self.document["rounds"]}

    def questions(self, state, number):
        if "outcome" in state:
            return None
        inputs = {"sites": len(state.get("sites", ())), "from": "none"}
        most, parts = 4 * (self.document["count"] + 1), self._total(state)
        if state["round"]:
            return Question("average", "averaging.sum", inputs, parts=parts, most=most)
        return Question("end", "averaging.weights", inputs, parts=parts)

    def gathering(self, state, number):
        return Adding(self.blobs, dict(state))

    def without(self, state):
        raise RunError

    def objective(self, state):
        return None

    def result(self, state):
        said = state["outcome"]
        content = {"digest": said["weights"][0], "persons": said["persons"]}
        return Result(content, said["persons"], tuple(state["sites"]))


@dataclass(frozen=True)
class AveragingAlgorithm:
    """Reads its tasks."""

    kind: str = TRAIN
    name: str = AVERAGING
    protections: tuple[str, ...] = (MASKED_WEIGHTS, COORDINATOR_SEES_SUMS)

    def prepare(self, document):
        if document["protection"] == COORDINATOR_SEES_SUMS:
            return PlainProcedure(dict(document))
        demands = Demands(min_sites=document["min_sites"], protection=document["protection"])
        most = 4 * (document["count"] + 1)
        return MaskedProcedure(read(document), kinds(AVERAGING), dict(document), demands, (), described, most=most)


def described(result, names):
    """A few of the weights."""
    facts = {name: value for name, value in result.content.items() if name != "opened"}
    return ModelDescription(Text("weights"), {"result": facts})
