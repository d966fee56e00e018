"""The coordinator leads any kind of task: here one that only adds numbers up until they are enough."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from medspace import runs
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core.text import Text
from medspace.core.usage import release_digest
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.errors import AnswerInvalidError, RunError, SiteRefusedError, TaskInvalidError
from medspace.runs.model import RunState
from medspace.runs.ports import Answer, Demands, Question, Result
from medspace.runs.service import Coordinator
from tests.unit.learning.simulated import SIGNER, did, seats


@dataclass
class Added:
    number: int
    before: dict
    sites: list
    total: int = 0

    def add(self, answer, least):
        value = answer.values["value"]
        if value < 0:
            raise AnswerInvalidError(site=answer.site, round=self.number, reason=Text("a negative number"))
        self.total += value
        self.sites.append(answer.site)
        return 1

    def state(self, *, lost):
        return {"total": self.before["total"] + self.total, "sites": self.sites}


@dataclass
class Adding:
    document: dict

    demands = Demands(min_sites=2, site_faults="exclude")
    needs = ()

    def first(self):
        return {"total": 0, "sites": []}

    def questions(self, state, number):
        if number > 9:
            raise RunError
        inputs = {"total": state["total"]} if number > 1 else {}
        return None if state["total"] >= self.document["enough"] else Question("add", "add.value", inputs)

    def gathering(self, state, number):
        return Added(number, state, [])

    def without(self, state):
        return self.first()

    def objective(self, state):
        return float(state["total"])

    def result(self, state):
        return Result({"total": state["total"]}, len(state["sites"]), tuple(state["sites"]))


class AddingAlgorithm:
    kind = "medspace:train"
    name = "add"

    def prepare(self, document):
        return Adding(dict(document))


class Numbers:
    def __init__(self, values):
        self.values = values
        self.asked = []

    async def begin(self, run, agreement, kind):
        return agreement.replace("agreement", "use")

    async def seat(self, use, manifest):
        return f"key of {use}"

    async def seated(self, use, keys):
        pass

    async def ask(self, use, step):
        site = use.removeprefix("urn:use:")
        self.asked.append((step.round, step.name, step.inputs))
        if self.values[site] is None:
            raise SiteRefusedError(site=site, reason="no")
        values = {"value": self.values[site]}
        said = release_digest("add.value", step.round, 1, values)
        return Answer(site, f"urn:release:{step.round}", step.round, "add.value", values, 1, said)

    async def end(self, use):
        pass


def leader(values, algorithms):
    sites, clock = Numbers(values), ManualClock()
    actor = "did:web:researcher"
    return Coordinator(MemoryDatabase(), sites, clock, SeededRandomness(), actor, SIGNER, algorithms, noted=str)


BOTH = (GlmAlgorithm(), AddingAlgorithm())


async def test_a_run_of_another_kind_of_task():
    values = {did(0): 3, did(1): 4, did(2): 5}
    leading = leader(values, BOTH)
    run = await leading.train({"task": "add", "enough": 30}, seats(values))
    model = await leading.model(run.id)
    assert (run.state, run.round) == (RunState.FINISHED, 3)
    assert (model.result, model.rows, model.lineage.sites) == ({"total": 36}, 3, tuple(values))
    assert [one.objective for one in await leading.rounds(run.id)] == [12.0, 24.0, 36.0]
    assert leading.sites.asked[::3] == [(1, "add", {}), (2, "add", {"total": 12}), (3, "add", {"total": 24})]


@pytest.mark.parametrize("bad", [None, -1])
async def test_its_faults_are_the_coordinators_business(bad):
    values = {did(0): 3, did(1): 4, did(2): bad}
    leading = leader(values, BOTH)
    run = await leading.train({"task": "add", "enough": 7}, seats(values))
    assert (run.state, [fault.site for fault in run.faults]) == (RunState.FINISHED, [did(2)])
    failed = await leading.train({"task": "add", "enough": 7}, [replace(s, min_sites=3) for s in seats(values)])
    assert (failed.state, failed.failure.code) == (RunState.FAILED, "learning.too_few_sites")


async def test_rounds_that_the_task_does_not_allow():
    values = {did(0): 0, did(1): 0}
    run = await leader(values, BOTH).train({"task": "add", "enough": 7}, seats(values))
    assert (run.state, run.round) == (RunState.FAILED, 9)


async def test_a_task_that_nobody_knows_is_refused():
    with pytest.raises(TaskInvalidError):
        await leader({}, BOTH).create({"task": "forest"}, seats([did(0)]))


def test_the_coordinator_imports_no_kind_of_task():
    for path in Path(runs.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith("medspace.learning") for name in names), path.name
