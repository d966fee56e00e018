"""A kind of use on images: how bright the images of each label are, on average; and a condition on whose they are."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from medspace.connector.usage.conditions import PERMITTED, Neutral
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.core.text import Text, msgid
from medspace.core.usage import Grant, Output, RowScope

KIND = "medspace:statistics"


@dataclass(frozen=True)
class Brightness:
    """Serves `medspace:statistics`: how bright the images of each label are, of labels of few persons not."""

    kind: str = KIND
    task: str = "brightness"
    outputs: tuple[OutputForm, ...] = (OutputForm("statistics.brightness"),)
    steps: tuple[str, ...] = ("means",)
    forms: tuple[Form, ...] = (Form.IMAGES,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        if not isinstance(task.get("label"), str):
            raise InvalidInputError(reason=Text(msgid("the task names no label")))

    def answer(self, admission, step, workplace):
        images = workplace.material
        means, persons = defaultdict(list), defaultdict(set)
        told = zip(images.codes(step.task["label"]), images.persons(), strict=True)
        for index, (label, person) in enumerate(told):
            means[label].append(np.frombuffer(images.pixels(index), np.uint8).mean())
            persons[label].add(int(person))
        common = {label for label, those in persons.items() if len(those) >= admission.min_cohort}
        values = {str(label): float(np.mean(means[label])) for label in sorted(common, key=str)}
        return Output("statistics.brightness", values, len(set().union(*(persons[label] for label in common), ())))


class Consenting(Neutral):
    """Lets in those persons only who said yes; who has said nothing has not."""

    def __init__(self, yes):
        self.yes = yes

    def admit(self, tx, visit):
        return PERMITTED, Grant(scope=(RowScope("patient", frozenset(self.yes)),))
