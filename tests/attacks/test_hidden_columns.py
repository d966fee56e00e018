"""A user who has an engine look at a column that the question does not name: in a part, or in what the use remembers.

It asks before and after one patient's value changed; the difference of the two answers would be that patient. The
brake is the comparison of contents (`Brakes.changes`): an engine that does not say what it looks at counts as looking
at every column. What an engine says is believed: `Believed` says the columns that the question names, as all were
taken to before, and gives everybody away.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.engine import StepLimits
from medspace.core.parts import Keeping
from medspace.core.usage import Brakes, Output
from tests.unit.connector.uses import KIND, TASK, USER, House, call

PERSONS = 40
READ = "columns: patients read by a question that names none"
NAMELESS = {name: said for name, said in TASK.items() if name != "column"}


@dataclass
class Told:
    """Adds up the column that a part names, or the first step of the use, whose word it remembers."""

    way: str
    kind: str = KIND
    task: str = "count"
    outputs: tuple = ()
    steps: tuple = ("remember", "sum")
    forms: tuple = ()
    limits: StepLimits = field(default_factory=StepLimits)

    def check(self, task):
        """Every task is fine."""

    def protection(self, task):
        return "coordinator-sees-sums"

    def answer(self, admission, step, workplace):
        if step.name == "remember":
            return Output("count.sum", {"noted": True}, PERSONS, memory=str(step.inputs["word"][::-1]).encode())
        column = workplace.memory.decode() if self.way == "memory" else read(workplace.blobs, step.parts[0])
        return Output("count.sum", {"sum": math.fsum(workplace.material.numbers(column))}, PERSONS)


class Believed(Told):
    """Says that it looks at what the question names."""

    def columns(self, step):
        return [word for word in (*step.task, *step.task.values(), *step.inputs.values()) if isinstance(word, str)]


def read(blobs, part):
    with blobs.open(part) as source:
        return source.read().decode()


async def asked(house, job, way):
    """The sum over the hidden column, in a use of its own."""
    token = await house.start(job)
    parts = ()
    if way == "memory":  # spelt backwards, so that not even its name is said
        await house.control.step(call(token, job=job, task=NAMELESS, name="remember", inputs={"word": "mus"}))
    else:
        with house.blobs.of(Keeping(USER, job)).create("text/plain") as new:
            new.write(b"sum")
        parts = (new.part,)
    answer = await house.control.step(call(token, job=job, task=NAMELESS, round=2, parts=parts, inputs={"job": job}))
    return answer.values["sum"]


async def found(way, brakes, engine=Told):
    """The patients whose changed value is the difference of two answers."""
    got = 0
    for person in range(0, PERSONS, 4):
        house = House(brakes=brakes)
        house.engine = engine(way, outputs=house.engine.outputs, forms=house.engine.forms)
        house.source.said = before = tuple(1000 + 7 * number for number in range(PERSONS))
        house.build()
        await house.agree()
        first = await asked(house, "urn:job:2", way)
        house.source.said = tuple(value + (number == person) * 13 for number, value in enumerate(before))
        house.build()
        with suppress(NotAdmittedError):
            got += await asked(house, "urn:job:3", way) - first == 13
    return got


@pytest.mark.parametrize("way", ["part", "memory"])
async def test_a_column_that_no_question_names_is_compared_all_the_same(way, attack_report):
    got, control = await found(way, Brakes()), await found(way, Brakes(changes=False))
    attack_report(f"{READ} ({way})", got=got, control=control, of=PERSONS // 4, unit="patients")
    assert (got, control) == (0, PERSONS // 4)


async def test_what_an_engine_says_of_its_columns_is_believed():
    assert await found("part", Brakes(), Believed) == PERSONS // 4
