"""Stand-in (a): a second kind of task under `medspace:train`: the mean of a column over all hospitals.

Beside it there is one place of wiring: its lines in `ENGINES` and `ALGORITHMS` (`bench/house.py` counts the files).
"""

import math
from dataclasses import dataclass, field

from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.core.text import Text
from medspace.core.usage import Output
from medspace.runs.errors import AnswerInvalidError, TaskInvalidError
from medspace.runs.ports import Demands, ModelDescription, Need, Question, ReportTable, Result

TRAIN, MEAN = "medspace:train", "mean"


@dataclass(frozen=True)
class MeanEngine:
    """On the hospital's side: the sum of a column, and how many persons are behind it."""

    kind: str = TRAIN
    task: str = MEAN
    outputs: tuple[OutputForm, ...] = (OutputForm("mean.sum"),)
    steps: tuple[str, ...] = ("sum",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        if not isinstance(task.get("column"), str):
            raise InvalidInputError(reason=Text("the task names no column"))

    def answer(self, admission, step, workplace):
        rows = workplace.material
        last = {  # of each person, so that nobody counts twice
            int(person): float(value)
            for person, value in zip(rows.persons(), rows.numbers(step.task["column"]), strict=True)
            if not math.isnan(value)
        }
        return Output("mean.sum", {"sum": round(math.fsum(last.values())), "persons": len(last)}, len(last))


class Adding:
    """The answers of the one round."""

    def __init__(self) -> None:
        self.total, self.persons, self.sites = 0, 0, []

    def add(self, answer, least):
        total, persons = answer.values.get("sum"), answer.values.get("persons")
        if not isinstance(total, int) or not isinstance(persons, int) or persons < max(least, 1):
            raise AnswerInvalidError(site=answer.site, round=answer.round, reason=Text("not a sum over persons"))
        self.total, self.persons = self.total + total, self.persons + persons
        self.sites.append(answer.site)
        return persons

    def state(self, *, lost):
        return {"sum": self.total, "persons": self.persons, "sites": self.sites}


@dataclass(frozen=True)
class MeanProcedure:
    """On the coordinator's side: one round, and a division."""

    document: dict

    @property
    def demands(self):
        return Demands(min_sites=self.document["min_sites"])

    @property
    def needs(self):
        return (Need(self.document["column"]),)

    def first(self):
        return {}

    def questions(self, state, number):
        return None if state else Question("sum", "mean.sum")

    def gathering(self, state, number):
        return Adding()

    def without(self, state):
        return {}

    def objective(self, state):
        return None

    def result(self, state):
        content = {"mean": state["sum"] / state["persons"]}
        return Result(content, state["persons"], tuple(state["sites"]))

    def describe(self, result, names):
        hospitals = Text("of {hospitals}", {"hospitals": ", ".join(names[site] for site in result.sites)})
        table = ReportTable(
            (Text("column"), Text("mean")), ((self.document["column"], f"{result.content['mean']:.2f}"),)
        )
        return ModelDescription(Text("A mean"), {"result": dict(result.content)}, (table,), sentences=(hospitals,))


@dataclass(frozen=True)
class MeanAlgorithm:
    """Reads its tasks."""

    kind: str = TRAIN
    name: str = MEAN

    def prepare(self, document):
        if document.keys() != {"task", "column", "purpose", "min_sites"}:
            raise TaskInvalidError(field="task", reason=Text("column, purpose and min_sites are all that it takes"))
        return MeanProcedure(dict(document))
